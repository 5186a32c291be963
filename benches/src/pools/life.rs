//! What a pool does over time to the process that it lives in: threads that leave or stay, wake-ups of idle ones, and
//! crowds of sleeping ones.
//!
//! All of these look at figures of the whole process, so each is to run in a process of its own (see `apart`). Every
//! payload's run is checked as in a contest.

use super::contest::wait_patiently;
use super::tally::{Tally, most_napping};
use super::usage::{peak_resident, resident, threads};
use super::{Meet, Meeting, Nap, Pool, Shape, Usage};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often to look whether all payloads have run.
const GLANCE: Duration = Duration::from_millis(1);

/// What payloads may take beyond the time that they must.
const PATIENCE: Duration = Duration::from_secs(60);

/// Threads of the process beside the benchmark's own, after a burst that was followed by little work.
#[derive(Debug, Clone, Copy)]
pub struct Shrinking {
    /// The most seen during the burst.
    pub burst: f64,
    /// Those left at the end.
    pub left: f64,
    /// CPU time used after the burst, per payload, in microseconds.
    pub cpu_micros: f64,
    /// Times that a thread went to sleep after the burst, per payload; one of them is the submitter's.
    pub sleeps: f64,
}

/// A burst of payloads that sleep for 20 ms each, at once; then one payload every 5 ms, each when the one before has
/// run, for so long. Every payload of the burst may have a thread of its own.
pub fn shrinking<P: Pool<Nap>>(burst: usize, idle_limit: Duration, then: Duration) -> Shrinking {
    let own = threads();
    let pool = P::start(Shape { workers: burst, idle_limit: Some(idle_limit) });
    let before = Tally::now();
    let mut submitted = 0;
    let mut submit = |time| {
        pool.submit(Nap { number: submitted, time });
        submitted += 1;
        submitted
    };
    let mut most = 0;
    let mut wait_for = |count: u64| {
        wait_patiently(GLANCE, PATIENCE, || {
            most = most.max(threads() - own);
            Tally::now().since(before).count >= count
        });
        most
    };

    let in_burst = (0..burst).map(|_| submit(Duration::from_millis(20))).max().unwrap_or(0);
    let most = wait_for(in_burst);

    let used = Usage::of_this_process();
    let started = Instant::now();
    let mut all = in_burst;
    while started.elapsed() < then {
        all = submit(Duration::ZERO);
        thread::sleep(Duration::from_millis(5));
        // Nearly always it has run by now.
        wait_patiently(GLANCE, PATIENCE, || Tally::now().since(before).count >= all);
    }
    let used = Usage::of_this_process() - used;
    let left = threads() - own;

    pool.stop();
    assert_eq!(Tally::now().since(before), Tally::of_first(all), "each payload runs exactly once");
    let trickled = (all - in_burst) as f64;
    Shrinking {
        burst: most as f64,
        left: left as f64,
        cpu_micros: used.cpu.total().as_secs_f64() * 1e6 / trickled,
        sleeps: used.sleeps as f64 / trickled,
    }
}

/// What a process used in which a pool had nothing to do.
#[derive(Debug, Clone, Copy)]
pub struct Idleness {
    /// Threads that the pool had, before and after.
    pub threads: [f64; 2],
    /// CPU time in microseconds per second.
    pub cpu_micros: f64,
    /// Times that a thread went (back) to sleep, in all. The benchmark's own sleep is one of them.
    pub sleeps: f64,
}

/// Watches a pool of so many threads, all of which have worked before, do nothing.
///
/// # Panics
/// When so many payloads are not run at once, so that there cannot be so many threads.
pub fn idleness<P: Pool<Meet>>(workers: usize, time: Duration) -> Idleness {
    let own = threads();
    let pool = P::start(Shape::of(workers));
    let before = Tally::now();
    let meeting = Arc::new(Meeting::default());
    let all = workers as u64;
    (0..all).for_each(|number| pool.submit(Meet { number, at: Arc::clone(&meeting) }));
    assert!(meeting.is_attended_by(workers, PATIENCE), "{workers} payloads run at once");
    meeting.dissolve();
    wait_patiently(GLANCE, PATIENCE, || Tally::now().since(before).count >= all);
    let idleness = watch_idle(own, time);
    pool.stop();
    assert_eq!(Tally::now().since(before), Tally::of_first(all), "each payload runs exactly once");
    idleness
}

