//! Compressed content: the same bytes come out however it arrives, an error is an error in every cut, and what was put
//! in front of it decides alone whether it is tried at all.
//!
//! The rule: how much comes out is bounded by who reads, so this reads no more than it can hold.

use std::io::{ErrorKind, Read};

use anthill_http::body::ContentDecoder;

use super::plan::{Plan, fields};

/// What is read of a content at most. A few hundred bytes may stand for megabytes.
const BYTES_MAX: u64 = 16 * 1024;

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [coding, content] = fields::<2>(input);
    let coding = match plan.below(7) {
        0 => &b"gzip"[..],
        1 => b"deflate",
        2 => b"X-GZip, identity",
        3 => b"br",
        4 => b"zstd",
        5 => b"zstd, gzip",
        _ => coding,
    };
    let step = usize::from(plan.byte()) + 1;
    let whole = read(coding, content, content.len().max(1), 4096);
    let is_all = |found: &Found| found.as_ref().is_none_or(|(content, _)| (content.len() as u64) < BYTES_MAX);
    for (cut, room) in [(1, 4096), (step, 50)] {
        let pieces = read(coding, content, cut, room);
        // What is wrong behind that may be noticed before or not.
        if is_all(&whole) && is_all(&pieces) {
            assert_eq!(pieces, whole, "cut every {cut} bytes, read by {room}");
        }
    }
    if coding.eq_ignore_ascii_case(b"identity") || coding.is_empty() {
        assert!(!is_all(&whole) || whole == Some((content.to_vec(), None)));
    }
}

/// What was read, and the error instead; `None` when the coding is not known.
type Found = Option<(Vec<u8>, Option<ErrorKind>)>;

fn read(coding: &[u8], content: &[u8], cut: usize, room: usize) -> Found {
    let mut decoder = ContentDecoder::new(coding, Pieces { rest: content, cut }).ok()?.take(BYTES_MAX);
    let mut found = Vec::new();
    let mut space = vec![0; room];
    loop {
        match decoder.read(&mut space) {
            Ok(0) => return Some((found, None)),
            Ok(count) => found.extend_from_slice(&space[..count]),
            // How much comes out before what is wrong is noticed depends on the room for it.
            Err(error) => return Some((Vec::new(), Some(error.kind()))),
        }
    }
}

struct Pieces<'a> {
    rest: &'a [u8],
    cut: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let most = self.cut.min(room.len());
        let count = (&self.rest[..most.min(self.rest.len())]).read(room)?;
        self.rest = &self.rest[count..];
        Ok(count)
    }
}
