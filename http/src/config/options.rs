//! What the user says ([`ServerBuilder`]), validated once when it becomes [`Settings`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::hooks::{ErrorHandler, ExpectHandler, HeaderHook};
use crate::config::request_config::RequestConfig;
use crate::config::settings::{
    Connections, Hooks, ListenOptions, Logging, ResponseDefaults, Settings, Threads, Timeouts,
};
use crate::ctx::{ConnInfo, CtxOptions, FormValue, HandlerPanic, PanicHandler, RequestCtx, TimeLimit};
use crate::message::request::Request;
use crate::observe::ConnState;
use crate::observe::access_log::AccessLog;
use crate::observe::completed::CompletedRequest;
use crate::proto::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadDecision, Limits, ProtoError};
use crate::wire::pace::MinRate;

/// fasthttp's `DefaultConcurrency`.
const DEFAULT_CONCURRENCY: usize = 256 * 1024;
const DEFAULT_MAX_WORKERS: usize = 1024;
const SMALLEST_READ_BUFFER: usize = 256;
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_READ_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// That of Kestrel, whose grace is shorter; nginx waits as long between two reads.
const DEFAULT_MIN_RATE: MinRate = MinRate::new(240, Duration::from_secs(60));
/// A byte per nanosecond; the time of fewer cannot be told.
const HIGHEST_MIN_RATE: u64 = 1_000_000_000;
const DEFAULT_MAX_IDLE_WORKER: Duration = Duration::from_secs(10);
/// Kubernetes ends a process by force after 30 s.
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
const DEFAULT_BLOCKED_HANDLER: Duration = Duration::from_secs(1);
const DEFAULT_MAX_HIJACKED: usize = 1024;
const DEFAULT_MAX_WAITING: usize = 8192;
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(30);
/// More threads than any system gives a process.
const WORKERS_CEILING: usize = 1 << 20;
const SHARDS_CEILING: usize = 4096;
const DEFAULT_READ_AHEAD: usize = 64 * 1024;
/// More than anybody keeps of a body that is to be streamed.
const READ_AHEAD_CEILING: usize = 1 << 30;
/// What is derived from other options unless it is set.
const UNSET: usize = usize::MAX;

/// Whether this system spreads the connections of a port over several listeners.
const SPREADS_OVER_A_PORT: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "dragonfly", target_os = "freebsd"));

