//! The HTTP servers: ours and its peers, each set up as its own documentation would for two threads.
//!
//! All of them answer the same routes (see `routes`), each in its own way of doing so, except the bare one, which is
//! the limit and knows no routes. None has access to more than [`LANES`] threads that drive connections; what blocks
//! goes where that stack's users put it.

mod actix;
mod axum;
mod bare;
mod bare_threads;
mod contest;
mod go;
mod hyper;
mod process;
pub(crate) mod routes;
mod spread;
mod threads;

pub use contest::{Entrant, Standing, compete, compete_by};
pub use process::{ServerProcess, serve_if_asked};

use crate::report::say;
use crate::settings::Settings;
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
    /// A thread per connection that looks for nothing but the time to sleep: the limit, not a server.
    BareThreads,
    /// fasthttp, in Go: a goroutine per connection, and a sleep that is no thread's.
    Fasthttp,
    /// `net/http` of Go's standard library.
    NetHttp,
}

impl Server {
    const ALL: [Self; 9] = [
        Self::Bare,
        Self::Ours,
        Self::Hyper,
        Self::Axum,
        Self::Actix,
        Self::Threads,
        Self::BareThreads,
        Self::Fasthttp,
        Self::NetHttp,
    ];

    /// The name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::Hyper => "hyper",
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Threads => "threads",
            Self::BareThreads => "bare_threads",
            Self::Fasthttp => "fasthttp",
            Self::NetHttp => "nethttp",
        }
    }

    /// Whether it can take part here; says why not. A server in Go is compiled for that, with what is on this machine.
    #[must_use]
    pub fn is_at_hand(self, settings: &Settings) -> bool {
        if !matches!(self, Self::Fasthttp | Self::NetHttp) {
            return true;
        }
        let outcome = match settings.quick && settings.only.is_empty() {
            true => {
                Err("it is not compiled for a smoke test, which would take longer than the test".to_owned())
            }
            false => go::prepare(self),
        };
        match &outcome {
            Ok(version) => say(&format!("{} with {version}", self.name())),
            Err(reason) => say(&format!("{} does not take part: {reason}", self.name())),
        }
        outcome.is_ok()
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
            Self::BareThreads => bare_threads::serve(&listener),
            Self::Fasthttp | Self::NetHttp => Err("it is a program of its own".into()),
        }
    }
}
