//! A value with parameters, as in `Content-Type` and `Content-Disposition`: `essence; name=value; name="value"`.
//!
//! Source: RFC 9110 section 5.6.6, RFC 2045 section 5.1. Next to [`header::Params`](crate::header::Params), which
//! reads as HTTP says, forms need liberties, for they are written by many hands: a value without quotes may hold any
//! bytes up to the semicolon (boundaries with `=` or `/` are sent so, and file names with spaces) or none, spaces may
//! stand around the `=`, and within quotes a backslash only escapes a quote or a backslash, because file names were and
//! are sent as `C:\dir\name`.
//!
//! The rule: what is malformed is said to be malformed. Parameters are never skipped over silently, since the
//! next program in line might read them.

use crate::util::cut::cut;
use crate::util::token;
use std::borrow::Cow;

/// A parameter that is not `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadParameter;

/// The value without its parameters, trimmed, and the parameters.
pub(super) fn split(value: &[u8]) -> (&[u8], FormParams<'_>) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    (token::trim(&value[..end]), FormParams { rest: &value[end..] })
}

/// A parameter.
#[derive(Clone, Debug)]
pub(super) struct FormParam<'a> {
    /// A token, as sent.
    pub(super) name: &'a [u8],
    /// Decoded.
    pub(super) value: Cow<'a, [u8]>,
    /// The value has white space without quotes around it, behind which others may stop reading.
    pub(super) is_of_words: bool,
}

/// The parameters in order; ends after the first malformed one.
#[derive(Clone, Debug)]
pub(super) struct FormParams<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FormParams<'a> {
    type Item = Result<FormParam<'a>, BadParameter>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [b';' | b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let Some((param, rest)) = first_parameter(self.rest) else {
            self.rest = &[];
            return Some(Err(BadParameter));
        };
        self.rest = rest;
        Some(Ok(param))
    }
}

/// The first parameter, and what is behind, which is empty or starts with a semicolon.
fn first_parameter(text: &[u8]) -> Option<(FormParam<'_>, &[u8])> {
    let (name, value) = cut(text, b'=');
    let name = token::trim(name);
    if !token::is_token(name) {
        return None;
    }
    match token::trim(value?) {
        [b'"', quoted @ ..] => {
            let (value, rest) = unquote(quoted)?;
            let rest = token::trim(rest);
            matches!(rest, [] | [b';', ..]).then_some((FormParam { name, value, is_of_words: false }, rest))
        }
        plain => {
            let end = memchr::memchr(b';', plain).unwrap_or(plain.len());
            let value = token::trim(&plain[..end]);
            let is_of_words = memchr::memchr2(b' ', b'\t', value).is_some();
            let param = FormParam { name, value: Cow::Borrowed(value), is_of_words };
            memchr::memchr(b'"', value).is_none().then_some((param, &plain[end..]))
        }
    }
}

/// The text up to the closing quote, unescaped, and what is behind that quote.
fn unquote(quoted: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut value = Cow::Borrowed(&quoted[..0]);
    let mut start = 0;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &quoted[from..])?;
        match &quoted[at..] {
            [b'\\', b'"' | b'\\', ..] => {
                value.to_mut().extend_from_slice(&quoted[start..at]);
                // The escaped byte is the first of the next piece.
                start = at + 1;
                from = at + 2;
            }
            [b'\\', ..] => from = at + 1,
            _ => {
                if value.is_empty() && start == 0 {
                    value = Cow::Borrowed(&quoted[..at]);
                } else {
                    value.to_mut().extend_from_slice(&quoted[start..at]);
                }
                return Some((value, &quoted[at + 1..]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> (String, Vec<(String, String)>, bool) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (essence, params) = split(value.as_bytes());
        let mut found = Vec::new();
        let mut is_sound = true;
        for param in params {
            match param {
                Ok(param) => found.push((text(param.name), text(&param.value))),
                Err(BadParameter) => is_sound = false,
            }
        }
        (text(essence), found, is_sound)
    }

    #[test]
    fn essences_and_parameters() {
        for (value, essence, params) in [
            ("text/plain", "text/plain", vec![]),
            (" text/plain ; ", "text/plain", vec![]),
            ("", "", vec![]),
            ("a;b=c", "a", vec![("b", "c")]),
            ("a;; b=c ;D=\"e;f\" ;", "a", vec![("b", "c"), ("D", "e;f")]),
            ("a; b=--x=/?:y", "a", vec![("b", "--x=/?:y")]),
            (r#"a; b="say \"hi\\"; c=d"#, "a", vec![("b", r#"say "hi\"#), ("c", "d")]),
            (r#"a; b="C:\new\x""#, "a", vec![("b", r"C:\new\x")]),
            (r#"a; b="\"""#, "a", vec![("b", "\"")]),
            (r#"a; b="\\""#, "a", vec![("b", "\\")]),
            (r#"a; b="""#, "a", vec![("b", "")]),
            ("a; b=; c=", "a", vec![("b", ""), ("c", "")]),
            ("a; b= c ; d =\"e\" ; f\t=\tg", "a", vec![("b", "c"), ("d", "e"), ("f", "g")]),
            ("a; b=c d\te; f=g", "a", vec![("b", "c d\te"), ("f", "g")]),
            ("a; b=\"ü\"", "a", vec![("b", "ü")]),
        ] {
            let params = params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(read(value), (essence.to_owned(), params, true), "{value:?}");
        }
    }

    #[test]
    fn malformed_parameters_are_said_to_be() {
        for bad in [
            "a; b",
            "a; b; c=d",
            "a; =c",
            "a; b=\"c",
            "a; b=\"c\\\"",
            "a; b=\"c\"d",
            "a; b=c\"d\"",
            "a; b=c d\"e\"",
            "a; b c=d",
            "a; b(=c",
        ] {
            assert!(!read(bad).2, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_quoting(text in "[ -~ü]{0,12}") {
            let quoted = text.replace('\\', r"\\").replace('"', "\\\"");
            let value = format!("x; n=\"{quoted}\"; after=1");
            let expected = vec![("n".to_owned(), text), ("after".to_owned(), "1".to_owned())];
            prop_assert_eq!(read(&value), ("x".to_owned(), expected, true));
        }

        #[test]
        fn any_bytes_end(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(split(&value).1.count() <= 64);
        }
    }
}
