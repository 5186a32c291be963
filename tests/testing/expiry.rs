//! What middleware counts in time runs by the clock of its server: sessions, cookies that run out, limits of rates and
//! places.

use std::sync::Arc;
use std::time::Duration;

use anthill_http::client::CookieJar;
use anthill_http::middleware::{
    ConcurrencyLimit, CookieKey, MemoryStore, RateLimit, SealError, SessionError, Sessions,
    concurrency_limit, rate_limit, sessions,
};
use anthill_http::testing::{TestClock, TestServer};
use anthill_http::{Cookie, Request, RequestCtx, Server};
use anthill_tests::{Gate, eventually};

const MINUTE: Duration = Duration::from_secs(60);

/// Logs in, and tells who is.
fn who(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    let path = ctx.path().to_owned();
    let session = ctx.session()?;
    match path.as_str() {
        "/login" => session.set("user", "ann"),
        "/renew" => session.renew(),
        _ => {}
    }
    let user = session.get("user").unwrap_or("nobody").to_owned();
    ctx.set_body(user);
    Ok(())
}

#[test]
fn sessions_are_over_when_it_says_so() {
    let key = CookieKey::generate().expect("random bytes");
    for policy in [Sessions::builder(MemoryStore::new(100)), Sessions::in_cookies(&key)] {
        let policy = policy.idle_timeout(60 * MINUTE).absolute_timeout(180 * MINUTE);
        let server = TestServer::handler(sessions(who, policy.build().expect("times that can be")));
        let client = server.client().keep_cookies();
        let at_minute = |minutes: u32, target: &str, expected: &str| {
            server.clock().advance(minutes * MINUTE);
            client.get(target).send().assert_text(expected);
        };
        at_minute(0, "/login", "ann");
        at_minute(59, "/", "ann");
        at_minute(59, "/", "ann");
        at_minute(61, "/", "nobody");
        // The longest time, and what begins it anew.
        at_minute(0, "/login", "ann");
        [50, 50, 50].into_iter().for_each(|minutes| at_minute(minutes, "/", "ann"));
        at_minute(31, "/", "nobody");
        at_minute(0, "/login", "ann");
        [50, 50].into_iter().for_each(|minutes| at_minute(minutes, "/", "ann"));
        at_minute(50, "/renew", "ann");
        [50, 50, 50].into_iter().for_each(|minutes| at_minute(minutes, "/", "ann"));
        at_minute(31, "/", "nobody");
    }
}

#[test]
fn what_is_over_leaves_the_memory() {
    let store = Arc::new(MemoryStore::new(100));
    let kept = Sessions::builder(store.clone()).idle_timeout(60 * MINUTE).build().expect("a time");
    let server = TestServer::handler(sessions(who, kept));
    for _ in 0..10 {
        server.get("/login").send().assert_text("ann");
    }
    assert_eq!(store.len(), 10);
    server.clock().advance(59 * MINUTE);
    server.get("/login").send().assert_text("ann");
    assert_eq!(store.len(), 11, "none is over");
    server.clock().advance(2 * MINUTE);
    for left in [10, 9, 8, 7, 6] {
        server.get("/login").send().assert_text("ann");
        assert_eq!(store.len(), left, "one comes and two go");
    }
}

