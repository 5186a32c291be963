//! Duties: what every worker alive is to do once.

use crate::core::handoff::Seat;
use crate::core::{Birth, Core, Duty, DutyBody, Post};

impl<T> Core<T> {
    /// Gives every worker alive a duty; the seats are to be told to look. Returns how many workers there are.
    pub(crate) fn give_duty(&mut self, body: DutyBody) -> (usize, Vec<Seat<T>>) {
        if self.workers == 0 {
            return (0, Vec::new());
        }
        self.duties_given += 1;
        self.duties.push(Duty { number: self.duties_given, body, to_take: self.workers });
        let seats = self.ready.take_all();
        self.errands += seats.len();
        (self.workers, seats)
    }

    pub(super) fn take_duties(&mut self, post: &mut Post<T>) -> Option<Vec<DutyBody>> {
        if post.birth.duties_seen == self.duties_given {
            return None;
        }
        let bodies = self.forget_duties(post.birth);
        post.birth.duties_seen = self.duties_given;
        post.birth.errand = true;
        self.errands += 1;
        post.on_duty = true;
        self.on_duty += 1;
        Some(bodies)
    }

    /// Takes the duties that a worker has not done off the books, as far as they were its own.
    pub(super) fn forget_duties(&mut self, birth: Birth) -> Vec<DutyBody> {
        if birth.duties_seen == self.duties_given {
            return Vec::new();
        }
        let mut bodies = Vec::new();
        for duty in self.duties.iter_mut().filter(|duty| duty.number > birth.duties_seen) {
            duty.to_take -= 1;
            bodies.push(duty.body.clone());
        }
        self.duties.retain(|duty| duty.to_take > 0);
        bodies
    }
}