/// The same of a process without any pool.
#[must_use]
pub fn idleness_of_nothing(time: Duration) -> Idleness {
    watch_idle(threads(), time)
}

fn watch_idle(own: u64, time: Duration) -> Idleness {
    // Workers that spin for a while before they sleep are through with it by then.
    thread::sleep((time / 5).min(Duration::from_millis(500)));
    let at_first = threads() - own;
    let used = Usage::of_this_process();
    thread::sleep(time);
    let used = Usage::of_this_process() - used;
    Idleness {
        threads: [at_first as f64, (threads() - own) as f64],
        cpu_micros: used.cpu.total().as_secs_f64() * 1e6 / time.as_secs_f64(),
        sleeps: used.sleeps as f64,
    }
}

/// So many payloads that each sleep, and how many may do so at a time.
#[derive(Debug, Clone, Copy)]
pub struct Naps {
    /// Payloads.
    pub payloads: u64,
    /// How long each sleeps.
    pub time: Duration,
    /// The most threads that run payloads.
    pub capacity: usize,
}

impl Naps {
    /// What it would take if threads cost nothing.
    #[must_use]
    pub fn ideal(&self) -> Duration {
        let turns = self.payloads.div_ceil(self.capacity as u64);
        Duration::from_secs_f64(self.time.as_secs_f64() * turns as f64)
    }
}

/// What a crowd of sleeping payloads has cost.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// From the first submit until all had run.
    pub seconds: f64,
    /// CPU time per payload in microseconds.
    pub cpu_micros: f64,
    /// The most threads seen beside the benchmark's own.
    pub threads: f64,
    /// The most memory that was resident beyond what was before, in KiB. What waits in a queue is part of it.
    pub grown: f64,
}

/// Submits them all from one thread, and waits until they have run.
///
/// # Panics
/// When a payload did not run exactly once, or more than the capacity at a time.
pub fn crowd<P: Pool<Nap>>(naps: Naps) -> Crowd {
    let Naps { payloads, time, capacity } = naps;
    let own = threads();
    let resident = resident();
    let used = Usage::of_this_process();
    let before = Tally::of_slow_payloads();

    let started = Instant::now();
    let pool = P::start(Shape::of(capacity));
    let mut most = 0;
    for number in 0..payloads {
        pool.submit(Nap { number, time });
        // Looking takes a few microseconds: not after every payload.
        if number % 1_000 == 999 {
            most = most.max(threads() - own);
        }
    }
    let patience = naps.ideal() * 20 + PATIENCE;
    wait_patiently(GLANCE, patience, || Tally::of_slow_payloads().since(before).count >= payloads);
    let elapsed = started.elapsed();
    let used = Usage::of_this_process() - used;
    let grown = peak_resident().saturating_sub(resident);

    pool.stop();
    let ran = Tally::of_slow_payloads().since(before);
    assert_eq!(ran, Tally::of_first(payloads), "each payload runs exactly once");
    let at_once = most_napping();
    assert!(at_once <= capacity, "{at_once} payloads ran at once where {capacity} may");
    Crowd {
        seconds: elapsed.as_secs_f64(),
        cpu_micros: used.cpu.total().as_secs_f64() * 1e6 / payloads as f64,
        threads: most as f64,
        grown: grown as f64,
    }
}

/// How many threads of this process the system allows at once, tried out, but no more than `wanted`.
#[must_use]
pub fn affordable_threads(wanted: usize) -> usize {
    let meeting = Meeting::default();
    thread::scope(|scope| {
        let begin = |_: &usize| thread::Builder::new().spawn_scoped(scope, || meeting.attend()).is_ok();
        let begun = (0..wanted).take_while(begin).count();
        meeting.dissolve();
        begun
    })
}
