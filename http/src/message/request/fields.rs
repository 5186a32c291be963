//! Header fields of a request that have a meaning of their own, by name: to read, and to set on a request that is
//! built.
//!
//! The idea: every typed access is a reading of the header fields as they are, so it never differs from the generic
//! one.
//!
//! The rule: what is set stays one line and one element of it.

use super::Request;
use crate::util::text::text;
use crate::values::coding::uncompressed;
use crate::values::cookie::{CookieLine, RequestCookies};
use crate::values::header::{
    self, AcceptEncoding, ByteRanges, Precondition, RangeError, RangeSpec, TraceParent, Validators,
};
use crate::values::multipart::{Boundary, BoundaryError};
use crate::values::version::Version;
use std::borrow::Cow;
use std::io;

/// Header fields by their meaning.
impl Request {
    /// Whether the client speaks HTTP/1.1.
    pub fn is_http11(&self) -> bool {
        self.version() == Version::Http11
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.header("Content-Type")
    }

    /// As [`content_type`](Self::content_type), if it is UTF-8.
    pub fn content_type_str(&self) -> Option<&str> {
        self.header_str("Content-Type")
    }

    /// The value of `Content-Encoding`. To undo it, there is [`ContentDecoder`](crate::body::ContentDecoder).
    pub fn content_encoding(&self) -> Option<&[u8]> {
        self.header("Content-Encoding")
    }

    /// As [`content_encoding`](Self::content_encoding), if it is UTF-8.
    pub fn content_encoding_str(&self) -> Option<&str> {
        self.header_str("Content-Encoding")
    }

