//! When sessions are over, whatever the clock does; and what their cookies are over TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anthill_http::cookie::SameSite;
use anthill_http::middleware::{CookieKey, MemoryStore, Sessions, SessionsBuilder, sessions};
use anthill_http::{Server, TlsConfig};
use anthill_tests::tls::{Authority, BOTH, connect, trusting};

use crate::browser::Browser;
use crate::sessions::{Watched, build, tell, telling};

const HOUR: u64 = 3600;

/// A clock that a test moves, in seconds since 1970.
#[derive(Clone)]
struct Moved(Arc<AtomicU64>);

impl Moved {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_000_000)))
    }

    fn to(&self, seconds: u64) {
        self.0.store(1_000_000 + seconds, Ordering::SeqCst);
    }

    fn of(&self, policy: SessionsBuilder) -> SessionsBuilder {
        let clock = self.0.clone();
        policy.clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)))
    }
}

/// Both kinds of sessions, with an idle time of an hour and an absolute one of ten.
fn both(clock: &Moved) -> [Server; 2] {
    let key = CookieKey::generate().expect("random bytes");
    [Sessions::builder(MemoryStore::new(10)), Sessions::in_cookies(&key)].map(|policy| {
        let policy = policy.idle_timeout(Duration::from_secs(HOUR));
        telling(clock.of(policy.absolute_timeout(Duration::from_secs(10 * HOUR))))
    })
}

const ANN: &str = r#"{"user": "ann"}"#;

#[test]
fn who_does_not_come_for_too_long_is_forgotten() {
    let clock = Moved::new();
    for server in both(&clock) {
        clock.to(0);
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        clock.to(HOUR - 1);
        assert_eq!(browser.text("/"), ANN);
        clock.to(2 * HOUR - 2);
        assert_eq!(browser.text("/"), ANN, "it was used in between");
        clock.to(3 * HOUR - 2);
        assert_eq!(browser.text("/"), "{}");
    }
}

#[test]
fn what_is_found_to_be_over_is_removed_from_the_store() {
    let (clock, store) = (Moved::new(), Watched::new());
    let policy = Sessions::builder(store.clone()).idle_timeout(Duration::from_secs(HOUR));
    let server = telling(clock.of(policy));
    clock.to(0);
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    store.asked();
    clock.to(HOUR);
    assert_eq!(browser.text("/"), "{}");
    assert_eq!((store.asked(), store.inner.len()), ((1, 0, 1), 0));
    // What is set then is in another one.
    let old = browser.cookies["session"].clone();
    browser.get("/?user=bob");
    assert_ne!(browser.cookies["session"], old);
}

#[test]
fn whoever_only_passes_by_does_not_use_his_session() {
    let clock = Moved::new();
    for server in both(&clock) {
        clock.to(0);
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        clock.to(HOUR / 2);
        browser.get("/plain");
        clock.to(HOUR);
        assert_eq!(browser.text("/"), "{}");
    }
}

#[test]
fn a_session_has_its_longest_time_however_it_is_used() {
    let clock = Moved::new();
    for server in both(&clock) {
        clock.to(0);
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        for minutes in (10..600).step_by(10) {
            clock.to(minutes * 60);
            assert_eq!(browser.text(&format!("/?minutes={minutes}&take=minutes")), ANN, "minute {minutes}");
        }
        clock.to(10 * HOUR);
        assert_eq!(browser.text("/"), "{}");
        // It begins anew with a new number.
        let mut browser = Browser::new(&server);
        let visits = |browser: &mut Browser<'_>, minutes: std::ops::Range<u64>| {
            for minutes in minutes.step_by(30) {
                clock.to(minutes * 60);
                assert_eq!(browser.text("/"), ANN, "minute {minutes}");
            }
        };
        clock.to(0);
        browser.get("/?user=ann");
        visits(&mut browser, 0..300);
        assert_eq!(browser.text("/?renew"), ANN);
        visits(&mut browser, 300..870);
        clock.to(14 * HOUR + 30 * 60);
        assert_eq!(browser.text("/"), "{}");
    }
}

#[test]
fn a_clock_that_jumps_ends_no_session_and_keeps_none_for_ever() {
    let clock = Moved::new();
    for server in both(&clock) {
        clock.to(5 * HOUR);
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        // Back: as if it had just been used, and then its time passes as always.
        clock.to(0);
        assert_eq!(browser.text("/"), ANN);
        clock.to(HOUR - 1);
        assert_eq!(browser.text("/"), ANN);
        clock.to(2 * HOUR - 1);
        assert_eq!(browser.text("/"), "{}");
        // Nor does it last longer all in all than if it had begun when the clock was back.
        clock.to(5 * HOUR);
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        for minutes in (0..600).step_by(30) {
            clock.to(minutes * 60);
            assert_eq!(browser.text("/"), ANN, "minute {minutes}");
        }
        clock.to(10 * HOUR);
        assert_eq!(browser.text("/"), "{}");
    }
}

