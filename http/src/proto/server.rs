//! The protocol state of one connection, as the server sees it.
//!
//! The idea: a small machine without buffers, so that a parked connection costs next to nothing. It is told
//! to look at the input, says what it found, and remembers only how far it got.
//!
//! The rule: between two calls of [`ServerSession::advance`] that ask for more input, what was found may be
//! forgotten, or exchanged, as long as the input moves along.

use super::body::BodyDecoder;
use super::close::CloseReason;
use super::encode::{self, ConnectionField, Defaults, ResponseHead};
use super::error::{ProtoError, refusal_text};
use super::framing::{Ending, Framing, response_out};
use super::limits::{HeadDecision, Limits, UNREAD_BODY_BYTES_MAX};
use super::lines;
use super::received::{Received, Rest, Stamp};
use super::request_head::{self, ParsedHead, RequestParts};
use crate::util::token;
use crate::values::version::Version;
use crate::wire::input::Input;
use crate::wire::output::Output;
use std::ops::Range;

/// What [`ServerSession::advance`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The input does not hold a request yet.
    NeedInput,
    /// The head of a request is there on which somebody has to decide: [`ServerSession::check_head`], then
    /// [`ServerSession::accept_body`] or [`ServerSession::respond`]. `awaits_continue`: its client waits to be asked
    /// for the body.
    Head { awaits_continue: bool },
    /// A request is there, until [`ServerSession::finish`]. With streamed bodies, the body may not have arrived.
    Ready,
}

/// How far the request under way has come. Drivers derive their deadlines from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestStage {
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
pub(crate) struct ServerSession {
    phase: Phase,
    requests: u64,
    /// The connection's number, unique within the process.
    number: u64,
    served: Served,
}

/// What a request says about the framing of its response. Handlers can change or exchange the request object, and the
/// client waits for the response to what it has sent.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    is_head: bool,
    is_connect: bool,
    close: Option<CloseReason>,
    version: Version,
}

impl Served {
    fn of(method: &[u8], head: &RequestParts) -> Self {
        let (is_head, is_connect) = (method == b"HEAD", method == b"CONNECT");
        Self { is_head, is_connect, close: head.close, version: head.version }
    }

    /// The method, as far as it matters for the framing of a response.
    fn method(self) -> &'static [u8] {
        match self {
            Self { is_head: true, .. } => b"HEAD",
            Self { is_connect: true, .. } => b"CONNECT",
            _ => b"",
        }
    }
}

/// How a response goes out: what [`ServerSession::respond`] has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Why the connection ends with the response, as its head says; `None`: it stays.
    pub(crate) close: Option<CloseReason>,
    /// How the body ends that is to follow the head; `None`: none follows.
    pub(crate) ending: Option<Ending>,
}

/// What one call works on: the bytes, what is found in them, and under which limits.
struct Work<'a> {
    input: &'a mut Input,
    found: &'a mut Received,
    out: &'a mut Output,
    limits: &'a Limits,
}

/// Positions count from the first unread byte of the input, which is the first byte of the request.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// `skipped` bytes of empty lines were consumed, `scanned` bytes have been searched for the end of the
    /// head.
    Head { skipped: u32, scanned: u32 },
    /// The head is `head` bytes long and says how the body ends. Somebody has to decide on it.
    Deciding { head: u32, framing: Framing, awaits_continue: bool },
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
const _: () = assert!(size_of::<ServerSession>() <= 80);

impl ServerSession {
    /// The connection with this number, on which nothing has been received.
    pub(crate) fn new(number: u64) -> Self {
        Self { phase: IDLE, requests: 0, number, served: Served::default() }
    }

    /// One on which a request was served.
    #[cfg(test)]
    pub(crate) fn behind_a_request() -> Self {
        Self { requests: 1, ..Self::new(0) }
    }

    /// Looks at the input and says whether it holds a request, which is then described in `found`.
    ///
    /// May append an interim `100 Continue` to `out`, which then has to be sent before waiting for input.
    ///
    /// # Errors
    /// The reason why the input is not a request. The connection cannot be used any further:
    /// [`ServerSession::refuse`], send, close.
    #[inline(always)]
    pub(crate) fn advance(
        &mut self,
        input: &mut Input,
        found: &mut Received,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        // Each turn begins so, and ends so.
        if input.is_empty() && matches!(self.phase, Phase::Head { skipped: 0, scanned: 0 }) {
            return Ok(Progress::NeedInput);
        }
        self.advance_some(input, found, out, limits)
    }