    /// The body as it was before it was compressed, at most `max` bytes of it if it is; `None`: however much that is
    /// (fasthttp's `BodyUncompressed`, `BodyGunzip` and so on). Without a `Content-Encoding` it is the body as it is.
    ///
    /// It is all of a body that [has arrived](Self::is_body_complete); to take one as it comes, there is
    /// [`ContentDecoder`](crate::body::ContentDecoder).
    ///
    /// ```
    /// use anthill_http::{Handler, RequestCtx, Request};
    /// let mut request = Request::new("PUT", "/")?;
    /// request.set_content_encoding("deflate");
    /// request.set_body([0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]);
    /// assert_eq!(request.body_uncompressed(1024)?, &b"a"[..]);
    ///
    /// request.set_content_encoding("compress");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// (|ctx: &mut RequestCtx| ctx.request.body_uncompressed(1024).map(drop)).handle(&mut ctx);
    /// assert_eq!(ctx.response.status_code(), 415);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`ContentDecoder`](crate::body::ContentDecoder), and `Unsupported` with a
    /// [`CodingError`](crate::body::CodingError) inside for a coding that is not known. A handler that fails with them
    /// is answered 413, 400, 415.
    #[doc(alias("BodyUncompressed", "BodyGunzip", "BodyInflate", "BodyUnbrotli", "BodyUnzstd"))]
    pub fn body_uncompressed(&self, max: impl Into<Option<u64>>) -> io::Result<Cow<'_, [u8]>> {
        uncompressed(self.headers().get_all("Content-Encoding"), self.body(), max.into())
    }

    /// As [`body_uncompressed`](Self::body_uncompressed); `None` when it is not UTF-8.
    ///
    /// # Errors
    /// The same.
    pub fn body_uncompressed_str(&self, max: impl Into<Option<u64>>) -> io::Result<Option<Cow<'_, str>>> {
        Ok(text(self.body_uncompressed(max)?))
    }

    /// The value of `User-Agent`.
    pub fn user_agent(&self) -> Option<&[u8]> {
        self.header("User-Agent")
    }

    /// As [`user_agent`](Self::user_agent), if it is UTF-8.
    pub fn user_agent_str(&self) -> Option<&str> {
        self.header_str("User-Agent")
    }

    /// The value of `Referer`: the page that the request came from.
    pub fn referer(&self) -> Option<&[u8]> {
        self.header("Referer")
    }

    /// As [`referer`](Self::referer), if it is UTF-8.
    pub fn referer_str(&self) -> Option<&str> {
        self.header_str("Referer")
    }

    /// Of which trace the request is a part, as its `traceparent` says (W3C Trace Context); `None` when there is none,
    /// or it is not valid, or there are several.
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// assert_eq!(request.trace_parent(), None);
    /// request.set_header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// assert!(request.trace_parent().is_some_and(|parent| parent.is_sampled()));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn trace_parent(&self) -> Option<TraceParent> {
        let mut values = self.headers().get_all("Traceparent");
        let value = values.next()?;
        // Which of several it is that counts, nobody knows.
        if values.next().is_some() { None } else { TraceParent::parse(value).ok() }
    }

    /// What the client says about content codings, to ask which it prefers.
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// request.set_header("accept-encoding", "gzip;q=0.5, br");
    /// assert_eq!(request.accept_encoding().preferred(["gzip", "br", "identity"]), Some("br"));
    /// assert!(request.accepts_encoding("gzip") && !request.accepts_encoding("zstd"));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn accept_encoding(&self) -> AcceptEncoding<impl Iterator<Item = &[u8]> + Clone> {
        AcceptEncoding::new(self.headers().get_all("Accept-Encoding"))
    }

    /// Whether the client takes the content coding `coding`, such as `gzip`.
    // HDR-12.
    pub fn accepts_encoding(&self, coding: &str) -> bool {
        self.accept_encoding().accepts(coding)
    }

    /// Whether the client asks for another protocol: its `Connection` list has `Upgrade`. To which one, says the field
    /// `Upgrade`.
    pub fn wants_upgrade(&self) -> bool {
        header::has_token(self.headers().get_all("Connection"), "Upgrade")
    }

    /// Whether the `Connection` list has `close`.
    pub fn connection_close(&self) -> bool {
        header::has_token(self.headers().get_all("Connection"), "close")
    }

    /// What separates the parts of a multipart body.
    ///
    /// # Errors
    /// [`BoundaryError`]: the body is not multipart, or there is no valid boundary.
    pub fn multipart_boundary(&self) -> Result<Boundary, BoundaryError> {
        Boundary::from_content_type(self.content_type().unwrap_or_default())
    }

    /// What the preconditions of the request come to, all of them together, in the order of RFC 9110 section 13.2.2:
    /// `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`. A date counts only beside no tags, when
    /// it is one valid date, and `If-Modified-Since` with `GET` and `HEAD` alone.
    ///
    /// ```
    /// use anthill_http::header::{Precondition, Validators};
    /// use std::time::{Duration, UNIX_EPOCH};
    /// let current = Validators::new().etag(r#""v2""#).last_modified(UNIX_EPOCH + Duration::from_secs(784_111_777));
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// request.set_header("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
    /// assert_eq!(request.precondition(&current), Precondition::NotModified);
    /// request.set_header("If-None-Match", r#""v1""#);
    /// assert_eq!(request.precondition(&current), Precondition::Met);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn precondition(&self, current: &Validators<'_>) -> Precondition {
        current.judge(self.method(), self.headers())
    }

    /// The parts of content of `length` bytes that the client asks for; `None` when it asks for all of it.
    ///
    /// Ranges have a meaning with `GET` alone, and when there is one field of them (RFC 9110 section 14.2). Beside an
    /// `If-Range` they count only if that is met, see [`byte_ranges_of`](Self::byte_ranges_of).
    ///
    /// ```
    /// use anthill_http::header::{ByteRange, RangeSpec};
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// assert!(request.byte_ranges(1000).is_none());
    /// request.set_range(RangeSpec::Last(10));
    /// let mut ranges = request.byte_ranges(1000).expect("a range")?;
    /// assert_eq!(ranges.next(), ByteRange::new(990, 999));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RangeError`], which says what to answer.
    pub fn byte_ranges(&self, length: u64) -> Option<Result<ByteRanges<'_>, RangeError>> {
        self.byte_ranges_of(&Validators::new(), length)
    }

    /// As [`byte_ranges`](Self::byte_ranges), of content with these validators: a client that has a part of something
    /// else, as its `If-Range` says, gets all (RFC 9110 section 13.1.5).
    ///
    /// ```
    /// use anthill_http::header::Validators;
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// request.set_header("Range", "bytes=500-");
    /// request.set_header("If-Range", r#""v1""#);
    /// assert!(request.byte_ranges_of(&Validators::new().etag(r#""v1""#), 1000).is_some());
    /// assert!(request.byte_ranges_of(&Validators::new().etag(r#""v2""#), 1000).is_none());
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// As `byte_ranges`.
    pub fn byte_ranges_of(
        &self,
        current: &Validators<'_>,
        length: u64,
    ) -> Option<Result<ByteRanges<'_>, RangeError>> {
        let mut ranges = self.headers().get_all("Range");
        let first = ranges.next().filter(|_| self.method() == "GET" && ranges.next().is_none())?;
        current.meets_if_range(self.headers()).then(|| ByteRanges::parse(first, length))
    }

    /// The cookies that the client sent, in all `Cookie` fields and in order.
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// request.append_header("cookie", "a=1; b=2");
    /// request.append_header("cookie", "a=3");
    /// assert!(request.cookies().eq([(&b"a"[..], &b"1"[..]), (b"b", b"2"), (b"a", b"3")]));
    /// assert_eq!((request.cookie("a"), request.cookie("A")), (Some(&b"1"[..]), None));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    // CKY-03.
    pub fn cookies(&self) -> RequestCookies<'_, impl Iterator<Item = &[u8]> + Clone> {
        RequestCookies::new(self.headers().get_all("Cookie"))
    }

    /// The value of the first cookie called exactly `name`, as it was sent.
    pub fn cookie(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.cookies().get(name)
    }

    /// As [`cookie`](Self::cookie), if it is UTF-8.
    pub fn cookie_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.cookie(name)?).ok()
    }
}

