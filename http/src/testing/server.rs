//! A server in memory for tests, and its end.

use super::client::TestClient;
use super::conn::TestConn;
use super::failing::fail;
use super::line::Line;
use super::request::{TestRequest, request_methods};
#[cfg(feature = "router")]
use crate::config::error::BuildError;
use crate::config::options::ServerBuilder;
use crate::ctx::{Handler, HandlerResult, RequestCtx};
#[cfg(feature = "router")]
use crate::router::Routes;
use crate::server::{RunningServer, Server, ShutdownError};
use crate::util::test_clock::TestClock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long the end may take.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A server for tests, in memory (feature `testing`): it takes no port, and is a real server in all else, with the
/// limits, timeouts, hooks, refusals and threads of any other. Servers of tests that run at once have nothing in
/// common.
///
/// Requests are sent by its methods [`get`](Self::get) and the like, or by [clients](Self::client) that keep cookies,
/// follow redirects, come from some address, or over faulty connections; raw bytes over [`connect`](Self::connect). Its
/// [clock](Self::clock) can be moved.
///
/// When it is dropped it ends as by a [`shutdown`](Server::shutdown): what is under way is answered. When that takes
/// longer than [5 s](Self::ends_within), because a handler hangs, the test fails, and says which; its thread is left to
/// itself.
///
/// ```
/// use anthill_http::testing::TestServer;
///
/// let server = TestServer::new(|ctx| match ctx.path() {
///     "/" => ctx.set_body("home"),
///     _ => ctx.not_found(),
/// });
/// server.get("/").send().assert_status(200).assert_text("home");
/// server.get("/else").send().assert_status(404);
/// ```
pub struct TestServer {
    line: Arc<Line>,
    client: TestClient,
    /// `None`: it has ended.
    running: Option<RunningServer>,
    ends_within: Duration,
}

/// Servers.
impl TestServer {
    /// A server with every option at its default but one event loop, which answers by the function `handler`.
    ///
    /// # Panics
    /// When there are no threads or descriptors left.
    #[track_caller]
    pub fn new<R: HandlerResult>(handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static) -> Self {
        Self::from_builder(one_loop(), handler)
    }

    /// One with these options; see [`ServerBuilder::build`].
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::from_builder(Server::builder().max_request_body_size(5), |ctx| ctx.set_body("stored"));
    /// server.put("/").body("small").send().assert_text("stored");
    /// server.put("/").body("larger").send().assert_status(413);
    /// ```
    ///
    /// # Panics
    /// When an option has no meaning, or there are no threads or descriptors left.
    #[track_caller]
    pub fn from_builder<R: HandlerResult>(
        options: ServerBuilder,
        handler: impl Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::handler_with(options, handler)
    }

    /// As [`new`](Self::new), for a wrapper or a type of your own, as [`ServerBuilder::build_handler`] takes them.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn handler(handler: impl Handler) -> Self {
        Self::handler_with(one_loop(), handler)
    }

    /// The same with these options.
    ///
    /// # Panics
    /// As [`from_builder`](Self::from_builder).
    #[track_caller]
    pub fn handler_with(options: ServerBuilder, handler: impl Handler) -> Self {
        match options.watched().build_handler(handler) {
            Ok(server) => Self::of(server),
            Err(error) => fail(format_args!("the server cannot be built: {error}")),
        }
    }

    /// As [`new`](Self::new), for a [`Router`](crate::Router) or its [`Routes`], with its state if it has one.
    ///
    /// ```
    /// use anthill_http::{RequestCtx, Router};
    /// use anthill_http::testing::TestServer;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// fn count(ctx: &mut RequestCtx, visits: &AtomicU32) {
    ///     ctx.set_body(format!("visit {}", visits.fetch_add(1, Ordering::Relaxed) + 1));
    /// }
    /// let server = TestServer::router(Router::with(AtomicU32::new(0)).get("/visits", count));
    /// server.get("/visits").send().assert_text("visit 1");
    /// server.get("/visits").send().assert_text("visit 2");
    /// server.post("/visits").send().assert_status(405).assert_header("Allow", "GET, HEAD, OPTIONS");
    /// ```
    ///
    /// # Panics
    /// When a route is not valid; the message says which. And as [`new`](Self::new).
    #[cfg(feature = "router")]
    #[track_caller]
    pub fn router<R>(router: R) -> Self
    where
        R: TryInto<Routes>,
        BuildError: From<R::Error>,
    {
        Self::router_with(one_loop(), router)
    }

    /// The same with these options.
    ///
    /// # Panics
    /// As [`router`](Self::router) and [`from_builder`](Self::from_builder).
    #[cfg(feature = "router")]
    #[track_caller]
    pub fn router_with<R>(options: ServerBuilder, router: R) -> Self
    where
        R: TryInto<Routes>,
        BuildError: From<R::Error>,
    {
        match options.watched().build_router(router) {
            Ok(server) => Self::of(server),
            Err(error) => fail(format_args!("the server cannot be built: {error}")),
        }
    }

    /// A server that is built already, and serves nowhere yet. It has a [clock](Self::clock) for tests, and messages of
    /// failed assertions say what has gone wrong in it, only if it was built with one ([`ServerBuilder::clock`]).
    ///
    /// # Panics
    /// When there are no threads or descriptors left.
    #[track_caller]
    pub fn of(server: Server) -> Self {
        let line = Arc::new(Line::new(server));
        match line.server.start_all([&line.listener]) {
            Ok(running) => {
                let client = TestClient::of(line.clone());
                Self { line, client, running: Some(running), ends_within: ENDS_WITHIN }
            }
            Err(error) => fail(format_args!("the server cannot serve: {error}")),
        }
    }
}

