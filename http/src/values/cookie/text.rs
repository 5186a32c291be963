//! The bytes of a cookie's parts: how text is made to stay one part, and how parts are told apart again.
//!
//! The rule: what the first half of this file appends, the second half splits into the same parts.

use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::cut::cut;
use crate::util::percent;
use crate::util::token::trim;

/// Appends a name that ends neither itself nor the cookie nor the line.
pub(super) fn append_name(out: &mut Vec<u8>, name: &[u8]) {
    append_harmless(out, name, |byte| byte == b'=');
}

/// Appends a value that ends neither the cookie nor the line.
pub(super) fn append_value(out: &mut Vec<u8>, value: &[u8]) {
    append_harmless(out, value, |_| false);
}

/// Appends a path that stays one part too. What cannot be sent as part of a URL or would end the attribute
/// becomes an escape, which means the same.
pub(super) fn append_path(out: &mut Vec<u8>, path: &[u8]) {
    static PLAIN: ByteSet = alphanumerics_and(b"!\"#$%&'()*+,-./:<=>?@[\\]^_`{|}~");
    percent::append_encoded(out, path, &PLAIN);
}

/// Appends name and value as they stand in a field, each made harmless. Without a name it is the value alone,
/// unless that would then be taken for a name and a value: a leading `=` keeps the name empty.
pub(super) fn append_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let start = out.len();
    append_name(out, name);
    if out.len() > start || value.contains(&b'=') {
        out.push(b'=');
    }
    append_value(out, value);
}

/// Name and value of a pair, trimmed. Without `=` it is a value with an empty name, as in RFC 6265bis section
/// 5.6 and in fasthttp.
pub(super) fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match cut(pair, b'=') {
        (name, Some(value)) => (trim(name), trim(value)),
        (value, None) => (b"", trim(value)),
    }
}

/// Appends `text` trimmed, with control bytes, `;` and what `also` names replaced by spaces.
fn append_harmless(out: &mut Vec<u8>, text: &[u8], also: impl Fn(u8) -> bool) {
    let is_harmful = |byte: u8| byte.is_ascii_control() || byte == b';' || also(byte);
    let is_blank = |byte: &u8| *byte == b' ' || is_harmful(*byte);
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    out.extend(text[start..end].iter().map(|&byte| if is_harmful(byte) { b' ' } else { byte }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn harmless_text_is_kept() {
        for text in ["", "a", "a b", "\"q\"", "a,b\\c", "%41+", "ä", "a=b"] {
            let mut out = b"before".to_vec();
            append_value(&mut out, text.as_bytes());
            assert_eq!(out, [b"before", text.as_bytes()].concat());
        }
    }

    #[test]
    fn harmful_bytes_become_spaces() {
        for (text, name, value) in [
            ("a;b", "a b", "a b"),
            ("a\r\nb", "a  b", "a  b"),
            ("a\0b\tc\x7fd", "a b c d", "a b c d"),
            ("a=b", "a b", "a=b"),
            (" \t;a;\r\n ", "a", "a"),
            ("=a=", "a", "=a="),
            (";;;", "", ""),
        ] {
            let (mut as_name, mut as_value) = (Vec::new(), Vec::new());
            append_name(&mut as_name, text.as_bytes());
            append_value(&mut as_value, text.as_bytes());
            assert_eq!((as_name, as_value), (name.into(), value.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_split_again(
            name in proptest::collection::vec(any::<u8>(), 0..12),
            value in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let (mut clean_name, mut clean_value, mut pair) = (Vec::new(), Vec::new(), Vec::new());
            append_name(&mut clean_name, &name);
            append_value(&mut clean_value, &value);
            append_pair(&mut pair, &name, &value);
            prop_assert_eq!(cut(&pair, b';'), (&pair[..], None));
            prop_assert_eq!(split_pair(&pair), (&clean_name[..], &clean_value[..]));
        }
    }
}
