//! A streamed body as bytes, without a connection.
//!
//! The rule: no more is kept than the caller allows, whatever the source gives.

use super::body::{BodySource, WriterSource};
use super::outgoing::pull_next;
use super::source::Pull;
use super::{BodyWriter, Response};
use crate::message::request::Request;
use crate::proto::ProtoError;
use crate::wire::lent::LentTransport;
use crate::wire::output::Output;
use std::io;

/// The most that is taken from a source at once.
const PIECE_BYTES: usize = 64 * 1024;

impl Response {
    /// The body, read into memory if it is a file, a reader, a function or a stream of events; at most `max` bytes of
    /// it. From then on it is bytes like any other, and [`body`](Self::body) has it. For tests of handlers, and for
    /// wrappers that need all of a body.
    ///
    /// Whatever produces the body runs here, and may block; a panic of it is the caller's. A function that writes finds
    /// a request without a body, and no place for trailers; of a stream of events comes what was sent by now, and it
    /// ends. The response of a whole server, request and all, is [`Server::call`](crate::Server::call)'s.
    ///
    /// ```
    /// use std::io::Write;
    /// let mut ctx = anthill_http::RequestCtx::default();
    /// ctx.response.set_body_writer(|out| out.write_all(b"six legs"));
    /// assert_eq!((ctx.response.is_body_stream(), ctx.response.body()), (true, &b""[..]));
    /// assert_eq!(ctx.response.read_body(1024)?, b"six legs");
    /// assert_eq!((ctx.response.is_body_stream(), ctx.response.body()), (false, &b"six legs"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidData` with [`ProtoError::BodyTooLarge`](crate::ProtoError::BodyTooLarge) inside when the body has more
    /// than `max` bytes; `UnexpectedEof` when it ends before the size that was announced; and those of its source. A
    /// streamed body is gone then, and the response has none.
    pub fn read_body(&mut self, max: usize) -> io::Result<&[u8]> {
        if self.is_body_stream() {
            self.body.clear();
            // Gone, unless all of it comes.
            let body = match std::mem::take(&mut self.source) {
                BodySource::File(mut range) => pull_all(&mut range, max)?,
                BodySource::Pull(mut source) => pull_all(&mut *source, max)?,
                BodySource::Writer(writer) => write_all(writer, max)?,
                BodySource::Buffer | BodySource::Shared(_) => Vec::new(),
            };
            self.body = body;
        }
        if self.body().len() > max { Err(too_large()) } else { Ok(self.body()) }
    }

    /// As [`read_body`](Self::read_body); `None` when it is not UTF-8.
    ///
    /// # Errors
    /// The same.
    pub fn read_body_str(&mut self, max: usize) -> io::Result<Option<&str>> {
        Ok(std::str::from_utf8(self.read_body(max)?).ok())
    }
}

fn pull_all(source: &mut dyn Pull, max: usize) -> io::Result<Vec<u8>> {
    if let Some(live) = source.live() {
        live.end();
    }
    let (mut body, mut piece) = (Vec::new(), Vec::new());
    let mut left = source.size();
    while pull_next(source, &mut left, &mut piece, PIECE_BYTES)? {
        if piece.len() > max - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn write_all(source: WriterSource, max: usize) -> io::Result<Vec<u8>> {
    let Some(write) = source.write.into_inner() else { return Ok(Vec::new()) };
    let (mut request, mut lent, mut out) = (Request::empty(), LentTransport::default(), Output::default());
    let mut writer = BodyWriter::collecting(&mut request, &mut lent, &mut out, max).filtered(source.filter);
    let written = write(&mut writer).and_then(|()| writer.finish());
    // Its own word for that would be how its writes failed.
    if out.len() > max {
        return Err(too_large());
    }
    written?;
    Ok(out.slices().concat())
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, ProtoError::BodyTooLarge)
}
