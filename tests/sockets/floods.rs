//! Clients that send and send: they are read from, and get no more time for it than others.
//!
//! The rule: nobody here reads, so nothing ends because a client was told.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_http::RequestCtx;
use anthill_http::websocket::{
    Message, WebSocket, WebSocketEnd, WebSocketHandler, WebSocketOptions, WebSocketOptionsBuilder,
    WebSocketResult, WebSocketSender,
};
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::{SocketClient, frame};
use anthill_tests::websocket::Frame;
use anthill_tests::{Background, LONG_PATIENCE, PATIENCE, background};

const SHORT: Duration = Duration::from_millis(100);
const WAYS: [&str; 2] = ["/told", "/loop"];

/// Closes at the message that says so, and tells how it ends.
struct Closes(mpsc::Sender<WebSocketEnd>);

impl WebSocketHandler for Closes {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        if message.as_text() == Some("close") {
            socket.close(4000, "enough");
        }
        Ok(())
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        let _ = self.0.send(end.clone());
    }
}

/// A handler of both ways, and what tells how sockets end.
fn closes(
    options: WebSocketOptionsBuilder,
) -> (impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static, mpsc::Receiver<WebSocketEnd>) {
    let options = options.build().expect("options that go together");
    let (told, ends) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let handler = move |ctx: &mut RequestCtx| {
        let told = told.lock().unwrap().clone();
        match ctx.path() {
            "/told" => ctx.upgrade_websocket_handler(&options, Closes(told)),
            _ => ctx.upgrade_websocket(&options, move |mut socket: WebSocket| {
                while let Ok(Some(message)) = socket.read() {
                    if message.as_text() == Some("close") {
                        socket.close(4000, "enough");
                    }
                }
                while socket.end().is_none() {
                    thread::yield_now();
                }
                let _ = told.send(socket.end().unwrap().clone());
                Ok(())
            }),
        };
    };
    (handler, ends)
}

/// What floods are made of: messages; pongs that nobody asked for; fragments of one message.
fn floods() -> [(&'static str, Vec<u8>, Vec<u8>); 3] {
    let pong = Frame::new(0x8a, [b'p'; 100]).bytes();
    let fragment = |first| Frame::new(first, [b'f'; 10]).bytes();
    [
        ("messages", Vec::new(), frame("more and more").repeat(100)),
        ("pongs", Vec::new(), pong.repeat(100)),
        ("a message without an end", fragment(0x02), fragment(0x00).repeat(100)),
    ]
}

/// Sends until the other end has had enough.
fn flood(mut stream: TcpStream, first: Vec<u8>, again: Vec<u8>) -> Background<()> {
    background(move || {
        let mut sent = stream.write_all(&first);
        while sent.is_ok() {
            sent = stream.write_all(&again);
        }
    })
}

#[test]
fn who_floods_instead_of_answering_a_close_frame_is_cut_off() {
    let (handler, ends) = closes(WebSocketOptions::builder().close_timeout(SHORT));
    on_both(plain(), handler, |driven| {
        for way in WAYS {
            for (what, first, again) in floods() {
                let mut client = SocketClient::on(&driven.client(), way);
                client.say("close");
                let flood = flood(client.stream().try_clone().expect("a descriptor"), first, again);
                let end =
                    ends.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{way}: {what} keep it open"));
                assert_eq!(end.code().as_u16(), 4000, "{way}: {what}");
                flood.outcome_within(LONG_PATIENCE, "a flood that is cut off");
            }
        }
    });
}

#[test]
fn who_floods_and_says_nothing_is_idle() {
    let (handler, ends) = closes(WebSocketOptions::builder().idle_timeout(SHORT).close_timeout(SHORT));
    on_both(plain(), handler, |driven| {
        for way in WAYS {
            for (what, first, again) in floods().into_iter().skip(1) {
                let mut client = SocketClient::on(&driven.client(), way);
                let flood = flood(client.stream().try_clone().expect("a descriptor"), first, again);
                let end =
                    ends.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{way}: {what} keep it open"));
                assert_eq!(end.code().as_u16(), 1001, "{way}: {what}");
                flood.outcome_within(LONG_PATIENCE, "a flood that is cut off");
            }
        }
    });
}

#[test]
fn a_shutdown_does_not_wait_for_floods() {
    for way in WAYS {
        for (what, first, again) in floods() {
            let (handler, ends) = closes(WebSocketOptions::builder().close_timeout(SHORT));
            let mut running = Running::with(plain(), handler);
            let floods: Vec<_> = (0..3)
                .map(|_| {
                    let mut client = SocketClient::open(running.address(), way);
                    flood(client.stream().try_clone().expect("a descriptor"), first.clone(), again.clone())
                })
                .collect();
            running.reaches("all are open", |stats| stats.websockets.open == 3);
            assert!(running.shut_down(PATIENCE).is_ok(), "{way}: {what}");
            for flood in floods {
                assert_eq!(
                    ends.recv_timeout(PATIENCE).expect("an end").code().as_u16(),
                    1001,
                    "{way}: {what}"
                );
                flood.outcome_within(LONG_PATIENCE, "a flood that is cut off");
            }
        }
    }
}
