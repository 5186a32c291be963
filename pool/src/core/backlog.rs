//! The backlog: what was accepted and waits for a worker, and what waits in the background.
//!
//! Accepted payloads lie in the queue, or in the batches that workers took from it. Background work is accepted only when
//! it is taken.

use std::collections::VecDeque;

use super::batch::{Batch, BatchCounts};
use super::queue::{Item, Priority, Queue};
use super::roster::WorkerRecord;
use crate::sync::Arc;

/// Background work goes before everything else after so many check-ins that passed it over.
const MOST_PASSED_OVER: u32 = 64;

pub(super) struct Backlog<T> {
    queue: Queue<T>,
    /// Payloads taken from the queue so far.
    taken: u64,
    /// Batches that were filled and may still hold something, or have something to report.
    batches: Vec<Arc<Batch<T>>>,
    /// What a worker takes only when it would go idle otherwise; the oldest first.
    background: VecDeque<Item<T>>,
    /// Check-ins since background work was last taken, while there was some.
    passed_over: u32,
}

impl<T> Backlog<T> {
    /// A backlog from which workers take up to `batch_size` payloads at a time.
    pub(super) fn new(batch_size: usize) -> Self {
        Backlog {
            queue: Queue::new(batch_size),
            taken: 0,
            batches: Vec::new(),
            background: VecDeque::new(),
            passed_over: 0,
        }
    }

    /// Payloads in the queue, without those in batches.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Payloads in batches.
    pub(super) fn held(&self) -> usize {
        self.batch_counts().map(|counts| counts.queued).sum()
    }

    /// What each batch holds and has to report.
    pub(super) fn batch_counts(&self) -> impl Iterator<Item = BatchCounts> {
        self.batches.iter().map(|batch| batch.counts())
    }

    /// Pieces of background work.
    pub(super) fn background(&self) -> usize {
        self.background.len()
    }

    /// Puts a payload into the queue. What lies in batches was taken before this one came, and must not run before it if
    /// it is more urgent: so it goes back into the queue first.
    #[inline]
    pub(super) fn push(&mut self, item: Item<T>, priority: Priority) {
        if priority > Priority::Normal {
            self.recall();
        }
        self.queue.push(item, priority);
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
    /// start at once, and no priority among them.
    pub(super) fn is_worth_a_batch(&self, workers: usize) -> bool {
        self.queue.len() > workers && self.queue.is_plain()
    }

    /// Takes a batch for a worker.
    pub(super) fn take_batch(&mut self, record: &mut WorkerRecord<T>) -> Option<Item<T>> {
        self.taken += record.batch.fill(&mut self.queue, self.taken) as u64;
        self.now_holds(record);
        record.batch.first().map(Item::unstamped)
    }

    /// Takes half of another worker's batch for a worker that would go idle otherwise.
    pub(super) fn take_from_other_batch(&mut self, record: &mut WorkerRecord<T>) -> Option<Item<T>> {
        if !self.batches.iter().any(|other| record.batch.take_half_of(other)) {
            return None;
        }
        self.now_holds(record);
        record.batch.first().map(Item::unstamped)
    }

    fn now_holds(&mut self, record: &mut WorkerRecord<T>) {
        record.holding = true;
        self.batches.push(record.batch.clone());
    }

    /// A worker has come whose batch is empty; returns what there is to report of it.
    pub(super) fn settle_batch(&mut self, record: &mut WorkerRecord<T>) -> BatchCounts {
        record.holding = false;
        let counts = record.batch.report();
        debug_assert!(counts.queued == 0, "a worker checks in when its batch is empty");
        if let Some(place) = self.batches.iter().position(|batch| Arc::ptr_eq(batch, &record.batch)) {
            self.batches.swap_remove(place);
        }
        counts
    }

    /// Puts what lies in batches back into the queue, in its old order.
    pub(super) fn recall(&mut self) {
        let mut held: Vec<_> = self.batches.iter().map(|batch| batch.take_all()).collect();
        held.sort_by_key(|(first, _)| *first);
        self.queue.put_back(held.into_iter().flat_map(|(_, payloads)| payloads));
    }

    /// Takes everything that is queued, the most urgent and then the oldest first.
    pub(super) fn take_queue(&mut self) -> Vec<T> {
        self.queue.take_all().collect()
    }

    /// Keeps a piece of background work.
    pub(super) fn keep_in_background(&mut self, item: Item<T>) {
        self.background.push_back(item);
    }

    pub(super) fn take_background(&mut self) -> Option<Item<T>> {
        let item = self.background.pop_front()?;
        self.passed_over = 0;
        Some(item)
    }

    /// A worker checks in; true when background work has been passed over often enough and goes first.
    pub(super) fn is_background_overdue(&mut self) -> bool {
        if self.background.is_empty() {
            return false;
        }
        self.passed_over += 1;
        self.passed_over >= MOST_PASSED_OVER
    }
}
