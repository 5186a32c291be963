//! Lanes: for each thread a slot of its own before its shard, so that getting and returning one object takes no lock.
//!
//! Only the lane's thread lays an object in; anybody may take it out, which is why the other threads' idle objects can
//! be found and why taking costs a locked instruction. Laying in costs a plain store. One locked instruction for both
//! is the least there can be as long as an idle object is to be found by whoever needs it.
//!
//! Which thread a lane belongs to follows from the number of the thread (see `home`), which no other living thread has.
//!
//! A lane is *opened* at its thread's first return, under the lock of its shard, which sets one of its places aside for
//! it: a lane's object counts towards the shard's bound from then on, whether it is there or not, and so the bound
//! holds although nobody asks for it when a lane is filled.

use crossbeam_utils::CachePadded;

use super::slot::Slot;
use crate::sync::OnceBox;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many numbers of threads have a lane; threads with a higher one use their shard. A pool needs a pointer for each.
const NUMBERS: usize = if cfg!(anthill_loom) { 4 } else { 256 };

pub(super) struct Lane<T> {
    slot: Slot<T>,
    /// Objects that were laid in. Only the lane's thread writes it, so it is exact without a locked instruction; it is
    /// written before the object is laid in, so whoever takes the object sees that it was counted.
    puts: AtomicU64,
    /// What `puts` was at the last tick. Used under the lock of the shard only.
    puts_at_tick: AtomicU64,
}

impl<T> Lane<T> {
    fn new() -> Self {
        Lane { slot: Slot::empty(), puts: AtomicU64::new(0), puts_at_tick: AtomicU64::new(0) }
    }

    /// What lies here, on the lane's own thread.
    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        self.slot.take()
    }

    /// What lies here, on any other thread.
    fn steal(&self) -> Option<Box<T>> {
        self.slot.steal()
    }

    /// Lays `object` in, on the lane's own thread, and tells which one it was; hands it back when there is one already.
    #[inline]
    pub(super) fn put(&self, object: Box<T>) -> Result<u64, Box<T>> {
        self.slot.put(object, || self.count())
    }

    /// Lays `object` in, on the lane's own thread, and hands out what lay there, with whether it has seen a tick there.
    pub(super) fn replace(&self, object: Box<T>) -> Option<(Box<T>, bool)> {
        let is_old = self.puts() == self.puts_at_tick.load(Ordering::Relaxed);
        self.count();
        self.slot.replace(object).map(|object| (object, is_old))
    }

    /// Marks a tick. Hands out what was here at the last one already, or came during this call; the flag says that it is
    /// young.
    pub(super) fn age(&self) -> Option<(Box<T>, bool)> {
        let puts = self.puts();
        if self.puts_at_tick.load(Ordering::Relaxed) != puts {
            self.puts_at_tick.store(puts, Ordering::Relaxed);
            return None;
        }
        let object = self.steal()?;
        // A young object was laid in after its count was written, so whoever has taken it sees that.
        Some((object, self.puts() != puts))
    }

    /// How many objects were laid in so far, at least.
    pub(super) fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    pub(super) fn is_full(&self) -> bool {
        self.slot.is_full()
    }

    #[inline]
    fn count(&self) -> u64 {
        let puts = self.puts() + 1;
        self.puts.store(puts, Ordering::Relaxed);
        puts
    }
}

/// All lanes of a pool, by the numbers of their threads.
pub(super) struct Lanes<T> {
    lanes: Box<[OnceBox<CachePadded<Lane<T>>>]>,
    /// No lane at or above this one is open; so a search does not look at them.
    end: AtomicUsize,
}

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Lanes { lanes: (0..NUMBERS).map(|_| OnceBox::new()).collect(), end: AtomicUsize::new(0) }
    }

    /// For a pool that must look at its bounds at every return.
    pub(super) fn none() -> Self {
        Lanes { lanes: Box::default(), end: AtomicUsize::new(0) }
    }

    /// The lane of the thread with this number, once it is open.
    #[inline]
    pub(super) fn of(&self, number: usize) -> Option<&Lane<T>> {
        // Numbers that several threads share are too high to be found here.
        self.lanes.get(number)?.get().map(|lane| &**lane)
    }

    /// Whether the thread with this number can have a lane.
    pub(super) fn has_room_for(&self, number: usize) -> bool {
        number < self.lanes.len()
    }

    /// Opens the lane of the calling thread with this object in it. Called once for each number.
    pub(super) fn open(&self, number: usize, object: Box<T>) {
        let lane = Box::new(CachePadded::new(Lane::new()));
        // A new lane is empty.
        drop(lane.replace(object));
        let is_new = self.lanes[number].set(lane).is_ok();
        debug_assert!(is_new, "a lane belongs to one thread, which opens it once");
        self.end.fetch_max(number + 1, Ordering::Release);
    }

    /// An object from any lane, for the thread with this number, whose own is empty: its neighbour is asked first, so
    /// that searching threads do not all meet at the same lane.
    pub(super) fn take_any(&self, number: usize) -> Option<Box<T>> {
        let end = self.end.load(Ordering::Acquire);
        (1..=end).find_map(|step| self.of((number + step) % end)?.steal())
    }
}
