//! What the models of several targets share.

mod explore;
mod gate;

pub(crate) use explore::Preemptions;
pub(crate) use explore::{explore, planned_panic};
pub(crate) use gate::Gate;

use loom::thread::{self, JoinHandle};

/// A thread that does `act` with a handle of its own.
pub(crate) fn beside<P: Clone + 'static, R: 'static>(
    handle: &P,
    act: impl FnOnce(&P) -> R + 'static,
) -> JoinHandle<R> {
    let handle = handle.clone();
    thread::spawn(move || act(&handle))
}
