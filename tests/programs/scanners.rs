//! What programs find that look for weaknesses in how a server speaks TLS: nothing, in what is so by default.
//!
//! They are `sslyze` (`pip install sslyze`) and `testssl.sh` (`apt-get install testssl.sh`), found in the path, the
//! first also where the variable `ANTHILL_SSLYZE` says. Where one is not its test is skipped, and says so.

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anthill_tests::examples::Example;
use anthill_tests::server::skip;
use anthill_tests::tls::{Authority, Identity};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use serde_json::Value;

const NAME: &str = "localhost";
const DAY: Duration = Duration::from_secs(86_400);

/// The testbed with a certificate of each kind of key, as public authorities make them, in a folder of its own.
struct Scanned {
    folder: tempfile::TempDir,
    testbed: Example,
}

impl Scanned {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("an authority");
        let as_public = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.use_authority_key_identifier_extension = true;
            params.not_before = (SystemTime::now() - DAY).into();
            params.not_after = (SystemTime::now() + 89 * DAY).into();
        };
        let write = |identity: Identity, name: &str| {
            let (certificate, key) = identity.write(folder.path(), name);
            [certificate, key].map(|path| path.to_str().expect("text").to_owned())
        };
        let ecdsa = write(authority.issue_with(&[NAME], as_public), "ecdsa");
        let rsa = write(authority.issue_rsa_with(&[NAME], as_public), "rsa");
        fs::write(folder.path().join("ca.pem"), &authority.pem).expect("room on the disk");
        let mut arguments = vec!["--addr", "127.0.0.1:0"];
        for [certificate, key] in [&ecdsa, &rsa] {
            arguments.extend(["--tls-cert", certificate, "--tls-key", key]);
        }
        let testbed = Example::launch("testbed", &arguments, &[]).listening();
        Self { folder, testbed }
    }

    fn text(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    /// Where it is, by the name that is in the certificates.
    fn target(&self) -> String {
        format!("{NAME}:{}", self.testbed.address().port())
    }
}

fn is_there(program: &str, argument: &str) -> bool {
    let ran = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// `sslyze` judges by the recommendations of Mozilla for servers that old clients need not reach, and fails where they
/// are not kept.
#[test]
fn tls_01_sslyze_finds_nothing_weak() {
    let program = env::var("ANTHILL_SSLYZE").unwrap_or_else(|_| "sslyze".to_owned());
    if !is_there(&program, "--help") {
        return skip("there is no sslyze");
    }
    let scanned = Scanned::new();
    let ran = Command::new(&program)
        .args(["--mozilla_config=intermediate", "--early_data"])
        .arg(format!("--certinfo_ca_file={}", scanned.text("ca.pem")))
        .arg(scanned.target())
        .output()
        .expect("it was there a moment ago");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}");
    // In columns, which are of no interest.
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "Public Key Algorithm: ECPublicKey",
        "Public Key Algorithm: RSAPublicKey",
        "The server accepted the following 6 cipher suites",
        "The server accepted the following 3 cipher suites",
        "Forward Secrecy OK - Supported",
        "OK - Compression disabled",
        "TLS 1.3 Early Data: Not Supported",
        "OK - Not vulnerable to OpenSSL CCS injection",
        "OK - Not vulnerable to Heartbleed",
        "OK - Not vulnerable, RSA cipher suites not supported.",
        "Client Renegotiation DoS Attack: OK - Not vulnerable",
        "TLS Extended Master Secret Extension: OK - Supported",
        "OK - Compliant",
    ] {
        assert!(words.contains(expected), "{expected:?} is not in {told}");
    }
    // Of both versions of SSL, and the first two of TLS.
    assert_eq!(words.matches("the server rejected all cipher suites.").count(), 4, "{told}");
    assert!(!words.contains("VULNERABLE"), "{told}");
    scanned.testbed.end();
}

/// What `testssl.sh` says of other things than how TLS is spoken: its own OpenSSL; an authority that is nobody's, so
/// that it has no list of what it has taken back, and no record in DNS; fields of responses, which are up to handlers.
/// And that the client chooses among the suites, which is as it should be where all of them are good: not every device
/// has AES.
const OTHER_FINDINGS: [&str; 6] =
    ["engine_problem", "cert_revocation", "DNS_CAArecord", "HSTS", "security_headers", "cipher_order"];

#[test]
#[ignore = "takes minutes"]
fn tls_01_testssl_finds_nothing_weak() {
    let Some(program) = ["testssl.sh", "testssl"].into_iter().find(|name| is_there(name, "--version")) else {
        return skip("there is no testssl.sh");
    };
    let scanned = Scanned::new();
    let report = scanned.text("report.json");
    let ran = Command::new(program)
        .args(["--warnings", "off", "--color", "0", "--ip", "127.0.0.1", "--nodns", "none"])
        .args(["--add-ca", &scanned.text("ca.pem"), "--jsonfile", &report, &scanned.target()])
        .output()
        .expect("it was there a moment ago");
    let told = String::from_utf8_lossy(&ran.stdout);
    let report = fs::read(report).unwrap_or_else(|error| panic!("{error}: {told}"));
    let report: Vec<Value> = serde_json::from_slice(&report).expect("a report");
    let found: Vec<String> = report
        .iter()
        .filter(|finding| !matches!(finding["severity"].as_str(), Some("OK" | "INFO")))
        .filter(|finding| {
            // It may say of which certificate.
            let id = finding["id"].as_str().unwrap_or_default().split(' ').next();
            !id.is_some_and(|id| OTHER_FINDINGS.contains(&id))
        })
        .map(|finding| format!("{} {}: {}", finding["severity"], finding["id"], finding["finding"]))
        .collect();
    assert!(found.is_empty() && report.len() > 100, "{found:#?}\n{told}");
    scanned.testbed.end();
}
