//! Preconditions and ranges: all that a request says, judged together and in order (RFC 9110 13.2.2), over sockets.
//!
//! The rule: a table of requests, each against what is there; what changes nothing gets 304, what must not be done 412.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::header::{ByteRange, Validators};
use anthill_http::{Request, RequestCtx};
use anthill_tests::server::Running;

const TAG: &str = r#""v2""#;
const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(784_111_777_500)
}

/// Method, fields, and what is answered about something with a tag and a time, something without, and nothing at all.
const ASKED: &[(&str, &str, [u16; 3])] = &[
    ("GET", "", [200, 200, 200]),
    ("GET", "If-None-Match: \"v2\"", [304, 200, 200]),
    ("HEAD", "If-None-Match: \"v2\"", [304, 200, 200]),
    ("GET", "If-None-Match: W/\"v2\"", [304, 200, 200]),
    ("GET", "If-None-Match: \"v1\", \"v2\"", [304, 200, 200]),
    ("GET", "If-None-Match: \"v1\"\r\nIf-None-Match: \"v2\"", [304, 200, 200]),
    ("GET", "If-None-Match: *", [304, 304, 200]),
    ("GET", "If-None-Match: \"v1\"", [200, 200, 200]),
    ("GET", "If-None-Match: v2", [200, 200, 200]),
    ("POST", "If-None-Match: \"v2\"", [412, 200, 200]),
    ("PUT", "If-None-Match: *", [412, 412, 200]),
    ("PUT", "If-None-Match: \"v1\"", [200, 200, 200]),
    // A tag says more than a date.
    ("GET", "If-None-Match: \"v1\"\r\nIf-Modified-Since: {later}", [200, 200, 200]),
    ("GET", "If-Modified-Since: {later}\r\nIf-None-Match: v2", [200, 200, 200]),
    ("GET", "If-None-Match: \"v2\"\r\nIf-Modified-Since: {earlier}", [304, 200, 200]),
    ("GET", "If-Modified-Since: {changed}", [304, 200, 200]),
    ("HEAD", "If-Modified-Since: {later}", [304, 200, 200]),
    ("GET", "If-Modified-Since: {earlier}", [200, 200, 200]),
    // Other methods, more fields than one, and what is no date.
    ("POST", "If-Modified-Since: {later}", [200, 200, 200]),
    ("DELETE", "If-Modified-Since: {later}", [200, 200, 200]),
    ("GET", "If-Modified-Since: {later}\r\nIf-Modified-Since: {later}", [200, 200, 200]),
    ("GET", "If-Modified-Since: {later}, {later}", [200, 200, 200]),
    ("GET", "If-Modified-Since: tomorrow", [200, 200, 200]),
    ("GET", "If-Modified-Since:", [200, 200, 200]),
    ("PUT", "If-Match: \"v2\"", [200, 412, 412]),
    ("PUT", "If-Match: \"v1\", \"v2\"", [200, 412, 412]),
    ("PUT", "If-Match: W/\"v2\"", [412, 412, 412]),
    ("PUT", "If-Match: \"v1\"", [412, 412, 412]),
    ("PUT", "If-Match: *", [200, 200, 412]),
    ("GET", "If-Match: \"v1\"", [412, 412, 412]),
    ("PUT", "If-Match:", [412, 412, 412]),
    ("PUT", "If-Unmodified-Since: {changed}", [200, 200, 200]),
    ("PUT", "If-Unmodified-Since: {later}", [200, 200, 200]),
    ("PUT", "If-Unmodified-Since: {earlier}", [412, 200, 200]),
    ("GET", "If-Unmodified-Since: {earlier}", [412, 200, 200]),
    ("PUT", "If-Unmodified-Since: {earlier}\r\nIf-Unmodified-Since: {earlier}", [200, 200, 200]),
    ("PUT", "If-Unmodified-Since: never", [200, 200, 200]),
    // A tag says more here, too; and what fails first counts.
    ("PUT", "If-Match: \"v2\"\r\nIf-Unmodified-Since: {earlier}", [200, 412, 412]),
    ("GET", "If-Match: \"v1\"\r\nIf-None-Match: \"v2\"", [412, 412, 412]),
    ("GET", "If-Match: \"v2\"\r\nIf-None-Match: \"v2\"", [304, 412, 412]),
    ("GET", "If-Unmodified-Since: {earlier}\r\nIf-Modified-Since: {later}", [412, 200, 200]),
    ("GET", "If-Match: \"v2\"\r\nIf-Modified-Since: {later}", [304, 412, 412]),
];

