//! What setters may put onto the wire: rows `HDR-05` and `HDR-06`.
//!
//! The idea: the bytes of the message count, a response's as a server sends them and a request's as they are written.
//! The rule: every public setter has its line in a table, and each is given everything that could end a line or a body.

use anthill_http::cookie::CookieLine;
use anthill_http::multipart::{Boundary, Multipart, MultipartWriter};
use anthill_http::{Args, Cookie, Headers, Request, RequestCtx, Server, Uri};
use anthill_tests::client::get;
use anthill_tests::wire::answer;
use std::io::Write;

/// Texts that would begin a line, a message, an attribute or a pair of their own.
const EVIL: [&str; 9] = [
    "a\r\nX-Evil: 1",
    "a\nX-Evil: 1",
    "a\rX-Evil: 1",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n",
    "\r\nX-Evil: 1",
    "a\r\n X-Evil: 1",
    "a\0\r\nX-Evil: 1\x7f",
    "a; Domain=evil.example; X-Evil=1\r\nX-Evil: 1",
    "a, Content-Length\r\nContent-Length: 0\r\nX-Evil: 1",
];

/// Asserts that a message has no lines but those it should have: `firsts` is how a line that begins a message begins.
#[track_caller]
fn assert_no_line_is_forged(what: &str, message: &str, first: &str) {
    let rest = message.replace("\r\n", "|");
    assert!(!rest.contains(['\r', '\n', '\0', '\x7f']), "{what}: a control byte is left in {message:?}");
    let lines: Vec<&str> = message.split("\r\n").collect();
    for line in &lines {
        assert!(!line.to_ascii_lowercase().starts_with("x-evil"), "{what}: a line is forged in {message:?}");
    }
    let firsts = lines.iter().filter(|line| line.contains(first)).count();
    let begins = lines.iter().filter(|line| line.starts_with(first) || line.ends_with(first)).count();
    assert!(begins <= 1 && firsts >= 1, "{what}: a message is forged in {message:?}");
    let lengths = lines.iter().filter(|line| line.to_ascii_lowercase().starts_with("content-length"));
    assert!(lengths.count() <= 1, "{what}: a length is forged in {message:?}");
}

