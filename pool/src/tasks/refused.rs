//! A closure that comes back from the pool which did not take it.

use std::fmt;

use crate::sync::Exclusive;

/// A closure that was refused; what a [`SubmitError`](crate::SubmitError) of `spawn` holds.
///
/// It can be run here, or taken out and spawned again. It cannot be looked at, so an error that holds it may be shared
/// between threads whatever the closure captured: `?` turns it into a `Box<dyn Error + Send + Sync>` and the like.
///
/// ```
/// use anthill_pool::{SubmitError, WorkerPool};
///
/// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
/// pool.stop();
/// let product = match pool.try_spawn(|| 6 * 7) {
///     Ok(handle) => handle.join()?,
///     Err(refused) => refused.into_payload().run(),
/// };
/// assert_eq!(product, 42);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "the closure has not run, and will not if it is dropped"]
pub struct RefusedClosure<F>(Exclusive<F>);

impl<F> RefusedClosure<F> {
    pub(super) fn new(closure: F) -> Self {
        RefusedClosure(Exclusive::new(closure))
    }

    /// The closure itself.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }

    /// Runs the closure on the calling thread.
    pub fn run<R>(self) -> R
    where
        F: FnOnce() -> R,
    {
        self.into_inner()()
    }
}

impl<F> fmt::Debug for RefusedClosure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefusedClosure")
    }
}
