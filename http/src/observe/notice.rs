//! What observers are told, on its way to them.

use super::ConnState;
use super::completed::CompletedRequest;
use std::time::Instant;

/// Something to be told.
#[derive(Debug)]
pub(crate) enum Notice {
    State(ConnState),
    Completed {
        record: Box<CompletedRequest>,
        /// When the handler ended.
        ended: Instant,
        /// Where the response ends in what is sent.
        output_ends: u64,
    },
}
