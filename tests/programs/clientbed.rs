//! The program by which outside suites drive the client: every field does what it says, and what is not there is named.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anthill_http::{Cookie, Listener, RequestCtx, Server, TlsConfig};
use anthill_tests::background;
use anthill_tests::examples::program;
use anthill_tests::server::Running;
use anthill_tests::tls::Authority;
use serde_json::{Value, json};

/// Of `hi`.
const SHA_OF_HI: &str = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";

/// The program, that waits for its next line.
struct Bed {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Bed {
    fn new() -> Self {
        let mut command = Command::new(program("clientbed"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output }
    }

    /// What it answers to a line.
    fn ask_line(&mut self, line: &str) -> Value {
        let input = self.input.as_mut().expect("it has not ended");
        writeln!(input, "{line}").expect("it reads");
        input.flush().expect("it reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{error} in the answer {answer:?} to {line}"))
    }

    #[track_caller]
    fn ask(&mut self, line: Value) -> Value {
        self.ask_line(&line.to_string())
    }

    #[track_caller]
    fn client(&mut self, mut settings: Value) {
        settings["op"] = json!("client");
        assert_eq!(self.ask(settings), json!({"ok": true}));
    }

    #[track_caller]
    fn get(&mut self, url: &str, fields: Value) -> Value {
        let mut request = json!({"op": "request", "method": "GET", "url": url});
        for (name, value) in fields.as_object().expect("fields") {
            request[name] = value.clone();
        }
        self.ask(request)
    }

    /// Ends its input, and with that it.
    fn end(mut self) {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_line(&mut rest).expect("its output ends");
        assert_eq!((rest.as_str(), self.child.wait().expect("our child").code()), ("", Some(0)));
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says back what it is sent; the path says how.
fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/redirect" => ctx.redirect("/echo", 307),
        "/pause" => std::thread::sleep(Duration::from_millis(20)),
        "/large" => ctx.set_body(vec![b'x'; 100_000]),
        "/headers" => {
            let lines: Vec<String> = ctx
                .request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
                .collect();
            ctx.set_body(lines.join("\n"));
        }
        _ => {
            let body = ctx.request.body().to_vec();
            ctx.set_body(body);
        }
    }
}

/// A server that takes connections, and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("it listens"));
    (listener, url)
}

/// A server that gives these bytes to whoever comes, whatever he asks, and closes.
fn says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it listens");
    drop(background(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        while reader.read_line(&mut line).expect("a request") > 2 {}
        stream.write_all(bytes).expect("the client is there");
    }));
    format!("http://{addr}/")
}

#[test]
fn the_clientbed_says_what_came_of_a_request() {
    let server = Running::new(answer);
    let base = format!("http://{}", server.address());
    let mut bed = Bed::new();
    let url = format!("{base}/echo");
    let answer = bed.ask(json!({"op": "request", "method": "POST", "url": url, "body": {"text": "hi"}}));
    let expected = json!([200, "OK", url, 2, SHA_OF_HI, "hi", server.address().to_string(), 1]);
    let fields =
        ["status", "reason", "url", "body_len", "body_sha256", "body_prefix", "remote", "conn_requests"];
    assert_eq!(Value::from_iter(fields.map(|field| answer[field].clone())), expected, "{answer}");
    assert!(
        answer["head_ms"].as_f64() <= answer["total_ms"].as_f64() && answer["local"].is_string(),
        "{answer}"
    );
    assert!(answer.get("error").is_none() && answer["trailers"] == json!([]), "{answer}");
    let length = json!(["Content-Length", "2"]);
    assert!(answer["headers"].as_array().expect("a list").contains(&length), "{answer}");

    // Generated bodies, however they are sent, and only a part of what comes back.
    for body in [json!({"size": 60}), json!({"size": 60, "stream": true})] {
        let answer = bed.get(&url, json!({"method": "PUT", "body": body, "read": 30}));
        assert_eq!(
            (&answer["body_len"], &answer["body_prefix"]),
            (&json!(30), &json!("abcdefghijklmnopqrstuvwxyzabcd"))
        );
    }
    let body = json!({"size": 60, "stream": true, "declared": 70});
    let answer = bed.get(&url, json!({"method": "PUT", "body": body}));
    assert_eq!(answer["error"], "invalid_request", "{answer}");
    let chunked = json!({"method": "PUT", "body": {"size": 3, "stream": true, "chunked": true}, "expect": true,
        "headers": [["X", "a"], ["X", "b"]], "close": true});
    let answer = bed.get(&format!("{base}/headers"), chunked);
    let said = answer["body_prefix"].as_str().expect("a body");
    for field in ["X: a", "X: b"] {
        assert!(said.contains(field), "{said}");
    }
    assert_eq!(bed.ask(json!({"op": "stats"})), json!({"open": 0, "idle": 0}), "it was to be closed");

    let answer = bed.get(&url, json!({"repeat": 3}));
    let numbers: Vec<_> =
        answer["runs"].as_array().expect("a list").iter().map(|run| &run["conn_requests"]).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let requests = [url, format!("{base}/pause")].map(|url| json!({"method": "GET", "url": url}));
    let answer = bed.ask(json!({"op": "parallel", "requests": requests}));
    let results = answer["results"].as_array().expect("a list");
    assert!(results.len() == 2 && results.iter().all(|result| result["status"] == 200), "{answer}");
    assert_eq!(bed.ask(json!({"op": "close_idle"})), json!({"ok": true}));
    assert_eq!(bed.ask(json!({"op": "stats"})), json!({"open": 0, "idle": 0}));
    bed.end();
}

