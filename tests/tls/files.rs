//! Certificates in files: what is wrong with them is said, and they may become others while the server runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anthill_http::rustls::crypto::KeyProvider;
use anthill_http::{Server, TlsConfig};
use anthill_tests::tls::{Authority, BOTH, Identity, connect, gullible, trusting, try_connect};
use anthill_tests::{background, eventually, logs};

use crate::agreed::Https;

const NAME: &str = "site.example";

/// What is wrong with these two files.
#[track_caller]
fn problem(certificate: &Path, key: &Path) -> String {
    TlsConfig::from_files(certificate, key).expect_err("something is wrong").to_string()
}

#[test]
fn tls_01_what_is_wrong_with_a_file_is_said_with_its_name_and_what_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let authority = Authority::new("an authority");
    let (site, other) = (authority.issue(&[NAME]), authority.issue(&["other.example"]));
    let (certificate, key) = site.write(folder.path(), "site");
    let (_, other_key) = other.write(folder.path(), "other");
    let write = |name: &str, text: &[u8]| {
        fs::write(at(name), text).expect("room on the disk");
        at(name)
    };
    let year = |year| rcgen::date_time_ymd(year, 1, 2);
    let old = authority.issue_with(&[NAME], |params| {
        (params.not_before, params.not_after) = (year(2001), year(2002));
    });
    let (old_certificate, old_key) = old.write(folder.path(), "old");
    let chain = write("chain.pem", format!("{}{}", authority.pem, site.certificate).as_bytes());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let torn = &site.certificate[..site.certificate.len() / 2];
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let nothing = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, blamed, said) in [
        (&at("missing.pem"), &key, "the certificate ", " cannot be read: No such file or directory"),
        (&certificate, &at("missing.key"), "the key ", " cannot be read: No such file or directory"),
        (&folder.path().to_owned(), &key, "the certificate ", " cannot be read: "),
        (&write("empty.pem", b"\n \n"), &key, "the certificate ", " is empty"),
        (&certificate, &write("empty.key", b""), "the key ", " is empty"),
        (
            &write("text.pem", b"hello"),
            &key,
            "the certificate ",
            "is no PEM: there is no line `-----BEGIN CERT",
        ),
        (
            &certificate,
            &write("text.key", b"hello"),
            "the key ",
            "is no PEM: there is no line `-----BEGIN PRIV",
        ),
        (
            &write("der.pem", &site.der()),
            &key,
            "the certificate ",
            "is no PEM but DER; convert it: `openssl x509",
        ),
        (
            &key,
            &certificate,
            "the certificate ",
            "holds a key and no certificate; are the two files mixed up?",
        ),
        (
            &certificate,
            &certificate,
            "the key ",
            "holds a certificate and no key; are the two files mixed up?",
        ),
        (
            &certificate,
            &write("public.key", public.as_bytes()),
            "the key ",
            "is a public key; the private one",
        ),
        (&write("csr.pem", request.as_bytes()), &key, "the certificate ", "is a request for a certificate"),
        (&write("torn.pem", torn.as_bytes()), &key, "the certificate ", "is damaged: its PEM cannot be read"),
        (&write("no.pem", nothing.as_bytes()), &key, "the certificate ", "cannot be read as X.509"),
        (&certificate, &write("enc.key", encrypted.as_bytes()), "the key ", "is encrypted by a passphrase"),
        (
            &certificate,
            &write("old.enc", old_encrypted.as_bytes()),
            "the key ",
            "`openssl pkey -in FILE -out PLAIN`",
        ),
        (&certificate, &other_key, "the key ", "does not belong to the certificate "),
        (&chain, &key, "the certificate ", "which is number 2 in the file; put that first"),
        (&old_certificate, &old_key, "the certificate ", "has expired on 2002-01-02; renew it"),
    ] {
        let problem = problem(certificate, key);
        let file = if blamed == "the key " { key } else { certificate };
        assert!(problem.starts_with(&format!("{blamed}{}", file.display())), "{problem}");
        assert!(problem.contains(said), "{problem}");
    }
    let large = write("large.pem", &vec![b'x'; (4 << 20) + 1]);
    assert!(problem(&large, &key).ends_with("cannot be read: it has more than 4 MiB"));

    let from_memory = TlsConfig::from_pem("hello", &site.key).expect_err("that is none").to_string();
    assert!(from_memory.starts_with("the certificate that was given in memory is no PEM"), "{from_memory}");
    let none = TlsConfig::builder().build().expect_err("there is none").to_string();
    assert!(none.contains("add one by `TlsConfigBuilder::certificate`"), "{none}");
    let builder = || TlsConfig::builder().certificate(&certificate, &key);
    let clients = builder().client_ca(at("nowhere.pem")).build().expect_err("there is none").to_string();
    assert!(clients.starts_with("the list of clients' authorities "), "{clients}");
    for (names, said) in [
        (&["http/1.1"][..], "the protocol `http/1.1` is what the server speaks itself"),
        (&[""], "the protocol `` has to have 1 to 255 bytes"),
        (&["a", "a"], "the protocol `a` was added twice"),
    ] {
        let builder = names.iter().fold(builder(), |builder, name| builder.next_proto(name, drop));
        assert_eq!(builder.build().expect_err("that cannot be").to_string(), said);
    }
}

