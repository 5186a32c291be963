//! Small dense numbers for threads, which pick the shard a thread uses.
//!
//! A hash of the thread's id would send two of four threads to the same shard more often than not. Here a thread gets
//! the lowest free number when it first needs one and gives it back when it ends, so as long as there are no more
//! threads than shards, none share, however many have come and gone. A number is a hint for speed alone: two threads
//! with the same one are slower and nothing else.

#[cfg(not(anthill_loom))]
pub(super) use real::number;

#[cfg(anthill_loom)]
pub(super) use model::{number, set};

#[cfg(not(anthill_loom))]
mod real {
    use std::cell::Cell;

    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::thread_local;

    const BITS: usize = usize::BITS as usize;
    /// Numbers that are given back. Threads beyond share the shards in turn.
    const NUMBERS: usize = 1024;
    const UNASSIGNED: usize = usize::MAX;

    /// One bit per number, set while a thread has it. Relaxed throughout: a number guards no memory.
    static IN_USE: [AtomicUsize; NUMBERS / BITS] = [const { AtomicUsize::new(0) }; NUMBERS / BITS];
    static BEYOND: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        // Apart from the lease, because a value without a destructor is read without a check, and to the very end.
        static NUMBER: Cell<usize> = const { Cell::new(UNASSIGNED) };
        static LEASE: Lease = Lease::claim();
    }

    /// The calling thread's number.
    #[inline]
    pub(in crate::objects) fn number() -> usize {
        let number = NUMBER.get();
        if number == UNASSIGNED { assign() } else { number }
    }

    #[cold]
    fn assign() -> usize {
        // It fails only when the thread is ending and its lease is gone: then any shard will do.
        let number = LEASE.try_with(|lease| lease.number).unwrap_or(0);
        NUMBER.set(number);
        number
    }

    struct Lease {
        number: usize,
        is_ours: bool,
    }

    impl Lease {
        fn claim() -> Self {
            match IN_USE.iter().enumerate().find_map(|(place, word)| Some(place * BITS + claim_bit(word)?)) {
                Some(number) => Lease { number, is_ours: true },
                None => Lease { number: BEYOND.fetch_add(1, Ordering::Relaxed) % NUMBERS, is_ours: false },
            }
        }
    }

    impl Drop for Lease {
        fn drop(&mut self) {
            if self.is_ours {
                IN_USE[self.number / BITS].fetch_and(!(1 << (self.number % BITS)), Ordering::Relaxed);
            }
        }
    }

    /// Sets the lowest clear bit and returns its place; `None` when there is none.
    fn claim_bit(word: &AtomicUsize) -> Option<usize> {
        let mut bits = word.load(Ordering::Relaxed);
        loop {
            let lowest_clear = bits.trailing_ones() as usize;
            if lowest_clear == BITS {
                return None;
            }
            let claimed = bits | 1 << lowest_clear;
            match word.compare_exchange_weak(bits, claimed, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(lowest_clear),
                Err(now) => bits = now,
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::collections::HashSet;
        use std::sync::Barrier;

        #[test]
        fn bits_are_claimed_lowest_first_until_none_is_left() {
            let word = AtomicUsize::new(0b1011);
            assert_eq!(claim_bit(&word), Some(2));
            assert_eq!(claim_bit(&word), Some(4));
            assert_eq!(word.load(Ordering::Relaxed), 0b11111);
            word.store(usize::MAX, Ordering::Relaxed);
            assert_eq!(claim_bit(&word), None);
        }

        #[test]
        fn living_threads_differ_and_ended_ones_leave_no_gap() {
            // Other tests of this process hold numbers too, but never as many as the rounds here use up.
            for _ in 0..40 {
                let together = Barrier::new(8);
                let numbers: Vec<usize> = std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..8)
                        .map(|_| {
                            scope.spawn(|| {
                                let mine = number();
                                together.wait();
                                assert_eq!(number(), mine);
                                mine
                            })
                        })
                        .collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
                });
                assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 8, "{numbers:?}");
                assert!(numbers.iter().all(|number| *number < 256), "{numbers:?}");
            }
        }
    }
}

/// In a model threads choose their number, because the choice must be the same in every run.
#[cfg(anthill_loom)]
mod model {
    use std::cell::Cell;

    use crate::sync::thread_local;

    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(0);
    }

    pub(in crate::objects) fn number() -> usize {
        NUMBER.with(Cell::get)
    }

    pub(in crate::objects) fn set(number: usize) {
        NUMBER.with(|home| home.set(number));
    }
}
