//! Connections in memory (row `UTL-01`): a pair of streams by itself, and a listener that a server serves with all its
//! limits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_http::{InMemoryListener, InMemoryStream, RequestCtx, RunningServer, Server, ServerBuilder};
use anthill_tests::client::{Client, SOCKET_LIMIT, get, post};
use anthill_tests::{Gate, PATIENCE, background, eventually};

const SHORT: Duration = Duration::from_millis(20);

/// What a stream holds at most, in each direction.
const CAPACITY: usize = 64 * 1024;

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}

#[test]
fn utl_01_bytes_go_both_ways_and_reads_merge_writes() {
    let (mut first, mut second) = InMemoryStream::pair();
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut first, &mut second];
        let [mut from, mut to] = [ends[from].clone(), ends[to].clone()];
        from.write_all(b"one").expect("room");
        from.write_all(b"two").expect("room");
        assert_eq!(
            from.write_vectored(&[io::IoSlice::new(b"th"), io::IoSlice::new(b"ree")]).expect("room"),
            5
        );
        from.flush().expect("nothing to be done");
        let mut room = [0; 32];
        let count = to.read(&mut room).expect("bytes");
        assert_eq!(&room[..count], b"onetwothree");
        // And a write is split.
        from.write_all(b"abcdef").expect("room");
        let mut room = [0; 4];
        to.read_exact(&mut room).expect("bytes");
        assert_eq!(&room, b"abcd");
        assert_eq!(to.read(&mut room).expect("bytes"), 2);
    }
    assert_eq!(first.read(&mut []).expect("nothing is asked for"), 0);
}

#[test]
fn utl_01_what_was_written_before_the_end_is_read_and_then_the_end() {
    for ends in [
        |stream: InMemoryStream| drop(stream),
        |stream: InMemoryStream| stream.shutdown(Shutdown::Both),
        |stream: InMemoryStream| stream.shutdown(Shutdown::Write),
    ] {
        let (mut first, mut second) = InMemoryStream::pair();
        first.write_all(b"last words").expect("room");
        ends(first);
        let mut text = String::new();
        second.read_to_string(&mut text).expect("the end");
        assert_eq!(text, "last words");
        assert_eq!(second.read(&mut [0; 8]).expect("the end, again"), 0);
    }
}

#[test]
fn utl_01_writing_to_who_has_gone_is_an_error() {
    let (first, mut second) = InMemoryStream::pair();
    let clone = first.clone();
    drop(first);
    second.write_all(b"a clone is there").expect("room");
    drop(clone);
    assert_eq!(kind(second.write(b"x")), ErrorKind::BrokenPipe);

    let (mut first, mut second) = InMemoryStream::pair();
    first.shutdown(Shutdown::Read);
    assert_eq!(kind(second.write(b"x")), ErrorKind::BrokenPipe);
    assert_eq!(first.read(&mut [0; 8]).expect("its own end"), 0);
    // The other direction goes on.
    first.write_all(b"half").expect("room");
    let mut room = [0; 4];
    second.read_exact(&mut room).expect("bytes");
    first.shutdown(Shutdown::Write);
    assert_eq!(kind(first.write(b"x")), ErrorKind::BrokenPipe);
    assert_eq!(second.read(&mut room).expect("the end"), 0);
}

#[test]
fn utl_01_ends_end_waits() {
    for ends in [
        |other: &InMemoryStream, _: &InMemoryStream| other.shutdown(Shutdown::Both),
        |_: &InMemoryStream, own: &InMemoryStream| own.shutdown(Shutdown::Both),
    ] {
        let (first, second) = InMemoryStream::pair();
        let mut reading = second.clone();
        let reads = background(move || reading.read(&mut [0; 8]));
        let mut writing = second.clone();
        let writes = background(move || {
            loop {
                if let Err(error) = writing.write(&[b'x'; 4096]) {
                    return error.kind();
                }
            }
        });
        // Both wait by then, or find the end without.
        std::thread::sleep(SHORT);
        assert!(!reads.is_finished() && !writes.is_finished());
        ends(&first, &second);
        assert_eq!(reads.outcome("a read").expect("the end"), 0);
        assert_eq!(writes.outcome("a write"), ErrorKind::BrokenPipe);
    }
}

