//! The end of a server's life: who begins it, who waits for it, and what is said about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Server;
use super::life::Task;
use crate::engine::Engine;
use crate::stop::StopSignal;

impl Server {
    /// Ends serving: nothing new is accepted, idle connections are closed, the others after the request they are in,
    /// and the threads end. Waits until that is done, at most for `limit`; then [`serve`](Server::serve) returns, too.
    ///
    /// Before that, for the [`shutdown_delay`](crate::ServerBuilder::shutdown_delay), if there is one, only
    /// [`is_ready`](Server::is_ready) says no; it is part of the limit, and
    /// takes half of that at most. Handlers see the end by
    /// [`RequestCtx::is_stopping`](crate::RequestCtx::is_stopping).
    ///
    /// Afterwards the server can serve again; when several shut it down at once, after the last of them. Where there is
    /// nothing to end this is `Ok` at once. On a server that has never served it is kept: whoever serves later returns
    /// `Ok` at once, so a signal that comes while the program starts is not lost; and its
    /// [`stop_signal`](Self::stop_signal) tells of the end, as it would have.
    ///
    /// Connections that were [taken over](crate::RequestCtx::hijack) are waited for as well, and cut off when time is
    /// up. WebSockets (feature `ws`) are closed with 1001, behind what waits for their clients, who have some seconds
    /// to answer; functions that own one are waited for.
    ///
    /// It waits for handlers and hooks as well: one that calls it waits for itself, until `limit` has passed. So let a
    /// thread of its own do that, or answer first and have `main` told.
    ///
    /// A client that has sent what is not read any more, and does not take what was sent to it, may take up to a second
    /// of its own.
    ///
    /// # Errors
    /// [`ShutdownError::Timeout`] when `limit` passed first. The rest goes on ending, its responses are still
    /// delivered, and shutdown can be called again.
    // SHD-03, SHD-04.
    pub fn shutdown(&self, limit: Duration) -> Result<(), ShutdownError> {
        let begun = Instant::now();
        let shared = &*self.shared;
        let is_first = match shared.life.begin() {
            Task::End { is_first } => is_first,
            nothing => {
                if nothing == Task::Cancel {
                    shared.service.stop.begin().run();
                }
                shared.life.is_over(false, || ());
                return Ok(());
            }
        };
        let deadline = begun.checked_add(limit);
        let before = is_first.then(|| self.announce(limit));
        // What is under way gets half of the time at least.
        let delay = shared.service.settings.connections.shutdown_delay.min(limit / 2);
        shared.life.wait_announced(begun, delay);
        // Said first, so that no engine is started behind the look for one.
        let hooks = shared.service.stop.begin();
        shared.standalone.stop();
        let engine = self.current_engine();
        if let Some(engine) = &engine {
            engine.stop();
        }
        hooks.run();
        let engine_ended = engine.as_ref().is_none_or(|engine| engine.wait_ended(deadline));
        let all_served = shared.standalone.wait_ended(deadline) && engine_ended;
        let hijacked = self.wait_given_away(deadline);
        let all_ended = all_served && hijacked == 0;
        if let Some(engine) = engine.filter(|_| engine_ended) {
            self.forget(&engine);
        }
        let outcome = if all_ended { Ok(()) } else { Err(self.what_is_left(hijacked)) };
        shared.life.is_over(all_ended, || {
            shared.standalone.open_again();
            shared.service.taken_over.cut_no_more();
            shared.service.stop.over();
        });
        self.report(before, begun, outcome);
        outcome
    }

    /// Whether the server serves, and no shutdown was asked for: what a proxy or an orchestrator that asks for
    /// readiness wants to know. Handlers ask [`RequestCtx::is_ready`](crate::RequestCtx::is_ready).
    pub fn is_ready(&self) -> bool {
        self.shared.engine.lock().is_some() && self.shared.service.stop.is_ready()
    }

    /// What tells that the server stops: to be asked, waited for, or told by. The same in every life of the server.
    // SHD-05.
    pub fn stop_signal(&self) -> StopSignal {
        self.shared.service.stop.clone()
    }

