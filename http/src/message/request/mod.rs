//! A request: as it was received, or as it was built.
//!
//! The idea: a received request is its connection's read buffer plus ranges into it, so reading any part of it copies
//! and allocates nothing. The engine moves the buffer in before the handler runs and out afterwards. Only a
//! path that needs decoding is written elsewhere, into a scratch string that is used again (and made anew when the
//! decoded path is not UTF-8). What is changed or built has memory of its own (`edit`); what has not arrived yet is read
//! on demand (`body`).
//!
//! The rule: ranges count from the first unread byte of the buffer and are valid from the moment the protocol
//! core says "ready" until it is told "finished". Before and after that, every part reads as empty.

mod body;
mod edit;
mod fields;
mod form;

pub use body::BodyReader;
pub(crate) use body::Rest;
pub use edit::InvalidRequest;
use form::KeptForm;

use crate::proto::{Limits, framing};
use crate::proto::{Progress, ProtoError, Session, Stamp};
use crate::util::pairs::Pairs;
use crate::util::span::Span;
use crate::util::{path, percent};
use crate::values::headers::{Field, Fields};
use crate::values::uri::{Uri, UriError};
use crate::values::version::Version;
use crate::wire::input::Input;
use crate::wire::output::Output;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

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

/// A request: method, target, header fields, body.
///
/// It is handed to the handler inside a [`RequestCtx`](crate::RequestCtx). Everything it returns borrows from
/// the connection's buffer, which the borrow checker keeps a handler from using after it has returned (row
/// `CTX-11`). It can be changed as well, which copies it first, and built ([`Request::new`]) or parsed
/// ([`Request::parse`]) without any connection.
pub struct Request {
    input: Input,
    head: Head,
    fields: Vec<Field>,
    trailers: Vec<Field>,
    path: String,
    /// Where the trailer section is, which the spans in `trailers` count from.
    trailer_section: Range<usize>,
    /// The part of the body that is in the input, decoded.
    body: Range<usize>,
    /// How many bytes of the body were read by a reader.
    cursor: usize,
    /// What is not in the input yet.
    rest: Rest,
    /// Where the raw bytes of `rest` begin; once there is no rest, where the request ends.
    raw: usize,
    stamp: Stamp,
    edits: Option<Box<edit::Edits>>,
    /// The form that the body is, once it was asked for.
    form: KeptForm,
}

impl Request {
    /// A request with nothing in it, to receive into.
    pub(crate) fn empty() -> Self {
        Self {
            input: Input::default(),
            head: Head::default(),
            fields: Vec::new(),
            trailers: Vec::new(),
            trailer_section: 0..0,
            path: String::new(),
            body: 0..0,
            cursor: 0,
            rest: Rest::None,
            raw: 0,
            stamp: Stamp::default(),
            edits: None,
            form: KeptForm::default(),
        }
    }

