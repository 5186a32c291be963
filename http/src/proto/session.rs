//! The protocol state of one connection, as the server sees it.
//!
//! The idea: a small machine without buffers, so that a parked connection costs next to nothing. It is told
//! to look at the input, says what it found, and remembers only how far it got.
//!
//! The rule: between two calls of [`Session::advance`] that ask for more input, the `Request` object may be
//! exchanged for another one as long as its input moves along.

use super::body::BodyDecoder;
use super::chunked;
use super::encode::{self, ConnectionField, ResponseDefaults};
use super::error::ProtoError;
use super::framing::{Framing, response_framing};
use super::head::{self, ParsedHead};
use super::limits::{Asks, Limits, UNREAD_BODY_BYTES_MAX};
use crate::message::request::{Head, Request, Rest};
use crate::message::response::{Ending, Response};
use crate::util::token;
use crate::values::version::Version;
use crate::wire::output::Output;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What [`Session::advance`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The input does not hold a request yet.
    NeedInput,
    /// The request object holds the head of a request on which somebody has to decide: [`Session::judge`], then
    /// [`Session::welcome`] or [`Session::respond`]. `expects`: its client waits to be asked for the body.
    Head { expects: bool },
    /// The request object holds a request, until [`Session::finish`]. With streamed bodies, the body may not have
    /// arrived.
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
    served: Served,
}

/// What a request says about the framing of its response. Handlers can change or exchange the request object, and the
/// client waits for the response to what it has sent.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    is_head: bool,
    is_connect: bool,
    closes: bool,
    version: Version,
}

impl Served {
    fn of(method: &[u8], head: &Head) -> Self {
        let (is_head, is_connect) = (method == b"HEAD", method == b"CONNECT");
        Self { is_head, is_connect, closes: head.closes, version: head.version }
    }

    /// The method, as far as it counts.
    fn method(self) -> &'static [u8] {
        match self {
            Self { is_head: true, .. } => b"HEAD",
            Self { is_connect: true, .. } => b"CONNECT",
            _ => b"",
        }
    }
}

/// Says which request of which session a request object holds. Handlers can exchange the object; its marks go
/// with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    session: u64,
    request: u64,
}

/// How a response goes out: what [`Session::respond`] has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Whether the connection stays, as the response says.
    pub(crate) stays: bool,
    /// How a streamed body that follows the head ends; `None`: none follows.
    pub(crate) ending: Option<Ending>,
}

/// The next session's number; 0 is no session's.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Positions count from the first unread byte of the input, which is the first byte of the request.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// `skipped` bytes of empty lines were consumed, `scanned` bytes have been searched for the end of the
    /// head.
    Head { skipped: u32, scanned: u32 },
    /// The head is `head` bytes long and says how the body ends. Somebody has to decide on it.
    Judging { head: u32, framing: Framing, expects: bool },
    /// The head is followed by `decoded` bytes of body, and those by raw bytes.
    Body { head: u32, decoded: usize, decoder: BodyDecoder },
    /// The request takes up `bytes` bytes.
    Ready { bytes: usize },
    /// The request is served while its body arrives; the request object knows how far that is.
    Streaming,
    /// What is left of a body that nobody wants is thrown away; `left` more bytes of it at most.
    Draining { decoder: BodyDecoder, left: u32 },
}

const IDLE: Phase = Phase::Head { skipped: 0, scanned: 0 };

// There is one in every parked connection.
const _: () = assert!(size_of::<Session>() <= 80);

