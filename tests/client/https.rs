//! HTTPS: whom the client believes, what it says of itself, and what goes over a connection that stands.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anthill_http::client::{
    CancelToken, Client, ClientError, ClientErrorKind, ClientPhase, ClientTlsConfig, ClientTlsConfigBuilder,
    HostClient, HostClientBuilder, RedirectFault, TrustedRoots,
};
use anthill_http::{ClientAuth, RequestCtx, RunningServer, Server, TlsConfig};
use anthill_tests::tls::{Authority, BOTH, Identity, Judging, provider};
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::script::{LONG, OK, Peer, Script, get, post, wait_until};

pub(crate) const NAME: &str = "site.example";

/// All names are this machine.
pub(crate) fn here(_: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
}

/// Whoever trusts `authority` and nobody else.
pub(crate) fn believing(authority: &Authority) -> ClientTlsConfigBuilder {
    ClientTlsConfig::builder().roots(TrustedRoots::None).ca_pem(&authority.pem)
}

pub(crate) fn built(builder: ClientTlsConfigBuilder) -> ClientTlsConfig {
    builder.build().expect("options that go together")
}

/// A client of any host that goes by `config`, to this machine.
fn any_host(config: ClientTlsConfig) -> Client {
    Client::builder().tls(config).resolver(here).timeout(LONG).build().expect("settings with a meaning")
}

/// Tells what it knows of the connection.
pub(crate) fn tell(ctx: &mut RequestCtx) {
    let said = match ctx.tls() {
        None => "plain".to_owned(),
        Some(tls) => {
            let name = tls.server_name().unwrap_or("nobody");
            let alpn = String::from_utf8_lossy(tls.alpn().unwrap_or(b"nothing")).into_owned();
            let certificates = tls.peer_certificates().len();
            format!("{name} {alpn} {} {certificates} {}", tls.is_resumed(), ctx.request.body().len())
        }
    };
    ctx.set_body(said);
}

pub(crate) fn serving(config: &TlsConfig) -> RunningServer {
    Server::new(tell)
        .expect("options that go together")
        .start_tls("127.0.0.1:0", config)
        .expect("a free port")
}

