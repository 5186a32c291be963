//! The peers, each as its documentation shows it.

use super::{Block, Objects};
use lockfree_object_pool::LinearObjectPool;
use opool::PoolAllocator;
use std::sync::Mutex;

/// Idle blocks that there is room for, where a pool wants to know.
const ROOM: usize = 64;

/// `opool`: one ring for all threads.
pub struct Opool(opool::Pool<Maker, Block>);

/// Makes blocks for `opool`.
#[derive(Debug)]
pub(super) struct Maker;

impl PoolAllocator<Block> for Maker {
    fn allocate(&self) -> Block {
        Block::make()
    }
}

impl Objects for Opool {
    fn start() -> Self {
        Self(opool::Pool::new(ROOM, Maker))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.get());
    }
}

/// `object-pool`: a stack behind one lock.
pub struct ObjectPool(object_pool::Pool<Block>);

impl Objects for ObjectPool {
    fn start() -> Self {
        Self(object_pool::Pool::new(0, Block::make))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.pull(Block::make));
    }
}

/// `lockfree-object-pool`, its linear one: linked pages of slots and a bitmap.
pub struct LockfreeLinear(LinearObjectPool<Block>);

impl Objects for LockfreeLinear {
    fn start() -> Self {
        Self(LinearObjectPool::new(Block::make, |_| ()))
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut self.0.pull());
    }
}

/// `sharded-slab`: pages for each thread. Objects are found by key, so they have to be cleared to be free again.
pub struct ShardedSlab(sharded_slab::Pool<Block>);

impl sharded_slab::Clear for Block {
    fn clear(&mut self) {}
}

impl Objects for ShardedSlab {
    fn start() -> Self {
        Self(sharded_slab::Pool::new())
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        let mut block = self.0.create().expect("there is room for a block of each thread");
        work(&mut block);
        let key = block.key();
        drop(block);
        self.0.clear(key);
    }
}

/// What one writes without a library: a stack behind std's lock.
pub struct MutexVec(Mutex<Vec<Block>>);

impl Objects for MutexVec {
    fn start() -> Self {
        Self(Mutex::default())
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        let idle = self.0.lock().expect("nothing panics under the lock").pop();
        let mut block = idle.unwrap_or_else(Block::make);
        work(&mut block);
        self.0.lock().expect("nothing panics under the lock").push(block);
    }
}

/// No pool: the allocator.
pub struct Malloc;

impl Objects for Malloc {
    fn start() -> Self {
        Self
    }

    fn lend(&self, work: impl FnOnce(&mut Block)) {
        work(&mut Block::make());
    }
}
