//! Resolvers of certificates that wait: they are the user's, and run in the middle of handshakes.

use std::fmt;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::rustls::ServerConfig;
use anthill_http::rustls::server::{ClientHello, ResolvesServerCert};
use anthill_http::rustls::sign::CertifiedKey;
use anthill_http::{RequestCtx, Server, ServerBuilder, TlsConfig};
use anthill_tests::client::Client;
use anthill_tests::tls::{
    Authority, BOTH, Identity, TlsStream, hello, provider, session, shake, socket, trusting, try_connect,
};
use anthill_tests::{Gate, PATIENCE, eventually};
use rustls::ClientConfig;

use crate::agreed::Https;

const NAME: &str = "site.example";
const SLOW: &str = "slow.example";

/// Waits until it may go on where the slow name is asked for.
struct Waits {
    key: Arc<CertifiedKey>,
    gate: Gate,
    inside: AtomicUsize,
}

impl Waits {
    fn new(identity: &Identity) -> Arc<Self> {
        let (chain, key) = identity.parts();
        let key = provider().key_provider.load_private_key(key).expect("a key");
        let key = Arc::new(CertifiedKey::new(chain, key));
        Arc::new(Self { key, gate: Gate::new(), inside: AtomicUsize::new(0) })
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Waits {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.server_name() == Some(SLOW) {
            self.inside.fetch_add(1, Ordering::SeqCst);
            self.gate.pass();
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }
        Some(self.key.clone())
    }
}

fn hi(ctx: &mut RequestCtx) {
    match ctx.path() {
        // So that the route is known to block.
        "/slow" => std::thread::sleep(Duration::from_millis(20)),
        _ => ctx.set_body("hi"),
    }
}

/// A server with such a resolver, and a configuration of clients none of whom comes back.
fn serving(options: ServerBuilder) -> (Https, Arc<Waits>, Arc<ClientConfig>) {
    let authority = Authority::new("an authority");
    let waits = Waits::new(&authority.issue(&[NAME, SLOW]));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(waits.clone());
    let config = TlsConfig::from_rustls(config).expect("it offers nothing else");
    let mut client = trusting(&authority, BOTH);
    client.resumption = rustls::client::Resumption::disabled();
    (Https::with(options, hi, &config, authority), waits, Arc::new(client))
}

/// So many clients who have asked for the slow name.
fn held_up(
    https: &Https,
    config: &Arc<ClientConfig>,
    count: usize,
) -> Vec<(TcpStream, rustls::ClientConnection)> {
    let ask = |_| {
        let (mut stream, mut session) = (socket(https.address()), session(config, SLOW));
        stream.write_all(&hello(&mut session)).expect("it is open");
        (stream, session)
    };
    (0..count).map(ask).collect()
}

fn client(https: &Https, config: &Arc<ClientConfig>) -> Client<TlsStream> {
    Client::over(try_connect(https.address(), config, NAME).expect("a handshake"))
}

/// More of them wait than reckon, and than there are shards; others are served, whichever shard they belong to.
#[test]
fn tls_02_resolvers_that_wait_hold_up_nobody_else() {
    for shards in [1, 2] {
        let (https, waits, config) = serving(Server::builder().shards(shards));
        let mut open: Vec<_> = (0..4).map(|_| client(&https, &config)).collect();
        let held = held_up(&https, &config, 4 * shards + 8);
        eventually("they wait", || waits.inside.load(Ordering::SeqCst) == held.len());
        for _ in 0..30 {
            assert_eq!(client(&https, &config).get("/").text(), "hi");
            assert!(open.iter_mut().all(|client| client.get("/").text() == "hi"));
            assert_eq!(open[0].get("/slow").status, 200);
        }
        assert_eq!(waits.inside.load(Ordering::SeqCst), held.len());
        waits.gate.open();
        for (stream, session) in held {
            let mut client = Client::over(shake(stream, session).expect("a handshake"));
            assert_eq!(client.get("/").text(), "hi");
        }
        assert_eq!(https.running.stats().rejections.tls_handshake, 0);
        https.end();
    }
}

/// Where there are more of them than threads may block, what comes waits for its time and is refused then, and counted;
/// what is open goes on.
#[test]
fn tls_02_resolvers_that_wait_on_all_threads_hold_no_shard_up() {
    let limit = Duration::from_millis(300);
    let options = Server::builder()
        .shards(1)
        .max_workers(2)
        .max_streaming_workers(1)
        .max_wait(limit)
        .max_waiting_requests(20);
    let (https, waits, config) = serving(options);
    let mut open: Vec<_> = (0..4).map(|_| client(&https, &config)).collect();
    let held = held_up(&https, &config, 60);
    let refused = || https.running.stats().rejections.tls_handshake;
    eventually("nobody else may begin", || refused() > 0);
    let before = refused();
    try_connect(https.address(), &config, NAME).expect_err("there is nobody for it");
    assert!(refused() > before);
    for _ in 0..30 {
        assert!(open.iter_mut().all(|client| client.get("/").text() == "hi"));
    }
    let waiting = waits.inside.load(Ordering::SeqCst);
    eventually("who waits is refused", || refused() as usize + waits.inside.load(Ordering::SeqCst) >= 60);
    assert!(waits.inside.load(Ordering::SeqCst) >= waiting && waiting < 20, "{waiting} are at it");
    waits.gate.open();
    eventually("all are done", || waits.inside.load(Ordering::SeqCst) == 0);
    drop(held);
    // Nothing is left of it: as many may begin as before.
    for _ in 0..30 {
        assert_eq!(client(&https, &config).get("/").text(), "hi");
    }
    assert!(open.iter_mut().all(|client| client.get("/slow").status == 200));
    https.end();
}

/// An end in the middle of it: who waits for somebody to reckon is not waited for.
#[test]
fn tls_02_a_shutdown_waits_for_no_handshake_that_has_not_begun() {
    let options = Server::builder().shards(1).max_workers(1).max_streaming_workers(1);
    let (https, waits, config) = serving(options);
    let _open = client(&https, &config);
    let _held = held_up(&https, &config, 40);
    eventually("they wait", || waits.inside.load(Ordering::SeqCst) > 0);
    eventually("all are there", || https.running.stats().open_connections == 41);
    https.running.shutdown(Duration::from_millis(300)).expect_err("some are at it");
    eventually("the others are gone", || {
        https.running.stats().open_connections == waits.inside.load(Ordering::SeqCst)
    });
    waits.gate.open();
    https.running.shutdown(PATIENCE).expect("an end in time");
    https.running.join().expect_err("the first time was too short");
}
