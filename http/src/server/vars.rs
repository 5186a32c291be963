//! A server's figures, and its process's, as an object of JSON.

use super::stats::ServerStats;
use crate::util::pattern::NamePattern;
use std::fmt::{Display, Write};

/// An object under way. Names and values are ours, so nothing needs an escape.
struct JsonObject {
    text: String,
    between: &'static str,
}

impl JsonObject {
    fn new(between: &'static str) -> Self {
        JsonObject { text: String::new(), between }
    }

    fn put(&mut self, name: &str, value: impl Display) {
        let between = if self.text.is_empty() { "" } else { self.between };
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{between}\"{name}\": {value}");
    }

    fn end(self) -> String {
        format!("{{{}}}", self.text)
    }
}

fn object<N: AsRef<str>, V: Display>(members: impl IntoIterator<Item = (N, V)>) -> String {
    let mut object = JsonObject::new(", ");
    for (name, value) in members {
        object.put(name.as_ref(), value);
    }
    object.end()
}

impl ServerStats {
    /// The figures as an object of JSON, with those of the process that the system tells;
    /// [`Probe::vars`](crate::Probe::vars) answers with it.
    ///
    /// Its members: `bytes`, `connections`, `given_up`, `handlers`, `latency_micros` (in microseconds), `rejections`
    /// (by cause), `requests` (their number), `responses` (by method and class of status), `websockets` (with the
    /// feature `ws`), `workers` (`null` while the server does not serve), and `process`: `id`, and on Linux `threads`,
    /// `resident_bytes`, `peak_resident_bytes` and `virtual_bytes`.
    ///
    /// ```
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("served"))?;
    /// let page = server.stats().to_json();
    /// assert!(page.contains("\"requests\": 0,\n") && page.contains("\"process\": {\"id\": "));
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn to_json(&self) -> String {
        to_json(self, &NamePattern::default())
    }
}

/// The members whose names match, each on a line, as Go's `expvar` prints them.
pub(super) fn to_json(stats: &ServerStats, wanted: &NamePattern) -> String {
    let mut page = JsonObject::new(",\n\t");
    let members = [
        ("bytes", bytes(stats)),
        ("connections", connections(stats)),
        ("given_up", given_up(stats)),
        ("handlers", handlers(stats)),
        ("latency_micros", latency(stats)),
        ("rejections", object(stats.rejections.by_cause())),
        ("requests", stats.requests.to_string()),
        ("responses", responses(stats)),
        #[cfg(feature = "ws")]
        ("websockets", websockets(stats)),
        ("workers", workers(stats)),
    ];
    // What a process is told of itself is asked for when it is wanted only.
    let process = wanted.matches("process").then(|| ("process", object(process())));
    for (name, value) in members.into_iter().filter(|(name, _)| wanted.matches(name)).chain(process) {
        page.put(name, value);
    }
    format!("{{\n\t{}\n}}\n", page.text)
}

fn bytes(stats: &ServerStats) -> String {
    object([("received", stats.bytes_received), ("sent", stats.bytes_sent)])
}

fn connections(stats: &ServerStats) -> String {
    let counts = stats.connections;
    let now = [
        ("open", stats.open_connections),
        ("new", counts.new),
        ("active", counts.active),
        ("idle", counts.idle),
        ("hijacked", stats.hijacked_connections),
    ];
    let now = now.map(|(name, count)| (name, count as u64));
    object(
        now.into_iter()
            .chain([("accepted", stats.accepted_connections), ("idle_shed", stats.idle_connections_shed)]),
    )
}

fn given_up(stats: &ServerStats) -> String {
    object([("slow_readers", stats.given_up.slow_readers), ("slow_senders", stats.given_up.slow_senders)])
}

fn handlers(stats: &ServerStats) -> String {
    object([
        ("panics", stats.panics),
        ("blocked", stats.blocked_handlers),
        ("timed_out", stats.timed_out_handlers),
        ("timed_refused", stats.timed_handlers_refused),
        ("revoked_leases", stats.revoked_leases),
        ("dispatched", stats.dispatched_requests),
        ("waiting", stats.waiting_requests as u64),
    ])
}

#[cfg(feature = "ws")]
fn websockets(stats: &ServerStats) -> String {
    let sockets = &stats.websockets;
    object([
        ("open", sockets.open.to_string()),
        ("opened", sockets.opened.to_string()),
        ("messages_received", sockets.messages_received.to_string()),
        ("messages_sent", sockets.messages_sent.to_string()),
        ("messages_dropped", sockets.messages_dropped.to_string()),
        ("closes", object(sockets.closes.iter().map(|(code, count)| (code.to_string(), count)))),
    ])
}

fn latency(stats: &ServerStats) -> String {
    let at = |quantile: f64| stats.latency.quantile(quantile).as_micros();
    object([
        ("count", u128::from(stats.latency.count())),
        ("sum", stats.latency.sum().as_micros()),
        ("mean", stats.latency.mean().as_micros()),
        ("p50", at(0.5)),
        ("p90", at(0.9)),
        ("p99", at(0.99)),
        ("p999", at(0.999)),
    ])
}

/// Those that there are, by method.
fn responses(stats: &ServerStats) -> String {
    let mut methods: Vec<(&str, Vec<(String, u64)>)> = Vec::new();
    for (method, class, count) in stats.responses.iter().filter(|(.., count)| *count > 0) {
        let class = if class == 0 { "other".to_owned() } else { format!("{class}xx") };
        match methods.last_mut().filter(|(last, _)| *last == method) {
            Some((_, classes)) => classes.push((class, count)),
            None => methods.push((method, vec![(class, count)])),
        }
    }
    object(methods.into_iter().map(|(method, classes)| (method, object(classes))))
}

fn workers(stats: &ServerStats) -> String {
    let Some(pool) = &stats.workers else { return "null".to_owned() };
    let mut workers = JsonObject::new(", ");
    for (name, count) in [
        ("workers", pool.workers),
        ("busy", pool.busy),
        ("idle", pool.idle),
        ("queued", pool.queued),
        ("peak", pool.peak_workers),
    ] {
        workers.put(name, count);
    }
    match pool.capacity {
        Some(capacity) => workers.put("capacity", capacity),
        None => workers.put("capacity", "null"),
    }
    workers.put("spawned", pool.spawned);
    workers.put("expired", pool.expired);
    workers.end()
}

/// What the system tells of this process, as far as it does. Neither its command line nor its environment: these have
/// secrets.
fn process() -> Vec<(&'static str, u64)> {
    let mut figures = vec![("id", u64::from(std::process::id()))];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    figures.extend(of("Threads").map(|threads| ("threads", threads)));
    for (name, figure) in
        [("VmRSS", "resident_bytes"), ("VmHWM", "peak_resident_bytes"), ("VmSize", "virtual_bytes")]
    {
        // The kernel says it in KiB.
        figures.extend(of(name).map(|kib| (figure, kib.saturating_mul(1024))));
    }
    figures
}
