//! Why a value could not be had from a request.
//!
//! The rule: what is said is for the client, so nothing of the server's is in it; and its length does not depend on
//! what the client sent.

use crate::ctx::{HttpError, StatusError};
use crate::message::problem::{Problem, append_segment};
use crate::util::json;
use crate::values::form;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Write};
#[cfg(any(feature = "json", test))]
use std::io;

/// So many letters of what a client sent are repeated to it.
const REPEATED_LETTERS: usize = 200;

/// A part of a request that values are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputPart {
    /// The parameters of the route.
    Path,
    /// The query.
    Query,
    /// The header fields.
    Header,
    /// The cookies.
    Cookie,
    /// The form in the body (or, with [`form_value`](crate::RequestCtx::form_value), the query).
    Form,
    /// The body.
    Body,
}

impl InputPart {
    /// What a value in it is called.
    fn noun(self) -> &'static str {
        match self {
            Self::Path => "parameter",
            Self::Query => "query argument",
            Self::Header => "header field",
            Self::Cookie => "cookie",
            Self::Form => "form field",
            Self::Body => "member",
        }
    }

    /// What all of it is called.
    fn whole(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookies",
            Self::Form => "form",
            Self::Body => "body",
        }
    }

    /// How the `errors` of a problem say where a pointer leads; as OpenAPI calls it. `None`: into the body.
    fn in_problem(self) -> Option<&'static str> {
        match self {
            Self::Path => Some("path"),
            Self::Query => Some("query"),
            Self::Header => Some("header"),
            Self::Cookie => Some("cookie"),
            Self::Form | Self::Body => None,
        }
    }

    /// The status for a value that is not as it has to be.
    fn status(self) -> u16 {
        match self {
            Self::Path | Self::Query | Self::Header | Self::Cookie => 400,
            Self::Form | Self::Body => 422,
        }
    }
}

/// What is wrong with a value of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputErrorKind {
    /// It is not there. 422 in a form or a body, else 400.
    Missing,
    /// It is there and not of the type that was asked for. 422 in a form or a body, else 400.
    Invalid,
    /// The body is not in the format that its type says, or empty. 400.
    Syntax,
    /// The body is of another type, or of a coding that is not known. 415.
    Unsupported,
    /// The body is too large, does not arrive, or cannot be decoded. 413, 408, 400.
    Unreadable,
    /// The route has no such parameter: a mistake of the program's. 500.
    NoSuchParameter,
}

/// Why a value could not be had from a request: the error of [`RequestCtx::parse_query_arg`] and what is beside it.
///
/// It names the part of the request and the field. A handler that fails with it ([`StatusError`]) is answered 400, 422,
/// 415, 413 or 408, as its [kind](InputErrorKind) says, by a [`Problem`] with the text of the error and the field in
/// `errors`. Together with errors of other kinds it goes into a [`Problem`], an [`HttpError`] or a `Box<dyn Error +
/// Send + Sync>` by `?`, and is answered the same.
///
/// ```
/// use anthill_http::{Handler, InputError, InputErrorKind, Request, RequestCtx};
///
/// fn page(ctx: &mut RequestCtx) -> Result<(), InputError> {
///     let page: u32 = ctx.parse_query_arg("page")?;
///     ctx.set_body(format!("page {page}"));
///     Ok(())
/// }
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/?page=two")?, None);
/// page.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.content_type_str()), (400, Some("application/problem+json")));
/// assert_eq!(
///     ctx.response.body_str(),
///     Some(concat!(
///         r#"{"type":"about:blank","title":"Bad Request","status":400,"#,
///         r#""detail":"the query argument \"page\" is not valid: invalid digit found in string","#,
///         r##""errors":[{"detail":"invalid digit found in string","pointer":"#/page","in":"query"}]}"##
///     ))
/// );
///
/// let error = ctx.parse_query_arg::<u32>("size").unwrap_err();
/// assert_eq!(error.to_string(), "the query argument \"size\" is missing");
/// assert_eq!((error.kind(), error.field()), (InputErrorKind::Missing, Some("size")));
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
///
/// [`RequestCtx::parse_query_arg`]: crate::RequestCtx::parse_query_arg
pub struct InputError(Box<InputFault>);

struct InputFault {
    kind: InputErrorKind,
    part: InputPart,
    status: u16,
    /// The name of the value; or a JSON pointer into the body.
    field: Option<String>,
    /// The same as a JSON pointer, where that is another text.
    pointer: Option<String>,
    /// What is wrong with it, or, without a field, all there is to say. Empty: the status alone.
    reason: Cow<'static, str>,
}

impl InputError {
    fn new(kind: InputErrorKind, part: InputPart, status: u16) -> Self {
        let (field, pointer) = (None, None);
        Self(Box::new(InputFault { kind, part, status, field, pointer, reason: Cow::Borrowed("") }))
    }

