//! HTTPS: which certificate is shown, what is known of a connection then, who is let in, and what else may be spoken.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::rustls::ServerConfig;
use anthill_http::{
    ClientAuth, HttpsRedirect, InMemoryListener, Listener, RequestCtx, RunningServer, Server, ServerBuilder,
    TlsConfig, TlsInfo,
};
use anthill_tests::client::{Client, get};
use anthill_tests::tls::{
    Authority, BOTH, Identity, TLS12, TLS13, connect, gullible, provider, session, shake, showing, trusting,
    try_connect,
};
use anthill_tests::{PATIENCE, background, eventually, logs};
use rustls::{ClientConfig, SignatureScheme};

const NAME: &str = "site.example";

/// A server with certificates.
pub(crate) struct Https {
    pub(crate) running: RunningServer,
    pub(crate) authority: Authority,
}

impl Https {
    /// For [`NAME`].
    pub(crate) fn new(
        options: ServerBuilder,
        handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
    ) -> Self {
        let authority = Authority::new("an authority");
        let identity = authority.issue(&[NAME]);
        let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
        Self::with(options, handler, &config, authority)
    }

    pub(crate) fn with(
        options: ServerBuilder,
        handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
        config: &TlsConfig,
        authority: Authority,
    ) -> Self {
        let server = options.build(handler).expect("options that go together");
        let running = server.start_tls("127.0.0.1:0", config).expect("a free port");
        Self { running, authority }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::new(trusting(&self.authority, BOTH))
    }

    /// A client that has shaken hands.
    #[track_caller]
    pub(crate) fn client(&self) -> Client<anthill_tests::tls::TlsStream> {
        connect(self.address(), &self.config(), NAME)
    }

    pub(crate) fn end(self) {
        self.running.shutdown(PATIENCE).expect("an end in time");
        self.running.join().expect("a good end");
    }
}

fn builder(identities: &[&Identity]) -> anthill_http::TlsConfigBuilder {
    let add = |builder: anthill_http::TlsConfigBuilder, identity: &&Identity| {
        builder.certificate_pem(&identity.certificate, &identity.key)
    };
    identities.iter().fold(TlsConfig::builder(), add)
}

