//! Handlers that keep their context: the connection ends, and nobody waits for it in vain.
//!
//! The idea: whoever serves a connection can end it although its socket is in somebody else's hands as well.

use std::io::Read;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_http::{Handler, RequestCtx, ServerBuilder, timeout};
use anthill_tests::client::{Client, get};
use anthill_tests::drivers::{Driven, on_both};
use anthill_tests::notes::Notes;
use anthill_tests::server::{Running, plain};
use anthill_tests::uploads::{head, sized, streaming, told};
use anthill_tests::{PATIENCE, background, eventually};

/// What handlers have kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<RequestCtx>>>);

impl Kept {
    fn handler(&self) -> impl Fn(&mut RequestCtx) + Clone + use<> {
        let kept = self.clone();
        move |ctx| match ctx.path() {
            "/keep" => kept.add(mem::take(ctx)),
            _ => ctx.set_body("answered"),
        }
    }

    fn add(&self, ctx: RequestCtx) {
        self.0.lock().expect("no handler panics with it").push(ctx);
    }

    fn take(&self) -> Vec<RequestCtx> {
        mem::take(&mut self.0.lock().expect("no handler panics with it"))
    }
}

/// Asserts that the server ends the connection without another byte.
#[track_caller]
fn assert_ends(client: &mut Client) {
    match client.rest() {
        Ok(rest) => assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest)),
        // What the server had not read.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn engine_f13_a_kept_context_does_not_keep_the_client_waiting() {
    let kept = Kept::default();
    on_both(plain(), kept.handler(), |driven| {
        for target in ["/keep", "/answered"] {
            let mut client = driven.client();
            assert_eq!(client.get("/").text(), "answered");
            client.send(get("/keep"));
            assert_ends(&mut client);
            if target == "/answered" {
                // What was answered before is the client's.
                let mut client = driven.client();
                client.send(get("/") + &get("/keep") + &get("/"));
                assert_eq!(client.response().text(), "answered");
                assert_ends(&mut client);
            }
            if let Some(ended) = driven.end() {
                let error = ended.expect_err("the connection went with its context");
                assert!(error.is_io(), "{error:?}");
            }
            assert!(!kept.take().is_empty());
        }
        assert_eq!(driven.client().get("/").text(), "answered");
    });
}

/// The same when somebody waits for the handler with a limit, or several do.
#[test]
fn engine_f13_a_context_that_is_kept_within_a_limit_ends_its_connection() {
    let (kept, notes) = (Kept::default(), Notes::default());
    let noting = notes.clone();
    let limit = Duration::from_secs(60);
    let options = plain()
        .on_complete(move |completed| noting.add(format!("{} {}", completed.status(), completed.outcome())));
    let wrapped = Arc::new(timeout(timeout(kept.handler(), limit), limit));
    let wrapped = move |ctx: &mut RequestCtx| wrapped.handle(ctx);
    let check = |driven: &Driven| {
        for _ in 0..2 {
            let mut client = driven.client();
            client.send(get("/") + &get("/keep") + &get("/"));
            assert_eq!(client.response().text(), "answered");
            assert_ends(&mut client);
            if let Some(ended) = driven.end() {
                assert!(ended.expect_err("the connection went with its context").is_io());
            }
            let contexts = kept.take();
            assert_eq!((contexts.len(), contexts[0].path()), (1, "/keep"), "the request is still there");
            assert_eq!(notes.take(2), ["200 sent", "500 context kept"]);
        }
        let mut client = driven.client();
        assert_eq!((client.get("/").text(), client.get("/").text()), ("answered", "answered"));
        assert_eq!(notes.take(2), ["200 sent", "200 sent"]);
    };
    on_both(options.clone().handler_timeout(limit), kept.handler(), check);
    on_both(options.clone(), wrapped.clone(), check);
    on_both(options.handler_timeout(limit), wrapped, check);
}

#[test]
fn engine_f13_a_kept_context_is_of_no_connection() {
    let kept = Kept::default();
    on_both(streaming(), kept.handler(), |driven| {
        let mut client = driven.client();
        client.send(sized("/keep", 100) + "abc");
        assert_ends(&mut client);
        driven.end();
        let mut contexts = kept.take();
        assert_eq!((contexts.len(), contexts[0].path()), (1, "/keep"), "the request is still there");
        assert_eq!(contexts[0].request.body(), b"abc");
        contexts[0].read_body().expect_err("nobody is there any more");
        drop(contexts);
        assert_eq!(driven.client().get("/").text(), "answered");
    });
}

#[test]
fn engine_f13_a_context_that_a_hook_keeps_ends_its_connection() {
    let kept = Kept::default();
    let keeping = kept.clone();
    let options = plain().expect_handler(move |ctx| {
        keeping.add(mem::take(ctx));
        100
    });
    on_both(options, kept.handler(), |driven| {
        let mut client = driven.client();
        client.send(get("/") + &head("/", "Expect: 100-continue\r\nContent-Length: 3") + "abc");
        assert_eq!(client.response().text(), "answered");
        assert_ends(&mut client);
        driven.end();
        assert_eq!((driven.handled(), kept.take().len()), (1, 1));
    });
}

#[test]
fn engine_f13_a_kept_context_that_waits_for_its_client_is_woken() {
    let notes = Notes::default();
    let noting = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let (mut kept, noting) = (mem::take(ctx), noting.clone());
        let reading = Arc::new(std::sync::Barrier::new(2));
        let begun = reading.clone();
        std::thread::spawn(move || {
            begun.wait();
            let mut body = Vec::new();
            let read = kept.body_reader().read_to_end(&mut body);
            noting.add(read.map_or_else(|error| told(&error), |count| count.to_string()));
        });
        reading.wait();
        // So that it is likely to have begun to wait; the outcome is the same if it has not.
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    on_both(streaming().min_body_rate(None), handler, |driven| {
        let mut client = driven.client();
        client.send(sized("/", 100) + "abc");
        assert_ends(&mut client);
        let notes = notes.take(1);
        assert!(!notes[0].starts_with("TimedOut"), "{notes:?}");
        driven.end();
    });
}

/// Asserts that a connection whose context is kept makes room for the next.
#[track_caller]
fn assert_counts(options: ServerBuilder) {
    let kept = Kept::default();
    let running = Running::with(options, kept.handler());
    for round in 1..=5 {
        // The one before may not have been counted off yet.
        let mut client = running.client();
        eventually("there is room", || match client.try_send(get("/")).and_then(|()| client.is_at_end()) {
            Ok(false) if client.response().status == 200 => true,
            _ => {
                client = running.client();
                false
            }
        });
        client.send(get("/keep"));
        assert_ends(&mut client);
        running.reaches("it is counted off", |stats| stats.open_connections == 0);
        assert!(running.handled() >= round * 2);
    }
    assert_eq!(kept.take().len(), 5);
    running.reaches("nothing is counted off twice", |stats| stats.open_connections == 0);
    assert_eq!(running.client().get("/").text(), "answered");
}

#[test]
fn engine_f13_a_kept_context_does_not_count_as_a_connection() {
    assert_counts(plain().concurrency(1));
    assert_counts(plain().max_conns_per_ip(1));
}

#[test]
fn engine_f13_a_shutdown_does_not_wait_for_a_kept_context() {
    let kept = Kept::default();
    let mut running = Running::with(plain(), kept.handler());
    let mut client = running.client();
    client.send(get("/keep"));
    assert_ends(&mut client);
    running.shut_down(PATIENCE).expect("nothing is left");
    // It may be dropped anywhere, and later.
    let contexts = kept.take();
    background(move || drop(contexts)).outcome("dropping");
}
