//! What is different for one request.

use crate::proto::Limits;
use std::time::Duration;

/// What is different for one request; see [`header_received`](crate::ServerBuilder::header_received).
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
    streams_body: Option<bool>,
}

impl RequestConfig {
    /// Nothing is different.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes the body may have; `None`: any number.
    pub fn max_request_body_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.body_bytes_max = Some(bytes.into());
        self
    }

    /// How long the body may take, from now on. While it is streamed: how long the client may send nothing. `None` means
    /// no limit; zero is over at once.
    pub fn read_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.read_timeout = Some(limit.into());
        self
    }

    /// How long the client may take nothing of the response. `None` means no limit; zero is over at once.
    pub fn write_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.write_timeout = Some(limit.into());
        self
    }

    /// Says whether the handler is called before the body is there.
    pub fn stream_request_body(mut self, streams: bool) -> Self {
        self.streams_body = Some(streams);
        self
    }

    /// `limits` with what is different.
    pub(crate) fn apply(&self, limits: &Limits) -> Limits {
        Limits {
            body_bytes_max: self.body_bytes_max.unwrap_or(limits.body_bytes_max),
            streams_bodies: self.streams_body.unwrap_or(limits.streams_bodies),
            ..*limits
        }
    }

    /// What holds for this request when `server` is the server's read timeout.
    pub(crate) fn read_timeout_or(&self, server: Option<Duration>) -> Option<Duration> {
        self.read_timeout.unwrap_or(server)
    }

    /// What holds for this request when `server` is the server's write timeout.
    pub(crate) fn write_timeout_or(&self, server: Option<Duration>) -> Option<Duration> {
        self.write_timeout.unwrap_or(server)
    }
}
