//! A keep-alive request allocates nothing, over a real socket, and no peer can make much be allocated by saying so.
//!
//! The server's threads enrol themselves by running the handler, which all that serve do; the client's thread does not
//! count. As everywhere here a window of many requests must be free of allocations, and all windows together may have
//! but a handful.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::body::ContentDecoder;
use anthill_http::cookie::RequestCookies;
use anthill_http::form::{self, Form};
use anthill_http::header::{AcceptEncoding, ByteRanges, Validators};
use anthill_http::multipart::{Boundary, Limits, Multipart};
use anthill_http::{AccessLog, Request, RequestConfig, RequestCtx, Server, ServerBuilder, Uri};
use anthill_tests::client::Client;
use anthill_tests::server::Running;
use anthill_tests::within;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{Meter, bytes_asked_for, enroll};

/// Requests in a window.
const WINDOW: usize = 2_000;
/// Until one of so many has taken no memory.
const WINDOWS_MAX: usize = 30;

/// Allocations in each window, up to the first without any. `run` makes so many requests and says what there were until
/// then.
///
/// Whenever the server takes the route for one that blocks, because something else had the CPU, it hands requests over,
/// which takes memory for a while.
pub(crate) fn allocations(mut run: impl FnMut(usize) -> usize) -> Vec<usize> {
    // Until the buffers have their size, and both shards' threads have been seen.
    run(WINDOW / 4);
    let mut counts = Vec::new();
    while counts.len() < WINDOWS_MAX && !counts.contains(&0) {
        counts.push(run(0).abs_diff(run(WINDOW)));
    }
    counts
}

/// Sends `request` window after window and fails if the server allocates for it. Each `request` is answered `replies`
/// times, by `status`.
pub(crate) fn assert_no_allocations(
    meter: &'static Meter,
    request: &'static str,
    replies: usize,
    handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
) {
    assert_no_allocations_with(Server::builder(), meter, request, replies, handler);
}

/// The same with these options.
fn assert_no_allocations_with(
    options: ServerBuilder,
    meter: &'static Meter,
    request: &'static str,
    replies: usize,
    handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
) {
    let running = Running::with(options, move |ctx| {
        enroll(meter);
        handler(ctx);
    });
    let mut client: Client = running.client();
    let counts: Vec<usize> = within("requests window after window", move || {
        allocations(|requests| {
            for _ in 0..requests {
                client.send(request);
                for _ in 0..replies {
                    assert_eq!(client.response().status, 200);
                }
            }
            meter.load(Ordering::Relaxed)
        })
    });
    let requests = counts.len() * WINDOW + WINDOW / 4;
    assert_eq!(running.handled(), replies * requests, "all of them were handled");
    assert!(counts.contains(&0), "allocations in each window: {counts:?}");
}

#[test]
fn no_allocation_per_keep_alive_request_with_a_cookie() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "GET /path?name=value HTTP/1.1\r\nHost: h\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\n";
    assert_no_allocations(&METER, request, 1, |ctx| {
        assert_eq!(
            (ctx.request.cookie("b"), ctx.query_arg("name").as_deref()),
            (Some(&b"2"[..]), Some(&b"value"[..]))
        );
        assert_eq!(ctx.header("accept"), Some(&b"*/*"[..]));
        ctx.set_content_type("text/html");
        ctx.response.set_header("X-Some", "value");
        ctx.response.append_header("Set-Cookie", "c=3");
        ctx.set_body("<p>a small page</p>");
    });
}

/// What an operator of a server behind a proxy sets: a hook on the head, trusted proxies, limits, and those that answer
/// what is refused and what panics. None of it takes memory for a request.
#[test]
fn no_allocation_per_request_with_what_operators_use() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "GET /users/42?q=ants&p=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test/1.0\r\nAccept: text/html, */*;q=0.1\r\n\
                   Accept-Encoding: gzip, br\r\nCookie: sid=abc; lang=en\r\nReferer: http://shop.example/\r\n\
                   X-Forwarded-For: 203.0.113.7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                   If-None-Match: \"v1\"\r\n\r\n";
    let options = Server::builder()
        .trusted_proxies(["127.0.0.0/8", "::1"])
        .max_conns_per_ip(10)
        .header_received(|request| match request.path() {
            "/big" => RequestConfig::new().max_request_body_size(1 << 20),
            _ => RequestConfig::new(),
        })
        .error_handler(|_, _| {})
        .panic_handler(|_, _| {});
    assert_no_allocations_with(options, &METER, request, 1, |ctx| {
        ctx.set_route("/users/{id}");
        assert_eq!((ctx.scheme(), ctx.host()), ("https", &b"shop.example"[..]));
        assert_eq!(ctx.remote_addr().ip(), IpAddr::from([203, 0, 113, 7]));
        assert!(ctx.request.accepts_encoding("gzip"));
        assert!(ctx.time_left().is_none() && !ctx.is_stopping());
        assert!(ctx.precondition_met(&Validators::new().etag("\"v2\"")));
        assert_eq!(ctx.request.query_args().count(), 2);
        ctx.set_content_type("text/html");
        ctx.response.set_header("ETag", "\"v2\"");
        ctx.set_body("<p>a page");
    });
}

