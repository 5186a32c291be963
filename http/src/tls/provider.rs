//! Whose cryptography it is.
//!
//! The rule: none is installed for the process. One that the user has installed is taken where no feature brings one.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

use super::error::TlsError;

/// Sessions that are remembered where no tickets can be made.
const SESSIONS: usize = 4096;

/// The provider of the features.
///
/// # Errors
/// When there is none.
pub(super) fn of_features() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "tls")]
    {
        Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
    }
    #[cfg(all(feature = "tls-ring", not(feature = "tls")))]
    {
        Ok(Arc::new(rustls::crypto::ring::default_provider()))
    }
    #[cfg(not(any(feature = "tls", feature = "tls-ring")))]
    {
        CryptoProvider::get_default().cloned().ok_or_else(|| {
            let problem = "is missing: switch on the feature `tls` or `tls-ring` of anthill-http, or give one by \
                           `crypto_provider` of `TlsConfigBuilder`, or of `ClientTlsConfigBuilder`";
            TlsError::new("a provider of cryptography", problem)
        })
    }
}

/// How clients come back without a whole handshake.
#[derive(Clone, Debug)]
pub(super) enum Resumption {
    /// They keep what is to be known, sealed by a key of ours.
    #[cfg_attr(
        not(any(feature = "tls", feature = "tls-ring")),
        allow(dead_code, reason = "no provider is ours")
    )]
    Tickets(Arc<dyn ProducesTickets>),
    /// They are remembered here.
    Remembered(Arc<dyn StoresServerSessions>),
    /// They do not.
    Never,
}

impl Resumption {
    /// By tickets where a provider of ours has what that takes.
    ///
    /// # Errors
    /// When there is no chance to be had of the system.
    #[cfg_attr(
        not(any(feature = "tls", feature = "tls-ring")),
        allow(unused_variables, reason = "no provider is ours")
    )]
    pub(super) fn new(is_own_provider: bool) -> Result<Self, TlsError> {
        #[cfg(any(feature = "tls", feature = "tls-ring"))]
        if !is_own_provider {
            #[cfg(feature = "tls")]
            use rustls::crypto::aws_lc_rs::Ticketer;
            #[cfg(all(feature = "tls-ring", not(feature = "tls")))]
            use rustls::crypto::ring::Ticketer;
            let failed = |error| TlsError::new("the key of session tickets", "cannot be made").because(error);
            return Ticketer::new().map(Self::Tickets).map_err(failed);
        }
        Ok(Self::Remembered(ServerSessionMemoryCache::new(SESSIONS)))
    }
}
