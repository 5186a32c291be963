//! What a user says about a client, checked once.
//!
//! The idea: what both kinds of clients are told is said in the same words. A builder has these settings, and beside
//! them what its kind of client alone is told.

use super::companions::Companions;
use super::configure::{HostHook, HostOptions};
#[cfg(feature = "cookies")]
use super::cookie_jar::CookieJar;
use super::names::Resolve;
use super::netrc::Netrc;
use super::places::ReuseOrder;
use super::retry::FailedAttempt;
use super::settings::ClientSettings;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The settings of a client; made by [`Client::builder`](super::Client::builder) and
/// [`HostClient::builder`](super::HostClient::builder).
///
/// ```
/// use anthill_http::client::{HostClient, ReuseOrder};
/// use std::time::Duration;
///
/// let client = HostClient::builder("10.0.0.1:8080, 10.0.0.2:8080")
///     .max_conns(64)
///     .conn_wait_timeout(Duration::from_secs(1))
///     .reuse_order(ReuseOrder::Fifo)
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(client.stats().open, 0);
/// # Ok::<(), anthill_http::client::ClientError>(())
/// ```
#[must_use = "it does nothing before build is called"]
pub struct ClientBuilder<K = AnyHost> {
    pub(super) settings: ClientSettings,
    pub(super) kind: K,
}

/// The builder of a [`HostClient`](super::HostClient).
pub type HostClientBuilder = ClientBuilder<OneHost>;

/// What a [`ClientBuilder`] knows of a client of one host.
#[derive(Clone, Debug)]
pub struct OneHost {
    pub(super) addrs: String,
}

/// What a [`ClientBuilder`] knows of a client of any host.
#[derive(Clone, Debug)]
pub struct AnyHost {
    pub(super) redirects_max: u32,
    pub(super) hosts_max: usize,
    pub(super) companions: Companions,
    pub(super) hook: Option<HostHook>,
}

impl Default for AnyHost {
    fn default() -> Self {
        Self { redirects_max: 10, hosts_max: 1024, companions: Companions::default(), hook: None }
    }
}

/// What a client of any host is told alone.
impl ClientBuilder<AnyHost> {
    /// The most redirects that are followed for a call; with 0 they are handed back as they are. Default 10.
    ///
    /// A redirect that cannot be followed is an error; see [`RedirectFault`](super::RedirectFault).
    pub fn max_redirects(mut self, redirects: u32) -> Self {
        self.kind.redirects_max = redirects;
        self
    }

    /// The most hosts for which connections are kept; at least 1. Of more, that which was not used for longest is
    /// forgotten, and its idle connections are closed. Default 1024.
    ///
    /// Hosts with calls under way are forgotten only when there are no others. From then on those calls do not count
    /// for
    /// [`max_conns`](Self::max_conns) any more.
    pub fn max_hosts(mut self, hosts: usize) -> Self {
        self.kind.hosts_max = hosts;
        self
    }

    /// Has `hook` say what is otherwise for a host, when the client is to ask it and has not lately. Of several threads
    /// that ask at once each may call it; what one of them comes to is used. When it fails, so does the call, as
    /// [`InvalidRequest`](super::ClientErrorKind::InvalidRequest), and the next call asks it again.
    ///
    /// ```
    /// use anthill_http::client::{Client, HostOptions};
    ///
    /// let client = Client::builder()
    ///     .configure_host(|host: &mut HostOptions<'_>| {
    ///         if host.host().ends_with(".slow.example") {
    ///             host.max_conns(2);
    ///         }
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), anthill_http::client::ClientError>(())
    /// ```
    pub fn configure_host(
        mut self,
        hook: impl Fn(&mut HostOptions<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.kind.hook = Some(HostHook::new(hook));
        self
    }
}

/// What goes along with requests because of where they go.
impl ClientBuilder<AnyHost> {
    /// Keeps the cookies that servers set in `jar`, and sends them back to whom they are for, also behind redirects
    /// (feature `cookies`). Default: cookies are left to you.
    ///
    /// A request with a `Cookie` of its own has that, and from the jar those of other names behind it.
    #[cfg(feature = "cookies")]
    pub fn cookie_jar(mut self, jar: CookieJar) -> Self {
        self.kind.companions.jar = Some(jar);
        self
    }

    /// Authorises requests that do not authorise themselves by what `netrc` says of their host: [`Netrc::of_user`],
    /// [`Netrc::file`]. Default: nobody looks there.
    pub fn netrc(mut self, netrc: Netrc) -> Self {
        self.kind.companions.netrc = Some(netrc);
        self
    }
}

/// What clients of both kinds are told.
impl<K> ClientBuilder<K> {
    pub(super) fn of(kind: K) -> Self {
        Self { settings: ClientSettings::default(), kind }
    }

