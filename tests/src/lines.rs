//! What is written into memory, line by line: where access logs of tests go to.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::eventually;

/// Lines that were written; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written since this was taken last, now.
    ///
    /// # Panics
    /// When that is no text.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("text")
    }

    /// All lines that were written since this was asked last, once there are so many, and no more than that.
    ///
    /// # Panics
    /// When there are more, or the last has no end.
    #[track_caller]
    pub fn take(&self, count: usize) -> Vec<String> {
        eventually("the lines are written", || self.text().lines().count() >= count);
        let text = String::from_utf8(mem::take(&mut *self.bytes())).expect("text");
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), count, "{text}");
        assert!(text.ends_with('\n'), "{text}");
        lines
    }

    /// Forgets what was written.
    pub fn clear(&self) {
        self.bytes().clear();
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
