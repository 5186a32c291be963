//! Threads that are made or refused, and what follows from either: a slot that is given back, a cleaner that is wanted.

use std::io;

use super::cleaner;
use super::shared::{Shared, tell};
use crate::core::{Core, Reservation};
use crate::panic;
use crate::sync::{Arc, MutexGuard, thread};

/// Makes a thread; a panic on the way is an error like any other.
pub(super) fn make_thread(
    what: &str,
    make: impl FnOnce() -> io::Result<thread::JoinHandle<()>>,
) -> io::Result<thread::JoinHandle<()>> {
    panic::contain(make).unwrap_or_else(|| Err(io::Error::other(format!("{what} panicked"))))
}

pub(super) fn dropped_thread() -> io::Error {
    io::Error::other("the custom spawner dropped the worker's thread instead of running it")
}

/// A worker did not come to be: its slot is free again.
pub(super) fn give_slot_back<T>(
    shared: &Shared<T>,
    mut core: MutexGuard<'_, Core<T>>,
    reservation: Reservation,
    thread: Option<thread::JoinHandle<()>>,
) {
    let (forsaken, broadcasts) = core.spawn_failed(reservation, thread);
    shared.core.unlock_and_notify(core);
    tell(forsaken);
    panic::drop_each_quietly(broadcasts);
}

/// Unlocks after a worker has come to live.
pub(super) fn watch_over<T: Send + 'static>(shared: &Arc<Shared<T>>, core: MutexGuard<'_, Core<T>>) {
    let core = ensure_cleaner(shared, core);
    shared.core.unlock_and_notify(core);
    // The cleaner sleeps without a limit while no worker is to go.
    shared.cleaner_condvar.notify_one();
}

/// Makes the cleaner's thread if the pool wants one and has none. Without it nothing expires until the next worker is
/// made, which tries again.
pub(crate) fn ensure_cleaner<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    core: MutexGuard<'a, Core<T>>,
) -> MutexGuard<'a, Core<T>> {
    make_cleaner(shared, core).0
}

/// Makes the cleaner's thread if the pool wants one and has none; what the system said if it was refused.
pub(crate) fn make_cleaner<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    mut core: MutexGuard<'a, Core<T>>,
) -> (MutexGuard<'a, Core<T>>, Option<io::Error>) {
    let limit = shared.settings.max_idle;
    // Whoever moves a manual clock does the cleaner's work.
    if shared.settings.clock.is_manual() {
        return (core, None);
    }
    let Some(joining) = core.begin_cleaner(limit.is_some()) else { return (core, None) };
    drop(core);
    let body = {
        let shared = shared.clone();
        move || cleaner::live(&shared, limit)
    };
    let name = format!("{}-cleaner", shared.settings.threads.name);
    let made = make_thread("making the cleaner's thread", || thread::Builder::new().name(name).spawn(body));
    let mut core = shared.core.lock();
    match made {
        Ok(thread) => {
            core.cleaner_was_made(joining, Some(thread));
            (core, None)
        }
        Err(error) => {
            core.cleaner_was_made(joining, None);
            (core, Some(error))
        }
    }
}
