//! Threads and connections, many of them: rows `WP-02`, `WP-04`, `WP-05`, `LIM-02`, `SRV-20`, `PRF-02` to `PRF-04`,
//! `QUA-01`.
//!
//! The rule: what is counted is counted exactly, and nothing has to be done by a certain time.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use anthill_http::{ConnState, RequestConfig, Server};
use anthill_tests::client::{Client, get};
use anthill_tests::logs;
use anthill_tests::processes::{apart_with_descriptors, memory_kib};
use anthill_tests::server::Running;
use anthill_tests::{Gate, PATIENCE, background, eventually};

/// Ten workers are warm; those who come one after the other and block find the one that was used last.
#[test]
fn wp_02_who_comes_alone_is_served_by_the_worker_that_was_used_last() {
    let gate = Gate::new();
    let (held, seen) = (gate.clone(), Arc::new(Mutex::new(Vec::<ThreadId>::new())));
    let notes = seen.clone();
    let running = Running::with(Server::builder().shards(1), move |ctx| match ctx.path() {
        "/held" => held.pass(),
        _ => {
            // For so long that its route is one that blocks.
            thread::sleep(Duration::from_millis(5));
            notes.lock().unwrap().push(thread::current().id());
        }
    });
    let mut clients = running.clients(10);
    for client in &mut clients {
        client.send(get("/held"));
    }
    eventually("all are in the handler", || running.handled() == 10);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    // Until the route is known.
    for _ in 0..10 {
        assert_eq!(running.client().get("/alone").status, 200);
    }
    seen.lock().unwrap().clear();
    for _ in 0..40 {
        assert_eq!(running.client().get("/alone").status, 200);
    }
    let threads: BTreeSet<String> = seen.lock().unwrap().iter().map(|id| format!("{id:?}")).collect();
    // Were they taken in turn it would be all. A driver may be overtaken now and then, and be another one afterwards.
    assert!(threads.len() <= 4, "40 requests in a row were served by {} threads", threads.len());
}

#[test]
fn wp_04_servers_start_and_stop_one_after_the_other_and_at_once() {
    let start_and_stop = || {
        let running = Running::with(Server::builder().shards(2), |_| {});
        let mut client = running.client();
        assert_eq!(client.get("/").status, 200);
        running.server().shutdown(PATIENCE).expect("nothing is under way");
        // It was idle.
        client.expect_end();
        assert!(running.server().stats().workers.is_none(), "no worker is left");
    };
    for _ in 0..10 {
        start_and_stop();
    }
    let together: Vec<_> = (0..10).map(|_| background(start_and_stop)).collect();
    for one in together {
        one.outcome("starting and stopping");
    }
}

#[test]
fn wp_04_busy_workers_end_after_their_connection() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(Server::builder(), move |ctx| {
        held.pass();
        ctx.set_body("to the end");
    });
    let mut client = running.client();
    client.send(get("/"));
    eventually("it is in the handler", || running.handled() == 1);
    let server = running.server().clone();
    let stopping = background(move || server.shutdown(PATIENCE));
    eventually("the end has begun", || running.server().stop_signal().is_stopping());
    gate.open();
    assert_eq!(client.response().text(), "to the end");
    client.expect_end();
    stopping.outcome("the shutdown").expect("all was answered");
}

/// Connections are offered while the server stops, again and again: each is served once or not at all, and its end is
/// told exactly once if its beginning was.
#[test]
fn wp_05_connections_offered_during_a_stop_are_served_once_or_refused() {
    for round in 0..10 {
        let states = Arc::new(Mutex::new((0usize, 0usize)));
        let told = states.clone();
        let options = Server::builder().concurrency(8).conn_state(move |_, state| {
            let mut states = told.lock().unwrap();
            match state {
                ConnState::New => states.0 += 1,
                ConnState::Closed => states.1 += 1,
                _ => {}
            }
        });
        let mut running = Running::with(options, |ctx| ctx.set_body("served"));
        let address = running.address();
        let begin = Arc::new(Barrier::new(5));
        let offering: Vec<_> = (0..4)
            .map(|_| {
                let begin = begin.clone();
                background(move || {
                    begin.wait();
                    let mut answered = 0;
                    for _ in 0..40 {
                        let Ok(stream) = std::net::TcpStream::connect(address) else { break };
                        let mut client = Client::over(stream);
                        let _ = client.try_send(get("/"));
                        if client.try_response().is_ok_and(|reply| reply.status == 200) {
                            answered += 1;
                        }
                    }
                    answered
                })
            })
            .collect();
        begin.wait();
        eventually("some are served", || running.handled() > round);
        running.server().shutdown(PATIENCE).expect("all end");
        let _ = running.listen("127.0.0.1:0");
        let answered: usize = offering.into_iter().map(|one| one.outcome("a client")).sum();
        assert!(answered <= running.handled(), "{answered} were answered, {} handled", running.handled());
        running.server().shutdown(PATIENCE).expect("all end");
        let (new, closed) = *states.lock().unwrap();
        assert_eq!(new, closed, "each that began has ended, once");
        assert_eq!(running.server().stats().open_connections, 0);
    }
}

