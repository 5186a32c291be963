//! From the bytes of a request head to what they mean.
//!
//! The idea: a head that has arrived in one piece and has nothing unusual, as nearly all do, is split in one pass
//! ([`parse_front`]). Any other goes in passes: find the end (which also checks every line end, and remembers how far
//! it got, so that a head that trickles in is not searched again and again), then let `httparse` split it. Both look
//! once at each field and keep what the server itself has to know.
//!
//! What is strict and what is not, where parsers are known to differ:
//!
//! | Input | Decision | Why |
//! |---|---|---|
//! | empty lines before the request line | skipped, within the head limit | RFC 9112 2.2 |
//! | LF without CR in the head | refused at once | parsers that differ here can be tricked |
//! | CR without LF | refused | RFC 9112 2.2 |
//! | not one space between parts of the request line | refused | RFC 9112 3 |
//! | space before the colon, or inside a name | refused | RFC 9112 5.1 |
//! | a folded line | refused | RFC 9112 5.2 |
//! | control bytes in a value, tab excepted | refused | RFC 9110 5.5 |
//! | bytes beyond ASCII in a value | kept | RFC 9110 5.5 (obs-text) |
//! | bytes beyond ASCII in the target | kept if they are UTF-8 | fasthttp keeps them |
//! | `HTTP/1.2` and up | treated as HTTP/1.0 | as fasthttp |
//! | another major version | refused with 505 | RFC 9110 15.6.6 |
//! | user information in the host | refused | RFC 9110 4.2.4 |
//!
//! The rule: the verdict depends on the bytes of the head alone, not on how they arrived or on what follows
//! them.

use super::close::{CloseReason, ConnectionOptions};
use super::error::ProtoError;
use super::fields::{bad_field, with_room};
use super::framing::{Framing, FramingFields, request_in};
use super::limits::Limits;
use super::plain_head::{self, RequestLine};
use super::target::split_target;
use super::trailer::is_trailer_name;
use crate::util::span::Span;
use crate::util::{authority, token};
use crate::values::headers::Field;
use crate::values::version::Version;

/// What a TLS record begins with that opens a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// What the head of a request said, as spans into it and as decisions taken from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestParts {
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// The raw path within the target.
    pub(crate) path: Span,
    /// Whether `path` is its own normal form.
    pub(crate) path_is_plain: bool,
    pub(crate) query: Span,
    pub(crate) host: Span,
    pub(crate) version: Version,
    /// Why the client, or the way the message is framed, does not allow another request after this one.
    pub(crate) close: Option<CloseReason>,
}

/// What the head said, for the request and for the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParsedHead {
    pub(crate) head: RequestParts,
    pub(crate) framing: Framing,
    pub(crate) expects_continue: bool,
}

/// What is too large about a head of which `bytes` are all that is allowed.
#[cold]
pub(crate) fn too_large(bytes: &[u8]) -> ProtoError {
    match memchr::memchr2(b' ', b'\n', bytes) {
        // RFC 9110 section 9.1: a method that is not known, here because it never ends, is not implemented.
        None => ProtoError::MethodTooLong,
        // RFC 9112 section 3: "A server that receives a request-target longer than any URI it wishes to parse MUST
        // respond with a 414 (URI Too Long) status code."
        Some(_) if memchr::memchr(b'\n', bytes).is_none() => ProtoError::TargetTooLong,
        Some(_) => ProtoError::HeadTooLarge,
    }
}

