//! What is different for one request.

use crate::proto::Limits;
use crate::wire::pace::{MinRate, Pace};
use std::time::Duration;

/// What is different for one request; see [`header_received`](crate::ServerBuilder::header_received), and `config` of
/// routers and routes.
///
/// What is not set is as the server's options of the same names say. A plain value sets a bound, `None` takes it away.
///
/// ```
/// use anthill_http::RequestConfig;
/// use std::time::Duration;
/// let upload = RequestConfig::new()
///     .max_request_body_size(None)
///     .stream_request_body(true)
///     .read_timeout(Duration::from_secs(60));
/// assert_ne!(upload, RequestConfig::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestConfig {
    body_bytes_max: Option<Option<u64>>,
    read_timeout: Option<Option<Duration>>,
    write_timeout: Option<Option<Duration>>,
    min_body_rate: Option<Option<MinRate>>,
    min_response_rate: Option<Option<MinRate>>,
    streams_body: Option<bool>,
    handler_timeout: Option<Option<Duration>>,
}

impl RequestConfig {
    /// Nothing is different.
    pub(crate) const NOTHING: Self = Self {
        body_bytes_max: None,
        read_timeout: None,
        write_timeout: None,
        min_body_rate: None,
        min_response_rate: None,
        streams_body: None,
        handler_timeout: None,
    };

    /// Nothing is different.
    pub fn new() -> Self {
        Self::NOTHING
    }

    /// How many bytes the body may have; `None`: any number. Zero: requests with a body are answered 413. When the body
    /// is streamed this bounds what [`read_body`](crate::RequestCtx::read_body) collects.
    pub fn max_request_body_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.body_bytes_max = Some(bytes.into());
        self
    }

    /// How long the body may take, from now on. While it is streamed: how long the client may send nothing. `None`
    /// means no limit; zero is over at once.
    pub fn read_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.read_timeout = Some(limit.into());
        self
    }

    /// How long the client may take nothing of the response. `None` means no limit; zero is over at once.
    pub fn write_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.write_timeout = Some(limit.into());
        self
    }

    /// The least speed at which the body has to come while the server waits for it. With `None` there is none: for
    /// bodies that are conversations, whose client may have nothing to say for long. A rate of zero asks for a byte
    /// within each grace; a grace of zero is over at once.
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server};
    /// use std::time::Duration;
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/talk" => RequestConfig::new()
    ///             .stream_request_body(true)
    ///             .min_body_rate(None)
    ///             .read_timeout(Duration::from_secs(3600)),
    ///         _ => RequestConfig::new(),
    ///     })
    ///     .build(|ctx| ctx.set_body("heard"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn min_body_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.min_body_rate = Some(rate.into());
        self
    }

    /// The least speed at which the client has to take the response while the server waits for that. With `None` there
    /// is none; zeros as in [`min_body_rate`](Self::min_body_rate).
    pub fn min_response_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.min_response_rate = Some(rate.into());
        self
    }

    /// Says whether the handler is called before the body is there, behind as much of it as the server's
    /// [`body_read_ahead`](crate::ServerBuilder::body_read_ahead) says.
    pub fn stream_request_body(mut self, streams: bool) -> Self {
        self.streams_body = Some(streams);
        self
    }

    /// How long the handler is waited for; `None` and zero: however long it takes. What is answered when it takes
    /// longer, and how many may run, is as the server's [`handler_timeout`](crate::ServerBuilder::handler_timeout)
    /// says.
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server};
    /// use std::time::Duration;
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/report" => RequestConfig::new().handler_timeout(Duration::from_secs(60)),
    ///         _ => RequestConfig::new(),
    ///     })
    ///     .build(|ctx| ctx.set_body("ready"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn handler_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.handler_timeout = Some(limit.into());
        self
    }

    /// What `over` says, and else this.
    pub(crate) fn overlaid(self, over: &Self) -> Self {
        Self {
            body_bytes_max: over.body_bytes_max.or(self.body_bytes_max),
            read_timeout: over.read_timeout.or(self.read_timeout),
            write_timeout: over.write_timeout.or(self.write_timeout),
            min_body_rate: over.min_body_rate.or(self.min_body_rate),
            min_response_rate: over.min_response_rate.or(self.min_response_rate),
            streams_body: over.streams_body.or(self.streams_body),
            handler_timeout: over.handler_timeout.or(self.handler_timeout),
        }
    }

    /// How long the handler is waited for, when the server's limit is this; zero: for ever.
    pub(crate) fn handling(&self, server: Duration) -> Duration {
        self.handler_timeout.map_or(server, Option::unwrap_or_default)
    }

    /// `limits` with what is different.
    pub(crate) fn apply(&self, limits: &Limits) -> Limits {
        Limits {
            body_bytes_max: self.body_bytes_max.unwrap_or(limits.body_bytes_max),
            streams_bodies: self.streams_body.unwrap_or(limits.streams_bodies),
            ..*limits
        }
    }

    /// How slow the body of this request may be, when the server's timeout and rate are these.
    pub(crate) fn reading(&self, timeout: Option<Duration>, rate: Option<MinRate>) -> Pace {
        Pace::new(self.read_timeout.unwrap_or(timeout), self.min_body_rate.unwrap_or(rate))
    }

    /// How slowly the response to this request may be taken, when the server's timeout and rate are these.
    pub(crate) fn writing(&self, timeout: Option<Duration>, rate: Option<MinRate>) -> Pace {
        Pace::new(self.write_timeout.unwrap_or(timeout), self.min_response_rate.unwrap_or(rate))
    }
}