/// The same, to set on a request that is built or passed on.
impl Request {
    /// Sets `Content-Type`.
    pub fn set_content_type(&mut self, content_type: impl AsRef<[u8]>) {
        self.set_header("Content-Type", content_type);
    }

    /// Sets `Content-Type` to that of a form whose parts this boundary separates.
    pub fn set_multipart_boundary(&mut self, boundary: &Boundary) {
        self.set_header("Content-Type", boundary.form_content_type());
    }

    /// Sets `Content-Encoding`. The body must be encoded so.
    pub fn set_content_encoding(&mut self, coding: impl AsRef<[u8]>) {
        self.set_header("Content-Encoding", coding);
    }

    /// Sets `User-Agent`.
    pub fn set_user_agent(&mut self, user_agent: impl AsRef<[u8]>) {
        self.set_header("User-Agent", user_agent);
    }

    /// Sets `Referer`.
    pub fn set_referer(&mut self, referer: impl AsRef<[u8]>) {
        self.set_header("Referer", referer);
    }

    /// Asks for this part of the content (fasthttp's `SetByteRange`).
    pub fn set_range(&mut self, range: impl Into<RangeSpec>) {
        self.set_header("Range", range.into().text());
    }

    /// Adds `close` to the `Connection` list.
    pub fn set_connection_close(&mut self) {
        if !self.connection_close() {
            self.append_header("Connection", "close");
        }
    }

    /// Makes `value` the value of the cookie `name`. All cookies are then in one `Cookie` field; malformed ones are
    /// gone.
    ///
    /// Control bytes and `;` become spaces; see [`CookieLine`].
    pub fn set_cookie(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let mut line = self.cookie_line();
        line.set(name, value);
        self.set_cookie_line(&line);
    }

    /// Removes the cookies called exactly `name`, and says whether there was one.
    pub fn remove_cookie(&mut self, name: impl AsRef<[u8]>) -> bool {
        let mut line = self.cookie_line();
        let was_there = line.remove(name);
        if was_there {
            self.set_cookie_line(&line);
        }
        was_there
    }

    /// Removes all cookies.
    pub fn clear_cookies(&mut self) {
        self.remove_header("Cookie");
    }

    fn cookie_line(&self) -> CookieLine {
        self.cookies().collect()
    }

    fn set_cookie_line(&mut self, line: &CookieLine) {
        if line.is_empty() {
            self.clear_cookies();
        } else {
            self.set_header("Cookie", line);
        }
    }
}
