//! Bodies that are JSON, both ways, over both drivers: in pieces, packed, too large, and from clients that go.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::{Handler, InputError, RequestCtx, ServerBuilder};
use anthill_tests::client::hears;
use anthill_tests::drivers::{on_both, on_both_within};
use anthill_tests::eventually;
use anthill_tests::server::plain;
use serde::{Deserialize, Serialize};

use crate::input::problem;

#[derive(Deserialize, Serialize)]
struct Order {
    items: Vec<u32>,
}

fn sum(ctx: &mut RequestCtx) -> Result<(), InputError> {
    let order: Order = ctx.json()?;
    ctx.set_status_code(201);
    ctx.send_json(&order.items.iter().sum::<u32>());
    Ok(())
}

fn post(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

/// With whole bodies, and with such that are read as they come.
fn both() -> [ServerBuilder; 2] {
    let options = plain().max_request_body_size(2000);
    [options.clone(), options.stream_request_body(true)]
}

#[test]
fn whole_chunked_and_packed() {
    for options in both() {
        on_both(
            options,
            |ctx| sum.handle(ctx),
            |driven| {
                let mut client = driven.client();
                let reply = client.exchange(post("", br#"{"items": [1, 2, 3]}"#));
                assert_eq!((reply.status, reply.text()), (201, "6"));
                assert_eq!(reply.field("Content-Type"), Some("application/json"));
                let reply =
                    client.exchange(post("Content-Encoding: gzip\r\n", &packed(br#"{"items": [4]}"#)));
                assert_eq!((reply.status, reply.text()), (201, "4"));
                // Piece by piece, each behind what has gone before.
                client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: a/b+json\r\n");
                client.send("Transfer-Encoding: chunked\r\n\r\n");
                for piece in ["{\"it", "ems\":", "[20", "0]}"] {
                    client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
                }
                client.send("0\r\n\r\n");
                assert_eq!(client.response().text(), "200");
                assert_eq!(
                    problem(&client.exchange(post("", b""))).get("detail").and_then(|text| text.as_str()),
                    Some("the body is empty: send JSON")
                );
                let wrong = client.exchange(post("", b"{\"items\": [1,\n \"2\"]}"));
                let told = problem(&wrong);
                assert_eq!((wrong.status, told["errors"][0]["pointer"].as_str()), (422, Some("#/items/1")));
                assert!(
                    told["detail"].as_str().is_some_and(|text| text.ends_with("at line 2 column 4")),
                    "{told}"
                );
                // The connection is in order.
                assert_eq!(client.exchange(post("", br#"{"items": []}"#)).text(), "0");
            },
        );
    }
}

#[test]
fn limits_come_before_parsing() {
    // Neither is JSON, which nobody finds out.
    let large = [b'x'; 2001];
    let bomb = packed(&[b'x'; 100_000]);
    assert!(bomb.len() < 2000);
    for options in both() {
        on_both(
            options,
            |ctx| sum.handle(ctx),
            |driven| {
                let reply = driven.client().exchange(post("", &large));
                assert_eq!(reply.status, 413);
                let mut client = driven.client();
                let reply = client.exchange(post("Content-Encoding: gzip\r\n", &bomb));
                assert_eq!(reply.status, 413, "{reply:?}");
                problem(&reply);
                // As much as may be: so it is parsed.
                let reply = client.exchange(post("Content-Encoding: gzip\r\n", &packed(&[b'x'; 2000])));
                assert_eq!(reply.status, 400);
                let reply = client.exchange(post("Content-Encoding: gzip\r\n", b"no gzip"));
                assert_eq!((reply.status, problem(&reply)["title"].as_str()), (400, Some("Bad Request")));
            },
        );
    }
}

#[test]
fn a_body_that_cannot_be_meant_is_not_waited_for() {
    let options = plain().stream_request_body(true).body_read_ahead(None);
    on_both(
        options,
        |ctx| sum.handle(ctx),
        |driven| {
            for (fields, status) in [
                ("Content-Type: text/plain\r\n", 415),
                ("", 415),
                ("Content-Type: application/json\r\nContent-Encoding: compress\r\n", 415),
            ] {
                let mut client = driven.client();
                // Nothing of it is sent, and nobody asks for it.
                client.send(format!(
                    "POST / HTTP/1.1\r\nHost: h\r\n{fields}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
                ));
                let reply = client.response();
                assert_eq!(reply.status, status, "{reply:?}");
                problem(&reply);
            }
        },
    );
}

#[test]
fn a_body_that_does_not_come_in_time_is_said_to_be_late() {
    let options = plain().stream_request_body(true).body_read_ahead(None);
    on_both_within(
        Duration::from_secs(1),
        options,
        |ctx| sum.handle(ctx),
        |driven| {
            let mut client = driven.client();
            let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100";
            client.send(format!("{head}\r\n\r\n{{\"it"));
            let reply = client.response();
            assert_eq!(reply.status, 408);
            problem(&reply);
        },
    );
}

#[test]
fn a_client_that_goes_in_the_middle_is_an_error_of_its_own() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let read = ctx.json::<Order>();
        let status = read.as_ref().map_err(anthill_http::StatusError::status).err();
        if status == Some(400) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    on_both(plain().stream_request_body(true).body_read_ahead(None), handler, |driven| {
        let before = seen.load(Ordering::SeqCst);
        let mut client = driven.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"it");
        client.finish_sending();
        eventually("the handler is told", || seen.load(Ordering::SeqCst) == before + 1);
    });
}

#[test]
fn a_value_that_is_none_is_a_500_and_the_connection_goes_on() {
    on_both(
        plain(),
        |ctx| match ctx.path() {
            "/bad" => ctx.send_json(&std::collections::BTreeMap::from([(vec![1], 2)])),
            "/panics" => ctx.send_json(&Panics),
            _ => ctx.send_json(&[1, 2]),
        },
        |driven| {
            let mut client = driven.client();
            for _ in 0..2 {
                for target in ["/bad", "/panics"] {
                    let reply = client.get(target);
                    assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"), "{target}");
                }
                assert_eq!(client.get("/").text(), "[1,2]");
            }
            client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
            let head = client.response_to_head();
            assert_eq!(
                (head.field("Content-Length"), head.field("Content-Type")),
                (Some("5"), Some("application/json"))
            );
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            hears(&client, "HTTP/1.1 200 OK");
        },
    );
}

/// Half of it is there when it panics.
struct Panics;

impl Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut list = serializer.serialize_seq(Some(2))?;
        list.serialize_element("half")?;
        anthill_tests::planned_panic()
    }
}
