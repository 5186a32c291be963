//! A handler that asks another server, and passes its answer on.
//!
//! The idea: a request of a client is a call of ours. Its body is read as it is sent, and that of the response sent as
//! it is read, so neither is ever there as a whole.
//!
//! The rules: of what was begun for a client that has left nothing goes on. What breaks off on one side breaks off on
//! the other, so that nobody takes a part for the whole.

use super::any_host::Client;
use super::body::SendBody;
use super::call::CallOptions;
use super::departures::DepartureWatch;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::passing::{ForwardedFields, TrailerRules, merge_response, request_fields, response_fields};
use super::proxied_body::{BothBodies, ClientBody, RequestRest, UpstreamBody};
use super::response::ClientResponse;
use crate::ctx::{Handler, RequestCtx, StatusError};
use crate::message::request::Request;
use crate::util::percent;
use crate::values::headers::{Fields, Headers};
use crate::values::uri::Uri;
use crate::values::version::Version;
use anthill_pool::CancelToken;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A body that has come with its head is passed on with it, if it is not larger.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;

/// A handler that sends each request on to `upstream`, and its response back: [`ReverseProxy`] with its defaults.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::client::{Client, get, proxy};
///
/// let backend = Server::new(|ctx| {
///     let said = format!("{} for {:?}", ctx.path(), ctx.header_str("X-Forwarded-For"));
///     ctx.set_body(said);
/// })?
/// .start("127.0.0.1:0")?;
///
/// let upstream = format!("http://{}/app", backend.local_addr());
/// let front = Server::builder().build_handler(proxy(Client::new(), &upstream)?)?.start("127.0.0.1:0")?;
/// let url = format!("http://{}/page", front.local_addr());
/// assert_eq!(get(&url)?.text()?, r#"/app/page for Some("127.0.0.1")"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`ReverseProxy::new`].
pub fn proxy(client: Client, upstream: &str) -> Result<ReverseProxy, ClientError> {
    ReverseProxy::new(client, upstream)
}

/// A handler that sends each request on to another server, the upstream, and passes the response on as it comes.
///
/// - Fields that are meant for one connection stay there, also those that `Connection` names (RFC 9110 section 7.6.1);
///   `X-Forwarded-For`, `-Proto` and `-Host` say who asks ([`forwarded`](Self::forwarded)). Redirects, codings and
///   cookies are passed on as they are, and no default fields are added, whatever client and server do otherwise, but
///   for the `Date` of a response.
/// - Bodies pass through in pieces, with their trailers. That of a request is there as a whole before the handler is
///   called, though, unless the server streams it ([`stream_request_body`](crate::ServerBuilder::stream_request_body)).
///   A response is sent as others that are read, and holds no thread while its client is slow.
/// - What the upstream answers before it has all of the body is passed on at once, and so is the end of that. From a
///   status of 300 on it is sent no more of the body then; else the rest is sent while the response passes, and behind
///   that, which holds a thread as a [`BodyWriter`](crate::body::BodyWriter) does. A client that sends nothing of its
///   body has the head passed on without. One that waits to be asked for it (`Expect: 100-continue`) is asked when the
///   upstream asks, or after a second. The links of `103 Early Hints` are passed on to requests without a body.
/// - When the client leaves, or ends its sending, the upstream's connection is closed
///   ([`ignore_client_abort`](Self::ignore_client_abort)); on systems other than Linux when it is gone for sure.
/// - Other protocols are not passed on: a request that asks for one (WebSocket) goes to the upstream without that, as
///   if its client did not know it; `CONNECT` is answered 501.
///
/// What fails is answered as [`ReverseProxyError`] says; a response that breaks off ends the connection in the middle
/// of it, which a client that speaks HTTP/1.0 cannot tell from its end unless its length was known. Timeouts are the
/// client's: its [`read_timeout`](super::ClientBuilder::read_timeout),
/// [`write_timeout`](super::ClientBuilder::write_timeout) and
/// [`connect_timeout`](super::ClientBuilder::connect_timeout) are for a proxy, and without the first two an upstream
/// that says nothing, or takes nothing, is waited for as long as there is somebody who asks; its
/// [`timeout`](super::ClientBuilder::timeout) would count until the last byte of a download.
///
/// ```
/// use anthill_http::client::{Client, ForwardedFields, ReverseProxy};
/// use anthill_http::{RequestCtx, Server};
/// use std::time::Duration;
///
/// let client = Client::builder().read_timeout(Duration::from_secs(30)).build()?;
/// let app = ReverseProxy::new(client, "http://10.0.0.2:8080")?
///     .preserve_host(true)
///     .forwarded(ForwardedFields::Append)
///     .via("edge");
/// let server = Server::builder().stream_request_body(true).build(move |ctx: &mut RequestCtx| {
///     match ctx.path() {
///         "/health" => Ok(ctx.set_body("ok")),
///         _ => app.forward(ctx),
///     }
/// })?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReverseProxy {
    client: Client,
    upstream: Uri,
    /// What stands before the path of each request.
    base: Vec<u8>,
    preserves_host: bool,
    forwarded: ForwardedFields,
    via: Option<String>,
    ignores_aborts: bool,
}