    #[inline(never)]
    fn advance_some(
        &mut self,
        input: &mut Input,
        found: &mut Received,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let mut work = Work { input, found, out, limits };
        match self.phase {
            Phase::Head { skipped, scanned } => self.advance_head(skipped, scanned, &mut work),
            Phase::Body { head, decoded, decoder } => {
                self.advance_body(head, decoded, decoder, None, &mut work)
            }
            Phase::Deciding { awaits_continue, .. } => Ok(Progress::Head { awaits_continue }),
            Phase::Ready { .. } | Phase::Streaming => Ok(Progress::Ready),
            Phase::Draining { decoder, left } => {
                if self.drain(decoder, left, &mut work)? {
                    self.advance_head(0, 0, &mut work)
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
    pub(crate) fn check_head(&self, limits: &Limits) -> Result<(), ProtoError> {
        match self.phase {
            Phase::Deciding { framing: Framing::Length(length), .. } => check_length(length, limits),
            _ => Ok(()),
        }
    }

    /// Lets the request that [`Progress::Head`] told of go on, as [`ServerSession::advance`] does, with these limits.
    ///
    /// # Errors
    /// As [`ServerSession::advance`]; and [`ProtoError::Syntax`] when whoever decided has exchanged the request object:
    /// what is in its input cannot be trusted to start with the request that was decided on.
    pub(crate) fn accept_body(
        &mut self,
        input: &mut Input,
        found: &mut Received,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let Phase::Deciding { head, framing, .. } = self.phase else {
            return self.advance(input, found, out, limits);
        };
        if !self.is_serving(found) {
            return Err(ProtoError::Syntax);
        }
        if framing == Framing::None {
            // It is complete as it is.
            self.phase = Phase::Ready { bytes: head as usize };
            return Ok(Progress::Ready);
        }
        let mut work = Work { input, found, out, limits };
        let parsed = parse_head(&mut work, head)?;
        // It will be counted again when it is ready.
        self.requests -= 1;
        self.begin_body(head, parsed, &mut work)
    }

    /// Appends the head of the response to the request that [`ServerSession::advance`] found, and says which body is to
    /// follow and why the connection ends, if it does.
    ///
    /// `close` is the server's own wish (shutdown, keep-alive switched off, quota of requests used up).
    /// Neither side's wish to close can be undone by the other.
    // CON-05.
    pub(crate) fn respond(
        &mut self,
        found: &Received,
        head: &ResponseHead<'_>,
        out: &mut Output,
        defaults: &Defaults<'_>,
        close: bool,
    ) -> Reply {
        let framing = response_out(self.served.method(), self.served.version, head.status, head.length);
        let is_http11 = self.served.version == Version::Http11;
        let may_be_read = head.may_read_on && (framing.ending.is_some() || head.reads_on_bodiless);
        let connection = ConnectionField {
            close: framing
                .close
                .or(self.served.close)
                .or_else(|| self.close_behind(found, may_be_read))
                .or(close.then_some(CloseReason::WeAsked)),
            keep_alive: !is_http11,
            // The option is for HTTP/1.1 only (RFC 9110 section 7.8).
            upgrade: is_http11,
        };
        let close = encode::append_response_head(out.buffer_mut(), head, framing, connection, defaults);
        Reply { close, ending: framing.ending }
    }

    /// Whether a response with this status to the request that [`ServerSession::advance`] found has a body.
    pub(crate) fn sends_body(&self, status: u16) -> bool {
        response_out(self.served.method(), self.served.version, status, Some(1)).ending.is_some()
    }

    /// Why nothing can follow the request as it stands, whatever the response is. `may_be_read`: what is outstanding of
    /// it may be read while the response is sent.
    fn close_behind(&self, found: &Received, may_be_read: bool) -> Option<CloseReason> {
        if !self.is_serving(found) {
            return Some(CloseReason::Failed);
        }
        if matches!(self.phase, Phase::Deciding { .. }) {
            return Some(CloseReason::RefusedByHead);
        }
        match found.rest {
            Rest::Missing { .. } if may_be_read => None,
            rest => close_behind_rest(rest),
        }
    }

    /// Forgets the request that was served: its bytes leave the input, and [`ServerSession::advance`] sees what
    /// follows. Says why nothing can follow, in which case the connection has to end.
    pub(crate) fn finish(&mut self, input: &mut Input, found: &mut Received) -> Option<CloseReason> {
        let is_serving = self.is_serving(found);
        let phase = std::mem::replace(&mut self.phase, IDLE);
        let mut close = None;
        match phase {
            Phase::Ready { bytes } if is_serving => input.consume(bytes),
            Phase::Streaming if is_serving => {
                close = close_behind_rest(found.rest);
                match found.rest {
                    Rest::None => input.consume(found.raw),
                    Rest::Missing { decoder, .. } if close.is_none() => {
                        input.consume(found.raw);
                        self.phase = Phase::Draining { decoder, left: UNREAD_BODY_BYTES_MAX as u32 };
                    }
                    Rest::Missing { .. } | Rest::Failed => input.clear(),
                }
            }
            Phase::Deciding { .. } => {
                input.clear();
                close = Some(CloseReason::RefusedByHead);
            }
            // The handler exchanged the request object. What is in the input now cannot be trusted to start with a
            // request; `respond` has closed the connection for the same reason.
            Phase::Ready { .. } | Phase::Streaming => {
                input.clear();
                close = Some(CloseReason::Failed);
            }
            Phase::Head { .. } | Phase::Body { .. } | Phase::Draining { .. } => {}
        }
        found.clear();
        close
    }

    /// Appends the refusal for `error`, which announces that the connection ends, and says how many bytes of it are
    /// text. Nothing, when there is nobody to refuse: what goes wrong behind a request that was answered is no
    /// request's fault.
    pub(crate) fn refuse(
        &mut self,
        error: ProtoError,
        input: &Input,
        out: &mut Output,
        defaults: &Defaults<'_>,
    ) -> usize {
        if matches!(self.phase, Phase::Draining { .. }) {
            return 0;
        }
        // RFC 9110 section 9.3.2: "The server MUST NOT send content in the response" to a HEAD. As far as it is one:
        // the request may have been refused for its first line.
        let is_head = input.unread().starts_with(b"HEAD ");
        let status = error.status();
        let text = refusal_text(status);
        encode::append_refusal(out.buffer_mut(), status, text, is_head, defaults);
        if is_head { 0 } else { text.len() }
    }

    /// Takes what is in the input for the request that [`ServerSession::respond`] answers, whatever is wrong with it.
    pub(crate) fn take_for_refused(&mut self, input: &Input) {
        let is_head = input.unread().starts_with(b"HEAD ");
        let close = Some(CloseReason::Failed);
        self.served = Served { is_head, is_connect: false, close, version: Version::Http11 };
    }

    /// How far the request under way has come, as of the last [`ServerSession::advance`].
    pub(crate) fn state(&self) -> RequestStage {
        match self.phase {
            Phase::Head { scanned: 0, .. } => RequestStage::Idle,
            Phase::Head { .. } => RequestStage::Head,
            Phase::Body { .. } | Phase::Draining { .. } => RequestStage::Body,
            Phase::Deciding { .. } | Phase::Ready { .. } | Phase::Streaming => RequestStage::Ready,
        }
    }

    /// Whether what [`ServerSession::advance`] found is needed until [`ServerSession::finish`].
    pub(crate) fn holds_request(&self) -> bool {
        self.state() == RequestStage::Ready
    }

    /// Whether no byte of the next request has been seen, empty lines aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.state() == RequestStage::Idle
    }

    /// Whether a request was answered, and what is left of its body is thrown away.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// Whether the peer has said that the request which was answered is its last.
    pub(crate) fn peer_is_done(&self) -> bool {
        matches!(self.served.close, Some(CloseReason::PeerAsked | CloseReason::OldVersion))
    }

    /// The connection's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many requests have been made ready so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Decides what the end of the peer's stream means, after everything received has been offered to
    /// [`ServerSession::advance`].
    ///
    /// # Errors
    /// [`ProtoError::UnexpectedEnd`] when it came in the middle of a request. Between requests it is how
    /// connections end; empty lines may have preceded it.
    // CON-08.
    pub(crate) fn input_closed(&self, input: &Input) -> Result<(), ProtoError> {
        let only_line_ends = input.unread().iter().all(|&byte| matches!(byte, b'\r' | b'\n'));
        if self.is_idle() && only_line_ends { Ok(()) } else { Err(ProtoError::UnexpectedEnd) }
    }

    #[inline(always)]
    fn advance_head(
        &mut self,
        mut skipped: u32,
        scanned: u32,
        work: &mut Work<'_>,
    ) -> Result<Progress, ProtoError> {
        let head_bytes = work.limits.head_bytes();
        if scanned == 0 {
            skipped += skip_empty_lines(work.input, head_bytes.saturating_sub(skipped as usize));
            self.phase = Phase::Head { skipped, scanned };
        }
        let unread = work.input.unread();
        let visible = &unread[..unread.len().min(head_bytes.saturating_sub(skipped as usize))];
        match visible {
            // The carriage return may be the first half of an empty line.
            [] | [b'\r'] if visible.len() == unread.len() && (skipped as usize) < head_bytes => {
                return Ok(Progress::NeedInput);
            }
            [] | [b'\r'] => return Err(ProtoError::HeadTooLarge),
            // Whatever starts like this is no method.
            [first, ..] if !token::is_token_byte(*first) => return Err(request_head::no_method(*first)),
            _ => {}
        }
        if scanned == 0 {
            work.found.clear();
            let front = request_head::parse_front(visible, &mut work.found.fields, work.limits);
            if let Some((length, parsed)) = front {
                // Bounded by the head limit, so the cast keeps the value.
                return self.head_complete(length as u32, parsed, work);
            }
        }
        match lines::find_end(visible, scanned as usize)? {
            Some(length) => {
                let parsed = parse_head(work, length as u32)?;
                self.head_complete(length as u32, parsed, work)
            }
            None if skipped as usize + visible.len() >= head_bytes => Err(request_head::too_large(visible)),
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
        work: &mut Work<'_>,
    ) -> Result<Progress, ProtoError> {
        let has_body = parsed.framing != Framing::None;
        let awaits_continue = parsed.expects_continue && has_body;
        let somebody_decides = match work.limits.head_decision {
            HeadDecision::Never => false,
            HeadDecision::Expecting => awaits_continue,
            HeadDecision::Always => true,
        };
        if somebody_decides {
            let (head_length, framing) = (head as usize, parsed.framing);
            self.ready(work, parsed, head_length..head_length, head_length);
            self.phase = Phase::Deciding { head, framing, awaits_continue };
            return Ok(Progress::Head { awaits_continue });
        }
        self.begin_body(head, parsed, work)
    }

    /// Decides how the body comes to the handler.
    #[inline(always)]
    fn begin_body(
        &mut self,
        head: u32,
        parsed: ParsedHead,
        work: &mut Work<'_>,
    ) -> Result<Progress, ProtoError> {
        if let Framing::Length(length) = parsed.framing {
            check_length(length, work.limits)?;
        }
        match BodyDecoder::new(parsed.framing) {
            Some(decoder) => self.begin_some_body(head, decoder, parsed, work),
            None => {
                let head_length = head as usize;
                Ok(self.ready(work, parsed, head_length..head_length, head_length))
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
        work: &mut Work<'_>,
    ) -> Result<Progress, ProtoError> {
        let head_length = head as usize;
        if !work.limits.streams_bodies {
            if parsed.expects_continue {
                work.out.append(encode::CONTINUE);
            }
            return self.advance_body(head, 0, decoder, Some(parsed), work);
        }
        // What has arrived is taken along.
        let arrived = decoder.decode_in(work.input, head_length, None)?;
        let body = head_length..arrived.body_end;
        if let Some(trailers) = arrived.trailers {
            work.found.parse_trailers(work.input, trailers)?;
            return Ok(self.ready(work, parsed, body, arrived.end));
        }
        let awaits_continue = parsed.expects_continue && body.is_empty();
        self.ready(work, parsed, body, head_length);
        work.found.expect_rest(decoder, awaits_continue);
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
        work: &mut Work<'_>,
    ) -> Result<Progress, ProtoError> {
        let head_length = head as usize;
        let arrived = decoder.decode_in(work.input, head_length + decoded, work.limits.body_bytes_max)?;
        let body = head_length..arrived.body_end;
        let Some(trailers) = arrived.trailers else {
            self.phase = Phase::Body { head, decoded: body.len(), decoder };
            return Ok(Progress::NeedInput);
        };
        let parsed = match parsed {
            Some(parsed) => parsed,
            None => parse_head(work, head)?,
        };
        work.found.parse_trailers(work.input, trailers)?;
        Ok(self.ready(work, parsed, body, arrived.end))
    }

    /// Throws away what has arrived of a body. True: that was all of it.
    fn drain(
        &mut self,
        mut decoder: BodyDecoder,
        left: u32,
        work: &mut Work<'_>,
    ) -> Result<bool, ProtoError> {
        let found = decoder.decode(work.input.unread_mut(), None)?;
        let is_all = found.trailers.is_some();
        if let Some(trailers) = found.trailers {
            // Nobody wants them, but what is no trailer section may hide where the next request begins.
            work.found.parse_trailers(work.input, trailers)?;
            work.found.clear();
        }
        work.input.consume(found.read);
        let left = u32::try_from(found.read).ok().and_then(|read| left.checked_sub(read));
        let left = left.ok_or(ProtoError::BodyTooLarge)?;
        self.phase = if is_all { IDLE } else { Phase::Draining { decoder, left } };
        Ok(is_all)
    }

    #[inline(always)]
    fn ready(
        &mut self,
        work: &mut Work<'_>,
        parsed: ParsedHead,
        body: Range<usize>,
        bytes: usize,
    ) -> Progress {
        self.requests += 1;
        self.served = Served::of(parsed.head.method.within(work.input.unread()), &parsed.head);
        self.phase = Phase::Ready { bytes };
        work.found.complete(parsed.head, body, bytes, self.stamp());
        Progress::Ready
    }

    /// Whether `found` is the request that was found. It may not be when a handler exchanged the object it is in.
    fn is_serving(&self, found: &Received) -> bool {
        self.state() == RequestStage::Ready && found.stamp == self.stamp()
    }

    fn stamp(&self) -> Stamp {
        Stamp { session: self.number, message: self.requests }
    }
}

#[inline]
fn parse_head(work: &mut Work<'_>, head: u32) -> Result<ParsedHead, ProtoError> {
    // What was found may be of another connection, whose request was given up half way.
    work.found.clear();
    let bytes = work.input.unread().get(..head as usize).unwrap_or_default();
    request_head::parse(bytes, &mut work.found.fields, work.limits)
}

/// Whether a body may be as long as its request announces. One that streams may, whatever its length.
// STR-02.
fn check_length(length: u64, limits: &Limits) -> Result<(), ProtoError> {
    let fits = limits.streams_bodies || limits.allows_body(length);
    if fits { Ok(()) } else { Err(ProtoError::BodyTooLarge) }
}

/// Why a connection cannot go on behind a body of which this is outstanding.
fn close_behind_rest(rest: Rest) -> Option<CloseReason> {
    match rest {
        Rest::None => None,
        // A client that was not asked for the body may send it or not, and nobody can tell which.
        Rest::Missing { awaits_continue: true, .. } => Some(CloseReason::UnreadBody),
        Rest::Missing { decoder, .. } => {
            let is_too_much = decoder.missing().is_some_and(|missing| missing > UNREAD_BODY_BYTES_MAX);
            is_too_much.then_some(CloseReason::UnreadBody)
        }
        Rest::Failed => Some(CloseReason::Failed),
    }
}

/// Consumes the empty lines at the front of the input, up to `max` bytes of them, and says how many bytes
/// there were.
#[inline]
fn skip_empty_lines(input: &mut Input, max: usize) -> u32 {
    let mut rest = input.unread();
    rest = &rest[..rest.len().min(max)];
    let visible = rest.len();
    while let [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] = rest {
        rest = after;
    }
    let skipped = visible - rest.len();
    if skipped > 0 {
        input.consume(skipped);
    }
    // Bounded by `max`, which is bounded by the head limit.
    skipped as u32
}
