//! What is found by a number and a text.
//!
//! The idea: the last bits of the number say in which of the buckets it is, of which there are more than entries. They
//! lie one behind the other, so that a look which finds nothing takes a few instructions.

/// Entries by number and text.
#[derive(Debug)]
pub(super) struct KeyTable<T> {
    /// Where each bucket begins among the entries, and where the last one ends.
    starts: Vec<u32>,
    entries: Vec<KeyedEntry<T>>,
}

#[derive(Debug)]
struct KeyedEntry<T> {
    key: u64,
    text: Box<[u8]>,
    value: T,
}

impl<T> KeyTable<T> {
    /// A table of these, each with its number and text.
    pub(super) fn new(entries: Vec<(u64, Vec<u8>, T)>) -> Self {
        // A power of two, so that bits say which; none at all where there is nothing.
        let count = if entries.is_empty() { 0 } else { (entries.len() * 2).next_power_of_two() };
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|(key, text, value)| KeyedEntry { key, text: text.into(), value })
            .collect();
        let bucket = |entry: &KeyedEntry<T>| (entry.key & (count as u64).wrapping_sub(1)) as usize;
        entries.sort_by_key(bucket);
        let begins = |index| entries.partition_point(|entry| bucket(entry) < index) as u32;
        Self { starts: (0..=count).map(begins).collect(), entries }
    }

    /// The entry with this number of whose text `is_it` says so.
    #[inline]
    pub(super) fn find(&self, key: u64, is_it: impl Fn(&[u8]) -> bool) -> Option<&T> {
        // One less than a power of two; without buckets there is but the end of what is not there.
        let bucket = key as usize & self.starts.len().wrapping_sub(2);
        let [start, end] = *self.starts.get(bucket..).and_then(<[u32]>::first_chunk)?;
        let entries = self.entries.get(start as usize..end as usize)?;
        entries.iter().find(|entry| entry.key == key && is_it(&entry.text)).map(|entry| &entry.value)
    }
}

/// One of nothing.
impl<T> Default for KeyTable<T> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_by_both() {
        for count in [0, 1, 2, 3, 4, 100] {
            // Of seven numbers, so many are of one.
            let entries = (0..count)
                .map(|index: u64| (index % 7 * 0x1_0000_0001, index.to_string().into_bytes(), index));
            let table = KeyTable::new(entries.collect());
            for index in 0..200 {
                let text = index.to_string();
                let found = table.find(index % 7 * 0x1_0000_0001, |known| known == text.as_bytes());
                assert_eq!(found.copied(), (index < count).then_some(index), "{index} of {count}");
                assert_eq!(table.find(index % 7 + 8, |known| known == text.as_bytes()), None);
                assert_eq!(table.find(u64::MAX - index, |_| true), None);
            }
        }
    }
}
