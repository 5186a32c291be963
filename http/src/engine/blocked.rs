//! Handlers that run for too long are told of, by the monitor: each once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::Engine;
use crate::util::thread::ThreadNumber;

/// Between two looks at the shortest.
const SHORTEST: Duration = Duration::from_millis(5);
/// The most that are told of in one look: what each sleeps in is read from files, and the monitor has other things to
/// look at.
const MOST_AT_ONCE: usize = 16;

impl Engine {
    /// How long there may be between two looks; `None`: nobody wants to know.
    pub(crate) fn look_for_blocked_every(&self) -> Option<Duration> {
        let limit = self.service.settings.threads.blocked_handler_limit?;
        Some((limit / 4).max(SHORTEST))
    }

    /// Tells the log of handlers that have run for longer than they should. True: of all of them.
    pub(crate) fn tell_blocked(&self) -> bool {
        let Some(limit) = self.service.settings.threads.blocked_handler_limit else { return true };
        let found = self.service.places.find_blocked(self.service.clock.nanos(), limit, MOST_AT_ONCE);
        let are_all = found.len() < MOST_AT_ONCE;
        for blocked in found {
            self.service.counters.slow.handlers.fetch_add(1, Ordering::Relaxed);
            let place = blocked.worker.number.and_then(ThreadNumber::sleeps_in);
            let what = place.map_or_else(String::new, |place| format!(", asleep in {place}"));
            log::warn!(target: "anthill_http::blocked", "a handler blocks: {}{what}", blocked.request);
        }
        are_all
    }
}
