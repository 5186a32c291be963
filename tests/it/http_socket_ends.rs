//! How WebSockets end: by silence, by a shutdown, by clients that go or do not answer.
//!
//! The rule: whoever has a socket learns of its end once, and nothing of it is left.

use std::io::Write;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::websocket::{
    Message, WebSocket, WebSocketEnd, WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{InMemoryStream, RequestCtx, ServerBuilder, ShutdownError};
use anthill_tests::drivers::{Driven, on_both};
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::{SocketClient, frame, handshake};
use anthill_tests::{Gate, PATIENCE, background, comes_true, eventually, logs};

const SHORT: Duration = Duration::from_millis(100);

/// Tells how it ends.
struct Ends(mpsc::Sender<WebSocketEnd>);

impl WebSocketHandler for Ends {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        let _ = self.0.send(end.clone());
    }
}

/// A handler of both ways, and what tells how sockets end.
fn ends(
    options: WebSocketOptions,
) -> (impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static, mpsc::Receiver<WebSocketEnd>) {
    let (told, ends) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let handler = move |ctx: &mut RequestCtx| {
        let told = told.lock().unwrap().clone();
        match ctx.path() {
            "/told" => ctx.upgrade_websocket_handler(&options, Ends(told)),
            _ => ctx.upgrade_websocket(&options, move |mut socket: WebSocket| {
                while let Ok(Some(message)) = socket.read() {
                    // Who has gone is told of below.
                    let _ = socket.send(message);
                }
                assert!(comes_true(|| socket.end().is_some()), "it has ended");
                let _ = told.send(socket.end().unwrap().clone());
                Ok(())
            }),
        };
    };
    (handler, ends)
}

const WAYS: [&str; 2] = ["/told", "/loop"];

fn for_both_ways(
    builder: ServerBuilder,
    options: WebSocketOptions,
    check: impl Fn(&Driven, &str, &mpsc::Receiver<WebSocketEnd>),
) {
    let (handler, ends) = ends(options);
    on_both(builder, handler, |driven| {
        for way in WAYS {
            check(driven, way, &ends);
        }
    });
}

#[test]
fn who_does_not_answer_pings_is_cut_off_and_who_does_is_not() {
    let options = WebSocketOptions::builder().ping_interval(SHORT).pong_timeout(SHORT).build().unwrap();
    for_both_ways(plain(), options, |driven, way, ends| {
        let mut silent = SocketClient::on(&driven.client(), way);
        let mut lives = SocketClient::on(&driven.client(), way);
        // It answers as long as it reads.
        for _ in 0..3 {
            assert!(matches!(lives.next_message(), Ok(tungstenite::Message::Ping(_))), "{way}");
        }
        lives.say("here");
        assert_eq!(lives.hear(), "here", "{way}");
        silent.is_cut_off();
        assert_eq!(ends.recv_timeout(PATIENCE), Ok(WebSocketEnd::Lost), "{way}");
        lives.close(1000);
        assert_eq!(lives.close_code(), 1000, "{way}");
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1000);
    });
}

#[test]
fn who_says_nothing_for_too_long_is_closed() {
    let options = WebSocketOptions::builder().idle_timeout(SHORT).build().unwrap();
    for_both_ways(plain(), options, |driven, way, ends| {
        let mut client = SocketClient::on(&driven.client(), way);
        client.say("one");
        assert_eq!(client.hear(), "one");
        assert_eq!(client.close_code(), 1001, "{way}");
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1001);
    });
}

#[test]
fn who_does_not_answer_a_close_frame_is_cut_off() {
    let options = WebSocketOptions::builder().idle_timeout(SHORT).close_timeout(SHORT).build().unwrap();
    for_both_ways(plain(), options, |driven, way, ends| {
        let client = SocketClient::on(&driven.client(), way);
        // It never reads, so it never answers.
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1001, "{way}");
        drop(client);
    });
}

#[test]
fn a_client_that_goes_is_missed_at_once() {
    let options = WebSocketOptions::builder().ping_interval(None).build().unwrap();
    for_both_ways(plain(), options, |driven, way, ends| {
        for sent in [&frame("whole")[..], &frame("in the middle")[..7], b"\x01", b""] {
            let mut client = SocketClient::on(&driven.client(), way);
            client.send_raw(sent);
            drop(client);
            assert_eq!(ends.recv_timeout(PATIENCE), Ok(WebSocketEnd::Lost), "{way}: {sent:?}");
        }
    });
}

