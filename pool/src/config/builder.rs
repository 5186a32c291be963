//! What the user says, checked when it is turned into [`Settings`]. Builds nothing.

use std::any::Any;
use std::fmt;
use std::io;
use std::time::Duration;

use super::clock::Clock;
use super::policy::{Discard, PayloadEnd, WhenFull};
use super::settings::{Hooks, Limits, Settings, ThreadOptions, Tracking, batch_for, check_sizes};
use super::worker_thread::WorkerThread;
use crate::error::{BuildError, Refusal};
use crate::panic::contain;
use crate::sync::{Instant, StdArc, parallelism, thread};
use crate::times::Times;

/// Cap on workers when none is set.
const DEFAULT_MAX_WORKERS: usize = 512;
/// How long an unused worker stays when nothing is set; fasthttp's `MaxIdleWorkerDuration`.
const DEFAULT_MAX_IDLE: Duration = Duration::from_secs(10);

/// Options of a [`WorkerPool`](crate::WorkerPool); made by [`WorkerPool::builder`](crate::WorkerPool::builder).
///
/// ```
/// use anthill_pool::WorkerPool;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::Arc;
///
/// let sum = Arc::new(AtomicU64::new(0));
/// let seen = sum.clone();
/// let pool = WorkerPool::builder()
///     .name("adder")
///     .max_workers(4)
///     .queue_capacity(1024)
///     .build(move |n: u64| {
///         seen.fetch_add(n, Ordering::Relaxed);
///     })?;
/// for n in 1..=100 {
///     pool.submit(n)?;
/// }
/// pool.stop();
/// pool.wait()?;
/// assert_eq!(sum.load(Ordering::Relaxed), 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct WorkerPoolBuilder<T> {
    pub(crate) max_workers: Option<usize>,
    min_workers: usize,
    queue_capacity: Option<usize>,
    pub(crate) when_full: WhenFull,
    max_blocking: Option<usize>,
    max_idle: Option<Duration>,
    max_queue_age: Option<Duration>,
    measure_times: bool,
    clock: Clock,
    pub(crate) threads: ThreadOptions,
    hooks: Hooks<T>,
    #[cfg(anthill_loom)]
    batch: Option<usize>,
}

impl<T> WorkerPoolBuilder<T> {
    pub(crate) fn new() -> Self {
        WorkerPoolBuilder {
            max_workers: Some(DEFAULT_MAX_WORKERS),
            min_workers: 0,
            queue_capacity: Some(0),
            when_full: WhenFull::Block,
            max_blocking: None,
            max_idle: Some(DEFAULT_MAX_IDLE),
            max_queue_age: None,
            measure_times: false,
            clock: Clock::default(),
            threads: ThreadOptions {
                name: "pool".to_owned(),
                stack_size: None,
                on_start: None,
                on_stop: None,
                spawner: None,
                #[cfg(all(feature = "affinity", not(anthill_loom)))]
                cores: None,
            },
            hooks: Hooks {
                on_panic: None,
                on_payload_start: None,
                on_payload_end: None,
                around_payload: None,
                on_discard: None,
                on_refusal: None,
                tracking: None,
            },
            #[cfg(anthill_loom)]
            batch: None,
        }
    }

    /// The hard cap on workers, 512 when not set. Workers are made on demand, never more than this at a time. With
    /// `None` there is no cap: every payload that finds no idle worker gets a new one.
    pub fn max_workers(mut self, max_workers: impl Into<Option<usize>>) -> Self {
        self.max_workers = max_workers.into();
        self
    }

    /// As [`max_workers`](Self::max_workers), counted in workers per core of this machine: `max_workers_per_core(2)`
    /// on 8 cores is 16.
    pub fn max_workers_per_core(self, workers: usize) -> Self {
        self.max_workers(workers.checked_mul(parallelism()))
    }

    /// How many workers stay, however long unused; 0 when not set. They too are made on demand: see
    /// [`prestart`](crate::WorkerPool::prestart) to have them before. Java calls this the core size.
    pub fn min_workers(mut self, min_workers: usize) -> Self {
        self.min_workers = min_workers;
        self
    }

