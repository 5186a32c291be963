//! The context that handlers are given: rows `CTX-03` to `CTX-11`, and forms through a server: rows `FRM-01` to
//! `FRM-05`.
//!
//! The idea: what can be seen without a connection is asked of a context that was made for a request; the rest is seen
//! through a server, with bodies that are there and bodies that are streamed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::header::format_http_date;
use anthill_http::{ConnOptions, Request, RequestCtx, Server, ServerBuilder, UserKey};
use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::forms::{MULTIPART, URLENCODED, post_message, posted, text};
use anthill_tests::server::Running;
use anthill_tests::{background, eventually, logs, planned_panic};

#[test]
fn ctx_03_values_of_query_and_body() {
    let multipart = "--sep\r\nContent-Disposition: form-data; name=both\r\n\r\nbody\r\n\
                     --sep\r\nContent-Disposition: form-data; name=body\r\n\r\nx\r\n--sep--\r\n";
    for (content_type, body) in [(URLENCODED, "both=body&body=x&both=second"), (MULTIPART, multipart)] {
        let mut ctx = posted("/?both=query&query=y&none&empty=", content_type, body);
        for (name, query_first, body_first) in [
            ("both", Some("query"), Some("body")),
            ("query", Some("y"), Some("y")),
            ("body", Some("x"), Some("x")),
            ("none", Some(""), Some("")),
            ("empty", Some(""), Some("")),
            ("Both", None, None),
        ] {
            assert_eq!(text(ctx.form_value(name)).as_deref(), query_first, "{name}");
            assert_eq!(text(ctx.form_value_query_first(name)).as_deref(), query_first, "{name}");
            assert_eq!(text(ctx.form_value_body_first(name)).as_deref(), body_first, "{name}");
        }
    }
    // The first that is not empty.
    let mut ctx = posted("/?a=&b=q", URLENCODED, "a=body&b=");
    assert_eq!(text(ctx.form_value("a")).as_deref(), Some("body"));
    assert_eq!(text(ctx.form_value_body_first("b")).as_deref(), Some("q"));
}

#[test]
fn ctx_03_a_body_that_is_no_form_leaves_the_query() {
    for (content_type, body) in
        [("text/plain", "a=body"), (MULTIPART, "a=body"), ("multipart/form-data", "--sep--"), ("", "a=body")]
    {
        let mut ctx = posted("/?b=query", content_type, body);
        for _ in 0..2 {
            assert_eq!(text(ctx.form_value("a")), None, "{content_type}");
            assert_eq!(text(ctx.form_value("b")).as_deref(), Some("query"), "{content_type}");
            assert_eq!(text(ctx.form_value_body_first("b")).as_deref(), Some("query"), "{content_type}");
        }
        assert!(ctx.post_args().is_err() && ctx.form_file("a").is_err(), "{content_type}");
        assert_eq!(ctx.body(), body.as_bytes());
    }
}

#[test]
fn ctx_03_the_server_may_look_elsewhere() {
    let answer = |ctx: &mut RequestCtx| {
        let value = ctx.form_value("a").map(|value| value.into_owned());
        ctx.set_body(value.unwrap_or_else(|| b"none".to_vec()));
    };
    let options: [(ServerBuilder, &str); 3] = [
        (Server::builder(), "query"),
        (Server::builder().form_value_func(RequestCtx::form_value_body_first), "body"),
        (
            Server::builder().form_value_func(|ctx, name| {
                let value = ctx.form_value_body_first(name)?;
                Some([b"own ", &value[..]].concat().into())
            }),
            "own body",
        ),
    ];
    for (options, expected) in options {
        for streams in [false, true] {
            let options = options.clone();
            let options = if streams { options.stream_request_body(true) } else { options };
            let running = Running::with(options, answer);
            let mut client = running.client();
            for _ in 0..2 {
                client.send(post_message("/?a=query", URLENCODED, "", b"a=body"));
                assert_eq!(client.response().text(), expected);
            }
            let without = client.get("/?b");
            assert_eq!(without.text(), "none");
        }
    }
}

