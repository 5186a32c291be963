//! How a handshake fails.

use std::fmt;

/// Why a connection was not encrypted.
#[derive(Clone, Debug)]
pub(crate) enum HandshakeFailure {
    /// What came is a request.
    PlainHttp,
    /// What came is nothing that TLS begins with.
    NotTls,
    /// The peer and this server do not agree, or the peer does not keep to the protocol.
    Refused(rustls::Error),
    /// The peer has left.
    Ended,
    /// It took too long.
    Late,
    /// No thread came free in time to go on with it.
    Unattended,
    /// Code of the user's panicked.
    Panicked,
}

impl From<rustls::Error> for HandshakeFailure {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("a request by plain http on a port for TLS"),
            Self::NotTls => f.write_str("what it began with is no TLS handshake"),
            Self::Refused(error) => write!(f, "its TLS handshake failed: {error}"),
            Self::Ended => f.write_str("it ended before its TLS handshake was over"),
            Self::Late => f.write_str("its TLS handshake was not over in time"),
            Self::Unattended => f.write_str("no thread came free in time for its TLS handshake"),
            Self::Panicked => f.write_str("code that its TLS handshake needs panicked"),
        }
    }
}
