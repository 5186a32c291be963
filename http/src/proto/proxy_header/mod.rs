//! The header of the PROXY protocol, by which a proxy says whose connection it passes on: the specification of HAProxy
//! (`doc/proxy-protocol.txt`), versions 1 and 2.
//!
//! The idea: a header is looked for at the front of what has come so far, as a session looks for a message: it is
//! there, more is needed, or there is the one reason why it will never be one. What follows it is not looked at.
//!
//! The rule: a header is taken whole and well-formed to the byte, or its connection ends. A receiver that guessed
//! whether there is one could be told anything by any client.

mod v1;
mod v2;

use core::net::SocketAddr;
use std::fmt;

/// Whom a proxy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxiedClient {
    /// Nobody: the proxy speaks for itself (health checks), or does not know. The connection's own addresses count.
    Nobody,
    /// Who has connected from the first address to the second.
    At(SocketAddr, SocketAddr),
    /// Who has connected by something that has no such addresses, a Unix domain socket.
    WithoutAddress,
}

/// A header that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    pub(crate) client: ProxiedClient,
    /// Whether the client has come to the proxy by TLS.
    pub(crate) is_tls: bool,
    /// Its length in bytes.
    pub(crate) length: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeaderError {
    NoHeader,
    TooLong,
    LineEnd,
    Protocol,
    Fields,
    Address,
    Port,
    Version,
    Command,
    Length,
    Extension,
    Checksum,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "it does not begin with one",
            Self::TooLong => "it is too long",
            Self::LineEnd => "its line does not end with CR LF",
            Self::Protocol => "its protocol is none that is known",
            Self::Fields => "its line has not two addresses and two ports",
            Self::Address => "an address in it is none of its protocol",
            Self::Port => "a port in it is no number up to 65535",
            Self::Version => "its version is none that is known",
            Self::Command => "its command is none that is known",
            Self::Length => "it is shorter than its addresses",
            Self::Extension => "an extension in it is malformed",
            Self::Checksum => "its checksum is wrong",
        })
    }
}

impl std::error::Error for ProxyHeaderError {}

impl ProxyHeader {
    /// The header at the front of `bytes`. `None`: more of it is to come.
    ///
    /// # Errors
    /// Why there will never be one, however much comes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, ProxyHeaderError> {
        match bytes.first() {
            None => Ok(None),
            Some(b'P') => v1::parse(bytes),
            Some(_) => v2::parse(bytes),
        }
    }

    fn new(client: ProxiedClient, length: usize) -> Self {
        Self { client, is_tls: false, length }
    }
}

/// Whether `bytes` begin with `mark`; `None`: as far as they go.
///
/// # Errors
/// When they begin with something else.
fn begins(bytes: &[u8], mark: &[u8]) -> Result<Option<()>, ProxyHeaderError> {
    let common = bytes.len().min(mark.len());
    if bytes[..common] != mark[..common] {
        return Err(ProxyHeaderError::NoHeader);
    }
    Ok((common == mark.len()).then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in `bytes`, which has to be the same however they are cut, and whatever follows.
    #[track_caller]
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        let whole = ProxyHeader::parse(bytes);
        let decided = (0..=bytes.len()).map(|count| ProxyHeader::parse(&bytes[..count]));
        let first = decided.into_iter().find(|found| *found != Ok(None)).unwrap_or(Ok(None));
        assert_eq!(first, whole, "cut, it is something else: {}", bytes.escape_ascii());
        if whole != Ok(None) {
            let longer = [bytes, b"GET / HTTP/1.1\r\n\r\n\r\n\0\r\nQUIT\n"].concat();
            assert_eq!(ProxyHeader::parse(&longer), whole, "more behind it makes it something else");
        }
        whole
    }

    #[test]
    fn what_is_no_header_is_seen_at_its_first_byte() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"\n", b"\0", b"p", b" PROXY"] {
            for count in 1..=bytes.len() {
                assert_eq!(ProxyHeader::parse(&bytes[..count]), Err(ProxyHeaderError::NoHeader));
            }
        }
        assert_eq!(ProxyHeader::parse(b""), Ok(None));
    }
}
