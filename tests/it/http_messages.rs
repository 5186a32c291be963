//! Requests and responses that are built and changed: rows `HDR-04` to `HDR-07`, `HDR-10`, `CKY-01`, `CKY-03`, and the
//! typed errors of `ERR-01` as far as there are any yet.
//!
//! The idea: what counts is the bytes of the message. Responses are looked at as a server sends them over a stream in
//! memory, requests as they are written and parsed again. The rule: every setter there is has its line in a table.

use anthill_http::body::{CodingError, ContentDecoder};
use anthill_http::cookie::CookieError;
use anthill_http::form::FormType;
use anthill_http::header::{ByteRange, ContentRange, RangeError, RangeSpec};
use anthill_http::multipart::{Boundary, BoundaryError};
use anthill_http::uri::UriError;
use anthill_http::{
    ArgError, Args, Cookie, Error, ProtoError, Request, RequestCtx, RequestError, Response, Server,
    ShutdownError, TrailerError, Uri, Version, form, multipart,
};
use anthill_tests::client::{Client, get};
use anthill_tests::server::Running;
use anthill_tests::wire::{Script, Wire, answer};
use anthill_tests::{Gate, planned_panic};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn hdr_04_the_head_as_it_was_received() {
    let head = "hOST:  h \r\nx-a:1\r\nX-A:\t2\r\nContent-Length: 4\r\n\r\n";
    let message = format!("POST /p HTTP/1.1\r\n{head}body");
    let (mut request, length) = Request::parse(message.as_bytes()).expect("a request").expect("all of it");
    assert_eq!((length, request.raw_headers()), (message.len(), head.as_bytes()));
    assert_eq!(request.headers().names().collect::<Vec<_>>(), ["hOST", "x-a", "Content-Length"]);
    request.set_header("x-a", "3");
    request.set_request_uri("/other").expect("a target");
    request.set_body("other");
    assert_eq!(request.raw_headers(), head.as_bytes(), "what was received, whatever it is now");
    assert_eq!(request.clone().raw_headers(), b"", "a copy was not received");
    assert_eq!(Request::new("GET", "/").expect("a request").raw_headers(), b"");

    let running = Running::new(|ctx| {
        let raw = ctx.request.raw_headers().to_vec();
        ctx.set_body(raw);
    });
    let mut client = running.client();
    // Empty lines before, pipelined requests behind.
    client.send(format!("\r\n{message}{message}GET / HTTP/1.0\r\n\r\n"));
    for expected in [head, head, "\r\n"] {
        assert_eq!(client.response().text(), expected);
    }
}

#[test]
fn hdr_07_generic_and_typed_access_to_a_request_are_the_same() {
    let mut request = Request::new("GET", "/").expect("a request");
    // Set generically, read by type.
    request.set_header("host", "a:80");
    request.set_header("USER-AGENT", "ua");
    request.set_header("content-type", "a/b");
    request.set_header("content-encoding", "gzip");
    request.set_header("content-length", "7");
    request.set_header("referer", "r");
    request.set_header("connection", "x, CLOSE, upgrade");
    request.set_header("cookie", "a=1; b=2");
    request.set_header("range", "bytes=0-1");
    request.set_header("accept-encoding", "br");
    assert_eq!(request.host(), b"a:80");
    assert_eq!(request.user_agent(), Some(&b"ua"[..]));
    assert_eq!(request.content_type(), Some(&b"a/b"[..]));
    assert_eq!(request.content_encoding(), Some(&b"gzip"[..]));
    assert_eq!(request.content_length(), Some(7));
    assert_eq!(request.referer(), Some(&b"r"[..]));
    assert!(request.connection_close() && request.wants_upgrade());
    assert_eq!((request.cookie("b"), request.cookies().count()), (Some(&b"2"[..]), 2));
    assert_eq!(request.byte_ranges(9).expect("a range").expect("a good one").next(), ByteRange::new(0, 1));
    assert!(request.accepts_encoding("br") && !request.accepts_encoding("gzip"));
    // Set by type, read generically.
    request.set_host("b").expect("a host");
    request.set_user_agent("ua2");
    request.set_content_type("c/d");
    request.set_content_encoding("br");
    request.set_referer("r2");
    request.set_cookie("a", "3");
    request.set_cookie("c", "4");
    assert!(request.remove_cookie("b") && !request.remove_cookie("b"));
    request.set_range(RangeSpec::StartingAt(5));
    for (name, value) in [
        ("Host", "b"),
        ("User-Agent", "ua2"),
        ("Content-Type", "c/d"),
        ("Content-Encoding", "br"),
        ("Referer", "r2"),
        ("Cookie", "a=3; c=4"),
        ("Range", "bytes=5-"),
    ] {
        assert_eq!(request.header_str(name), Some(value), "{name}");
        assert_eq!(request.headers().get_all(name).count(), 1, "{name}");
        assert!(request.remove_header(name), "{name}");
    }
    assert_eq!((request.host(), request.user_agent(), request.content_type()), (&b""[..], None, None));
    assert_eq!((request.cookies().count(), request.byte_ranges(9).is_none()), (0, true));
    request.remove_header("connection");
    assert!(!request.connection_close());
    request.set_connection_close();
    request.set_connection_close();
    assert_eq!(request.headers().get_all("Connection").collect::<Vec<_>>(), [b"close"]);
    request.set_cookie("a", "1");
    request.clear_cookies();
    assert_eq!((request.header("cookie"), request.cookie("a")), (None, None));
    let boundary = Boundary::new("sep").expect("a boundary");
    assert_eq!(request.multipart_boundary(), Err(BoundaryError::NotMultipart));
    request.set_multipart_boundary(&boundary);
    assert_eq!(request.multipart_boundary(), Ok(boundary));
    assert!(request.is_http11());
    request.set_version(Version::Http10);
    assert!(!request.is_http11());
}

