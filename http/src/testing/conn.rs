//! A connection to a server in memory, byte by byte.

use super::exchange::{SeenHead, printable, without_secrets};
use super::failing::fail;
use super::faults::Faults;
use super::line::Line;
use super::response::{SentRequest, TestResponse};
use crate::message::request::Request;
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::limits::HeadDecision;
use crate::proto::received::Received;
use crate::proto::response_head::ResponseParts;
use crate::proto::{FIELDS_CEILING, HEAD_BYTES_CEILING, Limits};
use crate::values::headers::Headers;
use crate::wire::in_memory::InMemoryStream;
use crate::wire::input::Input;
use crate::wire::output::Output;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a read waits, and a write.
const WAITS: Duration = Duration::from_secs(10);

/// So much of what was sent is shown in messages: the end of it.
const SHOWN_BYTES_MAX: usize = 2048;

/// Whatever a server answers is taken.
const LIMITS: Limits = Limits {
    head_bytes_max: HEAD_BYTES_CEILING,
    fields_max: FIELDS_CEILING,
    body_bytes_max: None,
    streams_bodies: false,
    head_decision: HeadDecision::Never,
};

/// A connection to a [`TestServer`](super::TestServer) for tests of what no client does; made by
/// [`connect`](super::TestServer::connect).
///
/// Whatever it waits for, it does for [10 s](Self::waits_for) of the system's time, and then the test fails. It reads
/// and writes as a stream as well. When it is dropped it is closed.
///
/// ```
/// use anthill_http::testing::TestServer;
///
/// let server = TestServer::new(|ctx| {
///     let path = ctx.path().to_owned();
///     ctx.set_body(path);
/// });
/// let mut conn = server.connect();
/// // Two requests at once, of which each byte comes alone.
/// conn.send_torn("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", [1]);
/// conn.read_response().assert_text("/a");
/// conn.read_response().assert_text("/b");
/// conn.send("no request\r\n\r\n");
/// conn.read_response().assert_status(400);
/// conn.assert_closed();
/// ```
pub struct TestConn {
    stream: InMemoryStream,
    line: Arc<Line>,
    /// What has come and was not read.
    input: Input,
    /// The end of what was sent.
    sent: Vec<u8>,
    waits_for: Duration,
}

impl TestConn {
    #[track_caller]
    pub(super) fn new(line: Arc<Line>, from: Option<SocketAddr>) -> Self {
        let stream = match line.dial(from, None, &Faults::new()) {
            Ok(stream) => stream,
            Err(error) => fail(format_args!("the server takes no connection in: {error}")),
        };
        let conn = Self { stream, line, input: Input::default(), sent: Vec::new(), waits_for: WAITS };
        conn.waits_for(WAITS)
    }

    /// How long each read waits, and each write, before the test fails; 10 s when not set.
    ///
    /// # Panics
    /// When it is no time at all.
    #[must_use]
    #[track_caller]
    pub fn waits_for(mut self, limit: Duration) -> Self {
        let read = self.stream.set_read_timeout(Some(limit));
        if let Err(error) = read.and_then(|()| self.stream.set_write_timeout(Some(limit))) {
            fail(format_args!("a connection cannot wait for {limit:?}: {error}"));
        }
        self.waits_for = limit;
        self
    }

