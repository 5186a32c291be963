//! Errors that are answered by a function: whoever has answered them, with what is known of them, and nothing else.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::middleware::{CatchErrors, Cors, catch_errors, cors};
use anthill_http::{Handler, HttpError, Request, RequestCtx, Response, Router, Server, StatusError, timeout};
use anthill_tests::client::{Reply, get};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, planned_panic};

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
        "/switches" => ctx.set_status_code(101),
        "/unsure" => {
            ctx.upgrade("chat", |_| ());
            ctx.set_status_code(409);
        }
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

/// Ways in which the page of an error cannot be made.
const UNMADE: [fn(&mut RequestCtx); 4] = [
    |ctx| ctx.response.set_body_reader(Broken),
    |ctx| ctx.response.set_body_writer(|_| Err(std::io::Error::other("nor can this be written"))),
    |ctx| ctx.response.set_body_reader(Panicking),
    |ctx| ctx.response.set_body_writer(|_| planned_panic()),
];

struct Panicking;

impl std::io::Read for Panicking {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        planned_panic()
    }
}

#[test]
fn an_answer_that_cannot_be_made_either_comes_to_an_end() {
    for (way, unmade) in UNMADE.into_iter().enumerate() {
        let answers = CatchErrors::new(move |ctx, _| unmade(ctx));
        let handler = catch_errors(answer, answers.clone());
        let again = catch_errors(catch_errors(answer, answers.clone()), answers);
        let options = plain().panic_handler(move |ctx, _| unmade(ctx));
        for server in [
            plain().build_handler(handler).expect("a server"),
            plain().build_handler(again).expect("a server"),
            options.build(answer).expect("a server"),
        ] {
            let running = Running::serving(server);
            let mut client = running.client();
            for path in ["/panics", "/breaks", "/writes", "/fails", "/panics"] {
                let reply = client.get(path);
                assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"), "{way} {path}");
            }
            assert_eq!(client.get("/other").text(), "fine", "the connection is in order");
        }
    }
}

/// A request for another protocol.
fn asking_to_upgrade(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n")
}

#[test]
fn what_is_answered_in_the_place_of_an_upgrade_may_be_a_stream_and_fail() {
    let page: fn(&mut RequestCtx) = |ctx| ctx.response.set_body_reader(std::io::Cursor::new("a page"));
    let writes: fn(&mut RequestCtx) = |ctx| ctx.response.set_body_writer(|out| out.write_all(b"a page"));
    for (way, make) in [page, writes].into_iter().chain(UNMADE).enumerate() {
        let handler = catch_errors(answer, CatchErrors::new(move |ctx, _| make(ctx)));
        let running = Running::serving(plain().build_handler(handler).expect("a server"));
        for (path, status) in [("/switches", 500), ("/unsure", 409)] {
            let mut client = running.client();
            let reply = client.exchange(asking_to_upgrade(path));
            let expected = if way < 2 { (status, "a page") } else { (500, "Internal Server Error") };
            assert_eq!((reply.status, reply.text()), expected, "{way} {path}");
        }
    }
}

