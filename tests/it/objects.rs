//! The object pool through its public API: rows 102 to 111 of the parity table of pools. What it is worth in
//! nanoseconds (row 107) is the benchmark `object_pool`'s to say; here is shown what its speed rests on.
//!
//! Objects here count themselves, so that each test can say how many are alive besides what the pool reports.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anthill_pool::{ObjectPool, ObjectPoolBuilder, Pooled, PooledOwned};

/// How many [`Counted`] objects of one test are alive, and how many there have been.
#[derive(Clone, Default)]
struct Census {
    alive: Arc<AtomicUsize>,
    born: Arc<AtomicUsize>,
}

impl Census {
    fn birth(&self) -> Counted {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Counted { number: self.born.fetch_add(1, Ordering::SeqCst), census: self.clone() }
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    fn born(&self) -> usize {
        self.born.load(Ordering::SeqCst)
    }

    fn pool(&self, options: ObjectPoolBuilder<Counted>) -> ObjectPool<Counted> {
        let census = self.clone();
        options.build(move || census.birth())
    }
}

struct Counted {
    number: usize,
    census: Census,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn panics<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(body()))).is_err()
}

#[test]
fn pool_102_guards_return_their_object_and_the_next_get_finds_it() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());

    let first = pool.get();
    let number = first.number;
    drop(first);
    assert_eq!(pool.get().number, number, "a guard");

    drop(pool.get_owned());
    assert_eq!(pool.get_owned().number, number, "an owned guard");

    let detached = Pooled::detach(pool.get());
    assert_eq!((detached.number, pool.stats().resident), (number, 0));
    assert_ne!(pool.get().number, number, "what was detached does not come back");
    drop(PooledOwned::detach(pool.get_owned()));
    assert_eq!(pool.stats().resident, 0);

    pool.put(detached);
    assert_eq!(pool.get().number, number, "unless it is put");
    assert_eq!(census.alive(), 1);
}

#[test]
fn pool_102_the_last_one_returned_is_the_first_one_out() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    let guards: Vec<_> = (0..5).map(|_| pool.get()).collect();
    drop(guards); // in the order 0, 1, 2, 3, 4
    let order: Vec<_> = (0..5).map(|_| Pooled::detach(pool.get()).number).collect();
    assert_eq!(order, [4, 3, 2, 1, 0]);
}

#[test]
fn pool_102_an_owned_guard_returns_from_another_thread() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    let guard = pool.get_owned();
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(pool.stats().resident, 1);
    // It lies in the other thread's shard; a search finds it all the same.
    assert_eq!(pool.get().number, 0);
    assert_eq!(census.born(), 1);
}

#[test]
fn pool_102_under_many_threads_every_object_has_one_owner_and_none_is_lost() {
    // Without lanes for all, as one place in two is set aside; and with.
    for (shards, max_idle) in [(4, 3), (1, 64)] {
        every_object_has_one_owner_and_none_is_lost(shards, max_idle);
    }
}

fn every_object_has_one_owner_and_none_is_lost(shards: usize, max_idle: usize) {
    struct Flagged {
        in_use: AtomicBool,
        _counted: Counted,
    }
    let census = Census::default();
    let make = census.clone();
    let pool = ObjectPool::builder()
        .shards(shards)
        .max_idle(max_idle)
        .tick_period(None)
        .build(move || Flagged { in_use: AtomicBool::new(false), _counted: make.birth() });
    thread::scope(|scope| {
        for turn in 0..6_usize {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..5_000_usize {
                    let held: Vec<_> = (0..1 + (round + turn) % 4).map(|_| pool.get()).collect();
                    for object in &held {
                        assert!(!object.in_use.swap(true, Ordering::SeqCst), "two owners");
                    }
                    for object in &held {
                        object.in_use.store(false, Ordering::SeqCst);
                    }
                    if (round + turn) % 64 == 0 {
                        pool.tick();
                    }
                }
            });
        }
    });
    let stats = pool.stats();
    let gets: usize = (0..6).map(|turn| (0..5_000).map(|round| 1 + (round + turn) % 4).sum::<usize>()).sum();
    assert_eq!(stats.hits + stats.misses, gets as u64);
    assert_eq!(stats.misses, census.born() as u64);
    assert_eq!(stats.misses, stats.resident as u64 + stats.dropped_by_bound + stats.dropped_by_age);
    assert_eq!(stats.resident, census.alive());
    assert!(stats.resident <= shards * max_idle);
    assert!(stats.hits > 0, "{stats:?}");
    pool.tick();
    pool.tick();
    assert_eq!((pool.stats().resident, census.alive()), (0, 0));
}

