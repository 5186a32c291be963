//! Our pool, for the benchmarks: a bounded queue, and submitters that wait while it is full. Once with typed payloads,
//! as it is meant to be used, and once with boxed closures, which is all that the peers have.

use crate::pools::{Pool, WORKERS, Work};
use anthill_pool::{TaskPool, WorkerPool};

/// Places in the queue; the peers' have no bound, which is faster only until the memory is gone.
const QUEUE: usize = 1024;

/// This project's pool with typed payloads.
pub struct Ours<T: Work>(WorkerPool<T>);

impl<T: Work> Pool<T> for Ours<T> {
    fn start() -> Self {
        let pool = WorkerPool::<T>::builder().max_workers(WORKERS).queue_capacity(QUEUE).build(T::run);
        Self(pool.expect("the pool starts"))
    }

    fn submit(&self, payload: T) {
        assert!(self.0.submit(payload).is_ok(), "a running pool takes the payload");
    }

    fn stop(self) {
        self.0.stop();
        self.0.wait().expect("the benchmark is no worker of the pool");
    }
}

/// This project's pool with closures.
pub struct OursTasks(TaskPool);

impl<T: Work> Pool<T> for OursTasks {
    fn start() -> Self {
        let pool = WorkerPool::builder().max_workers(WORKERS).queue_capacity(QUEUE).build_tasks();
        Self(pool.expect("the pool starts"))
    }

    fn submit(&self, payload: T) {
        assert!(self.0.execute(move || payload.run()).is_ok(), "a running pool takes the closure");
    }

    fn stop(self) {
        self.0.stop();
        self.0.wait().expect("the benchmark is no worker of the pool");
    }
}
