//! The examples with certificates, and what other programs make of them: `openssl s_client`, curl, Node, Python and Go.
//!
//! Where one of these is not installed its test is skipped, and says so:
//! `apt-get install openssl curl nodejs python3 golang-go`.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::examples::Example;
use anthill_tests::server::skip;
use anthill_tests::sockets::{SocketClient, handshake};
use anthill_tests::tls::{Authority, BOTH, connect, gullible, showing, trusting, try_connect};

const NAME: &str = "localhost";

/// Files for a server and its clients, in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority: Authority::new("an authority"),
        };
        files.authority.issue(&[NAME, "127.0.0.1"]).write(files.folder.path(), "site");
        files.authority.issue(&["a client"]).write(files.folder.path(), "me");
        fs::write(files.path("ca.pem"), &files.authority.pem).expect("room on the disk");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }

    fn start(&self, example: &str) -> Example {
        let (certificate, key, clients) = (self.text("site.pem"), self.text("site.key"), self.text("ca.pem"));
        let variables =
            [("CERTIFICATE", &*certificate), ("KEY", &key), ("CLIENTS", &clients), ("PLAIN", "127.0.0.1:0")];
        Example::start(example, &variables)
    }

    /// The testbed, with these arguments beside those of its certificate.
    fn testbed(&self, arguments: &[&str]) -> Example {
        let (certificate, key) = (self.text("site.pem"), self.text("site.key"));
        let all =
            [&["--addr", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key], arguments].concat();
        Example::launch("testbed", &all, &[]).listening()
    }
}

