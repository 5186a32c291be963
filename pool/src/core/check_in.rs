//! Check-in: what a worker does next that comes to the core, and whose payload it takes.

use super::broadcast::BroadcastBody;
use super::queue::Item;
use super::roster::WorkerRecord;
use super::{Core, Forsaken, ToNotify};
use crate::waits;
use crate::watched::Watchable;

/// Why a worker comes to the core.
#[derive(Clone, Copy)]
pub(crate) struct CheckIn {
    /// How its latest payload ended; `None` when it comes without having run one.
    pub(crate) ended: Option<Ended>,
    /// True when it may take several payloads at a time.
    pub(crate) may_batch: bool,
}

/// How a payload's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Returned,
    Panicked,
    /// It had waited too long and was not run.
    Discarded,
}

/// What a worker does after a check-in.
pub(crate) enum Next<T> {
    Run(Item<T>),
    /// Run these first, then come again.
    Broadcasts(Vec<BroadcastBody>),
    /// It is on the ready stack: wait for an order.
    Idle,
    /// Its slot is given back: end.
    Leave,
}

/// What a worker leaves behind that cannot go on.
pub(crate) struct Leftovers<T> {
    /// Nobody is left to run them.
    pub(crate) payloads: Vec<T>,
    /// Those who may wait for nobody now.
    pub(crate) forsaken: Forsaken,
    /// Only to be dropped after unlocking.
    pub(crate) broadcasts: Vec<BroadcastBody>,
}

impl<T> Core<T> {
    /// A worker asks what to do. Waiters to be notified after unlocking are added to `to_notify`.
    pub(crate) fn check_in(
        &mut self,
        record: &mut WorkerRecord<T>,
        check_in: CheckIn,
        to_notify: &mut ToNotify,
    ) -> Next<T> {
        self.settle_accounts(record, check_in.ended);
        if let Some(broadcasts) = self.take_broadcasts(record) {
            return Next::Broadcasts(broadcasts);
        }
        // Above the cap it leaves, unless what waits would be left to workers that may not come to be, or that sleep
        // for others themselves.
        let has_heirs = self.roster.alive() > self.roster.headcount().asleep() + 1;
        if self.limits.surplus_of(self.roster.workers()) > 0 && (has_heirs || self.nothing_waits()) {
            return self.leave(record);
        }
        if let Some(item) = self.take_waiting(record, check_in.may_batch, to_notify) {
            self.check();
            return Next::Run(item);
        }
        if !self.open {
            return self.leave(record);
        }
        // Read under the lock, so that the stack is ordered by time.
        self.roster.link(self.clock.now(), record.seat.clone());
        self.note_idleness();
        self.check();
        Next::Idle
    }

    fn settle_accounts(&mut self, record: &mut WorkerRecord<T>, ended: Option<Ended>) {
        match ended {
            Some(Ended::Discarded) => self.totals.discarded += 1,
            Some(ended) => {
                self.totals.finished += 1;
                self.totals.panicked += u64::from(ended == Ended::Panicked);
            }
            None => {
                self.roster.arrived(record);
                // Who watches may have counted on this one, which may take the payload of somebody else.
                self.wake_watchers();
            }
        }
        if record.holding {
            let counts = self.backlog.settle_batch(record);
            self.totals.finished += counts.finished;
            self.totals.panicked += counts.panicked;
        }
    }

    fn leave(&mut self, record: &WorkerRecord<T>) -> Next<T> {
        debug_assert!(
            record.reservation.broadcasts_seen == self.broadcasts.given(),
            "broadcasts are run before leaving"
        );
        self.roster.release();
        self.note_idleness();
        self.check();
        Next::Leave
    }

    /// A worker that cannot go on (its state could not be made anew) leaves at once. When no other surely lives, what
    /// is queued has nobody left: it is returned, and all waiters are to be notified.
    pub(crate) fn abandon(&mut self, record: &mut WorkerRecord<T>) -> Leftovers<T> {
        // Its own batch first of all: nobody is left to run it.
        self.backlog.recall();
        self.settle_accounts(record, Some(Ended::Panicked));
        let broadcasts = self.broadcasts.forget(record.reservation.broadcasts_seen);
        self.roster.release();
        let (mut payloads, mut to_notify) = (Vec::new(), ToNotify::new());
        if !self.roster.someone_lives() {
            self.queue_background();
            payloads = self.backlog.take_queue();
            self.totals.discarded += payloads.len() as u64;
            to_notify = self.waiters.forsake();
        }
        // Where none is left at all, those in line submit anew.
        if self.roster.workers() > 0 {
            self.make_good(&mut to_notify);
        }
        self.wake_watchers();
        // All others may sleep for one that will not come.
        let alarm = waits::look_again(self.roster.headcount());
        self.note_idleness();
        self.check();
        Leftovers { payloads, forsaken: Forsaken { to_notify, alarm }, broadcasts }
    }

    /// The payload that a worker takes: from the queue, from a waiter, from another worker's batch, or else background
    /// work.
    fn take_waiting(
        &mut self,
        record: &mut WorkerRecord<T>,
        may_batch: bool,
        to_notify: &mut ToNotify,
    ) -> Option<Item<T>> {
        if let Some(item) = self.backlog.take_overdue_background() {
            return Some(self.begin_background(item));
        }
        if may_batch && self.may_batch() {
            // Its first payload is taken before the refill, which may bring an urgent one that takes the batch back.
            let first = self.backlog.take_batch(record);
            self.refill(to_notify);
            return first;
        }
        if let Some(item) = self.take_queued(to_notify) {
            return Some(item);
        }
        if let Some(item) = self.waiters.serve(to_notify) {
            self.totals.accepted += 1;
            self.pass_on_offers(to_notify);
            return Some(item);
        }
        self.backlog.take_from_other_batch(record).or_else(|| {
            let (item, _) = self.backlog.take_background()?;
            Some(self.begin_background(item))
        })
    }

    /// True when a worker may take several payloads: what is left beside idle workers is theirs, and a submitter that
    /// has waited for long has its place as soon as a payload is started.
    fn may_batch(&self) -> bool {
        self.backlog.is_worth_a_batch(self.roster.workers())
            && self.roster.ready() == 0
            && !self.waiters.longest_is_eager()
    }

    /// Takes one queued payload; the payload of a waiter takes its place.
    pub(super) fn take_queued(&mut self, to_notify: &mut ToNotify) -> Option<Item<T>> {
        let item = self.backlog.pop()?;
        self.refill(to_notify);
        Some(item)
    }

    /// Background work was taken, which is accepted and begins to wait only now.
    fn begin_background(&mut self, mut item: Item<T>) -> Item<T> {
        self.totals.accepted += 1;
        item.since = item.since.map(|_| self.clock.now());
        item
    }

    /// Treats background work like what was accepted.
    pub(super) fn queue_background(&mut self) {
        while let Some((item, priority)) = self.backlog.take_background() {
            let item = self.begin_background(item);
            self.backlog.push(item, priority);
        }
    }
}
