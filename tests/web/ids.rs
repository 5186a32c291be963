//! Ids of requests: on responses, in records and in the log, whatever becomes of the request.

use std::collections::HashSet;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::middleware::{RequestIds, request_id};
use anthill_http::{AccessLog, Handler, HttpError, Request, RequestCtx, Server, TimeLimit, timeout};
use anthill_tests::client::get;
use anthill_tests::lines::Lines;
use anthill_tests::server::{Running, plain};
use anthill_tests::{eventually, logs};

fn serving(handler: impl Handler) -> Running {
    Running::serving(plain().build_handler(handler).expect("valid options"))
}

#[test]
fn every_response_has_one_of_its_own() {
    let handler = |ctx: &mut RequestCtx| {
        let id = ctx.request_id().expect("an id").to_owned();
        ctx.set_body(id);
    };
    let running = serving(request_id(handler, RequestIds::new()));
    let mut client = running.client();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n");
        let id = reply.field("X-Request-Id").expect("an id").to_owned();
        assert_eq!(id, reply.text());
        assert!(id.len() == 32 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{id}");
        assert!(seen.insert(id));
    }
}

#[test]
fn only_what_is_well_formed_is_taken_from_clients() {
    let ids = RequestIds::builder().header("x-trace").from_clients(|_| true).build().expect("a policy");
    let running = serving(request_id(|_: &mut RequestCtx| (), ids));
    let mut client = running.client();
    let longest = "i".repeat(128);
    for brought in ["7", "a-b_c:d/e", &longest] {
        let reply = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nX-TRACE: {brought}\r\n\r\n"));
        assert_eq!(reply.field("X-Trace"), Some(brought));
    }
    let too_long = format!("X-Trace: {}", "i".repeat(129));
    for fields in
        ["X-Trace:", "X-Trace: a b", "X-Trace: \u{e4}", "X-Trace: 1\r\nX-Trace: 2", &too_long, "X-Other: 1"]
    {
        let reply = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"));
        assert_eq!(reply.field("X-Trace").map(str::len), Some(32), "{fields}");
    }
    let error = RequestIds::builder().header("X Id").build().expect_err("no name");
    assert_eq!(error.option(), "header");
}

#[test]
fn records_and_the_log_have_the_one_of_the_response() {
    logs::collect();
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/ids/fails" => Err(HttpError::new(500, "out of order")),
        "/ids/panics" => panic!("on purpose"),
        "/ids/breaks" => {
            ctx.response.set_body_reader(Broken);
            Ok(())
        }
        "/ids/streams" => {
            ctx.response.set_body_reader(io::Cursor::new("streamed"));
            Ok(())
        }
        _ => Ok(()),
    };
    let lines = Lines::default();
    let (told, records) = mpsc::channel();
    let ids = RequestIds::new();
    let refused = ids.clone();
    let options = plain()
        .access_log(AccessLog::json(lines.clone()))
        .on_complete(move |record| {
            let _ = told.send((
                record.path().to_owned(),
                record.status(),
                record.request_id().map(str::to_owned),
            ));
        })
        .error_handler(move |ctx, _| refused.apply(ctx));
    let running = Running::serving(options.build_handler(request_id(handler, ids)).expect("valid options"));
    let mut client = running.client();
    let mut expected = Vec::new();
    for (path, status) in [
        ("/ids/fails", 500),
        ("/ids/panics", 500),
        ("/ids/breaks", 500),
        ("/ids/streams", 200),
        ("/ids", 200),
    ] {
        let reply = client.get(path);
        let id = reply.field("X-Request-Id").map(str::to_owned);
        assert_eq!((reply.status, id.as_ref().map(String::len)), (status, Some(32)), "{path}");
        expected.push((path.to_owned(), status, id));
    }
    // And of one that reaches no handler.
    let reply = client.exchange("GET /ids/refused HTTP/1.1\r\n\r\n");
    expected.push(("/ids/refused".to_owned(), 400, reply.field("X-Request-Id").map(str::to_owned)));
    let told: Vec<_> =
        expected.iter().map(|_| records.recv_timeout(Duration::from_secs(10)).expect("a record")).collect();
    assert_eq!(told, expected);
    for (path, status, id) in &expected {
        let id = id.as_deref().expect("an id");
        let has_line = || {
            lines
                .text()
                .lines()
                .any(|line| line.contains(path) && line.contains(&format!("\"request_id\":\"{id}\"")))
        };
        eventually("the access log has it", has_line);
        if *status == 500 {
            let logged = logs::with("anthill_http::handler", &format!("{path:?} (id {id})"));
            assert_eq!(logged.len(), 1, "{path}");
        }
    }
}

/// A body that cannot be read.
struct Broken;

impl io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("it breaks off"))
    }
}

#[test]
fn a_handler_that_is_given_up_takes_the_id_along_and_leaves_it() {
    let (went_on, seen) = mpsc::channel();
    let slow = move |ctx: &mut RequestCtx| {
        while !ctx.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = went_on.send(ctx.request_id().map(str::to_owned));
    };
    let limit = TimeLimit::new(Duration::from_millis(5));
    let handler = request_id(timeout(slow, limit), RequestIds::new());
    let server = Server::builder().build_handler(handler).expect("valid options");
    let response = server.call(&Request::new("GET", "/").expect("a request")).expect("an answer");
    assert_eq!(response.status_code(), 503);
    let id = response.header_str("x-request-id").map(str::to_owned);
    assert!(id.is_some());
    assert_eq!(seen.recv_timeout(Duration::from_secs(10)), Ok(id));
}

#[test]
fn who_asks_without_the_wrapper_is_told_that_there_is_none() {
    let running = serving(|ctx: &mut RequestCtx| {
        let has_one = ctx.request_id().is_some();
        ctx.set_body(has_one.to_string());
    });
    assert_eq!(running.client().exchange(get("/")).text(), "false");
}
