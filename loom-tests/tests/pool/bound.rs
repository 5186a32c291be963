//! The bound of the queue against batches: what a worker took along counts until it is started, and no longer; and
//! the short way into the queue leads past nobody.
//!
//! In most scenes the only worker takes numbers 2 to 4 as a batch (see `hands.rs`) and is held in some of them, one
//! gate each, with a capacity of four.

use std::ops::Range;
use std::sync::Arc;

use anthill_pool::WorkerPool;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::handlers::one_waits_for;
use crate::ledger::{Ledger, Payload};
use crate::scene::{accepted, close, either_way, explore, pool_of, settle, submit, submitter, wait_for_all};
use crate::support::Gate;
use crate::support::Preemptions::AtMost;

const CAPACITY: usize = 4;

/// A pool with one worker, which is held at a gate in each of some numbers.
struct Held {
    pool: WorkerPool<Payload>,
    numbers: Range<usize>,
    gates: Vec<loom::sync::Arc<Gate>>,
    inside: loom::sync::Arc<AtomicUsize>,
}

impl Held {
    /// Held in these numbers, of which there must be 0; the queue is full.
    fn in_numbers(numbers: Range<usize>, ledger: &Arc<Ledger>) -> Self {
        let gates: Vec<_> = numbers.clone().map(|_| Gate::closed()).collect();
        let inside = loom::sync::Arc::new(AtomicUsize::new(0));
        let handler = {
            let (numbers, gates, inside) = (numbers.clone(), gates.clone(), inside.clone());
            move |payload: Payload| {
                if numbers.contains(&payload.number) {
                    inside.store(payload.number + 1, Ordering::SeqCst);
                    gates[payload.number - numbers.start].pass();
                }
                payload.run();
            }
        };
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(CAPACITY)
            .batch(3)
            .max_idle_worker_duration(None)
            .build(handler)
            .unwrap();
        submit(&pool, ledger, 1 + CAPACITY);
        Held { pool, numbers, gates, inside }
    }

    /// In number 2, the first of its batch, of which 3 and 4 are left.
    fn in_its_batch(ledger: &Arc<Ledger>) -> Self {
        let held = Held::in_numbers(0..4, ledger);
        held.open(0);
        held.open(1);
        held.reaches(2);
        held
    }

    fn open(&self, number: usize) {
        self.gates[number - self.numbers.start].open();
    }

    /// Waits until the worker is in that number.
    fn reaches(&self, number: usize) {
        while self.inside.load(Ordering::SeqCst) != number + 1 {
            thread::yield_now();
        }
    }

    /// Whether one more is accepted now.
    fn accepts(&self, ledger: &Arc<Ledger>) -> bool {
        settle(self.pool.try_submit(ledger.payload()))
    }
}

/// Two payloads of a batch are not started: two more have room, and one more for each that is started.
#[test]
fn what_a_worker_took_along_counts_until_it_is_started() {
    explore("bound", AtMost(2), |ledger| {
        let held = Held::in_its_batch(ledger);
        assert!(held.accepts(ledger) && held.accepts(ledger), "there are two places");
        assert!(!held.accepts(ledger), "what the worker took along counts");
        held.open(2);
        held.reaches(3);
        assert!(held.accepts(ledger), "what was started leaves its place");
        assert_eq!(held.pool.stats().queued, CAPACITY);
        held.open(3);
        close(held.pool, ledger);
    });
}

/// The same while nobody is held: submissions race with the worker, and there are never more than there may be.
#[test]
fn submissions_meet_a_worker_with_a_batch() {
    explore("bound race", AtMost(2), |ledger| {
        let held = Held::in_numbers(0..1, ledger);
        held.open(0);
        for _ in 0..3 {
            either_way(&held.pool, ledger.payload());
            let queued = held.pool.stats().queued;
            assert!(queued <= CAPACITY, "{queued} are queued");
        }
        close(held.pool, ledger);
    });
}

/// A payload of a batch was started, and a broadcast takes the rest back while a submitter waits for room: the place is
/// the submitter's, and nobody overtakes it.
#[test]
fn nobody_overtakes_the_line_when_a_batch_is_taken_back() {
    explore("bound line", AtMost(1), |ledger| {
        let held = Held::in_its_batch(ledger);
        accepted(&held.pool, ledger.payload());
        accepted(&held.pool, ledger.payload());
        let submitter = submitter(&held.pool, ledger, accepted);
        while held.pool.waiting() == 0 {
            thread::yield_now();
        }
        held.open(2);
        held.reaches(3);
        held.pool.broadcast(|_| {});
        assert!(!held.accepts(ledger), "a payload overtook a submitter that waits");
        held.open(3);
        submitter.join().unwrap();
        close(held.pool, ledger);
    });
}

/// A broadcast is run before what the worker took along.
#[test]
fn broadcast_meets_a_batch() {
    explore("bound broadcast", AtMost(2), |ledger| {
        let held = Held::in_its_batch(ledger);
        let run = loom::sync::Arc::new(AtomicUsize::new(0));
        let (told, inside) = (run.clone(), held.inside.clone());
        held.pool.broadcast(move |_| told.store(inside.load(Ordering::SeqCst), Ordering::SeqCst));
        held.open(2);
        held.reaches(3);
        assert_eq!(run.load(Ordering::SeqCst), 3, "a broadcast waited for a batch");
        held.open(3);
        close(held.pool, ledger);
    });
}

/// A queue has room, and so has the cap: a payload gets a worker of its own, for which another one waits.
#[test]
fn second_payload_gets_a_worker_of_its_own_beside_a_queue() {
    explore("bound cap", AtMost(2), |ledger| {
        let pool = pool_of(2, 1, one_waits_for(0, 1));
        submit(&pool, ledger, 2);
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}
