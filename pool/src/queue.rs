//! The queue: accepted payloads that no worker has taken, the most urgent and then the oldest first.
//!
//! Three lanes, one per [`Priority`]. As long as only one level is used it is a plain queue. When several are, every
//! so-manyth take serves the least urgent lane instead, so that nothing waits for ever behind a stream of urgent
//! payloads.

use std::collections::VecDeque;

use crate::sync::Instant;

/// One take in this many goes to the least urgent payload there is.
const PATIENCE_OF_THE_LEAST: u32 = 16;

/// How urgent a queued payload is; see [`Submission::priority`](crate::Submission::priority).
///
/// A queued payload starts before every queued one of a lower level; among equals the oldest starts first. One start in
/// 16 goes to the oldest payload of the lowest level that is queued, so the lowest is slowed down but never stopped.
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

#[derive(Debug)]
pub(crate) struct Queue<T> {
    lanes: [VecDeque<Item<T>>; 3],
    len: usize,
    takes_until_least: u32,
}

impl<T> Queue<T> {
    pub(crate) fn with_room(payloads: usize) -> Self {
        Queue {
            lanes: [VecDeque::new(), VecDeque::with_capacity(payloads), VecDeque::new()],
            len: 0,
            takes_until_least: PATIENCE_OF_THE_LEAST,
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
        self.lanes[NORMAL].len() == self.len
    }

    pub(crate) fn push(&mut self, item: Item<T>, priority: Priority) {
        self.lanes[priority as usize].push_back(item);
        self.len += 1;
    }

    /// Puts payloads that were taken back in front, in their order.
    pub(crate) fn put_back(&mut self, items: impl DoubleEndedIterator<Item = Item<T>>) {
        for item in items.rev() {
            self.lanes[NORMAL].push_front(item);
            self.len += 1;
        }
    }

    /// Takes the payload whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Item<T>> {
        let lane = if self.is_plain() { NORMAL } else { self.lane_in_turn()? };
        let item = self.lanes[lane].pop_front()?;
        self.len -= 1;
        Some(item)
    }

    fn lane_in_turn(&mut self) -> Option<usize> {
        let filled = |lane: &usize| !self.lanes[*lane].is_empty();
        self.takes_until_least -= 1;
        if self.takes_until_least == 0 {
            self.takes_until_least = PATIENCE_OF_THE_LEAST;
            return (0..self.lanes.len()).find(filled);
        }
        (0..self.lanes.len()).rev().find(filled)
    }

    /// Takes the oldest payload of the lowest level there is, to make room.
    pub(crate) fn displace(&mut self) -> Option<Item<T>> {
        let item = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
        self.len -= 1;
        Some(item)
    }

    /// Moves the next `count` payloads of a [plain](Self::is_plain) queue to `hand`.
    pub(crate) fn move_to(&mut self, hand: &mut VecDeque<Item<T>>, count: usize) {
        let lane = &mut self.lanes[NORMAL];
        let count = count.min(lane.len());
        hand.extend(lane.drain(..count));
        self.len -= count;
    }

    /// Takes everything, the most urgent and then the oldest first.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Item<T>> {
        self.len = 0;
        self.lanes.iter_mut().rev().flat_map(|lane| lane.drain(..))
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
        let mut queue = Queue::with_room(4);
        (0..5).for_each(|n| queue.push(item(n), Priority::Normal));
        assert!(queue.is_plain());
        let first = queue.pop().unwrap();
        assert_eq!(first.payload, 0);
        queue.put_back([first].into_iter());
        assert_eq!((queue.len(), drain(&mut queue)), (5, vec![0, 1, 2, 3, 4]));
        assert!(queue.is_empty());
    }

    #[test]
    fn levels_go_before_age_and_the_lowest_is_not_starved() {
        let mut queue = Queue::with_room(0);
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
    fn displacing_takes_the_oldest_of_the_lowest_level() {
        let mut queue = Queue::with_room(0);
        queue.push(item(1), Priority::High);
        queue.push(item(2), Priority::Normal);
        queue.push(item(3), Priority::Normal);
        let displaced: Vec<_> = std::iter::from_fn(|| queue.displace()).map(|item| item.payload).collect();
        assert_eq!(displaced, [2, 3, 1]);
    }

    #[test]
    fn taking_all_follows_the_levels() {
        let mut queue = Queue::with_room(0);
        queue.push(item(1), Priority::Low);
        queue.push(item(2), Priority::Normal);
        queue.push(item(3), Priority::High);
        let all: Vec<_> = queue.take_all().map(|item| item.payload).collect();
        assert_eq!((all, queue.len()), (vec![3, 2, 1], 0));
    }
}