#[test]
fn pool_102_what_a_thread_drops_at_its_very_end_returns_too() {
    thread_local! {
        static LAST: Cell<Option<PooledOwned<Counted>>> = const { Cell::new(None) };
    }
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().shards(1));
    for round in 1..=20 {
        let ending = pool.clone();
        let keeper = pool.clone();
        thread::spawn(move || {
            LAST.set(Some(ending.get_owned()));
            // Through this thread's own place, which is the next thread's afterwards.
            drop(keeper.get());
        })
        .join()
        .unwrap();
        let stats = pool.stats();
        assert_eq!((stats.resident, census.alive(), stats.misses), (2, 2, 2), "round {round}");
        assert_eq!(stats.hits, 2 * (round - 1));
    }
}

#[test]
fn pool_103_make_runs_only_on_a_miss() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    assert_eq!(census.born(), 0, "a new pool is empty");
    for _ in 0..100 {
        drop(pool.get());
    }
    assert_eq!(census.born(), 1);
    let two = (pool.get(), pool.get());
    assert_eq!(census.born(), 2);
    drop(two);
    let _two = (pool.get(), pool.get());
    assert_eq!(census.born(), 2);
}

#[test]
fn pool_103_a_busy_lock_is_no_miss() {
    const THREADS: usize = 4;
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().shards(1).tick_period(None));
    drop((0..THREADS).map(|_| pool.get()).collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..100_000).for_each(|_| drop(pool.get())));
        }
    });
    // One idle object for each thread, all in the shard that every thread uses.
    assert_eq!((census.born(), pool.stats().misses), (THREADS, THREADS as u64));
}

#[test]
fn pool_103_reset_runs_at_the_return_and_the_secret_is_gone() {
    let resets = Arc::new(AtomicUsize::new(0));
    let seen = resets.clone();
    let pool = ObjectPool::builder()
        .reset(move |secret: &mut [u8; 16]| {
            secret.fill(0);
            seen.fetch_add(1, Ordering::SeqCst);
        })
        .build(|| [0; 16]);
    let mut secret = pool.get();
    secret.fill(0xA5);
    assert_eq!(resets.load(Ordering::SeqCst), 0, "nothing is reset on the way out");
    drop(secret);
    assert_eq!(resets.load(Ordering::SeqCst), 1, "not only when the next user comes");
    assert_eq!(*pool.get(), [0; 16]);

    let before = resets.load(Ordering::SeqCst);
    let mut own = Pooled::detach(pool.get());
    own.fill(0xA5);
    assert_eq!(resets.load(Ordering::SeqCst), before, "a detached object is the caller's own");
    assert_eq!(own, [0xA5; 16]);
    pool.put([0xA5; 16]);
    assert_eq!(*pool.get(), [0; 16], "what is put is reset like what a guard brings");
}

#[test]
fn pool_104_no_shard_keeps_more_than_its_bound() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().shards(1));
    for _ in 0..1_000 {
        pool.put(census.birth());
    }
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_bound), (64, 936), "64 is the default");
    assert_eq!(census.alive(), 64);

    pool.tick();
    pool.put(census.birth());
    assert_eq!(pool.stats().resident, 64, "both generations count");

    let none = census.pool(ObjectPool::builder().max_idle(0));
    drop(none.get());
    assert_eq!((none.stats().resident, none.stats().dropped_by_bound), (0, 1));
}

