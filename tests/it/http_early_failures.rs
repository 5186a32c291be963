//! What makes a response's body and fails before anything of the response was sent: the client is told so by a
//! response, as when a handler fails, and the connection goes on.

use std::io::{self, ErrorKind, Write};

use anthill_http::{AccessLog, HttpError, RequestCtx, Server, ServerBuilder};
use anthill_tests::body_sources::StepReader;
use anthill_tests::client::{Client, Reply, get};
use anthill_tests::drivers::on_both;
use anthill_tests::lines::Lines;
use anthill_tests::notes::Notes;
use anthill_tests::server::plain;
use anthill_tests::uploads::{assert_goes_on, or_next, sized, streaming};
use anthill_tests::{eventually, logs, planned_panic};

/// What fails, as the path and the query say: `?panics`, or else with an error.
fn failing(ctx: &mut RequestCtx) {
    let panics = ctx.request.query() == b"panics";
    let fail = move || -> io::Result<usize> {
        if panics {
            planned_panic();
        }
        Err(io::Error::other("the password is 1234"))
    };
    ctx.set_status_code(201);
    ctx.response.set_header("X-Half-Done", "yes");
    match ctx.path() {
        "/writer" => ctx.response.set_body_writer(move |_| fail().map(drop)),
        "/written" => ctx.response.set_body_writer(move |out| {
            out.write_all(&[b'x'; 16 * 1024 - 1])?;
            assert!(out.append_trailer("X-Sum", "7") || out.request().header("host").is_none());
            fail().map(drop)
        }),
        "/reader" => ctx.response.set_body_reader(StepReader::new().then(move |_| fail())),
        "/sized" => ctx.response.set_body_reader_sized(StepReader::new().then(move |_| fail()), 100),
        _ => ctx.set_body("fine"),
    }
}

const EARLY: &[&str] = &["/writer", "/written", "/reader", "/sized"];

#[track_caller]
fn assert_is_plain_500(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"), "{reply:?}");
    assert_eq!(reply.field("X-Half-Done"), None);
    assert_eq!(reply.field("Transfer-Encoding"), None);
    assert_eq!(reply.field("Content-Length"), Some("21"));
}

#[test]
fn what_fails_before_its_response_was_sent_is_a_500_and_the_connection_goes_on() {
    on_both(plain(), or_next(failing), |driven| {
        for path in EARLY {
            for how in ["panics", "errs"] {
                let mut client = driven.client();
                // What was answered before is not touched, and what comes behind is served.
                client.send(get("/") + &get(&format!("{path}?{how}")) + &get("/"));
                let reply = client.response();
                assert_eq!((reply.status, reply.text()), (201, "fine"), "{path}?{how}");
                assert_is_plain_500(&client.response());
                assert_eq!(client.response().text(), "fine", "{path}?{how}");
                client.send(get(&format!("{path}?{how}")));
                assert_is_plain_500(&client.response());
                assert_goes_on(&mut client);
                drop(client);
                if let Some(ended) = driven.end() {
                    ended.expect("a connection that its client has ended");
                }
            }
        }
    });
}

#[test]
fn a_client_of_http_1_0_is_told_so_with_a_length() {
    on_both(plain(), failing, |driven| {
        for path in EARLY {
            for keeps in ["", "Connection: keep-alive\r\n"] {
                let mut client = driven.client();
                client.send(format!("GET {path}?panics HTTP/1.0\r\n{keeps}\r\n"));
                assert_is_plain_500(&client.response());
                if keeps.is_empty() {
                    client.expect_end();
                } else {
                    client.send(format!("GET / HTTP/1.0\r\n{keeps}\r\n"));
                    assert_eq!(client.response().text(), "fine");
                }
            }
        }
    });
}

/// Nothing runs for a body that is not sent, so nothing fails.
#[test]
fn a_body_that_is_not_asked_for_cannot_fail() {
    let handler = |ctx: &mut RequestCtx| {
        failing(ctx);
        if ctx.header("X-Status").is_some() {
            ctx.set_status_code(304);
        }
    };
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        for path in EARLY {
            client.send(format!("HEAD {path}?panics HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(client.response_to_head().status, 201, "{path}");
            client.send(format!("GET {path}?panics HTTP/1.1\r\nHost: h\r\nX-Status: 304\r\n\r\n"));
            assert_eq!(client.response_to_head().status, 304, "{path}");
        }
        assert_eq!(client.get("/").text(), "fine");
        assert_eq!(driven.running().server().stats().panics, 0);
    });
}