#[test]
fn ctx_03_a_value_of_the_query_does_not_wait_for_the_body() {
    let running = Running::with(Server::builder().stream_request_body(true), |ctx| {
        let value = ctx.form_value("a").map(|value| value.into_owned());
        ctx.set_body(value.unwrap_or_default());
    });
    let mut client = running.client();
    client.send(format!(
        "POST /?a=query HTTP/1.1\r\nHost: h\r\nContent-Type: {URLENCODED}\r\nContent-Length: 6\r\n\r\na="
    ));
    assert_eq!(client.response().text(), "query", "before the body has come");
}

/// Says in a list that it was dropped.
struct Tell(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.1.lock().expect("nobody panics while it holds this").push(self.0);
    }
}

#[test]
fn ctx_04_values_are_set_replaced_and_removed() {
    let mut ctx = RequestCtx::default();
    ctx.set_user_value("a", 1_u32);
    ctx.set_user_value(2, "two");
    ctx.set_user_value(String::from("c"), vec![3]);
    ctx.set_user_value(&b"a"[..], 4_u64);
    assert_eq!((ctx.user_value::<u32>("a"), ctx.user_value::<u64>("a")), (None, Some(&4)), "replaced");
    assert_eq!((ctx.user_value::<&str>(2), ctx.user_value::<&str>("2")), (Some(&"two"), None));
    let expected = [UserKey::from("a"), UserKey::from(2), UserKey::from("c")];
    assert!(ctx.user_keys().eq(&expected), "in the order of the first setting");
    ctx.user_value_mut::<Vec<i32>>("c").expect("a list").push(5);
    assert_eq!(ctx.user_value::<Vec<i32>>("c"), Some(&vec![3, 5]));
    let removed = ctx.remove_user_value(2).expect("a value").downcast::<&str>().expect("text");
    assert_eq!((*removed, ctx.user_value::<&str>(2)), ("two", None));
    assert!(ctx.remove_user_value(2).is_none());
    assert!(ctx.user_keys().eq([&expected[0], &expected[2]]), "the others keep their order");
    ctx.clear_user_values();
    assert_eq!((ctx.user_keys().count(), ctx.user_value::<u64>("a")), (0, None));
}

#[test]
fn ctx_04_values_are_dropped_once_when_the_response_was_made() {
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let told = dropped.clone();
    let running = Running::with(Server::builder().shards(1), move |ctx| {
        assert_eq!(ctx.user_keys().count(), 0, "nothing of an earlier request is there");
        ctx.set_user_value("first", Tell("first", told.clone()));
        ctx.set_user_value("replaced", Tell("replaced", told.clone()));
        ctx.set_user_value("replaced", Tell("second", told.clone()));
        drop(ctx.remove_user_value("replaced"));
        let expected: &[&str] = &["replaced", "second"];
        assert_eq!(*told.lock().expect("nobody panics while it holds this"), expected);
        let seen = told.clone();
        match ctx.path() {
            "/stream" => ctx.response.set_body_writer(move |out| {
                let values = seen.lock().expect("nobody panics while it holds this").join(",");
                out.write_all(values.as_bytes())
            }),
            "/panic" => planned_panic(),
            _ => ctx.set_body("plain"),
        }
    });
    let mut client = running.client();
    for (path, status, body) in
        [("/", 200, "plain"), ("/stream", 200, "replaced,second"), ("/panic", 500, "Internal Server Error")]
    {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text()), (status, body), "still there while the response is made");
        let all = ["replaced", "second", "first"];
        eventually("it is dropped", || *dropped.lock().expect("no panic") == all);
        dropped.lock().expect("no panic").clear();
    }
}