/// Why a request was not passed on, or not answered. It is the error of a handler, and knows the status to answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReverseProxyError {
    /// The request asks for a tunnel, which is not there: 501.
    Tunnel,
    /// The path leads out of the one of the upstream, or may be taken for one that does (`/../`, `/..;/`); or the
    /// target is of another scheme, or `*` without `OPTIONS`: 400.
    Path,
    /// The client's body could not be read, which is its fault: 400, 408, 413.
    RequestBody(ClientError),
    /// The upstream did not answer: 504 when time was up, 503 when all connections that are allowed to it are busy, 499
    /// when the client has left (which nobody reads but a log), else 502.
    Upstream(ClientError),
}

impl ReverseProxy {
    /// A proxy for `upstream`: a URL with a host, and perhaps a path that stands before the path of each request.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when it is no such URL, or has a query, a user or a
    /// password.
    pub fn new(client: Client, upstream: &str) -> Result<Self, ClientError> {
        let mut uri = Uri::parse(upstream).map_err(refuse)?;
        uri.set_path_normalizing(false);
        if uri.host().is_empty() || !matches!(uri.scheme(), "http" | "https") {
            return Err(refuse("an upstream is a URL with its host: http://host:port"));
        }
        if !uri.userinfo().is_empty() || !uri.query().is_empty() || !uri.fragment().is_empty() {
            return Err(refuse("the URL of an upstream has no user, query or fragment"));
        }
        let base = uri.path_original();
        let base = base.strip_suffix(b"/").unwrap_or(base).to_vec();
        let forwarded = ForwardedFields::default();
        Ok(Self {
            client,
            upstream: uri,
            base,
            preserves_host: false,
            forwarded,
            via: None,
            ignores_aborts: false,
        })
    }

    /// Whether the upstream is told the host that the client has asked for, instead of its own. Default: its own.
    #[must_use]
    pub fn preserve_host(mut self, preserves: bool) -> Self {
        self.preserves_host = preserves;
        self
    }

    /// What is said of the client. Default [`ForwardedFields::Replace`].
    #[must_use]
    pub fn forwarded(mut self, fields: ForwardedFields) -> Self {
        self.forwarded = fields;
        self
    }

    /// Adds `name`, or `host:port`, to the field `Via` of requests (RFC 9110 section 7.6.3). Default: nothing is added.
    ///
    /// Control characters become spaces.
    #[must_use]
    pub fn via(mut self, name: impl Into<String>) -> Self {
        self.via = Some(name.into());
        self
    }

    /// Whether a call goes on until the upstream has answered although its client has left: for upstreams that must not
    /// be interrupted before that, and for clients that end their sending before they are answered. What comes behind
    /// the head has nobody to go to then, and ends with the client. Default: no.
    #[must_use]
    pub fn ignore_client_abort(mut self, ignores: bool) -> Self {
        self.ignores_aborts = ignores;
        self
    }

