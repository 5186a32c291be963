//! A client for tests: sends exactly the bytes it is given, and reads exactly one response at a time.
//!
//! The idea: a server is judged by what is on the wire, so nothing here corrects a request or forgives a response. A
//! response must be well-formed to the byte, and what follows it stays unread until it is asked for. The rule: no read
//! or write takes longer than [`SOCKET_LIMIT`]; whatever goes wrong says what had been received by then.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long one read or write may take.
pub const SOCKET_LIMIT: Duration = Duration::from_secs(10);

/// A GET request for `target`, in the form that needs the fewest bytes.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// A POST request to `target` with that body.
pub fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// One response as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// What follows it on the status line.
    pub reason: String,
    /// The header fields, in order and in the spelling they were received in.
    pub fields: Vec<(String, String)>,
    /// The body, without chunked framing.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of the header field `name`; `None` when there is none.
    ///
    /// # Panics
    /// When there are several.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} is there {} times in {self:?}", values.len());
        values.first().copied()
    }

    /// All values of the header field `name`, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// Whether the server announced that the connection ends.
    pub fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, SOCKET_LIMIT).expect("somebody listens there");
        // What is sent in pieces has to arrive in pieces.
        stream.set_nodelay(true).expect("an option of every TCP socket");
        stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        stream.set_write_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        Client::over(stream)
    }

    /// Says that nothing more will be sent. The other direction stays open.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a connection that is still there");
    }

    /// Waits for `limit` and says whether the server kept silent and kept the connection for so long.
    ///
    /// # Panics
    /// When the connection breaks.
    #[track_caller]
    pub fn hears_nothing_for(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).expect("an option of every socket");
        let heard = self.receive();
        self.stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        match heard {
            Ok(_) => false,
            Err(error) => {
                let is_timeout = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(is_timeout, "the connection broke: {error}");
                self.received.is_empty()
            }
        }
    }
}

impl<S: Read + Write> Client<S> {
    /// A client over any stream, which brings time limits of its own.
    pub fn over(stream: S) -> Self {
        Client { stream, received: Vec::new() }
    }

    /// The stream alone.
    ///
    /// # Panics
    /// When something was received that nobody has read.
    #[track_caller]
    pub fn into_stream(self) -> S {
        assert!(self.received.is_empty(), "{:?} is left", String::from_utf8_lossy(&self.received));
        self.stream
    }

