//! Wrappers in their order, around whatever a handler is and does; and answers that take the place of those that they
//! saw.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::events::{Event, EventHub};
use anthill_http::middleware::{
    CatchErrors, ConcurrencyLimit, Cors, EtagPolicy, MethodOverride, RateLimit, RequestIds, SecurityHeaders,
    catch_errors, concurrency_limit, cors, etag, method_override, rate_limit, request_id, security_headers,
};
use anthill_http::websocket::WebSocketOptions;
use anthill_http::{AccessLog, Handler, Request, RequestCtx, Router, Server, TimeLimit, timeout};
use anthill_tests::client::{Client, get};
use anthill_tests::lines::Lines;
use anthill_tests::server::{Running, plain};

/// All of them, in the order of the documentation, around `handler`.
fn all(handler: impl Handler) -> impl Handler {
    let cors_policy = Cors::builder().origins(["https://app.example"]).build().expect("a policy");
    let often = RateLimit::builder().requests(1000).build().expect("a policy");
    let few = ConcurrencyLimit::builder(8).build().expect("a policy");
    let inner = etag(
        timeout(concurrency_limit(handler, few), TimeLimit::new(Duration::from_secs(20))),
        EtagPolicy::new(),
    );
    let answered = catch_errors(rate_limit(inner, often), CatchErrors::new(|ctx, _| ctx.set_body("caught")));
    let dressed = security_headers(cors(answered, cors_policy), SecurityHeaders::new());
    method_override(request_id(dressed, RequestIds::new()), MethodOverride::new())
}

/// A handler of its own type, through which panics pass.
struct Own;

impl Handler for Own {
    fn handle(&self, ctx: &mut RequestCtx) {
        match ctx.path() {
            "/panics" => std::panic::resume_unwind(Box::new("quietly")),
            "/streams" => ctx.response.set_body_reader(std::io::Cursor::new("streamed")),
            _ => ctx.set_body("served"),
        }
    }
}

#[track_caller]
fn is_dressed(client: &mut Client, target: &str, status: u16, body: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\n\r\n");
    let reply = client.exchange(request);
    assert_eq!((reply.status, reply.text()), (status, body), "{target}");
    for name in ["X-Request-Id", "Access-Control-Allow-Origin", "X-Content-Type-Options"] {
        assert_eq!(reply.values(name).len(), 1, "{name} of {target}");
    }
}

#[test]
fn all_of_them_together_are_seen_on_whatever_is_answered() {
    let running = Running::serving(plain().build_handler(all(Own)).expect("valid options"));
    let mut client = running.client();
    is_dressed(&mut client, "/", 200, "served");
    is_dressed(&mut client, "/panics", 500, "caught");
    is_dressed(&mut client, "/streams", 200, "streamed");
    let tag = client.get("/").field("ETag").expect("a tag").to_owned();
    let same = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!((same.status, same.field("ETag")), (304, Some(tag.as_str())));
    assert!(same.field("RateLimit").is_some());
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!(
        (head.status, head.field("Content-Length"), head.field("ETag")),
        (200, Some("6"), Some(tag.as_str()))
    );
}

#[test]
fn the_first_is_the_outermost() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = |name: &'static str, order: &Arc<Mutex<Vec<String>>>| {
        let order = order.clone();
        move |next: Arc<dyn Handler>| {
            move |ctx: &mut RequestCtx| {
                next.handle(ctx);
                let names = ["X-Request-Id", "Vary", "X-Frame-Options"];
                let there: Vec<_> =
                    names.iter().filter(|name| ctx.response.headers().contains(name)).collect();
                order.lock().expect("no panic").push(format!("{name} {there:?}"));
            }
        }
    };
    let policy = Cors::builder().origins(["https://app.example"]).build().expect("a policy");
    let router = Router::new()
        .wrap(seen("outside", &order))
        .wrap(|next| request_id(next, RequestIds::new()))
        .wrap(seen("second", &order))
        .wrap(|next| security_headers(next, SecurityHeaders::new()))
        .nest("/api", |api| {
            api.wrap(|next| cors(next, policy))
                .wrap(seen("inside", &order))
                .get("/x", |_: &mut RequestCtx| -> () { panic!("on purpose") })
        });
    let server = Server::builder().build_router(router).expect("routes");
    let response = server.call(&Request::new("GET", "/api/x").expect("a request")).expect("an answer");
    assert_eq!(response.status_code(), 500);
    let expected = [
        "inside []",
        "second [\"Vary\", \"X-Frame-Options\"]",
        "outside [\"X-Request-Id\", \"Vary\", \"X-Frame-Options\"]",
    ];
    assert_eq!(*order.lock().expect("no panic"), expected);
}

