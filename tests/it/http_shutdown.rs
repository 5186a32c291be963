//! The end of serving: rows `SHD-01` to `SHD-07`.
//!
//! The rule: what was begun is finished, what was not begun is not started, and nobody waits for a peer that is silent.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anthill_http::{Server, ServerBuilder, ShutdownError};
use anthill_tests::client::{get, post};
use anthill_tests::server::Running;
use anthill_tests::{Background, Gate, PATIENCE, background, eventually};

/// A server whose handler waits at the gate, for `/held`.
fn gated(options: ServerBuilder) -> (Running, Gate) {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(options, move |ctx| {
        if ctx.path() == "/held" {
            held.pass();
        }
        ctx.set_body("done");
    });
    (running, gate)
}

/// Begins to shut down, and returns once the server does not listen any more.
#[track_caller]
fn shutting_down(running: &Running, limit: Duration) -> Background<Result<(), ShutdownError>> {
    let (server, address) = (running.server().clone(), running.address());
    let shutdown = background(move || server.shutdown(limit));
    eventually("the listener refuses", || TcpStream::connect(address).is_err());
    shutdown
}

#[test]
fn shd_01_what_was_begun_is_finished() {
    for announces in [false, true] {
        let options = if announces { Server::builder() } else { Server::builder().close_on_shutdown(false) };
        let (mut running, gate) = gated(options);
        let mut client = running.client();
        client.send(get("/held") + &get("/behind"));
        eventually("the handler runs", || running.handled() == 1);
        let shutdown = shutting_down(&running, PATIENCE);
        assert!(!shutdown.is_finished(), "a handler runs");
        gate.open();
        let reply = client.response();
        assert_eq!((reply.status, reply.text(), reply.closes()), (200, "done", announces));
        shutdown.outcome("shutting down").unwrap();
        running.shut_down(PATIENCE).unwrap();
        client.expect_end();
        assert_eq!(running.handled(), 1, "what came behind was not begun");
    }
}

#[test]
fn shd_01_the_rest_of_a_response_is_sent() {
    let gate = Gate::new();
    let held = gate.clone();
    let mut running = Running::new(move |ctx| {
        held.pass();
        ctx.response.set_body_vec(vec![b'x'; 32 << 20]);
    });
    let mut client = running.client();
    client.send(get("/"));
    eventually("the handler runs", || running.handled() == 1);
    gate.open();
    // The client reads only when the server is shutting down already.
    let shutdown = shutting_down(&running, PATIENCE);
    assert_eq!(client.response().body.len(), 32 << 20);
    client.expect_end();
    shutdown.outcome("shutting down").unwrap();
    running.shut_down(PATIENCE).unwrap();
}

#[test]
fn shd_02_idle_connections_are_closed() {
    let (mut running, _) = gated(Server::builder());
    let mut clients = running.clients(20);
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let begun = Instant::now();
    running.shut_down(PATIENCE).unwrap();
    // Nothing was waited for: the limits of idle connections are far longer.
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    for client in &mut clients {
        client.expect_end();
    }
}

#[test]
fn shd_03_time_may_be_up_first() {
    let (mut running, gate) = gated(Server::builder());
    let mut client = running.client();
    client.send(get("/held"));
    eventually("the handler runs", || running.handled() == 1);
    let limit = Duration::from_millis(500);
    let begun = Instant::now();
    let error = running.shut_down(limit).unwrap_err();
    assert!(begun.elapsed() >= limit, "after {:?}", begun.elapsed());
    assert_eq!(error, ShutdownError::Timeout { open_connections: 1, hijacked_connections: 0 });
    assert_eq!(running.server().stats().open_connections, 1);
    gate.open();
    assert_eq!(client.response().text(), "done", "it is delivered all the same");
    client.expect_end();
}

#[test]
fn shd_04_a_server_can_serve_again() {
    let (mut running, _) = gated(Server::builder());
    let before = running.address();
    for round in 0..3 {
        let mut client = running.client();
        assert_eq!(client.get("/").status, 200);
        running.shut_down(PATIENCE).unwrap();
        client.expect_end();
        assert_eq!(running.server().stats().requests, round + 1);
        let again = running.listen("127.0.0.1:0").unwrap();
        assert_eq!(running.address(), again);
    }
    // Where it listened before, too.
    running.shut_down(PATIENCE).unwrap();
    if running.listen(&before.to_string()).is_ok() {
        assert_eq!(running.client().get("/").status, 200);
    }
}

