//! A hash for short texts that are looked up for each request.
//!
//! The rule: it is quick and not strong. Where peers can choose what is put into a table, its seed is a secret of the
//! process.

/// An odd number whose bits look like chance: the golden ratio's.
pub(crate) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes `word` into `hash`. Both halves of the product count, so each bit of the word reaches all of the hash: a half
/// alone would leave what stands at the end of a word in a few bits, and tables that look at others in a few places.
#[inline]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(ODD);
    product as u64 ^ (product >> 64) as u64
}

/// A multiplicative hash, eight bytes at a time: short inputs, no setup.
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(ODD);
    let rest = if let Some(last) = bytes.last_chunk() {
        for chunk in bytes.chunks_exact(8) {
            hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        // Some of them for the second time, which costs less than to look at each of the others.
        u64::from_le_bytes(*last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else {
        bytes.iter().fold(1, |word, byte| word << 8 | u64::from(*byte))
    };
    mix(hash, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn texts_that_differ_little_are_told_apart() {
        let texts = (0..10_000).map(|number| format!("/segment-{number}/x"));
        let hashes: HashSet<u64> = texts.map(|text| hash(7, text.as_bytes())).collect();
        assert_eq!(hashes.len(), 10_000);
        let lengths: HashSet<u64> = (0..100).map(|length| hash(7, &vec![0; length])).collect();
        assert_eq!(lengths.len(), 100, "zeros count, too");
        assert_ne!(hash(7, b"a"), hash(8, b"a"));
    }

    /// Whatever some bits of the hash choose a place by, texts that differ at one end have many places.
    #[test]
    fn any_bits_tell_texts_apart() {
        let letters = || (b'0'..=b'9').chain(b'a'..=b'z');
        let pairs: Vec<[u8; 2]> =
            letters().flat_map(|first| letters().map(move |second| [first, second])).collect();
        for (seed, length) in (0..20).flat_map(|seed: u64| (2..40).map(move |length| (seed, length))) {
            let rest = &b"/something/that-is-long-enough-for-all-of-it"[..length - 2];
            for at_end in [true, false] {
                let text =
                    |pair: &[u8; 2]| if at_end { [rest, pair].concat() } else { [pair, rest].concat() };
                let hashes: Vec<u64> = pairs
                    .iter()
                    .map(|pair| hash(seed.wrapping_mul(0x1234_5678_9abc_def1), &text(pair)))
                    .collect();
                for shift in [0, 20, 32, 52] {
                    let places: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0xfff).collect();
                    // Of 1,296 by chance some 1,100.
                    assert!(places.len() > 900, "{} places: {seed} {length} {at_end} {shift}", places.len());
                }
            }
        }
    }
}
