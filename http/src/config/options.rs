//! What the user says ([`ServerBuilder`]), validated once when it becomes [`Settings`].

use std::sync::Arc;
use std::time::Duration;

use crate::config::error::BuildError;
#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::config::hooks::OnComplete;
#[cfg(feature = "router")]
use crate::config::hooks::RouteHooks;
use crate::config::hooks::{ErrorHandler, ExpectHandler};
#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::config::settings::AroundHandler;
use crate::config::settings::{
    Connections, Hooks, ListenOptions, Logging, ResponseDefaults, Settings, Threads, Timeouts,
};
#[cfg(feature = "testing")]
use crate::ctx::TestWatch;
use crate::ctx::{CtxOptions, TimeLimit};
use crate::proto::{HeadDecision, Limits};
use crate::wire::pace::MinRate;

/// fasthttp's `DefaultConcurrency`.
const DEFAULT_CONCURRENCY: usize = 256 * 1024;
const DEFAULT_MAX_WORKERS: usize = 1024;
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_READ_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// That of Kestrel, whose grace is shorter; nginx waits as long between two reads.
const DEFAULT_MIN_RATE: MinRate = MinRate::new(240, Duration::from_secs(60));
const DEFAULT_MAX_IDLE_WORKER: Duration = Duration::from_secs(10);
/// Kubernetes ends a process by force after 30 s.
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
const DEFAULT_BLOCKED_HANDLER: Duration = Duration::from_secs(1);
const DEFAULT_MAX_HIJACKED: usize = 1024;
const DEFAULT_MAX_WAITING: usize = 8192;
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(30);
const DEFAULT_READ_AHEAD: usize = 64 * 1024;

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
/// | [`absolute_redirects`](Self::absolute_redirects) | yes or no | no | the client knows by which scheme and host it came | yes: `Location` is an absolute URI |
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
/// | [`close_on_shutdown`](Self::close_on_shutdown) | yes or no | yes | who closes a connection ought to say so | no: closed without a word while shutting down |
/// | [`answer_silent_conns`](Self::answer_silent_conns) | yes or no | no | a browser that connects ahead takes it for the answer to its first request | yes: 408 when nothing was ever sent |
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
/// The log, and whoever has started the process:
///
/// | option | unit | default | why | otherwise |
/// |---|---|---|---|---|
/// | [`log_all_errors`](Self::log_all_errors) | yes or no | no | what clients do is no fault of the server | yes: refused requests and broken connections at level `Warn` |
/// | [`blocked_handler_limit`](Self::blocked_handler_limit) | time | 1 s | nobody waits longer for a page without wondering | a line at level `Warn` |
/// | [`secure_error_log_message`](Self::secure_error_log_message) | yes or no | no | whoever looks for a fault wants to see it | yes: nothing that a client has sent |
/// | [`service_notifications`](Self::service_notifications) | yes or no | yes | systemd waits for it, where it says so | no: nothing is told to it |
///
/// Hooks, none of which is set by default: [`header_received`](Self::header_received),
/// [`expect_handler`](Self::expect_handler), [`continue_handler`](Self::continue_handler),
/// [`form_value_func`](Self::form_value_func), [`error_body`](Self::error_body),
/// [`error_handler`](Self::error_handler), [`panic_handler`](Self::panic_handler), [`on_complete`](Self::on_complete),
/// [`access_log`](Self::access_log), [`conn_state`](Self::conn_state).
///
/// For tests there is a [`clock`](Self::clock), with the feature `testing`.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ServerBuilder {
    pub(super) defaults: ResponseDefaults,
    pub(super) threads: Threads,
    pub(super) connections: Connections,
    pub(super) listening: ListenOptions,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) read_ahead: usize,
    pub(super) get_only: bool,
    pub(super) ctx: CtxOptions,
    pub(super) hooks: Hooks,
    pub(super) logging: Logging,
    pub(super) continues: Option<ExpectHandler>,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        ServerBuilder {
            defaults: ResponseDefaults { name: Some(b"anthill".to_vec()), date: true, content_type: true },
            threads: Threads {
                shards: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
                max_workers: DEFAULT_MAX_WORKERS,
                max_streaming_workers: None,
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
                close_on_shutdown: true,
                answers_silence: false,
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
    /// Names the server in the `Server` field of every response, `anthill` when not set (fasthttp's `Name`). With
    /// `None`, or an empty name, there is no such field unless the handler sets one.
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

    /// Says whether bodies whose handler sets no `Content-Type` are sent as `text/plain; charset=utf-8`; yes when not
    /// set.
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

    fn check_responses(&self) -> Result<(), BuildError> {
        let mut name = self.defaults.name.iter().flatten();
        if name.any(u8::is_ascii_control) {
            let problem = "must not contain line breaks or other control characters";
            return Err(BuildError::new("name", problem));
        }
        Ok(())
    }
}

impl ServerBuilder {
    /// Has a router asked before requests are handled.
    #[cfg(feature = "router")]
    pub(crate) fn routed_by(mut self, routes: RouteHooks) -> Self {
        self.hooks.routes = Some(routes);
        self
    }

    /// Puts something around the handler, whichever it will be, outside of what was put there before; and tells it of
    /// requests that are over.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn surrounded_by(mut self, around: AroundHandler, completed: OnComplete) -> Self {
        self.hooks.around.push(around);
        self.hooks.observers.completed.push(completed);
        self.hooks.observers.are_any = true;
        self
    }

    /// Validates the options.
    pub(crate) fn resolve(mut self) -> Result<Settings, BuildError> {
        self.check_responses()?;
        self.check_threads()?;
        self.check_connections()?;
        self.check_listening()?;
        self.check_proxies()?;
        self.check_requests()?;
        self.check_timeouts()?;
        let is_configured = self.hooks.header_received.is_some() || self.hooks.route_config().is_some();
        let expectation = self.hooks.expectation.or(self.continues);
        self.limits.head_decision = match &expectation {
            _ if is_configured => HeadDecision::Always,
            Some(_) => HeadDecision::Expecting,
            None => HeadDecision::Never,
        };
        self.timeouts.idle = self.timeouts.idle.or(self.timeouts.read);
        if self.ctx.error_body.is_some() && self.hooks.refused.is_none() {
            // It is run as that is; what it makes is the answer already.
            self.hooks.refused = Some(ErrorHandler(Arc::new(|_, _| {})));
        }
        // Each server counts for itself, also when their builders are copies.
        self.ctx.timed = Arc::default();
        #[cfg(feature = "testing")]
        {
            self.ctx.watch = self.ctx.watch.map(|watch| TestWatch::new(watch.clock));
        }
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
}
