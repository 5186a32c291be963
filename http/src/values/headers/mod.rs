//! Header fields: an ordered list that is looked up without regard to case.
//!
//! The idea: what is prepared lies in one buffer as the lines that go onto the wire, and a field is two spans into it.
//! So no field costs an allocation of its own, and whoever writes a head copies many fields as one piece. [`Fields`] is
//! the one way to read them, whether the buffer is a [`Headers`]' own or the bytes a request arrived in.
//!
//! The rule: whatever is set, it stays one line. Control bytes in values become spaces, bytes that
//! cannot stand in a name become hyphens, and a field without a name is not stored.

mod fields;
mod kind;
mod ready;

pub(crate) use fields::Field;
pub use fields::{FieldIter, Fields};
pub(crate) use kind::FieldKind;
pub(crate) use ready::{ReadyFields, ReadyName};

use crate::util::span::Span;
use crate::util::token;
use fields::is_named;
use kind::{KindMarks, MarkedNumbers};
use std::ops::Range;

/// What is between a name and its value, and behind a value.
const SEPARATOR: &[u8] = b": ";
const LINE_END: &[u8] = b"\r\n";

/// Bytes of a line that belong to neither name nor value.
const LINE_EXTRA: usize = SEPARATOR.len() + LINE_END.len();

/// Places for more fields than this many are given back by [`Headers::clear`]: 64 KiB.
const KEPT_FIELDS_MAX: usize = crate::wire::output::KEPT_BYTES_MAX / size_of::<Field>();

/// Header fields of a message that is being prepared.
///
/// Names are stored in canonical form: `content-type` becomes `Content-Type`; [`Headers::set_names_normalizing`] turns
/// that off. Values are kept as given except that control bytes other than the tab become
/// spaces. Clearing keeps the memory.
///
/// ```
/// let mut headers = anthill_http::Headers::new();
/// headers.set("x-limit", "10");
/// headers.set("X-Limit", "20\r\nSet-Cookie: forged");
/// assert_eq!(headers.get("x-limit"), Some(&b"20  Set-Cookie: forged"[..]));
/// assert_eq!(headers.len(), 1);
/// ```
// HDR-02.
#[derive(Default)]
pub struct Headers {
    // The line of each field, in field order, without gaps: `set` and `remove` shift what is behind.
    lines: Vec<u8>,
    fields: Vec<Field>,
    marks: KindMarks,
    raw_names: bool,
}

impl Headers {
    /// An empty list that owns no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether names are stored in canonical form from now on, or as they are given; canonical when not set.
    ///
    /// Bytes that cannot stand in a name become hyphens all the same, and fields are still found in any case.
    /// What is stored already stays as it is, and clearing does not change the mode.
    ///
    /// ```
    /// let mut headers = anthill_http::Headers::new();
    /// headers.append("foo-bar", "1");
    /// headers.set_names_normalizing(false);
    /// headers.append("x-mixedCase", "2");
    /// assert!(headers.names().eq(["Foo-Bar", "x-mixedCase"]));
    /// assert_eq!(headers.get_str("X-MixedCase"), Some("2"));
    /// ```
    // HDR-02.
    #[doc(alias = "DisableNormalizing")]
    pub fn set_names_normalizing(&mut self, normalizes: bool) {
        self.raw_names = !normalizes;
    }