/// Row `CTX-05`, as far as there is no TLS.
#[test]
fn addresses_are_those_of_the_connection_unless_said_otherwise() {
    let peer: SocketAddr = "1.2.3.4:8765".parse().expect("an address");
    let proxied: SocketAddr = "1.2.3.5:0".parse().expect("an address");
    let mut ctx = RequestCtx::for_request(Request::new("GET", "/").expect("a request"), Some(peer));
    assert_eq!(ctx.remote_addr(), peer);
    ctx.set_remote_addr(Some(proxied));
    assert_eq!(ctx.remote_addr(), proxied);
    let nowhere = RequestCtx::default();
    assert_eq!(
        (nowhere.remote_addr().to_string(), nowhere.local_addr().to_string()),
        ("0.0.0.0:0".into(), "0.0.0.0:0".into())
    );

    let running = Running::new(move |ctx| {
        let real = ctx.remote_addr();
        if ctx.path() == "/override" {
            ctx.set_remote_addr(Some(proxied));
        }
        let (shown, local) = (ctx.remote_addr(), ctx.local_addr());
        ctx.set_remote_addr(None);
        assert_eq!((ctx.remote_addr(), ctx.conn().remote_addr()), (real, Some(real)), "taken back");
        ctx.set_remote_addr(Some(proxied));
        ctx.set_body(format!("{shown} {local}"));
    });
    let mut client = running.client();
    let (own, server) = (client.stream().local_addr().expect("an address"), running.address());
    assert_eq!(client.get("/").text(), format!("{own} {server}"));
    assert_eq!(client.get("/override").text(), format!("{proxied} {server}"));
    assert_eq!(client.get("/").text(), format!("{own} {server}"), "an override ends with its request");

    #[cfg(unix)]
    {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let server = Server::new(|ctx| ctx.set_body(format!("{} {}", ctx.remote_addr(), ctx.local_addr())));
        let serving = background(move || server.expect("the defaults").serve_conn(theirs));
        ours.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let mut client = Client::over(ours);
        assert_eq!(client.get("/").text(), "0.0.0.0:0 0.0.0.0:0", "it is not TCP");
        drop(client);
        serving.outcome("serving").expect("a connection that ends well");
    }
}

/// What is sent of a redirect: what was given, as far as that fits on a line of ASCII.
const GIVEN: &[(&str, &str)] = &[
    ("/login", "/login"),
    ("2/../?a=b#c", "2/../?a=b#c"),
    ("", ""),
    ("//other.example", "//other.example"),
    ("https://me:secret@Other.Example", "https://me:secret@Other.Example"),
    ("mailto:ann@example.org", "mailto:ann@example.org"),
    ("/a%2Fb//c%20d?e=%41+f", "/a%2Fb//c%20d?e=%41+f"),
    ("/käse?ä#ö", "/k%C3%A4se?%C3%A4#%C3%B6"),
    ("/a b", "/a%20b"),
    ("/a\r\nSet-Cookie: x=y", "/a%20%20Set-Cookie:%20x=y"),
    ("/\t/other.example", "/%20/other.example"),
];

/// Behind a proxy that serves `https` a client stays there.
#[test]
fn ctx_07_redirects_are_sent_as_given() {
    let running = Running::new(|ctx| {
        let index =
            text(ctx.query_arg("index")).and_then(|index| index.parse::<usize>().ok()).expect("a number");
        ctx.redirect(GIVEN[index].0, 303);
    });
    let mut client = running.client();
    for (index, (target, location)) in GIVEN.iter().enumerate() {
        let reply = client.get(&format!("/?index={index}"));
        assert_eq!((reply.status, reply.field("Location")), (303, Some(*location)), "{target:?}");
    }
}

