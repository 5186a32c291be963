//! Each way in which a call can fail has a kind of its own, so nobody has to look at texts.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use anthill_http::ProtoError;
use anthill_http::client::{
    CancelToken, Client, ClientError, ClientErrorKind, ClientPhase, HostClient, PipelineClient, RedirectFault,
};

use crate::script::{LONG, Script, get, wait_until};

fn kind<T>(outcome: Result<T, ClientError>) -> ClientErrorKind {
    outcome.err().expect("it fails").kind()
}

/// What becomes of a call that is answered so, and of its body.
fn answered(answer: &'static str) -> ClientErrorKind {
    let script = Script::new(1, move |_, mut peer| {
        peer.head();
        peer.say(answer);
    });
    let client = script.builder().max_attempts(1).max_response_body_size(10).build().expect("an address");
    let kind = kind(client.send(&get("/")).and_then(|mut response| response.text()));
    script.end();
    kind
}

#[test]
fn err_01_answers_that_are_none_are_told_apart() {
    for (answer, expected) in [
        ("HTTP/1.1\r\n\r\n", ClientErrorKind::Protocol(ProtoError::BadStatusLine)),
        ("HTTP/1.1 2x0 OK\r\n\r\n", ClientErrorKind::Protocol(ProtoError::BadStatusLine)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            ClientErrorKind::Protocol(ProtoError::DuplicateContentLength),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
            ClientErrorKind::Protocol(ProtoError::BadContentLength),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            ClientErrorKind::Protocol(ProtoError::BadTransferEncoding),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            ClientErrorKind::Protocol(ProtoError::BadChunk),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", ClientErrorKind::TooLarge),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ClientErrorKind::ConnectionClosed),
        ("", ClientErrorKind::ConnectionClosed),
    ] {
        assert_eq!(answered(answer), expected, "{answer:?}");
    }
}

#[test]
fn err_01_redirects_that_are_not_followed_are_told_apart() {
    for (answer, fault) in [
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", RedirectFault::NoLocation),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", RedirectFault::TooMany),
        ("HTTP/1.1 302 Found\r\nLocation: ftp://h/\r\nContent-Length: 0\r\n\r\n", RedirectFault::Scheme),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n",
            RedirectFault::BadLocation,
        ),
    ] {
        let script = Script::new(1, move |_, mut peer| {
            while !peer.head().is_empty() {
                peer.say(answer);
            }
        });
        let client = Client::builder().timeout(LONG).max_redirects(2).build().expect("settings");
        let outcome = client.get(format!("http://{}/", script.addr)).send();
        assert_eq!(kind(outcome), ClientErrorKind::Redirect(fault), "{answer:?}");
        drop(client);
        script.end();
    }
}

#[test]
fn err_01_what_was_waited_for_is_told_apart() {
    // A server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = silent.local_addr().expect("it listens").to_string();
    let host = HostClient::builder(addr.clone()).max_conns(1).conn_wait_timeout(Duration::ZERO).build();
    let host = host.expect("an address");
    let short = host.call(&get("/")).timeout(Duration::from_millis(50)).send();
    assert_eq!(kind(short), ClientErrorKind::Timeout(ClientPhase::Head));
    let late = host.call(&get("/")).timeout(Duration::ZERO).send().expect_err("time is up");
    assert_eq!((late.kind(), late.is_timeout()), (ClientErrorKind::Timeout(ClientPhase::FreeConn), true));
    let pipeline = PipelineClient::builder(addr).max_pending_requests(1).build().expect("an address");
    let token = CancelToken::new();
    thread::scope(|scope| {
        let first = scope.spawn(|| kind(host.call(&get("/")).cancel_with(&token).send()));
        let second = scope.spawn(|| kind(pipeline.call(&get("/")).cancel_with(&token).send()));
        wait_until("both calls", || host.stats().open + pipeline.pending_requests() == 2);
        assert_eq!(kind(host.send(&get("/"))), ClientErrorKind::NoFreeConns);
        assert_eq!(kind(pipeline.send(&get("/"))), ClientErrorKind::PipelineOverflow);
        token.cancel();
        for outcome in [first, second].map(|call| call.join().expect("no panic")) {
            assert_eq!(outcome, ClientErrorKind::Cancelled);
        }
    });
}

#[test]
fn err_01_what_is_not_there_is_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("it listens").to_string();
    drop(free);
    let nobody = HostClient::builder(addr).timeout(LONG).build().expect("an address");
    assert_eq!(kind(nobody.send(&get("/"))), ClientErrorKind::Connect);
    let nameless = Client::builder().timeout(LONG).build().expect("settings");
    assert_eq!(kind(nameless.get("http://none.invalid/").send()), ClientErrorKind::Resolve);
    assert_eq!(kind(nameless.get("gopher://h/").send()), ClientErrorKind::InvalidRequest);
    assert_eq!(kind(HostClient::new("no port:x")), ClientErrorKind::InvalidRequest);
}