#[test]
fn shd_04_a_shutdown_can_be_repeated() {
    let (mut running, gate) = gated(Server::builder());
    let mut client = running.client();
    client.send(get("/held"));
    eventually("the handler runs", || running.handled() == 1);
    for _ in 0..3 {
        assert!(running.shut_down(Duration::from_millis(20)).is_err());
    }
    // Until it has ended, it cannot begin again; it says so.
    let refused = running.server().serve(Server::listen("127.0.0.1:0").unwrap());
    assert!(refused.is_err_and(|error| error.to_string().contains("shutting down")));
    gate.open();
    assert_eq!(client.response().status, 200);
    for _ in 0..3 {
        running.shut_down(PATIENCE).unwrap();
    }
    running.listen("127.0.0.1:0").unwrap();
    assert_eq!(running.client().get("/").status, 200);
}

#[test]
fn several_may_shut_down_at_once() {
    let (running, gate) = gated(Server::builder());
    let mut client = running.client();
    client.send(get("/held"));
    eventually("the handler runs", || running.handled() == 1);
    let shutdowns: Vec<_> = (0..4).map(|_| shutting_down(&running, PATIENCE)).collect();
    gate.open();
    for shutdown in shutdowns {
        shutdown.outcome("one of several shutdowns").unwrap();
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn shd_06_silent_connections_do_not_hold_it_up() {
    let options = Server::builder().read_timeout(None).read_header_timeout(None);
    let (mut running, _) = gated(options);
    let mut silent = running.clients(10);
    running.reaches("they have been accepted", |stats| stats.open_connections == 10);
    let begun = Instant::now();
    running.shut_down(PATIENCE).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    for client in &mut silent {
        client.expect_end();
    }
}

#[test]
fn a_fresh_server_is_shut_down_at_once_and_for_good() {
    let server = Server::new(|ctx| ctx.set_body("nobody gets this")).unwrap();
    let (signal, (ends, told)) = (server.stop_signal(), std::sync::mpsc::channel());
    signal.on_stop(move || ends.send(()).unwrap()).keep();
    server.shutdown(Duration::ZERO).unwrap();
    assert!(signal.is_stopping() && told.try_recv().is_ok(), "whoever waits for the end has been told");
    server.shutdown(PATIENCE).unwrap();
    // Whoever serves later was told before; all of them, on whatever thread.
    for _ in 0..2 {
        let listener = Server::listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        background(move || serving.serve(listener)).outcome("serving").unwrap();
        assert!(TcpStream::connect(address).is_err(), "the listener was closed");
    }
    server.serve_all(server.listen_all("127.0.0.1:0").unwrap()).unwrap();
    server.listen_and_serve("127.0.0.1:0").unwrap();
    server.start("127.0.0.1:0").unwrap().join().unwrap();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(server.serve_conn(ours).is_err());
    assert!(!server.is_ready());
}

#[test]
fn a_shutdown_meets_a_server_that_starts() {
    for _ in 0..200 {
        let server = Server::builder().shards(1).build(|_| {}).unwrap();
        let listener = Server::listen("127.0.0.1:0").unwrap();
        let serving = server.clone();
        let serving = background(move || serving.serve(listener));
        server.shutdown(PATIENCE).unwrap();
        // Whichever came first, it ends.
        serving.outcome("serving").unwrap();
    }
}

/// Serving returns only when what was under way has been answered: whoever leaves `main` then cuts nothing off.
#[test]
fn shd_01_serving_returns_behind_the_drain() {
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, inside) = (gate.clone(), entered.clone());
    let server = Server::builder().shards(2).build(move |ctx| {
        if ctx.path() == "/held" {
            inside.open();
            held.pass();
        }
        ctx.set_body("done");
    });
    let server = server.unwrap();
    let listeners = vec![Server::listen("127.0.0.1:0").unwrap(), Server::listen("127.0.0.1:0").unwrap()];
    let (first, second) = (server.clone(), Server::listen("127.0.0.1:0").unwrap());
    let all = listeners.iter().chain([&second]);
    let addresses: Vec<_> = all.map(|listener| listener.local_addr().unwrap()).collect();
    let serving = [
        background(move || first.serve_all(listeners)),
        background({
            let server = server.clone();
            move || server.serve(second)
        }),
    ];
    for address in &addresses {
        assert_eq!(anthill_tests::client::Client::connect(*address).get("/").status, 200, "it serves");
    }
    let mut client = anthill_tests::client::Client::connect(addresses[1]);
    client.send(get("/held"));
    entered.pass();
    let stopping = server.clone();
    let shutdown = background(move || stopping.shutdown(PATIENCE));
    eventually("the listeners refuse", || {
        addresses.iter().all(|address| TcpStream::connect(address).is_err())
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(serving.iter().all(|serving| !serving.is_finished()), "a handler runs");
    gate.open();
    for serving in serving {
        serving.outcome("serving").unwrap();
    }
    assert_eq!(client.response().text(), "done");
    shutdown.outcome("shutting down").unwrap();
}

#[test]
fn shd_03_serving_says_that_time_was_up() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::new(move |_| held.pass()).unwrap();
    let running = server.start("127.0.0.1:0").unwrap();
    let mut client = anthill_tests::client::Client::connect(running.local_addr());
    client.send(get("/"));
    eventually("it is accepted", || server.stats().open_connections == 1);
    assert!(running.shutdown(Duration::from_millis(50)).is_err());
    let error = running.join().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.to_string().starts_with("1 connections were still open"), "{error}");
    gate.open();
    assert_eq!(client.response().status, 200);
    server.shutdown(PATIENCE).unwrap();
}

#[test]
fn shd_05_handlers_and_writers_see_the_end() {
    let running = Running::new(|ctx| {
        let stop = ctx.stop_signal();
        assert!(!ctx.is_stopping() && ctx.is_ready());
        match ctx.path() {
            "/wait" => {
                assert!(stop.wait(None));
                assert!(ctx.is_stopping() && !ctx.is_ready());
                ctx.set_body("it ends");
            }
            "/told" => {
                let (ends, told) = std::sync::mpsc::channel();
                let _hook = stop.on_stop(move || {
                    let _ = ends.send(());
                });
                told.recv().expect("it is called");
                ctx.set_body("it ends");
            }
            "/write" => ctx.response.set_body_writer(move |out| {
                use std::io::Write;
                while !out.is_stopping() {
                    out.write_all(b".")?;
                    out.flush()?;
                    stop.wait(Duration::from_millis(5));
                }
                out.write_all(b"it ends")
            }),
            _ => {}
        }
    });
    let mut clients = running.clients(3);
    for (client, path) in clients.iter_mut().zip(["/wait", "/told", "/write"]) {
        client.send(get(path));
    }
    eventually("the handlers run", || running.handled() == 3);
    let shutdown = shutting_down(&running, PATIENCE);
    for client in &mut clients {
        let reply = client.response();
        assert!(reply.text().ends_with("it ends"), "{reply:?}");
    }
    shutdown.outcome("shutting down").unwrap();
}

#[test]
fn shd_05_the_next_life_sees_its_own_end() {
    let mut running = Running::new(|ctx| {
        let (ready, stopping) = (ctx.is_ready(), ctx.is_stopping());
        ctx.set_body(format!("{ready} {stopping}"));
    });
    for _ in 0..2 {
        assert!(running.server().is_ready());
        assert_eq!(running.client().get("/").text(), "true false");
        let (ends, told) = std::sync::mpsc::channel();
        running.server().stop_signal().on_stop(move || ends.send(()).unwrap()).keep();
        running.shut_down(PATIENCE).unwrap();
        told.try_recv().expect("it was called");
        assert!(!running.server().is_ready());
        running.listen("127.0.0.1:0").unwrap();
    }
}

#[test]
fn readiness_ends_before_anything_else() {
    for announces in [true, false] {
        let options = Server::builder().shutdown_delay(PATIENCE * 4).close_on_shutdown(announces);
        let mut running = Running::with(options, |ctx| {
            let (ready, stopping) = (ctx.is_ready(), ctx.is_stopping());
            ctx.set_body(format!("{ready} {stopping}"));
            if ctx.path() == "/taken" {
                ctx.hijack(|mut conn| std::io::Write::write_all(&mut conn, b"taken over").unwrap());
            }
        });
        let mut client = running.client();
        let before = client.get("/");
        assert_eq!((before.text(), before.closes()), ("true false", false));
        let server = running.server().clone();
        let shutdown = background(move || server.shutdown(PATIENCE * 8));
        eventually("it is not ready any more", || !running.server().is_ready());
        // On connections that are there, and on new ones; those that say so end.
        let mut late = running.client();
        for client in [&mut client, &mut late] {
            let reply = client.get("/");
            assert_eq!((reply.text(), reply.closes()), ("false false", announces));
            if announces {
                client.expect_end();
            }
        }
        let mut taken = running.client();
        let reply = taken.get("/taken");
        assert_eq!((reply.text(), reply.closes()), ("false false", false));
        assert_eq!(taken.rest().unwrap(), b"taken over");
        assert!(!shutdown.is_finished());
        // Another one that has less time ends the delay for both.
        running.shut_down(Duration::from_secs(4)).unwrap();
        shutdown.outcome("the first shutdown").unwrap();
        client.expect_end();
    }
}

#[test]
fn a_running_server_is_ended_by_whoever_has_a_handle() {
    let server = Server::new(|ctx| ctx.set_body("started")).unwrap();
    let listeners = vec![Server::listen("127.0.0.1:0").unwrap(), Server::listen("127.0.0.1:0").unwrap()];
    let running = server.start_all(listeners).unwrap();
    assert_eq!(running.local_addrs()[0], running.local_addr());
    for address in running.local_addrs() {
        assert_eq!(anthill_tests::client::Client::connect(*address).get("/").text(), "started");
    }
    let stopping = running.server().clone();
    let shutdown = background(move || stopping.shutdown(PATIENCE));
    running.join().unwrap();
    shutdown.outcome("shutting down").unwrap();
    assert!(server.start_all(Vec::<std::net::TcpListener>::new()).is_err());
}

#[test]
fn a_request_under_way_is_bounded_by_its_own_timeout() {
    // Half a request when the shutdown comes: it may still arrive, but not for longer than the read timeout.
    let options = Server::builder().read_timeout(Duration::from_millis(1500));
    let (mut running, _) = gated(options);
    let [mut completed, mut abandoned] = [running.client(), running.client()];
    let request = post("/", "body");
    let (first, second) = request.split_at(request.len() - 2);
    for client in [&mut completed, &mut abandoned] {
        client.send(first);
        // So that the server has seen it.
        client.send("b");
    }
    std::thread::sleep(Duration::from_millis(100));
    let shutdown = shutting_down(&running, PATIENCE);
    completed.send(&second[1..]);
    let reply = completed.response();
    assert!(reply.status == 200 || reply.status == 408, "{reply:?}");
    completed.expect_end();
    let reply = abandoned.response();
    assert_eq!((reply.status, reply.closes()), (408, true));
    shutdown.outcome("shutting down").unwrap();
    running.shut_down(PATIENCE).unwrap();
}

#[test]
fn under_load_every_request_is_answered_in_full_or_not_at_all() {
    for _ in 0..5 {
        let mut running = Running::with(Server::builder().shards(2), |ctx| {
            let body = ctx.path().repeat(10);
            ctx.set_body(body);
        });
        let address = running.address();
        let clients: Vec<_> = (0..4)
            .map(|number| {
                // Here, because a thread may begin when nobody listens any more.
                let mut client = anthill_tests::client::Client::connect(address);
                background(move || {
                    let mut answered = 0;
                    // Until the server ends the connection, which it may do between two responses only.
                    loop {
                        let path = format!("/{number}/{answered}");
                        if client.try_send(get(&path)).is_err() {
                            return answered;
                        }
                        match client.try_response() {
                            Ok(reply) => assert_eq!(reply.text(), path.repeat(10)),
                            Err(problem) => {
                                let is_between = problem.ends_with("after \"\"");
                                assert!(is_between, "a response was cut: {problem}");
                                return answered;
                            }
                        }
                        answered += 1;
                    }
                })
            })
            .collect();
        eventually("they are at it", || running.handled() > 100);
        running.shut_down(PATIENCE).unwrap();
        let answered: usize = clients.into_iter().map(|client| client.outcome("a client under load")).sum();
        assert_eq!(running.handled(), answered, "each request that was handled was answered");
    }
}
