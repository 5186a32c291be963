//! Forms, urlencoded or multipart, read as a whole: values in memory, files in memory or in temporary files.
//!
//! The idea: the content type decides how the body is read, and what comes out is the same: [`Args`] for the
//! values, and the files. A form that is too large to be held at all is read part by part with
//! [`multipart`](crate::multipart) instead.
//!
//! The rules: a type is matched as a whole and without regard to case, whatever parameters follow it. Everything
//! a peer can make grow has a bound in [`Options`]. A file on disk has no name there from the first byte on, so it
//! is gone with the [`Form`], or with the process.
//!
//! ```
//! use anthill_http::form::Form;
//!
//! let form = Form::read("application/x-www-form-urlencoded; charset=utf-8", &b"q=red+ants&page=2"[..])?;
//! assert_eq!(form.values().get_str("q"), Some("red ants"));
//! assert_eq!(form.values().get_uint("page"), Ok(2));
//! assert!(form.file("photo").is_err());
//! # Ok::<(), anthill_http::form::Error>(())
//! ```

mod collect;
mod error;
mod file;
mod options;
mod store;

pub use crate::values::bad_option::BadOption;
pub use error::{Error, Limit};
pub use file::{FileReader, FormFile};
pub use options::Options;

use crate::util::cut::cut;
use crate::util::token;
use crate::values::args::Args;
use crate::values::multipart::{Boundary, MultipartWriter};
use std::io::{self, Read, Write};

/// The two kinds of forms.
///
/// ```
/// use anthill_http::form::{Error, FormType};
///
/// assert_eq!(FormType::of("Application/X-WWW-Form-URLencoded;charset=UTF-8").unwrap(), FormType::Urlencoded);
/// assert!(matches!(FormType::of("multipart/form-data; boundary=x").unwrap(), FormType::Multipart(_)));
/// assert!(matches!(FormType::of("application/json"), Err(Error::NotAForm)));
/// ```
// FRM-01, FRM-02.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormType {
    /// `application/x-www-form-urlencoded`
    Urlencoded,
    /// `multipart/form-data`
    Multipart(Boundary),
}

impl FormType {
    /// What the value of a `Content-Type` field announces.
    ///
    /// # Errors
    /// [`Error::NotAForm`] when it is another type, [`Error::Boundary`] when a multipart form has no valid one.
    pub fn of(content_type: impl AsRef<[u8]>) -> Result<Self, Error> {
        let content_type = content_type.as_ref();
        let essence = token::trim(cut(content_type, b';').0);
        if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Ok(Self::Urlencoded)
        } else if essence.eq_ignore_ascii_case(b"multipart/form-data") {
            Boundary::from_content_type(content_type).map(Self::Multipart).map_err(Error::Boundary)
        } else {
            Err(Error::NotAForm)
        }
    }
}

/// A form that was read; see the [module's text](self).
#[derive(Debug, Default)]
pub struct Form {
    values: Args,
    files: Vec<FormFile>,
}

impl Form {
    /// Reads a form with the default [`Options`].
    ///
    /// `content_type` is the value of the `Content-Type` field; `reader` has to end where the body ends, and is
    /// read to its end. A body in memory is a reader, too: `request.body()`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(content_type: impl AsRef<[u8]>, reader: impl Read) -> Result<Self, Error> {
        Options::new().read(content_type, reader)
    }

    /// The default options, to change and then to [`read`](Options::read) with.
    pub fn options() -> Options {
        Options::new()
    }

    /// Names and values in the order in which they were sent.
    pub fn values(&self) -> &Args {
        &self.values
    }

    /// The first file of the field `name`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] when there is none. A field whose file was not chosen sends an empty
    /// file name; it is a value, and not a file.
    // FRM-03.
    pub fn file(&self, name: &str) -> Result<&FormFile, Error> {
        self.files_of(name).next().ok_or_else(|| Error::MissingFile(name.to_owned()))
    }

    /// All files of the field `name`.
    pub fn files_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a FormFile> {
        self.files.iter().filter(move |file| file.name() == name)
    }

    /// All files in the order in which they were sent.
    pub fn files(&self) -> &[FormFile] {
        &self.files
    }

    /// Writes the form as a multipart body: the values, then the files with the heads they came with.
    ///
    /// What was written so is read and written again to the same bytes.
    ///
    /// # Errors
    /// Those of the writer, and of reading temporary files.
    // FRM-02.
    pub fn write_to(&self, out: impl Write, boundary: &Boundary) -> io::Result<()> {
        let mut writer = MultipartWriter::new(out, boundary);
        for (name, value) in self.values.iter() {
            writer.field(&String::from_utf8_lossy(name), value.unwrap_or_default())?;
        }
        for file in &self.files {
            writer.part(file.all_headers(), file.reader())?;
        }
        writer.finish()?.flush()
    }
}
