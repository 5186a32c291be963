//! WebSockets as handlers and loops have them: what comes is told, what is sent arrives, and what is no handshake is
//! refused.
//!
//! The rule: whatever both ways of serving a connection can do is shown for both, and for both ways to write a handler.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::websocket::{
    CloseCode, Message, OriginPolicy, QueuePolicy, WebSocket, WebSocketEnd, WebSocketError, WebSocketHandler,
    WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{RequestCtx, TimeLimit};
use anthill_tests::client::get;
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::{SocketClient, close_frame, frame, handshake};
use anthill_tests::{eventually, logs, planned_panic};

/// Says back what it is told.
struct Echo;

impl WebSocketHandler for Echo {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }
}

/// The same in a loop.
fn echo(mut socket: WebSocket) -> WebSocketResult {
    while let Some(message) = socket.read()? {
        socket.send(message)?;
    }
    Ok(())
}

/// Both ways, by path.
fn both_ways(options: WebSocketOptions) -> impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static {
    move |ctx| {
        match ctx.path() {
            "/told" => ctx.upgrade_websocket_handler(&options, Echo),
            _ => ctx.upgrade_websocket(&options, echo),
        };
    }
}

const WAYS: [&str; 2] = ["/told", "/loop"];

#[test]
fn messages_of_all_sizes_come_back() {
    on_both(plain(), both_ways(WebSocketOptions::default()), |driven| {
        for way in WAYS {
            let mut client = SocketClient::on(&driven.client(), way);
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000] {
                let text = "é".repeat(length / 2) + if length % 2 == 1 { "x" } else { "" };
                client.say(&text);
                assert!(client.hear() == text, "{way}: {length} bytes of text");
                client.say_bytes(&vec![0xfe; length]);
                assert!(client.hear_bytes() == vec![0xfe; length], "{way}: {length} bytes");
            }
            client.close(1000);
            assert_eq!(client.closes(), Some((1000, String::new())), "{way}");
        }
    });
}

#[test]
fn what_stands_behind_the_handshake_is_the_sockets() {
    on_both(plain(), both_ways(WebSocketOptions::default()), |driven| {
        for way in WAYS {
            let client = driven.client();
            let mut stream = client.stream().try_clone().unwrap();
            let said = [
                handshake(way, "").as_bytes(),
                &frame("first"),
                &frame(&"x".repeat(100_000)),
                &frame("last"),
                &close_frame(4001),
            ]
            .concat();
            stream.write_all(&said).unwrap();
            let mut client = SocketClient::of_asked(stream);
            assert_eq!(client.hear(), "first", "{way}");
            assert_eq!(client.hear().len(), 100_000, "{way}");
            assert_eq!(client.hear(), "last", "{way}: replies come before the answer to the close frame");
            assert_eq!(client.close_code(), 4001, "{way}");
        }
    });
}

#[test]
fn frames_may_come_byte_by_byte() {
    on_both(plain(), both_ways(WebSocketOptions::default()), |driven| {
        for way in WAYS {
            let mut client = SocketClient::on(&driven.client(), way);
            client.stream().set_nodelay(true).unwrap();
            for byte in [frame("slowly"), frame(""), frame(&"y".repeat(200))].concat() {
                client.send_raw(&[byte]);
            }
            assert_eq!(
                (client.hear(), client.hear(), client.hear().len()),
                ("slowly".into(), String::new(), 200)
            );
        }
    });
}

#[test]
fn pings_are_answered_while_the_loop_does_something_else() {
    let gate = anthill_tests::Gate::new();
    let waits = gate.clone();
    let running = Running::with(plain(), move |ctx| {
        let waits = waits.clone();
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |socket| {
            waits.pass();
            echo(socket)
        });
    });
    let mut client = SocketClient::open(running.address(), "/");
    client.send_raw(b"\x89\x84\0\0\0\0ping");
    assert!(matches!(client.next_message(), Ok(tungstenite::Message::Pong(payload)) if payload == "ping"));
    client.say("told later");
    client.send_raw(b"\x89\x80\0\0\0\0");
    assert!(matches!(client.next_message(), Ok(tungstenite::Message::Pong(_))));
    gate.open();
    assert_eq!(client.hear(), "told later");
}

