//! The server as users see it: listening, serving, shutting down, figures. The work is the engine's, and that of the
//! blocking driver for connections of the user's own.

mod call;
mod ending;
#[cfg(all(feature = "systemd", unix))]
mod inherited;
mod life;
mod listen;
mod listen_error;
mod listener;
#[cfg(unix)]
mod notify;
mod probe;
mod running;
mod serve_error;
#[cfg(unix)]
mod serve_unix;
#[cfg(all(feature = "signals", unix))]
mod signals;
mod stats;
#[cfg(feature = "tls-no-provider")]
mod tls;
#[cfg(unix)]
mod unix;
mod vars;

pub use ending::ShutdownError;
pub use listener::Listener;
pub use probe::Probe;
pub use running::RunningServer;
pub use serve_error::ServeError;
#[cfg(all(feature = "signals", unix))]
pub use signals::run;
pub use stats::{ConnectionCounts, GivenUp, HandshakeCounts, ServerStats};
#[cfg(feature = "tls-no-provider")]
pub use tls::listen_and_serve_tls;
#[cfg(unix)]
pub use unix::{UnixAccess, UnixSocket};

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anthill_pool::ObjectPool;
use parking_lot::Mutex;

use crate::config::conn_options::ConnOptions;
use crate::config::error::BuildError;
use crate::config::hooks::BoxedHandler;
use crate::config::options::ServerBuilder;
use crate::config::settings::Settings;
#[cfg(feature = "testing")]
use crate::ctx::TestWatch;
use crate::ctx::{ConnInfo, Handler, HandlerResult, RequestCtx};
use crate::engine::Engine;
use crate::engine::accept::take_in::{Intake, Placement};
use crate::engine::accept::{self, Acceptor, Entrance};
use crate::observe::in_flight::RequestInFlight;
#[cfg(feature = "router")]
use crate::router::Routes;
use crate::serve::blocking;
use crate::serve::error::Error;
use crate::serve::service::Service;
use crate::serve::standalone::Standalone;
use crate::serve::stream::UserStream;
use crate::serve::workspace::Workspace;
use crate::server::life::{Entry, Life};
use crate::server::listen::Port;
use crate::util::panic;

/// An HTTP/1.1 server.
///
/// Handlers are plain functions and may block; see the [crate's text](crate). The server is a cheap handle: clones
/// share everything, so one can [`shutdown`](Server::shutdown) what another [`serve`](Server::serve)s.
///
/// [`run`](Server::run) serves until the process is to end, [`start`](Server::start) in the background, `serve` on the
/// calling thread.
///
/// ```
/// use anthill_http::Server;
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// let server = Server::new(|ctx| ctx.set_body("Hello, World!"))?;
/// let running = server.start("127.0.0.1:0")?;
///
/// let mut client = TcpStream::connect(running.local_addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nHello, World!"));
///
/// server.shutdown(Duration::from_secs(5))?;
/// running.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<ServerState>,
}

struct ServerState {
    service: Arc<Service>,
    /// The connections of `serve_conn`, and where it serves.
    standalone: Standalone,
    workspaces: ObjectPool<Workspace>,
    /// The engine of the current life, from the first `serve` to the end of a shutdown.
    engine: Mutex<Option<CurrentEngine>>,
    life: Life,
    #[cfg(feature = "tls-no-provider")]
    certificates: tls::InUse,
}

struct CurrentEngine {
    engine: Arc<Engine>,
    /// Those who serve, or served, with it.
    users: usize,
}

impl Server {
    /// A server with every option at its default, which answers requests by the function `handler`; see
    /// [`ServerBuilder::build`]. For closures and functions; wrappers and types of your own go to
    /// [`Server::builder().build_handler(..)`](ServerBuilder::build_handler).
    ///
    /// # Errors
    /// None with the defaults; the type is that of [`ServerBuilder::build`].
    pub fn new<R: HandlerResult>(
        handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
    ) -> Result<Self, BuildError> {
        Self::builder().build(handler)
    }

