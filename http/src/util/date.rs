//! Dates as HTTP writes and reads them (RFC 9110 section 5.6.7), and the text of the `Date` field, rendered once per
//! second.
//!
//! The idea: a server sends the same 29 bytes thousands of times before they change, so they are kept.
//!
//! The rule: time is passed in. Whoever owns a clock asks it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, after which the format has no room for the year.
pub(crate) const SECONDS_MAX: u64 = 253_402_300_799;

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
/// From the day of the epoch on.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const DAY: u64 = 86_400;

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
        let seconds = unix_seconds.min(SECONDS_MAX);
        let civil = civil_second(seconds);
        let text = &mut self.text;
        text[..3].copy_from_slice(&weekday(seconds / DAY).as_bytes()[..3]);
        text[8..11].copy_from_slice(&MONTHS[usize::from(civil.month - 1) * 3..][..3]);
        let year = [(civil.year / 100) as u8, (civil.year % 100) as u8];
        let numbers = [
            (5, civil.day),
            (12, year[0]),
            (14, year[1]),
            (17, civil.hour),
            (20, civil.minute),
            (23, civil.second),
        ];
        for (place, number) in numbers {
            text[place..place + 2].copy_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
        }
        self.seconds = unix_seconds;
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
    (civil_second(since.as_secs().min(SECONDS_MAX)), since.subsec_millis())
}

fn civil_second(seconds: u64) -> Civil {
    let of_day = seconds % DAY;
    // Years begin in March, so that the day of a leap year is the last; 1970-03-01 is the day 719468 of that calendar,
    // whose eras of 400 years all have as many days.
    let day = seconds / DAY + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Civil {
        year: era * 400 + year_of_era + u64::from(month <= 2),
        month: month as u8,
        day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
        hour: (of_day / 3600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
    }
}

fn weekday(day: u64) -> &'static str {
    WEEKDAYS[(day % 7) as usize]
}

/// How many days the month has; from 1.
pub(crate) fn days_in(month: u64, year: u64) -> u64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// For years from 1970 on.
pub(crate) fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let leap_days_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let leap_days = leap_days_before(year) - leap_days_before(1970);
    let days_before_month: u64 = (1..month).map(|month| days_in(month, year)).sum();
    (year - 1970) * 365 + leap_days + days_before_month + day - 1
}

/// Seconds since the epoch of a date in any of the three forms of HTTP, which is 1970 or later. `now` is asked when a
/// year has two digits.
pub(crate) fn parse(text: &[u8], now: impl FnOnce() -> u64) -> Option<u64> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (name, rest) = text.split_at(letters);
    let mut rest = DateRest(rest);
    let is_asctime = rest.0.first() == Some(&b' ');
    let (year, month, day, time);
    if is_asctime {
        // Sun Nov  6 08:49:37 1994
        month = rest.skip(b" ")?.month()?;
        rest.skip(b" ")?;
        day = if rest.skip(b" ").is_some() { rest.number(1)? } else { rest.number(2)? };
        time = rest.skip(b" ")?.time_of_day()?;
        year = rest.skip(b" ")?.number(4)?;
    } else {
        // Sun, 06 Nov 1994 08:49:37 GMT, or Sunday, 06-Nov-94 08:49:37 GMT
        let (between, year_digits): (&[u8], _) = if letters == 3 { (b" ", 4) } else { (b"-", 2) };
        day = rest.skip(b", ")?.number(2)?;
        month = rest.skip(between)?.month()?;
        year = rest.skip(between)?.number(year_digits)?;
        time = rest.skip(b" ")?.time_of_day()?;
        rest.skip(b" GMT")?;
    }
    if !rest.0.is_empty() {
        return None;
    }
    let at = |year: u64| {
        let is_there = (1970..=9999).contains(&year) && (1..=days_in(month, year)).contains(&day);
        is_there.then(|| days_since_epoch(year, month, day))
    };
    let is_short = !is_asctime && letters != 3;
    let days = if is_short { at(full_year(year, (month, day, time), now()))? } else { at(year)? };
    let weekday = weekday(days).as_bytes();
    let is_right = name == if is_short { weekday } else { &weekday[..3] };
    is_right.then_some(days * DAY + time)
}

/// The year of two digits in which this month, day and second of the day are at most fifty years from now (RFC 9110).
fn full_year(digits: u64, (month, day, time): (u64, u64, u64), now: u64) -> u64 {
    let today = civil_second(now.min(SECONDS_MAX));
    let latest = (today.year + 50, u64::from(today.month), u64::from(today.day), now % DAY);
    let mut year = latest.0 - latest.0 % 100 + digits;
    while (year, month, day, time) > latest {
        year -= 100;
    }
    year
}

/// What is left of a date.
struct DateRest<'a>(&'a [u8]);

impl DateRest<'_> {
    fn skip(&mut self, expected: &[u8]) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(self)
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, digits: usize) -> Option<u64> {
        let append =
            |number: u64, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'));
        self.take(digits)?.iter().try_fold(0, append)
    }

    /// From 1.
    fn month(&mut self) -> Option<u64> {
        let name = self.take(3)?;
        (1..).zip(MONTHS.chunks_exact(3)).find(|(_, month)| *month == name).map(|(number, _)| number)
    }

    /// The second of the day; a leap second is the one behind the day's last.
    fn time_of_day(&mut self) -> Option<u64> {
        let hour = self.number(2)?;
        let minute = self.skip(b":")?.number(2)?;
        let second = self.skip(b":")?.number(2)?;
        let is_leap = (hour, minute, second) == (23, 59, 60);
        let is_there = hour < 24 && minute < 60 && second < 60 || is_leap;
        is_there.then_some(hour * 3600 + minute * 60 + second)
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

    /// How a year of two digits is read depends on the day on which it is: at most fifty years from now.
    #[test]
    fn short_years_are_near() {
        let day = |year, month, day| days_since_epoch(year, month, day) * DAY;
        // Noon, so the same day fifty years later is within the bound in the morning and beyond it in the evening.
        let now = day(2026, 11, 30) + DAY / 2;
        for (text, expected) in [
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Wednesday, 30-Nov-77 00:00:00 GMT", Some(day(1977, 11, 30))),
            ("Monday, 30-Nov-76 12:00:00 GMT", Some(day(2076, 11, 30) + DAY / 2)),
            ("Tuesday, 30-Nov-76 12:00:01 GMT", Some(day(1976, 11, 30) + DAY / 2 + 1)),
            ("Wednesday, 01-Jan-70 00:00:00 GMT", Some(day(2070, 1, 1))),
            ("Monday, 30-Nov-26 00:00:00 GMT", Some(day(2026, 11, 30))),
            ("Friday, 01-Jan-27 00:00:00 GMT", Some(day(2027, 1, 1))),
            // A Saturday in 2000.
            ("Monday, 01-Jan-00 00:00:00 GMT", None),
        ] {
            assert_eq!(parse(text.as_bytes(), || now), expected, "{text}");
        }
        let then = day(2090, 6, 1);
        assert_eq!(parse(b"Wednesday, 01-Jan-10 00:00:00 GMT", || then), Some(day(2110, 1, 1)));
        assert_eq!(
            parse(b"Wednesday, 01-Jan-70 00:00:00 GMT", || day(1970, 1, 1)),
            None,
            "1970 was a Thursday"
        );
        assert_eq!(parse(b"Thursday, 01-Jan-70 00:00:00 GMT", || day(1970, 1, 1)), Some(0));
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
