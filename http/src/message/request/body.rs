//! The part of a body that had not arrived when the handler was called, and how it is read.
//!
//! The idea: what has been decoded lies behind the head in the connection's buffer, a window that is cut out once it
//! was read; so a body of any size passes through a buffer that does not grow. What is read into a big enough buffer of
//! the reader's own does not even pass through that.
//!
//! ```text
//! input   [ head | read already | window | raw bytes ]
//!                 body.start     cursor   body.end = raw
//! ```
//!
//! The rule: a body that was cut off is an error, never a short body.

use super::Request;
use crate::proto::body::BodyDecoder;
use crate::proto::{CONTINUE, ProtoError, Rest};
use crate::values::headers::Fields;
use crate::wire::lent::LentTransport;
use std::io::{self, BufRead, Read};
#[cfg(any(feature = "client", feature = "tower"))]
use std::time::Duration;

/// Why the rest of a body cannot be had.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Proto(ProtoError),
    Io(io::ErrorKind),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io(kind) => kind.into(),
            Failure::Proto(error) => {
                let kind = match error {
                    ProtoError::UnexpectedEnd => io::ErrorKind::UnexpectedEof,
                    ProtoError::Timeout => io::ErrorKind::TimedOut,
                    _ => io::ErrorKind::InvalidData,
                };
                io::Error::new(kind, error)
            }
        }
    }
}

/// The smallest read that is worth a system call, and the most that is asked for at once.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// Reads a request's body as it arrives; see [`RequestCtx::body_reader`](crate::RequestCtx::body_reader).
///
/// # Errors
/// Of kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the client ends before the body does, `InvalidData`
/// when the body is malformed, both with a [`ProtoError`] inside; `TimedOut` when the client sends nothing for as long
/// as the server's [`read_timeout`](crate::ServerBuilder::read_timeout), or less than its
/// [`min_body_rate`](crate::ServerBuilder::min_body_rate) asks for; or what the connection itself reports. An error
/// stays: reading again reports it again.
#[derive(Debug)]
pub struct BodyReader<'a> {
    request: &'a mut Request,
    lent: &'a mut LentTransport,
}

impl<'a> BodyReader<'a> {
    pub(crate) fn new(request: &'a mut Request, lent: &'a mut LentTransport) -> Self {
        Self { request, lent }
    }

    /// How many bytes are left to read; `None` when only the client knows (a chunked body).
    pub fn remaining(&self) -> Option<u64> {
        let here = self.request.window().len() as u64;
        match &self.request.found.rest {
            _ if self.request.is_body_complete() => Some(here),
            Rest::None => Some(here),
            Rest::Missing { decoder, .. } => decoder.missing().map(|missing| missing.saturating_add(here)),
            Rest::Failed => None,
        }
    }
}

impl BodyReader<'_> {
    /// As [`Read::read`], for somebody who has something else to do when nothing comes within `haste` (`WouldBlock`).
    /// Where the connection's calls wait by themselves, this does.
    #[cfg(any(feature = "client", feature = "tower"))]
    pub(crate) fn read_within(&mut self, haste: Duration, into: &mut [u8]) -> io::Result<usize> {
        self.lent.make_haste(Some(haste));
        let read = self.read(into);
        self.lent.make_haste(None);
        read
    }

    /// The trailer fields behind the body, once it was read to its end.
    pub fn trailers(&self) -> Fields<'_> {
        self.request.trailers()
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.request.window().is_empty() && into.len() >= READ_BYTES_MIN {
            if let Some(count) = self.request.receive_directly(into, self.lent)? {
                return Ok(count);
            }
        }
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for BodyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.request.window().is_empty() && !self.request.is_body_complete() {
            self.request.drop_window();
            self.request.receive(self.lent)?;
        }
        Ok(self.request.window())
    }

    fn consume(&mut self, count: usize) {
        self.request.cursor += count.min(self.request.window().len());
    }
}

/// Receiving.
impl Request {
    /// What was decoded and not read.
    pub(super) fn window(&self) -> &[u8] {
        match &self.edits {
            Some(edits) if edits.body.is_some() => {
                edits.body.as_deref().and_then(|body| body.get(self.cursor..)).unwrap_or_default()
            }
            _ => {
                let body = &self.found.body;
                let unread = body.start.saturating_add(self.cursor)..body.end;
                self.input.unread().get(unread).unwrap_or_default()
            }
        }
    }

    /// Cuts what was decoded out of the buffer, so that the buffer need not grow.
    fn drop_window(&mut self) {
        if matches!(self.found.rest, Rest::Missing { .. }) {
            self.passed += self.found.body.len() as u64;
            self.found.drop_decoded(&mut self.input);
            self.cursor = 0;
        }
    }

