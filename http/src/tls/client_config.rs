//! What a client says about encryption: whom it trusts, as whom it comes.
//!
//! The rule: whom it trusts is checked unless a word says so that nobody takes for something else.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::anybody::Anybody;
use super::error::TlsError;
use super::given::GivenCertificates;
use super::handshake::HandshakeFailure;
use super::layer::TlsLayer;
use super::pair::PairSource;
use super::pem::{Material, Purpose};
use super::provider;
use super::session::TlsSession;
use crate::util::panic;
use crate::wire::transport::Transport;

/// The only protocol that is spoken over it (RFC 7301).
const HTTP: &[u8] = b"http/1.1";

/// Of how many servers it is remembered how sessions with them are resumed.
const SERVERS_MAX: usize = 256;
/// `rustls` keeps so many tickets of each, and counts them all.
const TICKETS_PER_SERVER: usize = 8;

/// How a client encrypts, for [`ClientBuilder::tls`](crate::client::ClientBuilder::tls).
///
/// A clone is the same: they share the sessions that are resumed, so that a server that was spoken to once is greeted
/// with less.
///
/// ```
/// use anthill_http::client::{ClientTlsConfig, HostClient};
///
/// let tls = ClientTlsConfig::builder().server_name("backend.internal").build()?;
/// let client = HostClient::builder("10.0.0.7").tls(tls).build()?;
/// # let _ = client;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientTlsConfig {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// The authorities that a client trusts by itself, beside those that it is
/// [told of](ClientTlsConfigBuilder::ca).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedRoots {
    /// Mozilla's list, compiled in: the same everywhere, also where there is no file system to speak of, and as old as
    /// this program.
    #[default]
    BuiltIn,
    /// Those of the system, read once when the configuration is built; on Linux files that `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` may name.
    #[cfg(feature = "native-roots")]
    System,
    /// None.
    None,
}

/// Options of a [`ClientTlsConfig`]; made by [`ClientTlsConfig::builder`], checked by [`build`](Self::build).
///
/// | option | default |
/// |---|---|
/// | [`roots`](Self::roots) | [`TrustedRoots::BuiltIn`] |
/// | [`ca`](Self::ca), [`ca_pem`](Self::ca_pem) | no others |
/// | [`verifier`](Self::verifier), [`danger_accept_invalid_certs`](Self::danger_accept_invalid_certs) | a server shows a certificate for its name of an authority that is trusted, and valid now |
/// | [`client_certificate`](Self::client_certificate), [`client_certificate_pem`](Self::client_certificate_pem) | none |
/// | [`server_name`](Self::server_name) | that of the URL, or of the address |
/// | [`session_resumption`](Self::session_resumption) | yes |
/// | [`crypto_provider`](Self::crypto_provider) | aws-lc-rs, or ring, by the crate's features |
///
/// Versions are TLS 1.3 and 1.2, with the cipher suites that the provider takes for safe; who wants others brings a
/// [`rustls::ClientConfig`](ClientTlsConfig::from_rustls). The protocol that is offered is `http/1.1` alone (ALPN), and
/// no request goes ahead of the handshake (0-RTT). Lists of what was revoked are not looked at; who needs them brings a
/// [`verifier`](Self::verifier).
#[must_use = "it is nothing until it is built"]
#[derive(Clone)]
pub struct ClientTlsConfigBuilder {
    roots: TrustedRoots,
    authorities: Vec<Material>,
    verification: Verification,
    identity: Option<PairSource>,
    server_name: Option<String>,
    resumes: bool,
    provider: Option<Arc<CryptoProvider>>,
}

/// Who says whether a server is the one that was asked for.
#[derive(Clone, Debug)]
enum Verification {
    Authorities,
    Own(Arc<dyn ServerCertVerifier>),
    Nobody,
}

impl Default for ClientTlsConfigBuilder {
    fn default() -> Self {
        Self {
            roots: TrustedRoots::default(),
            authorities: Vec::new(),
            verification: Verification::Authorities,
            identity: None,
            server_name: None,
            resumes: true,
            provider: None,
        }
    }
}

impl ClientTlsConfigBuilder {
    /// The authorities that are trusted beside those that are named here. With [`TrustedRoots::None`] those alone are.
    pub fn roots(mut self, roots: TrustedRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Trusts the authorities in this file of PEM, too; also a server's own certificate that it has signed itself. The
    /// file is read by [`build`](Self::build).
    pub fn ca(mut self, file: impl AsRef<Path>) -> Self {
        self.authorities.push(Material::file(Purpose::Authorities, file.as_ref()));
        self
    }

    /// The same from memory.
    pub fn ca_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.authorities.push(Material::memory(Purpose::Authorities, text.as_ref()));
        self
    }

    /// Has `verifier` say whether a server is the one that was asked for, instead of authorities: one that has pinned
    /// keys, or that looks at lists of what was revoked. It runs on the calling thread, within the time for connecting;
    /// a panic of it is a handshake that failed. Whom the client trusts otherwise is not looked at then, and files of
    /// [`ca`](Self::ca) are not read.
    pub fn verifier(mut self, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        self.verification = Verification::Own(verifier);
        self
    }

