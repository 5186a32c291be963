//! What size the buffers of a pool should have, learnt from the sizes that were used.
//!
//! Sizes fall into classes, each twice the one before. Every returned buffer is tallied by the length it was used to;
//! when a class has been tallied often enough, all tallies are turned into two figures and begin anew: the capacity of
//! new buffers is the size of the class that was used most, and the largest buffer worth keeping is the largest among
//! the most used classes that cover 95 % of the uses. So one large message in a hundred does not make every buffer
//! large.
//!
//! Tallying takes no locked instruction. Threads with the same tally may overwrite each other's marks, which costs a
//! mark now and then, and the figures are shares of thousands.

use std::cmp::Reverse;

use crossbeam_utils::CachePadded;

use crate::objects::home;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Mutex, parallelism};

const CLASSES: usize = 20;
/// The size of the first class; the last one is 32 MiB and takes everything above.
const SMALLEST: usize = 64;
pub(super) const LARGEST: usize = SMALLEST << (CLASSES - 1);
const MAX_TALLIES: usize = 64;
const PERCENTILE: u64 = 95;

type Tally = [AtomicU32; CLASSES];

pub(super) struct Calibration {
    /// A power of two of them.
    tallies: Box<[CachePadded<Tally>]>,
    /// Marks in one class of one tally that make it time.
    returns: u32,
    /// Bound on what is kept, whatever is learnt.
    max_capacity: usize,
    default_capacity: AtomicUsize,
    largest_kept: AtomicUsize,
    /// Held by the thread that calibrates.
    calibrating: Mutex<()>,
}

impl Calibration {
    pub(super) fn new(returns: u32, max_capacity: usize) -> Self {
        let tallies = parallelism().clamp(1, MAX_TALLIES).next_power_of_two();
        Calibration {
            tallies: (0..tallies).map(|_| CachePadded::new(Tally::default())).collect(),
            returns: returns.max(1),
            max_capacity,
            default_capacity: AtomicUsize::new(0),
            largest_kept: AtomicUsize::new(max_capacity),
            calibrating: Mutex::new(()),
        }
    }

    /// What a new buffer should have.
    pub(super) fn default_capacity(&self) -> usize {
        self.default_capacity.load(Ordering::Relaxed)
    }

    /// The largest capacity that is worth keeping.
    pub(super) fn largest_kept(&self) -> usize {
        self.largest_kept.load(Ordering::Relaxed)
    }

    /// Tallies a buffer that was used up to this length.
    pub(super) fn note(&self, length: usize) {
        // The count is a power of two, so the mask keeps the index in range.
        let tally = &self.tallies[home::number() & (self.tallies.len() - 1)];
        let mark = &tally[class_of(length)];
        let marks = mark.load(Ordering::Relaxed).saturating_add(1);
        mark.store(marks, Ordering::Relaxed);
        if marks >= self.returns {
            self.calibrate();
        }
    }

    #[cold]
    fn calibrate(&self) {
        // Whoever holds the lock is doing it.
        let Some(_calibrating) = self.calibrating.try_lock() else { return };
        let mut marks = [0_u64; CLASSES];
        for tally in &self.tallies {
            for (sum, mark) in marks.iter_mut().zip(tally.iter()) {
                *sum += u64::from(mark.swap(0, Ordering::Relaxed));
            }
        }
        let Some((default, largest)) = learn(&marks) else { return };
        self.default_capacity.store(default.min(self.max_capacity), Ordering::Relaxed);
        self.largest_kept.store(largest.min(self.max_capacity), Ordering::Relaxed);
    }
}

/// The class of the smallest size that is enough for `length`.
fn class_of(length: usize) -> usize {
    let units = length.saturating_sub(1) / SMALLEST;
    let class = (usize::BITS - units.leading_zeros()) as usize;
    class.min(CLASSES - 1)
}

/// The size of the most frequent class, and the largest among the most frequent ones that cover the percentile; `None`
/// without any mark.
fn learn(marks: &[u64; CLASSES]) -> Option<(usize, usize)> {
    let total: u64 = marks.iter().sum();
    let mut classes: Vec<usize> = (0..CLASSES).filter(|class| marks[*class] > 0).collect();
    classes.sort_by_key(|class| Reverse(marks[*class]));
    let default = *classes.first()?;
    let mut largest = default;
    let mut covered = 0;
    for class in classes {
        if covered * 100 > total * PERCENTILE {
            break;
        }
        covered += marks[class];
        largest = largest.max(class);
    }
    Some((SMALLEST << default, SMALLEST << largest))
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_with_its_size() {
        for (length, class) in [(0, 0), (1, 0), (64, 0), (65, 1), (128, 1), (129, 2), (4096, 6), (4097, 7)] {
            assert_eq!(class_of(length), class, "{length}");
        }
        assert_eq!((class_of(LARGEST), class_of(LARGEST + 1), class_of(usize::MAX)), (19, 19, 19));
        assert_eq!(class_of(LARGEST / 2), 18);
        assert_eq!(LARGEST, 32 * 1024 * 1024);
    }

    #[test]
    fn learns_the_most_frequent_class_and_the_percentile() {
        let mut marks = [0; CLASSES];
        assert_eq!(learn(&marks), None);
        marks[3] = 1;
        assert_eq!(learn(&marks), Some((512, 512)));
        (marks[3], marks[1], marks[10]) = (60, 36, 4);
        assert_eq!(learn(&marks), Some((512, 512)), "two classes cover 96 %");
        (marks[3], marks[1], marks[10]) = (60, 35, 5);
        assert_eq!(learn(&marks), Some((512, 65_536)), "two classes cover 95 % and no more");
        marks = [7; CLASSES];
        assert_eq!(learn(&marks), Some((64, LARGEST)));
        marks = [u64::from(u32::MAX) * 64; CLASSES];
        assert!(learn(&marks).is_some(), "no overflow");
    }

    #[test]
    fn calibrates_when_a_class_is_full_and_begins_anew() {
        let calibration = Calibration::new(10, 1 << 20);
        let figures = || (calibration.default_capacity(), calibration.largest_kept());
        (0..9).for_each(|_| calibration.note(1_000));
        (0..9).for_each(|_| calibration.note(100));
        assert_eq!(figures(), (0, 1 << 20));
        calibration.note(1_000);
        assert_eq!(figures(), (1_024, 1_024));
        (0..9).for_each(|_| calibration.note(100));
        assert_eq!(figures(), (1_024, 1_024));
        calibration.note(100);
        assert_eq!(figures(), (128, 128), "the marks before the first time are forgotten");
        (0..10).for_each(|_| calibration.note(usize::MAX));
        assert_eq!(figures(), (1 << 20, 1 << 20), "never beyond the bound");
    }
}
