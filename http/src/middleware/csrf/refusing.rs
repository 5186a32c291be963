//! Requests that pages of others have a user's browser send.
//!
//! The idea: browsers themselves say where a request is from, and no page can have them say otherwise. So there is
//! nothing to be kept and nothing to be put into forms.
//!
//! The rule: what no browser has sent carries no user's cookies against his will, and passes.
//!
//! Source: W3C Fetch Metadata for `Sec-Fetch-Site`, RFC 6454 for `Origin`; as Go's `CrossOriginProtection` (1.25).

use super::policy::CsrfPolicy;
use crate::ctx::{Handler, RequestCtx};
use crate::util::origin::WebOrigin;

/// Refuses requests that pages of other origins have browsers send, with 403: forged requests (CSRF).
///
/// - `GET`, `HEAD` and `OPTIONS` pass. They must not change anything.
/// - Where there is `Sec-Fetch-Site`, which browsers send to HTTPS and to localhost (Chrome since 2019, Firefox since
///   2021, Safari since 2023), it has to be `same-origin`, or `none`: typed in, or opened from a bookmark.
/// - Else, where there is `Origin`, it has to be that of the host that is asked, by name and port; where it is known
///   that the client uses HTTPS, by `https`.
/// - Without both it is no browser of these ten years, and passes.
/// - [Origins that are trusted](CsrfPolicy::trust_origin) and [paths that are exempt](CsrfPolicy::exempt) pass.
///
/// ```
/// use anthill_http::middleware::{CsrfPolicy, csrf};
/// use anthill_http::{Request, RequestCtx, Router, Server};
///
/// let router = Router::new()
///     .wrap(|next| csrf(next, CsrfPolicy::new()))
///     .post("/transfer", |ctx: &mut RequestCtx| ctx.set_body("done"));
/// let server = Server::builder().build_router(router)?;
///
/// let mut request = Request::new("POST", "http://bank.example/transfer")?;
/// request.set_header("Sec-Fetch-Site", "same-origin");
/// assert_eq!(server.call(&request)?.body(), b"done");
/// request.set_header("Sec-Fetch-Site", "cross-site");
/// request.set_header("Origin", "https://evil.example");
/// assert_eq!(server.call(&request)?.status_code(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It protects whatever lets users in by what their browsers send along: cookies,
/// [`basic_auth`](crate::middleware::basic_auth()), certificates, the network that they are in. It does not protect
/// from scripts in pages of one's own, and not requests of the methods that pass. Pages of other hosts of the same site
/// (`same-site`) are refused as well. The handshake of a WebSocket is a `GET` and has a check of its own
/// (`websocket::OriginPolicy`). What changes the method of a request (`X-HTTP-Method-Override`) has to leave safe ones
/// alone. For browsers that say neither there are tokens, with the feature `sessions`: `csrf_tokens`.
pub fn csrf(handler: impl Handler, policy: CsrfPolicy) -> impl Handler {
    CsrfHandler { handler, policy }
}

struct CsrfHandler<H> {
    handler: H,
    policy: CsrfPolicy,
}

impl<H: Handler> Handler for CsrfHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        let is_safe = matches!(ctx.method(), "GET" | "HEAD" | "OPTIONS");
        if is_safe || is_own(ctx) || self.policy.lets_pass(ctx) {
            return self.handler.handle(ctx);
        }
        ctx.error(REFUSAL, 403);
    }
}

const REFUSAL: &str =
    "Forbidden: this request was sent by a page of another origin. Open the page anew and try again.";

/// Whether the request is from a page of the same origin, from a user, or from no browser.
fn is_own(ctx: &RequestCtx) -> bool {
    let headers = ctx.request.headers();
    let mut sites = headers.get_all("Sec-Fetch-Site").peekable();
    if sites.peek().is_some() {
        return sites.all(|site| matches!(site, b"same-origin" | b"none"));
    }
    let of_host = |origin: WebOrigin<'_>| {
        // Encryption may end at a proxy that is not trusted, so `http` is not known for certain.
        let is_downgraded = ctx.scheme() == "https" && !origin.is_by("https");
        origin.is_of(ctx.host()) && !is_downgraded
    };
    headers.get_all("Origin").all(|origin| WebOrigin::read(origin).is_some_and(of_host))
}
