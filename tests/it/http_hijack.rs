//! Taking connections over: rows `HIJ-01` to `HIJ-04`, in both drivers.
//!
//! The rule: the function has the connection from the byte behind the request on, or is not called at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::{HijackedConn, HttpError, RequestCtx, Server, ServerBuilder, ShutdownError};
use anthill_tests::client::{Client, get};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, PATIENCE, background, eventually};

/// What comes back until the connection ends.
fn rest(client: &mut Client<impl Read + Write>) -> String {
    String::from_utf8(client.rest().expect("an end")).expect("text")
}

fn echo(mut conn: HijackedConn) {
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = conn.read(&mut piece) {
        if conn.write_all(&piece[..count]).is_err() {
            return;
        }
    }
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/hijack" => {
            ctx.set_body("over to you");
            ctx.hijack(echo);
        }
        "/silent" => {
            ctx.set_body("nobody gets this");
            ctx.hijack_without_response(echo);
        }
        "/close" => {
            ctx.response.set_connection_close();
            ctx.hijack(|_| panic!("it is not called"));
        }
        "/upgrade" => {
            ctx.response.set_header("X-Chosen", "this");
            ctx.upgrade("echo", echo);
        }
        "/alone" => ctx.response.set_status_code(101),
        "/panic" => {
            ctx.hijack(|_| panic!("it is not called"));
            std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
        }
        "/once" => ctx.hijack(|mut conn| conn.write_all(b"once").expect("a client")),
        _ => ctx.set_body("plain"),
    }
}

/// Both drivers: a client of an engine, and one of a call of its own.
fn with_both(options: fn() -> ServerBuilder, check: impl Fn(&Server, &mut dyn FnMut(&str) -> String)) {
    let running = Running::with(options(), answer);
    let server = running.server().clone();
    check(&server, &mut |sent| {
        let mut client = running.client();
        client.send(sent);
        client.finish_sending();
        rest(&mut client)
    });
    let server = options().build(answer).expect("options that go together");
    check(&server, &mut |sent| {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let serving = server.clone();
        let serving = background(move || serving.serve_conn(ours));
        let mut client = Client::over(theirs);
        client.send(sent);
        client.stream().shutdown(std::net::Shutdown::Write).expect("a socket");
        let rest = rest(&mut client);
        // It returns when the connection is given away, at the latest.
        let _ = serving.outcome("serving one connection");
        rest
    });
    server.shutdown(PATIENCE).expect("nothing is left");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length:";

#[test]
fn hij_01_what_was_sent_behind_the_request_is_the_functions() {
    with_both(plain, |server, talk| {
        let behind = "GET / this is no request".repeat(2000);
        let said = talk(&format!("{}{}{behind}", get("/"), get("/hijack")));
        assert_eq!(said, format!("{OK} 5\r\n\r\nplain{OK} 11\r\n\r\nover to you{behind}"));
        eventually("it is closed", || server.stats().hijacked_connections == 0);
    });
}

#[test]
fn hij_01_a_hundred_at_once() {
    let running = Running::with(plain(), answer);
    let mut clients = running.clients(100);
    for client in &mut clients {
        client.send(get("/hijack"));
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "over to you");
    }
    running.reaches("they count as taken over", |stats| {
        (stats.hijacked_connections, stats.open_connections) == (100, 0)
    });
    for (number, client) in clients.iter_mut().enumerate() {
        let said = format!("{number}").repeat(number + 1);
        client.send(&said);
        client.finish_sending();
        assert_eq!(rest(client), said);
    }
    running.reaches("they are closed", |stats| stats.hijacked_connections == 0);
}

