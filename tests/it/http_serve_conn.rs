//! `serve_conn` beside the engine: what it counts, what it is told of a connection, and how a shutdown ends it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::{ConnOptions, Error, RequestCtx, Server, ServerStats, ShutdownError};
use anthill_tests::client::{Client, SOCKET_LIMIT, get, post};
use anthill_tests::server::Running;
use anthill_tests::{Background, Gate, background, eventually, quiet_panics};

/// A connection to `server` that is served by a call of its own.
fn connect(server: &Server) -> (Client, Background<Result<(), Error>>) {
    let (client, theirs) = pair();
    let server = server.clone();
    (client, background(move || server.serve_conn(theirs)))
}

fn pair() -> (Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = Client::connect(listener.local_addr().expect("it listens"));
    (client, listener.accept().expect("the client is there").0)
}

/// What both drivers have to count alike.
fn figures(stats: &ServerStats) -> impl PartialEq + std::fmt::Debug + use<> {
    (stats.accepted_connections, stats.requests, stats.panics, stats.rejections)
}

#[test]
fn both_drivers_count_alike() {
    quiet_panics();
    let handler = |ctx: &mut RequestCtx| assert_ne!(ctx.path(), "/panic", "as asked for");
    let options = || Server::builder().max_request_body_size(3).read_buffer_size(512);
    let conversations = [
        get("/") + &get("/panic") + &get("/"),
        get("/") + "nonsense\r\n\r\n",
        post("/", "four"),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(600)),
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: the-unexpected\r\n\r\n".to_owned(),
        "GET / HT".to_owned(),
    ];
    let by_engine = Running::with(options(), handler);
    let alone = options().build(handler).expect("options that go together");
    for conversation in &conversations {
        let mut client = by_engine.client();
        client.send(conversation);
        client.finish_sending();
        client.rest().expect("it ends");
        let (mut client, serving) = connect(&alone);
        client.send(conversation);
        client.finish_sending();
        client.rest().expect("it ends");
        let _ = serving.outcome("serving one connection");
    }
    by_engine.reaches("all connections have ended", |stats| stats.open_connections == 0);
    let (by_engine, alone) = (by_engine.server().stats(), alone.stats());
    assert_eq!(alone.requests, 4);
    assert_eq!((alone.panics, alone.rejections.body_too_large, alone.rejections.head_too_large), (1, 1, 1));
    assert_eq!(figures(&alone), figures(&by_engine));
    assert_eq!(alone.open_connections, 0);
}

#[test]
fn what_is_open_and_answered_shows_while_it_is_served() {
    let server = Server::new(|_| {}).expect("the defaults");
    let (mut client, serving) = connect(&server);
    assert_eq!(client.get("/").status, 200);
    eventually("the request is counted", || server.stats().requests == 1);
    assert_eq!(server.stats().open_connections, 1);
    drop(client);
    serving.outcome("serving one connection").expect("it ends well");
    assert_eq!(server.stats().open_connections, 0);
}

#[test]
fn the_caller_says_what_is_to_be_known_of_a_connection() {
    let server = Server::new(|ctx| {
        let seen = format!("{} {} {}", ctx.remote_addr(), ctx.local_addr(), ctx.conn().is_tls());
        ctx.set_body(seen);
    });
    let server = server.expect("the defaults");
    let serve = |options: ConnOptions| {
        let (mut client, theirs) = pair();
        let addresses = (client.stream().local_addr().unwrap(), theirs.local_addr().unwrap());
        let serving = {
            let server = server.clone();
            background(move || server.serve_conn_with(theirs, options))
        };
        let seen = client.get("/").text().to_owned();
        drop(client);
        serving.outcome("serving one connection").expect("it ends well");
        (seen, addresses)
    };
    let (seen, (remote, local)) = serve(ConnOptions::new());
    assert_eq!(seen, format!("{remote} {local} false"), "a socket knows its addresses");

    let told: SocketAddr = ([192, 0, 2, 1], 4711).into();
    let (seen, (_, local)) = serve(ConnOptions::new().remote_addr(told).tls(true));
    assert_eq!(seen, format!("{told} {local} true"));
    let (seen, (remote, _)) = serve(ConnOptions::new().local_addr(told));
    assert_eq!(seen, format!("{remote} {told} false"));
}

