//! What waits for clients of WebSockets: senders on other threads, clients that do not read, and groups.
//!
//! The rule: whatever a client does, what waits for it is bounded, and nobody else waits for it.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_http::RequestCtx;
use anthill_http::websocket::{
    Message, QueuePolicy, WebSocketEnd, WebSocketError, WebSocketGroup, WebSocketHandler, WebSocketOptions,
    WebSocketResult, WebSocketSender,
};
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::SocketClient;
use anthill_tests::{Background, LONG_PATIENCE, PATIENCE, background, eventually};

/// Gives the test who sends on each socket, in the order in which they open, and how they ended.
#[derive(Clone, Default)]
struct Kept {
    senders: Arc<Mutex<Vec<WebSocketSender>>>,
    ends: Arc<Mutex<Vec<WebSocketEnd>>>,
}

impl Kept {
    fn handler(&self, options: WebSocketOptions) -> impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static {
        let kept = self.clone();
        move |ctx| {
            ctx.upgrade_websocket_handler(&options, kept.clone());
        }
    }

    #[track_caller]
    fn next(&self) -> WebSocketSender {
        eventually("a socket is open", || !self.senders.lock().unwrap().is_empty());
        self.senders.lock().unwrap().remove(0)
    }

    #[track_caller]
    fn end(&self) -> WebSocketEnd {
        eventually("a socket has ended", || !self.ends.lock().unwrap().is_empty());
        self.ends.lock().unwrap().remove(0)
    }
}

impl WebSocketHandler for Kept {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.senders.lock().unwrap().push(socket.clone());
        Ok(())
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        self.ends.lock().unwrap().push(end.clone());
    }
}

/// Large enough that the system's buffers do not take many.
fn large(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; 256 * 1024];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number(bytes: &[u8]) -> usize {
    usize::from_le_bytes(bytes[..8].try_into().unwrap())
}

#[test]
fn any_thread_sends_and_closes() {
    let kept = Kept::default();
    on_both(plain(), kept.handler(WebSocketOptions::default()), |driven| {
        let mut client = SocketClient::on(&driven.client(), "/");
        let sender = kept.next();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                background(move || {
                    for number in 0..25 {
                        sender.send(number.to_string()).unwrap();
                    }
                })
            })
            .collect();
        let mut sum = 0;
        for _ in 0..100 {
            sum += client.hear().parse::<usize>().unwrap();
        }
        assert_eq!(sum, 4 * 300);
        threads.into_iter().for_each(|thread| thread.outcome("a sender"));
        sender.send("last").unwrap();
        sender.close(4000, "enough");
        assert_eq!(sender.send("late"), Err(WebSocketError::Closed));
        assert!(!sender.is_open());
        assert_eq!(client.hear(), "last");
        assert_eq!(client.closes(), Some((4000, "enough".into())));
        assert_eq!(kept.end().code().as_u16(), 4000);
        eventually("the sender knows", || sender.end().is_some());
    });
}

fn with_policy(policy: QueuePolicy) -> WebSocketOptions {
    WebSocketOptions::builder().queue(2).when_full(policy).build().unwrap()
}

/// A server with a policy, a client that does not read, and who sends to it.
fn slow(policy: QueuePolicy) -> (Running, Kept, SocketClient, WebSocketSender) {
    let kept = Kept::default();
    let options = plain().write_timeout(PATIENCE);
    let running = Running::with(options, kept.handler(with_policy(policy)));
    let client = SocketClient::open(running.address(), "/");
    let sender = kept.next();
    (running, kept, client, sender)
}

/// Sends until it is refused; says how many were taken.
fn fill(sender: &WebSocketSender) -> usize {
    let taken = (0..10_000).take_while(|number| sender.try_send(large(*number)).is_ok()).count();
    assert!((1..10_000).contains(&taken), "{taken}");
    // What was on its way to the system may have left room.
    let more = (taken..10_000)
        .take_while(|number| {
            thread::sleep(Duration::from_millis(50));
            sender.try_send(large(*number)).is_ok()
        })
        .count();
    taken + more
}