/// Each is told so and counted, and the log is told once.
#[test]
fn lim_02_refused_connections_are_counted_and_told_once() {
    logs::collect();
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(Server::builder().concurrency(1), move |_| held.pass());
    let mut first = running.client();
    first.send(get("/"));
    eventually("the first is held", || running.handled() == 1);
    let warnings = || logs::with("anthill_http::engine::say_seldom", "`concurrency`").len();
    let before = warnings();
    for refused in 1..=100 {
        let mut client = running.client();
        assert_eq!(client.response().status, 503);
        client.expect_end();
        running.reaches("it is counted", |stats| stats.rejections.concurrency == refused);
    }
    // Other tests refuse connections as well, each server for itself.
    let said = warnings() - before;
    assert!((1..50).contains(&said), "said {said} times");
    gate.open();
    assert_eq!(first.response().status, 200);
}

/// What is idle has no buffer, however large those are; so there is no option for that.
#[test]
fn srv_20_idle_connections_hold_no_buffers() {
    const NAME: &str = "http_workers::srv_20_idle_connections_hold_no_buffers";
    const CONNECTIONS: usize = 1000;
    const BUFFER_KIB: usize = 256;
    apart_with_descriptors(NAME, 2 * CONNECTIONS + 200, || {
        let options = Server::builder().read_buffer_size(BUFFER_KIB * 1024);
        let running = Running::with(options, |ctx| ctx.set_body("served"));
        running.client().get("/");
        let before = memory_kib("VmRSS");
        let mut clients = running.clients(CONNECTIONS);
        for _ in 0..10 {
            for client in &mut clients {
                assert_eq!(client.get("/").text(), "served");
            }
        }
        let grown = memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < CONNECTIONS * BUFFER_KIB / 8, "{CONNECTIONS} idle connections took {grown} KiB");
        assert_eq!(running.handled(), 1 + 10 * CONNECTIONS);
    });
}

/// A stream in memory: so many requests, and what is written is counted.
struct InMemory {
    input: io::Cursor<Vec<u8>>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Read for InMemory {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.input.read(room)
    }
}

impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the benchmark in memory does (`benches`), with every answer counted.
#[test]
fn prf_02_connections_in_memory_are_answered_to_the_last_request() {
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let server = Server::new(move |ctx| {
        count.fetch_add(1, Ordering::Relaxed);
        ctx.set_body("Hello, World!");
    });
    let server = server.expect("valid options");
    for threads in [1, 4] {
        for (requests, conns) in [(1, 50), (2, 50), (10, 20), (10_000, 1)] {
            let before = handled.load(Ordering::Relaxed);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..conns {
                            let output = Arc::new(Mutex::new(Vec::new()));
                            let input = io::Cursor::new(get("/").repeat(requests).into_bytes());
                            server
                                .serve_conn(InMemory { input, output: output.clone() })
                                .expect("it ends well");
                            let output = String::from_utf8(output.lock().unwrap().clone()).expect("text");
                            assert_eq!(output.matches("HTTP/1.1 200 OK\r\n").count(), requests);
                            assert_eq!(output.matches("\r\n\r\nHello, World!").count(), requests);
                        }
                    });
                }
            });
            assert_eq!(handled.load(Ordering::Relaxed) - before, threads * requests * conns);
        }
    }
}