/// What a client is shown that asks for `name`.
fn shown(address: SocketAddr, config: ClientConfig, name: &str) -> Vec<u8> {
    let stream = try_connect(address, &Arc::new(config), name).expect("a handshake");
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

#[test]
fn tls_01_each_name_gets_its_own_certificate_and_others_the_first() {
    let authority = Authority::new("an authority");
    let (first, second, wild) = (
        authority.issue(&["a.example", "www.a.example"]),
        authority.issue(&["b.example"]),
        authority.issue(&["*.b.example"]),
    );
    let config = builder(&[&first, &second, &wild]).build().expect("certificates");
    let https = Https::with(Server::builder(), |_| (), &config, authority);
    for (name, identity) in [
        ("a.example", &first),
        ("www.a.example", &first),
        ("b.example", &second),
        ("B.Example", &second),
        ("x.b.example", &wild),
        ("X.b.EXAMPLE", &wild),
        // A wildcard is good for one level.
        ("x.y.b.example", &first),
        ("nobody.example", &first),
        // Addresses are asked for by no name.
        ("127.0.0.1", &first),
    ] {
        let seen = shown(https.address(), gullible(&[]), name);
        assert!(seen == identity.der(), "{name}");
    }
    https.end();
}

#[test]
fn tls_01_of_two_kinds_of_keys_the_client_gets_one_that_it_understands() {
    let authority = Authority::new("an authority");
    let (ecdsa, rsa) = (authority.issue(&[NAME]), authority.issue_rsa(&[NAME]));
    let config = builder(&[&ecdsa, &rsa]).build().expect("certificates");
    let https = Https::with(Server::builder(), |_| (), &config, authority);
    for name in [NAME, "nobody.example"] {
        let both = shown(https.address(), gullible(&[]), name);
        assert!(both == ecdsa.der(), "{name}");
        let old = shown(https.address(), gullible(&[SignatureScheme::RSA_PSS_SHA256]), name);
        assert!(old == rsa.der(), "{name}");
    }
    https.end();
}

#[test]
fn tls_01_chains_are_sent_as_they_are_in_the_file() {
    let authority = Authority::new("an authority");
    let identity = authority.issue(&[NAME]);
    let chain = format!("{}\n{}", identity.certificate, authority.pem);
    let config = TlsConfig::from_pem(chain, &identity.key).expect("a certificate");
    let https = Https::with(Server::builder(), |_| (), &config, authority);
    let stream = try_connect(https.address(), &https.config(), NAME).expect("a handshake");
    assert_eq!(stream.conn.peer_certificates().map(<[_]>::len), Some(2));
    drop(stream);
    https.end();
}

fn describe(tls: Option<&TlsInfo>) -> String {
    let Some(tls) = tls else { return "none".to_owned() };
    let alpn = tls.alpn().map(|name| String::from_utf8_lossy(name).into_owned());
    format!(
        "{} {} {} {} {} {}",
        tls.version(),
        tls.cipher_suite(),
        tls.server_name().unwrap_or("-"),
        alpn.as_deref().unwrap_or("-"),
        tls.peer_certificates().len(),
        if tls.is_resumed() { "again" } else { "anew" },
    )
}

fn tell(ctx: &mut RequestCtx) {
    let text = format!("{} {} {}", ctx.is_tls(), ctx.scheme(), describe(ctx.tls()));
    ctx.set_body(text);
}

#[test]
fn ctx_05_what_was_agreed_on_is_known_to_handlers() {
    let https = Https::new(Server::builder(), tell);
    let suites = "TLS_AES_256_GCM_SHA384";
    for (versions, alpn, name, seen) in [
        (TLS13, None, NAME, format!("true https TLSv1.3 {suites} {NAME} - 0 anew")),
        (TLS13, Some("http/1.1"), NAME, format!("true https TLSv1.3 {suites} {NAME} http/1.1 0 anew")),
        (
            TLS12,
            Some("http/1.1"),
            NAME,
            format!("true https TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {NAME} http/1.1 0 anew"),
        ),
    ] {
        let mut config = trusting(&https.authority, versions);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut client = connect(https.address(), &Arc::new(config), name);
        assert_eq!(client.get("/").text(), seen);
        assert_eq!(client.get("/again").text(), seen, "also of the next request");
    }
    https.end();

    // A handler that is waited for only so long has a context of its own.
    let https = Https::new(Server::builder().handler_timeout(PATIENCE), tell);
    assert!(https.client().get("/").text().starts_with("true https TLSv1.3 "));
    https.end();

    let plain = Server::new(tell).expect("the defaults").start("127.0.0.1:0").expect("a free port");
    assert_eq!(Client::connect(plain.local_addr()).get("/").text(), "false http none");
    plain.shutdown(PATIENCE).expect("an end in time");
}

#[test]
fn tls_01_clients_show_certificates_where_they_have_to() {
    let (authority, others) = (Authority::new("an authority"), Authority::new("another"));
    let (server, friend, stranger) =
        (authority.issue(&[NAME]), authority.issue(&["friend"]), others.issue(&["stranger"]));
    let who = |ctx: &mut RequestCtx| {
        let shown = ctx.tls().and_then(|tls| tls.peer_certificates().next().map(<[u8]>::to_vec));
        ctx.set_body(shown.unwrap_or_else(|| b"nobody".to_vec()));
    };
    for (client_auth, is_needed) in [(ClientAuth::Required, true), (ClientAuth::Optional, false)] {
        let builder = builder(&[&server]).client_ca_pem(&authority.pem).client_auth(client_auth);
        let config = builder.build().expect("certificates");
        let https = Https::with(Server::builder(), who, &config, Authority::new("not asked"));
        let ask = |config: ClientConfig| -> Result<Vec<u8>, String> {
            let stream =
                try_connect(https.address(), &Arc::new(config), NAME).map_err(|error| error.to_string())?;
            let mut client = Client::over(stream);
            client.try_send(get("/")).map_err(|error| error.to_string())?;
            client.try_response().map(|reply| reply.body)
        };
        assert_eq!(ask(showing(&authority, &friend)), Ok(friend.der()));
        let refused = ask(showing(&authority, &stranger)).expect_err("made by somebody else");
        assert!(refused.contains("UnknownCA"), "{refused}");
        match ask(trusting(&authority, BOTH)) {
            Ok(seen) => assert!(!is_needed && seen == b"nobody"),
            Err(refused) => assert!(is_needed && refused.contains("CertificateRequired"), "{refused}"),
        }
        let refused = 1 + u64::from(is_needed);
        eventually("they are counted", || https.running.stats().rejections.tls_handshake == refused);
        https.end();
    }
}

#[test]
fn tls_01_clients_come_back_without_a_certificate_being_shown() {
    for versions in [TLS12, TLS13] {
        for gives_tickets in [true, false] {
            let authority = Authority::new("an authority");
            let builder = builder(&[&authority.issue(&[NAME])]).session_tickets(gives_tickets);
            let config = builder.build().expect("certificates");
            let https = Https::with(Server::builder(), tell, &config, authority);
            let client_config = Arc::new(trusting(&https.authority, versions));
            let again = |what: &str| {
                let mut client = connect(https.address(), &client_config, NAME);
                assert!(client.get("/").text().ends_with(what), "{what} {gives_tickets}");
            };
            let expected = if gives_tickets { "again" } else { "anew" };
            again("anew");
            again(expected);
            config.reload().expect("they are as they were");
            again(expected);
            let counted = https.running.stats().handshakes;
            assert_eq!((counted.full + counted.resumed, counted.resumed > 0), (3, gives_tickets));
            https.end();
        }
    }
}

/// What is said before a handshake is over can be said again by somebody else (RFC 8446 section 8), so no ticket allows
/// it.
#[test]
fn tls_01_nothing_is_taken_from_clients_before_the_handshake_is_over() {
    let https = Https::new(Server::builder(), tell);
    let mut config = trusting(&https.authority, TLS13);
    config.enable_early_data = true;
    let config = Arc::new(config);
    assert!(connect(https.address(), &config, NAME).get("/").text().ends_with("anew"));
    let mut session = session(&config, NAME);
    assert!(session.early_data().is_none(), "it may speak at once");
    let stream = shake(anthill_tests::tls::socket(https.address()), session).expect("a handshake");
    assert!(Client::over(stream).get("/").text().ends_with("again"), "it has a ticket");
    https.end();
}

#[test]
fn tls_03_another_protocol_is_given_its_stream() {
    let authority = Authority::new("an authority");
    let (told, tells) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let config = builder(&[&authority.issue(&[NAME])])
        .next_proto("foo/1", move |mut conn| {
            let told = told.lock().expect("nobody panics").clone();
            told.send(describe(conn.tls())).expect("the test waits");
            told.send(describe(conn.info().tls())).expect("the test waits");
            let mut heard = [0; 4];
            while conn.read_exact(&mut heard).is_ok() {
                conn.write_all(&heard).expect("the client");
            }
        })
        .build()
        .expect("certificates");
    let short = Duration::from_millis(150);
    let options = Server::builder().read_timeout(short).idle_timeout(short).max_hijacked_conns(1);
    let https = Https::with(options, tell, &config, authority);
    let client_of = |protocols: &[&str]| {
        let mut config = trusting(&https.authority, BOTH);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        try_connect(https.address(), &Arc::new(config), NAME)
    };
    for protocols in [&["foo/1"][..], &["http/1.1", "foo/1"], &["h2", "foo/1"]] {
        let mut client = Client::over(client_of(protocols).expect("a handshake"));
        for _ in 0..2 {
            let seen = tells.recv_timeout(PATIENCE).expect("it was called");
            assert!(seen.starts_with("TLSv1.3 ") && seen.contains(" foo/1 "), "{seen}");
        }
        // The deadlines of requests are none of its.
        std::thread::sleep(short * 2);
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
        assert_eq!(https.running.stats().hijacked_connections, 1);
        // There is one place for those.
        let mut refused = Client::over(client_of(&["foo/1"]).expect("a handshake"));
        refused.expect_end();
        drop(client);
        eventually("its place is free", || https.running.stats().hijacked_connections == 0);
    }
    for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let mut client = Client::over(client_of(protocols).expect("a handshake"));
        assert_eq!(client.get("/").status, 200, "{protocols:?}");
    }
    let refused = client_of(&["h2"]).expect_err("nobody speaks that");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    https.end();
}

