//! Byte ranges as a client asks for them: `bytes=0-499, 1000-, -500`.
//!
//! The idea: a range that exists cannot be empty or overflow ([`ByteRange`]), and the field is read once to judge
//! it and again to hand its ranges out, so nothing is kept.
//!
//! Source: RFC 9110 sections 14.1.1, 14.1.2, 14.2. Where fasthttp answers every error with 416, the
//! error here tells what RFC 9110 makes of it.
//!
//! The rule: the number of ranges is bounded, and so is what a server can be made to send.

use super::text::ValueText;
use crate::util::token;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Range, RangeFrom};

/// The bytes from one position to another, both included; never empty.
///
/// ```
/// use anthill_http::header::ByteRange;
/// let range = ByteRange::new(2, 4).unwrap();
/// assert_eq!((range.first(), range.last(), range.len()), (2, 4, 3));
/// assert_eq!(range.bounds(), 2..5);
/// assert_eq!(ByteRange::new(4, 2), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// Never empty, so there is no `is_empty`.
#[allow(clippy::len_without_is_empty)]
pub struct ByteRange {
    first: u64,
    last: u64,
}

impl ByteRange {
    /// The bytes from `first` to `last`. `None` when `last` is smaller, or the greatest number of all, which
    /// has no successor.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last && last < u64::MAX).then_some(Self { first, last })
    }

    /// The position of the first byte.
    pub fn first(self) -> u64 {
        self.first
    }

    /// The position of the last byte, which belongs to the range.
    pub fn last(self) -> u64 {
        self.last
    }

    /// The number of bytes, at least one.
    pub fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// The range as Rust writes it: with the end behind the last byte.
    pub fn bounds(self) -> Range<u64> {
        self.first..self.last + 1
    }
}

/// One range as it stands in a `Range` field, not yet compared with a length.
///
/// ```
/// use anthill_http::header::{ByteRange, RangeSpec};
/// let forms = [RangeSpec::Between(ByteRange::new(0, 499).unwrap()), (500..).into(), RangeSpec::Last(500)];
/// let written: Vec<_> = forms.iter().map(|form| form.to_value().to_string()).collect();
/// assert_eq!(written, ["bytes=0-499", "bytes=500-", "bytes=-500"]);
/// assert_eq!(RangeSpec::Last(500).resolve(700), ByteRange::new(200, 699));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeSpec {
    /// `0-499`: from a position to a position.
    Between(ByteRange),
    /// `500-`: everything from a position on.
    StartingAt(u64),
    /// `-500`: so many bytes at the end.
    Last(u64),
}

impl RangeSpec {
    /// Reads one element of a list of ranges. Numbers that are too great count as the greatest.
    ///
    /// ```
    /// use anthill_http::header::RangeSpec;
    /// assert_eq!(RangeSpec::parse(b"7-"), Some(RangeSpec::StartingAt(7)));
    /// assert_eq!(RangeSpec::parse(b"7-6"), None);
    /// ```
    pub fn parse(spec: &[u8]) -> Option<Self> {
        let hyphen = memchr::memchr(b'-', spec)?;
        match (&spec[..hyphen], &spec[hyphen + 1..]) {
            (b"", suffix) => Some(Self::Last(number(suffix)?)),
            (first, b"") => Some(Self::StartingAt(number(first)?)),
            (first, last) => {
                // No representation is so long that a byte stands at the greatest position.
                let clip = |position: u64| position.min(u64::MAX - 1);
                Some(Self::Between(ByteRange::new(clip(number(first)?), clip(number(last)?))?))
            }
        }
    }

    /// The part of `length` bytes that is meant. `None` when there is none: it would begin behind the end, or
    /// be empty.
    pub fn resolve(self, length: u64) -> Option<ByteRange> {
        let last = length.checked_sub(1)?;
        match self {
            Self::Between(range) => ByteRange::new(range.first, range.last.min(last)),
            Self::StartingAt(first) => ByteRange::new(first, last),
            Self::Last(0) => None,
            Self::Last(count) => ByteRange::new(length.saturating_sub(count), last),
        }
    }

    /// The whole value of a `Range` field that asks for this range alone: `bytes=0-499`.
    pub fn to_value(self) -> String {
        self.text().as_str().to_owned()
    }

    /// As [`to_value`](Self::to_value), without memory of its own.
    pub(crate) fn text(self) -> ValueText {
        ValueText::of(format_args!("bytes={self}"))
    }
}

impl From<ByteRange> for RangeSpec {
    fn from(range: ByteRange) -> Self {
        Self::Between(range)
    }
}

