//! What a server counts of its WebSockets, over all its lives.

use super::end::WebSocketEnd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The first of the codes that are counted one by one, and how many of them there are.
const FIRST_CODE: u16 = 1000;
const SINGLE_CODES: usize = 16;
/// Libraries' codes, programs' codes, and whatever else a peer may say.
const GROUPS: [u16; 3] = [3000, 4000, 0];

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct SocketCounters {
    pub(crate) open: AtomicUsize,
    pub(crate) opened: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) panics: AtomicU64,
    ended: [AtomicU64; SINGLE_CODES + GROUPS.len()],
}

impl SocketCounters {
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, end: &WebSocketEnd) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let code = end.code().as_u16();
        let single = usize::from(code.wrapping_sub(FIRST_CODE));
        let group =
            || GROUPS.iter().position(|group| code / 1000 == group / 1000).unwrap_or(GROUPS.len() - 1);
        let place = if single < SINGLE_CODES { single } else { SINGLE_CODES + group() };
        self.ended[place].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> WebSocketStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let singles = (FIRST_CODE..).take(SINGLE_CODES);
        let closes = singles.chain(GROUPS).zip(&self.ended).map(|(code, ended)| (code, count(ended)));
        WebSocketStats {
            open: self.open.load(Ordering::Relaxed),
            opened: count(&self.opened),
            messages_received: count(&self.received),
            messages_sent: count(&self.sent),
            messages_dropped: count(&self.dropped),
            closes: closes.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// What a server's WebSockets did and are doing; part of [`ServerStats`](crate::ServerStats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketStats {
    /// Those open now; each is one of the open connections.
    pub open: usize,
    /// Those opened so far.
    pub opened: u64,
    /// Messages that came so far.
    pub messages_received: u64,
    /// Messages that were prepared for clients so far.
    pub messages_sent: u64,
    /// Messages that clients have lost so far because they were too slow, by the [policy](super::QueuePolicy) of their
    /// queue.
    pub messages_dropped: u64,
    /// How many ended with which code, those that did not happen left out: 1005 where the close frame had none, 1006
    /// where there was no close frame; codes of libraries count as 3000, those of programs as 4000, all others as 0.
    pub closes: Vec<(u16, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::CloseFrame;

    #[test]
    fn every_code_has_its_place() {
        let counters = SocketCounters::default();
        for code in [1000, 1000, 1015, 1016, 3000, 3999, 4999, 4000, 4321, 0, 65_535] {
            counters.opened();
            counters.ended(&WebSocketEnd::ByClient(Some(CloseFrame::new(code, ""))));
        }
        counters.opened();
        counters.ended(&WebSocketEnd::Lost);
        let stats = counters.snapshot();
        assert_eq!((stats.open, stats.opened), (0, 12));
        assert_eq!(stats.closes, [(1000, 2), (1006, 1), (1015, 1), (3000, 2), (4000, 3), (0, 3)]);
    }
}
