//! Clocks that cost next to nothing, and that the system moves on only every few milliseconds.
//!
//! Where a system has none, the real clocks stand in for them, or nothing does; whoever asks has to do without.

use std::time::Duration;

/// The system's clock as it was at its last tick, in seconds since the Unix epoch and nanoseconds beyond. `None` where
/// there is no such thing.
#[inline]
pub(crate) fn wall() -> Option<(u64, u32)> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Some((u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// A moment of the clock that only goes forward, as of its last tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoarseInstant(
    #[cfg(any(target_os = "linux", target_os = "android"))] Duration,
    #[cfg(not(any(target_os = "linux", target_os = "android")))] std::time::Instant,
);

impl CoarseInstant {
    #[inline]
    pub(crate) fn now() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
            let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
            Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default()))
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Self(std::time::Instant::now())
    }

    /// The time that has passed since, give or take a tick.
    #[inline]
    pub(crate) fn elapsed(self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Self::now().0.saturating_sub(self.0);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let begun = CoarseInstant::now();
        std::thread::sleep(Duration::from_millis(60));
        // Not even a slow system's tick takes longer.
        assert!(begun.elapsed() >= Duration::from_millis(40));
        assert!(wall().is_none_or(|(seconds, _)| seconds > 1_700_000_000));
    }
}
