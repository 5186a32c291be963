//! Faults that were found once, each by the name of what went wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::{Client, get};
use anthill_tests::server::Running;
use anthill_tests::{Gate, background, eventually};

/// A trailer section that is refused half way left fields in the workspace, read from the next request's bytes.
#[test]
fn trailers_of_a_refused_request_do_not_reach_the_next_connection() {
    let running = Running::with(Server::builder().shards(1), |ctx| {
        let trailers = ctx.request.trailers().iter().count();
        ctx.set_body(trailers.to_string());
    });
    for _ in 0..3 {
        let mut attacker = running.client();
        let bad = "0\r\nAbcdefg: bcdefgh\r\nContent-Length: 5\r\n\r\n";
        let reply = attacker
            .exchange(format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{bad}"));
        assert_eq!(reply.status, 400);
        let reply = running
            .client()
            .exchange("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=longer; b=than; c=that\r\n\r\n");
        assert_eq!(reply.text(), "0");
    }
}

/// A handler that exchanged the request object with one of the same size got another connection's input served.
#[test]
fn an_exchanged_request_object_ends_the_connection() {
    let stash = Arc::new(Mutex::new(RequestCtx::default()));
    let running = Running::with(Server::builder().shards(1), move |ctx| {
        let path = ctx.path().to_owned();
        std::mem::swap(&mut ctx.request, &mut stash.lock().unwrap().request);
        ctx.set_body(path);
    });
    let mut first = running.client();
    first.send(get("/first") + &get("/other"));
    assert_eq!(first.response().text(), "/first");
    let mut second = running.client();
    second.send(get("/third"));
    let reply = second.response();
    assert_eq!((reply.text(), reply.closes()), ("/third", true));
    second.expect_end();
}

/// Any byte from the peer began the write timeout anew.
#[test]
fn a_peer_that_only_sends_does_not_stretch_the_write_timeout() {
    let running = Running::with(Server::builder().write_timeout(Duration::from_millis(300)), |ctx| {
        ctx.response.body_mut().resize(64 << 20, b'x');
    });
    let mut peer = TcpStream::connect(running.address()).unwrap();
    peer.write_all(get("/").as_bytes()).unwrap();
    eventually("the connection is given up", || {
        std::thread::sleep(Duration::from_millis(50));
        let _ = peer.write_all(b"G");
        running.server().stats().open_connections == 0
    });
}

/// The request that came during the handler was unread when the connection closed, which reset it.
#[test]
fn a_closing_response_arrives_whole_although_the_peer_sent_more() {
    let (entered, gate) = (Gate::new(), Gate::new());
    let (signal, hold) = (entered.clone(), gate.clone());
    let running = Running::with(Server::builder().keep_alive(false), move |ctx| {
        signal.open();
        hold.pass();
        ctx.response.body_mut().resize(2_000_000, b'x');
    });
    let mut client = running.client();
    client.send(get("/"));
    entered.pass();
    client.send(get("/second"));
    gate.open();
    let reply = client.response();
    assert_eq!((reply.body.len(), reply.closes()), (2_000_000, true));
    client.expect_end();
}

/// One connection with thousands of requests kept its shard to itself.
#[test]
fn a_flood_of_pipelined_requests_lets_others_in_between() {
    const FLOOD: usize = 4000;
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let running = Running::with(Server::builder().shards(1), move |ctx| match ctx.path() {
        "/flood" => {
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_micros(100) {
                std::hint::spin_loop();
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
        _ => {
            let so_far = count.load(Ordering::SeqCst);
            ctx.set_body(so_far.to_string());
        }
    });
    let mut other = running.client();
    other.get("/warm-up");
    let mut flood = TcpStream::connect(running.address()).unwrap();
    let mut drain = flood.try_clone().unwrap();
    let draining = background(move || drain.read_to_end(&mut Vec::new()).map(drop));
    let sending = background(move || {
        flood.write_all(get("/flood").repeat(FLOOD - 1).as_bytes())?;
        flood.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    });
    eventually("the flood has begun", || served.load(Ordering::SeqCst) > 0);
    let between: usize = other.get("/").text().parse().unwrap();
    assert!(between < FLOOD, "answered in between, not after all {FLOOD}");
    sending.outcome("sending").unwrap();
    draining.outcome("draining").unwrap();
    assert_eq!(served.load(Ordering::SeqCst), FLOOD);
}

/// After a stall more connections were ready than one look at the poller brings; the rest got 408.
#[test]
fn requests_that_came_in_time_are_not_timed_out_by_a_stall_of_ours() {
    const CROWD: usize = 300;
    let (entered, gate) = (Gate::new(), Gate::new());
    let (signal, hold) = (entered.clone(), gate.clone());
    let options = Server::builder().shards(1).max_workers(1).read_header_timeout(Duration::from_millis(300));
    let running = Running::with(options, move |ctx| {
        if ctx.path() == "/stall" {
            signal.open();
            hold.pass();
        }
    });
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| running.client()).collect();
    eventually("all are in", || running.server().stats().accepted_connections >= CROWD as u64);
    let mut stalling = running.client();
    stalling.send(get("/stall"));
    entered.pass();
    for client in &mut crowd {
        client.send(get("/"));
    }
    std::thread::sleep(Duration::from_millis(600));
    gate.open();
    for client in &mut crowd {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(stalling.response().status, 200);
}

/// A server that was dropped after a shutdown that timed out kept its monitor, and with it everything else, for ever.
#[test]
fn a_server_dropped_after_a_shutdown_in_vain_ends_by_itself() {
    let (alive, gate) = (Arc::new(()), Gate::new());
    let (held, hold, entered) = (alive.clone(), gate.clone(), Gate::new());
    let signal = entered.clone();
    let server = Server::new(move |_| {
        assert!(Arc::strong_count(&held) > 0);
        signal.open();
        hold.pass();
    })
    .unwrap();
    let listener = Server::listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server.clone();
    let serving = background(move || serving.serve(listener));
    let mut client = Client::connect(address);
    client.send(get("/"));
    entered.pass();
    assert!(server.shutdown(Duration::from_millis(20)).is_err(), "a handler still runs");
    assert_eq!(serving.outcome("serving").unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    drop(server);
    gate.open();
    assert_eq!(client.response().status, 200, "its response is delivered all the same");
    eventually("everything is gone", || Arc::strong_count(&alive) == 1);
}

/// Whoever was served by a driver right after it had handed a connection over had `time()` in 1970: of the two clocks
/// of the moment only one went along to the new workspace.
#[test]
fn the_time_of_a_request_is_right_behind_a_hand_over() {
    let began = SystemTime::now();
    let running = Running::with(Server::builder().shards(1), |ctx| {
        if ctx.path() == "/slow" {
            thread::sleep(Duration::from_millis(20));
        }
        let since = ctx.time().duration_since(SystemTime::UNIX_EPOCH).expect("a time since 1970");
        ctx.set_body(since.as_secs().to_string());
    });
    let earliest = began.duration_since(SystemTime::UNIX_EPOCH).expect("a clock that goes right").as_secs();
    let mut clients = running.clients(24);
    // The route is known to block once it has held up the shard.
    eventually("requests are handed over", || {
        clients[0].get("/slow");
        running.server().stats().dispatched_requests > 0
    });
    for _ in 0..10 {
        // In one pass of the only driver: some that it hands over, and others behind them.
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(get(if number % 3 == 0 { "/slow" } else { "/fast" }));
        }
        for client in &mut clients {
            let seconds: u64 = client.response().text().parse().expect("a number of seconds");
            assert!(seconds + 1 >= earliest, "a request of the year 1970: {seconds}");
        }
    }
}
