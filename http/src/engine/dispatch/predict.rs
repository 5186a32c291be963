//! Which routes block: learned, so that their requests are handed to a worker before they can stall a shard.
//!
//! A route is the method and the first two segments of the path; what a hook does with its requests is a route of its
//! own. Each has an entry in a fixed table (routes that share an entry share their fate, which costs speed only), which
//! says that nothing is known, that the route is fast, or how many fast runs are missing until it counts as fast. A
//! handler that blocked on a driver makes that the full number; while there are any the route is dispatched. Dispatched
//! runs time themselves: a slow one makes it the full number again, a fast one takes one off. So a route counts as
//! blocking while more than about one run in two hundred is slow, which is where dispatching all of them (some 7 us each)
//! costs less than being surprised by one. A fast route that is slow once is looked at for a few runs first.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Entries in the table, a power of two.
const ENTRIES: usize = 1024;
/// Fast runs in a row that make a route inline again.
const FULL: u8 = 200;
/// The same for a fast route that was slow once: something else may have had the CPU.
const ONCE: u8 = 8;
/// The entry of a route that is fast; above all numbers of missing runs. Zero is that of a route of which nothing is
/// known.
const PROVEN: u8 = u8::MAX;
/// The same of one that was slow a short time ago: next time it will be believed.
const PROVEN_AGAIN: u8 = PROVEN - 1;
/// Runs shorter than this are fast: not much more than handing over costs.
pub(crate) const FAST: Duration = Duration::from_micros(100);
/// How many path segments tell routes apart; further ones are mostly parameters.
const SEGMENTS: usize = 2;

/// An entry of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route(u16);

impl Route {
    /// The route of a request.
    pub(crate) fn of(method: &str, target: &[u8]) -> Self {
        let mut segments = 0;
        let is_behind = |byte: &u8| {
            segments += usize::from(*byte == b'/');
            segments > SEGMENTS || matches!(byte, b'?' | b'#')
        };
        let end = target.iter().position(is_behind).unwrap_or(target.len());
        let hash = hash(hash(SEED, method.as_bytes()), &target[..end]);
        Route((hash >> 48) as u16 & (ENTRIES - 1) as u16)
    }

    /// That of what hooks do with the heads of its requests.
    pub(crate) fn of_hook(self) -> Self {
        Route(!self.0 & (ENTRIES - 1) as u16)
    }

    /// As a number that fits an atomic.
    pub(crate) fn to_number(self) -> u16 {
        self.0
    }

