//! How a driver finds out by itself that the user's code blocks.
//!
//! The idea: a driver reads the clock once for each question to the poller anyhow. When what it ran since then took too
//! long on the average, or as a whole, it times the next runs one by one, for a while; so the calm path pays nothing,
//! and what blocks is found within some milliseconds, however short each time is. What a run took counts as blocking
//! when the thread was asleep for most of it: not when others had the CPU, as on a machine with more work than cores
//! anything may take long. Computing is better left where it is, unless it keeps others from being served for long.

use std::time::{Duration, Instant};

use crate::engine::dispatch::predict::FAST;
use crate::util::thread::ThreadUse;

/// Runs that are timed one by one, once there is a reason to.
const RUNS: u32 = 128;
/// The mean time of a run which is a reason.
const SUSPICIOUS_MEAN: Duration = FAST;
/// What all runs of a pass may take together, and besides for each, before that is a reason.
const PASS: Duration = Duration::from_millis(1);
const PASS_RUN: Duration = Duration::from_micros(20);
/// Computing for so long is as bad as blocking.
const LONG: Duration = Duration::from_micros(500);

/// What a timed run was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// It held nobody up.
    Quick,
    /// It kept others waiting by sleeping.
    Blocked,
    /// It kept others waiting by computing for long.
    Computed,
}

/// One driver's clocks.
#[derive(Debug)]
pub(crate) struct SelfTiming {
    /// Runs that are still to be timed one by one.
    closely: u32,
    /// Runs of this pass.
    ran: u32,
    pass_began: Instant,
    /// What the thread had used when that was read last in this pass.
    mark: Option<ThreadUse>,
}

impl SelfTiming {
    pub(crate) fn new() -> Self {
        SelfTiming { closely: 0, ran: 0, pass_began: Instant::now(), mark: None }
    }

    /// Times the next runs one by one.
    pub(crate) fn look_closely(&mut self) {
        self.closely = RUNS;
    }

    /// The driver comes back from the poller.
    pub(crate) fn pass_begins(&mut self, now: Instant) {
        self.ran = 0;
        self.pass_began = now;
        self.mark = None;
    }

    /// The driver has served what there was, and asks the poller again.
    pub(crate) fn pass_ends(&mut self, now: Instant) {
        if self.ran > 0 && is_suspicious(now.saturating_duration_since(self.pass_began), self.ran) {
            self.look_closely();
        }
    }

    /// A run of the user's code begins; `must`: it is to be timed. `None`: it is not.
    #[inline]
    pub(crate) fn begins(&mut self, must: bool) -> Option<Instant> {
        self.ran += 1;
        (must || self.closely > 0).then(|| self.begins_timed())
    }

    #[cold]
    fn begins_timed(&mut self) -> Instant {
        self.closely = self.closely.saturating_sub(1);
        let now = Instant::now();
        if self.mark.is_none() {
            self.mark = ThreadUse::now();
        }
        now
    }

    /// A run that began at `begun` is over.
    pub(crate) fn ended(&mut self, begun: Instant) -> Run {
        let now = Instant::now();
        let took = now.saturating_duration_since(begun);
        if took < FAST {
            return Run::Quick;
        }
        let used = ThreadUse::now();
        let run = Run::of(self.mark, used, took);
        self.mark = used.or(self.mark);
        run
    }
}

impl Run {
    /// That of a run of at least [`FAST`] that took so long, with what the thread had used before and behind it.
    pub(crate) fn of(before: Option<ThreadUse>, behind: Option<ThreadUse>, took: Duration) -> Self {
        let (slept, ran) = before.zip(behind).map_or((true, took), |(before, behind)| {
            (before.slept_since(behind, took), before.ran_since(behind, took))
        });
        if slept {
            Self::Blocked
        } else if ran >= LONG {
            Self::Computed
        } else {
            Self::Quick
        }
    }
}

/// Whether so many runs that took so long together are a reason to look closely.
fn is_suspicious(took: Duration, runs: u32) -> bool {
    took >= SUSPICIOUS_MEAN * runs || took >= PASS + PASS_RUN * runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suspicious() {
        let micros = Duration::from_micros;
        for (took, runs, expected) in [
            (99, 1, false),
            (100, 1, true),
            (160 * 32, 32, true),
            (10 * 64, 64, false),
            (1_000 + 10 * 32, 32, false),
            (1_000 + 20 * 32, 32, true),
        ] {
            assert_eq!(is_suspicious(micros(took), runs), expected, "{took} us for {runs}");
        }
    }

    #[test]
    fn blocking_is_told_from_computing() {
        let mut timing = SelfTiming::new();
        assert_eq!(timing.begins(false), None);
        let begun = timing.begins(true).expect("it must be timed");
        std::thread::sleep(FAST);
        assert_eq!(timing.ended(begun), Run::Blocked);

        let begun = timing.begins(true).expect("it must be timed");
        assert_eq!(timing.ended(begun), Run::Quick);

        // The quickest of several: something else may have had the CPU meanwhile.
        let computes = |timing: &mut SelfTiming, micros| {
            let begun = timing.begins(true).expect("it must be timed");
            while begun.elapsed() < Duration::from_micros(micros) {
                std::hint::spin_loop();
            }
            timing.ended(begun)
        };
        if ThreadUse::now().is_some() {
            assert!((0..100).any(|_| computes(&mut timing, 200) == Run::Quick));
            // As often as there is a core for it.
            let computed =
                (0..2_000).filter(|_| computes(&mut timing, 600) == Run::Computed).take(10).count();
            assert_eq!(computed, 10, "something else has had the CPU");
        }
    }

    #[test]
    fn a_slow_pass_is_a_reason_to_look_for_a_while() {
        let mut timing = SelfTiming::new();
        let began = Instant::now();
        timing.pass_begins(began);
        assert_eq!(timing.begins(false), None);
        timing.pass_ends(began + FAST);
        for _ in 0..RUNS {
            assert!(timing.begins(false).is_some());
        }
        assert_eq!(timing.begins(false), None);
        timing.pass_begins(began);
        timing.pass_ends(began + LONG);
        assert_eq!(timing.begins(false), None, "nothing of the user's ran");
    }
}
