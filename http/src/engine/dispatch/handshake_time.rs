//! How much of its time a driver gives to handshakes, so that who sends requests meanwhile waits for few of them.
//!
//! The idea: to hand a handshake over costs much of what it takes to be reckoned, so where few come each is reckoned
//! where it was received. The part in which a key signs is the long one: a driver that has done it does none for seven
//! times as long, whatever the key, so never two in a row. The rest is short as a rule, and has a third of its time, of
//! which it can be ahead.

use std::time::{Duration, Instant};

use crate::engine::dispatch::predict::RouteHash;

/// Behind a first part the driver does no other for so many times as long as it took.
const FIRST_REST: u32 = 7;
/// A first part counts as no longer than this: no key in use takes as long, so it has waited for a CPU.
const FIRST_TOOK_MOST: Duration = Duration::from_millis(20);
/// The rest of a handshake is charged so many times as long as it took.
const REST: u32 = 3;
/// What was charged may be so far ahead of the clock.
const REST_AHEAD: Duration = Duration::from_millis(2);
/// The rest of a handshake counts as no longer than this, for the same reason.
const REST_TOOK_MOST: Duration = Duration::from_micros(500);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct HandshakeTime {
    /// When the next first part may be reckoned.
    first_from: Instant,
    /// Until when the time for the rest of handshakes is spent.
    rest_from: Instant,
}

impl HandshakeTime {
    /// That of a driver that begins `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { first_from: now, rest_from: now }
    }

    /// Whether that part of a handshake may be reckoned on the driver now.
    pub(crate) fn allows(&self, part: RouteHash, now: Instant) -> bool {
        if part == RouteHash::HANDSHAKE { self.first_from <= now } else { self.rest_from <= now + REST_AHEAD }
    }

    /// It was, from `begun` on.
    pub(crate) fn spent(&mut self, part: RouteHash, begun: Instant, took: Duration) {
        if part == RouteHash::HANDSHAKE {
            self.first_from = begun + took + took.min(FIRST_TOOK_MOST) * FIRST_REST;
        } else {
            self.rest_from = self.rest_from.max(begun) + took.min(REST_TOOK_MOST) * REST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// How many of so many that are there at once, each taking so long, are reckoned within a second, and the most of
    /// them in a row.
    fn reckoned(part: RouteHash, took: Duration) -> (u32, u32) {
        let begun = Instant::now();
        let (mut time, mut now) = (HandshakeTime::new(begun), begun);
        let (mut all, mut in_a_row, mut most) = (0, 0, 0);
        while now < begun + Duration::from_secs(1) {
            if time.allows(part, now) {
                time.spent(part, now, took);
                (all, in_a_row) = (all + 1, in_a_row + 1);
                now += took;
            } else {
                in_a_row = 0;
                now += MILLISECOND / 100;
            }
            most = most.max(in_a_row);
        }
        (all, most)
    }

    #[test]
    fn tls_01_a_flood_of_handshakes_has_a_part_of_a_drivers_time() {
        for took in [MILLISECOND / 20, MILLISECOND / 8, MILLISECOND * 2, MILLISECOND * 10] {
            let (first, in_a_row) = reckoned(RouteHash::HANDSHAKE, took);
            let eighth = MILLISECOND * 1_000 / 8;
            let all = took * first;
            assert!(all <= eighth + took && all >= eighth * 9 / 10 && in_a_row == 1, "{first} of {took:?}");
        }
        for took in [MILLISECOND / 25, MILLISECOND / 4] {
            let (rest, in_a_row) = reckoned(RouteHash::HANDSHAKE_END, took);
            let (third, ahead) = (MILLISECOND * 1_000 / 3, MILLISECOND * 3 / 2);
            assert!(took * rest <= third + ahead && took * rest >= third - ahead, "{rest} of {took:?}");
            assert!(in_a_row > 1 && took * in_a_row <= ahead, "{in_a_row} of {took:?}");
        }
        // However long one of them was kept from going on.
        let (mut time, now) = (HandshakeTime::new(Instant::now()), Instant::now());
        time.spent(RouteHash::HANDSHAKE_END, now, 1000 * MILLISECOND);
        time.spent(RouteHash::HANDSHAKE_END, now, 1000 * MILLISECOND);
        assert!(
            !time.allows(RouteHash::HANDSHAKE_END, now)
                && time.allows(RouteHash::HANDSHAKE_END, now + MILLISECOND)
        );
        assert!(time.allows(RouteHash::HANDSHAKE, now), "they do not keep one another off");
        time.spent(RouteHash::HANDSHAKE, now, 1000 * MILLISECOND);
        assert!(time.allows(RouteHash::HANDSHAKE, now + 1_140 * MILLISECOND), "something else had the CPU");
    }
}
