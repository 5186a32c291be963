//! The protocol state of one connection, as the server sees it.
//!
//! The idea: a small machine without buffers, so that a parked connection costs next to nothing. It is told
//! to look at the input, says what it found, and remembers only how far it got.
//!
//! The rule: between two calls of [`Session::advance`] that ask for more input, the `Request` object may be
//! exchanged for another one as long as its input moves along.

use super::chunked::{self, ChunkedDecoder};
use super::encode::{self, ConnectionField, ResponseDefaults};
use super::error::ProtoError;
use super::framing::{Framing, response_framing};
use super::head::{self, ParsedHead};
use super::limits::Limits;
use crate::output::Output;
use crate::request::{Request, Version};
use crate::response::Response;
use crate::util::token;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What [`Session::advance`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The input does not hold a complete request yet.
    NeedInput,
    /// The request object holds a complete request, until [`Session::finish`].
    Ready,
}

/// How far the request under way has come. Drivers derive their deadlines from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No byte of the next request has been seen, empty lines aside.
    Idle,
    /// Some of its head has been seen.
    Head,
    /// Its head is complete, its body is not.
    Body,
    /// It is being served.
    Ready,
}

/// The machine; see the module's text.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    requests: u64,
    /// Unique within the process.
    id: u64,
}

/// Says which request of which session a request object holds. Handlers can exchange the object; its marks go
/// with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    session: u64,
    request: u64,
}

/// The next session's number; 0 is no session's.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Positions count from the first unread byte of the input, which is the first byte of the request.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// `skipped` bytes of empty lines were consumed, `scanned` bytes have been searched for the end of the
    /// head.
    Head { skipped: u32, scanned: u32 },
    /// The head is followed by a body that ends at `end`; looking again is worth it once that has arrived.
    Length { head: u32, end: usize },
    /// The head is followed by `decoded` bytes of body, and those by raw bytes.
    Chunked { head: u32, decoded: usize, decoder: ChunkedDecoder },
    /// The request takes up `bytes` bytes.
    Ready { bytes: usize },
}

const IDLE: Phase = Phase::Head { skipped: 0, scanned: 0 };

// There is one in every parked connection.
const _: () = assert!(size_of::<Session>() <= 64);

impl Session {
    /// A connection on which nothing has been received.
    pub(crate) fn new() -> Self {
        Self { phase: IDLE, requests: 0, id: NEXT_ID.fetch_add(1, Ordering::Relaxed) }
    }