#[test]
fn a_full_queue_refuses() {
    let (running, _, mut client, sender) = slow(QueuePolicy::Refuse);
    let taken = fill(&sender);
    assert_eq!(sender.send("more"), Err(WebSocketError::Full));
    assert_eq!(sender.queued(), 2);
    for expected in 0..taken {
        assert_eq!(number(&client.hear_bytes()), expected);
    }
    eventually("there is room again", || sender.send("again").is_ok());
    assert_eq!(client.hear(), "again");
    assert_eq!((sender.lost(), running.server().stats().websockets.messages_dropped), (0, 0));
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let (running, _, mut client, sender) = slow(QueuePolicy::DropOldest);
    let taken = fill(&sender);
    for more in taken..taken + 10 {
        sender.send(large(more)).unwrap();
    }
    assert_eq!((sender.lost(), sender.queued()), (10, 2));
    let mut heard = Vec::new();
    while heard.last() != Some(&(taken + 9)) {
        heard.push(number(&client.hear_bytes()));
    }
    assert!(heard.is_sorted());
    assert_eq!(heard.len(), taken, "the newest have come in the place of those that were dropped");
    assert_eq!(running.server().stats().websockets.messages_dropped, 10);
}

#[test]
fn a_full_queue_cuts_off() {
    let (running, kept, mut client, sender) = slow(QueuePolicy::Disconnect);
    fill(&sender);
    assert_eq!(sender.send("more"), Err(WebSocketError::Closed));
    assert_eq!(kept.end(), WebSocketEnd::Lost);
    client.is_cut_off();
    running.reaches("nothing is left of it", |stats| stats.open_connections == 0);
}

#[test]
fn a_full_queue_is_waited_for() {
    let (_running, _, mut client, sender) = slow(QueuePolicy::Block(Duration::from_millis(50)));
    let taken = fill(&sender);
    assert_eq!(sender.send("in vain"), Err(WebSocketError::Full));
    let (running, _, mut other, patient) = slow(QueuePolicy::Block(LONG_PATIENCE));
    let also_taken = fill(&patient);
    let waits = background(move || patient.send("patiently"));
    for expected in 0..also_taken {
        assert_eq!(number(&other.hear_bytes()), expected);
    }
    assert_eq!(other.hear(), "patiently");
    assert_eq!(waits.outcome("the sender"), Ok(()));
    for expected in 0..taken {
        assert_eq!(number(&client.hear_bytes()), expected);
    }
    drop(running);
}

#[test]
fn who_waits_for_room_is_told_of_the_end() {
    let (running, kept, client, sender) = slow(QueuePolicy::Block(LONG_PATIENCE));
    fill(&sender);
    // Some may be taken still.
    let waits = background(move || (0..).find_map(|number| sender.send(large(number)).err()));
    drop(client);
    assert_eq!(waits.outcome("the sender"), Some(WebSocketError::Closed));
    assert_eq!(kept.end(), WebSocketEnd::Lost);
    running.reaches("nothing is left of it", |stats| stats.open_connections == 0);
}

#[test]
fn who_takes_nothing_is_cut_off() {
    let kept = Kept::default();
    let options = plain().write_timeout(Duration::from_millis(300));
    let running = Running::with(options, kept.handler(with_policy(QueuePolicy::Refuse)));
    let client = SocketClient::open(running.address(), "/");
    let sender = kept.next();
    while sender.try_send(large(0)) != Err(WebSocketError::Closed) {
        thread::yield_now();
    }
    assert_eq!(kept.end(), WebSocketEnd::Lost);
    running.reaches("it is counted", |stats| {
        stats.given_up.slow_readers == 1
            && stats.open_connections == 0
            && stats.websockets.closes == [(1006, 1)]
    });
    drop(client);
}

