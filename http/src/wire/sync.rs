//! What the parts with a protocol between threads stand on, so that models can put other locks in its place.

pub(crate) use parking_lot::{Condvar, Mutex};
pub(crate) use std::sync::Arc;
pub(crate) use std::time::Instant;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}

pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    mut guard: parking_lot::MutexGuard<'a, T>,
) -> parking_lot::MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// As `wait`, until `deadline` at most. The flag is true when it has passed.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    mut guard: parking_lot::MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (parking_lot::MutexGuard<'a, T>, bool) {
    match deadline {
        Some(deadline) => {
            let is_late = condvar.wait_until(&mut guard, deadline).timed_out();
            (guard, is_late)
        }
        None => (wait(condvar, guard), false),
    }
}
