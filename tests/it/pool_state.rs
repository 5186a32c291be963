//! What surrounds a payload's run: hooks before and after, and a state that belongs to the worker.
//!
//! Rows 83 and 84. The rules they check: hooks come in pairs whatever happens between them; and a state is made on its
//! worker's thread, never shared, never used again after a panic, and when it cannot be made no payload is lost for
//! that.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{Discard, ManualClock, PayloadEnd, SubmitError, WorkerPool, WorkerPoolBuilder};
use anthill_tests::pool::{Held, blocked, occupy, on_threads, reaches, release};
use anthill_tests::{Gate, PATIENCE, background, quiet_panics, within};

#[test]
fn pool_083_hooks_surround_each_payload_on_its_worker_also_when_it_panics() {
    quiet_panics();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (starts, runs, ends) = (log.clone(), log.clone(), log.clone());
    let here = || thread::current().id();
    let pool = WorkerPool::builder()
        .name("quiet83")
        .max_workers(3)
        .queue_capacity(2_000)
        .on_payload_start(move |worker, number: &usize| {
            starts.lock().unwrap().push((here(), worker, format!("start {number}")));
        })
        .on_payload_end(move |worker, end| {
            ends.lock().unwrap().push((here(), worker, format!("end {end:?}")));
        })
        .build(move |number: usize| {
            runs.lock().unwrap().push((here(), usize::MAX, format!("run {number}")));
            assert!(!number.is_multiple_of(7), "every seventh panics");
        })
        .unwrap();
    assert_eq!(pool.submit_many((0..1_000).collect()).unwrap(), 1_000);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let mut log = log.lock().unwrap().clone();
    assert_eq!((log.len(), pool.stats().panicked), (3_000, 143));
    // Stable: each thread's entries stay in their order.
    log.sort_by_key(|(thread, ..)| format!("{thread:?}"));
    for one in log.chunks(3) {
        let [(thread, worker, start), (same, _, run), (also_same, same_worker, end)] = one else {
            unreachable!("three thousand")
        };
        assert!(thread == same && same == also_same && worker == same_worker && *worker < 3);
        let number: usize = start.strip_prefix("start ").unwrap().parse().unwrap();
        let expected = if number.is_multiple_of(7) { PayloadEnd::Panicked } else { PayloadEnd::Returned };
        assert_eq!((run, end), (&format!("run {number}"), &format!("end {expected:?}")));
    }
}

#[test]
fn pool_083_hooks_that_panic_are_contained_and_the_payload_runs() {
    quiet_panics();
    let panics = Arc::new(AtomicUsize::new(0));
    let count = panics.clone();
    let pool = WorkerPool::builder()
        .name("quiet83b")
        .max_workers(1)
        .on_payload_start(|_, _| panic!("a start hook that panics"))
        .on_payload_end(|_, _| panic!("an end hook that panics"))
        .on_panic(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build(|panics: bool| assert!(!panics, "the payload panics"))
        .unwrap();
    for panics in [false, true, false] {
        pool.submit(panics).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned), (3, 1, 1));
    assert_eq!(panics.load(Ordering::SeqCst), 1, "only the payload's own panic is reported");
}

#[test]
fn pool_083_what_the_first_hook_returns_reaches_the_second() {
    quiet_panics();
    let (log, inbox) = channel();
    let (runs, outer_start, outer_end) = (log.clone(), log.clone(), log.clone());
    let pool = WorkerPool::builder()
        .name("quiet83c")
        .max_workers(1)
        .on_payload_start(move |_, number: &u32| outer_start.send(format!("before {number}")).unwrap())
        .on_payload_end(move |_, end| outer_end.send(format!("after {end:?}")).unwrap())
        .around_payload(
            |worker, number: &u32| {
                assert!(*number != 2, "planned: a start that panics");
                // Neither `Send` nor `Clone`.
                std::rc::Rc::new((worker, *number))
            },
            move |worker, end, span| {
                log.send(format!("end {} {end:?}", span.1)).unwrap();
                assert_eq!(span.0, worker);
                assert!(span.1 != 3, "planned: an end that panics");
            },
        )
        .build(move |number: u32| {
            runs.send(format!("run {number}")).unwrap();
            assert!(number != 1, "the payload panics");
        })
        .unwrap();
    pool.submit_many((0..=3).collect()).unwrap();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let log: Vec<String> = inbox.try_iter().collect();
    assert_eq!(log[..4], ["before 0", "run 0", "end 0 Returned", "after Returned"]);
    assert_eq!(log[4..8], ["before 1", "run 1", "end 1 Panicked", "after Panicked"]);
    assert_eq!(log[8..11], ["before 2", "run 2", "after Returned"]);
    assert_eq!(log[11..], ["before 3", "run 3", "end 3 Returned", "after Returned"]);
    assert_eq!((pool.stats().finished, pool.stats().panicked), (4, 1));
}

