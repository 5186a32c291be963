//! Calls that are called off, wherever they are then, and what is left of them: nothing.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::client::{CancelToken, ClientError, ClientErrorKind, HostClient, SendBody};
use anthill_http::{Request, Server};

use crate::script::{LONG, OK, Peer, Script, get, post, wait_until};

/// Longer than a test waits: what ends a call before is its token, and no limit of its own.
const FAR: Duration = Duration::from_secs(5 * 20);

/// Runs `call` on a thread of its own, cancels its token once `is_there` says so, and gives the error.
fn cancelled<T>(
    call: impl FnOnce(&CancelToken) -> Result<T, ClientError> + Send,
    mut is_there: impl FnMut() -> bool,
) -> ClientErrorKind {
    let token = CancelToken::new();
    let other = token.clone();
    let (end, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || end.send(call(&token).map(drop)));
        wait_until("the place at which it waits", &mut is_there);
        // It waits there now, or will in a moment; both must end.
        other.cancel();
        let outcome = ended.recv_timeout(LONG).expect("it ends");
        outcome.expect_err("it was called off").kind()
    })
}

#[test]
fn cli_14_while_a_name_is_looked_up() {
    let (done, held) = mpsc::channel::<()>();
    let (asked, is_asked) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let resolver = move |_: &str| {
        asked.send(()).expect("the test waits for it");
        let _ = held.lock().expect("no panic").recv();
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    };
    let client = HostClient::builder("name.test:9")
        .resolver(resolver)
        .connect_timeout(FAR)
        .build()
        .expect("an address");
    let request = get("/");
    let kind =
        cancelled(|token| client.call(&request).cancel_with(token).send(), || is_asked.try_recv().is_ok());
    assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    drop(done);
}

#[cfg(target_os = "linux")]
#[test]
fn cli_14_while_connecting() {
    let hole = crate::script::BlackHole::new();
    let client = HostClient::builder(hole.addr.to_string()).connect_timeout(FAR).build().expect("an address");
    let request = get("/");
    let kind =
        cancelled(|token| client.call(&request).cancel_with(token).send(), || client.stats().open == 1);
    assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    // The same place of time: nobody is left there either.
    let error = client.send_timeout(&request, Duration::from_millis(20)).expect_err("nobody answers");
    assert_eq!(
        (error.kind(), client.stats().open),
        (ClientErrorKind::Timeout(anthill_http::client::ClientPhase::Connect), 0)
    );
}

#[test]
fn cli_14_while_waiting_for_a_connection() {
    let (server, release) = Script::held();
    let client =
        server.builder().timeout(FAR).max_conns(1).conn_wait_timeout(FAR).build().expect("an address");
    let request = get("/");
    std::thread::scope(|scope| {
        scope.spawn(|| client.send(&request).expect("a response").text().expect("a body"));
        wait_until("the first request", || client.stats().open == 1);
        let kind = cancelled(
            |token| client.call(&request).cancel_with(token).send(),
            || client.stats().waiting == 1,
        );
        assert_eq!((kind, client.stats().waiting), (ClientErrorKind::Cancelled, 0));
        release.send(()).expect("the server waits for it");
    });
    // Its place was not given to the one who left.
    assert_eq!(client.send(&request).expect("a response").conn_requests(), 2);
    drop(client);
    server.end();
}

#[test]
fn cli_14_while_sending_and_receiving() {
    let (asked, is_asked) = mpsc::channel::<()>();
    let server = Script::new(4, move |number, mut peer: Peer| {
        if number > 0 {
            peer.head();
        }
        match number {
            // It takes nothing, beyond what the systems keep.
            0 => std::thread::sleep(Duration::from_millis(50)),
            1 => {}
            2 => peer.say("HTTP/1.1 200 OK\r\nContent-Le"),
            _ => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
        }
        asked.send(()).expect("the test waits for it");
        let mut room = vec![0; 65_536];
        // The client's end shows here.
        while let Ok(1..) = peer.stream.read(&mut room) {}
    });
    let client = server.builder().timeout(FAR).build().expect("an address");
    let mut large = Request::new("POST", "/").expect("a request");
    large.set_body_vec(vec![b'x'; 64 * 1024 * 1024]);
    let small = get("/");
    for request in [&large, &small, &small] {
        let kind =
            cancelled(|token| client.call(request).cancel_with(token).send(), || is_asked.try_recv().is_ok());
        assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    }
    let kind = cancelled(
        |token| client.call(&small).cancel_with(token).send()?.read_body(),
        || is_asked.try_recv().is_ok(),
    );
    assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    server.end();
}

#[test]
fn cli_14_while_a_body_waits_to_be_asked_for_and_while_pausing() {
    let (asked, is_asked) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        peer.head();
        if number == 1 {
            peer.say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n");
        }
        asked.send(()).expect("the test waits for it");
        peer.expect_end();
    });
    let client = server.builder().timeout(FAR).retry_statuses([503]).build().expect("an address");
    let request = post("/", "body");
    let kind = cancelled(
        |token| client.call(&request).expect_continue(FAR).cancel_with(token).send(),
        || is_asked.try_recv().is_ok(),
    );
    assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    let request = get("/");
    let kind =
        cancelled(|token| client.call(&request).cancel_with(token).send(), || client.stats().idle == 1);
    assert_eq!(kind, ClientErrorKind::Cancelled);
    drop(client);
    server.end();
}