#[test]
fn hdr_07_the_host_is_one_and_the_same_everywhere() {
    let check = |request: &Request, target: &str, host: &str| {
        assert_eq!(String::from_utf8_lossy(request.request_uri()), target);
        assert_eq!((request.host(), request.header_str("Host")), (host.as_bytes(), Some(host)));
        let mut written = Vec::new();
        request.write_to(&mut written).expect("a vector");
        let (parsed, _) = Request::parse(&written).expect("a request").expect("all of it");
        assert_eq!((parsed.host(), parsed.header_str("host")), (host.as_bytes(), Some(host)));
    };
    let mut request = Request::new("GET", "http://a:1/x?y").expect("a request");
    check(&request, "http://a:1/x?y", "a:1");
    request.set_host("[::1]").expect("a host");
    check(&request, "http://[::1]/x?y", "[::1]");
    request.set_header("HOST", "longer.example:8080");
    check(&request, "http://longer.example:8080/x?y", "longer.example:8080");
    assert_eq!((request.path(), request.query()), ("/x", &b"y"[..]));
    assert_eq!(request.set_host("a b"), Err(RequestError::Host));
    request.set_header("Host", "a b");
    check(&request, "http://longer.example:8080/x?y", "longer.example:8080");
    request.set_request_uri("/z").expect("a target");
    check(&request, "/z", "longer.example:8080");
    assert!(request.remove_header("host"));
    assert_eq!(request.host(), b"");

    let mut connect = Request::new("CONNECT", "a:1").expect("a request");
    check(&connect, "a:1", "a:1");
    assert_eq!(connect.set_host("b"), Err(RequestError::Host), "without a port");
    connect.set_host("b:2").expect("a host");
    check(&connect, "b:2", "b:2");
}

/// RFC 9112 section 3.2.2: a proxy "MUST ignore the received Host header field (if any) and instead replace it with the
/// host information of the request-target".
#[test]
fn hdr_07_a_host_field_that_did_not_count_never_does() {
    for (line, target) in [("GET http://a/x", "http://a/x"), ("CONNECT a:1", "a:1")] {
        let message = format!("{line} HTTP/1.1\r\nX: y\r\nHost: b\r\n\r\n");
        let received = || Request::parse(message.as_bytes()).expect("a request").expect("all of it").0;
        let host = received().host().to_vec();
        assert_eq!(received().header_str("Host"), Some("b"), "as it was received");
        for mut request in [received(), received().clone()] {
            assert_eq!((request.request_uri(), request.host()), (target.as_bytes(), &host[..]));
            let new = if request.is_connect() { target } else { "/y" };
            request.set_request_uri(new).expect("a target");
            assert_eq!((request.host(), request.header("Host")), (&host[..], Some(&host[..])), "{line}");
            assert!(request.headers().names().eq(["X", "Host"]), "in its place");
        }
    }
    let mut request = Request::new("GET", "http://a/x").expect("a request");
    request.remove_header("host");
    request.set_request_uri("/y").expect("a target");
    assert_eq!((request.host(), request.header_str("host")), (&b"a"[..], Some("a")));
}

