//! Bodies that have another length than was said, and what is said of the length of one that is left out.

use std::future::ready;
use std::io::{Cursor, Write};

use anthill_http::adapters::{HandlerService, RequestBody, tower_service};
use anthill_http::{RequestCtx, Server};
use anthill_tests::server::{Running, plain};
use anthill_tests::{PATIENCE, logs};
use axum::Router;
use axum::routing::get as axum_get;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;

use crate::kit::{Scripted, Step, TaskGate, block_on, data, serving, streaming};
use crate::outside::{answered, service};

/// A request whose body has not arrived, which the service may still read.
const UNREAD: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n";

/// Answers by that body while the request's body may still be read.
fn beside_a_request(body: impl Fn() -> Scripted + Clone + Send + Sync + 'static) -> Running {
    serving(streaming(), move |request: Request<RequestBody>| {
        std::mem::forget(request.into_body());
        ready(Ok(Response::new(body())))
    })
}

#[test]
fn utl_04_a_body_that_is_there_at_once_and_has_another_length_is_a_500() {
    logs::collect();
    let running = serving(plain(), |request: Request<RequestBody>| {
        let (said, body) = match request.uri().path() {
            "/short" => (None, Scripted::new([data("begun")]).sized(9)),
            "/none" => (None, Scripted::new([]).sized(9)),
            "/short-said" => (Some("9"), Scripted::new([data("begun")])),
            "/long" => (None, Scripted::new([data("begun")]).sized(3)),
            "/long-said" => (Some("3"), Scripted::new([data("begun")])),
            "/short-with-trailers" => {
                (None, Scripted::new([data("begun"), Step::Trailer("x-sum", "7")]).sized(9))
            }
            _ => (Some("5"), Scripted::new([data("begun")]).sized(5)),
        };
        let head = Response::builder();
        let head = said.into_iter().fold(head, |head, length| head.header("content-length", length));
        ready(Ok(head.body(body).expect("a response")))
    });
    let mut client = running.client();
    for target in ["/short", "/none", "/short-said", "/long", "/long-said", "/short-with-trailers"] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"), "{target}");
        assert_eq!(client.get("/").text(), "begun", "the connection has stayed: {target}");
    }
    assert!(!logs::with("anthill_http::handler", "another length than was said").is_empty());
}

#[test]
fn utl_04_a_body_beside_a_request_that_has_another_length_is_no_whole_one() {
    let at_once = beside_a_request(|| Scripted::new([data("begun")]).sized(9));
    let mut client = at_once.client();
    client.send(UNREAD);
    assert_eq!(client.response().status, 500);
    let gate = TaskGate::default();
    let wait = gate.clone();
    let late = beside_a_request(move || Scripted::new([data("begun"), Step::Waits(wait.clone())]).sized(9));
    let mut client = late.client();
    client.send(UNREAD);
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    gate.open();
    let rest = String::from_utf8(client.rest().expect("an end")).expect("text");
    let (_, body) = rest.split_once("\r\n\r\n").expect("the rest of a head");
    assert_eq!(body, "5\r\nbegun\r\n", "no last chunk says that this was all");
    let gate = TaskGate::default();
    let wait = gate.clone();
    let whole = beside_a_request(move || {
        Scripted::new([data("begun"), Step::Waits(wait.clone()), data("ends")]).sized(9)
    });
    let mut client = whole.client();
    client.send(UNREAD);
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    gate.open();
    let mut whole = client.bytes(1);
    while !whole.ends_with(b"\r\n0\r\n\r\n") {
        whole.extend(client.bytes(1));
    }
    let whole = String::from_utf8(whole).expect("text");
    assert!(whole.ends_with("\r\n\r\n5\r\nbegun\r\n4\r\nends\r\n0\r\n\r\n"), "{whole}");
}

/// Handlers whose bodies are left out.
fn left_out(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/bytes" => ctx.set_body("six legs"),
        "/unknown" => ctx.response.set_body_reader(Cursor::new(vec![b'x'; 300_000])),
        "/empty" => ctx.response.set_body_writer(|_| Ok(())),
        "/trailers" => ctx.response.set_body_writer(|out| {
            out.append_trailer("X-Sum", "7");
            out.flush()
        }),
        "/304" => ctx.set_status_code(304),
        _ => ctx.set_status_code(204),
    }
}

#[test]
fn utl_04_of_a_body_that_is_left_out_no_length_is_made_up() {
    let (service, server) = service(left_out);
    // Of a body that was left out: what its length is, and whether it ends here.
    for (method, target, length, ends) in [
        ("HEAD", "/bytes", Some(0), true),
        ("HEAD", "/unknown", None, true),
        ("GET", "/204", Some(0), true),
        ("GET", "/304", Some(0), true),
        ("GET", "/bytes", Some(8), false),
        ("GET", "/unknown", None, false),
    ] {
        let asked = Request::builder().method(method).uri(target).body(String::new()).expect("a request");
        let response = block_on(service.clone().oneshot(asked)).expect("it never fails");
        let body = response.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (length, ends), "{method} {target}");
    }
    let (_, body, trailers) = answered(&service, crate::outside::request("/trailers"));
    assert_eq!((body.len(), &trailers["x-sum"]), (0, &"7".parse().unwrap()));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

/// A handler within a service within a server: what is said of lengths comes through both.
#[test]
fn utl_04_an_answer_to_head_says_through_both_adapters_what_one_to_get_would() {
    let inner = plain().build(left_out).expect("a server");
    let service = HandlerService::of_server(&inner).expect("it serves");
    let axum_app: Router = Router::new()
        .route("/axum", axum_get(|| async { "thirteen legs" }))
        .route("/axum-unknown", axum_get(|| async { axum::body::Body::new(Scripted::new([data("x")])) }))
        .fallback_service(service);
    let outer: Server = plain().build_handler(tower_service(axum_app)).expect("a server");
    let running = Running::serving(outer);
    let mut client = running.client();
    for (target, length, coding) in [
        ("/bytes", Some("8"), None),
        ("/unknown", None, Some("chunked")),
        ("/axum", Some("13"), None),
        ("/axum-unknown", None, Some("chunked")),
        ("/304", None, None),
        ("/204", None, None),
    ] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let head = client.response_to_head();
        let found = (head.field("content-length"), head.field("transfer-encoding"));
        assert_eq!(found, (length, coding), "{target}: {head:?}");
    }
    assert_eq!(client.get("/empty").text(), "");
    assert_eq!(client.get("/unknown").body.len(), 300_000);
    drop((client, running));
    inner.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_the_length_that_a_request_says_itself_does_not_count() {
    let (service, server) = service(|ctx: &mut RequestCtx| {
        let length = ctx.header("Content-Length").map(<[u8]>::to_vec).unwrap_or_default();
        let text = format!("{} of {}", ctx.body().len(), String::from_utf8_lossy(&length));
        ctx.set_body(text);
    });
    let asked = |said: &'static str, body: Scripted| {
        let head = Request::post("/").header("content-length", said);
        answered(&service, head.body(body).expect("a request")).1
    };
    assert_eq!(asked("9", Scripted::new([data("ants")]).sized(4)), b"4 of 4");
    assert_eq!(asked("2", Scripted::new([data("ants")]).sized(4)), b"4 of 4");
    assert_eq!(asked("9", Scripted::new([data("ants")])), b"4 of ", "in chunks");
    server.shutdown(PATIENCE).expect("nothing is under way");
}
