//! One who sends to one.

use super::end::WebSocketEnd;
use super::error::WebSocketError;
use super::link::SocketLink;
use crate::ws::{CloseCode, CloseFrame, Message};
use std::fmt;
use std::sync::Arc;

/// Sends to one client, from any thread; clones send to the same one.
///
/// It holds nothing of the connection: the socket ends whether senders are left or not, and sending fails from then on.
/// What is sent waits in a queue until whoever serves the connection takes it: see [`QueuePolicy`](super::QueuePolicy).
#[derive(Clone)]
pub struct WebSocketSender {
    pub(super) link: Arc<SocketLink>,
}

impl WebSocketSender {
    pub(super) fn new(link: Arc<SocketLink>) -> Self {
        Self { link }
    }

    /// Sends `message`: text from a `&str` or `String`, bytes from a slice or `Vec<u8>`. `Ok` says that it was queued,
    /// not that the client has it.
    ///
    /// When as many wait as may, the [policy](super::QueuePolicy) of the options decides; only with
    /// [`Block`](super::QueuePolicy::Block) this waits.
    ///
    /// # Errors
    /// [`WebSocketError::Closed`], and [`WebSocketError::Full`] by the policies that refuse.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        self.link.send(message.into(), false)
    }

    /// Sends `message` if there is room for it, and costs no other one; never waits.
    ///
    /// # Errors
    /// [`WebSocketError::Closed`], [`WebSocketError::Full`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        self.link.try_send(message.into())
    }

    /// Closes the socket behind what waits to be sent, with this code and a reason of up to 123 bytes. What the client
    /// still sends is not handed out any more. Does nothing once the socket is closed. A code that must not stand in a
    /// close frame is left out of it.
    pub fn close(&self, code: impl Into<CloseCode>, reason: impl Into<String>) {
        self.link.close(CloseFrame::new(code, reason));
    }

    /// Whether something can still be sent.
    pub fn is_open(&self) -> bool {
        self.link.outbox.is_open()
    }

    /// How many messages wait to be sent.
    pub fn queued(&self) -> usize {
        self.link.outbox.len()
    }

    /// How many messages the client has lost because it was too slow, by policies that drop.
    pub fn lost(&self) -> u64 {
        self.link.outbox.lost()
    }

    /// The subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.link.subprotocol.as_deref()
    }

    /// Whether the server stops: the socket is closed with 1001 then, whatever waits is sent before.
    pub fn is_stopping(&self) -> bool {
        self.link.stop.is_stopping()
    }

    /// How it ended; `None` while it has not.
    pub fn end(&self) -> Option<&WebSocketEnd> {
        self.link.end()
    }

    /// Whether both send to the same client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }
}

impl fmt::Debug for WebSocketSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSender").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
