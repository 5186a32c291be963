//! What the clocks said at one moment.
//!
//! The idea: a moment serves for as long as nothing has happened that may have taken long. The user's code may have, so
//! whoever ran some looks whether the moment is old by now. That costs less than reading the clocks: a coarse clock,
//! which the system moves on every few milliseconds, has gone past a moment that is older than that.
//!
//! The rules: both clocks are read together and passed on together, so that one cannot be right and the other old. (Who
//! keeps no deadlines reads one, and says so.) Near the end of a second the clocks are read in any case, because the
//! second is what clients see.

#[cfg(feature = "testing")]
use crate::util::test_clock::TestClock;
use crate::util::{coarse, date};
use std::time::{Duration, Instant, SystemTime};

/// So many nanoseconds before the end of a second its end may have passed without the coarse clock having moved on. A
/// few times what that takes: 10 ms at most.
const END_OF_SECOND: u32 = 50_000_000;

/// Both clocks, the system's and the one that only goes forward, as they were read at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The system's clock: the time of requests.
    pub(crate) wall: SystemTime,
    /// The same in whole seconds since the Unix epoch: what `Date` is made of.
    pub(crate) unix_seconds: u64,
    /// The nanoseconds beyond those.
    nanos: u32,
    /// The clock that only goes forward, in milliseconds since it was started: what deadlines are counted in.
    pub(crate) millis: u64,
}

impl Moment {
    /// Before any clock was read.
    pub(crate) const UNREAD: Self =
        Self { wall: SystemTime::UNIX_EPOCH, unix_seconds: 0, nanos: 0, millis: 0 };

    /// A moment of which only the time of day counts, because nobody keeps deadlines by it.
    #[inline]
    pub(crate) fn at(wall: SystemTime) -> Self {
        let since = date::since_epoch(wall);
        Self { wall, unix_seconds: since.as_secs(), nanos: since.subsec_nanos(), millis: 0 }
    }

    /// Makes it this moment, or leaves it when it is that still, as far as anybody can see: its second is right, and it
    /// is not older than a tick of the system's clock.
    #[inline]
    pub(crate) fn refresh(&mut self, clock: &Clock) {
        if clock.is_of_test() || self.is_old(coarse::wall()) {
            *self = clock.now();
        }
    }

    /// Whether it is old when the coarse clock has come to so many seconds and nanoseconds.
    #[inline]
    fn is_old(&self, coarse: Option<(u64, u32)>) -> bool {
        self.nanos >= 1_000_000_000 - END_OF_SECOND
            || coarse.is_none_or(|coarse| coarse > (self.unix_seconds, self.nanos))
    }
}

/// Reads moments.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// That of a test, which says how far the time is ahead.
    #[cfg(feature = "testing")]
    test: Option<TestClock>,
}

impl Clock {
    /// A clock whose milliseconds count from now.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            #[cfg(feature = "testing")]
            test: None,
        }
    }

    /// The same, of which a test says how far it is ahead.
    #[cfg(feature = "testing")]
    pub(crate) fn start_ahead(test: TestClock) -> Self {
        Self { started: Instant::now(), test: Some(test) }
    }

    /// That of a test.
    #[cfg(feature = "testing")]
    pub(crate) fn test(&self) -> Option<&TestClock> {
        self.test.as_ref()
    }

    /// Whether a test may move it.
    #[inline(always)]
    fn is_of_test(&self) -> bool {
        #[cfg(feature = "testing")]
        return self.test.is_some();
        #[cfg(not(feature = "testing"))]
        false
    }

    /// How far a test has moved it ahead.
    #[inline(always)]
    fn ahead(&self) -> Duration {
        #[cfg(feature = "testing")]
        return self.test.as_ref().map_or(Duration::ZERO, TestClock::ahead);
        #[cfg(not(feature = "testing"))]
        Duration::ZERO
    }

    /// This moment.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.at(Instant::now())
    }

    /// This moment, of which somebody has just read the clock that only goes forward.
    #[inline]
    pub(crate) fn at(&self, now: Instant) -> Moment {
        let (since, ahead) = (now.saturating_duration_since(self.started), self.ahead());
        if self.is_of_test() {
            return Moment { millis: millis_of(since + ahead), ..Moment::at(SystemTime::now() + ahead) };
        }
        Moment { millis: millis_of(since), ..Moment::at(SystemTime::now()) }
    }

    /// The milliseconds at what a test's clock has shown.
    #[cfg(feature = "testing")]
    pub(crate) fn millis_at(&self, shown: Instant) -> u64 {
        millis_of(shown.saturating_duration_since(self.started))
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed() + self.ahead()
    }

    /// The same in nanoseconds, which fit for some centuries.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        let elapsed = self.elapsed();
        elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
    }

    /// The same in milliseconds.
    #[inline]
    pub(crate) fn millis(&self) -> u64 {
        millis_of(self.elapsed())
    }
}

/// Whole milliseconds, without a division of 128 bits.
#[inline]
fn millis_of(elapsed: Duration) -> u64 {
    elapsed.as_secs().saturating_mul(1000).saturating_add(u64::from(elapsed.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64, nanos: u32) -> Moment {
        Moment::at(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
    }

    #[test]
    fn engine_date_a_moment_is_old_when_the_coarse_clock_has_passed_it() {
        let read = moment(1000, 500_000_000);
        assert_eq!((read.unix_seconds, read.nanos), (1000, 500_000_000));
        for (coarse, is_old) in [
            (Some((1000, 496_000_000)), false),
            (Some((1000, 500_000_000)), false),
            (Some((1000, 500_000_001)), true),
            (Some((1001, 0)), true),
            (Some((999, 999_999_999)), false),
            (None, true),
        ] {
            assert_eq!(read.is_old(coarse), is_old, "{coarse:?}");
        }
        // The second may have ended since the last tick.
        assert!(moment(1000, 995_000_000).is_old(Some((1000, 994_000_000))));
        assert!(!moment(1000, 940_000_000).is_old(Some((1000, 939_000_000))));
        assert!(Moment::UNREAD.is_old(coarse::wall()));
    }

    #[test]
    fn engine_date_a_refreshed_moment_is_in_the_same_second() {
        let clock = Clock::start();
        let mut moment = clock.now();
        let begun = Instant::now();
        let mut refreshed = 0;
        while begun.elapsed() < Duration::from_millis(1500) {
            let before = SystemTime::now();
            let was = moment.wall;
            moment.refresh(&clock);
            refreshed += usize::from(moment.wall != was);
            let late = date::whole_seconds(before).saturating_sub(moment.unix_seconds);
            assert_eq!(late, 0, "{moment:?} at {before:?}");
        }
        assert!(refreshed > 0, "a second and a half is longer than a tick");
    }
}