/// Options of a [`Server`](crate::Server); made by [`Server::builder`](crate::Server::builder), checked by
/// [`build`](ServerBuilder::build).
///
/// Every option has a default, and the defaults are meant for the open internet. Where an option takes an
/// `impl Into<Option<..>>`, a plain value sets the bound and `None` takes it away (but of
/// [`body_read_ahead`](Self::body_read_ahead), where it means that there is nothing of the kind). The others always
/// have a bound: [`concurrency`](Self::concurrency), [`max_workers`](Self::max_workers),
/// [`max_idle_worker_duration`](Self::max_idle_worker_duration), [`read_buffer_size`](Self::read_buffer_size) and
/// [`max_header_fields`](Self::max_header_fields).
///
/// ```
/// use anthill_http::Server;
/// use std::time::Duration;
///
/// let server = Server::builder()
///     .name("shop")
///     .max_request_body_size(64 * 1024)
///     .read_header_timeout(Duration::from_secs(5))
///     .write_timeout(None) // a slow reader may take as long as it likes
///     .build(|ctx| ctx.set_body("open"))?;
/// assert_eq!(server.stats().open_connections, 0);
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
///
/// What responses have:
///
/// | option | unit | default | why | otherwise |
/// |---|---|---|---|---|
/// | [`name`](Self::name) | text | `anthill` | fasthttp sends its name too | `None`: no `Server` field |
/// | [`default_date`](Self::default_date) | yes or no | yes | RFC 9110 6.6.1 asks for it | no `Date` field |
/// | [`default_content_type`](Self::default_content_type) | yes or no | yes | bodies without a type are guessed at by browsers | no `Content-Type` field |
/// | [`normalize_header_names`](Self::normalize_header_names) | yes or no | yes | `Content-Type`, as in fasthttp | names as handlers write them |
///
/// Threads:
///
/// | option | unit | default | why | beyond |
/// |---|---|---|---|---|
/// | [`shards`](Self::shards) | event loops | cores | one thread for each core does what does not block | |
/// | [`max_workers`](Self::max_workers) | threads | 1024 | bounds the memory of handlers that block | requests whose handlers block wait for a thread |
/// | [`max_streaming_workers`](Self::max_streaming_workers) | threads | three quarters of those | clients who do nothing cannot take the last one | uploads wait, 503 for bodies to be written |
/// | [`max_waiting_requests`](Self::max_waiting_requests) | requests | 8192 | bounds the memory of what waits | 503 |
/// | [`max_wait`](Self::max_wait) | time | 30 s | nobody waits longer for a page | 503 |
/// | [`max_hijacked_conns`](Self::max_hijacked_conns) | threads | 1024 | each function that has taken a connection over has one | 503 |
/// | [`max_idle_worker_duration`](Self::max_idle_worker_duration) | time | 10 s | fasthttp's; outlives the pauses of a busy server | the thread ends |
///
/// Connections:
///
/// | option | unit | default | why | beyond |
/// |---|---|---|---|---|
/// | [`concurrency`](Self::concurrency) | connections | 262144 | fasthttp's; set it below the limit on open files | the longest idle one is closed; 503, closed, when none is idle |
/// | [`max_conns_per_ip`](Self::max_conns_per_ip) | connections | none | behind a proxy all come from one address | 429, closed |
/// | [`max_requests_per_conn`](Self::max_requests_per_conn) | requests | none | | `Connection: close` in the last response |
/// | [`keep_alive`](Self::keep_alive) | yes or no | yes | a connection costs more than a request | no: closed after the first response |
/// | [`close_on_shutdown`](Self::close_on_shutdown) | yes or no | no | as in fasthttp | yes: `Connection: close` while shutting down |
/// | [`shutdown_delay`](Self::shutdown_delay) | time | none | who asks for readiness needs time to hear of it | only the readiness is gone |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | time | 25 s | Kubernetes ends a process by force after 30 s | what a signal does not end in time ends with the process |
/// | [`reuse_port`](Self::reuse_port) | yes or no | no | one listener sees all shards' load | yes: a listener for each shard, and other processes may share the port |
///
/// The sockets of listeners that the server opens ([`listen_all`](crate::Server::listen_all), `start`, `run`,
/// `listen_and_serve`), which connections inherit:
///
/// | option | unit | default |
/// |---|---|---|
/// | [`backlog`](Self::backlog) | connections that wait to be accepted | 4096, or the system's bound |
/// | [`tcp_keepalive`](Self::tcp_keepalive), its [interval](Self::tcp_keepalive_interval) and [probes](Self::tcp_keepalive_probes) | time, time, number | none; the system's |
/// | [`receive_buffer`](Self::receive_buffer), [`send_buffer`](Self::send_buffer) | bytes | as the system likes |
/// | [`tcp_not_sent_lowat`](Self::tcp_not_sent_lowat) | bytes | none |
///
/// Proxies in front: [`trusted_proxies`](Self::trusted_proxies), none when not set;
/// [`trusts_forwarded`](Self::trusts_forwarded).
///
/// Requests:
///
/// | option | unit | default | why | beyond |
/// |---|---|---|---|---|
/// | [`read_buffer_size`](Self::read_buffer_size) | bytes | 16 KiB | the limit of a request's head as well; browsers and proxies send up to 8 KiB | 431; 414 or 501 when the first line alone is too long |
/// | [`max_header_fields`](Self::max_header_fields) | fields | 128 | browsers send some 20, chains of proxies add a few each | 431 |
/// | [`max_request_body_size`](Self::max_request_body_size) | bytes (`u64`) | 4 MiB | fasthttp's; bodies are held in memory | 413 |
/// | [`stream_request_body`](Self::stream_request_body) | yes or no | no | a slow client occupies nobody while its body is awaited | yes: the handler starts before the body is there |
/// | [`body_read_ahead`](Self::body_read_ahead) | bytes | 64 KiB | most uploads then need no thread that waits for them | `None`: streaming handlers start at the head |
/// | [`get_only`](Self::get_only) | yes or no | no | | yes: 405 to all but GET and HEAD, closed |
///
/// Timeouts:
///
/// | option | from, to | default | why | beyond |
/// |---|---|---|---|---|
/// | [`read_header_timeout`](Self::read_header_timeout) | first byte, end of head | 10 s | nobody needs longer who means well | 408, closed |
/// | [`read_timeout`](Self::read_timeout) | first byte, end of body; when it is streamed, without a byte from the client | 300 s | 4 MiB at 14 kB/s | 408, closed |
/// | [`idle_timeout`](Self::idle_timeout) | end of a response, next first byte | 75 s | longer than the 60 s that proxies keep connections | closed |
/// | [`write_timeout`](Self::write_timeout) | without progress in sending | 60 s | a client that takes nothing for a minute is gone | closed |
/// | [`handler_timeout`](Self::handler_timeout) | call of the handler, its return | none | costs a thread for each request that is handled | 503 |
/// | [`min_body_rate`](Self::min_body_rate) | bytes per second while the server waits for a body, and grace | 240, 60 s | slower than any modem, and a pause of a minute | 408, closed |
/// | [`min_response_rate`](Self::min_response_rate) | bytes per second while the server waits for a response to be taken, and grace | 240, 60 s | the same | closed |
///
/// The log:
///
/// | option | unit | default | why | otherwise |
/// |---|---|---|---|---|
/// | [`log_all_errors`](Self::log_all_errors) | yes or no | no | what clients do is no fault of the server | yes: refused requests and broken connections at level `Warn` |
/// | [`blocked_handler_limit`](Self::blocked_handler_limit) | time | 1 s | nobody waits longer for a page without wondering | a line at level `Warn` |
/// | [`secure_error_log_message`](Self::secure_error_log_message) | yes or no | no | whoever looks for a fault wants to see it | yes: nothing that a client has sent |
///
/// Hooks, none of which is set by default: [`header_received`](Self::header_received),
/// [`expect_handler`](Self::expect_handler), [`continue_handler`](Self::continue_handler),
/// [`form_value_func`](Self::form_value_func), [`error_handler`](Self::error_handler),
/// [`panic_handler`](Self::panic_handler), [`on_complete`](Self::on_complete), [`access_log`](Self::access_log),
/// [`conn_state`](Self::conn_state).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ServerBuilder {
    defaults: ResponseDefaults,
    threads: Threads,
    connections: Connections,
    pub(super) listening: ListenOptions,
    timeouts: Timeouts,
    limits: Limits,
    read_ahead: usize,
    get_only: bool,
    pub(super) ctx: CtxOptions,
    hooks: Hooks,
    logging: Logging,
    continues: Option<ExpectHandler>,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        ServerBuilder {
            defaults: ResponseDefaults { name: Some(b"anthill".to_vec()), date: true, content_type: true },
            threads: Threads {
                shards: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
                max_workers: DEFAULT_MAX_WORKERS,
                max_streaming_workers: UNSET,
                max_waiting: DEFAULT_MAX_WAITING,
                max_wait: Some(DEFAULT_MAX_WAIT),
                max_idle_worker_duration: DEFAULT_MAX_IDLE_WORKER,
                blocked_handler_limit: Some(DEFAULT_BLOCKED_HANDLER),
                handler_timeout: TimeLimit::new(Duration::ZERO),
                max_hijacked: DEFAULT_MAX_HIJACKED,
            },
            connections: Connections {
                concurrency: DEFAULT_CONCURRENCY,
                max_per_ip: None,
                max_requests: None,
                keep_alive: true,
                close_on_shutdown: false,
                shutdown_delay: Duration::ZERO,
                shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
                reuse_port: false,
            },
            listening: ListenOptions::default(),
            timeouts: Timeouts {
                read: Some(DEFAULT_READ_TIMEOUT),
                read_header: Some(DEFAULT_READ_HEADER_TIMEOUT),
                idle: Some(DEFAULT_IDLE_TIMEOUT),
                write: Some(DEFAULT_WRITE_TIMEOUT),
                body_rate: Some(DEFAULT_MIN_RATE),
                response_rate: Some(DEFAULT_MIN_RATE),
            },
            limits: Limits::DEFAULT,
            read_ahead: DEFAULT_READ_AHEAD,
            get_only: false,
            ctx: CtxOptions::default(),
            hooks: Hooks::default(),
            logging: Logging::default(),
            continues: None,
        }
    }
}

