//! Dates as they are in `Expires` attributes, of which there are more forms than standards.
//!
//! The idea: RFC 6265 section 5.1.1 does not know forms. It looks for a time, a day, a month and a year among
//! the words of the text, each time for the first word that can be it.

use crate::util::date::{SECONDS_MAX, days_in, days_since_epoch};

/// The last that can be written.
pub(super) const LATEST: u64 = SECONDS_MAX;

/// The date in seconds since the Unix epoch; dates before that are the epoch itself.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for word in text.split(is_delimiter).filter(|word| !word.is_empty()) {
        let _ = find(&mut time, || time_of_day(word))
            || find(&mut day, || number(word, 1, 2))
            || find(&mut month, || month_number(word))
            || find(&mut year, || number(word, 2, 4));
    }
    let ([hours, minutes, seconds], day, month): ([u64; 3], u64, u64) = (time?, day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if hours > 23 || minutes > 59 || seconds > 59 || year < 1601 || day < 1 || day > days_in(month, year) {
        return None;
    }
    if year < 1970 {
        return Some(0);
    }
    let time = hours * 3600 + minutes * 60 + seconds;
    Some((days_since_epoch(year, month, day) * 86_400 + time).min(LATEST))
}

/// Whether `slot` was empty and now has what `read` found.
fn find<T>(slot: &mut Option<T>, read: impl FnOnce() -> Option<T>) -> bool {
    if slot.is_some() {
        return false;
    }
    *slot = read();
    slot.is_some()
}

fn is_delimiter(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The number that `word` starts with, if it has from `least` to `most` digits; what follows does not count.
fn number(word: &[u8], least: usize, most: usize) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits < least || digits > most {
        return None;
    }
    Some(word[..digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Hours, minutes and seconds of a word that starts with `h:m:s`, whether or not there is such a time.
fn time_of_day(word: &[u8]) -> Option<[u64; 3]> {
    let mut fields = word.splitn(3, |&byte| byte == b':');
    let (hours, minutes, seconds) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = |field: &[u8]| if field.iter().all(u8::is_ascii_digit) { number(field, 1, 2) } else { None };
    Some([whole(hours)?, whole(minutes)?, number(seconds, 1, 2)?])
}

/// From 1 for words that start with `Jan` in any case.
fn month_number(word: &[u8]) -> Option<u64> {
    let months = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let start = word.get(..3)?;
    (1..).zip(months.chunks_exact(3)).find(|(_, month)| start.eq_ignore_ascii_case(month)).map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::date::HttpDate;
    use proptest::prelude::*;

    #[test]
    fn forms_in_use() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 6-nov-1994 8:49:37 UTC",
            "1994/November/6T 08:49:37",
            "08:49:37Z 6th NOVEMBER 1994 +0000",
            "6 Nov 94 08:49:37 7 8 Dec 95 01:01:01",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text:?}");
        }
    }

    #[test]
    fn edges_of_the_calendar() {
        for (text, expected) in [
            ("1 Jan 1970 00:00:00", Some(0)),
            ("31 Dec 1969 23:59:59", Some(0)),
            ("1 Jan 1601 00:00:00", Some(0)),
            ("1 Jan 1600 00:00:00", None),
            ("31 Dec 9999 23:59:59", Some(LATEST)),
            ("1 Jan 70 00:00:00", Some(0)),
            ("1 Jan 69 00:00:00", Some(3_124_224_000)),
            ("29 Feb 2024 00:00:00", Some(1_709_164_800)),
            ("29 Feb 2023 00:00:00", None),
            ("29 Feb 2100 00:00:00", None),
            ("31 Apr 2024 00:00:00", None),
            ("0 Jan 2024 00:00:00", None),
            ("1 Jan 2024 24:00:00", None),
            ("1 Jan 2024 00:60:00", None),
            ("1 Jan 2024 00:00:60", None),
            // The first word of that form is the time, and no day, even if there is no such time.
            ("24:00:00 1 Jan 2024 08:00:00", None),
            ("1 Jan 2024 00:00", None),
            ("1 Jan 20240 00:00:00", None),
            ("1 Jan 2024 000:00:00", None),
            ("1 Foo 2024 00:00:00", None),
            ("Jan 2024 00:00:00", None),
            ("0", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_writer(seconds in 0..=LATEST) {
            prop_assert_eq!(parse(HttpDate::new().at(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_a_date_or_not(text in "[0-9:JanFebT ,;-]{0,40}") {
            prop_assert!(parse(text.as_bytes()).is_none_or(|seconds| seconds <= LATEST));
        }
    }
}
