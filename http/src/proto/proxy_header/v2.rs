//! Version 2: a mark that no other protocol begins with, a length, addresses as the system has them, and extensions.
//!
//! ```text
//! mark [12] | version and command [1] | family and kind [1] | length of the rest [2] | addresses | extensions
//! extension: type [1] | length [2] | value
//! ```

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ProxiedClient, ProxyHeader, ProxyHeaderError, begins};
use crate::util::crc32c::Crc32c;

const MARK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What comes before the addresses.
const FIXED: usize = 16;

/// The longest header that is taken: room for a client's certificate in it, and no more than a request's head may have.
const BYTES_MAX: usize = 16 * 1024;

/// Two paths of 108 bytes each.
const UNIX_BYTES: usize = 216;

/// What an extension's type means.
const CHECKSUM: u8 = 0x03;
const TLS: u8 = 0x20;

/// The bit in the first byte of the extension about TLS that says that the client has come by it, and what there is at
/// least in it.
const BY_TLS: u8 = 0x01;
const TLS_BYTES: usize = 5;

/// Of which kind the addresses are.
#[derive(Clone, Copy)]
enum AddressFamily {
    /// None, or none that is meant for us.
    None,
    V4,
    V6,
    Unix,
}

impl AddressFamily {
    /// Of whatever kind of socket: a proxy may pass on what came by another one.
    fn of(byte: u8) -> Option<Self> {
        match byte {
            0x00 => Some(Self::None),
            0x11 | 0x12 => Some(Self::V4),
            0x21 | 0x22 => Some(Self::V6),
            0x31 | 0x32 => Some(Self::Unix),
            _ => None,
        }
    }

    /// How many bytes its addresses are.
    fn bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Unix => UNIX_BYTES,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    if begins(bytes, MARK)?.is_none() {
        return Ok(None);
    }
    let Some(family) = family(&bytes[MARK.len()..])? else { return Ok(None) };
    let Some(&[high, low]) = bytes.get(FIXED - 2..FIXED) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > BYTES_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    if length < FIXED + family.bytes() {
        return Err(ProxyHeaderError::Length);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let client = client(family, &header[FIXED..]).ok_or(ProxyHeaderError::Length)?;
    if client == ProxiedClient::Nobody {
        // Where the extensions begin nobody can tell.
        return Ok(Some(ProxyHeader::new(client, length)));
    }
    let is_tls = read_extensions(header, FIXED + family.bytes())?;
    Ok(Some(ProxyHeader { client, is_tls, length }))
}

/// What the two bytes behind the mark say. `None`: they are not there yet.
fn family(bytes: &[u8]) -> Result<Option<AddressFamily>, ProxyHeaderError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    if first >> 4 != 2 {
        return Err(ProxyHeaderError::Version);
    }
    let is_local = match first & 0xf {
        0 => true,
        1 => false,
        _ => return Err(ProxyHeaderError::Command),
    };
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    if is_local {
        // Whatever it says.
        return Ok(Some(AddressFamily::None));
    }
    AddressFamily::of(second).map(Some).ok_or(ProxyHeaderError::Protocol)
}

/// Whom the addresses at the front of `bytes` name. `None`: they are not whole.
fn client(family: AddressFamily, bytes: &[u8]) -> Option<ProxiedClient> {
    let port = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let v4 = |at: usize| Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?));
    let v6 = |at: usize| Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?));
    Some(match family {
        AddressFamily::None => ProxiedClient::Nobody,
        AddressFamily::Unix => ProxiedClient::WithoutAddress,
        AddressFamily::V4 => ProxiedClient::At(
            SocketAddr::new(v4(0)?.into(), port(8)?),
            SocketAddr::new(v4(4)?.into(), port(10)?),
        ),
        AddressFamily::V6 => ProxiedClient::At(
            SocketAddr::new(v6(0)?.into(), port(32)?),
            SocketAddr::new(v6(16)?.into(), port(34)?),
        ),
    })
}

