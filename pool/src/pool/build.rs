//! Building: from options to a pool.

use std::error::Error;

use super::handle::WorkerPool;
use crate::config::{WhenFull, WorkerPoolBuilder};
use crate::error::{BuildError, StateError};
use crate::sync::StdArc;
use crate::threads::handler::Handler;

impl<T> WorkerPoolBuilder<T> {
    /// Builds the pool whose workers run `handler` on each payload. No thread is started before the first payload.
    ///
    /// # Errors
    /// When the options cannot be met; the error names the option.
    pub fn build(self, handler: impl Fn(T) + Send + Sync + 'static) -> Result<WorkerPool<T>, BuildError>
    where
        T: Send + 'static,
    {
        Ok(WorkerPool::start(self.settings()?, Handler::Shared(Box::new(handler))))
    }

    /// Builds a pool each of whose workers has a state of its own, made by `init` on the worker's thread from the
    /// worker's number, and dropped there.
    ///
    /// A submission that needs a new worker waits until its state is made, for as long as it may wait for room; a
    /// worker whose state takes longer is there for later payloads, and no other one is made for these as long as it is
    /// enough. An error of `init` (or a panic) refuses the submission with
    /// [`SubmitError::StateFailed`](crate::SubmitError::StateFailed), unless another worker can take it: while some are
    /// busy it waits in line, and one more state is tried for it; for a payload that is queued none is, as the busy
    /// ones come to it. After a panic of `handler` the state is dropped and made anew; if that fails the worker leaves,
    /// and if it was the last one, what is queued goes to [`on_discard`](Self::on_discard).
    ///
    /// # Errors
    /// As [`build`](Self::build); and [`WhenFull::RunOnCaller`] is refused, because the caller has no state.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let (lengths, inbox) = std::sync::mpsc::channel();
    /// let pool = WorkerPool::builder().max_workers(1).build_with_state(
    ///     |_index| Ok::<_, std::io::Error>(Vec::with_capacity(4096)),
    ///     move |buffer: &mut Vec<u8>, text: &str| {
    ///         buffer.extend_from_slice(text.as_bytes());
    ///         lengths.send(buffer.len()).unwrap();
    ///     },
    /// )?;
    /// pool.submit("one")?;
    /// pool.submit("three")?;
    /// assert_eq!(inbox.iter().take(2).collect::<Vec<_>>(), [3, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_with_state<S, E>(
        self,
        init: impl Fn(usize) -> Result<S, E> + Send + Sync + 'static,
        handler: impl Fn(&mut S, T) + Send + Sync + 'static,
    ) -> Result<WorkerPool<T>, BuildError>
    where
        T: Send + 'static,
        S: 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        if self.when_full == WhenFull::RunOnCaller {
            return Err(BuildError::CallerHasNoState);
        }
        let handler = StdArc::new(handler);
        let make = move |index| {
            let mut state: S = init(index).map_err(|error| -> StateError { error.into() })?;
            let handler = handler.clone();
            Ok(Box::new(move |payload| handler(&mut state, payload)) as Box<dyn FnMut(T)>)
        };
        Ok(WorkerPool::start(self.settings()?, Handler::PerWorker(Box::new(make))))
    }
}
