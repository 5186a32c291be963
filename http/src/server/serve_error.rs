//! Why a server cannot listen, or has stopped serving, as people are to read it.
//!
//! The idea: a program whose `main` returns an error shows its `Debug` form. That of [`io::Error`] is for programmers;
//! so whatever begins or ends serving has an error of its own, whose forms are one sentence that says what to do.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::ShutdownError;
use crate::config::error::BuildError;

/// Why a server cannot listen, cannot begin, or has stopped serving.
///
/// Its text says what failed, where, and what may help; and so does its `Debug` form, because that is what is shown of
/// an error that `main` returns:
///
/// ```text
/// Error: cannot listen on 127.0.0.1:8080: Address already in use (os error 98); another program listens there;
/// stop it or choose another port
/// ```
///
/// It becomes an [`io::Error`] and is made of one by `?`, and of a [`BuildError`].
///
/// ```
/// use anthill_http::Server;
/// use std::io::ErrorKind;
///
/// let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let server = Server::new(|ctx| ctx.set_body("hello"))?;
/// let error = server.start(taken.local_addr()?).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::AddrInUse);
/// assert!(error.to_string().ends_with("another program listens there; stop it or choose another port"));
/// assert_eq!(format!("{error:?}"), error.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ServeError {
    error: io::Error,
}

impl ServeError {
    /// Of which kind it is.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }

    /// Why a shutdown did not come to its end, if that is what it is.
    ///
    /// ```
    /// let error = anthill_http::Server::listen("nowhere").unwrap_err();
    /// assert_eq!(error.shutdown_error(), None);
    /// ```
    pub fn shutdown_error(&self) -> Option<&ShutdownError> {
        self.error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// As its text.
impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ServeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self { error }
    }
}

impl From<ServeError> for io::Error {
    fn from(error: ServeError) -> Self {
        error.error
    }
}

impl From<BuildError> for ServeError {
    fn from(error: BuildError) -> Self {
        Self { error: io::Error::new(io::ErrorKind::InvalidInput, error) }
    }
}
