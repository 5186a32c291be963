//! nginx, HAProxy, Caddy and Apache in front of two servers that are replaced one after the other, under load: no
//! request fails.
//!
//! What they are promised: a server that is to end says so to whoever asks for its readiness, before anything else
//! changes; what it has begun to read it answers; and its responses say that their connection ends. HAProxy and Apache
//! ask, so nothing is lost, whatever is sent. nginx does not ask: it finds a server gone, and tries the other one,
//! which it does for GET alone. Caddy does both.
//!
//! Where one of them is not installed its tests are skipped, and say so: `apt-get install nginx haproxy caddy apache2`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anthill_tests::client::{Client, SOCKET_LIMIT, get, post};
use anthill_tests::examples::Example;
use anthill_tests::processes::nginx_temporary;
use anthill_tests::server::skip;
use anthill_tests::{Background, background, eventually};
use socket2::{Domain, Socket, Type};

/// Longer than HAProxy takes to ask ten times.
const DELAY_MS: &str = "1000";
const CLIENTS: usize = 6;
/// So many requests of a server's show that it is in use.
const SOME: u64 = 100;

/// How a proxy reaches the servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Tcp,
    Unix,
}

/// How HAProxy says who the client is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// By `X-Forwarded-For`.
    Field,
    /// By the PROXY protocol, of version 1 or 2.
    ProxyV1,
    ProxyV2,
}

/// A proxy that runs; killed with this.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where one of the two servers is, which is the same when it has been replaced.
struct Place {
    name: &'static str,
    way: Way,
    /// The testbed's, besides those that all have.
    options: &'static [&'static str],
    port: u16,
    path: PathBuf,
}

impl Place {
    fn start(&self) -> Example {
        let address = format!("127.0.0.1:{}", self.port);
        let path = self.path.to_str().expect("text");
        let place = match self.way {
            Way::Tcp => ["--addr", &address],
            Way::Unix => ["--unix", path],
        };
        let options = ["--name", self.name, "--shutdown-delay-ms", DELAY_MS];
        let trusts = ["--trusted-proxies", "127.0.0.1,unix"];
        Example::launch("testbed", &[&place[..], &options, &trusts, self.options].concat(), &[]).listening()
    }
}

pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("it listens").port()
}

fn places(folder: &Path, way: Way, options: &'static [&'static str]) -> [Place; 2] {
    ["a", "b"].map(|name| Place { name, way, options, port: free_port(), path: folder.join(name) })
}

/// Starts a proxy and waits until it answers; `None` when it is not installed.
pub(crate) fn start_proxy(program: &str, arguments: &[&str], port: u16) -> Option<Proxy> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        skip(&format!("there is no {program} here"));
        return None;
    };
    let mut proxy = Proxy { child, address: (Ipv4Addr::LOCALHOST, port).into() };
    eventually("the proxy answers", || {
        let ended = proxy.child.try_wait().expect("our child");
        assert_eq!(ended, None, "{program} has ended");
        let Ok(stream) = TcpStream::connect(proxy.address) else { return false };
        stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let mut client = Client::over(stream);
        client.try_send(get("/")).is_ok() && client.try_response().is_ok_and(|reply| reply.status == 200)
    });
    Some(proxy)
}

fn nginx(folder: &Path, places: &[Place; 2]) -> Option<Proxy> {
    let (port, folder_name) = (free_port(), folder.display());
    let servers = places.iter().map(|place| match place.way {
        Way::Tcp => format!("server 127.0.0.1:{} max_fails=0;", place.port),
        Way::Unix => format!("server unix:{} max_fails=0;", place.path.display()),
    });
    let servers: String = servers.collect();
    let temporary = nginx_temporary(folder);
    let text = format!(
        "daemon off; user root; worker_processes 1; pid {folder_name}/pid; error_log {folder_name}/errors;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            {temporary}
            keepalive_requests 10000000;
            upstream servers {{ {servers} keepalive 16; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://servers;
                    proxy_http_version 1.1;
                    proxy_pass_header Server;
                    proxy_set_header Connection \"\";
                    proxy_set_header X-Forwarded-For $remote_addr;
                }}
            }}
        }}"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).expect("a file");
    let (folder, file) = (folder.to_str().expect("text"), file.to_str().expect("text"));
    start_proxy("nginx", &["-p", folder, "-c", file, "-e", "stderr"], port)
}

