//! The client of one host.
//!
//! The idea: a call computes once until when it may take. Then, as often as it may be tried: a connection is leased,
//! the exchange runs on it, and the response takes the lease along.
//!
//! The rule: a call that has returned with an error has nothing under way any more but perhaps a look-up of a name.

use super::body::SendBody;
use super::conn::{Allowed, ClientSocket};
use super::dial;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::exchange::{Call, check};
use super::names::Names;
use super::options::{ClientTimeouts, HostClientBuilder, HostOptions};
use super::places::HostPlaces;
use super::response::ClientResponse;
use super::stock::{Ages, Leased, Leave, Stock};
use super::until::Until;
use crate::message::request::Request;
use crate::proto::Limits;
use crate::util::authority;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The port of plain HTTP.
const PORT: u16 = 80;

/// A client for one host, which may have several addresses that are used in turn for new connections.
///
/// It keeps connections and uses them again; whatever a request names as its host, it goes to one of these addresses. A
/// clone is the same client, and may go to any thread.
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::HostClient;
///
/// let running = Server::new(|ctx| {
///     let path = ctx.request.path().to_owned();
///     ctx.set_body(path);
/// })?
/// .start("127.0.0.1:0")?;
/// let client = HostClient::new(running.local_addr().to_string())?;
/// for path in ["/a", "/b"] {
///     assert_eq!(client.send(&Request::new("GET", path)?)?.text()?, path);
/// }
/// assert_eq!((client.stats().open, client.stats().idle), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HostClient {
    shared: Arc<SharedHost>,
}

struct SharedHost {
    addrs: Vec<HostAddr>,
    /// Which of them is the next for a new connection.
    next: AtomicUsize,
    names: Names,
    stock: Arc<Stock>,
    limits: Limits,
    body_bytes_max: Option<u64>,
    timeouts: ClientTimeouts,
    attempts_max: u32,
}

/// Where a host can be reached.
#[derive(Debug)]
struct HostAddr {
    /// As it was given.
    text: String,
    name: String,
    port: u16,
}

/// How many connections a client has; see [`HostClient::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HostClientStats {
    /// Connections, those that are being made included.
    pub open: usize,
    /// Those of them that wait for a request.
    pub idle: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

impl HostClient {
    /// A client with the default settings for `addrs`: `host:port`, or several of them, separated by commas. Without a
    /// port it is 80.
    ///
    /// # Errors
    /// When one of them is not of that form, or there is none.
    pub fn new(addrs: impl Into<String>) -> Result<Self, ClientError> {
        Self::builder(addrs).build()
    }

    /// Settings for a client for `addrs`, as [`new`](Self::new) takes them.
    pub fn builder(addrs: impl Into<String>) -> HostClientBuilder {
        HostClientBuilder::new(addrs.into())
    }

