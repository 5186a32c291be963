//! Text that arrives in pieces, which may end within a character.
//!
//! The idea: what is whole is checked and kept as text at once, so nothing is checked twice; the start of a character
//! waits, three bytes at most. A start that no character has is a fault at once (*fails fast*): whoever sends it need
//! not be read to the end of its message.

use super::room::growth;
use std::str;

/// Bytes that are no UTF-8, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidText;

#[derive(Debug, Default)]
pub(super) struct TextBuilder {
    text: String,
    /// The start of a character.
    start: [u8; 4],
    start_length: usize,
}

impl TextBuilder {
    /// In the memory of `spare`.
    pub(super) fn reusing(mut spare: String) -> Self {
        spare.clear();
        Self { text: spare, start: [0; 4], start_length: 0 }
    }

    /// Appends bytes. `most`: how long the text may become altogether.
    pub(super) fn push(&mut self, mut bytes: &[u8], most: usize) -> Result<(), InvalidText> {
        while self.start_length > 0 {
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            bytes = rest;
            self.push_to_start(*byte, most)?;
        }
        match str::from_utf8(bytes) {
            Ok(text) => self.push_text(text, most),
            Err(error) if error.error_len().is_none() => {
                let (whole, start) = bytes.split_at(error.valid_up_to());
                self.push_text(str::from_utf8(whole).map_err(|_| InvalidText)?, most);
                self.start_length = start.len();
                self.start[..start.len()].copy_from_slice(start);
            }
            Err(_) => return Err(InvalidText),
        }
        Ok(())
    }

    /// A byte that belongs to the character that has begun.
    fn push_to_start(&mut self, byte: u8, most: usize) -> Result<(), InvalidText> {
        self.start[self.start_length] = byte;
        self.start_length += 1;
        let character = self.start;
        match str::from_utf8(&character[..self.start_length]) {
            Ok(character) => {
                self.push_text(character, most);
                self.start_length = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(InvalidText),
        }
    }

    fn push_text(&mut self, text: &str, most: usize) {
        if let Some(more) = growth(self.text.len(), self.text.capacity(), text.len(), most) {
            self.text.reserve_exact(more);
        }
        self.text.push_str(text);
    }

    /// The text, unless it ends within a character.
    pub(super) fn finish(self) -> Result<String, InvalidText> {
        if self.start_length > 0 { Err(InvalidText) } else { Ok(self.text) }
    }

    /// Bytes on the heap.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text of `pieces`, or how many of them had been taken when it was no text.
    fn build(pieces: &[&[u8]]) -> Result<String, usize> {
        let mut builder = TextBuilder::default();
        for (number, piece) in pieces.iter().enumerate() {
            builder.push(piece, usize::MAX).map_err(|_| number)?;
        }
        builder.finish().map_err(|_| pieces.len())
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        assert_eq!(build(&[b"k\xce", b"\xba\xe1", b"\xbd", b"\xb9"]), Ok("k\u{3ba}\u{1f79}".to_owned()));
        assert_eq!(build(&[b"\xf0", b"\x9f", b"", b"\x98", b"\x80!"]), Ok("😀!".to_owned()));
        assert_eq!(build(&[]), Ok(String::new()));
    }

    #[test]
    fn it_fails_at_the_first_byte_that_shows_it() {
        // Beyond the last character, a half of a pair, overlong forms, a continuation of nothing, a byte that is none.
        for pieces in [
            &[&b"a\xf4"[..], b"\x90", b"\x80\x80"][..],
            &[b"\xed", b"\xa0", b"\x80"],
            &[b"a", b"\xc0", b"\xaf"],
            &[b"\xe0", b"\x80", b"\xaf"],
            &[b"a", b"\x80", b""],
            &[b"\xce\xba", b"\xff", b""],
        ] {
            assert_eq!(build(pieces), Err(1), "{pieces:?}");
        }
        assert_eq!(build(&[b"a\xf4", b"\x8f"]), Err(2), "it ends within a character");
    }

    proptest! {
        #[test]
        fn it_is_the_verdict_of_the_standard_library(
            bytes in prop_oneof![
                "\\PC{0,12}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..8),
                proptest::collection::vec(
                    prop_oneof![Just(0xe1_u8), Just(0xbd), Just(0xf4), Just(0x8f), Just(b'a')],
                    0..9,
                ),
            ],
            cuts in proptest::collection::vec(0..20_usize, 0..5),
        ) {
            let mut builder = TextBuilder::default();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut from = 0;
            for to in cuts {
                let found = builder.push(&bytes[from..to], usize::MAX);
                let can_go_on = str::from_utf8(&bytes[..to]).is_ok_and(|_| true)
                    || str::from_utf8(&bytes[..to]).is_err_and(|error| error.error_len().is_none());
                prop_assert_eq!(found.is_ok(), can_go_on, "up to {}", to);
                if !can_go_on {
                    return Ok(());
                }
                prop_assert_eq!(builder.text.len() + builder.start_length, to);
                from = to;
            }
            prop_assert_eq!(builder.finish().ok(), String::from_utf8(bytes).ok());
        }
    }
}
