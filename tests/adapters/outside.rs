//! A handler as a service: what it is given, and what becomes of what it answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anthill_http::adapters::{HandlerBody, HandlerService};
use anthill_http::{Handler, RequestCtx, Server};
use anthill_tests::client::{Client, get};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, PATIENCE, background, eventually, logs, planned_panic, quiet_panics, within};
use axum::Router;
use axum::routing::get as axum_get;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tower::ServiceExt;

use crate::kit::{Scripted, block_on, collect};

/// The service of a handler on a server without fields of its own.
pub(crate) fn service(handler: impl Handler) -> (HandlerService, Server) {
    let server = plain().build_handler(handler).expect("a server");
    (HandlerService::of_server(&server).expect("it serves"), server)
}

pub(crate) fn request(target: &str) -> Request<String> {
    Request::get(target).body(String::new()).expect("a request")
}

/// The response of a service, and its body and trailers.
pub(crate) fn answered<B>(service: &HandlerService, request: Request<B>) -> (Response<()>, Vec<u8>, HeaderMap)
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service.clone();
    within("the response", move || {
        block_on(async move {
            let response: Response<HandlerBody> = service.oneshot(request).await.expect("it never fails");
            let (head, body) = response.into_parts();
            let (bytes, trailers) = collect(body).await.expect("a whole body");
            (Response::from_parts(head, ()), bytes, trailers)
        })
    })
}