/// What responses have.
impl ServerBuilder {
    /// Names the server in the `Server` field of every response, `anthill` when not set (fasthttp's `Name`). With `None`,
    /// or an empty name, there is no such field unless the handler sets one.
    pub fn name<'a>(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.defaults.name = name.into().filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec());
        self
    }

    /// Says whether responses have a `Date` of the server's when the handler sets none; yes when not set.
    #[doc(alias = "no_default_date")]
    pub fn default_date(mut self, sends: bool) -> Self {
        self.defaults.date = sends;
        self
    }

    /// Says whether bodies whose handler sets no `Content-Type` are sent as `text/plain; charset=utf-8`; yes when not set.
    #[doc(alias = "no_default_content_type")]
    pub fn default_content_type(mut self, sends: bool) -> Self {
        self.defaults.content_type = sends;
        self
    }

    /// Says whether the names of header fields are sent in canonical form (`X-Id`) or as handlers give them (`x-iD`);
    /// canonical when not set. Received names are always as they were sent, and found in any case.
    ///
    /// The fields that the server itself adds or orders (`Server`, `Date`, `Content-Type`, `Content-Length`,
    /// `Transfer-Encoding`, `Connection`, `Trailer`) are spelt as here either way.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .normalize_header_names(false)
    ///     .build(|ctx| ctx.response.set_header("x-iD", "7"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    #[doc(alias = "disable_header_names_normalizing")]
    pub fn normalize_header_names(mut self, normalizes: bool) -> Self {
        self.ctx.keeps_header_names = !normalizes;
        self
    }
}

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
    /// demand and gone when unused. There are at most `max_workers` of these, besides three for each shard, and four for
    /// handlers that turn out to block while all others do. The requests after those wait until one is done
    /// ([`max_waiting_requests`](Self::max_waiting_requests), [`max_wait`](Self::max_wait)), and nothing else does: routes
    /// that do not block are answered, and timeouts are kept.
    ///
    /// By that handful the bound is soft: with 1, some seven handlers may block at once. What there is only so much of, such
    /// as connections to a database, needs a bound of its own.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.threads.max_workers = workers;
        self
    }

    /// How many of [`max_workers`](Self::max_workers) may go on at the pace of a client; three quarters of them when not
    /// set, so that clients who do nothing cannot take the last one. At least 1, and no more than those.
    ///
    /// That is handlers that read a body while it arrives ([`stream_request_body`](Self::stream_request_body)), and
    /// functions that write the body of a response ([`set_body_writer`](crate::Response::set_body_writer)). Further
    /// requests to read wait as others do; further responses to be written are answered 503 in their place, at once and
    /// although their handlers have run. As with `max_workers`, a few more may be under way.
    pub fn max_streaming_workers(mut self, workers: usize) -> Self {
        self.threads.max_streaming_workers = workers;
        self
    }

    /// How many requests may wait for a thread; 8192 when not set. Further ones are answered 503 at once, with
    /// `Retry-After` (2 seconds). At least 1. Counted by [`Rejections::turned_away`](crate::Rejections::turned_away).
    ///
    /// Only requests wait whose handlers block, or probably do, and only while [`max_workers`](Self::max_workers) others
    /// run. Each keeps its bytes and some hundred more.
    pub fn max_waiting_requests(mut self, requests: usize) -> Self {
        self.threads.max_waiting = requests;
        self
    }

    /// How long a request may wait for a thread before it is answered 503, with `Retry-After` (2 seconds); 30 s when
    /// not set. Above zero; `None`: as long as it takes. Counted by
    /// [`Rejections::turned_away`](crate::Rejections::turned_away).
    ///
    /// A response that has begun, and whose source blocks, is cut off after as long a time without a thread.
    ///
    /// A client that goes away meanwhile takes its request along: it is not run, and counted by
    /// [`Rejections::abandoned`](crate::Rejections::abandoned). (Whoever ends its sending within 50 ms of
    /// the request has half-closed the connection, and waits for the answer.)
    pub fn max_wait(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.threads.max_wait = limit.into();
        self
    }

    /// How long an unused worker thread stays, 10 s when not set. Above zero.
    pub fn max_idle_worker_duration(mut self, limit: Duration) -> Self {
        self.threads.max_idle_worker_duration = limit;
        self
    }

    /// How many functions may run at once that have taken connections over ([`hijack`](crate::RequestCtx::hijack),
    /// [`upgrade`](crate::RequestCtx::upgrade)); 1024 when not set. At least 1. Each has a thread of its own, beside those of
    /// [`max_workers`](Self::max_workers). Further requests are answered 503 in the place of their response, counted by
    /// [`Rejections::turned_away`](crate::Rejections::turned_away).
    pub fn max_hijacked_conns(mut self, connections: usize) -> Self {
        self.threads.max_hijacked = connections;
        self
    }
}