    /// Sends the request on, and makes what is answered the response.
    ///
    /// The request may have been changed before. What the client's `Connection` names stays on its connection as it
    /// came with it; fields that were set since are passed on, whatever it names, but for those that are known to be
    /// about one connection (`Keep-Alive`, `Proxy-Authorization` and so on). A body of which a part was read before is
    /// passed on without that.
    ///
    /// Fields of the response that were set before stay, unless the upstream sends some of the same name; of
    /// `Set-Cookie`, `Vary`, `Link`, `Via`, `Warning` and `WWW-Authenticate` both are sent. Only the body is still to
    /// come, so the head may be changed behind.
    ///
    /// # Errors
    /// See [`ReverseProxyError`]. A handler returns it as it is.
    pub fn forward(&self, ctx: &mut RequestCtx) -> Result<(), ReverseProxyError> {
        if ctx.request.is_connect() {
            return Err(ReverseProxyError::Tunnel);
        }
        if is_at_last_hop(&mut ctx.request) {
            // As its last recipient: whoever traces learns where it ends, and is not shown what it said.
            ctx.set_status_code(if ctx.request.is_trace() { 501 } else { 200 });
            return Ok(());
        }
        let request = self.request_to_send(ctx)?;
        let token = CancelToken::new();
        let watch =
            (!self.ignores_aborts).then(|| DepartureWatch::begin(ctx.sight_of_client(), token.clone()));
        let passed = self.call(ctx, &request, token).map_err(ReverseProxyError::of_call)?;
        if let Some(watch) = &watch {
            watch.is_answered();
        }
        let rules = TrailerRules::new(&ctx.request, self.forwarded);
        pass_back(ctx, passed, rules, watch)
    }

    /// The request as it is sent on, without its body.
    fn request_to_send(&self, ctx: &RequestCtx) -> Result<Request, ReverseProxyError> {
        let refuse = |error| ReverseProxyError::Upstream(refuse(error));
        let mut request = Request::new(ctx.request.method(), self.target(ctx)?).map_err(refuse)?;
        let own = self.upstream.host();
        let host = if self.preserves_host { ctx.request.host() } else { own };
        request.set_host(if host.is_empty() { own } else { host }).map_err(refuse)?;
        for (name, value) in request_fields(ctx, self.forwarded, self.via.as_deref()).iter() {
            request.append_header(name, value);
        }
        if ctx.request.is_body_complete() {
            // Its client was asked for it.
            request.remove_header("Expect");
        }
        Ok(request)
    }

    /// What the upstream is asked for: path and query, as the client has written them.
    fn target(&self, ctx: &RequestCtx) -> Result<Vec<u8>, ReverseProxyError> {
        let target = ctx.request.request_uri();
        if target == b"*" {
            // It is about the server as a whole, and only for this method (RFC 9112 section 3.2.4).
            return if ctx.request.is_options() { Ok(target.to_vec()) } else { Err(ReverseProxyError::Path) };
        }
        let start = match (target, memchr::memmem::find(target, b"://")) {
            ([b'/', ..], _) | (_, None) => 0,
            (_, Some(at)) if is_of_http(target.get(..at).unwrap_or_default()) => at + 3,
            _ => return Err(ReverseProxyError::Path),
        };
        let rest = target.get(start..).unwrap_or_default();
        // Whoever is asked does not need to know of what.
        let rest = rest.get(..memchr::memchr(b'#', rest).unwrap_or(rest.len())).unwrap_or_default();
        // An absolute form may have no path.
        let path_at = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
        let rest = rest.get(path_at..).unwrap_or_default();
        let (path, query) = rest.split_at(memchr::memchr(b'?', rest).unwrap_or(rest.len()));
        if !self.base.is_empty() && climbs(path) {
            return Err(ReverseProxyError::Path);
        }
        if path.is_empty() && query.is_empty() && ctx.request.is_options() {
            return Ok(b"*".to_vec());
        }
        let path = if path.is_empty() { &b"/"[..] } else { path };
        Ok([&self.base[..], path, query].concat())
    }

