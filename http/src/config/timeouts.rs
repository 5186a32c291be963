//! How long clients and handlers may take.

use std::time::Duration;

use crate::config::error::BuildError;
use crate::config::options::ServerBuilder;
use crate::config::settings::Timeouts;
use crate::ctx::TimeLimit;
use crate::wire::pace::MinRate;

/// A byte per nanosecond; the time of fewer cannot be told.
const HIGHEST_MIN_RATE: u64 = 1_000_000_000;

/// Timeouts and rates. Each must be above zero; `None` switches it off.
///
/// Only what the server waits for its client counts: neither the time of handlers, nor that in which a request waits
/// for a thread.
impl ServerBuilder {
    /// How long a request may take from its first byte to its last, 300 s when not set; then 408, and the connection is
    /// closed. When the body is streamed: how long its client may send nothing. A connection that never starts its
    /// first request is given the shorter of this and the [`read_header_timeout`](Self::read_header_timeout), and then
    /// closed (see [`answer_silent_conns`](Self::answer_silent_conns)).
    ///
    /// A body that stops or trickles is given up sooner; see [`min_body_rate`](Self::min_body_rate).
    // TMO-01, TMO-02.
    pub fn read_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.read = limit.into();
        self
    }

    /// How long a request may take from its first byte to the end of its head, 10 s when not set; then 408, and the
    /// connection is closed. A TLS handshake, or a header of the PROXY protocol, is given the shorter of this and the
    /// [`read_timeout`](Self::read_timeout), and is answered nothing.
    // TMO-06.
    pub fn read_header_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.read_header = limit.into();
        self
    }

    /// How long a connection may stay silent between two requests, 75 s when not set; then it is closed.
    ///
    /// With `None` there is no limit of its own for that, and the [`read_timeout`](Self::read_timeout) takes its place,
    /// as in fasthttp. A connection may be silent for ever only when both are `None`.
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
    /// Bodies that are conversations need a [`rate`](crate::RequestConfig::min_body_rate) of their own, or none.
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

    /// How long handlers are waited for; however long it takes when not set, and with zero. What takes longer is
    /// answered 503, or what the [`TimeLimit`] says, and its connection goes on; the handler runs to its end unseen.
    /// See [`timeout`](crate::timeout()), which is the same for one handler, for what such handlers can and cannot do.
    ///
    /// [`RequestConfig::handler_timeout`](crate::RequestConfig::handler_timeout) says how long single requests may
    /// take. They are counted ([`ServerStats::timed_out_handlers`](crate::ServerStats)). A shutdown does not wait for
    /// handlers that nobody waits for.
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

    pub(super) fn check_timeouts(&self) -> Result<(), BuildError> {
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
