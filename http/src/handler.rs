//! The function that answers requests, and how it is called.
//!
//! The rule: a panic in a handler costs one request, never the connection's thread (row `SRV-21`). Every
//! driver calls handlers through [`run`] and through nothing else.

use crate::contain;
use crate::ctx::RequestCtx;

/// A request handler as the drivers see it.
pub(crate) type Handler<'a> = dyn Fn(&mut RequestCtx) + 'a;

/// Decides on a request that expects to be asked for its body: 100 to ask for it, else the status to answer with.
pub(crate) type Expectation<'a> = dyn Fn(&mut RequestCtx) -> u16 + 'a;

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned.
    Returned,
    /// It panicked; the response is now an empty-handed 500.
    Panicked,
}

/// Calls `handler` for the request in `ctx`. When it panics, whatever it had put into the response is
/// replaced by a plain 500; the connection can go on, because the request itself was well formed.
#[inline]
pub(crate) fn run(handler: &Handler<'_>, ctx: &mut RequestCtx) -> Outcome {
    // What a panic may leave half done is the response, and that is thrown away.
    match contain::call(|| handler(ctx)) {
        Ok(()) => Outcome::Returned,
        Err(_) => {
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

/// Asks `expectation` whether the client may send the body. False: the response says no (rows `EXP-02`, `EXP-03`).
pub(crate) fn may_continue(expectation: &Expectation<'_>, ctx: &mut RequestCtx) -> bool {
    let status = contain::call(|| expectation(ctx)).unwrap_or_else(|_| {
        log::error!("the hook for the expectation of {} {:?} panicked", ctx.method(), ctx.path());
        500
    });
    ctx.response.clear();
    ctx.response.set_status(status);
    status == 100
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

    #[test]
    fn only_100_lets_a_client_go_on() {
        let mut ctx = RequestCtx::new();
        assert!(may_continue(&|_| 100, &mut ctx));
        assert!(!may_continue(&|_| 413, &mut ctx));
        assert_eq!(ctx.response.status(), 413);
        let panics = |_: &mut RequestCtx| std::panic::resume_unwind(Box::new("quietly"));
        assert!(!may_continue(&panics, &mut ctx));
        assert_eq!(ctx.response.status(), 500);
    }
}
