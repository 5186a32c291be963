//! What a handler is given: one request, the response to it, and facts about the connection.
//!
//! The idea: fasthttp's `RequestCtx`, with its names, as shortcuts over two plain public parts. It has no
//! lifetime parameter, so handlers are simply `Fn(&mut RequestCtx)`; that they cannot keep it is the work of
//! the borrow.
//!
//! The rule: no socket in here, and nothing that can block.

use crate::request::Request;
use crate::response::Response;
use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Facts about the connection that a request came in on.
#[derive(Clone, Debug, Default)]
pub struct ConnInfo {
    id: u64,
    remote_addr: Option<SocketAddr>,
    local_addr: Option<SocketAddr>,
    request_number: u64,
}

impl ConnInfo {
    /// A connection with number `id` and, where there are any, the addresses of its ends.
    pub(crate) fn new(id: u64, remote_addr: Option<SocketAddr>, local_addr: Option<SocketAddr>) -> Self {
        Self { id, remote_addr, local_addr, request_number: 0 }
    }

    /// The connection's number, unique within the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The peer's address; `None` when the connection is not TCP.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote_addr
    }

    /// Our own address; `None` when the connection is not TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// The number of the request on this connection, from 1.
    pub fn request_number(&self) -> u64 {
        self.request_number
    }
}

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
}

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

    /// The request's body.
    pub fn body(&self) -> &[u8] {
        self.request.body()
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
    /// The peer's address; `0.0.0.0:0` when the connection is not TCP (row `CTX-05`).
    pub fn remote_addr(&self) -> SocketAddr {
        self.conn.remote_addr.unwrap_or(NO_ADDRESS)
    }

    /// Our own address; `0.0.0.0:0` when the connection is not TCP.
    pub fn local_addr(&self) -> SocketAddr {
        self.conn.local_addr.unwrap_or(NO_ADDRESS)
    }

    /// The connection's number, unique within the process.
    pub fn conn_id(&self) -> u64 {
        self.conn.id
    }

    /// The number of this request on its connection, from 1.
    pub fn conn_request_num(&self) -> u64 {
        self.conn.request_number
    }

    /// All that is known about the connection.
    pub fn conn(&self) -> &ConnInfo {
        &self.conn
    }
}

/// For the drivers.
impl RequestCtx {
    pub(crate) fn new() -> Self {
        Self { request: Request::new(), response: Response::new(), conn: ConnInfo::default() }
    }

    /// Says which connection is served from now on.
    pub(crate) fn set_conn(&mut self, conn: &ConnInfo) {
        self.conn.clone_from(conn);
    }

    /// Says which request of the connection this is, from 1.
    pub(crate) fn set_request_number(&mut self, number: u64) {
        self.conn.request_number = number;
    }

    /// Ready for the next request: the request and the response are forgotten. Unread input, the connection's
    /// facts and memory that is worth keeping stay.
    pub(crate) fn reset(&mut self) {
        self.request.clear();
        self.response.clear();
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
        ctx.set_conn(&ConnInfo::new(7, Some(address), None));
        ctx.set_request_number(3);
        assert_eq!((ctx.conn_id(), ctx.conn_request_num(), ctx.remote_addr()), (7, 3, address));
        assert_eq!((ctx.conn().remote_addr(), ctx.conn().local_addr()), (Some(address), None));
    }

    #[test]
    fn a_reset_keeps_the_unread_input_and_the_connection() {
        let mut ctx = received("GET /first HTTP/1.1\r\nHost: h\r\n\r\nGET /second");
        ctx.set_conn(&ConnInfo::new(7, None, None));
        ctx.set_body("body");
        ctx.reset();
        assert_eq!((ctx.method(), ctx.path(), ctx.response.body()), ("", "", &b""[..]));
        assert!(!ctx.request.input().is_empty());
        assert_eq!(ctx.conn_id(), 7);
    }
}