type ResponseSetter = (&'static str, fn(&mut RequestCtx, &str));

/// Every way to put text into the head of a response.
const RESPONSE_SETTERS: &[ResponseSetter] = &[
    ("set_header, value", |ctx, evil| ctx.response.set_header("X-Good", evil)),
    ("set_header, value, again", |ctx, evil| {
        ctx.response.set_header("X-Good", "before");
        ctx.response.set_header("X-Good", evil);
    }),
    ("set_header, name", |ctx, evil| ctx.response.set_header(evil, "x")),
    ("append_header, value", |ctx, evil| ctx.response.append_header("X-Good", evil)),
    ("append_header, name", |ctx, evil| ctx.response.append_header(evil, "x")),
    ("append_header, single", |ctx, evil| ctx.response.append_header("Content-Type", evil)),
    ("set_header, Connection", |ctx, evil| ctx.response.set_header("Connection", evil)),
    ("set_header, Trailer", |ctx, evil| ctx.response.set_header("Trailer", evil)),
    ("set_header, Set-Cookie", |ctx, evil| ctx.response.set_header("Set-Cookie", evil)),
    ("set_header, Transfer-Encoding", |ctx, evil| ctx.response.set_header("Transfer-Encoding", evil)),
    ("set_header, Content-Length", |ctx, evil| ctx.response.set_header("Content-Length", evil)),
    ("set_header, Content-Encoding", |ctx, evil| ctx.response.set_header("Content-Encoding", evil)),
    ("set_header, Date", |ctx, evil| ctx.response.set_header("Date", evil)),
    ("headers_mut, append", |ctx, evil| ctx.response.headers_mut().append(evil, evil)),
    ("headers_mut, set", |ctx, evil| ctx.response.headers_mut().set(evil, evil)),
    ("headers_mut, extend", |ctx, evil| ctx.response.headers_mut().extend([(evil, evil)])),
    ("headers_mut, from iterator", |ctx, evil| {
        *ctx.response.headers_mut() = Headers::from_iter([(evil, evil)])
    }),
    ("headers_mut, raw names", |ctx, evil| {
        ctx.response.headers_mut().set_names_normalizing(false);
        ctx.response.headers_mut().append(evil, evil);
        ctx.response.headers_mut().set(evil, evil);
    }),
    ("headers_mut, copy", |ctx, evil| {
        let other = Headers::from_iter([(evil, evil)]);
        ctx.response.headers_mut().copy_from(other.fields());
    }),
    ("set_reason", |ctx, evil| ctx.response.set_reason(evil)),
    ("set_reason of an unknown status", |ctx, evil| {
        ctx.response.set_status_code(499);
        ctx.response.set_reason(evil);
    }),
    ("set_content_type", |ctx, evil| ctx.response.set_content_type(evil)),
    ("set_content_encoding", |ctx, evil| ctx.response.set_content_encoding(evil)),
    ("set_server", |ctx, evil| ctx.response.set_server(evil)),
    ("add_trailer", |ctx, evil| {
        let _ = ctx.response.add_trailer(evil);
    }),
    ("set_cookie, name", |ctx, evil| ctx.response.set_cookie(&Cookie::new(evil, "x"))),
    ("set_cookie, value", |ctx, evil| ctx.response.set_cookie(&Cookie::new("x", evil))),
    ("set_cookie, no name", |ctx, evil| ctx.response.set_cookie(&Cookie::new("", evil))),
    ("set_cookie, domain", |ctx, evil| ctx.response.set_cookie(Cookie::new("x", "y").set_domain(evil))),
    ("set_cookie, path", |ctx, evil| ctx.response.set_cookie(Cookie::new("x", "y").set_path(evil))),
    ("expire_cookie", |ctx, evil| ctx.response.expire_cookie(evil)),
    ("ctx.set_content_type", |ctx, evil| ctx.set_content_type(evil)),
    ("ctx.success", |ctx, evil| ctx.success(evil, "")),
    ("ctx.redirect", |ctx, evil| ctx.redirect(evil, 302)),
    ("ctx.redirect, absolute", |ctx, evil| ctx.redirect(format!("http://h/{evil}"), 302)),
    ("ctx.redirect, to a URI", |ctx, evil| {
        let mut uri = Uri::parse("http://h/").expect("a URI");
        uri.set_path(evil);
        uri.set_query(evil);
        uri.set_fragment(evil);
        uri.set_username(evil);
        uri.set_password(evil);
        uri.query_args_mut().append(evil, evil);
        assert!(uri.set_host(evil).is_err() && uri.set_scheme(evil).is_err());
        ctx.redirect(uri.to_bytes(), 302);
    }),
    ("arguments in a field", |ctx, evil| {
        let args = Args::from_iter([(evil, evil)]);
        ctx.response.set_header("X-Good", args.to_bytes());
    }),
    ("a cookie line in a field", |ctx, evil| {
        let mut line = CookieLine::from_iter([(evil, evil)]);
        line.set(evil, evil).add(evil, evil);
        ctx.response.set_header("X-Good", &line);
    }),
    ("a boundary in a field", |ctx, evil| {
        let boundary = Boundary::new(evil).unwrap_or_else(|_| Boundary::random());
        ctx.response.set_content_type(boundary.form_content_type());
    }),
    ("a trailer behind a body", |ctx, evil| {
        let _ = ctx.response.add_trailer("X-Good");
        ctx.response.set_header("X-Good", evil);
        let evil = evil.to_owned();
        ctx.response.set_body_writer(move |out| {
            out.append_trailer("X-Better", &evil);
            out.append_trailer(&evil, "x");
            out.write_all(b"body")
        });
    }),
];

#[test]
fn hdr_05_no_setter_of_a_response_makes_a_line() {
    for (what, set) in RESPONSE_SETTERS {
        for evil in EVIL {
            let handler = move |ctx: &mut RequestCtx| {
                ctx.set_body("body");
                set(ctx, evil);
            };
            for keeps_names in [false, true] {
                let options = Server::builder();
                let options = if keeps_names { options.normalize_header_names(false) } else { options };
                let sent = answer(options, handler, &get("/"));
                assert_no_line_is_forged(what, &sent, "HTTP/1.1 ");
                let (head, body) = sent.split_once("\r\n\r\n").expect("a whole head");
                assert!(
                    ["", "body"].contains(&body) || body.starts_with("4\r\nbody\r\n0\r\n"),
                    "{what}: {body:?}"
                );
                assert!(head.matches("\r\nSet-Cookie: ").count() <= 1, "{what}: {head:?}");
                let attribute = head.lines().find(|line| line.starts_with("Set-Cookie: "));
                if what.starts_with("set_cookie") || what.starts_with("expire_cookie") {
                    let line = attribute.expect("a cookie").to_ascii_lowercase();
                    assert!(
                        !line.contains("; domain=evil") && !line.contains("; x-evil"),
                        "{what}: {line:?}"
                    );
                }
            }
            let mut ctx = RequestCtx::default();
            handler(&mut ctx);
            let mut written = Vec::new();
            if ctx.response.write_to(&mut written).is_ok() {
                assert_no_line_is_forged(what, &String::from_utf8_lossy(&written), "HTTP/1.1 ");
            } else {
                assert!(ctx.response.is_body_stream(), "{what}");
            }
        }
    }
}

/// Sets something; false: it was refused.
type RequestSetter = (&'static str, fn(&mut Request, &str) -> bool);

/// Every way to put text into the head of a request.
const REQUEST_SETTERS: &[RequestSetter] = &[
    ("new, method", |request, evil| Request::new(evil, "/").map(|new| *request = new).is_ok()),
    ("new, target", |request, evil| Request::new("GET", evil).map(|new| *request = new).is_ok()),
    ("set_method", |request, evil| request.set_method(evil).is_ok()),
    ("set_request_uri", |request, evil| request.set_request_uri(evil).is_ok()),
    ("set_request_uri, path", |request, evil| request.set_request_uri(format!("/{evil}")).is_ok()),
    ("set_request_uri, absolute", |request, evil| request.set_request_uri(format!("http://{evil}/")).is_ok()),
    ("set_host", |request, evil| request.set_host(evil).is_ok()),
    ("set_header, Host", |request, evil| {
        request.set_header("Host", evil);
        request.append_header("hOST", evil);
        request.host() != b"h"
    }),
    ("set_header, value", |request, evil| {
        request.set_header("X-Good", evil);
        true
    }),
    ("set_header, name", |request, evil| {
        request.set_header(evil, "x");
        true
    }),
    ("append_header, value", |request, evil| {
        request.append_header("X-Good", evil);
        true
    }),
    ("append_header, name", |request, evil| {
        request.append_header(evil, "x");
        true
    }),
    ("set_header, framing", |request, evil| {
        request.set_header("Content-Length", evil);
        request.append_header("Transfer-Encoding", "chunked");
        request.append_header("Trailer", evil);
        true
    }),
    ("set_content_type", |request, evil| {
        request.set_content_type(evil);
        true
    }),
    ("set_content_encoding", |request, evil| {
        request.set_content_encoding(evil);
        true
    }),
    ("set_user_agent", |request, evil| {
        request.set_user_agent(evil);
        true
    }),
    ("set_referer", |request, evil| {
        request.set_referer(evil);
        true
    }),
    ("set_cookie, name", |request, evil| {
        request.set_cookie(evil, "x");
        true
    }),
    ("set_cookie, value", |request, evil| {
        request.set_cookie("x", evil);
        true
    }),
    ("set_cookie, both, again", |request, evil| {
        request.set_cookie(evil, evil);
        request.set_cookie(evil, evil);
        true
    }),
];

#[test]
fn hdr_05_no_setter_of_a_request_makes_a_line() {
    for (what, set) in REQUEST_SETTERS {
        for evil in EVIL {
            let mut request = Request::new("PUT", "/path").expect("a request");
            request.set_host("h").expect("a host");
            request.set_body("body");
            let before = request.clone();
            let was_taken = set(&mut request, evil);
            let mut written = Vec::new();
            request.write_to(&mut written).expect("a vector");
            let text = String::from_utf8_lossy(&written).into_owned();
            assert_no_line_is_forged(what, &text, " HTTP/1.1");
            let (parsed, length) = Request::parse(&written).expect(what).expect("a whole request");
            assert_eq!(length, written.len(), "{what}: there is something behind the request");
            assert_eq!((parsed.body(), parsed.method()), (&b"body"[..], "PUT"), "{what}");
            assert_eq!((parsed.request_uri(), parsed.host()), (&b"/path"[..], &b"h"[..]), "{what}");
            assert!(parsed.cookies().count() <= 1, "{what}: {parsed:?}");
            if !was_taken {
                assert!(request.headers().iter().eq(before.headers().iter()), "{what}: refused and changed");
            }
        }
    }
}

#[test]
fn hdr_05_names_of_parts_stay_in_their_quotes() {
    let boundary = Boundary::new("sep").expect("a boundary");
    for evil in EVIL {
        let mut writer = MultipartWriter::new(Vec::new(), &boundary);
        writer.field(evil, "x").expect("a vector");
        writer.file(evil, evil, evil, &b"y"[..]).expect("a vector");
        writer.part(&Headers::from_iter([(evil, evil)]), &b"z"[..]).expect("a vector");
        let body = writer.finish().expect("a vector");
        let text = String::from_utf8(body.clone()).expect("text");
        assert!(!text.lines().any(|line| line.starts_with("X-Evil")), "{text:?}");
        let mut parts = Multipart::new(&body[..], &boundary);
        let mut count = 0;
        while let Some(part) = parts.next_part().expect("a body") {
            assert!(!part.headers().contains("X-Evil"), "{evil:?}");
            count += 1;
        }
        assert_eq!(count, 3);
    }
}

#[test]
fn hdr_06_a_request_is_framed_by_its_body() {
    for body in ["", "body"] {
        let mut request = Request::new("POST", "/").expect("a request");
        request.set_host("h").expect("a host");
        request.set_header("transfer-encoding", "chunked");
        request.append_header("Transfer-Encoding", "gzip");
        request.set_header("content-length", "1000");
        request.append_header("Content-Length", "2");
        request.set_body(body);
        let mut written = Vec::new();
        request.write_to(&mut written).expect("a vector");
        let expected = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}

#[test]
fn hdr_06_a_response_is_framed_by_its_body_whoever_says_otherwise() {
    let forge = |ctx: &mut RequestCtx| {
        let headers = ctx.response.headers_mut();
        headers.set_names_normalizing(false);
        headers.extend([
            ("transfer-ENCODING", "chunked"),
            ("content-LENGTH", "1000"),
            ("Content-Length", "2"),
        ]);
    };
    let plain = answer(
        Server::builder(),
        move |ctx| {
            ctx.set_body("body");
            forge(ctx);
        },
        &get("/"),
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";
    assert_eq!(plain, format!("{head}Content-Length: 4\r\n\r\nbody"));
    let streamed = answer(
        Server::builder(),
        move |ctx| {
            ctx.response.set_body_reader(&b"body"[..]);
            forge(ctx);
        },
        &get("/"),
    );
    assert_eq!(streamed, format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"));
    let mut ctx = RequestCtx::default();
    ctx.set_body("body");
    forge(&mut ctx);
    let mut written = Vec::new();
    ctx.response.write_to(&mut written).expect("a vector");
    assert_eq!(String::from_utf8_lossy(&written), plain);
}
