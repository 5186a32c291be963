//! Arguments of queries and urlencoded forms: an ordered list of keys and values.
//!
//! The idea: keys and values lie one after the other in one buffer and a pair is a start and two lengths, so a list
//! that is used again allocates nothing. What goes in and out is plain bytes; escapes exist only in what is parsed
//! and printed.
//!
//! The rule: pairs lie in the buffer in their order and without gaps. Every byte has a way in and out: what was
//! printed is parsed to the same list, but for pairs without a byte.

use std::cmp::Ordering;
use std::{fmt, io};

use crate::util::pairs::Pairs;
use crate::util::percent;
use crate::util::span::Span;
use crate::wire::output::{KEPT_BYTES_MAX, recycle};

/// Keys with values, in order, as in a query or in an urlencoded form.
///
/// A key may be there several times, and may be without a value: `a` is not `a=` (both read as empty, and each is
/// printed as it was). Keys are compared byte by byte. Clearing and parsing anew keep the memory.
///
/// ```
/// use anthill_http::Args;
///
/// let mut args = Args::parse("q=caf%C3%A9+au+lait&page=2&raw");
/// assert_eq!(args.get_str("q"), Some("café au lait"));
/// assert_eq!(args.get_uint("page"), Ok(2));
/// assert!(args.contains("raw") && !args.contains("Raw"));
///
/// args.set("page", "3");
/// args.append("q", "tea & cake");
/// assert_eq!(args.to_string(), "q=caf%C3%A9+au+lait&page=3&raw&q=tea+%26+cake");
/// ```
#[derive(Default, PartialEq, Eq)]
pub struct Args {
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
}

/// Where a pair is: its key, then at once its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    start: u32,
    key_len: u32,
    /// [`NO_VALUE`] when there is none.
    value_len: u32,
}

/// The length of a value that is not there.
const NO_VALUE: u32 = u32::MAX;

/// So long may all keys and values be together: less than [`NO_VALUE`].
const BYTES_MAX: usize = (u32::MAX - 1) as usize;

impl Pair {
    fn key(self) -> Span {
        Span { start: self.start, len: self.key_len }
    }

    fn has_value(self) -> bool {
        self.value_len != NO_VALUE
    }

    /// Empty when there is no value.
    fn value(self) -> Span {
        Span { start: self.start + self.key_len, len: if self.has_value() { self.value_len } else { 0 } }
    }

    fn end(self) -> u32 {
        self.value().start + self.value().len
    }
}

/// Why an argument is not the number it was asked for as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgError {
    /// There is no such key, or its first value is empty.
    Missing,
    /// The value is no number of the form that was asked for.
    NotANumber,
    /// The value is a number beyond what the type can hold.
    TooLarge,
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the argument has no value: ask whether it is there first",
            Self::NotANumber => "the argument's value is not a number: tell its sender",
            Self::TooLarge => "the argument's value is too large a number: tell its sender",
        })
    }
}

impl std::error::Error for ArgError {}

impl Args {
    /// An empty list that owns no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pairs of a query (without its `?`) or of an urlencoded body.
    ///
    /// Every input has a reading: `&` separates pairs, the first `=` of a pair separates key and value, `+` is a
    /// space, `%41` is an `A`, and a `%` without two hex digits is a percent sign. Pairs without any byte (`&&`, `=`)
    /// are left out.
    ///
    /// ```
    /// let args = anthill_http::Args::parse("a+b=1%2&&c&=");
    /// assert!(args.iter().eq([(&b"a b"[..], Some(&b"1%2"[..])), (&b"c"[..], None)]));
    /// ```
    #[doc(alias = "ParseBytes")]
    pub fn parse(raw: impl AsRef<[u8]>) -> Self {
        let mut args = Self::new();
        args.assign(raw);
        args
    }

    /// Replaces all pairs by those of `raw`, which is read as by [`Args::parse`], in the memory there is.
    ///
    /// What would make the list longer than 4 GiB is left out.
    #[doc(alias = "Parse")]
    pub fn assign(&mut self, raw: impl AsRef<[u8]>) {
        self.clear();
        for (key, value) in Pairs::of(raw.as_ref()) {
            let value_size = value.map_or(0, <[u8]>::len);
            if key.len().saturating_add(value_size).saturating_add(self.bytes.len()) > BYTES_MAX {
                break;
            }
            let start = self.bytes.len() as u32;
            percent::append_decoded_query(&mut self.bytes, key);
            let key_len = self.bytes.len() as u32 - start;
            let value_len = value.map_or(NO_VALUE, |value| {
                percent::append_decoded_query(&mut self.bytes, value);
                self.bytes.len() as u32 - start - key_len
            });
            self.pairs.push(Pair { start, key_len, value_len });
        }
    }

