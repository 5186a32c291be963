//! The functions of the user's that requests are given to, and how they are called.
//!
//! The rule: a panic in one of them costs one request, never the connection's thread (row `SRV-21`). Every
//! driver calls them through this file and through nothing else.

use crate::contain;
use crate::ctx::RequestCtx;
use crate::proto::{Limits, ProtoError, Session};
use crate::request::Request;
use std::time::Duration;

/// A request handler as the drivers see it.
pub(crate) type Handler<'a> = dyn Fn(&mut RequestCtx) + 'a;

/// Decides on a request that expects to be asked for its body: 100 to ask for it, else the status to answer with.
pub(crate) type Expectation<'a> = dyn Fn(&mut RequestCtx) -> u16 + 'a;

/// Decides what is different for a request of which only the head is there.
pub(crate) type HeaderReceived<'a> = dyn Fn(&Request) -> RequestConfig + 'a;

/// What is called when the head of a request has arrived, before its body.
#[derive(Clone, Copy, Default)]
pub(crate) struct HeadHooks<'a> {
    pub(crate) header_received: Option<&'a HeaderReceived<'a>>,
    pub(crate) expectation: Option<&'a Expectation<'a>>,
}

/// What is different for one request; see [`header_received`](crate::ServerBuilder::header_received).
///
/// What is not set is as the server's options say.
///
/// ```
/// use anthill_http::RequestConfig;
/// use std::time::Duration;
/// let upload = RequestConfig::new().stream_body(true).read_timeout(Duration::from_secs(60));
/// assert_ne!(upload, RequestConfig::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestConfig {
    body_bytes_max: Option<u64>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    streams_body: Option<bool>,
}

impl RequestConfig {
    /// Nothing is different.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes the body may have.
    pub fn max_request_body_size(mut self, bytes: u64) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// How long the body may take, from now on. While it is streamed: how long the client may send nothing.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = Some(limit);
        self
    }

    /// How long the client may take nothing of the response.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = Some(limit);
        self
    }

    /// Whether the handler is called before the body is there.
    pub fn stream_body(mut self, streams: bool) -> Self {
        self.streams_body = Some(streams);
        self
    }

    /// `limits` with what is different.
    pub(crate) fn apply(&self, limits: &Limits) -> Limits {
        Limits {
            body_bytes_max: self.body_bytes_max.or(limits.body_bytes_max),
            streams_bodies: self.streams_body.unwrap_or(limits.streams_bodies),
            ..*limits
        }
    }
}

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
        match contain::call(|| hook(&ctx.request)) {
            Ok(decided) => *config = decided,
            Err(contain::Panicked) => status = hook_panicked(ctx),
        }
    }
    session.judge(&config.apply(limits))?;
    if let (true, 100, Some(expectation)) = (expects, status, hooks.expectation) {
        status = contain::call(|| expectation(ctx)).unwrap_or_else(|_| hook_panicked(ctx));
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
