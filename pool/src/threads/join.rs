//! Joining threads that have ended, or end soon.

use std::time::Duration;

use super::shared::Shared;
use crate::sync::{Instant, thread};

/// Joins threads that have ended. This is done by the cleaner, by workers that end themselves, and in `wait`: a thread
/// that ends may take its time over thread-local destructors, and a submitter must not wait for that.
pub(crate) fn reap<T>(shared: &Shared<T>) {
    // A statement of its own: the lock must be free again while threads are joined.
    let reaping = shared.core.lock().begin_reaping();
    let Some((joining, ended)) = reaping else { return };
    join(ended);
    let mut core = shared.core.lock();
    core.end_join(joining, Vec::new());
    shared.core.unlock_and_notify(core);
}

/// Joins what ends by `deadline`, and returns the rest.
pub(crate) fn join_until(
    mut threads: Vec<thread::JoinHandle<()>>,
    deadline: Option<Instant>,
) -> Vec<thread::JoinHandle<()>> {
    let Some(deadline) = deadline else {
        join(threads);
        return Vec::new();
    };
    // Nothing tells when a thread has ended but looking; they are all past their last payload, so it is soon.
    let mut pause = Duration::from_micros(50);
    loop {
        let (ended, alive): (Vec<_>, Vec<_>) = threads.into_iter().partition(thread::is_finished);
        join(ended);
        let left = deadline.saturating_duration_since(Instant::now());
        if alive.is_empty() || left.is_zero() {
            return alive;
        }
        threads = alive;
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        // A custom spawner's thread may have panicked on its own account; it has ended all the same.
        let _ = thread.join();
    }
}
