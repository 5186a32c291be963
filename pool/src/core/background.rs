//! Background work: what a worker takes only when it would go idle otherwise, or next if it is urgent.
//!
//! Three levels, one per [`Priority`], each the oldest first. A level that is not urgent has its turn after so many
//! check-ins, whatever comes meanwhile, urgent background work too; so each is slowed down but never stopped.

use std::collections::VecDeque;

use super::queue::{Item, Priority};

/// Background work goes before everything else after so many check-ins that passed its level over.
const MOST_PASSED_OVER: u32 = 64;

/// Of so many check-ins in a row one is not for urgent background work, so that this stops nothing else.
const CHECK_INS_PER_PATIENT_ONE: u32 = 16;

/// The levels that wait, the more urgent first.
const PATIENT: [Priority; 2] = [Priority::Normal, Priority::Low];

pub(super) struct Background<T> {
    levels: [VecDeque<Item<T>>; 3],
    /// For each level, check-ins since it was last taken from, while there was something in it.
    passed_over: [u32; 3],
    /// Check-ins while there was urgent background work.
    urgent_turns: u32,
}

impl<T> Background<T> {
    pub(super) fn new() -> Self {
        Background {
            levels: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            passed_over: [0; 3],
            urgent_turns: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.levels.iter().all(VecDeque::is_empty)
    }

    pub(super) fn push(&mut self, item: Item<T>, priority: Priority) {
        self.levels[priority as usize].push_back(item);
    }

    /// Takes the oldest of the most urgent.
    pub(super) fn pop(&mut self) -> Option<(Item<T>, Priority)> {
        let mut levels = [Priority::High, Priority::Normal, Priority::Low].into_iter();
        levels.find_map(|level| Some((self.pop_from(level)?, level)))
    }

    /// A worker checks in: takes what goes before everything else, because it has been passed over often enough or is
    /// urgent.
    pub(super) fn pop_overdue(&mut self) -> Option<Item<T>> {
        for level in PATIENT {
            let is_kept = !self.levels[level as usize].is_empty();
            self.passed_over[level as usize] += u32::from(is_kept);
        }
        let overdue = |level: &Priority| self.passed_over[*level as usize] >= MOST_PASSED_OVER;
        if let Some(level) = PATIENT.into_iter().find(overdue) {
            return self.pop_from(level);
        }
        if self.levels[Priority::High as usize].is_empty() {
            return None;
        }
        self.urgent_turns = self.urgent_turns.wrapping_add(1);
        if self.urgent_turns % CHECK_INS_PER_PATIENT_ONE == 0 { None } else { self.pop_from(Priority::High) }
    }

    fn pop_from(&mut self, level: Priority) -> Option<Item<T>> {
        let item = self.levels[level as usize].pop_front()?;
        self.passed_over[level as usize] = 0;
        Some(item)
    }
}
