//! What a handler is given: one request, the response to it, and facts about the connection.
//!
//! The idea: fasthttp's `RequestCtx`, with its names, as shortcuts over two plain public parts. It has no
//! lifetime parameter, so handlers are simply `Fn(&mut RequestCtx)`; that they cannot keep it is the work of
//! the borrow.
//!
//! The rule: no socket in here, and nothing that can block.

mod conn_info;
mod user_values;

pub use conn_info::ConnInfo;
pub use user_values::UserKey;
pub(crate) use user_values::UserValues;

use crate::header;
use crate::request::{BodyReader, Request};
use crate::response::Response;
use crate::util::date;
use crate::wire::Line;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
///     ctx.write("Hello, ");
///     ctx.write(name);
/// }
/// # let _: fn(&mut anthill_http::RequestCtx) = hello;
/// ```
#[derive(Debug)]
pub struct RequestCtx {
    /// The request as it was received.
    pub request: Request,
    /// The response that is sent when the handler returns. Starts as an empty `200 OK`.
    pub response: Response,
    conn: ConnInfo,
    /// The connection's transport, while the driver lends it.
    pub(crate) line: Line,
    /// What is collected at most of a body.
    body_max: Option<u64>,
    remote_override: Option<SocketAddr>,
    time: Option<SystemTime>,
    user_values: UserValues,
}

// It goes with a connection from thread to thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<RequestCtx>();
};

/// Reading the request.
impl RequestCtx {
    /// The method as it was sent.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// Whether the method is `GET`.
    pub fn is_get(&self) -> bool {
        self.request.is_get()
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.request.is_head()
    }

    /// Whether the method is `POST`.
    pub fn is_post(&self) -> bool {
        self.request.is_post()
    }

    /// Whether the method is `PUT`.
    pub fn is_put(&self) -> bool {
        self.request.is_put()
    }

    /// Whether the method is `DELETE`.
    pub fn is_delete(&self) -> bool {
        self.request.is_delete()
    }

    /// Whether the method is `PATCH`.
    pub fn is_patch(&self) -> bool {
        self.request.is_patch()
    }

    /// Whether the method is `OPTIONS`.
    pub fn is_options(&self) -> bool {
        self.request.is_options()
    }

    /// Whether the method is `CONNECT`.
    pub fn is_connect(&self) -> bool {
        self.request.is_connect()
    }

    /// Whether the method is `TRACE`.
    pub fn is_trace(&self) -> bool {
        self.request.is_trace()
    }

    /// The decoded and normalised path; see [`Request::path`].
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// The request target as it was sent.
    pub fn request_uri(&self) -> &[u8] {
        self.request.target()
    }

    /// The query as it was sent, without the `?`.
    pub fn query(&self) -> &[u8] {
        self.request.query()
    }

    /// The decoded value of the first query argument called `name`; empty when it has none.
    pub fn query_arg(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        let name = name.as_ref();
        let (_, value) = self.request.query_args().find(|(found, _)| found.as_ref() == name)?;
        Some(value.unwrap_or_default())
    }

    /// The host the request is for, with the port if one was given.
    pub fn host(&self) -> &[u8] {
        self.request.host()
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.header(name)
    }

    /// The request's body; see [`Request::body`] for what that is when bodies are streamed.
    pub fn body(&self) -> &[u8] {
        self.request.body()
    }

    /// Whether the whole body has arrived; see [`Request::is_body_complete`].
    pub fn is_body_complete(&self) -> bool {
        self.request.is_body_complete()
    }

