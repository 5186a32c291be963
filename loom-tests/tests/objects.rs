//! Models of the object pool: L40 (two users), L41 (ageing against use), L42 (the pool goes before its guard).
//!
//! Safe Rust already rules out that an object has two owners. What is left to a race is checked here: objects made
//! although one was idle, objects lost or forgotten by the figures, a bound overrun, a lock held while an object is
//! dropped. Objects look into their pool when they are dropped, so a drop under a lock is a deadlock, which loom finds.
//!
//! The comment at each model names a change of the source under which that model was seen to fail.
//!
//! What cannot be seen here: loom switches threads only at its own operations, and between locking and unlocking a shard
//! there is none; so a `try_lock` never meets a taken lock. What the pool does then is checked with real threads, by
//! `pool_103_a_busy_lock_is_no_miss` and `pool_108_…` of the integration tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use anthill_pool::{ObjectPool, ObjectPoolBuilder, ObjectPoolStats};
use loom::thread;

/// Tells how many are alive, and visits the pool when dropped.
struct Ant {
    alive: Arc<AtomicUsize>,
    // Weak, and std's: the pool must not keep itself alive through what lies in it.
    pool: Weak<ObjectPool<Ant>>,
}

impl Drop for Ant {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        if let Some(pool) = self.pool.upgrade() {
            let _ = pool.stats();
        }
    }
}

/// A pool of ants, and what a model asks of it.
#[derive(Clone)]
struct Nest {
    pool: Arc<ObjectPool<Ant>>,
    alive: Arc<AtomicUsize>,
}

impl Nest {
    fn new(options: impl Fn(ObjectPoolBuilder<Ant>) -> ObjectPoolBuilder<Ant>) -> Self {
        let alive = Arc::new(AtomicUsize::new(0));
        let count = alive.clone();
        let pool = Arc::new_cyclic(|pool: &Weak<ObjectPool<Ant>>| {
            let pool = pool.clone();
            options(ObjectPool::builder().tick_period(None)).build(move || {
                count.fetch_add(1, Ordering::SeqCst);
                Ant { alive: count.clone(), pool: pool.clone() }
            })
        });
        Nest { pool, alive }
    }

    /// Brings `count` objects, each made anew, into the calling thread's shard.
    fn fill(&self, count: usize) {
        let made: Vec<_> = (0..count).map(|_| self.pool.get()).collect();
        drop(made);
    }

    /// The figures of a pool at rest, after a check that they account for every object.
    fn settled(&self) -> ObjectPoolStats {
        let stats = self.pool.stats();
        assert_eq!(stats.resident, self.alive.load(Ordering::SeqCst), "the pool holds what is alive");
        let dropped = stats.dropped_by_age + stats.dropped_by_bound;
        assert_eq!(stats.misses, stats.resident as u64 + dropped, "what was made is here or was dropped");
        stats
    }
}

/// Runs `body` on a model thread whose shard is `home`.
fn on_shard(home: usize, nest: &Nest, body: impl FnOnce(&Nest) + 'static) -> thread::JoinHandle<()> {
    let nest = nest.clone();
    thread::spawn(move || {
        ObjectPool::<Ant>::set_home(home);
        body(&nest);
    })
}

// Mutation: pool/src/objects.rs: replace `let own = self.shard(home).lock().take();` by
//   `let mut whole = mem::replace(&mut *self.shard(home).lock(), Shard::new());
//    let own = whole.take();
//    *self.shard(home).lock() = whole;`
// -> fails with `deadlock` (what was returned meanwhile is overwritten, and so dropped under the lock).
#[test]
fn l40_two_users_of_one_shard_need_no_more_than_they_hold() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(2);
        let user = on_shard(0, &nest, |nest| drop(nest.pool.get()));
        drop(nest.pool.get());
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.hits, stats.misses, stats.resident), (2, 2, 2));
    });
}

// Mutation: pool/src/objects.rs: replace `let own = self.shard(home).lock().take();` by
//   `let mut seen = ObjectPoolStats::default();
//    self.shard(home).lock().add_to(&mut seen);
//    let own = (seen.resident > 0).then(|| self.shard(home).lock().take().unwrap());`
// -> fails with ``called `Option::unwrap()` on a `None` value``.
#[test]
fn l40_two_users_and_one_object_make_at_most_one_more() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        let user = on_shard(0, &nest, |nest| drop(nest.pool.get()));
        drop(nest.pool.get());
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 3);
        assert!(stats.resident <= 2, "{stats:?}");
    });
}