    /// Whether something is missing of the body, of which fewer than `most` bytes are here, and its client sends it
    /// unasked.
    #[inline]
    pub(crate) fn lacks_body_below(&self, most: usize) -> bool {
        match self.found.rest {
            Rest::Missing { awaits_continue: false, .. } => self.found.body.len() < most,
            Rest::Missing { .. } | Rest::None | Rest::Failed => false,
        }
    }

    /// The last read has filled the first `count` bytes of the input's space, with more of the body.
    pub(crate) fn body_arrived(&mut self, count: usize) {
        self.input.filled(count);
        // A failure is reported behind the bytes that came before it, so that it is the last word.
        self.failure = self.found.decode_rest(&mut self.input).err().map(Failure::Proto);
    }

    /// Reads from the connection once, and decodes what came.
    fn receive(&mut self, lent: &mut LentTransport) -> io::Result<()> {
        self.ask(lent)?;
        if !matches!(self.found.rest, Rest::Missing { .. }) {
            return Ok(());
        }
        let room = self.input.space(READ_BYTES_MIN);
        let most = room.len().min(READ_BYTES_MAX);
        match lent.read(&mut room[..most]) {
            Ok(0) => Err(self.fail(Failure::Proto(ProtoError::UnexpectedEnd))),
            Ok(count) => {
                if let Rest::Missing { awaits_continue, .. } = &mut self.found.rest {
                    *awaits_continue = false;
                }
                self.body_arrived(count);
                Ok(())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Reads from the connection straight into the reader's buffer; `None` when that cannot be done.
    fn receive_directly(&mut self, into: &mut [u8], lent: &mut LentTransport) -> io::Result<Option<usize>> {
        let Rest::Missing { decoder: BodyDecoder::Length(missing), .. } = self.found.rest else {
            return Ok(None);
        };
        if self.input.unread().len() > self.found.body.end || self.is_body_complete() {
            return Ok(None);
        }
        self.ask(lent)?;
        let most = usize::try_from(missing).map_or(into.len(), |missing| missing.min(into.len()));
        match lent.read(&mut into[..most]) {
            Ok(0) => Err(self.fail(Failure::Proto(ProtoError::UnexpectedEnd))),
            Ok(count) => {
                self.passed += count as u64;
                self.input.passed(count);
                let missing = missing - count as u64;
                self.found.rest = match missing {
                    0 => Rest::None,
                    _ => Rest::Missing { decoder: BodyDecoder::Length(missing), awaits_continue: false },
                };
                Ok(Some(count))
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Asks the client for the body, if it waits for that and can still be asked: an interim response in the middle of
    /// the final one would be taken for a part of that. Reports an earlier failure.
    fn ask(&mut self, lent: &mut LentTransport) -> io::Result<()> {
        match &mut self.found.rest {
            Rest::Missing { awaits_continue, .. } if *awaits_continue && !lent.is_answering => {
                *awaits_continue = false;
                lent.write_ahead(CONTINUE).map_err(|error| self.lost(error))
            }
            Rest::Failed => Err(self.failed()),
            _ => Ok(()),
        }
    }

    /// Receives all that is outstanding, as long as body and rest are not above `max` bytes together. A body that was
    /// put in the place of the received one is bound by nothing.
    pub(crate) fn collect(&mut self, lent: &mut LentTransport, max: Option<u64>) -> io::Result<()> {
        if self.edits.as_ref().is_some_and(|edits| edits.body.is_some()) {
            return Ok(());
        }
        loop {
            let missing = match &self.found.rest {
                Rest::None => 0,
                Rest::Missing { decoder, .. } => decoder.missing().unwrap_or(0),
                Rest::Failed => return Err(self.failed()),
            };
            let length = (self.window().len() as u64).saturating_add(missing);
            if max.is_some_and(|max| length > max) {
                return Err(Failure::Proto(ProtoError::BodyTooLarge).into());
            }
            if self.found.rest == Rest::None {
                return Ok(());
            }
            self.receive(lent)?;
        }
    }

    fn fail(&mut self, failure: Failure) -> io::Error {
        self.found.rest = Rest::Failed;
        self.failure = Some(failure);
        failure.into()
    }

    /// The failure that was met before.
    fn failed(&self) -> io::Error {
        self.failure.unwrap_or(Failure::Io(io::ErrorKind::NotConnected)).into()
    }

    fn lost(&mut self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            // Nothing has come yet, for somebody in haste.
            return error;
        }
        if error.kind() == io::ErrorKind::TimedOut {
            return self.fail(Failure::Proto(ProtoError::Timeout));
        }
        self.fail(Failure::Io(error.kind()));
        error
    }
}
