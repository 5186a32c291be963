//! DEFLATE, bit by bit and slowly, with what a window must hold.
//!
//! Source: RFC 1951.

/// What a stream, or several one behind the other, become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inflated {
    /// What has come out, up to a fault if there is one.
    pub bytes: Vec<u8>,
    /// How far back a reference went.
    pub farthest: usize,
    /// Streams that have ended.
    pub ended: u32,
    /// Where the last stream has ended, in bytes, if nothing follows.
    pub end: Option<usize>,
    /// Whether the input ends where a block does, or a stream.
    pub is_whole: bool,
}

/// Unpacks all of `input`. A stream that has ended is followed by another one at the next byte.
pub fn inflate(input: &[u8]) -> Inflated {
    let mut bits = Bits { input, place: 0 };
    let mut found = Inflated::default();
    let mut start = 0;
    loop {
        if bits.place == input.len() * 8 {
            found.is_whole = true;
            return found;
        }
        found.end = None;
        let Some(is_last) = block(&mut bits, &mut found, start) else { return found };
        if is_last {
            bits.place = bits.place.next_multiple_of(8);
            found.ended += 1;
            found.end = Some(bits.place / 8);
            start = found.bytes.len();
        }
    }
}

struct Bits<'a> {
    input: &'a [u8],
    place: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = self.input.get(self.place / 8)?;
        let bit = byte >> (self.place % 8) & 1;
        self.place += 1;
        Some(bit.into())
    }

    /// A number, its lowest bit first.
    fn number(&mut self, bits: usize) -> Option<usize> {
        let mut number = 0;
        for place in 0..bits {
            number |= self.bit()? << place;
        }
        Some(number)
    }
}

/// A Huffman code: how many codes there are of each length, and their symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    /// `None`: the lengths are those of no code.
    fn new(lengths: &[usize], is_literals: bool) -> Option<Self> {
        let mut counts = [0; 16];
        for &length in lengths {
            counts[length] += 1;
        }
        counts[0] = 0;
        let mut left = 1_isize;
        for count in &counts[1..] {
            left = 2 * left - *count as isize;
            if left < 0 {
                return None;
            }
        }
        let used: usize = counts.iter().sum();
        // A code that leaves places free is one of at most one symbol, and not that of the lengths.
        if left > 0 && (used > 1 || is_literals && used != 1) {
            return None;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&symbol| lengths[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| (lengths[symbol], symbol));
        Some(Code { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                return self.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Reads a block, and says whether it is the last one of its stream, which began at `start` of what has come out.
fn block(bits: &mut Bits<'_>, found: &mut Inflated, start: usize) -> Option<bool> {
    let is_last = bits.bit()? == 1;
    match bits.number(2)? {
        0 => {
            bits.place = bits.place.next_multiple_of(8);
            let (length, check) = (bits.number(16)?, bits.number(16)?);
            if length != !check & 0xffff {
                return None;
            }
            for _ in 0..length {
                let byte = bits.number(8)? as u8;
                found.bytes.push(byte);
            }
        }
        1 => {
            let lengths: Vec<usize> = (0..288)
                .map(|symbol| match symbol {
                    0..=143 => 8,
                    144..=255 => 9,
                    256..=279 => 7,
                    _ => 8,
                })
                .collect();
            symbols(bits, found, start, &Code::new(&lengths, true)?, &Code::new(&[5; 32], false)?)?;
        }
        2 => {
            let (literals, distances) = codes(bits)?;
            symbols(bits, found, start, &literals, &distances)?;
        }
        _ => return None,
    }
    Some(is_last)
}

/// The codes of a block that brings its own.
fn codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.number(5)? + 257, bits.number(5)? + 1, bits.number(4)? + 4);
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.number(3)?;
    }
    let code = Code::new(&lengths, true)?;
    let mut lengths: Vec<usize> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.symbol(bits)? {
            16 => (*lengths.last()?, bits.number(2)? + 3),
            17 => (0, bits.number(3)? + 3),
            18 => (0, bits.number(7)? + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return None;
    }
    Some((Code::new(&lengths[..literals], true)?, Code::new(&lengths[literals..], false)?))
}

fn symbols(
    bits: &mut Bits<'_>,
    found: &mut Inflated,
    start: usize,
    literals: &Code,
    distances: &Code,
) -> Option<()> {
    const LENGTHS: [usize; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195, 227, 258,
    ];
    loop {
        match literals.symbol(bits)? {
            literal @ 0..=255 => found.bytes.push(literal as u8),
            256 => return Some(()),
            symbol => {
                let number = symbol - 257;
                let extra = if (8..28).contains(&number) { number / 4 - 1 } else { 0 };
                let length = LENGTHS.get(number)? + bits.number(extra)?;
                let number = distances.symbol(bits)?;
                let distance = match number {
                    0..=3 => number + 1,
                    4..=29 => {
                        let extra = number / 2 - 1;
                        ((2 + number % 2) << extra) + 1 + bits.number(extra)?
                    }
                    _ => return None,
                };
                if distance > found.bytes.len() - start {
                    return None;
                }
                found.farthest = found.farthest.max(distance);
                for _ in 0..length {
                    found.bytes.push(found.bytes[found.bytes.len() - distance]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write;

    #[test]
    fn it_reads_what_is_written() {
        let texts = [
            Vec::new(),
            b"a".to_vec(),
            b"to be, or not to be, that is the question; to be, or not".repeat(300),
            (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            vec![0; 70_000],
        ];
        for text in &texts {
            for level in [0, 1, 6, 9] {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(text).expect("a vector");
                let packed = encoder.finish().expect("a vector");
                let found = inflate(&packed);
                assert!(found.bytes == *text && found.is_whole, "{} bytes at {level}", text.len());
                assert_eq!((found.ended, found.end), (1, Some(packed.len())));
                let cut = inflate(&packed[..packed.len() - 1]);
                assert!(!cut.is_whole && text.starts_with(&cut.bytes));
            }
        }
    }

    #[test]
    fn examples_of_rfc_7692() {
        // "Hello" in one block with fixed codes, again by reference to itself, and in a block without compression.
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff").bytes, b"Hello");
        let both =
            inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\xf2\x00\x11\x00\x00\x00\x00\xff\xff");
        assert_eq!((&both.bytes[..], both.farthest), (&b"HelloHello"[..], 5));
        assert_eq!(inflate(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00\x00\x00\xff\xff").bytes, b"Hello");
        let ended = inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00\x00\xff\xff");
        assert_eq!(
            (&ended.bytes[..], ended.ended, ended.end, ended.is_whole),
            (&b"Hello"[..], 1, None, true)
        );
    }
}
