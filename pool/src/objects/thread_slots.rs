//! The slots of threads: one for each before its shard, so that getting and returning one object takes no lock.
//!
//! Only the slot's thread lays an object in; anybody may take it out, which is why the other threads' idle objects can
//! be found and why taking costs a locked instruction. Laying in costs a plain store. One locked instruction for both
//! is the least there can be as long as an idle object is to be found by whoever needs it.
//!
//! Which thread a slot belongs to follows from the number of the thread (see `home`), which no other living thread has.
//!
//! A slot is *opened* at its thread's first return, under the lock of its shard, which sets one of its places aside for
//! it: a slot's object counts towards the shard's bound from then on, whether it is there or not, and so the bound
//! holds although nobody asks for it when a slot is filled.

use crossbeam_utils::CachePadded;

use super::slot::Slot;
use crate::sync::OnceBox;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many numbers of threads have a slot; threads with a higher one use their shard. A pool needs a pointer for each.
const NUMBERS: usize = if cfg!(anthill_loom) { 4 } else { 256 };

pub(super) struct ThreadSlot<T> {
    slot: Slot<T>,
    /// Objects that were laid in. Only the slot's thread writes it, so it is exact without a locked instruction; it is
    /// written before the object is laid in, so whoever takes the object sees that it was counted.
    puts: AtomicU64,
    /// What `puts` was at the last tick. Used under the lock of the shard only.
    puts_at_tick: AtomicU64,
}

impl<T> ThreadSlot<T> {
    fn new() -> Self {
        ThreadSlot { slot: Slot::empty(), puts: AtomicU64::new(0), puts_at_tick: AtomicU64::new(0) }
    }

    /// What lies here, on the slot's own thread.
    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        self.slot.take()
    }

    /// What lies here, on any other thread.
    fn steal(&self) -> Option<Box<T>> {
        self.slot.steal()
    }

    /// Lays `object` in, on the slot's own thread, and tells which one it was; hands it back when there is one already.
    #[inline]
    pub(super) fn put(&self, object: Box<T>) -> Result<u64, Box<T>> {
        self.slot.put(object, || self.count())
    }

    /// Lays `object` in, on the slot's own thread, and hands out what lay there, with whether it has seen a tick there.
    pub(super) fn replace(&self, object: Box<T>) -> Option<(Box<T>, bool)> {
        let is_old = self.puts() == self.puts_at_tick.load(Ordering::Relaxed);
        self.count();
        self.slot.replace(object).map(|object| (object, is_old))
    }

    /// Marks a tick. Hands out what was here at the last one already, or came during this call; the flag says that it
    /// is young.
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

/// All slots of a pool, by the numbers of their threads.
pub(super) struct ThreadSlots<T> {
    slots: Box<[OnceBox<CachePadded<ThreadSlot<T>>>]>,
    /// No slot at or above this one is open; so a search does not look at them.
    end: AtomicUsize,
}

impl<T> ThreadSlots<T> {
    pub(super) fn new() -> Self {
        ThreadSlots { slots: (0..NUMBERS).map(|_| OnceBox::new()).collect(), end: AtomicUsize::new(0) }
    }

    /// For a pool that must look at its bounds at every return.
    pub(super) fn none() -> Self {
        ThreadSlots { slots: Box::default(), end: AtomicUsize::new(0) }
    }

    /// The slot of the thread with this number, once it is open.
    #[inline]
    pub(super) fn of(&self, number: usize) -> Option<&ThreadSlot<T>> {
        // Numbers that several threads share are too high to be found here.
        self.slots.get(number)?.get().map(|slot| &**slot)
    }

    /// Whether the thread with this number can have a slot.
    pub(super) fn has_room_for(&self, number: usize) -> bool {
        number < self.slots.len()
    }

    /// Opens the slot of the calling thread with this object in it. Called once for each number.
    pub(super) fn open(&self, number: usize, object: Box<T>) {
        let slot = Box::new(CachePadded::new(ThreadSlot::new()));
        // A new slot is empty.
        drop(slot.replace(object));
        let is_new = self.slots[number].set(slot).is_ok();
        debug_assert!(is_new, "a slot belongs to one thread, which opens it once");
        self.end.fetch_max(number + 1, Ordering::Release);
    }

    /// An object from any slot, for the thread with this number, whose own is empty: its neighbour is asked first, so
    /// that searching threads do not all meet at the same slot.
    pub(super) fn take_any(&self, number: usize) -> Option<Box<T>> {
        let end = self.end.load(Ordering::Acquire);
        (1..=end).find_map(|step| self.of((number + step) % end)?.steal())
    }
}
