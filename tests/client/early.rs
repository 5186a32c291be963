//! What a server says before it is asked, and before it has been told everything.

use std::io::{self, Read};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{ClientErrorKind, ClientPhase, SendBody};

use crate::script::{LONG, OK, Peer, Script, get, with_more_than_is_taken};

/// A reader that does something before it gives its text.
struct Before<F>(Option<F>, &'static [u8]);

impl<F: FnOnce()> Read for Before<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(act) = self.0.take() {
            act();
        }
        self.1.read(into)
    }
}

fn request(method: &str) -> Request {
    Request::new(method, "/").expect("a request")
}

#[test]
fn cli_15_what_comes_while_a_reader_takes_its_time_is_nobodys_response() {
    for smuggled in ["HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled", ""] {
        let (asked, is_asked) = mpsc::channel::<()>();
        let (said, is_said) = mpsc::channel::<()>();
        let server = Script::new(2, move |number, mut peer: Peer| {
            peer.head();
            peer.say(OK);
            if number == 0 {
                is_asked.recv_timeout(LONG).expect("the reader is read");
                peer.say(smuggled);
                drop(peer);
                said.send(()).expect("the reader waits for it");
            } else {
                peer.read_until("0\r\n\r\n");
            }
        });
        let client = server.client();
        client.send(&get("/")).expect("a response").text().expect("a body");
        let act = move || {
            asked.send(()).expect("the server waits for it");
            is_said.recv_timeout(LONG).expect("the server says it");
        };
        let body = SendBody::new(Before(Some(act), b"body"));
        let mut response = client.send_body(&request("POST"), body).expect("a response");
        assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("ok", 1));
        server.end();
    }
}

#[test]
fn a_reader_that_takes_its_time_to_begin_occupies_no_connection() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.read_until("0\r\n\r\n");
        peer.say(OK);
    });
    let client = server.builder().max_conns(1).build().expect("an address");
    let act = || {
        client.send(&get("/")).expect("the only one is free").text().expect("a body");
    };
    let response = client.send_body(&request("PUT"), SendBody::new(Before(Some(act), b"body")));
    assert_eq!(response.expect("a response").conn_requests(), 2);
    server.end();

    let reader = Before(Some(|| std::thread::sleep(Duration::from_millis(5))), b"late");
    let call = request("PUT");
    let error = client.call(&call).body(SendBody::new(reader)).timeout(Duration::from_millis(1)).send();
    let kind = error.expect_err("it took too long").kind();
    assert_eq!(kind, ClientErrorKind::Timeout(ClientPhase::RequestBody));
}

#[test]
fn cli_13_an_early_agreement_does_not_end_an_upload() {
    const SIZE: usize = 200 * 1024;
    for is_in_memory in [false, true] {
        let (said, is_said) = mpsc::channel::<()>();
        let is_said = std::sync::Mutex::new(is_said);
        let server = Script::new(1, move |_, mut peer: Peer| {
            for _ in 0..2 {
                peer.head();
                peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
                let _ = said.send(());
                peer.read_until("the end");
                peer.say("5\r\n read\r\n0\r\n\r\n");
            }
        });
        let client = server.client();
        for number in 1..=2 {
            let mut request = request("POST");
            let mut body = vec![b'x'; SIZE];
            body.extend_from_slice(b"the end");
            let sent = if is_in_memory {
                request.set_body_vec(body);
                client.send(&request)
            } else {
                let (front, end) = body.split_at(1000);
                // What was said is there when the second piece is to be sent.
                let act =
                    || is_said.lock().expect("no panic").recv_timeout(LONG).expect("the server says it");
                let reader = front.chain(Before(Some(act), b"")).chain(end);
                client.send_body(&request, SendBody::sized(reader, body.len() as u64))
            };
            let mut response = sent.expect("a response");
            assert!(response.is_request_sent());
            assert_eq!(response.text().expect("a body"), "ok read");
            assert_eq!(response.conn_requests(), number);
        }
        drop(client);
        server.end();
    }
}

