//! Serving with certificates.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;

use parking_lot::Mutex;

use super::{Listener, RunningServer, ServeError, Server};
use crate::ctx::{HandlerResult, RequestCtx};
use crate::tls::{TlsConfig, TlsError};

/// The certificates that a server has served with.
#[derive(Default)]
pub(super) struct InUse(Mutex<Vec<TlsConfig>>);

impl InUse {
    pub(super) fn note<'a>(&self, configs: impl Iterator<Item = &'a TlsConfig>) {
        let mut all = self.0.lock();
        for config in configs {
            if !all.iter().any(|known| known.is(config)) {
                all.push(config.clone());
            }
        }
    }

    #[cfg(all(feature = "signals", unix))]
    pub(super) fn are_any(&self) -> bool {
        !self.0.lock().is_empty()
    }
}

/// With certificates. Needs the feature `tls`, `tls-ring` or `tls-no-provider`.
impl Server {
    /// Listens on a TCP address as [`listen_and_serve`](Server::listen_and_serve) does, has connections encrypted with
    /// this certificate and key, which are files of PEM, and serves until somebody calls [`shutdown`](Server::shutdown)
    /// (fasthttp's `ListenAndServeTLS`).
    ///
    /// # Errors
    /// When the files cannot be used: the error names the file and what helps, and nobody has listened. As
    /// `listen_and_serve` afterwards.
    // TLS-01.
    pub fn listen_and_serve_tls(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<(), ServeError> {
        let config = TlsConfig::from_files(certificate, key).map_err(io::Error::from)?;
        self.serve_all(self.listen_all_tls(address, &config)?)
    }

    /// As [`start`](Server::start), with connections encrypted. Bad certificates have been refused by whatever has made
    /// the configuration.
    ///
    /// # Errors
    /// As `start`.
    ///
    /// ```no_run
    /// use anthill_http::{Server, TlsConfig};
    ///
    /// let tls = TlsConfig::from_files("fullchain.pem", "privkey.pem")?;
    /// let running = Server::new(|ctx| ctx.set_body("hello"))?.start_tls("localhost:0", &tls)?;
    /// println!("listening on https://{}", running.local_addr());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_tls(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
        config: &TlsConfig,
    ) -> Result<RunningServer, ServeError> {
        self.start_all(self.listen_all_tls(address, config)?)
    }

    /// As [`listen_all`](Server::listen_all), with connections to be encrypted.
    ///
    /// # Errors
    /// As `listen_all`.
    pub fn listen_all_tls(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
        config: &TlsConfig,
    ) -> Result<Vec<Listener>, ServeError> {
        let listeners = self.listen_all(address)?.into_iter();
        Ok(listeners.map(|listener| Listener::from(listener).tls(config)).collect())
    }

    /// Reads all files again of all certificates that the server has served with; see [`TlsConfig::reload`].
    ///
    /// # Errors
    /// The first; the others have been read all the same.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        let all = self.shared.certificates.0.lock().clone();
        let outcomes: Vec<_> = all.iter().map(TlsConfig::reload).collect();
        outcomes.into_iter().collect()
    }
}

/// Listens on `address` and serves it by `handler`, encrypted with this certificate and key, which are files of PEM,
/// every option at its default; as [`listen_and_serve`](crate::listen_and_serve) otherwise.
///
/// ```no_run
/// anthill_http::listen_and_serve_tls("[::]:443", "fullchain.pem", "privkey.pem", |ctx| ctx.set_body("hello"))?;
/// # Ok::<(), anthill_http::ServeError>(())
/// ```
///
/// # Errors
/// As [`Server::listen_and_serve_tls`].
pub fn listen_and_serve_tls<R: HandlerResult>(
    address: impl ToSocketAddrs + fmt::Debug,
    certificate: impl AsRef<Path>,
    key: impl AsRef<Path>,
    handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
) -> Result<(), ServeError> {
    let server = Server::new(handler)?;
    server.listen_and_serve_tls(address, certificate, key)
}