/// The certificate that whoever connects is shown.
fn shown(https: &Https) -> Vec<u8> {
    let stream = try_connect(https.address(), &Arc::new(gullible(&[])), NAME).expect("a handshake");
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

fn serving(certificate: &Path, key: &Path, watch: Option<Duration>) -> (Https, TlsConfig) {
    let builder = TlsConfig::builder().certificate(certificate, key).watch_interval(watch);
    let config = builder.build().expect("a certificate");
    let https = Https::with(Server::builder(), |ctx| ctx.set_body("hi"), &config, Authority::new("nobody"));
    (https, config)
}

#[test]
fn tls_01_certificates_are_read_again_when_asked_and_the_last_good_ones_stay() {
    logs::collect();
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("an authority");
    let (first, second) = (authority.issue(&[NAME]), authority.issue(&[NAME]));
    let (certificate, key) = first.write(folder.path(), "again");
    let (https, config) = serving(&certificate, &key, None);
    let mut open = connect(https.address(), &Arc::new(gullible(&[])), NAME);
    assert_eq!(open.get("/").text(), "hi");

    fs::write(&certificate, &second.certificate).expect("room on the disk");
    let error = config.reload().expect_err("the key is another's").to_string();
    assert!(error.contains("does not belong to the certificate"), "{error}");
    assert!(shown(&https) == first.der());
    fs::remove_file(&key).expect("it is there");
    https.running.reload_tls().expect_err("there is no key");
    assert!(shown(&https) == first.der());
    fs::write(&key, &second.key).expect("room on the disk");
    assert!(shown(&https) == first.der(), "nobody has asked");
    https.running.reload_tls().expect("they belong together");
    assert!(shown(&https) == second.der());
    assert_eq!(open.get("/").text(), "hi", "what is open goes on");

    let about = certificate.display().to_string();
    let said = |level, part: &str| {
        let lines =
            ["anthill_http::tls::config", "anthill_http::tls::pair"].map(|target| logs::with(target, &about));
        lines.iter().flatten().filter(|line| line.level == level && line.text.contains(part)).count()
    };
    assert_eq!(said(log::Level::Info, "is in use: for site.example, until "), 2);
    assert_eq!(
        said(log::Level::Error, "certificates stay as they were: the key "),
        1,
        "and one of the missing key"
    );
    https.end();
}

#[test]
fn tls_01_files_that_become_others_are_seen_however_they_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let authority = Authority::new("an authority");
    let identities: Vec<Identity> = (0..4).map(|_| authority.issue(&[NAME])).collect();
    // As Kubernetes has it: links into a folder that a link leads to.
    for (number, identity) in identities.iter().enumerate() {
        let version = at(&format!("..version{number}"));
        fs::create_dir(&version).expect("room on the disk");
        identity.write(&version, "tls");
    }
    let lead_to = |number: usize| {
        symlink(format!("..version{number}"), at("..data_tmp")).expect("a link");
        fs::rename(at("..data_tmp"), at("..data")).expect("a new link");
    };
    lead_to(0);
    symlink("..data/tls.pem", at("tls.pem")).expect("a link");
    symlink("..data/tls.key", at("tls.key")).expect("a link");
    let (https, _) = serving(&at("tls.pem"), &at("tls.key"), Some(Duration::ZERO));
    assert!(shown(&https) == identities[0].der());
    lead_to(1);
    assert!(shown(&https) == identities[1].der(), "a link leads elsewhere");
    // A file in the place of another, one after the other.
    let version = at("..version1");
    fs::rename(at("..version2").join("tls.pem"), version.join("tls.pem")).expect("a new file");
    assert!(shown(&https) == identities[1].der(), "the key is not there yet");
    fs::rename(at("..version2").join("tls.key"), version.join("tls.key")).expect("a new file");
    assert!(shown(&https) == identities[2].der(), "another file");
    // Written over.
    identities[3].write(&version, "tls");
    assert!(shown(&https) == identities[3].der(), "the same file with something else in it");
    https.end();
}

