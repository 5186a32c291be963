//! Requests that are sent before those before them are answered: what is shared on a connection.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anthill_http::client::{
    CancelToken, ClientError, ClientErrorKind, ClientPhase, ClientResponse, PipelineClient,
    PipelineClientBuilder,
};
use anthill_http::{Request, Server, TlsConfig};
use anthill_tests::tls::Authority;

use crate::https::{believing, built};
use crate::script::{LONG, Peer, Script, get, wait_until};

pub(crate) fn builder(server: &Script) -> PipelineClientBuilder {
    PipelineClient::builder(server.addr.to_string()).timeout(LONG)
}

pub(crate) fn client(server: &Script) -> PipelineClient {
    builder(server).build().expect("an address")
}

pub(crate) fn body(sent: Result<ClientResponse, ClientError>) -> String {
    sent.expect("a response").text().expect("a body")
}

pub(crate) fn kind(sent: Result<ClientResponse, ClientError>) -> ClientErrorKind {
    sent.map(drop).expect_err("there is no response").kind()
}

/// A response whose body is the target of the request with this head.
pub(crate) fn named(head: &str) -> String {
    let target = head.split(' ').nth(1).expect("a request line");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())
}

/// Serves until the client ends.
pub(crate) fn serve_all(peer: &mut Peer) {
    loop {
        let head = peer.head();
        if head.is_empty() {
            return;
        }
        peer.say(&named(&head));
    }
}

/// Starts calls one after the other, each once the one before is under way or queued, and gives what came of them.
pub(crate) fn in_order(
    client: &PipelineClient,
    requests: &[Request],
    meanwhile: impl FnOnce(),
) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let before = client.pending_requests();
        let mut calls = Vec::new();
        for request in requests {
            calls.push(scope.spawn(move || {
                client
                    .send(request)
                    .map(|mut response| response.text().expect("a body"))
                    .map_err(|error| error.kind())
            }));
            // The last one may be over before it is seen.
            let is_over =
                |calls: &[ScopedJoinHandle<'_, Outcome>]| calls.last().is_some_and(|call| call.is_finished());
            wait_until("the call", || client.pending_requests() == before + calls.len() || is_over(&calls));
        }
        meanwhile();
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    })
}

pub(crate) type Outcome = Result<String, ClientErrorKind>;

pub(crate) fn found(target: &str) -> Outcome {
    Ok(target.to_owned())
}

pub(crate) fn late(phase: ClientPhase) -> ClientErrorKind {
    ClientErrorKind::Timeout(phase)
}

#[test]
fn pcl_01_each_of_many_threads_gets_its_own_responses() {
    let running = Server::new(|ctx| {
        let path = ctx.request.path().to_owned();
        ctx.set_body(path);
    })
    .expect("settings with a meaning")
    .start("127.0.0.1:0")
    .expect("a free port");
    let client = PipelineClient::new(running.local_addr().to_string()).expect("an address");
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let client = &client;
            scope.spawn(move || {
                for number in 0..10 {
                    let path = format!("/{thread}/{number}");
                    assert_eq!(body(client.send(&get(&path))), path);
                }
            });
        }
    });
    assert_eq!((client.stats().open, client.stats().idle, client.pending_requests()), (1, 1, 0));
    let response = client.send(&get("/last")).expect("a response");
    assert!(response.is_request_sent() && response.uri().is_none());
    // What was not under way together may have come to a connection of its own, if one got old in between.
    assert!(response.conn_requests() > 1);
}

#[test]
fn pcl_01_requests_are_sent_before_those_before_them_are_answered() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let heads: Vec<String> = (0..3).map(|_| peer.head()).collect();
        // It answers only now, in two pieces that are cut anywhere.
        let all: String = heads.iter().map(|head| named(head)).collect();
        let (first, second) = all.split_at(all.len() / 2);
        peer.say(first);
        std::thread::sleep(Duration::from_millis(5));
        peer.say(second);
        peer.expect_end();
    });
    let client = client(&server);
    let requests = [get("/a"), get("/b"), get("/c")];
    let outcomes = in_order(&client, &requests, || {});
    assert_eq!(outcomes, [found("/a"), found("/b"), found("/c")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_a_batch_waits_for_others_and_leaves_in_one_piece() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let mut room = [0; 4096];
        let count = peer.stream.read(&mut room).expect("the client sends");
        let text = String::from_utf8_lossy(&room[..count]).into_owned();
        assert_eq!(text.matches("\r\n\r\n").count(), 3, "{text}");
        for head in text.split_inclusive("\r\n\r\n") {
            peer.say(&named(head));
        }
        // Alone it leaves when its time has come.
        serve_all(&mut peer);
    });
    let far = builder(&server).max_batch_delay(LONG * 5).max_pending_requests(3);
    let far = far.build().expect("an address");
    let outcomes = in_order(&far, &[get("/a"), get("/b")], || {
        assert_eq!(body(far.send(&get("/c"))), "/c", "with it there are as many as there may be");
    });
    assert_eq!(outcomes, [found("/a"), found("/b")]);
    drop(far);
    server.end();

    let server = Script::new(1, |_, mut peer: Peer| serve_all(&mut peer));
    let near = builder(&server).max_batch_delay(Duration::from_millis(2)).build().expect("an address");
    assert_eq!(body(near.send(&get("/alone"))), "/alone");
    drop(near);
    server.end();
}

