//! What the model-checked parts of the engine stand on.
//!
//! The files whose protocols are modelled take their atomics and locks from `crate::engine::sync` only, and know
//! nothing of the crate but each other; the models compile those very files beside a `sync` made of loom's parts.

pub(crate) use crate::wire::sync::{Arc, Condvar, Instant, Mutex, lock, wait, wait_until};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