pub(crate) fn serving_as(identity: &Identity) -> RunningServer {
    serving(&TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate"))
}

pub(crate) fn url(name: &str, server: &RunningServer) -> String {
    format!("https://{name}:{}/", server.local_addr().port())
}

/// The server's end of a scripted connection.
pub(crate) type TlsPeer = StreamOwned<ServerConnection, TcpStream>;

/// What a scripted server shows.
pub(crate) fn shown(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let (chain, key) = identity.parts();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate with its key");
    Arc::new(config)
}

/// A scripted server that shows `identity`, and shakes hands before the script goes on.
pub(crate) fn scripted(
    identity: &Identity,
    conns: usize,
    serve: impl FnMut(usize, TlsPeer) + Send + 'static,
) -> Script {
    scripted_by(BOTH, identity, conns, serve)
}

pub(crate) fn scripted_by(
    versions: &[&'static rustls::SupportedProtocolVersion],
    identity: &Identity,
    conns: usize,
    mut serve: impl FnMut(usize, TlsPeer) + Send + 'static,
) -> Script {
    let config = shown(identity, versions);
    Script::new(conns, move |number, mut peer: Peer| {
        // Of a connection that is reset whatever waits to be sent is lost.
        peer.stream.set_nodelay(true).expect("an option of every socket");
        let mut session = ServerConnection::new(config.clone()).expect("a configuration");
        while session.is_handshaking() {
            session.complete_io(&mut peer.stream).expect("a client that agrees");
        }
        serve(number, StreamOwned::new(session, peer.stream));
    })
}

/// Reads the head of a request; empty: the client has said that it ends.
pub(crate) fn head(peer: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if peer.read(&mut byte).expect("the client sends, or says that it ends") == 0 {
            break;
        }
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).expect("text")
}

pub(crate) fn say(peer: &mut TlsPeer, text: &str) {
    peer.write_all(text.as_bytes()).and_then(|()| peer.flush()).expect("the client is there");
}

/// Says that this is the end, and ends.
fn close(mut peer: TlsPeer) {
    peer.conn.send_close_notify();
    peer.flush().expect("the client is there");
}

pub(crate) fn of_host(addr: SocketAddr, config: ClientTlsConfigBuilder) -> HostClientBuilder {
    HostClient::builder(addr.to_string()).tls(built(config)).timeout(LONG)
}

pub(crate) fn scripted_client(authority: &Authority, script: &Script) -> HostClient {
    of_host(script.addr, believing(authority).server_name(NAME)).build().expect("an address")
}

pub(crate) fn fails<T>(outcome: Result<T, ClientError>) -> ClientErrorKind {
    outcome.map(drop).expect_err("this must fail").kind()
}

#[test]
fn cli_08_certificates_are_verified_unless_a_word_says_otherwise() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("somebody else"));
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    };
    let usual = || Client::builder().resolver(here).timeout(LONG).build().expect("settings with a meaning");
    let ours = any_host(built(believing(&authority)));
    let anybody = any_host(built(ClientTlsConfig::builder().danger_accept_invalid_certs(true)));
    for (case, identity, is_believed) in [
        ("good", authority.issue(&[NAME]), true),
        ("of another name", authority.issue(&["other.example"]), false),
        ("of a name without the dot", authority.issue(&["siteXexample"]), false),
        ("of somebody else", stranger.issue(&[NAME]), false),
        ("expired", authority.issue_with(&[NAME], expired), false),
        (
            "of a server of the year 2000 before it is valid",
            authority.issue_with(&[NAME], |params| {
                params.not_before = rcgen::date_time_ymd(2090, 1, 1);
            }),
            false,
        ),
    ] {
        let script = scripted_by_any(&identity, 3);
        let url = format!("https://{NAME}:{}/", script.addr.port());
        // Nobody but the public authorities, if nothing is said.
        let usual = usual();
        let error = usual.get(&url).send().expect_err(case);
        assert_eq!((error.kind(), usual.stats().open), (ClientErrorKind::Tls, 0), "{case}");
        let outcome = ours.get(&url).send();
        match is_believed {
            true => assert_eq!(outcome.expect(case).text().expect("a body"), "ok"),
            false => {
                let error = outcome.expect_err(case);
                assert_eq!(error.kind(), ClientErrorKind::Tls, "{case}");
                assert!(error.to_string().contains("certificate"), "{case}: {error}");
                let met = error.get_ref().and_then(|met| met.downcast_ref::<rustls::Error>());
                assert!(matches!(met, Some(rustls::Error::InvalidCertificate(_))), "{case}: {error:?}");
                assert_eq!(error.addr(), Some(script.addr), "{case}");
            }
        }
        let mut response = anybody.get(&url).send().expect(case);
        assert_eq!(response.text().expect("a body"), "ok", "{case}");
        assert_eq!(response.tls().map(|tls| tls.peer_certificates().len()), Some(1), "{case}");
        script.end();
        assert_eq!(ours.stats().open, 0, "{case}");
    }
}

/// Answers one request on each of so many connections, on which nobody may agree with it; it shows whatever it is told.
fn scripted_by_any(identity: &Identity, conns: usize) -> Script {
    let config = shown(identity, BOTH);
    Script::new(conns, move |_, mut peer: Peer| {
        let session = ServerConnection::new(config.clone()).expect("a configuration");
        let mut peer = StreamOwned::new(session, &mut peer.stream);
        let mut room = [0; 4096];
        if peer.read(&mut room).is_ok_and(|count| count > 0) {
            let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            peer.write_all(answer.as_bytes()).and_then(|()| peer.flush()).expect("the client is there");
        }
    })
}

#[test]
fn cli_08_what_a_server_has_signed_itself_can_be_trusted() {
    for is_authority in [false, true] {
        trusts_what_it_was_given(is_authority);
    }
}

