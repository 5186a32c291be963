//! Header fields in both directions, status lines, and the context's helpers: rows `HDR-01` to `HDR-11`, `CTX-06`.
//!
//! The rule: what a handler sets is what a client reads, unless it would break the message; then it is made harmless.

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::Client;
use anthill_tests::planned_panic;
use anthill_tests::server::Running;

/// What a handler's response looks like from outside, without the fields that every response has.
#[track_caller]
fn answered(handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Vec<(String, String)> {
    let running = Running::with(Server::builder().default_date(false).name(None), handler);
    let mut client = running.client();
    let reply = client.get("/");
    // The next response tells whether this one ended where it said.
    assert_eq!(client.get("/").fields, reply.fields);
    let own = reply.fields.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length"));
    own.collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn hdr_01_names_are_found_in_any_case() {
    let running = Running::new(|ctx| {
        let header =
            |name: &str| ctx.header(name).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let seen = [header("x-y"), header("X-Y"), header("X-y"), header("x-yz"), header("host")].join(",");
        let host = String::from_utf8_lossy(ctx.request.host()).into_owned();
        let body = String::from_utf8_lossy(ctx.body()).into_owned();
        ctx.set_body(format!("{seen} {host} {body}"));
    });
    let reply =
        running.client().exchange("POST / HTTP/1.1\r\nhoST: h\r\ncOnTent-LENgth: 4\r\nX-Y: z\r\n\r\nbody");
    assert_eq!(reply.text(), "z,z,z,,h h body");
}

#[test]
fn hdr_03_adding_setting_and_deleting() {
    let fields = answered(|ctx| {
        let response = &mut ctx.response;
        response.append_header("Two", "first");
        response.append_header("Other", "");
        response.append_header("two", "second");
        response.append_header("One", "a");
        response.append_header("one", "b");
        response.set_header("ONE", "only");
        response.append_header("Gone", "x");
        response.append_header("gone", "y");
        assert!(response.headers_mut().remove("GONE"));
        for value in 0..10 {
            response.append_header("Ten", value.to_string());
        }
    });
    let mut expected = pairs(&[("Two", "first"), ("Other", ""), ("Two", "second"), ("One", "only")]);
    expected.extend((0..10).map(|value| ("Ten".to_owned(), value.to_string())));
    assert_eq!(fields, expected);
}

#[test]
fn received_fields_keep_their_order_values_and_spelling() {
    let running = Running::new(|ctx| {
        let headers = ctx.request.headers();
        let all: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        let values: Vec<_> = headers.get_all("a-b").map(String::from_utf8_lossy).collect();
        assert_eq!((headers.len(), values.concat()), (5, "123".to_owned()));
        let cookies = [ctx.request.cookie("c"), ctx.request.cookie("d"), ctx.request.cookie("e")]
            .map(|value| value.map(<[u8]>::to_vec));
        assert_eq!(cookies, [Some(b"1".to_vec()), Some(b"2".to_vec()), None]);
        let all = all.join(";");
        ctx.set_body(all);
    });
    let request = "GET / HTTP/1.1\r\na-b: 1\r\nHost: h\r\nA-B:2\r\nCookie: c=1; d=2\r\na-B: 3\r\n\r\n";
    assert_eq!(running.client().exchange(request).text(), "a-b=1;Host=h;A-B=2;Cookie=c=1; d=2;a-B=3");
}

#[test]
fn line_breaks_never_make_a_line() {
    for evil in [
        "a\r\nX-Evil: 1",
        "a\nX-Evil: 1",
        "a\rX-Evil: 1",
        "a\r\n\r\nHTTP/1.1 200 OK\r\nX-Evil: 1",
        "\r\n",
        "a\0b",
    ] {
        let fields = answered(move |ctx| {
            let response = &mut ctx.response;
            response.set_header("Set", "replaced");
            response.set_header("Set", evil);
            response.append_header("Append", evil);
            response.set_header(evil, "x");
            response.append_header(evil, "x");
            response.append_header("Set-Cookie", format!("a={evil}"));
            response.set_content_type(evil);
            response.set_header("Connection", evil);
            ctx.redirect(evil, 302);
            ctx.response.set_reason(evil);
        });
        assert!(!fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("X-Evil")), "{evil:?}: {fields:?}");
        assert_eq!(fields.iter().filter(|(name, _)| name == "Set").count(), 1, "{fields:?}");
    }
}

#[test]
fn line_breaks_in_the_servers_name_never_make_a_line() {
    let evil = "a\r\nX-Evil: 1";
    if Server::builder().name(evil).build(|_| {}).is_err() {
        return;
    }
    let running = Running::with(Server::builder().name(evil), |_| {});
    assert_eq!(running.client().get("/").field("X-Evil"), None);
}

#[test]
fn hdr_06_framing_cannot_be_forged() {
    let running = Running::new(|ctx| {
        ctx.response.set_header("Transfer-Encoding", "chunked");
        ctx.response.append_header("transfer-encoding", "gzip");
        ctx.response.set_header("Content-Length", "1000");
        ctx.response.append_header("content-length", "2");
        if ctx.path() == "/body" {
            ctx.set_body("body");
        }
    });
    let mut client = running.client();
    for (target, body) in [("/body", "body"), ("/", ""), ("/body", "body")] {
        let reply = client.get(target);
        assert_eq!((reply.field("Transfer-Encoding"), reply.text()), (None, body));
        assert_eq!(reply.values("Content-Length"), [body.len().to_string()]);
    }
    assert_eq!(running.handled(), 3);
}

#[test]
fn hdr_11_the_reason_is_the_one_that_was_set_or_the_standard_one() {
    let running = Running::new(|ctx| {
        let status = String::from_utf8_lossy(ctx.request.query()).parse().unwrap_or(0);
        ctx.set_status_code(status);
        if status == 101 {
            // It is sent only if somebody takes the connection over.
            ctx.hijack(drop);
        }
        if ctx.path() == "/foo" {
            ctx.response.set_reason("Foo");
        }
    });
    let line = |target: &str| {
        let reply = running.client().get(target);
        format!("{} {}", reply.status, reply.reason)
    };
    assert_eq!(line("/foo?456"), "456 Foo");
    assert_eq!(line("/foo?200"), "200 Foo");
    assert_eq!(line("/?512"), "512 Unknown Status Code");
    assert_eq!(line("/?999"), "999 Unknown Status Code");
    assert_eq!(line("/"), "200 OK");
    assert_eq!(line("/?1000"), "500 Internal Server Error", "a number that cannot be sent");
    assert_eq!(KNOWN.len(), 61);
    for (status, reason) in KNOWN {
        assert_eq!(line(&format!("/?{status}")), format!("{status} {reason}"));
    }
}

#[test]
fn ctx_06_helpers_in_any_order_and_the_last_word_counts() {
    let running = Running::new(|ctx| match ctx.path() {
        "/success" => {
            ctx.set_body("first");
            ctx.set_content_type("text/x");
            ctx.success("text/html", "<p>");
        }
        "/error" => {
            ctx.response.set_header("Earlier", "gone");
            ctx.set_body("gone");
            ctx.error("went wrong", 503);
            ctx.response.set_header("Later", "kept");
        }
        "/not-found" => {
            ctx.response.set_header("Earlier", "gone");
            ctx.not_found();
        }
        "/not-modified" => {
            ctx.response.set_header("Earlier", "gone");
            ctx.set_body("gone");
            ctx.not_modified();
        }
        "/body-first" => {
            ctx.set_body("body");
            ctx.response.set_header("A", "1");
            ctx.set_status_code(201);
            ctx.set_status_code(202);
            ctx.response.set_header("A", "2");
            ctx.set_body("bo");
            ctx.append_body("dy");
            ctx.append_body("!");
        }
        _ => {
            ctx.response.set_header("A", "2");
            ctx.set_status_code(202);
            ctx.set_body("body!");
        }
    });
    let mut client = running.client();
    let reply = client.get("/success");
    assert_eq!((reply.status, reply.field("Content-Type"), reply.text()), (200, Some("text/html"), "<p>"));
    let reply = client.get("/error");
    assert_eq!((reply.status, reply.text()), (503, "went wrong"));
    assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!((reply.field("Earlier"), reply.field("Later")), (None, Some("kept")));
    let reply = client.get("/not-found");
    assert_eq!((reply.status, reply.text(), reply.field("Earlier")), (404, "404 Page not found", None));
    let reply = client.get("/not-modified");
    assert_eq!((reply.status, reply.field("Earlier"), reply.field("Content-Length")), (304, None, None));
    let [one, other] = ["/body-first", "/body-last"].map(|target| client.get(target));
    assert_eq!((one.status, one.field("A"), one.text()), (202, Some("2"), "body!"));
    assert_eq!((other.status, other.field("A"), other.text()), (202, Some("2"), "body!"));
}

#[test]
fn what_one_request_set_does_not_show_in_the_next() {
    let running = Running::with(Server::builder().shards(1), |ctx| {
        if ctx.path() == "/first" {
            ctx.set_status_code(418);
            ctx.response.set_reason("Odd");
            ctx.response.set_header("X-First", "1");
            ctx.set_content_type("text/first");
            ctx.set_body("first");
        }
    });
    let (mut one, mut other): (Client, Client) = (running.client(), running.client());
    let plain = other.get("/");
    for _ in 0..3 {
        assert_eq!(one.get("/first").status, 418);
        for client in [&mut one, &mut other] {
            let reply = client.get("/");
            assert_eq!((reply.status, reply.reason.as_str(), reply.text()), (200, "OK", ""));
            assert_eq!(reply.fields.len(), plain.fields.len(), "{reply:?}");
        }
    }
}

#[test]
fn hdr_02_names_go_out_canonical_or_as_given() {
    let handler = |ctx: &mut RequestCtx| {
        // Received names are as they were sent, whatever the option says.
        let names: Vec<_> = ctx.request.headers().names().collect();
        let names = names.join(",");
        assert_eq!(ctx.header("X-ODD"), Some(&b"1"[..]));
        match ctx.path() {
            "/fresh" => ctx.response = anthill_http::Response::new(),
            "/raw" => ctx.response.headers_mut().set_names_normalizing(false),
            "/canonical" => ctx.response.headers_mut().set_names_normalizing(true),
            "/context" => *ctx = RequestCtx::default(),
            "/panic" => planned_panic(),
            "/error" => ctx.error("", 400),
            _ => {}
        }
        ctx.response.append_header("x-iD", "7");
        ctx.response.append_header("foo-bar", names);
    };
    let request =
        |path: &str| format!("GET {path} HTTP/1.1\r\nhOst: h\r\nx-oDD: 1\r\nconnection: keep-alive\r\n\r\n");
    for (options, expected) in [
        (Server::builder(), ["X-Id", "Foo-Bar"]),
        (Server::builder().normalize_header_names(false), ["x-iD", "foo-bar"]),
    ] {
        let check = |reply: &anthill_tests::client::Reply, expected: [&str; 2]| {
            let own = ["x-id", "foo-bar"];
            let names = reply.fields.iter().map(|(name, _)| name.as_str());
            let found: Vec<_> =
                names.filter(|name| own.contains(&name.to_ascii_lowercase().as_str())).collect();
            assert_eq!(found, expected);
            assert_eq!(reply.field("Foo-Bar"), Some("hOst,x-oDD,connection"));
        };
        let running = Running::with(options.clone().shards(1), handler);
        let mut client = running.client();
        check(&client.exchange(request("/")), expected);
        // What a handler decides for itself, or exchanges, is for this response alone.
        for (path, its_own) in [
            ("/raw", ["x-iD", "foo-bar"]),
            ("/canonical", ["X-Id", "Foo-Bar"]),
            ("/fresh", ["X-Id", "Foo-Bar"]),
            ("/error", expected),
        ] {
            check(&client.exchange(request(path)), its_own);
            check(&client.exchange(request("/")), expected);
        }
        assert_eq!(client.exchange(request("/panic")).status, 500);
        check(&client.exchange(request("/")), expected);
        let mut other = running.client();
        other.send(request("/context"));
        let _ = other.rest();
        for client in [&mut client, &mut running.client()] {
            check(&client.exchange(request("/")), expected);
        }
        // The other driver.
        let server = options.build(handler).expect("the options go together");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = Client::connect(listener.local_addr().expect("an address"));
        let serving = anthill_tests::background(move || server.serve_conn(listener.accept()?.0));
        for path in ["/", "/raw", "/canonical", "/fresh", "/error", "/"] {
            client.send(request(path));
        }
        check(&client.response(), expected);
        for its_own in [["x-iD", "foo-bar"], ["X-Id", "Foo-Bar"], ["X-Id", "Foo-Bar"], expected, expected] {
            check(&client.response(), its_own);
        }
        client.finish_sending();
        serving.outcome("serving").expect("a connection that ends well");
    }
}

/// The status codes that have a text of their own.
const KNOWN: &[(u16, &str)] = &[
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (208, "Already Reported"),
    (226, "IM Used"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (418, "I'm a teapot"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Entity"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (451, "Unavailable For Legal Reasons"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (506, "Variant Also Negotiates"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (510, "Not Extended"),
    (511, "Network Authentication Required"),
];
