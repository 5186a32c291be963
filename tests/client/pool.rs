//! Connections: how many, how old, which one, and when they are not used again.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::client::{ClientErrorKind, ClientPhase, HostClient, ReuseOrder};

use crate::script::{LONG, OK, Peer, Script, get, wait_until};

/// Answers each request on the connection until the client ends.
#[test]
fn cli_02_serial_calls_use_one_connection() {
    let server = Script::new(1, |_, peer| peer.answer_all());
    let client = server.client();
    let mut local = None;
    for number in 1..=5 {
        let mut response = client.send(&get("/")).expect("a response");
        assert_eq!((client.stats().open, client.stats().idle), (1, 0));
        assert_eq!(response.text().expect("a body"), "ok");
        assert_eq!((client.stats().open, client.stats().idle), (1, 1));
        assert_eq!((response.remote_addr(), response.conn_requests()), (server.addr, number));
        assert!(
            response.local_addr().is_some()
                && *local.get_or_insert(response.local_addr()) == response.local_addr()
        );
    }
    client.close_idle_conns();
    assert_eq!((client.stats().open, client.stats().idle), (0, 0));
    server.end();
}

#[test]
fn cli_02_a_response_that_is_dropped_early_closes_its_connection() {
    let server = Script::half_first();
    let client = server.client();
    let mut response = client.send(&get("/")).expect("the head is there");
    response.read_exact(&mut [0; 2]).expect("as much is there");
    drop(response);
    assert_eq!(client.stats().open, 0);
    assert_eq!(client.send(&get("/")).expect("a response").conn_requests(), 1);
    server.end();
}

#[test]
fn cli_03_whoever_finds_all_busy_waits_or_is_told() {
    let (server, release) = Script::held();
    let client = server.builder().max_conns(1).build().expect("an address");
    let patient = |limit| server.builder().max_conns(1).conn_wait_timeout(limit);
    assert!(patient(LONG).max_conns(0).build().is_err());
    std::thread::scope(|scope| {
        scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body"));
        wait_until("the first request", || client.stats().open == 1);
        let error = client.send(&get("/")).expect_err("the only one is busy");
        assert_eq!(error.kind(), ClientErrorKind::NoFreeConns);
        assert!(error.to_string().contains("conn_wait_timeout"), "{error}");
        release.send(()).expect("the server waits for it");
    });
    assert_eq!(client.send(&get("/")).expect("it is free").conn_requests(), 2);
    drop(client);
    server.end();
}

#[test]
fn cli_03_those_who_wait_are_served_by_one_connection() {
    let (server, release) = Script::held();
    let client = server.builder().max_conns(1).conn_wait_timeout(LONG).build().expect("an address");
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body"));
        }
        wait_until("the others", || client.stats().waiting == 4);
        // A limit of the call that is nearer is reported as what it is.
        let error = client.send_timeout(&get("/"), Duration::from_millis(5)).expect_err("others are before");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::FreeConn));
        release.send(()).expect("the server waits for it");
    });
    assert_eq!((client.stats().open, client.stats().idle, client.stats().waiting), (1, 1, 0));
    drop(client);
    server.end();
}

#[test]
fn cli_04_idle_connections_are_closed_when_they_are_old() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.expect_end();
    });
    let client =
        server.builder().max_idle_conn_duration(Duration::from_millis(20)).build().expect("an address");
    client.send(&get("/")).expect("a response").text().expect("a body");
    wait_until("the end of the connection", || client.stats().open == 0);
    server.end();
}

#[test]
fn cli_04_a_connection_of_age_serves_no_further_request() {
    let server = Script::new(3, |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        peer.expect_end();
    });
    let client = server.builder().max_conn_duration(Duration::ZERO).build().expect("an address");
    for _ in 0..3 {
        assert_eq!(client.send(&get("/")).expect("a response").conn_requests(), 1);
        assert_eq!(client.stats().open, 0);
    }
    server.end();
}

