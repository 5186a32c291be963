//! The `Content-Range` field: which part of the whole a message carries.
//!
//! Source: RFC 9110 section 14.4.

use super::range::ByteRange;
use super::text::ValueText;
use std::fmt;

/// The value of a `Content-Range` field, to write and to read.
///
/// ```
/// use anthill_http::header::{ByteRange, ContentRange};
/// let range = ByteRange::new(123, 456).unwrap();
/// let part = ContentRange::Part { range, length: Some(789) };
/// assert_eq!(part.to_string(), "bytes 123-456/789");
/// assert_eq!(ContentRange::parse(b"bytes 123-456/789"), Some(part));
/// assert_eq!(ContentRange::Unsatisfied { length: 789 }.to_string(), "bytes */789");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentRange {
    /// `bytes 0-499/1234`, or `bytes 0-499/*` when the length of the whole is not known; with status 206.
    Part {
        /// The bytes that are sent.
        range: ByteRange,
        /// The length of the whole.
        length: Option<u64>,
    },
    /// `bytes */1234`: no range that was asked for lies within the whole; with status 416.
    Unsatisfied {
        /// The length of the whole.
        length: u64,
    },
}

impl ContentRange {
    /// Reads a value. `None` when it is malformed, in another unit, beyond 64 bits, or a range that does not
    /// lie within the length it states.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_at_checked(b"bytes ".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let slash = memchr::memchr(b'/', rest)?;
        let (range, length) = (&rest[..slash], &rest[slash + 1..]);
        let length = if length == b"*" { None } else { Some(number(length)?) };
        if range == b"*" {
            return Some(Self::Unsatisfied { length: length? });
        }
        let hyphen = memchr::memchr(b'-', range)?;
        let range = ByteRange::new(number(&range[..hyphen])?, number(&range[hyphen + 1..])?)?;
        let is_within = length.is_none_or(|length| range.last() < length);
        is_within.then_some(Self::Part { range, length })
    }

    /// The value as it is sent.
    pub(crate) fn text(self) -> ValueText {
        ValueText::of(self)
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { range, length: Some(length) } => {
                write!(f, "bytes {}-{}/{length}", range.first(), range.last())
            }
            Self::Part { range, length: None } => write!(f, "bytes {}-{}/*", range.first(), range.last()),
            Self::Unsatisfied { length } => write!(f, "bytes */{length}"),
        }
    }
}

/// A number of nothing but digits that fits.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
