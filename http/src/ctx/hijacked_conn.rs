//! A connection that a function of the user's has taken over.
//!
//! The rule: it is open for as long as somebody has it, and what was received before is read first.

use super::ConnInfo;
use crate::stop::StopSignal;
use crate::wire::taken_over::{Entered, HijackPlace, Permit};
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use crate::wire::transport::{Direction, Transport};
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long the last word waits for room.
const GOODBYE: Duration = Duration::from_secs(1);

/// What cuts a connection off, if there still is one.
pub(crate) type CutTransport = Weak<dyn Transport>;

/// A connection that was taken over: bytes in, bytes out, of [`RequestCtx::hijack`](crate::RequestCtx::hijack) and
/// [`RequestCtx::upgrade`](crate::RequestCtx::upgrade).
///
/// Reading and writing block, without a limit of time unless one is [set](Self::set_read_timeout). What the client had
/// sent behind its request is read first. Like a `TcpStream` it can be used through a reference, so that one thread
/// reads what another writes ([`try_clone`](Self::try_clone)); on a stream of your own that is no socket, given to
/// [`serve_conn`](crate::Server::serve_conn), each waits for the other.
///
/// The connection is closed when the last clone is dropped: at the end of the function that was given it, or, if that
/// has kept it elsewhere, later. Until then a [`shutdown`](crate::Server::shutdown) waits for it, and
/// [closes](Self::close) it when its time is up.
pub struct HijackedConn {
    shared: Arc<Hijacked>,
}

struct Hijacked {
    transport: Arc<dyn Transport>,
    /// What was received and not read yet.
    received: Mutex<ReceivedBefore>,
    has_received: AtomicBool,
    timeouts: Mutex<ConnTimeouts>,
    info: ConnInfo,
    stop: StopSignal,
    // Last, so that the connection is closed when it counts as such.
    _entered: Entered<CutTransport>,
}

#[derive(Default)]
struct ReceivedBefore {
    bytes: Vec<u8>,
    read: usize,
}

#[derive(Clone, Copy, Default)]
struct ConnTimeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

