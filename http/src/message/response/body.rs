//! The forms a response's body can have.
//!
//! The rule: whatever produces a body is dropped exactly once, when the response was sent, given up or started over,
//! whether or not anybody asked it for a byte.

use super::BodyWriter;
use crate::util::panic::Contained;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// A body that is bytes of somebody else.
#[derive(Clone, Debug)]
pub(crate) enum Shared {
    Static(&'static [u8]),
    Counted(Arc<[u8]>),
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Counted(bytes) => bytes,
        }
    }
}

/// Runs after the handler and writes the body.
pub(crate) type WriteBody = Contained<Box<dyn FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send>>;

/// Where a body is read from.
pub(crate) type ReadBody = Contained<Box<dyn Read + Send>>;

/// Where a body comes from that is not collected in the response's own buffer.
#[derive(Default)]
pub(crate) enum Source {
    /// There is none: the body is in the buffer.
    #[default]
    None,
    Shared(Shared),
    /// Read until it ends, or, when its size is known, so many bytes.
    Reader {
        reader: ReadBody,
        size: Option<u64>,
    },
    /// So many bytes of a file from an offset.
    File {
        file: File,
        offset: u64,
        size: u64,
    },
    /// Written by the user's own code.
    Writer(WriteBody),
}

impl Source {
    /// The length of the body; `None` when it is not known.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::None | Self::Writer(_) => None,
            Self::Shared(bytes) => Some(bytes.as_ref().len() as u64),
            Self::Reader { size, .. } => *size,
            Self::File { size, .. } => Some(*size),
        }
    }

    /// Whether the body is not bytes that are there.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self, Self::None | Self::Shared(_))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Shared(bytes) => f.debug_tuple("Shared").field(&bytes.as_ref().len()).finish(),
            Self::Reader { size, .. } => f.debug_struct("Reader").field("size", size).finish_non_exhaustive(),
            Self::File { file, offset, size } => f
                .debug_struct("File")
                .field("file", file)
                .field("offset", offset)
                .field("size", size)
                .finish(),
            Self::Writer(_) => f.write_str("Writer"),
        }
    }
}
