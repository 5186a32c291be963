//! Streams in memory: a connection without a socket, for tests and for what runs in one process.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

#[cfg(feature = "http")]
use crate::util::panic::Contained;
#[cfg(feature = "testing")]
use crate::wire::pipe::FlowFaults;
use crate::wire::pipe::{Pipe, PipeEnd};
use crate::wire::transport::{Direction, ReadCount, ReadySet, Transport};
use crate::wire::wake::Waker;

/// One end of a connection in memory, which reads and writes as a `TcpStream` does; of [`pair`](Self::pair) (fasthttp's
/// `PipeConns`) and of [`InMemoryListener::dial`](crate::InMemoryListener::dial).
///
/// Up to 64 KiB are under way in each direction; who writes more waits for the other end to read. When an end is
/// dropped, or shut down, the other still reads what was written before, and then the end of the stream; what it writes
/// is [`BrokenPipe`](io::ErrorKind::BrokenPipe). Clones are the same end, which is closed with the last of them.
///
/// ```
/// use std::io::{Read, Write};
///
/// let (mut client, server) = anthill_http::InMemoryStream::pair();
/// let server = std::thread::spawn(move || anthill_http::Server::new(|ctx| ctx.set_body("hello"))?.serve_conn(server)
///     .map_err(Box::<dyn std::error::Error + Send + Sync>::from));
/// client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.ends_with("\r\n\r\nhello"));
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct InMemoryStream {
    inner: Arc<OneEnd>,
}

/// An end of a pipe, which is closed with this.
struct OneEnd {
    pipe: Arc<Pipe>,
    end: PipeEnd,
    addresses: Mutex<Addresses>,
    /// What the other end has left for whoever handles its request.
    #[cfg(feature = "http")]
    extensions: Mutex<Option<Contained<::http::Extensions>>>,
}

/// Where an end is, and where the other is, as far as somebody has said so.
#[derive(Clone, Copy, Debug, Default)]
struct Addresses {
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
}

impl Drop for OneEnd {
    fn drop(&mut self) {
        self.pipe.shut_down(self.end, Shutdown::Both);
    }
}

impl InMemoryStream {
    /// Both ends of a connection, which have no addresses.
    pub fn pair() -> (Self, Self) {
        let pipe = Arc::new(Pipe::default());
        let [first, second] = [PipeEnd::First, PipeEnd::Second].map(|end| {
            let inner = OneEnd {
                pipe: pipe.clone(),
                end,
                addresses: Mutex::default(),
                #[cfg(feature = "http")]
                extensions: Mutex::default(),
            };
            Self { inner: Arc::new(inner) }
        });
        (first, second)
    }

    /// Says where this end is, and where the other is (fasthttp's `SetAddresses`), for
    /// [`RequestCtx::local_addr`](crate::RequestCtx::local_addr) and [`remote_addr`](crate::RequestCtx::remote_addr) of
    /// a server that serves it. The other end is not told.
    pub fn set_addrs(&self, local: Option<SocketAddr>, peer: Option<SocketAddr>) {
        *self.inner.addresses.lock() = Addresses { local, peer };
    }

    /// Leaves something at this end for whoever handles the request that comes to it.
    #[cfg(feature = "tower")]
    pub(crate) fn set_extensions(&self, extensions: ::http::Extensions) {
        *self.inner.extensions.lock() = Some(Contained::new(extensions));
    }

    /// Where this end is; `None` unless somebody has said so.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.addresses.lock().local
    }

    /// Where the other end is; `None` unless somebody has said so.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.inner.addresses.lock().peer
    }

    /// How long each read waits, [`TimedOut`](io::ErrorKind::TimedOut) then; `None` (when not set): for ever. Also of
    /// reads that wait already, from their beginning.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): no time at all.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = some_time(timeout)?;
        self.inner.pipe.set_read_limit(self.inner.end, |limit| limit.timeout = timeout);
        Ok(())
    }

    /// As [`set_read_timeout`](Self::set_read_timeout), for writes.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): no time at all.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = some_time(timeout)?;
        self.inner.pipe.set_write_limit(self.inner.end, |limit| limit.timeout = timeout);
        Ok(())
    }

    /// Until when reads wait, [`TimedOut`](io::ErrorKind::TimedOut) from then on (fasthttp's `SetReadDeadline`); `None`
    /// (when not set): for ever. Also of reads that wait already. What is there is read all the same.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) {
        self.inner.pipe.set_read_limit(self.inner.end, |limit| limit.deadline = deadline);
    }

    /// As [`set_read_deadline`](Self::set_read_deadline), for writes.
    pub fn set_write_deadline(&self, deadline: Option<Instant>) {
        self.inner.pipe.set_write_limit(self.inner.end, |limit| limit.deadline = deadline);
    }

    /// Ends reading, writing or both at this end, for all its clones, and ends their waits: reads bring the end of the
    /// stream, writes [`BrokenPipe`](io::ErrorKind::BrokenPipe). What the other end has written and this one has not
    /// read is lost with reading.
    pub fn shutdown(&self, what: Shutdown) {
        self.inner.pipe.shut_down(self.inner.end, what);
    }

    /// The same end for whoever drives connections: nothing waits, and `shut_down` is for all.
    pub(crate) fn into_transport(self) -> InMemoryTransport {
        InMemoryTransport(self)
    }

    /// As a read with this limit in place of the stream's own; `None`: it does not wait.
    pub(crate) fn read_within(&self, limit: Option<Duration>, room: &mut [u8]) -> io::Result<usize> {
        let (pipe, end) = (&self.inner.pipe, self.inner.end);
        pipe.wait(end, Direction::Read.into(), Some(limit.unwrap_or_default()));
        pipe.try_read(end, room).map(|read| read.count)
    }
}

