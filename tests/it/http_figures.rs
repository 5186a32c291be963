//! A server's figures: each is what it says, whoever drives the connections, and a scraper can read them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anthill_http::{MinRate, Probe, RequestCtx, Server, ServerStats};
use anthill_tests::client::{get, post};
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, skip};
use anthill_tests::{Gate, eventually, planned_panic};

#[test]
fn srv_19_connections_by_what_they_do() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(Server::builder().shards(2), move |ctx| {
        if ctx.path() == "/held" {
            held.pass();
        }
    });
    let (fresh, mut idle, mut active) = (running.clients(3), running.clients(2), running.clients(4));
    for client in &mut idle {
        client.get("/");
    }
    for client in &mut active {
        client.send(get("/held"));
    }
    running.reaches("all are seen", |stats| {
        let counts = stats.connections;
        (counts.new, counts.idle, counts.active, stats.open_connections) == (3, 2, 4, 9)
    });
    gate.open();
    for client in &mut active {
        client.response();
    }
    running.reaches("they rest", |stats| (stats.connections.idle, stats.connections.active) == (6, 0));
    drop((fresh, idle, active));
    running.reaches("all are gone", |stats| stats.open_connections == 0);
    assert_eq!(running.server().stats().connections, Default::default());
}

#[test]
fn srv_19_what_is_served_now_and_what_was_rejected() {
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, inside) = (gate.clone(), entered.clone());
    let mut running = Running::with(Server::builder().concurrency(2), move |_| {
        inside.open();
        held.pass();
    });
    let second = running.listen("127.0.0.1:0").expect("another port");
    let (mut first, mut other) = (running.client(), anthill_tests::client::Client::connect(second));
    first.send(get("/"));
    other.send(get("/"));
    entered.pass();
    running.reaches("both are served", |stats| (stats.connections.active, stats.open_connections) == (2, 2));
    assert_eq!(running.client().response().status, 503);
    assert_eq!(running.server().stats().rejections.concurrency, 1);
    gate.open();
    assert_eq!((first.response().status, other.response().status), (200, 200));
    drop((first, other));
    running.reaches("none is left", |stats| (stats.connections.active, stats.open_connections) == (0, 0));
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/missing" => ctx.not_found(),
        "/moved" => ctx.redirect("/", 302),
        "/panic" => planned_panic(),
        "/slow" => thread::sleep(Duration::from_millis(20)),
        "/large" => ctx.response.set_body_reader_sized(io::Cursor::new(vec![b'x'; 300_000]), 300_000),
        "/written" => ctx.response.set_body_writer(|out| out.write_all(&[b'x'; 100_000])),
        _ => ctx.set_body("served"),
    }
}

/// Figures are there before the response is, so a client that has it can count on them.
#[test]
fn srv_19_responses_by_method_and_class_and_bytes() {
    on_both(Server::builder(), answer, |driven| {
        let server = driven.running().server();
        let mut client = driven.client();
        let (mut sent, mut received) = (0, 0);
        for (number, (request, method, class)) in [
            (get("/"), "GET", 2),
            (get("/missing"), "GET", 4),
            (get("/panic"), "GET", 5),
            (post("/moved", "body"), "POST", 3),
            (post("/", "more"), "POST", 2),
            (get("/").replace("GET", "PROPFIND"), "other", 2),
            (get("/"), "GET", 2),
        ]
        .into_iter()
        .enumerate()
        {
            let before = server.stats().responses.of(method, class);
            client.exchange(&request);
            let stats = server.stats();
            assert_eq!(stats.responses.of(method, class), before + 1, "{request:?}");
            assert_eq!((stats.requests, stats.responses.total()), (number as u64 + 1, number as u64 + 1));
            assert_eq!(stats.latency.count(), stats.requests);
            sent += request.len() as u64;
        }
        eventually("all bytes are counted", || server.stats().bytes_received == sent);
        for target in ["/large", "/written"] {
            received = server.stats().bytes_sent;
            let body = client.get(target).body.len() as u64;
            eventually("what was sent is counted", || server.stats().bytes_sent > received + body);
        }
        assert!(received > 0);
        assert_eq!(server.stats().panics, 1);
    });
}

