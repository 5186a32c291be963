//! Writes messages.

mod response;

pub(crate) use response::*;