#[test]
fn an_empty_request_can_be_filled_and_is_not_written_before() {
    let mut sent = Vec::new();
    let empty = || RequestCtx::default().request;
    let error = empty().write_to(&mut sent).expect_err("nothing to write");
    assert_eq!((error.kind(), &sent[..]), (io::ErrorKind::InvalidData, &b""[..]));
    let mut request = empty();
    request.set_method("POST").expect("a method");
    assert_eq!((request.method(), request.request_uri(), request.path()), ("POST", &b"/"[..], "/"));
    let mut request = empty();
    request.set_request_uri("http://h/x?y").expect("a target");
    assert_eq!((request.method(), request.path(), request.host()), ("GET", "/x", &b"h"[..]));
}

#[test]
fn hdr_07_generic_and_typed_access_to_a_response_are_the_same() {
    let mut response = Response::new();
    response.set_header("content-TYPE", "a/b");
    response.append_header("Content-type", "c/d");
    response.set_header("content-encoding", "gzip");
    response.append_header("server", "one");
    response.append_header("SERVER", "two");
    response.set_header("connection", "upgrade, Close");
    response.append_header("set-cookie", "a=1; path=/");
    response.append_header("Set-Cookie", "b=2");
    response.set_header("trailer", "X-A, X-B");
    assert_eq!(
        (response.content_type(), response.headers().get_all("content-type").count()),
        (Some(&b"c/d"[..]), 1)
    );
    assert_eq!((response.content_encoding(), response.server()), (Some(&b"gzip"[..]), Some(&b"two"[..])));
    assert!(response.connection_close());
    let cookie = response.cookie("a").expect("a cookie").expect("a good one");
    assert_eq!((cookie.value(), cookie.path()), (&b"1"[..], Some(&b"/"[..])));
    assert!(response.trailer_names().eq(["X-A", "X-B"]));

    response.set_content_type("e/f");
    response.set_content_encoding("br");
    response.set_server("three");
    response.set_cookie(&Cookie::new("a", "3"));
    response.add_trailer("x-c, X-A").expect("good names");
    response.set_last_modified(UNIX_EPOCH + Duration::from_secs(784_111_777));
    response.set_content_range(ContentRange::Unsatisfied { length: 7 });
    for (name, values) in [
        ("Content-Type", &["e/f"][..]),
        ("Content-Encoding", &["br"]),
        ("Server", &["three"]),
        ("Set-Cookie", &["a=3", "b=2"]),
        ("Trailer", &["X-A, X-B, X-C"]),
        ("Last-Modified", &["Sun, 06 Nov 1994 08:49:37 GMT"]),
        ("Content-Range", &["bytes */7"]),
    ] {
        let found: Vec<_> = response.headers().get_all(name).map(String::from_utf8_lossy).collect();
        assert_eq!(found, values, "{name}");
        assert!(response.headers_mut().remove(name));
    }
    assert_eq!((response.content_type(), response.server(), response.cookie("a")), (None, None, None));
    response.set_header("Connection", "keep-alive");
    assert!(!response.connection_close());
    response.set_connection_close();
    assert!(response.headers().get_all("Connection").any(|value| value == b"close"));
    // The length is that of the body, whatever the list says.
    response.set_header("Content-Length", "7");
    response.set_body("body");
    assert_eq!(response.content_length(), Some(4));
}

