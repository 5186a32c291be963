//! Services in their hardest states: not ready for long, panicking wherever that can be, with bodies that bring nothing
//! for ever, with a runtime that is gone. Nobody hangs, and the server ends.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anthill_http::adapters::{HandlerService, RequestBody, UpgradeOffer, tower_service};
use anthill_http::{HttpError, RequestCtx};
use anthill_tests::client::get;
use anthill_tests::server::{Running, plain};
use anthill_tests::{PATIENCE, background, eventually, planned_panic, quiet_panics};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::ServiceExt;
use tower_service::Service;

use crate::kit::{Scripted, Step, TaskGate, block_on, collect, data, serving, streaming};
use crate::outside::{answered, request, service};

/// A service, and what it answers with, that panics where its request's path says.
struct Fragile {
    at: Option<String>,
    gate: TaskGate,
}

impl Fragile {
    fn breaks(&self, place: &str) {
        if self.at.as_deref() == Some(place) && !std::thread::panicking() {
            planned_panic();
        }
    }
}

/// The same as a service: where it breaks before it has a request is said beforehand.
#[derive(Clone)]
struct FragileService {
    before: &'static str,
    gate: TaskGate,
}

struct FragileBody(Fragile, usize);

impl Drop for FragileBody {
    fn drop(&mut self) {
        self.0.breaks("/body-drop");
    }
}

impl Body for FragileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.breaks("/body-first");
        self.1 += 1;
        if self.1 > 1 {
            if self.0.gate.poll_pass(task).is_pending() {
                return Poll::Pending;
            }
            self.0.breaks("/body-later");
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun")))))
    }

    fn size_hint(&self) -> SizeHint {
        self.0.breaks("/body-size");
        SizeHint::default()
    }
}

struct FragileFuture(Fragile, usize);

impl Drop for FragileFuture {
    fn drop(&mut self) {
        self.0.breaks("/future-drop");
    }
}

impl Future for FragileFuture {
    type Output = Result<Response<FragileBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.breaks("/poll");
        self.1 += 1;
        if self.1 == 1 {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0.breaks("/poll-again");
        let body = Fragile { at: self.0.at.clone(), gate: self.0.gate.clone() };
        Poll::Ready(Ok(Response::new(FragileBody(body, 0))))
    }
}

impl Service<Request<RequestBody>> for FragileService {
    type Response = Response<FragileBody>;
    type Error = Infallible;
    type Future = FragileFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.before == "ready" {
            planned_panic();
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> FragileFuture {
        let at = Some(request.uri().path().to_owned());
        let fragile = Fragile { at, gate: self.gate.clone() };
        fragile.breaks("/call");
        FragileFuture(fragile, 0)
    }
}

#[test]
fn utl_04_a_service_may_panic_wherever_it_is_called() {
    quiet_panics();
    let gate = TaskGate::default();
    gate.open();
    let fragile = FragileService { before: "", gate };
    let running = Running::serving(plain().build_handler(tower_service(fragile)).expect("a server"));
    let mut client = running.client();
    let places =
        ["/call", "/poll", "/poll-again", "/future-drop", "/body-size", "/body-first", "/body-later"];
    for (number, place) in places.into_iter().enumerate() {
        assert_eq!(client.get(place).status, 500, "{place}");
        assert_eq!(running.server().stats().panics, number as u64 + 1, "{place}");
        assert_eq!(client.get("/").text(), "begun", "{place}");
    }
    // When it has been read whole its end cannot take that back.
    let status = client.get("/body-drop").status;
    assert!([200, 500].contains(&status), "{status}");
    assert_eq!(running.client().get("/").text(), "begun");
    let fragile = FragileService { before: "ready", gate: TaskGate::default() };
    let running = Running::serving(plain().build_handler(tower_service(fragile)).expect("a server"));
    assert_eq!(running.client().get("/").status, 500);
    assert_eq!(running.server().stats().panics, 1);
}

#[test]
fn utl_04_a_body_that_panics_behind_its_head_or_when_it_is_dropped_costs_its_connection_at_most() {
    quiet_panics();
    for (target, leaves) in [("/body-later", false), ("/body-drop", true), ("/body-drop", false)] {
        let gate = TaskGate::default();
        let fragile = FragileService { before: "", gate: gate.clone() };
        let running = Running::serving(plain().build_handler(tower_service(fragile)).expect("a server"));
        let mut client = running.client();
        client.send(get(target));
        assert_eq!(client.bytes(12), b"HTTP/1.1 200", "{target}");
        if leaves {
            drop(client);
        } else {
            gate.open();
            // A body that was read whole before it panics may have been sent whole.
            let rest = if target == "/body-later" { client.rest().expect("an end") } else { client.bytes(1) };
            assert!(target != "/body-later" || !rest.ends_with(b"0\r\n\r\n"), "{target}");
        }
        gate.open();
        assert_eq!(running.client().get("/").text(), "begun", "{target}");
        eventually("nothing is under way", || running.server().requests_in_flight().is_empty());
    }
}

/// Ready when the gate opens.
#[derive(Clone)]
struct Busy(TaskGate);

impl Service<Request<RequestBody>> for Busy {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_pass(task).map(Ok)
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        ready(Ok(Response::new("served".to_owned())))
    }
}