/// The scheme of a connection is the one its client uses.
#[test]
fn the_scheme_is_that_of_the_connection() {
    let answer = |ctx: &mut RequestCtx| {
        ctx.set_body(ctx.scheme());
        ctx.redirect("/x", 302);
    };
    let server = Server::builder().absolute_redirects(true).build(answer).expect("options that go together");
    for (is_tls, scheme) in [(false, "http"), (true, "https")] {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let serving = server.clone();
        let serving = background(move || serving.serve_conn_with(theirs, ConnOptions::new().tls(is_tls)));
        ours.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let mut client = Client::over(ours);
        let reply = client.get("/");
        assert_eq!(reply.text(), scheme);
        assert!(
            reply.field("Location").is_some_and(|to| to.starts_with(&format!("{scheme}://"))),
            "{reply:?}"
        );
        drop(client);
        serving.outcome("serving").expect("a connection that ends well");
    }
}

/// Where a redirect from `http://Example.org:81/shop/items/1?page=2` leads, when it is resolved.
const REDIRECTS: &[(&str, &str)] = &[
    ("", "http://example.org:81/shop/items/1?page=2"),
    ("2", "http://example.org:81/shop/items/2"),
    ("2/", "http://example.org:81/shop/items/2/"),
    ("./2?a=b", "http://example.org:81/shop/items/2?a=b"),
    ("..", "http://example.org:81/shop/"),
    ("../", "http://example.org:81/shop/"),
    ("../cart?full#sum", "http://example.org:81/shop/cart?full#sum"),
    ("../../../../up", "http://example.org:81/up"),
    ("/", "http://example.org:81/"),
    ("/a/b?c=d", "http://example.org:81/a/b?c=d"),
    ("/a/../b/./c", "http://example.org:81/b/c"),
    ("?page=3", "http://example.org:81/shop/items/1?page=3"),
    ("?page=3#x", "http://example.org:81/shop/items/1?page=3#x"),
    ("#end", "http://example.org:81/shop/items/1?page=2#end"),
    ("//other.example/x", "http://other.example/x"),
    ("//other.example", "http://other.example/"),
    ("http://other.example", "http://other.example/"),
    ("https://other.example:8443/a?b#c", "https://other.example:8443/a?b#c"),
    ("HTTPS://Other.Example/A", "https://other.example/A"),
    // What a signature or another server may stand on stays as it is.
    ("/a%2Fb//c%20d?e=%41+f", "http://example.org:81/a%2Fb//c%20d?e=%41+f"),
    ("/käse?ä#ö", "http://example.org:81/k%C3%A4se?%C3%A4#%C3%B6"),
    ("/a b", "http://example.org:81/a%20b"),
    ("http://me:secret@other.example/", "http://other.example/"),
    ("app://open/this", "app://open/this"),
    // One slash is this host, whatever browsers make of what follows it.
    ("/a\r\nSet-Cookie: x=y", "http://example.org:81/a%20%20Set-Cookie:%20x=y"),
    ("\r\n\r\n<p>", "http://example.org:81/shop/items/%20%20%20%20<p>"),
    ("/\t/other.example", "http://example.org:81/%20/other.example"),
    ("/\n/other.example", "http://example.org:81/%20/other.example"),
    ("/\\other.example", "http://example.org:81/\\other.example"),
    ("/\\other.example/\x01", "http://example.org:81/\\other.example/%20"),
    // What is no URI of this kind is sent as it is, on one line.
    ("mailto:ann@example.org", "mailto:ann@example.org"),
    ("http://a b/", "http://a b/"),
    ("http://[::1/", "http://[::1/"),
];

