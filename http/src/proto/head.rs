//! From the bytes of a request head to what they mean.
//!
//! The idea: a head that has arrived in one piece, as nearly all do, is split by `httparse` at once, and its line ends are
//! checked on the way ([`parse_front`]). Any other goes in passes: find the end (which also checks every line end, and
//! remembers how far it got, so that a head that trickles in is not searched again and again), then let `httparse` split
//! it. Both look once at each field and keep what the server itself has to know.
//!
//! What is strict and what is not, where parsers are known to differ:
//!
//! | Input | Decision | Why |
//! |---|---|---|
//! | empty lines before the request line | skipped, within the head limit | RFC 9112 2.2, `PAR-04` |
//! | LF without CR in the head | refused at once | parsers that differ here can be tricked; `PAR-04` |
//! | CR without LF | refused | RFC 9112 2.2, `PAR-09` |
//! | not one space between parts of the request line | refused | RFC 9112 3, `PAR-02` |
//! | space before the colon, or inside a name | refused | RFC 9112 5.1, `PAR-07`, `PAR-08` |
//! | a folded line | refused | RFC 9112 5.2, `PAR-10` |
//! | control bytes in a value, tab excepted | refused | RFC 9110 5.5, `PAR-09` |
//! | bytes beyond ASCII in a value | kept | RFC 9110 5.5 (obs-text) |
//! | bytes beyond ASCII in the target | kept if they are UTF-8 | fasthttp keeps them |
//! | `HTTP/1.2` and up | treated as HTTP/1.0 | `PAR-02` |
//! | another major version | refused with 505 | RFC 9110 15.6.6 |
//! | user information in the host | refused | RFC 9110 4.2.4, `PAR-06` |
//!
//! The rule: the verdict depends on the bytes of the head alone, not on how they arrived or on what follows
//! them.

use super::error::ProtoError;
use super::framing::{Framing, FramingFields};
use super::limits::{FIELDS_CEILING, Limits};
use crate::message::request::Head;
use crate::util::span::Span;
use crate::util::{authority, path, token};
use crate::values::headers::Field;
use crate::values::version::Version;
use std::mem::MaybeUninit;

/// What the head said, for the request and for the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParsedHead {
    pub(crate) head: Head,
    pub(crate) framing: Framing,
    pub(crate) expects_continue: bool,
}

