//! Which bytes are a host with an optional port, as in a `Host` field or an absolute request target.
//!
//! Source: RFC 3986 section 3.2 without user information, which RFC 9110 section 4.2.4 tells us to treat as
//! an error, plus RFC 6874 zones. Names beyond ASCII can be split, because URIs that people write have them; what a
//! peer sends must be ASCII, as the RFC says.
//!
//! The rule: what is accepted here can be compared, logged and put into a URL without surprises.

use super::byte_set::{ByteSet, alphanumerics_and};
use std::net::Ipv6Addr;

/// Why bytes are no host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A byte that cannot stand in a host name.
    Name,
    /// Brackets without an IPv6 address in them, or with something else around them.
    Literal,
    /// What follows the colon is not a number up to 65535.
    Port,
}

/// Whether `authority` is a host, optionally followed by a colon and a port (which may be empty).
///
/// An empty host is not accepted.
#[inline]
pub(crate) fn is_valid(authority: &[u8]) -> bool {
    // Nearly all are a plain name, with or without a port.
    let mut end = 0;
    while authority.get(end).is_some_and(|&byte| UNRESERVED[byte as usize]) {
        end += 1;
    }
    match &authority[end..] {
        [] if end > 0 => return true,
        [b':', port @ ..] if end > 0 => return is_port(port),
        _ => {}
    }
    matches!(split_port(authority), Ok((host, _)) if !host.is_empty() && host.is_ascii())
}

/// Whether `authority` is a host followed by a colon and a port other than 0, as `CONNECT` demands: "A server MUST
/// reject a CONNECT request that targets an empty or invalid port number" (RFC 9110 section 9.3.6).
pub(crate) fn is_valid_with_port(authority: &[u8]) -> bool {
    let has_port = |port: &[u8]| port.iter().any(|&digit| digit != b'0');
    is_valid(authority) && matches!(split_port(authority), Ok((_, Some(port))) if has_port(port))
}

/// Host and port of a well-formed authority, either of which may be empty.
pub(crate) fn split_port(authority: &[u8]) -> Result<(&[u8], Option<&[u8]>), Fault> {
    let host_end = match authority {
        [b'[', rest @ ..] => {
            let length = memchr::memchr(b']', rest).ok_or(Fault::Literal)?;
            if !is_ipv6_literal(&rest[..length]) {
                return Err(Fault::Literal);
            }
            length + 2
        }
        _ => {
            let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
            if memchr::memchr2(b'[', b']', authority).is_some() {
                return Err(Fault::Literal);
            }
            if !is_registered_name(&authority[..end]) {
                return Err(Fault::Name);
            }
            end
        }
    };
    let (host, rest) = authority.split_at(host_end);
    match rest {
        [] => Ok((host, None)),
        [b':', port @ ..] if is_port(port) => Ok((host, Some(port))),
        [b':', ..] => Err(Fault::Port),
        _ => Err(Fault::Literal),
    }
}

/// Digits of a number up to 65535, or nothing.
fn is_port(port: &[u8]) -> bool {
    let mut number = 0;
    port.iter().all(|&byte| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        number = number * 10 + digit;
        digit <= 9 && number <= u32::from(u16::MAX)
    })
}

/// The inside of brackets: an IPv6 address, optionally with a zone behind `%25`.
fn is_ipv6_literal(inside: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(inside) else { return false };
    let (address, zone) = match text.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let zone_is_valid = zone.is_none_or(|zone| !zone.is_empty() && zone.bytes().all(is_unreserved));
    zone_is_valid && address.parse::<Ipv6Addr>().is_ok()
}

/// A host name or IPv4 address: unreserved bytes, sub-delimiters, escapes, and bytes beyond ASCII.
fn is_registered_name(name: &[u8]) -> bool {
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if is_unreserved(*byte) || is_sub_delimiter(*byte) || *byte >= 0x80 => rest,
            _ => return false,
        };
    }
}

pub(crate) fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[byte as usize]
}

static UNRESERVED: ByteSet = alphanumerics_and(b"-._~");

pub(crate) fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "a",
            "a:80",
            "a:",
            "example.com",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[fe80::1%25eth0]:1",
            "[::ffff:1.2.3.4]",
            "xn--bcher-kva.example",
            "a_b",
            "%41",
            "a:65535",
            "a:00080",
        ] {
            assert!(is_valid(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "",
            ":80",
            "a:b",
            "a:1:2",
            "[::1",
            "a[::1]",
            "a]",
            "[]",
            "[::1]x",
            "[1.2.3.4]",
            "[::1%eth0]",
            "[::1%25]",
            "a\\b",
            "a b",
            "u@a",
            "u:p@a",
            "a/b",
            "a?b",
            "a#b",
            "<a>",
            "a%4",
            "a\0",
            "::1",
            "a,b@c",
            "a:65536",
            "a:18446744073709551696",
            "bücher.example",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn names_beyond_ascii_can_be_split() {
        assert_eq!(
            split_port("bücher.example:80".as_bytes()),
            Ok(("bücher.example".as_bytes(), Some(&b"80"[..])))
        );
        assert_eq!(split_port(b"a:65536"), Err(Fault::Port));
    }

    #[test]
    fn connect_needs_a_port() {
        assert!(is_valid_with_port(b"h:443"));
        assert!(is_valid_with_port(b"[::1]:443"));
        for bad in ["h", "h:", ":443", "/x", "h:x", "http://h:443", "h:0", "h:000", "h:65536"] {
            assert!(!is_valid_with_port(bad.as_bytes()), "{bad:?}");
        }
    }
}
