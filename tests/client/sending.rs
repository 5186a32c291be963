//! What goes out and what comes back.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use anthill_http::client::{ClientErrorKind, HostClient, SendBody};
use anthill_http::{ProtoError, Request, Server};

use crate::script::{LONG, OK, Peer, Script, get, post};

#[test]
fn cli_01_gets_and_posts_from_many_threads() {
    let running = Server::new(|ctx| {
        let said = format!("{} {} {}", ctx.request.method(), ctx.request.path(), ctx.request.body().len());
        ctx.set_body(said);
    })
    .expect("a server")
    .start("127.0.0.1:0")
    .expect("a free port");
    let client = HostClient::new(running.local_addr().to_string()).expect("an address");
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let client = client.clone();
            scope.spawn(move || {
                for number in 0..100 {
                    let path = format!("/{thread}/{number}");
                    let said = client.send(&get(&path)).and_then(|mut response| response.text());
                    assert_eq!(said.expect("a response"), format!("GET {path} 0"));
                    // Across what is sent with the head in one piece.
                    let body = "x".repeat(number * 700);
                    let said = client.send(&post(&path, &body)).and_then(|mut response| response.text());
                    assert_eq!(said.expect("a response"), format!("POST {path} {}", body.len()));
                }
            });
        }
    });
    let stats = client.stats();
    assert!(stats.open <= 10 && stats.open == stats.idle, "{stats:?}");
    client.close_idle_conns();
    assert_eq!((client.stats().open, client.stats().idle), (0, 0));
    drop(client);
    running.shutdown(LONG).expect("nothing is under way");
}

#[test]
fn cli_01_what_an_origin_server_is_sent() {
    let server = Script::new(1, |_, mut peer: Peer| {
        assert_eq!(
            peer.head(),
            format!("GET /a?b=c HTTP/1.1\r\nHost: other:81\r\nUser-Agent: {AGENT}\r\nX-One: 1\r\n\r\n")
        );
        peer.say(OK);
        let head = peer.head();
        assert!(head.starts_with("POST /p HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
        assert!(head.ends_with("\r\nContent-Length: 4\r\n\r\n"), "{head}");
        assert_eq!(peer.read_until("body"), "body");
        peer.say(OK);
    });
    let client = server.client();
    let mut request = get("http://other:81/a?b=c#fragment");
    request.set_header("x-one", "1");
    assert_eq!(client.send(&request).expect("a response").text().expect("a body"), "ok");
    assert_eq!(client.send(&post("/p", "body")).expect("a response").text().expect("a body"), "ok");
    server.end();
}

const AGENT: &str = concat!("anthill/", env!("CARGO_PKG_VERSION"));

#[test]
fn cli_12_what_a_client_says_that_it_is() {
    let agents = ["ants/1", "", "ants/1"];
    let server = Script::new(3, move |number, mut peer: Peer| {
        let head = peer.head();
        let expected = [Some("ants/1"), None, Some("own")][number];
        let said = head.lines().find_map(|line| line.strip_prefix("User-Agent: "));
        assert_eq!(said, expected, "{head}");
        peer.say(OK);
    });
    for (number, agent) in agents.into_iter().enumerate() {
        let client = server.builder().user_agent(agent).build().expect("an address");
        let mut request = get("/");
        if number == 2 {
            request.set_header("User-Agent", "own");
        }
        client.send(&request).expect("a response");
    }
    let error = server.builder().user_agent("a\r\nb: c").build().expect_err("two lines");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    server.end();
}

#[test]
fn an_https_url_is_refused_before_anything_is_sent() {
    let resolver = |_: &str| -> std::io::Result<Vec<std::net::IpAddr>> { panic!("nobody is to be asked") };
    let client = HostClient::builder("name.test").resolver(resolver).build().expect("an address");
    let error = client.send(&get("https://name.test/")).expect_err("it does not encrypt");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert!(error.to_string().contains("`tls`"), "{error}");
}

#[test]
fn trailers_follow_a_body_in_chunks() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("\r\nTransfer-Encoding: chunked\r\nTrailer: Sum, Kind\r\n"), "{head}");
        assert!(!head.contains("Kind: ants"), "{head}");
        assert_eq!(
            peer.read_until("0\r\nKind: ants\r\nSum: 10\r\n\r\n"),
            "4\r\nbody\r\n0\r\nKind: ants\r\nSum: 10\r\n\r\n"
        );
        peer.say(OK);
    });
    let mut request = Request::new("PUT", "/").expect("a request");
    request.set_header("trailer", "Sum, Kind");
    request.set_header("kind", "ants");
    let body = SendBody::new(&b"body"[..]).trailers(|| {
        // What must not come behind a body is left out.
        [("sum", "10"), ("content-length", "7"), ("host", "other")].into_iter().collect()
    });
    server.client().send_body(&request, body).expect("a response");
    server.end();
}

