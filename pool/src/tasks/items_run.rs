//! The counting of items of maps, also when one panics.

use crate::sync::Count;

/// Items that one thread runs in a row; they are counted when this is dropped, as one addition.
pub(super) struct ItemsRun<'a> {
    counts: &'a Count,
    begun: u64,
}

impl<'a> ItemsRun<'a> {
    pub(super) fn new(counts: &'a Count) -> Self {
        ItemsRun { counts, begun: 0 }
    }

    /// The next item begins. One that panics has run, too.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }
}

impl Drop for ItemsRun<'_> {
    fn drop(&mut self) {
        self.counts.add(self.begun);
    }
}