// Mutation: pool/src/objects.rs: replace `let surplus = shard.put(object, self.settings.max_idle);` by
//   `let mut seen = ObjectPoolStats::default();
//    shard.add_to(&mut seen);
//    drop(shard);
//    let mut shard = self.shard(self.home()).lock();
//    let room = if seen.resident < self.settings.max_idle { usize::MAX } else { 0 };
//    let surplus = shard.put(object, room);`
// -> fails with `left: (2, 0), right: (1, 1)`.
// Mutation: pool/src/objects.rs: replace `drop(shard); drop(surplus);` by `drop(surplus); drop(shard);`
// -> fails with `deadlock`.
#[test]
fn l40_two_returns_never_overrun_the_bound() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1).max_idle(1));
        let (mine, other) = (nest.pool.get(), nest.pool.get_owned());
        let user = on_shard(0, &nest, move |_| drop(other));
        drop(mine);
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.resident, stats.dropped_by_bound), (1, 1));
    });
}

// Mutation: pool/src/objects.rs: replace `own.or_else(|| self.take_from_others(home)).unwrap_or_else` by
//   `own.unwrap_or_else` -> fails with `left: (0, 3, 3), right: (1, 2, 2)`.
#[test]
fn l40_a_search_finds_the_idle_object_of_a_shard_in_use() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(2));
        let second = nest.pool.get_owned();
        nest.fill(1);
        let searcher = on_shard(1, &nest, |nest| drop(nest.pool.get()));
        // Uses the shard that is searched, where one object lies all the time.
        drop(second);
        searcher.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.hits, stats.misses, stats.resident), (1, 2, 2));
    });
}

// Mutation: pool/src/objects.rs: replace `let own = self.shard(home).lock().take();` and `own.or_else` by
//   `let mut own = self.shard(home).lock();` and `own.take().or_else` -> fails with `deadlock`.
#[test]
fn l40_neighbours_that_search_each_other_do_not_lock_up() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(2));
        let user = on_shard(1, &nest, |nest| drop(nest.pool.get()));
        drop(nest.pool.get());
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 2);
        assert!(stats.misses >= 1);
    });
}

// Mutation: pool/src/objects.rs: replace `.map(|shard| shard.lock().age())` by
//   `.map(|shard| {
//        let mut whole = mem::replace(&mut *shard.lock(), Shard::new());
//        let expired = whole.age();
//        *shard.lock() = whole;
//        expired
//    })`
// -> fails with `deadlock` (what was returned meanwhile is overwritten, and so dropped under the lock).
#[test]
fn l41_a_tick_against_a_use_loses_and_doubles_nothing() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        nest.pool.tick(); // it is old now: the next tick drops it, unless the use comes first
        let ticker = on_shard(0, &nest, |nest| nest.pool.tick());
        drop(nest.pool.get());
        ticker.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.resident, 1, "what was just used is young: {stats:?}");
        assert_eq!(stats.hits + stats.dropped_by_age, 1, "used or dropped, not both: {stats:?}");
    });
}

// Mutation: pool/src/objects.rs: replace `.map(|shard| shard.lock().age())` by
//   `.map(|shard| {
//        let mut shard = shard.lock();
//        drop(shard.age());
//        Vec::new()
//    })`
// -> fails with `deadlock`.
#[test]
fn l41_two_ticks_and_a_return_drop_each_object_once() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1));
        let held = nest.pool.get_owned();
        nest.fill(1);
        nest.pool.tick();
        let tickers = [(); 2].map(|()| on_shard(0, &nest, |nest| nest.pool.tick()));
        drop(held);
        for ticker in tickers {
            ticker.join().unwrap();
        }
        let stats = nest.settled();
        // The old one is gone for certain; the one returned meanwhile has seen two, one or no ticks.
        assert!((1..=2).contains(&stats.dropped_by_age), "{stats:?}");
    });
}

// Mutation: pool/src/objects/guard.rs: in `drop` of `PooledOwned` replace `self.pool.put(object);` by
//   `self.pool.put(object); std::mem::forget(self.pool.clone());` -> fails with `left: 2, right: 0`, as loom's own check
//   would with `Arc leaked`.
// Mutation: there, by `std::mem::forget(object);` -> fails with `left: 1, right: 0`.
#[test]
fn l42_a_guard_that_outlives_its_pool_takes_it_along() {
    loom::model(|| {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        let alive = nest.alive.clone();
        let guard = nest.pool.get_owned();
        drop(nest.pool.get());
        let user = thread::spawn(move || drop(guard));
        drop(nest);
        user.join().unwrap();
        // Loom itself checks that the pool is freed.
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    });
}
