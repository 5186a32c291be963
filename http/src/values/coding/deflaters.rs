//! Encoders of raw DEFLATE, and the pool that keeps them for whoever compresses next: responses and WebSockets alike.
//!
//! The rule: nothing refers to what somebody else has compressed. An encoder forgets with a full flush, or when it is
//! returned.
//!
//! Source: RFC 1951.

use anthill_pool::{ObjectPool, Pooled};
use flate2::{Compress, Compression, FlushCompress};
use std::sync::LazyLock;

/// Idle encoders (some 380 KB) that each shard of the pool keeps.
const IDLE_MAX: usize = 4;

/// What an encoder is made with.
const FIRST_LEVEL: u8 = 6;

static IDLE: LazyLock<ObjectPool<RawDeflater>> = LazyLock::new(encoders);

fn encoders() -> ObjectPool<RawDeflater> {
    ObjectPool::builder().max_idle(IDLE_MAX).reset(RawDeflater::forget).build(RawDeflater::new)
}

/// An encoder without any framing.
#[derive(Debug)]
pub(crate) struct RawDeflater {
    stream: Compress,
    level: u8,
    left: Residue,
}

/// What is left in an encoder of what it has compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Residue {
    Nothing,
    /// What the next stream would refer to.
    History,
    /// That, and perhaps a block that was not ended.
    OpenBlock,
}

impl RawDeflater {
    fn new() -> Self {
        let stream = Compress::new(Compression::new(u32::from(FIRST_LEVEL)), false);
        Self { stream, level: FIRST_LEVEL, left: Residue::Nothing }
    }

    /// One of the pool's that knows of nothing, for that level from 0 to 9.
    pub(crate) fn take(level: u8) -> Pooled<'static, Self> {
        Self::take_of(&IDLE, level)
    }

    fn take_of(idle: &ObjectPool<Self>, level: u8) -> Pooled<'_, Self> {
        let mut deflater = idle.get();
        deflater.set_level(level);
        deflater
    }

    fn set_level(&mut self, level: u8) {
        if self.level == level {
            return;
        }
        let compression = Compression::new(u32::from(level));
        // Only behind a reset nothing is to be flushed before.
        self.stream.reset();
        if self.stream.set_level(compression).is_err() {
            self.stream = Compress::new(compression, false);
        }
        self.level = level;
    }

    pub(crate) fn forget(&mut self) {
        match self.left {
            Residue::Nothing => return,
            Residue::History => self.stream.reset(),
            // zlib-rs 0.6 takes a block of level 1 for open after a reset, too, and would go on with it where the
            // next stream ought to begin.
            Residue::OpenBlock => self.stream = Compress::new(Compression::new(u32::from(self.level)), false),
        }
        self.left = Residue::Nothing;
    }

    /// Appends `bytes` compressed to `out`, and flushes as is said. False: that failed, which it does not.
    pub(crate) fn append(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> bool {
        self.left = Residue::OpenBlock;
        loop {
            out.reserve((bytes.len() / 2).max(64));
            let before = self.stream.total_in();
            if self.stream.compress_vec(bytes, out, flush).is_err() {
                return false;
            }
            bytes = &bytes[(self.stream.total_in() - before) as usize..];
            // Where there was room left, there was nothing more to put into it.
            if bytes.is_empty() && out.len() < out.capacity() {
                self.left = match flush {
                    FlushCompress::Full => Residue::Nothing,
                    FlushCompress::None => Residue::OpenBlock,
                    _ => Residue::History,
                };
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    /// How an encoder is left that has compressed: the last flush, and whether there was one before.
    const LEAVINGS: [(Option<FlushCompress>, FlushCompress); 7] = [
        (None, FlushCompress::None),
        (None, FlushCompress::Sync),
        (None, FlushCompress::Full),
        (None, FlushCompress::Finish),
        (Some(FlushCompress::Sync), FlushCompress::None),
        (Some(FlushCompress::Full), FlushCompress::None),
        (Some(FlushCompress::Full), FlushCompress::Sync),
    ];

    /// Lines that all differ a little, and noise that no block is made shorter by.
    fn text(lines: u32) -> Vec<u8> {
        let line = |number: u32| {
            format!("{number}: a stream of its own, {:x}\n", number.wrapping_mul(2_654_435_761))
        };
        (0..lines).flat_map(|number| line(number).into_bytes()).collect()
    }

    fn pack(deflater: &mut RawDeflater, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        assert!(deflater.append(text, FlushCompress::Finish, &mut packed));
        packed
    }

    /// What `packed` was; a reference to anything before it is an error.
    fn unpack(packed: &[u8], length: usize) -> Vec<u8> {
        let mut plain = Vec::with_capacity(length + 1);
        let unpacked = Decompress::new(false).decompress_vec(packed, &mut plain, FlushDecompress::Finish);
        assert!(unpacked.is_ok(), "{unpacked:?}");
        plain
    }

    #[test]
    fn what_was_left_in_the_middle_is_not_in_the_next_stream() {
        // More than a window, and than a block takes.
        let (long, text) = (text(2000), text(150));
        let new: Vec<_> =
            (0..=9).map(|level| pack(&mut RawDeflater::take_of(&encoders(), level), &text)).collect();
        let idle = encoders();
        for before in 0..=9 {
            for (level, new) in new.iter().enumerate() {
                for (first, last) in LEAVINGS {
                    let mut deflater = RawDeflater::take_of(&idle, before);
                    for flush in first.into_iter().chain([last]) {
                        assert!(deflater.append(&long, flush, &mut Vec::new()));
                    }
                    drop(deflater);

                    let packed = pack(&mut RawDeflater::take_of(&idle, level as u8), &text);
                    let case = format!("level {level} behind {before}, {first:?}, {last:?}");
                    assert_eq!(unpack(&packed, text.len()), text, "{case}");
                    // Behind a full flush it goes on, and finds another way to say the same.
                    assert!(last == FlushCompress::Full || packed == *new, "{case}");
                }
            }
        }
        assert_eq!(idle.stats().misses, 1, "it is always the same");
    }

    /// One that goes on behind a panic that was caught, as the engine catches those of readers.
    #[test]
    fn an_encoder_that_a_panic_met_is_as_new() {
        let text = text(150);
        let idle = encoders();
        for level in 0..=9 {
            let new = pack(&mut RawDeflater::take_of(&encoders(), level), &text);
            let mut deflater = RawDeflater::take_of(&idle, level);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                assert!(deflater.append(&text, FlushCompress::None, &mut Vec::new()));
                std::panic::resume_unwind(Box::new("planned"));
            }));
            assert!(caught.is_err());
            drop(deflater);
            assert_eq!(pack(&mut RawDeflater::take_of(&idle, level), &text), new, "level {level}");
        }
        assert_eq!(idle.stats().misses, 1);
    }
}
