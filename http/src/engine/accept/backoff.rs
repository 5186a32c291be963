//! How long accepting rests after failures: longer with each in a row.

use std::time::Duration;

use crate::engine::accept::failure::AcceptFailure;

/// The first rest. A client's connection waits with the system meanwhile, so it is short.
const FIRST: Duration = Duration::from_millis(5);
/// The longest rest.
const LONGEST: Duration = Duration::from_secs(1);
/// So many connections in a row may fail by themselves without a rest: each takes itself out of the system's queue, so
/// it needs none, unless it is always the same one.
const FREE_FAILURES: u32 = 64;
/// So often in a row a socket has to say that it does not listen before it is believed: some systems say so of a
/// connection that is gone.
const SAYINGS: u32 = 3;

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Try the next connection.
    GoOn,
    /// Wait for a connection.
    Wait,
    /// Say what is wrong, rest for so long, try again.
    Rest(Duration),
    /// The listener is dead.
    End,
}

impl Remedy {
    /// Whether it is a rest, and the first since a connection was accepted.
    pub(crate) fn is_first(self) -> bool {
        self == Remedy::Rest(FIRST)
    }
}

/// The failures since a connection was accepted last.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    rests: u32,
    connections: u32,
    sayings: u32,
}

impl Backoff {
    /// A connection was accepted.
    pub(crate) fn success(&mut self) {
        *self = Backoff::default();
    }

    /// Accepting has failed.
    pub(crate) fn failure(&mut self, failure: AcceptFailure) -> Remedy {
        self.sayings = if failure == AcceptFailure::NoListener { self.sayings + 1 } else { 0 };
        match failure {
            AcceptFailure::NoneWaits => Remedy::Wait,
            AcceptFailure::Connections => {
                self.connections = self.connections.saturating_add(1);
                if self.connections <= FREE_FAILURES { Remedy::GoOn } else { self.rest() }
            }
            AcceptFailure::NoDescriptors | AcceptFailure::Exhausted | AcceptFailure::Passing => self.rest(),
            AcceptFailure::NoListener if self.sayings < SAYINGS => Remedy::GoOn,
            AcceptFailure::NoListener => Remedy::End,
        }
    }

    fn rest(&mut self) -> Remedy {
        let rest = FIRST.saturating_mul(1 << self.rests.min(16)).min(LONGEST);
        self.rests = self.rests.saturating_add(1);
        Remedy::Rest(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_f5_rests_grow_up_to_a_second_until_a_connection_is_accepted() {
        let mut backoff = Backoff::default();
        let rests: Vec<_> = (0..40)
            .map(|_| match backoff.failure(AcceptFailure::Passing) {
                Remedy::Rest(rest) => rest,
                remedy => panic!("{remedy:?}"),
            })
            .collect();
        assert!(rests.is_sorted());
        assert_eq!((rests[0], rests[1], rests[39]), (FIRST, 2 * FIRST, LONGEST));
        // That none waits proves nothing: a failing network has none.
        assert_eq!(backoff.failure(AcceptFailure::NoneWaits), Remedy::Wait);
        assert_eq!(backoff.failure(AcceptFailure::Exhausted), Remedy::Rest(LONGEST));
        backoff.success();
        assert_eq!(backoff.failure(AcceptFailure::Exhausted), Remedy::Rest(FIRST));
    }

    #[test]
    fn engine_f5_connections_that_fail_are_passed_over_without_a_rest_unless_that_never_ends() {
        let mut backoff = Backoff::default();
        for _ in 0..FREE_FAILURES {
            assert_eq!(backoff.failure(AcceptFailure::Connections), Remedy::GoOn);
        }
        assert_eq!(backoff.failure(AcceptFailure::Connections), Remedy::Rest(FIRST));
        backoff.success();
        assert_eq!(backoff.failure(AcceptFailure::Connections), Remedy::GoOn);
    }

    #[test]
    fn engine_f5_a_listener_is_dead_when_it_goes_on_saying_so() {
        let mut backoff = Backoff::default();
        let insistent: Vec<_> = (0..SAYINGS).map(|_| backoff.failure(AcceptFailure::NoListener)).collect();
        assert_eq!(insistent, [Remedy::GoOn, Remedy::GoOn, Remedy::End]);
        let mut backoff = Backoff::default();
        for _ in 0..2 * SAYINGS {
            assert_eq!(backoff.failure(AcceptFailure::NoListener), Remedy::GoOn);
            backoff.success();
        }
    }
}
