//! What a user says about a client, checked once.

use super::names::Resolve;
use super::places::ReuseOrder;
use std::fmt;
use std::time::Duration;

/// The settings of a [`HostClient`](super::HostClient); made by [`HostClient::builder`](super::HostClient::builder).
///
/// ```
/// use anthill_http::client::{HostClient, ReuseOrder};
/// use std::time::Duration;
///
/// let client = HostClient::builder("10.0.0.1:8080, 10.0.0.2:8080")
///     .max_conns(64)
///     .conn_wait_timeout(Duration::from_secs(1))
///     .reuse_order(ReuseOrder::Fifo)
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(client.stats().open, 0);
/// # Ok::<(), anthill_http::client::ClientError>(())
/// ```
#[must_use = "it does nothing before build is called"]
pub struct HostClientBuilder {
    pub(super) options: HostOptions,
}

/// What was set. A field for each setting.
pub(crate) struct HostOptions {
    pub(super) addrs: String,
    pub(super) resolver: Option<Box<dyn Resolve>>,
    pub(super) names_kept_for: Duration,
    pub(super) pool: PoolOptions,
    pub(super) limits: ResponseLimits,
    pub(super) timeouts: ClientTimeouts,
    pub(super) attempts_max: u32,
}

/// How many connections there may be, and how old.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolOptions {
    pub(super) conns_max: usize,
    pub(super) idle_max: usize,
    pub(super) order: ReuseOrder,
    pub(super) idle_age: Duration,
    pub(super) conn_age: Option<Duration>,
}

/// How large a response may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseLimits {
    pub(super) head_bytes: usize,
    pub(super) fields: usize,
    pub(super) body_bytes: Option<u64>,
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientTimeouts {
    pub(super) whole: Option<Duration>,
    pub(super) conn_wait: Duration,
    pub(super) connect: Option<Duration>,
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
}

impl HostClientBuilder {
    pub(super) fn new(addrs: String) -> Self {
        let pool = PoolOptions {
            conns_max: 512,
            idle_max: 512,
            order: ReuseOrder::Lifo,
            idle_age: Duration::from_secs(10),
            conn_age: None,
        };
        let limits = ResponseLimits { head_bytes: 64 * 1024, fields: 256, body_bytes: None };
        let timeouts = ClientTimeouts {
            whole: None,
            conn_wait: Duration::ZERO,
            connect: Some(Duration::from_secs(3)),
            read: None,
            write: None,
        };
        let options = HostOptions {
            addrs,
            resolver: None,
            names_kept_for: Duration::from_secs(60),
            pool,
            limits,
            timeouts,
            attempts_max: 5,
        };
        Self { options }
    }

    /// The most connections at once, idle ones included; at least 1. Default 512.
    pub fn max_conns(mut self, conns: usize) -> Self {
        self.options.pool.conns_max = conns;
        self
    }

    /// The most connections that are kept while they are idle; with 0 each serves one request. Default 512.
    pub fn max_idle_conns(mut self, conns: usize) -> Self {
        self.options.pool.idle_max = conns;
        self
    }

    /// How long a call waits for a connection when [`max_conns`](Self::max_conns) are busy, in the order of arrival,
    /// before it fails with [`NoFreeConns`](super::ClientErrorKind::NoFreeConns). Default zero: not at all.
    pub fn conn_wait_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.conn_wait = limit;
        self
    }

    /// Which idle connection is taken first. Default [`ReuseOrder::Lifo`].
    pub fn reuse_order(mut self, order: ReuseOrder) -> Self {
        self.options.pool.order = order;
        self
    }

    /// Connections that were idle for so long are closed. Default 10 s: below what servers keep them for, so that
    /// few requests meet a connection that is just being closed.
    pub fn max_idle_conn_duration(mut self, age: Duration) -> Self {
        self.options.pool.idle_age = age;
        self
    }

    /// Connections this old serve no further request. Default: they have no age.
    pub fn max_conn_duration(mut self, age: Duration) -> Self {
        self.options.pool.conn_age = Some(age);
        self
    }

    /// How long a call may take from its beginning to the last byte of the body, whatever is waited for, over all
    /// attempts. Default: no limit. [`HostClient::send_timeout`](super::HostClient::send_timeout) sets it for one call.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.whole = Some(limit);
        self
    }

    /// How long resolving and connecting may take for one connection. Default 3 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.connect = Some(limit);
        self
    }

    /// The longest silence of the server while something is to be read. Default: no limit.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.read = Some(limit);
        self
    }

    /// The longest time for which the server may take nothing while something is to be sent. Default: no limit.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.write = Some(limit);
        self
    }

    /// The most bytes of a response's head, at most 16 MiB; each interim response is bound by it as well. Default
    /// 64 KiB.
    pub fn max_response_header_size(mut self, bytes: usize) -> Self {
        self.options.limits.head_bytes = bytes;
        self
    }

    /// The most header fields of a response. Default 256.
    pub fn max_response_headers(mut self, fields: usize) -> Self {
        self.options.limits.fields = fields;
        self
    }

    /// The most bytes of a response's body, streamed or not. Default: no limit for what is streamed, and 10 MiB for
    /// what is collected.
    pub fn max_response_body_size(mut self, bytes: u64) -> Self {
        self.options.limits.body_bytes = Some(bytes);
        self
    }

    /// How often a request is tried altogether, at least once. Default 5.
    ///
    /// Only a request that may be repeated is: its connection ended before any byte of a response came, its body is in
    /// memory, and either its method is idempotent (RFC 9110 section 9.2.2) or nothing of it was sent.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.attempts_max = attempts;
        self
    }

    /// Asks `resolver` for the addresses of names, instead of the system.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.options.resolver = Some(Box::new(resolver));
        self
    }

    /// How long addresses of names are kept. Default 1 min; with zero each connection asks anew.
    pub fn dns_cache_duration(mut self, kept_for: Duration) -> Self {
        self.options.names_kept_for = kept_for;
        self
    }
}

impl fmt::Debug for HostClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostOptions { addrs, pool, limits, timeouts, .. } = &self.options;
        f.debug_struct("HostClientBuilder")
            .field("addrs", addrs)
            .field("pool", pool)
            .field("limits", limits)
            .field("timeouts", timeouts)
            .finish_non_exhaustive()
    }
}
