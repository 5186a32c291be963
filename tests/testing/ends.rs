//! The end of a server of a test, whatever is under way.

use crate::{assert_in_order, failure};
use anthill_http::client::ClientErrorKind;
use anthill_http::testing::TestServer;
use anthill_tests::{Gate, PATIENCE};
use std::io::Write;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);

/// A server whose handler hangs until the gate is opened.
fn hanging(gate: &Gate) -> TestServer {
    let gate = gate.clone();
    TestServer::new(move |ctx| {
        gate.pass();
        ctx.set_body("done");
    })
}

#[test]
fn a_handler_that_hangs_fails_its_test_and_hangs_nothing() {
    let gate = Gate::new();
    let server = hanging(&gate).ends_within(SHORT);
    let message = failure(|| server.get("/hang").timeout(SHORT).send());
    assert_in_order(
        &message,
        &["there is no response: time was up", "> GET /hang", "handlers that run:", "GET /hang for "],
    );
    let error = server.get("/hang").timeout(SHORT).try_send().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let begun = Instant::now();
    let message = failure(move || drop(server));
    assert!(begun.elapsed() < PATIENCE);
    assert_in_order(&message, &["has not ended within 200ms", "GET /hang for "]);
    gate.open();
}

#[test]
fn a_test_that_has_failed_is_not_failed_again_by_the_end() {
    let gate = Gate::new();
    let server = hanging(&gate).ends_within(SHORT);
    let message = failure(move || {
        let server = server;
        let _ = server.get("/hang").timeout(SHORT).try_send();
        panic!("the test's own failure");
    });
    assert_eq!(message, "the test's own failure");
    gate.open();
}

#[test]
fn the_end_can_be_looked_at() {
    let gate = Gate::new();
    let server = hanging(&gate).ends_within(SHORT);
    let mut conn = server.connect();
    conn.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    anthill_tests::eventually("it runs", || !server.server().requests_in_flight().is_empty());
    server.end().expect_err("a handler runs");
    gate.open();
    hanging(&gate).end().expect("nothing is under way");
}

#[test]
fn what_is_under_way_is_answered() {
    let (entered, gate) = (Gate::new(), Gate::new());
    let (enters, waits) = (entered.clone(), gate.clone());
    let server = TestServer::new(move |ctx| {
        enters.open();
        waits.pass();
        ctx.set_body(format!("{}", ctx.is_stopping()));
    })
    .ends_within(PATIENCE);
    let (client, signal) = (server.client(), server.server().stop_signal());
    let asks = std::thread::spawn(move || client.get("/").send().text().to_owned());
    entered.pass();
    let ends = std::thread::spawn(move || server.end());
    assert!(signal.wait(PATIENCE));
    gate.open();
    assert_eq!(asks.join().expect("an answer"), "true");
    ends.join().expect("an end").expect("all was answered");
}

#[test]
fn streams_that_never_end_are_cut_off() {
    let server = TestServer::new(|ctx| {
        ctx.response.set_body_writer(|out| {
            loop {
                out.write_all(&[b'x'; 65536])?;
                out.flush()?;
            }
        });
    })
    .ends_within(4 * SHORT);
    let responses: Vec<_> = (0..3).map(|_| server.get("/").send()).collect();
    let client = server.client();
    // They are there still, and nobody reads them.
    server.end().expect("writers see that the client has gone");
    for response in responses {
        assert!(response.try_body().is_err());
    }
    let error = client.get("/").try_send().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Connect, "{error}");
}

#[test]
fn it_ends_while_requests_are_sent_all_the_while() {
    for _ in 0..20 {
        let server = TestServer::new(|ctx| ctx.set_body("done"));
        let clients: Vec<_> = (0..8).map(|_| server.client()).collect();
        let asking: Vec<_> = clients
            .into_iter()
            .map(|client| {
                std::thread::spawn(move || {
                    let mut answered = 0;
                    while let Ok(response) = client.get("/").try_send() {
                        response.assert_text("done");
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        anthill_tests::eventually("some are answered", || server.server().stats().requests > 50);
        drop(server);
        let answered: u32 = asking.into_iter().map(|asks| asks.join().expect("whole answers")).sum();
        assert!(answered >= 50);
    }
}
