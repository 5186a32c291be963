//! What observers are told, on its way to them.

use super::ConnState;
use super::completed::CompletedRequest;
use std::time::Instant;

/// Something to be told.
#[derive(Debug)]
pub(crate) enum Notice {
    State(ConnState),
    /// The handler ended at this moment.
    Completed(Box<CompletedRequest>, Instant),
}
