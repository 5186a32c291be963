//! `br`: brotli's encoder, with a window that follows the body and memory that is used again.
//!
//! Source: RFC 7932.

use super::brotli_memory::{EncoderMemory, encoder_memory};
use super::{Extent, WINDOW_BITS_MIN, window_bits};
use anthill_pool::{ObjectPool, Pooled};
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct,
};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// Idle coders that each shard of the pool keeps.
const IDLE_MAX: usize = 2;

/// What a coder that is kept may have asked the system for. One of a stream at the usual level begins with 2 MB, and
/// comes to 5.4 when it is long.
const KEPT_BYTES_MAX: usize = 6 * 1024 * 1024;

static IDLE: LazyLock<ObjectPool<BrotliCoder>> = LazyLock::new(coders);

fn coders() -> ObjectPool<BrotliCoder> {
    ObjectPool::builder()
        .max_idle(IDLE_MAX)
        .reset(BrotliCoder::renew)
        .retain(|coder| coder.asked.load(Ordering::Relaxed) <= KEPT_BYTES_MAX)
        .build(BrotliCoder::new)
}

type EncoderState = BrotliEncoderStateStruct<EncoderMemory>;

/// An encoder at its beginning, and the memory of those before.
struct BrotliCoder {
    state: Box<EncoderState>,
    asked: Arc<AtomicUsize>,
}

impl BrotliCoder {
    fn new() -> Self {
        let asked = Arc::default();
        Self { state: Box::new(EncoderState::new(encoder_memory(&asked))), asked }
    }

    fn renew(&mut self) {
        BrotliEncoderDestroyInstance(&mut self.state);
        let none = EncoderState::new(encoder_memory(&self.asked));
        let memory = std::mem::replace(&mut *self.state, none).m8;
        *self.state = EncoderState::new(memory);
    }
}

pub(super) struct BrotliEncoder {
    /// `None` behind the end.
    coder: Option<Pooled<'static, BrotliCoder>>,
}

impl BrotliEncoder {
    pub(super) fn new(level: u8, extent: Extent) -> Self {
        Self::with(IDLE.get(), level, extent)
    }