#[test]
fn cli_04_the_order_of_reuse() {
    for order in [ReuseOrder::Lifo, ReuseOrder::Fifo] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it listens");
        let serve = std::thread::spawn(move || {
            let mut threads = Vec::new();
            for _ in 0..2 {
                let (stream, _) = listener.accept().expect("a client");
                threads.push(std::thread::spawn(move || {
                    let (mut reader, mut writer) = (stream.try_clone().expect("a handle"), stream);
                    let mut room = [0; 4096];
                    while reader.read(&mut room).expect("the client sends or ends") > 0 {
                        std::io::Write::write_all(&mut writer, OK.as_bytes()).expect("the client is there");
                    }
                }));
            }
            for thread in threads {
                thread.join().expect("it has served");
            }
        });
        let client = HostClient::builder(addr.to_string())
            .reuse_order(order)
            .timeout(LONG)
            .build()
            .expect("an address");
        let mut first = client.send(&get("/")).expect("a response");
        let mut second = client.send(&get("/")).expect("a response");
        first.text().expect("a body");
        second.text().expect("a body");
        let third = client.send(&get("/")).expect("a response").local_addr();
        let expected = match order {
            ReuseOrder::Lifo => second.local_addr(),
            ReuseOrder::Fifo => first.local_addr(),
        };
        assert_eq!(third, expected, "{order:?}");
        drop(client);
        serve.join().expect("all were served");
    }
}

#[test]
fn cli_09_several_addresses_are_used_in_turn_and_a_dead_one_is_skipped() {
    let servers: Vec<Script> = (0..3)
        .map(|_| {
            Script::new(3, |_, mut peer: Peer| {
                peer.head();
                peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            })
        })
        .collect();
    let addrs: Vec<String> = servers.iter().map(|server| server.addr.to_string()).collect();
    let client = HostClient::builder(addrs.join(" , ")).timeout(LONG).build().expect("addresses");
    for _ in 0..9 {
        client.send(&get("/")).expect("a response");
    }
    for server in servers {
        server.end();
    }

    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    let alive = Script::new(1, |_, peer| peer.answer_all());
    let client =
        HostClient::builder(format!("{dead},{}", alive.addr)).timeout(LONG).build().expect("addresses");
    assert_eq!(client.send(&get("/")).expect("the other is there").remote_addr(), alive.addr);
    drop(client);
    alive.end();
    for bad in ["", "a,", "a:b", "a:70000", "http://a/", "a b", "[fe80::1%25eth0]:80"] {
        let error = HostClient::new(bad).expect_err(bad);
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{bad:?}");
    }
}

#[test]
fn cli_15_what_comes_unasked_is_nobodys_response() {
    let (said, heard) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        peer.head();
        if number == 0 {
            peer.say(OK);
            // To whoever asks next, as a server does that was led to see two requests in one.
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled");
            said.send(()).expect("the test waits for it");
            peer.expect_end();
        } else {
            peer.say(OK);
        }
    });
    let client = server.client();
    assert_eq!(client.send(&get("/")).expect("a response").text().expect("a body"), "ok");
    heard.recv_timeout(LONG).expect("the server says it");
    let mut response = client.send(&get("/")).expect("a response");
    assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("ok", 1));
    server.end();
}

#[test]
fn dia_01_names_are_asked_for_once_until_they_are_forgotten() {
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Arc::new(Mutex::new(Vec::new()));
    let (counted, noted) = (asked.clone(), names.clone());
    let resolver = move |name: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        noted.lock().expect("no panic").push(name.to_owned());
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    };
    let server = Script::new(4, |_, mut peer: Peer| {
        assert!(peer.head().contains("\r\nHost: backend.test:"), "the name goes to the server");
        peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let client = HostClient::builder(format!("backend.test:{}", server.addr.port()))
        .resolver(resolver)
        .timeout(LONG)
        .build()
        .expect("an address");
    for (call, expected) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        client.send(&get("/")).expect("a response");
        assert_eq!(asked.load(Ordering::SeqCst), expected, "call {call}");
        if call == 2 {
            client.flush_dns_cache();
        }
    }
    assert_eq!(*names.lock().expect("no panic"), ["backend.test"; 2]);
    server.end();
}
