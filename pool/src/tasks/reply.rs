//! An answer that is owed: the end of a cell at whoever has the work.

use super::cell::{Promise, TaskCell, TaskResult};
use super::error::{TaskError, TaskPanic};
use crate::panic::catch;
use crate::sync::Arc;
use crate::waits::{self, Alarm, PoolKey};

/// Owes an answer to whoever has the handle; dropped without one, it tells that there will be none.
pub(super) struct Reply<R: Send + 'static> {
    cell: Arc<TaskCell<R>>,
    /// It was told.
    is_over: bool,
}

impl<R: Send + 'static> Reply<R> {
    /// One that is to be given by somebody else than this, and the cell for its handle.
    pub(super) fn new(promise: Promise) -> (Self, Arc<TaskCell<R>>) {
        let cell = TaskCell::of_work_elsewhere(promise);
        (Reply { cell: cell.clone(), is_over: false }, cell)
    }

    /// The work is somebody else's to begin from now on.
    pub(super) fn entrust(&self, promise: Promise) {
        waits::ring(self.cell.entrust(promise));
    }

    /// The same, for a caller that holds a lock: an alarm is to be rung without it.
    #[must_use = "somebody may have to be roused"]
    pub(super) fn entrust_to_pool(&self, pool: PoolKey) -> Option<Alarm> {
        self.cell.entrust(Promise::Pool(pool))
    }

    /// The work is on its way to a pool; what comes back is to be called once that has it.
    pub(super) fn departs(&self) -> impl FnOnce(PoolKey) + Send + use<R> {
        self.entrust(Promise::UnderWay);
        let cell = self.cell.clone();
        move |pool| waits::ring(cell.has_arrived(pool))
    }

    /// True when nobody waits for an answer any more, as it was given or called off.
    pub(super) fn is_settled(&self) -> bool {
        self.is_over || self.cell.has_ended()
    }

    /// Gives the answer that `work` returns, unless it was called off; `note` sees a panic before anybody else does.
    /// The outcome comes back when nobody will ask for it.
    pub(super) fn answer(
        &mut self,
        work: impl FnOnce() -> R,
        note: impl FnOnce(&TaskError),
    ) -> Option<TaskResult<R>> {
        self.is_over = true;
        if !self.cell.begin() {
            return None;
        }
        let outcome = catch(work).map_err(|value| TaskError::Panicked(TaskPanic::new(value)));
        if let Err(error) = &outcome {
            note(error);
        }
        self.cell.conclude(outcome)
    }

    /// Gives an answer that is there already; it comes back when nobody wants it.
    pub(super) fn tell(&mut self, outcome: TaskResult<R>) -> Option<TaskResult<R>> {
        self.is_over = true;
        if self.cell.begin() { self.cell.conclude(outcome) } else { Some(outcome) }
    }
}

impl<R: Send + 'static> Drop for Reply<R> {
    fn drop(&mut self) {
        if !self.is_over {
            self.cell.forestall(TaskError::Lost);
        }
    }
}
