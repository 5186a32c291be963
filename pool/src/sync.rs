//! The only file that names `std::sync`, `std::thread`, `parking_lot` or `crossbeam_channel`.
//!
//! Everything else in the crate takes locks, channels, threads and time from here, so that the same source runs on
//! the real primitives or, under our own cfg `anthill_loom`, inside loom's model checker. The names are wrappers and
//! not plain re-exports where the two worlds differ: locks are never poisoned, waiting takes the guard and gives it
//! back, and a timed wait says whether it timed out (in a model it never does: time is an argument there, see
//! `WorkerPool::expire`).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(not(anthill_loom))]
pub(crate) use real::*;

#[cfg(anthill_loom)]
pub use model::Instant;
#[cfg(anthill_loom)]
pub(crate) use model::*;

/// A number that is changed under a lock and may be looked at without it. No race is decided by it, so it is the same
/// in models.
#[derive(Debug)]
pub(crate) struct Figure(AtomicUsize);

impl Figure {
    pub(crate) fn new(value: usize) -> Self {
        Figure(AtomicUsize::new(value))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value, Ordering::SeqCst);
    }
}

/// A count that only grows, by several threads at a time. No race is decided by it either.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// A number that nobody in the process was given before; never 0.
pub(crate) fn fresh_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(not(anthill_loom))]
mod real {
    pub(crate) use once_cell::race::OnceBox;
    pub(crate) use std::sync::Arc as StdArc;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Arc, Weak};
    pub(crate) use std::thread_local;
    pub(crate) use std::time::Instant;

    use std::time::Duration;

    pub(crate) mod thread {
        pub(crate) use std::thread::{Builder, JoinHandle, Thread, current, park};

        /// True when the thread's body has ended. Its thread-local destructors may still be running.
        pub(crate) fn is_finished(handle: &JoinHandle<()>) -> bool {
            handle.is_finished()
        }

        pub(crate) use std::thread::sleep;

        /// True while the calling thread unwinds.
        pub(crate) fn panicking() -> bool {
            std::thread::panicking()
        }
    }

    pub(crate) type MutexGuard<'a, T> = parking_lot::MutexGuard<'a, T>;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(parking_lot::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar::default()
        }

        pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(&mut guard);
            guard
        }

        /// Waits until notified or until `deadline`; the flag is true when the deadline passed.
        pub(crate) fn wait_until<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            deadline: Instant,
        ) -> (MutexGuard<'a, T>, bool) {
            let timed_out = self.0.wait_until(&mut guard, deadline).timed_out();
            (guard, timed_out)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// The channel of one worker: room for one message.
    pub(crate) mod channel {
        pub(crate) use crossbeam_channel::{Receiver, Sender};

        pub(crate) fn one_place<T>() -> (Sender<T>, Receiver<T>) {
            crossbeam_channel::bounded(1)
        }

        /// The message, if there is one now.
        pub(crate) fn try_receive<T>(receiver: &Receiver<T>) -> Option<T> {
            receiver.try_recv().ok()
        }

        /// The message that could not be sent.
        pub(crate) fn unsent<T>(error: crossbeam_channel::TrySendError<T>) -> T {
            error.into_inner()
        }
    }

    /// A value of the whole process, made when it is first used; in a model one of the scene.
    macro_rules! process_wide {
        (static $name:ident: $type:ty = $value:expr;) => {
            static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $value);
        };
    }
    pub(crate) use process_wide;

    /// Looks again and again until something is there, for so long at most.
    pub(crate) fn spin_until<R>(limit: Duration, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if started.elapsed() >= limit {
                return None;
            }
            std::hint::spin_loop();
        }
    }

    /// How many threads this machine runs at once.
    pub(crate) fn parallelism() -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }
}

