//! The figures of a server, and how Prometheus is given them.

use crate::observe::latency::LatencyHistogram;
use crate::observe::response_counts::ResponseCounts;
use crate::serve::counters::Rejections;
#[cfg(feature = "ws")]
use crate::sockets::WebSocketStats;
use anthill_pool::PoolStats;
use anthill_pool::prometheus::Exposition;
use std::time::Duration;

/// What a server did and holds.
// Wide because it is one snapshot: whoever reads one figure beside another wants both to be of one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections open now.
    pub open_connections: usize,
    /// What they are doing.
    pub connections: ConnectionCounts,
    /// Connections open now that functions have [taken over](crate::RequestCtx::hijack); the others do not include
    /// them.
    pub hijacked_connections: usize,
    /// Connections taken in so far.
    pub accepted_connections: u64,
    /// Requests answered so far: the total of [`responses`](Self::responses).
    pub requests: u64,
    /// Requests answered so far, by method and class of status; each is counted before its response is sent.
    pub responses: ResponseCounts,
    /// How long they took, from when they were found until their response was ready, their wait for a thread included.
    /// What is streamed behind that is not.
    pub latency: LatencyHistogram,
    /// Bytes that clients have sent, as far as they were read.
    pub bytes_received: u64,
    /// Bytes that were prepared for clients: what they did not take before they went is among them.
    pub bytes_sent: u64,
    /// What was refused so far.
    pub rejections: Rejections,
    /// Connections that were encrypted by TLS so far.
    pub handshakes: HandshakeCounts,
    /// Clients that were given up so far.
    pub given_up: GivenUp,
    /// Handlers, and makers of responses' bodies, that panicked so far, those included that were not waited for any
    /// more.
    pub panics: u64,
    /// Handlers that ran for longer than [`blocked_handler_limit`](crate::ServerBuilder::blocked_handler_limit) so far.
    pub blocked_handlers: u64,
    /// Handlers that were not waited for to their end so far, because they took longer than a
    /// [`TimeLimit`](crate::TimeLimit).
    pub timed_out_handlers: u64,
    /// Requests that were refused so far because as many handlers with a limit ran as may.
    pub timed_handlers_refused: u64,
    /// How often a handler blocked so long that another thread took over its event loop.
    pub revoked_leases: u64,
    /// Requests whose handler ran on a worker from the start, because requests to the same path (its first two
    /// segments) had blocked before.
    pub dispatched_requests: u64,
    /// Requests that wait for a worker now.
    pub waiting_requests: usize,
    /// Idle connections that were closed so far because a new one came and
    /// [`concurrency`](crate::ServerBuilder::concurrency) connections were open, or there was no descriptor left.
    pub idle_connections_shed: u64,
    /// The worker pool; `None` while the server does not serve. A busy worker for each shard is the one that drives it,
    /// so these figures are beyond those of [`max_workers`](crate::ServerBuilder::max_workers); those in reserve are
    /// idle.
    pub workers: Option<PoolStats>,
    /// WebSockets.
    #[cfg(feature = "ws")]
    pub websockets: WebSocketStats,
}

/// Open connections by what they are doing; the same as [`ConnState`](crate::ConnState) says of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// Those that have sent nothing yet.
    pub new: usize,
    /// Those with a request under way; and all of [`serve_conn`](crate::Server::serve_conn).
    pub active: usize,
    /// Those between two requests.
    pub idle: usize,
}

/// Connections that were encrypted by TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeCounts {
    /// Those to which our certificate was shown.
    pub full: u64,
    /// Those whose clients came back with what they were given before.
    pub resumed: u64,
}

/// Clients that were given up because they were too slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenUp {
    /// For too little of a response taken: [`write_timeout`](crate::ServerBuilder::write_timeout),
    /// [`min_response_rate`](crate::ServerBuilder::min_response_rate).
    pub slow_readers: u64,
    /// For too little of a body sent: [`read_timeout`](crate::ServerBuilder::read_timeout),
    /// [`min_body_rate`](crate::ServerBuilder::min_body_rate). Part of [`Rejections::timed_out`].
    pub slow_senders: u64,
}

/// Bounds of the histogram of latencies on a page, in microseconds.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

