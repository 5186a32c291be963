//! A short value that is made without memory of its own.
//!
//! The rule: it holds the longest value that this module writes, a `Content-Range` of three 64-bit numbers.

use std::fmt::{self, Display, Write};
use std::ops::Deref;

/// `bytes ` and three numbers of 20 digits with a separator between them.
const BYTES_MAX: usize = 6 + 20 + 1 + 20 + 1 + 20;

/// The text of a value, such as a date or a range, kept where the variable is.
#[derive(Clone, Copy)]
pub(crate) struct ValueText {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl ValueText {
    /// The text of `value`, which must be short enough; what does not fit is left out.
    pub(super) fn of(value: impl Display) -> Self {
        let mut text = Self { bytes: [0; BYTES_MAX], len: 0 };
        let fits = write!(text, "{value}").is_ok();
        debug_assert!(fits, "a value is longer than the longest");
        text
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        // Only whole pieces of text are ever appended.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text as bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Write for ValueText {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let end = self.len + piece.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(piece.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl Deref for ValueText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for ValueText {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<str> for ValueText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Display for ValueText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ValueText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_longest_and_nothing_longer() {
        let longest = format!("bytes {0}-{0}/{0}", u64::MAX);
        assert_eq!(ValueText::of(&longest).as_str(), longest);
        let mut text = ValueText::of(&longest);
        assert!(text.write_str("x").is_err());
        assert_eq!((text.as_str(), text.to_string()), (&*longest, longest.clone()));
    }
}
