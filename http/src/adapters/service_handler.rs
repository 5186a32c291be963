//! A `tower::Service` as a handler.
//!
//! The idea: a future is a state machine that some thread has to poll. The thread of the handler may block, so it polls
//! until the response is there, and no runtime is needed.
//!
//! The rules: whatever ends the wait drops the future: the client has left, the deadline has passed. The service is
//! cloned for each request, as tower's own servers do, and not called before it says that it is ready.

use super::request_body::{OpenLane, RequestBody};
use super::response_body::{BodyWait, FrameSource, ReadyFrames, write_frames};
use super::service_failure::{EnterFn, ServiceFailure, entered};
use super::shared_fields::{BoxError, merge_fields};
use super::thread_signal::{ClientEnd, Departed, ThreadSignal, drive};
use super::upgrade_offer::UpgradeOffer;
use crate::ctx::{Handler, HandlerResult, RequestCtx};
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response};
use http_body::Body;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service;

/// Adds to the extensions of a request.
type ExtendFn = dyn Fn(&RequestCtx, &mut Extensions) + Send + Sync;

/// A handler that answers by `service`: an axum `Router`, or any `tower::Service` of `http::Request`s. See
/// [`TowerService`].
///
/// ```
/// use anthill_http::adapters::{RequestBody, tower_service};
/// use anthill_http::{Request, Server};
/// use std::convert::Infallible;
/// use std::future::{Ready, ready};
/// use std::task::{Context, Poll};
///
/// #[derive(Clone)]
/// struct Greeter;
///
/// impl tower_service::Service<http::Request<RequestBody>> for Greeter {
///     type Response = http::Response<String>;
///     type Error = Infallible;
///     type Future = Ready<Result<Self::Response, Infallible>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, request: http::Request<RequestBody>) -> Self::Future {
///         ready(Ok(http::Response::new(format!("hello {}", request.uri().path()))))
///     }
/// }
///
/// let server = Server::builder().build_handler(tower_service(Greeter))?;
/// assert_eq!(server.call(&Request::new("GET", "/ann")?)?.body(), b"hello /ann");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tower_service<S>(service: S) -> TowerService<S> {
    TowerService { service, enter: None, extend: None, ignores_aborts: false }
}

/// A handler that answers by a `tower::Service`; of [`tower_service()`].
///
/// - The service has to be `Clone`, `Send` and `Sync` (`tower::util::BoxCloneSyncService` makes one of many); it is
///   cloned for each request and called when it [is ready](Service::poll_ready). Its future is polled on the thread
///   that runs the handler, and needs no runtime, nor has it to be `Send`. What does need one (timers, sockets and
///   tasks of tokio) finds it by [`entering`](Self::entering).
/// - The [request's](RequestBody) target, version, fields and their order are as they came, duplicates included. A body
///   is there as a whole, unless the server streams it
///   ([`stream_request_body`](crate::ServerBuilder::stream_request_body)): then it is read as the service asks for it,
///   also while the response is sent. Among the extensions are those [of the context](RequestCtx::extensions_mut),
///   [`ConnInfo`](crate::ConnInfo), [`StopSignal`](crate::StopSignal), and, where another protocol is asked for, an
///   [`UpgradeOffer`].
/// - The response is sent as the service has made it, without a `Server` and a type of the server's own; fields that
///   were set in the context before stay, unless the service sets the same (of `Set-Cookie`, `Vary`, `Link`, `Via`,
///   `Warning` and `WWW-Authenticate` both are sent). Frames of its body are sent as they come, its trailers behind
///   them. A body whose length is known, by its hint or its `Content-Length`, has that length, or is answered 500, or
///   ends the connection where something of it was sent; bodies of answers to `HEAD`, of 204, 205 and 304 are dropped.
///   One that is not there at once holds a thread while it is waited for.
/// - Errors of the service, of its body before anything was sent, and a 1xx other than 101 are answered 500 and logged;
///   101 without anybody who has [accepted](UpgradeOffer::accept) is 501. A panic is that of any handler. A request
///   that the crate `http` cannot express is answered 400.
/// - When the client leaves, or ends its sending, the future is dropped; so it is when the handler's
///   [deadline](RequestCtx::deadline) passes. Both are noticed within a fraction of a second; with
///   [`serve_conn`](crate::Server::serve_conn) the first is when something is sent. A service that is never ready, or
///   never answers, is ended by nothing else.
#[derive(Clone)]
pub struct TowerService<S> {
    service: S,
    enter: Option<Arc<EnterFn>>,
    extend: Option<Arc<ExtendFn>>,
    ignores_aborts: bool,
}