    /// Parses the request at the front of `bytes`, with the default limits, and says how many bytes it takes up.
    /// `None`: it is not complete.
    ///
    /// ```
    /// let bytes = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b";
    /// let (request, length) = anthill_http::Request::parse(bytes)?.expect("a complete request");
    /// assert_eq!((request.path(), &bytes[length..]), ("/a", &b"GET /b"[..]));
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    ///
    /// # Errors
    /// Why the bytes are no request, as a server would judge them.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtoError> {
        let mut request = Self::empty();
        request.input.receive(bytes);
        let progress = Session::new().advance(&mut request, &mut Output::default(), &Limits::default())?;
        let length = bytes.len() - request.input.unread().len() + request.raw;
        Ok((progress == Progress::Ready).then_some((request, length)))
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
        self.head.target.within(self.line())
    }

    /// The path, ready to be compared with routes: escapes decoded once, then doubled slashes and dot
    /// segments removed (row `CTX-02`).
    ///
    /// Always starts with a slash and never has a `..` segment. What would not be UTF-8 after decoding stays
    /// an escape (`%FF`). For the target `*` it is `/*`, as in fasthttp; for a `CONNECT` it is `/`.
    pub fn path(&self) -> &str {
        if self.head.path_is_plain {
            std::str::from_utf8(self.head.path.within(self.line())).unwrap_or_default()
        } else {
            &self.path
        }
    }

    /// The query as it was sent: what follows the first `?`, up to a `#`. Empty when there is none.
    pub fn query(&self) -> &[u8] {
        self.head.query.within(self.line())
    }

    /// The decoded name and value pairs of the query, in order.
    ///
    /// Pairs are separated by `&`; `+` is a space and escapes are decoded, in names as well. The value is
    /// `None` for a name without `=`. Pairs without a byte of name or value (`&&`, `=`) are skipped. To look up several of
    /// them, or to change them, there is [`Args`](crate::Args).
    pub fn query_args(&self) -> QueryArgs<'_> {
        QueryArgs::new(self.query())
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The host, with the port if one was given. The authority of an absolute target wins over the `Host`
    /// field (RFC 9112 section 3.2.2). Empty when an HTTP/1.0 request named none.
    pub fn host(&self) -> &[u8] {
        self.head.host.within(self.line())
    }

    /// The whole URI that is asked for: `http`, the [host](Self::host), and the target; or the target itself when that is
    /// absolute. For a `CONNECT` it is the host alone.
    ///
    /// ```
    /// let (request, _) = anthill_http::Request::parse(b"GET /a?b HTTP/1.1\r\nHost: H:8080\r\n\r\n")?.expect("all of it");
    /// assert_eq!(request.uri()?.to_string(), "http://h:8080/a?b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the host or the target has what a URI cannot have, although it was fine in a request: a port above 65535, or
    /// an escaped ASCII byte in the host.
    pub fn uri(&self) -> Result<Uri, UriError> {
        let target = if self.is_connect() { &b"/"[..] } else { self.target() };
        Uri::parse_with_host(self.host(), target)
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
        match &self.edits {
            Some(edits) => edits.fields(),
            None => Fields::new(self.input.unread(), &self.fields),
        }
    }

    /// The header fields as they were received, byte for byte: all lines behind the request line, up to and including the
    /// empty one (row `HDR-04`). What was changed since does not show. Empty for a request that was built or copied.
    ///
    /// ```
    /// let (request, _) = anthill_http::Request::parse(b"GET / HTTP/1.1\r\nhost:h\r\n\r\n")?.expect("all of it");
    /// assert_eq!(request.raw_headers(), b"host:h\r\n\r\n");
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    pub fn raw_headers(&self) -> &[u8] {
        // The body begins where the head ends, and stays there while it is read.
        let head = self.input.unread().get(..self.body.start).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', head).map_or(0, |line_feed| line_feed + 1);
        head.get(line_end..).unwrap_or_default()
    }

    /// The length that the client declared for the body; `None` when it declared none (also for a chunked body) or when
    /// the header field was changed to something that is no length.
    ///
    /// ```
    /// let (request, _) = anthill_http::Request::parse(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab")?
    ///     .expect("a complete request");
    /// assert_eq!(request.content_length(), Some(2));
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    pub fn content_length(&self) -> Option<u64> {
        framing::parse_content_length(self.headers().get("Content-Length")?).ok()
    }

    /// The trailer fields that followed a chunked body (row `BDY-06`). Empty until the body has arrived completely.
    pub fn trailers(&self) -> Fields<'_> {
        if let Some(trailers) = self.edits.as_ref().and_then(|edits| edits.trailers.as_ref()) {
            return trailers.fields();
        }
        let section = self.input.unread().get(self.trailer_section.clone());
        Fields::new(section.unwrap_or_default(), &self.trailers)
    }

    /// The body, with chunked framing removed. Empty when there is none.
    ///
    /// When the server streams request bodies, this is the part that has arrived and was not read by a
    /// [`BodyReader`]; see [`Request::is_body_complete`] and [`RequestCtx::read_body`](crate::RequestCtx::read_body).
    pub fn body(&self) -> &[u8] {
        self.window()
    }

    /// Whether the whole body has arrived. Always, unless the server streams request bodies.
    pub fn is_body_complete(&self) -> bool {
        matches!(self.rest, Rest::None) || self.edits.as_ref().is_some_and(|edits| edits.body.is_some())
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

    /// Makes the request readable: its head, where its body is, where it ends, and which request it is.
    pub(crate) fn complete(&mut self, head: Head, body: Range<usize>, end: usize, stamp: Stamp) {
        if !head.path_is_plain {
            path::normalize_into(&mut self.path, head.path.within(self.input.unread()));
        }
        self.head = head;
        self.body = body;
        self.raw = end;
        self.stamp = stamp;
    }

    /// Says what of the body has not arrived. Its raw bytes follow those that are there.
    pub(crate) fn expect_rest(&mut self, rest: Rest) {
        self.rest = rest;
        self.raw = self.body.end;
    }

    /// What of the body has not arrived.
    pub(crate) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Where the raw bytes of the rest begin, or, when there is no rest, where the request ends.
    pub(crate) fn raw_start(&self) -> usize {
        self.raw
    }

    /// Forgets the request but neither the unread input nor memory that is worth keeping.
    #[inline]
    pub(crate) fn clear(&mut self) {
        // Whatever else there is comes with a stamp.
        let is_clear = self.stamp == Stamp::default()
            && self.fields.is_empty()
            && self.trailers.is_empty()
            && self.edits.is_none();
        if !is_clear {
            self.clear_all();
        }
    }

    fn clear_all(&mut self) {
        self.head = Head::default();
        self.fields.clear();
        self.trailers.clear();
        self.trailer_section = 0..0;
        self.body = 0..0;
        self.cursor = 0;
        self.rest = Rest::None;
        self.raw = 0;
        self.stamp = Stamp::default();
        self.edits = None;
        self.form = KeptForm::default();
        if self.path.capacity() > crate::wire::output::KEPT_BYTES_MAX {
            self.path = String::new();
        } else {
            self.path.clear();
        }
    }

    pub(crate) fn method_bytes(&self) -> &[u8] {
        self.head.method.within(self.line())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &String::from_utf8_lossy(self.target()))
            .field("version", &self.version())
            .field("headers", &self.headers())
            .field("body_bytes", &self.body().len())
            .field("is_body_complete", &self.is_body_complete())
            .finish()
    }
}

