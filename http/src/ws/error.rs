//! Why bytes from a peer are no WebSocket traffic, and which code tells it so.

use super::close::{CloseCode, CloseFault, CloseFrame};
use crate::values::coding::DecodeLimit;
use std::fmt;

/// What is wrong with what a peer sent. It is final: the connection is to be closed, with
/// [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecError {
    /// A frame from a client that is not masked.
    NotMasked,
    /// A frame from a server that is masked.
    Masked,
    /// A reserved bit that no agreed extension gives a meaning here.
    ReservedBit,
    /// An opcode that does not exist.
    Opcode(u8),
    /// A length in a longer form than it needs, or of more than 63 bits.
    LengthForm,
    /// A control frame in fragments.
    ControlFragmented,
    /// A control frame with more than 125 bytes.
    ControlLength,
    /// A continuation of no message.
    Continuation,
    /// A new message before the end of the one before.
    Interleaved,
    /// A close frame of one byte.
    CloseLength,
    /// A code that must not stand in a close frame.
    CloseCode(CloseCode),
    /// Text, or the reason of a close frame, that is no UTF-8.
    Utf8,
    /// Compressed data that are none.
    Compression,
    /// A frame larger than the limit.
    FrameTooLarge,
    /// A message larger than the limit, as it comes or unpacked.
    MessageTooLarge,
    /// A message that is compressed beyond belief.
    Ratio,
    /// A compressed message that is far longer than what it becomes.
    Barren,
}

impl CodecError {
    /// The code that tells the peer.
    ///
    /// ```
    /// use anthill_http::websocket::{CloseCode, CodecError};
    /// assert_eq!(CodecError::Utf8.close_code(), CloseCode::INVALID_PAYLOAD);
    /// assert_eq!(CodecError::MessageTooLarge.close_code(), CloseCode::TOO_BIG);
    /// ```
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Utf8 | Self::Compression => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::Ratio | Self::Barren => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL,
        }
    }

    /// For what came out of compressed data.
    pub(super) fn of_limit(limit: DecodeLimit) -> Self {
        match limit {
            DecodeLimit::Bytes => Self::MessageTooLarge,
            DecodeLimit::Ratio => Self::Ratio,
        }
    }

    /// The close frame that tells the peer: the code, and the text of this error.
    pub fn close_frame(self) -> CloseFrame {
        CloseFrame::new(self.close_code(), self.to_string())
    }
}

impl From<CloseFault> for CodecError {
    fn from(fault: CloseFault) -> Self {
        match fault {
            CloseFault::Length => Self::CloseLength,
            CloseFault::Code(code) => Self::CloseCode(code),
            CloseFault::Reason => Self::Utf8,
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMasked => "a frame of a client must be masked",
            Self::Masked => "a frame of a server must not be masked",
            Self::ReservedBit => "a reserved bit is set that nobody agreed on",
            Self::Opcode(opcode) => return write!(f, "there is no opcode {opcode:#x}"),
            Self::LengthForm => "a length is not in its shortest form, or too large",
            Self::ControlFragmented => "a control frame must not be fragmented",
            Self::ControlLength => "a control frame has at most 125 bytes",
            Self::Continuation => "there is no message to continue",
            Self::Interleaved => "a message begins before the one before has ended",
            Self::CloseLength => "a close frame of one byte has no code",
            Self::CloseCode(code) => return write!(f, "the code {code} must not be sent"),
            Self::Utf8 => "the text is not UTF-8",
            Self::Compression => "the message is not compressed as agreed",
            Self::FrameTooLarge => "the frame is too large",
            Self::MessageTooLarge => "the message is too large",
            Self::Ratio => "the message is compressed beyond belief",
            Self::Barren => "the message is far longer than what it becomes",
        })
    }
}

impl std::error::Error for CodecError {}
