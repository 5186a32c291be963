//! What is told of requests and connections that go wrong, or are over, and to whom.

use std::sync::Arc;
use std::time::Duration;

use crate::config::hooks::ErrorHandler;
use crate::config::options::ServerBuilder;
use crate::ctx::{ConnInfo, ErrorBody, ErrorReport, HandlerPanic, PanicHandler, RequestCtx};
use crate::message::response::Response;
use crate::observe::ConnState;
use crate::observe::access_log::AccessLog;
use crate::observe::completed::CompletedRequest;
use crate::proto::ProtoError;

/// What goes wrong, and what happens.
impl ServerBuilder {
    /// Makes the bodies of errors: the one place in which it is said how a response that is an error looks, whoever has
    /// made it one. Without it they are plain text, or the problem details that a handler has failed with.
    ///
    /// It is given the response, which already is the answer in plain text, to be changed; and what there is to know of
    /// it: the status, the message, the request and why ([`ErrorReport`]). It sees
    /// - what handlers fail with ([`StatusError`](crate::StatusError)), and bodies before anything of them was sent;
    /// - panics;
    /// - what is refused before it reaches a handler (400, 408, 413, 417, 431, 505, ...), also by the hooks that decide
    ///   on heads, by [`get_only`](Self::get_only), and for want of a thread (503) or of a place for the connection
    ///   (503, 429; of an encrypted one that is not said);
    /// - whatever is answered by [`RequestCtx::error`]: by handlers, by a [`Router`](crate::Router) (404, 405), for
    ///   files that are not there, after a [`timeout()`](crate::timeout()), ...
    ///
    /// It does not see responses that handlers prepare themselves, by a status and a body. Wrappers around a handler
    /// see what it has made. For another look of some routes alone, or to answer something else than an error, take
    /// [`catch_errors`](crate::middleware::catch_errors()); to do more when a request is refused, an `error_handler`:
    /// the [guide](crate::guide::errors#which-to-take) has a table of the three. An
    /// [`error_handler`](Self::error_handler) and a [`panic_handler`](Self::panic_handler) are called behind it, and
    /// may change what it has made.
    ///
    /// Ready ones are in [`error_body`](crate::error_body): problem details, HTML, plain text, and
    /// [`negotiated`](crate::error_body::negotiated), whichever of them the client takes. It must not block, as it is
    /// called where no thread is to be had, too. The body has to be bytes, and the status at
    /// least 400; when it is otherwise, or it panics, the answer is in plain text; as it is when something is refused
    /// that nobody can be found for to run it.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Server};
    ///
    /// let server = Server::builder()
    ///     .max_request_body_size(4)
    ///     .error_body(|response, report| {
    ///         response.set_content_type("text/html; charset=utf-8");
    ///         response.set_body(format!("<h1>{}</h1>", report.status()));
    ///     })
    ///     .build(|ctx: &mut RequestCtx| match ctx.path() {
    ///         "/bug" => panic!("a bug"),
    ///         _ => ctx.not_found(),
    ///     })?;
    ///
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.body(), b"<h1>404</h1>");
    /// assert_eq!(server.call(&Request::new("GET", "/bug")?)?.body(), b"<h1>500</h1>");
    /// let mut request = Request::new("PUT", "/")?;
    /// request.set_body("too long");
    /// assert_eq!(server.call(&request)?.body(), b"<h1>413</h1>");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error_body(
        mut self,
        render: impl Fn(&mut Response, &ErrorReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.ctx.error_body = Some(ErrorBody(Arc::new(render)));
        self
    }

    /// Answers what is refused before it reaches a handler (fasthttp's `ErrorHandler`): malformed requests, heads and
    /// bodies that are too large, requests that do not arrive in time; not what is refused for want of a thread or of a
    /// place for a connection. Not what handlers fail with, either: if refusals are only to look as all other errors
    /// do, take [`error_body`](Self::error_body), which sees both; errors of some routes are answered by
    /// [`catch_errors`](crate::middleware::catch_errors()). The [guide](crate::guide::errors#which-to-take) has a table
    /// of the three.
    ///
    /// It is given the cause, and a context: the request as far as its head can be read (the method may be empty,
    /// fields may be missing, there is no body), the addresses, and a response that already is the server's own answer,
    /// to be changed or started over. Whatever it answers, the connection is closed behind it. The body has to be
    /// bytes. It may block; when there is no thread for it, or it panics, the server's own answer is sent.
    ///
    /// ```
    /// use anthill_http::{ProtoError, Request, Server};
    /// use std::io::{Read, Write};
    ///
    /// let server = Server::builder()
    ///     .error_handler(|ctx, error| {
    ///         ctx.response.set_content_type("application/json");
    ///         ctx.response.set_body(format!("{{\"status\":{},\"error\":\"{error}\"}}", error.status()));
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    ///
    /// let listener = Server::listen("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// let refused = server.serve_conn(listener.accept()?.0).unwrap_err();
    /// assert_eq!(refused.proto(), Some(ProtoError::MissingHost));
    ///
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    /// assert!(response.ends_with("{\"status\":400,\"error\":\"missing host field\"}"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // SRV-12.
    pub fn error_handler(
        mut self,
        answer: impl Fn(&mut RequestCtx, ProtoError) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.refused = Some(ErrorHandler(Arc::new(answer)));
        self
    }

    /// Answers when a handler has panicked. The response has been started over as a plain 500, which it may change. It
    /// is called where the panic ended: inside of the wrappers around the handler, which see what it answers. The panic
    /// is logged in any case. When it panics itself the plain 500 is sent.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .panic_handler(|ctx, _panic| {
    ///         ctx.response.set_content_type("application/json");
    ///         ctx.response.set_body(r#"{"error":"sorry"}"#);
    ///     })
    ///     .build(|_| -> () { panic!("a bug") })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn panic_handler(
        mut self,
        answer: impl Fn(&mut RequestCtx, &HandlerPanic) + Send + Sync + 'static,
    ) -> Self {
        self.ctx.panic_handler = Some(PanicHandler(Arc::new(answer)));
        self
    }

    /// Is called when a request is over: when the last byte of its response was given to the system, or the connection
    /// has ended before that: once for each request whose head was found, however it ended, and for each that was
    /// refused. May be set several times; all are called, in that order.
    ///
    /// It may block. Where it is called, and on which thread, differs; those of one connection are called one after the
    /// other, and the connection's next request waits for it. One that blocks gets a thread as handlers do. A panic in
    /// it is logged. What it costs is a copy of the request's head, and what it does.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use std::io::{Read, Write};
    /// use std::sync::mpsc;
    ///
    /// let (done, record) = mpsc::channel();
    /// let server = Server::builder()
    ///     .on_complete(move |completed| {
    ///         let line = format!("{} {} {}", completed.path(), completed.status(), completed.outcome());
    ///         let _ = done.send(line);
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    ///
    /// let listener = Server::listen("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// client.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    /// server.serve_conn(listener.accept()?.0)?;
    /// assert_eq!(record.recv()?, "/a 200 sent");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_complete(mut self, told: impl Fn(&CompletedRequest) + Send + Sync + 'static) -> Self {
        self.hooks.observers.completed.push(Arc::new(told));
        self.hooks.observers.are_any = true;
        self
    }

    /// Writes a line for each request that is over; see [`AccessLog`]. Beside what [`on_complete`](Self::on_complete)
    /// calls.
    pub fn access_log(self, log: AccessLog) -> Self {
        self.on_complete(move |completed| log.write(completed))
    }

    /// Is told what each connection is doing (fasthttp's `ConnState`): [`New`](ConnState::New) once, then
    /// [`Active`](ConnState::Active) and [`Idle`](ConnState::Idle) in turns, and [`Closed`](ConnState::Closed) last. A
    /// connection that is refused for want of a place is new and closed. Requests that come before the answers to those
    /// before them were sent find the connection active still.
    ///
    /// It may block; the connection waits for it. That one is new is told by the thread that accepts, which then
    /// accepts nobody else; but for those whose client a proxy [names](crate::Listener::proxy_protocol), of which it is
    /// told when that is known, and not at all when it never is. A panic in it is logged.
    ///
    /// ```
    /// use anthill_http::{ConnState, Server};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let closed = Arc::new(AtomicUsize::new(0));
    /// let counter = closed.clone();
    /// let server = Server::builder()
    ///     .conn_state(move |_conn, state| {
    ///         if state == ConnState::Closed {
    ///             counter.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     })
    ///     .build(|ctx| ctx.set_body("served"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // SRV-11.
    pub fn conn_state(mut self, told: impl Fn(&ConnInfo, ConnState) + Send + Sync + 'static) -> Self {
        self.hooks.observers.conn_state = Some(Arc::new(told));
        self.hooks.observers.are_any = true;
        self
    }

    /// How long a handler may run before the log is told, 1 s when not set: once for each that does, at level `Warn`,
    /// with the request, the thread, and on Linux what that sleeps in, as far as the system says. Above zero; with
    /// `None` nothing is told. It is noticed within a quarter of this. They are counted
    /// ([`ServerStats::blocked_handlers`](crate::ServerStats)), and
    /// [`Server::requests_in_flight`](crate::Server::requests_in_flight) lists what runs.
    ///
    /// Functions that write bodies count with their handler. Handlers of [`serve_conn`](crate::Server::serve_conn) are
    /// watched while the server also serves listeners.
    pub fn blocked_handler_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.threads.blocked_handler_limit = limit.into();
        self
    }

    /// Says whether the log is told of what clients do, too, at level `Warn`: of each request that is refused, which is
    /// otherwise told at level `Debug`, and of each connection that breaks, which is otherwise not told. No when not
    /// set.
    // SRV-17.
    pub fn log_all_errors(mut self, tells: bool) -> Self {
        self.logging.all_errors = tells;
        self
    }

    /// Says whether whoever has started the process is told when the server serves and when it begins to end; yes when
    /// not set. That is systemd's protocol (`sd_notify`): where the variable `NOTIFY_SOCKET` is set, as for units of
    /// `Type=notify`, `READY=1` is sent when the server has begun to listen, `STOPPING=1` when a
    /// [shutdown](crate::Server::shutdown) begins, each with a `STATUS=` to be read by people. For programs with
    /// several servers, which are ready when the last one is.
    pub fn service_notifications(mut self, tells: bool) -> Self {
        self.logging.is_unnotified = !tells;
        self
    }

    /// Says whether the lines about refused requests leave out what the client has sent, which may have passwords in
    /// it; no when not set: up to 400 bytes of it are shown then, those of a longer head from both its ends.
    // SRV-17.
    pub fn secure_error_log_message(mut self, leaves_out: bool) -> Self {
        self.logging.is_secret_free = leaves_out;
        self
    }
}
