//! What a handler is given: one request, the response to it, and facts about the connection.
//!
//! The idea: fasthttp's `RequestCtx`, with its names, as shortcuts over two plain public parts. It has no
//! lifetime parameter, so handlers are simply functions of `&mut RequestCtx`; that they cannot keep it is the work
//! of the borrow.
//!
//! The files: what is read of the request (`read`) and of its form (`forms`), both as values of the handler's own types
//! (`input/`), what is prepared of the response (`respond`), what is known about the connection (`about`, `conn_info`),
//! how it is taken over (`hijack`, `websocket`), hints ahead of the response (`hints`), the request's route (`routed`,
//! `route_match`, `route_urls`), how long there is for it (`deadline`, `server_time`), what handlers keep
//! (`user_values`, `extensions`, `session_place`), what the request is called in records (`request_id`), what wrappers
//! do to any answer (`standing`), and what tests know of all that (`test_watch`). What answers requests, what that may
//! fail with, who wants to know that, and what is waited for only so long: `handler`, `handler_error` and `carried`,
//! `failure`, `time_limit`. How errors become bodies: `error_report`, `error_pages`.
//!
//! The rule: no socket in here. What can block says so: it waits for the body.

mod about;
mod attempt;
mod carried;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod compress;
mod conn_info;
mod credentials;
mod deadline;
pub(crate) mod error_pages;
mod error_report;
#[cfg(feature = "http")]
mod extensions;
mod failure;
mod forms;
mod forwarded;
mod handler;
mod handler_error;
mod hijack;
mod hijacked_conn;
mod hints;
mod https_redirect;
mod input;
mod packed;
mod panicking;
mod read;
mod request_id;
mod respond;
#[cfg(feature = "router")]
mod route_match;
#[cfg(feature = "router")]
mod route_urls;
mod routed;
mod server_time;
#[cfg(feature = "sessions")]
mod session_place;
mod standing;
#[cfg(feature = "testing")]
mod test_watch;
mod time_limit;
mod user_values;
#[cfg(feature = "ws")]
mod websocket;

#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub use compress::{CompressPolicy, TagChange, compress};
pub(crate) use conn_info::ConnFacts;
pub use conn_info::ConnInfo;
pub use credentials::PeerCredentials;
#[cfg(feature = "client")]
pub(crate) use deadline::ClientSight;
pub(crate) use error_report::ErrorBody;
pub use error_report::{ErrorCause, ErrorReport};
pub(crate) use failure::HandlerFailure;
pub(crate) use forms::FormValue;
pub(crate) use forwarded::TrustedProxies;
pub use handler::{Handler, HandlerResult};
pub use handler_error::{HttpError, StatusError};
pub(crate) use hijack::{Hijack, Taker};
pub(crate) use hijacked_conn::CutTransport;
pub use hijacked_conn::HijackedConn;
pub use https_redirect::HttpsRedirect;
pub use input::{InputError, InputErrorKind, InputPart};
pub use panicking::HandlerPanic;
pub(crate) use panicking::PanicHandler;
#[cfg(feature = "router")]
pub(crate) use route_match::{OwnAnswer, RouteMatch};
#[cfg(feature = "router")]
pub use route_urls::UrlError;
#[cfg(feature = "router")]
pub(crate) use route_urls::{RouteUrls, UrlPart, is_label};
use routed::Routed;
pub(crate) use server_time::ServerDue;
#[cfg(feature = "sessions")]
pub(crate) use session_place::SessionPlace;
pub(crate) use standing::Standing;
#[cfg(feature = "testing")]
pub(crate) use test_watch::TestWatch;
pub use time_limit::{TimeLimit, timeout};
pub(crate) use time_limit::{TimedCounters, TimedThreads};
pub use user_values::UserKey;
pub(crate) use user_values::UserValues;

