//! Leading clients from plain HTTP to HTTPS.

use super::{Handler, RequestCtx};
use crate::util::authority;

/// Redirects requests that came by plain HTTP to the same place by HTTPS: 301, and 308 for methods other than GET and
/// HEAD, which clients then keep. For a plain listener beside one [with certificates](crate::Listener), or a proxy.
///
/// Whether a request came by HTTPS says [`RequestCtx::scheme`], so behind a [trusted
/// proxy](crate::ServerBuilder::trusted_proxies) what that has said.
///
/// ```
/// use anthill_http::{Handler, HttpsRedirect, Request, RequestCtx};
///
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "http://example.org/a?b=c")?, None);
/// HttpsRedirect::new().handle(&mut ctx);
/// assert_eq!(ctx.response.status_code(), 301);
/// assert_eq!(ctx.response.header("location"), Some(&b"https://example.org/a?b=c"[..]));
///
/// let mut ctx = RequestCtx::for_request(Request::new("PUT", "http://example.org:8080/")?, None);
/// HttpsRedirect::new().port(8443).host("www.example.org").handle(&mut ctx);
/// assert_eq!(ctx.response.status_code(), 308);
/// assert_eq!(ctx.response.header("location"), Some(&b"https://www.example.org:8443/"[..]));
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
#[derive(Default)]
pub struct HttpsRedirect {
    port: Option<u16>,
    host: Option<String>,
    next: Option<Box<dyn Handler>>,
}

impl HttpsRedirect {
    /// To the usual port, 443, of the host of the request.
    pub fn new() -> Self {
        Self::default()
    }

    /// To another port.
    pub fn port(self, port: u16) -> Self {
        Self { port: Some(port).filter(|port| *port != 443), ..self }
    }

    /// To this host, whatever that of the request is. Who stores responses for others (a cache that is asked for any
    /// host) must not be led where a client says.
    pub fn host(self, host: impl Into<String>) -> Self {
        Self { host: Some(host.into()), ..self }
    }

    /// Requests that came by HTTPS are answered by `handler`. Without this they are answered 404.
    ///
    /// ```
    /// use anthill_http::{HttpsRedirect, RequestCtx, Server};
    ///
    /// let app = |ctx: &mut RequestCtx| ctx.set_body("safe and sound");
    /// let server = Server::builder().build_handler(HttpsRedirect::new().before(app))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn before(self, handler: impl Handler) -> Self {
        Self { next: Some(Box::new(handler)), ..self }
    }

    /// Where the request in `ctx` is led; `None`: it names no host, or nothing that is there by HTTPS.
    fn target(&self, ctx: &RequestCtx) -> Option<Vec<u8>> {
        let (host, _) = match &self.host {
            Some(host) => (host.as_bytes(), None),
            None => authority::split_port(ctx.host()).ok()?,
        };
        let target = ctx.request.request_uri();
        let target = match target.first() {
            Some(b'/') => target,
            _ => {
                let behind = memchr::memmem::find(target, b"://")? + 3;
                let rest = &target[behind..];
                &rest[rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len())..]
            }
        };
        if host.is_empty() {
            return None;
        }
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
        Some([b"https://", host, port.as_bytes(), slash, target].concat())
    }
}

impl Handler for HttpsRedirect {
    fn handle(&self, ctx: &mut RequestCtx) {
        if ctx.scheme() == "https" {
            return match &self.next {
                Some(next) => next.handle(ctx),
                None => ctx.not_found(),
            };
        }
        let status = if ctx.request.is_get() || ctx.request.is_head() { 301 } else { 308 };
        match self.target(ctx) {
            Some(target) => ctx.redirect(target, status),
            None => ctx.error("Bad Request", 400),
        }
    }
}

impl std::fmt::Debug for HttpsRedirect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsRedirect")
            .field("port", &self.port)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
