//! The queue of connections that were handed over to workers: who may take them, when to wake a worker for one, and
//! when one has waited for too long.
//!
//! Waking a parked thread costs more than many a handler: some 7 us for the waker, and 20 us until the thread runs. So
//! a worker that finishes a connection takes the next one from here before it parks, and the driver that hands a
//! connection over wakes another worker only when the wait would be too long: the number ahead of it, times the recent
//! mean time of service, over the number of workers at it. A guess can be wrong; the monitor calls workers for whatever
//! has waited longer than tolerated all the same ([`HandOverQueue::call_for_overdue`]).
//!
//! What is too long depends on whether cores are idle (`tolerance.rs`). Measured with a handler that sleeps 1 ms and
//! 256 connections, for which two cores do not suffice: tolerating 2 ms of wait gives a third more requests at a third
//! less CPU than a wake-up for each, with a better median latency; 4 ms is too much.
//!
//! There are two *lanes*: handlers, and whatever goes on at the pace of a client, which has a budget of its own within
//! that of all helpers, so that clients who do nothing cannot take the last worker. The budget of all helpers bounds
//! who is called, not who is here: a driver that was overtaken is a helper, too, and was not asked. A place in the
//! budget for clients can be *promised* ([`HandOverQueue::promise`]) before there is anything to hand over; it counts
//! as used from then on, so what is left here with it ([`HandOverQueue::hand_on_promised`]) waits for a worker and for
//! nobody's place.
//!
//! A worker is *active* when it will look here before it parks; one that was *called* and has not arrived is active
//! already. The invariant: what waits here has an active worker that may take it, or the budget is used up, or the
//! monitor's next look calls for it. What has waited for too long is given back to whoever asks for it
//! ([`HandOverQueue::take_expired`]), and what nobody wants any more can be withdrawn. Moments are passed in, as time
//! since the engine started.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::sync::{AtomicUsize, Mutex, Ordering, lock};

/// How long a connection that was handed over may be expected to wait before a worker is woken for it, at most: while
/// all cores are busy.
pub(crate) const TOLERATED_WAIT: Duration = Duration::from_millis(2);
/// Weight of the newest service time in the mean: 1/8.
const MEAN_SHIFT: u32 = 3;

/// Which budget a piece of work needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// That of all helpers.
    Handlers,
    /// That of work which goes on at the pace of a client, besides.
    Clients,
}

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Helpers at once.
    pub(crate) helpers: usize,
    /// Those of them that may be at handlers.
    pub(crate) handlers: usize,
    /// Those of them that may wait for clients.
    pub(crate) clients: usize,
    /// Helpers beyond these, which drivers become that are overtaken while there are `helpers` already. Each driver
    /// that is in the user's code may become one more.
    pub(crate) spares: usize,
    /// Pieces that wait.
    pub(crate) waiting: usize,
}

/// Work left for whoever finishes next.
#[derive(Debug)]
pub(crate) struct HandOverQueue<W> {
    budget: Budget,
    queue: Mutex<Queue<W>>,
    /// Places left for drivers that are overtaken, and one more; for a look without the lock. It is written only while
    /// the budget of helpers is exceeded.
    spare: AtomicUsize,
}

/// A place in the queue, to withdraw what waits there. Zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What came of handing over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it may be that a worker is to be woken"]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    /// The caller must wake a worker, which counts as called from now on.
    pub(crate) must_wake: bool,
}

#[derive(Debug)]
struct Queue<W> {
    handlers: LaneQueue<W>,
    clients: LaneQueue<W>,
    /// Pieces of the lane of clients that a place was promised to.
    promised: LaneQueue<W>,
    /// Places in that lane that were promised, whether there is a piece yet or not.
    promises: usize,
    /// Workers that will look here before they park, those called included.
    active: usize,
    /// Those of them that were called and have not arrived.
    coming: usize,
    /// Those of them that are at a piece of the lane of clients.
    with_clients: usize,
    /// Recent mean time of service in microseconds, of the lane of handlers; 0 while nothing was measured.
    service_micros: u64,
    /// How long a piece may be expected to wait at present.
    tolerated: Duration,
    /// The last one that was called could not be had.
    is_short: bool,
}

