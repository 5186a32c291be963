//! What goes over an encrypted connection comes out as it went in, in both directions, however slowly it is taken; and
//! both ends know whether they have got all of it.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anthill_http::events::{Event, EventHub};
use anthill_http::{RequestCtx, Server, ServerBuilder};
use anthill_tests::client::{Client, get, post};
use anthill_tests::files::{assert_same_bytes, sparse};
use anthill_tests::tls::{TLS12, TLS13, TlsStream, connect, trusting};
use anthill_tests::{Gate, PATIENCE, background, eventually};

use crate::agreed::Https;

const NAME: &str = "site.example";
const LARGE: usize = 3_000_001;
const HUGE: usize = 60_000_000;

/// Bytes that differ from their neighbours.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/echo" => ctx.response.set_body(ctx.request.body()),
        "/large" => ctx.set_body(pattern(LARGE)),
        // More than all sockets take.
        "/huge" => ctx.set_body(vec![b'x'; HUGE]),
        "/huge-reader" => ctx.response.set_body_reader(std::io::repeat(b'x').take(HUGE as u64)),
        "/huge-writer" => ctx.response.set_body_writer(|out| {
            let piece = vec![b'x'; 100_000];
            (0..HUGE / piece.len()).try_for_each(|_| out.write_all(&piece))
        }),
        "/reader" => ctx.response.set_body_reader(std::io::Cursor::new(pattern(LARGE))),
        "/writer" => ctx.response.set_body_writer(|out| {
            for piece in pattern(LARGE).chunks(40_000) {
                out.write_all(piece)?;
                out.flush()?;
            }
            Ok(())
        }),
        "/file" => ctx.response.set_body_file(sparse(LARGE as u64)).expect("a file"),
        "/fails" => ctx.response.set_body_writer(|out| {
            out.write_all(b"half of it")?;
            out.flush()?;
            Err(ErrorKind::Other.into())
        }),
        _ => ctx.set_body("hi"),
    }
}

fn https() -> Https {
    Https::new(Server::builder().max_request_body_size(1 << 30), answer)
}

#[test]
fn bodies_of_any_size_pass_in_both_directions() {
    let https = https();
    for versions in [TLS12, TLS13] {
        let config = Arc::new(trusting(&https.authority, versions));
        let mut client = connect(https.address(), &config, NAME);
        for length in [0, 1, 100, 16_383, 16_384, 16_385, 40_000, LARGE] {
            let body = pattern(length);
            client.send(format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
            client.send(&body);
            assert!(client.response().body == body, "{length} bytes");
        }
        for path in ["/large", "/reader", "/writer"] {
            assert!(client.get(path).body == pattern(LARGE), "{path}");
        }
        let body = client.get("/file").body;
        assert_same_bytes(&*body, &sparse(LARGE as u64), 0, LARGE as u64);
        // Many at once, of which the answers are collected.
        let requests = get("/").repeat(300);
        client.send(requests);
        assert!((0..300).all(|_| client.response().text() == "hi"));
    }
    https.end();
}

#[test]
fn records_of_any_size_are_put_together() {
    let https = https();
    let mut client = https.client();
    let request = post("/echo", &"x".repeat(500));
    // A record for each byte, many in one packet.
    for piece in request.as_bytes().chunks(1) {
        client.send(piece);
    }
    assert_eq!(client.response().body.len(), 500);
    https.end();
}

#[test]
fn a_reader_that_is_slow_gets_everything() {
    let https = https();
    for path in ["/large", "/reader", "/writer", "/file"] {
        let mut client = https.client();
        client.send(get(path));
        // The server has filled the sockets, and waits.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(client.response().body.len(), LARGE, "{path}");
        assert_eq!(client.get("/").text(), "hi", "and goes on");
    }
    https.end();
}

#[test]
fn a_reader_that_takes_nothing_is_given_up_and_not_told_that_it_has_got_all() {
    let options = Server::builder().write_timeout(Duration::from_millis(200));
    let https = Https::new(options, answer);
    for path in ["/huge", "/huge-reader", "/huge-writer"] {
        let mut client = https.client();
        client.send(get(path));
        eventually("it is given up", || https.running.stats().open_connections == 0);
        let error = client.rest().expect_err("it was cut");
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    }
    https.end();
}

#[test]
fn the_end_is_said_whenever_it_comes_well() {
    let options = || Server::builder().idle_timeout(Duration::from_millis(100));
    // Asked for; with the end for the end of the body; because it idles; because the server stops.
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /writer HTTP/1.0\r\n\r\n",
        "GET /reader HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
    ] {
        let https = Https::new(options(), answer);
        let mut client = https.client();
        client.send(request);
        client.rest().unwrap_or_else(|error| panic!("{request}: {error}"));
        https.end();
    }
    let https = https();
    let mut client = https.client();
    assert_eq!(client.get("/").text(), "hi");
    let stopping = background(move || https.end());
    client.expect_end();
    stopping.outcome("the end");
}

#[test]
fn a_body_that_ends_with_the_connection_is_known_to_be_cut() {
    let https = https();
    for request in ["GET /fails HTTP/1.0\r\n\r\n", "GET /fails HTTP/1.1\r\nHost: h\r\n\r\n"] {
        let mut client = https.client();
        client.send(request);
        let error = client.rest().expect_err("it is not whole");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{request}");
    }
    https.end();
}