#[test]
fn ctx_07_redirects_can_be_resolved() {
    let running = Running::with(Server::builder().absolute_redirects(true), |ctx| {
        let index: usize =
            String::from_utf8_lossy(ctx.header("index").unwrap_or_default()).parse().unwrap_or(0);
        ctx.set_body("the body stays");
        ctx.redirect(REDIRECTS[index].0, 303);
    });
    let mut client = running.client();
    for (index, (target, location)) in REDIRECTS.iter().enumerate() {
        let reply = client.exchange(format!(
            "GET /shop/items/1?page=2 HTTP/1.1\r\nHost: Example.org:81\r\nIndex: {index}\r\n\r\n"
        ));
        assert_eq!((reply.status, reply.text()), (303, "the body stays"));
        assert_eq!(reply.field("Location").map(str::trim), Some(*location), "{target:?}");
    }
    let absolute = client.exchange("GET https://a/b/c HTTP/1.1\r\nHost: ignored\r\nIndex: 1\r\n\r\n");
    assert_eq!(absolute.field("Location"), Some("https://a/b/2"), "the target's own scheme and host");
    let hostless = client.exchange("GET /b/c HTTP/1.0\r\nIndex: 1\r\n\r\n");
    assert_eq!(hostless.field("Location"), Some("2"), "nothing to make it absolute with");
}

#[test]
fn ctx_07_only_codes_that_redirect() {
    for (given, sent) in [
        (301, 301),
        (302, 302),
        (303, 303),
        (307, 307),
        (308, 308),
        (300, 302),
        (304, 302),
        (200, 302),
        (0, 302),
        (9999, 302),
    ] {
        let mut ctx = posted("/", "", "");
        ctx.redirect("/x", given);
        assert_eq!(ctx.response.status_code(), sent, "{given}");
        assert_eq!(ctx.response.header("Location"), Some(&b"/x"[..]));
    }
}

#[test]
fn ctx_08_ids_times_and_log_lines() {
    logs::collect();
    type Seen = (u64, u64, u64, SystemTime, SystemTime, String);
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let notes = seen.clone();
    let running = Running::new(move |ctx| {
        let note =
            (ctx.conn_id(), ctx.conn_request_num(), ctx.id(), ctx.conn_time(), ctx.time(), ctx.to_string());
        notes.lock().expect("nobody panics while it holds this").push(note);
        ctx.log(format_args!("said by {}", "ctx_08"));
    });
    let started = SystemTime::now();
    let mut clients = running.clients(2);
    for client in &mut clients {
        for target in ["/a?b=c", "/", "http://other/x"] {
            assert_eq!(client.get(target).status, 200);
        }
    }
    let seen = seen.lock().expect("no panic").clone();
    let [first, second] = [&seen[..3], &seen[3..]];
    for (requests, client) in [(first, &clients[0]), (second, &clients[1])] {
        let (local, remote) = (running.address(), client.stream().local_addr().expect("an address"));
        let urls = ["http://h/a?b=c", "http://h/", "http://other/x"];
        for (number, (conn, num, id, opened, time, line)) in (1..).zip(requests) {
            assert_eq!((*conn, *num), (requests[0].0, number), "numbered from 1");
            assert_eq!(*id, conn << 32 | num);
            assert_eq!(*opened, requests[0].3, "a connection is opened once");
            let tolerance = Duration::from_secs(60);
            assert!(*opened >= started - tolerance && *time >= started - tolerance, "{opened:?} {time:?}");
            let url = urls[number as usize - 1];
            assert_eq!(*line, format!("#{id:016x} - {local}<->{remote} - GET {url}"));
            let logged = logs::with("anthill_http::request", "said by ctx_08");
            assert!(logged.iter().all(|logged| logged.level == log::Level::Info));
            let said = format!(" {line} - said by ctx_08");
            let found = logged.iter().find_map(|logged| logged.text.strip_suffix(&said));
            let elapsed = found.unwrap_or_else(|| panic!("no line for {line} in {logged:?}"));
            let (seconds, fraction) = elapsed.split_once('.').expect("seconds with a fraction");
            assert!(seconds.parse::<u64>().is_ok() && fraction.len() == 3, "{elapsed}");
        }
    }
    assert_ne!(first[0].0, second[0].0, "each connection has a number of its own");
}