    /// Sends `request` with the body of the client's.
    fn call(
        &self,
        ctx: &mut RequestCtx,
        request: &Request,
        token: CancelToken,
    ) -> Result<PassedCall, ClientError> {
        let rules = TrailerRules::new(&ctx.request, self.forwarded);
        let trailers = Arc::new(Mutex::new(Headers::new()));
        let kept = trailers.clone();
        let trailers_of = move || rules.passed(kept.lock().fields());
        let is_complete = ctx.request.is_body_complete();
        let body = if is_complete {
            let (body, behind) = (ctx.request.body(), ctx.request.trailers());
            if body.is_empty() && behind.is_empty() {
                return self.call_without_body(ctx, request, token);
            }
            let length = behind.is_empty().then_some(body.len() as u64);
            trailers.lock().copy_from(behind);
            SendBody::repeatable(length, move || Ok(body)).trailers(trailers_of)
        } else {
            let reader = ClientBody::new(ctx.body_reader(), trailers.clone());
            match reader.remaining() {
                Some(length) => SendBody::sized(reader, length),
                None => SendBody::new(reader).trailers(trailers_of),
            }
        };
        let options = CallOptions { token: Some(token), body: Some(body), ..CallOptions::default() };
        let mut response = self.client.pass_on(&self.upstream, request, options)?;
        let rest = response.body_as_sent().and_then(|body| body.unsent()).map(|unsent| {
            if !is_complete {
                return RequestRest::Client;
            }
            // Whoever writes the response may have another request before him.
            let taken = usize::try_from(unsent.taken).unwrap_or(usize::MAX);
            let bytes = ctx.request.body().get(taken..).unwrap_or_default().to_vec();
            let trailers = TrailerRules::new(&ctx.request, self.forwarded).passed(ctx.request.trailers());
            RequestRest::Kept { bytes, at: 0, trailers }
        });
        Ok(PassedCall { response, rest })
    }

    /// Sends a request without a body; what the upstream says ahead of its answer is passed on.
    fn call_without_body(
        &self,
        ctx: &mut RequestCtx,
        request: &Request,
        token: CancelToken,
    ) -> Result<PassedCall, ClientError> {
        let hook = |status: u16, fields: Fields<'_>| {
            if status != 103 || !fields.contains("Link") {
                return;
            }
            // Those that were set here are for the response.
            let own: Vec<Vec<u8>> = ctx.response.headers().get_all("Link").map(<[u8]>::to_vec).collect();
            ctx.response.headers_mut().remove("Link");
            for link in fields.get_all("Link") {
                ctx.response.append_header("Link", link);
            }
            // Whether the client is still there is seen otherwise.
            if let Err(error) = ctx.early_hints() {
                log::debug!("a client was not given hints: {error}");
            }
            ctx.response.headers_mut().remove("Link");
            own.iter().for_each(|link| ctx.response.append_header("Link", link));
        };
        let on_informational = Some(Box::new(hook) as _);
        let options = CallOptions { token: Some(token), on_informational, ..CallOptions::default() };
        let response = self.client.pass_on(&self.upstream, request, options)?;
        Ok(PassedCall { response, rest: None })
    }
}

/// Whether the request may go no further (RFC 9110 section 7.6.2). Counts the hop.
fn is_at_last_hop(request: &mut Request) -> bool {
    if !request.is_options() && !request.is_trace() {
        return false;
    }
    match request.header_str("Max-Forwards").and_then(|hops| hops.parse::<u64>().ok()) {
        Some(0) => return true,
        Some(hops) => request.set_header("Max-Forwards", (hops - 1).to_string()),
        None => {}
    }
    false
}

fn refuse(why: impl Into<Box<dyn Error + Send + Sync>>) -> ClientError {
    ClientError::because(ClientErrorKind::InvalidRequest, why)
}

/// What came of a call.
struct PassedCall {
    response: ClientResponse,
    /// What is left to be sent of the request, if something is.
    rest: Option<RequestRest>,
}

/// Whether a response to this has no body, whatever its head says.
fn has_no_body(ctx: &RequestCtx, response: &ClientResponse) -> bool {
    ctx.request.is_head() || matches!(response.status_code(), 204 | 205 | 304)
}

