//! The functions of the user's that requests are given to, and how they are called.
//!
//! The rules: every driver calls them through this file and through nothing else. A panic in one of them never costs
//! more than its connection. In a handler or a hook it costs one request, and so it does in what produces a body as
//! long as nothing of the response was sent; after that the connection, because the peer is in the middle of a message.

use crate::config::hooks::{ErrorHandlerFn, HeadHooks, Observers};
use crate::config::request_config::RequestConfig;
use crate::ctx::{ConnInfo, Handler, RequestCtx};
use crate::message::response::{BodyWriter, Outgoing, Stream};
use crate::observe::ConnState;
use crate::observe::notice::Notice;
use crate::proto::{Limits, ProtoError, ServerSession, refusal_text};
use crate::serve::error::Error;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::util::panic::{self, Panicked};
use crate::values::status;
use crate::wire::output::Output;
use std::time::Duration;

/// Calls `handler` for the request in `ctx`. When it panics, whatever it had put into the response is
/// replaced by a 500; the connection can go on, because the request itself was well formed.
#[inline]
pub(crate) fn run(handler: &dyn Handler, ctx: &mut RequestCtx) {
    // What a panic may leave half done is the response, and that is thrown away.
    if let Err(panicked) = panic::call(|| handler.handle(ctx)) {
        ctx.answer_panic(panicked);
    }
    ctx.settle_stand_in();
}

/// The same, but that the handler of the service is waited for only so long.
pub(crate) fn run_timed(service: &Service, within: Duration, ctx: &mut RequestCtx) {
    let limit = &service.settings.threads.handler_timeout;
    // With a limit beyond all time the handler runs here.
    if let Err(panicked) = panic::call(|| service.timed.run(&service.handler, within, limit, ctx)) {
        ctx.answer_panic(panicked);
    }
    ctx.settle_stand_in();
}

/// Decides on the request whose head `session` has found. False: the response says no. What is
/// different for the request is put into `config`.
///
/// # Errors
/// When the request announces a longer body than it may have, of which its client is told before it is asked for it.
// EXP-02, EXP-03.
pub(crate) fn check_head(
    hooks: HeadHooks<'_>,
    awaits_continue: bool,
    session: &ServerSession,
    ctx: &mut RequestCtx,
    limits: &Limits,
    config: &mut RequestConfig,
) -> Result<bool, ProtoError> {
    *config = RequestConfig::default();
    let mut status = 100;
    if let Some(hook) = hooks.header_received {
        match panic::call(|| hook(&ctx.request)) {
            Ok(decided) => *config = decided,
            Err(panicked) => status = hook_panicked(ctx, &panicked),
        }
    }
    if let Some(of_route) = hooks.route_config {
        *config = config.overlaid(&of_route(ctx));
    }
    session.check_head(&config.apply(limits))?;
    if let (true, 100, Some(expectation)) = (awaits_continue, status, hooks.expectation) {
        status = panic::call(|| expectation(ctx)).unwrap_or_else(|panicked| hook_panicked(ctx, &panicked));
        ctx.response.clear();
    }
    ctx.response.set_status_code(status);
    if status == 100 {
        ctx.response.clear();
    } else {
        ctx.report_said(status::reason(status).as_bytes());
    }
    Ok(status == 100)
}

fn hook_panicked(ctx: &RequestCtx, panicked: &Panicked) -> u16 {
    log::error!("the hook for the head of {} {:?} {panicked}; answered 500", ctx.method(), ctx.path());
    500
}

/// Has the user's error handler answer what is refused for `error`. It finds the server's own answer in the response.
/// False: it panicked.
pub(crate) fn refuse(handler: &ErrorHandlerFn, ctx: &mut RequestCtx, error: ProtoError) -> bool {
    ctx.answer_refused(refusal_text(error.status()), error);
    panic::call(|| handler(ctx, error))
        .inspect_err(|panicked| log::error!("the error handler {panicked}; answered {}", error.status()))
        .is_ok()
}

/// Tells observers of the connection `info` what is in the list, in order.
pub(crate) fn tell(observers: &Observers, info: &ConnInfo, list: &mut [Notice]) {
    for notice in list {
        match notice {
            Notice::State(state) => tell_state(observers, info, *state),
            Notice::Completed { record: completed, ended, .. } => {
                completed.times.sent = ended.elapsed();
                for told in &observers.completed {
                    if let Err(panicked) = panic::call(|| told(completed)) {
                        log::error!("a function that is told of completed requests {panicked}");
                    }
                }
            }
        }
    }
}

/// Tells them what the connection is doing.
pub(crate) fn tell_state(observers: &Observers, info: &ConnInfo, state: ConnState) {
    if let Some(told) = &observers.conn_state {
        if let Err(panicked) = panic::call(|| told(info, state)) {
            log::error!("the function that is told the states of connections {panicked}");
        }
    }
}

/// Answers a method that is not served because only GET and HEAD are.
// SRV-14.
pub(crate) fn refuse_method(ctx: &mut RequestCtx, by: &mut impl Runner) {
    const TEXT: &str = "non-get request received";
    ctx.response.set_status_code(405);
    ctx.response.set_header("Allow", "GET, HEAD");
    ctx.response.set_body(TEXT);
    if ctx.has_error_body() {
        by.run_user_code(UserCode::Cleanup, || ctx.report_said(TEXT.as_bytes()));
    }
    ctx.response.set_connection_close();
}

/// How long a client that was turned away is asked to wait, in seconds.
const RETRY_AFTER: &str = "2";

