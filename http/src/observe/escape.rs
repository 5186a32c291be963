//! Text of clients within lines of a log: whatever it is, it stays within its quotes.

use std::fmt::Write;

/// As Apache does it, for what stands between quotes: `\"`, `\\`, and `\xhh` for what is not printable ASCII.
pub(super) fn append_quoted(line: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend(['\\', char::from(byte)]),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => append_hex(line, "\\x", byte),
        }
    }
}

/// A JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
pub(super) fn append_json(line: &mut String, bytes: &[u8]) {
    line.push('"');
    for letter in String::from_utf8_lossy(bytes).chars() {
        match letter {
            '"' | '\\' => line.extend(['\\', letter]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => append_hex(line, "\\u00", letter as u8),
            // Those end lines in some readers.
            '\u{2028}' | '\u{2029}' => {
                let _ = write!(line, "\\u{:04x}", letter as u32);
            }
            _ => line.push(letter),
        }
    }
    line.push('"');
}

fn append_hex(line: &mut String, before: &str, byte: u8) {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    line.push_str(before);
    line.extend([digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        let quoted = |bytes: &[u8]| {
            let mut line = String::new();
            append_quoted(&mut line, bytes);
            line
        };
        assert_eq!(quoted(b"a \"b\" \\ \r\n\x1b\xc3\xa4"), r#"a \"b\" \\ \x0d\x0a\x1b\xc3\xa4"#);
        let json = |bytes: &[u8]| {
            let mut line = String::new();
            append_json(&mut line, bytes);
            line
        };
        assert_eq!(
            json("a \"\\ \r\n\t\u{1b}\u{7f}\u{e4}\u{2028}".as_bytes()),
            "\"a \\\"\\\\ \\r\\n\\t\\u001b\\u007f\u{e4}\\u2028\""
        );
        assert_eq!(json(b"\xff"), "\"\u{fffd}\"");
    }
}
