//! Listening sockets for an address: one, or one for each shard that share the port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the system may complete before we accept them.
pub(super) const BACKLOG: i32 = 4096;

/// A listening socket for the first address that can be had.
pub(super) fn listen(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<TcpListener> {
    let listeners = first_that_can_be_had(address, |address| Ok(vec![bind(address, Port::Own)?]));
    listeners.map(|mut listeners| listeners.remove(0))
}

/// So many listening sockets for the first address that can be had, among which the system spreads its connections.
pub(super) fn listen_shared(
    address: impl ToSocketAddrs + fmt::Debug,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    first_that_can_be_had(address, |mut address| {
        let mut listeners = Vec::with_capacity(count);
        for _ in 0..count {
            let listener = bind(address, Port::Shared)?;
            // The first may have been given a port of the system's choice.
            address.set_port(listener.local_addr()?.port());
            listeners.push(listener);
        }
        Ok(listeners)
    })
}

fn first_that_can_be_had(
    address: impl ToSocketAddrs + fmt::Debug,
    listen: impl Fn(SocketAddr) -> Result<Vec<TcpListener>, io::Error>,
) -> io::Result<Vec<TcpListener>> {
    let mut failure = None;
    let addresses = address.to_socket_addrs().map_err(|error| {
        io::Error::new(error.kind(), format!("{address:?} is not an address to listen on: {error}"))
    })?;
    for address in addresses {
        match listen(address) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other(format!("{address:?} names no address to listen on"))))
}

/// Whether others may listen on the same port, if they agree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Own,
    Shared,
}

fn bind(address: SocketAddr, port: Port) -> io::Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // `[::]` serves IPv4 too where the system allows it.
            let _ = socket.set_only_v6(false);
        }
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if port == Port::Shared {
            share_port(&socket)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|error| explain(address, port, error))
}

/// Lets other sockets listen on the same port, and has the system spread its connections among all of them.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "dragonfly"))]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(target_os = "freebsd")]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port_lb(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "dragonfly", target_os = "freebsd")))]
fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn explain(address: SocketAddr, port: Port, error: io::Error) -> io::Error {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse if port == Port::Shared => {
            "a program listens there that does not share its port, or is another user's; stop it or choose another port"
        }
        io::ErrorKind::AddrInUse => "another program listens there; stop it or choose another port",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need a privilege; choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address",
        _ => return io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")),
    };
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}; {help}"))
}