/// A value that only its owner reaches: others may hold a reference and can do nothing with it, so it may be shared
/// between threads whatever it is. The lock is never taken.
pub(crate) struct Exclusive<T>(std::sync::Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Exclusive(std::sync::Mutex::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What users' own models stand on.
#[cfg(anthill_loom)]
pub(crate) mod for_users {
    pub use loom::{alloc, cell, hint, lazy_static, model, sync, thread, thread_local};
}

#[cfg(anthill_loom)]
mod model {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::thread_local;
    /// For what cannot take part in a race and may be unsized, which loom's cannot.
    pub(crate) use std::sync::Arc as StdArc;

    use std::time::Duration;

    /// A point in time that models make themselves: `now` is always the origin.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Instant(Duration);

    impl Instant {
        pub(crate) fn now() -> Self {
            Instant(Duration::ZERO)
        }

        pub(crate) fn checked_add(self, by: Duration) -> Option<Self> {
            self.0.checked_add(by).map(Instant)
        }

        pub(crate) fn checked_sub(self, by: Duration) -> Option<Self> {
            self.0.checked_sub(by).map(Instant)
        }

        pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }

        /// The point `since_origin` after the origin.
        pub fn at(since_origin: Duration) -> Self {
            Instant(since_origin)
        }
    }

    pub(crate) mod thread {
        pub(crate) use loom::thread::{Builder, JoinHandle, Thread, current, park};

        /// Not known in a model; whoever waits with a limit gives up at once there.
        pub(crate) fn is_finished(_: &JoinHandle<()>) -> bool {
            false
        }

        pub(crate) fn sleep(_: std::time::Duration) {}

        pub(crate) fn panicking() -> bool {
            std::thread::panicking()
        }
    }

    pub(crate) type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Mutex::new(T::default())
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar(loom::sync::Condvar::new())
        }

        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap()
        }

        pub(crate) fn wait_until<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _deadline: Instant,
        ) -> (MutexGuard<'a, T>, bool) {
            (self.wait(guard), false)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// A one-place channel with the contract of the real one, built of loom's parts.
    pub(crate) mod channel {
        use super::{Arc, Condvar, Mutex};

        #[derive(Debug)]
        struct Place<T> {
            slot: Mutex<Option<T>>,
            filled: Condvar,
        }

        #[derive(Debug)]
        pub(crate) struct Sender<T>(Arc<Place<T>>);

        impl<T> Clone for Sender<T> {
            fn clone(&self) -> Self {
                Sender(self.0.clone())
            }
        }

        #[derive(Debug)]
        pub(crate) struct Receiver<T>(Arc<Place<T>>);

        pub(crate) fn one_place<T>() -> (Sender<T>, Receiver<T>) {
            let place = Arc::new(Place { slot: Mutex::new(None), filled: Condvar::new() });
            (Sender(place.clone()), Receiver(place))
        }

        pub(crate) fn unsent<T>(message: T) -> T {
            message
        }

        pub(crate) fn try_receive<T>(receiver: &Receiver<T>) -> Option<T> {
            receiver.0.slot.lock().take()
        }

        impl<T> Sender<T> {
            /// Fails, with the message, when the place is taken: only the one who unlinked a worker may send to it.
            pub(crate) fn try_send(&self, message: T) -> Result<(), T> {
                let mut slot = self.0.slot.lock();
                if slot.is_some() {
                    return Err(message);
                }
                *slot = Some(message);
                drop(slot);
                self.0.filled.notify_one();
                Ok(())
            }
        }

        impl<T> Receiver<T> {
            /// Never fails: a worker keeps a sender of its own channel.
            pub(crate) fn recv(&self) -> Result<T, std::convert::Infallible> {
                let mut slot = self.0.slot.lock();
                loop {
                    if let Some(message) = slot.take() {
                        return Ok(message);
                    }
                    slot = self.0.filled.wait(slot);
                }
            }
        }
    }

    /// A value that is set once. The flag is loom's, so that what was written before is known to whoever sees it.
    #[derive(Debug)]
    pub(crate) struct OnceBox<T> {
        is_set: atomic::AtomicBool,
        value: std::sync::OnceLock<Box<T>>,
    }

    impl<T> OnceBox<T> {
        pub(crate) fn new() -> Self {
            OnceBox { is_set: atomic::AtomicBool::new(false), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(atomic::Ordering::Acquire) {
                self.value.get().map(|value| &**value)
            } else {
                None
            }
        }

        pub(crate) fn set(&self, value: Box<T>) -> Result<(), Box<T>> {
            self.value.set(value)?;
            self.is_set.store(true, atomic::Ordering::Release);
            Ok(())
        }
    }

    macro_rules! process_wide {
        (static $name:ident: $type:ty = $value:expr;) => {
            loom::lazy_static! {
                static ref $name: $type = $value;
            }
        };
    }
    pub(crate) use process_wide;

    /// No time passes: it looks once.
    pub(crate) fn spin_until<R>(_: Duration, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        look()
    }

    pub(crate) fn parallelism() -> usize {
        2
    }
}