impl Session {
    /// A connection on which nothing has been received.
    pub(crate) fn new() -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self { phase: IDLE, requests: 0, id, served: Served::default() }
    }

    /// Looks at the input of `request` and says whether it holds a request.
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
            Phase::Body { head, decoded, decoder } => {
                self.advance_body(head, decoded, decoder, None, request, limits)
            }
            Phase::Judging { expects, .. } => Ok(Progress::Head { expects }),
            Phase::Ready { .. } | Phase::Streaming => Ok(Progress::Ready),
            Phase::Draining { decoder, left } => {
                if self.drain(decoder, left, request)? {
                    self.advance_head(0, 0, request, out, limits)
                } else {
                    Ok(Progress::NeedInput)
                }
            }
        }
    }

    /// Whether the request that [`Progress::Head`] told of may have the body it announces.
    ///
    /// # Errors
    /// [`ProtoError::BodyTooLarge`].
    pub(crate) fn judge(&self, limits: &Limits) -> Result<(), ProtoError> {
        match self.phase {
            Phase::Judging { framing: Framing::Length(length), .. } => check_length(length, limits),
            _ => Ok(()),
        }
    }

    /// Lets the request that [`Progress::Head`] told of go on, as [`Session::advance`] does, with these limits.
    ///
    /// # Errors
    /// As [`Session::advance`]; and [`ProtoError::Syntax`] when whoever decided has exchanged the request object: what is in
    /// its input cannot be trusted to start with the request that was judged.
    pub(crate) fn welcome(
        &mut self,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        if let Phase::Judging { head, framing, .. } = self.phase {
            if !self.is_serving(request) {
                return Err(ProtoError::Syntax);
            }
            if framing == Framing::None {
                // It is complete as it is.
                self.phase = Phase::Ready { bytes: head as usize };
                return Ok(Progress::Ready);
            }
            let parsed = parse_head(request, head, limits)?;
            // It will be counted again when it is ready.
            self.requests -= 1;
            return self.begin_body(head, parsed, request, out, limits);
        }
        self.advance(request, out, limits)
    }

    /// Appends the head of the response to the request that [`Session::advance`] found, with the body if that is plain
    /// bytes, and says what else is to follow and whether the connection stays.
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
    ) -> Reply {
        let framing = response_framing(
            self.served.method(),
            self.served.version,
            response.status(),
            response.content_length(),
        );
        // What writes the response may go on reading the request, unless that has failed already.
        let may_be_read =
            framing.sends_body && response.has_writer() && !matches!(request.rest(), Rest::Failed(_));
        let is_http11 = self.served.version == Version::Http11;
        let connection = ConnectionField {
            close: force_close
                || self.served.closes
                || framing.ends_http
                || framing.closes
                || !self.is_serving(request)
                || matches!(self.phase, Phase::Judging { .. })
                || !can_go_on(request.rest()) && !may_be_read,
            keep_alive: !is_http11,
            // The option is for HTTP/1.1 only (RFC 9110 section 7.8).
            upgrade: is_http11,
        };
        let connection = encode::response(response, framing, connection, defaults, out);
        let ending = framing.sends_body.then(|| match response.content_length() {
            Some(length) => Ending::Length(length),
            None if framing.chunked => Ending::Chunked,
            None => Ending::Close,
        });
        Reply { stays: !connection.close, ending }
    }

    /// Forgets the request that was served: its bytes leave the input, and [`Session::advance`] sees what
    /// follows. False: nothing can follow, the connection has to end.
    pub(crate) fn finish(&mut self, request: &mut Request) -> bool {
        let is_serving = self.is_serving(request);
        let phase = std::mem::replace(&mut self.phase, IDLE);
        let mut stays = true;
        match phase {
            Phase::Ready { bytes } if is_serving => request.input_mut().consume(bytes),
            Phase::Streaming if is_serving => {
                stays = can_go_on(request.rest());
                let read = request.raw_start();
                match request.rest() {
                    Rest::None => request.input_mut().consume(read),
                    Rest::Missing { decoder, .. } if stays => {
                        let decoder = *decoder;
                        request.input_mut().consume(read);
                        self.phase = Phase::Draining { decoder, left: UNREAD_BODY_BYTES_MAX as u32 };
                    }
                    Rest::Missing { .. } | Rest::Failed(_) => request.input_mut().clear(),
                }
            }
            // The handler exchanged the request object, or the request was refused by its head. What is in the input
            // now cannot be trusted to start with a request; `respond` has closed the connection for the same reason.
            Phase::Ready { .. } | Phase::Streaming | Phase::Judging { .. } => {
                request.input_mut().clear();
                stays = false;
            }
            Phase::Head { .. } | Phase::Body { .. } | Phase::Draining { .. } => {}
        }
        request.clear();
        stays
    }

    /// Appends the refusal for `error`, which announces that the connection ends, and says whether there was anybody to
    /// refuse: what goes wrong behind a request that was answered is no request's fault.
    pub(crate) fn refuse(
        &mut self,
        error: ProtoError,
        request: &Request,
        out: &mut Output,
        defaults: &ResponseDefaults<'_>,
    ) -> bool {
        if matches!(self.phase, Phase::Draining { .. }) {
            return false;
        }
        // RFC 9110 section 9.3.2: "The server MUST NOT send content in the response" to a HEAD. As far as it is one: the
        // request may have been refused for its first line.
        let is_head = request.input().unread().starts_with(b"HEAD ");
        encode::refusal(error, is_head, defaults, out);
        true
    }

    /// How far the request under way has come, as of the last [`Session::advance`].
    pub(crate) fn state(&self) -> Stage {
        match self.phase {
            Phase::Head { scanned: 0, .. } => Stage::Idle,
            Phase::Head { .. } => Stage::Head,
            Phase::Body { .. } | Phase::Draining { .. } => Stage::Body,
            Phase::Judging { .. } | Phase::Ready { .. } | Phase::Streaming => Stage::Ready,
        }
    }

    /// Whether no byte of the next request has been seen, empty lines aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.state() == Stage::Idle
    }

    /// Whether a request was answered, and what is left of its body is thrown away.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// The session's number, unique within the process.
    pub(crate) fn id(&self) -> u64 {
        self.id
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

    #[inline(always)]
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
            [] | [b'\r'] if visible.len() == unread.len() && (skipped as usize) < limits.head_bytes() => {
                return Ok(Progress::NeedInput);
            }
            [] | [b'\r'] => return Err(ProtoError::HeadTooLarge),
            // Whatever starts like this is no method; it may be a TLS handshake on a plain port.
            [first, ..] if !token::is_token_byte(*first) => return Err(ProtoError::Syntax),
            _ => {}
        }
        if scanned == 0 {
            let visible = visible.len();
            request.clear();
            let (unread, fields) = request.parse_parts();
            if let Some((length, parsed)) = head::parse_front(&unread[..visible], fields, limits) {
                // Bounded by the head limit, so the cast keeps the value.
                return self.head_complete(length as u32, parsed, request, out, limits);
            }
        }
        let unread = request.input().unread();
        let visible = &unread[..unread.len().min(limits.head_bytes().saturating_sub(skipped as usize))];
        match head::find_end(visible, scanned as usize)? {
            Some(length) => {
                let parsed = parse_head(request, length as u32, limits)?;
                self.head_complete(length as u32, parsed, request, out, limits)
            }
            None if skipped as usize + visible.len() >= limits.head_bytes() => Err(head::too_large(visible)),
            None => {
                self.phase = Phase::Head { skipped, scanned: visible.len() as u32 };
                Ok(Progress::NeedInput)
            }
        }
    }

    #[inline(always)]
    fn head_complete(
        &mut self,
        head: u32,
        parsed: ParsedHead,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let has_body = parsed.framing != Framing::None;
        let expects = parsed.expects_continue && has_body;
        let asks = match limits.asks {
            Asks::Never => false,
            Asks::Expecting => expects,
            Asks::Always => true,
        };
        if asks {
            let (head_length, framing) = (head as usize, parsed.framing);
            self.ready(request, parsed, head_length..head_length, head_length);
            self.phase = Phase::Judging { head, framing, expects };
            return Ok(Progress::Head { expects });
        }
        self.begin_body(head, parsed, request, out, limits)
    }

    /// Decides how the body comes to the handler.
    #[inline(always)]
    fn begin_body(
        &mut self,
        head: u32,
        parsed: ParsedHead,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        if let Framing::Length(length) = parsed.framing {
            check_length(length, limits)?;
        }
        match BodyDecoder::new(parsed.framing) {
            Some(decoder) => self.begin_some_body(head, decoder, parsed, request, out, limits),
            None => {
                let head_length = head as usize;
                Ok(self.ready(request, parsed, head_length..head_length, head_length))
            }
        }
    }

    /// The same when there is one. Apart, so that the many requests that have none do not pay for it.
    #[inline(never)]
    fn begin_some_body(
        &mut self,
        head: u32,
        mut decoder: BodyDecoder,
        parsed: ParsedHead,
        request: &mut Request,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let head_length = head as usize;
        if !limits.streams_bodies {
            if parsed.expects_continue {
                out.append(encode::CONTINUE);
            }
            return self.advance_body(head, 0, decoder, Some(parsed), request, limits);
        }
        // What has arrived is taken along.
        let raw = request.input_mut().unread_mut().get_mut(head_length..).unwrap_or_default();
        let found = decoder.decode(raw, None)?;
        let body = head_length..head_length + found.written;
        let raw_start = head_length + found.read;
        if let Some(trailers) = found.trailers {
            parse_trailers(request, head_length + trailers.start..head_length + trailers.end)?;
            return Ok(self.ready(request, parsed, body, raw_start));
        }
        request.input_mut().cut(body.end, raw_start);
        let asks = parsed.expects_continue && body.is_empty();
        self.ready(request, parsed, body, head_length);
        request.expect_rest(Rest::Missing { decoder, asks });
        self.phase = Phase::Streaming;
        Ok(Progress::Ready)
    }

    /// Decodes what has arrived of a body. `parsed` is the head if it is still known.
    fn advance_body(
        &mut self,
        head: u32,
        decoded: usize,
        mut decoder: BodyDecoder,
        parsed: Option<ParsedHead>,
        request: &mut Request,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let head_length = head as usize;
        let start = head_length + decoded;
        let raw = request.input_mut().unread_mut().get_mut(start..).unwrap_or_default();
        let found = decoder.decode(raw, limits.body_bytes_max)?;
        let body_end = start + found.written;
        let Some(trailers) = found.trailers else {
            request.input_mut().cut(body_end, start + found.read);
            self.phase = Phase::Body { head, decoded: decoded + found.written, decoder };
            return Ok(Progress::NeedInput);
        };
        let parsed = match parsed {
            Some(parsed) => parsed,
            None => parse_head(request, head, limits)?,
        };
        parse_trailers(request, start + trailers.start..start + trailers.end)?;
        Ok(self.ready(request, parsed, head_length..body_end, start + found.read))
    }

    /// Throws away what has arrived of a body. True: that was all of it.
    fn drain(
        &mut self,
        mut decoder: BodyDecoder,
        left: u32,
        request: &mut Request,
    ) -> Result<bool, ProtoError> {
        let found = decoder.decode(request.input_mut().unread_mut(), None)?;
        if let Some(trailers) = found.trailers.clone() {
            // Nobody wants them, but what is no trailer section may hide where the next request begins.
            parse_trailers(request, trailers)?;
            request.clear();
        }
        request.input_mut().consume(found.read);
        let left = u32::try_from(found.read).ok().and_then(|read| left.checked_sub(read));
        let left = left.ok_or(ProtoError::BodyTooLarge)?;
        let is_all = found.trailers.is_some();
        self.phase = if is_all { IDLE } else { Phase::Draining { decoder, left } };
        Ok(is_all)
    }

    #[inline(always)]
    fn ready(
        &mut self,
        request: &mut Request,
        parsed: ParsedHead,
        body: Range<usize>,
        bytes: usize,
    ) -> Progress {
        self.requests += 1;
        self.served = Served::of(parsed.head.method.within(request.input().unread()), &parsed.head);
        self.phase = Phase::Ready { bytes };
        request.complete(parsed.head, body, bytes, self.stamp());
        Progress::Ready
    }

    /// Whether `request` is the request that was found. It may not be when a handler exchanged the object.
    fn is_serving(&self, request: &Request) -> bool {
        self.state() == Stage::Ready && request.stamp() == self.stamp()
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

/// Whether a body may be as long as its request announces. One that streams may, whatever its length (`STR-02`).
fn check_length(length: u64, limits: &Limits) -> Result<(), ProtoError> {
    let fits = limits.streams_bodies || limits.allows_body(length);
    if fits { Ok(()) } else { Err(ProtoError::BodyTooLarge) }
}

/// Whether a connection can go on behind a body of which this is outstanding.
fn can_go_on(rest: &Rest) -> bool {
    match rest {
        Rest::None => true,
        // A client that was not asked for the body may send it or not, and nobody can tell which.
        Rest::Missing { decoder, asks } => {
            !asks && decoder.missing().is_none_or(|missing| missing <= UNREAD_BODY_BYTES_MAX)
        }
        Rest::Failed(_) => false,
    }
}

/// Makes the trailer fields in `section` (positions in the input) those of the request.
#[inline]
pub(crate) fn parse_trailers(request: &mut Request, section: Range<usize>) -> Result<(), ProtoError> {
    if section.is_empty() {
        return Ok(());
    }
    let (section, fields) = request.trailer_parts(section);
    chunked::parse_trailers(section, fields)
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
