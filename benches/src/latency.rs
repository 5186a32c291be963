//! How long things took: a histogram for millions of samples, and exact quantiles for thousands.
//!
//! The histogram's buckets grow with the value (32 per doubling), so that a sample costs one increment and a quantile
//! is off by at most 3 %, from a nanosecond to hours.

use std::time::Duration;

const STEPS: u32 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
const BUCKETS: usize = ((64 - STEP_BITS + 1) * STEPS) as usize;

/// Durations, counted by size with a relative error of at most 3 %.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// A histogram without samples.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }

    /// Counts one sample.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanos)] += 1;
        self.count += 1;
    }

    /// Counts all samples of another histogram as well.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// How many samples were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value that at least the share `quantile` (0 to 1) of the samples does not exceed; zero when there
    /// is no sample.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = rank(self.count, quantile);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_nanos(largest_in(bucket));
            }
        }
        Duration::ZERO
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The exact quantile (0 to 1) of some samples, which are sorted for it; zero when there is none.
#[must_use]
pub fn exact_quantile(samples: &mut [Duration], quantile: f64) -> Duration {
    samples.sort_unstable();
    let rank = usize::try_from(rank(samples.len() as u64, quantile)).unwrap_or(usize::MAX);
    samples.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Nearest rank, counted from 1.
fn rank(count: u64, quantile: f64) -> u64 {
    ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1))
}

/// Values below [`STEPS`] have a bucket each; above, each doubling is cut into as many equal steps.
fn bucket_of(value: u64) -> usize {
    let doublings = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = value >> doublings;
    (u64::from(doublings * STEPS) + step) as usize
}

fn largest_in(bucket: usize) -> u64 {
    let doublings = (bucket as u64 / u64::from(STEPS)).saturating_sub(1);
    let step = bucket as u64 - doublings * u64::from(STEPS);
    let first_of_next = u128::from(step + 1) << doublings;
    u64::try_from(first_of_next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_and_contain_their_values() {
        let mut last = 0;
        for shift in 0..63 {
            for value in [(1u64 << shift) - 1, 1 << shift, (1 << shift) + (1 << shift) / 3] {
                let bucket = bucket_of(value);
                assert!(bucket >= last, "{value} is in bucket {bucket}, after {last}");
                assert!(largest_in(bucket) >= value, "{value} exceeds bucket {bucket}");
                assert!(largest_in(bucket) - value <= value / 31, "bucket {bucket} is too wide for {value}");
                last = bucket;
            }
        }
        assert!(bucket_of(u64::MAX) < BUCKETS);
        assert_eq!(largest_in(bucket_of(u64::MAX)), u64::MAX);
    }

    #[test]
    fn histogram_agrees_with_the_exact_quantiles() {
        let mut histogram = Histogram::new();
        let mut samples: Vec<_> = (1..=10_000u64).map(|n| Duration::from_nanos(n * n % 999_983)).collect();
        samples.iter().for_each(|&sample| histogram.record(sample));
        for quantile in [0.0, 0.5, 0.99, 1.0] {
            let exact = exact_quantile(&mut samples, quantile).as_nanos() as f64;
            let binned = histogram.quantile(quantile).as_nanos() as f64;
            assert!((exact..=exact * 1.032 + 1.0).contains(&binned), "{quantile}: {exact} against {binned}");
        }
        assert_eq!(histogram.count(), 10_000);
    }

    #[test]
    fn exact_quantiles_are_samples_by_nearest_rank() {
        let mut samples: Vec<_> = (1..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(exact_quantile(&mut samples, 0.5), Duration::from_micros(50));
        assert_eq!(exact_quantile(&mut samples, 0.99), Duration::from_micros(99));
        assert_eq!(exact_quantile(&mut [], 0.5), Duration::ZERO);
    }
}
