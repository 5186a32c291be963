//! A connection's transport, as far as messages need it while they are being handled.
//!
//! The idea: a body that has not arrived yet, or that is produced while it is sent, needs the connection during the
//! handler. So whoever drives the connection lends its transport to the handler's context and takes it back afterwards;
//! a transport that does not come back ends its connection.
//!
//! The rule: `read` and `write` may say [`WouldBlock`](io::ErrorKind::WouldBlock); then, and only then, `wait` is asked.

use crate::wire::output::Output;
use mio::event::Source;
use std::fmt;
use std::fs::File;
use std::io;
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
pub(crate) trait Wire: Send {
    /// Reads what is there, as [`io::Read`] does.
    fn read(&mut self, room: &mut [u8]) -> io::Result<ReadCount>;

    /// Writes the two slices in order, as far as possible.
    fn write(&mut self, slices: [&[u8]; 2]) -> io::Result<usize>;

    /// Hands on what a layer between us and the network may hold back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What must be reported of the socket before another attempt in this direction is worth it. A layer between us and
    /// the socket may have to write before it can read, and the other way round.
    fn awaits(&self, direction: Direction) -> ReadySet {
        direction.into()
    }

    /// Blocks until the socket is ready for something in `awaited`. False: `limit` passed first.
    fn wait(&mut self, _awaited: ReadySet, _limit: Option<Duration>) -> io::Result<bool> {
        Ok(true)
    }

    /// The socket, to be registered with a poller. `None`: there is none to wait for, calls block by themselves.
    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    /// Whether the peer has said that it will send nothing more, or is gone. False when that cannot be known.
    fn peer_has_ended(&mut self) -> bool {
        false
    }

    /// Sends up to `count` bytes of `file` from `offset` without copying them through this process. `None`: this
    /// transport cannot.
    fn send_file(&mut self, _file: &File, _offset: u64, _count: usize) -> Option<io::Result<usize>> {
        None
    }

    /// Says to the peer that nothing more will come; it can still send.
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A transport that is lent, with what is to be known for using it. Blocks where the transport would.
#[derive(Default)]
pub(crate) struct Line {
    /// `None` while there is nothing to lend.
    pub(crate) wire: Option<Box<dyn Wire>>,
    /// The session whose transport it is.
    pub(crate) owner: u64,
    /// How long the peer may send nothing while it is read from.
    pub(crate) read_limit: Option<Duration>,
    /// How long the peer may take nothing while it is written to.
    pub(crate) write_limit: Option<Duration>,
    /// Some of the response has been sent, so that nothing else may be until its end.
    pub(crate) is_answering: bool,
}

impl Line {
    /// Drops the transport of another connection: a handler can have put the context that was lent it in the place of
    /// this one, and what is answered here must not go there.
    pub(crate) fn keep_only_of(&mut self, owner: u64) {
        if self.owner != owner {
            self.wire = None;
        }
    }

    /// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let limit = self.read_limit;
        read_some(self.wire()?, room, limit)
    }

    /// Writes all of `bytes`.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let limit = self.write_limit;
        let wire = self.wire()?;
        while !bytes.is_empty() {
            let count = write_some(wire, [bytes, &[]], limit)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        wire.flush()
    }

    /// Writes everything in `out`.
    pub(crate) fn send(&mut self, out: &mut Output) -> io::Result<()> {
        let limit = self.write_limit;
        let wire = self.wire()?;
        while !out.is_empty() {
            let count = write_some(wire, out.slices(), limit)?;
            out.advance(count);
        }
        wire.flush()
    }

    /// Blocks until an attempt in this direction is worth it.
    pub(crate) fn wait(&mut self, direction: Direction) -> io::Result<()> {
        let limit = if direction == Direction::Read { self.read_limit } else { self.write_limit };
        pause(self.wire()?, direction, limit, io::ErrorKind::WouldBlock.into())
    }

    /// Whether the peer has said that it will send nothing more, or is gone.
    pub(crate) fn peer_has_ended(&mut self) -> bool {
        self.wire.as_deref_mut().is_some_and(|wire| wire.peer_has_ended())
    }

    fn wire(&mut self) -> io::Result<&mut (dyn Wire + 'static)> {
        self.wire.as_deref_mut().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "there is no connection to read from or write to; a handler has kept its context, or there never was one")
        })
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_lent", &self.wire.is_some()).finish_non_exhaustive()
    }
}

/// Writes at least one byte of `slices`, which must not both be empty.
fn write_some(wire: &mut dyn Wire, slices: [&[u8]; 2], limit: Option<Duration>) -> io::Result<usize> {
    loop {
        match wire.write(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return Ok(count),
            Err(error) => pause(wire, Direction::Write, limit, error)?,
        }
    }
}

/// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
fn read_some(wire: &mut dyn Wire, room: &mut [u8], limit: Option<Duration>) -> io::Result<usize> {
    loop {
        match wire.read(room) {
            Ok(arrived) => return Ok(arrived.count),
            Err(error) => pause(wire, Direction::Read, limit, error)?,
        }
    }
}

/// Waits when `error` says that waiting helps; hands it back when not.
fn pause(
    wire: &mut dyn Wire,
    direction: Direction,
    limit: Option<Duration>,
    error: io::Error,
) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => match wire.wait(wire.awaits(direction), limit)? {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        },
        _ => Err(error),
    }
}
