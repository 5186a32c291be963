//! How often a client may ask.
//!
//! Source: RFC 6585 section 4 (429), RFC 9110 section 10.2.3 (`Retry-After`), draft-ietf-httpapi-ratelimit-headers-11
//! (`RateLimit`, `RateLimit-Policy`).

mod build;
mod key;
mod lines;
mod policy;
mod table;

pub use key::RateKey;
pub use policy::{RateLimit, RateLimitBuilder};

use crate::ctx::{Handler, RequestCtx};
use table::{RateVerdict, seconds};

/// Serves each client only so often, as the policy says; requests beyond that are answered 429 with `Retry-After`, and
/// `next` is not called.
///
/// What is used comes back evenly: of 100 a minute, one every 0.6 seconds. A client that was quiet for a minute may
/// have 100 at once.
///
/// Clients are told apart by their address: [`RequestCtx::remote_addr`], so behind a
/// [trusted proxy](crate::ServerBuilder::trusted_proxies) the one that has said; without naming your proxies, all that
/// comes through them is one client. Of an IPv6 address the first 64 bits count, because whoever has one has all of
/// these. [`RateLimitBuilder::key`] says something else: a user, a key of an interface, a route.
///
/// Responses have `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), so that clients can
/// slow down before: `RateLimit: "default";r=50;t=1` for 50 more within the next second, and
/// `RateLimit-Policy: "default";q=100;w=60`.
///
/// Memory is bounded by [`RateLimitBuilder::keys`]. When there are more clients at once, those that have used least
/// are forgotten first, and a new one begins with no more than they had left. So nobody gets more by being forgotten;
/// and while somebody floods the server from many more addresses, new clients get less, or are refused. Those that are
/// remembered have what is theirs.
///
/// ```
/// use anthill_http::middleware::{RateLimit, rate_limit};
/// use anthill_http::{Handler, Request, RequestCtx};
/// use std::time::Duration;
///
/// let policy = RateLimit::builder().requests(2).per(Duration::from_secs(60)).build()?;
/// let handler = rate_limit(|ctx: &mut RequestCtx| ctx.set_body("served"), policy);
/// let ask = |address: [u8; 4]| {
///     let request = Request::new("GET", "/").expect("a request");
///     let mut ctx = RequestCtx::for_request(request, Some((address, 50_000).into()));
///     handler.handle(&mut ctx);
///     ctx.response
/// };
/// assert_eq!(ask([192, 0, 2, 1]).header_str("ratelimit"), Some("\"default\";r=1;t=30"));
/// assert_eq!(ask([192, 0, 2, 1]).status_code(), 200);
/// let refused = ask([192, 0, 2, 1]);
/// assert_eq!((refused.status_code(), refused.header_str("retry-after")), (429, Some("30")));
/// assert_eq!(ask([192, 0, 2, 2]).status_code(), 200, "another client");
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
pub fn rate_limit(next: impl Handler, policy: RateLimit) -> impl Handler {
    RateLimitHandler { next, policy }
}

struct RateLimitHandler<H> {
    next: H,
    policy: RateLimit,
}

impl<H: Handler> Handler for RateLimitHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        let rules = &self.policy.0;
        let Some(client) = rules.client(ctx) else { return self.next.handle(ctx) };
        let verdict = rules.table.take(client, rules.now(ctx), rules.allowance);
        match verdict {
            RateVerdict::Granted { .. } => ctx.contain(|ctx| self.next.handle(ctx)),
            RateVerdict::Refused { wait } => refuse(ctx, seconds(wait)),
        }
        if rules.tells && !ctx.may_leave_http() {
            let (left, more_in) = match verdict {
                RateVerdict::Granted { left, more_in } => (left, more_in),
                RateVerdict::Refused { wait } => (0, wait),
            };
            rules.lines.tell(ctx.response.headers_mut(), left, seconds(more_in));
        }
    }
}

fn refuse(ctx: &mut RequestCtx, seconds: u64) {
    ctx.error(format!("Too many requests; try again in {seconds} s"), 429);
    ctx.response.set_header("Retry-After", seconds.to_string());
}
