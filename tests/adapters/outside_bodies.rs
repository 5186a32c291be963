//! Bodies of handlers outside of the server: of every form, as they are flushed, and how they fail.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anthill_http::RequestCtx;
use anthill_http::adapters::HandlerService;
use anthill_http::events::{Event, EventHub};
use anthill_tests::server::plain;
use anthill_tests::{Gate, PATIENCE, eventually, files, planned_panic, quiet_panics};
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tower::ServiceExt;

use crate::kit::{Scripted, Step, TaskGate, block_on, collect, data, next_data};
use crate::outside::{answered, request, service};

#[test]
fn utl_04_bodies_of_every_form_are_passed_on() {
    let file = files::sparse(300_000);
    let length = file.metadata().expect("a file").len();
    let (service, server) = service(move |ctx: &mut RequestCtx| match ctx.path() {
        "/bytes" => ctx.set_body("some bytes"),
        "/none" => ctx.set_status_code(204),
        "/large" => ctx.response.set_body_vec(vec![b'x'; 300_000]),
        "/reader" => ctx.response.set_body_reader(Cursor::new(vec![b'x'; 300_000])),
        "/sized" => ctx.response.set_body_reader_sized(Cursor::new(vec![b'x'; 300_000]), 300_000),
        "/file" => ctx.response.set_body_file(file.try_clone().expect("a descriptor")).expect("a file"),
        _ => ctx.response.set_body_writer(|out| {
            out.write_all(b"written")?;
            out.append_trailer("X-Sum", "7");
            Ok(())
        }),
    });
    for (target, status, length, size) in [
        ("/bytes", 200, Some(10), 10),
        ("/none", 204, Some(0), 0),
        ("/large", 200, Some(300_000), 300_000),
        ("/reader", 200, None, 300_000),
        ("/sized", 200, Some(300_000), 300_000),
        ("/file", 200, Some(length), length as usize),
        ("/written", 200, None, 7),
    ] {
        let response = block_on(service.clone().oneshot(request(target))).expect("it never fails");
        let found = (response.status().as_u16(), response.body().size_hint().exact());
        assert_eq!(found, (status, length), "{target}");
        assert_eq!(response.body().is_end_stream(), size == 0, "{target}");
        let (body, trailers) = block_on(collect(response.into_body())).expect("a whole body");
        assert_eq!((body.len(), trailers.len()), (size, usize::from(target == "/written")), "{target}");
        if target == "/file" {
            assert!(body.iter().any(|&byte| byte != b'x'));
        }
    }
    let (_, _, trailers) = answered(&service, request("/written"));
    assert_eq!(trailers["x-sum"], "7");
    let head = Request::head("/sized").body(String::new()).expect("a request");
    let (head, body, _) = answered(&service, head);
    assert_eq!((&head.headers()["content-length"], body.len()), (&"300000".parse().unwrap(), 0));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_what_is_flushed_is_a_frame_at_once() {
    let gates = [(); 2].map(|()| Gate::new());
    let waits = gates.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        let [first, second] = waits.clone();
        ctx.response.set_immediate_header_flush(true);
        ctx.response.set_body_writer(move |out| {
            first.pass();
            out.write_all(b"first")?;
            out.flush()?;
            second.pass();
            out.write_all(b"second")
        });
    });
    let response = block_on(service.oneshot(request("/"))).expect("the head is there before the body");
    let mut body = response.into_body();
    gates[0].open();
    assert_eq!(block_on(next_data(&mut body)).expect("a frame").expect("that can be read"), "first");
    gates[1].open();
    assert_eq!(block_on(collect(body)).expect("the rest").0, b"second");
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_stream_of_events_ends_with_who_listens() {
    let hub = EventHub::new();
    let events = hub.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        ctx.response.set_event_stream(events.subscribe());
    });
    let response = block_on(service.oneshot(request("/"))).expect("it never fails");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    hub.send(Event::data("news")).expect("it is open");
    let frame = block_on(next_data(&mut body)).expect("a frame").expect("that can be read");
    assert_eq!(frame, "data: news\n\n");
    assert_eq!(hub.subscribers(), 1);
    drop(body);
    eventually("nobody listens any more", || hub.subscribers() == 0);
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_response_that_breaks_off_is_an_error() {
    quiet_panics();
    let (service, server) = service(|ctx: &mut RequestCtx| {
        let panics = ctx.path() == "/panics";
        ctx.response.set_body_writer(move |out| {
            out.write_all(b"begun")?;
            out.flush()?;
            if panics { planned_panic() } else { Err(io::Error::other("planned: it fails")) }
        });
    });
    for target in ["/fails", "/panics"] {
        let response = block_on(service.clone().oneshot(request(target))).expect("it never fails");
        let mut body = response.into_body();
        assert_eq!(block_on(next_data(&mut body)).expect("a frame").expect("that can be read"), "begun");
        let error = block_on(next_data(&mut body)).expect("an end").expect_err("that is none");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{target}");
        assert!(block_on(next_data(&mut body)).is_none(), "{target}: and then nothing");
    }
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_response_that_is_dropped_ends_what_writes_it() {
    let (told, seen) = std::sync::mpsc::channel();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        let told = told.clone();
        ctx.response.set_body_writer(move |out| {
            let failed = loop {
                if let Err(error) = out.write_all(&[b'x'; 4096]).and_then(|()| out.flush()) {
                    break error;
                }
            };
            told.send(failed.kind()).expect("the test listens");
            Err(failed)
        });
    });
    let response = block_on(service.oneshot(request("/"))).expect("it never fails");
    assert!(seen.try_recv().is_err(), "it waits for who reads, as the connection holds so much and no more");
    drop(response);
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(io::ErrorKind::BrokenPipe));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

