//! Stores of sessions: bounds of the one in memory, and what becomes of requests that run at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::middleware::{
    CookieKey, MemoryStore, SessionError, SessionKey, SessionStore, Sessions, StoredSession, sessions,
};
use anthill_http::{RequestCtx, Server};
use anthill_tests::{Gate, LONG_PATIENCE, background, eventually};

use crate::browser::{Browser, request, server_of};
use crate::sessions::{Watched, build, telling};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Keys as sessions have them.
fn keys(count: usize) -> Vec<SessionKey> {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    for _ in 0..count {
        server.call(&request("GET", "/?a=b")).expect("a response");
    }
    let keys = store.keys.lock().expect("no panic").clone();
    assert_eq!(keys.len(), count);
    keys
}

fn stored(bytes: usize, saved: u64, expires: u64) -> StoredSession {
    StoredSession { data: vec![0; bytes], version: 0, saved: at(saved), expires: at(expires) }
}

#[test]
fn what_was_used_longest_ago_goes_first() -> Result<(), Failure> {
    let keys = keys(5);
    let store = MemoryStore::new(3);
    for key in &keys[..3] {
        assert!(store.save(key, &stored(1, 0, 100), None)?);
    }
    assert!(store.load(&keys[0])?.is_some(), "used");
    assert!(store.save(&keys[3], &stored(1, 0, 100), None)?);
    let there: Vec<bool> =
        keys.iter().map(|key| store.load(key).is_ok_and(|found| found.is_some())).collect();
    assert_eq!(there, [true, false, true, true, false]);
    assert_eq!((store.len(), store.bytes()), (3, 3 * 257));
    // By bytes as well.
    let store = MemoryStore::new(100).max_bytes(2_000);
    for key in &keys {
        assert!(store.save(key, &stored(500, 0, 100), None)?);
        assert!(store.bytes() <= 2_000);
    }
    assert_eq!(store.len(), 2);
    assert!(store.save(&keys[4], &stored(100, 0, 100), Some(0))?);
    assert_eq!(store.bytes(), 756 + 356);
    // What alone is above the bound is not kept.
    assert!(store.save(&keys[0], &stored(5_000, 0, 100), None)?);
    assert_eq!((store.len(), store.bytes()), (0, 0));
    store.save(&keys[0], &stored(1, 0, 100), None)?;
    store.clear();
    assert!(store.is_empty() && store.load(&keys[0])?.is_none());
    assert!(!store.delete(&keys[0])?);
    Ok(())
}

#[test]
fn nothing_is_saved_over_what_is_not_there() -> Result<(), Failure> {
    let keys = keys(1);
    let store = MemoryStore::new(3);
    let session = |version| StoredSession { version, ..stored(1, 0, 100) };
    assert!(!store.save(&keys[0], &session(1), Some(0))?);
    assert!(store.save(&keys[0], &session(0), None)?);
    assert!(!store.save(&keys[0], &session(0), None)?);
    assert!(!store.save(&keys[0], &session(2), Some(1))?);
    assert!(store.save(&keys[0], &session(1), Some(0))?);
    assert!(!store.save(&keys[0], &session(1), Some(0))?, "the second of two");
    assert!(store.delete(&keys[0])?);
    assert!(!store.save(&keys[0], &session(2), Some(1))?, "what was deleted stays so");
    assert!(store.is_empty());
    Ok(())
}

#[test]
fn what_is_over_goes_without_being_asked_for() -> Result<(), Failure> {
    let keys = keys(40);
    let store = MemoryStore::new(100);
    for key in &keys[..30] {
        store.save(key, &stored(1, 0, 100), None)?;
    }
    for (number, key) in keys[30..].iter().enumerate() {
        store.save(key, &stored(1, 100, 200), None)?;
        // Each brings one, and lets two go.
        assert_eq!(store.len(), 30 - (number + 1), "{number}");
    }
    Ok(())
}

