//! A user's stream as a transport.
//!
//! The idea: anything that reads and writes will do. Of a socket more is known than that: its addresses, how to end a
//! read that waits, and how to close it so that what was sent last arrives.

use crate::ctx::PeerCredentials;
use crate::serve::exchange::{LINGER, LINGER_BYTES};
use crate::wire::in_memory::InMemoryStream;
use crate::wire::ready::wait_ready;
use crate::wire::transport::{ReadCount, ReadySet, Transport};
use parking_lot::Mutex;
use rustix::fd::AsFd;
use std::any::Any;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

/// What is to be known of a user's stream, besides that it reads and writes.
pub(crate) struct UserStream {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) remote_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) credentials: Option<PeerCredentials>,
    /// The socket that it is, if it is one.
    pub(crate) socket: Option<Arc<dyn BlockingSocket>>,
}

impl UserStream {
    pub(crate) fn new<S: Read + Write + Send + 'static>(stream: S) -> Self {
        let stream = match take::<TcpStream, S>(stream) {
            Ok(socket) => {
                let (remote_addr, local_addr) = (socket.peer_addr().ok(), socket.local_addr().ok());
                return Self { remote_addr, local_addr, ..Self::of_socket(socket) };
            }
            Err(stream) => stream,
        };
        #[cfg(unix)]
        let stream = match take::<UnixStream, S>(stream) {
            Ok(socket) => {
                let credentials = PeerCredentials::of(&socket);
                return Self { credentials, ..Self::of_socket(socket) };
            }
            Err(stream) => stream,
        };
        let stream = match take::<InMemoryStream, S>(stream) {
            Ok(stream) => {
                let (remote_addr, local_addr) = (stream.peer_addr(), stream.local_addr());
                return Self { remote_addr, local_addr, ..Self::of_socket(stream) };
            }
            Err(stream) => stream,
        };
        Self {
            transport: Arc::new(OwnStream::new(stream, None)),
            remote_addr: None,
            local_addr: None,
            credentials: None,
            socket: None,
        }
    }

    fn of_socket<T: BlockingSocket + 'static>(socket: T) -> Self
    where
        for<'a> &'a T: Read + Write,
    {
        let socket = Arc::new(socket);
        let stream = OwnStream::new(SharedSocket(socket.clone()), Some(socket.clone()));
        let transport = Arc::new(stream);
        Self { transport, remote_addr: None, local_addr: None, credentials: None, socket: Some(socket) }
    }
}

/// `stream` as what it is, if that is a `T`.
fn take<T: 'static, S: 'static>(stream: S) -> Result<T, S> {
    let mut stream = Some(stream);
    match (&mut stream as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take) {
        Some(found) => Ok(found),
        None => Err(stream.expect("it is still there when it is no `T`")),
    }
}

/// A socket whose calls block.
pub(crate) trait BlockingSocket: Send + Sync {
    /// Reads once; when nothing comes within `limit` that is an error. With `None` it does not wait at all.
    fn read_within(&self, limit: Option<Duration>, room: &mut [u8]) -> io::Result<usize>;
    fn shut_down(&self, what: Shutdown) -> io::Result<()>;

    /// The same as a transport that does not block, and whose two directions do not wait for one another.
    fn polled(self: Arc<Self>) -> io::Result<Arc<dyn Transport>>;

    /// Ends a read that waits.
    fn interrupt(&self) {
        if let Err(error) = self.shut_down(Shutdown::Read) {
            log::debug!("a connection that waits could not be interrupted: {error}");
        }
    }

    /// Shuts our side down, and throws away for a while what the peer still sends, or has sent: closing at once would
    /// reset the connection then, and with it what the peer has not read yet. When it is not known that the peer
    /// `may_be_sending`, one look says whether it has.
    fn linger(&self, may_be_sending: bool) {
        let mut room = [0; 4096];
        // Whoever had it may have made it one that does not wait; it does behind this look.
        let has_sent = matches!(self.read_within(None, &mut room), Ok(1..));
        if !may_be_sending && !has_sent || self.shut_down(Shutdown::Write).is_err() {
            return;
        }
        let (until, mut bytes) = (Instant::now() + LINGER, 0);
        while bytes < LINGER_BYTES {
            let left = until.saturating_duration_since(Instant::now());
            match self.read_within(Some(left.max(Duration::from_millis(1))), &mut room) {
                Ok(count @ 1..) if !left.is_zero() => bytes += u32::try_from(count).unwrap_or(u32::MAX),
                _ => return,
            }
        }
    }
}

macro_rules! blocking_socket {
    ($socket:ty) => {
        impl BlockingSocket for $socket {
            fn read_within(&self, limit: Option<Duration>, room: &mut [u8]) -> io::Result<usize> {
                if limit.is_some() {
                    self.set_read_timeout(limit)?;
                    return (&*self).read(room);
                }
                self.set_nonblocking(true)?;
                let read = (&*self).read(room);
                self.set_nonblocking(false)?;
                read
            }

            fn shut_down(&self, what: Shutdown) -> io::Result<()> {
                self.shutdown(what)
            }

            fn polled(self: Arc<Self>) -> io::Result<Arc<dyn Transport>> {
                self.set_nonblocking(true)?;
                Ok(Arc::new(PolledSocket(self)))
            }
        }
    };
}

blocking_socket!(TcpStream);
#[cfg(unix)]
blocking_socket!(UnixStream);

