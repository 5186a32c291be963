//! Parameters of a value: `; charset=utf-8; name="quoted \" text"`.
//!
//! The rule: reading stops at the first parameter that is malformed, so that what is told was unambiguous. As in
//! fasthttp a parameter needs its `;` and may have no space around the `=`. As in RFC 9110 there may be nothing
//! between two `;`, and nothing but white space between a parameter and the next `;`.
//!
//! Source: RFC 9110 sections 5.6.4 (quoted strings), 5.6.6 (parameters).

use super::list::trim_start;
use crate::util::token;
use std::borrow::Cow;

/// The parameters of a value, what follows its first `;`: an iterator over names and values.
///
/// Values are without their quotes but with their escapes, which [`unescape`](Params::unescape) removes. Reading ends
/// at the first parameter that is malformed (RFC 9110 section 5.6.6).
///
/// ```
/// use anthill_http::header::Params;
/// let value = br#"multipart/form-data; charset=utf-8; boundary="a;b""#;
/// assert!(Params::new(value).eq([("charset", &b"utf-8"[..]), ("boundary", b"a;b")]));
/// ```
// HDR-09.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    // Begins with what is behind the last parameter told.
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads the parameters of `value`.
    pub fn new(value: &'a [u8]) -> Self {
        let start = memchr::memchr(b';', value).unwrap_or(value.len());
        Self { rest: &value[start..] }
    }

    /// The value of the first parameter called `name`, in any case, without quotes and escapes.
    ///
    /// ```
    /// use anthill_http::header::Params;
    /// let params = Params::new(br#"attachment; FileName="say \"hi\".txt"; filename=second"#);
    /// assert_eq!(params.clone().get("filename").as_deref(), Some(&br#"say "hi".txt"#[..]));
    /// assert_eq!(params.get("name"), None);
    /// ```
    pub fn get(mut self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, raw)| Self::unescape(raw))
    }

    /// The inside of a quoted string without its escapes: `\"` becomes `"`. Borrows when there are none.
    ///
    /// A value that was not quoted has no backslash, so any value that the iterator gives may be given here.
    ///
    /// ```
    /// use anthill_http::header::Params;
    /// assert_eq!(Params::unescape(br#"a \"b\" \\"#).as_ref(), br#"a "b" \"#);
    /// ```
    pub fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
        if memchr::memchr(b'\\', raw).is_none() {
            return Cow::Borrowed(raw);
        }
        let mut is_escaped = false;
        let is_kept = |byte: &u8| {
            is_escaped = *byte == b'\\' && !is_escaped;
            !is_escaped
        };
        Cow::Owned(raw.iter().copied().filter(is_kept).collect())
    }

    /// What has not been read: empty at the end, and from the malformed parameter on otherwise.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = skip_separators(self.rest)?;
        if start.is_empty() {
            self.rest = start;
            return None;
        }
        let (name, rest) = split_token(start)?;
        let rest = rest.strip_prefix(b"=")?;
        let (value, rest) = split_value(rest)?;
        let ends_well = matches!(trim_start(rest), [] | [b';', ..]);
        if !ends_well {
            return None;
        }
        self.rest = rest;
        Some((std::str::from_utf8(name).ok()?, value))
    }
}

impl std::iter::FusedIterator for Params<'_> {}

/// What follows at least one `;` and the white space around it, or the end. `None` when there is no `;`.
fn skip_separators(rest: &[u8]) -> Option<&[u8]> {
    let start = rest.iter().position(|byte| !matches!(byte, b';' | b' ' | b'\t')).unwrap_or(rest.len());
    let (separators, start) = rest.split_at(start);
    (start.is_empty() || separators.contains(&b';')).then_some(start)
}

/// A token, which is not empty, and what follows it.
pub(crate) fn split_token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| !token::is_token_byte(byte)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// A token or the inside of a quoted string, and what follows.
pub(crate) fn split_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(inside) = bytes.strip_prefix(b"\"") else {
        return split_token(bytes);
    };
    let mut is_escaped = false;
    let end = inside.iter().position(|&byte| {
        let is_control = (byte < b' ' && byte != b'\t') || byte == 0x7f;
        let ends = is_control || (byte == b'"' && !is_escaped);
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    let (value, rest) = inside.split_at(end);
    Some((value, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        for (raw, expected) in
            [("", ""), ("plain", "plain"), (r#"\""#, "\""), (r"\\\a", r"\a"), (r"a\", "a"), (r"\\", r"\")]
        {
            assert_eq!(Params::unescape(raw.as_bytes()).as_ref(), expected.as_bytes(), "{raw:?}");
        }
        assert!(matches!(Params::unescape(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn control_bytes_end_a_quoted_string_badly() {
        for byte in (0..b' ').chain([0x7f]).filter(|&byte| byte != b'\t') {
            let value = [&b"a; x=1; b=\"c"[..], &[byte], b"\""].concat();
            assert_eq!(Params::new(&value).count(), 1, "{byte}");
        }
        assert_eq!(Params::new(b"a; b=\"c\td\xff\"").get("b").as_deref(), Some(&b"c\td\xff"[..]));
    }

    /// Writes `value` as a quoted string.
    fn quoted(value: &str) -> String {
        let escaped: String =
            value.chars().flat_map(|c| "\"\\".contains(c).then_some('\\').into_iter().chain([c])).collect();
        format!("\"{escaped}\"")
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs in proptest::collection::vec(("[a-z*]{1,4}", "[ -~]{0,8}"), 0..5)) {
            let mut value = "text/plain".to_owned();
            for (name, text) in &pairs {
                value.push_str(&format!(" ; {name}={}", quoted(text)));
            }
            let found: Vec<(String, String)> = Params::new(value.as_bytes())
                .map(|(name, raw)| (name.to_owned(), String::from_utf8(Params::unescape(raw).into_owned()).unwrap()))
                .collect();
            prop_assert_eq!(found, pairs);
        }

        #[test]
        fn any_bytes_have_a_reading(value in "[a;= \t\"\\\\\u{7f}]{0,24}") {
            let mut iterator = Params::new(value.as_bytes());
            for (name, raw) in iterator.by_ref() {
                prop_assert!(!name.is_empty());
                prop_assert!(Params::unescape(raw).len() <= raw.len());
            }
            prop_assert_eq!(iterator.next(), None);
        }
    }
}
