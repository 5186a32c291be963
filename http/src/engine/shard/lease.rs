//! The lease of a shard: the right to drive it, held by exactly one thread.
//!
//! Whoever drives a shard holds a [`Term`]. Before a handler runs, the driver trades it for an [`InHandler`];
//! afterwards it gets the term back, unless the handler took so long that another worker has taken the lease over
//! meanwhile. Taking over is done by the worker that then drives, never for it: as long as no worker is there to do so,
//! the old driver keeps the lease. So there is always exactly one, whatever the pool's state.
//!
//! All of it is one atomic word, and two transitions that can meet are compare-exchanges from the same value, of which
//! only one can win:
//!
//! ```text
//!  bits 63..33 generation   +1 by each take-over
//!  bits 32..1  handler      +1 by each handler
//!  bit  0      inside       1 while the driver is in a handler
//!
//!  enter      (g, h,   0) -> (g,   h+1, 1)   store: only the driver acts on a word that is outside
//!  leave      (g, h+1, 1) -> (g,   h+1, 0)   compare-exchange: fails when the lease was taken over
//!  take over  (g, h+1, 1) -> (g+1, h+1, 0)   compare-exchange: fails when the driver has left that very handler
//! ```
//!
//! A handler's number comes back after 2^32 handlers and a generation after 2^31 take-overs; a sighting is used within
//! moments or not at all.

use crate::engine::sync::{AtomicU64, Ordering};

const INSIDE: u64 = 1;
const HANDLER_ONE: u64 = 1 << 1;
const HANDLER_MASK: u64 = ((1 << 32) - 1) << 1;
const GENERATION_ONE: u64 = 1 << 33;

/// The state of one shard's lease.
#[derive(Debug)]
pub(crate) struct Lease {
    word: AtomicU64,
}

/// Evidence of driving a shard, outside of any handler.
#[derive(Debug)]
#[must_use = "a term that is dropped leaves its shard without a driver"]
pub(crate) struct Term {
    word: u64,
}

/// Evidence of being in a handler, and of having driven the shard when it was entered.
#[derive(Debug)]
#[must_use = "whoever is in a handler must `leave` it"]
pub(crate) struct InHandler {
    word: u64,
}

/// A driver seen inside a certain handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    word: u64,
}

impl Lease {
    /// A lease, and the term of its first driver.
    pub(crate) fn new() -> (Self, Term) {
        (Lease { word: AtomicU64::new(0) }, Term { word: 0 })
    }

    /// The driver goes into a handler.
    pub(crate) fn enter(&self, term: Term) -> InHandler {
        let handler = term.word.wrapping_add(HANDLER_ONE) & HANDLER_MASK;
        let word = (term.word & !HANDLER_MASK) | handler | INSIDE;
        self.word.store(word, Ordering::Release);
        InHandler { word }
    }

    /// The handler is over. `None`: the lease was taken over meanwhile.
    pub(crate) fn leave(&self, inside: InHandler) -> Option<Term> {
        let outside = inside.word & !INSIDE;
        self.word
            .compare_exchange(inside.word, outside, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Term { word: outside })
    }

    /// Looks whether the driver is inside a handler, and which.
    pub(crate) fn sight(&self) -> Option<Sighting> {
        let word = self.word.load(Ordering::Acquire);
        (word & INSIDE != 0).then_some(Sighting { word })
    }

    /// Makes the caller the driver, if the old one is still inside the handler it was seen in.
    pub(crate) fn take_over(&self, sighting: Sighting) -> Option<Term> {
        let word = sighting.word.wrapping_add(GENERATION_ONE) & !INSIDE;
        self.word
            .compare_exchange(sighting.word, word, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Term { word })
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_of_leaving_and_taking_over_wins() {
        let (lease, term) = Lease::new();
        assert_eq!(lease.sight(), None);
        let inside = lease.enter(term);
        let sighting = lease.sight().unwrap();
        let term = lease.leave(inside).expect("nobody took it over");
        assert!(lease.take_over(sighting).is_none(), "the handler seen is over");

        let inside = lease.enter(term);
        assert!(lease.take_over(sighting).is_none(), "another handler than the one seen");
        let second = lease.take_over(lease.sight().unwrap()).expect("the driver is inside");
        assert!(lease.leave(inside).is_none(), "taken over");
        assert_eq!(lease.sight(), None);
        let inside = lease.enter(second);
        assert!(lease.leave(inside).is_some());
    }

    #[test]
    fn counters_wrap_within_their_fields() {
        let (lease, _) = Lease::new();
        let inside = lease.enter(Term { word: !INSIDE });
        let generation = inside.word >> 33;
        assert_eq!(generation, (1 << 31) - 1, "a wrapping handler's number does not reach the generation");
        assert_eq!(inside.word & HANDLER_MASK, 0);
        let next = lease.take_over(lease.sight().unwrap()).unwrap();
        assert_eq!(next.word >> 33, 0, "a wrapping generation is lost above the word");
        assert_eq!(next.word & INSIDE, 0);
        let _ended = lease.leave(lease.enter(next));
    }
}
