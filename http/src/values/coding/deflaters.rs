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
    /// What comes next may refer to what has been.
    remembers: bool,
}

impl RawDeflater {
    fn new() -> Self {
        let stream = Compress::new(Compression::new(u32::from(FIRST_LEVEL)), false);
        Self { stream, level: FIRST_LEVEL, remembers: false }
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
        if self.remembers {
            self.stream.reset();
            self.remembers = false;
        }
    }

    /// Appends `bytes` compressed to `out`, and flushes as is said. False: that failed, which it does not.
    pub(crate) fn append(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> bool {
        self.remembers = true;
        loop {
            out.reserve((bytes.len() / 2).max(64));
            let before = self.stream.total_in();
            if self.stream.compress_vec(bytes, out, flush).is_err() {
                return false;
            }
            bytes = &bytes[(self.stream.total_in() - before) as usize..];
            // Where there was room left, there was nothing more to put into it.
            if bytes.is_empty() && out.len() < out.capacity() {
                self.remembers = !matches!(flush, FlushCompress::Full);
                return true;
            }
        }
    }
}
