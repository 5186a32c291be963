//! Listening sockets of either kind, and what an error of accepting means.

use std::io::{self, ErrorKind};

use mio::event::Source;
use rustix::io::Errno;

use crate::ctx::ConnInfo;
use crate::engine::socket::Socket;

/// What the system says when it is out of descriptors or memory. These have no stable kind.
#[cfg(unix)]
const EXHAUSTION: &[Errno] = &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
#[cfg(not(unix))]
const EXHAUSTION: &[Errno] = &[Errno::MFILE, Errno::NOBUFS];

/// A listener of either kind, non-blocking.
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
}

impl Listener {
    /// A connection that waits, if there is one.
    pub(crate) fn accept(&self) -> io::Result<(Socket, ConnInfo)> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                // Responses are written whole; waiting for more to send would only delay them.
                socket.set_nodelay(true)?;
                let info = ConnInfo::opened_now(Some(peer), socket.local_addr().ok(), false);
                Ok((Socket::Tcp(socket), info))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                Ok((Socket::Unix(listener.accept()?.0), ConnInfo::opened_now(None, None, false)))
            }
        }
    }

    /// For the poller.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            #[cfg(unix)]
            Listener::Unix(listener) => listener,
        }
    }
}

/// The connection that was to be accepted has failed, for instance because the client was gone before we came.
pub(crate) fn is_the_connections_fault(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected)
}

/// The system is out of something that it will have again.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
        || Errno::from_io_error(error).is_some_and(|errno| EXHAUSTION.contains(&errno))
}
