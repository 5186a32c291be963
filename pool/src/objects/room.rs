//! How much a shard may hold: what the user said, or as much as is seen to be asked for again.
//!
//! Objects that go from one thread to another come back in bursts, all to the shard of the thread that is through with
//! them. A fixed bound would have each burst's surplus dropped here and made anew there. So where the user has set
//! none, an object that is made after one was dropped for want of room makes room for one more.

use super::shard::Bounds;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Where room begins that grows.
const FIRST: usize = 64;
/// Beyond this no shard's room grows.
pub(super) const MOST: usize = 1024;

pub(super) struct ShardRoom {
    objects: AtomicUsize,
    weight: Option<usize>,
    /// Objects dropped for want of room since room was made for one; `None` where the room does not grow.
    missed: Option<AtomicUsize>,
}

impl ShardRoom {
    /// Room for so many objects in each shard; `None` for as many as are asked for again.
    pub(super) fn new(objects: Option<usize>, weight: Option<usize>) -> Self {
        ShardRoom {
            objects: AtomicUsize::new(objects.unwrap_or(FIRST)),
            weight,
            missed: objects.is_none().then(|| AtomicUsize::new(0)),
        }
    }

    #[inline]
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { objects: self.objects.load(Ordering::Relaxed), weight: self.weight }
    }

    /// An object was dropped for want of room.
    #[cold]
    pub(super) fn dropped_one(&self) {
        if let Some(missed) = &self.missed {
            let add = |missed: usize| (missed < MOST).then_some(missed + 1);
            // Nobody relies on the order of these counts, and none is added beyond what could be used.
            let _ = missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }

    /// An object was made, because there was none.
    #[cold]
    pub(super) fn made_one(&self) {
        let Some(missed) = &self.missed else { return };
        let take = |missed: usize| missed.checked_sub(1);
        if missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            let grow = |objects: usize| (objects < MOST).then_some(objects + 1);
            let _ = self.objects.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow);
        }
    }
}
