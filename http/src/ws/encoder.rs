//! From messages to bytes.
//!
//! The idea: a frame is appended to a buffer that somebody else sends. What many get is encoded once
//! ([`SharedMessage`](super::SharedMessage)), which frames of a server allow, because they are not masked.

use super::close::CloseFrame;
use super::control::{ControlPayload, ControlTooLong};
use super::deflate::{DeflateParams, Packer};
use super::frame::{FrameHeader, HEADER_BYTES_MAX, Opcode, Role};
use super::mask;
use super::message::MessageKind;
use super::shared::SharedMessage;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Makes bytes of messages.
///
/// ```
/// use anthill_http::websocket::{CloseFrame, MessageEncoder, MessageKind, Role};
///
/// let mut encoder = MessageEncoder::new(Role::Server, None);
/// let mut out = Vec::new();
/// encoder.message(MessageKind::Text, b"Hello", &mut out);
/// encoder.close(Some(&CloseFrame::new(1000, "bye")), &mut out);
/// assert_eq!(out, b"\x81\x05Hello\x88\x05\x03\xe8bye");
/// ```
#[derive(Debug)]
pub struct MessageEncoder {
    packer: Option<Packer>,
    /// In a client.
    keys: Option<MaskKeys>,
}

impl MessageEncoder {
    /// For what `role` sends. `deflate`: what was agreed on in the handshake.
    pub fn new(role: Role, deflate: Option<&DeflateParams>) -> Self {
        Self {
            packer: deflate.map(|params| Packer::new(params, role)),
            keys: match role {
                Role::Server => None,
                Role::Client => Some(MaskKeys::default()),
            },
        }
    }

    /// Appends a message, whole, compressed if that was agreed on and pays.
    ///
    /// Text must be UTF-8, or the receiver closes.
    pub fn message(&mut self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if self.packer.as_mut().is_some_and(|packer| packer.pack(payload, out)) {
            let header =
                FrameHeader { is_packed: true, ..FrameHeader::whole(kind.into(), out.len() - start) };
            self.finish_frame(header, start, out);
        } else {
            self.frame(FrameHeader::whole(kind.into(), payload.len()), payload, out);
        }
    }

    /// A message that others get as well, encoded for this connection: shared with all others that agreed on the same.
    ///
    /// `None`: in a client, whose every frame has a mask of its own.
    pub fn shared(&self, message: &SharedMessage) -> Option<Arc<[u8]>> {
        if self.keys.is_some() {
            return None;
        }
        let takes_packed = self.packer.as_ref().is_some_and(|packer| packer.takes_shared(message.payload()));
        Some(if takes_packed { message.packed() } else { message.plain() })
    }

    /// Appends a ping.
    ///
    /// # Errors
    /// [`ControlTooLong`]: `payload` has more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), ControlTooLong> {
        self.control(Opcode::Ping, &ControlPayload::try_from(payload)?, out);
        Ok(())
    }

    /// Appends a pong, which carries what the ping did.
    ///
    /// # Errors
    /// [`ControlTooLong`]: `payload` has more than 125 bytes.
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), ControlTooLong> {
        self.control(Opcode::Pong, &ControlPayload::try_from(payload)?, out);
        Ok(())
    }

    /// Appends a close frame, behind which nothing may follow. One without a code if there is none, or one that must
    /// not be sent ([`CloseCode::may_be_sent`](super::CloseCode::may_be_sent)).
    pub fn close(&mut self, frame: Option<&CloseFrame>, out: &mut Vec<u8>) {
        self.control(Opcode::Close, &frame.map(CloseFrame::payload).unwrap_or_default(), out);
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.frame(FrameHeader::whole(opcode, payload.len()), payload, out);
    }

    fn frame(&mut self, mut header: FrameHeader, payload: &[u8], out: &mut Vec<u8>) {
        header.key = self.keys.as_mut().map(MaskKeys::next);
        out.reserve(HEADER_BYTES_MAX + payload.len());
        header.append_to(out);
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = header.key {
            mask::apply(key, &mut out[start..]);
        }
    }

    /// Puts the header in front of a payload that begins at `start` of `out`.
    fn finish_frame(&mut self, mut header: FrameHeader, start: usize, out: &mut Vec<u8>) {
        header.key = self.keys.as_mut().map(MaskKeys::next);
        if let Some(key) = header.key {
            mask::apply(key, &mut out[start..]);
        }
        header.put_in_front(start, out);
    }
}

impl From<MessageKind> for Opcode {
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Text => Self::Text,
            MessageKind::Binary => Self::Binary,
        }
    }
}

/// Keys for masks, which nobody who chooses payloads may foresee (RFC 6455 section 10.3): numbers in turn through the
/// keyed hash of the standard library, whose key comes from the system.
#[derive(Debug, Default)]
struct MaskKeys {
    hash: RandomState,
    count: u64,
}

impl MaskKeys {
    fn next(&mut self) -> [u8; 4] {
        self.count += 1;
        let [a, b, c, d, ..] = self.hash.hash_one(self.count).to_ne_bytes();
        [a, b, c, d]
    }
}
