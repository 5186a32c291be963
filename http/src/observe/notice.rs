//! What observers are told, on its way to them.

use super::ConnState;
use super::completed::CompletedRequest;
use std::time::Instant;

/// So many notices at once are usual: requests that were sent together are told of together.
const KEPT_NOTICES_MAX: usize = 16;

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

/// Memory of what was told, to be used again: so that in the long run telling of a request takes none.
#[derive(Debug, Default)]
pub(crate) struct NoticeRoom {
    list: Vec<Notice>,
    #[allow(clippy::vec_box, reason = "they go from list to list in their boxes")]
    records: Vec<Box<CompletedRequest>>,
}

impl NoticeRoom {
    /// A list with nothing in it.
    pub(crate) fn take_list(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.list)
    }

    /// A record of anything.
    pub(crate) fn take_record(&mut self) -> Box<CompletedRequest> {
        self.records.pop().unwrap_or_else(|| Box::new(CompletedRequest::blank()))
    }

    /// Takes back what was told.
    pub(crate) fn give_back(&mut self, mut list: Vec<Notice>) {
        for notice in list.drain(..) {
            match notice {
                Notice::Completed { record, .. }
                    if record.is_small() && self.records.len() < KEPT_NOTICES_MAX =>
                {
                    self.records.push(record);
                }
                _ => {}
            }
        }
        if list.capacity() <= KEPT_NOTICES_MAX {
            self.list = list;
        }
    }
}
