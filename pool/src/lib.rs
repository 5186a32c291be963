//! A worker pool on OS threads for work that may block, and an object pool.
//!
//! [`WorkerPool<T>`] runs one function over payloads `T`. Idle workers wait on a last-in-first-out stack, each on a
//! channel of its own, so the hottest thread gets the next payload and a burst's surplus goes cold and is let go. What
//! it promises: *every accepted payload is run exactly once or handed back*, through panics, stops, refused threads
//! and full queues.
//!
//! ```
//! use anthill_pool::WorkerPool;
//!
//! let pool = WorkerPool::new(8, |name: String| assert!(!name.is_empty()))?;
//! pool.submit("ant".to_owned())?;
//! pool.stop();
//! pool.wait()?;
//! assert_eq!(pool.stats().finished, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`TaskPool`] runs closures, and on it stand [handles](TaskHandle) of their results, [groups](TaskGroup),
//! [scopes](TaskPool::scope) whose tasks borrow the caller's stack, maps over [iterators](TaskPool::map) and
//! [slices](TaskPool::par_map), and [shares](SubPool) of a pool. Tasks run [later](TaskPool::after), [every so
//! often](TaskPool::every), and [again after a failure](TaskPool::retry). A [`CallPool`] runs one function and answers.
//!
//! [`ObjectPool<T>`] keeps objects that are costly to make (buffers, contexts, coders) for the next user: Go's
//! `sync.Pool`, bounded.
//!
//! Specialities have modules of their own: [`multi`] shares payloads out among several pools, for machines of many
//! cores; [`buffers`] keeps byte buffers of the size that is used; [`times`] are the histograms that a pool may keep,
//! and [`prometheus`] shows figures to a scraper; the features `tracing` and `metrics` tell subscribers and recorders.
//! With the feature `remote` the module `remote` feeds a pool from a queue of durable jobs, on Redis with the feature
//! `redis`. Coming from another library? See [`coming_from`] for what your calls are called here.
//!
//! # In a static
//! ```
//! use std::sync::LazyLock;
//! use anthill_pool::{TaskPool, WorkerPool};
//!
//! static POOL: LazyLock<TaskPool> =
//!     LazyLock::new(|| WorkerPool::builder().max_workers(64).build_tasks().expect("valid options"));
//!
//! let (answer, inbox) = std::sync::mpsc::channel();
//! POOL.execute(move || answer.send(6 * 7).unwrap())?;
//! assert_eq!(inbox.recv()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! It is built when it is first used. [`default_pool`] is one that is there already.
//!
//! # When it is full
//! A pool is full when every worker is busy, there may be no further one, and the queue has no room (by default there
//! is none). Then [`submit`](WorkerPool::submit), [`execute`](WorkerPool::execute), [`spawn`](WorkerPool::spawn),
//! [`call`](WorkerPool::call) and a group's [`spawn`](TaskGroup::spawn) wait, or do what
//! [`when_full`](WorkerPoolBuilder::when_full) says; the `try_` forms refuse; those with a limit wait for so long. What
//! is refused comes back. A worker that submits to its own pool waits too, unless that could never end
//! ([`WouldDeadlock`](SubmitError::WouldDeadlock)). [Scopes](WorkerPool::scope), [`par_map`](TaskPool::par_map) and
//! [`map`](TaskPool::map) never wait for room: what no worker takes is run by the thread that asks.
//!
//! In async code submit by a `try_` form, or to a pool whose queue has no bound: a submission that waits blocks the
//! executor's thread. [Handles](TaskHandle) and [groups](TaskGroup) are futures; dropping one does not cancel its
//! tasks.
//!
//! # When not to use it
//! For splitting one computation over all cores use a work-stealing pool. Workers here never run foreign work on a
//! stack that waits, and are many: they are for tasks that block. How they work together is told in [`protocol`].

#[cfg(all(anthill_loom, not(feature = "model")))]
compile_error!("under `--cfg anthill_loom` the pool stands on loom: switch its feature `model` on");

// The layers, from the bottom to the top; each names only those before it: sync, panic, stats, times, error, backoff,
// telemetry, watched, cancel, waits, config, core, threads, pool, tasks, multi, global, objects, buffers,
// prometheus, recorder, remote.
mod backoff;
pub mod buffers;
mod cancel;
mod config;
mod core;
mod error;
#[cfg(not(anthill_loom))]
mod global;
pub mod multi;
mod objects;
mod panic;
mod pool;
pub mod prometheus;
#[cfg(all(feature = "metrics", not(anthill_loom)))]
pub mod recorder;
#[cfg(all(feature = "remote", not(anthill_loom)))]
pub mod remote;
mod stats;
mod sync;
mod tasks;
mod telemetry;
mod threads;
pub mod times;
mod waits;
mod watched;

pub use backoff::{Backoff, Jitter};
pub use cancel::{CancelListener, CancelToken};
#[cfg(all(feature = "affinity", not(anthill_loom)))]
pub use config::affinity::allowed_cores;
#[cfg(not(anthill_loom))]
pub use config::clock::ManualClock;
pub use config::{Discard, PayloadEnd, WhenFull, WorkerPoolBuilder, WorkerThread};
pub use core::Priority;
pub use error::{BuildError, Refusal, SubmitError, SubmitManyError, WaitError};
#[cfg(not(anthill_loom))]
pub use global::default_pool;
pub use objects::{ObjectPool, ObjectPoolBuilder, ObjectPoolStats, Pooled, PooledOwned};
pub use pool::{Delayed, Submission, Unfinished, WorkerPool};
pub use stats::{PoolState, PoolStats};
pub use tasks::{
    Call, CallPool, ClosurePayload, GroupError, Map, MapUnordered, MissedRuns, RefusedClosure, RefusedHandle,
    Schedule, ScheduledTask, Scope, ScopedHandle, SubPool, SubPoolStats, Task, TaskCanceller, TaskError,
    TaskGroup, TaskHandle, TaskPanic, TaskPool, TaskToken, TryMap,
};

// The first definition of a link counts; those of the page are for readers of the file.
#[doc = include_str!("links.txt")]
#[doc = include_str!("../COMING_FROM.md")]
pub mod coming_from {}

#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {
    #[doc = include_str!("tasks/share/PROTOCOL.md")]
    pub mod shares {}
}

/// What models need beside the public API: time is an argument there.
#[cfg(anthill_loom)]
pub mod internal {
    pub use crate::sync::Instant;
}

/// For checking code of one's own together with the pool: everything that [loom](https://docs.rs/loom) offers in place
/// of `std::sync` and `std::thread`, in the version that the pool itself stands on.
///
/// Only there with the feature `model` when everything is built with `RUSTFLAGS="--cfg anthill_loom"`, and of use only
/// inside of [`model`](fn@loom::model): the pool's threads, locks and waits are loom's then, and every interleaving of
/// them with those of the caller is tried. A model has room for five threads, the main one and the pool's workers
/// included; waits with a time limit do not end by time; a cleaner is one more thread, so build pools with
/// [`max_idle_worker_duration(None)`](crate::WorkerPoolBuilder::max_idle_worker_duration).
#[cfg(anthill_loom)]
pub mod model {
    pub use crate::sync::Instant;
    pub use crate::sync::for_users::*;
}

/// The programs of the registry's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
