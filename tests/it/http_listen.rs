//! Listening: on all addresses of a name, with the options of sockets, and what is said when it cannot be.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use anthill_http::{ServeError, Server, ServerBuilder};
use anthill_tests::client::Client;
use anthill_tests::processes::{apart_with_descriptors, apart_without_privileges};
use anthill_tests::server::skip;
use anthill_tests::{Gate, PATIENCE, eventually, logs};

fn server(options: ServerBuilder) -> Server {
    options.build(|ctx| ctx.set_body("here")).expect("options that go together")
}

/// An address of each family, both on a port of the system's choice; `None`: there is no IPv6 here.
fn both_families() -> Option<[SocketAddr; 2]> {
    let both = [(Ipv6Addr::LOCALHOST, 0).into(), (Ipv4Addr::LOCALHOST, 0).into()];
    TcpListener::bind(both[0]).is_ok().then_some(both)
}

#[test]
fn all_addresses_of_a_name_are_served_on_one_port() {
    let Some(both) = both_families() else { return skip("this machine has no IPv6") };
    for options in [Server::builder(), Server::builder().shards(2).reuse_port(true)] {
        let running = server(options).start(&both[..]).expect("free ports");
        let port = running.local_addr().port();
        for address in both {
            assert_eq!(Client::connect((address.ip(), port).into()).get("/").text(), "here", "{address}");
        }
        // A second instance is told so, whichever address it finds taken.
        for taken in [&both[..], &both[..1], &both[1..]] {
            let taken: Vec<_> = taken.iter().map(|address| SocketAddr::from((address.ip(), port))).collect();
            let error = server(Server::builder()).start(&taken[..]).expect_err("it is taken");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().contains(&taken[0].to_string()), "{error}");
        }
        running.shutdown(PATIENCE).expect("an end in time");
        running.join().expect("a good end");
    }
}

#[test]
fn a_name_with_one_address_that_is_taken_is_an_error_that_says_which() {
    let Some([six, four]) = both_families() else { return skip("this machine has no IPv6") };
    let taken = TcpListener::bind(four).expect("a free port");
    let at = taken.local_addr().expect("it listens");
    let addresses = [SocketAddr::from((six.ip(), at.port())), at];
    let error = server(Server::builder()).start(&addresses[..]).expect_err("one is taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("cannot listen on {at}: ")), "{error}");
    // The other is free again.
    drop(TcpListener::bind(addresses[0]).expect("nobody has it"));
}

/// The unspecified addresses of both families are on one port, and each takes its own.
#[test]
fn unspecified_addresses_of_both_families_go_together() {
    if both_families().is_none() {
        return skip("this machine has no IPv6");
    }
    let both: [SocketAddr; 2] = [(Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::UNSPECIFIED, 0).into()];
    let running = server(Server::builder()).start(&both[..]).expect("free ports");
    assert_eq!(running.local_addrs().len(), 2);
    running.shutdown(PATIENCE).expect("an end in time");
}

/// As where `localhost` has an address of IPv6 and the machine has none.
#[test]
fn addresses_that_are_not_here_are_left_out_when_others_are() {
    logs::collect();
    let absent = "192.0.2.77:0".parse().expect("an address");
    let addresses = [absent, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let running = server(Server::builder()).start(&addresses[..]).expect("one is here");
    assert_eq!(running.local_addrs().len(), 1);
    assert_eq!(Client::connect(running.local_addr()).get("/").text(), "here");
    assert_eq!(logs::with("anthill_http::server::listen", "192.0.2.77:0").len(), 1);
    running.shutdown(PATIENCE).expect("an end in time");
}

#[test]
fn the_log_says_where_and_with_what_limits_the_server_begins() {
    logs::collect();
    let options = Server::builder().shards(3).max_workers(17).concurrency(1234).max_waiting_requests(77);
    let running = server(options).start("127.0.0.1:0").expect("a free port");
    let limits = "3 shards, at most 17 workers, 77 waiting requests, 1234 connections";
    let lines = logs::with("anthill_http::server", limits);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].text, format!("listening on {}: {limits}", running.local_addr()));
    running.shutdown(PATIENCE).expect("an end in time");
}

