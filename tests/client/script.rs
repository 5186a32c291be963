//! Servers that do what a test says, byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{HostClient, HostClientBuilder};

/// A generous limit for what hangs when it is broken.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A server that takes connections one after the other and gives each to `serve` with its number.
pub(crate) struct Script {
    pub(crate) addr: SocketAddr,
    thread: Option<JoinHandle<()>>,
    others: std::sync::Arc<std::sync::Mutex<Vec<JoinHandle<()>>>>,
}

impl Script {
    /// Takes `conns` connections, then listens no more.
    pub(crate) fn new(conns: usize, mut serve: impl FnMut(usize, Peer) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it listens");
        let thread = std::thread::spawn(move || {
            for number in 0..conns {
                let (stream, _) = listener.accept().expect("a client");
                stream.set_read_timeout(Some(LONG)).expect("an option of every socket");
                serve(number, Peer { stream, read: Vec::new() });
            }
        });
        Self { addr, thread: Some(thread), others: std::sync::Arc::default() }
    }

    /// Takes `conns` connections, each of which `serve` has on a thread of its own, then listens no more.
    pub(crate) fn side_by_side(conns: usize, serve: impl Fn(usize, Peer) + Send + Sync + 'static) -> Self {
        let serve = std::sync::Arc::new(serve);
        let threads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let all = threads.clone();
        let script = Self::new(conns, move |number, peer| {
            let serve = serve.clone();
            let thread = std::thread::spawn(move || serve(number, peer));
            all.lock().expect("no panic").push(thread);
        });
        Self { others: threads, ..script }
    }

    /// Answers whatever comes on one connection, the first once it is told to.
    pub(crate) fn held() -> (Self, Sender<()>) {
        let (release, held) = mpsc::channel();
        let script = Self::new(1, move |_, mut peer| {
            peer.head();
            held.recv().expect("the test goes on");
            peer.say(OK);
            peer.answer_all();
        });
        (script, release)
    }

    /// Answers on the second of two connections, and with half a body on the first, which the client has to end.
    pub(crate) fn half_first() -> Self {
        Self::new(2, |number, mut peer| {
            peer.head();
            if number == 0 {
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                peer.expect_end();
            } else {
                peer.say(OK);
            }
        })
    }

    pub(crate) fn builder(&self) -> HostClientBuilder {
        HostClient::builder(self.addr.to_string()).timeout(LONG)
    }

    pub(crate) fn client(&self) -> HostClient {
        self.builder().build().expect("an address")
    }

    /// Waits until all connections were served, and passes on what failed there.
    pub(crate) fn end(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the script went as it was written");
        }
        for thread in self.others.lock().expect("no panic").drain(..) {
            thread.join().expect("the script went as it was written");
        }
    }
}

/// The client's connection, as the server sees it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// Answers all requests until the client ends.
    pub(crate) fn answer_all(mut self) {
        while !self.head().is_empty() {
            self.say(OK);
        }
    }

    /// Reads until `end` was read; all up to there. Empty: the client has ended before its first byte.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end.as_bytes()) {
                let front = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(front).expect("text");
            }
            let mut room = [0; 4096];
            let count = self.stream.read(&mut room).expect("the client sends or ends");
            if count == 0 {
                assert!(self.read.is_empty(), "the client ended in the middle");
                return String::new();
            }
            self.read.extend_from_slice(&room[..count]);
        }
    }

    /// Reads the head of a request.
    pub(crate) fn head(&mut self) -> String {
        self.read_until("\r\n\r\n")
    }

    /// Reads so many bytes.
    pub(crate) fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.read.drain(..self.read.len().min(count)).collect();
        let before = bytes.len();
        bytes.resize(count, 0);
        self.stream.read_exact(&mut bytes[before..]).expect("the client sends them");
        bytes
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("the client is there");
    }

    /// Requires that the client closes the connection without a word.
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.read.len(), 0, "{:?}", String::from_utf8_lossy(&self.read));
        match self.stream.read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0, "the client says something"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    /// Closes the connection so that the client gets a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("an option of every socket");
    }
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An address that swallows what is sent to it: nobody answers the attempt to connect. The queue of who listens there
/// is full for as long as it is kept.
#[cfg(target_os = "linux")]
pub(crate) struct BlackHole {
    pub(crate) addr: SocketAddr,
    _kept: (socket2::Socket, Vec<socket2::Socket>),
}

#[cfg(target_os = "linux")]
impl BlackHole {
    pub(crate) fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = socket();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().expect("an address").into()).expect("a free port");
        listener.listen(0).expect("it listens");
        let addr = listener.local_addr().expect("it listens").as_socket().expect("an IP socket");
        let fill = |_| {
            let waiting = socket();
            waiting.set_nonblocking(true).expect("an option of every socket");
            let _ = waiting.connect(&addr.into());
            waiting
        };
        let kept: Vec<Socket> = (0..8).map(fill).collect();
        Self { addr, _kept: (listener, kept) }
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) fn get(path: &str) -> Request {
    Request::new("GET", path).expect("a request")
}

pub(crate) fn post(path: &str, body: &str) -> Request {
    let mut request = Request::new("POST", path).expect("a request");
    request.set_body(body);
    request
}

/// A request with more in its head than the systems on both sides take of what nobody reads.
pub(crate) fn with_more_than_is_taken() -> Request {
    let mut request = get("/large");
    request.set_header("X-Large", "x".repeat(24 * 1024 * 1024));
    request
}
