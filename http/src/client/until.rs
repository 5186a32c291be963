//! Until when a call may take.
//!
//! The rule: a call computes one such moment when it begins and hands it down; a phase may have a nearer one of its
//! own, and never a later one.

use std::time::{Duration, Instant};

/// The moment at which time is up; `None`: never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Until(Option<Instant>);

impl Until {
    /// In `limit` from now. A limit beyond what the clock can hold is none.
    pub(crate) fn after(limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// This moment, or the one in `limit` from `start`.
    pub(crate) fn or_at(self, start: Instant, limit: Option<Duration>) -> Self {
        self.or(Self(limit.and_then(|limit| start.checked_add(limit))))
    }

    /// This moment, or the one in `limit` from now, whichever is nearer.
    pub(crate) fn or_after(self, limit: Option<Duration>) -> Self {
        self.or(Self::after(limit))
    }

    /// This moment, or the other, whichever is nearer.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Self(Some(one.min(other))),
            (one, other) => Self(one.or(other)),
        }
    }

    /// How much time is left; `None`: there is no end to it.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether time is up.
    pub(crate) fn is_over(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_moment_counts() {
        let hour = Duration::from_secs(3600);
        assert!(Until::default().left().is_none());
        assert!(Until::after(Some(Duration::MAX)).left().is_none(), "too far for the clock");
        assert!(Until::after(Some(Duration::ZERO)).is_over());
        assert!(!Until::after(Some(hour)).is_over());
        assert!(Until::after(Some(hour)).or_after(Some(Duration::ZERO)).is_over());
        assert!(Until::after(Some(Duration::ZERO)).or_after(Some(hour)).is_over());
        assert!(Until::after(Some(hour)).or_after(None).left().is_some());
        assert!(Until::default().or_after(Some(hour)).left().is_some());
    }
}
