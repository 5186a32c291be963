//! Broadcasts: closures that every worker alive runs once.

use super::Core;
use super::handoff::Seat;
use super::roster::WorkerRecord;
use crate::sync::StdArc;

/// What every worker alive is to run once, beside its payloads; it gets the worker's number.
pub(crate) type BroadcastBody = StdArc<dyn Fn(usize) + Send + Sync>;

#[derive(Default)]
pub(super) struct Broadcasts {
    /// Those that some worker has not taken yet.
    pending: Vec<Broadcast>,
    /// How many were ever given.
    given: u64,
}

struct Broadcast {
    number: u64,
    body: BroadcastBody,
    /// How many workers have not taken it yet.
    to_take: usize,
}

impl Broadcasts {
    /// How many were ever given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// True when every worker has taken all.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn add(&mut self, body: BroadcastBody, workers: usize) {
        self.given += 1;
        self.pending.push(Broadcast { number: self.given, body, to_take: workers });
    }

    /// Takes what a worker that has seen so many has not taken yet off the books, and returns it.
    pub(super) fn forget(&mut self, seen: u64) -> Vec<BroadcastBody> {
        if seen == self.given {
            return Vec::new();
        }
        let mut bodies = Vec::new();
        for broadcast in self.pending.iter_mut().filter(|broadcast| broadcast.number > seen) {
            broadcast.to_take -= 1;
            bodies.push(broadcast.body.clone());
        }
        self.pending.retain(|broadcast| broadcast.to_take > 0);
        bodies
    }
}

impl<T> Core<T> {
    /// Gives every worker alive a broadcast to run; the idle ones, whose seats are returned, are to be told to search.
    /// Returns how many workers there are.
    pub(crate) fn broadcast(&mut self, body: BroadcastBody) -> (usize, Vec<Seat<T>>) {
        let workers = self.roster.workers();
        if workers == 0 {
            return (0, Vec::new());
        }
        self.broadcasts.add(body, workers);
        self.backlog.recall();
        let seats = self.roster.call_all();
        self.check();
        (workers, seats)
    }

    /// The broadcasts that a worker has not run yet, if there are any: it goes to run them, and comes back searching.
    pub(super) fn take_broadcasts(&mut self, record: &mut WorkerRecord<T>) -> Option<Vec<BroadcastBody>> {
        let given = self.broadcasts.given();
        if record.reservation.broadcasts_seen == given {
            return None;
        }
        let bodies = self.broadcasts.forget(record.reservation.broadcasts_seen);
        record.reservation.broadcasts_seen = given;
        self.roster.now_broadcasting(record);
        self.check();
        Some(bodies)
    }
}
