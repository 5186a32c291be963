//! What the user says ([`ObjectPoolBuilder`]), and what the pool uses ([`ObjectSettings`]).

use std::fmt;
use std::time::Duration;

use super::ObjectPool;
use super::room::ShardRoom;
use crate::panic::{PanicValue, catch};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::parallelism;

/// The most shards a pool has; also what the search for an object can note in one word.
pub(super) const MAX_SHARDS: usize = 64;
const DEFAULT_TICK_PERIOD: Duration = Duration::from_secs(10);

type Make<T> = Box<dyn Fn() -> T + Send + Sync>;
type Reset<T> = Box<dyn Fn(&mut T) + Send + Sync>;
type Retain<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;
type Weigh<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;

/// Options of an [`ObjectPool`]; made by [`ObjectPool::builder`].
///
/// The hooks run on the thread that returns an object, outside of all locks: first `reset`, then `retain`, then the
/// weighing. When one of them panics, the object is dropped and the panic goes on to the caller; only on a thread that
/// is unwinding already (where a second panic would end the process) it stops here.
///
/// ```
/// use anthill_pool::ObjectPool;
/// use std::time::Duration;
///
/// let pool = ObjectPool::builder()
///     .reset(|secret: &mut [u8; 32]| secret.fill(0))
///     .max_idle(16)
///     .shards(1)
///     .tick_period(Duration::from_secs(60))
///     .build(|| [0; 32]);
/// pool.get().fill(0xff);
/// assert_eq!(*pool.get(), [0; 32]);
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct ObjectPoolBuilder<T> {
    reset: Option<Reset<T>>,
    retain: Option<Retain<T>>,
    max_idle: Option<usize>,
    weight: Option<(usize, Weigh<T>)>,
    shards: Option<usize>,
    tick_period: Option<Duration>,
    return_on_panic: bool,
    drop_one_in_four: bool,
}