#[test]
fn https_leads_from_the_plain_port_to_the_other() {
    let files = Files::new();
    let https = files.start("https");
    let config = Arc::new(trusting(&files.authority, BOTH));
    let seen = connect(https.address(), &config, NAME).get("/").text().to_owned();
    assert_eq!(seen, "hello by TLSv1.3, TLS_AES_256_GCM_SHA384\n");
    let plain = https.line("redirecting http://").expect("a plain port").parse().expect("an address");
    let reply = Client::connect(plain).exchange("GET /a HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
    let expected = format!("https://localhost:{}/a", https.address().port());
    assert_eq!((reply.status, reply.field("location")), (301, Some(&*expected)));
    https.end();
}

#[test]
fn secure_echo_says_back_what_it_is_told() {
    let files = Files::new();
    let echo = files.start("secure-echo");
    let config = Arc::new(trusting(&files.authority, BOTH));
    assert_eq!(connect(echo.address(), &config, NAME).get("/").text(), "hello, privately\n");
    let open = || {
        let mut stream = try_connect(echo.address(), &config, NAME).expect("a handshake");
        stream.write_all(handshake("/echo", "").as_bytes()).expect("the server reads");
        SocketClient::of_answered(stream)
    };
    let mut client = open();
    client.say("hello");
    assert_eq!(client.hear(), "hello");
    client.say(&"x".repeat(64 * 1024 + 1));
    assert_eq!(client.close_code(), 1009);
    let mut left = open();
    left.say("still here");
    assert_eq!(left.hear(), "still here");
    echo.signal("TERM");
    assert_eq!(left.close_code(), 1001);
    assert_eq!(echo.outcome().code, Some(0));
}

#[test]
fn each_says_in_words_what_is_wrong_with_its_certificate() {
    for name in ["https", "https-reload", "client-certificate", "secure-echo"] {
        let ended = Example::launch(name, &[], &[("CERTIFICATE", "/nowhere/cert.pem")]).outcome();
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        let said =
            format!("{name}: the certificate /nowhere/cert.pem cannot be read: No such file or directory");
        assert!(ended.stderr.starts_with(&said), "{name}: {}", ended.stderr);
    }
}

#[test]
fn https_reload_changes_its_certificate_when_it_is_told() {
    let files = Files::new();
    let example = files.start("https-reload");
    let shown = || {
        let stream = try_connect(example.address(), &Arc::new(gullible(&[])), NAME).expect("a handshake");
        stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
    };
    let first = shown();
    let next = files.authority.issue(&[NAME]);
    next.write(files.folder.path(), "site");
    example.signal("HUP");
    eventually("it has another one", || shown() == next.der());
    assert!(next.der() != first);

    let last = files.authority.issue(&[NAME]);
    fs::write(files.path("site.pem"), &last.certificate).expect("room on the disk");
    let config = Arc::new(trusting(&files.authority, BOTH));
    let mut client = connect(example.address(), &config, NAME);
    let refused = client.exchange("POST /reload HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("does not belong to"), "{}", refused.text());
    assert!(shown() == next.der());
    fs::write(files.path("site.key"), &last.key).expect("room on the disk");
    let done = client.exchange("POST /reload HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((done.status, done.text()), (200, "they are in use\n"));
    assert!(shown() == last.der());
    assert!(example.stderr().contains("ERROR: certificates stay as they were: "), "{}", example.stderr());
    example.signal("TERM");
    assert_eq!(example.outcome().code, Some(0));
}

#[test]
fn client_certificate_lets_members_in() {
    let files = Files::new();
    let example = files.start("client-certificate");
    let me = files.authority.issue(&["somebody"]);
    let mut member = connect(example.address(), &Arc::new(showing(&files.authority, &me)), NAME);
    assert_eq!(member.get("/members").text(), format!("you have shown {} bytes\n", me.der().len()));
    let mut other = connect(example.address(), &Arc::new(trusting(&files.authority, BOTH)), NAME);
    assert_eq!(other.get("/members").status, 403);
    assert_eq!(other.get("/").text(), "you have shown nothing\n");
    example.end();
}

#[test]
fn the_testbed_says_what_is_wrong_and_keeps_what_was_good() {
    let files = Files::new();
    let (certificate, key, other) = (files.text("site.pem"), files.text("site.key"), files.text("me.key"));
    for (arguments, said) in [
        (&["--tls-cert", &*certificate][..], "each --tls-cert needs a --tls-key"),
        (&["--tls-client-ca", &*certificate], "--tls-client-ca needs a --tls-cert"),
        (&["--tls-cert", &*certificate, "--tls-key", &*other], "does not belong to the certificate"),
    ] {
        let ended = Example::launch("testbed", arguments, &[]).outcome();
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let testbed = files.testbed(&[]);
    let mut config = trusting(&files.authority, BOTH);
    let mut client = connect(testbed.address(), &Arc::new(config.clone()), NAME);
    assert!(client.get("/info").text().contains("\nscheme=https\n"));
    config.alpn_protocols = vec![b"echo/1".to_vec()];
    let mut echo = connect(testbed.address(), &Arc::new(config), NAME);
    echo.send("what?");
    assert_eq!(echo.bytes(5), b"what?");
    fs::write(&key, "no key").expect("room on the disk");
    testbed.signal("HUP");
    eventually("it is told", || testbed.stderr().contains("certificates stay as they were: the key "));
    assert_eq!(client.get("/").text(), "Hello, World!");
    drop(echo);
    testbed.end();
}

/// Runs a program with this on its standard input; `None`: it is not there.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip(&format!("there is no {program}"));
        return None;
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may have ended by then.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = child.wait_with_output().expect("our child");
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    Some((ended.status.success(), format!("{said}\n{complained}")))
}

#[test]
fn curl_speaks_both_versions_comes_back_and_shows_a_certificate() {
    let files = Files::new();
    let (ca, me, my_key) = (files.text("ca.pem"), files.text("me.pem"), files.text("me.key"));
    let testbed = files.testbed(&[]);
    let url = |path: &str| format!("https://localhost:{}{path}", testbed.address().port());
    let resolve = format!("localhost:{}:127.0.0.1", testbed.address().port());
    let mut resumed = 0;
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let (info, bytes) = (url("/info"), url("/bytes?n=300000"));
        let rest = ["-sS", "--http1.1", "--cacert", &ca, "--resolve", &resolve];
        let Some((is_well, said)) = run("curl", &[&rest[..], version, &[&info]].concat(), "") else { return };
        assert!(is_well && said.contains("scheme=https"), "{said}");
        // Two on one connection.
        let count = [
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}/%{num_connects} ",
            &*bytes,
            "-o",
            "/dev/null",
            &*bytes,
        ];
        let Some((is_well, said)) = run("curl", &[&rest[..], version, &count].concat(), "") else { return };
        assert!(is_well && said.starts_with("300000/1 300000/0 "), "{said}");
        // Two connections, the second of which goes on with the session of the first.
        let metrics = url("/metrics");
        let apart = ["-H", "Connection: close", "-o", "/dev/null", &info, &metrics];
        let Some((is_well, said)) = run("curl", &[&rest[..], version, &apart].concat(), "") else { return };
        resumed += 1;
        let counted = format!("anthill_http_tls_handshakes_total{{kind=\"resumed\"}} {resumed}\n");
        assert!(is_well && said.contains(&counted), "{counted} is not in {said}");
        // An upload of which curl waits for the word.
        let upload = ["--data-binary", "@-", "-H", "Expect: 100-continue", &url("/sink")];
        let Some((is_well, said)) =
            run("curl", &[&rest[..], version, &upload].concat(), &"x".repeat(500_000))
        else {
            return;
        };
        assert!(is_well && said.starts_with("500000"), "{said}");
    }
    testbed.end();

    let testbed = files.testbed(&["--tls-client-ca", &ca]);
    let url = format!("https://localhost:{}/", testbed.address().port());
    let resolve = format!("localhost:{}:127.0.0.1", testbed.address().port());
    let rest = ["-sS", "--cacert", &ca, "--resolve", &resolve, &url];
    let Some((is_well, said)) = run("curl", &[&rest[..], &["--cert", &me, "--key", &my_key]].concat(), "")
    else {
        return;
    };
    assert!(is_well && said.starts_with("Hello, World!"), "{said}");
    let Some((is_well, said)) = run("curl", &rest, "") else { return };
    assert!(!is_well && said.contains("certificate required"), "{said}");
    testbed.end();
}

#[test]
fn openssl_finds_what_it_should_and_may_not_negotiate_again() {
    let files = Files::new();
    let testbed = files.testbed(&[]);
    let at = testbed.address().to_string();
    let (ca, session) = (files.text("ca.pem"), files.text("session"));
    let rest = ["s_client", "-connect", &at, "-CAfile", &ca, "-verify_return_error", "-servername", NAME];
    let request = "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let with = [&rest[..], &[version, "-ign_eof", "-sess_out", &session]].concat();
        let Some((is_well, said)) = run("openssl", &with, request) else { return };
        assert!(is_well && said.contains("scheme=https") && said.contains("Verify return code: 0"), "{said}");
        assert!(said.contains(&format!("New, {name}")) || said.contains(name), "{said}");
        // Its end is said, not just there.
        assert!(!said.contains("unexpected eof"), "{said}");
        let again = [&rest[..], &[version, "-ign_eof", "-sess_in", &session]].concat();
        let Some((is_well, said)) = run("openssl", &again, request) else { return };
        assert!(is_well && said.contains("Reused, "), "{said}");
    }
    for (version, what) in [("-tls1_1", "too old"), ("-tls1", "too old")] {
        let with = [&rest[..], &[version, "-cipher", "ALL:@SECLEVEL=0"]].concat();
        let Some((is_well, said)) = run("openssl", &with, "") else { return };
        assert!(!is_well, "{what}: {said}");
    }
    let alpn = [&rest[..], &["-alpn", "h2,echo/1", "-quiet", "-no_ign_eof"]].concat();
    let Some((_, said)) = run("openssl", &alpn, "say it again\n") else { return };
    assert!(said.contains("verify return:1"), "{said}");
    // `R` on a line of its own asks for another handshake.
    let renegotiates = [&rest[..], &["-tls1_2"]].concat();
    let Some((_, said)) = run("openssl", &renegotiates, "R\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") else {
        return;
    };
    assert!(said.contains("RENEGOTIATING") && !said.contains("Hello, World!"), "{said}");
    let mut client = connect(testbed.address(), &Arc::new(trusting(&files.authority, BOTH)), NAME);
    assert_eq!(client.get("/").text(), "Hello, World!", "it lives");
    testbed.end();
}