/// Looks for the blank line that ends a head (or a trailer section), from `scanned` on, and returns the
/// position behind it, or `None` when it is not there yet.
///
/// Refuses a line feed without a carriage return. `scanned` bytes have been looked at before; the caller
/// remembers how many there were.
pub(crate) fn find_end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, ProtoError> {
    let unseen = bytes.get(scanned..).unwrap_or_default();
    for position in memchr::memchr_iter(b'\n', unseen) {
        let line_feed = scanned + position;
        let line = &bytes[..line_feed];
        match line {
            [.., b'\n', b'\r'] | [b'\r'] => return Ok(Some(line_feed + 1)),
            [.., b'\r'] => {}
            _ => return Err(ProtoError::Syntax),
        }
    }
    Ok(None)
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

/// Parses the head at the front of `bytes` without having looked for its end, and says how long it is. `None`: it is not
/// there in full, or is something of which [`find_end`] and [`parse`] have to judge.
#[inline(always)]
pub(crate) fn parse_front(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Option<(usize, ParsedHead)> {
    fields.clear();
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let mut raw = httparse::Request::new(&mut []);
    let found = raw.parse_with_uninit_headers(bytes, &mut room[..limits.fields()]);
    let Ok(httparse::Status::Complete(length)) = found else { return None };
    let head = bytes.get(..length)?;
    let version = if raw.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let parsed = interpret(head, head, &raw, version, fields).ok()?;
    // `httparse` takes a line feed alone for a line end, and we do not: each line must end with both.
    let follows_crlf = |field: &Field| {
        let start = field.name.start as usize;
        start.checked_sub(2).and_then(|position| head.get(position)) == Some(&b'\r')
    };
    (head.ends_with(b"\r\n\r\n") && fields.iter().all(follows_crlf)).then_some((length, parsed))
}

/// Parses `bytes`, which must be exactly one head with its blank line, and puts its fields into `fields`.
pub(crate) fn parse(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<ParsedHead, ProtoError> {
    fields.clear();
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let mut raw = httparse::Request::new(&mut []);
    match raw.parse_with_uninit_headers(bytes, &mut room[..limits.fields()]) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {
            let version = if raw.version == Some(1) { Version::Http11 } else { Version::Http10 };
            interpret(bytes, bytes, &raw, version, fields)
        }
        Err(httparse::Error::Version) => parse_other_version(bytes, fields, limits),
        Err(httparse::Error::TooManyHeaders) => Err(ProtoError::TooManyFields),
        _ => Err(ProtoError::Syntax),
    }
}

/// Parses a head whose version is not `HTTP/1.0` or `HTTP/1.1`, which are all that `httparse` knows.
#[cold]
fn parse_other_version(
    bytes: &[u8],
    fields: &mut Vec<Field>,
    limits: &Limits,
) -> Result<ParsedHead, ProtoError> {
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = bytes[..line_end] else {
        return Err(ProtoError::Syntax);
    };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err(ProtoError::Syntax);
    }
    if major != b'1' {
        return Err(ProtoError::UnsupportedVersion);
    }
    // Let `httparse` see the same head as HTTP/1.0. The copy is bounded by the head limit and only ever made
    // for versions that do not exist.
    let mut renamed = bytes.to_vec();
    renamed[line_end - 1] = b'0';
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let mut raw = httparse::Request::new(&mut []);
    match raw.parse_with_uninit_headers(&renamed, &mut room[..limits.fields()]) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {
            interpret(bytes, &renamed, &raw, Version::Http10, fields)
        }
        Err(httparse::Error::TooManyHeaders) => Err(ProtoError::TooManyFields),
        _ => Err(ProtoError::Syntax),
    }
}

/// The semantic pass: from the parts of a head to decisions. `parsed` are the bytes that `raw` borrows from;
/// spans in it are valid in `bytes` as well.
#[inline(always)]
fn interpret(
    bytes: &[u8],
    parsed: &[u8],
    raw: &httparse::Request<'_, '_>,
    version: Version,
    fields: &mut Vec<Field>,
) -> Result<ParsedHead, ProtoError> {
    let method = raw.method.unwrap_or_default().as_bytes();
    let target = raw.path.unwrap_or_default().as_bytes();
    let mut seen = Seen::default();
    for header in raw.headers.iter() {
        let name = header.name.as_bytes();
        fields.push(Field { name: Span::of(name, parsed), value: Span::of(header.value, parsed) });
        seen.field(name, header.value)?;
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
    let (framing, framing_closes) = seen.framing.decide(version)?;
    let target_parts = split_target(method, target)?;
    let persists = version == Version::Http11 || seen.keep_alive;
    let head = Head {
        method: Span::of(method, parsed),
        target: Span::of(target, parsed),
        path: Span::of(target_parts.path, parsed),
        path_is_plain: target_parts.path_is_plain,
        query: Span::of(target_parts.query, parsed),
        host: Span::of(target_parts.authority.unwrap_or(host), parsed),
        version,
        closes: seen.close || framing_closes || !persists,
    };
    debug_assert_eq!(bytes.len(), parsed.len());
    // A client that speaks HTTP/1.0 cannot wait for an interim response (RFC 9110 section 10.1.1).
    let expects_continue = seen.expects_continue && version == Version::Http11;
    Ok(ParsedHead { head, framing, expects_continue })
}

/// What the fields said that the server itself has to know.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a [u8]>,
    framing: FramingFields,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Seen<'a> {
    /// Looks at one field. The length of the name rules nearly all of them out.
    #[inline]
    fn field(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), ProtoError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => match self.host.replace(value) {
                None => {}
                Some(_) => return Err(ProtoError::DuplicateHost),
            },
            6 if name.eq_ignore_ascii_case(b"expect") => {
                // A list, in which empty elements mean nothing (RFC 9110 sections 5.6.1.2 and 10.1.1).
                for expectation in token::list(value) {
                    if !expectation.eq_ignore_ascii_case(b"100-continue") {
                        return Err(ProtoError::ExpectationFailed);
                    }
                    self.expects_continue = true;
                }
            }
            7 if name.eq_ignore_ascii_case(b"trailer") && !token::list(value).all(is_trailer_name) => {
                return Err(ProtoError::BadTrailer);
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in token::list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.framing.content_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.framing.transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }
}

