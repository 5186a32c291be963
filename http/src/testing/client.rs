//! A client of a server in memory, for tests.
//!
//! The idea: it is the library's client, whose connections are made in memory; redirects are followed and cookies kept
//! here, so that each exchange can be shown, and cookies are those of a browser on `localhost`.

use super::caller::TestCaller;
#[cfg(feature = "cookies")]
use super::caller::as_secure;
use super::draft::Draft;
use super::failing::fail;
use super::faults::Faults;
use super::line::Line;
use super::request::{TestRequest, request_methods};
#[cfg(feature = "cookies")]
use crate::client::CookieJar;
use crate::client::basic_credentials;
use crate::message::request::Request;
#[cfg(feature = "cookies")]
use crate::values::uri::Uri;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A client of a [`TestServer`](super::TestServer); made by its [`client`](super::TestServer::client). Its options are
/// said by methods that give it back. A clone has the same options, cookies and connections; it can go to any thread.
///
/// Whatever host a request is for, the server in memory is asked. Redirects are handed back, cookies forgotten, and
/// compressed bodies left as they are, unless it is said otherwise.
///
/// ```
/// use anthill_http::testing::TestServer;
///
/// let server = TestServer::new(|ctx| {
///     let said = format!("{} asks {}", ctx.remote_addr(), ctx.request.host_str());
///     ctx.set_body(said);
/// });
/// let client = server.client().host("shop.example").from_addr(([203, 0, 113, 7], 4711));
/// client.get("/").send().assert_text("203.0.113.7:4711 asks shop.example");
/// client.get("http://other.example/").send().assert_text("203.0.113.7:4711 asks other.example");
/// ```
#[derive(Clone)]
#[must_use = "a client does nothing until it sends something"]
pub struct TestClient {
    caller: TestCaller,
}

impl TestClient {
    pub(super) fn of(line: Arc<Line>) -> Self {
        Self { caller: TestCaller::new(line) }
    }

    /// The same with other connections.
    fn with_conns(mut self) -> Self {
        self.caller.connect_anew();
        self
    }

    /// The host of requests whose URL says none; `localhost` when not set.
    ///
    /// # Panics
    /// When it is no host.
    #[track_caller]
    pub fn host(mut self, host: impl AsRef<[u8]>) -> Self {
        let mut probe = Request::empty();
        if let Err(error) = probe.set_method("GET").and_then(|()| probe.set_host(host.as_ref())) {
            fail(format_args!("{:?} is no host: {error}", String::from_utf8_lossy(host.as_ref())));
        }
        self.caller.options.host = host.as_ref().to_vec();
        self
    }