/// Sends more than the queue takes to its own socket, by a sender that waits for room.
#[test]
fn a_handler_never_waits_for_itself() {
    struct Talks;
    impl WebSocketHandler for Talks {
        fn on_message(&mut self, socket: &WebSocketSender, _: Message) -> WebSocketResult {
            for number in 0..1000 {
                socket.clone().send(number.to_string())?;
            }
            Ok(())
        }
    }
    for policy in [
        QueuePolicy::Block(LONG_PATIENCE),
        QueuePolicy::Refuse,
        QueuePolicy::DropOldest,
        QueuePolicy::Disconnect,
    ] {
        let options = with_policy(policy);
        let handler = move |ctx: &mut RequestCtx| {
            ctx.upgrade_websocket_handler(&options, Talks);
        };
        on_both(plain(), handler, |driven| {
            let mut client = SocketClient::on(&driven.client(), "/");
            client.say("go");
            for number in 0..1000 {
                assert_eq!(client.hear(), number.to_string(), "{policy:?}");
            }
        });
    }
}

/// A client that sends and never reads is not read from for ever: its pings, and its messages, are answered into a
/// bounded buffer.
#[test]
fn who_does_not_read_is_not_read_from() {
    struct Echo;
    impl WebSocketHandler for Echo {
        fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
            Ok(socket.send(message)?)
        }
    }
    let running = Running::with(plain().write_timeout(Duration::from_secs(2)), |ctx| {
        ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Echo);
    });
    let ping = [b"\x89\xfd\0\0\0\0".as_slice(), &[b'x'; 125]].concat().repeat(500);
    let message = anthill_tests::sockets::frame(&"y".repeat(60_000));
    for flood in [ping, message] {
        let mut client = SocketClient::open(running.address(), "/");
        let stream = client.stream();
        let mut sent = 0;
        // At the latest when it is given up for taking nothing.
        while let Ok(count) = std::io::Write::write(stream, &flood) {
            sent += count;
            assert!(sent < 64 << 20, "the server has read {sent} bytes that it has not answered");
        }
    }
    running.reaches("both were given up", |stats| {
        stats.given_up.slow_readers == 2 && stats.open_connections == 0
    });
}

struct Joins(WebSocketGroup);

impl WebSocketHandler for Joins {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        assert!(self.0.join(socket) && !self.0.join(socket));
        Ok(socket.send("joined")?)
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        match message.as_text() {
            Some("leave") => {
                assert!(self.0.leave(socket) && !self.0.leave(socket));
                socket.send("left")?;
            }
            _ => {
                self.0.send_except(socket, message);
            }
        }
        Ok(())
    }
}

fn joins(group: &WebSocketGroup, ctx: &mut RequestCtx) {
    ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Joins(group.clone()));
}

#[track_caller]
fn joined(running: &Running) -> SocketClient {
    let mut client = SocketClient::open(running.address(), "/");
    assert_eq!(client.hear(), "joined");
    client
}

#[test]
fn a_group_sends_to_all_its_members_in_one_order() {
    let group = WebSocketGroup::new();
    let members = group.clone();
    let running = Running::with(plain(), move |ctx| joins(&members, ctx));
    let mut clients: Vec<_> = (0..20).map(|_| joined(&running)).collect();
    assert_eq!(group.len(), 20);
    let senders: Vec<_> = (0..4)
        .map(|thread| {
            let group = group.clone();
            background(move || {
                for number in 0..20 {
                    assert_eq!(group.send(format!("{thread} {number}")), 20);
                }
            })
        })
        .collect();
    let all: Vec<Vec<String>> =
        clients.iter_mut().map(|client| (0..80).map(|_| client.hear()).collect()).collect();
    assert!(all.iter().all(|heard| *heard == all[0]), "all hear the same in the same order");
    senders.into_iter().for_each(|sender| sender.outcome("a sender"));

    clients[0].say("from the first");
    for client in &mut clients[1..] {
        assert_eq!(client.hear(), "from the first");
    }
    clients[0].say("leave");
    assert_eq!(clients[0].hear(), "left");
    assert_eq!(group.send("for the others"), 19);
    clients.remove(0).close(1000);
    drop(clients.pop());
    eventually("who has gone has left", || group.len() == 18);
    group.close_all(4100, "it is late");
    for mut client in clients.into_iter() {
        assert_eq!(client.hear(), "for the others");
        assert_eq!(client.closes(), Some((4100, "it is late".into())));
    }
    eventually("all have left", || group.is_empty());
    assert_eq!(group.send("nobody"), 0);
}

