//! Cookies that only this server can have made: their keys (`key`), how they are sealed (`seal`), those of a request
//! and a response (`sealed`).

mod error;
mod key;
mod seal;
mod sealed;

pub use error::SealError;
pub use key::CookieKey;
