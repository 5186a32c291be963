//! Clients that mean harm, over real sockets: many cookies and large ones, planted sessions, bodies that are not what
//! they say, that unpack to more than they may, or that go on for ever. Whatever they send is answered below 500, and
//! the server goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anthill_http::middleware::{CookieKey, MemoryStore, Sessions, csrf_tokens, sessions};
use anthill_http::{Handler, InputError, RequestCtx, ServerBuilder};
use anthill_tests::PATIENCE;
use anthill_tests::client::{Client, Reply};
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use serde::Deserialize;
use serde_json::Value;

use crate::browser::{Browser, server_of};
use crate::input::problem;
use crate::sessions::{Watched, build, tell};

/// The session's cookie that a response sets, as a client sends it.
#[track_caller]
fn session_of(reply: &Reply) -> String {
    let line = reply.field("Set-Cookie").expect("a cookie");
    line.split(';').next().expect("a pair").to_owned()
}

/// Asks for the session with these fields.
fn with_cookies(client: &mut Client, target: &str, fields: &[String]) -> Reply {
    let lines: String = fields.iter().map(|field| format!("Cookie: {field}\r\n")).collect();
    client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
}

const ANN: &str = r#"{"user": "ann"}"#;

/// A number as sessions have them, which was never given out.
fn planted(index: usize) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([index as u8; 32]);
    format!("session={text}")
}

