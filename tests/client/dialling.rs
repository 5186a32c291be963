//! How hosts are reached: sockets of the file system, diallers of the user's, limits, and what is otherwise for one
//! host.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anthill_http::client::{
    CancelToken, Client, ClientErrorKind, ClientPhase, DialTarget, DialledStream, HostClient, HostOptions,
};
use anthill_http::{InMemoryListener, InMemoryStream, Server};
use anthill_tests::tls::Authority;

use crate::https::{believing, built};
use crate::script::{LONG, OK, Peer, Script, get, wait_until};

const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A port at which nobody listens.
fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it listens").port()
}

#[cfg(unix)]
#[test]
fn cli_01_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let tell = |ctx: &mut anthill_http::RequestCtx| {
        let host = String::from_utf8_lossy(ctx.request.host()).into_owned();
        ctx.set_body(host);
    };
    let socket = Server::listen_unix(&path, 0o600).expect("a free path");
    let running = Server::new(tell).expect("options that go together").start_unix(socket).expect("a server");
    let client = HostClient::builder(format!("unix:{}", path.display())).timeout(LONG).build();
    let client = client.expect("a path");
    for number in 1..4 {
        let mut response = client.send(&get("/")).expect("a response");
        assert_eq!(response.conn_requests(), number);
        assert_eq!((response.remote_addr().port(), response.local_addr()), (0, None));
        assert_eq!(response.text().expect("a body"), "localhost");
    }
    running.shutdown(LONG).expect("nothing is under way");
    let error = client.send(&get("/")).expect_err("nobody listens any more");
    assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Connect, None));
    assert!(error.to_string().contains("app.sock"), "{error}");
    let error = HostClient::new("unix:").expect_err("there is no path");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
}

/// The system does not say when there is room in the queue of such a socket.
#[cfg(target_os = "linux")]
#[test]
fn cli_01_a_unix_socket_whose_queue_is_full_is_waited_for_and_passed() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("full.sock");
    let listener =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&socket2::SockAddr::unix(&path).expect("a path")).expect("a free path");
    listener.listen(0).expect("it listens");
    let waiting = UnixStream::connect(&path).expect("there is room for one");
    let client = HostClient::builder(format!("unix:{}", path.display()));
    let client = client.connect_timeout(Duration::from_millis(30)).build().expect("a path");
    let error = client.send(&get("/")).expect_err("there is no room");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    let other = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say(LAST);
    });
    let both = format!("unix:{},{}", path.display(), other.addr);
    let client = HostClient::builder(both).connect_timeout(LONG).build().expect("addresses");
    assert_eq!(client.send(&get("/")).expect("the other one").remote_addr(), other.addr);
    other.end();
    // Room comes while it is waited for.
    let client = HostClient::builder(format!("unix:{}", path.display())).connect_timeout(LONG);
    let client = client.build().expect("a path");
    std::thread::scope(|scope| {
        let call = scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body"));
        std::thread::sleep(Duration::from_millis(20));
        drop(waiting);
        let mut others = Vec::new();
        loop {
            let (peer, _) = listener.accept().expect("a client");
            let mut peer = UnixStream::from(std::os::fd::OwnedFd::from(peer));
            let mut room = [0; 1024];
            if peer.read(&mut room).expect("it asks, or has ended") > 0 {
                peer.write_all(OK.as_bytes()).expect("the client is there");
                break;
            }
            others.push(peer);
        }
        assert_eq!(call.join().expect("no panic"), "ok");
    });
}

#[test]
fn cli_09_a_dialler_of_ones_own_makes_all_connections() {
    let server = Script::new(9, |_, mut peer: Peer| {
        assert!(peer.head().contains("\r\nHost: one.test:"), "the first one, whoever is asked");
        peer.say(LAST);
    });
    let addr = server.addr;
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let noted = dialled.clone();
    let dialler = move |target: &DialTarget<'_>| {
        assert!(target.time_left().is_some_and(|left| left <= LONG));
        noted.lock().expect("no panic").push(format!("{}:{}", target.host(), target.port()));
        match target.host() {
            "two.test" => Err(io::Error::other("it is down")),
            _ => TcpStream::connect(addr).map(Into::into),
        }
    };
    // Nobody looks a name up.
    let never = |_: &str| -> io::Result<Vec<IpAddr>> { panic!("nothing is to be resolved") };
    let client = HostClient::builder("one.test:1,two.test:2,[::3]:3")
        .resolver(never)
        .dialler(dialler)
        .connect_timeout(LONG)
        .build()
        .expect("addresses");
    for _ in 0..9 {
        let response = client.send(&get("/")).expect("one of the others");
        assert_eq!(response.remote_addr(), addr);
    }
    server.end();
    let dialled = dialled.lock().expect("no panic");
    let count = |addr: &str| dialled.iter().filter(|dialled| *dialled == addr).count();
    // The one that is down has its turn, and the next goes on for it.
    assert_eq!((count("one.test:1"), count("two.test:2"), count("::3:3")), (3, 3, 6), "{dialled:?}");
    let dead = HostClient::builder("two.test").dialler(|_: &DialTarget<'_>| Err(io::Error::other("down")));
    let error = dead.build().expect("an address").send(&get("/")).expect_err("nobody is there");
    assert_eq!(error.kind(), ClientErrorKind::Connect);
    assert!(error.to_string().contains("down"), "{error}");
}

