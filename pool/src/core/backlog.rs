//! The backlog: what was accepted and waits for a worker, and what waits in the background.
//!
//! Accepted payloads lie in the queue, or in the batches that workers took from it; the bound is on both together.
//! Background work is accepted only when it is taken.
//!
//! Workers take from their batches without the core, so it knows only how much a batch held when it was last looked at:
//! as much as now, or more. Against the bound that counts in full, so it is never exceeded; and before somebody is told
//! that there is no room, all batches are looked at ([`recount`](Backlog::recount)), so nobody is told so wrongly.

use super::background::Background;
use super::batch::{Batch, BatchCounts};
use super::queue::{Item, Priority, Queue};
use super::roster::WorkerRecord;
use crate::sync::Arc;

pub(super) struct Backlog<T> {
    queue: Queue<T>,
    /// Payloads taken from the queue so far.
    taken: u64,
    /// Batches that were filled and may still hold something, or have something to report.
    batches: Vec<Filled<T>>,
    /// The sum of their `at_most`.
    held_at_most: usize,
    background: Background<T>,
}

/// A batch that was filled.
struct Filled<T> {
    batch: Arc<Batch<T>>,
    /// Where its payloads lie among all that were ever taken from the queue: batches have them from here on in this
    /// order.
    order: u64,
    /// How much it held when it was last looked at.
    at_most: usize,
}

impl<T> Backlog<T> {
    /// A backlog from which workers take up to `batch_size` payloads at a time.
    pub(super) fn new(batch_size: usize) -> Self {
        Backlog {
            queue: Queue::new(batch_size),
            taken: 0,
            batches: Vec::new(),
            held_at_most: 0,
            background: Background::new(),
        }
    }

    /// Payloads in the queue, without those in batches.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Payloads in the queue and in batches, as they count against the bound: as many as there are, or more.
    #[inline]
    pub(super) fn queued_at_most(&self) -> usize {
        self.queue.len() + self.held_at_most
    }

    /// Looks at all batches; `queued_at_most` is exact then.
    pub(super) fn recount(&mut self) {
        self.held_at_most = 0;
        for filled in &mut self.batches {
            filled.at_most = filled.batch.len();
            self.held_at_most += filled.at_most;
        }
    }

    /// Payloads in batches.
    pub(super) fn held(&self) -> usize {
        self.batch_counts().map(|counts| counts.queued).sum()
    }

    /// What each batch holds and has to report.
    pub(super) fn batch_counts(&self) -> impl Iterator<Item = BatchCounts> {
        self.batches.iter().map(|filled| filled.batch.counts())
    }

    /// Pieces of background work.
    pub(super) fn background(&self) -> usize {
        self.background.len()
    }

    /// Puts a payload into the queue. What lies in batches was taken before this one came, and must not run before it
    /// if it is more urgent: so it goes back into the queue first.
    #[inline]
    pub(super) fn push(&mut self, item: Item<T>, priority: Priority) {
        if priority > Priority::Normal {
            self.recall();
        }
        self.queue.push(item, priority);
    }

    /// Puts a payload into the queue that has neither a priority nor a moment.
    #[inline]
    pub(super) fn push_plain(&mut self, payload: T) {
        self.queue.push_plain(payload);
    }

    /// Exchanges a payload for the one whose turn it is: itself, if the queue is empty.
    pub(super) fn exchange(&mut self, item: Item<T>, priority: Priority) -> Item<T> {
        if self.queue.is_empty() {
            return item;
        }
        self.push(item, priority);
        self.taken += 1;
        self.queue.pop().expect("one was just pushed")
    }

    /// Takes the payload whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Item<T>> {
        let item = self.queue.pop()?;
        self.taken += 1;
        Some(item)
    }

    /// Takes the oldest of the least urgent payloads, to make room for one of this priority; none that is more urgent.
    pub(super) fn displace(&mut self, newcomer: Priority) -> Option<Item<T>> {
        self.queue.displace(newcomer)
    }

    /// True when several payloads may be taken at a time beside `workers` workers: there must be more than these could
    /// start at once, no priority among them, and no background work, which waits for check-ins.
    pub(super) fn is_worth_a_batch(&self, workers: usize) -> bool {
        self.queue.len() > workers && self.queue.is_plain() && self.background.is_empty()
    }

    /// Takes a batch for a worker.
    pub(super) fn take_batch(&mut self, record: &mut WorkerRecord<T>) -> Option<Item<T>> {
        let count = record.batch.fill(&mut self.queue);
        let order = self.taken;
        self.taken += count as u64;
        self.begin_batch(record, order, count)
    }

    /// Takes half of another worker's batch for a worker that would go idle otherwise.
    pub(super) fn take_from_other_batch(&mut self, record: &mut WorkerRecord<T>) -> Option<Item<T>> {
        let (order, count) = self.batches.iter_mut().find_map(|other| {
            let count = record.batch.take_half_of(&other.batch);
            let order = other.order;
            other.order += count as u64;
            other.at_most -= count;
            (count > 0).then_some((order, count))
        })?;
        self.held_at_most -= count;
        self.begin_batch(record, order, count)
    }

    /// A worker's batch was filled with so many payloads, of which it takes the first.
    fn begin_batch(&mut self, record: &mut WorkerRecord<T>, order: u64, count: usize) -> Option<Item<T>> {
        let first = record.batch.first().map(Item::unstamped)?;
        record.holding = true;
        self.batches.push(Filled { batch: record.batch.clone(), order, at_most: count - 1 });
        self.held_at_most += count - 1;
        Some(first)
    }

    /// A worker has come whose batch is empty; returns what there is to report of it.
    pub(super) fn settle_batch(&mut self, record: &mut WorkerRecord<T>) -> BatchCounts {
        record.holding = false;
        let counts = record.batch.report();
        debug_assert!(counts.queued == 0, "a worker checks in when its batch is empty");
        let own = |filled: &Filled<T>| Arc::ptr_eq(&filled.batch, &record.batch);
        if let Some(place) = self.batches.iter().position(own) {
            self.held_at_most -= self.batches.swap_remove(place).at_most;
        }
        counts
    }

    /// Puts what lies in batches back into the queue, in its old order: so each worker that had one checks in after the
    /// payload that it runs. To be called wherever something comes that must not wait for a whole batch.
    pub(super) fn recall(&mut self) {
        self.batches.sort_unstable_by_key(|filled| filled.order);
        for filled in self.batches.iter_mut().rev() {
            filled.batch.put_back(&mut self.queue);
            filled.at_most = 0;
        }
        self.held_at_most = 0;
    }

    /// Takes everything that is queued, the most urgent and then the oldest first.
    pub(super) fn take_queue(&mut self) -> Vec<T> {
        self.queue.take_all().collect()
    }

    /// Keeps a piece of background work, and has workers check in after each payload until it is taken.
    pub(super) fn keep_in_background(&mut self, item: Item<T>, priority: Priority) {
        self.recall();
        self.background.push(item, priority);
    }

    /// Takes the oldest of the most urgent background work.
    pub(super) fn take_background(&mut self) -> Option<(Item<T>, Priority)> {
        self.background.pop()
    }

    /// A worker checks in: takes the background work that goes first, if there is any.
    pub(super) fn take_overdue_background(&mut self) -> Option<Item<T>> {
        self.background.pop_overdue()
    }
}
