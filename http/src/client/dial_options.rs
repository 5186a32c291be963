//! What a user says of how hosts are reached.

use super::dialler::OwnDialler;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::CallPatience;
use super::places::HostPlaces;
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
    pub(super) slots: Option<Arc<HostPlaces<()>>>,
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
