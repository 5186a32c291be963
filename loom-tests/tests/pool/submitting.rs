//! Submissions against each other, against workers that go idle, and against those that wait for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{SubmitError, WorkerPool};
use loom::thread;

use crate::handlers::{held_at, in_order};
use crate::ledger::Payload;
use crate::scene::{
    accepted, close, explore, pool_of, refused_beyond, settle, stopped, submit, submitter, wait_for_all,
};
use crate::support::Preemptions::{Any, AtMost};
use crate::support::{Gate, beside};

/// One slot, two submitters: the cap holds, and both payloads run.
#[test]
fn l01_two_submitters_one_slot() {
    explore("l01", AtMost(3), |ledger| {
        let pool = pool_of(1, 0, Payload::run);
        let other = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        other.join().unwrap();
        let stats = close(pool, ledger);
        assert!(stats.peak_workers == 1, "the cap is 1, there were {} workers", stats.peak_workers);
        assert_eq!((stats.finished, stats.spawned), (2, 1));
    });
}

/// A payload comes just when the only worker goes idle: it is handed over or queued, and runs either way. `wait_idle`
/// and not `stop` ends the scene: a stop would wake the worker.
#[test]
fn l02_submission_meets_worker_going_idle() {
    explore("l02", Any, |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        submit(&pool, ledger, 1);
        assert!(settle(pool.try_submit(ledger.payload())));
        pool.wait_idle().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (2, 1));
    });
}

/// Payloads are queued while the last busy worker decides to park: it looks at the queue in the same critical
/// section, so none is left behind. `wait_idle` and not `stop` ends the scene: a stop would wake the worker.
#[test]
fn l03_queued_payload_meets_parking_worker() {
    explore("l03", AtMost(3), |ledger| {
        let pool = pool_of(1, 2, Payload::run);
        submit(&pool, ledger, 1);
        let other = submitter(&pool, ledger, |pool, payload| assert!(settle(pool.try_submit(payload))));
        assert!(settle(pool.try_submit(ledger.payload())));
        other.join().unwrap();
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// Three submitters wait for one worker without a queue: each is served and each is told.
#[test]
fn l27_blocked_submitters_are_served_in_turn() {
    explore("l27", AtMost(2), |ledger| {
        let pool = pool_of(1, 0, Payload::run);
        let others = [(); 2].map(|()| submitter(&pool, ledger, accepted));
        submit(&pool, ledger, 1);
        for other in others {
            other.join().unwrap();
        }
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (3, 1));
    });
}

/// Those who wait start in the order in which they came, ahead of whoever comes later.
#[test]
fn l27_the_longest_waiting_goes_first() {
    explore("l27 order", AtMost(2), |ledger| {
        let gate = Gate::closed();
        let (handler, order) = in_order(held_at(&gate, 0..1));
        let pool = pool_of(1, 0, handler);
        submit(&pool, ledger, 1);
        let (second, third) = (ledger.payload(), ledger.payload());
        let first_waiter = beside(&pool, |pool| accepted(pool, second));
        while pool.waiting() == 0 {
            thread::yield_now();
        }
        let opener = beside(&gate, |gate| gate.open());
        accepted(&pool, third);
        first_waiter.join().unwrap();
        opener.join().unwrap();
        close(pool, ledger);
        assert_eq!(order(), [0, 1, 2], "the order of starts");
    });
}

/// Payloads submitted together find the only worker busy, going idle or idle: they are handed over, queued or wait for
/// room, and run in their order.
#[test]
fn many_payloads_meet_worker_going_idle() {
    explore("submit_many", AtMost(3), |ledger| {
        let (handler, order) = in_order(Payload::run);
        let pool = pool_of(1, 1, handler);
        submit(&pool, ledger, 1);
        let payloads = (0..3).map(|_| ledger.payload()).collect();
        assert!(pool.submit_many(payloads).is_ok_and(|accepted| accepted == 3));
        pool.wait_idle().unwrap();
        assert_eq!(order(), [0, 1, 2, 3], "the order of starts");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (4, 1));
    });
}

/// A blocked submitter whose payload went to the queue is told when the queue has run low, even when nobody submits
/// any more. Loom's timed waits never end, so the bound on that delay does not help here.
#[test]
fn l28_queue_runs_low_while_a_submitter_waits() {
    explore("l28", AtMost(3), |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        let other = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 2);
        other.join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (3, 1));
    });
}

/// An order sent to a worker that is about to park arrives, once. Parking is the pool's own (`handoff.rs`) and
/// modelled; the one-place channel that carries the order is a stand-in for crossbeam's.
#[test]
fn l36_order_meets_parking_worker() {
    explore("l36", AtMost(3), |ledger| {
        let pool = pool_of(1, 0, Payload::run);
        submit(&pool, ledger, 3);
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (3, 1));
    });
}

