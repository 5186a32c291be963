//! Whether to look for another connection at once, or to wait for it.
//!
//! The idea: when connections come one by one, looking for another finds none, and costs a call; when they come thick,
//! it is the wait that costs a call. What the last look after a wait has brought tells which it is.

/// So many waits bring one connection each before there is a look for more.
const SINGLES: u32 = 8;

/// How connections come.
#[derive(Debug, Default)]
pub(crate) struct Rhythm {
    /// Connections since the last wait.
    taken: u32,
    /// Waits in a row that brought one connection, and after which nobody looked for more.
    singles: u32,
    /// Look for more until there are none.
    is_thick: bool,
}

impl Rhythm {
    /// A connection was accepted. True: look for another one before waiting.
    pub(crate) fn accepted(&mut self) -> bool {
        self.taken = self.taken.saturating_add(1);
        if !self.is_thick {
            self.singles += 1;
            self.is_thick = self.singles == SINGLES;
            if !self.is_thick {
                self.taken = 0;
                return false;
            }
        }
        true
    }

    /// A look found none.
    pub(crate) fn none_waits(&mut self) {
        self.is_thick = self.taken > 1;
        self.singles = 0;
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls (looks, waits) for connections that come in groups of so many.
    fn calls(groups: usize, size: usize) -> (usize, usize) {
        let (mut rhythm, mut looks, mut waits) = (Rhythm::default(), 0, 0);
        let mut queue = 0;
        for _ in 0..groups {
            queue += size;
            loop {
                waits += 1;
                loop {
                    looks += 1;
                    if queue == 0 {
                        rhythm.none_waits();
                        break;
                    }
                    queue -= 1;
                    if !rhythm.accepted() {
                        break;
                    }
                }
                if queue == 0 {
                    break;
                }
            }
        }
        (looks, waits)
    }

    #[test]
    fn one_by_one_few_looks_find_none() {
        let (looks, waits) = calls(800, 1);
        assert_eq!((looks, waits), (900, 800));
    }

    #[test]
    fn when_they_come_thick_few_waits_are_made() {
        let (looks, waits) = calls(100, 50);
        assert!(looks <= 5000 + 101 && waits <= 100 + SINGLES as usize, "{looks} looks, {waits} waits");
    }
}