/// Parses the head at the front of `bytes` without having looked for its end, and says how long it is. `None`: it is
/// not there in full, or is something of which [`lines::find_end`](super::lines::find_end) and [`parse`] have to judge.
#[inline(always)]
pub(crate) fn parse_front(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Option<(usize, ParsedHead)> {
    let (line, length) = plain_head::split(bytes, fields, limits.fields_max)?;
    let parsed = interpret(bytes, line, fields).ok()?;
    Some((length, parsed))
}

/// Parses `bytes`, which must be exactly one head with its blank line, and puts its fields into `fields`.
///
/// # Errors
/// Why it is not the head of a request.
pub(crate) fn parse(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<ParsedHead, ProtoError> {
    let parsed = match split(bytes, fields, limits) {
        Err(httparse::Error::Version) => split(&with_known_version(bytes)?, fields, limits),
        parsed => parsed,
    };
    parsed.unwrap_or_else(|error| {
        Err(match error {
            httparse::Error::Token | httparse::Error::Version => request_line_fault(bytes),
            httparse::Error::NewLine if !has_request_line(bytes) => request_line_fault(bytes),
            other => bad_field(other),
        })
    })
}

/// Whether the first line ends behind a version.
#[cold]
fn has_request_line(bytes: &[u8]) -> bool {
    let line = first_line(bytes);
    let spaces = line.iter().filter(|byte| **byte == b' ').count();
    spaces == 2 && matches!(line, [.., b' ', b'H', b'T', b'T', b'P', b'/', _, b'.', _])
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(bytes, b"\r\n").unwrap_or(bytes.len());
    &bytes[..end]
}

/// What is wrong with a request that begins with this byte, with which no method does.
#[cold]
pub(crate) fn no_method(first: u8) -> ProtoError {
    match first {
        TLS_HANDSHAKE => ProtoError::TlsHandshake,
        b' ' => ProtoError::MissingMethod,
        first if is_other_space(first) => ProtoError::MissingMethod,
        _ => ProtoError::BadMethod,
    }
}

/// What else than a space some take for one (RFC 9112 section 3).
fn is_other_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\x0b' | b'\x0c')
}

/// What is wrong with the first line of a head that `httparse` has refused for that.
#[cold]
fn request_line_fault(bytes: &[u8]) -> ProtoError {
    let line = first_line(bytes);
    if line.iter().any(|&byte| is_other_space(byte)) {
        return ProtoError::BadSpacing;
    }
    let looks_like_version = |part: &[u8]| part.starts_with(b"HTTP/");
    // Of more than three it is only known that there are more.
    let parts: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
    match &parts[..] {
        [method, ..] if !token::is_token(method) => ProtoError::BadMethod,
        [_] | [_, b""] => ProtoError::MissingTarget,
        [_, version] | [_, b"", version] if looks_like_version(version) => ProtoError::MissingTarget,
        [_, _] => ProtoError::BadVersion,
        parts if parts.len() > 3 || parts.contains(&&b""[..]) => ProtoError::BadSpacing,
        [.., version] if !is_version(version) => ProtoError::BadVersion,
        // Nothing else is left.
        _ => ProtoError::BadTarget,
    }
}

fn is_version(part: &[u8]) -> bool {
    matches!(part, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// Lets `httparse` split a head, and interprets what it found. The outer error is `httparse`'s.
fn split(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<Result<ParsedHead, ProtoError>, httparse::Error> {
    with_room(bytes.len(), limits, |room| {
        fields.clear();
        let mut raw = httparse::Request::new(&mut []);
        match raw.parse_with_uninit_headers(bytes, room)? {
            httparse::Status::Complete(length) if length == bytes.len() => {}
            _ => return Err(httparse::Error::NewLine),
        }
        let line = RequestLine {
            method: raw.method.unwrap_or_default().as_bytes(),
            target: raw.path.unwrap_or_default().as_bytes(),
            version: if raw.version == Some(1) { Version::Http11 } else { Version::Http10 },
        };
        fields.extend(raw.headers.iter().map(|header| Field {
            name: Span::of(header.name.as_bytes(), bytes),
            value: Span::of(header.value, bytes),
        }));
        Ok(interpret(bytes, line, fields))
    })
}

/// A copy of a head that says `HTTP/1.0` where it says another version of HTTP/1, which `httparse` does not know. The
/// copy is bounded by the head limit and only ever made for versions that do not exist.
#[cold]
fn with_known_version(bytes: &[u8]) -> Result<Vec<u8>, ProtoError> {
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let version = bytes[..line_end].rsplit(|&byte| byte == b' ').next().filter(|version| is_version(version));
    let Some(&[.., major, _, _]) = version else { return Err(request_line_fault(bytes)) };
    if major != b'1' {
        return Err(ProtoError::UnsupportedVersion);
    }
    let mut renamed = bytes.to_vec();
    renamed[line_end - 1] = b'0';
    Ok(renamed)
}

/// The semantic pass: from the parts of a head to decisions. `line` and `fields` are parts of `bytes`.
#[inline(always)]
fn interpret(bytes: &[u8], line: RequestLine<'_>, fields: &[Field]) -> Result<ParsedHead, ProtoError> {
    let RequestLine { method, target, version } = line;
    let mut seen = SeenFields::default();
    for field in fields {
        seen.field(*field, bytes)?;
    }
    let host = match seen.host {
        Some(host) if !host.is_empty() => {
            if !authority::is_valid(host) {
                return Err(ProtoError::BadHost);
            }
            host
        }
        _ if version == Version::Http11 => return Err(ProtoError::MissingHost),
        _ => &target[..0],
    };
    let (framing, framing_closes) = request_in(seen.framing, version)?;
    let target_parts = split_target(method, target)?;
    let head = RequestParts {
        method: Span::of(method, bytes),
        target: Span::of(target, bytes),
        path: Span::of(target_parts.path, bytes),
        path_is_plain: target_parts.path_is_plain,
        query: Span::of(target_parts.query, bytes),
        host: Span::of(target_parts.authority.unwrap_or(host), bytes),
        version,
        close: framing_closes.or(seen.connection.close(version)),
    };
    // A client that speaks HTTP/1.0 cannot wait for an interim response (RFC 9110 section 10.1.1).
    let expects_continue = seen.expects_continue && version == Version::Http11;
    Ok(ParsedHead { head, framing, expects_continue })
}

/// What the fields said that the server itself has to know.
#[derive(Default)]
struct SeenFields<'a> {
    host: Option<&'a [u8]>,
    framing: FramingFields,
    connection: ConnectionOptions,
    expects_continue: bool,
}

impl<'a> SeenFields<'a> {
    /// Looks at one field of the head `bytes`. The length of the name rules nearly all of them out.
    #[inline]
    fn field(&mut self, field: Field, bytes: &'a [u8]) -> Result<(), ProtoError> {
        let is = |usual: &[u8]| {
            let name = field.name.within(bytes);
            name == usual || name.eq_ignore_ascii_case(usual)
        };
        let value = || field.value.within(bytes);
        match field.name.len {
            4 if is(b"Host") => match self.host.replace(value()) {
                None => {}
                Some(_) => return Err(ProtoError::DuplicateHost),
            },
            6 if is(b"Expect") => {
                // A list, in which empty elements mean nothing (RFC 9110 sections 5.6.1.2 and 10.1.1).
                for expectation in token::list(value()) {
                    if !expectation.eq_ignore_ascii_case(b"100-continue") {
                        return Err(ProtoError::ExpectationFailed);
                    }
                    self.expects_continue = true;
                }
            }
            7 if is(b"Trailer") && !token::list(value()).all(is_trailer_name) => {
                return Err(ProtoError::BadTrailer);
            }
            10 if is(b"Connection") => self.connection.add(value()),
            14 if is(b"Content-Length") => self.framing.content_length(value())?,
            17 if is(b"Transfer-Encoding") => self.framing.transfer_encoding(value())?,
            _ => {}
        }
        Ok(())
    }
}
