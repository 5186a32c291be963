//! How a WebSocket ended.

use crate::ws::{CloseCode, CloseFrame, Role};
use std::fmt;

/// How a WebSocket ended.
///
/// ```
/// use anthill_http::websocket::{CloseCode, CloseFrame, WebSocketEnd};
/// assert_eq!(WebSocketEnd::ByClient(None).code(), CloseCode::NO_STATUS);
/// assert_eq!(WebSocketEnd::ByServer(CloseFrame::new(CloseCode::AWAY, "")).code(), CloseCode::AWAY);
/// assert_eq!(WebSocketEnd::Lost.code(), CloseCode::ABNORMAL);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketEnd {
    /// The client has closed it, with this frame; `None`: one that says nothing.
    ByClient(Option<CloseFrame>),
    /// The server has closed it, with this frame: the program, a shutdown (1001), because the client broke the protocol
    /// (1002, 1007, 1009), or because the program failed (1011). In a client, of a frame that says nothing: 1005.
    ByServer(CloseFrame),
    /// The connection ended without a close frame: the peer has gone, or did not answer in time, or was cut off.
    Lost,
}

impl WebSocketEnd {
    /// The code; [`NO_STATUS`](CloseCode::NO_STATUS) and [`ABNORMAL`](CloseCode::ABNORMAL) where there was none
    /// (RFC 6455 section 7.1.5).
    pub fn code(&self) -> CloseCode {
        match self {
            Self::ByClient(Some(frame)) | Self::ByServer(frame) => frame.code,
            Self::ByClient(None) => CloseCode::NO_STATUS,
            Self::Lost => CloseCode::ABNORMAL,
        }
    }

    /// It was closed by the peer of whoever has this role.
    pub(super) fn by_peer(role: Role, frame: Option<CloseFrame>) -> Self {
        match role {
            Role::Server => Self::ByClient(frame),
            Role::Client => {
                Self::ByServer(frame.unwrap_or_else(|| CloseFrame::new(CloseCode::NO_STATUS, "")))
            }
        }
    }

    /// It was closed by whoever has this role.
    pub(super) fn by_us(role: Role, frame: CloseFrame) -> Self {
        match role {
            Role::Server => Self::ByServer(frame),
            Role::Client => Self::ByClient(Some(frame)),
        }
    }

    /// The text that came with it, mostly empty.
    pub fn reason(&self) -> &str {
        match self {
            Self::ByClient(Some(frame)) | Self::ByServer(frame) => &frame.reason,
            Self::ByClient(None) | Self::Lost => "",
        }
    }
}

impl fmt::Display for WebSocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient(Some(frame)) => write!(f, "closed by the client: {frame}"),
            Self::ByClient(None) => f.write_str("closed by the client"),
            Self::ByServer(frame) => write!(f, "closed by the server: {frame}"),
            Self::Lost => f.write_str("lost"),
        }
    }
}
