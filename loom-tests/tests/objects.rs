//! Models of the object pool: L40 (two users), L41 (ageing against use), L42 (the pool goes before its guard).
//!
//! Objects count themselves, so that one that is lost, forgotten by the figures or kept beyond a bound is noticed. Each
//! user writes to the object in his hands, in a cell that loom watches: an object with two owners, or one that was
//! handed on without the writes before, is a causality violation. Objects look into their pool when they are dropped,
//! so a drop under a lock is a deadlock, which loom finds.
//!
//! Every model has a recorded mutation of the source that it catches (`mutations/objects.txt`).
//!
//! What cannot be seen here: loom switches threads only at its own operations, and between locking and unlocking a
//! shard there is none but those on the slots; so a `try_lock` hardly ever meets a taken lock. What the pool does then
//! is checked with real threads, by `pool_103_a_busy_lock_is_no_miss` and `pool_108_…` of the integration tests. And
//! threads choose their numbers here, so that a number passes from a thread that ends to a new one is not modelled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use anthill_pool::{ObjectPool, ObjectPoolBuilder, ObjectPoolStats};
use loom::cell::Cell;
use loom::thread;

#[path = "support/explore.rs"]
#[allow(dead_code, reason = "these scenes are small enough for every interleaving, and plan no panics")]
mod support;

/// Tells how many are alive, notices when two have it, and visits the pool when dropped.
struct Ant {
    number: usize,
    uses: Cell<usize>,
    alive: Arc<AtomicUsize>,
    // Weak, and std's: the pool must not keep itself alive through what lies in it.
    pool: Weak<ObjectPool<Ant>>,
}

impl Ant {
    fn work(&self) {
        self.uses.set(self.uses.get() + 1);
    }
}

impl Drop for Ant {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The model has failed already, and loom allows nothing more.
            return;
        }
        self.work();
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
        let (count, born) = (alive.clone(), AtomicUsize::new(0));
        let pool = Arc::new_cyclic(|pool: &Weak<ObjectPool<Ant>>| {
            let pool = pool.clone();
            options(ObjectPool::builder().tick_period(None)).build(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let number = born.fetch_add(1, Ordering::SeqCst);
                Ant { number, uses: Cell::new(0), alive: count.clone(), pool: pool.clone() }
            })
        });
        Nest { pool, alive }
    }

    /// Brings `count` objects, each made anew, into the calling thread's slot and shard.
    fn fill(&self, count: usize) {
        let made: Vec<_> = (0..count).map(|_| self.pool.get()).collect();
        made.iter().for_each(|ant| ant.work());
        drop(made);
    }

    fn use_one(&self) {
        self.pool.get().work();
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

/// Runs `scene` in every interleaving, on a thread that has slot 0.
fn explore(name: &str, scene: impl Fn() + Send + Sync + 'static) {
    support::explore(name, support::Preemptions::Any, move || {
        ObjectPool::<Ant>::set_home(0);
        scene();
    });
}

/// Runs `body` on a thread that has the slot `number`, and the shard that goes with it.
fn on_slot(number: usize, nest: &Nest, body: impl FnOnce(&Nest) + 'static) -> thread::JoinHandle<()> {
    let nest = nest.clone();
    thread::spawn(move || {
        ObjectPool::<Ant>::set_home(number);
        body(&nest);
    })
}

/// Runs `body` on a thread that has no slot, and uses shard 0.
fn without_slot(nest: &Nest, body: impl FnOnce(&Nest) + 'static) -> thread::JoinHandle<()> {
    let nest = nest.clone();
    thread::spawn(move || body(&nest))
}

#[test]
fn l40_two_users_of_one_shard_need_no_more_than_they_hold() {
    explore("l40_two_users_of_one_shard_need_no_more_than_they_hold", || {
        let nest = Nest::new(|options| options.shards(1));
        // One in the slot of this thread, two in the shard.
        nest.fill(3);
        let user = on_slot(1, &nest, Nest::use_one);
        nest.fill(2);
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.hits, stats.misses, stats.resident), (3, 3, 3));
    });
}

#[test]
fn l40_two_users_of_a_shard_that_weighs_share_its_object() {
    explore("l40_two_users_of_a_shard_that_weighs_share_its_object", || {
        // No slots: everything goes through the lock.
        let nest = Nest::new(|options| options.shards(1).max_weight(15, |_| 10));
        nest.fill(1);
        let user = on_slot(1, &nest, Nest::use_one);
        nest.use_one();
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 3);
        assert_eq!(
            (stats.resident, stats.resident_weight),
            (1, 10),
            "there is no room for a second: {stats:?}"
        );
    });
}

#[test]
fn l40_the_owner_of_a_slot_and_a_searcher_do_not_get_the_same_object() {
    explore("l40_the_owner_of_a_slot_and_a_searcher_do_not_get_the_same_object", || {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        let searcher = on_slot(1, &nest, Nest::use_one);
        nest.use_one();
        searcher.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 3);
        assert!(stats.hits >= 1, "the first of them finds it: {stats:?}");
    });
}

#[test]
fn l40_two_searchers_do_not_get_the_same_object() {
    explore("l40_two_searchers_do_not_get_the_same_object", || {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        let searchers = [(); 2].map(|()| {
            without_slot(&nest, |nest| {
                let ant = nest.pool.get();
                ant.work();
                std::mem::forget(ant);
            })
        });
        for searcher in searchers {
            searcher.join().unwrap();
        }
        let stats = nest.pool.stats();
        assert_eq!((stats.hits, stats.misses, stats.resident), (1, 2, 0));
    });
}

