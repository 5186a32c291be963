//! The example of a server behind a proxy.

use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::examples::Example;

const FORWARDED: &str = "GET /a HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n\
     X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\r\n";

#[test]
fn behind_proxy_believes_the_proxy_and_nobody_else() {
    let trusting = Example::start("behind-proxy", &[("DELAY_MS", "0")]);
    let mut client = Client::connect(trusting.address());
    assert_eq!(client.exchange(FORWARDED).text(), "192.0.2.1 asked for https://shop.example/a\n");
    assert_eq!(client.get("/a").text(), "127.0.0.1 asked for http://h/a\n");
    let moved = client.get("/old");
    assert_eq!((moved.status, moved.field("Location")), (308, Some("/")));
    trusting.end();

    let wary = Example::start("behind-proxy", &[("PROXIES", "10.0.0.0/8"), ("DELAY_MS", "0")]);
    let mut client = Client::connect(wary.address());
    assert_eq!(client.exchange(FORWARDED).text(), "127.0.0.1 asked for http://inner/a\n");
    wary.end();

    let wrong = Example::launch("behind-proxy", &[], &[("PROXIES", "10.0.0.1/8")]).outcome();
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.starts_with("behind-proxy: trusted_proxies "), "{wrong:?}");
}

#[test]
fn behind_proxy_is_not_ready_before_it_ends() {
    let example = Example::start("behind-proxy", &[("DELAY_MS", "1500")]);
    let mut known = Client::connect(example.address());
    assert_eq!(known.get("/readyz").status, 200);
    example.signal("TERM");
    eventually("the proxy is told", || {
        let mut check = Client::connect(example.address());
        check.get("/readyz").status == 503
    });
    // Whoever is still sent here is served, and told to come back elsewhere.
    let mut late = Client::connect(example.address());
    late.send(get("/late"));
    let last = late.response();
    assert_eq!((last.status, last.closes()), (200, true), "{last:?}");
    late.expect_end();
    let ended = example.outcome();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