#[test]
fn utl_01_who_reads_makes_room_for_who_writes() {
    let (mut first, mut second) = InMemoryStream::pair();
    let bytes: Vec<u8> = (0..10 * CAPACITY).map(|number| (number % 251) as u8).collect();
    let sent = bytes.clone();
    let writes = background(move || first.write_all(&sent));
    let mut received = Vec::new();
    // In pieces of any size.
    let mut room = vec![0; 100_000];
    let most = room.len();
    for size in (1..).map(|number| 1 + number * 7919 % most) {
        match second.read(&mut room[..size]).expect("bytes") {
            0 => break,
            count => received.extend_from_slice(&room[..count]),
        }
    }
    writes.outcome("writing").expect("it was all read");
    assert!(received == bytes, "the bytes are others");
}

#[test]
fn utl_01_timeouts_and_deadlines() {
    let (mut first, mut second) = InMemoryStream::pair();
    assert_eq!(kind(first.set_read_timeout(Some(Duration::ZERO))), ErrorKind::InvalidInput);
    assert_eq!(kind(first.set_write_timeout(Some(Duration::ZERO))), ErrorKind::InvalidInput);

    first.set_read_timeout(Some(SHORT)).expect("some time");
    let begun = Instant::now();
    assert_eq!(kind(first.read(&mut [0; 8])), ErrorKind::TimedOut);
    assert!(begun.elapsed() >= SHORT);
    first.set_write_timeout(Some(SHORT)).expect("some time");
    assert_eq!(first.write(&vec![b'x'; 2 * CAPACITY]).expect("room"), CAPACITY);
    assert_eq!(kind(first.write(b"x")), ErrorKind::TimedOut);
    // What is there is read, whatever the time.
    second.set_read_deadline(Some(begun));
    let mut room = vec![0; CAPACITY];
    assert_eq!(second.read(&mut room).expect("bytes"), CAPACITY);
    assert_eq!(kind(second.read(&mut room)), ErrorKind::TimedOut);
    assert_eq!(first.write(b"x").expect("room"), 1, "there is room again");

    first.set_read_timeout(None).expect("an option");
    first.set_read_deadline(Some(Instant::now() + SHORT));
    assert_eq!(kind(first.read(&mut [0; 8])), ErrorKind::TimedOut);
    first.set_write_timeout(None).expect("an option");
    first.set_write_deadline(Some(begun));
    assert_eq!(first.write(&vec![b'x'; 2 * CAPACITY]).expect("room"), CAPACITY - 1);
    assert_eq!(kind(first.write(b"x")), ErrorKind::TimedOut);
    // Without it the connection goes on.
    first.set_read_deadline(None);
    second.write_all(b"late").expect("room");
    let mut room = [0; 4];
    first.read_exact(&mut room).expect("bytes");
    assert_eq!(&room, b"late");
}

/// As Go's deadlines do.
#[test]
fn utl_01_a_new_deadline_is_that_of_waits_under_way() {
    let (first, _second) = InMemoryStream::pair();
    let mut reading = first.clone();
    let reads = background(move || reading.read(&mut [0; 8]).map_err(|error| error.kind()));
    let mut writing = first.clone();
    writing.write_all(&vec![b'x'; CAPACITY]).expect("room");
    let writes = background(move || writing.write(b"x").map_err(|error| error.kind()));
    std::thread::sleep(SHORT);
    assert!(!reads.is_finished() && !writes.is_finished());
    first.set_read_deadline(Some(Instant::now()));
    first.set_write_deadline(Some(Instant::now()));
    assert_eq!(reads.outcome("a read"), Err(ErrorKind::TimedOut));
    assert_eq!(writes.outcome("a write"), Err(ErrorKind::TimedOut));
}

