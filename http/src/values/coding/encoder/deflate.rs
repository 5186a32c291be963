//! `gzip` and `deflate`: a stream of raw DEFLATE between a header and a checksum.
//!
//! The idea: only the checksum has to be kept from piece to piece. So a coder, which is large, is taken when there is
//! something to compress, and a stream that rests has none.
//!
//! Source: RFC 1950, RFC 1952.

use crate::values::coding::deflaters::RawDeflater;
use anthill_pool::Pooled;
use flate2::{Crc, FlushCompress};
use std::io;
use zlib_rs::adler32::adler32;

pub(super) struct DeflateEncoder {
    frame: Frame,
    level: u8,
    has_begun: bool,
    coder: Option<Pooled<'static, RawDeflater>>,
}

/// What is around the stream, and what of it was seen so far.
enum Frame {
    Gzip(Crc),
    /// An Adler-32.
    Zlib(u32),
}

/// RFC 1950 section 8.2.
const ADLER32_OF_NOTHING: u32 = 1;

impl DeflateEncoder {
    pub(super) fn gzip(level: u8) -> Self {
        Self { frame: Frame::Gzip(Crc::new()), level, has_begun: false, coder: None }
    }

    pub(super) fn zlib(level: u8) -> Self {
        Self { frame: Frame::Zlib(ADLER32_OF_NOTHING), level, has_begun: false, coder: None }
    }

    pub(super) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.frame.count(bytes);
        self.append(bytes, FlushCompress::None, out)
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.append(&[], FlushCompress::Sync, out)
    }

    /// Appends what comes of `bytes`, and the end.
    pub(super) fn encode_last(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.frame.count(bytes);
        self.append(bytes, FlushCompress::Finish, out)?;
        self.coder = None;
        self.frame.append_end(out);
        Ok(())
    }

    pub(super) fn rest(&mut self) {
        self.coder = None;
    }

    fn append(&mut self, bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.frame.append_begin(self.level, out);
        }
        let level = self.level;
        let coder = self.coder.get_or_insert_with(|| RawDeflater::take(level));
        if coder.append(bytes, flush, out) { Ok(()) } else { Err(io::Error::other("deflate failed")) }
    }
}

impl Frame {
    fn append_begin(&self, level: u8, out: &mut Vec<u8>) {
        match self {
            Self::Gzip(_) => {
                let effort = match level {
                    9 => 2,
                    0 | 1 => 4,
                    _ => 0,
                };
                // No name, no time, no system.
                out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255]);
            }
            // A window of 32 KiB; the second makes a multiple of 31 of both.
            Self::Zlib(_) => out.extend_from_slice(match level {
                0 | 1 => &[0x78, 0x01],
                2..=5 => &[0x78, 0x5e],
                6 => &[0x78, 0x9c],
                _ => &[0x78, 0xda],
            }),
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        match self {
            Self::Gzip(sum) => sum.update(bytes),
            Self::Zlib(sum) => *sum = adler32(*sum, bytes),
        }
    }

    fn append_end(&self, out: &mut Vec<u8>) {
        match self {
            Self::Gzip(sum) => {
                out.extend_from_slice(&sum.sum().to_le_bytes());
                out.extend_from_slice(&sum.amount().to_le_bytes());
            }
            Self::Zlib(sum) => out.extend_from_slice(&sum.to_be_bytes()),
        }
    }
}
