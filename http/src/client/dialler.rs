//! Connections that the user makes himself.

use crate::engine::socket::Socket;
use crate::wire::in_memory::InMemoryStream;
use crate::wire::transport::Transport;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// Makes connections, in the place of the client: [`ClientBuilder::dialler`](super::ClientBuilder::dialler).
///
/// Functions and closures of this shape are diallers. What they give is a stream of the system, connected, or one in
/// memory: what can be waited for with a limit, and ended from elsewhere. Anything else that reads and writes cannot.
/// TLS, and what is said to a proxy, goes over it as over any other connection.
///
/// ```
/// use anthill_http::client::{DialTarget, HostClient};
/// use anthill_http::{InMemoryListener, Request, Server};
///
/// let listener = InMemoryListener::new();
/// let running = Server::new(|ctx| ctx.set_body("without a socket"))?.start_all([&listener])?;
/// let dialler = move |_: &DialTarget<'_>| listener.dial().map(Into::into);
/// let client = HostClient::builder("anywhere").dialler(dialler).build()?;
/// assert_eq!(client.send(&Request::new("GET", "/")?)?.text()?, "without a socket");
/// # drop(running);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Dial: Send + Sync {
    /// A connection to `target`.
    ///
    /// It may block, and is not interrupted; when it comes back later than the call [has time](DialTarget::time_left),
    /// the call fails. It is called on the calling thread.
    ///
    /// # Errors
    /// Why there is none. Of a host with several addresses the next is tried.
    fn dial(&self, target: &DialTarget<'_>) -> io::Result<DialledStream>;
}

impl<F> Dial for F
where
    F: Fn(&DialTarget<'_>) -> io::Result<DialledStream> + Send + Sync,
{
    fn dial(&self, target: &DialTarget<'_>) -> io::Result<DialledStream> {
        self(target)
    }
}

/// What is to be connected to: the host that is asked, or the proxy on the way to it.
#[derive(Debug)]
pub struct DialTarget<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) time_left: Option<Duration>,
}

impl DialTarget<'_> {
    /// The name of the host, or its address, an IPv6 one without brackets; of a Unix socket its path.
    pub fn host(&self) -> &str {
        self.host
    }

    /// The port; 0 of a Unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How much time there is for it; `None`: there is no limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.time_left
    }
}

/// A connection that stands: made of a [`TcpStream`], a `UnixStream`, or an
/// [`InMemoryStream`], by `into()`.
#[derive(Debug)]
pub struct DialledStream(StreamKind);

#[derive(Debug)]
enum StreamKind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    InMemory(InMemoryStream),
}

impl From<TcpStream> for DialledStream {
    fn from(stream: TcpStream) -> Self {
        Self(StreamKind::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<UnixStream> for DialledStream {
    fn from(stream: UnixStream) -> Self {
        Self(StreamKind::Unix(stream))
    }
}

impl From<InMemoryStream> for DialledStream {
    fn from(stream: InMemoryStream) -> Self {
        Self(StreamKind::InMemory(stream))
    }
}

/// A connection to a host or to a proxy, on which nothing was said.
pub(crate) struct Reached {
    pub(crate) transport: Arc<dyn Transport>,
    /// `None`: it has none that can be known.
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
}

impl DialledStream {
    /// The same for a client, which waits elsewhere than in reading and writing.
    pub(crate) fn into_reached(self) -> io::Result<Reached> {
        Ok(match self.0 {
            StreamKind::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                let (remote, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
                let socket = Socket::tcp(mio::net::TcpStream::from_std(stream));
                Reached { transport: Arc::new(socket), remote, local }
            }
            #[cfg(unix)]
            StreamKind::Unix(stream) => {
                stream.set_nonblocking(true)?;
                let socket = Socket::unix(mio::net::UnixStream::from_std(stream));
                Reached { transport: Arc::new(socket), remote: None, local: None }
            }
            StreamKind::InMemory(stream) => {
                let (remote, local) = (stream.peer_addr(), stream.local_addr());
                Reached { transport: Arc::new(stream.into_transport()), remote, local }
            }
        })
    }
}

/// Shown by clients as what it is.
#[derive(Clone)]
pub(crate) struct OwnDialler(pub(crate) Arc<dyn Dial>);

impl fmt::Debug for OwnDialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnDialler")
    }
}
