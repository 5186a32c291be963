//! Cookies as values: rows `CKY-01` to `CKY-03`.
//!
//! The rule: where the crate `cookie` means the same, it says what is right; elsewhere RFC 6265 and fasthttp do.

use anthill_http::Cookie;
use anthill_http::cookie::{CookieError, CookieLine, RequestCookies, SameSite};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Pair<'a> = (&'a [u8], &'a [u8]);

/// So many seconds the last date lies behind the epoch. No age is greater.
const GREATEST_AGE: Duration = Duration::from_secs(253_402_300_799);

fn after_epoch(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn written(cookie: &Cookie) -> Vec<u8> {
    let mut out = Vec::new();
    cookie.append_to(&mut out);
    out
}

#[track_caller]
fn assert_written(cookie: &Cookie, expected: &str) {
    assert_eq!(cookie.to_string(), expected);
    assert_eq!(written(cookie), expected.as_bytes());
}

#[test]
fn cky_01_attributes_have_their_order_and_case() {
    let mut cookie = Cookie::new("name", "value");
    cookie
        .set_partitioned(true)
        .set_same_site(SameSite::Strict)
        .set_http_only(true)
        .set_path("/app")
        .set_domain("example.com")
        .set_expires(after_epoch(784_111_777));
    assert_written(
        &cookie,
        "name=value; expires=Sun, 06 Nov 1994 08:49:37 GMT; domain=example.com; path=/app; HttpOnly; secure; \
         SameSite=Strict; Partitioned",
    );
    cookie.clear();
    assert_eq!(cookie, Cookie::default());
    assert_written(&cookie, "");
}

#[test]
fn cky_01_max_age_wins_over_expires() {
    let mut cookie = Cookie::new("a", "b");
    cookie.set_expires(after_epoch(0)).set_max_age(Duration::from_secs(7));
    assert_written(&cookie, "a=b; max-age=7");
    cookie.set_max_age(Duration::ZERO);
    assert_written(&cookie, "a=b; max-age=0");
    cookie.set_max_age(Duration::from_millis(1));
    assert_written(&cookie, "a=b; max-age=1");
    cookie.set_max_age(Duration::MAX);
    assert_written(&cookie, "a=b; max-age=253402300799");
    cookie.set_max_age(None);
    assert_written(&cookie, "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT");
    cookie.set_expires(UNIX_EPOCH - Duration::from_secs(9));
    assert_written(&cookie, "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT");
    cookie.set_expires(after_epoch(u64::MAX / 4));
    assert_written(&cookie, "a=b; expires=Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(cookie.expires(), Some(after_epoch(253_402_300_799)));
    cookie.set_expires(None);
    assert_written(&cookie, "a=b");
}

#[test]
fn cky_01_same_site_modes() {
    for (mode, text) in [
        (Some(SameSite::Default), "a=b; SameSite"),
        (Some(SameSite::Lax), "a=b; SameSite=Lax"),
        (Some(SameSite::Strict), "a=b; SameSite=Strict"),
        (Some(SameSite::None), "a=b; secure; SameSite=None"),
        (None, "a=b"),
    ] {
        let mut cookie = Cookie::new("a", "b");
        assert_written(cookie.set_same_site(mode), text);
        assert_eq!(cookie.validate(), Ok(()));
        assert_eq!(Cookie::parse(text), Ok(cookie));
    }
}

#[test]
fn cky_01_partitioned_implies_secure_and_the_root() {
    let mut cookie = Cookie::new("a", "b");
    assert_written(cookie.set_path("/x").set_partitioned(true), "a=b; path=/; secure; Partitioned");
    assert_written(cookie.set_partitioned(false), "a=b; path=/; secure");
    cookie.set_partitioned(true).set_secure(false);
    assert_eq!(cookie.validate(), Err(CookieError::NotSecure));
}

#[test]
fn cky_01_deleting_at_the_client() {
    let mut gone = Cookie::expired("sid");
    assert_written(&gone, "sid=; expires=Tue, 10 Nov 2009 23:00:00 GMT");
    gone.set_value("back").set_max_age(Duration::from_secs(1)).set_path("/p").set_domain("h").expire();
    assert_written(&gone, "sid=; expires=Tue, 10 Nov 2009 23:00:00 GMT; domain=h; path=/p");
}

#[test]
fn cky_01_a_cookie_without_name_stays_one() {
    assert_written(&Cookie::new("", "value"), "value");
    // Without the `=` in front it would be a cookie called `__Host-sid`.
    let cookie = Cookie::new("", "__Host-sid=forged");
    assert_written(&cookie, "=__Host-sid=forged");
    assert_eq!(Cookie::parse(written(&cookie)), Ok(cookie));
}

#[test]
fn cky_01_paths_are_normal() {
    for (path, expected) in [
        ("", None),
        ("/", Some("/")),
        ("a", Some("/a")),
        ("/a//b/../c/", Some("/a/c/")),
        ("/../..", Some("/")),
        ("/a b", Some("/a%20b")),
        ("/a%20b%2e%2E", Some("/a%20b%2e%2E")),
        ("/ä;HttpOnly\r\n\0", Some("/%C3%A4%3BHttpOnly%0D%0A%00")),
        ("/\"quoted\"\\", Some("/\"quoted\"\\")),
    ] {
        let mut cookie = Cookie::new("a", "b");
        cookie.set_path(path);
        assert_eq!(cookie.path(), expected.map(str::as_bytes), "{path:?}");
        assert_eq!(cookie.validate(), Ok(()), "{path:?}");
        assert_eq!(Cookie::parse(written(&cookie)), Ok(cookie), "{path:?}");
    }
}

#[test]
fn cky_01_no_setter_begins_another_line_or_attribute() {
    for byte in (0..b' ').chain([0x7f, b';']) {
        let evil = [b"x", &[byte][..], b"Domain=evil", &[byte], b"Secure"].concat();
        let mut cookie = Cookie::new(&evil, &evil);
        cookie.set_domain(&evil).set_path(&evil);
        let expected = format!(
            "x Domain evil Secure=x Domain=evil Secure; domain=x Domain=evil Secure; \
             path=/x%{byte:02X}Domain=evil%{byte:02X}Secure"
        );
        assert_written(&cookie, &expected);
        let mut line = CookieLine::new();
        line.add(&evil, &evil).set("b", &evil).add("", &evil);
        assert_eq!(
            String::from_utf8_lossy(line.as_bytes()),
            "x Domain evil Secure=x Domain=evil Secure; b=x Domain=evil Secure; =x Domain=evil Secure"
        );
    }
}

#[test]
fn cky_02_well_formed_cookies_are_read() {
    for (field, expected) in [
        ("a", "a"),
        ("a=b", "a=b"),
        ("a=", "a="),
        ("=b", "b"),
        (" a\t = b c ", "a=b c"),
        ("a=b=c", "a=b=c"),
        ("a=\"b c\"", "a=\"b c\""),
        ("a=\"\"", "a=\"\""),
        ("a=%22+b,c", "a=%22+b,c"),
        ("ä=ö", "ä=ö"),
        ("a=b;", "a=b"),
        ("a=b; ;; =; =x; unknown; other=\"", "a=b"),
        ("a=b; PATH=/p;HTTPonly ;\tsecure ; partitioned", "a=b; path=/p; HttpOnly; secure; Partitioned"),
        ("a=b; domain = .Example.com", "a=b; domain=.Example.com"),
        ("a=b; domain=\"h \"; path=\" /p\"; max-age=\"5\"", "a=b; max-age=5; domain=h; path=/p"),
        ("a=b; path=/p; path=/q", "a=b; path=/q"),
        ("a=b; path=/p\\\"", "a=b; path=/p\\\""),
        ("a=b; path=p", "a=b"),
        ("a=b; =Secure; = HttpOnly", "a=b"),
        ("a=b; path=; domain=", "a=b"),
        ("a=b; Secure=false; HttpOnly=no", "a=b; HttpOnly; secure"),
        ("a=b; samesite=lAX", "a=b; SameSite=Lax"),
        ("a=b; samesite=", "a=b; SameSite"),
        ("a=b; samesite=sometimes", "a=b"),
        // As it was received, though browsers would refuse it.
        ("a=b; SameSite=None; Partitioned", "a=b; SameSite=None; Partitioned"),
        ("a=b; max-age=0; expires=Tue, 10 Nov 2009 23:00:00 GMT", "a=b; max-age=0"),
        ("a=b; max-age=-5", "a=b; max-age=0"),
        ("a=b; max-age=253402300800", "a=b; max-age=253402300799"),
        ("a=b; max-age=99999999999999999999", "a=b; max-age=253402300799"),
        ("a=b; max-age=1x; expires=0", "a=b"),
        ("a=b; max-age=3; max-age; max-age=; max-age=-", "a=b; max-age=3"),
        ("a=b; expires=Tue, 10-Nov-2009 23:00:00 UTC", "a=b; expires=Tue, 10 Nov 2009 23:00:00 GMT"),
    ] {
        let cookie = Cookie::parse(field).unwrap_or_else(|error| panic!("{field:?}: {error}"));
        assert_written(&cookie, expected);
        assert_written(&Cookie::parse(expected).expect("what was written"), expected);
        assert_eq!(Cookie::name_of(field.as_bytes()), cookie.name(), "{field:?}");
    }
}

/// What a peer sends must not make a client overflow that asks until when it may keep the cookie.
#[test]
fn cky_02_the_greatest_age_can_be_added_to_a_clock() {
    let cookie = Cookie::parse("a=b; max-age=99999999999999999999").unwrap();
    assert_eq!(cookie.max_age(), Some(GREATEST_AGE));
    assert!(SystemTime::now().checked_add(GREATEST_AGE).is_some());
}

#[test]
fn cky_02_malformed_cookies_are_refused_with_the_reason() {
    for (field, expected) in [
        ("", CookieError::Empty),
        (" ", CookieError::Empty),
        ("=", CookieError::Empty),
        ("; path=/", CookieError::Empty),
        ("a=b\r\nSet-Cookie: c=d", CookieError::ControlByte),
        ("a=b; unknown=\0", CookieError::ControlByte),
        ("a=b; path=/\x7f", CookieError::ControlByte),
        ("a\tb=c", CookieError::InvalidName),
        ("a=b\tc", CookieError::InvalidValue),
        ("\"b\tc\"", CookieError::InvalidValue),
        ("a=b; domain=h\"", CookieError::InvalidDomain),
        ("a=b; domain=\"\"h\"\"", CookieError::InvalidDomain),
        ("a=b; domain=h\\x", CookieError::InvalidDomain),
        ("a=b; domain=h\tx", CookieError::InvalidDomain),
        ("a=b; domain=\"; domain=h", CookieError::InvalidDomain),
        ("a=b; path=/ä", CookieError::InvalidPath),
        ("a=b; path=/\tx", CookieError::InvalidPath),
    ] {
        assert_eq!(Cookie::parse(field), Err(expected), "{field:?}");
    }
}

/// Values as applications have them; each is set, sent, kept by a client and found again.
#[test]
fn cky_03_whatever_is_set_comes_back() {
    let values = [
        "{\"theme\":\"dark\"}",
        "a\\b",
        "\"",
        "\"x",
        "x\"y",
        "\"x\"y\"",
        "[1,2]",
        "a=b&c=\"d\"",
        "\u{e4}",
        "\"a b\"",
        "",
    ];
    for value in values {
        let cookie = Cookie::try_new("prefs", value).expect(value);
        assert_eq!(Cookie::parse(cookie.to_string()).as_ref(), Ok(&cookie));
        let line = CookieLine::from_iter([(cookie.name(), cookie.value())]);
        let cookies = RequestCookies::new([line.as_bytes()]);
        assert_eq!(cookies.get("prefs"), Some(value.as_bytes()), "{value:?}");
    }
    for (name, value, expected) in [
        ("a", "b;c", CookieError::InvalidValue),
        ("a", "\"b;c\"", CookieError::InvalidValue),
        ("a", " b", CookieError::InvalidValue),
        ("a", "b\t", CookieError::InvalidValue),
        ("a", "b\r\nc", CookieError::InvalidValue),
        ("a=b", "c", CookieError::InvalidName),
        ("a;b", "c", CookieError::InvalidName),
        (" a", "c", CookieError::InvalidName),
        ("", "c", CookieError::Empty),
    ] {
        assert_eq!(Cookie::try_new(name, value), Err(expected), "{name:?}={value:?}");
    }
}

#[test]
fn cookies_that_browsers_refuse_are_not_valid() {
    let cookie = |name: &str, value: &str| Cookie::new(name, value);
    let mut host = cookie("__hOst-a", "b");
    let long = "x".repeat(4095);
    for (cookie, expected) in [
        (&cookie("", ""), Err(CookieError::Empty)),
        (&cookie("", "b"), Err(CookieError::InvalidName)),
        (&cookie("a b", "b"), Err(CookieError::InvalidName)),
        (&cookie("a", ""), Ok(())),
        (&cookie("a", "\"b\""), Ok(())),
        (&cookie("a", "b c"), Err(CookieError::InvalidValue)),
        (&cookie("a", "b,c"), Err(CookieError::InvalidValue)),
        (&cookie("a", "{\"b\":1}"), Err(CookieError::InvalidValue)),
        (&cookie("a", "ä"), Err(CookieError::InvalidValue)),
        (cookie("a", "b").set_domain("a b"), Err(CookieError::InvalidDomain)),
        (cookie("a", "b").set_domain(".a-1.b"), Ok(())),
        (&cookie("a", &long), Ok(())),
        (&cookie("aa", &long), Err(CookieError::TooLong)),
        (cookie("a", "b").set_path(&long[..1023]), Ok(())),
        (cookie("a", "b").set_path(&long[..1024]), Err(CookieError::TooLong)),
        (&cookie("__Secure-a", "b"), Err(CookieError::NotSecure)),
        (&cookie("__sEcure-a", "b"), Err(CookieError::NotSecure)),
        (cookie("__Secure-a", "b").set_secure(true), Ok(())),
        (cookie("a", "b").set_same_site(SameSite::None).set_secure(false), Err(CookieError::NotSecure)),
        (&host.clone(), Err(CookieError::NotSecure)),
        (&host.set_secure(true).clone(), Err(CookieError::NotHostOnly)),
        (&host.set_path("/").clone(), Ok(())),
        (host.set_domain("h"), Err(CookieError::NotHostOnly)),
    ] {
        assert_eq!(cookie.validate(), expected, "{cookie}");
    }
}

#[test]
fn secrets_are_not_in_debug_output() {
    let mut cookie = Cookie::new("sid", "hidden");
    let text = format!("{:?}", cookie.set_path("/p"));
    assert!(text.contains("sid") && text.contains("/p") && !text.contains("hidden"), "{text}");
    let text = format!("{:?}", CookieLine::from_iter([("sid", "hidden")]));
    assert_eq!(text, "CookieLine[\"sid\"]");
    let text = format!("{:?}", RequestCookies::new([&b"sid=hidden"[..]]));
    assert!(!text.contains("hidden"), "{text}");
}

#[track_caller]
fn assert_received(lines: &[&str], expected: &[(&str, &str)]) {
    let lines = lines.iter().map(|line| line.as_bytes());
    let found: Vec<_> = RequestCookies::new(lines).collect();
    let expected: Vec<Pair<'_>> =
        expected.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    assert_eq!(found, expected);
}

#[test]
fn cky_03_pairs_of_all_lines_in_order() {
    assert_received(&[], &[]);
    assert_received(&["", " ", ";", " ; ;=; = "], &[]);
    assert_received(&["a"], &[("", "a")]);
    assert_received(&["=a"], &[("", "a")]);
    assert_received(&["a="], &[("a", "")]);
    assert_received(&["a=1;b=2;  c = 3 4 \t"], &[("a", "1"), ("b", "2"), ("c", "3 4")]);
    assert_received(&["a=1; a=2", "", "b=3", "a=4;"], &[("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]);
    assert_received(&["a=b=c; ==; x==y="], &[("a", "b=c"), ("", "="), ("x", "=y=")]);
}

#[test]
fn cky_03_bytes_are_untouched() {
    assert_received(
        &["%D0%B8=a%20b%3Bc+; A=ö,{}()<>@:/[]?; a=\"q r\"; e=\"\"; \"n\"=1"],
        &[("%D0%B8", "a%20b%3Bc+"), ("A", "ö,{}()<>@:/[]?"), ("a", "\"q r\""), ("e", "\"\""), ("\"n\"", "1")],
    );
    let raw = RequestCookies::new([&b"a=\xff\xfe; \xff=1"[..]]);
    assert!(raw.clone().eq([(&b"a"[..], &b"\xff\xfe"[..]), (b"\xff", b"1")]));
    assert_eq!(raw.get(b"\xff"), Some(&b"1"[..]));
}

#[test]
fn cky_03_invalid_pairs_are_dropped() {
    let bad = ["a=x\ty", "a\tb=x", "a=\0", "\"\x01\"", "a=\x7f"];
    for bad in bad {
        assert_received(&[bad], &[]);
        let line = format!("b=1; {bad}; a=2");
        assert_received(&[&line, bad, "c=3"], &[("b", "1"), ("a", "2"), ("c", "3")]);
    }
}

#[test]
fn cky_03_the_first_of_a_name_is_found() {
    let cookies = RequestCookies::new([&b"a=\x01; b=1; a=2"[..], b"A=3; a=4; nameless"]);
    for (name, expected) in [
        ("a", Some("2")),
        ("A", Some("3")),
        ("b", Some("1")),
        ("", Some("nameless")),
        ("B", None),
        ("a ", None),
    ] {
        assert_eq!(cookies.clone().get(name), expected.map(str::as_bytes), "{name:?}");
    }
    assert!(cookies.clone().get_all("a").eq([&b"2"[..], b"4"]));
    assert_eq!(cookies.get_all("B").count(), 0);
}

#[test]
fn cky_03_a_line_is_written_and_changed() {
    let mut line = CookieLine::new();
    assert!(line.is_empty() && !line.remove("a"));
    line.add("a", "1")
        .add("b", "x=y; z")
        .add("", "alone")
        .add(" ", ";")
        .add("a", "2")
        .add("json", "{\"k\":\"v\"}");
    assert_eq!(line.as_bytes(), b"a=1; b=x=y  z; alone; a=2; json={\"k\":\"v\"}");
    assert_eq!(line.get("json"), Some(&b"{\"k\":\"v\"}"[..]));
    line.set("a", "3").set("c", "").set("", "other").set("d\n", "4").set("d", "5");
    assert_eq!(line.as_bytes(), b"a=3; b=x=y  z; other; json={\"k\":\"v\"}; c=; d=5");
    assert!(line.remove("a") && line.remove("json") && line.remove("d"));
    assert!(!line.remove("a"));
    line.set("", "");
    assert_eq!(line.as_ref(), b"b=x=y  z; c=");
    line.extend(RequestCookies::new([&b"e=1;bad=\x01;f=2"[..]]));
    assert_eq!(line.as_bytes(), b"b=x=y  z; c=; e=1; f=2");
    assert!(line.iter().map(|(name, _)| name).eq([b"b", b"c", b"e", b"f"]));
    line.clear();
    assert!(line.is_empty() && line.as_bytes().is_empty());
}

/// Bytes that matter to cookies more often than others.
fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"ab=;\" \t\\/.%-_".to_vec()),
        1 => any::<u8>(),
    ];
    vec(byte, 0..longest)
}

/// What every reader of `Set-Cookie` can meet: attributes known and unknown with values good and bad.
fn field() -> impl Strategy<Value = String> {
    let attribute = prop_oneof![
        "(Max-Age|max-age)=(-?[0-9]{1,24}|[0-9]x)",
        "(Expires|EXPIRES)=(Sun, 06 Nov 1994 08:49:37 GMT|Tue, 29 Feb 2028 23:59:59 GMT)",
        r"[Dd]omain=\.?[a-z][a-z.]{0,8}",
        "[Pp]ath=/[a-z/]{0,8}",
        "HttpOnly|httponly|Secure|secure|SECURE=1|Partitioned|partitioned",
        "[Ss]ame[Ss]ite=(Lax|lax|Strict|NONE|what)",
        "[a-c ]{0,4}",
    ];
    ("[a-z$%]{1,6} {0,2}= {0,2}[a-z=%,:]{0,8}", vec(attribute, 0..6))
        .prop_map(|(pair, attributes)| [vec![pair], attributes].concat().join("; "))
}

proptest! {
    #[test]
    fn cky_01_what_is_set_is_read_again(
        parts in (bytes(12), bytes(24), bytes(12), bytes(12)),
        flags in any::<(bool, bool, bool)>(),
        age in prop::option::of(any::<u64>()),
        expires in prop::option::of(0..253_402_300_800u64),
        mode in prop::sample::select(vec![
            None, Some(SameSite::Default), Some(SameSite::Lax), Some(SameSite::Strict), Some(SameSite::None),
        ]),
    ) {
        let (name, value, domain, path) = parts;
        let mut cookie = Cookie::new(name, value);
        cookie.set_domain(domain).set_path(path).set_http_only(flags.0).set_secure(flags.1).set_same_site(mode);
        cookie.set_partitioned(flags.2);
        if age.is_some() {
            cookie.set_max_age(age.map(Duration::from_secs));
        } else {
            cookie.set_expires(expires.map(after_epoch));
        }
        let out = written(&cookie);
        prop_assert!(!out.iter().any(u8::is_ascii_control), "{:?}", cookie.to_string());
        match Cookie::parse(&out) {
            Ok(read) => {
                // Quotes around a value are part of it; around a domain they are not.
                let unquoted = Cookie::unquote(cookie.domain().unwrap_or_default()).to_vec();
                prop_assert_eq!(&read, cookie.set_domain(unquoted));
            }
            Err(error) => {
                // Only parts that strict readers cannot read, which is what validation is for.
                prop_assert!(cookie.validate().is_err());
                prop_assert!(matches!(error, CookieError::Empty | CookieError::InvalidDomain), "{error:?}");
            }
        }
    }

    #[test]
    fn cky_01_the_crate_cookie_reads_the_same(
        name in "[a-z]{1,6}", value in "[a-z=%,:]{0,8}", domain in "[a-z.]{0,8}", path in "/[a-z]{0,8}",
        flags in any::<(bool, bool, bool)>(), age in prop::option::of(0..1u64 << 40),
        expires in prop::option::of(0..253_402_300_800u64),
    ) {
        let mut ours = Cookie::new(&name, &value);
        ours.set_domain(domain.trim_matches('.')).set_path(&path).set_http_only(flags.0).set_secure(flags.1);
        ours.set_partitioned(flags.2).set_max_age(age.map(Duration::from_secs));
        ours.set_expires(expires.map(after_epoch));
        assert_eq_to_oracle(&ours, &ours.to_string(), age.is_none())?;
    }

    #[test]
    fn cky_02_the_crate_cookie_reads_the_same(field in field()) {
        let ours = Cookie::parse(&field).map_err(|error| TestCaseError::fail(error.to_string()))?;
        assert_eq_to_oracle(&ours, &field, true)?;
    }

    #[test]
    fn cky_02_any_bytes_are_a_cookie_or_not_at_every_cut(field in bytes(48)) {
        for end in 0..=field.len() {
            let cut = &field[..end];
            match Cookie::parse(cut) {
                Ok(cookie) => {
                    prop_assert_eq!(Cookie::name_of(cut), cookie.name());
                    prop_assert_eq!(Cookie::parse(written(&cookie)), Ok(cookie));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn cky_03_it_does_not_matter_how_pairs_are_spread_over_lines(line in bytes(64)) {
        let whole: Vec<Pair<'_>> = RequestCookies::new([&line[..]]).collect();
        for (end, _) in line.iter().enumerate().filter(|(_, byte)| **byte == b';') {
            let halves = [&line[..end], &line[end + 1..]];
            prop_assert!(RequestCookies::new(halves).eq(whole.iter().copied()));
        }
        let every_piece = line.split(|byte| *byte == b';');
        prop_assert!(RequestCookies::new(every_piece).eq(whole.iter().copied()));
        for end in 0..line.len() {
            let of_cut = RequestCookies::new([&line[..end]]).count();
            prop_assert!(of_cut <= whole.len() + 1);
        }
    }

    #[test]
    fn cky_03_what_a_client_writes_a_server_reads(pairs in vec((bytes(6), bytes(8)), 0..6)) {
        let line: CookieLine = pairs.iter().map(|(name, value)| (name, value)).collect();
        let sent: Vec<Pair<'_>> = line.iter().collect();
        let received: Vec<Pair<'_>> = RequestCookies::new([line.as_bytes()]).collect();
        prop_assert_eq!(&received, &sent);
        let cleaned = pairs.iter().map(|(name, value)| Cookie::new(name, value));
        let cleaned: Vec<Cookie> =
            cleaned.filter(|cookie| !cookie.name().is_empty() || !cookie.value().is_empty()).collect();
        prop_assert!(sent.into_iter().eq(cleaned.iter().map(|cookie| (cookie.name(), cookie.value()))));
    }

    #[test]
    fn cky_03_the_crate_cookie_splits_the_same(line in "([a-d]{1,2} ?= ?[a-d=%\"]{0,4};? ?){0,6}") {
        let ours: Vec<_> = RequestCookies::new([line.as_bytes()]).collect();
        let theirs: Vec<_> = cookie::Cookie::split_parse(&line)
            .filter_map(Result::ok)
            .collect();
        let theirs: Vec<Pair<'_>> =
            theirs.iter().map(|cookie| (cookie.name().as_bytes(), cookie.value().as_bytes())).collect();
        prop_assert_eq!(ours, theirs);
    }
}

/// Compares what we know of a cookie with what the crate `cookie` reads in `field`.
fn assert_eq_to_oracle(ours: &Cookie, field: &str, with_expires: bool) -> Result<(), TestCaseError> {
    let theirs = cookie::Cookie::parse(field).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(ours.name(), theirs.name().as_bytes());
    prop_assert_eq!(ours.value(), theirs.value().as_bytes());
    let undotted = ours.domain().map(|domain| domain.strip_prefix(b".").unwrap_or(domain));
    prop_assert_eq!(undotted.unwrap_or_default(), theirs.domain().unwrap_or_default().as_bytes());
    prop_assert_eq!(ours.path(), theirs.path().map(str::as_bytes));
    prop_assert_eq!(ours.http_only(), theirs.http_only().unwrap_or(false));
    prop_assert_eq!(ours.secure(), theirs.secure().unwrap_or(false));
    prop_assert_eq!(ours.partitioned(), theirs.partitioned().unwrap_or(false));
    let same_site = theirs.same_site().map(|mode| match mode {
        cookie::SameSite::Lax => SameSite::Lax,
        cookie::SameSite::Strict => SameSite::Strict,
        cookie::SameSite::None => SameSite::None,
    });
    prop_assert_eq!(ours.same_site(), same_site);
    let max_age = theirs.max_age().map(|age| Duration::from_secs(age.whole_seconds().unsigned_abs()));
    let max_age = max_age.map(|age| age.min(GREATEST_AGE));
    prop_assert_eq!(ours.max_age(), max_age);
    if with_expires {
        let expires = theirs.expires_datetime().map(SystemTime::from);
        prop_assert_eq!(ours.expires(), expires);
    }
    Ok(())
}