fn haproxy(folder: &Path, places: &[Place; 2], told: Told) -> Option<Proxy> {
    let (forwards, options) = match told {
        Told::Field => ("option forwardfor", ""),
        Told::ProxyV1 => ("", "send-proxy check-send-proxy"),
        Told::ProxyV2 => ("", "send-proxy-v2 check-send-proxy"),
    };
    let port = free_port();
    let servers = places.iter().map(|place| match place.way {
        Way::Tcp => format!("server {} 127.0.0.1:{}\n", place.name, place.port),
        Way::Unix => format!("server {} unix@{}\n", place.name, place.path.display()),
    });
    let servers: String = servers.collect();
    let text = format!(
        "defaults
            mode http
            timeout connect 2s
            timeout client 30s
            timeout server 30s
        frontend clients
            bind 127.0.0.1:{port}
            default_backend servers
        backend servers
            balance roundrobin
            {forwards}
            option httpchk GET /readyz
            http-check send ver HTTP/1.1 hdr Host checks
            default-server check inter 100ms fall 1 rise 1 {options}
            {servers}"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text).expect("a file");
    start_proxy("haproxy", &["-db", "-f", file.to_str().expect("text")], port)
}

fn caddy(folder: &Path, places: &[Place; 2]) -> Option<Proxy> {
    let (port, name) = (free_port(), folder.display());
    let servers = places.iter().map(|place| match place.way {
        Way::Tcp => format!("127.0.0.1:{} ", place.port),
        Way::Unix => format!("unix/{} ", place.path.display()),
    });
    let servers: String = servers.collect();
    let text = format!(
        "{{
            admin off
            auto_https off
            storage file_system {name}/storage
        }}
        http://:{port} {{
            bind 127.0.0.1
            reverse_proxy {servers} {{
                lb_policy round_robin
                lb_try_duration 5s
                lb_try_interval 20ms
                health_uri /readyz
                health_interval 100ms
            }}
        }}"
    );
    let file = folder.join("Caddyfile");
    fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("text");
    start_proxy("caddy", &["run", "--adapter", "caddyfile", "--config", file], port)
}

/// In one process. What it asks by is another user's, who does not get at sockets in a folder of ours.
fn apache(folder: &Path, places: &[Place; 2]) -> Option<Proxy> {
    let (port, name) = (free_port(), folder.display());
    let modules = [
        "mpm_event",
        "authz_core",
        "proxy",
        "proxy_http",
        "proxy_balancer",
        "slotmem_shm",
        "lbmethod_byrequests",
        "watchdog",
        "proxy_hcheck",
    ];
    let modules = modules.map(|name| {
        let file = format!("{APACHE_MODULES}/mod_{name}.so");
        // Some are compiled in.
        format!("<IfModule !{name}_module>\nLoadModule {name}_module {file}\n</IfModule>\n")
    });
    let members = places.each_ref().map(|place| {
        let check = "hcmethod=GET hcuri=/readyz hcinterval=150ms hcfails=1 hcpasses=1";
        format!("BalancerMember http://127.0.0.1:{} retry=0 {check}\n", place.port)
    });
    let text = format!(
        "ServerRoot {name}\nServerName proxy\nPidFile {name}/pid\nErrorLog {name}/errors\nMutex pthread\n\
         DefaultRuntimeDir {name}\nListen 127.0.0.1:{port}\nMaxKeepAliveRequests 0\n{}\
         <IfModule unixd_module>\nUser #65534\nGroup #65534\n</IfModule>\n\
         <Proxy balancer://servers>\n{}</Proxy>\nProxyPass / balancer://servers/\n",
        modules.concat(),
        members.concat()
    );
    let file = folder.join("apache.conf");
    fs::write(&file, text).expect("a file");
    start_proxy("apache2", &["-X", "-f", file.to_str().expect("text")], port)
}

/// Where Debian has them.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// What all clients together have seen.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    answers: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    /// How many requests that server has answered.
    fn answers(&self, server: &str) -> u64 {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(server).copied().unwrap_or(0)
    }

    /// Waits until that server has answered some more.
    fn wait_for(&self, server: &str) {
        let before = self.answers(server);
        eventually("the server is in use", || self.answers(server) >= before + SOME);
    }
}

/// A client that asks until all is over. The rule: every request is answered, and rightly; between two responses a
/// connection ends only where the response before has said so.
fn client(address: SocketAddr, posts: bool, seen: &Arc<Seen>) -> Background<u64> {
    let seen = seen.clone();
    background(move || {
        let (mut client, mut count) = (Client::connect(address), 0);
        while !seen.is_over.load(Ordering::Relaxed) {
            let body = format!("body {count}");
            let (request, expected) = match count % 4 {
                0 => (get("/"), "Hello, World!".to_owned()),
                1 => (get("/sleep?ms=3"), "3".to_owned()),
                2 if posts => (post("/echo", &body), body),
                _ => (get("/bytes?n=20000"), "x".repeat(20_000)),
            };
            let reply = client.exchange(request);
            assert_eq!((reply.status, reply.text()), (200, &*expected), "request {count}");
            // Of some the first is the proxy's own.
            let mut servers = reply.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Server"));
            let (_, server) = servers.next_back().expect("a name").clone();
            *seen.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(server).or_default() += 1;
            if reply.closes() {
                client = Client::connect(address);
            }
            count += 1;
        }
        count
    })
}

