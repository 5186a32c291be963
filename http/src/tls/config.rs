//! What is used for new connections, and how that becomes another one while the server runs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;

use super::error::TlsError;
use super::pair::Validity;
use super::pem::Material;
use super::recipe::{AlpnHandler, KeptFromBefore, MadeConfig, Protocols, Recipe};
use super::watch::{FileStamp, FileWatch, Found, stamp};

/// Certificates, and what else there is to be said of connections that are encrypted by TLS; for
/// [`Listener::tls`](crate::Listener::tls), [`Server::start_tls`](crate::Server::start_tls) and
/// [`Server::run_tls`](crate::Server::run_tls).
///
/// It is a cheap handle: clones share everything, so one can [`reload`](Self::reload) what a listener uses. Files are
/// looked at again while the server runs ([`watch_interval`](crate::TlsConfigBuilder::watch_interval)), and by
/// [`Server::run_tls`](crate::Server::run_tls) at SIGHUP. What was good stays in use until something better is there,
/// which is checked first: that keys belong to their certificates, and that none of those has expired. The log is told
/// of both, and of certificates with less than 21 days left.
///
/// ```no_run
/// use anthill_http::{Server, TlsConfig};
///
/// let tls = TlsConfig::from_files("fullchain.pem", "privkey.pem")?;
/// Server::new(|ctx| ctx.set_body("hello"))?.run_tls("[::]:443", &tls)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Several names, and clients with certificates:
///
/// ```no_run
/// use anthill_http::{ClientAuth, TlsConfig};
///
/// let tls = TlsConfig::builder()
///     .certificate("example.org.pem", "example.org.key") // the first is the default
///     .certificate("wildcard.example.com.pem", "wildcard.example.com.key")
///     .client_ca("partners.pem")
///     .client_auth(ClientAuth::Optional)
///     .build()?;
/// # Ok::<(), anthill_http::TlsError>(())
/// ```
#[derive(Clone)]
pub struct TlsConfig {
    shared: Arc<SharedConfig>,
}

struct SharedConfig {
    source: ConfigSource,
    current: RwLock<CurrentConfig>,
    /// Held by whoever makes it anew.
    reloading: Mutex<()>,
}

enum ConfigSource {
    Recipe(Recipe, FileWatch),
    /// Somebody else's, with who takes connections of other protocols.
    Own(Protocols),
}

/// What new connections use.
struct CurrentConfig {
    config: Arc<ServerConfig>,
    kept: Option<KeptFromBefore>,
    certificates: Vec<(String, Validity)>,
}

impl From<MadeConfig> for CurrentConfig {
    fn from(made: MadeConfig) -> Self {
        let MadeConfig { config, kept, certificates } = made;
        let current = Self { config, kept: Some(kept), certificates };
        current.warn();
        current
    }
}

impl CurrentConfig {
    /// Tells the log of certificates that are of no use for long.
    fn warn(&self) {
        let now = SystemTime::now();
        for (label, validity) in &self.certificates {
            if let Some(warning) = validity.warning(now) {
                log::warn!("{label} {warning}");
            }
        }
    }
}

impl TlsConfig {
    pub(super) fn of_recipe(recipe: Recipe, interval: Option<Duration>) -> Result<Self, TlsError> {
        let stamps = stamps(&recipe);
        let current = recipe.make(None)?.into();
        Ok(Self::new(ConfigSource::Recipe(recipe, FileWatch::new(interval, stamps)), current))
    }

    fn new(source: ConfigSource, current: CurrentConfig) -> Self {
        let shared = SharedConfig { source, current: RwLock::new(current), reloading: Mutex::new(()) };
        Self { shared: Arc::new(shared) }
    }

    /// A configuration of `rustls` of your own: its versions, cipher suites, verifiers and certificates. It offers
    /// `http/1.1` if it offers no protocol, and no request ahead of the handshake (0-RTT). Its certificates are its own
    /// business, also how they become others.
    ///
    /// It has to be of the version of `rustls` that this crate uses, which is [`rustls`](crate::rustls).
    ///
    /// # Errors
    /// When it offers a protocol that the server does not speak, `h2` for one.
    pub fn from_rustls(config: ServerConfig) -> Result<Self, TlsError> {
        let protocols = Protocols::default();
        protocols.check_offer(&config.alpn_protocols)?;
        let mut config = config;
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = protocols.names();
        }
        config.max_early_data_size = 0;
        let current = CurrentConfig { config: Arc::new(config), kept: None, certificates: Vec::new() };
        Ok(Self::new(ConfigSource::Own(protocols), current))
    }

    /// Reads all files again, for connections that come from now on; those that are there go on as they are. When
    /// something is wrong everything stays as it was. Either is told to the log.
    ///
    /// # Errors
    /// As [`TlsConfigBuilder::build`](crate::TlsConfigBuilder::build). One [of `rustls`](Self::from_rustls) has no
    /// files.
    pub fn reload(&self) -> Result<(), TlsError> {
        let ConfigSource::Recipe(recipe, watch) = &self.shared.source else { return Ok(()) };
        watch.note(stamps(recipe));
        self.make_anew(recipe).inspect_err(say_unchanged)
    }

    fn make_anew(&self, recipe: &Recipe) -> Result<(), TlsError> {
        let _reloading = self.shared.reloading.lock();
        let before = self.shared.current.read().kept.clone();
        let made = recipe.make(before.as_ref())?.into();
        let old = std::mem::replace(&mut *self.shared.current.write(), made);
        drop(old);
        Ok(())
    }

    /// Whether it is a clone of `other`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What a new connection uses. Looks at the files first, if it is time to.
    pub(super) fn for_connection(&self) -> Arc<ServerConfig> {
        if let ConfigSource::Recipe(recipe, watch) = &self.shared.source {
            let act = |found| match self.make_anew(recipe) {
                Ok(()) => true,
                Err(error) if found == Found::StillWrong => {
                    say_unchanged(&error);
                    false
                }
                Err(error) => {
                    log::debug!("files of certificates are being changed: {error}");
                    false
                }
            };
            watch.look(|| stamps(recipe), act, || self.shared.current.read().warn());
        }
        self.shared.current.read().config.clone()
    }

    /// Who takes connections on which this protocol is spoken; `None`: the server itself.
    pub(super) fn handler(&self, protocol: &[u8]) -> Option<&AlpnHandler> {
        match &self.shared.source {
            ConfigSource::Recipe(recipe, _) => recipe.protocols.handler(protocol),
            ConfigSource::Own(protocols) => protocols.handler(protocol),
        }
    }
}

fn say_unchanged(error: &TlsError) {
    log::error!("certificates stay as they were: {error}");
}

fn stamps(recipe: &Recipe) -> Vec<FileStamp> {
    recipe.materials().filter_map(Material::path).map(stamp).collect()
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.shared.current.read();
        let labels: Vec<_> = current.certificates.iter().map(|(label, _)| label).collect();
        f.debug_struct("TlsConfig").field("certificates", &labels).finish_non_exhaustive()
    }
}