#[test]
fn node_and_python_are_served() {
    let files = Files::new();
    let testbed = files.testbed(&[]);
    let (port, ca) = (testbed.address().port(), files.text("ca.pem"));
    let node = format!(
        "const https = require('https'), fs = require('fs');
         const agent = new https.Agent({{ ca: fs.readFileSync({ca:?}), keepAlive: true, maxSockets: 2 }});
         let left = 20;
         for (let i = 0; i < 20; i++) https.get({{ host: '127.0.0.1', servername: 'localhost', port: {port}, path: '/bytes?n=100000', agent }},
             response => {{ let got = 0; const version = response.socket.getProtocol(); response.on('data', d => got += d.length);
                 response.on('end', () => {{ if (got !== 100000) process.exit(2); if (--left === 0) {{ console.log('all', version); agent.destroy(); }} }}); }})
             .on('error', error => {{ console.log(error); process.exit(3); }});"
    );
    if let Some((is_well, said)) = run("node", &["-e", &node], "") {
        assert!(is_well && said.starts_with("all TLSv1.3"), "{said}");
    }
    let python = format!(
        "import ssl, http.client\n\
         context = ssl.create_default_context(cafile={ca:?})\n\
         connection = http.client.HTTPSConnection('localhost', {port}, context=context, timeout=20)\n\
         for path, body in [('/echo', b'x' * 200000), ('/echo', b'')]:\n\
         \x20   connection.request('POST', path, body)\n\
         \x20   assert connection.getresponse().read() == body\n\
         print('all', connection.sock.version())\n"
    );
    if let Some((is_well, said)) = run("python3", &["-c", &python], "") {
        assert!(is_well && said.starts_with("all TLSv1.3"), "{said}");
    }
    testbed.end();
}

