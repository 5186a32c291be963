//! A handler as a `tower::Service`.
//!
//! The idea: a server that listens in memory, and a client of it that is polled. So nothing that holds of a server is
//! there twice, and a handler that blocks holds up its own worker and no task.

use super::handler_call::HandlerCall;
use super::handler_future::HandlerFuture;
use super::kept_server::KeptServer;
use super::request_pieces::RequestPieces;
use super::shared_fields::{BoxError, is_of_connection};
use crate::ctx::Handler;
use crate::engine::accept::in_memory::InMemoryListener;
use crate::message::request::{Request, RequestError};
use crate::proto::client::ClientSession;
use crate::server::{ServeError, Server};
use crate::wire::input::Input;
use crate::wire::output::Output;
use http::Extensions;
use http_body::Body;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Says where the client of a request is.
type AddrOf = dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync;

/// A handler as a `tower::Service` of `http::Request`s: for hyper, for an axum `Router`
/// (`route_service`, `fallback_service`), and for whatever else takes one.
///
/// The handler runs on workers of a server of its own, which listens in memory; a handler that blocks blocks no task of
/// the runtime. So all that holds of a [`Server`] holds here: limits, timeouts, hooks, observers, panics as a 500,
/// default fields, streams of events without a thread for each; and of what is wrong with a request it is told by the
/// server's own answers. Whatever drives the service need not be tokio.
///
/// - The body of a request is polled as the handler reads it, 64 KiB ahead; as on any server it is there as a whole
///   before the handler is called, unless the server [streams](crate::ServerBuilder::stream_request_body) it. One that
///   fails is a client that broke off. With `Expect: 100-continue` it is polled when it is asked for.
/// - The response is there when its head is; its body comes as it is [flushed](crate::body::BodyWriter), polled as fast
///   as the service's client takes it. Fields keep their order and duplicates; those of one connection (`Connection`,
///   `Transfer-Encoding`) are left out, interim responses too.
/// - Dropping the future, or the body of the response, is a client that leaves.
/// - Requests read as HTTP/1.1, whatever their version; their target is path and query, their host that of the URI, or
///   of `Host`. [Extensions](crate::RequestCtx::extensions_mut) come along; the client's address does if
///   [somebody says so](Self::remote_addr_by).
/// - Other protocols are not passed on: a request that asks for one comes to the handler without that, as if its client
///   did not know it; `CONNECT` is answered 501. A handler that takes the connection over finds it closed.
/// - It never fails: what cannot be answered is a 400 (a target that no request can have), 500 (the handler kept the
///   context, or took the connection without a response), or 503 (the server has been shut down, or is before
///   somebody has answered).
///
/// ```
/// use anthill_http::adapters::HandlerService;
/// use std::pin::pin;
/// use std::task::{Context, Poll, Wake, Waker};
/// use tower_service::Service;
///
/// /// The smallest of all runtimes.
/// struct ThisThread(std::thread::Thread);
///
/// impl Wake for ThisThread {
///     fn wake(self: std::sync::Arc<Self>) {
///         self.0.unpark();
///     }
/// }
///
/// fn block_on<F: Future>(future: F) -> F::Output {
///     let waker = Waker::from(std::sync::Arc::new(ThisThread(std::thread::current())));
///     let mut future = pin!(future);
///     loop {
///         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
///             Poll::Ready(output) => return output,
///             Poll::Pending => std::thread::park(),
///         }
///     }
/// }
///
/// let mut service = HandlerService::new(|ctx: &mut anthill_http::RequestCtx| {
///     std::thread::sleep(std::time::Duration::from_millis(1)); // it may
///     let text = format!("hello {}", ctx.path());
///     ctx.set_body(text);
/// })?;
/// let request = http::Request::new(String::new());
/// let response = block_on(service.call(request)).unwrap();
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["content-length"], "7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HandlerService {
    server: Arc<KeptServer>,
    addr_of: Option<Arc<AddrOf>>,
}

impl HandlerService {
    /// The service of `handler`, on a server with every option at its default. The server ends with the last clone of
    /// the service, when what it was asked for has been answered or given up.
    ///
    /// # Errors
    /// When threads or pollers cannot be made.
    pub fn new(handler: impl Handler) -> Result<Self, ServeError> {
        Self::serve(Server::builder().build_handler(handler)?, true)
    }

