//! Why an address cannot be listened on, and what may help.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// An error of listening on `address`, with what may help. `shares`: others may listen on the same port.
pub(super) fn explain(address: SocketAddr, shares: bool, error: io::Error) -> io::Error {
    let (kind, help) = match error.kind() {
        ErrorKind::AddrInUse if shares => (
            ErrorKind::AddrInUse,
            "a program listens there that does not share its port, or is another user's; stop it or choose another port",
        ),
        ErrorKind::AddrInUse => {
            (ErrorKind::AddrInUse, "another program listens there; stop it or choose another port")
        }
        ErrorKind::PermissionDenied if address.port() < 1024 => (
            ErrorKind::PermissionDenied,
            "ports below 1024 need a privilege (`setcap cap_net_bind_service=+ep PROGRAM` gives it); or choose another port",
        ),
        ErrorKind::AddrNotAvailable => {
            (ErrorKind::AddrNotAvailable, "no interface of this machine has that address")
        }
        _ if is_without_family(&error) => (ErrorKind::Unsupported, "this machine has no such protocol"),
        _ => return explain_rest(&address, error),
    };
    io::Error::new(kind, format!("cannot listen on {address}: {error}; {help}"))
}

/// An error of listening on what `name` stands for, when it is none of those that depend on its kind.
pub(super) fn explain_rest(name: &dyn fmt::Display, error: io::Error) -> io::Error {
    let help = if is_out_of_descriptors(&error) {
        "; too many files are open; raise the limit (`ulimit -n`)"
    } else {
        ""
    };
    io::Error::new(error.kind(), format!("cannot listen on {name}: {error}{help}"))
}

/// An error of finding out what address `name` stands for.
pub(super) fn explain_name(name: &dyn fmt::Debug, error: io::Error) -> io::Error {
    let text = error.to_string();
    let help = match error.kind() {
        ErrorKind::InvalidInput if text.contains("port") => {
            "a port is a number up to 65535, 0 for any that is free"
        }
        ErrorKind::InvalidInput => {
            "write ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080; the port is missing"
        }
        _ if is_out_of_descriptors(&error) => "too many files are open; raise the limit (`ulimit -n`)",
        _ => "nobody knows the name; look at its spelling, or give an address of this machine instead",
    };
    io::Error::new(error.kind(), format!("{name:?} is not an address to listen on: {error}; {help}"))
}

#[cfg(unix)]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn is_out_of_descriptors(_: &io::Error) -> bool {
    false
}

#[cfg(unix)]
fn is_without_family(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::AFNOSUPPORT)
}

#[cfg(not(unix))]
fn is_without_family(_: &io::Error) -> bool {
    false
}