fn trusts_what_it_was_given(is_authority: bool) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).expect("a name");
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let key = key.serialize_pem();
    let server = serving(&TlsConfig::from_pem(&certificate, &key).expect("a certificate"));
    let stranger = any_host(built(believing(&Authority::new("ours"))));
    assert_eq!(fails(stranger.get(url(NAME, &server)).send()), ClientErrorKind::Tls);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &certificate).expect("room on the disk");
    // Beside the usual ones, and instead of them.
    for roots in [TrustedRoots::BuiltIn, TrustedRoots::None] {
        let friend = any_host(built(ClientTlsConfig::builder().roots(roots).ca(&file)));
        let said = friend.get(url(NAME, &server)).send().expect("it is trusted").text().expect("a body");
        assert_eq!(said, format!("{NAME} http/1.1 false 0 0"));
        // For its name alone.
        assert_eq!(fails(friend.get(url("other.example", &server)).send()), ClientErrorKind::Tls);
    }
}

#[test]
fn cli_08_the_name_is_that_of_the_url_and_addresses_have_none() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&[NAME, "127.0.0.1"]));
    let addr = server.local_addr();
    let client = any_host(built(believing(&authority).session_resumption(false)));
    let said = |url: &str| client.get(url).send().expect("it agrees").text().expect("a body");
    assert_eq!(said(&url(NAME, &server)), format!("{NAME} http/1.1 false 0 0"));
    assert_eq!(said(&url("SITE.example.", &server)), format!("{NAME} http/1.1 false 0 0"));
    assert_eq!(said(&url("127.0.0.1", &server)), "nobody http/1.1 false 0 0");
    assert_eq!(fails(client.get(url("other.example", &server)).send()), ClientErrorKind::Tls);
    // Another one than that of the address, for a client of one host.
    let named = of_host(addr, believing(&authority).server_name(NAME)).build().expect("an address");
    let mut response = named.send(&get("/")).expect("it agrees");
    let tls = response.tls().expect("it is encrypted");
    assert_eq!((tls.server_name(), tls.version(), tls.is_resumed()), (Some(NAME), "TLSv1.3", false));
    assert_eq!(tls.peer_certificates().len(), 1);
    assert_eq!(response.text().expect("a body"), format!("{NAME} http/1.1 false 0 0"));
    let text = format!("{NAME}:{}", addr.port());
    let of_addr = HostClient::builder(text).tls(built(believing(&authority))).resolver(here);
    let said = of_addr.build().expect("an address").send(&get("/")).expect("it agrees").text();
    assert_eq!(said.expect("a body"), format!("{NAME} http/1.1 false 0 0"));
}

#[test]
fn cli_08_a_host_that_no_certificate_can_be_for_is_refused_before_anything_is_resolved() {
    let never = |_: &str| -> std::io::Result<Vec<IpAddr>> { panic!("nothing is to be resolved") };
    let client = Client::builder().resolver(never).timeout(LONG).build().expect("settings with a meaning");
    for host in ["a..b", ".example", "a%20b.example"] {
        let error = client.get(format!("https://{host}/")).send().expect_err(host);
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{host}");
    }
    let config = || built(ClientTlsConfig::builder());
    assert_eq!(fails(HostClient::builder("a..b:443").tls(config()).build()), ClientErrorKind::InvalidRequest);
    // A name of its own is one.
    let named = built(ClientTlsConfig::builder().server_name(NAME));
    assert!(HostClient::builder("a..b:443").tls(named).build().is_ok());
    // What is not to be encrypted, and what is, go different ways.
    let plain = HostClient::builder("h:1").resolver(never).build().expect("an address");
    let encrypting = HostClient::builder("h:1").resolver(never).tls(config()).build().expect("an address");
    assert_eq!(fails(plain.send(&get("https://h/"))), ClientErrorKind::InvalidRequest);
    assert_eq!(fails(encrypting.send(&get("http://h/"))), ClientErrorKind::InvalidRequest);
}

