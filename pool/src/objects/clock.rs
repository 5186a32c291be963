//! When the pool ticks by itself: the period, and who of several threads that notice its end does the work.

use std::time::Duration;

use crate::sync::{Instant, Mutex};

#[derive(Debug)]
pub(super) struct TickClock {
    /// `None`: never.
    period: Option<Duration>,
    /// When the period ends; `None` when no point in time lies that far ahead.
    next: Mutex<Option<Instant>>,
}

impl TickClock {
    pub(super) fn new(period: Option<Duration>) -> Self {
        let next = period.and_then(|period| Instant::now().checked_add(period));
        TickClock { period, next: Mutex::new(next) }
    }

    /// True for one caller after each end of a period; that caller must tick.
    pub(super) fn is_due(&self) -> bool {
        self.period.is_some_and(|period| self.is_due_at(Instant::now(), period))
    }

    /// Starts the period anew.
    pub(super) fn restart(&self) {
        if let Some(period) = self.period {
            let next = Instant::now().checked_add(period);
            *self.next.lock() = next;
        }
    }

    fn is_due_at(&self, now: Instant, period: Duration) -> bool {
        // Whoever holds the lock is deciding the same question.
        let Some(mut next) = self.next.try_lock() else { return false };
        let due = next.is_some_and(|next| next <= now);
        if due {
            *next = now.checked_add(period);
        }
        due
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn is_due_once_per_period_and_never_twice_for_a_late_look() {
        let clock = TickClock::new(Some(SECOND));
        let end = clock.next.lock().unwrap();
        assert!(!clock.is_due_at(end - Duration::from_nanos(1), SECOND));
        assert!(clock.is_due_at(end, SECOND));
        assert!(!clock.is_due_at(end, SECOND));
        let late = end + SECOND * 10;
        assert!(clock.is_due_at(late, SECOND));
        assert!(!clock.is_due_at(late + SECOND / 2, SECOND));
        assert!(clock.is_due_at(late + SECOND, SECOND));
    }

    #[test]
    fn a_restart_moves_the_end_of_the_period() {
        let clock = TickClock::new(Some(Duration::ZERO));
        assert!(clock.is_due());
        let clock = TickClock::new(Some(SECOND * 3600));
        let end = clock.next.lock().unwrap();
        std::thread::sleep(Duration::from_millis(1));
        clock.restart();
        assert!(clock.next.lock().unwrap() > end);
    }

    #[test]
    fn a_period_beyond_the_end_of_time_is_never_due() {
        let clock = TickClock::new(Some(Duration::MAX));
        assert!(!clock.is_due());
        clock.restart();
        assert!(!clock.is_due());
        assert!(!TickClock::new(None).is_due());
    }
}