impl From<RangeFrom<u64>> for RangeSpec {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::StartingAt(range.start)
    }
}

impl fmt::Display for RangeSpec {
    /// Without the unit: `0-499`, `500-`, `-500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(range) => write!(f, "{}-{}", range.first, range.last),
            Self::StartingAt(first) => write!(f, "{first}-"),
            Self::Last(count) => write!(f, "-{count}"),
        }
    }
}

/// Why a `Range` field gives no ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RangeError {
    /// The unit is not `bytes`: send everything, as if there were no such field.
    OtherUnit,
    /// The field breaks the grammar or has a range whose end lies before its start: send everything.
    Malformed,
    /// There are more than [`ByteRanges::MAX`] ranges: send everything, or refuse.
    TooMany,
    /// No range has a byte in common with what there is: answer 416, with
    /// [`ContentRange::Unsatisfied`](super::ContentRange::Unsatisfied).
    Unsatisfiable,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherUnit => "ranges in a unit other than bytes: ignore the field",
            Self::Malformed => "a malformed list of ranges: ignore the field",
            Self::TooMany => "too many ranges: ignore the field or refuse the request",
            Self::Unsatisfiable => "no range lies within the content: answer with status 416",
        })
    }
}

impl std::error::Error for RangeError {}

/// Iterator over the ranges of a field that lie within the content; see [`parse`](ByteRanges::parse).
#[derive(Clone, Debug)]
pub struct ByteRanges<'a> {
    specs: &'a [u8],
    length: u64,
    found: usize,
}

impl<'a> ByteRanges<'a> {
    /// Fields with more ranges than this many are [`RangeError::TooMany`].
    pub const MAX: usize = 32;

    /// Reads the `Range` field `value` for content of `length` bytes.
    ///
    /// Ranges are clipped to the content, in the order they were asked for; those that lie behind it are left out. A
    /// server may merge them or send everything when together they are longer than the content
    /// ([`total_len`](Self::total_len)).
    ///
    /// ```
    /// use anthill_http::header::{ByteRange, ByteRanges, RangeError};
    /// let mut ranges = ByteRanges::parse(b"bytes=0-1, 5000-, -3", 1000)?;
    /// assert_eq!(ranges.len(), 2);
    /// assert_eq!(ranges.next(), ByteRange::new(0, 1));
    /// assert_eq!(ranges.next(), ByteRange::new(997, 999));
    /// assert_eq!(ByteRanges::parse(b"bytes=1000-", 1000).err(), Some(RangeError::Unsatisfiable));
    /// # Ok::<(), RangeError>(())
    /// ```
    ///
    /// # Errors
    /// [`RangeError`], which says what to answer.
    pub fn parse(value: &'a [u8], length: u64) -> Result<Self, RangeError> {
        let value = token::trim(value);
        let equals = memchr::memchr(b'=', value).ok_or(RangeError::Malformed)?;
        let (unit, specs) = (&value[..equals], &value[equals + 1..]);
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Err(if token::is_token(unit) { RangeError::OtherUnit } else { RangeError::Malformed });
        }
        let (mut asked, mut found) = (0, 0);
        for spec in token::list(specs) {
            if asked == Self::MAX {
                return Err(RangeError::TooMany);
            }
            asked += 1;
            let spec = RangeSpec::parse(spec).ok_or(RangeError::Malformed)?;
            found += usize::from(spec.resolve(length).is_some());
        }
        match (asked, found) {
            (0, _) => Err(RangeError::Malformed),
            (_, 0) => Err(RangeError::Unsatisfiable),
            _ => Ok(Self { specs, length, found }),
        }
    }

    /// The number of bytes in the ranges that are left, bytes that are in two of them counted twice.
    pub fn total_len(&self) -> u64 {
        self.clone().fold(0, |total, range| total.saturating_add(range.len()))
    }
}

impl Iterator for ByteRanges<'_> {
    type Item = ByteRange;

    fn next(&mut self) -> Option<ByteRange> {
        while self.found > 0 {
            let end = memchr::memchr(b',', self.specs).unwrap_or(self.specs.len());
            let spec = RangeSpec::parse(token::trim(&self.specs[..end]));
            self.specs = self.specs.get(end + 1..).unwrap_or_default();
            if let Some(range) = spec.and_then(|spec| spec.resolve(self.length)) {
                self.found -= 1;
                return Some(range);
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.found, Some(self.found))
    }
}

impl ExactSizeIterator for ByteRanges<'_> {}

impl FusedIterator for ByteRanges<'_> {}

/// A number of at least one digit; the greatest there is when it is greater than that.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: u64, digit: &u8| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}
