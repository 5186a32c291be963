//! A connection's bytes: what was received, what waits to be sent, and the transport between here and the peer.
//!
//! The rule: bytes have no meaning in here.

pub(crate) mod input;
pub(crate) mod lent;
pub(crate) mod output;
pub(crate) mod transport;
pub(crate) mod wake;
