//! Submissions that are called off while they wait.

use anthill_pool::{CancelToken, SubmitError, WorkerPool};
use loom::thread;

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, Ledger, Payload, close, explore, settle};

/// The payload of a submission that is called off is taken at the same time: it is run and its submitter told so, or it
/// comes back; and the one behind it in the line is served either way. A time limit takes the same decision: whoever
/// removes the entry from the line has the payload.
#[test]
fn l26_cancelling_meets_being_served() {
    explore("l26", AtMost(2), || {
        let ledger = Ledger::new();
        let token = CancelToken::new();
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(Payload::run).unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let cancelled = {
            let (pool, payload, token) = (pool.clone(), ledger.payload(), token.clone());
            thread::spawn(move || {
                let outcome = pool.submission(payload).cancel_with(&token).submit();
                assert!(matches!(outcome, Ok(()) | Err(SubmitError::Cancelled(_))));
                settle(outcome)
            })
        };
        token.cancel();
        assert!(settle(pool.submit(ledger.payload())));
        let accepted = cancelled.join().unwrap();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.rejected), (2 + u64::from(accepted), u64::from(!accepted)));
    });
}

/// No worker comes free, so the submission must come back, whether it was called off before it looked at its token,
/// between that and its sleep, or while it slept.
#[test]
fn l26_cancelling_meets_going_to_sleep() {
    explore("l26 asleep", AtMost(3), || {
        let ledger = Ledger::new();
        let token = CancelToken::new();
        let gate = Gate::closed();
        let pool = {
            let gate = gate.clone();
            let handler = move |payload: Payload| {
                gate.pass();
                payload.run();
            };
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(handler).unwrap()
        };
        assert!(settle(pool.submit(ledger.payload())));
        let cancelled = {
            let (pool, payload, token) = (pool.clone(), ledger.payload(), token.clone());
            thread::spawn(move || {
                let outcome = pool.submission(payload).cancel_with(&token).submit();
                assert!(matches!(outcome, Err(SubmitError::Cancelled(_))));
                settle(outcome);
            })
        };
        token.cancel();
        cancelled.join().unwrap();
        gate.open();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 1));
    });
}