#[test]
fn utl_01_addresses_are_what_somebody_has_said() {
    let (first, second) = InMemoryStream::pair();
    assert_eq!((first.local_addr(), first.peer_addr()), (None, None));
    let [here, there] = ["192.0.2.1:1", "192.0.2.2:2"].map(|text| text.parse::<SocketAddr>().ok());
    first.set_addrs(here, there);
    assert_eq!((first.local_addr(), first.peer_addr()), (here, there));
    assert_eq!((second.local_addr(), second.peer_addr()), (None, None));
    // They are those of a connection that a server is given.
    let server = Server::new(|ctx| {
        let text = format!("{} {}", ctx.remote_addr(), ctx.local_addr());
        ctx.set_body(text);
    });
    let server = server.expect("the defaults");
    let serving = background(move || server.serve_conn(first));
    let mut client = client(second);
    assert_eq!(client.get("/").text(), "192.0.2.2:2 192.0.2.1:1");
    drop(client);
    serving.outcome("serving").expect("a good end");
}

fn client(stream: InMemoryStream) -> Client<InMemoryStream> {
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("some time");
    stream.set_write_timeout(Some(SOCKET_LIMIT)).expect("some time");
    Client::over(stream)
}

/// A shutdown ends what waits between two requests, as on a socket.
#[test]
fn utl_01_a_shutdown_ends_a_connection_of_ones_own() {
    let server = Server::new(|ctx| ctx.set_body("served")).expect("the defaults");
    let (ours, theirs) = InMemoryStream::pair();
    let serving = server.clone();
    let serving = background(move || serving.serve_conn(theirs));
    let mut client = client(ours);
    assert_eq!(client.get("/").text(), "served");
    server.shutdown(PATIENCE).expect("an end in time");
    serving.outcome("serving").expect("a good end");
    client.expect_end();
}

struct Served {
    listener: InMemoryListener,
    running: RunningServer,
}

impl Served {
    fn new(options: ServerBuilder, handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Self {
        let listener = InMemoryListener::new();
        let server = options.build(handler).expect("options that go together");
        let running = server.start_all([&listener]).expect("a server");
        Self { listener, running }
    }

    fn client(&self) -> Client<InMemoryStream> {
        client(self.listener.dial().expect("it listens"))
    }

    fn from(&self, address: &str) -> Client<InMemoryStream> {
        client(self.listener.dial_from(address.parse().expect("an address")).expect("it listens"))
    }

    fn end(self) {
        self.running.shutdown(PATIENCE).expect("an end in time");
        self.running.join().expect("a good end");
    }
}

#[test]
fn utl_01_a_server_serves_what_is_dialled() {
    let served = Served::new(Server::builder(), |ctx| {
        let mut body = ctx.body().to_vec();
        body.extend_from_slice(format!(" {}", ctx.conn_request_num()).as_bytes());
        ctx.set_body(body);
    });
    let mut clients: Vec<_> = (0..10).map(|_| served.client()).collect();
    for round in 1..=100 {
        for client in &mut clients {
            assert_eq!(client.exchange(post("/", "body")).text(), format!("body {round}"));
        }
    }
    // Pipelined, and byte by byte.
    let mut pipelining = served.client();
    pipelining.send(get("/").repeat(100));
    (1..=100).for_each(|number| assert_eq!(pipelining.response().text(), format!(" {number}")));
    let mut slow = served.client();
    post("/", "slow").bytes().for_each(|byte| slow.send([byte]));
    assert_eq!(slow.response().text(), "slow 1");
    assert_eq!(served.running.stats().open_connections, 12);
    assert_eq!(served.running.stats().requests, 1101);
    drop((clients, pipelining, slow));
    eventually("all are gone", || served.running.stats().open_connections == 0);
    served.end();
}

/// Nobody runs a handler for a client that has left while its request waited for a worker, as on a socket.
#[test]
fn utl_01_who_leaves_while_its_request_waits_is_given_up() {
    const LEAVING: usize = 10;
    let (gate, entered) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), entered.clone());
    let served = Served::new(Server::builder().shards(1).max_workers(1), move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        held.pass();
    });
    let stats = || served.running.stats();
    // The driver that is overtaken is a worker too, so there may be more of them than one.
    let mut blocked: Vec<_> = (0..20).map(|_| served.client()).collect();
    blocked.iter_mut().for_each(|client| client.send(get("/held")));
    eventually("some wait", || stats().waiting_requests > 0);
    let mut leaving: Vec<_> = (0..LEAVING).map(|_| served.client()).collect();
    leaving.iter_mut().for_each(|client| client.send(get("/held")));
    eventually("they wait", || stats().waiting_requests + entered.load(Ordering::SeqCst) == 20 + LEAVING);
    // Who leaves at once may only have ended its sending.
    std::thread::sleep(Duration::from_millis(150));
    let (entered_before, waiting) = (entered.load(Ordering::SeqCst), stats().waiting_requests);
    drop(leaving);
    eventually("they are given up", || stats().rejections.abandoned == LEAVING as u64);
    assert_eq!(stats().waiting_requests, waiting - LEAVING);
    gate.open();
    for client in &mut blocked {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(entered.load(Ordering::SeqCst), 20, "{entered_before} had begun");
    drop(blocked);
    served.end();
}

