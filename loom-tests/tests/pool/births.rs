//! Workers that are making their state, and who counts on them.

use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{CancelToken, Refusal, SubmitError, TaskPool, WorkerPool};
use loom::sync::{Arc, Mutex};

use crate::ledger::Payload;
use crate::scene::{accepted, close, explore, settle, stopped, submit, submitter};
use crate::support::Preemptions::AtMost;
use crate::support::{Gate, planned_panic};

/// A pool of up to three workers whose attempts to make a state fail where `failing` says so, counted from 0. Payload
/// number 0 is held at the gate, if there is one.
fn stateful(failing: fn(usize) -> bool, held: Option<Arc<Gate>>) -> WorkerPool<Payload> {
    let made = AtomicUsize::new(0);
    WorkerPool::builder()
        .max_workers(3)
        .max_idle_worker_duration(None)
        .build_with_state(
            move |_| if failing(made.fetch_add(1, Ordering::Relaxed)) { Err("no state") } else { Ok(()) },
            move |(), payload: Payload| {
                if let (0, Some(gate)) = (payload.number, &held) {
                    gate.pass();
                }
                payload.run();
            },
        )
        .unwrap()
}

/// A submission that may be called off; true when it was accepted.
fn unless(token: &CancelToken) -> impl FnOnce(&WorkerPool<Payload>, Payload) -> bool + 'static {
    let token = token.clone();
    move |pool, payload| settle(pool.submission(payload).cancel_with(&token).submit())
}

/// A submission gives up while the worker that it has made makes its state: the next one counts on that worker, and
/// makes none.
#[test]
fn next_submission_meets_the_birth_of_one_that_gave_up() {
    explore("births next", AtMost(2), |ledger| {
        let (pool, token) = (stateful(|_| false, None), CancelToken::new());
        let first = submitter(&pool, ledger, unless(&token));
        token.cancel();
        let was_accepted = first.join().unwrap();
        submit(&pool, ledger, 1);
        let stats = close(pool, ledger);
        assert!(was_accepted || stats.spawned == 1, "{} workers for one payload", stats.spawned);
    });
}

/// The same, and that worker does not come to be: whoever counts on it has another one made, and whoever made it is
/// told.
#[test]
fn failed_birth_meets_who_counts_on_it() {
    explore("births failed", AtMost(2), |ledger| {
        let (pool, token) = (stateful(|attempt| attempt == 0, None), CancelToken::new());
        let first = submitter(&pool, ledger, unless(&token));
        token.cancel();
        let outcome = pool.submit(ledger.payload());
        assert!(matches!(outcome, Ok(()) | Err(SubmitError::StateFailed(..))));
        settle(outcome);
        first.join().unwrap();
        pool.wait_idle().unwrap();
        close(pool, ledger);
    });
}

/// The worker of a submission that waits in line does not come to be, before or after it waits there, while the other
/// one is busy for as long as that takes: it gets a further one.
#[test]
fn failed_birth_meets_who_waits_in_line() {
    explore("births line", AtMost(2), |ledger| {
        let gate = Gate::closed();
        let pool = stateful(|attempt| attempt == 1, Some(gate.clone()));
        submit(&pool, ledger, 1);
        accepted(&pool, ledger.payload());
        gate.open();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (2, 2));
    });
}

/// The worker of one who waits in line does not come to be, and its payload is taken before it has woken to make
/// another one: who waits behind it, and for whom that payload waits, makes it.
#[test]
fn offered_birth_meets_the_worker_that_serves_its_submission() {
    explore("births offer", AtMost(1), |ledger| {
        let (made, gate) = (AtomicUsize::new(0), Gate::closed());
        let pool = WorkerPool::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .build_with_state(
                move |_| if made.fetch_add(1, Ordering::Relaxed) == 1 { Err("no state") } else { Ok(()) },
                move |(), payload: Payload| match payload.number {
                    1 => {
                        payload.run();
                        gate.open();
                    }
                    2 => {
                        gate.pass();
                        payload.run();
                    }
                    _ => payload.run(),
                },
            )
            .unwrap();
        submit(&pool, ledger, 1);
        let first = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        first.join().unwrap();
        close(pool, ledger);
    });
}

/// The only worker that lives loses its state while another one is being made, for as long as it takes to serve the two
/// in line: a third one does.
#[test]
fn lost_worker_meets_who_waits_in_line_beside_an_unborn_one() {
    explore("births lost", AtMost(1), |ledger| {
        let (made, gate) = (AtomicUsize::new(0), Gate::closed());
        let hold = gate.clone();
        let pool = WorkerPool::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .build_with_state(
                move |worker| match worker {
                    0 if made.fetch_add(1, Ordering::Relaxed) > 0 => Err("no state"),
                    1 => {
                        hold.pass();
                        Ok(())
                    }
                    _ => Ok(()),
                },
                move |(), payload: Payload| {
                    let number = payload.number;
                    payload.run();
                    if number == 0 {
                        planned_panic();
                    }
                },
            )
            .unwrap();
        submit(&pool, ledger, 1);
        let first = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        first.join().unwrap();
        gate.open();
        close(pool, ledger);
    });
}

/// A worker of one pool watches for the state of another pool's worker, which waits for room in the first: one is told.
#[test]
fn watching_meets_a_state_that_waits_for_the_watcher() {
    explore("births pools", AtMost(2), |_| {
        let options = || WorkerPool::builder().max_workers(1).max_idle_worker_duration(None);
        let first: TaskPool = options().build_tasks().unwrap();
        let (back, told) = (first.clone(), Arc::new(Mutex::new(0)));
        let count = told.clone();
        let other = WorkerPool::builder()
            .max_workers(1)
            .max_idle_worker_duration(None)
            .build_with_state(
                move |_| {
                    if back.execute(|| {}).is_err_and(|error| error.refusal() == Refusal::WouldDeadlock) {
                        *count.lock().unwrap() += 1;
                    }
                    Ok::<_, std::io::Error>(())
                },
                |(), ()| {},
            )
            .unwrap();
        let (there, count) = (other.clone(), told.clone());
        let outer = first.spawn(move || {
            if there.submit(()).is_err_and(|error| error.refusal() == Refusal::WouldDeadlock) {
                *count.lock().unwrap() += 1;
            }
        });
        outer.unwrap().join().unwrap();
        stopped(other);
        stopped(first);
        assert_eq!(*told.lock().unwrap(), 1, "refused");
    });
}
