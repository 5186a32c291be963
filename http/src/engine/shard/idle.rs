//! Which connection has been idle for longest, so that it makes room when there is none.
//!
//! Connections become idle with every request, and hardly ever does somebody ask for the longest idle one. So becoming
//! idle again costs a look at a flag: the connection's entry is left where it is, with the time that it was filed for.
//! When it comes up and turns out to be out of date, it is filed again, or dropped if the connection is idle no more.
//! Since times only move on, an entry that comes up and is true is that of the longest idle connection.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::shard::deadlines::Millis;

/// Bits of an entry that are the slot's number; the others are a time, good for 34 years.
const INDEX_BITS: u32 = 24;
/// Superseded entries are not looked for while there are fewer.
const FEW: usize = 1024;

/// Since when a connection has been idle. Whoever is the least makes room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// Between two requests.
    Resting(Millis),
    /// Without having sent anything: its client has connected ahead, or its request is on its way.
    Fresh(Millis),
}

/// What a look for the longest idle connection has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Longest {
    /// The connection in this slot.
    Found(usize, Idle),
    /// Only entries that were out of date, and it has been long enough for one look.
    LookAgain,
    /// Nobody is idle.
    Nobody,
}

/// The idle connections of a shard, by their slots' numbers, and some that are idle no more.
#[derive(Debug, Default)]
pub(crate) struct Idlers {
    resting: Filed,
    fresh: Filed,
}

impl Idlers {
    /// The connection in slot `index` has become idle.
    pub(crate) fn note(&mut self, index: usize, idle: Idle) {
        match idle {
            Idle::Resting(since) => self.resting.note(index, since),
            Idle::Fresh(since) => self.fresh.note(index, since),
        }
    }

    /// Looks for the longest idle connection, at `entries` entries at most. `truth` says of a slot whether the
    /// connection in it is idle.
    pub(crate) fn longest(&mut self, entries: usize, truth: impl Fn(usize) -> Option<Idle>) -> Longest {
        for _ in 0..entries {
            let resting = self.resting.first().map(|(index, since)| (index, Idle::Resting(since)));
            let fresh = || self.fresh.first().map(|(index, since)| (index, Idle::Fresh(since)));
            let Some((index, filed)) = resting.or_else(fresh) else { return Longest::Nobody };
            let now = truth(index);
            if now == Some(filed) {
                return Longest::Found(index, filed);
            }
            match filed {
                Idle::Resting(_) => self.resting.drop_first(),
                Idle::Fresh(_) => self.fresh.drop_first(),
            }
            if let Some(idle) = now {
                self.note(index, idle);
            }
        }
        Longest::LookAgain
    }

    /// The connection in slot `index` is gone; its entries are dropped in time.
    pub(crate) fn forget(&mut self, index: usize) {
        self.resting.forget(index);
        self.fresh.forget(index);
    }

    /// Drops superseded entries once they are the greater part, so that many short connections do not pile them up.
    pub(crate) fn prune(&mut self, connections: usize) {
        self.resting.prune(connections);
        self.fresh.prune(connections);
    }
}

/// Slots by a time, the earliest first.
#[derive(Debug, Default)]
struct Filed {
    entries: BinaryHeap<Reverse<u64>>,
    /// By slot number: whether there is an entry.
    is_filed: Vec<bool>,
}

impl Filed {
    #[inline]
    fn note(&mut self, index: usize, since: Millis) {
        if self.is_filed.get(index) != Some(&true) {
            self.file(index, since);
        }
    }

    #[cold]
    fn file(&mut self, index: usize, since: Millis) {
        // A shard with more connections than fit into an entry has others to close.
        let Some(time) = since.checked_shl(INDEX_BITS).filter(|_| index >> INDEX_BITS == 0) else { return };
        if index >= self.is_filed.len() {
            self.is_filed.resize(index + 1, false);
        }
        self.is_filed[index] = true;
        self.entries.push(Reverse(time | index as u64));
    }

    fn first(&self) -> Option<(usize, Millis)> {
        self.entries.peek().map(|Reverse(entry)| (index_of(*entry), entry >> INDEX_BITS))
    }

    fn drop_first(&mut self) {
        if let Some(Reverse(entry)) = self.entries.pop() {
            self.forget(index_of(entry));
        }
    }

