//! The options as everything below the builder reads them: complete, checked, grouped by what they are about.
//!
//! The builder keeps the same groups, so that validating checks them and makes nothing anew.

#[cfg(any(feature = "metrics", feature = "tracing"))]
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "router")]
use crate::config::hooks::RouteHooks;
use crate::config::hooks::{
    BoxedHandler, ErrorHandler, ExpectHandler, HeadHooks, HeaderHook, Observers, RouteConfig,
};
use crate::ctx::{CtxOptions, RequestCtx, TimeLimit};
use crate::proto::{DefaultFields, Limits};
use crate::wire::pace::MinRate;

/// The resolved options.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) defaults: ResponseDefaults,
    pub(crate) threads: Threads,
    pub(crate) connections: Connections,
    pub(crate) listening: ListenOptions,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    /// Bytes of the buffer that requests are read into.
    pub(crate) read_buffer_size: usize,
    /// Bytes of a streamed body that are received before the handler is called, if they come soon.
    pub(crate) read_ahead: usize,
    /// Whether only GET and HEAD are served.
    pub(crate) get_only: bool,
    pub(crate) ctx: Arc<CtxOptions>,
    pub(crate) hooks: Hooks,
    pub(crate) logging: Logging,
}

/// What is told to the log, and to whoever has started the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Logging {
    /// Also what clients do, of which no operator need know.
    pub(crate) all_errors: bool,
    /// Nothing that a client has sent.
    pub(crate) is_secret_free: bool,
    /// Nothing to the service manager.
    #[cfg_attr(not(unix), allow(dead_code, reason = "there is none"))]
    pub(crate) is_unnotified: bool,
}

/// What responses have unless handlers set it.
#[derive(Clone, Debug)]
pub(crate) struct ResponseDefaults {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) date: bool,
    pub(crate) content_type: bool,
}

/// Who does the work.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    pub(crate) shards: usize,
    /// Handlers that may block at once.
    pub(crate) max_workers: usize,
    /// Those of them that may go on at the pace of a client; `None`: as many of them as is usual.
    pub(crate) max_streaming_workers: Option<usize>,
    pub(crate) max_waiting: usize,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) max_idle_worker_duration: Duration,
    /// How long a handler may run before that is told.
    pub(crate) blocked_handler_limit: Option<Duration>,
    /// How long handlers are waited for.
    pub(crate) handler_timeout: TimeLimit,
    /// Functions that have taken connections over, each on a thread of its own.
    pub(crate) max_hijacked: usize,
}

/// How many connections there may be, and how long each is kept.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pub(crate) concurrency: usize,
    pub(crate) max_per_ip: Option<usize>,
    pub(crate) max_requests: Option<u64>,
    pub(crate) keep_alive: bool,
    pub(crate) close_on_shutdown: bool,
    /// Whether a connection on which nothing ever came is told so when its time is up.
    pub(crate) answers_silence: bool,
    /// How long connections are taken in after a shutdown was asked for.
    pub(crate) shutdown_delay: Duration,
    /// How long a shutdown may take that a signal has begun.
    pub(crate) shutdown_timeout: Duration,
    /// Whether there is a listener for each shard.
    pub(crate) reuse_port: bool,
}

/// What is asked of the system for the listeners that the server opens; `None`: as the system likes.
#[derive(Clone, Debug)]
pub(crate) struct ListenOptions {
    /// Connections that the system may complete before they are accepted.
    pub(crate) backlog: i32,
    /// How long a connection is silent before the system asks whether the peer is there.
    pub(crate) keepalive: Option<Duration>,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_probes: Option<u32>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
    /// Bytes not sent yet beyond which a connection takes no more.
    pub(crate) not_sent_lowat: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions {
            backlog: 4096,
            keepalive: None,
            keepalive_interval: None,
            keepalive_probes: None,
            receive_buffer: None,
            send_buffer: None,
            not_sent_lowat: None,
        }
    }
}

/// How long things may take, and how slow they may be; `None`: as they like.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    pub(crate) read: Option<Duration>,
    pub(crate) read_header: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Option<Duration>,
    /// How fast bodies have to come.
    pub(crate) body_rate: Option<MinRate>,
    /// How fast responses have to be taken.
    pub(crate) response_rate: Option<MinRate>,
}

