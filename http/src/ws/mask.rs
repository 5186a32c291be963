//! Masking: each byte of a client's payload is combined with one of four of a key, in turn.
//!
//! The idea: eight bytes are one word, which compilers make wider still. The key is turned as far as the payload has
//! got, so the next piece begins with its first byte.
//!
//! Source: RFC 6455 section 5.3.

/// Masks or unmasks `bytes`, and returns the key for those that follow.
pub(super) fn apply(key: [u8; 4], bytes: &mut [u8]) -> [u8; 4] {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in words.by_ref() {
        let mut plain = [0; 8];
        plain.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(plain) ^ wide).to_ne_bytes());
    }
    let rest = words.into_remainder();
    let turned = rest.len() % 4;
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    let mut next = key;
    next.rotate_left(turned);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let next = apply([0x37, 0xfa, 0x21, 0x3d], &mut payload);
        assert_eq!(&payload, b"Hello");
        assert_eq!(next, [0xfa, 0x21, 0x3d, 0x37]);
    }

    proptest! {
        #[test]
        fn every_byte_meets_its_own_of_the_key(
            key: [u8; 4],
            payload in proptest::collection::vec(any::<u8>(), 0..80),
            cuts in proptest::collection::vec(0..80_usize, 0..6),
        ) {
            let expected: Vec<u8> =
                payload.iter().enumerate().map(|(place, byte)| byte ^ key[place % 4]).collect();
            let mut masked = payload.clone();
            let (mut rest, mut next) = (&mut masked[..], key);
            for cut in cuts {
                let (piece, others) = rest.split_at_mut(cut.min(rest.len()));
                next = apply(next, piece);
                rest = others;
            }
            apply(next, rest);
            prop_assert_eq!(masked, expected);
        }
    }
}
