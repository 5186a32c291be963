//! Several pools behind one handle: which shard a payload goes to, against stops and resizes of that shard.
//!
//! A payload is refused by a shard, travels on and is accepted or refused by the next; between any two of these steps
//! the shards may change. So what is asserted is the whole: it ran once or came back, with an error that is true of all
//! shards, and was counted as refused once.

use std::sync::Arc;

use anthill_pool::multi::{MultiPool, Strategy};
use anthill_pool::{SubmitError, WorkerPool};

use crate::handlers::held_at;
use crate::ledger::{Ledger, Payload};
use crate::scene::{explore, settle, submitter};
use crate::support::Gate;
use crate::support::Preemptions::AtMost;

/// Two shards of one worker each.
fn pair(strategy: Strategy, handler: impl Fn(Payload) + Send + Sync + 'static) -> MultiPool<Payload> {
    WorkerPool::builder()
        .max_workers(1)
        .max_idle_worker_duration(None)
        .build_multi(2, strategy, handler)
        .unwrap()
}

/// The same with each worker held at the gate.
fn occupied_pair(gate: &loom::sync::Arc<Gate>, ledger: &Arc<Ledger>) -> MultiPool<Payload> {
    let pool = pair(Strategy::RoundRobin, held_at(gate, ..));
    for _ in 0..2 {
        assert!(either_way(&pool, ledger.payload()));
    }
    pool
}

/// A submission that may be accepted or refused; true when it was accepted.
fn either_way(pool: &MultiPool<Payload>, payload: Payload) -> bool {
    settle(pool.submit(payload))
}

/// Stops all shards, waits, and checks that books and counters agree.
fn end(pool: MultiPool<Payload>, ledger: &Ledger) {
    pool.stop();
    pool.wait().unwrap();
    let stats = pool.stats();
    drop(pool);
    ledger.check_with(&stats);
    assert_eq!((stats.handed_back, stats.discarded), (0, 0), "handed back, discarded");
}

/// The shard that was picked is stopped: whenever that happens, the other one takes the payload.
#[test]
fn l39_pick_meets_stop_of_the_shard() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        explore("l39 pick and stop", AtMost(3), move |ledger| {
            let pool = pair(strategy, Payload::run);
            let submitter = submitter(&pool, ledger, either_way);
            pool.shards()[0].stop();
            assert!(submitter.join().unwrap(), "refused although a shard is open");
            end(pool, ledger);
        });
    }
}

/// A submission waits for the shard that was picked when that one is stopped: it moves on to the other one.
#[test]
fn l39_blocked_submission_meets_stop_of_its_shard() {
    explore("l39 blocked", AtMost(2), |ledger| {
        let gate = Gate::closed();
        let pool = occupied_pair(&gate, ledger);
        let submitter = submitter(&pool, ledger, either_way);
        pool.shards()[0].stop();
        gate.open();
        assert!(submitter.join().unwrap(), "refused although a shard is open");
        end(pool, ledger);
    });
}

/// All shards are stopped while a submission is on its way from one to the next: accepted, or closed, and that counted
/// once.
#[test]
fn l39_pick_meets_stop_of_all() {
    explore("l39 stop of all", AtMost(3), |ledger| {
        let pool = pair(Strategy::RoundRobin, Payload::run);
        let submitter = submitter(&pool, ledger, |pool, payload| {
            let outcome = pool.submit(payload);
            assert!(matches!(outcome, Ok(()) | Err(SubmitError::Closed(_))), "what is true of all shards");
            settle(outcome)
        });
        pool.stop();
        pool.wait().unwrap();
        let ran = ledger.ran();
        let accepted = submitter.join().unwrap();
        assert!(ran == usize::from(accepted), "accepted: {accepted}, and ran before wait returned: {ran}");
        end(pool, ledger);
    });
}

/// Both shards are full when their cap is raised: a submission that looks at the one, at the other, and then waits,
/// gets the new worker, whichever of the steps the resize falls between.
#[test]
fn l39_pick_meets_resize() {
    explore("l39 resize", AtMost(1), |ledger| {
        let gate = Gate::closed();
        let pool = occupied_pair(&gate, ledger);
        let submitter = submitter(&pool, ledger, either_way);
        pool.set_max_workers(2).unwrap();
        // No worker comes free before this.
        assert!(submitter.join().unwrap());
        gate.open();
        end(pool, ledger);
    });
}

/// A payload that sends another one to the next shard, which sends another one, and so on.
struct Relay {
    pool: MultiPool<Relay>,
    own: Payload,
    others: Vec<Payload>,
}

impl Relay {
    fn run(self) {
        let Relay { pool, own, mut others } = self;
        if let Some(own) = others.pop() {
            let next = Relay { pool: pool.clone(), own, others };
            if let Err(refused) = pool.submit(next) {
                let Relay { own, others, .. } = refused.into_payload();
                own.hand_back();
                others.into_iter().for_each(Payload::hand_back);
            }
        }
        own.run();
    }
}

/// A payload is always at the shard that is not being looked at: that is no moment at which both are idle.
#[test]
fn l39_wait_idle_meets_payloads_that_move_on() {
    explore("l39 idleness", AtMost(2), |ledger| {
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .max_idle_worker_duration(None)
            .build_multi(2, Strategy::RoundRobin, Relay::run)
            .unwrap();
        // From the second shard to the first, and both once more.
        let others = (0..3).map(|_| ledger.payload()).collect();
        let relay = Relay { pool: pool.clone(), own: ledger.payload(), others };
        pool.shards()[1].submit(relay).map_err(|_| ()).unwrap();
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 4, "wait_idle returned while a payload was on its way");
        pool.stop();
        pool.wait().unwrap();
        drop(pool);
        ledger.check();
    });
}
