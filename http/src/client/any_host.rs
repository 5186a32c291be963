//! The client of any host.
//!
//! The idea: for each origin that is asked there is a client of one host, made when it is needed; all of them have the
//! same settings, and know the same names. A call goes from one to the next as redirects lead it, with what patience it
//! had in the beginning.
//!
//! The rule: what is refused by its URL is refused before anything is resolved or sent; of a redirect, anything more.

use super::body::SendBody;
use super::call::{CallOptions, PreparedCall, RunCall};
use super::error::{ClientError, ClientErrorKind, RedirectFault};
use super::host::HostClient;
use super::into_uri::IntoUri;
use super::options::{AnyHost, ClientBuilder};
use super::patience::CallPatience;
use super::redirect::{Hop, port_of};
use super::response::ClientResponse;
use super::secure::{Encryption, usual_encryption};
use super::settings::{ClientSettings, HostSettings};
use crate::message::request::Request;
use crate::values::uri::Uri;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// A client for any host: it keeps connections, follows redirects, and undoes compression.
///
/// A clone is the same client, and may go to any thread. A program needs one, not one for each request.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::client::Client;
///
/// let running = Server::new(|ctx| match ctx.request.path() {
///     "/old" => ctx.redirect("/new", 302),
///     _ => {
///         let said = format!("{} {}", ctx.request.method(), ctx.request.query_str());
///         ctx.set_body(said);
///     }
/// })?
/// .start("127.0.0.1:0")?;
///
/// let client = Client::new();
/// let url = format!("http://{}/old", running.local_addr());
/// let mut response = client.get(&url).send()?;
/// assert_eq!(response.uri().map(|uri| uri.path()), Some("/new"));
/// assert_eq!(response.text()?, "GET ");
/// let url = format!("http://{}/", running.local_addr());
/// assert_eq!(client.post(&url).query("a", "b c").body("text").send()?.text()?, "POST a=b+c");
/// assert_eq!((client.stats().hosts, client.stats().open), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<SharedClient>,
}

struct SharedClient {
    settings: HostSettings,
    own: AnyHost,
    /// How connections are encrypted, once it is known.
    tls: Mutex<Option<Encryption>>,
    hosts: Mutex<KnownHosts>,
}

/// Hosts by their addresses.
#[derive(Default)]
struct KnownHosts {
    by_addr: HashMap<String, KnownHost>,
    /// When those that are not used any more were looked for.
    swept: Option<Instant>,
}

/// A host that was asked.
struct KnownHost {
    client: HostClient,
    used: Instant,
}

/// How long a host without connections is remembered.
const HOST_KEPT_FOR: Duration = Duration::from_secs(60);

/// How often hosts are looked for that are not used any more, unless there is no room.
const SWEPT_EVERY: Duration = Duration::from_secs(1);

/// How many hosts and connections a client has; see [`Client::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClientStats {
    /// Hosts that it has connections to, or was asked for within the last minute.
    pub hosts: usize,
    /// Connections, those that are being made included.
    pub open: usize,
    /// Those of them that wait for a request.
    pub idle: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

/// The response to a GET of `url`, by a client that all who call this share.
///
/// A status like 404 is no error: [`is_success`](ClientResponse::is_success). There is no limit of time but that for
/// connecting, 3 s: whoever needs one makes a client of his own, and says it of that
/// ([`timeout`](ClientBuilder::timeout)) or of its request ([`timeout`](super::RequestBuilder::timeout)).
///
/// ```
/// # let running = anthill_http::Server::new(|ctx| ctx.set_body("six legs"))?.start("127.0.0.1:0")?;
/// # let url = format!("http://{}/", running.local_addr());
/// use anthill_http::client::get;
///
/// assert_eq!(get(&url)?.text()?, "six legs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`ClientErrorKind`].
pub fn get(url: impl IntoUri) -> Result<ClientResponse, ClientError> {
    static SHARED: LazyLock<Client> = LazyLock::new(Client::new);
    SHARED.get(url).send()
}

