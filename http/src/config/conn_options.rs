//! What a server is told of a connection that it did not accept itself.

use std::fmt;
use std::net::SocketAddr;

/// Facts about one connection, for [`Server::serve_conn_with`](crate::Server::serve_conn_with).
///
/// Of a `TcpStream` the addresses are known without, and a shutdown can end it, or a `UnixStream`, while it waits
/// between two requests. For any other stream say here what is to be known.
///
/// ```
/// use anthill_http::{ConnOptions, Server};
/// use std::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
///
/// let server = Server::new(|ctx| {
///     let seen = format!("{} tls={}", ctx.remote_addr(), ctx.conn().is_tls());
///     ctx.set_body(seen);
/// })?;
/// let options = ConnOptions::new().remote_addr(([192, 0, 2, 1], 4711).into()).tls(true);
/// server.serve_conn_with(listener.accept()?.0, options)?;
///
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.ends_with("\r\n\r\n192.0.2.1:4711 tls=true"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "options do nothing until they are given to `serve_conn_with`"]
pub struct ConnOptions {
    pub(crate) remote_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) is_tls: bool,
    pub(crate) awaits_proxy_header: bool,
    pub(crate) interrupt: Option<Box<dyn Fn() + Send + Sync>>,
}

impl ConnOptions {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The peer's address, for [`RequestCtx::remote_addr`](crate::RequestCtx::remote_addr).
    pub fn remote_addr(mut self, address: SocketAddr) -> Self {
        self.remote_addr = Some(address);
        self
    }

    /// Our own address, for [`RequestCtx::local_addr`](crate::RequestCtx::local_addr).
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.local_addr = Some(address);
        self
    }

    /// Whether the stream's bytes are encrypted by TLS on their way, for [`ConnInfo::is_tls`](crate::ConnInfo::is_tls).
    pub fn tls(mut self, is_tls: bool) -> Self {
        self.is_tls = is_tls;
        self
    }

    /// Says whether the stream begins with a header of the PROXY protocol, which names the client; no when not set. See
    /// [`Listener::proxy_protocol`](crate::Listener::proxy_protocol): the address that was given here is the proxy's
    /// then, and the stream's own timeouts apply.
    pub fn proxy_protocol(mut self, is_spoken: bool) -> Self {
        self.awaits_proxy_header = is_spoken;
        self
    }

    /// Called by a [`shutdown`](crate::Server::shutdown) while the connection waits between two requests, from the
    /// thread that shuts down. It must make the read of the stream that is under way, or about to begin, return 0 or an
    /// error other than [`Interrupted`](std::io::ErrorKind::Interrupted), and must not block.
    ///
    /// Without it such a connection is waited for until its stream's own read timeout ends it.
    pub fn on_shutdown(mut self, interrupt: impl Fn() + Send + Sync + 'static) -> Self {
        self.interrupt = Some(Box::new(interrupt));
        self
    }
}

impl fmt::Debug for ConnOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnOptions")
            .field("remote_addr", &self.remote_addr)
            .field("local_addr", &self.local_addr)
            .field("is_tls", &self.is_tls)
            .field("proxy_protocol", &self.awaits_proxy_header)
            .finish_non_exhaustive()
    }
}
