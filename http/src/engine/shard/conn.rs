//! One connection: its socket, its conversation, and what is left over between two turns.
//!
//! A parked connection owns no buffers unless bytes are left over: half a request, or a response that the peer does
//! not take. While it is served the buffers are those of a workspace.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::ctx::{ConnFacts, ConnInfo};
use crate::engine::dispatch::predict::RouteHash;
use crate::engine::shard::clock::{Awaits, ConnClock};
use crate::engine::shard::deadlines::Millis;
#[cfg(feature = "ws")]
use crate::engine::shard::deadlines::NEVER;
use crate::engine::shard::idle::Idle;
use crate::engine::shard::load::Period;
use crate::engine::shard::slots::{Readiness, Token};
use crate::serve::exchange::{Exchange, Expects};
use crate::serve::service::Service;
use crate::serve::workspace::Pending;
#[cfg(feature = "tls-no-provider")]
use crate::tls::TlsLayer;
use crate::wire::output::Output;
use crate::wire::transport::{Direction, ReadySet, Transport};

/// The most that one read brings in. A buffer that a big body has made large would otherwise let one read bring in any
/// number of requests.
const READ_MOST: usize = 64 * 1024;

/// A connection of a shard.
pub(crate) struct Conn {
    pub(crate) token: Token,
    pub(crate) sock: Sock,
    pub(crate) exchange: Exchange,
    pub(crate) pending: Pending,
    pub(crate) clock: ConnClock,
    pub(crate) awaits: Awaits,
    /// A layer above the socket may hold bytes that were to be sent.
    pub(crate) holds_back: bool,
    /// Not all was sent that was begun, so its end is none that a peer is told of.
    pub(crate) is_cut: bool,
    /// Bytes thrown away since everything was sent and our side was shut. What the peer still sends is thrown away for
    /// a while: closing at once would reset the connection, and with it the response that the peer has not read yet.
    pub(crate) lingered: u32,
    /// The last period in which it had something to do, and was counted.
    pub(crate) busy_in: Period,
    pub(crate) course: Course,
    pub(crate) facts: ConnFacts,
}

/// How the request of a connection comes to a thread.
#[derive(Default)]
pub(crate) struct Course {
    /// The route of the request, or of the last one.
    pub(crate) route: RouteHash,
    /// No worker could be had for what the peer wants, in time: its next request is told so.
    pub(crate) is_turned_away: bool,
    /// No more of the body of its request is waited for before the handler is called.
    pub(crate) is_read_ahead: bool,
    /// It is to be encrypted, and that has not been agreed on yet.
    pub(crate) awaits_handshake: bool,
    /// That was just agreed on, and nothing was read since: what is held back may leave with the first answer.
    pub(crate) has_agreed: bool,
}

impl Conn {
    /// A new connection, whose clock has begun to run.
    pub(crate) fn new(
        token: Token,
        shard: u32,
        transport: Arc<dyn Transport>,
        facts: ConnFacts,
        clock: ConnClock,
    ) -> Self {
        let course = Course {
            #[cfg(feature = "tls-no-provider")]
            awaits_handshake: TlsLayer::of(&*transport).is_some(),
            ..Course::default()
        };
        Conn {
            token,
            sock: Sock::new(transport, shard),
            exchange: Exchange::new(facts.id()),
            pending: Pending::default(),
            clock,
            awaits: Awaits::Input,
            holds_back: false,
            is_cut: false,
            lingered: 0,
            busy_in: Period::default(),
            course,
            facts,
        }
    }

    /// When the connection, which is about to be parked at `now`, is given up.
    pub(crate) fn next_deadline(&mut self, now: Millis, service: &Service) -> Millis {
        if self.awaits == Awaits::Source {
            let heartbeat = self.exchange.live().and_then(|live| live.heartbeat());
            return self.clock.next_heartbeat(self.exchange.pieces(), heartbeat, now);
        }
        #[cfg(feature = "ws")]
        let writes = self.awaits == Awaits::Output;
        #[cfg(feature = "ws")]
        let has_moved = self.clock.has_moved();
        #[cfg(feature = "ws")]
        let socket_due = self.exchange.socket().map(|socket| {
            let due = if writes { socket.write_deadline(now, has_moved) } else { socket.deadline() };
            due.unwrap_or(NEVER)
        });
        #[cfg(feature = "ws")]
        if let (Awaits::Socket, Some(due)) = (self.awaits, socket_due) {
            return self.clock.next_look(due, now);
        }
        let (expects, patience) = (self.exchange.expects(), self.exchange.patience(service));
        let timeouts = &service.settings.timeouts;
        let deadline = self.clock.next_deadline(self.awaits, expects, &patience, timeouts, now);
        #[cfg(feature = "ws")]
        if let (true, Some(due)) = (writes, socket_due) {
            return self.clock.look_by(due);
        }
        deadline
    }

