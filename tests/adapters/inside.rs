//! A service as a handler: what it is given, and what becomes of what it answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anthill_http::adapters::{RequestBody, UpgradeOffer, tower_service};
use anthill_http::{ConnInfo, Handler, RequestCtx, Server, StopSignal};
use anthill_tests::client::get;
use anthill_tests::server::{Running, plain};
use anthill_tests::{background, eventually, logs, planned_panic, quiet_panics};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::{get as axum_get, post as axum_post};
use http::{Request, Response, Version};
use tower::service_fn;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_service::Service;

use crate::kit::{Scripted, Step, TaskGate, data, serving, streaming};

/// An axum application of the usual parts.
fn application() -> Router {
    async fn show(
        State(shop): State<&'static str>,
        Path(id): Path<u32>,
        Query(query): Query<BTreeMap<String, String>>,
    ) -> String {
        assert!(tokio::runtime::Handle::try_current().is_err(), "nobody has started a runtime");
        format!("{id} of {shop}, {query:?}")
    }
    Router::new()
        .route("/items/{id}", axum_get(show))
        .route(
            "/sum",
            axum_post(|numbers: axum::Json<Vec<u32>>| async move { axum::Json(numbers.iter().sum::<u32>()) }),
        )
        .route("/empty", axum_get(|| async { http::StatusCode::NO_CONTENT }))
        .with_state("shop")
}