#[test]
fn dia_01_a_dialler_that_comes_back_too_late_is_too_late_and_one_that_panics_leaves_nothing() {
    let (told, tells) = mpsc::channel();
    let told = Mutex::new(told);
    let late = move |target: &DialTarget<'_>| -> io::Result<DialledStream> {
        std::thread::sleep(target.time_left().expect("there is a limit") + Duration::from_millis(1));
        let (ours, theirs) = InMemoryStream::pair();
        told.lock().expect("no panic").send(theirs).expect("the test waits for it");
        Ok(ours.into())
    };
    let client = HostClient::builder("h").dialler(late).connect_timeout(Duration::from_millis(10)).build();
    let client = client.expect("an address");
    let error = client.send(&get("/")).expect_err("it is late");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    let mut theirs = tells.recv().expect("it was called");
    assert_eq!(io::Read::read(&mut theirs, &mut [0]).expect("it is closed"), 0);
    let panics = |_: &DialTarget<'_>| -> io::Result<DialledStream> { panic!("on purpose") };
    let client = HostClient::builder("h").max_conns(1).dialler(panics).max_concurrent_dials(1).build();
    let client = client.expect("an address");
    for _ in 0..2 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.send(&get("/"))));
        assert!(panicked.is_err());
        assert_eq!(client.stats().open, 0);
    }
}

#[test]
fn a_connection_in_memory_is_one_like_any_other() {
    let listener = InMemoryListener::new();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let handler = move |ctx: &mut anthill_http::RequestCtx| {
        if ctx.request.path() == "/hangs" {
            let _ = held.lock().expect("no panic").recv();
        }
        let said = format!("{}", ctx.request.body().len());
        ctx.set_body(said);
    };
    let running = Server::new(handler).expect("options").start_all([&listener]).expect("it listens");
    let dialled = Arc::new(AtomicUsize::new(0));
    let counted = dialled.clone();
    let dialler = move |_: &DialTarget<'_>| {
        counted.fetch_add(1, Ordering::SeqCst);
        listener.dial().map(Into::into)
    };
    let client =
        HostClient::builder("memory.test").dialler(dialler).timeout(LONG).build().expect("an address");
    for number in 1..4 {
        let mut response = client.send(&crate::script::post("/", &"x".repeat(300_000))).expect("a response");
        assert_eq!(response.conn_requests(), number);
        assert_eq!(response.text().expect("a body"), "300000");
    }
    assert_eq!(dialled.load(Ordering::SeqCst), 1);
    let error = client.send_timeout(&get("/hangs"), Duration::from_millis(20)).expect_err("it hangs");
    assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Timeout(ClientPhase::Head), None));
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let (client, token) = (&client, &token);
        let call = scope.spawn(move || client.call(&get("/hangs")).cancel_with(token).send().map(drop));
        wait_until("the call", || client.stats().open == 1);
        std::thread::sleep(Duration::from_millis(10));
        token.cancel();
        assert_eq!(call.join().expect("no panic").expect_err("it ends").kind(), ClientErrorKind::Cancelled);
    });
    assert_eq!(client.stats().open, 0);
    drop(release);
    drop(running);
}

#[test]
fn tls_goes_over_what_a_dialler_gives() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["memory.test"]);
    let server = crate::https::serving_as(&identity);
    let addr = server.local_addr();
    let dialler = move |_: &DialTarget<'_>| TcpStream::connect(addr).map(Into::into);
    let client = HostClient::builder("memory.test").tls(built(believing(&authority))).dialler(dialler);
    let client = client.timeout(LONG).build().expect("an address");
    for _ in 0..2 {
        let mut response = client.send(&get("/")).expect("it agrees");
        assert_eq!(response.text().expect("a body"), "memory.test http/1.1 false 0 0");
    }
    assert_eq!(client.stats().open, 1);
}

