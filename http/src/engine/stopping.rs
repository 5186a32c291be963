//! The beginning of the end: whether it has come, and who has to be woken when it comes.
//!
//! A thread that sleeps until something new comes in *first* has its waker entered here and *then* looks whether the
//! end has begun; whoever begins the end *first* says so and *then* takes the list of wakers. Both go through the
//! list's lock, so either the sleeper sees the flag, or its waker is on the list.

use crate::engine::sync::{Arc, AtomicBool, Mutex, Ordering, lock};

/// A flag that is set once, and the wakers of those who would sleep past it.
#[derive(Debug)]
pub(crate) struct Stopping<W> {
    has_begun: AtomicBool,
    sleepers: Mutex<Vec<Arc<W>>>,
}

impl<W> Stopping<W> {
    pub(crate) fn new() -> Self {
        Stopping { has_begun: AtomicBool::new(false), sleepers: Mutex::new(Vec::new()) }
    }

    /// Whoever asks has to have a reason to see the truth: its waker was entered, or it took a lock that the one who
    /// stops takes afterwards.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Begins the end. The caller wakes those in the answer.
    #[must_use]
    pub(crate) fn begin(&self) -> Vec<Arc<W>> {
        self.has_begun.store(true, Ordering::SeqCst);
        lock(&self.sleepers).clone()
    }

    /// The caller sleeps now and then, and must be woken by `waker` from the beginning of the end.
    pub(crate) fn enter(&self, waker: &Arc<W>) {
        lock(&self.sleepers).push(waker.clone());
    }

    /// The caller sleeps no more.
    pub(crate) fn leave(&self, waker: &Arc<W>) {
        lock(&self.sleepers).retain(|other| !Arc::ptr_eq(other, waker));
    }
}
