//! What connections cost on which nothing happens: no thread, and few KiB each, whether they are WebSockets, compressed
//! or not, or encrypted.
//!
//! The rule: the server is a process of its own, so that what it takes is what its connections take. What is claimed is
//! a bound; the figures are printed beside it.

use std::env;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::websocket::{
    DeflateOptions, DeflateParams, Incoming, Message, MessageDecoder, MessageEncoder, MessageKind,
    MessageLimits, Role, WebSocketGroup, WebSocketHandler, WebSocketOptions, WebSocketResult,
    WebSocketSender,
};
use anthill_http::{RequestCtx, TlsConfig};
use anthill_tests::client::{get, post};
use anthill_tests::eventually;
use anthill_tests::processes::{ADDRESS, ServingApart, descriptors_of, serve_apart, status_of};
use anthill_tests::server::{plain, skip};
use anthill_tests::sockets::{descriptors, handshake};
use anthill_tests::tls::{Authority, gullible, session, shake, socket};
use anthill_tests::websocket::agreed;

const NAME: &str = "site.example";
const THREADS_MOST: usize = 20;
/// What every process has, and whoever asks.
const OTHER_DESCRIPTORS: usize = 200;

/// In which way clients are connected.
#[derive(Clone, Copy, Debug)]
struct Way {
    is_encrypted: bool,
    /// Otherwise it is a connection between two requests.
    is_socket: bool,
    is_compressed: bool,
}

const PLAIN: Way = Way { is_encrypted: false, is_socket: false, is_compressed: false };
const SOCKET: Way = Way { is_socket: true, ..PLAIN };
const COMPRESSED: Way = Way { is_compressed: true, ..SOCKET };
const ENCRYPTED: Way = Way { is_encrypted: true, ..PLAIN };
const ENCRYPTED_SOCKET: Way = Way { is_encrypted: true, ..SOCKET };
const ENCRYPTED_AND_COMPRESSED: Way = Way { is_encrypted: true, ..COMPRESSED };
const WAYS: [Way; 6] = [PLAIN, SOCKET, COMPRESSED, ENCRYPTED, ENCRYPTED_SOCKET, ENCRYPTED_AND_COMPRESSED];

impl Way {
    /// What one costs at most, in KiB.
    ///
    /// Of one that is encrypted `rustls` keeps 4 KiB for the next record. To take in a large one they move, and where
    /// they were is free: for all that is allocated later, but resident until then, and that is not in what is claimed.
    fn kib_most(self, has_had_large_records: bool) -> f64 {
        match (self.is_encrypted, has_had_large_records) {
            (false, _) => 4.0,
            (true, false) => 12.0,
            (true, true) => 20.0,
        }
    }
}

/// More than all sockets take.
static HUGE: [u8; 64 << 20] = [0; 64 << 20];

/// Says back what it hears, and what others say.
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

fn deflate() -> DeflateOptions {
    DeflateOptions { min_size: 0, ..DeflateOptions::default() }
}

