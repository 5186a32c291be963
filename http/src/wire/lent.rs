//! A connection's transport while it is lent to a handler: blocking reads and writes with their limits.
//!
//! The rule: whatever is done with it that would block waits here, and nowhere else.

use crate::wire::output::Output;
use crate::wire::transport::{Direction, Transport};
use std::fmt;
use std::io;
use std::time::Duration;

/// A transport that is lent, with what is to be known for using it. Blocks where the transport would.
#[derive(Default)]
pub(crate) struct LentTransport {
    /// `None` while there is nothing to lend.
    pub(crate) transport: Option<Box<dyn Transport>>,
    /// The session whose transport it is.
    pub(crate) owner: u64,
    /// How long the peer may send nothing while it is read from.
    pub(crate) read_limit: Option<Duration>,
    /// How long the peer may take nothing while it is written to.
    pub(crate) write_limit: Option<Duration>,
    /// Some of the response has been sent, so that nothing else may be until its end.
    pub(crate) is_answering: bool,
}

impl LentTransport {
    /// Drops the transport of another connection: a handler can have put the context that was lent it in the place of
    /// this one, and what is answered here must not go there.
    pub(crate) fn keep_only_of(&mut self, owner: u64) {
        if self.owner != owner {
            self.transport = None;
        }
    }

    /// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let limit = self.read_limit;
        read_some(self.transport()?, room, limit)
    }

    /// Writes all of `bytes`.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let limit = self.write_limit;
        let transport = self.transport()?;
        while !bytes.is_empty() {
            let count = write_some(transport, [bytes, &[]], limit)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        transport.flush()
    }

    /// Writes everything in `out`.
    pub(crate) fn send(&mut self, out: &mut Output) -> io::Result<()> {
        let limit = self.write_limit;
        let transport = self.transport()?;
        while !out.is_empty() {
            let count = write_some(transport, out.slices(), limit)?;
            out.advance(count);
        }
        transport.flush()
    }

    /// Whether the peer has said that it will send nothing more, or is gone.
    pub(crate) fn peer_has_ended(&mut self) -> bool {
        self.transport.as_deref_mut().is_some_and(|transport| transport.peer_has_ended())
    }

    fn transport(&mut self) -> io::Result<&mut (dyn Transport + 'static)> {
        self.transport.as_deref_mut().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "there is no connection to read from or write to; a handler has kept its context, or there never was one")
        })
    }
}

impl fmt::Debug for LentTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentTransport").field("is_lent", &self.transport.is_some()).finish_non_exhaustive()
    }
}

/// Writes at least one byte of `slices`, which must not both be empty.
fn write_some(
    transport: &mut dyn Transport,
    slices: [&[u8]; 2],
    limit: Option<Duration>,
) -> io::Result<usize> {
    loop {
        match transport.write(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return Ok(count),
            Err(error) => pause(transport, Direction::Write, limit, error)?,
        }
    }
}

/// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
fn read_some(transport: &mut dyn Transport, room: &mut [u8], limit: Option<Duration>) -> io::Result<usize> {
    loop {
        match transport.read(room) {
            Ok(arrived) => return Ok(arrived.count),
            Err(error) => pause(transport, Direction::Read, limit, error)?,
        }
    }
}

/// Waits when `error` says that waiting helps; hands it back when not.
fn pause(
    transport: &mut dyn Transport,
    direction: Direction,
    limit: Option<Duration>,
    error: io::Error,
) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => match transport.wait(transport.awaits(direction), limit)? {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        },
        _ => Err(error),
    }
}
