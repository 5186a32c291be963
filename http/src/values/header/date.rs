//! Dates in fields such as `Last-Modified` and `If-Modified-Since`.
//!
//! Source: RFC 9110 section 5.6.7. One form is written; the two obsolete ones are read too.
//!
//! The rule: seconds. What is finer is cut off, so a time that was written and read is never later than it was.

use super::text::ValueText;
use crate::util::date::{self, HttpDate, whole_seconds};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The text of `time`, cut to the second: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Times before 1970 and after 9999 are written as the first and the last second between.
///
/// ```
/// use anthill_http::header;
/// use std::time::{Duration, UNIX_EPOCH};
/// let time = UNIX_EPOCH + Duration::from_millis(784_111_777_999);
/// assert_eq!(header::format_http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
pub fn format_http_date(time: SystemTime) -> String {
    date_text(time).as_str().to_owned()
}

/// As [`format_http_date`], without memory of its own.
pub(crate) fn date_text(time: SystemTime) -> ValueText {
    let mut date = HttpDate::new();
    ValueText::of(std::str::from_utf8(date.at(whole_seconds(time))).unwrap_or_default())
}

/// Reads a date in any of the three forms of RFC 9110. `None` when it is none, or before 1970.
///
/// The day of the week must be the right one. A year of two digits is the last that is at most fifty years from now.
/// The leap second `23:59:60` is the second behind it.
///
/// ```
/// use anthill_http::header;
/// use std::time::{Duration, UNIX_EPOCH};
/// let time = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
/// assert_eq!(header::parse_http_date(b"Sun, 06 Nov 1994 08:49:37 GMT"), time);
/// assert_eq!(header::parse_http_date(b"Sunday, 06-Nov-94 08:49:37 GMT"), time);
/// assert_eq!(header::parse_http_date(b"Sun Nov  6 08:49:37 1994"), time);
/// assert!(header::parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT").is_some());
/// assert_eq!(header::parse_http_date(b"yesterday"), None);
/// ```
pub fn parse_http_date(value: &[u8]) -> Option<SystemTime> {
    let seconds = date::parse(value, || whole_seconds(SystemTime::now()))?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}
