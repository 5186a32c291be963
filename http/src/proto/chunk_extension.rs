//! The grammar of chunk extensions, a byte at a time.
//!
//! ```text
//! chunk-ext     = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
//! quoted-string = DQUOTE *( qdtext / "\" ( HTAB / SP / VCHAR / obs-text ) ) DQUOTE
//! ```
//!
//! The idea: no extension means anything to us, but another parser on the way may read them, and one that honours
//! quotes finds the end of `5;a="` elsewhere than one that does not. So a line is taken only if all agree where it
//! ends.
//!
//! The rule: the only end is a carriage return where the grammar allows one, so no line end is ever within quotes.
//! White space before the first semicolon is the business of whoever reads the size.
//!
//! Source: RFC 9112 section 7.1.1, RFC 9110 sections 5.6.2 to 5.6.4.

use crate::util::token::is_token_byte;

/// Where a line of chunk extensions is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionPlace {
    /// Behind a semicolon, and the white space that follows it: a name has to come.
    Semicolon,
    Name,
    /// In the white space behind a name.
    NameSpace,
    /// Behind an equals sign, and the white space that follows it: a value has to come.
    Equals,
    /// In a value without quotes.
    Value,
    /// Within quotes.
    Quoted,
    /// Within quotes, behind a backslash.
    Escaped,
    /// Directly behind the closing quote.
    Closed,
    /// In the white space behind a value.
    ValueSpace,
}

impl ExtensionPlace {
    /// Where the line is after one more `byte`, unless the grammar has none such here.
    pub(crate) fn after(self, byte: u8) -> Option<Self> {
        use ExtensionPlace::*;
        Some(match (self, byte) {
            (Quoted, b'"') => Closed,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, b'\t' | b' '..=b'~' | 0x80..) => Quoted,

            (Semicolon | Name, byte) if is_token_byte(byte) => Name,
            (Equals | Value, byte) if is_token_byte(byte) => Value,
            (Equals, b'"') => Quoted,
            (Name | NameSpace, b'=') => Equals,
            (Name | NameSpace | Value | Closed | ValueSpace, b';') => Semicolon,

            (Semicolon | Equals, b' ' | b'\t') => self,
            (Name | NameSpace, b' ' | b'\t') => NameSpace,
            (Value | Closed | ValueSpace, b' ' | b'\t') => ValueSpace,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    pub(crate) fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `line`, which starts behind a semicolon, is read to its end and may end there.
    fn is_whole(line: &[u8]) -> bool {
        line.iter()
            .try_fold(ExtensionPlace::Semicolon, |place, &byte| place.after(byte))
            .is_some_and(ExtensionPlace::may_end)
    }

    #[test]
    fn engine_f6_lines_of_the_grammar() {
        for line in [
            "a",
            "a=b",
            "a;b",
            "a=b;c",
            "a = b",
            " a\t=\t\"b\" ; c",
            "a=\"\"",
            "a=\"b;c\"",
            "a=\"\\\"\"",
            "a=\"\\\\\"",
            "a=\"\\\\\\\"\"",
            "a=\"\u{e4}\"",
            "a=\"\t \\\t\\ \"",
            "!#$%&'*+-.^_`|~=0",
        ] {
            assert!(is_whole(line.as_bytes()), "{line:?}");
        }
        for line in [
            "",
            " ",
            ";",
            "=",
            "=a",
            "a=",
            "a= ",
            "a;",
            "a;;b",
            "a ",
            "a=b ",
            "a=\"b\" ",
            "a b",
            "a=b c",
            "a=b=c",
            "\"a\"",
            "a\"b\"",
            "a=b\"",
            "a=\"",
            "a=\"b",
            "a=\"b\\",
            "a=\"b\\\"",
            "a=\"b\"c",
            "a=\"b\"\"c\"",
            "a=\"\0\"",
            "a=\"\n\"",
            "a=\"\r\"",
            "a=\"\\\r\"",
            "a=\"\\\n\"",
            "a=\"\\\x7f\"",
            "a=\x7f",
            "\u{e4}",
            "a=\u{e4}",
            "a=(b)",
            "a\\b",
        ] {
            assert!(!is_whole(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn engine_f6_no_line_end_is_part_of_an_extension() {
        use ExtensionPlace::*;
        for place in [Semicolon, Name, NameSpace, Equals, Value, Quoted, Escaped, Closed, ValueSpace] {
            for byte in (0..b' ').filter(|&byte| byte != b'\t').chain([0x7f]) {
                assert_eq!(place.after(byte), None, "{byte} at {place:?}");
            }
        }
    }
}