    /// Sends these bytes. What a server that has closed the connection does not take is lost, as on a socket.
    ///
    /// # Panics
    /// When the server takes nothing in time.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.sent.extend_from_slice(bytes);
        let surplus = self.sent.len().saturating_sub(SHOWN_BYTES_MAX);
        self.sent.drain(..surplus);
        match (&self.stream).write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.fail(format_args!("the server takes nothing: {error}"))
            }
            _ => self,
        }
    }

    /// Sends these bytes in pieces of these sizes, the last of which is that of all others: `[1]` is byte by byte. Each
    /// is sent when the server has read the one before, and has nothing more to do about it.
    ///
    /// A size of 0 sends nothing, and is passed over.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| ctx.set_body("whole"));
    /// let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    /// // Torn into two at each place.
    /// for place in 1..request.len() {
    ///     let mut conn = server.connect();
    ///     conn.send_torn(request, [place, request.len()]);
    ///     conn.read_response().assert_text("whole");
    /// }
    /// ```
    ///
    /// # Panics
    /// When the server takes nothing in time, or all sizes are 0.
    #[track_caller]
    pub fn send_torn(
        &mut self,
        bytes: impl AsRef<[u8]>,
        sizes: impl IntoIterator<Item = usize>,
    ) -> &mut Self {
        self.send_pieces(bytes.as_ref(), sizes, |_| {})
    }

    /// Sends these bytes in pieces of `size`, and moves the server's [clock](super::TestServer::clock) ahead by `every`
    /// behind each: a client that trickles, whatever time that takes it, in no time.
    ///
    /// # Panics
    /// When the server has no clock for tests or takes nothing in time, or `size` is 0.
    #[track_caller]
    pub fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, size: usize, every: Duration) -> &mut Self {
        let Some(watch) = self.line.watch.clone() else {
            fail(format_args!("the server has no clock for tests; give it one by ServerBuilder::clock"))
        };
        self.send_pieces(bytes.as_ref(), [size], |_| watch.clock.advance(every))
    }

    #[track_caller]
    fn send_pieces(
        &mut self,
        mut bytes: &[u8],
        sizes: impl IntoIterator<Item = usize>,
        behind_each: impl Fn(&Self),
    ) -> &mut Self {
        let mut sizes = sizes.into_iter().filter(|size| *size > 0);
        let mut size = None;
        while !bytes.is_empty() {
            size = sizes.next().or(size);
            let Some(size) = size else { fail(format_args!("there is no size of pieces that is not 0")) };
            let (piece, rest) = bytes.split_at(size.min(bytes.len()));
            self.send(piece);
            if !self.stream.wait_taken(Instant::now() + self.waits_for) {
                self.fail(format_args!("the server reads nothing for {:?}", self.waits_for));
            }
            self.line.settle();
            behind_each(self);
            bytes = rest;
        }
        self
    }

    /// Reads a response to a request that is not HEAD; interim ones (1xx, but for 101) are passed over. What comes
    /// behind it stays, for the next.
    ///
    /// # Panics
    /// When there is none in time, or what comes is none.
    #[track_caller]
    pub fn read_response(&mut self) -> TestResponse {
        self.read_response_to("GET")
    }

    /// Reads a response to a request with that method: to HEAD it has no body, and behind 2xx to CONNECT another
    /// protocol begins.
    ///
    /// # Panics
    /// As [`read_response`](Self::read_response); and when it is no method.
    #[track_caller]
    pub fn read_response_to(&mut self, method: &str) -> TestResponse {
        let target = if method == "CONNECT" { "h:1" } else { "/" };
        let mut session = ClientSession::new(0);
        let begun = Request::new(method, target).map_err(|error| error.to_string()).and_then(|request| {
            let head = request.head_to_send(Some(0));
            let begun = session.begin(&head, &Input::default(), &mut Output::default());
            begun.map_err(|error| error.to_string())
        });
        if let Err(error) = begun {
            fail(format_args!("{method} cannot be asked: {error}"));
        }
        session.request_sent();
        let mut found = Received::<ResponseParts>::default();
        loop {
            match session.advance(&mut self.input, &mut found, &LIMITS) {
                Ok(ResponseProgress::Interim { .. }) => continue,
                Ok(ResponseProgress::Ready) => break,
                Ok(ResponseProgress::NeedInput) => {}
                Err(error) => self.fail(format_args!("what comes is no response: {error}")),
            }
            match self.receive() {
                Ok(0) => match session.input_closed(&mut self.input, &mut found, &LIMITS) {
                    Ok(_) => break,
                    Err(error) => self.fail(format_args!("there is no whole response: {error}")),
                },
                Ok(_) => {}
                Err(error) => self.fail(format_args!("there is no whole response: {error}")),
            }
        }
        let response = self.response(&found);
        session.finish(&mut self.input, &mut found);
        response
    }

    fn response(&self, found: &Received<ResponseParts>) -> TestResponse {
        let mut headers = Headers::new();
        headers.set_names_normalizing(false);
        headers.copy_from(found.header_fields(&self.input));
        let head = SeenHead {
            version: found.head.version,
            status: found.head.status,
            reason: found.head.reason.within(self.input.unread()).to_vec(),
            headers,
        };
        let body = self.input.unread().get(found.body.clone()).unwrap_or_default().to_vec();
        let mut trailers = Headers::new();
        trailers.copy_from(found.trailer_fields(&self.input));
        let sent = SentRequest {
            shown: Some(self.shown()),
            line: Some(self.line.clone()),
            ..SentRequest::nothing()
        };
        TestResponse::whole(sent, head, Ok(body)).with_trailers(trailers)
    }

    /// Reads as far as these bytes, and gives what came up to their end; for interim responses, and what is no HTTP.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn read_until(&mut self, end: impl AsRef<[u8]>) -> Vec<u8> {
        let end = end.as_ref();
        loop {
            let unread = self.input.unread();
            if let Some(at) = memchr::memmem::find(unread, end) {
                let read = unread[..at + end.len()].to_vec();
                self.input.consume(read.len());
                return read;
            }
            if !matches!(self.receive(), Ok(1..)) {
                let wanted = printable(end);
                self.fail(format_args!("{wanted:?} does not come"));
            }
        }
    }

    /// Reads until the server closes the connection.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.receive() {
                Ok(0) => {
                    let read = self.input.unread().to_vec();
                    self.input.clear();
                    return read;
                }
                Ok(_) => {}
                Err(error) => self.fail(format_args!("the server does not close the connection: {error}")),
            }
        }
    }

    /// The server closes the connection, and nothing comes before that which was not read.
    ///
    /// # Panics
    /// When it does not in time, or something comes.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let left = self.read_to_end();
        if !left.is_empty() {
            let (count, shown) = (left.len(), printable(&left[..left.len().min(SHOWN_BYTES_MAX)]));
            self.fail(format_args!("expected the end of the connection, found {count} bytes: {shown}"));
        }
    }

    /// Whether the server has closed the connection, once it has served what was sent to it so far. There may be
    /// something left to be read.
    pub fn is_closed(&self) -> bool {
        self.line.settle();
        self.stream.has_other_ended()
    }

    /// Ends sending; what comes can still be read.
    pub fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Ends the connection at once: what the server sends from now on nobody takes, and what it has not read is there
    /// still, and then the end.
    pub fn reset(&mut self) {
        self.stream.shutdown(Shutdown::Both);
    }

    /// The stream itself.
    pub fn stream(&self) -> &InMemoryStream {
        &self.stream
    }

    /// Receives what comes next into the input.
    fn receive(&mut self) -> io::Result<usize> {
        let mut room = [0; 16 * 1024];
        let count = (&self.stream).read(&mut room)?;
        self.input.receive(&room[..count]);
        Ok(count)
    }

    /// What was sent, as messages show it.
    fn shown(&self) -> String {
        let mut text = String::new();
        for line in String::from_utf8_lossy(&self.sent).split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let shown = match line.split_once(':') {
                Some((name, value)) => {
                    let value = without_secrets(name, value.trim_start().as_bytes()).into_owned();
                    format!("{}: {}", printable(name.as_bytes()), printable(&value))
                }
                None => printable(line.as_bytes()),
            };
            text.push_str(&format!("> {shown}\n"));
        }
        text
    }

    #[track_caller]
    fn fail(&self, why: fmt::Arguments<'_>) -> ! {
        let mut text = self.shown();
        for line in String::from_utf8_lossy(self.input.unread()).lines().take(SHOWN_BYTES_MAX / 32) {
            text.push_str(&format!("< {}\n", printable(line.as_bytes())));
        }
        self.line.show_notes(&mut text);
        fail(format_args!("{why}\n\n{text}"))
    }
}

impl Read for TestConn {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return (&self.stream).read(room);
        }
        let count = self.input.unread().read(room)?;
        self.input.consume(count);
        Ok(count)
    }
}

impl Write for TestConn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TestConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestConn").field("stream", &self.stream).finish_non_exhaustive()
    }
}
