//! Version 1: a line of text, such as `PROXY TCP4 198.51.100.7 203.0.113.1 4711 443`.

use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use super::{ProxiedClient, ProxyHeader, ProxyHeaderError, begins};

const MARK: &[u8] = b"PROXY ";

/// The longest line there can be, its end included.
const LINE_MAX: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    if begins(bytes, MARK)?.is_none() {
        return Ok(None);
    }
    let seen = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = memchr::memchr(b'\n', seen) else {
        return if seen.len() == LINE_MAX { Err(ProxyHeaderError::TooLong) } else { Ok(None) };
    };
    let line = &seen[MARK.len()..end];
    let line = line.strip_suffix(b"\r").ok_or(ProxyHeaderError::LineEnd)?;
    Ok(Some(ProxyHeader::new(client(line)?, end + 1)))
}

/// Whom the line names behind its mark.
fn client(line: &[u8]) -> Result<ProxiedClient, ProxyHeaderError> {
    let mut words = line.split(|&byte| byte == b' ');
    let protocol = words.next().unwrap_or_default();
    let read_ip: fn(&[u8]) -> Option<IpAddr> = match protocol {
        b"TCP4" => |word| ip(word).map(IpAddr::V4),
        b"TCP6" => |word| ip(word).map(IpAddr::V6),
        // Whatever else its line has is to be passed over.
        b"UNKNOWN" => return Ok(ProxiedClient::Nobody),
        _ => return Err(ProxyHeaderError::Protocol),
    };
    let mut word = || words.next().ok_or(ProxyHeaderError::Fields);
    let [source, destination, source_port, destination_port] = [word()?, word()?, word()?, word()?];
    if words.next().is_some() {
        return Err(ProxyHeaderError::Fields);
    }
    let at = |ip: &[u8], port: &[u8]| {
        let ip = read_ip(ip).ok_or(ProxyHeaderError::Address)?;
        Ok(SocketAddr::new(ip, self::port(port).ok_or(ProxyHeaderError::Port)?))
    };
    Ok(ProxiedClient::At(at(source, source_port)?, at(destination, destination_port)?))
}

fn ip<A: FromStr>(word: &[u8]) -> Option<A> {
    core::str::from_utf8(word).ok()?.parse().ok()
}

/// A number without a sign or leading zeros.
fn port(word: &[u8]) -> Option<u16> {
    let is_plain = word.iter().all(u8::is_ascii_digit) && (word == b"0" || !word.starts_with(b"0"));
    if is_plain { ip(word) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn well_formed_lines() {
        for (line, expected) in [
            ("PROXY TCP4 198.51.100.7 203.0.113.1 4711 443", "198.51.100.7:4711 203.0.113.1:443"),
            ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0", "255.255.255.255:65535 0.0.0.0:0"),
            ("PROXY TCP6 2001:db8::7 ::1 4711 443", "[2001:db8::7]:4711 [::1]:443"),
            ("PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2", "[::ffff:198.51.100.7]:1 [::1]:2"),
            (
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
            ("PROXY UNKNOWN", "nobody"),
            ("PROXY UNKNOWN 1 2 3 4", "nobody"),
            ("PROXY UNKNOWN \r \0 \u{ff}", "nobody"),
            (
                "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                "nobody",
            ),
        ] {
            let bytes = [line, "\r\n"].concat().into_bytes();
            let header = parse(&bytes).expect(line).expect(line);
            let client = match header.client {
                ProxiedClient::At(source, destination) => format!("{source} {destination}"),
                ProxiedClient::Nobody => "nobody".to_owned(),
                ProxiedClient::WithoutAddress => panic!("{line}"),
            };
            assert_eq!((client.as_str(), header.length, header.is_tls), (expected, bytes.len(), false));
        }
    }

    #[test]
    fn malformed_lines() {
        use ProxyHeaderError::{Address, Fields, LineEnd, NoHeader, Port, Protocol, TooLong};
        let long = format!("PROXY UNKNOWN {}", "x".repeat(LINE_MAX - 14));
        for (line, expected) in [
            ("PROXY\r\n", NoHeader),
            ("PROXYTCP4", NoHeader),
            ("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Protocol),
            ("PROXY \r\n", Protocol),
            ("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", Protocol),
            ("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", Protocol),
            ("PROXY UNKNOWNX\r\n", Protocol),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", LineEnd),
            ("PROXY UNKNOWN\n", LineEnd),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", Fields),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Fields),
            ("PROXY TCP4\r\n", Fields),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Fields),
            ("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", Fields),
            ("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", Address),
            ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", Address),
            ("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", Address),
            ("PROXY TCP4 ::1 ::1 1 2\r\n", Address),
            ("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", Address),
            ("PROXY TCP6 ::1 ::1%eth0 1 2\r\n", Address),
            ("PROXY TCP6 [::1] [::1] 1 2\r\n", Address),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 00 2\r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", Port),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n", Port),
            (&long, TooLong),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(expected), "{line:?}");
        }
        let longest = [&long[..LINE_MAX - 2], "\r\n"].concat();
        assert!(matches!(parse(longest.as_bytes()), Ok(Some(header)) if header.length == LINE_MAX));
        assert_eq!(parse(&long.as_bytes()[..LINE_MAX - 1]), Ok(None));
    }
}