impl<S> TowerService<S> {
    /// Has the service, and the bodies of its responses, polled inside of `enter`, which has to call what it is given.
    /// For a runtime that has threads of its own, which drive what is awaited:
    ///
    /// ```ignore
    /// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let handle = runtime.handle().clone();
    /// let app = tower_service(router).entering(move |poll| {
    ///     let _guard = handle.enter();
    ///     poll();
    /// });
    /// ```
    #[must_use]
    pub fn entering(mut self, enter: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        self.enter = Some(Arc::new(enter));
        self
    }

    /// Has `extend` add to the extensions of each request what the service looks for there; with axum, say,
    /// `extensions.insert(ConnectInfo(ctx.remote_addr()))`.
    #[must_use]
    pub fn extending(
        mut self,
        extend: impl Fn(&RequestCtx, &mut Extensions) + Send + Sync + 'static,
    ) -> Self {
        self.extend = Some(Arc::new(extend));
        self
    }

    /// Whether the service goes on although its client has left, or has ended its sending: for services that must not
    /// be interrupted, and for clients that do so before they are answered. Default: no.
    #[must_use]
    pub fn ignore_client_abort(mut self, ignores: bool) -> Self {
        self.ignores_aborts = ignores;
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for TowerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerService").field("service", &self.service).finish_non_exhaustive()
    }
}

impl<S, B> Handler for TowerService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.contain(|ctx| self.serve(ctx).answer(ctx));
    }
}

impl<S> TowerService<S> {
    fn serve<B>(&self, ctx: &mut RequestCtx) -> Result<(), ServiceFailure>
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let signal = Arc::new(ThreadSignal::default());
        let (body, lane) = RequestBody::of(ctx, &signal);
        let (request, offer) = self.request(ctx, body)?;
        let mut client = WaitingClient { ctx, lane, ignores_aborts: self.ignores_aborts };
        let answered = entered(self.enter.as_deref(), || {
            let mut service = self.service.clone();
            let served = pin!(async move {
                poll_fn(|task| service.poll_ready(task)).await?;
                service.call(request).await
            });
            drive(served, &signal, &mut client)
        })?;
        let response = answered.map_err(|Departed| ServiceFailure::Gone)?;
        let response = response.map_err(|error| ServiceFailure::Service(error.into()))?;
        let WaitingClient { ctx, lane, .. } = client;
        let lane = lane.filter(OpenLane::has_reader);
        let wait = BodyWait { signal, enter: self.enter.clone(), ignores_aborts: self.ignores_aborts };
        let (head, body) = response.into_parts();
        if head.status == 101 {
            return switch_protocols(ctx, &head.headers, offer);
        }
        if head.status.is_informational() {
            return Err(ServiceFailure::Interim(head.status.as_u16()));
        }
        merge_fields(ctx.response.headers_mut(), &head.headers);
        ctx.response.set_status_code(head.status);
        ctx.response.pass_on();
        if !head.extensions.is_empty() {
            ctx.extensions_mut().extend(head.extensions);
        }
        send_body(ctx, Box::pin(body), &head.headers, wait, lane)
    }

    /// The request for the service, and what it is offered besides.
    fn request(
        &self,
        ctx: &mut RequestCtx,
        body: RequestBody,
    ) -> Result<(Request<RequestBody>, Option<UpgradeOffer>), ServiceFailure> {
        let head = Parts::try_from(&ctx.request).map_err(ServiceFailure::Request)?;
        let mut request = Request::from_parts(head, body);
        let extensions = request.extensions_mut();
        *extensions = ctx.extensions_copied();
        extensions.insert(ctx.conn().clone());
        extensions.insert(ctx.stop_signal());
        let offer = ctx.request.wants_upgrade().then(UpgradeOffer::default);
        if let Some(offer) = &offer {
            extensions.insert(offer.clone());
        }
        if let Some(extend) = &self.extend {
            extend(ctx, extensions);
        }
        Ok((request, offer))
    }
}