/// Makes the upstream's response that of the request.
fn pass_back(
    ctx: &mut RequestCtx,
    passed: PassedCall,
    rules: TrailerRules,
    watch: Option<DepartureWatch>,
) -> Result<(), ReverseProxyError> {
    let PassedCall { mut response, rest } = passed;
    if let Some(error) = response.body_as_sent().and_then(|body| body.failure()) {
        return Err(ReverseProxyError::Upstream(error));
    }
    pass_head_back(ctx, &response);
    let is_head = ctx.request.is_head();
    if has_no_body(ctx, &response) {
        // How long it would be, if that is known.
        let known = response.header("Content-Length");
        let length = (known.is_some() || !is_head).then_some(0);
        if let Some(known) = known {
            ctx.response.set_header("Content-Length", known);
        }
        match rest {
            Some(rest) => pass_both(ctx, BothBodies { response, rest, rules, watch }, length),
            None if length.is_none() => ctx.response.set_body_writer(|_| Ok(())),
            None => {}
        }
        return Ok(());
    }
    let is_chunked = ctx.request.version() != Version::Http10;
    // What stands behind it has a place only behind chunks.
    let has_trailers = is_chunked && response.body_as_sent().is_some_and(|body| body.has_trailers());
    let length = response.remaining().filter(|_| !has_trailers);
    if let Some(rest) = rest {
        pass_both(ctx, BothBodies { response, rest, rules, watch }, length);
        return Ok(());
    }
    let answer = &mut ctx.response;
    let has_arrived = length.is_some_and(|length| length == response.arrived().len() as u64);
    match length {
        Some(length) if has_arrived && length <= WHOLE_BYTES_MAX => {
            answer.set_body_vec(response.read_body().map_err(ReverseProxyError::Upstream)?);
        }
        length => {
            answer.set_immediate_header_flush(response.arrived().is_empty() && !has_trailers);
            answer.set_body_pull(UpstreamBody { response, length, watch });
        }
    }
    Ok(())
}

/// Makes the response one, of `length` bytes if that is known, that is passed while the rest of the request is.
fn pass_both(ctx: &mut RequestCtx, both: BothBodies, length: Option<u64>) {
    ctx.response.set_immediate_header_flush(true);
    ctx.response.set_passing_writer(length, move |out| both.write_to(out));
}

/// The same of the head. What was set before stays, but for what the upstream says itself.
fn pass_head_back(ctx: &mut RequestCtx, response: &ClientResponse) {
    let answer = &mut ctx.response;
    answer.clear_body();
    answer.pass_on();
    answer.set_status_code(response.status_code());
    answer.set_reason(response.reason());
    merge_response(answer.headers_mut(), &response_fields(response.headers()));
}

impl Handler for ReverseProxy {
    fn handle(&self, ctx: &mut RequestCtx) {
        if let Err(error) = self.forward(ctx) {
            ctx.answer_error_of("proxy", &error);
        }
    }
}

impl ReverseProxyError {
    fn of_call(error: ClientError) -> Self {
        match error.kind() {
            ClientErrorKind::RequestBody | ClientErrorKind::Timeout(ClientPhase::RequestBody) => {
                Self::RequestBody(error)
            }
            _ => Self::Upstream(error),
        }
    }
}

impl StatusError for ReverseProxyError {
    fn status(&self) -> u16 {
        match self {
            Self::Tunnel => 501,
            Self::Path => 400,
            Self::RequestBody(error) if error.is_timeout() => 408,
            Self::RequestBody(error) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
                match cause.map(|cause| (cause.kind(), cause.status())) {
                    Some((io::ErrorKind::TimedOut, _)) => 408,
                    Some((_, status)) if status < 500 => status,
                    _ => 400,
                }
            }
            Self::Upstream(error) => match error.kind() {
                ClientErrorKind::Timeout(_) => 504,
                ClientErrorKind::NoFreeConns => 503,
                ClientErrorKind::Cancelled => 499,
                _ => 502,
            },
        }
    }

    /// What the client is told is the status alone: where the upstream is, and what it did, is the server's affair.
    fn message(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl fmt::Display for ReverseProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel => f.write_str("a tunnel was asked for, which a reverse proxy has none of"),
            Self::Path => f.write_str("the target is not one below that of the upstream"),
            Self::RequestBody(error) => write!(f, "the client's body could not be read: {error}"),
            Self::Upstream(error) => write!(f, "the upstream did not answer: {error}"),
        }
    }
}

