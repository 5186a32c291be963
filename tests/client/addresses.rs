//! Hosts with several addresses, some of which are of no use.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::{Mutex, mpsc};

use anthill_http::client::{ClientErrorKind, ClientPhase, HostClient, HostClientBuilder};
use anthill_tests::Gate;
use anthill_tests::tls::Authority;

use crate::https::{believing, built, serving_as};
use crate::proxied::carry;
use crate::script::{LONG, OK, Peer, Script, get};

const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

#[cfg(target_os = "linux")]
#[test]
fn dia_01_an_address_that_swallows_everything_is_passed() {
    let hole = crate::script::BlackHole::new();
    let server = Script::new(3, |_, mut peer: Peer| {
        peer.head();
        peer.say(LAST);
    });
    // The whole limit for connecting would go with the first one, each time that it is its turn.
    let addrs = format!("{},{}", hole.addr, server.addr);
    let client = HostClient::builder(addrs).timeout(LONG).build().expect("addresses");
    for _ in 0..3 {
        let response = client.send(&get("/")).expect("the other one is there");
        assert_eq!(response.remote_addr(), server.addr);
    }
    server.end();
}

#[test]
fn a_name_whose_look_up_hangs_or_fails_is_passed() {
    let (done, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let resolver = move |name: &str| {
        if name == "none.test" {
            return Err(std::io::Error::other("there is none"));
        }
        let _ = held.lock().expect("no panic").recv();
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    };
    let server = Script::new(3, |_, mut peer: Peer| {
        peer.head();
        peer.say(LAST);
    });
    let addrs = format!("hangs.test:9,none.test:9,{}", server.addr);
    let client = HostClient::builder(addrs).resolver(resolver).timeout(LONG).build().expect("addresses");
    for _ in 0..3 {
        let response = client.send(&get("/")).expect("the last one is there");
        assert_eq!(response.remote_addr(), server.addr);
    }
    drop(done);
    server.end();
}

#[test]
fn dia_01_a_server_of_the_other_family() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let addr = listener.local_addr().expect("it listens");
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut room = [0; 1024];
        let count = std::io::Read::read(&mut stream, &mut room).expect("a request");
        std::io::Write::write_all(&mut stream, OK.as_bytes()).expect("the client is there");
        String::from_utf8(room[..count].to_vec()).expect("text")
    });
    let client = HostClient::builder(addr.to_string()).timeout(LONG).build().expect("an address");
    let response = client.send(&get("/")).expect("a response");
    assert_eq!(response.remote_addr(), addr);
    let head = serve.join().expect("no panic");
    assert!(head.contains(&format!("\r\nHost: [::1]:{}\r\n", addr.port())), "{head}");
    let error = HostClient::new("[fe80::1%25eth0]:80").expect_err("a zone is nobody else's business");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert!(error.to_string().contains("zone"), "{error}");
}

#[test]
fn an_address_that_is_none_is_told_without_its_password() {
    for text in ["user:secret@host:80", "http://user:secret@host:80/"] {
        let error = HostClient::builder(text).build().expect_err("it is none");
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

/// A client that encrypts, and connects for so long that half of it is no time.
fn encrypting(addrs: String, authority: &Authority) -> HostClientBuilder {
    let builder = HostClient::builder(addrs).tls(built(believing(authority)));
    builder.connect_timeout(LONG / 5).timeout(LONG)
}

#[test]
fn a_server_that_is_silent_where_it_is_to_encrypt_is_passed() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&["127.0.0.1"]));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = (silent.local_addr().expect("it listens"), silent);
    for addrs in [[silent.0, server.local_addr()], [server.local_addr(), silent.0]] {
        let [first, second] = addrs;
        let client = encrypting(format!("{first},{second}"), &authority).build().expect("addresses");
        let response = client.send(&get("/")).expect("the other one is there");
        assert_eq!(response.remote_addr(), server.local_addr());
        assert_eq!(client.stats().open, 1);
    }
    let client = encrypting(format!("{0},{0}", silent.0), &authority).connect_timeout(LONG / 100);
    let error = client.build().expect("addresses").send(&get("/")).expect_err("both are silent");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Tls));
}

#[test]
fn what_a_slow_server_says_counts_while_others_are_tried() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&["127.0.0.1"]));
    let (behind, other_is_tried) = (server.local_addr(), Gate::new());
    let tried = other_is_tried.clone();
    let slow = Script::new(1, move |_, mut peer: Peer| {
        other_is_tried.pass();
        carry(&mut peer, behind);
    });
    let silent = Script::new(1, move |_, mut peer: Peer| {
        tried.open();
        // The hello is all that it is told.
        while std::io::Read::read(&mut peer.stream, &mut [0; 4096]).is_ok_and(|count| count > 0) {}
    });
    let client = encrypting(format!("{},{}", slow.addr, silent.addr), &authority).build().expect("addresses");
    let response = client.send(&get("/")).expect("the first one answers");
    assert_eq!(response.remote_addr(), slow.addr);
    drop((response, client));
    silent.end();
    slow.end();
}
