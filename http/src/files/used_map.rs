//! A map that knows which of its entries are used, so that room can be made by others.
//!
//! The idea: entries stand in line in the order in which they came. Who needs room takes the first that was not used
//! since it came to the front the last time; those in front of it go to the end, and have to be used again. So nothing
//! is done with each use but to note it, and no more is looked at than was used.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// See the module's text.
#[derive(Debug)]
pub(super) struct UsedMap<K, V> {
    entries: HashMap<K, UsedEntry<V>>,
    /// Keys and numbers of entries. Those that are gone are passed over.
    line: VecDeque<(K, u64)>,
    /// The number of the last entry.
    count: u64,
    /// How many entries were looked at for room.
    #[cfg(test)]
    pub(super) looks: usize,
}

#[derive(Debug)]
struct UsedEntry<V> {
    value: V,
    number: u64,
    /// Since it came to the front of the line the last time.
    is_used: bool,
}

impl<K, V> Default for UsedMap<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            line: VecDeque::new(),
            count: 0,
            #[cfg(test)]
            looks: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, V> UsedMap<K, V> {
    /// An entry that is used.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        entry.is_used = true;
        Some(&mut entry.value)
    }

    /// The same, which is no use of it.
    #[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
    pub(super) fn peek<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Puts in a new entry, not used yet; what had that key is gone.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.count += 1;
        let number = self.count;
        self.line.push_back((key.clone(), number));
        let gone = self.entries.insert(key, UsedEntry { value, number, is_used: false });
        // As many came since this was done the last time, so each pays for a few.
        if self.line.len() > 2 * self.entries.len() + 16 {
            self.tidy_line();
        }
        gone.map(|entry| entry.value)
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// Takes out the first in line that was not used; those in front of it go to the end. `None`: it is empty.
    pub(super) fn take_unused(&mut self) -> Option<V> {
        while let Some((key, number)) = self.line.pop_front() {
            #[cfg(test)]
            {
                self.looks += 1;
            }
            let entry = self.entries.get_mut(&key).filter(|entry| entry.number == number);
            match entry.map(|entry| std::mem::take(&mut entry.is_used)) {
                Some(true) => self.line.push_back((key, number)),
                Some(false) => return self.remove(&key),
                None => {}
            }
        }
        None
    }

    /// Takes out those of which that is so.
    pub(super) fn take_if(&mut self, is_over: impl Fn(&V) -> bool) -> Vec<V> {
        let over = self.entries.iter().filter(|(_, entry)| is_over(&entry.value));
        let over: Vec<K> = over.map(|(key, _)| key.clone()).collect();
        let gone = over.iter().filter_map(|key| self.remove(key)).collect();
        self.tidy_line();
        gone
    }

    /// Takes out all.
    pub(super) fn take_all(&mut self) -> Vec<V> {
        self.line.clear();
        std::mem::take(&mut self.entries).into_values().map(|entry| entry.value).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Leaves out of the line what is gone.
    fn tidy_line(&mut self) {
        let entries = &self.entries;
        self.line.retain(|(key, number)| entries.get(key).is_some_and(|entry| entry.number == *number));
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|entry| &entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut map = UsedMap::default();
        for number in 0..4 {
            assert_eq!(map.insert(number, number), None);
        }
        assert_eq!((map.get(&0).copied(), map.get(&2).copied(), map.get(&9)), (Some(0), Some(2), None));
        assert_eq!((map.take_unused(), map.take_unused()), (Some(1), Some(3)));
        // Once for each use.
        assert_eq!((map.take_unused(), map.take_unused(), map.take_unused()), (Some(0), Some(2), None));
        assert_eq!(map.len(), 0);
    }

    #[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
    #[test]
    fn to_look_at_one_is_no_use_of_it() {
        let mut map = UsedMap::default();
        map.insert(1, "a");
        map.insert(2, "b");
        assert_eq!((map.peek(&1).copied(), map.take_unused(), map.looks), (Some("a"), Some("a"), 1));
    }

    /// A key that is taken out and put in again has one place, its later one.
    #[test]
    fn what_comes_again_stands_behind() {
        let mut map = UsedMap::default();
        map.insert("a", 1);
        map.insert("b", 2);
        assert_eq!((map.remove("a"), map.insert("a", 3), map.insert("b", 4)), (Some(1), None, Some(2)));
        assert_eq!((map.take_unused(), map.take_unused(), map.take_unused()), (Some(3), Some(4), None));
    }

    /// Also where none is ever looked at for room.
    #[test]
    fn the_line_is_no_longer_than_what_is_there() {
        let mut map = UsedMap::default();
        for round in 0..5000 {
            map.remove(&(round % 2));
            map.insert(round % 2, ());
            assert!(map.line.len() <= 2 * map.len() + 16, "{round}");
        }
        assert_eq!(map.take_if(|()| true).len(), 2);
        assert!(map.line.is_empty());
        map.insert(1, ());
        assert_eq!((map.take_all().len(), map.line.len(), map.len()), (1, 0, 0));
    }
}
