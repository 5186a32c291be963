//! Serving until the process is told to end by a signal.
//!
//! One thread of the process hears of signals. The first one shuts down every server that runs and was not told yet;
//! one that finds none of these ends the process at once: a second signal, or one behind the end of all servers.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::process;
use std::thread;

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{RunningServer, Server};
use crate::ctx::{HandlerResult, RequestCtx};

/// What a shell adds to a signal's number for the code of a process that the signal has ended.
const ENDED_BY_SIGNAL: i32 = 128;

static WATCH: Mutex<Watch> = Mutex::new(Watch { untold: Vec::new(), next_key: 0, hears: false });

/// Who is to be told of the next signal.
struct Watch {
    untold: Vec<(u64, Server)>,
    next_key: u64,
    /// Whether there is a thread that hears of signals.
    hears: bool,
}

/// A server that is told of a signal, until this is dropped.
struct Watched(u64);

impl Server {
    /// Listens on a TCP address as [`listen_and_serve`](Server::listen_and_serve) does, and serves until the process
    /// gets SIGINT or SIGTERM, or somebody calls [`shutdown`](Server::shutdown). Needs the feature `signals`, which is
    /// there unless it is left out.
    ///
    /// A signal begins a shutdown that takes the
    /// [`shutdown_timeout`](crate::ServerBuilder::shutdown_timeout) at most, 25 seconds when not set: what is under way
    /// is answered, and then this returns `Ok`. What was drained and what was cut is told to the `log` crate. A second
    /// signal ends the process at once, with the code that a shell gives to one that was ended by it (130 or 143), also
    /// while whatever follows this call still runs.
    ///
    /// That is all a program needs as process 1 of a container, too. Signals are watched from the beginning, before
    /// anything listens. Several servers may run at once; the signal ends all of them.
    ///
    /// # Errors
    /// When the address cannot be listened on, or threads or pollers cannot be made; when a listener breaks; and
    /// [`TimedOut`](io::ErrorKind::TimedOut), with a [`ShutdownError`](crate::ShutdownError) in it, when something was
    /// not done in time and ends with the process.
    pub fn run(&self, address: impl ToSocketAddrs + fmt::Debug) -> io::Result<()> {
        let watched = Watched::new(self)?;
        let started = self.start(address);
        if watched.is_told() {
            // The signal may have found a server between two lives, on which there was nothing to end yet. What comes
            // of this is told to whoever serves.
            let _ = self.shutdown(self.shared.service.settings.connections.shutdown_timeout);
        }
        started?.join_watched(watched)
    }
}

impl RunningServer {
    /// Serves until the process gets SIGINT or SIGTERM, or somebody shuts the server down, as [`Server::run`] does; for
    /// who wants to do something between listening and that, or has listeners of their own.
    ///
    /// ```no_run
    /// let running = anthill_http::Server::new(|ctx| ctx.set_body("hello"))?.start("localhost:0")?;
    /// println!("listening on http://{}", running.local_addr());
    /// running.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a listener breaks; and as [`Server::run`] when something was not done in time.
    pub fn run(self) -> io::Result<()> {
        let watched = Watched::new(self.server())?;
        self.join_watched(watched)
    }

    fn join_watched(self, watched: Watched) -> io::Result<()> {
        let ended = self.join();
        drop(watched);
        ended
    }
}

/// Serves `address` by `handler`, every option at its default, until the process gets SIGINT or SIGTERM; what is under
/// way then is answered first. See [`Server::run`].
///
/// ```no_run
/// fn main() -> std::io::Result<()> {
///     anthill_http::run("localhost:8080", |ctx| ctx.set_body("Hello, World!\n"))
/// }
/// ```
///
/// # Errors
/// As [`Server::run`].
pub fn run<R: HandlerResult>(
    address: impl ToSocketAddrs + fmt::Debug,
    handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
) -> io::Result<()> {
    Server::new(handler).map_err(io::Error::other)?.run(address)
}

impl Watched {
    fn new(server: &Server) -> io::Result<Self> {
        let mut watch = WATCH.lock();
        if !watch.hears {
            let mut signals = Signals::new([SIGINT, SIGTERM])?;
            let hear = move || signals.forever().for_each(heard);
            thread::Builder::new().name("anthill-signals".to_owned()).spawn(hear)?;
            watch.hears = true;
        }
        let key = watch.next_key;
        watch.next_key += 1;
        watch.untold.push((key, server.clone()));
        Ok(Self(key))
    }

    /// Whether a signal has come since.
    fn is_told(&self) -> bool {
        WATCH.lock().untold.iter().all(|(key, _)| *key != self.0)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watch = WATCH.lock();
        let place = watch.untold.iter().position(|(key, _)| *key == self.0);
        let server = place.map(|place| watch.untold.swap_remove(place));
        drop(watch);
        // The last handle to a server stops it.
        drop(server);
    }
}

/// A signal came.
fn heard(signal: i32) {
    let untold = std::mem::take(&mut WATCH.lock().untold);
    let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
    if untold.is_empty() {
        log::warn!("{name}: ending at once");
        process::exit(ENDED_BY_SIGNAL + signal);
    }
    log::info!("{name}: shutting down; a second one ends the process at once");
    for (_, server) in untold {
        let limit = server.shared.service.settings.connections.shutdown_timeout;
        let ending = server.clone();
        // It tells its outcome to the log, and whoever serves tells it as well.
        let shut_down = move || {
            let _ = ending.shutdown(limit);
        };
        if thread::Builder::new().name("anthill-shutdown".to_owned()).spawn(shut_down).is_err() {
            // No thread to be had; a second signal is heard later, then.
            let _ = server.shutdown(limit);
        }
    }
}
