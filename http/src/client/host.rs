//! The client of one host.
//!
//! The idea: a call computes once how long it may take. Then, as often as it may be tried
//! ([`attempts`](super::attempts)): a connection is leased, the exchange runs on it, and the response takes the lease
//! along.
//!
//! The rule: a call that has returned with an error has nothing under way any more but perhaps a look-up of a name.

use super::body::SendBody;
use super::call::{CallOptions, PreparedCall, RunCall};
use super::conn::ClientSocket;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::options::{ClientBuilder, HostClientBuilder, OneHost};
use super::patience::CallPatience;
use super::places::HostPlaces;
use super::reach::Reach;
use super::response::ClientResponse;
use super::settings::HostSettings;
use super::stock::{HeldPlace, Leased, Leave, Stock};
use crate::message::request::Request;
use crate::proto::Limits;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

/// What all clones of a client have in common.
pub(super) struct SharedHost {
    reach: Reach,
    stock: Arc<Stock>,
    pub(super) limits: Limits,
    pub(super) settings: HostSettings,
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
    /// port it is 80, or 443 if connections are to be encrypted. On Unix also `unix:` and the path of a socket, which
    /// requests name `localhost` if they name no host themselves.
    ///
    /// # Errors
    /// When one of them is not of that form, or there is none.
    pub fn new(addrs: impl Into<String>) -> Result<Self, ClientError> {
        Self::builder(addrs).build()
    }

    /// Settings for a client for `addrs`, as [`new`](Self::new) takes them.
    pub fn builder(addrs: impl Into<String>) -> HostClientBuilder {
        // Whoever speaks to one host says himself what he accepts.
        ClientBuilder::of(OneHost { addrs: addrs.into() }).decompress(false)
    }

    pub(super) fn with_settings(addrs: &str, settings: HostSettings) -> Result<Self, ClientError> {
        let reach = Reach::new(addrs, &settings)?;
        let HostSettings { pool, limits, .. } = &settings;
        let places = HostPlaces::new(pool.conns_max, pool.idle_max, pool.order);
        let limits = Limits {
            head_bytes_max: limits.head_bytes,
            fields_max: limits.fields,
            // The response counts its body itself.
            body_bytes_max: None,
            streams_bodies: true,
            ..Limits::DEFAULT
        };
        let stock = Stock::new(places, pool.ages);
        Ok(Self { shared: Arc::new(SharedHost { reach, stock, limits, settings }) })
    }

    /// Sends `request` with its body, and waits for the head of the response. Redirects are handed back as they are.
    ///
    /// An absolute target is sent as path and query; a request without a host names the first address. The request is
    /// not changed, and can be sent again.
    ///
    /// # Errors
    /// See [`ClientErrorKind`]. When it returns, whatever it has begun has ended, but perhaps the look-up of a name.
    pub fn send(&self, request: &Request) -> Result<ClientResponse, ClientError> {
        self.call(request).send()
    }

    /// A call to be told more about before it is sent: [`PreparedCall`].
    pub fn call<'a>(&'a self, request: &'a Request) -> PreparedCall<'a> {
        PreparedCall::new(self, request)
    }

