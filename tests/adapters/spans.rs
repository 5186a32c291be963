//! Spans of requests, as OpenTelemetry gets them from `tracing-opentelemetry`.

use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

use anthill_http::adapters::TraceOptions;
use anthill_http::middleware::{self, RequestIds};
use anthill_http::{HttpError, RequestCtx, Router, ServerBuilder};
use anthill_tests::client::get;
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, eventually, planned_panic, quiet_panics};
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

static EXPORTED: Mutex<Vec<SpanData>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Keeping;

impl SpanExporter for Keeping {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        EXPORTED.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
        Ok(())
    }
}

/// Panics when it is told of a field with a certain value.
struct Panicking;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Panicking {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        struct Looks(bool);
        impl tracing::field::Visit for Looks {
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

            fn record_str(&mut self, _: &tracing::field::Field, value: &str) {
                self.0 |= value == "/subscriber-panics";
            }
        }
        let mut looks = Looks(false);
        attributes.record(&mut looks);
        if looks.0 {
            planned_panic();
        }
    }
}

/// Those who make the span of `/spans/late` wait here.
fn late() -> &'static Gate {
    static LATE: OnceLock<Gate> = OnceLock::new();
    LATE.get_or_init(Gate::new)
}

/// A server whose spans are exported. What the requests of a test have in their paths tells them from others.
fn traced(options: ServerBuilder, options_of_spans: TraceOptions, router: Router) -> Running {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = SdkTracerProvider::builder().with_simple_exporter(Keeping).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests"));
        let subscriber = tracing_subscriber::registry().with(layer).with(Panicking);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else has one");
        std::mem::forget(provider);
    });
    let options_of_spans = options_of_spans.on_span(|span, request| {
        if request.path() == "/spans/late" {
            late().pass();
        }
        if let Some(parent) = request.trace_parent() {
            let parent = SpanContext::new(
                TraceId::from_bytes(parent.trace_id().to_be_bytes()),
                SpanId::from_bytes(parent.parent_id().to_be_bytes()),
                TraceFlags::new(parent.flags()),
                true,
                TraceState::default(),
            );
            span.set_parent(Context::new().with_remote_span_context(parent)).expect("it was not entered yet");
        }
    });
    let server = options.trace_requests(options_of_spans).build_router(router).expect("a server");
    Running::serving(server)
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
    Some(found.value.to_string())
}

/// The spans of requests with that path, once there are so many.
fn spans(path: &str, count: usize) -> Vec<SpanData> {
    let found = || -> Vec<SpanData> {
        let exported = EXPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        exported.iter().filter(|span| attribute(span, "url.path").as_deref() == Some(path)).cloned().collect()
    };
    eventually("the spans are exported", || found().len() >= count);
    assert_eq!(found().len(), count, "{path}");
    found()
}

fn span(path: &str) -> SpanData {
    spans(path, 1).remove(0)
}

#[track_caller]
fn has(span: &SpanData, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attribute(span, name).as_deref(), Some(*value), "{name} in {span:#?}");
    }
}

#[test]
fn a_request_is_a_span_with_what_the_conventions_ask_for() {
    let router = Router::new().get("/spans/{id}", |ctx: &mut RequestCtx| {
        tracing::info!(answer = 42, "within");
        ctx.set_body("twelve bytes");
    });
    let running = traced(plain(), TraceOptions::new(), router);
    let mut client = running.client();
    let fields = "User-Agent: tests/1\r\nX-Request-Id: r7\r\n\
                  traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    client.send(format!("GET /spans/conventions?secret=1 HTTP/1.1\r\nHost: example.org:81\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200);
    let span = span("/spans/conventions");
    assert_eq!(
        (&*span.name, span.span_kind.clone(), span.status.clone()),
        ("GET /spans/{id}", SpanKind::Server, Status::Unset)
    );
    has(
        &span,
        &[
            ("http.request.method", "GET"),
            ("http.route", "/spans/{id}"),
            ("url.scheme", "http"),
            ("server.address", "example.org"),
            ("server.port", "81"),
            ("client.address", "127.0.0.1"),
            ("network.protocol.version", "1.1"),
            ("user_agent.original", "tests/1"),
            ("http.request.header.x-request-id", "r7"),
            ("http.response.status_code", "200"),
            ("http.response.body.size", "12"),
        ],
    );
    for name in ["url.query", "error.type", "http.request.method_original"] {
        assert_eq!(attribute(&span, name), None, "{name}");
    }
    assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    let events: Vec<_> = span.events.iter().map(|event| event.name.to_string()).collect();
    assert_eq!(events, ["within"]);
}

#[test]
fn a_request_that_was_given_an_id_has_it_in_its_span() {
    let served = |ctx: &mut RequestCtx| ctx.set_body("served");
    let router = Router::new().get("/spans/{id}", middleware::request_id(served, RequestIds::new()));
    let running = traced(plain(), TraceOptions::new(), router);
    let reply = running.client().get("/spans/given");
    let id = reply.field("x-request-id").expect("the client is told");
    has(&span("/spans/given"), &[("http.request.header.x-request-id", id)]);
}

#[test]
fn a_span_lasts_until_the_response_is_over() {
    let gate = Gate::new();
    let waits = gate.clone();
    let router = Router::new().get("/spans/{id}", move |ctx: &mut RequestCtx| {
        let gate = waits.clone();
        ctx.response.set_body_writer(move |out| {
            std::io::Write::write_all(out, b"begun")?;
            std::io::Write::flush(out)?;
            gate.pass();
            std::io::Write::write_all(out, b"ended")
        });
    });
    let running = traced(plain(), TraceOptions::new().query(true), router);
    let mut client = running.client();
    client.send(get("/spans/lasting?a=1"));
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    let is_open = || {
        !EXPORTED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|span| attribute(span, "url.path").as_deref() == Some("/spans/lasting"))
    };
    assert!(is_open());
    gate.open();
    let span = span("/spans/lasting");
    has(&span, &[("url.query", "a=1"), ("http.response.status_code", "200")]);
}

