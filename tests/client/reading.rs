//! Bodies as they are read, and connections that are not used again for what came on them.

use std::io::Read;
use std::sync::mpsc;

use anthill_http::client::{ClientErrorKind, ClientPhase};
use anthill_http::{ProtoError, Version};

use crate::script::{LONG, OK, Peer, Script, get, wait_until};

#[test]
fn cli_11_what_ends_a_connection_although_its_response_is_whole() {
    // Response, its body, and whether another request may follow.
    let answers = [
        (OK, "ok", true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok+", "ok", false),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", true),
    ];
    let server = Script::new(answers.len(), move |number, mut peer: Peer| {
        peer.head();
        // In one piece, so that what is behind it is in the same read.
        peer.say(answers[number].0);
        peer.expect_end();
    });
    let client = server.client();
    for (answer, body, is_kept) in answers {
        let mut response = client.send(&get("/")).expect(answer);
        assert_eq!(response.text().expect("a body"), body, "{answer}");
        assert_eq!(client.stats().idle, usize::from(is_kept), "{answer}");
        client.close_idle_conns();
    }
    server.end();
}

#[test]
fn cli_11_a_request_that_is_the_last_ends_its_connection() {
    let server = Script::new(3, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.expect_end();
    });
    let client = server.client();
    for (version, connection, is_kept) in [
        (Version::Http11, Some("close"), false),
        (Version::Http10, None, false),
        (Version::Http10, Some("keep-alive"), true),
    ] {
        let mut request = get("/");
        request.set_version(version);
        if let Some(connection) = connection {
            request.set_header("connection", connection);
        }
        client.send(&request).expect("a response").text().expect("a body");
        assert_eq!(client.stats().idle, usize::from(is_kept), "{version:?} {connection:?}");
        client.close_idle_conns();
    }
    server.end();
}

#[test]
fn cli_11_a_fault_in_a_body_is_told_by_it_however_it_was_cut() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let faulty = format!("{head}no chunk\r\n");
    let large = format!("{head}{}", "4\r\nabcd\r\n".repeat(3));
    let cases = [
        (faulty.clone(), true, ClientErrorKind::Protocol(ProtoError::BadChunk)),
        (faulty, false, ClientErrorKind::Protocol(ProtoError::BadChunk)),
        (large.clone(), true, ClientErrorKind::TooLarge),
        (large, false, ClientErrorKind::TooLarge),
    ];
    let (go_on, told) = mpsc::channel::<()>();
    let answers = cases.clone();
    let server = Script::new(cases.len(), move |number, mut peer: Peer| {
        let (answer, in_one_piece, _) = &answers[number];
        peer.head();
        if *in_one_piece {
            peer.say(answer);
        } else {
            peer.say(head);
            told.recv_timeout(LONG).expect("the head is there");
            peer.say(&answer[head.len()..]);
        }
        peer.expect_end();
    });
    let client = server.builder().max_response_body_size(10).build().expect("an address");
    for (answer, in_one_piece, kind) in cases {
        let mut response = client.send(&get("/")).expect("the head is as it should be");
        assert_eq!(response.status_code(), 200);
        if !in_one_piece {
            go_on.send(()).expect("the server waits for it");
        }
        assert_eq!(response.read_body().expect_err("that is none").kind(), kind, "{answer}");
        assert_eq!((response.remaining(), client.stats().open), (None, 0), "not `nothing is left`");
    }
    server.end();
}

#[test]
fn reading_into_no_room_waits_for_nothing() {
    let (go_on, told) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        told.recv_timeout(LONG).expect("nobody waits for us");
        peer.say("ok");
    });
    let mut response = server.client().send(&get("/")).expect("the head is there");
    assert_eq!(response.read(&mut []).expect("there is no room"), 0);
    go_on.send(()).expect("the server waits for it");
    assert_eq!(response.text().expect("a body"), "ok");
    server.end();
}

