//! How a worker with a state of its own comes to be.
//!
//! Making the state is the user's code and may take any time, so nobody is bound to wait for it: the worker's own
//! thread settles, under the core's lock, whether it lives or gives its slot back, and why. Whoever asked for it holds
//! its [`Birth`], and waits for the outcome as long as it likes, or not at all.
//!
//! The rule kept: a birth is settled once, whatever becomes of the thread's body: it is run, or dropped unrun by a
//! spawner, which may also refuse the thread after having done either.

use std::mem;

use super::identity;
use super::made::{dropped_thread, give_slot_back, watch_over};
use super::shared::Shared;
use crate::core::{Core, Reservation};
use crate::error::BirthError;
use crate::panic::drop_quietly;
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::waits::WorkerKey;

/// Whether a worker came to be. Its lock is a small one that may be taken under the core's.
pub(crate) struct Birth {
    worker: WorkerKey,
    outcome: Mutex<BirthOutcome>,
}

enum BirthOutcome {
    Pending,
    Settled(Result<(), BirthError>),
    Told,
}

impl Birth {
    /// Who is being made.
    pub(crate) fn worker(&self) -> WorkerKey {
        self.worker
    }

    /// The outcome, once it is known, to the first who asks.
    pub(crate) fn take(&self) -> Option<Result<(), BirthError>> {
        let mut outcome = self.outcome.lock();
        match mem::replace(&mut *outcome, BirthOutcome::Told) {
            BirthOutcome::Settled(result) => Some(result),
            other => {
                *outcome = other;
                None
            }
        }
    }

    fn succeed(&self) {
        *self.outcome.lock() = BirthOutcome::Settled(Ok(()));
    }

    /// True when it was not settled yet. What comes back is an error that nobody will be told: a later one says more.
    pub(super) fn fail(&self, error: BirthError) -> (bool, Option<BirthError>) {
        let mut outcome = self.outcome.lock();
        match mem::replace(&mut *outcome, BirthOutcome::Told) {
            BirthOutcome::Pending => {
                *outcome = BirthOutcome::Settled(Err(error));
                (true, None)
            }
            BirthOutcome::Settled(Err(earlier)) => {
                *outcome = BirthOutcome::Settled(Err(error));
                (false, Some(earlier))
            }
            other => {
                *outcome = other;
                (false, Some(error))
            }
        }
    }
}

impl Drop for Birth {
    /// Of the error that nobody asked for.
    fn drop(&mut self) {
        if let Some(outcome) = self.take() {
            drop_quietly(outcome);
        }
    }
}

/// A worker with a state did not come to be, unless its birth is settled already.
pub(super) fn settle_failure<T>(
    shared: &Shared<T>,
    core: MutexGuard<'_, Core<T>>,
    reservation: Reservation,
    birth: &Birth,
    error: BirthError,
) {
    let (was_pending, untold) = birth.fail(error);
    if was_pending {
        give_slot_back(shared, core, reservation, None);
    } else {
        shared.core.unlock_and_notify(core);
    }
    // An error of the user's.
    drop_quietly(untold);
}

/// The worker's own end of it; dropped without having lived, it fails.
pub(super) struct Newborn<T> {
    shared: Arc<Shared<T>>,
    reservation: Reservation,
    birth: Arc<Birth>,
    is_settled: bool,
}

impl<T> Newborn<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, reservation: Reservation) -> (Self, Arc<Birth>) {
        let outcome = Mutex::new(BirthOutcome::Pending);
        let birth = Arc::new(Birth { worker: WorkerKey::new(), outcome });
        (Newborn { shared, reservation, birth: birth.clone(), is_settled: false }, birth)
    }

    /// Who is being made.
    pub(super) fn worker(&self) -> WorkerKey {
        self.birth.worker()
    }

    /// The state could not be made.
    pub(super) fn fail(mut self, error: BirthError) {
        self.settle_failure(error);
    }

    fn settle_failure(&mut self, error: BirthError) {
        self.is_settled = true;
        settle_failure(&self.shared, self.shared.core.lock(), self.reservation, &self.birth, error);
    }
}

impl<T: Send + 'static> Newborn<T> {
    /// The worker surely lives from now on, and comes searching.
    pub(super) fn live(mut self) {
        self.is_settled = true;
        identity::is_born();
        let mut core = self.shared.core.lock();
        core.spawn_succeeded(self.reservation, None);
        self.birth.succeed();
        watch_over(&self.shared, core);
    }
}

impl<T> Drop for Newborn<T> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle_failure(BirthError::Thread(dropped_thread()));
        }
    }
}