#[test]
fn cli_08_a_handshake_has_an_end() {
    let handshake = ClientErrorKind::Timeout(ClientPhase::Tls);
    // Silent, and so slow that no silence is long.
    for trickles in [false, true] {
        let script = Script::side_by_side(3, move |_, mut peer: Peer| {
            let mut room = [0; 4096];
            if trickles {
                // The beginning of a record of 16 KiB.
                let _ = peer.stream.write_all(&[22, 3, 3, 0x40, 0]);
                while peer.stream.write_all(&[2]).is_ok() {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            while peer.stream.read(&mut room).is_ok_and(|count| count > 0) {}
        });
        let builder = || of_host(script.addr, ClientTlsConfig::builder()).timeout(LONG * 5);
        let client = builder().connect_timeout(Duration::from_millis(50)).build().expect("an address");
        assert_eq!(fails(client.send(&get("/"))), handshake);
        let patient = builder().connect_timeout(LONG * 5).build().expect("an address");
        assert_eq!(fails(patient.send_timeout(&get("/"), Duration::from_millis(50))), handshake);
        assert_eq!((client.stats().open, patient.stats().open), (0, 0));
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let request = get("/");
            let (client, token) = (&patient, &token);
            let call = scope.spawn(move || fails(client.call(&request).cancel_with(token).send()));
            wait_until("the attempt", || client.stats().open == 1);
            std::thread::sleep(Duration::from_millis(20));
            token.cancel();
            assert_eq!(call.join().expect("no panic"), ClientErrorKind::Cancelled);
        });
        assert_eq!(patient.stats().open, 0);
        script.end();
    }
}

