//! Which routes block: learned, so that their requests are handed to a worker before they can stall a shard.
//!
//! A route is the method and the first two segments of the path, or what a router has found, by its number; what a hook
//! does with its requests is a route of its own. What is known of it is that it is fast, or how many fast runs are
//! missing until it counts as fast; while there are any the route is dispatched. The first time that its handler blocks
//! on a driver, perhaps because it had to begin, makes that a few; soon after that it makes it the full number.
//! Dispatched runs time themselves: a slow one makes it the full number, a fast one takes one off. So a route counts as
//! blocking while more than about one run in two hundred is slow, which is where dispatching all of them (some 7 us
//! each) costs less than being surprised by one.
//!
//! The same is kept for the method and the first segment alone, which stands in for routes of which nothing is known:
//! where the second segment is a parameter, each of its values is a route that has never run.
//!
//! The table has a fixed size. An entry says whose it is, so routes do not share their fate, and one that is fast is
//! not given up for another. Which routes meet in an entry nobody can compute from outside, because the hash has a seed
//! of this process.

use crate::util::hash::hash;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Entries in the table, a power of two.
const ENTRIES: usize = 4096;
/// Fast runs in a row that make a route inline again.
const FULL: u8 = 200;
/// The same for a route that was slow once: something else may have had the CPU, or it had to begin.
const ONCE: u8 = 8;
/// What is known of a route that is fast; above all numbers of missing runs. Zero: nothing is known.
const PROVEN: u8 = u8::MAX;
/// The same of one that was slow a short time ago: next time it will be believed.
const PROVEN_AGAIN: u8 = PROVEN - 1;
/// Runs shorter than this are fast: not much more than handing over costs.
pub(crate) const FAST: Duration = Duration::from_micros(100);

/// What requests have in common whose handlers are expected to block alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteHash {
    own: u32,
    /// That of the first segment alone.
    prefix: u32,
}

impl RouteHash {
    /// That of what is refused, whatever it is.
    pub(crate) const REFUSED: Self = Self { own: 0x7265_6675, prefix: 0x7265_6675 };

    /// That of what observers are told, whatever it is.
    pub(crate) const NOTICES: Self = Self { own: 0x6e6f_7469, prefix: 0x6e6f_7469 };

    /// That of the part of a handshake in which a key of ours signs.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) const HANDSHAKE: Self = Self { own: 0x6865_6c6c, prefix: 0x6865_6c6c };

    /// That of the rest of it.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) const HANDSHAKE_END: Self = Self { own: 0x6b65_7973, prefix: 0x6b65_7973 };

    /// Whether it is that of a part of a handshake.
    pub(crate) fn is_handshake(self) -> bool {
        #[cfg(feature = "tls-no-provider")]
        {
            self == Self::HANDSHAKE || self == Self::HANDSHAKE_END
        }
        #[cfg(not(feature = "tls-no-provider"))]
        {
            false
        }
    }

    /// That of what hooks do with the heads of its requests.
    pub(crate) fn of_hook(self) -> Self {
        RouteHash { own: !self.own, prefix: !self.prefix }
    }

    /// As a number that fits an atomic.
    pub(crate) fn to_number(self) -> u64 {
        u64::from(self.own) << 32 | u64::from(self.prefix)
    }

    pub(crate) fn from_number(number: u64) -> Self {
        RouteHash { own: (number >> 32) as u32, prefix: number as u32 }
    }
}

/// What is known of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It has not run yet.
    Unknown,
    /// It may run on a driver.
    Fast,
    /// Its next request should go to a worker.
    Blocks,
}

/// How sure it is that a route blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    None,
    /// It was fast since.
    Some,
    /// It was slow once only, or for the last time long ago.
    Great,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Predictor {
    /// Whose the entry is in the upper bits, and what is known in the lowest eight.
    entries: Box<[AtomicU32]>,
    seed: u64,
}

impl Predictor {
    pub(crate) fn new() -> Self {
        let seed = RandomState::new().hash_one(ENTRIES);
        Predictor { entries: (0..ENTRIES).map(|_| AtomicU32::new(0)).collect(), seed }
    }

