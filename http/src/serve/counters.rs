//! What a server counts, over all its lives.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::proto::ProtoError;
use crate::serve::refusal::Refusal;

/// What is counted across threads, and seldom.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) workers: WorkerCounters,
    /// Idle connections that were closed to make room for new ones.
    pub(crate) idle_shed: AtomicU64,
    pub(crate) slow: SlowCounters,
    pub(crate) handshakes: HandshakeCounters,
    refused: RefusalCounters,
}

/// What was refused, as [`Rejections`] says.
#[derive(Debug, Default)]
struct RefusalCounters {
    concurrency: AtomicU64,
    per_ip: AtomicU64,
    head_too_large: AtomicU64,
    body_too_large: AtomicU64,
    timed_out: AtomicU64,
    malformed: AtomicU64,
    proxy_header: AtomicU64,
    tls_handshake: AtomicU64,
}

/// Connections that were encrypted.
#[derive(Debug, Default)]
pub(crate) struct HandshakeCounters {
    pub(crate) full: AtomicU64,
    /// With what the client was given on an earlier one.
    pub(crate) resumed: AtomicU64,
}

/// Who was too slow.
#[derive(Debug, Default)]
pub(crate) struct SlowCounters {
    /// Clients that were given up because they took too little of a response.
    pub(crate) readers: AtomicU64,
    /// Those of the requests that did not come in time whose body was too slow.
    pub(crate) senders: AtomicU64,
    /// Handlers that ran for longer than the limit of blocked ones.
    pub(crate) handlers: AtomicU64,
}

/// What became of requests whose handlers block.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) revoked_leases: AtomicU64,
    pub(crate) dispatched: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) abandoned: AtomicU64,
}

impl Counters {
    pub(crate) fn refuse_connection(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Concurrency => &self.refused.concurrency,
            Refusal::PerAddress => &self.refused.per_ip,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, error: ProtoError) {
        let counter = match error {
            ProtoError::HeadTooLarge
            | ProtoError::TooManyFields
            | ProtoError::TargetTooLong
            | ProtoError::MethodTooLong => &self.refused.head_too_large,
            ProtoError::BodyTooLarge => &self.refused.body_too_large,
            ProtoError::Timeout => &self.refused.timed_out,
            _ => &self.refused.malformed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody has said in a proper way whose a connection is.
    pub(crate) fn refuse_proxy(&self) {
        self.refused.proxy_header.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection that was to be encrypted was not.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn refuse_handshake(&self) {
        self.refused.tls_handshake.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rejections(&self) -> Rejections {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Rejections {
            concurrency: count(&self.refused.concurrency),
            per_ip: count(&self.refused.per_ip),
            head_too_large: count(&self.refused.head_too_large),
            body_too_large: count(&self.refused.body_too_large),
            timed_out: count(&self.refused.timed_out),
            malformed: count(&self.refused.malformed),
            proxy_header: count(&self.refused.proxy_header),
            tls_handshake: count(&self.refused.tls_handshake),
            turned_away: count(&self.workers.turned_away),
            abandoned: count(&self.workers.abandoned),
        }
    }
}

/// Connections and requests that were refused, by cause. By the server: what a handler answers, also for an error that
/// reading a streamed body or a form gave it, is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejections {
    /// Connections above [`concurrency`](crate::ServerBuilder::concurrency); answered 503.
    pub concurrency: u64,
    /// Connections above [`max_conns_per_ip`](crate::ServerBuilder::max_conns_per_ip); answered 429.
    pub per_ip: u64,
    /// Requests with too large a head; answered 431, or 414 or 501 when the first line alone is.
    pub head_too_large: u64,
    /// Requests with too large a body; answered 413.
    pub body_too_large: u64,
    /// Requests that did not come in time; answered 408.
    pub timed_out: u64,
    /// Requests that were not well-formed; answered 400, 417 or 505.
    pub malformed: u64,
    /// Connections without a header of the [PROXY protocol](crate::Listener::proxy_protocol) that have to have one: it
    /// was malformed, did not come in time, or the peer is no trusted proxy; closed without an answer.
    pub proxy_header: u64,
    /// Connections that were to be encrypted by TLS and were not: the client offered nothing that is spoken here, had
    /// no certificate, stopped in the middle, was not done in time, or spoke plain HTTP, which is answered 400; or no
    /// thread could be had in time.
    pub tls_handshake: u64,
    /// Requests for which no thread could be had in time, or at once while
    /// [`max_waiting_requests`](crate::ServerBuilder::max_waiting_requests) waited; answered 503.
    pub turned_away: u64,
    /// Requests whose client went away while they waited for a thread; not answered.
    pub abandoned: u64,
}

impl Rejections {
    /// Each with its cause, in a word.
    pub(crate) fn by_cause(&self) -> [(&'static str, u64); 10] {
        [
            ("concurrency", self.concurrency),
            ("per_ip", self.per_ip),
            ("head_too_large", self.head_too_large),
            ("body_too_large", self.body_too_large),
            ("timed_out", self.timed_out),
            ("malformed", self.malformed),
            ("proxy_header", self.proxy_header),
            ("tls_handshake", self.tls_handshake),
            ("turned_away", self.turned_away),
            ("abandoned", self.abandoned),
        ]
    }
}
