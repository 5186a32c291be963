//! Handlers that are waited for only so long: rows `TMO-07` to `TMO-10`.
//!
//! The rule: a handler that is to be too late waits for a gate that the test opens when the client was answered, so no
//! test depends on how fast anything is; one that is to be in time has a limit that nobody reaches.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anthill_http::{Handler, RequestConfig, RequestCtx, Response, Server, TimeLimit, timeout};
use anthill_tests::client::{Client, get, post};
use anthill_tests::server::Running;
use anthill_tests::{Gate, PATIENCE, background, eventually};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// A handler that stays behind the gate for `/held`, says afterwards whether it was cancelled, and writes into its
/// response whatever the case.
fn holding(gate: &Arc<Gate>, ends: Sender<bool>) -> impl Handler + use<> {
    let gate = gate.clone();
    move |ctx: &mut RequestCtx| {
        if ctx.path() == "/held" {
            gate.pass();
            let _ = ends.send(ctx.is_cancelled());
        }
        let body = ctx.body().to_vec();
        ctx.response.set_header("X-Handled", "yes");
        ctx.append_body("handled ");
        ctx.append_body(body);
    }
}

fn serve(options: anthill_http::ServerBuilder, handler: impl Handler) -> Running {
    Running::serving(options.build_handler(handler).expect("options that go together"))
}

#[test]
fn tmo_07_a_handler_that_takes_too_long_is_answered_for_and_the_connection_goes_on() {
    let limit = || TimeLimit::new(SHORT).message("too slow").status(408);
    for of_server in [false, true] {
        let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
        let handler = holding(&gate, ends);
        let running = match of_server {
            true => serve(Server::builder().handler_timeout(limit()), handler),
            false => serve(Server::builder(), timeout(handler, limit())),
        };
        let mut client = running.client();
        let reply = client.exchange(get("/held"));
        assert_eq!((reply.status, reply.text(), reply.closes()), (408, "too slow", false));
        assert_eq!(reply.field("X-Handled"), None);
        // While that handler still runs: with a limit of the test's patience, were it not for how short this one is.
        let next = loop {
            let reply = client.exchange(post("/next", "a body"));
            if reply.status == 200 {
                break reply;
            }
        };
        assert_eq!(next.text(), "handled a body");
        gate.open();
        assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"), "it was cancelled");
        let reply = client.exchange(post("/next", ""));
        assert!(matches!(reply.text(), "handled " | "too slow"), "{}", reply.text());
        assert!(running.server().stats().timed_out_handlers >= 1);
    }
}

#[test]
fn tmo_07_single_requests_have_limits_of_their_own() {
    let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
    let options = Server::builder().handler_timeout(LONG).header_received(|request| match request.path() {
        "/held" => RequestConfig::new().handler_timeout(SHORT),
        "/free" => RequestConfig::new().handler_timeout(None),
        _ => RequestConfig::new(),
    });
    let handler = holding(&gate, ends);
    let seen = move |ctx: &mut RequestCtx| {
        let limit = ctx.time_left().map_or("none", |left| if left > LONG / 2 { "long" } else { "short" });
        ctx.response.set_header("X-Limit", limit);
        handler.handle(ctx);
    };
    let running = serve(options, seen);
    let mut client = running.client();
    for (path, limit) in [("/", "long"), ("/free", "none")] {
        assert_eq!(client.get(path).field("X-Limit"), Some(limit), "{path}");
    }
    assert_eq!(client.get("/held").status, 503);
    assert_eq!(client.get("/").field("X-Limit"), Some("long"), "the next request has not");
    gate.open();
    assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"));
    assert_eq!(running.server().stats().timed_out_handlers, 1);
}

/// A type of one's own keeps no panic to itself, as a closure does.
struct Panics;

impl Handler for Panics {
    fn handle(&self, _: &mut RequestCtx) {
        std::panic::resume_unwind(Box::new("quietly"));
    }
}

#[test]
fn tmo_07_a_panic_is_answered_whatever_the_limit() {
    for limit in [Duration::ZERO, LONG, Duration::MAX] {
        let running = serve(Server::builder().shards(1).handler_timeout(limit), Panics);
        let mut client = running.client();
        for _ in 0..2 {
            assert_eq!(client.get("/").status, 500, "{limit:?}");
        }
        assert_eq!(running.server().stats().panics, 2, "{limit:?}");
    }
}

