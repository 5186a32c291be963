//! WebSockets over TLS: whatever a message is cut into, whoever sends it, and both ends of the connection, the socket's
//! and the layer's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anthill_http::websocket::{
    DeflateOptions, Incoming, Message, MessageDecoder, MessageEncoder, MessageKind, MessageLimits, Role,
    WebSocket, WebSocketEnd, WebSocketGroup, WebSocketHandler, WebSocketOptions, WebSocketResult,
    WebSocketSender,
};
use anthill_http::{RequestCtx, Server, ServerBuilder};
use anthill_tests::sockets::{SocketClient, frame, handshake};
use anthill_tests::tls::{TLS12, TLS13, TlsStream, trusting, try_connect};
use anthill_tests::websocket::agreed;
use anthill_tests::{PATIENCE, background, eventually};
use rustls::SupportedProtocolVersion;

use crate::agreed::Https;

const NAME: &str = "site.example";
const SHORT: Duration = Duration::from_millis(100);
const WAYS: [&str; 2] = ["/told", "/loop"];

/// Says back what it is told, is in a group, and tells how it ends.
struct Echo {
    group: WebSocketGroup,
    ends: mpsc::Sender<WebSocketEnd>,
}

impl WebSocketHandler for Echo {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.group.join(socket);
        Ok(())
    }

    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        let _ = self.ends.send(end.clone());
    }
}

/// A server of both ways.
struct Scene {
    https: Https,
    group: WebSocketGroup,
    ends: mpsc::Receiver<WebSocketEnd>,
}

impl Scene {
    fn new(builder: ServerBuilder) -> Self {
        let options = WebSocketOptions::builder()
            .compression(DeflateOptions { min_size: 0, ..DeflateOptions::default() })
            .close_timeout(SHORT * 20)
            .queue(1000)
            .queue_bytes(1 << 30)
            .build()
            .expect("options that go together");
        let group = WebSocketGroup::new();
        let (told, ends) = mpsc::channel();
        let (told, joins) = (Mutex::new(told), group.clone());
        let https = Https::new(builder, move |ctx: &mut RequestCtx| {
            let (group, ends) = (joins.clone(), told.lock().unwrap().clone());
            match ctx.path() {
                "/told" => ctx.upgrade_websocket_handler(&options, Echo { group, ends }),
                _ => ctx.upgrade_websocket(&options, move |mut socket: WebSocket| {
                    group.join(socket.sender());
                    while let Some(message) = socket.read()? {
                        socket.send(message)?;
                    }
                    Ok(())
                }),
            };
        });
        Self { https, group, ends }
    }

    fn stream(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsStream {
        let config = Arc::new(trusting(&self.https.authority, versions));
        try_connect(self.https.address(), &config, NAME).expect("a handshake")
    }

    fn open(&self, way: &str) -> SocketClient<TlsStream> {
        open(self.stream(TLS13), way)
    }
}

fn open(mut stream: TlsStream, way: &str) -> SocketClient<TlsStream> {
    stream.write_all(handshake(way, "").as_bytes()).expect("the server reads");
    SocketClient::of_answered(stream)
}

/// Sees that the layer was ended by a word of its own, and not cut.
fn hears_goodbye(client: &mut SocketClient<TlsStream>) {
    let stream = client.stream();
    assert_eq!(stream.read(&mut [0]).expect("what was said last says that it is the last"), 0);
}

#[test]
fn messages_of_all_sizes_come_back_and_both_ends_are_said() {
    let scene = Scene::new(Server::builder());
    for versions in [TLS12, TLS13] {
        for way in WAYS {
            let mut client = open(scene.stream(versions), way);
            for size in [0, 1, 125, 126, 16_383, 16_384, 16_400, 65_535, 65_536, 1_000_000] {
                client.say_bytes(&vec![b'x'; size]);
                assert_eq!(client.hear_bytes().len(), size, "{way}");
            }
            // Many in one record.
            client.stream().write_all(&frame("again").repeat(1000)).expect("the server reads");
            assert!((0..1000).all(|_| client.hear() == "again"), "{way}");
            client.close(4001);
            assert_eq!(client.close_code(), 4001, "{way}");
            hears_goodbye(&mut client);
        }
    }
    scene.https.end();
}

#[test]
fn a_message_may_be_torn_in_records_and_records_in_packets() {
    let scene = Scene::new(Server::builder());
    for way in WAYS {
        let mut client = scene.open(way);
        let stream = client.stream();
        stream.sock.set_nodelay(true).expect("an option of every TCP socket");
        let text = "torn ".repeat(30);
        // Each byte is a record, and no record is whole in one packet.
        let mut records = Vec::new();
        for byte in frame(&text) {
            stream.conn.writer().write_all(&[byte]).expect("room");
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut records).expect("memory");
            }
        }
        for (number, piece) in records.chunks(7).enumerate() {
            stream.sock.write_all(piece).expect("the server reads");
            if number % 50 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(client.hear(), text, "{way}");
        // A part of a record holds nobody up from hearing what others send.
        let stream = client.stream();
        let mut record = Vec::new();
        stream.conn.writer().write_all(&frame("the other half")).expect("room");
        stream.conn.write_tls(&mut record).expect("memory");
        let (first, second) = record.split_at(record.len() / 2);
        stream.sock.write_all(first).expect("the server reads");
        scene.group.send("from others");
        assert_eq!(client.hear(), "from others", "{way}");
        client.stream().sock.write_all(second).expect("the server reads");
        assert_eq!(client.hear(), "the other half", "{way}");
        client.close(1000);
        assert_eq!(client.close_code(), 1000);
    }
    scene.https.end();
}