use crate::message::request::Request;
use crate::message::response::Response;
use crate::stop::StopSignal;
#[cfg(feature = "testing")]
use crate::util::test_clock::TestClock;
use crate::wire::lent::LentTransport;
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// One request and the response to it, as the handler sees them.
///
/// It may only be used until the handler returns, and the compiler sees to that: what is read from it borrows
/// it. Copy what has to live longer.
///
/// ```
/// fn hello(ctx: &mut anthill_http::RequestCtx) {
///     let name = ctx.query_arg("name").map_or("world".into(), |name| name.into_owned());
///     ctx.set_content_type("text/plain");
///     ctx.append_body("Hello, ");
///     ctx.append_body(name);
/// }
/// # let _: fn(&mut anthill_http::RequestCtx) = hello;
/// ```
///
/// The calls here are the frequent ones; everything else is on [`ctx.request`](Self::request) and
/// [`ctx.response`](Self::response). The two fields borrow apart. So to answer at once with what was read, without
/// copying it first, go through them:
///
/// ```
/// # use anthill_http::{Request, RequestCtx};
/// fn echo(ctx: &mut RequestCtx) {
///     if let Some(kind) = ctx.request.header("content-type") {
///         ctx.response.set_content_type(kind);
///     }
///     ctx.response.set_body(ctx.request.body()); // `ctx.set_body(ctx.body())` would borrow all of `ctx` twice
/// }
/// # let mut request = Request::new("PUT", "/")?;
/// # request.set_body("said");
/// # let mut ctx = RequestCtx::for_request(request, None);
/// # echo(&mut ctx);
/// # assert_eq!(ctx.response.body(), b"said");
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
///
/// [`form_value`](Self::form_value) and what else may have to wait for the body take all of `ctx`: make what they give
/// your own before you answer.
///
/// ```
/// use std::borrow::Cow;
/// fn greet(ctx: &mut anthill_http::RequestCtx) {
///     let name = ctx.form_value_str("name").map(Cow::into_owned).unwrap_or_default();
///     ctx.set_body(name);
/// }
/// # let _: fn(&mut anthill_http::RequestCtx) = greet;
/// ```
///
/// A handler that keeps what it may not keep does not compile, whether it keeps it itself or gives it to a thread. (It
/// can put another context in the place of this one and keep this one whole. Its connection is then shut down without
/// an answer as soon as the handler returns; the request is still there to be read, as far as it had arrived.)
///
/// ```compile_fail,E0521
/// use std::sync::Mutex;
/// static KEPT: Mutex<Vec<&'static [u8]>> = Mutex::new(Vec::new());
/// fn handler(ctx: &mut anthill_http::RequestCtx) {
///     KEPT.lock().unwrap().push(ctx.body());
/// }
/// ```
///
/// ```compile_fail,E0521
/// fn handler(ctx: &mut anthill_http::RequestCtx) {
///     std::thread::spawn(move || ctx.set_body("too late"));
/// }
/// ```
///
/// A copy may go anywhere:
///
/// ```
/// fn handler(ctx: &mut anthill_http::RequestCtx) {
///     let (body, request) = (ctx.body().to_vec(), ctx.request.clone());
///     std::thread::spawn(move || println!("{} {:?}", request.path(), body));
/// }
/// # let _: fn(&mut anthill_http::RequestCtx) = handler;
/// ```
// CTX-11.
#[derive(Debug)]
pub struct RequestCtx {
    /// The request: as it was received, until the handler changes it.
    pub request: Request,
    /// The response that is sent when the handler returns. Starts as an empty `200 OK`.
    pub response: Response,
    conn: ConnInfo,
    /// The connection's transport, while the driver lends it.
    pub(crate) lent: LentTransport,
    /// What is collected at most of a body.
    body_max: Option<u64>,
    /// Those of the server; `None` without one.
    options: Option<Arc<CtxOptions>>,
    /// The handler of this request did.
    pub(crate) has_panicked: bool,
    remote_override: Option<SocketAddr>,
    /// Which route it is.
    routed: Routed,
    time: Option<SystemTime>,
    user_values: UserValues,
    /// That of the server, where there is one.
    stop: Option<StopSignal>,
}

/// What a server's options say about each of its contexts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CtxOptions {
    /// Whether names of header fields are sent as handlers give them.
    pub(crate) keeps_header_names: bool,
    /// Whether redirects are resolved before they are sent.
    pub(crate) resolves_redirects: bool,
    /// Whom to believe who the client is; `None`: nobody.
    pub(crate) proxies: Option<TrustedProxies>,
    /// How values of forms are looked up, if not in the usual order.
    pub(crate) form_value: Option<FormValue>,
    /// Handlers have sent early hints, so what is owed to the client goes out before they run.
    pub(crate) sends_hints: Arc<AtomicBool>,
    /// Who answers when a handler has panicked, if that is not to be a plain 500.
    pub(crate) panic_handler: Option<PanicHandler>,
    /// Who makes the bodies of errors, if they are not to be plain text.
    pub(crate) error_body: Option<ErrorBody>,
    /// What became of handlers with a limit.
    pub(crate) timed: Arc<TimedCounters>,
    /// What a test knows of it.
    #[cfg(feature = "testing")]
    pub(crate) watch: Option<TestWatch>,
}

// It goes with a connection from thread to thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<RequestCtx>();
};