/// Members come and go all the while: whoever stays misses nothing.
#[test]
fn a_group_sends_while_members_come_and_go() {
    let group = WebSocketGroup::new();
    let members = group.clone();
    let running = Running::with(plain(), move |ctx| joins(&members, ctx));
    let mut stays = joined(&running);
    let address = running.address();
    let comers: Vec<_> = (0..3)
        .map(|_| {
            background(move || {
                for round in 0..40 {
                    let mut client = SocketClient::open(address, "/");
                    // What is sent to all may come before.
                    while client.hear() != "joined" {}
                    match round % 3 {
                        0 => drop(client),
                        1 => {
                            client.close(1000);
                            client.closes();
                        }
                        _ => {
                            client.say("leave");
                            while client.hear() != "left" {}
                        }
                    }
                }
            })
        })
        .collect();
    let mut number = 0;
    while !comers.iter().all(Background::is_finished) {
        assert!(group.send(number.to_string()) >= 1);
        assert_eq!(stays.hear(), number.to_string());
        number += 1;
    }
    comers.into_iter().for_each(|comer| comer.outcome_within(LONG_PATIENCE, "who comes and goes"));
    eventually("one has stayed", || group.len() == 1);
}

#[test]
fn a_member_that_does_not_read_holds_up_nobody() {
    let group = WebSocketGroup::new();
    let members = group.clone();
    let options = WebSocketOptions::builder().queue(4).when_full(QueuePolicy::Disconnect).build().unwrap();
    let running = Running::with(plain(), move |ctx| {
        ctx.upgrade_websocket_handler(&options, Joins(members.clone()));
    });
    let mut slow = joined(&running);
    let mut reads = joined(&running);
    let mut sent = 0;
    while group.len() == 2 {
        group.send(large(sent));
        assert_eq!(number(&reads.hear_bytes()), sent);
        sent += 1;
        assert!(sent < 10_000, "it is never cut off");
    }
    slow.is_cut_off();
    assert_eq!(group.send("still here"), 1);
    assert_eq!(reads.hear(), "still here");
}

/// One has agreed to compression, the other has not: each gets what it understands.
#[test]
fn a_group_encodes_for_whoever_listens() {
    let group = WebSocketGroup::new();
    let members = group.clone();
    let options = WebSocketOptions::builder()
        .compression(anthill_http::websocket::DeflateOptions::default())
        .build()
        .unwrap();
    let running = Running::with(plain(), move |ctx| {
        ctx.upgrade_websocket_handler(&options, Joins(members.clone()));
    });
    let mut plain = joined(&running);
    let stream = std::net::TcpStream::connect(running.address()).unwrap();
    let mut packed = SocketClient::over(stream, "/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert!(packed.head().contains("\r\nSec-Websocket-Extensions: permessage-deflate"), "{}", packed.head());
    assert_eq!(packed.hear(), "joined");
    let text = "all work and no play ".repeat(1000);
    assert_eq!(group.send(&*text), 2);
    assert_eq!(plain.hear(), text);
    let mut head = [0; 4];
    std::io::Read::read_exact(packed.stream(), &mut head).unwrap();
    assert_eq!((head[0], head[1]), (0xc1, 126), "one frame, packed");
    assert!(u16::from_be_bytes([head[2], head[3]]) < 1000, "and short");
}
