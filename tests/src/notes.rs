//! What handlers tell their test.

use std::sync::{Arc, Mutex, PoisonError};

use crate::eventually;

/// What handlers have to say to their test.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Says it.
    pub fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note.into());
    }

    /// All that was said since this was asked last, once there are so many.
    #[track_caller]
    pub fn take(&self, count: usize) -> Vec<String> {
        let notes = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        eventually("the handlers say what they have to", || notes().len() >= count);
        std::mem::take(&mut *notes())
    }
}