#[test]
fn hij_02_without_a_response_and_where_the_connection_ends() {
    with_both(plain, |_, talk| {
        assert_eq!(talk(&(get("/silent") + "raw")), "raw");
        let said = talk(&(get("/close") + &get("/behind")));
        assert_eq!(said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    // A client of HTTP/1.0 that does not keep the connection.
    with_both(plain, |_, talk| {
        let said = talk("GET /hijack HTTP/1.0\r\n\r\n");
        assert!(said.ends_with("Connection: close\r\n\r\nover to you"), "{said}");
        assert_eq!(talk("GET /silent HTTP/1.0\r\n\r\nraw"), "raw");
    });
}

#[test]
fn hij_02_a_switch_that_nobody_makes_is_an_error() {
    with_both(plain, |_, talk| {
        let said = talk(&get("/alone"));
        assert!(said.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{said}");
        assert!(talk(&get("/panic")).starts_with("HTTP/1.1 500 "));
    });
}

#[test]
fn hij_02_a_body_that_was_not_read_is_no_way_to_another_protocol() {
    with_both(
        || plain().stream_request_body(true).body_read_ahead(None),
        |_, talk| {
            let said = talk("POST /hijack HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345");
            assert!(said.starts_with("HTTP/1.1 500 ") && said.contains("Connection: close"), "{said}");
        },
    );
}

#[test]
fn hij_03_the_function_ends_the_connection_or_whoever_has_it() {
    with_both(plain, |_, talk| {
        assert!(talk(&get("/once")).ends_with("\r\n\r\nonce"), "it ends with the function");
    });
    let (keep, kept) = mpsc::channel();
    let keep = std::sync::Mutex::new(keep);
    let options = plain().read_timeout(Duration::from_millis(100)).idle_timeout(Duration::from_millis(100));
    let mut running = Running::with(options.max_hijacked_conns(1), move |ctx| {
        let keep = keep.lock().expect("nobody panics").clone();
        ctx.hijack(move |conn| keep.send(conn).expect("the test waits"));
    });
    for _ in 0..3 {
        let mut client = running.client();
        client.send(get("/"));
        assert_eq!(client.response().status, 200);
        let mut conn = kept.recv_timeout(PATIENCE).expect("it was kept");
        assert_eq!(conn.remote_addr(), Some(client.stream().local_addr().expect("an address")));
        assert_eq!(conn.local_addr(), Some(running.address()));
        running.reaches("nothing of it counts any more", |stats| stats.open_connections == 0);
        assert_eq!(running.server().stats().hijacked_connections, 1);
        // The server's timeouts are none of its.
        std::thread::sleep(Duration::from_millis(300));
        client.send("late");
        let mut heard = [0; 4];
        conn.read_exact(&mut heard).expect("it is open");
        assert_eq!(&heard, b"late");
        // Its own are.
        conn.set_read_timeout(Duration::from_millis(20)).expect("a limit");
        assert_eq!(conn.read(&mut heard).expect_err("nothing comes").kind(), std::io::ErrorKind::TimedOut);
        assert!(conn.set_write_timeout(Duration::ZERO).is_err());
        drop(conn);
        client.expect_end();
    }
    running.shut_down(PATIENCE).expect("nothing is left");
}

#[test]
fn hij_03_one_thread_reads_what_another_writes() {
    for own_call in [false, true] {
        let server = Server::new(|ctx| {
            ctx.hijack(|conn| {
                let mut writing = conn.try_clone().expect("another handle");
                // It waits for the client when the other one has something to say.
                let reading = std::thread::spawn(move || (&conn).read(&mut [0; 10]).expect("the client"));
                std::thread::sleep(Duration::from_millis(50));
                writing.write_all(b"first").expect("the client");
                assert_eq!(reading.join().expect("a reader"), 3);
                writing.write_all(b"second").expect("the client");
            });
        });
        let server = server.expect("the defaults");
        let running = server.start("127.0.0.1:0").expect("a free port");
        let mut client = if own_call {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
            let (server, ours) = (server.clone(), listener.accept().expect("the client").0);
            std::thread::spawn(move || server.serve_conn(ours));
            client
        } else {
            TcpStream::connect(running.local_addr()).expect("it listens")
        };
        client.write_all(get("/").as_bytes()).expect("a server");
        let mut heard = [0; 512];
        let mut text = String::new();
        while !text.ends_with("first") {
            let count = client.read(&mut heard).expect("a server");
            assert!(count > 0, "{text}");
            text.push_str(std::str::from_utf8(&heard[..count]).expect("text"));
        }
        client.write_all(b"yes").expect("a server");
        text.clear();
        client.read_to_string(&mut text).expect("the end");
        assert_eq!(text, "second");
        running.shutdown(PATIENCE).expect("nothing is left");
        running.join().expect("it ends well");
    }
}

#[test]
fn hij_04_protocols_are_switched_when_the_client_asks() {
    const ASKS: &str =
        "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: other, ECHO\r\n\r\n";
    with_both(plain, |_, talk| {
        let said = talk(&format!("{ASKS}\u{1}frame"));
        let head = "HTTP/1.1 101 Switching Protocols\r\nX-Chosen: this\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";
        assert_eq!(said, format!("{head}\u{1}frame"));
        let refused = [
            get("/upgrade"),
            ASKS.replace("ECHO", "echoes"),
            ASKS.replace(", Upgrade", ""),
            ASKS.replace("HTTP/1.1\r\nHost", "HTTP/1.0\r\nHost"),
        ];
        for asks in refused {
            let said = talk(&asks);
            assert!(said.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{said}");
            assert!(said.contains("\r\nUpgrade: echo\r\n"), "{said}");
        }
    });
    // A server that keeps no connections keeps this one.
    with_both(
        || plain().keep_alive(false),
        |_, talk| {
            assert!(talk(&format!("{ASKS}frame")).ends_with("Connection: Upgrade\r\n\r\nframe"));
        },
    );
}

/// What is answered instead is HTTP, and so is what follows: nobody speaks another protocol into it.
#[test]
fn hij_04_nobody_takes_over_what_was_answered_otherwise() {
    const ASKS: &str = "HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let server = plain().build(|ctx| {
        let path = ctx.path().to_owned();
        let say = |mut conn: HijackedConn| conn.write_all(b"another protocol").expect("the client");
        match &*path {
            "/wrapped" | "/failed" => assert!(ctx.upgrade("echo", say), "it asks"),
            "/failed_hijack" => ctx.hijack(say),
            _ => ctx.set_body("served"),
        }
        if path.starts_with("/failed") {
            return Err(HttpError::new(403, "not yours"));
        }
        if path == "/wrapped" {
            ctx.not_found();
        }
        Ok(())
    });
    let running = Running::serving(server.expect("options that go together"));
    let mut client = running.client();
    for (path, status) in [("/wrapped", 404), ("/failed", 403), ("/failed_hijack", 403)] {
        client.send(format!("GET {path} {ASKS}"));
        assert_eq!(client.response().status, status, "{path}");
        assert_eq!(client.get("/").text(), "served", "behind {path}");
    }
    assert_eq!(running.server().stats().hijacked_connections, 0);
}

#[test]
fn shd_07_connections_that_were_taken_over_are_awaited() {
    let gate = Gate::new();
    let held = gate.clone();
    let mut running = Running::with(plain(), move |ctx| {
        let held = held.clone();
        ctx.hijack(move |mut conn| {
            assert!(conn.stop_signal().wait(None));
            assert!(conn.is_stopping());
            held.pass();
            conn.write_all(b"goodbye").expect("the client");
        });
    });
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.response().status, 200);
    let server = running.server().clone();
    let shutdown = background(move || server.shutdown(PATIENCE));
    eventually("the listener refuses", || TcpStream::connect(running.address()).is_err());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!shutdown.is_finished(), "the function has not ended");
    gate.open();
    assert_eq!(rest(&mut client), "goodbye");
    shutdown.outcome("shutting down").expect("all have ended");
    running.shut_down(PATIENCE).expect("nothing is left");
}

#[test]
fn shd_07_connections_that_were_taken_over_are_cut_when_time_is_up() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let mut running = Running::with(plain(), move |ctx| {
        let tell = tell.lock().expect("nobody panics").clone();
        ctx.hijack(move |mut conn| tell.send(conn.read(&mut [0; 10]).ok()).expect("the test waits"));
    });
    let mut clients = running.clients(3);
    for client in &mut clients {
        client.send(get("/"));
        assert_eq!(client.response().status, 200);
    }
    let late = running.shut_down(Duration::from_millis(100));
    assert_eq!(late, Err(ShutdownError::Timeout { open_connections: 0, hijacked_connections: 3 }));
    for client in &mut clients {
        client.expect_end();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Some(0)), "its read finds the end");
    }
    running.shut_down(PATIENCE).expect("now they have ended");
    running.listen("127.0.0.1:0").expect("another life");
    let mut client = running.client();
    client.send(get("/") + "said");
    assert_eq!(client.response().status, 200);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Some(4)), "the next life cuts nobody");
}

