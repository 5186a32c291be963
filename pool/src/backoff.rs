//! How long to wait before the next attempt: a rule, and nothing that waits.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How many attempts there are when nothing is said.
const DEFAULT_ATTEMPTS: u32 = 5;
/// The longest pause when nothing is said.
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(60);

/// When to try again what has failed: pauses that grow, each blurred by chance, and a bound on attempts.
///
/// The pause after the n-th failure is `initial * factor^(n - 1)`, at most [`max_delay`](Self::max_delay), of which
/// [`jitter`](Self::jitter) takes a part by chance, so that many who failed together do not come back together.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::{Backoff, Jitter};
///
/// let backoff = Backoff::exponential(Duration::from_millis(100))
///     .max_delay(Duration::from_millis(300))
///     .jitter(Jitter::None)
///     .max_attempts(5);
/// let pauses: Vec<_> = (1..).map_while(|failures| backoff.delay_after(failures)).collect();
/// assert_eq!(pauses, [100, 200, 300, 300].map(Duration::from_millis));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a rule does nothing by itself"]
pub struct Backoff {
    initial: Duration,
    factor: f64,
    max_delay: Duration,
    jitter: Jitter,
    max_attempts: Option<u32>,
}

/// How much of a pause is left to chance; see [`Backoff::jitter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// Nothing: each pause has its full length.
    None,
    /// The second half: a pause lasts between half of its length and all of it.
    Equal,
    /// All of it: a pause lasts between nothing and its full length. Spreads best those who failed together.
    #[default]
    Full,
}

impl Backoff {
    /// Pauses that double from `initial` on, up to a minute, with full jitter; 5 attempts.
    pub const fn exponential(initial: Duration) -> Self {
        Backoff {
            initial,
            factor: 2.0,
            max_delay: DEFAULT_MAX_DELAY,
            jitter: Jitter::Full,
            max_attempts: Some(DEFAULT_ATTEMPTS),
        }
    }

    /// Pauses of the same length, `delay`, without jitter; 5 attempts.
    pub const fn constant(delay: Duration) -> Self {
        Backoff { factor: 1.0, max_delay: delay, jitter: Jitter::None, ..Self::exponential(delay) }
    }

    /// What each pause is of the one before, 2 when not set. Below 1, or no number, counts as 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor.max(1.0);
        self
    }

    /// The longest pause, a minute when not set; the first one, too, is cut to it.
    pub fn max_delay(mut self, limit: Duration) -> Self {
        self.max_delay = limit;
        self
    }

    /// How much of a pause is left to chance, [`Jitter::Full`] when not set.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many attempts there are in all, the first included; 5 when not set, without bound with `None`. 0 counts
    /// as 1.
    pub fn max_attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.max_attempts = attempts.into();
        self
    }

    /// The pause before the next attempt when so many have `failed`, by chance as [`jitter`](Self::jitter) says; `None`
    /// when there is no further attempt. 0 counts as 1.
    pub fn delay_after(&self, failed: u32) -> Option<Duration> {
        self.has_attempt_after(failed).then(|| self.blur(self.longest_after(failed), random()))
    }

    fn has_attempt_after(&self, failed: u32) -> bool {
        self.max_attempts.is_none_or(|attempts| failed.max(1) < attempts)
    }

    /// The full length of the pause.
    fn longest_after(&self, failed: u32) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // What is no duration is too long for one, unless it is nothing taken often.
        match Duration::try_from_secs_f64(seconds) {
            Ok(delay) => delay.min(self.max_delay),
            Err(_) if self.initial.is_zero() => Duration::ZERO,
            Err(_) => self.max_delay,
        }
    }

    fn blur(&self, delay: Duration, random: u64) -> Duration {
        match self.jitter {
            Jitter::None => delay,
            Jitter::Equal => {
                let half = delay / 2;
                half + part_of(delay - half, random)
            }
            Jitter::Full => part_of(delay, random),
        }
    }
}

