//! How errors look is said in one place: whoever has found the error, over both drivers, and when that place fails.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::error_body::{self, ErrorCause, ErrorReport};
use anthill_http::files::Files;
use anthill_http::{
    Handler, HttpError, Problem, RequestConfig, RequestCtx, Response, Router, Server, ServerBuilder, timeout,
};
use anthill_tests::client::{Reply, get};
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, eventually, planned_panic};

use crate::input::problem;

/// What is reported, in a line.
fn line(response: &mut Response, report: &ErrorReport<'_>) {
    let (status, message) = (report.status(), report.message());
    let (method, path) = (report.request().method(), report.request().path());
    let text = format!("<{status} {message:?} {:?} {method} {path}>", report.cause());
    response.set_content_type("text/x-line");
    response.set_body(text);
}

fn lines() -> ServerBuilder {
    plain().error_body(line)
}

#[track_caller]
fn assert_line(reply: &Reply, status: u16, line: &str) {
    assert_eq!((reply.status, reply.text()), (status, &*format!("<{status} {line}>")));
    assert_eq!(reply.field("Content-Type"), Some("text/x-line"));
}

#[test]
fn errors_of_handlers_and_what_is_refused() {
    fn handle(ctx: &mut RequestCtx) -> Result<(), Problem> {
        match ctx.path() {
            "/said" => ctx.error("said \"it\"", 403),
            "/plain" => return Err(HttpError::new(409, "taken").into()),
            "/problem" => return Err(Problem::new(402).detail("no money")),
            "/own" => {
                ctx.set_status_code(404);
                ctx.set_body("my own");
            }
            "/panics" => planned_panic(),
            "/reader" => ctx.response.set_body_reader(Failing),
            "/writer" => ctx.response.set_body_writer(|_| Err(std::io::Error::other("a secret"))),
            "/upgrade" => {
                ctx.upgrade("chat", drop);
            }
            "/101" => ctx.set_status_code(101),
            "/late" => ctx.timeout_error("too late"),
            _ => ctx.set_body("fine"),
        }
        Ok(())
    }
    let options = lines().max_request_body_size(10).read_buffer_size(512);
    on_both(
        options,
        |ctx| handle.handle(ctx),
        |driven| {
            let mut client = driven.client();
            for (target, status, text) in [
                ("/said", 403, r#""said \"it\"" Said GET /said"#),
                ("/plain", 409, r#""taken" Failed(409) GET /plain"#),
                ("/problem", 402, r#""no money" Failed(402) GET /problem"#),
                ("/panics", 500, r#""Internal Server Error" Panicked GET /panics"#),
                ("/reader", 500, r#""Internal Server Error" Failed(500) GET /reader"#),
                ("/writer", 500, r#""Internal Server Error" Failed(500) GET /writer"#),
                ("/upgrade", 426, r#""Upgrade Required" Said GET /upgrade"#),
                ("/late", 503, r#""too late" Said GET /late"#),
            ] {
                // On one connection: errors of handlers do not end it.
                assert_line(&client.get(target), status, text);
            }
            let own = client.get("/own");
            assert_eq!((own.status, own.text()), (404, "my own"));
            assert_line(&client.get("/101"), 500, r#""Internal Server Error" Said GET /101"#);
            let mut client = driven.client();
            client.send("HEAD /said HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.response_to_head().status, 403);
            assert_eq!(client.get("/fine").text(), "fine", "it had no body");
            let long = format!("GET /a HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(600));
            for (request, status, text) in [
                (
                    "GET /a HTTP/1.1\r\n\r\n",
                    400,
                    r#""Error when parsing request" Refused(MissingHost) GET /a"#,
                ),
                ("nonsense\r\n\r\n", 400, r#""Error when parsing request" Refused(MissingTarget)  /"#),
                (
                    "PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n",
                    413,
                    r#""Request body too large" Refused(BodyTooLarge) PUT /b"#,
                ),
                (
                    "PUT /b HTTP/1.1\r\nHost: h\r\nExpect: something\r\n\r\n",
                    417,
                    r#""" Refused(ExpectationFailed) PUT /b"#,
                ),
                (&long, 431, r#""Too big request header" Refused(HeadTooLarge) GET /a"#),
                (
                    "GET /a HTTP/3.0\r\nHost: h\r\n\r\n",
                    505,
                    r#""HTTP version not supported" Refused(UnsupportedVersion) GET /a"#,
                ),
            ] {
                let mut client = driven.client();
                assert_eq!(client.get("/").text(), "fine");
                let reply = client.exchange(request);
                assert_line(&reply, status, text);
                assert!(reply.closes());
                client.expect_end();
            }
        },
    );
}

/// It fails before there is anything to be sent.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("a secret"))
    }
}

#[test]
fn routers_files_limits_and_hooks() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::builder(folder.path()).build().expect("a folder");
    let gate = Gate::new();
    let (held, late) = (gate.clone(), gate.clone());
    let router = Router::new()
        .get("/items/{id}", |ctx: &mut RequestCtx| ctx.parse_param::<u8>("id").map(drop))
        .mount("/files", files)
        .get("/slow", timeout(move |_: &mut RequestCtx| late.pass(), Duration::from_millis(5)));
    let options = lines().header_received(|request| match request.path() {
        "/hook" => planned_panic(),
        _ => RequestConfig::new(),
    });
    let running = Running::serving(options.build_router(router).expect("routes"));
    let mut client = running.client();
    assert_line(&client.get("/none"), 404, r#""404 Page not found" Said GET /none"#);
    let not_allowed = client.exchange("PUT /items/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_line(&not_allowed, 405, r#""405 Method not allowed" Said PUT /items/1"#);
    assert_eq!(not_allowed.field("Allow"), Some("GET, HEAD, OPTIONS"));
    let wrong = client.get("/items/x");
    assert_line(
        &wrong,
        400,
        r#""the parameter \"id\" is not valid: invalid digit found in string" Failed(400) GET /items/x"#,
    );
    assert_line(&client.get("/files/none"), 404, r#""Cannot open requested path" Said GET /files/none"#);
    assert_line(&client.get("/slow"), 503, r#""The server did not answer in time" Said GET /slow"#);
    assert_line(&client.get("/hook"), 500, r#""Internal Server Error" Said GET /hook"#);
    held.open();

    let only = Running::with(lines().get_only(true), |_| {});
    let refused = only.client().exchange("PUT /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_line(&refused, 405, r#""non-get request received" Said PUT /a"#);
    assert_eq!((refused.field("Allow"), refused.closes()), (Some("GET, HEAD"), true));
    let asking = Running::with(lines().expect_handler(|_| 403), |_| {});
    let refused = asking
        .client()
        .exchange("PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_line(&refused, 403, r#""Forbidden" Said PUT /a"#);
}

#[test]
fn for_want_of_a_thread_or_of_a_place() {
    let (gate, inside) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), inside.clone());
    let options = lines().shards(2).max_workers(1).max_waiting_requests(3);
    let running = Running::with(options, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        held.pass();
    });
    let mut blocked = running.clients(30);
    for client in &mut blocked {
        client.send(get("/held"));
    }
    eventually("one blocks", || inside.load(Ordering::SeqCst) >= 1);
    running.reaches("the others are turned away at once", |stats| stats.rejections.turned_away >= 15);
    gate.open();
    let mut turned_away = 0;
    for client in &mut blocked {
        let reply = client.response();
        if reply.status == 503 {
            turned_away += 1;
            assert!(reply.field("Retry-After").is_some());
            let text = "\"Too many requests are being served; try again later\" Busy GET /held";
            assert_line(&reply, 503, text);
            assert_eq!(client.get("/").status, 200, "it is the request that was turned away, not its client");
        }
    }
    assert!(turned_away >= 15);

    let few = Running::with(lines().max_conns_per_ip(1), |_| {});
    let mut first = few.client();
    assert_eq!(first.get("/").status, 200);
    let mut second = few.client();
    assert_line(
        &second.response(),
        429,
        r#""The number of connections from your ip exceeds MaxConnsPerIP" Busy  "#,
    );
    second.expect_end();
}

#[test]
fn what_fails_itself_leaves_plain_text() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let options = plain().error_body(move |response, report| {
        count.fetch_add(1, Ordering::SeqCst);
        response.set_header("X-Half-Done", "yes");
        match report.request().path() {
            "/stream" => response.set_body_reader(std::io::empty()),
            "/hidden" => response.set_status_code(101),
            _ => planned_panic(),
        }
    });
    on_both(
        options,
        |ctx| match ctx.path() {
            "/bug" => planned_panic(),
            _ => ctx.error("no", 403),
        },
        |driven| {
            let before = calls.load(Ordering::SeqCst);
            let mut client = driven.client();
            for (target, status, text) in [
                ("/", 403, "no"),
                ("/stream", 403, "no"),
                ("/hidden", 403, "no"),
                ("/bug", 500, "Internal Server Error"),
            ] {
                let reply = client.get(target);
                assert_eq!((reply.status, reply.text()), (status, text), "{target}");
                assert_eq!(reply.field("X-Half-Done"), None, "{target}");
            }
            let refused = client.exchange("GET /a HTTP/1.1\r\n\r\n");
            assert_eq!((refused.status, refused.text()), (400, "Error when parsing request"));
            client.expect_end();
            assert_eq!(calls.load(Ordering::SeqCst) - before, 5);
        },
    );
}

#[test]
fn wrappers_and_other_hooks_see_what_was_made() {
    let inner = |_: &mut RequestCtx| Err::<(), _>(HttpError::new(409, "taken"));
    let wrapped = move |ctx: &mut RequestCtx| {
        if ctx.path() == "/bug" {
            planned_panic()
        }
        inner.handle(ctx);
        let made = ctx.response.body_str().unwrap_or_default().to_owned();
        ctx.response.set_header("X-Made", made);
    };
    let options = lines()
        .error_handler(|ctx, _| {
            let made = ctx.response.body_str().unwrap_or_default().to_owned();
            ctx.set_body(format!("refused {made}"));
        })
        .panic_handler(|ctx, _| {
            let made = ctx.response.body_str().unwrap_or_default().to_owned();
            ctx.set_body(format!("sorry {made}"));
        });
    let running = Running::serving(options.build(wrapped).expect("options"));
    let mut client = running.client();
    assert_eq!(client.get("/").field("X-Made"), Some(r#"<409 "taken" Failed(409) GET />"#));
    assert_eq!(client.get("/bug").text(), r#"sorry <500 "Internal Server Error" Panicked GET /bug>"#);
    let refused = client.exchange("GET /a HTTP/1.1\r\n\r\n");
    assert_eq!(refused.text(), r#"refused <400 "Error when parsing request" Refused(MissingHost) GET /a>"#);
}

#[test]
fn ready_ones_speak_what_the_client_takes() {
    fn handle(ctx: &mut RequestCtx) -> Result<(), HttpError> {
        match ctx.path() {
            "/problem" => {
                let problem = Problem::new(422).detail("<it> is wrong").field("a", "<b>");
                Err(problem.extension("more", 1).into())
            }
            "/bug" => planned_panic(),
            _ => Err(HttpError::new(404, "not <here>")),
        }
    }
    let running =
        Running::serving(plain().error_body(error_body::negotiated).build(handle).expect("options"));
    let mut client = running.client();
    const TEXT: &str = "text/plain; charset=utf-8";
    const HTML: &str = "text/html; charset=utf-8";
    const PROBLEM: &str = "application/problem+json";
    for (target, accept, kind) in [
        ("/", "", TEXT),
        ("/", "Accept: */*\r\n", TEXT),
        ("/", "Accept: application/json\r\n", PROBLEM),
        ("/", "Accept: application/problem+json, text/html;q=0.9\r\n", PROBLEM),
        ("/", "Accept: application/*;q=0.8, text/html;q=0.9\r\n", HTML),
        ("/", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n", HTML),
        ("/", "Accept: text/*\r\n", TEXT),
        ("/", "Accept: image/png\r\n", TEXT),
        ("/problem", "", PROBLEM),
        ("/problem", "Accept: text/plain\r\n", TEXT),
        ("/problem", "Accept: text/html\r\n", HTML),
        ("/bug", "Accept: application/json\r\n", PROBLEM),
    ] {
        let reply = client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{accept}\r\n"));
        assert_eq!(reply.field("Content-Type"), Some(kind), "{target} {accept}");
        assert_eq!(reply.field("Vary"), Some("Accept"));
        match (kind, target) {
            (PROBLEM, "/") => assert_eq!(problem(&reply)["detail"], "not <here>"),
            (PROBLEM, "/problem") => assert_eq!(problem(&reply)["more"], 1),
            (PROBLEM, _) => {
                assert_eq!(problem(&reply).get("detail"), None, "what there is to say says the title")
            }
            (HTML, "/problem") => {
                assert!(
                    reply.text().contains("<p>&lt;it&gt; is wrong</p>\n<ul>\n<li>#/a: &lt;b&gt;</li>\n</ul>")
                );
            }
            (HTML, _) => assert!(reply.text().contains("<p>not &lt;here&gt;</p>"), "{}", reply.text()),
            (_, "/problem") => assert_eq!(reply.text(), "<it> is wrong"),
            _ => assert_eq!(reply.text(), "not <here>"),
        }
    }
    let refused = client.exchange("GET /a HTTP/1.1\r\nAccept: application/json\r\n\r\n");
    assert_eq!(
        (refused.status, problem(&refused)["detail"].as_str()),
        (400, Some("Error when parsing request"))
    );
}

#[test]
fn nothing_is_different_without_it() {
    let server = Server::new(|ctx| -> Result<(), HttpError> {
        match ctx.path() {
            "/plain" => Err(HttpError::new(409, "taken")),
            "/problem" => Err(Problem::new(409).detail("taken").into()),
            _ => planned_panic(),
        }
    })
    .expect("options");
    let ask = |target: &str| {
        let request = anthill_http::Request::new("GET", target).expect("a request");
        let response = server.call(&request).expect("an answer");
        (response.content_type_str().map(str::to_owned), response.body_str().map(str::to_owned))
    };
    let plain = |text: &str| (Some("text/plain; charset=utf-8".to_owned()), Some(text.to_owned()));
    assert_eq!(ask("/plain"), plain("taken"));
    assert_eq!(ask("/bug"), plain("Internal Server Error"));
    assert_eq!(ask("/problem").0.as_deref(), Some("application/problem+json"));
}

/// The causes that a renderer can tell apart.
#[test]
fn the_cause_is_there_to_be_looked_at() {
    let options = plain().error_body(|response, report| {
        let text = match report.cause() {
            ErrorCause::Failed(error) => format!("{error} {:016x}", report.request_id()),
            ErrorCause::Panicked(panic) => panic.message().unwrap_or("no text").to_owned(),
            _ => "else".to_owned(),
        };
        response.set_body(text);
    });
    let handler = |ctx: &mut RequestCtx| -> Result<(), std::io::Error> {
        match ctx.path() {
            "/io" => Err(std::io::Error::other("the disk is full")),
            _ => std::panic::resume_unwind(Box::new("a bug".to_owned())),
        }
    };
    let server = options.build(handler).expect("options");
    let ask = |target: &str| {
        let request = anthill_http::Request::new("GET", target).expect("a request");
        server.call(&request).expect("an answer").body_str().expect("text").to_owned()
    };
    // Whether a client is told is up to whoever renders.
    assert!(ask("/io").starts_with("the disk is full 0"), "{}", ask("/io"));
    assert_eq!(ask("/bug"), "a bug");
}
