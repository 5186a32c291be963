//! When a parked connection is given up.
//!
//! The idea: what a connection waits for has a name. While that is the same, so is the deadline, whatever trickles in;
//! when it is another, its time begins. A body, and a peer that takes a response, have a stock of time besides
//! ([`Allowance`]), which runs only while the connection is parked for that, and which what comes or is taken fills up.
//!
//! The rule: deadlines are computed here and nowhere else.

use std::time::Duration;

use crate::config::settings::Timeouts;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::idle::Idle;
use crate::serve::exchange::{Expects, LINGER};
use crate::serve::patience::Patience;
use crate::wire::pace::Allowance;

/// How long the first part of a body is waited for before the handler is called: long enough for a body that its client
/// sends behind the head, short enough for one that waits for an answer before it goes on.
const FIRST_PART: Duration = Duration::from_millis(25);

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// More of what the peer sends.
    Input,
    /// More of the body of a request whose handler will read the rest of it.
    FirstPart,
    /// The peer to take more of the output.
    Output,
    /// The end of lingering.
    LingerEnd,
    /// More of what a streamed response is made of. It is the application that is waited for, and not the peer.
    Source,
    /// What happens next on a WebSocket: the peer's, or the application's.
    #[cfg(feature = "ws")]
    Socket,
}

/// A connection's times, in milliseconds of the engine's clock.
#[derive(Debug)]
pub(crate) struct ConnClock {
    /// What the connection waited for when it was parked last with nothing to be sent.
    waits_for: WaitsFor,
    /// When it began to.
    since: Millis,
    /// What is left of the peer's time for what the connection was parked for last.
    left: Allowance,
    /// Since when that time runs; [`NEVER`] while it does not.
    runs_since: Millis,
    /// When the connection is given up, or is looked at, while it is parked.
    deadline: Millis,
    /// Bytes that came or were taken since the connection was parked last.
    moved: u32,
    /// It was parked last for its peer to take more of the output.
    had_output: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    Peer(Expects),
    /// The first part of the body of the request of this number.
    FirstPart(u32),
    LingerEnd,
    /// What comes behind the piece of this number of a streamed response.
    Source(u32),
}

impl ConnClock {
    /// That of a connection that is taken in at `now`, and given up at `first_deadline` if nothing comes.
    pub(crate) fn new(now: Millis, first_deadline: Millis) -> Self {
        ConnClock {
            waits_for: WaitsFor::Peer(Expects::FirstRequest),
            since: now,
            left: Allowance::WHOLE,
            runs_since: NEVER,
            deadline: first_deadline,
            moved: 0,
            had_output: false,
        }
    }