#[test]
fn pool_104_the_bound_holds_in_every_shard() {
    const SHARDS: usize = 4;
    const BOUND: usize = 5;
    // Three is rounded up to four.
    let pool = ObjectPool::builder().shards(3).max_idle(BOUND).build(|| 0_usize);
    let together = Barrier::new(16);
    thread::scope(|scope| {
        for thread in 0..16 {
            let (pool, together) = (&pool, &together);
            scope.spawn(move || {
                (0..100).for_each(|_| pool.put(thread));
                // Living threads have different numbers, so together they reach every shard.
                together.wait();
            });
        }
    });
    let stats = pool.stats();
    assert!(stats.resident > BOUND && stats.resident <= SHARDS * BOUND, "{stats:?}");
    assert_eq!(stats.resident as u64 + stats.dropped_by_bound, 1_600);
}

#[test]
fn pool_104_the_idle_objects_of_a_shard_weigh_at_most_so_much() {
    const BOUND: usize = 10_000;
    let census = Census::default();
    let make = census.clone();
    let pool = ObjectPool::builder()
        .shards(1)
        .max_weight(BOUND, |(size, _): &(usize, Counted)| *size)
        .build(move || (1, make.birth()));
    assert_eq!(pool.stats().resident_weight, 0);
    for size in (0..1_000).map(|number| number * 7_919 % 1_000) {
        pool.put((size, census.birth()));
        let stats = pool.stats();
        assert!(stats.resident_weight <= BOUND && stats.resident <= 64, "{stats:?}");
    }
    let stats = pool.stats();
    assert_eq!(stats.resident as u64 + stats.dropped_by_bound, 1_000);
    assert_eq!(stats.resident, census.alive());

    // The figure is what really lies there, and falls with every way out.
    let mut left = stats.resident_weight;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(pool.get());
        left -= held.last().unwrap().0;
        assert_eq!(pool.stats().resident_weight, left);
    }
    drop(held);
    pool.tick();
    pool.tick();
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.resident_weight, census.alive()), (0, 0, 0));
}

#[test]
fn pool_104_an_object_is_weighed_as_the_other_hooks_left_it() {
    let pool = ObjectPool::builder()
        .shards(1)
        .reset(|list: &mut Vec<u8>| list.shrink_to(10))
        .retain(|list| list.capacity() < 100)
        .max_weight(25, Vec::capacity)
        .build(Vec::new);
    pool.put(Vec::with_capacity(1_000));
    pool.put(Vec::with_capacity(1_000));
    pool.put(Vec::with_capacity(1_000));
    let mut large = Vec::with_capacity(200);
    large.resize(200, 1);
    pool.put(large);
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.resident_weight), (2, 20), "{stats:?}");
    assert_eq!((stats.dropped_by_bound, stats.dropped_by_retain), (1, 1));

    let none = ObjectPool::builder().max_weight(0, |_| 1).build(|| 0);
    drop(none.get());
    assert_eq!((none.stats().resident, none.stats().dropped_by_bound), (0, 1));
}

#[test]
fn pool_104_a_panic_while_weighing_drops_the_object_and_reaches_the_caller() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().max_weight(10, |_| panic!("while weighing")));
    assert!(panics(|| pool.get()));
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_panic, census.alive()), (0, 1, 0));
}

#[test]
fn pool_104_retain_refuses_what_has_grown_too_large() {
    let pool = ObjectPool::builder()
        .reset(|buffer: &mut Vec<u8>| buffer.clear())
        .retain(|buffer| buffer.is_empty() && buffer.capacity() <= 64 * 1024)
        .build(|| Vec::with_capacity(1024));
    pool.get().resize(1024 * 1024, 1);
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_retain), (0, 1));
    // Kept only because `retain` sees the buffer as `reset` left it.
    pool.get().resize(1024, 1);
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_retain), (1, 1));
}

