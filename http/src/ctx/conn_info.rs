//! What is known about the connection that a request came in on.

use std::net::SocketAddr;
use std::time::SystemTime;

/// Facts about the connection that a request came in on.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    id: u64,
    remote_addr: Option<SocketAddr>,
    local_addr: Option<SocketAddr>,
    opened: SystemTime,
    pub(super) request_number: u64,
}

impl ConnInfo {
    /// A connection with number `id` that was opened at `opened` and, where there are any, the addresses of its ends.
    pub(crate) fn new(
        id: u64,
        remote_addr: Option<SocketAddr>,
        local_addr: Option<SocketAddr>,
        opened: SystemTime,
    ) -> Self {
        Self { id, remote_addr, local_addr, opened, request_number: 0 }
    }

    /// The connection's number, unique within the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The peer's address; `None` when the connection is not TCP.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote_addr
    }

    /// Our own address; `None` when the connection is not TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// When the connection was opened.
    pub fn time(&self) -> SystemTime {
        self.opened
    }

    /// The number of the request on this connection, from 1.
    pub fn request_number(&self) -> u64 {
        self.request_number
    }
}

impl Default for ConnInfo {
    /// No connection: number 0, no addresses, opened in 1970.
    fn default() -> Self {
        Self::new(0, None, None, SystemTime::UNIX_EPOCH)
    }
}