    /// The value called `field` is not there.
    pub(super) fn missing(part: InputPart, field: &str) -> Self {
        Self::new(InputErrorKind::Missing, part, part.status()).of(field)
    }

    /// The value called `field` is there, and not valid.
    pub(super) fn invalid(part: InputPart, field: &str, reason: impl fmt::Display) -> Self {
        Self::new(InputErrorKind::Invalid, part, part.status()).of(field).because(reason)
    }

    /// All of it is not as it has to be.
    #[cfg(feature = "serde")]
    pub(super) fn invalid_whole(part: InputPart, reason: impl fmt::Display) -> Self {
        Self::new(InputErrorKind::Invalid, part, part.status()).because(reason)
    }

    /// The body is not in its format.
    #[cfg(feature = "json")]
    pub(super) fn syntax(reason: impl fmt::Display) -> Self {
        Self::new(InputErrorKind::Syntax, InputPart::Body, 400).because(reason)
    }

    /// The body is of another type.
    #[cfg(feature = "json")]
    pub(super) fn unsupported(reason: &'static str) -> Self {
        Self::new(InputErrorKind::Unsupported, InputPart::Body, 415).because(reason)
    }

    /// The route has no such parameter.
    #[cfg(feature = "router")]
    pub(super) fn no_such_parameter(field: &str) -> Self {
        Self::new(InputErrorKind::NoSuchParameter, InputPart::Path, 500).of(field)
    }

    /// The body cannot be had.
    pub(super) fn unreadable(part: InputPart, error: &dyn StatusError) -> Self {
        let status = error.status();
        let kind = if status == 415 { InputErrorKind::Unsupported } else { InputErrorKind::Unreadable };
        let reason = error.message();
        Self::new(kind, part, status).because(reason.unwrap_or_default())
    }

    /// The body could not be read, or not be decoded.
    #[cfg(feature = "json")]
    pub(super) fn of_reading(error: &io::Error) -> Self {
        if error.status() != 500 {
            return Self::unreadable(InputPart::Body, error);
        }
        // What the connection itself reports is no fault of the server's.
        let status = if error.kind() == io::ErrorKind::TimedOut { 408 } else { 400 };
        Self::new(InputErrorKind::Unreadable, InputPart::Body, status).because("the body could not be read")
    }

    fn of(mut self, field: &str) -> Self {
        self.0.field = Some(shortened(field));
        self
    }

    /// Says where in the body it is.
    #[cfg(feature = "json")]
    pub(super) fn at(mut self, pointer: &str) -> Self {
        let pointer = shortened(pointer);
        self.0.field = Some(pointer.clone());
        self.0.pointer = Some(pointer);
        self
    }

    fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = Cow::Owned(shortened(reason));
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> InputErrorKind {
        self.0.kind
    }

    /// The part of the request in which that is.
    pub fn part(&self) -> InputPart {
        self.0.part
    }

    /// The name of the value; in a body that is JSON a pointer to it (RFC 6901), such as `/items/0/name`. `None` when
    /// it is no single one.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// What is wrong with the field, or else with the whole of it, without its name.
    pub fn reason(&self) -> &str {
        match self.0.kind {
            InputErrorKind::Missing => "is missing",
            _ => &self.0.reason,
        }
    }
}

/// What is shown of it, with a mark where something is left out.
fn shortened(what: impl fmt::Display) -> String {
    let mut short = Shortened { text: String::new(), left: REPEATED_LETTERS };
    // It fails when there is no room left.
    if write!(short, "{what}").is_err() {
        short.text.push_str("...");
    }
    short.text
}

/// Takes so many letters.
struct Shortened {
    text: String,
    left: usize,
}

impl Write for Shortened {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(letter);
        }
        Ok(())
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InputFault { kind, part, status, field, reason, .. } = &*self.0;
        let Some(field) = field else {
            return match kind {
                InputErrorKind::Invalid => write!(f, "the {} is not valid: {reason}", part.whole()),
                _ if reason.is_empty() => {
                    write!(f, "the {} cannot be read (answered {status})", part.whole())
                }
                _ => f.write_str(reason),
            };
        };
        write!(f, "the {} ", part.noun())?;
        json::append_string(f, field.as_bytes())?;
        match kind {
            InputErrorKind::Missing => f.write_str(" is missing"),
            InputErrorKind::NoSuchParameter => f.write_str(" is none of the route's"),
            _ => write!(f, " is not valid: {reason}"),
        }
    }
}

/// Without the reason, which may repeat what the client sent.
impl fmt::Debug for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InputFault { kind, part, status, field, .. } = &*self.0;
        let mut text = f.debug_struct("InputError");
        text.field("kind", kind).field("part", part).field("field", field).field("status", status);
        text.finish_non_exhaustive()
    }
}