#[test]
fn a_hundred_thousand_strangers_take_no_more_than_the_bound() {
    let store = Arc::new(MemoryStore::new(10_000).max_bytes(4_000_000));
    let counter = Arc::new(AtomicU64::new(0));
    let count = counter.clone();
    let handler = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        let session = ctx.session()?;
        if session.is_new() {
            session.set("visitor", count.fetch_add(1, Ordering::SeqCst).to_string());
        }
        let text = session.get("visitor").unwrap_or_default().to_owned();
        ctx.set_body(text);
        Ok(())
    };
    let server = server_of(sessions(handler, build(Sessions::builder(store.clone()))));
    let mut regular = Browser::new(&server);
    let first = regular.text("/");
    for _ in 0..20 {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let server = server.clone();
                background(move || {
                    for _ in 0..2_500 {
                        server.call(&request("GET", "/")).expect("a response");
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.outcome_within(LONG_PATIENCE, "strangers");
        }
        assert!(store.len() <= 10_000 && store.bytes() <= 4_000_000);
        assert_eq!(regular.text("/"), first, "whoever is there keeps his session, however many others come");
    }
    assert_eq!((store.len(), counter.load(Ordering::SeqCst)), (10_000, 100_001));
}

/// A server whose handler waits between looking at the session and changing it, where the query says so.
fn held(store: impl SessionStore, gate: &Gate, arrived: &Arc<AtomicU64>) -> Server {
    let (gate, arrived) = (gate.clone(), arrived.clone());
    let handler = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        let query = ctx.request.query_str().to_owned();
        let waits = ctx.path() == "/wait";
        ctx.session()?;
        if waits {
            arrived.fetch_add(1, Ordering::SeqCst);
            gate.pass();
        }
        let session = ctx.session()?;
        for step in query.split('&').filter(|step| !step.is_empty()) {
            match step.split_once('=') {
                Some(("take", name)) => drop(session.take(name)),
                Some((name, value)) => session.set(name, value),
                None if step == "end" => session.end(),
                None if step == "token" => drop(session.csrf_token()?),
                None => session.renew(),
            }
        }
        let names = session.names().map(|name| format!("{name}={}", session.get(name).unwrap_or_default()));
        let text = names.collect::<Vec<_>>().join("&");
        ctx.set_body(text);
        Ok(())
    };
    server_of(sessions(handler, build(Sessions::builder(store))))
}

#[test]
fn requests_that_run_at_once_change_what_each_has_changed() {
    for (meanwhile, held_back, expected) in [
        ("b=2", "c=3", "a=1&b=2&c=3&z=0"),
        ("a=2", "c=3", "a=2&c=3&z=0"),
        ("a=2", "a=3", "a=3&z=0"),
        ("take=a", "c=3", "c=3&z=0"),
        ("a=2", "take=a", "z=0"),
        ("take=a", "take=z", ""),
        ("b=2", "", "a=1&b=2&z=0"),
        // What was ended or renewed by somebody else is not brought back.
        ("end", "c=3", ""),
        ("end", "renew", ""),
        ("end", "end", ""),
        ("end", "", ""),
        ("renew", "c=3", ""),
        ("renew", "end", ""),
        ("b=2", "end", ""),
    ] {
        let (store, gate, arrived) = (Watched::new(), Gate::new(), Arc::new(AtomicU64::new(0)));
        let server = held(store.clone(), &gate, &arrived);
        let mut browser = Browser::new(&server);
        browser.get("/?a=1&z=0");
        let (other, cookies) = (server.clone(), browser.cookies.clone());
        let target = format!("/wait?{held_back}");
        let waiting = background(move || {
            let mut browser = Browser::new(&other);
            browser.cookies = cookies;
            assert_eq!(browser.get(&target).status_code(), 200);
            browser.cookies
        });
        eventually("the other one has its session", || arrived.load(Ordering::SeqCst) == 1);
        let before = browser.copy();
        browser.get(&format!("/?{meanwhile}"));
        gate.open();
        let cookies = waiting.outcome("the request that was held back");
        let mut old = before;
        assert_eq!(old.text("/"), expected, "{meanwhile}, {held_back}");
        if meanwhile == "renew" {
            assert_eq!(browser.text("/"), "a=1&z=0", "the renewed one is as it was");
        }
        if held_back != "end" {
            // Nobody is given a cookie that would take the place of the other one's.
            assert_eq!(cookies, old.cookies, "{meanwhile}, {held_back}");
        }
    }
}

/// What a request that was held back, and renews the session, is answered, when `meanwhile` was done to the session by
/// another one; and what its client then finds.
fn renewed_behind(meanwhile: &str, held_back: &str) -> (String, String) {
    let (store, gate, arrived) = (Watched::new(), Gate::new(), Arc::new(AtomicU64::new(0)));
    let server = held(store.clone(), &gate, &arrived);
    let mut browser = Browser::new(&server);
    browser.get("/?a=1&z=0");
    let (other, cookies) = (server.clone(), browser.cookies.clone());
    let target = format!("/wait?{held_back}");
    let waiting = background(move || {
        let mut browser = Browser::new(&other);
        browser.cookies = cookies;
        (browser.text(&target), browser.cookies)
    });
    eventually("the other one has its session", || arrived.load(Ordering::SeqCst) == 1);
    let mut old = browser.copy();
    browser.get(&format!("/?{meanwhile}"));
    gate.open();
    let (answer, cookies) = waiting.outcome("the request that was held back");
    assert_eq!(old.text("/"), "", "{meanwhile}, {held_back}: the old number is worth nothing");
    browser.cookies = cookies;
    (answer, browser.text("/"))
}