    /// What comes now has time of its own, until `deadline`, as if the connection had just been taken in at `now`.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn begin_anew(&mut self, now: Millis, deadline: Millis) {
        *self = Self::new(now, deadline);
    }

    /// Since when the connection waits for what it was parked for last.
    pub(crate) fn begun(&self) -> Millis {
        self.since
    }

    /// When the connection is given up, or is looked at, while it is parked.
    pub(crate) fn deadline(&self) -> Millis {
        self.deadline
    }

    /// Since when the connection, which is parked and awaits input, has been idle, if it is.
    #[inline]
    pub(crate) fn idle(&self) -> Option<Idle> {
        match self.waits_for {
            WaitsFor::Peer(Expects::NextRequest(_)) => Some(Idle::Resting(self.since)),
            WaitsFor::Peer(Expects::FirstRequest) => Some(Idle::Fresh(self.since)),
            _ => None,
        }
    }

    /// The connection is served again since `now`: what happens from now on is not the peer's time.
    #[inline]
    pub(crate) fn wait_ended(&mut self, now: Millis) {
        if self.runs_since != NEVER {
            self.left.spend(Duration::from_millis(now.saturating_sub(self.runs_since)));
            self.runs_since = NEVER;
        }
    }

    /// The peer has sent or taken so many bytes.
    #[inline]
    pub(crate) fn progressed(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Whether the peer has sent or taken anything since the connection was parked last.
    #[cfg(feature = "ws")]
    pub(crate) fn has_moved(&self) -> bool {
        self.moved > 0
    }

    /// When the connection, which is about to be parked at `now`, is given up, or is to be looked at. `expects` and
    /// `patience` are those of its exchange.
    pub(crate) fn next_deadline(
        &mut self,
        awaits: Awaits,
        expects: Expects,
        patience: &Patience,
        timeouts: &Timeouts,
        now: Millis,
    ) -> Millis {
        self.wait_ended(now);
        if self.had_output != (awaits == Awaits::Output) {
            self.had_output = !self.had_output;
            self.left = Allowance::WHOLE;
        }
        let moved = std::mem::take(&mut self.moved).into();
        self.deadline = match awaits {
            Awaits::Output => {
                self.left.earn(moved, patience.write);
                self.runs_since = now;
                self.left.next_try(patience.write).map_or(NEVER, |next_try| end_of(next_try, now))
            }
            Awaits::FirstPart => {
                after(self.since(WaitsFor::FirstPart(expects.request()), now), Some(FIRST_PART))
            }
            Awaits::LingerEnd => after(self.since(WaitsFor::LingerEnd, now), Some(LINGER)),
            // That has heartbeats instead, in `next_heartbeat`.
            Awaits::Source => NEVER,
            // That has times of its own, in `next_look`.
            #[cfg(feature = "ws")]
            Awaits::Socket => NEVER,
            Awaits::Input => {
                let since = self.since(WaitsFor::Peer(expects), now);
                match expects {
                    Expects::FirstRequest => self.deadline,
                    Expects::NextRequest(_) => after(since, timeouts.idle),
                    // What a hook decided was for the request before it.
                    Expects::Head(_) => after(since, timeouts.read).min(after(since, timeouts.read_header)),
                    Expects::Body(_) | Expects::AcceptedBody(_) | Expects::UnreadBody(_) => {
                        self.left.earn(moved, patience.read);
                        self.runs_since = now;
                        let slowest = self.left.left().map_or(NEVER, |left| end_of(left, now));
                        after(since, patience.read.limit()).min(slowest)
                    }
                }
            }
        };
        self.deadline
    }

    /// When a heartbeat is due on the connection, which is about to be parked at `now` and waits for what comes behind
    /// the piece of this number.
    pub(crate) fn next_heartbeat(&mut self, pieces: u32, heartbeat: Option<Duration>, now: Millis) -> Millis {
        self.deadline = after(self.since(WaitsFor::Source(pieces), now), heartbeat);
        self.deadline
    }

    /// The connection, which is about to be parked at `now`, has times of its own, and is to be looked at when it is
    /// `due`.
    #[cfg(feature = "ws")]
    pub(crate) fn next_look(&mut self, due: Millis, now: Millis) -> Millis {
        self.wait_ended(now);
        (self.had_output, self.left, self.moved) = (false, Allowance::WHOLE, 0);
        self.deadline = due;
        due
    }

    /// The connection, for which a deadline was just found, is to be looked at when it is `due` at the latest.
    #[cfg(feature = "ws")]
    pub(crate) fn look_by(&mut self, due: Millis) -> Millis {
        self.deadline = self.deadline.min(due);
        self.deadline
    }

    /// Since when the connection waits for this.
    fn since(&mut self, waits_for: WaitsFor, now: Millis) -> Millis {
        if waits_for != self.waits_for {
            self.left = Allowance::WHOLE;
            if !waits_for.shares_time_of(self.waits_for) {
                self.since = now;
            }
            self.waits_for = waits_for;
        }
        self.since
    }
}

impl WaitsFor {
    /// Whether its time began with that of `earlier`, another one: head and body of a request have one limit together.
    fn shares_time_of(self, earlier: Self) -> bool {
        match (earlier, self) {
            (Self::Peer(Expects::Head(of)), Self::Peer(Expects::Body(behind))) => of == behind,
            _ => false,
        }
    }
}