/// The certificate that whoever asks for `name` is shown.
fn shown_for(https: &Https, name: &str) -> Vec<u8> {
    let stream = try_connect(https.address(), &Arc::new(gullible(&[])), name).expect("a handshake");
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

/// Each of several is bad in each way; the others, and it when it is good again, are renewed.
#[test]
fn tls_01_a_bad_certificate_keeps_no_other_from_being_renewed() {
    let names = [NAME, "second.example", "third.example"];
    let authority = Authority::new("an authority");
    let folder = tempfile::tempdir().expect("a folder");
    let year = |year| rcgen::date_time_ymd(year, 1, 2);
    let mut current: Vec<Identity> = names.iter().map(|name| authority.issue(&[*name])).collect();
    let files: Vec<_> =
        current.iter().zip(names).map(|(identity, name)| identity.write(folder.path(), name)).collect();
    for watch in [None, Some(Duration::ZERO)] {
        let builder =
            files.iter().fold(TlsConfig::builder().watch_interval(watch), |builder, (certificate, key)| {
                builder.certificate(certificate, key)
            });
        let config = builder.build().expect("certificates");
        let https =
            Https::with(Server::builder(), |ctx| ctx.set_body("hi"), &config, Authority::new("nobody"));
        let all_are = |identities: &[Identity]| {
            names.iter().zip(identities).all(|(name, identity)| shown_for(&https, name) == identity.der())
        };
        for (bad, name) in names.iter().enumerate() {
            for kind in ["expired", "torn", "gone", "another's key"] {
                let (certificate, key) = &files[bad];
                let mut renewed: Vec<_> = names.iter().map(|name| authority.issue(&[*name])).collect();
                renewed
                    .iter()
                    .zip(names)
                    .for_each(|(identity, name)| drop(identity.write(folder.path(), name)));
                match kind {
                    "expired" => {
                        let old = authority.issue_with(&[*name], |params| {
                            (params.not_before, params.not_after) = (year(2001), year(2002));
                        });
                        old.write(folder.path(), name);
                    }
                    "torn" => {
                        fs::write(certificate, &renewed[bad].certificate[..100]).expect("room on the disk")
                    }
                    "gone" => fs::remove_file(certificate).expect("it is there"),
                    _ => fs::write(key, &authority.issue(&["else"]).key).expect("room on the disk"),
                }
                if watch.is_none() {
                    let error = config.reload().expect_err("one is bad");
                    let blamed = [certificate, key].map(|path| Some(path.as_path()));
                    assert!(blamed.contains(&error.path()), "{name}, {kind}: {error}");
                }
                let good = std::mem::replace(&mut renewed[bad], current.remove(bad));
                current = renewed;
                assert!(all_are(&current), "{name} is {kind}");
                good.write(folder.path(), name);
                current[bad] = good;
                if watch.is_none() {
                    config.reload().expect("all are good");
                }
                assert!(all_are(&current), "{name} was {kind}");
            }
        }
        https.end();
    }
}

/// A list of clients' authorities is one more of those.
#[test]
fn tls_01_a_bad_list_of_authorities_keeps_no_certificate_from_being_renewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, theirs) = (Authority::new("an authority"), Authority::new("theirs"));
    let (first, second, client) =
        (authority.issue(&[NAME]), authority.issue(&[NAME]), theirs.issue(&["client"]));
    let (certificate, key) = first.write(folder.path(), "site");
    let list = folder.path().join("clients.pem");
    fs::write(&list, &theirs.pem).expect("room on the disk");
    let builder = TlsConfig::builder().certificate(&certificate, &key).client_ca(&list).watch_interval(None);
    let config = builder.build().expect("certificates");
    let https = Https::with(Server::builder(), |ctx| ctx.set_body("hi"), &config, Authority::new("nobody"));
    fs::write(&list, "nothing").expect("room on the disk");
    second.write(folder.path(), "site");
    let error = config.reload().expect_err("the list is none").to_string();
    assert!(error.starts_with("the list of clients' authorities "), "{error}");
    let client_config = Arc::new(anthill_tests::tls::showing(&authority, &client));
    let stream = try_connect(https.address(), &client_config, NAME).expect("the list is what it was");
    assert!(stream.conn.peer_certificates().expect("a certificate")[0].to_vec() == second.der());
    assert_eq!(anthill_tests::client::Client::over(stream).get("/").text(), "hi");
    https.end();
}

