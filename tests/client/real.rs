//! Servers and proxies that others have written: nginx by TLS; HAProxy, Node, Python and Go; tinyproxy, squid,
//! microsocks and dante.
//!
//! Where one is not installed its test is skipped, and says so: `apt-get install nginx haproxy nodejs python3 tinyproxy
//! squid microsocks dante-server`.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anthill_http::client::{Client, ClientErrorKind, HostClient, Proxy, SendBody};
use anthill_tests::processes::nginx_temporary;
use anthill_tests::server::skip;
use anthill_tests::tls::Authority;

use crate::https::{believing, built, serving_as};
use crate::script::{LONG, wait_until};

/// A program that listens; killed with this.
pub(crate) struct Program {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Starts it and waits until it listens; `None`: it is not installed.
pub(crate) fn start(name: &str, arguments: &[&str], addr: SocketAddr) -> Option<Program> {
    let started = Command::new(name)
        .args(arguments)
        .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        skip(&format!("{name} is not installed"));
        return None;
    };
    let program = Program { child, addr };
    wait_until(name, || TcpStream::connect(addr).is_ok());
    Some(program)
}

fn tinyproxy(folder: &Path) -> Option<Program> {
    let (addr, file) = (free_addr(), folder.join("tinyproxy.conf"));
    let port = addr.port();
    let text = format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nBasicAuth me secret\n");
    std::fs::write(&file, text).expect("room on the disk");
    start("tinyproxy", &["-d", "-c", &file.display().to_string()], addr)
}

/// Its helpers run as another user, who has to find the files.
#[cfg(unix)]
fn squid(folder: &Path) -> Option<Program> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).expect("a folder of ours");
    let (addr, file, name) = (free_addr(), folder.join("squid.conf"), folder.display());
    let login = "while read line; do [ \"$line\" = \"me secret\" ] && echo OK || echo ERR; done\n";
    std::fs::write(folder.join("login.sh"), login).expect("room on the disk");
    let text = format!(
        "http_port {addr}\nvisible_hostname test\npid_filename none\ncache deny all\naccess_log none\n\
         cache_log {name}/squid.log\ncoredump_dir {name}\nshutdown_lifetime 0 seconds\npinger_enable off\n\
         auth_param basic program /bin/sh {name}/login.sh\nauth_param basic children 1 startup=1\n\
         acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n"
    );
    std::fs::write(&file, text).expect("room on the disk");
    start("squid", &["-N", "-f", &file.display().to_string()], addr)
}

/// Its users are those of the system, so here everybody may use it.
fn dante(folder: &Path) -> Option<Program> {
    let (addr, file) = (free_addr(), folder.join("danted.conf"));
    let (port, name) = (addr.port(), folder.display());
    let text = format!(
        "logoutput: {name}/danted.log\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n\
         clientmethod: none\nsocksmethod: none\n\
         client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\nsocks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n"
    );
    std::fs::write(&file, text).expect("room on the disk");
    let pid = folder.join("danted.pid");
    start("danted", &["-f", &file.display().to_string(), "-p", &pid.display().to_string()], addr)
}

fn microsocks() -> Option<Program> {
    let addr = free_addr();
    let port = addr.port().to_string();
    start("microsocks", &["-i", "127.0.0.1", "-p", &port, "-u", "me", "-P", "secret"], addr)
}

fn nginx(folder: &Path, authority: &Authority, protocols: &str) -> Option<Program> {
    let (certificate, key) = authority.issue(&["nginx.test"]).write(folder, "site");
    std::fs::write(folder.join("large"), "0123456789".repeat(100_000)).expect("room on the disk");
    let (addr, name, temporary) = (free_addr(), folder.display(), nginx_temporary(folder));
    let text = format!(
        "daemon off; master_process off; pid {name}/pid; error_log {name}/errors;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            {temporary}
            server {{
                listen {addr} ssl;
                ssl_certificate {};
                ssl_certificate_key {};
                ssl_protocols {protocols};
                root {name};
                location /said {{ return 200 \"$ssl_server_name $ssl_protocol $ssl_session_reused\"; }}
                location /last {{ keepalive_timeout 0; return 200 last; }}
            }}
        }}",
        certificate.display(),
        key.display(),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).expect("room on the disk");
    start("nginx", &["-c", &file.display().to_string(), "-p", &folder.display().to_string()], addr)
}

