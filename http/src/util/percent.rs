//! Percent-encoding and decoding as paths and query strings need it.
//!
//! The rule: decoding never fails. A `%` that is not followed by two hex digits stays what it is, as in
//! fasthttp. Encoding is told by a [`ByteSet`] what may stand as it is, and turns every other byte into an escape.

use super::byte_set::{ByteSet, alphanumerics_and};
use std::borrow::Cow;
use std::fmt::Write;

/// What RFC 3986 section 2.3 calls unreserved: what a key or value of a query keeps (Go's `QueryEscape`).
pub(crate) static UNRESERVED: ByteSet = alphanumerics_and(b"-._~");

/// Appends `bytes` with an escape for every one that is not in `plain`.
pub(crate) fn append_encoded(out: &mut Vec<u8>, bytes: &[u8], plain: &ByteSet) {
    let mut rest = bytes;
    while let Some(position) = rest.iter().position(|&byte| !plain[byte as usize]) {
        let byte = rest[position];
        out.extend_from_slice(&rest[..position]);
        out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        rest = &rest[position + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a key or value of a query: a space becomes `+`, what is not unreserved an escape.
pub(crate) fn append_encoded_query(out: &mut Vec<u8>, bytes: &[u8]) {
    for (index, word) in bytes.split(|&byte| byte == b' ').enumerate() {
        if index > 0 {
            out.push(b'+');
        }
        append_encoded(out, word, &UNRESERVED);
    }
}

/// `bytes` as text, with what is not UTF-8 written as escapes.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing into a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

/// Decodes one component of a query string: `%41` becomes `A` and `+` a space. Borrows when nothing changes.
pub(crate) fn decode_query(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    append_decoded_query(&mut out, raw);
    Cow::Owned(out)
}

/// Appends one component of a query string, decoded as by [`decode_query`].
pub(crate) fn append_decoded_query(out: &mut Vec<u8>, raw: &[u8]) {
    for (index, part) in raw.split(|&byte| byte == b'+').enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        append_decoded(out, part);
    }
}

/// Appends `raw` with its escapes decoded; `+` stays `+`.
pub(crate) fn append_decoded(out: &mut Vec<u8>, raw: &[u8]) {
    let mut rest = raw;
    while let Some(position) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..position]);
        match rest[position..] {
            [_, high, low, ref after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(high) << 4 | hex_value(low));
                rest = after;
            }
            _ => {
                out.push(b'%');
                rest = &rest[position + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// The value of a hex digit; 0 for any other byte.
pub(crate) fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// The hex digit of a value below 16.
fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' + (value - 10) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::byte_set::visible_but;

    #[test]
    fn query_components() {
        for (raw, expected) in [
            ("plain", "plain"),
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("%41%6a", "Aj"),
            ("+%20+", "   "),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
            // A plus between a percent sign and digits breaks the escape; the digits after it are text.
            ("%+41", "% 41"),
        ] {
            assert_eq!(decode_query(raw.as_bytes()).as_ref(), expected.as_bytes(), "{raw:?}");
        }
    }

    #[test]
    fn borrows_what_needs_no_decoding() {
        assert!(matches!(decode_query(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn encoding_keeps_what_it_is_told_to_keep() {
        let encoded = |bytes: &[u8], plain: &ByteSet| {
            let mut out = b"kept ".to_vec();
            append_encoded(&mut out, bytes, plain);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(encoded(b"a-b._~/\xff", &UNRESERVED), "kept a-b._~%2F%FF");
        assert_eq!(encoded(b"", &UNRESERVED), "kept ");
        assert_eq!(encoded(b"a b\r\n\x7f#c%20!", &visible_but(b"#")), "kept a%20b%0D%0A%7F%23c%20!");
        let mut out = Vec::new();
        append_encoded_query(&mut out, b" a+b  c%");
        assert_eq!(out, b"+a%2Bb++c%25");
    }

    #[test]
    fn text_has_escapes_for_what_is_none() {
        assert!(matches!(text_of("ä".as_bytes()), Cow::Borrowed("ä")));
        assert_eq!(text_of(b"a\xff\xc3\xa4\xc3"), "a%FFä%C3");
    }

    #[test]
    fn every_byte_can_be_escaped() {
        for byte in 0..=255u8 {
            let mut encoded = Vec::new();
            append_encoded(&mut encoded, &[byte], &[false; 256]);
            assert_eq!(encoded, format!("%{byte:02X}").as_bytes());
            for escape in [format!("%{byte:02x}"), format!("%{byte:02X}")] {
                let mut out = Vec::new();
                append_decoded(&mut out, escape.as_bytes());
                assert_eq!(out, [byte]);
            }
        }
    }
}