#[test]
fn utl_04_who_waits_for_a_service_is_served_when_it_is_ready_and_hangs_no_end() {
    let gate = TaskGate::default();
    let running =
        Running::serving(plain().build_handler(tower_service(Busy(gate.clone()))).expect("a server"));
    let mut clients = running.clients(8);
    clients.iter_mut().for_each(|client| client.send(get("/")));
    eventually("all wait", || running.server().requests_in_flight().len() == 8);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "served");
    }
    let never = TaskGate::default();
    let running = Running::serving(plain().build_handler(tower_service(Busy(never))).expect("a server"));
    let mut client = running.client();
    client.send(get("/"));
    eventually("it waits", || !running.server().requests_in_flight().is_empty());
    let server = running.server().clone();
    let ended = background(move || server.shutdown(Duration::from_millis(100)));
    assert!(ended.outcome("the shutdown").is_err(), "one does not end by itself");
    drop(client);
    eventually("it ends with its client", || running.server().requests_in_flight().is_empty());
}

/// Brings the same frame for ever, and says how often it was asked; it may bring something first.
struct ForEver {
    asked: Arc<AtomicUsize>,
    first: Option<&'static str>,
    of_trailers: bool,
    has_fields: bool,
    _kept: Arc<()>,
}

impl Body for ForEver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let frame = match self.first.take() {
            Some(text) => Frame::data(Bytes::from_static(text.as_bytes())),
            None if self.has_fields => {
                let name = format!("x-{}", self.asked.load(Ordering::SeqCst));
                let name = http::HeaderName::try_from(name).expect("a name");
                Frame::trailers(HeaderMap::from_iter([(name, http::HeaderValue::from_static("1"))]))
            }
            None if self.of_trailers => Frame::trailers(HeaderMap::new()),
            None => Frame::data(Bytes::new()),
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

/// Where a body comes from that brings nothing for ever.
fn for_ever(
    kept: &Arc<()>,
    asked: &Arc<AtomicUsize>,
) -> impl Fn() -> ForEver + Clone + Send + Sync + 'static {
    let (kept, asked) = (Arc::downgrade(kept), asked.clone());
    move || ForEver {
        asked: asked.clone(),
        first: Some("begun"),
        of_trailers: false,
        has_fields: false,
        _kept: kept.upgrade().expect("the test keeps it"),
    }
}

#[test]
fn utl_04_a_body_of_empty_frames_ends_with_its_client_and_with_the_server() {
    let (kept, asked) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    for (beside_a_request, of_trailers) in [(false, false), (true, false), (false, true)] {
        let make = for_ever(&kept, &asked);
        let running = serving(streaming(), move |request: Request<RequestBody>| {
            if beside_a_request {
                std::mem::forget(request.into_body());
            }
            ready(Ok(Response::new(ForEver { of_trailers, ..make() })))
        });
        let mut clients = running.clients(2);
        for client in &mut clients {
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
            assert_eq!(client.bytes(12), b"HTTP/1.1 200", "what there is is sent");
        }
        drop(clients.pop());
        eventually("the body of who has left is dropped", || Arc::strong_count(&kept) == 2);
        let server = running.server().clone();
        let ended = background(move || server.shutdown(Duration::from_millis(100)));
        assert!(ended.outcome("the shutdown").is_err(), "one does not end by itself");
        drop(clients);
        eventually("the other one is dropped", || Arc::strong_count(&kept) == 1);
    }
}

