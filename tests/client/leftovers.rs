//! Whatever goes wrong: no connection is left, and no place is lost.

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{ClientErrorKind, ClientPhase, HostClient, SendBody};

use crate::script::{LONG, OK, Peer, Script, get, post, wait_until};

/// A reader that gives so many bytes, and then panics.
struct Panics(usize);

impl Read for Panics {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(self.0 > 0, "on purpose");
        self.0 -= 1;
        into[0] = b'x';
        Ok(1)
    }
}

#[test]
fn a_reader_that_panics() {
    let server = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            peer.read_until("1\r\nx\r\n");
            peer.expect_end();
        } else {
            peer.say(OK);
        }
    });
    let client = server.builder().max_conns(1).build().expect("an address");
    let put = Request::new("PUT", "/").expect("a request");
    for count in [0, 1] {
        let sent = catch_unwind(AssertUnwindSafe(|| client.send_body(&put, SendBody::new(Panics(count)))));
        assert!(sent.is_err(), "it goes on to whoever called");
        assert_eq!(client.stats().open, 0);
    }
    assert_eq!(client.send(&get("/")).expect("there is a place").conn_requests(), 1);
    server.end();
}

#[test]
fn a_response_that_is_dropped_by_a_panic() {
    let server = Script::half_first();
    let client = server.builder().max_conns(1).build().expect("an address");
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _response = client.send(&get("/")).expect("the head is there");
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert_eq!(client.stats().open, 0);
    assert_eq!(client.send(&get("/")).expect("there is a place").conn_requests(), 1);
    server.end();
}

#[test]
fn names_that_cannot_be_had_and_servers_that_do_not_listen() {
    let (done, held) = mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let resolver = move |name: &str| -> io::Result<Vec<IpAddr>> {
        if name == "hangs.test" {
            let _ = held.lock().expect("no panic").recv();
        }
        Err(io::Error::other("on purpose"))
    };
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    let client = |addrs: String| {
        let builder = HostClient::builder(addrs).max_conns(1).connect_timeout(LONG);
        builder.resolver(resolver.clone()).build().expect("an address")
    };
    // With a place for one alone each second call would find none if the first had lost it.
    for (addrs, kind) in [
        ("fails.test:9".to_owned(), ClientErrorKind::Resolve),
        (dead.to_string(), ClientErrorKind::Connect),
        ("hangs.test:9".to_owned(), ClientErrorKind::Timeout(ClientPhase::Resolve)),
    ] {
        let client = client(addrs);
        for _ in 0..2 {
            let limit = match kind {
                ClientErrorKind::Timeout(_) => Duration::from_millis(20),
                _ => LONG,
            };
            let error = client.send_timeout(&get("/"), limit).expect_err("there is nobody");
            assert_eq!((error.kind(), client.stats().open), (kind, 0), "{error}");
        }
    }
    drop(done);
}

#[test]
fn whoever_waits_gets_the_place_of_a_connection_that_failed() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            held.recv().expect("the test goes on");
        } else {
            peer.say(OK);
        }
    });
    let client = server.builder().max_conns(1).conn_wait_timeout(LONG).build().expect("an address");
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| client.send(&post("/", "once")).map(drop).expect_err("it is closed"));
        wait_until("the first request", || client.stats().open == 1);
        let waiting = scope.spawn(|| {
            let mut response = client.send(&get("/")).expect("a response");
            response.text().expect("a body");
            response.conn_requests()
        });
        wait_until("the other one", || client.stats().waiting == 1);
        release.send(()).expect("the server waits for it");
        assert_eq!(failing.join().expect("no panic").kind(), ClientErrorKind::ConnectionClosed);
        assert_eq!(waiting.join().expect("no panic"), 1);
    });
    let stats = client.stats();
    assert_eq!((stats.open, stats.idle, stats.waiting), (1, 1, 0));
    server.end();
}
