//! Caddy and Apache between two of ours: as servers of the client, as upstreams of the reverse proxy, and as proxies in
//! front of the server.
//!
//! Where one is not installed its test is skipped, and says so: `apt-get install caddy apache2`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anthill_http::client::{Client, ClientError, ClientErrorKind, ClientResponse, SendBody, proxy};
use anthill_http::websocket::{CloseCode, WebSocketOptions};
use anthill_http::{RequestCtx, RunningServer, Server};

use crate::real::{Program, free_addr, start};
use crate::script::{LONG, wait_until};
use crate::websockets::{converse, echo, end, options};

const LARGE: usize = 3_000_000;

/// The server behind all of them.
fn backend() -> RunningServer {
    let socket = echo(WebSocketOptions::default());
    let answer = move |ctx: &mut RequestCtx| match ctx.path() {
        "/sized" => ctx.set_body("sized"),
        "/chunked" => ctx.response.set_body_writer(|to| {
            to.write_all(b"one")?;
            to.flush()?;
            std::thread::sleep(Duration::from_millis(20));
            to.write_all(b"two")
        }),
        "/redirect" => ctx.redirect("/sized", 302),
        "/none" => ctx.set_status_code(204),
        "/large" => ctx.set_body(vec![b'x'; LARGE]),
        "/close" => {
            ctx.response.set_connection_close();
            ctx.set_body("closed");
        }
        "/echo" => {
            let body = ctx.request.body().to_vec();
            ctx.set_body(body);
        }
        "/client" => {
            let client = format!("{} {}", ctx.remote_addr().ip(), ctx.host_str().unwrap_or_default());
            ctx.set_body(client);
        }
        "/socket" => socket(ctx),
        _ => ctx.not_found(),
    };
    let options = Server::builder().trusted_proxies(["127.0.0.1"]);
    options.build(answer).expect("options that go together").start("127.0.0.1:0").expect("a free port")
}

/// The body of a response to a request with one, which is sent so often at most. Go before 1.21 may cut off what
/// answers such a request (its issue 40747), and Debian's Caddy is made by such a one.
fn answer(attempts: usize, send: impl Fn() -> Result<ClientResponse, ClientError>) -> Vec<u8> {
    for _ in 1..attempts {
        match send().and_then(|mut response| Ok((response.status_code(), response.read_body()?))) {
            Ok((502, _)) => {}
            Err(error) if error.kind() == ClientErrorKind::ConnectionClosed => {}
            answered => return answered.expect("a response").1,
        }
    }
    send().expect("a response").read_body().expect("a body")
}

/// Everything that passes through whoever listens there, who has so many attempts at a request with a body.
fn converse_through(addr: SocketAddr, attempts: usize) {
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
    assert_eq!(get("/chunked").text().expect("a body"), "onetwo");
    let redirected = get("/redirect");
    let led_to = redirected.uri().map(|uri| uri.path().to_owned());
    assert_eq!((led_to.as_deref(), redirected.conn_requests()), (Some("/sized"), 6));
    drop(redirected);
    let none = get("/none");
    assert_eq!((none.status_code(), none.remaining(), none.conn_requests()), (204, Some(0), 7));
    drop(none);
    assert!(get("/large").read_body().expect("a body") == vec![b'x'; LARGE]);
    let large = vec![b'y'; 300_000];
    let put = || client.put(url("/echo"));
    assert!(answer(attempts, || put().body(large.clone()).send()) == large);
    let waiting = || put().body(large.clone()).expect_continue(LONG / 4).send();
    assert!(answer(attempts, waiting) == large);
    assert!(answer(attempts, || put().send_body(SendBody::new(&large[..])).send()) == large);
    // That one connection ends is nothing for the others.
    for _ in 0..3 {
        assert_eq!(get("/close").text().expect("a body"), "closed");
        assert_eq!(get("/sized").text().expect("a body"), "sized");
    }
    assert_eq!(get("/client").text().expect("a body"), format!("127.0.0.1 {addr}"));
    at_once(&client, addr, attempts);
    client.close_idle_conns();
    wait_until("the end of all connections", || client.stats().open == 0);
}

