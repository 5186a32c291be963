//! When the pool ticks by itself: the period, and who of several threads that notice its end does the work.
//!
//! All threads of the pool look here, so a look must not write: the end of the period is a plain number, and only who
//! finds it passed changes it.

use std::time::Duration;

use crate::sync::Instant;
use crate::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct TickClock {
    origin: Instant,
    /// `None`: never.
    period: Option<Duration>,
    /// When the period ends, in nanoseconds since the origin; the highest number (after 584 years) is never.
    /// Relaxed throughout: it guards no memory.
    next: AtomicU64,
}

impl TickClock {
    pub(super) fn new(period: Option<Duration>) -> Self {
        TickClock { origin: Instant::now(), period, next: AtomicU64::new(period.map_or(u64::MAX, nanos)) }
    }

    /// True for one caller after each end of a period; that caller must tick.
    pub(super) fn is_due(&self) -> bool {
        self.period.is_some_and(|period| self.is_due_at(self.now(), period))
    }

    /// Starts the period anew.
    pub(super) fn restart(&self) {
        if let Some(period) = self.period {
            self.next.store(self.now().saturating_add(nanos(period)), Ordering::Relaxed);
        }
    }

    fn is_due_at(&self, now: u64, period: Duration) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        if next > now || next == u64::MAX {
            return false;
        }
        let after = now.saturating_add(nanos(period));
        // Fails when another thread was first, and ticks.
        self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.origin))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn is_due_once_per_period_and_never_twice_for_a_late_look() {
        let clock = TickClock::new(Some(SECOND));
        let end = nanos(SECOND);
        assert!(!clock.is_due_at(end - 1, SECOND));
        assert!(clock.is_due_at(end, SECOND));
        assert!(!clock.is_due_at(end, SECOND));
        let late = end + 10 * nanos(SECOND);
        assert!(clock.is_due_at(late, SECOND));
        assert!(!clock.is_due_at(late + nanos(SECOND) / 2, SECOND));
        assert!(clock.is_due_at(late + nanos(SECOND), SECOND));
    }

    #[test]
    fn of_many_that_notice_the_end_one_ticks() {
        for _ in 0..200 {
            let clock = TickClock::new(Some(SECOND));
            let ticks: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| usize::from(clock.is_due_at(nanos(SECOND), SECOND))))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(ticks, 1);
        }
    }

    #[test]
    fn a_restart_moves_the_end_of_the_period() {
        let clock = TickClock::new(Some(Duration::ZERO));
        assert!(clock.is_due());
        let clock = TickClock::new(Some(SECOND * 3600));
        let end = clock.next.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        clock.restart();
        assert!(clock.next.load(Ordering::Relaxed) > end);
    }

    #[test]
    fn a_period_beyond_the_end_of_time_is_never_due() {
        let clock = TickClock::new(Some(Duration::MAX));
        assert!(!clock.is_due());
        assert!(!clock.is_due_at(u64::MAX, Duration::MAX));
        clock.restart();
        assert!(!clock.is_due());
        assert!(!TickClock::new(None).is_due());
    }
}
