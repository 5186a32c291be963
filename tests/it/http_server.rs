//! The server's life and its options: rows `SRV-01` to `SRV-21`, and `WP-01` where the server's limit is the pool's.
//!
//! Everything goes through real sockets and the public API. The rule: a test of an option says what happens with it
//! and what happens without it.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::{MinRate, Server, ServerBuilder};
use anthill_tests::client::{Client, SOCKET_LIMIT, get, post};
use anthill_tests::server::{Running, skip};
use anthill_tests::{Gate, PATIENCE, background, eventually, within};

/// A stream whose input is known beforehand; keeps what is written, and how many writes there were.
#[derive(Clone)]
struct Recorded {
    input: io::Cursor<Vec<u8>>,
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorded {
    fn new(input: impl Into<Vec<u8>>) -> Self {
        Recorded { input: io::Cursor::new(input.into()), writes: Arc::default() }
    }

    fn writes(&self) -> usize {
        self.writes.lock().unwrap().len()
    }

    fn output(&self) -> Vec<u8> {
        self.writes.lock().unwrap().concat()
    }
}

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn srv_01_a_given_listener_is_served_by_a_plain_function() {
    fn greet(ctx: &mut anthill_http::RequestCtx) {
        ctx.set_body("greetings");
    }
    let mut running = Running::idle(Server::builder(), greet);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(running.listen_on(listener).unwrap(), address);
    let reply = Client::connect(address).get("/");
    assert_eq!((reply.status, reply.text()), (200, "greetings"));
}

#[test]
fn srv_02_a_tcp_address_is_listened_on() {
    let running = Running::new(|ctx| ctx.set_body("here"));
    assert!(running.address().ip().is_loopback());
    assert_eq!(running.client().get("/").text(), "here");

    // In one call, which does not tell the port it got.
    let server = Server::new(|_| {}).unwrap();
    let serving = server.clone();
    let serving = background(move || serving.listen_and_serve("127.0.0.1:0"));
    eventually("it serves", || server.stats().workers.is_some());
    server.shutdown(PATIENCE).unwrap();
    serving.outcome("listening and serving").unwrap();
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let server = Server::new(|_| {}).unwrap();
    let error = server.listen_and_serve(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(server.listen_and_serve("not an address").is_err());
}

#[test]
fn srv_03_ipv6_is_served() {
    let mut running = Running::idle(Server::builder(), |ctx| {
        let peer = ctx.remote_addr().ip().to_string();
        ctx.set_body(peer);
    });
    match running.listen("[::1]:0") {
        Ok(address) => assert_eq!(Client::connect(address).get("/").text(), "::1"),
        Err(error) => skip(&format!("this machine has no IPv6: {error}")),
    }
}

#[test]
fn srv_05_one_connection_is_served_without_a_listener() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(SOCKET_LIMIT)).unwrap();
    let serving = background(move || {
        let server = Server::new(|ctx| {
            let path = ctx.path().to_owned();
            ctx.set_body(path);
        });
        server.unwrap().serve_conn(ours)
    });
    let mut client = Client::over(theirs);
    client.send(get("/first") + &get("/second"));
    assert_eq!(client.response().text(), "/first");
    assert_eq!(client.response().text(), "/second");
    // Only now, so that it is the end of the input that ends it.
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    serving.outcome("serving one connection").unwrap();
    client.expect_end();
}

#[test]
fn con_06_a_batch_is_written_at_once() {
    let stream = Recorded::new(get("/").repeat(20));
    Server::new(|ctx| ctx.set_body("x")).unwrap().serve_conn(stream.clone()).unwrap();
    assert_eq!(stream.writes(), 1);
    let mut replies = Client::over(io::Cursor::new(stream.output()));
    for _ in 0..20 {
        assert_eq!(replies.response().text(), "x");
    }
    replies.expect_end();
}