#[test]
fn what_is_no_handshake_is_told_what_is_wrong() {
    let running = Running::with(plain(), both_ways(WebSocketOptions::default()));
    let mut client = running.client();
    let reply = client.get("/told");
    assert_eq!((reply.status, reply.field("Upgrade")), (426, Some("websocket")));
    let asks = |target: &str, from: &str, to: &str| handshake(target, "").replace(from, to);
    for (request, status, field) in [
        (asks("/told", "GET", "POST"), 405, Some(("Allow", "GET"))),
        (asks("/loop", "Version: 13", "Version: 8"), 426, Some(("Sec-WebSocket-Version", "13"))),
        (asks("/told", "dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, None),
        (asks("/loop", "Host: h\r\n", "Host: h\r\nOrigin: https://elsewhere\r\n"), 403, None),
    ] {
        let mut client = running.client();
        let reply = client.exchange(&request);
        assert_eq!(reply.status, status, "{request}");
        if let Some((name, value)) = field {
            assert_eq!(reply.field(name), Some(value), "{request}");
        }
        assert!(!reply.text().is_empty(), "{request}");
        // The connection goes on.
        assert_eq!(client.get("/told").status, 426);
    }
    assert_eq!(running.server().stats().websockets.opened, 0);
}

#[test]
fn pages_are_of_the_host_that_a_trusted_proxy_reports() {
    let asks = |origin: &str| {
        let fields = format!("Host: h\r\nX-Forwarded-Host: shop.example:8443\r\nOrigin: {origin}\r\n");
        handshake("/loop", "").replace("Host: h\r\n", &fields)
    };
    for (trusted, origin, begins) in [
        ("127.0.0.0/8", "https://shop.example:8443", "HTTP/1.1 101"),
        ("127.0.0.0/8", "https://h", "HTTP/1.1 403"),
        ("127.0.0.0/8", "https://shop.example", "HTTP/1.1 403"),
        ("192.0.2.1", "https://shop.example:8443", "HTTP/1.1 403"),
        ("192.0.2.1", "https://h", "HTTP/1.1 101"),
    ] {
        let running =
            Running::with(plain().trusted_proxies([trusted]), both_ways(WebSocketOptions::default()));
        let mut client = running.client();
        client.send(asks(origin));
        assert_eq!(client.bytes(12), begins.as_bytes(), "{trusted} {origin}");
    }
}

#[test]
fn subprotocols_and_origins_are_chosen() {
    let options = WebSocketOptions::builder()
        .subprotocols(["superchat", "chat"])
        .origins(OriginPolicy::Any)
        .build()
        .unwrap();
    let running = Running::with(plain(), move |ctx| {
        ctx.response.set_header("X-Beside", "kept");
        ctx.upgrade_websocket(&options, |mut socket| {
            let chosen = socket.subprotocol().unwrap_or("none").to_owned();
            Ok(socket.send(chosen)?)
        });
    });
    for (fields, chosen) in [
        ("Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: https://elsewhere\r\n", "superchat"),
        ("Sec-WebSocket-Protocol: chat\r\n", "chat"),
        ("Sec-WebSocket-Protocol: other\r\n", "none"),
        ("", "none"),
    ] {
        let stream = TcpStream::connect(running.address()).unwrap();
        let mut client = SocketClient::over(stream, "/", fields);
        assert_eq!(client.head().contains("Sec-Websocket-Protocol:"), chosen != "none", "{}", client.head());
        assert!(client.head().contains("\r\nX-Beside: kept\r\n"));
        assert_eq!(client.hear(), chosen);
        assert_eq!(client.close_code(), 1000, "the function has returned");
    }
}

#[test]
fn options_that_cannot_be_met_are_named() {
    let builder = WebSocketOptions::builder;
    for (options, told) in [
        (builder().queue(0), "queue must be at least 1"),
        (builder().queue_bytes(0), "queue_bytes must be at least 1"),
        (builder().max_message_size(0), "max_message_size must be at least 1"),
        (builder().max_frame_size(0), "max_frame_size must be at least 1"),
        (builder().ping_interval(Duration::ZERO), "ping_interval must be above zero"),
        (builder().pong_timeout(Duration::ZERO), "pong_timeout must be above zero"),
        (builder().idle_timeout(Duration::ZERO), "idle_timeout must be above zero"),
        (builder().close_timeout(Duration::ZERO), "close_timeout must be above zero"),
        (builder().when_full(QueuePolicy::Block(Duration::ZERO)), "when_full must be above zero"),
    ] {
        assert_eq!(options.build().unwrap_err().to_string(), told);
    }
    assert!(builder().ping_interval(None).idle_timeout(None).compression(None).build().is_ok());
}

#[test]
fn what_is_too_large_or_no_text_ends_the_socket_with_its_code() {
    let options = WebSocketOptions::builder().max_message_size(1000).max_frame_size(500).build().unwrap();
    on_both(plain(), both_ways(options), |driven| {
        for way in WAYS {
            for (bytes, code) in [
                (frame(&"x".repeat(501)), 1009),
                (b"\x81\x82\0\0\0\0\xff\xff".to_vec(), 1007),
                (b"\x81\x02hi".to_vec(), 1002),
                (b"\x83\x80\0\0\0\0".to_vec(), 1002),
                (b"\x80\x80\0\0\0\0".to_vec(), 1002),
                (b"\x88\x82\0\0\0\0\x03\xed".to_vec(), 1002),
            ] {
                let mut client = SocketClient::on(&driven.client(), way);
                client.say("before");
                assert_eq!(client.hear(), "before");
                client.send_raw(&bytes);
                assert_eq!(client.close_code(), code, "{way}: {}", bytes.escape_ascii());
            }
        }
    });
}

/// Keeps what it is told, and does what it is asked to.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<String>>>);

impl Records {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    #[track_caller]
    fn come_to(&self, expected: &[&str]) {
        eventually(&format!("what was told is {expected:?}"), || *self.0.lock().unwrap() == expected);
        self.take();
    }
}

impl WebSocketHandler for Records {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.note("open");
        Ok(socket.send("welcome")?)
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        let text = message.as_text().unwrap_or("bytes").to_owned();
        self.note(&*text);
        match &*text {
            "panic" => planned_panic(),
            "fail" => Err("as asked".into()),
            "close" => {
                socket.send("first")?;
                socket.close(4321, "as asked");
                assert_eq!(socket.send("too late"), Err(WebSocketError::Closed));
                Ok(())
            }
            _ => Ok(socket.send(text)?),
        }
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        self.note(end.to_string());
        if end.code() == CloseCode::from(4999) {
            planned_panic();
        }
    }
}

#[test]
fn a_handler_is_told_of_everything_once_and_in_order() {
    anthill_tests::quiet_panics();
    logs::collect();
    let records = Records::default();
    let handler = {
        let records = records.clone();
        move |ctx: &mut RequestCtx| {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), records.clone());
        }
    };
    on_both(plain(), handler, |driven| {
        let open = || {
            let mut client = SocketClient::on(&driven.client(), "/");
            assert_eq!(client.hear(), "welcome");
            client
        };
        let mut client = open();
        client.say("one");
        client.say("two");
        assert_eq!((client.hear(), client.hear()), ("one".into(), "two".into()));
        client.close(1000);
        assert_eq!(client.close_code(), 1000);
        records.come_to(&["open", "one", "two", "closed by the client: 1000"]);

        let mut client = open();
        client.say("close");
        client.say("nobody is told");
        assert_eq!(client.hear(), "first");
        assert_eq!(client.closes(), Some((4321, "as asked".into())));
        records.come_to(&["open", "close", "closed by the server: 4321 (as asked)"]);

        for what in ["panic", "fail"] {
            let mut client = open();
            client.say(what);
            client.say("nobody is told");
            assert_eq!(client.close_code(), 1011, "{what}");
            records.come_to(&["open", what, "closed by the server: 1011"]);
        }
        assert!(!logs::with("anthill_http::handler", "a handler of a WebSocket failed: as asked").is_empty());

        let mut client = open();
        client.send_raw(&frame("half")[..5]);
        drop(client);
        records.come_to(&["open", "lost"]);

        // A panic at the end is one for nobody but the log.
        let mut client = open();
        client.close(4999);
        assert_eq!(client.close_code(), 4999);
        records.come_to(&["open", "closed by the client: 4999"]);

        let mut client = open();
        client.send_raw(b"\x88\x80\0\0\0\0");
        assert_eq!(client.closes(), None);
        records.come_to(&["open", "closed by the client"]);
    });
}