#[test]
fn pool_083_no_hook_for_what_is_not_run() {
    let (clock, limit) = (ManualClock::new(), Duration::from_secs(1));
    let (hooks, (starts_to_run, runs)) = (Arc::new(AtomicUsize::new(0)), channel());
    let (starts, ends) = (hooks.clone(), hooks.clone());
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(4)
        .max_queue_age(limit)
        .clock(&clock)
        .on_payload_start(move |_, _| {
            starts.fetch_add(1, Ordering::SeqCst);
        })
        .on_payload_end(move |_, _| {
            ends.fetch_add(100, Ordering::SeqCst);
        })
        .build(move |held: Held| {
            starts_to_run.send(()).unwrap();
            held.gate.pass();
        })
        .unwrap();
    let busy = occupy(&pool, 1);
    runs.recv_timeout(PATIENCE).unwrap();
    pool.submit(Held::free(1)).unwrap();
    clock.advance(2 * limit);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().discarded, hooks.load(Ordering::SeqCst)), (1, 101));
}

/// What a worker of these tests has: a buffer that is not `Send`, and a word when it goes.
struct Bench {
    buffer: Rc<Cell<usize>>,
    worker: usize,
    gone: std::sync::mpsc::Sender<(usize, thread::ThreadId)>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.gone.send((self.worker, thread::current().id()));
    }
}

#[test]
fn pool_084_each_worker_has_a_state_of_its_own_from_its_first_payload_to_its_end() {
    let (gone, dropped) = channel();
    let (uses, used) = channel();
    let made = Arc::new(Mutex::new(Vec::new()));
    let record = made.clone();
    let pool = WorkerPool::builder()
        .max_workers(3)
        .build_with_state(
            move |worker| {
                record.lock().unwrap().push((worker, thread::current().id()));
                Ok::<_, io::Error>(Bench { buffer: Rc::default(), worker, gone: gone.clone() })
            },
            move |bench: &mut Bench, held: Held| {
                held.gate.pass();
                bench.buffer.set(bench.buffer.get() + 1);
                let address = Rc::as_ptr(&bench.buffer).addr();
                uses.send((thread::current().id(), bench.worker, address, bench.buffer.get())).unwrap();
            },
        )
        .unwrap();
    assert_eq!(made.lock().unwrap().len(), 0, "on demand");
    for _ in 0..50 {
        release(&occupy(&pool, 3));
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    let made = made.lock().unwrap().clone();
    let used: Vec<_> = used.try_iter().collect();
    assert_eq!((made.len(), used.len()), (3, 150));
    let mut addresses = Vec::new();
    for (worker, thread) in &made {
        let own: Vec<_> = used.iter().filter(|(user, ..)| user == thread).collect();
        assert_eq!(own.len(), 50);
        for ((_, user, address, count), expected) in own.iter().zip(1..) {
            assert_eq!((user, *address, *count), (worker, own[0].2, expected));
        }
        addresses.push(own[0].2);
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "nobody shares");
    assert_eq!(dropped.try_iter().count(), 0);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let mut gone: Vec<_> = dropped.try_iter().collect();
    gone.sort_by_key(|(worker, _)| *worker);
    let mut made = made;
    made.sort_by_key(|(worker, _)| *worker);
    assert_eq!(gone, made, "dropped where they were made");
}

#[test]
fn pool_084_after_a_panic_the_state_is_made_anew_on_the_same_thread() {
    quiet_panics();
    let (gone, dropped) = channel();
    let (uses, used) = channel();
    let pool = WorkerPool::builder()
        .name("quiet84")
        .max_workers(1)
        .queue_capacity(8)
        .build_with_state(
            move |worker| Ok::<_, io::Error>(Bench { buffer: Rc::default(), worker, gone: gone.clone() }),
            move |bench: &mut Bench, panics: bool| {
                bench.buffer.set(bench.buffer.get() + 1);
                assert!(!panics, "a panic in the midst of a change");
                uses.send(bench.buffer.get()).unwrap();
            },
        )
        .unwrap();
    for panics in [false, false, true, false, true, true, false] {
        pool.submit(panics).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(used.try_iter().collect::<Vec<_>>(), [1, 2, 1, 1], "fresh after each panic");
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned, stats.workers), (7, 3, 1, 1));
    let dropped: Vec<_> = dropped.try_iter().collect();
    assert!(
        dropped.len() == 3 && dropped.iter().all(|one| *one == dropped[0]),
        "the old ones, on the worker"
    );
}