    /// The first value of `key`; empty when the key is there without a value.
    #[doc(alias = "Peek")]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.position(key.as_ref()).map(|index| self.pairs[index].value().within(&self.bytes))
    }

    /// The first value of `key`, if it is UTF-8.
    pub fn get_str(&self, key: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.get(key)?).ok()
    }

    /// All values of `key` in order; empty where it is without a value.
    #[doc(alias = "PeekMulti")]
    pub fn get_all<'a, K: AsRef<[u8]>>(&'a self, key: K) -> impl Iterator<Item = &'a [u8]> + use<'a, K> {
        let matches = self.pairs.iter().filter(move |pair| pair.key().within(&self.bytes) == key.as_ref());
        matches.map(|pair| pair.value().within(&self.bytes))
    }

    /// As [`get_all`](Self::get_all); those that are not UTF-8 are left out.
    ///
    /// ```
    /// let args = anthill_http::Args::parse("tag=a&tag=%ff&tag=b");
    /// assert!(args.get_all_str("tag").eq(["a", "b"]));
    /// ```
    pub fn get_all_str<'a, K: AsRef<[u8]>>(&'a self, key: K) -> impl Iterator<Item = &'a str> + use<'a, K> {
        self.get_all(key).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether `key` is there, with or without a value.
    #[doc(alias = "Has")]
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        self.position(key.as_ref()).is_some()
    }

    /// The first value of `key` as a number: digits and nothing else.
    ///
    /// # Errors
    /// When there is no such key or its value is empty, when the value has another byte than digits, and when the
    /// number does not fit.
    ///
    /// ```
    /// use anthill_http::{ArgError, Args};
    ///
    /// let args = Args::parse("a=10&b=-1&c=");
    /// assert_eq!(args.get_uint("a"), Ok(10));
    /// assert_eq!(args.get_uint("b"), Err(ArgError::NotANumber));
    /// assert_eq!(args.get_uint("c"), Err(ArgError::Missing));
    /// assert_eq!(args.get_uint("d").unwrap_or(0), 0);
    /// ```
    #[doc(alias = "GetUintOrZero")]
    pub fn get_uint(&self, key: impl AsRef<[u8]>) -> Result<u64, ArgError> {
        let digits = self.value_of(key)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(ArgError::NotANumber);
        }
        let append = |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits.iter().try_fold(0, append).ok_or(ArgError::TooLarge)
    }

    /// The first value of `key` as a finite number that is not negative, such as `1`, `0.5`, `.5` or `2e-3`.
    ///
    /// # Errors
    /// As [`Args::get_uint`]. Signs before the number and words such as `inf` are refused.
    #[doc(alias = "GetUfloat")]
    pub fn get_float(&self, key: impl AsRef<[u8]>) -> Result<f64, ArgError> {
        let value = self.value_of(key)?;
        if !matches!(value[0], b'0'..=b'9' | b'.') {
            return Err(ArgError::NotANumber);
        }
        let text = std::str::from_utf8(value).map_err(|_| ArgError::NotANumber)?;
        let number: f64 = text.parse().map_err(|_| ArgError::NotANumber)?;
        if number.is_finite() { Ok(number) } else { Err(ArgError::TooLarge) }
    }

    /// Whether the first value of `key` says yes: `1`, `t`, `T`, `true`, `TRUE`, `True`, `y`, `Y`, `yes`, `YES` or
    /// `Yes`. Everything else, and a key that is not there, is a no.
    pub fn get_bool(&self, key: impl AsRef<[u8]>) -> bool {
        matches!(
            self.get(key),
            Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" | b"y" | b"Y" | b"yes" | b"YES" | b"Yes")
        )
    }

    /// Keys and values in order; `None` for a key without a value.
    #[doc(alias = "VisitAll")]
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.pairs.iter().map(|pair| {
            let value = pair.has_value().then(|| pair.value().within(&self.bytes));
            (pair.key().within(&self.bytes), value)
        })
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a pair at the end, whether or not there are others with its key.
    ///
    /// # Panics
    /// When all keys and values together would exceed 4 GiB.
    #[doc(alias = "Add")]
    pub fn append(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.push(key.as_ref(), Some(value.as_ref()));
    }

    /// Adds a key without a value at the end. It is printed without `=`.
    ///
    /// # Panics
    /// When all keys and values together would exceed 4 GiB.
    #[doc(alias = "AddNoValue")]
    pub fn append_no_value(&mut self, key: impl AsRef<[u8]>) {
        self.push(key.as_ref(), None);
    }

    /// Replaces the first value of `key`, or adds the pair at the end. Further pairs with this key stay, as in
    /// fasthttp; [`Args::remove`] first if there must be but one.
    ///
    /// # Panics
    /// When all keys and values together would exceed 4 GiB.
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.put(key.as_ref(), Some(value.as_ref()));
    }

    /// Takes the first value of `key` away but not the key, or adds the key without a value at the end.
    ///
    /// # Panics
    /// When all keys and values together would exceed 4 GiB.
    #[doc(alias = "SetNoValue")]
    pub fn set_no_value(&mut self, key: impl AsRef<[u8]>) {
        self.put(key.as_ref(), None);
    }

    /// [`Args::set`] with a number in decimal digits.
    ///
    /// # Panics
    /// When all keys and values together would exceed 4 GiB.
    pub fn set_uint(&mut self, key: impl AsRef<[u8]>, value: u64) {
        self.set(key, itoa::Buffer::new().format(value));
    }

    /// Removes all pairs with `key` and says whether there was one. The others keep their order.
    #[doc(alias = "Del")]
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        let Self { bytes, pairs } = self;
        let before = pairs.len();
        let mut kept = 0;
        // One pass, however many there are: what stays moves down over what goes.
        pairs.retain_mut(|pair| {
            if pair.key().within(bytes) == key {
                return false;
            }
            let (start, end) = (pair.start as usize, pair.end() as usize);
            bytes.copy_within(start..end, kept);
            pair.start = kept as u32;
            kept += end - start;
            true
        });
        bytes.truncate(kept);
        pairs.len() != before
    }

    /// Removes all pairs. Memory is kept for the next ones, up to 64 KiB for pairs and 64 KiB for their bytes.
    #[doc(alias = "Reset")]
    pub fn clear(&mut self) {
        recycle(&mut self.bytes);
        if self.pairs.capacity() > KEPT_BYTES_MAX / size_of::<Pair>() {
            self.pairs = Vec::new();
        } else {
            self.pairs.clear();
        }
    }

    /// Sorts by key and, where keys are equal, by value.
    ///
    /// ```
    /// let mut args = anthill_http::Args::parse("b=1&a=2&a=1");
    /// args.sort();
    /// assert_eq!(args.to_string(), "a=1&a=2&b=1");
    /// ```
    pub fn sort(&mut self) {
        self.sort_by(Ord::cmp);
    }

    /// Sorts by key; pairs with the same key keep their order.
    pub fn sort_keys(&mut self) {
        self.sort_pairs(|(one, _), (other, _)| one.cmp(other));
    }

    /// Sorts by key and, where keys are equal, by value, both in the order of `compare`. Pairs that are equal in it
    /// keep their order.
    ///
    /// # Panics
    /// When `compare` does, and possibly when it is no total order; see [`slice::sort_by`]. The list is then as it was.
    pub fn sort_by(&mut self, mut compare: impl FnMut(&[u8], &[u8]) -> Ordering) {
        self.sort_pairs(|one, other| compare(one.0, other.0).then_with(|| compare(one.1, other.1)));
    }

    /// Appends the pairs as a query, or as the body of a form.
    ///
    /// Letters, digits and `-._~` stand as they are, a space is a `+`, every other byte is an escape such as `%2F`:
    /// what Go's `url.QueryEscape` does.
    #[doc(alias = "AppendBytes")]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            percent::append_encoded_query(out, key);
            if let Some(value) = value {
                out.push(b'=');
                percent::append_encoded_query(out, value);
            }
        }
    }

    /// The pairs as a query, or as the body of a form; see [`Args::append_to`].
    #[doc(alias = "QueryString")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }

    /// Writes what [`Args::to_bytes`] says, in one go.
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write_to(&self, mut writer: impl io::Write) -> io::Result<()> {
        writer.write_all(&self.to_bytes())
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.key().within(&self.bytes) == key)
    }

    /// The first value of `key` if it is not empty.
    fn value_of(&self, key: impl AsRef<[u8]>) -> Result<&[u8], ArgError> {
        self.get(key).filter(|value| !value.is_empty()).ok_or(ArgError::Missing)
    }

    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let value_size = value.map_or(0, <[u8]>::len);
        self.reserve(key.len().saturating_add(value_size));
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value_len = value.map_or(NO_VALUE, |value| value.len() as u32);
        self.pairs.push(Pair { start, key_len: key.len() as u32, value_len });
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(index) = self.position(key) else { return self.push(key, value) };
        let new = value.unwrap_or_default();
        self.reserve(new.len());
        let old = self.pairs[index].value();
        self.bytes.splice(old.start as usize..(old.start + old.len) as usize, new.iter().copied());
        let new_len = new.len() as u32;
        self.pairs[index].value_len = if value.is_some() { new_len } else { NO_VALUE };
        for pair in &mut self.pairs[index + 1..] {
            pair.start = pair.start - old.len + new_len;
        }
    }

    /// Makes sure that `additional` more bytes can be addressed.
    fn reserve(&mut self, additional: usize) {
        let end = self.bytes.len().saturating_add(additional);
        assert!(end <= BYTES_MAX, "arguments of more than 4 GiB");
        self.bytes.reserve(additional);
    }

    fn sort_pairs(&mut self, mut compare: impl FnMut((&[u8], &[u8]), (&[u8], &[u8])) -> Ordering) {
        let bytes = &self.bytes;
        let parts = |pair: &Pair| (pair.key().within(bytes), pair.value().within(bytes));
        // A copy: a comparison that panics leaves the list as it was, and not pairs in another order than their bytes.
        let mut pairs = self.pairs.clone();
        pairs.sort_by(|one, other| compare(parts(one), parts(other)));
        let mut sorted = Vec::with_capacity(bytes.len());
        for pair in &mut pairs {
            let start = sorted.len() as u32;
            sorted.extend_from_slice(&bytes[pair.start as usize..pair.end() as usize]);
            pair.start = start;
        }
        (self.bytes, self.pairs) = (sorted, pairs);
    }
}

