//! Responses and bodies that are dropped at whatever moment, and tasks that change: nothing is left over, and what
//! comes next is its own.

use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use anthill_http::adapters::HandlerService;
use anthill_http::{RequestCtx, ServerStats};
use anthill_tests::server::plain;
use anthill_tests::{Gate, PATIENCE, background, eventually};
use http::Request;
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use crate::kit::{Scripted, Step, TaskGate, block_on, collect, data, next_data};
use crate::outside::{answered, request, service};

fn tells_its_request(ctx: &mut RequestCtx) {
    let name = ctx.query_arg_str("name").unwrap_or_default().into_owned();
    let seen = ctx.extensions_mut().get::<Arc<str>>().map_or_else(|| "nobody".into(), ToString::to_string);
    let body = String::from_utf8_lossy(ctx.body()).into_owned();
    let text = format!("{name} {seen} {body}");
    let in_pieces = ctx.path() == "/pieces";
    ctx.response.set_body_writer(move |out| {
        for piece in text.as_bytes().chunks(if in_pieces { 1 } else { text.len() }) {
            out.write_all(piece)?;
            if in_pieces {
                out.flush()?;
            }
        }
        Ok(())
    });
}

/// A request that says who it is wherever something is passed on.
fn named(name: &str, target: &str) -> Request<String> {
    let mut asked =
        Request::post(format!("{target}?name={name}")).body(name.repeat(1000)).expect("a request");
    asked.extensions_mut().insert(Arc::<str>::from(name));
    asked
}

#[track_caller]
fn is_its_own(service: &HandlerService, name: &str) {
    let (head, body, _) = answered(service, named(name, "/"));
    let expected = format!("{name} {name} {}", name.repeat(1000));
    assert_eq!((head.status().as_u16(), String::from_utf8_lossy(&body)), (200, expected.into()));
}

fn open(stats: &ServerStats) -> u64 {
    stats.open_connections as u64
}

#[test]
fn utl_04_whatever_is_dropped_at_whatever_moment_nothing_of_it_comes_to_the_next() {
    let (service, server) = service(tells_its_request);
    let mut task = Context::from_waker(Waker::noop());
    for polls in 0..60 {
        let name = format!("dropped{polls}");
        let mut future = Box::pin(service.clone().oneshot(named(&name, "/pieces")));
        let mut response = None;
        for _ in 0..polls {
            if let Poll::Ready(ready) = future.as_mut().poll(&mut task) {
                response = Some(ready.expect("it never fails"));
                break;
            }
            std::thread::sleep(Duration::from_micros(20));
        }
        if let Some(response) = response {
            let mut body = response.into_body();
            for _ in 0..polls % 7 {
                let _ = Pin::new(&mut body).poll_frame(&mut task);
            }
        }
        drop(future);
        is_its_own(&service, &format!("kept{polls}"));
    }
    eventually("no connection is left", || open(&server.stats()) <= 8);
    server.shutdown(PATIENCE).expect("nothing is under way");
    assert_eq!(open(&server.stats()), 0);
}

