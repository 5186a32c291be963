//! Text of clients within lines of a log: whatever it is, it stays within its quotes.

use std::fmt::{self, Write};

/// As Apache does it, for what stands between quotes: `\"`, `\\`, and `\xhh` for what is not printable ASCII.
pub(super) fn append_quoted(line: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => write!(line, "\\{}", char::from(byte))?,
            b' '..=b'~' => line.write_char(char::from(byte))?,
            _ => write!(line, "\\x{byte:02x}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        let mut line = String::new();
        append_quoted(&mut line, b"a \"b\" \\ \r\n\x1b\xc3\xa4").expect("a string");
        assert_eq!(line, r#"a \"b\" \\ \x0d\x0a\x1b\xc3\xa4"#);
    }
}
