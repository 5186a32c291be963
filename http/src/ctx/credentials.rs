//! Who is at the other end of a Unix domain socket.

/// The process that has connected to a Unix domain socket, as the system knows it.
///
/// They are those of the moment at which it connected: whoever has inherited or been given the socket since is not told.
///
/// ```no_run
/// fn handler(ctx: &mut anthill_http::RequestCtx) {
///     match ctx.peer_credentials() {
///         Some(peer) if peer.uid() == 0 => ctx.set_body("the administrator"),
///         _ => ctx.error("not for you", 403),
///     }
/// }
/// # anthill_http::Server::new(handler)?.listen_and_serve_unix("/run/shop.sock", 0o666)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    pid: i32,
    uid: u32,
    gid: u32,
}

impl PeerCredentials {
    /// Those of the process at the other end of `socket`, if the system tells.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of(socket: impl rustix::fd::AsFd) -> Option<Self> {
        let found = rustix::net::sockopt::socket_peercred(socket).ok()?;
        Some(Self { pid: found.pid.as_raw_nonzero().get(), uid: found.uid.as_raw(), gid: found.gid.as_raw() })
    }

    /// Those of the process at the other end of `socket`, if the system tells.
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    pub(crate) fn of(_: impl rustix::fd::AsFd) -> Option<Self> {
        None
    }

    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its effective user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Its effective group.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}
