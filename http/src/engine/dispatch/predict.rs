//! Which routes block: learned, so that their requests are handed to a worker before they can stall a shard.
//!
//! A route is the method and the first two segments of the path. Each has a saturating counter in a fixed table
//! (routes that share an entry share their fate, which costs speed only). A handler that was overtaken by the monitor
//! fills the counter; while it is above zero the route is dispatched. Dispatched runs time themselves: a slow one fills
//! it again, a fast one takes one off. So a route counts as blocking while more than about one run in two hundred is
//! slow, which is where dispatching all of them (some 7 us each) costs less than being surprised by one (a tick's
//! stall). The path that runs handlers inline reads no clock.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Entries in the table, a power of two.
const ENTRIES: usize = 1024;
/// Fast runs in a row that make a route inline again.
const FULL: u8 = 200;
/// Runs shorter than this are fast: not much more than handing over costs.
const FAST: Duration = Duration::from_micros(100);
/// How many path segments tell routes apart; further ones are mostly parameters.
const SEGMENTS: usize = 2;

/// An entry of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route(u16);

impl Route {
    /// The route of a request.
    pub(crate) fn of(method: &str, target: &[u8]) -> Self {
        let mut hash = Fnv::new();
        hash.add(method.as_bytes());
        let mut segments = 0;
        for &byte in target {
            if matches!(byte, b'?' | b'#') {
                break;
            }
            if byte == b'/' {
                segments += 1;
                if segments > SEGMENTS {
                    break;
                }
            }
            hash.add(&[byte]);
        }
        Route((hash.0 >> 32) as u16 & (ENTRIES - 1) as u16)
    }

    /// As a number that fits an atomic.
    pub(crate) fn to_number(self) -> u16 {
        self.0
    }

    pub(crate) fn from_number(number: u16) -> Self {
        Route(number & (ENTRIES - 1) as u16)
    }
}

/// The table of counters.
#[derive(Debug)]
pub(crate) struct Predictor {
    counters: Box<[AtomicU8]>,
}

impl Predictor {
    pub(crate) fn new() -> Self {
        Predictor { counters: (0..ENTRIES).map(|_| AtomicU8::new(0)).collect() }
    }

    /// True when the route's next request should go to a worker.
    pub(crate) fn blocks(&self, route: Route) -> bool {
        self.counter(route).load(Ordering::Relaxed) > 0
    }

    /// A handler of the route held up its shard.
    pub(crate) fn surprised(&self, route: Route) {
        self.counter(route).store(FULL, Ordering::Relaxed);
    }

    /// A dispatched run of the route took `elapsed`.
    pub(crate) fn ran(&self, route: Route, elapsed: Duration) {
        let counter = self.counter(route);
        if elapsed >= FAST {
            counter.store(FULL, Ordering::Relaxed);
        } else {
            // Two workers may take off the same one; it is a guess, not an account.
            let count = counter.load(Ordering::Relaxed);
            counter.store(count.saturating_sub(1), Ordering::Relaxed);
        }
    }

    fn counter(&self, route: Route) -> &AtomicU8 {
        &self.counters[usize::from(route.0)]
    }
}

/// FNV-1a: short inputs, no setup. Peers can force shared entries, which costs them nothing they could not have by
/// asking for the slow route.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
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
        assert_eq!(Route::from_number(route("GET", "/a").to_number()), route("GET", "/a"));
    }

    #[test]
    fn one_surprise_is_forgotten_after_two_hundred_fast_runs() {
        let predictor = Predictor::new();
        let route = Route::of("GET", b"/");
        assert!(!predictor.blocks(route));
        predictor.surprised(route);
        for _ in 0..FULL - 1 {
            predictor.ran(route, Duration::ZERO);
        }
        assert!(predictor.blocks(route));
        predictor.ran(route, FAST);
        for _ in 0..FULL - 1 {
            predictor.ran(route, Duration::ZERO);
        }
        assert!(predictor.blocks(route), "a slow run filled it again");
        predictor.ran(route, Duration::ZERO);
        assert!(!predictor.blocks(route));
        predictor.ran(route, Duration::ZERO);
        assert!(!predictor.blocks(route), "it saturates at zero");
    }
}
