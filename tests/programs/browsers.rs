//! A browser without a window: pages that try what the testbed has, in the clear and encrypted, and write into
//! themselves how it went.
//!
//! It is Chromium or one of its kin (`apt-get install chromium`). Where there is none these tests are skipped, and say
//! so.

use std::fs;
use std::path::Path;

use anthill_tests::browsers::chromium;
use anthill_tests::examples::Example;
use anthill_tests::server::skip;
use anthill_tests::tls::{Authority, Identity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData};

/// Shows a page, and returns what it is in the end: when all of it is loaded. `None`: there is no browser.
fn show(page: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let Some(mut browser) = chromium(&folder.join("profile")) else {
        skip("there is no Chromium");
        return None;
    };
    browser.arg("--dump-dom").args(arguments).arg(page);
    let ran = browser.output().expect("it was there a moment ago");
    Some(format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

/// What pages have in common: a place for what they tell, and an image that is not there before they have told it, so
/// that the browser waits for that.
const TELLS: &str = r#"<!doctype html><meta charset=utf-8><pre id=told>waiting</pre>
<img id=pending src="BASE/sleep?ms=20000"><script>
const tell = what => { told.textContent = what; pending.src = 'data:,' }
const talk = address => new Promise((done, fail) => {
  const socket = new WebSocket(address, ['chat'])
  const said = ['hello', 'é'.repeat(5000), 'x'.repeat(100000)]
  let heard = 0
  socket.onopen = () => said.forEach(text => socket.send(text))
  socket.onmessage = event => {
    if (event.data !== said[heard]) return fail('another message')
    if (++heard === said.length) socket.close(4001, 'enough')
  }
  socket.onclose = event =>
    event.wasClean && event.code === 4001 && socket.protocol === 'chat' &&
    socket.extensions.startsWith('permessage-deflate') ? done() : fail(`code ${event.code}, ${socket.extensions}`)
})
const check = (what, is) => { if (!is) throw what }
</script>"#;

#[test]
fn a_browser_speaks_with_the_testbed() {
    let testbed = Example::launch("testbed", &["--addr", "127.0.0.1:0"], &[]).listening();
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let tells = TELLS.replace("BASE", &format!("http://{}", testbed.address()));
    let talks = format!(
        "<script>talk('ws://{}/ws').then(() => tell('all was well'), tell)</script>",
        testbed.address()
    );
    fs::write(&page, tells + &talks).expect("a file");
    let Some(told) = show(&format!("file://{}", page.display()), &[], folder.path()) else { return };
    assert!(told.contains(">all was well<"), "{told}");
}

/// A page that comes encrypted, from which everything else does.
const ENCRYPTED: &str = r"<script>
const bytes = 'é'.repeat(200000)
const streams = () => new Promise((done, fail) => {
  const source = new EventSource('/events?n=5&ms=1'), heard = []
  source.onmessage = event => { heard.push(event.data); if (heard.length === 5) { source.close(); done() } }
  source.onerror = () => fail('events')
})
const all = async () => {
  check('where it is', location.protocol === 'https:' && window.isSecureContext)
  check('scheme', (await (await fetch('/info')).text()).includes('\nscheme=https\n'))
  check('body', await (await fetch('/echo', { method: 'POST', body: bytes })).text() === bytes)
  const many = await Promise.all(Array.from({ length: 30 }, (_, n) => fetch(`/bytes?n=${n * 5000}`)))
  const sizes = await Promise.all(many.map(async response => (await response.blob()).size))
  check(`sizes ${sizes}`, sizes.every((size, n) => size === n * 5000))
  await streams()
  await Promise.all([1, 2, 3].map(() => talk(`wss://${location.host}/ws`)))
}
all().then(() => tell('all was well'), why => tell(`failed: ${why}`))
</script>";

/// What the browser is to trust, and nothing else: the digest of the public key, as the option
/// `--ignore-certificate-errors-spki-list` has it.
fn pin(identity: &Identity) -> String {
    let key = KeyPair::from_pem(&identity.key).expect("our own key").subject_public_key_info();
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let sha256 = suite.tls13().expect("one of TLS 1.3").common.hash_provider;
    STANDARD.encode(sha256.hash(&key))
}

#[test]
fn a_browser_speaks_with_the_testbed_by_https_and_wss() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Authority::new("an authority").issue(&["localhost"]);
    let (certificate, key) = identity.write(folder.path(), "site");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    fs::write(root.join("page.html"), TELLS.replace("BASE", "") + ENCRYPTED).expect("a file");
    let paths = [&certificate, &key, &root].map(|path| path.to_str().expect("text"));
    let [certificate, key, root] = paths;
    let arguments = ["--addr", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key, "--root", root];
    let testbed = Example::launch("testbed", &arguments, &[]).listening();
    let page = format!("https://localhost:{}/files/page.html", testbed.address().port());

    let pinned = format!("--ignore-certificate-errors-spki-list={}", pin(&identity));
    let Some(told) = show(&page, &[&pinned], folder.path()) else { return };
    assert!(told.contains(">all was well<"), "{told}");
    // It is that pin alone for which it trusts us.
    let other = format!("--ignore-certificate-errors-spki-list={}", STANDARD.encode([7; 32]));
    let elsewhere = folder.path().join("elsewhere");
    let told = show(&page, &[&other], &elsewhere).expect("it was there a moment ago");
    assert!(!told.contains("id=\"told\""), "{told}");
}
