//! Responses whose bodies are produced while they are sent: rows `RSP-02`, `RSP-04` to `RSP-10`, `BDY-08`, `HDR-06` and
//! `HDR-08`.
//!
//! The idea: whatever a body comes from, its client sees a message that is framed correctly or breaks off, and its
//! source is dropped once, asked or not. So every form of body is put through the same questions. The rule: what is on
//! the wire counts, to the byte, and what comes behind the response.

use std::io::{self, ErrorKind, Read, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::{RequestCtx, Response, Server, TrailerError};
use anthill_tests::body_sources::{
    CHUNKED_HEAD, FORMS, SOURCES, STATIC, StepReader, Tally, give, giving, is_of_unknown_size,
};
use anthill_tests::client::get;
use anthill_tests::client::hears;
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::plain;
use anthill_tests::uploads::{assert_goes_on, or_next, pattern};
use anthill_tests::{Gate, eventually, planned_panic};

#[test]
fn every_form_of_body_arrives_and_the_connection_stays() {
    let tally = Tally::default();
    on_both(plain(), giving(&tally), |driven| {
        let mut client = driven.client();
        for form in FORMS {
            for length in [0, 1, 24, 16 * 1024, 16 * 1024 + 1, 40_000] {
                client.send(get(&format!("{form}?{length}")) + &get(&format!("{form}?{length}")));
                for _ in 0..2 {
                    let reply = client.response();
                    assert!(reply.body == STATIC[..length], "{form} {length}");
                    assert_eq!((reply.status, reply.closes()), (200, false));
                    let announced = length.to_string();
                    let announced = (!is_of_unknown_size(form)).then_some(announced.as_str());
                    assert_eq!(reply.field("Content-Length"), announced, "{form}");
                    assert_eq!(reply.field("Transfer-Encoding").is_some(), announced.is_none(), "{form}");
                }
                tally.drops(if SOURCES.contains(form) { 2 } else { 0 });
            }
            assert_goes_on(&mut client);
        }
    });
}

#[test]
fn rsp_02_head_has_the_fields_of_get_and_nothing_behind_them() {
    let tally = Tally::default();
    on_both(plain(), giving(&tally), |driven| {
        let mut client = driven.client();
        for form in FORMS {
            for length in [0, 24, 40_000] {
                let target = format!("{form}?{length}");
                let expected = client.get(&target);
                let sources = usize::from(SOURCES.contains(form));
                tally.drops(sources);
                if length == 24 && !is_of_unknown_size(form) {
                    assert_eq!(expected.field("Content-Length"), Some("24"));
                }
                let head = format!("HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n");
                client.send(head.repeat(2) + &get(&target));
                for _ in 0..2 {
                    let reply = client.response_to_head();
                    assert_eq!((reply.status, &reply.fields), (200, &expected.fields), "{target}");
                }
                assert_eq!(client.response(), expected, "no stray byte in between");
                eventually("all are dropped", || tally.0.1.load(Ordering::SeqCst) == 3 * sources);
                let (reads, _) = tally.take();
                assert_eq!(reads > 0, sources > 0 && (length > 0 || is_of_unknown_size(form)), "{target}");
                client.send(&head);
                client.response_to_head();
                assert_goes_on(&mut client);
                assert_eq!(tally.take(), (0, sources), "not asked, and dropped all the same");
            }
        }
    });
}

#[test]
fn rsp_03_a_status_without_a_body_drops_what_was_given() {
    let tally = Tally::default();
    on_both(plain(), giving(&tally), |driven| {
        let mut client = driven.client();
        for form in FORMS {
            for status in [204, 304, 205] {
                client.send(
                    format!("GET {form} HTTP/1.1\r\nHost: h\r\nX-Status: {status}\r\n\r\n") + &get("/next"),
                );
                let reply = client.response();
                assert_eq!((reply.status, reply.body.len(), reply.closes()), (status, 0, false), "{form}");
                assert_eq!(reply.field("Content-Length"), (status == 205).then_some("0"));
                assert_eq!((reply.field("Transfer-Encoding"), reply.field("Content-Type")), (None, None));
                assert_eq!(client.response().status, 200, "{form} {status}");
                assert_eq!(tally.take(), (0, usize::from(SOURCES.contains(form))), "{form} {status}");
            }
        }
        for form in FORMS {
            let mut client = driven.client();
            client.send(format!("GET {form} HTTP/1.1\r\nHost: h\r\nX-Status: 102\r\n\r\n"));
            assert_eq!(client.response().status, 102);
            client.expect_end();
            assert_eq!(tally.take(), (0, usize::from(SOURCES.contains(form))), "{form}");
        }
    });
}

/// A reader that says how many bytes it was asked for, and gives at most `step` at once.
pub(crate) struct Metered {
    body: io::Cursor<Vec<u8>>,
    step: usize,
    asked: Arc<AtomicUsize>,
}

impl Read for Metered {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = room.len().min(self.step);
        let count = self.body.read(&mut room[..length])?;
        self.asked.fetch_add(count, Ordering::SeqCst);
        Ok(count)
    }
}