/// Connections.
impl ServerBuilder {
    /// How many connections may be open at once, 262144 when not set. At least 1.
    ///
    /// For a further one the connection is closed that has been idle for longest: between two requests or, when there is
    /// none of those, without having sent anything yet. When none is idle the further one is answered 503 and closed.
    ///
    /// Each takes a descriptor of the process, so keep it below the limit on open files: when there are no descriptors
    /// left, idle connections are closed in the same way, but when none is idle the further ones are not refused but wait
    /// with the system.
    // LIM-01.
    pub fn concurrency(mut self, connections: usize) -> Self {
        self.connections.concurrency = connections;
        self
    }

    /// How many connections one address, IPv4 or IPv6, may have open; further ones are answered 429 and closed. Any number
    /// when not set, or with `None`.
    ///
    /// Behind a proxy all connections come from the proxy's address, and those of a Unix socket from none, which is not
    /// counted.
    // LIM-03.
    pub fn max_conns_per_ip(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.connections.max_per_ip = connections.into();
        self
    }

    /// After how many requests a connection is closed, with `Connection: close` in the last response. Never when not set,
    /// or with `None`.
    // SRV-16.
    pub fn max_requests_per_conn(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.connections.max_requests = requests.into();
        self
    }

    /// Says whether connections stay for further requests, when their clients want that; yes when not set. If not, each
    /// is closed after its first response.
    // SRV-15.
    #[doc(alias = "disable_keepalive")]
    pub fn keep_alive(mut self, keeps: bool) -> Self {
        self.connections.keep_alive = keeps;
        self
    }

    /// Says whether responses have `Connection: close` while the server shuts down; no when not set. Connections are
    /// closed after the request they are in either way.
    // SHD-01.
    pub fn close_on_shutdown(mut self, announces: bool) -> Self {
        self.connections.close_on_shutdown = announces;
        self
    }

    /// How long a [`shutdown`](crate::Server::shutdown) goes on taking in connections and requests, while
    /// [`is_ready`](crate::Server::is_ready) says no already; not at all when not set.
    ///
    /// For a proxy or an orchestrator that asks a route for readiness
    /// ([`RequestCtx::is_ready`](crate::RequestCtx::is_ready)), or takes a while to learn that this process ends: some
    /// seconds more than it waits between two questions. The delay is part of the time that the shutdown was given, and takes
    /// half of that at most.
    pub fn shutdown_delay(mut self, delay: Duration) -> Self {
        self.connections.shutdown_delay = delay;
        self
    }

    /// How long a shutdown may take that a signal has begun ([`run`](crate::Server::run)); 25 s when not set, because
    /// Kubernetes ends a process by force 30 s after the signal. (Docker does so after 10 s unless it is told otherwise.)
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.connections.shutdown_timeout = limit;
        self
    }
}

/// Listeners.
impl ServerBuilder {
    /// Says whether [`listen_and_serve`](crate::Server::listen_and_serve) opens a listener for each shard, by the system's
    /// `SO_REUSEPORT`; no when not set.
    ///
    /// The system then spreads connections over the shards by a hash of their addresses, each shard's are accepted by a
    /// thread of its own, and other servers and processes of the same user that set the same option can listen on the same
    /// port, for instance to take over from this one. Worth it for very many short connections. Without it one thread
    /// accepts for all shards and gives each connection to the shard with the fewest busy ones, which spreads few
    /// connections more evenly.
    ///
    /// When a process is replaced so, connections that are just being made to the listeners of the one that ends may be
    /// reset, however gracefully it is shut down. Linux can give some of them to the listeners that stay
    /// (`net.ipv4.tcp_migrate_req`); a listener that is handed on from process to process loses none.
    ///
    /// For [`serve`](crate::Server::serve), which is given its listener, it changes nothing.
    ///
    /// On Linux, Android, FreeBSD and DragonFly BSD. Elsewhere [`build`](Self::build) refuses it: there is no such option,
    /// or it gives all connections to one of the listeners.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let server = anthill_http::Server::builder().shards(2).reuse_port(true).build(|ctx| ctx.set_body("shared"))?;
    /// let listeners = server.listen_all("127.0.0.1:0")?;
    /// assert_eq!(listeners.len(), 2);
    /// assert_eq!(listeners[0].local_addr()?, listeners[1].local_addr()?);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reuse_port(mut self, reuses: bool) -> Self {
        self.connections.reuse_port = reuses;
        self
    }
}