/// Who the client is, by the standard's field for it.
#[test]
fn no_allocation_per_request_with_forwarded() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "GET / HTTP/1.1\r\nHost: internal\r\nForwarded: for=6.6.6.6;host=\"evil\"\r\n\
                   Forwarded: for=\"[2001:db9::7]:4711\";proto=https;host=shop.example, for=127.0.0.1;by=\"a,b;c\"\r\n\r\n";
    let options = Server::builder().trusted_proxies(["127.0.0.0/8"]).trusts_forwarded(true);
    assert_no_allocations_with(options, &METER, request, 1, |ctx| {
        let address = [0x2001, 0xdb9, 0, 0, 0, 0, 0, 7];
        assert_eq!(ctx.remote_addr(), SocketAddr::from((address, 4711)));
        assert_eq!((ctx.scheme(), ctx.host()), ("https", &b"shop.example"[..]));
        ctx.set_body("<p>a page");
    });
}

/// Whoever is told of requests is lent a record that is used again, and so is what a log's line is made in.
#[test]
fn no_allocation_per_line_of_an_access_log() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "GET /users/42?q=%22ants%22 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test \"1.0\"\r\n\
                   Accept: text/html, */*;q=0.1\r\nReferer: http://shop.example/\r\n\r\n";
    for form in [AccessLog::common, AccessLog::combined, AccessLog::json] {
        let options = Server::builder().access_log(form(io::sink()));
        assert_no_allocations_with(options, &METER, request, 1, |ctx| {
            ctx.set_route("/users/{id}");
            ctx.set_body("<p>a page");
        });
    }
}

/// What was sent together is told of together.
#[test]
fn no_allocation_per_line_about_pipelined_requests() {
    static METER: Meter = AtomicUsize::new(0);
    let requests = "GET /users/42 HTTP/1.1\r\nHost: shop.example\r\n\r\n".repeat(8).leak();
    let options = Server::builder().access_log(AccessLog::common(io::sink()));
    assert_no_allocations_with(options, &METER, requests, 8, |ctx| ctx.set_body("<p>a page"));
}

/// As many fields as a browser behind two proxies sends, and then some.
#[test]
fn no_allocation_per_request_with_many_fields() {
    static METER: Meter = AtomicUsize::new(0);
    static REQUEST: OnceLock<String> = OnceLock::new();
    let request = REQUEST.get_or_init(|| {
        let fields: String = (0..100).map(|number| format!("X-Field-{number}: value {number}\r\n")).collect();
        format!("GET /a%20path/../x?y HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
    });
    assert_no_allocations(&METER, request, 1, |ctx| {
        assert_eq!(ctx.request.headers().iter().count(), 101);
        assert_eq!(ctx.header("x-field-99"), Some(&b"value 99"[..]));
        assert_eq!(ctx.path(), "/x");
    });
}

/// Answers beside the plain one.
#[test]
fn no_allocation_per_short_answer() {
    static METER: Meter = AtomicUsize::new(0);
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n";
    let running = Running::new(|ctx| {
        enroll(&METER);
        match TURN.fetch_add(1, Ordering::Relaxed) % 5 {
            0 => ctx.not_found(),
            1 => ctx.not_modified(),
            2 => ctx.error("no", 400),
            3 => ctx.response.set_body_static(b"static"),
            _ => ctx.success("text/plain", "fine"),
        }
    });
    let mut client: Client = running.client();
    let counts: Vec<usize> = within("requests window after window", move || {
        allocations(|requests| {
            for _ in 0..requests {
                client.send(request);
                let (get, head) = (client.response().status, client.response_to_head().status);
                assert!([get, head].iter().all(|status| [200, 304, 400, 404].contains(status)));
            }
            METER.load(Ordering::Relaxed)
        })
    });
    assert!(counts.contains(&0), "allocations in each window: {counts:?}");
}

#[test]
fn no_allocation_per_uri_that_is_parsed_into_one_that_is_there() {
    let mut uri = Uri::new();
    let texts = [
        "http://user:pass@example.org:8080/a/b/../c%20d?x=1&y=2#part",
        "https://[::1]/",
        "http://h/a/./b//c",
        "http://example.org?only=query",
    ];
    let mut parse = || {
        for text in texts {
            uri.assign(text).expect("a URI");
            assert!(!uri.path().is_empty() && !uri.host().is_empty());
            uri.assign_with_host("other.example", "/path?a=b").expect("a target");
            assert_eq!((uri.path(), uri.query()), ("/path", &b"a=b"[..]));
        }
    };
    // Until it has its size.
    parse();
    assert_eq!(bytes_asked_for(|| (0..1000).for_each(|_| parse())), 0);
}

#[test]
fn no_allocation_per_request_with_a_body() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "POST /a%20b/../c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
                   POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    assert_no_allocations(&METER, request, 2, |ctx| {
        assert_eq!(ctx.body(), b"hello");
        ctx.append_body("some");
        ctx.append_body("thing");
    });
}

