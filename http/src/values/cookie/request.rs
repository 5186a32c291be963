//! The cookies that a client sent, read where they lie.
//!
//! The rule: nothing is copied, decoded or remembered. Reading a request's cookies allocates nothing, however
//! many there are.

use super::{check, text};
use crate::util::cut::cut;
use std::fmt;

/// Names and values of the cookies in any number of `Cookie` fields, in the order in which they were sent.
///
/// Spaces and tabs around names and values do not count. Duplicates are all there. A piece without `=` is a
/// value with an empty name. Pairs are left out when a control byte is in them, and when they are empty. All other
/// bytes are as they were sent, quotes and backslashes included ([`Cookie::unquote`](crate::Cookie::unquote) removes
/// quotes around a value).
///
/// ```
/// use anthill_http::cookie::RequestCookies;
///
/// let lines = [&b"sid=31d4; lang=en%20; bad=\tx\0"[..], b"sid=ffff"];
/// let cookies: Vec<_> = RequestCookies::new(lines).collect();
/// assert_eq!(cookies, [(&b"sid"[..], &b"31d4"[..]), (b"lang", b"en%20"), (b"sid", b"ffff")]);
/// assert_eq!(RequestCookies::new(lines).get("lang"), Some(&b"en%20"[..]));
/// ```
#[derive(Clone)]
pub struct RequestCookies<'a, I> {
    lines: I,
    // What is left of the line that is being read.
    line: Option<&'a [u8]>,
}

impl<'a, I: Iterator<Item = &'a [u8]>> RequestCookies<'a, I> {
    /// The cookies in `lines`, the values of `Cookie` fields.
    pub fn new(lines: impl IntoIterator<IntoIter = I>) -> Self {
        Self { lines: lines.into_iter(), line: None }
    }

    /// The value of the first cookie called exactly `name`.
    ///
    /// The empty name finds a value that was sent without one.
    pub fn get(mut self, name: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        let name = name.as_ref();
        self.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// As [`get`](Self::get), if it is UTF-8.
    pub fn get_str(self, name: impl AsRef<[u8]>) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all cookies called exactly `name`, in order.
    ///
    /// ```
    /// let cookies = anthill_http::cookie::RequestCookies::new([&b"a=1; b=2; a=3"[..]]);
    /// assert!(cookies.get_all("a").eq([&b"1"[..], b"3"]));
    /// ```
    pub fn get_all<N: AsRef<[u8]>>(self, name: N) -> impl Iterator<Item = &'a [u8]> + use<'a, I, N> {
        self.filter(move |(found, _)| *found == name.as_ref()).map(|(_, value)| value)
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for RequestCookies<'a, I> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.line {
                Some(line) => line,
                None => self.lines.next()?,
            };
            let (piece, rest) = cut(line, b';');
            self.line = rest;
            let (name, value) = text::split_pair(piece);
            let is_empty = name.is_empty() && value.is_empty();
            if !is_empty && check::name_is_readable(name) && check::value_is_readable(value) {
                return Some((name, value));
            }
        }
    }
}

/// Without the cookies, which may be secrets.
impl<I> fmt::Debug for RequestCookies<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCookies").finish_non_exhaustive()
    }
}
