//! Calls: payloads of a typed pool that are answered, each through a handle of its own.
//!
//! A call carries its payload through the pool as it is, without an allocation for a closure; what its caller and the
//! pool share is the cell of the answer. The cell holds no work, because the handler and the workers' states belong to
//! the workers: so no waiting caller runs a call itself.

use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::time::Duration;

use super::cell::{Promise, TaskResult};
use super::error::TaskError;
use super::handle::TaskHandle;
use super::reply::Reply;
use crate::config::{Arrival, Tracking, WorkerPoolBuilder};
use crate::error::{BuildError, SubmitError};
use crate::pool::WorkerPool;

/// A payload that is answered: what a [`CallPool`] runs, what its hooks see and what it hands back.
///
/// Dropped without having run, its handle tells [`Lost`](TaskError::Lost).
pub struct Call<P, R: Send + 'static> {
    payload: P,
    reply: Reply<R>,
    /// It is in somebody's hands who has its handle too, or may give it to others: when it is submitted, whoever waits
    /// for it waits for the pool from then on.
    is_at_large: bool,
}

/// A pool whose handler answers: [`call`](WorkerPool::call) gives a [handle](TaskHandle) of what the handler returns.
/// Built by [`build_calls`](WorkerPoolBuilder::build_calls) or
/// [`build_calls_with_state`](WorkerPoolBuilder::build_calls_with_state).
pub type CallPool<P, R> = WorkerPool<Call<P, R>>;

impl<P: Send + 'static, R: Send + 'static> WorkerPoolBuilder<Call<P, R>> {
    /// Builds a pool whose handler answers each payload; see [`CallPool`].
    ///
    /// A panic of the handler is delivered through the call's handle and is not one of the pool's: it is neither
    /// counted nor reported to [`on_panic`](Self::on_panic), unless the handle was dropped before.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let lengths = WorkerPool::builder().max_workers(4).queue_capacity(64).build_calls(|text: String| text.len())?;
    /// let (short, long) = (lengths.call("ant".to_owned())?, lengths.call("anthill".to_owned())?);
    /// assert_eq!((short.join()?, long.join()?), (3, 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_calls(
        self,
        handler: impl Fn(P) -> R + Send + Sync + 'static,
    ) -> Result<CallPool<P, R>, BuildError> {
        self.tracking(Call::TRACKING).build(move |call: Call<P, R>| {
            call.run(&handler);
        })
    }

    /// Builds a pool whose workers have a state of their own, as [`build_with_state`](Self::build_with_state) does, and
    /// whose handler answers each payload: a connection per worker, and the rows of each query back.
    ///
    /// After a panic of the handler the state is made anew, so the pool counts it as a panic too; the call's handle has
    /// its value, and [`on_panic`](Self::on_panic) gets its text (`String`), or the value if the handle was dropped
    /// before.
    ///
    /// # Errors
    /// As `build_with_state`.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use anthill_pool::WorkerPool;
    ///
    /// // Stands for a connection to a database.
    /// let open = |_worker| Ok::<_, std::io::Error>(HashMap::from([("ant", 6), ("spider", 8)]));
    /// let legs = WorkerPool::builder()
    ///     .max_workers(2)
    ///     .build_calls_with_state(open, |table: &mut HashMap<&str, u32>, animal: &str| table.get(animal).copied())?;
    /// assert_eq!(legs.call("spider")?.join()?, Some(8));
    /// assert_eq!(legs.call("snake")?.join()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_calls_with_state<S, E>(
        self,
        init: impl Fn(usize) -> Result<S, E> + Send + Sync + 'static,
        handler: impl Fn(&mut S, P) -> R + Send + Sync + 'static,
    ) -> Result<CallPool<P, R>, BuildError>
    where
        S: 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.tracking(Call::TRACKING).build_with_state(init, move |state: &mut S, call: Call<P, R>| {
            let mut text = None;
            let unclaimed = call.answer(
                |payload| handler(state, payload),
                |error| text = Some(error.panic_message().unwrap_or("a call panicked").to_owned()),
            );
            // The worker has to learn of the panic, whoever has its value.
            match (unclaimed, text) {
                (Some(Err(TaskError::Panicked(panic))), _) => panic.resume(),
                (_, Some(text)) => resume_unwind(Box::new(text)),
                _ => {}
            }
        })
    }
}

