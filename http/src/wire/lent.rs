//! A connection's transport while it is lent to a handler: blocking reads and writes with their limits.
//!
//! The rule: whatever is done with it that would block waits here, and nowhere else.

use crate::wire::output::Output;
use crate::wire::pace::Waits;
use crate::wire::transport::{Direction, Transport};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// A transport that is lent, with what is to be known for using it. Blocks where the transport would.
#[derive(Default)]
pub(crate) struct LentTransport {
    /// `None` while there is nothing to lend.
    pub(crate) transport: Option<Box<dyn Transport>>,
    /// The session whose transport it is.
    pub(crate) owner: u64,
    /// How long the peer is waited for while it is read from.
    pub(crate) reading: Waits,
    /// How long the peer is waited for while it is written to.
    pub(crate) writing: Waits,
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
        read_some(lent(&mut self.transport)?, room, &mut self.reading)
    }

    /// Writes all of `bytes`.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let transport = lent(&mut self.transport)?;
        while !bytes.is_empty() {
            let count = write_some(transport, [bytes, &[]], &mut self.writing)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        transport.flush()
    }

    /// Writes everything in `out`.
    pub(crate) fn send(&mut self, out: &mut Output) -> io::Result<()> {
        let transport = lent(&mut self.transport)?;
        while !out.is_empty() {
            let count = write_some(transport, out.slices(), &mut self.writing)?;
            out.advance(count);
        }
        transport.flush()
    }

    /// Whether the peer has said that it will send nothing more, or is gone.
    pub(crate) fn peer_has_ended(&mut self) -> bool {
        self.transport.as_deref_mut().is_some_and(|transport| transport.peer_has_ended())
    }
}

fn lent(transport: &mut Option<Box<dyn Transport>>) -> io::Result<&mut (dyn Transport + 'static)> {
    transport.as_deref_mut().ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotConnected, "there is no connection to read from or write to; a handler has kept its context, or there never was one")
    })
}

impl fmt::Debug for LentTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentTransport").field("is_lent", &self.transport.is_some()).finish_non_exhaustive()
    }
}

/// Writes at least one byte of `slices`, which must not both be empty.
fn write_some(transport: &mut dyn Transport, slices: [&[u8]; 2], waits: &mut Waits) -> io::Result<usize> {
    let begun = begin(transport, waits);
    loop {
        match transport.write(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return account(count, begun, waits),
            Err(error) => {
                let next_try = waits.next_try();
                pause(transport, Direction::Write, next_try, waits, error)?;
            }
        }
    }
}

/// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
fn read_some(transport: &mut dyn Transport, room: &mut [u8], waits: &mut Waits) -> io::Result<usize> {
    let begun = begin(transport, waits);
    loop {
        match transport.read(room) {
            Ok(arrived) if arrived.count == 0 => return Ok(0),
            Ok(arrived) => return account(arrived.count, begun, waits),
            Err(error) => {
                let left = waits.left();
                pause(transport, Direction::Read, left, waits, error)?;
            }
        }
    }
}

/// When a call begins that waits by itself; `None` when that is of no interest.
fn begin(transport: &mut dyn Transport, waits: &Waits) -> Option<Instant> {
    (waits.left().is_some() && transport.source().is_none()).then(Instant::now)
}

/// The peer has sent or taken `count` bytes. If that came of a call that waits by itself, it can be too late only now.
fn account(count: usize, begun: Option<Instant>, waits: &mut Waits) -> io::Result<usize> {
    match begun {
        None => waits.earn(count),
        Some(begun) if waits.account(begun.elapsed(), count) => {}
        Some(_) => return Err(io::ErrorKind::TimedOut.into()),
    }
    Ok(count)
}

/// Waits, `limit` at most, when `error` says that waiting helps, and the peer's time is not over then; hands the error back
/// when not.
fn pause(
    transport: &mut dyn Transport,
    direction: Direction,
    limit: Option<Duration>,
    waits: &mut Waits,
    error: io::Error,
) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            let begun = Instant::now();
            let is_ready = transport.wait(transport.awaits(direction), limit)?;
            waits.spend(begun.elapsed());
            if is_ready || !waits.is_used_up() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
        }
        _ => Err(error),
    }
}