#[test]
fn utl_04_axum_runs_without_a_runtime() {
    let server = plain().build_handler(tower_service(application())).expect("a server");
    let running = Running::serving(server.clone());
    let mut client = running.client();
    let shown = client.get("/items/7?a=1&b=x%20y");
    assert_eq!((shown.status, shown.text()), (200, r#"7 of shop, {"a": "1", "b": "x y"}"#));
    assert_eq!(shown.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(client.get("/items/none").status, 400);
    assert_eq!(client.get("/nothing").status, 404);
    let sum = client.exchange(
        "POST /sum HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,2,4]",
    );
    assert_eq!((sum.status, sum.text(), sum.field("content-type")), (200, "7", Some("application/json")));
    assert_eq!(client.get("/sum").field("allow"), Some("POST"));
    assert_eq!(client.get("/empty").status, 204);
    client.send("HEAD /items/7 HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("13")));

    let called = server.call(&anthill_http::Request::new("GET", "/items/9").expect("a request"));
    assert_eq!(called.expect("an answer").body(), b"9 of shop, {}");
}

#[test]
fn utl_04_status_and_duplicate_fields_are_as_the_service_says() {
    let running = serving(plain(), |request: Request<RequestBody>| {
        let seen: Vec<_> = request.headers().get_all("x-seen").iter().collect();
        assert_eq!(seen, ["1", "", "2"]);
        assert_eq!((request.uri().to_string(), request.version()), ("/a%20b?c".to_owned(), Version::HTTP_11));
        let response = Response::builder()
            .status(418)
            .header("set-cookie", "a=1")
            .header("x-between", "yes")
            .header("set-cookie", "b=2")
            .header("set-cookie", "a=1")
            .body("short and stout".to_owned());
        ready(Ok(response.expect("a response")))
    });
    let mut client = running.client();
    let fields = "X-Seen: 1\r\nx-seen:\r\nAccept: x\r\nX-SEEN: 2\r\n";
    let reply = client.exchange(format!("GET /a%20b?c HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    assert_eq!((reply.status, reply.text()), (418, "short and stout"));
    assert_eq!(reply.values("set-cookie"), ["a=1", "b=2", "a=1"]);
    assert_eq!(reply.field("x-between"), Some("yes"));
    assert_eq!(reply.field("content-type"), None, "the service has set none");
}

#[test]
fn utl_04_fields_that_were_set_before_stay_unless_the_service_sets_them() {
    let inner = tower_service(service_fn(|_: Request<RequestBody>| {
        let response = Response::builder().header("set-cookie", "b=2").header("x-both", "service");
        ready(Ok::<_, Infallible>(response.body(String::new()).expect("a response")))
    }));
    let outer = move |ctx: &mut RequestCtx| {
        ctx.response.set_header("X-Both", "wrapper");
        ctx.response.set_header("X-Own", "wrapper");
        ctx.response.append_header("Set-Cookie", "a=1");
        ctx.set_status_code(202);
        inner.handle(ctx);
    };
    let reply = Running::serving(plain().build_handler(outer).expect("a server")).client().get("/");
    assert_eq!((reply.status, reply.values("set-cookie")), (200, vec!["a=1", "b=2"]));
    assert_eq!((reply.field("x-both"), reply.field("x-own")), (Some("service"), Some("wrapper")));
}

#[test]
fn utl_04_what_has_no_body_is_sent_without_one() {
    let running = serving(plain(), |request: Request<RequestBody>| {
        let response = match request.uri().path() {
            "/204" => Response::builder().status(204).body(Scripted::new([data("dropped")])),
            "/304" => {
                Response::builder().status(304).header("etag", "\"1\"").body(Scripted::new([Step::Panics]))
            }
            "/sized" => Response::builder().body(Scripted::new([Step::Panics]).sized(5)),
            // What a router leaves of a body for `HEAD`.
            "/emptied" => Response::builder().body(Scripted::new([]).sized(0)),
            "/said" => Response::builder().header("content-length", "7").body(Scripted::new([])),
            _ => Response::builder().body(Scripted::new([Step::Panics])),
        };
        ready(Ok(response.expect("a response")))
    });
    let mut client = running.client();
    assert_eq!((client.get("/204").status, client.get("/304").field("etag")), (204, Some("\"1\"")));
    for (target, name, value) in [
        ("/sized", "content-length", "5"),
        ("/said", "content-length", "7"),
        ("/unknown", "transfer-encoding", "chunked"),
        ("/emptied", "transfer-encoding", "chunked"),
    ] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let head = client.response_to_head();
        assert_eq!((head.status, head.field(name)), (200, Some(value)), "{target}: {head:?}");
    }
    assert_eq!(client.get("/204").status, 204, "the connection has stayed");
}

#[test]
fn utl_04_failures_are_answered_and_logged_and_not_told() {
    logs::collect();
    let failing = service_fn(|request: Request<RequestBody>| {
        let answer = match request.uri().path() {
            "/error" => Err("planned: the password is wrong"),
            "/interim" => Ok(Response::builder().status(103).body(String::new()).expect("a response")),
            "/101" => Ok(Response::builder().status(101).body(String::new()).expect("a response")),
            _ => Ok(Response::new("fine".to_owned())),
        };
        ready(answer)
    });
    let server = plain().build_handler(tower_service(failing)).expect("a server");
    let running = Running::serving(server);
    let mut client = running.client();
    for (target, status, text) in [
        ("/error", 500, "Internal Server Error"),
        ("/interim", 500, "Internal Server Error"),
        ("/101", 501, "Not Implemented"),
        ("/", 200, "fine"),
    ] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (status, text), "{target}");
    }
    assert!(!logs::with("anthill_http::handler", "planned: the password is wrong").is_empty());
    assert!(!logs::with("anthill_http::handler", "no `UpgradeOffer` of its request was accepted").is_empty());
}

#[test]
fn utl_04_a_target_that_the_types_cannot_express_is_refused() {
    let running = serving(plain(), |_| ready(Ok(Response::new(String::new()))));
    let mut client = running.client();
    // Not one that `http::Uri` takes.
    assert_eq!(client.exchange("GET http://h:/ HTTP/1.1\r\nHost: h\r\n\r\n").status / 100, 2);
    let reply = client.exchange("GET /a\u{7f}b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(reply.status, 400);
}

/// Panics where it is told to.
#[derive(Clone)]
struct Panicking;

impl Service<Request<RequestBody>> for Panicking {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        match request.uri().path() {
            "/call" => planned_panic(),
            "/poll" => Box::pin(async { planned_panic() }),
            _ => Box::pin(async { Ok(Response::new("fine".to_owned())) }),
        }
    }
}

#[test]
fn utl_04_panics_are_those_of_any_handler() {
    quiet_panics();
    let told = |ctx: &mut RequestCtx, panic: &anthill_http::HandlerPanic| {
        ctx.set_body(format!("sorry: {}", panic.message().is_some()));
    };
    let server = plain().panic_handler(told).build_handler(tower_service(Panicking)).expect("a server");
    let running = Running::serving(server);
    let mut client = running.client();
    for target in ["/call", "/poll"] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (500, "sorry: true"), "{target}");
    }
    assert_eq!(client.get("/").text(), "fine");
    assert_eq!(running.server().stats().panics, 2);
    // Who wraps it goes on behind it.
    let inner = tower_service(Panicking);
    let outer = move |ctx: &mut RequestCtx| {
        inner.handle(ctx);
        ctx.response.set_header("X-Behind", "yes");
    };
    let reply = Running::serving(plain().build_handler(outer).expect("a server")).client().get("/poll");
    assert_eq!((reply.status, reply.field("x-behind")), (500, Some("yes")));
}

#[test]
fn utl_04_another_protocol_is_spoken_by_who_accepts_the_offer() {
    let running = serving(plain(), |request: Request<RequestBody>| {
        let Some(offer) = request.extensions().get::<UpgradeOffer>() else {
            let refused = Response::builder().status(426).header("upgrade", "echo").body(String::new());
            return ready(Ok(refused.expect("a response")));
        };
        offer.accept(|mut conn| {
            let mut room = [0; 4];
            conn.read_exact(&mut room).expect("the client speaks");
            conn.write_all(&room).expect("the client listens");
        });
        let status = if request.uri().path() == "/but" { 200 } else { 101 };
        let response =
            Response::builder().status(status).header("upgrade", "echo").header("connection", "upgrade");
        ready(Ok(response.body(String::new()).expect("a response")))
    });
    let mut client = running.client();
    assert_eq!(client.get("/").status, 426);
    let asking =
        |target| format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.exchange(asking("/but")).status, 200);
    let switching = client.exchange(asking("/"));
    assert_eq!((switching.status, switching.field("upgrade")), (101, Some("echo")));
    client.send("ants");
    assert_eq!(client.bytes(4), b"ants");
    client.expect_end();
}