    /// All fields, to read.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.lines, &self.fields)
    }

    /// The value of the first field called `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields().get(name)
    }

    /// The value of the first field called `name`, if it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.fields().get_str(name)
    }

    /// The values of all fields called `name`, in order.
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        self.fields().get_all(name)
    }

    /// As [`get_all`](Self::get_all); those that are not UTF-8 are left out.
    pub fn get_all_str<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl DoubleEndedIterator<Item = &'a str> + Clone + use<'a, 'n> {
        self.fields().get_all_str(name)
    }

    /// Whether there is a field called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in order.
    pub fn iter(&self) -> FieldIter<'_> {
        self.fields().iter()
    }

    /// Each name once, in the order and the spelling of its first field; see [`Fields::names`].
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.fields().names()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Makes `value` the only value of `name`, in the place of the first one there was, or at the end.
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    // HDR-03.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        // Something of the same length may be the same field.
        if self.fields.iter().any(|field| field.name.len as usize == name.len()) {
            self.set_where(name, value, |_| true);
        } else {
            self.append(name, value);
        }
    }

    /// The same for a name of ours, which is spelled as it is stored.
    pub(crate) fn set_known(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(token::is_canonical(name.as_bytes()), "{name} is stored otherwise");
        // Something of the same length may be the same field.
        if self.fields.iter().any(|field| field.name.len as usize == name.len()) {
            return self.set_where(name.as_bytes(), value, |_| true);
        }
        let start = self.reserve_line(name.len(), value.len());
        self.lines.extend_from_slice(name.as_bytes());
        self.end_line(start, name.len(), value);
    }

    /// Adds a field at the end, whether or not there are others with its name.
    ///
    /// To add many, there is [`Extend`].
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() {
            return;
        }
        let start = self.reserve_line(name.len(), value.len());
        self.append_name(name);
        self.end_line(start, name.len(), value);
    }

    /// Removes all fields called `name` and says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        self.remove_where(name.as_ref(), |_| true)
    }

    /// Removes the fields for which `keep`, given name and value, says no. The others stay in order.
    ///
    /// When `keep` panics, no field is left.
    ///
    /// ```
    /// let mut headers = anthill_http::Headers::from_iter([("x-a", "1"), ("b", "2"), ("x-c", "3")]);
    /// headers.retain(|name, _| !name.starts_with("X-"));
    /// assert!(headers.iter().eq([("B", &b"2"[..])]));
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &[u8]) -> bool) {
        self.keep_fields(|name, value| keep(std::str::from_utf8(name).unwrap_or_default(), value));
    }

    /// Makes these the fields of `other`, spelt as they are there. Memory is used again.
    ///
    /// Takes what was received as well as what is being prepared. The mode for names given later stays; to
    /// copy it too, there is [`Clone::clone_from`].
    ///
    /// ```
    /// use anthill_http::Headers;
    /// let mut received = Headers::new();
    /// received.set_names_normalizing(false);
    /// received.append("x-id", "7");
    /// let mut forwarded = Headers::from_iter([("Old", "gone")]);
    /// forwarded.copy_from(received.fields());
    /// assert!(forwarded.iter().eq([("x-id", &b"7"[..])]));
    /// ```
    ///
    /// # Panics
    /// When all names and values together exceed 4 GiB.
    // HDR-10.
    pub fn copy_from(&mut self, other: Fields<'_>) {
        self.lines.clear();
        self.fields.clear();
        self.marks = KindMarks::default();
        for (name, value) in other.pairs() {
            self.append_as_is(name, value);
        }
    }

    /// Removes all fields. Memory is kept for the next ones up to 64 KiB of text and 64 KiB of places.
    pub fn clear(&mut self) {
        crate::wire::output::recycle(&mut self.lines);
        self.marks = KindMarks::default();
        if self.fields.capacity() > KEPT_FIELDS_MAX {
            self.fields = Vec::new();
        } else {
            self.fields.clear();
        }
    }

    /// Makes `value` the value of the first field called `name` whose value `is_meant`, and removes the others that
    /// are; adds a field at the end when none is.
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    pub(crate) fn set_where(&mut self, name: &[u8], value: &[u8], is_meant: impl Fn(&[u8]) -> bool) {
        if self.fields.is_empty() {
            return self.append(name, value);
        }
        let mut matches = (0..self.fields.len()).filter(|&index| self.is_field_meant(index, name, &is_meant));
        let Some(first) = matches.next() else {
            return self.append(name, value);
        };
        let has_more = matches.next().is_some();
        drop(matches);
        if has_more {
            let mut index = 0;
            self.keep_fields(|stored, value| {
                index += 1;
                index <= first + 1 || !(is_stored_form(stored, name) && is_meant(value))
            });
        }
        self.respell(first, name);
        self.replace_value(first, value);
    }

    /// Removes all fields called `name` whose value `is_meant`, and says whether there was one.
    pub(crate) fn remove_where(&mut self, name: &[u8], is_meant: impl Fn(&[u8]) -> bool) -> bool {
        let is_there = (0..self.fields.len()).any(|index| self.is_field_meant(index, name, &is_meant));
        if is_there {
            self.keep_fields(|stored, value| !(is_stored_form(stored, name) && is_meant(value)));
        }
        is_there
    }

    /// Adds a field that a parser or another list has made sure of: neither respelt nor made harmless.
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    pub(crate) fn append_as_is(&mut self, name: &[u8], value: &[u8]) {
        let start = self.reserve_line(name.len(), value.len());
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(SEPARATOR);
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(LINE_END);
        self.push_field(start, name.len(), value.len());
    }

    /// The fields that have a place of their own in a head, in order, with their kinds.
    #[inline]
    pub(crate) fn placed(&self) -> PlacedFields<'_> {
        PlacedFields { numbers: self.marks.numbers(self.fields.len()), headers: self }
    }

    /// The value of one of them.
    #[inline]
    pub(crate) fn value_of(&self, field: Field) -> &[u8] {
        field.value.within(&self.lines)
    }

    /// The line of one of them.
    #[inline]
    pub(crate) fn line_of(&self, field: Field) -> &[u8] {
        self.lines.get(field.line()).unwrap_or_default()
    }

    /// Appends the lines of all that have no such place, in as few pieces as there can be.
    #[inline]
    pub(crate) fn append_plain_lines(&self, buffer: &mut Vec<u8>) {
        if self.lines.is_empty() {
            return;
        }
        let mut from = 0;
        for (_, field) in self.placed() {
            let line = field.line();
            buffer.extend_from_slice(self.lines.get(from..line.start).unwrap_or_default());
            from = line.end;
        }
        buffer.extend_from_slice(self.lines.get(from..).unwrap_or_default());
    }

    /// Appends what stands behind the name of the field that begins at `start`.
    fn end_line(&mut self, start: u32, name_len: usize, value: &[u8]) {
        self.lines.extend_from_slice(SEPARATOR);
        token::append_one_line(&mut self.lines, value);
        self.lines.extend_from_slice(LINE_END);
        self.push_field(start, name_len, value.len());
    }

    /// Remembers the field whose line was appended from `start` on, and fits as [`Self::reserve`] has made sure.
    fn push_field(&mut self, start: u32, name_len: usize, value_len: usize) {
        let name = Span { start, len: name_len as u32 };
        self.marks.note(self.fields.len(), name.within(&self.lines));
        self.push_span(start, name_len, value_len);
    }

    /// The same where the kind of the field is known.
    #[inline]
    fn push_span(&mut self, start: u32, name_len: usize, value_len: usize) {
        let name = Span { start, len: name_len as u32 };
        let value_at = start + name.len + SEPARATOR.len() as u32;
        self.fields.push(Field { name, value: Span { start: value_at, len: value_len as u32 } });
    }

    /// Appends some of the fields of another list as they are, by their numbers.
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    #[inline]
    fn append_range(&mut self, other: &Self, numbers: Range<usize>) {
        let Some(fields) = other.fields.get(numbers.clone()) else { return };
        let Some(from) = fields.first().map(|first| first.name.start) else { return };
        let to = other.fields.get(numbers.end).map_or(other.lines.len(), |next| next.name.start as usize);
        let lines = other.lines.get(from as usize..to).unwrap_or_default();
        let start = self.reserve(lines.len());
        if !other.marks.is_empty() {
            let first = numbers.start;
            for number in numbers.filter(|&number| other.marks.has(number)) {
                self.marks.mark(self.fields.len() + (number - first));
            }
        }
        self.lines.extend_from_slice(lines);
        // Around the end of the numbers where what was behind comes to stand before.
        let by = start.wrapping_sub(from);
        let count = self.fields.len();
        self.fields.extend_from_slice(fields);
        if by != 0 {
            for field in &mut self.fields[count..] {
                *field = field.moved(by);
            }
        }
    }

    /// Appends the bytes as which `name` is stored, as many as it has.
    fn append_name(&mut self, name: &[u8]) {
        if self.raw_names {
            self.lines.extend(name.iter().map(|&byte| nameable(byte)));
        } else {
            token::append_canonical_name(&mut self.lines, name);
        }
    }

    /// Writes `name` over the name of the field at `index`, from which it differs in case only.
    fn respell(&mut self, index: usize, name: &[u8]) {
        let end = self.lines.len();
        self.append_name(name);
        self.lines.copy_within(end.., self.fields[index].name.start as usize);
        self.lines.truncate(end);
    }

    /// Whether the field at `index` would be stored under the same name as `name`, and its value `is_meant`.
    fn is_field_meant(&self, index: usize, name: &[u8], is_meant: impl Fn(&[u8]) -> bool) -> bool {
        let Field { name: stored, value } = self.fields[index];
        stored.len as usize == name.len()
            && is_stored_form(stored.within(&self.lines), name)
            && is_meant(value.within(&self.lines))
    }

    /// Makes room for a line, and says where it will start.
    #[inline]
    fn reserve_line(&mut self, name_len: usize, value_len: usize) -> u32 {
        self.reserve(name_len.saturating_add(value_len).saturating_add(LINE_EXTRA))
    }

    /// Makes sure that `additional` more bytes can be addressed, and says where they will start.
    fn reserve(&mut self, additional: usize) -> u32 {
        let end = self.lines.len().saturating_add(additional);
        assert!(end <= u32::MAX as usize, "header fields of more than 4 GiB");
        self.lines.reserve(additional);
        self.lines.len() as u32
    }

    fn replace_value(&mut self, index: usize, value: &[u8]) {
        self.reserve(value.len());
        let old = self.fields[index].value;
        let (start, end) = (old.start as usize, (old.start + old.len) as usize);
        self.lines.splice(start..end, value.iter().copied().map(harmless));
        self.fields[index].value.len = value.len() as u32;
        for field in &mut self.fields[index + 1..] {
            field.name.start = field.name.start - old.len + value.len() as u32;
            field.value.start = field.value.start - old.len + value.len() as u32;
        }
    }

    /// Removes the fields for which `keep` says no and moves the others together, in one pass.
    fn keep_fields(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        // Taken out, so that a panic of `keep` leaves an empty list instead of half a one.
        let mut lines = std::mem::take(&mut self.lines);
        let mut fields = std::mem::take(&mut self.fields);
        let marks = std::mem::take(&mut self.marks);
        let (mut number, mut kept, mut end) = (0, 0, 0_u32);
        let mut kept_marks = KindMarks::default();
        fields.retain_mut(|field| {
            let is_marked = marks.has(number);
            number += 1;
            if !keep(field.name.within(&lines), field.value.within(&lines)) {
                return false;
            }
            if is_marked {
                kept_marks.mark(kept);
            }
            kept += 1;
            let line = field.line();
            let length = line.len() as u32;
            *field = field.moved(end.wrapping_sub(field.name.start));
            lines.copy_within(line, end as usize);
            end += length;
            true
        });
        lines.truncate(end as usize);
        self.lines = lines;
        self.fields = fields;
        self.marks = kept_marks;
    }
}

