//! What the threads and workers of a consumer share: its source, its books, and who is told of errors.

use std::time::Duration;

use super::error::SourceError;
use super::ledger::Ledger;
use super::source::JobSource;
use crate::backoff::Backoff;
use crate::panic::contain;
use crate::sync::StdArc;

/// The pauses between calls of a source that fails.
const PAUSES: Backoff = Backoff::exponential(Duration::from_millis(50));
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) type ErrorHook = StdArc<dyn Fn(&SourceError) + Send + Sync>;

pub(super) struct Lines {
    pub(super) source: StdArc<dyn JobSource>,
    pub(super) ledger: Ledger,
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
