//! Objects kept for the next user: the analogue of Go's `sync.Pool`, bounded.
//!
//! Each thread has a *slot*, which is a place of its own for one idle object; what does not fit there lies in shards,
//! one lock and one cache line each. A thread uses the slot and the shard that its number picks, last in first out, so
//! it meets the object that is warm in its own cache and seldom meets another thread. As long as it holds one object at
//! a time it takes no lock at all.
//!
//! A *tick* drops what has not been used since the tick before. So an object that nobody used survives one tick and is
//! gone after two, and what is used is never dropped for its age. In a shard there are two generations for this, of
//! which a tick drops the older one and makes the younger one the older; a slot is asked whether it has been used.
//!
//! The search, in this order: own slot, own shard (young, then old), every other shard (young, then old; first those
//! whose lock is free, then those that were taken), the other slots, and only then `make`.
//!
//! With a bound on weight there are no slots, as the sum has to be known at every return.
//!
//! The rules kept here:
//! 1. An object has one owner: a slot, a shard's stack, a guard, or the caller.
//! 2. At most one lock is held at a time, and code of the user (`make`, the hooks, `Drop`) runs outside of all.
//!    Therefore nothing the user's code does, panics included, can harm the pool.
//! 3. `make` is called only after every shard and every slot was seen empty.

use std::fmt;
use std::panic::resume_unwind;

use crossbeam_utils::CachePadded;

use crate::panic;
use crate::sync::{Arc, Mutex, thread};

mod builder;
mod clock;
mod guard;
pub(crate) mod home;
mod room;
mod shard;
mod slot;
mod stats;
mod thread_slots;

pub use builder::ObjectPoolBuilder;
pub use guard::{Pooled, PooledOwned};
pub use stats::ObjectPoolStats;

use builder::{ObjectSettings, ReturnVerdict};
use clock::TickClock;
use shard::{Idle, Shard};
use thread_slots::{ThreadSlot, ThreadSlots};

