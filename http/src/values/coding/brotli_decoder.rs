//! Brotli's decoder over a buffered reader.
//!
//! The rule: windows above 16 MiB, which are no part of RFC 7932, are refused, and a window takes what its content
//! claims to have at most.

use super::undecodable::{broken, cut_off};
use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use std::io::{self, BufRead, Read};

type DecoderState = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(super) struct BrotliDecoder<S> {
    source: S,
    state: Box<DecoderState>,
    has_ended: bool,
}

impl<S> BrotliDecoder<S> {
    pub(super) fn new(source: S) -> Self {
        let memory = StandardAlloc::default();
        Self { source, state: Box::new(DecoderState::new_strict(memory, memory, memory)), has_ended: false }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.source
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

impl<S: BufRead> Read for BrotliDecoder<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended && !out.is_empty() {
            let bytes = self.source.fill_buf()?;
            let is_all = bytes.is_empty();
            let (mut left, mut used) = (bytes.len(), 0);
            let (mut room, mut count) = (out.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut used,
                bytes,
                &mut room,
                &mut count,
                out,
                &mut 0,
                &mut self.state,
            );
            self.source.consume(used);
            match result {
                BrotliResult::ResultSuccess => self.has_ended = true,
                BrotliResult::ResultFailure => return Err(broken()),
                BrotliResult::NeedsMoreInput if is_all && count == 0 => return Err(cut_off()),
                BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            }
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }
}
