//! Content that is not what its coding says.

use std::fmt;
use std::io;

/// What [`ContentDecoder`](super::ContentDecoder) puts into the errors that are the content's fault.
#[derive(Debug)]
pub(crate) struct Undecodable(&'static str);

impl Undecodable {
    /// Whether `error` is one of these.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Undecodable {}

pub(super) fn cut_off() -> io::Error {
    undecodable("the compressed content is cut off")
}

pub(super) fn broken() -> io::Error {
    undecodable("the content is not compressed as its coding says")
}

pub(super) fn undecodable(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Undecodable(reason))
}
