//! A message for many.
//!
//! The idea: what a server sends is not masked and, unless messages refer to earlier ones, depends on nothing but the
//! message and on whether it is compressed. So there are two encodings at most, and the second one is made when the
//! first receiver takes it.

use super::deflate::pack_shared;
use super::frame::{FrameHeader, HEADER_BYTES_MAX};
use super::message::{Message, MessageKind};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A message that is encoded once for all who get it; a clone is another handle. It is sent by
/// [`MessageEncoder::shared`](super::MessageEncoder::shared).
///
/// ```
/// use anthill_http::websocket::{MessageEncoder, MessageKind, Role, SharedMessage};
/// use std::sync::Arc;
///
/// let tidings = SharedMessage::new(MessageKind::Text, b"tidings");
/// let [one, other] = [(), ()].map(|()| MessageEncoder::new(Role::Server, None).shared(&tidings).unwrap());
/// assert_eq!(&one[..], b"\x81\x07tidings");
/// assert!(Arc::ptr_eq(&one, &other));
/// ```
#[derive(Clone)]
pub struct SharedMessage {
    encodings: Arc<Encodings>,
}

struct Encodings {
    kind: MessageKind,
    plain: Arc<[u8]>,
    header_length: usize,
    /// `None` in it: it does not become shorter.
    packed: OnceLock<Option<Arc<[u8]>>>,
}

impl SharedMessage {
    /// Encodes a message. Text must be UTF-8, or its receivers close.
    pub fn new(kind: MessageKind, payload: &[u8]) -> Self {
        let mut plain = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
        FrameHeader::whole(kind.into(), payload.len()).append_to(&mut plain);
        let header_length = plain.len();
        plain.extend_from_slice(payload);
        let encodings = Encodings { kind, plain: plain.into(), header_length, packed: OnceLock::new() };
        Self { encodings: Arc::new(encodings) }
    }

    /// Whether it is text or bytes.
    pub fn kind(&self) -> MessageKind {
        self.encodings.kind
    }

    /// What it says.
    pub fn payload(&self) -> &[u8] {
        &self.encodings.plain[self.encodings.header_length..]
    }

    /// The frame as it is without compression.
    pub(super) fn plain(&self) -> Arc<[u8]> {
        Arc::clone(&self.encodings.plain)
    }

    /// The compressed frame, where that is shorter.
    pub(super) fn packed(&self) -> Arc<[u8]> {
        let packed = self.encodings.packed.get_or_init(|| {
            let mut out = Vec::new();
            pack_shared(self.payload(), &mut out).then(|| {
                let header =
                    FrameHeader { is_packed: true, ..FrameHeader::whole(self.kind().into(), out.len()) };
                header.put_in_front(0, &mut out);
                out.into()
            })
        });
        packed.clone().unwrap_or_else(|| self.plain())
    }
}

impl From<&Message> for SharedMessage {
    fn from(message: &Message) -> Self {
        Self::new(message.kind(), message.as_bytes())
    }
}

impl fmt::Debug for SharedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMessage({:?}, {} bytes)", self.kind(), self.payload().len())
    }
}
