//! Who a client is: by name and password, or by a token.
//!
//! The files: what is in the field `Authorization` (`challenge`), the two wrappers (`basic`, `bearer`), what their
//! functions may return (`verdict`, `bearer_error`), and comparing (`same_secret`).

mod basic;
mod bearer;
mod bearer_error;
mod challenge;
mod same_secret;
mod verdict;

pub use basic::basic_auth;
pub use bearer::bearer_auth;
pub use bearer_error::BearerError;
pub use same_secret::same_secret;
pub use verdict::AuthVerdict;