#[test]
fn pcl_01_several_connections_share_the_calls() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Script::side_by_side(2, move |_, mut peer: Peer| {
        let heads = [peer.head(), peer.head()];
        held.lock().expect("no panic").recv().expect("the test goes on");
        heads.iter().for_each(|head| peer.say(&named(head)));
        serve_all(&mut peer);
    });
    let client = builder(&server).max_conns(2).build().expect("an address");
    let requests = [get("/a"), get("/b"), get("/c"), get("/d")];
    let outcomes = in_order(&client, &requests, || {
        assert_eq!((client.stats().open, client.stats().idle), (2, 0));
        release.send(()).and_then(|()| release.send(())).expect("the server waits for it");
    });
    assert_eq!(outcomes, [found("/a"), found("/b"), found("/c"), found("/d")]);
    assert_eq!((client.stats().open, client.stats().idle), (2, 2));
    drop(client);
    server.end();
}

#[test]
fn pcl_01_more_than_may_wait_is_an_overflow() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        let heads = [peer.head(), peer.head()];
        held.recv().expect("the test goes on");
        heads.iter().for_each(|head| peer.say(&named(head)));
        serve_all(&mut peer);
    });
    let client = builder(&server).max_pending_requests(2).build().expect("an address");
    let outcomes = in_order(&client, &[get("/a"), get("/b")], || {
        assert_eq!(kind(client.send(&get("/c"))), ClientErrorKind::PipelineOverflow);
        assert_eq!(kind(client.send_timeout(&get("/c"), Duration::ZERO)), late(ClientPhase::FreeConn));
        assert_eq!(client.pending_requests(), 2, "whoever was refused leaves nothing behind");
        release.send(()).expect("the server waits for it");
    });
    assert_eq!(outcomes, [found("/a"), found("/b")]);
    assert_eq!(body(client.send(&get("/d"))), "/d");
    drop(client);
    server.end();
}

#[test]
fn pcl_01_who_may_wait_for_room_gets_it_in_the_order_of_arrival() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        let head = peer.head();
        held.recv().expect("the test goes on");
        peer.say(&named(&head));
        let heads: Vec<String> = (0..2)
            .map(|_| {
                let head = peer.head();
                peer.say(&named(&head));
                head
            })
            .collect();
        assert!(heads[0].starts_with("GET /b ") && heads[1].starts_with("GET /c "), "{heads:?}");
        peer.expect_end();
    });
    let client =
        builder(&server).max_pending_requests(1).conn_wait_timeout(LONG).build().expect("an address");
    let outcomes = in_order(&client, &[get("/a"), get("/b"), get("/c")], || {
        assert_eq!((client.pending_requests(), client.stats().waiting), (3, 2));
        let short = client.send_timeout(&get("/d"), Duration::from_millis(5));
        assert_eq!(kind(short), late(ClientPhase::FreeConn));
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let called_off = scope.spawn(|| kind(client.call(&get("/e")).cancel_with(&token).send()));
            wait_until("the call", || client.stats().waiting == 3);
            token.cancel();
            assert_eq!(called_off.join().expect("no panic"), ClientErrorKind::Cancelled);
        });
        release.send(()).expect("the server waits for it");
    });
    assert_eq!(outcomes, [found("/a"), found("/b"), found("/c")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_early_hints_are_skipped() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let hint = |peer: &mut Peer, head: &str| {
            peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
            peer.say(&named(head));
        };
        let heads = [peer.head(), peer.head()];
        heads.iter().for_each(|head| hint(&mut peer, head));
        let head = peer.head();
        hint(&mut peer, &head);
    });
    let client = client(&server);
    let outcomes = in_order(&client, &[get("/a"), get("/b")], || {});
    assert_eq!(outcomes, [found("/a"), found("/b")]);
    assert_eq!(body(client.send(&get("/c"))), "/c");
    server.end();
}

