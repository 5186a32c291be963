//! What a client says of who it is (`Authorization`), and how it is asked.
//!
//! Source: RFC 9110 sections 11.4 and 11.6.

use crate::ctx::RequestCtx;
use crate::util::token;

/// What is in the field `Authorization`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthField<'a> {
    /// Nothing of the scheme.
    Nothing,
    /// This, behind the scheme.
    Once(&'a [u8]),
    /// Several things, of which nobody knows who is right.
    More,
}

/// What the request says of its client in this scheme.
pub(super) fn credentials<'a>(ctx: &'a RequestCtx, scheme: &str) -> AuthField<'a> {
    let mut lines = ctx.request.headers().get_all("Authorization");
    let (first, second) = (lines.next(), lines.next());
    match (first, second) {
        (Some(_), Some(_)) => AuthField::More,
        (Some(line), None) => {
            of_scheme(token::trim(line), scheme).map_or(AuthField::Nothing, AuthField::Once)
        }
        (None, _) => AuthField::Nothing,
    }
}

/// What stands behind the scheme, if it is that one. Its name has no case.
fn of_scheme<'a>(line: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = line.split_at_checked(scheme.len())?;
    let is_it = name.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first().is_none_or(|&byte| byte == b' ');
    is_it.then(|| token::trim(rest))
}

/// A quoted string (RFC 9110 section 5.6.4).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => quoted.push(' '),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_words() {
        for (line, expected) in [
            ("Basic abc", Some("abc")),
            ("bASIC   abc ", Some("abc")),
            ("Basic", Some("")),
            ("Basics abc", None),
            ("Bas", None),
            ("Bearer abc", None),
            ("", None),
        ] {
            assert_eq!(of_scheme(line.as_bytes(), "Basic"), expected.map(str::as_bytes), "{line:?}");
        }
    }

    #[test]
    fn what_is_quoted_stays_one_string() {
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
        assert_eq!(quoted("a\r\nX: b"), "\"a  X: b\"");
    }
}