    /// Reads the body as it arrives (fasthttp's `RequestBodyStream`).
    ///
    /// Works for bodies that have arrived as well. What was read is gone from [`body`](Self::body). What is not read is
    /// thrown away behind the response, up to 256 KiB of it; beyond that, the connection closes (row `STR-04`).
    ///
    /// ```
    /// use std::io::Read;
    /// fn count(ctx: &mut anthill_http::RequestCtx) {
    ///     let mut bytes = 0;
    ///     let mut piece = [0; 8192];
    ///     let mut body = ctx.body_reader();
    ///     let read = loop {
    ///         match body.read(&mut piece) {
    ///             Ok(0) => break Ok(bytes),
    ///             Ok(count) => bytes += count,
    ///             Err(error) => break Err(error),
    ///         }
    ///     };
    ///     match read {
    ///         Ok(bytes) => ctx.set_body(bytes.to_string()),
    ///         Err(error) => ctx.error(error.to_string(), 400),
    ///     }
    /// }
    /// let request = anthill_http::Request::parse(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    /// let mut ctx = anthill_http::RequestCtx::for_request(request?.expect("a complete request").0, None);
    /// count(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"5");
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    pub fn body_reader(&mut self) -> BodyReader<'_> {
        BodyReader::new(&mut self.request, &mut self.line)
    }

    /// The reader of the request's body and the response, to use both at the same time.
    pub fn body_and_response(&mut self) -> (BodyReader<'_>, &mut Response) {
        (BodyReader::new(&mut self.request, &mut self.line), &mut self.response)
    }

    /// The request's body, waiting until all of it has arrived; at most as much of it as the server's
    /// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) allows.
    ///
    /// # Errors
    /// Those of [`BodyReader`]; `InvalidData` with [`ProtoError::BodyTooLarge`](crate::ProtoError::BodyTooLarge) inside
    /// when the body is above the limit.
    pub fn read_body(&mut self) -> io::Result<&[u8]> {
        if !self.request.is_body_complete() {
            self.request.collect(&mut self.line, self.body_max)?;
        }
        Ok(self.request.body())
    }

    /// Whether a resource last changed at `last_modified` is newer than the copy that the client says it has (row
    /// `CTX-09`).
    ///
    /// True as well when there is no `If-Modified-Since` or it is no date. Fractions of a second do not count, because
    /// the field cannot express them.
    pub fn if_modified_since(&self, last_modified: SystemTime) -> bool {
        let Some(since) = self.request.header("If-Modified-Since").and_then(header::parse_http_date) else {
            return true;
        };
        date::whole_seconds(last_modified) > date::whole_seconds(since)
    }

    /// The value of the first cookie called `name`, as it was sent (row `CKY-03`).
    ///
    /// All `Cookie` fields count. White space around names and values is removed, nothing is decoded.
    pub fn cookie(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.request
            .headers()
            .get_all("Cookie")
            .flat_map(|line| line.split(|&byte| byte == b';'))
            .map(split_cookie)
            .find_map(|(found, value)| (found == name).then_some(value))
    }
}

/// Preparing the response.
impl RequestCtx {
    /// Sets the status code; see [`Response::set_status`].
    pub fn set_status_code(&mut self, status: u16) {
        self.response.set_status(status);
    }

    /// Sets the `Content-Type` of the response.
    pub fn set_content_type(&mut self, content_type: impl AsRef<[u8]>) {
        self.response.set_content_type(content_type);
    }

    /// Replaces the response's body by a copy of `body`.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.response.set_body(body);
    }

    /// Adds a copy of `part` to the response's body.
    ///
    /// The context is also an [`io::Write`], for `write!` and for encoders; writing to it always succeeds.
    pub fn write(&mut self, part: impl AsRef<[u8]>) {
        self.response.append_body(part);
    }

    /// Asks for the connection to be closed after the response.
    pub fn set_connection_close(&mut self) {
        self.response.set_close();
    }

    /// Sets type and body of a successful response.
    pub fn success(&mut self, content_type: impl AsRef<[u8]>, body: impl AsRef<[u8]>) {
        self.response.set_content_type(content_type);
        self.response.set_body(body);
    }

    /// Starts the response over as plain text `message` with status `status`. Header fields set before are
    /// gone.
    pub fn error(&mut self, message: impl AsRef<[u8]>, status: u16) {
        self.response.clear();
        self.response.set_status(status);
        self.response.set_content_type("text/plain; charset=utf-8");
        self.response.set_body(message);
    }

    /// Starts the response over as a 404 with fasthttp's text.
    pub fn not_found(&mut self) {
        self.error("404 Page not found", 404);
    }

    /// Starts the response over as an empty 304.
    pub fn not_modified(&mut self) {
        self.response.clear();
        self.response.set_status(304);
    }

    /// Redirects to `uri`, with 301, 302, 303, 307 or 308; any other code becomes 302 (row `CTX-07`).
    ///
    /// Line breaks in `uri` become spaces; otherwise it is sent as given. The body is left alone.
    pub fn redirect(&mut self, uri: impl AsRef<[u8]>, status: u16) {
        let status = if matches!(status, 301 | 302 | 303 | 307 | 308) { status } else { 302 };
        self.response.set_status(status);
        self.response.set_header("Location", uri);
    }
}

