//! Accepting: who makes room when there is none, several listeners on one port, and that nothing but a dead listener
//! ends it.
//!
//! The rule: a connection that is inside a handler, or whose request is on its way through the server, is never the one
//! that is closed.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{RequestCtx, ServeError, Server, ServerBuilder};
use anthill_tests::client::{Client, get};
use anthill_tests::processes::apart_with_descriptors;
use anthill_tests::server::Running;
use anthill_tests::{Background, Gate, PATIENCE, background, eventually};

/// Long enough for two moments to differ by the server's clock.
const A_MOMENT: Duration = Duration::from_millis(5);

/// A server whose handler waits behind a gate for `/held`, and how many are there.
fn holding(options: ServerBuilder) -> (Running, Arc<Gate>, Arc<AtomicUsize>) {
    let (gate, inside) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
    let (held, entered) = (gate.clone(), inside.clone());
    let running = Running::with(options, move |ctx: &mut RequestCtx| {
        if ctx.path() == "/held" {
            entered.fetch_add(1, Ordering::SeqCst);
            held.pass();
        }
        ctx.set_body("served");
    });
    (running, gate, inside)
}

/// Connections that have been idle since different moments, the first for longest.
fn idle_clients(running: &Running, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = running.client();
            assert_eq!(client.get("/").status, 200);
            thread::sleep(A_MOMENT);
            client
        })
        .collect()
}

#[test]
fn the_longest_idle_connection_makes_room() {
    for shards in [1, 2] {
        let running = Running::with(Server::builder().concurrency(4).shards(shards), |_| {});
        let mut clients = idle_clients(&running, 4);
        // The first is not the longest idle any more.
        assert_eq!(clients[0].get("/").status, 200);
        thread::sleep(A_MOMENT);
        for longest in [1, 1] {
            let mut fifth = running.client();
            assert_eq!(fifth.get("/").status, 200, "{shards} shards");
            thread::sleep(A_MOMENT);
            clients.remove(longest).expect_end();
            clients.push(fifth);
        }
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200, "the others go on, {shards} shards");
        }
        let stats = running.server().stats();
        assert_eq!((stats.idle_connections_shed, stats.rejections.concurrency), (2, 0));
        assert_eq!((stats.open_connections, stats.accepted_connections), (4, 6));
    }
}

#[test]
fn nobody_makes_room_inside_a_handler() {
    let (running, gate, inside) = holding(Server::builder().concurrency(4));
    let mut clients = running.clients(4);
    for client in &mut clients {
        client.send(get("/held"));
    }
    eventually("four are inside", || inside.load(Ordering::SeqCst) == 4);
    let mut fifth = running.client();
    assert_eq!(fifth.response().status, 503);
    fifth.expect_end();
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "served");
    }
    // Now they are idle.
    eventually("a further one is served", || {
        let mut further = running.client();
        // A refused one may be closed before this is sent.
        let _ = further.try_send(get("/"));
        further.try_response().is_ok_and(|reply| reply.status == 200)
    });
    assert!(running.server().stats().idle_connections_shed >= 1);
}

#[test]
fn who_never_sent_anything_makes_room_last() {
    let (running, gate, inside) = holding(Server::builder().concurrency(3));
    let mut ahead = running.client();
    running.reaches("it is taken in", |stats| stats.open_connections == 1);
    thread::sleep(A_MOMENT);
    let mut resting = idle_clients(&running, 2);
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = running.client();
        client.send(get("/held"));
        busy.push(client);
        eventually("it is inside", || inside.load(Ordering::SeqCst) == busy.len());
        resting.remove(0).expect_end();
    }
    let mut last = running.client();
    last.send(get("/held"));
    ahead.expect_end();
    eventually("it is inside", || inside.load(Ordering::SeqCst) == 3);
    assert_eq!(running.client().response().status, 503);
    gate.open();
    for client in busy.iter_mut().chain([&mut last]) {
        assert_eq!(client.response().text(), "served");
    }
}

