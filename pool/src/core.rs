//! Everything that the pool decides under its one lock.
//!
//! Counts, state, ready stack, queue and waiting line live in one [`Core`], so each decision sees all of them at one
//! moment. The methods only decide and record; what has to happen outside the lock (sending, waking, making threads,
//! running user code) is returned to the caller. `PROTOCOL.md` tells the whole story. Invariants, asserted in debug
//! builds after each decision:
//!
//! 1. something waits in line (while open) ⟹ no worker is idle;
//! 2. something queued (while open) ⟹ no worker is idle, or one was woken and will look at the queue before all else;
//! 3. something queued ⟹ some worker lives that will look at the queue before it leaves;
//! 4. something in a worker's hand ⟹ no worker is idle;
//! 5. idle workers ≤ workers, and while there are idle ones, workers ≤ the cap: the slot of a worker is free from the
//!    moment it is unlinked, not from the moment its thread has ended.

use std::collections::VecDeque;
use std::mem;

use crate::clock::Clock;
use crate::hand::Hand;
use crate::handoff::{Order, Seat};
use crate::line::{Entry, Ticket, WaitingLine};
use crate::options::Limits;
use crate::queue::{Item, Priority, Queue};
use crate::ready::ReadyStack;
use crate::stats::{PoolState, PoolStats};
use crate::sync::{Arc, Condvar, Instant, StdArc, thread};

pub(crate) struct Core<T> {
    pub(crate) limits: Limits,
    clock: Clock,
    pub(crate) open: bool,
    pub(crate) ready: ReadyStack<Seat<T>>,
    /// Slots taken: workers idle, busy, or being started.
    pub(crate) workers: usize,
    /// Workers whose thread is being made by a submitter; they may not come to be.
    pub(crate) spawning: usize,
    /// Workers on their way to the lock without a payload, those being made included.
    errands: usize,
    /// Errands of workers that may not come to be.
    unborn_errands: usize,
    /// Errands of workers that do their duties before they come; part of `errands`.
    on_duty: usize,
    /// True while a worker was woken for the queue's sake and has not said that it is awake.
    waking: bool,
    queue: Queue<T>,
    /// Payloads taken from the queue so far.
    taken: u64,
    /// Hands that were filled and may still hold something, or have something to report.
    hands: Vec<Arc<Hand<T>>>,
    pub(crate) line: WaitingLine<T>,
    /// Submitters whose payload went from the line to the queue, and who are told once the queue has run low.
    deferred: VecDeque<(Ticket, Arc<Condvar>)>,
    duties: Vec<Duty>,
    /// How many duties were ever given.
    duties_given: u64,
    /// Number of the next worker.
    next_index: usize,
    /// True while a cleaner exists or is being made.
    pub(crate) cleaner: bool,
    /// Handles of all threads not joined yet.
    pub(crate) threads: Vec<thread::JoinHandle<()>>,
    /// Callers of `wait` that are joining threads right now.
    pub(crate) joining: usize,
    /// Threads that wait for the pool's events; when there are none, nobody is notified.
    pub(crate) watchers: usize,
    /// How often a restart ended a time in which no thread was left; lets a waiter see that such a time passed.
    pub(crate) rests: u64,
    /// How often the pool had nothing left to do; lets a waiter see that such a moment passed.
    pub(crate) idle_moments: u64,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    peak_workers: usize,
    accepted: u64,
    finished: u64,
    panicked: u64,
    handed_back: u64,
    discarded: u64,
    ran_by_caller: u64,
    rejected: u64,
    spawned: u64,
    expired: u64,
}

/// What every worker alive is to do once, beside its payloads.
pub(crate) type DutyBody = StdArc<dyn Fn(usize) + Send + Sync>;

struct Duty {
    number: u64,
    body: DutyBody,
    /// How many workers have not taken it yet.
    to_take: usize,
}

/// A worker about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    /// Its number, which no other worker of the pool ever has.
    pub(crate) index: usize,
    /// Duties given before it; they are not for it.
    duties_seen: u64,
    /// True when it is made without a payload.
    errand: bool,
}

/// What a worker brings to the lock.
pub(crate) struct Post<T> {
    pub(crate) seat: Seat<T>,
    pub(crate) hand: Arc<Hand<T>>,
    /// True from the filling of its hand until the next visit.
    pub(crate) holding: bool,
    /// True while it does duties.
    pub(crate) on_duty: bool,
    pub(crate) birth: Birth,
}