/// Checks the extensions from `at`, and says whether the client has come by TLS.
fn read_extensions(header: &[u8], mut at: usize) -> Result<bool, ProxyHeaderError> {
    let (mut is_tls, mut is_checked) = (false, false);
    while at < header.len() {
        let Some(&[kind, high, low]) = header.get(at..at + 3) else {
            return Err(ProxyHeaderError::Extension);
        };
        let begin = at + 3;
        let end = begin + usize::from(u16::from_be_bytes([high, low]));
        let value = header.get(begin..end).ok_or(ProxyHeaderError::Extension)?;
        match kind {
            CHECKSUM => {
                let told: [u8; 4] = value.try_into().map_err(|_| ProxyHeaderError::Extension)?;
                if std::mem::replace(&mut is_checked, true) {
                    return Err(ProxyHeaderError::Extension);
                }
                // It was computed with zeros in its place.
                let sum = Crc32c::new().update(&header[..begin]).update(&[0; 4]).update(&header[end..]);
                if sum.value() != u32::from_be_bytes(told) {
                    return Err(ProxyHeaderError::Checksum);
                }
            }
            TLS if value.len() < TLS_BYTES => return Err(ProxyHeaderError::Extension),
            TLS => is_tls |= value[0] & BY_TLS != 0,
            // Names, certificates, what clouds add: of no use here.
            _ => {}
        }
        at = end;
    }
    Ok(is_tls)
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    const V4: &[u8] = &[198, 51, 100, 7, 203, 0, 113, 1, 0x12, 0x67, 1, 0xbb];

    /// A header with these two bytes behind its mark, and this rest.
    fn header(command: u8, family: u8, parts: &[&[u8]]) -> Vec<u8> {
        let rest = parts.concat();
        let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
        [MARK, &[command, family], &length, &rest].concat()
    }

    fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).expect("a length").to_be_bytes();
        [&[kind][..], &length, value].concat()
    }

    /// Puts the right checksum in the place of the zeros in `bytes`, `before_end` from its end.
    fn with_checksum(mut bytes: Vec<u8>, before_end: usize) -> Vec<u8> {
        let at = bytes.len() - before_end;
        let sum = Crc32c::new().update(&bytes).value();
        bytes[at..at + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[track_caller]
    fn found(bytes: &[u8]) -> ProxyHeader {
        let header = parse(bytes).expect("well-formed").expect("whole");
        assert_eq!(header.length, bytes.len());
        header
    }

    fn at(source: &str, destination: &str) -> ProxiedClient {
        ProxiedClient::At(source.parse().expect(source), destination.parse().expect(destination))
    }

    #[test]
    fn well_formed_headers() {
        let v4 = at("198.51.100.7:4711", "203.0.113.1:443");
        let mut v6 = [0; 36];
        (v6[0], v6[1], v6[15], v6[31]) = (0x20, 1, 7, 1);
        (v6[33], v6[34]) = (80, 1);
        let v6_client = at("[2001::7]:80", "[::1]:256");
        let unix = [b'/'; UNIX_BYTES];
        for (bytes, client) in [
            (header(0x21, 0x11, &[V4]), v4),
            (header(0x21, 0x12, &[V4]), v4),
            (header(0x21, 0x21, &[&v6]), v6_client),
            (header(0x21, 0x22, &[&v6]), v6_client),
            (header(0x21, 0x31, &[&unix]), ProxiedClient::WithoutAddress),
            (header(0x21, 0x32, &[&[0; UNIX_BYTES]]), ProxiedClient::WithoutAddress),
            (
                header(
                    0x21,
                    0x11,
                    &[V4, &extension(1, b"h2"), &extension(4, b""), &extension(0xea, &[1; 300])],
                ),
                v4,
            ),
            // What does not name anybody is passed over, whatever it holds.
            (header(0x20, 0x00, &[]), ProxiedClient::Nobody),
            (header(0x20, 0x11, &[V4]), ProxiedClient::Nobody),
            (header(0x20, 0xff, &[b"xyz"]), ProxiedClient::Nobody),
            (header(0x21, 0x00, &[]), ProxiedClient::Nobody),
            (header(0x21, 0x00, &[b"nonsense"]), ProxiedClient::Nobody),
            (header(0x20, 0x00, &[&[7; BYTES_MAX - FIXED]]), ProxiedClient::Nobody),
        ] {
            let header = found(&bytes);
            assert_eq!((header.client, header.is_tls), (client, false), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn extensions_say_whether_the_client_came_by_tls() {
        for (value, is_tls) in [
            (&[0x01, 0, 0, 0, 0][..], true),
            (&[0x07, 0, 0, 0, 1, 0x21, 0, 7, b'T', b'L', b'S', b'v', b'1', b'.', b'3'], true),
            (&[0x00, 0, 0, 0, 1], false),
            (&[0x06, 0, 0, 0, 1], false),
        ] {
            assert_eq!(found(&header(0x21, 0x11, &[V4, &extension(TLS, value)])).is_tls, is_tls);
        }
    }

    #[test]
    fn a_checksum_is_checked() {
        let sum = extension(CHECKSUM, &[0; 4]);
        let right = with_checksum(header(0x21, 0x11, &[V4, &sum]), 4);
        assert_eq!(found(&right).client, at("198.51.100.7:4711", "203.0.113.1:443"));
        let right_in_front = with_checksum(header(0x21, 0x11, &[V4, &sum, &extension(2, b"name")]), 4 + 7);
        found(&right_in_front);
        // Of another type it would be no checksum.
        let kind = right.len() - 7;
        for wrong in (0..right.len()).filter(|wrong| *wrong != kind) {
            let mut bytes = right.clone();
            bytes[wrong] ^= 0x40;
            assert!(!matches!(parse(&bytes), Ok(Some(_))), "byte {wrong} was changed");
        }
        let twice = header(0x21, 0x11, &[V4, &sum, &sum]);
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn malformed_headers() {
        use ProxyHeaderError::{Checksum, Command, Extension, Length, NoHeader, Protocol, TooLong, Version};
        for (bytes, expected) in [
            (b"\r\n\r\n\0\r\nQUIT\r\n".to_vec(), NoHeader),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(), NoHeader),
            (header(0x11, 0x11, &[V4]), Version),
            (header(0x31, 0x11, &[V4]), Version),
            (header(0x01, 0x11, &[V4]), Version),
            (header(0x22, 0x11, &[V4]), Command),
            (header(0x2f, 0x11, &[V4]), Command),
            (header(0x21, 0x10, &[V4]), Protocol),
            (header(0x21, 0x13, &[V4]), Protocol),
            (header(0x21, 0x01, &[V4]), Protocol),
            (header(0x21, 0x41, &[V4]), Protocol),
            (header(0x21, 0x11, &[]), Length),
            (header(0x21, 0x11, &[&V4[..11]]), Length),
            (header(0x21, 0x21, &[&[0; 35]]), Length),
            (header(0x21, 0x31, &[&[0; 215]]), Length),
            (header(0x20, 0x00, &[&[7; BYTES_MAX - FIXED + 1]]), TooLong),
            (header(0x21, 0x11, &[V4, &[0]]), Extension),
            (header(0x21, 0x11, &[V4, &[4, 0]]), Extension),
            (header(0x21, 0x11, &[V4, &[4, 0, 1]]), Extension),
            (header(0x21, 0x11, &[V4, &[4, 0xff, 0xff, 1]]), Extension),
            (header(0x21, 0x11, &[V4, &extension(CHECKSUM, &[0; 3])]), Extension),
            (header(0x21, 0x11, &[V4, &extension(CHECKSUM, &[0; 5])]), Extension),
            (header(0x21, 0x11, &[V4, &extension(CHECKSUM, &[0; 4])]), Checksum),
            (header(0x21, 0x11, &[V4, &extension(TLS, &[1, 0, 0, 0])]), Extension),
        ] {
            assert_eq!(parse(&bytes), Err(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_whole_needs_more() {
        let whole = header(0x21, 0x11, &[V4, &extension(1, b"h2")]);
        for count in 0..whole.len() {
            assert_eq!(ProxyHeader::parse(&whole[..count]), Ok(None), "{count}");
        }
    }
}
