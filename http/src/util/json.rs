//! Text within JSON: whatever it is, it stays within its quotes (RFC 8259 section 7).

use std::fmt::{self, Display, Write};

/// A JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
pub(crate) fn append_string(line: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    line.write_char('"')?;
    for chunk in bytes.utf8_chunks() {
        InJson(line).write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            line.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    line.write_char('"')
}

/// The same of what can be shown.
pub(crate) fn append_string_of(line: &mut impl Write, what: impl Display) -> fmt::Result {
    line.write_char('"')?;
    write!(InJson(line), "{what}")?;
    line.write_char('"')
}

/// What is written to it goes on between the quotes of a JSON string.
struct InJson<'a, W>(&'a mut W);

impl<W: Write> Write for InJson<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Self(line) = self;
        for letter in text.chars() {
            match letter {
                '"' | '\\' => write!(line, "\\{letter}")?,
                '\n' => line.write_str("\\n")?,
                '\r' => line.write_str("\\r")?,
                '\t' => line.write_str("\\t")?,
                // The last two end lines in some readers.
                '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => write!(line, "\\u{:04x}", letter as u32)?,
                _ => line.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        let json = |bytes: &[u8]| {
            let mut line = String::new();
            append_string(&mut line, bytes).expect("a string");
            line
        };
        assert_eq!(
            json("a \"\\ \r\n\t\u{1b}\u{7f}\u{e4}\u{2028}".as_bytes()),
            "\"a \\\"\\\\ \\r\\n\\t\\u001b\\u007f\u{e4}\\u2028\""
        );
        assert_eq!(json(b"\xff"), "\"\u{fffd}\"");
        assert_eq!(json(b"a\xe2\x82b\"\xff\xff"), "\"a\u{fffd}b\\\"\u{fffd}\u{fffd}\"");
        let mut line = String::new();
        append_string_of(&mut line, format_args!("{}\n", '"')).expect("a string");
        assert_eq!(line, "\"\\\"\\n\"");
    }
}
