//! Entity tags: `"v1"`, `W/"v1"`, and the lists of them in `If-Match` and `If-None-Match`.
//!
//! Source: RFC 9110 sections 8.8.3, 13.1.1, 13.1.2.
//!
//! The rule: an element that is no entity tag matches nothing, so the doubtful case sends a full answer or
//! refuses a change. A backslash is a byte like any other here, not an escape.

use super::list::trim_start;
use crate::util::token;
use std::fmt;

/// An entity tag, as it is written.
///
/// ```
/// use anthill_http::header::EntityTag;
/// let strong = EntityTag::parse(br#""v1""#).unwrap();
/// let weak = EntityTag::parse(br#"W/"v1""#).unwrap();
/// assert_eq!((weak.is_weak(), weak.opaque(), weak.as_bytes()), (true, &b"v1"[..], &br#"W/"v1""#[..]));
/// assert!(strong.weak_eq(weak) && !strong.strong_eq(weak) && strong.strong_eq(strong));
/// assert!(EntityTag::parse(b"v1").is_none());
/// ```
#[derive(Clone, Copy)]
pub struct EntityTag<'a> {
    bytes: &'a [u8],
    is_weak: bool,
}

impl<'a> EntityTag<'a> {
    /// Reads one tag with its quotes. `None` when it is not well-formed.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = Self::split(token::trim(text))?;
        rest.is_empty().then_some(tag)
    }

    /// One that was made here, with its quotes and its mark.
    pub(crate) fn made(bytes: &'a [u8], is_weak: bool) -> Self {
        debug_assert!(
            Self::parse(bytes).is_some_and(|tag| tag.is_weak == is_weak),
            "{}",
            bytes.escape_ascii()
        );
        Self { bytes, is_weak }
    }

    /// Whether it is marked as weak: equal tags then mean equivalent content, not equal bytes.
    pub fn is_weak(self) -> bool {
        self.is_weak
    }

    /// What stands between the quotes.
    pub fn opaque(self) -> &'a [u8] {
        let start = if self.is_weak { 3 } else { 1 };
        self.bytes.get(start..self.bytes.len() - 1).unwrap_or_default()
    }

    /// The tag as it is written.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the content is equivalent: the strong or weak tags are the same but for the mark.
    pub fn weak_eq(self, other: EntityTag<'_>) -> bool {
        self.opaque() == other.opaque()
    }

    /// Whether the content is equal byte for byte: the tags are the same and both strong.
    pub fn strong_eq(self, other: EntityTag<'_>) -> bool {
        !self.is_weak && !other.is_weak && self.weak_eq(other)
    }

    /// A tag at the start of `text`, and what follows it.
    fn split(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let is_weak = text.starts_with(b"W/");
        let start = if is_weak { 3 } else { 1 };
        if text.get(start - 1) != Some(&b'"') {
            return None;
        }
        let inside = &text[start..];
        let length = inside.iter().position(|&byte| byte <= b' ' || byte == b'"' || byte == 0x7f)?;
        if inside[length] != b'"' {
            return None;
        }
        let (bytes, rest) = text.split_at(start + length + 1);
        Some((Self { bytes, is_weak }, rest))
    }
}

impl AsRef<[u8]> for EntityTag<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.bytes))
    }
}

/// The value of an `If-Match` or `If-None-Match` field, to compare with the tag of what there is.
///
/// ```
/// use anthill_http::header::{EntityTag, EntityTagList};
/// let current = EntityTag::parse(br#""v2""#);
/// let known = EntityTagList::new([r#""v1", W/"v2""#]);
/// // A GET with If-None-Match: the client has it, so 304 Not Modified.
/// assert!(known.matches_weakly(current));
/// // A PUT with If-Match: not the same bytes, so 412 Precondition Failed.
/// assert!(!known.matches_strongly(current));
/// // `*` is matched by whatever there is.
/// assert!(EntityTagList::new(["*"]).matches_strongly(None));
/// ```
#[derive(Clone, Debug)]
pub struct EntityTagList<L> {
    lines: L,
}

impl<'a, T, L> EntityTagList<L>
where
    T: AsRef<[u8]> + ?Sized + 'a,
    L: Iterator<Item = &'a T> + Clone,
{
    /// From the values of all fields of that name, or an array of one value.
    pub fn new(lines: impl IntoIterator<IntoIter = L, Item = &'a T>) -> Self {
        Self { lines: lines.into_iter() }
    }

    /// Whether the value is `*`, which stands for anything that exists.
    pub fn is_any(&self) -> bool {
        self.lines.clone().any(|line| token::trim(line.as_ref()) == b"*")
    }

    /// The well-formed tags of the list, in order.
    pub fn iter(&self) -> impl Iterator<Item = EntityTag<'a>> + use<'a, L, T> {
        self.lines.clone().flat_map(|line| Tags { rest: line.as_ref() })
    }

    /// For `If-None-Match`: whether the list has the tag of the representation that there is, if it has one,
    /// or is `*`. What does not exist matches nothing: then this is not to be asked.
    pub fn matches_weakly(&self, current: Option<EntityTag<'_>>) -> bool {
        self.is_any() || current.is_some_and(|current| self.iter().any(|tag| tag.weak_eq(current)))
    }

    /// For `If-Match`: like [`EntityTagList::matches_weakly`], but only strong tags count.
    pub fn matches_strongly(&self, current: Option<EntityTag<'_>>) -> bool {
        self.is_any() || current.is_some_and(|current| self.iter().any(|tag| tag.strong_eq(current)))
    }
}

/// The tags of one line. What is no tag is skipped up to the next comma.
#[derive(Clone)]
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = EntityTag<'a>;

    fn next(&mut self) -> Option<EntityTag<'a>> {
        while !self.rest.is_empty() {
            let found = EntityTag::split(trim_start(self.rest));
            let behind = found.map_or(self.rest, |(_, rest)| rest);
            let comma = memchr::memchr(b',', behind).unwrap_or(behind.len());
            let (junk, rest) = behind.split_at(comma);
            self.rest = rest.get(1..).unwrap_or_default();
            match found {
                Some((tag, _)) if token::trim(junk).is_empty() => return Some(tag),
                _ => {}
            }
        }
        None
    }
}