#[test]
fn a_client_may_say_that_it_is_done_and_is_answered() {
    let https = https();
    for says_so in [true, false] {
        let mut stream = https.client().into_stream();
        stream.write_all(get("/reader").as_bytes()).expect("it is open");
        if says_so {
            stream.conn.send_close_notify();
        }
        stream.flush().expect("it is open");
        stream.sock.shutdown(Shutdown::Write).expect("it is open");
        let mut client = Client::over(stream);
        assert_eq!(client.response().body.len(), LARGE);
        client.expect_end();
    }
    https.end();
}

/// A server that gives connections away on `/take`, and what it hears and says there.
fn giving_away(options: ServerBuilder) -> (Https, mpsc::Receiver<Result<String, ErrorKind>>) {
    let (told, tells) = mpsc::channel();
    let told = Mutex::new(told);
    let handler = move |ctx: &mut RequestCtx| {
        let told = told.lock().expect("nobody panics").clone();
        let closes = ctx.path() == "/close";
        let large = ctx.path() == "/large";
        ctx.upgrade("echo", move |mut conn| {
            if large {
                conn.write_all(&pattern(LARGE)).expect("the client");
            }
            let mut heard = String::new();
            let mut room = [0; 100];
            let ended = loop {
                match conn.read(&mut room) {
                    Ok(0) => break Ok(heard),
                    Ok(count) => {
                        heard.push_str(&String::from_utf8_lossy(&room[..count]));
                        conn.write_all(&room[..count]).expect("the client");
                        if closes {
                            conn.close();
                        }
                    }
                    Err(error) => break Err(error.kind()),
                }
            };
            let _ = told.send(ended);
        });
    };
    (Https::new(options, handler), tells)
}

fn upgraded(https: &Https, path: &str) -> Client<TlsStream> {
    let mut client = https.client();
    client
        .send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly"));
    assert_eq!(client.response().status, 101);
    client
}

#[test]
fn a_connection_that_is_taken_over_stays_encrypted_and_ends_with_a_word() {
    let (https, tells) = giving_away(Server::builder());
    // Both say so.
    let mut client = upgraded(&https, "/");
    assert_eq!(client.bytes(5), b"early");
    client.send("late");
    assert_eq!(client.bytes(4), b"late");
    let mut stream = client.into_stream();
    stream.conn.send_close_notify();
    stream.flush().expect("it is open");
    assert_eq!(tells.recv_timeout(PATIENCE), Ok(Ok("earlylate".to_owned())));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it is said");
    assert!(rest.is_empty());

    // The client does not.
    let mut client = upgraded(&https, "/");
    assert_eq!(client.bytes(5), b"early");
    client.stream().sock.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(tells.recv_timeout(PATIENCE), Ok(Err(ErrorKind::UnexpectedEof)));
    client.expect_end();

    // The function closes.
    let mut client = upgraded(&https, "/close");
    assert_eq!(client.bytes(5), b"early");
    client.expect_end();
    https.end();
}

/// What a function has written, and the word behind it, arrive although there was no room for them when it returned.
#[test]
fn the_last_words_of_a_function_arrive_at_a_slow_client() {
    let (https, _tells) = giving_away(Server::builder());
    let mut client = https.client();
    client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response().status, 101);
    let mut stream = client.into_stream();
    stream.conn.send_close_notify();
    stream.flush().expect("it is open");
    std::thread::sleep(Duration::from_millis(200));
    let mut client = Client::over(stream);
    assert!(client.rest().expect("it is said") == pattern(LARGE));
    https.end();
}

#[test]
fn one_thread_reads_what_another_writes() {
    let gate = Gate::new();
    let opens = gate.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let opens = opens.clone();
        ctx.hijack(move |conn| {
            let mut writing = conn.try_clone().expect("another handle");
            let reading = std::thread::spawn(move || {
                let mut heard = [0; 4];
                (&conn).read_exact(&mut heard).expect("the client");
                heard
            });
            opens.pass();
            writing.write_all(&pattern(LARGE)).expect("the client");
            assert_eq!(&reading.join().expect("a reader"), b"done");
        });
    };
    let https = Https::new(Server::builder(), handler);
    let mut client = https.client();
    assert_eq!(client.get("/").status, 200);
    gate.open();
    assert!(client.bytes(LARGE) == pattern(LARGE));
    client.send("done");
    client.expect_end();
    https.end();
}

#[test]
fn keys_may_be_changed_on_the_way() {
    let https = https();
    let config = Arc::new(trusting(&https.authority, TLS13));
    let mut client = connect(https.address(), &config, NAME);
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "hi");
        let mut stream = client.into_stream();
        stream.conn.refresh_traffic_keys().expect("a session");
        client = Client::over(stream);
    }
    assert!(client.get("/large").body == pattern(LARGE));
    https.end();
}

#[test]
fn events_go_over_encrypted_connections_and_end_well() {
    let hub = EventHub::new();
    let source = hub.clone();
    let https = Https::new(Server::builder(), move |ctx| ctx.set_event_stream(source.subscribe()));
    let mut client = https.client();
    client.send(get("/"));
    client.response_to_head();
    eventually("it is there", || hub.subscribers() == 1);
    for number in 0..100 {
        hub.send(Event::data(number.to_string())).expect("an event");
    }
    let Https { running, .. } = https;
    running.shutdown(PATIENCE).expect("an end in time");
    let text = String::from_utf8(client.rest().expect("it is said")).expect("text");
    assert!((0..100).all(|number| text.contains(&format!("data: {number}\n"))));
    assert!(text.ends_with("0\r\n\r\n"));
}
