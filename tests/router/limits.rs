//! Limits, timeouts and streaming of single routes.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::router::Route;
use anthill_http::{RequestConfig, RequestCtx, Router};
use anthill_tests::client::post;
use anthill_tests::server::plain;
use anthill_tests::{Gate, eventually};

use crate::{serving_with, tell};

fn count(ctx: &mut RequestCtx) -> io::Result<()> {
    let bytes = io::copy(&mut ctx.body_reader(), &mut io::sink())?;
    ctx.set_body(bytes.to_string());
    Ok(())
}

#[test]
fn a_route_has_limits_of_its_own() {
    let none = RequestConfig::new().max_request_body_size(None).stream_request_body(true);
    let running = serving_with(
        plain().max_request_body_size(10).header_received(|request| match request.path() {
            "/small" | "/hooked" => RequestConfig::new().max_request_body_size(3),
            _ => RequestConfig::new(),
        }),
        Router::new()
            .post("/plain", tell)
            .post("/hooked", tell)
            .route(Route::post("/files/{name}", count).config(none))
            .nest("/group", |group| {
                let config = RequestConfig::new().max_request_body_size(20);
                let small = RequestConfig::new().max_request_body_size(5);
                group.config(config).post("/a", tell).route(Route::post("/b", tell).config(small))
            })
            .route(Route::post("/small", tell).config(RequestConfig::new().max_request_body_size(6))),
    );
    for (target, most) in [
        ("/plain", 10),
        ("/hooked", 3),
        ("/group/a", 20),
        ("/group/b", 5),
        ("/small", 6),
        ("/none", 10),
        ("/group/none", 20),
    ] {
        let status = |length: usize| running.client().exchange(post(target, &"x".repeat(length))).status;
        let expected = if target.ends_with("none") { 404 } else { 200 };
        assert_eq!((status(most), status(most + 1)), (expected, 413), "{target}");
    }
    let large = "x".repeat(100_000);
    let mut client = running.client();
    assert_eq!(client.exchange(post("/files/a%20b", &large)).text(), "100000");
    // The limit of one request is none of the next, on the same connection.
    client.send(post("/files/a", &large) + &post("/plain", "12345678901"));
    assert_eq!((client.response().text(), client.response().status), ("100000", 413));
}

#[test]
fn who_waits_to_be_asked_for_the_body_hears_of_the_routes_limit() {
    let config = RequestConfig::new().max_request_body_size(5);
    let running =
        serving_with(plain(), Router::new().route(Route::put("/{a}", tell).config(config)).put("/b/c", tell));
    let ask = |target: &str| {
        let mut client = running.client();
        client.send(format!(
            "PUT {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n"
        ));
        let first = client.response().status;
        if first == 100 {
            client.send("123456");
            return (first, client.response().status);
        }
        (first, first)
    };
    assert_eq!(ask("/x"), (413, 413));
    assert_eq!(ask("/b/c"), (100, 200));
}

#[test]
fn a_routes_handler_is_waited_for_as_long_as_it_says() {
    let gate = Gate::new();
    let (held, waits) = (gate.clone(), gate.clone());
    let short = RequestConfig::new().handler_timeout(Duration::from_millis(20));
    let given_up = Arc::new(Mutex::new(Vec::new()));
    let told = given_up.clone();
    let running = serving_with(
        plain().on_complete(move |done| {
            if done.status() == 503 {
                told.lock().expect("no panic").push(done.route());
            }
        }),
        Router::new()
            .route(Route::get("/slow/{id}", move |_: &mut RequestCtx| held.pass()).config(short))
            .get("/patient/{id}", move |ctx: &mut RequestCtx| {
                waits.pass();
                tell(ctx);
            }),
    );
    let mut client = running.client();
    assert_eq!(client.get("/slow/1").status, 503);
    // What runs on a thread of its own knows its route, too.
    let (mut patient, mut quick) = (running.client(), running.client());
    patient.send("GET /patient/2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(quick.get("/slow/3").status, 503);
    gate.open();
    assert_eq!(patient.response().text(), "GET /patient/{id} id=\"2\"");
    eventually("both are told", || given_up.lock().expect("no panic").len() == 2);
    assert_eq!(*given_up.lock().expect("no panic"), [Some("/slow/{id}"); 2]);
}

#[test]
fn a_handler_on_a_thread_of_its_own_has_its_parameters() {
    let running =
        serving_with(plain().handler_timeout(Duration::from_secs(30)), Router::new().get("/{a}/{b}", tell));
    let mut client = running.client();
    assert_eq!(client.get("/1/2").text(), "GET /{a}/{b} a=\"1\" b=\"2\"");
    assert_eq!(client.get("/3").status, 404);
}
