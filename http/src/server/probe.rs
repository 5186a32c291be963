//! What a server answers about itself: figures for a scraper, and whether it lives and is ready.

use super::{Server, ServerState, vars};
use crate::ctx::RequestCtx;
use crate::util::pattern::NamePattern;
use anthill_pool::prometheus::CONTENT_TYPE;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

/// Answers about a server, for handlers of that server or of another one: a handler is made before its server is, so it
/// is given a probe, which is told of the server behind that.
///
/// ```
/// use anthill_http::{Probe, Server};
/// use std::io::{Read, Write};
///
/// let probe = Probe::new();
/// let asked = probe.clone();
/// let server = Server::builder().build(move |ctx| match ctx.path() {
///     "/metrics" => asked.metrics(ctx),
///     "/livez" => asked.live(ctx),
///     "/readyz" => asked.ready(ctx),
///     _ => ctx.set_body("Hello, World!"),
/// })?;
/// probe.watch(&server);
///
/// let listener = Server::listen("127.0.0.1:0")?;
/// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// client.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
/// server.serve_conn(listener.accept()?.0)?;
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.contains("\nanthill_http_connections{state=\"active\"} 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not keep the server alive. While there is none it answers 503, but for [`live`](Self::live).
#[derive(Clone, Default)]
pub struct Probe(Arc<OnceLock<Weak<ServerState>>>);

impl Probe {
    /// One that knows no server yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers for this server from now on; the first that it is told of counts.
    pub fn watch(&self, server: &Server) {
        // A second one is left out.
        let _ = self.0.set(Arc::downgrade(&server.shared));
    }

    fn server(&self) -> Option<Server> {
        self.0.get()?.upgrade().map(|shared| Server { shared })
    }

    /// Answers with the figures of this moment, in the text format of Prometheus; see
    /// [`ServerStats::to_prometheus`](crate::ServerStats::to_prometheus).
    pub fn metrics(&self, ctx: &mut RequestCtx) {
        match self.server() {
            Some(server) => ctx.success(CONTENT_TYPE, server.stats().to_prometheus(&[])),
            None => not_there(ctx),
        }
    }

    /// Answers with the figures of this moment as an object of JSON (fasthttp's `expvarhandler`); see
    /// [`ServerStats::to_json`](crate::ServerStats::to_json). Mount it where only operators come.
    ///
    /// The query's argument `r` chooses members by a part of their names: `?r=conn` has `connections`. In it `*` stands
    /// for anything, `?` for one letter, `[a-c]` for one of these, `[^a-c]` for one of all others, `^` and `$` for the
    /// ends of the name. What is no such pattern is answered 400 with the reason.
    ///
    /// ```
    /// use anthill_http::{Probe, Request, RequestCtx, Server};
    ///
    /// let probe = Probe::new();
    /// let server = Server::new(|ctx| ctx.set_body("served"))?;
    /// probe.watch(&server);
    /// let answer = |target: &str| {
    ///     let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
    ///     probe.vars(&mut ctx);
    ///     (ctx.response.status_code(), String::from_utf8(ctx.response.body().to_vec()).unwrap())
    /// };
    /// assert_eq!(answer("/?r=^requests$"), (200, "{\n\t\"requests\": 0\n}\n".to_owned()));
    /// assert_eq!(answer("/?r=[").0, 400);
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // UTL-03.
    pub fn vars(&self, ctx: &mut RequestCtx) {
        let Some(server) = self.server() else { return not_there(ctx) };
        let pattern = NamePattern::parse(&ctx.query_arg("r").unwrap_or_default());
        match pattern {
            Ok(wanted) => {
                let page = vars::to_json(&server.stats(), &wanted);
                ctx.success("application/json; charset=utf-8", page);
            }
            Err(problem) => ctx.error(format!("the pattern `r` cannot be read: {problem}\n"), 400),
        }
    }

    /// Answers 200: whoever can answer lives.
    pub fn live(&self, ctx: &mut RequestCtx) {
        ctx.success("text/plain; charset=utf-8", "live\n");
    }

    /// Answers 200 while the server [is ready](Server::is_ready), else 503.
    pub fn ready(&self, ctx: &mut RequestCtx) {
        match self.server() {
            Some(server) if server.is_ready() => ctx.success("text/plain; charset=utf-8", "ready\n"),
            _ => not_there(ctx),
        }
    }
}

fn not_there(ctx: &mut RequestCtx) {
    ctx.error("not ready\n", 503);
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("has_server", &self.server().is_some()).finish()
    }
}
