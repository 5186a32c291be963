//! A shard: a poller, and the table of the connections registered with it.
//!
//! The table's lock is held for moments only: to take a connection out and to put it back. Waiting for the poller
//! happens outside of it; so others can add connections and give them back meanwhile, and wake the driver if it sleeps
//! past what they brought.

pub(crate) mod clock;
pub(crate) mod conn;
pub(crate) mod deadlines;
pub(crate) mod lease;
mod poller;
mod slots;
mod table;

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::config::settings::Settings;
use crate::ctx::ConnInfo;
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::engine::shard::lease::{Lease, Term};
use crate::engine::shard::poller::Poller;
use crate::engine::shard::slots::{Readiness, Token};
use crate::engine::shard::table::{Member, Table};
use crate::wire::transport::Transport;
use crate::wire::wake::{Waker, Wakes};

pub(crate) use crate::engine::shard::table::Next;

pub(crate) struct Shard {
    /// Its place among the shards.
    number: u32,
    pub(crate) lease: Lease,
    /// The route of the handler that the driver is in; means something only while it is in one.
    route: AtomicU16,
    /// Connections, for the choice of the shard with the fewest.
    connections: AtomicUsize,
    poller: Poller,
    table: Table<Box<Conn>>,
}

impl Shard {
    /// The shard of this number, and the term of its first driver.
    pub(crate) fn new(number: u32) -> io::Result<(Self, Term)> {
        let (lease, term) = Lease::new();
        let shard = Shard {
            number,
            lease,
            route: AtomicU16::new(0),
            connections: AtomicUsize::new(0),
            poller: Poller::new()?,
            table: Table::new(),
        };
        Ok((shard, term))
    }

    /// Connections there are.
    pub(crate) fn load(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests of this shard's connections, up to the last turn of each.
    pub(crate) fn requests(&self) -> u64 {
        self.table.requests()
    }

    /// What the driver is about to run.
    pub(crate) fn announce(&self, route: Route) {
        self.route.store(route.to_number(), Ordering::Relaxed);
    }

    pub(crate) fn announced(&self) -> Route {
        Route::from_number(self.route.load(Ordering::Relaxed))
    }

    /// Takes in a new connection. On an error it is closed, and the caller gives back what it counted.
    pub(crate) fn add(
        &self,
        mut transport: Box<dyn Transport>,
        info: ConnInfo,
        counted_address: Option<IpAddr>,
        deadline: Millis,
    ) -> io::Result<()> {
        let token = self.table.reserve().ok_or_else(|| io::Error::other("the server is shut down"))?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let source = transport.source().ok_or_else(|| io::Error::other("there is no socket to wait for"));
        if let Err(error) = source.and_then(|source| self.poller.register(source, token)) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            self.wake_if(self.table.release(token));
            return Err(error);
        }
        let conn = Box::new(Conn::new(token, self.number, transport, info, counted_address, deadline));
        self.wake_if(self.table.add(conn));
        Ok(())
    }

    /// Parks a connection after a turn. `Err`: something was reported meanwhile, serve it again.
    pub(crate) fn park(
        &self,
        mut conn: Box<Conn>,
        now: Millis,
        settings: &Settings,
    ) -> Result<(), Box<Conn>> {
        conn.next_deadline(now, settings);
        let may_end_here = conn.may_end_here();
        self.wake_if(self.table.park(conn, may_end_here)?);
        Ok(())
    }

    /// Puts a connection that is out at the end of the queue.
    pub(crate) fn queue(&self, conn: Box<Conn>) {
        self.wake_if(self.table.queue(conn));
    }