#[test]
fn rsp_04_a_stream_of_known_size_is_sent_to_the_byte() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = asked.clone();
    let handler = or_next(move |ctx| {
        let numbers: Vec<usize> = String::from_utf8_lossy(ctx.request.query())
            .split(',')
            .map(|number| number.parse().unwrap())
            .collect();
        let body = io::Cursor::new(pattern(numbers[1]));
        let reader = Metered { body, step: numbers[2], asked: seen.clone() };
        ctx.response.set_body_reader_sized(reader, numbers[0] as u64);
    });
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        for announced in [0, 1, 1000, 65_535, 65_536, 65_537, 300_000] {
            // As many as announced, and more than that.
            for (there, step) in [(announced, 100_000), (announced + 5, 100_000), (announced + 5, 999)] {
                asked.store(0, Ordering::SeqCst);
                client.send(get(&format!("/?{announced},{there},{step}")));
                let reply = client.response();
                assert_eq!(reply.field("Content-Length"), Some(announced.to_string().as_str()));
                assert!(reply.body == pattern(announced), "{announced} of {there} by {step}");
                assert_goes_on(&mut client);
                assert_eq!(asked.load(Ordering::SeqCst), announced, "what is beyond is not asked for");
            }
        }
        drop(client);
        for (announced, there) in [(10, 9), (100_000, 70_000)] {
            let mut client = driven.client();
            client.send(get(&format!("/?{announced},{there},100000")) + &get("/next"));
            let problem = client.try_response().expect_err("it is short");
            assert!(problem.starts_with("the connection ended"), "{problem}");
            if let Some(ended) = driven.end() {
                let error = ended.unwrap_err();
                assert!(error.is_body() && !error.is_body_panic() && !error.is_io());
                let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
                assert_eq!(source.kind(), ErrorKind::UnexpectedEof);
                assert!(source.to_string().contains(&(announced - there).to_string()), "{source}");
            }
        }
    });
}

/// A body that says "first", then waits at the gate, then says "second".
pub(crate) fn in_two_parts(ctx: &mut RequestCtx, gate: &Gate) {
    let gate = gate.clone();
    if ctx.path() == "/reader" {
        ctx.response.set_body_reader(StepReader::new().gives("first").waits(&gate, "second"));
    } else {
        ctx.response.set_body_writer(move |out| {
            out.write_all(b"fir")?;
            out.write_all(b"st")?;
            out.flush()?;
            gate.pass();
            out.write_all(b"second")
        });
    }
}

#[test]
fn rsp_05_each_flush_is_a_chunk_that_arrives_at_once() {
    for form in ["/reader", "/writer"] {
        // Each request needs a gate that is closed.
        let gate = Arc::new(Mutex::new(Gate::new()));
        let same = gate.clone();
        let handler = or_next(move |ctx| in_two_parts(ctx, &same.lock().unwrap()));
        on_both(plain(), handler, |driven| {
            for _ in 0..2 {
                let mut client = driven.client();
                client.send(get(form));
                hears(&client, &format!("{CHUNKED_HEAD}5\r\nfirst\r\n"));
                assert!(client.hears_nothing_for(Duration::from_millis(30)), "the rest does not exist yet");
                std::mem::take(&mut *gate.lock().unwrap()).open();
                hears(&client, "6\r\nsecond\r\n0\r\n\r\n");
                assert_goes_on(&mut client);
            }
        });
    }
}

