//! Why a form could not be read.

use crate::values::bad_option::BadOption;
use crate::values::coding::{CodingError, DecodeLimit, Undecodable};
use crate::values::multipart::{self, BoundaryError, Malformed};
use std::{fmt, io};

/// Why a form could not be read, or has no such file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The content type is not one of a form.
    NotAForm,
    /// The content type is multipart, without a valid boundary.
    Boundary(BoundaryError),
    /// The body is not what its boundary announced.
    Malformed(Malformed),
    /// A part of a multipart form has no name.
    UnnamedPart,
    /// The form exceeds one of the [`Options`](super::Options).
    TooLarge(Limit),
    /// The field of this name has no file.
    MissingFile(String),
    /// The body could not be read.
    Read(io::Error),
    /// A file could not be put into the folder for temporary files.
    Store(io::Error),
    /// The body has a content coding other than `gzip` and `deflate`, or several.
    UnsupportedCoding,
    /// The [`Options`](super::Options) cannot be meant: one is zero, or contradicts another.
    BadOption(BadOption),
    /// The body is not in the content coding that it is said to have. The error inside says what is wrong with it.
    Undecodable(io::Error),
}

/// A limit that a form exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The number of values and files.
    Fields,
    /// The bytes of all names, values and heads.
    FieldBytes,
    /// The bytes of one part's head.
    Head,
    /// The bytes of a file.
    FileBytes,
    /// The bytes of the whole body, decoded if it is encoded.
    Body,
    /// The decoded bytes for each encoded one.
    Ratio,
}

impl Error {
    /// Whether a limit was exceeded, for which 413 is the answer.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Error::TooLarge(_))
    }
}

impl From<BadOption> for Error {
    fn from(fault: BadOption) -> Self {
        Error::BadOption(fault)
    }
}

impl From<CodingError> for Error {
    fn from(_: CodingError) -> Self {
        Error::UnsupportedCoding
    }
}

impl From<io::Error> for Error {
    /// What reading the body has failed with.
    fn from(error: io::Error) -> Self {
        match DecodeLimit::of(&error) {
            Some(DecodeLimit::Bytes) => Error::TooLarge(Limit::Body),
            Some(DecodeLimit::Ratio) => Error::TooLarge(Limit::Ratio),
            None if Undecodable::is_in(&error) => Error::Undecodable(error),
            None => Error::Read(error),
        }
    }
}

impl From<multipart::Error> for Error {
    fn from(error: multipart::Error) -> Self {
        match error {
            multipart::Error::Malformed(cause) => Error::Malformed(cause),
            multipart::Error::TooLarge(limit) => Error::TooLarge(match limit {
                multipart::Limit::Parts => Limit::Fields,
                multipart::Limit::Head => Limit::Head,
                // Files have a limit of their own, so this part was a value.
                multipart::Limit::Part => Limit::FieldBytes,
                multipart::Limit::Body => Limit::Body,
                multipart::Limit::Ratio => Limit::Ratio,
            }),
            multipart::Error::Io(error) => error.into(),
            multipart::Error::BadOption(fault) => fault.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotAForm => f.write_str(
                "the content type is not a form's: send application/x-www-form-urlencoded or multipart/form-data",
            ),
            Error::Boundary(_) => f.write_str("the form's content type has no boundary to read it by"),
            Error::Malformed(_) => f.write_str("the form is malformed"),
            Error::UnnamedPart => {
                f.write_str("a part of the form has no name: send content-disposition: form-data; name=\"...\"")
            }
            // Whoever answers or logs the error shows this text alone.
            Error::TooLarge(limit) => write!(f, "the form is too large: {limit}"),
            Error::MissingFile(name) => write!(f, "there is no file in the form field {name:?}: choose one"),
            Error::Read(_) => f.write_str("the form could not be read"),
            Error::Store(_) => f.write_str("a file of the form could not be stored: check the temporary folder"),
            Error::UnsupportedCoding => CodingError.fmt(f),
            Error::BadOption(fault) => write!(f, "the options for reading the form cannot be meant: {fault}"),
            Error::Undecodable(_) => f.write_str("the form is not in the content coding that it is said to have"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Boundary(cause) => Some(cause),
            Error::Malformed(cause) => Some(cause),
            Error::TooLarge(limit) => Some(limit),
            Error::BadOption(fault) => Some(fault),
            Error::Read(error) | Error::Store(error) | Error::Undecodable(error) => Some(error),
            Error::UnsupportedCoding | Error::NotAForm | Error::UnnamedPart | Error::MissingFile(_) => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Fields => "it has too many fields: send fewer, or raise the limit",
            Limit::FieldBytes => "its names and values are too long: shorten them, or raise the limit",
            Limit::Head => "the head of a part is too large: shorten its names",
            Limit::FileBytes => "a file is too large: send a smaller one, or raise the limit",
            Limit::Body => "it has too many bytes: send less, or raise the limit",
            Limit::Ratio => {
                "it is compressed beyond belief: send it with less compression, or raise the limit"
            }
        })
    }
}

impl std::error::Error for Limit {}
