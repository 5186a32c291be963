//! When a parked connection is given up.
//!
//! The idea: what a connection waits for has a name. While that is the same, so is the deadline, whatever trickles in;
//! when it is another, its time begins.
//!
//! The rule: deadlines are computed here and nowhere else.

use std::time::Duration;

use crate::config::settings::Timeouts;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::serve::exchange::{Expects, LINGER, Patience};

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// More of what the peer sends.
    Input,
    /// The peer to take more of the output.
    Output,
    /// The end of lingering.
    LingerEnd,
    /// More of what a streamed response is made of. It is the application that is waited for, and not the peer.
    Source,
}

/// A connection's times, in milliseconds of the engine's clock.
#[derive(Debug)]
pub(crate) struct ConnClock {
    /// What the connection waited for when it was parked last with nothing to be sent.
    waits_for: WaitsFor,
    /// When it began to.
    since: Millis,
    /// When it is given up unless the peer takes some of the output first.
    write_deadline: Millis,
    /// When it is given up, while it is parked.
    deadline: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    Peer(Expects),
    LingerEnd,
    /// What comes behind the piece of this number of a streamed response.
    Source(u32),
}

impl ConnClock {
    /// That of a connection that is given up at `first_deadline` if nothing comes.
    pub(crate) fn new(first_deadline: Millis) -> Self {
        let waits_for = WaitsFor::Peer(Expects::FirstRequest);
        ConnClock { waits_for, since: 0, write_deadline: NEVER, deadline: first_deadline }
    }

    /// When the connection is given up, while it is parked.
    pub(crate) fn deadline(&self) -> Millis {
        self.deadline
    }

    /// The peer has taken something: its time to take the rest begins anew.
    #[inline]
    pub(crate) fn output_was_taken(&mut self) {
        self.write_deadline = NEVER;
    }

    /// When the connection, which is about to be parked at `now`, is given up. `expects` and `patience` are those of its
    /// exchange.
    pub(crate) fn next_deadline(
        &mut self,
        awaits: Awaits,
        expects: Expects,
        patience: Patience,
        timeouts: &Timeouts,
        now: Millis,
    ) -> Millis {
        self.deadline = match awaits {
            Awaits::Output => {
                if self.write_deadline == NEVER {
                    self.write_deadline = after(now, patience.write);
                }
                self.write_deadline
            }
            Awaits::LingerEnd => after(self.since(WaitsFor::LingerEnd, now), Some(LINGER)),
            // That has heartbeats instead, in `next_heartbeat`.
            Awaits::Source => NEVER,
            Awaits::Input => {
                let since = self.since(WaitsFor::Peer(expects), now);
                match expects {
                    Expects::FirstRequest => self.deadline,
                    Expects::NextRequest(_) => after(since, timeouts.idle),
                    // What a hook decided was for the request before it.
                    Expects::Head(_) => after(since, timeouts.read).min(after(since, timeouts.read_header)),
                    Expects::Body(_) | Expects::AcceptedBody(_) | Expects::UnreadBody(_) => {
                        after(since, patience.read)
                    }
                }
            }
        };
        self.deadline
    }

    /// When a heartbeat is due on the connection, which is about to be parked at `now` and waits for what comes behind the
    /// piece of this number.
    pub(crate) fn next_heartbeat(&mut self, pieces: u32, heartbeat: Option<Duration>, now: Millis) -> Millis {
        self.deadline = after(self.since(WaitsFor::Source(pieces), now), heartbeat);
        self.deadline
    }

    /// Since when the connection waits for this.
    fn since(&mut self, waits_for: WaitsFor, now: Millis) -> Millis {
        if !waits_for.goes_on_from(self.waits_for) {
            self.since = now;
        }
        self.waits_for = waits_for;
        self.since
    }
}

impl WaitsFor {
    /// Whether its time began with that of `earlier`: head and body of a request have one limit together.
    fn goes_on_from(self, earlier: Self) -> bool {
        match (earlier, self) {
            (Self::Peer(Expects::Head(of)), Self::Peer(Expects::Body(behind))) => of == behind,
            _ => self == earlier,
        }
    }
}

