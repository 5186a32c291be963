//! Who listens to a hub, and how all of them are sent an event.

use super::mailbox::{Mailbox, Outcome, WhenFull};
use crate::wire::members::MemberList;
use crate::wire::wake::Waker;
use std::sync::Arc;

/// The mailboxes of a hub.
pub(super) type Subscribers = MemberList<Mailbox<Waker>>;

/// What came of an event for all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) queued: usize,
    pub(super) lost: u64,
}

impl Subscribers {
    /// Posts `event` to everyone. `wakers` is memory that is used again.
    pub(super) fn post(
        &self,
        event: &Arc<[u8]>,
        room: usize,
        when_full: WhenFull,
        wakers: &mut Vec<Waker>,
    ) -> Tally {
        let mut tally = Tally::default();
        self.each(wakers, |mailbox| {
            let posted = mailbox.post(event, room, when_full);
            tally.queued += usize::from(posted.outcome == Outcome::Queued);
            tally.lost += posted.lost;
            posted.wakes
        });
        tally
    }

    /// Lets nobody in any more, and ends everyone's stream.
    pub(super) fn end(&self, wakers: &mut Vec<Waker>) {
        self.close();
        self.each(wakers, |mailbox| mailbox.end());
    }
}