/// Ten at once, each with its own connections, as fasthttp's own test does it.
#[test]
fn utl_01_many_dial_at_once() {
    let served = Served::new(Server::builder(), |ctx| ctx.set_body("served"));
    let dialling: Vec<_> = (0..10)
        .map(|_| {
            let listener = served.listener.clone();
            background(move || {
                for _ in 0..50 {
                    let mut client = client(listener.dial().expect("it listens"));
                    assert_eq!(client.get("/").text(), "served");
                }
            })
        })
        .collect();
    dialling.into_iter().for_each(|one| one.outcome("dialling"));
    assert_eq!(served.running.stats().accepted_connections, 500);
    served.end();
}

/// Bodies that do not fit wait for their reader, and hold no thread meanwhile.
#[test]
fn utl_01_large_bodies_in_both_directions() {
    const SIZE: usize = 3 << 20;
    let served = Served::new(Server::builder().shards(1), |ctx| {
        let body = ctx.body().to_vec();
        ctx.set_body(body);
    });
    let body = "0123456789abcdef".repeat(SIZE / 16);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut client = served.client();
            client.send(post("/", &body));
            client
        })
        .collect();
    assert_eq!(served.client().exchange(post("/", "small")).text(), "small");
    for mut client in waiting {
        assert!(client.response().text() == body, "it is another body");
    }
    served.end();
}