#[test]
fn the_clientbed_says_why_there_is_no_response() {
    let server = Running::new(answer);
    let base = format!("http://{}", server.address());
    let (_kept, silent) = silent();
    let mut bed = Bed::new();
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    for (url, fields, error) in [
        (silent.clone(), json!({"timeout_ms": 20}), "timeout"),
        (format!("{base}/echo"), json!({"timeout_ms": -1}), "timeout"),
        (silent, json!({"cancel_ms": 20, "start_ms": 1}), "cancelled"),
        (format!("{base}/echo"), json!({"headers": [["A B", "c"]]}), "invalid_request"),
        ("http://".to_owned(), json!({}), "invalid_request"),
        (format!("http://{dead}/"), json!({}), "connect"),
        (says(b"HTTP/1.1 2x0 OK\r\n\r\n"), json!({}), "protocol"),
        (says(b""), json!({"method": "POST"}), "closed"),
    ] {
        let answer = bed.get(&url, fields);
        assert_eq!((&answer["error"], answer.get("status")), (&json!(error), None), "{url}: {answer}");
        assert!(answer["message"].is_string() && answer["total_ms"].is_f64(), "{answer}");
    }
    // What was known before is said.
    let cut = bed.get(
        &says(b"HTTP/1.1 200 OK\r\nA: \xe9\r\nContent-Length: 9\r\n\r\nab\xff"),
        json!({"stream": true}),
    );
    let known = json!([200, "closed", 3, "ab\u{ff}", [["A", "\u{e9}"], ["Content-Length", "9"]]]);
    let fields = ["status", "error", "body_len", "body_prefix", "headers"];
    assert_eq!(Value::from_iter(fields.map(|field| cut[field].clone())), known, "{cut}");
    let chunked = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nSum: 1\r\n\r\n");
    assert_eq!(bed.get(&chunked, json!({}))["trailers"], json!([["Sum", "1"]]));

    for line in ["{", "{\"op\":\"dance\"}", "{\"op\":\"sleep\"}"] {
        assert_eq!(bed.ask_line(line)["error"], "other", "{line}");
    }
    assert_eq!(bed.ask(json!({"op": "sleep", "ms": 1})), json!({"ok": true}));
    bed.end();
}

