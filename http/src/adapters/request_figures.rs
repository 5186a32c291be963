//! Figures of requests for the recorder of the facade `metrics` (feature `metrics`).
//!
//! The rules: labels are bounded, whatever clients send: routes are what a router or a handler calls them, never paths,
//! and methods are known ones. A recorder is foreign code: what it panics with costs its figure.

use crate::config::hooks::BoxedHandler;
use crate::config::options::ServerBuilder;
use crate::config::settings::{AroundHandler, Hooks};
use crate::ctx::{Handler, RequestCtx};
use crate::observe::completed::CompletedRequest;
use crate::util::panic;
use metrics::{Label, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const REQUESTS: &str = "anthill_http_requests_total";
const ACTIVE: &str = "anthill_http_requests_active";
const DURATION: &str = "anthill_http_request_duration_seconds";
const RECEIVED: &str = "anthill_http_request_size_bytes";
const SENT: &str = "anthill_http_response_size_bytes";

/// Methods that are told apart, as in a server's statistics.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];

/// Figures for the facade `metrics`.
impl ServerBuilder {
    /// Gives figures of each request to the recorder of the facade `metrics` (feature `metrics`), which has to be
    /// installed before requests are served; without one nothing happens.
    ///
    /// | figure | kind | labels |
    /// |---|---|---|
    /// | `anthill_http_requests_total` | counter | `method`, `route`, `status` |
    /// | `anthill_http_request_duration_seconds` | histogram | the same |
    /// | `anthill_http_request_size_bytes` | histogram, heads included | the same |
    /// | `anthill_http_response_size_bytes` | histogram, heads included | the same |
    /// | `anthill_http_requests_active` | gauge: what handlers work on, or is streamed | none |
    ///
    /// `method` is one of those of RFC 9110, `PATCH`, or `other`; `route` what a router or a
    /// [handler](crate::RequestCtx::set_route) calls it, empty where nobody does; `status` its class (`2xx`). A request
    /// counts when it is [over](Self::on_complete), those included that are refused before they reach a handler. What
    /// the server as a whole does is in its [statistics](crate::Server::stats); its workers' are
    /// published by `anthill_pool::recorder::publish`.
    ///
    /// ```
    /// use anthill_http::{Request, Server};
    /// let server = Server::builder().record_metrics().build(|ctx| ctx.set_body("counted"))?;
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.body(), b"counted");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_metrics(self) -> Self {
        let is_described = AtomicBool::new(false);
        let told = move |completed: &CompletedRequest| {
            contain(|| {
                if !is_described.swap(true, Ordering::Relaxed) {
                    describe();
                }
                record(completed);
            });
        };
        let around = |handler, _: &Hooks| -> BoxedHandler { Box::new(CountedHandler { handler }) };
        self.surrounded_by(AroundHandler(Arc::new(around)), Arc::new(told))
    }
}

fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests that are over.");
    metrics::describe_gauge!(ACTIVE, "Requests that are being handled.");
    metrics::describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From the head of a request to the end of its response."
    );
    metrics::describe_histogram!(RECEIVED, Unit::Bytes, "Bytes of requests.");
    metrics::describe_histogram!(SENT, Unit::Bytes, "Bytes of responses.");
}

fn method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        class @ 1..=5 => ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(class) - 1],
        _ => "other",
    }
}

fn record(completed: &CompletedRequest) {
    let labels = [
        Label::from_static_parts("method", method(completed.method())),
        Label::from_static_parts("route", completed.route().unwrap_or_default()),
        Label::from_static_parts("status", class(completed.status())),
    ];
    metrics::counter!(REQUESTS, labels.iter()).increment(1);
    metrics::histogram!(DURATION, labels.iter()).record(completed.total());
    metrics::histogram!(RECEIVED, labels.iter()).record(completed.bytes_received() as f64);
    metrics::histogram!(SENT, labels.iter()).record(completed.bytes_sent() as f64);
}

/// Calls a recorder, whose panics stay here.
fn contain(call: impl FnOnce()) {
    if let Err(panicked) = panic::call(call) {
        log::error!("a recorder of `metrics` {panicked}");
    }
}

/// A handler whose requests count.
struct CountedHandler {
    handler: BoxedHandler,
}

/// A request that is being handled, or its response sent.
struct ActiveRequest;

impl ActiveRequest {
    fn begin() -> Self {
        contain(|| metrics::gauge!(ACTIVE).increment(1));
        Self
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        contain(|| metrics::gauge!(ACTIVE).decrement(1));
    }
}

impl Handler for CountedHandler {
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.hold(ActiveRequest::begin());
        self.handler.handle(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_whatever_clients_send() {
        assert_eq!(
            [method("GET"), method("get"), method("BREW"), method("")],
            ["GET", "other", "other", "other"]
        );
        assert_eq!(
            [class(99), class(204), class(499), class(600), class(0)],
            ["other", "2xx", "4xx", "other", "other"]
        );
    }
}