#[test]
fn a_shutdown_closes_all_with_1001_and_waits_for_their_answers() {
    logs::collect();
    let (handler, ends) = ends(WebSocketOptions::default());
    let mut running = Running::with(plain(), handler);
    let mut clients: Vec<_> =
        (0..20).map(|number| SocketClient::open(running.address(), WAYS[number % 2])).collect();
    for client in &mut clients {
        client.say("hello");
        assert_eq!(client.hear(), "hello");
    }
    // In the middle of a message.
    clients[0].send_raw(&frame("never to its end")[..9]);
    clients[1].send_raw(&frame("never to its end")[..1]);
    let server = running.server().clone();
    let ending = background(move || server.shutdown(PATIENCE));
    for client in &mut clients {
        assert_eq!(client.closes(), Some((1001, "the server stops".into())));
    }
    assert_eq!(ending.outcome("the shutdown"), Ok(()));
    for _ in 0..20 {
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1001);
    }
    let stats = running.server().stats();
    assert_eq!(stats.open_connections, 0);
    assert_eq!(stats.websockets.closes, [(1001, 20)]);
    assert!(!logs::with("anthill_http::server::ending", "20 of 20 WebSockets were closed").is_empty());
    running.shut_down(PATIENCE).expect("it has ended already");
}

#[test]
fn a_shutdown_does_not_wait_for_clients_that_never_answer() {
    let options = WebSocketOptions::builder().close_timeout(SHORT).build().unwrap();
    let (handler, ends) = ends(options);
    let running = Running::with(plain(), handler);
    let clients: Vec<_> = WAYS.map(|way| SocketClient::open(running.address(), way)).into();
    running.server().shutdown(PATIENCE).expect("nobody is waited for for long");
    for _ in &clients {
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1001);
    }
    drop(clients);
}

#[test]
fn a_shutdown_lets_the_users_code_end_and_sends_what_it_says() {
    struct Waits(Gate, mpsc::Sender<()>);
    impl WebSocketHandler for Waits {
        fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
            self.1.send(())?;
            self.0.pass();
            assert!(socket.is_stopping());
            Ok(socket.send(message)?)
        }
    }
    let (gate, (begins, begun)) = (Gate::new(), mpsc::channel());
    let (waits, begins) = (gate.clone(), Mutex::new(begins));
    let running = Running::with(plain(), move |ctx| {
        let handler = Waits(waits.clone(), begins.lock().unwrap().clone());
        ctx.upgrade_websocket_handler(&WebSocketOptions::default(), handler);
    });
    let mut client = SocketClient::open(running.address(), "/");
    client.say("late");
    begun.recv_timeout(PATIENCE).unwrap();
    client.say("nobody is told");
    let refused = running.server().shutdown(SHORT);
    assert!(matches!(refused, Err(ShutdownError::Timeout { open_connections: 1, .. })), "{refused:?}");
    gate.open();
    assert_eq!(client.hear(), "late");
    assert_eq!(client.close_code(), 1001);
    running.server().shutdown(PATIENCE).expect("it ends");
}

#[test]
fn a_server_that_stops_opens_none() {
    let (handler, _ends) = ends(WebSocketOptions::default());
    let gate = Gate::new();
    let (waits, (begins, begun)) = (gate.clone(), mpsc::channel());
    let begins = Mutex::new(begins);
    let running = Running::with(plain(), move |ctx| {
        begins.lock().unwrap().send(()).unwrap();
        waits.pass();
        handler(ctx);
    });
    let mut client = running.client();
    client.send(anthill_tests::sockets::handshake("/told", ""));
    begun.recv_timeout(PATIENCE).unwrap();
    let server = running.server().clone();
    let ending = background(move || server.shutdown(PATIENCE));
    eventually("it stops", || running.server().stop_signal().is_stopping());
    gate.open();
    let mut client = SocketClient::of_asked(client.stream().try_clone().unwrap());
    assert_eq!(client.close_code(), 1001, "it was agreed to, and closed at once");
    assert_eq!(ending.outcome("the shutdown"), Ok(()));
}

