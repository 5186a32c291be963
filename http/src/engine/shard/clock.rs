//! When a parked connection is given up.
//!
//! The idea: what a connection waits for has a name. While that is the same, so is the deadline, whatever trickles in;
//! when it is another, its time begins.
//!
//! The rule: deadlines are computed here and nowhere else.

use std::time::Duration;

use crate::config::settings::Settings;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::serve::exchange::{Exchange, Expects};

/// How long a refused peer may go on sending before it is cut off.
const LINGER: Duration = Duration::from_secs(1);

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// More of what the peer sends.
    Input,
    /// The peer to take more of the output.
    Output,
    /// The end of lingering.
    LingerEnd,
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

    /// When the connection, which is about to be parked at `now`, is given up.
    pub(crate) fn next_deadline(
        &mut self,
        awaits: Awaits,
        exchange: &Exchange,
        now: Millis,
        settings: &Settings,
    ) -> Millis {
        self.deadline = match awaits {
            Awaits::Output => {
                if self.write_deadline == NEVER {
                    self.write_deadline = after(now, exchange.patience(settings).write);
                }
                self.write_deadline
            }
            Awaits::LingerEnd => after(self.since(WaitsFor::LingerEnd, now), Some(LINGER)),
            Awaits::Input => {
                let expects = exchange.expects();
                let since = self.since(WaitsFor::Peer(expects), now);
                match expects {
                    Expects::FirstRequest => self.deadline,
                    Expects::NextRequest(_) => after(since, settings.timeouts.idle),
                    // What a hook decided was for the request before it.
                    Expects::Head(_) => {
                        after(since, settings.timeouts.read).min(after(since, settings.timeouts.read_header))
                    }
                    Expects::Body(_) | Expects::AcceptedBody(_) | Expects::UnreadBody(_) => {
                        after(since, exchange.patience(settings).read)
                    }
                }
            }
        };
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

/// So long after `from`; a part of a millisecond counts as a whole one.
pub(crate) fn after(from: Millis, limit: Option<Duration>) -> Millis {
    let millis = |limit: Duration| u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER);
    limit.map_or(NEVER, |limit| from.saturating_add(millis(limit)))
}