/// First come, first served; some may have been withdrawn.
#[derive(Debug)]
struct LaneQueue<W> {
    waiting: VecDeque<(Duration, Option<W>)>,
    /// How many of `waiting` were not withdrawn.
    count: usize,
    /// The place of the first of `waiting`, as its ticket counts.
    first: u64,
}

/// Tickets of the lane of clients are odd.
const LANE_BITS: u32 = 1;

impl<W> HandOverQueue<W> {
    pub(crate) fn new(budget: Budget) -> Self {
        HandOverQueue {
            budget,
            queue: Mutex::new(Queue {
                handlers: LaneQueue::new(),
                clients: LaneQueue::new(),
                promised: LaneQueue::new(),
                promises: 0,
                active: 0,
                coming: 0,
                with_clients: 0,
                service_micros: 0,
                tolerated: TOLERATED_WAIT,
                is_short: false,
            }),
            spare: AtomicUsize::new(budget.spares + 1),
        }
    }

    /// Leaves `work` here.
    ///
    /// # Errors
    /// The work, when as many wait already as may, beside those that workers are coming for, and none can be called for
    /// this.
    pub(crate) fn hand_over(&self, lane: Lane, work: W, now: Duration) -> Result<Waiting, W> {
        let Budget { helpers, handlers, waiting, .. } = self.budget;
        let mut queue = lock(&self.queue);
        let count = queue.count();
        let is_full = count >= waiting.saturating_add(queue.coming);
        let may_handle = lane == Lane::Handlers && queue.at_handlers() < handlers;
        let wants_another = queue.wants_another(lane, &self.budget) || is_full && may_handle;
        let must_wake = queue.active < helpers && wants_another;
        // The last bound is that of calls that fail.
        if is_full && !must_wake || count >= waiting.saturating_add(helpers) {
            return Err(work);
        }
        Ok(self.push(&mut queue, lane, work, now, must_wake))
    }

    /// As [`HandOverQueue::hand_over`], for work that was begun and cannot be refused any more.
    pub(crate) fn hand_on(&self, lane: Lane, work: W, now: Duration) -> Waiting {
        let mut queue = lock(&self.queue);
        let must_wake = queue.active < self.budget.helpers && queue.wants_another(lane, &self.budget);
        self.push(&mut queue, lane, work, now, must_wake)
    }

    fn push(&self, queue: &mut Queue<W>, lane: Lane, work: W, now: Duration, must_wake: bool) -> Waiting {
        let place = queue.lane(lane).push(now, work);
        self.call(queue, usize::from(must_wake));
        Waiting { ticket: Ticket::new(lane, place), must_wake }
    }

    /// A worker that was called is here, and takes a piece; with `None` it is active no more.
    pub(crate) fn arrive(&self) -> Option<(Lane, W)> {
        let mut queue = lock(&self.queue);
        queue.coming -= 1;
        queue.is_short = false;
        self.take_or_leave(&mut queue)
    }

    /// Takes a shard over from a driver that is in the user's code, as far as `take_over` can. The driver is an active
    /// worker then, at a piece of the lane of handlers.
    pub(crate) fn overtake<T>(&self, take_over: impl FnOnce() -> Option<T>) -> Option<T> {
        // Counted first: as soon as it has lost the lease it may count itself out.
        self.count(&mut lock(&self.queue), true);
        let taken = take_over();
        if taken.is_none() {
            self.count(&mut lock(&self.queue), false);
        }
        taken
    }

