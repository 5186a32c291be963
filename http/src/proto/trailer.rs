//! Which fields may be trailers, and how a trailer section is parsed.
//!
//! The rule: a trailer arrives after decisions that it must not change, so what decides is refused there.

use super::error::ProtoError;
use super::limits::TRAILER_FIELDS_MAX;
use crate::util::span::Span;
use crate::util::token;
use crate::values::headers::Field;

/// Whether a field called `name` may stand in a trailer section.
///
/// Refused are names that have to do with framing, routing, authentication or the interpretation of the
/// content (RFC 9110 section 6.5.1), as listed by fasthttp: a trailer arrives after decisions that it would
/// change.
// BDY-07.
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

/// Parses a complete trailer section and puts its fields into `fields`. Their spans count from its front.
pub(crate) fn parse(section: &[u8], fields: &mut Vec<Field>) -> Result<(), ProtoError> {
    fields.clear();
    let mut room = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    match httparse::parse_headers(section, &mut room) {
        Ok(httparse::Status::Complete((length, headers))) if length == section.len() => {
            for header in headers {
                if !is_trailer_name(header.name.as_bytes()) {
                    return Err(ProtoError::BadTrailer);
                }
                let name = Span::of(header.name.as_bytes(), section);
                fields.push(Field { name, value: Span::of(header.value, section) });
            }
            Ok(())
        }
        Err(httparse::Error::TooManyHeaders) => Err(ProtoError::TrailersTooLarge),
        _ => Err(ProtoError::BadTrailer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn trailer_sections() {
        let mut fields = Vec::new();
        assert_eq!(parse(b"A: b\r\nc:d\r\n\r\n", &mut fields), Ok(()));
        assert_eq!(fields.len(), 2);
        assert_eq!(parse(b"\r\n", &mut fields), Ok(()));
        assert_eq!(fields, []);
        for bad in ["Host: x", "content-length: 1", "a b: c", "a : b", " a: b", "a", ": b", "a: \u{1}"] {
            let section = format!("{bad}\r\n\r\n");
            assert_eq!(parse(section.as_bytes(), &mut fields), Err(ProtoError::BadTrailer), "{bad:?}");
        }
        let many = format!("{}\r\n", "a: b\r\n".repeat(TRAILER_FIELDS_MAX + 1));
        assert_eq!(parse(many.as_bytes(), &mut fields), Err(ProtoError::TrailersTooLarge));
    }
}
