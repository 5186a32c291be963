//! Fields by which browsers are told to be careful.

mod build;
mod policy;
mod rules;

pub use policy::{SecurityHeaders, SecurityHeadersBuilder};

use crate::ctx::{Handler, RequestCtx};

/// Tells browsers to be careful with what `next` answers: puts the policy's fields on each response that has none of
/// the same name, so that a handler's own are kept. `Strict-Transport-Security` is only said over HTTPS
/// ([`RequestCtx::scheme`], so behind a trusted proxy what that has said).
///
/// The usual ones:
///
/// | field | value | what for |
/// |---|---|---|
/// | `X-Content-Type-Options` | `nosniff` | a picture is no script, whatever its bytes look like |
/// | `Content-Security-Policy` | `frame-ancestors 'self'` | pages of others show ours in no frame |
/// | `X-Frame-Options` | `SAMEORIGIN` | the same for older browsers |
/// | `Referrer-Policy` | `strict-origin-when-cross-origin` | others learn the host that a link is on, no path |
/// | `Permissions-Policy` | `camera=(), geolocation=(), microphone=()` | scripts, also those of others, ask for none of these |
/// | `Cross-Origin-Opener-Policy` | `same-origin` | windows of others do not get at ours |
/// | `Cross-Origin-Resource-Policy` | `same-origin` | pages of others do not load what is ours; those that [`cors`](crate::middleware::cors()) allows do |
/// | `Strict-Transport-Security` | `max-age=31536000` | this host by HTTPS alone, for a year |
///
/// Of a policy for content (`script-src` and so on) only the pages know what it has to be:
/// [`content_security_policy`](SecurityHeadersBuilder::content_security_policy), or the field that a handler sets.
///
/// ```
/// use anthill_http::middleware::{SecurityHeaders, security_headers};
/// use anthill_http::{Handler, RequestCtx};
///
/// let policy = SecurityHeaders::builder()
///     .content_security_policy("default-src 'self'; frame-ancestors 'self'; base-uri 'none'")
///     .field("Referrer-Policy", "no-referrer")
///     .without("Permissions-Policy")
///     .build()?;
/// let page = |ctx: &mut RequestCtx| {
///     ctx.response.set_header("X-Frame-Options", "DENY");
///     ctx.success("text/html", "<p>hello");
/// };
/// let mut ctx = RequestCtx::default();
/// security_headers(page, policy).handle(&mut ctx);
/// assert_eq!(ctx.response.header_str("x-content-type-options"), Some("nosniff"));
/// assert_eq!(ctx.response.header_str("referrer-policy"), Some("no-referrer"));
/// assert_eq!(ctx.response.header_str("x-frame-options"), Some("DENY"), "the page's own");
/// assert_eq!(ctx.response.header_str("strict-transport-security"), None, "this is not HTTPS");
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
pub fn security_headers(next: impl Handler, policy: SecurityHeaders) -> impl Handler {
    SecurityHeadersHandler { next, policy }
}

struct SecurityHeadersHandler<H> {
    next: H,
    policy: SecurityHeaders,
}

impl<H: Handler> Handler for SecurityHeadersHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.contain(|ctx| self.next.handle(ctx));
        ctx.stand(&self.policy.0);
    }
}