/// Several ask for several things at once, and each gets its own.
fn at_once(client: &Client, addr: SocketAddr, attempts: usize) {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20 {
                    let said = format!("{thread} {number}").repeat(1 + 500 * (number % 3));
                    let put = || client.put(format!("http://{addr}/echo"));
                    let send = || match number % 2 {
                        0 => put().body(said.clone()).send(),
                        _ => put().send_body(SendBody::new(said.as_bytes())).send(),
                    };
                    assert!(answer(attempts, send) == said.as_bytes(), "{thread} {number}");
                }
            });
        }
    });
}

/// Directly, and with a reverse proxy of ours in front; by the first also with a WebSocket, which a reverse proxy does
/// not pass on.
fn stand_between(program: fn(&Path, SocketAddr) -> Option<Program>, attempts: usize) {
    let (folder, behind) = (tempfile::tempdir().expect("a folder"), backend());
    let Some(program) = program(folder.path(), behind.local_addr()) else { return };
    converse_through(program.addr, attempts);
    let client = Client::builder().timeout(LONG).build().expect("settings with a meaning");
    let wanted = options(|options| options.compression(None));
    let url = format!("ws://{}/socket", program.addr);
    let mut socket = client.websocket(&url).options(&wanted).connect().expect("it is passed on");
    converse(&mut socket);
    socket.close(CloseCode::NORMAL, "enough");
    assert_eq!(end(&mut socket).code(), CloseCode::NORMAL);

    let before = proxy(client, &format!("http://{}", program.addr)).expect("an upstream").preserve_host(true);
    let front = Server::builder().stream_request_body(true).build_handler(before).expect("a server");
    let front = front.start("127.0.0.1:0").expect("a free port");
    converse_through(front.local_addr(), attempts);
}

fn caddy(folder: &Path, behind: SocketAddr) -> Option<Program> {
    let (addr, file, name) = (free_addr(), folder.join("Caddyfile"), folder.display());
    let text = format!(
        "{{\n admin off\n auto_https off\n storage file_system {name}/storage\n}}\n\
         http://:{} {{\n bind 127.0.0.1\n reverse_proxy {behind}\n}}\n",
        addr.port()
    );
    std::fs::write(&file, text).expect("room on the disk");
    start("caddy", &["run", "--adapter", "caddyfile", "--config", &file.display().to_string()], addr)
}

/// In one process.
fn apache(folder: &Path, behind: SocketAddr) -> Option<Program> {
    let (addr, file, name) = (free_addr(), folder.join("apache.conf"), folder.display());
    let modules = ["mpm_event", "authz_core", "proxy", "proxy_http"].map(|name| {
        let file = format!("/usr/lib/apache2/modules/mod_{name}.so");
        format!("<IfModule !{name}_module>\nLoadModule {name}_module {file}\n</IfModule>\n")
    });
    let text = format!(
        "ServerRoot {name}\nServerName proxy\nPidFile {name}/pid\nErrorLog {name}/errors\nMutex pthread\n\
         DefaultRuntimeDir {name}\nListen {addr}\nMaxKeepAliveRequests 0\n{}\
         <IfModule unixd_module>\nUser #65534\nGroup #65534\n</IfModule>\nProxyPreserveHost On\n\
         ProxyPass /socket http://{behind}/socket upgrade=websocket\nProxyPass / http://{behind}/\n",
        modules.concat()
    );
    std::fs::write(&file, text).expect("room on the disk");
    start("apache2", &["-X", "-f", &file.display().to_string()], addr)
}

#[test]
fn cli_11_caddy_between_a_client_and_a_server() {
    stand_between(caddy, 5);
}

#[test]
fn cli_11_apache_between_a_client_and_a_server() {
    stand_between(apache, 1);
}