/// The end of a wait that begins at `now`: at once when nothing is left.
fn end_of(left: Duration, now: Millis) -> Millis {
    if left.is_zero() { now } else { after(now, Some(left)) }
}

/// When a connection is given up, accepted at `now`, on which nothing ever comes.
pub(crate) fn first_deadline(now: Millis, timeouts: &Timeouts) -> Millis {
    after(now, timeouts.read).min(after(now, timeouts.read_header))
}

/// So long after `from`. That was rounded down to the millisecond before, and a part of one counts as a whole one, so
/// that no limit is cut short.
fn after(from: Millis, limit: Option<Duration>) -> Millis {
    // Without a division of 128 bits: this is reckoned with each request.
    let part = |limit: Duration| u64::from(limit.subsec_nanos().div_ceil(1_000_000));
    let millis = |limit: Duration| limit.as_secs().saturating_mul(1000).saturating_add(part(limit));
    limit.map_or(NEVER, |limit| from.saturating_add(millis(limit)).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::config::request_config::RequestConfig;
    use crate::wire::pace::{MinRate, Pace};
    use Expects::{AcceptedBody, Body, FirstRequest, Head, NextRequest, UnreadBody};

    const fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    const TIMEOUTS: Timeouts = Timeouts {
        read: millis(1000),
        read_header: millis(100),
        idle: millis(500),
        write: millis(50),
        body_rate: None,
        response_rate: None,
    };
    const PATIENCE: Patience =
        Patience { read: Pace::new(millis(2000), None), write: Pace::new(millis(50), None) };

    fn next(clock: &mut ConnClock, awaits: Awaits, expects: Expects, now: Millis) -> Millis {
        clock.next_deadline(awaits, expects, &PATIENCE, &TIMEOUTS, now)
    }

    #[test]
    fn a_deadline_stands_while_the_same_is_waited_for() {
        let first = first_deadline(7, &TIMEOUTS);
        assert_eq!(first, 7 + 101, "the shorter of the two limits of a head");
        let mut clock = ConnClock::new(0, first);
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
        let mut clock = ConnClock::new(0, NEVER);
        // A look in each quarter of 50 ms, whose remainder counts as a whole millisecond.
        for (now, expected) in [(10, 24), (24, 38), (38, 52), (52, 61), (61, 61)] {
            assert_eq!(next(&mut clock, Awaits::Output, NextRequest(1), now), expected, "nothing was taken");
        }
        clock.progressed(1);
        assert_eq!(next(&mut clock, Awaits::Output, NextRequest(1), 61), 75);
        assert_eq!(next(&mut clock, Awaits::LingerEnd, NextRequest(1), 100), 100 + 1001);
        assert_eq!(next(&mut clock, Awaits::LingerEnd, NextRequest(1), 900), 100 + 1001);
    }

    /// A connection with the default options, whose peer does something every so often.
    struct Simulated {
        clock: ConnClock,
        awaits: Awaits,
        expects: Expects,
        timeouts: Timeouts,
        now: Millis,
    }

    impl Simulated {
        fn new(awaits: Awaits, expects: Expects) -> Self {
            let timeouts = ServerBuilder::default().resolve().expect("the defaults").timeouts;
            let mut simulated =
                Simulated { clock: ConnClock::new(0, NEVER), awaits, expects, timeouts, now: 1000 };
            // The head of the request was here before.
            simulated.clock.progressed(100_000);
            simulated.park();
            simulated
        }

        fn park(&mut self) -> Millis {
            let patience = Patience::of(&RequestConfig::NOTHING, &self.timeouts);
            self.clock.next_deadline(self.awaits, self.expects, &patience, &self.timeouts, self.now)
        }

        /// When the connection is given up, if the peer makes so many bytes of progress each time, `until` at most.
        fn given_up(&mut self, bytes: usize, every: Millis, until: Millis) -> Option<Millis> {
            let begun = self.now;
            let mut next = begun + every;
            while self.now < begun + until {
                let due = self.clock.deadline();
                self.now = due.min(next);
                self.clock.wait_ended(self.now);
                if self.now == next {
                    next += every;
                    self.clock.progressed(bytes);
                }
                if self.park() <= self.now {
                    return Some(self.now - begun);
                }
            }
            None
        }
    }

    const STATES: [(Awaits, Expects); 4] = [
        (Awaits::Input, Body(0)),
        (Awaits::Input, AcceptedBody(0)),
        (Awaits::Input, UnreadBody(1)),
        (Awaits::Output, NextRequest(1)),
    ];

    #[test]
    fn engine_f4_by_default_who_stops_or_trickles_is_given_up_in_time() {
        const MOST: Millis = 90_000;
        for (awaits, expects) in STATES {
            for (bytes, every) in [(0, MOST), (1, 100), (1, 1000), (1, 50), (1, 59_000), (100, 1000)] {
                let given_up = Simulated::new(awaits, expects).given_up(bytes, every, 4 * MOST);
                // Who is nearer to the rate has longer, but not by much.
                let most = if bytes < 100 { MOST } else { 2 * MOST };
                let given_up = given_up.expect("it is given up");
                assert!(given_up > 59_000, "{expects:?}: {bytes} in {every} ms end after {given_up} ms");
                assert!(given_up < most, "{expects:?}: {bytes} in {every} ms end after {given_up} ms");
            }
        }
    }

    #[test]
    fn engine_f4_by_default_who_is_as_fast_as_the_rate_goes_on() {
        for (awaits, expects) in STATES {
            // Bodies that are collected, or that nobody wants, have a limit of their own besides.
            for (bytes, every) in [(240, 1000), (24, 100), (14_160, 59_000)] {
                let given_up = Simulated::new(awaits, expects).given_up(bytes, every, 240_000);
                assert_eq!(given_up, None, "{expects:?}: {bytes} in {every} ms");
            }
        }
    }

    #[test]
    fn engine_f4_only_the_time_of_waiting_counts() {
        for (awaits, expects) in STATES {
            let mut simulated = Simulated::new(awaits, expects);
            simulated.timeouts.read = None;
            for round in 1..=10 {
                // Parked for five seconds, then in a queue or in somebody's code for an hour.
                simulated.now += 5000;
                simulated.clock.wait_ended(simulated.now);
                simulated.now += 3_600_000;
                simulated.clock.wait_ended(simulated.now);
                let due = simulated.park();
                assert!(due > simulated.now, "{expects:?}: round {round}");
            }
            simulated.now += 10_000;
            assert_eq!(simulated.park(), simulated.now, "{expects:?}: a minute of waiting");
        }
    }

    #[test]
    fn engine_f4_each_body_has_its_own_time() {
        let rate = Some(MinRate::new(100, Duration::from_secs(1)));
        let patience = Patience { read: Pace::new(None, rate), write: Pace::default() };
        let mut clock = ConnClock::new(0, NEVER);
        let park = |clock: &mut ConnClock, expects, now| {
            clock.next_deadline(Awaits::Input, expects, &patience, &TIMEOUTS, now)
        };
        assert_eq!(park(&mut clock, Body(0), 0), 1001);
        assert_eq!(park(&mut clock, Body(0), 900), 1001);
        for (expects, now) in
            [(AcceptedBody(0), 900), (UnreadBody(1), 1800), (Body(1), 2700), (Body(2), 3600)]
        {
            assert_eq!(park(&mut clock, expects, now), now + 1001, "{expects:?}");
            assert_eq!(park(&mut clock, expects, now + 500), now + 1001, "{expects:?}");
        }
    }

    #[test]
    fn a_heartbeat_is_due_so_long_after_each_piece() {
        let mut clock = ConnClock::new(0, NEVER);
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
