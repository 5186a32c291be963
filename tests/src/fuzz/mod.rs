//! What must hold for any bytes whatever, as functions that a fuzzer can call.
//!
//! The idea: an entry takes bytes, lets the library make of them what it will through its public interface, and panics
//! when a promise is broken: a panic of the library, two readings of the same bytes, something printed that does not
//! read back, a response that a handler's bytes have broken. A promise is judged by code that is written here as
//! plainly as possible and shares nothing with the library. The same functions are run by the fuzzer in `tests/fuzz`
//! and, over its corpus and mutations of that, by `cargo test`.
//!
//! The rule: an entry is a function of its bytes. It knows no clock, no chance and no state of an earlier run, so what
//! fails once fails always. Where an entry has choices to make besides, they come from a [`Plan`](plan::Plan) at the
//! front of the bytes.

mod args;
mod chunked;
mod client;
mod connection;
mod cookies;
mod decoder;
mod files;
mod form;
mod handler;
mod handshake;
mod header_values;
mod line;
mod listing;
mod multipart;
mod mutate;
mod negotiation;
mod paths;
mod plan;
mod proxy_header;
mod reference;
mod replies;
mod request;
mod response;
mod tls;
mod uri;
mod websocket;

pub use mutate::Mutations;

use std::path::{Path, PathBuf};

/// Judges what the library makes of some bytes, and panics when that breaks a promise.
pub type Entry = fn(&[u8]);

/// All entries by name. The fuzzer's targets and the folders of its corpus are called the same.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("args", args::check),
    ("chunked", chunked::check),
    ("client", client::check),
    ("connection", connection::check),
    ("cookies", cookies::check),
    ("decoder", decoder::check),
    ("files", files::check),
    ("form", form::check),
    ("handshake", handshake::check),
    ("header_values", header_values::check),
    ("listing", listing::check),
    ("multipart", multipart::check),
    ("negotiation", negotiation::check),
    ("paths", paths::check),
    ("proxy_header", proxy_header::check),
    ("request", request::check),
    ("response", response::check),
    ("tls", tls::check),
    ("uri", uri::check),
    ("websocket", websocket::check),
];

/// Runs the entry called `name`.
///
/// # Panics
/// When there is none, and when `data` breaks a promise.
pub fn run(name: &str, data: &[u8]) {
    let entry = ENTRIES.iter().find(|(known, _)| *known == name);
    let (_, entry) = entry.unwrap_or_else(|| panic!("there is no entry called {name}"));
    entry(data);
}

/// Where the inputs of the entry called `name` are kept.
pub fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}
