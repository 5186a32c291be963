//! A connection's transport, as far as messages need it while they are being handled.
//!
//! The idea: a body that has not arrived yet, or that is produced while it is sent, needs the connection during the
//! handler. So whoever drives the connection shares its transport with the handler's context for that time. A context
//! that does not come back ends its connection, and whoever drives that can shut it down although others have it too.
//!
//! The rules: one thread uses a transport at a time, but for `shut_down`. `read` and `write` may say
//! [`WouldBlock`](io::ErrorKind::WouldBlock); then, and only then, `wait` is asked.

#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use crate::wire::wake::Waker;
use mio::event::Source;
use mio::{Registry, Token};
#[cfg(feature = "tls-no-provider")]
use std::any::Any;
use std::fs::File;
use std::io;
#[cfg(feature = "tls-no-provider")]
use std::sync::Arc;
use std::time::Duration;

/// One of the two ways that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What is awaited of a socket, or what it is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadySet {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl ReadySet {
    /// Whether something in here is in `other` too.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.read && other.read || self.write && other.write
    }
}

impl From<Direction> for ReadySet {
    fn from(direction: Direction) -> Self {
        Self { read: direction == Direction::Read, write: direction == Direction::Write }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadCount {
    /// So many bytes; 0 at the end of the peer's stream.
    pub(crate) count: usize,
    /// Whether the next read would block for sure unless something is reported meanwhile. Not the same as a short read:
    /// a layer between us and the socket gives what it has decoded and may hold more.
    pub(crate) is_drained: bool,
}

/// A transport that can be lent; see the module's text.
pub(crate) trait Transport: Send + Sync {
    /// Reads what is there, as [`io::Read`] does.
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount>;

    /// Writes the two slices in order, as far as possible.
    fn write(&self, slices: [&[u8]; 2]) -> io::Result<usize>;

    /// As [`write`](Transport::write), for bytes that a file follows at once. They may wait for that, to leave with its
    /// first bytes.
    fn write_before_file(&self, slices: [&[u8]; 2]) -> io::Result<usize> {
        self.write(slices)
    }

    /// Hands on what a layer between us and the network may hold back.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Sends some of what a layer between us and the socket has taken and not sent yet: so many bytes of it. 0: there
    /// is nothing of the kind. What [`write`](Transport::write) has taken may be there until this has said so.
    fn push(&self) -> io::Result<usize> {
        Ok(0)
    }

    /// Says to the peer that this was the end, if that is said otherwise than by closing; as far as it takes that now.
    /// Only when all that was begun has been sent: a peer that was not told knows that it has not got everything.
    fn say_goodbye(&self) {}

    /// Whether the end of the peer's stream came without the peer having said that it is the end, where that is said.
    fn is_input_cut_off(&self) -> bool {
        false
    }

    /// What was agreed on with the peer, of a connection that is encrypted here.
    #[cfg(feature = "tls-no-provider")]
    fn tls_info(&self) -> Option<&Arc<TlsInfo>> {
        None
    }

    /// Itself, for whoever knows what it may be.
    #[cfg(feature = "tls-no-provider")]
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// What must be reported of the socket before another attempt in this direction is worth it. A layer between us and
    /// the socket may have to write before it can read, and the other way round.
    fn awaits(&self, direction: Direction) -> ReadySet {
        direction.into()
    }

    /// The same, of what is reported to whoever drives the connection.
    fn awaited_reports(&self, direction: Direction) -> ReadySet {
        self.awaits(direction)
    }

    /// Blocks until the socket is ready for something in `awaited`. False: `limit` passed first.
    fn wait(&self, _awaited: ReadySet, _limit: Option<Duration>) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether its calls wait by themselves.
    fn blocks(&self) -> bool {
        false
    }

    /// The socket, to be registered with a poller. `None`: there is none to wait for, calls block by themselves.
    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    /// If a write found no room, has room reported from now on as well, as `token`, which it is not before. For one
    /// whose [`source`](Self::source) is registered with `registry`.
    fn report_room_if_lacked(&self, _registry: &Registry, _token: Token) -> io::Result<()> {
        Ok(())
    }

    /// Whether the peer has ended its sending, and no poller reports it. For one that has no [`source`](Self::source).
    fn has_peer_ended_unreported(&self) -> bool {
        false
    }

    /// Has `waker` called whenever something has changed, and once now; `None`: nobody any more. False: this transport
    /// cannot. For one that has no [`source`](Self::source).
    fn set_waker(&self, _waker: Option<Waker>) -> bool {
        false
    }

    /// Whether the peer has said that it will send nothing more, or is gone. False when that cannot be known.
    fn peer_has_ended(&self) -> bool {
        false
    }

    /// Whether the peer is gone for sure, so that nothing that is sent would arrive. False when that cannot be known.
    fn is_broken(&self) -> bool {
        false
    }

    /// Has the peer given up, and that reported, when it has not acknowledged for so long what was sent to it; `None`:
    /// as long as the system likes. Does nothing where that cannot be had.
    fn give_up_after(&self, _limit: Option<Duration>) {}

    /// Sends up to `count` bytes of `file` from `offset` without copying them through this process. `None`: this
    /// transport cannot.
    fn send_file(&self, _file: &File, _offset: u64, _count: usize) -> Option<io::Result<usize>> {
        None
    }

    /// What whoever has sent the request has left for its handler, in its own types; once.
    #[cfg(feature = "http")]
    fn take_extensions(&self) -> Option<::http::Extensions> {
        None
    }

    /// Ends the connection in both directions, whoever else has the transport, and ends their waiting where that can
    /// be.
    fn shut_down(&self);

    /// Says to the peer that nothing more will come; it can still send. As all calls it may have to wait.
    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }
}
