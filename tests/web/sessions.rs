//! Sessions from request to request: who has which, when one is kept, and what is not.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::cookie::SameSite;
use anthill_http::middleware::{
    CookieKey, MemoryStore, Session, SessionError, SessionKey, SessionStore, Sessions, SessionsBuilder,
    StoredSession, sessions,
};
use anthill_http::websocket::WebSocketOptions;
use anthill_http::{Handler, HttpError, RequestCtx, Server, TimeLimit, timeout};
use anthill_tests::{Gate, background, eventually, logs};

use crate::browser::{Browser, request, server_of};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A store that counts what it is asked for, and fails when it is told to.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) inner: MemoryStore,
    pub(crate) loads: AtomicUsize,
    pub(crate) saves: AtomicUsize,
    pub(crate) deletes: AtomicUsize,
    /// Which of them fails.
    pub(crate) broken: Mutex<&'static str>,
    pub(crate) keys: Mutex<Vec<SessionKey>>,
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(1_000),
            loads: AtomicUsize::new(0),
            saves: AtomicUsize::new(0),
            deletes: AtomicUsize::new(0),
            broken: Mutex::new(""),
            keys: Mutex::default(),
        })
    }

    /// Loads, saves and deletes since this was asked the last time.
    pub(crate) fn asked(&self) -> (usize, usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::SeqCst);
        (take(&self.loads), take(&self.saves), take(&self.deletes))
    }

    fn count(&self, count: &AtomicUsize, name: &str) -> Result<(), Failure> {
        count.fetch_add(1, Ordering::SeqCst);
        let broken = *self.broken.lock().expect("no panic");
        if broken == name { Err("the database at db.internal is gone".into()) } else { Ok(()) }
    }
}

impl SessionStore for Watched {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, Failure> {
        self.count(&self.loads, "load")?;
        self.inner.load(key)
    }

    fn save(&self, key: &SessionKey, session: &StoredSession, over: Option<u64>) -> Result<bool, Failure> {
        self.count(&self.saves, "save")?;
        self.keys.lock().expect("no panic").push(*key);
        self.inner.save(key, session, over)
    }

    fn delete(&self, key: &SessionKey) -> Result<bool, Failure> {
        self.count(&self.deletes, "delete")?;
        self.inner.delete(key)
    }
}

/// Does to the session what the path and the query say, and tells what is in it.
pub(crate) fn tell(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    let steps: Vec<(String, String)> = ctx
        .request
        .query_args()
        .map(|(name, value)| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&name), text(&value.unwrap_or_default()))
        })
        .collect();
    if ctx.path() == "/plain" {
        ctx.set_body("plain");
        return Ok(());
    }
    let session = ctx.session()?;
    for (name, value) in steps {
        match (name.as_str(), value.as_str()) {
            ("renew", _) => session.renew(),
            ("end", _) => session.end(),
            ("take", name) => drop(session.take(name)),
            (name, value) => session.set(name, value),
        }
    }
    let text = shown(session);
    ctx.set_body(text);
    Ok(())
}

fn shown(session: &Session) -> String {
    let values: BTreeMap<&str, &str> =
        session.names().map(|name| (name, session.get(name).expect("it is there"))).collect();
    format!("{values:?}")
}

pub(crate) fn build(sessions: SessionsBuilder) -> Sessions {
    sessions.build().expect("sessions that can be")
}

pub(crate) fn telling(policy: SessionsBuilder) -> Server {
    server_of(sessions(tell, build(policy)))
}

fn key() -> CookieKey {
    CookieKey::generate().expect("random bytes")
}