/// See [`Headers::placed`].
#[derive(Clone)]
pub(crate) struct PlacedFields<'a> {
    numbers: MarkedNumbers,
    headers: &'a Headers,
}

impl Iterator for PlacedFields<'_> {
    type Item = (FieldKind, Field);

    #[inline]
    fn next(&mut self) -> Option<(FieldKind, Field)> {
        loop {
            let field = *self.headers.fields.get(self.numbers.next()?)?;
            let kind = FieldKind::of(field.name.within(&self.headers.lines));
            if kind != FieldKind::Other {
                return Some((kind, field));
            }
        }
    }
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        let (lines, fields) = (self.lines.clone(), self.fields.clone());
        Self { lines, fields, marks: self.marks, raw_names: self.raw_names }
    }

    /// Like an assignment of a clone, in the memory that is there.
    fn clone_from(&mut self, source: &Self) {
        self.lines.clone_from(&source.lines);
        self.fields.clone_from(&source.fields);
        self.marks = source.marks;
        self.raw_names = source.raw_names;
    }
}

/// Appends each pair of name and value, as [`Headers::append`] does.
///
/// ```
/// let mut headers = anthill_http::Headers::new();
/// headers.extend([("vary", "Accept"), ("vary", "Accept-Encoding")]);
/// assert_eq!(headers.get_all("Vary").count(), 2);
/// ```
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for Headers {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.append(name, value);
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        headers.extend(fields);
        headers
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = FieldIter<'a>;

    fn into_iter(self) -> FieldIter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fields().fmt(f)
    }
}