/// About the connection.
impl RequestCtx {
    /// The peer's address, or the one that was put in its place; `0.0.0.0:0` when the connection is not TCP (row
    /// `CTX-05`).
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote_override.or(self.conn.remote_addr()).unwrap_or(NO_ADDRESS)
    }

    /// Lets [`remote_addr`](Self::remote_addr) give another address for this request, for instance the one that a trusted
    /// proxy reports. `None` takes that back.
    pub fn set_remote_addr(&mut self, address: Option<SocketAddr>) {
        self.remote_override = address;
    }

    /// Our own address; `0.0.0.0:0` when the connection is not TCP.
    pub fn local_addr(&self) -> SocketAddr {
        self.conn.local_addr().unwrap_or(NO_ADDRESS)
    }

    /// The connection's number, unique within the process.
    pub fn conn_id(&self) -> u64 {
        self.conn.id()
    }

    /// The number of this request on its connection, from 1.
    pub fn conn_request_num(&self) -> u64 {
        self.conn.request_number()
    }

    /// The request's number: that of its connection in the upper half, its own in the lower (row `CTX-08`).
    pub fn id(&self) -> u64 {
        self.conn_id() << 32 | self.conn_request_num() & u64::from(u32::MAX)
    }

    /// When the connection was opened.
    pub fn conn_time(&self) -> SystemTime {
        self.conn.time()
    }

    /// When the request came. The clock is read when the server waits for connections, so requests that were served one
    /// after the other without waiting have the same time.
    pub fn time(&self) -> SystemTime {
        self.time.unwrap_or_else(SystemTime::now)
    }

    /// Whether the client has said that it sends nothing more, or is gone (row `CON-11`).
    ///
    /// For handlers that take long: what they would answer is probably not read any more. Costs a system call. A client
    /// may rightly shut down its sending side and wait for the response; few do. False when it cannot be known: on
    /// systems other than Linux until the connection is reset, and with
    /// [`serve_conn`](crate::Server::serve_conn).
    pub fn client_disconnected(&mut self) -> bool {
        self.line.peer_has_ended()
    }

    /// Logs a line about this request at level `Info` (row `CTX-08`; fasthttp's `ctx.Logger()`): seconds since the
    /// connection was opened, the request as [`Display`](fmt::Display) shows it, the message.
    ///
    /// ```
    /// fn handler(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.log(format_args!("{} bytes to store", ctx.body().len()));
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = handler;
    /// ```
    pub fn log(&self, message: impl fmt::Display) {
        // A clock that was set back makes it zero.
        let elapsed = SystemTime::now().duration_since(self.conn_time()).unwrap_or_default();
        log::info!(target: "anthill_http::request", "{:.3} {self} - {message}", elapsed.as_secs_f64());
    }

    /// All that is known about the connection.
    pub fn conn(&self) -> &ConnInfo {
        &self.conn
    }
}

/// Values that handlers pass on to each other (row `CTX-04`).
impl RequestCtx {
    /// Keeps `value` under `key`, in the place of what was kept there, until the response has been sent.
    ///
    /// ```
    /// let mut ctx = anthill_http::RequestCtx::default();
    /// ctx.set_user_value("user", String::from("ann"));
    /// assert_eq!(ctx.user_value::<String>("user").map(String::as_str), Some("ann"));
    /// assert_eq!(ctx.user_value::<u32>("user"), None, "it is of another type");
    /// ```
    pub fn set_user_value(&mut self, key: impl Into<UserKey>, value: impl Any + Send) {
        self.user_values.set(key.into(), Box::new(value));
    }

    /// The value kept under `key`, if it is a `T`.
    pub fn user_value<T: Any>(&self, key: impl Into<UserKey>) -> Option<&T> {
        self.user_values.get(&key.into())
    }

    /// The same, to change.
    pub fn user_value_mut<T: Any>(&mut self, key: impl Into<UserKey>) -> Option<&mut T> {
        self.user_values.get_mut(&key.into())
    }

    /// Takes the value kept under `key` out.
    pub fn remove_user_value(&mut self, key: impl Into<UserKey>) -> Option<Box<dyn Any + Send>> {
        self.user_values.remove(&key.into())
    }

    /// The keys in the order in which they were first set.
    pub fn user_keys(&self) -> impl Iterator<Item = &UserKey> {
        self.user_values.keys()
    }

    /// Drops all user values.
    pub fn clear_user_values(&mut self) {
        self.user_values.clear();
    }
}