    /// Whether all that is known of it is that the peer has sent something behind a request that was answered.
    pub(crate) fn is_at_next_request(&self) -> bool {
        self.exchange.takes_requests()
            && matches!(self.exchange.expects(), Expects::NextRequest(_))
            && self.awaits == Awaits::Input
            && self.sock.readable
            && !self.sock.has_peer_ended()
            && !self.course.is_turned_away
            && self.pending.is_empty()
    }

    /// Since when it has been idle, if it is; as it was parked last.
    pub(crate) fn idle(&self) -> Option<Idle> {
        self.clock.idle().filter(|_| self.awaits == Awaits::Input)
    }

    /// Whether it is to be encrypted before anything else comes.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn must_shake_hands(&self) -> bool {
        self.course.awaits_handshake && self.exchange.takes_requests()
    }

    /// Whether it waits for what nobody would miss, so that a shutdown ends it.
    pub(crate) fn may_end_here(&self) -> bool {
        match self.awaits {
            Awaits::Input => self.exchange.may_end_here(),
            Awaits::Source => true,
            #[cfg(feature = "ws")]
            Awaits::Socket => !self.exchange.is_socket_closing(),
            Awaits::Output | Awaits::LingerEnd | Awaits::FirstPart => false,
        }
    }

    /// Sends what can be sent of `output` now; true when all of it was.
    #[inline]
    pub(crate) fn send(&mut self, output: &mut Output) -> io::Result<bool> {
        if output.is_empty() && !self.holds_back { Ok(true) } else { self.send_some(output) }
    }

    fn send_some(&mut self, output: &mut Output) -> io::Result<bool> {
        let file_follows = self.exchange.file_follows();
        while !output.is_empty() {
            let transport = &self.sock.transport;
            let written = match file_follows {
                true => transport.write_before_file(output.slices()),
                false => transport.write(output.slices()),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    output.advance(count);
                    self.clock.progressed(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.push()
    }

    /// Sends what a layer above the socket has taken; true when all of it was.
    pub(crate) fn push(&mut self) -> io::Result<bool> {
        loop {
            match self.sock.transport.push() {
                Ok(0) => {
                    self.holds_back = false;
                    return Ok(true);
                }
                Ok(count) => self.clock.progressed(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.holds_back = true;
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What is known about it.
    pub(crate) fn info(&self) -> ConnInfo {
        #[allow(unused_mut, reason = "only some connections know more")]
        let mut info = ConnInfo::from(self.facts);
        #[cfg(feature = "tls-no-provider")]
        if info.is_tls() {
            info.set_tls(self.sock.transport.tls_info());
        }
        info
    }
}

/// A connection's transport, and what is known of its readiness without asking it.
pub(crate) struct Sock {
    /// Shared with the request while it is handled.
    pub(crate) transport: Arc<dyn Transport>,
    /// The number of the shard whose poller reports of it.
    pub(crate) shard: u32,
    /// False once a read has drained the transport: then the poller will report when there is more.
    pub(crate) readable: bool,
    /// The peer has sent its last byte. It was reported once, so reading must go on to the end by itself.
    read_closed: bool,
    /// What must be reported before another read is worth it.
    awaited_to_read: ReadySet,
}

impl Sock {
    fn new(transport: Arc<dyn Transport>, shard: u32) -> Self {
        let awaited_to_read = Direction::Read.into();
        Sock { transport, shard, readable: true, read_closed: false, awaited_to_read }
    }

    /// Whether the peer is known to have ended its sending.
    pub(crate) fn has_half_closed(&self) -> bool {
        self.read_closed
    }

    /// The same, also where nobody reports it.
    fn has_peer_ended(&self) -> bool {
        self.read_closed || self.transport.has_peer_ended_unreported()
    }

    /// Takes over what the poller has reported.
    pub(crate) fn note(&mut self, readiness: Readiness) {
        let ready = ReadySet { read: readiness.readable, write: readiness.writable };
        self.readable |= self.awaited_to_read.meets(ready) || readiness.read_closed;
        self.read_closed |= readiness.read_closed;
    }

    /// Ends the connection for the peer if somebody else has the socket too, so that dropping it would not close it.
    pub(crate) fn end_if_kept(&self) {
        if Arc::strong_count(&self.transport) > 1 {
            self.transport.shut_down();
        }
    }

    /// Reads once. `None`: nothing there now.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let most = room.len().min(READ_MOST);
        let room = &mut room[..most];
        loop {
            match self.transport.read(room) {
                Ok(arrived) => {
                    // The end of input was reported once already; it must be read up to without another report.
                    self.readable = !arrived.is_drained || self.read_closed;
                    if !self.readable {
                        self.awaited_to_read = self.transport.awaited_reports(Direction::Read);
                    }
                    return Ok(Some(arrived.count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    self.awaited_to_read = self.transport.awaited_reports(Direction::Read);
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

// There is one for each connection, idle ones too: what it needs only while it is served lies in a workspace.
const _: () = assert!(size_of::<Conn>() <= 280);