    /// With `true`, takes any certificate of any server for any name: of nobody it is known who he is, and whoever is
    /// on the way can read and change everything. For tests, and where there is nothing to lose. Files of
    /// [`ca`](Self::ca) are not read then. With `false`, takes that back.
    pub fn danger_accept_invalid_certs(mut self, accepts: bool) -> Self {
        match self.verification {
            _ if accepts => self.verification = Verification::Nobody,
            Verification::Nobody => self.verification = Verification::Authorities,
            _ => {}
        }
        self
    }

    /// Shows a certificate to servers that ask for one: from files of PEM, the client's own first, those of authorities
    /// between behind it. They are read by [`build`](Self::build).
    pub fn client_certificate(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.identity = Some(PairSource {
            certificate: Material::file(Purpose::Certificate, certificate.as_ref()),
            key: Material::file(Purpose::Key, key.as_ref()),
        });
        self
    }

    /// The same from memory.
    pub fn client_certificate_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(PairSource {
            certificate: Material::memory(Purpose::Certificate, certificate.as_ref()),
            key: Material::memory(Purpose::Key, key.as_ref()),
        });
        self
    }

    /// The name, or the address, that servers are asked for and have to show a certificate for, whatever a URL says.
    /// For a client of one host that is known by its address; one of any host does not take it.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether a server that was spoken to is greeted with what it gave then, so that no certificates are shown again.
    /// Of 256 servers that is remembered, those that were spoken to first being forgotten first.
    pub fn session_resumption(mut self, resumes: bool) -> Self {
        self.resumes = resumes;
        self
    }

    /// Whose cryptography is used; that of the feature `tls` (aws-lc-rs), else that of `tls-ring` (ring), else the one
    /// that is installed for the process, when not set.
    pub fn crypto_provider(mut self, provider: impl Into<Arc<CryptoProvider>>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// When a file cannot be read, is empty or no PEM; when the key does not belong to its certificate, or that has
    /// expired; when nobody is trusted at all; when the name is none. The error names the file and what helps.
    pub fn build(self) -> Result<ClientTlsConfig, TlsError> {
        let provider = match &self.provider {
            Some(provider) => provider.clone(),
            None => provider::of_features()?,
        };
        let of_provider =
            |error| TlsError::new("the provider of cryptography", "is of no use").because(error);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(of_provider)?;
        let builder = match &self.verification {
            Verification::Authorities => {
                builder.dangerous().with_custom_certificate_verifier(self.verifying(&provider)?)
            }
            Verification::Own(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(verifier.clone())
            }
            Verification::Nobody => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody::new(&provider)))
            }
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(source) => {
                let pair = source.load(&provider, SystemTime::now())?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified)))
            }
        };
        config.alpn_protocols = vec![HTTP.to_vec()];
        config.resumption = match self.resumes {
            true => Resumption::in_memory_sessions(SERVERS_MAX * TICKETS_PER_SERVER),
            false => Resumption::disabled(),
        };
        let name = self.server_name.map(|name| {
            server_name(&name).ok_or_else(|| {
                TlsError::new(format!("the server's name {name:?}"), "is no name of a host, and no address")
            })
        });
        Ok(ClientTlsConfig { config: Arc::new(config), name: name.transpose()? })
    }

    /// Who verifies by the authorities that are trusted.
    fn verifying(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<GivenCertificates>, TlsError> {
        let (mut roots, mut given) = (RootCertStore::empty(), Vec::new());
        match self.roots {
            TrustedRoots::BuiltIn => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            #[cfg(feature = "native-roots")]
            TrustedRoots::System => add_system_roots(&mut roots)?,
            TrustedRoots::None => {}
        }
        for material in &self.authorities {
            for certificate in material.certificates(&material.read()?)? {
                roots.add(certificate.clone()).map_err(|error| {
                    material.wrong("has a certificate that is none of an authority").because(error)
                })?;
                given.push(certificate);
            }
        }
        if roots.is_empty() {
            let problem = "is missing: name one by `ClientTlsConfigBuilder::ca`";
            return Err(TlsError::new("an authority that is trusted", problem));
        }
        let unusable =
            |error| TlsError::new("the list of trusted authorities", "cannot be used").because(error);
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        Ok(Arc::new(GivenCertificates { usual: usual.build().map_err(unusable)?, given }))
    }
}

/// Those that can be read; a system may have some that cannot.
#[cfg(feature = "native-roots")]
fn add_system_roots(roots: &mut RootCertStore) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 {
        log::debug!("{unusable} of the system's authorities cannot be used");
    }
    if !roots.is_empty() {
        found
            .errors
            .iter()
            .for_each(|error| log::warn!("some of the system's authorities are missing: {error}"));
        return Ok(());
    }
    let error = TlsError::new("the system's list of authorities", "is empty, or cannot be read");
    Err(match found.errors.into_iter().next() {
        Some(cause) => error.because(cause),
        None => error,
    })
}