#[test]
fn pcl_01_bodies_that_are_large_in_both_directions_do_not_hold_each_other_up() {
    const BYTES: usize = 2 * 1024 * 1024;
    // It reads nothing while it writes, and writes all before it reads on.
    let server = Script::new(1, |_, mut peer: Peer| {
        for _ in 0..8 {
            let head = peer.head();
            let body = peer.read_bytes(BYTES);
            assert!(body.iter().all(|byte| *byte == body[0]), "bodies are not mixed");
            peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n"));
            let number = head.split(' ').nth(1).expect("a target").as_bytes()[1];
            assert_eq!(number, body[0]);
            peer.stream.write_all(&body).expect("the client reads");
        }
    });
    let client = client(&server);
    std::thread::scope(|scope| {
        for number in b'0'..b'8' {
            let client = &client;
            scope.spawn(move || {
                let mut request =
                    Request::new("POST", format!("/{}", char::from(number))).expect("a request");
                request.set_body_vec(vec![number; BYTES]);
                let body = client.send(&request).expect("a response").read_body().expect("a body");
                assert!(body.len() == BYTES && body.iter().all(|byte| *byte == number));
            });
        }
    });
    drop(client);
    server.end();
}

#[test]
fn pcl_01_responses_without_a_body_and_with_an_early_end() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        let heads: Vec<String> = (0..4).map(|_| peer.head()).collect();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        peer.say("HTTP/1.1 204 No Content\r\n\r\n");
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n/c\r\n0\r\nX-Sum: 1\r\n\r\n");
        // Its end is the end of the connection, so the one behind it gets no response here.
        peer.say(&named(&heads[3]).replacen("Content-Length: 2\r\n", "", 1));
    });
    let client = client(&server);
    let head = Request::new("HEAD", "/a").expect("a request");
    let outcomes = in_order(&client, &[head, get("/b"), get("/c"), get("/d"), get("/e")], || {});
    assert_eq!(outcomes, [found(""), found(""), found("/c"), found("/d"), found("/e")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_limits_hold_and_cost_only_their_own_call() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        drop((peer.head(), peer.head()));
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
        peer.expect_end();
    });
    let client = builder(&server).max_response_body_size(10).build().expect("an address");
    let outcomes = in_order(&client, &[get("/a"), get("/b")], || {});
    assert_eq!(outcomes, [Err(ClientErrorKind::TooLarge), found("/b")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_all_who_wait_for_a_connection_that_cannot_be_had_are_told() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = asked.clone();
    let resolver = move |_: &str| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let _ = held.lock().expect("no panic").recv();
        Err(std::io::Error::other("there is no such name"))
    };
    let client = PipelineClient::builder("name.test:9").resolver(resolver).timeout(LONG);
    let client = client.connect_timeout(LONG).build().expect("an address");
    let outcomes = in_order(&client, &[get("/a"), get("/b"), get("/c")], || {
        release.send(()).expect("the resolver waits for it");
    });
    assert_eq!(outcomes, vec![Err(ClientErrorKind::Resolve); 3]);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn pcl_01_what_cannot_be_pipelined_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it listens").to_string();
    let client = PipelineClient::new(addr.as_str()).expect("an address");
    let mut upgrade = get("/");
    upgrade.set_header("Connection", "Upgrade");
    upgrade.set_header("Upgrade", "websocket");
    assert_eq!(kind(client.send(&upgrade)), ClientErrorKind::InvalidRequest);
    let error = PipelineClient::builder(addr.as_str()).max_pending_requests(0).build();
    assert_eq!(error.map(drop).expect_err("that has no meaning").kind(), ClientErrorKind::InvalidRequest);
    assert_eq!((client.pending_requests(), client.stats().open), (0, 0));
}

#[test]
fn pcl_01_responses_are_undone_that_were_asked_for_in_a_coding() {
    let running = Server::new(|ctx| ctx.set_body("six legs ".repeat(500)))
        .expect("settings with a meaning")
        .start("127.0.0.1:0")
        .expect("a free port");
    let client = PipelineClient::builder(running.local_addr().to_string()).decompress(true);
    let client = client.build().expect("an address");
    assert_eq!(body(client.send(&get("/"))), "six legs ".repeat(500));
}

#[test]
fn pcl_01_an_encrypted_connection_is_shared_as_well() {
    const BYTES: usize = 300_000;
    let authority = Authority::new("ours");
    let identity = authority.issue(&["127.0.0.1"]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::new(|ctx| {
        let body = ctx.request.body().to_vec();
        ctx.set_body(body);
    });
    let server = server.expect("settings with a meaning").start_tls("127.0.0.1:0", &config);
    let server = server.expect("a free port");
    let client = PipelineClient::builder(server.local_addr().to_string())
        .tls(built(believing(&authority)))
        .timeout(LONG)
        .build()
        .expect("an address");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for _ in 0..4 {
                    let mut request = Request::new("PUT", "/").expect("a request");
                    request.set_body_vec(vec![number; BYTES]);
                    let response = client.send(&request).expect("a response").read_body().expect("a body");
                    assert!(response.len() == BYTES && response.iter().all(|byte| *byte == number));
                }
            });
        }
    });
    assert_eq!((client.stats().open, client.pending_requests()), (1, 0));
}
