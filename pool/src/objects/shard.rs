//! One shard: two generations of idle objects, and what happened to them. Plain data; the pool puts the lock around it.
//!
//! The rule kept: every object that comes in goes out exactly once, by `take`, as surplus of `put`, or by `age`; and
//! nothing is dropped in here, because here a lock is held.

use std::mem;

use super::stats::ObjectPoolStats;

/// How many returns go by between two looks at the clock: a look costs several times what a return does.
const RETURNS_PER_LOOK: u32 = 32;

#[derive(Debug)]
pub(super) struct Shard<T> {
    /// Returned since the last tick; the most recent on top.
    current: Vec<T>,
    /// Returned before the last tick and not used since; dropped at the next.
    victim: Vec<T>,
    pub(super) counts: ObjectPoolStats,
    returns_until_look: u32,
}

impl<T> Shard<T> {
    pub(super) fn new() -> Self {
        Shard {
            current: Vec::new(),
            victim: Vec::new(),
            counts: ObjectPoolStats::default(),
            returns_until_look: RETURNS_PER_LOOK,
        }
    }

    /// The warmest idle object, which counts as a hit.
    #[inline]
    pub(super) fn take(&mut self) -> Option<T> {
        let object = self.current.pop().or_else(|| self.victim.pop())?;
        self.counts.hits += 1;
        Some(object)
    }

    /// Notes that no shard had an object.
    pub(super) fn missed(&mut self) {
        self.counts.misses += 1;
    }

    /// Keeps `object`, or hands it back when `max_idle` objects lie here already.
    #[inline]
    #[must_use = "the object handed back is to be dropped outside of the lock"]
    pub(super) fn put(&mut self, object: T, max_idle: usize) -> Option<T> {
        if self.resident() >= max_idle {
            self.counts.dropped_by_bound += 1;
            return Some(object);
        }
        self.current.push(object);
        None
    }

    /// Counts a return; true for every one after which the clock should be looked at.
    #[inline]
    pub(super) fn must_look_at_clock(&mut self) -> bool {
        self.returns_until_look -= 1;
        let look = self.returns_until_look == 0;
        if look {
            self.returns_until_look = RETURNS_PER_LOOK;
        }
        look
    }

    /// Starts a new generation and hands out the oldest.
    #[must_use = "the objects are to be dropped outside of the lock"]
    pub(super) fn age(&mut self) -> Vec<T> {
        mem::swap(&mut self.current, &mut self.victim);
        if self.current.is_empty() {
            // Nothing expired: the empty stack keeps its memory, so a pool in steady use does not allocate.
            return Vec::new();
        }
        let expired = mem::take(&mut self.current);
        self.counts.dropped_by_age += expired.len() as u64;
        expired
    }

    /// Adds this shard's figures to `sum`.
    pub(super) fn add_to(&self, sum: &mut ObjectPoolStats) {
        sum.hits += self.counts.hits;
        sum.misses += self.counts.misses;
        sum.dropped_by_bound += self.counts.dropped_by_bound;
        sum.dropped_by_age += self.counts.dropped_by_age;
        sum.dropped_by_retain += self.counts.dropped_by_retain;
        sum.dropped_by_panic += self.counts.dropped_by_panic;
        sum.resident += self.resident();
    }

    #[inline]
    fn resident(&self) -> usize {
        self.current.len() + self.victim.len()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_the_warmest_first_and_the_old_generation_last() {
        let mut shard = Shard::new();
        for object in 0..3 {
            assert_eq!(shard.put(object, 8), None);
        }
        assert!(shard.age().is_empty());
        assert_eq!(shard.put(10, 8), None);
        assert_eq!(shard.put(11, 8), None);
        let order: Vec<_> = std::iter::from_fn(|| shard.take()).collect();
        assert_eq!(order, [11, 10, 2, 1, 0]);
    }

    #[test]
    fn looks_at_the_clock_once_in_so_many_returns() {
        let mut shard = Shard::<u8>::new();
        let looks = (0..10 * RETURNS_PER_LOOK).filter(|_| shard.must_look_at_clock()).count();
        assert_eq!(looks, 10);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put,
        Take,
        Age,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![4 => Just(Step::Put), 3 => Just(Step::Take), 1 => Just(Step::Age)]
    }

    proptest! {
        /// A shard behaves like a list of (object, ticks survived), whatever the order of calls.
        #[test]
        fn agrees_with_a_list_of_ages(steps in proptest::collection::vec(step(), 0..200), max_idle in 0_usize..6) {
            let mut shard = Shard::new();
            let mut list: Vec<(u32, u32)> = Vec::new();
            for (object, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Put => {
                        let full = list.len() >= max_idle;
                        prop_assert_eq!(shard.put(object, max_idle), full.then_some(object));
                        if !full {
                            list.push((object, 0));
                        }
                    }
                    Step::Take => {
                        // The youngest generation first; in it the one returned last.
                        let youngest = list.iter().map(|(_, age)| *age).min();
                        let expected = list.iter().rposition(|(_, age)| Some(*age) == youngest);
                        let expected = expected.map(|place| list.remove(place).0);
                        prop_assert_eq!(shard.take(), expected);
                    }
                    Step::Age => {
                        let expired: Vec<_> = list.iter().filter(|(_, age)| *age == 1).map(|(o, _)| *o).collect();
                        prop_assert_eq!(shard.age(), expired);
                        list.retain_mut(|(_, age)| {
                            *age += 1;
                            *age < 2
                        });
                    }
                }
                prop_assert_eq!(shard.resident(), list.len());
            }
        }
    }
}
