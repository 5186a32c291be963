//! Serving requests: what every driver of a connection does, whatever moves its bytes.

pub(crate) mod blocking;
pub(crate) mod body_out;
pub(crate) mod counters;
pub(crate) mod error;
pub(crate) mod refusal;
pub(crate) mod user_code;