/// Iterates over the decoded pairs of a query; see [`Request::query_args`].
#[derive(Clone, Debug)]
pub struct QueryArgs<'a> {
    pairs: Pairs<'a>,
}

impl<'a> QueryArgs<'a> {
    /// The pairs of a raw query string or of a form body.
    pub fn new(raw: &'a [u8]) -> Self {
        Self { pairs: Pairs::of(raw) }
    }
}

impl<'a> Iterator for QueryArgs<'a> {
    type Item = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.pairs.next()?;
        Some((percent::decode_query(name), value.map(percent::decode_query)))
    }
}

impl std::iter::FusedIterator for QueryArgs<'_> {}

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
        assert_eq!(pairs("&=&"), []);
        assert_eq!(pairs("x=1&y"), [("x".to_owned(), some("1")), ("y".to_owned(), None)]);
        assert_eq!(pairs("&a=b=c&&d=&"), [("a".to_owned(), some("b=c")), ("d".to_owned(), some(""))]);
        assert_eq!(pairs("a+b%3d=%26+"), [("a b=".to_owned(), some("& "))]);
        assert_eq!(pairs("=v"), [(String::new(), some("v"))]);
    }

    #[test]
    fn a_request_that_is_not_ready_reads_as_empty() {
        let mut request = Request::empty();
        request.input_mut().receive(b"GET / HTTP/1.1\r\n");
        assert_eq!(request.method(), "");
        assert_eq!(request.target(), b"");
        assert_eq!(request.path(), "");
        assert_eq!(request.body(), b"");
        assert!(request.headers().is_empty());
    }
}
