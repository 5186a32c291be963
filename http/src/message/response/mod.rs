//! A response that a handler prepares.
//!
//! The idea: status, fields and body are kept apart until the protocol core writes them, so they can be set
//! in any order and the last word counts.
//!
//! The rule: nothing a handler puts in here can break the message framing. Length and connection handling are
//! decided when the response is written, from the body that is really there.

mod body;
mod collect;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod encoded;
mod event_source;
mod fields;
mod filter;
#[cfg(feature = "json")]
mod json;
mod outgoing;
#[cfg(feature = "fs")]
mod parts;
mod send;
mod source;
mod write;
mod writer;

#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub(crate) use encoded::BodyWitness;
pub(crate) use outgoing::Outgoing;
#[cfg(feature = "fs")]
pub(crate) use parts::{BodyPart, WholeContent};
pub(crate) use source::Live;
#[cfg(any(feature = "client", feature = "tower"))]
pub(crate) use source::Pull;
#[cfg(feature = "fs")]
pub(crate) use source::SharedBytes;
pub use writer::BodyWriter;

use crate::message::events::EventStream;
use crate::proto::{Ending, append_trailer_lines, is_trailer_name};
use crate::util::token;
use crate::values::header;
use crate::values::headers::Headers;
use crate::wire::output::{MOVED_BODY_BYTES_MIN, recycle};
use body::{BodySource, WriterSource};
use outgoing::{PIECE_BYTES, ended_early};
#[cfg(not(any(feature = "client", feature = "tower")))]
use source::Pull;
#[cfg(not(feature = "fs"))]
use source::SharedBytes;
use source::{BegunSource, FileHandle, FileRange, ReaderSource, SharedRest};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// A response in preparation: status, header fields, body. Starts as an empty `200 OK`.
///
/// The body is collected in a buffer, or comes from bytes of somebody else, a file, a reader, or a function that writes
/// it. Setting one replaces the other.
///
/// ```
/// let mut response = anthill_http::Response::new();
/// response.set_status_code(404);
/// response.set_content_type("text/plain");
/// response.set_body("nothing here");
/// assert_eq!((response.status_code(), response.body()), (404, &b"nothing here"[..]));
/// ```
#[derive(Debug)]
pub struct Response {
    status: u16,
    reason: Vec<u8>,
    headers: Headers,
    body: Vec<u8>,
    source: BodySource,
    flushes_head: bool,
    /// Nobody may give the body a coding, whatever the fields say.
    keeps_form: bool,
    /// It is another server's, of which what it does not say is not said.
    is_passed_on: bool,
}

/// What a status code can be given as: a number, or, with the feature `http`, an `http::StatusCode`.
///
/// ```
/// fn answer(ctx: &mut anthill_http::RequestCtx, status: impl anthill_http::IntoStatus) {
///     ctx.set_status_code(status);
/// }
/// let mut ctx = anthill_http::RequestCtx::default();
/// answer(&mut ctx, 404);
/// assert_eq!(ctx.response.status_code(), 404);
/// ```
pub trait IntoStatus {
    /// The code.
    fn into_status(self) -> u16;
}

impl IntoStatus for u16 {
    fn into_status(self) -> u16 {
        self
    }
}

#[cfg(feature = "http")]
impl IntoStatus for ::http::StatusCode {
    fn into_status(self) -> u16 {
        self.as_u16()
    }
}

/// A streamed body, ready to be sent behind the head.
pub(crate) enum Stream {
    /// The driver asks for its pieces.
    Pieces(Outgoing),
    /// The user's function writes it.
    Writer { writer: WriterSource, ending: Ending, trailers: Vec<u8> },
}

/// Why a trailer field was not announced.
///
/// ```
/// let mut response = anthill_http::Response::new();
/// assert_eq!(response.add_trailer("Content-Length, Checksum"), Err(anthill_http::TrailerError));
/// assert_eq!(response.headers().get("Trailer"), Some(&b"Checksum"[..]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrailerError;

impl fmt::Display for TrailerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name that must not be a trailer; use a field that has nothing to do with framing, routing or the type")
    }
}

