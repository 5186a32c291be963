//! Why a request does not become a WebSocket.

use super::VERSION;
use std::fmt;

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET.
    Method,
    /// The client does not ask for it: the fields `Upgrade` and `Connection`, in HTTP/1.1.
    NoUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    Version,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    Key,
    /// A browser that comes from a page of which that was not allowed.
    Origin,
    /// `Sec-WebSocket-Protocol` is no list of different tokens.
    Subprotocols,
    /// `Sec-WebSocket-Extensions` is no list of extensions.
    Extensions,
}

impl HandshakeError {
    /// The status of the response.
    ///
    /// ```
    /// use anthill_http::websocket::HandshakeError;
    /// assert_eq!(HandshakeError::Version.status(), 426);
    /// assert!(HandshakeError::Version.headers().contains(&("Sec-WebSocket-Version", "13")));
    /// ```
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NoUpgrade | Self::Version => 426,
            Self::Origin => 403,
            Self::Key | Self::Subprotocols | Self::Extensions => 400,
        }
    }

    /// Fields that the response must have.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            Self::NoUpgrade => &[("Upgrade", "websocket"), ("Connection", "Upgrade")],
            Self::Version => {
                &[("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", VERSION)]
            }
            _ => &[],
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket is opened by GET",
            Self::NoUpgrade => {
                "this is a WebSocket: ask for it with Upgrade: websocket and Connection: Upgrade"
            }
            Self::Version => "the version of a WebSocket is 13: Sec-WebSocket-Version",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64",
            Self::Origin => "pages of this origin may not open WebSockets here",
            Self::Subprotocols => "Sec-WebSocket-Protocol is not a list of different tokens",
            Self::Extensions => "Sec-WebSocket-Extensions is not a list of extensions",
        })
    }
}

impl std::error::Error for HandshakeError {}
