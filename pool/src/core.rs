//! Everything that the pool decides under its one lock.
//!
//! Count, state, ready stack, queue and waiting line live in one [`Core`], so each decision sees all of them at one
//! moment. The methods only decide and record; what has to happen outside the lock (sending, waking, making threads,
//! running user code) is returned to the caller. Invariants, asserted in debug builds after each decision:
//!
//! 1. something queued or waiting in line (while open) ⟹ no worker is idle;
//! 2. something waiting in line (while open) ⟹ the queue is full;
//! 3. something queued ⟹ some worker lives that will look at the queue before it leaves;
//! 4. idle workers ≤ workers ≤ the cap: the slot of a worker is free from the moment it is unlinked, not from the
//!    moment its thread has ended.

use std::collections::VecDeque;

use crate::handoff::Seat;
use crate::line::{Entry, Ticket, WaitingLine};
use crate::options::Limits;
use crate::ready::ReadyStack;
use crate::stats::{PoolState, PoolStats};
use crate::sync::{Arc, Condvar, Instant, thread};

/// Queue room made when the pool is built; a longer queue grows when it is used.
const QUEUE_ROOM_AT_START: usize = 1024;

pub(crate) struct Core<T> {
    pub(crate) limits: Limits,
    pub(crate) open: bool,
    pub(crate) ready: ReadyStack<Seat<T>>,
    /// Slots taken: workers idle, busy, or being started.
    pub(crate) workers: usize,
    /// Workers whose thread is being made by a submitter; they may not come to be.
    pub(crate) spawning: usize,
    queue: VecDeque<T>,
    pub(crate) line: WaitingLine<T>,
    /// Submitters whose payload went from the line to the queue, and who are told once the queue has run low.
    deferred: VecDeque<(Ticket, Arc<Condvar>)>,
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
    rejected: u64,
    spawned: u64,
    expired: u64,
}

/// The answer to a submission.
pub(crate) enum Admission<T> {
    /// Accepted: send it to this worker, which is unlinked.
    HandOver(Seat<T>, T),
    /// A slot is reserved: make a thread for the worker of this number, then report `spawn_succeeded` or
    /// `spawn_failed`.
    Spawn(T, usize),
    /// Accepted: it is in the queue.
    Queued,
    /// Every worker there is is still being made, by other submitters: look again after the next event.
    Unsettled(T),
    /// There is no worker, and the caller could not make one.
    NoWorker(T),
    /// All workers are busy and there is no room.
    Full(T),
    Closed(T),
}

/// What a worker does after a payload.
pub(crate) enum Next<T> {
    Run(T),
    /// It is on the ready stack: wait for an order.
    Idle,
    /// Its slot is given back: end.
    Leave,
}