impl Client {
    /// A client with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with_settings(ClientSettings::default().into_host_settings(), AnyHost::default())
    }

    /// Settings for a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::of(AnyHost::default())
    }

    fn with_settings(settings: HostSettings, own: AnyHost) -> Self {
        let tls = Mutex::new(settings.tls.clone());
        Self { shared: Arc::new(SharedClient { settings, own, tls, hosts: Mutex::default() }) }
    }

    /// Sends `request` to the host that it names: by an absolute target, or by its `Host`, over plain HTTP then.
    ///
    /// ```
    /// use anthill_http::client::{Client, ClientErrorKind};
    /// use anthill_http::{Request, Server};
    ///
    /// let running = Server::new(|ctx| ctx.set_body("here"))?.start("127.0.0.1:0")?;
    /// let client = Client::new();
    /// let request = Request::new("GET", format!("http://{}/", running.local_addr()))?;
    /// assert_eq!(client.send(&request)?.text()?, "here");
    /// let error = client.send(&Request::new("GET", "/nowhere")?).unwrap_err();
    /// assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`ClientErrorKind`]. When it returns with one, whatever it has begun has ended, but perhaps the look-up of a
    /// name.
    pub fn send(&self, request: &Request) -> Result<ClientResponse, ClientError> {
        self.call(request).send()
    }

    /// As [`send`](Self::send), with the response in the place and the memory of another one: see
    /// [`PreparedCall::send_into`].
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_into(&self, request: &Request, response: &mut ClientResponse) -> Result<(), ClientError> {
        self.call(request).send_into(response)
    }

    /// A call for `request` to be told more about before it is sent: [`PreparedCall`].
    pub fn call<'a>(&'a self, request: &'a Request) -> PreparedCall<'a> {
        PreparedCall::new(self, request)
    }

    /// Whether its calls have a limit if they say nothing of it.
    #[cfg(feature = "ws")]
    pub(super) fn is_limited(&self) -> bool {
        self.shared.settings.timeouts.whole.is_some()
    }

    /// How many hosts and connections there are now.
    pub fn stats(&self) -> ClientStats {
        let (hosts, now) = (self.shared.hosts.lock(), Instant::now());
        hosts.by_addr.values().filter(|host| host.is_known(now)).fold(ClientStats::default(), |sum, host| {
            let host = host.client.stats();
            ClientStats {
                hosts: sum.hosts + 1,
                open: sum.open + host.open,
                idle: sum.idle + host.idle,
                waiting: sum.waiting + host.waiting,
            }
        })
    }

    /// Closes the connections that are idle now.
    pub fn close_idle_conns(&self) {
        let clients: Vec<HostClient> =
            self.shared.hosts.lock().by_addr.values().map(|host| host.client.clone()).collect();
        clients.iter().for_each(HostClient::close_idle_conns);
    }

    /// Forgets the addresses of names, so that new connections ask anew.
    pub fn flush_dns_cache(&self) {
        self.shared.settings.names.forget();
    }
}

impl Client {
    /// Sends somebody else's request to the host of `uri`, and hands the response back as it came.
    pub(super) fn pass_on(
        &self,
        uri: &Uri,
        request: &Request,
        mut options: CallOptions<'_>,
    ) -> Result<ClientResponse, ClientError> {
        options.is_passed_on = true;
        let limit = options.limit.or(self.shared.settings.timeouts.whole);
        let patience = CallPatience::new(limit, options.token.as_ref());
        self.shared.host(uri, false)?.run_within(request, &mut options, &patience)
    }
}

impl RunCall for Client {
    fn run_call<'r>(
        &self,
        request: &'r Request,
        options: CallOptions<'r>,
    ) -> Result<ClientResponse, ClientError> {
        let mut uri = request.uri().map_err(ClientError::invalid)?;
        uri.set_path_normalizing(false);
        self.run_request(uri, request, options)
    }
}

