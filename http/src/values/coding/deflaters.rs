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

static IDLE: LazyLock<ObjectPool<RawDeflater>> = LazyLock::new(|| {
    ObjectPool::builder().max_idle(IDLE_MAX).reset(RawDeflater::forget).build(RawDeflater::new)
});

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
        let mut deflater = IDLE.get();
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

    #[test]
    fn what_was_left_in_the_middle_is_not_in_the_next_stream() {
        let text = b"a stream of its own, a stream of its own".repeat(40);
        for level in 0..=9 {
            for flush in
                [FlushCompress::None, FlushCompress::Sync, FlushCompress::Full, FlushCompress::Finish]
            {
                let mut deflater = RawDeflater::new();
                deflater.set_level(level);
                assert!(deflater.append(&text, flush, &mut Vec::new()));
                deflater.forget();

                let mut packed = Vec::new();
                assert!(deflater.append(&text, FlushCompress::Finish, &mut packed));
                let mut plain = Vec::with_capacity(2 * text.len());
                let unpacked =
                    Decompress::new(false).decompress_vec(&packed, &mut plain, FlushDecompress::Finish);
                assert!(unpacked.is_ok(), "level {level} behind {flush:?}: {unpacked:?}");
                assert_eq!(plain, text, "level {level} behind {flush:?}");
            }
        }
    }
}
