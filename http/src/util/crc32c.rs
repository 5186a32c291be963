//! The checksum CRC-32C (Castagnoli), RFC 9260 appendix B, over bytes that come in pieces.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

/// A checksum under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    /// That of no bytes.
    pub(crate) fn new() -> Self {
        Self(!0)
    }

    /// The same with more bytes behind.
    pub(crate) fn update(self, bytes: &[u8]) -> Self {
        let step = |sum: u32, &byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
        Self(bytes.iter().fold(self.0, step))
    }

    /// The checksum.
    pub(crate) fn value(self) -> u32 {
        !self.0
    }
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, B.4, and the check value of every list of checksums.
    #[test]
    fn examples_of_the_standard() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ] {
            assert_eq!(Crc32c::new().update(bytes).value(), expected);
            let (front, back) = bytes.split_at(bytes.len() / 3);
            assert_eq!(Crc32c::new().update(front).update(back).value(), expected, "in pieces");
        }
    }
}
