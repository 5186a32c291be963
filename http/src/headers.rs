//! Header fields: an ordered list that is looked up without regard to case.
//!
//! The idea: names and values lie one after the other in one buffer and a field is two spans into it, so
//! neither a received nor a prepared field costs an allocation of its own. [`Fields`] is the one way to read
//! them, whether the buffer is a [`Headers`]' own or the bytes a request arrived in.
//!
//! The rule: whatever is set, it stays one line (`HDR-05`). Control bytes in values become spaces, bytes that
//! cannot stand in a name become hyphens, and a field without a name is not stored.

use crate::util::span::Span;
use crate::util::token;

/// Where a field's name and value are in the buffer they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
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
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .filter(move |field| is_named(bytes, field, name.as_bytes()))
            .map(move |field| field.value.within(bytes))
    }

    /// Whether there is a field called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names (as received, or in the canonical form they were given) and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.pairs().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values as bytes.
    #[inline]
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| (field.name.within(bytes), field.value.within(bytes)))
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// Header fields of a message that is being prepared.
///
/// Names are stored in canonical form: `content-type` becomes `Content-Type` (row `HDR-02`). Values are kept
/// as given except that control bytes other than the tab become spaces. Clearing keeps the memory.
///
/// ```
/// let mut headers = anthill_http::Headers::new();
/// headers.set("x-limit", "10");
/// headers.set("X-Limit", "20\r\nSet-Cookie: forged");
/// assert_eq!(headers.get("x-limit"), Some(&b"20  Set-Cookie: forged"[..]));
/// assert_eq!(headers.len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    // Name and value of each field, in field order, without gaps: `set` and `remove` shift what is behind.
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Headers {
    /// An empty list that owns no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All fields, to read.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.bytes, &self.fields)
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
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields().get_all(name)
    }

    /// Whether there is a field called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields().iter()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Makes `value` the only value of `name`, in the place of the first one there was, or at the end
    /// (`HDR-03`).
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let mut matches = (0..self.fields.len()).filter(|&index| self.is_field_named(index, name));
        let Some(first) = matches.next() else {
            return self.append(name, value);
        };
        let has_more = matches.next().is_some();
        drop(matches);
        if has_more {
            self.remove_named(name, first + 1);
        }
        self.replace_value(first, value.as_ref());
    }

    /// Adds a field at the end, whether or not there are others with its name.
    ///
    /// # Panics
    /// When all names and values together would exceed 4 GiB.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() {
            return;
        }
        let start = self.reserve(name.len().saturating_add(value.len()));
        token::append_canonical_name(&mut self.bytes, name);
        token::append_one_line(&mut self.bytes, value);
        let name = Span { start, len: name.len() as u32 };
        self.fields.push(Field { name, value: Span { start: start + name.len, len: value.len() as u32 } });
    }

    /// Adds a field that the parser has found to be well formed, as it is.
    pub(crate) fn append_as_is(&mut self, name: &[u8], value: &[u8]) {
        let start = self.reserve(name.len().saturating_add(value.len()));
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let name = Span { start, len: name.len() as u32 };
        self.fields.push(Field { name, value: Span { start: start + name.len, len: value.len() as u32 } });
    }

    /// Removes all fields called `name` and says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        self.remove_named(name.as_ref(), 0)
    }

    /// Removes all fields. Memory is kept for the next ones up to 64 KiB.
    pub fn clear(&mut self) {
        crate::output::recycle(&mut self.bytes);
        self.fields.clear();
    }

    /// Whether the field at `index` would have the same canonical name as `name`.
    fn is_field_named(&self, index: usize, name: &[u8]) -> bool {
        let stored = self.fields[index].name.within(&self.bytes);
        stored.len() == name.len()
            && stored.iter().zip(name).all(|(stored, &given)| {
                let given = if token::is_token_byte(given) { given } else { b'-' };
                stored.eq_ignore_ascii_case(&given)
            })
    }

    /// Makes sure that `additional` more bytes can be addressed, and says where they will start.
    fn reserve(&mut self, additional: usize) -> u32 {
        let end = self.bytes.len().saturating_add(additional);
        assert!(end <= u32::MAX as usize, "header fields of more than 4 GiB");
        self.bytes.reserve(additional);
        self.bytes.len() as u32
    }

    fn replace_value(&mut self, index: usize, value: &[u8]) {
        self.reserve(value.len());
        let old = self.fields[index].value;
        let (start, end) = (old.start as usize, (old.start + old.len) as usize);
        self.bytes.splice(start..end, value.iter().copied().map(harmless));
        self.fields[index].value.len = value.len() as u32;
        for field in &mut self.fields[index + 1..] {
            field.name.start = field.name.start - old.len + value.len() as u32;
            field.value.start = field.value.start - old.len + value.len() as u32;
        }
    }

    /// Removes the fields called `name` from the one at `from` on.
    fn remove_named(&mut self, name: &[u8], from: usize) -> bool {
        let before = self.fields.len();
        let mut index = from;
        while index < self.fields.len() {
            if self.is_field_named(index, name) {
                self.remove_at(index);
            } else {
                index += 1;
            }
        }
        self.fields.len() != before
    }

    fn remove_at(&mut self, index: usize) {
        let Field { name, value } = self.fields.remove(index);
        let length = name.len + value.len;
        self.bytes.drain(name.start as usize..(name.start + length) as usize);
        for field in &mut self.fields[index..] {
            field.name.start -= length;
            field.value.start -= length;
        }
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fields().fmt(f)
    }
}

/// Whether `field` in `bytes` is called `name`.
#[inline]
fn is_named(bytes: &[u8], field: &Field, name: &[u8]) -> bool {
    // The length rules most fields out before their bytes are touched.
    field.name.len as usize == name.len() && field.name.within(bytes).eq_ignore_ascii_case(name)
}

/// The byte that is stored for `byte` in a value.
fn harmless(byte: u8) -> u8 {
    if (byte < b' ' && byte != b'\t') || byte == 0x7f { b' ' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(headers: &Headers, expected: &[(&str, &str)]) {
        let found: Vec<(&str, &[u8])> = headers.iter().collect();
        let expected: Vec<(&str, &[u8])> =
            expected.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(found, expected);
        assert_eq!(headers.len(), expected.len());
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
        let capacity = headers.bytes.capacity();
        headers.clear();
        assert!(headers.is_empty());
        assert_eq!(headers.bytes.capacity(), capacity);
    }

    /// What the list should do, done with a vector of pairs.
    #[derive(Clone, Debug)]
    enum Edit {
        Set(String, String),
        Append(String, String),
        Remove(String),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let pair = || ("[a-c]{1,2}", "[ -~]{0,6}");
        let edit = prop_oneof![
            pair().prop_map(|(name, value)| Edit::Set(name, value)),
            pair().prop_map(|(name, value)| Edit::Append(name, value)),
            "[a-c]{1,2}".prop_map(Edit::Remove),
        ];
        proptest::collection::vec(edit, 0..40)
    }

    proptest! {
        #[test]
        fn behaves_like_a_list_of_pairs(edits in edits()) {
            let mut headers = Headers::new();
            let mut model: Vec<(String, String)> = Vec::new();
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
                prop_assert_eq!(found, expected);
            }
        }
    }
}
