//! Connections in memory: who dials waits until somebody has accepted, a server or whoever calls
//! [`InMemoryListener::accept`].
//!
//! The rule: a connection that was not accepted when the listener is closed is closed with it, and who has dialled it
//! is told.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::ctx::ConnInfo;
use crate::engine::accept::arrivals::{Arrivals, unless_interrupted};
use crate::wire::in_memory::{InMemoryStream, InMemoryTransport};

/// A listener without a socket (fasthttp's `InmemoryListener`): whoever [`dial`](Self::dial)s gets a connection in
/// memory, to be served by [`Server::serve`](crate::Server::serve) and its like, with all limits and timeouts; a
/// connection takes no port, file or descriptor. For tests, and for what runs in one process. Clones are the same
/// listener. Unlike on a socket, a client that leaves while its request waits for a thread is not given up before its
/// turn.
///
/// ```
/// use anthill_http::{InMemoryListener, Server};
/// use std::io::{Read, Write};
///
/// let listener = InMemoryListener::new();
/// let running = Server::new(|ctx| ctx.set_body("hello"))?.start_all([&listener])?;
/// let mut client = listener.dial()?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.ends_with("\r\n\r\nhello"));
///
/// running.shutdown(std::time::Duration::from_secs(5))?;
/// running.join()?;
/// assert!(listener.dial().is_err(), "a server's end is the listener's");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct InMemoryListener {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<ListenerState>,
    /// For who dials, and who accepts.
    changed: Condvar,
}

#[derive(Default)]
struct ListenerState {
    pending: VecDeque<Dialled>,
    address: Option<SocketAddr>,
    /// The servers that wait for connections.
    servers: Vec<Arc<Waker>>,
    is_closed: bool,
    /// Connections that a server has accepted and not taken in yet.
    #[cfg(feature = "testing")]
    in_hand: usize,
}

/// A connection that nobody has accepted yet.
struct Dialled {
    is_accepted: Arc<AtomicBool>,
    stream: InMemoryStream,
}

impl InMemoryListener {
    /// One that listens.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new connection, once somebody has accepted it.
    ///
    /// # Errors
    /// [`ConnectionRefused`](ErrorKind::ConnectionRefused): the listener is closed, or is before that.
    pub fn dial(&self) -> io::Result<InMemoryStream> {
        self.dial_until(None, None)
    }

    /// As [`dial`](Self::dial), from that address (fasthttp's `DialWithLocalAddr`): it is the
    /// [`remote_addr`](crate::RequestCtx::remote_addr) of requests, and counts for
    /// [`max_conns_per_ip`](crate::ServerBuilder::max_conns_per_ip).
    ///
    /// # Errors
    /// As `dial`.
    pub fn dial_from(&self, address: SocketAddr) -> io::Result<InMemoryStream> {
        self.dial_until(Some(address), None)
    }

    /// As [`dial`](Self::dial), but waits only so long.
    ///
    /// # Errors
    /// As `dial`; and [`TimedOut`](ErrorKind::TimedOut): nobody has accepted it by then.
    pub fn dial_timeout(&self, limit: Duration) -> io::Result<InMemoryStream> {
        self.dial_until(None, Instant::now().checked_add(limit))
    }

    /// As [`dial_timeout`](Self::dial_timeout), from that address if one is said; and a server has taken the connection
    /// in, unless that takes longer.
    #[cfg(feature = "testing")]
    pub(crate) fn dial_taken_in(
        &self,
        from: Option<SocketAddr>,
        limit: Duration,
    ) -> io::Result<InMemoryStream> {
        let until = Instant::now().checked_add(limit);
        let stream = self.dial_until(from, until)?;
        let mut state = self.shared.state.lock();
        while (state.in_hand > 0 || !state.pending.is_empty()) && !state.is_closed {
            let is_late = match until {
                Some(until) => self.shared.changed.wait_until(&mut state, until).timed_out(),
                None => false,
            };
            if is_late {
                break;
            }
        }
        Ok(stream)
    }

    /// A new connection that somebody is going to accept, or that ends when the listener is closed before that; with
    /// what is left for whoever handles its request.
    #[cfg(feature = "tower")]
    pub(crate) fn dial_ahead(
        &self,
        from: Option<SocketAddr>,
        extensions: ::http::Extensions,
    ) -> io::Result<InMemoryStream> {
        let (client, stream) = InMemoryStream::pair();
        stream.set_extensions(extensions);
        self.offer(&mut self.shared.state.lock(), from, &client, stream)?;
        Ok(client)
    }

    /// Has `stream` accepted, the other end of `client`; the answer says whether it was.
    fn offer(
        &self,
        state: &mut MutexGuard<'_, ListenerState>,
        from: Option<SocketAddr>,
        client: &InMemoryStream,
        stream: InMemoryStream,
    ) -> io::Result<Arc<AtomicBool>> {
        if state.is_closed {
            return Err(closed(ErrorKind::ConnectionRefused));
        }
        let is_accepted = Arc::new(AtomicBool::new(false));
        client.set_addrs(from, state.address);
        stream.set_addrs(state.address, from);
        state.pending.push_back(Dialled { is_accepted: is_accepted.clone(), stream });
        self.shared.changed.notify_all();
        let servers = state.servers.clone();
        // A server's waker is a descriptor, which is written to unlocked.
        MutexGuard::unlocked(state, || servers.iter().for_each(wake));
        Ok(is_accepted)
    }

