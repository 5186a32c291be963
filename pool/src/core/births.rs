//! Births: workers whose state is still being made, and who counts on them.
//!
//! Making a state may take any time, and meanwhile the payload that the worker is made for may be taken by another one,
//! or its submission may give up. So a worker that is being made belongs to nobody: it comes searching, and serves
//! whoever waits first. Two rules are kept. *No more are made than payloads wait for one*, as each submission finds
//! when it asks. *Who counts on a worker that does not come to be has another one made, or is told why*: a submission
//! that watches asks again; one that waits in line keeps its place, and is [offered](Waiters::offer_birth) to make one.

use super::admission::{OnFull, SubmitOptions};
use super::roster::Reservation;
use super::waiters::WaitTicket;
use super::{Core, ToNotify};
use crate::waits::{self, Sleeper, StayAwake, TaskRunner, Wait, WayOut, WorkerKey};

/// How workers come to be.
pub(super) struct Births {
    /// True when workers have a state of their own, which may take its time: then a new worker comes searching, and
    /// says itself whether it came to be.
    have_state: bool,
    /// Submissions that have their payload in hand, and ask again when something has happened; where workers have no
    /// state nobody counts them.
    undecided: usize,
    /// Those of them that are workers, and noted as sleeping until a birth is settled.
    watchers: Vec<WorkerKey>,
}

impl Births {
    pub(super) fn new(have_state: bool) -> Self {
        Births { have_state, undecided: 0, watchers: Vec::new() }
    }

    pub(super) fn have_state(&self) -> bool {
        self.have_state
    }

    pub(super) fn undecided(&self) -> usize {
        self.undecided
    }

    /// A submission goes to make a worker with a state, or to watch.
    pub(super) fn leaves_undecided(&mut self) {
        self.undecided += usize::from(self.have_state);
    }
}

impl<T> Core<T> {
    /// True when a worker is on its way, its state perhaps still being made, or idle, for whom no payload waits yet. A
    /// worker that asks does not count on itself.
    pub(super) fn counts_on_birth(&self, asks: impl Fn() -> Option<Sleeper>) -> bool {
        if !self.births.have_state {
            return false;
        }
        let itself = asks().is_some_and(|worker| worker.is_unborn_of(self.key()));
        self.takers() > self.in_want() + usize::from(itself)
    }

    /// Workers that have nothing to do yet, whether they surely live or not.
    fn takers(&self) -> usize {
        self.roster.ready() + self.coming() + self.roster.unborn()
    }

    /// Payloads that wait for a worker.
    fn in_want(&self) -> usize {
        self.backlog.queued() + self.backlog.background() + self.waiters.len() + self.births.undecided
    }

    /// How many more workers would have something to do, those on their way being spoken for.
    pub(super) fn wants_workers(&self) -> usize {
        self.in_want().saturating_sub(self.takers())
    }

    /// A submission watches until something has happened, and asks again. If it is a worker it sleeps until one of this
    /// pool comes free, unless its time is too short to speak of.
    pub(super) fn begin_watch(
        &mut self,
        options: &SubmitOptions<'_>,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Result<(), StayAwake> {
        let may_block = self.limits.max_blocking != Some(0);
        let is_long = self.births.have_state && may_block && matches!(options.on_full, OnFull::Wait(_));
        if let Some(worker) = sleeper().filter(|_| is_long) {
            waits::fall_asleep(&worker, Wait::Free(self.key()), WayOut::RefusedSubmission)?;
            self.births.watchers.push(worker.key());
        }
        self.births.leaves_undecided();
        Ok(())
    }

    /// A submission that was undecided asks again. True when it was told meanwhile that nobody would ever come free.
    pub(crate) fn asks_again(&mut self, sleeper: Option<WorkerKey>) -> bool {
        self.births.undecided -= usize::from(self.births.have_state);
        sleeper.is_some_and(|worker| self.end_watch(worker))
    }

    /// A worker sleeps until that one was born, or was not.
    pub(crate) fn watch_birth(&mut self, worker: &Sleeper, unborn: WorkerKey) -> Result<(), StayAwake> {
        waits::fall_asleep(worker, Wait::Run(TaskRunner::Worker(unborn)), WayOut::Nothing)?;
        self.births.watchers.push(worker.key());
        Ok(())
    }

