//! A request: as it was received, or as it was built.
//!
//! The idea: a received request is its connection's read buffer plus ranges into it, so reading any part of it copies
//! and allocates nothing. The engine moves the buffer in before the handler runs and out afterwards. Only a
//! path that needs decoding is written elsewhere, into a scratch string that is used again (and made anew when the
//! decoded path is not UTF-8). What is changed or built has memory of its own (`edit`); what has not arrived yet is
//! read on demand (`body`).
//!
//! The rule: what was found is never changed, and only what was changed is in memory of its own. Before the protocol
//! core says that a request is there, and after it was told that it is finished, every part reads as empty.

mod body;
mod edit;
mod fields;
mod form;
mod receive;

pub use body::BodyReader;
use body::Failure;
pub use edit::RequestError;
use form::KeptForm;

use crate::proto::{Received, RequestParts, Rest, parse_content_length};
use crate::util::pairs::Pairs;
use crate::util::percent;
use crate::util::text::text;
use crate::values::headers::Fields;
use crate::values::uri::{Uri, UriError};
use crate::values::version::Version;
use crate::wire::input::Input;
use std::borrow::Cow;
use std::fmt;

/// A request: method, target, header fields, body.
///
/// It is handed to the handler inside a [`RequestCtx`](crate::RequestCtx). Everything it returns borrows from
/// the connection's buffer, which the borrow checker keeps a handler from using after it has returned. It can be
/// changed as well, which copies it first, and built ([`Request::new`]) or parsed ([`Request::parse`]) without any
/// connection.
// CTX-11.
pub struct Request {
    input: Input,
    /// What was found in it.
    found: Received,
    /// The normal form of a path that is not its own.
    path: String,
    /// How many bytes of the body were read by a reader.
    cursor: usize,
    /// Bytes of the body that were read, and are in the input no more.
    passed: u64,
    /// Why the rest of the body cannot be had, when that is so.
    failure: Option<Failure>,
    edits: Option<Box<edit::Edits>>,
    /// The form that the body is, once it was asked for.
    form: KeptForm,
}

impl Request {
    /// A request with nothing in it, to receive into.
    pub(crate) fn empty() -> Self {
        Self {
            input: Input::default(),
            found: Received::default(),
            path: String::new(),
            cursor: 0,
            passed: 0,
            failure: None,
            edits: None,
            form: KeptForm::default(),
        }
    }

    /// The method as it was sent. Methods are case-sensitive and any token is one.
    // CTX-01.
    pub fn method(&self) -> &str {
        // Text that is known costs less than finding out that it is text.
        match self.method_bytes() {
            b"GET" => "GET",
            b"HEAD" => "HEAD",
            b"POST" => "POST",
            b"PUT" => "PUT",
            b"DELETE" => "DELETE",
            b"PATCH" => "PATCH",
            b"OPTIONS" => "OPTIONS",
            other => std::str::from_utf8(other).unwrap_or_default(),
        }
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
    #[doc(alias = "target")]
    pub fn request_uri(&self) -> &[u8] {
        self.head().target.within(self.line())
    }

    /// The [`request_uri`](Self::request_uri) as text. It is always UTF-8: other targets are refused.
    pub fn request_uri_str(&self) -> &str {
        std::str::from_utf8(self.request_uri()).unwrap_or_default()
    }

    /// The path, ready to be compared with routes: escapes decoded once, then doubled slashes and dot
    /// segments removed.
    ///
    /// Always starts with a slash and never has a `..` segment. What would not be UTF-8 after decoding stays
    /// an escape (`%FF`). For the target `*` it is `/*`, as in fasthttp; for a `CONNECT` it is `/`.
    // CTX-02.
    pub fn path(&self) -> &str {
        if self.head().path_is_plain {
            std::str::from_utf8(self.head().path.within(self.line())).unwrap_or_default()
        } else {
            &self.path
        }
    }

    /// The method and the [`path`](Self::path), as bytes of which nobody has to know whether they are text.
    #[cfg(feature = "router")]
    #[inline]
    pub(crate) fn method_and_path(&self) -> (&[u8], &[u8]) {
        let (head, line) = match &self.edits {
            Some(edits) => (&edits.head, self.line()),
            None => (&self.found.head, self.input.unread()),
        };
        let path = if head.path_is_plain { head.path.within(line) } else { self.path.as_bytes() };
        (head.method.within(line), path)
    }

    /// The [`path`](Self::path) as it was sent, with its escapes.
    #[cfg(any(feature = "fs", feature = "router"))]
    pub(crate) fn raw_path(&self) -> &[u8] {
        self.head().path.within(self.line())
    }

    /// The query as it was sent: what follows the first `?`, up to a `#`. Empty when there is none.
    pub fn query(&self) -> &[u8] {
        self.head().query.within(self.line())
    }

    /// The [`query`](Self::query) as text, as it was sent. It is always UTF-8, as the target is.
    pub fn query_str(&self) -> &str {
        std::str::from_utf8(self.query()).unwrap_or_default()
    }

    /// The decoded name and value pairs of the query, in order.
    ///
    /// Pairs are separated by `&`; `+` is a space and escapes are decoded, in names as well. The value is
    /// `None` for a name without `=`. Pairs without a byte of name or value (`&&`, `=`) are skipped. To look up several
    /// of them, or to change them, there is [`Args`](crate::Args).
    pub fn query_args(&self) -> QueryArgs<'_> {
        QueryArgs::new(self.query())
    }

