//! Why there is no session.

use super::store::StoreError;
use crate::ctx::StatusError;
use std::fmt;

/// Why a session cannot be had or kept. A handler that fails with it is answered 500; the reason is logged.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The handler has no sessions around it.
    NoSessions,
    /// The store has failed.
    Store(StoreError),
    /// It is larger than it may be: `bytes`, with its numbers and names, and in a cookie with what encrypting adds.
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What it may take.
        max: usize,
    },
    /// Other requests of the session have changed it over and over meanwhile.
    Contended,
    /// The system gives no random bytes.
    NoRandomness,
    /// A value cannot be written as JSON.
    #[cfg(feature = "json")]
    Json(serde_json::Error),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSessions => f.write_str("there are no sessions: put `sessions` around this handler"),
            Self::Store(error) => write!(f, "the store of sessions failed: {error}"),
            Self::TooLarge { bytes, max } => write!(
                f,
                "the session takes {bytes} bytes of at most {max}: keep less in it (a cookie never has more than \
                 4096), or only the number of what is kept elsewhere"
            ),
            Self::Contended => f.write_str("other requests have changed the session over and over"),
            Self::NoRandomness => f.write_str("the system gives no random bytes"),
            #[cfg(feature = "json")]
            Self::Json(error) => write!(f, "a value of the session is not kept: {error}"),
        }
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(&**error),
            #[cfg(feature = "json")]
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

impl StatusError for SessionError {
    fn status(&self) -> u16 {
        500
    }
}