    /// A worker that watched is awake. True when it had been told to take its way out.
    pub(crate) fn end_watch(&mut self, worker: WorkerKey) -> bool {
        self.births.watchers.retain(|watcher| *watcher != worker);
        waits::wake(worker)
    }

    /// A birth was settled, or the pool stopped: who watches for that sleeps no more, whether it is awake or not.
    pub(super) fn wake_watchers(&mut self) {
        for watcher in self.births.watchers.drain(..) {
            waits::wake(watcher);
        }
    }

    /// A worker did not come to be, or has left: one in line may make another one in its place.
    pub(super) fn make_good(&mut self, to_notify: &mut ToNotify) {
        if self.wants_birth() {
            to_notify.extend(self.waiters.offer_birth());
        }
    }

    /// Submissions have left the line that may have been offered to make a worker, and have not: others may in their
    /// place.
    pub(super) fn pass_on_offers(&mut self, to_notify: &mut ToNotify) {
        for _ in 0..self.waiters.take_dropped_offers() {
            self.make_good(to_notify);
        }
    }

    /// A submission in line has woken that may have been offered to make a worker: the slot for it, if it is still
    /// wanted.
    pub(super) fn take_up_offer(&mut self, ticket: WaitTicket) -> Option<Option<Reservation>> {
        let is_wanted = self.wants_birth();
        let is_offered = self.waiters.take_up_offer(ticket, is_wanted);
        is_offered.then(|| is_wanted.then(|| self.reserve(true)))
    }

    fn wants_birth(&self) -> bool {
        self.open
            && self.births.have_state
            && self.wants_workers() > 0
            && self.limits.allow_one_beside(self.roster.workers())
    }