#[test]
fn tls_01_plain_http_is_told_where_it_is() {
    let https = Https::new(Server::builder().log_all_errors(true), tell);
    logs::collect();
    for request in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "P", "OPTIONS * HTTP/1.0\r\n\r\n"] {
        for size in [request.len(), 1] {
            let mut client = Client::connect(https.address());
            for piece in request.as_bytes().chunks(size) {
                if client.try_send(piece).is_err() {
                    break;
                }
            }
            let reply = client.response();
            assert_eq!((reply.status, reply.closes()), (400, true));
            assert!(reply.text().contains("use https://"), "{}", reply.text());
            client.expect_end();
        }
    }
    assert_eq!(https.running.stats().rejections.tls_handshake, 6);
    assert!(!logs::with("anthill_http::refused", "a request by plain http on a port for TLS").is_empty());
    https.end();
}

#[test]
fn a_hello_on_a_plain_port_is_told_to_the_log() {
    logs::collect();
    let plain = Server::new(tell).expect("the defaults").start("127.0.0.1:0").expect("a free port");
    let before = logs::with("anthill_http::refused", "a TLS handshake on a port for plain http").len();
    let config = Arc::new(trusting(&Authority::new("an authority"), BOTH));
    try_connect(plain.local_addr(), &config, NAME).expect_err("it is no TLS");
    let lines = logs::with("anthill_http::refused", "a TLS handshake on a port for plain http");
    assert!(lines.len() > before, "{lines:?}");
    assert!(lines.iter().all(|line| line.level == log::Level::Debug), "{lines:?}");
    plain.shutdown(PATIENCE).expect("an end in time");
}