#[test]
fn hdr_07_what_is_set_generically_works_like_what_is_set_by_type() {
    type Setter = fn(&mut Response);
    let both: [(Setter, Setter); 6] = [
        (|generic| generic.set_header("connection", "close"), |typed| typed.set_connection_close()),
        (|generic| generic.set_header("content-type", "a/b"), |typed| typed.set_content_type("a/b")),
        (|generic| generic.set_header("server", "s"), |typed| typed.set_server("s")),
        (|generic| generic.set_header("set-cookie", "a=b"), |typed| typed.set_cookie(&Cookie::new("a", "b"))),
        (|generic| generic.set_header("content-encoding", "x"), |typed| typed.set_content_encoding("x")),
        (
            |generic| {
                generic.set_header("trailer", "X-A");
                generic.set_header("x-a", "1");
                generic.set_body_reader(&b"body"[..]);
            },
            |typed| {
                typed.add_trailer("x-a").expect("a good name");
                typed.set_header("x-a", "1");
                typed.set_body_reader(&b"body"[..]);
            },
        ),
    ];
    for (generic, typed) in both {
        let sent = [generic, typed]
            .map(|set| answer(Server::builder(), move |ctx| set(&mut ctx.response), &get("/")));
        assert_eq!(sent[0], sent[1]);
        assert_ne!(sent[0], answer(Server::builder(), |_| {}, &get("/")));
    }
}

#[test]
fn hdr_10_a_response_is_copied_exchanged_and_cleared_whole() {
    let mut response = Response::new();
    response.set_status_code(418);
    response.set_reason("Odd");
    response.set_header("x-a", "1");
    response.set_cookie(&Cookie::new("a", "b"));
    response.add_trailer("X-T").expect("a good name");
    response.set_connection_close();
    response.set_body("body");
    let written = |response: &Response| {
        let mut written = Vec::new();
        response.write_to(&mut written).expect("a vector");
        String::from_utf8(written).expect("text")
    };
    let text = written(&response);
    assert_eq!(
        text,
        "HTTP/1.1 418 Odd\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\nX-A: 1\r\n\
         Set-Cookie: a=b\r\nConnection: close\r\n\r\nbody"
    );
    let mut copy = response.clone();
    assert_eq!(written(&copy), text);
    assert!(copy.trailer_names().eq(["X-T"]));
    for shared in [false, true] {
        copy = response.clone();
        if shared {
            copy.set_body_shared(b"shared".to_vec());
            assert_eq!(copy.clone().body(), b"shared");
        }
        copy.append_body(" and more");
        copy.remove_cookie("a");
        assert_eq!(written(&response), text, "a copy has its own life");
    }
    let mut other = Response::new();
    std::mem::swap(&mut response, &mut other);
    assert_eq!((written(&other), response.status_code()), (text, 200));
    other.clear();
    assert_eq!(written(&other), written(&Response::new()));
    assert!(other.headers().is_empty() && !other.connection_close() && other.cookies().next().is_none());
    assert!(other.trailer_names().next().is_none() && other.reason().is_empty());
}

#[test]
fn hdr_10_a_request_is_copied_whole() {
    let message = "POST /a%20b?c HTTP/1.1\r\nHost: h\r\nCookie: a=1\r\nCookie: b=2\r\nx-oDD: 1\r\n\
                   Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n4\r\nbody\r\n0\r\nX-T: end\r\n\r\n";
    let (received, _) = Request::parse(message.as_bytes()).expect("a request").expect("all of it");
    let mut copy = received.clone();
    for request in [&received, &copy, &copy.clone()] {
        assert_eq!(
            (request.method(), request.request_uri(), request.path()),
            ("POST", &b"/a%20b?c"[..], "/a b")
        );
        assert_eq!((request.host(), request.body(), request.query()), (&b"h"[..], &b"body"[..], &b"c"[..]));
        assert!(request.cookies().eq([(&b"a"[..], &b"1"[..]), (b"b", b"2")]));
        assert!(request.headers().iter().eq(received.headers().iter()));
        assert!(request.trailers().iter().eq([("X-T", &b"end"[..])]));
        assert!(request.is_body_complete());
    }
    copy.set_cookie("a", "3");
    copy.set_body("other");
    assert_eq!((received.cookie("a"), received.body()), (Some(&b"1"[..]), &b"body"[..]));
    assert_eq!((copy.cookie("b"), copy.header("cookie")), (Some(&b"2"[..]), Some(&b"a=3; b=2"[..])));
}