#[test]
fn a_panic_while_it_opens_closes_it() {
    struct Panics;
    impl WebSocketHandler for Panics {
        fn on_open(&mut self, _: &WebSocketSender) -> WebSocketResult {
            planned_panic();
        }
    }
    anthill_tests::quiet_panics();
    let running = Running::with(plain(), |ctx| {
        ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Panics);
    });
    let mut client = SocketClient::open(running.address(), "/");
    assert_eq!(client.close_code(), 1011);
    running.reaches("it is counted", |stats| {
        stats.panics == 1 && stats.websockets.closes == [(1011, 1)] && stats.open_connections == 0
    });
}

#[test]
fn a_loop_says_by_its_end_how_the_socket_is_closed() {
    anthill_tests::quiet_panics();
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let (how, keeps) = (ctx.path().to_owned(), keeps.clone());
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket| {
            socket.send("hello")?;
            match &*how {
                "/panic" => planned_panic(),
                "/fail" => Err("as asked".into()),
                "/keep" => {
                    *keeps.lock().unwrap() = Some(socket);
                    Ok(())
                }
                "/close" => {
                    socket.close(4000, "as asked");
                    assert_eq!(socket.send("too late"), Err(WebSocketError::Closed));
                    assert_eq!(socket.read(), Ok(None));
                    Ok(())
                }
                _ => Ok(()),
            }
        });
    };
    on_both(plain(), handler, |driven| {
        for (way, code) in [("/", 1000), ("/panic", 1011), ("/fail", 1011), ("/close", 4000)] {
            let mut client = SocketClient::on(&driven.client(), way);
            assert_eq!(client.hear(), "hello");
            assert_eq!(client.close_code(), code, "{way}");
        }
        // Elsewhere it goes on.
        let mut client = SocketClient::on(&driven.client(), "/keep");
        assert_eq!(client.hear(), "hello");
        eventually("it is kept", || kept.lock().unwrap().is_some());
        let mut socket = kept.lock().unwrap().take().unwrap();
        client.say("there?");
        assert_eq!(socket.read(), Ok(Some(Message::from("there?"))));
        assert_eq!(socket.read_timeout(Duration::from_millis(1)), Err(WebSocketError::TimedOut));
        drop(socket);
        assert_eq!(client.close_code(), 1000);
    });
}