#[test]
fn utl_04_many_at_once_of_which_some_are_dropped_are_each_their_own() {
    let (service, server) = service(tells_its_request);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let service = service.clone();
            background(move || {
                let mut task = Context::from_waker(Waker::noop());
                for number in 0..100 {
                    let name = format!("t{thread}n{number}");
                    if number % 3 == 0 {
                        let mut future = Box::pin(service.clone().oneshot(named(&name, "/pieces")));
                        let _ = future.as_mut().poll(&mut task);
                    } else {
                        is_its_own(&service, &name);
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.outcome("its requests"));
    server.shutdown(PATIENCE).expect("nothing is under way");
    assert_eq!(open(&server.stats()), 0);
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn utl_04_whoever_polls_last_is_woken() {
    let gate = Gate::new();
    let waits = gate.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        waits.pass();
        ctx.set_body("served");
    });
    let mut future = Box::pin(service.oneshot(request("/")));
    let [first, last] = [(); 2].map(|()| Arc::new(Woken::default()));
    for woken in [&first, &last] {
        let waker = Waker::from(woken.clone());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    eventually("it is served", || !server.requests_in_flight().is_empty());
    first.0.store(false, Ordering::SeqCst);
    last.0.store(false, Ordering::SeqCst);
    gate.open();
    eventually("who polled last is woken", || last.0.load(Ordering::SeqCst));
    assert!(!first.0.load(Ordering::SeqCst), "nobody else");
    let response = block_on(future).expect("it never fails");
    assert_eq!(block_on(collect(response.into_body())).expect("a body").0, b"served");
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_body_may_be_read_by_another_task_than_its_head() {
    let gate = Gate::new();
    let waits = gate.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        let waits = waits.clone();
        ctx.response.set_immediate_header_flush(true);
        ctx.response.set_body_writer(move |out| {
            waits.pass();
            out.write_all(b"written")
        });
    });
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut body = block_on(service.oneshot(request("/"))).expect("it never fails").into_body();
    assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    gate.open();
    eventually("who reads the body is woken", || woken.0.load(Ordering::SeqCst));
    assert_eq!(block_on(collect(body)).expect("a whole body").0, b"written");
    server.shutdown(PATIENCE).expect("nothing is under way");
}

/// The body of a request is awaited while that of the response is, by the same task.
#[test]
fn utl_04_a_request_body_wakes_who_reads_the_response() {
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx: &mut RequestCtx| {
        ctx.response.set_immediate_header_flush(true);
        ctx.response.set_body_writer(|out| {
            let count = std::io::copy(&mut out.body_reader(), &mut std::io::sink())?;
            write!(out, "{count}")
        });
    });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    let gate = TaskGate::default();
    let body = Scripted::new([data("first"), Step::Waits(gate.clone()), data("second")]);
    let asked = Request::post("/").body(body).expect("a request");
    let mut body = block_on(service.oneshot(asked)).expect("it never fails").into_body();
    let polled = Arc::new(AtomicUsize::new(0));
    let polls = polled.clone();
    let reading = background(move || {
        block_on(poll_fn(|task| {
            polls.fetch_add(1, Ordering::SeqCst);
            Pin::new(&mut body).poll_frame(task)
        }))
    });
    eventually("it waits", || polled.load(Ordering::SeqCst) > 0);
    gate.open();
    let frame = reading.outcome("the response").expect("a frame").expect("that can be read");
    assert_eq!(frame.into_data().expect("data"), "11");
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_what_was_begun_before_the_end_is_answered_and_what_has_sent_nothing_is_503() {
    let gate = Gate::new();
    let waits = gate.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        let waits = waits.clone();
        ctx.response.set_body_writer(move |out| {
            out.write_all(b"begun")?;
            out.flush()?;
            waits.pass();
            out.write_all(b"ended")
        });
    });
    let response = block_on(service.clone().oneshot(request("/"))).expect("it never fails");
    let mut body = response.into_body();
    assert_eq!(block_on(next_data(&mut body)).expect("a frame").expect("that can be read"), "begun");
    // It was called, and nobody has polled it.
    let unpolled = service.clone().call(request("/"));
    eventually("both are there", || open(&server.stats()) == 2);
    assert!(server.shutdown(Duration::from_millis(100)).is_err(), "one does not end by itself");
    assert_eq!(block_on(unpolled).expect("it never fails").status(), 503);
    gate.open();
    let rest = background(move || block_on(collect(body))).outcome("the rest").expect("a whole body");
    assert_eq!(rest.0, b"ended");
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_the_last_clone_may_be_dropped_anywhere() {
    let kept = Arc::new(());
    for _ in 0..10 {
        let in_handler = kept.clone();
        let service = HandlerService::new(move |ctx: &mut RequestCtx| {
            let _held = &in_handler;
            ctx.set_body("served");
        });
        let service = service.expect("it serves");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        // By a task, which must not wait for the end of the server.
        let status = runtime.block_on(async move {
            let response = service.clone().oneshot(request("/")).await.expect("it never fails");
            drop(service);
            response.status()
        });
        assert_eq!(status, 200);
    }
    eventually("all servers are gone", || Arc::strong_count(&kept) == 1);
    eventually("so are their threads", || {
        let tasks = std::fs::read_dir("/proc/self/task");
        let names = tasks
            .into_iter()
            .flatten()
            .flatten()
            .map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default());
        !names.into_iter().any(|name| name.starts_with("anthill-service"))
    });
}