/// Orders that come while the worker looks out for one, before it parks: each arrives once, and the wake-up of one that
/// needed none is not taken for that of the next.
#[test]
fn l36_order_meets_worker_that_looks_out() {
    explore("l36 look", AtMost(3), |ledger| {
        let pool = pool_of(1, 0, Payload::run);
        for _ in 0..4 {
            submit(&pool, ledger, 1);
            pool.wait_idle().unwrap();
        }
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (4, 1));
    });
}

/// At no moment do the counters contradict each other or the cap.
#[test]
fn l38_counts_agree_at_any_moment() {
    explore("l38", AtMost(3), |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        let second = ledger.payload();
        let submitter = submitter(&pool, ledger, |pool, first| {
            accepted(pool, first);
            accepted(pool, second);
        });
        for _ in 0..2 {
            let now = pool.stats();
            assert!(now.workers == now.busy + now.idle && now.workers <= 1, "workers: {now:?}");
            let settled = now.finished + now.handed_back + now.queued as u64;
            assert!(settled <= now.accepted, "finished before it was accepted: {now:?}");
            // A worker that is being started may count as busy before its payload counts as accepted.
            let exact = now.spawned > 0 && now.accepted == settled + now.busy as u64;
            assert!(now.spawned == 0 || exact, "accepted payloads are amiss: {now:?}");
        }
        submitter.join().unwrap();
        close(pool, ledger);
    });
}

/// What a payload of the nested scenes does: submits one more, if told to, and notes what came of it.
struct Nested {
    submits: bool,
    pool: WorkerPool<Nested>,
    refused: Arc<AtomicUsize>,
}

impl Nested {
    fn run(self) {
        if !self.submits {
            return;
        }
        let inner = Nested { submits: false, pool: self.pool.clone(), refused: self.refused.clone() };
        match self.pool.submit(inner) {
            Ok(()) => {}
            Err(SubmitError::WouldDeadlock(_)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            // Worse than wrong: it would be contained as a panic of the payload. The count gives it away.
            Err(_) => {
                self.refused.fetch_add(100, Ordering::Relaxed);
            }
        }
    }
}

/// Submits `outer` payloads that submit one each, while threads beyond `threads` are refused. Returns how many were
/// run and how many nested ones were refused.
fn nested_submissions(workers: usize, outer: usize, threads: usize) -> (u64, usize) {
    let refused = Arc::new(AtomicUsize::new(0));
    let pool = WorkerPool::<Nested>::builder()
        .max_workers(workers)
        .max_idle_worker_duration(None)
        .spawner(refused_beyond(threads))
        .build(Nested::run)
        .unwrap();
    for _ in 0..outer {
        pool.submit(Nested { submits: true, pool: pool.clone(), refused: refused.clone() }).unwrap();
    }
    pool.wait_idle().unwrap();
    (stopped(pool).finished, refused.load(Ordering::Relaxed))
}

/// The only worker submits to its own pool: an error, in every interleaving.
#[test]
fn l34_nested_submission_of_the_only_worker() {
    explore("l34", Any, |_| assert_eq!(nested_submissions(1, 1, 1), (1, 1)));
}

/// Both workers submit to their own pool. One may wait for the other, but never both for each other.
#[test]
fn l34_nested_submissions_of_two_workers() {
    explore("l34 two", AtMost(2), |_| {
        let (finished, refused) = nested_submissions(2, 2, 2);
        assert_eq!(finished as usize + refused, 4);
    });
}

/// A worker waits for a second one whose thread is then refused: it must not wait for ever.
#[test]
fn l34_nested_submission_meets_refused_thread() {
    explore("l34 refused", AtMost(2), |_| {
        let (finished, refused) = nested_submissions(2, 2, 1);
        assert_eq!(finished as usize + refused, 4);
    });
}

/// A worker waits for a second one, which is above a cap that was lowered meanwhile: it serves the first one's
/// payload before it leaves, or the first one is told that nobody will.
#[test]
fn l34_nested_submission_meets_lowering() {
    explore("l34 lowering", AtMost(2), |_| {
        let refused = Arc::new(AtomicUsize::new(0));
        let pool = WorkerPool::<Nested>::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .build(Nested::run)
            .unwrap();
        for submits in [true, false] {
            pool.submit(Nested { submits, pool: pool.clone(), refused: refused.clone() }).unwrap();
        }
        pool.set_max_workers(1).unwrap();
        pool.wait_idle().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.finished as usize + refused.load(Ordering::Relaxed), stats.workers), (3, 1));
        stopped(pool);
    });
}
