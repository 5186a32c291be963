//! Requests as spans of `tracing` (feature `tracing`).
//!
//! The idea: a span begins when the handler is about to run, is entered while it runs, and closes when the request is
//! over, with what is known only then. Fields are called as OpenTelemetry's conventions have it, so that with the crate
//! `tracing-opentelemetry` they are its spans.
//!
//! The rules: a subscriber is foreign code: what it panics with costs its span. There is one span kept for each request
//! under way, and none without a server, which alone tells of ends.

use crate::config::hooks::BoxedHandler;
use crate::config::options::ServerBuilder;
use crate::config::settings::{AroundHandler, Hooks};
use crate::ctx::{Handler, RequestCtx};
use crate::message::request::Request;
use crate::observe::completed::{CompletedRequest, RequestOutcome};
use crate::util::panic;
use crate::values::version::Version;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tracing::Span;
use tracing::field::Empty;
use tracing::span::EnteredSpan;

/// Methods that OpenTelemetry tells apart; all others are `_OTHER` to it.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// The field that a request is called by.
const REQUEST_ID: &str = "X-Request-Id";

type OnSpan = dyn Fn(&Span, &Request) + Send + Sync;

/// What spans of requests have besides; for [`trace_requests`](ServerBuilder::trace_requests).
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::adapters::TraceOptions;
///
/// let options = TraceOptions::new().query(true).on_span(|span, request| {
///     if let Some(parent) = request.trace_parent() {
///         tracing::debug!(parent: span, trace_id = format_args!("{:032x}", parent.trace_id()), "part of a trace");
///     }
/// });
/// let server = Server::builder().trace_requests(options).build(|ctx| ctx.set_body("traced"))?;
/// # let _ = server;
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct TraceOptions {
    has_query: bool,
    on_span: Option<Arc<OnSpan>>,
}

impl TraceOptions {
    /// Nothing besides.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether spans have the query, as `url.query`. Default: no, as queries may have secrets in them.
    #[must_use]
    pub fn query(mut self, has_query: bool) -> Self {
        self.has_query = has_query;
        self
    }

    /// Has `on_span` called for each new span before it is entered: here its parent is set, from the fields that trace
    /// contexts are sent in ([`trace_parent`](Request::trace_parent), or a propagator's). It must not block.
    #[must_use]
    pub fn on_span(mut self, on_span: impl Fn(&Span, &Request) + Send + Sync + 'static) -> Self {
        self.on_span = Some(Arc::new(on_span));
        self
    }
}

impl fmt::Debug for TraceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (has_query, has_hook) = (self.has_query, self.on_span.is_some());
        f.debug_struct("TraceOptions").field("query", &has_query).field("on_span", &has_hook).finish()
    }
}

/// Spans.
impl ServerBuilder {
    /// Makes each request a span of `tracing` (feature `tracing`): `request`, at level `INFO`, with the target
    /// `anthill_http::request`. It is entered while the handler runs, around all wrappers, and closes when the last
    /// byte of the response was sent, or will never be.
    ///
    /// What it has, as OpenTelemetry calls it: `http.request.method` (and `http.request.method_original` if that is
    /// `_OTHER`), `http.route`, `url.path`, `url.scheme`, `server.address`, `server.port`, `client.address`,
    /// `network.protocol.version`, `user_agent.original`, `http.request.header.x-request-id` (or what
    /// [`request_id`](crate::middleware::request_id()) has given it); and when it is over
    /// `http.response.status_code`, `http.request.size`, `http.response.size`, `http.response.body.size`, and
    /// `error.type` with 5xx (the status) and when the response broke off (`client gone`, `broken`, `panicked`).
    /// `otel.name` (method and route, where a [router](Self::build_router) says that), `otel.kind` and
    /// `otel.status_code` are for `tracing-opentelemetry`. Requests that are refused before they reach a handler have
    /// spans of no length.
    ///
    /// Bodies that functions write are made behind the handler, so outside of the span: let them enter a clone of
    /// `tracing::Span::current()`.
    ///
    /// ```
    /// use anthill_http::adapters::TraceOptions;
    /// use anthill_http::{Request, Server};
    ///
    /// let server = Server::builder().trace_requests(TraceOptions::new()).build(|ctx| {
    ///     tracing::info!("within the request's span");
    ///     ctx.set_body("traced");
    /// })?;
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.body(), b"traced");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace_requests(self, options: TraceOptions) -> Self {
        let spans = Arc::new(RequestSpans { options, open: Mutex::default() });
        let told = spans.clone();
        let around = move |handler, hooks: &Hooks| -> BoxedHandler {
            Box::new(TracedHandler { handler, hooks: hooks.clone(), spans: spans.clone() })
        };
        self.surrounded_by(AroundHandler(Arc::new(around)), Arc::new(move |completed| told.close(completed)))
    }
}

/// The spans of a server's requests under way, by their connections and numbers.
struct RequestSpans {
    options: TraceOptions,
    open: Mutex<HashMap<(u64, u64), Span>>,
}

/// What a span is told of its request at the beginning.
struct SpanFacts<'a> {
    request: &'a Request,
    route: Option<&'static str>,
    host: &'a [u8],
    scheme: &'a str,
    client: Option<String>,
}

