//! Submissions that are called off while they wait.

use anthill_pool::{CancelToken, SubmitError, WorkerPool};

use crate::handlers::held_at;
use crate::ledger::Payload;
use crate::scene::{close, explore, pool_of, settle, submit, submitter};
use crate::support::Gate;
use crate::support::Preemptions::AtMost;

/// A submission that may be accepted, or comes back because the token was used; true when it was accepted.
fn unless(token: &CancelToken) -> impl FnOnce(&WorkerPool<Payload>, Payload) -> bool + 'static {
    let token = token.clone();
    move |pool, payload| {
        let outcome = pool.submission(payload).cancel_with(&token).submit();
        assert!(matches!(outcome, Ok(()) | Err(SubmitError::Cancelled(_))));
        settle(outcome)
    }
}

/// The payload of a submission that is called off is taken at the same time: it is run and its submitter told so, or it
/// comes back; and the one behind it in the line is served either way. A time limit takes the same decision: whoever
/// removes the entry from the line has the payload.
#[test]
fn l26_cancelling_meets_being_served() {
    explore("l26", AtMost(2), |ledger| {
        let token = CancelToken::new();
        let pool = pool_of(1, 0, Payload::run);
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, unless(&token));
        token.cancel();
        submit(&pool, ledger, 1);
        let accepted = submitter.join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.rejected), (2 + u64::from(accepted), u64::from(!accepted)));
    });
}

/// No worker comes free, so the submission must come back, whether it was called off before it looked at its token,
/// between that and its sleep, or while it slept.
#[test]
fn l26_cancelling_meets_going_to_sleep() {
    explore("l26 asleep", AtMost(3), |ledger| {
        let token = CancelToken::new();
        let gate = Gate::closed();
        let pool = pool_of(1, 0, held_at(&gate, ..));
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, unless(&token));
        token.cancel();
        assert!(!submitter.join().unwrap(), "accepted although no worker came free");
        gate.open();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 1));
    });
}