impl RequestCtx {
    /// A context outside of any server, to call a handler with (fasthttp's `Init`).
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx};
    /// fn handler(ctx: &mut RequestCtx) {
    ///     let answer = format!("{} for {}", ctx.path(), ctx.remote_addr());
    ///     ctx.set_body(answer);
    /// }
    /// let request = Request::new("GET", "/a")?;
    /// let mut ctx = RequestCtx::for_request(request, Some(([1, 2, 3, 4], 80).into()));
    /// handler(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"/a for 1.2.3.4:80");
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    // CTX-10.
    pub fn for_request(request: Request, remote_addr: Option<SocketAddr>) -> Self {
        Self {
            request,
            response: Response::new(),
            conn: ConnInfo::default(),
            lent: LentTransport::default(),
            body_max: None,
            options: None,
            has_panicked: false,
            remote_override: remote_addr,
            routed: Routed::default(),
            time: None,
            user_values: UserValues::default(),
            stop: None,
        }
    }
}

/// For tests of servers.
impl RequestCtx {
    /// Says that something has gone wrong of which the client is told little.
    #[inline]
    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        #[cfg(feature = "testing")]
        if let Some(watch) = self.options.as_deref().and_then(|options| options.watch.as_ref()) {
            watch.note(what);
        }
        #[cfg(not(feature = "testing"))]
        let _ = what;
    }

    /// The clock that a test moves.
    #[cfg(feature = "testing")]
    fn test_clock(&self) -> Option<&TestClock> {
        self.options.as_deref()?.watch.as_ref().map(|watch| &watch.clock)
    }
}

/// For the drivers.
impl RequestCtx {
    pub(crate) fn new() -> Self {
        Self::for_request(Request::empty(), None)
    }

    /// Says which connection is served from now on.
    pub(crate) fn set_conn(&mut self, conn: &ConnFacts) {
        self.conn = (*conn).into();
    }

    /// Says what was agreed on for its encryption.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn set_tls(&mut self, tls: Option<&Arc<TlsInfo>>) {
        self.conn.set_tls(tls);
    }

    /// Says which request of the connection this is, from 1, and when it came.
    #[inline]
    pub(crate) fn begin(&mut self, number: u64, time: SystemTime) {
        self.conn.request_number = number;
        self.time = Some(time);
        self.remote_override = None;
        self.routed.clear();
        self.has_panicked = false;
    }

    /// Ready for the handler; `body_max` bounds what is collected of the body.
    ///
    /// The options come along each time, because handlers can exchange the response and the whole context.
    #[inline]
    pub(crate) fn prepare(&mut self, body_max: Option<u64>, options: &Arc<CtxOptions>, stop: &StopSignal) {
        self.body_max = body_max;
        if !self.options.as_ref().is_some_and(|known| Arc::ptr_eq(known, options)) {
            self.belong_to(options, stop);
        }
        self.response.headers_mut().set_names_normalizing(!options.keeps_header_names);
    }

    /// Takes over what a server's contexts have in common. Its options say whose it is.
    #[cold]
    fn belong_to(&mut self, options: &Arc<CtxOptions>, stop: &StopSignal) {
        self.options = Some(options.clone());
        self.set_stop_signal(stop);
    }

    /// Says how the end of the server is told.
    pub(crate) fn set_stop_signal(&mut self, stop: &StopSignal) {
        self.stop = Some(stop.clone());
    }

    /// Whether something of the user's is in here whose drop may take its time.
    pub(crate) fn holds_users_values(&self) -> bool {
        !self.user_values.is_empty() || self.response.is_body_stream()
    }

    /// The function that is to take the connection over, if there is one.
    pub(crate) fn hijack_mut(&mut self) -> Option<&mut Hijack> {
        self.user_values.hijack_mut()
    }

    /// Whether the connection is to be taken over, or the response says so.
    #[inline]
    pub(crate) fn may_leave_http(&self) -> bool {
        self.is_hijacked() || self.response.status_code() == 101
    }

    /// Whether the connection is to be a WebSocket's.
    #[cfg(feature = "ws")]
    pub(crate) fn is_socket(&self) -> bool {
        self.user_values.is_socket()
    }

    /// Nobody takes the connection over.
    pub(crate) fn take_hijack(&mut self) -> Option<Hijack> {
        self.user_values.take_hijack()
    }

    /// What handlers have kept, to be dropped when the response has been sent.
    pub(crate) fn take_user_values(&mut self) -> UserValues {
        std::mem::take(&mut self.user_values)
    }

    /// Exchanges what hooks have kept for the handler.
    pub(crate) fn swap_user_values(&mut self, with: &mut UserValues) {
        std::mem::swap(&mut self.user_values, with);
    }

    /// Ready for the next request of the connection: the response and what handlers kept are forgotten.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        self.response.clear();
        self.user_values.clear();
    }

    /// Ready for the next request: the request and the response are forgotten. Unread input, the connection's
    /// facts and memory that is worth keeping stay.
    pub(crate) fn reset(&mut self) {
        self.request.clear();
        self.remote_override = None;
        self.end();
    }
}