impl BlockingSocket for InMemoryStream {
    fn read_within(&self, limit: Option<Duration>, room: &mut [u8]) -> io::Result<usize> {
        InMemoryStream::read_within(self, limit, room)
    }

    fn shut_down(&self, what: Shutdown) -> io::Result<()> {
        self.shutdown(what);
        Ok(())
    }

    fn polled(self: Arc<Self>) -> io::Result<Arc<dyn Transport>> {
        Ok(Arc::new(InMemoryStream::clone(&self).into_transport()))
    }
}

/// A socket whose calls do not block.
struct PolledSocket<T>(Arc<T>);

impl<T: BlockingSocket + AsFd> Transport for PolledSocket<T>
where
    for<'a> &'a T: Read + Write,
{
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        let count = (&*self.0).read(room)?;
        Ok(ReadCount { count, is_drained: count < room.len() })
    }

    fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        (&*self.0).write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
    }

    fn wait(&self, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
        wait_ready(&*self.0, awaited, limit)
    }

    fn shut_down(&self) {
        if let Err(error) = self.0.shut_down(Shutdown::Both) {
            log::debug!("a connection could not be shut down: {error}");
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.0.shut_down(Shutdown::Write)
    }
}

/// A socket that somebody else may shut down.
struct SharedSocket<T>(Arc<T>);

impl<T> Read for SharedSocket<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(room)
    }
}

impl<T> Write for SharedSocket<T>
where
    for<'a> &'a T: Write,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// A stream that blocks by itself. What it says when its own timeout has passed differs between systems.
///
/// Shutting it down drops it, if nobody is inside of one of its calls; else it is dropped when that returns.
struct OwnStream<S> {
    stream: Mutex<Option<S>>,
    is_over: AtomicBool,
    /// The socket that it is, whose calls can be ended.
    socket: Option<Arc<dyn BlockingSocket>>,
}

impl<S> OwnStream<S> {
    fn new(stream: S, socket: Option<Arc<dyn BlockingSocket>>) -> Self {
        Self { stream: Mutex::new(Some(stream)), is_over: AtomicBool::new(false), socket }
    }

    fn call<T>(&self, call: impl FnOnce(&mut S) -> io::Result<T>) -> io::Result<T> {
        let called = match &mut *self.stream.lock() {
            // Who has waited for another call to return comes before that one looks.
            Some(stream) if !self.is_over.load(Ordering::Relaxed) => call(stream).map_err(timed_out),
            _ => Err(ErrorKind::NotConnected.into()),
        };
        fence(Ordering::SeqCst);
        if self.is_over.load(Ordering::Relaxed) {
            self.drop_if_unused();
        }
        called
    }

    fn drop_if_unused(&self) {
        if let Some(mut stream) = self.stream.try_lock() {
            *stream = None;
        }
    }
}

impl<S: Read + Write + Send + 'static> Transport for OwnStream<S> {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        let length = room.len();
        let count = self.call(|stream| stream.read(room))?;
        // A reader that claims more than it was given must not become our panic.
        Ok(ReadCount { count: count.min(length), is_drained: false })
    }

    fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let length = first.len() + second.len();
        let both = [IoSlice::new(first), IoSlice::new(second)];
        self.call(|stream| {
            let count = stream.write_vectored(&both)?.min(length);
            // Here, because whoever writes flushes behind the last byte, and this takes the stream once for both.
            if count == length {
                stream.flush()?;
            }
            Ok(count)
        })
    }

    fn blocks(&self) -> bool {
        true
    }

    fn shut_down(&self) {
        if let Some(socket) = &self.socket {
            if let Err(error) = socket.shut_down(Shutdown::Both) {
                log::debug!("a connection could not be shut down: {error}");
            }
        }
        // Said first and then tried, as whoever is in a call leaves it first and then looks: one of the two drops it.
        self.is_over.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.drop_if_unused();
    }
}

fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::thread;

    /// Each of its reads waits for a word, and is counted.
    struct Waits(mpsc::Receiver<()>, Arc<AtomicUsize>);

    impl Read for Waits {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::SeqCst);
            let _ = self.0.recv_timeout(Duration::from_secs(30));
            Ok(1)
        }
    }

    impl Write for Waits {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A call that waited for another one while the stream was shut down would wait for as long as its stream likes.
    #[test]
    fn no_call_is_begun_once_it_is_over_whoever_waits_for_it() {
        for _ in 0..30 {
            let (goes_on, waits) = mpsc::channel();
            let reads = Arc::new(AtomicUsize::new(0));
            let stream = Arc::new(OwnStream::new(Waits(waits, reads.clone()), None));
            let read = || {
                let stream = stream.clone();
                thread::spawn(move || {
                    stream.read(&mut [0]).map(|read| read.count).map_err(|error| error.kind())
                })
            };
            let first = read();
            while reads.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let second = read();
            // It is let in rather than whoever looks once it has waited for a while.
            thread::sleep(Duration::from_millis(2));
            stream.shut_down();
            goes_on.send(()).expect("the first waits");
            assert_eq!(first.join().expect("no panic"), Ok(1));
            assert_eq!(second.join().expect("no panic"), Err(ErrorKind::NotConnected));
            assert_eq!(reads.load(Ordering::SeqCst), 1);
            assert!(stream.stream.lock().is_none(), "it is dropped");
        }
    }
}