fn one_loop() -> ServerBuilder {
    Server::builder().shards(1)
}

/// Requests, by a [client](Self::client) with every option at its default.
impl TestServer {
    request_methods!();

    /// A WebSocket at `path`, once it is connected (feature `ws`).
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    /// use anthill_http::websocket::{Message, WebSocketOptions};
    ///
    /// let server = TestServer::new(|ctx| {
    ///     ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
    ///         while let Some(message) = socket.read()? {
    ///             socket.send(message)?;
    ///         }
    ///         Ok(())
    ///     });
    /// });
    /// let mut socket = server.websocket("/echo").connect()?;
    /// socket.send("hello")?;
    /// assert_eq!(socket.read()?, Some(Message::from("hello")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "ws")]
    pub fn websocket(&self, path: &str) -> crate::client::WebSocketRequest<'_> {
        self.client.websocket(path)
    }

    fn new_request(&self, method: &str, url: &str) -> TestRequest<'_> {
        self.client.request(method, url)
    }
}

/// What else is to be had of it.
impl TestServer {
    /// A client of its own: its options are said by its methods. Several clients are several users.
    pub fn client(&self) -> TestClient {
        TestClient::of(self.line.clone())
    }

    /// A connection for bytes that no client would send, and to see the bytes that come.
    ///
    /// # Panics
    /// When the server does not take it in, because it has ended.
    #[track_caller]
    pub fn connect(&self) -> TestConn {
        TestConn::new(self.line.clone(), None)
    }

    /// The same from that address: it is the [`remote_addr`](RequestCtx::remote_addr) of its requests.
    ///
    /// # Panics
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_from(&self, addr: impl Into<std::net::SocketAddr>) -> TestConn {
        TestConn::new(self.line.clone(), Some(addr.into()))
    }

    /// Its clock, to be moved ahead.
    ///
    /// # Panics
    /// When it is a server [of](Self::of) which that was not said when it was built.
    #[track_caller]
    pub fn clock(&self) -> &TestClock {
        match &self.line.watch {
            Some(watch) => &watch.clock,
            None => {
                fail(format_args!("the server has no clock for tests; give it one by ServerBuilder::clock"))
            }
        }
    }

    /// The server itself: for its [figures](Server::stats), or to [call](Server::call) it without a connection.
    pub fn server(&self) -> &Server {
        &self.line.server
    }

    /// What has gone wrong lately in handlers, and in functions that write bodies, of which clients are told little:
    /// panics with their messages and places, errors that were answered by a status of 500 and above. The last at the
    /// end, eight at most.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|_| -> () { panic!("no ink left") });
    /// server.get("/print").send().assert_status(500);
    /// assert!(server.failures()[0].contains("no ink left"));
    /// ```
    pub fn failures(&self) -> Vec<String> {
        self.line.watch.as_ref().map(|watch| watch.notes()).unwrap_or_default()
    }

    /// How long its end may take before the test fails; 5 s when not set.
    #[must_use]
    pub fn ends_within(mut self, limit: Duration) -> Self {
        self.ends_within = limit;
        self
    }

    /// Ends it, as its drop does, for tests of the end itself: nobody fails.
    ///
    /// # Errors
    /// When what was under way has not ended in [time](Self::ends_within).
    pub fn end(mut self) -> Result<(), ShutdownError> {
        self.end_now()
    }

    fn end_now(&mut self) -> Result<(), ShutdownError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        // What clients have left open, and do not read, is cut off when it does not end by itself.
        let first = self.ends_within / 4;
        if running.shutdown(first).is_err() {
            self.line.cut();
            running.shutdown(self.ends_within - first)?;
        }
        if let Err(error) = running.join() {
            log::error!("the thread that accepts for a test failed: {error}");
        }
        Ok(())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Err(error) = self.end_now() {
            let mut notes = String::new();
            self.line.show_notes(&mut notes);
            let limit = self.ends_within;
            // A second panic would end the process.
            match std::thread::panicking() {
                true => log::error!("the server of a test has not ended within {limit:?}: {error}\n{notes}"),
                false => fail(format_args!("the server has not ended within {limit:?}: {error}\n{notes}")),
            }
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("clock", &self.line.watch.as_ref().map(|watch| &watch.clock))
            .finish_non_exhaustive()
    }
}