/// As many as a process may have descriptors for, 10 000 where it may have both ends of them.
#[test]
#[allow(clippy::print_stdout)]
fn prf_03_idle_connections_stay_usable() {
    const NAME: &str = "http_workers::prf_03_idle_connections_stay_usable";
    // Both ends are here, and 20 000 descriptors are what many systems allow.
    const CONNECTIONS: usize = 9_900;
    apart_with_descriptors(NAME, 20_000, || {
        let running = Running::new(|ctx| ctx.set_body("served"));
        running.client().get("/");
        let before = memory_kib("VmRSS");
        let mut clients = running.clients(CONNECTIONS);
        for round in 0..2 {
            for client in &mut clients {
                assert_eq!(client.get("/").text(), "served");
            }
            let grown = memory_kib("VmRSS").saturating_sub(before);
            println!(
                "round {round}: {} bytes per idle connection, clients included",
                grown * 1024 / CONNECTIONS
            );
            running.reaches("all are idle", |stats| stats.connections.idle >= CONNECTIONS);
        }
        assert_eq!(running.handled(), 1 + 2 * CONNECTIONS);
    });
}

#[test]
fn prf_04_ten_thousand_clients_with_a_request_each_are_all_answered() {
    const CLIENTS: usize = 10_000;
    const THREADS: usize = 4;
    let running = Running::new(|ctx| ctx.set_body("served"));
    let address = running.address();
    let connecting: Vec<_> = (0..THREADS)
        .map(|_| {
            background(move || {
                for _ in 0..CLIENTS / THREADS {
                    let reply = Client::connect(address)
                        .exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
                    assert_eq!((reply.status, reply.text()), (200, "served"));
                }
            })
        })
        .collect();
    for one in connecting {
        one.outcome_within(10 * PATIENCE, "clients");
    }
    assert_eq!(running.handled(), CLIENTS);
    let stats = running.server().stats();
    assert_eq!((stats.requests, stats.accepted_connections), (CLIENTS as u64, CLIENTS as u64));
}

/// Requests, take-overs, handlers that are given up and panics, from several clients at once, while the server stops.
/// `stress` and the models in `loom-tests` do the same to the pool.
#[test]
fn qua_01_everything_at_once_while_the_server_stops() {
    const MARK: &str = "HTTP/1.1 ";
    for _ in 0..5 {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let options = Server::builder().shards(2).max_workers(4).header_received(|request| {
            let late = request.path() == "/late";
            RequestConfig::new().handler_timeout(late.then_some(Duration::from_millis(1)))
        });
        let running = Running::with(options, move |ctx| match ctx.path() {
            "/late" => {
                while !ctx.is_cancelled() {
                    thread::sleep(Duration::from_micros(200));
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            "/panic" => std::panic::resume_unwind(Box::new("quietly")),
            "/hijack" => ctx.hijack(|mut conn| {
                let _ = conn.write_all(b"taken over");
            }),
            _ => ctx.set_body("served"),
        });
        let address = running.address();
        let clients: Vec<_> = (0..6)
            .map(|first| {
                background(move || {
                    let mut late = 0;
                    for number in first.. {
                        let Ok(stream) = std::net::TcpStream::connect(address) else { return late };
                        let mut client = Client::over(stream);
                        let (path, status) =
                            [("/", 200), ("/late", 503), ("/hijack", 200), ("/panic", 500)][number % 4];
                        if client.try_send(get(path)).is_err() {
                            return late;
                        }
                        let Ok(reply) = client.try_response() else { return late };
                        assert_eq!(reply.status, status, "{path}");
                        assert!(!reply.text().contains(MARK));
                        late += usize::from(path == "/late");
                        if path == "/hijack" {
                            assert_eq!(client.rest().expect("an end"), b"taken over");
                        }
                    }
                    late
                })
            })
            .collect();
        running.reaches("there is enough to stop", |stats| {
            stats.requests > 300 && stats.timed_out_handlers > 20 && stats.panics > 20
        });
        running.server().shutdown(PATIENCE).expect("all end");
        let late: usize = clients.into_iter().map(|one| one.outcome("a client")).sum();
        let stats = running.server().stats();
        assert_eq!((stats.open_connections, stats.hijacked_connections), (0, 0));
        assert!(stats.timed_out_handlers >= late as u64);
        eventually("all handlers that were given up end", || {
            ended.load(Ordering::SeqCst) as u64 == stats.timed_out_handlers
        });
    }
}
