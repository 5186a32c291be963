//! What handles, workers and the cleaner share, and the ways to make each other move.

use std::slice;

use super::handler::Handler;
use crate::config::{Arrival, Discard, Settings};
use crate::core::{Core, Forsaken};
use crate::panic::{PanicValue, contain};
use crate::sync::{Arc, Condvar, Count, Instant, StdArc};
use crate::waits::{self, Headcount, PoolKey};
use crate::watched::Watched;

pub(crate) type SubmitDue<T> = fn(&Arc<Shared<T>>, Instant);

pub(crate) struct Shared<T> {
    /// Watched for idleness, for departures, and for outcomes of making threads.
    pub(crate) core: Watched<Core<T>>,
    /// Notified when the cleaner has something to do before its time: to end, to watch workers again, to look at the
    /// agenda.
    pub(crate) cleaner_condvar: Condvar,
    pub(crate) settings: Settings<T>,
    pub(crate) handler: Handler<T>,
    /// Submits what is due at a moment, which the cleaner does. Submitting is a matter of a higher floor.
    pub(crate) submit_due: SubmitDue<T>,
    /// The pool, as its workers that sleep are known.
    pub(crate) headcount: StdArc<Headcount>,
    /// Items of maps that have run, which are no payloads.
    pub(crate) items: StdArc<Count>,
}

impl<T> Shared<T> {
    pub(crate) fn new(settings: Settings<T>, handler: Handler<T>, submit_due: SubmitDue<T>) -> Self {
        let headcount = Headcount::new();
        let clock = settings.clock.clone();
        let core = Core::new(settings.limits, clock, handler.has_state(), headcount.clone());
        Shared {
            core: Watched::new(core),
            cleaner_condvar: Condvar::new(),
            settings,
            handler,
            submit_due,
            headcount,
            items: StdArc::default(),
        }
    }

    /// The moment, if the pool measures times or ages.
    pub(crate) fn stamp(&self) -> Option<Instant> {
        self.settings.stamps().then(|| self.settings.clock.now())
    }

    /// Tells who is to know it that a payload lies with this pool; to be called without the lock.
    pub(crate) fn tell(&self, arrival: &mut Option<Arrival>) {
        if let Some(arrival) = arrival.take() {
            arrival(PoolKey::of(&self.headcount));
        }
    }

    /// Gives payloads that were accepted and will not run to the user's hook. To be called without the lock.
    pub(crate) fn discard(&self, payloads: impl IntoIterator<Item = T>, why: Discard) {
        for mut payload in payloads {
            self.settings.return_each(slice::from_mut(&mut payload));
            contain(|| match &self.settings.hooks.on_discard {
                Some(hook) => hook(payload, why),
                None => drop(payload),
            });
        }
    }

    /// Gives the value of a payload's panic to the user's hook. Neither a hook that panics nor a value whose drop does
    /// harms the thread.
    pub(crate) fn report_panic(&self, value: PanicValue) {
        contain(|| match &self.settings.hooks.on_panic {
            Some(hook) => hook(value),
            None => drop(value),
        });
    }
}

/// Tells those who may wait for nobody now; to be called without the lock.
pub(crate) fn tell(forsaken: Forsaken) {
    notify_each(forsaken.to_notify);
    waits::ring(forsaken.alarm);
}

/// Wakes whoever waits on these; to be called without the lock.
pub(crate) fn notify_each(condvars: impl IntoIterator<Item = Arc<Condvar>>) {
    for condvar in condvars {
        condvar.notify_one();
    }
}
