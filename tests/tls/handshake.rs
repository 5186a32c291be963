//! Handshakes in their hardest states: clients that are silent, slow, torn, gone or many; a server that stops, or whose
//! threads are all taken.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::processes::{ThreadLimit, apart_without_privileges};
use anthill_tests::server::skip;
use anthill_tests::tls::{
    Authority, BOTH, TLS12, TLS13, hello, session, shake, socket, trusting, try_connect,
};
use anthill_tests::{Gate, PATIENCE, eventually, logs};

use crate::agreed::Https;

const NAME: &str = "site.example";

fn hi(ctx: &mut RequestCtx) {
    ctx.set_body("hi");
}

/// Whether the server ends a connection on which nothing is sent any more, without a word that means anything.
fn is_cut(mut stream: &TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn tls_02_a_silent_client_is_cut_at_the_shorter_of_two_limits() {
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(3600));
    for (read, head) in [(short, long), (long, short)] {
        let options = Server::builder().read_timeout(read).read_header_timeout(head);
        let https = Https::new(options, hi);
        let mut first = hello(&mut session(&https.config(), NAME));
        let whole = first.len();
        for sent in [0, 1, whole / 2, whole] {
            let mut stream = socket(https.address());
            stream.write_all(&first[..sent]).expect("it is open");
            assert!(is_cut(&stream), "having sent {sent} of {whole}");
        }
        // What it is told before that it need not read.
        first.truncate(whole);
        assert_eq!(https.running.stats().rejections.tls_handshake, 4);
        eventually("all are gone", || https.running.stats().open_connections == 0);
        https.end();
    }
}

#[test]
fn tls_02_who_trickles_has_no_more_time_than_others() {
    let limit = Duration::from_millis(400);
    let https = Https::new(Server::builder().read_header_timeout(limit), hi);
    let mut stream = socket(https.address());
    let first = hello(&mut session(&https.config(), NAME));
    let begun = Instant::now();
    let mut sent = 0;
    // Far more often than the limit; the limit is one for all.
    for byte in &first {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(20));
        if begun.elapsed() > SOCKET_LIMIT {
            break;
        }
    }
    assert!(sent < first.len(), "it was cut in the middle");
    assert_eq!(https.running.stats().rejections.tls_handshake, 1);
    https.end();
}

#[test]
fn tls_02_the_first_request_has_time_of_its_own() {
    let limit = Duration::from_millis(1500);
    let https = Https::new(Server::builder().read_header_timeout(limit), hi);
    let stream = socket(https.address());
    std::thread::sleep(limit * 2 / 3);
    let mut client = Client::over(shake(stream, session(&https.config(), NAME)).expect("a handshake"));
    std::thread::sleep(limit * 2 / 3);
    assert_eq!(client.get("/").text(), "hi");
    // And no more: another one is cut, by an end that is said.
    let mut silent = https.client();
    silent.expect_end();
    https.end();
}

/// Whoever has shaken hands is answered, where that is asked for; whoever has not could not read it.
#[test]
fn tls_02_silence_is_answered_in_private_or_not_at_all() {
    let options = Server::builder().answer_silent_conns(true).read_header_timeout(Duration::from_millis(300));
    let https = Https::new(options, hi);
    let mut silent = https.client();
    let mut mute = socket(https.address());
    let reply = silent.response();
    assert_eq!((reply.status, reply.field("connection")), (408, Some("close")));
    silent.expect_end();
    let mut heard = Vec::new();
    mute.read_to_end(&mut heard).expect("an end");
    assert_eq!(heard, b"");
    https.end();
}

/// Passes on what is written in pieces of some bytes.
pub(crate) struct Torn(pub(crate) TcpStream, pub(crate) usize);