impl Client {
    /// Carries a request out that is for the host of `uri`, and follows where that leads.
    pub(super) fn run_request<'r>(
        &self,
        mut uri: Uri,
        request: &'r Request,
        mut options: CallOptions<'r>,
    ) -> Result<ClientResponse, ClientError> {
        let shared = &*self.shared;
        let limit = options.limit.or(shared.settings.timeouts.whole);
        let patience = CallPatience::new(limit, options.token.as_ref());
        let mut next_request = None;
        let named = uri.hostname().to_vec();
        let (mut redirects, mut redirected_by) = (0, None);
        loop {
            let current = next_request.as_ref().unwrap_or(request);
            let host = shared.host(&uri, options.opens_socket).map_err(|error| match redirected_by {
                Some(addr) if error.kind() == ClientErrorKind::InvalidRequest => {
                    not_followed(&uri, &error).at(addr)
                }
                _ => error,
            })?;
            let companions = &shared.own.companions;
            options.added = companions.fields(&uri, &named, current);
            let replaced = companions.in_place_of(current, &uri);
            let response = host.run_within(replaced.as_ref().unwrap_or(current), &mut options, &patience)?;
            companions.take(&uri, &response);
            if options.opens_socket {
                return Ok(response.came_from(uri));
            }
            let Some(hop) = shared.hop(&uri, current, &response)? else { return Ok(response.came_from(uri)) };
            let refuse = |fault| ClientError::redirect(fault, &hop.uri, None).at(response.remote_addr());
            if redirects >= shared.own.redirects_max {
                return Err(refuse(RedirectFault::TooMany));
            }
            if hop.drops_body() {
                options.body = None;
            } else if options.body.is_none() && !request.body().is_empty() && next_request.is_none() {
                // Lent, not copied.
                let body = request.body();
                options.body = Some(SendBody::repeatable(Some(body.len() as u64), move || Ok(body)));
            } else if !options.can_send_body() {
                return Err(refuse(RedirectFault::BodySpent));
            }
            options.is_elsewhere |= hop.is_other_origin;
            next_request = Some(hop.request_after(current)?);
            uri = hop.uri;
            redirects += 1;
            redirected_by = Some(response.remote_addr());
            response.pass_over();
        }
    }
}

/// A redirect leads to a URL of which `error` says that nobody can be asked for it.
fn not_followed(uri: &Uri, error: &ClientError) -> ClientError {
    let is_ours = uri.scheme() == "http" || uri.scheme() == "https" && cfg!(feature = "tls-no-provider");
    let fault = if is_ours { RedirectFault::BadLocation } else { RedirectFault::Scheme };
    ClientError::redirect(fault, uri, Some(error))
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientBuilder<AnyHost> {
    /// The client. Nothing is resolved or connected before its first call.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when a setting has no meaning: a number that is zero and
    /// must not be, control characters in [`user_agent`](Self::user_agent), one name for all servers.
    pub fn build(self) -> Result<Client, ClientError> {
        self.settings.check()?;
        if self.settings.has_fixed_name() {
            let why = "tls has a server_name, which would be that of all hosts; give it to a HostClient";
            return Err(ClientError::invalid(why));
        }
        if self.kind.hosts_max == 0 {
            return Err(ClientError::invalid("max_hosts is 0; allow one at least"));
        }
        Ok(Client::with_settings(self.settings.into_host_settings(), self.kind))
    }
}

impl KnownHost {
    /// Whether it is to be remembered: there are connections to it, or it was asked a short time ago.
    fn is_known(&self, now: Instant) -> bool {
        self.client.stats().open > 0 || now.saturating_duration_since(self.used) < HOST_KEPT_FOR
    }

    /// Whether calls are under way, or wait.
    fn is_in_use(&self) -> bool {
        let stats = self.client.stats();
        stats.open > stats.idle || stats.waiting > 0
    }
}

impl SharedClient {
    /// Where a response leads, if redirects are followed.
    fn hop(
        &self,
        uri: &Uri,
        request: &Request,
        response: &ClientResponse,
    ) -> Result<Option<Hop>, ClientError> {
        if self.own.redirects_max == 0 {
            return Ok(None);
        }
        Hop::of(uri, request.method(), response.status_code(), response.header("Location"))
            .map_err(|error| error.at(response.remote_addr()))
    }

    /// The client of the host of `uri`; one that `tunnels` has a proxy of HTTP give connections, and is another one.
    fn host(&self, uri: &Uri, tunnels: bool) -> Result<HostClient, ClientError> {
        let is_https = match uri.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(ClientError::invalid("its URL is not one of HTTP")),
        };
        let name = std::str::from_utf8(uri.hostname()).unwrap_or_default();
        // A list of hosts is what a client of one host takes, and no host.
        if name.is_empty() || name.contains(',') {
            return Err(ClientError::invalid("its URL has no host that can be asked"));
        }
        let may_have_proxy = self.settings.dialling.proxy.is_some() || self.own.hook.is_some();
        let tunnels = tunnels && !is_https && may_have_proxy;
        let key = known_as(if tunnels { "ws" } else { uri.scheme() }, name, port_of(uri));
        let mut hosts = self.hosts.lock();
        if let Some(host) = hosts.by_addr.get_mut(&key) {
            host.used = Instant::now();
            return Ok(host.client.clone());
        }
        // The user's hook is not called under the lock.
        drop(hosts);
        let tls = is_https.then(|| self.tls()).transpose()?;
        let mut settings = HostSettings { tls, ..self.settings.clone() };
        if let Some(hook) = &self.own.hook {
            settings =
                hook.configured(settings, name, port_of(uri), is_https).map_err(ClientError::invalid)?;
        }
        settings.dialling.always_tunnels |= tunnels;
        let addr = key.split_once("://").map_or(&key[..], |(_, addr)| addr);
        let client = HostClient::with_settings(addr, settings)?;
        let mut hosts = self.hosts.lock();
        if let Some(host) = hosts.by_addr.get_mut(&key) {
            // Somebody else was quicker.
            return Ok(host.client.clone());
        }
        let forgotten = hosts.make_room(self.own.hosts_max);
        hosts.by_addr.insert(key, KnownHost { client: client.clone(), used: Instant::now() });
        drop(hosts);
        // Their connections are closed outside of the lock.
        drop(forgotten);
        Ok(client)
    }

    /// How connections are encrypted: as was said, or else as usual, which is made up once.
    fn tls(&self) -> Result<Encryption, ClientError> {
        let mut known = self.tls.lock();
        if let Some(tls) = &*known {
            return Ok(tls.clone());
        }
        Ok(known.insert(usual_encryption()?).clone())
    }
}

