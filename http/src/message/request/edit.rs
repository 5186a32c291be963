//! Requests that were built, changed or copied rather than received.
//!
//! The idea: a received request is a set of spans into its connection's buffer. The first change copies what the spans
//! point at into memory of the request's own and lets them point there; from then on it can be changed freely, and
//! reads as before. What is decided about the connection (how the response is framed, whether it closes) keeps to what
//! was received.
//!
//! The rules: method, target and host are checked when they are set, by the same functions that check received ones, so
//! that whatever can be built can be sent. And target, host and the `Host` field agree once one of them, or the
//! method, was set.

use super::{KeptForm, Request};
use crate::proto::{RequestHead, RequestParts, append_request_head, is_continue, split_target};
use crate::util::span::Span;
use crate::util::{authority, path, token};
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use std::fmt;
use std::io;

/// A request's own copy of its parts.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// What the head says now, as spans into `line`.
    pub(super) head: RequestParts,
    /// Method, target and host, one after the other.
    line: Vec<u8>,
    pub(super) headers: Headers,
    /// `None`: the received one.
    pub(super) body: Option<Vec<u8>>,
    /// `None`: the received ones.
    pub(super) trailers: Option<Headers>,
    /// The names of the fields that were set since it was received; `None`: it never was.
    set_since: Option<Vec<Vec<u8>>>,
}

/// Why a part of a request cannot be set.
///
/// ```
/// use anthill_http::{RequestError, Request};
/// assert_eq!(Request::new("GET", "no-slash").err(), Some(RequestError::Target));
/// assert_eq!(Request::new("GE T", "/").err(), Some(RequestError::Method));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// The method is not a token (RFC 9110 section 9.1).
    Method,
    /// The target is none of the forms of RFC 9112 section 3.2, or has bytes that it must not have.
    Target,
    /// The host is not a host with an optional port.
    Host,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "invalid method; use letters, digits and !#$%&'*+-.^_`|~",
            Self::Target => {
                "invalid request target; use /path?query, http://host/path, * or host:port with CONNECT, percent-encoded"
            }
            Self::Host => "invalid host; use name, name:port, address or [address]:port",
        })
    }
}

impl std::error::Error for RequestError {}

