//! Which pool the calling thread works for, if any.

use std::cell::Cell;

use super::shared::Shared;
use crate::sync::{Arc, thread_local};

thread_local! {
    /// Identity of the pool whose worker this thread is; 0 on every other thread.
    // loom's macro takes no `const` block.
    #[allow(clippy::missing_const_for_thread_local)]
    static WORKS_FOR: Cell<usize> = Cell::new(0);
    /// True once that worker has given its slot back, and only the user's code still runs: hooks, the drop of its state.
    #[allow(clippy::missing_const_for_thread_local)]
    static HAS_LEFT: Cell<bool> = Cell::new(false);
}

/// Which pool is meant, among all that are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolIdentity(usize);

impl PoolIdentity {
    pub(crate) fn of<T>(shared: &Arc<Shared<T>>) -> Self {
        PoolIdentity(std::ptr::from_ref::<Shared<T>>(shared).addr())
    }

    /// True when the calling thread is a worker of that pool.
    pub(crate) fn is_of_this_thread(self) -> bool {
        WORKS_FOR.with(Cell::get) == self.0
    }

    /// True when one of that pool's slots is the calling thread's.
    pub(crate) fn has_slot_for_this_thread(self) -> bool {
        self.is_of_this_thread() && !HAS_LEFT.with(Cell::get)
    }
}

/// The calling thread is a worker of this pool from now on.
pub(super) fn works_for<T>(shared: &Arc<Shared<T>>) {
    WORKS_FOR.with(|pool| pool.set(PoolIdentity::of(shared).0));
}

/// This thread has no slot in its pool any more.
pub(super) fn has_left() {
    HAS_LEFT.with(|left| left.set(true));
}
