//! Writing a body while it is sent.
//!
//! The idea: an [`io::Write`] over the connection. What is written is collected until it is worth sending or flushed;
//! each flush is one chunk and reaches the client at once.
//!
//! The rule: an error tells that the client is gone, and stays; what is written after it goes nowhere.

use super::filter::BodyFilter;
use crate::message::request::{BodyReader, Request};
use crate::proto::{Ending, append_chunk_end, append_chunk_start, append_last_chunk, is_trailer_name};
use crate::stop::StopSignal;
use crate::util::token;
use crate::wire::lent::LentTransport;
use crate::wire::output::Output;
#[cfg(any(feature = "client", feature = "tower"))]
use crate::wire::transport::Transport;
use std::io::{self, Write};
#[cfg(any(feature = "client", feature = "tower"))]
use std::sync::Arc;

/// Sends a response's body as it is written; see [`Response::set_body_writer`](crate::Response::set_body_writer).
///
/// # Errors
/// Writing and flushing fail once the client is gone, or takes nothing for as long as the server's
/// [`write_timeout`](crate::ServerBuilder::write_timeout), or less than its
/// [`min_response_rate`](crate::ServerBuilder::min_response_rate) asks for.
pub struct BodyWriter<'a> {
    request: &'a mut Request,
    lent: &'a mut LentTransport,
    stop: Option<StopSignal>,
    out: &'a mut Output,
    ending: Ending,
    trailers: Vec<u8>,
    piece: Vec<u8>,
    /// What makes other bytes of what is written.
    filter: Option<Box<dyn BodyFilter>>,
    /// What marks the end of the body was sent.
    is_ended: bool,
    failed: Option<io::ErrorKind>,
    /// Nothing is sent: at most so many bytes stay in `out`.
    kept_max: Option<usize>,
}

/// Bytes that are collected before they are sent without having been flushed.
const PIECE_BYTES: usize = 16 * 1024;

impl<'a> BodyWriter<'a> {
    pub(crate) fn new(
        request: &'a mut Request,
        lent: &'a mut LentTransport,
        out: &'a mut Output,
        ending: Ending,
        trailers: Vec<u8>,
    ) -> Self {
        Self {
            request,
            lent,
            stop: None,
            out,
            ending,
            trailers,
            piece: Vec::new(),
            filter: None,
            is_ended: false,
            failed: None,
            kept_max: None,
        }
    }

    /// One that leaves what is written in `out`, without any framing, and fails once that is more than `max` bytes.
    pub(super) fn collecting(
        request: &'a mut Request,
        lent: &'a mut LentTransport,
        out: &'a mut Output,
        max: usize,
    ) -> Self {
        Self { kept_max: Some(max), ..Self::new(request, lent, out, Ending::Close, Vec::new()) }
    }

    /// The same, by way of that filter.
    pub(crate) fn filtered(self, filter: Option<Box<dyn BodyFilter>>) -> Self {
        Self { filter, ..self }
    }

    /// The same, which knows how the end of the server is told.
    pub(crate) fn told_by(self, stop: StopSignal) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// The request that is answered.
    pub fn request(&self) -> &Request {
        self.request
    }

    /// Whether the server stops: a body without end had better end now. See
    /// [`stop_signal`](crate::RequestCtx::stop_signal) for who waits between two pieces.
    ///
    /// ```
    /// use std::io::Write;
    /// use std::time::Duration;
    /// fn ticks(ctx: &mut anthill_http::RequestCtx) {
    ///     let stop = ctx.stop_signal();
    ///     ctx.response.set_body_writer(move |out| {
    ///         while !out.is_stopping() {
    ///             writeln!(out, "tick")?;
    ///             out.flush()?;
    ///             stop.wait(Duration::from_secs(1));
    ///         }
    ///         Ok(())
    ///     });
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = ticks;
    /// ```
    // SHD-05.
    pub fn is_stopping(&self) -> bool {
        self.stop.as_ref().is_some_and(StopSignal::is_stopping)
    }

