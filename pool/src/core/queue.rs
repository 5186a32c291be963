//! The queue: accepted payloads that no worker has taken, the most urgent and then the oldest first.
//!
//! Three levels, one per [`Priority`]. As long as only one is used it is a plain queue. When several are, every
//! so-manyth take serves one of the others instead, in turn, so that nothing waits for ever behind a stream of more
//! urgent payloads.

use std::collections::VecDeque;

use super::chunks::Chunks;
use crate::sync::Instant;

/// One take in this many goes to a level below the most urgent one.
const TAKES_PER_PATIENT_ONE: u32 = 16;

/// How urgent a queued payload is; see [`Submission::priority`](crate::Submission::priority).
///
/// A queued payload starts before every queued one of a lower level; among equals the oldest starts first. One start in
/// 16 goes to the levels below the most urgent one that is queued, in turn, so these are slowed down but never stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// What every submission has that says nothing else.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

const NORMAL: usize = Priority::Normal as usize;

/// A payload on its way to a worker.
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) payload: T,
    /// When it was submitted, if anybody wants to know.
    pub(crate) since: Option<Instant>,
}

impl<T> Item<T> {
    pub(crate) fn unstamped(payload: T) -> Self {
        Item { payload, since: None }
    }
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    levels: [Level<T>; 3],
    len: usize,
    takes_until_patient: u32,
    patient_turn: usize,
}

/// The payloads of one priority, and beside them their moments: most pools have none, and those that do give one to
/// each payload.
#[derive(Debug)]
struct Level<T> {
    payloads: Chunks<T>,
    moments: VecDeque<Instant>,
}

impl<T> Level<T> {
    fn push_back(&mut self, item: Item<T>) {
        self.moments.extend(item.since);
        self.payloads.push_back(item.payload);
    }

    fn pop_front(&mut self) -> Option<Item<T>> {
        let payload = self.payloads.pop_front()?;
        Some(Item { payload, since: self.moments.pop_front() })
    }
}

impl<T> Queue<T> {
    /// A queue from which up to `batch` payloads are taken at a time; with more than 1 payloads must have no moments.
    pub(crate) fn new(batch: usize) -> Self {
        let level = |batch| Level { payloads: Chunks::new(batch), moments: VecDeque::new() };
        Queue {
            levels: [level(1), level(batch), level(1)],
            len: 0,
            takes_until_patient: TAKES_PER_PATIENT_ONE,
            patient_turn: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True when nobody's turn depends on a priority.
    pub(crate) fn is_plain(&self) -> bool {
        self.levels[NORMAL].payloads.len() == self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item<T>, priority: Priority) {
        self.levels[priority as usize].push_back(item);
        self.len += 1;
    }

    /// A payload that has neither a priority nor a moment.
    #[inline]
    pub(crate) fn push_plain(&mut self, payload: T) {
        self.levels[NORMAL].payloads.push_back(payload);
        self.len += 1;
    }

    /// Puts what is left of a batch back in front; leaves it empty.
    pub(crate) fn put_back(&mut self, batch: &mut VecDeque<T>) {
        self.len += batch.len();
        self.levels[NORMAL].payloads.put_back(batch);
    }

    /// Takes the payload whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Item<T>> {
        let level = if self.is_plain() { NORMAL } else { self.level_in_turn()? };
        let item = self.levels[level].pop_front()?;
        self.len -= 1;
        Some(item)
    }

    fn level_in_turn(&mut self) -> Option<usize> {
        let levels = &self.levels;
        let filled = |level: &usize| levels[*level].payloads.len() > 0;
        let most_urgent = (0..levels.len()).rev().find(filled)?;
        self.takes_until_patient -= 1;
        if self.takes_until_patient > 0 {
            return Some(most_urgent);
        }
        self.takes_until_patient = TAKES_PER_PATIENT_ONE;
        // The levels below take turns, so that none of them waits for ever behind the others either.
        let below = (0..most_urgent).filter(filled);
        let turn = self.patient_turn % below.clone().count().max(1);
        self.patient_turn = self.patient_turn.wrapping_add(1);
        below.clone().nth(turn).or(Some(most_urgent))
    }

    /// Takes the oldest payload of the lowest level there is, to make room for one of `newcomer`'s level; none that is
    /// more urgent than that.
    pub(crate) fn displace(&mut self, newcomer: Priority) -> Option<Item<T>> {
        let item = self.levels[..=newcomer as usize].iter_mut().find_map(Level::pop_front)?;
        self.len -= 1;
        Some(item)
    }

    /// Exchanges `empty` for the next payloads of a [plain](Self::is_plain) queue.
    pub(crate) fn take_batch(&mut self, empty: &mut VecDeque<T>) {
        self.levels[NORMAL].payloads.take_chunk(empty);
        self.len -= empty.len();
    }

    /// Takes everything, the most urgent and then the oldest first.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        self.len = 0;
        self.levels.iter_mut().rev().flat_map(|level| {
            level.moments.clear();
            level.payloads.take_all()
        })
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    fn item(payload: u32) -> Item<u32> {
        Item { payload, since: None }
    }

    fn drain(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).map(|item| item.payload).collect()
    }

