//! Objects kept for the next user: the analogue of Go's `sync.Pool`, bounded.
//!
//! Idle objects lie in shards, one lock and one cache line each. A thread takes from and returns to the shard that its
//! number picks, last in first out, so it meets the object that is warm in its own cache and seldom meets another
//! thread. Each shard holds two generations: a *tick* drops the older one and makes the younger one the older. So an
//! object that nobody used survives one tick and is gone after two, and what is used is never dropped for its age.
//!
//! The search, in this order: own shard (young, then old), every other shard (young, then old; first those whose lock
//! is free, then those that were taken), and only then `make`.
//!
//! The rules kept here:
//! 1. An object has one owner: a shard's stack, a guard, or the caller.
//! 2. At most one lock is held at a time, and code of the user (`make`, the hooks, `Drop`) runs outside of all.
//!    Therefore nothing the user's code does, panics included, can harm the pool.
//! 3. `make` is called only after every shard was seen empty.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, Mutex, thread};

mod builder;
mod clock;
mod guard;
mod home;
mod shard;
mod stats;

pub use builder::ObjectPoolBuilder;
pub use guard::{Pooled, PooledOwned};
pub use stats::ObjectPoolStats;

use builder::{Fate, Settings};
use clock::TickClock;
use shard::Shard;

/// A pool of objects that are costly to make and cheap to use again.
///
/// A clone is another handle to the same pool. Objects are handed out in no promised order, and one that was returned
/// may be dropped at any time (a bound, its age), so a pool is no place to *store* things.
///
/// ```
/// use anthill_pool::ObjectPool;
///
/// let buffers = ObjectPool::builder()
///     .reset(|buffer: &mut Vec<u8>| buffer.clear())
///     .retain(|buffer| buffer.capacity() <= 64 * 1024)
///     .build(|| Vec::with_capacity(4096));
///
/// let mut buffer = buffers.get();
/// buffer.extend_from_slice(b"one letter");
/// drop(buffer); // reset, and back in the pool
///
/// let again = buffers.get();
/// assert!(again.is_empty());
/// assert_eq!(buffers.stats().misses, 1);
/// assert_eq!(buffers.stats().hits, 1);
/// ```
///
/// Threads may share the pool when `T: Send`; an `Rc` inside is refused, whether by itself or held by `make`:
///
/// ```
/// # use anthill_pool::ObjectPool;
/// fn share<S: Sync>(_: &S) {}
/// share(&ObjectPool::new(|| std::cell::Cell::new(7)));
/// ```
/// ```compile_fail,E0277
/// # use anthill_pool::ObjectPool;
/// fn share<S: Sync>(_: &S) {}
/// share(&ObjectPool::new(|| std::rc::Rc::new(7)));
/// ```
/// ```compile_fail,E0277
/// # use anthill_pool::ObjectPool;
/// let seven = std::rc::Rc::new(7);
/// let pool = ObjectPool::new(move || *seven);
/// ```
///
/// # Panics
/// None of its own. A panic in `make`, a hook or an object's `Drop` reaches the caller in whose call it happened and
/// leaves the pool whole; see [`ObjectPoolBuilder`] for what becomes of the object.
pub struct ObjectPool<T> {
    shared: Arc<Shared<T>>,
}

impl<T> ObjectPool<T> {
    /// A pool with the default options, whose objects come from `make` when there is no idle one.
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::new(String::new);
    /// pool.get().push('x');
    /// assert_eq!(*pool.get(), "x", "without a reset hook objects come back as they were left");
    /// ```
    #[must_use]
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::builder().build(make)
    }

    /// Options, to be finished with [`build`](ObjectPoolBuilder::build).
    pub fn builder() -> ObjectPoolBuilder<T> {
        ObjectPoolBuilder::new()
    }

    /// An idle object, or a new one; it returns when the guard is dropped.
    ///
    /// # Panics
    /// When `make` does.
    pub fn get(&self) -> Pooled<'_, T> {
        Pooled::new(self, self.shared.take())
    }

    /// Like [`get`](Self::get), but the guard keeps the pool alive and may go anywhere, such as into another thread.
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::new(|| vec![0_u8; 16]);
    /// let block = pool.get_owned();
    /// std::thread::spawn(move || assert_eq!(block.len(), 16)).join().unwrap();
    /// assert_eq!(pool.stats().resident, 1);
    /// ```
    ///
    /// # Panics
    /// When `make` does.
    pub fn get_owned(&self) -> PooledOwned<T> {
        PooledOwned::new(self.clone(), self.shared.take())
    }

    /// Gives `object` to the pool, exactly as if a guard of it were dropped; it need not be from this pool.
    ///
    /// ```
    /// use anthill_pool::{ObjectPool, Pooled};
    ///
    /// let pool = ObjectPool::new(|| 0_u32);
    /// pool.put(7);
    /// assert_eq!(Pooled::detach(pool.get()), 7);
    /// ```
    ///
    /// # Panics
    /// When a hook does, or the `Drop` of an object that is dropped here.
    pub fn put(&self, object: T) {
        self.shared.put(object);
    }

    /// Ages the pool: what has been idle since the last tick but one is dropped.
    ///
    /// Without a call this happens by itself about every [`tick_period`](ObjectPoolBuilder::tick_period), as long as
    /// objects are being returned; a call starts the period anew. Call it on a timer of your own when a pool that
    /// nobody uses any more must give its memory back.
    ///
    /// ```
    /// use anthill_pool::ObjectPool;
    ///
    /// let pool = ObjectPool::new(|| [0_u8; 1024]);
    /// drop(pool.get());
    /// pool.tick();
    /// assert_eq!(pool.stats().resident, 1);
    /// pool.tick();
    /// assert_eq!(pool.stats().resident, 0);
    /// ```
    ///
    /// # Panics
    /// When the `Drop` of an aged object does; then all of them are dropped first.
    pub fn tick(&self) {
        self.shared.clock.restart();
        self.shared.tick();
    }

    /// What happened so far.
    ///
    /// Shards are read one after the other: exact when nobody uses the pool meanwhile, otherwise each shard's share is.
    #[must_use]
    pub fn stats(&self) -> ObjectPoolStats {
        let mut stats = ObjectPoolStats::default();
        for shard in &self.shared.shards {
            shard.lock().add_to(&mut stats);
        }
        stats
    }

    /// Makes the calling thread of a model use shard `number` (modulo the count of shards); 0 unless called.
    #[cfg(anthill_loom)]
    pub fn set_home(number: usize) {
        home::set(number);
    }

    fn with_settings(settings: Settings<T>) -> Self {
        let shards = (0..settings.shards).map(|_| CachePadded::new(Mutex::new(Shard::new()))).collect();
        let clock = TickClock::new(settings.tick_period);
        ObjectPool { shared: Arc::new(Shared { settings, shards, clock }) }
    }
}

