//! Who gets which worker while states are slow to be made, fail, or are lost.
//!
//! The rule: no more workers are made than payloads wait for one; whoever comes free first serves who waits; and a
//! worker that does not come to be, or leaves, is made good for those who counted on it, or they are told. States are
//! made while a gate holds them, so nothing here depends on how long anything takes.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{CancelToken, Refusal, SubmitError, WorkerPool, WorkerPoolBuilder};
use anthill_tests::pool::{Blocked, Held, blocked, reaches, release, tasks};
use anthill_tests::{Gate, PATIENCE, background, eventually, quiet_panics, within};

/// What becomes of a worker's state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Made at once.
    Ready,
    /// Made once the gate is opened.
    Slow,
    /// Not made, once the gate is opened.
    Fails,
}

/// A pool whose attempts to make a state, counted from 0, come to what `plan` says; how many there were; and the gate.
fn pool_of(
    options: WorkerPoolBuilder<Held>,
    plan: impl Fn(usize) -> State + Send + Sync + 'static,
) -> (WorkerPool<Held>, Arc<AtomicUsize>, Gate) {
    let (gate, attempts) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (hold, count) = (gate.clone(), attempts.clone());
    let pool = options.build_with_state(
        move |_| {
            let state = plan(count.fetch_add(1, Ordering::SeqCst));
            if state != State::Ready {
                hold.pass();
            }
            if state == State::Fails { Err(io::Error::other("planned: no state")) } else { Ok(()) }
        },
        |(): &mut (), held: Held| held.gate.pass(),
    );
    (pool.unwrap(), attempts, gate)
}

fn of_workers(workers: usize, queue: usize) -> WorkerPoolBuilder<Held> {
    WorkerPool::builder().max_workers(workers).queue_capacity(queue)
}

/// Makes the first worker busy, however long it takes to come.
fn busy_one(pool: &WorkerPool<Held>) -> Vec<Held> {
    let held = Held::new(0);
    pool.submit(held.clone()).unwrap();
    eventually("it has its payload", || pool.stats().queued == 0);
    vec![held]
}

/// A submission that has made a worker, which is making its state, and has given up.
fn gives_up(pool: &WorkerPool<Held>) {
    let error = pool.submit_timeout(Held::free(0), Duration::from_millis(2)).unwrap_err();
    assert_eq!(error.refusal(), Refusal::Timeout);
}

/// A submission that waits, in line or for workers to come to be.
fn waits(pool: &WorkerPool<Held>, payload: Held) -> Blocked<Held> {
    let handle = pool.clone();
    background(move || handle.submit(payload))
}

#[test]
fn pool_f2_one_payload_tried_again_and_again_makes_one_worker() {
    for queue in [0, 4] {
        let (pool, attempts, gate) = pool_of(of_workers(8, queue), |_| State::Slow);
        for _ in 0..6 {
            gives_up(&pool);
            assert_eq!(pool.try_submit(Held::free(0)).unwrap_err().refusal(), Refusal::Full);
            assert_eq!(pool.try_submit_many(vec![Held::free(0)]).unwrap_err().refusal, Refusal::Full);
        }
        assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (1, 1), "a queue of {queue}");
        let last = waits(&pool, Held::free(1));
        gate.open();
        last.outcome("the last try").unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, pool.stats().peak_workers), (1, 1));
    }
}

#[test]
fn pool_f2_one_payload_beside_a_busy_worker_makes_one_worker() {
    let (pool, attempts, gate) =
        pool_of(of_workers(8, 0), |attempt| if attempt == 0 { State::Ready } else { State::Slow });
    let busy = busy_one(&pool);
    for _ in 0..6 {
        gives_up(&pool);
        assert_eq!(pool.try_submit(Held::free(0)).unwrap_err().refusal(), Refusal::Full);
    }
    release(&busy);
    assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (2, 2));
    gate.open();
}

#[test]
fn pool_f2_payloads_in_turn_on_a_busy_worker_make_one_more() {
    let (pool, attempts, gate) =
        pool_of(of_workers(8, 0), |attempt| if attempt == 0 { State::Ready } else { State::Slow });
    let mut running = busy_one(&pool).remove(0);
    for number in 1..=6 {
        let next = Held::new(number);
        let waiting = blocked(&pool, next.clone(), 1);
        running.gate.open();
        waiting.outcome("served by the worker that came free").unwrap();
        running = next;
    }
    assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (2, 2));
    running.gate.open();
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 7);
}

#[test]
fn pool_f2_several_payloads_get_several_workers_and_no_more_than_they_are() {
    for queue in [0, 8] {
        let (pool, attempts, gate) = pool_of(of_workers(8, queue), |_| State::Slow);
        gives_up(&pool);
        let waiting: Vec<_> = (1..=3).map(|number| waits(&pool, Held::new(number))).collect();
        eventually("a worker for each", || attempts.load(Ordering::SeqCst) == 3);
        gate.open();
        reaches(&pool, "each runs", |stats| stats.busy == 3);
        for submission in waiting {
            submission.outcome("a submission").unwrap();
        }
        assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (3, 3));
        pool.set_max_workers(9).unwrap();
        assert_eq!(pool.running(), 3);
        drop(pool);
    }
}

