//! About the connection and the request's place on it: addresses, numbers, times, and a line in the log.

use super::forwarded::{Forwarded, TrustedProxies};
use super::{ConnInfo, PeerCredentials, RequestCtx};
use crate::stop::StopSignal;
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::SystemTime;

/// About the connection.
impl RequestCtx {
    /// The peer's address, or the one that was [put in its place](Self::set_remote_addr), or else the client's that a
    /// [trusted proxy](crate::ServerBuilder::trusted_proxies) reports (with port 0 when it reports none); `0.0.0.0:0`
    /// when it is not known (not TCP, and no [`ConnOptions`](crate::ConnOptions) said so). [`ConnInfo::remote_addr`] is
    /// `None` then, and of a peer on a Unix domain socket there are [credentials](Self::peer_credentials).
    // CTX-05.
    pub fn remote_addr(&self) -> SocketAddr {
        self.known_remote_addr().unwrap_or(NO_ADDRESS)
    }

    /// Lets [`remote_addr`](Self::remote_addr) give another address for this request, for instance the one that a
    /// trusted proxy reports. `None` takes that back.
    pub fn set_remote_addr(&mut self, address: Option<SocketAddr>) {
        self.remote_override = address;
    }

    /// The peer's address as records of the request have it.
    pub(crate) fn known_remote_addr(&self) -> Option<SocketAddr> {
        let reported = || self.forwarded().address;
        self.remote_override.or_else(reported).or(self.conn.remote_addr())
    }

