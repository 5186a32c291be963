//! Records in their hardest states: read by the byte, without anything in them and without end, many at once behind a
//! handshake, and with ciphers that panic.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use anthill_http::{HijackedConn, RequestCtx, Server, TlsConfig};
use anthill_tests::client::{Client, get, post};
use anthill_tests::tls::{
    Authority, TLS12, TLS13, TlsStream, connect, hello, session, shake, socket, trusting, try_connect,
};
use anthill_tests::{PATIENCE, eventually, logs};
use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::agreed::Https;
use crate::ciphers::Meddler;
use crate::handshake::Torn;

const NAME: &str = "site.example";
const RECORD: usize = 4000;

fn echo(ctx: &mut RequestCtx) {
    ctx.response.set_body(ctx.request.body());
}

/// Bytes that differ from their neighbours.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

/// Reads as many bytes at a time as the first one says, until the end.
fn read_in_pieces(mut conn: HijackedConn) -> Result<Vec<u8>, ErrorKind> {
    let mut first = [0];
    let mut heard = Vec::new();
    let mut all = || {
        conn.read_exact(&mut first)?;
        let mut room = vec![0; usize::from(first[0])];
        while heard.len() < RECORD {
            match conn.read(&mut room)? {
                0 => break,
                count => heard.extend_from_slice(&room[..count]),
            }
        }
        Ok(())
    };
    let read: std::io::Result<()> = all();
    read.map(|()| heard).map_err(|error| error.kind())
}

/// What a client hears by one call: all that was sent by one, if nothing was before.
fn heard_at_once(stream: &mut TcpStream) -> Vec<u8> {
    let mut room = vec![0; 1 << 16];
    let count = stream.read(&mut room).expect("the server answers");
    room.truncate(count);
    room
}

/// What belongs together leaves together, because each piece for itself is a packet, and wakes a client.
#[test]
fn tls_01_a_handshake_takes_as_few_packets_as_it_can() {
    for versions in [TLS13, TLS12] {
        let https = Https::new(Server::builder(), echo);
        let mut config = trusting(&https.authority, versions);
        // Of who comes back nothing is to be heard at the end.
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        for _ in 0..20 {
            let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
            stream.write_all(&hello(&mut session)).expect("it is open");
            let take = |stream: &mut TcpStream, session: &mut rustls::ClientConnection| {
                let heard = heard_at_once(stream);
                let mut heard = &heard[..];
                while !heard.is_empty() {
                    session.read_tls(&mut heard).expect("room for it");
                    session.process_new_packets().expect("a server as it should be");
                }
            };
            // All of the server's part of the handshake.
            take(&mut stream, &mut session);
            let mut said = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut said).expect("a vector takes it");
            }
            assert_eq!(session.is_handshaking(), versions == TLS12, "something is missing");
            stream.write_all(&said).expect("it is open");
            // The rest of it, or what the client can come back with.
            take(&mut stream, &mut session);
            assert!(!session.is_handshaking());
            assert!(versions == TLS12 || session.tls13_tickets_received() == 2);
        }
        https.end();
    }
}

