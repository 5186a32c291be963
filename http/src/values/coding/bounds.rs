//! How much may come out of a body with a content coding.
//!
//! The idea: two bounds. So many bytes altogether, which is what memory is reckoned by; and so many for each encoded
//! byte, which is what tells a bomb from a large body, long before the first bound is reached. A little may come out
//! at any ratio: it harms nobody, and short content that repeats itself is honest.
//!
//! The rule: what exceeds a bound is never handed out, and exceeds it for good.

use std::{fmt, io};

/// A bound of a [`ContentDecoder`](super::ContentDecoder) that the content exceeds; 413 is the answer.
///
/// Reading gives it as the inner error of an [`io::Error`] of kind `InvalidData`. A handler that fails with that error
/// is answered 413.
///
/// ```
/// use anthill_http::body::{ContentDecoder, DecodeLimit};
/// use std::io::Read;
///
/// // "aaaa" in zlib's format.
/// let encoded: &[u8] = &[0x78, 0x9c, 0x4b, 0x4c, 0x4c, 0x4c, 0x04, 0x00, 0x03, 0xce, 0x01, 0x85];
/// let mut decoder = ContentDecoder::new("deflate", encoded)?.max_decoded_bytes(3);
/// let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
/// assert_eq!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(&DecodeLimit::Bytes));
/// # Ok::<(), anthill_http::body::CodingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeLimit {
    /// The bytes that come out; see [`max_decoded_bytes`](super::ContentDecoder::max_decoded_bytes).
    Bytes,
    /// The bytes that come out for each one that was read; see [`max_ratio`](super::ContentDecoder::max_ratio).
    Ratio,
}

impl DecodeLimit {
    /// The one in `error`.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for DecodeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "the decoded content has too many bytes: send less, or raise the limit",
            Self::Ratio => {
                "the content is compressed beyond belief: send it with less compression or none, or raise the limit"
            }
        })
    }
}

impl std::error::Error for DecodeLimit {}

/// Bytes that come out at most, unless somebody says otherwise: as many as a form may have.
pub(crate) const DECODED_BYTES_DEFAULT: u64 = 32 * 1024 * 1024;

/// Decoded bytes for an encoded one at most, unless somebody says otherwise. Text and logs come to some 10 or 20; what
/// both codings can do at most is 1030.
pub(crate) const RATIO_DEFAULT: u32 = 200;

/// So many bytes may come out at any ratio.
pub(crate) const ANY_RATIO_BYTES: u64 = 1024 * 1024;

/// The bounds, and what has come out so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodedBounds {
    pub(crate) bytes_max: Option<u64>,
    pub(crate) ratio_max: Option<u32>,
    decoded: u64,
}

impl DecodedBounds {
    pub(crate) fn new() -> Self {
        Self { bytes_max: Some(DECODED_BYTES_DEFAULT), ratio_max: Some(RATIO_DEFAULT), decoded: 0 }
    }

    /// How much has come out.
    #[cfg(feature = "ws")]
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Counts what has come out. `encoded` bytes were used for all that ever did.
    pub(crate) fn count(&mut self, decoded: usize, encoded: u64) -> Result<(), DecodeLimit> {
        self.decoded = self.decoded.saturating_add(decoded as u64);
        if self.bytes_max.is_some_and(|max| self.decoded > max) {
            return Err(DecodeLimit::Bytes);
        }
        let is_dense =
            |ratio: u32| self.decoded > ANY_RATIO_BYTES.max(encoded.saturating_mul(u64::from(ratio)));
        if self.ratio_max.is_some_and(is_dense) { Err(DecodeLimit::Ratio) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_f9_bounds_are_met_to_the_byte() {
        let after = |mut bounds: DecodedBounds, counts: &[(usize, u64)]| {
            counts.iter().try_for_each(|&(decoded, encoded)| bounds.count(decoded, encoded))
        };
        let bytes = DecodedBounds { bytes_max: Some(10), ratio_max: None, decoded: 0 };
        assert_eq!(after(bytes, &[(4, 1), (6, 1)]), Ok(()));
        assert_eq!(after(bytes, &[(4, 1), (7, 1)]), Err(DecodeLimit::Bytes));
        assert_eq!(after(DecodedBounds { bytes_max: Some(0), ..bytes }, &[(0, 1)]), Ok(()));

        let ratio = DecodedBounds { bytes_max: None, ratio_max: Some(2), decoded: 0 };
        let free = ANY_RATIO_BYTES as usize;
        assert_eq!(after(ratio, &[(free, 1)]), Ok(()));
        assert_eq!(after(ratio, &[(free, 1), (1, 1)]), Err(DecodeLimit::Ratio));
        assert_eq!(after(ratio, &[(free, 1), (free, free as u64)]), Ok(()));
        assert_eq!(after(ratio, &[(free, 1), (free + 1, free as u64)]), Err(DecodeLimit::Ratio));
        let none = DecodedBounds { bytes_max: None, ratio_max: None, decoded: 0 };
        assert_eq!(after(none, &[(usize::MAX, 0), (usize::MAX, 0)]), Ok(()));
    }
}