/// Whether `name` would be stored as `stored`, but for case.
fn is_stored_form(stored: &[u8], name: &[u8]) -> bool {
    stored.len() == name.len()
        && stored.iter().zip(name).all(|(stored, &given)| stored.eq_ignore_ascii_case(&nameable(given)))
}

/// The byte that is stored for `byte` in a name.
fn nameable(byte: u8) -> u8 {
    if token::is_token_byte(byte) { byte } else { b'-' }
}

/// The byte that is stored for `byte` in a value.
fn harmless(byte: u8) -> u8 {
    if token::is_control(byte) { b' ' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(headers: &Headers, expected: &[(&str, &str)]) {
        let found: Vec<(&str, &[u8])> = headers.iter().collect();
        let expected: Vec<(&str, &[u8])> =
            expected.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(found, expected);
        assert_eq!(headers.len(), expected.len());
        check_lines(headers);
    }

    /// What whoever writes a head goes by is what the fields are.
    pub(super) fn check_lines(headers: &Headers) {
        let (mut all, mut plain, mut placed) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in headers.fields().pairs() {
            let line = [name, b": ", value, b"\r\n"].concat();
            match FieldKind::of(name) {
                FieldKind::Other => plain.extend_from_slice(&line),
                kind => placed.push((kind, value.to_vec(), line.clone())),
            }
            all.extend_from_slice(&line);
        }
        assert_eq!(headers.lines, all);
        let mut found = Vec::new();
        headers.append_plain_lines(&mut found);
        assert_eq!(found, plain);
        let found = headers
            .placed()
            .map(|(kind, field)| (kind, headers.value_of(field).to_vec(), headers.line_of(field).to_vec()));
        assert_eq!(found.collect::<Vec<_>>(), placed);
    }

    #[test]
    fn names_are_canonical_and_found_in_any_case() {
        let mut headers = Headers::new();
        headers.set("foo-bar", "1");
        check(&headers, &[("Foo-Bar", "1")]);
        assert_eq!(headers.get("FOO-bar"), Some(&b"1"[..]));
        assert_eq!(headers.get_str("foo-BAR"), Some("1"));
        assert_eq!(headers.get("foo_bar"), None);
        assert!(headers.contains("Foo-Bar"));
    }

    #[test]
    fn appending_keeps_all_and_setting_leaves_one() {
        let mut headers = Headers::new();
        for value in 0..10 {
            headers.append("many", value.to_string());
            headers.append("other", "x");
        }
        assert_eq!(headers.get_all("Many").count(), 10);
        headers.set("MANY", "a longer value than before");
        assert_eq!(headers.get_all("many").collect::<Vec<_>>(), [b"a longer value than before"]);
        assert_eq!(headers.len(), 11);
        assert_eq!(headers.iter().next(), Some(("Many", &b"a longer value than before"[..])));
        headers.set("many", "");
        assert_eq!(headers.get("many"), Some(&b""[..]));
        assert!(headers.remove("other"));
        assert!(!headers.remove("other"));
        check(&headers, &[("Many", "")]);
    }

    #[test]
    fn nothing_that_is_set_makes_a_second_line() {
        let mut headers = Headers::new();
        headers.set("a\r\nb: c", "v\r\nx: y\0z\x7f");
        check(&headers, &[("A--B--C", "v  x: y z ")]);
        headers.set("a\r\nb: c", "again\n");
        check(&headers, &[("A--B--C", "again ")]);
        headers.set("", "no name");
        headers.append("", "no name");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn clearing_keeps_the_memory() {
        let mut headers = Headers::new();
        headers.set("name", "value");
        let capacity = headers.lines.capacity();
        headers.clear();
        assert!(headers.is_empty());
        assert_eq!(headers.lines.capacity(), capacity);
        for _ in 0..=KEPT_FIELDS_MAX {
            headers.append("a", "");
        }
        headers.clear();
        assert_eq!(headers.fields.capacity(), 0);
    }

    #[test]
    fn copying_uses_the_memory_that_is_there() {
        let source = Headers::from_iter([("a", "1"), ("b", ""), ("a", "3")]);
        let mut target = Headers::new();
        target.append("a-name-of-some-length", "x".repeat(100));
        target.extend((0..10).map(|_| ("n", "v")));
        let places = |headers: &Headers| (headers.lines.as_ptr(), headers.fields.as_ptr());
        let before = places(&target);
        target.clone_from(&source);
        check(&target, &[("A", "1"), ("B", ""), ("A", "3")]);
        target.copy_from(source.fields());
        check(&target, &[("A", "1"), ("B", ""), ("A", "3")]);
        target.retain(|_, value| !value.is_empty());
        check(&target, &[("A", "1"), ("A", "3")]);
        target.set("A", "2");
        assert!(target.remove("a"));
        assert_eq!(places(&target), before);
    }

    #[test]
    fn what_was_parsed_is_kept_as_it_is() {
        let mut headers = Headers::new();
        headers.append_as_is(b"x-oDD", b"\xff");
        headers.append_as_is(b"X-Odd", b"2");
        assert!(headers.iter().eq([("x-oDD", &b"\xff"[..]), ("X-Odd", b"2")]));
        headers.set("X-ODD", "1");
        check(&headers, &[("X-Odd", "1")]);
    }

    #[test]
    fn a_panic_while_retaining_leaves_a_sound_list() {
        let mut headers = Headers::from_iter([("a", "1"), ("b", "2"), ("c", "3")]);
        let panics = std::panic::AssertUnwindSafe(|| {
            headers.retain(|name, _| if name == "C" { panic!("on purpose") } else { name == "B" });
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        check(&headers, &[]);
        headers.set("d", "4");
        check(&headers, &[("D", "4")]);
    }

    /// What the list should do, done with a vector of pairs.
    #[derive(Clone, Debug)]
    enum Edit {
        Set(String, String),
        Append(String, String),
        Remove(String),
        Retain(String),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let name = || {
            prop_oneof![4 => "[a-c]{1,2}", 1 => prop::sample::select(&["date", "server", "set-cookie"][..])
            .prop_map(str::to_owned)]
        };
        let pair = || (name(), "[ -~]{0,6}");
        let edit = prop_oneof![
            pair().prop_map(|(name, value)| Edit::Set(name, value)),
            pair().prop_map(|(name, value)| Edit::Append(name, value)),
            name().prop_map(Edit::Remove),
            "[ -~]{0,2}".prop_map(Edit::Retain),
        ];
        proptest::collection::vec(edit, 0..40)
    }

    proptest! {
        #[test]
        fn behaves_like_a_list_of_pairs(
            edits in edits(),
            is_raw: bool,
            others in prop_oneof![Just(0_usize), 55_usize..66],
        ) {
            let mut headers = Headers::new();
            headers.set_names_normalizing(!is_raw);
            let mut model: Vec<(String, String)> = vec![("x".to_owned(), "~".to_owned()); others];
            headers.extend(model.iter().map(|(name, value)| (name, value)));
            for edit in edits {
                match edit {
                    Edit::Append(name, value) => {
                        headers.append(&name, &value);
                        model.push((name, value));
                    }
                    Edit::Remove(name) => {
                        let had = model.iter().any(|pair| pair.0 == name);
                        model.retain(|pair| pair.0 != name);
                        prop_assert_eq!(headers.remove(&name), had);
                    }
                    Edit::Retain(least) => {
                        model.retain(|pair| pair.1 >= least);
                        headers.retain(|_, value| value >= least.as_bytes());
                    }
                    Edit::Set(name, value) => {
                        headers.set(&name, &value);
                        match model.iter().position(|pair| pair.0 == name) {
                            Some(first) => {
                                model[first].1 = value;
                                let mut index = 0;
                                model.retain(|pair| {
                                    index += 1;
                                    pair.0 != name || index == first + 1
                                });
                            }
                            None => model.push((name, value)),
                        }
                    }
                }
                let found: Vec<(String, Vec<u8>)> =
                    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
                let expected: Vec<(String, Vec<u8>)> =
                    model.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
                prop_assert_eq!(&found, &expected);
                check_lines(&headers);
                let mut copy = Headers::from_iter([("b", "1"), ("c", "2")]);
                copy.copy_from(headers.fields());
                prop_assert!(copy.iter().eq(headers.iter()));
                check_lines(&copy);
                let (mut names, mut seen): (Vec<String>, _) = (Vec::new(), BTreeSet::new());
                names.extend(model.iter().map(|pair| pair.0.clone()).filter(|name| seen.insert(name.clone())));
                prop_assert_eq!(headers.names().map(str::to_ascii_lowercase).collect::<Vec<_>>(), names);
            }
        }
    }
}
