//! Admission: what becomes of a payload that is submitted, and of the slots that are reserved for new workers.

use std::time::Duration;

use super::handoff::{Mail, Order, Seat};
use super::queue::{Item, Priority};
use super::roster::Reservation;
use super::waiters::WaitTicket;
use super::{BroadcastBody, Core, ToNotify};
use crate::cancel::CancelToken;
use crate::config::WhenFull;
use crate::error::Refusal;
use crate::sync::{Arc, Condvar, Instant, thread};
use crate::waits::{self, Alarm, Sleeper, Wait, WayOut};
use crate::watched::Watchable;

/// How a submission wants to be treated.
#[derive(Clone, Copy)]
pub(crate) struct SubmitOptions<'t> {
    pub(crate) priority: Priority,
    pub(crate) on_full: OnFull,
    /// Calls the submission off.
    pub(crate) token: Option<&'t CancelToken>,
    /// A refusal is neither counted nor told here: the submission may still go elsewhere.
    pub(crate) quiet: bool,
    /// Does not wait for a thread that somebody else is making either.
    pub(crate) in_passing: bool,
}

/// What becomes of a payload for which there is no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnFull {
    /// Its submitter waits for room, until this moment if there is one.
    Wait(Option<Instant>),
    /// It is refused.
    Refuse,
    /// The oldest of the least urgent queued payloads makes room for it.
    Displace,
    /// Its submitter runs it.
    RunHere,
    /// It is kept for the next worker that has nothing else to do.
    Background,
}

/// What a submitter has found out since it first asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attempt {
    /// It was to make a worker, which did not come to be.
    pub(crate) failed: Option<Refusal>,
    /// The worker that it was to make is making its state.
    pub(crate) awaits_worker: bool,
    /// It watched, and is told that nobody will ever come free.
    pub(crate) roused: bool,
    /// It has watched workers come to be for as long as it may.
    pub(crate) watched_long_enough: bool,
}

/// The answer to a submission.
pub(crate) enum Admission<T> {
    /// Accepted: give this order to this worker, which is unlinked.
    Give(Seat<T>, Order<T>),
    /// It is queued, and so accepted; or it is kept in the background, and accepted once a worker takes it.
    Kept,
    /// Accepted: it is in the queue, from which this one was discarded.
    Displaced(Item<T>),
    /// A slot is reserved: make a thread for this worker, then report `spawn_succeeded` or `spawn_failed`. A worker
    /// with a state does that itself, and comes without the payload: [ask again](Core::asks_again).
    Spawn(Reservation),
    /// Every worker there is is still being made, or one is that this payload may count on: ask again after the next
    /// event.
    Watch,
    /// The payload waits for room: sleep on this condition variable, and ask [`Core::go_on_waiting`] whenever awake.
    Wait(WaitTicket, Arc<Condvar>),
    /// The submitter is to run it.
    RunHere,
    Refused(Refusal),
}

/// Those who may wait for nobody, now that a worker is no more; to be told after unlocking.
pub(crate) struct Forsaken {
    pub(crate) to_notify: ToNotify,
    /// Of a worker that would sleep for ever.
    pub(crate) alarm: Option<Alarm>,
}

/// How far a payload comes without waiting.
enum Room<T> {
    Give(Seat<T>, Order<T>),
    Queued,
    Spawn(Reservation),
    None(NoRoom),
}

/// Why there is no room for a payload.
enum NoRoom {
    Closed,
    /// There is no worker, and the submitter could not make one.
    NoWorker,
    /// Every worker there is is still being made, by other submitters.
    Unsettled,
    /// All workers are busy and the queue is full.
    Full,
}

impl<'t> SubmitOptions<'t> {
    pub(crate) fn new(on_full: OnFull) -> Self {
        SubmitOptions { priority: Priority::Normal, on_full, token: None, quiet: false, in_passing: false }
    }

    /// What the pool's policy says.
    pub(crate) fn by_policy(policy: WhenFull) -> Self {
        SubmitOptions::new(match policy {
            WhenFull::Block => OnFull::Wait(None),
            WhenFull::Refuse => OnFull::Refuse,
            WhenFull::RunOnCaller => OnFull::RunHere,
            WhenFull::DiscardOldest => OnFull::Displace,
        })
    }