#[test]
fn what_others_send_arrives_however_slowly_it_is_taken() {
    let scene = Scene::new(Server::builder());
    let mut clients: Vec<_> = WAYS.iter().map(|way| scene.open(way)).collect();
    eventually("both have joined", || scene.group.len() == 2);
    // More than the sockets and the layer take.
    for number in 0..100_u8 {
        assert_eq!(scene.group.send(vec![number; 300_000]), 2);
    }
    thread::sleep(SHORT);
    for client in &mut clients {
        for number in 0..100_u8 {
            assert!(client.hear_bytes() == vec![number; 300_000], "{number}");
        }
    }
    scene.https.end();
}

#[test]
fn compression_goes_through_it() {
    let scene = Scene::new(Server::builder());
    let params = agreed(DeflateOptions { min_size: 0, ..DeflateOptions::default() }, "permessage-deflate");
    for way in WAYS {
        let mut stream = scene.stream(TLS13);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        stream.write_all(handshake(way, offer).as_bytes()).expect("the server reads");
        let mut client = SocketClient::of_answered(stream);
        assert!(
            client.head().contains("\r\nSec-Websocket-Extensions: permessage-deflate"),
            "{}",
            client.head()
        );
        let text = "again and again ".repeat(10_000);
        let mut packed = Vec::new();
        MessageEncoder::new(Role::Client, Some(&params)).message(
            MessageKind::Text,
            text.as_bytes(),
            &mut packed,
        );
        assert!(packed.len() < text.len() / 10);
        client.stream().write_all(&packed).expect("the server reads");
        let mut decoder = MessageDecoder::new(Role::Client, MessageLimits::default(), Some(&params));
        let (mut room, mut heard) = ([0; 1000], 0);
        let found = loop {
            let count = client.stream().read(&mut room).expect("an answer");
            heard += count;
            if let (_, Some(found)) = decoder.decode(&mut room[..count]).expect("frames") {
                break found;
            }
        };
        assert!(found == Incoming::Message(Message::from(text.clone())), "{way}");
        assert!(heard < text.len() / 10, "{heard} bytes");
    }
    scene.https.end();
}

#[test]
fn at_a_shutdown_1001_arrives_and_then_the_end_of_the_layer() {
    for way in WAYS {
        let scene = Scene::new(Server::builder());
        let mut clients: Vec<_> = (0..3).map(|_| scene.open(way)).collect();
        eventually("all have joined", || scene.group.len() == 3);
        // What waits goes before.
        scene.group.send(vec![b'x'; 3_000_000]);
        let Https { running, .. } = scene.https;
        let stopping = background(move || {
            running.shutdown(PATIENCE).expect("an end in time");
            running.join().expect("a good end");
        });
        for client in &mut clients {
            assert_eq!(client.hear_bytes().len(), 3_000_000, "{way}");
            assert_eq!(client.close_code(), 1001, "{way}");
            hears_goodbye(client);
        }
        stopping.outcome("the shutdown");
    }
}

#[test]
fn who_goes_without_a_word_is_missed_and_who_never_answers_is_cut_off() {
    let scene = Scene::new(Server::builder());
    let mut client = scene.open("/told");
    client.say("here");
    assert_eq!(client.hear(), "here");
    let socket: TcpStream = client.stream().sock.try_clone().expect("a descriptor");
    socket.shutdown(std::net::Shutdown::Both).expect("it is open");
    assert_eq!(scene.ends.recv_timeout(PATIENCE), Ok(WebSocketEnd::Lost));
    // Nobody answers this close frame.
    let mut client = scene.open("/told");
    eventually("it has joined", || scene.group.len() == 1);
    scene.group.close_all(4002, "enough");
    assert_eq!(scene.ends.recv_timeout(PATIENCE).expect("it is cut off").code().as_u16(), 4002);
    // It has got all that there was, and is told so by the layer.
    let mut rest = Vec::new();
    client.stream().read_to_end(&mut rest).expect("the end was said");
    assert!(rest.starts_with(&[0x88, 8, 0x0f, 0xa2]), "{rest:?}");
    scene.https.end();
}