/// Replaces both servers, one after the other, while clients ask.
fn replace_both(proxy: &Proxy, places: &[Place; 2], running: [Example; 2], posts: bool) {
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..CLIENTS).map(|_| client(proxy.address, posts, &seen)).collect();
    places.iter().for_each(|place| seen.wait_for(place.name));
    let mut replaced = Vec::new();
    for (place, old) in places.iter().zip(running) {
        old.end();
        let other = places.iter().find(|other| other.name != place.name).expect("there are two");
        // Alone.
        seen.wait_for(other.name);
        replaced.push(place.start());
        seen.wait_for(place.name);
    }
    seen.is_over.store(true, Ordering::Relaxed);
    let asked: u64 = clients.into_iter().map(|client| client.outcome("a client")).sum();
    let answered: u64 = places.iter().map(|place| seen.answers(place.name)).sum();
    assert_eq!(asked, answered);
    replaced.into_iter().for_each(|server| drop(server.end()));
}

/// A connection of a client that is not the proxy.
fn from_elsewhere(proxy: &Proxy) -> (Client, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).expect("an address of this machine");
    socket.connect(&proxy.address.into()).expect("somebody listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    let address = stream.local_addr().expect("it is connected");
    (Client::over(stream), address)
}

/// What the servers take for the client's address.
fn remote(client: &mut Client) -> SocketAddr {
    let info = client.get("/info");
    let line = info.text().lines().find_map(|line| line.strip_prefix("remote=")).expect("a line");
    line.parse().expect("an address")
}

fn through_nginx(way: Way) {
    let folder = tempfile::tempdir().expect("a folder");
    let places = places(folder.path(), way, &[]);
    let running = [places[0].start(), places[1].start()];
    let Some(proxy) = nginx(folder.path(), &places) else { return };
    let (mut client, own) = from_elsewhere(&proxy);
    assert_eq!(remote(&mut client).ip(), own.ip());
    replace_both(&proxy, &places, running, false);
}

fn through_haproxy(way: Way, told: Told) {
    let folder = tempfile::tempdir().expect("a folder");
    let options: &[&str] = if told == Told::Field { &[] } else { &["--proxy-protocol"] };
    let places = places(folder.path(), way, options);
    let running = [places[0].start(), places[1].start()];
    let Some(proxy) = haproxy(folder.path(), &places, told) else { return };
    let (mut client, own) = from_elsewhere(&proxy);
    let seen = remote(&mut client);
    // The field has no port.
    let expected = if told == Told::Field { SocketAddr::new(own.ip(), seen.port()) } else { own };
    assert_eq!(seen, expected);
    replace_both(&proxy, &places, running, true);
}

#[test]
fn nginx_loses_no_request_over_tcp() {
    through_nginx(Way::Tcp);
}

#[test]
fn nginx_loses_no_request_over_unix_sockets() {
    through_nginx(Way::Unix);
}

#[test]
fn haproxy_loses_no_request_over_tcp() {
    through_haproxy(Way::Tcp, Told::Field);
}

#[test]
fn haproxy_loses_no_request_over_unix_sockets() {
    through_haproxy(Way::Unix, Told::Field);
}

#[test]
fn haproxy_loses_no_request_by_the_proxy_protocol() {
    for told in [Told::ProxyV1, Told::ProxyV2] {
        through_haproxy(Way::Tcp, told);
    }
}

#[test]
fn haproxy_loses_no_request_by_the_proxy_protocol_over_unix_sockets() {
    through_haproxy(Way::Unix, Told::ProxyV2);
}

/// By Caddy or Apache.
fn through(proxy: fn(&Path, &[Place; 2]) -> Option<Proxy>, way: Way, posts: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let places = places(folder.path(), way, &[]);
    let running = [places[0].start(), places[1].start()];
    let Some(proxy) = proxy(folder.path(), &places) else { return };
    let (mut client, own) = from_elsewhere(&proxy);
    assert_eq!(remote(&mut client).ip(), own.ip());
    replace_both(&proxy, &places, running, posts);
}

/// Go before 1.21 may cut off what answers a request with a body (its issue 40747), and Debian's Caddy is made by such
/// a one, so its clients send none.
#[test]
fn caddy_loses_no_request_over_tcp() {
    through(caddy, Way::Tcp, false);
}

#[test]
fn caddy_loses_no_request_over_unix_sockets() {
    through(caddy, Way::Unix, false);
}

#[test]
fn apache_loses_no_request_over_tcp() {
    through(apache, Way::Tcp, true);
}
