//! Routes in hard states: pipelined, panicking, streamed, within wrappers, under load.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anthill_http::{Handler, HttpError, RequestCtx, Router};
use anthill_tests::client::{get, post};
use anthill_tests::planned_panic;
use anthill_tests::server::plain;

use crate::{serving, serving_with, tell};

/// Adds what it is called, and the status, to a field, when what it is around has come to its end.
fn noted(name: &'static str) -> impl FnOnce(Arc<dyn Handler>) -> Box<dyn Handler> {
    move |next| {
        Box::new(move |ctx: &mut RequestCtx| {
            next.handle(ctx);
            let note = format!("{name} {} {}", ctx.response.status_code(), ctx.route().unwrap_or("-"));
            ctx.response.append_header("X-Note", note);
        })
    }
}

fn panics(_: &mut RequestCtx) {
    planned_panic();
}

#[test]
fn pipelined_requests_have_nothing_of_one_another() {
    let running = serving(Router::new().get("/{a}/{b}", tell).post("/{c}", tell).get("/panic", panics));
    let mut client = running.client();
    let mut sent = String::new();
    for number in 0..200 {
        sent += &get(&format!("/{number}/x-{number}"));
        sent += &post(&format!("/post-{number}"), "body");
        sent += &get("/none/at/all");
        sent += &get("/panic");
        sent += "PUT /1/2 HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    let writer = thread::spawn({
        let stream = client.stream().try_clone().expect("a second handle");
        move || (&stream).write_all(sent.as_bytes()).expect("a server that takes it")
    });
    for number in 0..200 {
        assert_eq!(client.response().text(), format!("GET /{{a}}/{{b}} a=\"{number}\" b=\"x-{number}\""));
        assert_eq!(client.response().text(), format!("POST /{{c}} c=\"post-{number}\""));
        assert_eq!([client.response().status, client.response().status], [404, 500]);
        let refused = client.response();
        assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
    writer.join().expect("it has written all");
}

#[test]
fn wrappers_see_what_is_sent_in_their_order_whatever_happens_inside() {
    let running = serving(
        Router::new()
            .wrap(noted("outer"))
            .get("/panic", panics)
            .get("/error", |_: &mut RequestCtx| Err::<(), _>(HttpError::new(418, "short and stout")))
            .group(|group| {
                group.wrap(noted("first")).wrap(noted("second")).get("/in/{x}", tell).get("/in-panic", panics)
            })
            .nest("/own", |own| {
                own.wrap(noted("own")).get("/", tell).fallback(|ctx: &mut RequestCtx| ctx.error("own", 410))
            }),
    );
    let mut client = running.client();
    for (target, status, notes) in [
        ("/panic", 500, &["outer 500 /panic"][..]),
        ("/error", 418, &["outer 418 /error"]),
        ("/in/1", 200, &["second 200 /in/{x}", "first 200 /in/{x}", "outer 200 /in/{x}"]),
        ("/in-panic", 500, &["second 500 /in-panic", "first 500 /in-panic", "outer 500 /in-panic"]),
        ("/none", 404, &["outer 404 -"]),
        ("/own", 200, &["own 200 /own", "outer 200 /own"]),
        ("/own/none", 410, &["own 410 -", "outer 410 -"]),
        ("/owned", 404, &["outer 404 -"]),
    ] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.values("X-Note")), (status, notes.to_vec()), "{target}");
    }
    let refused = client.exchange(post("/in/1", ""));
    assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(refused.values("X-Note"), ["second 405 /in/{x}", "first 405 /in/{x}", "outer 405 /in/{x}"]);
}

