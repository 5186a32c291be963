//! A worker's batch: short payloads that it took from the queue together.
//!
//! Taking one payload per check-in makes all workers and submitters meet at the core's lock once per payload. A worker
//! that has just seen that payloads are short takes some more along, and checks in once for all of them. The price
//! would be that a payload waits behind a slow one in the same batch, so a batch is not its worker's own: a worker that
//! has nothing else to do takes half of what another one holds, and what must not wait for a whole batch (see
//! [`recall`](super::backlog::Backlog::recall)) takes everything back. Batches are filled and looked through under the
//! core's lock only (first the core's lock, then the batch's), while the worker itself takes from its batch without the
//! core's lock.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::queue::Queue;
use crate::sync::{Instant, Mutex};

/// Payloads that take no longer than this are short.
const SHORT: Duration = Duration::from_micros(2);

#[derive(Debug)]
pub(super) struct Batch<T> {
    held: Mutex<BatchState<T>>,
}

#[derive(Debug)]
struct BatchState<T> {
    payloads: VecDeque<T>,
    /// Payloads from here whose run ended, not reported to the core yet.
    finished: u64,
    panicked: u64,
}

impl<T> BatchState<T> {
    fn counts(&self) -> BatchCounts {
        BatchCounts { queued: self.payloads.len(), finished: self.finished, panicked: self.panicked }
    }
}

/// What a batch adds to the pool's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BatchCounts {
    pub(super) queued: usize,
    pub(super) finished: u64,
    pub(super) panicked: u64,
}

impl<T> Batch<T> {
    pub(super) fn new() -> Self {
        Batch { held: Mutex::new(BatchState { payloads: VecDeque::new(), finished: 0, panicked: 0 }) }
    }

    /// Takes a batch from the queue; returns how many it has.
    pub(super) fn fill(&self, queue: &mut Queue<T>) -> usize {
        let mut held = self.held.lock();
        queue.take_batch(&mut held.payloads);
        held.payloads.len()
    }

    /// The worker's next payload, which also says that the one before has ended. `None`, and nothing noted, when the
    /// batch is empty.
    #[inline(always)]
    pub(super) fn next(&self, panicked: bool) -> Option<T> {
        let mut held = self.held.lock();
        let payload = held.payloads.pop_front()?;
        held.finished += 1;
        held.panicked += u64::from(panicked);
        Some(payload)
    }

    /// The first payload of a batch that was just filled; nothing is noted.
    pub(super) fn first(&self) -> Option<T> {
        self.held.lock().payloads.pop_front()
    }

    /// Moves the older half of `other`, at least one payload, to this empty batch; returns how many: none when the
    /// other one is empty too.
    pub(super) fn take_half_of(&self, other: &Batch<T>) -> usize {
        // Never two batches' locks at once: no order between them is needed then.
        let mut payloads = mem::take(&mut self.held.lock().payloads);
        let mut theirs = other.held.lock();
        let count = theirs.payloads.len().div_ceil(2);
        payloads.extend(theirs.payloads.drain(..count));
        drop(theirs);
        self.held.lock().payloads = payloads;
        count
    }

    /// Puts everything back into the queue, in front.
    pub(super) fn put_back(&self, queue: &mut Queue<T>) {
        queue.put_back(&mut self.held.lock().payloads);
    }

    pub(super) fn len(&self) -> usize {
        self.held.lock().payloads.len()
    }

    pub(super) fn counts(&self) -> BatchCounts {
        self.held.lock().counts()
    }

    /// The counts, which are then the core's to keep.
    pub(super) fn report(&self) -> BatchCounts {
        let mut held = self.held.lock();
        let counts = held.counts();
        (held.finished, held.panicked) = (0, 0);
        counts
    }
}

/// Whether a worker takes payloads one by one or in batches: in batches as long as those since its latest check-in
/// were short.
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

    /// True when it may take a batch at the check-in that comes now.
    pub(crate) fn before_check_in(&mut self) -> bool {
        let Some(since) = self.since else { return false };
        let now = Instant::now();
        self.since = Some(now);
        now.saturating_duration_since(since) <= SHORT * mem::take(&mut self.ran)
    }

    /// The check-in is over; `backlog` says whether there was a payload for this worker.
    pub(crate) fn after_check_in(&mut self, backlog: bool) {
        if !backlog {
            self.since = None;
        } else if self.since.is_none() && self.may_batch {
            self.since = Some(Instant::now());
            self.ran = 0;
        }
    }
}
