//! The head of a part: its field lines, and what they say about the form.
//!
//! Source: RFC 2046 section 5.1, RFC 5322 sections 2.2 and 2.2.3. Unlike the head of a request, the head of a part
//! may fold a field over several lines.
//!
//! The rule: a name is a token directly followed by its colon, and nothing in a head is a control byte.

use super::disposition::Disposition;
use super::error::{Cause, Limit, Malformed};
use super::limits::HEAD_FIELDS_MAX;
use crate::util::token;
use crate::values::headers::Headers;
use std::borrow::Cow;

/// What is known of a part before its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartHead {
    headers: Headers,
    disposition: Disposition,
}

impl PartHead {
    /// Reads the field lines `text`, each with the CR LF in front of it. The memory of `self` is used again.
    pub(super) fn parse(&mut self, text: &[u8]) -> Result<(), Cause> {
        self.headers.clear();
        self.headers.set_names_normalizing(false);
        self.disposition = Disposition::default();
        let mut field: Option<(&[u8], Cow<'_, [u8]>)> = None;
        for line in lines(text) {
            if !line.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
                return Err(Malformed::Head.into());
            }
            if let [b' ' | b'\t', ..] = line {
                let (_, value) = field.as_mut().ok_or(Malformed::Head)?;
                let value = value.to_mut();
                value.push(b' ');
                value.extend_from_slice(token::trim(line));
                continue;
            }
            let colon = memchr::memchr(b':', line).ok_or(Malformed::Head)?;
            let name = &line[..colon];
            if !token::is_token(name) {
                return Err(Malformed::Head.into());
            }
            if self.headers.len() + 1 >= HEAD_FIELDS_MAX && field.is_some() {
                return Err(Limit::Head.into());
            }
            let next = (name, Cow::Borrowed(token::trim(&line[colon + 1..])));
            if let Some((name, value)) = field.replace(next) {
                self.headers.append(name, token::trim(&value));
            }
        }
        if let Some((name, value)) = field {
            self.headers.append(name, token::trim(&value));
        }
        Ok(self.read_disposition()?)
    }

    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.disposition.name.as_deref()
    }

    pub(crate) fn file_name(&self) -> Option<&str> {
        self.disposition.base_name()
    }

    /// Whether the part is a file. An empty file name means that none was chosen.
    pub(crate) fn is_file(&self) -> bool {
        self.disposition.file_name.as_deref().is_some_and(|name| !name.is_empty())
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.headers.get_str("Content-Type")
    }

    fn read_disposition(&mut self) -> Result<(), Malformed> {
        let mut values = self.headers.get_all("Content-Disposition");
        let first = values.next();
        if values.next().is_some() {
            return Err(Malformed::Disposition);
        }
        let found = first.map(Disposition::parse).transpose()?;
        drop(values);
        self.disposition = found.unwrap_or_default();
        Ok(())
    }
}

/// The lines of `text`, which is empty or starts with the CR LF in front of its first line.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let line = rest.strip_prefix(b"\r\n")?;
        let end = memchr::memmem::find(line, b"\r\n").unwrap_or(line.len());
        rest = &line[end..];
        Some(&line[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PartHead, Cause> {
        let mut head = PartHead::default();
        head.parse(text.as_bytes()).map(|()| head)
    }

    #[test]
    fn fields_and_folds() {
        let head = parse(
            "\r\ncontent-disposition: form-data;\r\n\tname=\"a\";\r\n  filename=\"b\"\r\nX-Y:\r\nx-y: 2 \r\n3:",
        )
        .expect("a head");
        assert_eq!((head.name(), head.file_name()), (Some("a"), Some("b")));
        let unfolded = "form-data; name=\"a\"; filename=\"b\"";
        assert_eq!(head.headers().get_str("Content-Disposition"), Some(unfolded));
        let values: Vec<&[u8]> = head.headers().get_all("x-y").collect();
        assert_eq!(values, [&b""[..], b"2"]);
        assert_eq!(head.headers().len(), 4);
        assert_eq!(parse("").expect("an empty head").headers().len(), 0);
    }

    #[test]
    fn a_head_forgets_the_one_before() {
        let mut head = parse("\r\nContent-Disposition: form-data; name=a\r\nX: 1").expect("a head");
        head.parse(b"\r\nY: 2").expect("a head");
        assert_eq!((head.name(), head.headers().len()), (None, 1));
    }

    #[test]
    fn malformed_heads() {
        for bad in [
            "\r\nno colon",
            "\r\n: v",
            "\r\nA : v",
            "\r\n A: v",
            "\r\nA B: v",
            "\r\nA: v\nB: w",
            "\r\nA: v\rB: w",
            "\r\nA: \0",
            "\r\nA: v\x7f",
            "\r\nÄ: v",
            "\r\n--b--",
        ] {
            assert_eq!(parse(bad).err(), Some(Malformed::Head.into()), "{bad:?}");
        }
        let twice = "\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=a";
        assert_eq!(parse(twice).err(), Some(Malformed::Disposition.into()));
    }

    #[test]
    fn many_fields_are_too_many() {
        assert_eq!(parse(&"\r\nA:".repeat(64)).expect("a head").headers().len(), 64);
        assert_eq!(parse(&"\r\nA:".repeat(65)).err(), Some(Limit::Head.into()));
    }
}
