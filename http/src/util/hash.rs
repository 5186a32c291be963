//! A hash for short texts that are looked up for each request.
//!
//! The rule: it is quick and not strong. Where peers can choose what is put into a table, its seed is a secret of the
//! process.

/// A multiplicative hash, eight bytes at a time: short inputs, no setup.
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(ODD);
        product ^ product >> 29
    };
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
}
