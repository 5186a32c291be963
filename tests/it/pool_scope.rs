//! Scopes: tasks that borrow the stack of the thread that waits for them.
//!
//! Row 68, and what scopes add to rows 70 and 71. The rule: when `scope` returns or unwinds, no task of it runs,
//! whatever the state of the pool; and it does so always.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use anthill_pool::{TaskPool, WorkerPool};
use anthill_tests::pool::{hold, on_threads, reaches, tasks};
use anthill_tests::{Gate, PATIENCE, eventually, within};

/// Unwinds without the noise of the panic hook.
fn planned_panic(value: &'static str) -> ! {
    resume_unwind(Box::new(value))
}

/// The text that `work` panics with.
fn panic_of(work: impl FnOnce()) -> &'static str {
    let value = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    value.downcast_ref::<&'static str>().copied().expect("with a text")
}

/// Sums a slice by halves.
fn sum(pool: &TaskPool, numbers: &[u64]) -> u64 {
    if numbers.len() <= 4 {
        return numbers.iter().sum();
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (mut of_left, mut of_right) = (0, 0);
    pool.scope(|scope| {
        scope.spawn(|| of_left = sum(pool, left));
        of_right = sum(pool, right);
    });
    of_left + of_right
}

#[test]
fn pool_068_tasks_borrow_the_callers_stack() {
    let pool = tasks(2, 16);
    let words = ["so", "many", "words"].map(str::to_owned);
    let mut lengths = [0; 3];
    let result = pool.scope(|scope| {
        for (length, word) in lengths.iter_mut().zip(&words) {
            scope.spawn(move || *length = word.len());
        }
        words.len()
    });
    assert_eq!((result, lengths), (3, [2, 4, 5]));
    assert_eq!(pool.scope(|_| 4), 4, "an empty scope");
}

#[test]
fn pool_068_tasks_run_on_the_pools_workers() {
    let pool = tasks(2, 0);
    let meeting = Barrier::new(3);
    let workers = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                workers.fetch_add(usize::from(pool.is_worker()), Ordering::SeqCst);
                meeting.wait();
            });
        }
        // Returns only when both tasks run while this thread is still in the body.
        meeting.wait();
    });
    assert_eq!(workers.into_inner(), 2);
}

/// One worker and no queue: one ticket runs, another stands by, and the worker runs all tasks with them.
#[test]
fn pool_068_a_worker_runs_more_tasks_than_it_has_tickets_for() {
    let pool = tasks(1, 0);
    let (ran, gate) = (AtomicUsize::new(0), Gate::new());
    pool.scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                gate.pass();
                assert!(pool.is_worker());
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        gate.open();
        eventually("the worker runs them all", || ran.load(Ordering::SeqCst) == 10);
    });
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert!(stats.finished <= 2, "{stats:?}");
    assert_eq!(stats.rejected, 0, "a ticket is nobody's submission");
}

/// The body waits for its task, and all workers were busy when it was spawned.
#[test]
fn pool_068_a_worker_that_comes_free_later_helps() {
    for queue in [0, 1, 8] {
        let pool = tasks(2, queue);
        let gates = [hold(&pool), hold(&pool)];
        reaches(&pool, "two busy workers", |stats| stats.workers == 2 && stats.queued == 0);
        for _ in 0..queue {
            pool.execute(|| {}).unwrap();
        }
        let ran = AtomicUsize::new(0);
        pool.scope(|scope| {
            scope.spawn(|| {
                ran.fetch_add(1, Ordering::SeqCst);
            });
            gates[1].open();
            eventually("a worker runs the task", || ran.load(Ordering::SeqCst) == 1);
        });
        gates[0].open();
    }
}

/// All workers were busy for a moment while everything was spawned: the owner is not left alone with it.
#[test]
fn pool_068_workers_that_come_free_later_share_the_work() {
    let pool = tasks(2, 0);
    let gates = [hold(&pool), hold(&pool)];
    let by_workers = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                if pool.is_worker() {
                    by_workers.fetch_add(1, Ordering::SeqCst);
                } else {
                    eventually("the others are run", || by_workers.load(Ordering::SeqCst) == 39);
                }
            });
        }
        // The owner is about to take one, and no worker has any.
        gates.iter().for_each(Gate::open);
        eventually("the workers begin", || by_workers.load(Ordering::SeqCst) > 0);
    });
    assert!(by_workers.into_inner() >= 39);
}

#[test]
fn pool_068_no_more_tickets_than_workers() {
    let pool = tasks(2, 64);
    let gates = [hold(&pool), hold(&pool)];
    reaches(&pool, "two busy workers", |stats| stats.workers == 2 && stats.queued == 0);
    let mut counts = vec![0; 1_000];
    pool.scope(|scope| counts.iter_mut().for_each(|count| scope.execute(|| *count += 1)));
    assert!(counts.iter().all(|&count| count == 1));
    assert_eq!(pool.stats().queued, 2);
    gates.iter().for_each(Gate::open);
}

