//! Stops against everything else, and what `wait` promises.

use std::time::Duration;

use anthill_pool::{WaitError, WorkerPool};

use crate::handlers::held_at;
use crate::ledger::{Payload, check_closed};
use crate::scene::{Lives, close, either_way, explore, pool_of, settle, submit, submitter, turned_away};
use crate::support::Preemptions::{Any, AtMost};
use crate::support::{Gate, beside, planned_panic};

/// A pool of one worker whose threads are counted.
fn counted(queue: usize, lives: &Lives) -> WorkerPool<Payload> {
    let builder = WorkerPool::builder().max_workers(1).queue_capacity(queue).max_idle_worker_duration(None);
    lives.of(builder).build(Payload::run).unwrap()
}

/// The worker goes idle just when the pool is stopped: it does not stay behind on the ready stack.
#[test]
fn l07_worker_going_idle_meets_stop() {
    explore("l07", Any, |ledger| {
        let lives = Lives::new();
        let pool = counted(0, &lives);
        submit(&pool, ledger, 1);
        pool.stop();
        assert_eq!(pool.stats().idle, 0, "idle workers after a stop");
        let stats = close(pool, ledger);
        assert_eq!(stats.finished, 1);
        lives.check(1);
    });
}

/// A stop comes while a submitter makes a thread: the payload runs or comes back, and `wait` joins the thread, which
/// may have left before its handle was stored.
#[test]
fn l08_stop_meets_thread_being_made() {
    explore("l08", AtMost(3), |ledger| {
        let lives = Lives::new();
        let pool = counted(0, &lives);
        let submitter = submitter(&pool, ledger, either_way);
        pool.stop();
        pool.wait().unwrap();
        let ran = ledger.ran();
        lives.check(ran);
        let accepted = submitter.join().unwrap();
        assert_eq!(ledger.ran(), ran, "payloads run after wait");
        let stats = close(pool, ledger);
        assert_eq!(stats.accepted, u64::from(accepted));
    });
}

/// A submission falls together with a stop: it is accepted and run, or refused; and after `wait` nothing runs.
#[test]
fn l09_submission_meets_stop() {
    explore("l09", AtMost(3), |ledger| {
        let lives = Lives::new();
        let pool = counted(1, &lives);
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, either_way);
        pool.stop();
        pool.wait().unwrap();
        lives.check(1);
        let ran = ledger.ran();
        let accepted = submitter.join().unwrap();
        assert!(ledger.ran() == ran, "a payload ran after wait");
        assert!(
            ran == 1 + usize::from(accepted),
            "a payload was accepted, but had not run when wait returned"
        );
        close(pool, ledger);
    });
}

/// Two threads stop and wait: both see the pool at its end, with no thread left.
#[test]
fn l10_two_stops() {
    explore("l10", AtMost(3), |ledger| {
        let lives = Lives::new();
        let pool = counted(0, &lives);
        submit(&pool, ledger, 1);
        let stop_and_wait = |pool: &WorkerPool<Payload>, lives: &Lives| {
            pool.stop();
            pool.wait().unwrap();
            lives.check(1);
            check_closed(&pool.stats());
        };
        let same = lives.clone();
        let other = beside(&pool, move |pool| stop_and_wait(pool, &same));
        stop_and_wait(&pool, &lives);
        other.join().unwrap();
        close(pool, ledger);
    });
}

/// A wait whose time is up while the last thread ends says so, and leaves that thread to whoever waits longer. (In a
/// model it waits for the last decision all the same, and only the joining has a limit.)
#[test]
fn l14_wait_that_gives_up_meets_the_last_exit() {
    explore("l14", AtMost(3), |ledger| {
        let lives = Lives::new();
        let pool = counted(0, &lives);
        submit(&pool, ledger, 1);
        pool.stop();
        let other = beside(&pool, |pool| {
            let outcome = pool.wait_timeout(Duration::ZERO);
            assert!(matches!(outcome, Ok(()) | Err(WaitError::Timeout)));
        });
        pool.wait().unwrap();
        lives.check(1);
        other.join().unwrap();
        close(pool, ledger);
    });
}

/// A payload that holds a handle of its own pool.
struct Inside {
    pool: WorkerPool<Inside>,
    act: fn(WorkerPool<Inside>),
}

