//! What whoever has started the process wants to know of it: systemd's notifications (`sd_notify(3)`), for units of
//! `Type=notify`.
//!
//! The rule: a program that nobody waits for is not disturbed. Without the variable nothing happens, and what goes
//! wrong is told to the log.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variable that says where notifications go.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long whoever is to be told may take to take it.
const LIMIT: Duration = Duration::from_secs(1);

/// Tells that the process serves, and what is shown of it.
pub(super) fn ready(status: &str) {
    tell("READY=1", status);
}

/// Tells that the process is about to end, and what is shown of it.
pub(super) fn stopping(status: &str) {
    tell("STOPPING=1", status);
}

fn tell(state: &str, status: &str) {
    let Some(place) = env::var_os(SOCKET).filter(|place| !place.is_empty()) else { return };
    // A line break would begin another assignment.
    let status = status.replace('\n', " ");
    if let Err(error) = send(&place, format!("{state}\nSTATUS={status}\n").as_bytes()) {
        log::warn!("{state} could not be told to the service manager ({SOCKET}={place:?}): {error}");
    }
}

fn send(place: &OsStr, message: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(LIMIT))?;
    socket.send_to_addr(message, &address(place)?).map(drop)
}

fn address(place: &OsStr) -> io::Result<SocketAddr> {
    match place.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(place),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        [b'@', name @ ..] => {
            #[cfg(target_os = "android")]
            use std::os::android::net::SocketAddrExt;
            #[cfg(target_os = "linux")]
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
        }
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor an abstract name")),
    }
}
