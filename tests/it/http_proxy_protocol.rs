//! The PROXY protocol: who it names is the peer, for everybody who asks, and what does not name anybody properly is
//! closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::{AccessLog, ConnOptions, Listener, RequestCtx, RunningServer, Server, ServerBuilder};
use anthill_tests::client::{Client, SOCKET_LIMIT, get};
use anthill_tests::notes::Notes;
use anthill_tests::{Gate, PATIENCE, background, eventually, logs, planned_panic};

const V1: &[u8] = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n";
const NAMED: &str = "198.51.100.7:4711 203.0.113.1:443 http";
const MARK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with these two bytes behind its mark.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [MARK, &[command, family], &length, rest].concat()
}

fn v2_of(client: [u8; 4]) -> Vec<u8> {
    v2(0x21, 0x11, &[&client[..], &[203, 0, 113, 1, 0x12, 0x67, 1, 0xbb]].concat())
}

fn tell(ctx: &mut RequestCtx) {
    let text = format!("{} {} {}", ctx.remote_addr(), ctx.local_addr(), ctx.scheme());
    ctx.set_body(text);
}

/// A server to whose one listener proxies connect.
struct Proxied {
    running: RunningServer,
}

impl Proxied {
    fn new(options: ServerBuilder) -> Self {
        Self::with(options, tell)
    }

