//! Clients that wait to be asked for a body: rows `EXP-02` and `EXP-03`, and what becomes of the question when bodies
//! are streamed.
//!
//! The idea: until it is asked, such a client may send its body or not, and nobody can tell which. The rule: behind a
//! body that was not asked for nothing is taken for a request.

use std::io::{Read, Write};
use std::time::Duration;

use anthill_http::{RequestCtx, Server, ServerBuilder};
use anthill_tests::client::hears;
use anthill_tests::client::{Client, SOCKET_LIMIT, get, post};
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::uploads::{assert_goes_on, or_next, streaming, told};
use anthill_tests::{Gate, eventually, planned_panic};

fn ask(target: &str, framing: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\nX: y\r\nExpect: 100-continue\r\n{framing}\r\n\r\n")
}

const FRAMINGS: &[(&str, &str)] =
    &[("Content-Length: 4", "body"), ("Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n")];

/// Buffered and streamed bodies.
fn modes() -> [ServerBuilder; 2] {
    [Server::builder(), Server::builder().stream_request_body(true)]
}

fn echo(ctx: &mut RequestCtx) {
    let body = ctx.read_body().map(<[u8]>::to_vec).unwrap_or_else(|error| told(&error).into_bytes());
    ctx.set_body(body);
}

/// Asserts that the server asks for the body, and sends it.
#[track_caller]
fn assert_asked(client: &mut Client, body: &str) {
    let interim = client.response();
    assert_eq!((interim.status, interim.reason.as_str(), interim.fields.len()), (100, "Continue", 0));
    client.send(body);
}

#[test]
fn exp_02_a_hook_refuses_with_a_status_of_its_own() {
    for options in modes() {
        let notes = Notes::default();
        let says = notes.clone();
        let options = options.expect_handler(move |ctx| {
            says.add(format!(
                "{} {} {:?} {}",
                ctx.method(),
                ctx.path(),
                ctx.header("x"),
                ctx.remote_addr().ip()
            ));
            assert!(ctx.body().is_empty());
            // Whatever it puts into the response, the status is the answer.
            ctx.response.set_header("X-Extra", "x");
            ctx.set_body("not sent");
            match ctx.path() {
                "/fine" => 100,
                "/panic" => planned_panic(),
                path => path[1..].parse().unwrap(),
            }
        });
        // The yes or no is not asked beside it.
        let options = options.continue_handler(|_| panic!("asked as well"));
        on_both(options, echo, |driven| {
            for (framing, body) in FRAMINGS {
                for (path, status) in [("/413", 413), ("/401", 401), ("/204", 204), ("/panic", 500)] {
                    for behind in [
                        String::new(),
                        (*body).to_owned(),
                        (*body).to_owned() + &get("/never"),
                        get("/never"),
                    ] {
                        let mut client = driven.client();
                        client.send(ask(path, framing) + &behind);
                        let reply = client.response();
                        assert_eq!(
                            (reply.status, reply.text(), reply.closes()),
                            (status, "", true),
                            "{path}"
                        );
                        assert_eq!(reply.field("X-Extra"), None);
                        assert!(client.is_ended_within(SOCKET_LIMIT));
                        assert_eq!(notes.take(1), [format!("POST {path} Some([121]) 127.0.0.1")]);
                    }
                }
            }
            assert_eq!(driven.handled(), 0);
            let mut client = driven.client();
            for (framing, body) in FRAMINGS {
                client.send(ask("/fine", framing));
                assert_asked(&mut client, body);
                assert_eq!(client.response().text(), "body");
                assert_eq!(notes.take(1).len(), 1);
            }
            // Those who do not ask are not judged, nor are those who cannot.
            client.send(post("/413", "body") + &ask("/413", "Content-Length: 0"));
            assert_eq!(client.response().text(), "body");
            assert_eq!(client.response().status, 200);
            client.send(ask("/413", "Content-Length: 4").replace("1.1", "1.0") + "body");
            assert_eq!(client.response().text(), "body");
            assert!(notes.take(0).is_empty());
        });
    }
}

