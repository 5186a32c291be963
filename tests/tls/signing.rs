//! Keys that take long to sign: that is computing, and is done by as many workers as there are shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_http::rustls::ServerConfig;
use anthill_http::rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use anthill_http::{RequestCtx, Server, TlsConfig};
use anthill_tests::client::Client;
use anthill_tests::tls::{Authority, BOTH, provider, trusting, try_connect};
use anthill_tests::{PATIENCE, background, eventually};
use rustls::sign::Signer;
use rustls::{ClientConfig, Error, SignatureAlgorithm, SignatureScheme};

use crate::agreed::Https;

const NAME: &str = "site.example";
const SHARDS: usize = 2;

fn hi(ctx: &mut RequestCtx) {
    ctx.set_body("hi");
}

/// A key that computes for as long as it is told to.
#[derive(Clone, Debug)]
struct Long {
    key: Arc<dyn SigningKey>,
    state: Arc<LongState>,
}

#[derive(Debug, Default)]
struct LongState {
    goes_on: AtomicBool,
    signing: AtomicUsize,
    most: AtomicUsize,
}

impl LongState {
    fn compute(&self) {
        let signing = self.signing.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(signing, Ordering::SeqCst);
        let begun = Instant::now();
        // Without sleeping: it wants the CPU throughout.
        while self.goes_on.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE
            || begun.elapsed() < Duration::from_millis(5)
        {
            std::hint::spin_loop();
        }
        self.signing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SigningKey for Long {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.key.choose_scheme(offered)?;
        Some(Box::new(LongSigner { signer, state: self.state.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

#[derive(Debug)]
struct LongSigner {
    signer: Box<dyn Signer>,
    state: Arc<LongState>,
}

impl Signer for LongSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.state.compute();
        self.signer.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.signer.scheme()
    }
}

fn config(authority: &Authority, state: &Arc<LongState>) -> TlsConfig {
    let (chain, key) = authority.issue_rsa(&[NAME]).parts();
    let key = provider().key_provider.load_private_key(key).expect("a key");
    let key = CertifiedKey::new(chain, Arc::new(Long { key, state: state.clone() }));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    TlsConfig::from_rustls(config).expect("it offers nothing else")
}

/// So many clients at once, none of whom comes back; each says when it is served.
fn clients(https: &Https, count: usize) -> Vec<anthill_tests::Background<()>> {
    let mut config = trusting(&https.authority, BOTH);
    config.resumption = rustls::client::Resumption::disabled();
    let (config, address) = (Arc::new(config), https.address());
    let client = |_| {
        let config: Arc<ClientConfig> = config.clone();
        background(move || {
            let stream = try_connect(address, &config, NAME).expect("a handshake");
            assert_eq!(Client::over(stream).get("/").text(), "hi");
        })
    };
    (0..count).map(client).collect()
}

/// Once it is known that signatures take long, as many are at it as there are shards, and the shards are at none; that
/// is so again and again, so each that was begun has ended as one.
#[test]
fn tls_02_signatures_by_long_keys_go_to_workers_and_all_are_served() {
    let (authority, state) = (Authority::new("an authority"), Arc::new(LongState::default()));
    let tls = config(&authority, &state);
    let https = Https::with(Server::builder().shards(SHARDS), hi, &tls, authority);
    let mut open: Vec<_> = (0..10 * SHARDS).map(|_| https.client()).collect();
    for round in 1..=5 {
        state.most.store(0, Ordering::SeqCst);
        state.goes_on.store(true, Ordering::SeqCst);
        let waiting = clients(&https, 4 * SHARDS);
        eventually("all that may are at it", || state.signing.load(Ordering::SeqCst) == SHARDS);
        for _ in 0..20 {
            assert!(open.iter_mut().all(|client| client.get("/").text() == "hi"), "on any shard");
        }
        assert_eq!(state.signing.load(Ordering::SeqCst), SHARDS, "round {round}");
        state.goes_on.store(false, Ordering::SeqCst);
        waiting.into_iter().for_each(|client| client.outcome("a client"));
        assert_eq!(state.most.load(Ordering::SeqCst), SHARDS, "round {round}");
    }
    let stats = https.running.stats();
    let full = (10 * SHARDS + 5 * 4 * SHARDS) as u64;
    assert_eq!(
        (stats.handshakes.full, stats.handshakes.resumed, stats.rejections.tls_handshake),
        (full, 0, 0)
    );
    https.end();
}
