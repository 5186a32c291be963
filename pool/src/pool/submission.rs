//! One submission with options of its own.

use std::fmt;
use std::time::Duration;

use super::handle::WorkerPool;
use crate::cancel::CancelToken;
use crate::core::{OnFull, Priority, SubmitOptions};
use crate::error::SubmitError;

/// A payload about to be submitted, with a priority, a limit of waiting or a way to be called off; made by
/// [`WorkerPool::submission`].
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::{Priority, WorkerPool};
///
/// let pool = WorkerPool::builder().queue_capacity(16).build(|_: &str| {})?;
/// pool.submission("soon").priority(Priority::High).timeout(Duration::from_secs(1)).submit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is submitted until `submit` is called"]
pub struct Submission<'a, T: Send + 'static> {
    pool: &'a WorkerPool<T>,
    payload: T,
    priority: Priority,
    on_full: Option<OnFull>,
    token: Option<&'a CancelToken>,
}

impl<T: Send + 'static> WorkerPool<T> {
    /// A submission with options of its own: a priority, a limit of waiting, a token to call it off.
    pub fn submission(&self, payload: T) -> Submission<'_, T> {
        Submission::new(self, payload)
    }
}

impl<'a, T: Send + 'static> Submission<'a, T> {
    fn new(pool: &'a WorkerPool<T>, payload: T) -> Self {
        Submission { pool, payload, priority: Priority::Normal, on_full: None, token: None }
    }

    /// How urgent it is among what is queued; [`Priority::Normal`] when not set. Blocked submitters are served in the
    /// order in which they came, whatever their priority.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Waits for room, no longer than `limit`, whatever the pool's [`when_full`](crate::WorkerPoolBuilder::when_full)
    /// says; without it that says what happens.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.on_full = Some(OnFull::wait_within(limit));
        self
    }

    /// Does not wait at all, as `try_submit`.
    pub fn no_wait(mut self) -> Self {
        self.on_full = Some(OnFull::Refuse);
        self
    }

    /// Stops waiting when `token` is cancelled. One that is cancelled already refuses at once.
    pub fn cancel_with(mut self, token: &'a CancelToken) -> Self {
        self.token = Some(token);
        self
    }

    pub(super) fn pool(&self) -> &'a WorkerPool<T> {
        self.pool
    }

    /// All but what becomes of it on a full pool.
    pub(super) fn into_parts(self) -> (&'a WorkerPool<T>, T, Priority, Option<&'a CancelToken>) {
        (self.pool, self.payload, self.priority, self.token)
    }

    /// Hands the payload over.
    ///
    /// # Errors
    /// As [`WorkerPool::submit`], and [`Timeout`](SubmitError::Timeout), [`Full`](SubmitError::Full) or
    /// [`Cancelled`](SubmitError::Cancelled) where that was asked for; each with the payload.
    pub fn submit(self) -> Result<(), SubmitError<T>> {
        let Submission { pool, payload, priority, on_full, token } = self;
        let options = on_full.map_or_else(|| pool.policy(), SubmitOptions::new);
        pool.place(payload, options.with(priority, token))
    }
}

impl<T: Send + 'static> fmt::Debug for Submission<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("priority", &self.priority).finish_non_exhaustive()
    }
}
