//! What `wait_idle` promises: it never returns early, and it always returns.

use anthill_pool::SubmitError;

use crate::ledger::Payload;
use crate::scene::{accepted, close, explore, pool_of, settle, submit, submitter};
use crate::support::Preemptions::AtMost;

/// In two waves, with another submitter between them: `wait_idle` returns, and not before what was accepted before
/// the call has run.
#[test]
fn l29_wait_idle_meets_submissions() {
    explore("l29", AtMost(2), |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        let other = submitter(&pool, ledger, accepted);
        for mine in 1..=2 {
            submit(&pool, ledger, 1);
            pool.wait_idle().unwrap();
            assert!(ledger.ran() >= mine, "wait_idle returned early: {} of {mine} ran", ledger.ran());
        }
        other.join().unwrap();
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 3, "wait_idle returned early: {} of 3 ran", ledger.ran());
        close(pool, ledger);
    });
}

/// A blocked submitter whom a stop sends home does not keep the pool from being idle, whenever it looks; the last
/// worker that leaves makes it so.
#[test]
fn l29_wait_idle_meets_submitter_sent_home() {
    explore("l29 home", AtMost(3), |ledger| {
        let pool = pool_of(1, 0, Payload::run);
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, |pool, payload| {
            let outcome = pool.submit(payload);
            assert!(matches!(outcome, Ok(()) | Err(SubmitError::Closed(_))));
            settle(outcome);
        });
        pool.stop();
        pool.wait_idle().unwrap();
        submitter.join().unwrap();
        close(pool, ledger);
    });
}