/// A server of hyper and axum, on one thread, that runs until the test ends.
struct Outer {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Outer {
    fn serving(app: Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("an option of every socket");
        let address = listener.local_addr().expect("it listens");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                let serving = async { axum::serve(listener, app).await.expect("it serves") };
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the outer server panicked");
    }
}

#[test]
fn utl_04_a_handler_answers_as_a_service() {
    let (service, server) = service(|ctx: &mut RequestCtx| {
        assert_eq!(ctx.request.headers().get_all("X-Seen").collect::<Vec<_>>(), [&b"1"[..], b"2"]);
        assert_eq!((ctx.method(), ctx.path(), ctx.request.query_str()), ("PUT", "/a b", "c=d"));
        assert_eq!((ctx.request.host_str(), ctx.request.request_uri_str()), ("example.org:81", "/a%20b?c=d"));
        let text = format!("got {}", ctx.request.body_str().expect("text"));
        ctx.response.append_header("Set-Cookie", "a=1");
        ctx.response.append_header("X-Between", "yes");
        ctx.response.append_header("Set-Cookie", "b=2");
        ctx.response.append_header("Set-Cookie", "a=1");
        ctx.set_status_code(418);
        ctx.set_body(text);
    });
    for target in ["http://example.org:81/a%20b?c=d", "/a%20b?c=d"] {
        let request =
            Request::put(target).header("x-seen", "1").header("x-seen", "2").header("host", "example.org:81");
        let (head, body, _) = answered(&service, request.body("text".to_owned()).expect("a request"));
        assert_eq!((head.status().as_u16(), &*body), (418, &b"got text"[..]));
        let cookies: Vec<_> = head.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2", "a=1"]);
        assert_eq!(
            (&head.headers()["x-between"], &head.headers()["content-length"]),
            (&"yes".parse().unwrap(), &"8".parse().unwrap())
        );
        assert!(!head.headers().contains_key("connection"), "{head:?}");
    }
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_what_cannot_be_a_request_is_refused() {
    let (service, server) = service(|ctx: &mut RequestCtx| {
        let text = ctx.request.host_str().to_owned();
        ctx.set_body(text);
    });
    let status = |request: Request<String>| answered(&service, request).0.status().as_u16();
    let connect = Request::builder().method(Method::CONNECT).uri("h:80").body(String::new());
    assert_eq!(status(connect.expect("a request")), 501);
    let hosts = Request::get("/").header("host", "a").header("host", "b").body(String::new());
    assert_eq!(status(hosts.expect("a request")), 400);
    let host = Request::get("/").header("host", "a b").body(String::new());
    assert_eq!(status(host.expect("a request")), 400);
    assert_eq!(answered(&service, request("/")).1, b"localhost", "nobody has named one");
    let named = "http://ann:secret@example.org:81/";
    assert_eq!(answered(&service, request(named)).1, b"example.org:81", "and not who asks");
    // What the server refuses itself.
    let large = Request::post("/").body("x".repeat(5 * 1024 * 1024)).expect("a request");
    assert_eq!(status(large), 413);
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_handler_that_blocks_blocks_no_task() {
    let gate = Gate::new();
    let (waits, opens) = (gate.clone(), gate);
    let (moved, server) = service(move |ctx: &mut RequestCtx| match ctx.path() {
        "/waits" => {
            waits.pass();
            ctx.set_body("it has waited");
        }
        _ => {
            opens.open();
            ctx.set_body("opened");
        }
    });
    let app = Router::new().route("/axum", axum_get(|| async { "axum" })).fallback_service(moved);
    let outer = Outer::serving(app);
    let mut waiting = outer.client();
    waiting.send(get("/waits"));
    let mut client = outer.client();
    assert_eq!(client.get("/axum").text(), "axum");
    assert_eq!(client.get("/opens").text(), "opened");
    assert_eq!(waiting.response().text(), "it has waited");
    client.send("HEAD /opens HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("6")));
    // A client of HTTP/1.0 is answered by who serves it.
    client.send("GET /opens HTTP/1.0\r\n\r\n");
    assert!(client.rest().expect("an end").ends_with(b"\r\n\r\nopened"));
    drop((outer, client, waiting));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_panic_is_a_500_and_costs_nothing_else() {
    quiet_panics();
    let (service, server) = service(|ctx: &mut RequestCtx| match ctx.path() {
        "/panics" => planned_panic(),
        _ => ctx.set_body("fine"),
    });
    for _ in 0..3 {
        let (head, body, _) = answered(&service, request("/panics"));
        assert_eq!((head.status().as_u16(), &*body), (500, &b"Internal Server Error"[..]));
        assert_eq!(answered(&service, request("/")).1, b"fine");
    }
    assert_eq!(server.stats().panics, 3);
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_who_takes_the_connection_over_is_told_that_there_is_none() {
    logs::collect();
    let taken = Arc::new(AtomicUsize::new(0));
    let counts = taken.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| match ctx.path() {
        "/upgrade" => {
            assert!(!ctx.request.wants_upgrade(), "it is not passed on");
            let counts = counts.clone();
            ctx.upgrade("echo", move |_| {
                counts.fetch_add(1, Ordering::SeqCst);
            });
        }
        "/hijack" => {
            ctx.set_body("answered");
            let counts = counts.clone();
            ctx.hijack(move |_| {
                counts.fetch_add(1, Ordering::SeqCst);
            });
        }
        _ => ctx.hijack_without_response(drop),
    });
    let asking = Request::get("/upgrade").header("connection", "upgrade").header("upgrade", "echo");
    assert_eq!(answered(&service, asking.body(String::new()).expect("a request")).0.status(), 426);
    let (head, body, _) = answered(&service, request("/hijack"));
    assert_eq!((head.status().as_u16(), &*body), (200, &b"answered"[..]));
    assert_eq!(answered(&service, request("/silently")).0.status(), 500);
    server.shutdown(PATIENCE).expect("nothing is under way");
    assert_eq!(
        taken.load(Ordering::SeqCst),
        0,
        "nobody asked for it, and the connection ends with the response"
    );
}

#[test]
fn utl_04_extensions_and_the_address_come_along() {
    #[derive(Clone)]
    struct User(&'static str);
    let handler = |ctx: &mut RequestCtx| {
        let user = ctx.extensions_mut().get::<User>().map_or("nobody", |user| user.0);
        let text = format!("{user} at {}", ctx.remote_addr());
        ctx.set_body(text);
    };
    for timeout in [Duration::ZERO, Duration::from_secs(60)] {
        let server = plain().handler_timeout(timeout).build(handler).expect("a server");
        let service = HandlerService::of_server(&server).expect("it serves");
        let service = service.remote_addr_by(|extensions| extensions.get::<SocketAddr>().copied());
        let mut asked = request("/");
        asked.extensions_mut().insert(User("ann"));
        asked.extensions_mut().insert(SocketAddr::from(([192, 0, 2, 1], 80)));
        assert_eq!(answered(&service, asked).1, b"ann at 192.0.2.1:80");
        assert_eq!(answered(&service, request("/")).1, b"nobody at 0.0.0.0:0");
        server.shutdown(PATIENCE).expect("nothing is under way");
    }
}

#[test]
fn utl_04_what_is_dropped_has_left() {
    let (told, seen) = std::sync::mpsc::channel();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        told.send("begun").expect("the test listens");
        while !ctx.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        told.send("cancelled").expect("the test listens");
    });
    let mut future = Box::pin(service.oneshot(request("/")));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut task).is_pending());
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("begun"));
    drop(future);
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("cancelled"));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_server_that_was_shut_down_answers_503() {
    let gate = Gate::new();
    let passes = gate.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        passes.pass();
        ctx.set_body("served");
    });
    let asked = service.clone();
    let under_way = background(move || answered(&asked, request("/")));
    eventually("it is served", || !server.requests_in_flight().is_empty());
    let ends = server.clone();
    let ending = background(move || ends.shutdown(PATIENCE));
    eventually("it ends", || server.stop_signal().is_stopping());
    gate.open();
    assert_eq!(under_way.outcome("what was under way").1, b"served");
    ending.outcome("the shutdown").expect("all was answered");
    let (head, body, _) = answered(&service, request("/"));
    assert_eq!((head.status().as_u16(), &*body), (503, &b"Service Unavailable"[..]));
}

