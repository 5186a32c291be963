//! Places of requests that outlive their handlers: each comes free once, when the last of its connection is over,
//! however that ends.

use std::io::{Read, Write};
use std::time::Duration;

use anthill_http::middleware::{ConcurrencyLimit, concurrency_limit};
use anthill_http::testing::{TestConn, TestServer};
use anthill_http::websocket::{
    Message, WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{Handler, HttpError, RequestCtx, TimeLimit, timeout};
use anthill_tests::{PATIENCE, eventually, planned_panic, quiet_panics};

/// What a request makes of its connection.
const KINDS: [&str; 6] = ["/loop", "/told", "/upgrade", "/hijack", "/writer", "/reader"];

/// Sends back what comes, and panics at `panic`.
struct Told;

impl WebSocketHandler for Told {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        if message == Message::from("panic") {
            planned_panic();
        }
        Ok(socket.send(message)?)
    }
}

/// Sends back what comes byte by byte, ends at `.`, and panics at `!`.
fn echo(mut conn: impl Read + Write) {
    let mut byte = [0; 1];
    while conn.read(&mut byte).is_ok_and(|count| count > 0) && conn.write_all(&byte).is_ok() {
        match byte[0] {
            b'.' => return,
            b'!' => planned_panic(),
            _ => {}
        }
    }
}

/// Is read without end, until its query says otherwise.
struct Source {
    ends: Option<&'static str>,
    given: usize,
}

impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.given += 1;
        match self.ends {
            Some("panic") if self.given > 3 => planned_panic(),
            Some("error") if self.given > 3 => Err(std::io::Error::other("planned: it fails")),
            Some(_) if self.given > 3 => Ok(0),
            _ => {
                room.fill(b'x');
                Ok(room.len())
            }
        }
    }
}

fn ends(ctx: &RequestCtx) -> Option<&'static str> {
    match ctx.query_arg("ends").as_deref() {
        Some(b"panic") => Some("panic"),
        Some(b"error") => Some("error"),
        Some(_) => Some("well"),
        None => None,
    }
}

fn long(ctx: &mut RequestCtx) {
    let mut source = Source { ends: ends(ctx), given: 0 };
    match ctx.path() {
        "/loop" => {
            ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
                while let Some(message) = socket.read()? {
                    match message == Message::from("panic") {
                        true => planned_panic(),
                        false => socket.send(message)?,
                    }
                }
                Ok(())
            });
        }
        "/told" => {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Told);
        }
        "/upgrade" => {
            ctx.upgrade("echo", echo);
        }
        "/hijack" => ctx.hijack_without_response(echo),
        "/reader" => ctx.response.set_body_reader(source),
        "/writer" => ctx.response.set_body_writer(move |out| {
            let mut room = [0; 65536];
            loop {
                match source.read(&mut room)? {
                    0 => return Ok(()),
                    count => out.write_all(&room[..count])?,
                }
            }
        }),
        "/large" => ctx.response.set_body_vec(vec![b'x'; 8 * 1024 * 1024]),
        "/panics" => {
            ctx.hijack(drop);
            planned_panic()
        }
        _ => ctx.set_body("short"),
    }
}

/// One place, and a server around it.
fn one_place() -> (ConcurrencyLimit, TestServer) {
    let places = ConcurrencyLimit::builder(1).build().expect("a policy");
    let server = TestServer::handler(concurrency_limit(long, places.clone()));
    (places, server)
}

