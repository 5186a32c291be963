//! Errors that are answered by a function: whoever has answered them, with what is known of them, and nothing else.

use std::sync::{Arc, Mutex};

use anthill_http::middleware::{CatchErrors, Cors, catch_errors, cors};
use anthill_http::{Handler, HttpError, Request, RequestCtx, Response, Router, Server, StatusError};
use anthill_tests::client::Reply;
use anthill_tests::server::{Running, plain};

/// Fails, and does not say why to clients.
struct Secret;

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the password is wrong")
    }
}

impl StatusError for Secret {
    fn status(&self) -> u16 {
        500
    }
}

fn answer(ctx: &mut RequestCtx) -> Result<(), Secret> {
    match ctx.path() {
        "/fails" => return Err(Secret),
        "/panics" => panic!("caught on purpose"),
        "/forbidden" => {
            ctx.error("not for you", 401);
            ctx.response.set_header("WWW-Authenticate", "Basic");
        }
        "/streams" => ctx.response.set_body_reader(std::io::Cursor::new("streamed")),
        "/breaks" => ctx.response.set_body_reader(Broken),
        "/writes" => ctx.response.set_body_writer(|_| Err(std::io::Error::other("it cannot be written"))),
        "/late" => ctx.timeout_error("too late"),
        _ => ctx.set_body("fine"),
    }
    Ok(())
}

struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("it breaks off"))
    }
}

/// Answers with all that is known.
fn telling() -> CatchErrors {
    CatchErrors::new(|ctx, caught| {
        let panic = caught.panic().and_then(|panic| panic.message().map(str::to_owned));
        let text = format!(
            "caught {} {:?} {panic:?} {:?}",
            caught.status(),
            caught.error(),
            ctx.response.body_str()
        );
        ctx.set_content_type("text/x-caught");
        ctx.set_body(text);
    })
}

fn ask(server: &Server, path: &str) -> Response {
    server.call(&Request::new("GET", path).expect("a request")).expect("an answer")
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body().to_vec()).expect("text")
}

