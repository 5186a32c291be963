//! A server that serves on threads of its own, and the handle to it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Listener, ServeError, Server, ShutdownError};
use crate::engine::Engine;
use crate::engine::accept::{self, Acceptor};

/// A server that serves in the background; of [`Server::start`] and [`Server::start_all`].
///
/// Dropping it changes nothing: the server serves until somebody shuts it down. [`Deref`](std::ops::Deref) gives the
/// [`Server`].
///
/// ```
/// use anthill_http::Server;
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// let running = Server::new(|ctx| ctx.set_body("hello"))?.start("127.0.0.1:0")?;
///
/// let mut client = TcpStream::connect(running.local_addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.ends_with("\r\n\r\nhello"));
///
/// running.shutdown(Duration::from_secs(5))?;
/// running.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it serves on without this, but who is to end it?"]
pub struct RunningServer {
    server: Server,
    addresses: Vec<SocketAddr>,
    /// `None`: it was shut down before it began.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Listens on a TCP address as [`listen_and_serve`](Server::listen_and_serve) does, and serves on threads of its
    /// own: when this returns, clients are answered.
    ///
    /// # Errors
    /// When the address cannot be listened on, or threads or pollers cannot be made.
    pub fn start(&self, address: impl ToSocketAddrs + fmt::Debug) -> Result<RunningServer, ServeError> {
        self.start_all(self.listen_all(address)?)
    }

    /// As [`start`](Server::start), for listeners that are there; see [`serve_all`](Server::serve_all).
    ///
    /// # Errors
    /// When threads or pollers cannot be made, or there are no listeners.
    pub fn start_all<L: Into<Listener>>(
        &self,
        listeners: impl IntoIterator<Item = L>,
    ) -> Result<RunningServer, ServeError> {
        let mut addresses = Vec::new();
        let listeners = listeners.into_iter().map(Into::into);
        let listeners = self.placed(listeners.inspect(|listener| addresses.extend(listener.local_addr())))?;
        let thread = match self.begin(listeners)? {
            None => None,
            Some((engine, acceptors)) => Some(self.accept_apart(engine, acceptors)?),
        };
        Ok(RunningServer { server: self.clone(), addresses, thread })
    }

    /// Accepts on threads, all of which are there when this returns.
    fn accept_apart(
        &self,
        engine: Arc<Engine>,
        acceptors: Vec<Acceptor>,
    ) -> io::Result<JoinHandle<io::Result<()>>> {
        let (begun, begins) = mpsc::channel();
        let (server, accepted) = (self.clone(), engine.clone());
        let accepting = move || {
            server.accept_all(&accepted, acceptors, move || {
                // This waits for it.
                let _ = begun.send(());
            })
        };
        let spawned = thread::Builder::new().name("anthill-accept".to_owned()).spawn(accepting);
        let thread = spawned.map_err(|error| {
            self.give_up_engine(&engine);
            accept::no_thread(error)
        })?;
        match begins.recv() {
            Ok(()) => Ok(thread),
            Err(mpsc::RecvError) => {
                Err(join(thread).err().unwrap_or_else(|| io::Error::other("nothing accepts")))
            }
        }
    }
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that accepts panicked")))
}

impl RunningServer {
    /// Where it listens, the first of several; `0.0.0.0:0` when that is no TCP address.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or_else(|| ([0; 4], 0).into())
    }

    /// Where it listens: an address for each TCP listener.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// As [`Server::shutdown`].
    ///
    /// # Errors
    /// As `Server::shutdown`.
    pub fn shutdown(&self, limit: Duration) -> Result<(), ShutdownError> {
        self.server.shutdown(limit)
    }

    /// Waits until it has been shut down, by whomever; what was under way has been answered then.
    ///
    /// # Errors
    /// As [`Server::serve_all`].
    pub fn join(self) -> Result<(), ServeError> {
        let Some(thread) = self.thread else { return Ok(()) };
        Ok(join(thread)?)
    }
}

impl std::ops::Deref for RunningServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("local_addrs", &self.addresses).finish_non_exhaustive()
    }
}
