//! Waiting for room: what a blocked submitter does each time it wakes.

use super::admission::{OnFull, SubmitOptions};
use super::queue::Item;
use super::roster::Reservation;
use super::waiters::{WaitTicket, WaiterState};
use super::{Core, ToNotify};
use crate::error::Refusal;
use crate::sync::{Arc, Condvar, Instant};
use crate::waits;

/// Why a submitter that waits for room looks what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// It was notified, or has not slept yet.
    Notified,
    /// It has slept for as long as it may be left untold.
    Untold,
    /// Its time is up.
    TimedOut,
    /// It would sleep for ever.
    WouldDeadlock,
}

/// What a submitter that waits for room does next.
pub(crate) enum Waiting<T> {
    /// It sleeps. Unless it is eager it looks after a while even if nobody notifies it.
    Sleep { eager: bool },
    /// It makes this worker, if there is one, in place of one that did not come to be; then it is
    /// [noted as sleeping](Core::sleep_in_line) again, and asks again.
    MakeWorker(Option<Reservation>),
    /// It waits no more.
    Over(Waited<T>),
}

/// How waiting for room ended.
pub(crate) enum Waited<T> {
    Accepted,
    /// The pool has no worker any more who could come free: the payload has to be submitted anew.
    Anew(Item<T>),
    Refused(Refusal, Item<T>),
}

impl<T> Core<T> {
    /// A submitter that waits for room asks what became of it; the last answer is `Over`. Others to be notified after
    /// unlocking are added to `to_notify`.
    pub(crate) fn go_on_waiting(
        &mut self,
        ticket: WaitTicket,
        options: &SubmitOptions<'_>,
        woken: Woken,
        to_notify: &mut ToNotify,
    ) -> Waiting<T> {
        if matches!(woken, Woken::Untold | Woken::TimedOut) && self.waiters.has(ticket) {
            self.reclaim_room(to_notify);
        }
        let (eager, sleeper) = match self.waiters.state_of(ticket) {
            WaiterState::Waiting { eager, sleeper } => (eager, sleeper),
            WaiterState::Served => {
                self.waiters.was_told(ticket);
                return Waiting::Over(Waited::Accepted);
            }
            WaiterState::TurnedAway(item) => {
                self.note_refusal(!options.quiet);
                return Waiting::Over(Waited::Refused(Refusal::Closed, item));
            }
        };
        let refusal = if options.is_cancelled() {
            Some(Refusal::Cancelled)
        } else if self.roster.workers() == 0 {
            None
        } else if woken == Woken::WouldDeadlock || sleeper.is_some_and(waits::is_roused) {
            Some(Refusal::WouldDeadlock)
        } else if woken == Woken::TimedOut {
            Some(Refusal::Timeout)
        } else if let Some(reservation) = self.take_up_offer(ticket) {
            return Waiting::MakeWorker(reservation);
        } else {
            if woken == Woken::Untold {
                self.waiters.make_eager(ticket);
            }
            return Waiting::Sleep { eager: eager || woken == Woken::Untold };
        };
        let item = self.waiters.withdraw(ticket).expect("it still waits");
        self.pass_on_offers(to_notify);
        Waiting::Over(match refusal {
            Some(refusal) => {
                self.note_refusal(!options.quiet);
                Waited::Refused(refusal, item)
            }
            None => {
                self.check();
                Waited::Anew(item)
            }
        })
    }

    /// A submitter has had its last answer, and waits on its condition variable no more.
    pub(crate) fn return_condvar(&mut self, condvar: Arc<Condvar>) {
        self.waiters.return_condvar(condvar);
    }

    /// A submitter has waited for a while: what workers took in batches is not over as soon as it seemed. They are to
    /// check in after each payload again, and what they have started by now left room.
    fn reclaim_room(&mut self, to_notify: &mut ToNotify) {
        // Without a worker that surely lives, the queue would be left to nobody.
        if self.limits.has_queue() && self.roster.someone_lives() {
            self.backlog.recall();
            self.refill(to_notify);
        }
    }

    /// Fills the queue up with the payloads of waiters.
    pub(super) fn refill(&mut self, to_notify: &mut ToNotify) {
        while !self.waiters.is_empty() && self.has_place(0) {
            let Some((item, priority)) = self.waiters.move_up(to_notify) else { break };
            self.totals.accepted += 1;
            self.backlog.push(item, priority);
        }
        self.pass_on_offers(to_notify);
        // Without a bound nobody waits, and nobody is to be told.
        let Some(capacity) = self.limits.queue_capacity else { return };
        if self.waiters.has_deferred() {
            self.backlog.recount();
            self.waiters.notify_at_low_water(self.backlog.queued_at_most(), capacity, to_notify);
        }
    }
}

impl OnFull {
    /// Until when a submitter that waits for room may sleep, if there is such a moment.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            OnFull::Wait(deadline) => deadline,
            _ => None,
        }
    }
}