/// Requests.
impl ServerBuilder {
    /// Size of the buffer that requests are read into, in bytes, and the limit of a request's line and header fields
    /// together; 16 KiB when not set. Larger heads are answered 431, or 414 or 501 when the first line alone is too long.
    /// From 256 bytes to 16 MiB.
    // LIM-04.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.limits.head_bytes_max = bytes;
        self
    }

    /// How many header fields a request may have, 128 when not set; more are answered 431. From 1 to 65536.
    ///
    /// Each head with more than 128 fields costs one allocation while it is read.
    ///
    /// ```
    /// let server = anthill_http::Server::builder().max_header_fields(32).build(|ctx| ctx.set_body("few"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn max_header_fields(mut self, fields: usize) -> Self {
        self.limits.fields_max = fields;
        self
    }

    /// The largest request body, in bytes, 4 MiB when not set. Larger ones are answered 413, by `Content-Length` before
    /// anything of the body is read. With `None` bodies of any size are kept in memory. At least 1; for paths that take
    /// no body there is [`RequestConfig::max_request_body_size`], which may be zero.
    // LIM-05, LIM-06, LIM-07.
    #[doc(alias = "unlimited_request_body_size")]
    pub fn max_request_body_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.limits.body_bytes_max = bytes.into();
        self
    }

    /// Says whether handlers are called when the body of their request has not arrived as a whole, to read the rest as it
    /// comes ([`RequestCtx::body_reader`]) or to wait for it ([`RequestCtx::read_body`]); no when not set.
    ///
    /// A first part ([`body_read_ahead`](Self::body_read_ahead)) is received before that, without a thread.
    ///
    /// [`max_request_body_size`](Self::max_request_body_size) then bounds what `read_body` collects, not what a reader
    /// may read. A client that sends nothing for as long as [`read_timeout`](Self::read_timeout), or less than
    /// [`min_body_rate`](Self::min_body_rate) asks for, ends the reading with an error. What a handler leaves unread is
    /// thrown away, up to 256 KiB; a connection with more than that is closed.
    // STR-02, STR-04.
    pub fn stream_request_body(mut self, streams: bool) -> Self {
        self.limits.streams_bodies = streams;
        self
    }

    /// How much of a streamed body is received before the handler is called, in bytes; 64 KiB when not set. With `None`
    /// (or zero) the handler is called at the head. At most 1 GiB. So much of each may be in memory, whatever
    /// [`max_request_body_size`](Self::max_request_body_size) says, and what came with the head is there in any case.
    /// [`RequestCtx::body`] has it.
    ///
    /// A handler that waits for its client occupies a thread, of which there are only so many
    /// ([`max_streaming_workers`](Self::max_streaming_workers)); one whose body is there does not. Nobody waits longer than
    /// 25 ms for this part: a client that sends less may be waiting for an answer before it goes on. One that waits to be
    /// asked for its body (`Expect: 100-continue`) is asked when the handler reads.
    pub fn body_read_ahead(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.read_ahead = bytes.into().unwrap_or(0);
        self
    }

    /// Says whether everything but GET and HEAD is answered 405 and its connection closed; no when not set.
    // SRV-14.
    pub fn get_only(mut self, only: bool) -> Self {
        self.get_only = only;
        self
    }
}

/// Timeouts and rates. Each must be above zero; `None` switches it off.
///
/// Only what the server waits for its client counts: neither the time of handlers, nor that in which a request waits
/// for a thread.
impl ServerBuilder {
    /// How long a request may take from its first byte to its last, 300 s when not set; then 408, and the connection is
    /// closed. When the body is streamed: how long its client may send nothing. A connection that never starts its first
    /// request is given the shorter of this and the [`read_header_timeout`](Self::read_header_timeout).
    ///
    /// A body that stops or trickles is given up sooner; see [`min_body_rate`](Self::min_body_rate).
    // TMO-01, TMO-02.
    pub fn read_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.read = limit.into();
        self
    }

    /// How long a request may take from its first byte to the end of its head, 10 s when not set; then 408, and the
    /// connection is closed.
    // TMO-06.
    pub fn read_header_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.read_header = limit.into();
        self
    }

    /// How long a connection may stay silent between two requests, 75 s when not set; then it is closed.
    ///
    /// With `None` there is no limit of its own for that, and the [`read_timeout`](Self::read_timeout) takes its place, as
    /// in fasthttp. A connection may be silent for ever only when both are `None`.
    // TMO-03.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.idle = limit.into();
        self
    }

    /// How long a client may take nothing of a response, 60 s when not set; then the connection is closed. Begins after
    /// the handler, and anew with each progress.
    ///
    /// Progress is what the operating system takes for the client, so it is seen as the system's buffers allow: what
    /// fits into them counts as taken, a client that reads little at a time is noticed only when its system has told
    /// ours of it, and when there is little room for more, that is found by a look in each quarter of the limit. So a
    /// client that stops is given up at most a quarter of the limit late.
    // TMO-04, TMO-05.
    pub fn write_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.write = limit.into();
        self
    }

    /// How fast the bodies of requests have to come while the server waits for them: 240 bytes per second when not set,
    /// with a grace of 60 s. Then 408, where a response is still possible, and the connection is closed; whoever reads
    /// a streamed body gets an error of kind [`TimedOut`](std::io::ErrorKind::TimedOut). The rate is at least 1 and at
    /// most 10^9 bytes per second, the grace is above zero.
    ///
    /// All bytes behind the head count, those of chunked framing too, and what becomes of them does not matter: whether
    /// the server collects them, a handler reads them as they come, or nobody wants them. A handler may take any time
    /// between two reads: what has arrived meanwhile counts when it is read. The grace counts as no longer than
    /// [`read_timeout`](Self::read_timeout).
    ///
    /// Bodies that are conversations need a [`rate`](RequestConfig::min_body_rate) of their own, or none.
    ///
    /// ```
    /// use anthill_http::{MinRate, Server};
    /// use std::time::Duration;
    /// let server = Server::builder()
    ///     .min_body_rate(MinRate::new(10_000, Duration::from_secs(10)))
    ///     .build(|ctx| ctx.set_body("received"))?;
    /// # let _ = server;
    /// let error = Server::builder().min_body_rate(MinRate::new(0, Duration::from_secs(10))).build(|_| {});
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     "min_body_rate of 0 bytes per second is out of bounds; choose 1 to 1000000000, or None for no such rate"
    /// );
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // TMO-02, STR-01.
    pub fn min_body_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.timeouts.body_rate = rate.into();
        self
    }

    /// How fast clients have to take responses while the server waits for that: 240 bytes per second when not set, with
    /// a grace of 60 s; then the connection is closed. Bounds as in [`min_body_rate`](Self::min_body_rate).
    ///
    /// What is taken is seen as in [`write_timeout`](Self::write_timeout), by as much as the system's buffers take at
    /// once; the grace counts as no longer than that timeout.
    // TMO-04.
    pub fn min_response_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.timeouts.response_rate = rate.into();
        self
    }
}