fn some_time(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    if timeout == Some(Duration::ZERO) {
        let problem = "a timeout of no time; for calls that do not wait set a deadline that has passed";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(timeout)
}

/// For tests.
#[cfg(feature = "testing")]
impl InMemoryStream {
    /// Does that to what this end writes from now on, and to what it reads.
    pub(crate) fn set_faults(&self, outgoing: FlowFaults, incoming: FlowFaults) {
        self.inner.pipe.set_faults(self.inner.end, outgoing, incoming);
    }

    /// Waits until the other end has read all that this one has written, or will read no more. False: `until` came
    /// first.
    pub(crate) fn wait_taken(&self, until: Instant) -> bool {
        self.inner.pipe.wait_taken(self.inner.end, until)
    }

    /// Whether the other end will write nothing more.
    pub(crate) fn has_other_ended(&self) -> bool {
        self.inner.pipe.has_other_ended(self.inner.end).0
    }

    /// The same end for whoever only wants to cut it off, and does not keep it open.
    pub(crate) fn cutter(&self) -> StreamCutter {
        StreamCutter(Arc::downgrade(&self.inner))
    }
}

/// An end of a connection in memory that can be cut off while others have it.
#[cfg(feature = "testing")]
pub(crate) struct StreamCutter(std::sync::Weak<OneEnd>);

#[cfg(feature = "testing")]
impl StreamCutter {
    /// Ends reading and writing. False: nobody has it any more.
    pub(crate) fn cut(&self) -> bool {
        self.0.upgrade().inspect(|end| end.pipe.shut_down(end.end, Shutdown::Both)).is_some()
    }

    /// Whether somebody has it.
    pub(crate) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Read for &InMemoryStream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() { Ok(0) } else { self.inner.pipe.read(self.inner.end, room) }
    }
}

impl Write for &InMemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.pipe.write(self.inner.end, [bytes, &[]])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [first, second, ..] => self.inner.pipe.write(self.inner.end, [first, second]),
            [only] => self.write(only),
            [] => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for InMemoryStream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (&*self).read(room)
    }
}

impl Write for InMemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for InMemoryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { local, peer } = *self.inner.addresses.lock();
        f.debug_struct("InMemoryStream").field("local_addr", &local).field("peer_addr", &peer).finish()
    }
}

/// An end whose calls do not block.
pub(crate) struct InMemoryTransport(InMemoryStream);

impl InMemoryTransport {
    fn end(&self) -> (&Pipe, PipeEnd) {
        (&self.0.inner.pipe, self.0.inner.end)
    }
}

impl Transport for InMemoryTransport {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        let (pipe, end) = self.end();
        pipe.try_read(end, room)
    }

    fn write(&self, slices: [&[u8]; 2]) -> io::Result<usize> {
        let (pipe, end) = self.end();
        pipe.try_write(end, slices)
    }

    /// A waker says that something is different, but not what.
    fn awaited_reports(&self, _: Direction) -> ReadySet {
        ReadySet { read: true, write: true }
    }

    fn wait(&self, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
        let (pipe, end) = self.end();
        Ok(pipe.wait(end, awaited, limit))
    }

    fn set_waker(&self, waker: Option<Waker>) -> bool {
        let (pipe, end) = self.end();
        pipe.set_waker(end, waker);
        true
    }

    fn peer_has_ended(&self) -> bool {
        let (pipe, end) = self.end();
        pipe.has_other_ended(end).0
    }

    fn has_peer_ended_unreported(&self) -> bool {
        self.peer_has_ended()
    }

    fn is_broken(&self) -> bool {
        let (pipe, end) = self.end();
        pipe.has_other_ended(end).1
    }

    #[cfg(feature = "http")]
    fn take_extensions(&self) -> Option<::http::Extensions> {
        let kept = self.0.inner.extensions.lock().take();
        kept.and_then(Contained::into_inner)
    }

    fn shut_down(&self) {
        self.0.shutdown(Shutdown::Both);
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write);
        Ok(())
    }
}