#[test]
fn ctx_09_preconditions_are_judged_together_and_in_order() {
    let running = Running::new(|ctx: &mut RequestCtx| {
        ctx.response.set_header("Cache-Control", "max-age=1");
        let current = match ctx.path() {
            "/both" => Validators::new().etag(TAG).last_modified(changed()),
            "/something" => Validators::new(),
            _ => Validators::missing(),
        };
        if ctx.precondition_met(&current) {
            ctx.set_body("carried out");
        }
    });
    for (method, fields, expected) in ASKED {
        let fields =
            fields.replace("{changed}", CHANGED).replace("{earlier}", EARLIER).replace("{later}", LATER);
        let between = if fields.is_empty() { "" } else { "\r\n" };
        for (path, expected) in ["/both", "/something", "/nothing"].into_iter().zip(expected) {
            let mut client = running.client();
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}{between}\r\n"));
            let reply = if *method == "HEAD" { client.response_to_head() } else { client.response() };
            assert_eq!(reply.status, *expected, "{method} {path} with {fields:?}");
            match reply.status {
                200 if *method != "HEAD" => assert_eq!(reply.text(), "carried out"),
                304 => {
                    assert_eq!((reply.text(), reply.field("content-length")), ("", None));
                    assert_eq!(reply.field("cache-control"), Some("max-age=1"));
                    let tag = (path == "/both").then_some((TAG, CHANGED));
                    assert_eq!(reply.field("etag").zip(reply.field("last-modified")), tag);
                }
                _ => {}
            }
        }
    }
}

/// The shorter question, of a date alone.
#[test]
fn ctx_09_a_date_counts_alone_and_with_reading_methods() {
    for (method, fields, expected) in [
        ("GET", &[("If-Modified-Since", LATER)][..], false),
        ("HEAD", &[("If-Modified-Since", LATER)], false),
        ("GET", &[("If-Modified-Since", LATER), ("If-None-Match", r#""other""#)], true),
        ("POST", &[("If-Modified-Since", LATER)], true),
        ("GET", &[("If-Modified-Since", LATER), ("If-Modified-Since", LATER)], true),
        ("GET", &[("If-Modified-Since", EARLIER)], true),
    ] {
        let mut request = Request::new(method, "/").expect("a request");
        for (name, value) in fields {
            request.append_header(name, value);
        }
        let ctx = RequestCtx::for_request(request, None);
        assert_eq!(ctx.if_modified_since(changed()), expected, "{method} {fields:?}");
    }
}

#[test]
fn hdr_09_ranges_count_once_with_get_and_of_what_the_client_has() {
    let recent = SystemTime::now();
    let recent_text = anthill_http::header::format_http_date(recent);
    let current = Validators::new().etag(TAG).last_modified(recent);
    for (method, fields, is_part) in [
        ("GET", &[("Range", "bytes=1-2")][..], true),
        ("HEAD", &[("Range", "bytes=1-2")], false),
        ("POST", &[("Range", "bytes=1-2")], false),
        ("get", &[("Range", "bytes=1-2")], false),
        ("GET", &[("Range", "bytes=1-2"), ("Range", "bytes=1-2")], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", TAG)], true),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", r#""v1""#)], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", r#"W/"v2""#)], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", TAG), ("If-Range", TAG)], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", &recent_text)], true),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", LATER)], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", "v2")], false),
        ("GET", &[("Range", "bytes=1-2"), ("If-Range", "")], false),
        ("GET", &[("If-Range", TAG)], false),
    ] {
        let mut request = Request::new(method, "/").expect("a request");
        for (name, value) in fields {
            request.append_header(name, value);
        }
        let ranges = request.byte_ranges_of(&current, 10).map(|ranges| ranges.expect("well-formed"));
        let part = ranges.and_then(|mut ranges| ranges.next());
        assert_eq!(part, ByteRange::new(1, 2).filter(|_| is_part), "{method} {fields:?}");
        let has_condition = fields.iter().any(|(name, _)| *name == "If-Range");
        let unjudged = request.byte_ranges(10);
        assert_eq!(unjudged.is_some(), is_part && !has_condition, "what is not known is not met");
    }
}
