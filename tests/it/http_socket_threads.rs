//! Which threads WebSockets take: none while nothing happens, a worker where the user's code blocks, and never more
//! than there are.
//!
//! The rule: whatever the user's code on one socket does, others are served, and each socket's messages keep their
//! order.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_http::websocket::{
    Message, WebSocketEnd, WebSocketGroup, WebSocketHandler, WebSocketOptions, WebSocketResult,
    WebSocketSender,
};
use anthill_http::{RequestCtx, ServerBuilder};
use anthill_tests::processes::apart_with_descriptors;
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::{SocketClient, frame, handshake};
use anthill_tests::{Gate, eventually};

/// Waits where it is told to, and counts who waits.
#[derive(Clone, Default)]
struct Waits {
    gate: Gate,
    waiting: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<String>>>,
}

impl WebSocketHandler for Waits {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        let text = message.as_text().unwrap_or_default().to_owned();
        if text == "wait" {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.gate.pass();
        }
        Ok(socket.send(text)?)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        self.told.lock().unwrap().push(end.to_string());
    }
}

fn waits(options: ServerBuilder) -> (Running, Waits) {
    let waits = Waits::default();
    let handler = waits.clone();
    let running = Running::with(options, move |ctx| match ctx.path() {
        "/fast" => ctx.set_body("fast"),
        _ => {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), handler.clone());
        }
    });
    (running, waits)
}

#[test]
fn a_handler_that_blocks_holds_up_nobody_else() {
    let (running, waits) = waits(plain().shards(1).max_workers(8));
    let mut blocked: Vec<_> = (0..4).map(|_| SocketClient::open(running.address(), "/chat")).collect();
    let mut others: Vec<_> = (0..4).map(|_| SocketClient::open(running.address(), "/chat")).collect();
    for client in &mut blocked {
        client.say("wait");
        // These come behind it.
        for number in 0..50 {
            client.say(&number.to_string());
        }
    }
    eventually("all four wait", || waits.waiting.load(Ordering::SeqCst) == 4);
    for round in 0..50 {
        for client in &mut others {
            client.say(&round.to_string());
        }
        for client in &mut others {
            assert_eq!(client.hear(), round.to_string());
        }
        assert_eq!(running.client().get("/fast").text(), "fast");
    }
    waits.gate.open();
    for client in &mut blocked {
        assert_eq!(client.hear(), "wait");
        for number in 0..50 {
            assert_eq!(client.hear(), number.to_string());
        }
    }
}

#[test]
fn while_all_workers_are_blocked_messages_wait_and_are_refused_in_the_end() {
    let options = plain().shards(1).max_workers(1).max_wait(Duration::from_millis(200));
    let (running, waits) = waits(options);
    // Until no thread of the user's is left, spares included.
    let mut clients: Vec<_> = (0..30).map(|_| SocketClient::open(running.address(), "/chat")).collect();
    for client in &mut clients {
        client.say("wait");
    }
    let seen = || waits.waiting.load(Ordering::SeqCst);
    running.reaches("some wait, the others were closed", |stats| {
        let closed: u64 = stats.websockets.closes.iter().map(|(_, count)| count).sum();
        seen() > 0 && stats.websockets.open - seen() == 30 - seen() - usize::try_from(closed).unwrap()
    });
    eventually("who waits for a thread in vain is told so", || {
        clients.iter_mut().rev().take(1).any(|client| match client.next_message() {
            Ok(tungstenite::Message::Close(Some(frame))) => u16::from(frame.code) == 1013,
            _ => false,
        })
    });
    assert_eq!(running.client().get("/fast").text(), "fast");
    waits.gate.open();
    clients.drain(..seen()).for_each(|mut client| {
        assert_eq!(client.hear(), "wait");
    });
    drop(clients);
    running.reaches("nobody is left", |stats| stats.open_connections == 0);
    eventually("all were told of the end", || waits.told.lock().unwrap().len() == 30);
}

/// Messages of one socket are never told at once, and never out of order, whichever threads tell them.
#[test]
fn the_messages_of_a_socket_come_one_at_a_time() {
    struct Slow(bool, usize);
    impl WebSocketHandler for Slow {
        fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
            assert!(!std::mem::replace(&mut self.0, true), "it is in here already");
            let number: usize = message.as_text().unwrap().parse()?;
            assert_eq!(number, self.1);
            self.1 += 1;
            if number % 7 == 3 {
                thread::sleep(Duration::from_millis(3));
            }
            self.0 = false;
            Ok(socket.send(message)?)
        }
    }
    let running = Running::with(plain().shards(2), |ctx| {
        ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Slow(false, 0));
    });
    let mut clients: Vec<_> = (0..8).map(|_| SocketClient::open(running.address(), "/")).collect();
    for number in 0..60 {
        for client in &mut clients {
            client.say(&number.to_string());
        }
    }
    for client in &mut clients {
        for number in 0..60 {
            assert_eq!(client.hear(), number.to_string());
        }
    }
    assert_eq!(running.server().stats().panics, 0);
}