#[cfg(unix)]
#[test]
fn cli_08_nginx_by_both_versions() {
    let authority = Authority::new("ours");
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(nginx) = nginx(folder.path(), &authority, protocols) else { return };
        let client = HostClient::builder(nginx.addr.to_string())
            .tls(built(believing(&authority).server_name("nginx.test")))
            .timeout(LONG)
            .build()
            .expect("an address");
        let ask = |path: &str| client.send(&crate::script::get(path)).expect("a response");
        assert_eq!(ask("/said").text().expect("a body"), format!("nginx.test {protocols} ."));
        let mut part = crate::script::get("/large");
        part.set_header("Range", "bytes=5-14");
        let mut part = client.send(&part).expect("a response");
        assert_eq!((part.status_code(), part.text().expect("a body").as_str()), (206, "5678901234"));
        for number in 3..5 {
            let mut response = ask("/large");
            assert_eq!((response.conn_requests(), response.status_code()), (number, 200));
            assert_eq!(response.read_body().expect("a body").len(), 1_000_000);
        }
        assert_eq!(ask("/last").text().expect("a body"), "last");
        wait_until("the end of the connection", || client.stats().open == 0);
        assert_eq!(ask("/said").text().expect("a body"), format!("nginx.test {protocols} r"));
    }
}

/// Goes by a proxy that lets in whoever has this login, and nobody else if that `is_asked`.
fn go_by(scheme: &str, program: &Program, authority: &Authority, is_asked: bool) {
    let https = serving_as(&authority.issue(&["localhost"]));
    let http = anthill_http::Server::new(|ctx| {
        let body = ctx.request.body().to_vec();
        ctx.set_body(if body.is_empty() { b"plain".to_vec() } else { body });
    });
    let http = http.expect("options").start("127.0.0.1:0").expect("a free port");
    let dead = free_addr();
    let client = |login: &str| {
        let proxy = Proxy::new(&format!("{scheme}://{login}{}", program.addr)).expect("a proxy");
        let builder = Client::builder().proxy(proxy).tls(built(believing(authority))).timeout(LONG);
        builder.build().expect("settings with a meaning")
    };
    let known = client(if is_asked { "me:secret@" } else { "" });
    let url = |scheme: &str, addr: SocketAddr| format!("{scheme}://localhost:{}/", addr.port());
    for _ in 0..2 {
        let mut response = known.get(url("http", http.local_addr())).send().expect("a response");
        assert_eq!(response.text().expect("a body"), "plain");
        let body = SendBody::new(std::io::repeat(b'x').take(100_000));
        let sent = known.put(url("http", http.local_addr())).send_body(body).send();
        assert_eq!(sent.expect("a response").read_body().expect("a body").len(), 100_000);
    }
    for number in 1..3 {
        let mut response = known.get(url("https", https.local_addr())).send().expect("a response");
        assert_eq!((response.conn_requests(), response.remote_addr()), (number, program.addr));
        assert!(response.text().expect("a body").starts_with("localhost http/1.1"));
    }
    let kind = |outcome: Result<_, anthill_http::client::ClientError>| {
        outcome.map(drop).expect_err("it does not get through").kind()
    };
    assert_eq!(kind(known.get(url("https", dead)).send()), ClientErrorKind::Proxy, "{scheme}");
    if is_asked {
        let stranger = client("me:wrong@");
        let call = stranger.get(url("https", https.local_addr()));
        assert_eq!(kind(call.send()), ClientErrorKind::Proxy, "{scheme}");
        assert_eq!(stranger.stats().open, 0);
    }
    if scheme == "http" {
        // What is asked by plain HTTP is answered by the proxy itself, by some with 401.
        let response = client("me:wrong@").get(url("http", http.local_addr())).send().expect("a response");
        assert!(matches!(response.status_code(), 401 | 407), "{response:?}");
    }
}

