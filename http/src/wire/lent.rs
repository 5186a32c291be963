//! A connection's transport while it is lent to a handler: blocking reads and writes with their limits.
//!
//! The rule: whatever is done with it that would block waits here, and nowhere else.

use crate::util::coarse::CoarseInstant;
use crate::wire::output::Output;
use crate::wire::pace::{Pace, PeerTime};
use crate::wire::transport::{Direction, Transport};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A transport that is lent, with what is to be known for using it. Blocks where the transport would.
#[derive(Default)]
pub(crate) struct LentTransport {
    /// `None` while there is nothing to lend.
    transport: Option<Arc<dyn Transport>>,
    /// The session whose transport it is.
    owner: u64,
    /// How long the peer is waited for while it is read from.
    reading: PeerTime,
    /// How long the peer is waited for while it is written to.
    writing: PeerTime,
    /// There are bytes to be sent before anything else is.
    pub(crate) has_unsent: bool,
    /// Some of the response has been sent, so that nothing else may be until its end.
    pub(crate) is_answering: bool,
    /// Bytes that were sent ahead of responses, and not counted yet.
    sent_ahead: u64,
    /// Whoever reads has something else to do when nothing comes for so long.
    haste: Option<Duration>,
}

impl LentTransport {
    /// `transport`, for whoever waits for the peer itself.
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport: Some(transport), ..Self::default() }
    }

    /// Nothing, for a request of `owner` of which not all is to be read yet.
    pub(crate) fn lend_nothing(&mut self, owner: u64) {
        *self = Self { owner, sent_ahead: self.sent_ahead, ..Self::default() };
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> u64 {
        self.owner
    }

    /// Whether it is lent what belongs to `owner`. A handler can have put any context in the place of the one that was
    /// lent this, and what is answered for `owner` must go nowhere else.
    pub(crate) fn is_of(&self, owner: u64) -> bool {
        self.owner == owner && self.transport.is_some()
    }

    /// Lends `transport` to the request under way of `owner`, with so much patience with the peer. It may be lent
    /// already.
    pub(crate) fn lend(&mut self, transport: &Arc<dyn Transport>, owner: u64, reading: Pace, writing: Pace) {
        if !self.is_of(owner) {
            self.transport = Some(transport.clone());
        }
        self.owner = owner;
        self.reading = PeerTime::new(reading);
        self.writing = PeerTime::new(writing);
        self.is_answering = false;
    }

    /// Begins the peer's time to send.
    pub(crate) fn wait_for_input(&mut self, pace: Pace) {
        self.reading = PeerTime::new(pace);
    }

    /// Begins the peer's time to take what is sent.
    pub(crate) fn wait_for_output(&mut self, pace: Pace) {
        self.writing = PeerTime::new(pace);
    }

    /// Gives it back.
    pub(crate) fn end(&mut self) {
        self.transport = None;
    }

    /// Whether something can be sent ahead of the response.
    pub(crate) fn may_send_first(&self) -> bool {
        self.transport.is_some() && !self.has_unsent && !self.is_answering
    }

    /// The transport, for somebody who gives it back before this is given back.
    pub(crate) fn share(&self) -> Option<Arc<dyn Transport>> {
        self.transport.clone()
    }

    /// Reads at least one byte into `room`, or finds the end of the peer's stream (0). In haste it may be that nothing
    /// has come yet (`WouldBlock`).
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        read_some(lent(&self.transport)?, room, &mut self.reading, self.haste)
    }

    /// Has a read come back when nothing comes for so long; `None`: only when the peer's time is over. What has come
    /// by then does not need to be enough of anything; and where calls wait by themselves it does nothing.
    #[cfg(any(feature = "client", feature = "tower"))]
    pub(crate) fn make_haste(&mut self, haste: Option<Duration>) {
        self.haste = haste;
    }

    /// Writes all of `bytes`, ahead of the response.
    pub(crate) fn write_ahead(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let transport = lent(&self.transport)?;
        while !bytes.is_empty() {
            let count = write_some(transport, [bytes, &[]], &mut self.writing)?;
            self.sent_ahead += count as u64;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        push_all(transport, &mut self.writing)
    }

    /// How many bytes were sent ahead since this was asked last.
    pub(crate) fn take_sent_ahead(&mut self) -> u64 {
        std::mem::take(&mut self.sent_ahead)
    }

    /// Writes everything in `out`.
    pub(crate) fn send(&mut self, out: &mut Output) -> io::Result<()> {
        let transport = lent(&self.transport)?;
        while !out.is_empty() {
            let count = write_some(transport, out.slices(), &mut self.writing)?;
            out.advance(count);
        }
        push_all(transport, &mut self.writing)
    }

    /// What whoever has sent the request has left for its handler, in its own types; once.
    #[cfg(feature = "http")]
    pub(crate) fn take_extensions(&self) -> Option<::http::Extensions> {
        self.transport.as_deref()?.take_extensions()
    }

    /// Whether the peer has said that it will send nothing more, or is gone.
    pub(crate) fn peer_has_ended(&self) -> bool {
        self.transport.as_deref().is_some_and(|transport| transport.peer_has_ended())
    }
}

