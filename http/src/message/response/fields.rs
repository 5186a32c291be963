//! Header fields of a response that have a meaning of their own, by name; and its cookies.
//!
//! The idea: every typed access reads or writes the header fields themselves, so it never differs from the generic one.
//!
//! The rule: what is set stays one line and one element of it.

use super::Response;
use crate::util::text::text;
use crate::util::token;
use crate::values::coding::uncompressed;
use crate::values::cookie::{Cookie, CookieError};
use crate::values::header::{ContentRange, date_text, has_token};
use std::borrow::Cow;
use std::io;
use std::time::SystemTime;

/// Header fields by their meaning.
impl Response {
    /// The `Content-Type` that was set. Without one, a response with a body is sent as `text/plain; charset=utf-8`.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.headers.get("Content-Type")
    }

    /// As [`content_type`](Self::content_type), if it is UTF-8.
    pub fn content_type_str(&self) -> Option<&str> {
        self.headers.get_str("Content-Type")
    }

    /// Sets the `Content-Type`.
    pub fn set_content_type(&mut self, content_type: impl AsRef<[u8]>) {
        self.headers.set_known("Content-Type", content_type.as_ref());
    }

    /// The `Content-Encoding` that was set.
    pub fn content_encoding(&self) -> Option<&[u8]> {
        self.headers.get("Content-Encoding")
    }

    /// As [`content_encoding`](Self::content_encoding), if it is UTF-8.
    pub fn content_encoding_str(&self) -> Option<&str> {
        self.headers.get_str("Content-Encoding")
    }

    /// The body as it was before it was compressed, at most `max` bytes of it if it is; `None`: however much that is
    /// (fasthttp's `BodyUncompressed`, `BodyGunzip` and so on). Without a `Content-Encoding` it is the body as it is.
    ///
    /// Of a streamed body, [`read_body`](Self::read_body) makes one that is there.
    ///
    /// ```
    /// let mut response = anthill_http::Response::new();
    /// response.set_content_encoding("deflate");
    /// response.set_body([0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]);
    /// assert_eq!(response.body_uncompressed(None)?, &b"a"[..]);
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

    /// Sets `Content-Encoding`. The body must be encoded so.
    pub fn set_content_encoding(&mut self, coding: impl AsRef<[u8]>) {
        self.headers.set_known("Content-Encoding", coding.as_ref());
    }

    /// The `Server` that was set. Without one, the server sends its own.
    pub fn server(&self) -> Option<&[u8]> {
        self.headers.get("Server")
    }

    /// As [`server`](Self::server), if it is UTF-8.
    pub fn server_str(&self) -> Option<&str> {
        self.headers.get_str("Server")
    }

    /// Sets `Server` for this response.
    pub fn set_server(&mut self, server: impl AsRef<[u8]>) {
        self.headers.set("Server", server);
    }

    /// Sets `Last-Modified`, cut to the second.
    pub fn set_last_modified(&mut self, time: SystemTime) {
        self.headers.set("Last-Modified", date_text(time));
    }

    /// Sets `Content-Range`: which part of the whole the body is.
    ///
    /// ```
    /// use anthill_http::header::{ByteRange, ContentRange};
    /// let mut response = anthill_http::Response::new();
    /// let range = ByteRange::new(0, 4).expect("not empty");
    /// response.set_status_code(206);
    /// response.set_content_range(ContentRange::Part { range, length: Some(11) });
    /// assert_eq!(response.header("content-range"), Some(&b"bytes 0-4/11"[..]));
    /// ```
    pub fn set_content_range(&mut self, range: ContentRange) {
        self.headers.set("Content-Range", range.text());
    }

    /// Adds the field of requests that is called `name` to what the response varies by, unless it is there.
    pub(crate) fn vary_by(&mut self, name: &'static str) {
        if !self.headers.contains("Vary") {
            return self.headers.set_known("Vary", name.as_bytes());
        }
        let lines = || self.headers.get_all("Vary");
        if has_token(lines(), name) || has_token(lines(), "*") {
            return;
        }
        let mut together = lines().collect::<Vec<_>>().join(&b", "[..]);
        together.extend_from_slice(b", ");
        together.extend_from_slice(name.as_bytes());
        self.headers.set("Vary", together);
    }

    /// The names that are announced as trailers; see [`Response::add_trailer`].
    pub fn trailer_names(&self) -> impl Iterator<Item = &str> {
        let names = self.headers.get_all("Trailer").flat_map(token::list);
        names.filter_map(|name| std::str::from_utf8(name).ok())
    }
}

/// Cookies.
impl Response {
    /// Sets a cookie at the client, in the place of the one of the same name that was set before.
    ///
    /// ```
    /// use anthill_http::{Cookie, Response};
    /// let mut response = Response::new();
    /// response.set_cookie(&Cookie::new("sid", "1"));
    /// response.set_cookie(&Cookie::new("lang", "en"));
    /// response.set_cookie(Cookie::new("sid", "2").set_path("/"));
    /// let lines: Vec<_> = response.headers().get_all("set-cookie").collect();
    /// assert_eq!(lines, [&b"sid=2; path=/"[..], b"lang=en"]);
    /// ```
    pub fn set_cookie(&mut self, cookie: &Cookie) {
        let mut line = Vec::new();
        cookie.append_to(&mut line);
        // A name that was made harmless may read differently where it is empty; what is on the line counts.
        let name = Cookie::name_of(&line);
        self.headers.set_where(SET_COOKIE, &line, |other| Cookie::name_of(other) == name);
    }

    /// The cookies that are set, in order. An error is a `Set-Cookie` field that was set by other means, or a cookie
    /// that its client may not take either.
    pub fn cookies(&self) -> impl Iterator<Item = Result<Cookie, CookieError>> {
        self.headers.get_all("Set-Cookie").map(Cookie::parse)
    }

    /// The cookie called exactly `name`, if it is set.
    pub fn cookie(&self, name: impl AsRef<[u8]>) -> Option<Result<Cookie, CookieError>> {
        let name = name.as_ref();
        let line = self.headers.get_all("Set-Cookie").find(|line| Cookie::name_of(line) == name)?;
        Some(Cookie::parse(line))
    }

    /// Takes back the cookie called exactly `name`, and says whether it was set. A client keeps the one it has; see
    /// [`Response::expire_cookie`].
    pub fn remove_cookie(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        self.headers.remove_where(SET_COOKIE, |line| Cookie::name_of(line) == name)
    }

    /// Takes back all cookies.
    pub fn clear_cookies(&mut self) {
        self.headers.remove(SET_COOKIE);
    }

    /// Makes the client delete the cookie called `name` (fasthttp's `DelClientCookie`).
    ///
    /// That is the one without a domain and for the folder of the request's path. For another one, give
    /// [`Cookie::expired`] the domain and path it was set with, and [`set`](Response::set_cookie) that.
    ///
    /// ```
    /// let mut response = anthill_http::Response::new();
    /// response.expire_cookie("sid");
    /// assert_eq!(
    ///     response.headers().get_str("set-cookie"),
    ///     Some("sid=; expires=Tue, 10 Nov 2009 23:00:00 GMT")
    /// );
    /// ```
    // CKY-01.
    pub fn expire_cookie(&mut self, name: impl AsRef<[u8]>) {
        self.set_cookie(&Cookie::expired(name));
    }
}

const SET_COOKIE: &[u8] = b"Set-Cookie";
