//! One connection: its socket, its conversation, and what is left over between two turns.
//!
//! A parked connection owns no buffers unless bytes are left over: half a request, or a response that the peer does
//! not take. While it is served the buffers are those of a workspace.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use crate::config::settings::Settings;
use crate::ctx::ConnInfo;
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::clock::{Awaits, ConnClock};
use crate::engine::shard::deadlines::Millis;
use crate::engine::shard::slots::{Readiness, Token};
use crate::serve::exchange::Exchange;
use crate::serve::workspace::Pending;
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
    /// The number of its shard.
    pub(crate) shard: u32,
    /// Bytes thrown away since everything was sent and our side was shut. What the peer still sends is thrown away for a
    /// while: closing at once would reset the connection, and with it the response that the peer has not read yet.
    pub(crate) lingered: Option<usize>,
    /// The route of the request that was served last.
    pub(crate) route: Route,
    pub(crate) info: ConnInfo,
    /// The address that counts for the limit per address.
    pub(crate) counted_address: Option<IpAddr>,
}

impl Conn {
    /// A new connection, given up at `first_deadline` if nothing comes.
    pub(crate) fn new(
        token: Token,
        shard: u32,
        transport: Box<dyn Transport>,
        info: ConnInfo,
        counted_address: Option<IpAddr>,
        first_deadline: Millis,
    ) -> Self {
        Conn {
            token,
            sock: Sock::new(transport),
            exchange: Exchange::new(info.id()),
            pending: Pending::default(),
            clock: ConnClock::new(first_deadline),
            awaits: Awaits::Input,
            shard,
            lingered: None,
            route: Route::default(),
            info,
            counted_address,
        }
    }

    /// When the connection, which is about to be parked at `now`, is given up.
    pub(crate) fn next_deadline(&mut self, now: Millis, settings: &Settings) -> Millis {
        if self.awaits == Awaits::Source {
            let heartbeat = self.exchange.live().and_then(|live| live.heartbeat());
            return self.clock.next_heartbeat(self.exchange.pieces(), heartbeat, now);
        }
        let (expects, patience) = (self.exchange.expects(), self.exchange.patience(settings));
        self.clock.next_deadline(self.awaits, expects, patience, &settings.timeouts, now)
    }

    /// Whether it waits for what nobody would miss, so that a shutdown ends it.
    pub(crate) fn may_end_here(&self) -> bool {
        match self.awaits {
            Awaits::Input => self.exchange.may_end_here(),
            Awaits::Source => true,
            Awaits::Output | Awaits::LingerEnd => false,
        }
    }

    /// Sends what can be sent of `output` now; true when all of it was.
    pub(crate) fn send(&mut self, output: &mut Output) -> io::Result<bool> {
        while !output.is_empty() {
            match self.sock.transport()?.write(output.slices()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    output.advance(count);
                    self.clock.output_was_taken();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        output.clear();
        Ok(true)
    }
}

/// A connection's transport, and what is known of its readiness without asking it.
pub(crate) struct Sock {
    /// Lent to the request while it is handled.
    pub(crate) transport: Option<Box<dyn Transport>>,
    /// False once a read has drained the transport: then the poller will report when there is more.
    pub(crate) readable: bool,
    /// The peer has sent its last byte. It was reported once, so reading must go on to the end by itself.
    read_closed: bool,
    /// What must be reported before another read is worth it.
    awaited_to_read: ReadySet,
}

impl Sock {
    fn new(transport: Box<dyn Transport>) -> Self {
        let awaited_to_read = Direction::Read.into();
        Sock { transport: Some(transport), readable: true, read_closed: false, awaited_to_read }
    }

    /// Takes over what the poller has reported.
    pub(crate) fn note(&mut self, readiness: Readiness) {
        let ready = ReadySet { read: readiness.readable, write: readiness.writable };
        self.readable |= self.awaited_to_read.meets(ready) || readiness.read_closed;
        self.read_closed |= readiness.read_closed;
    }

    /// The transport, unless a handler kept it.
    pub(crate) fn transport(&mut self) -> io::Result<&mut (dyn Transport + 'static)> {
        self.transport.as_deref_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Reads once. `None`: nothing there now.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let most = room.len().min(READ_MOST);
        let room = &mut room[..most];
        loop {
            match self.transport()?.read(room) {
                Ok(arrived) => {
                    // The end of input was reported once already; it must be read up to without another report.
                    self.readable = !arrived.is_drained || self.read_closed;
                    if !self.readable {
                        self.awaited_to_read = self.transport()?.awaits(Direction::Read);
                    }
                    return Ok(Some(arrived.count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    self.awaited_to_read = self.transport()?.awaits(Direction::Read);
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
