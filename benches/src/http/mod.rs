//! The HTTP servers: ours and its peers, each set up as its own documentation would for two threads.
//!
//! All of them answer the same routes (see `routes`), each in its own way of doing so, except the bare one, which is
//! the limit and knows no routes. None has access to more than [`LANES`] threads that drive connections; what blocks
//! goes where that stack's users put it.

mod actix;
mod attending;
mod axum;
mod bare;
mod bare_threads;
pub(crate) mod certificate;
pub(crate) mod compressing;
mod contest;
mod go;
mod hyper;
mod nginx;
mod process;
pub(crate) mod routes;
mod spread;
mod threads;
mod tiny;

pub use contest::{Entrant, Standing, compete, compete_at, compete_by};
pub use process::{ServerProcess, serve_if_asked};

use crate::report::say;
use crate::settings::Settings;
use std::error::Error;
use std::net::TcpListener;
use std::path::Path;

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
    /// tiny_http, from whose one queue many threads take requests.
    TinyHttp,
    /// nginx with as many workers as lanes: a tiny text.
    Nginx,
    /// This project, encrypted by TLS.
    OursTls,
    /// hyper 1.x as above, behind tokio-rustls.
    HyperTls,
    /// nginx with as many workers as lanes: a tiny text, encrypted.
    NginxTls,
    /// nginx that serves a folder, as the next four do; it keeps files open.
    NginxFiles,
    /// This project's handler of files.
    OursFiles,
    /// `ServeDir` of tower-http behind hyper as above.
    HyperFiles,
    /// actix-files behind actix-web as above.
    ActixFiles,
    /// `http.FileServer` of Go's standard library.
    NetHttpFiles,
    /// nginx that compresses what it finds in a folder, as the next four do; in brotli where it has the module.
    NginxCompressing,
    /// This project's wrapper around a handler.
    OursCompressing,
    /// `Compression` of tower-http behind hyper as above.
    HyperCompressing,
    /// `Compress` of actix-web as above.
    ActixCompressing,
    /// `compress/gzip` of Go's standard library, its writers kept in a `sync.Pool`.
    NetHttpCompressing,
    /// This project, asked by clients that are compared (see [`clients`](crate::clients)).
    OursAsked,
    /// This project, with WebSockets (see [`ws`](crate::ws), as of the next two).
    OursWs,
    /// tokio-tungstenite on one multi-thread tokio runtime.
    Tungstenite,
    /// fastwebsockets behind hyper on one multi-thread tokio runtime.
    Fastwebsockets,
}

impl Server {
    const ALL: [Self; 28] = [
        Self::Bare,
        Self::Ours,
        Self::Hyper,
        Self::Axum,
        Self::Actix,
        Self::Threads,
        Self::BareThreads,
        Self::Fasthttp,
        Self::NetHttp,
        Self::TinyHttp,
        Self::Nginx,
        Self::OursTls,
        Self::HyperTls,
        Self::NginxTls,
        Self::NginxFiles,
        Self::OursFiles,
        Self::HyperFiles,
        Self::ActixFiles,
        Self::NetHttpFiles,
        Self::NginxCompressing,
        Self::OursCompressing,
        Self::HyperCompressing,
        Self::ActixCompressing,
        Self::NetHttpCompressing,
        Self::OursAsked,
        Self::OursWs,
        Self::Tungstenite,
        Self::Fastwebsockets,
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
            Self::TinyHttp => "tiny_http",
            Self::Nginx => "nginx",
            Self::OursTls => "ours_tls",
            Self::HyperTls => "hyper_tls",
            Self::NginxTls => "nginx_tls",
            Self::NginxFiles => "nginx_files",
            Self::OursFiles => "ours_files",
            Self::HyperFiles => "hyper_files",
            Self::ActixFiles => "actix_files",
            Self::NetHttpFiles => "nethttp_files",
            Self::NginxCompressing => "nginx_compressing",
            Self::OursCompressing => "ours_compressing",
            Self::HyperCompressing => "hyper_compressing",
            Self::ActixCompressing => "actix_compressing",
            Self::NetHttpCompressing => "nethttp_compressing",
            Self::OursAsked => "ours_asked",
            Self::OursWs => "ours_ws",
            Self::Tungstenite => "tungstenite",
            Self::Fastwebsockets => "fastwebsockets",
        }
    }

    /// Whether it can take part here; says why not. A server in Go is compiled for that, with what is on this machine;
    /// nginx is there or not.
    #[must_use]
    pub fn is_at_hand(self, settings: &Settings) -> bool {
        let outcome = match self {
            Self::Nginx | Self::NginxTls | Self::NginxFiles | Self::NginxCompressing => nginx::version(),
            _ if !self.is_in_go() => return true,
            _ if settings.quick && settings.only.is_empty() => {
                Err("it is not compiled for a smoke test, which would take longer than the test".to_owned())
            }
            _ => go::prepare(self),
        };
        match &outcome {
            Ok(version) => say(&format!("{} with {version}", self.name())),
            Err(reason) => say(&format!("{} does not take part: {reason}", self.name())),
        }
        outcome.is_ok()
    }

    /// Why it does not compress in that coding, if it does not.
    #[must_use]
    pub fn lacks_coding(self, coding: &str) -> Option<&'static str> {
        match (self, coding) {
            (Self::NginxCompressing, "br") if !nginx::has_brotli() => {
                Some("it has no module for that coding")
            }
            (Self::NginxCompressing, "zstd") => Some("it has no module for that coding"),
            (Self::NetHttpCompressing, "br" | "zstd") => Some("its library does not know that coding"),
            _ => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.name() == name)
    }

    fn is_in_go(self) -> bool {
        matches!(self, Self::Fasthttp | Self::NetHttp | Self::NetHttpFiles | Self::NetHttpCompressing)
    }

    /// Serves connections on the calling thread and others; returns only when it fails. Files are those of `root`.
    fn serve(self, listener: TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Bare => bare::serve(&listener),
            Self::Ours => crate::ours_http::serve(listener),
            Self::OursTls => crate::ours_http::serve_tls(listener),
            Self::Hyper => hyper::serve(&listener, None),
            Self::HyperTls => hyper::serve(&listener, Some(hyper::acceptor()?)),
            Self::Axum => axum::serve(listener),
            Self::Actix => actix::serve(listener),
            Self::Threads => threads::serve(&listener),
            Self::TinyHttp => tiny::serve(listener),
            Self::BareThreads => bare_threads::serve(&listener),
            Self::OursAsked => crate::ours_http::serve_clients(listener),
            Self::OursWs => crate::ours_ws::serve(listener),
            Self::Tungstenite => crate::ws::tungstenite::serve(listener),
            Self::Fastwebsockets => crate::ws::fastwebsockets::serve(listener),
            Self::OursFiles => crate::ours_http::serve_files(listener, root),
            Self::HyperFiles => hyper::serve_files(&listener, root),
            Self::ActixFiles => actix::serve_files(listener, root),
            Self::OursCompressing => crate::ours_http::serve_compressing(listener, root),
            Self::HyperCompressing => hyper::serve_compressing(&listener, root),
            Self::ActixCompressing => actix::serve_compressing(listener, root),
            Self::Nginx
            | Self::NginxTls
            | Self::NginxFiles
            | Self::NginxCompressing
            | Self::NetHttpFiles
            | Self::NetHttpCompressing
            | Self::Fasthttp
            | Self::NetHttp => Err("it is a program of its own".into()),
        }
    }
}
