//! A name for each request, by which it is found in logs.

mod new_id;
mod policy;

pub use policy::{RequestIds, RequestIdsBuilder};

use crate::ctx::{Handler, RequestCtx};

/// Gives each request an id: [`RequestCtx::request_id`] for handlers, a field on the response, and a part of what is
/// logged when handlers fail or panic. [`CompletedRequest::request_id`](crate::CompletedRequest::request_id) has it for
/// records, and so has a JSON [`AccessLog`](crate::AccessLog).
///
/// An id that is made here is 32 hexadecimal digits, another one for each request in whatever process.
///
/// ```
/// use anthill_http::middleware::{RequestIds, request_id};
/// use anthill_http::{Handler, Request, RequestCtx};
///
/// // The proxy in front of us gives them already.
/// let ids = RequestIds::builder().from_clients(|ctx| ctx.remote_addr().ip().is_loopback()).build()?;
/// let handler = request_id(|_: &mut RequestCtx| (), ids);
///
/// let mut request = Request::new("GET", "/")?;
/// request.set_header("X-Request-Id", "f00-1");
/// let mut ctx = RequestCtx::for_request(request.clone(), Some(([127, 0, 0, 1], 80).into()));
/// handler.handle(&mut ctx);
/// assert_eq!(ctx.response.header_str("x-request-id"), Some("f00-1"));
///
/// let mut ctx = RequestCtx::for_request(request, Some(([192, 0, 2, 1], 80).into()));
/// handler.handle(&mut ctx);
/// assert_ne!(ctx.response.header_str("x-request-id"), Some("f00-1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn request_id(next: impl Handler, ids: RequestIds) -> impl Handler {
    RequestIdHandler { next, ids }
}

struct RequestIdHandler<H> {
    next: H,
    ids: RequestIds,
}

impl<H: Handler> Handler for RequestIdHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        self.ids.0.give(ctx);
        ctx.contain(|ctx| self.next.handle(ctx));
        ctx.stand(&self.ids.0);
    }
}
