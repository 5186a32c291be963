//! What the mailbox stands on, so that models can put another lock in its place.

pub(crate) use parking_lot::Mutex;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}