    /// The route of a request.
    #[inline]
    pub(crate) fn route(&self, method: &[u8], target: &[u8]) -> RouteHash {
        let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        let first = target.iter().skip(1).position(is_end).map_or(target.len(), |end| end + 1);
        let (first, rest) = target.split_at(first);
        let prefix = hash(hash(self.seed, method), first);
        let own = match rest.split_first() {
            Some((b'/', second)) => {
                let end = second.iter().position(is_end).unwrap_or(second.len());
                hash(prefix, &second[..end])
            }
            _ => prefix,
        };
        RouteHash { own: (own >> 32) as u32, prefix: (prefix >> 32) as u32 }
    }

    /// The route that a router has found for a request: method and number are all that is to be known of it, so those
    /// that share their first segments do not share their fate.
    pub(crate) fn numbered(&self, method: &[u8], number: u32) -> RouteHash {
        let own = (hash(hash(!self.seed, method), &number.to_le_bytes()) >> 32) as u32;
        RouteHash { own, prefix: own }
    }

    #[inline]
    pub(crate) fn judge(&self, route: RouteHash) -> Judgement {
        match self.known(route.own) {
            0 if blocks(self.known(route.prefix)) => Judgement::Blocks,
            0 => Judgement::Unknown,
            known if blocks(known) => Judgement::Blocks,
            _ => Judgement::Fast,
        }
    }

    /// How sure it is that a route blocks which is judged so.
    pub(crate) fn doubt(&self, route: RouteHash) -> Doubt {
        let missing = match self.known(route.own) {
            0 => self.known(route.prefix),
            missing => missing,
        };
        match missing {
            0..=ONCE => Doubt::Great,
            FULL.. => Doubt::None,
            _ => Doubt::Some,
        }
    }

    /// A handler of the route blocked on a driver.
    pub(crate) fn surprised(&self, route: RouteHash) {
        self.change(route, |known| if matches!(known, 0 | PROVEN) { ONCE } else { FULL });
    }

    /// The first run of the route that was looked at did not block.
    pub(crate) fn proved(&self, route: RouteHash) {
        self.change(route, |known| if known == 0 { PROVEN } else { known });
    }

    /// A dispatched run of the route took `elapsed`.
    pub(crate) fn ran(&self, route: RouteHash, elapsed: Duration) {
        self.change(route, |known| match known {
            _ if elapsed >= FAST => FULL,
            PROVEN | PROVEN_AGAIN => known,
            0 => PROVEN,
            1 => PROVEN_AGAIN,
            missing => missing - 1,
        });
    }

    /// Forgets of fast routes that they were slow a while ago.
    pub(crate) fn forgive(&self) {
        for entry in &self.entries {
            let value = entry.load(Ordering::Relaxed);
            if value as u8 == PROVEN_AGAIN {
                entry.store(value & !0xff | u32::from(PROVEN), Ordering::Relaxed);
            }
        }
    }

    /// What is known of the route of this hash.
    #[inline]
    fn known(&self, hash: u32) -> u8 {
        let value = self.entry(hash).load(Ordering::Relaxed);
        if value >> 8 == owner(hash) { value as u8 } else { 0 }
    }

    fn change(&self, route: RouteHash, change: impl Fn(u8) -> u8) {
        self.change_one(route.own, &change);
        if route.prefix != route.own {
            self.change_one(route.prefix, &change);
        }
    }

    /// Two workers may change the same one; it is a guess, not an account.
    fn change_one(&self, hash: u32, change: impl Fn(u8) -> u8) {
        let entry = self.entry(hash);
        let before = entry.load(Ordering::Relaxed);
        let is_own = before >> 8 == owner(hash);
        if !is_own && matches!(before as u8, PROVEN | PROVEN_AGAIN) {
            return;
        }
        let after = owner(hash) << 8 | u32::from(change(if is_own { before as u8 } else { 0 }));
        if after != before {
            entry.store(after, Ordering::Relaxed);
        }
    }

    fn entry(&self, hash: u32) -> &AtomicU32 {
        &self.entries[hash as usize & (ENTRIES - 1)]
    }
}

/// Whether fast runs are missing.
fn blocks(known: u8) -> bool {
    !matches!(known, 0 | PROVEN | PROVEN_AGAIN)
}

