//! HTTPS with servers that end, stay silent or tear in the middle of it: by the byte, or behind a response.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::client::{Client, ClientErrorKind, ClientPhase, ClientTlsConfig, HostClient, SendBody};
use anthill_http::{Server, TlsConfig};
use anthill_tests::tls::{Authority, TLS12, TLS13};
use rustls::{ServerConnection, StreamOwned};

use crate::https::{
    NAME, believing, built, fails, head, here, of_host, say, scripted, scripted_by, scripted_client,
    serving_as, shown, tell, url,
};
use crate::script::{LONG, OK, Peer, Script, get, post, wait_until};

/// More than any socket takes.
const MUCH: usize = 64 * 1024 * 1024;

#[test]
fn cli_13_an_early_response_with_a_reset_is_reported_over_tls() {
    let authority = Authority::new("ours");
    for versions in [TLS12, TLS13] {
        let script = scripted_by(versions, &authority.issue(&[NAME]), 6, |_, mut peer| {
            head(&mut peer);
            say(&mut peer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
            // Unread bytes make the system reset the connection.
        });
        let client = scripted_client(&authority, &script);
        for number in 0..6 {
            let body = SendBody::sized(std::io::repeat(b'x'), MUCH as u64);
            let sent = match number % 2 {
                0 => client.send_body(&post("/", ""), body),
                _ => client.send(&post("/", &"x".repeat(MUCH / 8))),
            };
            assert_eq!(sent.expect("it came before the reset").status_code(), 413, "{number}");
        }
        assert_eq!(client.stats().open, 0);
        script.end();
    }
}

#[test]
fn cli_13_a_response_that_came_with_the_handshake_ends_an_upload_that_is_not_taken() {
    let authority = Authority::new("ours");
    let config = shown(&authority.issue(&[NAME]), TLS12);
    let (end, ended) = mpsc::channel::<()>();
    let script = Script::new(1, move |_, mut peer: Peer| {
        let mut session = ServerConnection::new(config.clone()).expect("a configuration");
        while session.is_handshaking() {
            if session.wants_write() {
                session.write_tls(&mut peer.stream).expect("the client is there");
            } else {
                session.read_tls(&mut peer.stream).expect("the client speaks");
                session.process_new_packets().expect("it agrees");
            }
        }
        // Its last word of the handshake and the response are one.
        session.writer().write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").expect("room");
        let mut both = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut both).expect("memory");
        }
        peer.stream.write_all(&both).expect("the client is there");
        // It reads nothing more, and does not end.
        let _ = ended.recv();
    });
    let client = scripted_client(&authority, &script);
    let body = SendBody::sized(std::io::repeat(b'x'), MUCH as u64);
    let response = client.send_body(&post("/", ""), body).expect("it is there");
    assert_eq!((response.status_code(), response.is_request_sent()), (503, false));
    drop(end);
    script.end();
}

/// Also where the connection itself does not end.
#[test]
fn cli_15_an_end_that_was_said_with_the_response_is_seen_while_the_connection_is_idle() {
    let authority = Authority::new("ours");
    let script = scripted(&authority.issue(&[NAME]), 1, |_, mut peer| {
        head(&mut peer);
        peer.conn.writer().write_all(OK.as_bytes()).expect("room");
        peer.conn.send_close_notify();
        let mut both = Vec::new();
        while peer.conn.wants_write() {
            peer.conn.write_tls(&mut both).expect("memory");
        }
        peer.sock.write_all(&both).expect("the client is there");
        assert_eq!(head(&mut peer), "");
    });
    let builder = of_host(script.addr, believing(&authority).server_name(NAME));
    let client = builder.max_idle_conn_duration(LONG * 100).build().expect("an address");
    assert_eq!(client.send(&get("/")).expect("a response").text().expect("a body"), "ok");
    // Nobody calls.
    wait_until("the end of the connection", || client.stats().open == 0);
    script.end();
}

#[test]
fn a_handshake_that_comes_by_the_byte_comes_all_the_same() {
    let authority = Authority::new("ours");
    for versions in [TLS12, TLS13] {
        let config = shown(&authority.issue(&[NAME]), versions);
        let script = Script::new(1, move |_, mut peer: Peer| {
            peer.stream.set_nodelay(true).expect("an option of every socket");
            let mut session = ServerConnection::new(config.clone()).expect("a configuration");
            while session.is_handshaking() || session.wants_write() {
                if session.wants_write() {
                    let mut flight = Vec::new();
                    session.write_tls(&mut flight).expect("memory");
                    for byte in flight {
                        peer.stream.write_all(&[byte]).expect("the client is there");
                    }
                } else {
                    session.read_tls(&mut peer.stream).expect("the client speaks");
                    session.process_new_packets().expect("it agrees");
                }
            }
            let mut peer = StreamOwned::new(session, peer.stream);
            head(&mut peer);
            say(&mut peer, OK);
        });
        let client = scripted_client(&authority, &script);
        assert_eq!(client.send(&get("/")).expect("a response").text().expect("a body"), "ok");
        drop(client);
        script.end();
    }
}

