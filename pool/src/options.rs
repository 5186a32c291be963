//! What the user says ([`Builder`]), and what the engine uses ([`Settings`]); validated once, in between.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{BuildError, Refusal};
use crate::hand;
use crate::handler::{Handler, StateError};
use crate::pool::WorkerPool;
use crate::sync::{Instant, StdArc, parallelism, thread};
use crate::times::Times;

/// Cap on workers when none is set.
const DEFAULT_MAX_WORKERS: usize = 512;
/// How long an unused worker stays when nothing is set; fasthttp's `MaxIdleWorkerDuration`.
const DEFAULT_MAX_IDLE: Duration = Duration::from_secs(10);

pub(crate) type PanicHandler = StdArc<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;
pub(crate) type WorkerHook = StdArc<dyn Fn(usize) + Send + Sync>;
pub(crate) type Spawner = StdArc<dyn Fn(WorkerThread) -> io::Result<thread::JoinHandle<()>> + Send + Sync>;
type StartHook<T> = StdArc<dyn Fn(usize, &T) + Send + Sync>;
type EndHook = StdArc<dyn Fn(usize, PayloadEnd) + Send + Sync>;
type DiscardHook<T> = StdArc<dyn Fn(T, Discard) + Send + Sync>;
type RefusalHook = StdArc<dyn Fn(Refusal) + Send + Sync>;

/// What [`WorkerPool::submit`] does when every worker is busy and the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits (ants: blocking).
    #[default]
    Block,
    /// It refuses at once with [`SubmitError::Full`](crate::SubmitError::Full) (Java: `AbortPolicy`; ants:
    /// `Nonblocking`).
    Refuse,
    /// The submitter runs the payload itself before `submit` returns, which slows it down (Java: `CallerRunsPolicy`). A
    /// panic of the payload is contained and reported as on a worker.
    RunOnCaller,
    /// The oldest queued payload of the lowest priority makes room, unless all are more urgent than the new one; it goes
    /// to [`on_discard`](Builder::on_discard) (Java: `DiscardOldestPolicy`). So new payloads go before submissions that
    /// wait with a time limit of their own.
    DiscardOldest,
}

/// Why an accepted payload will not run; see [`Builder::on_discard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discard {
    /// It made room for a newer one ([`WhenFull::DiscardOldest`]).
    Displaced,
    /// It was queued for longer than [`max_queue_age`](Builder::max_queue_age).
    Aged,
    /// The last worker lost its state, and a new one could not be made ([`build_with_state`](Builder::build_with_state)).
    NoWorker,
}

/// How a payload's run ended; see [`Builder::on_payload_end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadEnd {
    /// The handler returned.
    Returned,
    /// The handler panicked.
    Panicked,
}

/// Options of a [`WorkerPool`]; made by [`WorkerPool::builder`].
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
pub struct Builder<T> {
    pub(crate) max_workers: usize,
    min_workers: usize,
    queue_capacity: usize,
    when_full: WhenFull,
    max_blocking: usize,
    max_idle: Option<Duration>,
    max_queue_age: Option<Duration>,
    measure_times: bool,
    clock: Clock,
    pub(crate) threads: ThreadOptions,
    hooks: Hooks<T>,
    #[cfg(anthill_loom)]
    batch: Option<usize>,
}

