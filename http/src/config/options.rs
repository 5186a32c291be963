//! What the user says ([`Builder`]), validated once when it becomes [`Settings`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::hooks::{ExpectHandler, HeaderHook};
use crate::config::request_config::RequestConfig;
use crate::config::settings::Settings;
use crate::ctx::{CtxOptions, FormValue, RequestCtx};
use crate::message::request::Request;
use crate::proto::{HeadDecision, Limits};

/// fasthttp's `DefaultConcurrency`.
const DEFAULT_CONCURRENCY: usize = 256 * 1024;
const DEFAULT_MAX_WORKERS: usize = 1024;
const DEFAULT_READ_BUFFER: usize = 16 * 1024;
const SMALLEST_READ_BUFFER: usize = 256;
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_READ_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_MAX_IDLE_WORKER: Duration = Duration::from_secs(10);

/// Options of a [`Server`](crate::Server); made by [`Server::builder`](crate::Server::builder).
///
/// A duration of zero switches a timeout off; that between requests is then as long as the read timeout.
///
/// | option | default | |
/// |---|---|---|
/// | [`name`](Builder::name) | `anthill` | the `Server` header |
/// | [`shards`](Builder::shards) | cores | event loops |
/// | [`max_workers`](Builder::max_workers) | 1024 | threads at most |
/// | [`concurrency`](Builder::concurrency) | 262144 | connections at most; beyond: 503 |
/// | [`max_conns_per_ip`](Builder::max_conns_per_ip) | unlimited | beyond: 429 |
/// | [`max_requests_per_conn`](Builder::max_requests_per_conn) | unlimited | the last one closes |
/// | [`read_buffer_size`](Builder::read_buffer_size) | 16 KiB | also the limit of a request's head; beyond: 431 |
/// | [`max_request_body_size`](Builder::max_request_body_size) | 4 MiB | beyond: 413 |
/// | [`read_header_timeout`](Builder::read_header_timeout) | 10 s | first byte to end of head; beyond: 408 |
/// | [`read_timeout`](Builder::read_timeout) | 300 s | first byte to end of body; beyond: 408 |
/// | [`idle_timeout`](Builder::idle_timeout) | 75 s | between requests; beyond: closed |
/// | [`write_timeout`](Builder::write_timeout) | 60 s | without progress in sending; beyond: closed |
///
/// ```
/// use anthill_http::Server;
/// use std::time::Duration;
///
/// let server = Server::builder()
///     .name("shop")
///     .max_request_body_size(64 * 1024)
///     .read_header_timeout(Duration::from_secs(5))
///     .build(|ctx| ctx.set_body("open"))?;
/// assert_eq!(server.stats().open_connections, 0);
/// # Ok::<(), anthill_http::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    name: Option<String>,
    date: bool,
    content_type: bool,
    shards: usize,
    max_workers: usize,
    concurrency: usize,
    max_conns_per_ip: usize,
    max_requests_per_conn: u64,
    read_buffer_size: usize,
    max_request_body_size: Option<u64>,
    read_timeout: Duration,
    read_header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    keep_alive: bool,
    get_only: bool,
    close_on_shutdown: bool,
    max_idle_worker_duration: Duration,
    stream_request_body: bool,
    ctx: CtxOptions,
    header_received: Option<HeaderHook>,
    expectation: Option<ExpectHandler>,
    continues: Option<ExpectHandler>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            name: Some("anthill".to_owned()),
            date: true,
            content_type: true,
            shards: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            max_workers: DEFAULT_MAX_WORKERS,
            concurrency: DEFAULT_CONCURRENCY,
            max_conns_per_ip: usize::MAX,
            max_requests_per_conn: u64::MAX,
            read_buffer_size: DEFAULT_READ_BUFFER,
            max_request_body_size: Limits::default().body_bytes_max,
            read_timeout: DEFAULT_READ_TIMEOUT,
            read_header_timeout: DEFAULT_READ_HEADER_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            keep_alive: true,
            get_only: false,
            close_on_shutdown: false,
            max_idle_worker_duration: DEFAULT_MAX_IDLE_WORKER,
            stream_request_body: false,
            ctx: CtxOptions::DEFAULT,
            header_received: None,
            expectation: None,
            continues: None,
        }
    }
}

impl Builder {
    /// The `Server` header of every response (fasthttp: `Name`); none when empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends no `Server` header unless the handler sets one.
    pub fn no_default_server_header(mut self) -> Self {
        self.name = None;
        self
    }

    /// Sends no `Date` header unless the handler sets one.
    pub fn no_default_date(mut self) -> Self {
        self.date = false;
        self
    }

    /// Sends no `Content-Type` unless the handler sets one; otherwise bodies are `text/plain; charset=utf-8`.
    pub fn no_default_content_type(mut self) -> Self {
        self.content_type = false;
        self
    }