/// Puts something around the handler of a server that is built.
#[cfg(any(feature = "metrics", feature = "tracing"))]
#[derive(Clone)]
pub(crate) struct AroundHandler(pub(crate) Arc<AroundHandlerFn>);

/// The same; it is told what else the user wants to be asked.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) type AroundHandlerFn = dyn Fn(BoxedHandler, &Hooks) -> BoxedHandler + Send + Sync;

#[cfg(any(feature = "metrics", feature = "tracing"))]
impl fmt::Debug for AroundHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AroundHandler")
    }
}

/// What the user wants to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) header_received: Option<HeaderHook>,
    #[cfg(feature = "router")]
    pub(crate) routes: Option<RouteHooks>,
    pub(crate) expectation: Option<ExpectHandler>,
    /// Answers what is refused.
    pub(crate) refused: Option<ErrorHandler>,
    pub(crate) observers: Observers,
    /// What is around the handler, the innermost first.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) around: Vec<AroundHandler>,
}

impl Hooks {
    /// The handler, with what is around it.
    pub(crate) fn around(&self, handler: BoxedHandler) -> BoxedHandler {
        #[cfg(any(feature = "metrics", feature = "tracing"))]
        return self.around.iter().fold(handler, |inner, AroundHandler(around)| around(inner, self));
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        handler
    }

    /// What says what is different for the requests of some route.
    pub(crate) fn route_config(&self) -> Option<&RouteConfig> {
        #[cfg(feature = "router")]
        return self.routes.as_ref()?.config.as_deref();
        #[cfg(not(feature = "router"))]
        None
    }

    /// Says in `ctx` what its route is called, for records of requests that no handler may come to say it for.
    pub(crate) fn note_route(&self, ctx: &mut RequestCtx) {
        #[cfg(feature = "router")]
        if let Some(label) = self.routes.as_ref().and_then(|routes| (routes.label)(ctx)) {
            ctx.set_route(label);
        }
        #[cfg(not(feature = "router"))]
        let _ = ctx;
    }

    /// The number of the route that a router has found for the request in `ctx`; `None` when that says nothing of
    /// whether it blocks.
    #[inline]
    pub(crate) fn route_key(&self, ctx: &mut RequestCtx) -> Option<u32> {
        #[cfg(feature = "router")]
        return (self.routes.as_ref()?.key)(ctx);
        #[cfg(not(feature = "router"))]
        {
            let _ = ctx;
            None
        }
    }
}

impl Threads {
    /// Workers that may go on at the pace of a client. When not set, a quarter is left to those who do not wait for
    /// clients, if there is so much to share.
    pub(crate) fn streaming_workers(&self) -> usize {
        self.max_streaming_workers.unwrap_or_else(|| {
            let left = (self.max_workers / 4).max(1);
            self.max_workers.saturating_sub(left).max(1)
        })
    }

    /// Workers for what may block: one more than those that wait for clients, at least.
    pub(crate) fn helpers(&self) -> usize {
        self.max_workers.max(self.streaming_workers().saturating_add(1))
    }

    /// All workers: each shard has a driver, and each of them may be overtaken while all others, and `spares` besides,
    /// are busy.
    pub(crate) fn all(&self, spares: usize) -> usize {
        self.shards.saturating_mul(2).saturating_add(self.helpers()).saturating_add(spares)
    }
}

impl Settings {
    /// What responses have unless handlers set it.
    pub(crate) fn default_fields(&self) -> DefaultFields {
        let defaults = &self.defaults;
        DefaultFields::new(defaults.name.as_deref(), defaults.date, defaults.content_type)
    }

    /// What is called when a head has arrived.
    pub(crate) fn head_hooks(&self) -> HeadHooks<'_> {
        HeadHooks {
            header_received: self.hooks.header_received.as_ref().map(|hook| &*hook.0 as _),
            route_config: self.hooks.route_config(),
            expectation: self.hooks.expectation.as_ref().map(|hook| &*hook.0 as _),
        }
    }
}