/// Half a request is no idle connection: its client is at work.
#[test]
fn half_a_request_is_not_idle() {
    let running = Running::with(Server::builder().concurrency(2), |_| {});
    let mut halves = running.clients(2);
    assert_eq!(halves[0].get("/").status, 200);
    for client in &mut halves {
        client.send("GET / HTTP/1.1\r\n");
    }
    assert_eq!(running.client().response().status, 503);
    for client in &mut halves {
        client.send("Host: h\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn srv_08_without_descriptors_the_longest_idle_connections_make_room() {
    apart_with_descriptors(
        "http_accept::srv_08_without_descriptors_the_longest_idle_connections_make_room",
        256,
        || {
            let (running, gate, inside) = holding(Server::builder().shards(1));
            let mut clients = idle_clients(&running, 3);
            let mut hoard = hoard();
            // Enough for a client, and none for its connection.
            hoard.pop();
            let mut fourth = running.client();
            assert_eq!(fourth.get("/").status, 200);
            clients.remove(0).expect_end();
            for client in &mut clients {
                assert_eq!(client.get("/").status, 200, "the others go on");
            }
            assert_eq!(running.server().stats().idle_connections_shed, 1);

            // None is idle: the next one waits until one is.
            clients.push(fourth);
            for client in &mut clients {
                client.send(get("/held"));
            }
            eventually("all are inside", || inside.load(Ordering::SeqCst) == 3);
            hoard.extend(self::hoard());
            hoard.pop();
            let mut fifth = running.client();
            fifth.send(get("/"));
            assert!(fifth.hears_nothing_for(Duration::from_millis(50)));
            gate.open();
            assert_eq!(fifth.response().text(), "served");
            assert_eq!(running.server().stats().rejections.concurrency, 0);
        },
    );
}

/// All descriptors that are left.
fn hoard() -> Vec<File> {
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    files
}

/// A port that listeners which share it can have, for as long as the answer is kept.
fn shared_port() -> (SocketAddr, TcpListener) {
    let server =
        Server::builder().shards(1).reuse_port(true).build(|_| {}).expect("a system with the option");
    let listener = server.listen_all("127.0.0.1:0").expect("a free port").remove(0);
    (listener.local_addr().expect("it listens"), listener)
}

/// Serves on that address until it is shut down.
fn serving(server: &Server, address: SocketAddr) -> Background<Result<(), ServeError>> {
    let listeners = server.listen_all(address).expect("the port is shared");
    let serving = server.clone();
    let serving = background(move || serving.serve_all(listeners));
    eventually("it serves", || server.stats().workers.is_some());
    serving
}

/// Two servers with two shards each listen on one port. All of them are given connections, and each shard serves those
/// of its own listener.
#[cfg(target_os = "linux")]
#[test]
fn several_servers_share_a_port() {
    let servers = ["one", "two"].map(|name| {
        let options = Server::builder().shards(2).reuse_port(true);
        options.build(move |ctx| ctx.set_body(name)).expect("a system with the option")
    });
    let (address, placeholder) = shared_port();
    let serving = servers.each_ref().map(|server| serving(server, address));
    drop(placeholder);
    let begun = Instant::now();
    let mut answers = [0, 0];
    while answers.contains(&0) {
        assert!(begun.elapsed() < 3 * PATIENCE, "one of them is given nothing: {answers:?}");
        let mut client = Client::connect(address);
        answers[usize::from(client.get("/").text() == "two")] += 1;
    }
    // The others go on when one ends.
    servers[0].shutdown(PATIENCE).expect("nothing is left to do");
    let [first, second] = serving;
    first.outcome("serving").expect("serving ends well");
    for _ in 0..10 {
        assert_eq!(Client::connect(address).get("/").text(), "two");
    }
    servers[1].shutdown(PATIENCE).expect("nothing is left to do");
    second.outcome("serving").expect("serving ends well");
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_is_shared_only_by_those_who_say_so() {
    let sharing = Server::builder().shards(2).reuse_port(true).build(|_| {}).expect("the option");
    let listeners = sharing.listen_all("127.0.0.1:0").expect("a free port");
    assert_eq!(listeners.len(), 2);
    let address = listeners[0].local_addr().expect("it listens");
    assert_eq!(listeners[1].local_addr().expect("it listens"), address);
    let error = Server::listen(address).expect_err("it is not ours alone");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let alone = Server::listen("127.0.0.1:0").expect("a free port");
    let error = sharing.listen_all(alone.local_addr().expect("it listens")).expect_err("it is not shared");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("does not share its port"), "{error}");
    assert!(sharing.serve_all(Vec::<TcpListener>::new()).is_err());
    assert!(sharing.stats().workers.is_none(), "nothing was started for nothing");
}

/// One listener that is given is served as it is.
#[test]
fn a_given_listener_is_served_whatever_is_said_of_ports() {
    let running = Running::with(Server::builder().shards(2).reuse_port(true), |_| {});
    for client in &mut running.clients(4) {
        assert_eq!(client.get("/").status, 200);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn all_listeners_end_with_the_server_and_it_can_serve_again() {
    let server = Server::builder().shards(3).reuse_port(true).build(|_| {}).expect("the option");
    let (address, _placeholder) = shared_port();
    for _ in 0..2 {
        let serving = serving(&server, address);
        server.shutdown(PATIENCE).expect("nothing is left to do");
        serving.outcome("serving").expect("serving ends well");
    }
}