#[test]
fn spans_say_what_went_wrong() {
    quiet_panics();
    let gate = Gate::new();
    let waits = gate.clone();
    let router = Router::new()
        .get("/wrong/{id}/panics", |_: &mut RequestCtx| -> () { planned_panic() })
        .get("/wrong/{id}/fails", |_: &mut RequestCtx| Err::<(), _>(HttpError::new(503, "no")))
        .get("/wrong/{id}/refuses", |_: &mut RequestCtx| Err::<(), _>(HttpError::new(404, "no")))
        .get("/wrong/{id}/breaks", |ctx: &mut RequestCtx| {
            ctx.response.set_body_writer(|out| {
                std::io::Write::write_all(out, b"begun")?;
                std::io::Write::flush(out)?;
                Err(std::io::Error::other("planned: it fails"))
            });
        })
        .get("/wrong/{id}/late", move |_: &mut RequestCtx| waits.pass());
    let options = plain().handler_timeout(Duration::from_millis(300));
    let running = traced(options, TraceOptions::new(), router);
    let mut client = running.client();
    for target in ["panics", "fails", "refuses", "late"] {
        client.get(&format!("/wrong/1/{target}"));
    }
    gate.open();
    client.send(get("/wrong/1/breaks"));
    assert!(client.try_response().is_err());
    let error = Status::error("");
    for (target, status, kind, verdict) in [
        ("panics", "500", Some("panicked"), &error),
        ("fails", "503", Some("503"), &error),
        ("refuses", "404", None, &Status::Unset),
        ("breaks", "200", Some("broken"), &error),
        ("late", "503", Some("503"), &error),
    ] {
        let span = span(&format!("/wrong/1/{target}"));
        has(&span, &[("http.response.status_code", status)]);
        assert_eq!((attribute(&span, "error.type").as_deref(), &span.status), (kind, verdict), "{target}");
    }
}

#[test]
fn a_client_that_leaves_is_told_and_no_error_of_the_server() {
    let router = Router::new().get("/left/{id}", |ctx: &mut RequestCtx| {
        ctx.response.set_body_writer(|out| {
            loop {
                std::io::Write::write_all(out, &[b'x'; 65536])?;
            }
        });
    });
    let running = traced(plain(), TraceOptions::new(), router);
    let mut client = running.client();
    client.send(get("/left/1"));
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    drop(client);
    let span = span("/left/1");
    has(&span, &[("http.response.status_code", "200"), ("error.type", "client gone")]);
    assert_eq!(span.status, Status::Unset);
}

/// It is made when its request has been answered without it.
#[test]
fn a_span_that_comes_too_late_ends_all_the_same() {
    let router = Router::new().get("/spans/{id}", |ctx: &mut RequestCtx| ctx.set_body("served"));
    let options = plain().handler_timeout(Duration::from_millis(50));
    let running = traced(options, TraceOptions::new(), router);
    let mut client = running.client();
    assert_eq!(client.get("/spans/late").status, 503);
    // The one behind it was told of when that was over.
    assert_eq!(client.get("/spans/behind-late").text(), "served");
    span("/spans/behind-late");
    late().open();
    span("/spans/late");
}

#[test]
fn what_clients_make_up_becomes_no_name_and_what_is_refused_has_a_span() {
    let router = Router::new().any("/made-up", |ctx: &mut RequestCtx| ctx.set_body("served"));
    let running = traced(plain(), TraceOptions::new(), router);
    let mut client = running.client();
    let odd = "BREW /made-up HTTP/1.0\r\nConnection: keep-alive\r\ntraceparent: 00-zz\r\n\r\n";
    assert_eq!(client.exchange(odd).status, 200);
    let odd = span("/made-up");
    assert_eq!(&*odd.name, "HTTP /made-up");
    has(
        &odd,
        &[
            ("http.request.method", "_OTHER"),
            ("http.request.method_original", "BREW"),
            ("network.protocol.version", "1.0"),
        ],
    );
    assert_eq!((odd.parent_span_id, attribute(&odd, "server.address")), (SpanId::INVALID, None));
    let mut client = running.client();
    client.send("GET /never-handled HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status, 400);
    has(&span("/never-handled"), &[("http.response.status_code", "400")]);
}

#[test]
fn a_subscriber_that_panics_costs_its_span() {
    quiet_panics();
    let router = Router::new().get("/subscriber-panics", |ctx: &mut RequestCtx| ctx.set_body("served"));
    let running = traced(plain(), TraceOptions::new(), router);
    let mut client = running.client();
    for _ in 0..2 {
        assert_eq!(client.get("/subscriber-panics").text(), "served");
    }
    assert_eq!(running.server().stats().panics, 0);
}

#[test]
fn without_a_server_a_span_is_closed_behind_the_handler() {
    let router = Router::new().get("/spans/{id}", |ctx: &mut RequestCtx| ctx.set_body("served"));
    let running = traced(plain(), TraceOptions::new(), router);
    let request = anthill_http::Request::new("GET", "/spans/called").expect("a request");
    assert_eq!(running.server().call(&request).expect("an answer").body(), b"served");
    has(&span("/spans/called"), &[("http.response.status_code", "200")]);
}
