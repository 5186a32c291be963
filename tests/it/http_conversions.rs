//! Text and what it stands for: dates, numbers, escapes; and a server's figures as JSON. Row `UTL-03`.
//!
//! The rule: whatever is written is read again as what it was, and what is nothing is refused, never guessed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::{ArgError, Args, Cookie, Probe, Server, header, html_escape};
use anthill_tests::client::Client;
use anthill_tests::server::{Running, plain};
use proptest::prelude::*;
use serde_json::Value;

fn seconds(text: &str) -> Option<u64> {
    let time = header::parse_http_date(text.as_bytes())?;
    Some(time.duration_since(UNIX_EPOCH).expect("not before").as_secs())
}

#[test]
fn utl_03_dates_by_the_grammar_and_no_others() {
    let dates = [
        // The three forms.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        // Edges of the calendar.
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu Jan  1 00:00:00 1970", 0),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
        ("Tue Feb 29 23:59:59 2000", 951_868_799),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        // A leap second is the one behind the last.
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Saturday, 31-Dec-16 23:59:60 GMT", 1_483_228_800),
        ("Sat Dec 31 23:59:60 2016", 1_483_228_800),
    ];
    for (text, expected) in dates {
        assert_eq!(seconds(text), Some(expected), "{text}");
    }
    for text in [
        "",
        " ",
        "Sun",
        "Sun,",
        "784111777",
        // Not the day of the week.
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        // Another zone, or none.
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun Nov  6 08:49:37 1994 GMT",
        // No such day or time.
        "Thu, 29 Feb 2023 00:00:00 GMT",
        "Tue, 31 Apr 2024 00:00:00 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        // Other letters, fewer or more of them, and signs.
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 01994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
    ] {
        assert_eq!(seconds(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn utl_03_what_is_written_of_a_time_is_read(
        seconds_since in 0..=253_402_300_799_u64,
        nanos in 0..1_000_000_000_u32,
    ) {
        let time = UNIX_EPOCH + Duration::new(seconds_since, nanos);
        let text = header::format_http_date(time);
        prop_assert_eq!(&text, &httpdate::fmt_http_date(time));
        prop_assert_eq!(seconds(&text), Some(seconds_since));
    }

    /// Where the other reader is right: it knows no leap seconds, and has another bound for years of two digits.
    #[test]
    fn utl_03_dates_are_read_as_others_read_them(
        changes in prop::collection::vec((0..29_usize, prop::char::range(' ', 'z')), 0..3),
        seconds_since in 0..4_000_000_000_u64,
    ) {
        let mut text = header::format_http_date(UNIX_EPOCH + Duration::from_secs(seconds_since)).into_bytes();
        for (place, letter) in changes {
            text[place] = letter as u8;
        }
        let text = String::from_utf8(text).expect("ASCII");
        let other = httpdate::parse_http_date(&text).ok();
        let ours = header::parse_http_date(text.as_bytes());
        // A date of ours is one of theirs; they take some more, of which a form has none.
        if let Some(ours) = ours.filter(|_| !text.contains(":60")) {
            prop_assert_eq!(other, Some(ours), "{}", text);
        }
        if let Some(other) = other {
            let is_form = header::format_http_date(other) == text;
            prop_assert!(!is_form || ours == Some(other), "{}", text);
        }
    }

    #[test]
    fn utl_03_any_bytes_are_a_date_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = header::parse_http_date(&bytes);
    }
}

/// The bound moves with the clock: fifty years.
#[test]
fn utl_03_a_year_of_two_digits_is_near() {
    const YEAR: Duration = Duration::from_secs(31_556_952);
    let now = SystemTime::now();
    for ahead in [-49, -30, -1, 0, 1, 30, 49] {
        let time = if ahead < 0 { now - YEAR * (-ahead) as u32 } else { now + YEAR * ahead as u32 };
        let full = header::format_http_date(time);
        let weekday = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
            .into_iter()
            .find(|name| name.starts_with(&full[..3]))
            .expect("a day");
        let short = format!("{weekday}, {}-{}-{}{}", &full[5..7], &full[8..11], &full[14..16], &full[16..]);
        assert_eq!(seconds(&short), seconds(&full), "{short}");
    }
}

/// Whatever a number is read from, it is all of it or an error.
#[test]
fn utl_03_numbers_that_do_not_fit_are_errors() {
    let max = u64::MAX.to_string();
    for (text, expected) in [
        ("0", Ok(0)),
        ("1", Ok(1)),
        ("00", Ok(0)),
        ("0000000000000000000000000000000000000042", Ok(42)),
        ("2147483647", Ok(2_147_483_647)),
        ("2147483648", Ok(2_147_483_648)),
        ("4294967295", Ok(4_294_967_295)),
        ("4294967296", Ok(4_294_967_296)),
        ("999999999999999999", Ok(999_999_999_999_999_999)),
        ("9223372036854775807", Ok(9_223_372_036_854_775_807)),
        ("9223372036854775808", Ok(9_223_372_036_854_775_808)),
        (&max, Ok(u64::MAX)),
        ("18446744073709551616", Err(ArgError::TooLarge)),
        ("18446744073709551625", Err(ArgError::TooLarge)),
        ("99999999999999999999", Err(ArgError::TooLarge)),
        ("100000000000000000000000000000000000000", Err(ArgError::TooLarge)),
        ("", Err(ArgError::Missing)),
        ("-1", Err(ArgError::NotANumber)),
        ("+1", Err(ArgError::NotANumber)),
        ("1 ", Err(ArgError::NotANumber)),
        ("0x10", Err(ArgError::NotANumber)),
        ("1e3", Err(ArgError::NotANumber)),
        ("1.0", Err(ArgError::NotANumber)),
        ("\u{0661}", Err(ArgError::NotANumber)),
    ] {
        let mut args = Args::new();
        args.set("n", text);
        assert_eq!(args.get_uint("n"), expected, "{text:?}");
    }
    for (text, expected) in [
        ("1e308", Ok(1e308)),
        ("1e309", Err(ArgError::TooLarge)),
        ("1e99999999999999999999", Err(ArgError::TooLarge)),
        ("0.1", Ok(0.1)),
        ("1e-400", Ok(0.0)),
        ("123456789012345678901234567890", Ok(123_456_789_012_345_680_000_000_000_000.0)),
        ("1e", Err(ArgError::NotANumber)),
        ("1..2", Err(ArgError::NotANumber)),
        ("nan", Err(ArgError::NotANumber)),
    ] {
        let mut args = Args::new();
        args.set("n", text);
        assert_eq!(args.get_float("n"), expected, "{text:?}");
    }
    for (text, expected) in [
        ("bytes=0-18446744073709551615", Some((0, 9))),
        ("bytes=0-18446744073709551616", Some((0, 9))),
        ("bytes=18446744073709551616-", None),
        ("bytes=-18446744073709551616", Some((0, 9))),
    ] {
        let ranges = header::ByteRanges::parse(text.as_bytes(), 10);
        let first =
            ranges.ok().and_then(|mut ranges| ranges.next()).map(|range| (range.first(), range.last()));
        assert_eq!(first, expected, "{text}");
    }
    // An age that does not fit is very long, and none that is written loses its sign.
    let cookie = Cookie::parse("a=b; max-age=99999999999999999999").expect("a cookie");
    assert!(cookie.max_age().is_none_or(|age| age.as_secs() > 1_000_000_000), "{cookie}");
}

/// The same of what frames a message: a length that was cut or wrapped would make a request of a body.
#[test]
fn utl_03_lengths_that_do_not_fit_are_refused() {
    let running = Running::with(plain(), |ctx| ctx.set_body("handled"));
    let head = "POST / HTTP/1.1\r\nHost: h\r\n";
    for length in [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "36893488147419103232",
        "340282366920938463463374607431768211456",
    ] {
        let mut client = running.client();
        let reply = client.exchange(format!("{head}Content-Length: {length}\r\n\r\nGET /x HTTP/1.1\r\n\r\n"));
        let expected = if length == "9223372036854775807" { 413 } else { 400 };
        assert_eq!(reply.status, expected, "{length}");
        client.expect_end();
    }
    for size in
        ["7fffffffffffffff", "8000000000000000", "ffffffffffffffff", "10000000000000000", "10000000000000001"]
    {
        let mut client = running.client();
        let reply =
            client.exchange(format!("{head}Transfer-Encoding: chunked\r\n\r\n{size}\r\nx\r\n0\r\n\r\n"));
        assert!([400, 413].contains(&reply.status), "{size}: {}", reply.status);
        client.expect_end();
    }
    assert_eq!(running.handled(), 0);
}

#[test]
fn utl_03_every_byte_survives_its_escape() {
    for byte in 0..=255_u8 {
        let bytes = [b'a', byte, b'b'];
        let mut args = Args::new();
        args.append(bytes, bytes);
        let text = args.to_string();
        assert!(
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=+%-._~".contains(&byte)),
            "{text}"
        );
        let expected: String = form_urlencoded::byte_serialize(&bytes).collect();
        // That one keeps `*` and escapes `~`, by another standard than Go's.
        if !b"*~".contains(&byte) {
            assert_eq!(text, format!("{expected}={expected}"));
        }
        assert_eq!(Args::parse(&text).get(bytes), Some(&bytes[..]), "{text}");
    }
}

#[test]
fn utl_03_html_has_references_for_what_means_something() {
    let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
    let escaped = html_escape(&all);
    assert_eq!(
        escaped,
        all.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&#34;")
            .replace('\'', "&#39;")
    );
    for text in ["", "plain", "ä\u{1f41c}"] {
        assert!(matches!(html_escape(text), std::borrow::Cow::Borrowed(same) if same == text));
    }
    assert_eq!(html_escape("<\u{1f41c}&\u{e4}>"), "&lt;\u{1f41c}&amp;\u{e4}&gt;");
    assert_eq!(html_escape("&amp;"), "&amp;amp;");
}

/// A server that answers with its own figures.
fn asked() -> Running {
    let probe = Probe::new();
    let asks = probe.clone();
    let server = Server::builder().shards(1).build(move |ctx| match ctx.path() {
        "/vars" => asks.vars(ctx),
        "/missing" => ctx.not_found(),
        _ => ctx.set_body("served"),
    });
    let server = server.expect("valid options");
    probe.watch(&server);
    Running::serving(server)
}

fn vars(client: &mut Client, query: &str) -> Value {
    let reply = client.get(&format!("/vars{query}"));
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json; charset=utf-8")));
    serde_json::from_str(reply.text()).expect("JSON")
}

/// All figures, by name.
const VARS: [&str; 11] = [
    "bytes",
    "connections",
    "given_up",
    "handlers",
    "latency_micros",
    "process",
    "rejections",
    "requests",
    "responses",
    "websockets",
    "workers",
];

#[test]
fn utl_03_figures_as_json() {
    let running = asked();
    let mut client = running.client();
    for target in ["/", "/", "/missing"] {
        client.get(target);
    }
    let all = vars(&mut client, "");
    let members: Vec<&str> = all.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, VARS);
    assert_eq!(all["requests"], 3);
    assert_eq!(all["responses"]["GET"]["2xx"], 2);
    assert_eq!(all["responses"]["GET"]["4xx"], 1);
    assert_eq!((&all["connections"]["open"], &all["connections"]["active"]), (&1.into(), &1.into()));
    assert_eq!(all["rejections"]["malformed"], 0);
    assert_eq!(all["process"]["id"], std::process::id());
    if cfg!(target_os = "linux") {
        assert!(all["process"]["threads"].as_u64() > Some(3), "{all}");
        assert!(all["process"]["resident_bytes"].as_u64() > Some(1 << 20), "{all}");
    }
    assert!(all["workers"]["workers"].as_u64() > Some(0), "{all}");
    assert!(all["bytes"]["received"].as_u64() > Some(50), "{all}");
}

#[test]
fn utl_03_members_are_chosen_by_a_pattern() {
    let running = asked();
    let mut client = running.client();
    for (pattern, expected) in [
        ("requests", &["requests"][..]),
        ("re", &["requests", "responses", "rejections"]),
        ("^re[qs]", &["requests", "responses"]),
        (
            "s$",
            &[
                "bytes",
                "connections",
                "handlers",
                "latency_micros",
                "process",
                "rejections",
                "requests",
                "responses",
                "websockets",
                "workers",
            ],
        ),
        ("^?ytes$", &["bytes"]),
        ("^con*ons$", &["connections"]),
        ("nothing", &[]),
        ("", &VARS),
    ] {
        let mut query = Args::new();
        query.set("r", pattern);
        let found = vars(&mut client, &format!("?{query}"));
        let mut members: Vec<&str> =
            found.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected = expected.to_vec();
        members.sort_unstable();
        expected.sort_unstable();
        assert_eq!(members, expected, "{pattern}");
    }
    for bad in ["[", "%5B%5D", "[z-a]", "(", ".%2B", "a%00", "%ff", "\\"] {
        let reply = client.get(&format!("/vars?r={bad}"));
        assert_eq!(reply.status, 400, "{bad}");
        assert!(reply.text().starts_with("the pattern `r` cannot be read: "), "{}", reply.text());
    }
    // The connection is as good as before.
    assert_eq!(vars(&mut client, "?r=requests").as_object().expect("an object").len(), 1);
    let mut ctx = anthill_http::RequestCtx::default();
    Probe::new().vars(&mut ctx);
    assert_eq!(ctx.response.status_code(), 503, "it knows no server");
}
