//! The framing of a chunked body, for both roles.

/// Appends what stands before a chunk of `length` bytes. A chunk of none would be the last.
pub(crate) fn append_chunk_start(buffer: &mut Vec<u8>, length: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        buffer.push(HEX[length >> (digit * 4) & 0xf]);
    }
    buffer.extend_from_slice(b"\r\n");
}

/// Appends what stands behind a chunk.
pub(crate) fn append_chunk_end(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b"\r\n");
}

/// Appends the last chunk with the given lines as its trailer section.
pub(crate) fn append_last_chunk(buffer: &mut Vec<u8>, trailers: &[u8]) {
    buffer.extend_from_slice(b"0\r\n");
    buffer.extend_from_slice(trailers);
    buffer.extend_from_slice(b"\r\n");
}