/// Why a worker comes to the lock.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
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

/// How a submission wants to be treated.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    /// False for a caller whose attempt to make a thread just failed.
    pub(crate) may_spawn: bool,
    pub(crate) priority: Priority,
    /// When the queue is full, its oldest payload makes room.
    pub(crate) displace: bool,
}

/// An order to be given, once unlocked, to a worker that was unlinked.
pub(crate) type Mail<T> = (Seat<T>, Order<T>);

/// The answer to a submission.
pub(crate) enum Admission<T> {
    /// Accepted: give this order to this worker, which is unlinked.
    HandOver(Seat<T>, Order<T>),
    /// A slot is reserved: make a thread for this worker, then report `spawn_succeeded` or `spawn_failed`.
    Spawn(Item<T>, Birth),
    /// Accepted: it is in the queue.
    Queued,
    /// Accepted: it is in the queue, from which this one was discarded.
    QueuedInstead(Item<T>),
    /// Every worker there is is still being made, by other submitters: look again after the next event.
    Unsettled(Item<T>),
    /// There is no worker, and the caller could not make one.
    NoWorker(Item<T>),
    /// All workers are busy and there is no room.
    Full(Item<T>),
    Closed(Item<T>),
}

/// What a worker does after a visit.
pub(crate) enum Next<T> {
    Run(Item<T>),
    /// Do these first, then come again.
    Duties(Vec<DutyBody>),
    /// It is on the ready stack: wait for an order.
    Idle,
    /// Its slot is given back: end.
    Leave,
}

impl Birth {
    /// It was told to look, without a payload.
    pub(crate) fn now_on_errand(&mut self) {
        self.errand = true;
    }
}

impl<T> Core<T> {
    pub(crate) fn new(limits: Limits, clock: Clock) -> Self {
        Core {
            limits,
            clock,
            open: true,
            ready: ReadyStack::new(),
            workers: 0,
            spawning: 0,
            errands: 0,
            unborn_errands: 0,
            on_duty: 0,
            waking: false,
            queue: Queue::new(limits.batch),
            taken: 0,
            hands: Vec::new(),
            line: WaitingLine::new(),
            deferred: VecDeque::new(),
            duties: Vec::new(),
            duties_given: 0,
            next_index: 0,
            cleaner: false,
            threads: Vec::new(),
            joining: 0,
            watchers: 0,
            rests: 0,
            idle_moments: 0,
            totals: Totals::default(),
        }
    }

    // ---- Submissions ----

    /// Decides on a payload.
    pub(crate) fn admit(&mut self, item: Item<T>, ask: Ask) -> Admission<T> {
        if !self.open {
            return Admission::Closed(item);
        }
        // While one worker is on its way to the queue, a second wake-up would mostly find nothing left to do.
        let hold_back = self.waking && self.has_room();
        if self.has_taker() && (hold_back || self.ready.len() == 0) {
            return self.enqueue(item, ask.priority);
        }
        if ask.may_spawn && self.would_spawn() {
            self.totals.accepted += 1;
            return Admission::Spawn(item, self.reserve(false));
        }
        if let Some(seat) = (!hold_back).then(|| self.ready.pop()).flatten() {
            self.totals.accepted += 1;
            // Not before what is queued already.
            let item = self.queue_behind(item, ask.priority);
            return Admission::HandOver(seat, self.order_to_run(item));
        }
        if self.workers == 0 {
            return Admission::NoWorker(item);
        }
        // Only a worker that surely lives may be counted on to look at the queue.
        if self.workers <= self.spawning {
            return Admission::Unsettled(item);
        }
        if self.has_room() {
            return self.enqueue(item, ask.priority);
        }
        match ask.displace.then(|| self.queue.displace(ask.priority)).flatten() {
            Some(oldest) => {
                self.totals.discarded += 1;
                self.enqueue(item, ask.priority);
                Admission::QueuedInstead(oldest)
            }
            None => Admission::Full(item),
        }
    }

    /// True when the next payload would get a new worker.
    pub(crate) fn would_spawn(&self) -> bool {
        self.open && !self.has_taker() && self.workers < self.limits.max_workers
    }

    /// True when some worker is idle, or on its way here, for whom nothing is queued yet.
    fn has_taker(&self) -> bool {
        self.ready.len() + self.coming() > self.queue.len() && self.line.is_empty()
    }

