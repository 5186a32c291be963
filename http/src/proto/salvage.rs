//! What can still be read of a head that was refused.
//!
//! The idea: whoever looks into why clients are refused wants to know who asked for what. So the lines of the head are
//! looked at one by one, up to the first that is none, whatever the head was refused for.
//!
//! The rule: what is found is never served. A part that is not whole, or not what its grammar says, is left out.

use super::request_head::RequestParts;
use super::target::split_target;
use crate::util::span::Span;
use crate::util::{authority, token};
use crate::values::headers::Field;
use crate::values::version::Version;

/// The parts of the head at the front of `bytes`, as far as they can be read; its fields go to `fields`.
#[cold]
pub(crate) fn salvage(bytes: &[u8], fields: &mut Vec<Field>) -> RequestParts {
    fields.clear();
    let mut parts = RequestParts::default();
    let mut lines = whole_lines(bytes);
    let first = lines.next();
    let first_line = first.unwrap_or(bytes);
    if !read_request_line(bytes, first_line, first.is_some(), &mut parts) {
        return parts;
    }
    for line in lines {
        let Some(field) = read_field(bytes, line) else { break };
        let (name, value) = (field.name.within(bytes), field.value.within(bytes));
        let is_host = name.eq_ignore_ascii_case(b"host") && authority::is_valid(value);
        if is_host && parts.host == Span::default() {
            parts.host = field.value;
        }
        fields.push(field);
    }
    parts
}

/// The lines that have an end, without it.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let line_feed = memchr::memchr(b'\n', rest)?;
        let line = &rest[..line_feed];
        rest = &rest[line_feed + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// False: there is nothing to be read behind it.
fn read_request_line(bytes: &[u8], line: &[u8], is_whole: bool, parts: &mut RequestParts) -> bool {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (words.next().unwrap_or_default(), words.next(), words.next());
    // Without the space behind it, it may be a part of one.
    let (Some(target), true) = (target, token::is_token(method)) else { return false };
    parts.method = Span::of(method, bytes);
    if version.is_none() && !is_whole {
        return false;
    }
    let is_text = std::str::from_utf8(target).is_ok() && !target.iter().any(u8::is_ascii_control);
    if let (true, Ok(found)) = (is_text, split_target(method, target)) {
        parts.target = Span::of(target, bytes);
        parts.path = Span::of(found.path, bytes);
        parts.path_is_plain = found.path_is_plain;
        parts.query = Span::of(found.query, bytes);
        parts.host = found.authority.map_or(Span::default(), |host| Span::of(host, bytes));
    }
    parts.version = if version == Some(b"HTTP/1.1") { Version::Http11 } else { Version::Http10 };
    is_whole
}

fn read_field(bytes: &[u8], line: &[u8]) -> Option<Field> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_field =
        token::is_token(name) && !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    is_field.then(|| Field { name: Span::of(name, bytes), value: Span::of(value, bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salvaged(head: &str) -> String {
        let (bytes, mut fields) = (head.as_bytes(), Vec::new());
        let parts = salvage(bytes, &mut fields);
        let text = |span: Span| String::from_utf8_lossy(span.within(bytes)).into_owned();
        let names: Vec<_> = fields.iter().map(|field| text(field.name)).collect();
        let line = [parts.method, parts.path, parts.query, parts.host].map(text).join(" ");
        format!("{line} [{}]", names.join(" "))
    }

    #[test]
    fn whatever_is_whole_is_found() {
        for (head, expected) in [
            ("GET /a?b HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", "GET /a b h [Host A]"),
            ("GET /a HTTP/1.1\nHost: h\n\n", "GET /a  h [Host]"),
            ("GET /a HTTP/1.1\r\nHost: h\r\nA : b\r\nC: d\r\n\r\n", "GET /a  h [Host]"),
            ("GET /a HTTP/1.1\r\nHost: h\r\nA: b", "GET /a  h [Host]"),
            ("GET http://o/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a  o [Host]"),
            ("GET nonsense HTTP/1.1\r\nHost: h\r\n\r\n", "GET   h [Host]"),
            ("GET /a\u{1} HTTP/1.1\r\nHost: h h\r\n\r\n", "GET    [Host]"),
            ("GET /un", "GET    []"),
            ("GET /whole HTTP/", "GET /whole   []"),
            ("GE", "    []"),
            ("", "    []"),
            ("\u{16}\u{3}\u{1}", "    []"),
            ("nonsense\r\nHost: h\r\n\r\n", "    []"),
        ] {
            assert_eq!(salvaged(head), expected, "{head:?}");
        }
    }
}