/// Keys that cannot be used for a while, as those of a device that is away.
#[derive(Debug)]
struct AwayAtTimes {
    keys: &'static dyn KeyProvider,
    is_away: Arc<AtomicBool>,
}

impl KeyProvider for AwayAtTimes {
    fn load_private_key(
        &self,
        key: rustls::pki_types::PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn rustls::sign::SigningKey>, rustls::Error> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(rustls::Error::General("the device is away".to_owned()));
        }
        self.keys.load_private_key(key)
    }
}

/// What was wrong and cannot be seen of a file is tried again, however often it was in vain, and told once.
#[test]
fn tls_01_what_could_not_be_read_is_tried_again_although_no_file_changes() {
    logs::collect();
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("an authority");
    let mut provider = rustls::crypto::CryptoProvider::clone(&anthill_tests::tls::provider());
    let is_away = Arc::new(AtomicBool::new(false));
    let keys = AwayAtTimes { keys: provider.key_provider, is_away: is_away.clone() };
    provider.key_provider = Box::leak(Box::new(keys));
    let mut current = authority.issue(&[NAME]);
    let (certificate, key) = current.write(folder.path(), "away");
    let builder = TlsConfig::builder().certificate(&certificate, &key).watch_interval(Duration::ZERO);
    let config = builder.crypto_provider(provider).build().expect("a certificate");
    let https = Https::with(Server::builder(), |ctx| ctx.set_body("hi"), &config, Authority::new("nobody"));
    let told = || {
        let lines = logs::with("anthill_http::tls::config", &key.display().to_string());
        lines.iter().filter(|line| line.level == log::Level::Error).count()
    };
    for (round, is_asked) in [false, true, false, true].into_iter().enumerate() {
        let next = authority.issue(&[NAME]);
        is_away.store(true, Ordering::SeqCst);
        next.write(folder.path(), "away");
        if is_asked {
            config.reload().expect_err("the device is away");
        }
        for _ in 0..5 {
            assert!(shown(&https) == current.der());
        }
        assert_eq!(told(), round + 1, "once for each time");
        is_away.store(false, Ordering::SeqCst);
        assert!(shown(&https) == next.der(), "it is back");
        current = next;
    }
    https.end();
}

