//! Early hints: row `EH-01`, in both drivers.

use std::io::Read;
use std::net::TcpStream;

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::{Client, get};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, PATIENCE, background};

const HINTS: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n";
const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n";
const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Hints, and goes on when the gate is open.
fn hinting(gate: Gate) -> impl Fn(&mut RequestCtx) + Send + Sync {
    move |ctx| match ctx.path() {
        "/hints" => {
            ctx.response.append_header("Link", "</a.css>; rel=preload");
            ctx.response.append_header("Link", "</b.js>; rel=preload");
            let is_new = ctx.request.version() == anthill_http::Version::Http11;
            assert_eq!(ctx.early_hints().expect("a client"), is_new);
            gate.pass();
        }
        "/none" => assert!(!ctx.early_hints().expect("a client"), "there is nothing to hint at"),
        _ => {}
    }
}

fn hear(stream: &mut TcpStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).expect("a server");
    assert_eq!(String::from_utf8(heard).expect("text"), expected);
}

/// A client of the engine, and one of a call of its own.
fn with_both(check: impl Fn(Client<TcpStream>, &Gate)) {
    let gate = Gate::new();
    let running = Running::with(plain(), hinting(gate.clone()));
    check(running.client(), &gate);

    let gate = Gate::new();
    let server: Server = plain().build(hinting(gate.clone())).expect("options that go together");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = Client::connect(listener.local_addr().expect("it listens"));
    let (serving, ours) = (server.clone(), listener.accept().expect("the client").0);
    let serving = background(move || serving.serve_conn(ours));
    check(client, &gate);
    serving.outcome("serving one connection").expect("it ends well");
    server.shutdown(PATIENCE).expect("nothing is left");
}

#[test]
fn eh_01_hints_come_while_the_handler_runs() {
    with_both(|mut client, gate| {
        client.send(get("/hints"));
        let mut stream = client.stream();
        let mut heard = vec![0; HINTS.len()];
        stream.read_exact(&mut heard).expect("a server");
        assert_eq!(String::from_utf8(heard).expect("text"), HINTS, "the handler has not ended");
        gate.open();
        let mut stream = stream.try_clone().expect("a descriptor");
        hear(&mut stream, FINAL);
        client.send(get("/none"));
        hear(&mut stream, PLAIN);
    });
}

#[test]
fn eh_01_hints_do_not_overtake_what_was_answered_before() {
    with_both(|mut client, gate| {
        gate.open();
        let mut stream = client.stream().try_clone().expect("a descriptor");
        client.send(get("/hints"));
        hear(&mut stream, &format!("{HINTS}{FINAL}"));
        client.send(get("/") + &get("/none") + &get("/hints") + &get("/hints") + &get("/"));
        hear(&mut stream, &format!("{PLAIN}{PLAIN}{HINTS}{FINAL}{HINTS}{FINAL}{PLAIN}"));
    });
}

#[test]
fn eh_01_who_cannot_take_hints_gets_none() {
    with_both(|mut client, gate| {
        gate.open();
        let mut stream = client.stream().try_clone().expect("a descriptor");
        client.send("GET /hints HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let kept = FINAL.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n");
        hear(&mut stream, &kept);
    });
    let mut ctx = RequestCtx::default();
    ctx.response.append_header("Link", "</a.css>");
    assert!(!ctx.early_hints().expect("nobody is there"), "there is no connection");
}