#[test]
fn a_renewed_session_has_what_others_have_saved_meanwhile() {
    for (meanwhile, held_back, expected) in [
        ("b=2", "renew", "a=1&b=2&z=0"),
        ("a=2&b=2", "renew&c=3", "a=2&b=2&c=3&z=0"),
        ("a=2", "renew&a=3", "a=3&z=0"),
        ("a=2", "a=3&renew", "a=3&z=0"),
        ("take=a", "renew&c=3", "c=3&z=0"),
        ("a=2", "renew&take=a", "z=0"),
        // Nothing was saved.
        ("", "renew&c=3", "a=1&c=3&z=0"),
        ("end", "renew&c=3", ""),
    ] {
        let (_, found) = renewed_behind(meanwhile, held_back);
        assert_eq!(found, expected, "{meanwhile}, {held_back}");
    }
}

#[test]
fn a_renewed_session_has_no_secret_of_before_whoever_has_made_it() {
    let secret = |text: &str| {
        let found = text.split('&').find_map(|pair| pair.strip_prefix("anthill.csrf="));
        found.map(str::to_owned)
    };
    // Somebody else has made one while this one had none to forget.
    let (answer, found) = renewed_behind("token", "renew");
    assert_eq!((secret(&answer), secret(&found)), (None, None));
    // One that was made behind the renewal is new, and stays in the place of the other's.
    let (answer, found) = renewed_behind("token", "renew&token");
    assert!(secret(&answer).is_some());
    assert_eq!(secret(&answer), secret(&found));
}

#[test]
fn of_many_changes_at_once_none_is_lost() {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let mut browser = Browser::new(&server);
    browser.get("/?begun=yes");
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (server, cookies, start) = (server.clone(), browser.cookies.clone(), start.clone());
            background(move || {
                start.wait();
                for round in 0..20 {
                    let mut browser = Browser::new(&server);
                    browser.cookies = cookies.clone();
                    assert_eq!(browser.get(&format!("/?t{thread}r{round}=x")).status_code(), 200);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.outcome("a thread of changes");
    }
    assert_eq!(browser.text("/").matches("\"x\"").count(), 160);
}

/// A store in which somebody else is always the first to save.
struct Hasty(Mutex<Option<StoredSession>>);

impl SessionStore for Hasty {
    fn load(&self, _: &SessionKey) -> Result<Option<StoredSession>, Failure> {
        Ok(self.0.lock().expect("no panic").clone())
    }

    fn save(&self, _: &SessionKey, session: &StoredSession, over: Option<u64>) -> Result<bool, Failure> {
        let mut kept = self.0.lock().expect("no panic");
        match (&mut *kept, over) {
            (Some(there), Some(_)) => there.version += 1,
            (kept, _) => *kept = Some(session.clone()),
        }
        Ok(over.is_none())
    }

    fn delete(&self, _: &SessionKey) -> Result<bool, Failure> {
        Ok(self.0.lock().expect("no panic").take().is_some())
    }
}

#[test]
fn who_never_comes_through_gives_up() {
    let server = telling(Sessions::builder(Hasty(Mutex::new(None))));
    let mut browser = Browser::new(&server);
    browser.get("/?a=1");
    assert_eq!(browser.get("/?b=2").status_code(), 500);
    assert_eq!(browser.text("/"), r#"{"a": "1"}"#);
}

#[test]
fn what_is_damaged_in_a_store_is_no_session() {
    for data in [&b""[..], b"\x01", b"\x02 of a later version", &[1; 40], &[0xff; 40]] {
        let store = Arc::new(Hasty(Mutex::new(None)));
        let server = telling(Sessions::builder(store.clone()));
        let mut browser = Browser::new(&server);
        browser.get("/?a=1");
        store.0.lock().expect("no panic").as_mut().expect("a session").data = data.to_vec();
        assert_eq!(browser.text("/"), "{}");
    }
}

#[test]
fn of_two_cookies_that_are_sessions_the_last_answer_stays() {
    let key = CookieKey::generate().expect("random bytes");
    let server = telling(Sessions::in_cookies(&key));
    let mut browser = Browser::new(&server);
    browser.get("/?a=1");
    let mut other = browser.copy();
    browser.get("/?b=2");
    other.get("/?c=3");
    browser.cookies = other.cookies.clone();
    assert_eq!(browser.text("/"), r#"{"a": "1", "c": "3"}"#);
}
