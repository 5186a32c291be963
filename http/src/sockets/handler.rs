//! Who is told what happens on a WebSocket, without a thread that waits for it.

use super::end::WebSocketEnd;
use super::sender::WebSocketSender;
use crate::ws::Message;
use std::error::Error;

/// What the user's code on a WebSocket returns. An error, but for [`Closed`](super::WebSocketError::Closed) and
/// [`Lost`](super::WebSocketError::Lost), closes it with 1011 and is logged.
pub type WebSocketResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Is told what happens on one WebSocket, by
/// [`upgrade_websocket_handler`](crate::RequestCtx::upgrade_websocket_handler).
///
/// Between two calls a socket holds no thread and no buffer. The calls come one at a time, in the order of what
/// happened, on whatever thread serves the connection then. They may block as handlers of requests may: one that does
/// is found out, and held against the path it was upgraded on, and holds up nobody else; the next message of *this*
/// socket waits, and the client is not read from meanwhile. A panic closes the socket with 1011.
///
/// `socket` sends to the client, now or later and from any thread: keep a clone. What a call sends itself is taken
/// however much it is, and sent before the next message is read.
///
/// ```
/// use anthill_http::websocket::{Message, WebSocketHandler, WebSocketResult, WebSocketSender};
///
/// struct Echo;
///
/// impl WebSocketHandler for Echo {
///     fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
///         Ok(socket.send(message)?)
///     }
/// }
/// # let _ = Echo;
/// ```
pub trait WebSocketHandler: Send + 'static {
    /// The handshake is done; nothing was received yet.
    #[allow(unused_variables)]
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        Ok(())
    }

    /// A message has come.
    #[allow(unused_variables)]
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(())
    }

    /// It is over, however it ended; once, and nothing is called behind it.
    #[allow(unused_variables)]
    fn on_close(&mut self, end: &WebSocketEnd) {}
}

impl<H: WebSocketHandler + ?Sized> WebSocketHandler for Box<H> {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        (**self).on_open(socket)
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        (**self).on_message(socket, message)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        (**self).on_close(end);
    }
}
