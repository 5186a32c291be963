//! Sets of bytes, made when the crate is compiled, that say what may stand somewhere as it is.
//!
//! The rule: looking a byte up is one load, and never panics.

/// For each byte, whether it belongs to the set.
pub(crate) type ByteSet = [bool; 256];

/// Letters and digits, and `symbols`.
pub(crate) const fn alphanumerics_and(symbols: &[u8]) -> ByteSet {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    with(set, symbols, true)
}

/// Everything but spaces, control bytes and `symbols`, so that nothing ends early and no line is broken.
pub(crate) const fn visible_but(symbols: &[u8]) -> ByteSet {
    let mut set = [true; 256];
    let mut byte = 0;
    while byte <= b' ' {
        set[byte as usize] = false;
        byte += 1;
    }
    set[0x7f] = false;
    with(set, symbols, false)
}

/// `set` with `symbols` in it or out of it.
const fn with(mut set: ByteSet, symbols: &[u8], belongs: bool) -> ByteSet {
    let mut index = 0;
    while index < symbols.len() {
        set[symbols[index] as usize] = belongs;
        index += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let members = |set: ByteSet| -> Vec<u8> { (0..=255).filter(|&byte| set[byte as usize]).collect() };
        let alphanumerics = members(alphanumerics_and(b"_"));
        assert_eq!(alphanumerics, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
        let visible: Vec<u8> = (b'!'..=b'~').filter(|&byte| byte != b'#').chain(0x80..=0xff).collect();
        assert_eq!(members(visible_but(b"#")), visible);
    }
}
