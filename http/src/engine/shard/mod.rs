//! A shard: a poller, and the table of the connections registered with it.
//!
//! The table's lock is held for moments only: to take a connection out and to put it back. Waiting for the poller
//! happens outside of it; so others can add connections and give them back meanwhile, and wake the driver if it sleeps
//! past what they brought.

pub(crate) mod clock;
pub(crate) mod conn;
pub(crate) mod deadlines;
pub(crate) mod idle;
pub(crate) mod lease;
pub(crate) mod load;
mod poller;
mod slots;
mod table;

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::ctx::ConnInfo;
use crate::engine::dispatch::predict::RouteHash;
use crate::engine::dispatch::queue::Ticket;
use crate::engine::shard::clock::ConnClock;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::engine::shard::idle::Idle;
use crate::engine::shard::lease::{Lease, Term};
use crate::engine::shard::load::{Busy, Load, Period};
use crate::engine::shard::poller::Poller;
use crate::engine::shard::slots::{Readiness, Token};
use crate::engine::shard::table::{Member, Table};
use crate::serve::service::Service;
use crate::util::thread::ThreadNumber;
use crate::wire::transport::{Direction, Transport};
use crate::wire::wake::{Waker, Wakes};

pub(crate) use crate::engine::shard::slots::CONNECTIONS_MAX;
pub(crate) use crate::engine::shard::table::{IdleCounts, Next};

pub(crate) struct Shard {
    /// Its place among the shards.
    number: u32,
    pub(crate) lease: Lease,
    /// The route of the handler that the driver is in; means something only while it is in one.
    route: AtomicU64,
    /// The number of the thread that drives; zero when it is not known.
    driver: AtomicU32,
    /// See [`Shard::suspect`].
    is_suspected: AtomicBool,
    connections: AtomicUsize,
    busy: Busy,
    poller: Poller,
    table: Table<Box<Conn>>,
}

/// Where a connection is that was to be moved to another shard.
pub(crate) enum Moved {
    ToOther,
    /// Out, on its old shard.
    Not(Box<Conn>),
    /// Out, and nothing is reported of it any more: it has to be closed.
    Broken(Box<Conn>),
}

impl Shard {
    /// The shard of this number, and the term of its first driver.
    pub(crate) fn new(number: u32) -> io::Result<(Self, Term)> {
        let (lease, term) = Lease::new();
        let shard = Shard {
            number,
            lease,
            route: AtomicU64::new(0),
            driver: AtomicU32::new(0),
            is_suspected: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            busy: Busy::default(),
            poller: Poller::new()?,
            table: Table::new(),
        };
        Ok((shard, term))
    }

    /// What there is to do at `now`.
    pub(crate) fn load(&self, now: Millis) -> Load {
        Load { busy: self.busy.count(Period::at(now)), connections: self.connections.load(Ordering::Relaxed) }
    }

    /// What the driver is about to run.
    pub(crate) fn announce(&self, route: RouteHash) {
        self.route.store(route.to_number(), Ordering::Relaxed);
    }

    pub(crate) fn announced(&self) -> RouteHash {
        RouteHash::from_number(self.route.load(Ordering::Relaxed))
    }

    /// The thread that calls drives from now on.
    pub(crate) fn is_driven_here(&self) {
        let number = ThreadNumber::of_this().map_or(0, ThreadNumber::to_number);
        self.driver.store(number, Ordering::Relaxed);
    }

    /// Whether the driver waits for something else than a CPU, where that is known.
    pub(crate) fn is_driver_asleep(&self) -> Option<bool> {
        ThreadNumber::from_number(self.driver.load(Ordering::Relaxed))?.is_asleep()
    }