#[test]
fn utl_04_trailers_end_a_body_that_goes_on() {
    let (kept, asked) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    for beside_a_request in [false, true] {
        for (first, body) in [(None, ""), (Some("begun"), "5\r\nbegun\r\n")] {
            let make = for_ever(&kept, &asked);
            let running = serving(streaming(), move |request: Request<RequestBody>| {
                if beside_a_request {
                    std::mem::forget(request.into_body());
                }
                ready(Ok(Response::new(ForEver { first, has_fields: true, ..make() })))
            });
            let before = asked.load(Ordering::SeqCst);
            let mut client = running.client();
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let rest = String::from_utf8(client.rest().expect("an end")).expect("text");
            let count = before + usize::from(first.is_some()) + 1;
            assert!(rest.ends_with(&format!("\r\n\r\n{body}0\r\nX-{count}: 1\r\n\r\n")), "{rest}");
            eventually("the body is dropped", || Arc::strong_count(&kept) == 1);
        }
    }
    let fields = Arc::new(std::sync::Mutex::new(String::new()));
    let seen = fields.clone();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        io::copy(&mut ctx.body_reader(), &mut io::sink())?;
        let names: Vec<_> = ctx.request.trailers().iter().map(|(name, _)| name.to_owned()).collect();
        *seen.lock().expect("nobody panicked") = names.join(" ");
        Ok::<(), io::Error>(())
    });
    let before = asked.load(Ordering::SeqCst);
    let body = ForEver { has_fields: true, ..for_ever(&kept, &asked)() };
    let (head, _, _) = answered(&service, Request::post("/").body(body).expect("a request"));
    assert_eq!(head.status(), 200);
    assert_eq!(*fields.lock().expect("nobody panicked"), format!("X-{}", before + 2));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_a_request_body_of_empty_frames_keeps_no_task_to_itself() {
    let (kept, asked) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx: &mut RequestCtx| {
        ctx.set_body("early");
        ctx.response.set_connection_close();
    });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    for of_trailers in [false, true] {
        let body = ForEver { of_trailers, ..for_ever(&kept, &asked)() };
        let asks = service.clone().oneshot(Request::post("/").body(body).expect("a request"));
        let mut future = Box::pin(asks);
        let mut task = Context::from_waker(std::task::Waker::noop());
        let before = asked.load(Ordering::SeqCst);
        // It comes back, and gives way to others.
        let polled = future.as_mut().poll(&mut task);
        let count = asked.load(Ordering::SeqCst) - before;
        assert!((1..=100).contains(&count), "{count} frames in one turn");
        let response = match polled {
            // The handler was quicker.
            Poll::Ready(response) => response,
            Poll::Pending => background(move || block_on(future)).outcome("it is woken"),
        };
        let response = response.expect("it never fails");
        assert_eq!(block_on(collect(response.into_body())).expect("a whole body").0, b"early");
        assert_eq!(Arc::strong_count(&kept), 1, "the body is dropped");
    }
    server.shutdown(PATIENCE).expect("nothing is under way");
}

/// Brings a kilobyte for ever, and keeps something alive.
struct WithoutEnd {
    asked: Arc<AtomicUsize>,
    _kept: Option<Arc<()>>,
}