    /// Counts somebody as an active worker at a piece of the lane of handlers who is at something else, and blocks
    /// there, if that budget is not used up and `lend` can.
    #[cfg(any(feature = "tls-no-provider", anthill_loom))]
    pub(crate) fn enlist<T>(&self, lend: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut queue = lock(&self.queue);
        if queue.active >= self.budget.helpers || queue.at_handlers() >= self.budget.handlers {
            return None;
        }
        // Counted first, as in `overtake`.
        self.count(&mut queue, true);
        drop(queue);
        let lent = lend();
        if lent.is_none() {
            self.count(&mut lock(&self.queue), false);
        }
        lent
    }

    /// There is one active worker more, or one fewer.
    fn count(&self, queue: &mut Queue<W>, is_one_more: bool) {
        if is_one_more {
            queue.active += 1;
        } else {
            queue.active -= 1;
        }
        self.tell_spare(queue);
    }

    /// An active worker is done with a piece of `lane`, and takes the next; with `None` it is active no more.
    pub(crate) fn take_next(&self, done: Lane) -> Option<(Lane, W)> {
        let mut queue = lock(&self.queue);
        queue.with_clients -= usize::from(done == Lane::Clients);
        self.take_or_leave(&mut queue)
    }

    /// A worker that is about to park takes a piece if there is one that it may take, and is active from then on.
    pub(crate) fn join_and_take(&self) -> Option<(Lane, W)> {
        let mut queue = lock(&self.queue);
        if queue.active >= self.budget.helpers {
            return None;
        }
        let at_handlers = queue.at_handlers();
        let taken = queue.take(at_handlers, &self.budget)?;
        queue.active += 1;
        self.tell_spare(&queue);
        Some(taken)
    }

    fn take_or_leave(&self, queue: &mut Queue<W>) -> Option<(Lane, W)> {
        // Some were drivers before: then there are more of them than may be.
        let others = queue.at_handlers().saturating_sub(1);
        let taken = if queue.active > self.budget.helpers { None } else { queue.take(others, &self.budget) };
        if taken.is_none() {
            queue.active -= 1;
            self.tell_spare(queue);
        }
        taken
    }

    /// An active worker at a piece of the lane of handlers, or a driver, wants to go on at the pace of the client.
    /// False: that budget is used up.
    pub(crate) fn change_to_clients(&self) -> bool {
        let mut queue = lock(&self.queue);
        let may_change = queue.has_place(&self.budget);
        queue.with_clients += usize::from(may_change);
        may_change
    }

    /// A driver that had changed over is done, and drives still.
    pub(crate) fn change_back(&self) {
        lock(&self.queue).with_clients -= 1;
    }

    /// Takes what has waited for longer than `limit` out of the queue, one at a time.
    pub(crate) fn take_expired(&self, now: Duration, limit: Duration) -> Option<W> {
        let mut queue = lock(&self.queue);
        let Queue { handlers, clients, promised, .. } = &mut *queue;
        [handlers, clients, promised].into_iter().find_map(|lane| lane.take_older(now, limit))
    }

    /// Takes what has this ticket out of the queue, if it waits still and has done so for longer than `grace`.
    pub(crate) fn withdraw(&self, ticket: Ticket, now: Duration, grace: Duration) -> Option<W> {
        let (lane, place) = ticket.place()?;
        lock(&self.queue).lane(lane).withdraw(place, now, grace)
    }

    /// An active worker was busy with one piece of the lane of handlers for `elapsed`.
    pub(crate) fn note_service(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut queue = lock(&self.queue);
        let mean = queue.service_micros;
        queue.service_micros = if mean == 0 {
            micros
        } else {
            (mean - (mean >> MEAN_SHIFT)).saturating_add(micros >> MEAN_SHIFT).max(1)
        };
    }

    /// From now on pieces may be expected to wait for so long before a worker is woken for them.
    pub(crate) fn tolerate(&self, wait: Duration) {
        lock(&self.queue).tolerated = wait;
    }

