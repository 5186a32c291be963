//! A call that shares its connection with others: what it sends, and what came of it.
//!
//! The rules: an outcome is given once, and taken by the caller alone. A caller who has left gets none, and what was
//! begun for him is still sent to its end, so that those behind him keep their places.

use super::error::ClientError;
use super::places::HostPlaces;
use super::response::ClientResponse;
use crate::proto::client::SentHead;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

/// A call; see the module's text.
pub(super) struct PipelinedCall {
    pub(super) sent: PipelinedBytes,
    thread: Thread,
    state: Mutex<CallState>,
    place: Mutex<Option<PendingPlace>>,
}

/// What a call sends, and what is to be known about that.
pub(super) struct PipelinedBytes {
    /// Head and body.
    pub(super) bytes: Vec<u8>,
    pub(super) head: SentHead,
    pub(super) is_idempotent: bool,
    /// Whether the content coding of the response is undone.
    pub(super) decodes: bool,
}

#[derive(Default)]
struct CallState {
    outcome: Option<PipelinedOutcome>,
    /// Whether nobody waits for it any more.
    is_gone: bool,
    /// Whether the system has taken some of it, in the attempt that is under way.
    is_begun: bool,
    /// How much had been heard of the server when that attempt began.
    heard_before: u64,
}

/// What came of an attempt.
pub(super) struct PipelinedOutcome {
    pub(super) result: Result<ClientResponse, ClientError>,
    /// Whether another attempt can do no harm.
    pub(super) is_safe: bool,
    /// Whether the connection had served before.
    pub(super) was_reused: bool,
}

/// The right to wait for a response, until it is dropped.
#[derive(Debug)]
pub(super) struct PendingPlace {
    pub(super) places: Arc<HostPlaces<()>>,
    /// How many have this right on the connection that was chosen.
    pub(super) here: Arc<AtomicUsize>,
}

impl PipelinedCall {
    /// A call of this thread.
    pub(super) fn new(sent: PipelinedBytes, place: PendingPlace) -> Arc<Self> {
        Arc::new(Self {
            sent,
            thread: std::thread::current(),
            state: Mutex::default(),
            place: Mutex::new(Some(place)),
        })
    }

    /// Gives the outcome to the caller, and says whether he is still there.
    pub(super) fn give(&self, outcome: PipelinedOutcome) {
        let mut state = self.state.lock();
        if !state.is_gone {
            state.outcome = Some(outcome);
            drop(state);
            self.wake();
        }
    }

    /// Has the caller look at how things are.
    pub(super) fn wake(&self) {
        self.thread.unpark();
    }

    /// The outcome, if it is there.
    pub(super) fn take(&self) -> Option<PipelinedOutcome> {
        self.state.lock().outcome.take()
    }

    /// Whether the outcome is there.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().outcome.is_some()
    }

    /// The outcome, if it came in the last moment. If not, the caller has left, and none will come.
    pub(super) fn leave(&self) -> Option<PipelinedOutcome> {
        let mut state = self.state.lock();
        state.is_gone = state.outcome.is_none();
        state.outcome.take()
    }

    /// Whether the caller has left.
    pub(super) fn is_gone(&self) -> bool {
        self.state.lock().is_gone
    }

    /// Begins an attempt, when so much has been heard of the server.
    pub(super) fn attempt(&self, heard: u64) {
        let mut state = self.state.lock();
        (state.is_begun, state.heard_before) = (false, heard);
    }

    /// Says that the system has taken some of it.
    pub(super) fn begun(&self) {
        self.state.lock().is_begun = true;
    }

    /// Whether that has been said.
    pub(super) fn is_begun(&self) -> bool {
        self.state.lock().is_begun
    }

    /// How much had been heard when the attempt began.
    pub(super) fn heard_before(&self) -> u64 {
        self.state.lock().heard_before
    }

    /// Gives back the right to wait.
    pub(super) fn free_place(&self) {
        let place = self.place.lock().take();
        drop(place);
    }
}

impl PipelinedOutcome {
    /// Nothing was sent.
    pub(super) fn unsent(error: ClientError) -> Self {
        Self { result: Err(error), is_safe: true, was_reused: false }
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        self.here.fetch_sub(1, Ordering::Relaxed);
        self.places.free();
    }
}

impl fmt::Debug for PipelinedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what it sends, which may be secret.
        f.debug_struct("PipelinedCall").field("bytes", &self.sent.bytes.len()).finish_non_exhaustive()
    }
}
