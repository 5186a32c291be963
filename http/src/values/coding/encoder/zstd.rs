//! `zstd`: contexts of the C library, which are used again.
//!
//! Source: RFC 8878; RFC 9659 for the largest window.

use super::{Extent, WINDOW_BITS_MIN, window_bits};
use anthill_pool::{ObjectPool, Pooled};
use std::io;
use std::sync::LazyLock;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, compress_bound, get_error_name,
};

/// Idle contexts that each shard of the pool keeps.
const IDLE_MAX: usize = 2;

/// What a context that is kept may have grown to. One of a stream at the usual level comes to 2 MB.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Room that is made at once for what comes out.
const ROOM_BYTES: usize = 4 * 1024;

/// For so many bytes at most, which are the last, room is made for all that may come of them.
const LAST_BYTES_MAX: usize = 128 * 1024;

/// From this level on, zstd's own tables are larger than a stream's window has use for.
const LARGE_TABLES_LEVEL: u8 = 7;

/// From this level on, zstd searches binary trees.
const TREES_LEVEL: u8 = 13;

static IDLE: LazyLock<ObjectPool<ZstdCoder>> = LazyLock::new(coders);

fn coders() -> ObjectPool<ZstdCoder> {
    ObjectPool::builder()
        .max_idle(IDLE_MAX)
        .reset(ZstdCoder::forget)
        .retain(|coder| coder.0.as_ref().is_some_and(|context| context.sizeof() <= KEPT_BYTES_MAX))
        .build(|| ZstdCoder(CCtx::try_create()))
}

/// `None`: there was no memory for one.
struct ZstdCoder(Option<CCtx<'static>>);

impl ZstdCoder {
    fn forget(&mut self) {
        let reset = self.0.as_mut().map(|context| context.reset(ResetDirective::SessionAndParameters));
        if matches!(reset, Some(Err(_))) {
            self.0 = None;
        }
    }

    fn context(&mut self) -> io::Result<&mut CCtx<'static>> {
        self.0.as_mut().ok_or_else(|| io::Error::new(io::ErrorKind::OutOfMemory, "no memory for zstd"))
    }
}

pub(super) struct ZstdEncoder {
    /// `None` behind the end.
    coder: Option<Pooled<'static, ZstdCoder>>,
}

impl ZstdEncoder {
    pub(super) fn new(level: u8, extent: Extent) -> io::Result<Self> {
        Self::with(IDLE.get(), level, extent)
    }

    fn with(mut coder: Pooled<'static, ZstdCoder>, level: u8, extent: Extent) -> io::Result<Self> {
        let context = coder.context()?;
        context.set_parameter(CParameter::CompressionLevel(i32::from(level))).map_err(failed)?;
        if !has_own_window(extent) {
            context.set_parameter(CParameter::WindowLog(window_bits(extent))).map_err(failed)?;
        }
        match extent {
            Extent::Whole(bytes) => {
                context.set_pledged_src_size(Some(bytes as u64)).map_err(failed)?;
            }
            Extent::Stream => bound_tables(context, level)?,
        }
        Ok(Self { coder: Some(coder) })
    }

    pub(super) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let context = self.context()?;
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            append(out, |room| context.compress_stream(room, &mut input))?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let context = self.context()?;
        while append(out, |room| context.flush_stream(room))? > 0 {}
        Ok(())
    }

    /// Appends what comes of `bytes`, and the end. Where there is room for all that may come, zstd reads and writes
    /// without copies of its own.
    pub(super) fn encode_last(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let context = self.context()?;
        if bytes.len() <= LAST_BYTES_MAX {
            out.reserve(compress_bound(bytes.len()));
        }
        let mut input = InBuffer::around(bytes);
        while append(out, |room| context.compress_stream2(room, &mut input, ZSTD_EndDirective::ZSTD_e_end))?
            > 0
        {}
        self.coder = None;
        Ok(())
    }

    fn context(&mut self) -> io::Result<&mut CCtx<'static>> {
        match &mut self.coder {
            Some(coder) => coder.context(),
            None => Err(io::Error::other("zstd has ended")),
        }
    }
}

/// Whether zstd takes a window of the content's size by itself, as it does of little whose size it knows.
fn has_own_window(extent: Extent) -> bool {
    matches!(extent, Extent::Whole(bytes) if bytes <= 1 << WINDOW_BITS_MIN)
}

