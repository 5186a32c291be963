//! What happens to others while a body is read: other connections, workers, a shutdown.
//!
//! The rule: a handler that waits, goes away with its context, or puts another in its place costs its own connection at
//! most.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anthill_http::RequestCtx;
use anthill_tests::client::{SOCKET_LIMIT, get};
use anthill_tests::drivers::on_both;
use anthill_tests::server::Running;
use anthill_tests::uploads::{assert_goes_on, echo, or_next, sized, streaming};
use anthill_tests::{Gate, PATIENCE, background, eventually};

#[test]
fn a_request_that_is_exchanged_harms_only_its_connection() {
    let kept = Arc::new(Mutex::new(None));
    let place = kept.clone();
    let handler = or_next(move |ctx| {
        if ctx.path() == "/exchange" {
            let mut other = RequestCtx::default();
            std::mem::swap(&mut ctx.request, &mut other.request);
            // It has no connection any more.
            let error = other.body_reader().read(&mut [0; 10]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotConnected);
            *place.lock().unwrap() = Some(other);
            ctx.set_body("fine");
        }
    });
    on_both(streaming(), handler, |driven| {
        let mut client = driven.client();
        // Small enough to be thrown away, were it known how much that is.
        client.send(sized("/exchange", 100));
        let reply = client.response();
        assert_eq!((reply.text(), reply.closes()), ("fine", true));
        let _ = client.try_send(get("/never").repeat(2));
        assert!(client.is_ended_within(SOCKET_LIMIT));
        assert_eq!(driven.handled(), 1);
        for _ in 0..4 {
            assert_goes_on(&mut driven.client());
        }
        *kept.lock().unwrap() = None;
    });
}

#[test]
fn a_context_that_is_taken_away_ends_its_connection() {
    let kept = Arc::new(Mutex::new(None));
    let place = kept.clone();
    let handler = or_next(move |ctx| match ctx.path() {
        "/drop" => drop(std::mem::take(ctx)),
        "/keep" => *place.lock().unwrap() = Some(std::mem::take(ctx)),
        _ => {}
    });
    on_both(streaming(), handler, |driven| {
        for target in ["/drop", "/keep"] {
            for request in [sized(target, 100) + "abc", get(target)] {
                let mut client = driven.client();
                client.send(&request);
                if target == "/keep" {
                    // Who has the context has the request, as far as it is here, and no connection.
                    eventually("it is taken", || kept.lock().unwrap().is_some());
                    let mut taken = kept.lock().unwrap().take().unwrap();
                    if request.ends_with("abc") {
                        let mut read = [0; 3];
                        taken.body_reader().read_exact(&mut read).unwrap();
                        assert_eq!(&read, b"abc");
                    }
                }
                assert!(client.is_ended_within(SOCKET_LIMIT), "{request:?}");
                if let Some(ended) = driven.end() {
                    assert!(ended.unwrap_err().is_io());
                }
            }
        }
        for _ in 0..4 {
            assert_goes_on(&mut driven.client());
        }
    });
}

#[test]
fn a_context_in_the_place_of_another_gets_none_of_its_responses() {
    let kept = Arc::new(Mutex::new(RequestCtx::default()));
    let place = kept.clone();
    let handler = move |ctx: &mut RequestCtx| {
        if ctx.path() == "/exchange" {
            std::mem::swap(ctx, &mut place.lock().unwrap());
        } else {
            ctx.set_body("not for others");
        }
    };
    on_both(streaming(), handler, |driven| {
        let mut first = driven.client();
        first.send(get("/exchange"));
        eventually("it is away", || driven.handled() == 1);
        let mut second = driven.client();
        second.send(get("/") + &get("/exchange"));
        eventually("both are handled", || driven.handled() == 3);
        *kept.lock().unwrap() = RequestCtx::default();
        // What was answered before is its client's.
        assert_eq!(second.response().text(), "not for others");
        for client in [&mut first, &mut second] {
            if let Ok(reply) = client.try_response() {
                panic!("a response on an exchanged connection: {reply:?}");
            }
        }
    });
}

#[test]
fn handlers_that_wait_for_bodies_hold_up_nobody() {
    let running = Running::with(streaming().shards(1), echo);
    let mut slow = running.clients(50);
    for client in &mut slow {
        client.send(sized("/", 10) + "part1");
    }
    eventually("all of them wait", || running.handled() == 50);
    for _ in 0..20 {
        assert_goes_on(&mut running.client());
    }
    for client in &mut slow {
        client.send("part2");
        assert_eq!(client.response().text(), "part1part2");
        assert_goes_on(client);
    }
}

#[test]
fn uploads_with_no_worker_to_spare_are_all_read_in_the_end() {
    let running = Running::with(streaming().shards(2).max_workers(2), echo);
    let mut slow = running.clients(8);
    for client in &mut slow {
        client.send(sized("/", 10) + "part1");
    }
    for client in &mut slow {
        client.send("part2");
    }
    for client in &mut slow {
        assert_eq!(client.response().text(), "part1part2");
    }
}

#[test]
fn a_shutdown_waits_for_a_body_that_is_read_and_for_no_other() {
    let gate = Gate::new();
    let held = gate.clone();
    let mut running = Running::with(streaming(), move |ctx| {
        if ctx.path() == "/read" {
            echo(ctx);
        } else {
            held.pass();
        }
    });
    let mut reading = running.client();
    reading.send(sized("/read", 10) + "part1");
    let mut ignored = running.client();
    ignored.send(sized("/ignored", 10) + "part1");
    let mut held_up = running.client();
    held_up.send(sized("/held-up", 10) + "part1");
    eventually("the handlers run", || running.handled() == 3);
    let server = running.server().clone();
    let shutdown = background(move || server.shutdown(PATIENCE));
    eventually("the listener refuses", || std::net::TcpStream::connect(running.address()).is_err());
    assert!(!shutdown.is_finished(), "bodies are read");
    gate.open();
    for client in [&mut ignored, &mut held_up] {
        assert_eq!(client.response().status, 200);
        client.expect_end();
    }
    reading.send("part2");
    assert_eq!(reading.response().text(), "part1part2");
    reading.expect_end();
    shutdown.outcome("shutting down").unwrap();
    running.shut_down(PATIENCE).unwrap();
}

#[test]
fn a_shutdown_does_not_wait_for_what_would_be_thrown_away() {
    let mut running = Running::with(streaming(), |_| {});
    let mut client = running.client();
    client.send(sized("/", 1000) + "abc");
    assert!(!client.response().closes());
    let begun = Instant::now();
    running.shut_down(PATIENCE).unwrap();
    assert!(begun.elapsed() < PATIENCE / 2, "took {:?}", begun.elapsed());
    client.expect_end();
}