#[test]
fn that_it_is_used_is_noted_now_and_then() {
    let (clock, store) = (Moved::new(), Watched::new());
    let policy = Sessions::builder(store.clone()).idle_timeout(Duration::from_secs(1000));
    let server = telling(clock.of(policy.outlive_browser(true)));
    clock.to(0);
    let mut browser = Browser::new(&server);
    let answer = browser.get("/?user=ann");
    assert!(answer.header_str("set-cookie").is_some_and(|line| line.contains("max-age=1000")));
    store.asked();
    clock.to(99);
    assert_eq!(browser.get("/").header("set-cookie"), None);
    assert_eq!(store.asked(), (1, 0, 0));
    clock.to(100);
    let answer = browser.get("/");
    assert!(answer.header_str("set-cookie").is_some_and(|line| line.contains("max-age=1000")));
    assert_eq!(store.asked(), (1, 1, 0));
    // The cookie lasts no longer than the session may.
    for now in (500..86_400).step_by(500) {
        clock.to(now);
        browser.get("/");
    }
    let answer = browser.get("/?x=y");
    assert!(answer.header_str("set-cookie").is_some_and(|line| line.contains("max-age=400")), "{answer:?}");
}

#[test]
fn what_cannot_be_is_an_error_that_names_it() {
    let policy = || Sessions::builder(MemoryStore::new(1));
    let second = Duration::from_secs;
    for (policy, option, part) in [
        (policy().cookie_name(""), "cookie_name", "letters"),
        (policy().cookie_name("a b"), "cookie_name", "letters"),
        (policy().cookie_name("__Host-sid"), "cookie_name", "__Host-"),
        (policy().cookie_name("__secure-sid"), "cookie_name", "__Host-"),
        (policy().domain("a b"), "the cookie of sessions", "domain"),
        (policy().path("x".repeat(2000)), "the cookie of sessions", "longer than browsers take"),
        (policy().idle_timeout(second(9)), "idle_timeout", "10 seconds"),
        (policy().idle_timeout(second(60)).absolute_timeout(second(59)), "absolute_timeout", "idle_timeout"),
        (policy().max_bytes(10), "max_bytes", "64"),
    ] {
        let error = policy.build().expect_err(option);
        assert_eq!(error.option(), option);
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(policy().same_site(SameSite::None).build().is_ok());
    let shown =
        format!("{:?} {:?}", policy(), build(Sessions::in_cookies(&CookieKey::generate().expect("a key"))));
    assert!(shown.contains("a store") && shown.contains("cookies"), "{shown}");
}

#[test]
fn over_tls_the_cookie_is_of_this_host_and_encrypted_connections_alone() {
    let authority = Authority::new("an authority");
    let identity = authority.issue(&["site.example"]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let policy = || build(Sessions::builder(MemoryStore::new(10)));
    let server = Server::builder().build_handler(sessions(tell, policy())).expect("options");
    let running = server.start_tls("127.0.0.1:0", &config).expect("a free port");
    let mut client = connect(running.local_addr(), &Arc::new(trusting(&authority, BOTH)), "site.example");
    let mut ask = |target: &str, cookie: &str| {
        client.exchange(format!("GET {target} HTTP/1.1\r\nHost: site.example\r\nCookie: {cookie}\r\n\r\n"))
    };
    let answer = ask("/?user=ann", "x=y");
    let line = answer.field("Set-Cookie").expect("a cookie").to_owned();
    let (pair, attributes) = line.split_once("; ").expect("attributes");
    assert!(pair.starts_with("__Host-session="), "{line}");
    assert_eq!(attributes, "path=/; HttpOnly; secure; SameSite=Lax");
    assert_eq!(ask("/", pair).text(), ANN);
    // What somebody has planted over plain HTTP, where it cannot have that name, is not looked at.
    let planted = pair.trim_start_matches("__Host-");
    assert_eq!(ask("/", planted).text(), "{}");
    assert_eq!(ask("/", &format!("{planted}; {pair}")).text(), ANN);
    let gone = ask("/?end", pair);
    let line = gone.field("Set-Cookie").expect("a cookie");
    assert!(
        line.starts_with("__Host-session=; expires=")
            && line.contains("; path=/")
            && line.contains("; secure")
    );
    assert_eq!(ask("/", pair).text(), "{}");
}