    /// How many workers the caller must wake for pieces that have waited longer than tolerated, beside those that are
    /// coming already; they count as called from now on.
    #[must_use]
    pub(crate) fn call_for_overdue(&self, now: Duration) -> usize {
        let mut queue = lock(&self.queue);
        let room = self.budget.clients.saturating_sub(queue.with_clients + queue.promises);
        let left = self.budget.helpers.saturating_sub(queue.active);
        if left == 0 {
            return 0;
        }
        let handlers = self.budget.handlers.saturating_sub(queue.at_handlers());
        let tolerated = queue.tolerated;
        let late = queue.handlers.late(now, tolerated).min(handlers + queue.coming)
            + queue.clients.late(now, tolerated).min(room)
            + queue.promised.late(now, tolerated);
        let missing = late.saturating_sub(queue.coming).min(left);
        self.call(&mut queue, missing);
        missing
    }

    /// Takes back what was counted for workers that were to be woken and could not be had. What waits is left to the
    /// workers that are active, or to the monitor.
    pub(crate) fn call_failed(&self, workers: usize) {
        let mut queue = lock(&self.queue);
        queue.active -= workers;
        queue.coming -= workers;
        queue.is_short = true;
        self.tell_spare(&queue);
    }

    /// How many drivers may still be overtaken beyond the budget of helpers before nothing of the user's runs on a
    /// driver any more, and one more: zero means that nothing does. A driver that has seen it above zero can be
    /// overtaken.
    #[inline]
    pub(crate) fn spare(&self) -> usize {
        self.spare.load(Ordering::Relaxed)
    }

    /// Whether another helper could be had, as far as that is known.
    pub(crate) fn has_room(&self) -> bool {
        let queue = lock(&self.queue);
        !queue.is_short && queue.active < self.budget.helpers && queue.at_handlers() < self.budget.handlers
    }

    /// Pieces that wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.queue).count()
    }

    fn call(&self, queue: &mut Queue<W>, workers: usize) {
        queue.active += workers;
        queue.coming += workers;
        self.tell_spare(queue);
    }

    fn tell_spare(&self, queue: &Queue<W>) {
        let beyond = queue.active.saturating_sub(self.budget.helpers);
        let spare = (self.budget.spares + 1).saturating_sub(beyond);
        if self.spare.load(Ordering::Relaxed) != spare {
            self.spare.store(spare, Ordering::Relaxed);
        }
    }
}

/// Promises: what will be handed over has its place in the lane of clients before it is there.
#[cfg_attr(not(feature = "ws"), allow(dead_code, reason = "only the loops of WebSockets are promised one"))]
impl<W> HandOverQueue<W> {
    /// Promises a place in the lane of clients. False: that budget is used up.
    pub(crate) fn promise(&self) -> bool {
        let mut queue = lock(&self.queue);
        let may_promise = queue.has_place(&self.budget);
        queue.promises += usize::from(may_promise);
        may_promise
    }

    /// What was promised will not be used. Whoever takes a piece that was left with a promise has used it.
    pub(crate) fn promise_ended(&self) {
        lock(&self.queue).promises -= 1;
    }

    /// Leaves `work` here that a place was promised to. True: the caller must wake a worker, which counts as called
    /// from now on.
    #[must_use]
    pub(crate) fn hand_on_promised(&self, work: W, now: Duration) -> bool {
        let mut queue = lock(&self.queue);
        let must_wake = queue.active < self.budget.helpers;
        queue.promised.push(now, work);
        self.call(&mut queue, usize::from(must_wake));
        must_wake
    }
}

impl<W> Queue<W> {
    fn lane(&mut self, lane: Lane) -> &mut LaneQueue<W> {
        match lane {
            Lane::Handlers => &mut self.handlers,
            Lane::Clients => &mut self.clients,
        }
    }

    /// How many pieces wait.
    fn count(&self) -> usize {
        self.handlers.count + self.clients.count + self.promised.count
    }

