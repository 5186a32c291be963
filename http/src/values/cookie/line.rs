//! The `Cookie` field of a request that is being prepared.
//!
//! The idea: the line itself is the list. It is always ready to be sent, and adding to it is appending.

use super::text;
use crate::util::token::trim;
use std::fmt;

/// The value of a request's one `Cookie` field: `a=b; c=d`.
///
/// Control bytes and `;` in names and values and `=` in names become spaces, and spaces and tabs at their ends
/// are removed, so that a pair stays one pair on one line. Quotes, escapes and bytes above ASCII are sent as
/// they are.
///
/// ```
/// use anthill_http::cookie::CookieLine;
///
/// let mut line = CookieLine::from_iter([("sid", "31d4"), ("lang", "en")]);
/// line.add("note", "a; admin=1").set("sid", "ffff");
/// assert_eq!(line.as_bytes(), b"sid=ffff; lang=en; note=a  admin=1");
/// assert!(line.remove("lang"));
/// assert_eq!(line.get("note"), Some(&b"a  admin=1"[..]));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct CookieLine {
    bytes: Vec<u8>,
}

impl CookieLine {
    /// A line without cookies that owns no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair at the end, whether or not the name is there already. With an empty name it is a value
    /// alone. A pair of which nothing is left is not added.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let end = self.bytes.len();
        if end > 0 {
            self.bytes.extend_from_slice(SEPARATOR);
        }
        let start = self.bytes.len();
        text::append_pair(&mut self.bytes, name.as_ref(), value.as_ref());
        if self.bytes.len() == start {
            self.bytes.truncate(end);
        }
        self
    }

    /// Puts a pair in the place of the first of its name and removes the others of that name, or adds it at the
    /// end.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let mut pair = Vec::new();
        text::append_pair(&mut pair, name.as_ref(), value.as_ref());
        let name = text::split_pair(&pair).0;
        let mut new = Some(&pair[..]);
        let old = std::mem::take(&mut self.bytes);
        for piece in pieces(&old) {
            if text::split_pair(piece).0 != name {
                append(&mut self.bytes, piece);
            } else if let Some(pair) = new.take() {
                append(&mut self.bytes, pair);
            }
        }
        append(&mut self.bytes, new.unwrap_or_default());
        self
    }

    /// Removes all pairs called exactly `name`; says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let old = std::mem::take(&mut self.bytes);
        for piece in pieces(&old).filter(|piece| text::split_pair(piece).0 != name) {
            append(&mut self.bytes, piece);
        }
        self.bytes.len() != old.len()
    }

    /// Removes all pairs and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The value of the first pair called exactly `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// As [`get`](Self::get), if it is UTF-8.
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pieces(&self.bytes).map(text::split_pair)
    }

    /// Whether there are no pairs; the field is then better not sent.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The value of the `Cookie` field.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Adds pairs at the end; those of [`RequestCookies`](crate::cookie::RequestCookies) pass a request's cookies on.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for CookieLine {
    fn extend<T: IntoIterator<Item = (N, V)>>(&mut self, pairs: T) {
        for (name, value) in pairs {
            self.add(name, value);
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for CookieLine {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut line = Self::new();
        line.extend(pairs);
        line
    }
}

impl AsRef<[u8]> for CookieLine {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Names only, since values may be secrets.
impl fmt::Debug for CookieLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieLine")?;
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

/// What is between two pairs (RFC 6265 section 4.2.1).
const SEPARATOR: &[u8] = b"; ";

/// The pairs of a line, not yet split.
fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b';').map(trim).filter(|piece| !piece.is_empty())
}

fn append(line: &mut Vec<u8>, pair: &[u8]) {
    if !line.is_empty() && !pair.is_empty() {
        line.extend_from_slice(SEPARATOR);
    }
    line.extend_from_slice(pair);
}