#[test]
fn an_answer_that_nobody_is_there_to_make_is_plain() {
    for (way, unmade) in UNMADE.into_iter().enumerate() {
        let (begun, gate) = (Gate::new(), Gate::new());
        let answers = CatchErrors::new(move |ctx, caught| {
            assert_ne!(caught.status(), 500, "nothing has failed yet");
            unmade(ctx);
        });
        let (begins, held) = (begun.clone(), gate.clone());
        let handler = move |ctx: &mut RequestCtx| {
            let (begins, held) = (begins.clone(), held.clone());
            if ctx.path() == "/unsure" {
                ctx.upgrade("chat", |_| ());
                ctx.set_status_code(409);
            } else if ctx.path() == "/taken" {
                ctx.hijack(move |_| {
                    begins.open();
                    held.pass();
                });
            } else {
                ctx.response.set_body_writer(move |out| {
                    out.flush()?;
                    held.pass();
                    Ok(())
                });
            }
        };
        let options = plain().max_streaming_workers(1).max_hijacked_conns(1);
        let handler = catch_errors(handler, answers);
        let running = Running::serving(options.build_handler(handler).expect("a server"));
        let mut holders = [running.client(), running.client()];
        holders[0].send(get("/"));
        holders[1].send(get("/taken"));
        assert_eq!(holders[0].bytes(15), b"HTTP/1.1 200 OK");
        begun.pass();
        let mut client = running.client();
        let text = "Too many requests are being served; try again later";
        for path in ["/", "/taken", "/"] {
            let reply = client.get(path);
            assert_eq!((reply.status, reply.text()), (503, text), "{way} {path}");
        }
        // What is written in the place of an upgrade needs a thread as well.
        if way % 2 == 1 {
            let reply = client.exchange(asking_to_upgrade("/unsure"));
            assert_eq!((reply.status, reply.text()), (503, text), "{way}");
        }
        gate.open();
    }
}

/// The table of the guide: who is asked for which error, when all three are there.
#[test]
fn each_is_asked_for_what_the_guide_says() {
    let marked = CatchErrors::new(|ctx, _| ctx.response.set_header("X-Caught", "yes"));
    let own = |ctx: &mut RequestCtx| {
        ctx.set_status_code(409);
        ctx.set_body("of the handler's own");
    };
    let gate = Gate::new();
    let held = gate.clone();
    let router = Router::new().group(move |group| {
        let group = group.wrap(|next| catch_errors(next, marked)).get("/site/own", own);
        let hangs = timeout(move |_: &mut RequestCtx| held.pass(), Duration::from_millis(5));
        group.get("/site/hangs", hangs).get("/{any}", answer)
    });
    let options = plain()
        .max_request_body_size(9)
        .max_conns_per_ip(1)
        .error_body(|response, _| response.set_header("X-Body", "yes"))
        .error_handler(|ctx, _| ctx.response.set_header("X-Refused", "yes"));
    let running = Running::serving(options.build_router(router).expect("routes"));
    let marks = |reply: &Reply| ["X-Body", "X-Caught", "X-Refused"].map(|name| reply.field(name).is_some());
    let mut client = running.client();
    for (path, status, expected) in [
        ("/other", 200, [false, false, false]),
        ("/streams", 200, [false, false, false]),
        ("/fails", 500, [true, true, false]),
        ("/panics", 500, [true, true, false]),
        ("/forbidden", 401, [true, true, false]),
        ("/late", 503, [true, true, false]),
        ("/breaks", 500, [true, true, false]),
        ("/writes", 500, [true, true, false]),
        ("/site/own", 409, [false, true, false]),
        ("/site/hangs", 503, [true, true, false]),
        ("/none/of/these", 404, [true, false, false]),
    ] {
        let reply = client.get(path);
        assert_eq!((reply.status, marks(&reply)), (status, expected), "{path}");
    }
    gate.open();
    let mut turned_away = running.client();
    let reply = turned_away.response();
    assert_eq!((reply.status, marks(&reply)), (429, [true, false, false]));
    for (request, status) in
        [("GET / HTTP/1.1\r\n\r\n", 400), ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n", 413)]
    {
        let reply = client.exchange(request);
        assert_eq!((reply.status, marks(&reply)), (status, [true, false, true]), "{request}");
        client.expect_end();
        running.reaches("it has ended", |stats| stats.open_connections == 0);
        client = running.client();
    }
}

#[test]
fn when_what_answers_refusals_panics_it_is_plain() {
    let options =
        plain().error_body(|response, _| response.set_body("made")).error_handler(|_, _| planned_panic());
    let running = Running::serving(options.build(|_| ()).expect("options"));
    let mut client = running.client();
    let reply = client.exchange("GET / HTTP/1.1\r\n\r\n");
    assert_eq!((reply.status, reply.text()), (400, "Error when parsing request"));
    client.expect_end();
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