    /// How many accepted payloads may wait while every worker is busy; 0 when not set. With `None` there is no bound
    /// but the memory.
    ///
    /// With 0 a payload is only accepted by a worker that is free (direct hand-off, as in fasthttp and ants). With a
    /// queue, submitting costs no wake-up while the workers are busy: for short tasks allow 256 or more. Workers take
    /// queued payloads in the order in which they were accepted. (After the system refused a thread, a payload for
    /// which the next attempt succeeds starts on that thread at once, before those.)
    ///
    /// With 64 or more, a worker whose latest payloads took less than 2 us each takes several at a time, at most half
    /// of the capacity and never more than 512 (with `None` up to 512), and only while all that is queued is of
    /// [normal](crate::Priority::Normal) priority. Until they are started they count as queued, and against the
    /// capacity. Nothing waits behind a slow payload for that: whoever has nothing else to do takes over what others
    /// hold, and urgent payloads, broadcasts, scopes and whoever has waited for room for 1 ms go before what others
    /// hold. Pools with [`measure_times`](Self::measure_times), [`max_queue_age`](Self::max_queue_age) or
    /// [`WhenFull::DiscardOldest`] take them one by one always.
    pub fn queue_capacity(mut self, payloads: impl Into<Option<usize>>) -> Self {
        self.queue_capacity = payloads.into();
        self
    }

    /// What `submit` does when there is no room: it blocks when not set. `try_submit` refuses in any case, and a
    /// [`Submission`](crate::Submission) that sets a limit of its own waits for that long.
    ///
    /// ```
    /// use std::sync::{Arc, Barrier};
    /// use anthill_pool::{WhenFull, WorkerPool};
    ///
    /// let gate = Arc::new(Barrier::new(2));
    /// let held = gate.clone();
    /// let here = std::thread::current().id();
    /// let pool = WorkerPool::builder().max_workers(1).when_full(WhenFull::RunOnCaller).build(
    ///     move |is_first: bool| {
    ///         if is_first {
    ///             held.wait();
    ///         } else {
    ///             assert_eq!(std::thread::current().id(), here);
    ///         }
    ///     },
    /// )?;
    /// pool.submit(true)?;
    /// pool.submit(false)?; // runs here
    /// assert_eq!(pool.stats().ran_by_caller, 1);
    /// gate.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }

    /// How many submitters may be blocked in `submit` at a time, without limit (`None`) when not set; further ones get
    /// [`SubmitError::Overload`](crate::SubmitError::Overload). 0 makes `submit` never block. ants calls this
    /// `MaxBlockingTasks`.
    pub fn max_blocking(mut self, submitters: impl Into<Option<usize>>) -> Self {
        self.max_blocking = submitters.into();
        self
    }

    /// How long an unused worker stays, 10 s when not set. Must be above zero. With `None` workers stay until the pool
    /// stops, however long unused, and there is no cleaner.
    pub fn max_idle_worker_duration(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.max_idle = limit.into();
        self
    }

    /// How long a payload may wait from the call of `submit` to its start, the time blocked included; without limit
    /// (`None`) when not set. One that has waited longer is not run any more: the worker whose turn it is gives it to
    /// [`on_discard`](Self::on_discard) instead. The payloads of a `submit_many` begin to wait one after the other, as
    /// each is the next to be placed.
    pub fn max_queue_age(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.max_queue_age = limit.into();
        self
    }

    /// Whether to measure how long each payload waits and runs, see [`WorkerPool::times`](crate::WorkerPool::times).
    /// Costs three looks at the clock and a lock per payload; off when not set.
    pub fn measure_times(mut self, measure: bool) -> Self {
        self.measure_times = measure;
        self
    }

    /// Reads the time from a clock that a test moves by hand.
    #[cfg(not(anthill_loom))]
    pub fn clock(mut self, clock: &super::clock::ManualClock) -> Self {
        self.clock = Clock::Manual(clock.clone());
        self
    }

    /// How many payloads a worker may take at a time, for models.
    #[cfg(anthill_loom)]
    pub fn batch(mut self, payloads: usize) -> Self {
        self.batch = Some(payloads);
        self
    }

