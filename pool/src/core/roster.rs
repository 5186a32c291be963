//! The roster: how many workers there are, which of them are idle, and which are on their way to the core.

use std::mem;

use super::batch::Batch;
use super::handoff::Seat;
use super::ready_stack::ReadyStack;
use crate::sync::{Arc, Instant, StdArc};
use crate::waits::Headcount;

pub(super) struct Roster<T> {
    ready: ReadyStack<Seat<T>>,
    /// Slots taken: workers idle, busy, or being started.
    workers: usize,
    /// The same for those who ask without the lock, and how many workers sleep.
    headcount: StdArc<Headcount>,
    /// Workers whose thread is being made by a submitter; they may not come to be.
    spawning: usize,
    searching: Searching,
    /// True while a worker was woken for the queue's sake and has not said that it is awake.
    waking: bool,
    /// Number of the next worker.
    next_index: usize,
    /// The most workers there were at one time.
    peak: usize,
}

/// Workers on their way to the core without a payload; each is in one of these counts.
#[derive(Default)]
struct Searching {
    /// Those that are being made, and may not come to be.
    unborn: usize,
    /// Those that run broadcasts before they come.
    broadcasting: usize,
    /// Those that surely come, and come straight to the queue.
    coming: usize,
}

/// A slot that was taken for a worker about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    /// The worker's number, which no other worker of the pool ever has.
    pub(crate) index: usize,
    /// Broadcasts that were made before it; they are not for this worker.
    pub(super) broadcasts_seen: u64,
    /// True while the worker is searching.
    searching: bool,
}

/// What a worker brings to the core.
pub(crate) struct WorkerRecord<T> {
    pub(super) batch: Arc<Batch<T>>,
    pub(crate) reservation: Reservation,
    pub(super) seat: Seat<T>,
    /// True from the filling of its batch until the next check-in.
    pub(super) holding: bool,
    /// True while it runs broadcasts.
    broadcasting: bool,
}

impl<T> WorkerRecord<T> {
    /// The record of a worker whose thread has begun.
    pub(crate) fn new(seat: Seat<T>, reservation: Reservation) -> Self {
        let batch = Arc::new(Batch::new());
        WorkerRecord { batch, reservation, seat, holding: false, broadcasting: false }
    }

    /// It was ordered to search, and was counted as searching by whoever ordered it.
    pub(crate) fn now_searching(&mut self) {
        self.reservation.searching = true;
    }

    /// The next payload of its batch, which also says that the one before has ended; `None`, and nothing noted, when
    /// there is none.
    #[inline(always)]
    pub(crate) fn next_in_batch(&self, panicked: bool) -> Option<T> {
        if self.holding { self.batch.next(panicked) } else { None }
    }
}

impl<T> Roster<T> {
    pub(super) fn new(headcount: StdArc<Headcount>) -> Self {
        Roster {
            ready: ReadyStack::new(),
            workers: 0,
            headcount,
            spawning: 0,
            searching: Searching::default(),
            waking: false,
            next_index: 0,
            peak: 0,
        }
    }

