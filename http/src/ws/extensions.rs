//! Lists of extensions: what a client offers and a server answers.
//!
//! `permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate`
//!
//! The rule: a list that breaks the grammar breaks the handshake as a whole; what an extension's parameters mean is its
//! own affair.
//!
//! Source: RFC 6455 section 9.1, whose lists are those of RFC 9110 section 5.6.1. White space may stand around `;`, `=`
//! and `,`.

use crate::util::token;
use crate::values::header::{Params, split_token, split_value, trim_start};
use std::borrow::Cow;

/// An extension of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a [u8],
    /// Names and values, in order.
    pub(super) params: Vec<ExtensionParam<'a>>,
}

/// A name, and a value if there is one.
pub(super) type ExtensionParam<'a> = (&'a [u8], Option<Cow<'a, [u8]>>);

/// No list of extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadList;

/// The extensions of all `lines`, in order.
pub(super) fn read_extensions<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Extension<'a>>, BadList> {
    let mut found = Vec::new();
    for line in lines {
        let mut rest = line;
        loop {
            rest = trim_start(rest);
            rest = match rest {
                [] => break,
                [b',', rest @ ..] => rest,
                _ => {
                    let (extension, rest) = read_one(rest).ok_or(BadList)?;
                    found.push(extension);
                    rest
                }
            };
        }
    }
    Ok(found)
}

/// An extension, and what follows: nothing, or a comma.
fn read_one(start: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let (name, mut rest) = split_token(start)?;
    let mut params = Vec::new();
    loop {
        match trim_start(rest) {
            [b';', param @ ..] => {
                let (name, behind) = split_token(trim_start(param))?;
                let value = match trim_start(behind).strip_prefix(b"=") {
                    None => {
                        rest = behind;
                        None
                    }
                    Some(value) => {
                        let (raw, behind) = split_value(trim_start(value))?;
                        rest = behind;
                        let value = Params::unescape(raw);
                        // "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
                        Some(value).filter(|value| token::is_token(value)).map(Some)?
                    }
                };
                params.push((name, value));
            }
            end @ ([] | [b',', ..]) => return Some((Extension { name, params }, end)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list as text again, or nothing.
    fn told(lines: &[&str]) -> Option<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = read_extensions(lines.iter().map(|line| line.as_bytes())).ok()?;
        let extensions = found.iter().map(|extension| {
            let params = extension.params.iter().map(|(name, value)| match value {
                Some(value) => format!(";{}={}", text(name), text(value)),
                None => format!(";{}", text(name)),
            });
            text(extension.name) + &params.collect::<String>()
        });
        Some(extensions.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn lists() {
        for (lines, expected) in [
            (&[][..], ""),
            (&["", " , ,"], ""),
            (&["foo"], "foo"),
            (&["foo, bar; baz=2"], "foo,bar;baz=2"),
            (&["foo;a", "bar"], "foo;a,bar"),
            (&[" foo ; a\t=\t1 ;b , ,bar;c=\"x\" "], "foo;a=1;b,bar;c=x"),
            (&[r#"foo;a="1\0""#], "foo;a=10"),
            (&["foo;a=1;a=2"], "foo;a=1;a=2"),
            (&["constructor;__proto__=toString"], "constructor;__proto__=toString"),
        ] {
            assert_eq!(told(lines).as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list() {
        for line in [
            "foo bar",
            "foo;",
            "foo;;a",
            "foo; ,bar",
            ";a",
            "=",
            "foo;=1",
            "foo;a=",
            "foo;a=\"",
            "foo;a=\"\"",
            "foo;a=\"x y\"",
            "foo;a=\"x,y\"",
            "foo;a=b c",
            "foo;a=\"b\"c",
            "f\"o\"o",
            "foo;a=(",
            "foo/1",
            "f\u{e9}",
        ] {
            assert_eq!(told(&[line]), None, "{line:?}");
            assert_eq!(told(&["good", line]), None, "{line:?} behind another one");
        }
    }
}