#[test]
fn utl_04_extensions_come_along() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(&'static str);
    let inner = tower_service(service_fn(|request: Request<RequestBody>| {
        let extensions = request.extensions();
        assert!(extensions.get::<ConnInfo>().is_some_and(|conn| conn.remote_addr().is_some()));
        assert!(extensions.get::<StopSignal>().is_some_and(|stop| !stop.is_stopping()));
        assert!(extensions.get::<UpgradeOffer>().is_none());
        assert_eq!(extensions.get::<SocketAddr>().map(|address| address.port()), Some(7));
        let mut response = Response::new(format!("{:?}", extensions.get::<User>()));
        response.extensions_mut().insert(7_u8);
        ready(Ok::<_, Infallible>(response))
    }))
    .extending(|ctx, extensions| {
        extensions.insert(SocketAddr::from((ctx.remote_addr().ip(), 7)));
    });
    let outer = move |ctx: &mut RequestCtx| {
        ctx.extensions_mut().insert(User("ann"));
        inner.handle(ctx);
        let answered = format!("{:?}", ctx.extensions_mut().get::<u8>());
        ctx.response.set_header("X-Extension", answered);
    };
    let reply = Running::serving(plain().build_handler(outer).expect("a server")).client().get("/");
    assert_eq!(reply.text(), r#"Some(User("ann"))"#);
    assert_eq!(reply.field("x-extension"), Some("Some(7)"), "those of the response");
}

#[test]
fn utl_04_layers_with_timers_run_within_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let handle = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = background(move || runtime.block_on(stopped));
    let slow = async |path: Path<u64>| {
        let pause = Duration::from_millis(path.0);
        tokio::time::sleep(pause).await;
        "slept"
    };
    let layer = TimeoutLayer::with_status_code(http::StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(300));
    let router: Router = Router::new().route("/{pause}", axum_get(slow)).layer(layer);
    let service = tower_service(router);
    let without = plain().build_handler(service.clone()).expect("a server");
    let within = service.entering(move |poll| {
        let _guard = handle.enter();
        poll();
    });
    let running = Running::serving(plain().build_handler(within).expect("a server"));
    let mut client = running.client();
    assert_eq!(client.get("/1").text(), "slept");
    assert_eq!(client.get("/600000").status, 504);
    drop(stop);
    assert!(driver.outcome("the runtime").is_err());
    quiet_panics();
    let request = anthill_http::Request::new("GET", "/1").expect("a request");
    assert_eq!(without.call(&request).expect("an answer").status_code(), 500, "there is no runtime");
}

