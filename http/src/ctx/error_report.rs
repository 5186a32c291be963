//! How errors become bodies: what a server's [`error_body`](crate::ServerBuilder::error_body) is told of each response
//! that is one.
//!
//! The idea: everything that answers an error prepares the answer as plain text first, and then asks here. So whoever
//! renders finds a whole answer and changes of it what he likes, and without him nothing is different.
//!
//! The rule: he is given the request and the response, not the context: he can neither wait for a body nor keep a
//! context, so he may be asked where no thread is to be had.

use super::{HandlerPanic, RequestCtx, StatusError};
use crate::message::problem::Problem;
use crate::message::request::Request;
use crate::message::response::Response;
use crate::proto::ProtoError;
use crate::util::panic;
use crate::values::status;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A response that is an error, for an [`error_body`](crate::ServerBuilder::error_body).
pub struct ErrorReport<'a> {
    request: &'a Request,
    request_id: u64,
    status: u16,
    message: &'a str,
    cause: ErrorCause<'a>,
}

/// Why a response is an error.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ErrorCause<'a> {
    /// A handler has failed with this, or a body before anything of it was sent.
    Failed(&'a dyn StatusError),
    /// A handler has panicked.
    Panicked(&'a HandlerPanic),
    /// What came is no request, or not one that the server takes: it has reached no handler.
    Refused(ProtoError),
    /// There is no thread for the request, or no place for the connection.
    Busy,
    /// Nothing but its words: [`RequestCtx::error`], a [`Router`](crate::Router)'s 404 and 405, a file that is not
    /// there, a handler that took too long, an upgrade that was not asked for.
    Said,
}

impl<'a> ErrorReport<'a> {
    /// The request: as far as it could be read, when it was [refused](ErrorCause::Refused); empty, when its connection
    /// was.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// The number that the log has for the request ([`RequestCtx::id`]).
    pub fn request_id(&self) -> u64 {
        self.request_id
    }

    /// The status, 400 or more.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the client is told in plain text: for faults of the server (from 500 on) the standard words, unless
    /// somebody has chosen others.
    pub fn message(&self) -> &'a str {
        self.message
    }

    /// Why.
    pub fn cause(&self) -> ErrorCause<'a> {
        self.cause
    }

    /// The problem that a handler has failed with, if it was one; then the response is that already.
    pub fn problem(&self) -> Option<Problem> {
        match self.cause {
            ErrorCause::Failed(error) => error.problem(),
            _ => None,
        }
    }

    /// The same; or one with the message for its detail, where that says more than the status.
    pub fn to_problem(&self) -> Problem {
        self.problem().unwrap_or_else(|| {
            let problem = Problem::new(self.status);
            if status::is_telling(self.status, self.message) {
                problem.detail(self.message.to_owned())
            } else {
                problem
            }
        })
    }
}

impl fmt::Debug for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ErrorReport");
        text.field("status", &self.status).field("message", &self.message).field("cause", &self.cause);
        text.finish_non_exhaustive()
    }
}

impl fmt::Debug for ErrorCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => f.debug_tuple("Failed").field(&error.status()).finish(),
            Self::Panicked(_) => f.write_str("Panicked"),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Busy => f.write_str("Busy"),
            Self::Said => f.write_str("Said"),
        }
    }
}

type RenderError = dyn Fn(&mut Response, &ErrorReport<'_>) + Send + Sync;

/// Makes the bodies of errors.
#[derive(Clone)]
pub(crate) struct ErrorBody(pub(crate) Arc<RenderError>);

impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorBody")
    }
}

impl ErrorBody {
    /// Changes `response`, which is an answer already. When that cannot be sent it is plain text.
    fn render(&self, response: &mut Response, report: &ErrorReport<'_>) {
        let status = report.status;
        if status < 400 {
            return;
        }
        let rendered = panic::call(|| (self.0)(response, report));
        let target = "anthill_http::handler";
        match rendered {
            Ok(()) if !response.is_body_stream() && response.status_code() >= 400 => return,
            Ok(()) => log::error!(
                target: target,
                "an `error_body` has to make bytes, and an error of an error; answered a plain {status}"
            ),
            Err(panicked) => {
                log::error!(target: target, "the `error_body` {panicked}; answered a plain {status}")
            }
        }
        response.clear();
        make_plain(response, report.message.as_bytes(), status);
    }
}

/// Makes plain text of it.
fn make_plain(response: &mut Response, message: &[u8], status: u16) {
    response.set_status_code(status);
    response.set_content_type("text/plain; charset=utf-8");
    response.set_body(message);
}

/// The response is an error.
impl RequestCtx {
    /// Starts it over as plain text.
    pub(super) fn answer_plainly(&mut self, message: &[u8], status: u16) {
        self.response.clear();
        make_plain(&mut self.response, message, status);
    }

    /// A part of what answers the request has failed.
    pub(super) fn report_error(&mut self, message: &str, error: &dyn StatusError) {
        self.report(message.as_bytes(), ErrorCause::Failed(error));
    }

    /// The same has panicked.
    pub(super) fn report_panic(&mut self, message: &str, panicked: &HandlerPanic) {
        self.report(message.as_bytes(), ErrorCause::Panicked(panicked));
    }

    /// What came is refused: starts the response over as that.
    pub(crate) fn answer_refused(&mut self, message: &str, error: ProtoError) {
        self.answer_plainly(message.as_bytes(), error.status());
        self.report(message.as_bytes(), ErrorCause::Refused(error));
    }

