//! WebSocket servers that pass on what one client sends to all others, each as its own documentation would have it.
//!
//! What they have in common: whoever comes to [`RECEIVE`] is sent [`READY`] when it belongs to those who get
//! everything, and a text that comes in at [`SEND`] goes to all of them. Nobody reads from a receiver, which says
//! nothing.

pub(crate) mod fastwebsockets;
pub mod load;
pub(crate) mod tungstenite;

/// Where receivers open their WebSockets.
pub(crate) const RECEIVE: &str = "/receive";

/// Where whoever sends opens its own.
pub(crate) const SEND: &str = "/send";

/// The first message of a receiver.
pub(crate) const READY: &str = "ready";

/// Messages that may wait for one receiver.
pub(crate) const QUEUE: usize = 1024;