#[test]
fn a_loop_learns_how_it_ended() {
    let (told, ends) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let running = Running::with(plain(), move |ctx| {
        let told = told.lock().unwrap().clone();
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket| {
            let last = loop {
                match socket.read() {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            // What is settled may come a moment later than that nothing more comes.
            let end = anthill_tests::comes_true(|| socket.end().is_some()).then(|| socket.end().cloned());
            Ok(told.send((last, end.flatten()))?)
        });
    });
    let mut client = SocketClient::open(running.address(), "/");
    client.say("one");
    client.close(4002);
    assert_eq!(client.close_code(), 4002);
    let (last, end) = ends.recv().unwrap();
    assert_eq!((last, end.unwrap().code()), (Ok(None), CloseCode::from(4002)));

    let mut client = SocketClient::open(running.address(), "/");
    client.say("one");
    drop(client);
    assert_eq!(ends.recv().unwrap(), (Err(WebSocketError::Lost), Some(WebSocketEnd::Lost)));
}

#[test]
fn an_answer_of_another_status_is_that_answer() {
    let running = Running::with(plain(), |ctx| {
        assert!(ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Echo));
        match ctx.path() {
            "/forbidden" => ctx.error("not you", 403),
            "/close" => ctx.response.set_connection_close(),
            _ => {}
        }
    });
    let mut client = running.client();
    assert_eq!(client.exchange(handshake("/forbidden", "")).status, 403);
}

