//! Percent-decoding as paths and query strings need it.
//!
//! The rule: decoding never fails. A `%` that is not followed by two hex digits stays what it is, as in
//! fasthttp.

use std::borrow::Cow;

/// Decodes one component of a query string: `%41` becomes `A` and `+` a space. Borrows when nothing changes.
pub(crate) fn decode_query(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    for (index, part) in raw.split(|&byte| byte == b'+').enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        append_decoded(&mut out, part);
    }
    Cow::Owned(out)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_byte_can_be_escaped() {
        for byte in 0..=255u8 {
            for escape in [format!("%{byte:02x}"), format!("%{byte:02X}")] {
                let mut out = Vec::new();
                append_decoded(&mut out, escape.as_bytes());
                assert_eq!(out, [byte]);
            }
        }
    }
}
