//! WebSocket as bytes in and bytes out, for both roles: the opening handshake, frames, messages, compression.
//!
//! The idea: a [`MessageDecoder`] is given what has arrived, in whatever cuts, and answers with whole messages and
//! control frames; a [`MessageEncoder`] appends frames to a buffer. Neither knows a socket, a clock or a thread, so the
//! same code serves an event loop, a blocking loop and a client.
//!
//! ```text
//! bytes ──▶ header (frame) ──▶ unmask (mask) ──▶ unpack (deflate) ──▶ UTF-8 (text) ──▶ Incoming
//! message ──▶ pack (deflate) ──▶ header (frame) ──▶ mask (mask) ──▶ bytes
//! ```
//!
//! The words:
//! * A *frame* is what stands on the wire: a header and a payload. A *message* is the payload of one data frame or of
//!   several (*fragments*). *Control frames* (ping, pong, close) may stand between fragments.
//! * The *role* ([`Role`]) is our own: a server gets masked frames and sends unmasked ones.
//! * *Packed* is a payload as it was compressed, *unpacked* what it becomes.
//!
//! The rules:
//! * What a peer costs in memory is bounded by what it has sent: nothing is reserved for an announced length, fragments
//!   have no overhead, and a coder is taken only for as much packed data as it is large itself, or for a message that
//!   is complete.
//! * Between two messages a decoder holds nothing on the heap.
//! * A fault of the peer is found at the first byte that shows it, and is final.
//! * The outcome does not depend on how the bytes were cut.
//!
//! Source: RFC 6455; RFC 7692 for compression.

mod close;
mod control;
mod decoder;
mod deflate;
mod encoder;
mod error;
mod extensions;
mod frame;
mod handshake;
mod limits;
mod mask;
mod message;
mod room;
mod shared;
mod text;

pub use close::{CloseCode, CloseFrame};
pub use control::{ControlPayload, ControlTooLong};
pub use decoder::{Incoming, MessageDecoder};
pub use deflate::{DeflateAnswerError, DeflateOptions, DeflateParams};
pub use encoder::MessageEncoder;
pub use error::CodecError;
pub use frame::Role;
#[cfg(feature = "client")]
pub use handshake::BadHandshakeAnswer;
pub use handshake::{
    Handshake, HandshakeAnswer, HandshakeError, HandshakeKey, HandshakeRequest, OriginPolicy,
};
pub use limits::MessageLimits;
pub use message::{Message, MessageKind};
pub use shared::SharedMessage;