#[test]
fn ctx_09_modified_since_is_judged_to_the_second() {
    let changed = UNIX_EPOCH + Duration::new(784_111_777, 500_000_000);
    let second = Duration::from_secs(1);
    let asked = |field: Option<&str>| {
        let mut request = Request::new("GET", "/").expect("a request");
        if let Some(field) = field {
            request.set_header("if-modified-since", field);
        }
        RequestCtx::for_request(request, None).if_modified_since(changed)
    };
    let at = |time| format_http_date(time).to_string();
    assert!(!asked(Some(&at(changed))), "equal, to the second");
    assert!(!asked(Some(&at(changed + second))), "the client's is newer");
    assert!(asked(Some(&at(changed - second))), "the client's is older");
    assert!(!asked(Some("Sunday, 06-Nov-94 08:49:37 GMT")), "an old form of the same");
    assert!(!asked(Some("Sun Nov  6 08:49:37 1994")), "an old form of the same");
    for garbage in [None, Some(""), Some("yesterday"), Some("784111777"), Some("Sun, 06 Nov 1994 08:49:37")] {
        assert!(asked(garbage), "{garbage:?}");
    }
}

#[test]
fn ctx_10_a_handler_runs_without_a_server() {
    fn handler(ctx: &mut RequestCtx) {
        assert!(!ctx.client_disconnected(), "nothing is cancelled");
        let values = format!(
            "{} {} {} {}",
            ctx.remote_addr(),
            ctx.path(),
            String::from_utf8_lossy(&ctx.query_arg("x").unwrap_or_default()),
            String::from_utf8_lossy(ctx.body())
        );
        let mut streamed = Vec::new();
        ctx.body_reader().read_to_end(&mut streamed).expect("a body that is there");
        assert_eq!(ctx.body(), b"", "it was read");
        ctx.set_user_value("seen", streamed.len());
        ctx.response.set_header("x-a", "b");
        ctx.set_body(values);
    }
    let address: SocketAddr = "[::1]:7".parse().expect("an address");
    let mut built = Request::new("POST", "http://h/a%20b?x=1").expect("a request");
    built.set_body("body");
    let message =
        "POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let (parsed, _) = Request::parse(message.as_bytes()).expect("a request").expect("all of it");
    for request in [built.clone(), parsed.clone(), parsed] {
        let mut ctx = RequestCtx::for_request(request, Some(address));
        handler(&mut ctx);
        assert_eq!(String::from_utf8_lossy(ctx.response.body()), "[::1]:7 /a b 1 body");
        assert_eq!(ctx.user_value::<usize>("seen"), Some(&4));
        assert_eq!((ctx.conn_id(), ctx.conn_request_num(), ctx.local_addr().port()), (0, 0, 0));
    }
}

/// That a reference cannot be kept is a matter for the compiler; the documentation of `RequestCtx` has handlers that
/// try it and are refused.
#[test]
fn ctx_11_what_is_kept_is_a_copy() {
    let kept = Arc::new(Mutex::new(Vec::<(Request, Vec<u8>)>::new()));
    let keeper = kept.clone();
    let running = Running::with(Server::builder().shards(1), move |ctx| {
        let copies = (ctx.request.clone(), ctx.body().to_vec());
        keeper.lock().expect("nobody panics while it holds this").push(copies);
        ctx.set_body("kept");
    });
    let mut client = running.client();
    for number in 0..20 {
        client.send(post_message(&format!("/{number}"), "a/b", &format!("X: {number}\r\n"), &[b'x'; 500]));
        assert_eq!(client.response().text(), "kept");
    }
    drop(running);
    for (number, (request, body)) in kept.lock().expect("no panic").iter().enumerate() {
        assert_eq!(request.path(), format!("/{number}"), "later requests have not touched it");
        assert_eq!(request.header_str("x"), Some(number.to_string().as_str()));
        assert_eq!((request.body(), body.len()), (&body[..], 500));
    }
}
