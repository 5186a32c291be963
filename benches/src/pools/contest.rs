//! How a pool is measured: many payloads from several submitters, or a lone one to an idle worker.
//!
//! Both check the tally after the pool has stopped, when nothing can run any more: every payload ran exactly once.

use super::tally::{self, Tally};
use super::{Pool, Stamp, Work};
use crate::cpu::CpuTime;
use std::hint;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Payloads that are run before measuring, so that the threads exist and the memory is mapped.
const WARM_UP: u64 = 1_000;

/// How long payloads may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much to submit, and from how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// Submitting threads.
    pub submitters: u64,
    /// Payloads in all.
    pub payloads: u64,
}

/// What submitting has cost.
#[derive(Debug, Clone, Copy)]
pub struct Throughput {
    /// From the first submit until all had run, per payload.
    pub nanos: f64,
    /// CPU time of submitters and workers together, per payload.
    pub cpu_nanos: f64,
}

/// Submits payloads that `make` makes from their numbers, and waits until all have run.
///
/// # Panics
/// When a payload did not run exactly once, or not within a minute.
pub fn throughput<T: Work, P: Pool<T>>(submission: Submission, make: impl Fn(u64) -> T + Sync) -> Throughput {
    let Submission { submitters, payloads } = submission;
    let pool = P::start();
    warm_up(&pool, &make);

    let before = Tally::now();
    let cpu_before = CpuTime::of_this_process();
    let gate = Barrier::new(usize::try_from(submitters).unwrap_or(usize::MAX));
    let submit = |first: u64| {
        gate.wait();
        let started = Instant::now();
        let numbers = (first..payloads).step_by(usize::try_from(submitters).unwrap_or(usize::MAX));
        numbers.for_each(|number| pool.submit(make(number)));
        started
    };
    let started = thread::scope(|scope| {
        let submitting: Vec<_> = (0..submitters).map(|first| scope.spawn(move || submit(first))).collect();
        let started = submitting.into_iter().map(|thread| thread.join().expect("submitting does not panic"));
        started.min().unwrap_or_else(Instant::now)
    });
    wait_until(|| Tally::now().since(before).count >= payloads);
    let elapsed = started.elapsed();
    let cpu = CpuTime::of_this_process() - cpu_before;

    pool.stop();
    assert_eq!(Tally::now().since(before), Tally::of_first(payloads), "each payload runs exactly once");
    let per_payload = |time: Duration| time.as_secs_f64() * 1e9 / payloads as f64;
    Throughput { nanos: per_payload(elapsed), cpu_nanos: per_payload(cpu.total()) }
}

/// What a submitter of lone payloads does between them.
///
/// It decides where the scheduler puts the worker: on the submitter's own core, which is about to be free, or on
/// another one, which has to be woken up first.
#[derive(Debug, Clone, Copy)]
pub enum Between {
    /// It goes to sleep: a program that waits for what comes next.
    Sleep,
    /// It keeps its core busy: an event loop that has more to do.
    Spin,
}

impl Between {
    fn pass(self, time: Duration) {
        match self {
            Self::Sleep => thread::sleep(time),
            Self::Spin => {
                let started = Instant::now();
                while started.elapsed() < time {
                    hint::spin_loop();
                }
            }
        }
    }
}

/// How long lone payloads were on their way.
#[derive(Debug, Clone)]
pub struct Lateness {
    /// One per payload, from before the submit to the first instruction of the payload.
    pub samples: Vec<Duration>,
}

/// Submits one payload at a time to workers that have been idle since the one before, sent `pause` ago at least.
///
/// # Panics
/// When a payload did not run exactly once, or not within a minute.
pub fn lateness<P: Pool<Stamp>>(payloads: u64, pause: Duration, between: Between) -> Lateness {
    let pool = P::start();
    let stamp = |number| Stamp { number, sent: Instant::now() };
    warm_up(&pool, &stamp);
    tally::take_arrival();

    let before = Tally::now();
    let mut samples = Vec::new();
    for number in 0..payloads {
        pool.submit(stamp(number));
        between.pass(pause);
        // Nearly always it has arrived by now; looking earlier would disturb it.
        wait_until(|| {
            let arrival = tally::take_arrival();
            samples.extend(arrival);
            arrival.is_some()
        });
    }

    pool.stop();
    assert_eq!(Tally::now().since(before), Tally::of_first(payloads), "each payload runs exactly once");
    Lateness { samples }
}

fn warm_up<T: Work, P: Pool<T>>(pool: &P, make: &impl Fn(u64) -> T) {
    let before = Tally::now();
    (0..WARM_UP).for_each(|number| pool.submit(make(number)));
    wait_until(|| Tally::now().since(before).count >= WARM_UP);
}

/// Looks every 50 us and sleeps in between: the cores belong to the pool.
fn wait_until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "payloads have not run within {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_micros(50));
    }
}