#[test]
fn dia_01_so_many_connections_are_made_at_once_and_those_beyond_wait_for_their_time() {
    let server = Script::side_by_side(6, |_, mut peer: Peer| {
        peer.head();
        peer.say(LAST);
    });
    let addr = server.addr;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (now.clone(), most.clone());
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let dialler = move |_: &DialTarget<'_>| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        held.lock().expect("no panic").recv().expect("the test goes on");
        counted.fetch_sub(1, Ordering::SeqCst);
        TcpStream::connect(addr).map(Into::into)
    };
    let client = HostClient::builder("h").dialler(dialler).max_concurrent_dials(2).connect_timeout(LONG * 5);
    let client = client.build().expect("an address");
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6).map(|_| scope.spawn(|| client.send(&get("/")).map(drop))).collect();
        wait_until("two of them", || now.load(Ordering::SeqCst) == 2);
        // All others wait, this one not for long.
        wait_until("the others", || client.stats().open == 6);
        let error =
            client.send_timeout(&get("/"), Duration::from_millis(20)).expect_err("it is not its turn");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
        for _ in 0..6 {
            release.send(()).expect("somebody waits for it");
        }
        for call in calls {
            call.join().expect("no panic").expect("a response");
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 2);
    server.end();
}

/// Every address of this network is this machine.
#[cfg(target_os = "linux")]
#[test]
fn dia_01_connections_come_from_the_address_that_is_said() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let from = peer.stream.peer_addr().expect("it is connected").ip();
        peer.head();
        peer.say(&format!("HTTP/1.1 200 OK\r\nFrom: {from}\r\nContent-Length: 0\r\n\r\n"));
    });
    let client = |from: &str| {
        let addrs = format!("[::1]:{},{}", dead_port(), server.addr);
        HostClient::builder(addrs).local_addr(from.parse().expect("an address")).timeout(LONG).build()
    };
    let response = client("127.0.0.7").expect("addresses").send(&get("/")).expect("the one of its family");
    assert_eq!(response.header_str("From"), Some("127.0.0.7"));
    assert_eq!(response.local_addr().map(|addr| addr.ip().to_string()).as_deref(), Some("127.0.0.7"));
    let error = client("192.0.2.1").expect("addresses").send(&get("/")).expect_err("it is nobody's here");
    assert_eq!(error.kind(), ClientErrorKind::Connect);
    server.end();
}

#[cfg(target_os = "linux")]
#[test]
fn dia_01_time_that_is_up_while_connecting_is_told_with_the_address() {
    let hole = crate::script::BlackHole::new();
    let client = HostClient::builder(hole.addr.to_string()).connect_timeout(Duration::from_millis(20));
    let error = client.build().expect("an address").send(&get("/")).expect_err("nobody answers");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    assert_eq!(error.addr(), Some(hole.addr));
    assert_eq!(io::Error::from(error).kind(), ErrorKind::TimedOut);
}

#[test]
fn cli_09_a_hook_configures_hosts_once_each_and_one_that_fails_is_asked_again() {
    let server = Script::side_by_side(3, |_, mut peer: Peer| {
        while !peer.head().is_empty() {
            peer.say(OK);
        }
    });
    let addr = server.addr;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let configure = move |host: &mut HostOptions<'_>| {
        let mut asked = noted.lock().expect("no panic");
        asked.push((host.host().to_owned(), host.port(), host.is_https()));
        match asked.len() {
            1 => return Err("not now".into()),
            _ if host.host() == "limited.test" => host.max_response_body_size(1),
            _ => host.dialler(move |_: &DialTarget<'_>| TcpStream::connect(addr).map(Into::into)),
        }
        Ok(())
    };
    let client = Client::builder()
        .resolver(|_: &str| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
        .configure_host(configure)
        .timeout(LONG)
        .build()
        .expect("settings with a meaning");
    let error = client.get("http://other.test/").send().expect_err("the hook fails");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert!(error.to_string().contains("not now"), "{error}");
    assert_eq!(client.stats().hosts, 0);
    for number in 1..4 {
        let mut response = client.get("http://other.test/").send().expect("it is dialled otherwise");
        assert_eq!(response.conn_requests(), number);
        assert_eq!(response.text().expect("a body"), "ok");
    }
    let limited = format!("http://limited.test:{}/", addr.port());
    for _ in 0..2 {
        let body = client.get(&limited).send().expect("a head").text();
        assert_eq!(body.expect_err("it is too large").kind(), ClientErrorKind::TooLarge);
    }
    let other = ("other.test".to_owned(), 80, false);
    let limited = ("limited.test".to_owned(), addr.port(), false);
    assert_eq!(*asked.lock().expect("no panic"), [other.clone(), other, limited]);
    drop(client);
    server.end();
}