/// The parts of a request target (RFC 9112 section 3.2).
pub(crate) struct TargetParts<'a> {
    pub(crate) authority: Option<&'a [u8]>,
    pub(crate) path: &'a [u8],
    pub(crate) path_is_plain: bool,
    pub(crate) query: &'a [u8],
}

/// Splits a target by its form: origin (`/x`), asterisk (`*`), absolute (`http://h/x`), authority (`h:443`,
/// for CONNECT and only there). Everything else is refused (`PAR-03`).
#[inline]
pub(crate) fn split_target<'a>(method: &[u8], target: &'a [u8]) -> Result<TargetParts<'a>, ProtoError> {
    if method == b"CONNECT" {
        if !authority::is_valid_with_port(target) {
            return Err(ProtoError::Syntax);
        }
        let (path, query) = (&target[..0], &target[..0]);
        return Ok(TargetParts { authority: Some(target), path, path_is_plain: false, query });
    }
    match target {
        [b'/', ..] | [b'*'] => Ok(split_path(None, target)),
        _ => {
            let scheme_end = memchr::memmem::find(target, b"://").ok_or(ProtoError::Syntax)?;
            if !is_scheme(&target[..scheme_end]) {
                return Err(ProtoError::Syntax);
            }
            let rest = &target[scheme_end + 3..];
            let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
            let (host, path_and_query) = rest.split_at(end);
            if !authority::is_valid(host) {
                return Err(ProtoError::BadHost);
            }
            Ok(split_path(Some(host), path_and_query))
        }
    }
}

/// Splits off the query and the fragment, which a target should not have and which is ignored.
#[inline]
fn split_path<'a>(authority: Option<&'a [u8]>, raw: &'a [u8]) -> TargetParts<'a> {
    let (path_end, path_is_plain) = path::look_over(raw);
    let (path, rest) = raw.split_at(path_end);
    let query = match rest {
        [b'?', query @ ..] => &query[..memchr::memchr(b'#', query).unwrap_or(query.len())],
        _ => &rest[..0],
    };
    TargetParts { authority, path, path_is_plain, query }
}