#[test]
fn cli_03_where_none_may_be_idle_each_connection_serves_one_request() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            held.recv().expect("the test goes on");
        }
        peer.say(OK);
        peer.expect_end();
    });
    let client =
        server.builder().max_conns(1).max_idle_conns(0).conn_wait_timeout(LONG).build().expect("an address");
    std::thread::scope(|scope| {
        let call = || {
            let mut response = client.send(&get("/")).expect("a response");
            response.text().expect("a body");
            response.conn_requests()
        };
        let first = scope.spawn(call);
        wait_until("the first request", || client.stats().open == 1);
        let second = scope.spawn(call);
        wait_until("the other one", || client.stats().waiting == 1);
        release.send(()).expect("the server waits for it");
        assert_eq!([first.join().expect("no panic"), second.join().expect("no panic")], [1, 1]);
    });
    assert_eq!(client.stats().open, 0);
    server.end();
}

#[test]
fn cli_03_a_short_wait_ends_and_leaves_the_line() {
    let (server, release) = Script::held();
    let wait = std::time::Duration::from_millis(10);
    let client = server.builder().max_conns(1).conn_wait_timeout(wait).build().expect("an address");
    std::thread::scope(|scope| {
        scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body"));
        wait_until("the first request", || client.stats().open == 1);
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| client.send(&get("/")).map(drop))).collect();
        for other in others {
            let error = other.join().expect("no panic").expect_err("the only one is busy");
            assert_eq!(error.kind(), ClientErrorKind::NoFreeConns);
        }
        assert_eq!(client.stats().waiting, 0);
        let error = client.send_timeout(&get("/"), wait / 10).expect_err("the only one is busy");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::FreeConn));
        release.send(()).expect("the server waits for it");
    });
    assert_eq!(client.send(&get("/")).expect("it is free").conn_requests(), 2);
    drop(client);
    server.end();
}

#[test]
fn as_many_are_kept_as_may_be_idle() {
    let server = Script::side_by_side(3, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.expect_end();
    });
    let client = server.builder().max_idle_conns(2).build().expect("an address");
    let responses: Vec<_> = (0..3).map(|_| client.send(&get("/")).expect("a response")).collect();
    assert_eq!((client.stats().open, client.stats().idle), (3, 0));
    for mut response in responses {
        response.text().expect("a body");
    }
    assert_eq!((client.stats().open, client.stats().idle), (2, 2));
    drop(client);
    server.end();
}

#[test]
fn a_response_comes_into_the_place_of_another() {
    let server = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            peer.say("HTTP/1.1 200 Fine\r\nFirst: a\r\nContent-Length: 10\r\n\r\nhalf");
            peer.expect_end();
            return;
        }
        peer.say("HTTP/1.1 404 No\r\nSecond: b\r\nContent-Length: 2\r\n\r\nno");
        peer.head();
        // It ends without a word.
    });
    // The place of the first connection has to be free before there is another.
    let client = server.builder().max_conns(1).max_attempts(1).build().expect("an address");
    let mut response = client.send(&get("/")).expect("a response");
    assert_eq!((response.status_code(), response.header_str("first")), (200, Some("a")));
    client.send_into(&get("/"), &mut response).expect("a response");
    assert_eq!((response.status_code(), response.reason(), response.headers().len()), (404, &b"No"[..], 2));
    let mut body = b"was: ".to_vec();
    response.read_body_into(&mut body).expect("a body");
    assert_eq!((body.as_slice(), response.header("first")), (&b"was: no"[..], None));
    // Of one that has failed nothing looks like the one before.
    let error = client.send_into(&get("/"), &mut response).expect_err("it ends");
    assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
    assert!(!response.is_success() && response.headers().is_empty());
    assert_eq!(response.read_body().expect_err("there is none").kind(), ClientErrorKind::ConnectionClosed);
    drop(client);
    server.end();
}
