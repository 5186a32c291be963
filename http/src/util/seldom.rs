//! What is to be done once a minute at most, such as a warning that would come with every connection.

use std::time::{Duration, Instant};

/// How long it is not repeated.
const SILENCE: Duration = Duration::from_secs(60);

/// One such thing. Each has a value of its own, so that none puts off another.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Instant>,
}

impl Seldom {
    /// Whether it is its time at `now`; if so, it is not for a minute.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
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
        let mut refused = Seldom::default();
        let mut exhausted = Seldom::default();
        let now = Instant::now();
        assert!(refused.is_due(now));
        assert!(!refused.is_due(now + SILENCE / 2));
        assert!(exhausted.is_due(now + SILENCE / 2), "another warning");
        assert!(refused.is_due(now + SILENCE), "not put off by being asked in between");
        assert!(!refused.is_due(now + SILENCE));
    }
}
