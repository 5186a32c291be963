//! How slow a peer may be, and what is left of its time.
//!
//! The idea: whoever is waited for has a stock of time. Waiting spends it, each byte earns some, and it never holds
//! more than at the beginning. So a peer that keeps to the rate can go on for ever, with pauses; one that stops is
//! given up when its stock is used up, and so is one that trickles, a little later.
//!
//! The rule: only what a peer was waited for is spent. Whoever is busy with something else spends nothing, and what has
//! arrived meanwhile earns as much as anything.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How often a peer that takes nothing is tried again in the time that it may do so. A socket says that there is room
/// only when there is much of it, so whoever waited for that alone would take the little that was taken long ago for
/// progress of the last moment.
const TRIES: u32 = 4;

/// The least speed of a client while the server waits for it; see
/// [`min_body_rate`](crate::ServerBuilder::min_body_rate) and
/// [`min_response_rate`](crate::ServerBuilder::min_response_rate).
///
/// The *grace* is how much longer than the rate asks for a client may be waited for. Waiting uses it up, and every byte
/// gives the time back that it may take at this rate, up to the whole grace. So a client that stops is given up after
/// the grace, and one that is half as fast as it must be after twice that; one that keeps to the rate may go on for
/// ever, and pause for as long as the grace now and then.
///
/// ```
/// use anthill_http::MinRate;
/// use std::time::Duration;
/// let rate = MinRate::new(240, Duration::from_secs(60));
/// assert_eq!((rate.bytes_per_second(), rate.grace()), (240, Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    bytes_per_second: u64,
    grace: Duration,
}

impl MinRate {
    /// So many bytes per second on average, with so much grace.
    pub const fn new(bytes_per_second: u64, grace: Duration) -> Self {
        Self { bytes_per_second, grace }
    }

    /// Bytes per second.
    pub const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// How much longer than the rate asks for a client may be waited for.
    pub const fn grace(&self) -> Duration {
        self.grace
    }
}

/// How slow a peer may be in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long it may do nothing.
    limit: Option<Duration>,
    rate: Option<MinRate>,
    /// The most that it can be waited for at a stretch, in nanoseconds.
    stock: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Pace {
    pub(crate) const fn new(limit: Option<Duration>, rate: Option<MinRate>) -> Self {
        let longest = match limit {
            Some(limit) => nanos(limit),
            None => u64::MAX,
        };
        let grace = match rate {
            Some(rate) => nanos(rate.grace),
            None => u64::MAX,
        };
        Self { limit, rate, stock: if longest < grace { longest } else { grace } }
    }

    /// How long it may do nothing, whatever it has done before; `None`: as long as it likes.
    pub(crate) fn limit(self) -> Option<Duration> {
        self.limit
    }

    /// The same for a transport that keeps the limit itself.
    pub(crate) fn without_limit(self) -> Self {
        Self::new(None, self.rate)
    }

    /// The time that so many bytes may take.
    fn time_of(self, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        // Without a rate, or at one of zero, any progress is enough.
        let time = self.rate.and_then(|rate| {
            (u128::from(bytes) * NANOS_PER_SECOND).checked_div(u128::from(rate.bytes_per_second))
        });
        time.and_then(|time| u64::try_from(time).ok()).unwrap_or(u64::MAX)
    }
}

/// What is left of a peer's time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance(u64);

impl Allowance {
    /// All of it, whatever that is.
    pub(crate) const WHOLE: Self = Self(u64::MAX);

    /// The peer has sent or taken so many bytes. Without any, it is as it should be at this pace.
    #[inline]
    pub(crate) fn earn(&mut self, bytes: u64, pace: Pace) {
        if self.0 >= pace.stock {
            // Nothing can be added, so there is nothing to be reckoned.
            self.0 = pace.stock;
            return;
        }
        self.0 = self.0.saturating_add(pace.time_of(bytes)).min(pace.stock);
    }

    /// The peer was waited for so long.
    pub(crate) fn spend(&mut self, waited: Duration) {
        if self.0 != u64::MAX {
            self.0 = self.0.saturating_sub(nanos(waited));
        }
    }

    /// What is left; `None`: it has no end.
    pub(crate) fn left(self) -> Option<Duration> {
        (self.0 != u64::MAX).then(|| Duration::from_nanos(self.0))
    }

    pub(crate) fn is_used_up(self) -> bool {
        self.0 == 0
    }

    /// How long to wait for a peer that takes nothing before it is tried again.
    pub(crate) fn next_try(self, pace: Pace) -> Option<Duration> {
        Some(self.left()?.min(Duration::from_nanos(pace.stock) / TRIES))
    }
}

/// A peer that is waited for in one direction, by whoever cannot do anything else meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerTime {
    pace: Pace,
    left: Allowance,
}

impl Default for PeerTime {
    fn default() -> Self {
        Self::new(Pace::default())
    }
}

