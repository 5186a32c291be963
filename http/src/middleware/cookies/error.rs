//! Why a cookie was not sealed.

use crate::ctx::StatusError;
use crate::values::cookie::CookieError;
use std::fmt;

/// Why a signed or encrypted cookie was not set. A handler that fails with it is answered 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// Name and sealed value together have more than the 4096 bytes that browsers keep. Signing takes a third more than
    /// the value, and some 60 bytes; encrypting takes a third more, and 64 bytes.
    TooLong,
    /// Browsers would not keep the cookie for another reason.
    Cookie(CookieError),
    /// The system gives no random bytes.
    NoRandomness,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str(
                "the sealed cookie is longer than the 4096 bytes that browsers keep: keep less in it, or use a session \
                 in a store",
            ),
            Self::Cookie(error) => error.fmt(f),
            Self::NoRandomness => f.write_str("the system gives no random bytes"),
        }
    }
}

impl std::error::Error for SealError {}

impl StatusError for SealError {
    fn status(&self) -> u16 {
        500
    }
}

impl From<CookieError> for SealError {
    fn from(error: CookieError) -> Self {
        match error {
            CookieError::TooLong => Self::TooLong,
            error => Self::Cookie(error),
        }
    }
}