#[test]
fn pool_105_an_object_survives_one_tick_and_is_gone_after_two() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    drop(pool.get());
    pool.tick();
    assert_eq!(pool.get().number, 0, "one tick: a hit");

    // That use brought it back into the young generation.
    pool.tick();
    assert_eq!((census.alive(), pool.stats().dropped_by_age), (1, 0));
    pool.tick();
    assert_eq!((census.alive(), pool.stats().dropped_by_age), (0, 1), "two ticks");
    assert_eq!(pool.get().number, 1, "a miss");
}

#[test]
fn pool_105_what_is_used_between_ticks_stays_for_ever() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    let cold = (pool.get(), pool.get());
    drop(cold);
    for _ in 0..10 {
        drop(pool.get());
        pool.tick();
    }
    assert_eq!((census.born(), census.alive()), (2, 1), "one is hot, the other grew old");
}

#[test]
fn pool_105_ageing_needs_no_call_while_objects_are_returned() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().tick_period(Some(Duration::from_millis(1))));
    drop((pool.get(), pool.get()));
    let deadline = Instant::now() + Duration::from_secs(20);
    while census.alive() == 2 {
        assert!(Instant::now() < deadline, "no tick came: {:?}", pool.stats());
        drop(pool.get());
    }
    assert_eq!(pool.stats().dropped_by_age, 1);

    let never = census.pool(ObjectPool::builder().tick_period(None));
    drop((never.get(), never.get()));
    (0..1_000).for_each(|_| drop(never.get()));
    assert_eq!(never.stats().dropped_by_age, 0);

    let untimed = census.pool(ObjectPool::builder());
    drop((untimed.get(), untimed.get()));
    (0..1_000).for_each(|_| drop(untimed.get()));
    assert_eq!(untimed.stats().dropped_by_age, 0, "the default period is 10 s");
}

#[test]
fn pool_106_an_object_held_through_a_panic_is_dropped() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    assert!(panics(|| {
        let _held = pool.get();
        let _held_too = pool.get_owned();
        panic!("in the middle of a change");
    }));
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_panic), (0, 2));
    assert_eq!(census.alive(), 0);

    drop(pool.get());
    assert_eq!(pool.stats().resident, 1, "the pool works on");
}

#[test]
fn pool_106_with_the_option_it_returns_and_is_reset() {
    let pool = ObjectPool::builder()
        .reset(|list: &mut Vec<u8>| list.clear())
        .return_on_panic(true)
        .build(|| Vec::with_capacity(99));
    assert!(panics(|| {
        pool.get().push(1);
        let mut held = pool.get();
        held.push(2);
        panic!("in the middle of a change");
    }));
    let stats = pool.stats();
    assert_eq!((stats.resident, stats.dropped_by_panic), (1, 0));
    assert!(pool.get().is_empty());
    assert_eq!(pool.stats().misses, 1);
}

#[test]
fn pool_106_a_panic_of_a_hook_drops_the_object_and_reaches_the_caller() {
    let census = Census::default();
    let resetting = census.pool(ObjectPool::builder().reset(|_| panic!("in reset")));
    let retaining = census.pool(ObjectPool::builder().retain(|_| panic!("in retain")));
    for pool in [resetting, retaining] {
        for round in 1..=3 {
            assert!(panics(|| pool.get()));
            let stats = pool.stats();
            assert_eq!((stats.resident, stats.dropped_by_panic, stats.misses), (0, round, round));
            assert_eq!(census.alive(), 0);
        }
    }
}

#[test]
fn pool_106_a_hook_that_panics_during_a_panic_does_not_end_the_process() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().return_on_panic(true).reset(|_| panic!("in reset")));
    let message = catch_unwind(AssertUnwindSafe(|| {
        let _held = pool.get();
        panic!("the first");
    }));
    assert_eq!(message.unwrap_err().downcast_ref(), Some(&"the first"));
    assert_eq!((pool.stats().dropped_by_panic, census.alive()), (1, 0));
}

