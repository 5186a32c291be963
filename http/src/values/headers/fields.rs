//! How header fields are read: names and values as spans of the bytes they lie in.
//!
//! The idea: there is one way to read them, whether the bytes are those of a list that is being prepared or those that
//! a message arrived in.

use super::LINE_END;
use crate::util::span::Span;
use std::ops::Range;

/// Where a field's name and value are in the buffer they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Field {
    /// Where its line is, in a buffer of lines as they go onto the wire.
    #[inline]
    pub(super) fn line(self) -> Range<usize> {
        let end = self.value.start as usize + self.value.len as usize + LINE_END.len();
        self.name.start as usize..end
    }

    /// The same field so much further behind, around the end of the numbers.
    #[inline]
    pub(super) fn moved(self, by: u32) -> Self {
        let moved = |span: Span| Span { start: span.start.wrapping_add(by), ..span };
        Self { name: moved(self.name), value: moved(self.value) }
    }

    /// The name as text: empty when it is none, which neither the parser nor [`Headers`] lets happen.
    fn name_within(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.name.within(bytes)).unwrap_or_default()
    }
}

/// A borrowed view of header fields, in the order they were received or added.
///
/// Names are compared without regard to ASCII case.
///
/// ```
/// let mut headers = anthill_http::Headers::new();
/// headers.append("accept", "text/html");
/// headers.append("accept", "text/plain");
/// let fields = headers.fields();
/// assert_eq!(fields.get("ACCEPT"), Some(&b"text/html"[..]));
/// assert_eq!(fields.get_all("Accept").count(), 2);
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], fields: &'a [Field]) -> Self {
        Self { bytes, fields }
    }

    /// The value of the first field called `name`.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field called `name`, if it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all fields called `name`, in order.
    pub fn get_all<'n>(
        &self,
        name: &'n str,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .filter(move |field| is_named(bytes, field, name.as_bytes()))
            .map(move |field| field.value.within(bytes))
    }

    /// As [`get_all`](Self::get_all); those that are not UTF-8 are left out.
    pub fn get_all_str<'n>(
        &self,
        name: &'n str,
    ) -> impl DoubleEndedIterator<Item = &'a str> + Clone + use<'a, 'n> {
        self.get_all(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether there is a field called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names (as received, or in the form they were stored in) and values in order.
    pub fn iter(&self) -> FieldIter<'a> {
        FieldIter { bytes: self.bytes, fields: self.fields.iter() }
    }

    /// Each name once, in the order and the spelling of its first field.
    ///
    /// The time it takes grows with the square of the number of fields, which a server limits.
    ///
    /// ```
    /// let headers = anthill_http::Headers::from_iter([("a", "1"), ("b", "2"), ("A", "3")]);
    /// assert!(headers.fields().names().eq(["A", "B"]));
    /// ```
    // HDR-04.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let Self { bytes, fields } = *self;
        let is_first = move |&(index, field): &(usize, &Field)| {
            let name = field.name.within(bytes);
            !fields[..index].iter().any(|earlier| is_named(bytes, earlier, name))
        };
        fields.iter().enumerate().filter(is_first).map(move |(_, field)| field.name_within(bytes))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether there is a field called `name`, as bytes.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.fields.iter().any(|field| is_named(self.bytes, field, name))
    }

    /// Names and values as bytes.
    #[inline]
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| (field.name.within(bytes), field.value.within(bytes)))
    }
}

impl<'a> IntoIterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = FieldIter<'a>;

    fn into_iter(self) -> FieldIter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// Iterator over names and values; see [`Fields::iter`].
#[derive(Clone, Debug)]
pub struct FieldIter<'a> {
    bytes: &'a [u8],
    fields: std::slice::Iter<'a, Field>,
}

impl<'a> FieldIter<'a> {
    fn pair(bytes: &'a [u8], field: &Field) -> (&'a str, &'a [u8]) {
        (field.name_within(bytes), field.value.within(bytes))
    }
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.fields.next().map(|field| Self::pair(self.bytes, field))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl DoubleEndedIterator for FieldIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.fields.next_back().map(|field| Self::pair(self.bytes, field))
    }
}

impl ExactSizeIterator for FieldIter<'_> {}

impl std::iter::FusedIterator for FieldIter<'_> {}

/// Whether `field` in `bytes` is called `name`.
#[inline]
pub(super) fn is_named(bytes: &[u8], field: &Field, name: &[u8]) -> bool {
    // The length rules most fields out before their bytes are touched.
    field.name.len as usize == name.len() && field.name.within(bytes).eq_ignore_ascii_case(name)
}