    /// Ends a connection that is out, and closes it.
    pub(crate) fn close(&self, mut conn: Box<Conn>) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.wake_if(self.table.end(&mut conn));
    }

    /// Ends a connection that is out, and of which everything was sent, without closing it: its transport is reported of no
    /// more and is given away, with the bytes that were received and not used.
    ///
    /// # Errors
    /// When the system does not let go of the socket, or there is none; then the connection is closed.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the way out for connections that are upgraded or hijacked")
    )]
    pub(crate) fn give_away(&self, mut conn: Box<Conn>) -> io::Result<(Box<dyn Transport>, Vec<u8>)> {
        debug_assert!(
            conn.pending.output.is_empty() && conn.exchange.takes_requests(),
            "a response is on its way"
        );
        let transport = conn.sock.transport.take().ok_or_else(|| ErrorKind::NotConnected.into());
        let given = transport.and_then(|mut transport| {
            if let Some(source) = transport.source() {
                self.poller.deregister(source)?;
            }
            Ok((transport, conn.pending.input.unread().to_vec()))
        });
        self.close(conn);
        given
    }

    /// The next connection to serve. Only the driver asks.
    pub(crate) fn find(&self, now: Millis) -> Next<Box<Conn>> {
        self.table.find(now)
    }

    /// The driver waits until the poller reports, somebody wakes it, or `timeout` has passed; what is ready is queued.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let reports = self.poller.wait(timeout);
        self.table.report(reports.iter());
    }

    /// Makes the driver look at every parked connection; to be called when the server begins to stop.
    pub(crate) fn stop(&self) {
        self.wake_if(self.table.stop());
    }

    /// Ends the shard if it has no connection left; true when it has ended.
    pub(crate) fn end_if_empty(&self) -> bool {
        self.table.end_if_empty()
    }

    /// Has the connection of `token` served again when it is called.
    pub(crate) fn waker(self: &Arc<Self>, token: Token) -> Waker {
        let whom: Weak<Self> = Arc::downgrade(self);
        Waker::new(whom, token.to_number())
    }

    fn wake_if(&self, must_wake: bool) {
        if must_wake {
            self.poller.wake();
        }
    }
}

impl Wakes for Shard {
    fn wake(&self, number: u64) {
        self.wake_if(self.table.resume(Token::from_number(number)));
    }
}

impl Member for Box<Conn> {
    fn token(&self) -> Token {
        self.token
    }

    fn deadline(&self) -> Millis {
        self.clock.deadline()
    }

    fn note(&mut self, readiness: Readiness) {
        self.sock.note(readiness);
    }

    fn count_requests(&mut self) -> u64 {
        self.exchange.uncounted_requests()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::shard::deadlines::NEVER;
    use crate::engine::socket::Socket;
    use crate::wire::transport::Direction;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// A connection that a shard has found readable, and its peer.
    fn readable(shard: &Shard) -> (Box<Conn>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut peer = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let socket = listener.accept().expect("the peer is there").0;
        socket.set_nonblocking(true).expect("an option of every socket");
        let socket = Socket::Tcp(mio::net::TcpStream::from_std(socket));
        shard.add(Box::new(socket), ConnInfo::default(), None, NEVER).expect("it is taken in");
        peer.write_all(b"first").expect("a peer");
        loop {
            match shard.find(0) {
                Next::Connection(mut conn) => {
                    let input = &mut conn.pending.input;
                    if let Ok(Some(count)) = conn.sock.read(input.space(64)) {
                        input.filled(count);
                        return (conn, peer);
                    }
                    if let Err(conn) = shard.park(conn, 0, &settings()) {
                        shard.queue(conn);
                    }
                }
                _ => shard.wait(Some(Duration::from_millis(50))),
            }
        }
    }

    fn settings() -> Settings {
        crate::config::options::ServerBuilder::default().resolve().expect("the defaults")
    }

    #[test]
    fn a_connection_is_given_away_with_what_was_read_and_not_used() {
        let (shard, _term) = Shard::new(0).expect("a poller");
        let (mut conn, mut peer) = readable(&shard);
        conn.pending.input.consume(2);
        let (mut transport, unused) = shard.give_away(conn).expect("a socket");
        assert_eq!((unused.as_slice(), shard.load()), (&b"rst"[..], 0));
        assert!(shard.end_if_empty(), "the shard has forgotten it");

        // Nothing is reported of it any more, and it works by itself.
        peer.write_all(b"second").expect("the connection is open");
        assert!(transport.wait(Direction::Read.into(), Some(Duration::from_secs(10))).expect("a socket"));
        let mut room = [0; 64];
        let read = transport.read(&mut room).expect("what the peer has sent");
        assert_eq!(&room[..read.count], b"second");
        shard.wait(Some(Duration::ZERO));
        assert!(matches!(shard.find(0), Next::Nothing(NEVER)));
        transport.write([b"thi", b"rd"]).expect("room in the socket");
        drop(transport);
        let mut rest = String::new();
        peer.read_to_string(&mut rest).expect("the end");
        assert_eq!(rest, "third");
    }
}
