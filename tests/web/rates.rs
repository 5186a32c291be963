//! How often a client may ask: by address and by keys of one's own, on a clock that tests move, in bounded memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anthill_http::middleware::{RateLimit, RateLimitBuilder, rate_limit};
use anthill_http::{Handler, Request, RequestCtx, Response, Router, Server};
use anthill_tests::server::{Running, plain};

/// Milliseconds since the test began.
#[derive(Clone, Default)]
struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    /// The policy, by this clock.
    fn of(&self, policy: RateLimitBuilder) -> RateLimit {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let (began, millis) = (*BEGAN.get_or_init(Instant::now), self.0.clone());
        let now = move || began + Duration::from_millis(millis.load(Ordering::SeqCst));
        policy.clock(now).build().expect("a policy")
    }
}

fn three_a_minute() -> RateLimitBuilder {
    RateLimit::builder().requests(3).per(Duration::from_secs(60))
}

fn ask_from(handler: &impl Handler, address: &str) -> Response {
    let address = format!("{address}:50000").parse().expect("an address");
    let mut ctx = RequestCtx::for_request(Request::new("GET", "/").expect("a request"), Some(address));
    handler.handle(&mut ctx);
    ctx.response
}

fn served(ctx: &mut RequestCtx) {
    ctx.set_body("served");
}

#[test]
fn those_who_ask_too_often_are_told_when_to_come_again() {
    let clock = ManualClock::default();
    let handler = rate_limit(served, clock.of(three_a_minute().name("api-v1")));
    let ask = || {
        let response = ask_from(&handler, "192.0.2.1");
        let field = |name: &str| response.header_str(name).map(str::to_owned);
        assert_eq!(field("RateLimit-Policy").as_deref(), Some("\"api-v1\";q=3;w=60"));
        (response.status_code(), field("RateLimit").expect("it is told"), field("Retry-After"))
    };
    let limit = |left: u64, more_in: u64| format!("\"api-v1\";r={left};t={more_in}");
    assert_eq!(ask(), (200, limit(2, 20), None));
    clock.set(5_000);
    assert_eq!(ask(), (200, limit(1, 15), None));
    assert_eq!(ask(), (200, limit(0, 15), None));
    assert_eq!(ask(), (429, limit(0, 15), Some("15".to_owned())));
    clock.set(19_999);
    assert_eq!(ask(), (429, limit(0, 1), Some("1".to_owned())));
    clock.set(20_000);
    assert_eq!(ask(), (200, limit(0, 20), None));
    // Set back by much: nobody is kept out for longer than a window.
    clock.set(0);
    assert_eq!(ask(), (429, limit(0, 20), Some("20".to_owned())));
    clock.set(1_000_000);
    assert_eq!(ask(), (200, limit(2, 20), None));
}

#[test]
fn a_burst_is_what_may_come_at_once() {
    let clock = ManualClock::default();
    let policy = RateLimit::builder().requests(60).per(Duration::from_secs(60)).burst(2).headers(false);
    let handler = rate_limit(served, clock.of(policy));
    let ask = || ask_from(&handler, "192.0.2.1");
    assert_eq!([ask(), ask(), ask()].map(|response| response.status_code()), [200, 200, 429]);
    clock.set(1_000);
    let response = ask();
    assert_eq!((response.status_code(), response.header("ratelimit")), (200, None));
    assert_eq!(ask().header_str("retry-after"), Some("1"));
}

#[test]
fn addresses_are_told_apart_and_a_network_of_ipv6_is_one() {
    let clock = ManualClock::default();
    let handler = rate_limit(served, clock.of(three_a_minute()));
    for (address, left) in [
        ("192.0.2.1", 2),
        ("192.0.2.2", 2),
        ("192.0.2.1", 1),
        // The same in another form.
        ("[::ffff:192.0.2.1]", 0),
        ("[2001:db8:1:1::1]", 2),
        ("[2001:db8:1:1:ffff::]", 1),
        ("[2001:db8:1:2::1]", 2),
    ] {
        let response = ask_from(&handler, address);
        let told = format!("\"default\";r={left};t=20");
        assert_eq!(response.header_str("ratelimit"), Some(told.as_str()), "{address}");
    }
    let nobody = |ctx: &mut RequestCtx| {
        handler.handle(ctx);
        ctx.response.status_code()
    };
    let statuses = (0..4).map(|_| nobody(&mut RequestCtx::default())).collect::<Vec<_>>();
    assert_eq!(statuses, [200, 200, 200, 429], "those without an address are one");
}

