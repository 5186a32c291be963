//! A duty for every worker there is.
//!
//! Row 69. The rule it checks: each worker alive at the call does it exactly once, on its own thread, whatever else it
//! has to do; and a duty is no payload.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{ManualClock, SubmitError, WaitError, WorkerPool};
use anthill_tests::pool::{Held, holding, occupy, on_threads, reaches, release};
use anthill_tests::{Gate, PATIENCE, quiet_panics, within};

#[test]
fn pool_069_each_worker_does_its_duty_once_on_its_own_thread() {
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let record = threads.clone();
    let pool = holding(WorkerPool::builder().max_workers(8).on_worker_start(move |number| {
        record.lock().unwrap().insert((number, thread::current().id()));
    }));
    assert_eq!(pool.broadcast(|_| {}), 0, "there is nobody yet");
    let busy = occupy(&pool, 5);
    release(&busy[..3]);
    reaches(&pool, "three are idle", |stats| stats.idle == 3);
    let (done, duties) = channel();
    let count = pool.broadcast(move |number| done.send((number, thread::current().id())).unwrap());
    assert_eq!(count, 5);
    let mut seen: HashSet<_> = (0..3).map(|_| duties.recv_timeout(PATIENCE).unwrap()).collect();
    reaches(&pool, "the three are idle again", |stats| stats.idle == 3);
    assert_eq!(duties.try_iter().count(), 0, "two are busy");
    let more = occupy(&pool, 6);
    reaches(&pool, "all eight are busy", |stats| stats.busy == 8);
    release(&more);
    release(&busy);
    seen.extend((0..2).map(|_| duties.recv_timeout(PATIENCE).unwrap()));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(duties.try_iter().count(), 0, "the three that were made later do not");
    let workers = threads.lock().unwrap().clone();
    assert_eq!((seen.len(), workers.len()), (5, 8));
    assert!(seen.is_subset(&workers));
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.panicked), (11, 11, 0), "duties are no payloads");
}

#[test]
fn pool_069_duties_are_done_in_their_order_and_before_the_next_payload() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let record = log.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(2)
        .build(move |held: Held| {
            held.gate.pass();
            record.lock().unwrap().push(held.number);
        })
        .unwrap();
    let busy = occupy(&pool, 1);
    pool.try_submit(Held::free(1)).unwrap();
    for duty in [100, 101, 102] {
        let record = log.clone();
        assert_eq!(pool.broadcast(move |_| record.lock().unwrap().push(duty)), 1);
    }
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(*log.lock().unwrap(), [0, 100, 101, 102, 1]);
}

#[test]
fn pool_069_a_panic_in_a_duty_is_contained() {
    quiet_panics();
    let panics = Arc::new(AtomicUsize::new(0));
    let count = panics.clone();
    let pool = WorkerPool::builder()
        .name("quiet69")
        .max_workers(3)
        .on_panic(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build(|held: Held| held.gate.pass())
        .unwrap();
    release(&occupy(&pool, 3));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.broadcast(|_| panic!("a duty that panics")), 3);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    release(&occupy(&pool, 3));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned, stats.workers), (6, 0, 3, 3));
    assert_eq!(panics.load(Ordering::SeqCst), 0, "it was no payload");
}

#[test]
fn pool_069_the_pool_is_not_idle_before_its_duties_are_done() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    pool.prestart(2).unwrap();
    let gate = Gate::new();
    let held = gate.clone();
    assert_eq!(pool.broadcast(move |_| held.pass()), 2);
    assert_eq!(pool.wait_idle_timeout(Duration::from_millis(20)), Err(WaitError::Timeout));
    assert_eq!((pool.stats().busy, pool.stats().accepted), (0, 0));
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

/// Whoever has a duty to do is not free, so payloads do not wait for it while others could run them.
#[test]
fn pool_069_a_long_duty_does_not_hold_up_payloads() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    release(&occupy(&pool, 1));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let (gate, (begun, begins)) = (Gate::new(), channel());
    let held = gate.clone();
    let duty = move |_| {
        begun.send(()).unwrap();
        held.pass();
    };
    assert_eq!(pool.broadcast(duty), 1);
    // Whether it has begun or is about to.
    for begun in [false, true] {
        if begun {
            begins.recv_timeout(PATIENCE).unwrap();
        }
        pool.try_submit(Held::free(1)).unwrap();
        reaches(&pool, "another worker runs it", |stats| stats.finished == if begun { 3 } else { 2 });
        reaches(&pool, "and is idle", |stats| stats.idle == 2);
    }
    let busy = occupy(&pool, 1);
    let refused = pool.try_submit(Held::free(2));
    assert!(matches!(refused, Err(SubmitError::Full(_))), "without a queue nothing waits behind a duty");
    release(&busy);
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.running(), 2);
}

#[test]
fn pool_069_a_stopping_pool_still_does_its_duties() {
    let done = Arc::new(AtomicUsize::new(0));
    let pool = holding(WorkerPool::builder().max_workers(3).queue_capacity(4));
    let busy = occupy(&pool, 3);
    pool.try_submit(Held::free(3)).unwrap();
    let count = done.clone();
    let duty = move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    };
    assert_eq!(pool.broadcast(duty.clone()), 3);
    pool.stop();
    assert_eq!(pool.broadcast(duty.clone()), 3, "they are alive");
    release(&busy);
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((done.load(Ordering::SeqCst), pool.stats().finished), (6, 4));
    assert_eq!(pool.broadcast(duty), 0);
    pool.restart();
    release(&occupy(&pool, 1));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 6, "nothing is left over for the next life");
}

#[test]
fn pool_069_a_payload_may_broadcast_and_its_own_worker_takes_part() {
    let pool = WorkerPool::builder().max_workers(2).build_tasks().unwrap();
    pool.prestart(2).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let (handle, (done, duties)) = (pool.clone(), channel());
    pool.execute(move || {
        assert_eq!(handle.broadcast(move |number| done.send(number).unwrap()), 2);
    })
    .unwrap();
    let mut seen: Vec<usize> = duties.iter().collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1]);
}

#[test]
fn pool_069_duties_are_counted_right_while_workers_come_and_go() {
    let done = Arc::new(AtomicUsize::new(0));
    let clock = ManualClock::new();
    let limit = Duration::from_secs(1);
    let options = WorkerPool::builder().max_workers(4).queue_capacity(2).max_idle_worker_duration(limit);
    let pool = options.clock(&clock).build(|(): ()| {}).unwrap();
    let (handle, count) = (pool.clone(), done.clone());
    let expected: usize = within("broadcasts among everything else", move || {
        on_threads(3, |who| {
            let mut expected = 0;
            for round in 0..1_000 {
                match (who, round % 10) {
                    (0, 0) => clock.advance(2 * limit),
                    // Not by raising the cap: what is reserved for that may be given back, and would count here.
                    (0, 5) => drop(handle.prestart(1 + round / 10 % 4).unwrap()),
                    (1, _) => {
                        let count = count.clone();
                        expected += handle.broadcast(move |_| {
                            count.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                    _ => handle.submit(()).unwrap(),
                }
            }
            expected
        })
        .into_iter()
        .sum()
    });
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(done.load(Ordering::SeqCst), expected);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}
