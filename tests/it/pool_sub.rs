//! Shares of a pool.
//!
//! Row 93. The rules: never more than so many at a time; what is accepted runs once, in order; what is refused comes
//! back; and the parent's other users are not starved.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{SubPool, SubmitError, Task, TaskError, WaitError, WhenFull, WorkerPool};
use anthill_tests::pool::{hold, on_threads, tasks};
use anthill_tests::{Gate, PATIENCE, background, comes_true, eventually, within};

/// A task of the share that has started and runs until the gate is opened.
fn hold_share(share: &SubPool) -> Gate {
    let (gate, (has_started, started)) = (Gate::new(), channel());
    let held = gate.clone();
    share
        .execute(move || {
            has_started.send(()).unwrap();
            held.pass();
        })
        .unwrap();
    started.recv_timeout(PATIENCE).unwrap();
    gate
}

fn tick(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// Waits until the share has nothing to do, and checks its books.
fn settled(share: &SubPool) {
    share.wait_idle_timeout(PATIENCE).unwrap();
    let stats = share.stats();
    assert_eq!((stats.running, stats.queued), (0, 0));
    assert_eq!(stats.accepted, stats.finished + stats.lost + stats.handed_back);
    assert!(stats.peak_running <= stats.max, "{stats:?}");
}

#[test]
fn pool_093_no_more_than_its_share_run_at_a_time() {
    let pool = tasks(8, 64);
    let share = pool.sub_pool(2);
    let (running, most, ran) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    on_threads(4, |_| {
        for _ in 0..500 {
            let (running, most, ran) = (running.clone(), most.clone(), ran.clone());
            share
                .execute(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    ran.fetch_add(1, Ordering::SeqCst);
                })
                .unwrap();
        }
    });
    settled(&share);
    assert_eq!((ran.load(Ordering::SeqCst), share.stats().finished), (2_000, 2_000));
    assert!(most.load(Ordering::SeqCst) <= 2);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_093_its_whole_share_is_used_and_the_rest_is_for_others() {
    let pool = tasks(3, 0);
    let share = pool.sub_pool(2);
    let gates = [hold_share(&share), hold_share(&share)];
    share.execute(|| {}).unwrap();
    share.execute(|| {}).unwrap();
    assert_eq!((share.stats().running, share.stats().queued), (2, 2));
    assert_eq!(pool.spawn(|| 1).unwrap().join_timeout(PATIENCE).expect("there is a worker left").unwrap(), 1);
    assert_eq!(share.stats().finished, 0);
    gates.iter().for_each(Gate::open);
    settled(&share);
    assert_eq!((share.stats().finished, share.stats().peak_running), (4, 2));
}

#[test]
fn pool_093_tasks_start_in_order() {
    for queue in [0, 16] {
        let pool = tasks(2, queue);
        let (share, order) = (pool.sub_pool(1), Arc::new(Mutex::new(Vec::new())));
        for number in 0..1_000 {
            let order = order.clone();
            share.execute(move || order.lock().unwrap().push(number)).unwrap();
        }
        settled(&share);
        assert!(order.lock().unwrap().iter().copied().eq(0..1_000));
    }
}

#[test]
fn pool_093_a_share_with_a_bound_refuses_or_waits() {
    let pool = tasks(2, 0);
    let share = pool.sub_pool_bounded(1, 2);
    let gate = hold_share(&share);
    share.try_execute(|| {}).unwrap();
    share.try_execute(|| {}).unwrap();
    let (sender, ran) = channel();
    let refused = share.try_execute(move || sender.send(thread::current().id()).unwrap()).unwrap_err();
    assert!(matches!(refused, SubmitError::Full(_)));
    refused.into_payload().run();
    assert_eq!(ran.try_recv(), Ok(thread::current().id()));
    let waiting = {
        let share = share.clone();
        background(move || share.execute(|| {}).is_ok())
    };
    let worker = {
        let share = share.clone();
        pool.spawn(move || matches!(share.execute(|| {}), Err(SubmitError::WouldDeadlock(_)))).unwrap()
    };
    assert!(worker.join_timeout(PATIENCE).expect("a worker does not wait for room").unwrap());
    assert!(!waiting.is_finished());
    gate.open();
    assert!(waiting.outcome("waiting for room"));
    settled(&share);
    assert_eq!((share.stats().accepted, share.stats().finished), (4, 4));
}

#[test]
fn pool_093_the_parents_refusal_is_the_shares() {
    let pool = tasks(1, 0);
    let share = pool.sub_pool(2);
    let gate = hold(&pool);
    let (alive, held) = (Arc::new(()), Arc::new(()));
    let kept = held.clone();
    let refused = share.try_spawn(move || Arc::strong_count(&kept)).unwrap_err();
    assert!(matches!(refused, SubmitError::Full(_)));
    drop(held);
    assert_eq!(refused.into_payload().run(), 1, "the closure is whole");
    assert_eq!((share.stats().accepted, share.stats().queued), (0, 0));
    // A submitter who waits takes the refusal when the parent stops.
    let waiting = {
        let (share, alive) = (share.clone(), alive.clone());
        background(move || {
            let refused = share.execute(move || drop(alive)).unwrap_err();
            matches!(refused, SubmitError::Closed(_))
        })
    };
    eventually("the submitter waits", || pool.waiting() == 1);
    pool.stop();
    assert!(waiting.outcome("the refusal"));
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(matches!(share.try_execute(|| {}), Err(SubmitError::Closed(_))));
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    settled(&share);
    assert_eq!(share.stats().accepted, 0);
}

#[test]
fn pool_093_a_thread_that_is_refused_gives_the_task_back() {
    let pool = WorkerPool::builder().spawner(|_| Err(std::io::Error::other("no"))).build_tasks().unwrap();
    let share = pool.sub_pool(1);
    assert!(matches!(share.execute(|| {}), Err(SubmitError::SpawnFailed(..))));
    settled(&share);
    assert_eq!(share.stats().accepted, 0);
}

#[test]
fn pool_093_after_a_stop_of_the_parent_what_was_accepted_runs() {
    for queue in [0, 4] {
        let pool = tasks(1, queue);
        let (share, ran) = (pool.sub_pool(1), Arc::new(AtomicUsize::new(0)));
        let gate = hold_share(&share);
        for _ in 0..20 {
            let ran = ran.clone();
            share.execute(move || tick(&ran)).unwrap();
        }
        pool.stop();
        assert!(matches!(share.execute(|| {}), Err(SubmitError::Closed(_))));
        gate.open();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 20);
        settled(&share);
    }
}

