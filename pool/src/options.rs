//! What the user says ([`Builder`]), and what the engine uses ([`Settings`]); validated once, in between.

use std::any::Any;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::error::BuildError;
use crate::pool::WorkerPool;
use crate::sync::{Instant, thread};

/// Cap on workers when none is set.
const DEFAULT_MAX_WORKERS: usize = 512;
/// How long an unused worker stays when nothing is set; fasthttp's `MaxIdleWorkerDuration`.
const DEFAULT_MAX_IDLE: Duration = Duration::from_secs(10);

pub(crate) type PanicHandler = Box<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;
pub(crate) type WorkerHook = Box<dyn Fn(usize) + Send + Sync>;
pub(crate) type Spawner = Box<dyn Fn(WorkerThread) -> io::Result<thread::JoinHandle<()>> + Send + Sync>;

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
    max_workers: usize,
    queue_capacity: usize,
    max_blocking: usize,
    max_idle: Option<Duration>,
    threads: ThreadOptions,
    on_panic: Option<PanicHandler>,
    payload: PhantomData<fn(T)>,
}

impl<T> Builder<T> {
    pub(crate) fn new() -> Self {
        Builder {
            max_workers: DEFAULT_MAX_WORKERS,
            queue_capacity: 0,
            max_blocking: usize::MAX,
            max_idle: Some(DEFAULT_MAX_IDLE),
            threads: ThreadOptions {
                name: "pool".to_owned(),
                stack_size: None,
                on_start: None,
                on_stop: None,
                spawner: None,
            },
            on_panic: None,
            payload: PhantomData,
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

    /// How many accepted payloads may wait while every worker is busy; 0 when not set.
    ///
    /// With 0 a payload is only accepted by a worker that is free (direct hand-off, as in fasthttp and ants). With a
    /// queue, submitting costs no wake-up while the workers are busy: for short tasks allow 256 or more. Queued
    /// payloads start in the order in which they were accepted. (After the system refused a thread, a payload for which
    /// the next attempt succeeds starts on that thread at once, before those.)
    pub fn queue_capacity(mut self, payloads: usize) -> Self {
        self.queue_capacity = payloads;
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
        self.threads.on_start = Some(Box::new(hook));
        self
    }

    /// Runs on each worker's thread after its last payload, with the worker's number; as often as the start hook. A
    /// panic in it is contained.
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.threads.on_stop = Some(Box::new(hook));
        self
    }

    /// Runs on the worker, with the panic's value, when a payload's run panics. The worker lives on either way; a
    /// panic in the handler itself is contained too. Without a handler the value is dropped: the process's panic hook
    /// has already printed the message.
    pub fn on_panic(mut self, handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Box::new(handler));
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
        self.threads.spawner = Some(Box::new(spawner));
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
        if self.max_workers == 0 {
            return Err(BuildError::NoWorkers);
        }
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
        let settings = Settings {
            limits: Limits {
                max_workers: self.max_workers,
                queue_capacity: self.queue_capacity,
                max_blocking: self.max_blocking,
            },
            max_idle: self.max_idle,
            threads: self.threads,
            on_panic: self.on_panic,
        };
        Ok(WorkerPool::start(settings, Box::new(handler)))
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("max_workers", &self.max_workers)
            .field("queue_capacity", &self.queue_capacity)
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
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) max_idle: Option<Duration>,
    pub(crate) threads: ThreadOptions,
    pub(crate) on_panic: Option<PanicHandler>,
}

/// The bounds that decisions under the lock are made by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `usize::MAX` means no cap.
    pub(crate) max_workers: usize,
    pub(crate) queue_capacity: usize,
    pub(crate) max_blocking: usize,
}

pub(crate) struct ThreadOptions {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<WorkerHook>,
    pub(crate) on_stop: Option<WorkerHook>,
    pub(crate) spawner: Option<Spawner>,
}
