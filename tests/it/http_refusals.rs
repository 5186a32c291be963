//! Requests that are refused are seen: by an error handler, which may answer them, and by the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anthill_http::{ProtoError, RequestCtx, Server, ServerBuilder};
use anthill_tests::client::get;
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{Gate, eventually, logs, planned_panic};
use log::Level;

const REFUSED: &str = "anthill_http::refused";

/// What an error handler sees, in a line.
fn seen(ctx: &RequestCtx, error: ProtoError) -> String {
    let fields: Vec<_> = ctx.request.headers().iter().map(|(name, _)| name.to_owned()).collect();
    let (method, path, query) = (ctx.method(), ctx.path(), ctx.request.query_str());
    format!("{error:?} {method} {path} {query} {} [{}]", ctx.request.host_str(), fields.join(" "))
}

fn teapot(notes: Notes) -> ServerBuilder {
    Server::builder().read_buffer_size(512).max_request_body_size(10).error_handler(move |ctx, error| {
        assert_eq!(ctx.response.status_code(), error.status());
        notes.add(seen(ctx, error));
        ctx.response.set_status_code(418);
        ctx.response.set_header("X-Number", ctx.conn_request_num().to_string());
        ctx.response.set_body(error.to_string());
    })
}

#[test]
fn srv_12_an_error_handler_answers_and_sees_the_head_as_far_as_it_is_one() {
    let long = format!("GET /long HTTP/1.1\r\nHost: h\r\nX: {}\r\n", "x".repeat(600));
    let cases = [
        ("GET /a?b HTTP/1.1\r\nX: y\r\n\r\n", "MissingHost GET /a b  [X]"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", "BareLineFeed GET /a  h [Host A C]"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nBad Name: b\r\n\r\n", "BadFieldName GET /a  h [Host]"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nA: \u{1}\r\n\r\n", "BadFieldValue GET /a  h [Host]"),
        ("GET nowhere HTTP/1.1\r\nHost: h\r\n\r\n", "BadTarget GET /  h [Host]"),
        ("nonsense\r\n\r\n", "MissingTarget  /   []"),
        ("G(T / HTTP/1.1\r\n\r\n", "BadMethod  /   []"),
        (" / HTTP/1.1\r\n\r\n", "MissingMethod  /   []"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "TlsHandshake  /   []"),
        (
            "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n",
            "BodyTooLarge POST /b  h [Host Content-Length]",
        ),
        (
            "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
            "BadChunk POST /b  h [Host Transfer-Encoding]",
        ),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "UnsupportedVersion GET /  h [Host]"),
        (&long, "HeadTooLarge GET /long  h [Host]"),
    ];
    let notes = Notes::default();
    on_both(
        teapot(notes.clone()),
        |ctx| ctx.set_body("served"),
        |driven| {
            for (request, expected) in cases {
                let mut client = driven.client();
                assert_eq!(client.get("/").text(), "served");
                client.send(request);
                let reply = client.response();
                assert_eq!((reply.status, reply.closes()), (418, true), "{request:?}");
                assert_eq!(reply.field("X-Number"), Some("2"), "{request:?}");
                client.expect_end();
                assert_eq!(notes.take(1), [expected], "{request:?}");
            }
            // What is sent in the middle of a request, or is not sent.
            let mut client = driven.client();
            client.send("GET /half HTTP/1.1\r\nHost: h\r\nX: ");
            client.finish_sending();
            assert_eq!(client.response().status, 418);
            assert_eq!(notes.take(1), ["UnexpectedEnd GET /half  h [Host]"]);
            // A HEAD gets no body.
            let mut client = driven.client();
            client.send("HEAD / HTTP/1.1\r\n\r\n");
            assert_eq!(client.response_to_head().status, 418);
            client.expect_end();
            assert_eq!(notes.take(1), ["MissingHost HEAD /   []"]);
        },
    );
}

#[test]
fn srv_12_an_error_handler_is_called_when_time_is_up_and_behind_other_answers() {
    let notes = Notes::default();
    let options = teapot(notes.clone()).read_header_timeout(Duration::from_millis(50));
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut client = running.client();
    client.send([get("/"), get("/"), "PUT / HTTP/1.1\r\n".to_owned()].concat());
    assert_eq!((client.response().status, client.response().status), (200, 200));
    let reply = client.response();
    assert_eq!((reply.status, reply.field("X-Number")), (418, Some("3")));
    client.expect_end();
    assert_eq!(notes.take(1), ["Timeout PUT /   []"]);
    assert_eq!(running.server().stats().rejections.timed_out, 1);
}

#[test]
fn an_error_handler_that_fails_is_replaced_by_the_servers_own_answer() {
    let options = Server::builder().error_handler(|ctx, error| {
        ctx.response.set_status_code(418);
        match error {
            ProtoError::MissingHost => planned_panic(),
            _ => ctx.response.set_body_writer(|_| Ok(())),
        }
    });
    on_both(
        options,
        |_| (),
        |driven| {
            for request in ["GET / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n"] {
                let mut client = driven.client();
                let reply = client.exchange(request);
                assert_eq!((reply.status, reply.text()), (400, "Error when parsing request"), "{request:?}");
                assert!(reply.closes());
                client.expect_end();
            }
        },
    );
}