    /// A submission in line that was offered to make a worker sleeps again; not if that would be for ever.
    pub(crate) fn sleep_in_line(&mut self, ticket: WaitTicket, worker: &Sleeper) -> Result<(), StayAwake> {
        if self.waiters.has(ticket) {
            waits::fall_asleep(worker, Wait::Free(self.key()), WayOut::RefusedSubmission)?;
            self.waiters.note_sleeper(ticket, worker.key());
        }
        Ok(())
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use crate::config::Limits;
    use crate::config::clock::Clock;
    use crate::core::admission::{Admission, Attempt, OnFull, SubmitOptions};
    use crate::core::check_in::{CheckIn, Ended, Next};
    use crate::core::handoff::Seat;
    use crate::core::queue::Item;
    use crate::core::roster::{Reservation, WorkerRecord};
    use crate::core::waiters::WaitTicket;
    use crate::core::waiting::{Waited, Waiting, Woken};
    use crate::core::{Core, ToNotify};
    use crate::error::Refusal;
    use crate::sync::{Arc, Condvar, channel};
    use crate::waits::Headcount;

    type InLine = (WaitTicket, Arc<Condvar>);

    /// A core of at most two workers with states, of whom so many are busy.
    fn core_of(queue: usize, busy: usize) -> (Core<u8>, Vec<WorkerRecord<u8>>) {
        let limits = Limits {
            max_workers: Some(2),
            min_workers: 0,
            queue_capacity: Some(queue),
            max_blocking: None,
            batch_size: 1,
        };
        let mut core = Core::new(limits, Clock::System, true, Headcount::new());
        let workers = (0..busy).map(|_| busy_worker(&mut core)).collect();
        (core, workers)
    }

    fn busy_worker(core: &mut Core<u8>) -> WorkerRecord<u8> {
        let reservation = core.reserve_below(2).expect("a slot is free");
        core.spawn_succeeded(reservation, None);
        assert!(matches!(admit(core), Admission::Kept), "for the worker that comes");
        let (place, _) = channel::one_place();
        let mut record = WorkerRecord::new(Seat::here(place), reservation);
        let arrives = CheckIn { ended: None, may_batch: false };
        let next = core.check_in(&mut record, arrives, &mut ToNotify::new());
        assert!(matches!(next, Next::Run(_)));
        record
    }

    /// A submission that makes no worker itself.
    fn admit(core: &mut Core<u8>) -> Admission<u8> {
        let attempt = Attempt { awaits_worker: true, ..Attempt::default() };
        let options = SubmitOptions::new(OnFull::Wait(None));
        core.admit(&mut Some(Item::unstamped(0)), &options, attempt, || None)
    }

    fn in_line(core: &mut Core<u8>) -> InLine {
        let Admission::Wait(ticket, condvar) = admit(core) else { panic!("it waits in line") };
        (ticket, condvar)
    }

    fn wakes(core: &mut Core<u8>, waiter: &InLine, woken: Woken) -> (Waiting<u8>, ToNotify) {
        let mut to_notify = ToNotify::new();
        let options = SubmitOptions::new(OnFull::Wait(None));
        (core.go_on_waiting(waiter.0, &options, woken, &mut to_notify), to_notify)
    }

    fn is_told(to_notify: &ToNotify, waiter: &InLine) -> bool {
        to_notify.iter().any(|condvar| Arc::ptr_eq(condvar, &waiter.1))
    }

    /// The submission in line has been told to make a worker, and does.
    fn makes_worker(core: &mut Core<u8>, told: &ToNotify, waiter: &InLine) -> Reservation {
        assert!(is_told(told, waiter));
        match wakes(core, waiter, Woken::Notified).0 {
            Waiting::MakeWorker(Some(reservation)) => reservation,
            _ => panic!("it is to make a worker"),
        }
    }

    #[test]
    fn an_offer_whose_submission_is_served_goes_to_the_next_in_line() {
        for queue in [0, 1] {
            let (mut core, mut workers) = core_of(queue, 2);
            if queue == 1 {
                assert!(matches!(admit(&mut core), Admission::Kept));
            }
            let line = [in_line(&mut core), in_line(&mut core)];
            let told = core.abandon(&mut workers[1]).forsaken.to_notify;
            assert!(is_told(&told, &line[0]) && !is_told(&told, &line[1]));
            let mut to_notify = ToNotify::new();
            let ends = CheckIn { ended: Some(Ended::Returned), may_batch: false };
            assert!(matches!(core.check_in(&mut workers[0], ends, &mut to_notify), Next::Run(_)));
            makes_worker(&mut core, &to_notify, &line[1]);
            assert!(matches!(wakes(&mut core, &line[0], Woken::Notified).0, Waiting::Over(Waited::Accepted)));
        }
    }

    #[test]
    fn an_offer_whose_submission_gives_up_goes_to_the_next_in_line() {
        let (mut core, mut workers) = core_of(0, 2);
        let line = [in_line(&mut core), in_line(&mut core)];
        core.abandon(&mut workers[1]);
        let (gives_up, to_notify) = wakes(&mut core, &line[0], Woken::TimedOut);
        assert!(matches!(gives_up, Waiting::Over(Waited::Refused(Refusal::Timeout, _))));
        makes_worker(&mut core, &to_notify, &line[1]);
    }

    #[test]
    fn the_last_worker_that_lives_is_made_good_beside_one_that_is_being_made() {
        let (mut core, mut workers) = core_of(0, 1);
        core.reserve_below(2).expect("a slot is free");
        let line = [in_line(&mut core), in_line(&mut core)];
        let told = core.abandon(&mut workers[0]).forsaken.to_notify;
        makes_worker(&mut core, &told, &line[0]);
    }

    #[test]
    fn an_offer_is_used_up_only_by_a_worker_that_is_made() {
        let (mut core, mut workers) = core_of(0, 2);
        let line = in_line(&mut core);
        core.abandon(&mut workers[1]);
        let others = core.reserve_below(2).expect("a slot is free");
        let unwanted = wakes(&mut core, &line, Woken::Notified).0;
        assert!(matches!(unwanted, Waiting::MakeWorker(None)));
        let told = core.spawn_failed(others, None).0.to_notify;
        let own = makes_worker(&mut core, &told, &line);
        let told = core.spawn_failed(own, None).0.to_notify;
        assert!(!is_told(&told, &line), "states that cannot be made are not tried without end");
    }
}
