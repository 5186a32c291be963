//! Warnings that would come with every connection, said once a minute.

use crate::util::seldom::Seldom;
use std::fmt;
use std::time::Instant;

/// One warning. Each has a value of its own, so that none silences another.
#[derive(Debug, Default)]
pub(crate) struct SaySeldom {
    said: Seldom,
}

impl SaySeldom {
    /// Logs `warning`, unless this value has done so within the last minute.
    pub(crate) fn say(&mut self, warning: fmt::Arguments<'_>) {
        if self.said.is_due(Instant::now()) {
            log::warn!("{warning}");
        }
    }
}