/// `random` of 2^64 parts of `delay`, to the nanosecond.
fn part_of(delay: Duration, random: u64) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    // Split, because nanoseconds of the longest durations times 2^64 are no `u128`.
    let nanos = delay.as_nanos();
    let random = u128::from(random);
    let part = (nanos >> 64) * random + (((nanos & u128::from(u64::MAX)) * random) >> 64);
    let seconds = u64::try_from(part / NANOS).expect("no more than the whole has");
    Duration::new(seconds, u32::try_from(part % NANOS).expect("below a second"))
}

/// Every hasher of the standard library's has keys of its own, from the system's random numbers.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_grow_by_the_factor_up_to_the_longest() {
        let backoff = Backoff::exponential(100 * MILLI).factor(1.5).jitter(Jitter::None).max_attempts(None);
        let pauses: Vec<_> = (0..5).map(|failed| backoff.delay_after(failed).unwrap()).collect();
        assert_eq!(pauses, [100.0, 100.0, 150.0, 225.0, 337.5].map(|ms| MILLI.mul_f64(ms)));
        for failed in [100, 5_000, u32::MAX] {
            assert_eq!(backoff.delay_after(failed), Some(DEFAULT_MAX_DELAY), "after {failed}");
        }
        assert_eq!(backoff.max_delay(30 * MILLI).delay_after(1), Some(30 * MILLI));
    }

    #[test]
    fn attempts_are_counted_with_the_first() {
        let backoff = Backoff::constant(MILLI).max_attempts(3);
        let pauses = [0, 1, 2, 3, 4, u32::MAX].map(|failed| backoff.delay_after(failed));
        assert_eq!(pauses, [Some(MILLI), Some(MILLI), Some(MILLI), None, None, None]);
        assert_eq!(backoff.max_attempts(1).delay_after(1), None);
        assert_eq!(backoff.max_attempts(0).delay_after(0), None);
        assert_eq!(backoff.max_attempts(None).delay_after(u32::MAX), Some(MILLI));
    }

    #[test]
    fn odd_rules_are_no_panic() {
        for factor in [f64::NAN, f64::NEG_INFINITY, -2.0, 0.0, 0.5, f64::INFINITY] {
            for initial in [Duration::ZERO, MILLI, Duration::MAX] {
                for jitter in [Jitter::None, Jitter::Equal, Jitter::Full] {
                    let odd = Backoff::exponential(initial).factor(factor).jitter(jitter).max_attempts(None);
                    for failed in [0, 1, 2, 1_000, u32::MAX] {
                        let limited = odd.delay_after(failed).unwrap();
                        assert!(limited <= DEFAULT_MAX_DELAY, "{odd:?} after {failed}: {limited:?}");
                        assert!(odd.max_delay(Duration::MAX).delay_after(failed).is_some());
                    }
                }
            }
        }
        assert_eq!(Backoff::constant(MILLI).factor(f64::NAN).delay_after(4), Some(MILLI));
        assert_eq!(
            Backoff::exponential(Duration::ZERO).factor(f64::INFINITY).longest_after(9),
            Duration::ZERO
        );
    }

    #[test]
    fn chance_takes_no_more_than_its_part() {
        let delay = Duration::from_nanos(1_000_000_001);
        let blurred = |jitter, random| Backoff::constant(delay).jitter(jitter).blur(delay, random);
        assert_eq!(blurred(Jitter::Full, 0), Duration::ZERO);
        assert_eq!(blurred(Jitter::Full, u64::MAX), delay - Duration::from_nanos(1));
        assert_eq!(blurred(Jitter::Full, 1 << 63), Duration::from_nanos(500_000_000));
        assert_eq!(blurred(Jitter::Equal, 0), Duration::from_nanos(500_000_000));
        assert_eq!(blurred(Jitter::Equal, u64::MAX), delay - Duration::from_nanos(1));
        assert!(part_of(Duration::MAX, u64::MAX) <= Duration::MAX);
    }

    #[test]
    fn pauses_spread_over_their_whole_range() {
        let backoff = Backoff::exponential(Duration::from_secs(8));
        let mut hit = [false; 8];
        // Missed by one run in 10^57.
        for _ in 0..1_000 {
            let delay = backoff.delay_after(1).unwrap();
            hit[usize::try_from(delay.as_secs()).unwrap()] = true;
        }
        assert_eq!(hit, [true; 8]);
    }
}
