//! A closure stored in place when it is small, so that handing one to a pool need not allocate.
//!
//! A [`StoredClosure`] is a few words of storage and a table of what can be done with what lies in them: run it, drop
//! it. A closure that is larger, or aligned more strictly than the storage, goes into a box, and the box lies in the
//! storage.
//!
//! The rule that everything here rests on: *the storage holds one live value of the type its table was made for, from
//! `put` until the value is read out or dropped; whoever takes it out gives up the `StoredClosure` first*, so that
//! nothing is dropped twice. This file keeps the rule by itself; outside of it only a borrowing closure needs care
//! (`erased`).
#![allow(unsafe_code)]

use std::any::TypeId;
use std::mem::{ManuallyDrop, MaybeUninit};

/// Words of storage. Three hold what tasks mostly capture (a channel's end or an `Arc`, and a value or two); each more
/// makes every place of the pool's queue larger.
const WORDS: usize = 4;

/// Words that keep the provenance of pointers in them.
type Storage = MaybeUninit<[*mut (); WORDS]>;

/// A closure to be run at most once; dropped unrun, it drops the closure.
pub(super) struct StoredClosure<R: 'static> {
    storage: Storage,
    table: &'static Table<R>,
}

/// What can be done with one type of stored closure.
struct Table<R> {
    /// Reads the closure out of the storage and runs it.
    run: unsafe fn(*mut Storage) -> R,
    /// Drops the closure in the storage.
    discard: unsafe fn(*mut Storage),
    /// What is stored; none for a closure that borrows.
    stored: Option<fn() -> TypeId>,
}

// SAFETY: every constructor asks for a closure that is `Send`; the rest is plain data.
unsafe impl<R> Send for StoredClosure<R> {}
// SAFETY: nothing can be done with a shared reference to a `StoredClosure`: it neither runs nor shows the closure.
unsafe impl<R> Sync for StoredClosure<R> {}

impl<R> StoredClosure<R> {
    pub(super) fn new<F>(closure: F) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
    {
        if fits::<F>() {
            // SAFETY: the table is that of an `F`.
            unsafe { StoredClosure::put(closure, Owned::<F, R>::TABLE) }
        } else {
            // SAFETY: the table is that of a `Box<F>`.
            unsafe { StoredClosure::put(Box::new(closure), Owned::<Box<F>, R>::TABLE) }
        }
    }

    /// One that may borrow.
    ///
    /// # Safety
    /// It must have been run to its end, or dropped, before anything that `closure` borrows ends.
    pub(super) unsafe fn erased<F>(closure: F) -> Self
    where
        F: FnOnce() -> R + Send,
    {
        if fits::<F>() {
            // SAFETY: the table is that of an `F`.
            unsafe { StoredClosure::put(closure, Lent::<F, R>::TABLE) }
        } else {
            // SAFETY: the table is that of a `Box<F>`.
            unsafe { StoredClosure::put(Box::new(closure), Lent::<Box<F>, R>::TABLE) }
        }
    }

    /// # Safety
    /// `table` must be that of an `S`.
    unsafe fn put<S: FnOnce() -> R + Send>(stored: S, table: &'static Table<R>) -> Self {
        assert!(fits::<S>(), "known when compiled");
        let mut storage = Storage::uninit();
        // SAFETY: the storage is large enough for an `S` and aligned for it, as was just asserted, and nobody else
        // knows it.
        unsafe { storage.as_mut_ptr().cast::<S>().write(stored) };
        StoredClosure { storage, table }
    }

    /// Runs the closure. When it panics, what it captured has been dropped by the time this unwinds.
    pub(super) fn run(self) -> R {
        let mut stored = ManuallyDrop::new(self);
        // SAFETY: the storage holds what the table was made for. It is read out once: `stored` is not used again, and
        // its drop does not run.
        unsafe { (stored.table.run)(&raw mut stored.storage) }
    }

    /// The closure itself, if it is an `F`.
    pub(super) fn into_closure<F>(self) -> Result<F, Self>
    where
        F: FnOnce() -> R + Send + 'static,
    {
        let is = |wanted: TypeId| self.table.stored.is_some_and(|stored| stored() == wanted);
        if fits::<F>() && is(TypeId::of::<F>()) {
            // SAFETY: an `F` is stored.
            Ok(unsafe { self.take::<F>() })
        } else if is(TypeId::of::<Box<F>>()) {
            // SAFETY: a `Box<F>` is stored.
            Ok(*unsafe { self.take::<Box<F>>() })
        } else {
            Err(self)
        }
    }

    /// # Safety
    /// What is stored must be an `S`.
    unsafe fn take<S>(self) -> S {
        let stored = ManuallyDrop::new(self);
        // SAFETY: an `S` is stored, says the caller. It is read out once: `stored` is not used again, and its drop does
        // not run.
        unsafe { stored.storage.as_ptr().cast::<S>().read() }
    }
}

impl<R> Drop for StoredClosure<R> {
    fn drop(&mut self) {
        // SAFETY: whoever takes the value out forgets this, so it is still there, and of the table's type.
        unsafe { (self.table.discard)(&raw mut self.storage) };
    }
}

/// True when an `S` may lie in the storage itself.
const fn fits<S>() -> bool {
    size_of::<S>() <= size_of::<Storage>() && align_of::<S>() <= align_of::<Storage>()
}

/// The table of a stored closure that borrows nothing.
struct Owned<S, R>(S, R);

