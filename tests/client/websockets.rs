//! WebSockets that the client opens, to servers of ours, of others, and scripted ones that misbehave.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anthill_http::client::{CancelToken, Client, ClientErrorKind, HostOptions, Proxy, WebSocketConnectError};
use anthill_http::websocket::{
    BadHandshakeAnswer, CloseCode, CloseFrame, DeflateOptions, HandshakeKey, Message, MessageEncoder, Role,
    WebSocket, WebSocketEnd, WebSocketError, WebSocketGroup, WebSocketOptions, WebSocketOptionsBuilder,
};
use anthill_http::{RequestCtx, RunningServer, Server, TlsConfig};
use anthill_tests::Gate;
use anthill_tests::tls::Authority;

use crate::https::{believing, built};
use crate::script::{LONG, Peer, Script, wait_until};

pub(crate) fn client() -> Client {
    Client::builder().timeout(LONG).build().expect("settings with a meaning")
}

pub(crate) fn options(
    with: impl FnOnce(WebSocketOptionsBuilder) -> WebSocketOptionsBuilder,
) -> WebSocketOptions {
    with(WebSocketOptions::builder()).build().expect("options with a meaning")
}

/// A server that says everything back, until it hears `close`.
pub(crate) fn echo(options: WebSocketOptions) -> impl Fn(&mut RequestCtx) + Send + Sync + 'static {
    move |ctx: &mut RequestCtx| {
        ctx.upgrade_websocket(&options, |mut socket| {
            while let Some(message) = socket.read()? {
                if message.as_text() == Some("close") {
                    socket.close(4321, "as you like");
                }
                // What is said behind that is not sent.
                let _ = socket.send(message);
            }
            Ok(())
        });
    }
}

fn echoing(options: WebSocketOptions) -> RunningServer {
    Server::new(echo(options)).expect("settings with a meaning").start("127.0.0.1:0").expect("a free port")
}

fn url(server: &RunningServer) -> String {
    format!("ws://{}/", server.local_addr())
}

fn read(socket: &mut WebSocket) -> Message {
    socket.read_timeout(LONG).expect("it is open").expect("a message")
}

/// Requires that it ends, and says how.
pub(crate) fn end(socket: &mut WebSocket) -> WebSocketEnd {
    loop {
        match socket.read_timeout(LONG) {
            Ok(Some(_)) => {}
            Ok(None) | Err(WebSocketError::Lost) => break,
            Err(error) => panic!("{error}"),
        }
    }
    wait_until("the end", || socket.end().is_some());
    socket.end().expect("it was there").clone()
}

/// Says things of all kinds and sizes, and hears them.
pub(crate) fn converse(socket: &mut WebSocket) {
    let texts = ["".to_owned(), "hello".to_owned(), "é".repeat(5000), "x".repeat(1_000_000)];
    for text in &texts {
        socket.send(text.as_str()).expect("it is open");
    }
    socket.send(vec![0, 255]).expect("it is open");
    for text in texts {
        assert_eq!(read(socket), Message::from(text));
    }
    assert_eq!(read(socket), Message::from(vec![0, 255]));
}

#[test]
fn a_websocket_is_spoken_with_our_own_server() {
    let server = echoing(options(|options| options.subprotocols(["chat"])));
    let client = client();
    let wanted = options(|options| options.subprotocols(["other", "chat"]));
    let mut socket = client.websocket(url(&server)).options(&wanted).connect().expect("a server of ours");
    assert_eq!((socket.subprotocol(), client.stats().open), (Some("chat"), 1));
    converse(&mut socket);
    socket.close(CloseCode::NORMAL, "enough");
    let ours = WebSocketEnd::ByClient(Some(CloseFrame::new(CloseCode::NORMAL, "enough")));
    assert_eq!(end(&mut socket), ours);
    assert_eq!(socket.send("late"), Err(WebSocketError::Closed));

    let mut socket = client.websocket(url(&server)).connect().expect("a server of ours");
    assert_eq!(socket.subprotocol(), None);
    socket.send("close").expect("it is open");
    let theirs = WebSocketEnd::ByServer(CloseFrame::new(4321, "as you like"));
    assert_eq!(end(&mut socket), theirs);
    // Its thread, and with it the connection, ends by itself.
    wait_until("the end of the connections", || client.stats().open == 0);
    let closes = server.stats().websockets.closes;
    assert_eq!(closes, [(1000, 1), (4000, 1)]);
}