fn owned(ctx: &mut RequestCtx) {
    ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
        while let Some(message) = socket.read()? {
            socket.send(message)?;
        }
        Ok(())
    });
}

#[test]
fn loops_are_bounded_and_leave_the_others_a_thread() {
    let running = Running::with(plain().shards(1).max_workers(4).max_streaming_workers(3), owned);
    let mut clients: Vec<_> = (0..3).map(|_| SocketClient::open(running.address(), "/")).collect();
    for client in &mut clients {
        client.say("hello");
        assert_eq!(client.hear(), "hello");
    }
    let mut client = running.client();
    let reply = client.exchange(handshake("/", ""));
    assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("2")));
    let mut gone = clients.pop().unwrap();
    gone.close(1000);
    assert_eq!(gone.close_code(), 1000);
    eventually("there is a thread again", || {
        let mut client = running.client();
        client.send(handshake("/", ""));
        client.response_to_head().status == 101
    });
    assert!(running.server().stats().rejections.turned_away >= 1);
}

#[test]
fn a_loop_that_does_not_read_is_not_filled() {
    let gate = Gate::new();
    let waits = gate.clone();
    let running = Running::with(plain(), move |ctx| {
        let waits = waits.clone();
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket| {
            waits.pass();
            let mut count = 0_usize;
            while socket.read()?.is_some() {
                count += 1;
                if count == 200 {
                    socket.send("all")?;
                }
            }
            Ok(())
        });
    });
    let mut client = SocketClient::open(running.address(), "/");
    let message = frame(&"x".repeat(60_000));
    let mut stream = client.stream().try_clone().unwrap();
    let sending = anthill_tests::background(move || (0..200).try_for_each(|_| stream.write_all(&message)));
    // 12 MB are not taken, whatever the system's buffers hold.
    thread::sleep(Duration::from_millis(300));
    let received = running.server().stats().websockets.messages_received;
    assert!(received < 40, "{received} messages wait for one loop");
    gate.open();
    assert_eq!(client.hear(), "all");
    assert!(sending.outcome("the client").is_ok());
}

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn a_thousand_sockets_need_no_thousand_threads() {
    const SOCKETS: usize = 1000;
    let name = "http_socket_threads::a_thousand_sockets_need_no_thousand_threads";
    apart_with_descriptors(name, 2 * SOCKETS + 200, || {
        let group = WebSocketGroup::new();
        let members = group.clone();
        let running = Running::with(plain().shards(2).max_workers(12), move |ctx| {
            ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Joins(members.clone()));
        });
        let mut clients: Vec<_> = (0..SOCKETS).map(|_| SocketClient::open(running.address(), "/")).collect();
        eventually("all have joined", || group.len() == SOCKETS);
        for number in 0..5 {
            assert_eq!(group.send(number.to_string()), SOCKETS);
        }
        for client in &mut clients {
            for number in 0..5 {
                assert_eq!(client.hear(), number.to_string());
            }
        }
        assert!(threads() <= 20, "{} threads", threads());
        drop(clients);
        eventually("all have left", || group.is_empty());
    });
}

struct Joins(WebSocketGroup);

impl WebSocketHandler for Joins {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.0.join(socket);
        Ok(())
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }
}

/// A client that is silent in the middle of the handshake, and one that has said half a frame, hold no thread either.
#[test]
fn half_a_frame_holds_no_thread() {
    let (running, _) = waits(plain().shards(1).max_workers(2));
    let mut halves: Vec<_> = (0..50)
        .map(|_| {
            let mut client = SocketClient::open(running.address(), "/");
            let mut said = frame("half of a message");
            let rest = said.split_off(10);
            client.send_raw(&said);
            (client, rest)
        })
        .collect();
    let asking: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(running.address()).unwrap();
            stream.write_all(&handshake("/", "").as_bytes()[..40]).unwrap();
            stream
        })
        .collect();
    assert_eq!(running.client().get("/fast").text(), "fast");
    assert!(running.server().stats().workers.unwrap().busy <= 3);
    for (client, rest) in &mut halves {
        client.send_raw(rest);
        assert_eq!(client.hear(), "half of a message");
    }
    for mut stream in asking {
        stream.write_all(&handshake("/", "").as_bytes()[40..]).unwrap();
        SocketClient::of_asked(stream);
    }
}
