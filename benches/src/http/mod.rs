//! The HTTP servers: ours and its peers, each set up as its own documentation would for two threads.
//!
//! All of them answer the same routes (see `routes`), each in its own way of doing so, except the bare one, which is
//! the limit and knows no routes. None has access to more than [`LANES`] threads that drive connections; what blocks
//! goes where that stack's users put it.

mod actix;
mod axum;
mod bare;
mod contest;
mod hyper;
mod process;
pub(crate) mod routes;
mod spread;
mod threads;

pub use contest::{Standing, compete};
pub use process::{ServerProcess, serve_if_asked};

use std::error::Error;
use std::net::TcpListener;

/// Threads that drive connections (event loops, shards), the same for every server.
pub const LANES: usize = 2;

/// A server that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// An epoll loop that counts blank lines and sends a canned answer: the limit, not a server.
    Bare,
    /// This project.
    Ours,
    /// hyper 1.x: a current-thread tokio runtime per lane; `spawn_blocking` for what blocks.
    Hyper,
    /// axum on one multi-thread tokio runtime, as `axum::serve` is documented; `spawn_blocking` for what blocks.
    Axum,
    /// actix-web with a worker per lane; `web::block` for what blocks.
    Actix,
    /// A thread per connection, with httparse: the plainest blocking server.
    Threads,
}

impl Server {
    const ALL: [Self; 6] = [Self::Bare, Self::Ours, Self::Hyper, Self::Axum, Self::Actix, Self::Threads];

    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::Hyper => "hyper",
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Threads => "threads",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.name() == name)
    }

    /// Serves connections on the calling thread and others; returns only when it fails.
    fn serve(self, listener: TcpListener) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Bare => bare::serve(&listener),
            Self::Ours => crate::ours_http::serve(listener),
            Self::Hyper => hyper::serve(&listener),
            Self::Axum => axum::serve(listener),
            Self::Actix => actix::serve(listener),
            Self::Threads => threads::serve(&listener),
        }
    }
}