#[test]
fn a_websocket_compresses_as_was_agreed() {
    for takeover in [false, true] {
        let deflate = DeflateOptions {
            server_context_takeover: takeover,
            client_context_takeover: takeover,
            min_size: 0,
        };
        let both = options(|options| options.compression(deflate));
        let server = echoing(both.clone());
        let mut socket = client().websocket(url(&server)).options(&both).connect().expect("a server of ours");
        converse(&mut socket);
        converse(&mut socket);
        drop(socket);
        // A server that does not compress.
        let server = echoing(WebSocketOptions::default());
        let mut socket = client().websocket(url(&server)).options(&both).connect().expect("a server of ours");
        converse(&mut socket);
    }
}

#[test]
fn a_websocket_is_opened_over_tls() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["127.0.0.1"]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::new(echo(WebSocketOptions::default())).expect("settings with a meaning");
    let server = server.start_tls("127.0.0.1:0", &config).expect("a free port");
    let client = Client::builder().tls(built(believing(&authority))).timeout(LONG);
    let client = client.build().expect("settings with a meaning");
    let url = format!("wss://{}/", server.local_addr());
    let mut socket = client.websocket(url).connect().expect("a server of ours");
    converse(&mut socket);
    socket.close(CloseCode::NORMAL, "");
    assert_eq!(end(&mut socket).code(), CloseCode::NORMAL);
}

