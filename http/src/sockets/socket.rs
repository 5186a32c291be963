//! A socket as the loop sees that owns it.

use super::end::WebSocketEnd;
use super::error::WebSocketError;
use super::inbox::{Heard, Inbox};
use super::sender::WebSocketSender;
use crate::stop::StopSignal;
use crate::ws::{CloseCode, Message};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A WebSocket in the hands of a loop, by [`upgrade_websocket`](crate::RequestCtx::upgrade_websocket), or of a client,
/// by `client::Client::websocket`.
///
/// Reading and sending block. Pings are answered, and the peer is asked whether it is there, whatever the loop does
/// meanwhile. A close frame is answered when what came before it was read and [`read`](Self::read) is called again: a
/// loop that does not read has the peer wait for its
/// [`close_timeout`](super::WebSocketOptionsBuilder::close_timeout), a server that shuts down as well. Messages that
/// it has not read wait, some 32 or 256 KiB of them; then the peer is not read from.
///
/// Dropped by a client it is closed with 1000. In a server:
///
/// When the function that was given it returns, the socket is closed with 1000 if nobody has closed it, or with 1011
/// after an error or a panic. If it was moved elsewhere by then, it is closed with 1000 when it is dropped there.
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::websocket::WebSocketOptions;
///
/// fn echo(ctx: &mut RequestCtx) {
///     ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
///         while let Some(message) = socket.read()? {
///             socket.send(message)?;
///         }
///         Ok(())
///     });
/// }
/// # let _: fn(&mut RequestCtx) = echo;
/// ```
pub struct WebSocket {
    sender: WebSocketSender,
    inbox: Arc<Inbox<Message, WebSocketEnd>>,
    ownership: Arc<Ownership>,
}

/// Whether a socket is closed when it is dropped, or when the function returns that was given it: whichever comes last.
/// The function says how it ended, and drops the socket before that.
#[derive(Debug, Default)]
pub(super) struct Ownership(Mutex<OwnerStage>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OwnerStage {
    #[default]
    Running,
    Dropped,
    Returned,
}

impl Ownership {
    /// The function has returned. True: the socket is to be closed.
    pub(super) fn returned(&self) -> bool {
        std::mem::replace(&mut *self.0.lock(), OwnerStage::Returned) == OwnerStage::Dropped
    }

    /// The socket is dropped. True: it is to be closed.
    fn dropped(&self) -> bool {
        std::mem::replace(&mut *self.0.lock(), OwnerStage::Dropped) == OwnerStage::Returned
    }
}

impl WebSocket {
    pub(super) fn new(sender: WebSocketSender, inbox: Arc<Inbox<Message, WebSocketEnd>>) -> Self {
        Self { sender, inbox, ownership: Arc::default() }
    }

    /// One that no function is waited for that was given it.
    #[cfg(feature = "client")]
    pub(super) fn held(sender: WebSocketSender, inbox: Arc<Inbox<Message, WebSocketEnd>>) -> Self {
        let held = Self::new(sender, inbox);
        held.ownership.returned();
        held
    }

    pub(super) fn ownership(&self) -> Arc<Ownership> {
        self.ownership.clone()
    }

    /// Waits for the next message. `None`: the socket was closed, by the client, by this program, or because the
    /// server stops. A close frame of the peer is answered behind that, so that the loop can say its last; who calls
    /// `read` once more waits for it, and then [`end`](Self::end) says how it ended.
    ///
    /// # Errors
    /// [`WebSocketError::Lost`]: the client has gone without a word.
    pub fn read(&mut self) -> Result<Option<Message>, WebSocketError> {
        self.take(None)
    }

    /// As [`read`](Self::read), for so long at most.
    ///
    /// # Errors
    /// As `read`; and [`WebSocketError::TimedOut`], after which one can go on.
    pub fn read_timeout(&mut self, limit: Duration) -> Result<Option<Message>, WebSocketError> {
        self.take(Instant::now().checked_add(limit))
    }

    fn take(&mut self, deadline: Option<Instant>) -> Result<Option<Message>, WebSocketError> {
        let (received, is_to_look) = self.inbox.take(deadline);
        if is_to_look {
            self.sender.link.nudge();
        }
        match received {
            Heard::Message(message) => Ok(Some(message)),
            Heard::Last => Ok(None),
            Heard::End(WebSocketEnd::Lost) => Err(WebSocketError::Lost),
            Heard::End(_) => Ok(None),
            Heard::Nothing => Err(WebSocketError::TimedOut),
        }
    }

    /// Sends `message`, waiting for room if as many messages wait for the client as may, whatever the policy of the
    /// options. A client that takes nothing is cut off by [`write_timeout`](crate::ServerBuilder::write_timeout).
    ///
    /// # Errors
    /// [`WebSocketError::Closed`].
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        self.sender.link.send(message.into(), true)
    }

    /// Closes the socket behind what waits to be sent; [`read`](Self::read) gives what has come before, and then
    /// nothing more.
    pub fn close(&mut self, code: impl Into<CloseCode>, reason: impl Into<String>) {
        self.sender.close(code, reason);
    }

    /// What sends on this socket from other threads.
    pub fn sender(&self) -> &WebSocketSender {
        &self.sender
    }

    /// The subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.sender.subprotocol()
    }

    /// Whether the server stops: the socket is closed with 1001, and [`read`](Self::read) will give nothing more soon.
    pub fn is_stopping(&self) -> bool {
        self.sender.is_stopping()
    }

    /// What tells that the server stops.
    pub fn stop_signal(&self) -> StopSignal {
        self.sender.link.stop.clone()
    }

    /// How it ended; `None` while it has not.
    pub fn end(&self) -> Option<&WebSocketEnd> {
        self.sender.end()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        if self.ownership.dropped() {
            let code = if std::thread::panicking() { CloseCode::INTERNAL } else { CloseCode::NORMAL };
            self.sender.close(code, "");
        }
        self.inbox.leave();
        self.sender.link.nudge();
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("end", &self.end()).finish_non_exhaustive()
    }
}