    /// As [`send`](Self::send), with another limit than the client's
    /// [`timeout`](ClientBuilder::timeout). The limit counts from here to the last byte of the body; zero fails at
    /// once. For all that it covers see there.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_timeout(&self, request: &Request, limit: Duration) -> Result<ClientResponse, ClientError> {
        self.call(request).timeout(limit).send()
    }

    /// As [`send`](Self::send), with `body` in the place of the request's own, read while it is sent. A reader
    /// is sent once, whatever happens. A response that comes before the end of the body ends the sending, unless it is
    /// one of success (below 300): then the sending goes on, while up to 256 KiB of the response are kept; whether it
    /// came to its end says [`is_request_sent`](ClientResponse::is_request_sent).
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
    pub fn send_body(&self, request: &Request, body: SendBody<'_>) -> Result<ClientResponse, ClientError> {
        self.run_call(request, CallOptions { body: Some(body), ..CallOptions::default() })
    }

    /// As [`send`](Self::send), with the response in the place and the memory of another one: see
    /// [`PreparedCall::send_into`].
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_into(&self, request: &Request, response: &mut ClientResponse) -> Result<(), ClientError> {
        self.call(request).send_into(response)
    }

    /// Where the host can be reached, as it was said.
    pub fn addrs(&self) -> impl Iterator<Item = &str> {
        self.shared.reach.addrs()
    }

    /// How many connections there are now.
    pub fn stats(&self) -> HostClientStats {
        let (open, idle, waiting) = self.shared.stock.counts();
        HostClientStats { open, idle, waiting }
    }

    /// How many calls have not ended: those on a connection, until the body of the response was read or dropped, and
    /// those that wait for one.
    pub fn pending_requests(&self) -> usize {
        let HostClientStats { open, idle, waiting } = self.stats();
        open.saturating_sub(idle) + waiting
    }

    /// Closes the connections that are idle now.
    pub fn close_idle_conns(&self) {
        self.shared.stock.close_idle();
    }

    /// Forgets the addresses of names, so that new connections ask anew.
    pub fn flush_dns_cache(&self) {
        self.shared.settings.names.forget();
    }

    /// What its clones have in common.
    pub(super) fn shared(&self) -> &SharedHost {
        &self.shared
    }

    /// Carries a call out that began before, with what patience is left.
    pub(super) fn run_within(
        &self,
        request: &Request,
        options: &mut CallOptions<'_>,
        patience: &CallPatience,
    ) -> Result<ClientResponse, ClientError> {
        self.shared.run(request, options, patience)
    }
}

impl RunCall for HostClient {
    fn run_call<'r>(
        &self,
        request: &'r Request,
        mut options: CallOptions<'r>,
    ) -> Result<ClientResponse, ClientError> {
        let limit = options.limit.or(self.shared.settings.timeouts.whole);
        let patience = CallPatience::new(limit, options.token.as_ref());
        self.run_within(request, &mut options, &patience)
    }
}

impl ClientBuilder<OneHost> {
    /// The client. Nothing is resolved or connected before its first call.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when there is no address, one of them is no `host:port`, or
    /// a setting has no meaning: a number that is zero, control characters in [`user_agent`](Self::user_agent).
    pub fn build(self) -> Result<HostClient, ClientError> {
        self.settings.check()?;
        HostClient::with_settings(&self.kind.addrs, self.settings.into_host_settings())
    }
}

impl SharedHost {
    /// What a request names as its host if it does not itself.
    pub(super) fn host(&self) -> &[u8] {
        self.reach.host()
    }

    /// Whether a proxy of HTTP may give a connection that leads to it.
    pub(super) fn may_tunnel(&self) -> bool {
        self.reach.may_tunnel()
    }

    /// A connection that is idle, or a new one; whoever holds a place already gets a new one with that.
    pub(super) fn lease(
        &self,
        held: Option<HeldPlace>,
        patience: &CallPatience,
    ) -> Result<Leased, ClientError> {
        let late = || ClientError::new(ClientErrorKind::Timeout(ClientPhase::FreeConn));
        if patience.is_over() {
            return Err(late());
        }
        let place = match held {
            Some(place) => place,
            None => {
                let in_line = patience.or_after(Some(self.settings.timeouts.conn_wait));
                let leave = self.stock.take(&in_line, patience).map_err(|_| match patience.is_over() {
                    true => late(),
                    false => ClientError::new(ClientErrorKind::NoFreeConns),
                })?;
                match leave {
                    Leave::Use(leased) => return Ok(leased),
                    Leave::Make(place) => place,
                }
            }
        };
        let patience = patience.or_after(self.settings.timeouts.connect);
        let socket = self.reach.connect(&self.settings, &patience)?;
        Ok(place.with(Box::new(ClientSocket::new(socket))))
    }
}

impl fmt::Debug for HostClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostClient")
            .field("reach", &self.shared.reach)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
