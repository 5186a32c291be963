//! Both ways to serve a connection behind one face, so that a test is written once and run over each.
//!
//! The idea: the engine and [`serve_conn`](anthill_http::Server::serve_conn) share what is known about messages, but
//! not a line of the code that moves bytes and waits. So what holds for a body on its way has to be shown for both,
//! over real sockets. The rule: when a test is over its clients are gone, and then every connection has to end by
//! itself.

use std::fmt;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anthill_http::{Error, RequestCtx, ServerBuilder};

use crate::client::{Client, SOCKET_LIMIT};
use crate::server::Running;
use crate::{Background, background};

/// A server, and how it serves connections.
#[derive(Debug)]
pub struct Driven {
    running: Running,
    alone: Option<Alone>,
}

/// Connections that are each served by a call of their own.
struct Alone {
    listener: TcpListener,
    limit: Duration,
    serving: Mutex<Vec<Background<Result<(), Error>>>>,
}

/// Runs `check` with a server that serves by its engine, and again with one that serves by `serve_conn`.
///
/// # Panics
/// When `check` does, or when a connection does not end although its client is gone.
#[track_caller]
pub fn on_both<H>(options: ServerBuilder, handler: H, check: impl Fn(&Driven))
where
    H: Fn(&mut RequestCtx) + Clone + Send + Sync + 'static,
{
    on_both_within(SOCKET_LIMIT, options, handler, check);
}

/// As [`on_both`], with a limit for how long a client may neither send nor take anything. It becomes the engine's read
/// and write timeout, and those of the streams that `serve_conn` is given.
///
/// # Panics
/// As `on_both`.
#[track_caller]
pub fn on_both_within<H>(limit: Duration, options: ServerBuilder, handler: H, check: impl Fn(&Driven))
where
    H: Fn(&mut RequestCtx) + Clone + Send + Sync + 'static,
{
    let options = options.read_timeout(limit).write_timeout(limit);
    let engine = Driven { running: Running::with(options.clone(), handler.clone()), alone: None };
    check(&engine);
    engine.end();
    drop(engine);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let alone = Alone { listener, limit, serving: Mutex::default() };
    let alone = Driven { running: Running::idle(options, handler), alone: Some(alone) };
    check(&alone);
    alone.end();
}

impl Driven {
    /// Whether it is the engine that serves.
    pub fn is_engine(&self) -> bool {
        self.alone.is_none()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When there can be none.
    #[track_caller]
    pub fn client(&self) -> Client {
        let Some(alone) = &self.alone else { return self.running.client() };
        let client = Client::connect(alone.listener.local_addr().expect("it listens"));
        let (stream, _) = alone.listener.accept().expect("the client is there");
        stream.set_nodelay(true).expect("an option of every TCP socket");
        stream.set_read_timeout(Some(alone.limit)).expect("an option of every socket");
        stream.set_write_timeout(Some(alone.limit)).expect("an option of every socket");
        let server = self.running.server().clone();
        alone.lock().push(background(move || server.serve_conn(stream)));
        client
    }

    /// The server, with what only the engine has.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// How often the handler was called.
    pub fn handled(&self) -> usize {
        self.running.handled()
    }

    /// Waits until every connection has ended. Says how the last one did, where that can be seen.
    ///
    /// # Panics
    /// When one does not.
    #[track_caller]
    pub fn end(&self) -> Option<Result<(), Error>> {
        let Some(alone) = &self.alone else {
            self.running.reaches("all connections have ended", |stats| stats.open_connections == 0);
            return None;
        };
        let serving = std::mem::take(&mut *alone.lock());
        serving.into_iter().map(|conn| conn.outcome("a connection that is served alone")).last()
    }
}

impl Alone {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Background<Result<(), Error>>>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alone").field("listener", &self.listener).finish_non_exhaustive()
    }
}
