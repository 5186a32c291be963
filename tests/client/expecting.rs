//! Bodies that wait until they are asked for, and what comes before a response.

use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{ClientErrorKind, SendBody};

use crate::script::{LONG, OK, Peer, Script, get, post};

#[test]
fn a_body_waits_until_it_is_asked_for() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for body in ["first", "second"] {
            assert!(peer.head().contains("\r\nExpect: 100-continue\r\n"));
            peer.say("HTTP/1.1 100 Continue\r\n\r\n");
            peer.read_until(body);
            peer.say(OK);
        }
        // Without a body nothing is expected.
        assert!(!peer.head().contains("Expect"));
        peer.say(OK);
    });
    let client = server.client();
    let request = post("/", "first");
    let mut response = client.call(&request).expect_continue(LONG).send().expect("a response");
    assert_eq!((response.status_code(), response.text().expect("a body").as_str()), (200, "ok"));
    // A field of the request says it as well.
    let mut request = Request::new("PUT", "/").expect("a request");
    request.set_header("expect", "100-continue");
    let body = SendBody::sized(&b"second"[..], 6);
    let mut response = client.send_body(&request, body).expect("a response");
    assert_eq!((response.conn_requests(), response.text().expect("a body").as_str()), (2, "ok"));
    assert_eq!(client.call(&get("/")).expect_continue(LONG).send().expect("a response").conn_requests(), 3);
    drop(client);
    server.end();
}

#[test]
fn a_body_that_is_not_wanted_is_not_sent_and_ends_the_connection() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        peer.expect_end();
    });
    let client = server.client();
    let request = post("/", "secret");
    let mut response = client.call(&request).expect_continue(LONG).send().expect("a response");
    assert_eq!((response.status_code(), response.text().expect("a body").as_str()), (403, "no"));
    // What is in doubt about such a connection is whether the server still waits for the body.
    assert_eq!(client.stats().open, 0);
    server.end();
}

/// Whether both come in one piece is chance.
#[test]
fn who_asks_and_agrees_in_one_breath_gets_the_body_and_who_agrees_alone_does_not() {
    let server = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            peer.say(&format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"));
            peer.read_until("body");
        } else {
            peer.say(OK);
            peer.expect_end();
        }
    });
    let request = post("/", "body");
    for is_asked in [true, false] {
        let client = server.client();
        let mut response = client.call(&request).expect_continue(LONG).send().expect("a response");
        assert_eq!((response.is_request_sent(), response.text().expect("a body").as_str()), (is_asked, "ok"));
        client.close_idle_conns();
    }
    server.end();
}

#[test]
fn a_server_that_does_not_know_how_to_ask_gets_the_body() {
    let server = Script::new(1, |_, mut peer: Peer| {
        assert!(peer.head().contains("Expect"));
        peer.read_until("body");
        peer.say(OK);
    });
    let client = server.client();
    let request = post("/", "body");
    let response =
        client.call(&request).expect_continue(Duration::from_millis(20)).send().expect("a response");
    assert_eq!(response.status_code(), 200);
    server.end();
}

#[test]
fn a_server_that_refuses_the_expectation_is_asked_without() {
    let server = Script::new(2, |number, mut peer: Peer| {
        let head = peer.head();
        assert_eq!(head.contains("Expect"), number == 0, "{head}");
        if number == 0 {
            peer.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
            peer.expect_end();
        } else {
            peer.read_until("body");
            peer.say(OK);
        }
    });
    let request = Request::new("POST", "/").expect("a request");
    // It was not begun with, so it can be sent although it is a reader.
    let body = SendBody::new(&b"body"[..]);
    let client = server.client();
    let response = client.call(&request).body(body).expect_continue(LONG).send().expect("a response");
    assert_eq!(response.status_code(), 200);
    server.end();
}

#[test]
fn a_server_that_refuses_what_was_not_expected_is_not_asked_again() {
    const FAILED: &str = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    let server = Script::new(2, |_, mut peer: Peer| {
        let head = peer.head();
        assert!(!head.contains("Expect"), "{head}");
        peer.say(FAILED);
        if head.contains("HTTP/1.0") {
            peer.read_until("body");
        }
        peer.expect_end();
    });
    let client = server.client();
    let empty = post("/", "");
    let response = client.call(&empty).expect_continue(LONG).send().expect("a response");
    assert_eq!(response.status_code(), 417);
    client.close_idle_conns();
    let mut old = post("/", "body");
    old.set_version(anthill_http::Version::Http10);
    let response = client.call(&old).expect_continue(LONG).send().expect("a response");
    assert_eq!(response.status_code(), 417);
    drop((response, client));
    server.end();
}

#[test]
fn cli_11_interim_responses_are_told_and_bounded() {
    let server = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            peer.say("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nLink: b\r\n\r\n");
            peer.say(OK);
            peer.expect_end();
        } else {
            // More than anybody needs; the client closes in the middle.
            for _ in 0..100 {
                let _ = std::io::Write::write_all(&mut peer.stream, b"HTTP/1.1 102 Processing\r\n\r\n");
            }
        }
    });
    let client = server.client();
    let mut told = Vec::new();
    let request = get("/");
    let hook = |status: u16, fields: anthill_http::header::Fields<'_>| {
        told.push((status, fields.get_all("link").map(<[u8]>::to_vec).collect::<Vec<_>>()));
    };
    client.call(&request).on_informational(hook).send().expect("a response").text().expect("a body");
    assert_eq!(told, [(102, vec![]), (103, vec![b"a".to_vec(), b"b".to_vec()])]);
    client.close_idle_conns();
    let mut count = 0;
    let error = client.call(&request).on_informational(|_, _| count += 1).send().expect_err("no end");
    assert!(matches!(error.kind(), ClientErrorKind::Protocol(_)), "{error}");
    assert_eq!((count, client.stats().open), (16, 0));
    server.end();
}
