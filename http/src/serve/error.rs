//! What can go wrong while a connection is served, as users see it.
//!
//! The idea: one opaque type that answers questions. What it is made of may grow without breaking anyone.

use crate::ctx::{HttpError, InputError, StatusError};
use crate::message::problem::Problem;
use crate::proto::ProtoError;
use crate::values::coding::CodingError;
use crate::values::{form, multipart};
use std::borrow::Cow;
use std::{fmt, io};

/// Why serving a connection, or reading a request's body, failed.
///
/// ```
/// let error = anthill_http::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
/// assert!(error.is_timeout());
/// assert_eq!(error.status(), None);
/// ```
#[derive(Debug)]
pub struct Error {
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Proto(ProtoError),
    Io(io::Error),
    Body(io::Error),
    BodyPanicked,
}

impl Error {
    /// What produces a response's body has failed.
    pub(crate) fn body(error: io::Error) -> Self {
        Self { reason: Reason::Body(error) }
    }

    /// What produces a response's body has panicked.
    pub(crate) fn body_panicked() -> Self {
        Self { reason: Reason::BodyPanicked }
    }

    /// Whether something did not happen in time.
    pub fn is_timeout(&self) -> bool {
        match &self.reason {
            Reason::Proto(error) => *error == ProtoError::Timeout,
            Reason::Io(error) => matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock),
            Reason::Body(_) | Reason::BodyPanicked => false,
        }
    }

    /// Whether the connection itself failed. The source is then the [`io::Error`].
    pub fn is_io(&self) -> bool {
        matches!(self.reason, Reason::Io(_))
    }

    /// Whether what produces a response's body failed or panicked behind the beginning of the response; the client has
    /// seen the message break off. Unless it panicked, the source is its [`io::Error`].
    // RSP-08.
    pub fn is_body(&self) -> bool {
        matches!(self.reason, Reason::Body(_) | Reason::BodyPanicked)
    }

    /// Whether what produces a response's body panicked.
    pub fn is_body_panic(&self) -> bool {
        matches!(self.reason, Reason::BodyPanicked)
    }

    /// Why the peer's bytes were not a request, if that is the reason.
    pub fn proto(&self) -> Option<ProtoError> {
        match self.reason {
            Reason::Proto(error) => Some(error),
            Reason::Io(_) | Reason::Body(_) | Reason::BodyPanicked => None,
        }
    }

    /// The status code that tells the peer of this, if it is the peer's fault.
    pub fn status(&self) -> Option<u16> {
        self.proto().map(ProtoError::status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Proto(_) => f.write_str("the request was refused"),
            Reason::Io(_) => f.write_str("the connection failed"),
            Reason::Body(_) => f.write_str("the source of a response's body failed"),
            Reason::BodyPanicked => f.write_str("the source of a response's body panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Proto(error) => Some(error),
            Reason::Io(error) | Reason::Body(error) => Some(error),
            Reason::BodyPanicked => None,
        }
    }
}

impl From<ProtoError> for Error {
    fn from(error: ProtoError) -> Self {
        Self { reason: Reason::Proto(error) }
    }
}

impl From<io::Error> for Error {
    /// What reading a body reports as an [`io::Error`] is taken for the [`ProtoError`] that is inside.
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|cause| cause.downcast_ref::<ProtoError>()) {
            Some(cause) => Self::from(*cause),
            None => Self { reason: Reason::Io(error) },
        }
    }
}

impl StatusError for Error {
    /// That of what was wrong with the request, else 500.
    fn status(&self) -> u16 {
        self.proto().map_or(500, ProtoError::status)
    }

    fn message(&self) -> Option<Cow<'_, str>> {
        match &self.reason {
            Reason::Proto(error) => error.message(),
            Reason::Io(_) | Reason::Body(_) | Reason::BodyPanicked => None,
        }
    }
}

/// What goes into such a box by `?`. This crate's errors and [`io::Error`] keep their status in it. Anything else is
/// answered 500, a [`StatusError`] of your own included: the box hides what it is, so return it unboxed, or as an
/// [`HttpError`].
impl StatusError for Box<dyn std::error::Error + Send + Sync> {
    fn status(&self) -> u16 {
        inside(&**self).map_or(500, StatusError::status)
    }

    fn message(&self) -> Option<Cow<'_, str>> {
        inside(&**self).and_then(StatusError::message)
    }

    fn problem(&self) -> Option<Problem> {
        inside(&**self).and_then(StatusError::problem)
    }
}

fn inside<'a>(boxed: &'a (dyn std::error::Error + Send + Sync + 'static)) -> Option<&'a dyn StatusError> {
    fn of<'a, T: StatusError + std::error::Error + 'static>(
        boxed: &'a (dyn std::error::Error + Send + Sync + 'static),
    ) -> Option<&'a dyn StatusError> {
        boxed.downcast_ref::<T>().map(|error| error as _)
    }
    of::<HttpError>(boxed)
        .or_else(|| of::<Problem>(boxed))
        .or_else(|| of::<InputError>(boxed))
        .or_else(|| of::<Error>(boxed))
        .or_else(|| of::<io::Error>(boxed))
        .or_else(|| of::<ProtoError>(boxed))
        .or_else(|| of::<form::Error>(boxed))
        .or_else(|| of::<multipart::Error>(boxed))
        .or_else(|| of::<CodingError>(boxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn answers_questions() {
        let refused = Error::from(ProtoError::BodyTooLarge);
        assert_eq!((refused.status(), refused.is_timeout(), refused.is_io()), (Some(413), false, false));
        assert!(Error::from(ProtoError::Timeout).is_timeout());
        let inside = Error::from(io::Error::new(io::ErrorKind::InvalidData, ProtoError::BodyTooLarge));
        assert_eq!((inside.status(), inside.is_io()), (Some(413), false));
        let broken = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((broken.status(), broken.is_timeout(), broken.is_io()), (None, false, true));
        assert!(broken.source().is_some_and(|source| source.is::<io::Error>()));
    }

    #[test]
    fn a_boxed_error_is_answered_as_what_it_is() {
        type Boxed = Box<dyn std::error::Error + Send + Sync>;
        let said = |error: Boxed| (error.status(), error.message().map(Cow::into_owned));
        assert_eq!(said(HttpError::new(404, "gone").into()), (404, Some("gone".to_owned())));
        let taken = Problem::new(409).detail("taken").field("room", "is taken");
        assert_eq!(said(taken.clone().into()), (409, Some("taken".to_owned())));
        assert_eq!(Boxed::from(taken.clone()).problem(), Some(taken.clone()));
        assert_eq!(Boxed::from(HttpError::from(taken.clone())).problem(), Some(taken));
        let too_large = || io::Error::new(io::ErrorKind::InvalidData, ProtoError::BodyTooLarge);
        assert_eq!(said(too_large().into()).0, 413);
        assert_eq!(said(Error::from(too_large()).into()), said(too_large().into()));
        assert_eq!(said(form::Error::NotAForm.into()).0, 415);
        assert_eq!(said(CodingError.into()).0, 415);
        assert_eq!(said("the password is 1234".into()), (500, None));
        assert_eq!(said(Error::body_panicked().into()), (500, None));
    }
}
