//! How much a peer may send at once.

use crate::values::coding::RATIO_DEFAULT;

/// Bounds on what is received. What exceeds one ends the connection with 1009.
///
/// ```
/// use anthill_http::websocket::MessageLimits;
/// let limits = MessageLimits { message: 64 * 1024, ..MessageLimits::default() };
/// assert_eq!(limits.frame, 4 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of one frame, as it comes. Default 4 MiB.
    pub frame: u64,
    /// Bytes of one message, unpacked. Default 4 MiB.
    pub message: usize,
    /// Unpacked bytes for each packed one, at any time once a message has come to 1 MiB. Default 200; `None`: no limit.
    pub ratio: Option<u32>,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self { frame: 4 * 1024 * 1024, message: 4 * 1024 * 1024, ratio: Some(RATIO_DEFAULT) }
    }
}