    /// Starts choosing options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    pub(crate) fn from_parts(settings: Settings, handler: BoxedHandler) -> Self {
        panic::watch();
        let service = Arc::new(Service::new(settings, handler));
        let served = service.clone();
        Server {
            shared: Arc::new(ServerState {
                service,
                standalone: Standalone::default(),
                workspaces: ObjectPool::new(move || Workspace::new(&served)),
                engine: Mutex::new(None),
                life: Life::default(),
                #[cfg(feature = "tls-no-provider")]
                certificates: tls::InUse::default(),
            }),
        }
    }

    /// Listens on a TCP address and serves until somebody calls [`shutdown`](Server::shutdown); returns when that has
    /// come to its end. No signal is caught: see [`run`](Server::run) for that.
    ///
    /// IPv4 and IPv6. When a name has several addresses (`localhost` mostly has one of each), all of them are listened
    /// on, but for those that this machine does not have, of which the log is told when others are left. With
    /// [`reuse_port`](ServerBuilder::reuse_port) there is a listener for each shard at each of them.
    ///
    /// # Errors
    /// When an address cannot be listened on; the error names it and what may help. As [`serve`](Server::serve)
    /// afterwards.
    // SRV-02, SRV-03.
    pub fn listen_and_serve(&self, address: impl ToSocketAddrs + fmt::Debug) -> Result<(), ServeError> {
        self.serve_all(self.listen_all(address)?)
    }

    /// Listens on a TCP address as [`listen_and_serve`](Server::listen_and_serve) does, for
    /// [`serve`](Server::serve) to use: so the address is known, and the clients' connections wait, before serving.
    /// There is one listener, at the first address that can be had, and no option of a server applies.
    ///
    /// # Errors
    /// When the address cannot be listened on; the error names it and what may help.
    pub fn listen(address: impl ToSocketAddrs + fmt::Debug) -> Result<TcpListener, ServeError> {
        Ok(listen::listen(address)?)
    }

    /// Listens on a TCP address as [`listen_and_serve`](Server::listen_and_serve) does, for
    /// [`serve_all`](Server::serve_all) to use: with [`reuse_port`](ServerBuilder::reuse_port) by a listener for each
    /// shard at each address, all on one port, else by a single one.
    ///
    /// # Errors
    /// When an address cannot be listened on; the error names it and what may help.
    pub fn listen_all(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
    ) -> Result<Vec<TcpListener>, ServeError> {
        let settings = &self.shared.service.settings;
        let (port, count) = match settings.connections.reuse_port {
            true => (Port::Shared, settings.threads.shards),
            false => (Port::Own, 1),
        };
        Ok(listen::listen_all(address, port, count, &settings.listening)?)
    }

    /// Serves the connections of `listener`: a `TcpListener`, a [`UnixSocket`](crate::UnixSocket), an
    /// [`InMemoryListener`](crate::InMemoryListener), or a [`Listener`] of which there is more to be said.
    /// Accepts on the calling thread. May be called for several listeners at once.
    ///
    /// Each connection is given to the shard with the fewest busy ones, whether
    /// [`reuse_port`](ServerBuilder::reuse_port) is set or not.
    ///
    /// Returns `Ok` when a [`shutdown`](Server::shutdown) has come to its end, and what was under way has been
    /// answered; at once when the shutdown came before there was anything to serve. Whatever keeps the system from
    /// accepting connections (no descriptors left, a network that is down) is logged, and tried again with growing
    /// pauses of up to a second.
    ///
    /// # Errors
    /// When threads or pollers cannot be made, or the listener does not listen any more; while a shutdown is under way
    /// that began before; and [`TimedOut`](io::ErrorKind::TimedOut), with a [`ShutdownError`] in it, when the
    /// shutdown's time was up first.
    // SRV-06.
    pub fn serve(&self, listener: impl Into<Listener>) -> Result<(), ServeError> {
        let listeners = vec![listener.into().placed(Placement::Lightest)?];
        match self.begin(listeners)? {
            Some((engine, acceptors)) => Ok(self.accept_all(&engine, acceptors, || {})?),
            None => Ok(()),
        }
    }

    /// As [`serve`](Server::serve), for several listeners. Accepts on the calling thread and one more for each further
    /// listener, and returns when all of them have ended.
    ///
    /// With [`reuse_port`](ServerBuilder::reuse_port) the connections of the first listener go to the first shard,
    /// those of the second to the second, and so on.
    ///
    /// # Errors
    /// As `serve`, after the end of the other listeners, which go on when one fails; and when there are no listeners.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let server = anthill_http::Server::builder().shards(2).build(|ctx| ctx.set_body("shared"))?;
    /// let listeners = server.listen_all("127.0.0.1:0")?;
    /// assert_eq!(listeners.len(), 1, "one for each shard is an option");
    /// let serving = server.clone();
    /// let thread = std::thread::spawn(move || serving.serve_all(listeners));
    /// server.shutdown(Duration::from_secs(5))?;
    /// thread.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serve_all<L: Into<Listener>>(
        &self,
        listeners: impl IntoIterator<Item = L>,
    ) -> Result<(), ServeError> {
        let listeners = self.placed(listeners.into_iter().map(Into::into))?;
        match self.begin(listeners)? {
            Some((engine, acceptors)) => Ok(self.accept_all(&engine, acceptors, || {})?),
            None => Ok(()),
        }
    }

    /// The engine for these, of which is told that they are served, and what accepts. `None`: they will not be.
    fn begin(&self, listeners: Vec<(Entrance, Intake)>) -> io::Result<Option<(Arc<Engine>, Vec<Acceptor>)>> {
        #[cfg(feature = "tls-no-provider")]
        self.shared.certificates.note(listeners.iter().filter_map(|(_, intake)| intake.tls.as_ref()));
        let place = |listener: &Entrance, intake: &Intake| match intake.is_tls() {
            true => format!("{} (TLS)", listener.place()),
            false => listener.place(),
        };
        let mut places: Vec<_> = listeners.iter().map(|(listener, intake)| place(listener, intake)).collect();
        places.dedup();
        let acceptors = listeners.into_iter().map(|(listener, intake)| Acceptor::new(listener, intake));
        let acceptors = acceptors.collect::<io::Result<_>>()?;
        // Last, since whoever has it has to give it up.
        let Some(engine) = self.engine()? else { return Ok(None) };
        self.say_listening(&places.join(", "));
        Ok(Some((engine, acceptors)))
    }

    /// Listeners, and what is done with their connections.
    fn placed(&self, listeners: impl Iterator<Item = Listener>) -> io::Result<Vec<(Entrance, Intake)>> {
        let settings = &self.shared.service.settings;
        let shards = settings.threads.shards;
        let placed = listeners.enumerate().map(|(index, listener)| {
            let is_placed = settings.connections.reuse_port;
            listener.placed(if is_placed { Placement::Shard(index % shards) } else { Placement::Lightest })
        });
        // All are taken before the first error counts: whoever waits at one that will not be served is told.
        let placed: Vec<_> = placed.collect();
        let placed = placed.into_iter().collect::<io::Result<Vec<_>>>()?;
        if placed.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no listener to serve"));
        }
        Ok(placed)
    }

    /// Tells the log, and the service manager, what begins here.
    fn say_listening(&self, places: &str) {
        let settings = &self.shared.service.settings;
        #[cfg(unix)]
        if !settings.logging.is_unnotified {
            notify::ready(&format!("listening on {places}"));
        }
        let (threads, connections) = (&settings.threads, &settings.connections);
        log::info!(
            "listening on {places}: {} shards, at most {} workers, {} waiting requests, {} connections",
            threads.shards,
            threads.max_workers,
            threads.max_waiting,
            connections.concurrency
        );
    }

    /// Accepts until the end; `has_begun` is called when there is a thread for each.
    fn accept_all(
        &self,
        engine: &Arc<Engine>,
        acceptors: Vec<Acceptor>,
        has_begun: impl FnOnce(),
    ) -> io::Result<()> {
        match accept::accept_all(engine, acceptors, has_begun) {
            Ok(ended) => ended?,
            Err(error) => {
                self.give_up_engine(engine);
                return Err(error);
            }
        }
        self.wait_shut_down()
    }

    /// Who was to serve with `engine` cannot begin: without others it ends.
    fn give_up_engine(&self, engine: &Arc<Engine>) {
        let mut current = self.shared.engine.lock();
        let Some(found) = current.as_mut().filter(|found| Arc::ptr_eq(&found.engine, engine)) else { return };
        found.users -= 1;
        if found.users > 0 {
            return;
        }
        *current = None;
        drop(current);
        engine.stop();
        // It has no connections.
        engine.wait_ended(None);
    }

    /// Serves one connection on the calling thread, over anything that reads and writes, and returns when it ends.
    ///
    /// What it does counts in [`stats`](Server::stats), and a [`shutdown`](Server::shutdown) ends it after the request
    /// it is in; a `TcpStream` (or `UnixStream`) at once when it waits between two. For other streams, and to say what
    /// the addresses are, there is [`serve_conn_with`](Server::serve_conn_with).
    ///
    /// The options that belong to the engine (timeouts, limits on connections) do not apply; give the stream timeouts
    /// of its own. It must block: when it says that it would, that counts as its timeout. The least speeds of clients
    /// ([`min_body_rate`](crate::ServerBuilder::min_body_rate),
    /// [`min_response_rate`](crate::ServerBuilder::min_response_rate)) apply as far as that can be: a call of the
    /// stream is not interrupted, so a client that trickles is given up by them, and one that stops by the stream's
    /// timeouts.
    ///
    /// The stream is dropped, and so closed, at the end. It is given away because a handler may be lent it, to read the
    /// rest of a body or to write one.
    ///
    /// # Errors
    /// Why the connection ended, unless it ended well. None is served while the server shuts down, nor after a shutdown
    /// that came before it had ever served.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::io::Write;
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// client.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    ///
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("pong"))?;
    /// server.serve_conn(listener.accept()?.0)?;
    ///
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.ends_with("\r\n\r\npong"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // SRV-05.
    pub fn serve_conn<S: Read + Write + Send + 'static>(&self, stream: S) -> Result<(), Error> {
        self.serve_conn_with(stream, ConnOptions::new())
    }

    /// As [`serve_conn`](Server::serve_conn), with what is to be known of the connection.
    ///
    /// # Errors
    /// As `serve_conn`.
    pub fn serve_conn_with<S: Read + Write + Send + 'static>(
        &self,
        stream: S,
        options: ConnOptions,
    ) -> Result<(), Error> {
        let shared = &*self.shared;
        let stream = UserStream::new(stream);
        let remote_addr = options.remote_addr.or(stream.remote_addr);
        let local_addr = options.local_addr.or(stream.local_addr);
        let info = ConnInfo::opened_now(remote_addr, local_addr, options.is_tls)
            .with_credentials(stream.credentials);
        let info = if options.awaits_proxy_header { info.behind_proxy() } else { info };
        let interrupt = options.interrupt.or_else(|| {
            let socket = stream.socket.clone()?;
            Some(Box::new(move || socket.interrupt()))
        });
        // Counted first, so that a shutdown that began meanwhile waits for it.
        let attended = shared.standalone.attend(info.id(), interrupt);
        let Some(attended) = attended else { return Err(io::Error::other(ENDING).into()) };
        match shared.life.let_in() {
            Entry::Open => {}
            Entry::Cancelled => return Err(io::Error::other(CANCELLED).into()),
            Entry::Ending => return Err(io::Error::other(ENDING).into()),
        }
        shared.service.counters.accepted.fetch_add(1, Ordering::Relaxed);
        blocking::serve(stream, &info, &mut shared.workspaces.get(), &shared.service, &attended)
    }

    /// The figures of this moment. For a route that shows them there is a [`Probe`].
    // SRV-19.
    pub fn stats(&self) -> ServerStats {
        let counters = &self.shared.service.counters;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let engine = self.current_engine();
        let idle = engine.as_ref().map(|engine| engine.idle_connections()).unwrap_or_default();
        let open_connections =
            engine.as_ref().map_or(0, |engine| engine.open_connections()) + self.shared.standalone.open();
        let counts = self.shared.service.tallies.sum();
        let timed = &self.shared.service.settings.ctx.timed;
        ServerStats {
            open_connections,
            connections: ConnectionCounts {
                new: idle.fresh.min(open_connections),
                active: open_connections.saturating_sub(idle.fresh + idle.resting),
                idle: idle.resting.min(open_connections.saturating_sub(idle.fresh)),
            },
            hijacked_connections: self.shared.service.taken_over.open(),
            accepted_connections: count(&counters.accepted),
            requests: counts.responses().total(),
            responses: counts.responses(),
            bytes_received: counts.received_bytes,
            bytes_sent: counts.sent_bytes,
            latency: counts.into_latency(),
            rejections: counters.rejections(),
            handshakes: HandshakeCounts {
                full: count(&counters.handshakes.full),
                resumed: count(&counters.handshakes.resumed),
            },
            given_up: GivenUp {
                slow_readers: count(&counters.slow.readers),
                slow_senders: count(&counters.slow.senders),
            },
            panics: self.panics(),
            blocked_handlers: count(&counters.slow.handlers),
            timed_out_handlers: count(&timed.late),
            timed_handlers_refused: count(&timed.refused),
            revoked_leases: count(&counters.workers.revoked_leases),
            dispatched_requests: count(&counters.workers.dispatched),
            waiting_requests: engine.as_ref().map_or(0, |engine| engine.waiting()),
            idle_connections_shed: count(&counters.idle_shed),
            workers: engine.as_ref().map(|engine| engine.pool_stats()),
            #[cfg(feature = "ws")]
            websockets: self.shared.service.sockets.snapshot(),
        }
    }

    /// How often the user's code has panicked in the place of an answer.
    fn panics(&self) -> u64 {
        let service = &self.shared.service;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let panics = count(&service.counters.panics) + count(&service.settings.ctx.timed.panicked_late);
        #[cfg(feature = "ws")]
        let panics = panics + count(&service.sockets.panics);
        panics
    }

    /// The requests whose handlers run at this moment, the one that has run for longest first.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (begin, begun) = mpsc::channel();
    /// let (end, ends) = mpsc::channel::<()>();
    /// let (begin, ends) = (std::sync::Mutex::new(begin), std::sync::Mutex::new(ends));
    /// let server = anthill_http::Server::new(move |_| {
    ///     let _ = begin.lock().unwrap().send(());
    ///     let _ = ends.lock().unwrap().recv();
    /// })?;
    /// let running = server.start("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(running.local_addr())?;
    /// std::io::Write::write_all(&mut client, b"GET /slow?a=b HTTP/1.1\r\nHost: h\r\n\r\n")?;
    /// begun.recv()?;
    /// let slowest = server.requests_in_flight().remove(0);
    /// assert_eq!((slowest.method(), slowest.path()), ("GET", "/slow"));
    /// drop(end);
    /// # server.shutdown(std::time::Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn requests_in_flight(&self) -> Vec<RequestInFlight> {
        let service = &self.shared.service;
        service.places.all(service.clock.nanos())
    }

    /// What a test knows of it, if it was built for one.
    #[cfg(feature = "testing")]
    pub(crate) fn test_watch(&self) -> Option<&TestWatch> {
        self.shared.service.settings.ctx.watch.as_ref()
    }

    /// The engine, which is started if need be. `None`: the server was shut down before it ever served.
    fn engine(&self) -> io::Result<Option<Arc<Engine>>> {
        let shared = &self.shared;
        let mut engine = shared.engine.lock();
        match shared.life.let_in() {
            Entry::Open => {}
            Entry::Cancelled => return Ok(None),
            Entry::Ending => return Err(io::Error::other(ENDING)),
        }
        let current = match &mut *engine {
            Some(current) => current,
            none => none.insert(CurrentEngine { engine: Engine::start(shared.service.clone())?, users: 0 }),
        };
        current.users += 1;
        Ok(Some(current.engine.clone()))
    }

    /// The engine that is there, if one is.
    fn current_engine(&self) -> Option<Arc<Engine>> {
        self.shared.engine.lock().as_ref().map(|current| current.engine.clone())
    }
}