#[test]
fn pool_068_a_panic_is_raised_again_when_all_have_ended() {
    for (workers, queue) in [(1, 0), (2, 16)] {
        let pool = tasks(workers, queue);
        for _ in 0..200 {
            let ended = AtomicUsize::new(0);
            let said = panic_of(|| {
                pool.scope(|scope| {
                    for number in 0..8 {
                        let ended = &ended;
                        scope.spawn(move || {
                            if number == 3 {
                                planned_panic("the fourth");
                            }
                            thread::yield_now();
                            ended.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                });
            });
            assert_eq!((said, ended.load(Ordering::SeqCst)), ("the fourth", 7));
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(pool.stats().panicked, 0, "the panic is the scope's");
    }
}

#[test]
fn pool_068_the_first_of_several_panics_is_raised() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let said = panic_of(|| {
        pool.scope(|scope| {
            scope.spawn(|| planned_panic("first"));
            scope.spawn(|| planned_panic("second"));
        });
    });
    assert_eq!(said, "first");
    gate.open();
}

#[test]
fn pool_068_the_panic_of_the_body_comes_first_and_its_tasks_end_before() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let (mut ran, mut also) = (false, false);
    let said = panic_of(|| {
        pool.scope(|scope| {
            scope.spawn(|| ran = true);
            scope.spawn(|| planned_panic("the task"));
            scope.spawn(|| also = true);
            planned_panic("the body")
        })
    });
    assert_eq!((said, ran, also), ("the body", true, true));
    gate.open();
}

/// What the value of a panic and the result do when they are dropped is no reason to fail.
#[test]
fn pool_068_panicking_drops_are_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            planned_panic("a drop");
        }
    }
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let said = panic_of(|| {
        drop(pool.scope(|scope| {
            scope.spawn(|| planned_panic("the task"));
            scope.spawn(|| resume_unwind(Box::new(Bomb)));
            Bomb
        }));
    });
    assert_eq!(said, "the task");
    gate.open();
}

#[test]
fn pool_068_tasks_spawn_into_their_own_scope() {
    for (workers, queue) in [(1, 0), (2, 32)] {
        let pool = tasks(workers, queue);
        for _ in 0..200 {
            let steps = Mutex::new(Vec::new());
            pool.scope(|scope| {
                scope.spawn(|| {
                    steps.lock().unwrap().push(1);
                    for _ in 0..2 {
                        scope.spawn(|| {
                            steps.lock().unwrap().push(2);
                            scope.spawn(|| steps.lock().unwrap().push(3));
                        });
                    }
                });
            });
            let mut steps = steps.into_inner().unwrap();
            assert_eq!(steps[0], 1);
            steps.sort_unstable();
            assert_eq!(steps, [1, 2, 2, 3, 3]);
        }
    }
}

#[test]
fn pool_068_tickets_that_come_late_find_nothing() {
    let pool = tasks(1, 16);
    let gate = hold(&pool);
    {
        let mut counts = vec![0; 8];
        pool.scope(|scope| counts.iter_mut().for_each(|count| scope.execute(|| *count += 1)));
        assert_eq!(counts, [1; 8], "the caller has run them");
    }
    assert_eq!(pool.stats().queued, 1, "a ticket waits for the worker");
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked), (2, 0));
}

#[test]
fn pool_068_scopes_end_on_pools_that_cannot_help() {
    let stopped = tasks(2, 4);
    stopped.stop();
    let threadless = WorkerPool::builder().spawner(|_| Err(io::Error::other("no"))).build_tasks().unwrap();
    let full = tasks(1, 0);
    let gate = hold(&full);
    let dropped = tasks(1, 64);
    let held = hold(&dropped);
    for pool in [&stopped, &threadless, &full, &dropped] {
        let mut numbers = [1, 2, 3];
        pool.scope(|scope| {
            for number in &mut numbers {
                scope.spawn(|| *number *= 2);
            }
            // What became of the tickets does not matter.
            drop(if std::ptr::eq(pool, &dropped) { pool.stop_now() } else { Vec::new() });
        });
        assert_eq!(numbers, [2, 4, 6]);
    }
    gate.open();
    held.open();
}

#[test]
fn pool_068_many_scopes_race_for_few_workers() {
    for (workers, queue) in [(1, 0), (2, 2), (2, 64)] {
        let pool = tasks(workers, queue);
        on_threads(3, |thread| {
            for round in 0..300 {
                let mut sums = [0_u64; 6];
                let numbers: Vec<u64> = (0..60).map(|number| number + round).collect();
                pool.scope(|scope| {
                    for (sum, part) in sums.iter_mut().zip(numbers.chunks(10)) {
                        scope.spawn(move || *sum = part.iter().sum());
                    }
                    if thread == 0 {
                        thread::yield_now();
                    }
                });
                assert_eq!(sums.iter().sum::<u64>(), (0..60).sum::<u64>() + 60 * round);
            }
        });
    }
}

