//! Serving Unix domain sockets.

use std::path::Path;

use super::unix::{self, UnixAccess, UnixSocket};
use super::{Listener, RunningServer, ServeError, Server};

impl Server {
    /// Listens on a Unix domain socket, for [`serve_unix`](Server::serve_unix) and [`start_unix`](Server::start_unix)
    /// to use. Its file has the mode (and owner) that `access` says before anybody can connect.
    ///
    /// A socket at `path` that a server has left behind, on which nobody listens, is replaced; any other file is not.
    ///
    /// # Errors
    /// When somebody listens there ([`AddrInUse`](std::io::ErrorKind::AddrInUse)), when another file lies there
    /// ([`AlreadyExists`](std::io::ErrorKind::AlreadyExists)), and when the system refuses; the error names the path
    /// and what may help.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.sock");
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("open"))?;
    /// let running = server.start_unix(anthill_http::Server::listen_unix(&path, 0o660)?)?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o660);
    ///
    /// server.shutdown(Duration::from_secs(5))?;
    /// running.join()?;
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // SRV-04.
    pub fn listen_unix(
        path: impl AsRef<Path>,
        access: impl Into<UnixAccess>,
    ) -> Result<UnixSocket, ServeError> {
        Ok(unix::listen(path.as_ref(), access.into())?)
    }

    /// Listens on a Unix domain socket as [`listen_unix`](Server::listen_unix) does, and serves until somebody calls
    /// [`shutdown`](Server::shutdown).
    ///
    /// # Errors
    /// As `listen_unix`, and as [`serve`](Server::serve) afterwards.
    // SRV-04.
    pub fn listen_and_serve_unix(
        &self,
        path: impl AsRef<Path>,
        access: impl Into<UnixAccess>,
    ) -> Result<(), ServeError> {
        self.serve_unix(Self::listen_unix(path, access)?)
    }

    /// As [`serve`](Server::serve), for a Unix domain socket.
    ///
    /// # Errors
    /// As `serve`.
    pub fn serve_unix(&self, socket: impl Into<UnixSocket>) -> Result<(), ServeError> {
        self.serve(socket.into())
    }

    /// As [`start`](Server::start), for a Unix domain socket.
    ///
    /// # Errors
    /// When threads or pollers cannot be made.
    pub fn start_unix(&self, socket: impl Into<UnixSocket>) -> Result<RunningServer, ServeError> {
        self.start_all([Listener::from(socket.into())])
    }
}
