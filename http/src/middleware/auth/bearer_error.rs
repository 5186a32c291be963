//! Why a token lets nobody in.
//!
//! Source: RFC 6750 section 3.1.

use std::borrow::Cow;
use std::error::Error as StdError;

/// Why a token lets nobody in; for [`bearer_auth`](crate::middleware::bearer_auth()). Any other error becomes one by
/// `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum BearerError {
    /// It is unknown, has run out, or was revoked: 401.
    InvalidToken,
    /// It is good, but not for this: 403. The scope that is needed, as several words with spaces between them.
    InsufficientScope(Cow<'static, str>),
    /// That could not be found out: 500, or what a handler that fails with this is answered.
    Failed(Box<dyn StdError + Send + Sync>),
}

impl<E: StdError + Send + Sync + 'static> From<E> for BearerError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}