#[test]
fn the_settings_of_the_clientbed_are_the_clients() {
    let server = Running::new(answer);
    let base = format!("http://{}", server.address());
    let (echo, large) = (format!("{base}/echo"), format!("{base}/large"));
    let mut bed = Bed::new();
    // By default nothing is followed; and with a limit as far as that.
    assert_eq!(bed.get(&format!("{base}/redirect"), json!({}))["status"], 307);
    bed.client(json!({"redirects": 1, "max_body": 50_000, "max_header": 4096, "unknown": true}));
    let answer = bed.get(&format!("{base}/redirect"), json!({"method": "POST", "body": {"text": "hi"}}));
    assert_eq!((&answer["url"], &answer["body_sha256"]), (&json!(echo), &json!(SHA_OF_HI)));
    for fields in [json!({}), json!({"stream": true})] {
        assert_eq!(bed.get(&large, fields)["error"], "too_large");
    }
    bed.client(json!({"max_conns": 1, "conn_wait_ms": 0, "max_idle": 0, "pool": "fifo"}));
    let (_kept, silent) = silent();
    let request = json!({"method": "GET", "url": silent, "timeout_ms": 1500});
    let results = bed.ask(json!({"op": "parallel", "requests": [request, request]}));
    let errors = [0, 1].map(|at| results["results"][at]["error"].as_str().expect("it fails"));
    assert!(matches!(errors, ["timeout", "no_free_conns"] | ["no_free_conns", "timeout"]), "{results}");
    bed.get(&echo, json!({}));
    assert_eq!(bed.ask(json!({"op": "stats"})), json!({"open": 0, "idle": 0}), "none is kept");

    // A client of one host goes to its addresses, whatever the URL says; a new client has no old connections.
    bed.client(json!({"kind": "host", "addrs": [server.address().to_string()], "idle_ms": 60_000, "conn_age_ms": 60_000,
        "read_timeout_ms": 30_000, "write_timeout_ms": 30_000, "connect_timeout_ms": 30_000}));
    let answer =
        bed.get("http://elsewhere.test/headers", json!({"headers": [["X", "y"]], "body": {"text": "hi"}}));
    let said = answer["body_prefix"].as_str().expect("a body");
    assert!(said.contains("Host: elsewhere.test\n") && said.contains("X: y"), "{said}");
    assert_eq!(bed.ask(json!({"op": "stats"})), json!({"open": 1, "idle": 1}));

    let port = server.address().port();
    let names = json!({"here.test": {"addrs": ["127.0.0.1"], "delay_ms": 1}, "none.test": {"addrs": []}});
    bed.client(json!({"resolve": names, "user_agent": "bed"}));
    let answer = bed.get(&format!("http://here.test:{port}/headers"), json!({}));
    assert!(answer["body_prefix"].as_str().expect("a body").contains("User-Agent: bed"), "{answer}");
    assert_eq!(bed.get(&format!("http://none.test:{port}/"), json!({}))["error"], "dns");
    bed.client(json!({"user_agent": "", "decompress": true}));
    let answer = bed.get(&format!("{base}/headers"), json!({}));
    let said = answer["body_prefix"].as_str().expect("a body");
    assert!(!said.contains("User-Agent") && said.contains("Accept-Encoding: gzip"), "{said}");
    bed.end();
}

#[test]
fn the_clientbed_has_all_kinds_of_clients() {
    let server = Running::new(answer);
    let address = server.address().to_string();
    let echo = format!("http://{address}/echo");
    let mut bed = Bed::new();
    for settings in [
        json!({"kind": "pipeline", "addrs": [address], "max_pending": 8, "max_conns": 1}),
        json!({"kind": "balance", "addrs": [address, address]}),
    ] {
        bed.client(settings.clone());
        let post = json!({"method": "POST", "url": echo, "body": {"text": "hi"}});
        let results = bed.ask(json!({"op": "parallel", "requests": vec![post; 8]}));
        for at in 0..8 {
            assert_eq!(results["results"][at]["body_sha256"], SHA_OF_HI, "{settings} {results}");
        }
        let stats = bed.ask(json!({"op": "stats"}));
        assert!(stats["open"].as_u64() >= Some(1) && stats["open"] == stats["idle"], "{settings} {stats}");
        assert_eq!(bed.ask(json!({"op": "close_idle"})), json!({"ok": true}));
        assert_eq!(bed.ask(json!({"op": "stats"})), json!({"open": 0, "idle": 0}));
        let streamed = json!({"method": "POST", "body": {"size": 3, "stream": true}});
        assert_eq!(bed.get(&echo, streamed), json!({"unsupported": ["body"]}));
        let (_kept, silent) = silent();
        bed.client(json!({"kind": settings["kind"], "addrs": [silent.trim_start_matches("http://").trim_end_matches('/')],
            "max_pending": (settings["kind"] == "pipeline").then_some(1)}));
        let request = json!({"method": "GET", "url": silent, "timeout_ms": 1500});
        let results = bed.ask(json!({"op": "parallel", "requests": [request, request]}));
        let mut errors = [0, 1].map(|at| results["results"][at]["error"].as_str().expect("it fails"));
        errors.sort_unstable();
        let first = if settings["kind"] == "pipeline" { "overflow" } else { "timeout" };
        assert_eq!(errors, [first, "timeout"], "{results}");
    }
    bed.end();
}