#[test]
fn pool_093_what_the_parent_hands_back_stands_for_the_shares_queue() {
    for run in [true, false] {
        let pool = tasks(1, 8);
        let gate = hold(&pool);
        let (share, ran) = (pool.sub_pool(1), Arc::new(AtomicUsize::new(0)));
        for _ in 0..5 {
            let ran = ran.clone();
            share.execute(move || tick(&ran)).unwrap();
        }
        let handle = share.spawn(|| 6).unwrap();
        let mut rest = pool.stop_now();
        assert_eq!(rest.len(), 1, "one ticket stands for all");
        if run {
            rest.remove(0).run();
            assert_eq!(ran.load(Ordering::SeqCst), 5);
            assert_eq!(handle.join().unwrap(), 6);
            assert_eq!((share.stats().finished, share.stats().lost), (6, 0));
        } else {
            drop(rest);
            assert!(matches!(handle.join(), Err(TaskError::Lost)));
            assert_eq!((ran.load(Ordering::SeqCst), Arc::strong_count(&ran)), (0, 1));
            assert_eq!((share.stats().finished, share.stats().lost), (0, 6));
        }
        settled(&share);
        gate.open();
        pool.wait_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_093_panics_are_counted_by_both_and_reported_by_the_parent() {
    let (reported, reports) = channel();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .queue_capacity(16)
        .on_panic(move |value| reported.send(*value.downcast_ref::<u64>().unwrap()).unwrap())
        .build_tasks()
        .unwrap();
    let share = pool.sub_pool(1);
    let gate = hold_share(&share);
    for number in 0..20_u64 {
        share
            .execute(move || {
                if number % 2 == 0 {
                    resume_unwind(Box::new(number))
                }
            })
            .unwrap();
    }
    gate.open();
    settled(&share);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((share.stats().finished, share.stats().panicked), (21, 10));
    assert_eq!(pool.stats().panicked, 10);
    let mut reports: Vec<u64> = reports.try_iter().collect();
    reports.sort_unstable();
    assert!(reports.into_iter().eq((0..20).step_by(2)));
}

/// The only worker hands on to itself after each panic, so that each is the parent's.
#[test]
fn pool_093_panics_without_room_stop_nothing() {
    let pool = tasks(1, 0);
    let share = pool.sub_pool(1);
    let gate = hold_share(&share);
    for _ in 0..5 {
        share.execute(|| resume_unwind(Box::new("planned"))).unwrap();
    }
    let handle = share.spawn(|| 7).unwrap();
    gate.open();
    assert_eq!(handle.join_timeout(PATIENCE).expect("it comes to its turn").unwrap(), 7);
    settled(&share);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((share.stats().panicked, pool.stats().panicked), (5, 5));
}

/// A task came while both workers were busy; one comes free, and the share may have it.
#[test]
fn pool_093_a_worker_that_comes_free_later_is_used() {
    for queue in [0, 1] {
        let pool = tasks(2, queue);
        let foreign = hold(&pool);
        let share = pool.sub_pool(2);
        let long = hold_share(&share);
        for _ in 0..queue {
            pool.execute(|| {}).unwrap();
        }
        let handle = share.spawn(|| 8).unwrap();
        assert_eq!(share.stats().queued, 1);
        foreign.open();
        assert_eq!(handle.join_timeout(PATIENCE).expect("a worker is idle").unwrap(), 8);
        eventually("only the long one runs", || share.stats().running == 1);
        long.open();
        settled(&share);
    }
}

/// A ticket that the parent finds too old is followed by another one.
#[test]
fn pool_093_an_aged_ticket_loses_nothing() {
    let age = Duration::from_millis(100);
    let (discarded, discards) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(8)
        .max_queue_age(age)
        .on_discard(move |task, _| {
            discarded.send(()).unwrap();
            drop(task);
        })
        .build_tasks()
        .unwrap();
    let gate = hold(&pool);
    let (share, ran) = (pool.sub_pool(1), Arc::new(AtomicUsize::new(0)));
    for _ in 0..5 {
        let ran = ran.clone();
        share.execute(move || tick(&ran)).unwrap();
    }
    thread::sleep(age * 2);
    gate.open();
    discards.recv_timeout(PATIENCE).unwrap();
    settled(&share);
    assert_eq!((ran.load(Ordering::SeqCst), share.stats().lost), (5, 0));
}

/// So is one that had to make room for others.
#[test]
fn pool_093_a_displaced_ticket_loses_nothing() {
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(1)
        .when_full(WhenFull::DiscardOldest)
        .build_tasks()
        .unwrap();
    let gate = hold_share(&pool.sub_pool(1));
    let (share, ran) = (pool.sub_pool(1), Arc::new(AtomicUsize::new(0)));
    for _ in 0..5 {
        let ran = ran.clone();
        share.execute(move || tick(&ran)).unwrap();
    }
    pool.execute(|| {}).unwrap();
    assert_eq!((pool.stats().discarded, share.stats().lost, share.stats().queued), (1, 0, 5));
    gate.open();
    settled(&share);
    assert_eq!((ran.load(Ordering::SeqCst), share.stats().lost), (5, 0));
}

/// A pool that drops whatever it gets does not keep a share going without end.
#[test]
fn pool_093_a_parent_that_runs_nothing_loses_the_tasks() {
    let pool = WorkerPool::builder().max_workers(1).queue_capacity(4).build(|task: Task| drop(task)).unwrap();
    let share = pool.sub_pool(1);
    let handles = [share.spawn(|| ()).unwrap(), share.spawn(|| ()).unwrap()];
    for handle in handles {
        assert!(matches!(handle.join_timeout(PATIENCE).expect("it is told"), Err(TaskError::Lost)));
    }
    settled(&share);
    assert_eq!(share.stats().lost, 2);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

/// Whatever the lost tasks do when they are dropped.
#[test]
fn pool_093_panicking_drops_of_lost_tasks_are_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("a drop"));
        }
    }
    let pool = tasks(1, 8);
    let gate = hold(&pool);
    let share = pool.sub_pool(1);
    for _ in 0..3 {
        let bomb = Bomb;
        share.execute(move || std::mem::forget(bomb)).unwrap();
    }
    drop(pool.stop_now());
    assert_eq!(share.stats().lost, 3);
    gate.open();
    settled(&share);
}

