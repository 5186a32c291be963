//! The checksum of zlib's format.
//!
//! Source: RFC 1950 section 8.2.

const MODULUS: u32 = 65_521;

/// As many bytes as can be added up before a sum exceeds 32 bits.
const BYTES_AT_ONCE: usize = 5552;

/// The sum of what was seen so far.
pub(crate) struct Adler32 {
    bytes: u32,
    sums: u32,
}

impl Adler32 {
    pub(crate) fn new() -> Self {
        Self { bytes: 1, sums: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(BYTES_AT_ONCE) {
            for &byte in part {
                self.bytes += u32::from(byte);
                self.sums += self.bytes;
            }
            self.bytes %= MODULUS;
            self.sums %= MODULUS;
        }
    }

    pub(crate) fn sum(&self) -> u32 {
        self.sums << 16 | self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(pieces: &[&[u8]]) -> u32 {
        let mut sum = Adler32::new();
        pieces.iter().for_each(|piece| sum.update(piece));
        sum.sum()
    }

    #[test]
    fn known_sums() {
        assert_eq!(sum(&[]), 1);
        assert_eq!(sum(&[b"Wikipedia"]), 0x11e6_0398);
        assert_eq!(sum(&[b"Wiki", b"", b"pedia"]), 0x11e6_0398);
        // The largest that can be: no sum overflows.
        let long = vec![0xff; 1_000_000];
        assert_eq!(sum(&[&long]), sum(&[&long[..5553], &long[5553..]]));
    }
}