#[test]
fn pool_068_scopes_survive_a_stop_at_any_moment() {
    for round in 0..200 {
        let pool = tasks(2, 4);
        let mut counts = [0; 10];
        thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..round % 20 {
                    std::hint::spin_loop();
                }
                if round % 2 == 0 {
                    pool.stop();
                } else {
                    drop(pool.stop_now());
                }
            });
            pool.scope(|scope| counts.iter_mut().for_each(|count| scope.execute(|| *count += 1)));
        });
        assert_eq!(counts, [1; 10]);
        pool.wait_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_070_scopes_nest_on_the_workers_of_any_pool() {
    for (workers, queue) in [(1, 0), (1, 8), (2, 0), (2, 64)] {
        let pool = tasks(workers, queue);
        let total = within("nested scopes", {
            let pool = pool.clone();
            move || {
                let numbers: Vec<u64> = (0..500).collect();
                sum(&pool, &numbers)
            }
        });
        assert_eq!(total, (0..500).sum::<u64>());
        // On a worker from the start.
        let handle = pool.clone();
        let outer = pool.spawn(move || sum(&handle, &(0..500).collect::<Vec<_>>())).unwrap();
        assert_eq!(outer.join_timeout(PATIENCE).expect("no deadlock").unwrap(), (0..500).sum::<u64>());
    }
}

#[test]
fn pool_071_a_scope_on_the_only_worker_runs_its_tasks_there() {
    let pool = tasks(1, 0);
    let handle = pool.clone();
    let outer = pool
        .spawn(move || {
            let mut threads = Vec::new();
            handle.scope(|scope| scope.execute(|| threads.push(thread::current().id())));
            threads == [thread::current().id()]
        })
        .unwrap();
    assert!(outer.join_timeout(PATIENCE).expect("no deadlock").unwrap());
}

#[test]
fn pool_068_handles_and_scopes_mix() {
    let pool = tasks(2, 8);
    let result = Arc::new(Mutex::new(Vec::new()));
    let mut numbers = [1, 2, 3];
    pool.scope(|scope| {
        for number in &mut numbers {
            let (pool, result) = (&pool, result.clone());
            scope.spawn(move || {
                let seed = *number;
                // A worker that joins runs it itself if nobody else has.
                *number = pool.spawn(move || seed * seed).unwrap().join().unwrap();
                result.lock().unwrap().push(seed);
            });
        }
    });
    assert_eq!(numbers, [1, 4, 9]);
    assert_eq!(result.lock().unwrap().len(), 3);
}

/// The quietest of some rounds, since a machine with other things to do makes short tasks take long.
#[test]
fn pool_f6_a_scope_for_computing_makes_few_threads() {
    let cores = thread::available_parallelism().unwrap().get();
    let fewest = (0..30)
        .map(|_| {
            let pool = WorkerPool::builder().build_tasks().unwrap();
            let sum = AtomicUsize::new(0);
            pool.scope(|scope| {
                for number in 0..2_000 {
                    let sum = &sum;
                    scope.execute(move || {
                        sum.fetch_add(
                            (0..200).fold(number, |a, b: usize| a ^ b.wrapping_mul(31)) & 1,
                            Ordering::Relaxed,
                        );
                    });
                }
            });
            pool.stats().peak_workers
        })
        .min();
    // One of them looks whether it should be more.
    assert!(fewest <= Some(cores + 1), "{fewest:?} workers on {cores} cores");
}

#[test]
fn pool_f6_tasks_that_wait_for_one_another_find_a_worker_each() {
    const TASKS: usize = 40;
    for max_workers in [Some(TASKS), Some(512), None] {
        within("tasks that meet", move || {
            let pool = WorkerPool::builder().max_workers(max_workers).build_tasks().unwrap();
            let together = std::sync::Barrier::new(TASKS);
            pool.scope(|scope| {
                for _ in 0..TASKS {
                    scope.execute(|| {
                        together.wait();
                    });
                }
            });
            // The watcher goes with the scope.
            pool.wait_idle_timeout(PATIENCE).unwrap();
            pool.stop();
            pool.wait_timeout(PATIENCE).unwrap();
        });
    }
}

/// On a pool that is stopped the one who looks whether more workers are needed gets none, and is one himself.
#[test]
fn pool_f6_the_watcher_of_a_scope_on_a_stopped_pool_helps_itself() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..20 {
        let pool = tasks(4 * cores + 4, 0);
        let (inside, gate, (last, has_run)) = (pool.clone(), Gate::new(), channel());
        let waits = move || {
            inside.scope(|scope| {
                for _ in 0..cores {
                    scope.execute(|| gate.pass());
                }
                scope.execute(|| last.send(()).unwrap());
                // One more, so that somebody watches in any case.
                scope.execute(|| ());
                reaches(&inside, "helpers and a watcher", |stats| stats.busy > cores);
                inside.stop();
                // Not joined: relies on a worker.
                has_run.recv_timeout(PATIENCE).expect("somebody runs what waits");
                gate.open();
            });
        };
        within("a scope on a stopped pool", waits);
    }
}
