//! Who knows the route: records, and the engine.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_http::{RequestCtx, Router};
use anthill_tests::client::post;
use anthill_tests::server::plain;
use anthill_tests::{comes_true, eventually};

use crate::{serving_with, tell};

#[test]
fn records_have_the_route_as_it_was_written() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let running = serving_with(
        plain().on_complete(move |done| {
            told.lock().expect("no panic").push((done.status(), done.route(), done.path().to_owned()));
        }),
        Router::new()
            .nest("/api", |api| api.get("/users/{id}", tell))
            .mount("/files", tell)
            .host("a.org", |a| a.get("/x", tell)),
    );
    let mut client = running.client();
    client.get("/api/users/7");
    client.exchange(post("/api/users/8", ""));
    client.get("/none");
    client.get("/files/a/b");
    client.get("/files");
    client.exchange("GET /x HTTP/1.1\r\nHost: A.org\r\n\r\n");
    let expected = [
        (200, Some("/api/users/{id}"), "/api/users/7"),
        (405, Some("/api/users/{id}"), "/api/users/8"),
        (404, None, "/none"),
        (200, Some("/files/{*rest}"), "/files/a/b"),
        (200, Some("/files/{*rest}"), "/files"),
        (200, Some("a.org/x"), "/x"),
    ];
    eventually("all are told", || seen.lock().expect("no panic").len() >= expected.len());
    let seen = seen.lock().expect("no panic");
    let seen: Vec<_> = seen.iter().map(|(status, route, path)| (*status, *route, path.as_str())).collect();
    assert_eq!(seen, expected);
}

/// The first two segments of both are the same, and that of each that blocks is another path. Something else may have
/// the CPU, so that what is quick seems slow for once; then it is tried again.
#[test]
fn the_engine_learns_by_routes_which_handlers_block() {
    let tried = comes_true(|| {
        let running = serving_with(
            plain().shards(1),
            Router::new().nest("/api/v1", |api| {
                api.get("/quick", tell).get("/{id}/slow", |ctx: &mut RequestCtx| {
                    thread::sleep(Duration::from_millis(20));
                    tell(ctx);
                })
            }),
        );
        let mut client = running.client();
        let dispatched = || running.server().stats().dispatched_requests;
        for number in 0..6 {
            client.get(&format!("/api/v1/{number}/slow"));
        }
        let slow = dispatched();
        for _ in 0..60 {
            client.get("/api/v1/quick");
        }
        client.get("/api/v1/again/slow");
        // The first of them may have been a surprise, and the last of those is counted behind a turn.
        slow >= 3 && dispatched() - slow < 20
    });
    assert!(tried, "what is quick is handed over because something else is slow, or what is slow is not");
}