#[test]
fn who_does_not_ask_for_the_session_pays_nothing() {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    assert_eq!(store.asked(), (0, 1, 0), "a new one is not looked for");
    assert_eq!(browser.cookies.len(), 1);
    let answer = browser.get("/plain");
    assert_eq!((answer.body(), answer.header("set-cookie")), (&b"plain"[..], None));
    assert_eq!((answer.header("vary"), answer.header("cache-control")), (None, None));
    assert_eq!(store.asked(), (0, 0, 0));

    let answer = browser.get("/");
    assert_eq!((answer.body(), answer.header("set-cookie")), (&br#"{"user": "ann"}"#[..], None));
    assert_eq!(
        (answer.header_str("vary"), answer.header_str("cache-control")),
        (Some("Cookie"), Some("private"))
    );
    assert_eq!(store.asked(), (1, 0, 0), "who reads saves nothing");
    browser.get("/?user=ann");
    assert_eq!(store.asked(), (1, 0, 0), "nor who sets what is there");
    browser.get("/?user=bob");
    assert_eq!(store.asked(), (1, 1, 0));

    let mut stranger = Browser::new(&server);
    let answer = stranger.get("/");
    assert_eq!((answer.body(), answer.header("set-cookie")), (&b"{}"[..], None), "an empty one is not kept");
    assert_eq!(store.asked(), (0, 0, 0));
}

#[test]
fn the_cookie_is_for_this_host_alone_and_hidden() {
    let server = telling(Sessions::builder(MemoryStore::new(10)));
    let answer = server.call(&request("GET", "/?a=b")).expect("a response");
    let line = answer.header_str("set-cookie").expect("a cookie");
    let (pair, attributes) = line.split_once("; ").expect("attributes");
    assert_eq!((pair.len(), attributes), ("session=".len() + 43, "path=/; HttpOnly; SameSite=Lax"), "{line}");

    let policy = Sessions::builder(MemoryStore::new(10))
        .cookie_name("sid")
        .path("/shop")
        .domain("example.org")
        .same_site(SameSite::Strict)
        .always_secure(true)
        .idle_timeout(Duration::from_secs(60))
        .outlive_browser(true);
    let answer = telling(policy).call(&request("GET", "/?a=b")).expect("a response");
    let line = answer.header_str("set-cookie").expect("a cookie");
    let (name, attributes) =
        (line.split_once('=').expect("a name").0, line.split_once("; ").expect("attributes").1);
    assert_eq!(name, "__Secure-sid");
    assert_eq!(attributes, "max-age=60; domain=example.org; path=/shop; HttpOnly; secure; SameSite=Strict");
}

#[test]
fn a_store_never_has_what_clients_show() {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    let key = store.keys.lock().expect("no panic")[0];
    let shown = browser.cookies["session"].clone();
    // What is read from the store opens nothing.
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    for stolen in [encode(key.as_bytes()), key.to_string()] {
        assert_ne!(stolen, shown);
        let mut thief = Browser::new(&server);
        thief.cookies.insert("session".to_owned(), stolen);
        assert_eq!(thief.text("/"), "{}");
    }
    let secret = "treasure in the session";
    let session = store.inner.load(&key).expect("a store").expect("a session");
    assert!(!format!("{session:?} {store:?} {key:?}").contains(secret));
}

#[test]
fn a_planted_number_is_worth_nothing() {
    for with_store in [true, false] {
        let policy =
            if with_store { Sessions::builder(MemoryStore::new(10)) } else { Sessions::in_cookies(&key()) };
        let server = telling(policy);
        // One that is made up is not taken.
        let mut victim = Browser::new(&server);
        let made_up = "A".repeat(43);
        victim.cookies.insert("session".to_owned(), made_up.clone());
        victim.get("/?cart=1");
        assert_ne!(victim.cookies["session"], made_up);
        // Nor does it hide the one behind it, when a page of a neighbouring host has planted it.
        let real = victim.cookies["session"].clone();
        let mut both = crate::browser::request("GET", "/");
        both.set_header("Cookie", format!("session={made_up}; session={real}"));
        assert_eq!(server.call(&both).expect("a response").body_str(), Some(r#"{"cart": "1"}"#));
        // One that was given to the attacker is renewed by the login.
        let mut attacker = Browser::new(&server);
        attacker.get("/?cart=2");
        let mut victim = attacker.copy();
        assert_eq!(victim.text("/?renew&user=ann"), r#"{"cart": "2", "user": "ann"}"#);
        assert_ne!(victim.cookies["session"], attacker.cookies["session"]);
        assert_eq!(victim.text("/"), r#"{"cart": "2", "user": "ann"}"#);
        let planted = attacker.text("/");
        assert_eq!(planted, if with_store { "{}" } else { r#"{"cart": "2"}"# });
    }
}

#[test]
fn what_is_ended_is_over_for_all_who_have_its_number() {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    let mut copy = browser.copy();
    store.asked();
    assert_eq!(browser.text("/?end"), "{}");
    assert_eq!(store.asked(), (1, 0, 1));
    assert!(browser.cookies.is_empty(), "the browser has forgotten it");
    assert_eq!(copy.text("/"), "{}");
    assert_eq!(store.inner.len(), 0);
    // What is set behind the end is in another one.
    browser.get("/?user=ann");
    let old = browser.cookies["session"].clone();
    assert_eq!(browser.text("/?end&notice=bye"), r#"{"notice": "bye"}"#);
    assert_ne!(browser.cookies["session"], old);
    assert_eq!(browser.text("/?take=notice"), "{}");
    // Who ends it ends it, whatever else he does to it.
    for steps in ["renew&end", "end&renew"] {
        let mut browser = Browser::new(&server);
        browser.get("/?user=ann");
        let mut copy = browser.copy();
        assert_eq!(browser.text(&format!("/?{steps}")), "{}");
        assert!(browser.cookies.is_empty(), "{steps}");
        assert_eq!(copy.text("/"), "{}", "{steps}");
    }
    assert_eq!(store.inner.len(), 1);

    let server = telling(Sessions::in_cookies(&key()));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    browser.get("/?end");
    assert!(browser.cookies.is_empty());
}

#[test]
fn a_session_is_kept_whatever_is_answered_but_a_panic() {
    let store = Watched::new();
    let handler = |ctx: &mut RequestCtx| -> Result<(), Failure> {
        let path = ctx.path().to_owned();
        ctx.session()?.set("seen", &path);
        match path.as_str() {
            "/error" => return Err(HttpError::new(418, "no").into()),
            "/failure" => return Err("a failure".into()),
            "/panic" => panic!("a bug"),
            "/unchanged" => ctx.not_modified(),
            "/writer" => ctx.response.set_body_writer(|out| out.write_all(b"written")),
            "/reader" => ctx.response.set_body_reader(io::repeat(b'x').take(70_000)),
            "/broken" => ctx.response.set_body_reader(Failing),
            "/public" => ctx.response.set_header("Cache-Control", "public, max-age=60"),
            "/secret" => ctx.response.set_header("Cache-Control", "no-store"),
            _ => ctx.set_body("x"),
        }
        Ok(())
    };
    let server = server_of(sessions(handler, build(Sessions::builder(store.clone()))));
    for (method, path, status, cache) in [
        ("GET", "/error", 418, "private"),
        ("GET", "/failure", 500, "private"),
        ("GET", "/unchanged", 304, "private"),
        ("GET", "/writer", 200, "private"),
        ("GET", "/reader", 200, "private"),
        ("GET", "/broken", 500, "private"),
        ("HEAD", "/", 200, "private"),
        ("HEAD", "/writer", 200, "private"),
        ("GET", "/public", 200, "private"),
        ("GET", "/secret", 200, "no-store"),
    ] {
        let mut browser = Browser::new(&server);
        let answer = browser.send(request(method, path));
        assert_eq!(answer.status_code(), status, "{path}");
        assert_eq!(browser.cookies.len(), 1, "{method} {path} has its cookie");
        assert_eq!(answer.header_str("cache-control"), Some(cache), "{path}");
        assert_eq!(store.asked(), (0, 1, 0), "{method} {path}");
    }
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/panic").status_code(), 500);
    assert_eq!((store.asked(), browser.cookies.len()), ((0, 0, 0), 0), "a panic keeps nothing");
    browser.get("/x");
    store.asked();
    assert_eq!(browser.get("/panic").status_code(), 500);
    assert_eq!((store.asked(), browser.cookies.len()), ((1, 0, 0), 1));
}

/// A body that breaks off.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a broken source"))
    }
}

#[test]
fn a_session_is_saved_before_the_first_byte_of_a_stream() {
    let (store, gate) = (Watched::new(), Gate::new());
    let held = gate.clone();
    let handler = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("user", "ann");
        let held = held.clone();
        ctx.response.set_body_writer(move |out| {
            out.write_all(b"first")?;
            out.flush()?;
            held.pass();
            out.write_all(b"last")
        });
        Ok(())
    };
    let server = server_of(sessions(handler, build(Sessions::builder(store.clone()))));
    let running = server.start("127.0.0.1:0").expect("a free port");
    let mut stream = std::net::TcpStream::connect(running.local_addr()).expect("a server");
    stream.set_read_timeout(Some(anthill_tests::PATIENCE)).expect("an option");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("a server");
    let mut first = Vec::new();
    while !first.windows(5).any(|part| part == b"first") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the first piece");
        first.push(byte[0]);
    }
    assert_eq!(store.asked(), (0, 1, 0), "it is saved while the body is still written");
    assert!(String::from_utf8_lossy(&first).to_ascii_lowercase().contains("set-cookie: session="));
    gate.open();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the end");
    assert!(rest.contains("last"));
}

#[test]
fn a_websocket_can_begin_a_session() {
    let options = WebSocketOptions::default();
    let handler = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("user", "ann");
        ctx.upgrade_websocket(&options, |_| Ok(()));
        Ok(())
    };
    let store = Watched::new();
    let server = server_of(sessions(handler, build(Sessions::builder(store.clone()))));
    let running = server.start("127.0.0.1:0").expect("a free port");
    let ask = || {
        let mut stream = std::net::TcpStream::connect(running.local_addr()).expect("a server");
        stream.set_read_timeout(Some(anthill_tests::PATIENCE)).expect("an option");
        let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("a server");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("text")
    };
    let head = ask();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nSet-Cookie: session="), "{head}");
    assert_eq!(store.asked(), (0, 1, 0));
    // What cannot be kept is no WebSocket.
    *store.broken.lock().expect("no panic") = "save";
    let head = ask();
    assert!(head.starts_with("HTTP/1.1 500 ") && !head.contains("Set-Cookie"), "{head}");
}

#[test]
fn a_store_that_fails_fails_the_request_and_tells_the_log() {
    logs::collect();
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    let before = browser.cookies.clone();
    for (broken, target) in [
        ("save", "/?user=bob"),
        ("load", "/"),
        ("delete", "/?renew"),
        ("delete", "/?end"),
        ("save", "/?end&x=y"),
    ] {
        *store.broken.lock().expect("no panic") = broken;
        let answer = browser.get(target);
        assert_eq!(
            (answer.status_code(), answer.body()),
            (500, &b"Internal Server Error"[..]),
            "{broken} {target}"
        );
        assert_eq!(answer.header("set-cookie"), None, "{broken} {target}");
        assert_eq!(browser.cookies, before);
        assert_eq!(browser.get("/plain").body(), b"plain", "who does not ask does not notice");
    }
    *store.broken.lock().expect("no panic") = "";
    let lines = logs::with(
        "anthill_http::handler",
        "the store of sessions failed: the database at db.internal is gone",
    );
    assert!(lines.len() >= 5, "{lines:?}");
}

#[test]
fn what_cannot_be_kept_is_an_error_whatever_was_to_stand_in_its_place() {
    let store = Watched::new();
    let late = |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("user", "ann");
        ctx.timeout_error("too late");
        Ok(())
    };
    let server = server_of(sessions(late, build(Sessions::builder(store.clone()))));
    let mut browser = Browser::new(&server);
    let answer = browser.get("/");
    assert_eq!((answer.status_code(), answer.body()), (503, &b"too late"[..]));
    assert_eq!((browser.cookies.len(), answer.header_str("vary")), (1, Some("Cookie")), "it was kept");

    *store.broken.lock().expect("no panic") = "save";
    let mut browser = Browser::new(&server);
    let answer = browser.get("/");
    assert_eq!((answer.status_code(), answer.body()), (500, &b"Internal Server Error"[..]));
    assert_eq!(browser.cookies.len(), 0);
}

#[test]
fn what_is_too_large_is_an_error_that_says_so() {
    logs::collect();
    let server = telling(Sessions::in_cookies(&key()));
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get(&format!("/?a={}", "x".repeat(2_900))).status_code(), 200);
    let mut large = browser.copy();
    assert_eq!(large.get(&format!("/?b={}", "x".repeat(200))).status_code(), 500);
    assert_eq!(large.cookies, browser.cookies, "what was there stays");
    let said = logs::with("anthill_http::handler", "keep less in it (a cookie never has more than 4096)");
    assert!(!said.is_empty());

    let server = telling(Sessions::builder(MemoryStore::new(10)).max_bytes(100));
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/?abc=d").status_code(), 200);
    // 17 bytes, and twice 4 beside name and value.
    assert_eq!(browser.get(&format!("/?abc={}", "x".repeat(72))).status_code(), 200);
    assert_eq!(browser.get(&format!("/?abc={}", "x".repeat(73))).status_code(), 500);
    assert_eq!(browser.text("/"), format!("{{\"abc\": \"{}\"}}", "x".repeat(72)));
}

#[test]
fn sessions_in_cookies_are_read_by_nobody_and_bound_to_their_key() {
    let (one, two) = (key(), key());
    let server = telling(Sessions::in_cookies(&one));
    let mut browser = Browser::new(&server);
    browser.get("/?user=ann");
    assert_eq!(browser.text("/"), r#"{"user": "ann"}"#);
    let other = telling(Sessions::in_cookies(&two));
    let rotated = telling(Sessions::in_cookies(&two.accepting(&one)));
    let ask = |server: &Server, text: &str| {
        let mut request = request("GET", "/");
        request.set_cookie("session", text);
        String::from_utf8(server.call(&request).expect("a response").body().to_vec()).expect("text")
    };
    let text = browser.cookies["session"].clone();
    assert_eq!(ask(&other, &text), "{}");
    assert_eq!(ask(&rotated, &text), r#"{"user": "ann"}"#);
    for index in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[index] ^= 1;
        assert_eq!(ask(&server, &String::from_utf8(changed).expect("text")), "{}", "byte {index}");
    }
}

#[test]
fn handlers_without_sessions_are_told_and_two_kinds_do_not_mix() {
    let server = server_of(tell);
    let answer = server.call(&request("GET", "/")).expect("a response");
    assert_eq!(answer.status_code(), 500);

    let inner = sessions(tell, build(Sessions::in_cookies(&key()).cookie_name("inner")));
    let both = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("outer", "1");
        inner.handle(ctx);
        let text = shown(ctx.session()?);
        ctx.append_body(text);
        Ok(())
    };
    let server = server_of(sessions(both, build(Sessions::in_cookies(&key()).cookie_name("outer"))));
    let mut browser = Browser::new(&server);
    assert_eq!(browser.text("/?inner=2"), r#"{"inner": "2"}{"outer": "1"}"#);
    assert_eq!(browser.text("/"), r#"{"inner": "2"}{"outer": "1"}"#);
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["inner", "outer"]);
}

#[test]
fn a_context_from_elsewhere_brings_no_session_of_others() {
    let (theirs, ours) = (Watched::new(), Watched::new());
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let keeping = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("user", "ann");
        *keep.lock().expect("no panic") = Some(std::mem::take(ctx));
        Ok(())
    };
    let keeping = sessions(keeping, build(Sessions::builder(theirs.clone())));
    keeping.handle(&mut RequestCtx::for_request(request("GET", "/"), None));
    let exchanging = move |ctx: &mut RequestCtx| {
        *ctx = kept.lock().expect("no panic").take().expect("it was kept");
    };
    let exchanging = sessions(exchanging, build(Sessions::builder(ours.clone())));
    let mut ctx = RequestCtx::for_request(request("GET", "/"), None);
    exchanging.handle(&mut ctx);
    assert_eq!((theirs.asked(), ours.asked()), ((0, 0, 0), (0, 0, 0)));
    assert_eq!(ctx.response.header("set-cookie"), None);
}

#[test]
fn a_handler_that_is_not_waited_for_keeps_nothing() {
    let (store, gate) = (Watched::new(), Gate::new());
    let held = gate.clone();
    let slow = move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        ctx.session()?.set("user", "ann");
        if ctx.path() == "/slow" {
            held.pass();
        }
        Ok(())
    };
    let timed = timeout(slow, TimeLimit::new(Duration::from_millis(50)));
    let server = server_of(sessions(timed, build(Sessions::builder(store.clone()))));
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/slow").status_code(), 503);
    assert_eq!((store.asked(), browser.cookies.len()), ((0, 0, 0), 0));
    gate.open();
    // One that comes in time has its session, on whatever thread; a machine that stands still may need some tries.
    eventually("a handler comes in time", || {
        let mut browser = Browser::new(&server);
        browser.get("/quick").status_code() == 200 && browser.cookies.len() == 1
    });
}

#[test]
fn values_are_of_any_type_by_json() -> Result<(), SessionError> {
    #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Cart {
        items: Vec<(u32, String)>,
    }
    let handler = |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        let session = ctx.session()?;
        let mut cart: Cart = session.get_json("cart").unwrap_or_default();
        cart.items.push((7, "ants".to_owned()));
        session.set_json("cart", &cart)?;
        assert_eq!(session.get_json::<u8>("cart"), None, "of another type");
        let text = session.get("cart").unwrap_or_default().to_owned();
        ctx.set_body(text);
        Ok(())
    };
    let server = server_of(sessions(handler, build(Sessions::in_cookies(&key()))));
    let mut browser = Browser::new(&server);
    browser.get("/");
    assert_eq!(browser.text("/"), r#"{"items":[[7,"ants"],[7,"ants"]]}"#);
    Ok(())
}

#[test]
fn many_who_come_at_once_have_sessions_of_their_own() {
    let store = Watched::new();
    let server = telling(Sessions::builder(store.clone()));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let server = server.clone();
            background(move || {
                for round in 0..25 {
                    let mut browser = Browser::new(&server);
                    browser.get(&format!("/?user={number}-{round}"));
                    assert_eq!(browser.text("/"), format!("{{\"user\": \"{number}-{round}\"}}"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.outcome("a thread of browsers");
    }
    let mut keys = store.keys.lock().expect("no panic").clone();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 200);
}
