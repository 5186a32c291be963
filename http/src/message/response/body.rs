//! The forms a response's body can have.
//!
//! The rule: whatever produces a body is dropped exactly once, when the response was sent, given up or started over,
//! whether or not anybody asked it for a byte.

use super::BodyWriter;
use super::filter::BodyFilter;
use super::source::{FileRange, Pull, SharedBytes};
use crate::util::panic::Contained;
use std::fmt;
use std::io;

/// Runs after the handler and writes the body.
pub(crate) type WriteBody = Contained<Box<dyn FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send>>;

/// What writes a body, and what changes what it writes.
pub(crate) struct WriterSource {
    pub(crate) write: WriteBody,
    pub(crate) filter: Option<Box<dyn BodyFilter>>,
    /// How many bytes it writes, if that is known.
    pub(crate) length: Option<u64>,
    /// It is run for what else it does, even if no body is sent.
    pub(crate) runs_bodiless: bool,
}

impl WriterSource {
    pub(crate) fn new(write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static) -> Self {
        let write = Contained::new(Box::new(write) as _);
        Self { write, filter: None, length: None, runs_bodiless: false }
    }
}

/// Where a body comes from.
#[derive(Default)]
pub(crate) enum BodySource {
    /// The response's own buffer.
    #[default]
    Buffer,
    /// Bytes of somebody else's, which can be looked at as well.
    Shared(SharedBytes),
    File(FileRange),
    Pull(Box<dyn Pull>),
    /// The user's own code writes it.
    Writer(WriterSource),
}

impl BodySource {
    /// The length of a body that is not in the buffer; `None` when it is not known.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Buffer => None,
            Self::Writer(writer) => writer.length,
            Self::Shared(bytes) => Some(bytes.as_ref().len() as u64),
            Self::File(range) => range.size(),
            Self::Pull(source) => source.size(),
        }
    }

    /// Whether the body is not bytes that are there.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self, Self::Buffer | Self::Shared(_))
    }
}

impl fmt::Debug for BodySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer => f.write_str("Buffer"),
            Self::Shared(bytes) => f.debug_tuple("Shared").field(&bytes.as_ref().len()).finish(),
            Self::File(range) => range.fmt(f),
            Self::Pull(source) => source.fmt(f),
            Self::Writer(_) => f.write_str("Writer"),
        }
    }
}