    /// A submission by someone who has other pools to go to.
    pub(crate) fn in_passing() -> Self {
        SubmitOptions { quiet: true, in_passing: true, ..Self::new(OnFull::Refuse) }
    }

    /// For what a worker should do when it has nothing else to do.
    pub(crate) fn in_background() -> Self {
        SubmitOptions { quiet: true, ..Self::new(OnFull::Background) }
    }

    /// As before, for a submitter who notes the refusal itself if this was the end of it.
    pub(crate) fn quietly(self) -> Self {
        SubmitOptions { quiet: true, ..self }
    }

    pub(crate) fn with(self, priority: Priority, token: Option<&'t CancelToken>) -> Self {
        SubmitOptions { priority, token, ..self }
    }

    /// True when its payload goes behind all that is queued, whatever becomes of others.
    pub(crate) fn is_plain(&self) -> bool {
        self.priority == Priority::Normal && self.token.is_none()
    }

    /// True once the submission was called off.
    pub(super) fn is_cancelled(&self) -> bool {
        self.token.is_some_and(CancelToken::is_cancelled)
    }
}

impl Attempt {
    fn may_spawn(self) -> bool {
        self.failed.is_none() && !self.awaits_worker
    }
}

impl OnFull {
    /// Waits until so long from now; without end when that is too long to be a point in time.
    pub(crate) fn wait_within(limit: Duration) -> Self {
        OnFull::Wait(Instant::now().checked_add(limit))
    }
}

impl<T> Core<T> {
    /// Accepts a payload that has neither a priority nor a moment, in the state in which a pool with a queue is while
    /// it has much to do: every worker busy, no more allowed, nobody waiting, a place free. [`admit`](Self::admit)
    /// would queue it as well; whatever else is the case, the payload comes back, for `admit`.
    #[inline(always)]
    pub(crate) fn queue_at_once(&mut self, payload: T) -> Result<(), T> {
        let at_once = self.open
            && self.roster.ready() == 0
            && self.roster.someone_lives()
            && !self.limits.allow_one_beside(self.roster.workers())
            && self.waiters.is_empty()
            && self.limits.allow_queueing_beside(self.backlog.queued_at_most(), 0);
        if !at_once {
            return Err(payload);
        }
        self.totals.accepted += 1;
        self.backlog.push_plain(payload);
        self.check();
        Ok(())
    }

