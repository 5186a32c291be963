//! The peers, each with [`WORKERS`] threads that run payloads.

use super::{Pool, WORKERS, Work};

/// `rayon`: closures through the injector queue of a work-stealing pool; the queue has no bound.
#[derive(Debug)]
pub struct Rayon(rayon::ThreadPool);

impl<T: Work> Pool<T> for Rayon {
    fn start() -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build();
        Self(pool.expect("the rayon pool starts"))
    }

    fn submit(&self, payload: T) {
        self.0.spawn(move || payload.run());
    }

    fn stop(self) {
        drop(self.0);
    }
}

/// `tokio`'s blocking pool, limited to [`WORKERS`] threads; the queue has no bound.
#[derive(Debug)]
pub struct Tokio(tokio::runtime::Runtime);

impl<T: Work> Pool<T> for Tokio {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(WORKERS).build();
        Self(runtime.expect("the tokio runtime starts"))
    }

    fn submit(&self, payload: T) {
        drop(self.0.spawn_blocking(move || payload.run()));
    }

    fn stop(self) {
        drop(self.0);
    }
}

/// `threadpool`: boxed closures through one channel behind a mutex; the queue has no bound.
#[derive(Debug)]
pub struct Threadpool(threadpool::ThreadPool);

impl<T: Work> Pool<T> for Threadpool {
    fn start() -> Self {
        Self(threadpool::ThreadPool::new(WORKERS))
    }

    fn submit(&self, payload: T) {
        self.0.execute(move || payload.run());
    }

    fn stop(self) {
        self.0.join();
    }
}

/// `rusty_pool`: boxed closures through a crossbeam channel; the queue has no bound.
pub struct RustyPool(rusty_pool::ThreadPool);

impl<T: Work> Pool<T> for RustyPool {
    fn start() -> Self {
        Self(rusty_pool::Builder::new().core_size(WORKERS).max_size(WORKERS).build())
    }

    fn submit(&self, payload: T) {
        self.0.execute(move || payload.run());
    }

    fn stop(self) {
        self.0.shutdown_join();
    }
}