    /// Reads the rest of the request's body while the response is written.
    ///
    /// A client that waits to be asked for its body (`Expect: 100-continue`) is asked by the first read only if nothing
    /// was flushed before; once it has the head of the response, it sends the body or not, as it likes.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// fn echo(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.response.set_body_writer(|out| {
    ///         let mut piece = [0; 4096];
    ///         loop {
    ///             let count = out.body_reader().read(&mut piece)?;
    ///             if count == 0 {
    ///                 return Ok(());
    ///             }
    ///             out.write_all(&piece[..count])?;
    ///             out.flush()?;
    ///         }
    ///     });
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = echo;
    /// ```
    pub fn body_reader(&mut self) -> BodyReader<'_> {
        BodyReader::new(self.request, self.lent)
    }

    /// Where the client is, for somebody who gives it back before the body is written.
    #[cfg(any(feature = "client", feature = "tower"))]
    pub(crate) fn client(&self) -> Option<Arc<dyn Transport>> {
        self.lent.share()
    }

    /// Adds a field to be sent behind the body. False: `name` must not be a trailer, or the response is not
    /// chunked, so there is no such place.
    ///
    /// Control bytes in the value become spaces.
    // BDY-07.
    pub fn append_trailer(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        if self.ending != Ending::Chunked || !is_trailer_name(name) {
            return false;
        }
        token::append_canonical_name(&mut self.trailers, name);
        self.trailers.extend_from_slice(b": ");
        token::append_one_line(&mut self.trailers, value.as_ref());
        self.trailers.extend_from_slice(b"\r\n");
        true
    }

    /// Whether what marks the end of the body was written.
    #[cfg(feature = "client")]
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether the connection has failed, which is then why nothing more can be written.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes what marks the end of the body, unless that was done, and sends everything.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_body()
    }

    /// Writes what marks the end of the body, for somebody who reads on of the request. Nothing can be written behind
    /// it. To a client that learns of the end by that of the connection nothing is said yet.
    ///
    /// # Errors
    /// `UnexpectedEof` when fewer bytes were written than were announced, and those of sending.
    pub(crate) fn end_body(&mut self) -> io::Result<()> {
        if self.is_ended {
            return self.send();
        }
        self.filter_by(|filter, piece| filter.finish(piece))?;
        self.frame_piece()?;
        match self.ending {
            Ending::Length(0) | Ending::Close => {}
            Ending::Length(_) => {
                self.failed = Some(io::ErrorKind::UnexpectedEof);
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ending::Chunked => append_last_chunk(self.out.buffer_mut(), &self.trailers),
        }
        self.is_ended = true;
        self.send()
    }

    /// Its function has failed. True: nothing was sent of the response, which begins at that position of the output,
    /// and it is taken back. Else what was written is sent, but not what would mark the end of the body.
    pub(crate) fn abandon(mut self, begins: u64) -> bool {
        let is_taken_back = !self.has_failed() && self.out.take_back(begins);
        if !is_taken_back {
            // There is nobody to be told that this fails as well.
            let _ = self.flush();
        }
        is_taken_back
    }

    /// Has the filter, if there is one, append to what was collected.
    fn filter_by(
        &mut self,
        step: impl FnOnce(&mut dyn BodyFilter, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        let passed = step(&mut **filter, &mut self.piece);
        passed.inspect_err(|error| self.failed = Some(error.kind()))
    }

    /// Moves what was collected to the output, as one chunk.
    ///
    /// # Errors
    /// `InvalidData` when that is more than was announced, or behind the end. Nothing of it is moved then.
    fn frame_piece(&mut self) -> io::Result<()> {
        let count = self.piece.len();
        if count == 0 {
            return Ok(());
        }
        let left = match self.ending {
            Ending::Length(left) => left.checked_sub(count as u64),
            Ending::Chunked | Ending::Close => Some(0),
        };
        let Some(left) = left.filter(|_| !self.is_ended) else {
            self.piece.clear();
            self.failed = Some(io::ErrorKind::InvalidData);
            return Err(io::ErrorKind::InvalidData.into());
        };
        match &mut self.ending {
            Ending::Chunked => {
                append_chunk_start(self.out.buffer_mut(), count);
                self.out.append_body_vec(&mut self.piece);
                append_chunk_end(self.out.buffer_mut());
            }
            Ending::Length(announced) => {
                *announced = left;
                self.out.append_body_vec(&mut self.piece);
            }
            Ending::Close => self.out.append_body_vec(&mut self.piece),
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        let sent = match self.kept_max {
            Some(max) if self.out.len() > max => Err(io::ErrorKind::InvalidData.into()),
            Some(_) => Ok(()),
            None => {
                self.lent.is_answering = true;
                self.lent.send(self.out)
            }
        };
        if let Err(error) = &sent {
            self.failed = Some(error.kind());
        }
        sent
    }
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        if self.filter.is_some() {
            self.filter_by(|filter, piece| filter.pass(bytes, piece))?;
        } else {
            self.piece.extend_from_slice(bytes);
        }
        if self.piece.len() >= PIECE_BYTES {
            self.frame_piece()?;
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        self.filter_by(|filter, piece| filter.flush(piece))?;
        self.frame_piece()?;
        self.send()
    }
}

impl std::fmt::Debug for BodyWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter").field("ending", &self.ending).finish_non_exhaustive()
    }
}
