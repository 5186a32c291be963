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

/// A day and a time of day, of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u8,
    /// From 1.
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

/// A time as people write it, and the milliseconds beyond. The epoch for earlier times, the end of the year 9999 for
/// later ones.
pub(crate) fn civil(time: SystemTime) -> (Civil, u32) {
    let since = since_epoch(time);
    let seconds = since.as_secs().min(SECONDS_MAX);
    let of_day = seconds % 86_400;
    // Years begin in March, so that the day of a leap year is the last; 1970-03-01 is the day 719468 of that calendar,
    // whose eras of 400 years all have as many days.
    let day = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let civil = Civil {
        year: era * 400 + year_of_era + u64::from(month <= 2),
        month: month as u8,
        day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
        hour: (of_day / 3600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
    };
    (civil, since.subsec_millis())
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
    fn a_day_is_that_of_the_date_field() {
        let mut date = HttpDate::new();
        let days = (0..3_000_000).step_by(37).chain([11_016, 11_017, 47_540, 47_541, 364, 365, 789, 790]);
        for seconds in days.map(|day| (day * 86_400 + 86_399).min(SECONDS_MAX)) {
            let (civil, _) = civil(UNIX_EPOCH + Duration::from_secs(seconds));
            let text = std::str::from_utf8(date.at(seconds)).expect("text").to_owned();
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = &months[usize::from(civil.month - 1) * 3..][..3];
            let told = format!("{:02} {month} {:04} {:02}:", civil.day, civil.year, civil.hour);
            assert!(text.contains(&told), "{civil:?} is not {text}");
        }
        let (civil, millis) = civil(UNIX_EPOCH + Duration::from_millis(784_111_777_042));
        let expected = Civil { year: 1994, month: 11, day: 6, hour: 8, minute: 49, second: 37 };
        assert_eq!((civil, millis), (expected, 42));
    }

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
