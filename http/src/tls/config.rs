//! What is used for new connections, and how that becomes another one while the server runs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;

use super::error::TlsError;
use super::pair::CertifiedPair;
use super::pem::Material;
use super::recipe::{AlpnHandler, KeptFromBefore, MadeConfig, Protocols, Recipe};
use super::watch::{FileStamp, FileWatch, Found, stamp};

/// Certificates, and what else there is to be said of connections that are encrypted by TLS; for
/// [`Listener::tls`](crate::Listener::tls), [`Server::start_tls`](crate::Server::start_tls) and
/// [`Server::run_tls`](crate::Server::run_tls).
///
/// It is a cheap handle: clones share everything, so one can [`reload`](Self::reload) what a listener uses. Files are
/// looked at again while the server runs ([`watch_interval`](crate::TlsConfigBuilder::watch_interval)), and by
/// [`Server::run_tls`](crate::Server::run_tls) at SIGHUP. Each certificate that was good stays in use until something
/// better is there, which is checked first: that its key belongs to it, and that it has not expired. The log is told of
/// both, and of certificates with less than 21 days left.
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
    /// Held by whoever makes it anew: what is wrong as far as the log was told.
    reloading: Mutex<Vec<String>>,
}

enum ConfigSource {
    Recipe(Recipe, FileWatch),
    /// Somebody else's, with who takes connections of other protocols.
    Own(Protocols),
}

/// Why files are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReloadCause {
    /// Somebody has asked for it.
    Asked,
    /// They have changed.
    First,
    /// Something was wrong when they were read last.
    Another,
}

/// What new connections use.
struct CurrentConfig {
    config: Arc<ServerConfig>,
    kept: Option<KeptFromBefore>,
}

impl CurrentConfig {
    fn pairs(&self) -> &[Arc<CertifiedPair>] {
        self.kept.as_ref().map_or(&[], |kept| &kept.pairs)
    }

    /// Tells the log of certificates that are used from now on, unless they were in use `before`.
    fn say_in_use(&self, before: &[Arc<CertifiedPair>]) {
        for (place, pair) in self.pairs().iter().enumerate() {
            if before.get(place).is_none_or(|before| pair.is_other_than(before)) {
                pair.say_in_use();
            }
        }
    }
}

impl TlsConfig {
    pub(super) fn of_recipe(recipe: Recipe, interval: Option<Duration>) -> Result<Self, TlsError> {
        let stamps = stamps(&recipe);
        let MadeConfig { config, kept, .. } = recipe.make(None)?;
        let current = CurrentConfig { config, kept: Some(kept) };
        current.say_in_use(&[]);
        Ok(Self::new(ConfigSource::Recipe(recipe, FileWatch::new(interval, stamps)), current))
    }

    fn new(source: ConfigSource, current: CurrentConfig) -> Self {
        let shared = SharedConfig { source, current: RwLock::new(current), reloading: Mutex::default() };
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
        let current = CurrentConfig { config: Arc::new(config), kept: None };
        Ok(Self::new(ConfigSource::Own(protocols), current))
    }

    /// Reads all files again, for connections that come from now on; those that are there go on as they are. Each
    /// certificate stands for itself, as does the list of clients' authorities: where something is wrong with one, that
    /// one stays as it was, and is tried again whenever files are
    /// [looked at](crate::TlsConfigBuilder::watch_interval); the others are renewed. All of it is told to the log.
    ///
    /// # Errors
    /// As [`TlsConfigBuilder::build`](crate::TlsConfigBuilder::build), of the first of which something is wrong. One
    /// [of `rustls`](Self::from_rustls) has no files.
    pub fn reload(&self) -> Result<(), TlsError> {
        let ConfigSource::Recipe(recipe, watch) = &self.shared.source else { return Ok(()) };
        let seen = stamps(recipe);
        let wrong = self.make_anew(recipe, ReloadCause::Asked);
        watch.note(seen, wrong.is_empty());
        wrong.into_iter().next().map_or(Ok(()), Err)
    }

    /// What is wrong, and stays as it was.
    fn make_anew(&self, recipe: &Recipe, cause: ReloadCause) -> Vec<TlsError> {
        let mut told = self.shared.reloading.lock();
        let before = self.shared.current.read().kept.clone();
        let wrong = match recipe.make(before.as_ref()) {
            Ok(MadeConfig { config, kept, wrong }) => {
                let made = CurrentConfig { config, kept: Some(kept) };
                made.say_in_use(before.as_ref().map_or(&[], |before| &before.pairs));
                let old = std::mem::replace(&mut *self.shared.current.write(), made);
                drop(old);
                wrong
            }
            Err(error) => vec![error],
        };
        tell(&wrong, cause, &mut told);
        wrong
    }

    /// Whether it is a clone of `other`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What a new connection uses. Looks at the files first, if it is time to.
    pub(super) fn for_connection(&self) -> Arc<ServerConfig> {
        if let ConfigSource::Recipe(recipe, watch) = &self.shared.source {
            let act = |found| {
                let cause = if found == Found::Changed { ReloadCause::First } else { ReloadCause::Another };
                self.make_anew(recipe, cause).is_empty()
            };
            watch.look(|| stamps(recipe), act, || self.warn());
        }
        self.shared.current.read().config.clone()
    }

    /// Tells the log of certificates that are of no use for long.
    fn warn(&self) {
        let (now, current) = (SystemTime::now(), self.shared.current.read());
        current.pairs().iter().for_each(|pair| pair.warn(now));
    }

    /// Who takes connections on which this protocol is spoken; `None`: the server itself.
    pub(super) fn handler(&self, protocol: &[u8]) -> Option<&AlpnHandler> {
        match &self.shared.source {
            ConfigSource::Recipe(recipe, _) => recipe.protocols.handler(protocol),
            ConfigSource::Own(protocols) => protocols.handler(protocol),
        }
    }
}

/// Tells the log what is wrong, once for as long as it is.
fn tell(wrong: &[TlsError], cause: ReloadCause, told: &mut Vec<String>) {
    let texts: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    if cause == ReloadCause::First {
        // Of two files one may have been written only.
        texts.iter().for_each(|text| log::debug!("files of certificates are being changed: {text}"));
        told.retain(|known| texts.contains(known));
        return;
    }
    for text in &texts {
        if cause == ReloadCause::Asked || !told.contains(text) {
            log::error!("certificates stay as they were: {text}");
        }
    }
    *told = texts;
}

fn stamps(recipe: &Recipe) -> Vec<FileStamp> {
    recipe.materials().filter_map(Material::path).map(stamp).collect()
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.shared.current.read();
        let labels: Vec<_> = current.pairs().iter().map(|pair| &pair.label).collect();
        f.debug_struct("TlsConfig").field("certificates", &labels).finish_non_exhaustive()
    }
}