#[test]
fn serve_conn_keeps_the_options_that_are_not_the_engines() {
    let serve = |options: ServerBuilder, input: &str| {
        let stream = Recorded::new(input);
        let served = options.build(|ctx| ctx.set_body("x")).unwrap().serve_conn(stream.clone());
        (served.map_err(|error| error.status()), Client::over(io::Cursor::new(stream.output())))
    };
    let two = get("/").repeat(2);
    let (served, mut client) = serve(Server::builder().max_requests_per_conn(1), &two);
    assert_eq!(served, Ok(()));
    assert!(client.response().closes());
    client.expect_end();

    let (served, mut client) = serve(Server::builder().keep_alive(false).name("x"), &two);
    assert_eq!(served, Ok(()));
    let reply = client.response();
    assert_eq!((reply.closes(), reply.field("Server")), (true, Some("x")));
    client.expect_end();

    let (served, mut client) = serve(Server::builder().max_request_body_size(3), &post("/", "four"));
    assert_eq!(served, Err(Some(413)));
    assert_eq!(client.response().status, 413);
    client.expect_end();
}

#[test]
fn serve_conn_refuses_other_methods_when_only_get_is_served() {
    let stream = Recorded::new(post("/", "x"));
    let server = Server::builder().get_only(true).build(|ctx| ctx.set_body("x")).unwrap();
    let _ = server.serve_conn(stream.clone());
    assert_eq!(Client::over(io::Cursor::new(stream.output())).response().status, 405);
}

#[test]
fn srv_06_several_listeners_on_one_server() {
    let mut running = Running::new(|ctx| {
        let port = ctx.local_addr().port().to_string();
        ctx.set_body(port);
    });
    let first = running.address();
    let second = running.listen("127.0.0.1:0").unwrap();
    assert_ne!(first, second);
    let mut clients = [Client::connect(first), Client::connect(second)];
    for _ in 0..2 {
        assert_eq!(clients[0].get("/").text(), first.port().to_string());
        assert_eq!(clients[1].get("/").text(), second.port().to_string());
    }
}