/// All that could block does, and the handler for errors does so too: what is fast is answered all the while, and who
/// is refused is told in the server's own words when there is nobody to run the handler.
#[test]
fn an_error_handler_that_blocks_holds_nobody_up() {
    let gate = Gate::new();
    let held = gate.clone();
    let options =
        Server::builder().shards(1).max_workers(2).max_waiting_requests(2).error_handler(move |ctx, _| {
            held.pass();
            ctx.response.set_status_code(418);
        });
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut calm = running.client();
    for _ in 0..300 {
        assert_eq!(calm.get("/").text(), "served");
    }
    let mut refused = running.clients(40);
    for client in &mut refused {
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(calm.get("/").text(), "served");
    }
    let (mut plain, mut waiting) = (0, Vec::new());
    for mut client in refused {
        if client.hears_nothing_for(Duration::from_millis(20)) {
            waiting.push(client);
        } else {
            assert_eq!(client.response().status, 400);
            plain += 1;
        }
    }
    assert!(plain > 0 && !waiting.is_empty(), "{plain} and {}", waiting.len());
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().status, 418);
        client.expect_end();
    }
    assert_eq!(running.server().stats().rejections.malformed, 40);
}

#[test]
fn srv_17_who_is_refused_for_what_is_told_to_those_who_look_closely() {
    logs::collect();
    let running = Running::new(|_| ());
    for (number, (request, reason)) in [
        ("GET /srv17 HTTP/1.1\r\n\r\n", "400 to {}: missing host field (request 2 of connection"),
        ("GET /srv17 HTTP/1.1\nHost: h\r\n\r\n", "400 to {}: bare line feed in a line of the head"),
        ("GET /srv17 HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "400 to {}: invalid content-length"),
        (
            "PUT /srv17 HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
            "413 to {}: body exceeds the limit",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = running.client();
        client.get("/");
        client.exchange(request);
        let peer = client.stream().local_addr().expect("an address").to_string();
        let mut lines = logs::with(REFUSED, &peer);
        // Another test may have had that port.
        lines.retain(|line| line.text.contains("srv17"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].text.starts_with(&reason.replace("{}", &peer)), "{number}: {}", lines[0].text);
        assert!(lines[0].text.contains(&request.escape_debug().to_string()), "{}", lines[0].text);
        assert_eq!(lines[0].level, Level::Debug);
    }
}

#[test]
fn srv_17_messages_without_secrets_and_those_about_every_client() {
    logs::collect();
    let options = Server::builder().log_all_errors(true).secure_error_log_message(true);
    let running = Running::with(options, |_| ());
    let mut client = running.client();
    client.exchange("GET /token-of-srv17 HTTP/1.1\r\nCookie: secret-of-srv17\r\n\r\n");
    let peer = client.stream().local_addr().expect("an address").to_string();
    let lines = logs::with(REFUSED, &format!("{peer}: missing host field (request 1"));
    let told =
        lines.iter().filter(|line| line.level == Level::Warn && line.text.ends_with(" bytes)")).count();
    assert_eq!(told, 1, "{lines:?}");
    assert!(logs::with(REFUSED, "of-srv17").is_empty());
}

/// A client whose connection is reset is no reason to say anything, unless all is to be said.
#[test]
fn srv_17_a_connection_that_breaks_is_told_by_option() {
    logs::collect();
    const BROKEN: &str = "anthill_http::connection";
    for tells in [false, true] {
        let running = Running::with(Server::builder().log_all_errors(tells), |_| ());
        let client = running.client();
        let peer = client.stream().local_addr().expect("an address").to_string();
        running.reaches("it is taken in", |stats| stats.open_connections == 1);
        // Closing with something unread resets the connection.
        let mut client = client;
        client.send(get("/"));
        eventually("the answer is here", || client.stream().peek(&mut [0; 1]).is_ok_and(|count| count > 0));
        drop(client);
        running.reaches("it is gone", |stats| stats.open_connections == 0);
        let lines = logs::with(BROKEN, &peer);
        assert_eq!(lines.len(), usize::from(tells), "{lines:?}");
        for line in lines {
            assert!(line.text.contains(&running.address().to_string()), "{}", line.text);
            assert_eq!(line.level, Level::Warn);
        }
    }
}

/// The handler is told of what it refuses itself by nobody else: only what never reaches one.
#[test]
fn an_error_handler_is_not_asked_about_what_handlers_answer() {
    let called = Arc::new(AtomicBool::new(false));
    let noted = called.clone();
    let options = Server::builder().error_handler(move |_, _| noted.store(true, Ordering::SeqCst));
    let running = Running::with(options, |ctx| ctx.error("no", 400));
    assert_eq!(running.client().get("/").status, 400);
    assert!(!called.load(Ordering::SeqCst));
}
