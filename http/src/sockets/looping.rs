//! A loop that is to run, or runs.
//!
//! The rule: a socket whose loop never ran is closed with 1013, because no thread could be had for it.

use super::error::WebSocketError;
use super::handler::WebSocketResult;
use super::sender::WebSocketSender;
use super::socket::WebSocket;
use crate::util::panic::{self, Contained};
use crate::ws::CloseCode;
use std::error::Error;
use std::sync::atomic::Ordering;

/// What a loop is, as the user gave it.
pub(crate) type LoopFunction = Box<dyn FnOnce(WebSocket) -> WebSocketResult + Send>;

/// A loop with its socket.
pub(crate) struct LoopStart {
    function: Option<Contained<LoopFunction>>,
    socket: Option<WebSocket>,
}

impl LoopStart {
    pub(super) fn new(function: Contained<LoopFunction>, socket: WebSocket) -> Self {
        Self { function: Some(function), socket: Some(socket) }
    }

    /// Runs the loop to its end.
    pub(crate) fn run(mut self) {
        let function = self.function.take().and_then(Contained::into_inner);
        let (Some(function), Some(socket)) = (function, self.socket.take()) else { return };
        let (sender, ownership) = (socket.sender().clone(), socket.ownership());
        let outcome = panic::call(move || function(socket));
        let is_dropped = ownership.returned();
        match outcome {
            Ok(Ok(())) if is_dropped => sender.close(CloseCode::NORMAL, ""),
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed(&sender, error),
            Err(panicked) => {
                sender.link.counters.panics.fetch_add(1, Ordering::Relaxed);
                log::error!(target: "anthill_http::handler", "a function that owns a WebSocket {panicked}");
                sender.close(CloseCode::INTERNAL, "");
            }
        }
    }
}

/// The user's code on a socket has failed; that nothing more can be sent is no failure of its. The error is the user's,
/// too: what it says of itself, and its drop.
pub(super) fn failed(socket: &WebSocketSender, error: Box<dyn Error + Send + Sync>) {
    if let Some(WebSocketError::Closed | WebSocketError::Lost) = error.downcast_ref() {
        return socket.close(CloseCode::NORMAL, "");
    }
    let told = panic::call(move || error.to_string());
    let told = told.as_deref().unwrap_or("and the error panicked");
    log::error!(target: "anthill_http::handler", "a handler of a WebSocket failed: {told}");
    socket.close(CloseCode::INTERNAL, "");
}

impl Drop for LoopStart {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            socket.sender().close(CloseCode::TRY_AGAIN, "no thread can be had for it");
        }
    }
}