    /// The most connections to a host at once, idle ones included; at least 1. Default 512.
    pub fn max_conns(mut self, conns: usize) -> Self {
        self.settings.pool.conns_max = conns;
        self
    }

    /// The most connections to a host that are kept while they are idle; with 0 each serves one request, also when
    /// others wait for it. Default 512.
    pub fn max_idle_conns(mut self, conns: usize) -> Self {
        self.settings.pool.idle_max = conns;
        self
    }

    /// How long a call waits for a connection when [`max_conns`](Self::max_conns) are busy, in the order of arrival,
    /// before it fails with [`NoFreeConns`](super::ClientErrorKind::NoFreeConns). Default zero: not at all.
    pub fn conn_wait_timeout(mut self, limit: Duration) -> Self {
        self.settings.timeouts.conn_wait = limit;
        self
    }

    /// Which idle connection is taken first. Default [`ReuseOrder::Lifo`].
    pub fn reuse_order(mut self, order: ReuseOrder) -> Self {
        self.settings.pool.order = order;
        self
    }

    /// Connections that were idle for so long are closed, and not used any more. Default 4 s: below the 5 s for which
    /// common servers keep them (Node.js, Apache httpd, uvicorn), so that few requests meet a connection that is just
    /// being closed. One that keeps them for a shorter time is seen closing them, but for the moment in which that and
    /// a request pass each other.
    pub fn max_idle_conn_duration(mut self, age: Duration) -> Self {
        self.settings.pool.ages.idle = age;
        self
    }

    /// Connections this old serve no further request. Default: they have no age.
    pub fn max_conn_duration(mut self, age: Duration) -> Self {
        self.settings.pool.ages.whole = Some(age);
        self
    }

    /// So many idle connections are kept when they get old ([`max_idle_conn_duration`](Self::max_idle_conn_duration)),
    /// for as long as the server keeps them: those that were used last, of each host. So the first call behind a pause
    /// need not connect. They are not made in advance. Default 0.
    pub fn min_idle_conns(mut self, conns: usize) -> Self {
        self.settings.pool.ages.kept = conns;
        self
    }

    /// The most requests that a connection serves; at least 1. Default: no limit. Behind a balancer it has connections
    /// move to other servers now and then.
    pub fn max_conn_requests(mut self, requests: u64) -> Self {
        self.settings.pool.ages.requests = Some(requests);
        self
    }

