//! The requests, and a connection that repeats one of them.
//!
//! The rule: whatever a contestant may do wrong is noticed. A connection knows how many requests it has given, handlers
//! count themselves, and every byte written is counted, or kept when the answers are to be looked at.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// fasthttp's measure: a GET of 205 bytes with five fields, so that a read holds 20 of them.
pub const GET: &str = "GET /foobar?baz HTTP/1.1\r\n\
    Host: google.com\r\n\
    User-Agent: Mozilla/5.0 (like any other; no browser) Ants\r\n\
    Referer: http://example.org/hill?room=9\r\n\
    Cookie: lang=en; sid=0a1b2c3d4e5f; theme=moss-and-earth-8\r\n\r\n";

/// The same as a POST with a small body, 259 bytes.
pub const POST: &str = "POST /foobar?baz HTTP/1.1\r\n\
    Host: google.com\r\n\
    User-Agent: Mozilla/5.0 (like any other; no browser) Ants\r\n\
    Content-Type: foo/bar\r\n\
    Content-Length: 13\r\n\
    Referer: http://example.org/hill?r=9\r\n\
    Cookie: lang=en; sid=0a1b2c3d4e5f; theme=moss-and-earth-8\r\n\r\n\
    Hello, world!";

/// The body of the POST, and of all answers to both.
pub const HELLO: &str = "Hello, world!";

/// The most that one read gives, for everybody: the buffer that fasthttp has by default.
pub const READ_BYTES: usize = 4096;

/// What a server is to do.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The request, again and again.
    pub request: &'static [u8],
    /// What the handler does with it.
    pub task: Task,
    /// Requests on one connection. When it is one, the handler asks for the connection to be closed, as in fasthttp's
    /// benchmark.
    pub per_connection: u64,
}

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Makes sure that it is a GET, and answers with [`HELLO`] as `text/plain`.
    Greet,
    /// Makes sure that the body is [`HELLO`], and answers with it as `text/plain`.
    Echo,
    /// Makes sure that the body has that many bytes, and answers with nothing.
    Measure(usize),
}

impl Task {
    /// The body that is to be answered.
    #[must_use]
    pub fn answer(self) -> &'static str {
        match self {
            Self::Greet | Self::Echo => HELLO,
            Self::Measure(_) => "",
        }
    }
}

impl Job {
    /// Whether the handler ends the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.per_connection == 1
    }
}

/// One connection of a [`Job`]: gives so many requests, then ends.
#[derive(Debug)]
pub struct Connection {
    request: &'static [u8],
    /// How much of the current request has been read.
    position: usize,
    /// Requests that have not been read in full.
    left: u64,
    kept: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Connection {
    /// A connection with `requests` requests, whose answers are counted and forgotten.
    #[must_use]
    pub fn new(request: &'static [u8], requests: u64) -> Self {
        Self { request, position: 0, left: requests, kept: None }
    }

    /// The same, with a place for the answers.
    #[must_use]
    pub fn keeping(request: &'static [u8], requests: u64, kept: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { kept: Some(kept), ..Self::new(request, requests) }
    }

    /// Gives the next bytes to `put` in pieces, as many as there are and `room` holds; says how many.
    #[inline]
    pub(super) fn read_into(&mut self, room: usize, mut put: impl FnMut(&[u8])) -> usize {
        let room = room.min(READ_BYTES);
        let mut count = 0;
        while count < room && self.left > 0 {
            let rest = &self.request[self.position..];
            let piece = &rest[..rest.len().min(room - count)];
            put(piece);
            count += piece.len();
            self.position += piece.len();
            if self.position == self.request.len() {
                self.position = 0;
                self.left -= 1;
            }
        }
        count
    }

    #[inline]
    pub(super) fn take(&mut self, answers: &[u8]) {
        WRITTEN.with(|written| written.set(written.get() + answers.len() as u64));
        if let Some(kept) = &self.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(answers);
        }
    }
}

impl Read for Connection {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        Ok(self.read_into(room.len(), |piece| {
            room[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }))
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut count = 0;
        for slice in slices {
            self.take(slice);
            count += slice.len();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the calling thread has handled and written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) handled: u64,
    pub(super) written: u64,
}

impl Tally {
    pub(super) fn of_this_thread() -> Self {
        Self { handled: handled(), written: WRITTEN.with(Cell::get) }
    }
}

/// Called once by every handler.
#[inline]
pub fn count_handled() {
    HANDLED.with(|handled| handled.set(handled.get() + 1));
}

/// How often the calling thread has done so.
#[must_use]
pub fn handled() -> u64 {
    HANDLED.with(Cell::get)
}

thread_local! {
    static HANDLED: Cell<u64> = const { Cell::new(0) };
    static WRITTEN: Cell<u64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_have_the_sizes_of_the_original() {
        assert_eq!((GET.len(), POST.len()), (205, 259));
        assert!(POST.ends_with(HELLO));
    }

    #[test]
    fn a_connection_repeats_its_request_and_ends() {
        let mut all = Vec::new();
        let mut connection = Connection::new(b"abc", 5);
        let mut room = [0; 4];
        loop {
            match connection.read(&mut room).unwrap() {
                0 => break,
                count => all.extend_from_slice(&room[..count]),
            }
        }
        assert_eq!(all, b"abcabcabcabcabc");
        let mut full = vec![0; 2 * READ_BYTES];
        assert_eq!(Connection::new(GET.as_bytes(), 100).read(&mut full).unwrap(), READ_BYTES);
    }
}
