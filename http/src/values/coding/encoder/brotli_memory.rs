//! The memory of brotli's encoders, which is used again.
//!
//! The idea: an encoder asks for its parts by a trait, one for each type, and gives them back at its end. What was
//! given back is kept with the encoder in the pool, so that the next one asks the system for nothing.

use brotli::enc::cluster::HistogramPair;
use brotli::enc::command::Command;
use brotli::enc::entropy_encode::HuffmanTree;
use brotli::enc::histogram::{ContextType, HistogramCommand, HistogramDistance, HistogramLiteral};
use brotli::enc::{PDF, StaticCommand, ZopfliNode, floatX, s16, v8};
use brotli::{Allocator, CombiningAllocator, SliceWrapper, SliceWrapperMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All parts that an encoder asks for.
pub(super) type EncoderMemory = CombiningAllocator<
    FreeParts<u8>,
    FreeParts<u16>,
    FreeParts<i32>,
    FreeParts<u32>,
    FreeParts<u64>,
    FreeParts<Command>,
    FreeParts<floatX>,
    FreeParts<v8>,
    FreeParts<s16>,
    FreeParts<PDF>,
    FreeParts<StaticCommand>,
    FreeParts<HistogramLiteral>,
    FreeParts<HistogramCommand>,
    FreeParts<HistogramDistance>,
    FreeParts<HistogramPair>,
    FreeParts<ContextType>,
    FreeParts<HuffmanTree>,
    FreeParts<ZopfliNode>,
>;

/// Memory for one encoder after the other; `asked` counts the bytes that the system was asked for and has not
/// back.
pub(super) fn encoder_memory(asked: &Arc<AtomicUsize>) -> EncoderMemory {
    CombiningAllocator::new(
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
        FreeParts::new(asked),
    )
}

/// The parts of one type.
pub(super) struct FreeParts<T> {
    free: Vec<Vec<T>>,
    asked: Arc<AtomicUsize>,
}

impl<T> FreeParts<T> {
    fn new(asked: &Arc<AtomicUsize>) -> Self {
        Self { free: Vec::new(), asked: asked.clone() }
    }

    /// The smallest that was given back and is large enough.
    fn find(&mut self, length: usize) -> Option<Vec<T>> {
        let fitting = self.free.iter().enumerate().filter(|(_, part)| part.capacity() >= length);
        let (best, _) = fitting.min_by_key(|(_, part)| part.capacity())?;
        Some(self.free.swap_remove(best))
    }
}

/// One part.
pub(super) struct LentPart<T>(Vec<T>);

impl<T> Default for LentPart<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SliceWrapper<T> for LentPart<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for LentPart<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

fn bytes_of<T>(length: usize) -> usize {
    length.saturating_mul(size_of::<T>())
}

impl<T: Clone + Default> Allocator<T> for FreeParts<T> {
    type AllocatedMemory = LentPart<T>;

    fn alloc_cell(&mut self, length: usize) -> LentPart<T> {
        let mut part = self.find(length).unwrap_or_else(|| {
            // All of them are too small: for the most part those that this one takes the place of, as what an encoder
            // remembers grows.
            let small: usize = self.free.drain(..).map(|part| bytes_of::<T>(part.capacity())).sum();
            self.asked.fetch_sub(small, Ordering::Relaxed);
            let part = Vec::with_capacity(length);
            self.asked.fetch_add(bytes_of::<T>(part.capacity()), Ordering::Relaxed);
            part
        });
        part.clear();
        part.resize(length, T::default());
        LentPart(part)
    }

    fn free_cell(&mut self, part: LentPart<T>) {
        if part.0.capacity() > 0 {
            self.free.push(part.0);
        }
    }
}
