//! Which pool the calling thread works for, if any.

use std::cell::{Cell, RefCell};

use super::shared::Shared;
use crate::sync::{Arc, thread_local};
use crate::waits::{PoolKey, Sleeper, TaskRunner, WorkerKey};

thread_local! {
    /// The pool whose worker this thread is.
    // loom's macro takes no `const` block.
    #[allow(clippy::missing_const_for_thread_local)]
    static WORKS_FOR: Cell<Option<PoolKey>> = Cell::new(None);
    /// The worker, until it has given its slot back; then only the user's code still runs: hooks, the drop of its
    /// state.
    #[allow(clippy::missing_const_for_thread_local)]
    static WORKER: Cell<Option<WorkerKey>> = Cell::new(None);
    /// The same, with its pool. Not to be touched without one: destructors of the thread's may come here.
    #[allow(clippy::missing_const_for_thread_local)]
    static SLEEPER: RefCell<Option<Sleeper>> = RefCell::new(None);
}

/// Which pool is meant, among all that are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolIdentity(PoolKey);

impl PoolIdentity {
    pub(crate) fn of<T>(shared: &Arc<Shared<T>>) -> Self {
        PoolIdentity(PoolKey::of(&shared.headcount))
    }

    /// True when the calling thread is a worker of that pool.
    pub(crate) fn is_of_this_thread(self) -> bool {
        WORKS_FOR.with(Cell::get) == Some(self.0)
    }

    pub(crate) fn key(self) -> PoolKey {
        self.0
    }
}

/// The calling thread is a worker of this pool from now on; under the key that it was given if it
/// is still to make its state.
pub(super) fn works_for<T>(shared: &Arc<Shared<T>>, unborn: Option<WorkerKey>) {
    let key = unborn.unwrap_or_else(WorkerKey::new);
    WORKS_FOR.with(|pool| pool.set(Some(PoolIdentity::of(shared).0)));
    WORKER.with(|worker| worker.set(Some(key)));
    let me = Sleeper::new(key, shared.headcount.clone(), unborn.is_some());
    SLEEPER.with(|sleeper| sleeper.replace(Some(me)));
}

/// The worker has made its state.
pub(super) fn is_born() {
    SLEEPER.with(|sleeper| {
        if let Some(me) = sleeper.borrow_mut().as_mut() {
            me.is_born();
        }
    });
}

/// This thread has no slot in its pool any more.
pub(super) fn has_left() {
    WORKER.with(|worker| worker.set(None));
}

/// The calling thread as one that may have to sleep, if it is a worker.
pub(crate) fn sleeper() -> Option<Sleeper> {
    WORKER.with(Cell::get)?;
    SLEEPER.with(|sleeper| sleeper.borrow().clone())
}

/// The calling thread as one that runs a task.
pub(crate) fn runner() -> TaskRunner {
    WORKER.with(Cell::get).map_or(TaskRunner::Outside, TaskRunner::Worker)
}
