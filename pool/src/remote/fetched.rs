//! A delivery on its way through the pool.

use std::fmt;
use std::slice;

use super::job::Delivery;
use super::leases::LeaseTicket;
use super::ledger::{RunEnd, Verdict};
use super::lines::Lines;
use crate::sync::{Instant, StdArc};

/// A delivery on its way through the pool: what a [`Consumer`](super::Consumer)'s pool has for payloads. Nothing can be
/// done with it but dropping it, and then the job is given back; whatever a pool's policies do with it, no job is lost.
pub struct Fetched {
    pub(super) delivery: Delivery,
    ticket: LeaseTicket,
    lines: StdArc<Lines>,
    is_settled: bool,
}

impl Fetched {
    /// Takes in what was fetched, whose leases began no later than `leased`.
    pub(super) fn take_in(lines: &StdArc<Lines>, deliveries: Vec<Delivery>, leased: Instant) -> Vec<Self> {
        let tickets = lines.ledger.take_in(&deliveries, leased);
        let fetched = deliveries.into_iter().zip(tickets).map(|(delivery, ticket)| Fetched {
            delivery,
            ticket,
            lines: lines.clone(),
            is_settled: false,
        });
        fetched.collect()
    }

    /// The handler is about to begin. False when it must not: the job is not ours any more, or that cannot be found
    /// out.
    ///
    /// Whoever had the job before has ended, or cannot be reached, perhaps because of this very job. So the source is
    /// told first then, and the attempt counts. Of jobs that come for the first time it learns when their lease is
    /// begun anew, which costs nothing.
    pub(super) fn begin(&self) -> bool {
        self.lines.ledger.begin(self.ticket);
        if self.delivery.deliveries <= 1 {
            return true;
        }
        match self.lines.ask(|source| source.begin(slice::from_ref(&self.delivery.receipt))) {
            Ok(ours) => ours > 0,
            Err(error) => {
                self.lines.note(&error);
                false
            }
        }
    }

    /// The run has ended, or there will be none.
    pub(super) fn settle(mut self, verdict: Verdict, run: RunEnd) {
        self.is_settled = true;
        self.lines.ledger.settle(self.ticket, verdict, run);
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if !self.is_settled {
            let attempts = self.delivery.attempt.saturating_sub(1);
            self.lines.ledger.settle(self.ticket, Verdict::Return { attempts }, RunEnd::NotRun);
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("id", &self.delivery.id).finish_non_exhaustive()
    }
}