/// What the client of a host is found by: `scheme://name:port`.
fn known_as(scheme: &str, name: &str, port: u16) -> String {
    let (before, behind) = if name.contains(':') { ("://[", "]:") } else { ("://", ":") };
    let mut digits = itoa::Buffer::new();
    [scheme, before, name, behind, digits.format(port)].concat()
}

impl KnownHosts {
    /// Takes out what is not to be remembered, and so much more that there is room for another one of `most`. Calls
    /// that are under way go on; their connections are closed behind them.
    fn make_room(&mut self, most: usize) -> Vec<KnownHost> {
        let now = Instant::now();
        let mut forgotten = Vec::new();
        let is_full = self.by_addr.len() >= most;
        if is_full || self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEPT_EVERY) {
            self.swept = Some(now);
            let unknown = self.by_addr.iter().filter(|(_, host)| !host.is_known(now));
            let unknown: Vec<String> = unknown.map(|(addr, _)| addr.clone()).collect();
            forgotten.extend(unknown.iter().filter_map(|addr| self.by_addr.remove(addr)));
        }
        while self.by_addr.len() >= most {
            // One that is in use has been used now; only if all are, it has to be one of them.
            let oldest = self.by_addr.iter().min_by_key(|(_, host)| (host.is_in_use(), host.used));
            let Some(oldest) = oldest.map(|(addr, _)| addr.clone()) else { break };
            forgotten.extend(self.by_addr.remove(&oldest));
        }
        forgotten
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_bounded_and_those_that_were_not_used_for_longest_go_first() {
        let client = Client::builder().max_hosts(2).build().expect("settings with a meaning");
        let host = |url: &str| client.shared.host(&Uri::parse(url).expect("a URL"), false).map(drop);
        let known = || {
            let mut known: Vec<String> = client.shared.hosts.lock().by_addr.keys().cloned().collect();
            known.sort();
            known
        };
        host("http://a/x").expect("a host");
        host("http://b:81/").expect("a host");
        host("http://A:80/y").expect("the first one");
        assert_eq!(known(), ["http://a:80", "http://b:81"]);
        #[cfg(feature = "tls")]
        {
            // The same place, encrypted, is another one.
            host("http://b:81/").expect("a host");
            host("https://b:81/").expect("a host");
            assert_eq!(known(), ["http://b:81", "https://b:81"]);
            host("http://A:80/y").expect("a host");
        }
        host("http://[::1]/").expect("a host");
        assert_eq!(known(), ["http://[::1]:80", "http://a:80"]);
        assert!(Client::builder().max_hosts(0).build().is_err());
    }

    #[test]
    fn what_is_no_url_of_a_host_is_refused() {
        let client = Client::new();
        let https = if cfg!(feature = "tls-no-provider") { "https://a..b/" } else { "https://h/" };
        for url in [https, "ftp://h/", "/x", "http://a,b/"] {
            let error = client.shared.host(&Uri::parse(url).expect("a URL"), false).map(drop).expect_err(url);
            assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{url}");
            assert_eq!(error.to_string().contains("HTTPS"), url == https, "{error}");
        }
        assert_eq!(client.stats(), ClientStats::default());
        assert!(ClientSettings::default().check().is_ok(), "what Client::new builds by");
    }
}
