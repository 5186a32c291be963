//! What a server's user says, and what of it the rest of the crate reads.

pub(crate) mod conn_options;
pub(crate) mod hooks;
mod listening;
pub(crate) mod options;
mod proxies;
pub(crate) mod request_config;
pub(crate) mod settings;
