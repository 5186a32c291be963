//! The other direction: a multipart body, written part by part.
//!
//! The rule: whatever names are given, they stay within their quotes and their line. The one thing that cannot be
//! checked while streaming is that no content has the boundary in it; a [`Boundary::random`] sees to that.

use super::Boundary;
use crate::values::headers::Headers;
use std::io::{self, Read, Write};

/// Writes the parts of a multipart body.
///
/// ```
/// use anthill_http::multipart::{Boundary, MultipartWriter};
///
/// let boundary = Boundary::new("sep")?;
/// let mut writer = MultipartWriter::new(Vec::new(), &boundary);
/// writer.field("title", "Ants")?;
/// writer.file("photo", "ant.txt", "text/plain", &b"six legs"[..])?;
/// let body = writer.finish()?;
/// assert_eq!(
///     String::from_utf8(body)?,
///     "--sep\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nAnts\r\n\
///      --sep\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"ant.txt\"\r\n\
///      Content-Type: text/plain\r\n\r\nsix legs\r\n--sep--\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MultipartWriter<W> {
    out: W,
    boundary: Boundary,
    has_parts: bool,
}

impl<W: Write> MultipartWriter<W> {
    /// Writes to `out`, which should be buffered. Nothing is written yet.
    pub fn new(out: W, boundary: &Boundary) -> Self {
        Self { out, boundary: boundary.clone(), has_parts: false }
    }

    /// A plain form field.
    ///
    /// # Errors
    /// Those of the writer underneath, as for all that follow.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> io::Result<()> {
        let disposition = format!("form-data; name={}", quoted(name));
        self.start([("Content-Disposition", disposition.as_bytes())])?;
        self.out.write_all(value.as_ref())
    }

    /// A file, whose content is copied from a reader. Returns its length in bytes.
    ///
    /// # Errors
    /// Those of the writer underneath and of the reader.
    pub fn file(
        &mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl Read,
    ) -> io::Result<u64> {
        let mut headers = Headers::new();
        let disposition = format!("form-data; name={}; filename={}", quoted(name), quoted(file_name));
        headers.append("Content-Disposition", disposition);
        headers.append("Content-Type", content_type);
        self.part(&headers, content)
    }

    /// A part with any head. Returns the length of its content in bytes.
    ///
    /// # Errors
    /// Those of the writer underneath and of the reader.
    pub fn part(&mut self, headers: &Headers, mut content: impl Read) -> io::Result<u64> {
        self.start(headers)?;
        io::copy(&mut content, &mut self.out)
    }

    /// The writer underneath.
    #[cfg(feature = "client")]
    pub(crate) fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes the closing delimiter and gives the writer back. Without this the body is cut off.
    ///
    /// # Errors
    /// Those of the writer underneath.
    pub fn finish(mut self) -> io::Result<W> {
        let line_end = if self.has_parts { "\r\n" } else { "" };
        write!(self.out, "{line_end}--{}--\r\n", self.boundary.as_str())?;
        Ok(self.out)
    }

    /// The delimiter and the head of a part.
    fn start<'a>(&mut self, fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> io::Result<()> {
        let line_end = if std::mem::replace(&mut self.has_parts, true) { "\r\n" } else { "" };
        write!(self.out, "{line_end}--{}\r\n", self.boundary.as_str())?;
        for (name, value) in fields {
            write!(self.out, "{name}: ")?;
            self.out.write_all(value)?;
            self.out.write_all(b"\r\n")?;
        }
        self.out.write_all(b"\r\n")
    }
}

/// `text` in quotes: quotes and backslashes escaped by a backslash, control characters as `%0D`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("%{:02X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_quotes() {
        assert_eq!(quoted("a\"; filename=\"b\\\r\nX: y\0ü"), "\"a\\\"; filename=\\\"b\\\\%0D%0AX: y%00ü\"");
    }

    #[test]
    fn no_parts_are_a_body_too() {
        let writer = MultipartWriter::new(Vec::new(), &Boundary::new("b").expect("a boundary"));
        assert_eq!(writer.finish().expect("a vector takes all"), b"--b--\r\n");
    }
}
