//! What a user says of how hosts are reached.

use super::dialler::{Dial, OwnDialler};
use super::options::ClientBuilder;
use super::places::{HostPlaces, ReuseOrder};
use super::proxy::Proxy;
use std::net::IpAddr;
use std::sync::Arc;

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
    /// [`Proxy`](super::ClientErrorKind::Proxy). The address that a response or an error tells is the proxy's.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.dialling.proxy = Some(proxy);
        self
    }
}
