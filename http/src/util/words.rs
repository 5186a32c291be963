//! Texts looked at eight bytes at a time, for what nearly all texts fulfil.
//!
//! The idea: the bytes are those of a number, and what is asked of each is reckoned for all of them at once; an answer
//! is the highest bit of each byte. The names and values of fields are so short that what a compiler makes of a loop
//! over bytes takes three to five times as many instructions.

/// A byte in each place.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte.
pub(crate) const HIGH: u64 = each(0x80);

/// Stands where a text has ended: a hyphen, which is sound wherever it is.
const FILLING: u64 = each(b'-');

/// Whether `is_sound` says so of all bytes, given eight each time in order, the first the lowest. The last are filled
/// up with hyphens.
#[inline]
pub(crate) fn all(bytes: &[u8], mut is_sound: impl FnMut(u64) -> bool) -> bool {
    let mut eights = bytes.chunks_exact(8);
    for eight in &mut eights {
        if !is_sound(u64::from_le_bytes(eight.try_into().unwrap_or_default())) {
            return false;
        }
    }
    is_sound(filled(eights.remainder()))
}

/// Up to seven bytes, filled up.
#[inline]
fn filled(rest: &[u8]) -> u64 {
    let length = rest.len() as u32;
    let word = if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        // Where both have the same bytes, they are in the same places.
        u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << (8 * (length & 7) - 32)
    } else if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        u64::from(u16::from_le_bytes(*first))
            | u64::from(u16::from_le_bytes(*last)) << (8 * (length & 7) - 16)
    } else {
        rest.first().copied().map_or(0, u64::from)
    };
    word | FILLING << (8 * (length & 7))
}

/// Which bytes are between two of ASCII, both included; of bytes that are all ASCII.
#[inline]
pub(crate) fn between(word: u64, first: u8, last: u8) -> u64 {
    let reaches = word + each(0x80 - first);
    let exceeds = word + each(0x7f - last);
    reaches & !exceeds & HIGH
}

/// Whether each byte is a hyphen, or a letter that is in upper case where it starts a word and in lower case where it
/// does not. `start`: the lowest bit of all says that the first byte starts one, and then so of the first byte behind.
#[inline]
pub(crate) fn are_words(word: u64, start: &mut u64) -> bool {
    let ascii = word & !HIGH;
    let hyphens = between(ascii, b'-', b'-');
    let starts = hyphens << 8 | *start << 7;
    *start = hyphens >> 63;
    let letters = between(ascii | each(0x20), b'a', b'z');
    // The bit that is set in lower case, moved to be the highest.
    let fits = word << 2 ^ starts;
    (letters & fits | hyphens) & !word & HIGH == HIGH
}

/// Whether any byte may be a control byte. The tab is among them.
#[inline]
pub(crate) fn may_have_control(word: u64) -> bool {
    let below_space = word.wrapping_sub(each(b' ')) & !word;
    let others = word ^ each(0x7f);
    let deletes = others.wrapping_sub(each(1)) & !others;
    (below_space | deletes) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes that `all` gives, without those that it fills up with.
    fn given(bytes: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        assert!(all(bytes, |word| {
            found.extend_from_slice(&word.to_le_bytes());
            true
        }));
        assert!(found[bytes.len()..].iter().all(|&byte| byte == b'-'));
        found.truncate(bytes.len());
        found
    }

    proptest! {
        #[test]
        fn all_bytes_are_given_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(given(&bytes), bytes);
        }

        #[test]
        fn a_control_byte_is_seen_in_any_place(bytes: [u8; 8]) {
            let is_there = bytes.iter().any(|&byte| byte < b' ' || byte == 0x7f);
            prop_assert_eq!(may_have_control(u64::from_le_bytes(bytes)), is_there);
        }

        #[test]
        fn bytes_between_two_others(bytes in proptest::array::uniform8(0_u8..0x80), ends in (0_u8..0x80, 0_u8..0x80)) {
            let (first, last) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let found = between(u64::from_le_bytes(bytes), first, last).to_le_bytes();
            for (byte, found) in bytes.into_iter().zip(found) {
                prop_assert_eq!(found, if (first..=last).contains(&byte) { 0x80 } else { 0 });
            }
        }
    }

    #[test]
    fn it_ends_with_the_first_no() {
        let mut asked = 0;
        assert!(!all(&[b'a'; 30], |_| {
            asked += 1;
            asked < 2
        }));
        assert_eq!(asked, 2);
    }
}
