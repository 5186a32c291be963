//! The parser over a reader: parts that are read one after the other.
//!
//! The rule: a part that is dropped half read costs nothing but the reading of its rest; the next one begins
//! where it begins.

use super::Boundary;
use super::error::{Error, Limit};
use super::head::PartHead;
use super::limits::Limits;
use super::scanner::{ScanEvent, Scanner};
use crate::values::headers::Fields;
use std::fmt;
use std::io::{self, BufRead, Read};

/// A multipart body, read part by part; see the [module's text](super).
pub struct Multipart<R> {
    source: R,
    scanner: Scanner,
}

impl<R: Read> Multipart<R> {
    /// The body that `reader` gives, with the default [`Limits`].
    ///
    /// The reader has to end where the body ends. It is read in large pieces, so it need not be buffered.
    pub fn new(reader: R, boundary: &Boundary) -> Self {
        Self::with_limits(reader, boundary, Limits::new())
    }

    /// As [`new`](Multipart::new), with these limits.
    pub fn with_limits(reader: R, boundary: &Boundary, limits: Limits) -> Self {
        Self { source: reader, scanner: Scanner::new(boundary, limits) }
    }

    /// The next part, or `None` when the body is complete, which includes that the reader has ended.
    ///
    /// What is left of the part before is skipped.
    ///
    /// # Errors
    /// When the body is malformed or cut off, exceeds a limit, or cannot be read. After an [`Error::Io`] that was
    /// not final, such as a time limit, call again; the others come again and again.
    pub fn next_part(&mut self) -> Result<Option<Part<'_, R>>, Error> {
        loop {
            match self.advance()? {
                ScanEvent::PartStart => return Ok(Some(Part { multipart: self, has_ended: false })),
                ScanEvent::Content => self.scanner.consume(usize::MAX),
                ScanEvent::End => return Ok(None),
                ScanEvent::PartEnd | ScanEvent::NeedInput => {}
            }
        }
    }

    /// The reader. Bytes that were read from it and not handed out are lost.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// The next event that is not a wish for input.
    fn advance(&mut self) -> Result<ScanEvent, Error> {
        loop {
            match self.scanner.step()? {
                ScanEvent::NeedInput => {}
                event => return Ok(event),
            }
            let space = self.scanner.space();
            match self.source.read(space) {
                Ok(count) => self.scanner.filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::of_reader(error)),
            }
        }
    }
}

impl<R> fmt::Debug for Multipart<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").finish_non_exhaustive()
    }
}

/// One part of a multipart body: a head, and the content to read.
///
/// The content is handed out as it is. A `Content-Transfer-Encoding`, which must not be sent over HTTP, is not
/// undone. [`BufRead`] gives it without a copy.
pub struct Part<'a, R> {
    multipart: &'a mut Multipart<R>,
    has_ended: bool,
}

impl<R: Read> Part<'_, R> {
    /// The name of the form field, out of `Content-Disposition`.
    ///
    /// `None` when the part does not say one. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn name(&self) -> Option<&str> {
        self.head().name()
    }

    /// The file name, out of `Content-Disposition`, without the directories that some clients put in front.
    ///
    /// `None` when the part does not say one, empty when it says an empty one (no file was chosen) or one that
    /// names no file (`..`). The peer chose it: do not use it as a path before you looked at it.
    pub fn file_name(&self) -> Option<&str> {
        self.head().file_name()
    }

    /// Whether the part is a file: it says a file name that is not empty, even if one (`..`) of which
    /// [`file_name`](Part::file_name) leaves nothing.
    pub fn is_file(&self) -> bool {
        self.head().is_file()
    }

    /// The media type. `None` means text (RFC 7578 section 4.4).
    pub fn content_type(&self) -> Option<&str> {
        self.head().content_type()
    }

    /// All fields of the part's head.
    pub fn headers(&self) -> Fields<'_> {
        self.head().headers().fields()
    }

    /// Reads the rest of the content, if it is not more than `max_bytes`.
    ///
    /// What was read before an error is gone. To go on after an [`Error::Io`] that was not final, read with
    /// [`Read::read_to_end`], which keeps it.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when it is more, and the errors of [`Multipart::next_part`].
    pub fn read_to_vec(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        loop {
            let piece = self.content()?;
            if piece.is_empty() {
                return Ok(content);
            }
            if piece.len() > max_bytes - content.len() {
                return Err(Error::TooLarge(Limit::Part));
            }
            content.extend_from_slice(piece);
            let count = piece.len();
            self.consume(count);
        }
    }

    /// The next piece of content, empty at its end.
    pub(crate) fn content(&mut self) -> Result<&[u8], Error> {
        if !self.has_ended && self.multipart.scanner.content().is_empty() {
            self.has_ended = self.multipart.advance()? == ScanEvent::PartEnd;
        }
        Ok(self.multipart.scanner.content())
    }

    /// Takes the head out; the part has an empty one from now on.
    pub(crate) fn take_head(&mut self) -> PartHead {
        self.multipart.scanner.take_head()
    }

    fn head(&self) -> &PartHead {
        self.multipart.scanner.head()
    }
}

impl<R: Read> BufRead for Part<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.content()?)
    }

    fn consume(&mut self, count: usize) {
        self.multipart.scanner.consume(count);
    }
}

impl<R: Read> Read for Part<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let piece = self.content()?;
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> fmt::Debug for Part<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("headers", &self.headers()).finish_non_exhaustive()
    }
}