#[test]
fn cli_01_bodies_from_readers() {
    let running = Server::new(|ctx| {
        let body = ctx.request.body().to_vec();
        ctx.set_body(body);
    })
    .expect("a server")
    .start("127.0.0.1:0")
    .expect("a free port");
    let client = HostClient::new(running.local_addr().to_string()).expect("an address");
    let request = Request::new("PUT", "/").expect("a request");
    // At the bounds of a piece, and beyond several.
    let mut number = 0;
    for length in [0, 1, 65_472, 65_473, 130_944, 300_000] {
        let body: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        for sent in [SendBody::new(&body[..]), SendBody::sized(&body[..], body.len() as u64)] {
            let mut response = client.send_body(&request, sent).expect("a response");
            assert_eq!(response.read_body().expect("a body"), body);
            number += 1;
            assert_eq!((response.conn_requests(), response.is_request_sent()), (number, true));
        }
    }
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
    // One that gives less than it announced.
    let error = client.send_body(&request, SendBody::sized(&b"four"[..], 5)).expect_err("one is missing");
    assert_eq!(error.kind(), ClientErrorKind::RequestBody);
    assert_eq!(client.stats().open, 0, "a request that is not whole ends its connection");
    drop(client);
    running.shutdown(LONG).expect("nothing is under way");
}

#[test]
fn cli_11_how_bodies_end() {
    let answers = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\
             Sum: 3\r\n\r\n",
            "abc",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", "to the end"),
    ];
    let server = Script::new(1, move |_, mut peer: Peer| {
        for (answer, _) in answers {
            peer.head();
            // In single bytes, as far as the system lets them be that.
            for byte in answer.chars() {
                peer.say(byte.encode_utf8(&mut [0; 4]));
            }
        }
    });
    let client = server.client();
    for (number, (answer, body)) in answers.into_iter().enumerate() {
        let mut response = client.send(&get("/")).expect("a response");
        assert_eq!(response.text().expect("a body"), body, "{answer}");
        assert_eq!(response.conn_requests(), number as u64 + 1);
        assert_eq!(response.trailers().get_str("sum"), answer.contains("Trailer").then_some("3"));
    }
    assert_eq!(client.stats().open, 0, "the last body ended with its connection");
    server.end();
}

#[test]
fn cli_11_a_response_to_head_has_no_body() {
    let server = Script::new(1, |_, mut peer: Peer| {
        assert!(peer.head().starts_with("HEAD / "));
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        peer.head();
        peer.say(OK);
    });
    let client = server.client();
    let mut response = client.send(&Request::new("HEAD", "/").expect("a request")).expect("a response");
    assert_eq!(response.read_body().expect("there is none"), b"");
    assert_eq!(response.header_str("content-length"), Some("1000"));
    assert_eq!(client.send(&get("/")).expect("a response").conn_requests(), 2);
    server.end();
}

#[test]
fn cli_11_what_is_no_response_is_refused_and_ends_the_connection() {
    let answers = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            ProtoError::DuplicateContentLength,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", ProtoError::BadContentLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ProtoError::BadTransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ProtoError::TransferEncodingOnHttp10),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", ProtoError::BareLineFeed),
        ("SSH-2.0-OpenSSH\r\n", ProtoError::BadStatusLine),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", ProtoError::UnexpectedUpgrade),
    ];
    let server = Script::new(answers.len(), move |number, mut peer: Peer| {
        peer.head();
        peer.say(answers[number].0);
        peer.expect_end();
    });
    let client = server.client();
    for (answer, expected) in answers {
        let error = client.send(&get("/")).expect_err(answer);
        assert_eq!(error.kind(), ClientErrorKind::Protocol(expected), "{answer}");
        assert_eq!(error.addr(), Some(server.addr));
        assert_eq!(client.stats().open, 0);
    }
    server.end();
}

