//! What the server takes in at most: rows `LIM-01` to `LIM-08`.
//!
//! The idea: each limit is met exactly and missed by one. The rule: what is refused is refused for good (the connection
//! ends, the handler never runs), and what fits is served as if there were no limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::Server;
use anthill_tests::client::{Client, Reply, get, post};
use anthill_tests::processes::{apart_with_descriptors, memory_kib};
use anthill_tests::server::{Running, skip};
use anthill_tests::{Gate, eventually};

const PER_ADDRESS: &str = "The number of connections from your ip exceeds MaxConnsPerIP";

/// A body of so many bytes, in one POST request.
fn sized(length: usize) -> String {
    post("/", &"b".repeat(length))
}

/// Asserts that this is the last word on a connection, and what it says.
#[track_caller]
fn assert_refused(client: &mut Client, status: u16, text: &str) -> Reply {
    let reply = client.response();
    assert_eq!((reply.status, reply.closes(), reply.text()), (status, true, text));
    client.expect_end();
    reply
}

#[test]
fn lim_01_connections_beyond_the_cap_are_told_so_unasked() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::with(Server::builder().concurrency(1), move |_| held.pass());
    let mut first = running.client();
    first.send(get("/"));
    eventually("the first is held", || running.handled() == 1);
    let text = "The connection cannot be served because Server.Concurrency limit exceeded";
    // It has not sent a byte.
    assert_refused(&mut running.client(), 503, text);
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(first.get("/").status, 200, "the first goes on");
    drop(first);
    running.reaches("its place is free again", |stats| stats.open_connections == 0);
    assert_eq!(running.client().get("/").status, 200);
}

#[test]
fn lim_03_an_address_has_no_more_than_its_connections() {
    let mut running = Running::with(Server::builder().max_conns_per_ip(1), |_| {});
    let mut addresses = vec![running.address()];
    match running.listen("[::1]:0") {
        Ok(address) => addresses.push(address),
        Err(error) => skip(&format!("the part with IPv6: {error}")),
    }
    // Each address has a connection: neither counts for the other.
    let mut firsts: Vec<_> = addresses.iter().map(|&address| Client::connect(address)).collect();
    for (first, &address) in firsts.iter_mut().zip(&addresses) {
        assert_eq!(first.get("/").status, 200);
        assert_refused(&mut Client::connect(address), 429, PER_ADDRESS);
        assert_eq!(first.get("/").status, 200, "the first goes on");
    }
    drop(firsts);
    running.reaches("their places are free again", |stats| stats.open_connections == 0);
    for &address in &addresses {
        assert_eq!(Client::connect(address).get("/").status, 200);
        running.reaches("and again", |stats| stats.open_connections == 0);
    }
    assert_eq!(running.server().stats().rejections.per_ip, addresses.len() as u64);
}

#[test]
fn the_cap_per_address_counts_up_to_its_number() {
    let running = Running::with(Server::builder().max_conns_per_ip(3), |_| {});
    let mut clients = running.clients(3);
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    assert_refused(&mut running.client(), 429, PER_ADDRESS);
    clients.pop();
    running.reaches("a place is free", |stats| stats.open_connections == 2);
    assert_eq!(running.client().get("/").status, 200);
}

#[test]
fn lim_04_a_head_that_does_not_fit_the_buffer_is_refused() {
    let head = |length: usize| {
        let head = get("/");
        let filler = "x".repeat(length - head.len() - "X: \r\n".len());
        let head = head.replace("\r\n\r\n", &format!("\r\nX: {filler}\r\n\r\n"));
        assert_eq!(head.len(), length);
        head
    };
    let running = Running::with(Server::builder().read_buffer_size(4096), |ctx| {
        let length = ctx.header("X").map_or(0, <[u8]>::len).to_string();
        ctx.set_body(length);
    });
    let mut client = running.client();
    for length in [4095, 4096, 1000, 4096] {
        assert_eq!(client.exchange(head(length)).status, 200, "{length}");
    }
    // Two that fit one by one and not together.
    client.send(head(4096) + &head(4096));
    assert_eq!((client.response().status, client.response().status), (200, 200));
    let served = running.handled();
    for head in [head(4097), head(20_000), head(4097)[..4096].to_owned()] {
        let mut client = running.client();
        client.send(&head);
        assert_refused(&mut client, 431, "Too big request header");
    }
    // The first line alone is too long (RFC 9112 section 3).
    for (line, status, text) in [
        ("G".repeat(5000), 501, "Unsupported method"),
        ("GET /".to_owned() + &"x".repeat(5000), 414, "Too long request target"),
    ] {
        let mut client = running.client();
        client.send(&line);
        assert_refused(&mut client, status, text);
    }
    assert_eq!(running.handled(), served, "the handler was not called");
    assert_eq!(running.server().stats().rejections.head_too_large, 5);
}

#[test]
fn heads_with_too_many_fields_are_refused() {
    let head =
        |fields: usize| get("/").replace("\r\n\r\n", &format!("\r\n{}\r\n", "A: b\r\n".repeat(fields)));
    let running = Running::new(|ctx| {
        let count = ctx.request.headers().len().to_string();
        ctx.set_body(count);
    });
    let mut client = running.client();
    assert_eq!(client.exchange(head(127)).text(), "128");
    client.send(head(128));
    assert_refused(&mut client, 431, "Too big request header");
}

