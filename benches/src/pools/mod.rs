//! The worker pools: ours and its peers behind one shape, and how they are measured.
//!
//! A payload goes into each pool the way that pool's users would put it there: as a value into those that take values
//! (ours, `workerpool`), as a closure into the others. What a payload does is the same code for all (see `work`), and
//! it is never called through a vtable of ours, so that twenty nanoseconds per payload can be told from twenty-two.
//!
//! `contest` measures pools of [`WORKERS`] threads within one process. What belongs to a whole process (its threads,
//! its memory, the wake-ups of idle threads) is measured by `life` in a process per contestant, which `apart` starts.

mod apart;
mod bare;
mod contest;
mod life;
mod peers;
mod table;
mod tally;
mod usage;
mod work;

pub use apart::{measure_if_asked, run_apart};
pub use bare::{CrossbeamRendezvous, StdRendezvous, ThreadPerPayload};
pub use contest::{Between, Lateness, Submission, Throughput, is_strict, lateness, throughput};
pub use life::{
    Crowd, Idleness, Naps, Shrinking, affordable_threads, crowd, idleness, idleness_of_nothing, shrinking,
};
pub use peers::{Affinitypool, Blocking, Rayon, RustyPool, Threadpool, Tokio, Workerpool};
pub use table::{print_ratios, print_throughput};
pub use usage::Usage;
pub use work::{Count, Meet, Meeting, Nap, Spin, Stamp, Triple, Work};

pub use crate::ours_pool::{Ours, OursStrict, OursTasks};

use std::time::Duration;

/// Threads that run payloads, the same for every pool of a contest.
pub const WORKERS: usize = 2;

/// How large a pool is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The most threads that run payloads.
    pub workers: usize,
    /// How long a thread may be idle before it is let go; `None` leaves it at the pool's own default. Pools that never
    /// let threads go, or not at a time of one's choice, pass over it.
    pub idle_limit: Option<Duration>,
}

impl Shape {
    /// So many threads, and no wish how long they stay.
    #[must_use]
    pub fn of(workers: usize) -> Self {
        Self { workers, idle_limit: None }
    }
}

/// A pool that runs payloads of one type.
pub trait Pool<T: Work>: Sync + Sized {
    /// Starts a pool.
    fn start(shape: Shape) -> Self;

    /// Hands over one payload; waits while the pool is full, if it is one that can be.
    fn submit(&self, payload: T);

    /// Runs what was handed over, and ends the threads.
    fn stop(self);
}

/// A pool that can hand a payload to a worker that is free, and refuse it when there is none.
pub trait Strict<T: Work>: Pool<T> {
    /// Hands over one payload if somebody takes it now.
    fn try_submit(&self, payload: T) -> Result<(), T>;
}