#[test]
fn latencies_are_those_of_the_handlers() {
    on_both(Server::builder(), answer, |driven| {
        let mut client = driven.client();
        for _ in 0..5 {
            client.get("/slow");
        }
        let latency = driven.running().server().stats().latency;
        assert_eq!(latency.count(), 5);
        for quantile in [0.2, 0.5, 1.0] {
            let found = latency.quantile(quantile);
            assert!(found >= Duration::from_millis(16), "{found:?} at {quantile}");
        }
        assert!(latency.sum() >= Duration::from_millis(80));
    });
}

/// What waits for a worker counts as waiting, and its wait is part of its latency.
#[test]
fn those_who_wait_for_a_worker_are_seen() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(Server::builder().shards(1).max_workers(1), move |_| held.pass());
    let mut clients = running.clients(20);
    for client in &mut clients {
        client.send(get("/"));
    }
    // A request waits from when it was found: none may be still on its way.
    let run = || running.server().requests_in_flight().len();
    running.reaches("all were found, and some wait", |stats| {
        stats.waiting_requests > 0 && stats.waiting_requests + run() == 20
    });
    thread::sleep(Duration::from_millis(30));
    gate.open();
    for client in &mut clients {
        client.response();
    }
    let stats = running.server().stats();
    assert_eq!((stats.waiting_requests, stats.latency.count()), (0, 20));
    assert!(stats.latency.quantile(0.01) >= Duration::from_millis(20), "{:?}", stats.latency);
    assert!(stats.dispatched_requests > 0 || stats.revoked_leases > 0);
}

#[test]
fn clients_that_are_too_slow_are_counted_by_what_they_were_slow_at() {
    let second = Duration::from_millis(200);
    let options = Server::builder()
        .write_timeout(second)
        .min_body_rate(MinRate::new(1000, second))
        .read_timeout(Duration::from_secs(20));
    let running = Running::with(options, |ctx| {
        ctx.response.set_body_reader(io::repeat(b'x'));
    });
    let mut sender = running.client();
    sender.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx");
    assert_eq!(sender.response().status, 408);
    let mut reader = running.client();
    reader.send(get("/"));
    running.reaches("both are given up", |stats| {
        (stats.given_up.slow_readers, stats.given_up.slow_senders) == (1, 1)
    });
    assert_eq!(running.server().stats().rejections.timed_out, 1);
}

/// A page as a strict reader takes it: each family announced once, before its samples, which come together; names,
/// labels and values by the grammar; a histogram's buckets cumulative, up to its count.
fn parse(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n') && !page.contains('\r'));
    let (mut samples, mut seen, mut current, mut kind) = (BTreeMap::new(), Vec::new(), "", "");
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help text");
            assert!(!text.is_empty() && !seen.contains(&name), "{line}");
            let typed = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
            let (typed, word) = typed.split_once(' ').expect("a type");
            assert_eq!(typed, name);
            assert!(["counter", "gauge", "histogram"].contains(&word), "{word}");
            assert_eq!(word == "counter", name.ends_with("_total"), "{name}");
            seen.push(name);
            (current, kind) = (name, word);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        let of_histogram = ["_bucket", "_sum", "_count"].map(|end| format!("{current}{end}"));
        assert!(if kind == "histogram" { of_histogram.contains(&name.to_owned()) } else { name == current });
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            let labels =
                labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).expect("braces");
            for label in labels.split(',') {
                let (name, value) = label.split_once('=').expect("a label");
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
                assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
        }
        let value: f64 = value.parse().expect("a number");
        assert_eq!(samples.insert(series.to_owned(), value), None, "{series} is there twice");
    }
    let buckets: Vec<_> = samples.iter().filter(|(name, _)| name.contains("seconds_bucket")).collect();
    let mut by_bound: Vec<(f64, f64)> = buckets
        .iter()
        .map(|(name, value)| {
            let bound =
                name.split("le=\"").nth(1).and_then(|bound| bound.split('"').next()).expect("a bound");
            (bound.parse().expect("a number"), **value)
        })
        .collect();
    by_bound.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(by_bound.is_sorted_by(|one, other| one.1 <= other.1), "{by_bound:?}");
    assert_eq!(by_bound.last().map(|last| last.0), Some(f64::INFINITY));
    samples
}

