//! Mutations of inputs that are known to be interesting, always the same ones.
//!
//! The idea: what a fuzzer found is one step away from what it would find next, so `cargo test` takes some such steps
//! from each file of the corpus. The rule: the same seed gives the same mutations on every machine.

/// Pieces that parsers of HTTP decide by.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"%",
    b"%00",
    b"%2e%2e%2f",
    b"../",
    b"//",
    b";",
    b"=",
    b"&",
    b",",
    b":",
    b"\"",
    b"\\",
    b"--",
    b"0\r\n\r\n",
    b"fffffffffffffff",
    b"18446744073709551616",
    b";a=\"\\\"",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\xff",
    b"\xc3\xa9",
];

/// An endless row of mutations of some inputs.
///
/// ```
/// use anthill_tests::fuzz::Mutations;
/// let inputs = [b"GET / HTTP/1.1".to_vec()];
/// let first: Vec<_> = Mutations::new(&inputs, 1).take(20).collect();
/// assert!(first.iter().any(|mutation| *mutation != inputs[0]));
/// assert_eq!(first, Mutations::new(&inputs, 1).take(20).collect::<Vec<_>>());
/// ```
#[derive(Clone, Debug)]
pub struct Mutations<'a> {
    inputs: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutations<'a> {
    /// Mutations of `inputs`; others for another `seed`.
    pub fn new(inputs: &'a [Vec<u8>], seed: u64) -> Self {
        Mutations { inputs, state: seed }
    }

    /// A number below `bound`, or 0 when that is 0.
    fn below(&mut self, bound: usize) -> usize {
        // The generator known as SplitMix64: one addition and a few shifts, and good enough to choose places.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let word = word ^ word >> 31;
        word.checked_rem(bound as u64).unwrap_or(0) as usize
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let until = at + self.below((input.len() - at).min(64) + 1);
        match self.below(8) {
            0 => drop(input.drain(at..until)),
            1 => {
                let piece = input[at..until].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            2 => input.truncate(at),
            3 | 4 => {
                let word = WORDS[self.below(WORDS.len())];
                let replaced = if self.below(2) == 0 { at } else { until };
                input.splice(at..replaced, word.iter().copied());
            }
            5 => {
                let other = &self.inputs[self.below(self.inputs.len())];
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let (bit, byte) = (self.below(8), self.below(256));
                if let Some(place) = input.get_mut(at) {
                    *place = if byte < 128 { *place ^ 1 << bit } else { byte as u8 };
                }
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.inputs.is_empty() {
            return None;
        }
        let mut input = self.inputs[self.below(self.inputs.len())].clone();
        for _ in 0..=self.below(4) {
            self.mutate(&mut input);
        }
        Some(input)
    }
}
