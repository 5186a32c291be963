//! The peers, each as its documentation sets it up for so many threads that run payloads.

use super::{Pool, Shape, Work};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// `rayon`: closures through the injector queue of a work-stealing pool; the queue has no bound, the threads stay.
#[derive(Debug)]
pub struct Rayon(rayon::ThreadPool);

impl<T: Work> Pool<T> for Rayon {
    fn start(shape: Shape) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(shape.workers).build();
        Self(pool.expect("the rayon pool starts"))
    }

    fn submit(&self, payload: T) {
        self.0.spawn(move || payload.run());
    }

    fn stop(self) {
        drop(self.0);
    }
}

/// `tokio`'s blocking pool; the queue has no bound.
#[derive(Debug)]
pub struct Tokio(tokio::runtime::Runtime);

impl<T: Work> Pool<T> for Tokio {
    fn start(shape: Shape) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.max_blocking_threads(shape.workers);
        if let Some(limit) = shape.idle_limit {
            builder.thread_keep_alive(limit);
        }
        Self(builder.build().expect("the tokio runtime starts"))
    }

    fn submit(&self, payload: T) {
        drop(self.0.spawn_blocking(move || payload.run()));
    }

    fn stop(self) {
        drop(self.0);
    }
}

/// `threadpool`: boxed closures through one channel behind a mutex; the queue has no bound, the threads stay.
#[derive(Debug)]
pub struct Threadpool(threadpool::ThreadPool);

impl<T: Work> Pool<T> for Threadpool {
    fn start(shape: Shape) -> Self {
        Self(threadpool::ThreadPool::new(shape.workers))
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
    fn start(shape: Shape) -> Self {
        let builder = rusty_pool::Builder::new().max_size(shape.workers);
        // Core threads never leave. One must stay: without any, accepted payloads can be lost.
        Self(match shape.idle_limit {
            Some(limit) => builder.core_size(1).keep_alive(limit).build(),
            None => builder.core_size(shape.workers).build(),
        })
    }

    fn submit(&self, payload: T) {
        self.0.execute(move || payload.run());
    }

    fn stop(self) {
        self.0.shutdown_join();
    }
}

/// `blocking`, smol's pool: one for the process, a mutex and a condition variable around a queue without bound.
///
/// It cannot be stopped, and its idle limit is its own.
#[derive(Debug)]
pub struct Blocking;

impl<T: Work> Pool<T> for Blocking {
    fn start(shape: Shape) -> Self {
        blocking::set_max_blocking_threads(NonZeroUsize::new(shape.workers).expect("a pool has a thread"));
        Self
    }

    fn submit(&self, payload: T) {
        blocking::unblock(move || payload.run()).detach();
    }

    fn stop(self) {}
}

/// `affinitypool`: closures through sharded queues; no bound, and the threads stay.
///
/// Its handles cancel what they are of when they are dropped, so they are kept until the end. That is not what its
/// users do with many of them; so it takes part where payloads are few.
pub struct Affinitypool {
    pool: affinitypool::Threadpool,
    handles: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl<T: Work> Pool<T> for Affinitypool {
    fn start(shape: Shape) -> Self {
        Self { pool: affinitypool::Threadpool::new(shape.workers), handles: Mutex::default() }
    }

    fn submit(&self, payload: T) {
        let handle = self.pool.spawn(move || payload.run());
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(handle));
    }

    fn stop(self) {
        drop(self);
    }
}

/// `workerpool`: typed payloads, as ours, through one channel behind a mutex; no bound, and the threads stay.
pub struct Workerpool<T: Work>(workerpool::Pool<Runner<T>>);

/// What each of its threads has: nothing but the type of the payloads.
struct Runner<T>(PhantomData<fn(T)>);

impl<T> Default for Runner<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Work> workerpool::Worker for Runner<T> {
    type Input = T;
    type Output = ();

    fn execute(&mut self, payload: T) {
        payload.run();
    }
}

impl<T: Work> Pool<T> for Workerpool<T> {
    fn start(shape: Shape) -> Self {
        Self(workerpool::Pool::new(shape.workers))
    }

    fn submit(&self, payload: T) {
        self.0.execute(payload);
    }

    fn stop(self) {
        self.0.join();
    }
}

impl fmt::Debug for Affinitypool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Affinitypool").finish_non_exhaustive()
    }
}

impl fmt::Debug for RustyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RustyPool").finish_non_exhaustive()
    }
}

impl<T: Work> fmt::Debug for Workerpool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workerpool").finish_non_exhaustive()
    }
}