/// Serves until it is killed.
fn serve(is_encrypted: bool) -> i32 {
    let group = WebSocketGroup::new();
    // Whoever is one of thousands is silent for long.
    let options = WebSocketOptions::builder().compression(deflate()).ping_interval(None);
    let options = options.build().expect("options that go together");
    let handler = move |ctx: &mut RequestCtx| match ctx.path() {
        "/ws" => {
            ctx.upgrade_websocket_handler(&options, Joins(group.clone()));
        }
        "/huge" => ctx.response.set_body_static(&HUGE),
        "/send" => ctx.set_body(group.send(ctx.request.query().to_vec()).to_string()),
        _ => ctx.response.set_body(ctx.request.body()),
    };
    // So few workers that the bound holds while a machine under load takes handlers for such that block, too.
    let server = plain().shards(2).max_workers(4).idle_timeout(Duration::from_secs(3600));
    let server = server.build(handler).expect("options that go together");
    let address = env::var(ADDRESS).expect("an address");
    let running = if is_encrypted {
        let identity = Authority::new("an authority").issue(&[NAME]);
        let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
        server.start_tls(&*address, &config)
    } else {
        server.start(&*address)
    };
    running.and_then(|running| running.join()).map_or(1, |()| 0)
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A client, which reads by the library's own codec, because others have no compression.
struct Peer {
    stream: Box<dyn Stream>,
    codec: Option<(MessageEncoder, MessageDecoder)>,
}

impl Peer {
    fn connect(address: SocketAddr, is_encrypted: bool) -> Self {
        let stream: Box<dyn Stream> = match is_encrypted {
            false => Box::new(socket(address)),
            true => {
                let session = session(&Arc::new(gullible(&[])), NAME);
                Box::new(shake(socket(address), session).expect("a handshake"))
            }
        };
        Self { stream, codec: None }
    }

    fn open(way: Way, address: SocketAddr, params: &DeflateParams) -> Self {
        let mut peer = Self::connect(address, way.is_encrypted);
        if way.is_socket {
            let offer =
                if way.is_compressed { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
            peer.say(handshake("/ws", offer).as_bytes());
            let head = peer.head();
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            let is_compressed = head.contains("\r\nSec-Websocket-Extensions: permessage-deflate");
            assert_eq!(is_compressed, way.is_compressed, "{head}");
            let params = way.is_compressed.then_some(params);
            let decoder = MessageDecoder::new(Role::Client, MessageLimits::default(), params);
            peer.codec = Some((MessageEncoder::new(Role::Client, params), decoder));
        }
        peer
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).expect("the server reads");
    }

    /// The head of a response, to the byte.
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("the head of a response");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("text")
    }

    /// Says something that is to come back.
    fn ask(&mut self, text: &str) {
        let mut bytes = Vec::new();
        match &mut self.codec {
            Some((encoder, _)) => encoder.message(MessageKind::Text, text.as_bytes(), &mut bytes),
            None => bytes.extend(post("/", text).bytes()),
        }
        self.say(&bytes);
    }

    fn hear(&mut self, expected: &str) {
        let mut room = [0; 4096];
        let mut heard = Vec::new();
        loop {
            let count = self.stream.read(&mut room).expect("an answer");
            assert!(count > 0, "the end, where {expected} was to come");
            match &mut self.codec {
                Some((_, decoder)) => match decoder.decode(&mut room[..count]).expect("frames") {
                    (_, None) => {}
                    (used, Some(Incoming::Message(message))) => {
                        assert_eq!(used, count, "nothing else is under way");
                        assert!(message.as_bytes() == expected.as_bytes(), "{message:?}");
                        return;
                    }
                    (_, Some(other)) => panic!("{other:?}, where {expected} was to come"),
                },
                None => {
                    heard.extend_from_slice(&room[..count]);
                    if heard.ends_with(format!("\r\n\r\n{expected}").as_bytes()) {
                        return;
                    }
                }
            }
        }
    }
}

/// Many connections of a way, and how they are said to be.
struct Scene {
    way: Way,
    server: ServingApart,
    params: DeflateParams,
    /// What the server has without them, in KiB.
    before: usize,
    peers: Vec<Peer>,
}

impl Scene {
    /// The test that calls this is called `name`.
    fn new(name: &str, way: Way) -> Self {
        let programs: [&dyn Fn() -> i32; 2] = [&|| serve(false), &|| serve(true)];
        let server = serve_apart(name, "", &programs, usize::from(way.is_encrypted));
        Self { way, server, params: agreed(deflate(), "permessage-deflate"), before: 0, peers: Vec::new() }
    }

    /// As many more connections, each of which is answered once.
    fn open(&mut self, count: usize) {
        for number in 0..count {
            let mut peer = Peer::open(self.way, self.server.address(), &self.params);
            let text = format!("number-{number}");
            peer.ask(&text);
            peer.hear(&text);
            self.peers.push(peer);
        }
    }

    /// All of them say the same, one behind the other or at once, and hear it.
    fn say(&mut self, text: &str, is_at_once: bool) {
        if is_at_once {
            self.peers.iter_mut().for_each(|peer| peer.ask(text));
        }
        for peer in &mut self.peers {
            if !is_at_once {
                peer.ask(text);
            }
            peer.hear(text);
        }
    }

    /// They hear something that was sent to all of them.
    fn hear_broadcast(&mut self, said: &str) -> Duration {
        let mut sending = Peer::connect(self.server.address(), self.way.is_encrypted);
        let begun = Instant::now();
        sending.say(get(&format!("/send?{said}")).as_bytes());
        sending.head();
        self.peers.iter_mut().for_each(|peer| peer.hear(said));
        begun.elapsed()
    }

    /// What the server has, in KiB, as soon as that is the same for a while.
    fn memory_at_rest(&self) -> usize {
        const LOOKS: usize = 20;
        let (mut last, mut same) = (0, 0);
        eventually("memory stays the same", || {
            thread::sleep(Duration::from_millis(20));
            let now = status_of(self.server.id(), "RssAnon");
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same == LOOKS
        });
        last
    }

