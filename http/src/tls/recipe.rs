//! What a session's configuration is made of, and made anew when files have changed.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;

use super::by_name::ByName;
use super::client_auth::Authorities;
use super::error::TlsError;
use super::pair::{CertifiedPair, PairSource, Validity, day};
use super::pem::Material;
use super::provider::{self, Resumption};
use crate::ctx::HijackedConn;

const HTTP: &[u8] = b"http/1.1";

/// Takes a connection on which another protocol is spoken.
pub(crate) type AlpnHandler = Arc<dyn Fn(HijackedConn) + Send + Sync>;

/// The protocols that are offered beside HTTP, the preferred first.
#[derive(Clone, Default)]
pub(super) struct Protocols(Vec<(Vec<u8>, AlpnHandler)>);

impl Protocols {
    pub(super) fn add(&mut self, name: &[u8], handler: AlpnHandler) {
        self.0.push((name.to_vec(), handler));
    }

    /// Who takes connections of this protocol.
    pub(super) fn handler(&self, name: &[u8]) -> Option<&AlpnHandler> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, handler)| handler)
    }

    /// All names, as they are offered.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|(name, _)| name.clone()).chain([HTTP.to_vec()]).collect()
    }

    /// # Errors
    /// When a name cannot be one, or is HTTP's.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        for (place, (name, _)) in self.0.iter().enumerate() {
            let problem = if name.is_empty() || name.len() > 255 {
                "has to have 1 to 255 bytes"
            } else if name.starts_with(b"http/1.") {
                "is what the server speaks itself"
            } else if self.0[..place].iter().any(|(known, _)| known == name) {
                "was added twice"
            } else {
                continue;
            };
            return Err(TlsError::new(format!("the protocol `{}`", name.escape_ascii()), problem));
        }
        Ok(())
    }

    /// # Errors
    /// When somebody else's list offers what nobody here speaks.
    pub(super) fn check_offer(&self, offered: &[Vec<u8>]) -> Result<(), TlsError> {
        match offered.iter().find(|name| !name.starts_with(b"http/1.") && self.handler(name).is_none()) {
            None => Ok(()),
            Some(name) => {
                let subject = format!("the protocol `{}` of `alpn_protocols`", name.escape_ascii());
                Err(TlsError::new(subject, "is spoken by nobody here; leave it out"))
            }
        }
    }
}

impl fmt::Debug for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name.escape_ascii().to_string())).finish()
    }
}

/// See the module's text.
pub(super) struct Recipe {
    pub(super) pairs: Vec<PairSource>,
    pub(super) authorities: Option<Authorities>,
    pub(super) protocols: Protocols,
    pub(super) has_tickets: bool,
    pub(super) provider: Option<Arc<CryptoProvider>>,
}

/// What was made of a recipe.
pub(super) struct MadeConfig {
    pub(super) config: Arc<ServerConfig>,
    pub(super) kept: KeptFromBefore,
    pub(super) certificates: Vec<(String, Validity)>,
}

/// What is taken along when it is made anew.
#[derive(Clone)]
pub(super) struct KeptFromBefore {
    resumption: Resumption,
    /// Those whom clients have been verified by who come back.
    authorities: Vec<u8>,
}

impl Recipe {
    /// All files that it reads.
    pub(super) fn materials(&self) -> impl Iterator<Item = &Material> {
        let pairs = self.pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(self.authorities.iter().map(|authorities| &authorities.material))
    }

    /// Reads everything, and makes a configuration of it. Clients who came before can come back if `before` is given.
    ///
    /// # Errors
    /// When something is missing, or wrong.
    pub(super) fn make(&self, before: Option<&KeptFromBefore>) -> Result<MadeConfig, TlsError> {
        self.protocols.check()?;
        if self.pairs.is_empty() {
            let problem = "is missing: add one by `TlsConfigBuilder::certificate`";
            return Err(TlsError::new("a certificate with its key", problem));
        }
        let provider = match &self.provider {
            Some(provider) => provider.clone(),
            None => provider::of_features()?,
        };
        let now = SystemTime::now();
        let pairs = self.pairs.iter().map(|pair| pair.load(&provider, now)).collect::<Result<Vec<_>, _>>()?;
        let of_provider =
            |error| TlsError::new("the provider of cryptography", "is of no use").because(error);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(of_provider)?;
        let mut authorities = Vec::new();
        let builder = match &self.authorities {
            None => builder.with_no_client_auth(),
            Some(list) => {
                authorities = list.material.read()?;
                builder.with_client_cert_verifier(list.verifier(&authorities, provider)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(&pairs)));
        config.alpn_protocols = self.protocols.names();
        let resumption = self.resumption(before.filter(|before| before.authorities == authorities))?;
        match &resumption {
            Resumption::Tickets(ticketer) => config.ticketer = ticketer.clone(),
            Resumption::Remembered(storage) => config.session_storage = storage.clone(),
            Resumption::Never => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        Ok(MadeConfig {
            config: Arc::new(config),
            kept: KeptFromBefore { resumption, authorities },
            certificates: pairs.into_iter().map(said).collect(),
        })
    }

    fn resumption(&self, before: Option<&KeptFromBefore>) -> Result<Resumption, TlsError> {
        match before {
            _ if !self.has_tickets => Ok(Resumption::Never),
            Some(before) => Ok(before.resumption.clone()),
            None => Resumption::new(self.provider.is_some()),
        }
    }
}

/// Tells the log of a certificate that is used from now on.
fn said(pair: CertifiedPair) -> (String, Validity) {
    let CertifiedPair { names, validity, label, .. } = pair;
    let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
    let until = validity.until.map_or_else(|| "an unknown day".to_owned(), day);
    log::info!("{label} is in use: for {names}, until {until}");
    (label, validity)
}
