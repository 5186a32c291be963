//! The object pools: ours and its peers behind one shape, and how they are measured.
//!
//! A pool hands out an object for a moment and takes it back, as its users would do it; what is done with the object is
//! the same for all. The allocator is a contestant too, as it is what a pool has to beat.

mod block;
mod contest;
mod ours;
mod peers;

pub use block::Block;
pub use contest::{Cost, cost};
pub use ours::{Ours, OursOwned, OursWeighed};
pub use peers::{LockfreeLinear, Malloc, MutexVec, ObjectPool, Opool, ShardedSlab};

/// Somewhere to get a [`Block`] for a moment, from any thread.
pub trait Objects: Sync + Sized {
    /// An empty pool with room for the idle blocks of a few threads.
    fn start() -> Self;

    /// Gets a block, lets `work` use it, and returns it.
    fn lend(&self, work: impl FnOnce(&mut Block));
}
