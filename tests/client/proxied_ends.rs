//! How exchanges through a proxy end: where their messages do, by which limits, and what becomes of both connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anthill_http::client::{Client, proxy};
use anthill_http::{CompressPolicy, RunningServer, Server, compress};
use anthill_tests::Gate;

use crate::proxied_bodies::read_all;
use crate::reverse_proxy::{connect, front, front_with, read_until};
use crate::script::{LONG, Peer, Script};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

#[test]
fn the_end_of_a_response_is_told_while_its_request_goes_on() {
    let trailers = format!("{CHUNKED}Trailer: X-Sum\r\n\r\n3\r\nONE\r\n0\r\nX-Sum: 1\r\n\r\n");
    let cases = [
        // In one piece, and in two.
        ([trailers.clone(), String::new()], "0\r\nX-Sum: 1\r\n\r\n"),
        ([format!("{CHUNKED}\r\n3\r\nONE\r\n"), "0\r\n\r\n".to_owned()], "0\r\n\r\n"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nO".to_owned(), "NE".to_owned()], "\r\n\r\nONE"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), String::new()], "\r\n\r\n"),
        // What has no body has its end as well.
        (["HTTP/1.1 204 No Content\r\n\r\n".to_owned(), String::new()], "\r\n\r\n"),
    ];
    let (said, pause) = (cases.clone(), Duration::from_millis(5));
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        for ([first, second], _) in &said {
            assert!(peer.head().starts_with("PUT "));
            assert_eq!(peer.read_until("one\r\n"), "3\r\none\r\n");
            peer.say(first);
            std::thread::sleep(pause);
            peer.say(second);
            // It gets all of the request, and serves another one.
            assert_eq!(peer.read_until("0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    for ([first, second], end) in &cases {
        let head = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
        stream.write_all(head.as_bytes()).expect("the front reads");
        // Nothing more is sent before the end has come.
        let answer = read_until(&mut stream, end);
        assert!(!answer.contains("Connection: close"), "{answer}");
        let has_length = format!("{first}{second}").contains("Content-Length: 3");
        assert_eq!(answer.contains("Content-Length: 3\r\n"), has_length, "{answer}");
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").expect("the front reads");
    }
    upstream.end();
}

#[test]
fn an_upstream_that_answers_a_head_is_heard_before_there_is_a_body() {
    let upstream = Script::new(2, |number, mut peer: Peer| {
        assert!(peer.head().contains("Content-Length: 4\r\n"));
        match number {
            0 => {
                peer.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
                peer.expect_end();
            }
            _ => {
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                assert_eq!(peer.read_until("body"), "body");
            }
        }
    });
    let front = front(&upstream, |proxy| proxy);
    for (status, body) in [("401", "no"), ("200", "ok")] {
        let mut stream = connect(&front);
        stream
            .write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
            .expect("the front reads");
        let answer = read_until(&mut stream, &format!("\r\n\r\n{body}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        stream.write_all(b"body").expect("the front reads");
    }
    upstream.end();
}

/// Asks for something by HTTP/1.0, and gives the head of the answer.
fn ask_as_of_old(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("the front reads");
    read_until(stream, "\r\n\r\n")
}

#[test]
fn a_connection_of_http_1_0_stays_behind_whatever_has_a_length() {
    let large = "x".repeat(200_000);
    let sized = format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{large}");
    let has_begun = Gate::new();
    let goes_on = has_begun.clone();
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
            &sized,
            "HTTP/1.1 204 No Content\r\n\r\n",
            // It has come with its head, so how long it is is known.
            &format!("{CHUNKED}\r\n3\r\none\r\n0\r\n\r\n"),
        ] {
            peer.head();
            peer.say(answer);
        }
        // One that is answered before it was sent.
        peer.head();
        assert_eq!(peer.read_until("one"), "one");
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nONE");
        assert_eq!(peer.read_until("two"), "two");
        for _ in 0..2 {
            peer.head();
            peer.say(&format!("{CHUNKED}\r\n3\r\none\r\n"));
            goes_on.pass();
            peer.say("3\r\ntwo\r\n0\r\n\r\n");
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    let get = "GET /x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n";
    for length in [3, 200_000, 0, 3] {
        let head = ask_as_of_old(&mut stream, get);
        assert!(head.contains("Connection: keep-alive\r\n"), "{head}");
        assert_eq!(head.contains(&format!("Content-Length: {length}\r\n")), length > 0, "{head}");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("all of the body");
    }
    let put = "PUT /x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 6\r\n\r\none";
    let head = ask_as_of_old(&mut stream, put);
    assert!(head.contains("Content-Length: 3\r\n") && head.contains("Connection: keep-alive\r\n"), "{head}");
    assert_eq!(read_until(&mut stream, "ONE"), "ONE");
    stream.write_all(b"two").expect("the front reads");
    // Without a length the end of the connection is that of the body, and so it is for whoever does not ask to stay.
    let head = ask_as_of_old(&mut stream, get);
    assert!(head.contains("Connection: close\r\n") && !head.contains("Length"), "{head}");
    has_begun.open();
    assert_eq!(read_all(&mut stream), "onetwo");
    let mut stream = connect(&front);
    let head = ask_as_of_old(&mut stream, "GET /x HTTP/1.0\r\nHost: h\r\n\r\n");
    assert!(head.contains("Connection: close\r\n"), "{head}");
    assert_eq!(read_all(&mut stream), "onetwo");
    upstream.end();
}

/// A client that waits for an upstream as long as it takes to see that it says nothing more.
fn impatient() -> Client {
    Client::builder().read_timeout(Duration::from_millis(100)).build().expect("settings with a meaning")
}

#[test]
fn an_upstream_that_stalls_in_a_body_is_given_up_and_its_client_sees_a_cut() {
    let begins = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none".to_owned(),
        format!("{CHUNKED}\r\n3\r\none\r\n"),
        // In the middle of a chunk, and of what stands behind the body.
        format!("{CHUNKED}\r\n9\r\none"),
        format!("{CHUNKED}\r\n3\r\none\r\n0\r\nX-Sum"),
        "HTTP/1.1 200 OK\r\n\r\none".to_owned(),
    ];
    let (said, count) = (begins.clone(), begins.len());
    let upstream = Script::new(2 * count, move |number, mut peer: Peer| {
        let head = peer.head();
        if head.starts_with("PUT ") {
            assert_eq!(peer.read_until("one\r\n"), "3\r\none\r\n");
        }
        peer.say(&said[number % count]);
        if head.starts_with("PUT ") {
            // Its request has come to its end, so it has nothing to wait for any more.
            assert_eq!(peer.read_until("0\r\n\r\n"), "0\r\n\r\n");
        }
        peer.expect_end();
    });
    let front = front_with(impatient(), &upstream, |proxy| proxy.ignore_client_abort(true));
    for both in [false, true] {
        for begin in &begins {
            let mut stream = connect(&front);
            let request: &[u8] = match both {
                false => b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
                true => b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
            };
            stream.write_all(request).expect("the front reads");
            let head = read_until(&mut stream, "\r\n\r\n");
            read_until(&mut stream, "one");
            if both {
                stream.write_all(b"0\r\n\r\n").expect("the front reads");
            }
            let rest = read_all(&mut stream);
            assert!(!rest.contains("0\r\n\r\n"), "{begin:?} has no end: {rest:?}");
            let has_end = head.contains("Content-Length: 9") || head.contains("chunked");
            assert!(has_end, "that it is cut can be seen: {head}");
        }
    }
    upstream.end();
}

#[test]
fn an_upstream_that_neither_takes_nor_says_anything_is_given_up() {
    let cut = Gate::new();
    let is_cut = cut.clone();
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        peer.say(&format!("{CHUNKED}\r\n3\r\none\r\n"));
        is_cut.pass();
        // What the system had taken of the request is here still, and then its end.
        let mut room = vec![0; 64 * 1024];
        loop {
            match peer.stream.read(&mut room) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
    });
    let front = front_with(impatient(), &upstream, |proxy| proxy);
    let mut stream = connect(&front);
    let mut sending = stream.try_clone().expect("another handle");
    let head = "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n";
    sending.write_all(head.as_bytes()).expect("the front reads");
    std::thread::scope(|scope| {
        // Until nobody takes it any more.
        scope.spawn(move || while sending.write_all(&[b'x'; 64 * 1024]).is_ok() {});
        read_until(&mut stream, "3\r\none\r\n");
        assert_eq!(read_all(&mut stream), "", "there is no last chunk");
        cut.open();
        drop(stream);
    });
    upstream.end();
}

#[test]
fn a_response_is_not_longer_than_it_says_whatever_is_between() {
    // A front that compresses makes another length of it.
    let upstream = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.read_until("one");
        peer.say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3000\r\n\r\n");
        peer.say(&"y".repeat(3000));
        assert_eq!(peer.read_until("two"), "two");
    });
    let proxy = proxy(Client::new(), &format!("http://{}", upstream.addr));
    let handler = compress(proxy.expect("an upstream"), CompressPolicy::new());
    let server = Server::builder().stream_request_body(true).build_handler(handler).expect("a server");
    let front: RunningServer = server.start("127.0.0.1:0").expect("a free port");
    let mut stream = connect(&front);
    let head = "PUT /x HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nContent-Length: 6\r\n\r\none";
    stream.write_all(head.as_bytes()).expect("the front reads");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.contains("Content-Encoding: gzip") && head.contains("chunked"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    stream.set_read_timeout(Some(LONG)).expect("an option of every socket");
    let mut read = Vec::new();
    while !read.ends_with(b"0\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("the front answers"), 1);
        read.extend_from_slice(&byte);
    }
    stream.write_all(b"two").expect("the front reads");
    upstream.end();
}
