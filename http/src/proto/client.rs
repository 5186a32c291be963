//! The protocol state of one connection, as the client sees it.
//!
//! The idea: the same small machine without buffers as [`server`](super::server), from the other side. It writes the
//! head of a request, looks at the input for the response to it, and knows why the connection cannot be used again. One
//! response is awaited at a time. Where no other request is sent before it has come, whatever a server sends that was
//! not asked for is in nobody's place, and ends the connection instead of being taken for the response to the next
//! request; who sends others before has to trust the server to count.
//!
//! ```text
//!             begin(request)             interim      until the end of the stream
//!   Idle ──────────────────▶ Head ◀──────────┐ ┌──▶ Body ──────────┐
//!    ▲                        │  └──1xx──────┘ │                   │ last byte, or input_closed
//!    │                        └──blank line────┴───────────▶ Ready ◀┘
//!    └───────────────── finish: None ────────────────────────┘ └──▶ Some(reason): never again
//! ```
//!
//! The rule: between two calls of [`ClientSession::advance`] that ask for more input, what was found may be forgotten,
//! as long as the input moves along.

use super::body::BodyDecoder;
use super::close::{CloseReason, ConnectionOptions};
use super::encode::{RequestHead, append_request_head};
use super::error::ProtoError;
use super::framing::{Ending, Framing, response_in};
use super::limits::{INTERIM_RESPONSES_MAX, Limits};
use super::lines;
use super::received::{Received, Rest, Stamp};
use super::response_head::{self, ParsedResponse, ResponseParts};
use crate::wire::input::Input;
use crate::wire::output::Output;
use std::ops::Range;

/// What [`ClientSession::advance`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseProgress {
    /// The input does not hold the response yet.
    NeedInput,
    /// An interim response (1xx) is there, until the next call; the final one is still to come. 100 asks for the body
    /// of the request.
    Interim { status: u16 },
    /// The final response is there, until [`ClientSession::finish`]. With streamed bodies it is the head alone: the
    /// body may not have arrived, and what has is to be decoded ([`Received::decode_rest`]).
    Ready,
}

/// The machine; see the module's text.
#[derive(Debug)]
pub(crate) struct ClientSession {
    phase: ResponsePhase,
    /// How many requests have been begun.
    requests: u64,
    /// The connection's number, unique within the process.
    number: u64,
    asked: Asked,
    /// How many interim responses the request under way got.
    interims: u8,
    /// Why the connection cannot be used for another request, as far as that is known.
    close: Option<CloseReason>,
}

/// What a request says about the response to it.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    is_head: bool,
    is_connect: bool,
    wants_upgrade: bool,
    /// Whether all of the request was sent.
    is_sent: bool,
}

impl Asked {
    /// The method, as far as it matters for the framing of the response.
    fn method(self) -> &'static [u8] {
        match self {
            Self { is_head: true, .. } => b"HEAD",
            Self { is_connect: true, .. } => b"CONNECT",
            _ => b"",
        }
    }
}

/// A request whose head was written, as the session has to know it when the response to it is the next that is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentHead {
    asked: Asked,
    /// Why it is the last of its connection, if it is.
    close: Option<CloseReason>,
}

impl SentHead {
    /// Appends the head of a request, and says how the body that has to follow ends.
    ///
    /// # Errors
    /// When there is no way to say where the body ends. Nothing is appended then.
    pub(crate) fn append(
        buffer: &mut Vec<u8>,
        head: &RequestHead<'_>,
    ) -> Result<(Self, Option<Ending>), ProtoError> {
        let ending = append_request_head(buffer, head)?;
        let mut connection = ConnectionOptions::default();
        for value in head.fields.get_all("Connection") {
            connection.add(value);
        }
        let asked = Asked {
            is_head: head.method == b"HEAD",
            is_connect: head.method == b"CONNECT",
            wants_upgrade: connection.upgrade,
            is_sent: false,
        };
        let close = match connection.close(head.version) {
            Some(CloseReason::PeerAsked) => Some(CloseReason::WeAsked),
            other => other,
        };
        Ok((Self { asked, close }, ending))
    }

