//! The sockets that shards serve, behind one type.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::io::Read;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
#[cfg(feature = "client")]
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mio::event::Source;
#[cfg(unix)]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::PollFlags;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fd::AsFd;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;

use crate::wire::ready::{poll_one, wait_ready};
use crate::wire::transport::{ReadCount, ReadySet, Transport};

/// A connected, non-blocking socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream, RoomReports),
    #[cfg(unix)]
    Unix(mio::net::UnixStream, RoomReports),
}

/// Whether room for what is written is of interest. Most sockets never lack it; and as each has it from the start, all
/// would have that reported once, which wakes a driver for nothing.
#[derive(Debug, Default)]
pub(crate) struct RoomReports(AtomicU8);

impl RoomReports {
    /// Something found none, and it is not reported.
    const LACKED: u8 = 1;
    const REPORTED: u8 = 2;

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }

    fn becomes(&self, state: u8) {
        self.0.store(state, Ordering::Relaxed);
    }

    /// Takes note of what came of writing.
    fn note<T>(&self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock && !self.is(Self::REPORTED) {
                self.becomes(Self::LACKED);
            }
        })
    }
}

impl Transport for Socket {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        let count = match self {
            Socket::Tcp(socket, _) => receive(socket, room),
            #[cfg(unix)]
            Socket::Unix(socket, _) => receive(socket, room),
        }?;
        // The poller is edge-triggered: the next byte will be reported if there was room for more than came.
        Ok(ReadCount { count, is_drained: count < room.len() })
    }

    fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        self.room().note(match self {
            Socket::Tcp(socket, _) if second.is_empty() => send_one(socket, first),
            Socket::Tcp(socket, _) => (&*socket).write_vectored(&both),
            #[cfg(unix)]
            Socket::Unix(socket, _) if second.is_empty() => send_one(socket, first),
            #[cfg(unix)]
            Socket::Unix(socket, _) => (&*socket).write_vectored(&both),
        })
    }

    /// Without this the head of a response with a file would be a packet of its own, because small packets do not wait
    /// otherwise.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_before_file(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let nothing_beside = &mut SendAncillaryBuffer::default();
        let sent = match self {
            Socket::Tcp(socket, _) => sendmsg(socket, &both, nothing_beside, flags),
            Socket::Unix(socket, _) => sendmsg(socket, &both, nothing_beside, flags),
        };
        self.room().note(sent.map_err(io::Error::from))
    }

    fn wait(&self, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
        match self {
            Socket::Tcp(socket, _) => wait_ready(socket, awaited, limit),
            #[cfg(unix)]
            Socket::Unix(socket, _) => wait_ready(socket, awaited, limit),
        }
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(self)
    }

    #[cfg(unix)]
    fn report_room_if_lacked(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let room = self.room();
        if !room.is(RoomReports::LACKED) {
            return Ok(());
        }
        let descriptor = match self {
            Socket::Tcp(socket, _) => socket.as_raw_fd(),
            Socket::Unix(socket, _) => socket.as_raw_fd(),
        };
        let interests = Interest::READABLE | Interest::WRITABLE;
        SourceFd(&descriptor).reregister(registry, token, interests)?;
        room.becomes(RoomReports::REPORTED);
        Ok(())
    }

    fn peer_has_ended(&self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let ended = PollFlags::RDHUP;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let ended = PollFlags::HUP;
        let ended = ended | PollFlags::HUP | PollFlags::ERR;
        // An interrupted look has seen nothing; there will be another.
        self.poll(ended, Some(Duration::ZERO)).is_ok_and(|found| found.intersects(ended))
    }

    fn is_broken(&self) -> bool {
        let broken = PollFlags::HUP | PollFlags::ERR;
        self.poll(broken, Some(Duration::ZERO)).is_ok_and(|found| found.intersects(broken))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn give_up_after(&self, limit: Option<Duration>) {
        if let Socket::Tcp(socket, _) = self {
            if let Err(error) = SockRef::from(socket).set_tcp_user_timeout(limit) {
                log::debug!("a limit for acknowledgements could not be set: {error}");
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(&self, file: &std::fs::File, offset: u64, count: usize) -> Option<io::Result<usize>> {
        let mut offset = offset;
        let sent = match self {
            Socket::Tcp(socket, _) => rustix::fs::sendfile(socket, file, Some(&mut offset), count),
            Socket::Unix(socket, _) => rustix::fs::sendfile(socket, file, Some(&mut offset), count),
        };
        match sent {
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => None,
            sent => Some(self.room().note(sent.map_err(io::Error::from))),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn shut_down(&self) {
        if let Err(error) = self.shutdown(Shutdown::Both) {
            // Mostly because the peer was faster.
            log::debug!("a connection could not be shut down: {error}");
        }
    }
}

/// Reads without what the standard library and the C library put around the call: points at which a thread can be
/// cancelled, which ours never is.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
fn receive(socket: impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, room, RecvFlags::empty())?.1)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn receive(mut socket: impl Read, room: &mut [u8]) -> io::Result<usize> {
    socket.read(room)
}

/// Writes, in the same way.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
fn send_one(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::NOSIGNAL)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_one(mut socket: impl Write, bytes: &[u8]) -> io::Result<usize> {
    socket.write(bytes)
}

impl Socket {
    /// Whether a connection that was begun stands. False: that is not known yet.
    ///
    /// # Errors
    /// Why it never will.
    #[cfg(feature = "client")]
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        let (error, peer, is_to_itself) = match self {
            Socket::Tcp(socket, _) => {
                let (peer, local) = (socket.peer_addr(), socket.local_addr().ok());
                let is_to_itself = peer.as_ref().is_ok_and(|peer| local == Some(*peer));
                (socket.take_error()?, peer.map(|_| ()), is_to_itself)
            }
            #[cfg(unix)]
            Socket::Unix(socket, _) => (socket.take_error()?, socket.peer_addr().map(|_| ()), false),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            // Where nobody listens a socket may come to be connected to itself, when the system gives it just that
            // port.
            (None, Ok(())) if is_to_itself => Err(io::ErrorKind::ConnectionRefused.into()),
            (None, Ok(())) => Ok(true),
            // Reported too early; there will be another report.
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Has small pieces leave at once.
    #[cfg(feature = "client")]
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket, _) => socket.set_nodelay(true),
            // There they do.
            #[cfg(unix)]
            Socket::Unix(..) => Ok(()),
        }
    }

    pub(crate) fn tcp(socket: mio::net::TcpStream) -> Self {
        Socket::Tcp(socket, RoomReports::default())
    }

    #[cfg(unix)]
    pub(crate) fn unix(socket: mio::net::UnixStream) -> Self {
        Socket::Unix(socket, RoomReports::default())
    }

    fn room(&self) -> &RoomReports {
        match self {
            Socket::Tcp(_, room) => room,
            #[cfg(unix)]
            Socket::Unix(_, room) => room,
        }
    }

    /// The address of this end, of a connection of TCP.
    #[cfg(feature = "client")]
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(socket, _) => socket.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(..) => None,
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Socket::Tcp(socket, _) => socket.shutdown(how),
            #[cfg(unix)]
            Socket::Unix(socket, _) => socket.shutdown(how),
        }
    }

    /// What of `flags` is there, or comes within `limit`.
    fn poll(&self, flags: PollFlags, limit: Option<Duration>) -> io::Result<PollFlags> {
        match self {
            Socket::Tcp(socket, _) => poll_one(socket, flags, limit),
            #[cfg(unix)]
            Socket::Unix(socket, _) => poll_one(socket, flags, limit),
        }
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket, _) => socket.register(registry, token, interests),
            #[cfg(unix)]
            Socket::Unix(socket, _) => socket.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket, _) => socket.reregister(registry, token, interests),
            #[cfg(unix)]
            Socket::Unix(socket, _) => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        // Where it is registered next, that has to be asked for again.
        if self.room().is(RoomReports::REPORTED) {
            self.room().becomes(RoomReports::LACKED);
        }
        match self {
            Socket::Tcp(socket, _) => socket.deregister(registry),
            #[cfg(unix)]
            Socket::Unix(socket, _) => socket.deregister(registry),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::net::{TcpListener, TcpStream};

    /// Both ends of a connection: ours, on which small packets do not wait, and the peer's, which does not block.
    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let peer = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let (ours, _) = listener.accept().expect("the peer");
        ours.set_nodelay(true).expect("an option of every connection");
        ours.set_nonblocking(true).expect("an option of every connection");
        (Socket::tcp(mio::net::TcpStream::from_std(ours)), peer)
    }

    #[test]
    fn bytes_before_a_file_leave_with_it() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"file").and_then(|()| file.rewind()).expect("room on the disk");
        // The system lets them wait for a fifth of a second, which this thread may be kept from running for.
        let have_waited = (0..50).any(|_| {
            let (ours, mut peer) = pair();
            assert_eq!(ours.write_before_file([b"he", b"ad "]).expect("room in the socket"), 5);
            peer.set_nonblocking(true).expect("an option of every connection");
            let seen = peer.read(&mut [0; 100]).map_err(|error| error.kind());
            let sent = ours.send_file(&file, 0, 4).expect("it can");
            assert_eq!(sent.expect("room in the socket"), 4);
            if seen != Err(io::ErrorKind::WouldBlock) {
                return false;
            }
            ours.shutdown_write().expect("it is connected");
            peer.set_nonblocking(false).expect("an option of every connection");
            let mut all = String::new();
            peer.read_to_string(&mut all).expect("text");
            assert_eq!(all, "head file");
            true
        });
        assert!(have_waited, "the head is always there before the file");
    }
}