#[test]
fn tmo_07_a_client_that_is_gone_is_seen_by_the_handler() {
    let (inside, (gone, told)) = (Arc::new(AtomicUsize::new(0)), channel());
    let entered = inside.clone();
    let handler = move |ctx: &mut RequestCtx| {
        entered.fetch_add(1, Ordering::SeqCst);
        while !ctx.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        let left = ctx.time_left();
        let _ = gone.send((ctx.client_disconnected(), left.is_some_and(|left| left.is_zero())));
    };
    // With a limit, on a thread of its own, and without one.
    for limit in [LONG, Duration::ZERO] {
        let running = serve(Server::builder().handler_timeout(limit), Arc::new(handler.clone()));
        let mut client = running.client();
        let before = inside.load(Ordering::SeqCst);
        client.send(get("/"));
        eventually("it is inside", || inside.load(Ordering::SeqCst) > before);
        drop(client);
        assert_eq!(told.recv_timeout(PATIENCE), Ok((true, false)), "the client is gone, the time is not up");
    }
}

/// Panics, functions that write bodies, take-overs, what hooks and handlers keep: all is as without a limit.
#[test]
fn tmo_08_handlers_in_time_are_as_without_a_limit() {
    let handler = |ctx: &mut RequestCtx| {
        ctx.set_user_value("kept", String::from("kept"));
        match ctx.path() {
            "/panic" => std::panic::resume_unwind(Box::new("quietly")),
            "/writer" => ctx.response.set_body_writer(|out| out.write_all(b"written")),
            "/upgrade" => ctx.hijack(|mut conn| {
                let _ = conn.write_all(b"taken over");
            }),
            "/teapot" => ctx.error("teapot", 418),
            _ => {
                let body = ctx.body().to_vec();
                ctx.set_body(body);
            }
        }
    };
    let wrapped = timeout(handler, LONG);
    let seen = move |ctx: &mut RequestCtx| {
        wrapped.handle(ctx);
        let kept = ctx.remove_user_value("kept").is_some();
        ctx.response.set_header("X-Kept", if kept { "yes" } else { "no" });
        assert_eq!(ctx.deadline(), None);
    };
    let running = serve(Server::builder(), seen);
    let address = running.address();
    let clients: Vec<_> = (0..20)
        .map(|number| {
            background(move || {
                let mut client = Client::connect(address);
                for round in 0..20 {
                    let body = format!("{number} {round}");
                    let reply = client.exchange(post("/", &body));
                    assert_eq!(
                        (reply.status, reply.text(), reply.field("X-Kept")),
                        (200, &*body, Some("yes"))
                    );
                }
                assert_eq!(client.get("/teapot").status, 418);
                assert_eq!(client.get("/writer").text(), "written");
                let reply = client.get("/panic");
                assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"));
                assert_eq!(client.get("/upgrade").status, 200);
                assert_eq!(client.rest().expect("an end"), b"taken over");
            })
        })
        .collect();
    for client in clients {
        client.outcome("a client");
    }
    let stats = running.server().stats();
    assert_eq!((stats.panics, stats.timed_out_handlers, stats.timed_handlers_refused), (20, 0, 0));
}

#[test]
fn tmo_08_a_body_that_is_streamed_is_there_as_a_whole() {
    let options = Server::builder().stream_request_body(true).body_read_ahead(None).max_request_body_size(10);
    let handler = |ctx: &mut RequestCtx| {
        assert!(ctx.request.is_body_complete());
        let body = ctx.body().to_vec();
        ctx.set_body(body);
    };
    let running = serve(options.handler_timeout(LONG), handler);
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
    assert!(client.hears_nothing_for(Duration::from_millis(30)));
    client.send("67890");
    assert_eq!(client.response().text(), "1234567890");
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n12345");
    assert_eq!(client.response().status, 413, "as `read_body` says");
}

/// Own codes, and zero, with which the handler is called directly: on the thread that calls it.
#[test]
fn tmo_08_options_and_no_limit() {
    let here = thread::current().id();
    let handler = timeout(move |_: &mut RequestCtx| assert_eq!(thread::current().id(), here), Duration::ZERO);
    handler.handle(&mut RequestCtx::default());

    let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
    let limit = TimeLimit::new(SHORT).status(504).message("no answer");
    let running = serve(Server::builder(), timeout(holding(&gate, ends), limit));
    let reply = running.client().get("/held");
    assert_eq!((reply.status, reply.text()), (504, "no answer"));
    gate.open();
    assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"));
}