#[test]
fn pool_f2_a_busy_worker_that_comes_free_serves_who_waits_for_a_slow_one() {
    let (pool, attempts, gate) =
        pool_of(of_workers(8, 0), |attempt| if attempt == 0 { State::Ready } else { State::Slow });
    let busy = busy_one(&pool);
    gives_up(&pool);
    let waiting = blocked(&pool, Held::free(1), 1);
    release(&busy);
    waiting.outcome("served while the other one makes its state").unwrap();
    reaches(&pool, "it was run", |stats| stats.finished == 2);
    assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (2, 2));
    // Who looks for a moment only finds the one that is free, too.
    pool.try_submit(Held::free(2)).unwrap();
    gate.open();
}

#[test]
fn pool_f2_who_watches_for_a_worker_that_fails_gets_another_or_is_told() {
    for fails_again in [false, true] {
        let plan = move |attempt| if attempt == 0 || fails_again { State::Fails } else { State::Ready };
        let (pool, attempts, gate) = pool_of(of_workers(8, 0), plan);
        gives_up(&pool);
        let waiting = waits(&pool, Held::free(1));
        assert!(pool.wait_idle_timeout(Duration::from_millis(2)).is_err(), "somebody waits");
        gate.open();
        match (fails_again, waiting.outcome("who counted on the first one")) {
            (false, Ok(())) => {}
            (true, Err(SubmitError::StateFailed(payload, error))) => {
                assert_eq!((payload.number, error.to_string()), (1, "planned: no state".to_owned()));
            }
            (_, other) => panic!("{other:?}"),
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn pool_f2_who_waits_in_line_for_a_worker_that_fails_gets_another_one() {
    // The second worker fails, the third one comes; or all others fail, and nobody tries without end.
    for lasting in [false, true] {
        let plan = move |attempt| match attempt {
            0 => State::Ready,
            1 => State::Fails,
            _ if lasting => State::Fails,
            _ => State::Ready,
        };
        let (pool, attempts, gate) = pool_of(of_workers(8, 0), plan);
        let busy = busy_one(&pool);
        gives_up(&pool);
        let waiting = blocked(&pool, Held::free(1), 1);
        gate.open();
        if lasting {
            eventually("another one was tried", || {
                attempts.load(Ordering::SeqCst) == 3 && pool.running() == 1
            });
            assert_eq!((pool.waiting(), attempts.load(Ordering::SeqCst)), (1, 3));
            release(&busy);
        }
        waiting.outcome("who waited in line").unwrap();
        release(&busy);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, attempts.load(Ordering::SeqCst)), (2, 3));
    }
}

#[test]
fn pool_f2_who_waits_in_line_gets_a_worker_in_place_of_one_that_lost_its_state() {
    quiet_panics();
    let (attempts, gate) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    let count = attempts.clone();
    let pool = WorkerPool::builder()
        .name("quiet-births")
        .max_workers(2)
        .build_with_state(
            move |_| if count.fetch_add(1, Ordering::SeqCst) == 2 { Err("planned") } else { Ok(()) },
            move |(): &mut (), held: Held| {
                held.gate.pass();
                assert!(held.number != 1, "planned: this breaks the state");
            },
        )
        .unwrap();
    let busy = Held::new(0);
    let broken = Held { number: 1, gate: gate.clone() };
    pool.submit(busy.clone()).unwrap();
    pool.submit(broken).unwrap();
    reaches(&pool, "both are busy", |stats| stats.busy == 2);
    let waiting = blocked(&pool, Held::free(2), 1);
    gate.open();
    waiting.outcome("who waited in line").unwrap();
    busy.gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, attempts.load(Ordering::SeqCst)), (3, 4));
}

/// The workers that live are lost while another one makes its state: those in line do not wait for that one alone.
#[test]
fn pool_f2_who_waits_in_line_gets_a_worker_when_all_are_lost_but_one_that_is_being_made() {
    quiet_panics();
    let (attempts, slow, broken) = (Arc::new(AtomicUsize::new(0)), Gate::new(), Held::new(0));
    let (count, hold) = (attempts.clone(), slow.clone());
    let pool = WorkerPool::builder()
        .name("quiet-births")
        .max_workers(2)
        .build_with_state(
            move |_| match count.fetch_add(1, Ordering::SeqCst) {
                1 => {
                    hold.pass();
                    Ok(())
                }
                2 => Err("planned"),
                _ => Ok(()),
            },
            move |(): &mut (), held: Held| {
                held.gate.pass();
                assert!(held.number != 0, "planned: this breaks the state");
            },
        )
        .unwrap();
    pool.submit(broken.clone()).unwrap();
    reaches(&pool, "it is busy", |stats| stats.busy == 1);
    let waiting = [1, 2].map(|number| blocked(&pool, Held::free(number), number));
    eventually("another one makes its state", || attempts.load(Ordering::SeqCst) == 2);
    broken.gate.open();
    for submission in waiting {
        submission.outcome("who waited in line").unwrap();
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 4);
    slow.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3);
}