#[test]
fn rsp_05_what_is_written_in_any_portions_arrives() {
    let handler = or_next(|ctx| {
        let portion: usize = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
        ctx.response.set_body_writer(move |out| {
            for piece in pattern(200_000).chunks(portion) {
                out.write_all(piece)?;
            }
            // A flush of nothing is no chunk: that would be the last.
            out.flush()?;
            out.flush()
        });
    });
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        for portion in [1, 100, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 200_000] {
            assert!(client.get(&format!("/?{portion}")).body == pattern(200_000), "{portion}");
            assert_goes_on(&mut client);
        }
        // Small portions are collected, not sent one by one.
        client.send("GET /?1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let received = client.rest().unwrap().len();
        assert!(received < 200_000 + 1000, "{received} bytes for 200,000 of body");
    });
}

#[test]
fn rsp_06_to_http_1_0_a_stream_of_unknown_size_ends_with_the_connection() {
    let tally = Tally::default();
    on_both(plain(), giving(&tally), |driven| {
        for form in FORMS {
            for kept in ["", "Connection: keep-alive\r\n"] {
                let mut client = driven.client();
                client.send(format!("GET {form}?40000 HTTP/1.0\r\n{kept}\r\n"));
                let reply = client.response();
                assert!(reply.body == STATIC, "{form}");
                assert_eq!(reply.field("Transfer-Encoding"), None, "{form}");
                if is_of_unknown_size(form) {
                    assert_eq!((reply.field("Content-Length"), reply.closes()), (None, true), "{form}");
                } else {
                    assert_eq!(reply.field("Content-Length"), Some("40000"), "{form}");
                    assert_eq!(reply.closes(), kept.is_empty(), "{form}");
                }
                if reply.closes() {
                    client.expect_end();
                } else {
                    assert_goes_on(&mut client);
                }
                // What is not there does not end with the connection either.
                let mut client = driven.client();
                client.send(format!("HEAD {form} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
                let reply = client.response_to_head();
                assert_eq!(reply.field("Connection"), Some("keep-alive"), "{form}");
                assert_goes_on(&mut client);
            }
        }
    });
}

#[test]
fn rsp_07_the_head_can_go_first() {
    for form in ["/reader", "/writer"] {
        for flushes_head in [true, false] {
            let gate = Arc::new(Mutex::new(Gate::new()));
            let same = gate.clone();
            let handler = move |ctx: &mut RequestCtx| {
                let gate = same.lock().unwrap().clone();
                let waiting = gate.clone();
                ctx.response.set_immediate_header_flush(flushes_head);
                if form == "/reader" {
                    ctx.response.set_body_reader(StepReader::new().waits(&gate, "body"));
                } else {
                    ctx.response.set_body_writer(move |out| {
                        waiting.pass();
                        out.write_all(b"body")
                    });
                }
            };
            on_both(plain(), handler, |driven| {
                let mut client = driven.client();
                client.send(get("/"));
                if flushes_head {
                    hears(&client, CHUNKED_HEAD);
                    assert!(client.hears_nothing_for(Duration::from_millis(30)));
                } else {
                    eventually("the handler runs", || driven.handled() == 1);
                    assert!(client.hears_nothing_for(Duration::from_millis(30)));
                }
                let open = std::mem::take(&mut *gate.lock().unwrap());
                open.open();
                if !flushes_head {
                    hears(&client, CHUNKED_HEAD);
                }
                hears(&client, "4\r\nbody\r\n0\r\n\r\n");
            });
        }
    }
}

#[test]
fn rsp_07_a_writer_learns_that_its_client_is_gone() {
    let notes = Notes::default();
    let says = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let says = says.clone();
        let is_stubborn = ctx.path() == "/stubborn";
        ctx.response.set_body_writer(move |out| {
            let error = loop {
                let written = out.write_all(&[b'x'; 1000]).and_then(|()| out.flush());
                if let Err(error) = written {
                    break error;
                }
            };
            // What is written after an error goes nowhere, and the error stays.
            for _ in 0..3 {
                assert_eq!(out.write(b"more").unwrap_err().kind(), error.kind());
                assert_eq!(out.flush().unwrap_err().kind(), error.kind());
            }
            says.add(format!("{:?}", error.kind()));
            if is_stubborn { Ok(()) } else { Err(error) }
        });
    };
    on_both(plain(), handler, |driven| {
        for target in ["/", "/stubborn"] {
            let mut client = driven.client();
            client.send(get(target));
            hears(&client, "HTTP/1.1 200 OK\r\n");
            drop(client);
            let kind = notes.take(1).remove(0);
            assert!(["BrokenPipe", "ConnectionReset"].contains(&kind.as_str()), "{kind}");
            if let Some(ended) = driven.end() {
                let error = ended.unwrap_err();
                assert!(
                    error.is_io() && !error.is_body(),
                    "the connection failed, and not the writer: {error:?}"
                );
            }
        }
    });
}

#[test]
fn a_source_is_dropped_when_its_client_is_gone() {
    let tally = Tally::default();
    let same = tally.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let endless = same.source(io::repeat(b'x'));
        match ctx.path() {
            "/sized" => ctx.response.set_body_reader_sized(endless, u64::MAX / 4),
            _ => ctx.response.set_body_reader(endless),
        }
    };
    on_both(plain(), handler, |driven| {
        for target in ["/", "/sized"] {
            let mut client = driven.client();
            client.send(get(target));
            hears(&client, "HTTP/1.1 200 OK\r\n");
            drop(client);
            tally.drops(1);
        }
    });
}