#[test]
fn a_unix_socket_is_served() {
    let folder = std::env::temp_dir().join(format!("anthill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("served");
    let listener = UnixListener::bind(&path).unwrap();
    let server = Server::new(|ctx| {
        let addresses = format!("{} {}", ctx.remote_addr(), ctx.local_addr());
        ctx.set_body(addresses);
    });
    let server = server.unwrap();
    let serving = server.clone();
    let serving = background(move || serving.serve_unix(listener));
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(SOCKET_LIMIT)).unwrap();
    let mut client = Client::over(stream);
    for _ in 0..2 {
        assert_eq!(client.get("/").text(), "0.0.0.0:0 0.0.0.0:0");
    }
    server.shutdown(PATIENCE).unwrap();
    serving.outcome("serving a unix socket").unwrap();
    client.expect_end();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn srv_07_serving_ends_well_when_there_is_nothing_left_to_accept() {
    let server = Server::new(|_| {}).unwrap();
    let listener = Server::listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server.clone();
    let serving = background(move || serving.serve(listener));
    assert_eq!(Client::connect(address).get("/").status, 200);
    server.shutdown(PATIENCE).unwrap();
    serving.outcome("serving").unwrap();
}

#[test]
fn srv_09_every_response_names_the_server_unless_told_not_to() {
    let named = |options: ServerBuilder| {
        let running = Running::with(options, |_| {});
        let reply = running.client().get("/");
        // A refusal is a response like any other.
        let refusal = running.client().exchange("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.field("Server"), reply.field("Server"));
        reply.field("Server").map(str::to_owned)
    };
    assert_eq!(named(Server::builder()).as_deref(), Some("anthill"));
    assert_eq!(named(Server::builder().name("foobar")).as_deref(), Some("foobar"));
    assert_eq!(named(Server::builder().name(None)), None);
    assert_eq!(named(Server::builder().name(None).name("foobar")).as_deref(), Some("foobar"));
}

#[test]
fn an_empty_name_is_no_name() {
    let running = Running::with(Server::builder().name(""), |_| {});
    assert_eq!(running.client().get("/").field("Server"), None);
}

#[test]
fn srv_10_default_content_type_and_date() {
    let handler = |ctx: &mut anthill_http::RequestCtx| match ctx.path() {
        "/body" => ctx.set_body("body"),
        "/typed" => ctx.success("text/html", "body"),
        "/dated" => ctx.response.set_header("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        _ => {}
    };
    let running = Running::new(handler);
    let mut client = running.client();
    let before = now();
    let reply = client.get("/body");
    assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=utf-8"));
    let date = seconds_of(reply.field("Date").unwrap());
    assert!(date + 2 >= before && date <= now() + 2, "{date} was sent between {before} and {}", now());
    let reply = client.get("/empty");
    assert_eq!((reply.field("Content-Type"), reply.field("Date").is_some()), (None, true));
    assert_eq!(client.get("/typed").field("Content-Type"), Some("text/html"));
    assert_eq!(client.get("/dated").field("Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));

    let running = Running::with(Server::builder().default_date(false).default_content_type(false), handler);
    let mut client = running.client();
    let reply = client.get("/body");
    assert_eq!((reply.field("Content-Type"), reply.field("Date"), reply.text()), (None, None, "body"));
    assert_eq!(client.get("/typed").field("Content-Type"), Some("text/html"));
    assert_eq!(client.get("/dated").field("Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
}

#[test]
fn the_date_moves_on() {
    let running = Running::new(|_| {});
    let mut client = running.client();
    let first = seconds_of(client.get("/").field("Date").unwrap());
    // On a connection that stays, and in a server that would have nothing else to do.
    thread::sleep(Duration::from_millis(1100));
    let second = seconds_of(client.get("/").field("Date").unwrap());
    assert!(second > first && second <= now() + 2, "{first}, then {second}");
}

#[test]
fn srv_14_other_methods_are_refused_when_only_get_is_served() {
    let running = Running::with(Server::builder().get_only(true), |ctx| ctx.set_body("got"));
    let mut client = running.client();
    assert_eq!(client.get("/").text(), "got");
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = client.response_to_head();
    assert_eq!((reply.status, reply.field("Content-Length"), reply.closes()), (200, Some("3"), false));
    client.send(post("/", "body") + &get("/after"));
    let reply = client.response();
    assert_eq!((reply.status, reply.closes(), reply.field("Allow")), (405, true, Some("GET, HEAD")));
    client.expect_end();
    assert_eq!(running.handled(), 2);
}

#[test]
fn srv_15_without_keep_alive_every_response_closes() {
    let running = Running::with(Server::builder().keep_alive(false), |ctx| ctx.set_body("once"));
    for request in [
        get("/"),
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
        post("/", "body"),
    ] {
        let mut client = running.client();
        let reply = client.exchange(&request);
        assert_eq!((reply.status, reply.closes(), reply.text()), (200, true, "once"), "{request:?}");
        client.expect_end();
    }
}

#[test]
fn srv_16_a_connection_ends_with_its_last_request() {
    let running = Running::with(Server::builder().max_requests_per_conn(1), |_| {});
    let mut client = running.client();
    client.send(get("/").repeat(2));
    assert!(client.response().closes());
    client.expect_end();
    assert_eq!(running.handled(), 1);

    let running = Running::with(Server::builder().max_requests_per_conn(3), |_| {});
    let mut client = running.client();
    let closing = [(); 3].map(|()| client.get("/").closes());
    assert_eq!(closing, [false, false, true]);
    client.expect_end();
    assert_eq!(running.client().get("/").status, 200, "the next connection starts over");
}

#[test]
fn figures_of_what_is_open_and_what_was_refused() {
    let gate = Gate::new();
    let held = gate.clone();
    let mut running = Running::with(Server::builder().concurrency(2), move |ctx| {
        if ctx.path() == "/held" {
            held.pass();
        }
    });
    let second_address = running.listen("127.0.0.1:0").unwrap();
    let mut clients = [running.client(), Client::connect(second_address)];
    for client in &mut clients {
        client.send(get("/held"));
    }
    eventually("none of the two is idle", || running.handled() == 2);
    for place in 0..4 {
        let address = if place % 2 == 0 { running.address() } else { second_address };
        assert_eq!(Client::connect(address).response().status, 503);
    }
    let stats = running.server().stats();
    assert_eq!((stats.rejections.concurrency, stats.accepted_connections), (4, 2));
    gate.open();
    for client in &mut clients {
        client.response();
    }
    drop(clients);
    running.reaches("none is open", |stats| stats.open_connections == 0 && stats.requests == 2);
    assert_eq!(running.server().stats().rejections.concurrency, 4);
    assert!(running.shut_down(PATIENCE).is_ok());
    assert_eq!(running.server().stats().requests, 2, "they are kept after a shutdown");
}

#[test]
fn srv_21_a_panic_costs_one_request() {
    let running = Running::with(Server::builder().shards(1), |ctx| match ctx.path() {
        "/panic" => {
            ctx.response.set_header("X-Half", "done");
            ctx.set_body("half done");
            panic!("meant to be");
        }
        _ => ctx.set_body("fine"),
    });
    let mut bystander = running.client();
    assert_eq!(bystander.get("/").text(), "fine");
    let workers = |stats: &anthill_http::ServerStats| stats.workers.as_ref().map(|pool| pool.workers);
    let before = workers(&running.server().stats());
    for round in 1..=10 {
        let mut client = running.client();
        client.send(get("/panic") + &get("/after"));
        let reply = client.response();
        assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"));
        assert_eq!(reply.field("X-Half"), None);
        // The request had been received in full, so the connection can go on; if it does not, it must say so.
        if reply.closes() {
            client.expect_end();
        } else {
            assert_eq!(client.response().text(), "fine");
            assert_eq!(client.get("/later").text(), "fine");
        }
        assert_eq!(bystander.get("/").text(), "fine");
        assert_eq!(running.server().stats().panics, round);
    }
    let stats = running.server().stats();
    assert!(workers(&stats) >= before, "no worker was lost: {stats:?}");
}

#[test]
fn srv_21_a_panic_whose_value_panics_when_dropped_costs_one_request() {
    struct Spiteful;
    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("and the drop as well");
        }
    }
    let running = Running::with(Server::builder().shards(1), |ctx| {
        if ctx.path() == "/panic" {
            std::panic::panic_any(Spiteful);
        }
    });
    let mut client = running.client();
    for _ in 0..3 {
        assert_eq!(client.get("/panic").status, 500);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_server_that_is_dropped_without_a_shutdown_leaves_nothing_behind() {
    let alive = Arc::new(());
    let held = alive.clone();
    let server = Server::new(move |_| assert!(Arc::strong_count(&held) > 0)).unwrap();
    let listener = Server::listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server.clone();
    let serving = background(move || serving.serve(listener));
    Client::connect(address).get("/");
    // The one that serves is the last handle; it goes when serving ends, which needs a shutdown by somebody.
    let stopping = server.clone();
    drop(server);
    stopping.shutdown(PATIENCE).unwrap();
    drop(stopping);
    serving.outcome("serving").unwrap();
    eventually("the handler is dropped", || Arc::strong_count(&alive) == 1);
}

#[test]
fn options_that_contradict_each_other_are_refused_by_name() {
    for (option, options) in [
        ("shards", Server::builder().shards(0)),
        ("shards", Server::builder().shards(usize::MAX)),
        ("max_workers", Server::builder().max_workers(0)),
        ("max_workers", Server::builder().max_workers(usize::MAX)),
        ("max_streaming_workers", Server::builder().max_streaming_workers(0)),
        ("max_streaming_workers", Server::builder().max_workers(2).max_streaming_workers(3)),
        ("max_streaming_workers", Server::builder().max_streaming_workers(usize::MAX)),
        ("max_waiting_requests", Server::builder().max_waiting_requests(0)),
        ("max_wait", Server::builder().max_wait(Duration::ZERO)),
        ("concurrency", Server::builder().concurrency(0)),
        ("max_conns_per_ip", Server::builder().max_conns_per_ip(0)),
        ("max_requests_per_conn", Server::builder().max_requests_per_conn(0)),
        ("read_buffer_size", Server::builder().read_buffer_size(255)),
        ("read_buffer_size", Server::builder().read_buffer_size(16 * 1024 * 1024 + 1)),
        ("max_request_body_size", Server::builder().max_request_body_size(0)),
        ("max_header_fields", Server::builder().max_header_fields(0)),
        ("max_header_fields", Server::builder().max_header_fields(usize::MAX)),
        ("name", Server::builder().name("two\nlines")),
        ("read_timeout", Server::builder().read_timeout(Duration::ZERO)),
        ("read_header_timeout", Server::builder().read_header_timeout(Duration::ZERO)),
        ("idle_timeout", Server::builder().idle_timeout(Duration::ZERO)),
        ("write_timeout", Server::builder().write_timeout(Duration::ZERO)),
        #[cfg(not(any(
            target_os = "linux",
            target_os = "android",
            target_os = "freebsd",
            target_os = "dragonfly"
        )))]
        ("reuse_port", Server::builder().reuse_port(true)),
        ("min_body_rate", Server::builder().min_body_rate(MinRate::new(0, Duration::from_secs(1)))),
        ("min_body_rate", Server::builder().min_body_rate(MinRate::new(u64::MAX, Duration::from_secs(1)))),
        ("min_body_rate", Server::builder().min_body_rate(MinRate::new(240, Duration::ZERO))),
        ("min_response_rate", Server::builder().min_response_rate(MinRate::new(0, Duration::from_secs(1)))),
        ("min_response_rate", Server::builder().min_response_rate(MinRate::new(240, Duration::ZERO))),
        ("max_idle_worker_duration", Server::builder().max_idle_worker_duration(Duration::ZERO)),
        ("max_idle_worker_duration", Server::builder().max_idle_worker_duration(Duration::MAX)),
    ] {
        let error = options.build(|_| {}).unwrap_err();
        assert_eq!(error.option(), option);
        assert!(error.to_string().starts_with(option), "{error}");
    }
}

#[test]
fn wp_01_beyond_the_cap_connections_are_refused_at_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let inside = Arc::new(AtomicUsize::new(0));
    let entered = inside.clone();
    let running = Running::with(Server::builder().concurrency(10), move |ctx| {
        entered.fetch_add(1, Ordering::SeqCst);
        held.pass();
        ctx.set_body("served");
        ctx.response.set_connection_close();
    });
    let mut clients = running.clients(10);
    for client in &mut clients {
        client.send(get("/"));
    }
    eventually("ten are busy", || inside.load(Ordering::SeqCst) == 10);
    for _ in 0..5 {
        let mut refused = running.client();
        assert_eq!(refused.response().status, 503);
        refused.expect_end();
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "served");
        client.expect_end();
    }
    assert_eq!((running.handled(), running.server().stats().rejections.concurrency), (10, 5));
}

#[test]
fn wp_03_workers_that_a_burst_needed_are_let_go() {
    let gate = Gate::new();
    let held = gate.clone();
    let options = Server::builder().shards(2).max_idle_worker_duration(Duration::from_millis(100));
    let running = Running::with(options, move |ctx| {
        if ctx.path() == "/burst" {
            held.pass();
        }
    });
    let workers = |stats: &anthill_http::ServerStats| stats.workers.as_ref().map_or(0, |pool| pool.workers);
    let mut clients = running.clients(50);
    for client in &mut clients {
        client.send(get("/burst"));
    }
    running.reaches("each has a worker, and so has each shard", |stats| workers(stats) >= 50);
    eventually("all are in the handler", || running.handled() == 50);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    // Of the latter there are two for each shard.
    running.reaches("the drivers are left, and those in reserve", |stats| workers(stats) == 2 + 4);
    assert_eq!(clients[0].get("/").status, 200);
}

#[test]
fn dropping_a_client_in_the_middle_of_everything_harms_nobody() {
    let running = Running::new(|ctx| ctx.set_body(vec![b'x'; 100_000]));
    for cut in [0, 1, 10, 30, 50] {
        for answered in [false, true] {
            let mut client = running.client();
            let request = post("/", "some body");
            client.send(&request[..cut]);
            if answered {
                client.send(&request[cut..]);
            }
            drop(client);
        }
    }
    assert_eq!(
        within("one more", {
            let mut client = running.client();
            move || client.get("/").body.len()
        }),
        100_000
    );
    running.reaches("all are gone", |stats| stats.open_connections == 0);
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The seconds since 1970 of a date like `Sun, 06 Nov 1994 08:49:37 GMT`, which must have exactly that form.
fn seconds_of(date: &str) -> u64 {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    assert_eq!((date.len(), &date[3..5], &date[25..]), (29, ", ", " GMT"), "{date:?}");
    let number = |from: usize, to: usize| date[from..to].parse::<u64>().expect(date);
    let year = number(12, 16);
    let month = MONTHS.iter().position(|month| *month == &date[8..11]).expect(date);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = |month: usize| match month {
        1 => 28 + u64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    let of_years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let days = of_years + (0..month).map(length).sum::<u64>() + number(5, 7) - 1;
    assert_eq!(&date[..3], DAYS[(days % 7) as usize], "the day of the week of {date:?}");
    days * 86_400 + number(17, 19) * 3600 + number(20, 22) * 60 + number(23, 25)
}

#[test]
fn the_test_can_read_dates() {
    assert_eq!(seconds_of("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    assert_eq!(seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777);
    assert_eq!(seconds_of("Thu, 29 Feb 2024 12:00:00 GMT"), 1_709_208_000);
}
