//! Handlers that run for too long are told of, by the monitor: each once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::Engine;

/// Between two looks at the shortest.
const SHORTEST: Duration = Duration::from_millis(5);

impl Engine {
    /// How long there may be between two looks; `None`: nobody wants to know.
    pub(crate) fn look_for_blocked_every(&self) -> Option<Duration> {
        let limit = self.service.settings.threads.blocked_handler_limit?;
        Some((limit / 4).max(SHORTEST))
    }

    /// Tells the log of handlers that have run for longer than they should.
    pub(crate) fn tell_blocked(&self) {
        let Some(limit) = self.service.settings.threads.blocked_handler_limit else { return };
        for blocked in self.service.places.find_blocked(self.service.clock.nanos(), limit) {
            self.service.counters.slow.handlers.fetch_add(1, Ordering::Relaxed);
            let what =
                blocked.worker.sleeps_in().map_or_else(String::new, |place| format!(", asleep in {place}"));
            log::warn!(target: "anthill_http::blocked", "a handler blocks: {}{what}", blocked.request);
        }
    }
}