/// Why nobody may serve.
const ENDING: &str = "the server is shutting down; serve again when shutdown has returned";
/// The same, for good.
const CANCELLED: &str =
    "the server was shut down before it ever served, and so never will; build another one";

impl ServerBuilder {
    /// Builds a server that answers requests by the function `handler`, which returns nothing, or a `Result` whose
    /// error [knows its status](crate::StatusError). For closures and functions; wrappers and types of your own go to
    /// [`build_handler`](Self::build_handler).
    ///
    /// This one tells the compiler what a closure's `ctx` is:
    ///
    /// ```
    /// use anthill_http::{HttpError, Server};
    /// let server = Server::builder().build(|ctx| match ctx.path() {
    ///     "/" => Ok(ctx.set_body("home")),
    ///     path => Err(HttpError::new(404, format!("there is no {path}"))),
    /// })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    ///
    /// Where `?` alone makes the errors, the closure says which type they become:
    ///
    /// ```
    /// let server = anthill_http::Server::builder().build(|ctx| -> std::io::Result<()> {
    ///     let bytes = std::io::copy(&mut ctx.body_reader(), &mut std::io::sink())?;
    ///     ctx.set_body(format!("{bytes} bytes"));
    ///     Ok(())
    /// })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    ///
    /// One that never returns needs to say what it would: `|_| -> () { panic!() }`.
    ///
    /// # Errors
    /// When an option cannot be met, or options contradict each other; the error names it and what helps.
    pub fn build<R: HandlerResult>(
        self,
        handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
    ) -> Result<Server, BuildError> {
        self.build_handler(handler)
    }