/// For the drivers.
impl RequestCtx {
    pub(crate) fn new() -> Self {
        Self::for_request(Request::empty(), None)
    }

    /// A context outside of any server, to call a handler with (row `CTX-10`; fasthttp's `Init`).
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
    /// # Ok::<(), anthill_http::InvalidRequest>(())
    /// ```
    pub fn for_request(request: Request, remote_addr: Option<SocketAddr>) -> Self {
        Self {
            request,
            response: Response::new(),
            conn: ConnInfo::default(),
            line: Line::default(),
            body_max: None,
            remote_override: remote_addr,
            time: None,
            user_values: UserValues::default(),
        }
    }

    /// Says which connection is served from now on.
    pub(crate) fn set_conn(&mut self, conn: &ConnInfo) {
        self.conn.clone_from(conn);
    }

    /// Says which request of the connection this is, from 1, and when it came.
    pub(crate) fn begin(&mut self, number: u64, time: SystemTime) {
        self.conn.request_number = number;
        self.time = Some(time);
        self.remote_override = None;
    }

    /// Lends the connection's transport for one request; `body_max` bounds what is collected of its body.
    pub(crate) fn lend(&mut self, line: Line, body_max: Option<u64>) {
        self.line = line;
        self.body_max = body_max;
    }

    /// What handlers have kept, to be dropped when the response has been sent.
    pub(crate) fn take_user_values(&mut self) -> UserValues {
        std::mem::take(&mut self.user_values)
    }

    /// Ready for the next request of the connection: the response and what handlers kept are forgotten.
    pub(crate) fn end(&mut self) {
        self.response.clear();
        if !self.user_values.is_empty() {
            self.user_values.clear();
        }
    }

    /// Ready for the next request: the request and the response are forgotten. Unread input, the connection's
    /// facts and memory that is worth keeping stay.
    pub(crate) fn reset(&mut self) {
        self.request.clear();
        self.remote_override = None;
        self.end();
    }
}

/// `#` and the number in 16 hex digits, the addresses of both ends, method and URL, as in fasthttp's log lines.
impl fmt::Display for RequestCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, remote) = (self.local_addr(), self.remote_addr());
        write!(f, "#{:016x} - {local}<->{remote} - {} ", self.id(), self.method())?;
        let (host, target) =
            (String::from_utf8_lossy(self.host()), String::from_utf8_lossy(self.request_uri()));
        // An absolute target, an asterisk and an authority say it all.
        if target.starts_with('/') { write!(f, "http://{host}{target}") } else { f.write_str(&target) }
    }
}

impl Default for RequestCtx {
    /// A context with an empty request and an empty response, on no connection.
    fn default() -> Self {
        Self::new()
    }
}