    /// Whether no other request may follow on its connection.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn is_last(&self) -> bool {
        self.close.is_some()
    }

    /// Whether it asks for another protocol.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.asked.wants_upgrade
    }
}

/// Positions count from the first unread byte of the input, which is the first byte of the response.
#[derive(Clone, Copy, Debug)]
enum ResponsePhase {
    /// Nothing was asked for.
    Idle,
    /// `scanned` bytes have been searched for the end of the head.
    Head { scanned: u32 },
    /// An interim response of `bytes` bytes is there.
    Interim { bytes: u32 },
    /// The head is followed by `decoded` bytes of body, and those by raw bytes.
    Body { head: u32, decoded: usize, decoder: BodyDecoder },
    /// The response takes up `bytes` bytes.
    Ready { bytes: usize },
    /// The response is used while its body arrives; what was found says how far that is.
    Streaming,
}

/// What one call works on: the bytes, what is found in them, and under which limits.
struct Reading<'a> {
    input: &'a mut Input,
    found: &'a mut Received<ResponseParts>,
    limits: &'a Limits,
}

// There is one in every idle connection of a client.
const _: () = assert!(size_of::<ClientSession>() <= 80);

impl ClientSession {
    /// The connection with this number, on which nothing has been sent.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            phase: ResponsePhase::Idle,
            requests: 0,
            number,
            asked: Asked::default(),
            interims: 0,
            close: None,
        }
    }

    /// Appends the head of a request, whose response is awaited from now on, and says how the body that has to follow
    /// ends. [`ClientSession::request_sent`] has to be told when all of it was sent.
    ///
    /// # Errors
    /// [`ProtoError::ExtraBytes`] when the connection cannot be used: bytes came that nobody asked for, or the response
    /// before this one was not finished, or was the last. [`ProtoError::TransferEncodingOnHttp10`] when there is no way
    /// to say where the body ends. Nothing is appended then.
    pub(crate) fn begin(
        &mut self,
        head: &RequestHead<'_>,
        input: &Input,
        out: &mut Output,
    ) -> Result<Option<Ending>, ProtoError> {
        let is_idle = matches!(self.phase, ResponsePhase::Idle);
        if !is_idle || self.close.is_some() || !input.is_empty() {
            return Err(ProtoError::ExtraBytes);
        }
        let (sent, ending) = SentHead::append(out.buffer_mut(), head)?;
        self.expect(sent);
        Ok(ending)
    }

    /// Has the response to a request awaited whose head is written elsewhere. Nothing may be under way, or known that
    /// ends the connection. As long as [`ClientSession::request_sent`] has not been told, a response comes early.
    pub(crate) fn expect(&mut self, sent: SentHead) {
        self.asked = sent.asked;
        self.close = sent.close;
        self.interims = 0;
        self.requests += 1;
        self.phase = ResponsePhase::Head { scanned: 0 };
    }

    /// Says that the request was sent to its end, head and body.
    pub(crate) fn request_sent(&mut self) {
        self.asked.is_sent = true;
    }

    /// Whether all of the request was sent.
    #[cfg(feature = "client")]
    pub(crate) fn is_request_sent(&self) -> bool {
        self.asked.is_sent
    }

    /// Whether all of the response is there, as it is when bodies are not streamed.
    #[cfg(feature = "client")]
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase, ResponsePhase::Ready { .. })
    }

    /// Whether the head of the response is there, and its body is not.
    #[cfg(feature = "client")]
    pub(crate) fn awaits_body(&self) -> bool {
        matches!(self.phase, ResponsePhase::Body { .. })
    }

    /// Looks at the input and says whether it holds the response, which is then described in `found`.
    ///
    /// # Errors
    /// The reason why the input is not the response. The connection cannot be used any further.
    pub(crate) fn advance(
        &mut self,
        input: &mut Input,
        found: &mut Received<ResponseParts>,
        limits: &Limits,
    ) -> Result<ResponseProgress, ProtoError> {
        let mut reading = Reading { input, found, limits };
        let progress = match self.phase {
            ResponsePhase::Idle if reading.input.is_empty() => Ok(ResponseProgress::NeedInput),
            // A response to nothing: whoever sent it meant it for the next request, or wants to be rid of us.
            ResponsePhase::Idle => Err(ProtoError::ExtraBytes),
            ResponsePhase::Head { scanned } => self.advance_head(scanned, &mut reading),
            ResponsePhase::Interim { bytes } => {
                reading.input.consume(bytes as usize);
                self.advance_head(0, &mut reading)
            }
            ResponsePhase::Body { head, decoded, decoder } => {
                self.advance_body(head, decoded, decoder, None, &mut reading)
            }
            ResponsePhase::Ready { .. } | ResponsePhase::Streaming => Ok(ResponseProgress::Ready),
        };
        if progress.is_err() {
            self.close = Some(CloseReason::Failed);
        }
        progress
    }

    /// Decides what the end of the peer's stream means, after everything received has been offered to
    /// [`ClientSession::advance`]: it may be the end of the response's body.
    ///
    /// # Errors
    /// [`ProtoError::UnexpectedEnd`] when a response is missing, or a part of it.
    pub(crate) fn input_closed(
        &mut self,
        input: &mut Input,
        found: &mut Received<ResponseParts>,
        limits: &Limits,
    ) -> Result<ResponseProgress, ProtoError> {
        match self.phase {
            ResponsePhase::Idle => {
                self.close.get_or_insert(CloseReason::PeerAsked);
                Ok(ResponseProgress::NeedInput)
            }
            ResponsePhase::Body { head, decoded, decoder } if decoder.ends_with_the_stream() => {
                let parsed = parse_head(&mut Reading { input, found, limits }, head)?;
                let head = head as usize;
                Ok(self.ready(parsed.head, head..head + decoded, head + decoded, found))
            }
            ResponsePhase::Streaming => {
                match found.rest {
                    Rest::Missing { decoder, .. } if decoder.ends_with_the_stream() => {
                        found.rest = Rest::None;
                    }
                    Rest::None => {}
                    Rest::Missing { .. } | Rest::Failed => {
                        found.rest = Rest::Failed;
                        return Err(ProtoError::UnexpectedEnd);
                    }
                }
                Ok(ResponseProgress::Ready)
            }
            ResponsePhase::Ready { .. } => {
                self.close.get_or_insert(CloseReason::PeerAsked);
                Ok(ResponseProgress::Ready)
            }
            ResponsePhase::Head { .. } | ResponsePhase::Interim { .. } | ResponsePhase::Body { .. } => {
                self.close = Some(CloseReason::Failed);
                Err(ProtoError::UnexpectedEnd)
            }
        }
    }

    /// Forgets the response: its bytes leave the input. Says why no other request can be sent on the connection.
    ///
    /// With [`CloseReason::Upgrade`], what is left in the input belongs to the protocol that follows.
    pub(crate) fn finish(
        &mut self,
        input: &mut Input,
        found: &mut Received<ResponseParts>,
    ) -> Option<CloseReason> {
        self.finish_before_others(input, found);
        self.close = self.close.or_else(|| (!input.is_empty()).then_some(CloseReason::ExtraBytes));
        self.close
    }

    /// As [`ClientSession::finish`], of a request behind which others were sent: what is left in the input is the
    /// beginning of the response to the next, which is to be [expected](ClientSession::expect).
    pub(crate) fn finish_before_others(
        &mut self,
        input: &mut Input,
        found: &mut Received<ResponseParts>,
    ) -> Option<CloseReason> {
        let phase = std::mem::replace(&mut self.phase, ResponsePhase::Idle);
        let unread = match (phase, found.rest) {
            (ResponsePhase::Idle, _) => None,
            (ResponsePhase::Ready { bytes }, _) => {
                input.consume(bytes);
                None
            }
            (ResponsePhase::Streaming, Rest::None) => {
                input.consume(found.raw);
                None
            }
            (ResponsePhase::Streaming, Rest::Missing { .. }) => Some(CloseReason::UnreadBody),
            // A response was given up before it was there.
            _ => Some(CloseReason::Failed),
        };
        found.clear();
        self.close = self
            .close
            .or(unread)
            .or_else(|| (!self.asked.is_sent && self.requests > 0).then_some(CloseReason::UnsentBody));
        self.close
    }

    fn advance_head(
        &mut self,
        scanned: u32,
        reading: &mut Reading<'_>,
    ) -> Result<ResponseProgress, ProtoError> {
        self.phase = ResponsePhase::Head { scanned };
        let unread = reading.input.unread();
        let visible = &unread[..unread.len().min(reading.limits.head_bytes())];
        if !response_head::may_begin_with(visible) {
            return Err(ProtoError::BadStatusLine);
        }
        if scanned == 0 {
            reading.found.clear();
            if let Some((length, parsed)) =
                response_head::parse_front(visible, &mut reading.found.fields, reading.limits)
            {
                // Bounded by the head limit, so the cast keeps the value.
                return self.head_complete(length as u32, parsed, reading);
            }
        }
        match lines::find_end(visible, scanned as usize)? {
            Some(length) => {
                let parsed = parse_head(reading, length as u32)?;
                self.head_complete(length as u32, parsed, reading)
            }
            None if visible.len() >= reading.limits.head_bytes() => Err(ProtoError::HeadTooLarge),
            None => {
                self.phase = ResponsePhase::Head { scanned: visible.len() as u32 };
                Ok(ResponseProgress::NeedInput)
            }
        }
    }

    fn head_complete(
        &mut self,
        head: u32,
        parsed: ParsedResponse,
        reading: &mut Reading<'_>,
    ) -> Result<ResponseProgress, ProtoError> {
        let ResponseParts { status, version, close, .. } = parsed.head;
        let (framing, framing_close) = response_in(parsed.framing, version, status, self.asked.method())?;
        // The end that lies in the framing is the more telling reason.
        self.close = framing_close.or(self.close).or(close);
        let head_length = head as usize;
        match status {
            101 if !self.asked.wants_upgrade => return Err(ProtoError::UnexpectedUpgrade),
            101 => {}
            100..=199 => {
                self.interims += 1;
                if self.interims > INTERIM_RESPONSES_MAX {
                    return Err(ProtoError::TooManyInterim);
                }
                self.ready(parsed.head, head_length..head_length, head_length, reading.found);
                self.phase = ResponsePhase::Interim { bytes: head };
                return Ok(ResponseProgress::Interim { status });
            }
            _ => {}
        }
        if let Framing::Length(length) = framing {
            if !reading.limits.streams_bodies && !reading.limits.allows_body(length) {
                return Err(ProtoError::BodyTooLarge);
            }
        }
        let Some(decoder) = BodyDecoder::new(framing) else {
            return Ok(self.ready(parsed.head, head_length..head_length, head_length, reading.found));
        };
        if !reading.limits.streams_bodies {
            return self.advance_body(head, 0, decoder, Some(parsed), reading);
        }
        self.ready(parsed.head, head_length..head_length, head_length, reading.found);
        // What has come of it is decoded by whoever reads it, so that a fault in it is no fault of the head before it.
        reading.found.expect_rest(decoder, false);
        self.phase = ResponsePhase::Streaming;
        Ok(ResponseProgress::Ready)
    }

    /// Decodes what has arrived of a body. `parsed` is the head if it is still known.
    fn advance_body(
        &mut self,
        head: u32,
        decoded: usize,
        mut decoder: BodyDecoder,
        parsed: Option<ParsedResponse>,
        reading: &mut Reading<'_>,
    ) -> Result<ResponseProgress, ProtoError> {
        let head_length = head as usize;
        let arrived =
            decoder.decode_in(reading.input, head_length + decoded, reading.limits.body_bytes_max)?;
        let body = head_length..arrived.body_end;
        let Some(trailers) = arrived.trailers else {
            self.phase = ResponsePhase::Body { head, decoded: body.len(), decoder };
            return Ok(ResponseProgress::NeedInput);
        };
        let parsed = match parsed {
            Some(parsed) => parsed,
            None => parse_head(reading, head)?,
        };
        reading.found.parse_trailers(reading.input, trailers)?;
        Ok(self.ready(parsed.head, body, arrived.end, reading.found))
    }

    fn ready(
        &mut self,
        head: ResponseParts,
        body: Range<usize>,
        bytes: usize,
        found: &mut Received<ResponseParts>,
    ) -> ResponseProgress {
        self.phase = ResponsePhase::Ready { bytes };
        found.complete(head, body, bytes, Stamp { session: self.number, message: self.requests });
        ResponseProgress::Ready
    }
}

