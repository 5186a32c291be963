//! What a control frame carries.
//!
//! The idea: it has 125 bytes at most, so it needs no memory of its own.

use std::fmt;
use std::ops::Deref;

/// Bytes that a control frame carries at most (RFC 6455 section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// What a ping or a pong carries: up to 125 bytes, in place.
///
/// ```
/// use anthill_http::websocket::ControlPayload;
/// let payload = ControlPayload::try_from(&b"are you there?"[..])?;
/// assert_eq!(&payload[..3], b"are");
/// # Ok::<(), anthill_http::websocket::ControlTooLong>(())
/// ```
#[derive(Clone, Copy)]
pub struct ControlPayload {
    length: u8,
    bytes: [u8; CONTROL_BYTES_MAX],
}

impl ControlPayload {
    /// Appends as much as there is room for.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.length);
        let end = CONTROL_BYTES_MAX.min(start + bytes.len());
        self.bytes[start..end].copy_from_slice(&bytes[..end - start]);
        self.length = end as u8;
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }
}

impl Default for ControlPayload {
    fn default() -> Self {
        Self { length: 0, bytes: [0; CONTROL_BYTES_MAX] }
    }
}

impl Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl TryFrom<&[u8]> for ControlPayload {
    type Error = ControlTooLong;

    fn try_from(bytes: &[u8]) -> Result<Self, ControlTooLong> {
        if bytes.len() > CONTROL_BYTES_MAX {
            return Err(ControlTooLong);
        }
        let mut payload = Self::default();
        payload.push(bytes);
        Ok(payload)
    }
}

impl PartialEq for ControlPayload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ControlPayload {}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

/// More than the 125 bytes that a control frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlTooLong;

impl fmt::Display for ControlTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ping or pong carries at most 125 bytes: send less, or a message")
    }
}

impl std::error::Error for ControlTooLong {}
