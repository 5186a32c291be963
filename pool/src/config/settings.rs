//! What the pool works with: the options as they were resolved, once, when it was built.

use std::io;
use std::time::Duration;

use super::clock::Clock;
use super::policy::{Discard, PayloadEnd, WhenFull};
use super::worker_thread::WorkerThread;
use crate::error::{BuildError, Refusal};
use crate::panic::PanicValue;
use crate::sync::{StdArc, thread};
use crate::times::Times;
use crate::waits::PoolKey;

/// The most payloads that a worker takes at a time.
const LARGEST_BATCH: usize = 512;
/// Queues with less room are not taken from in batches.
const SHORTEST_QUEUE: usize = 64;

pub(crate) type PanicHandler = StdArc<dyn Fn(PanicValue) + Send + Sync>;
pub(crate) type WorkerHook = StdArc<dyn Fn(usize) + Send + Sync>;
pub(crate) type Spawner = StdArc<dyn Fn(WorkerThread) -> io::Result<thread::JoinHandle<()>> + Send + Sync>;
type StartHook<T> = StdArc<dyn Fn(usize, &T) + Send + Sync>;
type EndHook = StdArc<dyn Fn(usize, PayloadEnd) + Send + Sync>;
/// Runs a payload between two hooks of the user's, of which the second gets what the first returned. A hook that panics
/// is contained, and the payload runs all the same.
pub(crate) type PayloadHooks<T> = StdArc<dyn Fn(usize, T, &mut dyn FnMut(T) -> PayloadEnd) + Send + Sync>;
type DiscardHook<T> = StdArc<dyn Fn(T, Discard) + Send + Sync>;
type RefusalHook = StdArc<dyn Fn(Refusal) + Send + Sync>;

/// Tells somebody that a payload lies with this pool now. Holds nothing that the payload does not hold, and takes no
/// lock of a core.
pub(crate) type Arrival = Box<dyn FnOnce(PoolKey) + Send>;

/// For payloads that others wait for, who are to know where they are.
pub(crate) struct Tracking<T> {
    /// It is about to be submitted: whom to tell once the pool has it, or it waits in line.
    pub(crate) departs: fn(&T) -> Option<Arrival>,
    /// It is about to be given to the user again, unrun.
    pub(crate) returns: fn(&mut T),
}

impl<T> Clone for Tracking<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tracking<T> {}

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

    /// Has payloads know that they come into the user's hands again, if they want to.
    pub(crate) fn return_each(&self, payloads: &mut [T]) {
        if let Some(tracking) = self.hooks.tracking {
            payloads.iter_mut().for_each(tracking.returns);
        }
    }
}

/// The bounds that decisions under the lock are made by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The cap on workers, if there is one.
    pub(crate) max_workers: Option<usize>,
    pub(crate) min_workers: usize,
    /// The bound on the queue, if there is one.
    pub(crate) queue_capacity: Option<usize>,
    /// The bound on blocked submitters, if there is one.
    pub(crate) max_blocking: Option<usize>,
    /// How many queued payloads a worker may take at a time.
    pub(crate) batch_size: usize,
}

impl Limits {
    /// True when there may be one more worker beside so many.
    #[inline]
    pub(crate) fn allow_one_beside(&self, workers: usize) -> bool {
        self.max_workers.is_none_or(|max| workers < max)
    }

    /// How many of so many workers are above the cap.
    pub(crate) fn surplus_of(&self, workers: usize) -> usize {
        self.max_workers.map_or(0, |max| workers.saturating_sub(max))
    }

    /// `wanted`, or as many as there may be beside so many workers.
    pub(crate) fn cut_to_cap(&self, wanted: usize, workers: usize) -> usize {
        self.max_workers.map_or(wanted, |max| wanted.min(max.saturating_sub(workers)))
    }

    /// True when payloads may be queued.
    #[inline]
    pub(crate) fn has_queue(&self) -> bool {
        self.queue_capacity != Some(0)
    }

    /// True when one more payload may be queued beside so many, with so many places beyond the bound.
    #[inline]
    pub(crate) fn allow_queueing_beside(&self, queued: usize, beyond: usize) -> bool {
        self.queue_capacity.is_none_or(|capacity| queued < capacity.saturating_add(beyond))
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
    pub(crate) around_payload: Option<PayloadHooks<T>>,
    pub(crate) on_discard: Option<DiscardHook<T>>,
    pub(crate) on_refusal: Option<RefusalHook>,
    pub(crate) tracking: Option<Tracking<T>>,
}

impl<T> Clone for Hooks<T> {
    fn clone(&self) -> Self {
        Hooks {
            on_panic: self.on_panic.clone(),
            on_payload_start: self.on_payload_start.clone(),
            on_payload_end: self.on_payload_end.clone(),
            around_payload: self.around_payload.clone(),
            on_discard: self.on_discard.clone(),
            on_refusal: self.on_refusal.clone(),
            tracking: self.tracking,
        }
    }
}

/// Whether a pool can have so many workers.
pub(crate) fn check_sizes(min_workers: usize, max_workers: Option<usize>) -> Result<(), BuildError> {
    match max_workers {
        Some(0) => Err(BuildError::NoWorkers),
        Some(max_workers) if min_workers > max_workers => {
            Err(BuildError::MinAboveMax { min_workers, max_workers })
        }
        _ => Ok(()),
    }
}

/// How many payloads a worker may take at a time where the queue has this bound: short queues are worth more for their
/// order than for their speed.
pub(super) fn batch_for(queue_capacity: Option<usize>) -> usize {
    match queue_capacity {
        Some(capacity) if capacity < SHORTEST_QUEUE => 1,
        Some(capacity) => (capacity / 2).min(LARGEST_BATCH),
        None => LARGEST_BATCH,
    }
}