#[test]
fn l40_what_was_written_to_an_object_is_there_for_whoever_takes_it_from_the_slot() {
    explore("l40_what_was_written_to_an_object_is_there_for_whoever_takes_it_from_the_slot", || {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        // Its own object, and the slot is open: what comes next is the return without a lock.
        let held = nest.pool.get();
        let searcher = on_slot(1, &nest, Nest::use_one);
        held.work();
        drop(held);
        searcher.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 3);
    });
}

#[test]
fn l40_two_returns_never_overrun_the_bound() {
    explore("l40_two_returns_never_overrun_the_bound", || {
        let nest = Nest::new(|options| options.shards(1).max_idle(1));
        let (mine, other) = (nest.pool.get(), nest.pool.get_owned());
        let user = on_slot(1, &nest, move |_| drop(other));
        drop(mine);
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.resident, stats.dropped_by_bound), (1, 1));
    });
}

#[test]
fn l40_returns_to_slots_never_overrun_the_bound() {
    explore("l40_returns_to_slots_never_overrun_the_bound", || {
        let nest = Nest::new(|options| options.shards(1).max_idle(2));
        let (mine, more) = (nest.pool.get(), nest.pool.get());
        let other = nest.pool.get_owned();
        // Whoever comes first gets the one slot that there can be.
        let user = on_slot(1, &nest, move |_| drop(other));
        drop(mine);
        drop(more);
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.resident, stats.dropped_by_bound), (2, 1));
    });
}

#[test]
fn l40_a_search_finds_an_object_on_its_way_from_a_slot_to_its_shard() {
    explore("l40_a_search_finds_an_object_on_its_way_from_a_slot_to_its_shard", || {
        let nest = Nest::new(|options| options.shards(2));
        let second = nest.pool.get_owned();
        nest.fill(1);
        let searcher = on_slot(1, &nest, Nest::use_one);
        // Pushes the first out of the slot, while one object is idle all the time.
        drop(second);
        searcher.join().unwrap();
        let stats = nest.settled();
        assert_eq!((stats.hits, stats.misses, stats.resident), (1, 2, 2));
    });
}

#[test]
fn l40_neighbours_that_search_each_other_do_not_lock_up() {
    explore("l40_neighbours_that_search_each_other_do_not_lock_up", || {
        let nest = Nest::new(|options| options.shards(2));
        let user = on_slot(1, &nest, Nest::use_one);
        nest.use_one();
        user.join().unwrap();
        let stats = nest.settled();
        assert_eq!(stats.hits + stats.misses, 2);
        assert!(stats.misses >= 1);
    });
}

fn a_tick_meets_a_use(nest: &Nest) {
    nest.fill(1);
    nest.pool.tick(); // it is old now: the next tick drops it, unless the use comes first
    let ticker = without_slot(nest, |nest| nest.pool.tick());
    nest.use_one();
    ticker.join().unwrap();
    let stats = nest.settled();
    assert_eq!(stats.resident, 1, "what was just used is young: {stats:?}");
    assert_eq!(stats.hits + stats.dropped_by_age, 1, "used or dropped, not both: {stats:?}");
}

#[test]
fn l41_a_tick_against_a_use_loses_and_doubles_nothing() {
    explore("l41_a_tick_against_a_use_loses_and_doubles_nothing", || {
        a_tick_meets_a_use(&Nest::new(|options| options.shards(1)));
    });
}

#[test]
fn l41_a_tick_against_a_use_without_a_slot_loses_and_doubles_nothing() {
    explore("l41_a_tick_against_a_use_without_a_slot_loses_and_doubles_nothing", || {
        // So few objects that there is no slot for them.
        a_tick_meets_a_use(&Nest::new(|options| options.shards(1).max_idle(1)));
    });
}

#[test]
fn l41_a_tick_against_a_return_keeps_what_came_last() {
    explore("l41_a_tick_against_a_return_keeps_what_came_last", || {
        let nest = Nest::new(|options| options.shards(1));
        let held = nest.pool.get_owned();
        let last = held.number;
        nest.fill(1);
        nest.pool.tick();
        let ticker = without_slot(&nest, |nest| nest.pool.tick());
        drop(held);
        ticker.join().unwrap();
        let stats = nest.settled();
        assert!(stats.dropped_by_age <= 1, "{stats:?}");
        assert_eq!(nest.pool.get().number, last);
        nest.pool.tick();
        nest.pool.tick();
        assert_eq!(nest.settled().resident, 0, "two ticks without a use");
    });
}

#[test]
fn l41_two_ticks_and_a_return_drop_each_object_once() {
    explore("l41_two_ticks_and_a_return_drop_each_object_once", || {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(2);
        // From the slot; the other one lies in the shard.
        let held = nest.pool.get_owned();
        nest.pool.tick();
        let ticker = without_slot(&nest, |nest| nest.pool.tick());
        let returner = without_slot(&nest, move |_| drop(held));
        nest.pool.tick();
        ticker.join().unwrap();
        returner.join().unwrap();
        let stats = nest.settled();
        // The old one is gone for certain; the one returned meanwhile has seen two, one or no ticks.
        assert!((1..=2).contains(&stats.dropped_by_age), "{stats:?}");
    });
}

#[test]
fn l42_a_guard_that_outlives_its_pool_takes_it_along() {
    explore("l42_a_guard_that_outlives_its_pool_takes_it_along", || {
        let nest = Nest::new(|options| options.shards(1));
        nest.fill(1);
        let alive = nest.alive.clone();
        let guard = nest.pool.get_owned();
        nest.use_one();
        let user = thread::spawn(move || {
            ObjectPool::<Ant>::set_home(1);
            guard.work();
            drop(guard);
        });
        drop(nest);
        user.join().unwrap();
        // Loom itself checks that the pool is freed.
        assert_eq!(alive.load(Ordering::SeqCst), 0, "nothing leaks");
    });
}
