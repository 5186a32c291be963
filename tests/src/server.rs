//! A server for tests: it listens on a port of its own, counts what its handler is asked for, and is gone with its
//! guard.
//!
//! The rule: a server that cannot be shut down fails the test it belongs to, so every test of a server is one of
//! shutting down as well.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anthill_http::{RequestCtx, ServeError, Server, ServerBuilder, ServerStats, ShutdownError};

use crate::client::Client;
use crate::{Background, PATIENCE, background, eventually};

/// How long a server of a test that has failed already may take to end.
const HASTE: Duration = Duration::from_millis(500);

/// Says that a test, or a part of it, is not run and why.
#[allow(clippy::print_stdout)]
pub fn skip(why: &str) {
    println!("skipped: {why}");
}

/// The options of a server whose responses are the same at any time and have no fields but their own.
pub fn plain() -> ServerBuilder {
    Server::builder().default_date(false).name(None)
}

/// A server that runs. Dropping it shuts it down.
#[derive(Debug)]
pub struct Running {
    server: Server,
    serving: Vec<Background<Result<(), ServeError>>>,
    addresses: Vec<SocketAddr>,
    handled: Arc<AtomicUsize>,
}

impl Running {
    /// Serves on an IPv4 port of its own, every option at its default.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn new(handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Self {
        Running::with(Server::builder(), handler)
    }

    /// As [`new`](Running::new), with these options.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn with(options: ServerBuilder, handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Self {
        let mut running = Running::idle(options, handler);
        running.listen("127.0.0.1:0").expect("a free port");
        running
    }

    /// A server that does not listen yet.
    ///
    /// # Panics
    /// When the options are refused.
    #[track_caller]
    pub fn idle(options: ServerBuilder, handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> Self {
        let handled = Arc::new(AtomicUsize::new(0));
        let count = handled.clone();
        let server = options
            .build(move |ctx| {
                count.fetch_add(1, Ordering::SeqCst);
                handler(ctx);
            })
            .expect("options that go together");
        Running { server, serving: Vec::new(), addresses: Vec::new(), handled }
    }

    /// Serves by `server`, whose handler is not counted, on an IPv4 port of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn serving(server: Server) -> Self {
        let mut running =
            Running { server, serving: Vec::new(), addresses: Vec::new(), handled: Arc::default() };
        running.listen("127.0.0.1:0").expect("a free port");
        running
    }

    /// Serves on another address as well; returns the one it got.
    ///
    /// # Errors
    /// When there is no such address.
    pub fn listen(&mut self, address: &str) -> io::Result<SocketAddr> {
        self.listen_on(Server::listen(address)?)
    }

    /// Serves another listener as well; returns its address.
    ///
    /// # Errors
    /// When it has no address.
    ///
    /// # Panics
    /// When it does not begin to serve.
    pub fn listen_on(&mut self, listener: TcpListener) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let server = self.server.clone();
        self.serving.push(background(move || server.serve(listener)));
        self.addresses.push(address);
        // Shutting down what does not serve yet keeps it from serving.
        self.reaches("the server serves", |stats| stats.workers.is_some());
        Ok(address)
    }

    /// Where it listens; the first place of several.
    ///
    /// # Panics
    /// When it does not listen.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("it listens somewhere")
    }

    /// A new connection to it.
    ///
    /// # Panics
    /// When it does not accept any.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Several new connections to it.
    ///
    /// # Panics
    /// When it does not accept so many.
    #[track_caller]
    pub fn clients(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.client()).collect()
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// How often its handler was called.
    pub fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }

    /// Waits until its figures look right.
    ///
    /// # Panics
    /// When they never do.
    #[track_caller]
    pub fn reaches(&self, what: &str, looks: impl Fn(&ServerStats) -> bool) {
        eventually(what, || looks(&self.server.stats()));
    }

    /// Shuts it down; `serve` has to return as well, without another error than that a shutdown was late. It may listen
    /// again afterwards.
    ///
    /// # Errors
    /// When `limit` passed first.
    ///
    /// # Panics
    /// When `serve` does not return, or returns another error.
    #[track_caller]
    pub fn shut_down(&mut self, limit: Duration) -> Result<(), ShutdownError> {
        let outcome = self.server.shutdown(limit);
        for serving in self.serving.drain(..) {
            let ended = serving.outcome("serving");
            // It ends with the first shutdown, which may have been given too little time.
            assert!(ended.as_ref().map_or_else(is_late, |()| true), "{ended:?}");
        }
        self.addresses.clear();
        outcome
    }
}

/// Whether serving has ended because a shutdown took too long.
fn is_late(error: &ServeError) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.shutdown_error().is_some()
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            // The failure at hand counts, and whatever it left behind may block for as long as it likes.
            let _ = self.server.shutdown(HASTE);
        } else {
            self.shut_down(PATIENCE).expect("nothing is left to do for this server");
        }
    }
}