    /// How long a call may take from its beginning to the last byte of the body, over all attempts: looking up,
    /// connecting, waiting for a connection, sending, receiving, pauses. Default: no limit.
    /// [`HostClient::send_timeout`](super::HostClient::send_timeout) sets it for one call.
    ///
    /// The code of the user's is not interrupted: the reader of a [`SendBody`](super::SendBody) and hooks. When they
    /// return too late, the call fails.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeouts.whole = Some(limit);
        self
    }

    /// How long resolving and connecting may take for one connection, a TLS handshake included, over all addresses.
    /// Each has 250 ms before the next is tried beside it, and one that is connected to, and says nothing where it is
    /// to encrypt, has half of the time. Default 3 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.timeouts.connect = Some(limit);
        self
    }

    /// The longest silence of the server while something is to be read. Default: no limit.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.settings.timeouts.read = Some(limit);
        self
    }

    /// The longest time for which the server may take nothing while something is to be sent. Default: no limit.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.settings.timeouts.write = Some(limit);
        self
    }

    /// The most bytes of a response's head, at most 16 MiB; each interim response is bound by it as well. Default
    /// 64 KiB.
    pub fn max_response_header_size(mut self, bytes: usize) -> Self {
        self.settings.limits.head_bytes = bytes;
        self
    }

    /// The most header fields of a response. Default 256.
    pub fn max_response_headers(mut self, fields: usize) -> Self {
        self.settings.limits.fields = fields;
        self
    }

    /// The most bytes of a response's body, streamed or not. Default: no limit for what is streamed, and 10 MiB for
    /// what is collected.
    pub fn max_response_body_size(mut self, bytes: u64) -> Self {
        self.settings.limits.body_bytes = Some(bytes);
        self
    }

    /// How many bytes may come out of a content coding for each one that came, once a mebibyte has come out; `None`:
    /// any number. Default 200, where text comes to 20, and what is more is hardly ever honest. A million zeros is.
    pub fn max_response_ratio(mut self, ratio: impl Into<Option<u32>>) -> Self {
        self.settings.limits.ratio = ratio.into();
        self
    }

    /// How often a request is tried altogether, at least once. Default 5.
    ///
    /// Only a request that may be repeated is: its connection ended before any byte of a response came, its body can be
    /// had again, and either its method is idempotent (RFC 9110 section 9.2.2) or nothing of it was sent. It goes over
    /// a new connection, in the place of the one that ended, before anybody who waits for one; unless there is a pause.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.retry.attempts_max = attempts;
        self
    }

    /// Has `hook` decide whether an attempt that failed is followed by another, instead of the rule of
    /// [`max_attempts`](Self::max_attempts), whose number holds nevertheless. It is asked for errors and for responses
    /// with one of [`retry_statuses`](Self::retry_statuses), and not when the body cannot be had again. It must not
    /// panic.
    pub fn retry_if(mut self, hook: impl Fn(&FailedAttempt<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.settings.retry.hook = Some(Box::new(hook));
        self
    }

    /// Sends a request again whose response has one of these statuses, if its method is idempotent. Default: none;
    /// 429 and 503 are what servers say when they are busy. When there is no other attempt the response is handed back.
    ///
    /// A `Retry-After` of the response is kept to, unless it asks for more than
    /// [`max_retry_after`](Self::max_retry_after), or than the call has time: then there is no other attempt.
    pub fn retry_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.settings.retry.statuses = statuses.into_iter().collect();
        self
    }

    /// How long a call pauses before another attempt: `first` behind the first one, twice as long behind each that
    /// follows, `most` at most; of that, between a half and all, by chance, so that those who failed together do not
    /// come back together. Default zero. There is no pause when a connection that had served before was closed.
    pub fn retry_backoff(mut self, first: Duration, most: Duration) -> Self {
        self.settings.retry.backoff = (first, most);
        self
    }

    /// The longest that a server may ask to wait by `Retry-After`. Default 60 s.
    pub fn max_retry_after(mut self, limit: Duration) -> Self {
        self.settings.retry.retry_after_max = limit;
        self
    }

    /// What requests say in `User-Agent` if they do not say it themselves; empty: nothing. Default `anthill/` and the
    /// version of this crate.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.settings.agent = agent.into();
        self
    }

    /// A field of all requests that have none of that name themselves; what was said for the name before stays beside
    /// it. What is meant for one origin alone, as `Authorization` and `Cookie`, is not told to another to which a
    /// redirect leads.
    ///
    /// A name that is no token, a value with control characters, and what only a single request can say (`Host`,
    /// `Connection`, framing) are an error of `build`.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::client::Client;
    ///
    /// let running = Server::new(|ctx| {
    ///     let key = ctx.request.header_str("X-Api-Key").unwrap_or("none").to_owned();
    ///     ctx.set_body(key);
    /// })?
    /// .start("127.0.0.1:0")?;
    /// let url = format!("http://{}/", running.local_addr());
    /// let client = Client::builder().default_header("X-Api-Key", "ants").build()?;
    /// assert_eq!(client.get(&url).send()?.text()?, "ants");
    /// assert_eq!(client.get(&url).header("x-api-key", "other").send()?.text()?, "other");
    /// assert!(Client::builder().default_header("Host", "h").build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn default_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.settings.fields.append(name.as_ref(), value.as_ref());
        self
    }

    /// Whether requests ask for compressed responses, and get them as they were before: `gzip`, with the features of
    /// these names `br` and `zstd`; `deflate` is undone, and not asked for. Default: yes of a client that goes to any
    /// host, and no of one for one host.
    ///
    /// What comes out is bounded by [`max_response_body_size`](Self::max_response_body_size) and by
    /// [`max_response_ratio`](Self::max_response_ratio). `Content-Encoding` and `Content-Length`
    /// are not among the header fields then. A request with an `Accept-Encoding` or a `Range` of its own gets what it
    /// asked for as it comes.
    pub fn decompress(mut self, decompresses: bool) -> Self {
        self.settings.decompresses = decompresses;
        self
    }

    /// How connections are encrypted. A client that goes to any host does that for URLs of `https`, and as
    /// [`ClientTlsConfig::builder`](super::ClientTlsConfig::builder) says if this is not set. One for one host does it
    /// if this is set, and then only; the port is 443 then where an address has none.
    ///
    /// The handshake is part of connecting: within [`connect_timeout`](Self::connect_timeout). One that fails is the
    /// error [`Tls`](super::ClientErrorKind::Tls), and the next of several hosts is tried.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(mut self, config: super::ClientTlsConfig) -> Self {
        self.settings.dialling.proxy_tls = Some(config.clone());
        self.settings.tls = Some(config);
        self
    }

    /// Asks `resolver` for the addresses of names, instead of the system.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.settings.resolver = Some(Box::new(resolver));
        self
    }

    /// How long addresses of names are kept. Default 1 min; with zero each connection asks anew.
    pub fn dns_cache_duration(mut self, kept_for: Duration) -> Self {
        self.settings.names_kept_for = kept_for;
        self
    }
}

impl<K: fmt::Debug> fmt::Debug for ClientBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientSettings { pool, limits, timeouts, .. } = &self.settings;
        f.debug_struct("ClientBuilder")
            .field("kind", &self.kind)
            .field("pool", pool)
            .field("limits", limits)
            .field("timeouts", timeouts)
            .finish_non_exhaustive()
    }
}
