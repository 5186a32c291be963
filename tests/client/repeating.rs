//! Requests that are sent again, and those that must not be.

use std::sync::mpsc;

use anthill_http::Request;
use anthill_http::client::{ClientErrorKind, SendBody};

use crate::script::{LONG, OK, Peer, Script, get, post};

#[test]
fn a_get_survives_three_bad_connections() {
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
fn there_is_an_end_to_attempts() {
    let server = Script::new(3, |_, mut peer: Peer| {
        peer.head();
    });
    let client = server.builder().max_attempts(3).build().expect("an address");
    let error = client.send(&get("/")).expect_err("none is good");
    assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
    assert_eq!(client.stats().open, 0);
    server.end();
}

#[test]
fn what_must_not_be_repeated_is_sent_once() {
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