impl<S: FnOnce() -> R + 'static, R: 'static> Owned<S, R> {
    const TABLE: &'static Table<R> =
        &Table { run: run::<S, R>, discard: discard::<S>, stored: Some(TypeId::of::<S>) };
}

/// The table of one that may borrow, and so has no [`TypeId`].
struct Lent<S, R>(S, R);

impl<S: FnOnce() -> R, R: 'static> Lent<S, R> {
    const TABLE: &'static Table<R> = &Table { run: run::<S, R>, discard: discard::<S>, stored: None };
}

/// # Safety
/// The storage must hold a live `S`, which nobody may use afterwards.
unsafe fn run<S: FnOnce() -> R, R>(storage: *mut Storage) -> R {
    // SAFETY: as the caller says. The value is owned by this frame from here on, also when the call unwinds.
    let stored = unsafe { storage.cast::<S>().read() };
    stored()
}

/// # Safety
/// The storage must hold a live `S`, which nobody may use afterwards.
unsafe fn discard<S>(storage: *mut Storage) {
    // SAFETY: as the caller says.
    unsafe { storage.cast::<S>().drop_in_place() };
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    /// A closure of about `N` bytes that owns a share of `alive`.
    fn closure_of<const N: usize>(alive: &Arc<()>) -> impl FnOnce() -> usize + Send + use<N> {
        let (alive, bytes) = (alive.clone(), [7_u8; N]);
        move || {
            let _held = alive;
            bytes.iter().map(|&byte| usize::from(byte)).sum()
        }
    }

    fn holders(alive: &Arc<()>) -> usize {
        Arc::strong_count(alive) - 1
    }

    fn check_size<const N: usize>() {
        let alive = Arc::new(());
        let run = StoredClosure::new(closure_of::<N>(&alive));
        assert_eq!(holders(&alive), 1);
        assert_eq!(run.run(), 7 * N);
        assert_eq!(holders(&alive), 0, "run drops what was captured");
        let moved =
            vec![StoredClosure::new(closure_of::<N>(&alive)), StoredClosure::new(closure_of::<N>(&alive))];
        assert_eq!(holders(&alive), 2);
        drop(moved);
        assert_eq!(holders(&alive), 0, "one that is not run drops what was captured");
    }

    #[test]
    fn closures_of_any_size_run_or_are_dropped_once() {
        check_size::<0>();
        check_size::<1>();
        check_size::<{ (WORDS - 1) * size_of::<usize>() }>();
        check_size::<{ (WORDS - 1) * size_of::<usize>() + 1 }>();
        check_size::<{ WORDS * size_of::<usize>() }>();
        check_size::<1000>();
    }

    #[test]
    fn a_closure_without_size_runs() {
        fn five() -> i32 {
            5
        }
        assert_eq!(StoredClosure::new(|| 4).run() + StoredClosure::new(five).run(), 9);
    }

    #[test]
    fn alignment_is_respected() {
        #[repr(align(64))]
        struct Aligned<T>(T);

        fn check<T: Copy + PartialEq + Send + std::fmt::Debug + 'static>(value: T) {
            let aligned = Aligned(value);
            let stored = StoredClosure::new(move || {
                let aligned = aligned;
                assert_eq!((&raw const aligned).addr() % 64, 0);
                aligned.0
            });
            // Twice moved, so that it cannot be aligned by luck of one place.
            assert_eq!(Box::new((0_u8, stored)).1.run(), value);
        }
        check(());
        check(9_u8);
        check([3_u64; 20]);
    }

    #[test]
    fn a_panic_drops_the_captures_once() {
        fn check<const N: usize>() {
            let alive = Arc::new(());
            let closure = closure_of::<N>(&alive);
            let stored = StoredClosure::<()>::new(move || {
                let _held = closure;
                std::panic::resume_unwind(Box::new("planned"));
            });
            assert!(catch_unwind(AssertUnwindSafe(|| stored.run())).is_err());
            assert_eq!(holders(&alive), 0);
        }
        check::<0>();
        check::<500>();
    }

    #[test]
    fn the_closure_can_be_had_back_by_its_type_only() {
        fn check<const N: usize>() {
            let alive = Arc::new(());
            let stored = StoredClosure::new(closure_of::<N>(&alive));
            let Err(stored) = stored.into_closure::<fn() -> usize>() else { panic!("that is another type") };
            assert_eq!(holders(&alive), 1);
            let back = closure_made_by(closure_of::<N>, stored);
            assert_eq!(holders(&alive), 1);
            assert_eq!(back(), 7 * N);
            assert_eq!(holders(&alive), 0);
        }
        /// The maker names the type, which cannot be written.
        fn closure_made_by<F>(_: fn(&Arc<()>) -> F, stored: StoredClosure<usize>) -> F
        where
            F: FnOnce() -> usize + Send + 'static,
        {
            stored.into_closure().unwrap_or_else(|_| panic!("that is its type"))
        }
        check::<3>();
        check::<300>();
    }

    #[test]
    fn a_lent_closure_runs_while_what_it_borrows_lives() {
        let mut count = 0;
        // SAFETY: it is run before `count` ends.
        let stored = unsafe { StoredClosure::erased(|| count += 1) };
        stored.run();
        assert_eq!(count, 1);
    }

    #[test]
    fn an_optional_job_is_no_larger() {
        assert_eq!(size_of::<Option<StoredClosure<()>>>(), (WORDS + 1) * size_of::<usize>());
    }
}