#[test]
fn a_handshake_that_is_torn_or_is_none_is_an_error_of_tls() {
    let alert = [21, 3, 3, 0, 2, 2, 40];
    let garbage = [0xff; 64];
    for (case, answer) in [
        ("it ends", &[][..]),
        ("it ends in a record", &[22, 3, 3, 1, 0, 2]),
        ("it speaks plain HTTP", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        ("it refuses", &alert),
        ("it lies", &garbage),
    ] {
        let answer = answer.to_vec();
        let script = Script::new(1, move |_, mut peer: Peer| {
            let mut room = [0; 4096];
            assert!(peer.stream.read(&mut room).expect("a client") > 0, "it says hello first");
            peer.stream.write_all(&answer).expect("the client is there");
        });
        let client = of_host(script.addr, ClientTlsConfig::builder()).build().expect("an address");
        let error = client.send(&get("/")).expect_err(case);
        assert_eq!(
            (error.kind(), error.addr()),
            (ClientErrorKind::Tls, Some(script.addr)),
            "{case}: {error}"
        );
        assert_eq!(error.to_string().contains("plain HTTP"), case.contains("HTTP"), "{error}");
        assert_eq!(client.stats().open, 0, "{case}");
        script.end();
    }
}

#[test]
fn a_host_that_tears_the_handshake_is_passed() {
    let authority = Authority::new("ours");
    let torn = Script::new(1, |_, mut peer: Peer| {
        let _ = peer.stream.read(&mut [0; 4096]);
    });
    let server = serving_as(&authority.issue(&[NAME]));
    let addrs = format!("{},{}", torn.addr, server.local_addr());
    let builder = HostClient::builder(addrs).tls(built(believing(&authority).server_name(NAME)));
    let response = builder.timeout(LONG).build().expect("addresses").send(&get("/")).expect("the second one");
    assert_eq!(response.remote_addr(), server.local_addr());
    torn.end();
}

#[test]
fn a_body_that_the_end_of_the_connection_ends_is_whole_only_if_the_server_says_so() {
    let authority = Authority::new("ours");
    let script = scripted(&authority.issue(&[NAME]), 4, |number, mut peer| {
        head(&mut peer);
        let length = if number >= 2 { "Content-Length: 4\r\n" } else { "" };
        say(&mut peer, &format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\nbody"));
        if number % 2 == 0 {
            close(peer);
        }
    });
    let client = scripted_client(&authority, &script);
    for (number, is_whole) in [(0, true), (1, false), (2, true), (3, true)] {
        let body = client.send(&get("/")).expect("a head").text();
        match is_whole {
            true => assert_eq!(body.expect("it is whole"), "body", "{number}"),
            false => assert_eq!(fails(body), ClientErrorKind::ConnectionClosed, "{number}"),
        }
        assert_eq!(client.stats().open, 0);
    }
    script.end();
}

#[test]
fn what_a_server_says_of_the_session_while_it_is_idle_ends_no_connection_and_what_else_it_says_does() {
    let authority = Authority::new("ours");
    let (go_on, told) = mpsc::channel::<()>();
    let script = scripted(&authority.issue(&[NAME]), 3, move |number, mut peer| {
        head(&mut peer);
        say(&mut peer, OK);
        if number == 0 {
            // Its keys are others now; of which the client is told by a record without any byte of a response.
            told.recv().expect("the test goes on");
            peer.conn.refresh_traffic_keys().expect("it is TLS 1.3");
            peer.flush().expect("the client is there");
            assert!(!head(&mut peer).is_empty(), "the connection is used again");
            say(&mut peer, OK);
        }
        told.recv().expect("the test goes on");
        match number {
            0 => close(peer),
            1 => say(&mut peer, OK),
            // Without a word.
            _ => {}
        }
    });
    let builder = of_host(script.addr, believing(&authority).server_name(NAME));
    let client = builder.max_idle_conn_duration(LONG * 100).build().expect("an address");
    let ask = || client.send(&get("/")).and_then(|mut response| response.text()).expect("a response");
    ask();
    // It is watched by now, and stays.
    std::thread::sleep(Duration::from_millis(100));
    go_on.send(()).expect("the server waits for it");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.stats().idle, 1);
    ask();
    for number in 0..3 {
        if number > 0 {
            ask();
        }
        go_on.send(()).expect("the server waits for it");
        // Nobody calls.
        wait_until("the end of the connection", || client.stats().open == 0);
    }
    script.end();
}

#[test]
fn a_client_says_that_it_ends() {
    let authority = Authority::new("ours");
    let script = scripted(&authority.issue(&[NAME]), 1, |_, mut peer| {
        head(&mut peer);
        say(&mut peer, OK);
        // An end without a word is an error of reading.
        assert_eq!(head(&mut peer), "");
    });
    let client = scripted_client(&authority, &script);
    client.send(&get("/")).expect("a response").text().expect("a body");
    client.close_idle_conns();
    script.end();
}

#[test]
fn sessions_are_resumed_unless_they_are_not_to_be() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&[NAME]));
    for resumes in [true, false] {
        let client = any_host(built(believing(&authority).session_resumption(resumes)));
        for number in 0..3 {
            let mut response = client.get(url(NAME, &server)).send().expect("it agrees");
            let is_resumed = resumes && number > 0;
            assert_eq!(response.tls().map(|tls| tls.is_resumed()), Some(is_resumed), "{number}");
            let said = response.text().expect("a body");
            assert_eq!(said, format!("{NAME} http/1.1 {is_resumed} 0 0"), "{number}");
            client.close_idle_conns();
        }
    }
}