/// Whoever asks together with the end of the handshake gets what they can come back with together with the answer.
#[test]
fn tls_01_tickets_leave_with_the_first_answer_where_its_request_is_here() {
    let https = Https::new(Server::builder(), echo);
    let config = Arc::new(trusting(&https.authority, TLS13));
    for _ in 0..20 {
        let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
        stream.write_all(&hello(&mut session)).expect("it is open");
        let mut last = Vec::new();
        while session.is_handshaking() {
            session.read_tls(&mut stream).expect("the server's part");
            session.process_new_packets().expect("a server as it should be");
        }
        session.writer().write_all(post("/", "hi").as_bytes()).expect("memory");
        while session.wants_write() {
            session.write_tls(&mut last).expect("a vector takes it");
        }
        stream.write_all(&last).expect("it is open");
        let heard = heard_at_once(&mut stream);
        let (mut heard, mut answer) = (&heard[..], Vec::new());
        while !heard.is_empty() {
            session.read_tls(&mut heard).expect("room for it");
            session.process_new_packets().expect("a server as it should be");
        }
        let rest = session.reader().read_to_end(&mut answer).expect_err("it is open");
        assert_eq!(rest.kind(), ErrorKind::WouldBlock);
        assert!(answer.ends_with(b"\r\n\r\nhi"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(session.tls13_tickets_received(), 2);
    }
    https.end();
}

/// Nobody need ask for anything to be able to come back, nor say more than that they are done.
#[test]
fn tls_01_tickets_come_without_a_request() {
    let https = Https::new(Server::builder(), echo);
    let config = Arc::new(trusting(&https.authority, TLS13));
    let mut stream = try_connect(https.address(), &config, NAME).expect("a handshake");
    while stream.conn.tls13_tickets_received() < 2 {
        stream.conn.read_tls(&mut stream.sock).expect("the server says something");
        stream.conn.process_new_packets().expect("a server as it should be");
    }
    for says_a_part in [false, true] {
        let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
        stream.write_all(&hello(&mut session)).expect("it is open");
        while session.is_handshaking() {
            session.read_tls(&mut stream).expect("the server's part");
            session.process_new_packets().expect("a server as it should be");
        }
        if says_a_part {
            session.writer().write_all(b"GET / HT").expect("memory");
        } else {
            session.send_close_notify();
        }
        let last = hello(&mut session);
        stream.write_all(&last).expect("it is open");
        while session.tls13_tickets_received() < 2 {
            session.read_tls(&mut stream).expect("the server says something");
            session.process_new_packets().expect("a server as it should be");
        }
    }
    https.end();
}

#[test]
fn whoever_takes_a_connection_over_may_read_it_by_the_byte() {
    let (told, tells) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let tell = move |conn: HijackedConn| {
        let told = told.lock().expect("nobody panics").clone();
        told.send(read_in_pieces(conn)).expect("the test waits");
    };
    let takes = tell.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let takes = takes.clone();
        ctx.hijack(takes);
    };
    let authority = Authority::new("an authority");
    let identity = authority.issue(&[NAME]);
    let builder = TlsConfig::builder().certificate_pem(&identity.certificate, &identity.key);
    let config = builder.next_proto("pieces", tell).build().expect("certificates");
    let https = Https::with(Server::builder(), handler, &config, authority);
    for versions in [TLS12, TLS13] {
        for has_protocol in [false, true] {
            for size in [1, 2, 7, 255] {
                let mut config = trusting(&https.authority, versions);
                if has_protocol {
                    config.alpn_protocols = vec![b"pieces".to_vec()];
                }
                let mut client = connect(https.address(), &Arc::new(config), NAME);
                if !has_protocol {
                    assert_eq!(client.get("/").status, 200);
                }
                client.send([&[size][..], &pattern(RECORD)].concat());
                let heard = tells.recv_timeout(PATIENCE).expect("it is told");
                assert!(
                    heard == Ok(pattern(RECORD)),
                    "{size} at a time: {:?}",
                    heard.map(|heard| heard.len())
                );
            }
        }
    }
    https.end();
}

/// A client whose records have nothing in them where it writes `nothing`.
fn hollow(https: &Https) -> TlsStream {
    let writes = |data: &mut Vec<u8>| {
        if data == b"nothing" {
            data.clear();
        }
    };
    let provider = Meddler { writes, reads: |_| () }.provider();
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(TLS13)
        .expect("versions")
        .with_root_certificates(https.authority.roots())
        .with_no_client_auth();
    connect(https.address(), &Arc::new(config), NAME).into_stream()
}

/// How many of `sends` a connection takes before it ends.
fn ends_after(https: &Https, most: usize, sends: impl Fn(&mut TlsStream) -> std::io::Result<()>) -> usize {
    let mut stream = hollow(https);
    let mut count = 0;
    while count < most && sends(&mut stream).is_ok() {
        count += 1;
    }
    assert!(count < most, "{count} were taken");
    eventually("it is gone", || https.running.stats().open_connections == 0);
    count
}

/// Records without anything in them are legal, and so many of them are nothing that anybody sends in good faith.
#[test]
fn a_flood_of_records_without_anything_in_them_ends_the_connection() {
    let https = Https::new(Server::builder(), echo);
    let nothing = |stream: &mut TlsStream| {
        stream.write_all(b"nothing")?;
        stream.flush()
    };
    // Some are served.
    let mut stream = hollow(&https);
    for piece in post("/", "something").as_bytes().chunks(20) {
        (0..5).try_for_each(|_| nothing(&mut stream)).expect("it is open");
        stream.write_all(piece).expect("it is open");
        stream.flush().expect("it is open");
    }
    let mut client = Client::over(stream);
    assert_eq!(client.response().text(), "something");
    drop(client);
    eventually("it is gone", || https.running.stats().open_connections == 0);
    ends_after(&https, 100_000, nothing);
    // Each is of a kind of which there were none just before.
    ends_after(&https, 100_000, |stream| {
        nothing(stream)?;
        stream.conn.refresh_traffic_keys().map_err(std::io::Error::other)?;
        stream.flush()
    });
    assert_eq!(https.client().get("/").status, 200);
    https.end();
}

#[test]
fn a_flood_of_records_that_nobody_has_encrypted_ends_the_connection() {
    let https = Https::new(Server::builder().shards(1), echo);
    let mut stream = https.client().into_stream();
    let record = b"\x17\x03\x03\x00\x20abcdefghijklmnopqrstuvwxyz012345";
    let flood = record.repeat(10_000);
    // The server has had enough long before.
    let is_taken = stream.sock.write_all(&flood).is_ok() && stream.sock.write_all(&flood).is_ok();
    let error = stream.read(&mut [0; 10]).expect_err("the server does not take that");
    let is_told = error.to_string().contains("BadRecordMac");
    assert!(is_told || error.kind() == ErrorKind::ConnectionReset, "{error}, {is_taken}");
    eventually("it is gone", || https.running.stats().open_connections == 0);
    assert_eq!(https.client().get("/").status, 200);
    https.end();
}

/// However much of what follows comes in one read with the end of the handshake.
#[test]
fn tls_02_a_large_request_that_comes_with_the_end_of_the_handshake_is_served() {
    let https = Https::new(Server::builder().read_buffer_size(1 << 16), echo);
    for versions in [TLS12, TLS13] {
        for length in [10_000, 20_000, 60_000, 200_000] {
            let config = Arc::new(trusting(&https.authority, versions));
            let (mut stream, mut session) = (socket(https.address()), session(&config, NAME));
            session.set_buffer_limit(None);
            let body = pattern(length);
            let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            session.writer().write_all(head.as_bytes()).expect("memory");
            session.writer().write_all(&body).expect("memory");
            stream.write_all(&hello(&mut session)).expect("it is open");
            let mut last = Vec::new();
            while session.is_handshaking() {
                session.read_tls(&mut stream).expect("the server's flight");
                session.process_new_packets().expect("it is well-formed");
                last = hello(&mut session);
                if session.is_handshaking() {
                    stream.write_all(&last).expect("it is open");
                }
            }
            last.extend(hello(&mut session));
            stream.write_all(&last).expect("it is open");
            let mut client = Client::over(rustls::StreamOwned::new(session, stream));
            assert!(client.response().body == body, "{length} bytes");
        }
    }
    assert_eq!(https.running.stats().rejections.tls_handshake, 0);
    https.end();
}

/// A certificate of several records, in pieces that have nothing to do with these.
#[test]
fn tls_02_a_large_certificate_of_a_client_may_come_in_any_pieces() {
    let (authority, theirs) = (Authority::new("an authority"), Authority::new("another"));
    let identity = authority.issue(&[NAME]);
    let names: Vec<String> = (0..1500).map(|number| format!("member{number}.example.org")).collect();
    let member = theirs.issue(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(member.der().len() > 2 << 14, "it is none of two records");
    let builder = TlsConfig::builder().certificate_pem(&identity.certificate, &identity.key);
    // Tickets would have the certificate in them, which makes them larger than this client takes.
    let config = builder.client_ca_pem(&theirs.pem).session_tickets(false).build().expect("certificates");
    let options = Server::builder().read_buffer_size(1 << 16);
    let https = Https::with(options, echo, &config, authority);
    for versions in [TLS12, TLS13] {
        let (chain, key) = member.parts();
        let config = ClientConfig::builder_with_provider(anthill_tests::tls::provider())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(https.authority.roots())
            .with_client_auth_cert(chain, key)
            .expect("a certificate with its key");
        let config = Arc::new(config);
        for size in [100, 5000, 17_000, 1 << 20] {
            let torn = Torn(socket(https.address()), size);
            let mut client = Client::over(shake(torn, session(&config, NAME)).expect("a handshake"));
            client.send(post("/", "hi"));
            assert_eq!(client.response().text(), "hi", "in pieces of {size}");
        }
    }
    assert_eq!(https.running.stats().rejections.tls_handshake, 0);
    https.end();
}

/// Ciphers may be the user's; what panics in them ends its connection and nothing else, more often than there are
/// threads that could take a shard over.
#[test]
fn ciphers_that_panic_end_their_own_connection_alone_and_nothing_leaves_unencrypted() {
    logs::collect();
    let authority = Authority::new("an authority");
    let identity = authority.issue(&[NAME]);
    let writes = |data: &mut Vec<u8>| {
        assert!(!data.windows(9).any(|part| part == b"/on-write"), "encrypting");
    };
    let reads = |data: &[u8]| assert!(!data.windows(8).any(|part| part == b"/on-read"), "decrypting");
    let builder = TlsConfig::builder().certificate_pem(&identity.certificate, &identity.key);
    let config = builder.crypto_provider(Meddler { writes, reads }.provider()).build().expect("certificates");
    let handler = |ctx: &mut RequestCtx| ctx.set_body(ctx.path().replace('_', "/"));
    let https = Https::with(Server::builder().shards(1), handler, &config, authority);
    let mut other = https.client();
    for _ in 0..20 {
        for path in ["/on-read", "/_on-write"] {
            let mut stream = https.client().into_stream();
            stream.write_all(get(path).as_bytes()).expect("it is open");
            let mut raw = Vec::new();
            let _ = stream.sock.read_to_end(&mut raw);
            assert!(!raw.windows(4).any(|part| part == b"HTTP"), "{path}");
            assert_eq!(other.get("/fine").text(), "/fine", "behind {path}");
        }
    }
    assert_eq!(https.client().get("/fine").text(), "/fine");
    drop(other);
    eventually("all are gone", || https.running.stats().open_connections == 0);
    let said = |text: &str| logs::with("anthill_http::tls::layer", text).len();
    assert_eq!((said(": decrypting"), said(": encrypting")), (20, 20));
    https.end();
}
