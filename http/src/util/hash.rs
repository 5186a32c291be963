//! A hash for short inputs, for tables whose keys no peer can choose, or whose seed none knows.

/// A multiplicative hash, eight bytes at a time: short inputs, no setup.
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(ODD);
        product ^ product >> 29
    };
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = seed;
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let rest = chunks.remainder().iter().fold(1, |word, byte| word << 8 | u64::from(*byte));
    mix(mix(hash, rest), bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_count() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\0",
            b"a",
            b"b",
            b"a-segment-of-some-length",
            b"a-segment-of-some-lengtH",
            b"b-segment-of-some-length",
            b"\0\0",
        ];
        for (at, one) in inputs.iter().enumerate() {
            assert_eq!(hash(7, one), hash(7, one));
            assert_ne!(hash(7, one), hash(8, one));
            for other in &inputs[at + 1..] {
                assert_ne!(hash(7, one), hash(7, other), "{one:?} {other:?}");
            }
        }
    }
}
