//! Which pages of other origins may read responses (CORS).
//!
//! Source: the Fetch standard, section 3.3 (the CORS protocol) and its part on caches; Private Network Access.
//!
//! The rule: an origin that may not read anything is told nothing, and what is said to one depends on no other; so
//! every response that depends on the origin says that it does.

mod answers;
mod check;
mod policy;
mod rules;

pub use policy::{Cors, CorsBuilder};

use crate::ctx::{Handler, RequestCtx, Standing};

/// Lets pages of other origins read what `next` answers, as the policy says (CORS, by the Fetch standard).
///
/// - What a browser asks before (a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`) is answered
///   here: 204, or 403 with a text that says what is not allowed. So it belongs around all routes of a path: around a
///   router or a group, not around a route for `GET`.
/// - Every other request is answered by `next`, also one of an origin that is not allowed: that its page may not read
///   the response is the browser's business. This keeps nobody from sending requests.
/// - Errors, panics and refusals behind it have the fields as well, so that a page sees a 500 and not "blocked by
///   CORS".
/// - What the handler itself says about it (`Access-Control-Allow-Origin`, `-Credentials`, `Access-Control-Expose-
///   Headers`) is replaced by what the policy says.
/// - `Vary: Origin` is added to what is in there, unless all origins may read everything.
///
/// ```
/// use anthill_http::middleware::{Cors, cors};
/// use anthill_http::{Handler, Request, RequestCtx};
///
/// let policy = Cors::builder().origins(["https://app.example"]).credentials(true).build()?;
/// let handler = cors(|ctx: &mut RequestCtx| ctx.set_body("for the app"), policy);
///
/// let mut request = Request::new("GET", "/")?;
/// request.set_header("Origin", "https://app.example");
/// let mut ctx = RequestCtx::for_request(request, None);
/// handler.handle(&mut ctx);
/// assert_eq!(ctx.response.header_str("access-control-allow-origin"), Some("https://app.example"));
/// assert_eq!(ctx.response.header_str("vary"), Some("Origin"));
///
/// let mut preflight = Request::new("OPTIONS", "/")?;
/// preflight.set_header("Origin", "https://app.example");
/// preflight.set_header("Access-Control-Request-Method", "DELETE");
/// let mut ctx = RequestCtx::for_request(preflight, None);
/// handler.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (204, &b""[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cors(next: impl Handler, policy: Cors) -> impl Handler {
    CorsHandler { next, policy }
}

struct CorsHandler<H> {
    next: H,
    policy: Cors,
}

impl<H: Handler> Handler for CorsHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        if is_preflight(ctx) {
            return self.policy.0.answer_preflight(ctx);
        }
        ctx.contain(|ctx| self.next.handle(ctx));
        ctx.stand(&self.policy.0);
    }
}

impl Cors {
    /// Puts on the response as it is now what its page needs to read it: for an
    /// [`error_handler`](crate::ServerBuilder::error_handler).
    pub fn apply(&self, ctx: &mut RequestCtx) {
        self.0.apply(ctx);
    }
}

fn is_preflight(ctx: &RequestCtx) -> bool {
    let fields = ctx.request.headers();
    ctx.request.is_options() && fields.contains("Origin") && fields.contains("Access-Control-Request-Method")
}