#[test]
fn a_handshake_may_have_a_body_that_is_read_before() {
    let asks = handshake("/told", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    let running = Running::with(plain(), both_ways(WebSocketOptions::default()));
    let mut stream = TcpStream::connect(running.address()).unwrap();
    stream.write_all(asks.as_bytes()).unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&[b"hello", &frame("behind")[..]].concat()).unwrap();
    assert_eq!(SocketClient::of_asked(stream).hear(), "behind");
    // One that nobody has read stands in the way.
    let running = Running::with(plain().stream_request_body(true), both_ways(WebSocketOptions::default()));
    let mut client = running.client();
    client.send(&asks);
    let reply = client.response();
    assert_eq!((reply.status, reply.closes()), (500, true));
    assert_eq!(running.server().stats().websockets.opened, 0);
}

#[test]
fn handlers_with_a_limit_of_time_may_upgrade() {
    let options = plain().handler_timeout(TimeLimit::new(Duration::from_secs(30)));
    let running = Running::with(options, both_ways(WebSocketOptions::default()));
    for way in WAYS {
        let mut client = SocketClient::open(running.address(), way);
        client.say("hello");
        assert_eq!(client.hear(), "hello");
    }
}

#[test]
fn figures_are_kept_of_them() {
    let running = Running::with(plain(), both_ways(WebSocketOptions::default()));
    let mut clients: Vec<_> =
        (0..4).map(|number| SocketClient::open(running.address(), WAYS[number % 2])).collect();
    for client in &mut clients {
        client.say("hello");
        assert_eq!(client.hear(), "hello");
    }
    running.reaches("all are open, and all was counted", |stats| {
        let sockets = &stats.websockets;
        (sockets.open, sockets.messages_received, sockets.messages_sent) == (4, 4, 4)
            && stats.open_connections == 4
            && stats.hijacked_connections == 0
    });
    for (client, code) in clients.iter_mut().zip([1000, 1001, 3500, 4500]) {
        client.close(code);
        assert_eq!(client.close_code(), code);
    }
    running.reaches("all are closed", |stats| {
        stats.websockets.closes == [(1000, 1), (1001, 1), (3000, 1), (4000, 1)] && stats.open_connections == 0
    });
    let stats = running.server().stats();
    let page = stats.to_prometheus(&[]);
    for line in [
        "anthill_http_websockets 0\n",
        "anthill_http_websockets_opened_total 4\n",
        "anthill_http_websocket_messages_total{direction=\"received\"} 4\n",
        "anthill_http_websocket_messages_total{direction=\"dropped\"} 0\n",
        "anthill_http_websocket_closes_total{code=\"1001\"} 1\n",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(
        stats.to_json().contains("\"websockets\": {\"open\": 0, \"opened\": 4, \"messages_received\": 4, ")
    );
}

#[test]
fn requests_before_the_handshake_are_answered_before() {
    let running = Running::with(plain(), |ctx| match ctx.path() {
        "/plain" => ctx.set_body("plain"),
        _ => {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Echo);
        }
    });
    let mut stream = TcpStream::connect(running.address()).unwrap();
    stream
        .write_all(&[get("/plain").as_bytes(), handshake("/", "").as_bytes(), &frame("behind")].concat())
        .unwrap();
    let mut plain = Vec::new();
    while !plain.ends_with(b"\r\n\r\nplain") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        plain.push(byte[0]);
    }
    assert_eq!(SocketClient::of_asked(stream).hear(), "behind");
}