#[test]
fn browsers_and_servers_forget_cookies_at_the_same_time() {
    let key = CookieKey::generate().expect("random bytes");
    let handler = move |ctx: &mut RequestCtx| -> Result<(), SealError> {
        if ctx.path() == "/set" {
            let of = |name: &str| Cookie::new(name, "x");
            ctx.set_signed_cookie(&key, of("signed").set_max_age(60 * MINUTE))?;
            ctx.set_private_cookie(&key, of("private").set_max_age(60 * MINUTE))?;
            let until = ctx.time() + 60 * MINUTE;
            ctx.set_signed_cookie(&key, of("dated").set_expires(until))?;
            ctx.response.set_cookie(of("plain").set_max_age(60 * MINUTE));
        } else {
            let found = [
                ctx.signed_cookie(&key, "signed").is_some(),
                ctx.private_cookie(&key, "private").is_some(),
                ctx.signed_cookie(&key, "dated").is_some(),
                ctx.request.cookie("plain").is_some(),
            ];
            ctx.set_body(format!("{found:?}"));
        }
        Ok(())
    };
    let server = TestServer::handler(handler);
    // It is a day later, by which nothing that lasts an hour has begun to last longer or shorter.
    server.clock().advance(24 * 60 * MINUTE);
    let jar = CookieJar::new();
    let browser = server.client().cookie_jar(jar.clone());
    let set = browser.get("/set").send();
    let names = ["signed", "private", "dated", "plain"];
    let sent = names.map(|name| {
        let value = set.cookie(name).expect("it is set").value().to_vec();
        format!("{name}={}", String::from_utf8(value).expect("text"))
    });
    let keeps_all = || server.get("/").header("Cookie", sent.join("; ")).send().text().to_owned();
    server.clock().advance(59 * MINUTE);
    browser.get("/").send().assert_text("[true, true, true, true]");
    assert_eq!(keeps_all(), "[true, true, true, true]");
    assert_eq!(browser.cookie("/", "plain").as_deref(), Some(&b"x"[..]));
    // One of its own goes before that in the jar, and is beside the others.
    browser.get("/").header("Cookie", "plain=y").send().assert_text("[true, true, true, true]");
    server.clock().advance(2 * MINUTE);
    browser.get("/").send().assert_text("[false, false, false, false]");
    browser.get("/").header("Cookie", "plain=y").send().assert_text("[false, false, false, true]");
    assert_eq!(keeps_all(), "[false, false, false, true]", "whatever a client keeps");
    assert_eq!((browser.cookie("/", "plain"), jar.len()), (None, 0));
}

#[test]
fn what_a_rate_grants_comes_back_by_it() {
    let policy = || RateLimit::builder().requests(2).per(60 * MINUTE).build().expect("a policy");
    let served = |ctx: &mut RequestCtx| ctx.set_body("served");
    let server = TestServer::handler(rate_limit(served, policy()));
    let ask = || {
        let response = server.get("/").send();
        (response.status_code(), response.header_str("Retry-After").map(str::to_owned))
    };
    let granted = (200, None);
    let refused = (429, Some("1800".to_owned()));
    assert_eq!([ask(), ask(), ask()], [granted.clone(), granted.clone(), refused.clone()]);
    server.clock().advance(30 * MINUTE);
    assert_eq!([ask(), ask()], [granted.clone(), refused.clone()]);
    server.clock().advance(600 * MINUTE);
    assert_eq!([ask(), ask(), ask()], [granted.clone(), granted, refused]);

    // Without a connection as well.
    let clock = TestClock::new();
    let called =
        Server::builder().clock(&clock).build_handler(rate_limit(served, policy())).expect("options");
    let ask = || called.call(&Request::new("GET", "/").expect("a request")).expect("an answer").status_code();
    assert_eq!([ask(), ask(), ask()], [200, 200, 429]);
    clock.advance(30 * MINUTE);
    assert_eq!([ask(), ask()], [200, 429]);
}

#[test]
fn whoever_waits_for_a_place_is_turned_away_in_time_and_not_before() {
    let limit = ConcurrencyLimit::builder(1).wait(10 * MINUTE).build().expect("a limit");
    let (first, gate) = (Gate::new(), Gate::new());
    let (enters, held) = (first.clone(), gate.clone());
    let handler = move |ctx: &mut RequestCtx| {
        if ctx.path() == "/held" {
            enters.open();
            held.pass();
        }
        ctx.set_body("served");
    };
    let server = TestServer::handler(concurrency_limit(handler, limit.clone()));
    std::thread::scope(|scope| {
        let ask = |target: &'static str| scope.spawn(|| server.get(target).send());
        let holder = ask("/held");
        first.pass();
        let waits = |count| eventually("they wait", || limit.waiting() == count);
        let early = ask("/");
        waits(1);
        server.clock().advance(6 * MINUTE);
        assert_eq!(limit.waiting(), 1);
        let late = ask("/");
        waits(2);
        server.clock().advance(5 * MINUTE);
        early.join().expect("an answer").assert_status(503).assert_header("Retry-After", "1");
        assert_eq!(limit.waiting(), 1, "that one came later");
        gate.open();
        late.join().expect("an answer").assert_text("served");
        holder.join().expect("an answer").assert_text("served");
    });
    assert_eq!((limit.taken(), limit.waiting()), (0, 0));
}