    pub(super) fn from_options(options: HostOptions) -> Result<Self, ClientError> {
        let addrs = options.addrs.split(',').map(HostAddr::parse).collect::<Result<Vec<_>, _>>()?;
        let places = HostPlaces::new(options.pool.conns_max, options.pool.idle_max, options.pool.order);
        let ages = Ages { idle: options.pool.idle_age, whole: options.pool.conn_age };
        let limits = Limits {
            head_bytes_max: options.limits.head_bytes,
            fields_max: options.limits.fields,
            // The response counts its body itself.
            body_bytes_max: None,
            streams_bodies: true,
            ..Limits::DEFAULT
        };
        let shared = SharedHost {
            addrs,
            next: AtomicUsize::new(0),
            names: Names::new(options.resolver, options.names_kept_for),
            stock: Stock::new(places, ages),
            limits,
            body_bytes_max: options.limits.body_bytes,
            timeouts: options.timeouts,
            attempts_max: options.attempts_max,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends `request` with its body, and waits for the head of the response. Redirects are handed back as they are.
    ///
    /// An absolute target is sent as path and query; a request without a host names the first address. The request is
    /// not changed, and can be sent again.
    ///
    /// # Errors
    /// See [`ClientErrorKind`]. When it returns, whatever it has begun has ended.
    pub fn send(&self, request: &Request) -> Result<ClientResponse, ClientError> {
        self.call(request, None, self.shared.timeouts.whole)
    }

    /// As [`send`](Self::send), with another limit than the client's
    /// [`timeout`](HostClientBuilder::timeout). The limit counts from here to the last byte of the body; zero fails at
    /// once.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_timeout(&self, request: &Request, limit: Duration) -> Result<ClientResponse, ClientError> {
        self.call(request, None, Some(limit))
    }

    /// As [`send`](Self::send), with `body` in the place of the request's own, read while it is sent. The request is
    /// sent once, whatever happens. A response that comes before the end of the body ends the sending.
    ///
    /// ```
    /// use anthill_http::{Request, Server};
    /// use anthill_http::client::{HostClient, SendBody};
    ///
    /// let running = Server::new(|ctx| {
    ///     let length = ctx.request.body().len();
    ///     ctx.set_body(length.to_string());
    /// })?
    /// .start("127.0.0.1:0")?;
    /// let client = HostClient::new(running.local_addr().to_string())?;
    /// let body = SendBody::new(&b"read as it is sent"[..]);
    /// assert_eq!(client.send_body(&Request::new("PUT", "/")?, body)?.text()?, "18");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and [`RequestBody`](ClientErrorKind::RequestBody).
    pub fn send_body(
        &self,
        request: &Request,
        mut body: SendBody<'_>,
    ) -> Result<ClientResponse, ClientError> {
        self.call(request, Some(&mut body), self.shared.timeouts.whole)
    }

    /// How many connections there are now.
    pub fn stats(&self) -> HostClientStats {
        let (open, idle, waiting) = self.shared.stock.counts();
        HostClientStats { open, idle, waiting }
    }

    /// Closes the connections that are idle now.
    pub fn close_idle_conns(&self) {
        self.shared.stock.close_idle();
    }

    /// Forgets the addresses of names, so that new connections ask anew.
    pub fn flush_dns_cache(&self) {
        self.shared.names.forget();
    }

    fn call(
        &self,
        request: &Request,
        mut body: Option<&mut SendBody<'_>>,
        limit: Option<Duration>,
    ) -> Result<ClientResponse, ClientError> {
        let shared = &*self.shared;
        let ClientTimeouts { read, write, .. } = shared.timeouts;
        let allowed = Allowed { until: Until::after(limit), read, write };
        check(request)?;
        for attempt in 1.. {
            let mut leased = shared.lease(allowed.until)?;
            let host = shared.addrs.first().map_or(&b""[..], |addr| addr.text.as_bytes());
            let limits = &shared.limits;
            let mut call = Call { request, body: body.as_deref_mut(), host, limits, allowed };
            match call.run(&mut leased.conn) {
                Ok(()) => return ClientResponse::new(leased, *limits, shared.body_bytes_max, allowed),
                Err(error) => {
                    let is_repeatable = body.is_none() && may_repeat(request, &leased.conn, &error);
                    if attempt >= shared.attempts_max || !is_repeatable {
                        return Err(error);
                    }
                    log::debug!("a request is repeated after attempt {attempt}: {error}");
                }
            }
        }
        // There is an end to the attempts, and each of the ways there returns.
        Err(ClientError::new(ClientErrorKind::ConnectionClosed))
    }
}

impl HostClientBuilder {
    /// The client. Nothing is resolved or connected before its first call.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when there is no address, one of them is no `host:port`, or
    /// a number is zero that must not be.
    pub fn build(self) -> Result<HostClient, ClientError> {
        let refuse = |why: &str| Err(ClientError::because(ClientErrorKind::InvalidRequest, why));
        match &self.options {
            HostOptions { pool, .. } if pool.conns_max == 0 => refuse("max_conns is 0; allow one at least"),
            HostOptions { attempts_max: 0, .. } => refuse("max_attempts is 0; allow one at least"),
            _ => HostClient::from_options(self.options),
        }
    }
}

/// Whether a request may be sent again after its exchange on `conn` has failed.
fn may_repeat(request: &Request, conn: &ClientSocket, error: &ClientError) -> bool {
    // RFC 9110 section 9.2.2.
    let is_idempotent = matches!(request.method(), "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE");
    error.kind() == ClientErrorKind::ConnectionClosed
        && conn.received == 0
        && (is_idempotent || conn.sent == 0)
}

impl SharedHost {
    /// A connection that is idle, or a new one.
    fn lease(&self, until: Until) -> Result<Leased, ClientError> {
        let nearer = until.or_after(Some(self.timeouts.conn_wait));
        if until.is_over() {
            return Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::FreeConn)));
        }
        let leave = self.stock.take(nearer).map_err(|_| {
            ClientError::new(match until.is_over() {
                true => ClientErrorKind::Timeout(ClientPhase::FreeConn),
                false => ClientErrorKind::NoFreeConns,
            })
        })?;
        match leave {
            Leave::Use(leased) => Ok(leased),
            Leave::Make(place) => {
                let until = until.or_after(self.timeouts.connect);
                Ok(place.with(self.dial(until)?))
            }
        }
    }

    /// A connection to the address whose turn it is, or to the next that takes one.
    fn dial(&self, until: Until) -> Result<Box<ClientSocket>, ClientError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut failure = None;
        for number in 0..self.addrs.len() {
            let Some(addr) = self.addrs.get((turn.wrapping_add(number)) % self.addrs.len()) else { continue };
            let found = self.names.find(&addr.name, addr.port, until);
            match found.and_then(|found| dial::connect(&found, until)) {
                Ok(dialled) => return Ok(Box::new(ClientSocket::new(dialled))),
                Err(error) if error.is_timeout() => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| ClientError::new(ClientErrorKind::Resolve)))
    }
}

impl HostAddr {
    fn parse(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let refuse =
            || ClientError::because(ClientErrorKind::InvalidRequest, format!("{text:?} is no host:port"));
        if text.is_empty() || !authority::is_valid(text.as_bytes()) {
            return Err(refuse());
        }
        let (name, port) = authority::split_port(text.as_bytes()).map_err(|_| refuse())?;
        let name = std::str::from_utf8(name).map_err(|_| refuse())?;
        let port = match port.map(std::str::from_utf8) {
            None => PORT,
            Some(Ok(digits)) => digits.parse().map_err(|_| refuse())?,
            Some(Err(_)) => return Err(refuse()),
        };
        Ok(Self { text: text.to_owned(), name: name.to_owned(), port })
    }
}

impl fmt::Debug for HostClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostClient")
            .field("addrs", &self.shared.addrs)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
