//! zstd's decoder over a buffered reader: one frame, or several.
//!
//! The rule: windows above 8 MiB are refused (RFC 9659), so that is what a body costs at most.

use super::undecodable::{broken, cut_off};
use std::io::{self, BufRead, Read};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// 8 MiB.
const WINDOW_BITS_MAX: u32 = 23;

pub(super) struct ZstdDecoder<S> {
    source: S,
    /// Made for the first byte.
    context: Option<DCtx<'static>>,
    /// A frame has begun and not ended, or none has begun yet.
    is_inside: bool,
}

impl<S> ZstdDecoder<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, context: None, is_inside: true }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.source
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

impl<S: BufRead> Read for ZstdDecoder<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Self { source, context, is_inside } = self;
        let context = match context {
            Some(context) => context,
            None => context.insert(new_context()?),
        };
        while !out.is_empty() {
            let bytes = source.fill_buf()?;
            let is_all = bytes.is_empty();
            if is_all && !*is_inside {
                break;
            }
            let mut input = InBuffer::around(bytes);
            let mut room = OutBuffer::around(&mut *out);
            let wanted = context.decompress_stream(&mut room, &mut input).map_err(|_| broken())?;
            let (used, count) = (input.pos(), room.pos());
            source.consume(used);
            // Behind a frame, nothing is inside until there are bytes of another one.
            *is_inside = wanted > 0;
            if count > 0 {
                return Ok(count);
            }
            if is_all && *is_inside {
                return Err(cut_off());
            }
        }
        Ok(0)
    }
}

fn new_context() -> io::Result<DCtx<'static>> {
    let none = || io::Error::new(io::ErrorKind::OutOfMemory, "no memory for zstd");
    let mut context = DCtx::try_create().ok_or_else(none)?;
    context.set_parameter(DParameter::WindowLogMax(WINDOW_BITS_MAX)).map_err(|_| broken())?;
    Ok(context)
}