    /// Takes in a new connection, whose clock begins to run. On an error it is closed, and the caller gives back what
    /// it counted.
    pub(crate) fn add(
        self: &Arc<Self>,
        mut transport: Arc<dyn Transport>,
        info: ConnInfo,
        clock: ConnClock,
    ) -> io::Result<()> {
        let token = self.table.reserve().ok_or_else(|| io::Error::other("the server is shut down"))?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.watch(&mut transport, token) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            self.wake_if(self.table.release(token));
            return Err(error);
        }
        let period = Period::at(clock.begun());
        self.busy.came(period);
        let mut conn = Box::new(Conn::new(token, self.number, transport, *info.facts(), clock));
        conn.busy_in = period;
        self.wake_if(self.table.add(conn));
        Ok(())
    }

    /// A connection was served for a turn that ended at `now`. True: it is the first in this period.
    #[inline]
    pub(crate) fn note_busy(&self, conn: &mut Conn, now: Millis) -> bool {
        let period = Period::at(now);
        if conn.busy_in == period {
            return false;
        }
        conn.busy_in = period;
        self.busy.served(period);
        true
    }

    /// Parks a connection, which is out after a turn that ended at `now`, on another shard, if it rests between two
    /// requests.
    pub(crate) fn move_to(
        &self,
        other: &Arc<Shard>,
        mut conn: Box<Conn>,
        now: Millis,
        service: &Service,
    ) -> Moved {
        conn.next_deadline(now, service);
        let rests = matches!(conn.idle(), Some(Idle::Resting(_)));
        let Some(token) = rests.then(|| other.table.reserve()).flatten() else { return Moved::Not(conn) };
        if Arc::get_mut(&mut conn.sock.transport).is_none() {
            other.wake_if(other.table.release(token));
            return Moved::Not(conn);
        }
        // What was reported here meanwhile is reported there again; room is, too, where a layer above the socket still
        // has something to be sent.
        let transport = &mut conn.sock.transport;
        let moved = self.unwatch(transport).and_then(|()| other.watch(transport, token));
        let moved = moved.and_then(|()| other.poller.report_room(&**transport, token));
        if let Err(error) = moved {
            log::debug!("a connection could not be moved to another shard: {error}");
            other.wake_if(other.table.release(token));
            return Moved::Broken(conn);
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.busy.went(conn.busy_in);
        self.wake_if(self.table.end(&mut conn));
        conn.token = token;
        conn.sock.shard = other.number;
        other.connections.fetch_add(1, Ordering::Relaxed);
        other.busy.came(conn.busy_in);
        other.wake_if(other.table.add(conn));
        Moved::ToOther
    }

    /// Parks a connection after a turn. `Err`: something was reported meanwhile, serve it again.
    pub(crate) fn park(&self, mut conn: Box<Conn>, now: Millis, service: &Service) -> Result<(), Box<Conn>> {
        conn.next_deadline(now, service);
        if let Err(error) = self.poller.report_room(&*conn.sock.transport, conn.token) {
            log::debug!("a connection is ended, because nobody would hear that its peer takes more: {error}");
            conn.sock.transport.shut_down();
        }
        let may_end_here = conn.may_end_here();
        self.wake_if(self.table.park(conn, may_end_here)?);
        Ok(())
    }

    /// How many connections are idle.
    pub(crate) fn count_idle(&self) -> IdleCounts {
        self.table.count_idle()
    }

    /// Since when the longest idle connection has been so.
    pub(crate) fn longest_idle(&self) -> Option<Idle> {
        self.table.longest_idle()
    }

    /// Takes the longest idle connection out, for the caller to close it. `None`: nobody is idle, or a request of that
    /// one has come meanwhile, which is to be served.
    pub(crate) fn take_longest_idle(&self) -> Option<Box<Conn>> {
        let mut conn = self.table.take_longest_idle()?;
        let transport = &conn.sock.transport;
        // Of one that has failed nothing is lost.
        if !transport.wait(Direction::Read.into(), Some(Duration::ZERO)).unwrap_or(false) {
            return Some(conn);
        }
        // The poller may have said so before, or will say so, and whoever parks the connection looks at that; this
        // report is ours.
        conn.sock.note(Readiness { readable: true, ..Readiness::default() });
        self.queue(conn);
        None
    }

    /// Puts a connection that is out at the end of the queue.
    pub(crate) fn queue(&self, conn: Box<Conn>) {
        self.wake_if(self.table.queue(conn));
    }

    /// Gives back a connection that is out, to be served behind the others: there may be many of its kind at one
    /// moment.
    pub(crate) fn give_back(&self, conn: Box<Conn>) {
        self.wake_if(self.table.give_back(conn));
    }

    /// Ends a connection that is out, and closes it.
    pub(crate) fn close(&self, conn: Box<Conn>) {
        conn.sock.end_if_kept();
        self.forget(conn);
    }

    /// Ends a connection that is out.
    fn forget(&self, mut conn: Box<Conn>) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.wake_if(self.table.end(&mut conn));
    }

    /// Ends a connection that is out, and of which everything was sent, without closing it: its transport is reported
    /// of no more and is given away, with the bytes that were received and not used.
    ///
    /// # Errors
    /// When the system does not let go of the socket, or there is none, or somebody else has it too; then the
    /// connection is closed.
    pub(crate) fn give_away(&self, mut conn: Box<Conn>) -> io::Result<(Arc<dyn Transport>, Vec<u8>)> {
        debug_assert!(conn.pending.is_sent() && !conn.exchange.is_answering(), "a response is on its way");
        if let Err(error) = self.unwatch(&mut conn.sock.transport) {
            self.close(conn);
            return Err(error);
        }
        let given = (conn.sock.transport.clone(), conn.pending.unread().to_vec());
        self.forget(conn);
        Ok(given)
    }

    /// The next connection to serve. Only the driver asks.
    pub(crate) fn find(&self, now: Millis) -> Next<Box<Conn>> {
        self.table.find(now)
    }

    /// The driver waits until the poller reports, somebody wakes it, or `timeout` has passed; what is ready is queued.
    /// Adds to `left` the tickets of those that wait for a worker, and whose peer will send nothing more.
    pub(crate) fn wait(&self, timeout: Option<Duration>, left: &mut Vec<Ticket>) {
        let reports = self.poller.wait(timeout);
        self.table.report(reports.iter(), left);
    }

    /// Has the driver ask the poller before it serves anything else.
    pub(crate) fn end_pass(&self) {
        self.table.end_pass();
    }

    /// A connection that is out waits for a worker.
    pub(crate) fn note_ticket(&self, token: Token, ticket: Ticket) {
        self.table.note_ticket(token, ticket);
    }

    /// The driver was in the user's code each time somebody looked: it had better look closely itself.
    pub(crate) fn suspect(&self) {
        self.is_suspected.store(true, Ordering::Relaxed);
    }

    /// Whether somebody suspects that the user's code blocks here; once.
    #[inline]
    pub(crate) fn take_suspicion(&self) -> bool {
        self.is_suspected.load(Ordering::Relaxed) && self.is_suspected.swap(false, Ordering::Relaxed)
    }

    /// Whether the driver found nothing to do at `by` or later, and how many connections are out.
    #[cfg(feature = "testing")]
    pub(crate) fn rests_since(&self, by: Millis) -> (bool, usize) {
        self.table.rests_since(by)
    }

    /// Has the driver look at the clock again. It is woken whatever it does: it may have looked at it before, and be
    /// about to sleep.
    #[cfg(feature = "testing")]
    pub(crate) fn look_again(&self) {
        self.poller.wake();
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

    /// Has what happens to a transport reported under `token`. Nobody else may have it.
    fn watch(self: &Arc<Self>, transport: &mut Arc<dyn Transport>, token: Token) -> io::Result<()> {
        let transport = Arc::get_mut(transport).ok_or(ErrorKind::NotConnected)?;
        if let Some(source) = transport.source() {
            return self.poller.register(source, token);
        }
        if transport.set_waker(Some(self.waker(token))) {
            Ok(())
        } else {
            Err(io::Error::other("there is no socket to wait for"))
        }
    }

    /// Has nothing reported of it any more.
    fn unwatch(&self, transport: &mut Arc<dyn Transport>) -> io::Result<()> {
        let transport = Arc::get_mut(transport).ok_or(ErrorKind::NotConnected)?;
        if let Some(source) = transport.source() {
            return self.poller.deregister(source);
        }
        if transport.set_waker(None) { Ok(()) } else { Err(ErrorKind::NotConnected.into()) }
    }

    fn wake_if(&self, must_wake: bool) {
        if must_wake {
            self.poller.wake();
        }
    }
}

