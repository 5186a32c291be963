//! Dates as HTTP writes them, and the text of the `Date` field, rendered once per second.
//!
//! The idea: a server sends the same 29 bytes thousands of times before they change, so they are kept.
//!
//! The rule: time is passed in. Whoever owns a clock asks it.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, after which the format has no room for the year.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Remembers the text of the last second it was asked for; see the module's text.
#[derive(Clone, Debug)]
pub(crate) struct HttpDate {
    seconds: u64,
    text: [u8; 29],
}

impl HttpDate {
    /// A cache that holds the text of the epoch.
    pub(crate) fn new() -> Self {
        Self { seconds: 0, text: *b"Thu, 01 Jan 1970 00:00:00 GMT" }
    }

    /// The RFC 9110 section 5.6.7 text (IMF-fixdate) of a time in seconds since the Unix epoch.
    #[inline]
    pub(crate) fn at(&mut self, unix_seconds: u64) -> &[u8; 29] {
        if unix_seconds != self.seconds {
            self.render(unix_seconds);
        }
        &self.text
    }

    #[cold]
    fn render(&mut self, unix_seconds: u64) {
        let time = UNIX_EPOCH + Duration::from_secs(unix_seconds.min(SECONDS_MAX));
        // The text is exactly as long as its place.
        if write!(&mut self.text[..], "{}", httpdate::HttpDate::from(time)).is_ok() {
            self.seconds = unix_seconds;
        }
    }
}

/// How long after the Unix epoch; zero for earlier times.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whole seconds since the Unix epoch; 0 for earlier times.
pub(crate) fn whole_seconds(time: SystemTime) -> u64 {
    since_epoch(time).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_any_second() {
        let mut date = HttpDate::new();
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (1, "Thu, 01 Jan 1970 00:00:01 GMT"),
        ] {
            assert_eq!(date.at(seconds), expected.as_bytes(), "{seconds}");
        }
    }
}