impl Read for Torn {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let most = room.len().min(self.1);
        self.0.read(&mut room[..most])
    }
}

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(self.1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn tls_02_handshakes_may_come_in_any_pieces() {
    let https = Https::new(Server::builder(), hi);
    for versions in [TLS12, TLS13] {
        let config = Arc::new(trusting(&https.authority, versions));
        for size in [1, 2, 5, 6, 100, 1000] {
            let torn = Torn(socket(https.address()), size);
            let mut client = Client::over(shake(torn, session(&config, NAME)).expect("a handshake"));
            assert_eq!(client.get("/").text(), "hi", "in pieces of {size}");
            assert_eq!(client.get("/").text(), "hi", "in pieces of {size}");
        }
    }
    assert_eq!(https.running.stats().rejections.tls_handshake, 0);
    https.end();
}

/// A request that comes with the last flight of the handshake is reported by nobody.
#[test]
fn tls_02_what_comes_with_the_end_of_the_handshake_is_served() {
    let https = Https::new(Server::builder(), hi);
    for versions in [TLS12, TLS13] {
        let config = Arc::new(trusting(&https.authority, versions));
        let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
        stream.write_all(&hello(&mut session)).expect("it is open");
        session.writer().write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("memory");
        while session.is_handshaking() {
            session.read_tls(&mut stream).expect("the server's flight");
            session.process_new_packets().expect("it is well-formed");
            if session.is_handshaking() && session.wants_write() && versions == TLS12 {
                stream.write_all(&hello(&mut session)).expect("it is open");
            }
        }
        stream.write_all(&hello(&mut session)).expect("it is open");
        let mut client = Client::over(rustls::StreamOwned::new(session, stream));
        assert_eq!(client.response().text(), "hi");
    }
    https.end();
}

#[test]
fn tls_02_what_is_no_handshake_is_closed_and_counted() {
    let https = Https::new(Server::builder(), hi);
    logs::collect();
    let mut record_of_nothing = vec![22, 3, 1, 0, 200];
    record_of_nothing.extend([0xab; 200]);
    let cases: [&[u8]; 6] = [
        b"\x80\x2e\x01\x00\x02",
        b"\0\0\0\0",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x02\x01\x00\x01\x01",
        b"\x15\x03\x01\x00\x02\x02\x28",
        &record_of_nothing,
    ];
    for (count, bytes) in (1..).zip(cases) {
        let mut stream = socket(https.address());
        stream.write_all(bytes).expect("it is open");
        assert!(is_cut(&stream), "{bytes:?}");
        eventually("it is counted", || https.running.stats().rejections.tls_handshake == count);
    }
    assert!(!logs::with("anthill_http::refused", "what it began with is no TLS handshake").is_empty());
    assert_eq!(https.client().get("/").text(), "hi");
    https.end();
}

#[test]
fn tls_02_who_looks_whether_the_port_is_open_is_nobodys_concern() {
    let https = Https::new(Server::builder(), hi);
    for is_rude in [false, true] {
        let stream = socket(https.address());
        if is_rude {
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .expect("an option of every socket");
        }
        drop(stream);
    }
    let mut leaves = socket(https.address());
    leaves.write_all(&hello(&mut session(&https.config(), NAME))[..9]).expect("it is open");
    leaves.shutdown(Shutdown::Write).expect("it is open");
    assert!(is_cut(&leaves));
    eventually("all are gone", || https.running.stats().open_connections == 0);
    assert_eq!(https.running.stats().rejections.tls_handshake, 1, "only who had begun");
    https.end();
}

#[test]
fn tls_02_a_shutdown_in_the_middle_waits_for_nobody() {
    let https = Https::new(Server::builder().shards(2), hi);
    let first = hello(&mut session(&https.config(), NAME));
    let mut streams = Vec::new();
    for sent in [0, 1, first.len() / 2, first.len()] {
        let mut stream = socket(https.address());
        stream.write_all(&first[..sent]).expect("it is open");
        streams.push(stream);
    }
    let mut served = https.client();
    assert_eq!(served.get("/").text(), "hi");
    let Https { running, .. } = https;
    eventually("all are there", || running.stats().open_connections == 5);
    running.shutdown(PATIENCE).expect("nobody is waited for");
    running.join().expect("a good end");
    assert!(streams.iter().all(is_cut));
    served.expect_end();
}

#[test]
fn tls_02_handshakes_go_on_while_all_workers_are_taken() {
    let gate = Gate::new();
    let inside = gate.clone();
    let handler = move |ctx: &mut RequestCtx| match ctx.path() {
        "/wait" => inside.pass(),
        _ => ctx.set_body("hi"),
    };
    let options = Server::builder().shards(1).max_workers(2).max_streaming_workers(1);
    let https = Https::new(options, handler);
    // It is learned that handshakes take their time, and that this path does.
    for _ in 0..20 {
        assert_eq!(https.client().get("/").text(), "hi");
    }
    let mut blocked = Vec::new();
    for _ in 0..8 {
        let mut client = https.client();
        client.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
        blocked.push(client);
    }
    eventually("all workers are taken", || https.running.stats().waiting_requests > 0);
    for _ in 0..20 {
        assert_eq!(https.client().get("/").text(), "hi");
    }
    gate.open();
    assert!(blocked.iter_mut().all(|client| client.response().status == 200));
    https.end();
}

/// Who may not do it now leaves it to others only if there are any.
#[test]
fn tls_02_handshakes_that_come_at_once_go_on_when_the_system_gives_no_thread() {
    const NAME_OF_THIS: &str =
        "handshake::tls_02_handshakes_that_come_at_once_go_on_when_the_system_gives_no_thread";
    const TOGETHER: usize = 12;
    let is_run = apart_without_privileges(NAME_OF_THIS, || {
        let mut limit = ThreadLimit::new();
        let options = Server::builder().shards(1).max_idle_worker_duration(Duration::from_millis(20));
        let https = Https::new(options, hi);
        let threads = || https.running.stats().workers.expect("it serves").workers;
        let in_reserve = threads();
        // It is known what they take, and no worker is left of those before.
        for _ in 0..20 {
            assert_eq!(https.client().get("/").text(), "hi");
        }
        eventually("idle workers have ended", || threads() <= in_reserve);
        limit.forbid();
        // More than a driver has time for by itself.
        let config = https.config();
        let asked: Vec<_> = (0..TOGETHER)
            .map(|_| {
                let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
                stream.write_all(&hello(&mut session)).expect("it is open");
                (stream, session)
            })
            .collect();
        for (stream, session) in asked {
            let stream = shake(stream, session).expect("a handshake");
            assert_eq!(Client::over(stream).get("/").text(), "hi");
        }
        assert_eq!(https.running.stats().rejections.turned_away, 0);
        limit.allow();
        https.end();
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}

#[test]
fn limits_on_connections_hold_for_encrypted_ones() {
    let https = Https::new(Server::builder().max_conns_per_ip(2), hi);
    let (mut first, second) = (https.client(), https.client());
    assert!(try_connect(https.address(), &https.config(), NAME).is_err());
    assert_eq!(https.running.stats().rejections.per_ip, 1);
    assert_eq!(first.get("/").text(), "hi");
    drop(second);
    eventually("there is room again", || try_connect(https.address(), &https.config(), NAME).is_ok());
    https.end();

    // Who idles makes room, and is told that it is the end; who is in the middle of a handshake idles, too.
    let https = Https::new(Server::builder().concurrency(2), hi);
    let mut idle = https.client();
    assert_eq!(idle.get("/").text(), "hi");
    let mut second = https.client();
    assert_eq!(second.get("/").text(), "hi");
    let mut third = https.client();
    idle.expect_end();
    assert_eq!(third.get("/").text(), "hi");
    assert_eq!(second.get("/").text(), "hi");
    https.end();
}

#[test]
fn a_client_that_refuses_our_certificate_is_told_to_the_log() {
    logs::collect();
    let https = Https::new(Server::builder(), hi);
    let config = Arc::new(trusting(&Authority::new("another authority"), BOTH));
    let refused = try_connect(https.address(), &config, NAME).expect_err("nobody knows it");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    eventually("it is told", || {
        !logs::with("anthill_http::refused", "received fatal alert: UnknownCA").is_empty()
            || !logs::with("anthill_http::refused", "fatal alert: the peer").is_empty()
    });
    https.end();
}

/// A sequence of numbers that a seed gives.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("a small number")
    }
}

/// Whatever becomes of a handshake on its way, it is the end of that connection alone, and comes soon.
#[test]
fn tls_02_a_handshake_that_is_damaged_ends_its_own_connection_alone() {
    let https = Https::new(Server::builder().shards(2), hi);
    let whole = hello(&mut session(&https.config(), NAME));
    for seed in 0..300 {
        let mut next = numbers(seed + 1);
        let mut bytes = whole.clone();
        for _ in 0..=next(4) {
            let place = next(bytes.len());
            match next(4) {
                0 => bytes.truncate(place.max(1)),
                1 => bytes.insert(place, next(256) as u8),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = next(256) as u8,
            }
            if bytes.is_empty() {
                bytes.push(22);
            }
        }
        let mut stream = socket(https.address());
        let size = 1 + next(bytes.len());
        // The server may have had enough before.
        let _ = bytes.chunks(size).try_for_each(|piece| stream.write_all(piece));
        let _ = stream.shutdown(Shutdown::Write);
        assert!(is_cut(&stream), "seed {seed}");
    }
    assert_eq!(https.client().get("/").text(), "hi");
    eventually("all are gone", || https.running.stats().open_connections == 0);
    https.end();
}

/// The same of what is said once both agree.
#[test]
fn what_is_damaged_behind_the_handshake_ends_its_own_connection_alone() {
    let https = Https::new(Server::builder().shards(2), hi);
    for seed in 0..100 {
        let mut next = numbers(seed + 1);
        let (mut stream, mut session) = (socket(https.address()), session(&https.config(), NAME));
        while session.is_handshaking() {
            session.complete_io(&mut stream).expect("a handshake");
        }
        let mut bytes = hello(&mut session);
        session.writer().write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("memory");
        bytes.extend(hello(&mut session));
        // Not in the header, of which the version says nothing.
        let place = 5 + next(bytes.len() - 5);
        bytes[place] ^= 1 << next(8);
        let size = 1 + next(bytes.len());
        let _ = bytes.chunks(size).try_for_each(|piece| stream.write_all(piece));
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        // What comes are an alert and its end; nothing was answered.
        let _ = stream.read_to_end(&mut rest);
        assert!(https.running.stats().requests == 0, "seed {seed}");
    }
    assert_eq!(https.client().get("/").text(), "hi");
    https.end();
}