    #[test]
    fn one_level_is_first_in_first_out() {
        let mut queue = Queue::new(1);
        (0..5).for_each(|n| queue.push(item(n), Priority::Normal));
        assert!(queue.is_plain());
        let first = queue.pop().unwrap();
        assert_eq!(first.payload, 0);
        queue.put_back(&mut [first.payload].into());
        assert_eq!((queue.len(), drain(&mut queue)), (5, vec![0, 1, 2, 3, 4]));
        assert!(queue.is_empty());
    }

    #[test]
    fn levels_go_before_age_and_the_lowest_is_not_starved() {
        let mut queue = Queue::new(1);
        queue.push(item(1_000), Priority::Low);
        queue.push(item(500), Priority::Normal);
        (0..100).for_each(|n| queue.push(item(n), Priority::High));
        let order = drain(&mut queue);
        assert_eq!(order.len(), 102);
        let place = |payload| order.iter().position(|other| *other == payload).unwrap();
        assert_eq!(place(0), 0);
        assert_eq!(place(1_000), 15, "one take in sixteen is for the least urgent");
        assert_eq!(place(500), 31);
        assert!(order.iter().filter(|payload| **payload < 500).is_sorted());
    }

    #[test]
    fn the_level_in_the_middle_is_not_starved_either() {
        let mut queue = Queue::new(1);
        queue.push(item(0), Priority::Normal);
        (1..200).for_each(|n| queue.push(item(n), Priority::Low));
        (200..400).for_each(|n| queue.push(item(n), Priority::High));
        let order = drain(&mut queue);
        let place = order.iter().position(|payload| *payload == 0).unwrap();
        assert!(place < 40, "it started {place} others later");
    }

    #[test]
    fn displacing_takes_the_oldest_of_the_lowest_level() {
        let mut queue = Queue::new(1);
        queue.push(item(1), Priority::High);
        queue.push(item(2), Priority::Normal);
        queue.push(item(3), Priority::Normal);
        let mut displaced = |newcomer| queue.displace(newcomer).map(|item| item.payload);
        assert_eq!(displaced(Priority::Low), None, "nothing is less urgent");
        assert_eq!(displaced(Priority::High), Some(2));
        assert_eq!(displaced(Priority::Normal), Some(3));
        assert_eq!(displaced(Priority::Normal), None);
        assert_eq!(displaced(Priority::High), Some(1));
    }

    #[test]
    fn taking_all_follows_the_levels() {
        let mut queue = Queue::new(1);
        queue.push(item(1), Priority::Low);
        queue.push(item(2), Priority::Normal);
        queue.push(item(3), Priority::High);
        let all: Vec<_> = queue.take_all().collect();
        assert_eq!((all, queue.len()), (vec![3, 2, 1], 0));
    }
}