#[test]
fn the_clientbed_keeps_cookies_and_trusts_whom_it_is_told_to() {
    let server = Running::new(|ctx| {
        let cookie = ctx.request.cookie("c").unwrap_or(b"none").to_vec();
        ctx.response.set_cookie(&Cookie::new("c", "1"));
        ctx.set_body(cookie);
    });
    let url = format!("http://{}/", server.address());
    let mut bed = Bed::new();
    for (settings, said) in [(json!({"cookies": true}), ["none", "1"]), (json!({}), ["none", "none"])] {
        bed.client(settings);
        assert_eq!(said.map(|_| bed.get(&url, json!({}))["body_prefix"].clone()), said);
    }

    let authority = Authority::new("ca");
    let identity = authority.issue(&["127.0.0.1"]);
    let config =
        TlsConfig::builder().certificate_pem(identity.certificate, identity.key).build().expect("a pair");
    let server = Server::new(answer).expect("a server");
    let listener = Listener::from(Server::listen("127.0.0.1:0").expect("a free port")).tls(&config);
    let running = server.start_all([listener]).expect("it listens");
    let url = format!("https://{}/large", running.local_addr());
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), &authority.pem).expect("room for it");
    assert_eq!(bed.get(&url, json!({}))["error"], "tls");
    for settings in [json!({"ca": ca.path()}), json!({"insecure": true})] {
        bed.client(settings);
        assert_eq!(bed.get(&url, json!({}))["body_len"], 100_000);
    }
    let none = bed.ask(json!({"op": "client", "ca": "/no/such/file"}));
    assert_eq!(none["error"], "tls", "{none}");
    bed.end();
}

#[test]
fn the_clientbed_names_what_is_not_there_and_leaves_everything_as_it_is() {
    let mut bed = Bed::new();
    for (settings, unsupported) in [
        (json!({"kind": "dance", "max_pending": 4}), json!(["kind", "max_pending"])),
        (json!({"kind": "host", "addrs": ["127.0.0.1:9"], "cookies": true}), json!(["cookies"])),
        (json!({"kind": "host", "addrs": ["127.0.0.1:9"], "redirects": 3}), json!(["redirects"])),
    ] {
        let mut line = settings.clone();
        line["op"] = json!("client");
        assert_eq!(bed.ask(line), json!({ "unsupported": unsupported }), "{settings}");
    }
    let refused = bed.ask(json!({"op": "client", "max_conns": 0}));
    assert_eq!(refused["error"], "invalid_request", "{refused}");
    bed.end();
}

#[test]
fn the_clientbed_encrypts_and_goes_by_proxies() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["site.test"]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::new(|ctx| ctx.set_body("encrypted")).expect("options");
    let server = server.start_tls("127.0.0.1:0", &config).expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).expect("room on the disk");
    let url = format!("https://site.test:{}/", server.local_addr().port());
    let resolve = json!({"site.test": {"addrs": ["127.0.0.1"]}});
    let mut bed = Bed::new();
    bed.client(json!({"resolve": resolve}));
    assert_eq!(bed.get(&url, json!({}))["error"], "tls");
    for settings in [json!({"ca": ca}), json!({"insecure": true}), json!({"insecure": true, "ca": ca})] {
        let mut settings = settings;
        settings["resolve"] = resolve.clone();
        bed.client(settings.clone());
        let answer = bed.get(&url, json!({}));
        assert_eq!(
            (&answer["status"], &answer["body_len"]),
            (&json!(200), &json!(9)),
            "{settings}: {answer}"
        );
    }
    let missing = bed.ask(json!({"op": "client", "ca": folder.path().join("none.pem")}));
    assert_eq!(missing["error"], "tls", "{missing}");
    // A proxy that is no proxy, and one that is not there.
    let addr = server.local_addr();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a port");
    for (proxy, no_proxy, error) in [
        (format!("socks5h://{addr}"), "", "proxy"),
        (format!("http://u:p@{addr}"), "other.test", "proxy"),
        (format!("http://{gone}"), "", "connect"),
        (format!("http://{gone}"), "localhost .test", "tls"),
        ("env".to_owned(), "*", "tls"),
    ] {
        bed.client(json!({"proxy": proxy, "no_proxy": no_proxy, "resolve": resolve}));
        assert_eq!(bed.get(&url, json!({}))["error"], error, "{proxy}");
    }
    let none = bed.ask(json!({"op": "client", "proxy": "ftp://proxy.test"}));
    assert_eq!(none["error"], "invalid_request", "{none}");
    bed.end();
}
