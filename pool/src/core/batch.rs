//! A worker's hand: short payloads that it took from the queue several at a time.
//!
//! Taking one payload per visit to the pool's lock makes all workers and submitters meet there once per payload. A
//! worker that has just seen that payloads are short takes some more along and visits the lock once for all of them.
//! The price would be that a payload waits behind a slow one in the same hand, so a hand is not its worker's own:
//! whoever has nothing else to do takes half of what another holds, and `stop_now` and a lowered cap take everything
//! back. Hands are filled and looked through under the pool's lock only (pool's lock before hand's lock), while the
//! worker itself takes from its hand without the pool's lock.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use crate::core::queue::Queue;
use crate::sync::{Instant, Mutex};

/// Payloads that take no longer than this are short.
const SHORT: Duration = Duration::from_micros(2);

#[derive(Debug)]
pub(crate) struct Batch<T> {
    held: Mutex<BatchState<T>>,
}

#[derive(Debug)]
struct BatchState<T> {
    payloads: VecDeque<T>,
    /// The front's place among all payloads ever taken from the queue; tells which of two hands is older.
    first: u64,
    /// Payloads from here whose run ended, not reported to the pool yet.
    finished: u64,
    panicked: u64,
}

/// What a hand adds to the pool's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchCounts {
    pub(crate) queued: usize,
    pub(crate) finished: u64,
    pub(crate) panicked: u64,
}

impl<T> Batch<T> {
    pub(crate) fn new() -> Self {
        Batch {
            held: Mutex::new(BatchState { payloads: VecDeque::new(), first: 0, finished: 0, panicked: 0 }),
        }
    }

    /// Takes a batch from the queue, before whose front `taken` payloads were ever taken; returns how many it has.
    pub(crate) fn fill(&self, queue: &mut Queue<T>, taken: u64) -> usize {
        let mut held = self.held.lock();
        held.first = taken;
        queue.take_batch(&mut held.payloads);
        held.payloads.len()
    }

    /// The worker's next payload, which also says that the one before has ended. `None`, and nothing noted, when the
    /// hand is empty.
    #[inline]
    pub(crate) fn next(&self, panicked: bool) -> Option<T> {
        let mut held = self.held.lock();
        let payload = held.payloads.pop_front()?;
        held.first += 1;
        held.finished += 1;
        held.panicked += u64::from(panicked);
        Some(payload)
    }

    /// The first payload of a hand just filled; nothing is noted.
    pub(crate) fn first(&self) -> Option<T> {
        let mut held = self.held.lock();
        held.first += 1;
        held.payloads.pop_front()
    }

    /// Moves the older half of `other`, at least one, to this empty hand; false when the other one is empty too.
    pub(crate) fn take_half_of(&self, other: &Batch<T>) -> bool {
        // Never two hands at once: no order between them is needed then.
        let mut payloads = mem::take(&mut self.held.lock().payloads);
        let mut theirs = other.held.lock();
        let first = theirs.first;
        let count = theirs.payloads.len().div_ceil(2);
        payloads.extend(theirs.payloads.drain(..count));
        theirs.first += count as u64;
        drop(theirs);
        let mut held = self.held.lock();
        held.first = first;
        held.payloads = payloads;
        count > 0
    }

    /// Takes everything, with the place of the front.
    pub(crate) fn take_all(&self) -> (u64, VecDeque<T>) {
        let mut held = self.held.lock();
        (held.first, mem::take(&mut held.payloads))
    }

    pub(crate) fn counts(&self) -> BatchCounts {
        let held = self.held.lock();
        BatchCounts { queued: held.payloads.len(), finished: held.finished, panicked: held.panicked }
    }

    /// The counts, which are then the pool's to keep.
    pub(crate) fn report(&self) -> BatchCounts {
        let mut held = self.held.lock();
        let counts =
            BatchCounts { queued: held.payloads.len(), finished: held.finished, panicked: held.panicked };
        held.finished = 0;
        held.panicked = 0;
        counts
    }
}

/// Whether a worker takes payloads one by one or in batches: in batches as long as those of its latest visit were short.
#[derive(Debug)]
pub(crate) struct BatchPacer {
    may_batch: bool,
    /// When the worker last came for payloads; `None` unless there was a backlog then. Without one it reads no clock.
    since: Option<Instant>,
    /// How many it has run since.
    ran: u32,
}

impl BatchPacer {
    pub(crate) fn new(may_batch: bool) -> Self {
        BatchPacer { may_batch, since: None, ran: 0 }
    }

    /// Another payload was run.
    #[inline]
    pub(crate) fn ran_one(&mut self) {
        self.ran = self.ran.saturating_add(1);
    }

    /// True when it may take a batch at the visit that comes now.
    pub(crate) fn before_check_in(&mut self) -> bool {
        let Some(since) = self.since else { return false };
        let now = Instant::now();
        self.since = Some(now);
        now.saturating_duration_since(since) <= SHORT * mem::take(&mut self.ran)
    }

    /// The visit is over; `backlog` says whether there was a payload for this worker.
    pub(crate) fn after_check_in(&mut self, backlog: bool) {
        if !backlog {
            self.since = None;
        } else if self.since.is_none() && self.may_batch {
            self.since = Some(Instant::now());
            self.ran = 0;
        }
    }
}
