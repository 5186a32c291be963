//! A worker's hand: short payloads that it took from the queue several at a time.
//!
//! Taking one payload per visit to the pool's lock makes all workers and submitters meet there once per payload. A
//! worker that has just seen that payloads are short takes some more along and visits the lock once for all of them.
//! The price would be that a payload waits behind a slow one in the same hand, so a hand is not its worker's own:
//! whoever has nothing else to do takes half of what another holds, and `stop_now` and a lowered cap take everything
//! back. Hands are filled and looked through under the pool's lock only (pool's lock before hand's lock), while the
//! worker itself takes from its hand without the pool's lock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::queue::{Item, Queue};
use crate::sync::{Instant, Mutex};

/// The most payloads that a worker takes at a time.
const LARGEST: usize = 32;
/// A batch that took longer than this was no batch of short payloads.
const SHORT: Duration = Duration::from_micros(20);

/// How many payloads a worker may take at a time where the queue has room for `queue_capacity`: short queues are worth
/// more for their order than for their speed.
pub(crate) fn batch_for(queue_capacity: usize) -> usize {
    (queue_capacity / 32).clamp(1, LARGEST)
}

#[derive(Debug)]
pub(crate) struct Hand<T> {
    held: Mutex<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    items: VecDeque<Item<T>>,
    /// The front's place among all payloads ever taken from the queue; tells which of two hands is older.
    first: u64,
    /// Payloads from here whose run ended, not reported to the pool yet.
    finished: u64,
    panicked: u64,
}

/// What a hand adds to the pool's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HandCounts {
    pub(crate) queued: usize,
    pub(crate) finished: u64,
    pub(crate) panicked: u64,
}

impl<T> Hand<T> {
    pub(crate) fn new() -> Self {
        Hand { held: Mutex::new(Held { items: VecDeque::new(), first: 0, finished: 0, panicked: 0 }) }
    }

    /// Takes `count` payloads from the queue, the first of which is the `first`th ever taken.
    pub(crate) fn fill(&self, queue: &mut Queue<T>, count: usize, first: u64) {
        let mut held = self.held.lock();
        held.first = first;
        queue.move_to(&mut held.items, count);
    }

    /// The worker's next payload, which also says that the one before has ended. `None`, and nothing noted, when the
    /// hand is empty.
    pub(crate) fn next(&self, panicked: bool) -> Option<Item<T>> {
        let mut held = self.held.lock();
        let item = held.items.pop_front()?;
        held.first += 1;
        held.finished += 1;
        held.panicked += u64::from(panicked);
        Some(item)
    }

    /// Moves the older half of `other`, at least one, to this hand; false when the other one is empty.
    pub(crate) fn take_half_of(&self, other: &Hand<T>) -> bool {
        let mut theirs = other.held.lock();
        let count = theirs.items.len().div_ceil(2);
        let items: VecDeque<Item<T>> = theirs.items.drain(..count).collect();
        let first = theirs.first;
        theirs.first += count as u64;
        // Never two hands at once: no order between them is needed then.
        drop(theirs);
        if items.is_empty() {
            return false;
        }
        let mut held = self.held.lock();
        held.first = first;
        held.items.extend(items);
        true
    }

    /// The front one, for a hand just filled; nothing is noted.
    pub(crate) fn first(&self) -> Option<Item<T>> {
        let mut held = self.held.lock();
        held.first += 1;
        held.items.pop_front()
    }

    /// Takes everything, with the place of the front.
    pub(crate) fn take_all(&self) -> (u64, VecDeque<Item<T>>) {
        let mut held = self.held.lock();
        (held.first, std::mem::take(&mut held.items))
    }

    pub(crate) fn counts(&self) -> HandCounts {
        let held = self.held.lock();
        HandCounts { queued: held.items.len(), finished: held.finished, panicked: held.panicked }
    }

    /// The counts, which are then the pool's to keep.
    pub(crate) fn report(&self) -> HandCounts {
        let mut held = self.held.lock();
        let counts =
            HandCounts { queued: held.items.len(), finished: held.finished, panicked: held.panicked };
        held.finished = 0;
        held.panicked = 0;
        counts
    }
}

/// How many payloads a worker takes at a time: one, and twice as many after each batch that was short.
#[derive(Debug)]
pub(crate) struct Appetite {
    most: usize,
    now: usize,
    /// When the worker last came for payloads; `None` unless there was a backlog then. Without one it reads no clock.
    since: Option<Instant>,
}

impl Appetite {
    pub(crate) fn new(most: usize) -> Self {
        Appetite { most, now: 1, since: None }
    }

    /// How many payloads to take at the visit that comes now.
    pub(crate) fn before_visit(&mut self) -> usize {
        if let Some(since) = self.since {
            let now = Instant::now();
            let was_short = now.saturating_duration_since(since) < SHORT;
            self.now = if was_short { (self.now * 2).min(self.most) } else { 1 };
            self.since = Some(now);
        }
        self.now
    }

    /// The visit is over; `backlog` says whether there was a payload for this worker.
    pub(crate) fn after_visit(&mut self, backlog: bool) {
        if !backlog {
            self.now = 1;
            self.since = None;
        } else if self.since.is_none() && self.most > 1 {
            self.since = Some(Instant::now());
        }
    }
}