#[test]
fn exp_03_a_hook_says_yes_or_no() {
    for options in modes() {
        let options = options.continue_handler(|request| {
            assert!(request.header("X").is_some());
            match request.path() {
                "/panic" => planned_panic(),
                path => path == "/yes",
            }
        });
        on_both(options, echo, |driven| {
            for round in 0..25 {
                let (framing, body) = FRAMINGS[round % 2];
                let mut client = driven.client();
                assert_eq!(client.exchange(post("/no", "plain")).text(), "plain");
                client.send(ask("/yes", framing));
                assert_asked(&mut client, body);
                assert_eq!(client.response().text(), "body");
                client.send(ask("/no", framing) + &get("/never"));
                let reply = client.response();
                assert_eq!((reply.status, reply.text(), reply.closes()), (417, "", true));
                assert!(client.is_ended_within(SOCKET_LIMIT));
                assert_eq!(driven.handled(), (round + 1) * 2);
            }
            let mut client = driven.client();
            client.send(ask("/panic", "Content-Length: 4"));
            assert_eq!(client.response().status, 500);
            client.expect_end();
        });
    }
}

/// While the body is on its way others are served by the same thread.
#[test]
fn what_a_hook_keeps_is_there_for_the_handler_of_its_request_and_for_no_other() {
    for options in modes() {
        let options = options.shards(1).expect_handler(|ctx| {
            let whose = ctx.header_str("X").unwrap_or_default().to_owned();
            ctx.set_user_value("whose", whose);
            if ctx.path() == "/no" { 403 } else { 100 }
        });
        let handler = |ctx: &mut RequestCtx| {
            let whose = ctx.user_value::<String>("whose").cloned().unwrap_or_default();
            ctx.read_body().expect("the client sends it");
            ctx.set_body(whose);
        };
        on_both(options, handler, |driven| {
            for (framing, body) in FRAMINGS {
                let (mut asks, mut other) = (driven.client(), driven.client());
                asks.send(ask("/", framing));
                assert_asked(&mut asks, "");
                assert_eq!(other.get("/").text(), "", "it was asked nothing");
                let mut refused = driven.client();
                refused.send(ask("/no", framing));
                assert_eq!(refused.response().status, 403);
                refused.expect_end();
                assert_eq!(other.get("/").text(), "");
                asks.send(body);
                assert_eq!(asks.response().text(), "y");
                assert_eq!(asks.get("/").text(), "", "that was for one request");
            }
        });
    }
}

#[test]
fn a_streamed_body_is_asked_for_by_the_first_read() {
    for (framing, body) in FRAMINGS {
        for is_collected in [false, true] {
            let gate = Gate::new();
            let held = gate.clone();
            let handler = or_next(move |ctx| {
                held.pass();
                if is_collected {
                    echo(ctx);
                } else {
                    let mut body = String::new();
                    ctx.body_reader().read_to_string(&mut body).unwrap();
                    ctx.set_body(body);
                }
            });
            on_both(streaming(), handler, |driven| {
                let mut client = driven.client();
                client.send(ask("/", framing));
                eventually("the handler runs", || driven.handled() == 1);
                if driven.is_engine() {
                    assert!(client.hears_nothing_for(Duration::from_millis(30)), "nobody has read");
                }
                gate.open();
                assert_asked(&mut client, body);
                assert_eq!(client.response().text(), "body");
                assert_goes_on(&mut client);
                // Once is enough.
                client.send(ask("/", framing));
                hears(&client, "HTTP/1.1 100 Continue\r\n\r\n");
                for byte in body.chars() {
                    client.send(byte.to_string());
                }
                hears(&client, "HTTP/1.1 200 OK\r\n");
            });
        }
    }
}