impl HijackedConn {
    /// The connection `info`, which takes its place, with what was received of it; and the permit of its function.
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        received: Vec<u8>,
        info: ConnInfo,
        stop: StopSignal,
        place: HijackPlace<CutTransport>,
    ) -> (Self, Permit<CutTransport>) {
        let (entered, permit, to_cut) = place.enter(info.id(), Arc::downgrade(&transport));
        if to_cut.is_some() {
            transport.shut_down();
        }
        let shared = Hijacked {
            transport,
            has_received: AtomicBool::new(!received.is_empty()),
            received: Mutex::new(ReceivedBefore { bytes: received, read: 0 }),
            timeouts: Mutex::default(),
            info,
            stop,
            _entered: entered,
        };
        (Self { shared: Arc::new(shared) }, permit)
    }

    /// The same connection once more, to read and write from two threads.
    ///
    /// # Errors
    /// None so far; the type is that of `TcpStream::try_clone`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { shared: self.shared.clone() })
    }

    /// The peer's address; `None` when it is not known.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.shared.info.remote_addr()
    }

    /// Our own address; `None` when it is not known.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.info.local_addr()
    }

    /// All that is known about the connection.
    pub fn info(&self) -> &ConnInfo {
        &self.shared.info
    }

    /// Whether the server stops: the conversation had better come to its end.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.is_stopping()
    }

    /// What tells that the server stops; for instance to say goodbye, from another thread than the one that reads.
    pub fn stop_signal(&self) -> StopSignal {
        self.shared.stop.clone()
    }

    /// How long a read waits, for all clones; then it fails with [`TimedOut`](ErrorKind::TimedOut). `None`: as long as
    /// it takes.
    ///
    /// # Errors
    /// When the limit is zero, and for a stream of your own that is no socket: that has limits of its own.
    pub fn set_read_timeout(&self, limit: impl Into<Option<Duration>>) -> io::Result<()> {
        let limit = self.checked(limit.into())?;
        self.shared.timeouts.lock().read = limit;
        Ok(())
    }

    /// How long a write waits for a client that takes nothing, for all clones; then it fails with
    /// [`TimedOut`](ErrorKind::TimedOut). `None`: as long as it takes.
    ///
    /// # Errors
    /// As [`set_read_timeout`](Self::set_read_timeout).
    pub fn set_write_timeout(&self, limit: impl Into<Option<Duration>>) -> io::Result<()> {
        let limit = self.checked(limit.into())?;
        self.shared.timeouts.lock().write = limit;
        Ok(())
    }

    /// Says to the client that nothing more will come. It can still send. On a stream of your own that is no socket
    /// nothing is said before it is closed.
    ///
    /// # Errors
    /// When the connection has ended already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        let limit = self.shared.timeouts.lock().write;
        loop {
            match self.shared.transport.shutdown_write() {
                Ok(()) => return Ok(()),
                Err(error) => self.pause(Direction::Write, limit, error)?,
            }
        }
    }

    /// Ends the connection in both directions, for all clones; reads that wait find its end. A call of a stream of your
    /// own that is no socket cannot be ended: the stream is closed when that returns.
    pub fn close(&self) {
        self.shared.transport.say_goodbye();
        self.shared.transport.shut_down();
    }

    /// What was agreed on by TLS; `None`: the connection is not encrypted here.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.shared.transport.tls_info().map(|info| &**info)
    }

    fn checked(&self, limit: Option<Duration>) -> io::Result<Option<Duration>> {
        if limit == Some(Duration::ZERO) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a limit of zero; `None` is no limit"));
        }
        if self.shared.transport.blocks() {
            let reason = "the stream is no socket; set a limit on the stream itself";
            return Err(io::Error::new(ErrorKind::Unsupported, reason));
        }
        Ok(limit)
    }

    /// Waits when `error` says that this helps.
    fn pause(&self, direction: Direction, limit: Option<Duration>, error: io::Error) -> io::Result<()> {
        pause(&*self.shared.transport, direction, limit, error)
    }

    /// Waits until what was written has left the layers above the socket. When that takes too long it stays there, and
    /// goes out before whatever is written next.
    fn push(&self, limit: Option<Duration>) {
        loop {
            match self.shared.transport.push() {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    if self.pause(Direction::Write, limit, error).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// What was received before, if there still is some.
    fn read_received(&self, room: &mut [u8]) -> Option<usize> {
        if !self.shared.has_received.load(Ordering::Acquire) {
            return None;
        }
        let mut received = self.shared.received.lock();
        let count = (&received.bytes[received.read..]).read(room).ok()?;
        received.read += count;
        if received.read == received.bytes.len() {
            *received = ReceivedBefore::default();
            self.shared.has_received.store(false, Ordering::Release);
        }
        (count > 0).then_some(count)
    }
}

impl Read for &HijackedConn {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        if let Some(count) = self.read_received(room) {
            return Ok(count);
        }
        loop {
            match self.shared.transport.read(room) {
                Ok(arrived) if arrived.count == 0 && self.shared.transport.is_input_cut_off() => {
                    let reason = "the connection ended, and the client had not said that it would";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, reason));
                }
                Ok(arrived) => return Ok(arrived.count),
                Err(error) => {
                    let limit = self.shared.timeouts.lock().read;
                    self.pause(Direction::Read, limit, error)?;
                }
            }
        }
    }
}

impl Write for &HijackedConn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.shared.transport.write([bytes, &[]]) {
                Ok(count) => {
                    self.push(self.shared.timeouts.lock().write);
                    return Ok(count);
                }
                Err(error) => {
                    let limit = self.shared.timeouts.lock().write;
                    self.pause(Direction::Write, limit, error)?;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.shared.transport.push() {
                Ok(0) => return self.shared.transport.flush(),
                Ok(_) => {}
                Err(error) => {
                    let limit = self.shared.timeouts.lock().write;
                    self.pause(Direction::Write, limit, error)?;
                }
            }
        }
    }
}

impl Read for HijackedConn {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (&*self).read(room)
    }
}

impl Write for HijackedConn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl Drop for Hijacked {
    fn drop(&mut self) {
        let until = Instant::now() + GOODBYE;
        // So that what was written last arrives before the end, even if something was sent that nobody has read.
        while let Err(error) = self.transport.shutdown_write() {
            // A word may have to be said for that, for which there is no room yet.
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || pause(&*self.transport, Direction::Write, Some(left), error).is_err() {
                return;
            }
        }
    }
}

/// Waits when `error` says that this helps.
fn pause(
    transport: &dyn Transport,
    direction: Direction,
    limit: Option<Duration>,
    error: io::Error,
) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock if transport.wait(transport.awaits(direction), limit)? => Ok(()),
        ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
        _ => Err(error),
    }
}

impl fmt::Debug for HijackedConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HijackedConn").field("info", &self.shared.info).finish_non_exhaustive()
    }
}
