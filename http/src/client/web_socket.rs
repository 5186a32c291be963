//! Opening a WebSocket.
//!
//! The idea: the handshake is a request like any other, with the pool, limits, encryption and fields of the client;
//! what follows on its connection is the same session that a server has, from the other side.

use super::any_host::Client;
use super::error::{ClientError, ClientErrorKind};
use super::into_uri::IntoUri;
use super::request_builder::RequestBuilder;
use super::response::ClientResponse;
use super::socket_driver::SocketDriver;
use crate::sockets::{WebSocket, WebSocketOptions};
use crate::values::uri::Uri;
use crate::ws::BadHandshakeAnswer;
use anthill_pool::CancelToken;
use std::fmt;
use std::time::Duration;

/// How long opening may take if neither the client nor the call says so.
const OPENED_WITHIN: Duration = Duration::from_secs(30);

/// A WebSocket that is to be opened; made by [`Client::websocket`].
#[must_use = "nothing is sent before connect is called"]
pub struct WebSocketRequest<'a> {
    request: RequestBuilder<'a>,
    options: WebSocketOptions,
}

/// Why a WebSocket was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketConnectError {
    /// There was no response.
    Failed(ClientError),
    /// The server does not open it: it answers with another status than 101. The response is whole; redirects are not
    /// followed.
    Refused(Box<ClientResponse>),
    /// The response has status 101, and does not answer the handshake. The connection was closed.
    BadAnswer(BadHandshakeAnswer),
}

impl Client {
    /// Opens a WebSocket at `url`, of the scheme `ws` or `wss` (or `http`, `https`), once it is
    /// [connected](WebSocketRequest::connect).
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::client::Client;
    /// use anthill_http::websocket::{Message, WebSocketOptions};
    ///
    /// let running = Server::new(|ctx| {
    ///     ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
    ///         while let Some(message) = socket.read()? {
    ///             socket.send(message)?;
    ///         }
    ///         Ok(())
    ///     });
    /// })?
    /// .start("127.0.0.1:0")?;
    ///
    /// let client = Client::new();
    /// let mut socket = client.websocket(format!("ws://{}/", running.local_addr())).connect()?;
    /// socket.send("hello")?;
    /// assert_eq!(socket.read()?, Some(Message::from("hello")));
    /// // Another thread can send by this.
    /// let sender = socket.sender().clone();
    /// sender.send("again")?;
    /// assert_eq!(socket.read()?, Some(Message::from("again")));
    /// socket.close(1000, "that was all");
    /// assert_eq!(socket.read()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn websocket(&self, url: impl IntoUri) -> WebSocketRequest<'_> {
        let url = url.into_uri().and_then(of_http);
        let request = RequestBuilder::new(self, "GET", url);
        WebSocketRequest { request, options: WebSocketOptions::default() }
    }
}

/// The same place by its scheme of HTTP (RFC 6455 section 3).
fn of_http(mut url: Uri) -> Result<Uri, ClientError> {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Ok(url),
    };
    url.set_scheme(scheme).map_err(ClientError::invalid)?;
    Ok(url)
}

impl WebSocketRequest<'_> {
    /// What the socket is like: subprotocols that are offered, the best one first; whether compression is; limits,
    /// queues, times. The [origins](crate::websocket::WebSocketOptionsBuilder::origins) are a server's affair. Default:
    /// [`WebSocketOptions::default`].
    pub fn options(mut self, options: &WebSocketOptions) -> Self {
        self.options = options.clone();
        self
    }

    /// Adds a header field to the request, such as `Origin` or `Cookie`. Those of the handshake itself are not to be
    /// given here.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let begins = name.get(..b"sec-websocket-".len());
        let is_ours = is("Upgrade")
            || is("Connection")
            || begins.is_some_and(|begins| begins.eq_ignore_ascii_case(b"sec-websocket-"));
        self.request = match is_ours {
            true => {
                self.request.refused(ClientError::invalid("the handshake of a WebSocket says that itself"))
            }
            false => self.request.header(name, value),
        };
        self
    }

    /// As [`RequestBuilder::basic_auth`].
    pub fn basic_auth(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.request = self.request.basic_auth(user, password);
        self
    }

    /// As [`RequestBuilder::bearer_auth`].
    pub fn bearer_auth(mut self, token: impl AsRef<str>) -> Self {
        self.request = self.request.bearer_auth(token);
        self
    }

    /// How long opening may take, from [`connect`](Self::connect) to the response. Default: the client's
    /// [`timeout`](super::ClientBuilder::timeout), or 30 s if it has none. What the socket then waits for has limits of
    /// its own, in the [options](Self::options).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.request = self.request.timeout(limit);
        self
    }

    /// Has opening end with [`Cancelled`](ClientErrorKind::Cancelled) when `token` is cancelled. Afterwards the socket
    /// is cut off by it: reading fails with [`Lost`](crate::websocket::WebSocketError::Lost).
    pub fn cancel_with(mut self, token: &CancelToken) -> Self {
        self.request = self.request.cancel_with(token);
        self
    }

    /// Opens it.
    ///
    /// The socket has a thread of its own, which answers pings, asks the server whether it is there, and sends what is
    /// queued, whatever the caller does; it ends with the socket. The connection is one of the client's
    /// [`max_conns`](super::ClientBuilder::max_conns) until then. Whoever wants to be sure that the last messages have
    /// arrived closes the socket and reads until there is nothing more: without the server's answer to the close frame
    /// reading fails with [`Lost`](crate::websocket::WebSocketError::Lost).
    ///
    /// A proxy of HTTP is asked for a connection (`CONNECT`), whatever the scheme.
    ///
    /// # Errors
    /// See [`WebSocketConnectError`].
    pub fn connect(self) -> Result<WebSocket, WebSocketConnectError> {
        let Self { mut request, options } = self;
        let offer = options
            .handshake
            .offer()
            .ok_or_else(|| ClientError::invalid("a subprotocol is no token, or is offered twice"))?;
        for (name, value) in offer.headers() {
            request = request.header(name, value);
        }
        let token = request.token().cloned();
        let mut response = request.for_socket().timeout_if_none(OPENED_WITHIN).send()?;
        if response.status_code() != 101 {
            return Err(WebSocketConnectError::Refused(Box::new(response)));
        }
        let answer = offer.read(response.headers()).map_err(WebSocketConnectError::BadAnswer)?;
        let remote = response.remote_addr();
        let closed = || ClientError::new(ClientErrorKind::ConnectionClosed).at(remote);
        let upgraded = response.take_upgraded().ok_or_else(closed)?;
        Ok(SocketDriver::start(upgraded, options.settings, answer, token.as_ref())?)
    }
}

impl fmt::Display for WebSocketConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "the server does not open a WebSocket: it answers {}", response.status_code())
            }
            Self::BadAnswer(error) => write!(f, "the response does not answer the handshake: {error}"),
        }
    }
}

impl std::error::Error for WebSocketConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What it is itself was said.
            Self::Failed(error) => error.source(),
            Self::Refused(_) | Self::BadAnswer(_) => None,
        }
    }
}

impl From<ClientError> for WebSocketConnectError {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Debug for WebSocketRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRequest").field("request", &self.request).finish_non_exhaustive()
    }
}
