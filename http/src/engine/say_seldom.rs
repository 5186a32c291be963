//! Warnings that would come with every connection, said once a minute.

use std::fmt;
use std::time::{Duration, Instant};

/// How long a warning is not repeated.
const SILENCE: Duration = Duration::from_secs(60);

/// One warning. Each has a value of its own, so that none silences another.
#[derive(Debug, Default)]
pub(crate) struct SaySeldom {
    last: Option<Instant>,
}

impl SaySeldom {
    /// Logs `warning`, unless this value has done so within the last minute.
    pub(crate) fn say(&mut self, warning: fmt::Arguments<'_>) {
        if self.is_due(Instant::now()) {
            log::warn!("{warning}");
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= SILENCE);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_each() {
        let mut refused = SaySeldom::default();
        let mut exhausted = SaySeldom::default();
        let now = Instant::now();
        assert!(refused.is_due(now));
        assert!(!refused.is_due(now + SILENCE / 2));
        assert!(exhausted.is_due(now + SILENCE / 2), "another warning");
        assert!(refused.is_due(now + SILENCE), "not put off by being asked in between");
        assert!(!refused.is_due(now + SILENCE));
    }
}