impl Wakes for Shard {
    fn wake(&self, number: usize) {
        self.wake_if(self.table.resume(Token::from_number(number)));
    }

    fn wake_ended(&self, number: usize) {
        self.wake_if(self.table.resume_ended(Token::from_number(number)));
    }
}

impl Member for Box<Conn> {
    fn token(&self) -> Token {
        self.token
    }

    fn deadline(&self) -> Millis {
        self.clock.deadline()
    }

    fn idle(&self) -> Option<Idle> {
        (**self).idle()
    }

    fn note(&mut self, readiness: Readiness) {
        self.sock.note(readiness);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::shard::clock::Awaits;
    use crate::engine::shard::deadlines::NEVER;
    use crate::engine::socket::Socket;
    use crate::serve::exchange::Exchange;
    use crate::serve::workspace::Pending;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    /// A connection that a shard has found readable, and its peer.
    fn readable(shard: &Arc<Shard>) -> (Box<Conn>, TcpStream) {
        let mut peer = silent(shard);
        peer.write_all(b"first").expect("a peer");
        loop {
            match shard.find(0) {
                Next::Connection(mut conn) => {
                    let mut room = [0; 64];
                    if let Ok(Some(count)) = conn.sock.read(&mut room) {
                        conn.pending = Pending::received(&room[..count]);
                        return (conn, peer);
                    }
                    if let Err(conn) = shard.park(conn, 0, &service()) {
                        shard.queue(conn);
                    }
                }
                _ => shard.wait(Some(Duration::from_millis(50)), &mut Vec::new()),
            }
        }
    }

    /// A connection of the shard that has said nothing, as its peer has it.
    fn silent(shard: &Arc<Shard>) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let peer = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let socket = listener.accept().expect("the peer is there").0;
        socket.set_nonblocking(true).expect("an option of every socket");
        let socket = Socket::tcp(mio::net::TcpStream::from_std(socket));
        shard.add(Arc::new(socket), ConnInfo::default(), ConnClock::new(0, NEVER)).expect("it is taken in");
        peer
    }

