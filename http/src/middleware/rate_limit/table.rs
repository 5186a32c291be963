//! How much each client has used, in memory that is bounded.
//!
//! The idea: of a client no more is kept than until when it has used what it may (GCRA, which is a token bucket that is
//! one number). Clients are spread over sets by their hash, each under a lock of its own and with a few places.
//!
//! The rule: forgetting is never to a client's good. One whose time is over is as good as unknown. Where a set is full
//! of others, the one that has used least makes room, and leaves behind until when that was: nobody who comes new to
//! the set begins with less.

use parking_lot::Mutex;

/// Places of a set.
const WAYS: usize = 16;

/// Times are nanoseconds since the table was made.
pub(super) struct RateTable {
    sets: Box<[Mutex<RateSet>]>,
    ways: usize,
}

#[derive(Default)]
struct RateSet {
    /// Hashes of clients, and until when each has used what it may.
    used: Vec<(u64, u64)>,
    /// The same of those that had to make room.
    forgotten: u64,
}

/// What may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateQuota {
    /// What one request takes.
    pub(super) each: u64,
    /// What may be used ahead.
    pub(super) ahead: u64,
}

/// Whether a request may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateVerdict {
    /// So many more may, and one beyond these in so long.
    Granted { left: u64, more_in: u64 },
    /// In so long one may.
    Refused { wait: u64 },
}

impl RateTable {
    /// One that knows so many clients at most, rounded up to whole sets.
    pub(super) fn new(clients: usize) -> Self {
        let ways = clients.clamp(1, WAYS);
        let sets = clients.div_ceil(ways).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), ways }
    }

    /// A request of the client with that hash, now.
    pub(super) fn take(&self, client: u64, now: u64, allowance: RateQuota) -> RateVerdict {
        let index = (u128::from(client) * self.sets.len() as u128) >> 64;
        match self.sets.get(index as usize) {
            Some(set) => set.lock().take(client, now, allowance, self.ways),
            None => RateVerdict::Refused { wait: allowance.each },
        }
    }

    /// How many clients it knows.
    pub(super) fn clients(&self) -> usize {
        self.sets.iter().map(|set| set.lock().used.len()).sum()
    }
}

impl RateSet {
    fn take(&mut self, client: u64, now: u64, allowance: RateQuota, ways: usize) -> RateVerdict {
        let known = self.used.iter().position(|(known, _)| *known == client);
        let until = match known.and_then(|place| self.used.get(place)) {
            Some((_, until)) => *until,
            None => self.forgotten,
        };
        let (next, verdict) = allowance.judge(until, now);
        if let RateVerdict::Granted { .. } = verdict {
            match known {
                Some(place) => self.used[place].1 = next,
                None => self.remember(client, next, now, ways),
            }
        }
        verdict
    }

    fn remember(&mut self, client: u64, until: u64, now: u64, ways: usize) {
        let least = (0..self.used.len()).min_by_key(|&place| self.used[place].1);
        match least {
            Some(place) if self.used[place].1 <= now || self.used.len() >= ways => {
                self.forgotten = self.forgotten.max(self.used[place].1);
                self.used[place] = (client, until);
            }
            _ => self.used.push((client, until)),
        }
    }
}

impl RateQuota {
    /// Until when is used what was used until then and one request more, and whether that may be.
    fn judge(self, until: u64, now: u64) -> (u64, RateVerdict) {
        // More than this was never granted; a clock that was set back keeps nobody out for longer.
        let until = until.clamp(now, now.saturating_add(self.ahead));
        let next = until.saturating_add(self.each);
        let used = next - now;
        if used > self.ahead {
            return (until, RateVerdict::Refused { wait: used - self.ahead });
        }
        let left = (self.ahead - used) / self.each.max(1);
        let more_in = used + (left + 1) * self.each - self.ahead;
        (next, RateVerdict::Granted { left, more_in })
    }
}

/// Whole seconds, rounded up.
pub(super) fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const SECOND: u64 = 1_000_000_000;
    /// Three at once, one a second.
    const THREE: RateQuota = RateQuota { each: SECOND, ahead: 3 * SECOND };

    /// A number as good as a hash.
    fn hash(client: u64) -> u64 {
        client.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn is_granted(verdict: RateVerdict) -> bool {
        matches!(verdict, RateVerdict::Granted { .. })
    }

    #[test]
    fn what_is_used_comes_back_one_by_one() {
        let table = RateTable::new(100);
        let take = |now| table.take(hash(1), now, THREE);
        assert_eq!(take(0), RateVerdict::Granted { left: 2, more_in: SECOND });
        assert_eq!(take(0), RateVerdict::Granted { left: 1, more_in: SECOND });
        assert_eq!(take(0), RateVerdict::Granted { left: 0, more_in: SECOND });
        assert_eq!(take(0), RateVerdict::Refused { wait: SECOND });
        assert_eq!(take(SECOND / 4), RateVerdict::Refused { wait: SECOND / 4 * 3 });
        assert_eq!(take(SECOND), RateVerdict::Granted { left: 0, more_in: SECOND });
        assert!(!is_granted(take(SECOND)), "what was refused was not used, and no more has come");
        assert_eq!(take(100 * SECOND), RateVerdict::Granted { left: 2, more_in: SECOND });
        assert!(is_granted(table.take(hash(2), 0, THREE)), "each has its own");
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out_for_long() {
        let table = RateTable::new(1);
        for _ in 0..3 {
            assert!(is_granted(table.take(1, 1_000_000 * SECOND, THREE)));
        }
        assert_eq!(table.take(1, 0, THREE), RateVerdict::Refused { wait: SECOND });
    }

    #[test]
    fn it_knows_no_more_than_it_may_and_forgets_whose_time_is_over() {
        let table = RateTable::new(4096);
        for client in 0..100_000 {
            table.take(hash(client), 0, THREE);
        }
        let known = table.clients();
        assert!((3500..=4096).contains(&known), "{known}");
        let places: usize = table.sets.iter().map(|set| set.lock().used.capacity()).sum();
        assert!(places <= 4096, "{places}");
        // All are over: whoever comes begins anew.
        for client in 200_000..201_000 {
            assert_eq!(
                table.take(hash(client), 100 * SECOND, THREE),
                RateVerdict::Granted { left: 2, more_in: SECOND }
            );
        }
    }

    proptest! {
        /// Whatever others do, no client is granted more than by a table that forgets nothing.
        #[test]
        fn forgetting_is_never_to_a_clients_good(
            requests in proptest::collection::vec((0_u64..40, 0_u64..SECOND), 1..400),
            places in 1_usize..24,
        ) {
            let table = RateTable::new(places);
            let mut all: HashMap<u64, u64> = HashMap::new();
            let mut now = 0;
            for (client, pause) in requests {
                now += pause / 4;
                let until = all.entry(client).or_default();
                let (next, whole) = THREE.judge(*until, now);
                if is_granted(table.take(hash(client), now, THREE)) {
                    prop_assert!(is_granted(whole), "client {} at {}", client, now);
                    *until = next;
                }
                prop_assert!(table.clients() <= places.next_multiple_of(places.min(WAYS)));
            }
        }
    }
}
