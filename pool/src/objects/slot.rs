//! A place for one object: one atomic pointer, which whoever empties it owns.
//!
//! This is the object pool's only file with unsafe code, and all of it is the way of a `Box` through the pointer and
//! back. A safe slot would be a lock (two locked instructions for each get and each put, where one for both is enough),
//! or a swap in either direction (two where one is enough), and a model checker would not see into it.
//!
//! The rule kept: the pointer is null, or a `Box` that came in and belongs to nobody else. It leaves only by an
//! exchange, and of several exchanges only one gets it. So no use of this file from safe code can double an object; two
//! threads that `put` at once, which the slots rule out, could merely leak one.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, Ordering};

pub(super) struct Slot<T> {
    /// Null when empty, otherwise from `Box::into_raw`.
    object: AtomicPtr<T>,
    /// A pointer may be sent and shared whatever it points to. This may be so exactly when a locked box may be.
    _owns: PhantomData<Mutex<Box<T>>>,
}

impl<T> Slot<T> {
    pub(super) fn empty() -> Self {
        Slot { object: AtomicPtr::new(ptr::null_mut()), _owns: PhantomData }
    }

    /// What lies here, for the slot's owner.
    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        if !self.is_full() {
            // A look is cheaper than a swap.
            return None;
        }
        // Acquire: what the last user wrote to the object is there before it is used again.
        own(self.object.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// What lies here, for any other thread. It writes only when it gets something, so an empty slot's cache line stays
    /// with its owner.
    pub(super) fn steal(&self) -> Option<Box<T>> {
        let mut object = self.object.load(Ordering::Relaxed);
        while !object.is_null() {
            let taken =
                self.object.compare_exchange(object, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
            match taken {
                Ok(object) => return own(object),
                Err(another) => object = another,
            }
        }
        None
    }

    /// Lays `object` here, right after a call of `before`, or hands it back when the slot is full.
    ///
    /// Only one thread may put, the slot's owner: an empty slot stays empty until it has stored, so a plain store will
    /// do. Were there two, one object could be overwritten, and so leaked.
    #[inline]
    pub(super) fn put<R>(&self, object: Box<T>, before: impl FnOnce() -> R) -> Result<R, Box<T>> {
        if self.is_full() {
            return Err(object);
        }
        let result = before();
        // Release: the counterpart of the acquire in `take` and `steal`.
        self.object.store(Box::into_raw(object), Ordering::Release);
        Ok(result)
    }

    /// Lays `object` here and hands out what lay here before. For the slot's owner, like `put`.
    pub(super) fn replace(&self, object: Box<T>) -> Option<Box<T>> {
        own(self.object.swap(Box::into_raw(object), Ordering::AcqRel))
    }

    /// Whether something lay here a moment ago; for the owner, an answer of "no" lasts until it puts.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        !self.object.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("is_full", &self.is_full()).finish()
    }
}

/// The box behind a pointer that was swapped out of a slot.
#[inline]
fn own<T>(object: *mut T) -> Option<Box<T>> {
    if object.is_null() {
        return None;
    }
    // SAFETY: the callers are `take`, `steal` and `replace` above. A pointer that is not null came from `Box::into_raw`
    // in `put` or `replace`; the exchange that brought it here took it out of the slot, so that no other exchange can
    // return it, and nothing else in this file hands it out. So this thread is the box's only owner. What the last one
    // did with it is known here, because the pointer was stored with release and exchanged with acquire.
    Some(unsafe { Box::from_raw(object) })
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use crate::sync::Arc;

    #[test]
    fn what_comes_in_goes_out_once() {
        let slot = Slot::empty();
        assert_eq!(slot.take(), None);
        assert_eq!(slot.put(Box::new(1), || "called"), Ok("called"));
        assert!(slot.is_full());
        assert_eq!(slot.put(Box::new(2), || panic!("called in vain")), Err::<(), _>(Box::new(2)));
        assert_eq!(slot.replace(Box::new(3)), Some(Box::new(1)));
        assert_eq!(slot.take(), Some(Box::new(3)));
        assert_eq!((slot.take(), slot.steal(), slot.is_full()), (None, None, false));
        assert_eq!(slot.replace(Box::new(4)), None);
        assert_eq!((slot.steal(), slot.steal()), (Some(Box::new(4)), None));
    }

    #[test]
    fn objects_without_a_size_are_objects_too() {
        let slot = Slot::empty();
        assert_eq!(slot.put(Box::new(()), || ()), Ok(()));
        assert_eq!(slot.put(Box::new(()), || ()), Err(Box::new(())));
        assert_eq!((slot.take(), slot.take()), (Some(Box::new(())), None));
    }

    #[test]
    fn of_an_owner_and_a_thief_one_gets_each_object() {
        let slot = Slot::empty();
        let object = Arc::new(());
        let stolen = std::thread::scope(|scope| {
            let thief = scope.spawn(|| (0..50).filter_map(|_| slot.steal()).count());
            let mut taken = 0;
            for _ in 0..50 {
                // Laid in, or still here: then it comes back.
                if slot.put(Box::new(object.clone()), || ()).is_err() {
                    taken += usize::from(slot.take().is_some());
                }
            }
            (thief.join().unwrap(), taken)
        });
        assert!(stolen.0 + stolen.1 <= 50);
        drop(slot);
        assert_eq!(Arc::strong_count(&object), 1, "each was dropped once");
    }

    #[test]
    fn a_slot_takes_its_object_along() {
        let object = Arc::new(());
        let slot = Slot::empty();
        slot.put(Box::new(object.clone()), || ()).unwrap();
        assert_eq!(Arc::strong_count(&object), 2);
        drop(slot);
        assert_eq!(Arc::strong_count(&object), 1);
    }
}
