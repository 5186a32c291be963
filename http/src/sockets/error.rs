//! Why something cannot be done with a WebSocket.

use std::fmt;
use std::io;

/// Why something cannot be done with a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// Nothing is sent any more: one side has closed, or the connection has ended.
    Closed,
    /// As many messages wait for the client as may, and the [policy](super::QueuePolicy) is to refuse.
    Full,
    /// The connection has ended without a word: the client has gone, or was cut off.
    Lost,
    /// Nothing came in time.
    TimedOut,
    /// An option cannot be met: its name, and what is wrong with it.
    Option(&'static str, &'static str),
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the WebSocket is closed",
            Self::Full => "as many messages wait for the client as may",
            Self::Lost => "the connection of the WebSocket has ended without a close frame",
            Self::TimedOut => "no message has come in time",
            Self::Option(option, problem) => return write!(f, "{option} {problem}"),
        })
    }
}

impl std::error::Error for WebSocketError {}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        let kind = match &error {
            WebSocketError::Closed => io::ErrorKind::NotConnected,
            WebSocketError::Full => io::ErrorKind::WouldBlock,
            WebSocketError::Lost => io::ErrorKind::ConnectionAborted,
            WebSocketError::TimedOut => io::ErrorKind::TimedOut,
            WebSocketError::Option(..) => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}
