//! What a session's configuration is made of, and made anew when files have changed.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;

use super::by_name::ByName;
use super::client_auth::Authorities;
use super::error::TlsError;
use super::pair::{CertifiedPair, PairSource};
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
    /// What could not be read again, so that it stays as it was.
    pub(super) wrong: Vec<TlsError>,
}

/// What is taken along when it is made anew.
#[derive(Clone)]
pub(super) struct KeptFromBefore {
    resumption: Resumption,
    pub(super) pairs: Vec<Arc<CertifiedPair>>,
    verifying: Option<Verifying>,
}

/// Who verifies clients, and the list of authorities that it was made of: those who come back have been verified by
/// the same.
#[derive(Clone)]
struct Verifying {
    authorities: Arc<[u8]>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Recipe {
    /// All files that it reads.
    pub(super) fn materials(&self) -> impl Iterator<Item = &Material> {
        let pairs = self.pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(self.authorities.iter().map(|authorities| &authorities.material))
    }

    /// Reads everything, and makes a configuration of it. With what there was `before` clients who came then can come
    /// back, and each certificate, and the list of clients' authorities, stands for itself: of what is wrong with one
    /// the others take no harm, and it stays as it was.
    ///
    /// # Errors
    /// When something is missing, or wrong, and there was nothing before.
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
        let (now, mut wrong) = (SystemTime::now(), Vec::new());
        let mut pairs = Vec::new();
        for (place, source) in self.pairs.iter().enumerate() {
            let kept = before.and_then(|before| before.pairs.get(place));
            pairs.push(or_kept(source.load(&provider, now).map(Arc::new), kept, &mut wrong)?);
        }
        let verifying = match &self.authorities {
            None => None,
            Some(list) => {
                let kept = before.and_then(|before| before.verifying.as_ref());
                Some(or_kept(Verifying::new(list, provider.clone()), kept, &mut wrong)?)
            }
        };
        let of_provider =
            |error| TlsError::new("the provider of cryptography", "is of no use").because(error);
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(of_provider)?;
        let builder = match &verifying {
            None => builder.with_no_client_auth(),
            Some(verifying) => builder.with_client_cert_verifier(verifying.verifier.clone()),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(&pairs)));
        config.alpn_protocols = self.protocols.names();
        let authorities =
            |verifying: &Option<Verifying>| verifying.as_ref().map(|all| all.authorities.clone());
        let same = before.filter(|before| authorities(&before.verifying) == authorities(&verifying));
        let resumption = self.resumption(same)?;
        match &resumption {
            Resumption::Tickets(ticketer) => config.ticketer = ticketer.clone(),
            Resumption::Remembered(storage) => config.session_storage = storage.clone(),
            Resumption::Never => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        let kept = KeptFromBefore { resumption, pairs, verifying };
        Ok(MadeConfig { config: Arc::new(config), kept, wrong })
    }

    fn resumption(&self, before: Option<&KeptFromBefore>) -> Result<Resumption, TlsError> {
        match before {
            _ if !self.has_tickets => Ok(Resumption::Never),
            Some(before) => Ok(before.resumption.clone()),
            None => Resumption::new(self.provider.is_some()),
        }
    }
}

impl Verifying {
    /// # Errors
    /// When the list cannot be read, or is none.
    fn new(list: &Authorities, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let authorities = list.material.read()?;
        let verifier = list.verifier(&authorities, provider)?;
        Ok(Self { authorities: authorities.into(), verifier })
    }
}

/// What was read, or what there was before in its place; then what is wrong is noted.
///
/// # Errors
/// What is wrong, when there was nothing before.
fn or_kept<T: Clone>(
    read: Result<T, TlsError>,
    kept: Option<&T>,
    wrong: &mut Vec<TlsError>,
) -> Result<T, TlsError> {
    match (read, kept) {
        (Err(error), Some(kept)) => {
            wrong.push(error);
            Ok(kept.clone())
        }
        (read, _) => read,
    }
}
