//! What is judged, and by whom: nobody is given up for the time that the user's code took, a handler waits for none of
//! its own messages, and whoever takes nothing is closed all the same.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_http::RequestCtx;
use anthill_http::websocket::{
    Message, QueuePolicy, WebSocketEnd, WebSocketGroup, WebSocketHandler, WebSocketOptions,
    WebSocketOptionsBuilder, WebSocketResult, WebSocketSender,
};
use anthill_tests::drivers::{on_both, on_both_within};
use anthill_tests::server::plain;
use anthill_tests::sockets::SocketClient;
use anthill_tests::{LONG_PATIENCE, PATIENCE};

const SHORT: Duration = Duration::from_millis(100);

/// One handler for all sockets.
#[derive(Clone)]
struct Scene {
    /// Told when one opens, or its handler waits.
    opened: Arc<Mutex<mpsc::Sender<WebSocketSender>>>,
    ends: Arc<Mutex<mpsc::Sender<WebSocketEnd>>>,
}

/// What is heard of the sockets of a scene.
struct Heard {
    opened: mpsc::Receiver<WebSocketSender>,
    ends: mpsc::Receiver<WebSocketEnd>,
}

impl Scene {
    fn new() -> (Self, Heard) {
        let ((open, opened), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let scene = Self { opened: Arc::new(Mutex::new(open)), ends: Arc::new(Mutex::new(end)) };
        (scene, Heard { opened, ends })
    }

    fn handler(
        self,
        options: WebSocketOptionsBuilder,
    ) -> impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static {
        let options = options.build().expect("options that go together");
        move |ctx| {
            ctx.upgrade_websocket_handler(&options, self.clone());
        }
    }
}

impl WebSocketHandler for Scene {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        let _ = self.opened.lock().unwrap().send(socket.clone());
        Ok(())
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        if message.as_text() == Some("wait") {
            let _ = self.opened.lock().unwrap().send(socket.clone());
            thread::sleep(SHORT * 8);
            return Ok(());
        }
        Ok(socket.send(message)?)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        let _ = self.ends.lock().unwrap().send(end.clone());
    }
}

#[test]
fn what_came_while_the_handler_ran_is_heard_before_anybody_is_given_up() {
    let options = [
        WebSocketOptions::builder().ping_interval(SHORT).pong_timeout(SHORT),
        WebSocketOptions::builder().idle_timeout(SHORT * 3),
    ];
    for options in options {
        let (scene, heard) = Scene::new();
        let handler = scene.handler(options.clone());
        on_both(plain().shards(1), handler, |driven| {
            let mut client = SocketClient::on(&driven.client(), "/");
            heard.opened.recv_timeout(PATIENCE).expect("it opens");
            client.say("wait");
            heard.opened.recv_timeout(PATIENCE).expect("the handler runs");
            // It is said in time, and found long after.
            client.say("behind it");
            assert_eq!(client.hear(), "behind it");
            client.close(1000);
            assert_eq!(client.close_code(), 1000);
            assert_eq!(heard.ends.recv_timeout(PATIENCE).expect("an end").code().as_u16(), 1000);
        });
    }
}

/// Sends itself, through a group, more than there is room for.
struct Floods(WebSocketGroup);

impl WebSocketHandler for Floods {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.0.join(socket);
        Ok(())
    }

    fn on_message(&mut self, _: &WebSocketSender, message: Message) -> WebSocketResult {
        let count: usize = message.as_text().unwrap_or_default().parse()?;
        for number in 0..count {
            assert_eq!(self.0.send(number.to_string()), 1);
        }
        Ok(())
    }
}

#[test]
fn a_handler_reaches_itself_through_a_group_whatever_waits() {
    for policy in [QueuePolicy::Refuse, QueuePolicy::DropOldest, QueuePolicy::Disconnect] {
        let options = WebSocketOptions::builder().queue(2).when_full(policy).build().expect("options");
        let handler = move |ctx: &mut RequestCtx| {
            ctx.upgrade_websocket_handler(&options, Floods(WebSocketGroup::new()));
        };
        on_both(plain(), handler, |driven| {
            let mut client = SocketClient::on(&driven.client(), "/");
            client.say("100");
            for number in 0..100 {
                assert_eq!(client.hear(), number.to_string(), "{policy:?}");
            }
        });
    }
}

#[test]
fn who_takes_nothing_is_closed_in_its_time() {
    // The limit for a write is none of this test's.
    let (scene, heard) = Scene::new();
    let handler =
        scene.handler(WebSocketOptions::builder().close_timeout(SHORT).queue(10_000).queue_bytes(1 << 30));
    on_both_within(LONG_PATIENCE, plain(), handler, |driven| {
        let client = SocketClient::on(&driven.client(), "/");
        let sender = heard.opened.recv_timeout(PATIENCE).expect("it opens");
        // More than all sockets take.
        for _ in 0..60 {
            sender.send(vec![b'x'; 1_000_000]).expect("there is room");
        }
        thread::sleep(SHORT);
        sender.close(4000, "enough");
        let end = heard.ends.recv_timeout(PATIENCE).expect("it is cut off");
        assert!(matches!(end.code().as_u16(), 4000 | 1006), "{end}");
        drop(client);
    });
}

/// Where nothing can be sent nobody can be asked whether they are there, and they are not read from either.
#[test]
fn who_takes_nothing_is_given_up_by_the_limits_of_who_says_nothing() {
    let silent = WebSocketOptions::builder().ping_interval(SHORT).pong_timeout(SHORT);
    let idle = WebSocketOptions::builder().ping_interval(None).idle_timeout(SHORT * 2);
    for options in [silent, idle] {
        let (scene, heard) = Scene::new();
        let handler = scene.handler(options.queue(10_000).queue_bytes(1 << 30));
        let unlimited = plain().write_timeout(None).min_response_rate(None);
        on_both_within(LONG_PATIENCE, unlimited, handler, |driven| {
            let client = SocketClient::on(&driven.client(), "/");
            let sender = heard.opened.recv_timeout(PATIENCE).expect("it opens");
            // More than all sockets take, unless it is over before.
            for _ in 0..60 {
                let _ = sender.send(vec![b'x'; 1_000_000]);
            }
            assert_eq!(heard.ends.recv_timeout(PATIENCE), Ok(WebSocketEnd::Lost));
            drop(client);
        });
    }
}

#[test]
fn who_takes_nothing_is_cut_off_as_soon_as_there_is_no_room() {
    let (scene, heard) = Scene::new();
    let options = WebSocketOptions::builder().queue(3).when_full(QueuePolicy::Disconnect);
    on_both_within(LONG_PATIENCE, plain(), scene.handler(options), |driven| {
        let client = SocketClient::on(&driven.client(), "/");
        let sender = heard.opened.recv_timeout(PATIENCE).expect("it opens");
        while sender.send(vec![b'x'; 1_000_000]).is_ok() {
            thread::yield_now();
        }
        assert_eq!(heard.ends.recv_timeout(PATIENCE), Ok(WebSocketEnd::Lost));
        drop(client);
    });
}
