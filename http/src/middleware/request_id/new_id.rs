//! Ids that nobody else has.
//!
//! The idea: half of an id is the process's, by chance, the other half counts. What is counted is shuffled, so that an
//! id does not say how many there were; as nothing is lost by that, no two are the same.

use crate::util::hex::hex;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Hexadecimal digits of an id.
pub(super) const ID_DIGITS: usize = 32;

/// What this process makes its ids of.
struct IdSource {
    process: [u8; ID_DIGITS / 2],
    secret: u64,
    count: AtomicU64,
}

impl IdSource {
    fn new() -> Self {
        Self { process: hex(by_chance()), secret: by_chance(), count: AtomicU64::new(0) }
    }

    fn next(&self) -> [u8; ID_DIGITS] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; ID_DIGITS];
        let (process, own) = id.split_at_mut(ID_DIGITS / 2);
        process.copy_from_slice(&self.process);
        own.copy_from_slice(&hex(shuffled(count.wrapping_add(self.secret))));
        id
    }
}

/// An id.
pub(super) fn new_id() -> [u8; ID_DIGITS] {
    static SOURCE: OnceLock<IdSource> = OnceLock::new();
    SOURCE.get_or_init(IdSource::new).next()
}

/// A number that no other process has: of the system's chance, by way of what keys hash tables, and of what differs
/// anyway.
fn by_chance() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.write_u128(time.as_nanos());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Another number for each number (the end of Steele's and Vigna's SplitMix64; each step can be undone).
fn shuffled(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_new_each_time_also_of_another_process() {
        let sources = [IdSource::new(), IdSource::new()];
        let ids: HashSet<_> = (0..20_000).map(|index| sources[index % 2].next()).collect();
        assert_eq!(ids.len(), 20_000);
        let beginnings: HashSet<_> = ids.iter().map(|id| id[..16].to_vec()).collect();
        assert_eq!(beginnings.len(), 2, "each process has its own");
        let later: Vec<_> = (0..64).map(|_| sources[0].next()).collect();
        assert!(!later.is_sorted(), "how many there were is not seen");
    }
}