#[test]
fn rsp_08_a_source_that_fails_ends_its_connection_and_nothing_else() {
    let tally = Tally::default();
    let same = tally.clone();
    let handler = or_next(move |ctx| {
        let fail = |panics: bool| -> io::Result<usize> {
            if panics {
                planned_panic();
            }
            Err(io::Error::other("out of bytes"))
        };
        let panics = ctx.request.query() == b"panics";
        match ctx.path() {
            "/fine" => ctx.set_body("fine"),
            "/reader" => {
                let script = StepReader::new().gives("some").then(move |_| fail(panics));
                ctx.response.set_body_reader(same.source(script));
            }
            "/head-first" => {
                ctx.response.set_immediate_header_flush(true);
                ctx.response.set_body_reader(same.source(StepReader::new().then(move |_| fail(panics))))
            }
            "/sized" => {
                let script = StepReader::new().gives("some").then(move |_| fail(panics));
                ctx.response.set_body_reader_sized(same.source(script), 100);
            }
            "/writer" => {
                let source = same.source(());
                ctx.response.set_body_writer(move |out| {
                    source.touch();
                    out.write_all(b"so")?;
                    out.flush()?;
                    out.write_all(b"me")?;
                    fail(panics).map(drop)
                });
            }
            _ => unreachable!(),
        }
    });
    on_both(plain(), handler, |driven| {
        for form in ["/reader", "/head-first", "/sized", "/writer"] {
            for how in ["panics", "errs"] {
                let mut client = driven.client();
                client.send(get("/fine") + &get(&format!("{form}?{how}")) + &get("/never"));
                let received = String::from_utf8(client.rest().unwrap()).unwrap();
                let fine = received.find("\r\n\r\nfine").expect("what was answered before is delivered");
                // So is what there was of the body, to see where it broke off.
                let broken = &received[fine + 8..];
                let end = match form {
                    "/head-first" => "\r\n\r\n",
                    "/writer" => "\r\n\r\n2\r\nso\r\n2\r\nme\r\n",
                    "/sized" => "Content-Length: 100\r\n\r\nsome",
                    _ => "\r\n\r\n4\r\nsome\r\n",
                };
                assert!(
                    broken.starts_with("HTTP/1.1 200 OK\r\n") && broken.ends_with(end),
                    "{form}: {broken:?}"
                );
                assert_eq!(broken.matches("HTTP/1.1").count(), 1, "nothing behind it is served");
                tally.drops(1);
                if let Some(ended) = driven.end() {
                    let error = ended.unwrap_err();
                    assert_eq!((error.is_body(), error.is_body_panic()), (true, how == "panics"), "{form}");
                    assert!(!error.is_io() && error.proto().is_none() && error.status().is_none());
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    assert_eq!(source.as_deref(), (how == "errs").then_some("out of bytes"), "{form}");
                }
                assert_goes_on(&mut driven.client());
            }
        }
    });
}