impl std::error::Error for TrailerError {}

impl Response {
    /// An empty response with status 200.
    pub fn new() -> Self {
        Self {
            status: 200,
            reason: Vec::new(),
            headers: Headers::new(),
            body: Vec::new(),
            source: BodySource::Buffer,
            flushes_head: false,
            keeps_form: false,
            is_passed_on: false,
        }
    }

    /// The status code that will be sent.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// Sets the status code and forgets a reason that was set before.
    ///
    /// 0 means 200, as in fasthttp. Any other number that is not of three digits (below 100 or above 999)
    /// cannot be sent and is a mistake of the handler: it becomes 500.
    pub fn set_status_code(&mut self, status: impl IntoStatus) {
        self.status = match status.into_status() {
            0 => 200,
            status @ 100..=999 => status,
            _ => 500,
        };
        self.reason.clear();
    }

    /// Replaces the standard reason phrase of the current status. Control bytes become spaces;
    /// an empty reason means the standard one.
    // HDR-11.
    pub fn set_reason(&mut self, reason: impl AsRef<[u8]>) {
        self.reason.clear();
        token::append_one_line(&mut self.reason, reason.as_ref());
    }

    /// The reason phrase that was set; empty when the standard one is to be sent.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// As [`reason`](Self::reason), if it is UTF-8.
    pub fn reason_str(&self) -> Option<&str> {
        std::str::from_utf8(self.reason()).ok()
    }

