//! What a user says of how hosts are reached.

use super::dialler::{Dial, OwnDialler};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::options::ClientBuilder;
use super::patience::CallPatience;
use super::places::{HostPlaces, ReuseOrder};
use super::proxy::Proxy;
use super::secure::Encryption;
use std::net::IpAddr;
use std::sync::Arc;

/// How hosts are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialOptions {
    pub(super) dialler: Option<OwnDialler>,
    pub(super) local: Option<IpAddr>,
    pub(super) proxy: Option<Proxy>,
    /// How what is said to a proxy is encrypted, if it is; `None`: as usual.
    pub(super) proxy_tls: Option<Encryption>,
    /// Whether a proxy of HTTP is to give a connection also for what is not encrypted.
    pub(super) always_tunnels: bool,
    /// Places for connections that are being made, shared by all who share these; `None`: any number.
    slots: Option<Arc<HostPlaces<()>>>,
}

/// A place for a connection that is being made.
#[derive(Debug)]
pub(crate) struct DialSlot(Arc<HostPlaces<()>>);

impl DialOptions {
    /// A place for a connection that is to be made, in the order of arrival; `None`: it needs none.
    pub(crate) fn slot(&self, patience: &CallPatience) -> Result<Option<DialSlot>, ClientError> {
        let Some(slots) = &self.slots else { return Ok(None) };
        match slots.take(patience, patience) {
            Ok(_) => Ok(Some(DialSlot(slots.clone()))),
            Err(_) => Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::Connect))),
        }
    }
}

impl Drop for DialSlot {
    fn drop(&mut self) {
        self.0.free();
    }
}

/// How hosts are reached.
impl<K> ClientBuilder<K> {
    /// Has `dialler` make the connections, to hosts and to proxies, in the place of the client: [`Dial`]. Names are not
    /// looked up then, and addresses of one host not tried side by side.
    pub fn dialler(mut self, dialler: impl Dial + 'static) -> Self {
        self.settings.dialling.dialler = Some(OwnDialler(Arc::new(dialler)));
        self
    }

    /// The address of this machine that connections are made from. Hosts with addresses of the other family alone
    /// cannot be reached then. Default: the system chooses.
    pub fn local_addr(mut self, addr: IpAddr) -> Self {
        self.settings.dialling.local = Some(addr);
        self
    }

    /// How many connections are made at once, over all hosts; those beyond that wait in the order of arrival, within
    /// their time for connecting. Zero is no limit. Default: none.
    pub fn max_concurrent_dials(mut self, dials: usize) -> Self {
        let slots = || Arc::new(HostPlaces::new(dials, 0, ReuseOrder::Lifo));
        self.settings.dialling.slots = (dials > 0).then(slots);
        self
    }

    /// The proxies by which hosts are asked. Default: none, whatever the environment says; that is
    /// [`Proxy::from_env`].
    ///
    /// The way to the proxy, and what is said to it, is part of connecting: within
    /// [`connect_timeout`](Self::connect_timeout). When it does not give what it is asked for, that is the error
    /// [`Proxy`](ClientErrorKind::Proxy). The address that a response or an error tells is the proxy's.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.dialling.proxy = Some(proxy);
        self
    }
}
