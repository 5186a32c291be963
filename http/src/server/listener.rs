//! What a server serves: a listening socket of whatever kind, and what is to be known of its connections.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

#[cfg(unix)]
use super::unix::UnixSocket;
use crate::engine::accept::Entrance;
use crate::engine::accept::in_memory::InMemoryListener;
use crate::engine::accept::listener::ListeningSocket;
use crate::engine::accept::take_in::{Intake, Placement};
#[cfg(feature = "tls-no-provider")]
use crate::tls::TlsConfig;

/// Something to serve, for [`Server::serve`](crate::Server::serve), [`serve_all`](crate::Server::serve_all) and
/// [`start_all`](crate::Server::start_all): made of a `TcpListener`, a [`UnixSocket`](crate::UnixSocket), a
/// `UnixListener` or an [`InMemoryListener`], which those take as they are; and what is different for its connections.
#[must_use = "it listens until it is dropped"]
pub struct Listener {
    kind: ListenerKind,
    name: Option<String>,
    awaits_proxy_header: bool,
    #[cfg(feature = "tls-no-provider")]
    tls: Option<TlsConfig>,
}

enum ListenerKind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
    InMemory(InMemoryListener),
}

impl Listener {
    fn new(kind: ListenerKind) -> Self {
        Self {
            kind,
            name: None,
            awaits_proxy_header: false,
            #[cfg(feature = "tls-no-provider")]
            tls: None,
        }
    }

    /// Says whether each connection begins with a header of the PROXY protocol, version 1 or 2, by which a proxy
    /// (HAProxy's `send-proxy` and `send-proxy-v2`, nginx's `proxy_protocol`, load balancers of clouds) names the
    /// client whose connection it passes on; no when not set.
    ///
    /// The client's address is then [`RequestCtx::remote_addr`](crate::RequestCtx::remote_addr), what
    /// [`max_conns_per_ip`](crate::ServerBuilder::max_conns_per_ip) counts, and what the log and observers are told;
    /// the address that it has connected to is [`RequestCtx::local_addr`](crate::RequestCtx::local_addr); and where the
    /// proxy says that it has come by TLS, [`ConnInfo::is_tls`](crate::ConnInfo::is_tls) is true. A header that names
    /// nobody (`LOCAL`, `UNKNOWN`: health checks) leaves the proxy's own addresses, one that names a Unix domain socket
    /// leaves none.
    ///
    /// A connection whose header is malformed or does not come within the
    /// [`read_header_timeout`](crate::ServerBuilder::read_header_timeout) is closed without an answer, with a line at
    /// level `Debug`. So is one from somebody who is none of
    /// [`trusted_proxies`](crate::ServerBuilder::trusted_proxies), if that option is set; without it the header is
    /// taken from everybody who can connect, so see that only proxies can.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use anthill_http::{Listener, Server};
    ///
    /// let server = Server::builder()
    ///     .trusted_proxies(["127.0.0.1"])
    ///     .build(|ctx| ctx.set_body(ctx.remote_addr().to_string()))?;
    /// let listener = Server::listen("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let running = server.start_all([Listener::from(listener).proxy_protocol(true)])?;
    ///
    /// let mut proxy = std::net::TcpStream::connect(address)?;
    /// proxy.write_all(b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n\
    ///     GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    /// let mut response = String::new();
    /// proxy.read_to_string(&mut response)?;
    /// assert!(response.ends_with("\r\n\r\n198.51.100.7:4711"));
    /// # server.shutdown(std::time::Duration::from_secs(10))?;
    /// # running.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn proxy_protocol(self, is_spoken: bool) -> Self {
        Self { awaits_proxy_header: is_spoken, ..self }
    }

    /// Has each connection encrypted by TLS. Beside it others may be served that are not:
    /// [`HttpsRedirect`](crate::HttpsRedirect) is for those. A header of the [PROXY protocol](Self::proxy_protocol)
    /// comes before the handshake.
    ///
    /// Timeouts and limits are as for other connections. The handshake has the time of a first request's head: the
    /// shorter of [`read_header_timeout`](crate::ServerBuilder::read_header_timeout) and
    /// [`read_timeout`](crate::ServerBuilder::read_timeout), however it trickles in; the first request has its own. A
    /// connection that is beyond a limit is closed without an answer. Who speaks plain HTTP is answered 400, which says
    /// so.
    ///
    /// ```no_run
    /// use anthill_http::{HttpsRedirect, Listener, Server, TlsConfig};
    ///
    /// let tls = TlsConfig::from_files("fullchain.pem", "privkey.pem")?;
    /// let app = |ctx: &mut anthill_http::RequestCtx| ctx.set_body("hello");
    /// let server = Server::builder().build_handler(HttpsRedirect::new().before(app))?;
    /// let listeners = [
    ///     Listener::from(Server::listen("[::]:80")?),
    ///     Listener::from(Server::listen("[::]:443")?).tls(&tls),
    /// ];
    /// server.start_all(listeners)?.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // TLS-01, TLS-02.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(self, config: &TlsConfig) -> Self {
        Self { tls: Some(config.clone()), ..self }
    }

    /// Its TCP address, or what one in memory was said to have; `None` when it has none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            ListenerKind::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            ListenerKind::Unix(_) => None,
            ListenerKind::InMemory(listener) => listener.local_addr(),
        }
    }

    /// What whoever has opened it calls it: `FileDescriptorName=` of systemd's socket units. `None`: nothing.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    #[cfg(all(feature = "systemd", unix))]
    pub(super) fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// For the engine.
    pub(super) fn placed(self, placement: Placement) -> io::Result<(Entrance, Intake)> {
        let intake = Intake {
            placement,
            awaits_proxy_header: self.awaits_proxy_header,
            #[cfg(feature = "tls-no-provider")]
            tls: self.tls,
        };
        let entrance = match self.kind {
            ListenerKind::Tcp(listener) => Entrance::Socket(ListeningSocket::tcp(listener)?),
            #[cfg(unix)]
            ListenerKind::Unix(socket) => Entrance::Socket(socket.into_listening()?),
            ListenerKind::InMemory(listener) => Entrance::InMemory(listener.into()),
        };
        Ok((entrance, intake))
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::new(ListenerKind::Tcp(listener))
    }
}

impl From<InMemoryListener> for Listener {
    fn from(listener: InMemoryListener) -> Self {
        Self::new(ListenerKind::InMemory(listener))
    }
}

impl From<&InMemoryListener> for Listener {
    fn from(listener: &InMemoryListener) -> Self {
        listener.clone().into()
    }
}

#[cfg(unix)]
impl From<UnixSocket> for Listener {
    fn from(socket: UnixSocket) -> Self {
        Self::new(ListenerKind::Unix(socket))
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listener {
    /// The socket's file is not touched.
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        UnixSocket::from(listener).into()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Listener");
        match &self.kind {
            ListenerKind::Tcp(listener) => shown.field("tcp", listener),
            #[cfg(unix)]
            ListenerKind::Unix(socket) => shown.field("unix", socket),
            ListenerKind::InMemory(listener) => shown.field("in_memory", listener),
        };
        #[cfg(feature = "tls-no-provider")]
        shown.field("tls", &self.tls);
        shown.field("name", &self.name).field("proxy_protocol", &self.awaits_proxy_header).finish()
    }
}