    fn with(mut coder: Pooled<'static, BrotliCoder>, level: u8, extent: Extent) -> Self {
        let state = &mut coder.state;
        state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, u32::from(level));
        state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, window_bits(extent));
        match extent {
            Extent::Whole(bytes) => {
                let hint = u32::try_from(bytes).unwrap_or(u32::MAX);
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT, hint);
            }
            // At 10 and 11 what is searched for a block takes sixteen times as much as the block, which would have the
            // size of the window.
            Extent::Stream => {
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGBLOCK, WINDOW_BITS_MIN);
            }
        }
        Self { coder: Some(coder) }
    }

    pub(super) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.run(BrotliEncoderOperation::BROTLI_OPERATION_PROCESS, bytes, out)
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.run(BrotliEncoderOperation::BROTLI_OPERATION_FLUSH, &[], out)
    }

    /// Appends what comes of `bytes`, and the end.
    pub(super) fn encode_last(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.run(BrotliEncoderOperation::BROTLI_OPERATION_FINISH, bytes, out)?;
        self.coder = None;
        Ok(())
    }

    fn run(&mut self, operation: BrotliEncoderOperation, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let Some(coder) = &mut self.coder else { return Err(io::Error::other("brotli has ended")) };
        let state = &mut coder.state;
        let (mut left, mut used) = (bytes.len(), 0);
        loop {
            // What comes out is taken from the encoder's own memory, without one copy more.
            let has_worked = state.compress_stream(
                operation,
                &mut left,
                bytes,
                &mut used,
                &mut 0,
                &mut [],
                &mut 0,
                &mut None,
                &mut |_, _, _, _| (),
            );
            if !has_worked {
                return Err(io::Error::other("brotli failed"));
            }
            while state.has_more_output() {
                // All that there is; what lies behind that is none.
                let mut count = 0;
                let memory = state.take_output(&mut count);
                out.extend_from_slice(&memory[..count]);
            }
            let is_done = match operation {
                BrotliEncoderOperation::BROTLI_OPERATION_FINISH => state.is_finished(),
                _ => true,
            };
            if left == 0 && is_done {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::coding::encoder::reuse::Reuse;
    use crate::values::coding::encoder::{EncoderKind, WINDOW_BITS_STREAM};
    use crate::values::coding::{CompressionLevel, ContentCoding};

    const MIB: usize = 1024 * 1024;

    /// What a stream's coder asks for at most. From 7 to 9 that is the encoder's own table of what was seen, whose size
    /// follows the level alone; above, what is searched for a block, of which a whole window would take 16 and 25 MB.
    fn bound(level: u8) -> usize {
        match level {
            0..=6 => 6 * MIB,
            7 => 12 * MIB,
            8 => 20 * MIB,
            9 => 40 * MIB,
            10 => 12 * MIB,
            _ => 14 * MIB,
        }
    }

    fn asked_by(encoder: &BrotliEncoder) -> usize {
        encoder.coder.as_ref().map_or(0, |coder| coder.asked.load(Ordering::Relaxed))
    }

    #[test]
    fn cmp_04_what_a_stream_takes_is_known_at_every_level() {
        let text: Vec<u8> = (0..23_000_u32).flat_map(|line| format!("{line} lines ").into_bytes()).collect();
        assert!(text.len() > 1 << WINDOW_BITS_STREAM, "a block could be as large as the window");
        for level in 0..=11 {
            // Of a pool of its own, in which nobody before has asked for memory that would be used again.
            let coders: &'static ObjectPool<BrotliCoder> = Box::leak(Box::new(coders()));
            let mut encoder = BrotliEncoder::with(coders.get(), level, Extent::Stream);
            let mut packed = Vec::new();
            for piece in text.chunks(64 * 1024) {
                encoder.encode(piece, &mut packed).expect("a coder that works");
            }
            encoder.flush(&mut packed).expect("a coder that works");
            let asked = asked_by(&encoder);
            assert!((64 * 1024..=bound(level)).contains(&asked), "level {level}: {asked}");
            encoder.encode_last(&[], &mut packed).expect("a coder that works");
            assert!(packed.len() < text.len() / 2, "level {level}: {}", packed.len());
            // What is usual is kept, and the next one asks for nothing; what is large is not.
            let is_usual = level == CompressionLevel::Default.of(ContentCoding::Brotli);
            let kept = BrotliEncoder::with(coders.get(), level, Extent::Stream);
            let expected = if asked <= KEPT_BYTES_MAX { asked } else { 0 };
            assert_eq!(asked_by(&kept), expected, "level {level}");
            assert!(!is_usual || expected > 0, "level {level} is to be used again: {asked}");
        }
    }

    /// Also behind one that was long, and then asks for nothing more.
    #[test]
    fn cmp_04_a_coder_of_the_usual_level_is_used_again() {
        let text: Vec<u8> = (0..65_000_u32).flat_map(|line| format!("{line} lines ").into_bytes()).collect();
        let level = CompressionLevel::Default.of(ContentCoding::Brotli);
        let coders: &'static ObjectPool<BrotliCoder> = Box::leak(Box::new(coders()));
        let mut asked = Vec::new();
        for _ in 0..4 {
            let mut encoder = BrotliEncoder::with(coders.get(), level, Extent::Stream);
            let mut packed = Vec::new();
            for piece in text.chunks(64 * 1024) {
                encoder.encode(piece, &mut packed).expect("a coder that works");
            }
            encoder.flush(&mut packed).expect("a coder that works");
            asked.push(asked_by(&encoder));
            encoder.encode_last(&[], &mut packed).expect("a coder that works");
            assert!(packed.len() < text.len() / 2);
        }
        assert!((1..=KEPT_BYTES_MAX).contains(&asked[0]), "{asked:?}");
        assert!(asked[2..] == [asked[1]; 2] && asked[1] < asked[0] * 5 / 4, "{asked:?}");
        assert_eq!(coders.stats().resident, 1);
    }

    #[test]
    fn cmp_04_a_coder_that_was_left_anywhere_is_as_new() {
        let reuse = Reuse {
            coders,
            begin: BrotliEncoder::with,
            kind: EncoderKind::Brotli,
            fails: |mut encoder, text| {
                encoder
                    .run(BrotliEncoderOperation::BROTLI_OPERATION_FINISH, text, &mut Vec::new())
                    .expect("a coder that works");
                assert!(encoder.encode(text, &mut Vec::new()).is_err(), "it has ended");
            },
            levels: &[0, 1, 2, 4, 11],
            levels_before: &[0, 1, 4, 6, 10],
            lines: (150, 600),
        };
        reuse.check();
    }
}