#[test]
fn a_body_that_nobody_reads_is_not_asked_for_and_ends_the_connection() {
    on_both(
        streaming(),
        |ctx| ctx.set_body("no need"),
        |driven| {
            let mut handled = 0;
            for (framing, body) in FRAMINGS {
                for behind in [String::new(), (*body).to_owned() + &get("/never"), get("/never")] {
                    let mut client = driven.client();
                    client.send(ask("/", framing));
                    handled += 1;
                    eventually("it is handled", || driven.handled() == handled);
                    let _ = client.try_send(&behind);
                    let reply = client.response();
                    assert_eq!((reply.status, reply.text(), reply.closes()), (200, "no need", true));
                    assert!(client.is_ended_within(SOCKET_LIMIT));
                    assert_eq!(driven.handled(), handled);
                }
            }
        },
    );
}

#[test]
fn a_body_that_is_there_is_not_asked_for() {
    let handler = or_next(|ctx| {
        if ctx.path() == "/read" {
            echo(ctx)
        }
    });
    on_both(streaming(), handler, |driven| {
        let mut client = driven.client();
        for (framing, body) in FRAMINGS {
            client.send(ask("/read", framing) + body);
            let reply = client.response();
            assert_eq!((reply.status, reply.text(), reply.closes()), (200, "body", false));
            assert_goes_on(&mut client);
            // Nor need it be read.
            client.send(ask("/ignored", framing) + body + &get("/next"));
            let reply = client.response();
            assert_eq!((reply.status, reply.closes()), (200, false));
            assert_eq!(client.response().status, 200);
        }
        // Some of it: so the client does not wait.
        client.send(ask("/read", "Content-Length: 4") + "bo");
        assert!(client.hears_nothing_for(Duration::from_millis(30)));
        client.send("dy");
        assert_eq!(client.response().text(), "body");
        assert_goes_on(&mut client);
    });
}

#[test]
fn a_client_is_not_asked_in_the_middle_of_a_response() {
    let handler = or_next(|ctx| {
        let is_half_enough = ctx.request.query() == b"half";
        let flushes_first = ctx.path() == "/flush";
        ctx.response.set_immediate_header_flush(ctx.path() == "/head");
        ctx.response.set_body_writer(move |out| {
            if flushes_first {
                out.write_all(b"first ")?;
                out.flush()?;
            }
            let mut body = String::new();
            // A client that has begun to send will go on.
            let most = if is_half_enough { 2 } else { 100 };
            match out.body_reader().take(most).read_to_string(&mut body) {
                Ok(_) => out.write_all(body.as_bytes()),
                Err(error) => out.write_all(told(&error).as_bytes()),
            }
        });
    });
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    on_both(streaming(), handler, |driven| {
        for (framing, body) in FRAMINGS {
            let mut client = driven.client();
            // Before anything was flushed it can be asked.
            client.send(ask("/", framing));
            hears(&client, "HTTP/1.1 100 Continue\r\n\r\n");
            client.send(body);
            hears(&client, &format!("{head}4\r\nbody\r\n0\r\n\r\n"));
            assert_goes_on(&mut client);
            // A client that has the head may send the body all the same.
            for (target, start) in [("/head", ""), ("/flush", "6\r\nfirst \r\n")] {
                let mut client = driven.client();
                client.send(ask(target, framing));
                hears(&client, &format!("{head}{start}"));
                assert!(client.hears_nothing_for(Duration::from_millis(30)));
                client.send(body);
                hears(&client, "4\r\nbody\r\n0\r\n\r\n");
                assert_goes_on(&mut client);
                let mut client = driven.client();
                client.send(ask(&format!("{target}?half"), framing));
                hears(&client, &format!("{head}{start}"));
                client.send(&body[..body.len() - 1]);
                hears(&client, "2\r\nbo\r\n0\r\n\r\n");
                client.send(&body[body.len() - 1..]);
                assert_goes_on(&mut client);
                // Or not.
                let mut client = driven.client();
                client.send(ask(target, framing));
                hears(&client, &format!("{head}{start}"));
                client.finish_sending();
                hears(&client, "21\r\nUnexpectedEof Some(UnexpectedEnd)\r\n0\r\n\r\n");
                client.expect_end();
            }
        }
    });
}