#[test]
fn what_is_under_way_while_a_host_tears_the_handshake_goes_on() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&[NAME]));
    let port = server.local_addr().port();
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let resolver = move |_: &str| {
        let _ = held.lock().expect("no panic").recv();
        here("")
    };
    let (torn, is_torn) = mpsc::channel::<()>();
    let script = Script::new(1, move |_, mut peer: Peer| {
        let _ = peer.stream.read(&mut [0; 4096]);
        drop(peer);
        torn.send(()).expect("the test waits for it");
    });
    // The first one is looked up for so long that the second is begun beside it.
    let addrs = format!("late.test:{port},{}", script.addr);
    let builder = HostClient::builder(addrs).tls(built(believing(&authority).server_name(NAME)));
    let client = builder.resolver(resolver).connect_timeout(LONG).build().expect("addresses");
    std::thread::scope(|scope| {
        let call = scope.spawn(|| client.send(&get("/")));
        is_torn.recv_timeout(LONG).expect("it is asked");
        release.send(()).expect("the resolver waits for it");
        let response = call.join().expect("no panic").expect("the first one is well");
        assert_eq!(response.remote_addr().port(), port);
    });
    script.end();
}

/// Every address of this network is this machine.
#[cfg(target_os = "linux")]
#[test]
fn of_the_addresses_of_one_name_the_next_is_tried_when_the_first_tears_the_handshake() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&[NAME]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::new(tell).expect("options").start_tls("127.0.0.3:0", &config).expect("a free port");
    let port = server.local_addr().port();
    let torn = std::net::TcpListener::bind(("127.0.0.2", port)).expect("a free port");
    let tears = std::thread::spawn(move || {
        let (mut stream, _) = torn.accept().expect("a client");
        let _ = stream.read(&mut [0; 4096]);
    });
    let resolver =
        |_: &str| Ok(vec!["127.0.0.2".parse().expect("an address"), Ipv4Addr::new(127, 0, 0, 3).into()]);
    let client = Client::builder().tls(built(believing(&authority))).resolver(resolver).timeout(LONG);
    let client = client.build().expect("settings with a meaning");
    let response = client.get(url(NAME, &server)).send().expect("the second one");
    assert_eq!(response.remote_addr(), server.local_addr());
    tears.join().expect("no panic");
}

#[cfg(target_os = "linux")]
#[test]
fn time_that_is_up_behind_a_torn_handshake_is_time_that_is_up() {
    let hole = crate::script::BlackHole::new();
    let torn = Script::new(1, |_, mut peer: Peer| {
        let _ = peer.stream.read(&mut [0; 4096]);
    });
    let builder = HostClient::builder(format!("{},{}", torn.addr, hole.addr));
    let builder = builder.tls(built(ClientTlsConfig::builder())).connect_timeout(Duration::from_millis(300));
    let error = builder.build().expect("addresses").send(&get("/")).expect_err("nobody agrees");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    torn.end();
}

#[test]
fn one_name_for_all_servers_is_refused_of_a_client_of_any() {
    let named = || built(ClientTlsConfig::builder().server_name(NAME));
    let error = Client::builder().tls(named()).build().expect_err("whoever is asked would be that one");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert!(error.to_string().contains("HostClient"), "{error}");
}

/// An alert behind the beginning of a response is no word of the handshake, and what was sent may have been acted on.
#[test]
fn what_breaks_in_the_middle_of_an_exchange_is_an_end_of_the_connection() {
    let authority = Authority::new("ours");
    for is_in_body in [false, true] {
        let script = scripted(&authority.issue(&[NAME]), 1, move |_, mut peer| {
            head(&mut peer);
            let said =
                if is_in_body { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" } else { "HTTP/1.1 2" };
            say(&mut peer, said);
            // A record that nobody can decrypt.
            peer.sock.write_all(&[23, 3, 3, 0, 4, 1, 2, 3, 4]).expect("the client is there");
            let _ = peer.sock.read(&mut [0; 4096]);
        });
        let client = scripted_client(&authority, &script);
        let outcome = client.send(&post("/", "x")).and_then(|mut response| {
            assert!(is_in_body);
            let mut half = [0; 4];
            response.read_exact(&mut half).expect("that came before it");
            assert_eq!(&half, b"half");
            response.text()
        });
        assert_eq!(fails(outcome), ClientErrorKind::ConnectionClosed);
        assert_eq!(client.stats().open, 0);
        script.end();
    }
}