#[test]
fn pool_f2_a_cap_that_is_raised_again_and_again_makes_one_worker_for_each_who_waits() {
    let (pool, attempts, gate) =
        pool_of(of_workers(1, 0), |attempt| if attempt == 0 { State::Ready } else { State::Slow });
    let busy = busy_one(&pool);
    let waiting = blocked(&pool, Held::free(1), 1);
    for workers in 2..9 {
        pool.set_max_workers(workers).unwrap();
    }
    eventually("it makes its state", || attempts.load(Ordering::SeqCst) == 2);
    assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (2, 2));
    gate.open();
    waiting.outcome("who waited").unwrap();
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_f2_a_cancelled_submission_leaves_its_worker_to_the_next() {
    let (pool, attempts, gate) = pool_of(of_workers(8, 0), |_| State::Slow);
    for number in 0..5 {
        let (token, handle) = (CancelToken::new(), pool.clone());
        let called_off = token.clone();
        let submission =
            background(move || handle.submission(Held::free(number)).cancel_with(&token).submit());
        eventually("a worker makes its state", || attempts.load(Ordering::SeqCst) > 0);
        // By now it waits, most likely; nothing depends on that.
        thread::sleep(Duration::from_millis(2));
        called_off.cancel();
        assert_eq!(submission.outcome("the submission").unwrap_err().refusal(), Refusal::Cancelled);
    }
    assert_eq!((pool.running(), attempts.load(Ordering::SeqCst)), (1, 1));
    pool.stop();
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// Whether the state fails before its submission waits in line or after it, one more is tried for it, and no more than
/// one.
#[test]
fn pool_f2_a_submission_in_line_tries_once_more_when_its_own_worker_fails() {
    for fails_at_once in [false, true] {
        let plan = move |attempt| match attempt {
            0 => State::Ready,
            _ => State::Fails,
        };
        let (pool, attempts, gate) = pool_of(of_workers(8, 0), plan);
        let busy = busy_one(&pool);
        if fails_at_once {
            gate.open();
        }
        let waiting = blocked(&pool, Held::free(1), 1);
        gate.open();
        eventually("both were tried", || attempts.load(Ordering::SeqCst) == 3 && pool.running() == 1);
        assert_eq!((pool.waiting(), attempts.load(Ordering::SeqCst)), (1, 3));
        release(&busy);
        waiting.outcome("served by the one that came free").unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(attempts.load(Ordering::SeqCst), 3);
    }
}

/// A worker that is being made does not count on itself.
#[test]
fn pool_f2_a_submission_by_a_state_that_is_being_made_gets_another_worker() {
    let (give, given) = channel::<WorkerPool<u32>>();
    let (given, first) = (Mutex::new(given), AtomicUsize::new(0));
    let (ran, runs) = channel();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .build_with_state(
            move |_| {
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    let pool = given.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                    pool.submit(7).map_err(|error| io::Error::other(error.refusal().to_string()))?;
                }
                Ok::<_, io::Error>(())
            },
            move |(): &mut (), number: u32| ran.send(number).unwrap(),
        )
        .unwrap();
    give.send(pool.clone()).unwrap();
    let handle = pool.clone();
    assert_eq!(within("workers made in advance", move || handle.prestart(1)).unwrap(), 1);
    assert_eq!(runs.recv_timeout(PATIENCE), Ok(7));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// Two pools: the worker of one waits for a worker of the other, whose state waits for the first.
#[test]
fn pool_f1_a_worker_that_watches_another_pools_birth_is_seen_to_sleep() {
    for in_advance in [false, true] {
        let first = tasks(1, 0);
        let (back, (answers, answer)) = (first.clone(), channel());
        let answers = Mutex::new(answers);
        let other = WorkerPool::builder()
            .max_workers(1)
            .build_with_state(
                move |_| {
                    let outcome = back.execute(|| {}).map_err(|error| error.refusal());
                    answers.lock().unwrap().send(outcome).unwrap();
                    Ok::<_, io::Error>(())
                },
                |(): &mut (), _: u32| {},
            )
            .unwrap();
        let there = other.clone();
        let outer = first.spawn(move || match in_advance {
            true => there.prestart(1).map(|_| ()).map_err(|error| panic!("{error}")),
            false => there.submit(1).map_err(|error| error.refusal()),
        });
        let outer = outer.unwrap().join_timeout(PATIENCE).expect("no deadlock").unwrap();
        let inner = answer.recv_timeout(PATIENCE).unwrap();
        // One of the two is told, and the other one goes on.
        let told =
            [outer, inner].into_iter().filter(|outcome| *outcome == Err(Refusal::WouldDeadlock)).count();
        assert_eq!((told, [outer, inner].contains(&Ok(()))), (1, true), "{outer:?}, {inner:?}");
        if in_advance {
            assert_eq!(outer, Ok(()), "what has no way out is not refused");
        }
        first.wait_idle_timeout(PATIENCE).unwrap();
        other.wait_idle_timeout(PATIENCE).unwrap();
    }
}
