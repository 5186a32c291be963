//! The request, as handlers read it: shortcuts, and the body where it may have to be waited for.
//!
//! The rule: what is read borrows from the context, so it cannot be kept.

use super::RequestCtx;
use crate::message::request::BodyReader;
use crate::message::response::Response;
use crate::values::header::{Precondition, Validators};
use std::borrow::Cow;
use std::io;
use std::time::SystemTime;

/// Reading the request.
impl RequestCtx {
    /// The method as it was sent.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// The decoded and normalised path; see [`Request::path`](crate::Request::path).
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// The decoded value of the first query argument called `name`; see
    /// [`Request::query_arg`](crate::Request::query_arg).
    pub fn query_arg(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        self.request.query_arg(name)
    }

    /// As [`query_arg`](Self::query_arg), if it is UTF-8.
    pub fn query_arg_str(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, str>> {
        self.request.query_arg_str(name)
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.header(name)
    }

    /// As [`header`](Self::header), if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.request.header_str(name)
    }

    /// The `id` of the last event that a client had before it lost its connection to a stream of events: the field
    /// `Last-Event-ID`, if it is there, not empty, and UTF-8. What was missed since then is best
    /// [sent first](crate::events::EventStream::send_first).
    ///
    /// ```
    /// use anthill_http::events::{Event, EventHub};
    /// use anthill_http::{Request, RequestCtx};
    /// fn subscribe(ctx: &mut RequestCtx, hub: &EventHub, log: &[&str]) {
    ///     let mut stream = hub.subscribe();
    ///     let next = ctx.last_event_id().and_then(|id| id.parse::<usize>().ok()).map_or(log.len(), |id| id + 1);
    ///     for (id, missed) in log.iter().enumerate().skip(next) {
    ///         stream.send_first(Event::data(missed).id(id.to_string())).unwrap();
    ///     }
    ///     ctx.set_event_stream(stream);
    /// }
    /// let mut request = Request::new("GET", "/")?;
    /// request.set_header("Last-Event-ID", "1");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// assert_eq!(ctx.last_event_id(), Some("1"));
    /// subscribe(&mut ctx, &EventHub::new(), &["zero", "one", "two"]);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn last_event_id(&self) -> Option<&str> {
        self.request.header_str("Last-Event-ID").filter(|id| !id.is_empty())
    }

    /// The request's body; see [`Request::body`](crate::Request::body) for what that is when bodies are streamed.
    pub fn body(&self) -> &[u8] {
        self.request.body()
    }

    /// As [`body`](Self::body), if it is UTF-8.
    pub fn body_str(&self) -> Option<&str> {
        self.request.body_str()
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
        BodyReader::new(&mut self.request, &mut self.lent)
    }

    /// The reader of the request's body and the response, to use both at the same time.
    pub fn body_and_response(&mut self) -> (BodyReader<'_>, &mut Response) {
        (BodyReader::new(&mut self.request, &mut self.lent), &mut self.response)
    }

    /// The request's body, waiting until all of it has arrived; at most as much of it as the server's
    /// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) allows.
    ///
    /// # Errors
    /// Those of [`BodyReader`]; `InvalidData` with [`ProtoError::BodyTooLarge`](crate::ProtoError::BodyTooLarge) inside
    /// when the body is above the limit.
    pub fn read_body(&mut self) -> io::Result<&[u8]> {
        self.request.collect(&mut self.lent, self.body_max)?;
        Ok(self.request.body())
    }

    /// As [`read_body`](Self::read_body); `None` when it is not UTF-8.
    ///
    /// # Errors
    /// The same.
    pub fn read_body_str(&mut self) -> io::Result<Option<&str>> {
        Ok(std::str::from_utf8(self.read_body()?).ok())
    }

    /// Whether a resource last changed at `last_modified` is newer than the copy that the client says it has.
    ///
    /// True as well when there is no `If-Modified-Since` or not one valid date, with methods other than `GET` and
    /// `HEAD`, and when the client tells its copy by a tag (`If-None-Match`), for that says more. Fractions of a second
    /// do not count, because the field cannot express them. To judge tags and dates together there is
    /// [`precondition_met`](Self::precondition_met).
    // CTX-09.
    pub fn if_modified_since(&self, last_modified: SystemTime) -> bool {
        self.request.precondition(&Validators::new().last_modified(last_modified))
            != Precondition::NotModified
    }
}
