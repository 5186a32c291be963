//! What the pool works with: the options as they were resolved, once, when it was built.

use std::any::Any;
use std::io;
use std::time::Duration;

use super::clock::Clock;
use super::policy::{Discard, PayloadEnd, WhenFull};
use super::worker_thread::WorkerThread;
use crate::error::{BuildError, Refusal};
use crate::sync::{StdArc, thread};
use crate::times::Times;

/// The most payloads that a worker takes at a time.
const LARGEST: usize = 128;
/// Queues with less room are not taken from in batches.
const SHORTEST_QUEUE: usize = 64;

pub(crate) type PanicHandler = StdArc<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;
pub(crate) type WorkerHook = StdArc<dyn Fn(usize) + Send + Sync>;
pub(crate) type Spawner = StdArc<dyn Fn(WorkerThread) -> io::Result<thread::JoinHandle<()>> + Send + Sync>;
type StartHook<T> = StdArc<dyn Fn(usize, &T) + Send + Sync>;
type EndHook = StdArc<dyn Fn(usize, PayloadEnd) + Send + Sync>;
type DiscardHook<T> = StdArc<dyn Fn(T, Discard) + Send + Sync>;
type RefusalHook = StdArc<dyn Fn(Refusal) + Send + Sync>;

/// The resolved options.
pub(crate) struct Settings<T> {
    pub(crate) limits: Limits,
    pub(crate) when_full: WhenFull,
    pub(crate) max_idle: Option<Duration>,
    pub(crate) max_queue_age: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) times: Option<Times>,
    pub(crate) threads: ThreadOptions,
    pub(crate) hooks: Hooks<T>,
}

impl<T> Settings<T> {
    /// True when payloads carry the moment of their submission.
    pub(crate) fn stamps(&self) -> bool {
        self.times.is_some() || self.max_queue_age.is_some()
    }
}

/// The bounds that decisions under the lock are made by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `usize::MAX` means no cap.
    pub(crate) max_workers: usize,
    pub(crate) min_workers: usize,
    pub(crate) queue_capacity: usize,
    pub(crate) max_blocking: usize,
    /// How many queued payloads a worker may take at a time.
    pub(crate) batch_size: usize,
}

impl Limits {
    /// The cap as the user sees it.
    pub(crate) fn capacity(&self) -> Option<usize> {
        (self.max_workers != usize::MAX).then_some(self.max_workers)
    }
}

#[derive(Clone)]
pub(crate) struct ThreadOptions {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<WorkerHook>,
    pub(crate) on_stop: Option<WorkerHook>,
    pub(crate) spawner: Option<Spawner>,
    #[cfg(all(feature = "affinity", not(anthill_loom)))]
    pub(crate) cores: Option<Vec<usize>>,
}

pub(crate) struct Hooks<T> {
    pub(crate) on_panic: Option<PanicHandler>,
    pub(crate) on_payload_start: Option<StartHook<T>>,
    pub(crate) on_payload_end: Option<EndHook>,
    pub(crate) on_discard: Option<DiscardHook<T>>,
    pub(crate) on_refusal: Option<RefusalHook>,
}

impl<T> Clone for Hooks<T> {
    fn clone(&self) -> Self {
        Hooks {
            on_panic: self.on_panic.clone(),
            on_payload_start: self.on_payload_start.clone(),
            on_payload_end: self.on_payload_end.clone(),
            on_discard: self.on_discard.clone(),
            on_refusal: self.on_refusal.clone(),
        }
    }
}

/// Whether a pool can have so many workers.
pub(crate) fn check_sizes(min_workers: usize, max_workers: usize) -> Result<(), BuildError> {
    if max_workers == 0 {
        return Err(BuildError::NoWorkers);
    }
    if min_workers > max_workers {
        return Err(BuildError::MinAboveMax { min_workers, max_workers });
    }
    Ok(())
}

/// How many payloads a worker may take at a time where the queue has room for `queue_capacity`: short queues are worth
/// more for their order than for their speed.
pub(crate) fn batch_for(queue_capacity: usize) -> usize {
    if queue_capacity < SHORTEST_QUEUE { 1 } else { (queue_capacity / 8).min(LARGEST) }
}