/// What one connection may ask for, whatever its peer says: its buffers, and those they grow out of.
const CONNECTION_BYTES: usize = 96 * 1024;

/// A peer that sends a beginning, then the same again and again, and takes everything.
struct Repeating {
    rest: &'static [u8],
    then: &'static [u8],
    /// How many bytes it still sends.
    left: usize,
}

impl Repeating {
    /// Ten megabytes, and then the end.
    fn new(start: &'static str, then: &'static str) -> Self {
        Repeating { rest: start.as_bytes(), then: then.as_bytes(), left: 10_000_000 }
    }
}

impl Read for Repeating {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.then;
        }
        let count = self.rest.len().min(room.len()).min(self.left);
        let (now, later) = self.rest.split_at(count);
        room[..count].copy_from_slice(now);
        self.rest = later;
        self.left -= count;
        Ok(count)
    }
}

impl Write for Repeating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How bodies are served: collected with the usual limit, collected without one, streamed.
fn ways() -> [ServerBuilder; 3] {
    let streaming = Server::builder().stream_request_body(true);
    [Server::builder(), Server::builder().max_request_body_size(None), streaming]
}

#[track_caller]
fn assert_modest(options: ServerBuilder, peer: Repeating) {
    let server = options
        .build(|ctx| {
            let mut body = ctx.body_reader();
            let mut room = [0; 1000];
            while body.read(&mut room).is_ok_and(|count| count > 0) {}
        })
        .expect("options that go together");
    let start = String::from_utf8_lossy(&peer.rest[..peer.rest.len().min(150)]);
    let asked = bytes_asked_for(|| drop(server.serve_conn(peer)));
    assert!((1..=CONNECTION_BYTES).contains(&asked), "{asked} bytes for {start:?}");
}

#[test]
fn par_17_a_length_that_is_only_declared_costs_nothing() {
    for start in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000000\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nfffffffffffffff\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000000000000\r\n\r\n",
    ] {
        for options in ways() {
            let peer = Repeating { left: start.len(), ..Repeating::new(start, "") };
            assert_modest(options, peer);
        }
        let asked = bytes_asked_for(|| drop(Request::parse(start.as_bytes())));
        assert!(asked < 16 * 1024, "{asked} bytes to parse {start:?}");
    }
}

#[test]
fn par_17_what_never_ends_is_given_up() {
    for (start, then) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n", "a: b\r\n"),
        ("GET / HTTP/1.1\r\nHost: h\r\na: ", "b"),
        ("GET /", "a"),
        ("G", "E"),
        ("", "\r\n"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1", " "),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", "b"),
    ] {
        for options in ways() {
            assert_modest(options, Repeating::new(start, then));
        }
    }
    // A streamed body passes through, however long it is, and so does what nobody reads of it.
    for start in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n895440\r\n",
    ] {
        let [_, _, streaming] = ways();
        assert_modest(streaming, Repeating::new(start, "some bytes of a body "));
        let ignoring = Server::builder().stream_request_body(true).build(|_| {}).expect("a server");
        let asked = bytes_asked_for(|| drop(ignoring.serve_conn(Repeating::new(start, "bytes"))));
        assert!(asked <= CONNECTION_BYTES, "{asked} bytes");
    }
}

#[test]
fn par_17_a_response_that_promises_too_much_costs_nothing() {
    let server = Server::builder()
        .build(|ctx| ctx.response.set_body_reader_sized(&b"x"[..], 1_000_000_000_000_000))
        .expect("a server");
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let peer = Repeating { left: request.len(), ..Repeating::new(request, "") };
    let asked = bytes_asked_for(|| assert!(server.serve_conn(peer).is_err_and(|error| error.is_body())));
    assert!(asked <= CONNECTION_BYTES, "{asked} bytes");
}

