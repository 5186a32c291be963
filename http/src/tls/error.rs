//! What is wrong with certificates, keys and what else is said about encryption.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why no [`TlsConfig`](crate::TlsConfig) can be made, or why one stays as it was. Its text names the file and what
/// helps.
///
/// ```
/// use anthill_http::TlsConfig;
/// let error = TlsConfig::from_files("/nowhere/site.pem", "/nowhere/site.key").unwrap_err();
/// assert_eq!(error.path(), Some("/nowhere/site.pem".as_ref()));
/// assert!(error.to_string().starts_with("the certificate /nowhere/site.pem cannot be read: "));
/// ```
#[derive(Clone, Debug)]
pub struct TlsError {
    subject: String,
    path: Option<PathBuf>,
    problem: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl TlsError {
    /// `subject` is what is wrong, with its article; `problem` goes on with a verb.
    pub(super) fn new(subject: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { subject: subject.into(), path: None, problem: problem.into(), cause: None }
    }

    pub(super) fn of_file(self, path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), ..self }
    }

    pub(super) fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// The file that it is about; `None`: none, or what was given in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.problem)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as _)
    }
}

/// [`InvalidInput`](io::ErrorKind::InvalidInput), or what kept a file from being read, with the same text.
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let unread = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
        let kind = unread.map_or(io::ErrorKind::InvalidInput, io::Error::kind);
        Self::new(kind, error)
    }
}
