//! Listening sockets that whoever has started the process has opened for it: systemd's socket activation
//! (`sd_listen_fds(3)`).

use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::process;

use listenfd::ListenFd;
use parking_lot::Mutex;

use super::{Listener, ServeError, Server};

/// The number of the first descriptor.
const FIRST: usize = 3;

/// How many there may be.
const COUNT_MAX: usize = 1024;

/// Whether they have been taken; they can be once.
static ARE_TAKEN: Mutex<bool> = Mutex::new(false);

impl Server {
    /// The listening sockets that systemd has opened for this process (socket activation), TCP and Unix, in the order
    /// of the unit; for [`serve_all`](Server::serve_all) and [`start_all`](Server::start_all). Needs the feature
    /// `systemd`.
    ///
    /// So the port may be below 1024 without a privilege, and connections wait instead of being refused while the
    /// program starts again. What the unit calls a socket (`FileDescriptorName=`) is its [`name`](Listener::name).
    /// Their options are those of the unit; Unix sockets' files are left to it.
    ///
    /// To be called once, and before there are other threads: the variables (`LISTEN_FDS`, `LISTEN_PID`) are taken out
    /// of the environment, so that programs that this one starts do not take the sockets for theirs.
    ///
    /// ```no_run
    /// # #[cfg(feature = "systemd")]
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let listeners = anthill_http::Server::inherited_listeners()?;
    ///     anthill_http::Server::new(|ctx| ctx.set_body("hello"))?.start_all(listeners)?.run()?;
    ///     Ok(())
    /// }
    /// # #[cfg(not(feature = "systemd"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there are none, or they are for another process, or were taken before.
    /// [`InvalidInput`](ErrorKind::InvalidInput): one of them is not a socket that listens for connections
    /// (`ListenDatagram=`, `Accept=yes`). Each says what to do.
    pub fn inherited_listeners() -> Result<Vec<Listener>, ServeError> {
        let mut are_taken = ARE_TAKEN.lock();
        if *are_taken {
            return Err(refused(
                ErrorKind::NotFound,
                "they have been taken already; pass them on inside of the program",
            )
            .into());
        }
        let count = count()?;
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(|name| Some(name).filter(|name| !name.is_empty()));
        let mut inherited = ListenFd::from_env();
        *are_taken = true;
        let taken = (0..count).map(|index| take(&mut inherited, index, names.next().flatten()));
        Ok(taken.collect::<io::Result<_>>()?)
    }
}

/// How many there are, for this process.
fn count() -> io::Result<usize> {
    let Ok(count) = env::var("LISTEN_FDS") else {
        return Err(refused(
            ErrorKind::NotFound,
            "LISTEN_FDS is not set; start the program by a socket unit of systemd, or by hand with \
             `systemd-socket-activate -l 8080 PROGRAM`",
        ));
    };
    if let Ok(pid) = env::var("LISTEN_PID") {
        let own = process::id();
        if pid.parse() != Ok(own) {
            let problem = format!(
                "they are for process {pid} (LISTEN_PID), and this is {own}; have the unit start the program itself, or a \
                 script that ends with `exec PROGRAM`"
            );
            return Err(refused(ErrorKind::NotFound, problem));
        }
    }
    match count.parse() {
        Ok(count @ 1..=COUNT_MAX) => Ok(count),
        _ => Err(refused(
            ErrorKind::NotFound,
            format!("LISTEN_FDS is {count:?}, which is no number from 1 to {COUNT_MAX}"),
        )),
    }
}

fn take(inherited: &mut ListenFd, index: usize, name: Option<&str>) -> io::Result<Listener> {
    let shown = || match name {
        Some(name) => format!("descriptor {} ({name})", FIRST + index),
        None => format!("descriptor {}", FIRST + index),
    };
    let no_listener = || {
        let problem = format!(
            "{} is no socket that listens for connections; the unit needs ListenStream= and Accept=no for it",
            shown()
        );
        refused(ErrorKind::InvalidInput, problem)
    };
    let listener = if let Ok(Some(listener)) = inherited.take_tcp_listener(index) {
        listens(&listener).then(|| Listener::from(listener))
    } else if let Ok(Some(listener)) = inherited.take_unix_listener(index) {
        listens(&listener).then(|| Listener::from(listener))
    } else {
        None
    };
    let listener = listener.ok_or_else(no_listener)?;
    Ok(match name {
        Some(name) => listener.named(name),
        None => listener,
    })
}

/// Whether it listens, and is no connection that somebody has accepted. Where the system does not say, accepting will.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listens(socket: &impl AsFd) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(true)
}

/// The same where no system says.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn listens(_: &impl AsFd) -> bool {
    true
}

fn refused(kind: ErrorKind, why: impl Into<String>) -> io::Error {
    io::Error::new(kind, format!("no listening sockets were inherited: {}", why.into()))
}