#[test]
fn more_than_may_be_taken_over_are_answered_503() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(plain().max_hijacked_conns(2), move |ctx| {
        let held = held.clone();
        ctx.set_body("yours");
        ctx.hijack(move |_| held.pass());
    });
    let mut clients = running.clients(3);
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.get("/").status).collect();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(running.server().stats().rejections.turned_away, 1);
    gate.open();
    clients[0].expect_end();
    clients[1].expect_end();
    running.reaches("they are gone", |stats| stats.hijacked_connections == 0);
    // This one is still served.
    assert_eq!(clients[2].get("/").status, 200);
}

#[test]
fn srv_11_the_last_state_of_a_connection_that_was_taken_over() {
    use std::sync::Mutex;
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    with_both(
        || plain().conn_state(|_, state| SEEN.lock().expect("nobody panics").push(state.to_string())),
        |_, talk| {
            assert_eq!(talk(&(get("/silent") + "raw")), "raw");
            let seen = std::mem::take(&mut *SEEN.lock().expect("nobody panics"));
            assert_eq!(seen, ["new", "active", "hijacked"], "told before the function runs");
        },
    );
}

#[test]
fn values_live_as_long_as_the_function() {
    struct Told(mpsc::Sender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (tell, told) = mpsc::channel();
    let keep = std::sync::Mutex::new(tell);
    let running = Running::with(plain(), move |ctx| {
        let tell = keep.lock().expect("nobody panics").clone();
        ctx.set_user_value("value", Told(tell.clone()));
        ctx.hijack(move |_| tell.send("called").expect("the test waits"));
    });
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.response().status, 200);
    client.expect_end();
    assert_eq!([told.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)], [Ok("called"), Ok("dropped")]);
}
