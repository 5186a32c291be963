//! One function over a slice, on several cores.
//!
//! The rule: every item is mapped once, its result is in its place, and nothing runs once the call has returned.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anthill_pool::WorkerPool;
use anthill_tests::pool::{hold, reaches, tasks};
use anthill_tests::within;
use proptest::prelude::*;

#[test]
fn pool_par_map_has_every_result_in_its_place() {
    let pool = tasks(4, 0);
    for length in [0, 1, 2, 3, 7, 100, 10_007] {
        let items: Vec<usize> = (0..length).collect();
        let calls = AtomicUsize::new(0);
        let results = pool.par_map(&items, |item| {
            calls.fetch_add(1, Ordering::Relaxed);
            item * 3
        });
        assert!(results.into_iter().eq((0..length).map(|item| item * 3)), "{length}");
        assert_eq!(calls.into_inner(), length);
    }
}

#[test]
fn pool_par_map_works_on_several_threads() {
    if thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let pool = tasks(4, 0);
    let meeting = Barrier::new(2);
    // Neither of the two returns before both run.
    let threads = pool.par_map(&[1, 2], |_| {
        meeting.wait();
        thread::current().id()
    });
    assert_ne!(threads[0], threads[1]);
}

#[test]
fn pool_par_map_does_without_help() {
    let full = tasks(1, 1);
    let gate = hold(&full);
    full.execute(|| {}).unwrap();
    let stopped = tasks(1, 1);
    stopped.stop();
    for pool in [&full, &stopped] {
        assert_eq!(pool.par_map(&[1, 2, 3], |n| n + 1), [2, 3, 4]);
    }
    gate.open();
}

#[test]
fn pool_par_map_nests_on_its_own_workers() {
    let pool = tasks(2, 0);
    let inner = pool.clone();
    let sums = within("nested maps", move || {
        let numbers: Vec<u64> = (0..50).collect();
        inner.par_map(&numbers, |n| inner.par_map(&numbers, |m| n * m).into_iter().sum::<u64>())
    });
    assert!(sums.into_iter().eq((0..50).map(|n| n * 1225)));
}

#[test]
fn pool_par_map_panics_after_all_calls_have_ended() {
    let pool = tasks(4, 0);
    let items: Vec<u32> = (0..100_000).collect();
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.par_map(&items, |&item| {
            begun.fetch_add(1, Ordering::SeqCst);
            if item == 10 {
                resume_unwind(Box::new("planned"));
            }
            ended.fetch_add(1, Ordering::SeqCst);
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"planned"));
    assert_eq!(begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst) + 1);
    pool.wait_idle().unwrap();
    assert_eq!(pool.stats().panicked, 0);
}

#[test]
fn pool_par_map_begins_nothing_after_a_panic() {
    let pool = tasks(4, 0);
    pool.stop();
    let begun = AtomicUsize::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.par_map(&[0; 1000], |_| {
            if begun.fetch_add(1, Ordering::SeqCst) == 10 {
                resume_unwind(Box::new("planned"));
            }
        })
    }));
    assert!(caught.is_err());
    assert_eq!(begun.into_inner(), 11, "neither in this part nor in the scope's other ones");
}

/// Computing is not sped up by more threads than cores.
#[test]
fn pool_par_map_calls_no_more_workers_than_there_are_cores() {
    let pool = WorkerPool::builder().build_tasks().unwrap();
    let items = vec![(); 5000];
    pool.par_map(&items, |()| (0..500).map(std::hint::black_box).sum::<u32>());
    let cores = thread::available_parallelism().unwrap().get();
    reaches(&pool, "nobody more", |stats| stats.peak_workers < cores);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pool_par_map_is_map(items in prop::collection::vec(any::<u32>(), 0..500), workers in 1_usize..5) {
        let pool = tasks(workers, 0);
        let slow = |item: &u32| {
            if item.is_multiple_of(50) {
                thread::yield_now();
            }
            item.rotate_left(7)
        };
        prop_assert_eq!(pool.par_map(&items, slow), items.iter().map(slow).collect::<Vec<_>>());
    }
}
