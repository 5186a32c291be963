//! A consumer: a pool that is fed from a queue of durable jobs, and the queue told what became of them.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::error::SourceError;
use super::feeder::feed;
use super::fetched::Fetched;
use super::ledger::{FlightLimits, Ledger};
use super::lines::{ErrorHook, Lines};
use super::outcome::{IntoOutcome, Job};
use super::payload::Payload;
use super::run::JobRunner;
use super::settler::settle;
use super::source::JobSource;
use super::stats::ConsumerStats;
use crate::backoff::Backoff;
use crate::config::WorkerPoolBuilder;
use crate::error::{BuildError, WaitError};
use crate::pool::WorkerPool;
use crate::stats::PoolStats;
use crate::sync::{Instant, StdArc, thread};

/// How many deliveries are taken ahead at most when nothing is said.
const MOST_IN_FLIGHT: usize = 1024;
const DEFAULT_FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Runs a handler over the jobs of a queue, on a [`WorkerPool`] of its own.
///
/// It takes no more jobs than its pool has room for; the rest stays in the queue for others. A job is acknowledged
/// after its handler has returned, and leased anew while that takes long. When the handler fails or panics, the job is
/// given back for another attempt after a pause, and after the last one it becomes a dead letter with the reason. What
/// the source cannot be told is told again until it can.
///
/// When the consumer is dropped it is stopped as by [`stop`](Self::stop), and nothing waits.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::{Backoff, WorkerPool};
/// use anthill_pool::remote::{Consumer, Job, JobSource, MemorySource, Payload, Producer};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Letter { to: String }
/// impl Payload for Letter {}
///
/// let queue = MemorySource::new();
/// Producer::new(queue.clone()).send_many(&[
///     Letter { to: "ada@example.org".to_owned() },
///     Letter { to: "nobody".to_owned() },
/// ])?;
///
/// let (sent, inbox) = std::sync::mpsc::channel();
/// let consumer = Consumer::builder(queue.clone())
///     .pool(WorkerPool::builder().max_workers(4).queue_capacity(64))
///     .retry(Backoff::exponential(Duration::from_millis(1)).max_attempts(3))
///     .start(move |job: &Job<Letter>| match job.payload().to.contains('@') {
///         true => sent.send(job.payload().to.clone()).map_err(|error| error.to_string()),
///         false => Err(format!("attempt {}: no such address", job.attempt())),
///     })?;
///
/// assert_eq!(inbox.recv()?, "ada@example.org");
/// while queue.depth()?.dead == 0 {
///     std::thread::yield_now();
/// }
/// consumer.stop();
/// consumer.wait()?;
/// let stats = consumer.stats();
/// assert_eq!((stats.acknowledged, stats.retried, stats.buried), (1, 2, 1));
/// assert_eq!(queue.dead_letters(10)?[0].reason, "attempt 3: no such address");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Consumer {
    pub(super) pool: WorkerPool<Fetched>,
    pub(super) lines: StdArc<Lines>,
}

impl Consumer {
    /// Options for a consumer of this queue, to be finished with [`start`](ConsumerBuilder::start).
    pub fn builder(source: impl JobSource + 'static) -> ConsumerBuilder {
        ConsumerBuilder {
            source: StdArc::new(source),
            pool: WorkerPool::builder(),
            max_in_flight: None,
            retry: Backoff::exponential(DEFAULT_FIRST_PAUSE),
            on_error: None,
        }
    }

    /// Takes no more jobs; what was taken is still run, and the source told. Returns without waiting: see
    /// [`wait`](Self::wait). (A fetch that waits for jobs just now does so for at most a tenth of a second.)
    pub fn stop(&self) {
        self.lines.ledger.stop();
    }

    /// As [`stop`](Self::stop), but what has not begun is given back for others, without counting as attempted.
    pub fn stop_now(&self) {
        self.stop();
        drop(self.pool.stop_now());
        // So that what was just given back is told without a rest.
        self.stop();
    }

    /// Waits until a stopped consumer has run what it had taken and has told the source, and its threads have nothing
    /// left to do. When the source cannot be reached, it gives up after the time of a lease
    /// ([`abandoned`](ConsumerStats::abandoned)). Without a stop it waits without end.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] in a handler of this consumer, or its [error hook](ConsumerBuilder::on_error).
    pub fn wait(&self) -> Result<(), WaitError> {
        self.wait_until(None)
    }

