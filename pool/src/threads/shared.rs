//! What handles, workers and the cleaner share, and the ways to make each other move.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::{Discard, Settings};
use crate::core::Core;
use crate::panic::{contain, forget};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard};
use crate::threads::handler::Handler;

pub(crate) struct Shared<T> {
    pub(crate) core: Mutex<Core<T>>,
    /// Rung for the rare events that watchers wait for: idleness, departures, outcomes of thread creation.
    pub(crate) events: Condvar,
    /// Rung when the cleaner has something to do before its time: to end, or to watch workers again.
    pub(crate) cleaner_condvar: Condvar,
    pub(crate) settings: Settings<T>,
    pub(crate) handler: Handler<T>,
}

impl<T> Shared<T> {
    pub(crate) fn new(settings: Settings<T>, handler: Handler<T>) -> Self {
        Shared {
            core: Mutex::new(Core::new(settings.limits, settings.clock.clone())),
            events: Condvar::new(),
            cleaner_condvar: Condvar::new(),
            settings,
            handler,
        }
    }

    /// Unlocks, and tells those who watch if there are any.
    pub(crate) fn unlock_and_tell(&self, core: MutexGuard<'_, Core<T>>) {
        let watched = core.watchers > 0;
        drop(core);
        if watched {
            self.events.notify_all();
        }
    }

    /// Waits for the next event; the flag is true when `deadline` passed.
    pub(crate) fn watch<'a>(
        &self,
        mut core: MutexGuard<'a, Core<T>>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, Core<T>>, bool) {
        core.watchers += 1;
        let (mut core, late) = match deadline {
            Some(deadline) => self.events.wait_until(core, deadline),
            None => (self.events.wait(core), false),
        };
        core.watchers -= 1;
        (core, late)
    }

    /// The moment, if the pool measures times or ages.
    pub(crate) fn stamp(&self) -> Option<Instant> {
        self.settings.stamps().then(|| self.settings.clock.now())
    }

    /// Gives payloads that were accepted and will not run to the user's hook. To be called without the lock.
    pub(crate) fn discard(&self, payloads: impl IntoIterator<Item = T>, why: Discard) {
        for payload in payloads {
            contain(|| match &self.settings.hooks.on_discard {
                Some(hook) => hook(payload, why),
                None => drop(payload),
            });
        }
    }
}

pub(crate) fn notify_each(condvars: impl IntoIterator<Item = Arc<Condvar>>) {
    for condvar in condvars {
        condvar.notify_one();
    }
}

/// Gives a panic's value to the handler. Neither a handler that panics nor a value whose drop does harms the worker.
pub(crate) fn report<T>(shared: &Shared<T>, value: Box<dyn Any + Send>) {
    let contained = catch_unwind(AssertUnwindSafe(|| match &shared.settings.hooks.on_panic {
        Some(handler) => handler(value),
        None => drop(value),
    }));
    if let Err(second) = contained {
        forget(second);
    }
}
