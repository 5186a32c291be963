//! The agenda from outside the core: putting payloads on it, and submitting those that are due.

use std::time::Duration;

use super::submit::{note_refusal, place};
use crate::config::Discard;
use crate::core::{AgendaKey, CleanerStage, Era, Planned, SubmitOptions};
use crate::error::SubmitError;
use crate::sync::{Arc, Instant};
use crate::threads::made::make_cleaner;
use crate::threads::shared::Shared;

/// When what is due and was refused (the system refused a thread, or others are just making the first one) is tried
/// again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a delay that is too long to be a point in time comes to: beyond the life of any process.
const FAR_AHEAD: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The agenda and the clock of a pool, which this does not keep open.
pub(crate) struct Timer<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> Timer<T> {
    pub(super) fn new(shared: &Arc<Shared<T>>) -> Self {
        Timer { shared: shared.clone() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.settings.clock.now()
    }

    /// The instant when so much time will have passed.
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        let now = self.now();
        now.checked_add(delay).or_else(|| now.checked_add(FAR_AHEAD)).unwrap_or(now)
    }

    /// The present era, while the pool is open.
    pub(crate) fn era(&self) -> Option<Era> {
        self.shared.core.lock().era()
    }

    /// Puts a payload on the agenda of this era, or submits it if it is due; it has no key then. A refusal is neither
    /// counted nor told.
    pub(crate) fn schedule(
        &self,
        due: Instant,
        planned: Planned<T>,
        era: Era,
    ) -> Result<Option<AgendaKey>, SubmitError<T>> {
        let shared = &self.shared;
        let is_manual = shared.settings.clock.is_manual();
        let mut core = shared.core.lock();
        if core.era() == Some(era) && due <= self.now() {
            drop(core);
            let placed = place_due(shared, planned);
            return placed.map(|()| None).map_err(|refusal| refusal.map(|planned| planned.payload));
        }
        // So that the cleaner, once it is there, does not go before the entry comes.
        core.expect_entry(era);
        while core.era() == Some(era) && !is_manual && core.cleaner() != CleanerStage::Alive {
            if core.cleaner() == CleanerStage::BeingMade {
                core = shared.core.watch(core, None).0;
                continue;
            }
            let (after, refused) = make_cleaner(shared, core);
            core = after;
            if let Some(error) = refused {
                core.expect_entry_no_more(era);
                shared.core.unlock_and_notify(core);
                return Err(SubmitError::SpawnFailed(planned.payload, error));
            }
            // A thread that was made begins.
            break;
        }
        core.expect_entry_no_more(era);
        let noted = core.note(due, planned, era);
        shared.core.unlock_and_notify(core);
        let (key, is_first) = noted.map_err(SubmitError::Closed)?;
        if is_first {
            shared.cleaner_condvar.notify_one();
        }
        Ok(Some(key))
    }

    /// Takes an entry off the agenda, if it is still there.
    pub(crate) fn strike(&self, key: AgendaKey) -> Option<T> {
        let struck = self.shared.core.lock().strike(key);
        if struck.is_some() {
            // It may have been the last, with which the cleaner goes.
            self.shared.cleaner_condvar.notify_one();
        }
        struck
    }

    /// From now on an entry is on its way.
    pub(crate) fn expect(self, era: Era) -> Expectation<T> {
        self.shared.core.lock().expect_entry(era);
        Expectation { timer: self, era }
    }

    /// Counts and tells a refusal.
    pub(crate) fn note_refusal<P>(&self, error: &SubmitError<P>) {
        note_refusal(&self.shared, error.refusal());
    }
}

impl<T: Send + 'static> Clone for Timer<T> {
    fn clone(&self) -> Self {
        Timer { shared: self.shared.clone() }
    }
}

/// An entry will come, until this is dropped: the thread that looks at the clock stays.
pub(crate) struct Expectation<T: Send + 'static> {
    timer: Timer<T>,
    era: Era,
}

impl<T: Send + 'static> Drop for Expectation<T> {
    fn drop(&mut self) {
        self.timer.shared.core.lock().expect_entry_no_more(self.era);
        self.timer.shared.cleaner_condvar.notify_one();
    }
}

/// Submits what is due.
fn place_due<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    planned: Planned<T>,
) -> Result<(), SubmitError<Planned<T>>> {
    let Planned { payload, priority, mut arrival } = planned;
    match place(shared, payload, SubmitOptions::in_background().with(priority, None)) {
        Ok(()) => {
            shared.tell(&mut arrival);
            Ok(())
        }
        Err(refusal) => Err(refusal.map(|payload| Planned { payload, priority, arrival })),
    }
}

/// Submits everything on the agenda that is due at `now`.
pub(super) fn submit_due<T: Send + 'static>(shared: &Arc<Shared<T>>, now: Instant) {
    loop {
        let due = shared.core.lock().take_due(now);
        let Some((planned, era)) = due else { return };
        let Err(refused) = place_due(shared, planned) else { continue };
        let planned = refused.into_payload();
        let mut core = shared.core.lock();
        let again = core.note(now.checked_add(TRY_AGAIN_AFTER).unwrap_or(now), planned, era);
        if again.is_err() {
            core.count_undue(1);
        }
        drop(core);
        if let Err(payload) = again {
            shared.discard([payload], Discard::NotDue);
        }
    }
}