#[test]
fn plain_and_encrypted_listeners_stand_side_by_side() {
    let authority = Authority::new("an authority");
    let config = builder(&[&authority.issue(&[NAME])]).build().expect("certificates");
    let (plain, encrypted) = (Server::listen("127.0.0.1:0"), Server::listen("127.0.0.1:0"));
    let (plain, encrypted) = (plain.expect("a free port"), encrypted.expect("a free port"));
    let (at, port) =
        (plain.local_addr().expect("it listens"), encrypted.local_addr().expect("it listens").port());
    let memory = InMemoryListener::new();
    let server = Server::builder().build_handler(HttpsRedirect::new().port(port).before(tell));
    let listeners =
        [Listener::from(plain), Listener::from(encrypted).tls(&config), Listener::from(&memory).tls(&config)];
    let running = server.expect("the defaults").start_all(listeners).expect("threads");
    let client_config = Arc::new(trusting(&authority, BOTH));

    for (request, status, target) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: site.example:80\r\n\r\n", 301, "/a?b=c"),
        ("HEAD /a HTTP/1.1\r\nHost: site.example\r\n\r\n", 301, "/a"),
        ("DELETE / HTTP/1.1\r\nHost: site.example\r\n\r\n", 308, "/"),
        ("GET http://site.example?q HTTP/1.1\r\nHost: site.example\r\n\r\n", 301, "/?q"),
    ] {
        let mut client = Client::connect(at);
        client.send(request);
        let reply = client.response_to_head();
        assert_eq!(reply.status, status, "{request}");
        assert_eq!(reply.field("location"), Some(&*format!("https://{NAME}:{port}{target}")));
    }
    let mut client = Client::connect(at);
    assert_eq!(client.exchange("GET / HTTP/1.0\r\n\r\n").status, 400, "it names no host");

    let mut client = connect(([127, 0, 0, 1], port).into(), &client_config, NAME);
    assert!(client.get("/").text().starts_with("true https "));
    // Also where there is no socket.
    let stream = memory.dial().expect("it listens");
    let stream = shake(stream, session(&client_config, NAME)).expect("a handshake");
    let mut client = Client::over(stream);
    assert!(client.get("/").text().starts_with("true https "));
    assert!(client.get("/").text().starts_with("true https "));
    drop(client);
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}

#[test]
fn a_proxys_header_comes_before_the_handshake() {
    let authority = Authority::new("an authority");
    let config = builder(&[&authority.issue(&[NAME])]).build().expect("certificates");
    let who = |ctx: &mut RequestCtx| {
        let text = format!("{} {} {}", ctx.remote_addr(), ctx.scheme(), ctx.tls().is_some());
        ctx.set_body(text);
    };
    let server = Server::builder().max_conns_per_ip(1).build(who).expect("options that go together");
    let listener = Server::listen("127.0.0.1:0").expect("a free port");
    let listener = Listener::from(listener).proxy_protocol(true).tls(&config);
    let running = server.start_all([listener]).expect("threads");
    let client_config = Arc::new(trusting(&authority, BOTH));
    let header = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n";
    for size in [usize::MAX, header.len(), 7, 1] {
        let mut session = session(&client_config, NAME);
        let all = [&header[..], &anthill_tests::tls::hello(&mut session)].concat();
        let mut socket = anthill_tests::tls::socket(running.local_addr());
        all.chunks(size.min(all.len())).for_each(|piece| socket.write_all(piece).expect("it is open"));
        let mut client = Client::over(shake(socket, session).expect("a handshake"));
        assert_eq!(client.get("/").text(), "198.51.100.7:4711 https true", "in pieces of {size}");
        // The proxy's connections count for the client that it names, who is told no more than that this is the end.
        let mut second = anthill_tests::tls::socket(running.local_addr());
        second.write_all(header).expect("it is open");
        assert_eq!(second.read(&mut [0; 9]).ok(), Some(0));
        drop(client);
        eventually("it is gone", || running.stats().open_connections == 0);
    }
    running.shutdown(PATIENCE).expect("an end in time");
}

