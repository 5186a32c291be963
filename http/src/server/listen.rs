//! Listening sockets for an address, or for all addresses of a name: one for each, or one for each shard that share the
//! port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::listen_error::{explain, explain_name};
use crate::config::settings::ListenOptions;

/// How often all addresses of a name are tried anew when the port that the system chose for the first is another
/// program's at the next.
const PORT_ATTEMPTS: usize = 16;

/// Whether others may listen on the same port, if they agree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Own,
    Shared,
}

/// A listening socket for the first address that can be had.
pub(super) fn listen(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<TcpListener> {
    let mut failure = None;
    let addresses = addresses_of(address)?;
    for &address in &addresses {
        match bind(address, Port::Own, OnlyV6::No, &ListenOptions::default()) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("there is an address"))
}

/// So many listening sockets for each address that there is on this machine.
pub(super) fn listen_all(
    address: impl ToSocketAddrs + fmt::Debug,
    port: Port,
    count: usize,
    options: &ListenOptions,
) -> io::Result<Vec<TcpListener>> {
    let addresses = addresses_of(address)?;
    let may_change = addresses.len() > 1 && addresses.iter().all(|address| address.port() == 0);
    let mut attempts = 1..=PORT_ATTEMPTS;
    loop {
        let is_last = attempts.next().is_none_or(|attempt| attempt == PORT_ATTEMPTS);
        match listen_everywhere(&addresses, port, count, options) {
            Err(error) if may_change && !is_last && error.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
}

/// What `address` names, without repetitions; at least one.
fn addresses_of(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Vec<SocketAddr>> {
    let found = address.to_socket_addrs().map_err(|error| explain_name(&address, error))?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let problem = format!("{address:?} names no address to listen on");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(addresses)
}

fn listen_everywhere(
    addresses: &[SocketAddr],
    port: Port,
    count: usize,
    options: &ListenOptions,
) -> io::Result<Vec<TcpListener>> {
    // `[::]` would take what `0.0.0.0` is to have.
    let only_v6 = if addresses.iter().any(SocketAddr::is_ipv4) { OnlyV6::Yes } else { OnlyV6::No };
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(addresses.len() * count);
    let mut missing = None;
    for &(mut address) in addresses {
        for _ in 0..count {
            // The first may have been given a port of the system's choice.
            if let (0, Some(first)) = (address.port(), listeners.first()) {
                address.set_port(first.local_addr()?.port());
            }
            match bind(address, port, only_v6, options) {
                Ok(listener) => listeners.push(listener),
                // `localhost` is often both, also where there is no IPv6.
                Err(error) if is_not_here(&error) => {
                    missing = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => return Err(error),
        Some(error) => log::warn!("{error}; the other addresses are served"),
        None => {}
    }
    Ok(listeners)
}

/// Whether the machine has no such address at all.
fn is_not_here(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

/// Whether a listener for IPv6 leaves IPv4 to others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnlyV6 {
    Yes,
    No,
}

fn bind(
    address: SocketAddr,
    port: Port,
    only_v6: OnlyV6,
    options: &ListenOptions,
) -> io::Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // `[::]` serves IPv4 too where the system allows it.
            let _ = socket.set_only_v6(only_v6 == OnlyV6::Yes);
        }
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if port == Port::Shared {
            share_port(&socket)?;
        }
        // Before anything is received: the size of the window is agreed on first.
        tune(&socket, options)?;
        socket.bind(&address.into())?;
        socket.listen(options.backlog)?;
        Ok(socket.into())
    };
    listen().map_err(|error| explain(address, port == Port::Shared, error))
}

/// Sets what connections inherit from their listener.
fn tune(socket: &Socket, options: &ListenOptions) -> io::Result<()> {
    if let Some(idle) = options.keepalive {
        let mut keepalive = TcpKeepalive::new().with_time(idle);
        if let Some(interval) = options.keepalive_interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(probes) = options.keepalive_probes {
            keepalive = keepalive.with_retries(probes);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(bytes) = options.not_sent_lowat {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    Ok(())
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