#[test]
fn a_shutdown_ends_idle_connections_at_once_and_others_after_their_request() {
    let (gate, held) = (Gate::new(), Gate::new());
    let (passed, inside) = (gate.clone(), held.clone());
    let server = Server::new(move |ctx| {
        if ctx.path() == "/held" {
            inside.open();
            passed.pass();
        }
        ctx.set_body("whole");
    });
    let server = server.expect("the defaults");
    let (mut idle, serving_idle) = connect(&server);
    assert_eq!(idle.get("/").text(), "whole");
    let (mut busy, serving_busy) = connect(&server);
    busy.send(get("/held"));
    held.pass();
    let (mut half, serving_half) = connect(&server);
    half.send("GET / HTTP/1.1\r\nHo");
    let (never, serving_never) = connect(&server);
    eventually("all four are served", || server.stats().open_connections == 4);
    // Nothing tells that half a head was read; until then it is nothing.
    std::thread::sleep(Duration::from_millis(200));

    // What is between two requests ends, whatever the others do.
    let limit = Duration::from_secs(1);
    assert_eq!(
        server.shutdown(limit),
        Err(ShutdownError::Timeout { open_connections: 2, hijacked_connections: 0 })
    );
    serving_idle.outcome("an idle connection").expect("it ends well");
    serving_never.outcome("a connection that never sent anything").expect("it ends well");
    idle.expect_end();
    drop(never);
    let (refused, serving) = connect(&server);
    serving.outcome("a connection during the shutdown").expect_err("none is served any more");
    drop(refused);

    // The others are answered whole.
    half.send("st: h\r\n\r\n");
    assert_eq!(half.response().text(), "whole");
    half.expect_end();
    serving_half.outcome("a connection with half a head").expect("it ends well");
    gate.open();
    assert_eq!(busy.response().text(), "whole");
    busy.expect_end();
    serving_busy.outcome("a connection in a handler").expect("it ends well");
    server.shutdown(SOCKET_LIMIT).expect("nothing is left");

    let (mut again, serving) = connect(&server);
    assert_eq!(again.get("/").text(), "whole", "the server serves again");
    drop(again);
    serving.outcome("serving one connection").expect("it ends well");
}

#[test]
fn a_shutdown_waits_for_both_kinds_of_connections() {
    let (gate, held) = (Gate::new(), Gate::new());
    let (passed, inside) = (gate.clone(), held.clone());
    let running = Running::with(Server::builder(), move |_| {
        inside.open();
        passed.pass();
    });
    let (mut alone, serving) = connect(running.server());
    alone.send(get("/"));
    held.pass();
    let timeout = running.server().shutdown(Duration::from_millis(50));
    assert_eq!(timeout, Err(ShutdownError::Timeout { open_connections: 1, hijacked_connections: 0 }));
    gate.open();
    assert_eq!(alone.response().status, 200);
    serving.outcome("serving one connection").expect("it ends well");
}

/// A stream of the user's own: a pipe that can be ended from elsewhere.
struct Pipe {
    input: mpsc::Receiver<Vec<u8>>,
    output: mpsc::Sender<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let piece = self.input.recv().unwrap_or_default();
        room[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_of_ones_own_is_ended_by_the_function_that_was_given() {
    let server = Server::new(|ctx| ctx.set_body("answered")).expect("the defaults");
    let (send, input) = mpsc::channel();
    let (output, received) = mpsc::channel();
    let serving = {
        let (server, ender) = (server.clone(), send.clone());
        let options = ConnOptions::new().on_shutdown(move || drop(ender.send(Vec::new())));
        background(move || server.serve_conn_with(Pipe { input, output }, options))
    };
    send.send(get("/").into_bytes()).expect("it is read");
    let response = received.recv_timeout(SOCKET_LIMIT).expect("a response");
    assert!(response.ends_with(b"\r\n\r\nanswered"));
    // Also while it waits for the first request of all.
    server.shutdown(SOCKET_LIMIT).expect("it is ended");
    serving.outcome("serving one connection").expect("it ends well");
}

#[test]
fn a_client_that_only_shut_its_own_side_is_answered_during_a_shutdown() {
    let server = Server::new(|ctx| ctx.set_body("answered")).expect("the defaults");
    let (mut client, serving) = connect(&server);
    client.send(get("/") + &get("/"));
    client.stream().shutdown(Shutdown::Write).expect("an option of every socket");
    assert_eq!(client.response().text(), "answered");
    assert_eq!(client.response().text(), "answered");
    client.expect_end();
    serving.outcome("serving one connection").expect("it ends well");
    server.shutdown(Duration::ZERO).expect("nothing is left");
}

#[test]
fn a_refusal_arrives_although_more_was_sent_than_is_read() {
    let server = Server::new(|_| {}).expect("the defaults");
    let (mut client, serving) = connect(&server);
    client.send(get("/") + "nonsense\r\n\r\n" + &"x".repeat(200_000));
    let rest = String::from_utf8(client.rest().expect("an end, and no reset")).expect("text");
    assert!(rest.contains("\r\n\r\nHTTP/1.1 400 Bad Request\r\n"), "{rest}");
    assert!(serving.outcome("serving one connection").is_err());
}
