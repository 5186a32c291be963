//! A form with files, sent as its files are read.
//!
//! The idea: what stands between the contents of parts is written by the writer of multipart bodies into memory, and
//! cut where a content belongs that is read later.

use super::body::{AnyReader, SendBody};
use crate::values::multipart::{Boundary, MultipartWriter};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A form with files, to be sent as `multipart/form-data` (RFC 7578).
///
/// Of texts and of files by [`file_at`](Self::file_at) it can be sent again, so the request follows redirects and is
/// repeated like any other; a reader gives what it has but once.
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
    parts: Vec<FormPart<'a>>,
    /// `None`: one of the contents has a length that nobody knows.
    length: Option<u64>,
}

/// One piece of the body behind the other.
enum FormPart<'a> {
    Bytes(Arc<[u8]>),
    /// As much of it.
    File(File, u64),
    Once(AnyReader<'a>),
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
        content: impl Read + Send + 'a,
        length: Option<u64>,
    ) -> Self {
        self.begin_file(name, file_name, content_type);
        let content: AnyReader<'a> = match length {
            Some(length) => Box::new(content.take(length)),
            None => Box::new(content),
        };
        self.push(FormPart::Once(content), length);
        self
    }

    /// Adds the file at `path`, with the last part of that for its name.
    ///
    /// # Errors
    /// When it cannot be opened, or its length cannot be had.
    pub fn file_at(mut self, name: &str, content_type: &str, path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.begin_file(name, &file_name, content_type);
        self.push(FormPart::File(file, length), Some(length));
        Ok(self)
    }

    /// Its media type, and what is to be sent.
    pub(super) fn into_body(mut self) -> (String, SendBody<'a>) {
        self.cut();
        let content_type = self.boundary.form_content_type();
        let length = self.length;
        let end = self.writer.finish().unwrap_or_default();
        let length = length.map(|length| length + end.len() as u64);
        self.parts.push(FormPart::Bytes(end.into()));
        let mut parts = self.parts;
        if parts.iter().any(|part| matches!(part, FormPart::Once(_))) {
            let joined = JoinedParts::of(parts.into_iter().map(FormPart::into_reader).collect());
            let body = match length {
                Some(length) => SendBody::sized(joined, length),
                None => SendBody::new(joined),
            };
            return (content_type, body);
        }
        let make =
            move || parts.iter_mut().map(FormPart::again).collect::<io::Result<_>>().map(JoinedParts::of);
        (content_type, SendBody::repeatable(length, make))
    }

    /// Its media type and all of its bytes.
    #[cfg(feature = "testing")]
    pub(crate) fn into_bytes(self) -> io::Result<(String, Vec<u8>)> {
        let (content_type, mut body) = self.into_body();
        let (mut bytes, mut left) = (Vec::new(), body.length());
        loop {
            let piece = body.next_piece(left)?;
            if piece.is_empty() {
                return Ok((content_type, bytes));
            }
            bytes.extend_from_slice(piece);
            left = left.map(|left| left - piece.len() as u64);
        }
    }

    /// Writes what stands before the content of a file.
    fn begin_file(&mut self, name: &str, file_name: &str, content_type: &str) {
        let written = self.writer.file(name, file_name, content_type, io::empty());
        debug_assert!(written.is_ok(), "memory takes all");
        self.cut();
    }

    /// Moves what was written into the parts.
    fn cut(&mut self) {
        let written = std::mem::take(self.writer.get_mut());
        let length = written.len() as u64;
        self.push(FormPart::Bytes(written.into()), Some(length));
    }

    fn push(&mut self, part: FormPart<'a>, length: Option<u64>) {
        self.parts.push(part);
        self.length = self.length.zip(length).and_then(|(one, other)| one.checked_add(other));
    }
}

impl<'a> FormPart<'a> {
    /// What it has.
    fn into_reader(self) -> AnyReader<'a> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::File(file, length) => Box::new(file.take(length)),
            Self::Once(reader) => reader,
        }
    }

    /// What it has, from its beginning, as often as it is asked for.
    fn again(&mut self) -> io::Result<AnyReader<'a>> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Self::File(file, length) => {
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(file.try_clone()?.take(*length)))
            }
            Self::Once(_) => Err(io::Error::other("a reader cannot be read again")),
        }
    }
}

/// Several readers, one behind the other.
struct JoinedParts<'a> {
    current: Option<AnyReader<'a>>,
    rest: std::vec::IntoIter<AnyReader<'a>>,
}

impl<'a> JoinedParts<'a> {
    fn of(readers: Vec<AnyReader<'a>>) -> Self {
        Self { current: None, rest: readers.into_iter() }
    }
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
