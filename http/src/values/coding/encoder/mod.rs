//! Encoders without input or output: bytes in, and what comes of them appended to a buffer.
//!
//! The idea: one type for all codings, so that whoever sends a body does not care which it is.

#[cfg(feature = "br")]
mod brotli;
#[cfg(feature = "br")]
mod brotli_memory;
#[cfg(feature = "gzip")]
mod deflate;
mod places;
#[cfg(all(test, any(feature = "br", feature = "zstd")))]
mod reuse;
#[cfg(feature = "zstd")]
mod zstd;

pub(crate) use places::{CoderPlace, StreamCoders};

use super::{CompressionLevel, ContentCoding};
use std::fmt;
use std::io;

/// How much there is to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Exactly so many bytes, all of which are here.
    Whole(usize),
    /// Nobody knows, or they come one after the other. What refers back is bounded then, since an encoder is kept as
    /// long as its client takes.
    Stream,
}

/// Compresses one body.
pub(crate) struct Encoder {
    kind: EncoderKind,
    /// What it counts as, if it is counted.
    _place: Option<CoderPlace>,
}

enum EncoderKind {
    #[cfg(feature = "gzip")]
    Deflate(deflate::DeflateEncoder),
    #[cfg(feature = "br")]
    Brotli(brotli::BrotliEncoder),
    #[cfg(feature = "zstd")]
    Zstd(zstd::ZstdEncoder),
}

impl Encoder {
    pub(crate) fn new(coding: ContentCoding, level: CompressionLevel, extent: Extent) -> io::Result<Self> {
        #[cfg(not(any(feature = "br", feature = "zstd")))]
        let _ = extent;
        let level = level.of(coding);
        let kind = match coding {
            #[cfg(feature = "gzip")]
            ContentCoding::Gzip => EncoderKind::Deflate(deflate::DeflateEncoder::gzip(level)),
            #[cfg(feature = "gzip")]
            ContentCoding::Deflate => EncoderKind::Deflate(deflate::DeflateEncoder::zlib(level)),
            #[cfg(feature = "br")]
            ContentCoding::Brotli => EncoderKind::Brotli(brotli::BrotliEncoder::new(level, extent)),
            #[cfg(feature = "zstd")]
            ContentCoding::Zstd => EncoderKind::Zstd(zstd::ZstdEncoder::new(level, extent)?),
        };
        Ok(Self { kind, _place: None })
    }

    /// The same, which has that place until it is dropped.
    pub(crate) fn at(self, place: CoderPlace) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// Takes `bytes`, and appends what has come of them and those before to `out`, which may be nothing yet.
    pub(crate) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.kind {
            #[cfg(feature = "gzip")]
            EncoderKind::Deflate(encoder) => encoder.encode(bytes, out),
            #[cfg(feature = "br")]
            EncoderKind::Brotli(encoder) => encoder.encode(bytes, out),
            #[cfg(feature = "zstd")]
            EncoderKind::Zstd(encoder) => encoder.encode(bytes, out),
        }
    }

    /// Appends whatever a decoder needs to give all that was taken so far.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.kind {
            #[cfg(feature = "gzip")]
            EncoderKind::Deflate(encoder) => encoder.flush(out),
            #[cfg(feature = "br")]
            EncoderKind::Brotli(encoder) => encoder.flush(out),
            #[cfg(feature = "zstd")]
            EncoderKind::Zstd(encoder) => encoder.flush(out),
        }
    }

    /// Appends the end. Nothing may be given to the encoder behind that.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.encode_last(&[], out)
    }

    /// Takes the last `bytes`, or all there are, and appends what comes of them and the end. That is less work than to
    /// do one after the other.
    pub(crate) fn encode_last(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.kind {
            #[cfg(feature = "gzip")]
            EncoderKind::Deflate(encoder) => encoder.encode_last(bytes, out),
            #[cfg(feature = "br")]
            EncoderKind::Brotli(encoder) => encoder.encode_last(bytes, out),
            #[cfg(feature = "zstd")]
            EncoderKind::Zstd(encoder) => encoder.encode_last(bytes, out),
        }
    }

    /// Whether an encoder of `coding` can do without its memory between two flushes; see [`rest`](Self::rest).
    pub(crate) fn can_rest(coding: ContentCoding) -> bool {
        match coding {
            #[cfg(feature = "gzip")]
            ContentCoding::Gzip | ContentCoding::Deflate => true,
            #[cfg(any(feature = "br", feature = "zstd"))]
            _ => false,
        }
    }

    /// Gives back the coder until there is something again, behind a flush. What comes then does not refer to what has
    /// been.
    pub(crate) fn rest(&mut self) {
        match &mut self.kind {
            #[cfg(feature = "gzip")]
            EncoderKind::Deflate(encoder) => encoder.rest(),
            #[cfg(any(feature = "br", feature = "zstd"))]
            _ => {}
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            #[cfg(feature = "gzip")]
            EncoderKind::Deflate(_) => "Encoder(deflate)",
            #[cfg(feature = "br")]
            EncoderKind::Brotli(_) => "Encoder(br)",
            #[cfg(feature = "zstd")]
            EncoderKind::Zstd(_) => "Encoder(zstd)",
        })
    }
}

/// What a window has at the least, and of a stream at the most.
#[cfg(any(feature = "br", feature = "zstd"))]
const WINDOW_BITS_MIN: u32 = 16;
#[cfg(any(feature = "br", feature = "zstd"))]
const WINDOW_BITS_STREAM: u32 = 18;
#[cfg(any(feature = "br", feature = "zstd"))]
const WINDOW_BITS_MAX: u32 = 22;

/// Bits of the window that is worth its memory: a coder's memory follows its window, whatever is in it.
#[cfg(any(feature = "br", feature = "zstd"))]
fn window_bits(extent: Extent) -> u32 {
    match extent {
        Extent::Whole(bytes) => {
            let needed = usize::BITS - bytes.saturating_sub(1).leading_zeros();
            needed.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX)
        }
        Extent::Stream => WINDOW_BITS_STREAM,
    }
}
