//! How many coders of streams there are at once.
//!
//! The idea: a stream has its coder for as long as its client takes, so whoever has many slow clients would have as
//! many coders. A place is taken for each, and is free again when its coder is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many places.
#[derive(Debug)]
pub(crate) struct StreamCoders {
    max: usize,
    taken: AtomicUsize,
}

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(crate) struct CoderPlace(Arc<StreamCoders>);

impl StreamCoders {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: AtomicUsize::new(0) })
    }

    /// `None`: all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<CoderPlace> {
        let one_more = |taken: usize| (taken < self.max).then_some(taken + 1);
        let has_taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        has_taken.then(|| CoderPlace(self.clone()))
    }
}

impl Drop for CoderPlace {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmp_04_there_are_no_more_places_than_were_given() {
        assert!(StreamCoders::new(0).take().is_none());
        let coders = StreamCoders::new(2);
        let (first, second) = (coders.take(), coders.take());
        assert!(first.is_some() && second.is_some() && coders.take().is_none());
        drop(first);
        let third = coders.take();
        assert!(third.is_some() && coders.take().is_none());
        drop((second, third));
        assert_eq!(coders.taken.load(Ordering::Relaxed), 0);
    }
}
