//! The function that answers requests, and how it is called.
//!
//! The rule: a panic in a handler costs one request, never the connection's thread (row `SRV-21`). Every
//! driver calls handlers through [`run`] and through nothing else.

use crate::ctx::RequestCtx;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A request handler as the drivers see it.
pub(crate) type Handler<'a> = dyn Fn(&mut RequestCtx) + 'a;

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned.
    Returned,
    /// It panicked; the response is now an empty-handed 500.
    Panicked,
}

/// Calls `handler` for the request in `ctx`. When it panics, whatever it had put into the response is
/// replaced by a plain 500; the connection can go on, because the request had been received completely.
#[inline]
pub(crate) fn run(handler: &Handler<'_>, ctx: &mut RequestCtx) -> Outcome {
    // What a panic may leave half done is the response, and that is thrown away.
    match catch_unwind(AssertUnwindSafe(|| handler(ctx))) {
        Ok(()) => Outcome::Returned,
        Err(payload) => {
            // Dropping the payload runs code of the handler's choosing, which may panic as well.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                log::error!("a panic payload panicked while it was dropped");
                // And could go on doing so without end.
                std::mem::forget(second);
            }
            log::error!(
                "the handler of {} {:?} panicked; answered 500",
                ctx.request.method(),
                ctx.request.path()
            );
            ctx.error("Internal Server Error", 500);
            Outcome::Panicked
        }
    }
}

/// Answers a method that is not served because only GET and HEAD are (row `SRV-14`).
pub(crate) fn refuse_method(ctx: &mut RequestCtx) {
    ctx.response.set_status(405);
    ctx.response.set_header("Allow", "GET, HEAD");
    ctx.response.set_body("non-get request received");
    ctx.response.set_close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_plain_500() {
        let mut ctx = RequestCtx::new();
        let outcome = run(
            &|ctx: &mut RequestCtx| {
                ctx.response.set_header("secret", "half done");
                ctx.set_body("half done");
                std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
            },
            &mut ctx,
        );
        assert_eq!(outcome, Outcome::Panicked);
        assert_eq!((ctx.response.status(), ctx.response.body()), (500, &b"Internal Server Error"[..]));
        assert!(!ctx.response.headers().contains("secret"));
        assert_eq!(run(&|_| {}, &mut ctx), Outcome::Returned);
    }
}
