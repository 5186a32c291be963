//! What the bytes of a body are pulled from, a piece at a time.
//!
//! The idea: whoever sends a body asks its source for the next piece, so a source can stand in front of another and
//! give what it makes of that one's pieces.
//!
//! The rule: what a source that is the user's leaves behind when it is dropped stays here, a panic included.

use crate::util::file::read_at;
use crate::util::panic::Contained;
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Gives a body, piece by piece. May block, and may be the user's code.
pub(crate) trait Pull: Send {
    /// The length of the whole body in bytes; `None` when it is not known.
    fn size(&self) -> Option<u64>;

    /// Replaces what is in `piece` by the next bytes, `most` at most. None come at the end.
    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()>;

    /// Appends the lines of what is to follow the body, which has been pulled to its end.
    fn append_trailers(&mut self, _lines: &mut Vec<u8>) {}

    /// The body is sent from here on to `client`, which may be looked at until this is dropped.
    fn see_client(&mut self, _client: &dyn Fn() -> Option<Arc<dyn Transport>>) {}

    /// Whether a pull computes for long, so that others are to be served between two of them.
    fn computes(&self) -> bool {
        false
    }

    /// The file that the next bytes are in; `None` when they are not as they are in any file.
    fn file(&self) -> Option<FileStretch<'_>> {
        None
    }

    /// So many of the next bytes were sent without having been pulled; only of one that has a file.
    fn skip(&mut self, _count: u64) {}

    /// The same source, if it is one that may have nothing for now.
    fn live(&mut self) -> Option<&mut dyn Live> {
        None
    }
}

/// Where in a file the next bytes of a body are.
pub(crate) struct FileStretch<'a> {
    pub(crate) file: &'a File,
    pub(crate) offset: u64,
    /// So many of them at most.
    pub(crate) count: u64,
}

/// A source that may have nothing for now without being at its end. Its pulls neither block nor run the user's code,
/// and are made only when it is ready.
pub(crate) trait Live {
    /// Whether a pull gives something now, the end included. If not, the waker is used once when one would.
    fn is_ready(&mut self, waker: &dyn Fn() -> Waker) -> bool;

    /// The next pull gives something, be it without a meaning, so that it is seen whether the peer takes it.
    fn beat(&mut self);

    /// Comes to its end behind what is there.
    fn end(&mut self);

    /// Whether the peer is to be cut off, whatever it takes.
    fn has_failed(&mut self) -> bool;

    /// After how long without a piece it is to [`beat`](Live::beat); `None`: never.
    fn heartbeat(&mut self) -> Option<Duration>;
}

/// Bytes of somebody else's.
#[derive(Clone, Debug)]
pub(crate) enum SharedBytes {
    Static(&'static [u8]),
    Counted(Arc<[u8]>),
    /// Nobody else's, that are sent in other forms.
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    Owned(Vec<u8>),
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Counted(bytes) => bytes,
            #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What of shared bytes was not pulled yet.
pub(crate) struct SharedRest {
    bytes: SharedBytes,
    pulled: usize,
}

impl SharedRest {
    pub(crate) fn new(bytes: SharedBytes) -> Self {
        Self { bytes, pulled: 0 }
    }
}

impl Pull for SharedRest {
    fn size(&self) -> Option<u64> {
        Some(self.bytes.as_ref().len() as u64)
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let rest = self.bytes.as_ref().get(self.pulled..).unwrap_or_default();
        let next = &rest[..rest.len().min(most)];
        piece.clear();
        piece.extend_from_slice(next);
        self.pulled += next.len();
        Ok(())
    }
}

/// An open file, of one's own or of several's.
#[derive(Debug)]
pub(crate) enum FileHandle {
    Own(File),
    #[cfg(feature = "fs")]
    Shared(Arc<File>),
}

impl Deref for FileHandle {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Own(file) => file,
            #[cfg(feature = "fs")]
            Self::Shared(file) => file,
        }
    }
}

/// So many bytes of a file from an offset. The position of the handle is neither used nor changed.
#[derive(Debug)]
pub(crate) struct FileRange {
    file: FileHandle,
    offset: u64,
    size: u64,
}

impl FileRange {
    pub(crate) fn new(file: FileHandle, offset: u64, size: u64) -> Self {
        Self { file, offset, size }
    }
}

impl Pull for FileRange {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.resize(most, 0);
        let count = read_at(&self.file, piece, self.offset)?;
        piece.truncate(count);
        self.skip(count as u64);
        Ok(())
    }

    fn file(&self) -> Option<FileStretch<'_>> {
        Some(FileStretch { file: &self.file, offset: self.offset, count: self.size })
    }

    fn skip(&mut self, count: u64) {
        self.offset = self.offset.saturating_add(count);
    }
}

/// A source of which the first piece is here already.
pub(super) struct BegunSource {
    first: Vec<u8>,
    /// Of the first piece, nothing was pulled from here yet.
    is_first: bool,
    size: Option<u64>,
    rest: Box<dyn Pull>,
}

impl BegunSource {
    /// Pulls the first piece, of `most` bytes at most. What it is of that fails is gone.
    pub(super) fn begin(mut rest: Box<dyn Pull>, most: usize) -> io::Result<Self> {
        let (mut first, size) = (Vec::new(), rest.size());
        rest.pull(&mut first, most)?;
        Ok(Self { first, is_first: true, size, rest })
    }

    /// Whether the source was at its end at once.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

impl Pull for BegunSource {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn append_trailers(&mut self, lines: &mut Vec<u8>) {
        self.rest.append_trailers(lines);
    }

    fn see_client(&mut self, client: &dyn Fn() -> Option<Arc<dyn Transport>>) {
        self.rest.see_client(client);
    }

    fn computes(&self) -> bool {
        self.rest.computes()
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        if !std::mem::take(&mut self.is_first) && self.first.is_empty() {
            return self.rest.pull(piece, most);
        }
        let behind = self.first.split_off(most.min(self.first.len()));
        *piece = std::mem::replace(&mut self.first, behind);
        Ok(())
    }

    fn file(&self) -> Option<FileStretch<'_>> {
        if self.is_first || !self.first.is_empty() { None } else { self.rest.file() }
    }

    fn skip(&mut self, count: u64) {
        self.rest.skip(count);
    }
}

/// Whatever a reader of the user's gives until it ends.
pub(crate) struct ReaderSource<R> {
    reader: Contained<R>,
    size: Option<u64>,
}

impl<R: Read> ReaderSource<R> {
    /// `size`: how much that is, when it is known.
    pub(crate) fn new(reader: R, size: Option<u64>) -> Self {
        Self { reader: Contained::new(reader), size }
    }
}

impl<R: Read + Send> Pull for ReaderSource<R> {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.resize(most, 0);
        let count = self.reader.as_mut().map_or(Ok(0), |reader| read(reader, piece))?;
        piece.truncate(count);
        Ok(())
    }
}

fn read(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(piece) {
            // A reader that claims more than it was given must not become our panic.
            Ok(count) => return Ok(count.min(piece.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Not to be taken for the connection's own.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let reason = "the response's body source would block; give a blocking one";
                return Err(io::Error::other(reason));
            }
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for dyn Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull").field("size", &self.size()).finish_non_exhaustive()
    }
}