    /// What the shard has to serve, which comes in time or not.
    fn next(shard: &Shard, limit: Duration) -> Option<Box<Conn>> {
        let begun = Instant::now();
        loop {
            if let Next::Connection(conn) = shard.find(0) {
                return Some(conn);
            }
            if begun.elapsed() >= limit {
                return None;
            }
            shard.wait(Some(limit), &mut Vec::new());
        }
    }

    fn service() -> Service {
        let settings = crate::config::options::ServerBuilder::default().resolve().expect("the defaults");
        Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {}))
    }

    #[test]
    fn room_is_reported_to_who_has_lacked_it_and_to_nobody_else() {
        let (moment, long) = (Duration::from_millis(20), Duration::from_secs(30));
        let (shard, _term) = Shard::new(0).expect("a poller");
        let shard = Arc::new(shard);
        let mut peer = silent(&shard);
        assert!(next(&shard, moment).is_none(), "it has said nothing");
        peer.write_all(b"first").expect("a peer");
        let mut conn = next(&shard, long).expect("it has said something");
        for _ in 0..3 {
            while conn.sock.read(&mut [0; 64]).expect("a peer").is_some() {}
            while conn.sock.transport.write([&[0; 1 << 16], &[]]).is_ok() {}
            conn.awaits = Awaits::Output;
            assert!(shard.park(conn, 0, &service()).is_ok(), "nothing was reported");
            peer.set_read_timeout(Some(moment)).expect("an option of every socket");
            while peer.read(&mut [0; 1 << 16]).is_ok() {}
            conn = next(&shard, long).expect("there is room");
        }
    }

    /// What a layer above the socket has to send for itself, it has to send between two requests as well.
    #[test]
    fn whoever_has_lacked_room_is_told_of_it_on_the_shard_that_it_has_moved_to() {
        let long = Duration::from_secs(30);
        let [from, to] = [0, 1].map(|number| Arc::new(Shard::new(number).expect("a poller").0));
        let mut peer = silent(&from);
        peer.write_all(b"first").expect("a peer");
        let mut conn = next(&from, long).expect("it has said something");
        for has_been_told in [false, true] {
            while conn.sock.read(&mut [0; 64]).expect("a peer").is_some() {}
            while conn.sock.transport.write([&[0; 1 << 16], &[]]).is_ok() {}
            conn.awaits = Awaits::Output;
            if has_been_told {
                // On the first shard, before.
                assert!(from.park(conn, 0, &service()).is_ok(), "nothing was reported");
                peer.set_read_timeout(Some(Duration::from_millis(20))).expect("an option of every socket");
                while peer.read(&mut [0; 1 << 16]).is_ok() {}
                conn = next(&from, long).expect("there is room");
                while conn.sock.transport.write([&[0; 1 << 16], &[]]).is_ok() {}
            }
            conn.awaits = Awaits::Input;
            conn.exchange = Exchange::between_requests();
            let Moved::ToOther = from.move_to(&to, conn, 0, &service()) else { panic!("it rests") };
            peer.set_read_timeout(Some(Duration::from_millis(20))).expect("an option of every socket");
            while peer.read(&mut [0; 1 << 16]).is_ok() {}
            conn = next(&to, long).expect("there is room");
            let Moved::ToOther = to.move_to(&from, conn, 0, &service()) else { panic!("it rests") };
            peer.write_all(b"more").expect("a peer");
            conn = next(&from, long).expect("it has said something");
        }
    }

    #[test]
    fn a_connection_is_given_away_with_what_was_read_and_not_used() {
        let (shard, _term) = Shard::new(0).expect("a poller");
        let shard = Arc::new(shard);
        let (conn, mut peer) = readable(&shard);
        let (transport, unused) = shard.give_away(conn).expect("a socket");
        assert_eq!((unused.as_slice(), shard.load(0).connections), (&b"first"[..], 0));
        assert!(shard.end_if_empty(), "the shard has forgotten it");

        // Nothing is reported of it any more, and it works by itself.
        peer.write_all(b"second").expect("the connection is open");
        assert!(transport.wait(Direction::Read.into(), Some(Duration::from_secs(10))).expect("a socket"));
        let mut room = [0; 64];
        let read = transport.read(&mut room).expect("what the peer has sent");
        assert_eq!(&room[..read.count], b"second");
        shard.wait(Some(Duration::ZERO), &mut Vec::new());
        assert!(matches!(shard.find(0), Next::Nothing(NEVER)));
        transport.write([b"thi", b"rd"]).expect("room in the socket");
        drop(transport);
        let mut rest = String::new();
        peer.read_to_string(&mut rest).expect("the end");
        assert_eq!(rest, "third");
    }
}