#[test]
fn planted_cookies_cost_a_few_looks_and_what_is_none_costs_nothing() {
    let store = Watched::new();
    let running = Running::serving(server_of(sessions(tell, build(Sessions::builder(store.clone())))));
    let mut client = running.client();
    let real = session_of(&client.get("/?user=ann"));
    store.asked();
    for (before, looks, found) in [(0, 1, true), (1, 2, true), (3, 4, true), (4, 4, false), (200, 4, false)] {
        let mut cookies: Vec<String> = (0..before).map(planted).collect();
        cookies.push(real.clone());
        // In one field and in one for each.
        for fields in [vec![cookies.join("; ")], cookies.into_iter().take(100).collect()] {
            if before < 100 || fields.len() == 1 {
                let reply = with_cookies(&mut client, "/", &fields);
                assert_eq!((reply.status, reply.text()), (200, if found { ANN } else { "{}" }), "{before}");
                assert_eq!(store.asked(), (looks, 0, 0), "{before}");
            }
        }
    }
    // What has not the form of a number is passed over.
    let junk =
        ["session=", "session", "session=AAAA", "session=\"x\"", "session=a=b", "SESSION=x", "=session", ";"];
    let junk = (0..50).flat_map(|_| junk).collect::<Vec<_>>().join("; ");
    let long = format!("session={}", "A".repeat(8_000));
    for fields in
        [vec![format!("{junk}; {real}")], vec![junk.clone(), real.clone()], vec![long.clone(), real.clone()]]
    {
        assert_eq!(with_cookies(&mut client, "/", &fields).text(), ANN);
        assert_eq!(store.asked(), (1, 0, 0));
    }
    assert_eq!(with_cookies(&mut client, "/?x=y", &[junk, long]).text(), r#"{"x": "y"}"#);
    assert_eq!(store.asked(), (0, 1, 0), "nothing was looked for");
    // More than a head may have.
    let mut large = running.client();
    let reply = with_cookies(&mut large, "/", &[format!("session={}", "A".repeat(20_000))]);
    assert_eq!((reply.status, reply.closes()), (431, true));
    assert_eq!(with_cookies(&mut running.client(), "/", &[real]).text(), ANN);
}

#[test]
fn bytes_of_any_kind_in_a_cookie_are_no_session() {
    let key = CookieKey::generate().expect("random bytes");
    for policy in [Sessions::builder(MemoryStore::new(10)), Sessions::in_cookies(&key)] {
        let running = Running::serving(server_of(sessions(tell, build(policy))));
        let mut client = running.client();
        let real = session_of(&client.get("/?user=ann"));
        for byte in (0x20..=0xff_u8).chain([b'\t']).filter(|byte| *byte != 0x7f) {
            let head = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: session=".as_slice();
            let value = [byte; 43];
            let reply = client.exchange([head, &value, b"\r\n\r\n"].concat());
            assert_eq!((reply.status, reply.text()), (200, "{}"), "{byte:02x}");
            let reply = client.exchange([head, &value, b"; ", real.as_bytes(), b"\r\n\r\n"].concat());
            assert_eq!((reply.status, reply.text()), (200, ANN), "{byte:02x}");
        }
        // In the place of each byte of the real one, and cut off at each.
        for at in "session=".len()..real.len() {
            for other in [b"A", b"_", b"=", b".", b" ", b"\xff"] {
                if real.as_bytes()[at..=at] != other[..] {
                    let changed = [&real.as_bytes()[..at], other, &real.as_bytes()[at + 1..]].concat();
                    let reply = client.exchange(
                        [b"GET / HTTP/1.1\r\nHost: h\r\nCookie: ", &changed[..], b"\r\n\r\n"].concat(),
                    );
                    assert_eq!(reply.text(), "{}", "{at} {other:?}");
                }
            }
            assert_eq!(with_cookies(&mut client, "/", &[real[..at].to_owned()]).text(), "{}", "{at}");
        }
    }
}

#[test]
fn two_hundred_cookies_of_others_do_not_hide_one_that_is_ours() {
    let (ours, others) = (CookieKey::generate().expect("bytes"), CookieKey::generate().expect("bytes"));
    let policy = Sessions::in_cookies(&ours.accepting(&CookieKey::generate().expect("bytes")));
    let running = Running::serving(server_of(sessions(tell, build(policy))));
    let mut client = running.client();
    let real = session_of(&client.get("/?user=ann"));
    let forged = format!("session={}", others.encrypt("session", "x", None).expect("bytes"));
    let mut all = vec![forged; 140];
    all.push(real);
    assert_eq!(with_cookies(&mut client, "/", &[all.join("; ")]).text(), ANN);
}

#[test]
fn a_session_that_is_over_does_not_hide_one_behind_it() {
    let key = CookieKey::generate().expect("random bytes");
    let at = |seconds| move || std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let of = |idle: u64, now: u64| {
        let policy = Sessions::in_cookies(&key).idle_timeout(Duration::from_secs(idle)).clock(at(now));
        server_of(sessions(tell, build(policy)))
    };
    // The older one was made when sessions lasted longer.
    let (before, now) = (of(3_600, 1_000), of(60, 1_500));
    let mut old = Browser::new(&before);
    old.get("/?user=eve");
    let mut new = Browser::new(&now);
    new.get("/?user=ann");
    let mut late = Browser::new(&now);
    late.cookies = old.cookies.clone();
    assert_eq!(late.text("/"), "{}");
    let mut both = crate::browser::request("GET", "/");
    both.set_header(
        "Cookie",
        format!("session={}; session={}", old.cookies["session"], new.cookies["session"]),
    );
    assert_eq!(now.call(&both).expect("a response").body_str(), Some(ANN));
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only that it can be read counts")]
struct Guest {
    name: String,
    age: Option<u8>,
}

/// Reads what the path says, and tells it.
fn read(ctx: &mut RequestCtx) -> Result<(), InputError> {
    let text = match ctx.path() {
        "/guest" => format!("{:?}", ctx.json::<Guest>()?),
        "/json" => format!("{}", ctx.json::<Value>()?),
        "/map" => format!("{}", ctx.json::<BTreeMap<String, Value>>()?.len()),
        "/form" => format!("{:?}", ctx.form::<BTreeMap<String, Vec<String>>>()?),
        "/value" => format!("{:?}", ctx.parse_form_value_opt::<String>("name")?),
        _ => format!("{:?}", ctx.query::<BTreeMap<String, Vec<String>>>()?),
    };
    ctx.set_body(&text[..text.len().min(200)]);
    Ok(())
}

fn post(target: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// With whole bodies, and with such that are read as they come.
fn both(options: ServerBuilder) -> [ServerBuilder; 2] {
    [options.clone(), options.stream_request_body(true).body_read_ahead(None)]
}

/// What is sent is answered so, on a connection that is in order behind it.
#[track_caller]
fn are_answered(options: ServerBuilder, cases: &[(&'static str, String, Vec<u8>, u16, &'static str)]) {
    for options in both(options) {
        on_both(
            options,
            |ctx| read.handle(ctx),
            |driven| {
                let mut client = driven.client();
                for (target, fields, body, status, text) in cases {
                    let reply = client.exchange(post(target, fields, body));
                    let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
                    assert_eq!(reply.status, *status, "{target} {fields}{shown}: {reply:?}");
                    assert!(reply.body.len() < 2_000, "{target} {fields}{shown}: {} bytes", reply.body.len());
                    let told = if *status == 200 {
                        reply.text().to_owned()
                    } else {
                        problem(&reply)["detail"].as_str().unwrap_or_default().to_owned()
                    };
                    assert!(told.contains(text), "{target} {fields}{shown}: {told}");
                }
                assert_eq!(client.get("/?a=b").text(), r#"{"a": ["b"]}"#, "the connection is in order");
            },
        );
    }
}

#[test]
fn json_that_is_made_to_hurt() {
    let nested = |open: &str, depth: usize| open.repeat(depth).into_bytes();
    let many = |count: usize| {
        let members = (0..count).map(|number| format!("\"k{number}\":{number}")).collect::<Vec<_>>();
        format!("{{{}}}", members.join(","))
    };
    let same = |count: usize| format!("{{{}}}", vec!["\"a\":1"; count].join(","));
    let text = |text: &str| text.as_bytes().to_vec();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let case = |target, body, status, told| (target, JSON.to_owned(), body, status, told);
    are_answered(
        plain(),
        &[
            case("/json", nested("[", 1_000_000), 400, "recursion limit exceeded"),
            case("/json", nested("{\"a\":", 500_000), 400, "recursion limit exceeded"),
            case("/guest", nested("{\"a\":[", 500_000), 400, "EOF while parsing"),
            case("/map", many(100_000).into_bytes(), 200, "100000"),
            case("/map", same(300_000).into_bytes(), 200, "1"),
            case("/json", text(r#"{"a":1,"a":2}"#), 200, r#"{"a":2}"#),
            case("/guest", text(r#"{"name":"a","name":"b"}"#), 422, "duplicate field `name`"),
            case("/guest", text(r#"{"name":"a","n\u0061me":"b"}"#), 422, "duplicate field `name`"),
            case("/json", text("1e999999999"), 400, "number out of range"),
            case("/json", [b"0.".as_slice(), &[b'1'; 1_000_000]].concat(), 200, "0.11"),
            case(
                "/guest",
                [br#"{"name":"a","age":"#.as_slice(), &[b'9'; 100_000], b"}"].concat(),
                400,
                "number out of range",
            ),
            case("/json", text(r#""\ud800""#), 400, "body is not JSON"),
            case("/json", text("\"\u{0}\""), 400, "control character"),
            case("/json", text("\u{feff}{}"), 400, "body is not JSON"),
            case("/json", b"\"\xe4\"".to_vec(), 400, "invalid unicode"),
            case("/json", utf16("{}"), 400, "body is not JSON"),
            case("/json", text("NaN"), 400, "body is not JSON"),
            case("/json", text("{} {}"), 400, "trailing characters"),
            case("/json", text("{'a':1}"), 400, "body is not JSON"),
            case("/json", text("[1,]"), 400, "trailing comma"),
            case("/json", vec![b' '; 1_000_000], 400, "the body is empty"),
            case("/guest", format!("{{\"{}\":1}}", "k".repeat(1_000_000)).into_bytes(), 422, "is missing"),
            case(
                "/guest",
                format!("{{\"name\":{{\"{}\":1}}}}", "/~".repeat(100_000)).into_bytes(),
                422,
                "invalid type",
            ),
        ],
    );
}

#[test]
fn what_a_body_is_said_to_be_decides() {
    let typed = |content_type: &str| format!("Content-Type: {content_type}\r\n");
    let json = |content_type: &str, status, told| {
        ("/json", typed(content_type), b"{\"a\":1}".to_vec(), status, told)
    };
    let form = |content_type: &str, body: &[u8], status, told| {
        ("/form", typed(content_type), body.to_vec(), status, told)
    };
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    are_answered(
        plain(),
        &[
            json("application/json;charset=utf-8", 200, "{\"a\":1}"),
            json("application/json; charset=\"utf-8\"; a=\"b;c\"", 200, "{\"a\":1}"),
            // No other charset is defined for it, so none is looked at (RFC 8259 section 11).
            json("application/json; charset=utf-16", 200, "{\"a\":1}"),
            json("application/json;", 200, "{\"a\":1}"),
            json("application/json, text/plain", 415, "send application/json"),
            json("text/plain; a=application/json", 415, "send application/json"),
            json("text/plain;+json", 415, "send application/json"),
            json("application/json\u{a0}", 415, "send application/json"),
            json("applicationjson", 415, "send application/json"),
            json("*/*", 415, "send application/json"),
            json(URLENCODED, 415, "send application/json"),
            form(&format!("{URLENCODED}; charset=iso-8859-1"), b"a=%C3%A4", 200, r#"{"a": ["ä"]}"#),
            form(&format!("{URLENCODED}; charset=iso-8859-1"), b"a=\xe4", 422, "not UTF-8"),
            form(&format!("{URLENCODED}; charset=iso-8859-1"), b"\xe4=a", 422, "a name is not UTF-8"),
            form("application/x-www-form-urlencodedx", b"a=b", 415, ""),
            form("multipart/form-data", b"a=b", 400, "boundary"),
            form("multipart/form-data; boundary=", b"a=b", 400, "boundary"),
            form("application/json", b"{}", 415, ""),
        ],
    );
}

#[test]
fn two_types_or_codings_are_not_taken_for_one() {
    let cases = [
        ("/json", "Content-Type: text/plain\r\nContent-Type: application/json\r\n"),
        ("/form", "Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n"),
        (
            "/json",
            "Content-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: unknown\r\n",
        ),
        (
            "/form",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\nContent-Encoding: unknown\r\n",
        ),
    ];
    let cases = cases.map(|(target, fields)| (target, fields.to_owned(), b"{}".to_vec(), 415, ""));
    are_answered(plain(), &cases);
}

#[test]
fn forms_that_are_made_to_hurt() {
    let form = |target, body: Vec<u8>, status, told| (target, FORM.to_owned(), body, status, told);
    let text = |text: &str| text.as_bytes().to_vec();
    let multipart = |count: usize, end: &str| {
        let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
        let fields = "Content-Type: multipart/form-data; boundary=x\r\n".to_owned();
        (fields, format!("{}{end}", part.repeat(count)).into_bytes())
    };
    let (fields, parts) = multipart(50_000, "--x--\r\n");
    let (_, unended) = multipart(3, "");
    let packed = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, plain).expect("memory");
        encoder.finish().expect("memory")
    };
    let bomb = packed(&b"a=".iter().copied().chain(std::iter::repeat_n(b'b', 40 << 20)).collect::<Vec<_>>());
    let packed_form = format!("{FORM}Content-Encoding: gzip\r\n");
    are_answered(
        plain(),
        &[
            form("/form", b"a=1&".repeat(100_000), 413, "too large"),
            form("/value", b"a=1&".repeat(100_000), 413, "too large"),
            form("/form", b"a&".repeat(1_001), 413, "too large"),
            form("/form", b"&".repeat(100_000), 200, "{}"),
            form("/form", b"a=1&".repeat(1_000), 200, r#"{"a": ["1", "1""#),
            form("/form", b"%25".repeat(100_000), 200, r#"{"%%%%%"#),
            form("/form", [b"a=".as_slice(), &b"%".repeat(1_000_000)].concat(), 200, r#"{"a": ["%%%%"#),
            form(
                "/form",
                text("a=%2525&b=%&c=%4&d=%zz&e=%u0041"),
                200,
                r#"{"a": ["%25"], "b": ["%"], "c": ["%4"], "d": ["%zz"], "e": ["%u0041"]}"#,
            ),
            form("/form", text("a=%c0%af"), 422, "not UTF-8"),
            form("/form", text("a=%ed%a0%80"), 422, "not UTF-8"),
            form("/form", text("a=%00%0d%0a"), 200, r#"{"a": ["\0\r\n"]}"#),
            form("/value", text("name=a&name=b"), 200, r#"Some("a")"#),
            ("/form", fields.clone(), parts, 413, "too large"),
            ("/form", fields, unended, 400, "malformed"),
            ("/form", packed_form.clone(), bomb, 413, "too large"),
            ("/form", packed_form, packed(&b"a=1&".repeat(100_000)), 413, "too large"),
        ],
    );
}

#[test]
fn a_query_of_escapes_is_decoded_once() {
    on_both(
        plain(),
        |ctx| read.handle(ctx),
        |driven| {
            let mut client = driven.client();
            for (query, status, told) in [
                ("a=%2541&b=%25%2541", 200, r#"{"a": ["%41"], "b": ["%%41"]}"#),
                ("%61=1&a=2&%2561=3", 200, r#"{"%61": ["3"], "a": ["1", "2"]}"#),
                ("a=%ff", 400, "not UTF-8"),
                ("%ff=a", 400, "a name is not UTF-8"),
                ("a=%", 200, r#"{"a": ["%"]}"#),
            ] {
                let reply = client.get(&format!("/?{query}"));
                assert_eq!(reply.status, status, "{query}");
                assert!(
                    reply.text().contains(told) || problem(&reply)["detail"].to_string().contains(told),
                    "{query}"
                );
            }
            let reply = client.get(&format!("/?{}", "%25".repeat(5_000)));
            assert_eq!(reply.status, 200);
            let reply = client.get(&format!("/?{}", "a&".repeat(7_000)));
            assert_eq!(reply.status, 200);
            // More than a head may have.
            assert_eq!(client.get(&format!("/?{}", "%25".repeat(6_000))).status, 414);
        },
    );
}

/// Sends more in chunks than a body of 100,000 bytes may have, and reads the answer. Whoever goes on sending then is
/// cut off soon.
#[track_caller]
fn sent_in_chunks(client: &mut Client, target: &str, fields: &str, chunk: &[u8]) -> Reply {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Transfer-Encoding: chunked\r\n\r\n"));
    let framed = [format!("{:x};a=b\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
    for _ in 0..=100_000 / chunk.len() {
        client.send(&framed);
    }
    let reply = client.response();
    // A quarter of a megabyte is passed over, so that a connection need not end for a body that nobody wanted.
    let is_cut_off = (0..100_000).any(|_| client.try_send(&framed).is_err());
    assert!(is_cut_off && client.is_ended_within(PATIENCE), "{target}: it goes on");
    reply
}

#[test]
fn a_body_that_never_ends_is_refused_at_its_limit() {
    for options in both(plain().max_request_body_size(100_000)) {
        on_both(
            options,
            |ctx| read.handle(ctx),
            |driven| {
                for (target, fields, chunk) in [
                    ("/json", JSON, b"[[[[[[[[".repeat(100)),
                    ("/guest", JSON, b"        ".repeat(100)),
                    ("/form", FORM, b"a=1&".repeat(100)),
                    ("/value", FORM, b"a=1&".repeat(100)),
                    ("/form", "Content-Type: multipart/form-data; boundary=x\r\n", b"preamble".repeat(100)),
                ] {
                    let mut client = driven.client();
                    let reply = sent_in_chunks(&mut client, target, fields, &chunk);
                    assert_eq!(reply.status, 413, "{target} {fields}");
                    // One that says so beforehand is refused before it sends anything.
                    let mut client = driven.client();
                    let reply = client.exchange(format!(
                        "POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n"
                    ));
                    assert_eq!(reply.status, 413, "{target} {fields}");
                }
                assert_eq!(driven.client().get("/?a=b").text(), r#"{"a": ["b"]}"#);
            },
        );
    }
}

#[test]
fn a_form_that_cannot_be_meant_is_not_waited_for() {
    on_both(
        plain().stream_request_body(true).body_read_ahead(None),
        |ctx| read.handle(ctx),
        |driven| {
            for (target, fields, status) in [
                ("/form", "Content-Type: text/plain\r\n", 415),
                ("/form", "", 415),
                ("/form", "Content-Type: multipart/form-data\r\n", 400),
                (
                    "/form",
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: compress\r\n",
                    415,
                ),
                (
                    "/value",
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: compress\r\n",
                    415,
                ),
                ("/value", "Content-Type: text/plain\r\n", 200),
            ] {
                let mut client = driven.client();
                // Nothing of it is sent, and nobody asks for it.
                client.send(format!(
                    "POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
                ));
                assert_eq!(client.response().status, status, "{target} {fields}");
            }
        },
    );
}

#[test]
fn a_form_without_an_end_has_no_token() {
    let kept = build(Sessions::builder(MemoryStore::new(10)));
    let served = |ctx: &mut RequestCtx| ctx.set_body("served");
    let handler = Arc::new(sessions(csrf_tokens(served), kept));
    for options in both(plain().max_request_body_size(100_000)) {
        let handler = handler.clone();
        on_both(
            options,
            move |ctx| handler.handle(ctx),
            |driven| {
                let mut client = driven.client();
                let reply = sent_in_chunks(&mut client, "/", FORM, &b"csrf_token=x&".repeat(100));
                assert!(matches!(reply.status, 403 | 413), "{reply:?}");
                let mut client = driven.client();
                let reply = client.exchange(post("/", FORM, &b"csrf_token=x&".repeat(2_000)));
                assert_eq!(reply.status, 403, "with more fields than a form may have");
            },
        );
    }
}
