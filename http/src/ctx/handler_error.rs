//! What handlers may fail with: errors that know what their request is to be answered.
//!
//! The rule: what is the server's fault is for its log, not for the client.

use super::RequestCtx;
use crate::message::problem::Problem;
use crate::message::response::IntoStatus;
use crate::proto::{ProtoError, refusal_text};
use crate::values::coding::{CodingError, DecodeLimit, Undecodable};
use crate::values::event::EventError;
use crate::values::status;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// An error that knows the status that its request is to be answered with; see [`Handler`](crate::Handler).
///
/// [`HttpError`] is a ready one, whose body is plain text; [`Problem`] another one, whose body is JSON. These are such
/// errors too:
/// - [`InputError`](crate::InputError): 400, 413, 415, 422 for what cannot be read of a request as it was asked for.
/// - [`Error`](crate::Error), [`form::Error`](crate::form::Error), [`multipart::Error`](crate::multipart::Error),
///   [`ProtoError`], [`CodingError`]: 400, 408, 413, ... for what is wrong with the request, 500 for the rest.
/// - [`EventError`](crate::events::EventError): 500.
/// - [`io::Error`](std::io::Error): likewise when reading the request's body, decoding it or taking it apart gave it,
///   else 500.
/// - `Box<dyn std::error::Error + Send + Sync>`: as the error in it if that is one of these, else 500. So `?` takes
///   what goes into such a box. A `StatusError` of your own that is put into it becomes a 500: its type is hidden then.
///   Return it as what it is, or make it an [`HttpError`] first.
///
/// ```
/// use anthill_http::{Handler, RequestCtx, StatusError};
/// use std::fmt;
///
/// #[derive(Debug)]
/// enum ShopError { SoldOut, Database(String) }
///
/// impl fmt::Display for ShopError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         match self {
///             Self::SoldOut => f.write_str("sold out"),
///             Self::Database(error) => write!(f, "the database failed: {error}"),
///         }
///     }
/// }
///
/// impl StatusError for ShopError {
///     fn status(&self) -> u16 {
///         match self {
///             Self::SoldOut => 409,
///             Self::Database(_) => 500,
///         }
///     }
/// }
///
/// let mut ctx = RequestCtx::default();
/// (|_: &mut RequestCtx| Err::<(), _>(ShopError::SoldOut)).handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (409, &b"sold out"[..]));
///
/// // What is our own fault is logged and not told.
/// (|_: &mut RequestCtx| Err::<(), _>(ShopError::Database("password wrong".into()))).handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (500, &b"Internal Server Error"[..]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which status it is answered with",
    label = "not a `StatusError`",
    note = "implement `StatusError` for it, make it an `HttpError`, or return `Box<dyn Error + Send + Sync>`"
)]
pub trait StatusError: fmt::Display {
    /// The status to answer.
    fn status(&self) -> u16;

    /// What the client is told, as plain text; `None`: the standard words for the status.
    ///
    /// By default the error's own text when the status is below 500. From 500 on the error is the server's, whose texts
    /// are not for strangers: they are logged at level `Error`.
    fn message(&self) -> Option<Cow<'_, str>> {
        (self.status() < 500).then(|| self.to_string().into())
    }

    /// What the client is told as problem details (RFC 9457), in the place of the [`message`](Self::message); its
    /// status should be the same. `None`, as by default: the message, as plain text.
    fn problem(&self) -> Option<Problem> {
        None
    }
}

/// A status and what the client is told: the error for handlers that have no better one.
///
/// Its body is plain text. One that was made of a [`Problem`] or an [`InputError`](crate::InputError) by `?` is
/// answered as that is.
///
/// ```
/// use anthill_http::{Handler, HttpError, RequestCtx};
/// let closed = |_: &mut RequestCtx| Err::<(), _>(HttpError::new(503, "we open at nine"));
/// let mut ctx = RequestCtx::default();
/// closed.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (503, &b"we open at nine"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    status: u16,
    message: Cow<'static, str>,
    /// What it was made of, if that says more.
    problem: Option<Problem>,
}

impl HttpError {
    /// An error to answer with `status` and the plain text `message`, whatever the status. It should be 400 or more,
    /// which is not checked.
    pub fn new(status: impl IntoStatus, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: status.into_status(), message: message.into(), problem: None }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for HttpError {}

impl StatusError for HttpError {
    fn status(&self) -> u16 {
        self.status
    }

    fn message(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.message))
    }

    fn problem(&self) -> Option<Problem> {
        self.problem.clone()
    }
}

impl From<Problem> for HttpError {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status_code(), message: problem.to_string().into(), problem: Some(problem) }
    }
}

/// With the message as its detail.
impl From<HttpError> for Problem {
    fn from(error: HttpError) -> Self {
        error.problem.unwrap_or_else(|| Problem::new(error.status).detail(error.message))
    }
}

impl StatusError for Problem {
    fn status(&self) -> u16 {
        self.status_code()
    }

    /// Its detail, or else its title, whatever the status.
    fn message(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.detail_text().unwrap_or_else(|| self.title_text())))
    }

    fn problem(&self) -> Option<Problem> {
        Some(self.clone())
    }
}

impl StatusError for ProtoError {
    fn status(&self) -> u16 {
        ProtoError::status(*self)
    }

    /// What the server itself answers for it.
    fn message(&self) -> Option<Cow<'_, str>> {
        Some(refusal_text(ProtoError::status(*self)).into())
    }
}

/// A mistake of the handler's, or of whoever closed its hub.
impl StatusError for EventError {
    fn status(&self) -> u16 {
        500
    }
}

impl StatusError for DecodeLimit {
    fn status(&self) -> u16 {
        413
    }
}

impl StatusError for Undecodable {
    fn status(&self) -> u16 {
        400
    }
}

impl StatusError for CodingError {
    fn status(&self) -> u16 {
        415
    }
}

impl RequestCtx {
    /// Starts the response over as what `error` says, and logs what the client is not told.
    pub(super) fn answer_error(&mut self, error: &dyn StatusError) {
        self.answer_error_of("handler", error);
    }

    /// The same for other parts of what answers the request, by their name in the log.
    pub(crate) fn answer_error_of(&mut self, what: &str, error: &dyn StatusError) {
        // What it was to be told before is told no more.
        drop(self.user_values.take_hijack());
        let code = error.status();
        if code >= 500 {
            let called = self.called();
            log::error!(target: "anthill_http::handler", "the {what} of {called} failed; answered {code}: {error}");
            self.note(format_args!("the {what} of {called} failed; answered {code}: {error}"));
        }
        let message = error.message().unwrap_or_else(|| status::reason(code).into());
        self.answer_plainly(message.as_bytes(), code);
        if let Some(problem) = error.problem() {
            self.response.set_problem(&problem);
            self.response.set_status_code(code);
        }
        self.report_error(&message, error);
        self.note_error(self.response.status_code(), error);
    }
}