    pub(crate) fn from_number(number: u16) -> Self {
        Route(number & (ENTRIES - 1) as u16)
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

/// The table.
#[derive(Debug)]
pub(crate) struct Predictor {
    entries: Box<[AtomicU8]>,
}

impl Predictor {
    pub(crate) fn new() -> Self {
        Predictor { entries: (0..ENTRIES).map(|_| AtomicU8::new(0)).collect() }
    }

    #[inline]
    pub(crate) fn judge(&self, route: Route) -> Judgement {
        match self.entry(route).load(Ordering::Relaxed) {
            0 => Judgement::Unknown,
            PROVEN | PROVEN_AGAIN => Judgement::Fast,
            _ => Judgement::Blocks,
        }
    }

    /// Whether a route that counts as blocking has been slow once only, or for the last time long ago.
    pub(crate) fn is_doubtful(&self, route: Route) -> bool {
        (1..=ONCE).contains(&self.entry(route).load(Ordering::Relaxed))
    }

    /// A handler of the route blocked on a driver.
    pub(crate) fn surprised(&self, route: Route) {
        let entry = self.entry(route);
        let missing = if entry.load(Ordering::Relaxed) == PROVEN { ONCE } else { FULL };
        entry.store(missing, Ordering::Relaxed);
    }

    /// Forgets of fast routes that they were slow a while ago.
    pub(crate) fn forgive(&self) {
        for entry in &self.entries {
            if entry.load(Ordering::Relaxed) == PROVEN_AGAIN {
                entry.store(PROVEN, Ordering::Relaxed);
            }
        }
    }

    /// The first run of the route that was looked at did not block.
    pub(crate) fn proved(&self, route: Route) {
        let _ = self.entry(route).compare_exchange(0, PROVEN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A dispatched run of the route took `elapsed`.
    pub(crate) fn ran(&self, route: Route, elapsed: Duration) {
        let entry = self.entry(route);
        if elapsed >= FAST {
            entry.store(FULL, Ordering::Relaxed);
            return;
        }
        // Two workers may take off the same one; it is a guess, not an account.
        match entry.load(Ordering::Relaxed) {
            PROVEN | PROVEN_AGAIN => {}
            0 => entry.store(PROVEN, Ordering::Relaxed),
            1 => entry.store(PROVEN_AGAIN, Ordering::Relaxed),
            missing => entry.store(missing - 1, Ordering::Relaxed),
        }
    }

    fn entry(&self, route: Route) -> &AtomicU8 {
        &self.entries[usize::from(route.0)]
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// A multiplicative hash, eight bytes at a time: short inputs, no setup. Peers can force shared entries, which costs them
/// nothing they could not have by asking for the slow route.
#[inline]
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(ODD);
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = seed;
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let rest = chunks.remainder().iter().fold(1, |word, byte| word << 8 | u64::from(*byte));
    mix(hash, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_method_and_two_segments() {
        let route = |method, target: &str| Route::of(method, target.as_bytes());
        assert_eq!(route("GET", "/api/users/17?x=1"), route("GET", "/api/users/18"));
        assert_eq!(route("GET", "/sleep?ms=1"), route("GET", "/sleep?ms=2"));
        assert_ne!(route("GET", "/api/users/17"), route("POST", "/api/users/17"));
        assert_ne!(route("GET", "/"), route("GET", "/sleep"));
        assert_ne!(route("GET", "/sleep"), route("GET", "/sleeq"));
        assert_ne!(route("GET", "/a-long-first-segment/x"), route("GET", "/a-long-first-segment/y"));
        assert_eq!(Route::from_number(route("GET", "/a").to_number()), route("GET", "/a"));
    }

    #[test]
    fn one_surprise_is_forgotten_after_two_hundred_fast_runs() {
        let predictor = Predictor::new();
        let route = Route::of("GET", b"/");
        assert_eq!(predictor.judge(route), Judgement::Unknown);
        predictor.surprised(route);
        predictor.proved(route);
        for _ in 0..FULL - 1 {
            predictor.ran(route, Duration::ZERO);
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
        let (predictor, route) = (Predictor::new(), Route::of("GET", b"/"));
        let recovers_after = |runs: u8| {
            predictor.surprised(route);
            for _ in 0..runs {
                assert_eq!(predictor.judge(route), Judgement::Blocks);
                predictor.ran(route, Duration::ZERO);
            }
            assert_eq!(predictor.judge(route), Judgement::Fast);
        };
        predictor.proved(route);
        recovers_after(ONCE);
        recovers_after(FULL);
        recovers_after(FULL);
        predictor.forgive();
        recovers_after(ONCE);
    }

    #[test]
    fn hooks_are_routes_of_their_own() {
        let (predictor, route) = (Predictor::new(), Route::of("GET", b"/"));
        predictor.surprised(route.of_hook());
        predictor.proved(route);
        assert_eq!(predictor.judge(route), Judgement::Fast);
        assert_eq!(predictor.judge(route.of_hook()), Judgement::Blocks);
    }

    #[test]
    fn once_is_doubtful_and_twice_is_not() {
        let (predictor, route) = (Predictor::new(), Route::from_number(3));
        assert!(!predictor.is_doubtful(route), "nothing is known");
        predictor.proved(route);
        assert!(!predictor.is_doubtful(route), "it is fast");
        predictor.surprised(route);
        assert_eq!((predictor.judge(route), predictor.is_doubtful(route)), (Judgement::Blocks, true));
        predictor.surprised(route);
        assert_eq!((predictor.judge(route), predictor.is_doubtful(route)), (Judgement::Blocks, false));
    }
}