#[test]
fn a_client_that_closes_hears_what_was_said_before() {
    let (handler, ends) = ends(WebSocketOptions::default());
    on_both(plain(), handler, |driven| {
        for way in WAYS {
            let mut client = SocketClient::on(&driven.client(), way);
            for number in 0..100 {
                client.say(&number.to_string());
            }
            client.close(1000);
            for number in 0..100 {
                assert_eq!(client.hear(), number.to_string(), "{way}");
            }
            assert_eq!(client.close_code(), 1000, "{way}");
            assert_eq!(ends.recv_timeout(PATIENCE).unwrap().code().as_u16(), 1000);
        }
    });
}

#[test]
fn both_may_close_at_once() {
    struct Closes(Gate);
    impl WebSocketHandler for Closes {
        fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
            let (gate, socket) = (self.0.clone(), socket.clone());
            std::thread::spawn(move || {
                gate.pass();
                socket.close(4000, "ours");
            });
            Ok(())
        }
    }
    for _ in 0..20 {
        let gate = Gate::new();
        let closes = gate.clone();
        let running = Running::with(plain(), move |ctx| {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Closes(closes.clone()));
        });
        let mut client = SocketClient::open(running.address(), "/");
        gate.open();
        client.close(4001);
        assert!([4000, 4001].contains(&client.close_code()));
        running.reaches("one end was counted", |stats| {
            stats.websockets.closes.iter().map(|(_, count)| count).sum::<u64>() == 1
                && stats.open_connections == 0
        });
    }
}

/// Gives whoever sends to others what it sends by.
struct Opened(mpsc::Sender<WebSocketSender>);

impl WebSocketHandler for Opened {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        let _ = self.0.send(socket.clone());
        Ok(())
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }
}

/// A socket on a connection of its own is not held up to a stall that is over: its client, which had taken everything,
/// has all its time again when it takes nothing. In memory it can be said to a byte how much there is room for.
#[test]
fn a_stall_that_is_over_is_not_counted_on_a_connection_of_ones_own() {
    const SILENT: Duration = Duration::from_secs(3);
    let room = room_in_memory();
    let (opened, senders) = mpsc::channel();
    let opened = Mutex::new(opened);
    let options = WebSocketOptions::builder().ping_interval(SILENT).pong_timeout(SILENT / 10);
    let options = options.idle_timeout(None).build().unwrap();
    let server = plain().build(move |ctx| {
        let opened = opened.lock().unwrap().clone();
        ctx.upgrade_websocket_handler(&options, Opened(opened));
    });
    let server = server.expect("options that go together");
    let (mut ours, theirs) = InMemoryStream::pair();
    let serving = background(move || server.serve_conn(theirs));
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    ours.set_write_timeout(Some(PATIENCE)).unwrap();
    ours.write_all(handshake("/", "").as_bytes()).unwrap();
    let mut client = SocketClient::try_of_answered(ours).expect("it agrees");
    let sender = senders.recv_timeout(PATIENCE).expect("it is open");
    // More than there is room for.
    sender.send(vec![b'a'; 2 * room]).unwrap();
    thread::sleep(SHORT);
    let begun = Instant::now();
    assert_eq!(client.hear_bytes().len(), 2 * room);
    // As much as there is room for, so that nothing goes of the next; before it is asked whether the client is there.
    thread::sleep((SILENT / 2).saturating_sub(begun.elapsed()));
    let head = 4;
    sender.send(vec![b'b'; room - head]).unwrap();
    thread::sleep(SHORT);
    sender.send("late").unwrap();
    // Too late for the first stall, and in time for this one.
    thread::sleep((SILENT + SILENT / 3).saturating_sub(begun.elapsed()));
    client.say("still here");
    assert_eq!(client.hear_bytes(), vec![b'b'; room - head]);
    assert_eq!((client.hear(), client.hear()), ("late".to_owned(), "still here".to_owned()));
    client.close(1000);
    assert_eq!(client.close_code(), 1000);
    drop(client);
    serving.outcome("serving").expect("a good end");
}

/// How many bytes are under way at most in one direction of a connection in memory.
fn room_in_memory() -> usize {
    let (mut first, _second) = InMemoryStream::pair();
    first.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
    let piece = [0; 4096];
    std::iter::from_fn(|| first.write(&piece).ok()).sum()
}