fn lent(transport: &Option<Arc<dyn Transport>>) -> io::Result<&(dyn Transport + 'static)> {
    transport.as_deref().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotConnected,
            "there is no connection to read from or write to; its request is over, or there never was one",
        )
    })
}

impl fmt::Debug for LentTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentTransport").field("is_lent", &self.transport.is_some()).finish_non_exhaustive()
    }
}

/// Writes at least one byte of `slices`, which must not both be empty.
#[inline]
fn write_some(transport: &dyn Transport, slices: [&[u8]; 2], time: &mut PeerTime) -> io::Result<usize> {
    let begun = begin(transport, time);
    loop {
        match transport.write(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return account(count, begun, time),
            Err(error) => {
                let next_try = time.next_try();
                pause(transport, Direction::Write, next_try, time, error)?;
            }
        }
    }
}

/// Sends what a layer above the socket has taken.
fn push_all(transport: &dyn Transport, time: &mut PeerTime) -> io::Result<()> {
    loop {
        match transport.push() {
            Ok(0) => return transport.flush(),
            Ok(count) => time.earn(count),
            Err(error) => {
                let next_try = time.next_try();
                pause(transport, Direction::Write, next_try, time, error)?;
            }
        }
    }
}

/// Reads at least one byte into `room`, or finds the end of the peer's stream (0).
#[inline]
fn read_some(
    transport: &dyn Transport,
    room: &mut [u8],
    time: &mut PeerTime,
    haste: Option<Duration>,
) -> io::Result<usize> {
    let begun = begin(transport, time);
    loop {
        match transport.read(room) {
            Ok(arrived) if arrived.count == 0 => return Ok(0),
            Ok(arrived) => return account(arrived.count, begun, time),
            Err(error) => {
                let left = time.left();
                let limit = haste.map_or(left, |haste| Some(left.map_or(haste, |left| left.min(haste))));
                let is_ready = pause(transport, Direction::Read, limit, time, error)?;
                if haste.is_some() && !is_ready {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
    }
}

/// When a call begins that waits by itself; `None` when that is of no interest.
fn begin(transport: &dyn Transport, time: &PeerTime) -> Option<CoarseInstant> {
    (time.left().is_some() && transport.blocks()).then(CoarseInstant::now)
}

/// The peer has sent or taken `count` bytes. If that came of a call that waits by itself, it can be too late only now.
#[inline]
fn account(count: usize, begun: Option<CoarseInstant>, time: &mut PeerTime) -> io::Result<usize> {
    match begun {
        None => time.earn(count),
        Some(begun) if time.account(begun.elapsed(), count) => {}
        Some(_) => return Err(io::ErrorKind::TimedOut.into()),
    }
    Ok(count)
}

/// Waits, `limit` at most, when `error` says that waiting helps, and the peer's time is not over then; hands the error
/// back when not. False: nothing was to be had within `limit`.
fn pause(
    transport: &dyn Transport,
    direction: Direction,
    limit: Option<Duration>,
    time: &mut PeerTime,
    error: io::Error,
) -> io::Result<bool> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(true),
        io::ErrorKind::WouldBlock => {
            let begun = Instant::now();
            let is_ready = transport.wait(transport.awaits(direction), limit)?;
            time.spend(begun.elapsed());
            if is_ready || !time.is_used_up() { Ok(is_ready) } else { Err(io::ErrorKind::TimedOut.into()) }
        }
        _ => Err(error),
    }
}
