//! The response, as handlers prepare it: fasthttp's shortcuts.
//!
//! The rule: all of them can be called in any order, and the last word counts.

use super::RequestCtx;
use crate::message::events::EventStream;
use crate::message::response::IntoStatus;
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::percent::append_encoded;
use crate::values::header::{Precondition, Validators};
use crate::values::status::NOT_FOUND_TEXT;
use std::io;

/// Fields of a response that are about its content, or about how long that may be kept.
const CONTENT_FIELDS: [&str; 11] = [
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Expires",
    "Last-Modified",
];

/// Preparing the response.
impl RequestCtx {
    /// Sets the status code; see [`Response::set_status_code`](crate::Response::set_status_code).
    pub fn set_status_code(&mut self, status: impl IntoStatus) {
        self.response.set_status_code(status);
    }

    /// Sets the `Content-Type` of the response.
    pub fn set_content_type(&mut self, content_type: impl AsRef<[u8]>) {
        self.response.set_content_type(content_type);
    }

    /// Replaces the response's body by a copy of `body`.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.response.set_body(body);
    }

    /// Lets the response be a stream of events; see
    /// [`Response::set_event_stream`](crate::Response::set_event_stream).
    pub fn set_event_stream(&mut self, events: EventStream) {
        self.response.set_event_stream(events);
    }

    /// Adds a copy of `part` to the response's body.
    ///
    /// The context is also an [`io::Write`], for `write!` and for encoders; writing to it always succeeds.
    pub fn append_body(&mut self, part: impl AsRef<[u8]>) {
        self.response.append_body(part);
    }

    /// Sets type and body of a successful response.
    pub fn success(&mut self, content_type: impl AsRef<[u8]>, body: impl AsRef<[u8]>) {
        self.response.set_content_type(content_type);
        self.response.set_body(body);
    }

    /// Starts the response over as plain text `message` with status `status`; or as what the server's
    /// [`error_body`](crate::ServerBuilder::error_body) makes of these. Header fields set before are gone.
    pub fn error(&mut self, message: impl AsRef<[u8]>, status: impl IntoStatus) {
        let message = message.as_ref();
        self.answer_plainly(message, status.into_status());
        self.report_said(message);
    }

    /// Starts the response over as a 404 with fasthttp's text.
    pub fn not_found(&mut self) {
        self.error(NOT_FOUND_TEXT, 404);
    }

    /// Starts the response over as an empty 304.
    pub fn not_modified(&mut self) {
        self.response.clear();
        self.response.set_status_code(304);
    }

    /// Judges the preconditions of the request by what there is
    /// ([`Request::precondition`](crate::Request::precondition)). False: nothing is left to be done, for the response
    /// says what came of them: 304 without a body and with these validators, its other fields as they are; or 412 with
    /// a text, without the fields that are about the content it does not bring.
    ///
    /// ```
    /// use anthill_http::header::Validators;
    /// use anthill_http::{Request, RequestCtx};
    ///
    /// fn page(ctx: &mut RequestCtx) {
    ///     ctx.response.set_header("Cache-Control", "max-age=60");
    ///     ctx.response.set_header("ETag", r#""v2""#);
    ///     if ctx.precondition_met(&Validators::new().etag(r#""v2""#)) {
    ///         ctx.success("text/html", "<p>what takes a while to make");
    ///     }
    /// }
    ///
    /// let mut request = Request::new("GET", "/page")?;
    /// request.set_header("If-None-Match", r#""v2""#);
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// page(&mut ctx);
    /// assert_eq!((ctx.response.status_code(), ctx.response.body()), (304, &b""[..]));
    /// assert_eq!(ctx.response.header_str("Cache-Control"), Some("max-age=60"));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn precondition_met(&mut self, current: &Validators<'_>) -> bool {
        match self.request.precondition(current) {
            Precondition::Met => return true,
            Precondition::Failed => self.refuse_content("Precondition Failed", 412),
            Precondition::NotModified => {
                self.response.set_status_code(304);
                self.response.clear_body();
                if let Some(tag) = current.tag() {
                    self.response.set_header("ETag", tag);
                }
                if let Some(time) = current.time() {
                    self.response.set_last_modified(time);
                }
            }
        }
        false
    }

    /// Answers with an error instead of content. Fields that say something about the content go, `Cache-Control` with
    /// them, which would have the error kept for as long; all others stay, so that a page of another origin may read
    /// it.
    pub(crate) fn refuse_content(&mut self, message: &str, status: u16) {
        for name in CONTENT_FIELDS {
            self.response.headers_mut().remove(name);
        }
        self.response.set_status_code(status);
        self.response.set_content_type("text/plain; charset=utf-8");
        self.response.set_body(message);
        self.report_said(message.as_bytes());
    }

    /// Redirects to `uri`, with 301, 302, 303, 307 or 308; any other code becomes 302.
    ///
    /// `uri` is sent as given, relative or absolute, which clients resolve (RFC 9110 10.2.2); so it is right behind a
    /// proxy too, whatever scheme and host that serves. Only spaces, control bytes (as spaces) and bytes beyond ASCII
    /// are percent-coded. With [`absolute_redirects`](crate::ServerBuilder::absolute_redirects) it is resolved first.
    /// The body is left alone.
    ///
    /// Where a client can choose `uri`, take only what starts with one slash and has neither a slash nor a backslash
    /// behind it: that stays on the host of the request. Everything else may lead anywhere.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx};
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "http://example.org/shop/cart?full")?, None);
    /// ctx.redirect("../login?from=cart", 303);
    /// assert_eq!(ctx.response.header("location"), Some(&b"../login?from=cart"[..]));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    // CTX-07.
    pub fn redirect(&mut self, uri: impl AsRef<[u8]>, status: impl IntoStatus) {
        let status = match status.into_status() {
            status @ (301 | 302 | 303 | 307 | 308) => status,
            _ => 302,
        };
        // Browsers leave tabs and line breaks out, which would make two slashes of `/<tab>/`.
        let blank = |&byte: &u8| if byte.is_ascii_control() { b' ' } else { byte };
        let uri: Vec<u8> = uri.as_ref().iter().map(blank).collect();
        self.response.set_status_code(status);
        let resolves = self.options.as_ref().is_some_and(|options| options.resolves_redirects);
        let location = if resolves {
            self.absolute(&uri).unwrap_or(uri)
        } else {
            let mut location = Vec::with_capacity(uri.len());
            append_encoded(&mut location, &uri, &ASCII);
            location
        };
        self.response.set_header("Location", location);
    }

    /// `reference`, resolved against the URI of the request.
    fn absolute(&self, reference: &[u8]) -> Option<Vec<u8>> {
        let mut uri = self.request.uri().ok()?;
        if self.request.request_uri().starts_with(b"/") {
            uri.set_scheme(self.scheme()).ok()?;
            if let Some(host) = self.forwarded().host {
                uri.set_host(host).ok()?;
            }
        }
        uri.update(reference).ok()?;
        if uri.host().is_empty() {
            return None;
        }
        uri.set_path_normalizing(false);
        let mut location = Vec::new();
        append_encoded(&mut location, &uri.to_bytes(), &ASCII);
        Some(location)
    }
}

impl io::Write for RequestCtx {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.response.append_body(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What stands as it is in a `Location`: all that a URI prints, but bytes beyond ASCII.
static ASCII: ByteSet = alphanumerics_and(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