/// A pool whose states can be made only while told so, with payloads that panic when their number is odd; and what it
/// discarded.
fn fragile(
    options: WorkerPoolBuilder<Held>,
) -> (WorkerPool<Held>, Arc<AtomicBool>, Receiver<(usize, Discard)>) {
    quiet_panics();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let (discards, discarded) = channel();
    let pool = options
        .name("quiet84")
        .on_discard(move |held: Held, why| discards.send((held.number, why)).unwrap())
        .build_with_state(
            move |_| if failing.load(Ordering::SeqCst) { Err("no state to be had") } else { Ok(()) },
            |(): &mut (), held: Held| {
                held.gate.pass();
                assert!(held.number.is_multiple_of(2), "odd ones panic");
            },
        )
        .unwrap();
    (pool, fails, discarded)
}

#[test]
fn pool_084_without_a_worker_a_state_that_cannot_be_made_refuses_the_payload() {
    let (pool, fails, _) = fragile(WorkerPool::builder().max_workers(2).queue_capacity(4));
    fails.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        match pool.submit(Held::free(0)) {
            Err(SubmitError::StateFailed(back, error)) => {
                assert_eq!((back.number, error.to_string()), (0, "no state to be had".to_owned()));
            }
            other => panic!("{other:?}"),
        }
    }
    let error = pool.prestart(2).unwrap_err();
    assert_eq!(error.to_string(), "a worker's state could not be made: no state to be had");
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.accepted, stats.rejected, stats.spawned), (0, 0, 3, 0));
    fails.store(false, Ordering::SeqCst);
    release(&occupy(&pool, 2));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 2);
}

#[test]
fn pool_084_with_a_worker_a_state_that_cannot_be_made_lets_the_payload_wait_for_it() {
    let (pool, fails, _) = fragile(WorkerPool::builder().max_workers(2).queue_capacity(1));
    let busy = occupy(&pool, 1);
    fails.store(true, Ordering::SeqCst);
    pool.submit(Held::free(2)).unwrap();
    reaches(&pool, "it is queued, and the other worker did not come", |stats| {
        (stats.workers, stats.queued) == (1, 1)
    });
    assert!(matches!(pool.try_submit(Held::free(4)), Err(SubmitError::StateFailed(..))));
    let waiting = blocked(&pool, Held::free(6), 1);
    release(&busy);
    waiting.outcome("the submitter that waits for the one worker").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().spawned), (3, 1));
}

#[test]
fn pool_084_making_a_state_may_panic() {
    quiet_panics();
    let first = AtomicBool::new(true);
    let pool = WorkerPool::builder()
        .name("quiet84p")
        .max_workers(1)
        .build_with_state(
            move |_| {
                assert!(!first.swap(false, Ordering::SeqCst), "no state this time");
                Ok::<_, io::Error>(0)
            },
            |count: &mut usize, ()| *count += 1,
        )
        .unwrap();
    let handle = pool.clone();
    let refused = within("submitting", move || handle.submit(()));
    assert!(matches!(refused, Err(SubmitError::StateFailed((), _))));
    pool.submit(()).unwrap();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().spawned), (1, 1));
}