/// Neither is the submitter captured to work for the share, nor is anything displaced by it.
#[test]
fn pool_093_a_submitter_waits_for_a_full_parent_whatever_its_policy() {
    for policy in [WhenFull::Block, WhenFull::RunOnCaller, WhenFull::DiscardOldest] {
        let pool =
            WorkerPool::builder().max_workers(1).queue_capacity(1).when_full(policy).build_tasks().unwrap();
        let gate = hold_share(&pool.sub_pool(1));
        let ran = Arc::new(AtomicUsize::new(0));
        let others = ran.clone();
        pool.execute(move || tick(&others)).unwrap();
        let share = pool.sub_pool(1);
        let waiting = {
            let (share, inside) = (share.clone(), pool.clone());
            background(move || {
                let handle = share.spawn(move || inside.is_worker()).unwrap();
                handle.join().unwrap()
            })
        };
        eventually("the submitter waits", || pool.waiting() == 1);
        gate.open();
        assert!(waiting.outcome("its turn"), "run by a worker");
        settled(&share);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!((ran.load(Ordering::SeqCst), stats.ran_by_caller, stats.discarded), (1, 0, 0));
    }
    let pool = WorkerPool::builder().max_workers(1).when_full(WhenFull::Refuse).build_tasks().unwrap();
    let gate = hold(&pool);
    assert!(matches!(pool.sub_pool(1).execute(|| {}), Err(SubmitError::Full(_))));
    gate.open();
}

