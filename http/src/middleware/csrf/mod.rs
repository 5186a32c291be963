//! Requests that pages of others have a user's browser send: which are refused (`refusing`), whose pass (`policy`), and
//! tokens for browsers that do not say where a request is from (`tokens`).

mod policy;
mod refusing;
#[cfg(feature = "sessions")]
mod tokens;

pub use policy::CsrfPolicy;
pub use refusing::csrf;
#[cfg(feature = "sessions")]
pub use tokens::csrf_tokens;