/// Of each version: bodies in both directions on one connection, a session that comes back, many at once.
const GO: &str = r#"package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(3)
	}
}

func fetch(client *http.Client, method, url string, body []byte) ([]byte, *tls.ConnectionState) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	must(err)
	response, err := client.Do(request)
	must(err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	must(err)
	return got, response.TLS
}

func main() {
	base := os.Args[1]
	pem, err := os.ReadFile(os.Args[2])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version,
			NextProtos: []string{"h2", "http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
		transport := &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 1}
		client := &http.Client{Transport: transport}
		body := bytes.Repeat([]byte("0123456789"), 50000)
		for round := 0; round < 3; round++ {
			got, _ := fetch(client, "GET", base+"/bytes?n=300000", nil)
			if len(got) != 300000 {
				must(fmt.Errorf("%d bytes", len(got)))
			}
			got, state := fetch(client, "POST", base+"/echo", body)
			if !bytes.Equal(got, body) || state.Version != version || state.NegotiatedProtocol != "http/1.1" {
				must(fmt.Errorf("%d bytes, %v", len(got), state.NegotiatedProtocol))
			}
			if state.DidResume != (round > 0) {
				must(fmt.Errorf("came back in round %d: %v", round, state.DidResume))
			}
			transport.CloseIdleConnections()
		}
		var all sync.WaitGroup
		for i := 0; i < 20; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				fetch(client, "POST", base+"/echo", body)
			}()
		}
		all.Wait()
		transport.CloseIdleConnections()
	}
	fmt.Println("all")
}
"#;

#[test]
fn go_is_served_by_both_versions_and_comes_back() {
    let files = Files::new();
    let testbed = files.testbed(&[]);
    let (program, cache) = (files.path("main.go"), files.path("cache"));
    fs::write(&program, GO).expect("room on the disk");
    let built = files.path("client");
    // Nothing but what comes with it is needed, and nothing is fetched.
    let build = Command::new("go")
        .args(["build", "-o"])
        .args([&built, &program])
        .envs([("GO111MODULE", "off"), ("GOFLAGS", ""), ("GOPROXY", "off"), ("CGO_ENABLED", "0")])
        .env("GOCACHE", &cache)
        .output();
    let Ok(build) = build else { return skip("there is no go") };
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let url = format!("https://127.0.0.1:{}", testbed.address().port());
    let built = built.to_str().expect("text");
    let Some((is_well, said)) = run(built, &[&url, &files.text("ca.pem")], "") else { return };
    assert!(is_well && said.starts_with("all\n"), "{said}");
    testbed.end();
}

/// Whoever speaks plain HTTP to it is told so by a program as well.
#[test]
fn curl_is_told_that_it_speaks_the_wrong_language() {
    let files = Files::new();
    let testbed = files.testbed(&[]);
    let url = format!("http://{}/", testbed.address());
    if let Some((is_well, said)) = run("curl", &["-sS", &url], "") {
        assert!(is_well && said.contains("This port speaks HTTPS"), "{said}");
    }
    let mut raw = Vec::new();
    let mut socket = anthill_tests::tls::socket(testbed.address());
    socket.write_all(get("/").as_bytes()).expect("it is open");
    socket.read_to_end(&mut raw).expect("an end");
    assert!(raw.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    testbed.end();
}