    /// Looks at the input of `request` and says whether it holds a complete request.
    ///
    /// May append an interim `100 Continue` to `out`, which then has to be sent before waiting for input.
    ///
    /// # Errors
    /// The reason why the input is not a request. The connection cannot be used any further:
    /// [`Session::refuse`], send, close.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        match self.phase {
            Phase::Head { skipped, scanned } => self.advance_head(skipped, scanned, request, out, limits),
            Phase::Length { head, end } => {
                if request.input().unread().len() < end {
                    return Ok(Progress::NeedInput);
                }
                let parsed = parse_head(request, head, limits)?;
                Ok(self.ready(request, parsed, head as usize..end, end))
            }
            Phase::Chunked { head, decoded, decoder } => {
                self.advance_chunked(head, decoded, decoder, None, request, limits)
            }
            Phase::Ready { .. } => Ok(Progress::Ready),
        }
    }

    /// Appends the response to the request that [`Session::advance`] found, and says whether the connection
    /// stays.
    ///
    /// `force_close` is the server's own wish (shutdown, keep-alive switched off, quota of requests used up).
    /// Neither side's wish to close can be undone by the other (`CON-05`). A big body is moved out of
    /// `response`.
    pub(crate) fn respond(
        &mut self,
        request: &Request,
        response: &mut Response,
        out: &mut Output,
        defaults: &ResponseDefaults<'_>,
        force_close: bool,
    ) -> bool {
        let framing = response_framing(request.method_bytes(), response.status());
        let mut connection = ConnectionField::of(response);
        connection.close |= force_close
            || request.wants_close()
            || response.close()
            || framing.ends_http
            || !self.is_serving(request);
        connection.keep_alive = request.version() != Version::Http11;
        // The option is for HTTP/1.1 only (RFC 9110 section 7.8).
        connection.upgrade &= request.version() == Version::Http11;
        encode::response(response, framing, connection, defaults, out);
        !connection.close
    }

    /// Forgets the request that was served: its bytes leave the input, and [`Session::advance`] sees what
    /// follows.
    pub(crate) fn finish(&mut self, request: &mut Request) {
        if let Phase::Ready { bytes } = self.phase {
            if self.is_serving(request) {
                request.input_mut().consume(bytes);
            } else {
                // The handler exchanged the request object. What is in the input now cannot be trusted to
                // start with a request; `respond` has closed the connection for the same reason.
                request.input_mut().clear();
            }
        }
        request.clear();
        self.phase = IDLE;
    }

    /// Appends the refusal for `error`, which announces that the connection ends.
    pub(crate) fn refuse(&mut self, error: ProtoError, out: &mut Output, defaults: &ResponseDefaults<'_>) {
        encode::refusal(error, defaults, out);
    }

    /// How far the request under way has come, as of the last [`Session::advance`].
    pub(crate) fn state(&self) -> Stage {
        match self.phase {
            Phase::Head { scanned: 0, .. } => Stage::Idle,
            Phase::Head { .. } => Stage::Head,
            Phase::Length { .. } | Phase::Chunked { .. } => Stage::Body,
            Phase::Ready { .. } => Stage::Ready,
        }
    }

    /// Whether no byte of the next request has been seen, empty lines aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.state() == Stage::Idle
    }

    /// Whether the head of a request has begun and not ended.
    pub(crate) fn reads_head(&self) -> bool {
        self.state() == Stage::Head
    }

    /// How many requests have been made ready so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Judges the end of the peer's stream, after everything received has been offered to
    /// [`Session::advance`].
    ///
    /// # Errors
    /// [`ProtoError::UnexpectedEnd`] when it came in the middle of a request. Between requests it is how
    /// connections end; empty lines may have preceded it (`CON-08`).
    pub(crate) fn input_closed(&self, request: &Request) -> Result<(), ProtoError> {
        let only_line_ends = request.input().unread().iter().all(|&byte| matches!(byte, b'\r' | b'\n'));
        if self.is_idle() && only_line_ends { Ok(()) } else { Err(ProtoError::UnexpectedEnd) }
    }

    #[inline]
    fn advance_head(
        &mut self,
        mut skipped: u32,
        scanned: u32,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        if scanned == 0 {
            skipped += skip_empty_lines(request, limits.head_bytes().saturating_sub(skipped as usize));
            self.phase = Phase::Head { skipped, scanned };
        }
        let unread = request.input().unread();
        let visible = &unread[..unread.len().min(limits.head_bytes().saturating_sub(skipped as usize))];
        match visible {
            // The carriage return may be the first half of an empty line.
            [] | [b'\r'] if visible.len() == unread.len() => return self.need_head(skipped, 0, limits),
            [] | [b'\r'] => return Err(ProtoError::HeadTooLarge),
            // Whatever starts like this is no method; it may be a TLS handshake on a plain port.
            [first, ..] if !token::is_token_byte(*first) => return Err(ProtoError::Syntax),
            _ => {}
        }
        match head::find_end(visible, scanned as usize)? {
            // Bounded by the head limit, so the casts keep the value.
            Some(length) => self.head_complete(length as u32, request, out, limits),
            None => self.need_head(skipped, visible.len() as u32, limits),
        }
    }

    /// Waits for more of the head, unless it has used up its limit.
    fn need_head(&mut self, skipped: u32, scanned: u32, limits: &Limits) -> Result<Progress, ProtoError> {
        if skipped as usize + scanned as usize >= limits.head_bytes() {
            return Err(ProtoError::HeadTooLarge);
        }
        self.phase = Phase::Head { skipped, scanned };
        Ok(Progress::NeedInput)
    }

    #[inline]
    fn head_complete(
        &mut self,
        head: u32,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let parsed = parse_head(request, head, limits)?;
        let head_length = head as usize;
        match parsed.framing {
            Framing::None => Ok(self.ready(request, parsed, head_length..head_length, head_length)),
            Framing::Length(length) => {
                if !limits.allows_body(length) {
                    return Err(ProtoError::BodyTooLarge);
                }
                let length = usize::try_from(length).map_err(|_| ProtoError::BodyTooLarge)?;
                let end = head_length.checked_add(length).ok_or(ProtoError::BodyTooLarge)?;
                if parsed.expects_continue {
                    out.append(encode::CONTINUE);
                }
                if request.input().unread().len() >= end {
                    return Ok(self.ready(request, parsed, head_length..end, end));
                }
                self.phase = Phase::Length { head, end };
                Ok(Progress::NeedInput)
            }
            Framing::Chunked => {
                if parsed.expects_continue {
                    out.append(encode::CONTINUE);
                }
                self.advance_chunked(head, 0, ChunkedDecoder::new(), Some(parsed), request, limits)
            }
        }
    }

    /// Decodes what has arrived of a chunked body. `parsed` is the head if it is still known.
    fn advance_chunked(
        &mut self,
        head: u32,
        decoded: usize,
        mut decoder: ChunkedDecoder,
        parsed: Option<ParsedHead>,
        request: &mut Request,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let head_length = head as usize;
        let start = head_length + decoded;
        let raw = request.input_mut().unread_mut().get_mut(start..).unwrap_or_default();
        let found = decoder.decode(raw, limits)?;
        let body_end = start + found.written;
        let Some(trailers) = found.trailers else {
            request.input_mut().cut(body_end, start + found.read);
            self.phase = Phase::Chunked { head, decoded: decoded + found.written, decoder };
            return Ok(Progress::NeedInput);
        };
        let parsed = match parsed {
            Some(parsed) => parsed,
            None => parse_head(request, head, limits)?,
        };
        let (section, fields) = request.trailer_parts(start + trailers.start..start + trailers.end);
        chunked::parse_trailers(section, fields)?;
        Ok(self.ready(request, parsed, head_length..body_end, start + found.read))
    }

    #[inline]
    fn ready(
        &mut self,
        request: &mut Request,
        parsed: ParsedHead,
        body: Range<usize>,
        bytes: usize,
    ) -> Progress {
        self.requests += 1;
        self.phase = Phase::Ready { bytes };
        request.complete(parsed.head, body, self.stamp());
        Progress::Ready
    }

    /// Whether `request` is the complete request that was found. It may not be when a handler exchanged the
    /// object.
    fn is_serving(&self, request: &Request) -> bool {
        matches!(self.phase, Phase::Ready { .. }) && request.stamp() == self.stamp()
    }

    fn stamp(&self) -> Stamp {
        Stamp { session: self.id, request: self.requests }
    }
}

#[inline]
fn parse_head(request: &mut Request, head: u32, limits: &Limits) -> Result<ParsedHead, ProtoError> {
    // The object may have been used for another connection, whose request was given up half way.
    request.clear();
    let (unread, fields) = request.parse_parts();
    head::parse(unread.get(..head as usize).unwrap_or_default(), fields, limits)
}

/// Consumes the empty lines at the front of the input, up to `max` bytes of them, and says how many bytes
/// there were.
#[inline]
fn skip_empty_lines(request: &mut Request, max: usize) -> u32 {
    let mut rest = request.input().unread();
    rest = &rest[..rest.len().min(max)];
    let visible = rest.len();
    while let [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] = rest {
        rest = after;
    }
    let skipped = visible - rest.len();
    if skipped > 0 {
        request.input_mut().consume(skipped);
    }
    // Bounded by `max`, which is bounded by the head limit.
    skipped as u32
}

#[cfg(test)]
mod tests;