#[test]
fn what_is_written_is_what_a_server_sends() {
    let setters: [fn(&mut Response); 7] = [
        |_| {},
        |response| response.set_body("text"),
        |response| response.set_body_static(b"static"),
        |response| {
            response.set_status_code(204);
            response.set_body("not sent");
        },
        |response| response.set_status_code(304),
        |response| {
            response.set_status_code(205);
            response.set_header("Content-Length", "7");
        },
        |response| {
            response.set_header("connection", "upgrade");
            response.set_header("upgrade", "x");
            response.set_status_code(101);
        },
    ];
    for set in setters {
        let mut response = Response::new();
        set(&mut response);
        let mut written = Vec::new();
        response.write_to(&mut written).expect("a vector");
        let sent = answer(
            Server::builder(),
            move |ctx| {
                set(&mut ctx.response);
                // That is sent only if somebody takes the connection over.
                if ctx.response.status_code() == 101 {
                    ctx.hijack(drop);
                }
            },
            &get("/"),
        );
        assert_eq!(String::from_utf8_lossy(&written), sent);
    }
    let mut streamed = Response::new();
    streamed.set_body_reader(io::empty());
    let error = streamed.write_to(&mut Vec::new()).expect_err("a stream");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn cky_01_cookies_of_a_response() {
    let mut response = Response::new();
    response.set_cookie(Cookie::new("a", "1").set_path("/x"));
    response.append_header("Set-Cookie", "b=2; HttpOnly");
    response.append_header("Set-Cookie", "a=again");
    response.append_header("Set-Cookie", "broken=a\tb");
    response.set_cookie(&Cookie::new("a", "3"));
    let lines = |response: &Response| -> Vec<String> {
        response
            .headers()
            .get_all("set-cookie")
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    };
    assert_eq!(
        lines(&response),
        ["a=3", "b=2; HttpOnly", "broken=a\tb"],
        "one of a name, in the place of the first"
    );
    let found: Vec<_> = response.cookies().collect();
    assert_eq!(found[0], Ok(Cookie::new("a", "3")));
    assert!(found[1].as_ref().is_ok_and(Cookie::http_only));
    assert_eq!((&found[2], found.len()), (&Err(CookieError::InvalidValue), 3));
    assert_eq!(response.cookie("broken"), Some(Err(CookieError::InvalidValue)));
    assert_eq!(response.cookie("A"), None, "names have a case");
    assert!(response.remove_cookie("broken") && !response.remove_cookie("broken"));
    response.expire_cookie("b");
    response.expire_cookie("c");
    let gone = "expires=Tue, 10 Nov 2009 23:00:00 GMT";
    assert_eq!(lines(&response), ["a=3".to_owned(), format!("b=; {gone}"), format!("c=; {gone}")]);
    response.clear_cookies();
    assert!(lines(&response).is_empty());

    let running = Running::new(|ctx| {
        let sent = ctx.request.cookie("sid").map(<[u8]>::to_vec);
        ctx.response.set_cookie(Cookie::new("sid", "new").set_path("/"));
        ctx.response.set_cookie(&Cookie::new("other", "x"));
        ctx.set_body(sent.unwrap_or_default());
    });
    let mut client = running.client();
    for _ in 0..2 {
        let reply =
            client.exchange("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b; sid=old\r\nCookie: sid=older\r\n\r\n");
        assert_eq!((reply.text(), reply.values("Set-Cookie")), ("old", vec!["sid=new; path=/", "other=x"]));
    }
}

#[test]
fn cky_03_a_request_s_cookies_are_changed_in_place() {
    let (mut request, _) = Request::parse(
        b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b = \"x\" ;bare\r\nX: y\r\ncookie: a=2; bad=x\ty; c==\r\n\r\n",
    )
    .expect("a request")
    .expect("all of it");
    let pairs = |request: &Request| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        request.cookies().map(|(name, value)| (text(name), text(value))).collect()
    };
    let expected = [("a", "1"), ("b", "\"x\""), ("", "bare"), ("a", "2"), ("c", "=")];
    assert_eq!(pairs(&request), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(request.cookies().get_all("a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((request.cookie(""), request.cookie("bad")), (Some(&b"bare"[..]), None));
    request.set_cookie("a", "3");
    assert_eq!(request.headers().get_all("Cookie").collect::<Vec<_>>(), [b"a=3; b=\"x\"; bare; c=="]);
    assert!(request.headers().names().eq(["Host", "Cookie", "X"]));
    for name in ["a", "b", "", "c"] {
        assert!(request.remove_cookie(name), "{name:?}");
    }
    assert_eq!(request.header("cookie"), None, "without a pair there is no field");
}

#[test]
fn a_request_has_an_absolute_uri() {
    for (line, host, expected) in [
        ("GET /", "h", "http://h/"),
        ("GET /a%20b/../c?x=1&y#z", "H.example:8080", "http://h.example:8080/c?x=1&y#z"),
        ("GET //a", "h", "http://h/a"),
        ("GET http://Other/x", "h", "http://other/x"),
        ("GET https://other:1?y", "h", "https://other:1/?y"),
        ("OPTIONS *", "h", "http://h"),
        ("CONNECT other:443", "h", "http://other:443/"),
        ("GET /ä", "[::1]:80", "http://[::1]:80/%C3%A4"),
    ] {
        let message = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (request, _) = Request::parse(message.as_bytes()).expect(line).expect("all of it");
        assert_eq!(request.uri().expect(line).to_string(), expected, "{line}");
        let ctx = RequestCtx::for_request(request, None);
        assert_eq!(ctx.request.uri().expect(line).to_string(), expected, "{line}");
    }
    let (request, _) = Request::parse(b"GET /x HTTP/1.0\r\n\r\n").expect("a request").expect("all of it");
    let uri = request.uri().expect("a URI");
    assert_eq!((uri.host(), uri.path()), (&b""[..], "/x"));
    let (request, _) =
        Request::parse(b"GET / HTTP/1.1\r\nHost: %41\r\n\r\n").expect("a request").expect("all of it");
    assert_eq!(request.uri().err(), Some(UriError::Host));
}

#[test]
fn query_arguments_are_pairs_as_in_any_form() {
    let request = Request::new("GET", "/?a=1&=&&b&c=%26+&=v&a=b=c").expect("a request");
    let found: Vec<_> = request.query_args().collect();
    let args = Args::parse(request.query());
    let expected: Vec<_> = args.iter().map(|(name, value)| (name.into(), value.map(Into::into))).collect();
    assert_eq!((found.len(), found), (5, expected));
}

/// Each error of fasthttp's list that has a counterpart in what there is so far, told apart by its type and variant.
/// Those of the client (timeouts, redirects, free connections, pipelines), of dialling and of TLS come with these
/// parts; `ErrNeedMore` is no error here but an ordinary value, and the limits per address and on connections are
/// answers.
#[test]
fn errors_are_told_apart_without_their_texts() {
    let parse = |head: &str| Request::parse(format!("{head}\r\n\r\n").as_bytes()).expect_err(head);
    // ErrMissingRequestMethod, ErrUnsupportedRequestMethod, ErrExtraWhitespaceInRequestLine, ErrEmptyRequestURI
    for (line, error) in [
        (" / HTTP/1.1", ProtoError::MissingMethod),
        ("G(T / HTTP/1.1", ProtoError::BadMethod),
        ("GET  / HTTP/1.1", ProtoError::BadSpacing),
        ("GET /  HTTP/1.1", ProtoError::BadSpacing),
        ("GET HTTP/1.1", ProtoError::MissingTarget),
        ("GET  HTTP/1.1", ProtoError::MissingTarget),
        ("GET", ProtoError::MissingTarget),
        ("GET /", ProtoError::BadVersion),
        ("GET / HTTP/one", ProtoError::BadVersion),
        ("GET /\u{1} HTTP/1.1", ProtoError::BadTarget),
    ] {
        assert_eq!(parse(&format!("{line}\r\nHost: h")), error, "{line}");
    }
    // ErrDuplicateContentLength, ErrNonNumericChars, ErrUnsupportedTransferEncoding, ErrBadTrailer, ErrBrokenChunk
    let with = |fields: &str| parse(&format!("PUT / HTTP/1.1\r\nHost: h\r\n{fields}"));
    assert_eq!(with("Content-Length: 1\r\nContent-Length: 1"), ProtoError::DuplicateContentLength);
    assert_eq!(with("Content-Length: 1x"), ProtoError::BadContentLength);
    assert_eq!(with("Transfer-Encoding: gzip"), ProtoError::BadTransferEncoding);
    assert_eq!(with("Trailer: Content-Length"), ProtoError::BadTrailer);
    assert_eq!(with("Transfer-Encoding: chunked\r\n\r\nx"), ProtoError::BadChunk);
    assert_eq!(Response::new().add_trailer("Host"), Err(TrailerError));
    // ErrNeedMore
    assert!(matches!(Request::parse(b"GET / HTTP/1.1\r\n"), Ok(None)));
    // ErrSmallBuffer, ErrBodyTooLarge
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "x".repeat(64 * 1024));
    assert_eq!(parse(&large), ProtoError::HeadTooLarge);
    assert_eq!(with("Content-Length: 5000000"), ProtoError::BodyTooLarge);
    // ErrNoArgValue, ErrorInvalidURI
    assert_eq!(Args::parse("a=").get_uint("a"), Err(ArgError::Missing));
    assert_eq!(Uri::parse("http://[::1").err(), Some(UriError::Ipv6));
    // ErrNoCookies, ErrInvalidCookieValue
    assert_eq!(Cookie::parse(""), Err(CookieError::Empty));
    assert_eq!(Cookie::parse("a=b\tc"), Err(CookieError::InvalidValue));
    // ErrMissingFile, ErrNoMultipartForm, ErrContentEncodingUnsupported
    let mut request = Request::new("POST", "/").expect("a request");
    let kind = |request: &Request| FormType::of(request.content_type().unwrap_or_default());
    assert!(matches!(kind(&request), Err(form::Error::NotAForm)));
    request.set_content_type("multipart/form-data");
    assert!(matches!(kind(&request), Err(form::Error::Boundary(BoundaryError::Missing))));
    request.set_content_type("application/x-www-form-urlencoded");
    let mut ctx = RequestCtx::for_request(request, None);
    assert!(matches!(ctx.form_file("f"), Err(form::Error::MissingFile(name)) if name == "f"));
    ctx.request.set_content_encoding("compress");
    assert!(matches!(ctx.form_with(&form::Options::new()), Err(form::Error::UnsupportedCoding)));
    assert_eq!(ContentDecoder::new("compress", io::empty()).err(), Some(CodingError));
    assert!(matches!(multipart::Error::from(io::Error::other("x")), multipart::Error::Io(_)));
    // What setters and options refuse.
    assert_eq!(Request::new("", "/").err(), Some(RequestError::Method));
    assert_eq!(Request::new("GET", "").err(), Some(RequestError::Target));
    assert_eq!(Server::builder().shards(0).build(|_| {}).expect_err("no shards").option(), "shards");
    let mut ranged = Request::new("GET", "/").expect("a request");
    ranged.set_header("Range", "bytes=9-");
    assert_eq!(ranged.byte_ranges(1).expect("a range").err(), Some(RangeError::Unsatisfiable));
    // What serving a connection ends with: ErrTimeout, ErrNothingRead, ErrBodyStreamWritePanic, unexpected EOF.
    assert!(Error::from(io::Error::from(io::ErrorKind::TimedOut)).is_timeout());
    assert!(Error::from(io::Error::from(io::ErrorKind::ConnectionReset)).is_io());
    let serve = |message: &str| {
        anthill_tests::quiet_panics();
        let (wire, _) = Wire::new(Script::new(message));
        let server = Server::new(|ctx| {
            ctx.response.set_body_writer(|out| {
                out.flush()?;
                planned_panic()
            });
        });
        server.expect("the defaults").serve_conn(wire).expect_err("it ends badly")
    };
    assert!(serve(&get("/")).is_body_panic());
    assert_eq!(serve("GET / HTTP/1.1\r\n").proto(), Some(ProtoError::UnexpectedEnd));
    // What a shutdown that takes too long ends with.
    let gate = Gate::new();
    let held = gate.clone();
    let mut running = Running::new(move |_| held.pass());
    let mut client: Client = running.client();
    client.send(get("/"));
    anthill_tests::eventually("the handler runs", || running.handled() == 1);
    let refused = running.server().shutdown(Duration::from_millis(1));
    assert!(matches!(refused, Err(ShutdownError::Timeout { open_connections: 1, .. })), "{refused:?}");
    gate.open();
    running.shut_down(anthill_tests::PATIENCE).expect("nothing is left to do");
}
