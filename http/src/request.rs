//! A request as it was received.
//!
//! The idea: a request is its connection's read buffer plus ranges into it, so reading any part of it copies
//! and allocates nothing. The engine moves the buffer in before the handler runs and out afterwards. Only a
//! path that needs decoding is written elsewhere, into a scratch string that is used again (and made anew when the
//! decoded path is not UTF-8).
//!
//! The rule: ranges count from the first unread byte of the buffer and are valid from the moment the protocol
//! core says "ready" until it is told "finished". Before and after that, every part reads as empty.

use crate::headers::{Field, Fields};
use crate::input::Input;
use crate::proto::Stamp;
use crate::util::span::Span;
use crate::util::{path, percent};
use std::borrow::Cow;
use std::ops::Range;

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `HTTP/1.0`, and any `HTTP/1.x` that is not 1.1 (row `PAR-02`).
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}

/// What the head of a request said, as spans into it and as decisions taken from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// The raw path within the target.
    pub(crate) path: Span,
    /// Whether `path` is its own normal form; otherwise the request's scratch string has that.
    pub(crate) path_is_plain: bool,
    pub(crate) query: Span,
    pub(crate) host: Span,
    pub(crate) version: Version,
    /// The client, or the way the message is framed, does not allow another request after this one.
    pub(crate) closes: bool,
}

/// A received request: method, target, header fields, body.
///
/// It is handed to the handler inside a [`RequestCtx`](crate::RequestCtx). Everything it returns borrows from
/// the connection's buffer, which the borrow checker keeps a handler from using after it has returned (row
/// `CTX-11`).
#[derive(Debug)]
pub struct Request {
    input: Input,
    head: Head,
    fields: Vec<Field>,
    trailers: Vec<Field>,
    path: String,
    /// Where the trailer section is, which the spans in `trailers` count from.
    trailer_section: Range<usize>,
    body: Range<usize>,
    /// How many bytes of the input this request takes up; 0 while there is no complete request.
    stamp: Stamp,
}

impl Request {
    pub(crate) fn new() -> Self {
        Self {
            input: Input::default(),
            head: Head::default(),
            fields: Vec::new(),
            trailers: Vec::new(),
            trailer_section: 0..0,
            path: String::new(),
            body: 0..0,
            stamp: Stamp::default(),
        }
    }

