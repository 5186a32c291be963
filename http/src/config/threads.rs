//! How many threads there are for what, and what may wait for them.

use std::time::{Duration, Instant};

use crate::config::error::{BuildError, at_least_one};
use crate::config::options::ServerBuilder;
use crate::config::settings::Threads;

/// More threads than any system gives a process.
const WORKERS_CEILING: usize = 1 << 20;
const SHARDS_CEILING: usize = 4096;

/// Threads.
impl ServerBuilder {
    /// How many event loops serve the connections; as many as cores when not set. From 1 to 4096.
    pub fn shards(mut self, shards: usize) -> Self {
        self.threads.shards = shards;
        self
    }

    /// How many handlers may block at once; 1024 when not set. From 1 to 1048576.
    ///
    /// Handlers that do not block run on the threads of the shards; one that blocks has a thread of its own, made on
    /// demand and gone when unused. There are at most `max_workers` of these, besides three for each shard, and four
    /// for handlers that turn out to block while all others do. (As many as shards, and up to four more, are in reserve
    /// all the time, so that event loops go on when the system gives no more threads.) The requests after those wait
    /// until one is done
    /// ([`max_waiting_requests`](Self::max_waiting_requests), [`max_wait`](Self::max_wait)), and nothing else does:
    /// routes that do not block are answered, and timeouts are kept.
    ///
    /// By that handful the bound is soft: with 1, some seven handlers may block at once. What there is only so much of,
    /// such as connections to a database, needs a bound of its own.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.threads.max_workers = workers;
        self
    }

    /// How many of [`max_workers`](Self::max_workers) may go on at the pace of a client; three quarters of them when
    /// not set, so that clients who do nothing cannot take the last one. At least 1, and no more than those.
    ///
    /// That is handlers that read a body while it arrives ([`stream_request_body`](Self::stream_request_body)),
    /// functions that write the body of a response ([`set_body_writer`](crate::Response::set_body_writer)), and
    /// functions that own a WebSocket (feature `ws`). Further requests to read wait as others do; further responses to
    /// be written, and further WebSockets for such functions, are answered 503 in their place, at once and although
    /// their handlers have run. As with `max_workers`, a few more may be under way.
    pub fn max_streaming_workers(mut self, workers: usize) -> Self {
        self.threads.max_streaming_workers = Some(workers);
        self
    }

    /// How many requests may wait for a thread; 8192 when not set. Further ones are answered 503 at once, with
    /// `Retry-After` (2 seconds). At least 1. Counted by [`Rejections::turned_away`](crate::Rejections::turned_away).
    ///
    /// Only requests wait whose handlers block, or probably do, and only while [`max_workers`](Self::max_workers)
    /// others run, or the system gives no thread. Each keeps its bytes and some hundred more.
    ///
    /// As many TLS handshakes may wait besides while others are computed. Further ones are closed, and counted by
    /// [`Rejections::tls_handshake`](crate::Rejections::tls_handshake).
    pub fn max_waiting_requests(mut self, requests: usize) -> Self {
        self.threads.max_waiting = requests;
        self
    }

    /// How long a request may wait for a thread before it is answered 503, with `Retry-After` (2 seconds); 30 s when
    /// not set. Above zero; `None`: as long as it takes. Counted by
    /// [`Rejections::turned_away`](crate::Rejections::turned_away).
    ///
    /// A response that has begun, and whose source blocks, is cut off after as long a time without a thread. A TLS
    /// handshake that waits so long to be computed is closed, if the time for the first request was not over before,
    /// and counted by [`Rejections::tls_handshake`](crate::Rejections::tls_handshake); while the system gives no thread
    /// at all that time alone counts.
    ///
    /// A client that goes away meanwhile takes its request along: it is not run, and counted by
    /// [`Rejections::abandoned`](crate::Rejections::abandoned). (Whoever ends its sending within 50 ms of
    /// the request has half-closed the connection, and waits for the answer.)
    pub fn max_wait(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.threads.max_wait = limit.into();
        self
    }

    /// How long an unused worker thread stays, 10 s when not set. Above zero, and no longer than clocks go; a century
    /// is the same as for ever.
    pub fn max_idle_worker_duration(mut self, limit: Duration) -> Self {
        self.threads.max_idle_worker_duration = limit;
        self
    }

    /// How many functions may run at once that have taken connections over ([`hijack`](crate::RequestCtx::hijack),
    /// [`upgrade`](crate::RequestCtx::upgrade)); 1024 when not set. At least 1. Each has a thread of its own, beside
    /// those of [`max_workers`](Self::max_workers). Further requests are answered 503 in the place of their response,
    /// counted by [`Rejections::turned_away`](crate::Rejections::turned_away).
    pub fn max_hijacked_conns(mut self, connections: usize) -> Self {
        self.threads.max_hijacked = connections;
        self
    }

    pub(super) fn check_threads(&self) -> Result<(), BuildError> {
        let Threads { shards, max_workers, max_waiting, max_hijacked, .. } = self.threads;
        let max_streaming_workers = self.threads.streaming_workers();
        at_least_one("max_hijacked_conns", max_hijacked)?;
        at_least_one("shards", shards)?;
        at_least_one("max_workers", max_workers)?;
        at_least_one("max_streaming_workers", max_streaming_workers)?;
        at_least_one("max_waiting_requests", max_waiting)?;
        if max_workers > WORKERS_CEILING {
            let problem =
                format!("of {max_workers} is more than a system can have; choose at most {WORKERS_CEILING}");
            return Err(BuildError::new("max_workers", problem));
        }
        if shards > SHARDS_CEILING {
            let problem = format!("of {shards} is too high; choose at most {SHARDS_CEILING}");
            return Err(BuildError::new("shards", problem));
        }
        if max_streaming_workers > max_workers {
            let problem = format!(
                "of {max_streaming_workers} is more than the {max_workers} of max_workers, of which it is a part"
            );
            return Err(BuildError::new("max_streaming_workers", problem));
        }
        if self.threads.max_wait.is_some_and(|limit| limit.is_zero()) {
            return Err(BuildError::new("max_wait", "must be above zero; None switches it off"));
        }
        if self.threads.blocked_handler_limit.is_some_and(|limit| limit.is_zero()) {
            return Err(BuildError::new("blocked_handler_limit", "must be above zero; None switches it off"));
        }
        let idle = self.threads.max_idle_worker_duration;
        if idle.is_zero() {
            return Err(BuildError::new("max_idle_worker_duration", "must be above zero"));
        }
        if Instant::now().checked_add(idle).is_none() {
            let problem = format!("of {idle:?} is longer than clocks go; a century is the same as for ever");
            return Err(BuildError::new("max_idle_worker_duration", problem));
        }
        Ok(())
    }
}