/// Gives frames without end, and counts them.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let given = self.0.fetch_add(1024, Ordering::SeqCst);
        std::task::Poll::Ready(
            (given < 1024 * 1024).then(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))),
        )
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[test]
fn utl_04_a_body_is_polled_as_fast_as_it_is_read() {
    let gate = Gate::new();
    let reads = gate.clone();
    let server =
        plain().stream_request_body(true).body_read_ahead(None).build(move |ctx: &mut RequestCtx| {
            reads.pass();
            let count = io::copy(&mut ctx.body_reader(), &mut io::sink())?;
            ctx.set_body(count.to_string());
            Ok::<(), io::Error>(())
        });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    let given = Arc::new(AtomicUsize::new(0));
    let endless = Request::post("/").body(Endless(given.clone())).expect("a request");
    let mut future = Box::pin(service.oneshot(endless));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    eventually("the handler waits", || {
        assert!(future.as_mut().poll(&mut task).is_pending());
        !server.requests_in_flight().is_empty()
    });
    for _ in 0..100 {
        assert!(future.as_mut().poll(&mut task).is_pending());
        thread::yield_now();
    }
    let before = given.load(Ordering::SeqCst);
    assert!(before < 256 * 1024, "{before} bytes were asked for, and none was read");
    gate.open();
    let response = block_on(future).expect("it never fails");
    let (body, _) = block_on(collect(response.into_body())).expect("a body");
    assert_eq!(body, (1024 * 1024).to_string().as_bytes());
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_both_bodies_pass_at_once_with_trailers() {
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx: &mut RequestCtx| {
        ctx.response.set_body_writer(|out| {
            let mut room = [0; 4096];
            loop {
                let count = out.body_reader().read(&mut room)?;
                if count == 0 {
                    let sum = out.request().trailers().get("X-Sum").unwrap_or_default().to_vec();
                    out.append_trailer("X-Sum", sum);
                    return Ok(());
                }
                out.write_all(&room[..count])?;
                out.flush()?;
            }
        });
    });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    let gate = TaskGate::default();
    let steps = [data("first"), Step::Waits(gate.clone()), data("second"), Step::Trailer("x-sum", "7")];
    let echoed = Request::post("/").body(Scripted::new(steps)).expect("a request");
    let response = block_on(service.oneshot(echoed)).expect("it never fails");
    let mut body = response.into_body();
    assert_eq!(block_on(next_data(&mut body)).expect("a frame").expect("that can be read"), "first");
    gate.open();
    let (rest, trailers) = block_on(collect(body)).expect("the rest");
    assert_eq!((&*rest, &trailers["x-sum"]), (&b"second"[..], &"7".parse().unwrap()));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_request_body_that_fails_or_has_another_length_is_cut_off() {
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx: &mut RequestCtx| {
        let read = io::copy(&mut ctx.body_reader(), &mut io::sink()).map_err(|error| error.kind());
        ctx.set_body(format!("{read:?}"));
    });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    let cut = b"Err(UnexpectedEof)";
    for (body, expected) in [
        (Scripted::new([data("ants"), Step::Fails]), &cut[..]),
        (Scripted::new([data("ants"), Step::Fails]).sized(9), cut),
        (Scripted::new([data("ants")]).sized(9), cut),
        (Scripted::new([data("ants and more")]).sized(4), cut),
        (Scripted::new([data("ants")]).sized(4), b"Ok(4)"),
        (Scripted::new([data("ants"), data(""), data("bees")]), b"Ok(8)"),
    ] {
        let sent = Request::post("/").body(body).expect("a request");
        let (_, told, _) = answered(&service, sent);
        assert_eq!(String::from_utf8_lossy(&told), String::from_utf8_lossy(expected));
    }
    server.shutdown(PATIENCE).expect("nothing is under way");
}