impl PeerTime {
    /// Its time begins.
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, left: Allowance(pace.stock) }
    }

    pub(crate) fn earn(&mut self, bytes: usize) {
        self.left.earn(bytes as u64, self.pace);
    }

    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left.spend(waited);
    }

    /// A call that blocked by itself for so long has brought so many bytes, which earn before the wait is spent: what
    /// was sent or taken early in it counts. False: the peer is too slow.
    pub(crate) fn account(&mut self, waited: Duration, bytes: usize) -> bool {
        if self.left.left().is_none() {
            return true;
        }
        if waited.is_zero() && self.left.0 >= self.pace.stock {
            // Nothing was spent of all that can be had.
            return !self.left.is_used_up();
        }
        let earned = self.left.0.saturating_add(self.pace.time_of(bytes as u64));
        self.left = Allowance(earned.saturating_sub(nanos(waited)).min(self.pace.stock));
        !self.left.is_used_up()
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        self.left.left()
    }

    pub(crate) fn next_try(&self) -> Option<Duration> {
        self.left.next_try(self.pace)
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.left.is_used_up()
    }
}

/// In nanoseconds; what does not fit counts as without end.
const fn nanos(time: Duration) -> u64 {
    let nanos = time.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rated(bytes_per_second: u64, grace: Duration) -> Pace {
        Pace::new(None, Some(MinRate::new(bytes_per_second, grace)))
    }

    /// How often in a row a peer can make so many bytes of progress after so long.
    fn rounds(pace: Pace, bytes: usize, every: Duration) -> usize {
        let mut waits = PeerTime::new(pace);
        for round in 0..1000 {
            waits.spend(every);
            if waits.is_used_up() {
                return round;
            }
            waits.earn(bytes);
        }
        1000
    }

    #[test]
    fn who_keeps_to_the_rate_goes_on_for_ever() {
        let pace = rated(100, 10 * SECOND);
        assert_eq!(rounds(pace, 100, SECOND), 1000);
        assert_eq!(rounds(pace, 900, 9 * SECOND), 1000);
        assert_eq!(rounds(pace, 1, SECOND / 100), 1000);
        assert_eq!(rounds(pace, 1, 9 * SECOND), 1, "a pause takes what is left");
    }

    #[test]
    fn who_is_slower_is_given_up_the_later_the_nearer_to_the_rate() {
        let pace = rated(100, 10 * SECOND);
        assert_eq!(rounds(pace, 0, SECOND), 9, "ten seconds");
        assert_eq!(rounds(pace, 1, SECOND), 10);
        assert_eq!(rounds(pace, 50, SECOND), 18, "half the rate, twice the grace");
        assert_eq!(rounds(pace, 90, SECOND), 90);
    }

    #[test]
    fn nothing_is_saved_up() {
        let mut waits = PeerTime::new(rated(100, 10 * SECOND));
        waits.earn(1 << 30);
        waits.earn(usize::MAX);
        assert_eq!(waits.left(), Some(10 * SECOND));
        waits.spend(11 * SECOND);
        assert!(waits.is_used_up());
    }

    #[test]
    fn small_pieces_at_high_rates_count() {
        let pace = rated(1_000_000_000, SECOND);
        let mut waits = PeerTime::new(pace);
        waits.spend(SECOND / 2);
        for _ in 0..1000 {
            waits.earn(1);
        }
        assert_eq!(waits.left(), Some(SECOND / 2 + Duration::from_micros(1)));
    }

    #[test]
    fn without_a_rate_any_progress_gives_all_time_back() {
        let mut waits = PeerTime::new(Pace::new(Some(SECOND), None));
        waits.spend(SECOND / 2);
        waits.earn(1);
        assert_eq!(waits.left(), Some(SECOND));
        assert_eq!(waits.next_try(), Some(SECOND / 4));
        waits.spend(SECOND * 7 / 8);
        assert_eq!(waits.next_try(), Some(SECOND / 8));
    }

    #[test]
    fn the_shorter_of_both_bounds_counts() {
        let rate = MinRate::new(100, 10 * SECOND);
        for (limit, expected) in [(None, 10), (Some(2), 2), (Some(20), 10)] {
            let limit = limit.map(Duration::from_secs);
            assert_eq!(PeerTime::new(Pace::new(limit, Some(rate))).left(), Some(expected * SECOND));
        }
        let mut endless = PeerTime::new(Pace::default());
        endless.spend(Duration::MAX);
        assert_eq!((endless.left(), endless.next_try(), endless.is_used_up()), (None, None, false));
        assert!(endless.account(Duration::MAX, 0));
    }

    #[test]
    fn a_call_that_blocked_is_paid_by_what_it_brought() {
        let mut waits = PeerTime::new(rated(100, 10 * SECOND));
        assert!(waits.account(60 * SECOND, 6000), "slow, but as fast as it must be");
        assert_eq!(waits.left(), Some(10 * SECOND));
        assert!(waits.account(9 * SECOND, 1));
        assert!(!waits.account(9 * SECOND, 1));
    }

    #[test]
    fn absurd_bounds_do_no_harm() {
        assert_eq!(rounds(rated(0, SECOND), 1, SECOND / 2), 1000, "any byte is enough");
        assert_eq!(rounds(rated(u64::MAX, SECOND), 1, SECOND / 2), 1);
        assert_eq!(rounds(rated(1, Duration::ZERO), 1, SECOND), 0);
        assert_eq!(rounds(rated(1, Duration::MAX), 0, SECOND), 1000);
    }
}