impl Inside {
    fn run(self) {
        (self.act)(self.pool);
    }
}

/// A payload stops its own pool, and is told that it cannot wait for it; others can.
#[test]
fn l11_stop_inside_a_payload() {
    explore("l11", Any, |_| {
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(Inside::run).unwrap();
        let act = |pool: WorkerPool<Inside>| {
            pool.stop();
            if pool.wait() != Err(WaitError::WouldDeadlock) {
                // Contained by the worker, but counted.
                planned_panic();
            }
        };
        pool.submit(Inside { pool: pool.clone(), act }).unwrap();
        pool.wait().unwrap();
        let stats = pool.stats();
        check_closed(&stats);
        assert_eq!((stats.finished, stats.panicked), (1, 0), "finished, panicked");
    });
}

/// Two submitters are blocked behind a worker that does not come free: a stop sends both home.
#[test]
fn l12_stop_meets_blocked_submitters() {
    explore("l12", AtMost(2), |ledger| {
        let gate = Gate::closed();
        let pool = pool_of(1, 0, held_at(&gate, ..));
        submit(&pool, ledger, 1);
        let submitters = [(); 2].map(|()| submitter(&pool, ledger, turned_away));
        pool.stop();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        assert_eq!(pool.waiting(), 0, "blocked submitters after they were sent home");
        gate.open();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 2));
    });
}

/// What was queued before the stop still runs; what comes after it is refused.
#[test]
fn l13_stop_drains_the_queue() {
    explore("l13", AtMost(3), |ledger| {
        let pool = counted(2, &Lives::new());
        submit(&pool, ledger, 3);
        pool.stop();
        turned_away(&pool, ledger.payload());
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.rejected), (3, 1));
    });
}

/// `stop_now` and the worker share the queue out between them: each payload goes to one of the two.
#[test]
fn l13_stop_now_hands_the_queue_back() {
    explore("l13 now", AtMost(3), |ledger| {
        let pool = counted(2, &Lives::new());
        submit(&pool, ledger, 3);
        let rest = pool.stop_now();
        assert!(rest.is_sorted_by_key(|payload| payload.number), "handed back oldest first");
        rest.into_iter().for_each(Payload::hand_back);
        close(pool, ledger);
    });
}

/// A blocked submitter's payload has just gone from the line to the queue, and it sleeps until the queue runs low,
/// when `stop_now` empties the queue: it is told all the same.
#[test]
fn l28_stop_now_meets_submitter_to_be_told_later() {
    explore("l28 stop_now", AtMost(2), |ledger| {
        let pool = counted(1, &Lives::new());
        let second = ledger.payload();
        let submitter = submitter(&pool, ledger, |pool, first| {
            either_way(pool, first);
            either_way(pool, second);
        });
        settle(pool.try_submit(ledger.payload()));
        settle(pool.try_submit(ledger.payload()));
        pool.stop_now().into_iter().for_each(Payload::hand_back);
        submitter.join().unwrap();
        close(pool, ledger);
    });
}

/// A blocked submitter gives up just when the worker comes free for its payload. Loom has no time limits; giving up
/// for a stop runs through the same decision: whoever removes the entry has the payload.
#[test]
fn l25_giving_up_meets_being_served() {
    explore("l25", AtMost(3), |ledger| {
        let pool = counted(0, &Lives::new());
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, either_way);
        pool.stop();
        let accepted = submitter.join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!(stats.finished, 1 + u64::from(accepted));
    });
}

/// The last handle is dropped by a payload, on the worker, or by the main thread, whoever comes last: the worker ends
/// and everything is freed. Nobody could wait for it: the stop hook tells.
#[test]
fn l33_last_handle_dropped_on_a_worker() {
    explore("l33", Any, |_| {
        let gone = Gate::closed();
        let pool = {
            let gone = gone.clone();
            WorkerPool::builder()
                .max_workers(1)
                .max_idle_worker_duration(None)
                .on_worker_stop(move |_| gone.open())
                .build(Inside::run)
                .unwrap()
        };
        pool.submit(Inside { pool: pool.clone(), act: drop }).unwrap();
        drop(pool);
        gone.pass();
    });
}
