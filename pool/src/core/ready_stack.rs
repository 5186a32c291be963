//! The ready stack: idle workers, the most recently used on top.
//!
//! Workers are pushed with the moment they became idle. Because the moment is read under the pool's lock, the stack is
//! ordered by time, oldest at the bottom; so the ones idle for too long are always a prefix, and a binary search finds
//! where it ends. Taking from the top keeps the rest cold, which is what lets a pool shrink after a burst.

use crate::sync::Instant;

/// A stack of idle workers `W`, ordered by the moment each became idle.
#[derive(Debug)]
pub(crate) struct ReadyStack<W> {
    idle: Vec<(Instant, W)>,
}

impl<W> ReadyStack<W> {
    pub(crate) fn new() -> Self {
        ReadyStack { idle: Vec::new() }
    }

    /// Puts a worker that became idle at `now` on top. `now` must not be before the moment of the one below.
    pub(crate) fn push(&mut self, now: Instant, worker: W) {
        debug_assert!(self.idle.last().is_none_or(|(below, _)| *below <= now), "the ready stack is ordered");
        self.idle.push((now, worker));
    }

    /// Takes the most recently used worker.
    pub(crate) fn pop(&mut self) -> Option<W> {
        self.idle.pop().map(|(_, worker)| worker)
    }

    /// Moves every worker idle since `cutoff` or longer to `expired`, oldest first and no more than `most`; returns how
    /// many.
    pub(crate) fn take_idle_since(&mut self, cutoff: Instant, most: usize, expired: &mut Vec<W>) -> usize {
        let count = self.idle.partition_point(|(since, _)| *since <= cutoff);
        self.take_oldest(count.min(most), expired)
    }

    /// Moves the `count` least recently used workers, or all there are, to `taken`; returns how many.
    pub(crate) fn take_oldest(&mut self, count: usize, taken: &mut Vec<W>) -> usize {
        let count = count.min(self.idle.len());
        taken.extend(self.idle.drain(..count).map(|(_, worker)| worker));
        count
    }

    /// Takes all, oldest first.
    pub(crate) fn take_all(&mut self) -> Vec<W> {
        self.idle.drain(..).map(|(_, worker)| worker).collect()
    }

    /// Since when the least recently used worker is idle.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.idle.first().map(|(since, _)| *since)
    }

    pub(crate) fn len(&self) -> usize {
        self.idle.len()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn moments() -> impl Fn(u64) -> Instant {
        let origin = Instant::now();
        move |ms| origin + Duration::from_millis(ms)
    }

    #[test]
    fn takes_the_most_recently_used_first() {
        let at = moments();
        let mut ready = ReadyStack::new();
        for worker in 0..4 {
            ready.push(at(worker), worker);
        }
        assert_eq!(ready.pop(), Some(3));
        assert_eq!(ready.pop(), Some(2));
        ready.push(at(9), 2);
        assert_eq!(ready.pop(), Some(2));
        assert_eq!(ready.len(), 2);
        assert_eq!(ready.oldest(), Some(at(0)));
    }

    proptest! {
        /// The binary search agrees with looking at every entry, and what stays is still ordered.
        #[test]
        fn expiry_takes_exactly_the_old_prefix(
            mut idle in proptest::collection::vec(0u64..50, 0..40),
            cutoff in 0u64..60,
            most in 0usize..50,
        ) {
            idle.sort_unstable();
            let at = moments();
            let mut ready = ReadyStack::new();
            for (worker, ms) in idle.iter().enumerate() {
                ready.push(at(*ms), worker);
            }
            let mut expired = Vec::new();
            let count = ready.take_idle_since(at(cutoff), most, &mut expired);
            let old = (0..idle.len()).filter(|&worker| idle[worker] <= cutoff);
            let naive: Vec<usize> = old.take(most).collect();
            prop_assert_eq!(count, naive.len());
            prop_assert_eq!(expired, naive);
            let rest = ready.take_all();
            prop_assert_eq!(rest, (count..idle.len()).collect::<Vec<_>>());
        }
    }
}
