//! How a pool is measured: many payloads from several submitters, or a lone one to an idle worker.
//!
//! Both check the tally after the pool has stopped, when nothing can run any more: every payload ran exactly once.

use super::tally::{self, Tally};
use super::{Meet, Meeting, Pool, Shape, Stamp, Strict, Usage, WORKERS, Work};
use std::hint;
use std::sync::{Arc, Barrier};
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
    /// Times that a submitter or a worker went to sleep, per payload.
    pub sleeps: f64,
}

/// Submits payloads that `make` makes from their numbers, and waits until all have run.
///
/// # Panics
/// When a payload did not run exactly once, or not within a minute.
pub fn throughput<T: Work, P: Pool<T>>(submission: Submission, make: impl Fn(u64) -> T + Sync) -> Throughput {
    let Submission { submitters, payloads } = submission;
    let pool = P::start(Shape::of(WORKERS));
    warm_up(&pool, &make);

    let before = Tally::now();
    let used_before = Usage::of_this_process();
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
    let used = Usage::of_this_process() - used_before;

    pool.stop();
    assert_eq!(Tally::now().since(before), Tally::of_first(payloads), "each payload runs exactly once");
    let per_payload = |time: Duration| time.as_secs_f64() * 1e9 / payloads as f64;
    Throughput {
        nanos: per_payload(elapsed),
        cpu_nanos: per_payload(used.cpu.total()),
        sleeps: used.sleeps as f64 / payloads as f64,
    }
}

/// Whether a pool takes nothing while its [`WORKERS`] threads are busy, and takes payloads again when they are not.
pub fn is_strict<P: Strict<Meet>>() -> bool {
    let pool = P::start(Shape::of(WORKERS));
    let meeting = Arc::new(Meeting::default());
    let meet = |number| Meet { number, at: Arc::clone(&meeting) };
    (0..WORKERS as u64).for_each(|number| pool.submit(meet(number)));
    assert!(meeting.is_attended_by(WORKERS, PATIENCE), "{WORKERS} payloads run at once");
    let refuses = pool.try_submit(meet(0)).is_err();
    meeting.dissolve();
    pool.submit(meet(WORKERS as u64));
    pool.stop();
    refuses
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
    let pool = P::start(Shape::of(WORKERS));
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
fn wait_until(done: impl FnMut() -> bool) {
    wait_patiently(Duration::from_micros(50), PATIENCE, done);
}

/// Looks that often and sleeps in between; fails when it takes longer than `patience`.
pub(super) fn wait_patiently(interval: Duration, patience: Duration, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < patience, "payloads have not run within {} s", patience.as_secs());
        thread::sleep(interval);
    }
}
