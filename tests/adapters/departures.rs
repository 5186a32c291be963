//! Who leaves in the middle: the client, the server. What was done for them is dropped.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use anthill_http::Handler;
use anthill_http::adapters::{RequestBody, tower_service};
use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::server::{Running, plain};
use http::{Request, Response};
use tower::service_fn;
use tower_service::Service;

use crate::kit::{Scripted, Step, TaskGate, data, serving, streaming};

/// How many there are besides `own`.
fn others(own: &Arc<()>) -> usize {
    Arc::strong_count(own) - 1
}

#[test]
fn utl_04_a_client_that_leaves_ends_what_it_waits_for() {
    let kept = Arc::new(());
    let in_service = Arc::downgrade(&kept);
    let running = serving(plain(), move |_| {
        let held = Weak::upgrade(&in_service);
        async move {
            let _held = held;
            pending::<Result<Response<String>, Infallible>>().await
        }
    });
    let mut client = running.client();
    client.send(get("/"));
    eventually("the service works", || others(&kept) == 1);
    drop(client);
    eventually("its future is dropped", || others(&kept) == 0);
}

/// Is never ready; knows how many of it there are.
#[derive(Clone)]
struct Never {
    _kept: Arc<()>,
}

impl Service<Request<RequestBody>> for Never {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn utl_04_a_service_that_is_never_ready_ends_with_its_client() {
    let kept = Arc::new(());
    let server = plain().build_handler(tower_service(Never { _kept: kept.clone() })).expect("a server");
    let running = Running::serving(server);
    let before = others(&kept);
    let mut clients = running.clients(3);
    clients.iter_mut().for_each(|client| client.send(get("/")));
    eventually("each is waited for", || others(&kept) == before + 3);
    drop(clients);
    eventually("none is", || others(&kept) == before);
}

#[test]
fn utl_04_a_client_that_leaves_in_the_middle_of_the_response_ends_its_body() {
    let kept = Arc::new(());
    let in_service = Arc::downgrade(&kept);
    let running = serving(plain(), move |_| {
        let held = Weak::upgrade(&in_service).expect("the test keeps it");
        let body = Scripted::new([data("begun"), Step::Waits(TaskGate::default())]).keeping(held);
        std::future::ready(Ok(Response::new(body)))
    });
    let mut client = running.client();
    client.send(get("/"));
    eventually("the body waits", || others(&kept) == 1);
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    drop(client);
    eventually("it is dropped", || others(&kept) == 0);
}

#[test]
fn utl_04_a_client_that_leaves_in_the_middle_of_both_bodies_ends_both() {
    let kept = Arc::new(());
    let in_service = Arc::downgrade(&kept);
    let running = serving(streaming(), move |request: Request<RequestBody>| {
        let held = Weak::upgrade(&in_service).expect("the test keeps it");
        let body = Scripted::new([data("begun"), Step::Waits(TaskGate::default())]).keeping(held);
        // The request is kept, so its body may still be read.
        std::mem::forget(request.into_body());
        std::future::ready(Ok(Response::new(body)))
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    eventually("the body waits", || others(&kept) == 1);
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    drop(client);
    eventually("it is dropped", || others(&kept) == 0);
}

/// A service that answers when the gate opens.
fn waiting(gate: &TaskGate, ignores: bool) -> impl Handler {
    let gate = gate.clone();
    tower_service(service_fn(move |_: Request<RequestBody>| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok::<_, Infallible>(Response::new("served".to_owned()))
        }
    }))
    .ignore_client_abort(ignores)
}

#[test]
fn utl_04_who_ends_its_sending_has_left_unless_that_is_to_be_ignored() {
    let gate = TaskGate::default();
    let running = Running::serving(plain().build_handler(waiting(&gate, false)).expect("a server"));
    let half = |running: &Running| -> Client {
        let mut client = running.client();
        client.send(get("/"));
        client.finish_sending();
        client
    };
    let mut client = half(&running);
    assert_eq!(client.response().status, 499, "as records have it");

    let running = Running::serving(plain().build_handler(waiting(&gate, true)).expect("a server"));
    let mut client = half(&running);
    assert!(client.hears_nothing_for(Duration::from_millis(300)), "it is waited for");
    gate.open();
    assert_eq!(client.response().text(), "served");
}

#[test]
fn utl_04_a_body_goes_on_for_who_has_ended_its_sending_if_that_is_to_be_ignored() {
    for ignores in [true, false] {
        let gate = TaskGate::default();
        let wait = gate.clone();
        let service = service_fn(move |_: Request<RequestBody>| {
            let body = Scripted::new([data("begun"), Step::Waits(wait.clone()), data("ended")]);
            std::future::ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let handler = tower_service(service).ignore_client_abort(ignores);
        let running = Running::serving(plain().build_handler(handler).expect("a server"));
        let mut client = running.client();
        client.send(get("/"));
        let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
        assert_eq!(String::from_utf8(client.bytes(begun.len())).expect("text"), begun);
        client.finish_sending();
        if ignores {
            assert!(client.hears_nothing_for(Duration::from_millis(300)), "it is waited for");
            gate.open();
        }
        let rest = String::from_utf8(client.rest().expect("an end")).expect("text");
        assert_eq!(rest, if ignores { "5\r\nended\r\n0\r\n\r\n" } else { "" });
    }
}

#[test]
fn utl_04_a_shutdown_waits_and_then_cuts_off() {
    let kept = Arc::new(());
    let in_service = Arc::downgrade(&kept);
    let gate = TaskGate::default();
    let wait = gate.clone();
    let running = serving(plain(), move |request: Request<RequestBody>| {
        let held = Weak::upgrade(&in_service);
        let gate = if request.uri().path() == "/ends" { wait.clone() } else { TaskGate::default() };
        async move {
            let _held = held;
            gate.pass().await;
            Ok(Response::new("served".to_owned()))
        }
    });
    let mut clients = running.clients(2);
    clients[0].send(get("/ends"));
    clients[1].send(get("/never"));
    eventually("both are served", || others(&kept) == 2);
    let server = running.server().clone();
    let ending = anthill_tests::background(move || server.shutdown(Duration::from_millis(500)));
    eventually("it ends", || running.server().stop_signal().is_stopping());
    gate.open();
    assert_eq!(clients[0].response().text(), "served");
    assert!(ending.outcome("the shutdown").is_err(), "one does not end by itself");
    clients.pop();
    eventually("its future is dropped", || others(&kept) == 0);
}