/// The client, while the service has not answered.
struct WaitingClient<'a> {
    ctx: &'a mut RequestCtx,
    lane: Option<OpenLane>,
    ignores_aborts: bool,
}

impl ClientEnd for WaitingClient<'_> {
    fn attend(&mut self, in_haste: bool) -> bool {
        let Some(lane) = &mut self.lane else { return false };
        lane.attend(&mut self.ctx.body_reader(), in_haste)
    }

    fn has_left(&self) -> bool {
        self.ctx.time_left() == Some(Duration::ZERO) || !self.ignores_aborts && self.ctx.is_cancelled()
    }
}

/// Gives the connection to whoever the service has said.
fn switch_protocols(
    ctx: &mut RequestCtx,
    fields: &HeaderMap,
    offer: Option<UpgradeOffer>,
) -> Result<(), ServiceFailure> {
    let taker = offer.and_then(|offer| offer.take()).ok_or(ServiceFailure::NobodyTakesOver)?;
    merge_fields(ctx.response.headers_mut(), fields);
    ctx.response.set_status_code(101);
    ctx.hijack(taker);
    if let Some(hijack) = ctx.hijack_mut() {
        hijack.switches_protocols = true;
    }
    Ok(())
}

/// Makes `body` that of the response, whose head is there.
fn send_body<B>(
    ctx: &mut RequestCtx,
    mut body: Pin<Box<B>>,
    fields: &HeaderMap,
    wait: BodyWait,
    lane: Option<OpenLane>,
) -> Result<(), ServiceFailure>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let said = fields.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let size: Option<u64> = body.size_hint().exact();
    if ctx.request.is_head() {
        match size {
            // How long it would be is what the service says, or what is there.
            Some(size @ 1..) if said.is_none() => ctx.response.set_header("Content-Length", size.to_string()),
            // An empty body is what is left of one that was taken away for `HEAD`, and says nothing of its length.
            None | Some(0) if said.is_none() => ctx.response.set_body_writer(|_| Ok(())),
            _ => {}
        }
        return Ok(());
    }
    if matches!(ctx.response.status_code(), 204 | 205 | 304) {
        return Ok(());
    }
    let begun = entered(wait.enter.as_deref(), || ReadyFrames::of(&mut body, &wait.signal))?;
    let begun = begun.map_err(ServiceFailure::Service)?;
    let count = begun.bytes.len() as u64;
    if begun.is_whole && size.or(said).is_some_and(|length| count != length) {
        return Err(ServiceFailure::Service("its body has another length than was said".into()));
    }
    if begun.is_whole && begun.trailers.is_none() {
        ctx.response.set_body_vec(begun.bytes);
        return Ok(());
    }
    ctx.response.set_immediate_header_flush(begun.is_waiting);
    match lane {
        Some(mut lane) => {
            let size = size.or(said);
            ctx.response.set_body_writer(move |out| write_frames(out, body, begun, size, &wait, &mut lane));
        }
        None => ctx.response.set_body_pull(FrameSource::new(body, begun, size.or(said), wait)),
    }
    Ok(())
}
