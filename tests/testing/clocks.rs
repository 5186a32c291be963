//! The clock: whatever takes a minute in a server takes none in a test.

use anthill_http::events::{Event, EventOptions, event_channel_with};
use anthill_http::testing::{TestClock, TestServer};
use anthill_http::{RequestConfig, RequestCtx, Server, TimeLimit, timeout};
use anthill_tests::Gate;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

const SECOND: Duration = Duration::from_secs(1);

fn hello() -> TestServer {
    TestServer::new(|ctx| ctx.set_body("hello"))
}

#[test]
fn a_head_has_its_time_whatever_trickles_in() {
    let server = hello();
    for _ in 0..20 {
        let mut conn = server.connect();
        conn.send("GET / HTTP/1.1\r\nHo");
        server.clock().advance(9 * SECOND);
        assert!(!conn.is_closed());
        conn.send("st: ");
        server.clock().advance(2 * SECOND);
        conn.read_response().assert_status(408);
        conn.assert_closed();
    }
    // A byte a second, of a head that takes longer than it may.
    let mut conn = server.connect();
    conn.send_slowly("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 2, SECOND);
    conn.read_response().assert_status(408);
    let mut conn = server.connect();
    conn.send_slowly("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 4, SECOND);
    conn.read_response().assert_text("hello");
}

#[test]
fn silent_and_idle_connections_are_closed_in_time_and_not_before() {
    let server = hello();
    for _ in 0..20 {
        let (silent, mut idle) = (server.connect(), server.connect());
        idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        idle.read_response().assert_text("hello");
        server.clock().advance(Duration::from_millis(9_500));
        assert!(!silent.is_closed() && !idle.is_closed());
        server.clock().advance(SECOND);
        assert!(silent.is_closed() && !idle.is_closed());
        server.clock().advance(63 * SECOND);
        assert!(!idle.is_closed());
        server.clock().advance(2 * SECOND);
        assert!(idle.is_closed());
    }
    // A client's connections too, which it then makes anew.
    for _ in 0..20 {
        server.get("/").send().assert_text("hello");
        server.clock().advance(100 * SECOND);
    }
    assert!(server.server().stats().accepted_connections >= 60);
}

#[test]
fn a_body_has_its_time() {
    let options = Server::builder().read_timeout(60 * SECOND).min_body_rate(None);
    let server = TestServer::from_builder(options, |ctx| ctx.set_body("stored"));
    let mut conn = server.connect();
    conn.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
    server.clock().advance(59 * SECOND);
    assert!(!conn.is_closed());
    server.clock().advance(2 * SECOND);
    conn.read_response().assert_status(408);
    let mut conn = server.connect();
    conn.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").send_slowly("abcde", 1, 11 * SECOND);
    conn.read_response().assert_text("stored");
}

#[test]
fn a_response_that_nobody_takes_is_given_up() {
    let server = TestServer::new(|ctx| ctx.set_body(vec![b'x'; 1 << 20]));
    let mut conn = server.connect();
    conn.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    server.clock().advance(59 * SECOND);
    assert!(!conn.is_closed());
    for _ in 0..4 {
        server.clock().advance(20 * SECOND);
    }
    assert!(conn.is_closed());
    assert_eq!(server.server().stats().given_up.slow_readers, 1);
}

#[test]
fn a_handler_has_its_time_and_sees_it() {
    let (entered, has_ended) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (enters, ends) = (entered.clone(), has_ended.clone());
    let options = Server::builder().handler_timeout(60 * SECOND);
    let server = TestServer::from_builder(options, move |ctx| {
        if ctx.path() == "/slow" {
            let left = ctx.time_left().expect("there is a limit");
            assert!(left > 50 * SECOND, "{left:?}");
            enters.open();
            while !ctx.is_cancelled() {
                std::thread::yield_now();
            }
            assert_eq!(ctx.time_left(), Some(Duration::ZERO));
            assert!(ctx.deadline().expect("there is one") <= Instant::now());
            ends.fetch_add(1, Ordering::SeqCst);
        }
        ctx.set_body("done");
    });
    server.clock().advance(3600 * SECOND);
    server.get("/fast").send().assert_text("done");
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| server.get("/slow").send());
        entered.pass();
        server.clock().advance(30 * SECOND);
        assert_eq!(has_ended.load(Ordering::SeqCst), 0);
        server.clock().advance(31 * SECOND);
        asks.join().expect("an answer").assert_status(503);
        anthill_tests::eventually("it ends", || has_ended.load(Ordering::SeqCst) == 1);
    });
    assert_eq!(server.server().stats().timed_out_handlers, 1);
    assert!(server.failures().is_empty(), "{:?}", server.failures());
}

#[test]
fn one_handler_may_have_a_time_of_its_own() {
    let entered = Gate::new();
    let enters = entered.clone();
    let slow = move |ctx: &mut RequestCtx| {
        enters.open();
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
    };
    let server = TestServer::handler(timeout(slow, TimeLimit::new(3600 * SECOND).status(504)));
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| server.get("/").send());
        entered.pass();
        server.clock().advance(3601 * SECOND);
        asks.join().expect("an answer").assert_status(504);
    });
}