#[cfg(unix)]
#[test]
fn prx_01_tinyproxy_and_squid() {
    let authority = Authority::new("ours");
    for make in [tinyproxy, squid] {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(program) = make(folder.path()) {
            go_by("http", &program, &authority, true);
        }
    }
}

#[test]
fn prx_01_microsocks_and_dante() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    for scheme in ["socks5h", "socks5"] {
        if let Some(program) = microsocks() {
            go_by(scheme, &program, &authority, true);
        }
        if let Some(program) = dante(folder.path()) {
            go_by(scheme, &program, &authority, false);
        }
    }
}

/// What each of the servers below does. `knows_chunks`: it reads bodies of unknown length.
fn converse_with(addr: SocketAddr, knows_chunks: bool) {
    let client = Client::builder().timeout(LONG).build().expect("settings with a meaning");
    let url = |path: &str| format!("http://{addr}{path}");
    let get = |path: &str| client.get(url(path)).send().expect("a response");
    for number in 1..3 {
        let mut response = get("/sized");
        assert_eq!((response.conn_requests(), response.remaining()), (number, Some(5)));
        assert_eq!(response.text().expect("a body"), "sized");
    }
    let head = client.head(url("/sized")).send().expect("a response");
    assert_eq!((head.header_str("Content-Length"), head.conn_requests()), (Some("5"), 3));
    drop(head);
    // In two pieces, between which time passes.
    assert_eq!(get("/chunked").text().expect("a body"), "onetwo");
    let redirected = get("/redirect");
    assert_eq!(
        (redirected.uri().map(|uri| uri.path().to_owned()), redirected.conn_requests()),
        (Some("/sized".to_owned()), 6)
    );
    drop(redirected);
    let large = vec![b'x'; 300_000];
    let mut sent = client.put(url("/echo")).body(large.clone()).send().expect("a response");
    assert!(sent.read_body().expect("a body") == large);
    if knows_chunks {
        let body = SendBody::new(&large[..]);
        let mut sent = client.put(url("/echo")).send_body(body).send().expect("a response");
        assert!(sent.read_body().expect("a body") == large);
    }
    assert_eq!(get("/close").text().expect("a body"), "closed");
    wait_until("the end of the connection", || client.stats().open == 0);
    assert_eq!(get("/sized").conn_requests(), 1);
}

/// Starts a script that is told its port by its last argument.
fn script(program: &str, file: &str, text: &str, converse: impl FnOnce(SocketAddr)) {
    let folder = tempfile::tempdir().expect("a folder");
    let (place, addr) = (folder.path().join(file), free_addr());
    std::fs::write(&place, text).expect("room on the disk");
    let port = addr.port().to_string();
    if let Some(program) = start(program, &[&place.display().to_string(), &port], addr) {
        converse(program.addr);
    }
}

const NODE: &str = r#"
const port = process.argv[process.argv.length - 1]
require('http').createServer((asked, said) => {
  switch (asked.url) {
    case '/sized': said.setHeader('Content-Length', 5); return said.end('sized')
    case '/chunked': said.write('one'); return setTimeout(() => said.end('two'), 20)
    case '/redirect': said.writeHead(302, { Location: '/sized', 'Content-Length': 0 }); return said.end()
    case '/echo': return asked.pipe(said)
    default: said.setHeader('Connection', 'close'); return said.end('closed')
  }
}).listen(port, '127.0.0.1')
"#;

#[test]
fn cli_11_a_server_by_node() {
    script("node", "server.js", NODE, |addr| converse_with(addr, true));
}