/// How many returns of a thread go by between two looks at the clock: a look costs several times what a return does.
const RETURNS_PER_LOOK: u64 = 32;

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
    shared: Arc<ObjectStore<T>>,
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
    #[inline]
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
    #[inline]
    pub fn get_owned(&self) -> PooledOwned<T> {
        PooledOwned::new(self.clone(), self.shared.take())
    }

    /// Gives `object` to the pool, exactly as if a guard of it were dropped; it need not be from this pool.
    ///
    /// It is put in a box first, which a guard's object is already.
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
        self.shared.put(Box::new(object));
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
    /// Exact when nobody uses the pool meanwhile. Otherwise shards are read one after the other, and `hits` and
    /// `resident` may be off by one for each thread that is getting or returning an object at that moment.
    #[must_use]
    pub fn stats(&self) -> ObjectPoolStats {
        let mut stats = ObjectPoolStats::default();
        for shard in &self.shared.shards {
            shard.lock().add_to(&mut stats, &self.shared.slots);
        }
        stats
    }

    /// Makes the calling thread of a model use slot `number` and its shard (modulo the count of shards), which no other
    /// living thread may do. Without a call a thread has no slot and uses shard 0.
    #[cfg(anthill_loom)]
    pub fn set_home(number: usize) {
        home::set(number);
    }

    fn with_settings(settings: ObjectSettings<T>) -> Self {
        let shards = (0..settings.shards).map(|_| CachePadded::new(Mutex::new(Shard::new()))).collect();
        let clock = TickClock::new(settings.tick_period);
        let slots = if settings.weighs() { ThreadSlots::none() } else { ThreadSlots::new() };
        ObjectPool { shared: Arc::new(ObjectStore { settings, slots, shards, clock }) }
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

struct ObjectStore<T> {
    settings: ObjectSettings<T>,
    slots: ThreadSlots<T>,
    /// A power of two of them, at most [`builder::MAX_SHARDS`].
    shards: Box<[CachePadded<Mutex<Shard<T>>>]>,
    clock: TickClock,
}

impl<T> ObjectStore<T> {
    #[inline]
    fn take(&self) -> Box<T> {
        let home = home::number();
        match self.slots.of(home).and_then(ThreadSlot::take) {
            Some(object) => object,
            None => self.take_beside_slot(home),
        }
    }

    #[inline(never)]
    fn take_beside_slot(&self, home: usize) -> Box<T> {
        // A statement of its own: the lock must be free again before the search goes on.
        let own = self.shard(home).lock().take();
        let found = own.or_else(|| self.take_from_others(home)).or_else(|| self.slots.take_any(home));
        found.unwrap_or_else(|| {
            self.shard(home).lock().missed();
            self.settings.room.made_one();
            Box::new((self.settings.make)())
        })
    }

    #[cold]
    fn take_from_others(&self, home: usize) -> Option<Box<T>> {
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

    #[inline]
    fn put(&self, object: Box<T>) {
        // Asked of std itself: unwinding is a matter of the real stack, in a model too.
        if self.settings.keeps_all && !thread::panicking() {
            self.keep(object, 0);
        } else {
            self.judge(object);
        }
    }

    /// Keeps an object, unless a hook or a panic is against it.
    #[inline(never)]
    fn judge(&self, mut object: Box<T>) {
        let unwinding = thread::panicking();
        if unwinding && !self.settings.return_on_panic {
            self.home_shard().lock().counts.dropped_by_panic += 1;
            return;
        }
        match self.settings.prepare(&mut object) {
            ReturnVerdict::Keep { weight } => self.keep(object, weight),
            ReturnVerdict::Refuse => self.home_shard().lock().counts.dropped_by_retain += 1,
            ReturnVerdict::Unlucky => self.home_shard().lock().counts.dropped_by_chance += 1,
            ReturnVerdict::Panicked(value) => {
                self.home_shard().lock().counts.dropped_by_panic += 1;
                drop(object);
                if unwinding {
                    // A second panic would end the process, and so could dropping its value.
                    panic::forget(value);
                } else {
                    resume_unwind(value);
                }
            }
        }
    }

    #[inline]
    fn keep(&self, object: Box<T>, weight: usize) {
        let home = home::number();
        let returns = match self.slots.of(home) {
            Some(slot) => match slot.put(object) {
                Ok(returns) => returns,
                Err(object) => self.keep_in_shard(home, object, weight),
            },
            None => self.keep_in_shard(home, object, weight),
        };
        if returns % RETURNS_PER_LOOK == 0 {
            self.look_at_clock();
        }
    }

    /// Keeps an object for which there is no room in a slot, and tells which one it was for this shard.
    #[inline(never)]
    fn keep_in_shard(&self, home: usize, object: Box<T>, weight: usize) -> u64 {
        let bounds = self.settings.room.bounds();
        let mut shard = self.shard(home).lock();
        let surplus = if self.settings.weighs() {
            shard.put(Idle { object, weight }, bounds)
        } else {
            shard.put_by_slot(object, home, &self.slots, bounds)
        };
        let returns = shard.count_return();
        if surplus.is_some() {
            self.settings.room.dropped_one();
        }
        drop(shard);
        drop(surplus);
        returns
    }

    #[cold]
    fn look_at_clock(&self) {
        if !thread::panicking() && self.clock.is_due() {
            self.tick();
        }
    }

    #[cold]
    fn tick(&self) {
        // Everything leaves its shard before the first is dropped, so that a panic there cannot cut the tick short.
        let bounds = self.settings.room.bounds();
        let expired: Vec<Vec<Box<T>>> =
            self.shards.iter().map(|shard| shard.lock().age(&self.slots, bounds)).collect();
        panic::drop_each(expired.into_iter().flatten());
    }

    fn home_shard(&self) -> &Mutex<Shard<T>> {
        self.shard(home::number())
    }

    /// The shard that `number` picks.
    fn shard(&self, number: usize) -> &Mutex<Shard<T>> {
        // The count is a power of two, so the mask keeps the index in range.
        &self.shards[number & (self.shards.len() - 1)]
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Calls `body` on a thread that is left to itself when it takes too long.
    fn ends(body: impl FnOnce() + Send + 'static) -> bool {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            body();
            // When nobody waits any more, the test has failed already.
            let _ = sender.send(());
        });
        let has_ended = receiver.recv_timeout(Duration::from_secs(20)).is_ok();
        if has_ended {
            thread.join().unwrap();
        }
        has_ended
    }

    #[test]
    fn one_object_at_a_time_takes_no_lock() {
        let pool = ObjectPool::builder().tick_period(None).build(|| 0_u64);
        let (opened, is_open) = mpsc::channel();
        let (locked, is_locked) = mpsc::channel();
        let user = pool.clone();
        let holder = std::thread::spawn(move || {
            is_open.recv().unwrap();
            let locks: Vec<_> = pool.shared.shards.iter().map(|shard| shard.lock()).collect();
            locked.send(()).unwrap();
            // Until the user is through, or gave up.
            let _ = is_open.recv_timeout(Duration::from_secs(30));
            drop(locks);
        });
        assert!(ends(move || {
            drop(user.get()); // made, and the slot opened
            opened.send(()).unwrap();
            is_locked.recv().unwrap();
            for round in 0..1_000 {
                let mut object = user.get();
                assert_eq!(*object, round);
                *object += 1;
            }
            opened.send(()).unwrap();
        }));
        holder.join().unwrap();
    }
}