#[test]
fn whoever_does_not_open_a_websocket_is_heard() {
    let server = Server::new(|ctx| match ctx.request.path() {
        "/redirect" => ctx.redirect("/elsewhere", 302),
        _ => ctx.error(format!("{:?}", ctx.request.header_str("Authorization")), 401),
    });
    let server = server.expect("settings with a meaning").start("127.0.0.1:0").expect("a free port");
    let client = client();
    let refused = |path: &str| {
        let url = format!("ws://user:secret@{}{path}", server.local_addr());
        match client.websocket(url).header("X", "y").connect() {
            Err(WebSocketConnectError::Refused(response)) => *response,
            other => panic!("{other:?}"),
        }
    };
    let mut response = refused("/");
    assert_eq!(response.status_code(), 401);
    assert!(response.text().expect("a body").contains("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(refused("/redirect").status_code(), 302);

    let kind = |connected| match connected {
        Err(WebSocketConnectError::Failed(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    let url = url(&server);
    let invalid = ClientErrorKind::InvalidRequest;
    assert_eq!(kind(client.websocket("ftp://h/").connect()), invalid);
    for name in ["Upgrade", "connection", "Sec-WebSocket-Key"] {
        assert_eq!(kind(client.websocket(&url).header(name, "x").connect()), invalid, "{name}");
    }
    let twice = options(|options| options.subprotocols(["a", "a"]));
    assert_eq!(kind(client.websocket(&url).options(&twice).connect()), invalid);
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("it listened");
    assert_eq!(kind(client.websocket(format!("ws://{gone}/")).connect()), ClientErrorKind::Connect);
}

/// Reads the head of a handshake, and gives the answer to its key.
fn accept(peer: &mut Peer) -> String {
    let head = peer.head();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: ")).expect("a key");
    assert!(
        head.contains("\r\nUpgrade: websocket\r\n") && head.contains("\r\nSec-Websocket-Version: 13\r\n")
    );
    HandshakeKey::read(key.as_bytes()).expect("a key").accept()
}

/// Opens the socket, and says `frames` in the same breath.
fn open(peer: &mut Peer, frames: &[u8]) {
    let accept = accept(peer);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let all = [head.as_bytes(), frames].concat();
    peer.stream.write_all(&all).expect("the client is there");
}

/// The next frame: its first byte, its mask, its payload. Only short ones.
fn frame(peer: &mut Peer) -> (u8, [u8; 4], Vec<u8>) {
    let head = peer.read_bytes(2);
    assert_eq!(head[1] & 0x80, 0x80, "what a client sends is masked");
    let key: [u8; 4] = peer.read_bytes(4).try_into().expect("four bytes");
    let payload = peer.read_bytes((head[1] & 0x7f).into());
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    (head[0], key, payload)
}

fn connect(server: &Script, options: &WebSocketOptions) -> WebSocket {
    let url = format!("ws://{}/", server.addr);
    client().websocket(url).options(options).connect().expect("the script opens it")
}

#[test]
fn an_answer_must_be_one_to_this_handshake() {
    use BadHandshakeAnswer::{Accept, Extensions, NoUpgrade, Subprotocol};
    let cases = [
        ("Connection: close\r\n", NoUpgrade),
        ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", Accept),
        ("Sec-WebSocket-Protocol: chat\r\n", Subprotocol),
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", Extensions),
    ];
    let server = Script::new(cases.len(), move |number, mut peer: Peer| {
        let accept = accept(&mut peer);
        let (line, expected) = cases[number];
        let mut answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n".to_owned();
        answer += if expected == NoUpgrade { "" } else { "Connection: Upgrade\r\n" };
        answer +=
            &if expected == Accept { String::new() } else { format!("Sec-WebSocket-Accept: {accept}\r\n") };
        peer.say(&format!("{answer}{line}\r\n"));
        peer.expect_end();
    });
    let url = format!("ws://{}/", server.addr);
    for (_, expected) in cases {
        match client().websocket(&url).connect() {
            Err(WebSocketConnectError::BadAnswer(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    server.end();
}

#[test]
fn frames_of_a_client_have_masks_of_their_own_and_those_of_a_server_none() {
    let server = Script::new(2, |number, mut peer: Peer| {
        // What comes in the same piece as the head belongs to the socket already.
        open(&mut peer, b"\x81\x05early\x89\x02??");
        let frames = [frame(&mut peer), frame(&mut peer), frame(&mut peer)];
        assert_eq!(frames.each_ref().map(|(first, ..)| *first), [0x8a, 0x81, 0x81]);
        assert_eq!(
            (&frames[0].2[..], &frames[1].2[..], &frames[2].2[..]),
            (&b"??"[..], &b"one"[..], &b"one"[..])
        );
        assert!(frames[0].1 != frames[1].1 && frames[1].1 != frames[2].1);
        if number == 0 {
            peer.stream.write_all(b"\x81\x80\0\0\0\0").expect("the client is there");
            let (first, _, payload) = frame(&mut peer);
            assert_eq!((first, &payload[..2]), (0x88, &1002_u16.to_be_bytes()[..]));
        } else {
            // A close frame that says nothing is answered in kind.
            peer.stream.write_all(b"\x88\x00").expect("the client is there");
            let (first, _, payload) = frame(&mut peer);
            assert_eq!((first, payload.len()), (0x88, 0));
        }
        peer.expect_end();
    });
    for code in [CloseCode::PROTOCOL, CloseCode::NO_STATUS] {
        let mut socket = connect(&server, &WebSocketOptions::default());
        assert_eq!(read(&mut socket), Message::from("early"));
        // In order: the pong is sent when the ping was read, which may be behind what is sent here.
        thread::sleep(Duration::from_millis(50));
        socket.send("one").expect("it is open");
        // A group's message is not shared with other sockets here, since each has a mask.
        let group = WebSocketGroup::new();
        assert!(group.join(socket.sender()));
        assert_eq!(group.send("one"), 1);
        let end = end(&mut socket);
        assert_eq!(end.code(), code, "{end:?}");
    }
    server.end();
}

#[test]
fn a_server_that_says_nothing_is_asked_and_given_up() {
    let server = Script::new(1, |_, mut peer: Peer| {
        open(&mut peer, b"");
        let (first, ..) = frame(&mut peer);
        assert_eq!(first, 0x89, "a ping");
        peer.stream.write_all(b"\x8a\x00").expect("the client is there");
        let (first, ..) = frame(&mut peer);
        assert_eq!(first, 0x89, "another one, which gets no answer");
        while let Ok(1..) = peer.stream.read(&mut [0; 64]) {}
    });
    let short = Duration::from_millis(30);
    let options = options(|options| options.ping_interval(short).pong_timeout(short * 10));
    let mut socket = connect(&server, &options);
    assert_eq!(socket.read_timeout(Duration::from_millis(1)), Err(WebSocketError::TimedOut));
    assert_eq!(end(&mut socket), WebSocketEnd::Lost);
    server.end();
}

#[test]
fn what_is_too_large_ends_it_and_so_does_whoever_goes_without_a_word() {
    let server = Script::new(3, |number, mut peer: Peer| match number {
        0 => {
            open(&mut peer, b"\x81\x0bhello world");
            let (first, _, payload) = frame(&mut peer);
            assert_eq!((first, &payload[..2]), (0x88, &1009_u16.to_be_bytes()[..]));
        }
        1 => open(&mut peer, b"\x81\x05hello\x81"),
        _ => {
            open(&mut peer, b"");
            peer.reset();
        }
    });
    let options = options(|options| options.max_message_size(10));
    assert_eq!(end(&mut connect(&server, &options)).code(), CloseCode::TOO_BIG);
    let mut socket = connect(&server, &options);
    assert_eq!(read(&mut socket), Message::from("hello"));
    assert_eq!(socket.read_timeout(LONG), Err(WebSocketError::Lost));
    assert_eq!(end(&mut socket), WebSocketEnd::Lost);
    assert_eq!(end(&mut connect(&server, &options)), WebSocketEnd::Lost);
    server.end();
}

#[test]
fn whoever_takes_nothing_costs_a_bounded_queue_and_can_be_closed() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        open(&mut peer, b"");
        let _ = held.recv();
    });
    let limits = options(|options| options.queue(4).close_timeout(Duration::from_millis(50)));
    let mut socket = connect(&server, &limits);
    let sender = socket.sender().clone();
    let message = Message::from(vec![7; 1024 * 1024]);
    wait_until("a full queue", || sender.send(message.clone()) == Err(WebSocketError::Full));
    assert!(sender.queued() <= 4);
    socket.close(CloseCode::NORMAL, "");
    assert_eq!(end(&mut socket), WebSocketEnd::Lost);
    drop(release);
    server.end();
}

#[test]
fn whoever_sends_more_than_the_connection_holds_hears_meanwhile() {
    const COUNT: u8 = 48;
    const SIZE: usize = 1_000_000;
    let server = echoing(WebSocketOptions::default());
    let mut socket = client().websocket(url(&server)).connect().expect("a server of ours");
    thread::scope(|scope| {
        let sender = socket.sender().clone();
        scope.spawn(move || {
            for number in 0..COUNT {
                let message = Message::from(vec![number; SIZE]);
                while sender.send(message.clone()) == Err(WebSocketError::Full) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for number in 0..COUNT {
            let message = socket.read_timeout(LONG);
            if message.is_err() {
                // Else the other thread would wait for room.
                socket.close(CloseCode::NORMAL, "");
            }
            let message = message.expect("it is open").expect("a message");
            assert!(message.len() == SIZE && message.as_bytes()[SIZE / 2] == number, "{number}");
        }
    });
    socket.close(CloseCode::NORMAL, "");
    assert_eq!(socket.read_timeout(LONG), Ok(None));
}

#[test]
fn whoever_has_no_answer_to_its_close_frame_has_lost_the_server() {
    let server = Script::new(3, |number, mut peer: Peer| {
        open(&mut peer, b"");
        assert_eq!((frame(&mut peer).0, frame(&mut peer).0), (0x81, 0x88));
        match number {
            0 => peer.reset(),
            1 => peer.expect_end(),
            _ => peer.stream.write_all(b"\x88\x02\x03\xe8").expect("the client is there"),
        }
    });
    let limits = options(|options| options.close_timeout(Duration::from_millis(50)));
    for (options, expected) in [
        (WebSocketOptions::default(), Err(WebSocketError::Lost)),
        (limits, Err(WebSocketError::Lost)),
        (WebSocketOptions::default(), Ok(None)),
    ] {
        let mut socket = connect(&server, &options);
        socket.send("order").expect("it is open");
        socket.close(CloseCode::NORMAL, "");
        assert_eq!(socket.read_timeout(LONG), expected);
    }
    server.end();
}

#[test]
fn a_proxy_is_asked_for_a_connection() {
    let proxy = Script::new(1, |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.starts_with("CONNECT sockets.example:80 HTTP/1.1\r\n"), "{head}");
        peer.say("HTTP/1.1 200 OK\r\n\r\n");
        open(&mut peer, b"\x81\x05hello");
        assert_eq!(frame(&mut peer).0, 0x88);
        peer.stream.write_all(b"\x88\x02\x03\xe8").expect("the client is there");
    });
    let through = Proxy::new(&format!("http://{}", proxy.addr)).expect("an address");
    let client = Client::builder().proxy(through).timeout(LONG).build().expect("settings with a meaning");
    let mut socket = client.websocket("ws://sockets.example/").connect().expect("the script opens it");
    assert_eq!(read(&mut socket), Message::from("hello"));
    socket.close(CloseCode::NORMAL, "");
    assert_eq!(socket.read_timeout(LONG), Ok(None));
    proxy.end();
}

#[test]
fn many_threads_send_by_one_socket() {
    let server = echoing(WebSocketOptions::default());
    let mut socket = client().websocket(url(&server)).connect().expect("a server of ours");
    thread::scope(|scope| {
        for number in 0..8 {
            let sender = socket.sender().clone();
            scope.spawn(move || {
                for count in 0..10 {
                    while sender.send(format!("{number}/{count}")) == Err(WebSocketError::Full) {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0; 8];
        for _ in 0..80 {
            let text = read(&mut socket);
            let (number, count) =
                text.as_text().and_then(|text| text.split_once('/')).expect("what was sent");
            let number: usize = number.parse().expect("a number");
            // Of each thread in order.
            assert_eq!(count, next[number].to_string());
            next[number] += 1;
        }
    });
}

#[test]
fn a_websocket_that_is_dropped_is_closed() {
    let (told, hears) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let server = Server::new(move |ctx| {
        let told = told.lock().expect("no panic").clone();
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket| {
            while socket.read()?.is_some() {}
            wait_until("the end", || socket.end().is_some());
            told.send(socket.end().cloned())?;
            Ok(())
        });
    });
    let server = server.expect("settings with a meaning").start("127.0.0.1:0").expect("a free port");
    let client = client();
    drop(client.websocket(url(&server)).connect().expect("a server of ours"));
    let end = hears.recv_timeout(LONG).expect("it is told");
    assert_eq!(end, Some(WebSocketEnd::ByClient(Some(CloseFrame::new(CloseCode::NORMAL, "")))));
    wait_until("the end of the connection", || client.stats().open == 0);
}

#[test]
fn a_token_ends_opening_and_an_open_socket() {
    let (asked, is_asked) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        if number == 1 {
            open(&mut peer, b"");
        } else {
            peer.head();
        }
        asked.send(()).expect("the test waits for it");
        peer.expect_end();
    });
    let client = client();
    let url = format!("ws://{}/", server.addr);
    let token = CancelToken::new();
    let kind = thread::scope(|scope| {
        let opening = scope.spawn(|| client.websocket(&url).cancel_with(&token).connect());
        is_asked.recv_timeout(LONG).expect("it is asked");
        token.cancel();
        match opening.join().expect("no panic") {
            Err(WebSocketConnectError::Failed(error)) => error.kind(),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!((kind, client.stats().open), (ClientErrorKind::Cancelled, 0));
    let token = CancelToken::new();
    let mut socket = client.websocket(&url).cancel_with(&token).connect().expect("the script opens it");
    is_asked.recv_timeout(LONG).expect("it is asked");
    token.cancel();
    assert_eq!(end(&mut socket), WebSocketEnd::Lost);
    wait_until("the end of the connection", || client.stats().open == 0);
    server.end();
}

#[test]
fn opening_has_a_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", silent.local_addr().expect("it listens"));
    match client().websocket(url).timeout(Duration::from_millis(20)).connect() {
        Err(WebSocketConnectError::Failed(error)) => assert!(error.is_timeout()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_by_tungstenite_is_understood() {
    use tungstenite::protocol::Role;
    let server = Script::new(1, |_, mut peer: Peer| {
        open(&mut peer, b"");
        let mut socket = tungstenite::WebSocket::from_raw_socket(peer.stream, Role::Server, None);
        loop {
            match socket.read().expect("the client is there") {
                message @ (tungstenite::Message::Text(_) | tungstenite::Message::Binary(_)) => {
                    socket.send(message).expect("the client is there");
                }
                tungstenite::Message::Close(frame) => {
                    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(4001));
                    // Its answer is sent by reading on.
                    while socket.read().is_ok() {}
                    return;
                }
                _ => {}
            }
        }
    });
    let mut socket = connect(&server, &WebSocketOptions::default());
    converse(&mut socket);
    socket.close(4001, "enough");
    assert_eq!(end(&mut socket).code(), CloseCode::from(4001));
    server.end();
}

#[test]
fn fragments_and_what_stands_between_them_are_put_together() {
    let mut late = Vec::new();
    MessageEncoder::new(Role::Server, None).close(Some(&CloseFrame::new(4000, "")), &mut late);
    let server = Script::new(1, move |_, mut peer: Peer| {
        open(&mut peer, b"\x01\x03Hel\x89\x01?\x80\x02lo");
        assert_eq!(frame(&mut peer).0, 0x8a);
        // Byte by byte.
        for byte in &late {
            peer.stream.write_all(&[*byte]).expect("the client is there");
        }
        assert_eq!(frame(&mut peer).2, 4000_u16.to_be_bytes());
    });
    let mut socket = connect(&server, &WebSocketOptions::default());
    assert_eq!(read(&mut socket), Message::from("Hello"));
    assert_eq!(end(&mut socket), WebSocketEnd::ByServer(CloseFrame::new(4000, "")));
    server.end();
}

/// Sends until there is no room for more: the server takes nothing.
fn fill_up(socket: &WebSocket) {
    let (sender, message) = (socket.sender(), Message::from(vec![7; 1024 * 1024]));
    wait_until("a full queue", || sender.send(message.clone()) == Err(WebSocketError::Full));
}

#[test]
fn whoever_neither_takes_nor_says_anything_is_given_up() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Script::side_by_side(3, move |_, mut peer: Peer| {
        open(&mut peer, b"");
        held.pass();
    });
    let short = Duration::from_millis(50);
    let url = format!("ws://{}/", server.addr);
    // Since it does not answer in time, since no message comes or goes, and since that was said for its host.
    let patient = client();
    let hasty = Client::builder().timeout(LONG).configure_host(move |host: &mut HostOptions<'_>| {
        host.write_timeout(short);
        Ok(())
    });
    let hasty = hasty.build().expect("settings with a meaning");
    for (client, options) in [
        (&patient, options(|options| options.queue(4).ping_interval(short).pong_timeout(short))),
        (
            &patient,
            options(|options| options.queue(4).ping_interval(None).idle_timeout(short).close_timeout(short)),
        ),
        (&hasty, options(|options| options.queue(4).ping_interval(None))),
    ] {
        let mut socket = client.websocket(&url).options(&options).connect().expect("the script opens it");
        let (sender, message) = (socket.sender().clone(), Message::from(vec![7; 1024 * 1024]));
        // It may be given up before.
        wait_until("a full queue", || sender.send(message.clone()).is_err());
        assert_eq!(end(&mut socket), WebSocketEnd::Lost);
        wait_until("the end of the connection", || client.stats().open == 0);
    }
    gate.open();
    server.end();
}

#[test]
fn whoever_takes_nothing_is_kept_while_it_speaks() {
    let full = Gate::new();
    let is_full = full.clone();
    let server = Script::new(1, move |_, mut peer: Peer| {
        open(&mut peer, b"");
        is_full.pass();
        // For longer than silence may last.
        for _ in 0..40 {
            peer.stream.write_all(b"\x8a\x00").expect("the client is there");
            thread::sleep(Duration::from_millis(10));
        }
        peer.stream.write_all(b"\x81\x05hello\x88\x02\x0f\xa0").expect("the client is there");
        while peer.stream.read(&mut [0; 64 * 1024]).is_ok_and(|count| count > 0) {}
    });
    let limit = Duration::from_millis(150);
    let options = options(|options| options.queue(4).ping_interval(limit).pong_timeout(limit));
    let mut socket = connect(&server, &options);
    fill_up(&socket);
    full.open();
    assert_eq!(read(&mut socket), Message::from("hello"));
    assert_eq!(end(&mut socket), WebSocketEnd::ByServer(CloseFrame::new(4000, "")));
    server.end();
}

#[test]
fn whoever_floods_behind_the_end_is_left() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number == 0 {
            open(&mut peer, b"");
            assert_eq!(frame(&mut peer).0, 0x88);
            peer.stream.write_all(b"\x88\x02\x03\xe8").expect("the client is there");
        } else {
            // What is wrong ends it as well, in the middle of what it sends.
            open(&mut peer, b"\x83\x00");
        }
        while peer.stream.write_all(&[0; 64 * 1024]).is_ok() {}
    });
    let client = client();
    for code in [CloseCode::NORMAL, CloseCode::PROTOCOL] {
        let url = format!("ws://{}/", server.addr);
        let mut socket = client.websocket(url).connect().expect("the script opens it");
        if code == CloseCode::NORMAL {
            socket.close(code, "");
        }
        assert_eq!(end(&mut socket).code(), code);
        wait_until("the end of the connection", || client.stats().open == 0);
    }
    server.end();
}