#[test]
fn utl_01_streamed_bodies_handlers_that_block_and_take_overs() {
    let gate = Gate::new();
    let held = gate.clone();
    let served =
        Served::new(Server::builder().shards(1).stream_request_body(true), move |ctx| match ctx.path() {
            "/held" => held.pass(),
            "/upload" => {
                let count = io::copy(&mut ctx.body_reader(), &mut io::sink()).expect("a body");
                ctx.set_body(count.to_string());
            }
            "/written" => {
                ctx.response.set_body_writer(|out| (0..100).try_for_each(|_| out.write_all(&[b'x'; 10_000])))
            }
            "/taken" => {
                ctx.set_status_code(101);
                ctx.response.set_header("Upgrade", "echo");
                ctx.response.set_header("Connection", "Upgrade");
                ctx.hijack(|conn| drop(io::copy(&mut &conn, &mut &conn)));
            }
            _ => {}
        });
    let mut blocked = served.client();
    blocked.send(get("/held"));
    assert_eq!(served.client().get("/").status, 200, "nobody is held up");
    let mut uploading = served.client();
    uploading.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    for _ in 0..20 {
        uploading.send([b'x'; 10_000]);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(uploading.response().text(), "200000");
    assert_eq!(served.client().get("/written").body.len(), 1_000_000);
    let mut taken = served.client();
    assert_eq!(taken.get("/taken").status, 101);
    let mut stream = taken.stream().clone();
    stream.write_all(b"echoed").expect("room");
    let mut room = [0; 6];
    stream.read_exact(&mut room).expect("an echo");
    assert_eq!(&room, b"echoed");
    drop((stream, taken));
    gate.open();
    assert_eq!(blocked.response().status, 200);
    served.end();
}

#[test]
fn utl_01_limits_and_timeouts_are_those_of_sockets() {
    let options = Server::builder()
        .max_conns_per_ip(1)
        .read_header_timeout(Duration::from_millis(50))
        .idle_timeout(Duration::from_millis(60));
    let served = Served::new(options, |ctx| ctx.set_body(ctx.remote_addr().to_string()));
    let mut first = served.from("192.0.2.1:1");
    assert_eq!(first.get("/").text(), "192.0.2.1:1");
    let mut second = served.from("192.0.2.1:2");
    assert_eq!(second.response().status, 429);
    assert_eq!(served.from("192.0.2.2:1").get("/").text(), "192.0.2.2:1");
    // Without an address nobody is counted.
    assert_eq!([served.client(), served.client()].map(|mut client| client.get("/").status), [200; 2]);
    first.expect_end();
    let mut slow = served.client();
    slow.send("GET / HT");
    assert_eq!(slow.response().status, 408);
    slow.expect_end();
    let mut silent = served.client();
    silent.expect_end();
    served.end();
}

#[test]
fn utl_01_a_shutdown_answers_what_is_under_way_and_ends_the_listener() {
    let gate = Gate::new();
    let held = gate.clone();
    let served = Served::new(Server::builder(), move |ctx| {
        if ctx.path() == "/held" {
            held.pass();
        }
        ctx.set_body("answered");
    });
    let (mut idle, mut under_way) = (served.client(), served.client());
    idle.get("/");
    under_way.send(get("/held"));
    eventually("it is handled", || !served.running.requests_in_flight().is_empty());
    let server = served.running.server().clone();
    let ends = background(move || server.shutdown(PATIENCE));
    idle.expect_end();
    eventually("nobody can dial", || served.listener.dial_timeout(SHORT).is_err());
    assert_eq!(kind(served.listener.dial()), ErrorKind::ConnectionRefused);
    assert!(!ends.is_finished());
    gate.open();
    assert_eq!(under_way.response().text(), "answered");
    ends.outcome("the shutdown").expect("an end in time");
    served.running.join().expect("a good end");
    under_way.expect_end();
}

#[test]
fn utl_01_dials_wait_for_somebody_and_end_with_the_listener() {
    let listener = InMemoryListener::new();
    assert_eq!(kind(listener.dial_timeout(SHORT)), ErrorKind::TimedOut);
    let dial = || {
        let listener = listener.clone();
        background(move || listener.dial())
    };
    let [first, second] = [dial(), dial()];
    std::thread::sleep(SHORT);
    assert!(!first.is_finished() && !second.is_finished());
    // The one that was given up is not among them.
    let mut accepted = listener.accept().expect("somebody dials");
    accepted.write_all(b"hello").expect("room");
    eventually("one was accepted", || first.is_finished() != second.is_finished());
    let waiting = listener.clone();
    listener.close();
    let outcomes = [first.outcome("a dial"), second.outcome("a dial")];
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 1));
    assert!(bad.into_iter().all(|error| kind(error) == ErrorKind::ConnectionRefused));
    // It goes on.
    let mut room = [0; 5];
    good.into_iter().flatten().for_each(|mut stream| stream.read_exact(&mut room).expect("bytes"));
    assert_eq!(&room, b"hello");
    assert_eq!(kind(waiting.accept()), ErrorKind::NotConnected);
    assert_eq!(kind(waiting.dial()), ErrorKind::ConnectionRefused);
}

#[test]
fn utl_01_a_wait_for_somebody_who_dials_ends_with_the_listener() {
    let listener = InMemoryListener::new();
    let accepting = listener.clone();
    let accepts = background(move || accepting.accept().map_err(|error| error.kind()).map(drop));
    std::thread::sleep(SHORT);
    assert!(!accepts.is_finished());
    listener.close();
    assert_eq!(accepts.outcome("accepting"), Err(ErrorKind::NotConnected));
}

