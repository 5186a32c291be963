//! Numbers as hexadecimal digits, without a loop.

/// The sixteen hexadecimal digits of a number.
pub(crate) fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let (upper, lower) = digits.split_at_mut(8);
    upper.copy_from_slice(&hex_of_half((number >> 32) as u32));
    lower.copy_from_slice(&hex_of_half(number as u32));
    digits
}

/// The same of half a number, all at once: four bits to each byte first, and then what makes letters of them.
fn hex_of_half(number: u32) -> [u8; 8] {
    let mut bits = u64::from(number);
    bits = bits & 0xffff | (bits & 0xffff_0000) << 16;
    bits = bits & 0x00ff_0000_00ff | (bits & 0xff00_0000_ff00) << 8;
    bits = bits & 0x000f_000f_000f_000f | (bits & 0x00f0_00f0_00f0_00f0) << 4;
    let letters = (bits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (bits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(number: u64) {
            prop_assert_eq!(hex(number).to_vec(), format!("{number:016x}").into_bytes());
        }
    }
}
