//! The sockets that shards serve, behind one type.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;

use crate::wire::transport::{ReadCount, ReadySet, Transport};

/// A connected, non-blocking socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl Transport for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<ReadCount> {
        let count = match self {
            Socket::Tcp(socket) => socket.read(room),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.read(room),
        }?;
        // The poller is edge-triggered: the next byte will be reported if there was room for more than came.
        Ok(ReadCount { count, is_drained: count < room.len() })
    }

    fn write(&mut self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        match self {
            Socket::Tcp(socket) if second.is_empty() => socket.write(first),
            Socket::Tcp(socket) => socket.write_vectored(&both),
            #[cfg(unix)]
            Socket::Unix(socket) if second.is_empty() => socket.write(first),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.write_vectored(&both),
        }
    }

    fn wait(&mut self, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, awaited.read);
        flags.set(PollFlags::OUT, awaited.write);
        // A limit beyond what the clock can hold is none.
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.poll(flags, left) {
                Ok(found) => return Ok(!found.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(self)
    }

    fn peer_has_ended(&mut self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let ended = PollFlags::RDHUP;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let ended = PollFlags::HUP;
        let ended = ended | PollFlags::HUP | PollFlags::ERR;
        // An interrupted look has seen nothing; there will be another.
        self.poll(ended, Some(Duration::ZERO)).is_ok_and(|found| found.intersects(ended))
    }

    fn is_broken(&mut self) -> bool {
        let broken = PollFlags::HUP | PollFlags::ERR;
        self.poll(broken, Some(Duration::ZERO)).is_ok_and(|found| found.intersects(broken))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn give_up_after(&mut self, limit: Option<Duration>) {
        if let Socket::Tcp(socket) = self {
            if let Err(error) = SockRef::from(&*socket).set_tcp_user_timeout(limit) {
                log::debug!("a limit for acknowledgements could not be set: {error}");
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(&mut self, file: &std::fs::File, offset: u64, count: usize) -> Option<io::Result<usize>> {
        let mut offset = offset;
        let sent = match self {
            Socket::Tcp(socket) => rustix::fs::sendfile(socket, file, Some(&mut offset), count),
            Socket::Unix(socket) => rustix::fs::sendfile(socket, file, Some(&mut offset), count),
        };
        match sent {
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => None,
            sent => Some(sent.map_err(io::Error::from)),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }
}

impl Socket {
    /// What of `flags` is there, or comes within `limit`.
    fn poll(&self, flags: PollFlags, limit: Option<Duration>) -> io::Result<PollFlags> {
        // More than the system's clock type holds is as good as for ever.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds = match self {
            Socket::Tcp(socket) => [PollFd::new(socket, flags)],
            #[cfg(unix)]
            Socket::Unix(socket) => [PollFd::new(socket, flags)],
        };
        poll(&mut fds, limit.as_ref())?;
        Ok(fds[0].revents())
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.register(registry, token, interests),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.reregister(registry, token, interests),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.deregister(registry),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.deregister(registry),
        }
    }
}