#[test]
fn a_client_shows_its_certificate_and_one_that_has_none_is_told_so() {
    let (authority, partners) = (Authority::new("ours"), Authority::new("partners"));
    let identity = authority.issue(&[NAME]);
    let config = TlsConfig::builder()
        .certificate_pem(&identity.certificate, &identity.key)
        .client_ca_pem(&partners.pem)
        .client_auth(ClientAuth::Required)
        .build()
        .expect("options that go together");
    let server = serving(&config);
    let partner = partners.issue(&["client.example"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = partner.write(folder.path(), "client");
    for known in [
        believing(&authority).client_certificate(certificate, key),
        believing(&authority).client_certificate_pem(&partner.certificate, &partner.key),
    ] {
        let said = any_host(built(known)).get(url(NAME, &server)).send().expect("it agrees").text();
        assert_eq!(said.expect("a body"), format!("{NAME} http/1.1 false 1 0"));
    }
    // The server says so when the handshake is over for the client, which may send before it hears that; and closes the
    // connection with the request unread.
    let client = any_host(built(believing(&authority)));
    for number in 0..20 {
        let call = client.post(url(NAME, &server)).body(vec![b'x'; 100_000 * (number % 2)]);
        let error = call.send().expect_err("it has to show one");
        assert_eq!(error.kind(), ClientErrorKind::Tls, "{number}: {error}");
        assert_eq!(client.stats().open, 0);
    }
}

#[test]
fn keys_are_pinned_by_a_verifier_and_a_panic_of_it_is_a_failure() {
    let authority = Authority::new("nobody knows it");
    let (one, other) = (authority.issue(&[NAME]), authority.issue(&[NAME]));
    let server = serving_as(&one);
    for (identity, panics, is_believed) in [(&one, false, true), (&other, false, false), (&one, true, false)]
    {
        let certificate = identity.der();
        let pinned = Arc::new(Judging::by(move |shown: &CertificateDer<'_>| {
            assert!(!panics, "on purpose");
            let other = || rustls::Error::General("another key".to_owned());
            (shown.as_ref() == certificate).then_some(()).ok_or_else(other)
        }));
        // As an option, and as part of a whole configuration.
        let own = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(pinned.clone())
            .with_no_client_auth();
        let by_option = built(ClientTlsConfig::builder().verifier(pinned));
        for config in [by_option, ClientTlsConfig::from_rustls(own).expect("it offers nothing else")] {
            let client = any_host(config);
            match client.get(url(NAME, &server)).send() {
                Ok(mut response) => {
                    assert!(is_believed);
                    assert_eq!(response.text().expect("a body"), format!("{NAME} http/1.1 false 0 0"));
                }
                Err(error) => {
                    assert!(!is_believed, "{error}");
                    assert_eq!(error.kind(), ClientErrorKind::Tls);
                    assert_eq!(client.stats().open, 0);
                }
            }
        }
    }
}

#[test]
fn much_goes_both_ways_from_many_threads_over_few_connections() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&[NAME]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let echo = |ctx: &mut RequestCtx| ctx.response.set_body(ctx.request.body());
    let server = Server::new(echo).expect("options").start_tls("127.0.0.1:0", &config).expect("a free port");
    let client = of_host(server.local_addr(), believing(&authority).server_name(NAME))
        .max_conns(3)
        .conn_wait_timeout(LONG)
        .build()
        .expect("an address");
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let client = &client;
            scope.spawn(move || {
                for round in 0..4 {
                    let length = 1 + thread * 70_000 + round * 11;
                    let body: String = ('a'..='z').cycle().skip(thread).take(length).collect();
                    let mut response = client.send(&post("/", &body)).expect("a response");
                    assert!(response.text().expect("a body") == body, "{thread} {round}");
                }
            });
        }
    });
    assert!((1..=3).contains(&client.stats().open));
}

#[test]
fn redirects_lead_to_https_and_not_back() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&[NAME]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let turn_back = |ctx: &mut RequestCtx| match ctx.request.path() {
        "/back" => ctx.redirect("http://site.example/", 302),
        _ => tell(ctx),
    };
    let https = Server::new(turn_back).expect("options").start_tls("127.0.0.1:0", &config).expect("a port");
    let there = format!("https://{NAME}:{}", https.local_addr().port());
    let to = there.clone();
    let lead = move |ctx: &mut RequestCtx| ctx.redirect(format!("{to}/there"), 302);
    let plain = Server::new(lead).expect("options").start("127.0.0.1:0").expect("a free port");
    let client = any_host(built(believing(&authority)));
    let from = format!("http://{NAME}:{}/", plain.local_addr().port());
    let mut response = client.get(&from).send().expect("it leads there");
    assert_eq!(response.uri().map(|uri| uri.to_string()), Some(format!("{there}/there")));
    assert_eq!(response.text().expect("a body"), format!("{NAME} http/1.1 false 0 0"));
    let error = client.get(format!("{there}/back")).send().expect_err("it is not encrypted there");
    assert_eq!(error.kind(), ClientErrorKind::Redirect(RedirectFault::Downgrade));
}