    /// What `many` of the connections cost now.
    #[allow(clippy::print_stdout)]
    fn judge(&self, many: usize, when: &str, has_had_large_records: bool) {
        // What is of files, as the program is, comes and goes as it is needed.
        let memory = status_of(self.server.id(), "RssAnon");
        let threads = status_of(self.server.id(), "Threads");
        let each = memory.saturating_sub(self.before) as f64 / many as f64;
        let way = self.way;
        println!("{many} {when}: {each:.2} KiB each, {threads} threads: {way:?}");
        assert!(each <= way.kib_most(has_had_large_records), "{when}: {each:.2} KiB each: {way:?}");
        assert!(threads <= THREADS_MOST, "{when}: {threads} threads: {way:?}");
    }
}

/// Has `many` connections of that way do all that connections do, and judges what they cost in between.
#[allow(clippy::print_stdout)]
fn idle(name: &str, way: Way, many: usize) {
    // More than a record, and than what is read at once.
    let long = "a long story ".repeat(1600);
    let mut scene = Scene::new(name, way);
    // What there is of everything once, as coders and threads.
    scene.open(100);
    scene.say("hello", true);
    scene.say(&long, false);
    scene.before = status_of(scene.server.id(), "RssAnon");
    scene.open(many);
    scene.judge(many, "are open", false);
    scene.say("hello", true);
    scene.judge(many, "have said something", false);
    if way.is_socket {
        let all: Vec<_> = (0..5).map(|number| scene.hear_broadcast(&format!("broadcast-{number}"))).collect();
        println!("{} have heard broadcasts within {all:?}", scene.peers.len());
        scene.judge(many, "have heard broadcasts", false);
    }
    scene.say(&long, false);
    scene.judge(many, "have told a long story", true);
    scene.say("hello", true);
    scene.judge(many, "have said something again", true);
    let open = descriptors_of(scene.server.id());
    scene.peers.clear();
    eventually("all are missed", || descriptors_of(scene.server.id()) + many <= open);
}

#[test]
fn an_idle_connection_takes_no_thread_and_little_memory() {
    let name = "idle::an_idle_connection_takes_no_thread_and_little_memory";
    // As many as it takes that what their server has anyway is not taken for theirs.
    idle(name, COMPRESSED, 1000);
    idle(name, ENCRYPTED, 200);
}

/// What clients cost that have asked for more than they take, each, in KiB.
fn stuck(name: &str, way: Way) -> f64 {
    const MANY: usize = 100;
    let mut scene = Scene::new(name, way);
    scene.open(MANY + 50);
    let mut stuck = scene.peers.split_off(50);
    scene.peers.iter_mut().for_each(|peer| peer.say(get("/huge").as_bytes()));
    let before = scene.memory_at_rest();
    stuck.iter_mut().for_each(|peer| peer.say(get("/huge").as_bytes()));
    scene.memory_at_rest().saturating_sub(before) as f64 / MANY as f64
}

/// Nothing is encrypted before what was encrypted last has left, so whoever takes nothing holds one record, of 16 KiB,
/// beside what a response under way holds anyway.
#[test]
#[allow(clippy::print_stdout)]
fn an_encrypted_connection_that_takes_nothing_holds_one_record() {
    let name = "idle::an_encrypted_connection_that_takes_nothing_holds_one_record";
    // How much a buffer has grown is by chance, and the same for all of a server's connections: the most of several
    // tells.
    let most = |way| (0..4).map(|_| stuck(name, way)).fold(0.0, f64::max);
    let (plain, encrypted) = (most(PLAIN), most(ENCRYPTED));
    println!("who takes nothing costs {plain:.2} KiB, encrypted {encrypted:.2} KiB");
    assert!(encrypted - plain < 30.0, "{encrypted:.2} KiB, where it is {plain:.2} in the clear");
}

#[test]
#[ignore = "takes some minutes, and 10,200 descriptors in each of two processes"]
fn ten_thousand_idle_connections_take_no_thread_and_little_memory() {
    let name = "idle::ten_thousand_idle_connections_take_no_thread_and_little_memory";
    let many = 10_000.min(descriptors().saturating_sub(OTHER_DESCRIPTORS));
    if many < 10_000 {
        skip(&format!("there are descriptors for {many} connections, not for 10,000"));
    }
    for way in WAYS {
        idle(name, way, many);
    }
}