#[test]
fn cli_14_before_it_began_and_after_it_ended() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for _ in 0..2 {
            peer.head();
            peer.say(OK);
        }
    });
    let client = server.client();
    let token = CancelToken::new();
    let request = get("/");
    let mut response = client.call(&request).cancel_with(&token).send().expect("nobody called it off");
    assert_eq!(response.text().expect("a body"), "ok");
    token.cancel();
    // The connection is another call's now; and what has come stays.
    assert_eq!(response.read(&mut [0]).expect("it was read to its end"), 0);
    assert_eq!(client.stats().idle, 1);
    let body = SendBody::new(NotToBeRead);
    let error = client.call(&request).body(body).cancel_with(&token).send().expect_err("it was called off");
    assert_eq!((error.kind(), client.stats().idle), (ClientErrorKind::Cancelled, 1));
    assert_eq!(client.send(&request).expect("a response").conn_requests(), 2);
    server.end();
}

/// All of it is here, so nothing is waited for; but the token has shut the connection down.
#[test]
fn cli_14_a_connection_that_a_token_has_ended_serves_nobody() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.expect_end();
    });
    let client = server.client();
    let token = CancelToken::new();
    let request = get("/");
    let mut response = client.call(&request).cancel_with(&token).send().expect("nobody called it off");
    token.cancel();
    // As much of it as has come may be read; in the end there is no connection that looks well.
    let _ = response.read_body();
    assert_eq!(client.stats().open, 0);
    server.end();
}

/// Whoever waits for that connection gets the place of it, and not what looks well.
#[test]
fn cli_14_a_connection_that_a_token_has_ended_is_not_handed_on() {
    let server = Script::side_by_side(2, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        while !peer.head().is_empty() {}
    });
    let client = server.builder().max_conns(1).conn_wait_timeout(LONG).build().expect("an address");
    let (token, request) = (CancelToken::new(), get("/"));
    let held = client.call(&request).cancel_with(&token).send().expect("nobody called it off");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.send(&request));
        wait_until("the other call", || client.stats().waiting == 1);
        token.cancel();
        drop(held);
        let mut response = waiting.join().expect("no panic").expect("a response");
        assert_eq!((response.conn_requests(), response.text().expect("a body").as_str()), (1, "ok"));
    });
    drop(client);
    server.end();
}

#[test]
fn cli_14_a_token_of_one_call_leaves_the_next_on_its_connection_alone() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.head();
        held.recv().expect("the test goes on");
        peer.say(OK);
    });
    let client = server.client();
    let (token, request) = (CancelToken::new(), get("/"));
    client.call(&request).cancel_with(&token).send().expect("a response").text().expect("a body");
    std::thread::scope(|scope| {
        let next = scope.spawn(|| client.send(&request));
        wait_until("the next call", || client.stats().idle == 0);
        token.cancel();
        release.send(()).expect("the server waits for it");
        let mut response = next.join().expect("no panic").expect("a response");
        assert_eq!((response.conn_requests(), response.text().expect("a body").as_str()), (2, "ok"));
    });
    server.end();
}

/// Just as the last byte is read a token is cancelled: either the call is called off, or it is not; the next is well.
#[test]
fn cli_14_a_token_beside_the_end_of_a_body() {
    let running = Server::new(|ctx| ctx.set_body("ok")).expect("a server").start("127.0.0.1:0");
    let running = running.expect("a free port");
    let client = HostClient::builder(running.local_addr().to_string()).timeout(LONG).max_attempts(1);
    let client = client.build().expect("an address");
    let request = get("/");
    for _ in 0..200 {
        let token = CancelToken::new();
        let mut response = client.call(&request).cancel_with(&token).send().expect("nobody called it off");
        std::thread::scope(|scope| {
            scope.spawn(|| token.cancel());
            match response.text() {
                Ok(text) => assert_eq!(text, "ok"),
                Err(error) => assert_eq!(error.kind(), ClientErrorKind::Cancelled),
            }
        });
        drop(response);
        let mut next = client.send(&request).expect("a response");
        assert_eq!(next.text().expect("a body"), "ok");
        assert_eq!((client.stats().open, client.stats().idle), (1, 1));
    }
    drop(client);
    running.shutdown(LONG).expect("nothing is under way");
}

/// Whoever reads it has begun something for nothing.
struct NotToBeRead;

impl Read for NotToBeRead {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        panic!("the call was over before it began");
    }
}

#[test]
fn cli_14_a_token_is_no_end_of_a_body_that_the_end_of_the_connection_ends() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\n\r\nhalf");
        peer.expect_end();
    });
    let client = server.client();
    let token = CancelToken::new();
    let mut response = client.call(&get("/")).cancel_with(&token).send().expect("a response");
    let mut half = [0; 4];
    std::io::Read::read_exact(&mut response, &mut half).expect("it is there");
    token.cancel();
    let error = response.read_body().expect_err("the server has not ended it");
    assert_eq!((&half, error.kind()), (b"half", ClientErrorKind::Cancelled));
    assert_eq!(client.stats().open, 0);
    server.end();
}
