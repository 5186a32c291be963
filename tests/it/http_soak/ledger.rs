//! Which request came to the handler how often: every connection's requests, in order, each once.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections that are remembered after their clients have left.
const REMEMBERED: usize = 20_000;

/// Violations that are kept to be shown.
const SHOWN: usize = 20;

/// A request's number: its connection's, and its place there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) connection: u64,
    pub(super) place: u64,
}

impl Stamp {
    /// The stamp and the size in a query, such as `17.3.1000`.
    pub(super) fn read(query: &[u8]) -> Option<(Self, usize)> {
        let mut parts = std::str::from_utf8(query).ok()?.split('.');
        let mut next = || parts.next()?.parse::<u64>().ok();
        let stamp = Stamp { connection: next()?, place: next()? };
        Some((stamp, usize::try_from(next()?).ok()?))
    }

    /// Bytes that no other request has.
    pub(super) fn bytes(self, size: usize) -> Vec<u8> {
        let unit = format!("{self};");
        let mut bytes = unit.repeat(size.div_ceil(unit.len()).max(1)).into_bytes();
        bytes.truncate(size);
        bytes
    }
}

impl Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.connection, self.place)
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// How many requests of a connection were handled, which is the place of the last one.
    handled: HashMap<u64, u64>,
    /// Those whose clients have left, in that order.
    left: VecDeque<u64>,
    violations: Vec<String>,
}

impl Ledger {
    /// A connection is about to be made.
    pub(super) fn open(&self, connection: u64) {
        self.pages().handled.insert(connection, 0);
    }

    /// A connection's client has left; what it asked for may still be handled.
    pub(super) fn close(&self, connection: u64) {
        let mut pages = self.pages();
        pages.left.push_back(connection);
        if pages.left.len() > REMEMBERED {
            let oldest = pages.left.pop_front();
            oldest.and_then(|oldest| pages.handled.remove(&oldest));
        }
    }

    /// A request came to the handler.
    pub(super) fn note(&self, stamp: Stamp) {
        let mut pages = self.pages();
        // One of a client that has given up long ago may come late.
        let Some(last) = pages.handled.get_mut(&stamp.connection) else { return };
        let expected = *last + 1;
        *last = stamp.place;
        if stamp.place != expected {
            pages.complain(format!("request {stamp} came where place {expected} was due"));
        }
    }

    /// How many requests of a connection were handled.
    pub(super) fn handled(&self, connection: u64) -> Option<u64> {
        self.pages().handled.get(&connection).copied()
    }

    /// Asserts that all requests came in order and once.
    pub(super) fn is_clean(&self) {
        let pages = self.pages();
        assert!(pages.violations.is_empty(), "{:#?}", pages.violations);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn complain(&mut self, violation: String) {
        if self.violations.len() < SHOWN {
            self.violations.push(violation);
        }
    }
}

#[test]
fn requests_that_are_doubled_or_skipped_are_noticed() {
    let noticed = |places: &[u64]| {
        let ledger = Ledger::default();
        ledger.open(7);
        places.iter().for_each(|&place| ledger.note(Stamp { connection: 7, place }));
        let violations = ledger.pages().violations.len();
        violations > 0
    };
    assert!(!noticed(&[1, 2, 3]));
    assert!(noticed(&[1, 1]) && noticed(&[1, 3]) && noticed(&[2]));
    assert_eq!(Stamp::read(b"17.3.20"), Some((Stamp { connection: 17, place: 3 }, 20)));
    assert_eq!(Stamp::read(b"17.3"), None);
    assert_eq!(Stamp { connection: 17, place: 3 }.bytes(8), b"17.3;17.");
}