#[test]
fn pool_093_what_is_queued_can_be_taken_back() {
    let pool = tasks(1, 4);
    let (share, ran) = (pool.sub_pool_bounded(1, 4), Arc::new(Mutex::new(Vec::new())));
    let gate = hold_share(&share);
    let give = |number: usize| {
        let ran = ran.clone();
        share.try_execute(move || ran.lock().unwrap().push(number))
    };
    (0..4).for_each(|number| give(number).unwrap());
    assert!(give(4).is_err());
    // Makes room for one that waits.
    let waiting = {
        let share = share.clone();
        background(move || share.execute(|| {}).is_ok())
    };
    thread::sleep(Duration::from_millis(10));
    assert!(!waiting.is_finished());
    let taken = share.take_queue();
    assert!(waiting.outcome("there is room"));
    assert_eq!((taken.len(), share.stats().handed_back, share.stats().running), (4, 4, 1));
    taken.into_iter().for_each(Task::run);
    assert_eq!(*ran.lock().unwrap(), [0, 1, 2, 3]);
    // After a stop, what one of the workers is about to run.
    pool.stop();
    assert!(pool.stop_now().is_empty());
    assert_eq!(share.take_queue().len(), 1);
    assert!(share.take_queue().is_empty());
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    settled(&share);
    assert_eq!((share.stats().finished, share.stats().handed_back, share.stats().lost), (1, 5, 0));
}

/// What its submitter may get back is not taken from it.
#[test]
fn pool_093_what_is_being_submitted_is_not_taken() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let share = pool.sub_pool(1);
    let waiting = {
        let share = share.clone();
        background(move || share.spawn(|| 9).unwrap().join().unwrap())
    };
    eventually("the submitter waits", || pool.waiting() == 1);
    assert!(share.take_queue().is_empty());
    gate.open();
    assert_eq!(waiting.outcome("its task"), 9);
    settled(&share);
    assert_eq!(share.stats().handed_back, 0);
}

/// The share feeds itself without end; the parent's other users come to their turn all the same.
fn is_fair_to_others(queue: usize, max: usize) -> bool {
    fn feed(share: &SubPool) {
        let next = share.clone();
        // Refused once the parent is stopped.
        drop(share.execute(move || feed(&next)));
    }
    let pool = tasks(1, queue);
    let share = pool.sub_pool(max);
    for _ in 0..3 {
        feed(&share);
    }
    eventually("the share is busy", || share.stats().finished > 10);
    let others: Vec<_> = (0..queue.min(3)).map(|number| pool.spawn(move || number).unwrap()).collect();
    let served = comes_true(|| others.iter().all(anthill_pool::TaskHandle::is_finished));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    served
}

#[test]
fn pool_093_a_busy_share_lets_the_parents_queue_pass() {
    assert!(is_fair_to_others(8, 1));
    assert!(is_fair_to_others(8, 4));
}

