//! Cookies, in requests and in responses: whatever is set stays one cookie, and reads as it was set.

use std::time::{Duration, UNIX_EPOCH};

use anthill_http::Cookie;
use anthill_http::cookie::{CookieLine, RequestCookies, SameSite};

use super::plan::{Plan, fields};

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [raw, name, value, other] = fields::<4>(input);
    check_lines([raw, other]);
    check_received(raw);
    check_line(&mut plan, raw, name, value, other);
    check_set(&mut plan, [raw, name, value, other]);
}

fn check_lines(lines: [&[u8]; 2]) {
    let found: Vec<(&[u8], &[u8])> = RequestCookies::new(lines).collect();
    let mut expected = Vec::new();
    for piece in lines.iter().flat_map(|line| line.split(|byte| *byte == b';')) {
        let (name, value) = pair(piece);
        let is_cookie = !(name.is_empty() && value.is_empty());
        if is_cookie && ![name, value].concat().iter().any(u8::is_ascii_control) {
            expected.push((name, value));
        }
    }
    assert_eq!(found, expected);
    for (name, _) in &expected {
        let first = expected.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        assert_eq!(RequestCookies::new(lines).get(name), first);
    }
}

fn check_received(field: &[u8]) {
    let Ok(cookie) = Cookie::parse(field) else { return };
    assert_eq!(cookie.name(), Cookie::name_of(field));
    judge(&cookie);
    let mut printed = Vec::new();
    cookie.append_to(&mut printed);
    assert_eq!(Cookie::parse(&printed), Ok(printable(cookie)), "{}", printed.escape_ascii());
}

fn check_line(plan: &mut Plan<'_>, raw: &[u8], name: &[u8], value: &[u8], other: &[u8]) {
    let mut line = CookieLine::new();
    for _ in 0..6 {
        let (name, value) = if plan.is_yes() { (name, value) } else { (other, raw) };
        match plan.below(4) {
            0 => drop(line.add(name, value)),
            1 => drop(line.set(name, value)),
            2 => {
                line.remove(name);
                assert_eq!(line.get(name), None, "{line:?} still has it");
            }
            _ => line.extend([(name, value)]),
        }
        let bytes = line.as_bytes();
        assert!(!bytes.iter().any(u8::is_ascii_control), "{}", bytes.escape_ascii());
        let found: Vec<(&[u8], &[u8])> = line.iter().collect();
        let split: Vec<(&[u8], &[u8])> =
            bytes.split(|byte| *byte == b';').map(pair).filter(|pair| *pair != (b"", b"")).collect();
        assert!(split.iter().all(|pair| found.contains(pair)), "{}", bytes.escape_ascii());
        // Who reads it finds these, but for those with stray quotes.
        let read: Vec<(&[u8], &[u8])> = RequestCookies::new([bytes]).collect();
        assert!(read.iter().all(|pair| found.contains(pair)), "{}", bytes.escape_ascii());
    }
}

fn check_set(plan: &mut Plan<'_>, [raw, name, value, other]: [&[u8]; 4]) {
    let mut cookie = Cookie::new(name, value);
    let same_site =
        [None, Some(SameSite::Default), Some(SameSite::Lax), Some(SameSite::Strict), Some(SameSite::None)];
    cookie.set_same_site(same_site[plan.below(5)]);
    cookie.set_domain(if plan.is_yes() { other } else { b"" });
    cookie.set_path(if plan.is_yes() { raw } else { b"" });
    cookie.set_http_only(plan.is_yes());
    cookie.set_partitioned(plan.is_yes());
    cookie.set_secure(plan.is_yes());
    match plan.below(4) {
        1 => drop(cookie.set_max_age(Duration::from_secs(plan.byte().into()))),
        2 => drop(cookie.set_expires(UNIX_EPOCH + Duration::from_secs(u64::from(plan.byte()) << 24))),
        3 => drop(cookie.set_max_age(Duration::MAX)),
        _ => {}
    }
    judge(&cookie);
    let mut printed = Vec::new();
    cookie.append_to(&mut printed);
    let is_valid = cookie.validate().is_ok();
    match Cookie::parse(&printed) {
        // Not one attribute more or less than was set.
        Ok(found) => {
            assert_eq!(
                (found.name(), found.value()),
                (cookie.name(), cookie.value()),
                "{}",
                printed.escape_ascii()
            );
            let flags = |cookie: &Cookie| {
                (
                    cookie.http_only(),
                    cookie.secure(),
                    cookie.partitioned(),
                    cookie.same_site(),
                    cookie.max_age(),
                )
            };
            assert_eq!(flags(&found), flags(&cookie), "{}", printed.escape_ascii());
            assert_eq!(found.path(), cookie.path(), "{}", printed.escape_ascii());
            assert!(cookie.domain().is_some() || found.domain().is_none(), "{}", printed.escape_ascii());
            assert!(!is_valid || found == printable(cookie), "{}", printed.escape_ascii());
        }
        Err(error) => assert!(!is_valid, "{error}: {}", printed.escape_ascii()),
    }
}

/// The cookie as it is printed: an age leaves no room for a date.
fn printable(mut cookie: Cookie) -> Cookie {
    if cookie.max_age().is_some() {
        cookie.set_expires(None);
    }
    cookie
}

fn judge(cookie: &Cookie) {
    let mut printed = Vec::new();
    cookie.append_to(&mut printed);
    assert!(
        !printed.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'),
        "{}",
        printed.escape_ascii()
    );
    let set = 1
        + usize::from(cookie.max_age().is_some() || cookie.expires().is_some())
        + usize::from(cookie.domain().is_some())
        + usize::from(cookie.path().is_some())
        + usize::from(cookie.http_only())
        + usize::from(cookie.secure())
        + usize::from(cookie.same_site().is_some())
        + usize::from(cookie.partitioned());
    assert_eq!(printed.split(|byte| *byte == b';').count(), set, "{}", printed.escape_ascii());
}

/// Name and value, without the blanks around them.
fn pair(piece: &[u8]) -> (&[u8], &[u8]) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let trim = |text: &'_ [u8]| {
        let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
        start..end
    };
    match piece.iter().position(|byte| *byte == b'=') {
        Some(equals) => {
            let (name, value) = (&piece[..equals], &piece[equals + 1..]);
            (&name[trim(name)], &value[trim(value)])
        }
        None => (b"", &piece[trim(piece)]),
    }
}