/// A name, or an address with or without brackets, as certificates are for them.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host).ok().map(|name| name.to_owned())
}

impl ClientTlsConfig {
    /// Starts choosing options.
    pub fn builder() -> ClientTlsConfigBuilder {
        ClientTlsConfigBuilder::default()
    }

    /// A configuration of `rustls` of your own: its versions, cipher suites, verifiers and certificates. It offers
    /// `http/1.1` if it offers no protocol, and no request ahead of the handshake (0-RTT).
    ///
    /// It has to be of the version of `rustls` that this crate uses, which is [`rustls`](crate::rustls).
    ///
    /// # Errors
    /// When it offers a protocol that the client does not speak, `h2` for one.
    pub fn from_rustls(config: ClientConfig) -> Result<Self, TlsError> {
        let mut config = config;
        if let Some(other) = config.alpn_protocols.iter().find(|name| !name.starts_with(b"http/1.")) {
            let subject = format!("the protocol `{}` of `alpn_protocols`", other.escape_ascii());
            return Err(TlsError::new(subject, "is not spoken by the client; leave it out"));
        }
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![HTTP.to_vec()];
        }
        config.enable_early_data = false;
        Ok(Self { config: Arc::new(config), name: None })
    }

    /// What sessions go by.
    #[cfg(test)]
    pub(super) fn for_test(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// Whether servers are asked for one name, whatever a URL says.
    pub(crate) fn has_name(&self) -> bool {
        self.name.is_some()
    }

    /// Whom a server is to be that was asked for as `host`; `None`: no certificate can be for that.
    pub(crate) fn name_for(&self, host: &str) -> Option<ServerName<'static>> {
        self.name.clone().or_else(|| server_name(host))
    }

    /// Whom a proxy has to be that is asked as `host`.
    pub(crate) fn proxy_name(host: &str) -> Option<ServerName<'static>> {
        server_name(host)
    }

    /// The layer above `below`, over which nothing was sent.
    ///
    /// # Errors
    /// When the configuration is of no use.
    pub(crate) fn layer(
        &self,
        below: Arc<dyn Transport>,
        name: &ServerName<'static>,
    ) -> Result<TlsLayer, HandshakeFailure> {
        let asked_for = match name {
            ServerName::DnsName(name) if self.config.enable_sni => Some(name.as_ref().trim_end_matches('.')),
            _ => None,
        };
        // It makes the hello, in which code of the user's has a part.
        let connection = panic::call(|| ClientConnection::new(self.config.clone(), name.clone()));
        let connection = connection.map_err(|panicked| {
            log::error!("the code of a TLS handshake {panicked}");
            HandshakeFailure::Panicked
        })??;
        Ok(TlsLayer::of_client(below, TlsSession::new(connection).asking_for(asked_for)))
    }
}

impl fmt::Debug for ClientTlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTlsConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTlsConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTlsConfigBuilder")
            .field("roots", &self.roots)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart_and_what_is_neither_is_refused() {
        for (host, is_name) in [("example.org", true), ("a_b.example", true), ("127.0.0.1", false)] {
            let name = server_name(host).expect(host);
            assert_eq!(matches!(name, ServerName::DnsName(_)), is_name, "{host}");
        }
        assert_eq!(server_name("[::1]"), server_name("::1"));
        assert!(matches!(server_name("[::1]"), Some(ServerName::IpAddress(_))));
        for host in ["", "a..b", "a b", "-", ".example", "[::1"] {
            assert_eq!(server_name(host), None, "{host:?}");
        }
    }

    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[test]
    fn what_cannot_be_is_said() {
        let said = |builder: ClientTlsConfigBuilder| builder.build().unwrap_err().to_string();
        let builder = ClientTlsConfig::builder;
        assert!(said(builder().roots(TrustedRoots::None)).contains("`ClientTlsConfigBuilder::ca`"));
        assert!(
            said(builder().ca("/nowhere/ca.pem")).starts_with("the list of trusted authorities /nowhere")
        );
        assert!(said(builder().ca_pem("text")).contains("no PEM"));
        assert!(said(builder().server_name("a..b")).contains("\"a..b\""));
        assert!(said(builder().client_certificate_pem("", "")).contains("the certificate"));
        assert!(builder().roots(TrustedRoots::None).danger_accept_invalid_certs(true).build().is_ok());
        let mut config = ClientConfig::clone(&builder().build().expect("the defaults are good").config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let refused = ClientTlsConfig::from_rustls(config.clone()).unwrap_err();
        assert!(refused.to_string().contains("`h2`"), "{refused}");
        config.alpn_protocols.clear();
        config.enable_early_data = true;
        let own = ClientTlsConfig::from_rustls(config).expect("it offers nothing else").config;
        assert_eq!((own.alpn_protocols.as_slice(), own.enable_early_data), (&[HTTP.to_vec()][..], false));
    }
}
