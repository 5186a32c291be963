//! The leases of what is in a consumer's pool, by ticket.

use super::job::Receipt;
use crate::sync::Instant;

/// Whose lease is meant. It is given anew once that one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaseTicket(usize);

#[derive(Default)]
pub(super) struct Leases {
    /// By ticket; none where it is free.
    places: Vec<Option<HeldLease>>,
    free: Vec<LeaseTicket>,
}

struct HeldLease {
    receipt: Receipt,
    /// When it began, or was begun anew.
    since: Instant,
    has_begun: bool,
}

/// Leases that are to be begun anew.
#[derive(Default)]
pub(super) struct Due {
    /// Of jobs whose handler has begun.
    pub(super) begun: Vec<Receipt>,
    /// Of jobs that wait for a worker.
    pub(super) waiting: Vec<Receipt>,
}

impl Leases {
    pub(super) fn note(&mut self, receipt: Receipt, since: Instant) -> LeaseTicket {
        let lease = Some(HeldLease { receipt, since, has_begun: false });
        match self.free.pop() {
            Some(ticket) => {
                self.places[ticket.0] = lease;
                ticket
            }
            None => {
                self.places.push(lease);
                LeaseTicket(self.places.len() - 1)
            }
        }
    }

    pub(super) fn begin(&mut self, ticket: LeaseTicket) {
        if let Some(lease) = &mut self.places[ticket.0] {
            lease.has_begun = true;
        }
    }

    pub(super) fn end(&mut self, ticket: LeaseTicket) -> Receipt {
        let lease = self.places[ticket.0].take().expect("what ends was noted, and ends once");
        self.free.push(ticket);
        lease.receipt
    }

    /// Those that began at `before` or earlier; they count as begun `now`.
    pub(super) fn renew(&mut self, before: Instant, now: Instant) -> Due {
        let mut due = Due::default();
        for lease in self.places.iter_mut().flatten().filter(|lease| lease.since <= before) {
            lease.since = now;
            let receipts = if lease.has_begun { &mut due.begun } else { &mut due.waiting };
            receipts.push(lease.receipt.clone());
        }
        due
    }
}
