//! An application of the usual parts, tested as its author would: logins, uploads, slow clients, torn bodies, sockets,
//! events, and whatever expires.

use crate::{assert_in_order, failure};
use anthill_http::client::{MultipartForm, SendBody, WebSocketConnectError};
use anthill_http::events::{Event, EventHub};
use anthill_http::middleware::{MemoryStore, RateLimit, SessionError, Sessions, rate_limit, sessions};
use anthill_http::testing::{Faults, TestClient, TestServer};
use anthill_http::websocket::{Message, WebSocketOptions};
use anthill_http::{HttpError, RequestConfig, RequestCtx, Router, Server};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Album {
    photos: Mutex<BTreeMap<String, Vec<u8>>>,
    news: EventHub,
}

fn login(ctx: &mut RequestCtx, _: &Album) -> Result<(), Failure> {
    let name = ctx.form_value_str("name").map(|name| name.into_owned());
    let password = ctx.form_value_str("password").map(|password| password.into_owned());
    match (name, password.as_deref()) {
        (Some(name), Some("six legs")) => {
            let session = ctx.session()?;
            session.renew();
            session.set("user", name);
            ctx.redirect("/photos", 303);
            Ok(())
        }
        _ => Err(HttpError::new(401, "wrong name or password").into()),
    }
}

fn user(ctx: &mut RequestCtx) -> Result<String, Failure> {
    let user =
        ctx.session().map_err(|error: SessionError| Failure::from(error))?.get("user").map(str::to_owned);
    Ok(user.ok_or(HttpError::new(401, "log in first"))?)
}

fn list(ctx: &mut RequestCtx, album: &Album) -> Result<(), Failure> {
    let user = user(ctx)?;
    let names: Vec<_> = album.photos.lock().expect("no panic").keys().cloned().collect();
    ctx.send_json(&serde_json::json!({"user": user, "photos": names}));
    Ok(())
}

/// Keeps what has come whole, and nothing else.
fn put(ctx: &mut RequestCtx, album: &Album) -> Result<(), Failure> {
    user(ctx)?;
    let name = ctx.param("name").unwrap_or_default().to_owned();
    let mut photo = Vec::new();
    ctx.body_reader().read_to_end(&mut photo)?;
    album.photos.lock().expect("no panic").insert(name.clone(), photo);
    let _ = album.news.send(Event::data(name).event("photo"));
    ctx.set_status_code(201);
    Ok(())
}

fn upload(ctx: &mut RequestCtx, album: &Album) -> Result<(), Failure> {
    user(ctx)?;
    let file = ctx.form_file("photo")?;
    let (name, photo) = (file.file_name().to_owned(), file.bytes().unwrap_or_default().to_vec());
    album.photos.lock().expect("no panic").insert(name, photo);
    ctx.redirect("/photos", 303);
    Ok(())
}

fn get(ctx: &mut RequestCtx, album: &Album) -> Result<(), Failure> {
    let photos = album.photos.lock().expect("no panic");
    let photo =
        photos.get(ctx.param("name").unwrap_or_default()).ok_or(HttpError::new(404, "no such photo"))?;
    ctx.success("image/png", photo);
    Ok(())
}

fn news(ctx: &mut RequestCtx, album: &Album) {
    ctx.set_event_stream(album.news.subscribe());
}

fn chat(ctx: &mut RequestCtx, _: &Album) -> Result<(), Failure> {
    let user = user(ctx)?;
    ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket| {
        while let Some(message) = socket.read()? {
            socket.send(format!("{user}: {}", message.as_text().unwrap_or_default()))?;
        }
        Ok(())
    });
    Ok(())
}

fn app() -> TestServer {
    let kept =
        Sessions::builder(MemoryStore::new(100)).idle_timeout(30 * MINUTE).absolute_timeout(120 * MINUTE);
    let kept = kept.build().expect("a policy");
    let attempts = RateLimit::builder().requests(3).per(MINUTE).build().expect("a policy");
    let streamed = RequestConfig::new().stream_request_body(true);
    let router = Router::with(Album::default())
        .wrap(|next| sessions(next, kept))
        .route(anthill_http::router::Route::put("/photos/{name}", put).config(streamed))
        .get("/photos", list)
        .get("/photos/{name}", get)
        .post("/photos", upload)
        .get("/news", news)
        .get("/chat", chat)
        .group(|group| group.wrap(|next| rate_limit(next, attempts)).post("/login", login));
    let options = Server::builder().shards(1).body_read_ahead(None).max_request_body_size(100_000);
    TestServer::router_with(options, router)
}

fn logged_in(server: &TestServer, name: &str) -> TestClient {
    let client = server.client().keep_cookies().follow_redirects(1);
    let page = client.post("/login").form([("name", name), ("password", "six legs")]).send();
    page.assert_status(200).assert_json(&serde_json::json!({"user": name, "photos": []}));
    client
}

#[test]
fn who_is_logged_in_is_told_from_others_until_that_expires() {
    let server = app();
    server.get("/photos").send().assert_status(401);
    let (ann, bob) = (logged_in(&server, "ann"), logged_in(&server, "bob"));
    for _ in 0..3 {
        server.clock().advance(29 * MINUTE);
        ann.get("/photos").send().assert_body_contains("ann");
    }
    bob.get("/photos").send().assert_status(401);
    for _ in 0..2 {
        server.clock().advance(20 * MINUTE);
    }
    ann.get("/photos").send().assert_status(401);
}