    /// Slots taken.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    pub(super) fn headcount(&self) -> &StdArc<Headcount> {
        &self.headcount
    }

    fn set_workers(&mut self, workers: usize) {
        self.workers = workers;
        self.headcount.set_workers(workers);
    }

    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Workers on the ready stack.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Workers without a payload: on the ready stack, or searching.
    pub(super) fn idle(&self) -> usize {
        self.ready.len() + self.searching.unborn + self.searching.broadcasting + self.searching.coming
    }

    /// Workers that surely live.
    pub(super) fn alive(&self) -> usize {
        self.workers - self.spawning
    }

    /// True when some worker surely lives.
    pub(super) fn someone_lives(&self) -> bool {
        self.alive() > 0
    }

    /// Searching workers that surely come, and come straight to the queue; one with a broadcast to run may take its
    /// time.
    pub(super) fn coming(&self) -> usize {
        self.searching.coming
    }

    /// Searching workers that are being made, and may not come to be.
    pub(super) fn unborn(&self) -> usize {
        self.searching.unborn
    }

    pub(super) fn is_waking(&self) -> bool {
        self.waking
    }

    /// A worker was woken for the queue's sake, or has said that it is awake.
    pub(super) fn set_waking(&mut self, waking: bool) {
        self.waking = waking;
    }

    /// Takes a slot for a new worker, which comes with a payload or searching.
    pub(super) fn reserve(&mut self, searching: bool, broadcasts_seen: u64) -> Reservation {
        self.set_workers(self.workers + 1);
        self.spawning += 1;
        self.searching.unborn += usize::from(searching);
        self.peak = self.peak.max(self.workers);
        let index = self.next_index;
        self.next_index += 1;
        Reservation { index, broadcasts_seen, searching }
    }

    /// The reserved worker's thread was made.
    pub(super) fn confirm(&mut self, reservation: Reservation) {
        self.spawning -= 1;
        if reservation.searching {
            self.searching.unborn -= 1;
            self.searching.coming += 1;
        }
    }

    /// The reserved worker did not come to be: its slot is free. True when it was to come searching.
    pub(super) fn cancel(&mut self, reservation: Reservation) -> bool {
        self.set_workers(self.workers - 1);
        self.spawning -= 1;
        self.searching.unborn -= usize::from(reservation.searching);
        reservation.searching
    }

    /// Unlinks the most recently used idle worker.
    pub(super) fn unlink(&mut self) -> Option<Seat<T>> {
        self.ready.pop()
    }

    /// Links a worker that goes idle at `now`.
    pub(super) fn link(&mut self, now: Instant, seat: Seat<T>) {
        self.ready.push(now, seat);
    }

    /// Unlinks everybody idle and has them search.
    pub(super) fn call_all(&mut self) -> Vec<Seat<T>> {
        let seats = self.ready.take_all();
        self.searching.coming += seats.len();
        seats
    }

    /// Unlinks everybody idle; their slots are free.
    pub(super) fn release_all(&mut self) -> Vec<Seat<T>> {
        let seats = self.ready.take_all();
        self.set_workers(self.workers - seats.len());
        seats
    }

    /// Unlinks the `count` least recently used idle workers, or all there are; their slots are free.
    pub(super) fn release_oldest(&mut self, count: usize, leaving: &mut Vec<Seat<T>>) {
        let count = self.ready.take_oldest(count, leaving);
        self.set_workers(self.workers - count);
    }

    /// Unlinks everybody idle since `cutoff` or longer, no more than `most`; returns how many. Their slots are free.
    pub(super) fn release_idle_since(
        &mut self,
        cutoff: Instant,
        most: usize,
        leaving: &mut Vec<Seat<T>>,
    ) -> usize {
        let count = self.ready.take_idle_since(cutoff, most, leaving);
        self.set_workers(self.workers - count);
        count
    }

    /// Since when the least recently used worker is idle.
    pub(super) fn idle_longest(&self) -> Option<Instant> {
        self.ready.oldest()
    }

    /// A worker has come that may have been searching.
    pub(super) fn arrived(&mut self, record: &mut WorkerRecord<T>) {
        match (mem::take(&mut record.reservation.searching), mem::take(&mut record.broadcasting)) {
            (true, true) => self.searching.broadcasting -= 1,
            (true, false) => self.searching.coming -= 1,
            (false, _) => {}
        }
    }

    /// A worker goes away to run broadcasts, and comes back searching.
    pub(super) fn now_broadcasting(&mut self, record: &mut WorkerRecord<T>) {
        record.reservation.searching = true;
        record.broadcasting = true;
        self.searching.broadcasting += 1;
    }

    /// A worker's slot is free: it leaves.
    pub(super) fn release(&mut self) {
        self.set_workers(self.workers - 1);
    }
}
