//! Duties: what every worker alive is to do once.

use crate::core::handoff::Seat;
use crate::core::{Broadcast, BroadcastBody, Core, Reservation, WorkerRecord};

impl<T> Core<T> {
    /// Gives every worker alive a duty; the seats are to be told to look. Returns how many workers there are.
    pub(crate) fn add_broadcast(&mut self, body: BroadcastBody) -> (usize, Vec<Seat<T>>) {
        if self.workers == 0 {
            return (0, Vec::new());
        }
        self.broadcasts_given += 1;
        self.broadcasts.push(Broadcast { number: self.broadcasts_given, body, to_take: self.workers });
        let seats = self.ready.take_all();
        self.searching += seats.len();
        (self.workers, seats)
    }

    pub(super) fn take_broadcasts(&mut self, record: &mut WorkerRecord<T>) -> Option<Vec<BroadcastBody>> {
        if record.reservation.broadcasts_seen == self.broadcasts_given {
            return None;
        }
        let bodies = self.forget_broadcasts(record.reservation);
        record.reservation.broadcasts_seen = self.broadcasts_given;
        record.reservation.searching = true;
        self.searching += 1;
        record.broadcasting = true;
        self.broadcasting += 1;
        Some(bodies)
    }

    /// Takes the duties that a worker has not done off the books, as far as they were its own.
    pub(super) fn forget_broadcasts(&mut self, reservation: Reservation) -> Vec<BroadcastBody> {
        if reservation.broadcasts_seen == self.broadcasts_given {
            return Vec::new();
        }
        let mut bodies = Vec::new();
        for broadcast in
            self.broadcasts.iter_mut().filter(|broadcast| broadcast.number > reservation.broadcasts_seen)
        {
            broadcast.to_take -= 1;
            bodies.push(broadcast.body.clone());
        }
        self.broadcasts.retain(|broadcast| broadcast.to_take > 0);
        bodies
    }
}
