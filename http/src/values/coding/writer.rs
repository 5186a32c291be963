//! Compressing what is written, as it is written.

use super::encoder::{Encoder, Extent};
use super::{CompressionLevel, ContentCoding};
use std::fmt;
use std::io::{self, Write};

/// Compresses what is written to it, and writes that to another writer (fasthttp's `WriteGzip` and so on).
///
/// A flush brings the reader all that was written so far, and costs some bytes. The end is written by
/// [`finish`](Self::finish) alone: what was dropped before is cut off, as its reader will notice.
///
/// Responses need none: [`compress`](crate::compress) wraps their handler.
///
/// ```
/// # #[cfg(feature = "gzip")] {
/// use anthill_http::body::{CompressionLevel, ContentCoding, ContentDecoder, ContentEncoder};
/// use std::io::{Read, Write};
///
/// let mut log = ContentEncoder::new(Vec::new(), ContentCoding::Gzip, CompressionLevel::Default)?;
/// writeln!(log, "one line")?;
/// writeln!(log, "and another")?;
/// let packed = log.finish()?;
///
/// let mut text = String::new();
/// ContentDecoder::new("gzip", &packed[..]).unwrap().read_to_string(&mut text)?;
/// assert_eq!(text, "one line\nand another\n");
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the other writer.
#[doc(alias("WriteGzip", "WriteDeflate", "WriteBrotli", "WriteZstd"))]
pub struct ContentEncoder<W> {
    writer: W,
    encoder: Encoder,
    /// Of what has come out, so much was not written yet.
    packed: Vec<u8>,
}

/// What is written at once.
const PACKED_BYTES: usize = 16 * 1024;

impl<W: Write> ContentEncoder<W> {
    /// Writes to `writer` in that coding.
    ///
    /// # Errors
    /// When there is no memory for a coder, which some codings can say.
    pub fn new(writer: W, coding: ContentCoding, level: impl Into<CompressionLevel>) -> io::Result<Self> {
        let encoder = Encoder::new(coding, level.into(), Extent::Stream)?;
        Ok(Self { writer, encoder, packed: Vec::new() })
    }

    /// Writes the end, and gives the writer back, which was not flushed.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.encoder.finish(&mut self.packed)?;
        self.write_packed()?;
        Ok(self.writer)
    }

    /// The writer behind this one.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    fn write_packed(&mut self) -> io::Result<()> {
        // What has failed once is not written again from the start.
        let written = self.writer.write_all(&self.packed);
        self.packed.clear();
        written
    }
}

impl<W: Write> Write for ContentEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.encode(bytes, &mut self.packed)?;
        if self.packed.len() >= PACKED_BYTES {
            self.write_packed()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush(&mut self.packed)?;
        self.write_packed()?;
        self.writer.flush()
    }
}

impl<W> fmt::Debug for ContentEncoder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentEncoder").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}
