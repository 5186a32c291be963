//! A connection's bytes: what was received (`input`), what waits to be sent (`output`), the transport between here and
//! the peer (`transport`; lent to a handler, `lent`; without a socket, `pipe` and `in_memory`), and how slow the peer
//! may be (`pace`). And who is to be reached beyond one connection: whom to wake (`wake`), who is told what is sent to
//! many (`members`), and which connections the user has taken over (`taken_over`).
//!
//! The rule: bytes have no meaning in here.

pub(crate) mod in_memory;
pub(crate) mod input;
pub(crate) mod lent;
pub(crate) mod members;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod pipe;
pub(crate) mod ready;
pub(crate) mod sync;
pub(crate) mod taken_over;
#[cfg(feature = "tls-no-provider")]
pub(crate) mod tls_info;
pub(crate) mod transport;
pub(crate) mod wake;