impl ServerStats {
    /// The figures as a page for Prometheus, in its text format; with these labels, to tell servers apart. The figures
    /// of the worker pool are on it. To put others on the same page there is
    /// [`Exposition`](crate::prometheus::Exposition), to which [`add_to`](Self::add_to) adds these.
    ///
    /// ```
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("served"))?;
    /// let page = server.stats().to_prometheus(&[("server", "shop")]);
    /// assert!(page.contains("# TYPE anthill_http_panics_total counter\n"));
    /// assert!(page.contains("anthill_http_panics_total{server=\"shop\"} 0\n"));
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn to_prometheus(&self, labels: &[(&str, &str)]) -> String {
        let mut page = Exposition::new();
        self.add_to(&mut page, labels);
        page.to_string()
    }

    /// Adds the figures to a page.
    pub fn add_to(&self, page: &mut Exposition, labels: &[(&str, &str)]) {
        let with = |more: &[(&'static str, &'static str)]| [labels, more].concat();
        let states = [
            ("new", self.connections.new),
            ("active", self.connections.active),
            ("idle", self.connections.idle),
        ];
        for (state, count) in states {
            page.add_gauge(
                "anthill_http_connections",
                "Open connections.",
                &with(&[("state", state)]),
                count,
            );
        }
        for (method, class, count) in self.responses.iter().filter(|(.., count)| *count > 0) {
            let status = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(class) % 6];
            let labels = with(&[("method", method), ("status", status)]);
            page.add_counter("anthill_http_requests_total", "Requests answered.", &labels, count);
        }
        self.add_latency(page, labels);
        for (cause, count) in self.rejections.by_cause() {
            let help = "Connections and requests refused.";
            page.add_counter("anthill_http_rejections_total", help, &with(&[("cause", cause)]), count);
        }
        let given_up =
            [("slow_reader", self.given_up.slow_readers), ("slow_sender", self.given_up.slow_senders)];
        for (cause, count) in given_up {
            let help = "Clients given up for being too slow.";
            page.add_counter("anthill_http_given_up_total", help, &with(&[("cause", cause)]), count);
        }
        for (kind, count) in [("full", self.handshakes.full), ("resumed", self.handshakes.resumed)] {
            let help = "Connections encrypted by TLS.";
            page.add_counter("anthill_http_tls_handshakes_total", help, &with(&[("kind", kind)]), count);
        }
        for (name, help, count) in self.plain_counters() {
            page.add_counter(name, help, labels, count);
        }
        let help = "Requests that wait for a worker.";
        page.add_gauge("anthill_http_waiting_requests", help, labels, self.waiting_requests);
        #[cfg(feature = "ws")]
        self.add_websockets(page, labels);
        if let Some(workers) = &self.workers {
            page.add(workers, &with(&[("pool", "http")]));
        }
    }

    #[cfg(feature = "ws")]
    fn add_websockets(&self, page: &mut Exposition, labels: &[(&str, &str)]) {
        let sockets = &self.websockets;
        page.add_gauge("anthill_http_websockets", "Open WebSockets.", labels, sockets.open);
        let help = "WebSockets opened.";
        page.add_counter("anthill_http_websockets_opened_total", help, labels, sockets.opened);
        let directions = [
            ("received", sockets.messages_received),
            ("sent", sockets.messages_sent),
            ("dropped", sockets.messages_dropped),
        ];
        for (direction, count) in directions {
            let labels = [labels, &[("direction", direction)]].concat();
            page.add_counter(
                "anthill_http_websocket_messages_total",
                "Messages on WebSockets.",
                &labels,
                count,
            );
        }
        for (code, count) in &sockets.closes {
            let code = code.to_string();
            let labels = [labels, &[("code", &*code)]].concat();
            page.add_counter("anthill_http_websocket_closes_total", "WebSockets ended.", &labels, *count);
        }
    }

    fn add_latency(&self, page: &mut Exposition, labels: &[(&str, &str)]) {
        let buckets = self.latency.within(&BOUNDS.map(Duration::from_micros));
        let help = "From when a request was found until its response was ready.";
        page.add_histogram("anthill_http_request_seconds", help, labels, buckets, self.latency.sum());
    }

    fn plain_counters(&self) -> [(&'static str, &'static str, u64); 10] {
        [
            ("anthill_http_accepted_connections_total", "Connections taken in.", self.accepted_connections),
            ("anthill_http_received_bytes_total", "Bytes read from clients.", self.bytes_received),
            ("anthill_http_sent_bytes_total", "Bytes prepared for clients.", self.bytes_sent),
            ("anthill_http_panics_total", "Handlers, and makers of bodies, that panicked.", self.panics),
            ("anthill_http_blocked_handlers_total", "Handlers that ran for too long.", self.blocked_handlers),
            (
                "anthill_http_timed_out_handlers_total",
                "Handlers not waited for to their end.",
                self.timed_out_handlers,
            ),
            (
                "anthill_http_timed_handlers_refused_total",
                "Requests without a slot for their handler.",
                self.timed_handlers_refused,
            ),
            ("anthill_http_revoked_leases_total", "Event loops taken over.", self.revoked_leases),
            (
                "anthill_http_dispatched_requests_total",
                "Requests given to a worker.",
                self.dispatched_requests,
            ),
            (
                "anthill_http_idle_connections_shed_total",
                "Idle connections closed.",
                self.idle_connections_shed,
            ),
        ]
    }
}