/// With no queue to go to the end of, a share with two workers gives one of them up to a submitter that is blocked.
#[test]
fn pool_093_a_busy_share_makes_room_for_blocked_submitters() {
    fn feed(share: &SubPool) {
        let next = share.clone();
        drop(share.execute(move || feed(&next)));
    }
    let pool = tasks(2, 0);
    let share = pool.sub_pool(2);
    let gates = [hold_share(&share), hold_share(&share)];
    for _ in 0..3 {
        feed(&share);
    }
    let blocked = {
        let pool = pool.clone();
        background(move || pool.submit_timeout(anthill_pool::Task::new(|| {}), PATIENCE).is_ok())
    };
    eventually("the submitter is blocked", || pool.waiting() == 1);
    gates.iter().for_each(Gate::open);
    assert!(blocked.outcome("a submitter beside a busy share"));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    settled(&share);
}

#[test]
fn pool_093_waiting_for_a_share_ends_when_it_is_idle() {
    let pool = tasks(1, 8);
    let share = pool.sub_pool(1);
    share.wait_idle_timeout(Duration::ZERO).unwrap();
    let gate = hold_share(&share);
    assert_eq!(share.wait_idle_timeout(Duration::from_millis(10)), Err(WaitError::Timeout));
    let inside = share.clone();
    let refused = share.spawn(move || inside.wait_idle()).unwrap();
    gate.open();
    assert_eq!(refused.join_timeout(PATIENCE).expect("no deadlock").unwrap(), Err(WaitError::WouldDeadlock));
    within("waiting for the share", move || share.wait_idle()).unwrap();
}

#[test]
fn pool_093_a_worker_of_the_parent_runs_what_it_joins() {
    let pool = tasks(1, 8);
    let share = pool.sub_pool(1);
    let handle = share.clone();
    let outer = pool.spawn(move || handle.spawn(|| 4).unwrap().join().unwrap()).unwrap();
    assert_eq!(outer.join_timeout(PATIENCE).expect("no deadlock").unwrap(), 4);
    let handle = share.clone();
    let outer = share.spawn(move || handle.spawn(|| 5).unwrap().join().unwrap()).unwrap();
    assert_eq!(outer.join_timeout(PATIENCE).expect("no deadlock").unwrap(), 5);
    settled(&share);
}

#[test]
fn pool_093_a_group_keeps_to_its_share() {
    let pool = tasks(4, 16);
    let share = pool.sub_pool(2);
    let group = share.group::<usize, ()>();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..100 {
        let (running, most) = (running.clone(), most.clone());
        group
            .spawn(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(number)
            })
            .unwrap();
    }
    let results = within("a group on a share", move || group.wait()).unwrap();
    assert!(results.into_iter().eq(0..100));
    assert!(most.load(Ordering::SeqCst) <= 2);
    settled(&share);
}

#[test]
fn pool_093_shares_and_stops_race() {
    for round in 0..150 {
        let pool = tasks(2, round % 3);
        let shares = [pool.sub_pool(1), pool.sub_pool_bounded(2, 2)];
        let ran = Arc::new(AtomicUsize::new(0));
        let accepted: usize = thread::scope(|threads| {
            let submitters: Vec<_> = shares
                .iter()
                .map(|share| {
                    let ran = &ran;
                    threads.spawn(move || {
                        let submit = |number: usize| {
                            let ran = ran.clone();
                            let task = move || tick(&ran);
                            if number.is_multiple_of(2) {
                                share.execute(task)
                            } else {
                                share.try_execute(task)
                            }
                        };
                        (0..60).filter(|&number| submit(number).is_ok()).count()
                    })
                })
                .collect();
            threads.spawn(|| {
                for _ in 0..round {
                    thread::yield_now();
                }
                if round % 2 == 0 {
                    pool.stop();
                } else {
                    drop(pool.stop_now());
                }
            });
            submitters.into_iter().map(|submitter| submitter.join().unwrap()).sum()
        });
        pool.wait_timeout(PATIENCE).unwrap();
        shares.iter().for_each(settled);
        let lost: u64 = shares.iter().map(|share| share.stats().lost).sum();
        assert_eq!(ran.load(Ordering::SeqCst) as u64 + lost, accepted as u64);
        assert_eq!(Arc::strong_count(&ran), 1, "no task is left in round {round}");
        assert!(round % 2 == 1 || lost == 0, "a stop runs what was accepted");
    }
}