/// RFC 3986 section 3.1: a letter, then letters, digits, plus, hyphen, dot.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Whether a field called `name` may stand in a trailer section (`BDY-07`).
///
/// Refused are names that have to do with framing, routing, authentication or the interpretation of the
/// content (RFC 9110 section 6.5.1), as listed by fasthttp: a trailer arrives after decisions that it would
/// change.
pub(crate) fn is_trailer_name(name: &[u8]) -> bool {
    const FORBIDDEN: &[&str] = &[
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "www-authenticate",
    ];
    const FORBIDDEN_PREFIXES: &[&str] = &["x-forwarded", "x-real-ip"];
    let starts_with = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    token::is_token(name)
        && !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
        && !FORBIDDEN_PREFIXES.iter().any(|prefix| starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::request::Request;

    fn request(head: &str) -> Result<Request, ProtoError> {
        let mut request = Request::empty();
        request.input_mut().receive(head.as_bytes());
        let (bytes, fields) = request.parse_parts();
        assert_eq!(find_end(bytes, 0), Ok(Some(bytes.len())), "{head:?} is not one head");
        let parsed = parse(bytes, fields, &Limits::default())?;
        request.complete(parsed.head, 0..0, 0, crate::proto::Stamp::default());
        Ok(request)
    }

    #[test]
    fn the_end_is_found_from_anywhere() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
        for scanned in 0..27 {
            assert_eq!(find_end(head, scanned), Ok(Some(27)), "{scanned}");
            assert_eq!(find_end(&head[..26], scanned), Ok(None), "{scanned}");
        }
        assert_eq!(find_end(b"\r\n", 0), Ok(Some(2)));
        assert_eq!(find_end(b"", 0), Ok(None));
        assert_eq!(find_end(b"a: b\r\n\r", 0), Ok(None));
        for bare in [&b"\n"[..], b"a\n", b"a\r\n\n", b"a\r\nb\n\r\n"] {
            assert_eq!(find_end(bare, 0), Err(ProtoError::Syntax), "{bare:?}");
        }
    }

    #[test]
    fn targets() {
        for (line, host, path, query) in [
            ("GET /", "h", "/", ""),
            ("GET /a%20b/../c?x=1&y", "h", "/c", "x=1&y"),
            ("GET /a?b?c#d?e", "h", "/a", "b?c"),
            ("GET /a#b?c", "h", "/a", ""),
            ("GET /?", "h", "/", ""),
            ("GET //h/x", "h", "/h/x", ""),
            ("OPTIONS *", "h", "/*", ""),
            ("GET http://other:8080/x?y", "other:8080", "/x", "y"),
            ("GET http://other", "other", "/", ""),
            ("GET HTTPS://other?y", "other", "/", "y"),
            ("GET http://other#y", "other", "/", ""),
            ("GET http://[::1]:80/x", "[::1]:80", "/x", ""),
            ("CONNECT other:443", "other:443", "/", ""),
            ("GET /\u{e4}", "h", "/\u{e4}", ""),
        ] {
            let request = request(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n")).expect(line);
            assert_eq!(request.host(), host.as_bytes(), "{line}");
            assert_eq!(request.path(), path, "{line}");
            assert_eq!(request.query(), query.as_bytes(), "{line}");
            assert_eq!(request.target(), line.split_once(' ').expect("a target").1.as_bytes(), "{line}");
        }
    }

    #[test]
    fn refused_targets() {
        use ProtoError::*;
        for (line, error) in [
            ("GET x", Syntax),
            ("GET x/y", Syntax),
            ("GET ?x", Syntax),
            ("GET **", Syntax),
            ("GET *x", Syntax),
            ("GET /a\u{1}b", Syntax),
            ("GET /a\u{7f}b", Syntax),
            ("GET /a\tb", Syntax),
            ("GET ://h/x", Syntax),
            ("GET 1http://h/x", Syntax),
            ("GET ht_tp://h/x", Syntax),
            ("GET x?a://h", Syntax),
            ("GET http:///x", BadHost),
            ("GET http://a\\b/x", BadHost),
            ("GET http://u@h/x", BadHost),
            ("GET http://h:x/", BadHost),
            ("CONNECT /x", Syntax),
            ("CONNECT h", Syntax),
            ("CONNECT http://h:1/", Syntax),
        ] {
            let result = request(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(result.err(), Some(error), "{line:?}");
        }
    }

    #[test]
    fn names_that_must_not_be_trailers() {
        for good in ["Expires", "X-Checksum", "X-Real", "Server-Timing"] {
            assert!(is_trailer_name(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "a b",
            "Content-Length",
            "TRANSFER-ENCODING",
            "te",
            "Host",
            "Trailer",
            "Set-Cookie",
            "X-Forwarded-For",
            "x-forwarded",
            "X-Real-IP",
            "x-real-ip-2",
            "WWW-Authenticate",
            "Authorization",
        ] {
            assert!(!is_trailer_name(bad.as_bytes()), "{bad:?}");
        }
    }
}
