//! What an error of accepting means, by the system's names for it.
//!
//! The rule: only what says that the socket is no listener (any more) ends accepting. Whatever else there may be, known
//! here or not, may be over the next time: it is said, and survived.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

/// What the system says when it is out of descriptors or memory. These have no stable kind.
#[cfg(unix)]
const EXHAUSTION: &[Errno] = &[Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
#[cfg(not(unix))]
const EXHAUSTION: &[Errno] = &[Errno::NOBUFS];

/// What the system says of a descriptor that is closed, no socket, or does not listen.
const NO_LISTENER: &[Errno] = &[Errno::BADF, Errno::NOTSOCK, Errno::FAULT, Errno::INVAL];

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFailure {
    /// None waits.
    NoneWaits,
    /// The one that was to be accepted has failed, for instance because its client was gone before we came.
    Connections,
    /// This process has all the descriptors that it may have.
    NoDescriptors,
    /// The system is out of something that it will have again.
    Exhausted,
    /// Anything else: the network is down, a firewall says no, an error that nobody has heard of.
    Passing,
    /// The socket says that it does not listen.
    NoListener,
}

impl AcceptFailure {
    /// What `error`, with which accepting failed, means.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock => return AcceptFailure::NoneWaits,
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
                return AcceptFailure::Connections;
            }
            // No system says so; a listener in memory does.
            ErrorKind::NotConnected => return AcceptFailure::NoListener,
            ErrorKind::OutOfMemory => return AcceptFailure::Exhausted,
            _ => {}
        }
        match Errno::from_io_error(error) {
            Some(Errno::MFILE) => AcceptFailure::NoDescriptors,
            Some(errno) if EXHAUSTION.contains(&errno) => AcceptFailure::Exhausted,
            Some(errno) if NO_LISTENER.contains(&errno) => AcceptFailure::NoListener,
            _ => AcceptFailure::Passing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_f5_only_what_is_no_listener_is_dead() {
        let system = |errno: Errno| AcceptFailure::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        // Those that pass (`man 2 accept`), and one of no system.
        let network = [
            Errno::PERM,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NOPROTOOPT,
            Errno::OPNOTSUPP,
            Errno::TIMEDOUT,
            Errno::ACCESS,
        ];
        for errno in network {
            assert_eq!(system(errno), AcceptFailure::Passing, "{errno:?}");
        }
        assert_eq!(AcceptFailure::of(&io::Error::other("a new one")), AcceptFailure::Passing);
        for errno in [Errno::CONNABORTED, Errno::CONNRESET, Errno::INTR] {
            assert_eq!(system(errno), AcceptFailure::Connections, "{errno:?}");
        }
        assert_eq!(system(Errno::MFILE), AcceptFailure::NoDescriptors);
        for errno in [Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(system(errno), AcceptFailure::Exhausted, "{errno:?}");
        }
        for errno in [Errno::BADF, Errno::NOTSOCK, Errno::FAULT, Errno::INVAL] {
            assert_eq!(system(errno), AcceptFailure::NoListener, "{errno:?}");
        }
        assert_eq!(system(Errno::AGAIN), AcceptFailure::NoneWaits);
    }
}