    /// How many event loops serve the connections; as many as cores when not set.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// How many threads run handlers at most, one for each shard included. The others are what handlers that block can
    /// occupy at the same time while the shards go on; further ones wait. Threads are made on demand and go when unused.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = workers;
        self
    }

    /// How long an unused worker thread stays, 10 s when not set.
    pub fn max_idle_worker_duration(mut self, limit: Duration) -> Self {
        self.max_idle_worker_duration = limit;
        self
    }

    /// How many connections may be open at once; further ones are answered 503 and closed (`LIM-01`).
    pub fn concurrency(mut self, connections: usize) -> Self {
        self.concurrency = connections;
        self
    }

    /// How many connections one address may have open, IPv4 or IPv6; further ones are answered 429 and closed
    /// (`LIM-03`).
    pub fn max_conns_per_ip(mut self, connections: usize) -> Self {
        self.max_conns_per_ip = connections;
        self
    }

    /// After this many requests a connection is closed, with `Connection: close` in the last response (`SRV-16`).
    pub fn max_requests_per_conn(mut self, requests: u64) -> Self {
        self.max_requests_per_conn = requests;
        self
    }

    /// Size of the buffer that requests are read into, in bytes, and the limit of a request's line and header fields
    /// together; larger heads are answered 431 (`LIM-04`). At least 256.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.read_buffer_size = bytes;
        self
    }

    /// The largest request body, in bytes; larger ones are answered 413, by `Content-Length` before anything of the
    /// body is read (`LIM-05`, `LIM-06`).
    pub fn max_request_body_size(mut self, bytes: u64) -> Self {
        self.max_request_body_size = Some(bytes);
        self
    }

    /// Request bodies of any size are kept in memory (`LIM-07`).
    pub fn unlimited_request_body_size(mut self) -> Self {
        self.max_request_body_size = None;
        self
    }

    /// From a request's first byte to its last; then 408 (`TMO-02`). A connection that never starts its first request
    /// is given the shorter of this and the header timeout (`TMO-01`).
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = limit;
        self
    }

    /// From a request's first byte to the end of its head; then 408 (`TMO-06`).
    pub fn read_header_timeout(mut self, limit: Duration) -> Self {
        self.read_header_timeout = limit;
        self
    }

    /// How long a connection may stay silent between two requests; then it is closed (`TMO-03`). Zero: as long as the
    /// [`read_timeout`](Self::read_timeout).
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// How long a client may take nothing of a response; then the connection is closed (`TMO-04`). Begins after the
    /// handler (`TMO-05`) and anew with each progress.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// Closes every connection after its first response (`SRV-15`).
    pub fn disable_keepalive(mut self) -> Self {
        self.keep_alive = false;
        self
    }

    /// Answers everything but GET and HEAD with 405 and closes (`SRV-14`).
    pub fn get_only(mut self) -> Self {
        self.get_only = true;
        self
    }

    /// Adds `Connection: close` to responses while shutting down (`SHD-01`).
    pub fn close_on_shutdown(mut self) -> Self {
        self.close_on_shutdown = true;
        self
    }

    /// Calls handlers as soon as the head of a request has arrived; they read the body as it comes
    /// ([`RequestCtx::body_reader`]), or wait for it
    /// ([`RequestCtx::read_body`]).
    ///
    /// [`max_request_body_size`](Self::max_request_body_size) then bounds what `read_body` collects, not what a reader
    /// may read (row `STR-02`). A client that sends nothing for as long as [`read_timeout`](Self::read_timeout) ends the
    /// reading with an error. What a handler leaves unread is thrown away, up to 256 KiB; a connection with more than
    /// that is closed (row `STR-04`).
    pub fn stream_request_body(mut self) -> Self {
        self.stream_request_body = true;
        self
    }

    /// Sends the names of header fields as handlers give them, instead of in canonical form (row `HDR-02`): `x-iD` stays
    /// `x-iD`. Received names are always as they were sent, and found in any case.
    ///
    /// The fields that the server itself adds or orders (`Server`, `Date`, `Content-Type`, `Content-Length`,
    /// `Transfer-Encoding`, `Connection`, `Trailer`) are spelt as here.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .disable_header_names_normalizing()
    ///     .build(|ctx| ctx.response.set_header("x-iD", "7"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::ConfigError>(())
    /// ```
    pub fn disable_header_names_normalizing(mut self) -> Self {
        self.ctx.keeps_header_names = true;
        self
    }

    /// Looks up what [`RequestCtx::form_value`] is asked for (row `CTX-03`; fasthttp's `FormValueFunc`): the values of the
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

    /// Decides on each request with `Expect: 100-continue`, before its client sends the body: 100 asks for the body, any
    /// other status is the answer, with an empty body, and the connection ends (row `EXP-02`; fasthttp's
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
    /// # Ok::<(), anthill_http::ConfigError>(())
    /// ```
    pub fn expect_handler(mut self, decide: impl Fn(&mut RequestCtx) -> u16 + Send + Sync + 'static) -> Self {
        self.expectation = Some(ExpectHandler(Arc::new(decide)));
        self
    }

    /// Decides, when the head of a request has arrived, what is different for it: limits, timeouts, whether its body is
    /// streamed (row `SRV-13`; fasthttp's `HeaderReceived`). Called for every request, also for those without a body, and
    /// before an [`expect_handler`](Self::expect_handler).
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server};
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/upload" => RequestConfig::new().stream_body(true),
    ///         _ => RequestConfig::new().max_request_body_size(64 * 1024),
    ///     })
    ///     .build(|ctx| ctx.set_body("received"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::ConfigError>(())
    /// ```
    pub fn header_received(
        mut self,
        decide: impl Fn(&Request) -> RequestConfig + Send + Sync + 'static,
    ) -> Self {
        self.header_received = Some(HeaderHook(Arc::new(decide)));
        self
    }

    /// An [`expect_handler`](Self::expect_handler) that says yes or no: false answers 417 (row `EXP-03`; fasthttp's `ContinueHandler`). An
    /// [`expect_handler`](Self::expect_handler) comes before it.
    pub fn continue_handler(mut self, decide: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.continues =
            Some(ExpectHandler(Arc::new(move |ctx| if decide(&ctx.request) { 100 } else { 417 })));
        self
    }

    /// Validates the options.
    pub(crate) fn resolve(self) -> Result<Settings, ConfigError> {
        let refuse = |option, problem| Err(ConfigError { option, problem });
        if self.shards == 0 {
            return refuse("shards", "must be at least 1".to_owned());
        }
        if self.max_workers < self.shards {
            let problem = format!(
                "of {} cannot drive {} shards; raise it or lower shards",
                self.max_workers, self.shards
            );
            return refuse("max_workers", problem);
        }
        if self.concurrency == 0 {
            return refuse("concurrency", "must be at least 1".to_owned());
        }
        if self.max_conns_per_ip == 0 {
            return refuse("max_conns_per_ip", "must be at least 1".to_owned());
        }
        if self.max_requests_per_conn == 0 {
            return refuse("max_requests_per_conn", "must be at least 1".to_owned());
        }
        if self.read_buffer_size < SMALLEST_READ_BUFFER {
            return refuse("read_buffer_size", format!("must be at least {SMALLEST_READ_BUFFER} bytes"));
        }
        if self.max_idle_worker_duration.is_zero() {
            return refuse("max_idle_worker_duration", "must be above zero".to_owned());
        }
        if self.name.as_ref().is_some_and(|name| name.bytes().any(|byte| byte.is_ascii_control())) {
            return refuse("name", "must not contain line breaks or other control characters".to_owned());
        }
        let limits = Limits {
            head_bytes_max: self.read_buffer_size,
            body_bytes_max: self.max_request_body_size,
            streams_bodies: self.stream_request_body,
            head_decision: match (
                &self.header_received,
                self.expectation.is_some() || self.continues.is_some(),
            ) {
                (Some(_), _) => HeadDecision::Always,
                (None, true) => HeadDecision::Expecting,
                (None, false) => HeadDecision::Never,
            },
            ..Limits::default()
        };
        Ok(Settings {
            name: self.name.filter(|name| !name.is_empty()).map(String::into_bytes),
            date: self.date,
            content_type: self.content_type,
            shards: self.shards,
            max_workers: self.max_workers,
            max_idle_worker_duration: self.max_idle_worker_duration,
            concurrency: self.concurrency,
            max_conns_per_ip: self.max_conns_per_ip,
            max_requests_per_conn: self.max_requests_per_conn,
            read_buffer_size: self.read_buffer_size,
            limits,
            read_timeout: limit(self.read_timeout),
            read_header_timeout: limit(self.read_header_timeout),
            idle_timeout: limit(self.idle_timeout).or(limit(self.read_timeout)),
            write_timeout: limit(self.write_timeout),
            keep_alive: self.keep_alive,
            get_only: self.get_only,
            close_on_shutdown: self.close_on_shutdown,
            ctx: self.ctx,
            header_received: self.header_received,
            expectation: self.expectation.or(self.continues),
        })
    }
}

fn limit(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}

/// An option that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    option: &'static str,
    problem: String,
}

impl ConfigError {
    /// The option's name.
    pub fn option(&self) -> &str {
        self.option
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.problem)
    }
}

impl std::error::Error for ConfigError {}
