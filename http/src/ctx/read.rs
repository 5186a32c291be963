//! The request, as handlers read it: shortcuts, and the body where it may have to be waited for.
//!
//! The rule: what is read borrows from the context, so it cannot be kept.

use super::RequestCtx;
use crate::message::request::{BodyReader, QueryArgs};
use crate::message::response::Response;
use crate::util::date;
use crate::values::header;
use crate::values::uri::{Uri, UriError};
use std::borrow::Cow;
use std::io;
use std::time::SystemTime;

/// Reading the request.
impl RequestCtx {
    /// The method as it was sent.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// Whether the method is `GET`.
    pub fn is_get(&self) -> bool {
        self.request.is_get()
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.request.is_head()
    }

    /// Whether the method is `POST`.
    pub fn is_post(&self) -> bool {
        self.request.is_post()
    }

    /// Whether the method is `PUT`.
    pub fn is_put(&self) -> bool {
        self.request.is_put()
    }

    /// Whether the method is `DELETE`.
    pub fn is_delete(&self) -> bool {
        self.request.is_delete()
    }

    /// Whether the method is `PATCH`.
    pub fn is_patch(&self) -> bool {
        self.request.is_patch()
    }

    /// Whether the method is `OPTIONS`.
    pub fn is_options(&self) -> bool {
        self.request.is_options()
    }

    /// Whether the method is `CONNECT`.
    pub fn is_connect(&self) -> bool {
        self.request.is_connect()
    }

    /// Whether the method is `TRACE`.
    pub fn is_trace(&self) -> bool {
        self.request.is_trace()
    }

    /// The decoded and normalised path; see [`Request::path`](crate::Request::path).
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// The request target as it was sent.
    pub fn request_uri(&self) -> &[u8] {
        self.request.target()
    }

    /// The query as it was sent, without the `?`.
    pub fn query(&self) -> &[u8] {
        self.request.query()
    }

    /// The whole URI that is asked for; see [`Request::uri`](crate::Request::uri).
    ///
    /// # Errors
    /// Those of [`Request::uri`](crate::Request::uri).
    pub fn uri(&self) -> Result<Uri, UriError> {
        self.request.uri()
    }

    /// The decoded pairs of the query, in order; see [`Request::query_args`](crate::Request::query_args).
    pub fn query_args(&self) -> QueryArgs<'_> {
        self.request.query_args()
    }

    /// The decoded value of the first query argument called `name`; empty when it has none.
    pub fn query_arg(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        let name = name.as_ref();
        let (_, value) = self.request.query_args().find(|(found, _)| found.as_ref() == name)?;
        Some(value.unwrap_or_default())
    }

    /// The host the request is for, with the port if one was given.
    pub fn host(&self) -> &[u8] {
        self.request.host()
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.header(name)
    }

    /// The value of `User-Agent`.
    pub fn user_agent(&self) -> Option<&[u8]> {
        self.request.user_agent()
    }

    /// The value of `Referer`: the page that the request came from.
    pub fn referer(&self) -> Option<&[u8]> {
        self.request.referer()
    }

    /// The request's body; see [`Request::body`](crate::Request::body) for what that is when bodies are streamed.
    pub fn body(&self) -> &[u8] {
        self.request.body()
    }

    /// Whether the whole body has arrived; see [`Request::is_body_complete`](crate::Request::is_body_complete).
    pub fn is_body_complete(&self) -> bool {
        self.request.is_body_complete()
    }

    /// Reads the body as it arrives (fasthttp's `RequestBodyStream`).
    ///
    /// Works for bodies that have arrived as well. What was read is gone from [`body`](Self::body). What is not read is
    /// thrown away behind the response, up to 256 KiB of it; beyond that, the connection closes.
    ///
    /// ```
    /// use std::io::Read;
    /// fn count(ctx: &mut anthill_http::RequestCtx) {
    ///     let mut bytes = 0;
    ///     let mut piece = [0; 8192];
    ///     let mut body = ctx.body_reader();
    ///     let read = loop {
    ///         match body.read(&mut piece) {
    ///             Ok(0) => break Ok(bytes),
    ///             Ok(count) => bytes += count,
    ///             Err(error) => break Err(error),
    ///         }
    ///     };
    ///     match read {
    ///         Ok(bytes) => ctx.set_body(bytes.to_string()),
    ///         Err(error) => ctx.error(error.to_string(), 400),
    ///     }
    /// }
    /// let request = anthill_http::Request::parse(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    /// let mut ctx = anthill_http::RequestCtx::for_request(request?.expect("a complete request").0, None);
    /// count(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"5");
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    // STR-04.
    pub fn body_reader(&mut self) -> BodyReader<'_> {
        BodyReader::new(&mut self.request, &mut self.line)
    }

    /// The reader of the request's body and the response, to use both at the same time.
    pub fn body_and_response(&mut self) -> (BodyReader<'_>, &mut Response) {
        (BodyReader::new(&mut self.request, &mut self.line), &mut self.response)
    }

    /// The request's body, waiting until all of it has arrived; at most as much of it as the server's
    /// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) allows.
    ///
    /// # Errors
    /// Those of [`BodyReader`]; `InvalidData` with [`ProtoError::BodyTooLarge`](crate::ProtoError::BodyTooLarge) inside
    /// when the body is above the limit.
    pub fn read_body(&mut self) -> io::Result<&[u8]> {
        self.request.collect(&mut self.line, self.body_max)?;
        Ok(self.request.body())
    }

    /// Whether a resource last changed at `last_modified` is newer than the copy that the client says it has.
    ///
    /// True as well when there is no `If-Modified-Since` or it is no date. Fractions of a second do not count, because
    /// the field cannot express them.
    // CTX-09.
    pub fn if_modified_since(&self, last_modified: SystemTime) -> bool {
        let Some(since) = self.request.header("If-Modified-Since").and_then(header::parse_http_date) else {
            return true;
        };
        date::whole_seconds(last_modified) > date::whole_seconds(since)
    }

    /// The value of the first cookie called exactly `name`, as it was sent; see
    /// [`Request::cookies`](crate::Request::cookies).
    pub fn cookie(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.request.cookie(name)
    }
}
