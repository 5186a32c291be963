//! Hosts with several addresses, some of which are of no use.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::{Mutex, mpsc};

use anthill_http::client::{ClientErrorKind, HostClient};

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