    /// Whether one more may be with a client.
    fn has_place(&self, budget: &Budget) -> bool {
        self.with_clients + self.promises < budget.clients
    }

    /// The oldest piece for which there is a budget. `at_handlers`: as many others are at handlers.
    fn take(&mut self, at_handlers: usize, budget: &Budget) -> Option<(Lane, W)> {
        let has_place = self.has_place(budget);
        let client = self.clients.oldest().filter(|_| has_place);
        let handler = self.handlers.oldest().filter(|_| at_handlers < budget.handlers);
        if let Some(promised) = self.promised.oldest() {
            if [handler, client].into_iter().flatten().all(|other| promised <= other) {
                self.promises -= 1;
                self.with_clients += 1;
                return self.promised.pop().map(|work| (Lane::Clients, work));
            }
        }
        let lane = match (handler, client) {
            (Some(handler), Some(client)) if client < handler => Lane::Clients,
            (Some(_), _) => Lane::Handlers,
            (None, Some(_)) => Lane::Clients,
            (None, None) => return None,
        };
        self.with_clients += usize::from(lane == Lane::Clients);
        self.lane(lane).pop().map(|work| (lane, work))
    }

    /// Active workers that are not with clients. (Drivers may be with clients.)
    fn at_handlers(&self) -> usize {
        self.active.saturating_sub(self.with_clients)
    }

    /// Whether another worker is worth its wake-up for one more piece of `lane`.
    fn wants_another(&self, lane: Lane, budget: &Budget) -> bool {
        let at_handlers = self.at_handlers();
        match lane {
            // Nobody who is with a client will be done soon.
            Lane::Clients => self.with_clients + self.promises + self.clients.count < budget.clients,
            Lane::Handlers if at_handlers >= budget.handlers => false,
            Lane::Handlers if at_handlers == 0 || self.service_micros == 0 => true,
            Lane::Handlers => {
                let ahead = self.handlers.count as u64 + 1;
                let expected = ahead.saturating_mul(self.service_micros) / at_handlers as u64;
                expected > self.tolerated.as_micros() as u64
            }
        }
    }
}

impl<W> LaneQueue<W> {
    fn new() -> Self {
        LaneQueue { waiting: VecDeque::new(), count: 0, first: 0 }
    }

    /// Says which place it got.
    fn push(&mut self, now: Duration, work: W) -> u64 {
        self.waiting.push_back((now, Some(work)));
        self.count += 1;
        self.first + self.waiting.len() as u64 - 1
    }

    fn pop(&mut self) -> Option<W> {
        loop {
            let (_, work) = self.waiting.pop_front()?;
            self.first += 1;
            if work.is_some() {
                self.count -= 1;
                self.shrink();
                return work;
            }
        }
    }

    /// Since when the first waits; those withdrawn before it are forgotten.
    fn oldest(&mut self) -> Option<Duration> {
        while self.waiting.front().is_some_and(|(_, work)| work.is_none()) {
            self.waiting.pop_front();
            self.first += 1;
        }
        self.waiting.front().map(|(since, _)| *since)
    }

    fn take_older(&mut self, now: Duration, limit: Duration) -> Option<W> {
        self.oldest().filter(|since| now.saturating_sub(*since) > limit).and_then(|_| self.pop())
    }

    fn withdraw(&mut self, place: u64, now: Duration, grace: Duration) -> Option<W> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let (since, work) = self.waiting.get_mut(index)?;
        if now.saturating_sub(*since) <= grace {
            return None;
        }
        let work = work.take()?;
        self.count -= 1;
        Some(work)
    }

    /// How many have waited longer than `tolerated`.
    fn late(&self, now: Duration, tolerated: Duration) -> usize {
        let late = self.waiting.iter().take_while(|(since, _)| now.saturating_sub(*since) > tolerated);
        late.filter(|(_, work)| work.is_some()).count()
    }

    /// Gives memory back that a burst has left behind.
    fn shrink(&mut self) {
        const KEPT: usize = 1024;
        if self.waiting.capacity() > KEPT && self.waiting.len() < self.waiting.capacity() / 8 {
            self.waiting.shrink_to(KEPT / 2);
        }
    }
}