#[test]
fn rsp_08_strange_readers_do_no_harm() {
    /// A reader that ends by panicking when it is dropped.
    struct Bomb(io::Cursor<&'static str>);
    impl Read for Bomb {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.0.read(room)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("while dropped"));
        }
    }
    let handler = or_next(|ctx| match ctx.path() {
        "/bomb" => ctx.response.set_body_reader(Bomb(io::Cursor::new("body"))),
        "/interrupted" => {
            let interrupted = |_: &mut [u8]| Err(ErrorKind::Interrupted.into());
            ctx.response.set_body_reader(StepReader::new().then(interrupted).gives("body").then(interrupted));
        }
        "/boaster" => {
            ctx.response.set_body_reader_sized(StepReader::new().then(|room| Ok(room.len() + 1)), 4)
        }
        "/would-block" => {
            let would_block = |_: &mut [u8]| Err(ErrorKind::WouldBlock.into());
            ctx.response.set_body_reader(StepReader::new().gives("body").then(would_block));
        }
        _ => unreachable!(),
    });
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        assert_eq!(client.get("/bomb").text(), "body");
        assert_goes_on(&mut client);
        client.send("HEAD /bomb HTTP/1.1\r\nHost: h\r\n\r\n");
        client.response_to_head();
        assert_eq!(client.get("/interrupted").text(), "body");
        assert_eq!(client.get("/boaster").text(), "\0\0\0\0");
        assert_goes_on(&mut client);
        client.send(get("/would-block"));
        assert!(client.try_response().is_err());
        assert_goes_on(&mut driven.client());
    });
}

#[test]
fn rsp_09_bodies_are_moved_shared_swapped_and_dropped_once() {
    let tally = Tally::default();
    let mut response = Response::new();
    for form in FORMS {
        give(&mut response, form, b"ssss", &tally);
        assert_eq!(response.is_body_stream(), !["/copied", "/vec", "/static", "/shared"].contains(form));
        let shown: &[u8] = if response.is_body_stream() { b"" } else { b"ssss" };
        assert_eq!(response.body(), shown, "{form}");
        assert_eq!(response.content_length(), (!is_of_unknown_size(form)).then_some(4), "{form}");
        let copy = response.clone();
        assert_eq!(copy.body(), shown);
        response.append_body("!");
        assert_eq!(response.body(), [shown, b"!"].concat(), "{form}");
        give(&mut response, form, b"ssss", &tally);
        assert_eq!(response.swap_body(b"new".to_vec()), shown, "{form}");
        assert_eq!(response.body(), b"new");
        give(&mut response, form, b"ssss", &tally);
        response.clear_body();
        assert_eq!((response.body(), response.content_length()), (&b""[..], Some(0)), "{form}");
        give(&mut response, form, b"ssss", &tally);
        response.clear();
        assert_eq!((response.body(), response.is_body_stream()), (&b""[..], false), "{form}");
        // One form in the place of each other.
        for other in FORMS {
            give(&mut response, form, b"ssss", &tally);
            give(&mut response, other, b"sss", &tally);
            assert_eq!(
                response.content_length(),
                (!is_of_unknown_size(other)).then_some(3),
                "{form} {other}"
            );
        }
        response.clear();
        let sources = if SOURCES.contains(form) { 4 + FORMS.len() } else { 0 } + SOURCES.len();
        assert_eq!(tally.take(), (0, sources), "{form}");
    }
    let shared: Arc<[u8]> = Arc::from(&b"shared"[..]);
    response.set_body_shared(shared.clone());
    assert_eq!(Arc::strong_count(&shared), 2, "not copied");
    response.clear();
    assert_eq!(Arc::strong_count(&shared), 1);
    let body = vec![b'x'; 100];
    let place = body.as_ptr();
    response.set_body_vec(body);
    let body = response.swap_body(Vec::new());
    assert_eq!(body.as_ptr(), place, "moved, and not copied");
}