#[test]
fn utl_04_what_does_not_enter_is_found_out() {
    let service =
        service_fn(|_: Request<RequestBody>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let handler = tower_service(service).entering(|_| {});
    let server = plain().build_handler(handler).expect("a server");
    let request = anthill_http::Request::new("GET", "/").expect("a request");
    assert_eq!(server.call(&request).expect("an answer").status_code(), 500);
}

#[test]
fn utl_04_a_layer_refuses_a_body_before_it_has_come() {
    let router: Router = Router::new()
        .route("/", axum_post(|text: String| async move { text.len().to_string() }))
        .layer(RequestBodyLimitLayer::new(5));
    let running = Running::serving(streaming().build_handler(tower_service(router)).expect("a server"));
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n");
    assert_eq!(client.response().status, 413);
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nants\r\n");
    client.send("4\r\nants\r\n");
    assert_eq!(client.response().status, 413);
    let mut client = running.client();
    assert_eq!(client.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nthree").text(), "5");
}

#[test]
fn utl_04_requests_wait_for_a_worker_or_are_turned_away() {
    let gate = TaskGate::default();
    let held = gate.clone();
    let options = plain().max_workers(1).max_wait(Duration::from_millis(50));
    let running = serving(options, move |_| {
        let gate = held.clone();
        async move {
            gate.pass().await;
            Ok(Response::new("served".to_owned()))
        }
    });
    let mut clients = running.clients(8);
    clients.iter_mut().for_each(|client| client.send(get("/")));
    eventually("some are turned away", || running.server().stats().rejections.turned_away > 0);
    gate.open();
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.response().status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(running.client().get("/").text(), "served");
}

/// Is ready the second time it is asked, and wants to be asked by who calls.
#[derive(Clone, Default)]
struct LateReady {
    asked: usize,
}

impl Service<Request<RequestBody>> for LateReady {
    type Response = Response<String>;
    type Error = &'static str;
    type Future = Ready<Result<Response<String>, &'static str>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.asked += 1;
        if self.asked < 2 {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let asked = std::mem::take(&mut self.asked);
        assert_eq!(
            (asked, request.method().as_str()),
            (2, "GET"),
            "it was ready, and is asked anew each time"
        );
        ready(Ok(Response::new("ready".to_owned())))
    }
}

#[test]
fn utl_04_a_service_is_called_when_it_is_ready() {
    let server = Server::builder().build_handler(tower_service(LateReady::default())).expect("a server");
    let request = anthill_http::Request::new("GET", "/").expect("a request");
    for _ in 0..3 {
        assert_eq!(server.call(&request).expect("an answer").body(), b"ready");
    }
}

#[test]
fn utl_04_a_deadline_ends_the_wait() {
    let kept = Arc::new(());
    for ignores in [false, true] {
        let in_service = Arc::downgrade(&kept);
        let waiting = tower_service(service_fn(move |_: Request<RequestBody>| {
            let held = in_service.upgrade();
            async move {
                let _held = held;
                pending::<Result<Response<String>, Infallible>>().await
            }
        }));
        // Whoever does not mind that clients leave is ended by it too.
        let waiting = waiting.ignore_client_abort(ignores);
        let options = plain().handler_timeout(Duration::from_millis(50));
        let running = Running::serving(options.build_handler(waiting).expect("a server"));
        assert_eq!(running.client().get("/").status, 503);
        assert_eq!(running.server().stats().timed_out_handlers, 1);
        eventually("its future is dropped", || Arc::strong_count(&kept) == 1);
    }
}