    /// The decoded value of the first query argument called `name`; empty when it has none.
    ///
    /// ```
    /// let request = anthill_http::Request::new("GET", "/?q=red+ants&q=2&all")?;
    /// assert_eq!(request.query_arg("q").as_deref(), Some(&b"red ants"[..]));
    /// assert_eq!(request.query_arg_str("all").as_deref(), Some(""));
    /// assert_eq!(request.query_arg_str("Q"), None);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn query_arg(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        let name = name.as_ref();
        let (_, value) = self.query_args().find(|(found, _)| found.as_ref() == name)?;
        Some(value.unwrap_or_default())
    }

    /// As [`query_arg`](Self::query_arg), if it is UTF-8.
    pub fn query_arg_str(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, str>> {
        text(self.query_arg(name)?)
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.head().version
    }

    /// The host, with the port if one was given. The authority of an absolute target wins over the `Host`
    /// field (RFC 9112 section 3.2.2). Empty when an HTTP/1.0 request named none.
    pub fn host(&self) -> &[u8] {
        self.head().host.within(self.line())
    }

    /// The [`host`](Self::host) as text. It is always ASCII: other hosts are refused.
    pub fn host_str(&self) -> &str {
        std::str::from_utf8(self.host()).unwrap_or_default()
    }

    /// The whole URI that is asked for: `http`, the [host](Self::host), and the target; or the target itself when that
    /// is absolute. For a `CONNECT` it is the host alone.
    ///
    /// ```
    /// let (request, _) =
    ///     anthill_http::Request::parse(b"GET /a?b HTTP/1.1\r\nHost: H:8080\r\n\r\n")?.expect("all of it");
    /// assert_eq!(request.uri()?.to_string(), "http://h:8080/a?b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the host or the target has what a URI cannot have, although it was fine in a request: a port above 65535,
    /// or an escaped ASCII byte in the host.
    pub fn uri(&self) -> Result<Uri, UriError> {
        let target = if self.is_connect() { &b"/"[..] } else { self.request_uri() };
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
            None => self.found.header_fields(&self.input),
        }
    }

    /// The header fields as they were received, byte for byte: all lines behind the request line, up to and including
    /// the empty one. What was changed since does not show. Empty for a request that was built or copied.
    ///
    /// ```
    /// let (request, _) = anthill_http::Request::parse(b"GET / HTTP/1.1\r\nhost:h\r\n\r\n")?.expect("all of it");
    /// assert_eq!(request.raw_headers(), b"host:h\r\n\r\n");
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    // HDR-04.
    pub fn raw_headers(&self) -> &[u8] {
        // The body begins where the head ends, and stays there while it is read.
        let head = self.input.unread().get(..self.found.body.start).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', head).map_or(0, |line_feed| line_feed + 1);
        head.get(line_end..).unwrap_or_default()
    }

    /// As [`raw_headers`](Self::raw_headers), if it is UTF-8.
    pub fn raw_headers_str(&self) -> Option<&str> {
        std::str::from_utf8(self.raw_headers()).ok()
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
        parse_content_length(self.headers().get("Content-Length")?).ok()
    }

    /// The trailer fields that followed a chunked body. Empty until the body has arrived completely.
    // BDY-06.
    pub fn trailers(&self) -> Fields<'_> {
        if let Some(trailers) = self.edits.as_ref().and_then(|edits| edits.trailers.as_ref()) {
            return trailers.fields();
        }
        self.found.trailer_fields(&self.input)
    }

    /// The body, with chunked framing removed. Empty when there is none.
    ///
    /// When the server streams request bodies, this is the part that has arrived and was not read by a
    /// [`BodyReader`]; see [`Request::is_body_complete`] and [`RequestCtx::read_body`](crate::RequestCtx::read_body).
    pub fn body(&self) -> &[u8] {
        self.window()
    }

    /// As [`body`](Self::body), if it is UTF-8.
    pub fn body_str(&self) -> Option<&str> {
        std::str::from_utf8(self.body()).ok()
    }

    /// Whether the whole body has arrived. Always, unless the server streams request bodies.
    pub fn is_body_complete(&self) -> bool {
        self.found.rest == Rest::None || self.edits.as_ref().is_some_and(|edits| edits.body.is_some())
    }

    /// How much of what is unread in the input method and target take, as they were received.
    #[inline]
    pub(crate) fn target_end(&self) -> usize {
        let target = self.found.head.target;
        (target.start + target.len) as usize
    }

    /// Bytes of the head and of as much of the body as was received for it, without framing.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.passed + self.found.body.end as u64
    }

    /// Whether all of it has been received, whatever was made of it since.
    pub(crate) fn is_received_whole(&self) -> bool {
        self.found.rest == Rest::None
    }

    /// The buffer that the connection reads into while this request object serves it.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// The same, to read into or to swap with a parked connection's.
    pub(crate) fn input_mut(&mut self) -> &mut Input {
        &mut self.input
    }

    /// What was found in the input.
    pub(crate) fn found(&self) -> &Received {
        &self.found
    }

    /// What the head says: as it was received, or as it was changed to.
    fn head(&self) -> &RequestParts {
        match &self.edits {
            Some(edits) => &edits.head,
            None => &self.found.head,
        }
    }

    pub(crate) fn method_bytes(&self) -> &[u8] {
        self.head().method.within(self.line())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &String::from_utf8_lossy(self.request_uri()))
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
        assert_eq!(request.request_uri(), b"");
        assert_eq!(request.path(), "");
        assert_eq!(request.body(), b"");
        assert!(request.headers().is_empty());
    }
}
