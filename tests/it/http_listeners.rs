//! Several listeners at once: who gets what, and that none holds up another (row `UTL-02`).

use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anthill_http::{ConnState, Listener, Server};
use anthill_tests::client::{Client, post};
use anthill_tests::{Gate, PATIENCE, eventually};

/// How long nothing comes of a connection that the system has no place for. A machine that is slow only makes it
/// longer.
const SHORT: Duration = Duration::from_millis(500);

#[cfg(target_os = "linux")]
#[test]
fn utl_02_ten_listeners_share_a_port_and_all_are_served() {
    let server = Server::builder().shards(10).reuse_port(true).build(|ctx| {
        let body = ctx.body().to_vec();
        ctx.set_body(body);
    });
    let server = server.expect("a system with the option");
    let listeners = server.listen_all("127.0.0.1:0").expect("a free port");
    let addresses: HashSet<_> = listeners.iter().map(|one| one.local_addr().expect("it listens")).collect();
    assert_eq!((listeners.len(), addresses.len()), (10, 1));
    let running = server.start_all(listeners).expect("a server");
    let address = running.local_addr();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            anthill_tests::background(move || {
                for number in 0..250 {
                    let body = format!("{thread} {number}");
                    assert_eq!(Client::connect(address).exchange(post("/", &body)).text(), body);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.outcome("a thousand echoes"));
    assert_eq!(running.stats().accepted_connections, 1000);
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}

/// More who accept are more who are accepted at once: where one of them is kept busy, the others go on.
#[cfg(target_os = "linux")]
#[test]
fn utl_02_one_acceptor_that_is_held_up_does_not_hold_up_the_others() {
    let (gate, is_held) = (Gate::new(), Arc::new(AtomicBool::new(false)));
    let (held, first) = (gate.clone(), is_held.clone());
    let server = Server::builder().shards(4).reuse_port(true).conn_state(move |_, state| {
        // The thread that accepts tells of it.
        if state == ConnState::New && !first.swap(true, Ordering::SeqCst) {
            held.pass();
        }
    });
    let running = server.build(|ctx| ctx.set_body("served")).expect("the option").start("127.0.0.1:0");
    let running = running.expect("a free port");
    let mut held_up = Client::connect(running.local_addr());
    eventually("one is held up", || is_held.load(Ordering::SeqCst));
    // Those that the system gives to that one wait; it gives to each of the four.
    let mut served = 0;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut client = Client::connect(running.local_addr());
        client.send(anthill_tests::client::get("/"));
        waiting.push(client);
    }
    waiting.retain_mut(|client| {
        let is_silent = client.hears_nothing_for(Duration::from_millis(50));
        if !is_silent {
            assert_eq!(client.response().text(), "served");
            served += 1;
        }
        is_silent
    });
    assert!(served > 0 && !waiting.is_empty(), "{served} of 40 were served");
    gate.open();
    assert!(waiting.iter_mut().all(|client| client.response().text() == "served"));
    assert_eq!(held_up.get("/").text(), "served");
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}

/// What the option says is what the system has: Linux takes one more than it is told, and leaves others unanswered.
#[cfg(target_os = "linux")]
#[test]
fn utl_02_the_backlog_is_as_asked_for() {
    for backlog in [1, 5] {
        let server = Server::builder().backlog(backlog).build(|ctx| ctx.set_body("served"));
        let server = server.expect("an option");
        let listeners = server.listen_all("127.0.0.1:0").expect("a free port");
        let address = listeners[0].local_addr().expect("it listens");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "there is no end of it");
        }
        assert_eq!(waiting.len(), backlog as usize + 1);
        let running = server.start_all(listeners).expect("a server");
        for stream in waiting {
            stream.set_read_timeout(Some(PATIENCE)).expect("an option of every socket");
            assert_eq!(Client::over(stream).get("/").text(), "served", "whoever waited is served");
        }
        running.shutdown(PATIENCE).expect("an end in time");
        running.join().expect("a good end");
    }
}

/// Listeners of the user's own, with options that the server knows nothing of, are served as they are.
#[test]
fn utl_02_listeners_with_options_of_ones_own_are_served() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_tcp_mss(900).expect("an option of every TCP socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).and_then(|()| socket.listen(7)).expect("a free port");
    let own = std::net::TcpListener::from(socket);
    let plain = Server::listen("127.0.0.1:0").expect("a free port");
    let server = Server::new(|ctx| ctx.set_body(ctx.local_addr().to_string())).expect("the defaults");
    let running = server.start_all([Listener::from(own), plain.into()]).expect("a server");
    assert_eq!(running.local_addrs().len(), 2);
    for address in running.local_addrs() {
        assert_eq!(Client::connect(*address).get("/").text(), address.to_string());
    }
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}
