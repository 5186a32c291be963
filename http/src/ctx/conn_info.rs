//! What is known about the connection that a request came in on.

use super::credentials::PeerCredentials;
use super::packed::{Opened, PackedAddress};
use crate::proto::{ProxiedClient, ProxyHeader};
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use std::net::{IpAddr, SocketAddr};
#[cfg(feature = "tls-no-provider")]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The next connection's number; 0 is no connection's.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What is known of the other end.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Unknown,
    At(PackedAddress),
    Process(PeerCredentials),
}

const _: () = assert!(size_of::<Peer>() == size_of::<PackedAddress>());

/// Facts about the connection that a request came in on.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    facts: ConnFacts,
    pub(super) request_number: u64,
    #[cfg(feature = "tls-no-provider")]
    tls: Option<Arc<TlsInfo>>,
}

/// What a [`ConnInfo`] is made of, without a request: every parked connection has these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnFacts {
    id: u64,
    peer: Peer,
    local_addr: Option<PackedAddress>,
    opened: Opened,
}

impl ConnInfo {
    /// A connection that has just been opened. It gets the next number.
    pub(crate) fn opened_now(
        remote_addr: Option<SocketAddr>,
        local_addr: Option<SocketAddr>,
        is_tls: bool,
    ) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let mut info = Self::new(id, remote_addr, local_addr, SystemTime::now());
        info.facts.opened = Opened::new(info.time(), is_tls);
        info
    }

    /// A connection with number `id` that was opened at `opened` and, where there are any, the addresses of its ends.
    pub(crate) fn new(
        id: u64,
        remote_addr: Option<SocketAddr>,
        local_addr: Option<SocketAddr>,
        opened: SystemTime,
    ) -> Self {
        let peer = remote_addr.map_or(Peer::Unknown, |address| Peer::At(address.into()));
        let local_addr = local_addr.map(Into::into);
        ConnFacts { id, peer, local_addr, opened: Opened::new(opened, false) }.into()
    }

    /// The same of a connection that a proxy has made, which is to say whose it is.
    pub(crate) fn behind_proxy(mut self) -> Self {
        self.facts.opened = self.facts.opened.behind_proxy();
        self
    }

    /// Whether a header of the PROXY protocol is still to come: until then this is about the proxy.
    pub(crate) fn awaits_proxy_header(&self) -> bool {
        self.facts.awaits_proxy_header()
    }

    /// The same of a connection that is encrypted here, or will be.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn over_tls(mut self) -> Self {
        self.facts.opened = self.facts.opened.over_tls();
        self
    }

    /// Says what was agreed on for that.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn set_tls(&mut self, tls: Option<&Arc<TlsInfo>>) {
        self.tls = tls.cloned();
    }

    /// The same with what is known of a peer on a Unix domain socket, unless an address is.
    pub(crate) fn with_credentials(mut self, credentials: Option<PeerCredentials>) -> Self {
        if let (Peer::Unknown, Some(process)) = (self.facts.peer, credentials) {
            self.facts.peer = Peer::Process(process);
        }
        self
    }

    /// What it is made of.
    pub(crate) fn facts(&self) -> &ConnFacts {
        &self.facts
    }

    /// The connection's number, unique within the process.
    pub fn id(&self) -> u64 {
        self.facts.id
    }

    /// The peer's address, whatever [`RequestCtx::set_remote_addr`](crate::RequestCtx::set_remote_addr) says: the
    /// client's, where a proxy has named it by the [PROXY protocol](crate::Listener::proxy_protocol). `None` when it is
    /// not known (not TCP, and no [`ConnOptions`](crate::ConnOptions) said so).
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.facts.remote_addr()
    }

    /// Our own address; `None` when it is not known (not TCP, and no [`ConnOptions`](crate::ConnOptions) said so).
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.facts.local_addr.map(Into::into)
    }

    /// When the connection was opened.
    pub fn time(&self) -> SystemTime {
        self.facts.opened.time()
    }

    /// Whether the connection is encrypted by TLS: here, at a listener with certificates, or elsewhere, as far as the
    /// server was told, by [`ConnOptions::tls`](crate::ConnOptions::tls) or by a proxy that speaks the [PROXY
    /// protocol](crate::Listener::proxy_protocol).
    pub fn is_tls(&self) -> bool {
        self.facts.opened.is_tls()
    }

    /// What was agreed on by TLS; `None`: the connection is not encrypted here, or not yet.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Who was at the other end of a Unix domain socket when the connection was made, as the system says; `None` on
    /// every other connection, where [`ConnOptions`](crate::ConnOptions) gave an address, and on systems other than
    /// Linux and Android.
    pub fn peer_credentials(&self) -> Option<PeerCredentials> {
        match self.facts.peer {
            Peer::Process(process) => Some(process),
            Peer::Unknown | Peer::At(_) => None,
        }
    }

    /// The peer's address, as the log has it.
    pub(crate) fn peer_text(&self) -> String {
        text(self.remote_addr())
    }

    /// Our own address, as the log has it.
    pub(crate) fn local_text(&self) -> String {
        text(self.local_addr())
    }

    /// The number of the request on this connection, from 1.
    pub fn request_number(&self) -> u64 {
        self.request_number
    }
}

impl ConnFacts {
    /// The connection's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        match self.peer {
            Peer::At(address) => Some(address.into()),
            Peer::Unknown | Peer::Process(_) => None,
        }
    }

    /// The address that counts for a limit per address; IPv4 also where it is written as IPv6. None while it is not
    /// known whose the connection is.
    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        self.remote_addr().filter(|_| !self.awaits_proxy_header()).map(|address| address.ip().to_canonical())
    }

    /// Whether a header of the PROXY protocol is still to come: until then this is about the proxy.
    #[inline]
    pub(crate) fn awaits_proxy_header(&self) -> bool {
        self.opened.is_behind_proxy()
    }

    /// As [`ConnInfo::is_tls`].
    #[cfg(feature = "tls-no-provider")]
    #[inline]
    pub(crate) fn is_tls(&self) -> bool {
        self.opened.is_tls()
    }

    /// The same behind that header.
    pub(crate) fn named_by(self, header: &ProxyHeader) -> Self {
        let opened = Opened::new(self.opened.time(), self.opened.is_tls() || header.is_tls);
        let named = Self { opened, ..self };
        match header.client {
            ProxiedClient::Nobody => named,
            ProxiedClient::At(client, server) => {
                Self { peer: Peer::At(client.into()), local_addr: Some(server.into()), ..named }
            }
            ProxiedClient::WithoutAddress => Self { peer: Peer::Unknown, local_addr: None, ..named },
        }
    }
}

/// Before its first request.
impl From<ConnFacts> for ConnInfo {
    fn from(facts: ConnFacts) -> Self {
        Self {
            facts,
            request_number: 0,
            #[cfg(feature = "tls-no-provider")]
            tls: None,
        }
    }
}

fn text(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "no address".to_owned(), |address| address.to_string())
}

impl Default for ConnInfo {
    /// No connection: number 0, no addresses, opened in 1970.
    fn default() -> Self {
        Self::new(0, None, None, SystemTime::UNIX_EPOCH)
    }
}