/// A server whose listener somebody closes is told so, as of any other that does not listen any more.
#[test]
fn utl_01_a_listener_that_is_closed_ends_serving() {
    let listener = InMemoryListener::new();
    let server = Server::new(|ctx| ctx.set_body("served")).expect("the defaults");
    let (serving, waits) = (server.clone(), listener.clone());
    let serving = background(move || serving.serve(waits));
    let mut client = client(listener.dial().expect("it listens"));
    assert_eq!(client.get("/").text(), "served");
    listener.close();
    let error = serving.outcome("serving").expect_err("it is closed");
    assert!(error.to_string().contains("the listener is closed"), "{error}");
    assert_eq!(client.get("/").text(), "served", "who is there is served");
    server.shutdown(PATIENCE).expect("an end in time");
}

/// A listener that a server was given, and does not serve, is closed like one that it has served: nobody else accepts.
#[test]
fn utl_01_a_listener_that_is_not_served_after_all_is_closed() {
    let (gate, listener) = (Gate::new(), InMemoryListener::new());
    let dial = |listener: &InMemoryListener| {
        let listener = listener.clone();
        background(move || listener.dial())
    };

    // The shutdown came before there was anything to serve.
    let waits = dial(&listener);
    let server = Server::new(|_| {}).expect("the defaults");
    server.shutdown(PATIENCE).expect("nothing is under way");
    server.serve(&listener).expect("there is nothing to do");
    assert_eq!(kind(waits.outcome("a dial")), ErrorKind::ConnectionRefused);

    // A shutdown is under way, so this is an error.
    let held = gate.clone();
    let served = Served::new(Server::builder(), move |_| held.pass());
    let mut client = served.client();
    client.send(get("/"));
    eventually("it is handled", || !served.running.requests_in_flight().is_empty());
    let server = served.running.server().clone();
    let ends = background(move || server.shutdown(PATIENCE));
    eventually("nobody can dial", || served.listener.dial_timeout(SHORT).is_err());
    let [first, second] = [InMemoryListener::new(), InMemoryListener::new()];
    let waiting = [dial(&first), dial(&second)];
    served.running.serve_all([&first, &second]).expect_err("it is shutting down");
    for dial in waiting {
        assert_eq!(kind(dial.outcome("a dial")), ErrorKind::ConnectionRefused);
    }
    gate.open();
    assert_eq!(client.response().status, 200);
    ends.outcome("the shutdown").expect("an end in time");
    served.running.join().expect("a good end");
}

/// Who leaves between two requests costs no thread, also where each request would.
#[test]
fn utl_01_who_leaves_between_two_requests_needs_no_thread() {
    let served = Served::new(Server::builder().shards(1), |_| std::thread::sleep(SHORT));
    let mut clients: Vec<_> = (0..5).map(|_| served.client()).collect();
    for _ in 0..4 {
        clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    }
    eventually("all are idle", || served.running.stats().connections.idle == 5);
    let before = served.running.stats().dispatched_requests;
    assert!(before > 0, "it is known that they block");
    drop(clients);
    eventually("all are gone", || served.running.stats().open_connections == 0);
    assert_eq!(served.running.stats().dispatched_requests, before);
    served.end();
}

#[test]
fn utl_01_addresses_of_a_listener() {
    let listener = InMemoryListener::new();
    assert_eq!(listener.local_addr(), None);
    let here: SocketAddr = "192.0.2.7:80".parse().expect("an address");
    listener.set_local_addr(Some(here));
    let server = Server::new(|ctx| {
        let text = format!("{} {}", ctx.remote_addr(), ctx.local_addr());
        ctx.set_body(text);
    });
    let running = server.expect("the defaults").start_all([&listener]).expect("a server");
    assert_eq!(running.local_addr(), here);
    let from = "198.51.100.7:4711".parse().expect("an address");
    let stream = listener.dial_from(from).expect("it listens");
    assert_eq!((stream.local_addr(), stream.peer_addr()), (Some(from), Some(here)));
    assert_eq!(client(stream).get("/").text(), "198.51.100.7:4711 192.0.2.7:80");
    let stream = listener.dial().expect("it listens");
    assert_eq!(client(stream).get("/").text(), "0.0.0.0:0 192.0.2.7:80");
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}