    /// Decides on a payload. It is taken if the answer is `Give`, `Kept`, `Displaced` or `Wait`, and left where it is
    /// if not: so it is moved once. `sleeper` says which worker the submitter is, of whatever pool; it is asked only
    /// where that matters.
    #[inline]
    pub(crate) fn admit(
        &mut self,
        item: &mut Option<Item<T>>,
        options: &SubmitOptions<'_>,
        attempt: Attempt,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Admission<T> {
        if options.is_cancelled() {
            return self.refuse(Refusal::Cancelled, options);
        }
        match self.find_room(item, options.priority, attempt.may_spawn(), &sleeper) {
            Room::Give(seat, order) => Admission::Give(seat, order),
            Room::Queued => Admission::Kept,
            Room::Spawn(reservation) => Admission::Spawn(reservation),
            Room::None(NoRoom::Closed) => self.refuse(Refusal::Closed, options),
            Room::None(NoRoom::NoWorker) => {
                self.refuse(attempt.failed.unwrap_or(Refusal::SpawnFailed), options)
            }
            Room::None(NoRoom::Unsettled) => self.admit_unsettled(options, attempt, sleeper),
            Room::None(NoRoom::Full) => self.admit_when_full(item, options, attempt, sleeper),
        }
    }

    /// Decides on the next ones of many payloads that were submitted together, as far as that goes without making a
    /// thread and without waiting. Orders to be given are added to `orders`; the payload that needs more comes back.
    pub(crate) fn admit_many(
        &mut self,
        payloads: impl Iterator<Item = T>,
        since: Option<Instant>,
        priority: Priority,
        sleeper: impl Fn() -> Option<Sleeper>,
        orders: &mut Vec<Mail<T>>,
    ) -> (usize, Option<T>) {
        let mut accepted = 0;
        for payload in payloads {
            if self.would_spawn(&sleeper) {
                return (accepted, Some(payload));
            }
            let mut item = Some(Item { payload, since });
            match self.find_room(&mut item, priority, false, &sleeper) {
                Room::Give(seat, order) => orders.push((seat, order)),
                Room::Queued => {}
                Room::Spawn(_) => unreachable!("no thread was asked for"),
                Room::None(_) => return (accepted, item.map(|item| item.payload)),
            }
            accepted += 1;
        }
        (accepted, None)
    }

    /// Finds a worker for a payload, or a place in the queue.
    #[inline]
    fn find_room(
        &mut self,
        item: &mut Option<Item<T>>,
        priority: Priority,
        may_spawn: bool,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Room<T> {
        if !self.open {
            return Room::None(NoRoom::Closed);
        }
        // While one worker is on its way to the queue, a second wake-up would mostly find nothing left to do.
        let hold_back = self.roster.is_waking() && self.has_room();
        if self.has_taker() && (hold_back || self.roster.ready() == 0) {
            self.enqueue(take(item), priority);
            return Room::Queued;
        }
        if may_spawn && self.would_spawn(sleeper) {
            let comes_searching = self.births.have_state();
            self.totals.accepted += u64::from(!comes_searching);
            self.births.leaves_undecided();
            let reservation = self.reserve(comes_searching);
            self.check();
            return Room::Spawn(reservation);
        }
        if let Some(seat) = (!hold_back).then(|| self.roster.unlink()).flatten() {
            self.totals.accepted += 1;
            // What is queued already starts before it.
            let item = self.backlog.exchange(take(item), priority);
            let order = self.order_to_run(item);
            self.check();
            return Room::Give(seat, order);
        }
        if self.roster.workers() == 0 {
            return Room::None(NoRoom::NoWorker);
        }
        // Only a worker that surely lives may be counted on to look at the queue.
        if !self.roster.someone_lives() {
            return Room::None(NoRoom::Unsettled);
        }
        if self.has_room() {
            self.enqueue(take(item), priority);
            return Room::Queued;
        }
        Room::None(NoRoom::Full)
    }

    /// All workers are being made, and may not come to be: the submitter watches for the outcome, if it may.
    #[cold]
    fn admit_unsettled(
        &mut self,
        options: &SubmitOptions<'_>,
        attempt: Attempt,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Admission<T> {
        let counts_on_birth = attempt.awaits_worker || self.counts_on_birth(&sleeper);
        let refusal = if options.in_passing && !attempt.awaits_worker {
            Refusal::Full
        } else if self.births.have_state()
            && !counts_on_birth
            && sleeper().is_some_and(|worker| worker.is_of(self.key()))
        {
            // It is one of those that are being made: it would wait for itself.
            Refusal::WouldDeadlock
        } else if !attempt.watched_long_enough {
            return self.admit_to_watch(options, attempt, sleeper);
        } else {
            match options.on_full {
                OnFull::Wait(_) if self.limits.max_blocking == Some(0) => Refusal::Overload,
                OnFull::Wait(_) => Refusal::Timeout,
                _ => Refusal::Full,
            }
        };
        self.refuse(refusal, options)
    }

    /// A submission watches, unless that would be for ever.
    fn admit_to_watch(
        &mut self,
        options: &SubmitOptions<'_>,
        attempt: Attempt,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Admission<T> {
        if attempt.roused || self.begin_watch(options, sleeper).is_err() {
            return self.refuse(Refusal::WouldDeadlock, options);
        }
        self.check();
        Admission::Watch
    }

    /// All workers are busy and the queue is full: the submission's options decide, and the pool's limits on waiting.
    #[inline(never)]
    fn admit_when_full(
        &mut self,
        item: &mut Option<Item<T>>,
        options: &SubmitOptions<'_>,
        attempt: Attempt,
        sleeper: impl Fn() -> Option<Sleeper>,
    ) -> Admission<T> {
        if !attempt.watched_long_enough
            && !self.may_wait_otherwise(options.on_full)
            && (attempt.awaits_worker || !options.in_passing && self.counts_on_birth(&sleeper))
        {
            return self.admit_to_watch(options, attempt, sleeper);
        }
        let refusal = attempt.failed.unwrap_or(Refusal::Full);
        match options.on_full {
            OnFull::Wait(_) => self.admit_to_wait(item, options, attempt, sleeper().as_ref()),
            OnFull::Refuse => self.refuse(refusal, options),
            OnFull::Displace => match self.backlog.displace(options.priority) {
                Some(oldest) => {
                    self.totals.discarded += 1;
                    self.enqueue(take(item), options.priority);
                    Admission::Displaced(oldest)
                }
                None => self.refuse(refusal, options),
            },
            OnFull::RunHere => {
                self.totals.ran_by_caller += 1;
                self.check();
                Admission::RunHere
            }
            OnFull::Background => {
                // Some worker surely lives, or it would have been refused before.
                self.backlog.keep_in_background(take(item), options.priority);
                self.check();
                Admission::Kept
            }
        }
    }

    /// True when a payload that is not refused has a place to wait for its worker in.
    fn may_wait_otherwise(&self, on_full: OnFull) -> bool {
        match on_full {
            OnFull::Wait(_) => self.limits.max_blocking.is_none_or(|max| self.waiters.len() < max),
            OnFull::Background => true,
            OnFull::Refuse | OnFull::Displace | OnFull::RunHere => false,
        }
    }

    fn admit_to_wait(
        &mut self,
        item: &mut Option<Item<T>>,
        options: &SubmitOptions<'_>,
        attempt: Attempt,
        sleeper: Option<&Sleeper>,
    ) -> Admission<T> {
        if self.limits.max_blocking.is_some_and(|max| self.waiters.len() >= max) {
            return self.refuse(Refusal::Overload, options);
        }
        let wait = Wait::Free(self.key());
        let sleep = |sleeper| waits::fall_asleep(sleeper, wait, WayOut::RefusedSubmission);
        // There is no better way out than this one, so nobody else is to be roused.
        if sleeper.map(sleep).is_some_and(|noted| noted.is_err()) {
            return self.refuse(Refusal::WouldDeadlock, options);
        }
        // Without a queue its submitter waits for nothing but the start of its payload.
        let eager = !self.limits.has_queue();
        let sleeper = sleeper.map(Sleeper::key);
        let has_failed = attempt.failed.is_some();
        let (ticket, condvar) = self.waiters.join(take(item), options.priority, eager, sleeper, has_failed);
        self.check();
        Admission::Wait(ticket, condvar)
    }

    #[cold]
    fn refuse(&mut self, refusal: Refusal, options: &SubmitOptions<'_>) -> Admission<T> {
        self.note_refusal(!options.quiet);
        Admission::Refused(refusal)
    }

    /// A submission comes to nothing; it is counted unless somebody else does.
    pub(super) fn note_refusal(&mut self, counts: bool) {
        self.totals.rejected += u64::from(counts);
        // Its payload was still to be reckoned with until now.
        self.note_idleness();
        self.check();
    }

    /// Counts a refusal that was quiet when it happened.
    pub(crate) fn count_refusal(&mut self) {
        self.totals.rejected += 1;
    }

    /// True when the next payload would get a new worker.
    fn would_spawn(&self, sleeper: impl Fn() -> Option<Sleeper>) -> bool {
        self.is_short_of_workers() && !self.counts_on_birth(sleeper)
    }

    /// True when nobody who surely lives would take the next payload at once, and one more may be made.
    fn is_short_of_workers(&self) -> bool {
        self.open && !self.has_taker() && self.limits.allow_one_beside(self.roster.workers())
    }

    /// True when some worker is idle, or on its way to the queue, for whom nothing is queued yet.
    fn has_taker(&self) -> bool {
        self.roster.ready() + self.coming() > self.backlog.queued() && self.waiters.is_empty()
    }

    /// Searching workers that will look at the queue next; while there are broadcasts to run, nobody can tell.
    pub(super) fn coming(&self) -> usize {
        if self.broadcasts.is_empty() { self.roster.coming() } else { 0 }
    }

    /// True when a payload may be queued. A searching worker is as good as a place in the queue: it comes to look for
    /// just that.
    fn has_room(&mut self) -> bool {
        let coming = self.coming();
        self.waiters.is_empty() && self.has_place(coming)
    }

    /// True when there is a place for one more payload in the queue, with so many places beyond the bound.
    pub(super) fn has_place(&mut self, beyond: usize) -> bool {
        if !self.limits.allow_queueing_beside(self.backlog.queued_at_most(), beyond) {
            self.backlog.recount();
        }
        self.limits.allow_queueing_beside(self.backlog.queued_at_most(), beyond)
    }

    #[inline]
    fn enqueue(&mut self, item: Item<T>, priority: Priority) {
        self.totals.accepted += 1;
        self.backlog.push(item, priority);
        self.check();
    }

    /// The order for an unlinked worker; with a queue it is a relay, for which others wait.
    fn order_to_run(&mut self, item: Item<T>) -> Order<T> {
        if !self.limits.has_queue() || self.roster.is_waking() {
            return Order::Run(item);
        }
        self.roster.set_waking(true);
        Order::Relay(item)
    }

    /// A worker that was given a relay is awake. If more is queued and more workers are idle, it gives the returned
    /// order.
    pub(crate) fn is_awake(&mut self, to_notify: &mut ToNotify) -> Option<Mail<T>> {
        self.roster.set_waking(false);
        if self.roster.ready() == 0 {
            return None;
        }
        let item = self.take_queued(to_notify)?;
        let seat = self.roster.unlink()?;
        let order = self.order_to_run(item);
        self.check();
        Some((seat, order))
    }

    pub(super) fn reserve(&mut self, searching: bool) -> Reservation {
        self.roster.reserve(searching, self.broadcasts.given())
    }

    /// Reserves a slot for a worker that begins without a payload, while there are fewer than `workers`; `None` at the
    /// cap or when the pool is stopped.
    pub(crate) fn reserve_below(&mut self, workers: usize) -> Option<Reservation> {
        let present = self.roster.workers();
        let may = self.open && present < workers && self.limits.allow_one_beside(present);
        may.then(|| self.reserve(true))
    }

    /// The reserved worker surely lives: its thread was made and sent its first order; or, if it has a state, that was
    /// made, and its thread's handle is brought by whoever has it.
    pub(crate) fn spawn_succeeded(
        &mut self,
        reservation: Reservation,
        thread: Option<thread::JoinHandle<()>>,
    ) {
        self.roster.confirm(reservation);
        self.wake_watchers();
        self.totals.spawned += 1;
        if let Some(thread) = thread {
            self.threads.keep(thread);
        }
        self.check();
    }

    /// The reserved worker did not come to be: its slot is free again. Returns whom to tell, as they may wait for
    /// nobody now, and the broadcasts that the worker was to run, to be dropped after unlocking.
    pub(crate) fn spawn_failed(
        &mut self,
        reservation: Reservation,
        thread: Option<thread::JoinHandle<()>>,
    ) -> (Forsaken, Vec<BroadcastBody>) {
        let broadcasts = self.broadcasts.forget(reservation.broadcasts_seen);
        if self.roster.cancel(reservation) {
            self.note_idleness();
        } else {
            // No idle moment: its submitter has the payload, and tries again or gives up.
            self.totals.accepted -= 1;
        }
        if let Some(thread) = thread {
            self.threads.keep(thread);
        }
        self.wake_watchers();
        let mut to_notify = ToNotify::new();
        if self.roster.workers() == 0 {
            to_notify = self.waiters.condvars();
        } else {
            self.make_good(&mut to_notify);
        }
        let alarm = waits::look_again(self.roster.headcount());
        self.check();
        (Forsaken { to_notify, alarm }, broadcasts)
    }
}

/// Takes a payload that is accepted, or begins to wait.
#[inline]
fn take<T>(item: &mut Option<Item<T>>) -> Item<T> {
    item.take().expect("a payload is there until it is taken")
}
