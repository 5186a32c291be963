//! What the user says ([`ObjectPoolBuilder`]), and what the pool uses ([`Settings`]).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::ObjectPool;
use crate::sync::parallelism;

/// The most shards a pool has; also what the search for an object can note in one word.
pub(super) const MAX_SHARDS: usize = 64;
const DEFAULT_MAX_IDLE: usize = 64;
const DEFAULT_TICK_PERIOD: Duration = Duration::from_secs(10);

type Make<T> = Box<dyn Fn() -> T + Send + Sync>;
type Reset<T> = Box<dyn Fn(&mut T) + Send + Sync>;
type Retain<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// Options of an [`ObjectPool`]; made by [`ObjectPool::builder`].
///
/// The hooks run on the thread that returns an object, outside of all locks: first `reset`, then `retain`. When one of
/// them panics, the object is dropped and the panic goes on to the caller; only on a thread that is unwinding already
/// (where a second panic would end the process) it stops here.
///
/// ```
/// use anthill_pool::ObjectPool;
/// use std::time::Duration;
///
/// let pool = ObjectPool::builder()
///     .reset(|secret: &mut [u8; 32]| secret.fill(0))
///     .max_idle(16)
///     .shards(1)
///     .tick_period(Some(Duration::from_secs(60)))
///     .build(|| [0; 32]);
/// pool.get().fill(0xff);
/// assert_eq!(*pool.get(), [0; 32]);
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct ObjectPoolBuilder<T> {
    reset: Option<Reset<T>>,
    retain: Option<Retain<T>>,
    max_idle: usize,
    shards: Option<usize>,
    tick_period: Option<Duration>,
    return_on_panic: bool,
}

impl<T> ObjectPoolBuilder<T> {
    pub(super) fn new() -> Self {
        ObjectPoolBuilder {
            reset: None,
            retain: None,
            max_idle: DEFAULT_MAX_IDLE,
            shards: None,
            tick_period: Some(DEFAULT_TICK_PERIOD),
            return_on_panic: false,
        }
    }

    /// Prepares an object for its next user, at its return, so that secrets do not lie about. Default: nothing is done.
    pub fn reset(mut self, reset: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.reset = Some(Box::new(reset));
        self
    }

    /// Says of a returned object, after its reset, whether it is worth keeping. Default: every one is.
    ///
    /// For buffers that may grow, refuse the large ones; otherwise one large message after the other makes all of them
    /// large, and large they stay.
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::builder()
    ///     .retain(|buffer: &Vec<u8>| buffer.capacity() <= 64 * 1024)
    ///     .build(Vec::new);
    /// pool.put(Vec::with_capacity(1024 * 1024));
    /// assert_eq!(pool.stats().dropped_by_retain, 1);
    /// assert_eq!(pool.get().capacity(), 0);
    /// ```
    pub fn retain(mut self, retain: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.retain = Some(Box::new(retain));
        self
    }

    /// Most idle objects *per shard*; what is returned beyond is dropped. Default 64; 0 keeps nothing.
    pub fn max_idle(mut self, objects: usize) -> Self {
        self.max_idle = objects;
        self
    }

    /// Parts with a lock of their own, between which threads are spread; rounded up to a power of two between 1 and 64.
    /// Default: as many as the machine has cores. With 1 the bound on idle objects is that of the whole pool.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How long between two ticks that the pool makes by itself; an object idle for two of them is dropped.
    /// Default 10 s; `None`: only [`tick`](ObjectPool::tick) ticks.
    ///
    /// There is no thread behind it. A shard looks at the clock once in 32 returns, and the caller who finds the period
    /// over drops what has aged; so a tick can come late, and never comes while nothing is returned.
    pub fn tick_period(mut self, period: Option<Duration>) -> Self {
        self.tick_period = period;
        self
    }

    /// Whether objects return from a thread that is unwinding. Default `false`: whoever held the object panicked,
    /// perhaps in the middle of a change, so it is dropped.
    pub fn return_on_panic(mut self, return_on_panic: bool) -> Self {
        self.return_on_panic = return_on_panic;
        self
    }

    /// The pool, whose objects come from `make` when there is no idle one. A panic in `make` reaches whoever asked for
    /// the object.
    #[must_use]
    pub fn build(self, make: impl Fn() -> T + Send + Sync + 'static) -> ObjectPool<T> {
        // Cut before rounding: rounding up a huge figure would overflow.
        let shards = self.shards.unwrap_or_else(parallelism).clamp(1, MAX_SHARDS).next_power_of_two();
        ObjectPool::with_settings(Settings {
            make: Box::new(make),
            reset: self.reset,
            retain: self.retain,
            max_idle: self.max_idle,
            shards,
            tick_period: self.tick_period,
            return_on_panic: self.return_on_panic,
        })
    }
}

// By hand, because hooks are not `Debug`.
impl<T> fmt::Debug for ObjectPoolBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPoolBuilder")
            .field("max_idle", &self.max_idle)
            .field("shards", &self.shards)
            .field("tick_period", &self.tick_period)
            .field("return_on_panic", &self.return_on_panic)
            .finish_non_exhaustive()
    }
}

/// The options, resolved.
pub(super) struct Settings<T> {
    pub(super) make: Make<T>,
    reset: Option<Reset<T>>,
    retain: Option<Retain<T>>,
    pub(super) max_idle: usize,
    /// A power of two, at most [`MAX_SHARDS`].
    pub(super) shards: usize,
    pub(super) tick_period: Option<Duration>,
    pub(super) return_on_panic: bool,
}

impl<T> Settings<T> {
    /// Runs the hooks over a returned object and says what is to become of it.
    pub(super) fn prepare(&self, object: &mut T) -> Fate {
        if self.reset.is_none() && self.retain.is_none() {
            return Fate::Keep;
        }
        // An object whose hook panicked is not used again, so nobody sees it in a broken state.
        let kept = catch_unwind(AssertUnwindSafe(|| {
            if let Some(reset) = &self.reset {
                reset(object);
            }
            self.retain.as_ref().is_none_or(|retain| retain(object))
        }));
        match kept {
            Ok(true) => Fate::Keep,
            Ok(false) => Fate::Refuse,
            Err(panic) => Fate::Panicked(panic),
        }
    }
}

/// What becomes of a returned object.
pub(super) enum Fate {
    Keep,
    Refuse,
    Panicked(Box<dyn Any + Send>),
}

const _: () = assert!(MAX_SHARDS.is_power_of_two() && MAX_SHARDS <= u64::BITS as usize);