#[test]
fn pool_084_a_state_whose_drop_panics_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a drop that panics");
        }
    }
    quiet_panics();
    let pool = WorkerPool::builder()
        .name("quiet84d")
        .max_workers(1)
        .build_with_state(
            |_| Ok::<_, io::Error>(Bomb),
            |_: &mut Bomb, panics: bool| assert!(!panics, "a payload that panics"),
        )
        .unwrap();
    for panics in [true, false, true] {
        pool.submit(panics).unwrap();
    }
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned), (3, 2, 1));
}

#[test]
fn pool_084_a_worker_that_lost_its_state_leaves_and_the_others_go_on() {
    let (pool, fails, discarded) = fragile(WorkerPool::builder().max_workers(2).queue_capacity(4));
    let busy = occupy(&pool, 2);
    for number in [2, 4, 6] {
        pool.submit(Held::free(number)).unwrap();
    }
    fails.store(true, Ordering::SeqCst);
    // Number one panics, and its worker gets no new state.
    busy[1].gate.open();
    reaches(&pool, "it has left", |stats| stats.workers == 1);
    assert_eq!(pool.stats().queued, 3, "there is somebody for what is queued");
    busy[0].gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.discarded), (5, 1, 0));
    assert_eq!(discarded.try_iter().count(), 0);
    fails.store(false, Ordering::SeqCst);
    release(&occupy(&pool, 2));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().spawned, pool.running()), (3, 2), "its slot is free");
}

#[test]
fn pool_084_what_is_queued_when_the_last_worker_loses_its_state_goes_to_the_hook() {
    for stopped in [false, true] {
        let (pool, fails, discarded) = fragile(WorkerPool::builder().max_workers(1).queue_capacity(3));
        let busy = Held::new(1);
        pool.submit(busy.clone()).unwrap();
        for number in [2, 4, 6] {
            pool.submit(Held::free(number)).unwrap();
        }
        fails.store(true, Ordering::SeqCst);
        if stopped {
            pool.stop();
        }
        busy.gate.open();
        reaches(&pool, "nobody is left", |stats| stats.workers == 0);
        let lost: Vec<_> = (0..3).map(|_| discarded.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(lost, [2, 4, 6].map(|number| (number, Discard::NoWorker)));
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.accepted, stats.finished, stats.panicked, stats.discarded), (4, 1, 1, 3));
        if !stopped {
            fails.store(false, Ordering::SeqCst);
            pool.submit(Held::free(8)).unwrap();
        }
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(pool.stats().finished, if stopped { 1 } else { 2 });
    }
}

#[test]
fn pool_084_blocked_submitters_try_anew_when_the_last_worker_lost_its_state() {
    let (pool, fails, _) = fragile(WorkerPool::builder().max_workers(1));
    let busy = Held::new(1);
    pool.submit(busy.clone()).unwrap();
    let waiting = [blocked(&pool, Held::free(2), 1), blocked(&pool, Held::free(4), 2)];
    fails.store(true, Ordering::SeqCst);
    busy.gate.open();
    for submission in waiting {
        let refused = submission.outcome("a submitter without a worker to wait for");
        assert!(matches!(refused, Err(SubmitError::StateFailed(..))), "{refused:?}");
    }
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.blocked, stats.rejected, stats.finished), (0, 0, 2, 1));
}