#[test]
fn what_stands_in_for_a_response_has_their_fields() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            std::panic::resume_unwind(Box::new("quietly"))
        }
    }
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/reader" => ctx.response.set_body_reader(Broken),
        "/writer" => ctx.response.set_body_writer(|_| std::panic::resume_unwind(Box::new("quietly"))),
        "/late" => ctx.timeout_error("too late"),
        "/writes" => ctx.response.set_body_writer(|out| {
            out.write_all(b"begun")?;
            out.flush()?;
            // Until the client goes.
            while out.write_all(b" ").and_then(|()| out.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }),
        "/taken" => {
            ctx.set_body("it is yours");
            ctx.hijack(|mut conn| {
                let _ = conn.read(&mut [0]);
            });
        }
        _ => {
            ctx.upgrade("chat", |_| ());
        }
    };
    let options = plain().max_streaming_workers(1).max_hijacked_conns(1);
    let running = Running::serving(options.build_handler(all(handler)).expect("valid options"));
    let mut client = running.client();
    is_dressed(&mut client, "/reader", 500, "caught");
    is_dressed(&mut client, "/writer", 500, "caught");
    is_dressed(&mut client, "/late", 503, "caught");
    is_dressed(&mut client, "/chat", 426, "caught");
    let mut streaming = running.client();
    streaming.send(get("/writes"));
    assert_eq!(streaming.bytes(15), b"HTTP/1.1 200 OK");
    is_dressed(&mut client, "/writes", 503, "caught");
    let mut taking = running.client();
    assert_eq!(taking.get("/taken").text(), "it is yours");
    is_dressed(&mut client, "/taken", 503, "caught");
}

#[test]
fn a_connection_that_is_taken_over_is_answered_as_its_handler_has_it() {
    let handler = |ctx: &mut RequestCtx| {
        if ctx.path() == "/socket" {
            ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
                socket.close(1000, "that was it");
                Ok(())
            });
        } else {
            ctx.upgrade("chat", |mut conn| {
                let _ = std::io::Write::write_all(&mut conn, b"welcome");
            });
        }
    };
    let running = Running::serving(plain().build_handler(all(handler)).expect("valid options"));
    for (asked, expected) in [
        ("GET / HTTP/1.1\r\nUpgrade: chat\r\n", &["Upgrade", "Connection"][..]),
        (
            "GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            &["Upgrade", "Sec-Websocket-Accept", "Connection"],
        ),
    ] {
        let mut client = running.client();
        client.send(format!("{asked}Host: h\r\nConnection: upgrade\r\n\r\n"));
        let reply = client.response();
        let fields: Vec<_> = reply.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((reply.status, fields.as_slice()), (101, expected));
        let rest = client.rest().expect("it ends");
        assert!(rest == b"welcome" || rest.ends_with(b"that was it"), "{rest:?}");
    }
}

#[test]
fn events_pass_as_they_are() {
    let hub = EventHub::new();
    let subscribe = hub.clone();
    let handler = all(move |ctx: &mut RequestCtx| ctx.set_event_stream(subscribe.subscribe()));
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut client = running.client();
    client.send(get("/"));
    anthill_tests::eventually("it listens", || hub.subscribers() == 1);
    hub.send(Event::data("one")).expect("it is open");
    hub.close();
    let reply = client.response();
    assert_eq!((reply.field("Content-Type"), reply.field("ETag")), (Some("text/event-stream"), None));
    assert!(reply.text().contains("data: one\n") || reply.text().contains("data:one\n"), "{}", reply.text());
    assert!(reply.field("X-Request-Id").is_some());
}

#[test]
fn the_access_log_has_what_they_answer_once() {
    let lines = Lines::default();
    let once = RateLimit::builder().requests(1).build().expect("a policy");
    let policy = Cors::builder().any_origin().build().expect("a policy");
    let handler = cors(rate_limit(Own, once), policy);
    let options = plain().access_log(AccessLog::common(lines.clone()));
    let running = Running::serving(options.build_handler(handler).expect("valid options"));
    let mut client = running.client();
    client.get("/");
    client.get("/");
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    client.exchange(preflight);
    let written = lines.take(3);
    drop(running);
    assert_eq!(lines.text(), "", "each once");
    let statuses: Vec<_> =
        written.iter().map(|line| line.rsplit(' ').nth(1).expect("a status").to_owned()).collect();
    assert_eq!(statuses, ["200", "429", "204"]);
}