    /// The value of the first header field called `name` that was set, in any case; see [`Response::headers`].
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// As [`header`](Self::header), if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.headers.get_str(name)
    }

    /// The header fields set so far. Those that are added when the response is written (`Date`,
    /// `Content-Length` and so on) are not among them.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to edit. See [`Response::set_header`] for the ones that are decided elsewhere.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Makes `value` the only value of the header field `name`.
    ///
    /// `Content-Length` and `Transfer-Encoding` are ignored when the response is written, because its real
    /// body decides; only the answer to a `HEAD` request with no body may name a length.
    /// `Connection: close` has the effect of [`Response::set_connection_close`]; of other options only `Upgrade` is
    /// sent.
    // HDR-06.
    pub fn set_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.headers.set(name, value);
    }

    /// Adds a header field, keeping others with the same name. Of `Content-Type`, `Server` and `Date` there can be but
    /// one; it is replaced.
    pub fn append_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let is_single =
            [&b"Content-Type"[..], b"Server", b"Date"].iter().any(|single| name.eq_ignore_ascii_case(single));
        if is_single {
            self.headers.set(name, value);
        } else {
            self.headers.append(name, value);
        }
    }

    /// Replaces the body by a copy of `body`, in memory that is used again for later responses.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.drop_source();
        self.body.clear();
        self.body.extend_from_slice(body.as_ref());
    }

    /// Replaces the body without copying. Worth it for bodies above 16 KiB; smaller ones are copied once when
    /// the response is written.
    pub fn set_body_vec(&mut self, body: Vec<u8>) {
        self.source = BodySource::Buffer;
        self.body = body;
    }

    /// Replaces the body by bytes that live as long as the program, without copying them here.
    pub fn set_body_static(&mut self, body: &'static [u8]) {
        self.set_source(BodySource::Shared(SharedBytes::Static(body)));
    }

    /// Replaces the body by shared bytes. An `Arc<[u8]>` is not copied.
    pub fn set_body_shared(&mut self, body: impl Into<Arc<[u8]>>) {
        self.set_source(BodySource::Shared(SharedBytes::Counted(body.into())));
    }

    /// Lets the body be read from `reader` until it ends, each read being sent at once: chunked, or, to a client that
    /// speaks HTTP/1.0, up to the end of the connection.
    ///
    /// A client that speaks HTTP/1.0 cannot tell a body that broke off from one that ended.
    ///
    /// The reader is dropped when the response has been sent or given up, also when nothing of it was asked for
    /// (`HEAD`, 204, 304). When its first read fails or panics, nothing has been sent, and the response is that to a
    /// handler which has failed so. Later an error or a panic ends the connection in the middle of the body.
    ///
    /// ```
    /// let mut response = anthill_http::Response::new();
    /// response.set_body_reader(std::io::Cursor::new("streamed"));
    /// assert!(response.is_body_stream());
    /// assert_eq!(response.body(), b"");
    /// ```
    // RSP-05, RSP-06, RSP-08, RSP-09.
    pub fn set_body_reader(&mut self, reader: impl Read + Send + 'static) {
        self.set_source(BodySource::Pull(Box::new(ReaderSource::new(reader, None))));
    }

    /// Lets `size` bytes of the body be read from `reader`, announced as `Content-Length`. A reader that ends before
    /// has failed (see [`set_body_reader`](Self::set_body_reader)); what it has beyond is not asked for.
    // RSP-04.
    pub fn set_body_reader_sized(&mut self, reader: impl Read + Send + 'static, size: u64) {
        self.set_source(BodySource::Pull(Box::new(ReaderSource::new(reader, Some(size)))));
    }

    /// Makes the whole of `file` the body.
    ///
    /// # Errors
    /// When the size of the file cannot be had. Then nothing has changed.
    pub fn set_body_file(&mut self, file: File) -> io::Result<()> {
        let size = file.metadata()?.len();
        self.set_body_file_range(file, 0, size);
        Ok(())
    }

    /// Makes `size` bytes of `file` from `offset` the body. On a plain connection they do not pass through the process
    /// where the system can do that. The position of the handle is neither used nor changed.
    ///
    /// A file that has become shorter when it is sent ends the connection.
    // RSP-10.
    pub fn set_body_file_range(&mut self, file: File, offset: u64, size: u64) {
        self.set_source(BodySource::File(FileRange::new(FileHandle::Own(file), offset, size)));
    }

    /// Lets `write` send the body, after the handler has returned and the head has been prepared (fasthttp's
    /// `SetBodyStreamWriter`). It may block. Each flush is one chunk, which reaches the client at once; to a client
    /// that speaks HTTP/1.0 the body lasts until the connection ends.
    ///
    /// When it fails or panics and nothing has been sent yet, the response becomes that to a handler which has failed
    /// so: nothing is sent before the first flush, or before 16 KiB were written. Later an error or a panic ends the
    /// connection in the middle of the body.
    ///
    /// It holds a thread until it returns. When [`max_streaming_workers`](crate::ServerBuilder::max_streaming_workers)
    /// do so the response is a 503 instead. For responses that last there are [`events`](crate::events), which hold
    /// none.
    ///
    /// ```
    /// use std::io::Write;
    /// let mut response = anthill_http::Response::new();
    /// response.set_body_writer(|out| {
    ///     out.write_all(b"first")?;
    ///     out.flush()?;
    ///     out.write_all(b"second")
    /// });
    /// assert!(response.is_body_stream());
    /// ```
    // RSP-05, RSP-06.
    pub fn set_body_writer(
        &mut self,
        write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static,
    ) {
        self.set_source(BodySource::Writer(WriterSource::new(write)));
    }

    /// The same, of a body of `length` bytes, if that is known; and run for what else it does if none is sent.
    #[cfg(feature = "client")]
    pub(crate) fn set_passing_writer(
        &mut self,
        length: Option<u64>,
        write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static,
    ) {
        let writer = WriterSource { length, runs_bodiless: true, ..WriterSource::new(write) };
        self.set_source(BodySource::Writer(writer));
    }

    /// Lets the body be what comes of `events`, for as long as its client listens, without holding a thread. Sets the
    /// type to `text/event-stream`, and, unless it was set before, `Cache-Control` to `no-cache`. The head is sent at
    /// once.
    ///
    /// The stream ends with its hub or its sender, when the server shuts down (behind what waits for the client), and
    /// when the client goes. That is noticed at once by a server's [`serve`](crate::Server::serve);
    /// [`serve_conn`](crate::Server::serve_conn), which waits for events on the calling thread, notices it when it
    /// sends something, at the latest with the second [heartbeat](crate::events::EventOptions::heartbeat). While there
    /// are no events, no timeout counts, and its place among the [`concurrency`](crate::ServerBuilder::concurrency) is
    /// taken. A client that takes nothing of what is sent is given up after the
    /// [`write_timeout`](crate::ServerBuilder::write_timeout); one that says that it will send nothing more keeps its
    /// stream if it still takes it.
    ///
    /// A proxy may hold back what it should pass on; nginx does not when the response has `X-Accel-Buffering: no`.
    ///
    /// ```
    /// use anthill_http::events::EventHub;
    /// let hub = EventHub::new();
    /// let mut response = anthill_http::Response::new();
    /// response.set_event_stream(hub.subscribe());
    /// assert_eq!(response.header_str("content-type"), Some("text/event-stream"));
    /// assert!(response.is_body_stream() && hub.subscribers() == 1);
    /// // Whatever takes its place ends it.
    /// response.set_body("not now");
    /// assert_eq!(hub.subscribers(), 0);
    /// ```
    pub fn set_event_stream(&mut self, events: EventStream) {
        self.set_content_type("text/event-stream");
        if !self.headers.contains("Cache-Control") {
            self.headers.set("Cache-Control", "no-cache");
        }
        self.set_source(BodySource::Pull(Box::new(events)));
    }

    /// Whether the body is produced while it is sent.
    pub fn is_body_stream(&self) -> bool {
        self.source.is_stream()
    }

    /// Has the head of a streamed response sent before the first byte of its body is asked for, instead of together
    /// with it (fasthttp's `ImmediateHeaderFlush`).
    // RSP-07.
    pub fn set_immediate_header_flush(&mut self, immediate: bool) {
        self.flushes_head = immediate;
    }

    /// Adds a copy of `part` to the end of the body. A streamed body is replaced.
    pub fn append_body(&mut self, part: impl AsRef<[u8]>) {
        self.body_mut().extend_from_slice(part.as_ref());
    }

    /// The body set so far; empty when it is a stream.
    pub fn body(&self) -> &[u8] {
        match &self.source {
            BodySource::Shared(bytes) => bytes.as_ref(),
            _ => &self.body,
        }
    }

    /// As [`body`](Self::body), if it is UTF-8.
    pub fn body_str(&self) -> Option<&str> {
        std::str::from_utf8(self.body()).ok()
    }

    /// The body, to edit. Bytes that were shared are copied first; a streamed body is replaced by an empty one.
    pub fn body_mut(&mut self) -> &mut Vec<u8> {
        match std::mem::take(&mut self.source) {
            BodySource::Buffer => {}
            BodySource::Shared(bytes) => {
                self.body.clear();
                self.body.extend_from_slice(bytes.as_ref());
            }
            BodySource::File(_) | BodySource::Pull(_) | BodySource::Writer(_) => self.body.clear(),
        }
        &mut self.body
    }

    /// Puts `body` in the place of the body and returns that. A streamed body is dropped, and reads as empty.
    pub fn swap_body(&mut self, body: Vec<u8>) -> Vec<u8> {
        std::mem::replace(self.body_mut(), body)
    }

    /// Removes the body. Memory is kept for the next one up to 64 KiB.
    pub fn clear_body(&mut self) {
        self.drop_source();
        recycle(&mut self.body);
    }

    /// The body is in the buffer, as it mostly was before.
    #[inline]
    fn drop_source(&mut self) {
        if !matches!(self.source, BodySource::Buffer) {
            self.source = BodySource::Buffer;
        }
    }

    /// The length of the body; `None` when it is a stream of unknown size.
    pub fn content_length(&self) -> Option<u64> {
        match &self.source {
            BodySource::Buffer => Some(self.body.len() as u64),
            source => source.size(),
        }
    }

    /// Announces that the header fields with these names (a comma list) go behind the body. They are set like any
    /// others and left out of the head.
    ///
    /// Only a chunked response has a place behind its body: a stream of unknown size to an HTTP/1.1 client. In any
    /// other they are sent in the head.
    ///
    /// # Errors
    /// [`TrailerError`] when one of the names must not be a trailer; the others are announced nevertheless.
    // BDY-08.
    pub fn add_trailer(&mut self, names: impl AsRef<[u8]>) -> Result<(), TrailerError> {
        let mut verdict = Ok(());
        let lines: Vec<&[u8]> = self.headers.get_all("Trailer").collect();
        let mut announced = lines.join(&b", "[..]);
        for name in names.as_ref().split(|&byte| byte == b',').map(token::trim) {
            if !is_trailer_name(name) {
                verdict = Err(TrailerError);
            } else if !token::list(&announced).any(|known| known.eq_ignore_ascii_case(name)) {
                if !announced.is_empty() {
                    announced.extend_from_slice(b", ");
                }
                token::append_canonical_name(&mut announced, name);
            }
        }
        if !announced.is_empty() {
            self.headers.set("Trailer", &announced);
        }
        verdict
    }

    /// Asks for the connection to be closed after this response: adds `close` to the `Connection` list.
    // CON-05.
    pub fn set_connection_close(&mut self) {
        if !self.connection_close() {
            self.headers.append("Connection", "close");
        }
    }

    /// Whether the `Connection` list has `close`.
    pub fn connection_close(&self) -> bool {
        header::has_token(self.headers.get_all("Connection"), "close")
    }

    /// Back to an empty `200 OK`. Memory is kept for the next response up to 64 KiB per buffer.
    pub fn clear(&mut self) {
        self.status = 200;
        self.reason.clear();
        self.headers.clear();
        self.clear_body();
        self.flushes_head = false;
        self.keeps_form = false;
        self.is_passed_on = false;
    }

    /// The body as a stream, if it is one that is sent behind the head. It is taken out of the response, whether or not
    /// anything of it is sent.
    pub(crate) fn take_stream(&mut self, ending: Option<Ending>) -> Option<Stream> {
        if matches!(self.source, BodySource::Buffer) {
            return None;
        }
        let mut source = std::mem::take(&mut self.source);
        let ending = match (ending, &mut source) {
            (Some(ending), _) => ending,
            (None, BodySource::Writer(writer)) if writer.runs_bodiless => {
                // Of nothing nothing is made.
                writer.filter = None;
                Ending::Length(0)
            }
            (None, _) => return None,
        };
        let mut trailers = Vec::new();
        if ending == Ending::Chunked {
            append_trailer_lines(&mut trailers, self.headers.fields());
        }
        let source: Box<dyn Pull> = match source {
            BodySource::Buffer => return None,
            BodySource::Writer(writer) => return Some(Stream::Writer { writer, ending, trailers }),
            BodySource::Shared(bytes) => Box::new(SharedRest::new(bytes)),
            BodySource::File(range) => Box::new(range),
            BodySource::Pull(source) => source,
        };
        Some(Stream::Pieces(Outgoing::new(source, ending, trailers)))
    }

    /// Brings the first piece of a body that is read, before the head is written: while that may still be another one.
    /// Not of one whose head does not wait for it.
    ///
    /// # Errors
    /// Those of the source, which is gone then; `UnexpectedEof` when it is empty and was not to be.
    pub(crate) fn begin_body(&mut self) -> io::Result<()> {
        let BodySource::Pull(source) = &mut self.source else { return Ok(()) };
        let size = source.size();
        if self.flushes_head || size == Some(0) || source.live().is_some() {
            return Ok(());
        }
        let BodySource::Pull(source) = std::mem::take(&mut self.source) else { return Ok(()) };
        let most = size.map_or(PIECE_BYTES, |size| size.min(PIECE_BYTES as u64) as usize);
        let begun = BegunSource::begin(source, most)?;
        if let Some(size) = size.filter(|_| begun.is_empty()) {
            return Err(ended_early(size));
        }
        self.source = BodySource::Pull(Box::new(begun));
        Ok(())
    }

    /// Whether the body is written by a function, which can go on reading the request.
    pub(crate) fn has_writer(&self) -> bool {
        matches!(self.source, BodySource::Writer(_))
    }

    /// Whether that function is run even if no body is sent.
    pub(crate) fn writes_bodiless(&self) -> bool {
        matches!(&self.source, BodySource::Writer(writer) if writer.runs_bodiless)
    }

    /// Whether the head of a stream is sent by itself.
    pub(crate) fn flushes_head(&self) -> bool {
        self.flushes_head
    }

    /// The body, if it is in a buffer from which it can be moved.
    pub(crate) fn buffered_body(&mut self) -> Option<&mut Vec<u8>> {
        matches!(self.source, BodySource::Buffer).then_some(&mut self.body)
    }

    /// Moves shared bytes into the buffer when copying them is the cheaper way to send them.
    pub(crate) fn copy_small_body(&mut self) {
        if matches!(&self.source, BodySource::Shared(bytes) if bytes.as_ref().len() <= MOVED_BODY_BYTES_MIN) {
            self.body_mut();
        }
    }

    /// Says that it is another server's: neither a type nor a server is added.
    #[cfg(any(feature = "client", feature = "tower"))]
    pub(crate) fn pass_on(&mut self) {
        self.is_passed_on = true;
    }

    /// Lets the body be pulled from `source`.
    #[cfg(any(feature = "client", feature = "tower"))]
    pub(crate) fn set_body_pull(&mut self, source: impl Pull + 'static) {
        self.set_source(BodySource::Pull(Box::new(source)));
    }

    /// Makes a part of what several have the body.
    #[cfg(feature = "fs")]
    pub(crate) fn set_body_part(&mut self, whole: &WholeContent, offset: u64, size: u64) {
        match whole {
            WholeContent::File(file) => {
                let file = FileHandle::Shared(file.clone());
                self.set_source(BodySource::File(FileRange::new(file, offset, size)));
            }
            WholeContent::Bytes(bytes) if size == bytes.as_ref().len() as u64 => {
                self.set_source(BodySource::Shared(bytes.clone()));
            }
            WholeContent::Bytes(_) => {
                self.set_body_parts(whole, vec![BodyPart::new(Vec::new(), offset, size)])
            }
        }
    }

    /// Makes several parts of it the body, each behind a text of its own.
    #[cfg(feature = "fs")]
    pub(crate) fn set_body_parts(&mut self, whole: &WholeContent, parts: Vec<BodyPart>) {
        self.set_source(BodySource::Pull(Box::new(parts::PartedSource::new(whole.clone(), parts))));
    }

    fn set_source(&mut self, source: BodySource) {
        self.body.clear();
        self.source = source;
    }
}