#[test]
fn a_reader_that_ends_before_it_has_begun_has_failed() {
    on_both(
        plain(),
        |ctx| ctx.response.set_body_reader_sized(io::empty(), 7),
        |driven| {
            let mut client = driven.client();
            assert_is_plain_500(&client.get("/"));
            assert_is_plain_500(&client.get("/"));
        },
    );
}

/// A head that was sent ahead is the client's, and so is a response whose first part was.
#[test]
fn what_was_sent_cannot_be_taken_back() {
    let handler = or_next(|ctx| {
        match ctx.path() {
            "/flushed" => ctx.response.set_body_writer(|out| {
                out.flush()?;
                planned_panic()
            }),
            "/long" => ctx.response.set_body_writer(|out| {
                out.write_all(&[b'x'; 16 * 1024])?;
                Err(io::Error::other("too late"))
            }),
            "/head-first" => {
                ctx.response.set_immediate_header_flush(true);
                ctx.response.set_body_writer(|_| planned_panic());
            }
            _ => {
                ctx.response.set_immediate_header_flush(true);
                ctx.response.set_body_reader(StepReader::new().then(|_| planned_panic()));
            }
        };
    });
    on_both(plain(), handler, |driven| {
        for path in ["/flushed", "/long", "/head-first", "/head-first-reader"] {
            let mut client = driven.client();
            client.send(get(path) + &get("/never"));
            let received = client.rest().expect("a connection that is ended");
            let received = String::from_utf8(received).expect("text");
            assert!(
                received.starts_with("HTTP/1.1 200 OK\r\n") && !received.ends_with("0\r\n\r\n"),
                "{path}"
            );
            assert_eq!(received.matches("HTTP/1.1").count(), 1, "{path}");
            if let Some(ended) = driven.end() {
                assert!(ended.expect_err("it broke off").is_body(), "{path}");
            }
        }
        eventually("panics are counted", || driven.running().server().stats().panics == 3);
    });
}

#[test]
fn records_figures_and_logs_say_what_was_answered() {
    logs::collect();
    let (notes, lines) = (Notes::default(), Lines::default());
    let noting = notes.clone();
    let options = plain().access_log(AccessLog::common(lines.clone())).on_complete(move |completed| {
        let bytes = (completed.bytes_sent(), completed.body_bytes_sent());
        noting.add(format!("{} {} {bytes:?}", completed.status(), completed.outcome()));
    });
    on_both(options, failing, |driven| {
        let server = driven.running().server();
        lines.clear();
        let mut panics = 0;
        for path in EARLY {
            for how in ["panics", "errs"] {
                let mut client = driven.client();
                let before = server.stats();
                client.send(get(&format!("{path}?{how}")));
                assert_is_plain_500(&client.response());
                let stats = server.stats();
                panics += u64::from(how == "panics");
                assert_eq!(stats.panics, panics, "{path}?{how}");
                assert_eq!(stats.responses.of("GET", 5), before.responses.of("GET", 5) + 1, "{path}?{how}");
                assert_eq!(stats.requests, before.requests + 1, "{path}?{how}");
                let told = notes.take(1).remove(0);
                let outcome = if how == "panics" { "panicked" } else { "sent" };
                assert!(told.starts_with(&format!("500 {outcome} (")) && told.ends_with(", 21)"), "{told}");
                drop(client);
                driven.end();
                let stats = server.stats();
                let sent = stats.bytes_sent - before.bytes_sent;
                assert!(told.contains(&format!("({sent}, ")), "{sent} bytes, and {told}");
            }
        }
        let logged = lines.take(2 * EARLY.len());
        assert!(logged.iter().all(|line| line.contains(" HTTP/1.1\" 500 21")), "{logged:?}");
    });
    // What the client is not told, the log is.
    let said = logs::with("anthill_http::handler", "the body writer of GET \"/written\"");
    assert!(
        said.iter().any(|line| line.text.contains("1234"))
            && said.iter().any(|line| line.text.contains(": planned"))
    );
    let said = logs::with("anthill_http::handler", "the body of GET \"/reader\"");
    assert!(
        said.iter().any(|line| line.text.contains("1234"))
            && said.iter().any(|line| line.text.contains(": planned"))
    );
}