    /// A header field of all requests that have none of that name themselves.
    ///
    /// # Panics
    /// When the name is no token, or the value has control characters.
    #[track_caller]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let mut probe = Draft::new("GET", "/");
        probe.header(name.as_ref(), value.as_ref());
        if let Some(problem) = probe.problem {
            fail(format_args!("{problem}"));
        }
        self.caller.options.fields.append(name, value);
        self
    }

    /// Authorises its requests by user and password, unless they do it themselves (RFC 7617).
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        let credentials = basic_credentials(user.as_bytes(), password.as_bytes());
        self.caller.options.fields.set("Authorization", credentials);
        self
    }

    /// Authorises its requests by a token, unless they do it themselves (RFC 6750).
    pub fn bearer_auth(mut self, token: &str) -> Self {
        self.caller.options.fields.set("Authorization", format!("Bearer {token}"));
        self
    }

    /// Follows so many redirects for a request; none when not set. When there are more, that is an error. What goes
    /// along is what a client takes along: see [`crate::client`]. The assertions are about the last response; their
    /// messages have all of them.
    pub fn follow_redirects(mut self, most: usize) -> Self {
        self.caller.options.redirects_max = most;
        self
    }

    /// Keeps the cookies that are set, and sends them back (feature `cookies`). Those that are `Secure` too, as a
    /// browser does that speaks to `localhost`.
    ///
    /// ```
    /// use anthill_http::Cookie;
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| match ctx.path() {
    ///     "/login" => {
    ///         let mut cookie = Cookie::new("user", ctx.body());
    ///         cookie.set_secure(true);
    ///         ctx.response.set_cookie(&cookie);
    ///     }
    ///     _ => {
    ///         let user = ctx.request.cookie("user").unwrap_or(b"nobody").to_vec();
    ///         ctx.set_body(user);
    ///     }
    /// });
    /// let (ann, bob) = (server.client().keep_cookies(), server.client().keep_cookies());
    /// ann.post("/login").body("ann").send().assert_cookie("user", "ann");
    /// ann.get("/").send().assert_text("ann");
    /// bob.get("/").send().assert_text("nobody");
    /// ```
    #[cfg(feature = "cookies")]
    pub fn keep_cookies(self) -> Self {
        self.cookie_jar(CookieJar::new())
    }

    /// As [`keep_cookies`](Self::keep_cookies), in a jar that you have, and perhaps share. They expire by the server's
    /// [clock](super::TestServer::clock).
    #[cfg(feature = "cookies")]
    pub fn cookie_jar(mut self, jar: CookieJar) -> Self {
        self.caller.options.jar = Some(jar);
        self
    }

    /// The value of the cookie `name` that a request for `path` would have; `None`: there is none, or none are kept.
    #[cfg(feature = "cookies")]
    pub fn cookie(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        let uri = Uri::parse_with_host(&self.caller.options.host, path).ok().map(as_secure)?;
        let jar = self.caller.options.jar.as_ref()?;
        jar.get_at(&uri, name.as_bytes(), self.caller.line.time())
    }

    /// What the field `Cookie` of a request for `path` would say, for requests over a [`TestConn`](super::TestConn) as
    /// the same user; `None`: nothing.
    ///
    /// ```
    /// use anthill_http::Cookie;
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| match ctx.path() {
    ///     "/login" => ctx.response.set_cookie(&Cookie::new("user", "ann")),
    ///     _ => {
    ///         let user = ctx.request.cookie("user").unwrap_or(b"nobody").to_vec();
    ///         ctx.set_body(user);
    ///     }
    /// });
    /// let ann = server.client().keep_cookies();
    /// ann.post("/login").send();
    /// let mut conn = server.connect();
    /// conn.send("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ").send(ann.cookie_header("/").unwrap());
    /// conn.send_torn("\r\n\r\n", [1]).read_response().assert_text("ann");
    /// ```
    #[cfg(feature = "cookies")]
    pub fn cookie_header(&self, path: &str) -> Option<Vec<u8>> {
        let uri = Uri::parse_with_host(&self.caller.options.host, path).ok().map(as_secure)?;
        self.caller.options.jar.as_ref()?.header_at(&uri, self.caller.line.time())
    }

    /// How long a request may take, to the end of its body and over all redirects, by the system's clock; 30 s when not
    /// set. Then the test fails.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.caller.options.limit = limit;
        self
    }

    /// What goes wrong on its connections; nothing when not set. A request is not tried again then.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.caller.options.faults = faults;
        self.with_conns()
    }

    /// Where it is: the [`remote_addr`](crate::RequestCtx::remote_addr) of its requests, which counts for limits by
    /// address. When not set that is not known. (What a server says to a connection that it does not take in is no
    /// response to a request: see it by [`connect_from`](super::TestServer::connect_from).)
    pub fn from_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.caller.options.from = Some(addr.into());
        self.with_conns()
    }

    /// Whether requests ask for compressed responses, and get them as they were before; no when not set.
    pub fn decompress(mut self, decompresses: bool) -> Self {
        self.caller.options.decompresses = decompresses;
        self.with_conns()
    }

    /// Whether messages of failed assertions have the values of secret fields; no when not set. Those end up in logs.
    pub fn show_secrets(mut self, shows: bool) -> Self {
        self.caller.options.shows_secrets = shows;
        self
    }

    request_methods!();

    /// A WebSocket at `path`, once it is [connected](crate::client::WebSocketRequest::connect) (feature `ws`), with the
    /// header fields and cookies of this client. For an example see [`TestServer`](super::TestServer::websocket).
    #[cfg(feature = "ws")]
    pub fn websocket(&self, path: &str) -> crate::client::WebSocketRequest<'_> {
        let host = String::from_utf8_lossy(&self.caller.options.host);
        let mut request =
            self.caller.client.websocket(format!("ws://{host}{path}")).timeout(self.caller.options.limit);
        for (name, value) in self.caller.options.fields.iter() {
            request = request.header(name, value);
        }
        #[cfg(feature = "cookies")]
        if let (Some(jar), Ok(uri)) =
            (&self.caller.options.jar, Uri::parse_with_host(&self.caller.options.host, path))
        {
            if let Some(cookies) = jar.header_at(&as_secure(uri), self.caller.line.time()) {
                request = request.header("Cookie", cookies);
            }
        }
        request
    }

    fn new_request(&self, method: &str, url: &str) -> TestRequest<'_> {
        TestRequest::new(&self.caller, Draft::new(method, url))
    }
}

/// Without fields and cookies, which may have secrets.
impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("host", &String::from_utf8_lossy(&self.caller.options.host))
            .field("faults", &self.caller.options.faults)
            .finish_non_exhaustive()
    }
}
