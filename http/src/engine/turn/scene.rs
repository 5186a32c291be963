//! What tests of turns are made of: a host that hands nothing over, peers, and a connection that is out.

use super::{CodeAhead, Host, TurnEnd, serve};
use crate::config::options::ServerBuilder;
use crate::ctx::{ConnInfo, RequestCtx};
use crate::engine::Engine;
use crate::engine::dispatch::predict::RouteHash;
use crate::engine::shard::clock::{Awaits, ConnClock, first_deadline};
use crate::engine::shard::conn::Conn;
use crate::engine::shard::{Next, Shard};
use crate::engine::socket::Socket;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::workspace::Workspace;
#[cfg(feature = "ws")]
use crate::sockets::LoopPlace;
use crate::wire::transport::{ReadCount, Transport};
use crate::wire::wake::Wakes;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs everything itself.
pub(super) struct Itself;

impl Runner for Itself {
    fn run_user_code(&mut self, _: UserCode, code: impl FnOnce()) {
        code();
    }

    fn may_wait_for_client(&mut self) -> bool {
        true
    }

    #[cfg(feature = "ws")]
    fn promises_loop(&mut self) -> Option<LoopPlace> {
        Some(LoopPlace::of_its_own())
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

impl Host for Itself {
    type HandOver = ();

    fn serves(&mut self, _: RouteHash) {}

    fn hands_over(&mut self, _: RouteHash, _: CodeAhead) -> Option<()> {
        None
    }
}

/// A peer that always sends a little more.
pub(super) struct Endless;

impl Transport for Endless {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        room[0] = b'x';
        Ok(ReadCount { count: 1, is_drained: false })
    }

    fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        Ok(first.len() + second.len())
    }

    fn shut_down(&self) {}
}

/// A peer that asks for something, and of which the system says that it takes nothing.
pub(super) struct Deaf;

impl Transport for Deaf {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        const ASKS: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        room[..ASKS.len()].copy_from_slice(ASKS);
        Ok(ReadCount { count: ASKS.len(), is_drained: true })
    }

    fn write(&self, _: [&[u8]; 2]) -> io::Result<usize> {
        Err(ErrorKind::TimedOut.into())
    }

    fn shut_down(&self) {}
}

/// A peer that says something at once, and then nothing.
pub(super) struct Says {
    pub(super) what: &'static [u8],
    pub(super) reads: AtomicUsize,
}

impl Transport for Says {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        if self.reads.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        room[..self.what.len()].copy_from_slice(self.what);
        Ok(ReadCount { count: self.what.len(), is_drained: true })
    }

    fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        Ok(first.len() + second.len())
    }

    fn shut_down(&self) {}
}

const UPLOAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";

/// Calls `check` with a connection that is out, whose peer has sent the head of an upload, and with the peer.
pub(super) fn with_connection(check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream)) {
    let options = ServerBuilder::default().shards(1).stream_request_body(true).body_read_ahead(1 << 20);
    with_options(options, check);
}

pub(super) fn with_options(
    options: ServerBuilder,
    check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream),
) {
    with_bytes(options, UPLOAD, check);
}

/// The same when that is what the peer has sent.
pub(super) fn with_bytes(
    options: ServerBuilder,
    sent: &[u8],
    check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream),
) {
    with_handler(options, |_| {}, sent, check);
}

/// The same with a handler that does something.
pub(super) fn with_handler(
    options: ServerBuilder,
    handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
    sent: &[u8],
    check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream),
) {
    let settings = options.resolve().expect("options that go together");
    let engine = Engine::start(Arc::new(Service::new(settings, Box::new(handler))));
    let engine = engine.expect("threads and pollers");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut peer = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
    let socket = listener.accept().expect("the peer is there").0;
    socket.set_nonblocking(true).expect("an option of every socket");
    let socket = Arc::new(Socket::tcp(mio::net::TcpStream::from_std(socket)));
    peer.write_all(sent).expect("a peer");
    // Another shard than the engine's: its driver is the test.
    let (shard, _term) = Shard::new(0).expect("a poller");
    let shard = Arc::new(shard);
    let clock = ConnClock::new(0, first_deadline(0, &engine.service.settings.timeouts));
    shard.add(socket, ConnInfo::default(), clock).expect("it is taken in");
    // Also of one that has said nothing; it is the first.
    shard.wake(0);
    let mut conn = loop {
        match shard.find(0) {
            Next::Connection(conn) => break conn,
            Next::AskPoller => shard.wait(Some(Duration::ZERO), &mut Vec::new()),
            _ => shard.wait(None, &mut Vec::new()),
        }
    };
    check(&engine, &mut conn, &mut engine.workspace(), peer);
    engine.stop();
    assert!(engine.wait_ended(None));
}

/// Serves the connection until it waits for more of its first part.
pub(super) fn serve_to_first_part(engine: &Engine, conn: &mut Conn, work: &mut Workspace) {
    while conn.awaits != Awaits::FirstPart {
        conn.sock.readable = true;
        let end = serve(engine, conn, work, &mut Itself);
        assert!(matches!(end, TurnEnd::Park | TurnEnd::Yield), "{end:?}");
    }
}