    /// Workers on errands that will look at the queue next; one that has a duty first may take its time.
    fn coming(&self) -> usize {
        if self.duties.is_empty() { self.errands - self.unborn_errands - self.on_duty } else { 0 }
    }

    /// A worker on an errand is as good as a place in the queue: it comes to look for just that.
    fn has_room(&self) -> bool {
        self.queue.len() < self.limits.queue_capacity.saturating_add(self.coming()) && self.line.is_empty()
    }

    /// Exchanges a payload for the one whose turn it is.
    fn queue_behind(&mut self, item: Item<T>, priority: Priority) -> Item<T> {
        if self.queue.is_empty() {
            return item;
        }
        self.push(item, priority);
        self.taken += 1;
        self.queue.pop().expect("one was just pushed")
    }

    /// Puts a payload into the queue. What hands hold was taken before it came, and must not run before it if it is more
    /// urgent.
    fn push(&mut self, item: Item<T>, priority: Priority) {
        if priority > Priority::Normal {
            self.recall();
        }
        self.queue.push(item, priority);
    }

    fn enqueue(&mut self, item: Item<T>, priority: Priority) -> Admission<T> {
        self.totals.accepted += 1;
        self.push(item, priority);
        self.check();
        Admission::Queued
    }

    /// The order for an unlinked worker; with a queue it is a relay, for which others wait.
    fn order_to_run(&mut self, item: Item<T>) -> Order<T> {
        if self.limits.queue_capacity == 0 || self.waking {
            return Order::Run(item);
        }
        self.waking = true;
        Order::Relay(item)
    }

    /// A worker that was given a relay is awake. If more is queued and more are idle, it gives the returned order.
    pub(crate) fn is_awake(&mut self, rings: &mut Vec<Arc<Condvar>>) -> Option<Mail<T>> {
        self.waking = false;
        if self.ready.len() == 0 {
            return None;
        }
        let item = self.take_queued(rings)?;
        let seat = self.ready.pop()?;
        let order = self.order_to_run(item);
        self.check();
        Some((seat, order))
    }

    fn reserve(&mut self, errand: bool) -> Birth {
        self.workers += 1;
        self.spawning += 1;
        self.errands += usize::from(errand);
        self.unborn_errands += usize::from(errand);
        self.totals.peak_workers = self.totals.peak_workers.max(self.workers);
        let index = self.next_index;
        self.next_index += 1;
        Birth { index, duties_seen: self.duties_given, errand }
    }

    /// Reserves a slot for a worker that begins without a payload; `None` at the cap or when the pool is stopped.
    pub(crate) fn reserve_errand(&mut self) -> Option<Birth> {
        (self.open && self.workers < self.limits.max_workers).then(|| self.reserve(true))
    }

    /// The thread was made and sent its first order.
    pub(crate) fn spawn_succeeded(&mut self, birth: Birth, thread: thread::JoinHandle<()>) {
        self.spawning -= 1;
        self.unborn_errands -= usize::from(birth.errand);
        self.totals.spawned += 1;
        self.threads.push(thread);
    }

    /// The slot is free again. The bells are of those who may wait for nobody now.
    pub(crate) fn spawn_failed(&mut self, birth: Birth) -> Vec<Arc<Condvar>> {
        self.workers -= 1;
        self.spawning -= 1;
        if birth.errand {
            self.errands -= 1;
            self.unborn_errands -= 1;
        } else {
            self.totals.accepted -= 1;
        }
        self.forget_duties(birth);
        self.note_idleness();
        let is_news = self.workers == 0 || self.line.workers_waiting > 0;
        if is_news { self.line.bells() } else { Vec::new() }
    }

    /// True when some worker surely lives, or there is none.
    pub(crate) fn is_settled(&self) -> bool {
        self.workers == 0 || self.workers > self.spawning
    }

    /// True when every worker waits in line for another one.
    pub(crate) fn is_deadlocked(&self) -> bool {
        self.line.workers_waiting >= self.workers
    }

