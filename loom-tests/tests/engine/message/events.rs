//! The mailbox of a stream of events, as it is, and the lock that it stands on here.

pub(crate) mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }
}

#[path = "../../../../http/src/message/events/mailbox.rs"]
pub(crate) mod mailbox;