/// Hooks.
impl ServerBuilder {
    /// Looks up what [`RequestCtx::form_value`] is asked for (fasthttp's `FormValueFunc`): the values of the
    /// body before those of the query by [`RequestCtx::form_value_body_first`], or by a function of your own. It must not
    /// call `form_value` itself.
    ///
    /// ```
    /// use anthill_http::{RequestCtx, Server};
    /// let body_first = Server::builder().form_value_func(RequestCtx::form_value_body_first);
    /// let trimmed = Server::builder().form_value_func(|ctx, name| {
    ///     let value = ctx.form_value_query_first(name)?;
    ///     Some(value.trim_ascii().to_vec().into())
    /// });
    /// # let _ = (body_first, trimmed);
    /// ```
    pub fn form_value_func(
        mut self,
        look_up: impl for<'a> Fn(&'a mut RequestCtx, &str) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        self.ctx.form_value = Some(FormValue::new(look_up));
        self
    }

    /// Says whether [`redirect`](RequestCtx::redirect) resolves what it is given against the URI of the request, so that an
    /// absolute one is sent, without user information; no when not set: it is sent as given.
    ///
    /// The host is that of the request and the scheme [`RequestCtx::scheme`]. What cannot be resolved (`mailto:…`, or no host
    /// to resolve it against) is sent as it is.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// let server = anthill_http::Server::builder().absolute_redirects(true).build(|ctx| ctx.redirect("/login", 303))?;
    /// let running = server.start("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(running.local_addr())?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")?;
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.contains("\r\nLocation: http://example.org/login\r\n"));
    /// # server.shutdown(std::time::Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn absolute_redirects(mut self, resolves: bool) -> Self {
        self.ctx.resolves_redirects = resolves;
        self
    }

    /// Decides on each request with `Expect: 100-continue`, before its client sends the body: 100 asks for the body, any
    /// other status is the answer, with an empty body, and the connection ends (fasthttp's
    /// `ExpectHandler`). The context has the request's head and the connection's addresses. User values that are set here
    /// are there for the handler; changes to the request and to the response are not.
    ///
    /// Without it, every such client is asked for the body.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .expect_handler(|ctx| if ctx.header("authorization").is_some() { 100 } else { 401 })
    ///     .build(|ctx| ctx.set_body("stored"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn expect_handler(mut self, decide: impl Fn(&mut RequestCtx) -> u16 + Send + Sync + 'static) -> Self {
        self.hooks.expectation = Some(ExpectHandler(Arc::new(decide)));
        self
    }

    /// Decides, when the head of a request has arrived, what is different for it: limits, timeouts, whether its body is
    /// streamed (fasthttp's `HeaderReceived`). Called for every request, also for those without a body, and
    /// before an [`expect_handler`](Self::expect_handler).
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server};
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/upload" => RequestConfig::new().stream_request_body(true),
    ///         _ => RequestConfig::new().max_request_body_size(64 * 1024),
    ///     })
    ///     .build(|ctx| ctx.set_body("received"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn header_received(
        mut self,
        decide: impl Fn(&Request) -> RequestConfig + Send + Sync + 'static,
    ) -> Self {
        self.hooks.header_received = Some(HeaderHook(Arc::new(decide)));
        self
    }

    /// An [`expect_handler`](Self::expect_handler) that says yes or no: false answers 417 (fasthttp's `ContinueHandler`). An
    /// [`expect_handler`](Self::expect_handler) comes before it.
    pub fn continue_handler(mut self, decide: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.continues =
            Some(ExpectHandler(Arc::new(move |ctx| if decide(&ctx.request) { 100 } else { 417 })));
        self
    }
}

/// What goes wrong, and what happens.
impl ServerBuilder {
    /// Answers what is refused before it reaches a handler (fasthttp's `ErrorHandler`): malformed requests, heads and
    /// bodies that are too large, requests that do not arrive in time; not what is refused for want of a thread or of a
    /// place for a connection.
    ///
    /// It is given the cause, and a context: the request as far as its head can be read (the method may be empty, fields
    /// may be missing, there is no body), the addresses, and a response that already is the server's own answer, to be
    /// changed or started over. Whatever it answers, the connection is closed behind it. The body has to be bytes. It may
    /// block; when there is no thread for it, or it panics, the server's own answer is sent.
    ///
    /// ```
    /// use anthill_http::{ProtoError, Request, Server};
    /// use std::io::{Read, Write};
    ///
    /// let server = Server::builder()
    ///     .error_handler(|ctx, error| {
    ///         ctx.response.set_content_type("application/json");
    ///         ctx.response.set_body(format!("{{\"status\":{},\"error\":\"{error}\"}}", error.status()));
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    ///
    /// let listener = Server::listen("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// let refused = server.serve_conn(listener.accept()?.0).unwrap_err();
    /// assert_eq!(refused.proto(), Some(ProtoError::MissingHost));
    ///
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    /// assert!(response.ends_with("{\"status\":400,\"error\":\"missing host field\"}"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // SRV-12.
    pub fn error_handler(
        mut self,
        answer: impl Fn(&mut RequestCtx, ProtoError) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.refused = Some(ErrorHandler(Arc::new(answer)));
        self
    }