impl<T> Builder<T> {
    pub(crate) fn new() -> Self {
        Builder {
            max_workers: DEFAULT_MAX_WORKERS,
            min_workers: 0,
            queue_capacity: 0,
            when_full: WhenFull::Block,
            max_blocking: usize::MAX,
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
                on_discard: None,
                on_refusal: None,
            },
            #[cfg(anthill_loom)]
            batch: None,
        }
    }

    /// The hard cap on workers, 512 when not set. Workers are made on demand, never more than this at a time.
    pub fn max_workers(mut self, max_workers: usize) -> Self {
        self.max_workers = max_workers;
        self
    }

    /// No cap on workers: every payload that finds no idle worker gets a new one.
    pub fn unlimited_workers(mut self) -> Self {
        self.max_workers = usize::MAX;
        self
    }

    /// As [`max_workers`](Self::max_workers), counted in workers per core of this machine: `max_workers_per_core(2)`
    /// on 8 cores is 16.
    pub fn max_workers_per_core(self, workers: usize) -> Self {
        self.max_workers(workers.saturating_mul(parallelism()))
    }

    /// How many workers stay, however long unused; 0 when not set. They too are made on demand: see
    /// [`prestart`](crate::WorkerPool::prestart) to have them before. Java calls this the core size.
    pub fn min_workers(mut self, min_workers: usize) -> Self {
        self.min_workers = min_workers;
        self
    }

    /// How many accepted payloads may wait while every worker is busy; 0 when not set.
    ///
    /// With 0 a payload is only accepted by a worker that is free (direct hand-off, as in fasthttp and ants). With a
    /// queue, submitting costs no wake-up while the workers are busy: for short tasks allow 256 or more. Workers take
    /// queued payloads in the order in which they were accepted. (After the system refused a thread, a payload for
    /// which the next attempt succeeds starts on that thread at once, before those.)
    ///
    /// With 64 or more, a worker whose latest payloads took less than 2 us each takes several at a time, at most an
    /// eighth of the capacity and never more than 128. Nothing waits behind a slow payload for that: whoever has
    /// nothing else to do takes over what others hold. Such payloads count as queued, but not against the capacity.
    pub fn queue_capacity(mut self, payloads: usize) -> Self {
        self.queue_capacity = payloads;
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

    /// How many submitters may be blocked in `submit` at a time, without limit when not set; further ones get
    /// [`SubmitError::Overload`](crate::SubmitError::Overload). 0 makes `submit` never block. ants calls this
    /// `MaxBlockingTasks`.
    pub fn max_blocking(mut self, submitters: usize) -> Self {
        self.max_blocking = submitters;
        self
    }

    /// How long an unused worker stays, 10 s when not set. Must be above zero.
    pub fn max_idle_worker_duration(mut self, limit: Duration) -> Self {
        self.max_idle = Some(limit);
        self
    }

    /// Workers stay until the pool stops, however long unused; there is no cleaner then.
    pub fn keep_idle_workers(mut self) -> Self {
        self.max_idle = None;
        self
    }

    /// How long a payload may wait from the call of `submit` to its start, the time blocked included; without limit when
    /// not set. One that has waited longer is not run any more: the worker whose turn it is gives it to
    /// [`on_discard`](Self::on_discard) instead. The payloads of a `submit_many` begin to wait one after the other, as each
    /// is the next to be placed.
    pub fn max_queue_age(mut self, limit: Duration) -> Self {
        self.max_queue_age = Some(limit);
        self
    }

    /// Measures how long each payload waits and runs, see [`WorkerPool::times`]. Costs three looks at the clock and a
    /// lock per payload; off when not set.
    pub fn measure_times(mut self) -> Self {
        self.measure_times = true;
        self
    }

    /// Reads the time from a clock that a test moves by hand.
    #[cfg(not(anthill_loom))]
    pub fn clock(mut self, clock: &crate::clock::ManualClock) -> Self {
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

    /// Stack size of the workers' threads in bytes; the platform's default when not set.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.threads.stack_size = Some(bytes);
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
    /// [`SubmitError::SpawnFailed`](crate::SubmitError::SpawnFailed) unless another worker can take it. A thread that
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

    /// Gets each payload that was accepted and will not run after all, and why; on the thread that found it out. Without
    /// a hook it is dropped. Not called for what `stop_now` hands back.
    pub fn on_discard(mut self, hook: impl Fn(T, Discard) + Send + Sync + 'static) -> Self {
        self.hooks.on_discard = Some(StdArc::new(hook));
        self
    }

    /// Runs for each refused submission on the submitter, before it gets its payload back with the error.
    pub fn on_refusal(mut self, hook: impl Fn(Refusal) + Send + Sync + 'static) -> Self {
        self.hooks.on_refusal = Some(StdArc::new(hook));
        self
    }

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
    /// A submission that needs a new worker waits until its state is made; an error of `init` (or a panic) refuses it
    /// with [`SubmitError::SpawnFailed`](crate::SubmitError::SpawnFailed), unless another worker can take it. After a
    /// panic of `handler` the state is dropped and made anew; if that fails the worker leaves, and if it was the last
    /// one, what is queued goes to [`on_discard`](Self::on_discard).
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

    /// Checks what was said.
    fn settings(self) -> Result<Settings<T>, BuildError> {
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
        if self.when_full == WhenFull::DiscardOldest && self.queue_capacity == 0 {
            return Err(BuildError::NothingToDiscard);
        }
        let threads = self.threads;
        #[cfg(all(feature = "affinity", not(anthill_loom)))]
        let threads = crate::affinity::pin(threads)?;
        let times = self.measure_times.then(Times::default);
        // What depends on each payload's own turn is not to be had from batches.
        let by_turn =
            times.is_some() || self.max_queue_age.is_some() || self.when_full == WhenFull::DiscardOldest;
        let batch = if by_turn { 1 } else { hand::batch_for(self.queue_capacity) };
        #[cfg(anthill_loom)]
        let batch = self.batch.unwrap_or(batch);
        Ok(Settings {
            limits: Limits {
                max_workers: self.max_workers,
                min_workers: self.min_workers,
                queue_capacity: self.queue_capacity,
                max_blocking: self.max_blocking,
                batch,
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

/// Whether a pool can have so many workers.
pub(crate) fn check_sizes(min_workers: usize, max_workers: usize) -> Result<(), BuildError> {
    if max_workers == 0 {
        return Err(BuildError::NoWorkers);
    }
    if min_workers > max_workers {
        return Err(BuildError::MinAboveMax { min_workers, max_workers });
    }
    Ok(())
}

// By hand, so that payloads need not be `Clone`.
impl<T> Clone for Builder<T> {
    fn clone(&self) -> Self {
        Builder {
            clock: self.clock.clone(),
            threads: self.threads.clone(),
            hooks: self.hooks.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
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

/// A worker's thread about to be made; handed to a custom [`spawner`](Builder::spawner).
pub struct WorkerThread {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) body: Box<dyn FnOnce() + Send>,
}

impl WorkerThread {
    /// The name the thread should have.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stack size asked for, in bytes.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// The worker's life: returns when the worker is let go. To be called on the new thread.
    pub fn run(self) {
        (self.body)();
    }

    /// What the pool does without a custom spawner: a thread of that name and stack size.
    pub fn spawn(self) -> io::Result<thread::JoinHandle<()>> {
        let mut builder = thread::Builder::new().name(self.name);
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(self.body)
    }
}

impl fmt::Debug for WorkerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerThread").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The resolved options.
pub(crate) struct Settings<T> {
    pub(crate) limits: Limits,
    pub(crate) when_full: WhenFull,
    pub(crate) max_idle: Option<Duration>,
    pub(crate) max_queue_age: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) times: Option<Times>,
    pub(crate) threads: ThreadOptions,
    pub(crate) hooks: Hooks<T>,
}

impl<T> Settings<T> {
    /// True when payloads carry the moment of their submission.
    pub(crate) fn stamps(&self) -> bool {
        self.times.is_some() || self.max_queue_age.is_some()
    }
}

/// The bounds that decisions under the lock are made by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `usize::MAX` means no cap.
    pub(crate) max_workers: usize,
    pub(crate) min_workers: usize,
    pub(crate) queue_capacity: usize,
    pub(crate) max_blocking: usize,
    /// How many queued payloads a worker may take at a time.
    pub(crate) batch: usize,
}

impl Limits {
    /// The cap as the user sees it.
    pub(crate) fn capacity(&self) -> Option<usize> {
        (self.max_workers != usize::MAX).then_some(self.max_workers)
    }
}

#[derive(Clone)]
pub(crate) struct ThreadOptions {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<WorkerHook>,
    pub(crate) on_stop: Option<WorkerHook>,
    pub(crate) spawner: Option<Spawner>,
    #[cfg(all(feature = "affinity", not(anthill_loom)))]
    pub(crate) cores: Option<Vec<usize>>,
}

pub(crate) struct Hooks<T> {
    pub(crate) on_panic: Option<PanicHandler>,
    pub(crate) on_payload_start: Option<StartHook<T>>,
    pub(crate) on_payload_end: Option<EndHook>,
    pub(crate) on_discard: Option<DiscardHook<T>>,
    pub(crate) on_refusal: Option<RefusalHook>,
}

impl<T> Clone for Hooks<T> {
    fn clone(&self) -> Self {
        Hooks {
            on_panic: self.on_panic.clone(),
            on_payload_start: self.on_payload_start.clone(),
            on_payload_end: self.on_payload_end.clone(),
            on_discard: self.on_discard.clone(),
            on_refusal: self.on_refusal.clone(),
        }
    }
}
