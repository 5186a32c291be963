//! A form with files, sent as its files are read.
//!
//! The idea: what stands between the contents of parts is written by the writer of multipart bodies into memory, and
//! cut where a content belongs that is read later.

use super::body::SendBody;
use crate::values::multipart::{Boundary, MultipartWriter};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

/// A form with files, to be sent as `multipart/form-data` (RFC 7578).
///
/// ```
/// use anthill_http::client::{Client, MultipartForm};
/// use anthill_http::Server;
///
/// let running = Server::new(|ctx| {
///     let title = ctx.form_value_str("title").map(|title| title.into_owned());
///     let photo = ctx.form_file("photo").ok().map(|file| (file.file_name().to_owned(), file.len()));
///     ctx.set_body(format!("{title:?} {photo:?}"));
/// })?
/// .start("127.0.0.1:0")?;
/// let form = MultipartForm::new().text("title", "Ants").file("photo", "ant.png", "image/png", &b"six legs"[..], None);
/// let url = format!("http://{}/", running.local_addr());
/// assert_eq!(Client::new().post(&url).multipart(form).send()?.text()?, r#"Some("Ants") Some(("ant.png", 8))"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MultipartForm<'a> {
    boundary: Boundary,
    writer: MultipartWriter<Vec<u8>>,
    parts: Vec<Box<dyn Read + 'a>>,
    /// `None`: one of the contents has a length that nobody knows.
    length: Option<u64>,
}

impl<'a> MultipartForm<'a> {
    /// A form with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let boundary = Boundary::random();
        let writer = MultipartWriter::new(Vec::new(), &boundary);
        Self { boundary, writer, parts: Vec::new(), length: Some(0) }
    }

    /// Adds a field with a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let written = self.writer.field(name, value);
        debug_assert!(written.is_ok(), "memory takes all");
        self
    }

    /// Adds a file with what `content` gives: `length` bytes if that is known; else the whole body goes in chunks,
    /// which takes a server that speaks HTTP/1.1.
    #[must_use]
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl Read + 'a,
        length: Option<u64>,
    ) -> Self {
        let written = self.writer.file(name, file_name, content_type, io::empty());
        debug_assert!(written.is_ok(), "memory takes all");
        self.cut();
        match length {
            Some(length) => self.push(content.take(length), Some(length)),
            None => self.push(content, None),
        }
        self
    }

    /// Adds the file at `path`, with the last part of that for its name.
    ///
    /// # Errors
    /// When it cannot be opened, or its length cannot be had.
    pub fn file_at(self, name: &str, content_type: &str, path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(self.file(name, &file_name, content_type, file, Some(length)))
    }

    /// Its media type, and what is to be sent.
    pub(super) fn into_body(mut self) -> (String, SendBody<'a>) {
        self.cut();
        let content_type = self.boundary.form_content_type();
        let length = self.length;
        let end = self.writer.finish().unwrap_or_default();
        let length = length.map(|length| length + end.len() as u64);
        self.parts.push(Box::new(Cursor::new(end)));
        let parts = JoinedParts { current: None, rest: self.parts.into_iter() };
        let body = match length {
            Some(length) => SendBody::sized(parts, length),
            None => SendBody::new(parts),
        };
        (content_type, body)
    }

    /// Moves what was written into the parts.
    fn cut(&mut self) {
        let written = std::mem::take(self.writer.get_mut());
        let length = written.len() as u64;
        self.push(Cursor::new(written), Some(length));
    }

    fn push(&mut self, part: impl Read + 'a, length: Option<u64>) {
        self.parts.push(Box::new(part));
        self.length = self.length.zip(length).and_then(|(one, other)| one.checked_add(other));
    }
}

/// Several readers, one behind the other.
struct JoinedParts<'a> {
    current: Option<Box<dyn Read + 'a>>,
    rest: std::vec::IntoIter<Box<dyn Read + 'a>>,
}

impl Read for JoinedParts<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() {
            let Some(current) = &mut self.current else {
                self.current = self.rest.next();
                if self.current.is_none() {
                    break;
                }
                continue;
            };
            match current.read(into)? {
                0 => self.current = None,
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}

impl Default for MultipartForm<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MultipartForm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultipartForm").field("length", &self.length).finish_non_exhaustive()
    }
}