    /// The service of `server`'s handler, with its options. The server may serve others besides, before and behind
    /// this. It goes on when the service is gone: whoever has it shuts it down, whereupon the service answers 503.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::adapters::HandlerService;
    /// use std::time::Duration;
    ///
    /// let server = Server::builder()
    ///     .stream_request_body(true)
    ///     .handler_timeout(Duration::from_secs(5))
    ///     .build(|ctx| ctx.set_body("hello"))?;
    /// let service = HandlerService::of_server(&server)?;
    /// # let _ = service;
    /// server.shutdown(Duration::from_secs(5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When threads or pollers cannot be made, or the server is being shut down.
    pub fn of_server(server: &Server) -> Result<Self, ServeError> {
        Self::serve(server.clone(), false)
    }

    /// Has `addr_of` say where the client is, for [`remote_addr`](crate::RequestCtx::remote_addr) and what goes by it:
    /// from the extensions of the request, where whoever accepts connections has put it.
    ///
    /// ```
    /// use anthill_http::adapters::HandlerService;
    /// use std::net::SocketAddr;
    ///
    /// let service = HandlerService::new(|ctx: &mut anthill_http::RequestCtx| ctx.set_body("hello"))?
    ///     .remote_addr_by(|extensions| extensions.get::<SocketAddr>().copied());
    /// # let _ = service;
    /// # Ok::<(), anthill_http::ServeError>(())
    /// ```
    #[must_use]
    pub fn remote_addr_by(
        mut self,
        addr_of: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        self.addr_of = Some(Arc::new(addr_of));
        self
    }

    fn serve(server: Server, is_own: bool) -> Result<Self, ServeError> {
        let listener = InMemoryListener::new();
        let running = server.start_all([&listener])?;
        let server = Arc::new(KeptServer { running: Some(running), listener, is_own });
        Ok(Self { server, addr_of: None })
    }

    fn begin<B>(&self, request: http::Request<B>) -> HandlerFuture
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        if parts.method == http::Method::CONNECT {
            return HandlerFuture::refused(501);
        }
        let Ok(request) = request_of(&parts) else { return HandlerFuture::refused(400) };
        let (mut session, mut out) = (ClientSession::new(0), Output::default());
        let head = request.head_to_send(body.size_hint().exact());
        let awaits_continue = head.expects_continue;
        let Ok(ending) = session.begin(&head, &Input::default(), &mut out) else {
            return HandlerFuture::refused(400);
        };
        let body = ending.map(|ending| RequestPieces::new(body, ending));
        let from = self.addr_of.as_ref().and_then(|addr_of| addr_of(&parts.extensions));
        match self.server.listener.dial_ahead(from, parts.extensions) {
            Ok(conn) => HandlerFuture::calling(HandlerCall::new(
                conn.into_transport(),
                session,
                out,
                body,
                awaits_continue,
                self.server.clone(),
            )),
            Err(error) => {
                log::debug!("a request came when its handler was shut down, and is answered 503: {error}");
                HandlerFuture::refused(503)
            }
        }
    }
}

/// The request as a handler gets it, without its body. It is the only one of its connection.
fn request_of(parts: &http::request::Parts) -> Result<Request, RequestError> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(parts.method.as_str(), target)?;
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    match (parts.uri.authority(), hosts.next(), hosts.next()) {
        (.., Some(_)) => return Err(RequestError::Host),
        (Some(authority), ..) => {
            let named = authority.as_str();
            request.set_host(named.rsplit_once('@').map_or(named, |(_, host)| host))?;
        }
        (None, Some(host), None) if !host.is_empty() => request.set_host(host)?,
        _ => request.set_host("localhost")?,
    }
    for (name, value) in &parts.headers {
        if *name != http::header::HOST && !is_of_connection(name.as_str()) {
            request.append_header(name, value);
        }
    }
    request.append_header("Connection", "close");
    Ok(request)
}

impl<B> Service<http::Request<B>> for HandlerService
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<super::HandlerBody>;
    type Error = Infallible;
    type Future = HandlerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> HandlerFuture {
        self.begin(request)
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").field("server", &self.server.running).finish_non_exhaustive()
    }
}
