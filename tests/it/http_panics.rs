//! Panics of handlers: what stands around a handler runs all the same, the answer can be the application's own, and one
//! line of the log says it all.

use std::io::Write;
use std::time::Duration;

use anthill_http::{Handler, RequestCtx, Server, ServerBuilder};
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{logs, planned_panic};
use log::Level;

/// A wrapper that counts what it sees, and marks responses.
fn watched(notes: Notes, next: impl Handler) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        next.handle(ctx);
        notes.add(format!("{} {}", ctx.path(), ctx.response.status_code()));
        ctx.response.set_header("X-Request-Id", "7");
    }
}

fn fails(ctx: &mut RequestCtx) {
    ctx.response.set_header("X-Half-Done", "yes");
    ctx.set_body("half done");
    if ctx.path() != "/" {
        planned_panic();
    }
}

#[test]
fn what_stands_around_a_handler_that_panics_runs_and_sees_the_500() {
    let notes = Notes::default();
    let server = Server::builder().build_handler(watched(notes.clone(), fails)).expect("the defaults");
    let running = Running::serving(server);
    let mut client = running.client();
    for (target, status, body) in
        [("/", 200, "half done"), ("/panic", 500, "Internal Server Error"), ("/", 200, "half done")]
    {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text(), reply.field("X-Request-Id")), (status, body, Some("7")));
        assert_eq!(reply.field("X-Half-Done").is_some(), status == 200);
    }
    assert_eq!(notes.take(3), ["/ 200", "/panic 500", "/ 200"]);
    assert_eq!(running.server().stats().panics, 1);
}

/// One that implements the trait itself lets the panic through, to the closure around it.
#[test]
fn a_panic_ends_in_the_innermost_closure() {
    struct Own;
    impl Handler for Own {
        fn handle(&self, _: &mut RequestCtx) {
            planned_panic();
        }
    }
    let notes = Notes::default();
    let inner = watched(notes.clone(), Own);
    let server = Server::builder().build_handler(watched(notes.clone(), inner)).expect("the defaults");
    let running = Running::serving(server);
    assert_eq!(running.client().get("/own").status, 500);
    assert_eq!(notes.take(1), ["/own 500"], "what stands behind it in the inner one is skipped");
    let running = Running::serving(Server::builder().build_handler(Own).expect("the defaults"));
    assert_eq!(running.client().get("/").status, 500);
    assert_eq!(running.server().stats().panics, 1);
}

#[test]
#[should_panic(expected = "planned")]
fn without_a_server_a_panic_is_a_test_that_fails() {
    (|_: &mut RequestCtx| -> () { planned_panic() }).handle(&mut RequestCtx::default());
}

fn sorry() -> ServerBuilder {
    Server::builder().panic_handler(|ctx, panic| {
        if ctx.path() == "/twice" {
            planned_panic();
        }
        let message = panic.message().unwrap_or("?").to_owned();
        ctx.response.set_status_code(503);
        ctx.response.set_content_type("application/json");
        ctx.response.set_body(format!("{{\"error\":\"{message}\"}}"));
    })
}

#[test]
fn the_answer_to_a_panic_can_be_the_applications_own() {
    on_both(sorry(), fails, |driven| {
        let mut client = driven.client();
        let reply = client.get("/panic");
        assert_eq!((reply.status, reply.text()), (503, r#"{"error":"planned"}"#));
        assert_eq!(reply.field("Content-Type"), Some("application/json"));
        assert_eq!(reply.field("X-Half-Done"), None);
        let reply = client.get("/twice");
        assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"));
        assert_eq!(client.get("/").status, 200);
    });
}

#[test]
fn one_line_says_what_panicked_where_for_which_request_and_on_which_worker() {
    logs::collect();
    let running = Running::new(|_| -> () { panic!("as asked for\nby the test of panics") });
    let mut client = running.client();
    assert_eq!(client.get("/said?not=this").status, 500);
    let peer = client.stream().local_addr().expect("an address").to_string();
    let lines = logs::with("anthill_http::handler", &peer);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line.level, Level::Error);
    let expected = [
        "the handler of GET \"/said\" panicked at ",
        "http_panics.rs:",
        " on anthill-",
        ": as asked for\\nby the test of panics",
        "(request #",
    ];
    for part in expected {
        assert!(line.text.contains(part), "{part:?} is not in {:?}", line.text);
    }
    assert!(!line.text.contains('\n'));
}

/// The body's function panics behind the head, sent or not; so does a hook before the handler.
#[test]
fn panics_elsewhere_are_told_with_their_message() {
    logs::collect();
    let options = Server::builder().read_timeout(Duration::from_secs(10)).header_received(|request| {
        if request.path() == "/hook-of-panics" {
            planned_panic();
        }
        anthill_http::RequestConfig::new()
    });
    let running = Running::with(options, |ctx| {
        let is_begun = ctx.path() == "/begun-by-panics";
        ctx.response.set_body_writer(move |out| {
            if is_begun {
                out.flush()?;
            }
            planned_panic()
        });
    });
    assert_eq!(running.client().get("/hook-of-panics").status, 500);
    assert_eq!(running.client().get("/writer-of-panics").status, 500);
    let mut client = running.client();
    client.send("GET /begun-by-panics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.is_ended_within(Duration::from_secs(10)));
    for (path, target) in [
        ("/hook-of-panics", "anthill_http::serve::user_code"),
        ("/writer-of-panics", "anthill_http::handler"),
        ("/begun-by-panics", "anthill_http::serve::user_code"),
    ] {
        let lines = logs::with(target, path);
        assert!(lines.len() == 1 && lines[0].text.contains(": planned"), "{lines:?}");
    }
}