/// Makes the tables no larger than the window has use for. Where the size is not known, zstd takes those of its own
/// windows, which at the highest levels come to 80 MB; below level 7 they are small in any case.
fn bound_tables(context: &mut CCtx<'static>, level: u8) -> io::Result<()> {
    if level < LARGE_TABLES_LEVEL {
        return Ok(());
    }
    let bits = window_bits(Extent::Stream);
    // A binary tree takes two places for each position, a chain one.
    let chain_bits = if level < TREES_LEVEL { bits } else { bits + 1 };
    context.set_parameter(CParameter::HashLog(bits + 1)).map_err(failed)?;
    context.set_parameter(CParameter::ChainLog(chain_bits)).map_err(failed)?;
    Ok(())
}

/// Has `step` append to `out`; gives what it gives.
fn append(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> Result<usize, usize>,
) -> io::Result<usize> {
    out.reserve(ROOM_BYTES);
    let begin = out.len();
    step(&mut OutBuffer::around_pos(out, begin)).map_err(failed)
}

fn failed(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::coding::encoder::EncoderKind;
    use crate::values::coding::encoder::reuse::Reuse;
    use crate::values::coding::{CompressionLevel, ContentCoding};

    /// What a stream's context takes at any level: as many may be held at once as clients read slowly.
    const STREAM_BYTES_MAX: usize = 7 * 1024 * 1024;

    #[test]
    fn cmp_04_a_stream_takes_little_memory_at_every_level() {
        let text: Vec<u8> = (0..30_000_u32).flat_map(|line| format!("{line} lines ").into_bytes()).collect();
        for level in 1..=19 {
            let mut encoder = ZstdEncoder::new(level, Extent::Stream).expect("memory for one");
            let mut packed = Vec::new();
            encoder.encode(&text, &mut packed).expect("a coder that works");
            encoder.flush(&mut packed).expect("a coder that works");
            let bytes = encoder.context().expect("it has not ended").sizeof();
            assert!(bytes <= STREAM_BYTES_MAX, "level {level}: {bytes}");
            let is_usual = level <= CompressionLevel::Default.of(ContentCoding::Zstd);
            assert!(!is_usual || bytes <= KEPT_BYTES_MAX, "level {level} is to be used again: {bytes}");
            encoder.encode_last(&[], &mut packed).expect("a coder that works");
            assert!(packed.len() < text.len() / 2, "level {level}: {}", packed.len());
        }
    }

    /// The memory of contexts is C's, which nobody counts who counts Rust's: that they are used again is told by their
    /// size, which those that are new do not have yet.
    #[test]
    fn cmp_04_a_context_of_the_usual_level_is_used_again_for_streams_and_for_what_is_there() {
        let text: Vec<u8> = (0..5_000_u32).flat_map(|line| format!("{line} lines ").into_bytes()).collect();
        let level = CompressionLevel::Default.of(ContentCoding::Zstd);
        for extent in [Extent::Stream, Extent::Whole(text.len())] {
            let coders: &'static ObjectPool<ZstdCoder> = Box::leak(Box::new(coders()));
            let mut sizes = Vec::new();
            for _ in 0..4 {
                let mut encoder = ZstdEncoder::with(coders.get(), level, extent).expect("memory for one");
                let before = encoder.context().expect("it has not ended").sizeof();
                encoder.encode(&text, &mut Vec::new()).expect("a coder that works");
                let after = encoder.context().expect("it has not ended").sizeof();
                sizes.push((before, after));
                encoder.encode_last(&[], &mut Vec::new()).expect("a coder that works");
            }
            let (before, grown) = sizes[0];
            assert!(before < grown / 10, "{sizes:?}");
            assert!(sizes[1..].iter().all(|size| *size == (grown, grown)), "{sizes:?}");
            assert_eq!(coders.stats().resident, 1);
        }
    }

    #[test]
    fn cmp_04_a_coder_that_was_left_anywhere_is_as_new() {
        let reuse = Reuse {
            coders,
            begin: |coder, level, extent| ZstdEncoder::with(coder, level, extent).expect("memory for one"),
            kind: EncoderKind::Zstd,
            fails: |mut encoder, text| {
                let context = encoder.context().expect("it has not ended");
                context.set_pledged_src_size(Some(10)).expect("before the first byte");
                let encoded = encoder.encode(text, &mut Vec::new());
                let ended = encoded.and_then(|()| encoder.encode_last(&[], &mut Vec::new()));
                assert!(ended.is_err(), "there was more than 10 bytes");
            },
            levels: &[1, 3, 7, 19],
            levels_before: &[1, 3, 7, 13, 19],
            lines: (300, 5000),
        };
        reuse.check();
    }
}
