//! One level of the queue: first in, first out, in chunks that a worker can take whole.
//!
//! Payloads are filled into a chunk at the back and taken from one at the front. A worker that takes several takes the
//! front chunk itself, so the core's lock is held for the exchange of a pointer and not for the moving of payloads,
//! whose memory lies in the submitter's cache. Emptied chunks come back the same way and are filled again.

use std::collections::VecDeque;
use std::mem;

/// Emptied chunks kept to be filled again.
const SPARE_CHUNKS: usize = 64;

#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// The oldest.
    front: VecDeque<T>,
    /// In between, the oldest chunk first.
    chunks: VecDeque<VecDeque<T>>,
    /// The youngest.
    back: VecDeque<T>,
    /// How many make a chunk.
    chunk: usize,
    spare: Vec<VecDeque<T>>,
    len: usize,
}

impl<T> Chunks<T> {
    /// A queue whose chunks hold so many; one that holds 1 or less is never taken from in chunks.
    pub(crate) fn new(chunk: usize) -> Self {
        Chunks {
            front: VecDeque::new(),
            chunks: VecDeque::new(),
            back: VecDeque::new(),
            chunk: if chunk > 1 { chunk } else { usize::MAX },
            spare: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(crate) fn push_back(&mut self, value: T) {
        if self.back.len() >= self.chunk {
            self.begin_chunk();
        }
        self.back.push_back(value);
        self.len += 1;
    }

    #[inline(never)]
    fn begin_chunk(&mut self) {
        let empty = self.spare.pop().unwrap_or_else(|| VecDeque::with_capacity(self.chunk));
        self.chunks.push_back(mem::replace(&mut self.back, empty));
    }

    /// Puts what is left of a chunk in front; leaves it empty.
    pub(crate) fn put_back(&mut self, chunk: &mut VecDeque<T>) {
        debug_assert!(chunk.len() <= self.chunk, "no more than a worker may take at a time");
        if chunk.is_empty() {
            return;
        }
        self.len += chunk.len();
        mem::swap(&mut self.front, chunk);
        if !chunk.is_empty() {
            self.chunks.push_front(mem::replace(chunk, self.spare.pop().unwrap_or_default()));
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.fill_front();
        let value = self.front.pop_front()?;
        self.len -= 1;
        Some(value)
    }

    /// Exchanges `empty` for the front chunk.
    pub(crate) fn take_chunk(&mut self, empty: &mut VecDeque<T>) {
        debug_assert!(empty.is_empty(), "it is to be filled");
        self.fill_front();
        mem::swap(&mut self.front, empty);
        self.len -= empty.len();
    }

    fn fill_front(&mut self) {
        if !self.front.is_empty() {
            return;
        }
        match self.chunks.pop_front() {
            Some(chunk) => {
                let empty = mem::replace(&mut self.front, chunk);
                if self.spare.len() < SPARE_CHUNKS && empty.capacity() > 0 {
                    self.spare.push(empty);
                }
            }
            None => {
                mem::swap(&mut self.front, &mut self.back);
                if self.back.capacity() == 0 {
                    self.back = self.spare.pop().unwrap_or_default();
                }
            }
        }
    }

    /// Takes all, oldest first.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        self.len = 0;
        let chunks = self.chunks.drain(..).flatten();
        self.front.drain(..).chain(chunks).chain(self.back.drain(..))
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        PushBack,
        PutBack(usize),
        Pop,
        TakeChunk,
        TakeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::PushBack),
            1 => (0usize..9).prop_map(Step::PutBack),
            4 => Just(Step::Pop),
            2 => Just(Step::TakeChunk),
            1 => Just(Step::TakeAll),
        ]
    }

    proptest! {
        /// However it is cut into chunks, it behaves like one queue.
        #[test]
        fn agrees_with_a_plain_queue(chunk in 0usize..6, steps in proptest::collection::vec(step(), 0..200)) {
            let mut chunks = Chunks::new(chunk);
            let mut plain = VecDeque::new();
            let mut taken = VecDeque::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Step::PushBack => {
                        chunks.push_back(value);
                        plain.push_back(value);
                    }
                    Step::PutBack(count) => {
                        let count = if chunk > 1 { count.min(chunk) } else { count };
                        chunks.put_back(&mut std::iter::repeat_n(value, count).collect());
                        (0..count).for_each(|_| plain.push_front(value));
                    }
                    Step::Pop => prop_assert_eq!(chunks.pop_front(), plain.pop_front()),
                    Step::TakeChunk => {
                        taken.clear();
                        chunks.take_chunk(&mut taken);
                        prop_assert!(!taken.is_empty() || plain.is_empty());
                        prop_assert!(chunk <= 1 || taken.len() <= chunk);
                        let expected: Vec<_> = plain.drain(..taken.len()).collect();
                        prop_assert_eq!(taken.make_contiguous(), &expected);
                    }
                    Step::TakeAll => {
                        prop_assert_eq!(chunks.take_all().collect::<Vec<_>>(), plain.drain(..).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(chunks.len(), plain.len());
            }
        }
    }
}