/// What tells routes apart that meet in an entry.
fn owner(hash: u32) -> u32 {
    hash >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_method_and_two_segments() {
        let predictor = Predictor::new();
        let route = |method: &str, target: &str| predictor.route(method.as_bytes(), target.as_bytes());
        assert_eq!(route("GET", "/api/users/17?x=1"), route("GET", "/api/users/18"));
        assert_eq!(route("GET", "/sleep?ms=1"), route("GET", "/sleep?ms=2"));
        assert_eq!(route("GET", "/a/b#x"), route("GET", "/a/b"));
        assert_eq!(route("GET", "/a/b").prefix, route("GET", "/a").own);
        for (one, other) in [
            (route("GET", "/api/users/17"), route("POST", "/api/users/17")),
            (route("GET", "/"), route("GET", "/sleep")),
            (route("GET", "/sleep"), route("GET", "/sleeq")),
            (route("GET", "/a-long-first-segment/x"), route("GET", "/a-long-first-segment/y")),
            (route("GET", "/a"), route("GET", "/a/")),
            (route("GET", ""), route("GET", "/")),
        ] {
            assert_ne!(one, other);
        }
        let route = route("GET", "/a/b");
        assert_eq!(RouteHash::from_number(route.to_number()), route);
    }

    #[test]
    fn a_numbered_route_is_method_and_number() {
        let predictor = Predictor::new();
        let route = predictor.numbered(b"GET", 7);
        assert_eq!(route, predictor.numbered(b"GET", 7));
        for other in
            [predictor.numbered(b"GET", 8), predictor.numbered(b"PUT", 7), predictor.route(b"GET", b"/7")]
        {
            assert_ne!(route, other);
            predictor.surprised(route);
            assert_eq!(predictor.judge(other), Judgement::Unknown);
        }
    }

    #[test]
    fn a_route_that_blocks_is_forgotten_after_two_hundred_fast_runs() {
        let predictor = Predictor::new();
        let route = predictor.route(b"GET", b"/");
        assert_eq!(predictor.judge(route), Judgement::Unknown);
        predictor.surprised(route);
        assert_eq!(predictor.doubt(route), Doubt::Great);
        predictor.ran(route, FAST);
        assert_eq!(predictor.doubt(route), Doubt::None);
        predictor.proved(route);
        for _ in 0..FULL - 1 {
            predictor.ran(route, Duration::ZERO);
            assert_ne!(predictor.doubt(route), Doubt::None);
        }
        assert_eq!(predictor.judge(route), Judgement::Blocks);
        predictor.ran(route, FAST);
        for _ in 0..FULL - 1 {
            predictor.ran(route, Duration::ZERO);
        }
        assert_eq!(predictor.judge(route), Judgement::Blocks, "a slow run filled it again");
        for _ in 0..2 {
            predictor.ran(route, Duration::ZERO);
            assert_eq!(predictor.judge(route), Judgement::Fast);
        }
    }

    #[test]
    fn a_fast_route_that_is_slow_once_is_soon_believed_again_and_twice_is_not() {
        let predictor = Predictor::new();
        let route = predictor.route(b"GET", b"/");
        let recovers_after = |runs: u8| {
            predictor.surprised(route);
            for _ in 0..runs {
                assert_eq!(predictor.judge(route), Judgement::Blocks);
                predictor.ran(route, Duration::ZERO);
            }
            assert_eq!(predictor.judge(route), Judgement::Fast);
        };
        // The first time it may have had to begin.
        recovers_after(ONCE);
        recovers_after(FULL);
        recovers_after(FULL);
        predictor.forgive();
        recovers_after(ONCE);
    }

    #[test]
    fn hooks_are_routes_of_their_own() {
        let predictor = Predictor::new();
        let route = predictor.route(b"GET", b"/");
        predictor.surprised(route.of_hook());
        predictor.proved(route);
        assert_eq!(predictor.judge(route), Judgement::Fast);
        assert_eq!(predictor.judge(route.of_hook()), Judgement::Blocks);
    }

    #[test]
    fn engine_f1_what_blocks_whatever_its_second_segment_is_blocks_the_first_time_already() {
        let predictor = Predictor::new();
        let fast = predictor.route(b"GET", b"/");
        predictor.proved(fast);
        for id in 0..20_000 {
            let route = predictor.route(b"GET", format!("/users/{id}").as_bytes());
            assert_eq!(predictor.judge(route) == Judgement::Blocks, id > 0, "{id}");
            predictor.surprised(route);
        }
        assert_eq!(predictor.judge(fast), Judgement::Fast, "however many there are");
        let other = predictor.route(b"GET", b"/others/1");
        assert_eq!(predictor.judge(other), Judgement::Unknown);
    }
}