#[test]
fn a_wrapper_is_made_once_for_its_group_and_may_answer_itself() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let guard = |next: Arc<dyn Handler>| {
        MADE.fetch_add(1, Ordering::Relaxed);
        move |ctx: &mut RequestCtx| match ctx.header("x-key") {
            Some(_) => next.handle(ctx),
            None => ctx.error("who are you?", 401),
        }
    };
    let running = serving(Router::new().get("/open", tell).nest("/closed", |closed| {
        closed.wrap(guard).get("/", tell).get("/{a}", tell).nest("/deep", |deep| deep.get("/{b}", tell))
    }));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    let mut client = running.client();
    assert_eq!(client.get("/open").status, 200);
    // However a path is spelled, whoever is let in was looked at.
    for target in [
        "/closed",
        "/closed/1",
        "/%63losed/1",
        "/closed/deep/2",
        "/open/../closed/1",
        "/open/x%2F..%2F..%2Fclosed",
        "/closed/x%2Fy",
        "/closed/%2e%2e/closed/1",
    ] {
        let status = client.get(target).status;
        assert_eq!(status, 401, "{target}");
        let with_key =
            client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\nX-Key: 1\r\n\r\n")).status;
        assert_eq!(with_key, if target.ends_with("%2Fy") { 404 } else { 200 }, "{target}");
    }
    assert_eq!(
        client.exchange(post("/closed/1", "")).status,
        401,
        "what is allowed there is told to nobody else"
    );
}

#[test]
fn the_head_of_a_streamed_body_is_answered_by_the_route_for_get() {
    let running = serving(Router::new().get("/stream/{id}", |ctx: &mut RequestCtx| {
        let id = ctx.param("id").map(str::to_owned).unwrap_or_default();
        ctx.response.set_body_writer(move |out| out.write_all(id.as_bytes()));
    }));
    let mut client = running.client();
    for _ in 0..3 {
        client.send("HEAD /stream/seven HTTP/1.1\r\nHost: h\r\n\r\n");
        let reply = client.response_to_head();
        assert_eq!((reply.status, reply.field("Transfer-Encoding")), (200, Some("chunked")));
        assert_eq!(client.get("/stream/seven").text(), "seven");
    }
}

#[test]
fn refusals_of_ones_own_keep_their_allow() {
    let running = serving(
        Router::new()
            .get("/a", tell)
            .method_not_allowed(|ctx: &mut RequestCtx| {
                let allow = ctx.response.header_str("allow").map(str::to_owned).unwrap_or_default();
                ctx.error(format!("only {allow}"), 405);
            })
            .nest("/b", |b| {
                b.get("/", tell).method_not_allowed(|ctx: &mut RequestCtx| ctx.error("gone", 410))
            }),
    );
    let mut client = running.client();
    let reply = client.exchange(post("/a", ""));
    assert_eq!((reply.status, reply.text()), (405, "only GET, HEAD, OPTIONS"));
    assert_eq!(reply.field("Allow"), Some("GET, HEAD, OPTIONS"));
    let reply = client.exchange(post("/b", ""));
    assert_eq!((reply.status, reply.text(), reply.field("Allow")), (410, "gone", None));
}

#[test]
fn what_a_handler_makes_of_its_request_changes_no_parameter() {
    let running = serving(Router::new().get("/{a}/{b}", |ctx: &mut RequestCtx| -> Result<(), HttpError> {
        ctx.request.set_request_uri("/x").map_err(|error| HttpError::new(500, error.to_string()))?;
        tell(ctx);
        Ok(())
    }));
    assert_eq!(running.client().get("/one/two").text(), "GET /{a}/{b} a=\"one\" b=\"two\"");
}

#[test]
fn requests_that_are_handed_over_have_their_own_parameters() {
    // Routes that block and routes that do not, of one prefix, by many clients at once.
    let running = serving_with(
        plain(),
        Router::new().nest("/api/v1", |api| {
            api.get("/quick/{id}", tell).get("/slow/{id}", |ctx: &mut RequestCtx| {
                thread::sleep(std::time::Duration::from_millis(2));
                tell(ctx);
            })
        }),
    );
    thread::scope(|scope| {
        for (client, mut connection) in running.clients(8).into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..40 {
                    let kind = if (client + number) % 3 == 0 { "slow" } else { "quick" };
                    let reply = connection.get(&format!("/api/v1/{kind}/{client}-{number}"));
                    assert_eq!(reply.text(), format!("GET /api/v1/{kind}/{{id}} id=\"{client}-{number}\""));
                }
            });
        }
    });
}
