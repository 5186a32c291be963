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
    place: Option<LoopPlace>,
}

/// A thread for a loop that was promised, and is given back by the drop.
pub(crate) struct LoopPlace(Option<Box<dyn FnOnce() + Send>>);

impl LoopPlace {
    /// One that is given back so.
    pub(crate) fn new(gives_back: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(gives_back)))
    }

    /// One that nobody else could have had.
    pub(crate) fn of_its_own() -> Self {
        Self(None)
    }

    /// Whoever runs the loop has it now.
    fn use_up(mut self) {
        self.0 = None;
    }
}

impl Drop for LoopPlace {
    fn drop(&mut self) {
        if let Some(gives_back) = self.0.take() {
            gives_back();
        }
    }
}

impl LoopStart {
    pub(super) fn new(
        function: Contained<LoopFunction>,
        socket: WebSocket,
        place: Option<LoopPlace>,
    ) -> Self {
        Self { function: Some(function), socket: Some(socket), place }
    }

    /// Nobody will run it: that is told at once, wherever it is dropped then.
    pub(crate) fn give_up(&mut self) {
        self.place = None;
        if let Some(socket) = &self.socket {
            socket.sender().close(CloseCode::TRY_AGAIN, "no thread can be had for it");
        }
    }

    /// Runs the loop to its end.
    pub(crate) fn run(mut self) {
        if let Some(place) = self.place.take() {
            place.use_up();
        }
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
        self.give_up();
    }
}
