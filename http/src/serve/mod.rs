//! Serving requests: what every driver of a connection does, and the driver that blocks.
//!
//! Reading order: `moment` and `workspace` (what is passed along), `user_code` (how handlers are called), `exchange`
//! (one connection's conversation, over what all of them share, `service`, and by whom the user's code is run,
//! `runner`), `proxied` (what may come before it), `blocking` (the simplest driver of it), `stream` (what that reads
//! and writes), `parker` (how it waits for events), `standalone` (which connections it serves); `tally` and `counters`
//! (what is counted on the way), `in_flight` (what is being handled), `hijacking` (connections that are given away).

pub(crate) mod blocking;
pub(crate) mod counters;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod hijacking;
pub(crate) mod in_flight;
pub(crate) mod moment;
pub(crate) mod parker;
pub(crate) mod patience;
pub(crate) mod proxied;
pub(crate) mod refusal;
pub(crate) mod runner;
pub(crate) mod service;
#[cfg(feature = "ws")]
mod socket_alone;
pub(crate) mod standalone;
pub(crate) mod stream;
pub(crate) mod tally;
pub(crate) mod user_code;
pub(crate) mod workspace;
