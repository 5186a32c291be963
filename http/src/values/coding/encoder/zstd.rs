//! `zstd`: contexts of the C library, which are used again.
//!
//! Source: RFC 8878; RFC 9659 for the largest window.

use super::{Extent, window_bits};
use anthill_pool::{ObjectPool, Pooled};
use std::io;
use std::sync::LazyLock;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

/// Idle contexts that each shard of the pool keeps.
const IDLE_MAX: usize = 2;

/// What a context that is kept may have grown to. One of a stream at the usual level comes to 2 MB.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Room that is made at once for what comes out.
const ROOM_BYTES: usize = 4 * 1024;

static IDLE: LazyLock<ObjectPool<ZstdCoder>> = LazyLock::new(|| {
    ObjectPool::builder()
        .max_idle(IDLE_MAX)
        .reset(ZstdCoder::forget)
        .retain(|coder| coder.0.as_ref().is_some_and(|context| context.sizeof() <= KEPT_BYTES_MAX))
        .build(|| ZstdCoder(CCtx::try_create()))
});

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
        let mut coder = IDLE.get();
        let context = coder.context()?;
        context.set_parameter(CParameter::CompressionLevel(i32::from(level))).map_err(failed)?;
        context.set_parameter(CParameter::WindowLog(window_bits(extent))).map_err(failed)?;
        if let Extent::Whole(bytes) = extent {
            context.set_pledged_src_size(Some(bytes as u64)).map_err(failed)?;
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

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let context = self.context()?;
        while append(out, |room| context.end_stream(room))? > 0 {}
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