    fn dial_until(&self, from: Option<SocketAddr>, until: Option<Instant>) -> io::Result<InMemoryStream> {
        let (client, stream) = InMemoryStream::pair();
        let mut state = self.shared.state.lock();
        let is_accepted = self.offer(&mut state, from, &client, stream)?;
        loop {
            if is_accepted.load(Ordering::Relaxed) {
                return Ok(client);
            }
            if state.is_closed {
                return Err(closed(ErrorKind::ConnectionRefused));
            }
            match until {
                None => self.shared.changed.wait(&mut state),
                Some(until) if Instant::now() < until => {
                    self.shared.changed.wait_until(&mut state, until);
                }
                Some(_) => {
                    state.pending.retain(|dialled| !Arc::ptr_eq(&dialled.is_accepted, &is_accepted));
                    return Err(io::Error::new(
                        ErrorKind::TimedOut,
                        "nobody has accepted the connection in time",
                    ));
                }
            }
        }
    }

    /// The next connection, once somebody dials; for who serves it by other means than a server.
    ///
    /// # Errors
    /// [`NotConnected`](ErrorKind::NotConnected): the listener is closed.
    pub fn accept(&self) -> io::Result<InMemoryStream> {
        let mut state = self.shared.state.lock();
        loop {
            match self.take(&mut state) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.shared.changed.wait(&mut state),
                taken => return taken,
            }
        }
    }

    fn take(&self, state: &mut ListenerState) -> io::Result<InMemoryStream> {
        match state.pending.pop_front() {
            Some(Dialled { is_accepted, stream }) => {
                is_accepted.store(true, Ordering::Relaxed);
                self.shared.changed.notify_all();
                Ok(stream)
            }
            None if state.is_closed => Err(closed(ErrorKind::NotConnected)),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Where it is said to listen; `None` unless somebody has said so.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.state.lock().address
    }

    /// Says where connections arrive from now on (fasthttp's `SetLocalAddr`), for
    /// [`RequestCtx::local_addr`](crate::RequestCtx::local_addr).
    pub fn set_local_addr(&self, address: Option<SocketAddr>) {
        self.shared.state.lock().address = address;
    }

    /// Lets nobody dial any more, and tells those who wait. Connections that were accepted go on. A server does so when
    /// it is shut down, and when it was given the listener and cannot serve it.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        let (pending, servers) = (std::mem::take(&mut state.pending), state.servers.clone());
        self.shared.changed.notify_all();
        drop(state);
        drop(pending);
        servers.iter().for_each(wake);
    }
}

fn closed(kind: ErrorKind) -> io::Error {
    io::Error::new(kind, "the listener is closed")
}

fn wake(server: &Arc<Waker>) {
    if let Err(error) = server.wake() {
        log::error!("waking a listener failed: {error}");
    }
}

impl fmt::Debug for InMemoryListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("InMemoryListener")
            .field("local_addr", &state.address)
            .field("pending", &state.pending.len())
            .field("is_closed", &state.is_closed)
            .finish()
    }
}

/// A listener in memory that a server is to serve. It is closed with this, whether the server has come to that or not:
/// nobody else may ever accept.
pub(crate) struct ClosedWithServer(InMemoryListener);

impl From<InMemoryListener> for ClosedWithServer {
    fn from(listener: InMemoryListener) -> Self {
        Self(listener)
    }
}

impl Drop for ClosedWithServer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A listener in memory that a server waits for.
pub(crate) struct InMemoryListening {
    listener: ClosedWithServer,
    waker: Arc<Waker>,
    poll: Poll,
    events: Events,
}

impl InMemoryListening {
    /// Also returns what ends the waits, from then on.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(crate) fn new(listener: ClosedWithServer) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
        listener.0.shared.state.lock().servers.push(waker.clone());
        Ok((Self { listener, waker: waker.clone(), poll, events: Events::with_capacity(1) }, waker))
    }
}

impl Drop for InMemoryListening {
    fn drop(&mut self) {
        self.listener.0.shared.state.lock().servers.retain(|waker| !Arc::ptr_eq(waker, &self.waker));
    }
}

impl Arrivals for InMemoryListening {
    type Socket = InMemoryTransport;

    /// Whoever dials wakes once.
    const MUST_DRAIN: bool = true;

    fn accept(&mut self) -> io::Result<Option<(InMemoryTransport, ConnInfo)>> {
        let mut state = self.listener.0.shared.state.lock();
        #[cfg(feature = "testing")]
        if std::mem::take(&mut state.in_hand) > 0 {
            self.listener.0.shared.changed.notify_all();
        }
        let stream = self.listener.0.take(&mut state)?;
        #[cfg(feature = "testing")]
        {
            state.in_hand = 1;
        }
        drop(state);
        let info = ConnInfo::opened_now(stream.peer_addr(), stream.local_addr(), false);
        Ok(Some((stream.into_transport(), info)))
    }

    fn wait(&mut self) -> io::Result<()> {
        self.poll.poll(&mut self.events, None).or_else(unless_interrupted)
    }

    fn rest(&mut self, limit: Duration) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(limit)).or_else(unless_interrupted)
    }
}