    fn with(options: ServerBuilder, handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Self {
        let listener = Server::listen("127.0.0.1:0").expect("a free port");
        let server = options.build(handler).expect("options that go together");
        let running = server.start_all([Listener::from(listener).proxy_protocol(true)]);
        Self { running: running.expect("a server") }
    }

    fn client(&self) -> Client {
        Client::connect(self.running.local_addr())
    }

    /// A client that such a header names.
    fn named(&self, header: impl AsRef<[u8]>) -> Client {
        let mut client = self.client();
        client.send(header);
        client
    }

    /// Whether one more client finds a place, and is served.
    fn serves_another(&self) -> bool {
        let mut client = TcpStream::connect(self.running.local_addr()).expect("it listens");
        client.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let request = [V1, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"].concat();
        let mut answer = String::new();
        let answered = client.write_all(&request).and_then(|()| client.read_to_string(&mut answer));
        answered.is_ok() && answer.ends_with(NAMED)
    }

    fn refused(&self) -> u64 {
        self.running.stats().rejections.proxy_header
    }

    fn end(self) {
        self.running.shutdown(PATIENCE).expect("an end in time");
        self.running.join().expect("a good end");
    }
}

#[test]
fn headers_of_both_versions_name_the_client() {
    let proxied = Proxied::new(Server::builder());
    let v6 = [&[0x20, 1][..], &[0; 13], &[7], &[0; 15], &[1], &[0, 80, 1, 0]].concat();
    let tls = [&v2_of([198, 51, 100, 7])[16..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for (header, seen) in [
        (V1.to_vec(), NAMED),
        (b"PROXY TCP6 2001::7 ::1 80 256\r\n".to_vec(), "[2001::7]:80 [::1]:256 http"),
        (v2_of([198, 51, 100, 7]), NAMED),
        (v2(0x21, 0x21, &v6), "[2001::7]:80 [::1]:256 http"),
        (v2(0x21, 0x11, &tls), "198.51.100.7:4711 203.0.113.1:443 https"),
        // There is no address to be named.
        (v2(0x21, 0x31, &[b'/'; 216]), "0.0.0.0:0 0.0.0.0:0 http"),
    ] {
        let request = get("/");
        let all = [&header, request.as_bytes()].concat();
        // In one piece, the header apart, and byte by byte.
        for size in [all.len(), header.len(), 1] {
            let mut client = proxied.client();
            all.chunks(size).for_each(|piece| client.send(piece));
            assert_eq!(client.response().text(), seen, "in pieces of {size}");
            assert_eq!(client.get("/again").text(), seen);
        }
        // With more than one request behind it.
        let mut client = proxied.named([&all[..], request.as_bytes()].concat());
        assert_eq!([client.response().text(), client.response().text()], [seen; 2]);
    }
    assert_eq!(proxied.refused(), 0);
    proxied.end();
}

#[test]
fn headers_that_name_nobody_leave_the_proxys_own_address() {
    let proxied = Proxied::new(Server::builder());
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 198.51.100.7 203.0.113.1 4711 443\r\n".to_vec(),
        v2(0x20, 0x00, b""),
        v2(0x20, 0x11, &[198, 51, 100, 7, 203, 0, 113, 1, 1, 1, 1, 1]),
        v2(0x21, 0x00, b"anything"),
    ] {
        let mut client = proxied.named(header);
        let [own, there] = [client.stream().local_addr(), client.stream().peer_addr()];
        let seen = format!("{} {} http", own.expect("an address"), there.expect("an address"));
        assert_eq!(client.get("/").text(), seen);
    }
    proxied.end();
}

#[test]
fn what_is_no_header_is_closed_without_an_answer() {
    logs::collect();
    let proxied = Proxied::new(Server::builder());
    for (number, (bytes, why)) in [
        (get("/").into_bytes(), "it does not begin with one"),
        (b"\x16\x03\x01\x02\0\x01\0".to_vec(), "it does not begin with one"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n".to_vec(), "its line does not end with CR LF"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 99999\r\n".to_vec(), "a port in it is no number"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), "an address in it is none of its protocol"),
        ([b"PROXY UNKNOWN ", &[b'x'; 100][..]].concat(), "it is too long"),
        (v2(0x21, 0x13, &[0; 12]), "its protocol is none that is known"),
        (v2(0x31, 0x11, &[0; 12]), "its version is none"),
        (v2(0x23, 0x11, &[0; 12]), "its command is none"),
        (v2(0x21, 0x11, &[0; 11]), "it is shorter than its addresses"),
        (v2(0x21, 0x11, &[&[0; 12][..], &[3, 0, 4, 1, 2, 3, 4]].concat()), "its checksum is wrong"),
        (v2(0x21, 0x11, &[&[0; 12][..], &[4, 0]].concat()), "an extension in it is malformed"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = proxied.named(&bytes);
        let own = client.stream().local_addr().expect("an address");
        // What was sent behind it may not have been read, so the end may be a reset.
        assert_eq!(client.rest().unwrap_or_default(), b"", "{}", bytes.escape_ascii());
        let line =
            format!("closed a connection from {own}: it has no PROXY header that is well-formed: {why}");
        eventually("the log is told", || logs::with("anthill_http::refused", &line).len() == 1);
        assert_eq!(proxied.refused(), number as u64 + 1);
    }
    // The end is as good as any other bytes.
    let mut client = proxied.named(&V1[..V1.len() - 1]);
    client.finish_sending();
    client.expect_end();
    eventually("it is counted", || proxied.refused() == 13);
    assert_eq!(proxied.running.stats().responses.total(), 0);
    assert_eq!(proxied.named(V1).get("/").text(), NAMED, "others are served");
    proxied.end();
}

#[test]
fn a_header_has_the_time_of_a_head_and_costs_no_thread() {
    // Whoever has said nothing is answered 408 on request, but not while it is a proxy's.
    let options = Server::builder().answer_silent_conns(true);
    let options = options.shards(1).max_workers(1).read_header_timeout(Duration::from_millis(300));
    let proxied = Proxied::new(options);
    let mut silent: Vec<_> = (0..50).map(|_| proxied.client()).collect();
    let mut begun: Vec<_> = (0..50).map(|_| proxied.named(&V1[..20])).collect();
    // More than there are threads, and one that is served meanwhile.
    assert_eq!(proxied.named(V1).get("/").text(), NAMED);
    // Whoever trickles has no more time than others.
    let mut trickling = proxied.client();
    for byte in [b"PROXY UNKNOWN ", &[b'x'; 90][..]].concat() {
        if trickling.try_send([byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(trickling.rest().unwrap_or_default(), b"");
    for client in silent.iter_mut().chain(&mut begun) {
        client.expect_end();
    }
    eventually("all are counted", || proxied.refused() == 101);
    assert_eq!(proxied.running.stats().rejections.timed_out, 0, "nobody was answered 408");
    proxied.end();
}

#[test]
fn only_trusted_proxies_may_name_anybody() {
    for (networks, is_taken) in [(&["127.0.0.0/8"][..], true), (&["10.0.0.0/8", "unix"], false), (&[], false)]
    {
        let proxied = Proxied::new(Server::builder().trusted_proxies(networks));
        let mut client = proxied.client();
        let _ = client.try_send([V1, get("/").as_bytes()].concat());
        if is_taken {
            assert_eq!(client.response().text(), NAMED);
        } else {
            assert_eq!(client.rest().unwrap_or_default(), b"");
        }
        eventually("it is counted", || proxied.refused() == u64::from(!is_taken));
        proxied.end();
    }
}

/// Whoever is named is the peer, whose word counts only if it is trusted itself.
#[test]
fn fields_are_believed_of_whom_the_header_names() {
    let proxied = Proxied::new(Server::builder().trusted_proxies(["127.0.0.1", "10.0.0.0/8"]));
    let request = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n";
    for (client, seen) in [([10, 1, 1, 1], "6.6.6.6:0"), ([198, 51, 100, 7], "198.51.100.7:4711")] {
        let text = proxied.named(v2_of(client)).exchange(request).text().to_owned();
        assert!(text.starts_with(&format!("{seen} ")), "{text}");
    }
    proxied.end();
}

#[test]
fn connections_are_counted_for_whom_they_are() {
    let proxied = Proxied::new(Server::builder().max_conns_per_ip(2));
    let [one, other] = [v2_of([198, 51, 100, 7]), v2_of([198, 51, 100, 8])];
    let mut kept: Vec<_> = (0..2).map(|_| proxied.named(&one)).collect();
    kept.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    let mut third = proxied.named([&one, get("/").as_bytes()].concat());
    assert_eq!(third.response().status, 429);
    third.expect_end();
    // The proxy itself has as many as it likes.
    let mut others: Vec<_> = (0..2).map(|_| proxied.named(&other)).collect();
    others.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    let silent: Vec<_> = (0..5).map(|_| proxied.client()).collect();
    eventually("all are there", || proxied.running.stats().open_connections == 9);
    assert_eq!(proxied.running.stats().rejections.per_ip, 1);
    drop(kept.pop());
    eventually("its place is free", || proxied.running.stats().open_connections == 8);
    assert_eq!(proxied.named(&one).get("/").status, 200);
    drop((kept, others, silent));
    eventually("all are gone", || proxied.running.stats().open_connections == 0);
    // Nothing was left counted.
    let mut again: Vec<_> = (0..2).map(|_| proxied.named(&one)).collect();
    again.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    proxied.end();
}

/// How a refusal looks is up to the user's code, which may wait, and may panic: its shard is driven by somebody else
/// meanwhile.
#[test]
fn how_a_refusal_looks_holds_up_nobody_else() {
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), asked.clone());
    let options = Server::builder().shards(1).max_conns_per_ip(1);
    let proxied = Proxied::new(options.error_body(move |response, report| {
        assert_eq!(report.status(), 429);
        count.fetch_add(1, Ordering::SeqCst);
        held.pass();
        if count.load(Ordering::SeqCst) > 1 {
            planned_panic();
        }
        response.set_body("another time");
    }));
    let [one, other] = [v2_of([198, 51, 100, 7]), v2_of([198, 51, 100, 8])];
    let mut kept = proxied.named(&one);
    assert_eq!(kept.get("/").status, 200);
    let mut refused = proxied.named([&one, get("/").as_bytes()].concat());
    eventually("it is asked for", || asked.load(Ordering::SeqCst) == 1);
    assert_eq!(kept.get("/").status, 200);
    assert_eq!(proxied.named(&other).get("/").status, 200);
    gate.open();
    let answer = refused.response();
    assert_eq!((answer.status, answer.text()), (429, "another time"));
    refused.expect_end();
    let mut refused = proxied.named([&one, get("/").as_bytes()].concat());
    let answer = refused.response();
    assert_eq!(answer.status, 429);
    assert!(answer.text().starts_with("The number of connections"), "{}", answer.text());
    refused.expect_end();
    assert_eq!((kept.get("/").status, asked.load(Ordering::SeqCst)), (200, 2));
    proxied.end();
}

#[test]
fn observers_are_told_of_whom_it_names_and_of_nobody_else() {
    let (notes, log) = (Notes::default(), Arc::new(Mutex::new(Vec::new())));
    let states = notes.clone();
    let options = Server::builder()
        .max_conns_per_ip(1)
        .access_log(AccessLog::common(Shared(log.clone())))
        .conn_state(move |conn, state| {
            states.add(format!("{state} {}", conn.remote_addr().expect("an address")));
        });
    let proxied = Proxied::new(options);
    let mut client = proxied.named([V1, get("/logged").as_bytes()].concat());
    client.response();
    let told = |state: &str| format!("{state} 198.51.100.7:4711");
    assert_eq!(notes.take(3), ["new", "active", "idle"].map(told));
    // Who is refused has been there, too.
    assert_eq!(proxied.named([V1, get("/").as_bytes()].concat()).response().status, 429);
    assert_eq!(notes.take(2), ["new", "closed"].map(told));
    drop(client);
    assert_eq!(notes.take(1), ["closed"].map(told));
    // Nobody knows who that was.
    assert_eq!(proxied.named("nonsense").rest().unwrap_or_default(), b"");
    drop(proxied.client());
    eventually("both are gone", || proxied.running.stats().open_connections == 0);
    drop(proxied.named(V1));
    assert_eq!(notes.take(2), ["new", "closed"].map(told));
    let text = String::from_utf8(log.lock().expect("nobody panics").clone()).expect("text");
    assert!(
        text.starts_with("198.51.100.7 - - [") && text.contains("\"GET /logged HTTP/1.1\" 200 "),
        "{text}"
    );
    proxied.end();
}

/// A request whose context is gone is still that of whom the header names.
#[test]
fn a_request_whose_context_was_kept_is_that_of_whom_it_names() {
    let notes = Notes::default();
    let told = notes.clone();
    let options = Server::builder().conn_state(|_, _| {}).on_complete(move |completed| {
        let client = completed.conn().remote_addr().expect("an address");
        told.add(format!("{} {client} {}", completed.outcome(), completed.conn().id() != 0));
    });
    let proxied = Proxied::with(options, |ctx| drop(std::mem::take(ctx)));
    let mut client = proxied.named([V1, get("/").as_bytes()].concat());
    assert!(client.rest().is_ok_and(|rest| rest.is_empty()));
    assert_eq!(notes.take(1), ["context kept 198.51.100.7:4711 true"]);
    proxied.end();
}

/// Who finds no place is answered before it could say whose it is, so nobody is told of it.
#[test]
fn who_finds_no_place_before_it_is_named_is_told_to_nobody() {
    let (notes, gate) = (Notes::default(), Gate::new());
    let (states, held) = (notes.clone(), gate.clone());
    let options = Server::builder().concurrency(1).conn_state(move |conn, state| {
        states.add(format!("{state} {}", conn.remote_addr().expect("an address")));
    });
    let proxied = Proxied::with(options, move |_| held.pass());
    let told = |state: &str| format!("{state} 198.51.100.7:4711");
    let mut first = proxied.named([V1, get("/").as_bytes()].concat());
    assert_eq!(notes.take(2), ["new", "active"].map(told));
    let mut second = proxied.client();
    assert_eq!(second.response().status, 503);
    second.expect_end();
    gate.open();
    assert_eq!(first.response().status, 200);
    drop(first);
    assert_eq!(notes.take(2), ["idle", "closed"].map(told));
    proxied.end();
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One server, several listeners, each with its own rule.
#[test]
fn each_listener_says_for_itself_whether_it_is_spoken() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let plain = Server::listen("127.0.0.1:0").expect("a free port");
    let proxied = Server::listen("127.0.0.1:0").expect("a free port");
    let addresses = [&plain, &proxied].map(|listener| listener.local_addr().expect("it listens"));
    let unix = Server::listen_unix(&path, 0o600).expect("a free path");
    let server = Server::new(|ctx| {
        let peer =
            ctx.peer_credentials().map(|peer| peer.pid().map(i32::unsigned_abs) == Some(std::process::id()));
        ctx.set_body(format!("{} {peer:?}", ctx.remote_addr()));
    });
    let listeners = [
        Listener::from(plain),
        Listener::from(proxied).proxy_protocol(true),
        Listener::from(unix).proxy_protocol(true),
    ];
    let running = server.expect("the defaults").start_all(listeners).expect("a server");
    assert_eq!(running.local_addrs(), addresses);

    let mut client = Client::connect(addresses[0]);
    let own = client.stream().local_addr().expect("an address");
    assert_eq!(client.get("/").text(), format!("{own} None"));
    let mut client = Client::connect(addresses[1]);
    client.send(V1);
    assert_eq!(client.get("/").text(), "198.51.100.7:4711 None");
    for (header, seen) in [
        (V1.to_vec(), "198.51.100.7:4711 None"),
        // The proxy speaks for itself.
        (v2(0x20, 0, b""), "0.0.0.0:0 Some(true)"),
        // Its client has none that would be known here.
        (v2(0x21, 0x31, &[b'/'; 216]), "0.0.0.0:0 None"),
    ] {
        let stream = UnixStream::connect(&path).expect("somebody listens there");
        stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let mut client = Client::over(stream);
        client.send(header);
        assert_eq!(client.get("/").text(), seen);
    }
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}

#[test]
fn a_shutdown_does_not_wait_for_headers() {
    let proxied = Proxied::new(Server::builder());
    let mut waiting = [proxied.client(), proxied.named(&V1[..10])];
    eventually("both are there", || proxied.running.stats().open_connections == 2);
    proxied.end();
    waiting.iter_mut().for_each(Client::expect_end);
}

/// Whoever has not said anything makes room, as on any other listener.
#[test]
fn connections_without_a_header_make_room() {
    let proxied = Proxied::new(Server::builder().concurrency(1));
    for begun in [&b""[..], &V1[..10]] {
        let mut waiting = proxied.named(begun);
        eventually("it is there", || proxied.running.stats().connections.new == 1);
        // It may be that what it has sent is just being looked at: then it does not wait.
        eventually("there is room", || proxied.serves_another());
        waiting.expect_end();
        eventually("it is gone", || proxied.running.stats().open_connections == 0);
    }
    assert_eq!(proxied.refused(), 0);
    proxied.end();
}

#[test]
fn connections_of_ones_own_may_begin_with_one() {
    let server =
        Server::builder().trusted_proxies(["127.0.0.1"]).build(tell).expect("options that go together");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let connect = |options: ConnOptions| {
        let client = TcpStream::connect(address).expect("it listens");
        client.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let (stream, server) = (listener.accept().expect("the client").0, server.clone());
        let serving = background(move || server.serve_conn_with(stream, options.proxy_protocol(true)));
        (client, serving)
    };
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    let all = [V1, request].concat();
    for size in [all.len(), V1.len(), 1] {
        let (mut client, serving) = connect(ConnOptions::new());
        client.set_nodelay(true).expect("an option of every TCP socket");
        all.chunks(size).for_each(|piece| client.write_all(piece).expect("it is read"));
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with(&format!("\r\n\r\n{NAMED}")), "{answer}");
        serving.outcome("serving").expect("a connection that ends well");
    }
    let elsewhere: SocketAddr = "192.0.2.1:1".parse().expect("an address");
    for (options, bytes, why) in [
        (ConnOptions::new(), &request[..], "it does not begin with one"),
        (ConnOptions::new(), &V1[..20], "it ended before its PROXY header was whole"),
        (ConnOptions::new().remote_addr(elsewhere), V1, "its peer is none of `trusted_proxies`"),
    ] {
        let (mut client, serving) = connect(options);
        let _ = client.write_all(bytes);
        let _ = client.shutdown(std::net::Shutdown::Write);
        let error = serving.outcome("serving").expect_err(why);
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(error.is_io() && cause.contains(why), "{cause}");
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
    assert_eq!(server.stats().rejections.proxy_header, 3);
    // A shutdown ends what waits for one.
    let (_client, serving) = connect(ConnOptions::new());
    eventually("it is served", || server.stats().open_connections == 1);
    server.shutdown(PATIENCE).expect("an end in time");
    serving.outcome("serving").expect_err("it never began");
}
