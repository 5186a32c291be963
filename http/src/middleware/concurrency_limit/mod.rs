//! How many requests are served at once.

mod gate;
mod policy;

pub use policy::{ConcurrencyLimit, ConcurrencyLimitBuilder};

use crate::ctx::{Handler, RequestCtx};

/// Has `next` serve so many requests at once at most, as the policy says; others wait for as long as it says, and are
/// answered 503 with `Retry-After` then.
///
/// For what cannot take more: a database with ten connections, a report that takes much memory. (How many handlers may
/// block at all is the server's [`max_workers`](crate::ServerBuilder::max_workers).)
///
/// A place is held until the handler returns, errs or panics; where it has set a body that is streamed, until the last
/// of that was sent or its client is gone; and where it has the connection taken over, until whoever has it is done.
/// Around a [`timeout`](crate::timeout()) a place is free when its client was answered, inside of one when the handler
/// has really ended.
///
/// ```
/// use anthill_http::middleware::{ConcurrencyLimit, concurrency_limit};
/// use anthill_http::{Handler, RequestCtx};
///
/// let limit = ConcurrencyLimit::builder(1).build()?;
/// let inner = concurrency_limit(|_: &mut RequestCtx| (), limit.clone());
/// let outer = concurrency_limit(move |ctx: &mut RequestCtx| inner.handle(ctx), limit);
/// let mut ctx = RequestCtx::default();
/// outer.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.header_str("retry-after")), (503, Some("1")));
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
pub fn concurrency_limit(next: impl Handler, limit: ConcurrencyLimit) -> impl Handler {
    ConcurrencyLimitHandler { next, limit }
}

struct ConcurrencyLimitHandler<H> {
    next: H,
    limit: ConcurrencyLimit,
}

impl<H: Handler> Handler for ConcurrencyLimitHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        let gate = &self.limit.0;
        // A handler that nobody waits for any more is not waited for, either.
        let patience = ctx.time_left().map_or(gate.patience, |left| left.min(gate.patience));
        let Some(place) = gate.enter(patience, ctx) else {
            ctx.error("Too many such requests are being served; try again later", 503);
            return ctx.response.set_header("Retry-After", gate.retry_after.as_secs().max(1).to_string());
        };
        ctx.contain(|ctx| self.next.handle(ctx));
        if ctx.response.is_body_stream() || ctx.is_hijacked() {
            ctx.hold(place);
        }
    }
}
