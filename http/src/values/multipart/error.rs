//! Why a multipart body could not be read to its end.
//!
//! The idea: three causes that a handler treats differently: the body is malformed (answer 400), it exceeds a
//! limit (413), or reading failed. The first two are small and `Copy`, so the parser can repeat them.

use crate::values::bad_option::BadOption;
use crate::values::coding::DecodeLimit;
use std::{fmt, io};

/// Why a multipart body could not be read to its end.
///
/// Reading a [`Part`](super::Part) through [`Read`](io::Read) gives these as the inner error of an [`io::Error`];
/// `Error::from` takes them out again, so `?` works in a function that returns this type.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The body is not what its boundary announced.
    Malformed(Malformed),
    /// The body exceeds one of the [`Limits`](super::Limits).
    TooLarge(Limit),
    /// The [`Limits`](super::Limits) cannot be meant: one is zero, or contradicts another.
    BadOption(BadOption),
    /// The reader failed. Unless that was final, reading may go on.
    Io(io::Error),
}

/// What is wrong with a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// It ends before its closing delimiter.
    Truncated,
    /// A line starts with the delimiter and goes on with something else.
    Delimiter,
    /// The head of a part is not made of field lines.
    Head,
    /// A `Content-Disposition` is malformed, says a name twice, or is there twice.
    Disposition,
}

/// A limit that a multipart body exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The number of parts.
    Parts,
    /// The bytes of a part's head.
    Head,
    /// The bytes of a part's content.
    Part,
    /// The bytes of the whole body, decoded if it is encoded.
    Body,
    /// The decoded bytes for each encoded one.
    Ratio,
}

impl Error {
    /// What the reader of a body has failed with.
    pub(super) fn of_reader(error: io::Error) -> Self {
        match DecodeLimit::of(&error) {
            Some(DecodeLimit::Bytes) => Error::TooLarge(Limit::Body),
            Some(DecodeLimit::Ratio) => Error::TooLarge(Limit::Ratio),
            None => Error::Io(error),
        }
    }

    /// Whether a limit was exceeded, for which 413 is the answer.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Error::TooLarge(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Malformed(_) => f.write_str("the multipart body is malformed"),
            // Whoever answers or logs the error shows this text alone.
            Error::TooLarge(limit) => write!(f, "the multipart body is too large: {limit}"),
            Error::BadOption(fault) => write!(f, "the limits of the multipart body cannot be meant: {fault}"),
            Error::Io(_) => f.write_str("the multipart body could not be read"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Malformed(cause) => Some(cause),
            Error::TooLarge(limit) => Some(limit),
            Error::BadOption(fault) => Some(fault),
            Error::Io(error) => Some(error),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Truncated => "it ends before its closing delimiter: send all of it",
            Malformed::Delimiter => {
                "a line starts with the delimiter and goes on: choose a boundary that the content does not have"
            }
            Malformed::Head => "the head of a part is malformed: send field lines that end with CR LF",
            Malformed::Disposition => {
                "a content-disposition is malformed: send it once, as type; name=\"value\", each name once"
            }
        })
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Parts => "it has too many parts: send fewer, or raise the limit",
            Limit::Head => "the head of a part is too large: shorten it, or raise the limit",
            Limit::Part => "a part is too large: shorten it, or raise the limit",
            Limit::Body => "it has too many bytes: send less, or raise the limit",
            Limit::Ratio => {
                "it is compressed beyond belief: send it with less compression, or raise the limit"
            }
        })
    }
}

impl std::error::Error for Limit {}

/// What the parser can say; it reads nothing and so has no I/O errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Malformed(Malformed),
    TooLarge(Limit),
    BadOption(BadOption),
}

impl From<Malformed> for Cause {
    fn from(cause: Malformed) -> Self {
        Cause::Malformed(cause)
    }
}

impl From<Limit> for Cause {
    fn from(limit: Limit) -> Self {
        Cause::TooLarge(limit)
    }
}

impl From<Cause> for Error {
    fn from(refusal: Cause) -> Self {
        match refusal {
            Cause::Malformed(cause) => Error::Malformed(cause),
            Cause::TooLarge(limit) => Error::TooLarge(limit),
            Cause::BadOption(fault) => Error::BadOption(fault),
        }
    }
}

impl From<io::Error> for Error {
    /// Takes out the error that reading a part has put in, if it is one.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Error::Io)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Io(error) => return error,
            Error::Malformed(Malformed::Truncated) => io::ErrorKind::UnexpectedEof,
            Error::Malformed(_) | Error::TooLarge(_) => io::ErrorKind::InvalidData,
            Error::BadOption(_) => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn passes_through_an_io_error_and_back() {
        let truncated = io::Error::from(Error::Malformed(Malformed::Truncated));
        assert_eq!(truncated.kind(), io::ErrorKind::UnexpectedEof);
        assert!(matches!(Error::from(truncated), Error::Malformed(Malformed::Truncated)));
        let large = Error::from(io::Error::from(Error::TooLarge(Limit::Part)));
        assert!(large.is_too_large());
        let reset = Error::from(io::Error::from(Error::Io(io::ErrorKind::ConnectionReset.into())));
        assert!(matches!(&reset, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset));
        assert!(reset.source().is_some());
    }
}