fn parse_head(reading: &mut Reading<'_>, head: u32) -> Result<ParsedResponse, ProtoError> {
    // What was found may be of another connection, whose response was given up half way.
    reading.found.clear();
    let bytes = reading.input.unread().get(..head as usize).unwrap_or_default();
    response_head::parse(bytes, &mut reading.found.fields, reading.limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::headers::{Fields, Headers};
    use crate::values::version::Version;

    /// A connection, with what was sent on it.
    struct Conn {
        session: ClientSession,
        input: Input,
        found: Received<ResponseParts>,
        out: Output,
        limits: Limits,
        version: Version,
    }

    impl Conn {
        fn new() -> Self {
            Self {
                session: ClientSession::new(7),
                input: Input::default(),
                found: Received::default(),
                out: Output::default(),
                limits: Limits::DEFAULT,
                version: Version::Http11,
            }
        }

        fn begin(&mut self, method: &str, length: Option<u64>, fields: &[(&str, &str)]) -> Begun {
            let headers: Headers = fields.iter().copied().collect();
            let head = RequestHead {
                method: method.as_bytes(),
                target: if method == "CONNECT" { b"h:1" } else { b"/" },
                version: self.version,
                host: b"h",
                defaults: Fields::new(b"", &[]),
                fields: headers.fields(),
                expects_continue: false,
                length,
            };
            let begun = self.session.begin(&head, &self.input, &mut self.out)?;
            if begun.is_none() {
                self.session.request_sent();
            }
            Ok(begun)
        }

        fn receive(&mut self, bytes: &str) -> Result<ResponseProgress, ProtoError> {
            self.input.receive(bytes.as_bytes());
            self.found.decode_rest(&mut self.input)?;
            let progress = self.session.advance(&mut self.input, &mut self.found, &self.limits)?;
            self.found.decode_rest(&mut self.input)?;
            Ok(progress)
        }

        fn close(&mut self) -> Result<ResponseProgress, ProtoError> {
            self.session.input_closed(&mut self.input, &mut self.found, &self.limits)
        }

        fn body(&self) -> &[u8] {
            &self.input.unread()[self.found.body.clone()]
        }

        fn finish(&mut self) -> Option<CloseReason> {
            self.session.finish(&mut self.input, &mut self.found)
        }
    }

    type Begun = Result<Option<Ending>, ProtoError>;

    const NO_BODY: Option<u64> = Some(0);
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn one_exchange_after_the_other() {
        let mut conn = Conn::new();
        for _ in 0..3 {
            assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
            assert_eq!(conn.receive(&OK[..20]), Ok(ResponseProgress::NeedInput));
            assert_eq!(conn.receive(&OK[20..]), Ok(ResponseProgress::Ready));
            assert_eq!((conn.found.head.status, conn.body()), (200, &b"ok"[..]));
            assert_eq!(conn.finish(), None);
        }
        assert_eq!(conn.out.to_vec(), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3));
        assert_eq!(conn.close(), Ok(ResponseProgress::NeedInput));
        assert!(conn.begin("GET", NO_BODY, &[]).is_err(), "the server has gone");
    }

    #[test]
    fn responses_are_told_apart_that_come_in_one_piece() {
        let head = |method, options: &str| {
            let fields: Headers = [("connection", options)].into_iter().collect();
            let (target, version, host) = (b"/", Version::Http11, b"h");
            let (fields, length) = (fields.fields(), NO_BODY);
            let (expects_continue, defaults) = (false, Fields::new(b"", &[]));
            let head =
                RequestHead { method, target, version, host, defaults, fields, expects_continue, length };
            let mut sent = Vec::new();
            let (head, ending) = SentHead::append(&mut sent, &head).expect("it has no body");
            assert!(sent.starts_with(method) && ending.is_none() && !head.wants_upgrade());
            head
        };
        let sent = [head(b"HEAD", ""), head(b"GET", ""), head(b"GET", "close")];
        assert_eq!(sent.map(|head| head.is_last()), [false, false, true]);
        let mut conn = Conn::new();
        // The first has a length and no body, because it answers HEAD.
        conn.input.receive([&OK[..OK.len() - 2], OK, OK].concat().as_bytes());
        let mut bodies = Vec::new();
        let mut reasons = Vec::new();
        for head in sent {
            conn.session.expect(head);
            conn.session.request_sent();
            assert_eq!(conn.receive(""), Ok(ResponseProgress::Ready));
            bodies.push(String::from_utf8_lossy(conn.body()).into_owned());
            reasons.push(conn.session.finish_before_others(&mut conn.input, &mut conn.found));
        }
        assert_eq!(bodies, ["", "ok", "ok"]);
        assert_eq!((reasons, conn.input.unread()), (vec![None, None, Some(CloseReason::WeAsked)], &b""[..]));
    }

    #[test]
    fn a_response_that_nobody_asked_for_answers_nothing() {
        let mut conn = Conn::new();
        assert_eq!(conn.receive(OK), Err(ProtoError::ExtraBytes));
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Err(ProtoError::ExtraBytes));
        let mut conn = Conn::new();
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        assert_eq!(conn.receive(&OK.repeat(2)), Ok(ResponseProgress::Ready));
        assert_eq!(conn.finish(), Some(CloseReason::ExtraBytes));
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Err(ProtoError::ExtraBytes));
        assert_eq!(conn.out.to_vec().len(), 27, "nothing was sent behind the first request");
    }

    #[test]
    fn an_answer_before_the_request_was_sent_is_the_last() {
        // Also of one that is all head.
        let mut conn = Conn::new();
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        conn.session.asked.is_sent = false;
        assert_eq!(conn.receive(OK), Ok(ResponseProgress::Ready));
        assert_eq!(conn.finish(), Some(CloseReason::UnsentBody));
        for (length, ending) in [(Some(5), Ending::Length(5)), (None, Ending::Chunked)] {
            let mut conn = Conn::new();
            assert_eq!(conn.begin("POST", length, &[]), Ok(Some(ending)));
            assert_eq!(conn.receive(OK), Ok(ResponseProgress::Ready));
            assert_eq!(conn.finish(), Some(CloseReason::UnsentBody));
            let mut conn = Conn::new();
            assert_eq!(conn.begin("POST", length, &[]), Ok(Some(ending)));
            assert_eq!(conn.receive(OK), Ok(ResponseProgress::Ready));
            conn.session.request_sent();
            assert_eq!(conn.finish(), None);
        }
    }

    #[test]
    fn interim_responses_are_seen_one_by_one() {
        let mut conn = Conn::new();
        assert_eq!(conn.begin("POST", Some(1), &[("expect", "100-continue")]), Ok(Some(Ending::Length(1))));
        let both = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(conn.receive(both), Ok(ResponseProgress::Interim { status: 103 }));
        assert_eq!(conn.found.header_fields(&conn.input).get("link"), Some(&b"a"[..]));
        assert_eq!(conn.receive(""), Ok(ResponseProgress::Interim { status: 100 }));
        assert_eq!(conn.receive(""), Ok(ResponseProgress::NeedInput));
        conn.session.request_sent();
        assert_eq!(conn.receive(OK), Ok(ResponseProgress::Ready));
        assert_eq!(conn.finish(), None);

        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        for _ in 0..INTERIM_RESPONSES_MAX {
            let found = conn.receive("HTTP/1.1 102 Processing\r\n\r\n");
            assert_eq!(found, Ok(ResponseProgress::Interim { status: 102 }));
        }
        assert_eq!(conn.receive("HTTP/1.1 102 Processing\r\n\r\n"), Err(ProtoError::TooManyInterim));
        assert_eq!(conn.finish(), Some(CloseReason::Failed));
    }

    #[test]
    fn the_last_request_is_known_by_its_options_and_its_version() {
        for (version, options, reason) in [
            (Version::Http11, "", None),
            (Version::Http11, "close", Some(CloseReason::WeAsked)),
            (Version::Http10, "", Some(CloseReason::OldVersion)),
            (Version::Http10, "close", Some(CloseReason::WeAsked)),
            (Version::Http10, "keep-alive", None),
        ] {
            let mut conn = Conn::new();
            conn.version = version;
            assert_eq!(conn.begin("GET", NO_BODY, &[("connection", options)]), Ok(None));
            assert_eq!(conn.receive(OK), Ok(ResponseProgress::Ready));
            assert_eq!(conn.finish(), reason, "{version:?} {options:?}");
        }
    }

    #[test]
    fn a_fault_in_a_streamed_body_is_none_of_the_head() {
        let mut conn = Conn::new();
        conn.limits.streams_bodies = true;
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        conn.input.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n");
        let progress = conn.session.advance(&mut conn.input, &mut conn.found, &conn.limits);
        assert_eq!((progress, conn.found.head.status), (Ok(ResponseProgress::Ready), 200));
        assert!(conn.found.decode_rest(&mut conn.input).is_err());
        assert_eq!(conn.finish(), Some(CloseReason::Failed));
    }

    #[test]
    fn another_protocol_gets_what_is_behind_the_head() {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x01\x02";
        let mut conn = Conn::new();
        let asks = [("connection", "Upgrade"), ("upgrade", "x")];
        assert_eq!(conn.begin("GET", NO_BODY, &asks), Ok(None));
        assert_eq!(conn.receive(switch), Ok(ResponseProgress::Ready));
        assert_eq!(conn.finish(), Some(CloseReason::Upgrade));
        assert_eq!(conn.input.unread(), b"\x01\x02");

        let mut conn = Conn::new();
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        assert_eq!(conn.receive(switch), Err(ProtoError::UnexpectedUpgrade));

        let mut conn = Conn::new();
        assert_eq!(conn.begin("CONNECT", NO_BODY, &[]), Ok(None));
        assert_eq!(
            conn.receive("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
            Ok(ResponseProgress::Ready)
        );
        assert_eq!((conn.finish(), conn.input.unread()), (Some(CloseReason::Upgrade), &b"x"[..]));
    }

    #[test]
    fn a_streamed_body_is_there_before_it_has_ended() {
        let mut conn = Conn::new();
        conn.limits.streams_bodies = true;
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
        assert_eq!(conn.receive(chunked), Ok(ResponseProgress::Ready));
        assert_eq!(conn.body(), b"ab");
        conn.found.drop_decoded(&mut conn.input);
        assert_eq!(conn.receive("1\r\nc\r\n0\r\nA: b\r\n\r\n"), Ok(ResponseProgress::Ready));
        assert_eq!((conn.body(), conn.found.rest), (&b"c"[..], Rest::None));
        assert_eq!(conn.found.trailer_fields(&conn.input).get("a"), Some(&b"b"[..]));
        assert_eq!(conn.finish(), None);

        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        assert_eq!(conn.receive(&OK[..OK.len() - 1]), Ok(ResponseProgress::Ready));
        assert_eq!(conn.close(), Err(ProtoError::UnexpectedEnd));
        assert_eq!(conn.finish(), Some(CloseReason::Failed));

        let mut conn = Conn::new();
        conn.limits.streams_bodies = true;
        assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
        assert_eq!(conn.receive(&OK[..OK.len() - 1]), Ok(ResponseProgress::Ready));
        assert_eq!(conn.finish(), Some(CloseReason::UnreadBody));
    }

    #[test]
    fn a_body_lasts_until_the_server_closes() {
        for streams_bodies in [false, true] {
            let mut conn = Conn::new();
            conn.limits.streams_bodies = streams_bodies;
            assert_eq!(conn.begin("GET", NO_BODY, &[]), Ok(None));
            let waits = if streams_bodies { ResponseProgress::Ready } else { ResponseProgress::NeedInput };
            assert_eq!(conn.receive("HTTP/1.1 200 OK\r\n\r\nab"), Ok(waits));
            assert_eq!(conn.receive(OK), Ok(waits));
            assert_eq!(conn.close(), Ok(ResponseProgress::Ready));
            assert_eq!((conn.body(), conn.found.rest), (format!("ab{OK}").as_bytes(), Rest::None));
            assert_eq!(conn.finish(), Some(CloseReason::CloseDelimited));
        }
    }
}