impl Ticket {
    fn new(lane: Lane, place: u64) -> Self {
        Ticket((place + 1) << LANE_BITS | u64::from(lane == Lane::Clients))
    }

    fn place(self) -> Option<(Lane, u64)> {
        let lane = if self.0 & 1 == 1 { Lane::Clients } else { Lane::Handlers };
        Some((lane, (self.0 >> LANE_BITS).checked_sub(1)?))
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn queue(helpers: usize, clients: usize) -> HandOverQueue<u32> {
        HandOverQueue::new(Budget { helpers, handlers: helpers, clients, spares: 1, waiting: 8 })
    }

    /// Hands over at `NOW`; whether a worker is to be woken.
    fn hand_over(queue: &HandOverQueue<u32>, lane: Lane, work: u32) -> bool {
        queue.hand_over(lane, work, NOW).expect("there is room").must_wake
    }

    fn next(queue: &HandOverQueue<u32>, done: Lane) -> Option<u32> {
        queue.take_next(done).map(|(_, work)| work)
    }

    #[test]
    fn wakes_only_when_the_wait_would_be_too_long() {
        let queue = queue(100, 100);
        assert!(hand_over(&queue, Lane::Handlers, 1), "nobody is active");
        assert!(hand_over(&queue, Lane::Handlers, 2), "nothing was measured yet");
        queue.note_service(Duration::from_millis(1));
        assert!(!hand_over(&queue, Lane::Handlers, 3), "three ahead, 1 ms each, two workers: 1.5 ms");
        assert!(!hand_over(&queue, Lane::Handlers, 4));
        assert!(hand_over(&queue, Lane::Handlers, 5), "2.5 ms");
        assert_eq!(queue.call_for_overdue(NOW), 0);
        assert_eq!(queue.call_for_overdue(NOW + TOLERATED_WAIT * 2), 2, "three are coming");
        assert_eq!(queue.call_for_overdue(NOW + TOLERATED_WAIT * 2), 0, "so are the two");
        queue.call_failed(2);
        for expected in 1..=3 {
            assert_eq!(queue.arrive(), Some((Lane::Handlers, expected)), "first come, first served");
        }
        for expected in 4..=5 {
            assert_eq!(next(&queue, Lane::Handlers), Some(expected));
        }
        for _ in 0..3 {
            assert_eq!(next(&queue, Lane::Handlers), None);
        }
        assert_eq!(queue.len(), 0);
        assert!(hand_over(&queue, Lane::Handlers, 6), "all three have parked");
    }

    #[test]
    fn the_tolerated_wait_can_change() {
        let queue = queue(8, 1);
        assert!(hand_over(&queue, Lane::Handlers, 1));
        queue.note_service(Duration::from_millis(1));
        assert!(!hand_over(&queue, Lane::Handlers, 2), "two of 1 ms for one worker");
        queue.tolerate(TOLERATED_WAIT / 4);
        assert!(hand_over(&queue, Lane::Handlers, 3));
        assert_eq!(queue.call_for_overdue(NOW + TOLERATED_WAIT / 2), 1, "of three two are being fetched");
        queue.tolerate(TOLERATED_WAIT * 2);
        assert!(!hand_over(&queue, Lane::Handlers, 4), "four of 1 ms for three workers");
    }

    #[test]
    fn no_more_are_called_than_the_budget_has() {
        let queue = queue(2, 1);
        assert!(hand_over(&queue, Lane::Handlers, 1) && hand_over(&queue, Lane::Handlers, 2));
        assert!(!hand_over(&queue, Lane::Handlers, 3), "two are called");
        assert_eq!(queue.call_for_overdue(NOW * 2), 0);
        assert!(!queue.has_room());
        assert_eq!((queue.arrive(), queue.arrive()), (Some((Lane::Handlers, 1)), Some((Lane::Handlers, 2))));
        assert_eq!(queue.join_and_take(), None, "a third would be one too many");
        assert_eq!(next(&queue, Lane::Handlers), Some(3));
    }

    #[test]
    fn those_who_wait_for_clients_do_not_take_the_last_worker() {
        let queue = queue(2, 1);
        assert!(hand_over(&queue, Lane::Clients, 1));
        assert!(!hand_over(&queue, Lane::Clients, 2), "its budget is used up");
        assert_eq!(queue.arrive(), Some((Lane::Clients, 1)));
        assert_eq!(queue.call_for_overdue(NOW * 2), 0);
        assert!(hand_over(&queue, Lane::Handlers, 3), "that of handlers is not");
        assert_eq!(queue.arrive(), Some((Lane::Handlers, 3)), "past the one that has to wait");
        assert!(!queue.change_to_clients());
        assert_eq!(next(&queue, Lane::Handlers), None);
        assert_eq!(next(&queue, Lane::Clients), Some(2));
        assert_eq!(next(&queue, Lane::Clients), None);
        assert!(hand_over(&queue, Lane::Handlers, 4));
        assert_eq!(queue.arrive(), Some((Lane::Handlers, 4)));
        assert!(queue.change_to_clients());
        assert_eq!(next(&queue, Lane::Clients), None);
    }

    #[test]
    fn what_was_promised_a_place_waits_for_nobodys() {
        let queue = queue(3, 2);
        assert!(queue.promise() && queue.promise());
        assert!(!queue.promise() && !queue.change_to_clients(), "both are spoken for");
        assert!(!hand_over(&queue, Lane::Clients, 1), "nobody could take it");
        assert_eq!(queue.call_for_overdue(NOW * 2), 0);
        assert!(queue.hand_on_promised(2, NOW));
        assert!(!queue.promise(), "nor is there a place while it waits");
        assert_eq!(queue.arrive(), Some((Lane::Clients, 2)), "past one that nothing was promised to");
        assert!(!queue.promise(), "and it has its place now");
        assert_eq!(queue.join_and_take(), None, "the other one is promised still");
        queue.promise_ended();
        assert_eq!(queue.join_and_take(), Some((Lane::Clients, 1)));
        assert_eq!((queue.take_next(Lane::Clients), queue.take_next(Lane::Clients)), (None, None));
        // One that nobody comes for in time is given up, and its place is whose it was.
        assert!(queue.promise() && queue.hand_on_promised(3, NOW));
        queue.call_failed(1);
        assert_eq!(queue.call_for_overdue(NOW * 2), 1);
        queue.call_failed(1);
        assert!(queue.promise() && !queue.promise());
        assert_eq!(queue.take_expired(NOW * 3, NOW), Some(3));
        assert!(!queue.promise(), "who takes it out says when its place is free");
        queue.promise_ended();
        assert!(queue.promise());
    }

    #[test]
    fn the_oldest_goes_first_whatever_its_lane() {
        let queue = queue(2, 2);
        for (lane, work, at) in [(Lane::Clients, 1, 1), (Lane::Handlers, 2, 2), (Lane::Clients, 3, 3)] {
            let _ = queue.hand_over(lane, work, Duration::from_secs(at)).expect("there is room");
        }
        assert_eq!(queue.arrive(), Some((Lane::Clients, 1)));
        assert_eq!(queue.arrive(), Some((Lane::Handlers, 2)));
        assert_eq!(queue.take_next(Lane::Handlers), Some((Lane::Clients, 3)));
    }

    #[test]
    fn an_overtaken_driver_is_one_more_and_leaves_when_there_are_too_many() {
        let queue = queue(1, 1);
        assert_eq!(queue.spare(), 2);
        assert!(hand_over(&queue, Lane::Handlers, 1) && !hand_over(&queue, Lane::Handlers, 2));
        assert_eq!(queue.arrive(), Some((Lane::Handlers, 1)));
        assert_eq!(queue.overtake(|| None::<()>), None);
        assert_eq!(queue.spare(), 2, "it went on");
        assert!(queue.overtake(|| Some(())).is_some());
        assert_eq!(queue.spare(), 1, "known routes may run on drivers still");
        assert!(queue.overtake(|| Some(())).is_some());
        assert_eq!(queue.spare(), 0);
        assert_eq!(next(&queue, Lane::Handlers), None);
        assert_eq!(next(&queue, Lane::Handlers), None);
        assert_eq!(queue.spare(), 2);
        assert_eq!(next(&queue, Lane::Handlers), Some(2), "the last is within the budget");
    }

    #[test]
    fn what_waits_too_long_or_is_not_wanted_any_more_leaves() {
        let queue = queue(1, 1);
        let at = Duration::from_secs;
        let first = queue.hand_over(Lane::Handlers, 1, at(1)).expect("there is room").ticket;
        let second = queue.hand_over(Lane::Handlers, 2, at(2)).expect("there is room").ticket;
        let client = queue.hand_over(Lane::Clients, 3, at(3)).expect("there is room").ticket;
        let last = queue.hand_over(Lane::Handlers, 4, at(4)).expect("there is room").ticket;
        assert_eq!(queue.withdraw(second, at(2), at(1)), None, "not yet");
        assert_eq!(queue.withdraw(second, at(4), at(1)), Some(2));
        assert_eq!(queue.withdraw(second, at(4), at(1)), None, "once");
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.take_expired(at(4), at(3)), None, "to the moment is not too long");
        assert_eq!(queue.take_expired(at(5), at(3)), Some(1));
        assert_eq!(queue.withdraw(first, at(9), at(1)), None);
        assert_eq!(queue.arrive(), Some((Lane::Clients, 3)), "older than what is left of the other lane");
        assert_eq!(queue.withdraw(client, at(9), at(1)), None);
        assert_eq!(queue.withdraw(Ticket::default(), at(9), at(1)), None);
        assert_eq!(queue.withdraw(last, at(9), at(1)), Some(4));
        assert_eq!((queue.take_next(Lane::Clients), queue.len()), (None, 0));
    }

