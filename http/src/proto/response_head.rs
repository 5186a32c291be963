//! From the bytes of a response head to what they mean, as strictly as for requests.
//!
//! The idea: the same two ways as in [`request_head`](super::request_head): a head that has arrived in one piece is
//! split at once ([`parse_front`]), any other when its end was found ([`parse`]). What the framing fields mean depends
//! on the request that is answered, so it is left to whoever knows that.
//!
//! | Input | Decision | Why |
//! |---|---|---|
//! | anything but `HTTP/` at the front, empty lines included | refused at once | RFC 9112 4; nothing is owed before a status line |
//! | not one space between version and status, or no three digits | refused | RFC 9112 4 |
//! | a status below 100 | refused | RFC 9110 15 |
//! | no reason, also without the space before it | taken | RFC 9112 4: it means nothing, and cannot be read in two ways |
//! | control bytes in the reason, tab excepted | refused | RFC 9112 4 |
//! | `HTTP/1.2` and up | treated as HTTP/1.0 | as for requests |
//! | another major version | refused | RFC 9110 2.5 |
//!
//! The table of [`request_head`](super::request_head) says the rest about lines and fields.
//!
//! The rule: the verdict depends on the bytes of the head alone, not on how they arrived or on what follows them.

use super::close::{CloseReason, ConnectionOptions};
use super::error::ProtoError;
use super::fields::{bad_field, with_room};
use super::framing::FramingFields;
use super::limits::{FIELDS_ON_STACK, Limits};
use super::lines;
use super::trailer::is_trailer_name;
use crate::util::span::Span;
use crate::util::token;
use crate::values::headers::Field;
use crate::values::version::Version;
use std::mem::MaybeUninit;

/// What the head of a response said, as spans into it and as decisions taken from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResponseParts {
    pub(crate) status: u16,
    pub(crate) reason: Span,
    pub(crate) version: Version,
    /// Why the server does not allow another request after this response.
    pub(crate) close: Option<CloseReason>,
}

/// What the head said, for the response and for the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParsedResponse {
    pub(crate) head: ResponseParts,
    pub(crate) framing: FramingFields,
}

/// What every response begins with.
const START: &[u8] = b"HTTP/";

/// Where the minor version, and where the reason, is in a status line.
const MINOR_VERSION_AT: usize = "HTTP/1.".len();
const REASON_AT: usize = "HTTP/1.1 200 ".len();

/// Whether `bytes` can be the front of a response, as far as they go.
pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
    let length = bytes.len().min(START.len());
    bytes[..length] == START[..length]
}

/// Parses the head at the front of `bytes` without having looked for its end, and says how long it is. `None`: it is
/// not there in full, or is something of which [`lines::find_end`] and [`parse`] have to judge.
pub(crate) fn parse_front(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Option<(usize, ParsedResponse)> {
    fields.clear();
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    let mut raw = httparse::Response::new(&mut []);
    let found = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut raw,
        bytes,
        &mut room[..limits.fields_on_stack()],
    );
    let Ok(httparse::Status::Complete(length)) = found else { return None };
    let head = bytes.get(..length)?;
    let parsed = interpret(head, &raw, fields).ok()?;
    // `httparse` takes a line feed alone for a line end, and we do not: each line must end with both.
    let has_line_ends = head.ends_with(b"\r\n\r\n")
        && fields.iter().all(|field| lines::follows_crlf(head, field.name.start as usize));
    has_line_ends.then_some((length, parsed))
}

/// Parses `bytes`, which must be exactly one head with its blank line, and puts its fields into `fields`.
///
/// # Errors
/// Why it is not the head of a response.
pub(crate) fn parse(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<ParsedResponse, ProtoError> {
    let parsed = match split(bytes, fields, limits) {
        Err(httparse::Error::Version) => split(&with_known_version(bytes)?, fields, limits),
        parsed => parsed,
    };
    parsed.unwrap_or_else(|error| {
        Err(match error {
            httparse::Error::Status | httparse::Error::Version => ProtoError::BadStatusLine,
            other => bad_field(other),
        })
    })
}

/// Lets `httparse` split a head, and interprets what it found. The outer error is `httparse`'s.
fn split(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<Result<ParsedResponse, ProtoError>, httparse::Error> {
    with_room(bytes.len(), limits, |room| {
        fields.clear();
        let mut raw = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut raw, bytes, room)? {
            httparse::Status::Complete(length) if length == bytes.len() => Ok(interpret(bytes, &raw, fields)),
            _ => Err(httparse::Error::NewLine),
        }
    })
}

/// A copy of a head that says `HTTP/1.0` where it says another version of HTTP/1, which `httparse` does not know.
#[cold]
fn with_known_version(bytes: &[u8]) -> Result<Vec<u8>, ProtoError> {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', ..]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            if *major != b'1' {
                return Err(ProtoError::UnsupportedVersion);
            }
            let mut renamed = bytes.to_vec();
            renamed[MINOR_VERSION_AT] = b'0';
            Ok(renamed)
        }
        _ => Err(ProtoError::BadStatusLine),
    }
}

