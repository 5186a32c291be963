//! Cutting bytes in two at a separator.

/// What is before the first `separator`, and what is behind it if there is one.
pub(crate) fn cut(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, bytes) {
        Some(position) => (&bytes[..position], Some(&bytes[position + 1..])),
        None => (bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_once() {
        assert_eq!(cut(b"a=b=c", b'='), (&b"a"[..], Some(&b"b=c"[..])));
        assert_eq!(cut(b"a=", b'='), (&b"a"[..], Some(&b""[..])));
        assert_eq!(cut(b"a", b'='), (&b"a"[..], None));
    }
}
