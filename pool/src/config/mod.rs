//! What a pool is told: options, and what becomes of them when they are checked. Nothing is built here.

#[cfg(all(feature = "affinity", not(anthill_loom)))]
pub(crate) mod affinity;
mod builder;
pub(crate) mod clock;
mod policy;
mod settings;
mod worker_thread;

pub use builder::WorkerPoolBuilder;
pub use policy::{Discard, PayloadEnd, WhenFull};
pub(crate) use settings::{Arrival, Limits, PayloadHooks, Settings, Tracking, check_sizes};
pub use worker_thread::WorkerThread;