    #[test]
    fn only_so_many_wait() {
        let queue = queue(1, 1);
        for work in 0..8 {
            let _ = hand_over(&queue, if work % 2 == 0 { Lane::Handlers } else { Lane::Clients }, work);
        }
        assert!(queue.hand_over(Lane::Handlers, 8, NOW).is_ok(), "a worker is coming for one of them");
        assert_eq!(queue.hand_over(Lane::Handlers, 9, NOW), Err(9));
        assert_eq!(queue.arrive(), Some((Lane::Handlers, 0)));
        assert_eq!(queue.hand_over(Lane::Handlers, 9, NOW), Err(9));
        assert_eq!(next(&queue, Lane::Handlers), Some(2));
        assert!(queue.hand_over(Lane::Handlers, 9, NOW).is_ok());
    }

    #[test]
    fn nobody_is_refused_while_another_worker_may_be_called() {
        let queue = HandOverQueue::new(Budget { helpers: 4, handlers: 4, clients: 1, spares: 1, waiting: 1 });
        queue.note_service(Duration::from_micros(1));
        for work in 0..5 {
            assert_eq!(
                hand_over(&queue, Lane::Handlers, work),
                [true, false, true, true, true][work as usize]
            );
        }
        assert_eq!(queue.hand_over(Lane::Handlers, 5, NOW), Err(5), "all are called, and one has to wait");
        // When none of them is to be had there is an end, too.
        queue.call_failed(4);
        assert_eq!(queue.hand_over(Lane::Handlers, 5, NOW), Err(5));
        assert_eq!(queue.len(), 5);
    }
}
