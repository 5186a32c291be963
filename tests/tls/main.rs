//! HTTPS, over real sockets. A binary of its own, because nothing else here needs certificates.

mod agreed;
mod bytes;
#[cfg(target_os = "linux")]
mod churn;
mod ciphers;
#[cfg(unix)]
mod files;
mod handshake;
mod records;
mod resolvers;
mod signing;
mod websocket;
