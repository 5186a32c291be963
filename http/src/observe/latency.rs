//! How long requests took: a histogram whose buckets are close enough for any quantile.
//!
//! The idea: within each doubling of the time there are sixteen buckets of one width, so a bucket is a sixteenth of its
//! time wide at most, wherever it is. Finding a time's bucket takes some shifts.

use std::fmt;
use std::time::Duration;

/// Buckets within a doubling, as a power of two.
const FINE_BITS: u32 = 4;
/// The first bucket's width in nanoseconds, as a power of two: what is below sixteen of these is told to that.
const UNIT_BITS: u32 = 6;
/// The last bucket takes everything from 2^42 ns, some 73 minutes, on.
const CEILING_BITS: u32 = 42;

/// How many buckets there are.
pub(crate) const BUCKETS: usize =
    ((CEILING_BITS - UNIT_BITS - FINE_BITS + 1) as usize) * (1 << FINE_BITS) + 1;

/// The bucket of a time in nanoseconds.
#[inline]
pub(crate) fn bucket_of(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    let bits = u64::BITS - units.leading_zeros();
    let doubling = bits.saturating_sub(FINE_BITS + 1);
    // Within a doubling the first of the units' bits is always set, and counts as the step to it.
    let bucket = (doubling as usize) * (1 << FINE_BITS) + (units >> doubling) as usize;
    bucket.min(BUCKETS - 1)
}

/// Where a bucket begins, in nanoseconds.
fn begin_of(bucket: usize) -> u64 {
    let fine = 1 << FINE_BITS;
    let doubling = (bucket / fine).saturating_sub(1);
    let units = (bucket - doubling * fine) as u64;
    units << doubling << UNIT_BITS
}

/// The middle of a bucket, which is off by half of it at most.
pub(crate) fn middle_of(bucket: usize) -> u64 {
    begin_of(bucket).midpoint(begin_of(bucket + 1))
}

/// How long requests took, in buckets that are at most a sixteenth of their time wide.
///
/// A clock costs more than many a handler. So of the requests that do not wait for a thread, and take less than some
/// milliseconds, one in 64 is timed at each place where they are answered, and stands for those around it. All that
/// take longer, or wait, are timed.
///
/// ```
/// use std::time::Duration;
/// let server = anthill_http::Server::new(|ctx| ctx.set_body("served"))?;
/// let latency = server.stats().latency;
/// assert_eq!((latency.count(), latency.quantile(0.99)), (0, Duration::ZERO));
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: Box<[u64]>,
    sum: Duration,
}

impl LatencyHistogram {
    pub(crate) fn new(counts: Box<[u64]>, nanos: u64) -> Self {
        Self { counts, sum: Duration::from_nanos(nanos) }
    }

    /// How many requests.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time of all of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The mean time; zero when there are none.
    pub fn mean(&self) -> Duration {
        match self.count() {
            0 => Duration::ZERO,
            count => Duration::from_nanos(
                u64::try_from(self.sum.as_nanos() / u128::from(count)).unwrap_or(u64::MAX),
            ),
        }
    }

    /// The time below which this part of the requests was (0.5 for the median), within 4 %, or 64 ns below a
    /// microsecond; zero when there are none. Times from 73 minutes on are taken for that.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(middle_of(bucket));
            }
        }
        Duration::ZERO
    }

    /// Each bucket's upper end (exclusive; the last has none and says [`Duration::MAX`]) and its count, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| {
            let is_last = bucket == BUCKETS - 1;
            let below = if is_last { Duration::MAX } else { Duration::from_nanos(begin_of(bucket + 1)) };
            (below, *count)
        })
    }

    /// The same in wider buckets that end at these times, which must go up, as far as the narrow ones can tell.
    pub(crate) fn within(&self, bounds: &[Duration]) -> Vec<(Duration, u64)> {
        let mut begin = 0;
        let mut wider = Vec::with_capacity(bounds.len() + 1);
        for bound in bounds {
            let end = bucket_of(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)).max(begin);
            wider.push((*bound, self.counts[begin..end].iter().sum()));
            begin = end;
        }
        wider.push((Duration::MAX, self.counts[begin..].iter().sum()));
        wider
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new(vec![0; BUCKETS].into_boxed_slice(), 0)
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets().filter(|(_, count)| *count > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_and_hold_what_is_in_them() {
        for bucket in 0..BUCKETS - 1 {
            let (begin, end) = (begin_of(bucket), begin_of(bucket + 1));
            assert!(begin < end);
            assert_eq!((bucket_of(begin), bucket_of(end - 1), bucket_of(end)), (bucket, bucket, bucket + 1));
            if begin >= 1024 {
                assert!((end - begin) * 16 <= begin, "{begin} to {end}");
            }
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn a_quantile_is_within_four_per_cent() {
        for factor in [1_100, 70_003, 1_000_000_007] {
            let mut counts = vec![0; BUCKETS];
            (1..=1000_u64).for_each(|n| counts[bucket_of(n * factor)] += 1);
            let histogram = LatencyHistogram::new(counts.into_boxed_slice(), 0);
            for (quantile, n) in [(0.001, 1), (0.5, 500), (0.9, 900), (0.999, 999), (1.0, 1000)] {
                let exact = (n * factor) as f64;
                let found = histogram.quantile(quantile).as_nanos() as f64;
                assert!((found / exact - 1.0).abs() <= 0.04, "{quantile} of {factor}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn each_is_in_one_wider_bucket() {
        let mut counts = vec![0; BUCKETS];
        for millis in [1, 2, 3, 50, 700] {
            counts[bucket_of(millis * 1_000_000)] += 1;
        }
        let histogram = LatencyHistogram::new(counts.into_boxed_slice(), 756_000_000);
        let bounds = [0, 10, 100, 1_000].map(Duration::from_millis);
        let counts: Vec<_> = histogram.within(&bounds).into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 3, 1, 1, 0]);
        assert_eq!((histogram.count(), histogram.mean()), (5, Duration::from_micros(151_200)));
    }
}
