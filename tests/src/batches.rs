//! Pools whose workers take short payloads in batches, and can be held in the midst of one.
//!
//! None of this is in the pool's public API, so a scene brings workers to it by many payloads that take no time at all,
//! and then holds them: the rule is that a held worker has, as a rule, others behind the payload that it runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use anthill_pool::WorkerPool;

use crate::pool::Held;
use crate::{Gate, PATIENCE};

/// So many payloads without a pause make a worker take as many at a time as it may.
pub const WARM_UP: usize = 400;

/// A payload is a number, and some of them meet a gate.
#[derive(Clone, Debug)]
pub enum Step {
    /// Takes no time.
    Quick(usize),
    /// Takes as long as its gate is closed.
    Held(Held),
}

impl Step {
    /// Its number.
    pub fn number(&self) -> usize {
        match self {
            Step::Quick(number) => *number,
            Step::Held(held) => held.number,
        }
    }
}

/// A pool, what it ran in the order of the starts, and the most that ran at a time since somebody set it to 0.
pub struct Scene {
    /// The pool.
    pub pool: WorkerPool<Step>,
    /// What was started, in that order.
    pub ran: Arc<Mutex<Vec<usize>>>,
    /// The most that ran at a time.
    pub most: Arc<AtomicUsize>,
    /// Says which payloads have come to their gate.
    pub gated: Receiver<usize>,
}

impl Scene {
    /// So many workers, with room for so many payloads.
    pub fn new(workers: usize, capacity: usize) -> Self {
        let (ran, most) = <(Arc<Mutex<Vec<usize>>>, Arc<AtomicUsize>)>::default();
        let (record, peak, running) = (ran.clone(), most.clone(), AtomicUsize::new(0));
        let (arrives, gated) = channel();
        let pool = WorkerPool::builder()
            .max_workers(workers)
            .queue_capacity(capacity)
            .build(move |step: Step| {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                record.lock().unwrap().push(step.number());
                if let Step::Held(held) = &step {
                    arrives.send(held.number).unwrap();
                    held.gate.pass();
                }
                running.fetch_sub(1, Ordering::SeqCst);
            })
            .unwrap();
        Scene { pool, ran, most, gated }
    }

    /// Keeps all workers busy until the returned gate opens.
    pub fn plug(&self, workers: usize) -> Gate {
        let gate = Gate::new();
        for number in 0..workers {
            let held = Held { number: usize::MAX - number, gate: gate.clone() };
            self.pool.try_submit(Step::Held(held)).unwrap();
        }
        for _ in 0..workers {
            self.gated.recv_timeout(PATIENCE).unwrap();
        }
        gate
    }

    /// Submits without waiting for room, which must be there.
    pub fn submit(&self, steps: Vec<Step>) {
        let count = steps.len();
        assert_eq!(self.pool.try_submit_many(steps).unwrap(), count);
    }

    /// Submits the numbers up to `end`, with a slow one for each worker among them, and opens the plug.
    pub fn slow_among_quick(&self, workers: usize, end: usize, plug: &Gate) -> Vec<Held> {
        let slow: Vec<Held> = (0..workers).map(|number| Held::new(WARM_UP + 100 * number)).collect();
        let mut steps = quick(0..end);
        for held in &slow {
            steps[held.number] = Step::Held(held.clone());
        }
        self.submit(steps);
        plug.open();
        // The workers do not run in step; but each ends up at a gate, with something in its hand or not.
        for _ in 0..workers {
            self.gated.recv_timeout(PATIENCE).unwrap();
        }
        slow
    }
}

/// Payloads that take no time.
pub fn quick(numbers: std::ops::Range<usize>) -> Vec<Step> {
    numbers.map(Step::Quick).collect()
}