impl<T> ObjectPoolBuilder<T> {
    pub(super) fn new() -> Self {
        ObjectPoolBuilder {
            reset: None,
            retain: None,
            max_idle: None,
            weight: None,
            shards: None,
            tick_period: Some(DEFAULT_TICK_PERIOD),
            return_on_panic: false,
            drop_one_in_four: false,
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

    /// Most idle objects *per shard*; a return beyond drops one, the one returned or a colder one. 0 keeps nothing.
    ///
    /// Default: 64 at first. Each object that has to be made after one was dropped for want of room makes room for one
    /// more in every shard, up to 1,024: so a thread that gets objects and another one that returns them, in bursts
    /// larger than that, find each other's after the first ones. The room does not shrink again; what lies in it unused
    /// ages.
    ///
    /// Up to half of these places are set aside, each for one thread that returns to the shard, and stay its own while
    /// they are empty. They are what makes the pool fast; with a bound of 1 there are none.
    pub fn max_idle(mut self, objects: usize) -> Self {
        self.max_idle = Some(objects);
        self
    }

    /// Most that the idle objects of *one shard* weigh together, such as bytes of memory, beside the bound on their
    /// number; a returned object that does not fit is dropped. Default: nothing is weighed.
    ///
    /// `weigh` is asked once for each return, after the other hooks. Every return then goes through the lock of its
    /// shard, so a get and a return cost about three times as much. When it is enough to bound each single object, use
    /// [`retain`](Self::retain).
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::builder().shards(1);
    /// let pool = pool.max_weight(1_000, |text: &String| text.capacity()).build(String::new);
    /// pool.put(String::with_capacity(600));
    /// pool.put(String::with_capacity(600));
    /// pool.put(String::with_capacity(400));
    /// let stats = pool.stats();
    /// assert_eq!((stats.resident, stats.resident_weight, stats.dropped_by_bound), (2, 1_000, 1));
    /// ```
    pub fn max_weight(mut self, weight: usize, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        self.weight = Some((weight, Box::new(weigh)));
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
    /// There is no thread behind it. A thread looks at the clock once in 32 of its returns, and the one that finds the
    /// period over drops what has aged; so a tick can come late, and never comes while nothing is returned.
    pub fn tick_period(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.tick_period = period.into();
        self
    }

    /// Whether objects return from a thread that is unwinding. Default `false`: whoever held the object panicked,
    /// perhaps in the middle of a change, so it is dropped.
    pub fn return_on_panic(mut self, return_on_panic: bool) -> Self {
        self.return_on_panic = return_on_panic;
        self
    }

    /// Drops one returned object in four instead of keeping it: an aid for tests, as Go's race detector does it.
    /// Default `false`.
    ///
    /// A program must not rely on finding again what it returned; with this a test of it finds out whether it does. The
    /// hooks are not asked about an object that is dropped.
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::builder().drop_one_in_four(true).build(String::new);
    /// (0..100).for_each(|_| drop(pool.get()));
    /// let stats = pool.stats();
    /// assert!((20..30).contains(&stats.dropped_by_chance));
    /// assert_eq!(stats.misses - stats.dropped_by_chance, stats.resident as u64);
    /// ```
    pub fn drop_one_in_four(mut self, drop_one_in_four: bool) -> Self {
        self.drop_one_in_four = drop_one_in_four;
        self
    }

    /// The pool, whose objects come from `make` when there is no idle one. A panic in `make` reaches whoever asked for
    /// the object.
    #[must_use]
    pub fn build(self, make: impl Fn() -> T + Send + Sync + 'static) -> ObjectPool<T> {
        // Cut before rounding: rounding up a huge figure would overflow.
        let shards = self.shards.unwrap_or_else(parallelism).clamp(1, MAX_SHARDS).next_power_of_two();
        let (max_weight, weigh) = self.weight.unzip();
        let chance = self.drop_one_in_four.then(Chance::default);
        ObjectPool::with_settings(ObjectSettings {
            make: Box::new(make),
            keeps_all: self.reset.is_none() && self.retain.is_none() && weigh.is_none() && chance.is_none(),
            reset: self.reset,
            retain: self.retain,
            weigh,
            room: ShardRoom::new(self.max_idle, max_weight),
            shards,
            tick_period: self.tick_period,
            return_on_panic: self.return_on_panic,
            chance,
        })
    }
}

// By hand, because hooks are not `Debug`.
impl<T> fmt::Debug for ObjectPoolBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPoolBuilder")
            .field("max_idle", &self.max_idle)
            .field("max_weight", &self.weight.as_ref().map(|(most, _)| most))
            .field("shards", &self.shards)
            .field("tick_period", &self.tick_period)
            .field("return_on_panic", &self.return_on_panic)
            .finish_non_exhaustive()
    }
}

/// The options, resolved.
pub(super) struct ObjectSettings<T> {
    pub(super) make: Make<T>,
    /// There is nothing to ask about a returned object.
    pub(super) keeps_all: bool,
    reset: Option<Reset<T>>,
    retain: Option<Retain<T>>,
    weigh: Option<Weigh<T>>,
    pub(super) room: ShardRoom,
    /// A power of two, at most [`MAX_SHARDS`].
    pub(super) shards: usize,
    pub(super) tick_period: Option<Duration>,
    pub(super) return_on_panic: bool,
    chance: Option<Chance>,
}

impl<T> ObjectSettings<T> {
    pub(super) fn weighs(&self) -> bool {
        self.weigh.is_some()
    }

    /// Runs the hooks over a returned object and says what is to become of it.
    pub(super) fn prepare(&self, object: &mut T) -> ReturnVerdict {
        if self.chance.as_ref().is_some_and(Chance::strikes) {
            return ReturnVerdict::Unlucky;
        }
        // An object whose hook panicked is not used again, so nobody sees it in a broken state.
        let verdict = catch(|| {
            if let Some(reset) = &self.reset {
                reset(object);
            }
            if self.retain.as_ref().is_none_or(|retain| retain(object)) {
                ReturnVerdict::Keep { weight: self.weigh.as_ref().map_or(0, |weigh| weigh(object)) }
            } else {
                ReturnVerdict::Refuse
            }
        });
        verdict.unwrap_or_else(ReturnVerdict::Panicked)
    }
}

/// What becomes of a returned object.
pub(super) enum ReturnVerdict {
    Keep { weight: usize },
    Refuse,
    Unlucky,
    Panicked(PanicValue),
}

/// Strikes one time in four, very evenly, but in no period that a test could be in step with.
#[derive(Debug, Default)]
struct Chance {
    asked: AtomicUsize,
}

impl Chance {
    fn strikes(&self) -> bool {
        // The multiples of the golden ratio modulo 1 are spread evenly, so a quarter of them is below a quarter.
        const GOLDEN: u32 = 0x9E37_79B9;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) as u32;
        number.wrapping_mul(GOLDEN) < u32::MAX / 4
    }
}

const _: () = assert!(MAX_SHARDS.is_power_of_two() && MAX_SHARDS <= u64::BITS as usize);