#[test]
fn what_waits_for_a_thread_is_turned_away_in_time() {
    let gate = Gate::new();
    let (waits, running) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let runs = running.clone();
    let options = Server::builder().shards(1).max_workers(1).max_wait(30 * SECOND);
    let server = TestServer::from_builder(options, move |ctx| {
        runs.fetch_add(1, Ordering::SeqCst);
        waits.pass();
        ctx.set_body("done");
    });
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..40).map(|_| scope.spawn(|| server.get("/").send().status_code())).collect();
        anthill_tests::eventually("some wait", || server.server().stats().waiting_requests > 0);
        let waiting = || server.server().stats().waiting_requests + running.load(Ordering::SeqCst);
        anthill_tests::eventually("all are there", || waiting() == 40);
        server.clock().advance(31 * SECOND);
        anthill_tests::eventually("none waits", || server.server().stats().waiting_requests == 0);
        gate.open();
        let statuses: Vec<u16> = asks.into_iter().map(|ask| ask.join().expect("an answer")).collect();
        assert!(statuses.contains(&503) && statuses.contains(&200), "{statuses:?}");
    });
}

#[test]
fn heartbeats_come_when_they_are_due() {
    let server = TestServer::new(|ctx| {
        let made = event_channel_with(EventOptions::new().heartbeat(15 * SECOND));
        let (sender, stream) = made.expect("options that go together");
        std::mem::forget(sender);
        ctx.set_event_stream(stream);
    });
    let mut conn = server.connect();
    conn.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    conn.read_until("\r\n\r\n");
    for _ in 0..3 {
        server.clock().advance(14 * SECOND);
        server.clock().advance(2 * SECOND);
        conn.read_until(":");
        conn.read_until("\n\n");
    }
}

#[test]
fn the_time_of_a_server_is_the_clocks() {
    let server = TestServer::new(|ctx| {
        let ahead = ctx.time().duration_since(SystemTime::now()).unwrap_or_default();
        ctx.set_body((ahead + SECOND / 2).as_secs().to_string());
    });
    let date = |text: &str| httpdate::parse_http_date(text).expect("a date");
    let ahead = || {
        let response = server.get("/").send();
        let said = date(response.header_str("Date").expect("a date"));
        (response.text().to_owned(), said.duration_since(SystemTime::now()).unwrap_or_default())
    };
    assert_eq!(ahead().0, "0");
    server.clock().advance(86_400 * SECOND);
    let (told, said) = ahead();
    assert!(told == "86400" || told == "86399", "{told}");
    assert!((86_390 * SECOND..=86_400 * SECOND).contains(&said), "{said:?}");
    let (clock, before) = (server.clock(), server.clock().now());
    clock.advance(10 * SECOND);
    assert!(clock.now() - before >= 10 * SECOND && clock.ahead() == 86_410 * SECOND);
    assert!(clock.time().duration_since(SystemTime::now()).expect("ahead") > 86_400 * SECOND);
}

#[test]
fn several_servers_may_have_one_clock_and_others_are_left_alone() {
    let clock = TestClock::new();
    let built =
        || Server::builder().clock(&clock).shards(2).build(|ctx| ctx.set_body("hello")).expect("options");
    let (first, second, other) = (TestServer::of(built()), TestServer::of(built()), hello());
    let conns = [&first, &second, &other].map(TestServer::connect);
    clock.advance(11 * SECOND);
    assert_eq!(conns.each_ref().map(|conn| conn.is_closed()), [true, true, false]);
    drop(first);
    clock.advance(11 * SECOND);
    assert!(second.get("/").send().text() == "hello" && !conns[2].is_closed());
    let plain = TestServer::of(Server::new(|ctx| ctx.set_body("plain")).expect("the defaults"));
    plain.get("/").send().assert_text("plain");
    let message = crate::failure(|| plain.clock().ahead());
    assert!(message.contains("ServerBuilder::clock"), "{message}");
}

#[test]
fn moving_waits_for_no_handler_and_for_no_client() {
    let gate = Gate::new();
    let waits = gate.clone();
    let options = Server::builder().header_received(|_| RequestConfig::new().stream_request_body(true));
    let server = TestServer::from_builder(options, move |ctx| match ctx.path() {
        "/hang" => waits.pass(),
        "/upload" => {
            let mut body = Vec::new();
            let _ = ctx.body_reader().read_to_end(&mut body);
        }
        _ => ctx.response.set_body_writer(|out| {
            loop {
                out.write_all(&[b'x'; 65536])?;
            }
        }),
    });
    let mut conns = [server.connect(), server.connect(), server.connect()];
    conns[0].send("GET /hang HTTP/1.1\r\nHost: h\r\n\r\n");
    conns[1].send("PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nab");
    conns[2].send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    let begun = Instant::now();
    for _ in 0..10 {
        server.clock().advance(Duration::from_millis(1));
    }
    assert!(begun.elapsed() < anthill_tests::PATIENCE, "it waits for each a moment at most");
    gate.open();
    drop(conns);
}

#[test]
fn an_event_sent_just_before_is_not_lost_by_moving() {
    let (sender, stream) = anthill_http::events::event_channel();
    let stream = std::sync::Mutex::new(Some(stream));
    let server = TestServer::new(move |ctx| {
        ctx.set_event_stream(stream.lock().expect("a stream").take().expect("one request"));
    });
    let mut response = server.get("/").send();
    let mut events = response.events();
    for number in 0..100 {
        sender.send(Event::data(number.to_string())).expect("somebody listens");
        server.clock().advance(SECOND);
        assert_eq!(events.next().expect("an event").data(), number.to_string());
    }
}
