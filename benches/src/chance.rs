//! Chance that is the same in every run (xorshift).

/// A source of numbers.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// One of many sources.
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Self(0x9E37_79B9_7F4A_7C15 ^ (seed + 1));
        // Neighbouring seeds begin alike.
        (0..8).for_each(|_| _ = chance.next());
        chance
    }

    /// A number below `limit`, which is above zero and not near 2^32.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) % limit.max(1) as u64) as usize
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
