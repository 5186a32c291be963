//! Restarts against what is left of the pool's former life.

use anthill_pool::WorkerPool;
use loom::thread;

use crate::handlers::{held_at, held_by_threads};
use crate::ledger::Payload;
use crate::scene::{Lives, close, either_way, expiring, explore, pool_of, submit, submitter, turned_away};
use crate::support::Preemptions::AtMost;
use crate::support::{Gate, beside};

/// The pool is opened again while its worker still runs, goes idle, was told to leave, or has left: that worker either
/// stays and counts, or leaves and does not; and never does it lower the count of those after it.
#[test]
fn l15_restart_meets_finishing_worker() {
    explore("l15", AtMost(3), |ledger| {
        let lives = Lives::new();
        let builder = WorkerPool::builder().max_workers(1).max_idle_worker_duration(None);
        let pool = lives.of(builder).build(Payload::run).unwrap();
        submit(&pool, ledger, 1);
        pool.stop();
        pool.restart();
        submit(&pool, ledger, 1);
        pool.wait_idle().unwrap();
        let now = pool.stats();
        assert!((now.workers, now.idle) == (1, 1), "one worker is idle: {now:?}");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.peak_workers), (2, 1));
        lives.check(stats.spawned as usize);
    });
}

/// A blocked submitter is turned away by a stop, and the pool is open again before it looks: it is turned away all the
/// same, and does not wait for a worker that may be gone.
#[test]
fn l15_restart_meets_submitter_turned_away() {
    explore("l15 turned away", AtMost(3), |ledger| {
        let gate = Gate::closed();
        let pool = pool_of(1, 0, held_at(&gate, ..));
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, turned_away);
        while pool.waiting() == 0 {
            thread::yield_now();
        }
        pool.stop();
        pool.restart();
        // The worker is held until here, so nobody could serve it.
        submitter.join().unwrap();
        gate.open();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 1));
    });
}

/// One thread stops, another one opens again, a payload comes at any time between: it is run or comes back, whoever is
/// last; and nothing is left over for the final stop.
#[test]
fn l15_restart_meets_stop_and_submission() {
    explore("l15 between", AtMost(2), |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        submit(&pool, ledger, 1);
        let other = beside(&pool, |pool| {
            pool.stop();
            pool.restart();
        });
        let accepted = usize::from(either_way(&pool, ledger.payload()));
        other.join().unwrap();
        submit(&pool, ledger, 1);
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 2 + accepted, "a payload was left behind: {} ran", ledger.ran());
        let stats = close(pool, ledger);
        assert_eq!(stats.peak_workers, 1);
    });
}

/// The pool is opened again while its cleaner is told to end, ends, or has ended: there is one cleaner afterwards and
/// not two, so that the next stop ends it.
#[test]
fn l35_restart_meets_the_cleaners_end() {
    explore("l35 restart", AtMost(2), |ledger| {
        let (handler, holders) = held_by_threads();
        let pool = expiring(1, 0, handler);
        submit(&pool, ledger, 1);
        pool.stop();
        pool.restart();
        submit(&pool, ledger, 1);
        close(pool, ledger);
        assert!(holders() == 0, "a thread of the pool outlived wait");
    });
}