#[test]
fn the_answer_is_the_one_that_handlers_are_answered_with() {
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/http-error" => {
            ctx.response.set_body_writer(|_| Err(io::Error::other(HttpError::new(404, "no such page"))))
        }
        "/http-error-reader" => {
            let fails = |_: &mut [u8]| Err(io::Error::other(HttpError::new(404, "no such page")));
            ctx.response.set_body_reader(StepReader::new().then(fails));
        }
        // So is what answers that: once.
        "/twice" | "/writer-then-reader" => ctx.response.set_body_writer(|_| planned_panic()),
        "/reader-then-nothing" => {
            ctx.response.set_body_reader(StepReader::new().then(|_| planned_panic()));
        }
        _ => failing(ctx),
    };
    let options = plain().panic_handler(|ctx, panic| {
        match ctx.path() {
            "/twice" => return ctx.response.set_body_writer(|_| planned_panic()),
            "/writer-then-reader" => {
                return ctx.response.set_body_reader(StepReader::new().then(|_| planned_panic()));
            }
            // Of this one nothing is read, so nothing can fail.
            "/reader-then-nothing" => {
                ctx.response.set_status_code(204);
                return ctx.response.set_body_reader(StepReader::new().then(|_| planned_panic()));
            }
            _ => {}
        }
        if ctx.request.query() != b"panics" {
            return;
        }
        let message = panic.message().unwrap_or("?").to_owned();
        ctx.response.set_status_code(503);
        ctx.response.set_body_writer(move |out| write!(out, "sorry: {message}"));
    });
    on_both(options, handler, |driven| {
        let mut client = driven.client();
        for path in ["/http-error", "/http-error-reader"] {
            let reply = client.get(path);
            assert_eq!((reply.status, reply.text()), (404, "no such page"), "{path}");
        }
        for path in EARLY {
            let reply = client.get(&format!("{path}?panics"));
            assert_eq!((reply.status, reply.text()), (503, "sorry: planned"), "{path}");
        }
        assert_is_plain_500(&client.get("/twice"));
        assert_is_plain_500(&client.get("/writer-then-reader"));
        assert_eq!(client.get("/reader-then-nothing").status, 204);
        assert_eq!(client.get("/").text(), "fine");
    });
}

/// Whoever wraps the handler has returned by then; whoever waits for it with a limit has not taken anything from that.
#[test]
fn so_is_what_fails_behind_a_handler_with_a_limit() {
    let options = |limit: u64| plain().handler_timeout(std::time::Duration::from_secs(limit));
    let with_limit: ServerBuilder = options(60);
    on_both(with_limit, failing, |driven| {
        let mut client = driven.client();
        for path in EARLY {
            assert_is_plain_500(&client.get(&format!("{path}?panics")));
            assert_is_plain_500(&client.get(&format!("{path}?errs")));
        }
    });
}

/// The writer reads the request's body, and what is wrong with that is the client's fault.
#[test]
fn a_writer_that_fails_with_its_request_answers_for_it() {
    let handler = |ctx: &mut RequestCtx| {
        ctx.response.set_body_writer(|out| {
            let mut body = Vec::new();
            io::Read::read_to_end(&mut out.body_reader(), &mut body)?;
            out.write_all(&body)
        });
    };
    on_both(streaming(), handler, |driven| {
        let mut client = driven.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
        let reply = client.response();
        assert_eq!(reply.status, 400, "{reply:?}");
        client.expect_end();
        let mut client = driven.client();
        client.send(sized("/", 10) + "part");
        client.finish_sending();
        let reply = client.response();
        assert_eq!((reply.status, reply.closes()), (400, true), "{reply:?}");
    });
}

/// No connection is there to tell of it, and the caller has a whole response.
#[test]
fn a_call_without_a_socket_is_answered_as_well() {
    let server = Server::new(failing).expect("the defaults");
    anthill_tests::quiet_panics();
    for path in EARLY {
        let request = anthill_http::Request::new("GET", format!("{path}?errs")).expect("a request");
        let response = server.call(&request).expect("a response");
        assert_eq!((response.status_code(), response.body()), (500, &b"Internal Server Error"[..]), "{path}");
    }
}

/// A peer that is gone is no reason to answer.
#[test]
fn a_writer_that_cannot_send_is_no_failure_of_its_own() {
    let notes = Notes::default();
    let says = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let says = says.clone();
        ctx.response.set_body_writer(move |out| {
            let error = loop {
                if let Err(error) = out.write_all(&[b'x'; 20_000]).and_then(|()| out.flush()) {
                    break error;
                }
            };
            says.add(format!("{:?}", error.kind()));
            Err(error)
        });
    };
    on_both(plain(), handler, |driven| {
        let mut client: Client = driven.client();
        client.send(get("/"));
        assert_eq!(client.stream().peek(&mut [0; 1]).expect("a response"), 1);
        drop(client);
        let kind = notes.take(1).remove(0);
        assert!(
            kind == format!("{:?}", ErrorKind::BrokenPipe)
                || kind == format!("{:?}", ErrorKind::ConnectionReset)
        );
        if let Some(ended) = driven.end() {
            assert!(ended.expect_err("the client is gone").is_io());
        }
    });
}