    /// As [`wait`](Self::wait), but no longer than `limit`.
    ///
    /// # Errors
    /// As `wait`, and [`WaitError::Timeout`]; the consumer goes on stopping, and a later wait can succeed.
    ///
    /// What is still running then need not be waited for: if the process ends, the jobs come again when their lease has
    /// run out. What has not begun is given back at once by [`stop_now`](Self::stop_now); [`finish`](Self::finish) does
    /// all of it.
    pub fn wait_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.wait_until(Instant::now().checked_add(limit))
    }

    pub(super) fn wait_until(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        if self.is_own_thread() {
            return Err(WaitError::WouldDeadlock);
        }
        self.pool.wait_deserted(deadline)?;
        if self.lines.ledger.await_end(deadline) { Ok(()) } else { Err(WaitError::Timeout) }
    }

    /// True where a wait for the consumer would wait for itself: on its workers and its two threads.
    pub(super) fn is_own_thread(&self) -> bool {
        self.pool.is_worker() || self.lines.is_own_thread()
    }

    /// All figures at one moment.
    pub fn stats(&self) -> ConsumerStats {
        self.lines.ledger.stats()
    }

    /// The figures of the pool, at another moment than [`stats`](Self::stats).
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Options of a [`Consumer`]; made by [`Consumer::builder`].
#[must_use = "nothing is consumed until `start` is called"]
pub struct ConsumerBuilder {
    source: StdArc<dyn JobSource>,
    pool: WorkerPoolBuilder<Fetched>,
    max_in_flight: Option<usize>,
    retry: Backoff,
    on_error: Option<ErrorHook>,
}

impl ConsumerBuilder {
    /// The pool that runs the jobs; one with the default options when not set. All options are allowed: what a policy
    /// discards is given back. Short jobs need a queue, so that workers have something to do while more is fetched.
    pub fn pool(mut self, pool: WorkerPoolBuilder<Fetched>) -> Self {
        self.pool = pool;
        self
    }

    /// The most jobs that are taken and have not ended; 0 counts as 1. When not set, as many as the pool has
    /// workers and places in its queue, and no more than 1,024.
    ///
    /// Those that have ended and of which the source does not know it yet may be as many again: at most twice this
    /// number of jobs is run a second time when the process is killed.
    pub fn max_in_flight(mut self, jobs: usize) -> Self {
        self.max_in_flight = Some(jobs);
        self
    }

    /// When a failed job is tried again, and how often it is tried in all; when not set 5 times, after pauses by chance
    /// of up to 1, 2, 4 and 8 s. Attempts that ended with their process [count too](super#what-counts-as-an-attempt),
    /// as far as the source knew of them.
    pub fn retry(mut self, backoff: Backoff) -> Self {
        self.retry = backoff;
        self
    }

    /// Called with every error of the source, which is then tried again: for the log. A source that panics is one that
    /// [failed](SourceError::Failed). The hook runs on a thread of the consumer, and a panic in it is contained.
    pub fn on_error(mut self, hook: impl Fn(&SourceError) + Send + Sync + 'static) -> Self {
        self.on_error = Some(StdArc::new(hook));
        self
    }

    /// Starts consuming: `handler` is run for each job, several at a time. What it returns says what becomes of the
    /// job: see [`IntoOutcome`]. A payload that cannot be read makes its job a dead letter.
    ///
    /// # Errors
    /// When the pool's options cannot be met, or the system refuses a thread.
    ///
    /// # Panics
    /// With the panic of [`JobSource::lease`], if it does. Panics of the source's other methods are told to
    /// [`on_error`](Self::on_error).
    pub fn start<P, O>(
        self,
        handler: impl Fn(&Job<P>) -> O + Send + Sync + 'static,
    ) -> Result<Consumer, StartError>
    where
        P: Payload + 'static,
        O: IntoOutcome,
    {
        let runner = JobRunner::new(handler, self.retry);
        let pool = self.pool.build(move |fetched| runner.run(fetched)).map_err(StartError::Pool)?;
        let room = room_of(&pool, self.max_in_flight);
        let lines = StdArc::new(Lines::new(self.source, Ledger::new(room), self.on_error));
        // From here on, what fails stops what was started.
        let consumer = Consumer { pool: pool.clone(), lines: lines.clone() };
        let settling = lines.clone();
        let started = start_thread("settler", move || settle(&settling));
        started.and_then(|()| start_thread("feeder", move || feed(&lines, &pool))).map_err(|error| {
            consumer.lines.ledger.end_feeder();
            StartError::Thread(error)
        })?;
        Ok(consumer)
    }
}

fn room_of(pool: &WorkerPool<Fetched>, wanted: Option<usize>) -> FlightLimits {
    let workers = pool.capacity().unwrap_or(MOST_IN_FLIGHT);
    let places = pool.queue_capacity().unwrap_or(MOST_IN_FLIGHT);
    let max_in_flight = wanted.unwrap_or_else(|| workers.saturating_add(places).min(MOST_IN_FLIGHT)).max(1);
    FlightLimits { max_in_flight, workers }
}

fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(format!("jobs-{name}")).spawn(body).map(drop)
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder")
            .field("pool", &self.pool)
            .field("max_in_flight", &self.max_in_flight)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Why a consumer was not started. Its text says the cause too, so [`source`](Error::source) is what that came from.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The pool's options cannot be met.
    Pool(BuildError),
    /// The system refused a thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Pool(error) => write!(f, "the consumer's pool cannot be built: {error}"),
            StartError::Thread(error) => write!(f, "the consumer's threads cannot be made: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Pool(error) => error.source(),
            StartError::Thread(error) => error.source(),
        }
    }
}