/// Also on a server that only serves connections that its caller has.
#[test]
fn tmo_09_handlers_that_are_stuck_hold_their_slots() {
    for of_conns in [false, true] {
        let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
        let limit = TimeLimit::new(SHORT).slots(2).busy_status(429);
        let server = Server::builder().build_handler(timeout(holding(&gate, ends), limit)).expect("options");
        let running = (!of_conns).then(|| Running::serving(server.clone()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut serving = Vec::new();
        let mut client = || match &running {
            Some(running) => running.client(),
            None => {
                let client = Client::connect(listener.local_addr().expect("it listens"));
                let (stream, _) = listener.accept().expect("it came");
                let server = server.clone();
                serving.push(background(move || server.serve_conn(stream)));
                client
            }
        };
        let mut clients = [client(), client()];
        for client in &mut clients {
            assert_eq!(client.get("/held").status, 503);
        }
        let reply = clients[0].get("/");
        assert_eq!((reply.status, reply.text()), (429, "Too Many Requests"), "all slots are taken");
        assert_eq!(server.stats().timed_handlers_refused, 1);
        gate.open();
        for _ in 0..2 {
            assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"));
        }
        eventually("slots are free", || clients[1].get("/").status == 200);
        drop(clients);
        for serving in serving {
            serving.outcome("serving").expect("it ends well");
        }
    }
}

/// One slot is enough for those who come one after the other, however fast.
#[test]
fn tmo_09_a_slot_is_free_when_its_client_is_answered() {
    let running = serve(Server::builder(), timeout(|_: &mut RequestCtx| {}, TimeLimit::new(LONG).slots(1)));
    let mut client = running.client();
    for _ in 0..500 {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn tmo_10_an_answer_stands_in_for_the_handlers() {
    for limit in [Duration::ZERO, LONG] {
        let running = serve(Server::builder().handler_timeout(limit), |ctx: &mut RequestCtx| {
            match ctx.path() {
                "/twice" => {
                    ctx.timeout_error("the first");
                    ctx.timeout_error_with_code("the last", 504);
                }
                "/own" => {
                    let mut response = Response::new();
                    response.set_status_code(529);
                    response.set_header("X-Own", "yes");
                    ctx.timeout_error_with_response(response);
                }
                "/once" => ctx.timeout_error("once"),
                "/panic" => {
                    ctx.timeout_error("once");
                    std::panic::resume_unwind(Box::new("quietly"));
                }
                _ => {}
            }
            ctx.response.set_header("X-Later", "yes");
            ctx.set_body("later");
        });
        let mut client = running.client();
        let mut told = |path: &str| {
            let reply = client.get(path);
            (
                reply.status,
                reply.text().to_owned(),
                reply.field("X-Later").is_some(),
                reply.field("X-Own").is_some(),
            )
        };
        assert_eq!(told("/twice"), (504, "the last".to_owned(), false, false));
        assert_eq!(told("/once"), (503, "once".to_owned(), false, false));
        assert_eq!(told("/own"), (529, String::new(), false, true));
        assert_eq!(told("/panic"), (500, "Internal Server Error".to_owned(), false, false));
        assert_eq!(told("/"), (200, "later".to_owned(), true, false), "the next request has none");
    }
}

/// Nobody waits for a handler that nobody waits for.
#[test]
fn a_shutdown_does_not_wait_for_handlers_that_were_given_up() {
    let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
    let running = serve(Server::builder().handler_timeout(SHORT), holding(&gate, ends));
    assert_eq!(running.client().get("/held").status, 503);
    running.server().shutdown(PATIENCE).expect("nothing is under way");
    drop(running);
    gate.open();
    assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"), "also when the server is gone");
}

/// Whoever waits for the whole of it bounds its parts, and is told when it gives up.
#[test]
fn limits_within_limits_end_with_the_shorter() {
    let (gate, (ends, ended)) = (Arc::new(Gate::new()), channel());
    let inner = timeout(holding(&gate, ends), LONG);
    let running = serve(Server::builder().handler_timeout(SHORT), inner);
    let mut client = running.client();
    assert_eq!(client.get("/held").status, 503);
    gate.open();
    assert!(ended.recv_timeout(PATIENCE).expect("it runs to its end"));
}
