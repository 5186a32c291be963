//! What a test knows of a server: the clock that it moves, and what has gone wrong in handlers.

use crate::util::test_clock::TestClock;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// So many notes are kept, the last ones.
const NOTES_MAX: usize = 8;

/// What a test knows of a server. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestWatch {
    pub(crate) clock: TestClock,
    notes: Arc<Mutex<VecDeque<String>>>,
}

impl TestWatch {
    /// One with that clock.
    pub(crate) fn new(clock: TestClock) -> Self {
        Self { clock, notes: Arc::default() }
    }

    /// Something has gone wrong of which clients are told little.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let mut notes = self.notes.lock();
        if notes.len() == NOTES_MAX {
            notes.pop_front();
        }
        notes.push_back(what.to_string());
    }

    /// What has gone wrong lately, the oldest first.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().iter().cloned().collect()
    }
}
