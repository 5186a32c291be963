//! What is decided on a request when its head has arrived: row SRV-13.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::{RequestConfig, Server};
use anthill_tests::client::{get, post};
use anthill_tests::eventually;
use anthill_tests::server::Running;

/// How soon a limit of a millisecond must have had its effect. The server that ignores it would wait for ten seconds.
const SOON: Duration = Duration::from_secs(3);

fn declared(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn srv_13_a_limit_of_the_body_by_request() {
    let options =
        Server::builder().max_request_body_size(10).header_received(|request| match request.path() {
            "/large" => RequestConfig::new().max_request_body_size(5120),
            "/none" => RequestConfig::new().max_request_body_size(0),
            "/any" => RequestConfig::new().max_request_body_size(None),
            _ => RequestConfig::new(),
        });
    let running = Running::with(options, |ctx| {
        let length = ctx.body().len().to_string();
        ctx.set_body(length);
    });
    let mut client = running.client();
    assert_eq!(client.exchange(post("/large", &"x".repeat(5120))).text(), "5120");
    assert_eq!(client.exchange(post("/other", "0123456789")).text(), "10");
    assert_eq!(client.exchange(post("/none", "")).text(), "0");
    let huge = 5 * 1024 * 1024;
    assert_eq!(client.exchange(post("/any", &"x".repeat(huge))).text(), huge.to_string());
    assert_eq!(client.get("/large").text(), "0");
    let served = running.handled();
    for (path, length) in [("/large", 5121), ("/other", 11), ("/none", 1)] {
        let mut client = running.client();
        client.send(declared(path, length));
        assert_eq!(client.response().status, 413, "{path}");
    }
    let mut client = running.client();
    client.send("POST /large HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1400\r\n");
    client.send("x".repeat(5120) + "\r\n1\r\n");
    assert_eq!(client.response().status, 413);
    // Asked first whether it may: it is told before it sends.
    let mut client = running.client();
    client.send(declared("/large", 5121).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(client.response().status, 413);
    assert_eq!(running.handled(), served);
}

#[test]
fn srv_13_a_time_for_the_body_by_request() {
    let options = Server::builder().read_timeout(Duration::from_secs(10)).header_received(|request| {
        match request.path() {
            "/hasty" => RequestConfig::new().read_timeout(Duration::from_millis(1)),
            _ => RequestConfig::new(),
        }
    });
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut patient = running.client();
    patient.send(declared("/patient", 2) + "a");
    let mut client = running.client();
    client.send(declared("/hasty", 2) + "a");
    assert!(!client.hears_nothing_for(SOON));
    assert_eq!(client.response().status, 408);
    assert_eq!(running.handled(), 0, "the handler of half a request");
    patient.send("b");
    assert_eq!(patient.response().text(), "served");
    // The limit was that request's.
    patient.send(declared("/patient", 1));
    assert!(patient.hears_nothing_for(Duration::from_millis(100)));
    patient.send("c");
    assert_eq!(patient.response().text(), "served");
}

#[test]
fn srv_13_no_limit_on_the_time_of_a_body_by_request() {
    let limit = Duration::from_millis(300);
    let options = Server::builder().read_timeout(limit).header_received(|request| match request.path() {
        "/any" => RequestConfig::new().read_timeout(None),
        _ => RequestConfig::new(),
    });
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut limited = running.client();
    limited.send(declared("/limited", 1));
    let mut patient = running.client();
    patient.send(declared("/any", 1));
    assert_eq!(limited.response().status, 408);
    assert!(patient.hears_nothing_for(limit));
    patient.send("a");
    assert_eq!(patient.response().text(), "served");
}

#[test]
fn srv_13_a_time_for_the_response_by_request() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
            piece.fill(b'x');
            Ok(piece.len())
        }
    }
    let options = Server::builder()
        .write_timeout(Duration::from_secs(10))
        .header_received(|_| RequestConfig::new().write_timeout(Duration::from_millis(1)));
    let running = Running::with(options, |ctx| ctx.response.set_body_reader(Endless));
    let mut client = running.client();
    client.send(get("/"));
    // It reads nothing.
    eventually("the connection is given up", || running.server().stats().open_connections == 0);
}

#[test]
fn srv_13_streaming_by_request() {
    let options = Server::builder()
        .header_received(|request| RequestConfig::new().stream_request_body(request.path() == "/stream"));
    let running = Running::with(options, |ctx| {
        let complete = ctx.request.is_body_complete();
        let body = ctx.read_body().map(<[u8]>::to_vec).unwrap_or_default();
        ctx.set_body(format!("{complete} {}", body.len()));
    });
    let mut client = running.client();
    client.send(declared("/stream", 3) + "a");
    eventually("the handler has begun", || running.handled() == 1);
    client.send("bc");
    assert_eq!(client.response().text(), "false 3");
    client.send(declared("/whole", 3) + "a");
    assert!(client.hears_nothing_for(Duration::from_millis(100)));
    assert_eq!(running.handled(), 1);
    client.send("bc");
    assert_eq!(client.response().text(), "true 3");
}

#[test]
fn srv_13_a_hook_is_called_once_for_each_request_and_may_panic() {
    anthill_tests::quiet_panics();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let options = Server::builder().header_received(move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert_ne!(request.path(), "/panic");
        RequestConfig::new()
    });
    let running = Running::with(options, |ctx| {
        let number = ctx.conn_request_num().to_string();
        ctx.set_body(number);
    });
    let mut client = running.client();
    for number in ["1", "2", "3"] {
        assert_eq!(client.exchange(post("/", "body")).text(), number);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let reply = client.get("/panic");
    assert_eq!((reply.status, reply.closes()), (500, true));
    client.expect_end();
    assert_eq!(running.handled(), 3);
    assert_eq!(running.client().get("/").text(), "1");
}