/// A connection that has a place, of which so many are taken then.
fn holding(places: &ConcurrencyLimit, server: &TestServer, target: &str, taken: usize) -> TestConn {
    let mut conn = server.connect();
    let asks = match target {
        "/upgrade" => "Connection: upgrade\r\nUpgrade: echo\r\n",
        "/loop" | "/told" => {
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        _ => "",
    };
    conn.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{asks}\r\n"));
    if target != "/hijack" {
        conn.read_until("\r\n\r\n");
    }
    eventually("it has a place", || places.taken() == taken);
    conn
}

/// The place is free, and it is one.
#[track_caller]
fn is_free_once(places: &ConcurrencyLimit, server: &TestServer, what: &str) {
    eventually(&format!("the place is free: {what}"), || places.taken() == 0);
    let conn = holding(places, server, "/hijack", 1);
    server.get("/short").send().assert_status(503);
    drop(conn);
    eventually("the place is free again", || places.taken() == 0);
}

#[test]
fn a_client_that_has_gone_gives_its_place_back() {
    let (places, server) = one_place();
    for kind in KINDS {
        let conn = holding(&places, &server, kind, 1);
        server.get("/short").send().assert_status(503);
        assert_eq!(places.taken(), 1, "{kind}");
        drop(conn);
        is_free_once(&places, &server, kind);
    }
}

#[test]
fn a_panic_behind_the_handler_gives_its_place_back() {
    quiet_panics();
    let (places, server) = one_place();
    for (kind, says) in
        [("/upgrade", "!"), ("/hijack", "!"), ("/writer?ends=panic", ""), ("/reader?ends=panic", "")]
    {
        let mut conn = server.connect();
        let asks = if kind == "/upgrade" { "Connection: upgrade\r\nUpgrade: echo\r\n" } else { "" };
        conn.send(format!("GET {kind} HTTP/1.1\r\nHost: h\r\n{asks}\r\n{says}"));
        conn.read_to_end();
        is_free_once(&places, &server, kind);
    }
    for kind in ["/loop", "/told"] {
        let mut socket = server.websocket(kind).connect().expect("it is opened");
        assert_eq!(places.taken(), 1, "{kind}");
        socket.send("panic").expect("it is sent");
        while let Ok(Some(_)) = socket.read() {}
        is_free_once(&places, &server, kind);
    }
    // One that has had the connection taken over, and panics then.
    server.get("/panics").send().assert_status(500);
    is_free_once(&places, &server, "the handler panics");
}

#[test]
fn who_ends_gives_the_place_back() {
    let (places, server) = one_place();
    for (kind, says) in [
        ("/upgrade", "a."),
        ("/hijack", "a."),
        ("/writer?ends=well", ""),
        ("/reader?ends=well", ""),
        ("/writer?ends=error", ""),
        ("/reader?ends=error", ""),
    ] {
        let mut conn = server.connect();
        let asks = if kind == "/upgrade" {
            "Connection: upgrade\r\nUpgrade: echo\r\n"
        } else {
            "Connection: close\r\n"
        };
        conn.send(format!("GET {kind} HTTP/1.1\r\nHost: h\r\n{asks}\r\n{says}"));
        conn.read_to_end();
        is_free_once(&places, &server, kind);
    }
    for kind in ["/loop", "/told"] {
        let mut socket = server.websocket(kind).connect().expect("it is opened");
        socket.send("hello").expect("it is sent");
        assert_eq!(socket.read().expect("an answer"), Some(Message::from("hello")));
        assert_eq!(places.taken(), 1, "{kind}");
        drop(socket);
        is_free_once(&places, &server, kind);
    }
}

#[test]
fn of_two_places_one_comes_free_for_each_that_is_over() {
    let places = ConcurrencyLimit::builder(2).build().expect("a policy");
    let server = TestServer::handler(concurrency_limit(long, places.clone()));
    for kind in KINDS {
        let first = holding(&places, &server, kind, 1);
        let second = holding(&places, &server, kind, 2);
        server.get("/short").send().assert_status(503);
        drop(first);
        eventually(&format!("one is free: {kind}"), || places.taken() < 2);
        assert_eq!(places.taken(), 1, "{kind}");
        let third = holding(&places, &server, kind, 2);
        server.get("/short").send().assert_status(503);
        drop((second, third));
        eventually(&format!("both are free: {kind}"), || places.taken() == 0);
    }
}

/// However slowly its client takes it: there is more of it than can be on its way.
#[test]
fn a_body_that_is_made_holds_no_place() {
    let (places, server) = one_place();
    let mut conn = server.connect();
    conn.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    conn.read_until("\r\n\r\n");
    eventually("the place is free", || places.taken() == 0);
    server.get("/short").send().assert_status(200);
    drop(conn);
}

#[test]
fn a_shutdown_leaves_no_place_taken() {
    for kind in KINDS {
        let (places, server) = one_place();
        let conn = holding(&places, &server, kind, 1);
        let ended = server.ends_within(Duration::from_secs(2)).end();
        eventually(&format!("the place is free: {kind}, {ended:?}"), || places.taken() == 0);
        drop(conn);
    }
}

#[test]
fn what_is_taken_over_by_nobody_holds_no_place() {
    quiet_panics();
    let places = ConcurrencyLimit::builder(1).build().expect("a policy");
    let inner = concurrency_limit(long, places.clone());
    // Who wraps it has another answer, or none at all.
    let outer = move |ctx: &mut RequestCtx| {
        inner.handle(ctx);
        match ctx.header("X-Then") {
            Some(b"refuses") => Err(HttpError::new(403, "not you")),
            Some(b"panics") => planned_panic(),
            Some(b"other") => {
                ctx.set_status_code(200);
                ctx.set_body("other");
                Ok(())
            }
            _ => Ok(()),
        }
    };
    let server = TestServer::handler(outer);
    for kind in ["/upgrade", "/writer", "/reader"] {
        for (then, status) in [("refuses", 403), ("panics", 500), ("other", 200)] {
            let asked = server.get(kind).header("Connection", "upgrade").header("Upgrade", "echo");
            asked.header("X-Then", then).send().assert_status(status);
            eventually(&format!("the place is free: {kind}, {then}"), || places.taken() == 0);
        }
    }
}

#[test]
fn a_stream_within_a_limit_of_time_holds_its_place_to_its_end() {
    let places = ConcurrencyLimit::builder(1).build().expect("a policy");
    let limited = timeout(concurrency_limit(long, places.clone()), TimeLimit::new(PATIENCE));
    let server = TestServer::handler(limited);
    for kind in ["/writer", "/reader", "/upgrade", "/hijack"] {
        let conn = holding(&places, &server, kind, 1);
        server.get("/short").send().assert_status(503);
        assert_eq!(places.taken(), 1, "{kind}");
        drop(conn);
        is_free_once(&places, &server, kind);
    }
}
