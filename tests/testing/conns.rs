//! Raw connections.

use crate::{assert_in_order, failure};
use anthill_http::testing::TestServer;
use anthill_http::{RequestConfig, RequestCtx, Server};
use std::io::{Read, Write};
use std::time::Duration;

fn echo() -> TestServer {
    TestServer::new(|ctx| {
        let text = format!("{} {}", ctx.method(), String::from_utf8_lossy(ctx.body()));
        ctx.set_body(text);
    })
}

#[test]
fn a_request_torn_anywhere_is_the_same_request() {
    let server = echo();
    let chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n";
    for place in 0..=chunked.len() {
        let mut conn = server.connect();
        conn.send_torn(chunked, [place, chunked.len()]);
        conn.read_response().assert_text("PUT abcde");
    }
    let mut conn = server.connect();
    for size in 1..8 {
        conn.send_torn(chunked, [size]).read_response().assert_text("PUT abcde");
    }
    assert!(failure(|| conn.send_torn("x", [0, 0]).is_closed()).contains("not 0"));
}

/// Each piece is there alone: else a server that is given torn bytes would prove nothing.
#[test]
fn pieces_come_one_by_one() {
    let options = || {
        Server::builder()
            .header_received(|_| RequestConfig::new().stream_request_body(true))
            .body_read_ahead(None)
    };
    let sizes = |ctx: &mut RequestCtx| {
        let mut sizes = Vec::new();
        let mut room = [0; 64];
        loop {
            match ctx.body_reader().read(&mut room) {
                Ok(0) | Err(_) => break,
                Ok(count) => sizes.push(count),
            }
        }
        ctx.set_body(format!("{sizes:?}"));
    };
    // Also of a server that says nothing of what it is doing.
    let unwatched = TestServer::of(options().build(sizes).expect("options"));
    for server in [TestServer::from_builder(options(), sizes), unwatched] {
        let mut conn = server.connect();
        conn.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n").send_torn("123456789", [1, 2, 3]);
        conn.read_response().assert_text("[1, 2, 3, 3]");
    }
}

#[test]
fn responses_are_read_one_by_one_whatever_their_framing() {
    let server = TestServer::new(|ctx| match ctx.path() {
        "/chunks" => ctx.response.set_body_writer(|out| {
            out.write_all(b"ab")?;
            out.flush()?;
            out.write_all(b"cd")
        }),
        "/hints" => {
            ctx.response.append_header("Link", "</a>; rel=preload");
            let _ = ctx.early_hints();
            ctx.set_body("hinted");
        }
        _ => ctx.set_body("plain"),
    });
    let mut conn = server.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    conn.send(get("/chunks") + &get("/hints") + &get("/") + "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + &get("/"));
    conn.read_response().assert_text("abcd").assert_header("Transfer-Encoding", "chunked");
    conn.read_response().assert_text("hinted");
    conn.read_response().assert_text("plain");
    conn.read_response_to("HEAD").assert_body("").assert_header("Content-Length", "5");
    conn.read_response().assert_text("plain");
    conn.send(get("/hints"));
    assert!(conn.read_until("\r\n\r\n").starts_with(b"HTTP/1.1 103 "));
    assert!(conn.read_until("hinted").starts_with(b"HTTP/1.1 200 "));
    conn.send("GET /chunks HTTP/1.0\r\n\r\n");
    let rest = String::from_utf8(conn.read_to_end()).expect("text");
    assert!(rest.ends_with("\r\n\r\nabcd"), "{rest}");
    conn.assert_closed();
}

#[test]
fn ends_of_both_kinds() {
    let server = echo();
    let mut conn = server.connect();
    conn.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").half_close();
    conn.read_response().assert_text("PUT abc");
    conn.assert_closed();
    let mut conn = server.connect();
    conn.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    conn.reset();
    assert!(conn.is_closed());
    conn.send("what nobody takes is lost");
    anthill_tests::eventually("none is open", || server.server().stats().open_connections == 0);
    // As a stream.
    let mut conn = server.connect();
    conn.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("the server is there");
    let mut text = String::new();
    conn.read_to_string(&mut text).expect("an answer");
    assert!(text.ends_with("GET "), "{text}");
    assert_eq!(conn.stream().peer_addr(), None);
}

#[test]
fn what_does_not_come_fails_in_time_and_shows_what_was_sent() {
    let server = echo();
    let mut conn = server.connect().waits_for(Duration::from_millis(20));
    conn.send("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer hush\r\n");
    let message = failure(|| conn.read_response());
    assert_in_order(
        &message,
        &["there is no whole response", "> GET / HTTP/1.1", "> Authorization: Bearer ***"],
    );
    assert!(!message.contains("hush"), "{message}");
    assert!(failure(|| conn.assert_closed()).contains("does not close"));
    conn.send("\r\n");
    let message = failure(|| conn.read_until("GET x"));
    assert_in_order(&message, &["\"GET x\" does not come", "< HTTP/1.1 200"]);
    let mut conn = server.connect();
    conn.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    conn.read_response().assert_text("GET ");
    assert!(failure(|| conn.assert_closed()).contains("expected the end of the connection, found"));
    let message = failure(|| server.connect().waits_for(Duration::ZERO));
    assert!(message.contains("cannot wait"), "{message}");
}