    /// The stream, for what a client rarely does.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends these bytes.
    ///
    /// # Panics
    /// When they cannot be sent.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("a server that takes these bytes");
    }

    /// As [`send`](Client::send), for a server that may not want all of it.
    ///
    /// # Errors
    /// When the connection breaks, or the server takes nothing for too long.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Sends `request` and reads the response.
    ///
    /// # Panics
    /// As [`response`](Client::response).
    #[track_caller]
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request);
        self.response()
    }

    /// Sends a GET request for `target` and reads the response.
    ///
    /// # Panics
    /// As [`response`](Client::response).
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Reply {
        self.exchange(get(target))
    }

    /// Reads one response, interim ones included, and nothing behind it.
    ///
    /// # Panics
    /// When what comes is not a response.
    #[track_caller]
    pub fn response(&mut self) -> Reply {
        self.try_response().unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Reads one response to a HEAD request.
    ///
    /// # Panics
    /// When what comes is not a response.
    #[track_caller]
    pub fn response_to_head(&mut self) -> Reply {
        self.read_head().unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`response`](Client::response), for a server that may not answer.
    ///
    /// # Errors
    /// What was wrong with what came.
    pub fn try_response(&mut self) -> Result<Reply, String> {
        let mut reply = self.read_head()?;
        if reply.status < 200 || matches!(reply.status, 204 | 304) {
            return Ok(reply);
        }
        reply.body = match (reply.field("Transfer-Encoding"), reply.field("Content-Length")) {
            (Some("chunked"), None) => self.read_chunks()?,
            (None, Some(length)) => {
                let length = length.parse().map_err(|_| format!("a length of {length:?}"))?;
                self.take(length)?
            }
            (None, None) => self.rest().map_err(|error| format!("no end of a body: {error}"))?,
            framing => return Err(format!("a response framed by {framing:?}")),
        };
        Ok(reply)
    }

    /// As [`response_to_head`](Client::response_to_head), for a server that may not answer.
    ///
    /// # Errors
    /// What was wrong with what came.
    pub fn try_response_to_head(&mut self) -> Result<Reply, String> {
        self.read_head()
    }

    /// Waits for the next byte and says whether the connection ended instead.
    ///
    /// # Errors
    /// When neither comes.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.received.is_empty() && self.receive()? == 0)
    }

    /// Asserts that the server ends the connection, properly and without another byte.
    ///
    /// # Panics
    /// When it sends something, resets the connection, or keeps it.
    #[track_caller]
    pub fn expect_end(&mut self) {
        match self.rest() {
            Ok(rest) => assert!(rest.is_empty(), "before the end came {:?}", String::from_utf8_lossy(&rest)),
            Err(error) => panic!("the connection did not end well: {error}"),
        }
    }

    /// The next bytes, so many, whatever they are.
    ///
    /// # Panics
    /// When fewer come.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.take(count).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// All bytes up to the end of the connection.
    ///
    /// # Errors
    /// When it does not end, or not properly.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.receive()? > 0 {}
        Ok(std::mem::take(&mut self.received))
    }

    /// Whether the server ends the connection, in whatever way, before `limit` has passed. Ignores what it sends.
    pub fn is_ended_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            match self.receive() {
                Ok(0) => return true,
                Ok(_) => self.received.clear(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    fn read_head(&mut self) -> Result<Reply, String> {
        let head = self.take_through("\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let problem = |what: &str| format!("{what} in {head:?}");
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status_and_reason = line.strip_prefix("HTTP/1.1 ").ok_or_else(|| problem("no status line"))?;
        let (status, reason) = status_and_reason.split_once(' ').ok_or_else(|| problem("no reason"))?;
        if status.len() != 3 {
            return Err(problem("no status of three digits"));
        }
        let mut fields = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(|| problem("no header field"))?;
            let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let is_control = |byte: u8| byte < b' ' && byte != b'\t' || byte == 0x7f;
            if name.is_empty() || !name.bytes().all(is_name_byte) || value.bytes().any(is_control) {
                return Err(problem("a malformed header field"));
            }
            fields.push((name.to_owned(), value.to_owned()));
        }
        let status = status.parse().map_err(|_| problem("no status number"))?;
        Ok(Reply { status, reason: reason.to_owned(), fields, body: Vec::new() })
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through("\r\n")?;
            let line = String::from_utf8_lossy(&line);
            let size =
                usize::from_str_radix(line.trim_end(), 16).map_err(|_| format!("a chunk of {line:?}"))?;
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err("a chunk without its end".to_owned());
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Takes the bytes up to and including `mark`.
    fn take_through(&mut self, mark: &str) -> Result<Vec<u8>, String> {
        let mut searched: usize = 0;
        loop {
            let from = searched.saturating_sub(mark.len());
            let found = self.received[from..].windows(mark.len()).position(|bytes| bytes == mark.as_bytes());
            if let Some(position) = found {
                return self.take(from + position + mark.len());
            }
            searched = self.received.len();
            self.receive_more()?;
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.received.len() < count {
            self.receive_more()?;
        }
        let rest = self.received.split_off(count);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    fn receive_more(&mut self) -> Result<(), String> {
        let problem = match self.receive() {
            Ok(0) => "the connection ended".to_owned(),
            Ok(_) => return Ok(()),
            Err(error) => format!("reading failed: {error}"),
        };
        let received = &self.received[..self.received.len().min(1000)];
        Err(format!("{problem} after {:?}", String::from_utf8_lossy(received)))
    }

    /// Reads once; 0 at the end.
    fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    return Ok(count);
                }
            }
        }
    }
}

/// Reads exactly these bytes. Nothing may have been received that was not read.
///
/// # Panics
/// When other bytes come, or the connection ends.
#[track_caller]
pub fn hears(client: &Client, expected: &str) {
    let mut found = vec![0; expected.len()];
    let mut read = 0;
    while read < found.len() {
        match client.stream().read(&mut found[read..]) {
            Ok(count @ 1..) => read += count,
            end => panic!("{end:?} after {:?}, not {expected:?}", String::from_utf8_lossy(&found[..read])),
        }
        assert!(
            expected.as_bytes().starts_with(&found[..read]),
            "{:?}",
            String::from_utf8_lossy(&found[..read])
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose whole side of the conversation is known beforehand.
    fn client(wire: &str) -> Client<io::Cursor<Vec<u8>>> {
        Client::over(io::Cursor::new(wire.as_bytes().to_vec()))
    }

    #[test]
    fn one_response_at_a_time() {
        let mut client = client(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
             HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\
             HTTP/1.1 404 Not Found\r\nX: y\r\nx: z\r\n\r\nto the end",
        );
        assert_eq!(client.response().status, 100);
        assert_eq!(client.response().text(), "abc");
        assert_eq!(client.response().text(), "abcde");
        let last = client.response();
        assert_eq!((last.status, last.reason.as_str(), last.text()), (404, "Not Found", "to the end"));
        assert_eq!(last.values("X"), ["y", "z"]);
        client.expect_end();
    }

    #[test]
    fn what_is_not_a_response_is_told() {
        for wire in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        ] {
            assert!(client(wire).try_response().is_err(), "{wire:?}");
        }
    }

    #[test]
    #[should_panic(expected = "before the end came")]
    fn bytes_that_should_not_be_there_are_seen() {
        let mut client = client("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n");
        client.response();
        client.expect_end();
    }
}
