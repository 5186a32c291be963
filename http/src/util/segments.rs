//! A path in its segments: where each of them is, and a number by which it is known.
//!
//! The idea: a path is gone through once, eight bytes at a time, and whoever has tables of paths asks them with what
//! was found on the way. Numbers depend on the segment's place and are added up, so what is known of any choice of
//! segments is a sum, and of those in a row the difference of two.
//!
//! The rule: numbers are quick and not strong. They find what may be the same; bytes decide what is.

use super::hash::{ODD, mix};
use std::ops::Range;

/// Bytes whose memory is worth keeping.
const KEPT_BYTES_MAX: usize = 4096;
/// Eight slashes.
const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
const EACH_LOW_BIT: u64 = u64::from_le_bytes([0x01; 8]);
const EACH_HIGH_BIT: u64 = u64::from_le_bytes([0x80; 8]);

/// A path in its segments, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    /// The path, eight slashes, and what was appended.
    bytes: Vec<u8>,
    /// One for each segment, and one for the end of the last.
    marks: Vec<Mark>,
    /// The length of the path.
    end: usize,
}

/// Where a segment begins, one byte behind its slash.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    start: usize,
    /// The numbers of all segments before it.
    sum: u64,
}

impl Segments {
    /// Takes `path` apart, which starts with a slash, but no more than its first `most` segments. Without a path there
    /// is no segment.
    #[inline]
    pub(crate) fn split(&mut self, path: &[u8], most: usize) {
        let Self { bytes, marks, end } = self;
        bytes.clear();
        marks.clear();
        *end = path.len();
        bytes.reserve(path.len() + 8);
        bytes.extend_from_slice(path);
        // So there are eight bytes to be read at any place, and a slash behind the last segment.
        bytes.extend_from_slice(&SLASHES.to_le_bytes());
        let (mut mark, mut seed) = (Mark { start: 1, sum: 0 }, 0_u64);
        marks.push(mark);
        while mark.start <= path.len() && marks.len() <= most {
            seed = seed.wrapping_add(ODD);
            let (mut number, mut at) = (seed, mark.start);
            while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
                let word = u64::from_le_bytes(*word);
                // A zero byte where there is a slash; of several bits that are set the lowest is right.
                let other = word ^ SLASHES;
                let slashes = other.wrapping_sub(EACH_LOW_BIT) & !other & EACH_HIGH_BIT;
                if slashes == 0 {
                    (number, at) = (mix(number, word), at + 8);
                    continue;
                }
                let bits = slashes.trailing_zeros() & !7;
                number = mix(number, word & ((1 << bits) - 1));
                at += bits as usize / 8;
                break;
            }
            mark = Mark { start: at + 1, sum: mark.sum.wrapping_add(number) };
            marks.push(mark);
        }
    }

    /// How many segments were found.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.marks.len().saturating_sub(1)
    }

    /// Where the segment is; nowhere if there is none.
    #[inline]
    pub(crate) fn place(&self, index: usize) -> Range<usize> {
        match self.marks.get(index..).and_then(<[Mark]>::first_chunk) {
            Some([mark, next]) => mark.start..next.start - 1,
            None => 0..0,
        }
    }

    /// Where the segment begins, or would.
    #[inline]
    pub(crate) fn start(&self, index: usize) -> usize {
        self.mark(index).start
    }

    /// The number of a segment.
    #[inline]
    pub(crate) fn number(&self, index: usize) -> u64 {
        match self.marks.get(index..).and_then(<[Mark]>::first_chunk) {
            Some([mark, next]) => next.sum.wrapping_sub(mark.sum),
            None => 0,
        }
    }

    /// The numbers of the first so many segments.
    #[inline]
    pub(crate) fn sum(&self, count: usize) -> u64 {
        self.mark(count).sum
    }

    /// Where the path ends.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// What is at `place`.
    #[inline]
    pub(crate) fn bytes(&self, place: Range<usize>) -> &[u8] {
        self.bytes.get(place).unwrap_or_default()
    }

    /// Puts something behind the path, and says where.
    pub(crate) fn append(&mut self, bytes: impl IntoIterator<Item = u8>) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        start..self.bytes.len()
    }

    /// Forgets it all.
    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.marks.clear();
        self.end = 0;
    }

    #[inline]
    fn mark(&self, index: usize) -> Mark {
        self.marks.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn split(path: &[u8], most: usize) -> Segments {
        let mut segments = Segments::default();
        segments.split(b"/left/over", 9);
        segments.append(*b"left over");
        segments.split(path, most);
        segments
    }

    #[test]
    fn segments_are_known_by_what_they_are_and_where() {
        let texts = (0..2_000).map(|number| format!("/segment-{number}"));
        let texts = texts.chain((0..200).map(|length| format!("/{}", "x".repeat(length))));
        let numbers: HashSet<u64> = texts.map(|text| split(text.as_bytes(), 9).number(0)).collect();
        assert_eq!(numbers.len(), 2_200);
        for name in ["/item-", "/route", "/page-00", "/a-name-that-is-long-"] {
            let numbers = (0..100).map(|number| split(format!("{name}{number:02}").as_bytes(), 9).number(0));
            // As tables choose: by chance some 82 of the 256.
            let places: HashSet<u64> = numbers.map(|number| number & 0xff).collect();
            assert!(places.len() > 60, "{} places for {name}", places.len());
        }
        let twice = split(b"/a/a/b", 9);
        assert_ne!(twice.number(0), twice.number(1));
        assert_eq!(twice.number(1), split(b"/longer than a word/a", 9).number(1));
        assert_eq!(twice.sum(2), twice.number(0).wrapping_add(twice.number(1)));
    }

    #[test]
    fn no_more_is_looked_at_than_asked_for() {
        let segments = split(b"/a/b/c/d", 2);
        assert_eq!((segments.count(), segments.place(1), segments.start(2)), (2, 3..4, 5));
        assert_eq!((segments.place(2), segments.end()), (0..0, 8));
        let none = split(b"", 9);
        assert_eq!((none.count(), none.place(0), none.bytes(0..0)), (0, 0..0, &b""[..]));
        let mut cleared = split(&[b'/'; 10_000], 20_000);
        assert_eq!(cleared.count(), 10_000);
        cleared.clear();
        assert_eq!((cleared.count(), cleared.bytes.capacity(), cleared.append(*b"x")), (0, 0, 0..1));
    }

    proptest! {
        #[test]
        fn segments_are_what_is_between_slashes(path in "/([/\\x00/.aöä\u{af}]|[0-9]{7,9}|\\PC){0,20}") {
            let segments = split(path.as_bytes(), usize::MAX);
            let expected: Vec<&str> = path[1..].split('/').collect();
            let found: Vec<&[u8]> =
                (0..segments.count()).map(|index| segments.bytes(segments.place(index))).collect();
            prop_assert_eq!(found, expected.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
            prop_assert_eq!(segments.bytes(0..segments.end()), path.as_bytes());
            for (index, text) in expected.iter().enumerate() {
                let alone = split(format!("{}{text}", "/".repeat(index + 1)).as_bytes(), usize::MAX);
                prop_assert_eq!(segments.number(index), alone.number(index));
            }
        }

        #[test]
        fn any_bytes_are_taken_apart(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let path = [b"/", &bytes[..]].concat();
            let segments = split(&path, usize::MAX);
            let found = (0..segments.count()).map(|index| segments.bytes(segments.place(index)));
            prop_assert!(found.eq(bytes.split(|byte| *byte == b'/')));
        }
    }
}