#[test]
fn cli_11_a_body_that_breaks_off_is_an_error_that_stays() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let server = Script::new(1, move |_, mut peer: Peer| {
            peer.head();
            peer.say(answer);
        });
        let mut response = server.client().send(&get("/")).expect("the head is there");
        let error = response.read_body().expect_err(answer);
        assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed, "{answer}");
        let error = response.read(&mut [0; 9]).expect_err("it stays");
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!(response.remaining(), None, "not that nothing is left");
        server.end();
    }
}

#[test]
fn cli_13_an_early_response_ends_a_large_upload() {
    // Far more than the buffers of both systems hold.
    const SIZE: u64 = 256 * 1024 * 1024;
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch");
        // What follows is read until the client has had enough.
        let mut room = vec![0; 65_536];
        let mut read = 0;
        while let Ok(count @ 1..) = peer.stream.read(&mut room) {
            read += count as u64;
        }
        assert!(read < SIZE, "all of it was sent");
    });
    let client = server.client();
    let request = Request::new("POST", "/").expect("a request");
    let body = SendBody::sized(std::io::repeat(b'x'), SIZE);
    let mut response = client.send_body(&request, body).expect("the response came early");
    assert_eq!((response.status_code(), response.text().expect("a body").as_str()), (413, "much"));
    assert_eq!(client.stats().open, 0, "the connection is not used again");
    server.end();
}

#[test]
fn cli_13_an_early_response_of_a_server_that_reads_on_ends_an_endless_upload() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        let mut room = vec![0; 65_536];
        while let Ok(1..) = peer.stream.read(&mut room) {}
    });
    let request = Request::new("POST", "/").expect("a request");
    let body = SendBody::new(std::io::repeat(b'x'));
    let mut response = server.client().send_body(&request, body).expect("the response came early");
    assert_eq!(response.text().expect("a body"), "no");
    server.end();
}

#[test]
fn cli_05_the_limit_of_a_call_ends_an_endless_upload() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let mut room = vec![0; 65_536];
        while let Ok(1..) = peer.stream.read(&mut room) {}
    });
    let client = server.builder().timeout(Duration::from_millis(200)).build().expect("an address");
    let request = Request::new("POST", "/").expect("a request");
    let error = client.send_body(&request, SendBody::new(std::io::repeat(b'x'))).expect_err("it has no end");
    // On a busy machine it may not even come to a connection in time.
    assert!(error.is_timeout(), "{error}");
    assert_eq!(client.stats().open, 0);
    server.end();
}

/// Linux keeps what came before a reset.
#[cfg(target_os = "linux")]
#[test]
fn cli_13_an_early_response_with_a_reset_is_reported() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
        // Unread bytes make the system reset the connection.
    });
    let request = Request::new("POST", "/").expect("a request");
    let body = SendBody::sized(std::io::repeat(b'x'), 64 * 1024 * 1024);
    let response = server.client().send_body(&request, body).expect("the response came before the reset");
    assert_eq!(response.status_code(), 413);
    server.end();
}

#[test]
fn cli_05_a_stuck_server_a_hundred_times() {
    // The system takes the connections; nobody else ever does.
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = server.local_addr().expect("it listens");
    let client = HostClient::new(addr.to_string()).expect("an address");
    let request = get("/");
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        let error = client.send_timeout(&request, Duration::from_millis(1)).expect_err("it is stuck");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(client.stats().open, 0, "nothing goes on behind a call");
    }
    // They took a moment each. Had one kept to no limit, it would hang; had they waited for another one, this is it.
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    let error = client.send_timeout(&request, Duration::ZERO).expect_err("there is no time");
    assert!(error.is_timeout());
}

#[test]
fn errors_of_a_client_can_go_anywhere() {
    fn goes<T: std::error::Error + Send + Sync + 'static>(
        error: T,
    ) -> Box<dyn std::error::Error + Send + Sync> {
        Box::new(error)
    }
    let error = HostClient::new("").expect_err("no address");
    assert!(goes(error).to_string().contains("host:port"));
}