/// When a connection is given up, accepted at `now`, on which nothing ever comes.
pub(crate) fn first_deadline(now: Millis, timeouts: &Timeouts) -> Millis {
    after(now, timeouts.read).min(after(now, timeouts.read_header))
}

/// So long after `from`. That was rounded down to the millisecond before, and a part of one counts as a whole one, so
/// that no limit is cut short.
fn after(from: Millis, limit: Option<Duration>) -> Millis {
    let millis = |limit: Duration| u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER);
    limit.map_or(NEVER, |limit| from.saturating_add(millis(limit)).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Expects::{AcceptedBody, Body, FirstRequest, Head, NextRequest, UnreadBody};

    const fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    const TIMEOUTS: Timeouts =
        Timeouts { read: millis(1000), read_header: millis(100), idle: millis(500), write: millis(50) };
    const PATIENCE: Patience = Patience { read: millis(2000), write: millis(50) };

    fn next(clock: &mut ConnClock, awaits: Awaits, expects: Expects, now: Millis) -> Millis {
        clock.next_deadline(awaits, expects, PATIENCE, &TIMEOUTS, now)
    }

    #[test]
    fn a_deadline_stands_while_the_same_is_waited_for() {
        let first = first_deadline(7, &TIMEOUTS);
        assert_eq!(first, 7 + 101, "the shorter of the two limits of a head");
        let mut clock = ConnClock::new(first);
        // What, at which moment, and since when its time counts with which limit.
        for (expects, now, expected) in [
            (FirstRequest, 20, first),
            (FirstRequest, 90, first),
            (Head(0), 200, 301),
            (Head(0), 290, 301),
            (Body(0), 295, 200 + 2001),
            (Body(0), 900, 200 + 2001),
            (NextRequest(1), 1000, 1501),
            // Something came that is no request yet, an empty line: idle all the same.
            (NextRequest(1), 1400, 1501),
            (Head(1), 1450, 1551),
            (AcceptedBody(1), 1500, 1500 + 2001),
            (UnreadBody(2), 1600, 1600 + 2001),
            (UnreadBody(2), 1700, 1600 + 2001),
            (Head(2), 1800, 1901),
            (NextRequest(3), 1900, 2401),
            (NextRequest(4), 2000, 2501),
        ] {
            assert_eq!(next(&mut clock, Awaits::Input, expects, now), expected, "{expects:?} at {now}");
            assert_eq!(clock.deadline(), expected);
        }
    }

    #[test]
    fn output_has_its_own_time_which_begins_anew_with_progress() {
        let mut clock = ConnClock::new(NEVER);
        assert_eq!(next(&mut clock, Awaits::Output, NextRequest(1), 10), 61);
        assert_eq!(next(&mut clock, Awaits::Output, NextRequest(1), 40), 61, "nothing was taken");
        clock.output_was_taken();
        assert_eq!(next(&mut clock, Awaits::Output, NextRequest(1), 50), 101);
        assert_eq!(next(&mut clock, Awaits::LingerEnd, NextRequest(1), 100), 100 + 1001);
        assert_eq!(next(&mut clock, Awaits::LingerEnd, NextRequest(1), 900), 100 + 1001);
    }

    #[test]
    fn a_heartbeat_is_due_so_long_after_each_piece() {
        let mut clock = ConnClock::new(NEVER);
        for (pieces, now, expected) in [(0, 10, 61), (0, 40, 61), (1, 61, 112), (2, 100, 151), (2, 150, 151)]
        {
            assert_eq!(clock.next_heartbeat(pieces, millis(50), now), expected, "{pieces} at {now}");
        }
        assert_eq!(clock.next_heartbeat(3, None, 200), NEVER);
        assert_eq!(clock.deadline(), NEVER);
        // What the peer is given time for afterwards begins afterwards.
        assert_eq!(next(&mut clock, Awaits::Input, NextRequest(1), 500), 1001);
    }

    #[test]
    fn no_limit_is_cut_short_and_none_is_none() {
        assert_eq!(after(5, Some(Duration::from_micros(1))), 7);
        assert_eq!(after(5, None), NEVER);
        assert_eq!(after(NEVER - 1, Some(Duration::MAX)), NEVER);
    }
}