#[test]
fn two_clients_of_one_server_and_those_behind_its_proxy() {
    let clock = ManualClock::default();
    let handler = rate_limit(served, clock.of(three_a_minute()));
    let options = plain().trusted_proxies(["127.0.0.0/8"]);
    let running = Running::serving(options.build_handler(handler).expect("valid options"));
    let mut client = running.client();
    let mut ask = |chain: &str| {
        client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {chain}\r\n\r\n")).status
    };
    assert_eq!([(); 4].map(|()| ask("192.0.2.1")), [200, 200, 200, 429]);
    assert_eq!(ask("192.0.2.2"), 200);
    assert_eq!(ask("192.0.2.2, 192.0.2.1"), 429, "what a client makes up does not count");
}

#[test]
fn keys_of_ones_own_and_requests_that_are_not_limited() {
    let clock = ManualClock::default();
    let policy = clock.of(RateLimit::builder().requests(1).key(|ctx, key| {
        if ctx.header("x-free").is_none() {
            key.add(ctx.header("x-key"));
            key.add(ctx.route());
        }
    }));
    let router = Router::new()
        .wrap(|next| rate_limit(next, policy))
        .get("/a", |_: &mut RequestCtx| {})
        .get("/b", |_: &mut RequestCtx| {});
    let server = Server::builder().build_router(router).expect("routes");
    let ask = |path: &str, name: &str, value: &str| {
        let mut request = Request::new("GET", path).expect("a request");
        request.set_header(name, value);
        server.call(&request).expect("an answer").status_code()
    };
    assert_eq!([ask("/a", "x-key", "1"), ask("/a", "x-key", "1"), ask("/b", "x-key", "1")], [200, 429, 200]);
    assert_eq!(
        [ask("/a", "x-key", "2"), ask("/a", "x-none", "2"), ask("/a", "x-none", "3")],
        [200, 200, 429]
    );
    assert_eq!([(); 3].map(|()| ask("/a", "x-free", "1")), [200; 3]);
}

#[test]
fn clones_of_a_policy_count_together() {
    let policy = three_a_minute().build().expect("a policy");
    let (one, other) = (rate_limit(served, policy.clone()), rate_limit(served, policy.clone()));
    let statuses = [ask_from(&one, "192.0.2.1"), ask_from(&other, "192.0.2.1"), ask_from(&one, "192.0.2.1")];
    assert!(statuses.iter().all(|response| response.status_code() == 200));
    assert_eq!(ask_from(&other, "192.0.2.1").status_code(), 429);
    assert_eq!(policy.known_keys(), 1);
}

#[test]
fn a_flood_of_addresses_takes_no_more_memory_and_frees_nobody() {
    let clock = ManualClock::default();
    let policy = clock.of(three_a_minute().keys(1024));
    let handler = rate_limit(served, policy.clone());
    let ask = |address: &str| ask_from(&handler, address).status_code();
    assert_eq!([(); 4].map(|()| ask("192.0.2.1")), [200, 200, 200, 429]);
    let flood =
        (0..100_000_u32).map(|number| std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).to_string());
    let granted = flood.filter(|address| ask(address) == 200).count();
    // As if those that are remembered had used all that is theirs, and the places that were taken from others too.
    assert!((1024..=4 * 1024).contains(&granted), "{granted}");
    assert!((900..=1024).contains(&policy.known_keys()), "{}", policy.known_keys());
    assert_eq!(ask("192.0.2.1"), 429, "whoever has used much is not forgotten for those who have used less");
    assert_eq!(ask("198.51.100.1"), 429, "nor is there anything for one that comes new");
    clock.set(20_000);
    assert_eq!([(); 2].map(|()| ask("198.51.100.1")), [200, 429], "it comes back to all one by one");
    clock.set(120_000);
    assert_eq!([(); 4].map(|()| ask("198.51.100.2")), [200, 200, 200, 429]);
}

#[test]
fn many_threads_are_granted_exactly_what_there_is() {
    let policy = RateLimit::builder().requests(500).per(Duration::from_secs(3_600)).headers(false);
    let handler = Arc::new(rate_limit(served, ManualClock::default().of(policy)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handler = handler.clone();
            std::thread::spawn(move || {
                (0..200).filter(|_| ask_from(&handler, "192.0.2.1").status_code() == 200).count()
            })
        })
        .collect();
    let granted: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    assert_eq!(granted, 500);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let builder = RateLimit::builder;
    for (policy, option) in [
        (builder().requests(0), "requests"),
        (builder().burst(0), "burst"),
        (builder().keys(0), "keys"),
        (builder().per(Duration::ZERO), "per"),
        (builder().per(Duration::MAX), "per"),
        (builder().requests(1_001).per(Duration::from_micros(1)), "requests"),
        (builder().requests(1).burst(u64::MAX), "requests"),
        (builder().name("two words"), "name"),
        (builder().name(""), "name"),
        (builder().name("n".repeat(33)), "name"),
    ] {
        assert_eq!(policy.build().expect_err(option).option(), option);
    }
}
