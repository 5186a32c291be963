//! What is different for one request.

use crate::proto::Limits;
use std::time::Duration;

/// What is different for one request; see [`header_received`](crate::ServerBuilder::header_received).
///
/// What is not set is as the server's options say.
///
/// ```
/// use anthill_http::RequestConfig;
/// use std::time::Duration;
/// let upload = RequestConfig::new().stream_body(true).read_timeout(Duration::from_secs(60));
/// assert_ne!(upload, RequestConfig::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestConfig {
    body_bytes_max: Option<u64>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    streams_body: Option<bool>,
}

impl RequestConfig {
    /// Nothing is different.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes the body may have.
    pub fn max_request_body_size(mut self, bytes: u64) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// How long the body may take, from now on. While it is streamed: how long the client may send nothing.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = Some(limit);
        self
    }

    /// How long the client may take nothing of the response.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = Some(limit);
        self
    }

    /// Whether the handler is called before the body is there.
    pub fn stream_body(mut self, streams: bool) -> Self {
        self.streams_body = Some(streams);
        self
    }

    /// `limits` with what is different.
    pub(crate) fn apply(&self, limits: &Limits) -> Limits {
        Limits {
            body_bytes_max: self.body_bytes_max.or(limits.body_bytes_max),
            streams_bodies: self.streams_body.unwrap_or(limits.streams_bodies),
            ..*limits
        }
    }
}
