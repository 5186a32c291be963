//! What a worker does with payloads: one function for all, or one per worker with a state of its own.

use crate::error::StateError;

/// A function over payloads that belongs to one worker.
pub(crate) type OwnHandler<T> = Box<dyn FnMut(T)>;

pub(crate) enum Handler<T> {
    /// The same for all workers.
    Shared(Box<dyn Fn(T) + Send + Sync>),
    /// Made on each worker's thread, from the worker's number; made anew after a panic.
    PerWorker(Box<dyn Fn(usize) -> Result<OwnHandler<T>, StateError> + Send + Sync>),
}

/// A worker's own access to its handler.
pub(crate) enum Runner<'p, T> {
    Shared(&'p (dyn Fn(T) + Send + Sync)),
    Own(OwnHandler<T>),
}

impl<T> Handler<T> {
    /// Makes the runner of worker number `index`, on its thread.
    pub(crate) fn runner(&self, index: usize) -> Result<Runner<'_, T>, StateError> {
        match self {
            Handler::Shared(handler) => Ok(Runner::Shared(&**handler)),
            Handler::PerWorker(make) => make(index).map(Runner::Own),
        }
    }

    /// True when making a runner can fail.
    pub(crate) fn has_state(&self) -> bool {
        matches!(self, Handler::PerWorker(_))
    }
}

impl<T> Runner<'_, T> {
    #[inline]
    pub(crate) fn run(&mut self, payload: T) {
        match self {
            Runner::Shared(handler) => handler(payload),
            Runner::Own(handler) => handler(payload),
        }
    }
}