    /// Prefix of the threads' names, `pool` when not set: `pool-0`, `pool-1`, ... Linux shows 15 bytes of it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.threads.name = name.into();
        self
    }

    /// Stack size of the workers' threads in bytes; the platform's default (`None`) when not set.
    pub fn stack_size(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.threads.stack_size = bytes.into();
        self
    }

    /// Binds workers to cores: worker number `i` runs on core `cores[i % cores.len()]` and on no other (feature
    /// `affinity`, Linux and Android). Numbers are the kernel's, see [`allowed_cores`](crate::allowed_cores).
    ///
    /// It happens on the worker's thread before [`on_worker_start`](Self::on_worker_start) and before the worker's
    /// state is made. In a [`MultiPool`](crate::multi::MultiPool) the next shard goes on where the one before left off;
    /// shards that may each have a worker on every core begin evenly spaced over `cores` instead. Threads that a
    /// payload makes inherit the worker's core. A worker's number is not given twice, so when workers come and go the
    /// cores need not be shared out evenly; [`max_idle_worker_duration(None)`](Self::max_idle_worker_duration) prevents
    /// that.
    ///
    /// # Errors
    /// Building fails with [`BuildError::NoCores`] when `cores` is empty, and with [`BuildError::CannotPin`] when one
    /// of them cannot be had: there is none of that number, this process may not use it, or the system is neither Linux
    /// nor Android. One that is taken away later is no error: its workers then run where the system puts them.
    ///
    /// ```
    /// use anthill_pool::{WorkerPool, allowed_cores};
    ///
    /// # if cfg!(target_os = "linux") {
    /// let pool = WorkerPool::builder().max_workers(4).pin_workers(allowed_cores()).build(|_: u8| {})?;
    /// pool.submit(1)?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(all(feature = "affinity", not(anthill_loom)))]
    pub fn pin_workers(mut self, cores: impl Into<Vec<usize>>) -> Self {
        self.threads.cores = Some(cores.into());
        self
    }

    /// Runs on each new worker's thread before its first payload, with the worker's number. A panic in it is
    /// contained.
    pub fn on_worker_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.threads.on_start = Some(StdArc::new(hook));
        self
    }

    /// Runs on each worker's thread after its last payload, with the worker's number; as often as the start hook. A
    /// panic in it is contained.
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.threads.on_stop = Some(StdArc::new(hook));
        self
    }

    /// Runs on the worker, with the panic's value, when a payload's run panics. The worker lives on either way; a
    /// panic in the handler itself is contained too. Without a handler the value is dropped: the process's panic hook
    /// has already printed the message.
    pub fn on_panic(mut self, handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.hooks.on_panic = Some(StdArc::new(handler));
        self
    }

    /// Makes the workers' threads in place of [`std::thread::Builder`], for instance to pin or to count them.
    ///
    /// The spawner must see to it that [`WorkerThread::run`] is called on a new thread, once, and return that thread's
    /// handle; or return an error, which refuses the payload with
    /// [`SubmitError::SpawnFailed`](crate::SubmitError::SpawnFailed) unless another worker can take it. It runs on the
    /// submitter's thread, so one that takes its time is waited for, whatever the submission's limit. A thread that
    /// is made and ends without calling `run` takes the payload that was meant for it along, and its slot.
    pub fn spawner(
        mut self,
        spawner: impl Fn(WorkerThread) -> io::Result<thread::JoinHandle<()>> + Send + Sync + 'static,
    ) -> Self {
        self.threads.spawner = Some(StdArc::new(spawner));
        self
    }

    /// Runs on the worker before each payload, with the worker's number. A panic in it is contained, and the payload
    /// runs all the same.
    pub fn on_payload_start(mut self, hook: impl Fn(usize, &T) + Send + Sync + 'static) -> Self {
        self.hooks.on_payload_start = Some(StdArc::new(hook));
        self
    }

    /// Runs on the worker after each payload, also one that panicked; as often as the start hook. A panic in it is
    /// contained.
    pub fn on_payload_end(mut self, hook: impl Fn(usize, PayloadEnd) + Send + Sync + 'static) -> Self {
        self.hooks.on_payload_end = Some(StdArc::new(hook));
        self
    }

    /// Two hooks around each payload on its worker: `start` gets the worker's number and the payload, and what it
    /// returns is given to `end`, also after a panic of the payload. For what belongs to one run: a span, a moment, a
    /// guard.
    ///
    /// The value lies on the worker's stack and costs no allocation. A panic in a hook is contained; if it was in
    /// `start` the payload runs all the same, and `end` is not called. They run inside of
    /// [`on_payload_start`](Self::on_payload_start) and [`on_payload_end`](Self::on_payload_end).
    ///
    /// ```
    /// use std::time::Instant;
    /// use anthill_pool::{PayloadEnd, WorkerPool};
    ///
    /// let (slow, inbox) = std::sync::mpsc::channel();
    /// let pool = WorkerPool::builder()
    ///     .max_workers(1)
    ///     .around_payload(
    ///         |_worker, name: &String| (name.clone(), Instant::now()),
    ///         move |_worker, end, (name, begun)| slow.send((name, end, begun.elapsed())).unwrap(),
    ///     )
    ///     .build(|_name: String| {})?;
    /// pool.submit("report".to_owned())?;
    /// let (name, end, _time) = inbox.recv()?;
    /// assert_eq!((name.as_str(), end), ("report", PayloadEnd::Returned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn around_payload<S: 'static>(
        mut self,
        start: impl Fn(usize, &T) -> S + Send + Sync + 'static,
        end: impl Fn(usize, PayloadEnd, S) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.around_payload = Some(StdArc::new(move |worker, payload, run| {
            let span = contain(|| start(worker, &payload));
            let outcome = run(payload);
            if let Some(span) = span {
                contain(|| end(worker, outcome, span));
            }
        }));
        self
    }

    /// Gets each payload that was accepted and will not run after all, and why; on the thread that found it out.
    /// Without a hook it is dropped. Not called for what `stop_now` hands back.
    pub fn on_discard(mut self, hook: impl Fn(T, Discard) + Send + Sync + 'static) -> Self {
        self.hooks.on_discard = Some(StdArc::new(hook));
        self
    }

    /// Runs for each refused submission on the submitter, before it gets its payload back with the error.
    pub fn on_refusal(mut self, hook: impl Fn(Refusal) + Send + Sync + 'static) -> Self {
        self.hooks.on_refusal = Some(StdArc::new(hook));
        self
    }

    /// Payloads are to know where they are.
    pub(crate) fn tracking(mut self, tracking: Tracking<T>) -> Self {
        self.hooks.tracking = Some(tracking);
        self
    }

    /// Checks what was said.
    pub(crate) fn settings(self) -> Result<Settings<T>, BuildError> {
        check_sizes(self.min_workers, self.max_workers)?;
        if self.threads.name.contains('\0') {
            return Err(BuildError::NulInName);
        }
        if let Some(limit) = self.max_idle {
            if limit.is_zero() {
                return Err(BuildError::ZeroIdleLimit);
            }
            if Instant::now().checked_add(limit).is_none() {
                return Err(BuildError::IdleLimitTooLong(limit));
            }
        }
        if self.when_full == WhenFull::DiscardOldest && self.queue_capacity == Some(0) {
            return Err(BuildError::NothingToDiscard);
        }
        let threads = self.threads;
        #[cfg(all(feature = "affinity", not(anthill_loom)))]
        let threads = super::affinity::pin(threads)?;
        let times = self.measure_times.then(Times::default);
        // What depends on each payload's own turn is not to be had from batches.
        let by_turn =
            times.is_some() || self.max_queue_age.is_some() || self.when_full == WhenFull::DiscardOldest;
        let batch_size = if by_turn { 1 } else { batch_for(self.queue_capacity) };
        #[cfg(anthill_loom)]
        let batch_size = self.batch.unwrap_or(batch_size);
        Ok(Settings {
            limits: Limits {
                max_workers: self.max_workers,
                min_workers: self.min_workers,
                queue_capacity: self.queue_capacity,
                max_blocking: self.max_blocking,
                batch_size,
            },
            when_full: self.when_full,
            max_idle: self.max_idle,
            max_queue_age: self.max_queue_age,
            clock: self.clock,
            times,
            threads,
            hooks: self.hooks,
        })
    }
}

// By hand, so that payloads need not be `Clone`.
impl<T> Clone for WorkerPoolBuilder<T> {
    fn clone(&self) -> Self {
        WorkerPoolBuilder {
            clock: self.clock.clone(),
            threads: self.threads.clone(),
            hooks: self.hooks.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for WorkerPoolBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("min_workers", &self.min_workers)
            .field("queue_capacity", &self.queue_capacity)
            .field("when_full", &self.when_full)
            .field("max_blocking", &self.max_blocking)
            .field("max_idle_worker_duration", &self.max_idle)
            .field("name", &self.threads.name)
            .finish_non_exhaustive()
    }
}
