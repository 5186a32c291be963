//! What the user says about encryption.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;

use super::client_auth::{Authorities, ClientAuth};
use super::config::TlsConfig;
use super::error::TlsError;
use super::pair::PairSource;
use super::pem::{Material, Purpose};
use super::recipe::{AlpnHandler, Protocols, Recipe};
use crate::ctx::HijackedConn;

/// How often files are looked at, at most.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// Options of a [`TlsConfig`]; made by [`TlsConfig::builder`], checked by [`build`](Self::build).
///
/// | option | default |
/// |---|---|
/// | [`certificate`](Self::certificate), [`certificate_pem`](Self::certificate_pem) | there has to be one; the first is for whoever asks for no name that is here |
/// | [`client_ca`](Self::client_ca), [`client_ca_pem`](Self::client_ca_pem), [`client_auth`](Self::client_auth) | clients are not asked for certificates |
/// | [`next_proto`](Self::next_proto) | `http/1.1` alone |
/// | [`session_tickets`](Self::session_tickets) | yes |
/// | [`watch_interval`](Self::watch_interval) | 5 s |
/// | [`crypto_provider`](Self::crypto_provider) | aws-lc-rs, or ring, by the crate's features |
///
/// Versions are TLS 1.3 and 1.2, with the cipher suites that the provider takes for safe; who wants others brings a
/// [`rustls::ServerConfig`](TlsConfig::from_rustls). There is no renegotiation, and no request comes ahead of the
/// handshake (0-RTT).
#[must_use = "it is nothing until it is built"]
#[derive(Clone)]
pub struct TlsConfigBuilder {
    pairs: Vec<PairSource>,
    authorities: Option<Material>,
    client_auth: ClientAuth,
    protocols: Protocols,
    has_tickets: bool,
    watch_interval: Option<Duration>,
    provider: Option<Arc<CryptoProvider>>,
}

impl Default for TlsConfigBuilder {
    fn default() -> Self {
        Self {
            pairs: Vec::new(),
            authorities: None,
            client_auth: ClientAuth::default(),
            protocols: Protocols::default(),
            has_tickets: true,
            watch_interval: Some(WATCH_INTERVAL),
            provider: None,
        }
    }
}

impl TlsConfigBuilder {
    /// Adds a certificate and its key from files of PEM: the server's own certificate first and those of authorities
    /// between behind it, as `fullchain.pem` has them. Clients are shown the one for the name that they ask for, which
    /// may be one of a wildcard, and else the first that was added. Of several for one name, with keys of different
    /// kinds, the first that a client understands is taken.
    pub fn certificate(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.pairs.push(PairSource {
            certificate: Material::file(Purpose::Certificate, certificate.as_ref()),
            key: Material::file(Purpose::Key, key.as_ref()),
        });
        self
    }

    /// The same from memory (fasthttp's `AppendCertEmbed`).
    pub fn certificate_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.pairs.push(PairSource {
            certificate: Material::memory(Purpose::Certificate, certificate.as_ref()),
            key: Material::memory(Purpose::Key, key.as_ref()),
        });
        self
    }

    /// Has clients asked for a certificate of one of the authorities in this file of PEM; see
    /// [`client_auth`](Self::client_auth). What they have shown is
    /// [`TlsInfo::peer_certificates`](crate::TlsInfo::peer_certificates). Lists of what was revoked are not looked at:
    /// who needs them brings a verifier, in a [`rustls::ServerConfig`](TlsConfig::from_rustls).
    pub fn client_ca(mut self, file: impl AsRef<Path>) -> Self {
        self.authorities = Some(Material::file(Purpose::ClientAuthorities, file.as_ref()));
        self
    }

    /// The same from memory.
    pub fn client_ca_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.authorities = Some(Material::memory(Purpose::ClientAuthorities, text.as_ref()));
        self
    }

    /// Whether they have to show one; they do when not set.
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// Offers clients another protocol beside HTTP (ALPN, RFC 7301): one that wants it is given to `handler`, when the
    /// handshake is over (fasthttp's `NextProto`). What is preferred comes first: these in the order in which they were
    /// added, and `http/1.1` last.
    ///
    /// The function runs as one of [`hijack`](crate::RequestCtx::hijack) does, on a thread of its own, of which there
    /// are [`max_hijacked_conns`](crate::ServerBuilder::max_hijacked_conns) at most; no timeout applies. The connection
    /// is closed when the last clone of it is dropped.
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// let builder = anthill_http::TlsConfig::builder().next_proto("echo/1", |mut conn| {
    ///     let mut piece = [0; 1024];
    ///     while let Ok(count @ 1..) = conn.read(&mut piece) {
    ///         if conn.write_all(&piece[..count]).is_err() {
    ///             return;
    ///         }
    ///     }
    /// });
    /// # let _ = builder;
    /// ```
    // TLS-03.
    pub fn next_proto(
        mut self,
        protocol: impl AsRef<[u8]>,
        handler: impl Fn(HijackedConn) + Send + Sync + 'static,
    ) -> Self {
        let handler: AlpnHandler = Arc::new(handler);
        self.protocols.add(protocol.as_ref(), handler);
        self
    }

    /// Whether clients can come back without a whole handshake; yes when not set. What is to be known of them for that
    /// they keep themselves, sealed by a key that is made anew every few hours; with a [provider of your
    /// own](Self::crypto_provider) some thousands of them are remembered instead.
    pub fn session_tickets(mut self, are_given: bool) -> Self {
        self.has_tickets = are_given;
        self
    }

    /// How often at most the files are looked at, by whoever connects: when one is another than before, also by a
    /// symbolic link on its way that leads elsewhere, all are [read again](TlsConfig::reload). `None`: never.
    pub fn watch_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.watch_interval = interval.into();
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
    /// When a file cannot be read, is empty, no PEM or encrypted; when a key does not belong to its certificate, or
    /// that has expired; when there is no certificate at all. The error names the file and what helps.
    pub fn build(self) -> Result<TlsConfig, TlsError> {
        let Self { pairs, authorities, client_auth, protocols, has_tickets, watch_interval, provider } = self;
        let authorities = authorities.map(|material| Authorities { material, client_auth });
        let recipe = Recipe { pairs, authorities, protocols, has_tickets, provider };
        TlsConfig::of_recipe(recipe, watch_interval)
    }
}

/// Making one.
// TLS-01.
impl TlsConfig {
    /// One certificate and its key, from files of PEM, with every option at its default; see
    /// [`TlsConfigBuilder::certificate`].
    ///
    /// # Errors
    /// As [`TlsConfigBuilder::build`].
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::builder().certificate(certificate, key).build()
    }

    /// The same from memory.
    ///
    /// # Errors
    /// As [`TlsConfigBuilder::build`].
    pub fn from_pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        Self::builder().certificate_pem(certificate, key).build()
    }

    /// Starts choosing options.
    pub fn builder() -> TlsConfigBuilder {
        TlsConfigBuilder::default()
    }
}

impl fmt::Debug for TlsConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfigBuilder")
            .field("protocols", &self.protocols)
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
}