#[test]
fn rsp_09_a_source_is_dropped_once_however_the_request_ends() {
    let tally = Tally::default();
    let same = tally.clone();
    let handler = or_next(move |ctx| {
        let form = String::from_utf8_lossy(ctx.request.query()).into_owned();
        give(&mut ctx.response, &form, b"ssss", &same);
        match ctx.path() {
            "/error" => ctx.error("no", 500),
            "/panic" => planned_panic(),
            "/replace" => ctx.set_body("other"),
            "/exchange" => ctx.request = anthill_http::Request::new("GET", "/").unwrap(),
            "/take" => drop(std::mem::take(ctx)),
            _ => {}
        }
    });
    on_both(plain(), handler, |driven| {
        for path in ["/error", "/panic", "/replace", "/exchange", "/take", "/"] {
            for form in SOURCES {
                let mut client = driven.client();
                client.send(get(&format!("{path}?{form}")));
                let reply = client.try_response();
                assert_eq!(reply.is_ok(), path != "/take", "{path} {form}");
                tally.drops(1);
            }
        }
    });
}

#[test]
fn bdy_08_trailers_come_behind_the_last_chunk() {
    let handler = |ctx: &mut RequestCtx| {
        let response = &mut ctx.response;
        // Announced before and behind the fields themselves.
        response.set_header("X-Sum", "7\r\nX-Forged: 1");
        assert_eq!(response.add_trailer("X-Sum, expires"), Ok(()));
        response.set_header("Expires", "never");
        response.set_header("X-Plain", "plain");
        match ctx.path() {
            "/reader" => ctx.response.set_body_reader(StepReader::new().gives("body")),
            "/sized" => ctx.response.set_body_reader_sized(StepReader::new().gives("body"), 4),
            "/copied" => ctx.set_body("body"),
            _ => ctx.response.set_body_writer(|out| {
                let added: Vec<bool> = ["X-Late", "Content-Length", "a b", "X-Other"]
                    .iter()
                    .map(|name| out.append_trailer(name, "1\r\n2"))
                    .collect();
                assert!(!added[1] && !added[2] && added[0] == added[3]);
                out.write_all(if added[0] { b"body" } else { b"BODY" })
            }),
        }
    };
    on_both(plain(), handler, |driven| {
        let ask = |target: &str, version: &str| {
            let mut client = driven.client();
            client.send(format!("GET {target} HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n"));
            String::from_utf8(client.rest().unwrap()).unwrap()
        };
        let start = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";
        let chunked = format!(
            "{start}Transfer-Encoding: chunked\r\nX-Plain: plain\r\nTrailer: X-Sum, Expires\r\nConnection: close\r\n\r\n\
             4\r\nbody\r\n0\r\nX-Sum: 7  X-Forged: 1\r\nExpires: never\r\n"
        );
        assert_eq!(ask("/reader", "1.1"), format!("{chunked}\r\n"));
        assert_eq!(ask("/writer", "1.1"), format!("{chunked}X-Late: 1  2\r\nX-Other: 1  2\r\n\r\n"));
        // Without chunks there is no place behind the body, so they stand in the head.
        let fields = "X-Sum: 7  X-Forged: 1\r\nExpires: never\r\nX-Plain: plain\r\n";
        for (target, version, length, body) in [
            ("/reader", "1.0", "", "body"),
            ("/writer", "1.0", "", "BODY"),
            ("/sized", "1.1", "Content-Length: 4\r\n", "body"),
            ("/copied", "1.1", "Content-Length: 4\r\n", "body"),
        ] {
            let expected = format!("{start}{length}{fields}Connection: close\r\n\r\n{body}");
            assert_eq!(ask(target, version), expected);
        }
    });
}

