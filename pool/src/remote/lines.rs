//! What the threads and workers of a consumer share: its source, its books, and who is told of errors.

use std::time::Duration;

use super::error::SourceError;
use super::ledger::Ledger;
use super::source::JobSource;
use crate::backoff::Backoff;
use crate::panic::{PanicValue, catch, contain, forget};
use crate::sync::thread::{self, Thread};
use crate::sync::{Mutex, StdArc};

/// The pauses between calls of a source that fails.
const PAUSES: Backoff = Backoff::exponential(Duration::from_millis(50));
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) type ErrorHook = StdArc<dyn Fn(&SourceError) + Send + Sync>;

pub(super) struct Lines {
    source: StdArc<dyn JobSource>,
    /// For how long what was fetched is ours.
    pub(super) lease: Duration,
    pub(super) ledger: Ledger,
    on_error: Option<ErrorHook>,
    /// The feeder and the settler, once they run.
    own_threads: Mutex<Vec<Thread>>,
}

impl Lines {
    /// Asks the source for its lease; a panic of it goes on.
    pub(super) fn new(source: StdArc<dyn JobSource>, ledger: Ledger, on_error: Option<ErrorHook>) -> Self {
        Lines { lease: source.lease(), source, ledger, on_error, own_threads: Mutex::default() }
    }

    /// Asks something of the source. That it panics is an error like others: its consumer goes on, and tries again.
    pub(super) fn ask<R>(
        &self,
        call: impl FnOnce(&dyn JobSource) -> Result<R, SourceError>,
    ) -> Result<R, SourceError> {
        catch(|| call(&*self.source)).unwrap_or_else(|panic| {
            let text = format!("it panicked: {}", message(&panic));
            forget(panic);
            Err(SourceError::Failed(text.into()))
        })
    }

    /// Counts and tells a failed call.
    pub(super) fn note(&self, error: &SourceError) {
        self.ledger.note_error();
        if let Some(hook) = &self.on_error {
            contain(|| hook(error));
        }
    }

    /// The calling thread is one of the consumer's from now on.
    pub(super) fn note_own_thread(&self) {
        self.own_threads.lock().push(thread::current());
    }

    /// True on the feeder and the settler. They run code of the user's: hooks, and handlers if the pool's policy is to
    /// run on the submitter what finds it full.
    pub(super) fn is_own_thread(&self) -> bool {
        let this = thread::current().id();
        self.own_threads.lock().iter().any(|own| own.id() == this)
    }
}

/// How long to wait after so many failures in a row.
pub(super) fn pause_after(failures: u32) -> Duration {
    PAUSES.max_delay(LONGEST_PAUSE).max_attempts(None).delay_after(failures).unwrap_or(LONGEST_PAUSE)
}

/// What a panic says.
pub(super) fn message(panic: &PanicValue) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "with a value that is no text",
    }
}
