//! Codings of bytes that are all there.

use super::encoder::{Encoder, Extent};
use super::{CompressionLevel, ContentCoding, ContentDecoder};
use std::io::{self, Read};

impl ContentCoding {
    /// Appends `bytes` compressed to `out` (fasthttp's `AppendGzipBytes` and so on).
    ///
    /// ```
    /// # #[cfg(feature = "gzip")] {
    /// use anthill_http::body::{CompressionLevel, ContentCoding};
    /// let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
    /// let mut packed = Vec::new();
    /// ContentCoding::Gzip.append_encoded(&mut packed, text.as_bytes(), CompressionLevel::Best)?;
    /// assert!(packed.len() < text.len() / 10);
    ///
    /// let mut unpacked = Vec::new();
    /// ContentCoding::Gzip.append_decoded(&mut unpacked, &packed, 1024 * 1024)?;
    /// assert_eq!(unpacked, text.as_bytes());
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no memory for a coder, which some codings can say. `out` is as it was then.
    #[doc(alias("AppendGzipBytes", "AppendDeflateBytes", "AppendBrotliBytes", "AppendZstdBytes"))]
    pub fn append_encoded(
        self,
        out: &mut Vec<u8>,
        bytes: impl AsRef<[u8]>,
        level: impl Into<CompressionLevel>,
    ) -> io::Result<()> {
        let bytes = bytes.as_ref();
        let begin = out.len();
        let encoder = Encoder::new(self, level.into(), Extent::Whole(bytes.len()));
        let encoded = encoder.and_then(|mut encoder| encoder.encode_last(bytes, out));
        encoded.inspect_err(|_| out.truncate(begin))
    }

    /// Appends what `bytes` were before they were compressed to `out`, at most `max` bytes of it; `None`: however much
    /// it is (fasthttp's `AppendGunzipBytes` and so on). What is compressed beyond belief is an error as well; see
    /// [`ContentDecoder::max_ratio`].
    ///
    /// ```
    /// # #[cfg(feature = "gzip")] {
    /// use anthill_http::body::{ContentCoding, DecodeLimit};
    /// // "aaaa" in zlib's format.
    /// let packed = [0x78, 0x9c, 0x4b, 0x4c, 0x4c, 0x4c, 0x04, 0x00, 0x03, 0xce, 0x01, 0x85];
    /// let mut text = Vec::new();
    /// let error = ContentCoding::Deflate.append_decoded(&mut text, packed, 3).unwrap_err();
    /// assert_eq!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(&DecodeLimit::Bytes));
    /// assert!(text.is_empty());
    /// ContentCoding::Deflate.append_decoded(&mut text, packed, None)?;
    /// assert_eq!(text, b"aaaa");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`ContentDecoder`]. `out` is as it was then.
    #[doc(alias("AppendGunzipBytes", "AppendInflateBytes", "AppendUnbrotliBytes", "AppendUnzstdBytes"))]
    pub fn append_decoded(
        self,
        out: &mut Vec<u8>,
        bytes: impl AsRef<[u8]>,
        max: impl Into<Option<u64>>,
    ) -> io::Result<()> {
        let begin = out.len();
        let decoder = ContentDecoder::new(self.name(), bytes.as_ref())?;
        let decoded = decoder.max_decoded_bytes(max).read_to_end(out).map(drop);
        decoded.inspect_err(|_| out.truncate(begin))
    }
}
