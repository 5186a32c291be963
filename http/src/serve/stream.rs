//! A user's stream as a transport.
//!
//! The idea: anything that reads and writes will do. Of a socket more is known than that: its addresses, and how to end a
//! read that waits.

use crate::serve::standalone::Interrupt;
use crate::wire::transport::{Arrived, Wire};
use std::any::Any;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

/// What is to be known of a user's stream, besides that it reads and writes.
pub(crate) struct UserStream {
    pub(crate) transport: Box<dyn Wire>,
    pub(crate) remote_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    /// Ends a read that waits.
    pub(crate) interrupt: Option<Interrupt>,
}

impl UserStream {
    pub(crate) fn new<S: Read + Write + Send + 'static>(stream: S) -> Self {
        let stream = match take::<TcpStream, S>(stream) {
            Ok(socket) => return Self::of_socket(socket),
            Err(stream) => stream,
        };
        #[cfg(unix)]
        let stream = match take::<std::os::unix::net::UnixStream, S>(stream) {
            Ok(socket) => return Self::shared(socket, |socket| socket.shutdown(Shutdown::Read)),
            Err(stream) => stream,
        };
        Self { transport: Box::new(OwnStream(stream)), remote_addr: None, local_addr: None, interrupt: None }
    }

    fn of_socket(socket: TcpStream) -> Self {
        let (remote_addr, local_addr) = (socket.peer_addr().ok(), socket.local_addr().ok());
        Self { remote_addr, local_addr, ..Self::shared(socket, |socket| socket.shutdown(Shutdown::Read)) }
    }

    /// A stream that `stop_reading` can be called for while it is read.
    fn shared<T>(socket: T, stop_reading: fn(&T) -> io::Result<()>) -> Self
    where
        T: Send + Sync + 'static,
        for<'a> &'a T: Read + Write,
    {
        let shared = Arc::new(socket);
        let waiting = Arc::downgrade(&shared);
        let interrupt: Interrupt = Box::new(move || {
            // One that is gone already waits no more, and one that cannot be shut down is.
            if let Some(Err(error)) = waiting.upgrade().map(|socket| stop_reading(&socket)) {
                log::debug!("a connection that waits could not be interrupted: {error}");
            }
        });
        let transport = Box::new(OwnStream(Shared(shared)));
        Self { transport, remote_addr: None, local_addr: None, interrupt: Some(interrupt) }
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

/// A socket that somebody else may shut down.
struct Shared<T>(Arc<T>);

impl<T> Read for Shared<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(room)
    }
}

impl<T> Write for Shared<T>
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
pub(crate) struct OwnStream<S>(pub(crate) S);

impl<S: Read + Write + Send + 'static> Wire for OwnStream<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<Arrived> {
        let length = room.len();
        let count = self.0.read(room).map_err(timed_out)?;
        // A reader that claims more than it was given must not become our panic.
        Ok(Arrived { count: count.min(length), is_drained: false })
    }

    fn write(&mut self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let length = first.len() + second.len();
        let both = [IoSlice::new(first), IoSlice::new(second)];
        self.0.write_vectored(&both).map(|count| count.min(length)).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}