/// The semantic pass: from the parts of a head to decisions. `raw` borrows from `bytes`.
fn interpret(
    bytes: &[u8],
    raw: &httparse::Response<'_, '_>,
    fields: &mut Vec<Field>,
) -> Result<ParsedResponse, ProtoError> {
    let version = if raw.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let status = raw.code.filter(|status| *status >= 100).ok_or(ProtoError::BadStatusLine)?;
    // `httparse` does not hand out reasons with bytes beyond ASCII.
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let reason = bytes.get(REASON_AT..line_end).unwrap_or_default();
    let (mut framing, mut connection) = (FramingFields::default(), ConnectionOptions::default());
    for header in raw.headers.iter() {
        let (name, value) = (header.name.as_bytes(), header.value);
        fields.push(Field { name: Span::of(name, bytes), value: Span::of(value, bytes) });
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"trailer") && !token::list(value).all(is_trailer_name) => {
                return Err(ProtoError::BadTrailer);
            }
            10 if name.eq_ignore_ascii_case(b"connection") => connection.add(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => framing.content_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => framing.transfer_encoding(value)?,
            _ => {}
        }
    }
    let reason = if reason.is_empty() { Span::default() } else { Span::of(reason, bytes) };
    let close = connection.close(version);
    Ok(ParsedResponse { head: ResponseParts { status, reason, version, close }, framing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both ways must say the same of a head that is there in one piece.
    fn parse_both(head: &str) -> Result<(ParsedResponse, Vec<Field>), ProtoError> {
        let (bytes, limits) = (head.as_bytes(), Limits::default());
        let (mut fields, mut same) = (Vec::new(), Vec::new());
        let parsed = match lines::find_end(bytes, 0)? {
            Some(length) => parse(&bytes[..length], &mut fields, &limits),
            None => panic!("{head:?} is not one head"),
        };
        if let Some((_, front)) = parse_front(bytes, &mut same, &limits) {
            let parsed = parsed.as_ref().expect("only one way takes it");
            assert_eq!(format!("{front:?} {same:?}"), format!("{parsed:?} {fields:?}"));
        }
        parsed.map(|parsed| (parsed, fields))
    }

    #[test]
    fn status_lines() {
        for (line, status, reason, version) in [
            ("HTTP/1.1 200 OK", 200, "OK", Version::Http11),
            ("HTTP/1.0 404 Not Found", 404, "Not Found", Version::Http10),
            ("HTTP/1.1 200 ", 200, "", Version::Http11),
            ("HTTP/1.1 200", 200, "", Version::Http11),
            ("HTTP/1.1 200  two\tspaces ", 200, " two\tspaces ", Version::Http11),
            ("HTTP/1.1 999 \u{e4}", 999, "\u{e4}", Version::Http11),
            ("HTTP/1.7 100 Continue", 100, "Continue", Version::Http10),
        ] {
            let head = format!("{line}\r\n\r\n");
            let (parsed, fields) = parse_both(&head).expect(line);
            let found = parsed.head;
            assert_eq!((found.status, found.version, fields.len()), (status, version, 0), "{line}");
            assert_eq!(found.reason.within(head.as_bytes()), reason.as_bytes(), "{line}");
        }
        for (line, error) in [
            ("HTTP/1.1  200 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1\t200 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1 20 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1 2000 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1 099 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1 +20 OK", ProtoError::BadStatusLine),
            ("HTTP/1.1 200\tOK", ProtoError::BadStatusLine),
            ("HTTP/1.1 200 O\0K", ProtoError::BadStatusLine),
            ("HTTP/1.1 200 O\x7fK", ProtoError::BadStatusLine),
            ("HTTP/1.1", ProtoError::BadStatusLine),
            ("HTTP/1.10 200 OK", ProtoError::BadStatusLine),
            ("HTTP/1 200 OK", ProtoError::BadStatusLine),
            ("http/1.1 200 OK", ProtoError::BadStatusLine),
            ("HTTP/2.0 200 OK", ProtoError::UnsupportedVersion),
            ("HTTP/0.9 200 OK", ProtoError::UnsupportedVersion),
        ] {
            assert_eq!(parse_both(&format!("{line}\r\n\r\n")).err(), Some(error), "{line}");
        }
    }

    #[test]
    fn the_front_of_a_response() {
        for front in ["", "H", "HTTP/", "HTTP/9", "HTTP/1.1 200 OK"] {
            assert!(may_begin_with(front.as_bytes()), "{front:?}");
        }
        for front in ["\r\n", "h", "HTTQ", "<html>", "\u{16}\u{3}"] {
            assert!(!may_begin_with(front.as_bytes()), "{front:?}");
        }
    }

    #[test]
    fn more_fields_than_the_stack_has_room_for() {
        let head = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        let parse = |count: usize, fields_max: usize| {
            let mut fields = Vec::new();
            let limits = Limits { fields_max, ..Limits::DEFAULT };
            parse(head(count).as_bytes(), &mut fields, &limits).map(|_| fields.len())
        };
        assert_eq!(parse(FIELDS_ON_STACK, FIELDS_ON_STACK), Ok(FIELDS_ON_STACK));
        assert_eq!(parse(FIELDS_ON_STACK + 1, FIELDS_ON_STACK), Err(ProtoError::TooManyFields));
        assert_eq!(parse(FIELDS_ON_STACK + 9, FIELDS_ON_STACK + 9), Ok(FIELDS_ON_STACK + 9));
        assert_eq!(parse(FIELDS_ON_STACK + 10, FIELDS_ON_STACK + 9), Err(ProtoError::TooManyFields));
    }

    proptest! {
        #[test]
        fn a_head_in_one_piece_is_judged_like_one_in_many(
            line in "HTTP/1\\.[019] [0-9]{2,4} ?[ -~]{0,4}",
            fields in "([a-zA-Z]{1,3} ?: ?[a-c\\x00\\t]{0,3}(\r\n|\n|\r\n )){0,4}",
        ) {
            // The assertions are in the function; a head that does not end is none.
            let head = format!("{line}\r\n{fields}\r\n");
            if lines::find_end(head.as_bytes(), 0) == Ok(Some(head.len())) {
                let _ = parse_both(&head);
            }
        }
    }
}
