//! Making room for new connections: whoever has been idle for longest is closed, as nginx does it.
//!
//! The idea: a client whose idle connection is closed opens another one when it needs it, at the price of a round trip;
//! one that is refused gets nothing. So nobody is refused while somebody is idle.

use std::sync::atomic::Ordering;

use crate::engine::Engine;

/// The most connections that are closed at once when the system is out of descriptors.
const MOST_AT_ONCE: usize = 32;
/// As part of those that are open.
const PART_AT_ONCE: usize = 32;

/// Closes the connection that has been idle for longest, of all shards. False: nobody is idle.
pub(crate) fn close_longest_idle(engine: &Engine) -> bool {
    loop {
        let idle = engine.shards.iter().filter_map(|shard| Some((shard.longest_idle()?, shard)));
        let Some((_, shard)) = idle.min_by_key(|(idle, _)| *idle) else { return false };
        // If that one has a request after all, it is idle no more, so this comes to an end.
        let Some(conn) = shard.take_longest_idle() else { continue };
        // It is told at once: this thread drives nothing.
        drop(engine.end(shard, conn));
        engine.service.counters.idle_shed.fetch_add(1, Ordering::Relaxed);
        return true;
    }
}

/// Closes some of the connections that have been idle for longest, because the system is out of descriptors, which
/// handlers need too. False: nobody is idle.
pub(crate) fn close_some_idle(engine: &Engine) -> bool {
    (0..how_many(engine.admission.open())).take_while(|_| close_longest_idle(engine)).count() > 0
}

/// How many of so many open connections are closed at once.
fn how_many(open: usize) -> usize {
    (open / PART_AT_ONCE).clamp(1, MOST_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_is_closed_at_once() {
        let numbers = [0, 31, 64, 1000, 1_000_000].map(how_many);
        assert_eq!(numbers, [1, 1, 2, 31, 32]);
    }
}
