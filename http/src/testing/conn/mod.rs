//! A connection to a server in memory, byte by byte: how it is made and ended, and what a test that fails shows of it.

mod reading;
mod sending;

use super::exchange::{printable, without_secrets};
use super::failing::fail;
use super::faults::Faults;
use super::line::Line;
use crate::wire::in_memory::InMemoryStream;
use crate::wire::input::Input;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a read waits, and a write.
const WAITS: Duration = Duration::from_secs(10);

/// So much of what was sent is shown in messages: the end of it.
const SHOWN_BYTES_MAX: usize = 2048;

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