/// What is said when `attempt` fails, which has to have all these parts.
#[track_caller]
fn says(error: impl ToString, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[track_caller]
fn refused(address: &str) -> ServeError {
    server(Server::builder()).listen_all(address).expect_err("it cannot be")
}

#[test]
fn errors_of_addresses_say_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = (taken.local_addr().expect("it listens").to_string(), taken);
    says(refused(&taken.0), &[&taken.0, "another program listens there; stop it or choose another port"]);
    let sharing = server(Server::builder().reuse_port(true)).listen_all(&*taken.0);
    says(sharing.expect_err("it is not shared"), &[&taken.0, "does not share its port"]);
    says(refused("192.0.2.1:0"), &["192.0.2.1:0", "no interface of this machine has that address"]);
    for portless in ["127.0.0.1", "localhost", "[::1]", ""] {
        says(refused(portless), &[&format!("{portless:?}"), "port"]);
    }
    says(refused("127.0.0.1"), &["the port is missing", "write ADDRESS:PORT, such as 127.0.0.1:8080"]);
    says(refused("127.0.0.1:http"), &["127.0.0.1:http", "a port is a number up to 65535"]);
    says(refused("127.0.0.1:65536"), &["a port is a number up to 65535"]);
    says(refused("no.such.host.invalid:80"), &["no.such.host.invalid:80", "nobody knows the name"]);
    let none: &[SocketAddr] = &[];
    let none = server(Server::builder()).listen_all(none);
    says(none.expect_err("nothing to listen on"), &["names no address to listen on"]);
    let nothing = server(Server::builder()).serve_all(Vec::<TcpListener>::new());
    says(nothing.expect_err("nothing to serve"), &["there is no listener to serve"]);
}

#[test]
fn errors_of_options_name_the_option_and_its_bound() {
    let day = Duration::from_secs(86_400);
    for (options, option, bound) in [
        (Server::builder().shards(0), "shards", "at least 1"),
        (Server::builder().shards(5000), "shards", "of 5000 is too high; choose at most 4096"),
        (
            Server::builder().max_workers(4).max_streaming_workers(5),
            "max_streaming_workers",
            "the 4 of max_workers",
        ),
        (Server::builder().read_buffer_size(1), "read_buffer_size", "choose 256 to"),
        (Server::builder().backlog(0), "backlog", "at least 1"),
        (Server::builder().tcp_keepalive(day), "tcp_keepalive", "choose 1 s to 32767s"),
        (Server::builder().tcp_keepalive(Duration::from_millis(5)), "tcp_keepalive", "choose 1 s to"),
        (Server::builder().tcp_keepalive_probes(3), "tcp_keepalive", "must be set as well"),
        (
            Server::builder().tcp_keepalive(PATIENCE).tcp_keepalive_probes(128),
            "tcp_keepalive_probes",
            "choose 1 to 127",
        ),
        (Server::builder().receive_buffer(0), "receive_buffer", "choose 1 to 1073741824"),
        (Server::builder().send_buffer(usize::MAX), "send_buffer", "choose 1 to 1073741824"),
        (Server::builder().tcp_not_sent_lowat(0), "tcp_not_sent_lowat", "at least 1"),
    ] {
        let error = options.build(|_| {}).expect_err(option);
        assert_eq!(error.option(), option);
        says(error, &[option, bound]);
    }
}