#[test]
fn cli_13_a_refusal_ends_an_upload_that_is_slower_than_the_network() {
    let (gone, is_gone) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch");
        let mut room = vec![0; 65_536];
        while let Ok(1..) = peer.stream.read(&mut room) {}
        gone.send(()).expect("the test waits for it");
    });
    struct Slow;
    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(1));
            into[0] = b'x';
            Ok(1)
        }
    }
    let mut response = server.client().send_body(&request("POST"), SendBody::new(Slow)).expect("a response");
    assert_eq!((response.status_code(), response.is_request_sent()), (413, false));
    assert_eq!(response.text().expect("a body"), "much");
    is_gone.recv_timeout(LONG).expect("the connection is closed");
    server.end();
}

#[test]
fn cli_05_a_server_that_takes_nothing_is_given_up_whatever_it_says() {
    let server = Script::new(1, |_, peer: Peer| {
        let mut stream = &peer.stream;
        let begun = std::time::Instant::now();
        io::Write::write_all(&mut stream, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nX: ")
            .expect("the client is there");
        while io::Write::write_all(&mut stream, b"x").is_ok() && begun.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = io::Write::write_all(&mut stream, b"\r\n\r\n");
    });
    let client = server.builder().write_timeout(Duration::from_millis(100)).build().expect("an address");
    let mut request = request("POST");
    request.set_body_vec(vec![b'x'; 64 * 1024 * 1024]);
    let error = client.send(&request).expect_err("more than the buffers hold");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Send));
    server.end();
}

#[test]
fn a_body_of_its_own_that_has_not_arrived_is_no_obstacle_to_another() {
    use anthill_http::Server;
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.read_until("another");
        peer.say(OK);
    });
    let client = server.client();
    let running = Server::builder()
        .stream_request_body(true)
        .build(move |ctx| {
            let is_complete = ctx.request.is_body_complete();
            let refused = client.send(&ctx.request).map(drop).expect_err("it is not there");
            assert_eq!(refused.kind(), ClientErrorKind::InvalidRequest);
            let said = client.send_body(&ctx.request, SendBody::sized(&b"another"[..], 7));
            let said = said.expect("a response").text().expect("a body");
            ctx.set_body(format!("{is_complete} {said}"));
        })
        .expect("a server")
        .start("127.0.0.1:0")
        .expect("a free port");
    let mut stream = std::net::TcpStream::connect(running.local_addr()).expect("it listens");
    io::Write::write_all(&mut stream, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        .expect("it is there");
    stream.set_read_timeout(Some(LONG)).expect("an option of every socket");
    let mut said = Vec::new();
    let mut room = [0; 1024];
    while !said.ends_with(b"false ok") {
        let count = stream.read(&mut room).expect("a response");
        assert!(count > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&room[..count]);
    }
    drop(stream);
    server.end();
    running.shutdown(LONG).expect("nothing is under way");
}

#[test]
fn cli_13_a_head_of_which_only_a_part_was_sent_has_nothing_behind_it() {
    let (done, is_done) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        if number > 0 {
            peer.head();
            return peer.say(OK);
        }
        assert!(peer.stream.read(&mut [0; 64]).expect("the client sends") > 0);
        peer.say("HTTP/1.1 431 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
        is_done.recv_timeout(LONG).expect("the test goes on");
    });
    let client = server.client();
    let mut response = client.send(&with_more_than_is_taken()).expect("a response");
    assert_eq!((response.status_code(), response.is_request_sent()), (431, false));
    assert_eq!(response.text().expect("a body"), "large");
    drop(response);
    assert_eq!(client.stats().open, 0);
    done.send(()).expect("the server waits for it");
    let response = client.send(&get("/")).expect("a response");
    assert_eq!((response.conn_requests(), response.is_request_sent()), (1, true));
    server.end();
}