    /// The method as it was sent. Methods are case-sensitive and any token is one (row `CTX-01`).
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.method_bytes()).unwrap_or_default()
    }

    /// Whether the method is `GET`.
    pub fn is_get(&self) -> bool {
        self.method_bytes() == b"GET"
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.method_bytes() == b"HEAD"
    }

    /// Whether the method is `POST`.
    pub fn is_post(&self) -> bool {
        self.method_bytes() == b"POST"
    }

    /// Whether the method is `PUT`.
    pub fn is_put(&self) -> bool {
        self.method_bytes() == b"PUT"
    }

    /// Whether the method is `DELETE`.
    pub fn is_delete(&self) -> bool {
        self.method_bytes() == b"DELETE"
    }

    /// Whether the method is `PATCH`.
    pub fn is_patch(&self) -> bool {
        self.method_bytes() == b"PATCH"
    }

    /// Whether the method is `OPTIONS`.
    pub fn is_options(&self) -> bool {
        self.method_bytes() == b"OPTIONS"
    }

    /// Whether the method is `CONNECT`.
    pub fn is_connect(&self) -> bool {
        self.method_bytes() == b"CONNECT"
    }

    /// Whether the method is `TRACE`.
    pub fn is_trace(&self) -> bool {
        self.method_bytes() == b"TRACE"
    }

    /// The request target as it was sent (RFC 9112 section 3.2), for example `/a%20b?c=d`.
    pub fn target(&self) -> &[u8] {
        self.head.target.within(self.unread())
    }

    /// The path, ready to be compared with routes: escapes decoded once, then doubled slashes and dot
    /// segments removed (row `CTX-02`).
    ///
    /// Always starts with a slash and never has a `..` segment. What would not be UTF-8 after decoding stays
    /// an escape (`%FF`). For the target `*` it is `/*`, as in fasthttp; for a `CONNECT` it is `/`.
    pub fn path(&self) -> &str {
        if self.head.path_is_plain {
            std::str::from_utf8(self.head.path.within(self.unread())).unwrap_or_default()
        } else {
            &self.path
        }
    }

    /// The query as it was sent: what follows the first `?`, up to a `#`. Empty when there is none.
    pub fn query(&self) -> &[u8] {
        self.head.query.within(self.unread())
    }

    /// The decoded name and value pairs of the query, in order.
    ///
    /// Pairs are separated by `&`; `+` is a space and escapes are decoded, in names as well. The value is
    /// `None` for a name without `=`. Empty pairs are skipped.
    pub fn query_args(&self) -> QueryArgs<'_> {
        QueryArgs { rest: self.query() }
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The host, with the port if one was given. The authority of an absolute target wins over the `Host`
    /// field (RFC 9112 section 3.2.2). Empty when an HTTP/1.0 request named none.
    pub fn host(&self) -> &[u8] {
        self.head.host.within(self.unread())
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().get(name)
    }

    /// The value of the first header field called `name`, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.headers().get_str(name)
    }

    /// The header fields in the order and spelling in which they were received.
    pub fn headers(&self) -> Fields<'_> {
        Fields::new(self.unread(), &self.fields)
    }

    /// The trailer fields that followed a chunked body (row `BDY-06`).
    pub fn trailers(&self) -> Fields<'_> {
        let section = self.unread().get(self.trailer_section.clone());
        Fields::new(section.unwrap_or_default(), &self.trailers)
    }

    /// The body, with chunked framing removed. Empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.unread().get(self.body.clone()).unwrap_or_default()
    }

    /// Whether the connection has to close after the response, judged by the version, the `Connection` field
    /// and the framing (rows `CON-02` to `CON-04`, `PAR-15`).
    pub fn wants_close(&self) -> bool {
        self.head.closes
    }

    /// The buffer that the connection reads into while this request object serves it.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// The same, to read into or to swap with a parked connection's.
    pub(crate) fn input_mut(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Which request this is; the default while it is none.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What a parser needs at once: the unread bytes and where to put the header fields it finds in them.
    pub(crate) fn parse_parts(&mut self) -> (&[u8], &mut Vec<Field>) {
        (self.input.unread(), &mut self.fields)
    }

    /// Where a parser finds the trailer section and puts its fields.
    pub(crate) fn trailer_parts(&mut self, section: Range<usize>) -> (&[u8], &mut Vec<Field>) {
        self.trailer_section = section.clone();
        (self.input.unread().get(section).unwrap_or_default(), &mut self.trailers)
    }

    /// Makes the request readable: its head, where its body is, and which request it is.
    pub(crate) fn complete(&mut self, head: Head, body: Range<usize>, stamp: Stamp) {
        if !head.path_is_plain {
            path::normalize_into(&mut self.path, head.path.within(self.input.unread()));
        }
        self.head = head;
        self.body = body;
        self.stamp = stamp;
    }

    /// Forgets the request but neither the unread input nor memory that is worth keeping.
    pub(crate) fn clear(&mut self) {
        self.head = Head::default();
        self.fields.clear();
        self.trailers.clear();
        self.trailer_section = 0..0;
        self.body = 0..0;
        self.stamp = Stamp::default();
        if self.path.capacity() > crate::output::KEPT_BYTES_MAX {
            self.path = String::new();
        } else {
            self.path.clear();
        }
    }

    pub(crate) fn method_bytes(&self) -> &[u8] {
        self.head.method.within(self.unread())
    }

    fn unread(&self) -> &[u8] {
        self.input.unread()
    }
}

/// Iterates over the decoded pairs of a query; see [`Request::query_args`].
#[derive(Clone, Debug)]
pub struct QueryArgs<'a> {
    rest: &'a [u8],
}

impl<'a> QueryArgs<'a> {
    /// The pairs of a raw query string or of a form body.
    pub fn new(raw: &'a [u8]) -> Self {
        Self { rest: raw }
    }
}

impl<'a> Iterator for QueryArgs<'a> {
    type Item = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'&', self.rest);
            let pair = &self.rest[..end.unwrap_or(self.rest.len())];
            self.rest = end.map_or(&[][..], |end| &self.rest[end + 1..]);
            if pair.is_empty() {
                continue;
            }
            return Some(match memchr::memchr(b'=', pair) {
                Some(equals) => {
                    let value = percent::decode_query(&pair[equals + 1..]);
                    (percent::decode_query(&pair[..equals]), Some(value))
                }
                None => (percent::decode_query(pair), None),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_pairs() {
        let pairs = |raw: &'static str| -> Vec<(String, Option<String>)> {
            let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
            QueryArgs::new(raw.as_bytes()).map(|(name, value)| (text(name), value.map(text))).collect()
        };
        let some = |value: &str| Some(value.to_owned());
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("&&"), []);
        assert_eq!(pairs("x=1&y"), [("x".to_owned(), some("1")), ("y".to_owned(), None)]);
        assert_eq!(pairs("&a=b=c&&d=&"), [("a".to_owned(), some("b=c")), ("d".to_owned(), some(""))]);
        assert_eq!(pairs("a+b%3d=%26+"), [("a b=".to_owned(), some("& "))]);
        assert_eq!(pairs("=v"), [(String::new(), some("v"))]);
    }

    #[test]
    fn a_request_that_is_not_ready_reads_as_empty() {
        let mut request = Request::new();
        request.input_mut().receive(b"GET / HTTP/1.1\r\n");
        assert_eq!(request.method(), "");
        assert_eq!(request.target(), b"");
        assert_eq!(request.path(), "");
        assert_eq!(request.body(), b"");
        assert!(request.headers().is_empty());
    }
}