impl Clone for Args {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), pairs: self.pairs.clone() }
    }

    /// Copies into the memory there is.
    fn clone_from(&mut self, source: &Self) {
        self.bytes.clone_from(&source.bytes);
        self.pairs.clone_from(&source.pairs);
    }
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(K, V)> for Args {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.append(key, value);
        }
    }
}

/// ```
/// let args: anthill_http::Args = [("from", "A B"), ("to", "C")].into_iter().collect();
/// assert_eq!(args.to_string(), "from=A+B&to=C");
/// ```
impl<K: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(K, V)> for Args {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut args = Self::new();
        args.extend(pairs);
        args
    }
}

/// The pairs as a query; see [`Args::append_to`].
impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent::text_of(&self.to_bytes()))
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_list().entries(self.iter().map(|(key, value)| (text(key), value.map(text)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_again_keeps_the_memory() {
        let mut args = Args::parse("a=1&b=%41&c&d=e");
        let memory = |args: &Args| (args.bytes.as_ptr(), args.pairs.as_ptr(), args.pairs.capacity());
        let before = memory(&args);
        args.assign("c=3&d=4");
        args.clear();
        args.append("x", "y");
        args.set("x", "");
        args.remove("x");
        args.clone_from(&Args::parse("k=v"));
        assert_eq!(memory(&args), before);
        assert_eq!(args.to_bytes(), b"k=v");
    }

    #[test]
    fn one_big_form_does_not_pin_its_memory() {
        let mut args = Args::parse("ab&".repeat(KEPT_BYTES_MAX));
        assert_eq!(args.len(), KEPT_BYTES_MAX);
        args.clear();
        assert_eq!((args.bytes.capacity(), args.pairs.capacity()), (0, 0));
    }

    /// What is between the pairs, or in another order, would be printed or compared wrongly.
    #[test]
    fn the_buffer_has_no_gaps_and_the_pairs_are_in_order() {
        let mut args = Args::parse("b=22&&a=1&c&d=&a=33&=x");
        let check = |args: &Args| {
            let mut end = 0;
            for pair in &args.pairs {
                assert_eq!(pair.start, end);
                end = pair.end();
            }
            assert_eq!(args.bytes.len(), end as usize);
        };
        check(&args);
        args.sort();
        check(&args);
        args.set("c", "now with a value");
        args.set("d", "");
        args.set_no_value("b");
        check(&args);
        assert!(args.remove("a"));
        check(&args);
        assert_eq!(args.to_string(), "=x&b&c=now+with+a+value&d=");
        assert_eq!(args, Args::parse(args.to_bytes()));
    }
}
