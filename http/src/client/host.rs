//! The client of one host.
//!
//! The idea: a call computes once how long it may take. Then, as often as it may be tried
//! ([`attempts`](super::attempts)): a connection is leased, the exchange runs on it, and the response takes the lease
//! along.
//!
//! The rule: a call that has returned with an error has nothing under way any more but perhaps a look-up of a name.

use super::body::SendBody;
use super::call::{CallOptions, PreparedCall, RunCall};
use super::conn::{ClientSocket, NewSocket};
use super::dial::{self, Dialled};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::options::{ClientBuilder, HostClientBuilder, HostSettings, OneHost};
use super::patience::CallPatience;
use super::places::HostPlaces;
use super::response::ClientResponse;
use super::secure::{Encryption, PeerName, encrypt, peer_name};
use super::stock::{HeldPlace, Leased, Leave, Stock};
use crate::message::request::Request;
use crate::proto::Limits;
use crate::util::authority;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The port of plain HTTP, and that of HTTPS.
const PORTS: (u16, u16) = (80, 443);

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
    addrs: Vec<HostAddr>,
    /// Which of them is the next for a new connection.
    next: AtomicUsize,
    stock: Arc<Stock>,
    pub(super) limits: Limits,
    pub(super) settings: HostSettings,
}

/// Where a host can be reached.
#[derive(Debug)]
struct HostAddr {
    /// As it was given.
    text: String,
    name: String,
    port: u16,
    /// Whom it has to be, if connections are encrypted.
    peer: Option<PeerName>,
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
    /// port it is 80, or 443 if connections are to be encrypted.
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
        let addrs = addrs.split(',').map(|addr| HostAddr::parse(addr, settings.tls.as_ref()));
        let addrs = addrs.collect::<Result<Vec<_>, _>>()?;
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
        Ok(Self {
            shared: Arc::new(SharedHost { addrs, next: AtomicUsize::new(0), stock, limits, settings }),
        })
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
        self.shared.addrs.iter().map(|addr| addr.text.as_str())
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
        self.addrs.first().map_or(&b""[..], |addr| addr.text.as_bytes())
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
        Ok(place.with(self.dial(&patience.or_after(self.settings.timeouts.connect))?))
    }

    /// A connection to the address whose turn it is, or to the next that takes one: when the one before refuses, or
    /// does not answer for a moment.
    fn dial(&self, patience: &CallPatience) -> Result<Box<ClientSocket>, ClientError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.addrs.len().max(1);
        let numbered = self.addrs.iter().enumerate();
        let asks = numbered.clone().skip(turn).chain(numbered.take(turn));
        let mut asks = asks.map(|(number, addr)| (number, self.settings.names.ask(&addr.name, addr.port)));
        let mut failure = None;
        loop {
            let dialled = match dial::connect(&mut asks, patience) {
                Ok(dialled) => dialled,
                // Those before have let themselves be connected to at least.
                Err(error) => return Err(failure.unwrap_or(error)),
            };
            match self.greet(dialled, patience) {
                Ok(socket) => return Ok(Box::new(ClientSocket::new(socket))),
                Err(error) if patience.is_over() => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
    }

    /// What has to be said on a new connection before there is HTTP.
    fn greet(&self, dialled: Dialled, patience: &CallPatience) -> Result<NewSocket, ClientError> {
        let Dialled { socket, remote, number } = dialled;
        let local = socket.local_addr();
        let peer = self.addrs.get(number).and_then(|addr| addr.peer.as_ref());
        let transport = match (&self.settings.tls, peer) {
            (Some(tls), Some(peer)) => {
                encrypt(Box::new(socket), tls, peer, patience).map_err(|error| error.at(remote))?
            }
            _ => Arc::new(socket),
        };
        Ok(NewSocket { transport, remote, local })
    }
}

impl HostAddr {
    /// One that is encrypted as `tls` says, if at all.
    fn parse(text: &str, tls: Option<&Encryption>) -> Result<Self, ClientError> {
        let text = text.trim();
        // Before an `@` there may be a password.
        let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let refuse = || ClientError::invalid(format!("{shown:?} is no host:port"));
        if text.is_empty() || !authority::is_valid(text.as_bytes()) {
            return Err(refuse());
        }
        if text.contains("%25") {
            // It means something on this machine only, and must not be told to a server (RFC 6874 section 4).
            let why = format!(
                "{text:?} has a zone, which addresses cannot have here; name its interface otherwise"
            );
            return Err(ClientError::invalid(why));
        }
        let (name, port) = authority::split_port(text.as_bytes()).map_err(|_| refuse())?;
        let name = std::str::from_utf8(name).map_err(|_| refuse())?;
        let port = match port.map(std::str::from_utf8) {
            None if tls.is_some() => PORTS.1,
            None => PORTS.0,
            Some(Ok(digits)) => digits.parse().map_err(|_| refuse())?,
            Some(Err(_)) => return Err(refuse()),
        };
        let peer = tls.map(|tls| peer_name(tls, name)).transpose()?;
        Ok(Self { text: text.to_owned(), name: name.to_owned(), port, peer })
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
