//! What the clocks said at one moment.
//!
//! The rule: both clocks are read together and passed on together, so that one cannot be right and the other old. (Who
//! keeps no deadlines reads one, and says so.)

use crate::util::date;
use std::time::{Duration, Instant, SystemTime};

/// Both clocks, the system's and the one that only goes forward, as they were read at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The system's clock: the time of requests.
    pub(crate) wall: SystemTime,
    /// The same in whole seconds since the Unix epoch: what `Date` is made of.
    pub(crate) unix_seconds: u64,
    /// The clock that only goes forward, in milliseconds since it was started: what deadlines are counted in.
    pub(crate) millis: u64,
}

impl Moment {
    /// Before any clock was read.
    pub(crate) const UNREAD: Self = Self { wall: SystemTime::UNIX_EPOCH, unix_seconds: 0, millis: 0 };

    /// A moment of which only the time of day counts, because nobody keeps deadlines by it.
    #[inline]
    pub(crate) fn at(wall: SystemTime) -> Self {
        Self { wall, unix_seconds: date::whole_seconds(wall), millis: 0 }
    }
}

/// Reads moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose milliseconds count from now.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// This moment.
    #[inline]
    pub(crate) fn now(self) -> Moment {
        Moment { millis: self.millis(), ..Moment::at(SystemTime::now()) }
    }

    /// How long it has run.
    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// The same in milliseconds.
    #[inline]
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}
