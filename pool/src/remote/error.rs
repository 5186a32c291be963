//! Why a source of jobs did not do what it was asked, and why a payload cannot be read.

use std::error::Error;
use std::fmt;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a source of jobs did not do what it was asked.
///
/// Its text says the cause too, so [`source`](Error::source) is what the cause itself came from.
///
/// No job is lost by any of these: what was fetched and not settled comes again when its lease has run out.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// Nobody answers, the connection was lost, or the server is not ready yet. Trying again may help, and a
    /// [`Consumer`](super::Consumer) does. What was asked may have been done.
    Unreachable(Cause),
    /// The server does not let us in: the password or the user is wrong, or it may not do this.
    Denied(Cause),
    /// The server does not know a command that is needed; with what is needed.
    TooOld(String),
    /// A key of the queue is there already and holds something else.
    WrongType {
        /// The key.
        key: String,
    },
    /// Everything else, as the source says it.
    Failed(Cause),
}

impl SourceError {
    /// True when the same call may succeed later although nobody has changed anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, SourceError::Unreachable(_))
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Unreachable(cause) => write!(f, "the source of jobs cannot be reached: {cause}"),
            SourceError::Denied(cause) => write!(f, "the source of jobs refuses access: {cause}"),
            SourceError::TooOld(needed) => write!(f, "the server is too old: {needed}"),
            SourceError::WrongType { key } => {
                write!(f, "the key {key:?} holds something else than this queue; choose another name")
            }
            SourceError::Failed(cause) => write!(f, "the source of jobs failed: {cause}"),
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SourceError::Unreachable(cause) | SourceError::Denied(cause) | SourceError::Failed(cause) => {
                cause.source()
            }
            SourceError::TooOld(_) | SourceError::WrongType { .. } => None,
        }
    }
}

/// Why a payload cannot be written or read; the job that it came in is a dead letter then, with this as its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    reason: String,
}

impl PayloadError {
    /// With a reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        PayloadError { reason: reason.into() }
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for PayloadError {}

/// Why a payload was not sent. As with [`SourceError`] its text says the cause too.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// It cannot be written down.
    Payload(PayloadError),
    /// The queue did not take it, or did and could not say so: see [`SourceError::Unreachable`]. With a
    /// [key](super::SendOptions::key) it can be sent again without becoming a double.
    Source(SourceError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Payload(error) => write!(f, "the payload cannot be written: {error}"),
            SendError::Source(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendError::Payload(error) => error.source(),
            SendError::Source(error) => error.source(),
        }
    }
}

impl From<PayloadError> for SendError {
    fn from(error: PayloadError) -> Self {
        SendError::Payload(error)
    }
}

impl From<SourceError> for SendError {
    fn from(error: SourceError) -> Self {
        SendError::Source(error)
    }
}