#[test]
fn whoever_has_answered_an_error_it_is_caught() {
    let router = Router::new()
        .nest("/site", |site| {
            site.wrap(|next| catch_errors(next, telling())).get("/x", |_: &mut RequestCtx| {})
        })
        .group(|group| group.wrap(|next| catch_errors(next, telling())).get("/{any}", answer));
    let server = Server::builder().build_router(router).expect("routes");
    for (path, status, expected) in [
        ("/fails", 500, r#"caught 500 Some("the password is wrong") None Some("Internal Server Error")"#),
        ("/panics", 500, r#"caught 500 None Some("caught on purpose") Some("Internal Server Error")"#),
        ("/forbidden", 401, r#"caught 401 None None Some("not for you")"#),
        ("/breaks", 500, r#"caught 500 Some("it breaks off") None Some("Internal Server Error")"#),
        ("/writes", 500, r#"caught 500 Some("it cannot be written") None Some("Internal Server Error")"#),
        ("/late", 503, r#"caught 503 None None Some("too late")"#),
        ("/site/none", 404, r#"caught 404 None None Some("404 Page not found")"#),
    ] {
        let response = ask(&server, path);
        assert_eq!((response.status_code(), text(&response).as_str()), (status, expected), "{path}");
        assert_eq!(response.content_type_str(), Some("text/x-caught"), "{path}");
    }
    assert_eq!(
        ask(&server, "/forbidden").header_str("www-authenticate"),
        Some("Basic"),
        "what is no text is kept"
    );
    let other = server.call(&Request::new("POST", "/site/x").expect("a request")).expect("an answer");
    assert_eq!((other.status_code(), other.header_str("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert!(text(&other).starts_with("caught 405"));
    for (path, body) in [("/streams", "streamed"), ("/", "404 Page not found"), ("/other", "fine")] {
        assert_eq!(text(&ask(&server, path)), body, "it is none of its errors");
    }
}

#[test]
fn an_answer_that_cannot_be_made_either_comes_to_an_end() {
    for reads in [false, true] {
        let answers = CatchErrors::new(move |ctx, _| match reads {
            true => ctx.response.set_body_reader(Broken),
            false => ctx.response.set_body_writer(|_| Err(std::io::Error::other("nor can this be written"))),
        });
        let handler = catch_errors(|ctx: &mut RequestCtx| ctx.not_found(), answers);
        let running = Running::serving(plain().build_handler(handler).expect("a server"));
        let mut client = running.client();
        for _ in 0..2 {
            let reply = client.get("/");
            assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"), "reads: {reads}");
        }
    }
}

#[test]
fn what_answers_errors_may_panic() {
    let answers = CatchErrors::new(|ctx, caught| {
        ctx.response.set_header("X-Half-Done", "yes");
        assert!(caught.status() < 500, "on purpose");
    });
    let server = Server::builder().build_handler(catch_errors(answer, answers)).expect("valid options");
    let response = ask(&server, "/fails");
    assert_eq!((response.status_code(), response.header("x-half-done")), (500, None));
    assert_eq!(text(&response), "Internal Server Error");
    let response = ask(&server, "/breaks");
    assert_eq!((response.status_code(), response.header("x-half-done")), (500, None));
    assert_eq!(ask(&server, "/other").body(), b"fine");
}

#[test]
fn one_error_does_not_tell_of_another() {
    let outer = Arc::new(Mutex::new(Vec::new()));
    let told = outer.clone();
    let outermost = CatchErrors::new(move |_, caught| {
        told.lock().expect("no panic").push((caught.status(), caught.error().map(str::to_owned)));
    });
    let hidden = |next: Box<dyn Handler>| {
        move |ctx: &mut RequestCtx| {
            next.handle(ctx);
            if ctx.response.status_code() == 500 {
                ctx.error("come again", 503);
            }
        }
    };
    let inner: Box<dyn Handler> = Box::new(catch_errors(answer, telling()));
    let server =
        Server::builder().build_handler(catch_errors(hidden(inner), outermost)).expect("valid options");
    assert_eq!(ask(&server, "/fails").status_code(), 503);
    assert_eq!(ask(&server, "/forbidden").status_code(), 401);
    assert_eq!(*outer.lock().expect("no panic"), [(503, None), (401, None)]);
    let failing = |_: &mut RequestCtx| Err::<(), _>(HttpError::new(503, "as it was"));
    let twice = catch_errors(catch_errors(failing, telling()), telling());
    let server = Server::builder().build_handler(twice).expect("valid options");
    let expected = r#"caught 503 Some("as it was") None Some("caught 503 Some(\"as it was\") None Some(\"as it was\")")"#;
    assert_eq!(text(&ask(&server, "/")), expected);
}

#[test]
fn what_reaches_no_handler_is_answered_by_it_too_if_it_is_asked() {
    let answers = telling();
    let options = plain().error_handler(move |ctx, _| answers.apply(ctx));
    let running = Running::serving(options.build_handler(|_: &mut RequestCtx| ()).expect("valid options"));
    let reply = running.client().exchange("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        (reply.status, reply.text()),
        (400, r#"caught 400 None None Some("Error when parsing request")"#)
    );
}

#[test]
fn fields_that_stand_outside_are_on_what_it_answers() {
    let policy = Cors::builder().any_origin().build().expect("a policy");
    let starting_over = CatchErrors::new(|ctx, caught| ctx.error("all over", caught.status()));
    let handler = cors(catch_errors(answer, starting_over), policy);
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut client = running.client();
    let mut check = |path: &str| {
        let reply: Reply = client.get(path);
        assert_eq!(
            (reply.text(), reply.field("Access-Control-Allow-Origin")),
            ("all over", Some("*")),
            "{path}"
        );
    };
    for path in ["/fails", "/panics", "/breaks", "/writes", "/forbidden", "/late"] {
        check(path);
    }
}
