//! Serving until the process is told to end by a signal.
//!
//! One thread of the process hears of signals. The first one shuts down every server that runs and was not told yet;
//! one that finds none of these ends the process at once: a second signal, or one behind the end of all servers. A
//! hangup is heard of only where there are certificates to be read again; others end by it as any process does.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::process;
use std::thread;

use parking_lot::Mutex;
#[cfg(feature = "tls-no-provider")]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::{RunningServer, ServeError, Server};
use crate::ctx::{HandlerResult, RequestCtx};

/// What a shell adds to a signal's number for the code of a process that the signal has ended.
const ENDED_BY_SIGNAL: i32 = 128;

static WATCH: Mutex<Watch> = Mutex::new(Watch { untold: Vec::new(), next_key: 0, hearing: None });

/// Who is to be told of the next signal.
struct Watch {
    untold: Vec<(u64, Server)>,
    next_key: u64,
    /// What the thread hears of, if there is one.
    hearing: Option<Handle>,
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
    pub fn run(&self, address: impl ToSocketAddrs + fmt::Debug) -> Result<(), ServeError> {
        let watched = Watched::new(self)?;
        self.run_watched(self.start(address), watched)
    }

    /// As [`run`](Server::run), with connections encrypted. At SIGHUP the files of certificates are
    /// [read again](Server::reload_tls).
    ///
    /// # Errors
    /// As `run`.
    #[cfg(feature = "tls-no-provider")]
    pub fn run_tls(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
        config: &crate::tls::TlsConfig,
    ) -> Result<(), ServeError> {
        let watched = Watched::new(self)?;
        hear_hangups()?;
        self.run_watched(self.start_tls(address, config), watched)
    }

    fn run_watched(
        &self,
        started: Result<RunningServer, ServeError>,
        watched: Watched,
    ) -> Result<(), ServeError> {
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
    /// who wants to do something between listening and that, or has listeners of their own. Where some of these have
    /// certificates, their files are read again at SIGHUP.
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
    pub fn run(self) -> Result<(), ServeError> {
        let watched = Watched::new(self.server())?;
        #[cfg(feature = "tls-no-provider")]
        if self.shared.certificates.are_any() {
            hear_hangups()?;
        }
        self.join_watched(watched)
    }

    fn join_watched(self, watched: Watched) -> Result<(), ServeError> {
        let ended = self.join();
        drop(watched);
        ended
    }
}

/// Serves `address` by `handler`, every option at its default, until the process gets SIGINT or SIGTERM; what is under
/// way then is answered first. See [`Server::run`].
///
/// ```no_run
/// fn main() -> Result<(), anthill_http::ServeError> {
///     anthill_http::run("localhost:8080", |ctx| ctx.set_body("Hello, World!\n"))
/// }
/// ```
///
/// # Errors
/// As [`Server::run`].
pub fn run<R: HandlerResult>(
    address: impl ToSocketAddrs + fmt::Debug,
    handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
) -> Result<(), ServeError> {
    Server::new(handler)?.run(address)
}

impl Watched {
    fn new(server: &Server) -> io::Result<Self> {
        let mut watch = WATCH.lock();
        if watch.hearing.is_none() {
            let mut signals = Signals::new([SIGINT, SIGTERM])?;
            let hearing = signals.handle();
            let hear = move || signals.forever().for_each(heard);
            thread::Builder::new().name("anthill-signals".to_owned()).spawn(hear)?;
            watch.hearing = Some(hearing);
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

/// Has hangups heard of from now on; somebody is watched already.
#[cfg(feature = "tls-no-provider")]
fn hear_hangups() -> io::Result<()> {
    WATCH.lock().hearing.as_ref().map_or(Ok(()), |hearing| hearing.add_signal(SIGHUP))
}

/// A hangup came: all certificates are read again, of all servers that run.
#[cfg(feature = "tls-no-provider")]
fn hung_up() {
    let servers: Vec<Server> = WATCH.lock().untold.iter().map(|(_, server)| server.clone()).collect();
    log::info!("SIGHUP: reading certificates again");
    // Whatever comes of it the log is told. Files may keep whoever reads them waiting, and other signals must be heard.
    let reload = move || {
        for server in servers {
            let _ = server.reload_tls();
        }
    };
    if let Err(error) = thread::Builder::new().name("anthill-reload".to_owned()).spawn(reload) {
        log::error!("certificates stay as they were: no thread can be had: {error}");
    }
}

/// A signal came.
fn heard(signal: i32) {
    #[cfg(feature = "tls-no-provider")]
    if signal == SIGHUP {
        return hung_up();
    }
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