#[test]
fn attempts_begin_anew_with_time() {
    let server = app();
    let from = |host: u8| server.client().from_addr(([192, 0, 2, host], 1));
    let attempt =
        |client: &TestClient| client.post("/login").form([("name", "ann"), ("password", "?")]).send();
    let mallory = from(1);
    for _ in 0..3 {
        attempt(&mallory).assert_status(401);
    }
    attempt(&mallory).assert_status(429);
    attempt(&from(2)).assert_status(401);
    server.clock().advance(MINUTE);
    attempt(&mallory).assert_status(401);
}

#[test]
fn uploads_are_kept_when_they_are_whole() {
    let server = app();
    let ann = logged_in(&server, "ann");
    let photo = vec![7; 60_000];
    ann.put("/photos/ants.png").body(photo.clone()).send().assert_status(201);
    ann.put("/photos/streamed.png").send_body(SendBody::new(&*photo)).send().assert_status(201);
    let form = MultipartForm::new().file("photo", "form.png", "image/png", &b"six legs"[..], None);
    ann.post("/photos").multipart(form).send().assert_body_contains("form.png");
    ann.get("/photos/ants.png").send().assert_body(&photo).assert_header("Content-Type", "image/png");
    ann.post("/photos").body(vec![7; 100_001]).send().assert_status(413);
    // One that breaks off, at whatever place; the head has some 200 bytes.
    for bytes in [300, 5_000, 60_000] {
        let cut = ann.clone().faults(Faults::new().break_after_sent(bytes));
        cut.put("/photos/cut.png").body(photo.clone()).try_send().expect_err("it is cut off");
    }
    // One that ends in the middle, and one that comes in pieces, over a connection of its own.
    let cookies = String::from_utf8(ann.cookie_header("/photos").expect("she is logged in")).expect("text");
    let head = format!(
        "PUT /photos/half.png HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\nContent-Length: 8\r\n\r\n"
    );
    server.connect().send(&head).send("six").half_close().read_response().assert_status(400);
    server
        .connect()
        .send(head.replace("half", "torn"))
        .send_torn("six legs", [1])
        .read_response()
        .assert_status(201);
    anthill_tests::eventually("none is under way", || server.server().requests_in_flight().is_empty());
    ann.get("/photos").send().assert_json(&serde_json::json!({
        "user": "ann", "photos": ["ants.png", "form.png", "streamed.png", "torn.png"]
    }));
}

#[test]
fn a_slow_client_is_waited_for_and_a_silent_one_given_up() {
    let server = app();
    let ann = logged_in(&server, "ann");
    let cookies = String::from_utf8(ann.cookie_header("/photos").expect("she is logged in")).expect("text");
    let head = |method_and_path: &str| {
        format!(
            "{method_and_path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\nContent-Length: 5000\r\n\r\n"
        )
    };
    let mut slow = server.connect();
    slow.send(head("PUT /photos/slow.png")).send_slowly([7; 5000], 1000, Duration::from_secs(1));
    slow.read_response().assert_status(201);
    let mut silent = server.connect();
    silent.send(head("POST /photos")).send([7; 1000]);
    server.clock().advance(2 * MINUTE);
    silent.read_response().assert_status(408);
    silent.assert_closed();
    ann.get("/photos").send().assert_json(&serde_json::json!({"user": "ann", "photos": ["slow.png"]}));
}

#[test]
fn news_come_to_all_who_listen() {
    let server = app();
    let (ann, mut heard) = (logged_in(&server, "ann"), server.get("/news").send());
    for name in ["a", "b"] {
        ann.put(&format!("/photos/{name}")).body(name).send().assert_status(201);
        let event = heard.events().next().expect("an event");
        assert_eq!((event.name(), event.data()), ("photo", name));
    }
    // Nothing more comes: that is told in time.
    let mut short = server.get("/news").timeout(Duration::from_millis(100)).send();
    let message = failure(|| short.events().next());
    assert_in_order(&message, &["the next event cannot be had", "> GET /news"]);
}

#[test]
fn who_may_not_speak_is_told_why() {
    let server = app();
    let refused = server.websocket("/chat").connect().expect_err("nobody is logged in");
    assert!(matches!(&refused, WebSocketConnectError::Refused(response) if response.status_code() == 401));
    assert!(refused.to_string().contains("401") && format!("{refused:?}").contains("401"), "{refused:?}");
    let ann = logged_in(&server, "ann");
    let mut socket = ann.websocket("/chat").connect().expect("she is logged in");
    socket.send("hello").expect("it is open");
    assert_eq!(socket.read().expect("an answer"), Some(Message::from("ann: hello")));
}

#[test]
fn what_fails_says_what_was_asked_and_what_came() {
    let server = app();
    let ann = logged_in(&server, "ann");
    let message =
        failure(|| ann.get("/photos").send().assert_json(&serde_json::json!({"user": "bob"})).status_code());
    assert_in_order(
        &message,
        &[
            "expected other JSON",
            "at $.user: expected \"bob\", found \"ann\"",
            "at $.photos: expected nothing, found []",
            "> GET /photos",
            "< HTTP/1.1 200 OK",
        ],
    );
    let message = failure(|| server.get("/photos").send().assert_success().status_code());
    assert_in_order(&message, &["expected a success, found 401 (Unauthorized)", "< log in first"]);
    let message =
        failure(|| ann.get("/photos/none").send().assert_header("Content-Type", "image/png").status_code());
    assert_in_order(
        &message,
        &["Content-Type: image/png, found text/plain", "< HTTP/1.1 404", "< no such photo"],
    );
}
