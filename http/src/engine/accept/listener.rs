//! Listening sockets of either kind.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;

use crate::ctx::ConnInfo;
#[cfg(unix)]
use crate::ctx::PeerCredentials;
use crate::engine::socket::Socket;

/// A listener of either kind, non-blocking.
pub(crate) enum ListeningSocket {
    Tcp(TcpPort),
    #[cfg(unix)]
    Unix(UnixPort),
}

/// A listener of a Unix domain socket, with what is to be dropped before it does not listen any more.
#[cfg(unix)]
pub(crate) struct UnixPort {
    _file: Option<Box<dyn Send>>,
    listener: mio::net::UnixListener,
}

/// A TCP listener, and what is known of all its connections beforehand.
pub(crate) struct TcpPort {
    listener: mio::net::TcpListener,
    /// Where every connection arrives; `None`: at any of the system's addresses.
    address: Option<SocketAddr>,
    /// Whether connections have the listener's `TCP_NODELAY`, so that no call has to be spent on each; not known before
    /// the first.
    hands_down_nodelay: Option<bool>,
}

impl ListeningSocket {
    /// A TCP listener, which is made non-blocking.
    ///
    /// # Errors
    /// Those of the system, of a socket that is none.
    pub(crate) fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = only_address(&listener);
        // Responses are written whole; waiting for more to send would only delay them. Where this fails, or connections
        // do not inherit it, each is told by itself.
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        let listener = mio::net::TcpListener::from_std(listener);
        Ok(ListeningSocket::Tcp(TcpPort { listener, address, hands_down_nodelay: None }))
    }

    /// A listener of a Unix domain socket, which is made non-blocking. What stands for its `file` is dropped when it is
    /// about to listen no more.
    ///
    /// # Errors
    /// Those of the system, of a socket that is none.
    #[cfg(unix)]
    pub(crate) fn unix(
        listener: std::os::unix::net::UnixListener,
        file: Option<Box<dyn Send>>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(ListeningSocket::Unix(UnixPort {
            _file: file,
            listener: mio::net::UnixListener::from_std(listener),
        }))
    }

    /// A connection that waits, if there is one. `Ok(None)`: it was accepted, and is of no use any more.
    ///
    /// # Errors
    /// Those of accepting.
    pub(crate) fn accept(&mut self) -> io::Result<Option<(Socket, ConnInfo)>> {
        match self {
            ListeningSocket::Tcp(port) => {
                let (socket, peer) = port.listener.accept()?;
                if let Err(error) = port.set_nodelay(&socket) {
                    // Some systems say so of a connection that its client has given up.
                    log::debug!("a new connection has failed: {error}");
                    return Ok(None);
                }
                let local = port.address.or_else(|| socket.local_addr().ok());
                Ok(Some((Socket::tcp(socket), ConnInfo::opened_now(Some(peer), local, false))))
            }
            #[cfg(unix)]
            ListeningSocket::Unix(port) => {
                let socket = port.listener.accept()?.0;
                let info = ConnInfo::opened_now(None, None, false);
                let info = info.with_credentials(PeerCredentials::of(&socket));
                Ok(Some((Socket::unix(socket), info)))
            }
        }
    }

    /// Where it listens, as the log has it.
    pub(crate) fn place(&self) -> String {
        match self {
            ListeningSocket::Tcp(port) => {
                port.listener.local_addr().map_or_else(|_| "no address".to_owned(), |at| at.to_string())
            }
            #[cfg(unix)]
            ListeningSocket::Unix(port) => {
                let path = port.listener.local_addr().ok();
                let path = path.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "a Unix socket".to_owned(), |path| path.display().to_string())
            }
        }
    }

    /// For a poller.
    #[cfg(not(unix))]
    pub(crate) fn source(&mut self) -> &mut dyn mio::event::Source {
        let ListeningSocket::Tcp(port) = self;
        &mut port.listener
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for ListeningSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            ListeningSocket::Tcp(port) => port.listener.as_fd(),
            ListeningSocket::Unix(port) => port.listener.as_fd(),
        }
    }
}

impl TcpPort {
    /// Has what is written to a new connection sent at once.
    fn set_nodelay(&mut self, socket: &mio::net::TcpStream) -> io::Result<()> {
        let inherits = match self.hands_down_nodelay {
            Some(inherits) => inherits,
            None => {
                let inherits = socket.nodelay()?;
                self.hands_down_nodelay = Some(inherits);
                inherits
            }
        };
        if inherits { Ok(()) } else { socket.set_nodelay(true) }
    }
}

/// The address that every connection of `listener` arrives at, if there is only one.
fn only_address(listener: &std::net::TcpListener) -> Option<SocketAddr> {
    let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified())?;
    (!takes_any_address(listener, address)).then_some(address)
}

/// Whether the listener is given connections that were meant for other addresses, by a transparent proxy.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn takes_any_address(listener: &std::net::TcpListener, address: SocketAddr) -> bool {
    let socket = SockRef::from(listener);
    let is_transparent =
        if address.is_ipv4() { socket.ip_transparent_v4() } else { socket.ip_transparent_v6() };
    is_transparent.unwrap_or(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn takes_any_address(_: &std::net::TcpListener, _: SocketAddr) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    /// What the first connections of a listener at `address` look like.
    fn first_connections(address: &str) -> Vec<(Socket, ConnInfo, TcpStream)> {
        let listener = TcpListener::bind(address).expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let mut listener = ListeningSocket::tcp(listener).expect("a listener");
        (0..3)
            .map(|_| {
                let client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
                loop {
                    match listener.accept() {
                        Ok(Some((socket, info))) => return (socket, info, client),
                        Ok(None) => panic!("the client is there"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
            })
            .collect()
    }

    #[test]
    fn accepted_sockets_send_at_once() {
        for (socket, _, _client) in first_connections("127.0.0.1:0") {
            let Socket::Tcp(socket, _) = socket else { panic!("a TCP socket") };
            assert!(socket.nodelay().expect("an option of every TCP socket"));
        }
    }

    #[test]
    fn where_connections_inherit_nothing_each_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let socket = mio::net::TcpStream::from_std(listener.accept().expect("the client is there").0);
        let listener = mio::net::TcpListener::from_std(listener);
        let mut port = TcpPort { listener, address: None, hands_down_nodelay: None };
        for _ in 0..2 {
            socket.set_nodelay(false).expect("an option of every TCP socket");
            port.set_nodelay(&socket).expect("a socket that works");
            assert_eq!(port.hands_down_nodelay, Some(false));
            assert!(socket.nodelay().expect("an option of every TCP socket"));
        }
        std::io::Write::write_all(&mut client, b"x").expect("it is open");
    }

    #[test]
    fn local_addresses_are_those_of_the_connections() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            for (_, info, client) in first_connections(address) {
                assert_eq!(info.local_addr(), client.peer_addr().ok(), "{address}");
                assert_eq!(info.remote_addr(), client.local_addr().ok(), "{address}");
            }
        }
    }
}
