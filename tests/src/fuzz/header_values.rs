//! Values of header fields: every text has an answer, the answer keeps within its bounds, and what is printed reads
//! back.

use std::time::{Duration, UNIX_EPOCH};

use anthill_http::header::{
    Accept, AcceptEncoding, AcceptLanguage, ByteRange, ByteRanges, ContentRange, EntityTag, EntityTagList,
    Params, Quality, RangeError, RangeSpec, Weighted, format_http_date, has_token, parse_http_date,
};

use super::plan::{Plan, fields};
use super::reference::is_token;

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [value, other, number] = fields::<3>(input);
    check_params(value);
    check_qualities([value, other]);
    let shift = plan.below(64);
    let length = number.iter().fold(u64::from(plan.byte()), |length, digit| length << 8 | u64::from(*digit));
    check_ranges(value, length.rotate_left(shift as u32));
    check_tags(value, other);
    check_dates(value, length);
    let text = String::from_utf8_lossy(other).into_owned();
    let expected = value
        .split(|byte| *byte == b',')
        .map(|element| {
            let is_inside = |byte: &u8| !matches!(byte, b' ' | b'\t');
            let start = element.iter().position(is_inside).unwrap_or(element.len());
            let end = element.iter().rposition(is_inside).map_or(start, |last| last + 1);
            &element[start..end]
        })
        .any(|element| !element.is_empty() && element.eq_ignore_ascii_case(text.as_bytes()));
    assert_eq!(has_token([value], &text), expected);
}

fn check_params(value: &[u8]) {
    let mut printed = Vec::new();
    let found: Vec<(&str, &[u8])> = Params::new(value).collect();
    for (name, raw) in &found {
        assert!(is_token(name.as_bytes()), "{name:?}");
        assert!(!raw.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{}", raw.escape_ascii());
        assert!(Params::unescape(raw).len() <= raw.len());
        printed.extend_from_slice(format!("; {name}=\"").as_bytes());
        printed.extend_from_slice(raw);
        printed.push(b'"');
        let first = found
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, raw)| Params::unescape(raw));
        assert_eq!(Params::new(value).get(name), first);
    }
    // Between quotes all of them read the same.
    let again: Vec<(&str, &[u8])> = Params::new(&printed).collect();
    assert_eq!(again, found, "{}", printed.escape_ascii());
}

fn check_qualities(lines: [&[u8]; 2]) {
    let members: Vec<(Vec<u8>, Quality)> =
        Weighted::list(lines).map(|member| (member.value().to_vec(), member.quality())).collect();
    let mut printed = Vec::new();
    for (value, quality) in &members {
        assert!(!value.is_empty() && quality.thousandths() <= 1000);
        assert_eq!(Quality::from_thousandths(quality.thousandths()), Some(*quality));
        printed.push([&value[..], format!(";q={quality}").as_bytes()].concat());
    }
    let again: Vec<(Vec<u8>, Quality)> =
        Weighted::list(&printed).map(|member| (member.value().to_vec(), member.quality())).collect();
    assert_eq!(again, members, "{printed:?}");

    let types = ["text/html", "text/plain", "image/png", "*/*", ""];
    let codings = ["gzip", "br", "identity", "x-gzip", "*"];
    let tags = ["de", "de-CH", "en", "*", ""];
    let preferred = Accept::new(lines).preferred(types);
    assert!(preferred.is_none_or(|best| {
        types.iter().all(|other| Accept::new(lines).quality(other) <= Accept::new(lines).quality(best))
    }));
    let preferred = AcceptEncoding::new(lines).preferred(codings);
    assert!(preferred.is_none_or(|best| AcceptEncoding::new(lines).accepts(best)));
    let preferred = AcceptLanguage::new(lines).preferred(tags);
    assert!(preferred.is_none_or(|best| AcceptLanguage::new(lines).accepts(best)));
    if let Ok(own) = std::str::from_utf8(lines[1]) {
        Accept::new([lines[0]]).quality(own);
        AcceptEncoding::new([lines[0]]).quality(own);
        AcceptLanguage::new([lines[0]]).quality(own);
    }
}

fn check_ranges(value: &[u8], length: u64) {
    if let Ok(ranges) = ByteRanges::parse(value, length) {
        let announced = ranges.len();
        let total = ranges.total_len();
        let all: Vec<ByteRange> = ranges.collect();
        assert!((1..=ByteRanges::MAX).contains(&all.len()) && all.len() == announced);
        assert!(all.iter().all(|range| range.first() <= range.last() && range.last() < length), "{all:?}");
        let sum = all.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len()));
        assert_eq!(sum, total);
        for range in all {
            assert_eq!(range.bounds().end - range.bounds().start, range.len());
            let of =
                ContentRange::parse(format!("bytes {}-{}/{length}", range.first(), range.last()).as_bytes());
            let of = of.expect("a range within its length");
            assert_eq!(ContentRange::parse(of.to_string().as_bytes()), Some(of));
        }
    }
    let is_empty = length == 0;
    assert!(!is_empty || ByteRanges::parse(value, 0).is_err(), "a range of nothing");
    if let Some(spec) = RangeSpec::parse(value) {
        assert_eq!(RangeSpec::parse(spec.to_string().as_bytes()), Some(spec));
        let one = ByteRanges::parse(spec.to_value().as_bytes(), length).map(|mut ranges| ranges.next());
        match spec.resolve(length) {
            Some(range) => assert_eq!(one.ok().flatten(), Some(range)),
            None => assert_eq!(one.err(), Some(RangeError::Unsatisfiable)),
        }
    }
    if let Some(range) = ContentRange::parse(value) {
        assert_eq!(ContentRange::parse(range.to_string().as_bytes()), Some(range));
    }
}

fn check_tags(value: &[u8], other: &[u8]) {
    let list = EntityTagList::new([value]);
    for tag in list.iter() {
        assert_eq!(EntityTag::parse(tag.as_bytes()).map(|again| again.strong_eq(tag)), Some(!tag.is_weak()));
        assert!(list.matches_weakly(Some(tag)) && (tag.is_weak() || list.matches_strongly(Some(tag))));
        assert!(!tag.opaque().iter().any(|byte| *byte <= b' ' || matches!(byte, b'"' | 0x7f)));
    }
    if let (Some(one), Some(other)) = (EntityTag::parse(value), EntityTag::parse(other)) {
        assert_eq!(one.weak_eq(other), other.weak_eq(one));
        assert_eq!(one.strong_eq(other), other.strong_eq(one));
        assert!(!one.strong_eq(other) || one.weak_eq(other));
        assert_eq!(list.matches_weakly(Some(other)), one.weak_eq(other));
    }
}

fn check_dates(value: &[u8], seconds: u64) {
    let times = [parse_http_date(value), UNIX_EPOCH.checked_add(Duration::from_secs(seconds >> 24))];
    for time in times.into_iter().flatten() {
        let printed = format_http_date(time);
        let again = parse_http_date(printed.as_bytes());
        // Years of five digits have no such form.
        assert!(again.is_none_or(|again| again <= time.max(UNIX_EPOCH)), "{printed}");
        if let Some(again) = again {
            assert_eq!(format_http_date(again).as_bytes(), printed.as_bytes());
        }
    }
}
