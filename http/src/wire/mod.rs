//! A connection's bytes: what was received, what waits to be sent, the transport between here and the peer, and how
//! slow that one may be.
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
