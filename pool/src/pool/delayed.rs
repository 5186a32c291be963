//! Submitting at an instant.

use std::fmt;
use std::time::Duration;

use super::handle::WorkerPool;
use super::submission::Submission;
use super::timer::Timer;
use crate::cancel::CancelToken;
use crate::core::{AgendaKey, Planned, Priority};
use crate::error::SubmitError;
use crate::sync::Instant;

impl<T: Send + 'static> WorkerPool<T> {
    /// Submits a payload once `delay` has passed. Returns at once; no thread and no place of the queue is taken until
    /// then.
    ///
    /// When the time has come the payload is never refused for want of room: if every worker is busy and the queue is
    /// full, it waits beside the queue for the next worker that would go idle, or has passed it over 64 times. So how
    /// many wait is bounded by the caller alone. Until it is due it counts as
    /// [`scheduled`](crate::PoolStats::scheduled); a stop gives it to
    /// [`on_discard`](crate::WorkerPoolBuilder::on_discard) as [`Discard::NotDue`](crate::Discard::NotDue),
    /// [`stop_now`](Self::stop_now) hands it back. See [`TaskPool::after`](crate::TaskPool::after) for how exact it is.
    ///
    /// # Errors
    /// [`Closed`](SubmitError::Closed), and [`SpawnFailed`](SubmitError::SpawnFailed) when the system refused the
    /// thread that looks at the clock; each with the payload.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    ///
    /// let (letters, inbox) = std::sync::mpsc::channel();
    /// let pool = WorkerPool::new(2, move |letter: &str| letters.send(letter).unwrap())?;
    /// pool.submit_after(Duration::from_millis(20), "later")?;
    /// let never = pool.submit_after(Duration::from_secs(3600), "never")?;
    /// pool.submit("now")?;
    /// assert_eq!(never.cancel(), Some("never"));
    /// assert_eq!(inbox.iter().take(2).collect::<Vec<_>>(), ["now", "later"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_after(&self, delay: Duration, payload: T) -> Result<Delayed<T>, SubmitError<T>> {
        self.submit_at(self.timer().after(delay), payload)
    }

    /// As [`submit_after`](Self::submit_after), at an instant; one that has passed is now.
    ///
    /// # Errors
    /// As `submit_after`.
    pub fn submit_at(&self, instant: Instant, payload: T) -> Result<Delayed<T>, SubmitError<T>> {
        self.plan(instant, Planned::new(payload, Priority::Normal), None)
    }

    fn plan(
        &self,
        instant: Instant,
        planned: Planned<T>,
        token: Option<&CancelToken>,
    ) -> Result<Delayed<T>, SubmitError<T>> {
        let timer = self.timer();
        let scheduled = match timer.era() {
            _ if token.is_some_and(CancelToken::is_cancelled) => Err(SubmitError::Cancelled(planned.payload)),
            Some(era) => timer.schedule(instant, planned, era),
            None => Err(SubmitError::Closed(planned.payload)),
        };
        match scheduled {
            Ok(key) => Ok(Delayed { timer, key }),
            Err(error) => {
                timer.note_refusal(&error);
                Err(error)
            }
        }
    }

    /// The pool's agenda and clock.
    pub(crate) fn timer(&self) -> Timer<T> {
        Timer::new(self.shared())
    }
}

impl<T: Send + 'static> Submission<'_, T> {
    /// Hands the payload over once `delay` has passed, as [`WorkerPool::submit_after`] does, and with this
    /// [priority](Self::priority) then: a [high](Priority::High) one goes before all that is queued, and on a full pool
    /// to the next worker that has done what it runs, instead of waiting for one that would go idle; a low one goes
    /// behind.
    ///
    /// A limit of waiting has no meaning, as what is due never waits for room; a token that is cancelled already
    /// refuses, and later [`Delayed::cancel`] calls it off.
    ///
    /// # Errors
    /// As `submit_after`, and [`Cancelled`](SubmitError::Cancelled).
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{ManualClock, Priority, Task, WorkerPool};
    ///
    /// let clock = ManualClock::new();
    /// let (begun, order) = std::sync::mpsc::channel();
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// let pool = WorkerPool::builder().max_workers(1).queue_capacity(8).clock(&clock).build_tasks()?;
    /// let says = |word| {
    ///     let begun = begun.clone();
    ///     Task::new(move || begun.send(word).unwrap())
    /// };
    /// pool.submission(says("heartbeat")).priority(Priority::High).submit_after(Duration::from_secs(1))?;
    /// pool.execute(move || gate.recv().unwrap())?;
    /// pool.submit(says("queued before"))?;
    /// clock.advance(Duration::from_secs(1));
    /// open.send(())?;
    /// assert_eq!([order.recv()?, order.recv()?], ["heartbeat", "queued before"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_after(self, delay: Duration) -> Result<Delayed<T>, SubmitError<T>> {
        let instant = self.pool().timer().after(delay);
        self.submit_at(instant)
    }

    /// As [`submit_after`](Self::submit_after), at an instant; one that has passed is now.
    ///
    /// # Errors
    /// As `submit_after`.
    pub fn submit_at(self, instant: Instant) -> Result<Delayed<T>, SubmitError<T>> {
        let (pool, payload, priority, token) = self.into_parts();
        pool.plan(instant, Planned::new(payload, priority), token)
    }
}

/// A payload that is submitted later; see [`WorkerPool::submit_after`]. Dropping it changes nothing.
pub struct Delayed<T: Send + 'static> {
    timer: Timer<T>,
    /// None when it was due at once.
    key: Option<AgendaKey>,
}

impl<T: Send + 'static> Delayed<T> {
    /// Takes the payload back; `None` when its time has come, or the pool was stopped.
    pub fn cancel(self) -> Option<T> {
        self.timer.strike(self.key?)
    }
}

impl<T: Send + 'static> fmt::Debug for Delayed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delayed").finish_non_exhaustive()
    }
}