impl io::Write for RequestCtx {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.response.append_body(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Name and value of one cookie; without `=` it is a value with an empty name, as in fasthttp.
fn split_cookie(pair: &[u8]) -> (&[u8], &[u8]) {
    use crate::util::token::trim;
    match memchr::memchr(b'=', pair) {
        Some(equals) => (trim(&pair[..equals]), trim(&pair[equals + 1..])),
        None => (b"", trim(pair)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Output;
    use crate::proto::{Limits, Progress, Session};
    use std::io::Write;

    fn received(message: &str) -> RequestCtx {
        let mut ctx = RequestCtx::new();
        ctx.request.input_mut().receive(message.as_bytes());
        let mut out = Output::default();
        let progress = Session::new().advance(&mut ctx.request, &mut out, &Limits::default());
        assert_eq!(progress, Ok(Progress::Ready));
        ctx
    }

    #[test]
    fn the_parts_of_a_request() {
        let ctx = received(
            "PUT /a%20b/../c?x=1&y&x=2&z=%26+ HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\n\
             Content-Length: 4\r\n\r\nbody",
        );
        assert_eq!((ctx.method(), ctx.is_put(), ctx.is_get()), ("PUT", true, false));
        assert_eq!((ctx.path(), ctx.request_uri()), ("/c", &b"/a%20b/../c?x=1&y&x=2&z=%26+"[..]));
        assert_eq!((ctx.query(), ctx.host()), (&b"x=1&y&x=2&z=%26+"[..], &b"h:80"[..]));
        assert_eq!((ctx.header("x-a"), ctx.body()), (Some(&b"b"[..]), &b"body"[..]));
        let arg = |name: &str| ctx.query_arg(name).map(Cow::into_owned);
        assert_eq!(arg("x").as_deref(), Some(&b"1"[..]));
        assert_eq!(arg("y").as_deref(), Some(&b""[..]));
        assert_eq!(arg("z").as_deref(), Some(&b"& "[..]));
        assert_eq!(arg("X"), None);
    }

    #[test]
    fn exactly_one_method_test_is_right() {
        type Test = fn(&RequestCtx) -> bool;
        let tests: [(&str, Test); 9] = [
            ("GET", RequestCtx::is_get),
            ("HEAD", RequestCtx::is_head),
            ("POST", RequestCtx::is_post),
            ("PUT", RequestCtx::is_put),
            ("DELETE", RequestCtx::is_delete),
            ("PATCH", RequestCtx::is_patch),
            ("OPTIONS", RequestCtx::is_options),
            ("CONNECT", RequestCtx::is_connect),
            ("TRACE", RequestCtx::is_trace),
        ];
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get"]
        {
            let target = if method == "CONNECT" { "h:1" } else { "/" };
            let ctx = received(&format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
            for (name, test) in tests {
                assert_eq!(test(&ctx), name == method, "is it {name} when it is {method}");
            }
        }
    }

    #[test]
    fn cookies_of_all_lines_count() {
        let ctx = received(
            "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b = x y ;c=\"q\"\r\ncookie: d=%41=;a=2; bare\r\n\r\n",
        );
        for (name, value) in [
            ("a", Some("1")),
            ("b", Some("x y")),
            ("c", Some("\"q\"")),
            ("d", Some("%41=")),
            ("", Some("bare")),
            ("A", None),
            ("bare", None),
        ] {
            assert_eq!(ctx.cookie(name), value.map(str::as_bytes), "{name:?}");
        }
    }

    #[test]
    fn response_helpers() {
        let mut ctx = RequestCtx::new();
        ctx.success("text/html", "<p>");
        ctx.write("more");
        write!(ctx, "{}", 7).expect("writing to a context cannot fail");
        assert_eq!(ctx.response.body(), b"<p>more7");
        assert_eq!(ctx.response.headers().get("content-type"), Some(&b"text/html"[..]));

        ctx.response.set_header("x", "y");
        ctx.set_connection_close();
        ctx.not_found();
        assert_eq!((ctx.response.status(), ctx.response.body()), (404, &b"404 Page not found"[..]));
        assert!(!ctx.response.headers().contains("x") && !ctx.response.close());

        ctx.not_modified();
        assert_eq!((ctx.response.status(), ctx.response.body()), (304, &b""[..]));
        assert!(ctx.response.headers().is_empty());
    }

    #[test]
    fn redirects() {
        for (given, sent) in
            [(301, 301), (302, 302), (303, 303), (307, 307), (308, 308), (200, 302), (0, 302)]
        {
            let mut ctx = RequestCtx::new();
            ctx.redirect("/a\r\nb", given);
            assert_eq!(ctx.response.status(), sent);
            assert_eq!(ctx.response.headers().get("Location"), Some(&b"/a  b"[..]));
        }
    }

    #[test]
    fn addresses_fall_back() {
        let mut ctx = RequestCtx::new();
        assert_eq!(
            (ctx.remote_addr().to_string(), ctx.local_addr().to_string()),
            ("0.0.0.0:0".into(), "0.0.0.0:0".into())
        );
        let address = SocketAddr::from(([1, 2, 3, 4], 8765));
        ctx.set_conn(&ConnInfo::new(7, Some(address), None, SystemTime::UNIX_EPOCH));
        ctx.begin(3, SystemTime::UNIX_EPOCH);
        assert_eq!((ctx.conn_id(), ctx.conn_request_num(), ctx.remote_addr()), (7, 3, address));
        assert_eq!((ctx.conn().remote_addr(), ctx.conn().local_addr()), (Some(address), None));
    }

    #[test]
    fn a_reset_keeps_the_unread_input_and_the_connection() {
        let mut ctx = received("GET /first HTTP/1.1\r\nHost: h\r\n\r\nGET /second");
        ctx.set_conn(&ConnInfo::new(7, None, None, SystemTime::UNIX_EPOCH));
        ctx.set_body("body");
        ctx.reset();
        assert_eq!((ctx.method(), ctx.path(), ctx.response.body()), ("", "", &b""[..]));
        assert!(!ctx.request.input().is_empty());
        assert_eq!(ctx.conn_id(), 7);
    }
}