impl Error for ReverseProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tunnel | Self::Path => None,
            Self::RequestBody(error) | Self::Upstream(error) => error.source(),
        }
    }
}

fn is_of_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

/// Whether a path as it was written leads upwards, or may be taken for one that does.
fn climbs(path: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    percent::append_decoded(&mut decoded, path);
    // Servers that know parameters of segments take those off before they resolve dots.
    let is_dots = |segment: &[u8]| matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b".."));
    decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upstream_may_be() {
        for url in ["", "/x", "ftp://h/", "http://u:p@h/", "http://h/?a", "http://h/#a", "http://"] {
            let error = proxy(Client::new(), url).expect_err(url);
            assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{url}");
        }
    }

    #[test]
    fn which_target_is_asked_for() {
        let target = |upstream: &str, method: &str, target: &str| {
            let ctx = RequestCtx::for_request(Request::new(method, target).expect("a request"), None);
            let proxy = proxy(Client::new(), upstream).expect("an upstream");
            let target = proxy.target(&ctx).map(|target| String::from_utf8_lossy(&target).into_owned());
            target.map_err(|error| error.status())
        };
        for (upstream, method, asked, expected) in [
            ("http://h", "GET", "/a%2Fb//c?d", "/a%2Fb//c?d"),
            ("http://h/", "GET", "/../a", "/../a"),
            ("http://h/app", "GET", "/a", "/app/a"),
            ("http://h/app/", "GET", "/?x=..", "/app/?x=.."),
            ("http://h/app", "GET", "http://other/a?b", "/app/a?b"),
            ("http://h/app", "GET", "http://other?b", "/app/?b"),
            ("http://h/app", "GET", "http://other", "/app/"),
            ("http://h/app", "GET", "http://other#/x", "/app/"),
            ("http://h/app", "OPTIONS", "*", "*"),
            ("http://h", "OPTIONS", "http://other", "*"),
            ("http://h", "OPTIONS", "http://other/", "/"),
            ("http://h/app", "GET", "/a;b/..x", "/app/a;b/..x"),
        ] {
            assert_eq!(target(upstream, method, asked).as_deref(), Ok(expected), "{upstream} {asked}");
        }
        for climbing in [
            "/../a",
            "/a/..",
            "/%2e%2E/a",
            "/..%2fa",
            "/..\\a",
            "/a/./b",
            "/..;/a",
            "/..;x=y/a",
            "/%2e%2e%3b/a",
            "/.;/a",
            "/a/..;",
        ] {
            assert_eq!(target("http://h/app", "GET", climbing), Err(400), "{climbing}");
        }
        assert_eq!(target("http://h/app", "GET", "*"), Err(400));
        assert_eq!(target("http://h", "GET", "ftp://other/x"), Err(400));
    }

    #[test]
    fn which_status_a_failure_has() {
        let upstream = |kind| ReverseProxyError::Upstream(ClientError::new(kind)).status();
        assert_eq!(upstream(ClientErrorKind::Timeout(super::super::error::ClientPhase::Head)), 504);
        assert_eq!([ClientErrorKind::Connect, ClientErrorKind::ConnectionClosed].map(upstream), [502, 502]);
        let of_body = |cause: io::Error| {
            ReverseProxyError::of_call(ClientError::because(ClientErrorKind::RequestBody, cause)).status()
        };
        assert_eq!(of_body(io::ErrorKind::TimedOut.into()), 408);
        let late = ClientError::new(ClientErrorKind::Timeout(ClientPhase::RequestBody));
        assert_eq!(ReverseProxyError::of_call(late).status(), 408, "it is the client that was slow");
        assert_eq!(of_body(io::ErrorKind::ConnectionReset.into()), 400);
        let too_large = io::Error::new(io::ErrorKind::InvalidData, crate::ProtoError::BodyTooLarge);
        assert_eq!(of_body(too_large), 413);
    }
}