impl<T> Clone for ObjectPool<T> {
    fn clone(&self) -> Self {
        ObjectPool { shared: Arc::clone(&self.shared) }
    }
}

// By hand, so that objects need not be `Debug`.
impl<T> fmt::Debug for ObjectPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

struct Shared<T> {
    settings: Settings<T>,
    /// A power of two of them, at most [`builder::MAX_SHARDS`].
    shards: Box<[CachePadded<Mutex<Shard<T>>>]>,
    clock: TickClock,
}

impl<T> Shared<T> {
    fn take(&self) -> T {
        let home = self.home();
        // A statement of its own: the lock must be free again before the search goes on.
        let own = self.shard(home).lock().take();
        own.or_else(|| self.take_from_others(home)).unwrap_or_else(|| {
            self.shard(home).lock().missed();
            (self.settings.make)()
        })
    }

    #[cold]
    fn take_from_others(&self, home: usize) -> Option<T> {
        let mut taken = 0_u64;
        for step in 1..self.shards.len() {
            match self.shard(home + step).try_lock() {
                Some(mut shard) => {
                    if let Some(object) = shard.take() {
                        return Some(object);
                    }
                }
                None => taken |= 1 << step,
            }
        }
        // A taken lock is held for a push or a pop, and its shard may be the one that has everything. Were it skipped,
        // a thread that only gets, beside one that only returns, would make objects without end.
        (1..self.shards.len())
            .filter(|step| taken & (1 << step) != 0)
            .find_map(|step| self.shard(home + step).lock().take())
    }

    fn put(&self, mut object: T) {
        // Asked of std itself: unwinding is a matter of the real stack, in a model too.
        let unwinding = thread::panicking();
        if unwinding && !self.settings.return_on_panic {
            self.shard(self.home()).lock().counts.dropped_by_panic += 1;
            return;
        }
        match self.settings.prepare(&mut object) {
            Fate::Keep => self.keep(object, unwinding),
            Fate::Refuse => self.shard(self.home()).lock().counts.dropped_by_retain += 1,
            Fate::Panicked(panic) => {
                self.shard(self.home()).lock().counts.dropped_by_panic += 1;
                drop(object);
                if unwinding {
                    // A second panic would end the process, and so could dropping its value.
                    mem::forget(panic);
                } else {
                    resume_unwind(panic);
                }
            }
        }
    }

    fn keep(&self, object: T, unwinding: bool) {
        let mut shard = self.shard(self.home()).lock();
        let surplus = shard.put(object, self.settings.max_idle);
        let look = shard.must_look_at_clock();
        drop(shard);
        drop(surplus);
        if look && !unwinding && self.clock.is_due() {
            self.tick();
        }
    }

    #[cold]
    fn tick(&self) {
        // Everything leaves its shard before the first is dropped, so that a panic there cannot cut the tick short.
        let expired: Vec<Vec<T>> = self.shards.iter().map(|shard| shard.lock().age()).collect();
        drop_each(expired.into_iter().flatten());
    }

    fn home(&self) -> usize {
        home::number()
    }

    /// The shard that `number` picks.
    fn shard(&self, number: usize) -> &Mutex<Shard<T>> {
        // The count is a power of two, so the mask keeps the index in range.
        &self.shards[number & (self.shards.len() - 1)]
    }
}

/// Drops all `objects`, also when some panic; then passes on the first panic.
fn drop_each<T>(objects: impl Iterator<Item = T>) {
    let mut first: Option<Box<dyn Any + Send>> = None;
    for object in objects {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(object))) {
            match first {
                None => first = Some(panic),
                // Its own drop might panic again, without end.
                Some(_) => mem::forget(panic),
            }
        }
    }
    if let Some(panic) = first {
        resume_unwind(panic);
    }
}
