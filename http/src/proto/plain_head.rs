//! Splits the head of a request that is written as nearly all are, in one pass and into spans.
//!
//! The idea: nothing has to be decided about such a head. Names are tokens with a colon behind them, one space at most
//! stands before a value and none behind it, and each line ends with CRLF. Eight bytes of a value are looked at at
//! once.
//!
//! The rule: what is accepted here is what [`parse`](super::request_head::parse) accepts, and means the same. Whatever
//! is in any way unusual is left to that, whether it is right or wrong.

use crate::util::span::Span;
use crate::util::token;
use crate::values::headers::Field;
use crate::values::version::Version;

/// The first line of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Version,
}

/// Splits the head at the front of `bytes`, puts its fields, `most` of them at most, into `fields`, and says how long
/// it is. `None`: it is not there in full, or is not for this file.
#[inline(always)]
pub(super) fn split<'a>(
    bytes: &'a [u8],
    fields: &mut Vec<Field>,
    most: usize,
) -> Option<(RequestLine<'a>, usize)> {
    fields.clear();
    let (method, rest) = bytes.split_at_checked(token_len(bytes))?;
    let rest = rest.strip_prefix(b" ")?;
    let (target, rest) = rest.split_at_checked(visible_len(rest))?;
    if method.is_empty() || target.is_empty() {
        return None;
    }
    let version = match rest.first_chunk::<VERSION_BYTES>()? {
        b" HTTP/1.1\r\n" => Version::Http11,
        b" HTTP/1.0\r\n" => Version::Http10,
        _ => return None,
    };
    let mut at = method.len() + 1 + target.len() + VERSION_BYTES;
    loop {
        let line = bytes.get(at..)?;
        let name_len = token_len(line);
        if name_len == 0 {
            let is_end = line.starts_with(b"\r\n");
            return is_end.then_some((RequestLine { method, target, version }, at + 2));
        }
        let value_at = match line.get(name_len..)? {
            [b':', b' ', ..] => name_len + 2,
            [b':', ..] => name_len + 1,
            _ => return None,
        };
        let value = line.get(value_at..)?;
        let value_len = text_len(value);
        let is_trimmed = value.first() != Some(&b' ') && value[..value_len].last() != Some(&b' ');
        let ends = value.get(value_len..)?.starts_with(b"\r\n");
        if !ends || !is_trimmed || fields.len() == most {
            return None;
        }
        // The limit of heads keeps positions within 32 bits.
        fields.push(Field {
            name: Span { start: at as u32, len: name_len as u32 },
            value: Span { start: (at + value_at) as u32, len: value_len as u32 },
        });
        at += value_at + value_len + 2;
    }
}

const VERSION_BYTES: usize = b" HTTP/1.1\r\n".len();

/// How many bytes at the front can stand in a token.
#[inline]
fn token_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !token::is_token_byte(byte)).unwrap_or(bytes.len())
}

/// How many bytes at the front are visible and ASCII.
#[inline]
fn visible_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(bytes.len())
}

/// How many bytes at the front are no control bytes.
#[inline]
fn text_len(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(eight) = bytes.get(length..).and_then(<[u8]>::first_chunk) {
        let controls = controls_in(u64::from_le_bytes(*eight));
        if controls != 0 {
            return length + controls.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = &bytes[length..];
    length + rest.iter().position(|&byte| byte < b' ' || byte == DELETE).unwrap_or(rest.len())
}

const DELETE: u8 = 0x7f;

/// A word whose lowest bit that is set lies in the first control byte of `word`; zero when there is none. (Bits above
/// it may be set for others.)
#[inline]
fn controls_in(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let below_space = word.wrapping_sub(EACH * b' ' as u64) & !word;
    let unlike_delete = word ^ (EACH * DELETE as u64);
    let is_delete = unlike_delete.wrapping_sub(EACH) & !unlike_delete;
    (below_space | is_delete) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_is_split_and_the_rest_is_not() {
        let split = |head: &str| {
            let mut fields = Vec::new();
            let (line, length) = split(head.as_bytes(), &mut fields, 2)?;
            let texts = fields.iter().map(|field| {
                let text = |span: Span| String::from_utf8_lossy(span.within(head.as_bytes())).into_owned();
                (text(field.name), text(field.value))
            });
            let target = String::from_utf8_lossy(line.target).into_owned();
            Some((target, line.version, length, texts.collect::<Vec<_>>()))
        };
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            split("GET /a HTTP/1.1\r\nHost: h\r\nx:\u{e4} b, c\r\n\r\nbehind"),
            Some(("/a".to_owned(), Version::Http11, 39, vec![field("Host", "h"), field("x", "\u{e4} b, c")]))
        );
        assert_eq!(split("G / HTTP/1.0\r\n\r\n"), Some(("/".to_owned(), Version::Http10, 16, vec![])));
        let empty = Some(("/".to_owned(), Version::Http11, 21, vec![field("a", "")]));
        assert_eq!(split("G / HTTP/1.1\r\na: \r\n\r\n"), empty);
        for head in [
            "",
            "GET",
            "GET / HTTP/1.1\r\na: b\r\n",
            "GET / HTTP/1.1\r\na: b\r\n\r",
            " / HTTP/1.1\r\n\r\n",
            "GET  HTTP/1.1\r\n\r\n",
            "GET /\u{e4} HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.2\r\n\r\n",
            "GET / HTTP/1.1\n\r\n",
            "GET / HTTP/1.1\r\na:  b\r\n\r\n",
            "GET / HTTP/1.1\r\na: b \r\n\r\n",
            "GET / HTTP/1.1\r\na: b\tc\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\0c\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n",
            "GET / HTTP/1.1\r\na : b\r\n\r\n",
            "GET / HTTP/1.1\r\n a: b\r\n\r\n",
            "GET / HTTP/1.1\r\na\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n",
        ] {
            assert_eq!(split(head), None, "{head:?}");
        }
    }

    #[test]
    fn control_bytes_are_found_wherever_they_are() {
        for byte in 0..=u8::MAX {
            let is_control = byte < b' ' || byte == DELETE;
            for length in 0..20 {
                for filler in [b' ', b'~', 0x80, 0xff] {
                    let mut bytes = vec![filler; length];
                    bytes.push(byte);
                    bytes.extend_from_slice(b"\x00\x7f behind");
                    assert_eq!(text_len(&bytes), length + usize::from(!is_control), "{byte} behind {length}");
                }
            }
        }
    }
}
