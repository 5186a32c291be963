//! The functions of the user's that requests are given to, and how they are called.
//!
//! The rule: a panic in one of them costs one request, never the connection's thread (row `SRV-21`). Every
//! driver calls them through this file and through nothing else.

use crate::config::hooks::{Handler, HeadHooks};
use crate::config::request_config::RequestConfig;
use crate::ctx::RequestCtx;
use crate::proto::{Limits, ProtoError, Session};
use crate::util::panic;

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
    match panic::call(|| handler(ctx)) {
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

/// Decides on the request whose head `session` has found. False: the response says no (rows `EXP-02`, `EXP-03`). What is
/// different for the request is put into `config`.
///
/// # Errors
/// When the request announces a longer body than it may have, of which its client is told before it is asked for it.
pub(crate) fn judge(
    hooks: HeadHooks<'_>,
    expects: bool,
    session: &Session,
    ctx: &mut RequestCtx,
    limits: &Limits,
    config: &mut RequestConfig,
) -> Result<bool, ProtoError> {
    *config = RequestConfig::default();
    let mut status = 100;
    if let Some(hook) = hooks.header_received {
        match panic::call(|| hook(&ctx.request)) {
            Ok(decided) => *config = decided,
            Err(panic::Panicked) => status = hook_panicked(ctx),
        }
    }
    session.judge(&config.apply(limits))?;
    if let (true, 100, Some(expectation)) = (expects, status, hooks.expectation) {
        status = panic::call(|| expectation(ctx)).unwrap_or_else(|_| hook_panicked(ctx));
        ctx.response.clear();
    }
    ctx.response.set_status(status);
    if status == 100 {
        ctx.response.clear();
    }
    Ok(status == 100)
}

fn hook_panicked(ctx: &RequestCtx) -> u16 {
    log::error!("the hook for the head of {} {:?} panicked; answered 500", ctx.method(), ctx.path());
    500
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
    use crate::config::hooks::Expectation;

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
        let judged = |expectation: &Expectation<'_>| {
            let mut ctx = RequestCtx::new();
            let hooks = HeadHooks { expectation: Some(expectation), ..HeadHooks::default() };
            let mut config = RequestConfig::new();
            let verdict = judge(hooks, true, &Session::new(), &mut ctx, &Limits::default(), &mut config);
            (verdict, ctx.response.status())
        };
        assert_eq!(judged(&|_| 100), (Ok(true), 200));
        assert_eq!(judged(&|_| 413), (Ok(false), 413));
        assert_eq!(judged(&|_| std::panic::resume_unwind(Box::new("quietly"))), (Ok(false), 500));
    }
}
