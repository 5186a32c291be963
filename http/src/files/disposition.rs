//! `Content-Disposition` for downloads.
//!
//! Source: RFC 6266 (the field), RFC 8187 (names beyond ASCII).
//!
//! The rule: whatever a name has in it, the value is one line and one parameter of that name.

use crate::message::response::Response;
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::percent::append_encoded;

/// What stands as it is in an extended value (`attr-char` of RFC 8187).
static ATTRIBUTE: ByteSet = alphanumerics_and(b"!#$&+-.^_`|~");

/// The value that has a file saved under `name`, of which what is in front of the last slash or backslash does not
/// count.
pub(super) fn attachment(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut value = String::from("attachment");
    if name.is_empty() {
        return value;
    }
    // For clients that know the short form only; a percent sign would make some of them decode it.
    value.push_str("; filename=\"");
    let mut is_plain = true;
    for letter in name.chars() {
        match letter {
            '"' | '\\' | '%' => {
                is_plain = false;
                value.push('_');
            }
            ' '..='~' => value.push(letter),
            _ => {
                is_plain = false;
                value.push('_');
            }
        }
    }
    value.push('"');
    if !is_plain {
        let mut encoded = Vec::with_capacity(name.len() * 3);
        append_encoded(&mut encoded, name.as_bytes(), &ATTRIBUTE);
        value.push_str("; filename*=UTF-8''");
        value.push_str(&String::from_utf8_lossy(&encoded));
    }
    value
}

impl Response {
    /// Has the body saved as a file called `name`, rather than shown: sets `Content-Disposition` (RFC 6266). A name
    /// beyond ASCII is there in both forms (RFC 8187). Folders in front of it are left out.
    ///
    /// ```
    /// let mut response = anthill_http::Response::new();
    /// response.set_attachment("r\u{e9}sum\u{e9}.pdf");
    /// assert_eq!(
    ///     response.header_str("content-disposition"),
    ///     Some("attachment; filename=\"r_sum_.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf")
    /// );
    /// ```
    pub fn set_attachment(&mut self, name: impl AsRef<str>) {
        self.set_header("Content-Disposition", attachment(name.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_parameter() {
        for (name, expected) in [
            ("a.txt", "attachment; filename=\"a.txt\""),
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            ("../a/b.txt", "attachment; filename=\"b.txt\""),
            ("c:\\a\\b.txt", "attachment; filename=\"b.txt\""),
            ("", "attachment"),
            ("a/", "attachment"),
            ("a\".txt", "attachment; filename=\"a_.txt\"; filename*=UTF-8''a%22.txt"),
            ("a;b=\"c\"", "attachment; filename=\"a;b=_c_\"; filename*=UTF-8''a%3Bb%3D%22c%22"),
            ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
            ("50%", "attachment; filename=\"50_\"; filename*=UTF-8''50%25"),
            ("\u{20ac}", "attachment; filename=\"_\"; filename*=UTF-8''%E2%82%AC"),
        ] {
            assert_eq!(attachment(name), expected);
        }
    }
}