impl Body for WithoutEnd {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

#[test]
fn utl_04_bodies_that_never_end_are_sent_in_turns() {
    // Of a request, which a handler takes as fast as it comes.
    let server = plain().stream_request_body(true).body_read_ahead(None).build(|ctx: &mut RequestCtx| {
        let mut body = io::Read::take(ctx.body_reader(), 8 * 1024 * 1024);
        let count = io::copy(&mut body, &mut io::sink())?;
        ctx.set_body(count.to_string());
        Ok::<(), io::Error>(())
    });
    let server = server.expect("a server");
    let service = HandlerService::of_server(&server).expect("it serves");
    let asked = Arc::new(AtomicUsize::new(0));
    let endless =
        Request::post("/").body(WithoutEnd { asked: asked.clone(), _kept: None }).expect("a request");
    let mut future = Box::pin(service.clone().oneshot(endless));
    let most = Arc::new(AtomicUsize::new(0));
    let (counts, found) = (asked.clone(), most.clone());
    let response = background(move || {
        block_on(std::future::poll_fn(move |task| {
            let before = counts.load(Ordering::SeqCst);
            let polled = future.as_mut().poll(task);
            found.fetch_max(counts.load(Ordering::SeqCst) - before, Ordering::SeqCst);
            polled
        }))
    });
    let response = response.outcome("the response").expect("it never fails");
    let (body, _) = block_on(collect(response.into_body())).expect("a whole body");
    assert_eq!(body, (8 * 1024 * 1024).to_string().as_bytes());
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 64, "{most} frames in one turn");
    server.shutdown(PATIENCE).expect("nothing is under way");
    // Of a response: whoever has heard enough leaves.
    let (asked, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let (counts, in_service) = (asked.clone(), Arc::downgrade(&kept));
    let running = serving(plain(), move |_| {
        ready(Ok(Response::new(WithoutEnd { asked: counts.clone(), _kept: in_service.upgrade() })))
    });
    let mut client = running.client();
    client.send(get("/"));
    client.bytes(3 * 1024 * 1024);
    assert_eq!(Arc::strong_count(&kept), 2, "it is under way");
    drop(client);
    eventually("the body is dropped, so nobody asks for more", || Arc::strong_count(&kept) == 1);
    eventually("it is over", || running.server().requests_in_flight().is_empty());
    assert_eq!(running.server().stats().panics, 0);
    // Some of those bytes are the head and the sizes of chunks.
    assert!(asked.load(Ordering::SeqCst) >= 2 * 1024);
}

#[test]
fn utl_04_interim_responses_are_passed_over() {
    let (service, server) = service(|ctx: &mut RequestCtx| {
        for _ in 0..3 {
            ctx.response.set_header("Link", "</a.css>; rel=preload");
            ctx.early_hints().map_err(|_| HttpError::new(500, "no hints"))?;
        }
        ctx.set_body("hinted");
        Ok::<(), HttpError>(())
    });
    let (head, body, _) = answered(&service, request("/"));
    assert_eq!((head.status().as_u16(), &*body), (200, &b"hinted"[..]));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_an_offer_that_was_accepted_is_dropped_with_its_request() {
    quiet_panics();
    let kept = Arc::new(());
    let in_service = Arc::downgrade(&kept);
    let running = serving(plain(), move |request: Request<RequestBody>| {
        let held = in_service.upgrade().expect("the test keeps it");
        let offer = request.extensions().get::<UpgradeOffer>().expect("it asks").clone();
        let target = request.uri().path().to_owned();
        offer.accept(move |_| {
            let _held = held;
            planned_panic()
        });
        async move {
            match &*target {
                "/panics" => planned_panic(),
                "/pending" => pending().await,
                "/200" => Ok(Response::new(Scripted::new([data("no")]))),
                _ => {
                    let head = Response::builder().status(101).header("upgrade", "x");
                    Ok(head.header("connection", "upgrade").body(Scripted::new([])).expect("a response"))
                }
            }
        }
    });
    for target in ["/panics", "/200", "/101", "/pending"] {
        let mut client = running.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"));
        match target {
            "/pending" => eventually("it waits", || Arc::strong_count(&kept) == 2),
            _ => assert_eq!(client.bytes(9), b"HTTP/1.1 ", "{target}"),
        }
        drop(client);
        eventually(&format!("{target}: what it has is dropped"), || Arc::strong_count(&kept) == 1);
    }
}

#[test]
fn utl_04_a_runtime_that_ends_takes_no_request_along_for_ever() {
    quiet_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let enters = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = background(move || drop(runtime.block_on(stopped)));
    let waiting = Arc::new(AtomicUsize::new(0));
    let waits = waiting.clone();
    let inner = tower::service_fn(move |request: Request<RequestBody>| {
        waits.fetch_add(1, Ordering::SeqCst);
        async move {
            match request.uri().path() {
                "/timer" => tokio::time::sleep(Duration::from_secs(3600)).await,
                _ => tokio::spawn(pending::<()>()).await.map_err(|error| error.to_string())?,
            }
            Ok::<_, String>(Response::new(String::new()))
        }
    });
    let handler = tower_service(inner).entering(move |poll| {
        let _guard = enters.enter();
        poll();
    });
    let running = Running::serving(plain().build_handler(handler).expect("a server"));
    let mut clients = running.clients(2);
    clients[0].send(get("/timer"));
    clients[1].send(get("/task"));
    eventually("both wait", || waiting.load(Ordering::SeqCst) == 2);
    drop(stop);
    driver.outcome("the runtime ends");
    assert_eq!(clients.iter_mut().map(|client| client.response().status).collect::<Vec<_>>(), [500, 500]);
}

#[test]
fn utl_04_what_a_runtime_takes_along_has_left() {
    let (told, seen) = std::sync::mpsc::channel();
    let (service, server) = service(move |ctx: &mut RequestCtx| {
        told.send("begun").expect("the test listens");
        while !ctx.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        told.send("cancelled").expect("the test listens");
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let task = runtime.spawn(service.oneshot(request("/")));
    runtime.block_on(tokio::task::yield_now());
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("begun"));
    drop(runtime);
    drop(task);
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("cancelled"));
    server.shutdown(PATIENCE).expect("nothing is under way");
}

#[test]
fn utl_04_trailers_that_are_all_there_is_are_sent() {
    let running = serving(plain(), |_| {
        ready(Ok(Response::new(Scripted::new([Step::Trailer("x-sum", "7"), Step::Trailer("x-more", "8")]))))
    });
    let mut client = running.client();
    client.send(get("/"));
    let expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(expected.len())).expect("text"), expected);
}