    fn forget(&mut self, index: usize) {
        if let Some(is_filed) = self.is_filed.get_mut(index) {
            *is_filed = false;
        }
    }

    fn prune(&mut self, connections: usize) {
        if self.entries.len() > 2 * connections + FEW {
            let mut not_kept = self.is_filed.clone();
            self.entries.retain(|Reverse(entry)| std::mem::take(&mut not_kept[index_of(*entry)]));
        }
    }
}

fn index_of(entry: u64) -> usize {
    (entry & ((1 << INDEX_BITS) - 1)) as usize
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use Idle::{Fresh, Resting};
    use proptest::prelude::*;

    /// The answer, however many looks it takes; each is short.
    fn longest(idlers: &mut Idlers, truth: &[Option<Idle>]) -> Option<(usize, Idle)> {
        for _ in 0..1000 {
            match idlers.longest(2, |index| truth[index]) {
                Longest::Found(index, idle) => return Some((index, idle)),
                Longest::LookAgain => {}
                Longest::Nobody => return None,
            }
        }
        panic!("looks without end")
    }

    proptest! {
        /// Against a list of who is idle since when.
        #[test]
        fn agrees_with_a_list(changes in proptest::collection::vec((0usize..6, 0u8..8, 0u64..3), 1..300)) {
            let mut idlers = Idlers::default();
            let mut truth = [None; 6];
            let mut now = 1;
            for (slot, change, step) in changes {
                now += step;
                match change {
                    // A new connection in this slot.
                    0 => {
                        idlers.forget(slot);
                        truth[slot] = Some(Fresh(now));
                        idlers.note(slot, Fresh(now));
                    }
                    // It is gone.
                    1 => {
                        idlers.forget(slot);
                        truth[slot] = None;
                    }
                    // It is busy, and nobody is told.
                    2 => truth[slot] = None,
                    3 => idlers.prune(0),
                    4 => {
                        let expected = truth.iter().flatten().min();
                        let found = longest(&mut idlers, &truth);
                        prop_assert_eq!(found.map(|(_, idle)| idle), expected.copied());
                        prop_assert!(found.is_none_or(|(slot, idle)| truth[slot] == Some(idle)));
                    }
                    _ => {
                        truth[slot] = Some(Resting(now));
                        idlers.note(slot, Resting(now));
                    }
                }
            }
        }
    }

    #[test]
    fn those_who_never_sent_anything_come_last() {
        let mut idlers = Idlers::default();
        let mut truth = [Some(Fresh(1)), Some(Resting(7)), Some(Resting(5)), Some(Fresh(0))];
        for (slot, idle) in truth.iter().enumerate() {
            idlers.note(slot, idle.expect("all are idle"));
        }
        let mut order = Vec::new();
        while let Some((slot, _)) = longest(&mut idlers, &truth) {
            order.push(slot);
            truth[slot] = None;
        }
        assert_eq!(order, [2, 1, 3, 0]);
    }

    #[test]
    fn one_look_is_bounded() {
        let mut idlers = Idlers::default();
        for slot in 0..100 {
            idlers.note(slot, Resting(1));
        }
        let truth = |slot: usize| Some(Resting(100 - slot as u64));
        let looks = (0..).take_while(|_| idlers.longest(10, truth) == Longest::LookAgain).count();
        assert_eq!(idlers.longest(10, truth), Longest::Found(99, Resting(1)));
        assert!((5..=10).contains(&looks), "{looks}");
    }

    #[test]
    fn becoming_idle_again_files_nothing_and_pruning_keeps_one_entry_for_each() {
        let mut idlers = Idlers::default();
        for since in 0..5000 {
            idlers.note(3, Resting(since));
        }
        assert_eq!(idlers.resting.entries.len(), 1);
        for since in 0..5000 {
            idlers.forget(3);
            idlers.note(3, Fresh(since));
        }
        idlers.note(3, Resting(5000));
        idlers.prune(1);
        assert_eq!(idlers.fresh.entries.len(), 1, "of 5000 one after the other in one slot");
        idlers.note(1 << INDEX_BITS, Resting(0));
        assert_eq!(
            idlers.longest(9, |slot| (slot == 3).then_some(Resting(5000))),
            Longest::Found(3, Resting(5000))
        );
    }
}
