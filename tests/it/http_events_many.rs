//! Streams of events to thousands of clients: how many threads they take, and how much memory.
//!
//! The rule: what is claimed of each stream is a bound, and figures are printed beside it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::events::{Event, EventHub};
use anthill_tests::client::{Client, get, hears};
use anthill_tests::events::{HEAD, chunk, next_chunk};
use anthill_tests::processes::{apart_with_descriptors, memory_kib};
use anthill_tests::server::{Running, plain};
use anthill_tests::uploads::{assert_goes_on, or_next};
use anthill_tests::{PATIENCE, background, eventually};

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn a_thousand_streams_need_no_thousand_threads() {
    const STREAMS: usize = 1000;
    let name = "http_events_many::a_thousand_streams_need_no_thousand_threads";
    // Each connection has two ends here.
    apart_with_descriptors(name, 2 * STREAMS + 200, || {
        let hub = EventHub::new();
        let subscribing = hub.clone();
        let handler = or_next(move |ctx| ctx.set_event_stream(subscribing.subscribe()));
        // The handlers of a machine under load are taken for such that block, whatever they do.
        let running = Running::with(plain().shards(2).max_workers(12), handler);
        let mut clients = running.clients(STREAMS);
        // What serves them is there.
        assert_goes_on(&mut clients[0]);
        let before = memory_kib("VmRSS");
        for client in &mut clients {
            client.send(get("/"));
            hears(client, HEAD);
        }
        assert_eq!(hub.subscribers(), STREAMS);
        for number in 0..20 {
            assert_eq!(hub.send(Event::data(number.to_string())), Ok(STREAMS));
            if number == 10 {
                assert_goes_on(&mut running.client());
            }
        }
        let expected: String = (0..20).map(|number| format!("data: {number}\n\n")).collect();
        for client in &clients {
            let mut heard = String::new();
            while heard.len() < expected.len() {
                assert!(next_chunk(client, &mut heard));
            }
            assert_eq!(heard, expected);
        }
        assert!(threads() <= 20, "{} threads", threads());
        let cost = (memory_kib("VmRSS").saturating_sub(before)) as f64 / STREAMS as f64;
        assert!(cost <= 4.0, "a stream costs {cost:.1} KiB");
        drop(clients);
        eventually("all are missed", || hub.subscribers() == 0);
    });
}

/// Set in the process that serves ten thousand.
const SERVES: &str = "ANTHILL_TESTS_SERVES_EVENTS";

/// The figures of a process that streams to ten thousand clients in another one, which prints them.
#[test]
#[ignore = "needs 10,100 descriptors, and a quiet machine for its figures"]
#[allow(clippy::print_stdout)]
fn ten_thousand_streams() {
    const STREAMS: usize = 10_000;
    if std::env::var_os(SERVES).is_some() {
        return serve_ten_thousand();
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "http_events_many::ten_thousand_streams", "--ignored", "--nocapture"])
        .env(SERVES, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines
        .find_map(|line| line.unwrap().split_once("listening on ")?.1.parse().ok())
        .expect("the server says where it listens");
    let mut asking = Client::connect(address);
    let mut figures = |what: &str| {
        let told = asking.get("/figures").text().to_owned();
        let found: Vec<usize> = told.split(' ').map(|figure| figure.parse().unwrap()).collect();
        println!("{what}: {} streams, {} threads, {} KiB resident", found[0], found[1], found[2]);
        (found[0], found[1], found[2])
    };
    let (_, _, before) = figures("nobody listens");
    let mut clients = Vec::new();
    for number in 0..STREAMS {
        let mut client = Client::connect(address);
        client.send(get("/events"));
        clients.push(client);
        if number % 100 == 99 {
            clients[number - 99..].iter().for_each(|client| hears(client, HEAD));
        }
    }
    let (subscribed, threads, resident) = figures("all listen");
    assert_eq!(subscribed, STREAMS);
    // Who asks for something else meanwhile is answered in between.
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let beside = background(move || {
        let mut client = Client::connect(address);
        let mut waits = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            assert_eq!(client.get("/fast").text(), "fast");
            waits.push(begun.elapsed());
            thread::sleep(Duration::from_millis(1));
        }
        waits.sort();
        waits
    });
    let mut sending = Client::connect(address);
    for number in 0..10 {
        let begun = Instant::now();
        assert_eq!(sending.get(&format!("/send?{number}")).text(), STREAMS.to_string());
        let sent = begun.elapsed();
        let event = chunk(&format!("data: {number}\n\n"));
        clients.iter().for_each(|client| hears(client, &event));
        println!("sent in {sent:?}, the last one had it after {:?}", begun.elapsed());
    }
    is_over.store(true, Ordering::Relaxed);
    let waits = beside.outcome("a fast route");
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!("a fast route beside that: {:?}, p99 {:?}, at most {:?}", at(50), at(99), at(100));
    let (_, threads_after, resident_after) = figures("after ten events");
    assert!(threads.max(threads_after) <= 20);
    for resident in [resident, resident_after] {
        let cost = (resident - before) as f64 / STREAMS as f64;
        println!("a stream costs {cost:.2} KiB");
        assert!(cost <= 4.0);
    }
    drop(clients);
    eventually("all are missed", || sending.get("/figures").text().starts_with("0 "));
    // The end of its input is the end of the server.
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

#[allow(clippy::print_stdout)]
fn serve_ten_thousand() {
    let hub = EventHub::new();
    // The handlers of a machine under load are taken for such that block, whatever they do.
    let running = Running::with(plain().shards(2).max_workers(12), move |ctx| match ctx.path() {
        "/events" => ctx.set_event_stream(hub.subscribe()),
        "/send" => {
            let text = String::from_utf8_lossy(ctx.request.query()).into_owned();
            let sent = hub.send(Event::data(text)).unwrap();
            ctx.set_body(sent.to_string());
        }
        "/fast" => ctx.set_body("fast"),
        _ => ctx.set_body(format!("{} {} {}", hub.subscribers(), threads(), memory_kib("VmRSS"))),
    });
    println!("listening on {}", running.address());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    running.server().shutdown(PATIENCE).unwrap();
}
