//! Requests that are sent again, and those that must not be.

use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{ClientErrorKind, HostClient, SendBody};

use crate::script::{LONG, OK, Peer, Script, get, post, wait_until};

/// A moment that has come.
const BUSY_BY_DATE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\nbusy";

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nRetry-After: 0\r\n\r\nbusy";

#[test]
fn cli_06_a_get_survives_three_bad_connections() {
    let server = Script::new(4, |number, mut peer: Peer| {
        peer.head();
        match number {
            0 | 2 => {}
            1 => peer.reset(),
            _ => peer.say(OK),
        }
    });
    let mut response = server.client().send(&get("/")).expect("the fourth is good");
    assert_eq!(response.text().expect("a body"), "ok");
    server.end();
}

#[test]
fn cli_06_there_is_an_end_to_attempts() {
    let server = Script::new(4, |number, mut peer: Peer| {
        let is_last = peer.head().starts_with("GET /last ");
        assert_eq!(is_last, number == 3, "the call before makes three attempts, and no more");
        if is_last {
            peer.say(OK);
        }
    });
    let client = server.builder().max_attempts(3).build().expect("an address");
    let error = client.send(&get("/")).expect_err("none is good");
    assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
    assert_eq!(client.stats().open, 0);
    assert_eq!(client.send(&get("/last")).expect("a response").status_code(), 200);
    server.end();
}

#[test]
fn cli_06_a_repetition_keeps_its_place_before_those_who_wait() {
    let (release, held) = mpsc::channel::<()>();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = seen.clone();
    let server = Script::new(2, move |number, mut peer: Peer| {
        loop {
            let head = peer.head();
            if head.is_empty() {
                return;
            }
            noting.lock().expect("no panic").push(head.split(' ').nth(1).map(str::to_owned));
            if number == 0 {
                return held.recv().expect("the test goes on");
            }
            peer.say(OK);
        }
    });
    let client = server.builder().max_conns(1).conn_wait_timeout(LONG).build().expect("an address");
    std::thread::scope(|scope| {
        let call = |path| client.send(&get(path)).expect("a response").text().expect("a body");
        scope.spawn(move || call("/first"));
        wait_until("the first request", || !seen.lock().expect("no panic").is_empty());
        scope.spawn(move || call("/second"));
        wait_until("the other one", || client.stats().waiting == 1);
        release.send(()).expect("the server waits for it");
    });
    drop(client);
    server.end();
    let seen: Vec<String> = seen.lock().expect("no panic").iter().flatten().cloned().collect();
    assert_eq!(seen, ["/first", "/first", "/second"]);
}

#[test]
fn cli_06_more_dead_connections_than_attempts() {
    const DEAD: usize = 8;
    let server = Script::side_by_side(DEAD + 1, |number, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        if number < DEAD {
            // It looks well until it is used again, or the client ends it.
            peer.head();
        }
    });
    let client = server.client();
    let responses: Vec<_> = (0..DEAD).map(|_| client.send(&get("/")).expect("a response")).collect();
    for mut response in responses {
        response.text().expect("a body");
    }
    assert_eq!(client.stats().idle, DEAD);
    assert_eq!(client.send(&get("/")).expect("a new one is good").conn_requests(), 1);
    drop(client);
    server.end();
}

#[test]
fn cli_06_what_must_not_be_repeated_is_sent_once() {
    let server = Script::new(3, |number, mut peer: Peer| {
        peer.head();
        if number == 2 {
            // Something of a response has come, so the server has acted.
            peer.say("HTTP/1.1 2");
        }
    });
    let client = server.client();
    let kind =
        |sent: Result<_, anthill_http::client::ClientError>| sent.map(drop).expect_err("it ends").kind();
    assert_eq!(kind(client.send(&post("/", "once"))), ClientErrorKind::ConnectionClosed);
    let put = Request::new("PUT", "/").expect("a request");
    assert_eq!(kind(client.send_body(&put, SendBody::new(&b"once"[..]))), ClientErrorKind::ConnectionClosed);
    assert_eq!(kind(client.send(&get("/"))), ClientErrorKind::ConnectionClosed);
    server.end();
}

