//! Encrypted connections: certificates and how they are read again, and the layer above a socket that encrypts.
//!
//! The idea: TLS itself is `rustls`'s. Here is what it leaves to others: files that are checked before anybody is shown
//! what is in them, and that are looked at again; names; and bytes that go in and out. A [`TlsLayer`] is a transport
//! like any other, so that everything above knows nothing of it, but for the
//! [handshake](self::layer::TlsLayer::reckon), which the engine brings about as a stage of its own before there is
//! HTTP.
//!
//! The buffered form of a session is used, not the one without buffers: it is the one that nearly everybody uses, it
//! tells the name that the client has asked for, and its copies are few. What is written is copied once, as it is
//! encrypted, a record at a time, and the record is sent before the next is made; what is received is decrypted where
//! it lies and copied once. Idle it has one buffer of 4 KiB, and nothing is allocated for a client that has not said
//! hello.
//!
//! The rules: nothing is installed for the whole process. A name of `rustls` is in the public interface only where
//! somebody brings a part of it.

#[cfg(feature = "client")]
mod anybody;
mod by_name;
mod client_auth;
#[cfg(feature = "client")]
mod client_config;
mod config;
mod error;
#[cfg(feature = "client")]
mod given;
mod handshake;
mod layer;
mod options;
mod pair;
mod pem;
mod provider;
mod recipe;
mod records;
mod session;
mod watch;

pub use client_auth::ClientAuth;
#[cfg(feature = "client")]
pub use client_config::{ClientTlsConfig, ClientTlsConfigBuilder, TrustedRoots};
pub use config::TlsConfig;
pub use error::TlsError;
pub(crate) use handshake::HandshakeFailure;
pub(crate) use layer::TlsLayer;
pub use options::TlsConfigBuilder;
