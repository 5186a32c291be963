//! Servers and proxies that others have written: nginx by TLS, tinyproxy, microsocks.
//!
//! Where one is not installed its test is skipped, and says so: `apt-get install nginx tinyproxy microsocks`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anthill_http::client::{Client, ClientErrorKind, HostClient, Proxy};
use anthill_tests::server::skip;
use anthill_tests::tls::Authority;

use crate::https::{believing, built, serving_as};
use crate::script::{LONG, wait_until};

/// A program that listens; killed with this.
struct Program {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Starts it and waits until it listens; `None`: it is not installed.
fn start(name: &str, arguments: &[&str], addr: SocketAddr) -> Option<Program> {
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

fn microsocks() -> Option<Program> {
    let addr = free_addr();
    let port = addr.port().to_string();
    start("microsocks", &["-i", "127.0.0.1", "-p", &port, "-u", "me", "-P", "secret"], addr)
}

fn nginx(folder: &Path, authority: &Authority, protocols: &str) -> Option<Program> {
    let (certificate, key) = authority.issue(&["nginx.test"]).write(folder, "site");
    std::fs::write(folder.join("large"), "0123456789".repeat(100_000)).expect("room on the disk");
    let (addr, name) = (free_addr(), folder.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {name}/{kind};\n"))
        .collect();
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
        for number in 2..4 {
            let mut response = ask("/large");
            assert_eq!((response.conn_requests(), response.status_code()), (number, 200));
            assert_eq!(response.read_body().expect("a body").len(), 1_000_000);
        }
        assert_eq!(ask("/last").text().expect("a body"), "last");
        wait_until("the end of the connection", || client.stats().open == 0);
        assert_eq!(ask("/said").text().expect("a body"), format!("nginx.test {protocols} r"));
    }
}

#[cfg(unix)]
#[test]
fn prx_01_tinyproxy_and_microsocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("ours");
    let https = serving_as(&authority.issue(&["localhost"]));
    let http = anthill_http::Server::new(|ctx| ctx.set_body("plain")).expect("options");
    let http = http.start("127.0.0.1:0").expect("a free port");
    let dead = free_addr();
    for (scheme, program) in [("http", tinyproxy(folder.path())), ("socks5h", microsocks())] {
        let Some(program) = program else { continue };
        let client = |login: &str| {
            let proxy = Proxy::new(&format!("{scheme}://{login}@{}", program.addr)).expect("a proxy");
            let builder = Client::builder().proxy(proxy).tls(built(believing(&authority))).timeout(LONG);
            builder.build().expect("settings with a meaning")
        };
        let known = client("me:secret");
        let url = |scheme: &str, addr: SocketAddr| format!("{scheme}://localhost:{}/", addr.port());
        for _ in 0..2 {
            let mut response = known.get(url("http", http.local_addr())).send().expect("a response");
            assert_eq!(response.text().expect("a body"), "plain");
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
        let stranger = client("me:wrong");
        let call = stranger.get(url("https", https.local_addr()));
        assert_eq!(kind(call.send()), ClientErrorKind::Proxy, "{scheme}");
        assert_eq!(stranger.stats().open, 0);
    }
}
