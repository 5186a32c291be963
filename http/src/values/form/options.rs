//! Every bound on a form that is read as a whole, on one page, and where its files go.

use crate::values::bad_option::BadOption;
use crate::values::coding::{DECODED_BYTES_DEFAULT, RATIO_DEFAULT};
use std::path::PathBuf;

/// How a form is read.
///
/// Reading fails with [`Error::BadOption`](super::Error::BadOption), before it looks at the form, when a bound is zero
/// (but [`max_memory_bytes`](Self::max_memory_bytes), which may be) or more than another allows.
///
/// ```
/// use anthill_http::form::{Error, Form, Limit};
///
/// let options = Form::options().max_fields(2);
/// let kind = "application/x-www-form-urlencoded";
/// assert_eq!(options.read(kind, &b"a=1&b=2"[..]).unwrap().values().len(), 2);
/// let error = options.read(kind, &b"a=1&b=2&c=3"[..]).unwrap_err();
/// assert!(matches!(error, Error::TooLarge(Limit::Fields)));
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) fields_max: usize,
    pub(super) field_bytes_max: usize,
    /// `None`: as long as the body.
    pub(super) file_bytes_max: Option<u64>,
    pub(super) body_bytes_max: u64,
    pub(super) ratio_max: Option<u32>,
    pub(super) memory_bytes_max: usize,
    pub(super) temp_dir: Option<PathBuf>,
    pub(super) own_files: usize,
}

impl Options {
    /// The defaults, which every setter names.
    pub fn new() -> Self {
        Self {
            fields_max: 1000,
            field_bytes_max: 4 * 1024 * 1024,
            file_bytes_max: None,
            body_bytes_max: DECODED_BYTES_DEFAULT,
            ratio_max: Some(RATIO_DEFAULT),
            memory_bytes_max: 1024 * 1024,
            temp_dir: None,
            own_files: 0,
        }
    }

    /// How many values and files together. Default: 1000.
    pub fn max_fields(mut self, fields: usize) -> Self {
        self.fields_max = fields;
        self
    }

    /// How many bytes all names, values and heads of parts together, which stay in memory. Default: 4 MiB, as much
    /// as a server takes as a body by default. An urlencoded body counts as it is sent. Never more than 1 GiB.
    pub fn max_field_bytes(mut self, bytes: usize) -> Self {
        self.field_bytes_max = bytes.min(FIELD_BYTES_CEILING);
        self
    }

    /// How many bytes one file. Default, and `None`: no limit but that of the body.
    pub fn max_file_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.file_bytes_max = bytes.into();
        self
    }

    /// How many bytes the body altogether, delimiters included. Default: 32 MiB; `u64::MAX`: no limit but that of the
    /// server. Where the body is decompressed on the way, these are the decompressed bytes.
    ///
    /// On a server [`max_request_body_size`](crate::ServerBuilder::max_request_body_size), 4 MiB by default, comes
    /// before this: a longer body is answered 413 without a call of the handler, unless it is streamed. For forms that
    /// are larger raise both, or stream the body, for their path alone:
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server, form};
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/upload" => RequestConfig::new().stream_request_body(true),
    ///         _ => RequestConfig::new(),
    ///     })
    ///     .build(|ctx| -> Result<(), form::Error> {
    ///         let form = ctx.form_with(&form::Options::new().max_body_bytes(100 << 20))?;
    ///         ctx.set_body(format!("{} files", form.files().len()));
    ///         Ok(())
    ///     })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // FRM-04.
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// How many bytes may come out for each byte of a body that is decoded on the way, at any time once 1 MiB has come
    /// out. Default: 200; `None`: no limit. See [`ContentDecoder::max_ratio`](crate::body::ContentDecoder::max_ratio).
    // FRM-04.
    pub fn max_ratio(mut self, ratio: impl Into<Option<u32>>) -> Self {
        self.ratio_max = ratio.into();
        self
    }

    /// The bound that [`max_body_bytes`](Options::max_body_bytes) sets.
    pub(crate) fn body_bytes_max(&self) -> u64 {
        self.body_bytes_max
    }

    /// How many bytes of files may stay in memory, all of them together. Default: 1 MiB. A file that would exceed
    /// it goes to a temporary file, one for all such files of the form; with 0 all files do.
    // FRM-03.
    pub fn max_memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes_max = bytes;
        self
    }

    /// How many files that do not stay in memory have a temporary file of their own, the first ones; all others share
    /// one more. Default: 0. Whatever has one of its own can be [persisted](super::FormFile::persist) without a copy.
    /// Each takes a descriptor as long as its form is there, so choose no more than a good form needs.
    // FRM-03.
    pub fn own_files(mut self, files: usize) -> Self {
        self.own_files = files;
        self
    }

    /// The folder for temporary files. Default: the system's, [`std::env::temp_dir`]. Choose one on a disk where
    /// that is kept in memory.
    pub fn temp_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temp_dir = Some(folder.into());
        self
    }
}

impl Options {
    /// Whether these can be meant.
    pub(super) fn check(&self) -> Result<(), BadOption> {
        BadOption::check_zero(&[
            ("max_fields", self.fields_max as u64),
            ("max_field_bytes", self.field_bytes_max as u64),
            ("max_file_bytes", self.file_bytes_max.unwrap_or(u64::MAX)),
            ("max_body_bytes", self.body_bytes_max),
        ])?;
        BadOption::check_ratio(self.ratio_max)?;
        BadOption::check_part("max_file_bytes", self.file_bytes_max, self.body_bytes_max)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// Positions in lists of arguments and of header fields are kept in 32 bits.
const FIELD_BYTES_CEILING: usize = 1024 * 1024 * 1024;
