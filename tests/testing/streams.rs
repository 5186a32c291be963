//! Responses that come in pieces.

use crate::{assert_in_order, failure};
use anthill_http::events::{Event, EventSender, event_channel};
use anthill_http::testing::TestServer;
use anthill_http::websocket::{Message, WebSocketOptions};
use anthill_tests::Gate;
use std::io::{BufRead, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_stream_is_read_as_it_comes() {
    let gate = Gate::new();
    let waits = gate.clone();
    let server = TestServer::new(move |ctx| {
        let waits = waits.clone();
        ctx.response.set_body_writer(move |out| {
            out.write_all(b"first\n")?;
            out.flush()?;
            waits.pass();
            out.write_all(b"second\nthird")
        });
    });
    let mut response = server.get("/").send();
    response.assert_status(200);
    let mut line = String::new();
    response.reader().read_line(&mut line).expect("it comes");
    assert_eq!(line, "first\n");
    gate.open();
    response.reader().read_line(&mut line).expect("it comes");
    assert_eq!(line, "first\nsecond\n");
    response.assert_text("third");
    // All at once, and once it was read it is there for all.
    let mut response = server.get("/").send();
    response.assert_text("first\nsecond\nthird").assert_body_contains("second");
    let mut text = String::new();
    response.reader().read_to_string(&mut text).expect("it is there");
    assert_eq!(text.len(), response.body().len());
}

#[test]
fn what_never_ends_fails_in_time_and_is_shown() {
    let server = TestServer::new(|ctx| {
        ctx.response.set_body_writer(|out| {
            loop {
                out.write_all(&[b'x'; 65536])?;
            }
        });
    });
    let message = failure(|| server.get("/").timeout(SHORT).send().text().len());
    assert_in_order(&message, &["the body cannot be had", "< HTTP/1.1 200", "(the body: "]);
    // Nobody has asked for the body.
    let message = failure(|| server.get("/").send().assert_status(404).status_code());
    assert_in_order(
        &message,
        &["expected status 404", "< HTTP/1.1 200", "< xxx", "(the body: there is more)"],
    );
}

#[test]
fn events_come_one_at_a_time() {
    let kept: Arc<Mutex<Option<EventSender>>> = Arc::default();
    let keeps = kept.clone();
    let server = TestServer::new(move |ctx| match ctx.path() {
        "/events" => {
            let (sender, stream) = event_channel();
            *keeps.lock().expect("a place") = Some(sender);
            ctx.set_event_stream(stream);
        }
        "/whole" => ctx.success("text/event-stream", "data: 1\n\ndata: 2\n\n"),
        _ => ctx.set_body("no stream"),
    });
    let mut response = server.get("/events").send();
    response.assert_header("Content-Type", "text/event-stream");
    let sender = kept.lock().expect("a place").take().expect("it was asked for");
    for number in 0..100 {
        sender.send(Event::data(format!("{{\"n\": {number}}}")).event("count")).expect("somebody listens");
        // Each time anew: nothing is lost in between.
        let event = response.events().next().expect("an event");
        assert_eq!((event.name(), event.json::<serde_json::Value>()["n"].as_u64()), ("count", Some(number)));
    }
    sender.send(Event::data("last").id("9").retry(SHORT)).expect("somebody listens");
    drop(sender);
    let rest: Vec<_> = response.events().collect();
    assert_eq!(
        (rest.len(), rest[0].data(), rest[0].id(), rest[0].retry()),
        (1, "last", Some("9"), Some(SHORT))
    );
    let mut whole = server.get("/whole").send();
    assert_eq!(whole.events().next().expect("an event").data(), "1");
    assert_eq!(whole.events().map(|event| event.data().to_owned()).collect::<Vec<_>>(), ["2"]);
    let message = failure(|| server.get("/else").send().events().count());
    assert_in_order(&message, &["no stream of events", "< no stream"]);
    let mut silent = server.get("/events").timeout(SHORT).send();
    let message = failure(|| silent.events().next());
    assert_in_order(&message, &["the next event cannot be had", "> GET /events"]);
}

#[test]
fn websockets_are_opened_with_what_the_client_has() {
    let server = TestServer::new(|ctx| {
        if ctx.header("Authorization") != Some(b"Bearer abc") {
            return ctx.error("who are you?", 401);
        }
        ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        });
    });
    server.websocket("/echo").connect().expect_err("it is refused");
    let client = server.client().bearer_auth("abc");
    let mut socket = client.websocket("/echo").connect().expect("it is opened");
    for text in ["hello", "again"] {
        socket.send(text).expect("it is sent");
        assert_eq!(socket.read().expect("an answer"), Some(Message::from(text)));
    }
    // It is open still when the server ends, which says so.
    drop(server);
    assert!(matches!(socket.read(), Ok(None)), "1001");
}

#[test]
fn trailers_are_behind_the_body() {
    let server = TestServer::new(|ctx| {
        ctx.response.add_trailer("X-Sum").expect("a name");
        ctx.response.set_body_writer(|out| {
            out.write_all(b"abc")?;
            assert!(out.append_trailer("X-Sum", "6"));
            Ok(())
        });
    });
    let response = server.get("/").header("TE", "trailers").send();
    assert_eq!(response.trailers().get("X-Sum"), Some(&b"6"[..]));
    response.assert_text("abc");
}
