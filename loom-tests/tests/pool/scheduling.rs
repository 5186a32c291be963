//! What waits for its time, against stops, the coming and going of the thread that looks at the clock, and its time.
//!
//! Time is an argument: `expire` does what that thread does at a moment. It is always the origin otherwise, so what is
//! scheduled for later stays on the agenda.

use std::sync::Arc;
use std::time::Duration;

use anthill_pool::internal::Instant;
use anthill_pool::{Delayed, SubmitError, WorkerPool};

use crate::ledger::{Ledger, Payload};
use crate::scene::{close, explore, submitter};
use crate::support::Preemptions::AtMost;
use crate::support::beside;

const LATER: Duration = Duration::from_secs(1);

/// A pool of one worker that does not expire: what has a clock looked at is the agenda alone.
fn pool() -> WorkerPool<Payload> {
    WorkerPool::builder()
        .max_workers(1)
        .max_idle_worker_duration(None)
        .on_discard(|payload: Payload, _| payload.discard())
        .build(Payload::run)
        .unwrap()
}

fn settle(scheduled: Result<Delayed<Payload>, SubmitError<Payload>>) -> Option<Delayed<Payload>> {
    scheduled.map_err(|refusal| refusal.into_payload().hand_back()).ok()
}

fn schedule(pool: &WorkerPool<Payload>, ledger: &Arc<Ledger>) -> Option<Delayed<Payload>> {
    settle(pool.submit_after(LATER, ledger.payload()))
}

/// A payload is scheduled while the pool is stopped: it is refused or discarded, and `wait` joins the thread that was
/// made.
#[test]
fn scheduling_meets_stop() {
    explore("scheduling stop", AtMost(3), |ledger| {
        let pool = pool();
        let scheduler =
            submitter(&pool, ledger, |pool, payload| settle(pool.submit_after(LATER, payload)).is_some());
        pool.stop();
        pool.wait().unwrap();
        let discarded = ledger.discarded();
        let accepted = scheduler.join().unwrap();
        assert_eq!(ledger.discarded(), discarded, "discarded after wait");
        let stats = close(pool, ledger);
        assert_eq!(stats.discarded, u64::from(accepted));
    });
}

/// Two payloads are scheduled at once, by threads of which one makes the thread that looks at the clock.
#[test]
fn scheduling_meets_scheduling() {
    explore("scheduling scheduling", AtMost(2), |ledger| {
        let pool = pool();
        let other =
            submitter(&pool, ledger, |pool, payload| settle(pool.submit_after(LATER, payload)).is_some());
        assert!(schedule(&pool, ledger).is_some());
        assert!(other.join().unwrap());
        assert_eq!(pool.stats().scheduled, 2);
        let stats = close(pool, ledger);
        assert_eq!(stats.discarded, 2);
    });
}

/// The only entry is taken back, with which the thread that looks at the clock goes, while another one is scheduled.
#[test]
fn scheduling_meets_the_end_of_the_agenda() {
    explore("scheduling cancel", AtMost(3), |ledger| {
        let pool = pool();
        let first = schedule(&pool, ledger).unwrap();
        let other =
            submitter(&pool, ledger, |pool, payload| settle(pool.submit_after(LATER, payload)).is_some());
        first.cancel().expect("it is not due").hand_back();
        assert!(other.join().unwrap());
        assert_eq!(pool.stats().scheduled, 1);
        pool.stop();
        pool.wait().unwrap();
        ledger.check();
        assert_eq!((ledger.returned(), ledger.discarded()), (1, 1));
    });
}

/// What is due meets a stop: it is run or discarded.
#[test]
fn what_is_due_meets_stop() {
    explore("due stop", AtMost(2), |ledger| {
        let pool = pool();
        schedule(&pool, ledger).unwrap();
        let time = beside(&pool, |pool| pool.expire(Instant::at(LATER)));
        pool.stop();
        time.join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!(stats.finished + stats.discarded, 1);
    });
}

/// What is due is taken back: by its caller or by a worker, not by both, and not by nobody.
#[test]
fn what_is_due_meets_its_cancellation() {
    explore("due cancel", AtMost(2), |ledger| {
        let pool = pool();
        let scheduled = schedule(&pool, ledger).unwrap();
        let time = beside(&pool, |pool| pool.expire(Instant::at(LATER)));
        let taken_back = scheduled.cancel();
        let cancelled = usize::from(taken_back.is_some());
        taken_back.into_iter().for_each(Payload::hand_back);
        time.join().unwrap();
        pool.stop();
        pool.wait().unwrap();
        ledger.check();
        assert_eq!((ledger.returned(), ledger.ran()), (cancelled, 1 - cancelled));
    });
}