#[test]
fn par_17_forms_and_parts_are_bounded() {
    let boundary = Boundary::new("b").expect("a boundary");
    for (start, then) in [
        ("--b", "\r\n\r\n\r\n--b"),
        ("--b\r\n", "A: b\r\n"),
        ("--b\r\nA: ", "b"),
        ("--b\r\nA: b\r\n", " c\r\n"),
        ("", "preamble\r\n"),
        ("--b\r\n\r\n", "content\r\n--"),
        ("--b", " "),
        ("--b--", "epilogue"),
    ] {
        let asked = bytes_asked_for(|| {
            let mut multipart = Multipart::new(Repeating::new(start, then), &boundary);
            while multipart.next_part().is_ok_and(|part| part.is_some()) {}
        });
        assert!((1..64 * 1024).contains(&asked), "{asked} bytes for parts {start:?} and {then:?}");
    }
    let options = Form::options()
        .max_fields(100)
        .max_field_bytes(10_000)
        .max_body_bytes(100_000)
        .max_memory_bytes(10_000);
    for (kind, start, then) in [
        ("application/x-www-form-urlencoded", "", "a=b&"),
        ("application/x-www-form-urlencoded", "", "&"),
        ("application/x-www-form-urlencoded", "a=", "%41"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
            "content",
        ),
        (
            "multipart/form-data; boundary=b",
            "--b",
            "\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b",
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n",
            "content of a file",
        ),
    ] {
        let asked = bytes_asked_for(|| assert!(options.read(kind, Repeating::new(start, then)).is_err()));
        assert!((1..128 * 1024).contains(&asked), "{asked} bytes for a form {start:?} and {then:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a vector");
    encoder.finish().expect("a vector")
}

/// 400 MB in some 650 KB costs a few of the megabyte that may come out at any ratio, in whatever it is collected and
/// however slowly it comes.
/// Reads a form; whether it was refused for its size.
type Reading<'a> = &'a dyn Fn(&mut RequestCtx) -> bool;

#[test]
fn engine_f9_a_bomb_costs_little_memory() {
    let value = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n";
    let file = "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n";
    let member = gzip(&vec![b'x'; 4_000_000]).repeat(100);
    assert!((350_000..700_000).contains(&member.len()), "{}", member.len());
    let folder = tempfile::tempdir().expect("a folder");
    for (kind, start) in [
        ("application/x-www-form-urlencoded", "a="),
        ("multipart/form-data; boundary=b", value),
        ("multipart/form-data; boundary=b", file),
    ] {
        let mut request = Request::new("POST", "/").expect("a request");
        request.set_content_type(kind);
        request.set_content_encoding("gzip");
        request.set_body([gzip(start.as_bytes()), member.clone()].concat());
        let mut ctx = RequestCtx::for_request(request, None);
        let body = ctx.request.body().to_vec();
        let options = Form::options().temp_dir(folder.path());
        let is_refused = |form: Result<Form, form::Error>| form.is_err_and(|error| error.is_too_large());
        let reads: [(&str, Reading<'_>); 5] = [
            ("at once", &|_| is_refused(options.read_encoded(kind, "gzip", &body[..]))),
            ("slowly", &|_| is_refused(options.read_encoded(kind, "gzip", Slowly(&body)))),
            ("decoded", &|_| {
                let mut decoder = ContentDecoder::new("gzip", Slowly(&body)).expect("a known coding");
                decoder.read_to_end(&mut Vec::new()).is_err()
            }),
            ("by name", &|ctx| ctx.form_value("a").is_none()),
            ("by parts", &|ctx| {
                let Ok(mut parts) = ctx.multipart(Limits::new()) else {
                    return !kind.starts_with("multipart");
                };
                let mut part = parts.next_part().expect("a body").expect("a part");
                part.read_to_end(&mut Vec::new()).is_err()
            }),
        ];
        for (way, is_refused) in reads {
            let asked = bytes_asked_for(|| assert!(is_refused(&mut ctx), "{way} of {start:?}"));
            // Growing to its size, a vector asks for twice as much.
            assert!(asked < 6 * 1024 * 1024, "{asked} bytes {way} for {start:?}");
        }
    }
}

/// Gives seven bytes at a time.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(7);
        self.0.read(&mut room[..most])
    }
}

#[test]
fn par_17_values_of_fields_are_read_in_place() {
    let many = "bytes=".to_owned() + &"0-1,".repeat(100_000);
    let list = "gzip;q=0.5,".repeat(100_000);
    let cookies = "a=b; ".repeat(100_000);
    let asked = bytes_asked_for(|| {
        assert!(ByteRanges::parse(many.as_bytes(), u64::MAX).is_err());
        assert!(AcceptEncoding::new([&list]).accepts("gzip"));
        assert_eq!(RequestCookies::new([cookies.as_bytes()]).count(), 100_000);
    });
    assert_eq!(asked, 0);
}
