//! The end of a pool in one call: stop, wait for so long, have the rest back.

use std::fmt;
use std::time::Duration;

use super::handle::WorkerPool;
use crate::error::WaitError;
use crate::sync::Instant;

impl<T: Send + 'static> WorkerPool<T> {
    /// Stops the pool, waits until it has run what it accepted, but no longer than `limit`, and then has the rest
    /// handed back: [`stop`](Self::stop), [`wait_timeout`](Self::wait_timeout), and [`stop_now`](Self::stop_now) if
    /// that was not enough.
    ///
    /// What runs when the time is up is not interrupted, as nothing can interrupt a thread; a later
    /// [`wait`](Self::wait) waits for it. A limit too long to be a point in time waits without end.
    ///
    /// # Errors
    /// [`Unfinished`], with the payloads that had not started when the time was up, the most urgent first, among equals
    /// the oldest. On a worker of this pool it is an error with [`WaitError::WouldDeadlock`], and nothing was done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    ///
    /// let (begun, begins) = std::sync::mpsc::channel();
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// let gate = std::sync::Mutex::new(gate);
    /// let pool = WorkerPool::builder().max_workers(1).queue_capacity(8).build(move |name: &str| {
    ///     begun.send(name).unwrap();
    ///     gate.lock().unwrap().recv().unwrap();
    /// })?;
    /// for name in ["runs", "waits", "waits too"] {
    ///     pool.submit(name)?;
    /// }
    /// assert_eq!(begins.recv()?, "runs");
    /// let unfinished = pool.finish(Duration::from_millis(10)).unwrap_err();
    /// assert_eq!((unfinished.rest, unfinished.running), (vec!["waits", "waits too"], 1));
    ///
    /// open.send(())?;
    /// pool.finish(Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&self, limit: Duration) -> Result<(), Unfinished<T>> {
        let deadline = Instant::now().checked_add(limit);
        if self.is_worker() {
            return Err(Unfinished { reason: WaitError::WouldDeadlock, rest: Vec::new(), running: 0 });
        }
        self.stop();
        self.finish_stopped(deadline)
    }

    /// As [`finish`](Self::finish), of a pool that was just stopped.
    pub(crate) fn finish_stopped(&self, deadline: Option<Instant>) -> Result<(), Unfinished<T>> {
        let Err(reason) = self.wait_deserted(deadline) else { return Ok(()) };
        // It may have been restarted meanwhile.
        let (rest, running) = self.stop_and_look();
        if rest.is_empty() && self.wait_deserted(deadline).is_ok() {
            return Ok(());
        }
        Err(Unfinished { reason, rest, running })
    }
}

/// What was left of a pool when [`finish`](WorkerPool::finish) ended.
#[non_exhaustive]
pub struct Unfinished<T> {
    /// Why it did not wait for the end.
    pub reason: WaitError,
    /// Payloads that were accepted and will not run.
    pub rest: Vec<T>,
    /// How many payloads ran at that moment.
    pub running: usize,
}

// By hand, so that payloads need not be `Debug`.
impl<T> fmt::Debug for Unfinished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished")
            .field("reason", &self.reason)
            .field("rest", &self.rest.len())
            .field("running", &self.running)
            .finish()
    }
}

impl<T> fmt::Display for Unfinished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            WaitError::Timeout => write!(
                f,
                "the pool was not done in time: {} payloads run, {} were handed back",
                self.running,
                self.rest.len()
            ),
            reason => fmt::Display::fmt(&reason, f),
        }
    }
}

impl<T> std::error::Error for Unfinished<T> {}