/// As with a lowered cap: a worker that waits in line for the one that is lost has to be told.
#[test]
fn pool_084_a_worker_that_waits_for_one_that_lost_its_state_is_not_forgotten() {
    enum Step {
        Panic(Gate),
        Nest(WorkerPool<Step>, std::sync::mpsc::Sender<bool>),
        Nothing,
    }
    quiet_panics();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let pool = WorkerPool::builder()
        .name("quiet84n")
        .max_workers(2)
        .build_with_state(
            move |_| if failing.load(Ordering::SeqCst) { Err("no state to be had") } else { Ok(()) },
            |(): &mut (), step: Step| match step {
                Step::Panic(gate) => {
                    gate.pass();
                    panic!("it loses its state");
                }
                Step::Nest(pool, answer) => {
                    let refused = pool.submit(Step::Nothing);
                    answer.send(matches!(refused, Err(SubmitError::WouldDeadlock(_)))).unwrap();
                }
                Step::Nothing => {}
            },
        )
        .unwrap();
    let (gate, (answers, answer)) = (Gate::new(), channel());
    pool.submit(Step::Panic(gate.clone())).unwrap();
    pool.submit(Step::Nest(pool.clone(), answers)).unwrap();
    reaches(&pool, "the second worker waits for the first", |stats| stats.blocked == 1);
    fails.store(true, Ordering::SeqCst);
    gate.open();
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(true), "nobody is left to make room");
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.running(), 1);
}

/// Workers that take several payloads at a time, and lose their state in the midst of them.
#[test]
fn pool_084_no_payload_is_lost_with_a_worker_that_held_several() {
    quiet_panics();
    for workers in [1, 3] {
        let (fates, luck) = (Arc::new(fates(20_000)), Arc::new(AtomicUsize::new(0)));
        let (ran, discarded) = (fates.clone(), fates.clone());
        let pool = WorkerPool::builder()
            .name("quiet84h")
            .max_workers(workers)
            .queue_capacity(4_096)
            .on_discard(move |number: usize, _| {
                discarded[number].fetch_add(1, Ordering::SeqCst);
            })
            .build_with_state(
                // Two of three attempts fail.
                move |_| {
                    let attempt = luck.fetch_add(1, Ordering::SeqCst);
                    if attempt.is_multiple_of(3) { Ok(()) } else { Err("no state to be had") }
                },
                move |(): &mut (), number: usize| {
                    ran[number].fetch_add(1, Ordering::SeqCst);
                    assert!(!number.is_multiple_of(331), "it loses its state");
                },
            )
            .unwrap();
        let (handle, refused) = (pool.clone(), fates.clone());
        within("submitting to workers that lose their state", move || {
            on_threads(2, |who| {
                for number in who * 10_000..(who + 1) * 10_000 {
                    match handle.submit(number) {
                        Ok(()) => {}
                        Err(SubmitError::StateFailed(back, _)) => {
                            refused[back].fetch_add(1, Ordering::SeqCst);
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        });
        pool.wait_idle_timeout(PATIENCE).unwrap();
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        let odd: Vec<_> = (0..20_000).filter(|number| fates[*number].load(Ordering::SeqCst) != 1).collect();
        assert_eq!(odd, [0_usize; 0], "each ran, was refused or discarded, and only one of these");
        let stats = pool.stats();
        assert_eq!(stats.accepted, stats.finished + stats.discarded, "{stats:?}");
        assert_eq!(stats.accepted + stats.rejected, 20_000);
    }
}

fn fates(count: usize) -> Vec<AtomicUsize> {
    (0..count).map(|_| AtomicUsize::new(0)).collect()
}

#[test]
fn pool_084_a_slow_state_holds_up_nobody_whom_another_worker_can_serve() {
    let (gate, (entered, has_entered)) = (Gate::new(), channel());
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .build_with_state(
            move |worker| {
                if worker == 1 {
                    entered.send(()).unwrap();
                    held.pass();
                }
                Ok::<_, io::Error>(())
            },
            |(): &mut (), held: Held| held.gate.pass(),
        )
        .unwrap();
    let busy = occupy(&pool, 1);
    let handle = pool.clone();
    let slow = background(move || handle.submit(Held::free(1)));
    has_entered.recv_timeout(PATIENCE).unwrap();
    assert!(!slow.is_finished());
    release(&busy);
    slow.outcome("the submission for which a worker with a slow state is made").unwrap();
    reaches(&pool, "the first one has run it", |stats| stats.finished == 2);
    pool.submit(Held::free(2)).unwrap();
    reaches(&pool, "and runs what comes", |stats| stats.finished == 3);
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3);
}