#[test]
fn pool_106_a_panic_in_make_leaves_the_pool_usable() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let pool = ObjectPool::new(move || {
        assert!(!is_broken.load(Ordering::SeqCst), "in make");
        7
    });
    assert!(panics(|| Pooled::detach(pool.get())));
    assert!(panics(|| PooledOwned::detach(pool.get_owned())));
    broken.store(false, Ordering::SeqCst);
    assert_eq!(*pool.get(), 7);
    let stats = pool.stats();
    assert_eq!((stats.misses, stats.hits, stats.resident), (3, 0, 1));
}

#[test]
fn pool_106_panics_in_drop_reach_the_caller_and_leave_nothing_behind() {
    /// Panics when dropped, after it was counted.
    struct Explosive {
        _counted: Counted,
    }
    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let census = Census::default();
    let make = census.clone();
    let pool =
        ObjectPool::builder().shards(1).max_idle(3).build(move || Explosive { _counted: make.birth() });
    let four: Vec<_> = (0..4).map(|_| pool.get()).collect();
    let mut four = four.into_iter();
    for kept in four.by_ref().take(3) {
        drop(kept);
    }
    let surplus = four.next().unwrap();
    assert!(panics(|| drop(surplus)));
    assert_eq!((pool.stats().resident, pool.stats().dropped_by_bound, census.alive()), (3, 1, 3));

    // Three panics in one tick: all three objects go, and the caller hears of one.
    pool.tick();
    assert!(panics(|| pool.tick()));
    assert_eq!((pool.stats().resident, pool.stats().dropped_by_age, census.alive()), (0, 3, 0));
}

#[test]
fn pool_107_threads_that_hold_one_object_at_a_time_never_meet() {
    const ROUNDS: u64 = 100_000;
    for threads in [1, 2, 4] {
        // One shard for all: what keeps them apart are their own places before it. That a get and a return of this kind
        // take no lock is shown where the locks are, by `one_object_at_a_time_takes_no_lock` in the pool's source.
        let pool = ObjectPool::builder().shards(1).tick_period(None).build(|| Cell::new(usize::MAX));
        let together = Barrier::new(threads);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (pool, together) = (&pool, &together);
                scope.spawn(move || {
                    let first = pool.get();
                    let address = std::ptr::from_ref(&*first);
                    first.set(thread);
                    // Only when each has made its own are they returned.
                    together.wait();
                    drop(first);
                    together.wait();
                    for _ in 0..ROUNDS {
                        let object = pool.get();
                        assert_eq!(object.get(), thread, "a stranger's object");
                        assert_eq!(std::ptr::from_ref(&*object), address, "it was moved");
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(
            (stats.misses, stats.hits),
            (threads as u64, threads as u64 * ROUNDS),
            "{threads} threads"
        );
        assert_eq!(stats.resident, threads);
    }
}

#[test]
fn pool_107_what_lies_in_another_thread_s_place_is_found() {
    const OTHERS: usize = 8;
    let pool = ObjectPool::builder().shards(4).tick_period(None).build(|| 0_usize);
    let together = Barrier::new(OTHERS + 1);
    thread::scope(|scope| {
        for thread in 1..=OTHERS {
            let (pool, together) = (&pool, &together);
            scope.spawn(move || {
                pool.put(thread);
                together.wait();
                together.wait();
            });
        }
        together.wait();
        // All of them are alive, and each has returned one object to its own place.
        let mut found: Vec<_> = (0..OTHERS).map(|_| Pooled::detach(pool.get())).collect();
        found.sort_unstable();
        assert_eq!(found, (1..=OTHERS).collect::<Vec<_>>());
        together.wait();
    });
    assert_eq!((pool.stats().misses, pool.stats().resident), (0, 0));
}

#[test]
fn threads_are_spread_over_the_shards() {
    const THREADS: usize = 8;
    // One object per shard stays, so what is left tells how many shards were returned to.
    let pool = ObjectPool::builder().shards(64).max_idle(1).build(|| 0_usize);
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pool, together) = (&pool, &together);
            scope.spawn(move || {
                pool.put(thread);
                together.wait();
            });
        }
    });
    // All eight, unless other tests of this process hold so many threads that numbers meet again modulo 64.
    assert!(pool.stats().resident >= THREADS / 2, "{:?}", pool.stats());
}

