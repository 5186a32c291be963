//! How long payloads waited and ran: histograms with a bucket per doubling.

use std::fmt;
use std::time::Duration;

use crate::sync::Mutex;

/// Buckets: under 1 us, then doublings of a microsecond; the last takes everything from about five hours up.
const BUCKETS: usize = 36;

/// The histograms of one pool.
#[derive(Debug, Default)]
pub(crate) struct Times {
    // One lock for both, taken once per payload by pools that asked for it: an outside observer never sees a wait
    // without its run.
    both: Mutex<PoolTimes>,
}

impl Times {
    pub(crate) fn record(&self, waited: Duration, ran: Duration) {
        let mut both = self.both.lock();
        both.wait.record(waited);
        both.run.record(ran);
    }

    pub(crate) fn snapshot(&self) -> PoolTimes {
        self.both.lock().clone()
    }
}

/// How long the payloads of a pool waited and ran; see [`WorkerPool::times`](crate::WorkerPool::times).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PoolTimes {
    /// From the call of `submit` to the payload's start: blocked, queued and on its way to the worker.
    pub wait: Histogram,
    /// From the payload's start to its end, by return or panic.
    pub run: Histogram,
}

impl PoolTimes {
    /// Adds what another pool has measured.
    pub(crate) fn add(&mut self, other: &PoolTimes) {
        self.wait.add(&other.wait);
        self.run.add(&other.run);
    }
}

/// Durations counted in buckets that double: under 1 us, 1 to 2 us, 2 to 4 us, and so on.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::WorkerPool;
///
/// let pool = WorkerPool::builder()
///     .max_workers(1)
///     .measure_times(true)
///     .build(|pause: Duration| std::thread::sleep(pause))?;
/// pool.submit(Duration::from_millis(10))?;
/// pool.stop();
/// pool.wait()?;
/// let run = pool.times().unwrap().run;
/// assert_eq!(run.count(), 1);
/// assert!(run.mean() >= Duration::from_millis(10));
/// assert!(run.quantile(0.5) >= Duration::from_millis(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum: Duration,
    max: Duration,
}

impl Histogram {
    fn record(&mut self, time: Duration) {
        self.counts[bucket_of(time)] += 1;
        self.sum = self.sum.saturating_add(time);
        self.max = self.max.max(time);
    }

    fn add(&mut self, other: &Histogram) {
        for (count, others) in self.counts.iter_mut().zip(other.counts) {
            *count += others;
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    fn write_row(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "{name:4} {:>9}", self.count())?;
        [self.mean(), self.quantile(0.5), self.quantile(0.9), self.quantile(0.99), self.max]
            .iter()
            .try_for_each(|time| write!(f, " {time:>9.1?}"))
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together; at most [`Duration::MAX`].
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Their mean; zero when there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match u32::try_from(self.count()) {
            Ok(0) => Duration::ZERO,
            Ok(count) => self.sum / count,
            Err(_) => self.sum.div_f64(self.count() as f64),
        }
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The upper end of the bucket that holds the quantile (0.5 is the median), but no more than the longest; zero when
    /// there are none. The true value lies between half of this and this, but for times under 1 us
    /// and over five hours.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (below, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return below.min(self.max);
            }
        }
        Duration::ZERO
    }

    /// Each bucket's upper end (exclusive; the last has none and says [`Duration::MAX`]) and its count, shortest first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let none = anthill_pool::times::Histogram::default();
    /// let ends: Vec<Duration> = none.buckets().map(|(below, _)| below).take(3).collect();
    /// assert_eq!(ends, [1, 2, 4].map(Duration::from_micros));
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| {
            let last = bucket == BUCKETS - 1;
            (if last { Duration::MAX } else { Duration::from_micros(1 << bucket) }, *count)
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: [0; BUCKETS], sum: Duration::ZERO, max: Duration::ZERO }
    }
}

/// A short table, of a line for each histogram; quantiles are upper ends of buckets, see [`Histogram::quantile`].
///
/// ```
/// use anthill_pool::WorkerPool;
///
/// let pool = WorkerPool::builder().measure_times(true).build(|_: u8| {})?;
/// println!("{}", pool.times().unwrap());
/// //         count      mean       p50       p90       p99       max
/// // wait       42    12.3µs    16.0µs    32.0µs    32.0µs    29.1µs
/// // run        42     1.5ms     2.0ms     2.0ms     2.0ms     1.9ms
/// # assert_eq!(pool.times().unwrap().to_string().lines().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl fmt::Display for PoolTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [count, mean, p50, p90, p99, max] = ["count", "mean", "p50", "p90", "p99", "max"];
        writeln!(f, "     {count:>9} {mean:>9} {p50:>9} {p90:>9} {p99:>9} {max:>9}")?;
        self.wait.write_row(f, "wait")?;
        f.write_str("\n")?;
        self.run.write_row(f, "run")
    }
}

/// One line: `42 in all, mean 1.5ms, p50 2.0ms, p99 2.0ms, max 1.9ms`.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [0.5, 0.99].map(|quantile| self.quantile(quantile));
        let (count, mean, max) = (self.count(), self.mean(), self.max);
        write!(f, "{count} in all, mean {mean:.1?}, p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets().filter(|(_, count)| *count > 0)).finish()
    }
}

fn bucket_of(time: Duration) -> usize {
    let micros = time.as_micros();
    let bits = u128::BITS - micros.leading_zeros();
    (bits as usize).min(BUCKETS - 1)
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_that_ends_above_it() {
        for (time, below) in [
            (Duration::ZERO, Duration::from_micros(1)),
            (Duration::from_nanos(999), Duration::from_micros(1)),
            (Duration::from_micros(1), Duration::from_micros(2)),
            (Duration::from_millis(10), Duration::from_micros(16_384)),
            (Duration::from_secs(1 << 40), Duration::MAX),
        ] {
            let mut histogram = Histogram::default();
            histogram.record(time);
            let hit = histogram.buckets().find(|(_, count)| *count == 1).unwrap();
            assert_eq!(hit.0, below, "{time:?}");
        }
    }

    #[test]
    fn quantiles_are_within_a_factor_of_two() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=1000).for_each(|n| histogram.record(Duration::from_micros(n)));
        for (quantile, exact) in [(0.0, 1), (0.5, 500), (0.99, 990), (1.0, 1000)] {
            let found = histogram.quantile(quantile);
            let exact = Duration::from_micros(exact);
            assert!(exact <= found && found <= exact * 2, "{quantile}: {found:?}");
        }
        assert_eq!(histogram.mean(), Duration::from_nanos(500_500));
        assert_eq!(histogram.max(), Duration::from_millis(1));
    }
}
