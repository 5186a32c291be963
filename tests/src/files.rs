//! Large files that cost no disk, and what a server makes of them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// A file of so many bytes, nearly all of them holes, with a few that tell where they are.
pub fn sparse(length: u64) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(length).unwrap();
    for place in [0, 1_000_000, length / 2 - 3, length - 5] {
        file.write_all_at(b"mark!", place).unwrap();
    }
    file
}

/// Reads a body of `length` bytes and holds it against the file.
pub fn assert_same_bytes(mut received: impl Read, file: &File, offset: u64, length: u64) {
    let (mut found, mut expected) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut place = 0;
    while place < length {
        let most = found.len().min(usize::try_from(length - place).unwrap());
        let count = received.read(&mut found[..most]).unwrap();
        assert!(count > 0, "it ended at {place}");
        file.read_exact_at(&mut expected[..count], offset + place).unwrap();
        assert!(found[..count] == expected[..count], "something else at {place}");
        place += count as u64;
    }
}

/// More bytes than any buffer on the way of a response holds.
pub const LARGE: u64 = 100 << 20;

/// The head of the response of a [`plain`](crate::server::plain) server with a file of so many bytes.
pub fn file_head(length: u64) -> String {
    let content_type = if length == 0 { "" } else { "Content-Type: text/plain; charset=utf-8\r\n" };
    format!("HTTP/1.1 200 OK\r\n{content_type}Content-Length: {length}\r\n\r\n")
}
