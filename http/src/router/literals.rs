//! Texts that segments may be, and where each leads.
//!
//! The idea: few are compared one after the other, many are found by a hash. Its seed is no secret: which texts there
//! are is up to the program, so how many share a place does not depend on what peers ask for.

use crate::util::hash::hash;

/// So many are compared one after the other.
const FEW: usize = 4;
const SEED: u64 = 0x7274_6573_6565_6421;

/// Texts, each with a number.
#[derive(Debug, Default)]
pub(super) struct Literals {
    texts: Vec<(Box<str>, usize)>,
    /// Places in `texts`, plus one, by hash; zero for none. A power of two of them, half of which at least are free; or
    /// none, when there are few texts.
    table: Vec<u32>,
}

impl Literals {
    #[inline]
    pub(super) fn get(&self, text: &[u8]) -> Option<usize> {
        if self.table.is_empty() {
            let found = self.texts.iter().find(|(known, _)| known.as_bytes() == text);
            return found.map(|(_, number)| *number);
        }
        let mask = self.table.len() - 1;
        let mut place = hash(SEED, text) as usize & mask;
        loop {
            let (known, number) = self.texts.get((self.table[place] as usize).checked_sub(1)?)?;
            if known.as_bytes() == text {
                return Some(*number);
            }
            place = (place + 1) & mask;
        }
    }

    /// The number of `text`, which is `number` if it has none yet.
    pub(super) fn get_or_insert(&mut self, text: &str, number: usize) -> usize {
        if let Some(known) = self.get(text.as_bytes()) {
            return known;
        }
        self.texts.push((text.into(), number));
        if self.texts.len() > FEW {
            self.build();
        }
        number
    }

    fn build(&mut self) {
        if self.texts.len() * 2 > self.table.len() {
            self.table = vec![0; (self.texts.len() * 4).next_power_of_two()];
            (0..self.texts.len()).for_each(|index| self.place(index));
        } else {
            self.place(self.texts.len() - 1);
        }
    }

    fn place(&mut self, index: usize) {
        let mask = self.table.len() - 1;
        let mut place = hash(SEED, self.texts[index].0.as_bytes()) as usize & mask;
        while self.table[place] != 0 {
            place = (place + 1) & mask;
        }
        self.table[place] = index as u32 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_texts_is_found() {
        let mut literals = Literals::default();
        assert_eq!(literals.get(b""), None);
        let text = |number: usize| if number == 0 { String::new() } else { format!("segment-{number}") };
        for number in 0..3_000 {
            assert_eq!(literals.get(text(number).as_bytes()), None);
            assert_eq!(literals.get_or_insert(&text(number), number), number);
            assert_eq!(literals.get_or_insert(&text(number / 2), usize::MAX), number / 2);
        }
        for number in 0..3_000 {
            assert_eq!(literals.get(text(number).as_bytes()), Some(number));
        }
        assert_eq!(literals.get(b"segment-3000"), None);
        assert_eq!(literals.get(b"\xff"), None);
    }
}