#[test]
fn cli_06_a_hook_sees_what_failed_and_decides() {
    let server = Script::new(3, |number, mut peer: Peer| {
        peer.head();
        match number {
            0 => drop(peer),
            // A part of a response: not safe, and the hook does not mind.
            1 => peer.say("HTTP/1.1 2"),
            _ => peer.say(OK),
        }
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = seen.clone();
    let client = server
        .builder()
        .retry_if(move |failed| {
            let error = failed.error().expect("no status is to be repeated");
            assert_eq!(failed.request().method(), "POST");
            noting.lock().expect("no panic").push((
                failed.number(),
                error.kind(),
                error.addr(),
                failed.is_safe(),
            ));
            true
        })
        .build()
        .expect("an address");
    assert_eq!(client.send(&post("/", "x")).expect("the third").text().expect("a body"), "ok");
    let closed = ClientErrorKind::ConnectionClosed;
    let addr = Some(server.addr);
    assert_eq!(*seen.lock().expect("no panic"), [(1, closed, addr, false), (2, closed, addr, false)]);
    server.end();

    // Attempts that came to no connection, until there are no more of them.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("a port");
    let tries = Arc::new(Mutex::new(0));
    let counted = tries.clone();
    let client = HostClient::builder(dead.to_string())
        .max_attempts(3)
        .retry_backoff(Duration::from_millis(1), Duration::from_millis(2))
        .retry_if(move |failed| {
            *counted.lock().expect("no panic") += 1;
            failed.is_safe()
        })
        .build()
        .expect("an address");
    let error = client.send(&post("/", "x")).expect_err("nobody is there");
    assert_eq!((error.kind(), *tries.lock().expect("no panic")), (ClientErrorKind::Connect, 2));
}

#[test]
fn cli_06_a_busy_server_is_asked_again_when_it_says_so() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for answer in [BUSY, BUSY_BY_DATE, OK] {
            peer.head();
            peer.say(answer);
        }
        // A method that may have been acted on, and then one for which nobody waits that long.
        peer.read_until("once");
        peer.say(BUSY);
        peer.head();
        peer.say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 3600\r\n\r\n");
        peer.head();
        peer.say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 50\r\n\r\n");
    });
    let client = server.builder().retry_statuses([429, 503]).build().expect("an address");
    let mut response = client.send(&get("/")).expect("a response");
    assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("ok", 3));
    let mut response = client.send(&post("/", "once")).expect("a response");
    assert_eq!((response.status_code(), response.text().expect("a body").as_str()), (503, "busy"));
    assert_eq!(client.send(&get("/")).expect("a response").header_str("retry-after"), Some("3600"));
    // Longer than the call may take: nothing is waited for.
    assert_eq!(client.send(&get("/")).expect("a response").header_str("retry-after"), Some("50"));
    server.end();
}

#[test]
fn cli_06_bodies_that_can_be_had_again_are_sent_again() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"not this, but that").expect("room");
    file.seek(SeekFrom::Start(10)).expect("it is that long");
    let server = Script::new(4, |number, mut peer: Peer| {
        peer.read_until(if number < 2 { "\r\nagain\r\n0\r\n\r\n" } else { "but that" });
        if number % 2 == 1 {
            peer.say(OK);
        }
    });
    let client = server.client();
    let put = Request::new("PUT", "/").expect("a request");
    let again = SendBody::repeatable(None, || Ok(&b"again"[..]));
    assert_eq!(client.send_body(&put, again).expect("the second").status_code(), 200);
    client.close_idle_conns();
    let file = SendBody::file(file).expect("its size");
    assert_eq!(client.send_body(&put, file).expect("the fourth").status_code(), 200);
    server.end();
}

#[test]
fn cli_06_the_limit_of_a_call_spans_its_attempts() {
    let server = Script::new(2, |_, mut peer: Peer| {
        peer.head();
        std::thread::sleep(Duration::from_millis(60));
    });
    // Two attempts take longer than one may; a third would be made if each had its own limit.
    let client = server.builder().timeout(Duration::from_millis(90)).build().expect("an address");
    // On a busy machine it may not come to the second.
    assert!(client.send(&get("/")).expect_err("none is good").is_timeout());
}

#[test]
fn cli_15_a_post_goes_past_connections_that_were_closed_while_idle() {
    for with_reset in [false, true] {
        let (closed, told) = mpsc::channel::<()>();
        let server = Script::new(2, move |number, mut peer: Peer| {
            peer.head();
            peer.say(OK);
            if number == 0 {
                if with_reset {
                    // Else the response may go with the reset.
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    peer.reset();
                } else {
                    drop(peer);
                }
                closed.send(()).expect("the test waits for it");
            } else {
                assert_eq!(peer.read_until("body"), "body");
            }
        });
        let client = server.client();
        client.send(&get("/")).expect("a response").text().expect("a body");
        told.recv_timeout(LONG).expect("the server closes it");
        // What a peer on the same machine has closed is seen by the next look.
        let response = client.send(&post("/", "body")).expect("a response on a new connection");
        assert_eq!((response.status_code(), response.conn_requests()), (200, 1));
        server.end();
    }
}
