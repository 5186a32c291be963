//! Proxies in front of the server: whose word on the client is taken, and what becomes of it.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use anthill_http::{RequestCtx, Server, ServerBuilder};
use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{background, eventually};

/// What `ctx` says of the client, and of the connection.
fn tell(ctx: &mut RequestCtx) {
    let host = String::from_utf8_lossy(ctx.host()).into_owned();
    let is_own = ctx.conn().remote_addr().is_none_or(|address| address.ip().is_loopback());
    let text = format!("{} {} {host} {is_own}", ctx.remote_addr(), ctx.scheme());
    ctx.set_body(text);
    ctx.redirect("/next", 302);
}

const FORWARDED: &str = "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n\
                         X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                         Forwarded: for=7.7.7.7;proto=http;host=evil\r\n\r\n";

fn trusting(networks: &[&str]) -> ServerBuilder {
    Server::builder().absolute_redirects(true).trusted_proxies(networks)
}

#[test]
fn trusted_proxies_say_who_the_client_is() {
    for networks in [&["127.0.0.1"][..], &["127.0.0.0/8"], &["10.0.0.0/8", "::ffff:127.0.0.1"]] {
        let running = Running::with(trusting(networks), tell);
        let mut client = running.client();
        for _ in 0..2 {
            let reply = client.exchange(FORWARDED);
            assert_eq!(reply.text(), "198.51.100.7:0 https shop.example true");
            assert_eq!(reply.field("Location"), Some("https://shop.example/next"));
        }
        // What one request says is not another's.
        let own = client.stream().local_addr().expect("an address");
        assert_eq!(client.get("/").text(), format!("{own} http {} true", host_of_get()));
    }
}

/// The host that the tests' client asks for.
fn host_of_get() -> String {
    let running = Running::new(|ctx| ctx.response.set_body(ctx.request.host()));
    running.client().get("/").text().to_owned()
}

#[test]
fn others_are_not_believed() {
    for options in [Server::builder(), trusting(&[]), trusting(&["10.0.0.0/8", "unix", "::1"])] {
        let running = Running::with(options.absolute_redirects(true), tell);
        let mut client = running.client();
        let own = client.stream().local_addr().expect("an address");
        let reply = client.exchange(FORWARDED);
        assert_eq!(reply.text(), format!("{own} http inner true"));
        assert_eq!(reply.field("Location"), Some("http://inner/next"));
    }
}

#[test]
fn forwarded_is_read_when_it_is_asked_for_and_nothing_else_then() {
    let running = Running::with(trusting(&["127.0.0.1"]).trusts_forwarded(true), tell);
    assert_eq!(running.client().exchange(FORWARDED).text(), "7.7.7.7:0 http evil true");
    let other_order = Server::builder().trusts_forwarded(true).trusted_proxies(["127.0.0.1"]);
    let running = Running::with(other_order, tell);
    assert_eq!(running.client().exchange(FORWARDED).text(), "7.7.7.7:0 http evil true");
    // Malformed, it says nothing.
    let malformed = "GET / HTTP/1.1\r\nHost: inner\r\nForwarded: for=7.7.7.7;for=8.8.8.8\r\n\r\n";
    let mut client = running.client();
    let own = client.stream().local_addr().expect("an address");
    assert_eq!(client.exchange(malformed).text(), format!("{own} http inner true"));
}

#[test]
fn whoever_connects_by_a_unix_socket_can_be_a_proxy() {
    for (networks, seen) in
        [(["unix"], "198.51.100.7:0 https shop.example true"), (["0.0.0.0/0"], "0.0.0.0:0 http inner true")]
    {
        let server = trusting(&networks).build(tell).expect("options that go together");
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let serving = background(move || server.serve_conn(theirs));
        let mut client = Client::over(ours);
        assert_eq!(client.exchange(FORWARDED).text(), seen);
        drop(client);
        serving.outcome("serving").expect("a connection that ends well");
    }
}

/// What a handler says comes first, and records have the same.
#[test]
fn records_have_the_clients_address() {
    let told: Arc<Mutex<Vec<Option<SocketAddr>>>> = Arc::default();
    let list = told.clone();
    let options = trusting(&["127.0.0.1"])
        .on_complete(move |completed| list.lock().expect("nobody panics").push(completed.remote_addr()));
    let other: SocketAddr = "192.0.2.9:9".parse().expect("an address");
    let running = Running::with(options, move |ctx| {
        if ctx.path() == "/other" {
            ctx.set_remote_addr(Some(other));
        }
        tell(ctx);
    });
    let mut client = running.client();
    client.exchange(FORWARDED);
    let seen = client.exchange(FORWARDED.replace("GET / ", "GET /other ")).text().to_owned();
    assert!(seen.starts_with("192.0.2.9:9 https "), "{seen}");
    let expected = ["198.51.100.7:0".parse().ok(), Some(other)];
    eventually("both are told of", || *told.lock().expect("nobody panics") == expected);
}

/// Also where no handler has run yet.
#[test]
fn hooks_and_records_know_the_client_from_the_first_request_on() {
    let forwarded = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n";
    for (request, status, told) in [
        ("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", 401, "expected"),
        ("GET / HTTP/1.1\r\n", 400, "refused"),
    ] {
        let notes = Notes::default();
        let [expected, refused, completed] = [(); 3].map(|()| notes.clone());
        let options = trusting(&["127.0.0.1"])
            .expect_handler(move |ctx| {
                expected.add(format!("expected {} {}", ctx.remote_addr(), ctx.scheme()));
                401
            })
            .on_complete(move |told| completed.add(format!("{:?}", told.remote_addr())));
        let running = Running::with(options.clone(), tell);
        assert_eq!(running.client().exchange(format!("{request}{forwarded}\r\n")).status, status);
        let count = if told == "expected" { 2 } else { 1 };
        assert_eq!(notes.take(count).last().map(String::as_str), Some("Some(198.51.100.7:0)"), "{told}");
        let options = options.error_handler(move |ctx, _| {
            refused.add(format!("refused {} {}", ctx.remote_addr(), ctx.scheme()));
        });
        let running = Running::with(options, tell);
        assert_eq!(running.client().exchange(format!("{request}{forwarded}\r\n")).status, status);
        let expected = [format!("{told} 198.51.100.7:0 https"), "Some(198.51.100.7:0)".to_owned()];
        assert_eq!(notes.take(2), expected);
    }
}

#[test]
fn what_is_no_network_is_refused() {
    for network in ["10.0.0.1/8", "everybody", "", "10.0.0.0/33"] {
        let error = trusting(&["127.0.0.1", network]).build(tell).expect_err(network);
        assert_eq!(error.option(), "trusted_proxies");
        assert!(
            error.to_string().contains(&format!("{network:?}, which is no network; write 10.0.0.0/8")),
            "{error}"
        );
    }
}
