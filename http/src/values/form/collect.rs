//! From a body to a form.
//!
//! The rule: a bound is checked before what it bounds is stored.

use super::store::{Space, Store};
use super::{Error, Form, FormFile, FormType, Limit, Options};
use crate::util::pairs::Pairs;
use crate::values::args::Args;
use crate::values::coding::ContentDecoder;
use crate::values::multipart::{self, Boundary, Multipart, Part};
use std::io::{BufRead, Read};

impl Options {
    /// Reads a form with these options; see [`Form::read`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(&self, content_type: impl AsRef<[u8]>, reader: impl Read) -> Result<Form, Error> {
        self.check()?;
        match FormType::of(content_type)? {
            FormType::Urlencoded => self.read_urlencoded(reader),
            FormType::Multipart(boundary) => self.read_multipart(reader, &boundary),
        }
    }

    /// The same of a body with a content coding, which is the value of the `Content-Encoding` field: `gzip`, `deflate`,
    /// or nothing. [`max_body_bytes`](Options::max_body_bytes) and the other limits count what is decoded.
    ///
    /// # Errors
    /// [`Error::UnsupportedCoding`] for other codings, before anything is read; [`Error::Undecodable`] when the body is
    /// not in the coding; and those of [`read`](Options::read).
    // FRM-04.
    pub fn read_encoded(
        &self,
        content_type: impl AsRef<[u8]>,
        content_encoding: impl AsRef<[u8]>,
        reader: impl Read,
    ) -> Result<Form, Error> {
        let decoder = ContentDecoder::new(content_encoding, reader)?;
        self.read(content_type, decoder.max_decoded_bytes(None).max_ratio(self.ratio_max))
    }

    fn read_urlencoded(&self, reader: impl Read) -> Result<Form, Error> {
        let field_bytes_max = self.field_bytes_max as u64;
        let bytes_max = self.body_bytes_max.min(field_bytes_max);
        let mut body = Vec::new();
        reader.take(bytes_max.saturating_add(1)).read_to_end(&mut body)?;
        if body.len() as u64 > bytes_max {
            let is_body = self.body_bytes_max <= field_bytes_max;
            return Err(Error::TooLarge(if is_body { Limit::Body } else { Limit::FieldBytes }));
        }
        if Pairs::of(&body).count() > self.fields_max {
            return Err(Error::TooLarge(Limit::Fields));
        }
        Ok(Form { values: Args::parse(&body), files: Vec::new() })
    }

    fn read_multipart(&self, reader: impl Read, boundary: &Boundary) -> Result<Form, Error> {
        // Values and files have bounds of their own.
        let limits = multipart::Limits::new().max_part_bytes(None);
        let limits = limits.max_parts(self.fields_max).max_body_bytes(self.body_bytes_max);
        let mut multipart = Multipart::with_limits(reader, boundary, limits);
        let mut form = Form::default();
        let mut field_bytes_left = self.field_bytes_max;
        let mut space = Space::new(self.memory_bytes_max, self.temp_dir.as_deref(), self.own_files);
        while let Some(mut part) = multipart.next_part()? {
            let head_bytes = part.headers().iter().map(|(name, value)| name.len() + value.len()).sum();
            spend(&mut field_bytes_left, head_bytes)?;
            if part.name().is_none() {
                return Err(Error::UnnamedPart);
            }
            if part.is_file() {
                form.files.push(self.read_file(&mut part, &mut space)?);
            } else {
                let value = part.read_to_vec(field_bytes_left)?;
                spend(&mut field_bytes_left, value.len())?;
                form.values.append(part.name().unwrap_or_default(), value);
            }
        }
        Ok(form)
    }

    fn read_file(&self, part: &mut Part<'_, impl Read>, space: &mut Space<'_>) -> Result<FormFile, Error> {
        let head = part.take_head();
        let mut store = Store::default();
        loop {
            let piece = part.content()?;
            if piece.is_empty() {
                return Ok(FormFile::new(head, store));
            }
            let length = piece.len();
            if length as u64 > self.file_bytes_max.unwrap_or(u64::MAX).saturating_sub(store.len()) {
                return Err(Error::TooLarge(Limit::FileBytes));
            }
            store.append(piece, space).map_err(Error::Store)?;
            part.consume(length);
        }
    }
}

/// Takes `bytes` away from what is left.
fn spend(left: &mut usize, bytes: usize) -> Result<(), Error> {
    *left = left.checked_sub(bytes).ok_or(Error::TooLarge(Limit::FieldBytes))?;
    Ok(())
}
