//! Small dense numbers for threads, which pick the slot and the shard a thread uses.
//!
//! A hash of the thread's id would send two of four threads to the same shard more often than not. Here a thread gets
//! the lowest free number when it first needs one and gives it back when it ends. So none share as long as there never
//! were more of them than shards at one time, however many have come and gone; after such a crowd those that remain
//! keep the numbers they have, and some may share.
//!
//! The rule kept: a number below `SHARED` belongs to one living thread, and what that thread did is known to the next
//! one that gets it. Numbers from there on may belong to several; they pick a shard, and no slot.

#[cfg(not(anthill_loom))]
pub(crate) use real::number;

#[cfg(anthill_loom)]
pub(crate) use model::{number, set};

#[cfg(not(anthill_loom))]
mod real {
    use std::cell::Cell;

    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::thread_local;

    const BITS: usize = usize::BITS as usize;
    /// Where the numbers begin that several threads may have; those below are given back. Threads beyond share the
    /// shards in turn.
    const SHARED: usize = 1024;
    const UNASSIGNED: usize = usize::MAX;

    /// One bit per number, set while a thread has it. Claimed with acquire and given back with release, because a slot
    /// relies on what its thread wrote last.
    static IN_USE: [AtomicUsize; SHARED / BITS] = [const { AtomicUsize::new(0) }; SHARED / BITS];
    static BEYOND: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        // Apart from the lease, because a value without a destructor is read without a check, and to the very end.
        static NUMBER: Cell<usize> = const { Cell::new(UNASSIGNED) };
        static LEASE: Lease = Lease::claim();
    }

    /// The calling thread's number.
    #[inline]
    pub(crate) fn number() -> usize {
        let number = NUMBER.get();
        if number == UNASSIGNED { assign() } else { number }
    }

    #[cold]
    fn assign() -> usize {
        // It fails only when the thread is ending before it ever needed a number: then any shard will do.
        let number = LEASE.try_with(|lease| lease.number).unwrap_or(SHARED);
        NUMBER.set(number);
        number
    }

    struct Lease {
        number: usize,
    }

    impl Lease {
        fn claim() -> Self {
            match IN_USE.iter().enumerate().find_map(|(place, word)| Some(place * BITS + claim_bit(word)?)) {
                Some(number) => Lease { number },
                None => Lease { number: SHARED + BEYOND.fetch_add(1, Ordering::Relaxed) % SHARED },
            }
        }
    }

    impl Drop for Lease {
        fn drop(&mut self) {
            if self.number < SHARED {
                // Other thread-locals are still to be dropped, and what they return must not go through a slot that is
                // another thread's by then.
                NUMBER.set(SHARED + self.number);
                IN_USE[self.number / BITS].fetch_and(!(1 << (self.number % BITS)), Ordering::Release);
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
            match word.compare_exchange_weak(bits, claimed, Ordering::Acquire, Ordering::Relaxed) {
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
        fn a_number_that_was_given_back_is_not_used_by_what_the_thread_drops_later() {
            struct Witness(std::sync::mpsc::Sender<usize>);
            impl Drop for Witness {
                fn drop(&mut self) {
                    self.0.send(number()).unwrap();
                }
            }
            thread_local! {
                static FIRST: Cell<Option<Witness>> = const { Cell::new(None) };
                static SECOND: Cell<Option<Witness>> = const { Cell::new(None) };
            }
            let (sender, receiver) = std::sync::mpsc::channel();
            let own = std::thread::spawn(move || {
                // One is registered before the lease, the other after: so one of the two is dropped after it.
                FIRST.set(Some(Witness(sender.clone())));
                let own = number();
                SECOND.set(Some(Witness(sender)));
                own
            });
            let own = own.join().unwrap();
            let mut seen: Vec<usize> = receiver.iter().collect();
            seen.sort_unstable();
            assert_eq!(seen, [own, SHARED + own]);
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

/// In a model threads choose their number, because the choice must be the same in every run. As with real threads, no
/// two may have the same one at a time; a thread that chose none shares its number, and so has no slot.
#[cfg(anthill_loom)]
mod model {
    use std::cell::Cell;

    use crate::sync::thread_local;

    const SHARED: usize = 1024;

    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(SHARED);
    }

    pub(crate) fn number() -> usize {
        NUMBER.with(Cell::get)
    }

    pub(crate) fn set(number: usize) {
        NUMBER.with(|home| home.set(number));
    }
}