    /// What the proxy at the other end says of the client, if it is trusted.
    #[inline]
    pub(super) fn forwarded(&self) -> Forwarded<'_> {
        match self.options.as_ref().and_then(|options| options.proxies.as_ref()) {
            Some(proxies) => self.forwarded_by(proxies),
            None => Forwarded::default(),
        }
    }

    #[inline(never)]
    fn forwarded_by(&self, proxies: &TrustedProxies) -> Forwarded<'_> {
        if proxies.trusts_peer(self.conn.remote_addr()) {
            proxies.read(self.request.headers())
        } else {
            Forwarded::default()
        }
    }

    /// The host that the client has asked for: what a [trusted proxy](crate::ServerBuilder::trusted_proxies) reports,
    /// else that [of the request](crate::Request::host).
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx};
    /// let ctx = RequestCtx::for_request(Request::new("GET", "http://example.org:81/a")?, None);
    /// assert_eq!(ctx.host(), b"example.org:81");
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn host(&self) -> &[u8] {
        self.forwarded().host.unwrap_or_else(|| self.request.host())
    }

    /// As [`host`](Self::host), if it is UTF-8; that of the request always is.
    pub fn host_str(&self) -> Option<&str> {
        std::str::from_utf8(self.host()).ok()
    }

    /// What the route of this request is called, for records of it; `None` until it is set, which a
    /// router does.
    pub fn route(&self) -> Option<&'static str> {
        self.routed.label
    }

    /// Says what the route of this request is called (`/users/{id}`, say): the same for all requests to it, so that
    /// records can be put together by it ([`CompletedRequest::route`](crate::CompletedRequest::route)).
    ///
    /// ```
    /// let mut ctx = anthill_http::RequestCtx::default();
    /// ctx.set_route("/users/{id}");
    /// assert_eq!(ctx.route(), Some("/users/{id}"));
    /// ```
    pub fn set_route(&mut self, route: &'static str) {
        self.routed.label = Some(route);
    }

    /// Our own address; `0.0.0.0:0` when it is not known (not TCP, and no [`ConnOptions`](crate::ConnOptions) said so).
    pub fn local_addr(&self) -> SocketAddr {
        self.conn.local_addr().unwrap_or(NO_ADDRESS)
    }

    /// The scheme that the client uses: what a [trusted proxy](crate::ServerBuilder::trusted_proxies) reports, else
    /// `https` when the connection is [encrypted](ConnInfo::is_tls), and `http` when not.
    ///
    /// ```
    /// let ctx = anthill_http::RequestCtx::default();
    /// assert_eq!(ctx.scheme(), "http");
    /// ```
    // CTX-05.
    pub fn scheme(&self) -> &'static str {
        let own = if self.conn.is_tls() { "https" } else { "http" };
        self.forwarded().scheme.unwrap_or(own)
    }

    /// Whether the connection is encrypted by TLS; see [`ConnInfo::is_tls`]. Behind a proxy that has ended that,
    /// [`scheme`](Self::scheme) says what the client uses.
    // CTX-05.
    pub fn is_tls(&self) -> bool {
        self.conn.is_tls()
    }

    /// What was agreed on by TLS: version, cipher suite, name, the client's certificates (fasthttp's
    /// `TLSConnectionState`). `None`: the connection is not encrypted here.
    // CTX-05.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.conn.tls()
    }

    /// Who is at the other end of a Unix domain socket; `None` on every other connection, and where the system does not
    /// tell. See [`ConnInfo::peer_credentials`].
    pub fn peer_credentials(&self) -> Option<PeerCredentials> {
        self.conn.peer_credentials()
    }

    /// The connection's number, unique within the process.
    pub fn conn_id(&self) -> u64 {
        self.conn.id()
    }

    /// The number of this request on its connection, from 1.
    pub fn conn_request_num(&self) -> u64 {
        self.conn.request_number()
    }

    /// The request's number: that of its connection in the upper half, its own in the lower.
    // CTX-08.
    pub fn id(&self) -> u64 {
        self.conn_id() << 32 | self.conn_request_num() & u64::from(u32::MAX)
    }

    /// When the connection was opened.
    pub fn conn_time(&self) -> SystemTime {
        self.conn.time()
    }

    /// When the server began to serve the request. The clock is read when the server waits for connections, and when a
    /// handler has taken a few milliseconds, so requests that were served one after the other without waiting may have
    /// the same time.
    pub fn time(&self) -> SystemTime {
        self.time.unwrap_or_else(SystemTime::now)
    }

    /// Whether the client has said that it sends nothing more, or is gone.
    ///
    /// For handlers that take long: what they would answer is probably not read any more. Costs a system call. A client
    /// may rightly shut down its sending side and wait for the response; few do. False when it cannot be known: on
    /// systems other than Linux until the connection is reset, and with
    /// [`serve_conn`](crate::Server::serve_conn).
    // CON-11.
    pub fn client_disconnected(&mut self) -> bool {
        self.client_has_ended()
    }

    /// Whether the server stops. For handlers that take long, and those who wait: what they do had better come to its
    /// end.
    ///
    /// ```
    /// use std::time::Duration;
    /// fn import(ctx: &mut anthill_http::RequestCtx) {
    ///     for part in 0..1000 {
    ///         if ctx.is_stopping() {
    ///             return ctx.error(format!("only {part} parts were imported"), 503);
    ///         }
    ///         std::thread::sleep(Duration::from_millis(1)); // or work
    ///     }
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = import;
    /// ```
    // SHD-05.
    pub fn is_stopping(&self) -> bool {
        self.stop.as_ref().is_some_and(StopSignal::is_stopping)
    }

    /// Whether no shutdown was asked for: for the route that tells a proxy or an orchestrator whether to send more
    /// requests. It turns false [`shutdown_delay`](crate::ServerBuilder::shutdown_delay) before anything ends.
    ///
    /// ```
    /// fn ready(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.set_status_code(if ctx.is_ready() { 200 } else { 503 });
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = ready;
    /// ```
    pub fn is_ready(&self) -> bool {
        self.stop.as_ref().is_none_or(StopSignal::is_ready)
    }

    /// What tells that the server stops, to wait for that, or to be told. Outside of a server it never does.
    pub fn stop_signal(&self) -> StopSignal {
        self.stop.clone().unwrap_or_else(StopSignal::new)
    }

    /// Logs a line about this request at level `Info` (fasthttp's `ctx.Logger()`): seconds since the
    /// connection was opened, the request as [`Display`](fmt::Display) shows it, the message.
    ///
    /// ```
    /// fn handler(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.log(format_args!("{} bytes to store", ctx.body().len()));
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = handler;
    /// ```
    // CTX-08.
    pub fn log(&self, message: impl fmt::Display) {
        // A clock that was set back makes it zero.
        let elapsed = SystemTime::now().duration_since(self.conn_time()).unwrap_or_default();
        log::info!(target: "anthill_http::request", "{:.3} {self} - {message}", elapsed.as_secs_f64());
    }

    /// All that is known about the connection itself. Its [`remote_addr`](ConnInfo::remote_addr) is always the
    /// connection's own; only [`RequestCtx::remote_addr`] gives one that was [set](Self::set_remote_addr).
    pub fn conn(&self) -> &ConnInfo {
        &self.conn
    }
}

/// `#` and the number in 16 hex digits, the addresses of both ends, method and URL, as in fasthttp's log lines.
impl fmt::Display for RequestCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, remote) = (self.local_addr(), self.remote_addr());
        write!(f, "#{:016x} - {local}<->{remote} - {} ", self.id(), self.method())?;
        let (host, target) = (self.request.host_str(), self.request.request_uri_str());
        // An absolute target, an asterisk and an authority say it all.
        if target.starts_with('/') {
            write!(f, "{}://{host}{target}", self.scheme())
        } else {
            f.write_str(target)
        }
    }
}

const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
