//! Why a WebSocket ends: codes, and close frames.
//!
//! Source: RFC 6455 sections 5.5.1 and 7.4.

use super::control::{CONTROL_BYTES_MAX, ControlPayload};
use std::fmt;

/// Why a WebSocket was closed, as a number (RFC 6455 section 7.4).
///
/// Any number can be held, because peers send any. Only some may stand in a close frame:
/// [`may_be_sent`](Self::may_be_sent).
///
/// ```
/// use anthill_http::websocket::CloseCode;
/// assert_eq!(CloseCode::from(1001), CloseCode::AWAY);
/// assert!(CloseCode::from(4000).may_be_sent());
/// assert!(!CloseCode::NO_STATUS.may_be_sent());
/// assert_eq!(CloseCode::AWAY.to_string(), "1001");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: what was to be done is done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server that stops, a page that is left.
    pub const AWAY: Self = Self(1001);
    /// 1002: the peer has broken the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: data of a kind that is not taken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the close frame had no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that are not what they say, as text that is no UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: something else the other side does not want.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too large.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension. Sent by clients.
    pub const EXTENSION: Self = Self(1010);
    /// 1011: the server failed.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the server restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: the server has too much to do.
    pub const TRY_AGAIN: Self = Self(1013);
    /// 1014: a gateway got no valid answer.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether it may stand in a close frame: 1000 to 1003, 1007 to 1014, and 3000 to 4999, which are libraries' and
    /// programs' own.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a close frame says: a code, and a text that nobody has to understand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// A text for whoever looks for a fault. Of one that is sent up to 123 bytes are used, up to a character's end.
    pub reason: String,
}

impl CloseFrame {
    /// Code and reason.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<String>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }

    /// Reads the payload of a close frame. `None`: it is empty.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Self>, CloseFault> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(CloseFault::Length),
            [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
        };
        if !code.may_be_sent() {
            return Err(CloseFault::Code(code));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| CloseFault::Reason)?;
        Ok(Some(Self { code, reason: reason.to_owned() }))
    }

    /// The payload of a close frame. Empty when the code must not be sent.
    pub(super) fn payload(&self) -> ControlPayload {
        let mut payload = ControlPayload::default();
        if self.code.may_be_sent() {
            payload.push(&self.code.0.to_be_bytes());
            payload.push(up_to(&self.reason, CONTROL_BYTES_MAX - 2).as_bytes());
        }
        payload
    }
}

/// What is wrong with the payload of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseFault {
    /// One byte.
    Length,
    Code(CloseCode),
    /// The reason is no UTF-8.
    Reason,
}

/// As much of `text` as has at most `bytes` bytes.
fn up_to(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.reason {
            "" => self.code.fmt(f),
            reason => write!(f, "{} ({reason})", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for frame in [
            CloseFrame::new(1000, ""),
            CloseFrame::new(4999, "κόσμε"),
            CloseFrame::new(1014, "x".repeat(123)),
        ] {
            assert_eq!(CloseFrame::read(&frame.payload()), Ok(Some(frame)));
        }
        assert_eq!(CloseFrame::read(b""), Ok(None));
    }

    #[test]
    fn long_reasons_end_with_a_character() {
        // The 123rd byte is the first of two.
        let frame = CloseFrame::new(1000, format!("{}é!", "x".repeat(122)));
        assert_eq!(&frame.payload()[2..], "x".repeat(122).as_bytes());
        assert_eq!(CloseFrame::new(1000, "é".repeat(100)).payload().len(), 2 + 122);
    }

    #[test]
    fn codes_that_must_not_be_sent() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            let [high, low] = u16::to_be_bytes(code);
            assert_eq!(CloseFrame::read(&[high, low]), Err(CloseFault::Code(CloseCode(code))), "{code}");
            assert!(CloseFrame::new(code, "why").payload().is_empty(), "{code}");
        }
        for code in
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
        {
            let [high, low] = u16::to_be_bytes(code);
            assert_eq!(CloseFrame::read(&[high, low]), Ok(Some(CloseFrame::new(code, ""))), "{code}");
        }
    }

    #[test]
    fn payloads_that_are_none() {
        assert_eq!(CloseFrame::read(&[3]), Err(CloseFault::Length));
        assert_eq!(CloseFrame::read(b"\x03\xe8\xce"), Err(CloseFault::Reason), "the reason is cut off");
        assert_eq!(CloseFrame::read(b"\x03\xe7\xff"), Err(CloseFault::Code(CloseCode(999))));
    }
}