impl Default for RequestCtx {
    /// A context with an empty request and an empty response, on no connection.
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Limits, Progress, ServerSession};
    use crate::wire::output::Output;
    use std::borrow::Cow;
    use std::io::Write;

    fn received(message: &str) -> RequestCtx {
        let mut ctx = RequestCtx::new();
        ctx.request.input_mut().receive(message.as_bytes());
        let mut out = Output::default();
        let progress = ctx.request.advance(&mut ServerSession::new(1), &mut out, &Limits::default());
        assert_eq!(progress, Ok(Progress::Ready));
        ctx
    }

    #[test]
    fn the_parts_of_a_request() {
        let ctx = received(
            "PUT /a%20b/../c?x=1&y&x=2&z=%26+ HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\n\
             Content-Length: 4\r\n\r\nbody",
        );
        assert_eq!((ctx.method(), ctx.request.is_put(), ctx.request.is_get()), ("PUT", true, false));
        assert_eq!((ctx.path(), ctx.request.request_uri()), ("/c", &b"/a%20b/../c?x=1&y&x=2&z=%26+"[..]));
        assert_eq!((ctx.request.query(), ctx.request.host()), (&b"x=1&y&x=2&z=%26+"[..], &b"h:80"[..]));
        assert_eq!((ctx.header("x-a"), ctx.body()), (Some(&b"b"[..]), &b"body"[..]));
        let arg = |name: &str| ctx.query_arg(name).map(Cow::into_owned);
        assert_eq!(arg("x").as_deref(), Some(&b"1"[..]));
        assert_eq!(arg("y").as_deref(), Some(&b""[..]));
        assert_eq!(arg("z").as_deref(), Some(&b"& "[..]));
        assert_eq!(arg("X"), None);
    }

    #[test]
    fn response_helpers() {
        let mut ctx = RequestCtx::new();
        ctx.success("text/html", "<p>");
        ctx.append_body("more");
        write!(ctx, "{}", 7).expect("writing to a context cannot fail");
        assert_eq!(ctx.response.body(), b"<p>more7");
        assert_eq!(ctx.response.headers().get("content-type"), Some(&b"text/html"[..]));

        ctx.response.set_header("x", "y");
        ctx.response.set_connection_close();
        ctx.not_found();
        assert_eq!((ctx.response.status_code(), ctx.response.body()), (404, &b"404 Page not found"[..]));
        assert!(!ctx.response.headers().contains("x") && !ctx.response.connection_close());

        ctx.not_modified();
        assert_eq!((ctx.response.status_code(), ctx.response.body()), (304, &b""[..]));
        assert!(ctx.response.headers().is_empty());
    }

    #[test]
    fn addresses_fall_back() {
        let mut ctx = RequestCtx::new();
        assert_eq!(
            (ctx.remote_addr().to_string(), ctx.local_addr().to_string()),
            ("0.0.0.0:0".into(), "0.0.0.0:0".into())
        );
        let address = SocketAddr::from(([1, 2, 3, 4], 8765));
        ctx.set_conn(ConnInfo::new(7, Some(address), None, SystemTime::UNIX_EPOCH).facts());
        ctx.begin(3, SystemTime::UNIX_EPOCH);
        assert_eq!((ctx.conn_id(), ctx.conn_request_num(), ctx.remote_addr()), (7, 3, address));
        assert_eq!((ctx.conn().remote_addr(), ctx.conn().local_addr()), (Some(address), None));
    }

    #[test]
    fn a_reset_keeps_the_unread_input_and_the_connection() {
        let mut ctx = received("GET /first HTTP/1.1\r\nHost: h\r\n\r\nGET /second");
        ctx.set_conn(ConnInfo::new(7, None, None, SystemTime::UNIX_EPOCH).facts());
        ctx.set_body("body");
        ctx.reset();
        assert_eq!((ctx.method(), ctx.path(), ctx.response.body()), ("", "", &b""[..]));
        assert!(!ctx.request.input().is_empty());
        assert_eq!(ctx.conn_id(), 7);
    }
}