const PYTHON: &str = r#"
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *_): pass
    def answer(self, status, fields, body=b''):
        self.send_response(status)
        for name, value in fields: self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    def do_GET(self):
        if self.path == '/sized': self.answer(200, [('Content-Length', '5')], b'sized')
        elif self.path == '/redirect': self.answer(302, [('Location', '/sized'), ('Content-Length', '0')])
        elif self.path == '/chunked':
            self.answer(200, [('Transfer-Encoding', 'chunked')], b'3\r\none\r\n')
            time.sleep(0.02)
            self.wfile.write(b'3\r\ntwo\r\n0\r\n\r\n')
        else:
            self.answer(200, [('Connection', 'close'), ('Content-Length', '6')], b'closed')
            self.close_connection = True
    do_HEAD = do_GET
    def do_PUT(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.answer(200, [('Content-Length', str(len(body)))], body)
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[-1])), Handler).serve_forever()
"#;

#[test]
fn cli_11_a_server_by_python() {
    script("python3", "server.py", PYTHON, |addr| converse_with(addr, false));
}

const GO: &str = r#"
package main

import ("io"; "net/http"; "os"; "time")

func main() {
	http.HandleFunc("/sized", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "sized") })
	http.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "one"); w.(http.Flusher).Flush(); time.Sleep(20 * time.Millisecond); io.WriteString(w, "two")
	})
	http.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/sized"); w.WriteHeader(302)
	})
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { b, _ := io.ReadAll(r.Body); w.Write(b) })
	http.HandleFunc("/close", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close"); io.WriteString(w, "closed")
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[len(os.Args)-1], nil)
}
"#;

#[test]
#[ignore = "takes the time of Go's compiler"]
fn cli_11_a_server_by_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program, addr) =
        (folder.path().join("server.go"), folder.path().join("server"), free_addr());
    std::fs::write(&source, GO).expect("room on the disk");
    let mut build = Command::new("go");
    build.env("CGO_ENABLED", "0").current_dir(folder.path()).arg("build").arg("-o").args([&program, &source]);
    if !build.status().is_ok_and(|status| status.success()) {
        return skip("there is no Go that can build it");
    }
    let port = addr.port().to_string();
    let program = start(&program.display().to_string(), &[&port], addr).expect("it was built");
    converse_with(program.addr, true);
}

#[cfg(unix)]
#[test]
fn cli_08_haproxy_before_a_server() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().display();
    let identity = authority.issue(&["haproxy.test"]);
    let both = format!("{}{}", identity.certificate, identity.key);
    std::fs::write(folder.path().join("both.pem"), both).expect("room on the disk");
    let behind = anthill_http::Server::new(|ctx| {
        let body = ctx.request.body().to_vec();
        ctx.set_body(if body.is_empty() { b"behind".to_vec() } else { body });
    });
    let behind = behind.expect("options").start("127.0.0.1:0").expect("a free port");
    let (addr, server) = (free_addr(), behind.local_addr());
    let text = format!(
        "defaults\n mode http\n timeout client 30s\n timeout server 30s\n timeout connect 5s\n\
         frontend f\n bind {addr} ssl crt {name}/both.pem alpn h2,http/1.1\n default_backend b\n\
         backend b\n server s {server}\n"
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, text).expect("room on the disk");
    let Some(haproxy) = start("haproxy", &["-db", "-f", &file.display().to_string()], addr) else { return };
    let client = HostClient::builder(haproxy.addr.to_string())
        .tls(built(believing(&authority).server_name("haproxy.test")))
        .timeout(LONG)
        .build()
        .expect("an address");
    for number in 1..4 {
        let mut response = client.send(&crate::script::get("/")).expect("a response");
        assert_eq!((response.conn_requests(), response.status_code()), (2 * number - 1, 200));
        assert_eq!(response.text().expect("a body"), "behind");
        let mut request = anthill_http::Request::new("PUT", "/").expect("a request");
        request.set_body_vec(vec![b'x'; 500_000]);
        let body = client.send(&request).expect("a response").read_body().expect("a body");
        assert_eq!(body.len(), 500_000);
    }
}