fn with_probe() -> (Running, Probe) {
    let probe = Probe::new();
    let asked = probe.clone();
    let server = Server::builder()
        .build(move |ctx| match ctx.path() {
            "/metrics" => asked.metrics(ctx),
            "/livez" => asked.live(ctx),
            "/readyz" => asked.ready(ctx),
            _ => answer(ctx),
        })
        .expect("the defaults");
    (Running::serving(server), probe)
}

#[test]
fn a_scraper_reads_the_figures() {
    let (running, probe) = with_probe();
    let mut client = running.client();
    assert_eq!(client.get("/metrics").status, 503, "the probe knows no server");
    assert_eq!((client.get("/livez").status, client.get("/readyz").status), (200, 503));
    probe.watch(running.server());
    assert_eq!((client.get("/livez").status, client.get("/readyz").status), (200, 200));
    client.get("/missing");
    running.client().exchange("nonsense\r\n\r\n");
    running.reaches("it is gone", |stats| stats.open_connections == 1);
    let reply = client.get("/metrics");
    assert_eq!(reply.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = parse(reply.text());
    let sample = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    assert_eq!(sample("anthill_http_requests_total{method=\"GET\",status=\"2xx\"}"), 3.0);
    assert_eq!(sample("anthill_http_requests_total{method=\"GET\",status=\"4xx\"}"), 1.0);
    assert_eq!(sample("anthill_http_requests_total{method=\"GET\",status=\"5xx\"}"), 2.0);
    assert_eq!(sample("anthill_http_rejections_total{cause=\"malformed\"}"), 1.0);
    assert_eq!(sample("anthill_http_request_seconds_count"), 6.0);
    assert_eq!(sample("anthill_http_request_seconds_bucket{le=\"+Inf\"}"), 6.0);
    assert_eq!(sample("anthill_http_connections{state=\"active\"}"), 1.0);
    assert!(sample("anthill_http_received_bytes_total") > 0.0);
    assert!(sample("anthill_pool_workers{pool=\"http\"}") >= 1.0);

    let labelled = running.server().stats().to_prometheus(&[("server", "a \"b\"\n\\")]);
    assert!(labelled.contains("anthill_http_panics_total{server=\"a \\\"b\\\"\\n\\\\\"} 0\n"), "{labelled}");
    check_by_promtool(reply.text());
    check_by_promtool(&labelled);
}

/// Prometheus's own opinion, where it is installed.
fn check_by_promtool(page: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut checking) = promtool.spawn() else {
        return skip("there is no promtool (Debian package `prometheus`)");
    };
    checking.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("it reads");
    let checked = checking.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}\n{page}");
}

#[test]
fn a_server_that_is_shutting_down_is_not_ready() {
    let (mut running, probe) = with_probe();
    probe.watch(running.server());
    let ready = |probe: &Probe| {
        let mut ctx = RequestCtx::default();
        probe.ready(&mut ctx);
        ctx.response.status_code()
    };
    assert_eq!(ready(&probe), 200);
    running.shut_down(Duration::from_secs(10)).expect("nothing is under way");
    assert_eq!(ready(&probe), 503);
    drop(running);
    let mut ctx = RequestCtx::default();
    probe.metrics(&mut ctx);
    assert_eq!(ctx.response.status_code(), 503, "it does not keep its server");
}

fn sums(stats: &ServerStats) -> (u64, u64, u64) {
    (stats.requests, stats.responses.total(), stats.latency.count())
}

/// Readers see for each answer its latency, whenever they look, and the figures only go up.
#[test]
fn srv_19_a_snapshot_is_one() {
    let running = Running::with(Server::builder().shards(2), answer);
    let clients = running.clients(4);
    let address = running.address();
    thread::scope(|scope| {
        let asking: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                scope.spawn(move || {
                    for number in 0..500 {
                        client.get(if number % 50 == 0 { "/slow" } else { "/" });
                    }
                })
            })
            .collect();
        let mut before = (0, 0, 0);
        while asking.iter().any(|asking| !asking.is_finished()) {
            let now = sums(&running.server().stats());
            assert!(now.0 >= before.0 && now.2 >= now.1, "{now:?} behind {before:?} at {address}");
            before = now;
        }
    });
    assert_eq!(sums(&running.server().stats()), (2000, 2000, 2000));
}
