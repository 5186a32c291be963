//! Comma lists: of tokens, as in `Connection`, and of members that may have commas in quoted strings.
//!
//! Source: RFC 9110 sections 5.6.1 (lists), 5.6.4 (quoted strings).

use crate::util::token;

/// Whether the comma list in `lines`, the values of one field, has the element `token` in any case: how
/// `Connection` and `Upgrade` are to be read.
///
/// ```
/// use anthill_http::{Headers, header};
/// let headers = Headers::from_iter([("Connection", "keep-alive , UPGRADE"), ("Connection", "x-hop")]);
/// assert!(header::has_token(headers.get_all("Connection"), "upgrade"));
/// assert!(header::has_token(headers.get_all("Connection"), "X-Hop"));
/// assert!(!header::has_token(["upgrades, not-upgrade"], "upgrade"));
/// ```
// HDR-09.
pub fn has_token<'a, T>(lines: impl IntoIterator<Item = &'a T>, token: &str) -> bool
where
    T: AsRef<[u8]> + ?Sized + 'a,
{
    lines
        .into_iter()
        .any(|line| token::list(line.as_ref()).any(|element| element.eq_ignore_ascii_case(token.as_bytes())))
}

/// The members of a comma list whose members may have quoted strings, trimmed, the empty ones left out.
///
/// A quoted string that does not end makes the rest of the line one member.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = member_len(self.rest);
            let (member, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let member = token::trim(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

/// `bytes` without spaces and tabs at their start. To be used on what is left of a line, so that its end is not
/// looked at again and again.
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Where the first comma outside quotes is, or the end.
fn member_len(list: &[u8]) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let ends = |&byte: &u8| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' => is_escaped = is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    };
    list.iter().position(ends).unwrap_or(list.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_do_not_separate() {
        for (list, expected) in [
            ("", &[][..]),
            (" , ,,", &[]),
            ("a", &["a"]),
            (" a , b;c ,d", &["a", "b;c", "d"]),
            (r#"a;b="x, y" , c"#, &[r#"a;b="x, y""#, "c"]),
            (r#"a;b="x\", y", c"#, &[r#"a;b="x\", y""#, "c"]),
            (r#"a;b="x\\", y"#, &[r#"a;b="x\\""#, "y"]),
            (r#"a\,"b""#, &[r"a\", r#""b""#]),
            (r#"a="b, c"#, &[r#"a="b, c"#]),
        ] {
            let found: Vec<&[u8]> = Members::new(list.as_bytes()).collect();
            let expected: Vec<&[u8]> = expected.iter().map(|member| member.as_bytes()).collect();
            assert_eq!(found, expected, "{list:?}");
        }
    }
}