#[test]
fn tls_01_nobody_is_turned_away_while_certificates_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Arc::new(Authority::new("an authority"));
    let (certificate, key) = authority.issue(&[NAME]).write(folder.path(), "busy");
    let (https, config) = serving(&certificate, &key, Some(Duration::from_millis(1)));
    let (address, is_over) = (https.address(), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (authority, is_over) = (authority.clone(), is_over.clone());
            background(move || {
                let mut served = 0;
                let config = Arc::new(trusting(&authority, BOTH));
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(connect(address, &config, NAME).get("/").text(), "hi");
                    served += 1;
                }
                served
            })
        })
        .collect();
    for _ in 0..30 {
        let next = authority.issue(&[NAME]);
        // In the middle of this the two do not belong together.
        next.write(folder.path(), "busy");
        config.reload().expect("they belong together");
        std::thread::sleep(Duration::from_millis(5));
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(clients.into_iter().all(|client| client.outcome("a client") > 0));
    assert_eq!(https.running.stats().rejections.tls_handshake, 0);
    https.end();
}

#[test]
fn tls_01_who_was_verified_by_another_authority_does_not_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, before, after) =
        (Authority::new("an authority"), Authority::new("before"), Authority::new("after"));
    let (server, client) = (authority.issue(&[NAME]), before.issue(&["client"]));
    let list = folder.path().join("clients.pem");
    fs::write(&list, &before.pem).expect("room on the disk");
    let builder = TlsConfig::builder().certificate_pem(&server.certificate, &server.key);
    let config = builder.client_ca(&list).build().expect("certificates");
    let https = Https::with(Server::builder(), |ctx| ctx.set_body("hi"), &config, Authority::new("nobody"));
    let client_config = Arc::new(anthill_tests::tls::showing(&authority, &client));
    let asks = || {
        let stream = try_connect(https.address(), &client_config, NAME).map_err(|error| error.to_string())?;
        let mut client = anthill_tests::client::Client::over(stream);
        client.try_send(anthill_tests::client::get("/")).map_err(|error| error.to_string())?;
        client.try_response().map(|reply| reply.status)
    };
    assert_eq!((asks(), asks()), (Ok(200), Ok(200)));
    assert_eq!(https.running.stats().handshakes.resumed, 1);
    fs::write(&list, &after.pem).expect("room on the disk");
    config.reload().expect("a list");
    asks().expect_err("nobody vouches for it any more");
    https.end();
}

#[test]
fn tls_01_an_end_that_is_near_is_told() {
    logs::collect();
    let authority = Authority::new("an authority");
    let in_days = |days: u64| SystemTime::now() + Duration::from_secs(days * 86_400 + 3600);
    for (name, days, is_told) in [("soon.example", 20, true), ("later.example", 22, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = authority.issue_with(&[name], |params| params.not_after = in_days(days).into());
        let (certificate, key) = identity.write(folder.path(), name);
        TlsConfig::from_files(&certificate, &key).expect("it is good still");
        let lines = logs::with("anthill_http::tls::pair", &certificate.display().to_string());
        let warned = lines
            .iter()
            .any(|line| line.level == log::Level::Warn && line.text.contains(" expires in 20 days, on "));
        assert_eq!(warned, is_told, "{lines:?}");
    }
    let early = authority.issue_with(&["early.example"], |params| params.not_before = in_days(2).into());
    TlsConfig::from_pem(&early.certificate, &early.key).expect("clocks may be wrong");
    eventually("it is told", || !logs::with("anthill_http::tls::pair", "is not valid before").is_empty());
}