impl<P: Send + 'static, R: Send + 'static> CallPool<P, R> {
    /// Hands a payload to the pool as [`submit`](WorkerPool::submit) does, and returns the handle of its answer.
    ///
    /// [Cancelling](TaskHandle::cancel) the handle keeps a payload that has not been started from being run; it is
    /// dropped when a worker comes to it. A worker of this pool that joins such a handle waits for another worker, as
    /// it cannot run the call itself.
    ///
    /// # Errors
    /// As `submit`, with the payload.
    ///
    /// ```
    /// use anthill_pool::{SubmitError, WorkerPool};
    ///
    /// let squares = WorkerPool::builder().max_workers(2).build_calls(|n: u32| n * n)?;
    /// let answers = [squares.call(3)?, squares.call(4)?];
    /// assert_eq!(answers.map(|answer| answer.join().unwrap()), [9, 16]);
    /// squares.stop();
    /// assert!(matches!(squares.call(5), Err(SubmitError::Closed(5))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call(&self, payload: P) -> Result<TaskHandle<R>, SubmitError<P>> {
        self.call_through(payload, |call| self.submit(call))
    }

    /// As [`call`](Self::call), but without waiting, as [`try_submit`](WorkerPool::try_submit).
    ///
    /// # Errors
    /// As `try_submit`, with the payload.
    pub fn try_call(&self, payload: P) -> Result<TaskHandle<R>, SubmitError<P>> {
        self.call_through(payload, |call| self.try_submit(call))
    }

    /// As [`call`](Self::call), but waits for room no longer than `limit`, as
    /// [`submit_timeout`](WorkerPool::submit_timeout). Waiting for the answer is another matter: see
    /// [`TaskHandle::join_timeout`].
    ///
    /// # Errors
    /// As `submit_timeout`, with the payload.
    pub fn call_timeout(&self, payload: P, limit: Duration) -> Result<TaskHandle<R>, SubmitError<P>> {
        self.call_through(payload, |call| self.submit_timeout(call, limit))
    }

    /// A call that is not submitted yet, and the handle of its answer: for submissions with options of their own, and
    /// for many at a time.
    ///
    /// ```
    /// use anthill_pool::{Priority, WorkerPool};
    ///
    /// let squares = WorkerPool::builder().queue_capacity(16).build_calls(|n: u32| n * n)?;
    /// let (urgent, answer) = squares.prepare_call(7);
    /// squares.submission(urgent).priority(Priority::High).submit()?;
    /// assert_eq!(answer.join()?, 49);
    ///
    /// let (calls, answers): (Vec<_>, Vec<_>) = (1..=3).map(|n| squares.prepare_call(n)).unzip();
    /// squares.submit_many(calls)?;
    /// assert_eq!(answers.into_iter().map(|answer| answer.join().unwrap()).sum::<u32>(), 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prepare_call(&self, payload: P) -> (Call<P, R>, TaskHandle<R>) {
        self.make_call(payload, true)
    }

    fn make_call(&self, payload: P, is_at_large: bool) -> (Call<P, R>, TaskHandle<R>) {
        let pool = self.identity();
        let promise = if is_at_large { Promise::Unseen } else { Promise::Pool(pool.key()) };
        let (reply, cell) = Reply::new(promise);
        (Call { payload, reply, is_at_large }, TaskHandle::new(cell, pool))
    }

    fn call_through(
        &self,
        payload: P,
        submit: impl FnOnce(Call<P, R>) -> Result<(), SubmitError<Call<P, R>>>,
    ) -> Result<TaskHandle<R>, SubmitError<P>> {
        // The handle is given out once the pool has the call.
        let (call, handle) = self.make_call(payload, false);
        match submit(call) {
            Ok(()) => Ok(handle),
            Err(refusal) => Err(refusal.map(Call::into_payload)),
        }
    }
}

impl<P, R: Send + 'static> Call<P, R> {
    /// What is to be answered.
    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// Gives the call up, and the payload back; the handle tells [`Lost`](TaskError::Lost).
    pub fn into_payload(self) -> P {
        self.payload
    }

    /// Answers the call here and now, in place of a worker; for what [`stop_now`](WorkerPool::stop_now) handed back.
    /// One that was cancelled is dropped.
    ///
    /// # Panics
    /// When `answer` does, if the handle was dropped; else the handle has the panic.
    ///
    /// ```
    /// # let pool = anthill_pool::WorkerPool::builder().build_calls(|n: u32| n * n).unwrap();
    /// let (call, answer) = pool.prepare_call(12);
    /// call.run(|n| n + 1);
    /// assert_eq!(answer.join().unwrap(), 13);
    /// ```
    pub fn run(self, answer: impl FnOnce(P) -> R) {
        if let Some(Err(TaskError::Panicked(panic))) = self.answer(answer, |_| ()) {
            panic.resume();
        }
    }

    /// Runs `work` unless the call was cancelled; `note` sees a panic before anybody else does. The outcome comes back
    /// when nobody will ask for it.
    fn answer(self, work: impl FnOnce(P) -> R, note: impl FnOnce(&TaskError)) -> Option<TaskResult<R>> {
        let Call { payload, mut reply, .. } = self;
        reply.answer(|| work(payload), note)
    }

    const TRACKING: Tracking<Self> = Tracking { departs: Self::departs, returns: Self::returns };

    fn departs(&self) -> Option<Arrival> {
        if !self.is_at_large {
            return None;
        }
        Some(Box::new(self.reply.departs()))
    }

    fn returns(&mut self) {
        self.is_at_large = true;
        self.reply.entrust(Promise::Unseen);
    }
}

impl<P: fmt::Debug, R: Send + 'static> fmt::Debug for Call<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("payload", &self.payload).finish_non_exhaustive()
    }
}
