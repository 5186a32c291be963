//! The worker pools: ours and its peers behind one shape, and how they are measured.
//!
//! A payload goes into each pool the way that pool's users would put it there: as a value into ours, as a closure into
//! the others. What a payload does is the same code for all (see `work`), and it is never called through a vtable of
//! ours, so that twenty nanoseconds per payload can be told from twenty-two.

mod contest;
mod peers;
mod tally;
mod work;

pub use contest::{Between, Lateness, Submission, Throughput, lateness, throughput};
pub use peers::{Rayon, RustyPool, Threadpool, Tokio};
pub use work::{Count, Spin, Stamp, Work};

pub use crate::ours_pool::{Ours, OursTasks};

/// Threads that run payloads, the same for every pool.
pub const WORKERS: usize = 2;

/// A pool that runs payloads of one type on [`WORKERS`] threads.
pub trait Pool<T: Work>: Sync + Sized {
    /// Starts a pool.
    fn start() -> Self;

    /// Hands over one payload; waits while the pool is full, if it is one that can be.
    fn submit(&self, payload: T);

    /// Runs what was handed over, and ends the threads.
    fn stop(self);
}