#[test]
fn utl_04_a_service_of_its_own_server_ends_with_its_last_clone() {
    let kept = Arc::new(());
    let in_handler = kept.clone();
    let service = HandlerService::new(move |ctx: &mut RequestCtx| {
        let _held = &in_handler;
        ctx.set_body("served");
    })
    .expect("it serves");
    let clone = service.clone();
    assert_eq!(answered(&service, request("/")).1, b"served");
    drop(service);
    let response = block_on(clone.oneshot(request("/"))).expect("it never fails");
    assert_eq!(block_on(collect(response.into_body())).expect("a body").0, b"served", "the body keeps it");
    eventually("the server is gone", || Arc::strong_count(&kept) == 1);
}

#[test]
fn utl_04_a_server_that_somebody_has_goes_on_when_its_service_is_gone() {
    let running = Running::new(|ctx| ctx.set_body("served"));
    let mut client = running.client();
    for _ in 0..2 {
        let service = HandlerService::of_server(running.server()).expect("it serves");
        assert_eq!(answered(&service, request("/")).1, b"served");
        drop(service);
        assert!(!running.server().stop_signal().wait(Duration::from_millis(100)), "nobody has ended it");
        assert_eq!(client.get("/").text(), "served");
    }
}

#[test]
fn utl_04_one_goes_into_the_other_and_back() {
    let (inner, server) = service(|ctx: &mut RequestCtx| {
        let text = format!("{} {}", ctx.path(), ctx.request.body_str().unwrap_or_default());
        ctx.response.append_header("Set-Cookie", "a=1");
        ctx.response.append_header("Set-Cookie", "b=2");
        ctx.set_body(text);
    });
    let router: Router = Router::new().nest_service("/api", inner);
    let outer = plain().build_handler(anthill_http::adapters::tower_service(router)).expect("a server");
    let mut request = anthill_http::Request::new("POST", "/api/items").expect("a request");
    request.set_body("ants");
    let response = outer.call(&request).expect("an answer");
    assert_eq!((response.status_code(), response.body()), (200, &b"/items ants"[..]));
    assert!(response.headers().get_all("Set-Cookie").eq([&b"a=1"[..], b"b=2"]));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_request_is_asked_for_its_body_by_who_serves_it() {
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx| {
        if ctx.path() == "/refuses" {
            ctx.error("no", 403);
            return Ok(());
        }
        let count = std::io::copy(&mut ctx.body_reader(), &mut std::io::sink())?;
        ctx.set_body(format!("{count} bytes"));
        Ok::<(), std::io::Error>(())
    });
    let server = server.expect("a server");
    let moved = HandlerService::of_server(&server).expect("it serves");
    let outer = Outer::serving(Router::new().fallback_service(moved));
    let asking = |target| {
        format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = outer.client();
    client.send(asking("/"));
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ants");
    assert_eq!(client.response().text(), "4 bytes");
    let mut client = outer.client();
    client.send(asking("/refuses"));
    assert_eq!(client.response().status, 403, "without having been asked");
    // A body that nobody asks for is not polled.
    let expecting = Request::post("/refuses").header("expect", "100-continue");
    let unpolled = Scripted::new([crate::kit::Step::Panics]).sized(4);
    let service = HandlerService::of_server(&server).expect("it serves");
    assert_eq!(answered(&service, expecting.body(unpolled).expect("a request")).0.status(), 403);
    drop((outer, client, service));
    server.shutdown(PATIENCE).expect("nothing is under way");
}