#[test]
fn how_many_fields_are_too_many_can_be_set() {
    let running = Running::with(Server::builder().max_header_fields(3), |ctx| {
        let count = ctx.request.headers().len().to_string();
        ctx.set_body(count);
    });
    let mut client = running.client();
    let head = |fields: &str| get("/").replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
    assert_eq!(client.exchange(head("A: b\r\nC: d\r\n")).text(), "3");
    client.send(head("A: b\r\nC: d\r\nE: f\r\n"));
    assert_refused(&mut client, 431, "Too big request header");

    let running = Running::with(Server::builder().max_header_fields(300), |ctx| {
        let count = ctx.request.headers().len().to_string();
        ctx.set_body(count);
    });
    let mut client = running.client();
    assert_eq!(client.exchange(head(&"A: b\r\n".repeat(299))).text(), "300");
    client.send(head(&"A: b\r\n".repeat(300)));
    assert_refused(&mut client, 431, "Too big request header");
}

#[test]
fn lim_05_a_longer_body_is_refused_before_it_is_read() {
    let running = Running::with(Server::builder().max_request_body_size(10), |ctx| {
        let length = ctx.body().len().to_string();
        ctx.set_body(length);
    });
    let mut client = running.client();
    assert_eq!(client.exchange(sized(10)).text(), "10");
    assert_eq!(client.exchange(sized(0)).text(), "0");
    // The head alone; the body is never sent.
    client.send(&sized(11)[..sized(11).len() - 11]);
    assert_refused(&mut client, 413, "Request body too large");
    // With its body, and with something behind it that must not be taken for a request.
    let mut client = running.client();
    client.send(sized(11) + &get("/"));
    assert_refused(&mut client, 413, "Request body too large");
    assert_eq!((running.handled(), running.server().stats().rejections.body_too_large), (2, 2));
}

#[test]
fn lim_06_a_chunked_body_is_refused_by_the_size_that_goes_too_far() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let limited = |limit| {
        Running::with(Server::builder().max_request_body_size(limit), |ctx| {
            let body = ctx.body().to_vec();
            ctx.set_body(body);
        })
    };
    let running = limited(8);
    let mut client = running.client();
    client.send(format!("{HEAD}6\r\nabcdef\r\n"));
    assert!(client.hears_nothing_for(std::time::Duration::from_millis(50)), "so far it fits");
    client.send("3\r\n");
    assert_refused(&mut client, 413, "Request body too large");
    assert_eq!(running.handled(), 0);

    let running = limited(9);
    let reply = running.client().exchange(format!("{HEAD}6\r\nabcdef\r\n3\r\nghi\r\n0\r\n\r\n"));
    assert_eq!(reply.text(), "abcdefghi");
}

#[test]
fn lim_07_the_limit_that_is_not_set_and_the_one_that_is_switched_off() {
    const DEFAULT: usize = 4 * 1024 * 1024;
    let length = |ctx: &mut anthill_http::RequestCtx| {
        let length = ctx.body().len().to_string();
        ctx.set_body(length);
    };
    let running = Running::new(length);
    let mut client = running.client();
    assert_eq!(client.exchange(sized(DEFAULT)).text(), DEFAULT.to_string());
    client.send(&sized(DEFAULT + 1)[..100]);
    assert_refused(&mut client, 413, "Request body too large");

    let running = Running::with(Server::builder().max_request_body_size(None), length);
    let huge = 10 * 1024 * 1024;
    assert_eq!(running.client().exchange(sized(huge)).text(), huge.to_string());
}

#[test]
fn lim_08_promised_bytes_cost_no_memory() {
    const NAME: &str = "http_limits::lim_08_promised_bytes_cost_no_memory";
    const CONNECTIONS: usize = 1000;
    // Each connection has two ends here.
    apart_with_descriptors(NAME, 2 * CONNECTIONS + 200, || promise(CONNECTIONS));
}

/// Lets so many connections promise 4 MiB each and send one byte of it.
fn promise(connections: usize) {
    const MIB: usize = 1024;
    let running = Running::new(|_| {});
    running.client().get("/");
    let kinds = ["VmData", "VmRSS"];
    let before = kinds.map(memory_kib);
    let mut clients = running.clients(connections);
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\nb");
    }
    running.reaches("all are open", |stats| stats.open_connections >= connections);
    // A request to each shard: by then the shards have read what came before it.
    for mut client in running.clients(8) {
        assert_eq!(client.get("/").status, 200);
    }
    for (kind, before) in kinds.into_iter().zip(before) {
        let grown = memory_kib(kind).saturating_sub(before);
        assert!(grown < 128 * MIB, "{connections} connections took {grown} KiB of {kind}");
    }
}

#[test]
fn a_buffer_that_a_big_body_needed_is_given_back() {
    let biggest = Arc::new(AtomicUsize::new(0));
    let seen = biggest.clone();
    let running = Running::with(Server::builder().shards(1), move |ctx| {
        seen.fetch_max(ctx.body().len(), Ordering::Relaxed);
    });
    let mut client = running.client();
    // Big and small in turn, on one connection and on two: what is kept of one must not show in the next.
    let mut other = running.client();
    for _ in 0..3 {
        assert_eq!(client.exchange(sized(3_000_000)).status, 200);
        assert_eq!(other.exchange(sized(1)).status, 200);
        assert_eq!(client.exchange(sized(0)).status, 200);
    }
    assert_eq!(biggest.load(Ordering::Relaxed), 3_000_000);
}