/// A program whose `main` returns one of these shows its `Debug` form.
#[test]
fn errors_are_shown_by_main_as_they_are_displayed() {
    let option = Server::builder().backlog(0).build(|_| {}).expect_err("an option");
    assert_eq!(format!("{option:?}"), option.to_string());
    let of_option = ServeError::from(option.clone());
    assert_eq!((of_option.kind(), of_option.to_string()), (io::ErrorKind::InvalidInput, option.to_string()));
    for error in [of_option, refused("127.0.0.1")] {
        assert_eq!(format!("{error:?}"), error.to_string());
        let boxed = Box::<dyn std::error::Error>::from(error);
        assert_eq!(format!("{boxed:?}"), boxed.to_string());
    }
    let error = io::Error::from(refused("127.0.0.1"));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    says(error, &["127.0.0.1", "the port is missing"]);
    let listener = Server::listen("127.0.0.1:0").expect("a free port");
    let gate = Gate::new();
    let held = gate.clone();
    let running = Server::new(move |_| held.pass()).expect("the defaults").start_all([listener]);
    let running = running.expect("threads");
    let mut client = Client::connect(running.local_addr());
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it is there", || running.stats().open_connections == 1);
    let late = running.shutdown(Duration::ZERO).expect_err("a handler runs");
    assert_eq!(format!("{late:?}"), late.to_string());
    gate.open();
    running.shutdown(PATIENCE).expect("nothing is left");
}

#[test]
fn errors_for_want_of_descriptors_say_so() {
    let name = "http_listen::errors_for_want_of_descriptors_say_so";
    apart_with_descriptors(name, 64, || {
        let mut taken = Vec::new();
        while let Ok(one) = std::net::UdpSocket::bind("127.0.0.1:0") {
            taken.push(one);
        }
        says(
            refused("127.0.0.1:0"),
            &["127.0.0.1:0", "too many files are open; raise the limit (`ulimit -n`)"],
        );
    });
}

#[test]
fn errors_for_want_of_privileges_say_so() {
    let name = "http_listen::errors_for_want_of_privileges_say_so";
    let is_done = apart_without_privileges(name, || {
        let unprivileged = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        match unprivileged.expect("the kernel tells").trim() {
            "0" => skip("here every port is anybody's"),
            _ => says(
                refused("127.0.0.1:81"),
                &["127.0.0.1:81", "ports below 1024 need a privilege", "setcap"],
            ),
        }
        let error = Server::listen_unix("/proc/anthill", 0o600).expect_err("nobody can");
        says(error, &["cannot listen on /proc/anthill"]);
        let error = Server::listen_unix("/etc/anthill.sock", 0o600).expect_err("it is root's");
        says(error, &["/etc/anthill.sock", "may not write to the directory"]);
        let error = Server::listen_unix("/root/anthill/socket", 0o600).expect_err("it is root's");
        says(error, &["/root/anthill/socket"]);
    });
    if !is_done {
        skip("only root can become somebody without privileges");
    }
}

/// Another program's listener is not broken by the look whether it lives.
#[test]
fn a_unix_path_in_use_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let _theirs = UnixListener::bind(&path).expect("a free path");
    let error = Server::listen_unix(&path, 0o600).expect_err("it is taken");
    says(error, &["another program listens there; stop it or choose another path"]);
}

/// What the options ask for is what accepted connections have.
#[test]
fn srv_18_keep_alive_and_its_periods_are_those_of_accepted_connections() {
    let options = Server::builder()
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_keepalive_interval(Duration::from_secs(7))
        .tcp_keepalive_probes(4)
        .receive_buffer(40_000)
        .send_buffer(50_000)
        .tcp_not_sent_lowat(16_384)
        .backlog(9);
    let listener = server(options).listen_all("127.0.0.1:0").expect("a free port").remove(0);
    let _client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
    let accepted = listener.accept().expect("the client").0;
    let socket = socket2::SockRef::from(&accepted);
    assert!(socket.keepalive().expect("an option"));
    assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(30));
    assert_eq!(socket.tcp_keepalive_interval().expect("an option"), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 4);
    // Linux doubles what it is told.
    assert_eq!(socket.recv_buffer_size().expect("an option"), 80_000);
    assert_eq!(socket.send_buffer_size().expect("an option"), 100_000);
    assert_eq!(socket.tcp_notsent_lowat().expect("an option"), 16_384);
    // None of it is there unless it is asked for.
    let listener = server(Server::builder()).listen_all("127.0.0.1:0").expect("a free port").remove(0);
    let _client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
    let accepted = listener.accept().expect("the client").0;
    assert!(!socket2::SockRef::from(&accepted).keepalive().expect("an option"));
}
