//! Our object pool, for the benchmarks: as it comes, with owned guards, and with a bound on weight, which needs the
//! lock.

use super::{Block, Objects};
use anthill_pool::ObjectPool;

/// This project's pool with its default options.
pub struct Ours(ObjectPool<Block>);

impl Objects for Ours {
    fn start() -> Self {
        Self(ObjectPool::new(Block::make))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.get());
    }
}

/// The same, with guards that keep the pool alive.
pub struct OursOwned(ObjectPool<Block>);

impl Objects for OursOwned {
    fn start() -> Self {
        Self(ObjectPool::new(Block::make))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.get_owned());
    }
}

/// The same, with a bound on the weight of what is idle.
pub struct OursWeighed(ObjectPool<Block>);

impl Objects for OursWeighed {
    fn start() -> Self {
        Self(ObjectPool::builder().max_weight(1 << 20, |_| 4096).build(Block::make))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.get());
    }
}