impl StdError for InputError {}

impl StatusError for InputError {
    fn status(&self) -> u16 {
        self.0.status
    }

    fn problem(&self) -> Option<Problem> {
        let mut problem = Problem::new(self.0.status);
        if let Some(message) = self.message() {
            problem = problem.detail(message.into_owned());
            if let Some(field) = &self.0.field {
                let mut pointer = String::new();
                match &self.0.pointer {
                    Some(known) => pointer.push_str(known),
                    None => append_segment(&mut pointer, field),
                }
                problem.push_fault(self.0.part.in_problem(), &pointer, self.reason().to_owned().into());
            }
        }
        Some(problem)
    }
}

/// The body could not be read, as a form.
impl From<form::Error> for InputError {
    fn from(error: form::Error) -> Self {
        Self::unreadable(InputPart::Form, &error)
    }
}

/// Answered the same.
impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        error.problem().unwrap_or_else(|| Problem::new(error.status()))
    }
}

/// Answered the same.
impl From<InputError> for HttpError {
    fn from(error: InputError) -> Self {
        Problem::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ProtoError;

    #[test]
    fn each_part_has_its_status_and_its_words() {
        for (part, status, text, tail) in [
            (InputPart::Path, 400, "the parameter \"a/b\" is missing", r#"a~1b","in":"path"}]}"#),
            (InputPart::Query, 400, "the query argument \"a/b\" is missing", r#"a~1b","in":"query"}]}"#),
            (InputPart::Header, 400, "the header field \"a/b\" is missing", r#"a~1b","in":"header"}]}"#),
            (InputPart::Cookie, 400, "the cookie \"a/b\" is missing", r#"a~1b","in":"cookie"}]}"#),
            (InputPart::Form, 422, "the form field \"a/b\" is missing", r#"a~1b"}]}"#),
            (InputPart::Body, 422, "the member \"a/b\" is missing", r#"a~1b"}]}"#),
        ] {
            let error = InputError::missing(part, "a/b");
            assert_eq!((error.status(), error.to_string().as_str()), (status, text));
            let json = error.problem().expect("it is one").to_json();
            assert!(json.ends_with(tail), "{json}");
            assert!(json.contains(r##""errors":[{"detail":"is missing","pointer":"#/"##), "{json}");
        }
    }

    #[test]
    fn what_a_client_sent_is_repeated_in_part() {
        let long = "ä".repeat(10_000);
        let error = InputError::invalid(InputPart::Query, &long, &long);
        let shown = format!("{}...", "ä".repeat(REPEATED_LETTERS));
        assert_eq!(error.to_string(), format!("the query argument \"{shown}\" is not valid: {shown}"));
        assert_eq!(shortened("ä".repeat(REPEATED_LETTERS)), "ä".repeat(REPEATED_LETTERS));
        assert!(!format!("{error:?}").contains(&shown.repeat(2)));
        let secret = InputError::invalid(InputPart::Cookie, "session", "no number: hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_the_servers_fault_is_not_told() {
        let error = InputError::from(form::Error::Store(io::Error::other("/secret/path")));
        assert_eq!((error.status(), error.message()), (500, None));
        assert!(!error.to_string().contains("secret"));
        assert_eq!(error.problem().expect("one").to_json(), Problem::new(500).to_json());
        let late =
            InputError::from(form::Error::from(io::Error::new(io::ErrorKind::TimedOut, ProtoError::Timeout)));
        assert_eq!((late.status(), late.kind()), (408, InputErrorKind::Unreadable));
        let large = InputError::from(form::Error::from(io::Error::new(
            io::ErrorKind::InvalidData,
            ProtoError::BodyTooLarge,
        )));
        assert_eq!((large.status(), large.kind()), (413, InputErrorKind::Unreadable));
        assert_eq!(InputError::from(form::Error::NotAForm).kind(), InputErrorKind::Unsupported);
    }

    #[cfg(feature = "json")]
    #[test]
    fn what_a_connection_reports_is_no_fault_of_the_servers() {
        for (error, status) in [
            (io::Error::from(io::ErrorKind::TimedOut), 408),
            (io::Error::from(io::ErrorKind::ConnectionReset), 400),
            (io::Error::other("a secret of the transport"), 400),
            (io::Error::new(io::ErrorKind::TimedOut, ProtoError::Timeout), 408),
            (io::Error::new(io::ErrorKind::InvalidData, ProtoError::BodyTooLarge), 413),
        ] {
            let read = InputError::of_reading(&error);
            assert_eq!((read.status(), read.kind()), (status, InputErrorKind::Unreadable), "{error}");
            assert!(!read.to_string().contains("secret"), "{read}");
        }
    }
}