#[test]
fn a_thread_finds_its_own_object_and_not_a_stranger_s() {
    // Two threads that live at once can still meet in a shard when hundreds of threads do; then try another pair.
    let met_never = (0..20).any(|_| {
        let pool = ObjectPool::builder().shards(64).build(|| None);
        let together = Barrier::new(2);
        let found: Vec<bool> = thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let (pool, together) = (&pool, &together);
                    scope.spawn(move || {
                        pool.put(Some(thread));
                        together.wait();
                        let own = Pooled::detach(pool.get()) == Some(thread);
                        together.wait();
                        own
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        found == [true, true]
    });
    assert!(met_never);
}

#[test]
fn pool_108_a_flow_from_thread_to_thread_makes_no_more_than_are_in_flight() {
    const GETS: u64 = 1_000_000;
    const PLACES: usize = 64;
    const SHARDS: usize = 4;
    // Room for all in one shard, so that none is dropped and made again.
    let pool = ObjectPool::builder().shards(SHARDS).max_idle(2 * PLACES).build(|| 0_u64);
    let (sender, receiver) = mpsc::sync_channel::<PooledOwned<u64>>(PLACES);
    let consumer = thread::spawn(move || receiver.iter().map(|object| *object).sum::<u64>());
    for number in 0..GETS {
        let mut object = pool.get_owned();
        *object = number;
        sender.send(object).unwrap();
    }
    drop(sender);
    assert_eq!(consumer.join().unwrap(), GETS * (GETS - 1) / 2);
    let stats = pool.stats();
    assert_eq!(stats.hits + stats.misses, GETS);
    // One more in the hand of either thread.
    assert!(stats.misses <= (PLACES + 2 + SHARDS) as u64, "{stats:?}");
    assert_eq!(stats.resident as u64, stats.misses, "{stats:?}");
}

/// `IS_SEND` and `IS_SYNC` of a type, as values that a test can compare: an inherent constant, which exists only where
/// its bound holds, is preferred to the trait's.
struct Probe<T>(std::marker::PhantomData<T>);

impl<T: Send> Probe<T> {
    const IS_SEND: bool = true;
}

impl<T: Sync> Probe<T> {
    const IS_SYNC: bool = true;
}

trait Otherwise {
    const IS_SEND: bool = false;
    const IS_SYNC: bool = false;
}

impl<T> Otherwise for Probe<T> {}

#[test]
fn pool_109_send_and_sync_follow_the_object() {
    macro_rules! send_and_sync {
        ($type:ty) => {
            (<Probe<$type>>::IS_SEND, <Probe<$type>>::IS_SYNC)
        };
    }
    type Rc = std::rc::Rc<u8>;
    type SyncOnly = std::sync::MutexGuard<'static, u8>; // `Sync`, but not `Send`
    type SendOnly = Cell<u8>; // `Send`, but not `Sync`

    assert_eq!(send_and_sync!(ObjectPool<u8>), (true, true));
    assert_eq!(send_and_sync!(Pooled<'static, u8>), (true, true));
    assert_eq!(send_and_sync!(PooledOwned<u8>), (true, true));

    assert_eq!(send_and_sync!(ObjectPool<SendOnly>), (true, true), "the lock makes up for it");
    assert_eq!(send_and_sync!(Pooled<'static, SendOnly>), (true, false));
    assert_eq!(send_and_sync!(PooledOwned<SendOnly>), (true, false));

    assert_eq!(send_and_sync!(ObjectPool<SyncOnly>), (false, false));
    assert_eq!(send_and_sync!(Pooled<'static, SyncOnly>), (false, false));
    assert_eq!(send_and_sync!(PooledOwned<SyncOnly>), (false, false));

    assert_eq!(send_and_sync!(ObjectPool<Rc>), (false, false));
    assert_eq!(send_and_sync!(Pooled<'static, Rc>), (false, false));
    assert_eq!(send_and_sync!(PooledOwned<Rc>), (false, false));
}

#[test]
fn pool_110_a_guard_outlives_its_pool_and_nothing_leaks() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    let (first, second) = (pool.get_owned(), pool.get_owned());
    drop(pool.get());
    drop(pool);
    assert_eq!(census.alive(), 3, "guards keep the pool, and the pool its idle object");
    assert_eq!((first.number, second.number), (0, 1));
    drop(first);
    assert_eq!(census.alive(), 3, "returned, to a pool that still has a handle");
    drop(second);
    assert_eq!(census.alive(), 0, "the last handle takes everything along");
}

#[test]
fn pool_110_a_detached_object_outlives_its_pool() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    let guard = pool.get_owned();
    drop(pool);
    let object = PooledOwned::detach(guard);
    assert_eq!((object.number, census.alive()), (0, 1));
    drop(object);
    assert_eq!(census.alive(), 0);
}

#[test]
fn pool_110_a_leaked_guard_costs_its_object_and_nothing_else() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder());
    drop((pool.get(), pool.get()));
    std::mem::forget(pool.get());
    assert_eq!(pool.stats().resident, 1);
    drop(pool.get());
    pool.tick();
    pool.tick();
    drop(pool);
    assert_eq!(census.alive(), 1, "the leaked one");
}

#[test]
fn pool_111_the_figures_of_a_script_are_exact() {
    let pool = ObjectPool::builder()
        .shards(1)
        .max_idle(2)
        .reset(|number: &mut i32| assert_ne!(*number, 13, "in reset"))
        .retain(|number| *number >= 0)
        .build(|| 0);
    let figures = |pool: &ObjectPool<i32>| {
        let stats = pool.stats();
        let dropped =
            [stats.dropped_by_bound, stats.dropped_by_age, stats.dropped_by_retain, stats.dropped_by_panic];
        (stats.hits, stats.misses, dropped, stats.resident)
    };
    assert_eq!(figures(&pool), (0, 0, [0, 0, 0, 0], 0));

    let three = (pool.get(), pool.get_owned(), pool.get());
    assert_eq!(figures(&pool), (0, 3, [0, 0, 0, 0], 0));
    drop(three);
    assert_eq!(figures(&pool), (0, 3, [1, 0, 0, 0], 2), "the third is one too many");
    *pool.get() = -1;
    assert_eq!(figures(&pool), (1, 3, [1, 0, 1, 0], 1), "retain");
    assert!(panics(|| *pool.get() = 13));
    assert_eq!(figures(&pool), (2, 3, [1, 0, 1, 1], 0), "reset panics");
    assert!(panics(|| {
        let _held = pool.get();
        panic!("while held");
    }));
    assert_eq!(figures(&pool), (2, 4, [1, 0, 1, 2], 0), "held through a panic");
    pool.put(5);
    pool.put(6);
    pool.tick();
    assert_eq!(Pooled::detach(pool.get()), 6);
    assert_eq!(figures(&pool), (3, 4, [1, 0, 1, 2], 1), "a hit in the old generation, then detached");
    pool.tick();
    assert_eq!(figures(&pool), (3, 4, [1, 1, 1, 2], 0), "age");
    assert!(format!("{pool:?}").contains("dropped_by_age: 1"));
}

#[test]
fn one_return_in_four_is_dropped_when_asked_for() {
    let census = Census::default();
    let pool = census.pool(ObjectPool::builder().drop_one_in_four(true));
    let mut drops = Vec::new();
    let mut last = None;
    for round in 0..1_000 {
        let number = pool.get().number;
        if last != Some(number) {
            drops.push(round);
        }
        last = Some(number);
    }
    let stats = pool.stats();
    assert!((240..=260).contains(&stats.dropped_by_chance), "{stats:?}");
    assert_eq!(stats.misses, census.born() as u64);
    assert_eq!(stats.misses - stats.dropped_by_chance, stats.resident as u64);
    let gaps: std::collections::BTreeSet<_> = drops.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 1, "the drops are in step with something: {gaps:?}");
}
