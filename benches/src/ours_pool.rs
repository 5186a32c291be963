//! Our pool, for the benchmarks: a bounded queue, and submitters that wait while it is full. Once with typed payloads,
//! as it is meant to be used, once with closures, which is all that most peers have, and once without a queue.

use crate::pools::{Pool, Shape, Strict, Work};
use anthill_pool::{TaskPool, WorkerPool, WorkerPoolBuilder};

/// Places in the queue; the peers' have no bound, which is faster only until the memory is gone.
const QUEUE: usize = 1024;

/// This project's pool with typed payloads.
pub struct Ours<T: Work>(WorkerPool<T>);

impl<T: Work> Pool<T> for Ours<T> {
    fn start(shape: Shape) -> Self {
        let pool = options(shape).queue_capacity(QUEUE).build(T::run);
        Self(pool.expect("the pool starts"))
    }

    fn submit(&self, payload: T) {
        assert!(self.0.submit(payload).is_ok(), "a running pool takes the payload");
    }

    fn stop(self) {
        end(&self.0);
    }
}

/// This project's pool without a queue: a worker takes the payload, or the submitter waits, as in ants and fasthttp.
pub struct OursStrict<T: Work>(WorkerPool<T>);

impl<T: Work> Pool<T> for OursStrict<T> {
    fn start(shape: Shape) -> Self {
        let pool = options(shape).queue_capacity(0).build(T::run);
        Self(pool.expect("the pool starts"))
    }

    fn submit(&self, payload: T) {
        assert!(self.0.submit(payload).is_ok(), "a running pool takes the payload");
    }

    fn stop(self) {
        end(&self.0);
    }
}

impl<T: Work> Strict<T> for OursStrict<T> {
    fn try_submit(&self, payload: T) -> Result<(), T> {
        self.0.try_submit(payload).map_err(|refusal| refusal.into_payload())
    }
}

/// This project's pool with closures.
pub struct OursTasks(TaskPool);

impl<T: Work> Pool<T> for OursTasks {
    fn start(shape: Shape) -> Self {
        let pool = options(shape).queue_capacity(QUEUE).build_tasks();
        Self(pool.expect("the pool starts"))
    }

    fn submit(&self, payload: T) {
        assert!(self.0.execute(move || payload.run()).is_ok(), "a running pool takes the closure");
    }

    fn stop(self) {
        end(&self.0);
    }
}

fn options<T: Send + 'static>(shape: Shape) -> WorkerPoolBuilder<T> {
    let builder = WorkerPool::builder().max_workers(shape.workers);
    match shape.idle_limit {
        Some(limit) => builder.max_idle_worker_duration(limit),
        None => builder,
    }
}

fn end<T: Send + 'static>(pool: &WorkerPool<T>) {
    pool.stop();
    pool.wait().expect("the benchmark is no worker of the pool");
}
