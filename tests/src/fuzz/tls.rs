//! What a client says first on a port for TLS, alone or behind a proxy's header.
//!
//! The idea: its first byte decides. A request is answered in words, what TLS begins with is answered in records or not
//! at all, and all else by silence; and how it comes, whole or in pieces, changes nothing. Whatever it is, there is no
//! request in it, because nobody can agree on keys by saying the same things each time.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::{InMemoryListener, Listener, Server, TlsConfig};

use super::plan::{Plan, shown};
use crate::client::SOCKET_LIMIT;
use crate::tls::Authority;

/// So many bytes are sent at most: a hello may be as long, and no first flight is longer.
const INPUT_MAX: usize = 20_000;

/// What a proxy says before it, in both forms there are.
const HEADERS: [&[u8]; 3] = [
    b"",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xcb\0\x71\x01\x12\x67\x01\xbb",
];

static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// Listeners of a server that runs until the process ends: one for all, and one for proxies.
static LISTENERS: LazyLock<[InMemoryListener; 2]> = LazyLock::new(|| {
    let identity = Authority::new("an authority").issue(&["h"]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::builder().shards(1).build(|_| {
        HANDLED.fetch_add(1, Ordering::SeqCst);
    });
    let listeners = [InMemoryListener::new(), InMemoryListener::new()];
    let [direct, proxied] = &listeners;
    let all = [Listener::from(direct), Listener::from(proxied).proxy_protocol(true)];
    let running = server.expect("the defaults").start_all(all.map(|listener| listener.tls(&config)));
    std::mem::forget(running.expect("threads"));
    listeners
});

/// How a client was answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Silence,
    /// A response in the clear.
    Words,
    /// The types of these records, and what is in those that are alerts nobody has encrypted.
    Records(Vec<(u8, Vec<u8>)>),
}

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let input = &input[..input.len().min(INPUT_MAX)];
    let header = HEADERS[plan.below(HEADERS.len())];
    let size = usize::from(plan.byte()).max(1);
    let bytes = [header, input].concat();
    let whole = answer(&bytes, bytes.len().max(1), !header.is_empty());
    match input.first() {
        Some(b'A'..=b'Z' | b'a'..=b'z') => assert_eq!(whole, Answer::Words, "{}", shown(input)),
        Some(22) => assert!(matches!(whole, Answer::Silence | Answer::Records(_)), "{whole:?}"),
        _ => assert_eq!(whole, Answer::Silence, "{}", shown(input)),
    }
    let pieces = answer(&bytes, size, !header.is_empty());
    assert_eq!(pieces, whole, "in pieces of {size}, and whole: {}", shown(input));
    assert_eq!(HANDLED.load(Ordering::SeqCst), 0, "a request is seen in {}", shown(input));
}

/// What is answered to `bytes` that come in pieces of this size.
fn answer(bytes: &[u8], size: usize, is_proxied: bool) -> Answer {
    let mut client = LISTENERS[usize::from(is_proxied)].dial().expect("the server runs");
    client.set_read_timeout(Some(SOCKET_LIMIT)).expect("it is not 0");
    // The server may have had enough before.
    let _ = bytes.chunks(size).try_for_each(|piece| client.write_all(piece));
    client.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    client.read_to_end(&mut said).unwrap_or_else(|error| panic!("{error}: {}", shown(bytes)));
    classify(&said)
}

fn classify(said: &[u8]) -> Answer {
    if said.is_empty() {
        return Answer::Silence;
    }
    if said.starts_with(b"HTTP/") {
        let text = String::from_utf8_lossy(said);
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
        let (_, body) = text.split_once("\r\n\r\n").expect("the end of a head");
        assert!(body.starts_with("This port speaks HTTPS") && body.ends_with(".\n"), "{text}");
        return Answer::Words;
    }
    let (mut rest, mut records, mut is_encrypted) = (said, Vec::new(), false);
    while let [kind, 3, _, high, low, behind @ ..] = rest {
        let length = usize::from(*high) << 8 | usize::from(*low);
        assert!((20..=23).contains(kind) && length <= behind.len(), "no record: {}", shown(said));
        let (carried, others) = behind.split_at(length);
        is_encrypted |= matches!(kind, 20 | 23);
        let alert = if *kind == 21 && !is_encrypted { carried } else { &[] };
        records.push((*kind, alert.to_vec()));
        rest = others;
    }
    assert!(rest.is_empty(), "what is no record: {}", shown(said));
    Answer::Records(records)
}