    /// Answers when a handler has panicked. The response has been started over as a plain 500, which it may change. It is
    /// called where the panic ended: inside of the wrappers around the handler, which see what it answers. The panic is
    /// logged in any case. When it panics itself the plain 500 is sent.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .panic_handler(|ctx, _panic| {
    ///         ctx.response.set_content_type("application/json");
    ///         ctx.response.set_body(r#"{"error":"sorry"}"#);
    ///     })
    ///     .build(|_| -> () { panic!("a bug") })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn panic_handler(
        mut self,
        answer: impl Fn(&mut RequestCtx, &HandlerPanic) + Send + Sync + 'static,
    ) -> Self {
        self.ctx.panic_handler = Some(PanicHandler(Arc::new(answer)));
        self
    }

    /// Is called when a request is over: when the last byte of its response was given to the system, or the connection has
    /// ended before that; also for requests that were refused. May be set several times; all are called, in that order.
    ///
    /// It may block. Where it is called, and on which thread, differs; those of one connection are called one after the
    /// other, and the connection's next request waits for it. One that blocks gets a thread as handlers do. A panic in it is
    /// logged. What it costs is a copy of the request's head, and what it does.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use std::io::{Read, Write};
    /// use std::sync::mpsc;
    ///
    /// let (done, record) = mpsc::channel();
    /// let server = Server::builder()
    ///     .on_complete(move |completed| {
    ///         let line = format!("{} {} {}", completed.path(), completed.status(), completed.outcome());
    ///         let _ = done.send(line);
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    ///
    /// let listener = Server::listen("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// client.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    /// server.serve_conn(listener.accept()?.0)?;
    /// assert_eq!(record.recv()?, "/a 200 sent");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_complete(mut self, told: impl Fn(&CompletedRequest) + Send + Sync + 'static) -> Self {
        self.hooks.observers.completed.push(Arc::new(told));
        self.hooks.observers.are_any = true;
        self
    }

    /// Writes a line for each request that is over; see [`AccessLog`]. Beside what [`on_complete`](Self::on_complete) calls.
    pub fn access_log(self, log: AccessLog) -> Self {
        self.on_complete(move |completed| log.write(completed))
    }

    /// Is told what each connection is doing (fasthttp's `ConnState`): [`New`](ConnState::New) once, then
    /// [`Active`](ConnState::Active) and [`Idle`](ConnState::Idle) in turns, and [`Closed`](ConnState::Closed) last. A
    /// connection that is refused for want of a place is new and closed. Requests that come before the answers to those
    /// before them were sent find the connection active still.
    ///
    /// It may block; the connection waits for it. That one is new is told by the thread that accepts, which then accepts
    /// nobody else. A panic in it is logged.
    ///
    /// ```
    /// use anthill_http::{ConnState, Server};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let closed = Arc::new(AtomicUsize::new(0));
    /// let counter = closed.clone();
    /// let server = Server::builder()
    ///     .conn_state(move |_conn, state| {
    ///         if state == ConnState::Closed {
    ///             counter.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // SRV-11.
    pub fn conn_state(mut self, told: impl Fn(&ConnInfo, ConnState) + Send + Sync + 'static) -> Self {
        self.hooks.observers.conn_state = Some(Arc::new(told));
        self.hooks.observers.are_any = true;
        self
    }

    /// How long handlers are waited for; however long it takes when not set. What takes longer is answered 503, or what the
    /// [`TimeLimit`] says, and its connection goes on; the handler runs to its end unseen. See [`timeout`](crate::timeout()),
    /// which is the same for one handler, for what such handlers can and cannot do.
    ///
    /// [`RequestConfig::handler_timeout`] says how long single requests may take. They are counted
    /// ([`ServerStats::timed_out_handlers`](crate::ServerStats)). A shutdown does not wait for handlers that nobody waits for.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use std::time::Duration;
    /// let server = Server::builder()
    ///     .handler_timeout(Duration::from_secs(10))
    ///     .build(|ctx| ctx.set_body("in time"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // TMO-07.
    pub fn handler_timeout(mut self, limit: impl Into<TimeLimit>) -> Self {
        self.threads.handler_timeout = limit.into();
        self
    }

    /// How long a handler may run before the log is told, 1 s when not set: once for each that does, at level `Warn`, with the
    /// request, the thread, and on Linux what that sleeps in, as far as the system says. With `None` nothing is told. It is
    /// noticed within a quarter of this. They are counted ([`ServerStats::blocked_handlers`](crate::ServerStats)), and
    /// [`Server::requests_in_flight`](crate::Server::requests_in_flight) lists what runs.
    ///
    /// Functions that write bodies count with their handler. Handlers of [`serve_conn`](crate::Server::serve_conn) are watched
    /// while the server also serves listeners.
    pub fn blocked_handler_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.threads.blocked_handler_limit = limit.into();
        self
    }

    /// Says whether the log is told of what clients do, too, at level `Warn`: of each request that is refused, which is
    /// otherwise told at level `Debug`, and of each connection that breaks, which is otherwise not told. No when not set.
    // SRV-17.
    pub fn log_all_errors(mut self, tells: bool) -> Self {
        self.logging.all_errors = tells;
        self
    }

    /// Says whether the lines about refused requests leave out what the client has sent, which may have passwords in it;
    /// no when not set: up to 400 bytes of it are shown then, those of a longer head from both its ends.
    // SRV-17.
    pub fn secure_error_log_message(mut self, leaves_out: bool) -> Self {
        self.logging.is_secret_free = leaves_out;
        self
    }
}