    /// Builds a server that answers requests by `handler`: a wrapper, a type of your own, an `Arc` of one, a
    /// `Box<dyn Handler>`; see [`Handler`]. A closure is easier given to [`build`](Self::build), which knows what its
    /// `ctx` is.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_handler(self, handler: impl Handler) -> Result<Server, BuildError> {
        let settings = self.resolve()?;
        let handler = settings.hooks.around(Box::new(handler));
        Ok(Server::from_parts(settings, handler))
    }

    /// Builds a server that answers requests by a [`Router`](crate::Router), or by its [`Routes`]. It asks the router
    /// before it hands a request to its handler, so limits and timeouts may be a
    /// [route's own](crate::router::Route::config), and which handlers block is learned by routes.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    /// let router = Router::new().get("/", |ctx: &mut RequestCtx| ctx.set_body("home"));
    /// let server = Server::builder().build_router(router)?;
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.body(), b"home");
    /// assert_eq!(server.call(&Request::new("GET", "/else")?)?.status_code(), 404);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`build`](Self::build), and when something is wrong with the routes: its option is `router` then.
    #[cfg(feature = "router")]
    pub fn build_router<R>(self, router: R) -> Result<Server, BuildError>
    where
        R: TryInto<Routes>,
        BuildError: From<R::Error>,
    {
        let routes = router.try_into()?;
        self.routed_by(routes.hooks()).build_handler(routes)
    }
}

impl Drop for ServerState {
    /// The last handle is gone: nobody could stop the engine any more, and nobody serve, who has not begun.
    fn drop(&mut self) {
        let hooks = self.service.stop.begin();
        if let Some(current) = self.engine.get_mut() {
            current.engine.stop();
        }
        hooks.run();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.shared.service.settings)
            .field("stats", &self.stats())
            .finish()
    }
}

/// Listens on `address` and serves it by `handler`, every option at its default, until the process ends. Catches no
/// signal, so that one cuts off what is under way: see [`run`] for an end that answers it. For closures and functions;
/// wrappers and types of your own go to [`Server::builder().build_handler(..)`](ServerBuilder::build_handler).
///
/// ```no_run
/// anthill_http::listen_and_serve("127.0.0.1:8080", |ctx| ctx.set_body("Hello, World!"))?;
/// # Ok::<(), anthill_http::ServeError>(())
/// ```
///
/// # Errors
/// As [`Server::listen_and_serve`].
pub fn listen_and_serve<R: HandlerResult>(
    address: impl ToSocketAddrs + fmt::Debug,
    handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
) -> Result<(), ServeError> {
    Server::new(handler)?.listen_and_serve(address)
}
