//! `Content-Disposition` of a part: which field of the form it is, and which file.
//!
//! Source: RFC 7578 section 4.2, RFC 6266, RFC 8187. A `filename*` must not be sent in forms, and some clients
//! send it all the same: it counts only when there is no `filename`, so that every program that reads both agrees
//! with those that know only one. One that nobody can read says no more than that the part is a file's.
//!
//! The rule: a parameter that is given twice is refused; which one counts would be anybody's guess.

use super::error::Malformed;
use super::params;
use crate::util::{percent, token};

/// A name of which nothing is left without directories: of a file all the same, as an empty one is not.
const NAMELESS: &str = "/";

/// What a `Content-Disposition` says. Bytes that are not UTF-8 are replaced by U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    /// The name of the form field; only where the type is `form-data`.
    pub(super) name: Option<String>,
    /// The file name as sent, directories included.
    pub(super) file_name: Option<String>,
}

impl Disposition {
    pub(super) fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let (kind, params) = params::split(value);
        if !token::is_token(kind) {
            return Err(Malformed::Disposition);
        }
        let (mut name, mut file_name, mut extended) = (None, None, None);
        for param in params {
            let param = param.map_err(|_| Malformed::Disposition)?;
            let slot = match param.name {
                key if key.eq_ignore_ascii_case(b"name") => &mut name,
                key if key.eq_ignore_ascii_case(b"filename") => &mut file_name,
                key if key.eq_ignore_ascii_case(b"filename*") => &mut extended,
                _ => continue,
            };
            if slot.replace(param.value).is_some() {
                return Err(Malformed::Disposition);
            }
        }
        let file_name = match (file_name, extended) {
            (Some(plain), _) => Some(text(&plain)),
            (None, Some(extended)) if extended.is_empty() => Some(String::new()),
            (None, Some(extended)) => Some(decode_extended(&extended).unwrap_or_else(|| NAMELESS.to_owned())),
            (None, None) => None,
        };
        let is_form_data = kind.eq_ignore_ascii_case(b"form-data");
        Ok(Self { name: name.filter(|_| is_form_data).map(|name| text(&name)), file_name })
    }

    /// The file name without directories, and empty where nothing is left that names a file.
    pub(super) fn base_name(&self) -> Option<&str> {
        let whole = self.file_name.as_deref()?;
        let base = whole.rsplit(['/', '\\']).next().unwrap_or_default();
        Some(if base == "." || base == ".." { "" } else { base })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The text of `utf-8'language'text%20with%20escapes`, or of the same in Latin-1, which RFC 5987 had as well.
fn decode_extended(value: &[u8]) -> Option<String> {
    let mut pieces = value.splitn(3, |&byte| byte == b'\'');
    let (charset, _language, escaped) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let mut decoded = Vec::with_capacity(escaped.len());
    percent::append_decoded(&mut decoded, escaped);
    let decoded = if charset.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(decoded).ok()?
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        decoded.into_iter().map(char::from).collect()
    } else {
        return None;
    };
    // Escapes could hide what a head must not contain.
    (!decoded.contains(char::is_control)).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, name: Option<&str>, base_name: Option<&str>) {
        let found = Disposition::parse(value.as_bytes()).expect(value);
        assert_eq!((found.name.as_deref(), found.base_name()), (name, base_name), "{value:?}");
    }

    #[test]
    fn names_and_files() {
        check("form-data; name=\"a\"", Some("a"), None);
        check("FORM-DATA; NAME=a; size=3", Some("a"), None);
        check("form-data; name=\"\"", Some(""), None);
        check("form-data", None, None);
        check("attachment; name=\"a\"; filename=\"b\"", None, Some("b"));
        check("form-data; name=\"a\"; filename=\"\"", Some("a"), Some(""));
        check("form-data; name=\"a;b\"; filename=\"c; d.txt\"", Some("a;b"), Some("c; d.txt"));
        check(
            "form-data; name=\"say \\\"x\\\"\"; filename=\"q%22.txt\"",
            Some("say \"x\""),
            Some("q%22.txt"),
        );
        check("form-data; name=\"größe\"; filename=\"ü.png\"", Some("größe"), Some("ü.png"));
        check("form-data; filename=plain.txt", None, Some("plain.txt"));
        check("form-data; name=a; filename=two words.txt", Some("a"), Some("two words.txt"));
        check("form-data; name = a; filename = \"b.txt\" ; x=", Some("a"), Some("b.txt"));
        check("form-data; name=; filename=", Some(""), Some(""));
    }

    #[test]
    fn directories_are_cut_off() {
        for (sent, base) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\dir\\a.txt", "a.txt"),
            ("/abs", "abs"),
            ("dir/", ""),
            ("..", ""),
            ("a/..", ""),
            (".", ""),
            ("...", "..."),
            (".hidden", ".hidden"),
        ] {
            check(&format!("form-data; filename=\"{sent}\""), None, Some(base));
        }
    }

    #[test]
    fn extended_file_names_count_when_alone() {
        check("form-data; filename*=UTF-8''na%C3%AFve%20a.txt", None, Some("naïve a.txt"));
        check("form-data; filename*=utf-8'en'x%2Fy", None, Some("y"));
        check("form-data; filename*=broken; filename=\"plain\"", None, Some("plain"));
        check("form-data; filename*=iso-8859-1''%A3%20rates", None, Some("\u{a3} rates"));
        // Nobody can read these; a file it is all the same.
        for bad in [
            "",
            "x",
            "utf-8'x",
            "koi8-r''x",
            "utf-8''%FF",
            "utf-8''a%00b",
            "utf-8''a%0D%0Ab",
            "iso-8859-1''%85",
        ] {
            check(&format!("form-data; filename*={bad}"), None, Some(""));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let found = Disposition::parse(b"form-data; name=\"a\xffb\"").expect("a disposition");
        assert_eq!(found.name.as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn malformed_ones() {
        for bad in [
            "",
            "; name=a",
            "form data; name=a",
            "form-data; name",
            "form-data; name=\"a",
            "form-data; name=\"a\"b",
            "form-data; name=a; name=b",
            "form-data; name=a; NAME=a",
            "form-data; filename=a; filename=b",
            "form-data; filename=a;b.txt",
        ] {
            assert_eq!(Disposition::parse(bad.as_bytes()), Err(Malformed::Disposition), "{bad:?}");
        }
    }
}
