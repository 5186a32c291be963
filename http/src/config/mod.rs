//! What a server's user says, and what of it the rest of the crate reads.

pub(crate) mod conn_options;
mod connections;
mod deciding;
pub(crate) mod error;
pub(crate) mod hooks;
mod listening;
pub(crate) mod options;
mod proxies;
pub(crate) mod request_config;
mod requests;
pub(crate) mod settings;
mod telling;
mod threads;
mod timeouts;
#[cfg(feature = "testing")]
mod watching;