fn known_method(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

/// What OpenTelemetry calls the span.
fn name(method: &str, route: Option<&str>) -> String {
    // What clients may write as they like must not become a name.
    let method = known_method(method).unwrap_or("HTTP");
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

/// Host and port.
fn address(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

impl SpanFacts<'_> {
    fn span(&self, options: &TraceOptions) -> Span {
        let request = self.request;
        let method = known_method(request.method());
        let (host, port) = address(std::str::from_utf8(self.host).unwrap_or_default());
        let span = tracing::info_span!(
            target: "anthill_http::request",
            "request",
            otel.name = name(request.method(), self.route),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method.unwrap_or("_OTHER"),
            http.request.method_original = method.is_none().then(|| request.method()),
            http.route = self.route,
            url.path = request.path(),
            url.query = options.has_query.then(|| request.query_str()).filter(|query| !query.is_empty()),
            url.scheme = self.scheme,
            server.address = Some(host).filter(|host| !host.is_empty()),
            server.port = port,
            client.address = self.client.as_deref(),
            network.protocol.version = match request.version() {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
            },
            user_agent.original = request.user_agent_str(),
            "http.request.header.x-request-id" = request.header_str(REQUEST_ID),
            http.response.status_code = Empty,
            http.request.size = Empty,
            http.response.size = Empty,
            http.response.body.size = Empty,
            error.type = Empty,
        );
        if let Some(on_span) = options.on_span.as_ref().filter(|_| !span.is_disabled()) {
            on_span(&span, request);
        }
        span
    }
}

impl RequestSpans {
    fn begin(&self, ctx: &RequestCtx) -> Span {
        let asked = SpanFacts {
            request: &ctx.request,
            route: ctx.route(),
            host: ctx.host(),
            scheme: ctx.scheme(),
            client: ctx.known_remote_addr().map(|address| address.ip().to_canonical().to_string()),
        };
        asked.span(&self.options)
    }

    /// Says in `span` what came of its request.
    fn close(&self, completed: &CompletedRequest) {
        let number = (completed.conn().id(), completed.conn().request_number());
        let open = self.open.lock().remove(&number);
        let is_new = open.is_none();
        let span = match (open, completed.outcome()) {
            (Some(span), _) => span,
            (None, RequestOutcome::Refused(_) | RequestOutcome::TurnedAway) => {
                let request = completed.request();
                let client = completed.remote_addr().map(|address| address.ip().to_canonical().to_string());
                let (route, host) = (completed.route(), request.host());
                SpanFacts { request, route, host, scheme: "http", client }.span(&self.options)
            }
            (None, _) => return,
        };
        let status = completed.status();
        span.record("http.response.status_code", status);
        span.record("http.request.size", completed.bytes_received());
        span.record("http.response.size", completed.bytes_sent());
        span.record("http.response.body.size", completed.body_bytes_sent());
        if let Some(id) = completed.request_id().filter(|_| completed.request().header(REQUEST_ID).is_none())
        {
            span.record("http.request.header.x-request-id", id);
        }
        if !is_new {
            note_route(&span, completed.method(), completed.route());
        }
        let outcome = completed.outcome();
        let is_cut = matches!(
            outcome,
            RequestOutcome::ClientGone
                | RequestOutcome::Broken
                | RequestOutcome::Panicked
                | RequestOutcome::ContextKept
        );
        if is_cut {
            span.record("error.type", tracing::field::display(outcome));
        } else if status >= 500 {
            span.record("error.type", tracing::field::display(status));
        }
        // A client that leaves is no fault of the server's.
        if status >= 500 || is_cut && outcome != RequestOutcome::ClientGone {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Which route it was may be known only when the handler has run.
fn note_route(span: &Span, method: &str, route: Option<&str>) {
    if let Some(route) = route {
        span.record("http.route", route);
        span.record("otel.name", name(method, Some(route)));
    }
}

/// A handler within spans.
struct TracedHandler {
    handler: BoxedHandler,
    /// What a router says before it is asked.
    hooks: Hooks,
    spans: Arc<RequestSpans>,
}

/// Inside of a span, until this is dropped.
struct InRequestSpan(Option<EnteredSpan>);

impl Drop for InRequestSpan {
    fn drop(&mut self) {
        contain(|| drop(self.0.take()));
    }
}

/// Calls a subscriber, whose panics stay here.
fn contain<R>(call: impl FnOnce() -> R) -> Option<R> {
    let called = panic::call(call);
    called.inspect_err(|panicked| log::error!("a subscriber of `tracing` {panicked}")).ok()
}

impl Handler for TracedHandler {
    fn handle(&self, ctx: &mut RequestCtx) {
        // Whatever a span is called, it is called from its beginning.
        self.hooks.note_route(ctx);
        let span = contain(|| self.spans.begin(ctx)).unwrap_or_else(Span::none);
        if span.is_disabled() {
            return self.handler.handle(ctx);
        }
        let number = (ctx.conn_id(), ctx.conn_request_num());
        let is_told = number.0 != 0;
        let kept = if is_told { contain(|| span.clone()) } else { None };
        if let Some(kept) = kept {
            let before = self.spans.open.lock().insert(number, kept);
            drop(before);
            if ctx.time_left() == Some(Duration::ZERO) {
                // Its end may have been told already. Of others it is told behind this, when it is too late for them.
                let late = self.spans.open.lock().remove(&number);
                drop(late);
            }
        }
        let within = InRequestSpan(contain(|| span.clone().entered()));
        self.handler.handle(ctx);
        drop(within);
        if !is_told {
            contain(|| {
                span.record("http.response.status_code", ctx.response.status_code());
                note_route(&span, ctx.request.method(), ctx.route());
            });
        }
        contain(|| drop(span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        assert_eq!(address("h:80"), ("h", Some(80)));
        assert_eq!(address("h"), ("h", None));
        assert_eq!(address("[::1]:80"), ("::1", Some(80)));
        assert_eq!(address("[::1]"), ("::1", None));
        assert_eq!(address(""), ("", None));
    }

    #[test]
    fn names_are_of_routes_and_known_methods() {
        assert_eq!(name("GET", Some("/users/{id}")), "GET /users/{id}");
        assert_eq!(name("GET", None), "GET");
        assert_eq!(name("BREW", Some("/pot")), "HTTP /pot");
    }
}
