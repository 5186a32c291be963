//! Who holds leases: a name at the server, and the queue that it is known in.

use std::time::Duration;

use super::link::Link;
use super::names::{GROUP, Keys};
use super::scripts;
use crate::remote::error::SourceError;

/// Names of consumers that have nothing pending are removed when they were not heard of for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// What everything that is asked of the server has in common.
pub(super) struct Holder {
    pub(super) keys: Keys,
    /// Under which jobs are pending.
    pub(super) name: String,
    pub(super) lease: Duration,
}

/// Milliseconds, as the server counts.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_micros().div_ceil(1000)).unwrap_or(u64::MAX).min(1 << 48)
}

impl Holder {
    /// Removes the names of consumers that are long gone, and the one that is `leaving`.
    pub(super) fn dismiss(&self, link: &mut Link, leaving: &str) -> Result<(), SourceError> {
        let streams = self.keys.streams.each_ref().map(String::as_str);
        link.eval(&self.keys, scripts::DISMISS, &streams, |command| {
            command.arg(GROUP).arg(millis(FORGOTTEN_AFTER)).arg(leaving);
        })
    }
}
