//! The thread that takes jobs from the source as the pool has room for them.

use std::time::Duration;

use super::error::SourceError;
use super::ledger::{Fetched, Ledger};
use super::source::JobSource;
use crate::backoff::Backoff;
use crate::panic::contain;
use crate::pool::WorkerPool;
use crate::sync::{Arc, Instant, StdArc};

/// For how long a fetch waits for a job, and so how long a stop may take to be noticed.
const WAIT: Duration = Duration::from_millis(100);

/// The pauses between calls of a source that fails.
const PAUSES: Backoff = Backoff::exponential(Duration::from_millis(50));
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) type ErrorHook = StdArc<dyn Fn(&SourceError) + Send + Sync>;

/// What the threads of a consumer share.
pub(super) struct Lines {
    pub(super) source: StdArc<dyn JobSource>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) on_error: Option<ErrorHook>,
}

impl Lines {
    /// Counts and tells a failed call.
    pub(super) fn note(&self, error: &SourceError) {
        self.ledger.note_error();
        if let Some(hook) = &self.on_error {
            contain(|| hook(error));
        }
    }
}

/// How long to wait after so many failures in a row.
pub(super) fn pause_after(failures: u32) -> Duration {
    PAUSES.max_delay(LONGEST_PAUSE).max_attempts(None).delay_after(failures).unwrap_or(LONGEST_PAUSE)
}

/// The feeder's body.
pub(super) fn feed(lines: &Lines, pool: &WorkerPool<Fetched>) {
    let Lines { source, ledger, .. } = lines;
    let mut failures = 0;
    while let Some(limit) = ledger.await_room() {
        let asked = Instant::now();
        let succeeded = match source.fetch(limit, WAIT) {
            Ok(deliveries) if deliveries.is_empty() => true,
            Ok(deliveries) => {
                let fetched = ledger.take_in(deliveries, asked);
                // What is refused goes back when it is dropped.
                pool.submit_many(fetched).is_ok()
            }
            Err(error) => {
                lines.note(&error);
                false
            }
        };
        failures = if succeeded { 0 } else { failures + 1 };
        if failures > 0 {
            ledger.rest(pause_after(failures));
        }
    }
    // Not before: what was taken has to find the pool open.
    pool.stop();
    ledger.end_feeder();
}