#[test]
fn a_configuration_of_ones_own_is_used_as_it_is() {
    let authority = Authority::new("an authority");
    let (chain, key) = authority.issue(&[NAME]).parts();
    let own = || {
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(TLS12)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key.clone_key())
            .expect("a certificate")
    };
    let mut early = own();
    early.max_early_data_size = 1 << 20;
    let config = TlsConfig::from_rustls(early).expect("it offers nothing");
    let https = Https::with(Server::builder(), tell, &config, authority);
    assert!(https.client().get("/").text().starts_with("true https TLSv1.2 "));
    config.reload().expect("there is nothing to be read");
    assert!(try_connect(https.address(), &Arc::new(trusting(&https.authority, TLS13)), NAME).is_err());
    https.end();

    let mut offers = own();
    offers.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let error = TlsConfig::from_rustls(offers).expect_err("nobody speaks h2");
    assert_eq!(
        error.to_string(),
        "the protocol `h2` of `alpn_protocols` is spoken by nobody here; leave it out"
    );
}

#[test]
fn a_handshake_that_panics_costs_its_own_connection_alone() {
    #[derive(Debug)]
    struct Panics;
    impl rustls::server::ResolvesServerCert for Panics {
        fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            panic!("nobody knows {:?}", hello.server_name())
        }
    }
    anthill_tests::quiet_panics();
    logs::collect();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Panics));
    let config = TlsConfig::from_rustls(config).expect("it offers nothing");
    let https = Https::with(Server::builder().shards(1), tell, &config, Authority::new("an authority"));
    for name in ["one.example", "two.example"] {
        try_connect(https.address(), &https.config(), name).expect_err("it panicked");
        assert_eq!(logs::with("anthill_http::tls::layer", name).len(), 1);
    }
    assert_eq!(https.running.stats().rejections.tls_handshake, 2);
    https.end();
}

#[test]
fn cryptography_may_be_ones_own() {
    let authority = Authority::new("an authority");
    let builder = builder(&[&authority.issue(&[NAME])]).crypto_provider(provider());
    let https = Https::with(Server::builder(), tell, &builder.build().expect("certificates"), authority);
    for versions in [TLS12, TLS13] {
        let config = Arc::new(trusting(&https.authority, versions));
        for seen in ["anew", "again", "again"] {
            let mut client = connect(https.address(), &config, NAME);
            assert!(client.get("/").text().ends_with(seen), "{seen}");
        }
    }
    https.end();
}

/// No process-wide provider is there, and none is left behind.
#[test]
fn nothing_is_installed_for_the_process() {
    let https = Https::new(Server::builder(), tell);
    assert_eq!(https.client().get("/").status, 200);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    https.end();
}

#[test]
fn tls_01_one_line_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("an authority");
    let (certificate, key) = authority.issue(&[NAME]).write(folder.path(), "site");
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = address.expect("a free port");
    let server = Server::new(tell).expect("the defaults");
    // A bad certificate: nobody listens, then or later.
    let error = server.listen_and_serve_tls(address, &key, &key).expect_err("that is no certificate");
    assert!(error.to_string().contains("are the two files mixed up?"), "{error}");
    std::net::TcpListener::bind(address).expect("the port is free");

    let serving = server.clone();
    let serving = background(move || serving.listen_and_serve_tls(address, certificate, key));
    let config = Arc::new(trusting(&authority, BOTH));
    eventually("it serves", || std::net::TcpStream::connect(address).is_ok());
    assert!(connect(address, &config, NAME).get("/").text().starts_with("true https "));
    server.shutdown(PATIENCE).expect("an end in time");
    serving.outcome("serving").expect("a good end");
}
