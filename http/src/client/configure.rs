//! What is otherwise for one host than for all, of a client that goes to any.

use super::dialler::{Dial, OwnDialler};
use super::proxy::Proxy;
use super::settings::HostSettings;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a hook may have otherwise for one host:
/// [`ClientBuilder::configure_host`](super::ClientBuilder::configure_host).
#[derive(Debug)]
pub struct HostOptions<'a> {
    host: &'a str,
    port: u16,
    is_https: bool,
    pub(super) settings: HostSettings,
}

/// See [`ClientBuilder::configure_host`](super::ClientBuilder::configure_host).
#[derive(Clone)]
pub(crate) struct HostHook(Arc<ConfigureHost>);

type ConfigureHost = dyn Fn(&mut HostOptions<'_>) -> Result<(), HookError> + Send + Sync;

type HookError = Box<dyn Error + Send + Sync>;

impl HostHook {
    pub(super) fn new(
        hook: impl Fn(&mut HostOptions<'_>) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(hook))
    }

    /// What comes of `settings` for a host.
    pub(super) fn configured(
        &self,
        settings: HostSettings,
        host: &str,
        port: u16,
        is_https: bool,
    ) -> Result<HostSettings, HookError> {
        let mut options = HostOptions { host, port, is_https, settings };
        (self.0)(&mut options)?;
        Ok(options.settings)
    }
}

impl fmt::Debug for HostHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostHook")
    }
}

impl HostOptions<'_> {
    /// The name of the host, or its address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections to it are encrypted.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// As [`ClientBuilder::max_conns`](super::ClientBuilder::max_conns), for this host; 0 is 1.
    pub fn max_conns(&mut self, conns: usize) {
        self.settings.pool.conns_max = conns.max(1);
    }

    /// As [`ClientBuilder::max_idle_conns`](super::ClientBuilder::max_idle_conns), for this host.
    pub fn max_idle_conns(&mut self, conns: usize) {
        self.settings.pool.idle_max = conns;
    }

    /// As [`ClientBuilder::conn_wait_timeout`](super::ClientBuilder::conn_wait_timeout), for this host.
    pub fn conn_wait_timeout(&mut self, limit: Duration) {
        self.settings.timeouts.conn_wait = limit;
    }

    /// As [`ClientBuilder::connect_timeout`](super::ClientBuilder::connect_timeout), for this host.
    pub fn connect_timeout(&mut self, limit: Duration) {
        self.settings.timeouts.connect = Some(limit);
    }

    /// As [`ClientBuilder::read_timeout`](super::ClientBuilder::read_timeout), for this host.
    pub fn read_timeout(&mut self, limit: Duration) {
        self.settings.timeouts.read = Some(limit);
    }

    /// As [`ClientBuilder::write_timeout`](super::ClientBuilder::write_timeout), for this host.
    pub fn write_timeout(&mut self, limit: Duration) {
        self.settings.timeouts.write = Some(limit);
    }

    /// As [`ClientBuilder::max_response_body_size`](super::ClientBuilder::max_response_body_size), for this host.
    pub fn max_response_body_size(&mut self, bytes: u64) {
        self.settings.limits.body_bytes = Some(bytes);
    }

    /// As [`ClientBuilder::proxy`](super::ClientBuilder::proxy), for this host; `None`: it is asked directly.
    pub fn proxy(&mut self, proxy: Option<Proxy>) {
        self.settings.dialling.proxy = proxy;
    }

    /// As [`ClientBuilder::dialler`](super::ClientBuilder::dialler), for this host.
    pub fn dialler(&mut self, dialler: impl Dial + 'static) {
        self.settings.dialling.dialler = Some(OwnDialler(Arc::new(dialler)));
    }

    /// As [`ClientBuilder::tls`](super::ClientBuilder::tls), for this host, if connections to it are encrypted.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(&mut self, config: super::ClientTlsConfig) {
        if self.is_https {
            self.settings.tls = Some(config);
        }
    }
}
