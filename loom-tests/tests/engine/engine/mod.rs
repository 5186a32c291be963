//! The engine's files, as they are, and the `sync` that they stand on here.
#![allow(dead_code)]

pub(crate) mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

    /// A deadline, which never passes in a model.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Instant;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap()
    }

    pub(crate) fn wait_until<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        (wait(condvar, guard), false)
    }
}

#[path = "../../../../http/src/engine/alarm.rs"]
pub(crate) mod alarm;
#[path = "../../../../http/src/engine/countdown.rs"]
pub(crate) mod countdown;
pub(crate) mod dispatch;
pub(crate) mod shard;
#[path = "../../../../http/src/engine/stopping.rs"]
pub(crate) mod stopping;
