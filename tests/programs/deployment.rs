//! The files of the guide's page on deployment, tried with the programs that they are for. Where one of those is not
//! installed its test is skipped, and says so: `apt-get install nginx haproxy systemd python3-yaml`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anthill_tests::client::Client;
use anthill_tests::examples::{Example, program};
use anthill_tests::processes::nginx_temporary;
use anthill_tests::server::skip;
use anthill_tests::sockets::handshake;
use tempfile::TempDir;

use crate::proxies::{Proxy, free_port, start_proxy};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/docs/deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text with something else in place of what has to be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "no {old:?} in it");
    text.replace(old, new)
}

/// nginx with the site before an example, in a folder that has to last as long; `None` when it is not installed.
fn site_of_nginx(example: &Example) -> Option<(Proxy, TempDir)> {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let place = folder.path().display().to_string();
    let site = with(&file("nginx.conf"), "server 127.0.0.1:8080;", &format!("server {};", example.address()));
    let site = with(&site, "listen 80;", &format!("listen 127.0.0.1:{port};"));
    let temporary = nginx_temporary(folder.path());
    let text = format!(
        "daemon off; user root; pid {place}/pid; error_log {place}/errors; events {{}}
        http {{ access_log off; {temporary} {site} }}"
    );
    let main = folder.path().join("main.conf");
    fs::write(&main, text).expect("a file");
    let arguments = ["-p", &place, "-c", main.to_str().expect("text"), "-e", "stderr"];
    let proxy = start_proxy("nginx", &arguments, port)?;
    Some((proxy, folder))
}

#[test]
fn the_site_of_nginx_tells_the_server_who_asks() {
    let example = Example::start("behind-proxy", &[("DELAY_MS", "0")]);
    let Some((proxy, _folder)) = site_of_nginx(&example) else { return };
    let mut client = Client::connect(proxy.address);
    let request = "GET /a HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    // The client's own word comes before that of nginx, which is on this machine, as the client is.
    assert_eq!(client.exchange(request).text(), "6.6.6.6 asked for http://shop.example/a\n");
    assert_eq!(client.exchange(request).text(), "6.6.6.6 asked for http://shop.example/a\n");
    // The host comes with its port, which origins are compared with.
    let with_port = request.replace("shop.example", "shop.example:8443");
    assert_eq!(client.exchange(with_port).text(), "6.6.6.6 asked for http://shop.example:8443/a\n");
    drop(proxy);
    example.end();
}

#[test]
fn the_site_of_nginx_lets_pages_of_the_same_host_open_websockets() {
    let example = Example::start("websocket-echo", &[]);
    let Some((proxy, _folder)) = site_of_nginx(&example) else { return };
    assert_ne!(proxy.address.port(), 80, "the scheme's own would not show whether it is passed on");
    let status_for = |page: &str| {
        let asked = handshake("/echo", &format!("Origin: {page}\r\n"));
        let asked = asked.replace("Host: h\r\n", &format!("Host: {}\r\n", proxy.address));
        Client::connect(proxy.address).exchange(asked).status
    };
    assert_eq!(status_for(&format!("http://{}", proxy.address)), 101);
    assert_eq!(status_for("http://elsewhere.example"), 403);
    assert_eq!(status_for(&format!("http://{}", proxy.address.ip())), 403, "another port is another host");
    drop(proxy);
    example.end();
}

#[test]
fn haproxy_takes_out_a_server_that_is_to_end() {
    let servers = [(); 2].map(|()| Example::start("behind-proxy", &[("DELAY_MS", "10000")]));
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let text = with(&file("haproxy.cfg"), "bind :80", &format!("bind 127.0.0.1:{port}"));
    let text = with(&text, "127.0.0.1:8080", &servers[0].address().to_string());
    let text = with(&text, "127.0.0.1:8081", &servers[1].address().to_string());
    let text = with(&text, "inter 1s", "inter 100ms");
    let text = with(&text, "maxconn 20000", "maxconn 100"); // which takes twice as many descriptors
    let path = folder.path().join("haproxy.cfg");
    fs::write(&path, text).expect("a file");
    let Some(proxy) = start_proxy("haproxy", &["-db", "-f", path.to_str().expect("text")], port) else {
        return;
    };

    let ask = || Client::connect(proxy.address).get("/readyz").status;
    assert_eq!(ask(), 200);
    servers[0].signal("TERM");
    // Whoever is sent to it until it is taken out is served. Behind that nobody hears of its end.
    let mut in_a_row = 0;
    anthill_tests::eventually("it is taken out", || {
        in_a_row = if ask() == 200 { in_a_row + 1 } else { 0 };
        in_a_row >= 20
    });
    assert_eq!(Client::connect(servers[0].address()).get("/readyz").status, 503, "it still serves");
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = program("hello");
    let service = with(&file("shop.service"), "/usr/local/bin/shop", hello.to_str().expect("text"));
    let units = [("shop.service", service), ("shop.socket", file("shop.socket"))].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    });
    let Ok(output) = Command::new("systemd-analyze").arg("verify").args(&units).output() else {
        return skip("there is no systemd-analyze here");
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("shop.")).collect();
    assert!(output.status.success() && ours.is_empty(), "{complaints}");
}

#[test]
fn the_manifests_of_kubernetes_agree_with_themselves() {
    const CHECK: &str = "
import sys, yaml
deployment, service = yaml.safe_load_all(sys.stdin)
pod = deployment['spec']['template']
container, = pod['spec']['containers']
assert service['spec']['selector'] == pod['metadata']['labels'] == deployment['spec']['selector']['matchLabels']
ports = {port['name'] for port in container['ports']}
probes = [container[kind + 'Probe']['httpGet'] for kind in ('startup', 'readiness', 'liveness')]
assert {probe['port'] for probe in probes} | {port['targetPort'] for port in service['spec']['ports']} == ports
assert [probe['path'] for probe in probes] == ['/livez', '/readyz', '/livez']
readiness = container['readinessProbe']
assert readiness['periodSeconds'] * readiness['failureThreshold'] < 5
assert pod['spec']['terminationGracePeriodSeconds'] > 5 + 25
";
    let mut python = Command::new("python3");
    if !python.args(["-c", "import yaml"]).output().is_ok_and(|output| output.status.success()) {
        return skip("there is no python3 with yaml here");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/docs/deploy/kubernetes.yaml");
    let manifests = fs::File::open(path).expect("it is there");
    let output = Command::new("python3").args(["-c", CHECK]).stdin(manifests).output().expect("it was there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
