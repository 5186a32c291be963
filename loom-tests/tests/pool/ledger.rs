//! Payloads that keep account of their fate, and the books that they are noted in.
//!
//! The books lie in std's primitives on purpose: loom does not see them, so they add no interleavings. They are never
//! held across one of loom's switching points.

use std::sync::{Arc, Mutex};

use anthill_pool::{PoolState, PoolStats};

/// What became of each payload.
#[derive(Default)]
pub(crate) struct Ledger {
    fates: Mutex<Vec<Fate>>,
}

#[derive(Clone, Copy, Default)]
struct Fate {
    ran: usize,
    returned: usize,
    discarded: usize,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Ledger::default())
    }

    /// A payload that will be accounted for.
    pub(crate) fn payload(self: &Arc<Self>) -> Payload {
        let mut fates = self.fates.lock().unwrap();
        fates.push(Fate::default());
        Payload { number: fates.len() - 1, ledger: self.clone(), _alive: loom::alloc::Track::new(()) }
    }

    /// How many payloads there are.
    pub(crate) fn payloads(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    /// How many payloads have run.
    pub(crate) fn ran(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.ran).sum()
    }

    /// How many payloads were handed back.
    pub(crate) fn returned(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.returned).sum()
    }

    /// How many accepted payloads the pool gave up.
    pub(crate) fn discarded(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.discarded).sum()
    }

    /// The contract: each payload was run exactly once or handed back.
    pub(crate) fn check(&self) {
        for (number, fate) in self.fates.lock().unwrap().iter().enumerate() {
            let Fate { ran, returned, discarded } = *fate;
            assert!(
                ran + returned + discarded == 1,
                "payload {number}: ran {ran} times, handed back {returned} times, discarded {discarded} times"
            );
        }
    }

    /// The contract, and that a closed pool's counters say the same.
    pub(crate) fn check_with(&self, stats: &PoolStats) {
        self.check();
        check_closed(stats);
        assert!(self.ran() as u64 == stats.finished, "finished: {}, ran: {}", stats.finished, self.ran());
        assert!(
            self.returned() as u64 == stats.rejected + stats.handed_back,
            "rejected: {}, handed back: {}, in the books: {}",
            stats.rejected,
            stats.handed_back,
            self.returned()
        );
        assert!(
            self.discarded() as u64 == stats.discarded,
            "discarded: {}, in the books: {}",
            stats.discarded,
            self.discarded()
        );
    }
}

/// A payload that notes in its ledger whether it ran or came back; loom complains when one is leaked.
pub(crate) struct Payload {
    pub(crate) number: usize,
    ledger: Arc<Ledger>,
    _alive: loom::alloc::Track<()>,
}

impl Payload {
    pub(crate) fn run(self) {
        self.ledger.fates.lock().unwrap()[self.number].ran += 1;
    }

    pub(crate) fn hand_back(self) {
        self.ledger.fates.lock().unwrap()[self.number].returned += 1;
    }

    pub(crate) fn discard(self) {
        self.ledger.fates.lock().unwrap()[self.number].discarded += 1;
    }
}

/// What the counters of a pool say after `wait`.
pub(crate) fn check_closed(stats: &PoolStats) {
    assert_eq!(stats.state, PoolState::Stopped);
    assert_eq!((stats.workers, stats.busy, stats.idle), (0, 0, 0), "workers, busy, idle");
    assert_eq!((stats.queued, stats.blocked), (0, 0), "queued, blocked");
    assert_eq!(
        stats.accepted,
        stats.finished + stats.handed_back + stats.discarded,
        "accepted is finished, handed back or discarded"
    );
}