impl<T> Core<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Core {
            limits,
            open: true,
            ready: ReadyStack::new(),
            workers: 0,
            spawning: 0,
            queue: VecDeque::with_capacity(limits.queue_capacity.min(QUEUE_ROOM_AT_START)),
            line: WaitingLine::new(),
            deferred: VecDeque::new(),
            next_index: 0,
            cleaner: false,
            threads: Vec::new(),
            joining: 0,
            watchers: 0,
            idle_moments: 0,
            totals: Totals::default(),
        }
    }

    /// Decides on a payload. `may_spawn` is false for a caller whose attempt to make a thread just failed.
    pub(crate) fn admit(&mut self, payload: T, may_spawn: bool) -> Admission<T> {
        if !self.open {
            return Admission::Closed(payload);
        }
        if let Some(seat) = self.ready.pop() {
            self.totals.accepted += 1;
            return Admission::HandOver(seat, payload);
        }
        if may_spawn && self.workers < self.limits.max_workers {
            self.workers += 1;
            self.spawning += 1;
            self.totals.peak_workers = self.totals.peak_workers.max(self.workers);
            self.totals.accepted += 1;
            let index = self.next_index;
            self.next_index += 1;
            return Admission::Spawn(payload, index);
        }
        if self.workers == 0 {
            return Admission::NoWorker(payload);
        }
        // Only a worker that surely lives may be counted on to look at the queue.
        if self.workers <= self.spawning {
            return Admission::Unsettled(payload);
        }
        if self.queue.len() < self.limits.queue_capacity {
            self.totals.accepted += 1;
            self.queue.push_back(payload);
            self.check();
            return Admission::Queued;
        }
        Admission::Full(payload)
    }

    /// The thread was made and sent its payload.
    pub(crate) fn spawn_succeeded(&mut self, thread: thread::JoinHandle<()>) {
        self.totals.spawned += 1;
        self.threads.push(thread);
    }

    /// The handles of threads that have come to their end, so that they do not pile up. Joining one waits for no more
    /// than its thread-local destructors.
    pub(crate) fn take_ended_threads(&mut self) -> Vec<thread::JoinHandle<()>> {
        if self.threads.len() <= self.workers + usize::from(self.cleaner) {
            return Vec::new();
        }
        let (ended, alive): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.threads).into_iter().partition(thread::is_finished);
        self.threads = alive;
        ended
    }

    /// The slot is free again. The bells are of those who may wait for nobody now.
    pub(crate) fn spawn_failed(&mut self) -> Vec<Arc<Condvar>> {
        self.workers -= 1;
        self.spawning -= 1;
        self.totals.accepted -= 1;
        self.note_idleness();
        if self.line.workers_waiting > 0 { self.line.bells() } else { Vec::new() }
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

    /// A worker that ended a payload asks what to do; bells to ring after unlocking are added to `rings`.
    pub(crate) fn after_payload(
        &mut self,
        seat: &Seat<T>,
        panicked: bool,
        rings: &mut Vec<Arc<Condvar>>,
    ) -> Next<T> {
        self.totals.finished += 1;
        self.totals.panicked += u64::from(panicked);
        if let Some(payload) = self.take_waiting(rings) {
            return Next::Run(payload);
        }
        if !self.open {
            self.workers -= 1;
            self.note_idleness();
            return Next::Leave;
        }
        self.ready.push(Instant::now(), seat.clone());
        self.note_idleness();
        self.check();
        Next::Idle
    }

    /// The longest waiting payload: from the queue, which is then filled up from the line, or from the line itself.
    fn take_waiting(&mut self, rings: &mut Vec<Arc<Condvar>>) -> Option<T> {
        let Some(payload) = self.queue.pop_front() else {
            return self.serve_line().map(|entry| {
                rings.push(entry.bell);
                entry.payload
            });
        };
        if let Some(entry) = self.serve_line() {
            self.queue.push_back(entry.payload);
            if entry.eager {
                rings.push(entry.bell);
            } else {
                self.deferred.push_back((entry.ticket, entry.bell));
            }
        }
        self.ring_at_low_water(rings);
        Some(payload)
    }

    /// The front of the line; after a stop nobody in line is accepted any more.
    fn serve_line(&mut self) -> Option<Entry<T>> {
        if !self.open {
            return None;
        }
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

    /// Unlinks every worker idle since `cutoff` or longer; each of `leaving` must then be told to leave.
    pub(crate) fn expire(&mut self, cutoff: Instant, leaving: &mut Vec<Seat<T>>) {
        let count = self.ready.take_idle_since(cutoff, leaving);
        self.workers -= count;
        self.totals.expired += count as u64;
    }

    /// Closes the pool; the seats must be told to leave, the bells be rung. Nothing the second time.
    pub(crate) fn close(&mut self) -> (Vec<Seat<T>>, Vec<Arc<Condvar>>) {
        if !self.open {
            return (Vec::new(), Vec::new());
        }
        self.open = false;
        let leaving = self.ready.take_all();
        self.workers -= leaving.len();
        let mut bells = self.line.bells();
        bells.extend(self.deferred.drain(..).map(|(_, bell)| bell));
        (leaving, bells)
    }

    /// Takes everything out of the queue, oldest first.
    pub(crate) fn take_queue(&mut self) -> Vec<T> {
        let rest: Vec<T> = self.queue.drain(..).collect();
        self.totals.handed_back += rest.len() as u64;
        self.note_idleness();
        rest
    }

    pub(crate) fn count_refusal(&mut self) {
        self.totals.rejected += 1;
    }

    /// True when nothing accepted is left to run, nothing runs, and nobody waits to be accepted.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.len() == self.workers && self.queue.is_empty() && self.line.is_empty()
    }

    /// True when no thread of the pool is left but those that only end.
    pub(crate) fn is_deserted(&self) -> bool {
        !self.open && self.workers == 0 && self.spawning == 0 && !self.cleaner
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

    pub(crate) fn stats(&self) -> PoolStats {
        let max_workers = self.limits.max_workers;
        PoolStats {
            state: self.state(),
            workers: self.workers,
            busy: self.workers - self.ready.len(),
            idle: self.ready.len(),
            capacity: (max_workers != usize::MAX).then_some(max_workers),
            queued: self.queue.len(),
            blocked: self.line.len(),
            peak_workers: self.totals.peak_workers,
            accepted: self.totals.accepted,
            finished: self.totals.finished,
            panicked: self.totals.panicked,
            handed_back: self.totals.handed_back,
            rejected: self.totals.rejected,
            spawned: self.totals.spawned,
            expired: self.totals.expired,
        }
    }

    pub(crate) fn check(&self) {
        debug_assert!(self.ready.len() <= self.workers && self.workers <= self.limits.max_workers);
        debug_assert!(!self.open || (self.queue.is_empty() && self.line.is_empty()) || self.ready.len() == 0);
        debug_assert!(!self.open || self.line.is_empty() || self.queue.len() == self.limits.queue_capacity);
        debug_assert!(self.queue.is_empty() || self.workers > 0);
    }
}
