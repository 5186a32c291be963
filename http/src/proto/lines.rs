//! Line ends: where a head or a trailer section is over.
//!
//! The rule: a line ends with CRLF. A line feed alone is refused as soon as it is seen, because where only one of two
//! parsers takes it for a line end, one head becomes two.

use super::error::ProtoError;

/// Looks for the blank line that ends a head (or a trailer section), from `scanned` on, and returns the
/// position behind it, or `None` when it is not there yet.
///
/// Refuses a line feed without a carriage return. `scanned` bytes have been looked at before; the caller
/// remembers how many there were.
pub(crate) fn find_end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, ProtoError> {
    let unseen = bytes.get(scanned..).unwrap_or_default();
    for position in memchr::memchr_iter(b'\n', unseen) {
        let line_feed = scanned + position;
        let line = &bytes[..line_feed];
        match line {
            [.., b'\n', b'\r'] | [b'\r'] => return Ok(Some(line_feed + 1)),
            [.., b'\r'] => {}
            _ => return Err(ProtoError::BareLineFeed),
        }
    }
    Ok(None)
}

/// Whether `position` is where a line begins that ended with CRLF before it.
#[inline]
pub(crate) fn follows_crlf(bytes: &[u8], position: usize) -> bool {
    position.checked_sub(2).and_then(|before| bytes.get(before)) == Some(&b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_from_anywhere() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
        for scanned in 0..27 {
            assert_eq!(find_end(head, scanned), Ok(Some(27)), "{scanned}");
            assert_eq!(find_end(&head[..26], scanned), Ok(None), "{scanned}");
        }
        assert_eq!(find_end(b"\r\n", 0), Ok(Some(2)));
        assert_eq!(find_end(b"", 0), Ok(None));
        assert_eq!(find_end(b"a: b\r\n\r", 0), Ok(None));
        for bare in [&b"\n"[..], b"a\n", b"a\r\n\n", b"a\r\nb\n\r\n"] {
            assert_eq!(find_end(bare, 0), Err(ProtoError::BareLineFeed), "{bare:?}");
        }
    }
}