/// Answers a request for which no worker can be had.
pub(crate) fn turn_away(ctx: &mut RequestCtx, by: &mut impl Runner) {
    const TEXT: &str = "Too many requests are being served; try again later";
    ctx.response.set_status_code(503);
    ctx.response.set_header("Retry-After", RETRY_AFTER);
    ctx.response.set_body(TEXT);
    if ctx.has_error_body() || ctx.stands() {
        by.run_user_code(UserCode::Cleanup, || {
            ctx.report_busy(TEXT);
            ctx.stand_again();
            if ctx.response.is_body_stream() {
                // There is nobody to make it.
                ctx.refuse_content(TEXT, 503);
            }
        });
    }
}

/// Brings the first piece of a body that is read, if the response in `ctx` has one and that is sent, as `is_sent` says
/// of its status. What fails so early is answered.
#[inline]
pub(crate) fn begin_body(ctx: &mut RequestCtx, is_sent: impl Fn(u16) -> bool) {
    if ctx.response.is_body_stream() {
        begin_first_of(ctx, is_sent);
    }
}

#[inline(never)]
fn begin_first_of(ctx: &mut RequestCtx, is_sent: impl Fn(u16) -> bool) {
    // What answers a failure may be read as well, and fail itself.
    for _ in 0..2 {
        let is_read = ctx.response.is_body_stream() && is_sent(ctx.response.status_code());
        if !is_read || begins(ctx) {
            return;
        }
    }
    answer_plainly(ctx);
}

/// False: it has failed, and the response is another one.
fn begins(ctx: &mut RequestCtx) -> bool {
    match panic::call(|| ctx.response.begin_body()) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => ctx.answer_error_of("body", &error),
        Err(panicked) => ctx.answer_panic_of("body", panicked),
    }
    ctx.stand_again();
    false
}

/// The answer when what answers failures fails itself.
fn answer_plainly(ctx: &mut RequestCtx) {
    ctx.error(status::reason(500), 500);
    ctx.stand_again();
    if ctx.response.is_body_stream() {
        // Who answers errors with a body that is still to be made is asked no more: this has to end.
        ctx.refuse_content(status::reason(500), 500);
    }
}

/// What came of a body that a function writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Whole,
    /// It has failed before anything of its response was sent. That is gone from the output, and another one is in its
    /// place.
    Answered,
}

/// Runs the function that writes the body of the response in `ctx`, whose head is in `out` from the position `begins`
/// on. `is_first`: the response is not itself what answers such a failure.
pub(crate) fn write_body(
    ctx: &mut RequestCtx,
    out: &mut Output,
    stream: Stream,
    begins: u64,
    is_first: bool,
) -> Result<Written, Error> {
    let Stream::Writer { writer: source, ending, trailers } = stream else { return Ok(Written::Whole) };
    if ctx.response.flushes_head() {
        ctx.lent.is_answering = true;
        ctx.lent.send(out)?;
    }
    let Some(write) = source.write.into_inner() else { return Ok(Written::Whole) };
    let stop = ctx.stop_signal();
    let writer = BodyWriter::new(&mut ctx.request, &mut ctx.lent, out, ending, trailers);
    let mut writer = writer.told_by(stop).filtered(source.filter);
    match panic::call(|| write(&mut writer)) {
        Ok(Ok(())) => {
            writer.finish()?;
            return Ok(Written::Whole);
        }
        // What was collected before is the client's: earlier responses, and a part of this one, to see where it broke
        // off.
        Ok(Err(error)) => {
            let is_io = writer.has_failed();
            if !writer.abandon(begins) {
                return Err(if is_io { Error::from(error) } else { Error::body(error) });
            }
            ctx.answer_error_of("body writer", &error);
        }
        Err(panicked) => {
            if !writer.abandon(begins) {
                log::error!("the body writer of {} {panicked}", ctx.called());
                ctx.note(format_args!("the body writer of {} {panicked}", ctx.called()));
                return Err(Error::body_panicked());
            }
            ctx.answer_panic_of("body writer", panicked);
        }
    }
    if is_first {
        ctx.stand_again();
    } else {
        answer_plainly(ctx);
    }
    Ok(Written::Answered)
}

/// Appends the next piece of a body to `out`.
pub(crate) fn next_piece(outgoing: &mut Outgoing, out: &mut Output) -> Result<(), Error> {
    match panic::call(|| outgoing.fill(out)) {
        Ok(filled) => filled.map_err(Error::body),
        Err(panicked) => {
            log::error!("the source of a response's body {panicked}");
            Err(Error::body_panicked())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hooks::Expectation;

    #[test]
    fn a_panic_becomes_a_plain_500() {
        let mut ctx = RequestCtx::new();
        run(
            &|ctx: &mut RequestCtx| -> () {
                ctx.response.set_header("secret", "half done");
                ctx.set_body("half done");
                std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
            },
            &mut ctx,
        );
        assert!(ctx.has_panicked);
        assert_eq!((ctx.response.status_code(), ctx.response.body()), (500, &b"Internal Server Error"[..]));
        assert!(!ctx.response.headers().contains("secret"));
    }

    #[test]
    fn only_100_lets_a_client_go_on() {
        let judged = |expectation: &Expectation<'_>| {
            let mut ctx = RequestCtx::new();
            let hooks = HeadHooks { expectation: Some(expectation), ..HeadHooks::default() };
            let mut config = RequestConfig::new();
            let verdict =
                check_head(hooks, true, &ServerSession::new(1), &mut ctx, &Limits::default(), &mut config);
            (verdict, ctx.response.status_code())
        };
        assert_eq!(judged(&|_| 100), (Ok(true), 200));
        assert_eq!(judged(&|_| 413), (Ok(false), 413));
        assert_eq!(judged(&|_| std::panic::resume_unwind(Box::new("quietly"))), (Ok(false), 500));
    }
}
