//! Stops against everything else, and what `wait` promises.

use std::time::Duration;

use loom::thread;

use anthill_pool::{SubmitError, WaitError, WorkerPool};

use crate::support::Preemptions::{Any, AtMost};
use crate::support::{Gate, Ledger, Lives, Payload, check_closed, close, explore, settle};

/// A pool of one worker whose threads are counted.
fn counted(queue: usize, lives: &Lives) -> WorkerPool<Payload> {
    let (starting, ending) = (lives.clone(), lives.clone());
    WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .on_worker_start(move |_| starting.start())
        .on_worker_stop(move |_| ending.end())
        .build(Payload::run)
        .unwrap()
}

/// The worker goes idle just when the pool is stopped: it does not stay behind on the ready stack.
#[test]
fn l07_worker_going_idle_meets_stop() {
    explore("l07", Any, || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let pool = counted(0, &lives);
        assert!(settle(pool.submit(ledger.payload())));
        pool.stop();
        assert_eq!(pool.stats().idle, 0, "idle workers after a stop");
        let stats = close(pool, &ledger);
        assert_eq!(stats.finished, 1);
        lives.check(1);
    });
}

/// A stop comes while a submitter makes a thread: the payload runs or comes back, and `wait` joins the thread, which
/// may have left before its handle was stored.
#[test]
fn l08_stop_meets_thread_being_made() {
    explore("l08", AtMost(3), || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let pool = counted(0, &lives);
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || settle(pool.submit(payload)))
        };
        pool.stop();
        pool.wait().unwrap();
        let ran = ledger.ran();
        lives.check(ran);
        let accepted = submitter.join().unwrap();
        assert_eq!(ledger.ran(), ran, "payloads run after wait");
        let stats = close(pool, &ledger);
        assert_eq!(stats.accepted, u64::from(accepted));
    });
}

/// A submission falls together with a stop: it is accepted and run, or refused; and after `wait` nothing runs.
#[test]
fn l09_submission_meets_stop() {
    explore("l09", AtMost(3), || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let pool = counted(1, &lives);
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || settle(pool.submit(payload)))
        };
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
        close(pool, &ledger);
    });
}

/// Two threads stop and wait: both see the pool at its end, with no thread left.
#[test]
fn l10_two_stops() {
    explore("l10", AtMost(3), || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let pool = counted(0, &lives);
        assert!(settle(pool.submit(ledger.payload())));
        let stop_and_wait = |pool: &WorkerPool<Payload>, lives: &Lives| {
            pool.stop();
            pool.wait().unwrap();
            lives.check(1);
            check_closed(&pool.stats());
        };
        let other = {
            let (pool, lives) = (pool.clone(), lives.clone());
            thread::spawn(move || stop_and_wait(&pool, &lives))
        };
        stop_and_wait(&pool, &lives);
        other.join().unwrap();
        close(pool, &ledger);
    });
}

/// A wait whose time is up while the last thread ends says so, and leaves that thread to whoever waits longer. (In a
/// model it waits for the last decision all the same, and only the joining has a limit.)
#[test]
fn l14_wait_that_gives_up_meets_the_last_exit() {
    explore("l14", AtMost(3), || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let pool = counted(0, &lives);
        assert!(settle(pool.submit(ledger.payload())));
        pool.stop();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                let outcome = pool.wait_timeout(Duration::ZERO);
                assert!(matches!(outcome, Ok(()) | Err(WaitError::Timeout)));
            })
        };
        pool.wait().unwrap();
        lives.check(1);
        other.join().unwrap();
        close(pool, &ledger);
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
    explore("l11", Any, || {
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(Inside::run).unwrap();
        let act = |pool: WorkerPool<Inside>| {
            pool.stop();
            if pool.wait() != Err(WaitError::WouldDeadlock) {
                // Contained by the worker, but counted.
                std::panic::resume_unwind(Box::new("wait must be refused"));
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
    explore("l12", AtMost(2), || {
        let ledger = Ledger::new();
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
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let (pool, payload) = (pool.clone(), ledger.payload());
                thread::spawn(move || {
                    let outcome = pool.submit(payload);
                    assert!(matches!(outcome, Err(SubmitError::Closed(_))));
                    settle(outcome);
                })
            })
            .collect();
        pool.stop();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        assert_eq!(pool.waiting(), 0, "blocked submitters after they were sent home");
        gate.open();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 2));
    });
}

/// What was queued before the stop still runs; what comes after it is refused.
#[test]
fn l13_stop_drains_the_queue() {
    explore("l13", AtMost(3), || {
        let ledger = Ledger::new();
        let pool = counted(2, &Lives::new());
        for _ in 0..3 {
            assert!(settle(pool.submit(ledger.payload())));
        }
        pool.stop();
        let late = pool.submit(ledger.payload());
        assert!(matches!(late, Err(SubmitError::Closed(_))), "accepted after the stop");
        settle(late);
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.rejected), (3, 1));
    });
}

/// `stop_now` and the worker share the queue out between them: each payload goes to one of the two.
#[test]
fn l13_stop_now_hands_the_queue_back() {
    explore("l13 now", AtMost(3), || {
        let ledger = Ledger::new();
        let pool = counted(2, &Lives::new());
        for _ in 0..3 {
            assert!(settle(pool.submit(ledger.payload())));
        }
        let rest = pool.stop_now();
        assert!(rest.is_sorted_by_key(|payload| payload.number), "handed back oldest first");
        rest.into_iter().for_each(Payload::hand_back);
        close(pool, &ledger);
    });
}

/// A blocked submitter's payload has just gone from the line to the queue, and it sleeps until the queue runs low,
/// when `stop_now` empties the queue: it is told all the same.
#[test]
fn l28_stop_now_meets_submitter_to_be_told_later() {
    explore("l28 stop_now", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = counted(1, &Lives::new());
        let submitter = {
            let (pool, first, second) = (pool.clone(), ledger.payload(), ledger.payload());
            thread::spawn(move || {
                settle(pool.submit(first));
                settle(pool.submit(second));
            })
        };
        settle(pool.try_submit(ledger.payload()));
        settle(pool.try_submit(ledger.payload()));
        pool.stop_now().into_iter().for_each(Payload::hand_back);
        submitter.join().unwrap();
        close(pool, &ledger);
    });
}

/// A blocked submitter gives up just when the worker comes free for its payload. Loom has no time limits; giving up
/// for a stop runs through the same decision: whoever removes the entry has the payload.
#[test]
fn l25_giving_up_meets_being_served() {
    explore("l25", AtMost(3), || {
        let ledger = Ledger::new();
        let pool = counted(0, &Lives::new());
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || settle(pool.submit(payload)))
        };
        pool.stop();
        let accepted = submitter.join().unwrap();
        let stats = close(pool, &ledger);
        assert_eq!(stats.finished, 1 + u64::from(accepted));
    });
}

/// The last handle is dropped by a payload, on the worker, or by the main thread, whoever comes last: the worker ends
/// and everything is freed. Nobody could wait for it: the stop hook tells.
#[test]
fn l33_last_handle_dropped_on_a_worker() {
    explore("l33", Any, || {
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
