//! A request that is over, as whoever keeps a record is told of it.

use crate::ctx::ConnInfo;
use crate::message::request::Request;
use crate::proto::ProtoError;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// A request that is over, for [`on_complete`](crate::ServerBuilder::on_complete): the last byte of its response was
/// given to the system, or nothing more of it will be.
#[derive(Debug)]
pub struct CompletedRequest {
    pub(crate) request: Request,
    pub(crate) conn: ConnInfo,
    pub(crate) remote_addr: Option<SocketAddr>,
    pub(crate) time: SystemTime,
    pub(crate) route: Option<&'static str>,
    /// Empty when it has none.
    pub(crate) request_id: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) outcome: RequestOutcome,
    pub(crate) bytes: ExchangedBytes,
    pub(crate) times: ExchangeTimes,
}

/// Heads beyond so many bytes are rare.
const KEPT_HEAD_MAX: usize = 16 * 1024;

/// How many bytes went to and fro.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExchangedBytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Of those sent, the head's.
    pub(crate) head: u64,
}

/// What took how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExchangeTimes {
    pub(crate) waited: Duration,
    pub(crate) handled: Duration,
    pub(crate) sent: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// It was answered, and all of the response was given to the system.
    Sent,
    /// The connection ended before all of the response was sent, or before there was one: the client went away, or was
    /// given up.
    ClientGone,
    /// The source of the response's body failed behind the head, so the response broke off.
    Broken,
    /// The handler panicked; that was answered.
    Panicked,
    /// It was refused before it reached a handler, for this; that was answered, where there was somebody to answer.
    Refused(ProtoError),
    /// It was answered 503, because no thread could be had for it in time.
    TurnedAway,
    /// A handler or a hook has kept its context, so its connection was closed without an answer. Nothing is known of it
    /// but its connection.
    ContextKept,
}

/// `sent`, `client gone`, `broken`, `panicked`, `turned away`, `context kept`; `refused: ` and the cause.
impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent => f.write_str("sent"),
            Self::ClientGone => f.write_str("client gone"),
            Self::Broken => f.write_str("broken"),
            Self::Panicked => f.write_str("panicked"),
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::TurnedAway => f.write_str("turned away"),
            Self::ContextKept => f.write_str("context kept"),
        }
    }
}

impl CompletedRequest {
    /// That of nothing, to be filled in.
    pub(crate) fn blank() -> Self {
        Self {
            request: Request::empty(),
            conn: ConnInfo::default(),
            remote_addr: None,
            time: SystemTime::UNIX_EPOCH,
            route: None,
            request_id: Vec::new(),
            status: 0,
            outcome: RequestOutcome::Sent,
            bytes: ExchangedBytes::default(),
            times: ExchangeTimes::default(),
        }
    }

    /// Whether its memory is worth keeping.
    pub(crate) fn is_small(&self) -> bool {
        self.request.input().capacity() <= KEPT_HEAD_MAX
    }

    /// The request's head as it was received, whatever handlers have changed since. For one that was refused, as far as
    /// it could be read; the method may be empty.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The method; empty when a refused request had none, or nothing is known of it.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// The path, decoded, as [`Request::path`].
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// The connection; [`request_number`](ConnInfo::request_number) says which of its requests this was.
    pub fn conn(&self) -> &ConnInfo {
        &self.conn
    }

    /// The peer's address, or the one that a handler has [put in its place](crate::RequestCtx::set_remote_addr); `None`
    /// when it is not known.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote_addr
    }

    /// When the server began to serve it; see [`RequestCtx::time`](crate::RequestCtx::time).
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// What a router or a handler has called its route ([`RequestCtx::route`](crate::RequestCtx::route)); `None` where
    /// nobody did, for instance because the request was refused before.
    pub fn route(&self) -> Option<&'static str> {
        self.route
    }

    /// The id that [`middleware::request_id`](crate::middleware::request_id()) has given it; `None` where that was not
    /// around its handler.
    pub fn request_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.request_id).ok().filter(|id| !id.is_empty())
    }

    /// The status that was answered. Where the connection ended before there was an answer: 499, as nginx has it, or
    /// 500 when a handler kept the context.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How it ended.
    pub fn outcome(&self) -> RequestOutcome {
        self.outcome
    }

    /// Bytes of the request: its head, and as much of its body as was read, without the framing of chunks. For one that
    /// was refused, what had been received of it.
    pub fn bytes_received(&self) -> u64 {
        self.bytes.received
    }

    /// Bytes of the response, head and framing included, that were sent, or were to be when the connection ended.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes.sent
    }

    /// The same without the head.
    pub fn body_bytes_sent(&self) -> u64 {
        self.bytes.sent.saturating_sub(self.bytes.head)
    }

    /// From when its head had been found to when its handler began: in which its body arrived, and it waited for a
    /// thread.
    pub fn waited(&self) -> Duration {
        self.times.waited
    }

    /// How long its handler ran.
    pub fn handled(&self) -> Duration {
        self.times.handled
    }

    /// From the end of its handler to the last byte of the response, or to the end of the connection.
    pub fn sent(&self) -> Duration {
        self.times.sent
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.waited().saturating_add(self.handled()).saturating_add(self.sent())
    }
}
