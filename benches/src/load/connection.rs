//! One keep-alive connection of the load generator: what was asked on it and not answered yet, in order, and the check
//! of every answer against its question.

use super::Exchange;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const BUFFER: usize = 32 * 1024;

pub(super) struct Connection {
    number: usize,
    stream: TcpStream,
    waiting: VecDeque<(usize, Instant)>,
    unsent: Vec<u8>,
    received: Box<[u8]>,
    filled: usize,
    greeted: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr, number: usize) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            number,
            stream: TcpStream::from_std(stream),
            waiting: VecDeque::new(),
            unsent: Vec::new(),
            received: vec![0; BUFFER].into_boxed_slice(),
            filled: 0,
            greeted: false,
        })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Nothing was asked that is not answered.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True once: when asked after the first batch was answered.
    pub(super) fn is_first_batch(&mut self) -> bool {
        !std::mem::replace(&mut self.greeted, true)
    }

    /// When the oldest unanswered request was sent.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|&(_, sent)| sent)
    }

    /// Adds a request to the next batch.
    pub(super) fn queue(&mut self, kind: usize, request: &[u8], now: Instant) {
        self.unsent.extend_from_slice(request);
        self.waiting.push_back((kind, now));
    }

    /// Sends the batch, as far as the socket takes it; the rest goes when it is writable again.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&format!("cannot send: {error}"))),
            }
        }
        Ok(())
    }

    /// Reads until the socket is drained and checks the answers; `answered` is told each one's kind and how long it
    /// took. Returns the time it took for now.
    pub(super) fn receive(
        &mut self,
        exchanges: &[Exchange],
        mut answered: impl FnMut(usize, Duration),
    ) -> Result<Instant, String> {
        self.flush()?;
        loop {
            let room = self.received.len() - self.filled;
            let read = match self.stream.read(&mut self.received[self.filled..]) {
                Ok(0) => return Err(self.failed("closed by the server")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Instant::now()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(&format!("cannot receive: {error}"))),
            };
            self.filled += read;
            let now = Instant::now();
            self.check(exchanges, |kind, sent| answered(kind, now - sent))?;
            // Less than there was room for: the socket is drained, and edge-triggered readiness tells of more.
            if read < room {
                return Ok(now);
            }
        }
    }

    /// Takes the complete answers out of what was received.
    fn check(
        &mut self,
        exchanges: &[Exchange],
        mut answered: impl FnMut(usize, Instant),
    ) -> Result<(), String> {
        let mut taken = 0;
        while taken < self.filled {
            let bytes = &self.received[taken..self.filled];
            let Some(&(kind, sent)) = self.waiting.front() else {
                return Err(self.failed("an answer came that nobody asked for"));
            };
            match answer_length(bytes, exchanges[kind].body.as_bytes()) {
                Ok(Some(length)) => taken += length,
                Ok(None) if bytes.len() == self.received.len() => {
                    return Err(self.failed("an answer does not fit into the buffer"));
                }
                Ok(None) => break,
                Err(reason) => return Err(self.failed(&reason)),
            }
            self.waiting.pop_front();
            answered(kind, sent);
        }
        self.received.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    fn failed(&self, reason: &str) -> String {
        format!("connection {}: {reason}", self.number)
    }
}

/// The length of the first answer if it is complete and right; none if it is incomplete.
pub(super) fn answer_length(bytes: &[u8], expected: &[u8]) -> Result<Option<usize>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the answer is not HTTP: {error}")),
    };
    if response.code != Some(200) {
        return Err(format!("the status is {:?} and not 200", response.code));
    }
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    if length != Some(expected.len()) {
        return Err(format!("the body's length is {length:?} and not {}", expected.len()));
    }
    match bytes.get(head..head + expected.len()) {
        None => Ok(None),
        Some(body) if body == expected => Ok(Some(head + expected.len())),
        Some(body) => Err(format!("the body is {:?}", String::from_utf8_lossy(body))),
    }
}

#[cfg(test)]
mod tests {
    use super::answer_length;

    #[test]
    fn right_answers_have_a_length() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nhiHTTP/1.1 ";
        assert_eq!(answer_length(answer, b"hi"), Ok(Some(40)));
        assert_eq!(answer_length(&answer[..39], b"hi"), Ok(None));
        assert_eq!(answer_length(&answer[..20], b"hi"), Ok(None));
    }

    #[test]
    fn wrong_answers_are_errors() {
        for wrong in [
            "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi!",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "hi\r\n\r\n",
        ] {
            assert!(answer_length(wrong.as_bytes(), b"hi").is_err(), "{wrong:?} was accepted");
        }
    }
}