/// Building and changing.
impl Request {
    /// A request with this method and target, for HTTP/1.1, with no header fields and no body.
    ///
    /// The target is what stands in the request line: a path with an optional query, or an absolute form, whose
    /// authority then becomes the host.
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("POST", "http://example.org/a%20b?c=d")?;
    /// request.set_header("x-limit", "10");
    /// request.set_body("hello");
    /// assert_eq!((request.path(), request.host()), ("/a b", &b"example.org"[..]));
    /// assert_eq!(request.body(), b"hello");
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`], saying which of the two is not valid.
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        let mut request = Self::empty();
        request.edits = Some(Box::default());
        request.relocate(method.as_ref(), target.as_ref(), b"")?;
        Ok(request)
    }

    /// Replaces the method. An empty request, as [`RequestCtx::default`](crate::RequestCtx) has, gets the target `/`
    /// with it.
    ///
    /// # Errors
    /// [`RequestError::Method`]; or [`RequestError::Target`] when the target does not go with it (`CONNECT` needs
    /// `host:port`, and nothing else may have that). Then nothing has changed.
    pub fn set_method(&mut self, method: impl AsRef<[u8]>) -> Result<(), RequestError> {
        let target = if self.request_uri().is_empty() { b"/".to_vec() } else { self.request_uri().to_vec() };
        let host = self.host().to_vec();
        self.edit();
        self.relocate(method.as_ref(), &target, &host)
    }

    /// Replaces the target, and with it path and query. The authority of an absolute form becomes the host. An empty
    /// request gets the method `GET` with it.
    ///
    /// # Errors
    /// [`RequestError::Target`]. Then nothing has changed.
    pub fn set_request_uri(&mut self, target: impl AsRef<[u8]>) -> Result<(), RequestError> {
        let method =
            if self.method_bytes().is_empty() { b"GET".to_vec() } else { self.method_bytes().to_vec() };
        let host = self.host().to_vec();
        self.edit();
        self.relocate(&method, target.as_ref(), &host)
    }

    /// Replaces the host: the `Host` field, and the authority of an absolute target or of a `CONNECT`.
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("GET", "http://example.org/a")?;
    /// request.set_host("h:81")?;
    /// assert_eq!((request.header_str("host"), request.request_uri()), (Some("h:81"), &b"http://h:81/a"[..]));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError::Host`]; a `CONNECT` needs a host with a port. Then nothing has changed.
    pub fn set_host(&mut self, host: impl AsRef<[u8]>) -> Result<(), RequestError> {
        let host = host.as_ref();
        if !authority::is_valid(host) || self.is_connect() && !authority::is_valid_with_port(host) {
            return Err(RequestError::Host);
        }
        let (method, target) = (self.method_bytes().to_vec(), self.target_at(host));
        self.edit().headers.set("Host", host);
        self.place(&method, &target, host);
        Ok(())
    }

    /// Sets the protocol version that the request reads as.
    pub fn set_version(&mut self, version: Version) {
        self.edit().head.version = version;
    }

    /// Makes `value` the only value of the header field `name`, which is stored in canonical form; control bytes become
    /// spaces.
    ///
    /// `Host` goes the way of [`Request::set_host`], which can say that it is invalid; here an invalid one is ignored.
    pub fn set_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.eq_ignore_ascii_case(b"host") {
            // Ignored when it is no host: a request with two opinions about where it goes is worse than an old one.
            let _ = self.set_host(value);
            return;
        }
        self.edit_field(name).set(name, value);
    }

    /// Adds a header field, keeping others with the same name. Of `Host` there can be but one; it is replaced.
    pub fn append_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        if name.eq_ignore_ascii_case(b"host") {
            return self.set_header(name, value);
        }
        self.edit_field(name).append(name, value);
    }

    /// Removes all header fields called `name`, and says whether there was one. Without `Host` there is no host, unless
    /// the target has one.
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let was_there = self.edit().headers.remove(name);
        if name.eq_ignore_ascii_case(b"host") {
            let (method, target) = (self.method_bytes().to_vec(), self.request_uri().to_vec());
            let authority = split_target(&method, &target).ok().and_then(|parts| parts.authority);
            self.place(&method, &target, authority.unwrap_or_default());
        }
        was_there
    }

    /// Replaces the body by a copy of `body`. What had not arrived of a received body is not read any more.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.set_body_vec(body.as_ref().to_vec());
    }

    /// Replaces the body without copying.
    pub fn set_body_vec(&mut self, body: Vec<u8>) {
        self.cursor = 0;
        self.edit().body = Some(body);
    }

    /// Writes the request as it would be sent, in a fixed order: request line, `Host`, the other header
    /// fields as they were added, `Content-Length`, body.
    ///
    /// `Content-Length` and `Transfer-Encoding` follow the body that is really there, whatever the header fields say; a
    /// body that has not arrived completely is not there, so read it before
    /// ([`RequestCtx::read_body`](crate::RequestCtx::read_body)).
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("PUT", "/")?;
    /// request.set_host("h")?;
    /// request.set_header("transfer-encoding", "chunked");
    /// request.set_body("abc");
    /// let mut sent = Vec::new();
    /// request.write_to(&mut sent)?;
    /// assert_eq!(sent, b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `out`, and `InvalidData` when the body has not arrived completely, or the request is empty.
    // HDR-08, HDR-06.
    pub fn write_to(&self, out: &mut impl io::Write) -> io::Result<()> {
        let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if self.method_bytes().is_empty() {
            return refuse("the request is empty; set its method and target before it is written");
        }
        if !self.is_body_complete() {
            return refuse("the body has not arrived completely; read it before the request is written");
        }
        let mut head = Vec::with_capacity(256);
        if let Err(error) = append_request_head(&mut head, &self.head_to_send(Some(self.body().len() as u64)))
        {
            return refuse(&error.to_string());
        }
        out.write_all(&head)?;
        out.write_all(self.body())
    }

    /// What the head of the request is made of when it is sent with a body of `length` bytes; `None`: nobody knows how
    /// many, so it goes in chunks.
    pub(crate) fn head_to_send(&self, length: Option<u64>) -> RequestHead<'_> {
        RequestHead {
            method: self.method_bytes(),
            target: self.request_uri(),
            version: self.version(),
            host: self.host(),
            defaults: Fields::new(b"", &[]),
            fields: self.headers(),
            expects_continue: self.headers().get_all("Expect").any(is_continue),
            length,
        }
    }

    /// The fields in memory of the request's own, of which one with that name is set.
    fn edit_field(&mut self, name: &[u8]) -> &mut Headers {
        let edits = self.edit();
        if let Some(names) = &mut edits.set_since {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.to_vec());
            }
        }
        &mut edits.headers
    }

    /// Whether the field with that name is what somebody here has said, rather than its client. Of a request that was
    /// built nobody knows.
    #[cfg(feature = "client")]
    pub(crate) fn was_set_since(&self, name: &str) -> bool {
        let names = self.edits.as_ref().and_then(|edits| edits.set_since.as_ref());
        names.is_some_and(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name.as_bytes())))
    }

    /// The `Connection` fields as they were received, whatever became of them; those of now if it was built or copied.
    #[cfg(feature = "client")]
    pub(crate) fn received_connection(&self) -> Vec<&[u8]> {
        let received = self.found.header_fields(&self.input);
        let fields = if received.is_empty() { self.headers() } else { received };
        fields.get_all("Connection").collect()
    }

    /// The parts in memory of the request's own. What was made of the parts before is forgotten.
    fn edit(&mut self) -> &mut Edits {
        self.form = KeptForm::default();
        if self.edits.is_none() {
            let mut headers = Headers::new();
            headers.copy_from(self.headers());
            let set_since = Some(Vec::new());
            let edits = Edits { head: self.found.head, headers, set_since, ..Edits::default() };
            let (method, target) = (self.method_bytes().to_vec(), self.request_uri().to_vec());
            let host = self.host().to_vec();
            self.edits = Some(Box::new(edits));
            self.place(&method, &target, &host);
        }
        // It is there now; this is how to say so without a way to panic.
        self.edits.get_or_insert_default()
    }

    /// Checks method and target and moves in; an absolute target brings its own host.
    fn relocate(&mut self, method: &[u8], target: &[u8], host: &[u8]) -> Result<(), RequestError> {
        if !token::is_token(method) {
            return Err(RequestError::Method);
        }
        let is_clean = target.iter().all(|byte| !byte.is_ascii_control() && *byte != b' ');
        let parts = split_target(method, target).map_err(|_| RequestError::Target)?;
        if target.is_empty() || !is_clean || std::str::from_utf8(target).is_err() {
            return Err(RequestError::Target);
        }
        let host = parts.authority.unwrap_or(host);
        // What a peer says in that field besides an absolute target does not count (RFC 9112 section 3.2.2), and must
        // not begin to once the target is another.
        if !host.is_empty() {
            self.edit().headers.set("Host", host);
        }
        self.place(method, target, host);
        Ok(())
    }

    /// The target, with `host` for the authority that it may have.
    fn target_at(&self, host: &[u8]) -> Vec<u8> {
        let target = self.request_uri();
        let parts = split_target(self.method_bytes(), target).ok();
        let Some(old) = parts.and_then(|parts| parts.authority) else { return target.to_vec() };
        let old = Span::of(old, target);
        let (before, rest) = target.split_at((old.start as usize).min(target.len()));
        [before, host, rest.get(old.len as usize..).unwrap_or_default()].concat()
    }

    /// Writes the line anew and lets the spans point into it.
    fn place(&mut self, method: &[u8], target: &[u8], host: &[u8]) {
        let Some(edits) = &mut self.edits else { return };
        edits.line.clear();
        for part in [method, target, host] {
            edits.line.extend_from_slice(part);
        }
        let line = &edits.line[..];
        let head = &mut edits.head;
        let at = |start: usize, len: usize| Span::of(line.get(start..start + len).unwrap_or_default(), line);
        head.method = at(0, method.len());
        head.target = at(method.len(), target.len());
        head.host = at(method.len() + target.len(), host.len());
        if let Ok(parts) = split_target(method, head.target.within(line)) {
            head.path = Span::of(parts.path, line);
            head.query = Span::of(parts.query, line);
            head.path_is_plain = parts.path_is_plain;
            if !parts.path_is_plain {
                path::normalize_into(&mut self.path, parts.path);
            }
        }
    }

    /// The bytes that the spans of the head point into.
    pub(super) fn line(&self) -> &[u8] {
        match &self.edits {
            Some(edits) => &edits.line,
            None => self.input.unread(),
        }
    }
}

impl Clone for Request {
    /// A copy in memory of its own: head, trailers and as much of the body as has arrived. It belongs to no connection,
    /// so it cannot receive the rest.
    fn clone(&self) -> Self {
        let (mut headers, mut trailers) = (Headers::new(), Headers::new());
        headers.copy_from(self.headers());
        trailers.copy_from(self.trailers());
        let mut copy = Self::empty();
        // What is set in the copy of one that was received is set since.
        let set_since = match &self.edits {
            Some(edits) => edits.set_since.clone(),
            None => Some(Vec::new()),
        };
        copy.edits = Some(Box::new(Edits {
            head: *self.head(),
            set_since,
            headers,
            trailers: Some(trailers),
            body: Some(self.body().to_vec()),
            ..Edits::default()
        }));
        copy.place(self.method_bytes(), self.request_uri(), self.host());
        copy
    }
}

/// Reads fields, whichever memory they are in.
impl Edits {
    pub(super) fn fields(&self) -> Fields<'_> {
        self.headers.fields()
    }
}