    /// A submitter whose payload was accepted goes its way; nobody needs to tell it any more.
    pub(crate) fn was_told(&mut self, ticket: Ticket) {
        if let Ok(place) = self.deferred.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            self.deferred.remove(place);
        }
    }

    pub(crate) fn count_refusal(&mut self) {
        self.totals.rejected += 1;
    }

    pub(crate) fn count_run_by_caller(&mut self) {
        self.totals.ran_by_caller += 1;
    }

    // ---- Workers ----

    /// A worker asks what to do; bells to ring after unlocking are added to `rings`.
    pub(crate) fn visit(
        &mut self,
        post: &mut Post<T>,
        visit: Visit,
        rings: &mut Vec<Arc<Condvar>>,
    ) -> Next<T> {
        self.settle_accounts(post, visit.ended);
        if let Some(duties) = self.take_duties(post) {
            return Next::Duties(duties);
        }
        // Above the cap it leaves, unless what waits would be left to workers that may not come to be, or that wait in
        // line themselves.
        let has_heirs = self.workers > self.spawning + self.line.workers_waiting + 1;
        if self.workers > self.limits.max_workers && (has_heirs || self.nothing_waits()) {
            return self.leave(post);
        }
        if let Some(item) = self.take_waiting(post, visit.may_batch, rings) {
            return Next::Run(item);
        }
        if !self.open {
            return self.leave(post);
        }
        // Read under the lock, so that the stack is ordered by time.
        self.ready.push(self.clock.now(), post.seat.clone());
        self.note_idleness();
        self.check();
        Next::Idle
    }

    fn settle_accounts(&mut self, post: &mut Post<T>, ended: Option<Ended>) {
        match ended {
            Some(Ended::Discarded) => self.totals.discarded += 1,
            Some(ended) => {
                self.totals.finished += 1;
                self.totals.panicked += u64::from(ended == Ended::Panicked);
            }
            None if mem::take(&mut post.birth.errand) => {
                self.errands -= 1;
                self.on_duty -= usize::from(mem::take(&mut post.on_duty));
            }
            None => {}
        }
        if mem::take(&mut post.holding) {
            let counts = post.hand.report();
            debug_assert!(counts.queued == 0, "a worker visits when its hand is empty");
            self.totals.finished += counts.finished;
            self.totals.panicked += counts.panicked;
            if let Some(place) = self.hands.iter().position(|hand| Arc::ptr_eq(hand, &post.hand)) {
                self.hands.swap_remove(place);
            }
        }
    }

    fn leave(&mut self, post: &Post<T>) -> Next<T> {
        debug_assert!(post.birth.duties_seen == self.duties_given, "duties are done before leaving");
        self.workers -= 1;
        self.note_idleness();
        self.check();
        Next::Leave
    }

    /// A worker that cannot go on (its state could not be made anew) leaves at once. When no other surely lives, what
    /// is queued has nobody left: it is returned, and whoever waits in line is told by the bells.
    pub(crate) fn abandon(&mut self, post: &mut Post<T>) -> (Vec<T>, Vec<Arc<Condvar>>) {
        // Its own hand first of all: nobody is left to run from it.
        self.recall();
        self.settle_accounts(post, Some(Ended::Panicked));
        self.forget_duties(post.birth);
        self.workers -= 1;
        let (mut rest, mut bells) = (Vec::new(), Vec::new());
        if self.workers <= self.spawning {
            rest = self.queue.take_all().collect();
            self.totals.discarded += rest.len() as u64;
            bells = self.line.bells();
            bells.extend(self.deferred.drain(..).map(|(_, bell)| bell));
        } else if self.is_deadlocked() {
            // All others wait in line for one that will not come.
            bells = self.line.bells();
        }
        self.note_idleness();
        (rest, bells)
    }

    /// The longest waiting payload: from the queue, from the line, or from another worker's hand.
    fn take_waiting(
        &mut self,
        post: &mut Post<T>,
        may_batch: bool,
        rings: &mut Vec<Arc<Condvar>>,
    ) -> Option<Item<T>> {
        // Beside idle workers, what is left is theirs; and what fewer than all could start is not worth a batch.
        if may_batch && self.queue.len() > self.workers && self.queue.is_plain() && self.ready.len() == 0 {
            self.taken += post.hand.fill(&mut self.queue, self.taken) as u64;
            self.now_holds(post);
            // Before an urgent payload from the line can take the hand back.
            let first = post.hand.first().map(Item::unstamped);
            self.refill(rings);
            return first;
        }
        if let Some(item) = self.take_queued(rings) {
            return Some(item);
        }
        if let Some(entry) = self.serve_line() {
            rings.push(entry.bell);
            return Some(entry.item);
        }
        self.take_from_other_hand(post)
    }

    /// Takes one queued payload, and lets the line move up.
    fn take_queued(&mut self, rings: &mut Vec<Arc<Condvar>>) -> Option<Item<T>> {
        let item = self.queue.pop()?;
        self.taken += 1;
        self.refill(rings);
        Some(item)
    }

    /// Fills the queue up from the line.
    fn refill(&mut self, rings: &mut Vec<Arc<Condvar>>) {
        while self.queue.len() < self.limits.queue_capacity {
            let Some(entry) = self.serve_line() else { break };
            self.push(entry.item, entry.priority);
            if entry.eager {
                rings.push(entry.bell);
            } else {
                self.deferred.push_back((entry.ticket, entry.bell));
            }
        }
        self.ring_at_low_water(rings);
    }

    fn serve_line(&mut self) -> Option<Entry<T>> {
        let entry = self.line.serve()?;
        self.totals.accepted += 1;
        Some(entry)
    }

    /// Submitters are woken when half of the queue is free, so that one wake-up buys many submissions; and only as
    /// many as there is room for.
    fn ring_at_low_water(&mut self, rings: &mut Vec<Arc<Condvar>>) {
        if self.deferred.is_empty() || self.queue.len() > self.limits.queue_capacity / 2 {
            return;
        }
        let room = self.limits.queue_capacity - self.queue.len();
        let count = if self.queue.is_empty() { self.deferred.len() } else { room.min(self.deferred.len()) };
        rings.extend(self.deferred.drain(..count).map(|(_, bell)| bell));
    }

    fn take_from_other_hand(&mut self, post: &mut Post<T>) -> Option<Item<T>> {
        if !self.hands.iter().any(|other| post.hand.take_half_of(other)) {
            return None;
        }
        self.now_holds(post);
        post.hand.first().map(Item::unstamped)
    }

    fn now_holds(&mut self, post: &mut Post<T>) {
        post.holding = true;
        self.hands.push(post.hand.clone());
    }

    /// Puts what workers hold back into the queue, in its old order.
    fn recall(&mut self) {
        let mut held: Vec<_> = self.hands.iter().map(|hand| hand.take_all()).collect();
        held.sort_by_key(|(first, _)| *first);
        self.queue.put_back(held.into_iter().flat_map(|(_, payloads)| payloads));
    }

    // ---- Duties ----

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

    fn take_duties(&mut self, post: &mut Post<T>) -> Option<Vec<DutyBody>> {
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
    fn forget_duties(&mut self, birth: Birth) -> Vec<DutyBody> {
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

    // ---- Size, stop, restart ----

    /// Changes the cap. Returns the idle workers above it, who must be told to leave, and reserves slots for as many new
    /// ones as have something to do: at once, so that no newcomer gets a slot before those who wait.
    pub(crate) fn resize(&mut self, max_workers: usize) -> (Vec<Seat<T>>, Vec<Birth>) {
        self.limits.max_workers = max_workers;
        let mut leaving = Vec::new();
        // Surplus workers must not start what they hold, and new ones can help with it.
        self.recall();
        self.ready.take_oldest(self.workers.saturating_sub(max_workers), &mut leaving);
        self.workers -= leaving.len();
        let wanted = (self.queue.len() + self.line.len()).min(max_workers.saturating_sub(self.workers));
        let births = if self.open { (0..wanted).map(|_| self.reserve(true)).collect() } else { Vec::new() };
        self.note_idleness();
        self.check();
        (leaving, births)
    }

    fn nothing_waits(&self) -> bool {
        self.queue.is_empty() && self.line.is_empty()
    }

    /// Unlinks every worker idle since `cutoff` or longer, but for the smallest number of workers; each of `leaving`
    /// must then be told to leave.
    pub(crate) fn expire(&mut self, cutoff: Instant, leaving: &mut Vec<Seat<T>>) {
        // Idle workers beside a queue are about to be woken.
        if !self.queue.is_empty() {
            return;
        }
        let spare = self.workers.saturating_sub(self.limits.min_workers);
        let count = self.ready.take_idle_since(cutoff, spare, leaving);
        self.workers -= count;
        self.totals.expired += count as u64;
    }

    /// Since when the worker that would be the next to go is idle.
    pub(crate) fn next_to_expire(&self) -> Option<Instant> {
        if self.workers > self.limits.min_workers { self.ready.oldest() } else { None }
    }

    /// Closes the pool: the orders are to be given, the bells to be rung. Nothing the second time.
    pub(crate) fn close(&mut self) -> (Vec<Mail<T>>, Vec<Arc<Condvar>>) {
        if !self.open {
            return (Vec::new(), Vec::new());
        }
        self.open = false;
        let mut bells = self.line.turn_away();
        bells.extend(self.deferred.drain(..).map(|(_, bell)| bell));
        let idle = self.ready.take_all();
        // They were left asleep because one on its way would have woken them; now they are needed to drain the queue.
        let drain = !self.queue.is_empty();
        if drain {
            self.errands += idle.len();
        } else {
            self.workers -= idle.len();
        }
        self.note_idleness();
        let orders =
            idle.into_iter().map(|seat| (seat, if drain { Order::Look } else { Order::Leave })).collect();
        (orders, bells)
    }

    /// Opens a stopped pool again; those of its workers that have not left stay.
    pub(crate) fn reopen(&mut self) {
        self.rests += u64::from(self.is_deserted());
        self.open = true;
    }

    /// Takes everything that no worker has started, oldest first.
    pub(crate) fn take_queue(&mut self) -> Vec<T> {
        self.recall();
        let rest: Vec<T> = self.queue.take_all().collect();
        self.totals.handed_back += rest.len() as u64;
        self.note_idleness();
        rest
    }

    // ---- Threads ----

    /// The handles of threads that have come to their end, so that they do not pile up. Joining one waits for no more
    /// than its thread-local destructors.
    pub(crate) fn take_ended_threads(&mut self) -> Vec<thread::JoinHandle<()>> {
        if self.threads.len() <= self.workers + usize::from(self.cleaner) {
            return Vec::new();
        }
        let (ended, alive): (Vec<_>, Vec<_>) =
            mem::take(&mut self.threads).into_iter().partition(thread::is_finished);
        self.threads = alive;
        ended
    }

    /// True when no thread of the pool is left but those that only end.
    pub(crate) fn is_deserted(&self) -> bool {
        !self.open && self.workers == 0 && self.spawning == 0 && !self.cleaner
    }

    // ---- Looking ----

    /// True when nothing accepted is left to run, nobody waits to be accepted, and all workers have come to rest.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.len() == self.workers && self.nothing_waits()
    }

    /// Workers without a payload.
    fn idle(&self) -> usize {
        self.ready.len() + self.errands
    }

    /// Records an idle moment, if this is one.
    pub(crate) fn note_idleness(&mut self) {
        if self.is_idle() {
            self.idle_moments += 1;
        }
    }

    pub(crate) fn state(&self) -> PoolState {
        match (self.open, self.workers) {
            (true, _) => PoolState::Open,
            (false, 0) => PoolState::Stopped,
            (false, _) => PoolState::Draining,
        }
    }

    /// How much there is to do: payloads that run, that are queued, and whose submitters wait.
    pub(crate) fn load(&self) -> usize {
        let held: usize = self.hands.iter().map(|hand| hand.counts().queued).sum();
        self.workers - self.idle() + self.queue.len() + self.line.len() + held
    }

    /// How many payloads were ever accepted, if there is nothing to do.
    pub(crate) fn accepted_when_idle(&self) -> Option<u64> {
        self.is_idle().then_some(self.totals.accepted)
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats {
            state: self.state(),
            workers: self.workers,
            busy: self.workers - self.idle(),
            idle: self.idle(),
            capacity: self.limits.capacity(),
            queued: self.queue.len(),
            blocked: self.line.len(),
            peak_workers: self.totals.peak_workers,
            accepted: self.totals.accepted,
            finished: self.totals.finished,
            panicked: self.totals.panicked,
            handed_back: self.totals.handed_back,
            discarded: self.totals.discarded,
            ran_by_caller: self.totals.ran_by_caller,
            rejected: self.totals.rejected,
            spawned: self.totals.spawned,
            expired: self.totals.expired,
        };
        for counts in self.hands.iter().map(|hand| hand.counts()) {
            stats.queued += counts.queued;
            stats.finished += counts.finished;
            stats.panicked += counts.panicked;
        }
        stats
    }

    pub(crate) fn check(&self) {
        let someone_idle = self.ready.len() > 0;
        debug_assert!(self.idle() <= self.workers, "idle workers are workers");
        debug_assert!(
            !someone_idle || self.workers <= self.limits.max_workers,
            "idle workers are below the cap"
        );
        debug_assert!(
            !self.open || self.line.is_empty() || !someone_idle,
            "nobody waits beside an idle worker"
        );
        debug_assert!(
            !self.open || self.queue.is_empty() || !someone_idle || self.waking,
            "someone will look"
        );
        debug_assert!(self.queue.is_empty() || self.workers > 0, "what is queued has a worker");
    }
}