#[test]
fn bdy_08_names_that_must_not_be_trailers_are_refused_and_good_ones_kept() {
    for names in
        ["a b", "", "X-Good,", "a:b", "a\r\nb", "a\0", "Content-Length", "é", "Host, X-Good", "X-Good, a b"]
    {
        let mut response = Response::new();
        assert_eq!(response.add_trailer(names), Err(TrailerError), "{names:?}");
        let kept = names.contains("X-Good").then_some(&b"X-Good"[..]);
        assert_eq!(response.headers().get("Trailer"), kept, "{names:?}");
    }
    let mut response = Response::new();
    assert_eq!(response.add_trailer(" x-one ,\tX-Two"), Ok(()));
    assert_eq!(response.add_trailer("x-three"), Ok(()));
    assert_eq!(response.headers().get("Trailer"), Some(&b"X-One, X-Two, X-Three"[..]));
}

#[test]
fn hdr_06_the_framing_of_streams_cannot_be_forged() {
    let tally = Tally::default();
    let give = giving(&tally);
    let handler = move |ctx: &mut RequestCtx| {
        ctx.response.set_header("Transfer-Encoding", "chunked");
        ctx.response.append_header("transfer-encoding", "gzip");
        ctx.response.set_header("Content-Length", "1000");
        ctx.response.append_header("content-length", "2");
        ctx.response.set_header("X", "y\r\nContent-Length: 3\r\n\r\n");
        ctx.response.set_header("Connection", "Content-Length, Transfer-Encoding");
        give(ctx);
    };
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        for form in FORMS {
            for length in ["0", "24", "40000"] {
                let reply = client.get(&format!("{form}?{length}"));
                let (lengths, codings) = (reply.values("Content-Length"), reply.values("Transfer-Encoding"));
                if is_of_unknown_size(form) {
                    assert_eq!((lengths, codings), (vec![], vec!["chunked"]), "{form}");
                } else {
                    assert_eq!((lengths, codings), (vec![length], vec![]), "{form}");
                }
                assert_eq!(reply.body.len().to_string(), length);
                assert_eq!(reply.field("Connection"), None);
            }
        }
        // Only what HEAD would have been answered with may be named, when nothing was made.
        client.send("HEAD /copied?24 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.response_to_head().values("Content-Length"), ["24"]);
    });
}

#[test]
fn hdr_08_fields_come_in_one_order() {
    let handler = |ctx: &mut RequestCtx| {
        let response = &mut ctx.response;
        response.append_header("Set-Cookie", "a=b");
        response.add_trailer("X-Behind").unwrap();
        response.append_header("X-One", "1");
        response.set_connection_close();
        response.append_header("Connection", "Upgrade");
        response.set_header("X-Behind", "0");
        response.set_header("Content-Encoding", "x");
        response.append_header("Set-Cookie", "c=d");
        response.set_content_type("a/b");
        response.append_header("X-Two", "2");
        response.set_header("Date", "today");
        response.set_header("Server", "s");
        response.append_header("X-One", "3");
        match ctx.path() {
            "/reader" => ctx.response.set_body_reader(StepReader::new().gives("body")),
            _ => ctx.set_body("body"),
        }
    };
    on_both(Server::builder(), handler, |driven| {
        for (target, framing, others, body) in [
            (
                "/reader",
                "Transfer-Encoding: chunked",
                "X-One: 1\r\nX-Two: 2\r\nX-One: 3\r\nTrailer: X-Behind",
                "4\r\nbody\r\n0\r\nX-Behind: 0\r\n\r\n",
            ),
            ("/copied", "Content-Length: 4", "X-One: 1\r\nX-Behind: 0\r\nX-Two: 2\r\nX-One: 3", "body"),
        ] {
            let mut client = driven.client();
            client.send(get(target));
            let expected = format!(
                "HTTP/1.1 200 OK\r\nServer: s\r\nDate: today\r\nContent-Type: a/b\r\nContent-Encoding: x\r\n\
                 {framing}\r\n{others}\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nConnection: close, Upgrade\r\n\r\n{body}"
            );
            assert_eq!(String::from_utf8(client.rest().unwrap()).unwrap(), expected);
        }
    });
}