    /// There is nobody for it: starts the response over as that.
    pub(crate) fn answer_busy(&mut self, message: &str, status: u16) {
        self.answer_plainly(message.as_bytes(), status);
        self.report_busy(message);
    }

    /// There is nobody for it.
    pub(crate) fn report_busy(&mut self, message: &str) {
        self.report(message.as_bytes(), ErrorCause::Busy);
    }

    /// There is no more to it than these words.
    pub(crate) fn report_said(&mut self, message: &[u8]) {
        self.report(message, ErrorCause::Said);
    }

    #[inline]
    fn report(&mut self, message: &[u8], cause: ErrorCause<'_>) {
        if let Some(render) = self.error_body() {
            let mut response = std::mem::take(&mut self.response);
            self.report_of(&render, &mut response, message, cause);
            self.response = response;
        }
    }

    /// The same of another response, which is to stand in the place of this one's.
    pub(super) fn report_stand_in(&self, response: &mut Response, message: &[u8]) {
        if let Some(render) = self.error_body() {
            self.report_of(&render, response, message, ErrorCause::Said);
        }
    }

    /// Whether somebody makes the bodies of errors.
    pub(crate) fn has_error_body(&self) -> bool {
        self.options.as_deref().is_some_and(|options| options.error_body.is_some())
    }

    fn error_body(&self) -> Option<ErrorBody> {
        self.options.as_deref()?.error_body.clone()
    }

    #[cold]
    fn report_of(&self, render: &ErrorBody, response: &mut Response, message: &[u8], cause: ErrorCause<'_>) {
        let message: Cow<'_, str> = String::from_utf8_lossy(message);
        let (request, request_id, status) = (&self.request, self.id(), response.status_code());
        render.render(response, &ErrorReport { request, request_id, status, message: &message, cause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::{CtxOptions, Handler, HttpError};
    use crate::stop::StopSignal;

    fn with(render: impl Fn(&mut Response, &ErrorReport<'_>) + Send + Sync + 'static) -> RequestCtx {
        let options = CtxOptions { error_body: Some(ErrorBody(Arc::new(render))), ..CtxOptions::default() };
        let mut ctx = RequestCtx::new();
        ctx.prepare(None, &Arc::new(options), &StopSignal::new());
        ctx
    }

    #[test]
    fn what_says_no_more_than_the_status_is_no_detail() {
        let mut ctx = with(|response, report| response.set_problem(&report.to_problem()));
        ctx.not_found();
        let body = r#"{"type":"about:blank","title":"Not Found","status":404}"#;
        assert_eq!(ctx.response.body_str(), Some(body));
        ctx.error("405 Method not allowed", 405);
        assert!(!ctx.response.body_str().unwrap().contains("detail"));
        ctx.error("no room", 404);
        assert!(ctx.response.body_str().unwrap().contains(r#""detail":"no room""#));
    }

    #[test]
    fn every_error_is_seen_with_its_cause() {
        let mut ctx = with(|response, report| {
            let text = format!("{} {} {:?}", report.status(), report.message(), report.cause());
            response.set_body(text);
        });
        ctx.not_found();
        assert_eq!(ctx.response.body_str(), Some("404 404 Page not found Said"));
        ctx.error("no \u{fffd}", 200);
        assert_eq!(ctx.response.body_str(), Some("no \u{fffd}"), "that is none");
        (|_: &mut RequestCtx| Err::<(), _>(HttpError::new(409, "taken"))).handle(&mut ctx);
        assert_eq!(ctx.response.body_str(), Some("409 taken Failed(409)"));
        let panics = |_: &mut RequestCtx| -> () { std::panic::resume_unwind(Box::new("quietly")) };
        panics.handle(&mut ctx);
        assert_eq!(ctx.response.body_str(), Some("500 Internal Server Error Panicked"));
        ctx.answer_refused("?", ProtoError::MissingHost);
        assert_eq!(ctx.response.body_str(), Some("400 ? Refused(MissingHost)"));
        ctx.refuse_content("Precondition Failed", 412);
        assert_eq!(ctx.response.body_str(), Some("412 Precondition Failed Said"));
    }

    #[test]
    fn one_that_panics_leaves_plain_text() {
        let mut ctx = with(|response, _| {
            response.set_header("x-half-done", "yes");
            std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
        });
        ctx.error("no", 403);
        assert_eq!((ctx.response.status_code(), ctx.response.body_str()), (403, Some("no")));
        assert_eq!(ctx.response.header("x-half-done"), None);
    }

    #[test]
    fn what_cannot_be_sent_is_replaced() {
        let mut ctx = with(|response, report| match report.message() {
            "stream" => response.set_body_reader(std::io::empty()),
            "hide" => response.set_status_code(404),
            _ => response.set_status_code(101),
        });
        for (message, status) in [("stream", 403), ("hide", 404), ("switch", 403)] {
            ctx.error(message, 403);
            assert_eq!((ctx.response.status_code(), ctx.response.body_str()), (status, Some(message)));
            assert!(!ctx.response.is_body_stream());
        }
    }

    #[test]
    fn a_problem_says_no_more_than_there_is_to_say() {
        let request = Request::empty();
        let report = |message| ErrorReport {
            request: &request,
            request_id: 1,
            status: 404,
            message,
            cause: ErrorCause::Said,
        };
        assert_eq!(report("Not Found").to_problem(), Problem::new(404));
        assert_eq!(report("").to_problem(), Problem::new(404));
        assert_eq!(report("no such page").to_problem(), Problem::new(404).detail("no such page"));
    }
}
