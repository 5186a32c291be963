//! Who is at the other end of a Unix domain socket.

/// The process that has connected to a Unix domain socket, as the system knows it.
///
/// They are those of the moment at which it connected: whoever has inherited or been given the socket since is not
/// told.
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
    /// 0: that of another namespace.
    pid: i32,
    uid: u32,
    gid: u32,
}

impl PeerCredentials {
    /// Those of the process at the other end of `socket`, if the system tells.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of(socket: impl rustix::fd::AsFd) -> Option<Self> {
        // Not by rustix, which takes it for granted that no pid is 0.
        let found = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials).ok()?;
        Some(Self { pid: found.pid(), uid: found.uid(), gid: found.gid() })
    }

    /// Those of the process at the other end of `socket`, if the system tells.
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    pub(crate) fn of(_: impl rustix::fd::AsFd) -> Option<Self> {
        None
    }

    /// The process's number; `None` when it has none here, because it runs in another PID namespace: outside of the
    /// server's container, say.
    pub fn pid(&self) -> Option<i32> {
        (self.pid != 0).then_some(self.pid)
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

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn a_process_without_a_number_here_has_the_rest() {
        // What the system says where nobody has connected: as of a process in another namespace, there is no number.
        let nobody =
            PeerCredentials::of(UnixDatagram::unbound().expect("a socket")).expect("the system tells");
        assert_eq!((nobody.pid(), nobody.uid(), nobody.gid()), (None, u32::MAX, u32::MAX));

        let (one, _other) = UnixStream::pair().expect("two sockets");
        let own = PeerCredentials::of(&one).expect("the system tells");
        assert_eq!(own.pid(), i32::try_from(std::process::id()).ok());
    }
}