impl Clone for Response {
    /// A copy. A streamed body cannot be copied; the copy then has an empty one.
    fn clone(&self) -> Self {
        let source = match &self.source {
            BodySource::Shared(bytes) => BodySource::Shared(bytes.clone()),
            _ => BodySource::Buffer,
        };
        Self {
            status: self.status,
            reason: self.reason.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            source,
            flushes_head: self.flushes_head,
            keeps_form: self.keeps_form,
            is_passed_on: self.is_passed_on,
        }
    }
}

impl Default for Response {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_three_digits_are_kept() {
        let mut response = Response::new();
        for (given, kept) in [(0, 200), (1, 500), (99, 500), (100, 100), (204, 204), (999, 999), (1000, 500)]
        {
            response.set_status_code(given);
            assert_eq!(response.status_code(), kept, "{given}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let mut response = Response::new();
        response.set_body("first");
        response.set_body_vec(b"second".to_vec());
        response.append_body(" and more");
        response.body_mut().push(b'!');
        assert_eq!(response.body(), b"second and more!");
        response.set_reason("Odd\r\nX: y");
        assert_eq!(response.reason(), b"Odd  X: y");
        response.set_status_code(404);
        assert_eq!(response.reason(), b"", "a reason belongs to the status it was set for");
    }

    #[test]
    fn clearing_leaves_nothing_behind() {
        let mut response = Response::new();
        response.set_status_code(500);
        response.set_reason("x");
        response.set_header("a", "b");
        response.set_body("body");
        response.set_connection_close();
        response.clear();
        assert_eq!(response.status_code(), 200);
        assert_eq!(response.reason(), b"");
        assert!(response.headers().is_empty());
        assert_eq!(response.body(), b"");
        assert!(!response.connection_close());
    }
}
