//! Answers in the place of those that errors have.

use crate::ctx::{Handler, HandlerFailure, HandlerPanic, RequestCtx, Standing};
use std::fmt;
use std::sync::Arc;

/// Has errors answered by a function of yours: whatever `next` answers with a status of 400 or more, be it said by a
/// handler, an error that one has returned, a panic, or a router that knows no such route. Everything else passes, with
/// its body untouched, streams as well.
///
/// The function finds the answer in the response: status, fields (`Allow`, `WWW-Authenticate`, `Retry-After`) and a
/// text. It changes what it likes: [`set_body`](RequestCtx::set_body) and
/// [`set_content_type`](RequestCtx::set_content_type) keep the fields, [`error`](RequestCtx::error) starts over. Error
/// pages that a handler has made are errors as well; it can tell by the type what to leave alone. It is also called
/// when a streamed body fails before a byte of it was sent.
///
/// Take it for another look of the errors of some routes, or to answer something else in their place. If all errors of
/// a server are to look alike, those included that reach no handler, take
/// [`ServerBuilder::error_body`](crate::ServerBuilder::error_body), which has made the text that is found here; to do
/// more when a request is refused, [`error_handler`](crate::ServerBuilder::error_handler). The
/// [guide](crate::guide::errors#which-to-take) has a table of the three.
///
/// One around the routes of an interface may answer in JSON, another one around a site in HTML:
///
/// ```
/// use anthill_http::middleware::{CatchErrors, catch_errors};
/// use anthill_http::{Handler, HttpError, RequestCtx};
///
/// let as_json = CatchErrors::new(|ctx, caught| {
///     let text = format!("{{\"status\":{}}}", caught.status());
///     ctx.set_content_type("application/json");
///     ctx.set_body(text);
/// });
/// let handler = catch_errors(|_: &mut RequestCtx| Err::<(), _>(HttpError::new(409, "sold out")), as_json);
/// let mut ctx = RequestCtx::default();
/// handler.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (409, &b"{\"status\":409}"[..]));
/// ```
pub fn catch_errors(next: impl Handler, answers: CatchErrors) -> impl Handler {
    CatchErrorsHandler { next, answers }
}

/// What answers errors, for [`catch_errors`](catch_errors()).
#[derive(Clone)]
pub struct CatchErrors(Arc<ErrorAnswers>);

struct ErrorAnswers(Box<AnswerFn>);

type AnswerFn = dyn Fn(&mut RequestCtx, &Caught) + Send + Sync;

/// What is known of an error that is to be answered.
#[derive(Debug)]
pub struct Caught {
    status: u16,
    failure: HandlerFailure,
}

impl CatchErrors {
    /// This function does. When it panics the answer is a plain 500.
    pub fn new(answer: impl Fn(&mut RequestCtx, &Caught) + Send + Sync + 'static) -> Self {
        Self(Arc::new(ErrorAnswers(Box::new(answer))))
    }

    /// Answers in the place of the response as it is now, if that is an error's: for an
    /// [`error_handler`](crate::ServerBuilder::error_handler).
    pub fn apply(&self, ctx: &mut RequestCtx) {
        self.0.apply(ctx);
    }
}

impl fmt::Debug for CatchErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CatchErrors")
    }
}

impl Caught {
    /// The status, 400 or more.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the handler has failed with, as it is in the log: also what its client is not to know. `None` for other
    /// answers.
    pub fn error(&self) -> Option<&str> {
        self.failure.error.as_deref()
    }

    /// The panic, if it is the answer to one.
    pub fn panic(&self) -> Option<&HandlerPanic> {
        self.failure.panic.as_ref()
    }
}

struct CatchErrorsHandler<H> {
    next: H,
    answers: CatchErrors,
}

impl<H: Handler> Handler for CatchErrorsHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.want_failure();
        ctx.contain(|ctx| self.next.handle(ctx));
        ctx.stand(&self.answers.0);
    }
}

impl Standing for ErrorAnswers {
    fn apply(&self, ctx: &mut RequestCtx) {
        let status = ctx.response.status_code();
        if status < 400 {
            return;
        }
        let caught = Caught { status, failure: ctx.take_failure() };
        ctx.contain(|ctx| (self.0)(ctx, &caught));
        ctx.give_back_failure(caught.failure);
    }
}