    /// For whoever served and was told to end: waits until the shutdown has come to its end.
    pub(super) fn wait_shut_down(&self) -> io::Result<()> {
        if self.shared.life.wait_over() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, self.what_is_left(self.shared.service.taken_over.open())))
    }

    /// Says that the end is near; what there was when it began is for the report.
    fn announce(&self, limit: Duration) -> Before {
        self.shared.service.stop.announce();
        let stats = self.stats();
        #[cfg(unix)]
        if !self.shared.service.settings.logging.is_unnotified {
            super::notify::stopping(&format!(
                "shutting down: {} connections are open",
                stats.open_connections
            ));
        }
        let (open, sockets) = (stats.open_connections, self.open_websockets());
        let of_sockets = if sockets > 0 { format!(" ({sockets} WebSockets)") } else { String::new() };
        log::info!("shutting down: {open} connections are open{of_sockets}, and have {limit:?}");
        Before { open, sockets, requests: stats.requests }
    }

    /// Connections on which WebSocket is spoken.
    fn open_websockets(&self) -> usize {
        #[cfg(feature = "ws")]
        return self.shared.service.sockets.open.load(std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(feature = "ws"))]
        0
    }

    fn report(&self, before: Option<Before>, begun: Instant, outcome: Result<(), ShutdownError>) {
        let Some(Before { open, sockets, requests }) = before else { return };
        let closed = sockets.saturating_sub(self.open_websockets());
        let closed = if sockets > 0 {
            format!(", {closed} of {sockets} WebSockets were closed")
        } else {
            String::new()
        };
        let (took, answered) = (begun.elapsed(), self.stats().requests.saturating_sub(requests));
        match outcome {
            Ok(()) => log::info!(
                "shut down in {took:.1?}: {open} connections were drained, {answered} requests were answered meanwhile{closed}"
            ),
            Err(error) => log::warn!(
                "not shut down in {took:.1?}: {error}; of {open} connections the others were drained, \
                 {answered} requests were answered meanwhile{closed}"
            ),
        }
    }

    /// Waits until every connection that was taken over has been closed; those that are left when time is up are cut
    /// off, and counted.
    fn wait_given_away(&self, deadline: Option<Instant>) -> usize {
        let taken_over = &self.shared.service.taken_over;
        if taken_over.wait_none(deadline) {
            return 0;
        }
        let left = taken_over.open();
        for transport in taken_over.cut() {
            if let Some(transport) = transport.upgrade() {
                transport.shut_down();
            }
        }
        left
    }

    fn what_is_left(&self, hijacked_connections: usize) -> ShutdownError {
        ShutdownError::Timeout { open_connections: self.stats().open_connections, hijacked_connections }
    }

    /// An engine has ended, and what it has counted is kept.
    fn forget(&self, engine: &Arc<Engine>) {
        let mut current = self.shared.engine.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.engine, engine)) {
            *current = None;
        }
    }
}

/// What there was when the end began.
struct Before {
    open: usize,
    /// Those of them on which WebSocket is spoken.
    sockets: usize,
    requests: u64,
}

/// Why a shutdown did not come to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Time was up first.
    Timeout {
        /// Connections that were still being served.
        open_connections: usize,
        /// Connections that functions had [taken over](crate::RequestCtx::hijack), and that were cut off.
        hijacked_connections: usize,
    },
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShutdownError::Timeout { open_connections, hijacked_connections } => {
                write!(
                    f,
                    "{open_connections} connections were still open when the time for shutting down was up"
                )?;
                if *hijacked_connections > 0 {
                    write!(f, ", and {hijacked_connections} that had been taken over were cut off")?;
                }
                Ok(())
            }
        }
    }
}

/// As its text, which is what is shown when `main` returns it.
impl fmt::Debug for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ShutdownError {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::net::Shutdown;

    /// Its listener is dead, but its threads are not: the last handle ends them, and tells those who wait for that.
    #[test]
    fn the_last_handle_tells_of_the_end() {
        let server = Server::builder().shards(1).build(|_| {}).expect("options that go together");
        let listener = Server::listen("127.0.0.1:0").expect("a free port");
        let dead = socket2::Socket::from(listener.try_clone().expect("a descriptor"));
        dead.shutdown(Shutdown::Both).expect("a listener can be shut down");
        server.serve(listener).expect_err("nothing listens any more");
        let signal = server.stop_signal();
        assert!(!signal.is_stopping());
        drop(server);
        assert!(signal.wait(Duration::ZERO));
    }

    /// There are others who wait than those who serve.
    #[test]
    fn the_last_handle_tells_of_the_end_where_nobody_ever_served() {
        let server = Server::new(|_| {}).expect("the defaults");
        let signal = server.stop_signal();
        let (told, hears) = std::sync::mpsc::channel();
        signal.on_stop(move || told.send(()).expect("it is heard")).keep();
        drop(server.clone());
        assert!(!signal.wait(Duration::ZERO));
        drop(server);
        assert!(signal.wait(Duration::ZERO));
        assert_eq!(hears.try_recv(), Ok(()));
    }
}
