//! A file out of a form: what its part said of it, and its content to read or to save.

use super::store::Store;
use crate::util::file::link_unnamed;
use crate::values::headers::{Fields, Headers};
use crate::values::multipart::PartHead;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that was sent with a form, in memory or in a temporary file.
///
/// ```
/// use anthill_http::form::Form;
/// use std::io::Read;
///
/// let body = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nsix legs\r\n--b--\r\n";
/// let form = Form::read("multipart/form-data; boundary=b", &body[..])?;
/// let file = form.file("f")?;
/// assert_eq!((file.file_name(), file.len()), ("a.txt", 8));
/// let mut content = String::new();
/// file.reader().read_to_string(&mut content)?;
/// assert_eq!(content, "six legs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FormFile {
    head: PartHead,
    store: Store,
    /// Somebody has given the temporary file a name, or is about to.
    is_claimed: AtomicBool,
}

impl FormFile {
    pub(super) fn new(head: PartHead, store: Store) -> Self {
        Self { head, store, is_claimed: AtomicBool::new(false) }
    }

    /// The name of the form field.
    pub fn name(&self) -> &str {
        self.head.name().unwrap_or_default()
    }

    /// The name of the file without directories; see [`Part::file_name`](crate::multipart::Part::file_name).
    pub fn file_name(&self) -> &str {
        self.head.file_name().unwrap_or_default()
    }

    /// The media type that the peer says it has.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type()
    }

    /// All fields of the part's head.
    pub fn headers(&self) -> Fields<'_> {
        self.head.headers().fields()
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.store.len()
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content, if it is in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Memory(content) => Some(content),
            Store::Disk { .. } => None,
        }
    }

    /// A reader of the content, from its start. Any number of them may read at once.
    pub fn reader(&self) -> FileReader<'_> {
        FileReader { store: &self.store, position: 0 }
    }

    /// Copies the content into a file, which is created or overwritten. Returns its length in bytes.
    /// [`persist`](Self::persist) overwrites nothing, and may do without a copy.
    ///
    /// Do not make the path out of [`file_name`](FormFile::file_name) alone: the peer chose it.
    ///
    /// # Errors
    /// When the file cannot be created or written, or the temporary file cannot be read.
    pub fn save_to(&self, path: impl AsRef<Path>) -> io::Result<u64> {
        let mut target = File::create(path)?;
        io::copy(&mut BufReader::with_capacity(COPY_BYTES, self.reader()), &mut target)
    }

    /// Keeps the content under a name: a new file at `path`. Returns its length in bytes.
    ///
    /// Content that has a temporary file to itself is not copied on Linux the first time: that file gets the name, and
    /// from then on the content is what becomes of it. So it is for the only file of a form beyond
    /// [`max_memory_bytes`](super::Options::max_memory_bytes), and for as many as
    /// [`own_files`](super::Options::own_files) says. All else is copied, as by [`save_to`](Self::save_to): small
    /// files, those that share a temporary file, and those whose [`temp_dir`](super::Options::temp_dir) lies in another
    /// file system than `path`. Neither way leaves half a file there when it fails. It may be called by several threads
    /// at once: to the same path one of them succeeds, and to different ones each has a file of its own.
    ///
    /// Do not make the path out of [`file_name`](FormFile::file_name) alone: the peer chose it.
    ///
    /// ```
    /// use anthill_http::form::Form;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let disposition = "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"";
    /// let body = format!("--b\r\n{disposition}\r\n\r\nsix legs\r\n--b--\r\n");
    /// let options = Form::options().temp_dir(folder.path()).max_memory_bytes(0);
    /// let form = options.read("multipart/form-data; boundary=b", body.as_bytes())?;
    /// let path = folder.path().join("upload-1");
    /// assert_eq!(form.file("f")?.persist(&path)?, 8);
    /// assert_eq!(std::fs::read(&path)?, b"six legs");
    /// let again = form.file("f")?.persist(&path).unwrap_err();
    /// assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists` when something is at `path`, which stays as it is; when nothing can be made there, or not be
    /// written, or the temporary file not be read.
    // FRM-03.
    pub fn persist(&self, path: impl AsRef<Path>) -> io::Result<u64> {
        let path = path.as_ref();
        if let Some(file) = self.store.alone_in()? {
            // One of those who do this at once: a second name would not be a second file.
            if !self.is_claimed.swap(true, Ordering::Relaxed) {
                let linked = link_unnamed(file, path);
                self.is_claimed.store(matches!(linked, Ok(true)), Ordering::Relaxed);
                if linked? {
                    return Ok(self.len());
                }
            }
        }
        let mut target = File::options().write(true).create_new(true).open(path)?;
        let copied = io::copy(&mut BufReader::with_capacity(COPY_BYTES, self.reader()), &mut target);
        if copied.is_err() {
            // That it cannot be removed either is no better news.
            let _ = fs::remove_file(path);
        }
        copied
    }

    pub(super) fn all_headers(&self) -> &Headers {
        self.head.headers()
    }
}

/// Bytes per read while a file is saved.
const COPY_BYTES: usize = 64 * 1024;

/// Reads a file of a form; see [`FormFile::reader`].
#[derive(Clone, Debug)]
pub struct FileReader<'a> {
    store: &'a Store,
    position: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.store.read_at(out, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FileReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.store.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        // Beyond this, operating systems refuse to read.
        let target = target.filter(|&position| i64::try_from(position).is_ok());
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "seek to a position between 0 and 2^63 - 1")
        })?;
        Ok(self.position)
    }
}