impl ServerBuilder {
    /// Validates the options.
    pub(crate) fn resolve(mut self) -> Result<Settings, BuildError> {
        let threads = &mut self.threads;
        if threads.max_streaming_workers == UNSET {
            // A quarter is left to those who do not wait for clients, if there is so much to share.
            let left = (threads.max_workers / 4).max(1);
            threads.max_streaming_workers = threads.max_workers.saturating_sub(left).max(1);
        }
        self.check_threads()?;
        self.check_connections()?;
        self.check_listening()?;
        self.check_proxies()?;
        self.check_requests()?;
        self.check_timeouts()?;
        let expectation = self.hooks.expectation.or(self.continues);
        self.limits.head_decision = match (&self.hooks.header_received, &expectation) {
            (Some(_), _) => HeadDecision::Always,
            (None, Some(_)) => HeadDecision::Expecting,
            (None, None) => HeadDecision::Never,
        };
        self.timeouts.idle = self.timeouts.idle.or(self.timeouts.read);
        // Each server counts for itself, also when their builders are copies.
        self.ctx.timed = Arc::default();
        Ok(Settings {
            defaults: self.defaults,
            threads: self.threads,
            connections: self.connections,
            listening: self.listening,
            timeouts: self.timeouts,
            read_buffer_size: self.limits.head_bytes_max,
            limits: self.limits,
            read_ahead: self.read_ahead,
            get_only: self.get_only,
            ctx: Arc::new(self.ctx),
            hooks: Hooks { expectation, ..self.hooks },
            logging: self.logging,
        })
    }

    fn check_threads(&self) -> Result<(), BuildError> {
        let Threads { shards, max_workers, max_streaming_workers, max_waiting, max_hijacked, .. } =
            self.threads;
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
        if self.threads.max_idle_worker_duration.is_zero() {
            return Err(BuildError::new("max_idle_worker_duration", "must be above zero"));
        }
        Ok(())
    }

    fn check_connections(&self) -> Result<(), BuildError> {
        let Connections { concurrency, max_per_ip, max_requests, reuse_port, .. } = self.connections;
        at_least_one("concurrency", concurrency)?;
        if max_per_ip == Some(0) {
            return Err(BuildError::new("max_conns_per_ip", "must be at least 1, or None for no limit"));
        }
        if max_requests == Some(0) {
            return Err(BuildError::new("max_requests_per_conn", "must be at least 1, or None for no limit"));
        }
        if reuse_port && !SPREADS_OVER_A_PORT {
            let problem = "is not to be had on this system; leave it out, one listener serves all shards";
            return Err(BuildError::new("reuse_port", problem));
        }
        let mut name = self.defaults.name.iter().flatten();
        if name.any(u8::is_ascii_control) {
            let problem = "must not contain line breaks or other control characters";
            return Err(BuildError::new("name", problem));
        }
        Ok(())
    }

    fn check_requests(&self) -> Result<(), BuildError> {
        let Limits { head_bytes_max, fields_max, body_bytes_max, .. } = self.limits;
        if body_bytes_max == Some(0) {
            let problem =
                "must be at least 1, or None for no limit; to refuse bodies, let header_received do so";
            return Err(BuildError::new("max_request_body_size", problem));
        }
        at_least_one("max_header_fields", fields_max)?;
        if fields_max > FIELDS_CEILING {
            let problem = format!("of {fields_max} is too high; choose at most {FIELDS_CEILING}");
            return Err(BuildError::new("max_header_fields", problem));
        }
        if self.read_ahead > READ_AHEAD_CEILING {
            let problem = format!(
                "of {} bytes is no part of a body; choose at most {READ_AHEAD_CEILING}",
                self.read_ahead
            );
            return Err(BuildError::new("body_read_ahead", problem));
        }
        if !(SMALLEST_READ_BUFFER..=HEAD_BYTES_CEILING).contains(&head_bytes_max) {
            let problem = format!(
                "of {head_bytes_max} bytes is out of bounds; choose {SMALLEST_READ_BUFFER} to {HEAD_BYTES_CEILING}"
            );
            return Err(BuildError::new("read_buffer_size", problem));
        }
        Ok(())
    }

    fn check_timeouts(&self) -> Result<(), BuildError> {
        let Timeouts { read, read_header, idle, write, body_rate, response_rate } = self.timeouts;
        check_rate("min_body_rate", body_rate)?;
        check_rate("min_response_rate", response_rate)?;
        let timeouts = [
            ("read_timeout", read),
            ("read_header_timeout", read_header),
            ("idle_timeout", idle),
            ("write_timeout", write),
        ];
        match timeouts.into_iter().find(|(_, limit)| limit.is_some_and(|limit| limit.is_zero())) {
            Some((option, _)) => Err(BuildError::new(option, "must be above zero; None switches it off")),
            None => Ok(()),
        }
    }
}

fn check_rate(option: &'static str, rate: Option<MinRate>) -> Result<(), BuildError> {
    let Some(rate) = rate else { return Ok(()) };
    let bytes = rate.bytes_per_second();
    if !(1..=HIGHEST_MIN_RATE).contains(&bytes) {
        let problem = format!(
            "of {bytes} bytes per second is out of bounds; choose 1 to {HIGHEST_MIN_RATE}, or None for no such rate"
        );
        return Err(BuildError::new(option, problem));
    }
    if rate.grace().is_zero() {
        let problem = "with a grace of zero would refuse everybody who is waited for; choose some seconds";
        return Err(BuildError::new(option, problem));
    }
    Ok(())
}

fn at_least_one(option: &'static str, value: usize) -> Result<(), BuildError> {
    if value == 0 { Err(BuildError::new(option, "must be at least 1")) } else { Ok(()) }
}

/// An option that cannot be met; what [`ServerBuilder::build`] refuses to build a server of.
///
/// Its text names the option and what helps.
///
/// ```
/// use anthill_http::Server;
/// let error = Server::builder().max_workers(0).build(|_| {}).unwrap_err();
/// assert_eq!(error.option(), "max_workers");
/// assert_eq!(error.to_string(), "max_workers must be at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    option: &'static str,
    problem: Cow<'static, str>,
}

impl BuildError {
    pub(super) fn new(option: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { option, problem: problem.into() }
    }

    /// The option's name.
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.problem)
    }
}

impl std::error::Error for BuildError {}
